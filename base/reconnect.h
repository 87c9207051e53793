/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps a connection up: a state machine of back-off, time-outs and inactivity probes.
 *
 *        enable()                connect()           connected()
 *   VOID --------> BACKOFF ---------------> CONNECTING --------> ACTIVE <---------+
 *     ^               ^    timer: 'backoff'    |                  |  timer: probe |
 *     | disable()     |                        | failed(),        |  interval     | activity()
 *     +- anywhere     +------------------------+ time-out         v               |
 *                     |                                          IDLE ------------+
 *                     +-------------------------------------------+  disconnected(), or the
 *                                                                    probe was not answered
 *
 * It owns no socket: the user opens and closes, reports what happened, and is called
 * back when it is time to act.  The back-off doubles from 'min' to 'max' and falls back
 * to 'min' once a connection has lasted longer than the back-off that preceded it.
 *
 * Log texts are those of Open vSwitch ("NAME: connecting...", "NAME: connected", "NAME:
 * connection closed by peer", "NAME: waiting 2 seconds before reconnect").  A peer that
 * closes in order is INFO; a connection that breaks (reset, time-out) is WARN; a peer that
 * does not answer a probe is ERR.
 *
 * Threads: main.  Memory: embedded; wf_reconnect_done() frees what it holds.  A callback
 * may call any function here on the same object, wf_reconnect_done() included.
 */
#ifndef WEFT_BASE_RECONNECT_H
#define WEFT_BASE_RECONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/loop.h"

enum wf_reconnect_state {
	WF_RECONNECT_VOID,       /* switched off */
	WF_RECONNECT_BACKOFF,    /* waits before the next attempt */
	WF_RECONNECT_CONNECTING, /* an attempt is under way */
	WF_RECONNECT_ACTIVE,     /* connected */
	WF_RECONNECT_IDLE,       /* connected; a probe waits for its answer */
};

struct wf_reconnect_ops {
	/* Start an attempt; report with _connected() or _disconnected(), now or later. */
	void (*connect)(void *arg);
	/* Close the connection or the attempt: it timed out, a probe was not answered, or
	 * _force() was called.  The machine has left that state already, so that nothing
	 * has to be reported.  Not called after _disconnected() or _disable(). */
	void (*disconnect)(void *arg);
	/* Send something that the peer must answer.  Called in state IDLE. */
	void (*probe)(void *arg);
};

struct wf_reconnect {
	/* Configuration. */
	char *name;
	const struct wf_reconnect_ops *ops;
	void *arg;
	struct wf_log_module *log;
	int min_backoff_ms, max_backoff_ms;
	int probe_interval_ms; /* 0: no probes */
	bool quiet;            /* INFO messages become DBG */
	bool once;             /* an accepted connection: after its end VOID, not BACKOFF */
	bool openflow_texts;   /* "connection failed", where OVSDB's logs have "connection
				* attempt failed": the user sets it after _init() */

	/* State; users read it through the functions below. */
	enum wf_reconnect_state state;
	struct wf_timer timer;
	int backoff_ms;
	bool grace_given; /* a stalled loop was allowed for since the last activity */
	int last_error;   /* negative errno of the last failure, 0: none, or closed in order */
	int64_t state_entered_ms, last_activity_ms;
	int64_t last_connected_ms, last_disconnected_ms; /* INT64_MIN: never */
	int64_t total_connected_ms;
	unsigned n_attempts, n_successes;
	unsigned seqno; /* goes up whenever connected turns into not connected or back */
};

/* Starts in VOID with back-off 1 s to 8 s and a probe interval of 5 s.  'log' is the
 * module that messages go to (&wf_this_module of the caller), NULL: "reconnect". */
void wf_reconnect_init(struct wf_reconnect *, const char *name, const struct wf_reconnect_ops *,
		       void *arg, struct wf_log_module *log);
void wf_reconnect_done(struct wf_reconnect *);

void wf_reconnect_set_name(struct wf_reconnect *, const char *name);
/* Each at least 1000; 0 means the default.  A longer running back-off is cut to 'max_ms'. */
void wf_reconnect_set_backoff(struct wf_reconnect *, int min_ms, int max_ms);
/* 0 switches probes off, other values are at least 1000. */
void wf_reconnect_set_probe_interval(struct wf_reconnect *, int ms);
void wf_reconnect_set_quiet(struct wf_reconnect *, bool quiet);

/* VOID -> BACKOFF of 0 ms: connect() is called in the next turn of the loop.  In any other
 * state nothing happens. */
void wf_reconnect_enable(struct wf_reconnect *);
/* Any state -> VOID.  The user closes its connection itself. */
void wf_reconnect_disable(struct wf_reconnect *);
/* Drops what there is (disconnect() is called) and attempts again after the back-off. */
void wf_reconnect_force(struct wf_reconnect *);
/* BACKOFF: attempt now and forget the back-off.  Other states: nothing. */
void wf_reconnect_hurry(struct wf_reconnect *);
/* An accepted connection: any state -> ACTIVE, and VOID when it ends. */
void wf_reconnect_accepted(struct wf_reconnect *);

/* What the user reports.  'why' as wf_stream_ops.closed() has it: a negative errno, 0 for
 * an orderly end by the peer (then in CONNECTING: "attempt failed"). */
void wf_reconnect_connected(struct wf_reconnect *);
void wf_reconnect_disconnected(struct wf_reconnect *, int why);
/* Bytes came from the peer. */
void wf_reconnect_activity(struct wf_reconnect *);

static inline bool
wf_reconnect_is_connected(const struct wf_reconnect *rc)
{
	return rc->state == WF_RECONNECT_ACTIVE || rc->state == WF_RECONNECT_IDLE;
}

/* "VOID", "BACKOFF", "CONNECTING", "ACTIVE", "IDLE", as Controller.status:state has it. */
const char *wf_reconnect_state_name(const struct wf_reconnect *);
/* Seconds since the last change into, and out of, connected; -1: never. */
int64_t wf_reconnect_sec_since_connect(const struct wf_reconnect *);
int64_t wf_reconnect_sec_since_disconnect(const struct wf_reconnect *);

#endif
