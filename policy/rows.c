// SPDX-License-Identifier: Apache-2.0
/* Rows of answer sets: their making, and their renewal when state changes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rcu.h"
#include "policy/select_internal.h"

WF_LOG_MODULE(policy);

#define MAX_SETS 65535

static int
u32_cmp(const void *a_, const void *b_)
{
	const uint32_t *a = a_, *b = b_;

	return (*a > *b) - (*a < *b);
}

/* 'members' are sorted.  Returns the number of the set, or -1 if there is no room for a new one. */
static int
intern_set(struct pol_policy *p, const uint32_t *members, uint32_t n)
{
	uint32_t hash = n ? wf_hash_bytes(members, n * sizeof *members, n) : 0;
	struct pol_set *s;

	wf_hmap_for_each_with_hash (s, node, hash, &p->sets_by_content)
		if (s->n == n && (!n || !memcmp(s->members, members, n * sizeof *members)))
			return s->number;
	if (p->n_sets > MAX_SETS)
		return -1;
	s = wf_xmalloc(sizeof *s + n * sizeof *members);
	s->n = n;
	s->number = p->n_sets;
	if (n)
		memcpy(s->members, members, n * sizeof *members);
	wf_hmap_insert(&p->sets_by_content, &s->node, hash);
	if (!(p->n_sets & (p->n_sets - 1)))
		p->sets = wf_xrealloc(p->sets,
				      (p->n_sets ? p->n_sets * 2 : 1) * sizeof(struct pol_set *));
	p->sets[p->n_sets++] = s;
	return s->number;
}

/* All of one pool, those of weight 0 left out. */
static uint32_t
pool_members(const struct pol *pol, uint32_t pool_index, uint32_t *members)
{
	const struct pol_pool *pool = &pol->pools[pool_index];
	uint32_t n = 0;

	for (uint32_t i = 0; i < pool->n_members; i++)
		if (pol->members[pool->first_member + i].weight)
			members[n++] = pool->first_member + i;
	return n;
}

/* What a draw that went to 'member' is answered with: as many of its pool as the pool wants, out of
 * those that may have it in this mode. */
static unsigned
answer_set(struct pol_policy *p, uint32_t member, unsigned draw, enum pol_mode mode,
	   int64_t last_good_ms)
{
	const struct pol *pol = p->pol;
	uint32_t pool_index = pol->members[member].pool;
	const struct pol_pool *pool = &pol->pools[pool_index];
	int set;

	if (pool->answer == 1) {
		set = intern_set(p, &member, 1);
	} else {
		uint32_t *members = wf_xmalloc((pool->n_members + 1) * sizeof *members);
		uint32_t all = pool_members(pol, pool_index, members), n = 0;

		for (uint32_t i = 0; i < all; i++)
			if (members[i] == member || pol_keep(pol, members[i], mode, last_good_ms))
				members[n++] = members[i];
		/* Fewer are wanted than may: the member, and those that follow it in the pool by a
		 * step that depends on the draw. */
		if (pool->answer && n > pool->answer) {
			uint32_t start = 0, out = 0,
				 *some = wf_xmalloc(pool->answer * sizeof *some);

			while (members[start] != member)
				start++;
			for (; out < pool->answer; out++)
				some[out] = members[(start + out) % n];
			memcpy(members, some, out * sizeof *some);
			free(some);
			n = out;
			qsort(members, n, sizeof *members, u32_cmp);
		}
		set = intern_set(p, members, n);
		free(members);
	}
	if (set >= 0)
		return set;
	/* 65535 different sets since this pol was built: the last resort is one that exists. */
	if (!p->sets_full)
		wf_warn("policy %s: more than %d answer sets; whole pools are answered until a "
			"reload",
			p->conf.name, MAX_SETS);
	p->sets_full = true;
	for (unsigned i = 1; i < p->n_sets; i++)
		for (uint32_t j = 0; j < p->sets[i]->n; j++)
			if (p->sets[i]->members[j] == member)
				return i;
	return POL_SET_NONE;
}

static int64_t
pick_in_mode(const struct pol_policy *p, const struct pol_row *row, unsigned draw,
	     enum pol_mode mode, int64_t last_good_ms, uint32_t *depth)
{
	for (uint32_t i = 0; i < row->n_tiers; i++) {
		int64_t member =
			pol_tier_pick(p->pol, row->tiers[i], draw, mode, last_good_ms, NULL, 0);

		if (i + 1 > *depth)
			*depth = i + 1;
		if (member >= 0)
			return member;
	}
	return -1;
}

