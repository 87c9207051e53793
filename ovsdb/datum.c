/* SPDX-License-Identifier: Apache-2.0 */
/* Datums: sorted sets and maps of atoms. */
#include "ovsdb/value.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static bool
is_map(const struct ovsdb_type *type)
{
	return type->value != OVSDB_VOID;
}

/* Room for one more element; arrays grow to the next power of two, so that 'n' tells
 * how long they are. */
static void
grow(struct ovsdb_datum *d, bool map)
{
	if (d->n & (d->n - 1))
		return;
	size_t len = d->n ? 2 * (size_t)d->n : 1;

	d->keys = wf_xrealloc(d->keys, len * sizeof(*d->keys));
	if (map)
		d->values = wf_xrealloc(d->values, len * sizeof(*d->values));
}

static void
add(struct ovsdb_datum *d, union ovsdb_atom key, const union ovsdb_atom *value)
{
	grow(d, value != NULL);
	d->keys[d->n] = key;
	if (value)
		d->values[d->n] = *value;
	d->n++;
}

static void
element_done(struct ovsdb_datum *d, unsigned i, const struct ovsdb_type *type)
{
	ovsdb_atom_done(&d->keys[i], type->key);
	if (d->values)
		ovsdb_atom_done(&d->values[i], type->value);
}

void
ovsdb_datum_done(struct ovsdb_datum *d, const struct ovsdb_type *type)
{
	for (unsigned i = 0; i < d->n; i++)
		element_done(d, i, type);
	free(d->keys);
	free(d->values);
	*d = (struct ovsdb_datum)OVSDB_DATUM_INIT;
}

/* The size in elements that grow() gives an array of 'n'. */
static size_t
capacity(unsigned n)
{
	size_t len = 1;

	while (len < n)
		len *= 2;
	return len;
}

void
ovsdb_datum_copy(struct ovsdb_datum *dst, const struct ovsdb_datum *src,
		 const struct ovsdb_type *type)
{
	*dst = (struct ovsdb_datum)OVSDB_DATUM_INIT;
	if (!src->n)
		return;
	dst->n = src->n;
	dst->keys = wf_xmalloc(capacity(src->n) * sizeof(*dst->keys));
	for (unsigned i = 0; i < src->n; i++)
		ovsdb_atom_copy(&dst->keys[i], &src->keys[i], type->key);
	if (!src->values)
		return;
	dst->values = wf_xmalloc(capacity(src->n) * sizeof(*dst->values));
	for (unsigned i = 0; i < src->n; i++)
		ovsdb_atom_copy(&dst->values[i], &src->values[i], type->value);
}

bool
ovsdb_datum_equals(const struct ovsdb_datum *a, const struct ovsdb_datum *b,
		   const struct ovsdb_type *type)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++) {
		if (ovsdb_atom_compare(&a->keys[i], &b->keys[i], type->key))
			return false;
		if (is_map(type) &&
		    ovsdb_atom_compare(&a->values[i], &b->values[i], type->value))
			return false;
	}
	return true;
}

void
ovsdb_datum_init_default(struct ovsdb_datum *d, const struct ovsdb_type *type)
{
	union ovsdb_atom zero = { .uuid = { 0, 0 } };

	*d = (struct ovsdb_datum)OVSDB_DATUM_INIT;
	if (!type->min || is_map(type))
		return;
	if (type->key == OVSDB_STRING)
		zero.string = wf_xstrdup("");
	add(d, zero, NULL);
}

ssize_t
ovsdb_datum_find(const struct ovsdb_datum *d, const struct ovsdb_type *type,
		 const union ovsdb_atom *key)
{
	unsigned low = 0, high = d->n;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;
		int cmp = ovsdb_atom_compare(key, &d->keys[mid], type->key);

		if (!cmp)
			return mid;
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -1;
}

struct element {
	union ovsdb_atom key, value;
	unsigned index;
};

static int
compare_elements(const void *a_, const void *b_, void *type_)
{
	const struct element *a = a_, *b = b_;
	const struct ovsdb_type *type = type_;
	int cmp = ovsdb_atom_compare(&a->key, &b->key, type->key);

	return cmp ? cmp : a->index < b->index ? -1 : a->index > b->index;
}

