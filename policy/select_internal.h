/* SPDX-License-Identifier: Apache-2.0 */
/* Inside a struct pol. */
#ifndef WEFT_POLICY_SELECT_INTERNAL_H
#define WEFT_POLICY_SELECT_INTERNAL_H

#include <time.h>

#include "base/hmap.h"
#include "policy/policy.h"

/* Members that were up this long before the last one went down are "last good". */
#define POL_LAST_GOOD_MS 60000

/* The candidates in the order of one kind of location: tier_of[candidate], tiers from 0;
 * POL_NO_TIER: not for these clients. */
#define POL_NO_TIER 0xffff
struct pol_ordering {
	struct wf_hmap_node node;
	uint32_t number;
	uint16_t n_tiers;
	uint16_t tier_of[]; /* n_candidates */
};

/* What orders the candidates; policies that differ in nothing else share it. */
struct pol_ranker {
	const struct pol_policy_conf *conf; /* of the first such policy */
	struct wf_hmap by_content;
	struct pol_ordering **orderings;
	uint32_t n_orderings;
	uint16_t *row_of_location, *row_of_class;
	bool uses_location;
};

/* Members that are equal for a client, and the owner of each draw. */
struct pol_tier {
	struct wf_hmap_node node;
	uint32_t n_members, n_pools;
	uint32_t *members; /* of those with a weight */
	double *weights;
	uint32_t *pools;
	uint16_t owner[POL_DRAWS]; /* index of members */
	uint8_t rank[POL_DRAWS];   /* of the draw among its owner's, in the order of shedding */
	uint16_t *n_owned;
};

struct pol_set {
	struct wf_hmap_node node;
	uint16_t number;
	uint32_t n;
	uint32_t members[];
};

struct pol_row {
	struct pol_tier **tiers;
	uint32_t n_tiers, depth; /* tiers that its cells looked at; n_tiers + 1: all and more */
};

struct pol_policy {
	struct pol_hot hot;
	struct pol *pol;
	struct pol_policy_conf conf;
	struct pol_ranker *ranker;
	struct wf_hmap tiers_by_pools;
	struct pol_row *rows;
	uint32_t n_rows;
	struct wf_hmap sets_by_content;
	struct pol_set **sets;
	unsigned n_sets;
	bool dirty, sets_full;
};

/* Who refers to a pool. */
struct pol_users {
	struct pol_policy **policies;
	unsigned n;
};

struct pol_file {
	char *path;
	struct timespec mtime;
	uint64_t size, inode;
};

/* Location data, shared by a pol and the one built after it. */
struct pol_location {
	unsigned n_refs;
	char *key; /* of the configuration */
	struct pol_file *files;
	unsigned n_files;
	struct loc_db *db;
};

struct pol {
	char **strings; /* names of everything */
	unsigned n_strings;
	struct pol_location *location;
	struct loc_table *table;
	struct pol_pool *pools;
	struct pol_users *users; /* of pools */
	unsigned n_pools;
	struct pol_member *members;
	uint32_t n_members;
	struct pol_policy *policies;
	unsigned n_policies;
	struct pol_ranker **rankers;
	unsigned n_rankers;
	uint32_t *changed; /* members, since the last commit */
	unsigned n_changed, changed_allocated;
	pol_change_fn *on_change;
	void *on_change_arg;
};

/* Kinds of "may have it", from strict to generous. */
enum pol_mode { POL_BY_STATE, POL_FORGET_LOAD, POL_DRAINING, POL_LAST_GOOD, POL_EVERYBODY };

/* rank.c */
int pol_compile_rankers(struct pol *, struct wf_err *); /* rankers, classes, the table */
void pol_ranker_free(struct pol_ranker *);
double pol_distance_km(double lat1, double lon1, double lat2, double lon2);
/* The order of one location, and for explaining how it came (both may be NULL). */
struct pol_rank_note {
	double distance_km, rtt_ms; /* negative: not known */
};
uint16_t pol_order(const struct pol *, const struct pol_policy_conf *, const struct loc_info *,
		   uint16_t *tier_of, struct pol_rank_note *notes, const struct pol_match **match);

/* tier.c */
struct pol_tier *pol_tier_get(struct pol_policy *, const uint16_t *candidates, unsigned n);
void pol_tier_fill(const struct pol_policy *, struct pol_tier *);
void pol_tier_free(struct pol_tier *);
/* Share of its draws that a member may have, of 256. */
unsigned pol_keep(const struct pol *, uint32_t member, enum pol_mode, int64_t last_good_ms);
/* The member of the tier that gets the draw, or -1; 'skip': members that may not. */
int64_t pol_tier_pick(const struct pol *, const struct pol_tier *, unsigned draw, enum pol_mode,
		      int64_t last_good_ms, const uint32_t *skip, unsigned n_skip);
bool pol_pool_is_up(const struct pol *, uint32_t pool);

/* rows.c */
int pol_rows_init(struct pol *, struct wf_err *);
void pol_rows_done(struct pol_policy *);
/* The member for a draw under a row, or -1; tells the mode that gave it and how many tiers it saw.
 */
int64_t pol_row_pick(const struct pol_policy *, const struct pol_row *, unsigned draw,
		     enum pol_mode *mode, uint32_t *depth);
unsigned pol_row_set(struct pol_policy *, const struct pol_row *, unsigned draw, uint32_t *depth);

#endif
