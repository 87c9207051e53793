// SPDX-License-Identifier: Apache-2.0
/* Orders candidates for locations, and finds which locations all policies treat alike: the classes.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "policy/select_internal.h"

/* The round-trip time of a pool that was not measured, to be compared with those that were: light
 * in fibre makes 100 km of distance a millisecond and back, and routes are half as long again. */
#define KM_PER_MS 66.0

double
pol_distance_km(double lat1, double lon1, double lat2, double lon2)
{
	const double rad = M_PI / 180, earth_km = 6371;
	double dlat = sin((lat2 - lat1) * rad / 2), dlon = sin((lon2 - lon1) * rad / 2);
	double a = dlat * dlat + cos(lat1 * rad) * cos(lat2 * rad) * dlon * dlon;

	return 2 * earth_km * asin(sqrt(a < 1 ? a : 1));
}

static const char *
key_of(const struct loc_info *info, enum pol_key key, char asn[12])
{
	switch (key) {
	case POL_KEY_REGION:
		return info->region;
	case POL_KEY_ASN:
		if (!info->asn)
			return NULL;
		snprintf(asn, 12, "%u", info->asn);
		return asn;
	case POL_KEY_CITY:
		return info->city;
	case POL_KEY_SUBDIVISION:
		return info->subdivision;
	case POL_KEY_COUNTRY:
		return info->country;
	case POL_KEY_CONTINENT:
		return info->continent;
	case POL_KEY_DEFAULT:
		break;
	}
	return NULL;
}

/* The entry of the finest kind that matches: region (the operator said it), AS, city, ..., default.
 */
static const struct pol_match *
find_match(const struct pol_policy_conf *conf, const struct loc_info *info)
{
	for (int key = POL_KEY_REGION; key <= POL_KEY_DEFAULT; key++) {
		char asn[12];
		const char *have = key_of(info, key, asn);

		for (unsigned i = 0; i < conf->n_matches; i++) {
			const struct pol_match *m = &conf->matches[i];

			if (m->key == key && (key == POL_KEY_DEFAULT ||
					      (have && m->value && !strcasecmp(have, m->value))))
				return m;
		}
	}
	return NULL;
}

static double
rtt_to(const struct loc_info *info, const struct pol_pool *pool)
{
	for (unsigned i = 0; i < info->n_rtt; i++)
		if (!strcmp(info->rtt[i].site, pool->name))
			return info->rtt[i].ms;
	return -1;
}

/* The key of one step: candidates with a smaller one come first, equal ones stay together. */
static double
step_key(const struct pol *pol, const struct pol_policy_conf *conf, enum pol_step step,
	 unsigned candidate, const struct loc_info *info, const struct pol_match *match,
	 struct pol_rank_note *note)
{
	const struct pol_pool *pool = &pol->pools[conf->candidates[candidate].pool];

	switch (step) {
	case POL_REGION_MAP:
		for (unsigned i = 0; match && i < match->n_pools; i++)
			if (match->pools[i] == candidate)
				return 0;
		return 1;
	case POL_NEAREST:
		if (note->rtt_ms >= 0)
			return note->rtt_ms;
		return note->distance_km >= 0 ? note->distance_km / KM_PER_MS : HUGE_VAL;
	case POL_FAILOVER:
		/* In the order of the map's entry, if that names it. */
		for (unsigned i = 0; match && i < match->n_pools; i++)
			if (match->pools[i] == candidate)
				return (double)i - match->n_pools;
		return candidate;
	}
	return pool ? 0 : 0;
}

struct sortable {
	double key;
	uint16_t tier, candidate;
};

static int
sortable_cmp(const void *a_, const void *b_)
{
	const struct sortable *a = a_, *b = b_;

	if (a->tier != b->tier)
		return a->tier - b->tier;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->candidate - b->candidate;
}