static bool
is_sorted(const struct ovsdb_datum *d, const struct ovsdb_type *type)
{
	for (unsigned i = 1; i < d->n; i++)
		if (ovsdb_atom_compare(&d->keys[i - 1], &d->keys[i], type->key) >= 0)
			return false;
	return true;
}

void
ovsdb_datum_sort(struct ovsdb_datum *d, const struct ovsdb_type *type)
{
	if (is_sorted(d, type))
		return;

	struct element *e = wf_xmalloc(d->n * sizeof(*e));
	unsigned n = 0, total = d->n;

	for (unsigned i = 0; i < total; i++) {
		e[i].key = d->keys[i];
		if (d->values)
			e[i].value = d->values[i];
		e[i].index = i;
	}
	qsort_r(e, total, sizeof(*e), compare_elements, (void *)type);
	for (unsigned i = 0; i < total; i++) {
		if (i + 1 < total && !ovsdb_atom_compare(&e[i].key, &e[i + 1].key, type->key)) {
			ovsdb_atom_done(&e[i].key, type->key);
			if (d->values)
				ovsdb_atom_done(&e[i].value, type->value);
			continue;
		}
		d->keys[n] = e[i].key;
		if (d->values)
			d->values[n] = e[i].value;
		n++;
	}
	free(e);
	if (capacity(n) != capacity(total)) {
		d->keys = wf_xrealloc(d->keys, capacity(n) * sizeof(*d->keys));
		if (d->values)
			d->values = wf_xrealloc(d->values, capacity(n) * sizeof(*d->values));
	}
	d->n = n;
}

/* The elements of ["set", [...]] or ["map", [...]], or NULL if 'json' is not that. */
static const json_t *
tagged_elements(const json_t *json, const char *tag)
{
	const char *got;
	const json_t *elements;

	if (!json_is_array(json) || json_array_size(json) != 2)
		return NULL;
	got = json_string_value(json_array_get(json, 0));
	elements = json_array_get(json, 1);
	return got && !strcmp(got, tag) && json_is_array(elements) ? elements : NULL;
}

static int
element_from_json(struct ovsdb_datum *d, const struct ovsdb_type *type, const json_t *json,
		  struct wf_err *err)
{
	union ovsdb_atom key, value;
	int rc;

	if (!is_map(type)) {
		rc = ovsdb_atom_from_json(&key, type->key, json, err);
		if (!rc)
			add(d, key, NULL);
		return rc;
	}
	if (!json_is_array(json) || json_array_size(json) != 2)
		return wf_err(err, -EINVAL, "a map element is not a pair [key, value]");
	rc = ovsdb_atom_from_json(&key, type->key, json_array_get(json, 0), err);
	if (rc)
		return rc;
	rc = ovsdb_atom_from_json(&value, type->value, json_array_get(json, 1), err);
	if (rc) {
		ovsdb_atom_done(&key, type->key);
		return rc;
	}
	add(d, key, &value);
	return 0;
}

int
ovsdb_datum_from_json(struct ovsdb_datum *d, const struct ovsdb_type *type, const json_t *json,
		      bool any_count, struct wf_err *err)
{
	const json_t *elements = tagged_elements(json, is_map(type) ? "map" : "set");
	unsigned n;
	int rc;

	*d = (struct ovsdb_datum)OVSDB_DATUM_INIT;
	if (elements) {
		for (size_t i = 0; i < json_array_size(elements); i++) {
			rc = element_from_json(d, type, json_array_get(elements, i), err);
			if (rc)
				goto fail;
		}
	} else if (is_map(type)) {
		return wf_err(err, -EINVAL, "not a map: [\"map\", [[key, value], ...]] expected");
	} else {
		rc = element_from_json(d, type, json, err);
		if (rc)
			goto fail;
	}

	n = d->n;
	ovsdb_datum_sort(d, type);
	if (d->n != n) {
		rc = wf_err(err, -EINVAL, "the same element occurs twice");
		goto fail;
	}
	if (!any_count && (n < type->min || n > type->max)) {
		if (type->max == UINT_MAX)
			rc = wf_err(err, -EINVAL, "%u elements where at least %u are required", n,
				    type->min);
		else
			rc = wf_err(err, -EINVAL, "%u elements where %u to %u are allowed", n,
				    type->min, type->max);
		goto fail;
	}
	return 0;

fail:
	ovsdb_datum_done(d, type);
	return rc;
}

