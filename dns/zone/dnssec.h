/* SPDX-License-Identifier: Apache-2.0 */
/* What a signed zone has beside its records.
 *
 *   signed here      keys; the NSEC chain of its names; for each record set a slot that gets its
 *                    signatures when they are first needed, by a worker or in the background
 *   signed before    RRSIG, NSEC or NSEC3 records of the file, found by name or hash
 *
 * In a zone signed here each node with records has a set of type RRSIG with n = 0, whose 'raw' is the
 * array of slots, one for each of the node's sets: nothing is added to zones that are not signed.
 *
 * Threads: built by the loader; slots are set by any thread, by compare-and-swap, the old signatures
 * freed after a grace period.  Memory: the zone's, but for the signatures in the slots.
 */
#ifndef WEFT_DNS_ZONE_DNSSEC_H
#define WEFT_DNS_ZONE_DNSSEC_H

#include "dns/sign/sign.h"
#include "dns/zone/zone.h"

enum dns_denial {
	DNS_DENIAL_NSEC,    /* by the chain of the zone's names */
	DNS_DENIAL_NSEC3,   /* by the chain of the file (RFC 5155) */
	DNS_DENIAL_COMPACT, /* by a record made for the name (RFC 9824); out of budget: the chain */
};

/* RFC 9276 section 3.1 wants none; more than this is refused, since strangers make us hash. */
#define DNS_NSEC3_ITERATIONS_MAX 100
#define DNS_NSEC3_HASH 20

struct dns_zone_dnssec {
	enum dns_denial denial;
	struct dns_keyset *keys; /* NULL: signed before */
	/* Names with NSEC in canonical order (RFC 4034 section 6.1), or with NSEC3 in the order of
	 * their hashes. */
	struct dns_node **chain;
	size_t n_chain;
	uint32_t negative_ttl; /* RFC 2308 section 5, RFC 9077 section 3 */
	/* NSEC3PARAM */
	uint16_t iterations;
	uint8_t salt_size;
	const uint8_t *salt;
	uint32_t expires; /* signed before: when the first signature does */
};

/* Signatures of one set: RRSIG records with the owner c00c. */
struct dns_sigs {
	uint32_t expires;
	uint32_t refresh; /* from then on they are renewed in the background */
	uint16_t size;
	uint8_t n;
	uint8_t raw[];
};

/* The slots of a node of a zone signed here; NULL: it has none (no records, or below a cut). */
static inline struct dns_sigs **
dns_node_slots(const struct dns_node *n)
{
	const struct dns_rrset *s = dns_node_set(n, DNS_RRSIG);

	return s && !s->n ? (struct dns_sigs **)s->raw : NULL;
}

/* The set is signed: of a cut only what belongs to the zone above it is. */
static inline bool
dns_set_is_signed(const struct dns_node *n, const struct dns_rrset *s)
{
	return s->n && s->type != DNS_RRSIG &&
	       (!(n->flags & DNS_NODE_CUT) || s->type == DNS_DS || s->type == DNS_NSEC);
}

/* The signatures of the i-th set of a node of a zone signed here: those in the slot, else new ones,
 * which are put there.  NULL if OpenSSL fails.  In an RCU read section. */
const struct dns_sigs *dns_zone_sigs(const struct dns_zone *, const struct dns_node *, unsigned i,
				     uint32_t now_s);
/* Signs what has no signatures or old ones, at most 'max' sets of a bounded number of names from the
 * one at '*at' on.  Returns whether there are more. */
bool dns_zone_presign(const struct dns_zone *, size_t *at, unsigned max, uint32_t now_s);
/* Takes over the signatures of sets that are as they were in 'old'. */
void dns_zone_inherit_sigs(struct dns_zone *, const struct dns_zone *old, uint32_t now_s);

/* Building: DNSKEY, CDS, CDNSKEY are added as records before; then NSEC records and slots. */
int dns_zone_sign_here(struct dns_zone *, struct dns_keyset *, enum dns_denial, struct wf_err *);
/* A zone whose file is signed: finds its chain.  Nothing is done for one that is not. */
int dns_zone_signed_before(struct dns_zone *, struct wf_str *warnings, struct wf_err *);
void dns_zone_dnssec_free(struct dns_zone *);

/* The node whose NSEC says what lies at or behind this name: the last one in canonical order that is
 * not behind it. */
const struct dns_node *dns_nsec_at_or_before(const struct dns_zone *, const struct dns_name *);
/* The hash of a name; then the NSEC3 that has it, and the one whose gap it lies in. */
void dns_nsec3_hash(const struct dns_zone_dnssec *, const uint8_t *name, size_t size,
		    uint8_t hash[DNS_NSEC3_HASH]);
/* A thread that has signed or hashed ends. */
void dns_dnssec_thread_done(void);
const struct dns_node *dns_nsec3_match(const struct dns_zone *, const uint8_t hash[DNS_NSEC3_HASH]);
const struct dns_node *dns_nsec3_cover(const struct dns_zone *, const uint8_t hash[DNS_NSEC3_HASH]);

/* Writes a type bitmap (RFC 4034 section 4.1.2) of at most DNS_BITMAP_MAX bytes; 'types' is sorted
 * here.  Returns its size. */
#define DNS_BITMAP_MAX (256 * 34)
size_t dns_bitmap_put(uint8_t *to, uint16_t *types, unsigned n);
/* RRSIGs among the node's records that cover the type, one after the other: NULL at the end.  For
 * zones signed before; '*at' begins as NULL. */
const uint8_t *dns_rrsig_next(const struct dns_node *, unsigned type, const uint8_t **at, unsigned *i,
			      size_t *rdlen);

#endif
