// SPDX-License-Identifier: Apache-2.0
/* All of our work in a turn is done in a uv_prepare callback, which libuv calls just
 * before it polls: timers that are due, then the idles, then the time to sleep is
 * computed and put into one uv_timer, which does nothing but end the sleep. */
#include "base/loop.h"

#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop_internal.h"
#include "base/rcu.h"

WF_LOG_MODULE(timeval); /* the name under which Open vSwitch warns of slow turns */

/* A turn that works longer is worth a warning: protocols with timers suffer. */
#define LONG_TURN_MS 1000
/* Real ms between two steps of a warp: other threads get the processor. */
#define WARP_PAUSE_MS 2
/* While a grace period is awaited. */
#define RCU_POLL_MS 1

struct warp {
	struct warp *next;
	int64_t left_ms, step_ms;
	void (*done)(void *);
	void *arg;
};

struct wf_fd_watch {
	uv_poll_t poll;
	void (*fn)(void *);
	void *arg;
};

struct signal_watch {
	struct signal_watch *next;
	uv_signal_t handle;
	void (*fn)(int);
};

void (*wf_loop_flush)(void);

static uv_loop_t uv;
static atomic_bool ready;
static bool in_loop_run; /* a turn of wf_loop_run() has begun */
static uv_prepare_t prepare;
static uv_timer_t sleep_end;
static uv_async_t waker;

/* Binary heap from index 1. */
static struct wf_timer **heap;
static uint32_t n_timers, heap_allocated;
static uint64_t timer_seq;

static struct wf_idle *idles;
static struct wf_idle *next_idle; /* of the walk under way */

static struct warp *warps; /* the first is under way */
static uint64_t warp_resume_us; /* real time */

static struct signal_watch *signals;

static bool
before(const struct wf_timer *a, const struct wf_timer *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

static void
place(struct wf_timer *t, uint32_t i)
{
	heap[i] = t;
	t->heap_index = i;
}

static void
sift_up(struct wf_timer *t, uint32_t i)
{
	for (; i > 1 && before(t, heap[i / 2]); i /= 2)
		place(heap[i / 2], i);
	place(t, i);
}

static void
sift_down(struct wf_timer *t, uint32_t i)
{
	for (;;) {
		uint32_t child = i * 2;

		if (child > n_timers)
			break;
		if (child < n_timers && before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], t))
			break;
		place(heap[child], i);
		i = child;
	}
	place(t, i);
}

void
wf_timer_cancel(struct wf_timer *t)
{
	uint32_t i = t->heap_index;

	if (!i)
		return;
	assert(heap[i] == t);
	t->heap_index = 0;

	struct wf_timer *last = heap[n_timers--];
	if (last == t)
		return;
	if (i > 1 && before(last, heap[i / 2]))
		sift_up(last, i);
	else
		sift_down(last, i);
}

void
wf_timer_set(struct wf_timer *t, int64_t delay_ms, void (*fn)(struct wf_timer *), void *arg)
{
	wf_timer_cancel(t);
	t->due_ms = wf_now_ms() + (delay_ms > 0 ? delay_ms : 0);
	t->fn = fn;
	t->arg = arg;
	t->seq = ++timer_seq;
	if (n_timers + 1 >= heap_allocated) {
		heap_allocated = heap_allocated ? heap_allocated * 2 : 64;
		heap = wf_xrealloc(heap, heap_allocated * sizeof(*heap));
	}
	sift_up(t, ++n_timers);
}

/* Runs what was due when the call began.  A timer that is set meanwhile waits for the
 * next turn even if it is due, so that sockets are never starved. */
static void
run_timers(void)
{
	uint64_t last_seq = timer_seq;
	int64_t now = wf_now_ms();

	while (n_timers && heap[1]->due_ms <= now && heap[1]->seq <= last_seq) {
		struct wf_timer *t = heap[1];

		wf_timer_cancel(t);
		t->fn(t);
	}
}