uint16_t
pol_order(const struct pol *pol, const struct pol_policy_conf *conf, const struct loc_info *info,
	  uint16_t *tier_of, struct pol_rank_note *notes_or_null,
	  const struct pol_match **match_or_null)
{
	unsigned n = conf->n_candidates;
	struct sortable *s = wf_xmalloc((n + 1) * sizeof *s);
	struct pol_rank_note *notes =
		notes_or_null ? notes_or_null : wf_xmalloc((n + 1) * sizeof *notes);
	const struct pol_match *match = NULL;
	uint16_t n_tiers = 1;

	for (unsigned i = 0; i < n; i++) {
		const struct pol_pool *pool = &pol->pools[conf->candidates[i].pool];

		s[i] = (struct sortable){ 0, 0, i };
		notes[i].rtt_ms = rtt_to(info, pool);
		notes[i].distance_km =
			info->has_coords && pool->has_coords
				? pol_distance_km(info->lat, info->lon, pool->lat, pool->lon)
				: -1;
	}
	for (unsigned k = 0; k < conf->n_steps; k++)
		if (conf->steps[k] == POL_REGION_MAP)
			match = find_match(conf, info);
	for (unsigned k = 0; k < conf->n_steps; k++) {
		double slack = conf->steps[k] == POL_NEAREST ? conf->tolerance_km / KM_PER_MS : 0,
		       first = 0;
		uint16_t tier = 0, old_tier = 0;

		for (unsigned i = 0; i < n; i++)
			s[i].key = step_key(pol, conf, conf->steps[k], s[i].candidate, info, match,
					    &notes[s[i].candidate]);
		qsort(s, n, sizeof *s, sortable_cmp);
		for (unsigned i = 0; i < n; i++) {
			bool new_tier = i && (s[i].tier != old_tier ||
					      (s[i].key != first && !(s[i].key - first <= slack)));

			tier += new_tier;
			if (!i || new_tier)
				first = s[i].key;
			old_tier = s[i].tier;
			s[i].tier = tier;
		}
		n_tiers = tier + 1;
	}
	if (conf->only_matched)
		n_tiers = 0;
	for (unsigned i = 0; i < n; i++) {
		bool used = !conf->only_matched;

		for (unsigned k = 0; !used && match && k < match->n_pools; k++)
			used = match->pools[k] == s[i].candidate;
		tier_of[s[i].candidate] = used ? s[i].tier : POL_NO_TIER;
		if (used && s[i].tier >= n_tiers)
			n_tiers = s[i].tier + 1;
	}
	free(s);
	if (!notes_or_null)
		free(notes);
	if (match_or_null)
		*match_or_null = match;
	return n_tiers;
}

/* ---- Rankers ---- */

static bool
same_matches(const struct pol_policy_conf *a, const struct pol_policy_conf *b)
{
	if (a->n_matches != b->n_matches)
		return false;
	for (unsigned i = 0; i < a->n_matches; i++) {
		const struct pol_match *x = &a->matches[i], *y = &b->matches[i];

		if (x->key != y->key || x->n_pools != y->n_pools || !x->value != !y->value ||
		    (x->value && strcmp(x->value, y->value)) ||
		    memcmp(x->pools, y->pools, x->n_pools * sizeof *x->pools))
			return false;
	}
	return true;
}

static bool
same_order(const struct pol_policy_conf *a, const struct pol_policy_conf *b)
{
	if (a->n_candidates != b->n_candidates || a->n_steps != b->n_steps ||
	    a->tolerance_km != b->tolerance_km || a->only_matched != b->only_matched ||
	    memcmp(a->steps, b->steps, a->n_steps * sizeof a->steps[0]) || !same_matches(a, b))
		return false;
	for (unsigned i = 0; i < a->n_candidates; i++)
		if (a->candidates[i].pool != b->candidates[i].pool)
			return false;
	return true;
}

static struct pol_ranker *
ranker_get(struct pol *pol, const struct pol_policy_conf *conf)
{
	for (unsigned i = 0; i < pol->n_rankers; i++)
		if (same_order(pol->rankers[i]->conf, conf))
			return pol->rankers[i];

	struct pol_ranker *r = wf_xzalloc(sizeof *r);

	r->conf = conf;
	wf_hmap_init(&r->by_content);
	for (unsigned i = 0; i < conf->n_steps; i++)
		if (conf->steps[i] != POL_FAILOVER)
			r->uses_location = true;
	pol->rankers =
		wf_xrealloc(pol->rankers, (pol->n_rankers + 1) * sizeof(struct pol_ranker *));
	pol->rankers[pol->n_rankers++] = r;
	return r;
}

/* Returns the number of the ordering, which is new if need be. */
static uint32_t
intern_ordering(struct pol_ranker *r, const uint16_t *tier_of, uint16_t n_tiers)
{
	size_t size = r->conf->n_candidates * sizeof *tier_of;
	uint32_t hash = wf_hash_bytes(tier_of, size, n_tiers);
	struct pol_ordering *o;

	wf_hmap_for_each_with_hash (o, node, hash, &r->by_content)
		if (!memcmp(o->tier_of, tier_of, size))
			return o->number;
	o = wf_xmalloc(sizeof *o + size);
	o->number = r->n_orderings;
	o->n_tiers = n_tiers;
	memcpy(o->tier_of, tier_of, size);
	wf_hmap_insert(&r->by_content, &o->node, hash);
	/* Room doubles at powers of two. */
	if (!(r->n_orderings & (r->n_orderings - 1)))
		r->orderings = wf_xrealloc(r->orderings, (r->n_orderings ? r->n_orderings * 2 : 1) *
								 sizeof(struct pol_ordering *));
	r->orderings[r->n_orderings++] = o;
	return o->number;
}

