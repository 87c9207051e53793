// SPDX-License-Identifier: Apache-2.0
/* gdnsd's configuration syntax. */
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "dns/import/tree.h"

#define MAX_DEPTH 64
#define MAX_FILES 1000

struct scan {
	struct imp_tree *t;
	const char *file, *at;
	unsigned line, depth;
	struct wf_err *err;
};

static int
bad(const struct scan *s, const char *what)
{
	return wf_err(s->err, -EINVAL, "%s:%u: %s", s->file, s->line, what);
}

static void
skip_blank(struct scan *s)
{
	for (;; s->at++) {
		if (*s->at == '#' || *s->at == ';')
			s->at += strcspn(s->at, "\n");
		if (*s->at == '\n')
			s->line++;
		else if (!isspace((unsigned char)*s->at))
			return;
	}
}

/* A word, quoted or not. */
static const char *
word(struct scan *s)
{
	struct wf_str out = WF_STR_INIT;
	bool quoted = *s->at == '"';
	char *text;

	s->at += quoted;
	while (*s->at && (quoted ? *s->at != '"' : !strchr("][}{;#,\"=", *s->at) && !isspace((unsigned char)*s->at))) {
		if (*s->at == '\n')
			s->line++;
		if (*s->at != '\\') {
			wf_str_putc(&out, *s->at++);
			continue;
		}
		s->at++;
		if (isdigit((unsigned char)s->at[0]) && isdigit((unsigned char)s->at[1]) && isdigit((unsigned char)s->at[2])) {
			wf_str_putc(&out, (char)((s->at[0] - '0') * 100 + (s->at[1] - '0') * 10 + s->at[2] - '0'));
			s->at += 3;
		} else if (*s->at) {
			wf_str_putc(&out, *s->at++);
		}
	}
	if (quoted && *s->at != '"') {
		wf_str_done(&out);
		bad(s, "a quote is not closed");
		return NULL;
	}
	if (!quoted && !out.len) {
		wf_str_done(&out);
		bad(s, *s->at ? "a name or a value is missing here" : "the file ends in the middle of something");
		return NULL;
	}
	s->at += quoted;
	text = wf_str_steal(&out);
	const char *kept = imp_text(s->t, "%s", text);

	free(text);
	return kept;
}

static struct imp_value *read_file(struct scan *from, const char *file);
static int read_map(struct scan *, struct imp_value *to, char end);

/* The path of "$include{path}". */
static const char *
include_path(struct scan *s)
{
	const char *path;

	s->at += strlen("$include{");
	skip_blank(s);
	path = word(s);
	if (!path)
		return NULL;
	skip_blank(s);
	if (*s->at != '}') {
		bad(s, "$include{PATH} has no }");
		return NULL;
	}
	s->at++;
	return imp_path(s->t, s->file, path);
}

static bool
at_include(const struct scan *s)
{
	return !strncmp(s->at, "$include{", strlen("$include{"));
}

static struct imp_value *
read_value(struct scan *s)
{
	struct imp_value *v, *item;
	const char *path;

	skip_blank(s);
	if (++s->depth > MAX_DEPTH) {
		bad(s, "braces are nested too deep");
		return NULL;
	}
	if (at_include(s)) {
		path = include_path(s);
		v = path ? read_file(s, path) : NULL;
	} else if (*s->at == '{') {
		v = imp_value_new(s->t, IMP_MAP, s->file, s->line);
		s->at++;
		if (read_map(s, v, '}'))
			return NULL;
	} else if (*s->at == '[') {
		v = imp_value_new(s->t, IMP_LIST, s->file, s->line);
		s->at++;
		for (;;) {
			skip_blank(s);
			if (*s->at == ',') {
				s->at++;
				continue;
			}
			if (*s->at == ']')
				break;
			item = read_value(s);
			if (!item)
				return NULL;
			imp_value_add(s->t, v, NULL, item);
		}
		s->at++;
	} else {
		v = imp_value_new(s->t, IMP_STRING, s->file, s->line);
		v->text = word(s);
		if (!v->text)
			return NULL;
	}
	s->depth--;
	return v;
}

/* The files of "$include{PATH}" between the keys of a map. */
static int
merge_files(struct scan *s, struct imp_value *to)
{
	const char *path = include_path(s);
	struct stat st;
	glob_t g;
	int rc = 0;

	if (!path)
		return -EINVAL;
	bool folder = !stat(path, &st) && S_ISDIR(st.st_mode);

	if (glob(folder ? imp_text(s->t, "%s/*", path) : path, 0, NULL, &g)) {
		globfree(&g);
		return folder ? 0 : bad(s, "$include names no file that is there");
	}
	for (size_t i = 0; i < g.gl_pathc && !rc; i++) {
		struct imp_value *v = read_file(s, imp_text(s->t, "%s", g.gl_pathv[i]));

		if (!v)
			rc = -EINVAL;
		else if (v->kind != IMP_MAP)
			rc = bad(s, "$include between keys names a file that is a list");
		for (size_t k = 0; !rc && k < v->n; k++)
			imp_value_add(s->t, to, v->keys[k], v->values[k]);
	}
	globfree(&g);
	return rc;
}

static int
read_map(struct scan *s, struct imp_value *to, char end)
{
	for (;;) {
		const char *key;
		struct imp_value *v;

		skip_blank(s);
		if (*s->at == ',') {
			s->at++;
			continue;
		}
		if (*s->at == end) {
			s->at += end != '\0';
			return 0;
		}
		if (at_include(s)) {
			int rc = merge_files(s, to);

			if (rc)
				return rc;
			continue;
		}
		key = word(s);
		if (!key)
			return -EINVAL;
		if (imp_get(to, key))
			return wf_err(s->err, -EINVAL, "%s:%u: %s is there twice", s->file, s->line, key);
		skip_blank(s);
		if (*s->at != '=')
			return wf_err(s->err, -EINVAL, "%s:%u: %s is followed by no =>", s->file, s->line, key);
		s->at += s->at[1] == '>' ? 2 : 1;
		v = read_value(s);
		if (!v)
			return -EINVAL;
		imp_value_add(s->t, to, key, v);
	}
}

static struct imp_value *
read_file(struct scan *from, const char *file)
{
	struct wf_str text = WF_STR_INIT;
	struct scan s = { .t = from->t, .file = file, .line = 1, .depth = from->depth, .err = from->err };
	struct imp_value *v = NULL;

	if (from->t->n_files++ > MAX_FILES || from->depth >= MAX_DEPTH)
		bad(from, "files include one another without end");
	else if (!wf_file_read_text(file, 256 << 20, &text, from->err)) {
		s.at = wf_str_cstr(&text);
		skip_blank(&s);
		s.depth++;
		if (*s.at == '[') {
			v = read_value(&s);
		} else {
			v = imp_value_new(s.t, IMP_MAP, file, 1);
			if (read_map(&s, v, '\0'))
				v = NULL;
		}
	}
	wf_str_done(&text);
	return v;
}

struct imp_value *
imp_vscf_read(struct imp_tree *t, const char *file, struct wf_err *err)
{
	struct scan s = { .t = t, .file = file, .line = 1, .err = err };
	struct imp_value *v = read_file(&s, imp_text(t, "%s", file));

	if (v && v->kind != IMP_MAP) {
		wf_err(err, -EINVAL, "%s: is a list, no configuration", file);
		return NULL;
	}
	return v;
}
