/* SPDX-License-Identifier: Apache-2.0 */
/* Rows, and the functions that read them.  What changes them is in ovsdb/update.c. */
#include "ovsdb/replica.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "ovsdb/replica_private.h"

/* Uuids are random, so that any part of one is a hash. */
static uint32_t
hash_uuid(const struct ovsdb_uuid *u)
{
	return (uint32_t)(u->lo ^ u->hi >> 32);
}

struct ovsdb_replica *
ovsdb_replica_new(const struct ovsdb_replica_ops *ops, void *arg)
{
	struct ovsdb_replica *r = wf_xzalloc(sizeof(*r));

	r->ops = ops;
	r->arg = arg;
	for (int t = 0; t < OVSDB_N_TABLES; t++)
		wf_hmap_init(&r->tables[t].rows);
	for (int c = 0; c < OVSDB_N_COLUMNS; c++)
		r->columns[c].type = ovsdb_columns[c].type;
	return r;
}

void
ovsdb_replica_free(struct ovsdb_replica *r)
{
	struct ovsdb_row *row;

	if (!r)
		return;
	for (int t = 0; t < OVSDB_N_TABLES; t++) {
		wf_hmap_for_each_safe(row, node, &r->tables[t].rows)
			ovsdb_row_delete(row);
		wf_hmap_done(&r->tables[t].rows);
	}
	free(r);
}

void
ovsdb_replica_on_drop_writes(struct ovsdb_replica *r,
			     void (*fn)(struct ovsdb_row_writes *, void *arg), void *arg)
{
	r->drop_writes = fn;
	r->drop_writes_arg = arg;
}

struct ovsdb_row *
ovsdb_row_insert(struct ovsdb_replica *r, enum ovsdb_table_id t, const struct ovsdb_uuid *uuid)
{
	const struct ovsdb_table_class *class = &ovsdb_tables[t];
	struct ovsdb_row *row =
		wf_xzalloc(sizeof(*row) + class->n_columns * sizeof(*row->fields));

	row->replica = r;
	row->table = t;
	row->uuid = *uuid;
	row->fields = (struct ovsdb_datum *)(row + 1);
	for (unsigned i = 0; i < class->n_columns; i++)
		ovsdb_datum_init_default(&row->fields[i], &r->columns[class->first + i].type);
	wf_hmap_insert(&r->tables[t].rows, &row->node, hash_uuid(uuid));
	return row;
}

void
ovsdb_row_delete(struct ovsdb_row *row)
{
	struct ovsdb_replica *r = row->replica;
	const struct ovsdb_table_class *class = &ovsdb_tables[row->table];

	if (r->ops && r->ops->row_deleted)
		r->ops->row_deleted(r->arg, row);
	if (row->writes && r->drop_writes)
		r->drop_writes(row->writes, r->drop_writes_arg);
	wf_hmap_remove(&r->tables[row->table].rows, &row->node);
	for (unsigned i = 0; i < class->n_columns; i++)
		ovsdb_datum_done(&row->fields[i], &r->columns[class->first + i].type);
	free(row);
}

uint64_t
ovsdb_replica_seqno(const struct ovsdb_replica *r)
{
	return r->seqno;
}

uint64_t
ovsdb_replica_table_seqno(const struct ovsdb_replica *r, enum ovsdb_table_id t)
{
	return r->tables[t].seqno;
}

bool
ovsdb_has_column(const struct ovsdb_replica *r, enum ovsdb_column c)
{
	return r->columns[c].present;
}

unsigned
ovsdb_replica_n_rows(const struct ovsdb_replica *r, enum ovsdb_table_id t)
{
	return r->tables[t].rows.n;
}

static struct ovsdb_row *
row_of(struct wf_hmap_node *node)
{
	return node ? wf_container(node, struct ovsdb_row, node) : NULL;
}

struct ovsdb_row *
ovsdb_first(const struct ovsdb_replica *r, enum ovsdb_table_id t)
{
	return row_of(wf_hmap_first(&r->tables[t].rows));
}

struct ovsdb_row *
ovsdb_next(const struct ovsdb_row *row)
{
	return row_of(wf_hmap_next(&row->replica->tables[row->table].rows, &row->node));
}

