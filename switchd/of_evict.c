/* SPDX-License-Identifier: Apache-2.0 */
/* Which flow has to go when a table is full.
 *
 * Only flows with a timeout can be evicted.  Flows are in groups by what they match in the
 * table's eviction fields; the biggest group loses the one with the lowest importance, and of
 * those the one that would expire first.  The groups are found by a walk of the table, which is
 * as long as max_flows allows and is done only when a flow comes too much.
 */
#include "switchd/of_internal.h"

#include <stdlib.h>

#include "base/hash.h"
#include "dataplane/worker.h"

struct evict_group {
	struct wf_hmap_node node;
	unsigned n;
	struct rule *victim;
	uint64_t victim_order;
};

struct evict_walk {
	const struct of_table_state *state;
	struct wf_hmap groups;
	struct evict_group *largest;
};

static uint32_t
group_hash(const struct of_table_state *state, const struct rule *r)
{
	static struct of_match_full full;
	uint32_t hash = 0;

	if (!state->n_evict_fields)
		return 0;
	of_match_unpack(r->match, &full);
	for (unsigned i = 0; i < state->n_evict_fields; i++) {
		union of_value value = { { 0 } };

		if (of_match_has_prereqs(&full, of_field(state->evict_fields[i].field)))
			of_subfield_get(&state->evict_fields[i], &full.key, &value);
		hash = wf_hash_bytes(&value, sizeof(value), hash);
	}
	return hash;
}

/* Lower goes first. */
static uint64_t
rule_order(const struct rule *r)
{
	int64_t expires = INT64_MAX, used;

	if (r->hard_timeout)
		expires = atomic_load(&((struct rule *)r)->modified_ms) + r->hard_timeout * 1000ll;
	if (r->idle_timeout) {
		used = atomic_load(&((struct rule *)r)->counter.used_ms);
		if (used < r->created_ms)
			used = r->created_ms;
		if (used + r->idle_timeout * 1000ll < expires)
			expires = used + r->idle_timeout * 1000ll;
	}
	return (uint64_t)r->importance << 48 | ((uint64_t)expires & 0xffffffffffffull);
}

static bool
evict_visit(struct rule *r, void *w_)
{
	struct evict_walk *w = w_;
	struct evict_group *g = NULL, *i;
	uint32_t hash;
	uint64_t order;

	if (!r->idle_timeout && !r->hard_timeout)
		return true;
	hash = group_hash(w->state, r);
	wf_hmap_for_each_with_hash(i, node, hash, &w->groups)
		g = i;
	if (!g) {
		g = wf_xzalloc(sizeof(*g));
		wf_hmap_insert(&w->groups, &g->node, hash);
	}
	order = rule_order(r);
	if (!g->victim || order < g->victim_order) {
		g->victim = r;
		g->victim_order = order;
	}
	if (++g->n > (w->largest ? w->largest->n : 0))
		w->largest = g;
	return true;
}

struct rule *
of_evict_choose(struct of_switch *sw, struct table *t, uint64_t version)
{
	struct evict_walk w = { .state = &sw->tables[t->id] };
	struct evict_group *g;
	struct rule *victim;

	if (!w.state->evict)
		return NULL;
	workers_fold_stats();
	wf_hmap_init(&w.groups);
	table_for_each(t, NULL, version, evict_visit, &w);
	victim = w.largest ? w.largest->victim : NULL;
	wf_hmap_for_each_safe(g, node, &w.groups)
		free(g);
	wf_hmap_done(&w.groups);
	return victim;
}

static bool
is_the_rule(const struct rule *r, void *victim)
{
	return r == victim;
}

void
of_evict_excess(struct of_switch *sw, unsigned table)
{
	struct table *t = &sw->bridge->tables[table];

	while (t->n_rules > sw->tables[table].max_flows) {
		struct rule *victim = of_evict_choose(sw, t, view_next_version());

		if (!victim)
			return;
		of_flows_delete(sw, is_the_rule, victim, OF_FRR_EVICTION, NULL, 0);
	}
}
