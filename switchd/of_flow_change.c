/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of flows: the one way in which rules come and go.
 *
 * A change is put into the tables of the next view at once, so that later changes of the same
 * request see it; it is undone or committed afterwards.  The books of the switch (rules by
 * cookie, rules with timeouts, users of groups and meters) follow the tables, so an undo undoes
 * them as well.  Who must be told is told by the commit.
 */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/rcu.h"
#include "dataplane/worker.h"
#include "switchd/state/state.h"

/* removed_reason of rules whose removal nobody is told of. */
#define REASON_NONE 0xff
#define REASON_REPLACED 0xfe

/* --- How many --------------------------------------------------------------------------------- */

/* A flow of a usual size takes less, index and actions included. */
#define FLOW_BYTES 320
#define MAX_FLOWS_LEAST 1000000u

static unsigned n_flows, n_kept, max_flows;

void
of_set_max_flows(unsigned n)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t fit = memory / 2 / FLOW_BYTES;

	if (!n)
		n = fit < MAX_FLOWS_LEAST ? MAX_FLOWS_LEAST : fit > UINT32_MAX / 2 ? UINT32_MAX / 2
										   : (unsigned)fit;
	max_flows = n;
}

bool
of_flows_have_room(unsigned n)
{
	if (!max_flows)
		of_set_max_flows(0);
	return (uint64_t)n_flows + n_kept + n <= max_flows;
}

void
of_flows_keep(int n)
{
	n_kept += (unsigned)n;
}

void
of_flows_forget(struct of_switch *sw)
{
	n_flows -= sw->n_flows;
	sw->n_flows = 0;
}

/* --- Books ------------------------------------------------------------------------------------ */

bool
of_actions_visit(const void *list, size_t size, bool (*fn)(const struct of_action *, void *),
		void *aux)
{
	of_action_for_each(a, list, size) {
		const struct of_action *nested;
		size_t nested_size = 0;

		if (!fn(a, aux))
			return false;
		if (a->type == OF_A_CLONE || a->type == OF_A_WRITE_ACTIONS)
			nested = of_act_nested(a, sizeof(struct of_act_nest), &nested_size);
		else if (a->type == OF_A_CT)
			nested = of_act_nested(a, sizeof(struct of_act_ct), &nested_size);
		if (nested_size && !of_actions_visit(nested, nested_size, fn, aux))
			return false;
	}
	return true;
}

static struct of_group_use *
group_use(const struct of_switch *sw, uint32_t group)
{
	struct of_group_use *u;

	wf_hmap_for_each_with_hash(u, node, wf_hash_u64(group, 0), &sw->group_uses)
		if (u->group == group)
			return u;
	return NULL;
}

uint32_t
of_group_n_rules(const struct of_switch *sw, uint32_t group)
{
	const struct of_group_use *u = group_use(sw, group);

	return u ? u->n_rules : 0;
}

struct use_visit {
	struct of_switch *sw;
	int delta;
};

static bool
count_group(const struct of_action *a, void *v_)
{
	struct use_visit *v = v_;
	struct of_group_use *u;

	if (a->type != OF_A_GROUP)
		return true;
	u = group_use(v->sw, a->u32);
	if (!u) {
		u = wf_xzalloc(sizeof(*u));
		u->group = a->u32;
		wf_hmap_insert(&v->sw->group_uses, &u->node, wf_hash_u64(a->u32, 0));
	}
	u->n_rules += (uint32_t)v->delta;
	if (!u->n_rules) {
		wf_hmap_remove(&v->sw->group_uses, &u->node);
		free(u);
	}
	return true;
}

/* Of a rule that comes: it stands in its table's list before 'place', or at the end (NULL).
 * Returns what it stood before. */
