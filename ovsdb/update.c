/* SPDX-License-Identifier: Apache-2.0 */
/* What changes the replica: the server's schema and its <table-updates>. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "ovsdb/replica.h"
#include "ovsdb/replica_private.h"

/* ---- Schema. ---- */

static int
atomic_from_json(const json_t *json, enum ovsdb_atomic *type)
{
	static const struct {
		const char *name;
		enum ovsdb_atomic type;
	} names[] = {
		{ "integer", OVSDB_INTEGER }, { "real", OVSDB_REAL }, { "boolean", OVSDB_BOOLEAN },
		{ "string", OVSDB_STRING },   { "uuid", OVSDB_UUID },
	};
	/* <base-type>: a name, or an object with member "type". */
	const char *text = json_string_value(json_is_object(json) ? json_object_get(json, "type")
								  : json);

	for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i].name)) {
			*type = names[i].type;
			return 0;
		}
	return -EINVAL;
}

/* <type> of RFC 7047 section 3.2. */
static int
type_from_json(const json_t *json, struct ovsdb_type *type)
{
	const json_t *max, *min;

	*type = (struct ovsdb_type){ OVSDB_VOID, OVSDB_VOID, 1, 1 };
	if (!json_is_object(json))
		return atomic_from_json(json, &type->key);
	if (atomic_from_json(json_object_get(json, "key"), &type->key))
		return -EINVAL;
	if (json_object_get(json, "value") &&
	    atomic_from_json(json_object_get(json, "value"), &type->value))
		return -EINVAL;
	min = json_object_get(json, "min");
	if (json_is_integer(min) && json_integer_value(min) == 0)
		type->min = 0;
	max = json_object_get(json, "max");
	if (json_is_string(max))
		type->max = OVSDB_MANY;
	else if (json_is_integer(max) && json_integer_value(max) > 0 &&
		 json_integer_value(max) < UINT_MAX)
		type->max = json_integer_value(max);
	return 0;
}

static bool
type_equals(const struct ovsdb_type *a, const struct ovsdb_type *b)
{
	return a->key == b->key && a->value == b->value && a->min == b->min && a->max == b->max;
}

int
ovsdb_replica_set_schema(struct ovsdb_replica *r, const json_t *schema,
			 void (*missing)(void *arg, const char *table, const char *column,
					 const char *why),
			 void *arg, struct wf_err *err)
{
	const json_t *tables = json_object_get(schema, "tables");
	int differs = 0;

	if (!json_is_object(tables))
		return wf_err(err, -EINVAL, "the schema has no object \"tables\"");

	for (int t = 0; t < OVSDB_N_TABLES; t++) {
		const struct ovsdb_table_class *class = &ovsdb_tables[t];
		const json_t *table = json_object_get(tables, class->name);
		const json_t *columns = json_object_get(table, "columns");

		bool had_table = !r->has_schema;

		for (unsigned i = 0; i < class->n_columns; i++)
			had_table |= r->columns[class->first + i].present;
		if (!table && missing && had_table)
			missing(arg, class->name, NULL, "not in the schema");
		for (unsigned i = 0; i < class->n_columns; i++) {
			enum ovsdb_column c = class->first + i;
			const struct ovsdb_column_class *col = &ovsdb_columns[c];
			const json_t *column = json_object_get(columns, col->name);
			struct ovsdb_type type = col->type;
			const char *why = NULL;

			if (!column)
				why = "not in the schema";
			else if (type_from_json(json_object_get(column, "type"), &type) ||
				 type.key != col->type.key || type.value != col->type.value)
				why = "of another type";
			if (why) {
				type = col->type;
				if (table && missing &&
				    (!r->has_schema || r->columns[c].present))
					missing(arg, class->name, col->name, why);
			}
			if (r->columns[c].present != !why ||
			    !type_equals(&r->columns[c].type, &type))
				differs = 1;
			r->columns[c].present = !why;
			r->columns[c].type = type;
		}
	}
	r->has_schema = true;
	return differs;
}

