/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/view.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/rcu.h"
#include "dataplane/bond.h"
#include "openflow/match.h"
#include "openflow/tlv_map.h"

struct view *_Atomic view_current;


/* --- Pending state, main thread ------------------------------------------------------------ */

/* A bridge's picture in the making.  Parts that are the same pointer as in the published one
 * are shared; the others belong to the draft until it is published. */
struct draft {
	struct bridge_view bv;
	bool exists;
};

static struct draft *drafts;   /* by bridge->index; valid where dirty[] */
static bool *dirty;
static uint32_t n_bridges;     /* room of both */

static struct view_slot *slots; /* pending copy, NULL if not dirty */
static uint32_t n_slots, slots_room;
static uint32_t *slot_free, n_slot_free, slot_free_room;
static uint32_t next_generation = 1;

static bool config_changed;    /* since the last publication */
static struct tunnel_view *new_tunnels; /* pending if tunnels_changed */
static bool tunnels_changed;
static void (*free_tunnels)(void *);

struct to_free {
	void (*fn)(void *);
	void *arg;
};
static struct to_free *garbage; /* after the grace period of the next publication */
static unsigned n_garbage, garbage_room;

static const struct bridge_view *
published(const struct bridge *b)
{
	struct view *v = view_get();

	return b->index < v->n_bridges ? v->bridges[b->index] : NULL;
}

uint64_t
view_next_version(void)
{
	struct view *v = atomic_load_explicit(&view_current, memory_order_relaxed);

	return v ? v->version + 1 : 1;
}

static void
throw_away(void (*fn)(void *), void *arg)
{
	if (!arg)
		return;
	if (n_garbage == garbage_room) {
		garbage_room = garbage_room ? garbage_room * 2 : 32;
		garbage = wf_xrealloc(garbage, garbage_room * sizeof *garbage);
	}
	garbage[n_garbage++] = (struct to_free){ fn, arg };
}

void
view_after_publish(void (*fn)(void *), void *arg)
{
	throw_away(fn, arg);
	config_changed = true;
}

static struct bridge_view *
draft_of(struct bridge *b)
{
	struct draft *d = &drafts[b->index];

	config_changed = true;
	if (!dirty[b->index]) {
		const struct bridge_view *cur = published(b);

		dirty[b->index] = true;
		d->exists = true;
		if (cur) {
			d->bv = *cur;
		} else {
			memset(&d->bv, 0, sizeof d->bv);
			d->bv.bridge = b;
		}
	}
	return &d->bv;
}

const struct bridge_view *
view_bridge_pending(struct bridge *b)
{
	return dirty[b->index] ? &drafts[b->index].bv : published(b);
}

/* --- Layout: which bits of a key any pipeline reads (rule 1) --------------------------------- */

static uint32_t word_users[OF_KEY_WORDS];
static struct of_key layout_mask;
static bool layout_changed;

/* The shape of a packet decides which operations a plan holds, whatever the rules match:
 * EtherType, protocol, fragment, and which tags are there. */
static void
shape_mask(struct of_key *m)
{
	m->packet_type = UINT32_MAX;
	m->dl_type = htons(0xffff);
	m->nw_proto = 0xff;
	m->nw_frag = OF_FRAG_MASK;
	m->pbb_isid = 1u << 31;
	for (unsigned i = 0; i < OF_MAX_VLANS; i++)
		m->vlans[i].tci = htons(OF_VLAN_CFI);
	for (unsigned i = 0; i < OF_MAX_MPLS; i++)
		m->mpls_lse[i] = htonl(0x100); /* bottom of stack */
}

static void
words_used(const struct of_match *m, int delta)
{
	unsigned n = of_match_n_words(m), j = 0;
	uint64_t *mask = of_key_words(&layout_mask);

	of_words_for_each(w, &m->words) {
		uint64_t bits = m->data[n + j++];

		word_users[w] += (uint32_t)delta;
		if (delta > 0 && (bits & ~mask[w])) {
			mask[w] |= bits;
			layout_changed = true;
		}
	}
}

void
view_fields_used(const struct of_match *m, const struct rule_actions *actions, int delta)
{
	words_used(m, delta);
	if (actions->reads)
		words_used(actions->reads, delta);
}

/* For whoever looks at rows: see view.h. */
static bool addresses_are_read;

void
view_read_addresses(bool on)
{
	layout_changed |= on != addresses_are_read;
	addresses_are_read = on;
}

