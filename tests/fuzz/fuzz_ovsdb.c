/* SPDX-License-Identifier: Apache-2.0 */
/* The replica under any JSON: a stream of texts, each of which is applied as the schema, as a
 * full content or as an update, in both forms.  It must stay consistent: what it holds can be
 * encoded, and decodes to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/jsonmsg.h"
#include "ovsdb/replica.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A schema with all columns that we know; columns may be referred to by any text that follows. */
static json_t *
schema_of_ours(void)
{
	static const char *const names[] = { "", "integer", "real", "boolean", "string", "uuid" };
	json_t *tables = json_object();

	for (int c = 0; c < OVSDB_N_COLUMNS; c++) {
		const struct ovsdb_column_class *col = &ovsdb_columns[c];
		const char *table_name = ovsdb_tables[col->table].name;
		json_t *type = json_pack("{sssi}", "key", names[col->type.key], "min",
					 (int)col->type.min);

		if (col->type.value)
			json_object_set_new(type, "value", json_string(names[col->type.value]));
		json_object_set_new(type, "max",
				    col->type.max == OVSDB_MANY ? json_string("unlimited")
								: json_integer(col->type.max));
		if (!json_object_get(tables, table_name))
			json_object_set_new(tables, table_name, json_pack("{s{}}", "columns"));
		json_object_set_new(json_object_get(json_object_get(tables, table_name), "columns"),
				    col->name, json_pack("{so}", "type", type));
	}
	return json_pack("{so}", "tables", tables);
}

static void
check_field(const struct ovsdb_datum *d, const struct ovsdb_type *type)
{
	json_t *json = ovsdb_datum_to_json(d, type);
	struct ovsdb_datum again;

	if (!json || ovsdb_datum_from_json(&again, type, json, true, NULL))
		abort();
	/* A text that is not UTF-8 cannot come from JSON, so that nothing is replaced. */
	if (!ovsdb_datum_equals(d, &again, type))
		abort();
	ovsdb_datum_done(&again, type);
	json_decref(json);
}

static void
check(const struct ovsdb_replica *r)
{
	struct ovsdb_row *row, *ref;

	for (int t = 0; t < OVSDB_N_TABLES; t++) {
		unsigned n = 0;

		ovsdb_for_each (row, r, t) {
			if (++n > ovsdb_replica_n_rows(r, t) || ovsdb_find(r, t, &row->uuid) != row)
				abort();
			for (unsigned i = 0; i < ovsdb_tables[t].n_columns; i++) {
				enum ovsdb_column c = ovsdb_tables[t].first + i;

				check_field(ovsdb_get(row, c), &ovsdb_columns[c].type);
				if (ovsdb_columns[c].ref != OVSDB_TABLE_NONE)
					ovsdb_for_each_ref (ref, row, c)
						if (ref->table != ovsdb_columns[c].ref)
							abort();
			}
		}
		if (n != ovsdb_replica_n_rows(r, t))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ovsdb_replica *r = ovsdb_replica_new(NULL, NULL);
	json_t *schema = schema_of_ours();
	size_t used = 0;

	ovsdb_replica_set_schema(r, schema, NULL, NULL, NULL);
	json_decref(schema);
	for (unsigned i = 0; i < 16 && used < size; i++) {
		struct wf_jsonmsg scan = { 0 };
		ssize_t n = wf_jsonmsg_scan(&scan, data + used, size - used, 1 << 20);
		uint64_t seqno = ovsdb_replica_seqno(r);
		enum ovsdb_update_form form;
		bool changed = false;
		struct wf_err err;
		json_t *json;
		int rc;

		if (n <= 0)
			break;
		json = json_loadb((const char *)data + used, n, JSON_DECODE_ANY, NULL);
		used += n;
		if (!json)
			break;
		form = json_object_get(json, "1") ? OVSDB_UPDATE : OVSDB_UPDATE2;
		if (json_object_get(json, "tables")) {
			rc = ovsdb_replica_set_schema(r, json, NULL, NULL, &err);
		} else {
			json_object_del(json, "1");
			rc = ovsdb_replica_apply(r, json, form, i == 0, &changed, &err);
			if (changed != (ovsdb_replica_seqno(r) != seqno))
				abort();
		}
		if (rc < 0 && !err.text[0])
			abort();
		json_decref(json);
		check(r);
	}
	ovsdb_replica_free(r);
	return 0;
}
