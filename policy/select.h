/* SPDX-License-Identifier: Apache-2.0 */
/* Policies over pools of members, compiled to (class, draw) -> answer set (policy/choose.h).
 *
 *   policy = candidates (pools, with weights)
 *          + steps that order them for a location:  region-map, nearest, failover; each one refines
 *            what the one before left equal, so that they compose
 *          + share: how clients that may have several members are spread: weights, or weights times
 *            what load leaves free; the draw is random or, if sticky, made of the client's prefix
 *          + what to do when all is down
 *
 * The order is a list of tiers.  In each tier the 256 draws belong to its members in proportion to
 * their weights, whoever is up (so that a change of health moves no other member's draws).  A draw
 * whose owner is down, drains, or sheds it, goes to another member of the tier, else to the next
 * tier.
 *
 * Shedding: between the low and the high watermark of load a member gives up draws one by one, in
 * an order of its own that all nodes agree on; at the high one it has none left.  If nobody takes a
 * draw because all are loaded, load is forgotten for it.
 *
 * Threads: main edits and commits; any reads through policy/choose.h.
 * Ownership: struct pol owns all of it.  A commit builds new views aside and frees old ones after a
 * grace period.
 */
#ifndef WEFT_POLICY_SELECT_H
#define WEFT_POLICY_SELECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "policy/choose.h"
#include "policy/location.h"

enum pol_step { POL_REGION_MAP, POL_NEAREST, POL_FAILOVER };
enum pol_share { POL_WEIGHTED, POL_LEAST_LOADED };
enum pol_all_down { POL_DOWN_ALL, POL_DOWN_NONE, POL_DOWN_FALLBACK, POL_DOWN_LAST_GOOD };

#define POL_MAX_STEPS 3

struct pol_member {
	const char *name;	/* unique in its pool */
	uint32_t pool;		/* index */
	struct pol_addr *addrs; /* of either family */
	unsigned n_addrs;
	const char *target; /* or a name: CNAME, SVCB */
	uint16_t weight;    /* 0: gets no draw */
	uint64_t hash;	    /* of pool and name: the same on each node */
	/* What is known of it; last_up_ms is for all-down "last-good". */
	bool up, drain;
	float load;	  /* 1 = its capacity; negative: not known */
	float slow_start; /* 0..1: share of its draws that it may have */
	int64_t last_up_ms;
};

struct pol_pool {
	const char *name;
	bool has_coords;
	double lat, lon;
	uint32_t first_member, n_members; /* they lie together */
	uint32_t floor;			  /* with fewer members up the pool counts as down */
	float low, high;		  /* watermarks of load */
	uint16_t answer;		  /* members in an answer set; 0: all of the chosen pool */
	uint32_t n_up;
};

/* A region map's entry: locations that match get these pools first. */
enum pol_key {
	POL_KEY_REGION,
	POL_KEY_ASN,
	POL_KEY_CITY,
	POL_KEY_SUBDIVISION,
	POL_KEY_COUNTRY,
	POL_KEY_CONTINENT,
	POL_KEY_DEFAULT
};
struct pol_match {
	enum pol_key key;
	const char *value; /* NULL for the default */
	uint32_t *pools;   /* indices among the policy's candidates */
	unsigned n_pools;
};

struct pol_candidate {
	uint32_t pool;
	uint16_t weight;
};

struct pol_policy_conf {
	const char *name;
	struct pol_candidate *candidates; /* in the order of the configuration */
	unsigned n_candidates;
	enum pol_step steps[POL_MAX_STEPS];
	unsigned n_steps;
	struct pol_match *matches; /* for POL_REGION_MAP */
	unsigned n_matches;
	bool only_matched; /* pools that the entry does not name are not used */
	float tolerance_km; /* POL_NEAREST: pools that are farther by no more are equal */
	enum pol_share share;
	bool sticky;
	uint8_t sticky_len4, sticky_len6;
	uint64_t sticky_key;
	enum pol_all_down all_down;
	uint32_t fallback_pool; /* POL_DOWN_FALLBACK */
};

