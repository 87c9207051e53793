/* SPDX-License-Identifier: Apache-2.0 */
/* All that answers are made from: one object, published by one pointer; but for the versions of zones
 * that come by transfer it is immutable.
 *
 * Threads: the main thread builds a view and publishes it; workers take the pointer once a burst
 * and use it until their next quiescent point (base/rcu.h). Memory: a view holds a reference on
 * each of its zones; freed after a grace period.
 */
#ifndef WEFT_DNS_ANSWER_VIEW_H
#define WEFT_DNS_ANSWER_VIEW_H

#include "dns/answer/chosen.h"
#include "dns/zone/zone.h"

#define DNS_NSID_MAX 64

struct dns_allow;
struct dns_key;
struct dns_sign_cache;
struct dns_zone_rule;

struct dns_view {
	/* Open addressing by the apex' hash; at most half full. */
	struct dns_zone **slots;
	struct dns_zone_rule **rules; /* of the zone in the slot of that number; NULL: none */
	size_t mask, n_zones;
	uint8_t max_labels; /* of an apex: longer suffixes are not looked for */

	uint16_t udp_limit; /* answers over UDP are not larger */
	uint8_t nsid_size;  /* 0: none */
	uint8_t nsid[DNS_NSID_MAX];
	bool cookies;
	/* The current and the previous secret (RFC 9018 section 5). */
	uint8_t cookie_secret[2][16];
	struct dns_limiter *limiter; /* NULL: none; not owned, since it outlives a view */
	unsigned limit_slip;         /* each so many-th limited answer is sent with TC=1; 0: none */
	/* Signatures made for answers, and how many a second a worker may make for names that clients
	 * make up.  Not owned; NULL: no zone is signed here. */
	struct dns_sign_cache *sign_cache;
	uint32_t sign_per_s;
	struct dns_allow *why; /* who may ask for reasons; NULL: nobody */
	struct dns_key *keys; /* of transaction signatures */
	/* Where clients are and what is chosen for them; NULL: no policies. */
	struct pol *pol;
	const struct loc_table *places;
	struct dns_chosen *chosen;
	/* The same by number; bound for all that zones of this view name. */
	struct dns_chosen **choices;
	uint32_t n_choices;
};

struct dns_view *dns_view_new(void);
void dns_view_free(struct dns_view *);
/* Takes over the reference.  -EEXIST if there is one with that apex; then the caller keeps it. */
int dns_view_add_zone(struct dns_view *, struct dns_zone *);
/* Takes over the rule; there is a zone of that name. */
void dns_view_set_rule(struct dns_view *, const struct dns_name *, struct dns_zone_rule *);
/* In a view that workers read: another version of a zone that it has.  Takes over the reference;
 * returns the version before, which is the caller's to give up after a grace period. */
struct dns_zone *dns_view_replace_zone(struct dns_view *, struct dns_zone *);

static inline struct dns_zone *
dns_view_zone_at(const struct dns_view *v, uint64_t hash, const uint8_t *name, size_t size)
{
	for (size_t i = hash & v->mask;; i = (i + 1) & v->mask) {
		/* Main may have put a newer version of the zone there (dns_view_replace_zone). */
		struct dns_zone *z = __atomic_load_n(&v->slots[i], __ATOMIC_ACQUIRE);

		if (!z)
			return NULL;
		if (z->apex->hash == hash && z->apex->name_size == size &&
		    !memcmp(z->apex->name, name, size))
			return z;
	}
}

/* The zone with the longest apex that is a suffix of the name from label 'first' on, or NULL. */
static inline struct dns_zone *
dns_view_find_zone(const struct dns_view *v, const struct dns_name *name, const uint64_t *hash,
		   unsigned first)
{
	unsigned i = first;

	if (name->n_labels > i + v->max_labels)
		i = name->n_labels - v->max_labels;
	for (; i <= name->n_labels; i++) {
		struct dns_zone *z = dns_view_zone_at(v, hash[i], name->wire + name->at[i],
						      name->size - name->at[i]);

		if (z)
			return z;
	}
	return NULL;
}

struct dns_zone *dns_view_zone_named(const struct dns_view *, const struct dns_name *);
const struct dns_zone_rule *dns_view_rule_of(const struct dns_view *, const struct dns_name *);

#endif
