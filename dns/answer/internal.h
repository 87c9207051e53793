/* SPDX-License-Identifier: Apache-2.0 */
/* An answer while it is made; shared by answer.c, chain.c and chosen.c. */
#ifndef WEFT_DNS_ANSWER_INTERNAL_H
#define WEFT_DNS_ANSWER_INTERNAL_H

#include "dns/answer/answer.h"
#include "dns/answer/find.h"
#include "dns/answer/limit.h"

struct answer {
	const struct dns_view *view;
	struct dns_context *ctx;
	const struct dns_client *client;
	const struct dns_query *q;
	uint64_t hash[DNS_LABELS_MAX + 1];
	uint8_t *out;
	size_t size;  /* of what is in 'out' */
	size_t limit; /* what may be in it, OPT not counted */
	uint16_t flags, rcode;
	uint16_t n[3];
	uint8_t scope; /* of the client subnet in the answer */
	/* Where the client is, once that was asked for. */
	bool is_located, has_subnet;
	uint8_t draw;
	uint32_t leaf;
	struct pol_addr place;
	enum dns_limit_class class;
};

/* An answer that is built record by record. */
#define CHAIN_HOPS 16 /* a longer chain ends here; the client asks on from its last name */
#define CHAIN_PROOFS 64
struct chain {
	struct answer *a;
	struct dns_build b;
	const struct dns_name *now; /* the current name */
	size_t owner_at;            /* where it lies in the message */
	unsigned n_seen;
	uint64_t seen[CHAIN_HOPS + 1]; /* hashes of the names so far */
	/* NSEC and NSEC3 that are to be put into the authority section, each once. */
	unsigned n_proofs;
	struct {
		const struct dns_zone *zone;
		const struct dns_node *node;
	} proofs[CHAIN_PROOFS];
};

/* An empty answer with TC=1. */
void answer_truncate(struct answer *);
/* The set to answer with at this node: the record set itself or the one that its policy chooses for
 * the client; NULL if there is none. */
const struct dns_rrset *answer_set(struct answer *, const struct dns_node *, unsigned type);
/* prove.c: signatures and proofs for clients that ask for them (DO=1) and zones that are signed; for
 * others these do nothing.
 * The signatures of a set, the owner being 'owner' or, if NULL, the current name. */
void prove_set(struct chain *, const struct dns_find *, const struct dns_rrset *, const uint8_t *owner,
	       unsigned section, uint32_t ttl);
/* The current name, or the type asked for at it, does not exist: behind the SOA. */
void prove_negative(struct chain *, enum dns_found, const struct dns_find *);
/* DS of a cut, or that it has none. */
void prove_delegation(struct chain *, const struct dns_zone *, const struct dns_node *cut);
/* Writes the proofs that were collected. */
void prove_end(struct chain *);
/* Types that stand for something else in a signed zone: RRSIG, NSEC, ANY.  False: not one of them. */
bool prove_special(struct chain *, const struct dns_find *);
/* An address or text at a name that exists, without a builder.  False: not such a case. */
bool prove_fast(struct answer *, const struct dns_find *, const struct dns_rrset *);
/* Writes the set with the current name (or 'owner') as its owner. */
void chain_put_set(struct chain *, const struct dns_rrset *, const uint8_t *owner, unsigned section);

/* Answers by a builder, following CNAME and DNAME: for DO=1 in signed zones. */
void answer_built(struct answer *, enum dns_found, const struct dns_find *);
/* why_query.c.  True: the main thread must be asked first. */
bool answer_why(struct answer *, const struct dns_key *);
/* Follows a CNAME at, or a DNAME above, the name asked for. */
void answer_chain(struct answer *, enum dns_found, const struct dns_find *);

#endif
