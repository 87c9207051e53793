/* SPDX-License-Identifier: Apache-2.0 */
/* Groups.  A group is immutable once it is in the view: each change makes a new one, which takes
 * over the counters of the buckets that stay. */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "dataplane/worker.h"
#include "openflow/msg_group.h"
#include "switchd/state/state.h"

#define MAX_GROUPS 0xffffff00u

/* --- Message -> group ------------------------------------------------------------------------ */

static void
bucket_fill(struct bucket *to, const struct of_bucket *from)
{
	*to = (struct bucket){
		.bucket_id = from->bucket_id, .weight = from->weight,
		.watch_port = from->watch_port, .watch_group = from->watch_group,
		.actions = rule_actions_new(from->actions, from->actions_size),
		.hash_id = wf_hash_mix64(from->bucket_id, 0x9e3779b97f4a7c15ull),
	};
}

static void
bucket_copy(struct bucket *to, const struct bucket *from)
{
	*to = *from;
	atomic_fetch_add(&to->actions->refs, 1);
	counter_ref(to->counter);
}

/* A bucket that says what it said before goes on counting. */
static void
bucket_keep_counter(struct bucket *b, const struct group *old)
{
	for (uint32_t i = 0; old && i < old->n_buckets; i++) {
		const struct bucket *o = &old->buckets[i];

		if (o->bucket_id == b->bucket_id && o->actions == b->actions &&
		    o->watch_port == b->watch_port && o->watch_group == b->watch_group) {
			b->counter = o->counter;
			counter_ref(b->counter);
			return;
		}
	}
	b->counter = counter_new();
}

static void
set_hash_fields(struct group *g, const struct of_group_props *props)
{
	for (unsigned i = 0; i < OF_N_FIELDS; i++)
		g->n_hash_fields += of_field_set_has(&props->fields, i);
	if (!g->n_hash_fields)
		return;
	g->hash_fields = wf_xzalloc(g->n_hash_fields * sizeof(*g->hash_fields));
	for (unsigned i = 0, n = 0; i < OF_N_FIELDS; i++) {
		const uint8_t *mask;

		if (!of_field_set_has(&props->fields, i))
			continue;
		g->hash_fields[n].field = (uint16_t)i;
		mask = of_group_props_mask(props, i);
		if (mask)
			memcpy(&g->hash_fields[n].mask, mask, of_field(i)->n_bytes);
		n++;
	}
}

static struct group *
group_new(struct of_switch *sw, uint32_t id, uint8_t type, size_t n_buckets)
{
	struct group *g = wf_xzalloc(sizeof(*g));

	g->id = id;
	g->type = type;
	g->bridge = sw->bridge;
	g->n_buckets = (uint32_t)n_buckets;
	g->buckets = n_buckets ? wf_xzalloc(n_buckets * sizeof(*g->buckets)) : NULL;
	g->created_ms = g->modified_ms = wf_now_ms();
	g->version = view_next_version();
	atomic_init(&g->refs, 1);
	return g;
}

static struct group *
group_from_mod(struct of_switch *sw, const struct of_group_mod *gm, const struct group *old)
{
	struct group *g = group_new(sw, gm->group, gm->type, gm->n_buckets);

	for (size_t i = 0; i < gm->n_buckets; i++) {
		bucket_fill(&g->buckets[i], &gm->buckets[i]);
		bucket_keep_counter(&g->buckets[i], old);
	}
	memcpy(g->selection_method, gm->props.method, sizeof(g->selection_method));
	g->selection_param = gm->props.param;
	set_hash_fields(g, &gm->props);
	if (old) {
		g->created_ms = old->created_ms;
		g->counter = old->counter;
		counter_ref(g->counter);
	} else {
		g->counter = counter_new();
	}
	return g;
}

/* A group like 'old' with other buckets, which the caller fills in. */
static struct group *
group_like(struct of_switch *sw, const struct group *old, size_t n_buckets)
{
	struct group *g = group_new(sw, old->id, old->type, n_buckets);

	g->created_ms = old->created_ms;
	g->counter = old->counter;
	counter_ref(g->counter);
	memcpy(g->selection_method, old->selection_method, sizeof(g->selection_method));
	g->selection_param = old->selection_param;
	g->n_hash_fields = old->n_hash_fields;
	if (old->n_hash_fields)
		g->hash_fields = wf_xmemdup(old->hash_fields,
					    old->n_hash_fields * sizeof(*old->hash_fields));
	return g;
}