struct ovsdb_row *
ovsdb_find(const struct ovsdb_replica *r, enum ovsdb_table_id t, const struct ovsdb_uuid *uuid)
{
	struct ovsdb_row *row;

	wf_hmap_for_each_with_hash(row, node, hash_uuid(uuid), &r->tables[t].rows)
		if (ovsdb_uuid_equals(&row->uuid, uuid))
			return row;
	return NULL;
}

struct ovsdb_row *
ovsdb_root(const struct ovsdb_replica *r)
{
	return ovsdb_first(r, OVSDB_TABLE_ROOT);
}

/* The field, or an empty datum for a NULL row.  A column of another table is a bug. */
static const struct ovsdb_datum *
field(const struct ovsdb_row *row, enum ovsdb_column c)
{
	static const struct ovsdb_datum empty = OVSDB_DATUM_INIT;

	if (!row)
		return &empty;
	if (ovsdb_columns[c].table != row->table)
		abort();
	return &row->fields[c - ovsdb_tables[row->table].first];
}

/* True if a scalar of 'row' was never said by the server. */
static bool
is_unset(const struct ovsdb_row *row, enum ovsdb_column c, const struct ovsdb_datum *d)
{
	return !d->n || !ovsdb_has_column(row->replica, c);
}

/* The field of a column whose keys (and values) the caller takes for these types. */
static const struct ovsdb_datum *
typed(const struct ovsdb_row *row, enum ovsdb_column c, enum ovsdb_atomic key,
      enum ovsdb_atomic value)
{
	const struct ovsdb_type *type = &ovsdb_columns[c].type;

	if (type->key != key || (value != OVSDB_VOID && type->value != value))
		abort();
	return field(row, c);
}

const struct ovsdb_datum *
ovsdb_get(const struct ovsdb_row *row, enum ovsdb_column c)
{
	return field(row, c);
}

const char *
ovsdb_str_or(const struct ovsdb_row *row, enum ovsdb_column c, const char *dflt)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_STRING, OVSDB_VOID);

	return is_unset(row, c, d) ? dflt : d->keys[0].string;
}

const char *
ovsdb_str(const struct ovsdb_row *row, enum ovsdb_column c)
{
	return ovsdb_str_or(row, c, NULL);
}

int64_t
ovsdb_int(const struct ovsdb_row *row, enum ovsdb_column c, int64_t dflt)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_INTEGER, OVSDB_VOID);

	return is_unset(row, c, d) ? dflt : d->keys[0].integer;
}

bool
ovsdb_bool(const struct ovsdb_row *row, enum ovsdb_column c, bool dflt)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_BOOLEAN, OVSDB_VOID);

	return is_unset(row, c, d) ? dflt : d->keys[0].boolean;
}

unsigned
ovsdb_n(const struct ovsdb_row *row, enum ovsdb_column c)
{
	return field(row, c)->n;
}

int64_t
ovsdb_int_at(const struct ovsdb_row *row, enum ovsdb_column c, unsigned i)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_INTEGER, OVSDB_VOID);

	return i < d->n ? d->keys[i].integer : 0;
}

const char *
ovsdb_str_at(const struct ovsdb_row *row, enum ovsdb_column c, unsigned i)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_STRING, OVSDB_VOID);

	return i < d->n ? d->keys[i].string : NULL;
}

static const union ovsdb_atom *
map_value(const struct ovsdb_row *row, enum ovsdb_column c, const struct ovsdb_datum *d,
	  const union ovsdb_atom *key)
{
	ssize_t i = ovsdb_datum_find(d, &ovsdb_columns[c].type, key);

	return i >= 0 ? &d->values[i] : NULL;
}

bool
ovsdb_has_str(const struct ovsdb_row *row, enum ovsdb_column c, const char *s)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_STRING, OVSDB_VOID);

	return ovsdb_datum_find(d, &ovsdb_columns[c].type,
				&(union ovsdb_atom){ .string = (char *)s }) >= 0;
}

bool
ovsdb_has_int(const struct ovsdb_row *row, enum ovsdb_column c, int64_t i)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_INTEGER, OVSDB_VOID);

	return ovsdb_datum_find(d, &ovsdb_columns[c].type, &(union ovsdb_atom){ .integer = i }) >=
	       0;
}