static struct wf_list *
books(struct of_switch *sw, struct rule *r, bool in, struct wf_list *place)
{
	struct use_visit v = { sw, in ? 1 : -1 };
	struct meter *meter;

	n_flows += (unsigned)v.delta;
	sw->n_flows += (unsigned)v.delta;

	if (in) {
		of_rules_book_add(sw, r, place);
		if (r->idle_timeout || r->hard_timeout)
			wf_list_push_back(&sw->bridge->expirable, &r->expirable_node);
	} else {
		place = of_rules_book_del(sw, r);
		wf_list_remove(&r->expirable_node);
	}
	of_evict_book(sw, r, in);
	if (r->actions->has_trigger)
		of_stat_trigger_book(sw, r, in);
	if (r->actions->has_group)
		of_actions_visit(r->actions->data, r->actions->size, count_group, &v);
	if (r->actions->meter_id) {
		meter = view_meter_pending(sw->bridge, r->actions->meter_id);
		/* After a large deletion it may be a new one with the same number. */
		if (meter && (in || meter->n_flows))
			meter->n_flows += (uint32_t)v.delta;
	}
	return place;
}

/* --- Transactions ----------------------------------------------------------------------------- */

void
of_txn_put(struct of_txn *txn, const struct of_change *change)
{
	if (txn->n == txn->room) {
		txn->room = txn->room ? txn->room * 2 : 4;
		txn->changes = wf_xrealloc(txn->changes, txn->room * sizeof(*txn->changes));
	}
	txn->changes[txn->n++] = *change;
}

void
of_txn_done(struct of_txn *txn)
{
	free(txn->changes);
	*txn = (struct of_txn){ 0 };
}

static uint64_t last_seq;

void
of_flow_seq_start(uint64_t last)
{
	last_seq = last;
}

void
of_flow_restore(struct of_switch *sw, unsigned table, struct rule *r, uint64_t seq)
{
	r->seq = seq;
	of_changed();
	table_add(&sw->bridge->tables[table], r, view_next_version());
	books(sw, r, true, NULL);
	of_learned_cookies(sw, r->actions, 1);
	rule_unref(r);
}

/* Takes the reference to 'new' over. */
static void
change_rules(struct of_switch *sw, struct of_txn *txn, struct table *t, struct of_change *change)
{
	uint64_t version = view_next_version();
	struct wf_list *place = NULL;

	of_changed();
	if (change->old) {
		rule_ref(change->old);
		place = books(sw, change->old, false, NULL);
		table_remove(change->old->table, change->old, version);
	}
	if (change->new) {
		change->new->seq = ++last_seq;
		table_add(t, change->new, version);
		/* In the place of the one before, so that who walks the table meets one of them. */
		books(sw, change->new, true, change->is_eviction ? NULL : place);
	}
	of_txn_put(txn, change);
}

void
of_txn_undo(struct of_switch *sw, struct of_txn *txn, unsigned from)
{
	while (txn->n > from) {
		struct of_change *change = &txn->changes[--txn->n];
		struct wf_list *place = NULL;

		if (change->new) {
			place = books(sw, change->new, false, NULL);
			table_undo_add(change->new->table, change->new);
			rule_unref(change->new);
		}
		if (change->old) {
			table_undo_remove(change->old->table, change->old);
			books(sw, change->old, true, change->is_eviction ? NULL : place);
			rule_unref(change->old);
		}
	}
}

static void
counter_move(struct counter *to, struct counter *from)
{
	int64_t used = atomic_load_explicit(&from->used_ms, memory_order_relaxed);

	/* Main is the only one that writes the counters of rules. */
	atomic_fetch_add_explicit(&to->packets,
				  atomic_exchange_explicit(&from->packets, 0, memory_order_relaxed),
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&to->bytes,
				  atomic_exchange_explicit(&from->bytes, 0, memory_order_relaxed),
				  memory_order_relaxed);
	if (used > atomic_load_explicit(&to->used_ms, memory_order_relaxed))
		atomic_store_explicit(&to->used_ms, used, memory_order_relaxed);
}

