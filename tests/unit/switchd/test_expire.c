/* SPDX-License-Identifier: Apache-2.0 */
/* Idle timeouts of flows that are replaced while packets use them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "dataplane/worker.h"
#include "switchd/of_internal.h"

#define IDLE_S 2

static struct of_switch *sw;

static void
flow_mod(enum of_flow_command command, uint64_t cookie)
{
	struct of_flow_mod fm = {
		.command = command, .table = 1, .priority = 9, .new_cookie = cookie,
		.modify_cookie = true, .idle_timeout = IDLE_S, .buffer_id = OF_NO_BUFFER,
		.out_port = OF_PORT_ANY, .out_group = OF_GROUP_ANY,
	};
	struct of_txn txn = { 0 };
	struct of_flow_edit e;

	assert_int_equal(of_flow_edit_init(sw, &fm, &e), 0);
	assert_int_equal(of_flow_edit_apply(sw, &e, &txn), 0);
	of_txn_commit(sw, &txn, NULL);
	of_flow_edit_done(&e);
	of_txn_done(&txn);
}

static struct rule *
flow(void)
{
	struct of_match_full any = { 0 };
	struct of_match *match = of_match_pack(&any);
	struct rule *r = table_find(&sw->bridge->tables[1], match, 9, view_next_version());

	free(match);
	return r;
}

/* A worker's plan has credited a packet of now to the rule, and that was folded in. */
static void
packet_for(struct rule *r)
{
	atomic_store(&r->counter.used_ms, wf_now_ms());
}

static void
idle_flow_goes(void **state)
{
	flow_mod(OF_FC_ADD, 1);
	of_publish();
	wf_clock_warp(IDLE_S * 1000);
	of_expire_scan(sw);
	assert_non_null(flow());
	wf_clock_warp(1);
	of_expire_scan(sw);
	assert_null(flow());
	of_publish();
	wf_rcu_drain();
}

static void
replaced_flow_keeps_the_uses_of_the_one_before(void **state)
{
	struct rule *before;

	flow_mod(OF_FC_ADD, 1);
	of_publish();
	before = flow();
	rule_ref(before);
	wf_clock_warp(IDLE_S * 1000 + 500);
	/* As learning does, with another cookie; workers go on with the plans that they have. */
	flow_mod(OF_FC_MODIFY_STRICT, 2);
	assert_true(flow() != before);
	packet_for(before);
	of_expire_scan(sw);
	assert_non_null(flow());
	of_publish();
	wf_rcu_drain();
	of_expire_scan(sw);
	assert_non_null(flow());
	/* From then on it is a flow like others. */
	wf_clock_warp(IDLE_S * 1000 + 1);
	of_expire_scan(sw);
	assert_null(flow());
	of_publish();
	wf_rcu_drain();
	rule_unref(before);
}

static void
flow_replaced_twice_at_once_expires(void **state)
{
	flow_mod(OF_FC_ADD, 1);
	of_publish();
	flow_mod(OF_FC_MODIFY_STRICT, 2);
	flow_mod(OF_FC_MODIFY_STRICT, 3);
	of_publish();
	wf_rcu_drain();
	wf_clock_warp(IDLE_S * 1000 + 1);
	of_expire_scan(sw);
	assert_null(flow());
	of_publish();
	wf_rcu_drain();
}

int
main(int argc, char *argv[])
{
	static const struct of_switch_ops ops = { 0 };
	struct of_switch_config config = { .datapath_id = 1, .fail_mode = OF_FAIL_SECURE };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_flow_goes),
		cmocka_unit_test(replaced_flow_keeps_the_uses_of_the_one_before),
		cmocka_unit_test(flow_replaced_twice_at_once_expires),
	};
	char dir[] = "/tmp/weft-expire.XXXXXX";
	struct wf_err err;
	int rc;

	if (!mkdtemp(dir) || setenv("OVS_RUNDIR", dir, 1))
		return 1;
	wf_daemon_init(argc, argv);
	wf_loop_init();
	wf_rcu_register("main");
	wf_clock_stop();
	view_init();
	workers_init();
	of_init();
	sw = of_switch_new(view_bridge_add("br0"), &ops, NULL, &err);
	if (!sw)
		return 1;
	of_switch_configure(sw, &config);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	of_switch_free(sw);
	workers_exit();
	rmdir(dir);
	return rc;
}