static struct key_layout *
layout_new(uint32_t generation)
{
	struct key_layout *l = wf_xzalloc(sizeof *l);
	uint64_t *mask = of_key_words(&layout_mask);
	struct of_key shape = { 0 };

	/* Narrow lazily: a word that nobody reads any more goes when the layout changes anyway. */
	for (unsigned w = 0; w < OF_KEY_WORDS; w++)
		if (!word_users[w])
			mask[w] = 0;
	shape_mask(&shape);
	if (addresses_are_read) {
		memset(shape.dl_src, 0xff, sizeof shape.dl_src);
		memset(shape.dl_dst, 0xff, sizeof shape.dl_dst);
	}
	l->generation = generation;
	l->mask = layout_mask;
	for (unsigned w = 0; w < OF_KEY_WORDS; w++) {
		of_key_words(&l->mask)[w] |= of_key_words(&shape)[w];
		if (of_key_words(&l->mask)[w])
			l->words[l->n_words++] = (uint8_t)w;
	}
	return l;
}

/* --- Life ---------------------------------------------------------------------------------------- */

void
view_init(void)
{
	struct view *v = wf_xzalloc(sizeof *v);

	v->version = 1;
	v->config_version = 1;
	v->layout = layout_new(1);
	atomic_store_explicit(&view_current, v, memory_order_release);
}

struct bridge *
view_bridge_add(const char *name)
{
	struct bridge *b = wf_xzalloc(sizeof *b);
	struct view *v = view_get();
	uint32_t i = 0;

	snprintf(b->name, sizeof b->name, "%s", name);
	while (i < n_bridges && (dirty[i] || (i < v->n_bridges && v->bridges[i])))
		i++;
	if (i == n_bridges) {
		n_bridges = n_bridges ? n_bridges * 2 : 8;
		drafts = wf_xrealloc(drafts, n_bridges * sizeof *drafts);
		dirty = wf_xrealloc(dirty, n_bridges * sizeof *dirty);
		memset(dirty + i, 0, (n_bridges - i) * sizeof *dirty);
	}
	b->index = i;
	atomic_init(&b->refs, 1);
	for (unsigned t = 0; t < N_TABLES; t++)
		table_init(&b->tables[t], (uint8_t)t);
	wf_hmap_init(&b->rules_by_cookie);
	wf_list_init(&b->expirable);
	draft_of(b);
	return b;
}

void (*bridge_free_macs)(struct mac_table *);

void
bridge_ref(struct bridge *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
}

void
bridge_unref(struct bridge *b)
{
	if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		wf_rcu_free(b);
}

static void
bridge_free(void *b_)
{
	struct bridge *b = b_;

	for (unsigned t = 0; t < N_TABLES; t++)
		table_done(&b->tables[t]);
	wf_hmap_done(&b->rules_by_cookie);
	if (bridge_free_macs)
		bridge_free_macs(b->macs);
	bridge_unref(b);
}

void (*view_purge_plans)(void);

static void
bridge_plans_gone(void *b)
{
	wf_rcu_call(bridge_free, b);
}

/* No view has the bridge any more, but plans in the workers' caches point to the counters of its tables
 * until they are dropped; their counts are credited a grace period after that. */
static void
bridge_unlinked(void *b)
{
	if (view_purge_plans)
		view_purge_plans();
	wf_rcu_call(bridge_plans_gone, b);
}

void
view_bridge_del(struct bridge *b)
{
	struct bridge_view *bv = draft_of(b);

	for (uint32_t i = 0; bv->groups && i <= bv->group_mask; i++)
		if (bv->groups[i])
			view_group_set(b, bv->groups[i]->id, NULL);
	uint32_t n_ids, *ids = view_meter_ids(b, &n_ids);
	for (uint32_t i = 0; i < n_ids; i++)
		view_meter_set(b, ids[i], NULL);
	free(ids);
	view_set_ports(b, NULL);
	view_set_l2(b, NULL);
	view_set_tlv_map(b, NULL);
	throw_away(free, (void *)bv->groups);
	throw_away(free, (void *)bv->meters);
	drafts[b->index].exists = false;
	throw_away(bridge_unlinked, b);
}

void
view_set_datapath_id(struct bridge *b, uint64_t id)
{
	draft_of(b)->datapath_id = id;
}

void
view_set_ports(struct bridge *b, struct xport_set *ports)
{
	struct bridge_view *bv = draft_of(b);

	throw_away(free, (void *)bv->ports);
	bv->ports = ports;
}

