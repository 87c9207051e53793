/* SPDX-License-Identifier: Apache-2.0 */
/* The replica: what ovsdb-server holds, as rows in memory.
 *
 * Only the session (ovsdb/session.h) changes it; users read.  Between two calls of the
 * session's changed() callback the replica does not change, so that pointers to rows and
 * strings may be kept during one callback, and across turns of the loop as long as
 * row_deleted() is heeded.  A row keeps its address as long as the server has it, over
 * reconnects and restarts of the server too.
 *
 * References are resolved when they are read: a uuid whose row is not here reads as NULL.
 * Getters take a row that may be NULL and then return the default.
 * Threads: main.
 */
#ifndef WEFT_OVSDB_REPLICA_H
#define WEFT_OVSDB_REPLICA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hmap.h"
#include "base/list.h"
#include "ovsdb/schema.h"

struct ovsdb_replica;
struct ovsdb_row_writes;

struct ovsdb_row {
	struct wf_hmap_node node; /* in its table, by uuid */
	struct ovsdb_replica *replica;
	enum ovsdb_table_id table;
	struct ovsdb_uuid uuid;
	/* Change counters of the replica (ovsdb_replica_seqno()), as they were when the row
	 * came and when a column of mode R last changed. */
	uint64_t created, changed;
	/* The user's; NULL in a new row. */
	void *aux;

	/* Private to the library. */
	struct ovsdb_datum *fields; /* by column - first column of the table */
	struct ovsdb_row_writes *writes;
	unsigned epoch;
};

struct ovsdb_replica_ops {
	/* 'row' is about to go; it can still be read, but references from and to other rows
	 * may be gone already.  May be NULL. */
	void (*row_deleted)(void *arg, struct ovsdb_row *row);
};

struct ovsdb_replica *ovsdb_replica_new(const struct ovsdb_replica_ops *, void *arg);
void ovsdb_replica_free(struct ovsdb_replica *);

/* Goes up with each update that changed a column of mode R, added or removed a row. */
uint64_t ovsdb_replica_seqno(const struct ovsdb_replica *);
/* The same for one table. */
uint64_t ovsdb_replica_table_seqno(const struct ovsdb_replica *, enum ovsdb_table_id);

/* Rows, in no particular order. */
unsigned ovsdb_replica_n_rows(const struct ovsdb_replica *, enum ovsdb_table_id);
struct ovsdb_row *ovsdb_first(const struct ovsdb_replica *, enum ovsdb_table_id);
struct ovsdb_row *ovsdb_next(const struct ovsdb_row *);
struct ovsdb_row *ovsdb_find(const struct ovsdb_replica *, enum ovsdb_table_id,
			     const struct ovsdb_uuid *);
#define ovsdb_for_each(ROW, REPLICA, TABLE)                                                    \
	for (ROW = ovsdb_first(REPLICA, TABLE); ROW; ROW = ovsdb_next(ROW))
/* The only row of Open_vSwitch, or NULL while there is none. */
struct ovsdb_row *ovsdb_root(const struct ovsdb_replica *);

/* Scalars and optional scalars; the default is for an empty optional, a NULL row and a
 * column that the server does not have. */
const char *ovsdb_str(const struct ovsdb_row *, enum ovsdb_column);      /* default NULL */
const char *ovsdb_str_or(const struct ovsdb_row *, enum ovsdb_column, const char *dflt);
int64_t ovsdb_int(const struct ovsdb_row *, enum ovsdb_column, int64_t dflt);
bool ovsdb_bool(const struct ovsdb_row *, enum ovsdb_column, bool dflt);

/* Sets: the number of elements, and the elements in ascending order. */
unsigned ovsdb_n(const struct ovsdb_row *, enum ovsdb_column);
int64_t ovsdb_int_at(const struct ovsdb_row *, enum ovsdb_column, unsigned i);
const char *ovsdb_str_at(const struct ovsdb_row *, enum ovsdb_column, unsigned i);
bool ovsdb_has_str(const struct ovsdb_row *, enum ovsdb_column, const char *);
bool ovsdb_has_int(const struct ovsdb_row *, enum ovsdb_column, int64_t);

/* References: the i-th of a set (ovsdb_n() of them), or the value of the i-th entry of a
 * map; NULL if the row is not here.  ovsdb_ref() is that of an optional reference. */
