/* SPDX-License-Identifier: Apache-2.0 */
/* Values of OVSDB (RFC 7047 section 5.1): atoms, and the datum, which is a set or a map.
 *
 * A datum is a sorted array of distinct keys, each with a value if it is a map.  A scalar
 * is a set of one, an optional scalar a set of none or one.
 * Threads: any, one at a time a datum.  Memory: a datum owns its arrays and strings.
 */
#ifndef WEFT_OVSDB_VALUE_H
#define WEFT_OVSDB_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum ovsdb_atomic {
	OVSDB_VOID, /* as a value type: not a map */
	OVSDB_INTEGER,
	OVSDB_REAL,
	OVSDB_BOOLEAN,
	OVSDB_STRING,
	OVSDB_UUID,
};

struct ovsdb_uuid {
	uint64_t hi, lo;
};

#define OVSDB_UUID_LEN 36 /* characters, without the NUL */

union ovsdb_atom {
	int64_t integer;
	double real;
	bool boolean;
	char *string;
	struct ovsdb_uuid uuid;
};

struct ovsdb_datum {
	unsigned n;
	union ovsdb_atom *keys;
	union ovsdb_atom *values; /* NULL: a set */
};

#define OVSDB_DATUM_INIT { 0, NULL, NULL }

/* What a column can hold. */
struct ovsdb_type {
	enum ovsdb_atomic key, value;
	unsigned min, max; /* elements; UINT_MAX: unlimited */
};

/* Uuids.  Parsing takes exactly 36 characters (either case). */
bool ovsdb_uuid_parse(const char *, struct ovsdb_uuid *);
void ovsdb_uuid_format(const struct ovsdb_uuid *, char text[static OVSDB_UUID_LEN + 1]);
static inline bool
ovsdb_uuid_equals(const struct ovsdb_uuid *a, const struct ovsdb_uuid *b)
{
	return a->hi == b->hi && a->lo == b->lo;
}

/* Atoms.  The order is that of ovsdb-server: numeric, bytes of the string, uuid as a number. */
int ovsdb_atom_compare(const union ovsdb_atom *, const union ovsdb_atom *, enum ovsdb_atomic);
/* Returns 0, or -EINVAL with 'err' if 'json' is not an atom of 'type'; then 'atom' is unset. */
int ovsdb_atom_from_json(union ovsdb_atom *atom, enum ovsdb_atomic type, const json_t *json,
			 struct wf_err *err);
json_t *ovsdb_atom_to_json(const union ovsdb_atom *, enum ovsdb_atomic); /* a new reference */
void ovsdb_atom_done(union ovsdb_atom *, enum ovsdb_atomic);
void ovsdb_atom_copy(union ovsdb_atom *dst, const union ovsdb_atom *src, enum ovsdb_atomic);

/* Reads a datum of 'type' into 'datum', which is overwritten (not freed).  Takes the scalar,
 * ["set",..], ["map",..] and ["uuid",..] notations; sorts; a key that occurs twice is an
 * error.  The count is checked against 'type' unless 'any_count' (a diff may be longer).
 * Returns 0, or -EINVAL with 'err'; then 'datum' is empty. */
int ovsdb_datum_from_json(struct ovsdb_datum *datum, const struct ovsdb_type *type,
			  const json_t *json, bool any_count, struct wf_err *err);
json_t *ovsdb_datum_to_json(const struct ovsdb_datum *, const struct ovsdb_type *);
void ovsdb_datum_done(struct ovsdb_datum *, const struct ovsdb_type *);
void ovsdb_datum_copy(struct ovsdb_datum *dst, const struct ovsdb_datum *src,
		      const struct ovsdb_type *);
bool ovsdb_datum_equals(const struct ovsdb_datum *, const struct ovsdb_datum *,
			const struct ovsdb_type *);
/* What a row has that nobody wrote: no elements, or if min is 1 the zero of the type. */
void ovsdb_datum_init_default(struct ovsdb_datum *, const struct ovsdb_type *);

/* Index of 'key', or -1. */
ssize_t ovsdb_datum_find(const struct ovsdb_datum *, const struct ovsdb_type *,
			 const union ovsdb_atom *key);

/* Applies the "modify" of an update2 (ovsdb-server(7), 4.1.14): for sets of more than one,
 * elements in both go, others come; for maps a key with an equal value goes, a key with
 * another value is replaced, a new key comes; for scalars 'diff' replaces. */
void ovsdb_datum_apply_diff(struct ovsdb_datum *, const struct ovsdb_datum *diff,
			    const struct ovsdb_type *);

/* Building.  Elements come in any order; ovsdb_datum_sort() (the setters of ovsdb/txn.h call
 * it) puts them in order and keeps the last of equal keys.  Strings are copied. */
void ovsdb_datum_add_str(struct ovsdb_datum *, const char *);
void ovsdb_datum_add_int(struct ovsdb_datum *, int64_t);
void ovsdb_datum_add_bool(struct ovsdb_datum *, bool);
void ovsdb_datum_add_str_str(struct ovsdb_datum *, const char *key, const char *value);
void ovsdb_datum_add_str_fmt(struct ovsdb_datum *, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void ovsdb_datum_add_str_int(struct ovsdb_datum *, const char *key, int64_t value);
void ovsdb_datum_sort(struct ovsdb_datum *, const struct ovsdb_type *);

#endif