static void
l2_free(void *l2_)
{
	struct l2_config *l2 = l2_;

	for (uint32_t i = 0; i < l2->n_bundles; i++) {
		free(l2->bundles[i]->trunks);
		free(l2->bundles[i]->cvlans);
		free(l2->bundles[i]->dscps);
		bond_free(l2->bundles[i]->bond);
		free(l2->bundles[i]);
	}
	for (unsigned i = 0; i < MAX_MIRRORS; i++)
		free(l2->mirrors[i].vlans);
	free(l2->bundles);
	free(l2->flood_vlans);
	free(l2);
}

void
view_set_l2(struct bridge *b, struct l2_config *l2)
{
	struct bridge_view *bv = draft_of(b);

	throw_away(l2_free, (void *)bv->l2);
	bv->l2 = l2;
}

void
view_set_tunnels(struct tunnel_view *t, void (*free_fn)(void *))
{
	if (tunnels_changed && new_tunnels)
		free_fn(new_tunnels);
	new_tunnels = t;
	free_tunnels = free_fn;
	tunnels_changed = config_changed = true;
}

void
view_set_frag_mode(struct bridge *b, uint8_t mode)
{
	draft_of(b)->frag_mode = mode;
}

void
view_set_miss_default(struct bridge *b, bool to_controller)
{
	draft_of(b)->miss_default = to_controller;
}

void
view_set_egress_table(struct bridge *b, uint8_t first)
{
	draft_of(b)->egress_table = first;
}

void
view_set_tlv_map(struct bridge *b, const struct of_tlv_map *map)
{
	struct bridge_view *bv = draft_of(b);

	throw_away(free, (void *)bv->tlv_map);
	bv->tlv_map = map ? wf_xmemdup(map, sizeof *map) : NULL;
}

/* --- Groups and meters ---------------------------------------------------------------------------- */

static uint32_t
id_hash(uint32_t id)
{
	return id * 0x9e3779b1u;
}

static struct group **
group_place(struct group **groups, uint32_t mask, uint32_t id)
{
	uint32_t i = id_hash(id) & mask;

	while (groups[i] && groups[i]->id != id)
		i = (i + 1) & mask;
	return &groups[i];
}

struct group *
group_find(const struct bridge_view *bv, uint32_t id)
{
	return bv->groups ? *group_place((struct group **)bv->groups, bv->group_mask, id) : NULL;
}

static void
unref_group(void *g)
{
	group_unref(g);
}

static void
unref_meter(void *m)
{
	meter_unref(m);
}

/* A private copy of the table, with room for one more. */
static void
groups_own(struct bridge *b, struct bridge_view *bv)
{
	const struct bridge_view *cur = published(b);
	uint32_t size = bv->groups ? bv->group_mask + 1 : 0;
	bool shared = cur && cur->groups == bv->groups;

	if (!shared && size && (bv->n_groups + 1) * 2 <= size)
		return;
	uint32_t new_size = 8;
	while (new_size < (bv->n_groups + 1) * 2)
		new_size *= 2;
	struct group **new = wf_xzalloc(new_size * sizeof *new);
	for (uint32_t i = 0; i < size; i++)
		if (bv->groups[i])
			*group_place(new, new_size - 1, bv->groups[i]->id) = bv->groups[i];
	if (shared)
		throw_away(free, (void *)bv->groups);
	else
		free((void *)bv->groups);
	bv->groups = new;
	bv->group_mask = new_size - 1;
}

static void
group_fields_used(const struct group *g, int delta)
{
	static const struct of_match none;

	for (uint32_t i = 0; g && i < g->n_buckets; i++)
		if (g->buckets[i].actions)
			view_fields_used(&none, g->buckets[i].actions, delta);
}

void
view_group_set(struct bridge *b, uint32_t id, struct group *g)
{
	struct bridge_view *bv = draft_of(b);

	groups_own(b, bv);
	struct group **groups = (struct group **)bv->groups;
	struct group **place = group_place(groups, bv->group_mask, id);

	group_fields_used(g, 1);
	group_fields_used(*place, -1);
	throw_away(unref_group, *place);
	bv->n_groups += (g != NULL) - (*place != NULL);
	*place = g;
	if (!g) {
		/* Close the gap: move up what was pushed behind it. */
		uint32_t hole = (uint32_t)(place - groups), i = hole;

		while (groups[i = (i + 1) & bv->group_mask]) {
			struct group *moved = groups[i];

			groups[i] = NULL;
			*group_place(groups, bv->group_mask, moved->id) = moved;
		}
	}
}