struct ovsdb_row *
ovsdb_ref_at(const struct ovsdb_row *row, enum ovsdb_column c, unsigned i)
{
	const struct ovsdb_column_class *class = &ovsdb_columns[c];
	const struct ovsdb_datum *d = field(row, c);

	if (class->ref == OVSDB_TABLE_NONE)
		abort();
	if (i >= d->n)
		return NULL;
	return ovsdb_find(row->replica, class->ref,
			  class->type.value == OVSDB_UUID ? &d->values[i].uuid : &d->keys[i].uuid);
}

struct ovsdb_row *
ovsdb_ref(const struct ovsdb_row *row, enum ovsdb_column c)
{
	return ovsdb_ref_at(row, c, 0);
}

struct ovsdb_row *
ovsdb_ref_step(const struct ovsdb_row *row, enum ovsdb_column c, unsigned *i)
{
	while (*i < ovsdb_n(row, c)) {
		struct ovsdb_row *ref = ovsdb_ref_at(row, c, (*i)++);

		if (ref)
			return ref;
	}
	return NULL;
}

struct ovsdb_row *
ovsdb_map_ref_str(const struct ovsdb_row *row, enum ovsdb_column c, const char *key)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_STRING, OVSDB_UUID);
	const union ovsdb_atom *value =
		map_value(row, c, d, &(union ovsdb_atom){ .string = (char *)key });

	return value ? ovsdb_find(row->replica, ovsdb_columns[c].ref, &value->uuid) : NULL;
}

struct ovsdb_row *
ovsdb_map_ref_int(const struct ovsdb_row *row, enum ovsdb_column c, int64_t key)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_INTEGER, OVSDB_UUID);
	const union ovsdb_atom *value =
		map_value(row, c, d, &(union ovsdb_atom){ .integer = key });

	return value ? ovsdb_find(row->replica, ovsdb_columns[c].ref, &value->uuid) : NULL;
}

const char *
ovsdb_smap_get_or(const struct ovsdb_row *row, enum ovsdb_column c, const char *key,
		  const char *dflt)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_STRING, OVSDB_STRING);
	const union ovsdb_atom *value =
		map_value(row, c, d, &(union ovsdb_atom){ .string = (char *)key });

	return value ? value->string : dflt;
}

const char *
ovsdb_smap_get(const struct ovsdb_row *row, enum ovsdb_column c, const char *key)
{
	return ovsdb_smap_get_or(row, c, key, NULL);
}

int64_t
ovsdb_smap_int(const struct ovsdb_row *row, enum ovsdb_column c, const char *key, int64_t dflt)
{
	const char *text = ovsdb_smap_get(row, c, key);
	char *end;
	long long value;

	if (!text)
		return dflt;
	errno = 0;
	value = strtoll(text, &end, 10);
	return end == text || *end || errno ? dflt : value;
}

bool
ovsdb_smap_bool(const struct ovsdb_row *row, enum ovsdb_column c, const char *key, bool dflt)
{
	const char *text = ovsdb_smap_get_or(row, c, key, "");

	return dflt ? strcasecmp(text, "false") != 0 : !strcasecmp(text, "true");
}

const char *
ovsdb_smap_key_at(const struct ovsdb_row *row, enum ovsdb_column c, unsigned i)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_STRING, OVSDB_STRING);

	return i < d->n ? d->keys[i].string : NULL;
}

const char *
ovsdb_smap_value_at(const struct ovsdb_row *row, enum ovsdb_column c, unsigned i)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_STRING, OVSDB_STRING);

	return i < d->n ? d->values[i].string : NULL;
}

int64_t
ovsdb_imap_int(const struct ovsdb_row *row, enum ovsdb_column c, const char *key, int64_t dflt)
{
	const struct ovsdb_datum *d = typed(row, c, OVSDB_STRING, OVSDB_INTEGER);
	const union ovsdb_atom *value =
		map_value(row, c, d, &(union ovsdb_atom){ .string = (char *)key });

	return value ? value->integer : dflt;
}
