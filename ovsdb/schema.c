/* SPDX-License-Identifier: Apache-2.0 */
#include "ovsdb/schema.h"

#include <string.h>

const struct ovsdb_table_class ovsdb_tables[OVSDB_N_TABLES] = {
#define C(TABLE, COLUMN, NAME, KEY, VALUE, MIN, MAX, REF, MODE) +1
#define T(TABLE, NAME)                                                                         \
	[OVSDB_TABLE_##TABLE] = { NAME, OVSDB_FIRST_##TABLE, 0 OVSDB_COLUMNS_##TABLE(C) },
	OVSDB_TABLES(T)
#undef T
#undef C
};

#define MODE_R false
#define MODE_W true

const struct ovsdb_column_class ovsdb_columns[OVSDB_N_COLUMNS] = {
#define C(TABLE, COLUMN, NAME, KEY, VALUE, MIN, MAX, REF, MODE)                                \
	[OVSDB_##TABLE##_##COLUMN] = {                                                         \
		.name = NAME,                                                                  \
		.table = OVSDB_TABLE_##TABLE,                                                  \
		.type = { OVSDB_##KEY, OVSDB_##VALUE, MIN, MAX },                              \
		.ref = OVSDB_TABLE_##REF,                                                      \
		.write_only = MODE_##MODE,                                                     \
	},
	OVSDB_COLUMNS(C)
#undef C
};

int
ovsdb_table_by_name(const char *name)
{
	for (int t = 0; t < OVSDB_N_TABLES; t++)
		if (!strcmp(ovsdb_tables[t].name, name))
			return t;
	return -1;
}

int
ovsdb_column_by_name(enum ovsdb_table_id table, const char *name)
{
	const struct ovsdb_table_class *t = &ovsdb_tables[table];

	for (unsigned i = 0; i < t->n_columns; i++)
		if (!strcmp(ovsdb_columns[t->first + i].name, name))
			return t->first + i;
	return -1;
}