static int
bucket_index(const struct group *g, uint32_t id)
{
	for (uint32_t i = 0; i < g->n_buckets; i++)
		if (g->buckets[i].bucket_id == id)
			return (int)i;
	return -1;
}

/* --- Changes ---------------------------------------------------------------------------------- */

static of_err_t
insert_buckets(struct of_switch *sw, const struct of_group_mod *gm, const struct group *old)
{
	uint32_t at = gm->command_bucket == OF_BUCKET_LAST ? old->n_buckets : 0, n = 0;
	struct group *g;

	if (gm->command_bucket <= OF_BUCKET_MAX) {
		int i = bucket_index(old, gm->command_bucket);

		if (i < 0)
			return OF_ERR_OFPGMFC_UNKNOWN_BUCKET;
		at = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < gm->n_buckets; i++)
		if (bucket_index(old, gm->buckets[i].bucket_id) >= 0)
			return OF_ERR_OFPGMFC_BUCKET_EXISTS;
	g = group_like(sw, old, old->n_buckets + gm->n_buckets);
	for (uint32_t i = 0; i < at; i++)
		bucket_copy(&g->buckets[n++], &old->buckets[i]);
	for (size_t i = 0; i < gm->n_buckets; i++, n++) {
		bucket_fill(&g->buckets[n], &gm->buckets[i]);
		g->buckets[n].counter = counter_new();
	}
	for (uint32_t i = at; i < old->n_buckets; i++)
		bucket_copy(&g->buckets[n++], &old->buckets[i]);
	view_group_set(sw->bridge, gm->group, g);
	return 0;
}

static of_err_t
remove_buckets(struct of_switch *sw, const struct of_group_mod *gm, const struct group *old)
{
	uint32_t n = 0;
	int skip = -1;
	struct group *g;

	switch (gm->command_bucket) {
	case OF_BUCKET_ALL:
		view_group_set(sw->bridge, gm->group, group_like(sw, old, 0));
		return 0;
	case OF_BUCKET_FIRST:
		skip = old->n_buckets ? 0 : -1;
		break;
	case OF_BUCKET_LAST:
		skip = (int)old->n_buckets - 1;
		break;
	default:
		skip = bucket_index(old, gm->command_bucket);
		if (skip < 0)
			return OF_ERR_OFPGMFC_UNKNOWN_BUCKET;
	}
	g = group_like(sw, old, old->n_buckets - (skip >= 0));
	for (uint32_t i = 0; i < old->n_buckets; i++)
		if ((int)i != skip)
			bucket_copy(&g->buckets[n++], &old->buckets[i]);
	view_group_set(sw->bridge, gm->group, g);
	return 0;
}

struct names_group {
	uint32_t group;
	bool all;
};

static bool
is_other(const struct of_action *a, void *g_)
{
	const struct names_group *g = g_;

	return a->type != OF_A_GROUP || (!g->all && a->u32 != g->group);
}

static bool
rule_names_group(const struct rule *r, void *g_)
{
	return !of_actions_visit(r->actions->data, r->actions->size, is_other, g_);
}

static void
delete_groups(struct of_switch *sw, uint32_t id, struct of_txn *txn, uint32_t xid)
{
	const struct bridge_view *bv = view_bridge_pending(sw->bridge);
	struct names_group names = { id, id == OF_GROUP_ALL };
	uint32_t n = 0, *ids;

	if (names.all ? sw->group_uses.n > 0 : of_group_n_rules(sw, id) > 0)
		of_flows_delete_in(sw, rule_names_group, &names, OF_FRR_GROUP_DELETE, xid, txn);
	if (!names.all) {
		if (view_group_pending(sw->bridge, id))
			view_group_set(sw->bridge, id, NULL);
		return;
	}
	if (!bv || !bv->n_groups)
		return;
	ids = wf_xmalloc(bv->n_groups * sizeof(*ids));
	for (uint32_t i = 0; i <= bv->group_mask; i++)
		if (bv->groups[i])
			ids[n++] = bv->groups[i]->id;
	while (n)
		view_group_set(sw->bridge, ids[--n], NULL);
	free(ids);
}