struct pol;
struct pol_policy;

/* ---- Reading (any thread unless said otherwise) ---- */

const struct loc_table *pol_table(const struct pol *);
const struct loc_db *pol_location_db(const struct pol *);
struct pol_policy *pol_find(const struct pol *, const char *name); /* NULL: there is none */
unsigned pol_n_policies(const struct pol *);
struct pol_policy *pol_policy_at(const struct pol *, unsigned index);
const struct pol_hot *pol_policy_hot(const struct pol_policy *);
const struct pol_policy_conf *pol_policy_conf(const struct pol_policy *);
unsigned pol_policy_index(const struct pol_policy *);
unsigned pol_n_pools(const struct pol *);
const struct pol_pool *pol_pool_at(const struct pol *, unsigned index);
const struct pol_pool *pol_pool_find(const struct pol *, const char *name);
const struct pol_member *pol_member_at(const struct pol *, uint32_t index);
uint32_t pol_n_members(const struct pol *);
const struct pol_member *pol_member_find(const struct pol *, const char *pool, const char *member);
uint32_t pol_member_index(const struct pol *, const struct pol_member *);

/* Answer sets (main thread, or in the change hook): numbers 0 .. n - 1, which keep their meaning as
 * long as the struct pol lives.  0 is empty.  At build there are, besides, one set for each member
 * that can be answered alone and one for each pool that is answered whole; a change of health may
 * add sets (a pool of n without one of them), which the change hook sees before anybody can choose
 * them. */
unsigned pol_n_sets(const struct pol_policy *);
const uint32_t *pol_set_members(const struct pol_policy *, unsigned set, unsigned *n);

/* ---- State (main thread) ---- */

/* What changed is marked; nothing is published before pol_commit().  False: no such pool or member.
 */
bool pol_set_up(struct pol *, const char *pool, const char *member, bool up);
bool pol_set_drain(struct pol *, const char *pool, const char *member, bool drain);
bool pol_set_load(struct pol *, const char *pool, const char *member, float load);
void pol_member_set(struct pol *, uint32_t member, bool up, bool drain, float load,
		    float slow_start);
/* Of its share of clients, what a member may have by health, drain, watermarks and slow start, of 256. */
unsigned pol_member_share(const struct pol *, uint32_t member);

/* Called by pol_commit() for each policy whose answers change, before they do: make what the new
 * sets need, disable what must not answer meanwhile.  'after' is true in a second call, when the
 * view is published. */
typedef void pol_change_fn(void *arg, struct pol_policy *, bool after);
void pol_on_change(struct pol *, pol_change_fn *, void *arg);
/* Compiles and publishes what changed; returns the number of policies whose answers did.  Cost: for
 * each policy that may choose the member, its rows that reach the member's tier, 256 cells each. */
unsigned pol_commit(struct pol *);

/* ---- Ranking and explaining (main thread) ---- */

/* The members that a client would be given, best first: at most 'max', at most one of each pool if
 * 'one_a_pool'.  With 'ignore_state' health, load and drain do not count: then all nodes with the
 * same configuration agree (glb-rules 2).  Returns how many. */
unsigned pol_rank(const struct pol *, const struct pol_policy *, uint32_t class_id, unsigned draw,
		  bool ignore_state, bool one_a_pool, uint32_t *members, unsigned max);

/* Why: { "client", "prefix", "location": {...}, "source": [...], "class", "scope", "draw", "tiers":
 * [[{"pool", "member", "up", "drain", "load", "weight", "distance-km", "rtt-ms", "share",
 * "verdict"}]], "answer": [...], "reason" }.  'draw' below 0: 0, or the sticky one.  The caller
 * owns the object. */
json_t *pol_explain(const struct pol *, const struct pol_policy *, const struct pol_addr *client,
		    int draw);
/* The same as lines for people; the caller frees. */
char *pol_explain_text(const json_t *explained);

#endif
