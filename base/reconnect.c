/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reconnect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

WF_LOG_MODULE(reconnect);

#define DEFAULT_MIN_BACKOFF_MS 1000
#define DEFAULT_MAX_BACKOFF_MS 8000
#define DEFAULT_PROBE_MS       5000
/* An attempt gets the length of the back-off to succeed, but at least this long. */
#define MIN_ATTEMPT_MS 1000
/* A timer that fires later than this was held up by our own loop, which then has not read
 * what the peer sent either; the peer gets GRACE_MS more.  Larger: a stalled loop blames the
 * peer; smaller: a dead peer costs one more GRACE_MS on a busy host. */
#define STALL_MS 500
#define GRACE_MS 100

static void on_timer(struct wf_timer *);

static int64_t
max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

const char *
wf_reconnect_state_name(const struct wf_reconnect *rc)
{
	static const char *const names[] = {
		[WF_RECONNECT_VOID] = "VOID",     [WF_RECONNECT_BACKOFF] = "BACKOFF",
		[WF_RECONNECT_CONNECTING] = "CONNECTING",
		[WF_RECONNECT_ACTIVE] = "ACTIVE", [WF_RECONNECT_IDLE] = "IDLE",
	};
	return names[rc->state];
}

/* The level of messages about the ordinary life of a connection. */
static enum wf_log_level
info(const struct wf_reconnect *rc)
{
	return rc->quiet ? WF_DBG : WF_INFO;
}

/* At the longest back-off a failing peer has been reported often enough. */
static bool
is_silent(const struct wf_reconnect *rc)
{
	return rc->backoff_ms >= rc->max_backoff_ms;
}

#define say(RC, LEVEL, ...)                                                                    \
	do {                                                                                   \
		if ((LEVEL) <= (RC)->log->min_level)                                           \
			wf_log((RC)->log, LEVEL, __VA_ARGS__);                                 \
	} while (0)

/* When the timer of the present state is due; INT64_MAX: never. */
static int64_t
deadline(const struct wf_reconnect *rc)
{
	switch (rc->state) {
	case WF_RECONNECT_VOID:
		break;
	case WF_RECONNECT_BACKOFF:
		return rc->state_entered_ms + rc->backoff_ms;
	case WF_RECONNECT_CONNECTING:
		return rc->state_entered_ms + max64(MIN_ATTEMPT_MS, rc->backoff_ms);
	case WF_RECONNECT_ACTIVE:
		if (rc->probe_interval_ms)
			return max64(rc->last_activity_ms, rc->state_entered_ms) +
			       rc->probe_interval_ms;
		break;
	case WF_RECONNECT_IDLE:
		if (rc->probe_interval_ms)
			return rc->state_entered_ms + rc->probe_interval_ms;
		break;
	}
	return INT64_MAX;
}

static void
arm(struct wf_reconnect *rc)
{
	int64_t due = deadline(rc);

	if (due == INT64_MAX)
		wf_timer_cancel(&rc->timer);
	else
		wf_timer_set(&rc->timer, max64(0, due - wf_now_ms()), on_timer, rc);
}

static void
enter(struct wf_reconnect *rc, enum wf_reconnect_state state)
{
	int64_t now = wf_now_ms();
	bool was_connected = wf_reconnect_is_connected(rc);

	if (rc->state == WF_RECONNECT_CONNECTING) {
		rc->n_attempts++;
		if (state == WF_RECONNECT_ACTIVE)
			rc->n_successes++;
	}
	rc->state = state;
	rc->state_entered_ms = now;
	if (was_connected != wf_reconnect_is_connected(rc)) {
		rc->seqno++;
		if (was_connected) {
			rc->total_connected_ms += now - rc->last_connected_ms;
			rc->last_disconnected_ms = now;
		} else {
			rc->last_connected_ms = now;
		}
	}
	say(rc, WF_DBG, "%s: entering %s", rc->name, wf_reconnect_state_name(rc));
	arm(rc);
}

/* What ended a connection or an attempt, for the log. */
enum end { END_REPORTED, END_OURS, END_TIMEOUT };

