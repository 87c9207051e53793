/* SPDX-License-Identifier: Apache-2.0 */
/* Writes to the database: columns of existing rows are set, then committed together.
 *
 *   ovsdb_set_int(s, iface, OVSDB_INTERFACE_OFPORT, 5);
 *   ovsdb_set_str(s, iface, OVSDB_INTERFACE_ERROR, NULL);
 *   ovsdb_set_int(s, root, OVSDB_ROOT_CUR_CFG, next_cfg);
 *   ovsdb_commit(s, done, arg);
 *
 * A set compares with what the server will have once everything sent before is stored; an
 * equal value costs that comparison and nothing else, so a caller may set all of its status
 * every few seconds.  One transaction is in flight; what is set meanwhile goes into the next
 * one, a later write of a column replacing an earlier one.  All writes of a commit become
 * visible at once, and none before those of an earlier commit.  Every transaction asserts
 * the session's lock, so that a daemon that lost it changes nothing.
 *
 * A row that is deleted meanwhile takes its writes with it; the others are not harmed.  If
 * the connection breaks, writes whose fate is unknown are compared with the new content and
 * sent again if they still differ: they set values, so that a repetition is harmless.
 *
 * Setters do nothing if the row is NULL or the server lacks the column.
 * Threads: main.
 */
#ifndef WEFT_OVSDB_TXN_H
#define WEFT_OVSDB_TXN_H

#include <stdbool.h>
#include <stdint.h>

#include "ovsdb/replica.h"

struct ovsdb_session;

void ovsdb_set_str(struct ovsdb_session *, struct ovsdb_row *, enum ovsdb_column,
		   const char *); /* NULL: empty */
void ovsdb_set_int(struct ovsdb_session *, struct ovsdb_row *, enum ovsdb_column, int64_t);
void ovsdb_set_bool(struct ovsdb_session *, struct ovsdb_row *, enum ovsdb_column, bool);
/* The empty set or map (for a column that must not be empty: its default). */
void ovsdb_clear(struct ovsdb_session *, struct ovsdb_row *, enum ovsdb_column);
/* Any value; takes what 'datum' holds and leaves it empty.  It need not be sorted. */
void ovsdb_set(struct ovsdb_session *, struct ovsdb_row *, enum ovsdb_column,
	       struct ovsdb_datum *datum);
/* One key of a map of strings; a NULL value removes the key.  The other keys are left as the
 * server has them, even if somebody else changes them at the same time. */
void ovsdb_set_key(struct ovsdb_session *, struct ovsdb_row *, enum ovsdb_column, const char *key,
		   const char *value);
/* The next commit fails with OVSDB_TXN_TRY_AGAIN, changing nothing, unless the server still has
 * the value of this column that the replica has now. */
void ovsdb_verify(struct ovsdb_session *, struct ovsdb_row *, enum ovsdb_column);

enum ovsdb_txn_result {
	OVSDB_TXN_STORED,    /* the server has it all (also: nothing differed) */
	OVSDB_TXN_TRY_AGAIN, /* an ovsdb_verify() failed; nothing was changed */
	OVSDB_TXN_NOT_LOCKED, /* somebody else holds the lock; nothing was changed */
	OVSDB_TXN_ERROR,     /* the server refused; nothing was changed; see 'text' */
	OVSDB_TXN_CLOSED,    /* the session was freed */
};
const char *ovsdb_txn_result_name(enum ovsdb_txn_result);

/* Called once a commit, never from inside ovsdb_commit().  'text' is the server's error and
 * details, or "". */
typedef void ovsdb_commit_fn(void *arg, enum ovsdb_txn_result, const char *text);

/* Makes what was set since the last commit one unit and sends it as soon as the session is
 * connected, locked and nothing is in flight.  'done' may be NULL. */
void ovsdb_commit(struct ovsdb_session *, ovsdb_commit_fn *done, void *arg);

/* True if anything is set but not stored yet. */
bool ovsdb_writes_pending(const struct ovsdb_session *);

/* Sends a transaction of raw operations (RFC 7047 section 5.2), without the lock.  Takes the
 * reference to 'operations', a JSON array without the database name.  'done' gets the array of
 * results, or NULL with a text if it failed as a whole or the connection broke.  Not kept over
 * a reconnect.  Returns 0, or -ENOTCONN if there is no connection (then 'done' isn't called). */
int ovsdb_transact(struct ovsdb_session *, json_t *operations,
		   void (*done)(void *arg, const json_t *results, const char *error), void *arg);

#endif