struct group *
view_group_pending(struct bridge *b, uint32_t id)
{
	const struct bridge_view *bv = view_bridge_pending(b);

	return bv ? group_find(bv, id) : NULL;
}

static struct meter **
meter_place(struct meter **meters, uint32_t mask, uint32_t id)
{
	uint32_t i = id_hash(id) & mask;

	while (meters[i] && meters[i]->id != id)
		i = (i + 1) & mask;
	return &meters[i];
}

struct meter *
meter_find(const struct bridge_view *bv, uint32_t id)
{
	return bv->meters ? *meter_place((struct meter **)bv->meters, bv->meter_mask, id) : NULL;
}

/* A private copy of the table, with room for one more. */
static void
meters_own(struct bridge *b, struct bridge_view *bv)
{
	const struct bridge_view *cur = published(b);
	uint32_t size = bv->meters ? bv->meter_mask + 1 : 0, new_size = 8;
	bool shared = cur && cur->meters == bv->meters;

	if (!shared && size && (bv->n_meters + 1) * 2 <= size)
		return;
	while (new_size < (bv->n_meters + 1) * 2)
		new_size *= 2;
	struct meter **new = wf_xzalloc(new_size * sizeof *new);
	for (uint32_t i = 0; i < size; i++)
		if (bv->meters[i])
			*meter_place(new, new_size - 1, bv->meters[i]->id) = bv->meters[i];
	if (shared)
		throw_away(free, (void *)bv->meters);
	else
		free((void *)bv->meters);
	bv->meters = new;
	bv->meter_mask = new_size - 1;
}

void
view_meter_set(struct bridge *b, uint32_t id, struct meter *m)
{
	struct bridge_view *bv = draft_of(b);

	meters_own(b, bv);
	struct meter **meters = (struct meter **)bv->meters;
	struct meter **place = meter_place(meters, bv->meter_mask, id);

	throw_away(unref_meter, *place);
	bv->n_meters += (m != NULL) - (*place != NULL);
	*place = m;
	if (m)
		return;
	/* Close the gap: move up what was pushed behind it. */
	uint32_t i = (uint32_t)(place - meters);
	while (meters[i = (i + 1) & bv->meter_mask]) {
		struct meter *moved = meters[i];

		meters[i] = NULL;
		*meter_place(meters, bv->meter_mask, moved->id) = moved;
	}
}

static int
id_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t *
view_meter_ids(struct bridge *b, uint32_t *n)
{
	const struct bridge_view *bv = view_bridge_pending(b);
	uint32_t *ids = wf_xmalloc((bv ? bv->n_meters : 0) * sizeof *ids + 1);

	*n = 0;
	for (uint32_t i = 0; bv && bv->meters && i <= bv->meter_mask; i++)
		if (bv->meters[i])
			ids[(*n)++] = bv->meters[i]->id;
	qsort(ids, *n, sizeof *ids, id_cmp);
	return ids;
}

struct meter *
view_meter_pending(struct bridge *b, uint32_t id)
{
	const struct bridge_view *bv = view_bridge_pending(b);

	return bv ? meter_find(bv, id) : NULL;
}

/* --- Slots ------------------------------------------------------------------------------------------ */

static void
slots_own(void)
{
	struct view *v = view_get();

	config_changed = true;
	if (slots)
		return;
	slots_room = v->n_slots + 16;
	slots = wf_xzalloc(slots_room * sizeof *slots);
	if (v->n_slots)
		memcpy(slots, v->slots, v->n_slots * sizeof *slots);
	n_slots = v->n_slots;
}

static void
slot_push_free(uint32_t i)
{
	if (n_slot_free == slot_free_room) {
		slot_free_room = slot_free_room ? slot_free_room * 2 : 32;
		slot_free = wf_xrealloc(slot_free, slot_free_room * sizeof *slot_free);
	}
	slot_free[n_slot_free++] = i;
}

/* Takes 'wish' if it is free, else the last freed one, else a new one.  Slot 0 is never used: it is the
 * number of the datapath's own device in texts of Open vSwitch. */
static uint32_t
slot_take(uint32_t wish)
{
	for (uint32_t k = 0; k < n_slot_free; k++)
		if (slot_free[k] == wish) {
			slot_free[k] = slot_free[--n_slot_free];
			return wish;
		}
	if (!wish || wish < n_slots) {
		if (n_slot_free)
			return slot_free[--n_slot_free];
		wish = n_slots ? n_slots : 1;
	}
	if (wish >= slots_room) {
		slots_room = wish * 2 + 16;
		slots = wf_xrealloc(slots, slots_room * sizeof *slots);
	}
	for (; n_slots <= wish; n_slots++) {
		slots[n_slots] = (struct view_slot){ NULL, 0, UINT32_MAX, OF_PORT_NONE };
		if (n_slots && n_slots < wish)
			slot_push_free(n_slots);
	}
	return wish;
}

