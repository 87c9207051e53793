// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"

/* The clock cannot be started again: the tests that need it running come first. */

static char order[64];

static void
note(struct wf_timer *t)
{
	strncat(order, t->arg, 1);
}

static void
stop(struct wf_timer *t)
{
	wf_loop_stop();
}

static void
timers_run_in_order_of_time_then_of_setting(void **state)
{
	struct wf_timer a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, end = { 0 };
	int64_t start = wf_now_ms();

	order[0] = '\0';
	wf_timer_set(&end, 40, stop, NULL);
	wf_timer_set(&c, 20, note, (char *)"c");
	wf_timer_set(&a, 0, note, (char *)"a");
	wf_timer_set(&b, 0, note, (char *)"b");
	wf_timer_set(&d, 10, note, (char *)"d");
	wf_timer_cancel(&d);
	wf_timer_cancel(&d);
	wf_loop_run();
	assert_string_equal(order, "abc");
	assert_in_range(wf_now_ms() - start, 40, 1000);
}

#define N_TIMERS 300
static struct wf_timer many[N_TIMERS];
static int64_t due[N_TIMERS]; /* 0: not set */
static int64_t last_due;

static void
fired(struct wf_timer *t)
{
	size_t i = t - many;

	assert_int_not_equal(due[i], 0);
	assert_true(wf_now_ms() >= due[i]);
	assert_true(t->due_ms >= last_due);
	last_due = t->due_ms;
	due[i] = 0;
}

static void
random_timers_equal_a_plain_array(void **state)
{
	srandom(4);
	last_due = 0;
	for (int step = 0; step < 5000; step++) {
		size_t i = random() % N_TIMERS;

		if (random() % 3 == 0) {
			wf_timer_cancel(&many[i]);
			due[i] = 0;
		} else {
			int64_t delay = random() % 20;

			due[i] = wf_now_ms() + delay;
			wf_timer_set(&many[i], delay, fired, NULL);
		}
		if (step % 500 == 0)
			last_due = 0;
	}
	for (int64_t until = wf_now_ms() + 40; wf_now_ms() < until;)
		wf_loop_turn();
	for (int i = 0; i < N_TIMERS; i++)
		assert_int_equal(due[i], 0);
}

static int n_ticks;

static void
tick(struct wf_timer *t)
{
	n_ticks++;
	wf_timer_set(t, 0, tick, NULL);
}

static int n_readable;

static void
on_readable(void *arg)
{
	char c;

	assert_int_equal(read(*(int *)arg, &c, 1), 1);
	n_readable++;
}

static void
a_timer_that_sets_itself_does_not_starve_sockets(void **state)
{
	struct wf_timer t = { 0 };
	struct wf_fd_watch *w;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	w = wf_fd_watch(fds[0], on_readable, &fds[0]);
	wf_timer_set(&t, 0, tick, NULL);
	assert_int_equal(write(fds[1], "xyz", 3), 3);
	n_ticks = n_readable = 0;
	for (int i = 0; i < 5; i++)
		wf_loop_turn();
	assert_int_equal(n_ticks, 5);
	assert_int_equal(n_readable, 3);
	wf_timer_cancel(&t);
	wf_fd_unwatch(w);
	close(fds[0]);
	close(fds[1]);
	wf_loop_turn();
}

static atomic_bool woken;

static void *
waker(void *arg)
{
	usleep(20000);
	atomic_store(&woken, true);
	wf_loop_wake();
	return NULL;
}

static int64_t
stop_when_woken(struct wf_idle *i)
{
	if (atomic_load(&woken))
		wf_loop_stop();
	return -1;
}

static void
another_thread_wakes_the_loop(void **state)
{
	struct wf_idle idle = { .fn = stop_when_woken };
	pthread_t thread;

	wf_idle_add(&idle);
	pthread_create(&thread, NULL, waker, NULL);
	wf_loop_run(); /* hangs if the wake is lost */
	pthread_join(thread, NULL);
	wf_idle_del(&idle);
}

static int n_idle_calls;

static int64_t
want_call(struct wf_idle *i)
{
	if (++n_idle_calls == 5)
		wf_loop_stop();
	return 2;
}

static int64_t
delete_itself(struct wf_idle *i)
{
	wf_idle_del(i);
	return -1;
}

/* Also on a stopped clock: the last test runs it again. */
static void
an_idle_is_called_again_in_time(void **state)
{
	struct wf_idle gone = { .fn = delete_itself }, idle = { .fn = want_call };

	n_idle_calls = 0;
	wf_idle_add(&gone);
	wf_idle_add(&idle);
	wf_loop_run();
	assert_int_equal(n_idle_calls, 5);
	wf_idle_del(&idle);
}

static int n_second;
static int64_t start_ms;
static bool warp_done;

static void
every_second(struct wf_timer *t)
{
	n_second++;
	/* Each step is seen: the timer is never late by more than one. */
	assert_in_range(wf_now_ms() - t->due_ms, 0, 999);
	wf_timer_set(t, 1000, every_second, NULL);
}

static void
on_warped(void *arg)
{
	warp_done = true;
	wf_loop_stop();
}

static void
a_stopped_clock_moves_by_warps_only(void **state)
{
	struct wf_timer t = { 0 };
	struct wf_fd_watch *w;
	int fds[2];

	wf_clock_stop();
	start_ms = wf_now_ms();
	usleep(20000);
	assert_int_equal(wf_now_ms(), start_ms);

	/* Sockets are served though no timer runs. */
	assert_int_equal(pipe(fds), 0);
	w = wf_fd_watch(fds[0], on_readable, &fds[0]);
	wf_timer_set(&t, 1000, every_second, NULL);
	assert_int_equal(write(fds[1], "x", 1), 1);
	n_readable = 0;
	for (int i = 0; i < 3; i++)
		wf_loop_turn();
	assert_int_equal(n_readable, 1);
	assert_int_equal(n_second, 0);
	wf_fd_unwatch(w);
	close(fds[0]);
	close(fds[1]);

	int64_t wall = wf_wall_ms();
	wf_loop_warp(10500, 500, on_warped, NULL);
	assert_true(wf_loop_is_warping());
	wf_loop_run();
	assert_true(warp_done);
	assert_false(wf_loop_is_warping());
	assert_int_equal(wf_now_ms() - start_ms, 10500);
	assert_int_equal(n_second, 10);
	assert_in_range(wf_wall_ms() - wall, 10500, 15000);
	wf_timer_cancel(&t);

	an_idle_is_called_again_in_time(state);
}

static void
warps_queue_up(void **state)
{
	int64_t start = wf_now_ms();

	wf_loop_warp(100, 30, on_warped, NULL);
	wf_loop_warp(50, 50, on_warped, NULL);
	wf_loop_run();
	assert_in_range(wf_now_ms() - start, 100, 150);
	wf_loop_run();
	assert_int_equal(wf_now_ms() - start, 150);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_run_in_order_of_time_then_of_setting),
		cmocka_unit_test(random_timers_equal_a_plain_array),
		cmocka_unit_test(a_timer_that_sets_itself_does_not_starve_sockets),
		cmocka_unit_test(another_thread_wakes_the_loop),
		cmocka_unit_test(an_idle_is_called_again_in_time),
		cmocka_unit_test(a_stopped_clock_moves_by_warps_only),
		cmocka_unit_test(warps_queue_up),
	};
	int rc;

	alarm(30);
	wf_loop_init();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	wf_loop_done();
	return rc;
}
