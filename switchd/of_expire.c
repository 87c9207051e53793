/* SPDX-License-Identifier: Apache-2.0 */
/* Timeouts of flows.  Each second the statistics of the workers are folded in, so that an idle
 * flow is one that no packet has used, and the rules that are due go. */
#include "switchd/of_internal.h"

#include "dataplane/worker.h"

static bool
is_due(struct rule *r, int64_t now, enum of_flow_removed_reason *reason)
{
	int64_t modified = atomic_load_explicit(&r->modified_ms, memory_order_relaxed);
	int64_t used = atomic_load_explicit(&r->counter.used_ms, memory_order_relaxed);

	/* A large deletion has it already. */
	if (atomic_load_explicit(&r->remove_version, memory_order_relaxed) != VERSION_NEVER)
		return false;
	if (used < r->created_ms)
		used = r->created_ms;
	if (r->hard_timeout && now > modified + r->hard_timeout * 1000ll) {
		*reason = OF_FRR_HARD_TIMEOUT;
		return true;
	}
	/* What a rule that it replaced was last used for is known when that one is reaped; the next scan
	 * looks again. */
	if (r->idle_timeout && !r->awaits_counts && now > used + r->idle_timeout * 1000ll) {
		*reason = OF_FRR_IDLE_TIMEOUT;
		return true;
	}
	return false;
}

void
of_expire_scan(struct of_switch *sw)
{
	int64_t now = wf_now_ms();
	struct of_rules due = { 0 };
	enum of_flow_removed_reason reason;
	struct rule *r;

	wf_list_for_each(r, expirable_node, &sw->bridge->expirable)
		if (is_due(r, now, &reason))
			of_rules_put(&due, r);
	for (unsigned i = 0; i < due.n; i++) {
		/* The end of one may have taken others along (learned flows). */
		if (wf_list_is_empty(&due.rules[i]->expirable_node))
			continue;
		is_due(due.rules[i], now, &reason);
		of_flow_expire(sw, due.rules[i], reason);
	}
	of_rules_done(&due);
}

static void
on_timer(struct wf_timer *t)
{
	struct of_switch *sw;
	bool any = false;

	wf_list_for_each(sw, node, &of_switches)
		any |= !wf_list_is_empty(&sw->bridge->expirable);
	if (any) {
		workers_fold_stats();
		wf_list_for_each(sw, node, &of_switches)
			of_expire_scan(sw);
		of_publish();
	}
	wf_timer_set(t, 1000, on_timer, NULL);
}

void
of_expire_init(void)
{
	static struct wf_timer timer;

	wf_timer_set(&timer, 1000, on_timer, NULL);
}
