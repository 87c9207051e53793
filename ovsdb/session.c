/* SPDX-License-Identifier: Apache-2.0 */
/* The session: connection, handshake, lock and updates.  Writes are in ovsdb/write.c. */
#include "ovsdb/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/stream.h"
#include "ovsdb/session_private.h"

WF_LOG_MODULE(ovsdb_idl);

#define MONITOR_ID "weft"
#define NO_TXN_ID  "00000000-0000-0000-0000-000000000000"
#define PROBE_MS   5000

static void request_monitor(struct ovsdb_session *);

/* ---- Telling the user. ---- */

/* The user hears of the lock only while the content is current, so that who is told "held"
 * may act at once. */
static void
report_lock(struct ovsdb_session *s)
{
	enum ovsdb_lock_state state = s->live ? s->lock_state : OVSDB_LOCK_NONE;

	if (state == s->lock_reported)
		return;
	s->lock_reported = state;
	if (s->ops.lock_changed)
		s->ops.lock_changed(s->arg, state);
}

static void
report_changes(struct ovsdb_session *s)
{
	if (!s->config_changed)
		return;
	s->config_changed = false;
	if (s->ops.changed)
		s->ops.changed(s->arg);
}

/* ---- The end of a connection. ---- */

static void
hang_up(struct ovsdb_session *s)
{
	struct ovsdb_rpc *rpc = s->rpc;

	s->live = false;
	s->lock_state = OVSDB_LOCK_NONE;
	s->rpc = NULL;
	ovsdb_rpc_close(rpc);
	report_lock(s);
}

/* Gives this connection up because of what the server said or did, and tries again. */
static void
give_up(struct ovsdb_session *s)
{
	wf_reconnect_force(&s->reconnect); /* calls on_drop() */
}

static void
bad_message(struct ovsdb_session *s, const char *what, const char *why)
{
	s->counters.n_bad_messages++;
	wf_warn_rl("%s: %s: %s; reconnecting", s->reconnect.name, what, why);
	free(s->last_txn_id);
	s->last_txn_id = NULL;
	give_up(s);
}

/* ---- Content. ---- */

static void
set_last_txn_id(struct ovsdb_session *s, const json_t *id)
{
	free(s->last_txn_id);
	s->last_txn_id = json_is_string(id) ? wf_xstrdup(json_string_value(id)) : NULL;
}

/* Returns false if the connection was given up. */
static bool
apply(struct ovsdb_session *s, const json_t *updates, enum ovsdb_update_form form, bool whole)
{
	bool changed = false;
	struct wf_err err;

	int rc = ovsdb_replica_apply(s->replica, updates, form, whole, &changed, &err);

	/* What was applied before an error counts, too. */
	s->config_changed |= changed;
	if (rc) {
		bad_message(s, "error in an update", err.text);
		return false;
	}
	s->counters.n_updates++;
	return true;
}

static void
content_complete(struct ovsdb_session *s)
{
	bool first = !s->has_content;

	s->live = s->has_content = true;
	s->counters.n_connects++;
	if (first)
		s->config_changed = true;
	else if (s->ops.resynced)
		s->ops.resynced(s->arg);
	report_changes(s);
	report_lock(s);
	ovsdb_writes_kick(s);
}

static bool
is_unknown_method(const json_t *error)
{
	char text[128];

	ovsdb_rpc_error_text(error, text, sizeof(text));
	return strstr(text, "unknown method") != NULL;
}

static void
on_monitor_reply(void *session, const json_t *result, const json_t *error)
{
	struct ovsdb_session *s = session;
	bool whole = true;
	char text[256];

	if (error) {
		if (is_unknown_method(error) && s->method != MONITOR) {
			s->method++;
			request_monitor(s);
			return;
		}
		ovsdb_rpc_error_text(error, text, sizeof(text));
		bad_message(s, "the server refuses to be monitored", text);
		return;
	}
	if (!result)
		return; /* closed */
	if (s->method == MONITOR_COND_SINCE) {
		/* [<found>, <last-txn-id>, <table-updates2>] */
		if (!json_is_array(result) || json_array_size(result) != 3) {
			bad_message(s, "error in an update",
				    "the reply to \"monitor_cond_since\" is not an array of three");
			return;
		}
		whole = !json_is_true(json_array_get(result, 0));
		set_last_txn_id(s, json_array_get(result, 1));
		result = json_array_get(result, 2);
	}
	if (apply(s, result, s->method == MONITOR ? OVSDB_UPDATE : OVSDB_UPDATE2, whole))
		content_complete(s);
}

