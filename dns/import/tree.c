// SPDX-License-Identifier: Apache-2.0
#include "dns/import/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

void
imp_tree_done(struct imp_tree *t)
{
	for (size_t i = 0; i < t->n_blocks; i++)
		free(t->blocks[i]);
	free(t->blocks);
}

static void *
keep(struct imp_tree *t, void *block)
{
	if (!(t->n_blocks & (t->n_blocks - 1)))
		t->blocks = wf_xrealloc(t->blocks, (t->n_blocks ? 2 * t->n_blocks : 1) * sizeof *t->blocks);
	t->blocks[t->n_blocks++] = block;
	return block;
}

void *
imp_alloc(struct imp_tree *t, size_t size)
{
	return keep(t, wf_xzalloc(size ? size : 1));
}

char *
imp_text(struct imp_tree *t, const char *fmt, ...)
{
	struct wf_str s = WF_STR_INIT;
	va_list args;

	va_start(args, fmt);
	wf_str_vfmt(&s, fmt, args);
	va_end(args);
	return keep(t, wf_str_steal(&s));
}

struct imp_value *
imp_value_new(struct imp_tree *t, enum imp_kind kind, const char *file, unsigned line)
{
	struct imp_value *v = imp_alloc(t, sizeof *v);

	v->kind = kind;
	v->file = file;
	v->line = line;
	return v;
}

void
imp_value_add(struct imp_tree *t, struct imp_value *to, const char *key, struct imp_value *v)
{
	/* Room doubles at powers of two; what was before stays with the tree. */
	if (!(to->n & (to->n - 1))) {
		size_t room = to->n ? 2 * to->n : 1;
		struct imp_value **values = imp_alloc(t, room * sizeof *values);
		const char **keys = imp_alloc(t, room * sizeof *keys);

		if (to->n) {
			memcpy(values, to->values, to->n * sizeof *values);
			memcpy(keys, to->keys, to->n * sizeof *keys);
		}
		to->values = values;
		to->keys = keys;
	}
	to->keys[to->n] = key;
	to->values[to->n++] = v;
}

const struct imp_value *
imp_get(const struct imp_value *map, const char *key)
{
	for (size_t i = 0; map && map->kind == IMP_MAP && i < map->n; i++)
		if (!strcmp(map->keys[i], key))
			return map->values[i];
	return NULL;
}

const char *
imp_str(const struct imp_value *map, const char *key, const char *otherwise)
{
	const struct imp_value *v = imp_get(map, key);

	return v && v->kind == IMP_STRING ? v->text : otherwise;
}

size_t
imp_len(const struct imp_value *v)
{
	return !v ? 0 : v->kind == IMP_LIST ? v->n : 1;
}

const struct imp_value *
imp_at(const struct imp_value *v, size_t index)
{
	return v->kind == IMP_LIST ? v->values[index] : v;
}

bool
imp_true(const struct imp_value *map, const char *key)
{
	const char *text = imp_str(map, key, "false");

	return !strcasecmp(text, "true") || !strcasecmp(text, "on");
}

bool
imp_number(const struct imp_value *v, double *ret)
{
	char *end;

	if (!v || v->kind != IMP_STRING || !v->text[0])
		return false;
	*ret = strtod(v->text, &end);
	return !*end && *ret == *ret;
}

char *
imp_path(struct imp_tree *t, const char *beside, const char *name)
{
	const char *slash = strrchr(beside, '/');

	return name[0] == '/' || !slash ? imp_text(t, "%s", name) : imp_text(t, "%.*s/%s", (int)(slash - beside), beside, name);
}