static void
tell_replaced(struct of_switch *sw, const struct of_change *ch, struct of_conn *requester)
{
	bool actions_differ = ch->old->actions != ch->new->actions;

	if (ch->event != OF_FME_MODIFIED || actions_differ || ch->new->cookie != ch->old->cookie)
		of_monitor_report(sw, ch->new, ch->event, 0, requester, ch->xid,
				  actions_differ ? ch->old->actions : NULL);
}

static void
commit_change(struct of_switch *sw, struct of_change *ch, struct of_conn *requester)
{
	if (ch->new)
		of_learned_cookies(sw, ch->new->actions, 1);
	if (ch->old)
		of_learned_cookies(sw, ch->old->actions, -1);
	if (ch->old && ch->new && !ch->is_eviction) {
		tell_replaced(sw, ch, requester);
		ch->old->removed_reason = REASON_NONE;
		if (ch->keep_counts) {
			counter_move(&ch->new->counter, &ch->old->counter);
			ch->old->removed_reason = REASON_REPLACED;
			ch->old->successor = ch->new;
			ch->new->awaits_counts = true;
			rule_ref(ch->new);
		} else {
			/* The age is that of the flow, as in ovs-vswitchd. */
			atomic_store_explicit(&ch->new->counter.used_ms,
					      of_rule_used_ms(ch->old), memory_order_relaxed);
		}
	} else {
		if (ch->old) {
			ch->old->removed_reason = ch->reason;
			of_monitor_report(sw, ch->old, OF_FME_REMOVED, ch->reason, requester,
					  ch->xid, NULL);
		}
		if (ch->new && !ch->is_eviction)
			of_monitor_report(sw, ch->new, OF_FME_ADDED, 0, requester, ch->xid, NULL);
		of_table_vacancy_check(sw, (ch->new ? ch->new : ch->old)->table_id);
	}
	if (ch->new)
		rule_unref(ch->new);
	if (ch->old)
		rule_unref(ch->old);
}

void
of_txn_commit(struct of_switch *sw, struct of_txn *txn, struct of_conn *requester)
{
	state_flows(sw, txn);
	for (unsigned i = 0; i < txn->n; i++)
		commit_change(sw, &txn->changes[i], requester);
	txn->n = 0;
	of_learned_cookies_flush(sw);
}

void
of_flow_close_books(struct of_switch *sw, struct rule *r)
{
	books(sw, r, false, NULL);
	of_learned_cookies(sw, r->actions, -1);
	of_table_vacancy_check(sw, r->table_id);
	rule_unref(r);
}

/* --- One flow_mod ----------------------------------------------------------------------------- */

static bool
check_one(const struct of_action *a, void *sw_)
{
	struct of_switch *sw = sw_;

	if (a->type == OF_A_GROUP)
		return view_group_pending(sw->bridge, a->u32) != NULL;
	return true;
}

static bool
check_meter(const struct of_action *a, void *sw_)
{
	struct of_switch *sw = sw_;

	return a->type != OF_A_METER || view_meter_pending(sw->bridge, a->u32);
}

of_err_t
of_check_actions(struct of_switch *sw, const void *list, size_t size)
{
	if (!of_actions_visit(list, size, check_meter, sw))
		return OF_ERR_OFPMMFC_INVALID_METER;
	if (!of_actions_visit(list, size, check_one, sw))
		return OF_ERR_OFPBAC_BAD_OUT_GROUP;
	return 0;
}

unsigned
of_egress_table(const struct of_switch *sw)
{
	const struct bridge_view *bv = view_bridge_pending(sw->bridge);

	return bv ? bv->egress_table : 0;
}

