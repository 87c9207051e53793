// SPDX-License-Identifier: Apache-2.0
/* Who gets which draw among equals. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "policy/select_internal.h"

/* Numbers that all nodes agree on: hashes of names, with constants for each use. */
enum { SALT_ORDER = 1, SALT_FOREIGN = 2, SALT_RENDEZVOUS = 3 };

static uint64_t
draw_hash(const struct pol_member *m, unsigned draw, unsigned salt)
{
	return pol_mix64(m->hash + 0x9e3779b97f4a7c15ull * (draw + 1) + ((uint64_t)salt << 56));
}

struct preference {
	uint64_t hash;
	uint8_t draw;
};

static int
preference_cmp(const void *a_, const void *b_)
{
	const struct preference *a = a_, *b = b_;

	return a->hash != b->hash ? (a->hash < b->hash ? -1 : 1) : a->draw - b->draw;
}

/* The draws in the order in which the member wants them. */
static void
member_order(const struct pol_member *m, uint8_t order[POL_DRAWS])
{
	struct preference p[POL_DRAWS];

	for (unsigned d = 0; d < POL_DRAWS; d++)
		p[d] = (struct preference){ draw_hash(m, d, SALT_ORDER), d };
	qsort(p, POL_DRAWS, sizeof p[0], preference_cmp);
	for (unsigned d = 0; d < POL_DRAWS; d++)
		order[d] = p[d].draw;
}

static double
weight_now(const struct pol_policy *policy, const struct pol_tier *tier, uint32_t i)
{
	const struct pol_member *m = &policy->pol->members[tier->members[i]];

	if (policy->conf.share != POL_LEAST_LOADED)
		return tier->weights[i];
	/* What is free, in steps of 1/32 so that a flicker of load moves nobody; who does not say
	 * its load counts as half full. */
	double load = m->load < 0 ? 0.5 : m->load > 1 ? 1 : m->load;

	return tier->weights[i] * (fmax(1 - floor(load * 32) / 32, 1.0 / 32));
}

/* Members take turns, the one that is farthest behind its weight first, and each takes the draw
 * that it wants most of those left.  Shares are right within one draw, and two tiers that differ by
 * a member differ in few other draws (as in Maglev, NSDI 2016, section 3.4, with weights). */
void
pol_tier_fill(const struct pol_policy *policy, struct pol_tier *tier)
{
	uint32_t n = tier->n_members;
	bool taken[POL_DRAWS] = { false };

	if (!n)
		return;
	uint8_t(*order)[POL_DRAWS] = wf_xmalloc(n * sizeof *order);
	unsigned *next = wf_xzalloc(n * sizeof *next);
	double *weight = wf_xmalloc(n * sizeof *weight);

	for (uint32_t i = 0; i < n; i++) {
		member_order(&policy->pol->members[tier->members[i]], order[i]);
		weight[i] = weight_now(policy, tier, i);
		tier->n_owned[i] = 0;
	}
	for (unsigned turn = 0; turn < POL_DRAWS; turn++) {
		uint32_t best = 0;

		for (uint32_t i = 1; i < n; i++)
			if ((tier->n_owned[i] + 1) * weight[best] <
			    (tier->n_owned[best] + 1) * weight[i])
				best = i;
		while (taken[order[best][next[best]]])
			next[best]++;
		unsigned draw = order[best][next[best]];

		taken[draw] = true;
		tier->owner[draw] = best;
		tier->rank[draw] = tier->n_owned[best]++;
	}
	free(order);
	free(next);
	free(weight);
}

