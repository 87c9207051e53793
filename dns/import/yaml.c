// SPDX-License-Identifier: Apache-2.0
/* The part of YAML that Knot's files are made of: maps and lists by indentation, lists in brackets, words and quoted
 * words, comments. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "dns/import/tree.h"

#define MAX_DEPTH 32
#define MAX_FILES 1000

struct lines {
	struct imp_tree *t;
	const char *file;
	struct yaml_line {
		unsigned indent, number;
		char *text; /* without indentation and comment */
	} *l;
	size_t n, at;
	unsigned depth;
	struct wf_err *err;
};

static int
bad(const struct lines *s, size_t at, const char *what)
{
	return wf_err(s->err, -EINVAL, "%s:%u: %s", s->file, at < s->n ? s->l[at].number : 0, what);
}

/* The end of a line's content: a comment starts at # after a blank.  'depth' counts open brackets. */
static size_t
content(const char *text, int *depth)
{
	bool quoted = false;
	size_t i = 0;

	for (; text[i] && text[i] != '\n'; i++) {
		if (quoted && text[i] == '\\' && text[i + 1] && text[i + 1] != '\n')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && text[i] == '#' && (!i || text[i - 1] == ' ' || text[i - 1] == '\t'))
			break;
		else if (!quoted)
			*depth += (text[i] == '[') - (text[i] == ']');
	}
	while (i && strchr(" \t\r", text[i - 1]))
		i--;
	return i;
}

/* Lines with something on them; a list in brackets that goes on becomes one line. */
static void
split(struct lines *s, const char *text)
{
	unsigned number = 0;

	while (*text) {
		struct wf_str joined = WF_STR_INIT;
		size_t indent = strspn(text, " "), n;
		int depth = 0;

		number++;
		n = content(text + indent, &depth);
		unsigned first = number;

		wf_str_putn(&joined, text + indent, n);
		text += strcspn(text, "\n");
		text += *text == '\n';
		while (depth > 0 && *text) {
			number++;
			n = content(text, &depth);
			wf_str_putc(&joined, ' ');
			wf_str_putn(&joined, text, n);
			text += strcspn(text, "\n");
			text += *text == '\n';
		}
		if (joined.len && strcmp(joined.s, "---")) {
			if (!(s->n & (s->n - 1)))
				s->l = wf_xrealloc(s->l, (s->n ? 2 * s->n : 1) * sizeof *s->l);
			s->l[s->n++] = (struct yaml_line){ (unsigned)indent, first, imp_text(s->t, "%s", joined.s) };
		}
		wf_str_done(&joined);
	}
}

/* A word of 'text'; 'stop' are the characters that end one without quotes.  NULL: a quote is open. */
static const char *
word(struct lines *s, const char **text, const char *stop)
{
	struct wf_str out = WF_STR_INIT;
	const char *kept;

	*text += strspn(*text, " \t");
	if (**text == '"') {
		for (++*text; **text && **text != '"'; ++*text) {
			if (**text == '\\' && (*text)[1])
				++*text;
			wf_str_putc(&out, **text);
		}
		if (**text != '"') {
			wf_str_done(&out);
			return NULL;
		}
		++*text;
	} else {
		size_t n = strcspn(*text, stop), len = n;

		while (len && strchr(" \t", (*text)[len - 1]))
			len--;
		wf_str_putn(&out, *text, len);
		*text += n;
	}
	*text += strspn(*text, " \t");
	kept = imp_text(s->t, "%s", wf_str_cstr(&out));
	wf_str_done(&out);
	return kept;
}

static struct imp_value *
inline_value(struct lines *s, size_t at, const char *text)
{
	struct imp_value *v, *item;

	text += strspn(text, " \t");
	if (*text != '[') {
		v = imp_value_new(s->t, IMP_STRING, s->file, s->l[at].number);
		v->text = word(s, &text, "");
		if (!v->text || *text) {
			bad(s, at, "a value is one word, a quoted text or a list in brackets");
			return NULL;
		}
		return v;
	}
	v = imp_value_new(s->t, IMP_LIST, s->file, s->l[at].number);
	for (text++;; text++) {
		text += strspn(text, " \t");
		if (*text == ']' && !text[1])
			return v;
		item = imp_value_new(s->t, IMP_STRING, s->file, s->l[at].number);
		item->text = word(s, &text, ",]");
		if (!item->text || (*text != ',' && *text != ']')) {
			bad(s, at, "the list in brackets is not closed");
			return NULL;
		}
		imp_value_add(s->t, v, NULL, item);
		if (*text == ']') {
			if (!text[1])
				return v;
			bad(s, at, "something stands behind the list in brackets");
			return NULL;
		}
	}
}

static bool
is_item(const struct yaml_line *l)
{
	return l->text[0] == '-' && (l->text[1] == ' ' || !l->text[1]);
}