uint32_t
view_slot_alloc(struct port *port, struct bridge *b, of_port_t ofp_port, uint32_t wish,
		uint32_t *generation)
{
	uint32_t i;

	slots_own();
	i = slot_take(wish);
	*generation = next_generation++;
	slots[i] = (struct view_slot){ port, *generation, b ? b->index : UINT32_MAX, ofp_port,
				       ofp_port == OF_PORT_LOCAL };
	return i;
}

void
view_slot_renumber(uint32_t i, of_port_t ofp_port, uint32_t *generation)
{
	slots_own();
	*generation = slots[i].generation = next_generation++;
	slots[i].ofp_port = ofp_port;
}

static bool
is_among(uint32_t slot, const uint32_t *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (list[i] == slot)
			return true;
	return false;
}

void
view_slots_end_tunnels(const uint32_t *list, uint32_t n_list)
{
	const struct view *v = view_get();
	uint32_t n = slots ? n_slots : v->n_slots;

	for (uint32_t i = 0; i < n; i++) {
		const struct view_slot *s = slots ? &slots[i] : &v->slots[i];
		bool ends = s->ofp_port == OF_PORT_LOCAL || (s->port && is_among(i, list, n_list));

		if (s->ends_tunnels != ends) {
			slots_own();
			slots[i].ends_tunnels = ends;
		}
	}
}

static void
slot_reuse(void *i)
{
	slot_push_free((uint32_t)(uintptr_t)i - 1);
}

void
view_slot_free(uint32_t i)
{
	slots_own();
	slots[i] = (struct view_slot){ NULL, next_generation++, UINT32_MAX, OF_PORT_NONE };
	throw_away(slot_reuse, (void *)(uintptr_t)(i + 1));
}

/* --- Publication -------------------------------------------------------------------------------------- */

struct garbage_batch {
	unsigned n;
	struct to_free *items;
};

static void
garbage_run(void *batch_)
{
	struct garbage_batch *batch = batch_;

	for (unsigned i = 0; i < batch->n; i++)
		batch->items[i].fn(batch->items[i].arg);
	free(batch->items);
	free(batch);
}

static void
publish_bridges(const struct view *old, struct view *new)
{
	const struct bridge_view **bridges = wf_xzalloc((n_bridges + 1) * sizeof *bridges);

	for (uint32_t i = 0; i < n_bridges; i++) {
		const struct bridge_view *cur = i < old->n_bridges ? old->bridges[i] : NULL;

		bridges[i] = cur;
		if (!dirty[i])
			continue;
		bridges[i] = drafts[i].exists ? wf_xmemdup(&drafts[i].bv, sizeof drafts[i].bv)
					      : NULL;
		throw_away(free, (void *)cur);
		dirty[i] = false;
	}
	throw_away(free, (void *)old->bridges);
	new->bridges = bridges;
	new->n_bridges = n_bridges;
}

void
view_publish(bool rules_changed)
{
	struct view *old = view_get();

	if (!rules_changed && !config_changed && !layout_changed)
		return;
	struct view *new = wf_xmemdup(old, sizeof *old);
	new->version = old->version + 1;
	if (config_changed)
		publish_bridges(old, new);
	if (tunnels_changed) {
		throw_away(free_tunnels, (void *)old->tunnels);
		new->tunnels = new_tunnels;
		tunnels_changed = false;
	}
	if (slots) {
		throw_away(free, (void *)old->slots);
		new->slots = slots;
		new->n_slots = n_slots;
		slots = NULL;
	}
	if (layout_changed) {
		throw_away(free, (void *)old->layout);
		new->layout = layout_new(old->layout->generation + 1);
		layout_changed = false;
	}
	if (config_changed)
		new->config_version = new->version;
	config_changed = false;

	rules_before_publish(new->version);
	atomic_store_explicit(&view_current, new, memory_order_release);
	wf_rcu_free(old);
	rules_after_publish();
	if (n_garbage) {
		struct garbage_batch *batch = wf_xmalloc(sizeof *batch);

		*batch = (struct garbage_batch){ n_garbage, garbage };
		garbage = NULL;
		n_garbage = garbage_room = 0;
		wf_rcu_call(garbage_run, batch);
	}
}

