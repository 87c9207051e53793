/* SPDX-License-Identifier: Apache-2.0 */
/* What ovsdb/session.c and write.c share.  Nobody else includes this. */
#ifndef WEFT_OVSDB_SESSION_PRIVATE_H
#define WEFT_OVSDB_SESSION_PRIVATE_H

#include "base/list.h"
#include "base/loop.h"
#include "base/reconnect.h"
#include "ovsdb/rpc.h"
#include "ovsdb/session.h"

/* The stages that a write goes through. */
enum stage {
	OPEN,      /* set, not committed */
	QUEUED,    /* committed, not sent */
	IN_FLIGHT, /* sent, not answered */
	N_STAGES
};

/* A column's new value. */
struct write {
	struct write *next; /* of the same row and stage */
	enum ovsdb_column column;
	bool keys_only;           /* 'value' has the keys to put, 'gone' the keys to remove */
	struct ovsdb_datum value;
	struct ovsdb_datum gone;  /* a set of the column's key type */
};

/* The writes of one row, owned by the row (row->writes) as long as there are any. */
struct ovsdb_row_writes {
	struct ovsdb_session *session;
	struct ovsdb_row *row;
	struct {
		struct wf_list node; /* in session->stages[].rows if 'writes' or 'verifies' */
		struct write *writes;
		struct write *verifies; /* 'value' is what the column must still have */
	} stages[N_STAGES];
};

struct commit {
	struct wf_list node;
	ovsdb_commit_fn *done;
	void *arg;
};

struct ovsdb_session {
	struct ovsdb_session_ops ops;
	void *arg;
	char *remote;             /* as given */
	char **remotes;
	unsigned n_remotes, next_remote;
	int probe_interval_ms;    /* -1: by the kind of the remote */
	struct wf_reconnect reconnect;
	struct ovsdb_rpc *rpc;    /* NULL: none */
	struct ovsdb_replica *replica;
	struct ovsdb_session_counters counters;
	struct wf_err bad;        /* why the connection is being dropped */

	char *schema_version;
	char *last_txn_id;        /* for monitor_cond_since; NULL: unknown */
	enum monitor_method { MONITOR_COND_SINCE, MONITOR_COND, MONITOR } method;
	bool live, has_content;
	bool config_changed;      /* changed() is due at the end of the batch */

	char *lock;
	enum ovsdb_lock_state lock_state;    /* as the server says */
	enum ovsdb_lock_state lock_reported; /* as the user knows */

	struct {
		struct wf_list rows;    /* struct ovsdb_row_writes */
		struct wf_list commits; /* struct commit */
	} stages[N_STAGES];
	bool in_flight;
	bool dropped_verify;      /* a row that had a verify went away */
	struct wf_timer flush;
};

/* ovsdb/write.c */
void ovsdb_writes_init(struct ovsdb_session *);
void ovsdb_writes_done(struct ovsdb_session *);
/* Something changed that sending may have waited for. */
void ovsdb_writes_kick(struct ovsdb_session *);

#endif
