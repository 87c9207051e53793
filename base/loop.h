/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread's event loop: libuv with timers that follow base/clock.h.
 *
 * Threads: everything here runs on the main thread, except wf_loop_wake().
 * Callbacks must not block.  Sockets use libuv directly through wf_loop_uv(), or
 * base/stream.h for byte streams.
 */
#ifndef WEFT_BASE_LOOP_H
#define WEFT_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* After wf_daemon_start(): an epoll descriptor does not survive a fork.  A second call
 * does nothing. */
void wf_loop_init(void);
uv_loop_t *wf_loop_uv(void);
/* Frees what is left, for leak checkers; streams must be closed before. */
void wf_loop_done(void);
/* Runs until wf_loop_stop(). */
void wf_loop_run(void);
void wf_loop_stop(void);
/* Runs one turn without sleeping (for start-up and tests). */
void wf_loop_turn(void);

/* A timer on the weft clock.  Embed it; zero-initialise; set; cancel before freeing. */
struct wf_timer {
	int64_t due_ms;
	void (*fn)(struct wf_timer *);
	void *arg;
	uint64_t seq;        /* order among timers due at the same time: first set, first run */
	uint32_t heap_index; /* 0: not set */
};
void wf_timer_set(struct wf_timer *, int64_t delay_ms, void (*fn)(struct wf_timer *), void *arg);
void wf_timer_cancel(struct wf_timer *);

/* A function called once in every turn of the loop, before it sleeps (queues).  It
 * returns the number of ms (of real time, even when the clock is stopped) after which it
 * wants to be called again at the latest, or -1.  The loop calls wf_rcu_run() itself. */
struct wf_idle {
	struct wf_idle *next;
	int64_t (*fn)(struct wf_idle *);
	void *arg;
};
void wf_idle_add(struct wf_idle *);
void wf_idle_del(struct wf_idle *);

/* Any thread, async-signal-safe: makes the loop take a turn now. */
void wf_loop_wake(void);

/* Calls fn(arg) when 'fd' is readable (main thread).  Returns a handle. */
struct wf_fd_watch *wf_fd_watch(int fd, void (*fn)(void *), void *arg);
void wf_fd_unwatch(struct wf_fd_watch *);

/* SIGTERM, SIGINT, ... -> fn(signum) on the main thread. */
void wf_loop_on_signal(int signum, void (*fn)(int));

/* "time/stop", "time/warp [LARGE] MS" for unixctl; warping runs the loop in steps
 * as OVS does: advance, run what is due, until 'total_ms' has passed.  Between two steps
 * and before 'done' the loop takes full turns for some real milliseconds, so that
 * sockets and other threads see each step.  A warp that is asked for while another one
 * is under way starts when that has ended. */
void wf_loop_warp(int64_t total_ms, int64_t step_ms, void (*done)(void *), void *arg);
bool wf_loop_is_warping(void);
/* Registers "time/stop" and "time/warp" (for --enable-dummy). */
void wf_clock_unixctl_init(void);

#endif