static void
request_monitor(struct ovsdb_session *s)
{
	static const char *const names[] = {
		[MONITOR_COND_SINCE] = "monitor_cond_since",
		[MONITOR_COND] = "monitor_cond",
		[MONITOR] = "monitor",
	};
	json_t *params = json_pack("[sso]", OVSDB_DATABASE, MONITOR_ID,
				   ovsdb_replica_monitor_requests(s->replica));

	if (s->method == MONITOR_COND_SINCE)
		json_array_append_new(params,
				      json_string(s->last_txn_id ? s->last_txn_id : NO_TXN_ID));
	ovsdb_rpc_request(s->rpc, names[s->method], params, on_monitor_reply, s);
}

/* ---- Schema and lock. ---- */

static void
on_missing(void *arg, const char *table, const char *column, const char *why)
{
	if (column)
		wf_warn_rl("%s table in " OVSDB_DATABASE " database lacks %s column (%s; database "
			   "needs upgrade?)",
			   table, column, why);
	else
		wf_warn_rl(OVSDB_DATABASE " database lacks %s table (database needs upgrade?)",
			   table);
}

static void
on_lock_reply(void *session, const json_t *result, const json_t *error)
{
	struct ovsdb_session *s = session;
	char text[256];

	if (error) {
		ovsdb_rpc_error_text(error, text, sizeof(text));
		bad_message(s, "the server refuses the lock", text);
		return;
	}
	if (!result)
		return;
	/* "locked" may have overtaken this reply's handling. */
	if (s->lock_state == OVSDB_LOCK_NONE)
		s->lock_state = json_is_true(json_object_get(result, "locked"))
					? OVSDB_LOCK_HELD
					: OVSDB_LOCK_WAITING;
	report_lock(s);
	ovsdb_writes_kick(s);
}

static void
on_schema_reply(void *session, const json_t *result, const json_t *error)
{
	struct ovsdb_session *s = session;
	struct wf_err err;
	char text[256];
	int rc;

	if (error) {
		/* The server is there, but the database is not (yet). */
		ovsdb_rpc_error_text(error, text, sizeof(text));
		wf_info_rl("%s: server does not have " OVSDB_DATABASE " database (%s)",
			   s->reconnect.name, text);
		give_up(s);
		return;
	}
	if (!result)
		return;
	rc = ovsdb_replica_set_schema(s->replica, result, on_missing, s, &err);
	if (rc < 0) {
		bad_message(s, "error in the schema", err.text);
		return;
	}
	if (rc > 0) {
		free(s->last_txn_id);
		s->last_txn_id = NULL;
	}
	const char *version = json_string_value(json_object_get(result, "version"));

	free(s->schema_version);
	s->schema_version = version ? wf_xstrdup(version) : NULL;

	if (s->lock)
		ovsdb_rpc_request(s->rpc, "lock", json_pack("[s]", s->lock), on_lock_reply, s);
	s->method = MONITOR_COND_SINCE;
	request_monitor(s);
}

/* ---- The connection. ---- */

static void
on_notification(void *session, const char *method, const json_t *params)
{
	struct ovsdb_session *s = session;
	const json_t *first = json_array_get(params, 0);
	const char *name = json_string_value(first);

	if (!strcmp(method, "update3")) {
		set_last_txn_id(s, json_array_get(params, 1));
		apply(s, json_array_get(params, 2), OVSDB_UPDATE2, false);
	} else if (!strcmp(method, "update2")) {
		apply(s, json_array_get(params, 1), OVSDB_UPDATE2, false);
	} else if (!strcmp(method, "update")) {
		apply(s, json_array_get(params, 1), OVSDB_UPDATE, false);
	} else if (!strcmp(method, "locked") || !strcmp(method, "stolen")) {
		if (!s->lock || !name || strcmp(name, s->lock))
			return;
		s->lock_state = *method == 'l' ? OVSDB_LOCK_HELD : OVSDB_LOCK_WAITING;
		/* Configuration that came with it first. */
		report_changes(s);
		report_lock(s);
		ovsdb_writes_kick(s);
	} else if (!strcmp(method, "monitor_canceled")) {
		wf_info("%s: the database was changed or removed, reconnecting",
			s->reconnect.name);
		give_up(s);
	} else {
		wf_dbg("%s: unexpected notification %.64s", s->reconnect.name, method);
	}
}

