/* SPDX-License-Identifier: Apache-2.0 */
/* A random configuration with all kinds of policy, over a random map of clients with gaps, and what it means, worked out
 * from the documentation (docs/policy.md) rather than from the code: the whole map is walked for each client, the tiers
 * are sorted for each question. */
#ifndef WEFT_TESTS_UNIT_DNS_WORLD_H
#define WEFT_TESTS_UNIT_DNS_WORLD_H

#include "base/buf.h"
#include "policy/policy.h"

#define WORLD_POOLS    6
#define WORLD_MEMBERS  4 /* of a pool, at most */
#define WORLD_POLICIES 16
#define WORLD_LINES    90
#define WORLD_RTTS     30

struct world_pool {
	unsigned n_members, floor, low, high, answer; /* answer 0: all */
	double lat, lon;
	bool has_coords;
	struct {
		unsigned weight;
		bool v6;
	} members[WORLD_MEMBERS];
};

struct world_line {
	struct pol_prefix prefix;
	const char *region, *country, *continent; /* NULL: not given */
	unsigned asn;				  /* 0: not given */
	bool has_coords;
	double lat, lon;
};

struct world_rtt {
	struct pol_prefix prefix;
	int ms[WORLD_POOLS]; /* negative: not measured */
};

struct world_policy {
	unsigned n_candidates, candidates[WORLD_POOLS], weights[WORLD_POOLS];
	enum pol_step steps[POL_MAX_STEPS];
	unsigned n_steps, tolerance_km;
	bool only_matched, least_loaded, sticky;
	unsigned sticky_len4, sticky_len6;
	enum pol_all_down all_down;
	unsigned fallback;
	unsigned n_matches;
	struct {
		enum pol_key key;
		const char *value;
		unsigned n_pools, pools[WORLD_POOLS]; /* places among the candidates */
	} matches[6];
};

struct world {
	uint64_t rng;
	struct world_pool pools[WORLD_POOLS];
	struct world_policy policies[WORLD_POLICIES];
	struct world_line lines[WORLD_LINES];
	struct world_rtt rtts[WORLD_RTTS];
	unsigned n_lines, n_rtts;
	const char *default_region; /* NULL: none */
};

/* A random number below 'n'. */
uint64_t world_random(struct world *, uint64_t n);
void world_make_map(struct world *);
void world_make_policies(struct world *);
/* An address in or near a prefix of the map, or anywhere. */
struct pol_addr world_client(struct world *);
void world_put_map(const struct world *, struct wf_str *);
void world_put_rtts(const struct world *, struct wf_str *);
/* "location", "pool" and "policy" of the configuration. */
void world_put_conf(const struct world *, struct wf_str *);

/* Members are bits: pool * WORLD_MEMBERS + member. */
static inline unsigned
world_bit(unsigned pool, unsigned member)
{
	return pool * WORLD_MEMBERS + member;
}

/* Of addresses that members have: the bit, or -1. */
int world_member_of(int family, const uint8_t *address);

struct world_want {
	uint32_t may;	/* members that may be answered, with the state that 'pol' has now */
	uint32_t no_v6; /* of these: without IPv6 address */
	bool all_down;	/* no member serves: what the policy says for that case */
};
void world_want(const struct world *, const struct pol *, unsigned policy, const struct pol_addr *client,
		struct world_want *ret);
/* Between which numbers the scope of an answer may be. */
void world_scope(const struct world *, unsigned policy, const struct pol_addr *client, unsigned *least, unsigned *most);

#endif