struct pol_tier *
pol_tier_get(struct pol_policy *policy, const uint16_t *candidates, unsigned n)
{
	const struct pol *pol = policy->pol;
	uint32_t hash = wf_hash_bytes(candidates, n * sizeof *candidates, 0), n_members = 0;
	struct pol_tier *t;

	wf_hmap_for_each_with_hash (t, node, hash, &policy->tiers_by_pools) {
		bool same = t->n_pools == n;

		for (unsigned i = 0; same && i < n; i++)
			same = t->pools[i] == policy->conf.candidates[candidates[i]].pool;
		if (same)
			return t;
	}
	t = wf_xzalloc(sizeof *t);
	t->n_pools = n;
	t->pools = wf_xmalloc((n + 1) * sizeof *t->pools);
	for (unsigned i = 0; i < n; i++) {
		t->pools[i] = policy->conf.candidates[candidates[i]].pool;
		n_members += pol->pools[t->pools[i]].n_members;
	}
	t->members = wf_xmalloc((n_members + 1) * sizeof *t->members);
	t->weights = wf_xmalloc((n_members + 1) * sizeof *t->weights);
	t->n_owned = wf_xzalloc((n_members + 1) * sizeof *t->n_owned);
	for (unsigned i = 0; i < n; i++) {
		const struct pol_pool *pool = &pol->pools[t->pools[i]];
		double sum = 0;

		for (uint32_t j = 0; j < pool->n_members; j++)
			sum += pol->members[pool->first_member + j].weight;
		for (uint32_t j = 0; j < pool->n_members; j++) {
			const struct pol_member *m = &pol->members[pool->first_member + j];

			if (!m->weight || !policy->conf.candidates[candidates[i]].weight)
				continue;
			t->weights[t->n_members] =
				policy->conf.candidates[candidates[i]].weight * m->weight / sum;
			t->members[t->n_members++] = pool->first_member + j;
		}
	}
	pol_tier_fill(policy, t);
	wf_hmap_insert(&policy->tiers_by_pools, &t->node, hash);
	return t;
}

void
pol_tier_free(struct pol_tier *t)
{
	free(t->members);
	free(t->weights);
	free(t->pools);
	free(t->n_owned);
	free(t);
}

bool
pol_pool_is_up(const struct pol *pol, uint32_t pool_index)
{
	const struct pol_pool *pool = &pol->pools[pool_index];

	return pool->n_up && pool->n_up >= pool->floor;
}

static double
shed(float load, const struct pol_pool *pool)
{
	if (load < 0 || load <= pool->low)
		return 1;
	return load >= pool->high ? 0 : (pool->high - load) / (pool->high - pool->low);
}

unsigned
pol_keep(const struct pol *pol, uint32_t member, enum pol_mode mode, int64_t last_good_ms)
{
	const struct pol_member *m = &pol->members[member];

	switch (mode) {
	case POL_EVERYBODY:
		return 256;
	case POL_LAST_GOOD:
		return m->last_up_ms && m->last_up_ms >= last_good_ms ? 256 : 0;
	case POL_DRAINING:
		return m->up && pol_pool_is_up(pol, m->pool) ? 256 : 0;
	case POL_FORGET_LOAD:
		return m->up && !m->drain && pol_pool_is_up(pol, m->pool) ? 256 : 0;
	case POL_BY_STATE:
		break;
	}
	if (!m->up || m->drain || !pol_pool_is_up(pol, m->pool))
		return 0;
	return lround(256 * shed(m->load, &pol->pools[m->pool]) * m->slow_start);
}

unsigned
pol_member_share(const struct pol *pol, uint32_t member)
{
	return pol_keep(pol, member, POL_BY_STATE, 0);
}

static bool
is_skipped(const struct pol *pol, uint32_t member, const uint32_t *skip, unsigned n_skip)
{
	for (unsigned i = 0; i < n_skip; i++)
		if (skip[i] == member)
			return true;
	return false;
}

int64_t
pol_tier_pick(const struct pol *pol, const struct pol_tier *t, unsigned draw, enum pol_mode mode,
	      int64_t last_good_ms, const uint32_t *skip, unsigned n_skip)
{
	if (!t->n_members)
		return -1;
	unsigned o = t->owner[draw];
	uint32_t owner = t->members[o];
	unsigned keep = pol_keep(pol, owner, mode, last_good_ms);

	if (keep == 256 || t->rank[draw] * 256 < keep * t->n_owned[o])
		if (!is_skipped(pol, owner, skip, n_skip))
			return owner;

	/* Another one, by weighted rendezvous: who goes away gives its draws to many, and gets the
	 * same ones back. */
	int64_t best = -1;
	double best_score = 0;

	for (uint32_t i = 0; i < t->n_members; i++) {
		const struct pol_member *m = &pol->members[t->members[i]];

		if (i == o || is_skipped(pol, t->members[i], skip, n_skip))
			continue;
		keep = pol_keep(pol, t->members[i], mode, last_good_ms);
		if (draw_hash(m, draw, SALT_FOREIGN) >> 56 >= keep)
			continue;
		double u = ((draw_hash(m, draw, SALT_RENDEZVOUS) >> 11) + 1) * 0x1p-53;
		double score = t->weights[i] / -log(u);

		if (best < 0 || score > best_score) {
			best = t->members[i];
			best_score = score;
		}
	}
	return best;
}