json_t *
ovsdb_datum_to_json(const struct ovsdb_datum *d, const struct ovsdb_type *type)
{
	json_t *elements;

	if (!is_map(type) && d->n == 1)
		return ovsdb_atom_to_json(&d->keys[0], type->key);
	elements = json_array();
	for (unsigned i = 0; i < d->n; i++) {
		json_t *key = ovsdb_atom_to_json(&d->keys[i], type->key);

		if (is_map(type))
			key = json_pack("[oo]", key,
					ovsdb_atom_to_json(&d->values[i], type->value));
		json_array_append_new(elements, key);
	}
	return json_pack("[so]", is_map(type) ? "map" : "set", elements);
}

/* Both are sorted, so that one pass merges them. */
static void
merge_diff(struct ovsdb_datum *d, const struct ovsdb_datum *diff, const struct ovsdb_type *type)
{
	struct ovsdb_datum out = OVSDB_DATUM_INIT;
	unsigned i = 0, j = 0;

	while (i < d->n || j < diff->n) {
		union ovsdb_atom key, value;
		int cmp = i == d->n	 ? 1
			  : j == diff->n ? -1
					 : ovsdb_atom_compare(&d->keys[i], &diff->keys[j],
							      type->key);

		if (cmp < 0) {
			add(&out, d->keys[i], d->values ? &d->values[i] : NULL);
			i++;
			continue;
		}
		if (!cmp) {
			bool drop = !is_map(type) || !ovsdb_atom_compare(&d->values[i],
									 &diff->values[j],
									 type->value);

			element_done(d, i, type);
			i++;
			if (drop) {
				j++;
				continue;
			}
		}
		ovsdb_atom_copy(&key, &diff->keys[j], type->key);
		if (is_map(type))
			ovsdb_atom_copy(&value, &diff->values[j], type->value);
		add(&out, key, is_map(type) ? &value : NULL);
		j++;
	}
	free(d->keys);
	free(d->values);
	*d = out;
}

void
ovsdb_datum_apply_diff(struct ovsdb_datum *d, const struct ovsdb_datum *diff,
		       const struct ovsdb_type *type)
{
	if (type->max > 1) {
		merge_diff(d, diff, type);
	} else {
		ovsdb_datum_done(d, type);
		ovsdb_datum_copy(d, diff, type);
	}
}

void
ovsdb_datum_add_str(struct ovsdb_datum *d, const char *s)
{
	add(d, (union ovsdb_atom){ .string = wf_xstrdup(s) }, NULL);
}

void
ovsdb_datum_add_int(struct ovsdb_datum *d, int64_t i)
{
	add(d, (union ovsdb_atom){ .integer = i }, NULL);
}

void
ovsdb_datum_add_bool(struct ovsdb_datum *d, bool b)
{
	add(d, (union ovsdb_atom){ .boolean = b }, NULL);
}

void
ovsdb_datum_add_str_str(struct ovsdb_datum *d, const char *key, const char *value)
{
	union ovsdb_atom v = { .string = wf_xstrdup(value) };

	add(d, (union ovsdb_atom){ .string = wf_xstrdup(key) }, &v);
}

void
ovsdb_datum_add_str_fmt(struct ovsdb_datum *d, const char *key, const char *fmt, ...)
{
	union ovsdb_atom v;
	char *text;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		abort();
	va_end(args);
	v.string = text;
	add(d, (union ovsdb_atom){ .string = wf_xstrdup(key) }, &v);
}

void
ovsdb_datum_add_str_int(struct ovsdb_datum *d, const char *key, int64_t value)
{
	union ovsdb_atom v = { .integer = value };

	add(d, (union ovsdb_atom){ .string = wf_xstrdup(key) }, &v);
}