of_err_t
of_group_mod_apply(struct of_switch *sw, const struct of_group_mod *gm, struct of_txn *txn,
		   uint32_t xid)
{
	struct group *old;

	if (gm->command == OF_GC_DELETE) {
		delete_groups(sw, gm->group, txn, xid);
		return 0;
	}
	old = view_group_pending(sw->bridge, gm->group);
	switch (gm->command) {
	case OF_GC_ADD:
		if (old)
			return OF_ERR_OFPGMFC_GROUP_EXISTS;
		break;
	case OF_GC_MODIFY:
	case OF_GC_INSERT_BUCKET:
	case OF_GC_REMOVE_BUCKET:
		if (!old)
			return OF_ERR_OFPGMFC_UNKNOWN_GROUP;
		break;
	case OF_GC_ADD_OR_MOD:
		break;
	default:
		return OF_ERR_OFPGMFC_BAD_COMMAND;
	}
	if (gm->group > MAX_GROUPS)
		return OF_ERR_OFPGMFC_INVALID_GROUP;
	if (gm->command == OF_GC_INSERT_BUCKET)
		return insert_buckets(sw, gm, old);
	if (gm->command == OF_GC_REMOVE_BUCKET)
		return remove_buckets(sw, gm, old);
	if (gm->type >= OF_N_GROUP_TYPES)
		return OF_ERR_OFPGMFC_BAD_TYPE;
	view_group_set(sw->bridge, gm->group, group_from_mod(sw, gm, old));
	return 0;
}

void
of_groups_flush(struct of_switch *sw)
{
	struct of_txn txn = { 0 };

	delete_groups(sw, OF_GROUP_ALL, &txn, 0);
	state_group(sw, OF_GROUP_ALL);
	of_txn_commit(sw, &txn, NULL);
	of_txn_done(&txn);
}

/* --- Group -> message ------------------------------------------------------------------------- */

static struct of_bucket *
buckets_out(const struct group *g)
{
	struct of_bucket *out = wf_xzalloc((g->n_buckets + 1) * sizeof(*out));

	for (uint32_t i = 0; i < g->n_buckets; i++) {
		const struct bucket *b = &g->buckets[i];

		out[i] = (struct of_bucket){
			.weight = b->weight, .watch_port = b->watch_port,
			.watch_group = b->watch_group, .bucket_id = b->bucket_id,
			.actions = b->actions->data, .actions_size = b->actions->size,
			.n_packets = atomic_load(&b->counter->packets),
			.n_bytes = atomic_load(&b->counter->bytes),
		};
	}
	return out;
}

void
of_group_mod_tell(struct of_conn *source, const struct of_group_mod *gm, uint32_t xid, int existed)
{
	struct of_switch *sw = source->sw;
	const struct group *g = view_group_pending(sw->bridge, gm->group);
	struct of_requestforward rf = { .xid = xid, .group_mod = gm, .group_existed = existed };
	struct of_bucket *buckets = NULL;
	struct of_conn *c;

	wf_list_for_each(c, node, &sw->conns) {
		if (c == source || !of_conn_wants(c, OF_ASYNC_REQUESTFORWARD, 0))
			continue;
		if (g && !buckets)
			buckets = buckets_out(g);
		rf.new_buckets = buckets;
		rf.n_new_buckets = g ? g->n_buckets : 0;
		if (of_requestforward_encode(&c->codec, &rf, &c->out))
			of_conn_async(c);
	}
	free(buckets);
}

of_err_t
of_handle_group_mod(struct of_conn *c, const struct of_msg *m)
{
	struct of_txn txn = { 0 };
	struct of_group_mod gm;
	of_err_t err = of_group_mod_decode(&c->codec, m, &gm);
	int existed;

	if (err)
		return err;
	existed = view_group_pending(c->sw->bridge, gm.group) != NULL;
	err = of_group_mod_apply(c->sw, &gm, &txn, m->xid);
	if (!err) {
		state_txn_begin();
		state_group(c->sw, gm.group);
		of_txn_commit(c->sw, &txn, c);
		state_txn_end();
		of_group_mod_tell(c, &gm, m->xid, existed);
	}
	of_txn_done(&txn);
	of_group_mod_done(&gm);
	return err;
}

/* --- Multipart -------------------------------------------------------------------------------- */

struct group_dump {
	struct of_dump dump;
	uint32_t n, next, *ids;
};

static void
group_dump_free(struct of_dump *dump)
{
	struct group_dump *d = wf_container(dump, struct group_dump, dump);

	free(d->ids);
	free(d);
}

static int
by_id(const void *a_, const void *b_)
{
	const uint32_t *a = a_, *b = b_;

	return *a < *b ? -1 : *a > *b;
}

