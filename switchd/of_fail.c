/* SPDX-License-Identifier: Apache-2.0 */
/* What the switch does without a controller.
 *
 * Standalone: without configured controllers it has one flow, NORMAL; with controllers of which
 * none has been connected for three probe intervals it acts as a learning switch until one comes
 * back, by a hidden flow that is above all others.  Secure: neither. */
#include "switchd/of_internal.h"

#include <stdlib.h>

#include "base/log.h"

WF_LOG_MODULE(fail_open);

/* Above all that a controller can give, so that no flow of its own ties with it. */
#define FAIL_OPEN_PRIORITY 0xf0f0f0u

static struct rule *
add_normal(struct of_switch *sw, uint32_t priority, bool hidden)
{
	struct of_match_full *any = wf_xzalloc(sizeof(*any));
	struct of_act_output normal = {
		.a = { .type = OF_A_OUTPUT, .size = sizeof(normal), .u32 = OF_PORT_NORMAL },
	};
	struct rule *r;

	of_match_init_any(any);
	of_match_set_default_packet_type(any);
	r = of_flow_add_internal(sw, 0, any, priority, &normal, sizeof(normal), hidden);
	free(any);
	return r;
}

void
of_fail_flushed(struct of_switch *sw)
{
	if (!sw->n_controllers && sw->fail_mode == OF_FAIL_STANDALONE)
		add_normal(sw, 0, false);
}

static void
leave(struct of_switch *sw)
{
	if (!sw->fail_open_rule)
		return;
	of_flow_del_internal(sw, sw->fail_open_rule);
	sw->fail_open_rule = NULL;
	of_publish();
}

void
of_fail_update(struct of_switch *sw)
{
	if (!sw->n_controllers || sw->fail_mode != OF_FAIL_STANDALONE) {
		leave(sw);
		sw->all_down_since_ms = 0;
	}
}

void
of_fail_run(struct of_switch *sw)
{
	int64_t now = wf_now_ms(), probe_ms = 0;
	struct of_conn *c;

	if (!sw->n_controllers || sw->fail_mode != OF_FAIL_STANDALONE)
		return;
	wf_list_for_each(c, node, &sw->conns) {
		int64_t p = c->rc.probe_interval_ms;

		if (!c->is_controller)
			continue;
		if (of_conn_is_up(c)) {
			if (sw->fail_open_rule)
				wf_warn("No longer in fail-open mode");
			leave(sw);
			sw->all_down_since_ms = 0;
			return;
		}
		if (p && (!probe_ms || p < probe_ms))
			probe_ms = p;
	}
	if (!sw->all_down_since_ms)
		sw->all_down_since_ms = now ? now : 1;
	if (sw->fail_open_rule || !probe_ms || now - sw->all_down_since_ms < 3 * probe_ms)
		return;
	wf_warn("Could not connect to controller (or switch failed controller's post-connection "
		"admission control policy) for %lld seconds, failing open",
		(long long)((now - sw->all_down_since_ms) / 1000));
	sw->fail_open_rule = add_normal(sw, FAIL_OPEN_PRIORITY, true);
	of_publish();
}
