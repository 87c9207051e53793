/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled description of database Open_vSwitch: which tables and columns weft knows.
 *
 * OVSDB_TABLE_BRIDGE names a table, OVSDB_BRIDGE_NAME a column; the root table Open_vSwitch
 * is ROOT.  A column knows its table, so that a getter needs only row and column.
 * Threads: any (constant).
 */
#ifndef WEFT_OVSDB_SCHEMA_H
#define WEFT_OVSDB_SCHEMA_H

#include <limits.h>
#include <stdbool.h>

#include "ovsdb/columns.h"
#include "ovsdb/value.h"

#define OVSDB_MANY UINT_MAX
#define OVSDB_DATABASE "Open_vSwitch"

enum ovsdb_table_id {
#define T(TABLE, NAME) OVSDB_TABLE_##TABLE,
	OVSDB_TABLES(T)
#undef T
	OVSDB_N_TABLES,
	OVSDB_TABLE_NONE = OVSDB_N_TABLES,
};

/* OVSDB_FIRST_x is the first column of table x. */
enum ovsdb_column {
#define C(TABLE, COLUMN, NAME, KEY, VALUE, MIN, MAX, REF, MODE) OVSDB_##TABLE##_##COLUMN,
#define T(TABLE, NAME)                                                                         \
	OVSDB_FIRST_##TABLE, OVSDB_BEFORE_##TABLE = OVSDB_FIRST_##TABLE - 1,                   \
			     OVSDB_COLUMNS_##TABLE(C)
	OVSDB_TABLES(T)
#undef T
#undef C
	OVSDB_N_COLUMNS,
};

struct ovsdb_table_class {
	const char *name;
	enum ovsdb_column first; /* its columns are contiguous */
	unsigned n_columns;
};

struct ovsdb_column_class {
	const char *name;
	enum ovsdb_table_id table;
	struct ovsdb_type type;
	enum ovsdb_table_id ref; /* what the uuids refer to, or OVSDB_TABLE_NONE */
	bool write_only;         /* mode W: a change by the server is not reported */
};

extern const struct ovsdb_table_class ovsdb_tables[OVSDB_N_TABLES];
extern const struct ovsdb_column_class ovsdb_columns[OVSDB_N_COLUMNS];

/* -1 if there is none of this name. */
int ovsdb_table_by_name(const char *name);
int ovsdb_column_by_name(enum ovsdb_table_id, const char *name);

#endif