of_err_t
of_check_egress(unsigned egress_table, unsigned table, const void *list, size_t size)
{
	bool is_egress = egress_table && table >= egress_table;

	if (!egress_table)
		return 0;
	of_action_for_each(a, list, size) {
		const struct of_action *nested;
		size_t nested_size;

		/* OpenFlow 1.5.1 section 5.1: the ingress side ends before the first egress table. */
		if (a->type == OF_A_GOTO_TABLE && !is_egress && a->u32 >= egress_table)
			return OF_ERR_OFPBIC_BAD_TABLE_ID;
		if (a->type != OF_A_WRITE_ACTIONS || !is_egress)
			continue;
		/* Section 5.12: the output port is decided. */
		nested = of_act_nested(a, sizeof(struct of_act_nest), &nested_size);
		of_action_for_each(n, nested, nested_size)
			if (n->type == OF_A_OUTPUT || n->type == OF_A_GROUP)
				return OF_ERR_OFPBAC_BAD_TYPE;
	}
	return 0;
}

of_err_t
of_flow_edit_init(struct of_switch *sw, const struct of_flow_mod *fm, struct of_flow_edit *e)
{
	bool is_delete = fm->command == OF_FC_DELETE || fm->command == OF_FC_DELETE_STRICT;

	*e = (struct of_flow_edit){
		.cookie = fm->cookie, .cookie_mask = fm->cookie_mask,
		.out_port = is_delete ? fm->out_port : OF_PORT_ANY,
		.out_group = is_delete ? fm->out_group : OF_GROUP_ANY,
		.command = fm->command, .table = fm->table,
		.modify_cookie = fm->modify_cookie,
		.keep_counts = !(fm->flags & OF_FF_RESET_COUNTS),
		.check_overlap = fm->flags & OF_FF_CHECK_OVERLAP,
		.may_add = fm->command == OF_FC_ADD ||
			   (fm->new_cookie != UINT64_MAX && !fm->cookie_mask),
	};
	if (fm->table != OF_TABLE_ALL && fm->table >= N_TABLES)
		return OF_ERR_OFPBRC_BAD_TABLE_ID;
	if (!is_delete && fm->table == TABLE_INTERNAL)
		return OF_ERR_OFPBRC_EPERM;
	e->rule = rule_new(&fm->match, fm->priority, fm->actions, is_delete ? 0 : fm->actions_size);
	e->rule->cookie = fm->new_cookie;
	e->rule->idle_timeout = fm->idle_timeout;
	e->rule->hard_timeout = fm->hard_timeout;
	e->rule->importance = fm->importance;
	e->rule->flags = fm->flags & OF_FF_STATE;
	return 0;
}

void
of_flow_edit_done(struct of_flow_edit *e)
{
	if (e->rule)
		rule_unref(e->rule);
	e->rule = NULL;
}

struct rule *
of_rule_copy(const struct rule *r)
{
	struct rule *copy = rule_clone(r, r->actions);

	copy->cookie = r->cookie;
	copy->idle_timeout = r->idle_timeout;
	copy->hard_timeout = r->hard_timeout;
	copy->importance = r->importance;
	copy->flags = r->flags;
	return copy;
}

static void
replace(struct of_switch *sw, const struct of_flow_edit *e, struct rule *old, struct rule *new,
	struct of_txn *txn)
{
	struct of_change change = {
		.old = old, .new = new, .xid = e->xid, .keep_counts = e->keep_counts,
		.event = e->command == OF_FC_ADD ? OF_FME_ADDED : OF_FME_MODIFIED,
	};
	bool modify_cookie = e->modify_cookie || e->command == OF_FC_ADD;

	if (e->command != OF_FC_ADD) {
		new->idle_timeout = old->idle_timeout;
		new->hard_timeout = old->hard_timeout;
		new->importance = old->importance;
		new->flags = old->flags;
		new->created_ms = old->created_ms;
	}
	if (!modify_cookie || new->cookie == UINT64_MAX)
		new->cookie = old->cookie;
	change_rules(sw, txn, old->table, &change);
}