static void
name_remote(struct ovsdb_session *s)
{
	const char *remote = s->remotes[s->next_remote];
	int probe = s->probe_interval_ms;

	/* A local socket breaks by itself when the server goes. */
	if (probe < 0)
		probe = !strncmp(remote, "unix:", 5) ? 0 : PROBE_MS;
	wf_reconnect_set_name(&s->reconnect, remote);
	wf_reconnect_set_probe_interval(&s->reconnect, probe);
}

/* The next attempt goes to the next remote. */
static void
advance_remote(struct ovsdb_session *s)
{
	s->next_remote = (s->next_remote + 1) % s->n_remotes;
	name_remote(s);
}

static void
on_batch_end(void *session)
{
	report_changes(session);
}

static void
on_activity(void *session)
{
	struct ovsdb_session *s = session;

	wf_reconnect_activity(&s->reconnect);
}

static void
on_connected(void *session)
{
	struct ovsdb_session *s = session;

	wf_reconnect_connected(&s->reconnect);
	ovsdb_rpc_request(s->rpc, "get_schema", json_pack("[s]", OVSDB_DATABASE), on_schema_reply,
			  s);
}

static void
on_closed(void *session, int why, const char *text)
{
	struct ovsdb_session *s = session;

	if (why == -EBADMSG || why == -EMSGSIZE || why == -ENOBUFS) {
		bad_message(s, "error in the byte stream", text);
		return;
	}
	hang_up(s);
	wf_reconnect_disconnected(&s->reconnect, why);
	advance_remote(s);
}

static const struct ovsdb_rpc_ops rpc_ops = {
	.connected = on_connected,
	.activity = on_activity,
	.notification = on_notification,
	.batch_end = on_batch_end,
	.closed = on_closed,
};

static void
on_connect(void *session)
{
	struct ovsdb_session *s = session;
	struct wf_err err;

	s->rpc = ovsdb_rpc_open(s->remotes[s->next_remote], &rpc_ops, s, &err);
	if (!s->rpc) { /* names were checked at the start, so this is the system's fault */
		wf_reconnect_disconnected(&s->reconnect, -EIO);
		advance_remote(s);
	}
}

static void
on_drop(void *session)
{
	struct ovsdb_session *s = session;

	hang_up(s);
	advance_remote(s);
}

static void
on_echo_reply(void *session, const json_t *result, const json_t *error)
{
	/* That bytes came is what matters. */
}

static void
on_probe(void *session)
{
	struct ovsdb_session *s = session;

	if (s->rpc)
		ovsdb_rpc_request(s->rpc, "echo", json_array(), on_echo_reply, s);
}

static const struct wf_reconnect_ops reconnect_ops = {
	.connect = on_connect,
	.disconnect = on_drop,
	.probe = on_probe,
};

/* ---- The user's side. ---- */

static void
on_row_deleted(void *session, struct ovsdb_row *row)
{
	struct ovsdb_session *s = session;

	if (s->ops.row_deleted)
		s->ops.row_deleted(s->arg, row);
}

static const struct ovsdb_replica_ops replica_ops = { .row_deleted = on_row_deleted };

