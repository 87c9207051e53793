/* SPDX-License-Identifier: Apache-2.0 */
/* Learn actions: the flows that they make, and those that go with the rule that made them. */
#include "switchd/of_internal.h"

#include <stdlib.h>

#include "base/coverage.h"
#include "base/hash.h"
#include "base/log.h"

WF_LOG_MODULE(of_learn);
WF_COVERAGE(of_learn_limit_reached);

/* --- Flows that live as long as who learned them ---------------------------------------------- */

/* Rules with learn(...,delete_learned,cookie=C,table=T) keep the flows of C in T. */
struct learned_cookie {
	struct wf_hmap_node node;
	uint64_t cookie;
	uint8_t table;
	int n; /* rules that keep it */
};

struct cookie_visit {
	struct of_switch *sw;
	int delta;
};

static bool
count_cookie(const struct of_action *a, void *v_)
{
	struct cookie_visit *v = v_;
	const struct of_act_learn *learn = (const struct of_act_learn *)a;
	struct learned_cookie *lc = NULL, *i;
	uint32_t hash;

	if (a->type != OF_A_LEARN || !(learn->flags & OF_LEARN_F_DELETE_LEARNED))
		return true;
	hash = wf_hash_u64(learn->cookie, learn->table);
	wf_hmap_for_each_with_hash(i, node, hash, &v->sw->learned_cookies)
		if (i->cookie == learn->cookie && i->table == learn->table)
			lc = i;
	if (!lc) {
		lc = wf_xzalloc(sizeof(*lc));
		lc->cookie = learn->cookie;
		lc->table = learn->table;
		wf_hmap_insert(&v->sw->learned_cookies, &lc->node, hash);
	}
	lc->n += v->delta;
	if (!lc->n)
		v->sw->learned_cookies_dead = true;
	return true;
}

void
of_learned_cookies(struct of_switch *sw, const struct rule_actions *actions, int delta)
{
	struct cookie_visit v = { sw, delta };

	if (!actions->has_learn)
		return;
	if (!sw->learned_cookies.buckets)
		wf_hmap_init(&sw->learned_cookies);
	of_actions_visit(actions->data, actions->size, count_cookie, &v);
}

static bool
is_learned(const struct rule *r, void *lc_)
{
	const struct learned_cookie *lc = lc_;

	return r->table_id == lc->table && r->cookie == lc->cookie && !r->hidden;
}

void
of_learned_cookies_flush(struct of_switch *sw)
{
	/* A deleted flow may have kept others. */
	while (sw->learned_cookies_dead) {
		struct learned_cookie *lc, *dead = NULL;

		wf_hmap_for_each(lc, node, &sw->learned_cookies)
			if (!lc->n)
				dead = lc;
		if (!dead) {
			sw->learned_cookies_dead = false;
			return;
		}
		wf_hmap_remove(&sw->learned_cookies, &dead->node);
		of_flows_delete(sw, is_learned, dead, OF_FRR_DELETE, NULL, 0);
		free(dead);
	}
}

void
of_learned_cookies_done(struct of_switch *sw)
{
	struct learned_cookie *lc;

	if (!sw->learned_cookies.buckets)
		return;
	wf_hmap_for_each_safe(lc, node, &sw->learned_cookies)
		free(lc);
	wf_hmap_done(&sw->learned_cookies);
}

/* --- Learning --------------------------------------------------------------------------------- */

static void
remember(struct learned_flow *flow, struct rule *r)
{
	struct rule *old = atomic_load(&flow->rule);

	if (old == r)
		return;
	if (r)
		rule_ref(r);
	atomic_store(&flow->rule, r);
	if (old)
		rule_unref(old);
}

static bool
is_as_learned(const struct rule *r, const struct learned_flow *flow)
{
	return r->idle_timeout == flow->idle_timeout && r->hard_timeout == flow->hard_timeout &&
	       r->flags == (flow->flags & OF_FF_STATE) && r->cookie == flow->cookie &&
	       of_actions_equal(r->actions->data, r->actions->size, flow->actions,
				flow->actions_size);
}

static bool
limit_reached(struct of_switch *sw, const struct learned_flow *flow)
{
	static struct of_match any;
	struct of_criteria c = {
		.table = flow->table_id, .match = &any, .cookie = flow->cookie,
		.cookie_mask = UINT64_MAX, .out_port = OF_PORT_ANY, .out_group = OF_GROUP_ANY,
	};
	struct of_rules rules = { 0 };
	bool reached;

	if (!flow->limit)
		return false;
	of_rules_collect(sw, &c, view_next_version(), &rules);
	reached = rules.n >= flow->limit;
	of_rules_done(&rules);
	return reached;
}

/* The bundle whose packets are being sent. */
static struct of_switch *bundle_switch;
static struct of_txn *bundle_txn;

void
of_learn_into(struct of_switch *sw, struct of_txn *txn)
{
	bundle_switch = sw;
	bundle_txn = txn;
}

static void
undo(struct of_switch *sw, struct of_txn *txn, unsigned from, of_err_t err)
{
	wf_warn_rl("%s: learn action failed to add a flow (%s)", sw->bridge->name,
		   of_err_name(err));
	of_txn_undo(sw, txn, from);
}

void
of_learn(struct learned_flow *flow)
{
	static struct of_flow_mod fm;
	struct of_switch *sw = of_bridge_switch(flow->bridge);
	struct of_txn own = { 0 }, *txn = &own;
	struct of_flow_edit e;
	unsigned from = 0;
	struct of_match *match;
	struct rule *r;
	of_err_t err;

	if (!sw)
		return;
	match = of_match_pack(&flow->match);
	r = table_find(&sw->bridge->tables[flow->table_id], match, flow->priority,
		       view_next_version());
	if (r && is_as_learned(r, flow)) {
		free(match);
		atomic_store_explicit(&r->modified_ms, wf_now_ms(), memory_order_relaxed);
		remember(flow, r);
		return;
	}
	if (limit_reached(sw, flow)) {
		free(match);
		wf_coverage_inc(of_learn_limit_reached);
		wf_info_rl("Learn limit for flow %llu reached.", (unsigned long long)flow->cookie);
		return;
	}
	fm = (struct of_flow_mod){
		.match = flow->match, .priority = flow->priority, .command = OF_FC_MODIFY_STRICT,
		.table = flow->table_id, .new_cookie = flow->cookie, .modify_cookie = true,
		.idle_timeout = flow->idle_timeout, .hard_timeout = flow->hard_timeout,
		.buffer_id = OF_NO_BUFFER, .out_port = OF_PORT_ANY, .out_group = OF_GROUP_ANY,
		.flags = flow->flags, .actions = flow->actions, .actions_size = flow->actions_size,
	};
	if (bundle_txn && sw == bundle_switch) {
		txn = bundle_txn;
		from = txn->n;
	}
	err = of_flow_edit_init(sw, &fm, &e);
	if (!err)
		err = of_flow_edit_apply(sw, &e, txn);
	if (err) {
		undo(sw, txn, from, err);
	} else {
		if (txn == &own)
			of_txn_commit(sw, txn, NULL);
		remember(flow, table_find(&sw->bridge->tables[flow->table_id], match,
					  flow->priority, view_next_version()));
	}
	of_flow_edit_done(&e);
	of_txn_done(&own);
	free(match);
	/* A view is of all bridges: with a bundle half in, nothing can be published. */
	if (!bundle_txn)
		of_publish();
}
