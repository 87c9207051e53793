/* SPDX-License-Identifier: Apache-2.0 */
/* What changed between two serials of a zone: the difference sequences of IXFR (RFC 1995 section 4).
 *
 * A zone keeps the deltas that lead to it (zone.h: deltas, oldest first, each beginning where the one
 * before ends), shared with the versions before and after it, and bounded in size.
 *
 * Threads: a delta is immutable; references are counted atomically.
 */
#ifndef WEFT_DNS_ZONE_DELTA_H
#define WEFT_DNS_ZONE_DELTA_H

#include "base/buf.h"
#include "base/err.h"
#include "dns/zone/zone.h"

/* A record in one piece: owner | type | ttl | rdlen | rdata, names uncompressed, the owner in lower
 * case. */
struct dns_rec {
	const uint8_t *owner;
	size_t owner_size;
	unsigned type;
	uint32_t ttl;
	const uint8_t *rdata;
	size_t rdlen;
};
void dns_rec_put(struct wf_buf *, const struct dns_rec *);
/* Reads what dns_rec_put() wrote; returns where the next one begins. */
const uint8_t *dns_rec_get(const uint8_t *, struct dns_rec *);

struct dns_delta {
	_Atomic unsigned n_refs;
	uint32_t from, to; /* serials */
	size_t n_removed, n_added;
	/* Removed records, the old SOA first; at 'added_at' those added, the new SOA first. */
	size_t size, added_at;
	uint8_t bytes[];
};

/* 'records' holds n_removed + n_added records. */
struct dns_delta *dns_delta_new(uint32_t from, uint32_t to, const uint8_t *records, size_t size,
				size_t n_removed, size_t n_added);
struct dns_delta *dns_delta_ref(struct dns_delta *);
void dns_delta_unref(struct dns_delta *);

/* Gives 'z' the deltas of 'old' and the one between the two, the oldest dropped until they have at
 * most 'max_size' bytes, nor more than the zone itself.  Nothing is kept if the serial did not rise
 * (RFC 1982). */
void dns_zone_keep_deltas(struct dns_zone *z, const struct dns_zone *old, size_t max_size);
/* The first of z->deltas for who has 'serial'; n_deltas if there is none. */
size_t dns_zone_delta_from(const struct dns_zone *z, uint32_t serial);

/* Makes a new zone out of 'old' and changes: 'n' records, each behind a byte that is 1 to add and 0
 * to remove it, in their order; SOA records among them are left out, and 'soa' is the new one.
 * -EINVAL if a record that is removed is not there, or one that is added is; -EFBIG behind
 * 'max_size' (zone/build_zone.h). */
int dns_zone_apply(const struct dns_zone *old, const uint8_t *changes, size_t n,
		   const struct dns_rec *soa, uint64_t max_size, struct dns_zone **ret, struct wf_err *);

#endif