static int
parse_remotes(struct ovsdb_session *s, struct wf_err *err)
{
	char *copy = wf_xstrdup(s->remote), *save = NULL;

	for (char *name = strtok_r(copy, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		if (!wf_stream_name_is_valid(name)) {
			wf_err(err, -EINVAL,
			       "%s: not a database to connect to; use unix:PATH, tcp:IP[:PORT] or "
			       "ssl:IP[:PORT]",
			       name);
			free(copy);
			return -EINVAL;
		}
		s->remotes = wf_xrealloc(s->remotes, (s->n_remotes + 1) * sizeof(*s->remotes));
		s->remotes[s->n_remotes++] = wf_xstrdup(name);
	}
	free(copy);
	return s->n_remotes ? 0 : wf_err(err, -EINVAL, "no database to connect to is named");
}

static void
free_names(struct ovsdb_session *s)
{
	for (unsigned i = 0; i < s->n_remotes; i++)
		free(s->remotes[i]);
	free(s->remotes);
	free(s->remote);
	free(s->lock);
	free(s->last_txn_id);
	free(s->schema_version);
}

struct ovsdb_session *
ovsdb_session_new(const char *remote, const char *lock, const struct ovsdb_session_ops *ops,
		  void *arg, struct wf_err *err)
{
	struct ovsdb_session *s = wf_xzalloc(sizeof(*s));

	s->remote = wf_xstrdup(remote);
	s->lock = lock ? wf_xstrdup(lock) : NULL;
	s->probe_interval_ms = -1;
	if (parse_remotes(s, err)) {
		free_names(s);
		free(s);
		return NULL;
	}
	if (ops)
		s->ops = *ops;
	s->arg = arg;
	s->replica = ovsdb_replica_new(&replica_ops, s);
	ovsdb_writes_init(s);
	wf_reconnect_init(&s->reconnect, s->remotes[0], &reconnect_ops, s, NULL);
	name_remote(s);
	wf_reconnect_enable(&s->reconnect);
	return s;
}

void
ovsdb_session_free(struct ovsdb_session *s)
{
	if (!s)
		return;
	memset(&s->ops, 0, sizeof(s->ops));
	wf_reconnect_disable(&s->reconnect);
	hang_up(s);
	ovsdb_writes_done(s);
	wf_reconnect_done(&s->reconnect);
	ovsdb_replica_free(s->replica);
	free_names(s);
	free(s);
}

struct ovsdb_replica *
ovsdb_session_replica(const struct ovsdb_session *s)
{
	return s->replica;
}

bool
ovsdb_session_has_content(const struct ovsdb_session *s)
{
	return s->has_content;
}

bool
ovsdb_session_is_live(const struct ovsdb_session *s)
{
	return s->live;
}

enum ovsdb_lock_state
ovsdb_session_lock_state(const struct ovsdb_session *s)
{
	return s->lock_reported;
}

bool
ovsdb_session_may_act(const struct ovsdb_session *s)
{
	return s->live && (!s->lock || s->lock_state == OVSDB_LOCK_HELD);
}

const char *
ovsdb_session_remote(const struct ovsdb_session *s)
{
	return s->remote;
}

const char *
ovsdb_session_schema_version(const struct ovsdb_session *s)
{
	return s->schema_version;
}

struct ovsdb_session_counters
ovsdb_session_counters(const struct ovsdb_session *s)
{
	return s->counters;
}

void
ovsdb_session_set_probe_interval(struct ovsdb_session *s, int ms)
{
	s->probe_interval_ms = ms;
	wf_reconnect_set_probe_interval(&s->reconnect, ms);
}

void
ovsdb_session_reconnect(struct ovsdb_session *s)
{
	wf_reconnect_force(&s->reconnect);
	wf_reconnect_hurry(&s->reconnect);
}

struct raw_transaction {
	void (*done)(void *arg, const json_t *results, const char *error);
	void *arg;
};

static void
on_raw_reply(void *raw, const json_t *results, const json_t *error)
{
	struct raw_transaction *t = raw;
	char text[512] = "the connection was closed";

	if (error)
		ovsdb_rpc_error_text(error, text, sizeof(text));
	t->done(t->arg, results, results ? NULL : text);
	free(t);
}

int
ovsdb_transact(struct ovsdb_session *s, json_t *operations,
	       void (*done)(void *arg, const json_t *results, const char *error), void *arg)
{
	struct raw_transaction *t;

	if (!s->live) {
		json_decref(operations);
		return -ENOTCONN;
	}
	t = wf_xzalloc(sizeof(*t));
	t->done = done;
	t->arg = arg;
	json_array_insert_new(operations, 0, json_string(OVSDB_DATABASE));
	ovsdb_rpc_request(s->rpc, "transact", operations, on_raw_reply, t);
	return 0;
}