/* The same key again adds to what is there. */
static void
put(struct lines *s, struct imp_value *map, const char *key, struct imp_value *v)
{
	struct imp_value *have = (struct imp_value *)imp_get(map, key);

	if (!have) {
		imp_value_add(s->t, map, key, v);
		return;
	}
	if (have->kind == IMP_MAP && v->kind == IMP_MAP) {
		for (size_t i = 0; i < v->n; i++)
			put(s, have, v->keys[i], v->values[i]);
		return;
	}
	if (have->kind != IMP_LIST) {
		struct imp_value *list = imp_value_new(s->t, IMP_LIST, have->file, have->line);

		imp_value_add(s->t, list, NULL, have);
		for (size_t i = 0; i < map->n; i++)
			if (map->values[i] == have)
				map->values[i] = list;
		have = list;
	}
	for (size_t i = 0; i < imp_len(v); i++)
		imp_value_add(s->t, have, NULL, (struct imp_value *)imp_at(v, i));
}

static int read_into(struct lines *from, const char *file, struct imp_value *map);
static struct imp_value *block(struct lines *, unsigned indent);

static int
include(struct lines *s, size_t at, const char *name, struct imp_value *map)
{
	glob_t g;
	int rc = 0;

	if (glob(imp_path(s->t, s->file, name), 0, NULL, &g))
		rc = bad(s, at, "include names no file that is there");
	for (size_t i = 0; !rc && i < g.gl_pathc; i++)
		rc = read_into(s, imp_text(s->t, "%s", g.gl_pathv[i]), map);
	globfree(&g);
	return rc;
}

/* "key: value", or "key:" and what is indented below it. */
static int
entry(struct lines *s, struct imp_value *map)
{
	size_t at = s->at++;
	const struct yaml_line *l = &s->l[at];
	const char *text = l->text, *key = word(s, &text, ":");
	/* A colon within a word is no end of the key: 2001:db8::/32: */
	const char *end = text;
	struct imp_value *v;

	while (key && l->text[0] != '"' && *end == ':' && end[1] && end[1] != ' ')
		end += 1 + strcspn(end + 1, ":");
	if (key && end != text) {
		key = imp_text(s->t, "%.*s", (int)(end - l->text), l->text);
		text = end;
	}
	if (!key || *text != ':')
		return bad(s, at, "\"KEY: VALUE\" is expected here");
	text++;
	text += strspn(text, " \t");
	if (*text) {
		v = inline_value(s, at, text);
		if (v && !l->indent && !strcmp(key, "include") && v->kind == IMP_STRING)
			return include(s, at, v->text, map);
	} else if (s->at < s->n && (s->l[s->at].indent > l->indent ||
				    (s->l[s->at].indent == l->indent && is_item(&s->l[s->at]) && !is_item(l)))) {
		v = block(s, s->l[s->at].indent);
	} else {
		v = imp_value_new(s->t, IMP_LIST, s->file, l->number);
	}
	if (!v)
		return -EINVAL;
	put(s, map, key, v);
	return 0;
}

static struct imp_value *
block(struct lines *s, unsigned indent)
{
	bool list = is_item(&s->l[s->at]);
	struct imp_value *v = imp_value_new(s->t, list ? IMP_LIST : IMP_MAP, s->file, s->l[s->at].number);

	if (++s->depth > MAX_DEPTH) {
		bad(s, s->at, "is nested too deep");
		return NULL;
	}
	while (s->at < s->n && s->l[s->at].indent == indent && is_item(&s->l[s->at]) == list) {
		struct yaml_line *l = &s->l[s->at];
		struct imp_value *item;
		size_t skip;

		if (!list) {
			if (entry(s, v))
				return NULL;
			continue;
		}
		/* What stands behind the dash is a block of its own, as deep as it stands. */
		skip = 1 + strspn(l->text + 1, " ");
		l->text += skip;
		l->indent += skip;
		if (!l->text[0]) {
			bad(s, s->at, "a dash needs something behind it");
			return NULL;
		}
		if (l->text[0] != '"' && l->text[strcspn(l->text, ":")] == ':') {
			item = block(s, l->indent);
		} else {
			item = inline_value(s, s->at, l->text);
			s->at++;
		}
		if (!item)
			return NULL;
		imp_value_add(s->t, v, NULL, item);
	}
	if (s->at < s->n && s->l[s->at].indent > indent) {
		bad(s, s->at, "is indented otherwise than the line before");
		return NULL;
	}
	s->depth--;
	return v;
}

static int
read_into(struct lines *from, const char *file, struct imp_value *map)
{
	struct lines s = { .t = from->t, .file = file, .depth = from->depth + 1, .err = from->err };
	struct wf_str text = WF_STR_INIT;
	int rc = 0;

	if (from->t->n_files++ > MAX_FILES || from->depth >= MAX_DEPTH)
		return wf_err(from->err, -EINVAL, "%s: files include one another without end", file);
	rc = wf_file_read_text(file, 256 << 20, &text, from->err);
	if (!rc)
		split(&s, wf_str_cstr(&text));
	while (!rc && s.at < s.n)
		rc = s.l[s.at].indent || is_item(&s.l[s.at]) ? bad(&s, s.at, "\"KEY: VALUE\" is expected here") : entry(&s, map);
	free(s.l);
	wf_str_done(&text);
	return rc;
}

struct imp_value *
imp_yaml_read(struct imp_tree *t, const char *file, struct wf_err *err)
{
	const char *name = imp_text(t, "%s", file);
	struct imp_value *map = imp_value_new(t, IMP_MAP, name, 1);
	struct lines s = { .t = t, .file = name, .err = err };

	return read_into(&s, name, map) ? NULL : map;
}