json_t *
ovsdb_replica_monitor_requests(const struct ovsdb_replica *r)
{
	json_t *requests = json_object();

	for (int t = 0; t < OVSDB_N_TABLES; t++) {
		const struct ovsdb_table_class *class = &ovsdb_tables[t];
		json_t *columns = json_array();

		for (unsigned i = 0; i < class->n_columns; i++)
			if (r->columns[class->first + i].present)
				json_array_append_new(
					columns,
					json_string(ovsdb_columns[class->first + i].name));
		if (json_array_size(columns))
			json_object_set_new(requests, class->name,
					    json_pack("[{so}]", "columns", columns));
		else
			json_decref(columns);
	}
	return requests;
}

/* ---- Updates. ---- */

struct update {
	struct ovsdb_replica *r;
	uint64_t seqno; /* what the replica's will be if anything of mode R changes */
	bool changed;
	struct wf_err *err;
};

static void
mark(struct update *u, enum ovsdb_table_id t)
{
	u->r->tables[t].seqno = u->seqno;
	u->changed = true;
}

static int
bad_row(struct update *u, enum ovsdb_table_id t, const char *uuid, const char *what)
{
	return wf_err(u->err, -EINVAL, "table %s, row %.36s: %s", ovsdb_tables[t].name, uuid,
		      what);
}

/* Replaces a field by 'new', which is taken. */
static void
put_field(struct update *u, struct ovsdb_row *row, enum ovsdb_column c, struct ovsdb_datum *new)
{
	const struct ovsdb_type *type = &u->r->columns[c].type;
	struct ovsdb_datum *field = &row->fields[c - ovsdb_tables[row->table].first];

	if (ovsdb_datum_equals(field, new, type)) {
		ovsdb_datum_done(new, type);
		return;
	}
	ovsdb_datum_done(field, type);
	*field = *new;
	if (!ovsdb_columns[c].write_only) {
		row->changed = u->seqno;
		mark(u, row->table);
	}
}

/* What to do with columns that 'columns' does not name. */
enum others { OTHERS_STAY, OTHERS_DEFAULT };

static int
put_columns(struct update *u, struct ovsdb_row *row, const json_t *columns, bool diff,
	    enum others others)
{
	const struct ovsdb_table_class *class = &ovsdb_tables[row->table];
	size_t n_used = 0;
	struct wf_err why;

	if (!json_is_object(columns))
		return wf_err(u->err, -EINVAL, "table %s: a row is not an object", class->name);

	for (unsigned i = 0; i < class->n_columns; i++) {
		enum ovsdb_column c = class->first + i;
		const struct ovsdb_type *type = &u->r->columns[c].type;
		const json_t *json = json_object_get(columns, ovsdb_columns[c].name);
		struct ovsdb_datum new;

		if (!json || !u->r->columns[c].present) {
			if (others == OTHERS_DEFAULT) {
				ovsdb_datum_init_default(&new, type);
				put_field(u, row, c, &new);
			}
			continue;
		}
		n_used++;
		if (ovsdb_datum_from_json(&new, type, json, diff && type->max > 1, &why))
			return wf_err(u->err, -EINVAL, "table %s, column %s: %s", class->name,
				      ovsdb_columns[c].name, why.text);
		if (diff && type->max > 1) {
			struct ovsdb_datum result;

			ovsdb_datum_copy(&result, &row->fields[i], type);
			ovsdb_datum_apply_diff(&result, &new, type);
			ovsdb_datum_done(&new, type);
			new = result;
		}
		put_field(u, row, c, &new);
	}
	/* We get what we asked for; anything else means that the two sides disagree. */
	if (n_used != json_object_size(columns))
		return wf_err(u->err, -EINVAL, "table %s: a column that was not asked for",
			      class->name);
	return 0;
}

static struct ovsdb_row *
insert_row(struct update *u, enum ovsdb_table_id t, const struct ovsdb_uuid *uuid)
{
	struct ovsdb_row *row = ovsdb_row_insert(u->r, t, uuid);

	row->created = row->changed = u->seqno;
	mark(u, t);
	return row;
}

static void
delete_row(struct update *u, struct ovsdb_row *row)
{
	mark(u, row->table);
	ovsdb_row_delete(row);
}

/* A row of the full content, or one that is new. */
static int
put_whole_row(struct update *u, enum ovsdb_table_id t, const struct ovsdb_uuid *uuid,
	      const json_t *columns, bool whole, const char *name)
{
	struct ovsdb_row *row = ovsdb_find(u->r, t, uuid);

	if (row && (!whole || row->epoch == u->r->epoch))
		return bad_row(u, t, name, "inserted twice");
	if (!row)
		row = insert_row(u, t, uuid);
	row->epoch = u->r->epoch;
	/* A server leaves out columns that have their default value (ovsdb-server(7),
	 * section 4.1.14). */
	return put_columns(u, row, columns, false, OTHERS_DEFAULT);
}