/* Since when a member must have been up to count as "last good" in this row. */
static int64_t
last_good_since(const struct pol_policy *p, const struct pol_row *row)
{
	int64_t last = 0;

	for (uint32_t i = 0; i < row->n_tiers; i++)
		for (uint32_t j = 0; j < row->tiers[i]->n_members; j++) {
			const struct pol_member *m = &p->pol->members[row->tiers[i]->members[j]];

			last = m->last_up_ms > last ? m->last_up_ms : last;
		}
	return last - POL_LAST_GOOD_MS;
}

int64_t
pol_row_pick(const struct pol_policy *p, const struct pol_row *row, unsigned draw,
	     enum pol_mode *mode, uint32_t *depth)
{
	int64_t member = -1;

	for (*mode = POL_BY_STATE; *mode <= POL_DRAINING; ++*mode) {
		member = pick_in_mode(p, row, draw, *mode, 0, depth);
		if (member >= 0)
			return member;
	}
	*depth = row->n_tiers + 1;
	if (p->conf.all_down == POL_DOWN_NONE || p->conf.all_down == POL_DOWN_FALLBACK)
		return -1;
	if (p->conf.all_down == POL_DOWN_LAST_GOOD) {
		*mode = POL_LAST_GOOD;
		member = pick_in_mode(p, row, draw, *mode, last_good_since(p, row), depth);
	}
	if (member < 0) {
		*mode = POL_EVERYBODY;
		member = pick_in_mode(p, row, draw, *mode, 0, depth);
	}
	return member;
}

unsigned
pol_row_set(struct pol_policy *p, const struct pol_row *row, unsigned draw, uint32_t *depth)
{
	enum pol_mode mode;
	int64_t member = pol_row_pick(p, row, draw, &mode, depth);

	if (member >= 0)
		return answer_set(p, member, draw, mode,
				  mode == POL_LAST_GOOD ? last_good_since(p, row) : 0);
	if (p->conf.all_down != POL_DOWN_FALLBACK)
		return POL_SET_NONE;
	/* The members of the fallback pool that are up, or all of them. */
	const struct pol_pool *pool = &p->pol->pools[p->conf.fallback_pool];
	uint32_t *members = wf_xmalloc((pool->n_members + 1) * sizeof *members);
	uint32_t all = pool_members(p->pol, p->conf.fallback_pool, members), n = 0;

	for (uint32_t i = 0; i < all; i++)
		if (p->pol->members[members[i]].up)
			members[n++] = members[i];
	if (!n)
		n = pool_members(p->pol, p->conf.fallback_pool, members);
	int set = intern_set(p, members, n);

	free(members);
	return set < 0 ? POL_SET_NONE : set;
}

static void
row_init(struct pol_policy *p, struct pol_row *row, const struct pol_ordering *o)
{
	uint16_t *candidates = wf_xmalloc((p->conf.n_candidates + 1) * sizeof *candidates);

	row->n_tiers = o->n_tiers;
	row->tiers = wf_xmalloc((o->n_tiers + 1) * sizeof(struct pol_tier *));
	for (uint16_t t = 0; t < o->n_tiers; t++) {
		unsigned n = 0;

		for (unsigned i = 0; i < p->conf.n_candidates; i++)
			if (o->tier_of[i] == t)
				candidates[n++] = i;
		row->tiers[t] = pol_tier_get(p, candidates, n);
	}
	free(candidates);
}

static struct pol_view *
view_new(const struct pol_policy *p)
{
	struct pol_view *v = wf_xzalloc(sizeof *v + p->n_rows * sizeof v->rows[0]);

	v->n_rows = p->n_rows;
	return v;
}

static void
row_compute(struct pol_policy *p, struct pol_view *v, uint32_t i)
{
	struct pol_row *row = &p->rows[i];

	row->depth = 0;
	for (unsigned d = 0; d < POL_DRAWS; d++)
		v->rows[i][d] = pol_row_set(p, row, d, &row->depth);
}

static void
policy_init(struct pol_policy *p)
{
	uint32_t *members = wf_xmalloc((p->pol->n_members + 1) * sizeof *members);

	wf_hmap_init(&p->tiers_by_pools);
	wf_hmap_init(&p->sets_by_content);
	intern_set(p, NULL, 0);
	for (unsigned i = 0; i < p->conf.n_candidates; i++) {
		uint32_t pool_index = p->conf.candidates[i].pool;
		uint32_t n = pool_members(p->pol, pool_index, members);

		if (p->pol->pools[pool_index].answer != 1 && n)
			intern_set(p, members, n);
		for (uint32_t j = 0; p->pol->pools[pool_index].answer == 1 && j < n; j++)
			intern_set(p, &members[j], 1);
	}
	if (p->conf.all_down == POL_DOWN_FALLBACK)
		intern_set(p, members, pool_members(p->pol, p->conf.fallback_pool, members));
	free(members);

	p->n_rows = p->ranker->n_orderings;
	p->rows = wf_xzalloc((p->n_rows + 1) * sizeof *p->rows);
	struct pol_view *v = view_new(p);

	v->generation = 1;
	for (uint32_t i = 0; i < p->n_rows; i++) {
		row_init(p, &p->rows[i], p->ranker->orderings[i]);
		row_compute(p, v, i);
	}
	p->hot.view = v;
	p->hot.sticky = p->conf.sticky;
	p->hot.sticky_len4 = p->conf.sticky_len4;
	p->hot.sticky_len6 = p->conf.sticky_len6;
	p->hot.sticky_key = p->conf.sticky_key;
}

