/* SPDX-License-Identifier: Apache-2.0 */
/* What ovsdb/replica.c, update.c and write.c share.  Nobody else includes this. */
#ifndef WEFT_OVSDB_REPLICA_PRIVATE_H
#define WEFT_OVSDB_REPLICA_PRIVATE_H

#include "ovsdb/replica.h"

struct ovsdb_replica {
	const struct ovsdb_replica_ops *ops;
	void *arg;
	void (*drop_writes)(struct ovsdb_row_writes *, void *arg);
	void *drop_writes_arg;
	bool has_schema;
	uint64_t seqno;
	unsigned epoch; /* of the last full content; rows of an older one are gone */
	struct {
		struct wf_hmap rows;
		uint64_t seqno;
	} tables[OVSDB_N_TABLES];
	struct {
		bool present;
		struct ovsdb_type type; /* the server's; key and value types are ours */
	} columns[OVSDB_N_COLUMNS];
};

/* Inserts a row of default values; it must not exist. */
struct ovsdb_row *ovsdb_row_insert(struct ovsdb_replica *, enum ovsdb_table_id,
				   const struct ovsdb_uuid *);
/* Calls row_deleted(), frees. */
void ovsdb_row_delete(struct ovsdb_row *);

#endif