static bool
group_is_published(const struct group *g)
{
	const struct bridge_view *cur = published(g->bridge);

	return cur && group_find(cur, g->id) == g;
}

static bool
meter_is_published(const struct meter *m)
{
	const struct view *v = view_get();

	for (uint32_t i = 0; i < v->n_bridges; i++)
		if (v->bridges[i] && meter_find(v->bridges[i], m->id) == m)
			return true;
	return false;
}

/* Frees what only the draft has. */
static void
draft_drop(uint32_t i)
{
	struct bridge_view *bv = &drafts[i].bv;
	struct bridge *b = bv->bridge;
	const struct bridge_view *cur = published(b);

	for (uint32_t g = 0; bv->groups && g <= bv->group_mask; g++) {
		struct group *new = bv->groups[g];

		if (new && (!cur || group_find(cur, new->id) != new)) {
			group_fields_used(new, -1);
			throw_away(unref_group, new);
		}
	}
	for (uint32_t g = 0; cur && cur->groups && g <= cur->group_mask; g++)
		if (cur->groups[g] && group_find(bv, cur->groups[g]->id) != cur->groups[g])
			group_fields_used(cur->groups[g], 1);
	for (uint32_t m = 0; bv->meters && m <= bv->meter_mask; m++)
		if (bv->meters[m] && (!cur || meter_find(cur, bv->meters[m]->id) != bv->meters[m]))
			throw_away(unref_meter, bv->meters[m]);
	if (bv->groups && (!cur || cur->groups != bv->groups))
		free((void *)bv->groups);
	if (bv->meters && (!cur || cur->meters != bv->meters))
		free((void *)bv->meters);
	dirty[i] = false;
}

void
view_rollback(void)
{
	/* What was to be thrown away stays; what the drafts brought goes instead.  The caller
	 * published before, so all garbage is the drafts' doing. */
	unsigned keep = n_garbage;
	struct to_free *kept = garbage;
	bool any = false;

	garbage = NULL;
	n_garbage = garbage_room = 0;
	for (uint32_t i = 0; i < n_bridges; i++)
		if (dirty[i]) {
			draft_drop(i);
			any = true;
		}
	for (unsigned i = 0; i < keep; i++) {
		/* An object made and replaced inside the rolled-back changes was never published:
		 * nobody else will free it. */
		if (kept[i].fn == unref_group && !group_is_published(kept[i].arg))
			throw_away(unref_group, kept[i].arg);
		else if (kept[i].fn == unref_meter && !meter_is_published(kept[i].arg))
			throw_away(unref_meter, kept[i].arg);
	}
	free(kept);
	if (any)
		config_changed = false;
}

void
view_for_each_bridge(void (*fn)(struct bridge *, void *aux), void *aux)
{
	for (uint32_t i = 0; i < n_bridges; i++) {
		struct view *v = view_get();

		if (dirty[i] && drafts[i].exists)
			fn(drafts[i].bv.bridge, aux);
		else if (!dirty[i] && i < v->n_bridges && v->bridges[i])
			fn(v->bridges[i]->bridge, aux);
	}
}

/* --- Readers ---------------------------------------------------------------------------------------- */

const struct xport *
xport_find(const struct xport_set *set, of_port_t ofp_port)
{
	if (!set || !set->n)
		return NULL;
	for (uint32_t i = (ofp_port * 0x9e3779b1u) & set->hash_mask;; i = (i + 1) & set->hash_mask) {
		uint32_t at = set->hash[i];

		if (!at)
			return NULL;
		if (set->ports[at - 1].ofp_port == ofp_port)
			return &set->ports[at - 1];
	}
}

struct xport_set *
xport_set_new(uint32_t n)
{
	uint32_t size = 4;

	while (size < n * 2)
		size *= 2;
	struct xport_set *set =
		wf_xzalloc(sizeof *set + n * sizeof set->ports[0] + size * sizeof set->hash[0]);
	set->n = n;
	set->hash_mask = size - 1;
	set->hash = (uint32_t *)&set->ports[n];
	return set;
}

void
xport_set_hash(struct xport_set *set)
{
	for (uint32_t p = 0; p < set->n; p++) {
		uint32_t i = (set->ports[p].ofp_port * 0x9e3779b1u) & set->hash_mask;

		while (set->hash[i])
			i = (i + 1) & set->hash_mask;
		set->hash[i] = p + 1;
	}
}