struct ovsdb_row *ovsdb_ref_at(const struct ovsdb_row *, enum ovsdb_column, unsigned i);
struct ovsdb_row *ovsdb_ref(const struct ovsdb_row *, enum ovsdb_column);
/* Map key -> row, e.g. Open_vSwitch:datapaths and QoS:queues. */
struct ovsdb_row *ovsdb_map_ref_str(const struct ovsdb_row *, enum ovsdb_column, const char *key);
struct ovsdb_row *ovsdb_map_ref_int(const struct ovsdb_row *, enum ovsdb_column, int64_t key);

/* Each row that the column refers to and that is here:
 *   ovsdb_for_each_ref (port, bridge, OVSDB_BRIDGE_PORTS) { ... } */
struct ovsdb_row *ovsdb_ref_step(const struct ovsdb_row *, enum ovsdb_column, unsigned *i);
#define ovsdb_for_each_ref(REF, ROW, COLUMN)                                                   \
	for (unsigned i_##REF = 0; (REF = ovsdb_ref_step(ROW, COLUMN, &i_##REF)) != NULL;)

/* Maps of string to string; NULL (or 'dflt') if there is no such key.  _int and _bool read
 * the text as ovs-vswitchd does: a whole decimal number / "true", or if the default is true
 * "false", in either case; anything else gives 'dflt'. */
const char *ovsdb_smap_get(const struct ovsdb_row *, enum ovsdb_column, const char *key);
const char *ovsdb_smap_get_or(const struct ovsdb_row *, enum ovsdb_column, const char *key,
			      const char *dflt);
int64_t ovsdb_smap_int(const struct ovsdb_row *, enum ovsdb_column, const char *key, int64_t dflt);
bool ovsdb_smap_bool(const struct ovsdb_row *, enum ovsdb_column, const char *key, bool dflt);
const char *ovsdb_smap_key_at(const struct ovsdb_row *, enum ovsdb_column, unsigned i);
const char *ovsdb_smap_value_at(const struct ovsdb_row *, enum ovsdb_column, unsigned i);
/* Maps of string to integer (statistics). */
int64_t ovsdb_imap_int(const struct ovsdb_row *, enum ovsdb_column, const char *key, int64_t dflt);

/* The whole value; never NULL; of the column's type. */
const struct ovsdb_datum *ovsdb_get(const struct ovsdb_row *, enum ovsdb_column);

/* False if the server's schema lacks the column or has it with another type: it reads as its
 * default and writes to it are dropped. */
bool ovsdb_has_column(const struct ovsdb_replica *, enum ovsdb_column);

/* ---- For the session (and for tests). ---- */

/* Reads the answer to get_schema, decides which columns exist.  'missing' is called with the
 * name of each table (column NULL) and column that it lacks or has with another type, unless the
 * schema before was as bad.
 * Returns 1 if the answer differs from the one before, 0 if it does not, or -EINVAL with 'err'
 * if 'schema' is not a schema; then nothing changed. */
int ovsdb_replica_set_schema(struct ovsdb_replica *, const json_t *schema,
			     void (*missing)(void *arg, const char *table, const char *column,
					     const char *why),
			     void *arg, struct wf_err *err);

/* The <monitor-requests> object for all columns that exist.  A new reference. */
json_t *ovsdb_replica_monitor_requests(const struct ovsdb_replica *);

enum ovsdb_update_form {
	OVSDB_UPDATE,  /* RFC 7047: "old" and "new" */
	OVSDB_UPDATE2, /* "initial", "insert", "modify", "delete" */
};

/* Applies <table-updates>.  With 'whole' it is the full content: rows that it does not name
 * go, rows that it names with equal columns count as unchanged.  A part that is malformed or
 * does not fit the replica (a "modify" of an unknown row) makes the whole call fail with
 * -EINVAL and 'err'; parts before it have been applied, and the caller must fetch the full
 * content again.  '*config_changed' says if the seqno went up. */
int ovsdb_replica_apply(struct ovsdb_replica *, const json_t *updates, enum ovsdb_update_form,
			bool whole, bool *config_changed, struct wf_err *err);

/* Called when a row with writes is freed, see ovsdb/txn.h. */
void ovsdb_replica_on_drop_writes(struct ovsdb_replica *,
				  void (*)(struct ovsdb_row_writes *, void *arg), void *arg);

#endif