/* <row-update>, RFC 7047 section 4.1.6. */
static int
apply_row(struct update *u, enum ovsdb_table_id t, const struct ovsdb_uuid *uuid,
	  const json_t *json, bool whole, const char *name)
{
	const json_t *old = json_object_get(json, "old"), *new = json_object_get(json, "new");
	struct ovsdb_row *row;

	if (!old && !new)
		return bad_row(u, t, name, "neither \"old\" nor \"new\"");
	if (!old)
		return put_whole_row(u, t, uuid, new, whole, name);
	row = ovsdb_find(u->r, t, uuid);
	if (!row)
		return bad_row(u, t, name, "changed, but it is not here");
	if (new)
		return put_columns(u, row, new, false, OTHERS_STAY);
	delete_row(u, row);
	return 0;
}

/* <row-update2>, ovsdb-server(7) section 4.1.14. */
static int
apply_row2(struct update *u, enum ovsdb_table_id t, const struct ovsdb_uuid *uuid,
	   const json_t *json, bool whole, const char *name)
{
	const json_t *columns;
	struct ovsdb_row *row;

	if (json_object_size(json) != 1)
		return bad_row(u, t, name, "not an object with one member");
	columns = json_object_get(json, "initial");
	if (!columns)
		columns = json_object_get(json, "insert");
	if (columns)
		return put_whole_row(u, t, uuid, columns, whole, name);

	row = ovsdb_find(u->r, t, uuid);
	if (!row)
		return bad_row(u, t, name, "changed, but it is not here");
	columns = json_object_get(json, "modify");
	if (columns)
		return put_columns(u, row, columns, true, OTHERS_STAY);
	if (!json_object_get(json, "delete"))
		return bad_row(u, t, name, "none of initial, insert, modify, delete");
	delete_row(u, row);
	return 0;
}

static int
apply_table(struct update *u, enum ovsdb_table_id t, const json_t *rows,
	    enum ovsdb_update_form form, bool whole)
{
	const char *key;
	json_t *json;
	int rc;

	if (!json_is_object(rows))
		return wf_err(u->err, -EINVAL, "table %s: the update is not an object",
			      ovsdb_tables[t].name);
	json_object_foreach((json_t *)rows, key, json)
	{
		struct ovsdb_uuid uuid;

		if (!ovsdb_uuid_parse(key, &uuid))
			return bad_row(u, t, key, "the name of the row is not a uuid");
		rc = form == OVSDB_UPDATE ? apply_row(u, t, &uuid, json, whole, key)
					  : apply_row2(u, t, &uuid, json, whole, key);
		if (rc)
			return rc;
	}
	return 0;
}

static int
apply_tables(struct update *u, const json_t *updates, enum ovsdb_update_form form, bool whole)
{
	const char *name;
	json_t *rows;
	int rc;

	if (!json_is_object(updates))
		return wf_err(u->err, -EINVAL, "<table-updates> is not an object");
	json_object_foreach((json_t *)updates, name, rows)
	{
		int t = ovsdb_table_by_name(name);

		if (t < 0)
			return wf_err(u->err, -EINVAL, "table %.64s was not asked for", name);
		rc = apply_table(u, t, rows, form, whole);
		if (rc)
			return rc;
	}
	return 0;
}

int
ovsdb_replica_apply(struct ovsdb_replica *r, const json_t *updates, enum ovsdb_update_form form,
		    bool whole, bool *config_changed, struct wf_err *err)
{
	struct update u = { .r = r, .seqno = r->seqno + 1, .err = err };
	struct ovsdb_row *row;
	int rc;

	if (whole)
		r->epoch++;
	rc = apply_tables(&u, updates, form, whole);
	/* Only a content that was understood to its end says which rows are gone. */
	for (int t = 0; whole && !rc && t < OVSDB_N_TABLES; t++)
		wf_hmap_for_each_safe(row, node, &r->tables[t].rows)
			if (row->epoch != r->epoch)
				delete_row(&u, row);
	if (u.changed)
		r->seqno = u.seqno;
	*config_changed = u.changed;
	return rc;
}
