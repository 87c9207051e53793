/* SPDX-License-Identifier: Apache-2.0 */
/* Which flow has to go when a table is full.
 *
 * Only flows with a timeout can be evicted.  Flows are in groups by what they match in the
 * table's eviction fields; the biggest group loses the one with the lowest importance, and of
 * those the one that would expire first.
 *
 *   index: groups by hash, and in a heap by size
 *   group: its flows in a heap, next victim on top
 *
 * A table gets its index with its first eviction, by one walk; from then on each change of a flow
 * and each eviction costs O(log n).  Expiry moves away while a flow is used: what a heap was
 * ordered by is a lower bound, and the top is put right when it is looked at.  Uses are as of the
 * last time that statistics were folded in, at most a second ago (of_expire.c).
 */
#include "switchd/of_internal.h"

#include <stdlib.h>

#include "base/hash.h"

/* --- Heaps of pointers to structs that begin with their place and what they are ordered by -------- */

struct item {
	uint64_t order;     /* the lowest is on top */
	unsigned place;
};

struct heap {
	unsigned n, room;
	struct item **items;
};

static void
heap_set(struct heap *h, unsigned place, struct item *item)
{
	h->items[place] = item;
	item->place = place;
}

/* After the order of the item changed. */
static void
heap_move(struct heap *h, struct item *item)
{
	unsigned at = item->place;

	while (at && item->order < h->items[(at - 1) / 2]->order) {
		heap_set(h, at, h->items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (unsigned child; (child = 2 * at + 1) < h->n; at = child) {
		if (child + 1 < h->n && h->items[child + 1]->order < h->items[child]->order)
			child++;
		if (item->order <= h->items[child]->order)
			break;
		heap_set(h, at, h->items[child]);
	}
	heap_set(h, at, item);
}

static void
heap_add(struct heap *h, struct item *item)
{
	if (h->n == h->room) {
		h->room = h->room ? h->room * 2 : 8;
		h->items = wf_xrealloc(h->items, h->room * sizeof(*h->items));
	}
	heap_set(h, h->n++, item);
	heap_move(h, item);
}

static void
heap_del(struct heap *h, struct item *item)
{
	struct item *last = h->items[--h->n];

	if (last == item)
		return;
	heap_set(h, item->place, last);
	heap_move(h, last);
}

/* --- The index of a table -------------------------------------------------------------------------- */

struct evict_group {
	struct item item;          /* in index->by_size: bigger is lower */
	struct wf_hmap_node node;  /* in index->groups */
	struct heap flows;
};

struct evict_flow {
	struct item item;          /* in group->flows */
	struct wf_hmap_node node;  /* in index->flows, by the rule's address */
	struct evict_group *group;
	struct rule *rule;
};

struct of_evict_index {
	struct wf_hmap groups, flows;
	struct heap by_size;
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
is_evictable(const struct rule *r)
{
	return r->idle_timeout || r->hard_timeout;
}

static uint32_t
pointer_hash(const struct rule *r)
{
	return wf_hash_u64((uintptr_t)r, 0);
}

static struct evict_group *
group_of(struct of_evict_index *x, uint32_t hash)
{
	struct evict_group *g;

	wf_hmap_for_each_with_hash(g, node, hash, &x->groups)
		return g;
	g = wf_xzalloc(sizeof(*g));
	wf_hmap_insert(&x->groups, &g->node, hash);
	g->item.order = UINT64_MAX;
	heap_add(&x->by_size, &g->item);
	return g;
}

static void
group_resized(struct of_evict_index *x, struct evict_group *g)
{
	if (g->flows.n) {
		g->item.order = UINT64_MAX - g->flows.n;
		heap_move(&x->by_size, &g->item);
		return;
	}
	heap_del(&x->by_size, &g->item);
	wf_hmap_remove(&x->groups, &g->node);
	free(g->flows.items);
	free(g);
}

static void
index_add(const struct of_table_state *state, struct rule *r)
{
	struct of_evict_index *x = state->evict_index;
	struct evict_flow *f;

	if (!is_evictable(r))
		return;
	f = wf_xmalloc(sizeof(*f));
	f->rule = r;
	f->item.order = rule_order(r);
	f->group = group_of(x, group_hash(state, r));
	wf_hmap_insert(&x->flows, &f->node, pointer_hash(r));
	heap_add(&f->group->flows, &f->item);
	group_resized(x, f->group);
}

static void
index_del(struct of_evict_index *x, struct rule *r)
{
	struct evict_flow *f;

	wf_hmap_for_each_with_hash(f, node, pointer_hash(r), &x->flows)
		if (f->rule == r)
			break;
	if (!f)
		return;
	heap_del(&f->group->flows, &f->item);
	group_resized(x, f->group);
	wf_hmap_remove(&x->flows, &f->node);
	free(f);
}

void
of_evict_book(struct of_switch *sw, struct rule *r, bool in)
{
	struct of_table_state *state = &sw->tables[r->table_id];

	if (!state->evict_index)
		return;
	if (in)
		index_add(state, r);
	else
		index_del(state->evict_index, r);
}

void
of_evict_forget(struct of_table_state *state)
{
	struct of_evict_index *x = state->evict_index;
	struct evict_group *g;
	struct evict_flow *f;

	if (!x)
		return;
	wf_hmap_for_each_safe(f, node, &x->flows)
		free(f);
	wf_hmap_for_each_safe(g, node, &x->groups) {
		free(g->flows.items);
		free(g);
	}
	wf_hmap_done(&x->flows);
	wf_hmap_done(&x->groups);
	free(x->by_size.items);
	free(x);
	state->evict_index = NULL;
}

static bool
index_visit(struct rule *r, void *state)
{
	index_add(state, r);
	return true;
}

struct rule *
of_evict_choose(struct of_switch *sw, struct table *t, uint64_t version)
{
	struct of_table_state *state = &sw->tables[t->id];
	struct of_evict_index *x;

	if (!state->evict)
		return NULL;
	if (!state->evict_index) {
		x = state->evict_index = wf_xzalloc(sizeof(*x));
		wf_hmap_init(&x->groups);
		wf_hmap_init(&x->flows);
		table_for_each(t, NULL, version, index_visit, state);
	}
	x = state->evict_index;
	if (!x->by_size.n)
		return NULL;
	struct evict_group *g = wf_container(x->by_size.items[0], struct evict_group, item);
	for (;;) {
		struct evict_flow *f = wf_container(g->flows.items[0], struct evict_flow, item);
		uint64_t order = rule_order(f->rule);

		if (order <= f->item.order)
			return f->rule;
		f->item.order = order;
		heap_move(&g->flows, &f->item);
	}
}

void
of_evict_excess(struct of_switch *sw, unsigned table)
{
	struct table *t = &sw->bridge->tables[table];

	while (t->n_rules > sw->tables[table].max_flows) {
		struct rule *victim = of_evict_choose(sw, t, view_next_version());

		if (!victim)
			return;
		of_flow_expire(sw, victim, OF_FRR_EVICTION);
	}
}