static void
say_end(const struct wf_reconnect *rc, enum end end, int why)
{
	if (wf_reconnect_is_connected(rc)) {
		if (end != END_REPORTED)
			say(rc, info(rc), "%s: connection dropped", rc->name);
		else if (why)
			say(rc, WF_WARN, "%s: connection dropped (%s)", rc->name,
			    wf_strerror(why));
		else
			say(rc, info(rc), "%s: connection closed by peer", rc->name);
	} else if (!is_silent(rc)) {
		const char *what = rc->openflow_texts ? "connection" : "connection attempt";

		if (end == END_REPORTED && why)
			say(rc, info(rc), "%s: %s failed (%s)", rc->name, what, wf_strerror(why));
		else if (end == END_TIMEOUT)
			say(rc, info(rc), "%s: %s timed out", rc->name, what);
		else
			say(rc, info(rc), "%s: %s failed", rc->name, what);
	}
}

/* The back-off that follows a connection or an attempt that just ended. */
static void
next_backoff(struct wf_reconnect *rc)
{
	int64_t lasted = rc->last_activity_ms - rc->last_connected_ms;

	if (wf_reconnect_is_connected(rc) && lasted >= rc->backoff_ms) {
		rc->backoff_ms = rc->min_backoff_ms;
	} else if (rc->backoff_ms < rc->min_backoff_ms) {
		rc->backoff_ms = rc->min_backoff_ms;
	} else if (rc->backoff_ms < rc->max_backoff_ms / 2) {
		rc->backoff_ms *= 2;
		say(rc, info(rc), "%s: waiting %.3g seconds before reconnect", rc->name,
		    rc->backoff_ms / 1000.0);
	} else {
		if (!is_silent(rc))
			say(rc, info(rc),
			    "%s: continuing to %s in the background but suppressing further "
			    "logging",
			    rc->name, rc->openflow_texts ? "retry connections" : "reconnect");
		rc->backoff_ms = rc->max_backoff_ms;
	}
}

static void
ended(struct wf_reconnect *rc, enum end end, int why)
{
	say_end(rc, end, why);
	if (end == END_TIMEOUT)
		rc->last_error = -ETIMEDOUT;
	else if (end == END_REPORTED)
		rc->last_error = why;
	if (rc->once) {
		enter(rc, WF_RECONNECT_VOID);
	} else {
		next_backoff(rc);
		enter(rc, WF_RECONNECT_BACKOFF);
	}
}

static void
on_timer(struct wf_timer *timer)
{
	struct wf_reconnect *rc = timer->arg;
	int64_t now = wf_now_ms();
	int64_t due = deadline(rc);

	/* Activity moves the deadline of ACTIVE without touching the timer. */
	if (now < due) {
		arm(rc);
		return;
	}
	switch (rc->state) {
	case WF_RECONNECT_VOID:
		return;

	case WF_RECONNECT_BACKOFF:
		if (!is_silent(rc))
			say(rc, info(rc), "%s: connecting...", rc->name);
		enter(rc, WF_RECONNECT_CONNECTING);
		rc->ops->connect(rc->arg);
		return;

	case WF_RECONNECT_CONNECTING:
		ended(rc, END_TIMEOUT, 0);
		rc->ops->disconnect(rc->arg);
		return;

	case WF_RECONNECT_ACTIVE:
		say(rc, WF_DBG, "%s: idle %lld ms, sending inactivity probe", rc->name,
		    (long long)(now - max64(rc->last_activity_ms, rc->state_entered_ms)));
		enter(rc, WF_RECONNECT_IDLE);
		rc->ops->probe(rc->arg);
		return;

	case WF_RECONNECT_IDLE:
		if (now - due > STALL_MS && !rc->grace_given) {
			rc->grace_given = true;
			wf_timer_set(&rc->timer, GRACE_MS, on_timer, rc);
			return;
		}
		say(rc, WF_ERR,
		    "%s: no response to inactivity probe after %.3g seconds, disconnecting",
		    rc->name, (now - rc->state_entered_ms) / 1000.0);
		ended(rc, END_TIMEOUT, 0);
		rc->ops->disconnect(rc->arg);
		return;
	}
}

void
wf_reconnect_init(struct wf_reconnect *rc, const char *name, const struct wf_reconnect_ops *ops,
		  void *arg, struct wf_log_module *log)
{
	*rc = (struct wf_reconnect){
		.name = wf_xstrdup(name ? name : "void"),
		.ops = ops,
		.arg = arg,
		.log = log ? log : &wf_this_module,
		.min_backoff_ms = DEFAULT_MIN_BACKOFF_MS,
		.max_backoff_ms = DEFAULT_MAX_BACKOFF_MS,
		.probe_interval_ms = DEFAULT_PROBE_MS,
		.state = WF_RECONNECT_VOID,
		.state_entered_ms = wf_now_ms(),
		.last_activity_ms = wf_now_ms(),
		.last_connected_ms = INT64_MIN,
		.last_disconnected_ms = INT64_MIN,
	};
}

