/* SPDX-License-Identifier: Apache-2.0 */
#include "ovsdb/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char *const atomic_names[] = {
	[OVSDB_VOID] = "void",       [OVSDB_INTEGER] = "integer", [OVSDB_REAL] = "real",
	[OVSDB_BOOLEAN] = "boolean", [OVSDB_STRING] = "string",   [OVSDB_UUID] = "uuid",
};

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
ovsdb_uuid_parse(const char *s, struct ovsdb_uuid *uuid)
{
	struct ovsdb_uuid u = { 0, 0 };

	for (int i = 0; i < OVSDB_UUID_LEN; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return false;
			continue;
		}
		int digit = hex_value(s[i]); /* a NUL is no digit, so this stops in time */

		if (digit < 0)
			return false;
		u.hi = u.hi << 4 | u.lo >> 60;
		u.lo = u.lo << 4 | (unsigned)digit;
	}
	if (s[OVSDB_UUID_LEN])
		return false;
	*uuid = u;
	return true;
}

void
ovsdb_uuid_format(const struct ovsdb_uuid *u, char text[static OVSDB_UUID_LEN + 1])
{
	snprintf(text, OVSDB_UUID_LEN + 1, "%08" PRIx64 "-%04x-%04x-%04x-%012" PRIx64, u->hi >> 32,
		 (unsigned)(u->hi >> 16 & 0xffff), (unsigned)(u->hi & 0xffff),
		 (unsigned)(u->lo >> 48), u->lo & UINT64_C(0xffffffffffff));
}

#define cmp3(A, B) ((A) < (B) ? -1 : (A) > (B))

int
ovsdb_atom_compare(const union ovsdb_atom *a, const union ovsdb_atom *b, enum ovsdb_atomic type)
{
	switch (type) {
	case OVSDB_VOID:
		return 0;
	case OVSDB_INTEGER:
		return cmp3(a->integer, b->integer);
	case OVSDB_REAL:
		return cmp3(a->real, b->real);
	case OVSDB_BOOLEAN:
		return a->boolean - b->boolean;
	case OVSDB_STRING:
		return strcmp(a->string, b->string);
	case OVSDB_UUID:
		return a->uuid.hi != b->uuid.hi ? cmp3(a->uuid.hi, b->uuid.hi)
						: cmp3(a->uuid.lo, b->uuid.lo);
	}
	return 0;
}

/* What 'json' is, for messages. */
static const char *
kind_of(const json_t *json)
{
	switch (json ? json_typeof(json) : JSON_NULL) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a real";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		break;
	}
	return "null";
}

int
ovsdb_atom_from_json(union ovsdb_atom *atom, enum ovsdb_atomic type, const json_t *json,
		     struct wf_err *err)
{
	switch (type) {
	case OVSDB_VOID:
		break;

	case OVSDB_INTEGER:
		if (json_is_integer(json)) {
			atom->integer = json_integer_value(json);
			return 0;
		}
		break;

	case OVSDB_REAL:
		if (json_is_number(json)) {
			atom->real = json_number_value(json);
			return 0;
		}
		break;

	case OVSDB_BOOLEAN:
		if (json_is_boolean(json)) {
			atom->boolean = json_is_true(json);
			return 0;
		}
		break;

	case OVSDB_STRING:
		if (json_is_string(json)) {
			atom->string = wf_xstrdup(json_string_value(json));
			return 0;
		}
		break;

	case OVSDB_UUID:
		if (json_is_array(json) && json_array_size(json) == 2) {
			const char *tag = json_string_value(json_array_get(json, 0));
			const char *text = json_string_value(json_array_get(json, 1));

			if (tag && text && !strcmp(tag, "uuid")) {
				if (ovsdb_uuid_parse(text, &atom->uuid))
					return 0;
				return wf_err(err, -EINVAL, "\"%.64s\" is not a uuid", text);
			}
		}
		return wf_err(err, -EINVAL, "%s where [\"uuid\", text] is expected", kind_of(json));
	}
	return wf_err(err, -EINVAL, "%s where %s is expected", kind_of(json), atomic_names[type]);
}

json_t *
ovsdb_atom_to_json(const union ovsdb_atom *atom, enum ovsdb_atomic type)
{
	char text[OVSDB_UUID_LEN + 1];
	json_t *json;

	switch (type) {
	case OVSDB_VOID:
		break;
	case OVSDB_INTEGER:
		return json_integer(atom->integer);
	case OVSDB_REAL:
		return json_real(atom->real);
	case OVSDB_BOOLEAN:
		return json_boolean(atom->boolean);
	case OVSDB_STRING:
		/* A name from the kernel or a peer need not be UTF-8, JSON has to be. */
		json = json_string(atom->string);
		return json ? json : json_string("(not UTF-8)");
	case OVSDB_UUID:
		ovsdb_uuid_format(&atom->uuid, text);
		return json_pack("[ss]", "uuid", text);
	}
	return json_null();
}

void
ovsdb_atom_done(union ovsdb_atom *atom, enum ovsdb_atomic type)
{
	if (type == OVSDB_STRING)
		free(atom->string);
}

void
ovsdb_atom_copy(union ovsdb_atom *dst, const union ovsdb_atom *src, enum ovsdb_atomic type)
{
	if (type == OVSDB_STRING)
		dst->string = wf_xstrdup(src->string);
	else
		*dst = *src;
}