static bool
stats_step(struct of_conn *c, struct of_dump *dump)
{
	struct group_dump *d = wf_container(dump, struct group_dump, dump);
	const struct group *g;

	if (d->next == d->n)
		return true;
	g = view_group_pending(c->sw->bridge, d->ids[d->next++]);
	if (!g)
		return false;
	struct of_bucket *buckets = buckets_out(g);
	struct of_group_stats s = {
		.group = g->id, .ref_count = of_group_n_rules(c->sw, g->id),
		.n_packets = atomic_load(&g->counter->packets),
		.n_bytes = atomic_load(&g->counter->bytes),
		.buckets = buckets, .n_buckets = g->n_buckets,
	};
	of_duration(g->created_ms, &s.duration_s, &s.duration_ns);
	of_group_stats_append(&dump->mp, &s);
	free(buckets);
	return false;
}

static bool
desc_step(struct of_conn *c, struct of_dump *dump)
{
	struct group_dump *d = wf_container(dump, struct group_dump, dump);
	const struct of_tlv_map *before;
	const struct group *g;

	if (d->next == d->n)
		return true;
	g = view_group_pending(c->sw->bridge, d->ids[d->next++]);
	if (!g)
		return false;
	struct of_bucket *buckets = buckets_out(g);
	struct of_group_desc desc = {
		.group = g->id, .type = g->type, .buckets = buckets, .n_buckets = g->n_buckets,
		.props = { .param = g->selection_param },
	};
	before = of_tlv_map_enter(&c->sw->tlv_map);
	memcpy(desc.props.method, g->selection_method, sizeof(desc.props.method));
	for (uint32_t i = 0; i < g->n_hash_fields; i++)
		of_group_props_set_mask(&desc.props, g->hash_fields[i].field,
					&g->hash_fields[i].mask);
	of_group_desc_append(&dump->mp, &c->codec, &desc);
	of_group_props_done(&desc.props);
	of_tlv_map_enter(before);
	free(buckets);
	return false;
}

static void
dump_groups(struct of_conn *c, const struct of_msg *m, uint32_t which,
	    bool (*step)(struct of_conn *, struct of_dump *))
{
	const struct bridge_view *bv = view_bridge_pending(c->sw->bridge);
	struct group_dump *d = wf_xzalloc(sizeof(*d));

	d->dump.step = step;
	d->dump.free = group_dump_free;
	if (bv && bv->n_groups) {
		d->ids = wf_xmalloc(bv->n_groups * sizeof(*d->ids));
		for (uint32_t i = 0; i <= bv->group_mask; i++)
			if (bv->groups[i] &&
			    (which == OF_GROUP_ALL || which == bv->groups[i]->id))
				d->ids[d->n++] = bv->groups[i]->id;
		qsort(d->ids, d->n, sizeof(*d->ids), by_id);
	}
	of_multipart_begin(&d->dump.mp, &c->dump_out, m);
	of_conn_dump(c, &d->dump);
}

of_err_t
of_handle_group_request(struct of_conn *c, const struct of_msg *m)
{
	uint32_t which;
	of_err_t err = of_group_request_decode(m, &which);

	if (err)
		return err;
	workers_fold_stats();
	dump_groups(c, m, which, stats_step);
	return 0;
}

of_err_t
of_handle_group_desc(struct of_conn *c, const struct of_msg *m)
{
	uint32_t which;
	of_err_t err = of_group_request_decode(m, &which);

	if (err)
		return err;
	dump_groups(c, m, which, desc_step);
	return 0;
}

of_err_t
of_handle_group_features(struct of_conn *c, const struct of_msg *m)
{
	const uint64_t unsaid = 1ull << OF_A_COPY_TTL_OUT | 1ull << OF_A_COPY_TTL_IN |
				1ull << OF_A_PUSH_PBB | 1ull << OF_A_POP_PBB |
				1ull << OF_A_DEBUG;
	struct of_group_features f = {
		.types = (1u << OF_N_GROUP_TYPES) - 1,
		/* Select weight, select liveness, chaining. */
		.capabilities = 0x7,
	};

	for (unsigned i = 0; i < OF_N_GROUP_TYPES; i++) {
		f.max_groups[i] = MAX_GROUPS;
		f.actions[i] = ((1ull << OF_N_ACTION_TYPES) - 1) & ~unsaid;
	}
	of_group_features_encode(m, &f, &c->out);
	of_conn_reply(c);
	return 0;
}