static void
add_user(struct pol_users *u, struct pol_policy *p)
{
	for (unsigned i = 0; i < u->n; i++)
		if (u->policies[i] == p)
			return;
	u->policies = wf_xrealloc(u->policies, (u->n + 1) * sizeof(struct pol_policy *));
	u->policies[u->n++] = p;
}

int
pol_rows_init(struct pol *pol, struct wf_err *err)
{
	pol->users = wf_xzalloc((pol->n_pools + 1) * sizeof *pol->users);
	for (unsigned i = 0; i < pol->n_policies; i++) {
		struct pol_policy *p = &pol->policies[i];

		policy_init(p);
		for (unsigned j = 0; j < p->conf.n_candidates; j++)
			add_user(&pol->users[p->conf.candidates[j].pool], p);
		if (p->conf.all_down == POL_DOWN_FALLBACK)
			add_user(&pol->users[p->conf.fallback_pool], p);
	}
	return 0;
}

void
pol_rows_done(struct pol_policy *p)
{
	struct pol_tier *t;

	if (!p->rows)
		return;
	for (uint32_t i = 0; i < p->n_rows; i++)
		free(p->rows[i].tiers);
	free(p->rows);
	wf_hmap_for_each_safe (t, node, &p->tiers_by_pools)
		pol_tier_free(t);
	wf_hmap_done(&p->tiers_by_pools);
	for (unsigned i = 0; i < p->n_sets; i++)
		free(p->sets[i]);
	free(p->sets);
	wf_hmap_done(&p->sets_by_content);
	free((void *)p->hot.view);
}

/* ---- Commits ---- */

static bool
tier_has_pool(const struct pol_tier *t, uint32_t pool)
{
	for (uint32_t i = 0; i < t->n_pools; i++)
		if (t->pools[i] == pool)
			return true;
	return false;
}

/* A row looks at the tiers up to its depth; a change below is none of its business. */
static bool
row_sees(const struct pol_policy *p, const struct pol_row *row, uint32_t pool)
{
	if (row->depth > row->n_tiers)
		return true;
	for (uint32_t i = 0; i < row->depth && i < row->n_tiers; i++)
		if (tier_has_pool(row->tiers[i], pool))
			return true;
	return false;
}

static bool
policy_renew(struct pol_policy *p)
{
	struct pol *pol = p->pol;
	const struct pol_view *old = p->hot.view;
	struct pol_view *v = view_new(p);
	struct pol_tier *t;

	if (p->conf.share == POL_LEAST_LOADED)
		wf_hmap_for_each (t, node, &p->tiers_by_pools)
			for (unsigned i = 0; i < pol->n_changed; i++)
				if (tier_has_pool(t, pol->members[pol->changed[i]].pool)) {
					pol_tier_fill(p, t);
					break;
				}
	v->generation = old->generation + 1;
	memcpy(v->rows, old->rows, p->n_rows * sizeof v->rows[0]);
	for (uint32_t i = 0; i < p->n_rows; i++)
		for (unsigned j = 0; j < pol->n_changed; j++)
			if (row_sees(p, &p->rows[i], pol->members[pol->changed[j]].pool)) {
				row_compute(p, v, i);
				break;
			}
	if (!memcmp(v->rows, old->rows, p->n_rows * sizeof v->rows[0])) {
		free(v);
		return false;
	}
	if (pol->on_change)
		pol->on_change(pol->on_change_arg, p, false);
	__atomic_store_n(&p->hot.view, v, __ATOMIC_RELEASE);
	if (pol->on_change)
		pol->on_change(pol->on_change_arg, p, true);
	wf_rcu_free((void *)old);
	return true;
}

unsigned
pol_commit(struct pol *pol)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pol->n_changed; i++) {
		const struct pol_users *u = &pol->users[pol->members[pol->changed[i]].pool];

		for (unsigned j = 0; j < u->n; j++)
			u->policies[j]->dirty = true;
	}
	for (unsigned i = 0; i < pol->n_policies && pol->n_changed; i++) {
		if (!pol->policies[i].dirty)
			continue;
		pol->policies[i].dirty = false;
		n += policy_renew(&pol->policies[i]);
	}
	pol->n_changed = 0;
	return n;
}