static int
order_locations(const struct pol *pol, struct pol_ranker *r, const struct loc_db *db,
		struct wf_err *err)
{
	uint32_t n = r->uses_location ? loc_db_n_locations(db) : 1;
	uint16_t *tier_of = wf_xmalloc((r->conf->n_candidates + 1) * sizeof *tier_of);
	int rc = 0;

	r->row_of_location = wf_xmalloc(n * sizeof *r->row_of_location);
	for (uint32_t i = 0; i < n && !rc; i++) {
		uint16_t n_tiers = pol_order(pol, r->conf, loc_db_info(db, i), tier_of, NULL, NULL);
		uint32_t row = intern_ordering(r, tier_of, n_tiers);

		if (row > UINT16_MAX)
			rc = wf_err(err, -E2BIG,
				    "policy %s: its %u pools come in more than 65536 different "
				    "orders for "
				    "the locations of the map; use fewer pools, a region map, or a "
				    "larger tolerance-km",
				    r->conf->name, r->conf->n_candidates);
		r->row_of_location[i] = row;
	}
	free(tier_of);
	return rc;
}

/* Splits classes by what ranker 'r' makes of their locations: a class becomes one for each row. */
struct split {
	struct wf_hmap_node node;
	uint32_t old_class, new_class;
	uint16_t row;
};

static uint32_t
refine(uint32_t *class_of, uint32_t n_locations, const struct pol_ranker *r)
{
	struct wf_hmap splits;
	struct split *s;
	uint32_t n = 0;

	wf_hmap_init(&splits);
	for (uint32_t i = 0; i < n_locations; i++) {
		uint16_t row = r->row_of_location[i];
		uint32_t hash = wf_hash_u64((uint64_t)class_of[i] << 16 | row, 0),
			 found = UINT32_MAX;

		wf_hmap_for_each_with_hash (s, node, hash, &splits)
			if (s->old_class == class_of[i] && s->row == row) {
				found = s->new_class;
				break;
			}
		if (found == UINT32_MAX) {
			s = wf_xmalloc(sizeof *s);
			*s = (struct split){ .old_class = class_of[i], .new_class = n, .row = row };
			wf_hmap_insert(&splits, &s->node, hash);
			found = n++;
		}
		class_of[i] = found;
	}
	wf_hmap_for_each_safe (s, node, &splits)
		free(s);
	wf_hmap_done(&splits);
	return n;
}

int
pol_compile_rankers(struct pol *pol, struct wf_err *err)
{
	const struct loc_db *db = pol->location->db;
	uint32_t n = loc_db_n_locations(db), *class_of = wf_xzalloc(n * sizeof *class_of),
		 n_classes = 1;
	int rc = 0;

	for (unsigned i = 0; i < pol->n_policies; i++)
		pol->policies[i].ranker = ranker_get(pol, &pol->policies[i].conf);
	for (unsigned i = 0; i < pol->n_rankers && !rc; i++) {
		rc = order_locations(pol, pol->rankers[i], db, err);
		if (!rc && pol->rankers[i]->uses_location)
			n_classes = refine(class_of, n, pol->rankers[i]);
	}
	for (unsigned i = 0; i < pol->n_rankers && !rc; i++) {
		struct pol_ranker *r = pol->rankers[i];

		if (!r->uses_location)
			continue;
		r->row_of_class = wf_xmalloc(n_classes * sizeof *r->row_of_class);
		for (uint32_t j = 0; j < n; j++)
			r->row_of_class[class_of[j]] = r->row_of_location[j];
	}
	if (!rc) {
		pol->table = loc_table_new(db, class_of, err);
		rc = pol->table ? 0 : -E2BIG;
	}
	for (unsigned i = 0; i < pol->n_policies && !rc; i++) {
		struct pol_policy *p = &pol->policies[i];

		p->hot.row_of_class = p->ranker->row_of_class;
		p->hot.uses_location = p->ranker->uses_location;
		p->hot.n_classes = n_classes;
	}
	free(class_of);
	return rc;
}

void
pol_ranker_free(struct pol_ranker *r)
{
	for (uint32_t i = 0; i < r->n_orderings; i++)
		free(r->orderings[i]);
	free(r->orderings);
	wf_hmap_done(&r->by_content);
	free(r->row_of_location);
	free(r->row_of_class);
	free(r);
}
