/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/reconnect.h"

static struct wf_reconnect rc;
static unsigned n_connect, n_disconnect, n_probe;

static void
on_connect(void *arg)
{
	n_connect++;
}

static void
on_disconnect(void *arg)
{
	n_disconnect++;
}

static void
on_probe(void *arg)
{
	n_probe++;
	assert_int_equal(rc.state, WF_RECONNECT_IDLE);
}

static const struct wf_reconnect_ops ops = { on_connect, on_disconnect, on_probe };

/* Lets 'ms' of the weft clock pass, in steps of a millisecond. */
static void
pass(int ms)
{
	for (int i = 0; i < ms; i++) {
		wf_clock_warp(1);
		wf_loop_turn();
	}
}

static int
setup(void **state)
{
	n_connect = n_disconnect = n_probe = 0;
	wf_reconnect_init(&rc, "tcp:192.0.2.1:6653", &ops, NULL, NULL);
	return 0;
}

static int
teardown(void **state)
{
	wf_reconnect_done(&rc);
	return 0;
}

static void
connect_now(void)
{
	wf_reconnect_enable(&rc);
	wf_loop_turn();
	assert_int_equal(rc.state, WF_RECONNECT_CONNECTING);
	wf_reconnect_connected(&rc);
	assert_true(wf_reconnect_is_connected(&rc));
}

static void
backoff_doubles_to_the_maximum(void **state)
{
	static const int waits[] = { 0, 1000, 2000, 4000, 8000, 8000, 8000 };

	wf_reconnect_set_backoff(&rc, 1000, 8000);
	pass(100);
	assert_int_equal(n_connect, 0); /* off until enabled */
	wf_reconnect_enable(&rc);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		pass(waits[i] - 1);
		assert_int_equal(n_connect, i);
		pass(2);
		assert_int_equal(n_connect, i + 1);
		assert_string_equal(wf_reconnect_state_name(&rc), "CONNECTING");
		wf_reconnect_disconnected(&rc, -ECONNREFUSED);
		assert_string_equal(wf_reconnect_state_name(&rc), "BACKOFF");
		wf_loop_turn();
	}
	assert_int_equal(rc.last_error, -ECONNREFUSED);
	assert_int_equal(rc.n_attempts, 7);
	assert_int_equal(rc.n_successes, 0);
	assert_int_equal(rc.seqno, 0);
	assert_int_equal(n_disconnect, 0);
	/* A shorter maximum cuts the wait that runs. */
	wf_reconnect_set_backoff(&rc, 1000, 1000);
	pass(1001);
	assert_int_equal(n_connect, 8);
}

static void
connection_that_lasted_resets_the_backoff(void **state)
{
	wf_reconnect_set_probe_interval(&rc, 0);
	connect_now();
	assert_int_equal(wf_reconnect_sec_since_disconnect(&rc), -1);
	pass(5000);
	wf_reconnect_activity(&rc);
	wf_reconnect_disconnected(&rc, 0);
	assert_int_equal(rc.last_error, 0);
	assert_int_equal(rc.backoff_ms, 1000);
	assert_int_equal(rc.total_connected_ms, 5000);
	assert_int_equal(rc.seqno, 2);
	pass(1001);
	assert_int_equal(n_connect, 2);
	/* One that breaks at once counts as a failure. */
	wf_reconnect_connected(&rc);
	wf_reconnect_disconnected(&rc, 0);
	assert_int_equal(rc.backoff_ms, 2000);
	assert_int_equal(wf_reconnect_sec_since_disconnect(&rc), 0);
	pass(1500);
	assert_int_equal(wf_reconnect_sec_since_connect(&rc), 1);
}

static void
attempt_times_out(void **state)
{
	wf_reconnect_enable(&rc);
	wf_loop_turn();
	pass(999);
	assert_int_equal(n_disconnect, 0);
	pass(2);
	assert_int_equal(n_disconnect, 1);
	assert_int_equal(rc.state, WF_RECONNECT_BACKOFF);
	assert_int_equal(rc.last_error, -ETIMEDOUT);
}

static void
silence_is_probed(void **state)
{
	wf_reconnect_set_probe_interval(&rc, 5000);
	connect_now();
	pass(4000);
	wf_reconnect_activity(&rc);
	pass(4999);
	assert_int_equal(n_probe, 0);
	pass(2);
	assert_int_equal(n_probe, 1);
	assert_true(wf_reconnect_is_connected(&rc));
	pass(4000);
	wf_reconnect_activity(&rc); /* the answer */
	assert_int_equal(rc.state, WF_RECONNECT_ACTIVE);
	pass(5001);
	assert_int_equal(n_probe, 2);
	pass(4998);
	assert_int_equal(n_disconnect, 0);
	pass(3);
	assert_int_equal(n_disconnect, 1);
	assert_int_equal(rc.state, WF_RECONNECT_BACKOFF);
}

static void
own_stall_is_not_blamed_on_the_peer(void **state)
{
	connect_now();
	pass(5001);
	assert_int_equal(n_probe, 1);
	/* The loop stands still for 20 s; the answer lies in the socket, unread. */
	wf_clock_warp(20000);
	wf_loop_turn();
	assert_int_equal(n_disconnect, 0);
	wf_reconnect_activity(&rc);
	pass(200);
	assert_int_equal(n_disconnect, 0);
	/* No answer: it is left after the grace. */
	pass(5000);
	wf_clock_warp(20000);
	wf_loop_turn();
	assert_int_equal(n_disconnect, 0);
	pass(101);
	assert_int_equal(n_disconnect, 1);
}

static void
force_hurry_disable(void **state)
{
	connect_now();
	wf_reconnect_force(&rc);
	assert_int_equal(n_disconnect, 1);
	assert_int_equal(rc.state, WF_RECONNECT_BACKOFF);
	wf_reconnect_hurry(&rc);
	wf_loop_turn();
	assert_int_equal(n_connect, 2);
	wf_reconnect_disable(&rc);
	assert_int_equal(rc.state, WF_RECONNECT_VOID);
	wf_reconnect_disconnected(&rc, 0); /* late news of the old connection */
	pass(20000);
	assert_int_equal(n_connect, 2);
	assert_int_equal(n_disconnect, 1);
}

static void
accepted_connection_ends_in_void(void **state)
{
	wf_reconnect_accepted(&rc);
	assert_int_equal(rc.state, WF_RECONNECT_ACTIVE);
	pass(5001);
	assert_int_equal(n_probe, 1);
	wf_reconnect_disconnected(&rc, 0);
	assert_int_equal(rc.state, WF_RECONNECT_VOID);
	pass(20000);
	assert_int_equal(n_connect, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
		T(backoff_doubles_to_the_maximum),
		T(connection_that_lasted_resets_the_backoff),
		T(attempt_times_out),
		T(silence_is_probed),
		T(own_stall_is_not_blamed_on_the_peer),
		T(force_hurry_disable),
		T(accepted_connection_ends_in_void),
#undef T
	};

	wf_loop_init();
	wf_clock_stop();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