void
wf_idle_add(struct wf_idle *idle)
{
	struct wf_idle **p = &idles;

	while (*p)
		p = &(*p)->next;
	idle->next = NULL;
	*p = idle;
}

void
wf_idle_del(struct wf_idle *idle)
{
	for (struct wf_idle **p = &idles; *p; p = &(*p)->next) {
		if (*p == idle) {
			*p = idle->next;
			if (next_idle == idle)
				next_idle = idle->next;
			idle->next = NULL;
			return;
		}
	}
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

/* Returns the ms to sleep at most, or -1. */
static int64_t
run_idles(void)
{
	int64_t wait = -1;

	for (struct wf_idle *i = idles; i; i = next_idle) {
		next_idle = i->next;
		wait = sooner(wait, i->fn(i));
	}
	next_idle = NULL;
	return wait;
}

static void
warp_step(void)
{
	struct warp *w = warps;
	int64_t ms = w->left_ms < w->step_ms ? w->left_ms : w->step_ms;

	wf_clock_warp(ms);
	w->left_ms -= ms;
	warp_resume_us = uv_hrtime() / 1000 + WARP_PAUSE_MS * 1000;
}

/* Returns the real ms until the next step is due, or -1. */
static int64_t
run_warp(void)
{
	struct warp *w = warps;

	if (!w)
		return -1;
	if (uv_hrtime() / 1000 < warp_resume_us)
		return 1;
	if (w->left_ms > 0) {
		warp_step();
		return 0;
	}
	warps = w->next;
	if (warps)
		warp_step();
	w->done(w->arg);
	free(w);
	return warps ? 0 : -1;
}

bool
wf_loop_is_warping(void)
{
	return warps != NULL;
}

void
wf_loop_warp(int64_t total_ms, int64_t step_ms, void (*done)(void *), void *arg)
{
	struct warp *w = wf_xzalloc(sizeof(*w));
	struct warp **p = &warps;

	*w = (struct warp){
		.left_ms = total_ms,
		.step_ms = step_ms > 0 ? step_ms : total_ms,
		.done = done,
		.arg = arg,
	};
	while (*p)
		p = &(*p)->next;
	*p = w;
	if (w == warps)
		warp_step();
	wf_loop_wake();
}

static int64_t
timer_wait(void)
{
	if (!n_timers)
		return -1;

	int64_t wait = heap[1]->due_ms - wf_now_ms();
	if (wait <= 0)
		return 0;
	return wf_clock_is_stopped() ? -1 : wait; /* only a warp brings it nearer */
}

static void
no_op(uv_timer_t *t)
{
}

static int64_t
ms_between(const struct timeval *a, const struct timeval *b)
{
	return (b->tv_sec - a->tv_sec) * INT64_C(1000) + (b->tv_usec - a->tv_usec) / 1000;
}

/* How old what is known of the processor's time may be: asking for it is a system call, and there are turns
 * of some microseconds. */
#define USAGE_AGE_MS 100

/* Called at the end of the work of a turn: says so if it took long. */
static void
watch_turn(void)
{
	static uint64_t last_ns, last_idle_ns, usage_ns;
	static struct rusage last_usage;
	uint64_t now_ns = uv_hrtime();
	uint64_t idle_ns = uv_metrics_idle_time(&uv);
	uint64_t busy_ms = (now_ns - last_ns - (idle_ns - last_idle_ns)) / 1000000;
	struct rusage usage;

	if (usage_ns && busy_ms < LONG_TURN_MS && now_ns - usage_ns < USAGE_AGE_MS * 1000000ull)
		goto out;
	getrusage(RUSAGE_THREAD, &usage);
	if (last_ns && busy_ms >= LONG_TURN_MS && in_loop_run)
		wf_warn("Unreasonably long %lldms poll interval (%lldms user, %lldms system)",
			(long long)busy_ms,
			(long long)ms_between(&last_usage.ru_utime, &usage.ru_utime),
			(long long)ms_between(&last_usage.ru_stime, &usage.ru_stime));
	last_usage = usage;
	usage_ns = now_ns;
out:
	in_loop_run = true;
	last_ns = now_ns;
	last_idle_ns = idle_ns;
}

static void
on_prepare(uv_prepare_t *p)
{
	int64_t wait;

	run_timers();
	wait = run_warp();
	wf_rcu_run();
	wait = sooner(wait, run_idles());
	if (wf_loop_flush)
		wf_loop_flush();
	if (wf_rcu_is_waiting())
		wait = sooner(wait, RCU_POLL_MS);
	wait = sooner(wait, timer_wait());
	watch_turn();
	if (wait < 0) {
		uv_timer_stop(&sleep_end);
		return;
	}
	uv_update_time(&uv);
	uv_timer_start(&sleep_end, no_op, wait, 0);
}

static void
on_wake(uv_async_t *a)
{
}

void
wf_loop_init(void)
{
	if (ready)
		return;
	signal(SIGPIPE, SIG_IGN); /* a peer that goes away is an errno */
	uv_loop_init(&uv);
	uv_loop_configure(&uv, UV_METRICS_IDLE_TIME);
	uv_prepare_init(&uv, &prepare);
	uv_prepare_start(&prepare, on_prepare);
	uv_timer_init(&uv, &sleep_end);
	uv_async_init(&uv, &waker, on_wake);
	ready = true;
}

static void
close_any(uv_handle_t *h, void *arg)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

void
wf_loop_done(void)
{
	if (!ready)
		return;
	ready = false;
	uv_prepare_stop(&prepare);
	uv_run(&uv, UV_RUN_NOWAIT); /* handles that are being closed end here */
	uv_walk(&uv, close_any, NULL);
	uv_run(&uv, UV_RUN_DEFAULT);
	uv_loop_close(&uv);
	for (struct signal_watch *next; signals; signals = next) {
		next = signals->next;
		free(signals);
	}
	for (struct warp *next; warps; warps = next) {
		next = warps->next;
		free(warps);
	}
	free(heap);
	heap = NULL;
	n_timers = heap_allocated = 0;
	idles = NULL;
}

uv_loop_t *
wf_loop_uv(void)
{
	return &uv;
}

void
wf_loop_run(void)
{
	/* What was done between two runs was no turn. */
	in_loop_run = false;
	uv_run(&uv, UV_RUN_DEFAULT);
}

void
wf_loop_stop(void)
{
	uv_stop(&uv);
	wf_loop_wake();
}

void
wf_loop_turn(void)
{
	uv_run(&uv, UV_RUN_NOWAIT);
}

void
wf_loop_wake(void)
{
	if (ready)
		uv_async_send(&waker);
}

static void
on_readable(uv_poll_t *p, int status, int events)
{
	struct wf_fd_watch *w = wf_container(p, struct wf_fd_watch, poll);

	/* Errors show when the owner reads. */
	w->fn(w->arg);
}

struct wf_fd_watch *
wf_fd_watch(int fd, void (*fn)(void *), void *arg)
{
	struct wf_fd_watch *w = wf_xzalloc(sizeof(*w));

	w->fn = fn;
	w->arg = arg;
	if (uv_poll_init(&uv, &w->poll, fd)) {
		/* epoll refuses regular files only. */
		free(w);
		return NULL;
	}
	uv_poll_start(&w->poll, UV_READABLE, on_readable);
	return w;
}

static void
free_watch(uv_handle_t *h)
{
	free(wf_container((uv_poll_t *)h, struct wf_fd_watch, poll));
}

void
wf_fd_unwatch(struct wf_fd_watch *w)
{
	if (!w)
		return;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, free_watch);
}

static void
on_signal(uv_signal_t *h, int signum)
{
	wf_container(h, struct signal_watch, handle)->fn(signum);
}

void
wf_loop_on_signal(int signum, void (*fn)(int))
{
	struct signal_watch *s = wf_xzalloc(sizeof(*s));

	s->fn = fn;
	s->next = signals;
	signals = s;
	uv_signal_init(&uv, &s->handle);
	uv_signal_start(&s->handle, on_signal, signum);
}