void
wf_reconnect_done(struct wf_reconnect *rc)
{
	wf_timer_cancel(&rc->timer);
	free(rc->name);
	rc->name = NULL;
}

void
wf_reconnect_set_name(struct wf_reconnect *rc, const char *name)
{
	char *copy = wf_xstrdup(name ? name : "void");

	free(rc->name);
	rc->name = copy;
}

void
wf_reconnect_set_backoff(struct wf_reconnect *rc, int min_ms, int max_ms)
{
	rc->min_backoff_ms = max64(1000, min_ms ? min_ms : DEFAULT_MIN_BACKOFF_MS);
	rc->max_backoff_ms = max64(rc->min_backoff_ms, max_ms ? max_ms : DEFAULT_MAX_BACKOFF_MS);
	if (rc->backoff_ms > rc->max_backoff_ms) {
		rc->backoff_ms = rc->max_backoff_ms;
		if (rc->state == WF_RECONNECT_BACKOFF)
			arm(rc);
	}
}

void
wf_reconnect_set_probe_interval(struct wf_reconnect *rc, int ms)
{
	ms = ms > 0 ? max64(1000, ms) : 0;
	if (ms == rc->probe_interval_ms)
		return;
	rc->probe_interval_ms = ms;
	if (wf_reconnect_is_connected(rc))
		arm(rc);
}

void
wf_reconnect_set_quiet(struct wf_reconnect *rc, bool quiet)
{
	rc->quiet = quiet;
}

void
wf_reconnect_enable(struct wf_reconnect *rc)
{
	if (rc->state == WF_RECONNECT_VOID) {
		rc->once = false;
		rc->backoff_ms = 0;
		enter(rc, WF_RECONNECT_BACKOFF);
	}
}

void
wf_reconnect_disable(struct wf_reconnect *rc)
{
	if (rc->state != WF_RECONNECT_VOID)
		enter(rc, WF_RECONNECT_VOID);
}

void
wf_reconnect_force(struct wf_reconnect *rc)
{
	if (rc->state == WF_RECONNECT_CONNECTING || wf_reconnect_is_connected(rc)) {
		ended(rc, END_OURS, 0);
		rc->ops->disconnect(rc->arg);
	}
}

void
wf_reconnect_hurry(struct wf_reconnect *rc)
{
	if (rc->state == WF_RECONNECT_BACKOFF) {
		rc->backoff_ms = 0;
		arm(rc);
	}
}

void
wf_reconnect_accepted(struct wf_reconnect *rc)
{
	rc->once = true;
	rc->last_activity_ms = wf_now_ms();
	say(rc, WF_DBG, "%s: connected", rc->name);
	enter(rc, WF_RECONNECT_ACTIVE);
}

void
wf_reconnect_connected(struct wf_reconnect *rc)
{
	if (rc->state != WF_RECONNECT_CONNECTING)
		return;
	say(rc, info(rc), "%s: connected", rc->name);
	rc->last_activity_ms = wf_now_ms();
	enter(rc, WF_RECONNECT_ACTIVE);
}

void
wf_reconnect_disconnected(struct wf_reconnect *rc, int why)
{
	if (rc->state != WF_RECONNECT_VOID && rc->state != WF_RECONNECT_BACKOFF)
		ended(rc, END_REPORTED, why);
}

void
wf_reconnect_activity(struct wf_reconnect *rc)
{
	rc->last_activity_ms = wf_now_ms();
	rc->grace_given = false;
	if (rc->state == WF_RECONNECT_IDLE)
		enter(rc, WF_RECONNECT_ACTIVE);
}

static int64_t
seconds_since(int64_t then_ms)
{
	return then_ms == INT64_MIN ? -1 : (wf_now_ms() - then_ms) / 1000;
}

int64_t
wf_reconnect_sec_since_connect(const struct wf_reconnect *rc)
{
	return seconds_since(rc->last_connected_ms);
}

int64_t
wf_reconnect_sec_since_disconnect(const struct wf_reconnect *rc)
{
	return seconds_since(rc->last_disconnected_ms);
}
