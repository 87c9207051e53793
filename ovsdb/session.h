/* SPDX-License-Identifier: Apache-2.0 */
/* A client session with ovsdb-server (RFC 7047): connection, schema, lock, monitor, writes.
 *
 *   connect -> get_schema -> lock + monitor_cond_since (or monitor_cond, or monitor) -> running
 *
 * Reconnects for ever (base/reconnect.h).  After a reconnect the content is compared with the
 * replica: changed() comes only if something differs, and rows keep their addresses.  While the
 * connection is down the replica holds the last content, so that a switch goes on with the
 * configuration it has.
 *
 * Threads: main.  Memory: owns the replica.  Callbacks come from the loop, never from inside a
 * function of this header; ovsdb_session_free() inside a callback is not allowed.
 */
#ifndef WEFT_OVSDB_SESSION_H
#define WEFT_OVSDB_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ovsdb/replica.h"
#include "ovsdb/txn.h"

enum ovsdb_lock_state {
	OVSDB_LOCK_NONE,    /* not asked for, or not connected, or no answer yet */
	OVSDB_LOCK_WAITING, /* another client holds it */
	OVSDB_LOCK_HELD,
};

struct ovsdb_session_ops {
	/* The configuration changed (columns of mode R, rows added or removed); called once for
	 * all updates that came together.  Also called once when the first content is complete. */
	void (*changed)(void *arg);
	/* The lock came, is waited for, or went.  A session that comes to hold the lock gets
	 * this call after it has complete content; before that it must not act. */
	void (*lock_changed)(void *arg, enum ovsdb_lock_state);
	/* Content is complete again after a reconnect; columns that are not persistent
	 * (statistics, link_state, ...) may be empty now and have to be set again. */
	void (*resynced)(void *arg);
	/* A row goes, see ovsdb_replica_ops. */
	void (*row_deleted)(void *arg, struct ovsdb_row *);
};

struct ovsdb_session_counters {
	unsigned n_connects;       /* content was complete so many times */
	uint64_t n_updates;        /* update notifications applied */
	uint64_t n_transactions;   /* sent */
	uint64_t n_columns_written; /* columns in them */
	uint64_t n_bad_messages;   /* made us drop the connection */
};

/* 'remote' is unix:PATH, tcp:IP[:PORT] or ssl:IP[:PORT] (port 6640), or several, separated by
 * commas, tried in turn.  'lock' names the lock, NULL: none.  All members of 'ops' may be NULL.
 * Returns NULL with 'err' for a bad remote. */
struct ovsdb_session *ovsdb_session_new(const char *remote, const char *lock,
					const struct ovsdb_session_ops *, void *arg,
					struct wf_err *err);
/* Pending commits get OVSDB_TXN_CLOSED.  NULL is allowed. */
void ovsdb_session_free(struct ovsdb_session *);

struct ovsdb_replica *ovsdb_session_replica(const struct ovsdb_session *);
/* True once the content was complete for the first time; stays true. */
bool ovsdb_session_has_content(const struct ovsdb_session *);
/* True while connected and the content is current. */
bool ovsdb_session_is_live(const struct ovsdb_session *);
enum ovsdb_lock_state ovsdb_session_lock_state(const struct ovsdb_session *);
/* Content and lock: may configure and write. */
bool ovsdb_session_may_act(const struct ovsdb_session *);
const char *ovsdb_session_remote(const struct ovsdb_session *);
/* The server's schema version ("8.3.1"), or NULL. */
const char *ovsdb_session_schema_version(const struct ovsdb_session *);
struct ovsdb_session_counters ovsdb_session_counters(const struct ovsdb_session *);

/* Probes are off on unix: and every 5 s on tcp: and ssl: unless this is called; 0 is off. */
void ovsdb_session_set_probe_interval(struct ovsdb_session *, int ms);
/* Drops the connection and connects again. */
void ovsdb_session_reconnect(struct ovsdb_session *);

#endif