static of_err_t
add(struct of_switch *sw, struct of_flow_edit *e, struct of_txn *txn)
{
	struct table *t = &sw->bridge->tables[e->table == OF_TABLE_ALL ? 0 : e->table];
	uint64_t version = view_next_version();
	struct of_change change = { .new = e->rule, .xid = e->xid };
	of_err_t err = of_check_actions(sw, e->rule->actions->data, e->rule->actions->size);
	struct rule *old;

	if (!err)
		err = of_check_egress(of_egress_table(sw), t->id, e->rule->actions->data,
				      e->rule->actions->size);
	if (err)
		return err;
	old = table_find(t, e->rule->match, e->rule->priority, version);
	if (old) {
		e->rule = NULL;
		replace(sw, e, old, change.new, txn);
		return 0;
	}
	if (e->check_overlap && table_find_overlap(t, e->rule->match, e->rule->priority, version))
		return OF_ERR_OFPFMFC_OVERLAP;
	if (t->n_rules >= sw->tables[t->id].max_flows || !of_flows_have_room(1)) {
		change.old = of_evict_choose(sw, t, version);
		if (!change.old)
			return OF_ERR_OFPFMFC_TABLE_FULL;
		change.is_eviction = true;
		change.reason = OF_FRR_EVICTION;
	}
	e->rule = NULL;
	change_rules(sw, txn, t, &change);
	return 0;
}

static of_err_t
modify(struct of_switch *sw, struct of_flow_edit *e, struct of_rules *rules, struct of_txn *txn)
{
	of_err_t err;

	if (!rules->n)
		return e->may_add ? add(sw, e, txn) : 0;
	err = of_check_actions(sw, e->rule->actions->data, e->rule->actions->size);
	for (unsigned i = 0; i < rules->n && !err; i++)
		err = of_check_egress(of_egress_table(sw), rules->rules[i]->table_id,
				      e->rule->actions->data, e->rule->actions->size);
	if (err)
		return err;
	for (unsigned i = 0; i < rules->n; i++) {
		struct rule *old = rules->rules[i], *new;

		new = rule_clone(old, e->rule->actions);
		new->cookie = e->rule->cookie;
		replace(sw, e, old, new, txn);
	}
	return 0;
}

static void
delete_rule(struct of_switch *sw, struct rule *old, enum of_flow_removed_reason reason,
		uint32_t xid,
	    struct of_txn *txn)
{
	struct of_change change = { .old = old, .xid = xid, .event = OF_FME_REMOVED,
				    .reason = reason };

	change_rules(sw, txn, NULL, &change);
}

void
of_flow_edit_criteria(const struct of_flow_edit *e, struct of_criteria *c)
{
	*c = (struct of_criteria){
		.table = e->table,
		.strict = e->command == OF_FC_MODIFY_STRICT || e->command == OF_FC_DELETE_STRICT,
		.priority = (uint16_t)e->rule->priority, .match = e->rule->match,
		.cookie = e->cookie, .cookie_mask = e->cookie_mask,
		.out_port = e->out_port, .out_group = e->out_group,
	};
}

of_err_t
of_flow_edit_apply(struct of_switch *sw, struct of_flow_edit *e, struct of_txn *txn)
{
	struct of_rules rules = { 0 };
	struct of_criteria criteria;
	of_err_t err = 0;

	if (e->command == OF_FC_ADD)
		return add(sw, e, txn);
	of_flow_edit_criteria(e, &criteria);
	of_rules_collect(sw, &criteria, view_next_version(), &rules);
	if (e->command == OF_FC_MODIFY || e->command == OF_FC_MODIFY_STRICT) {
		err = modify(sw, e, &rules, txn);
	} else {
		of_rules_sort_by_address(&rules);
		for (unsigned i = 0; i < rules.n; i++) {
			if (i + 8 < rules.n)
				rule_prefetch(rules.rules[i + 8]);
			delete_rule(sw, rules.rules[i], OF_FRR_DELETE, e->xid, txn);
		}
	}
	of_rules_done(&rules);
	return err;
}

/* --- The switch's own changes ----------------------------------------------------------------- */

struct delete_visit {
	struct of_switch *sw;
	bool (*fn)(const struct rule *, void *);
	void *aux;
	struct of_txn *txn;
	enum of_flow_removed_reason reason;
	uint32_t xid;
};

