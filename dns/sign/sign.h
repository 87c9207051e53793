/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures over record sets (RFC 4034 section 3), and the cache of those that are made while a
 * query waits.
 *
 * The cache is a table of fixed size, four entries a bucket, keyed by a hash of what is signed (owner,
 * type, TTL, data, key) with a secret key of its own: a set that changes is another entry, and nothing
 * has to be thrown away.  Two halves: sets that the configuration bounds (chosen answers), and names
 * that clients make up (denials, names that a wildcard stands for), which can't push out the former.
 *
 * Threads: any.  An entry is guarded by a sequence number: a reader that meets a writer signs itself.
 */
#ifndef WEFT_DNS_SIGN_SIGN_H
#define WEFT_DNS_SIGN_SIGN_H

#include "dns/sign/key.h"
#include "dns/wire/build.h"

/* The record set to be signed; 'raw' as in struct dns_rrset. */
struct dns_sign_set {
	const uint8_t *owner; /* lower case; of a wildcard: "*" and so on */
	uint16_t type, n;
	uint32_t ttl, size;
	const uint8_t *raw;
};

/* A signature as a record with the owner c00c. */
#define DNS_RRSIG_MAX (12 + 18 + DNS_NAME_MAX + DNS_SIGNATURE_SIZE)
/* At most as many for one set: DNSKEY of a zone whose keys are all published. */
#define DNS_RRSIGS_MAX (DNS_KEYSET_MAX * DNS_RRSIG_MAX)

/* Signs by the key set's signers for this type.  Writes the RRSIG records one behind the other and
 * when they expire; returns their number and '*ret_size'; 0 if OpenSSL fails. */
unsigned dns_sign(const struct dns_keyset *, const struct dns_sign_set *, uint32_t now_s, uint8_t *to,
		  size_t *ret_size, uint32_t *ret_expires);
/* Signatures are renewed when less than this of their life is left. */
static inline uint32_t
dns_sign_refresh(const struct dns_keyset *s, uint32_t expires)
{
	return expires - s->lifetime_s / 4;
}

struct dns_sign_cache;
enum dns_sign_kind { DNS_SIGN_BOUNDED, DNS_SIGN_MADE_UP };
struct dns_sign_cache *dns_sign_cache_new(size_t n_entries);
void dns_sign_cache_free(struct dns_sign_cache *);
/* As dns_sign(), from the cache if it is there.  '*budget' (may be NULL) is how many signatures may
 * still be made: 0 returned means that it is used up (or OpenSSL fails). */
unsigned dns_sign_cached(struct dns_sign_cache *, enum dns_sign_kind, const struct dns_keyset *,
			 const struct dns_sign_set *, uint32_t now_s, uint32_t *budget, uint8_t *to,
			 size_t *ret_size);

/* A thread that has signed frees what it keeps for that. */
void dns_sign_thread_done(void);

/* The type that an RRSIG's data is for. */
static inline uint16_t
dns_rrsig_covers(const uint8_t *rdata)
{
	return dns_get16(rdata);
}

#endif