static bool
delete_if(struct rule *r, void *v_)
{
	struct delete_visit *v = v_;

	if (!v->fn || v->fn(r, v->aux))
		delete_rule(v->sw, r, v->reason, v->xid, v->txn);
	return true;
}

void
of_flows_delete_in(struct of_switch *sw, bool (*fn)(const struct rule *, void *aux), void *aux,
		   enum of_flow_removed_reason reason, uint32_t xid, struct of_txn *txn)
{
	struct delete_visit v = { sw, fn, aux, txn, reason, xid };

	for (unsigned t = 0; t < N_TABLES; t++)
		table_for_each(&sw->bridge->tables[t], NULL, view_next_version(), delete_if, &v);
}

void
of_flows_delete(struct of_switch *sw, bool (*fn)(const struct rule *, void *aux), void *aux,
		enum of_flow_removed_reason reason, struct of_conn *requester, uint32_t xid)
{
	struct of_txn txn = { 0 };

	of_flows_delete_in(sw, fn, aux, reason, xid, &txn);
	of_txn_commit(sw, &txn, requester);
	of_txn_done(&txn);
}

/* The switch's own flows go with what they are for. */
static bool
is_not_hidden(const struct rule *r, void *aux)
{
	return !r->hidden;
}

void
of_flows_flush(struct of_switch *sw)
{
	of_flows_delete(sw, is_not_hidden, NULL, OF_FRR_DELETE, NULL, 0);
	of_groups_flush(sw);
	of_meters_flush(sw);
	of_fail_flushed(sw);
	of_publish();
}

struct rule *
of_flow_add_internal(struct of_switch *sw, unsigned table, const struct of_match_full *match,
		     uint32_t priority, const void *actions, size_t size, bool hidden)
{
	struct of_txn txn = { 0 };
	struct rule *r = rule_new(match, priority, actions, size);
	struct table *t = &sw->bridge->tables[table];
	struct of_change change = { .new = r, .event = OF_FME_ADDED, .keep_counts = true };

	r->hidden = hidden;
	change.old = table_find(t, r->match, priority, view_next_version());
	change_rules(sw, &txn, t, &change);
	of_txn_commit(sw, &txn, NULL);
	of_txn_done(&txn);
	return r;
}

void
of_flow_expire(struct of_switch *sw, struct rule *r, enum of_flow_removed_reason reason)
{
	struct of_txn txn = { 0 };

	delete_rule(sw, r, reason, 0, &txn);
	of_txn_commit(sw, &txn, NULL);
	of_txn_done(&txn);
}

void
of_flow_del_internal(struct of_switch *sw, struct rule *r)
{
	of_flow_expire(sw, r, OF_FRR_DELETE);
}

/* --- When no worker can see a rule any more --------------------------------------------------- */

static void
on_reaped(struct rule **rules, unsigned n)
{
	bool fold = false;

	/* Plans that credit the rule hold references: without any there is nothing to fold. */
	for (unsigned i = 0; i < n && !fold; i++)
		fold = atomic_load_explicit(&rules[i]->refs, memory_order_relaxed) > 1;
	if (fold)
		workers_fold_stats();
	for (unsigned i = 0; i < n; i++) {
		struct rule *r = rules[i];
		struct of_switch *sw = of_rule_switch(r);

		if (i + 8 < n)
			rule_prefetch(rules[i + 8]);

		if (r->removed_reason == REASON_REPLACED) {
			counter_move(&r->successor->counter, &r->counter);
			r->successor->awaits_counts = false;
			rule_unref(r->successor);
			r->successor = NULL;
		} else if (r->removed_reason != REASON_NONE && !r->hidden && sw &&
			   r->flags & OF_FF_SEND_FLOW_REM) {
			of_flow_removed_send(sw, r);
		}
	}
}

void
of_flow_change_init(void)
{
	rules_on_reaped(on_reaped);
}
