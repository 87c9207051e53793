// SPDX-License-Identifier: Apache-2.0
/* Zone files, gdnsd's (gdnsd.zonefile(5)) too, with some records taken out and included files put in place. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "dns/import/internal.h"

#define MAX_DEPTH 16
#define MAX_TOKENS 8 /* of a record, those that are looked at */

struct zone_scan {
	struct imp_tree *t;
	const char *zone;	 /* absolute, with the last dot */
	const char *file, *file_origin, *origin;
	unsigned depth, default_ttl;
	const char *owner;	 /* of the record before, absolute */
	bool owner_is_told;	 /* what was written last says it */
	struct wf_str *out;
	bool expands;
	imp_record_fn *fn;
	void *arg;
	struct wf_err *err;
};

static int read_zone(struct zone_scan *, const char *file);

/* Replaces @Z and @F, as a whole name or the last label of one. */
static const char *
expand(const struct zone_scan *s, const char *name)
{
	size_t n = strlen(name);
	const char *to;

	if (!s->expands || n < 2 || name[n - 2] != '@' || (name[n - 1] != 'Z' && name[n - 1] != 'F') || (n > 2 && name[n - 3] != '.'))
		return name;
	to = name[n - 1] == 'Z' ? s->zone : s->file_origin;
	return imp_text(s->t, "%.*s%s", (int)(n - 2), name, to);
}

static const char *
absolute(const struct zone_scan *s, const char *name)
{
	size_t n;

	name = expand(s, name);
	n = strlen(name);
	if (!strcmp(name, "@"))
		return s->origin;
	if (n && name[n - 1] == '.')
		return name;
	return strcmp(s->origin, ".") ? imp_text(s->t, "%s.%s", name, s->origin) : imp_text(s->t, "%s.", name);
}

/* A time as in zone files: 600, 10m, 1h30m. */
static bool
parse_ttl(const char *text, const char *end, unsigned *ret)
{
	unsigned long sum = 0;

	if (text == end || !isdigit((unsigned char)*text))
		return false;
	while (text < end) {
		char *unit;
		unsigned long n = strtoul(text, &unit, 10);

		if (unit == text || unit > end || n > UINT32_MAX)
			return false;
		text = unit;
		if (text < end) {
			const char *units = "smhdw", *u = strchr(units, tolower((unsigned char)*text));
			static const unsigned seconds[] = { 1, 60, 3600, 86400, 604800 };

			if (!u)
				return false;
			n *= seconds[u - units];
			text++;
		}
		sum += n;
	}
	*ret = sum > UINT32_MAX ? UINT32_MAX : (unsigned)sum;
	return true;
}

/* A logical line: up to a newline outside of quotes and parentheses, comments left out.  Returns its end. */
static const char *
logical_line(const char *at, struct wf_str *out, unsigned *n_lines)
{
	bool quoted = false;
	int depth = 0;

	for (; *at; at++) {
		if (*at == '\\' && at[1] && at[1] != '\n') {
			wf_str_putc(out, *at++);
			wf_str_putc(out, *at);
			continue;
		}
		if (*at == '"')
			quoted = !quoted;
		if (!quoted && *at == ';')
			at += strcspn(at, "\n");
		if (!*at)
			break;
		if (!quoted)
			depth += (*at == '(') - (*at == ')');
		if (*at == '\n') {
			++*n_lines;
			if (!quoted && depth <= 0)
				return at + 1;
			wf_str_putc(out, quoted ? '\n' : ' ');
		} else if (*at != '\r') {
			wf_str_putc(out, *at);
		}
	}
	return at;
}

/* Up to MAX_TOKENS words of 'line'; where each begins is put into 'at'. */
static unsigned
tokens(struct imp_tree *t, const char *line, const char *words[MAX_TOKENS], size_t at[MAX_TOKENS])
{
	const char *p = line;
	unsigned n = 0;

	while (n < MAX_TOKENS) {
		const char *start;

		p += strspn(p, " \t()");
		if (!*p)
			break;
		start = p;
		while (*p && !strchr(" \t()", *p))
			p += *p == '\\' && p[1] ? 2 : 1;
		at[n] = (size_t)(start - line);
		words[n++] = imp_text(t, "%.*s", (int)(p - start), start);
	}
	return n;
}

/* The rest of a record, with names that end in @Z and @F replaced. */
static void
put_rest(const struct zone_scan *s, const char *rest)
{
	bool quoted = false;

	while (*rest) {
		size_t n;

		if (quoted || strchr(" \t()\"", *rest)) {
			if (*rest == '\\' && rest[1])
				wf_str_putc(s->out, *rest++);
			else if (*rest == '"')
				quoted = !quoted;
			wf_str_putc(s->out, *rest++);
			continue;
		}
		for (n = 0; rest[n] && !strchr(" \t()\"", rest[n]);)
			n += rest[n] == '\\' && rest[n + 1] ? 2 : 1;
		wf_str_put(s->out, expand(s, imp_text(s->t, "%.*s", (int)n, rest)));
		rest += n;
	}
	wf_str_putc(s->out, '\n');
}

static int
directive(struct zone_scan *s, const char *words[], unsigned n, unsigned line)
{
	if (!strcasecmp(words[0], "$ORIGIN") && n == 2) {
		s->origin = absolute(s, words[1]);
		wf_str_fmt(s->out, "$ORIGIN %s\n", s->origin);
	} else if (!strcasecmp(words[0], "$TTL") && n == 2) {
		if (!parse_ttl(words[1], words[1] + strlen(words[1]), &s->default_ttl))
			return wf_err(s->err, -EINVAL, "%s:%u: $TTL %s: is no time", s->file, line, words[1]);
		wf_str_fmt(s->out, "$TTL %u\n", s->default_ttl);
	} else if (!strcasecmp(words[0], "$INCLUDE") && (n == 2 || n == 3)) {
		struct zone_scan in = *s;
		char *name = (char *)words[1];
		size_t len = strlen(name);
		int rc;

		if (len > 1 && name[0] == '"' && name[len - 1] == '"')
			name = imp_text(s->t, "%.*s", (int)len - 2, name + 1);
		if (++in.depth > MAX_DEPTH)
			return wf_err(s->err, -EINVAL, "%s:%u: files include one another without end", s->file, line);
		if (n == 3)
			in.origin = absolute(s, words[2]);
		in.file_origin = in.origin;
		wf_str_fmt(s->out, "$ORIGIN %s\n", in.origin);
		rc = read_zone(&in, imp_path(s->t, s->file, name));
		if (rc)
			return rc;
		wf_str_fmt(s->out, "$ORIGIN %s\n$TTL %u\n", s->origin, s->default_ttl);
		s->owner_is_told = false;
	} else {
		return -ENOTSUP;
	}
	return 0;
}

/* "MAX[/MIN]"; without MIN it is half of MAX. */
static bool
dyn_ttl(const char *text, unsigned *max, unsigned *min)
{
	const char *slash = strchr(text, '/');

	if (!slash) {
		if (!parse_ttl(text, text + strlen(text), max))
			return false;
		*min = *max / 2;
		return true;
	}
	return parse_ttl(text, slash, max) && parse_ttl(slash + 1, text + strlen(text), min);
}

static int
record(struct zone_scan *s, const char *text, unsigned line)
{
	const char *words[MAX_TOKENS], *data;
	size_t at[MAX_TOKENS];
	bool blank = text[0] == ' ' || text[0] == '\t';
	unsigned n = tokens(s->t, text, words, at), i = !blank;
	unsigned max = s->default_ttl, min = s->default_ttl / 2, ignored, ignored2;

	if (!n)
		return 0;
	if (!blank && words[0][0] == '$') {
		int rc = directive(s, words, n, line);

		if (rc != -ENOTSUP)
			return rc;
		if (strcasecmp(words[0], "$GENERATE"))
			return wf_err(s->err, -EINVAL, "%s:%u: %s: there are $ORIGIN, $TTL, $INCLUDE and $GENERATE", s->file,
				      line, words[0]);
		wf_str_fmt(s->out, "%s\n", text);
		s->owner_is_told = false;
		return 0;
	}
	if (!blank)
		s->owner = absolute(s, words[0]);
	else if (!s->owner)
		return wf_err(s->err, -EINVAL, "%s:%u: a record without an owner, and none before it", s->file, line);
	while (i < n && (dyn_ttl(words[i], &ignored, &ignored2) || !strcasecmp(words[i], "IN")))
		if (strcasecmp(words[i], "IN")) {
			max = ignored;
			min = ignored2;
			i++;
		} else {
			i++;
		}
	if (i + 1 < n && !strcasecmp(words[i], "CNAME"))
		data = absolute(s, words[i + 1]);
	else
		data = i + 1 < n ? words[i + 1] : "";
	if (i < n && s->fn(s->arg, &(struct imp_record){ s->owner, words[i], data, max, min, s->file, line })) {
		s->owner_is_told = false;
		return 0;
	}
	if (blank && s->owner_is_told) {
		put_rest(s, text);
		return 0;
	}
	wf_str_put(s->out, blank ? s->owner : expand(s, words[0]));
	put_rest(s, text + (blank ? 0 : at[0] + strcspn(text + at[0], " \t()")));
	s->owner_is_told = true;
	return 0;
}

static int
read_zone(struct zone_scan *s, const char *file)
{
	struct wf_str text = WF_STR_INIT;
	unsigned line = 1;
	int rc = wf_file_read_text(file, (size_t)1 << 30, &text, s->err);
	const char *at = rc ? "" : wf_str_cstr(&text);

	s->file = imp_text(s->t, "%s", file);
	while (*at && !rc) {
		struct wf_str logical = WF_STR_INIT;
		unsigned first = line;

		at = logical_line(at, &logical, &line);
		rc = record(s, wf_str_cstr(&logical), first);
		wf_str_done(&logical);
	}
	wf_str_done(&text);
	return rc;
}

int
imp_zone_file(struct imp_tree *t, const char *file, const char *zone, unsigned default_ttl, bool expands, struct wf_str *out,
	      imp_record_fn *fn, void *arg, struct wf_err *err)
{
	struct zone_scan s = { .t = t, .zone = zone, .file_origin = zone, .origin = zone, .default_ttl = default_ttl,
			       .out = out, .expands = expands, .fn = fn, .arg = arg, .err = err };

	wf_str_fmt(out, "$TTL %u\n", default_ttl);
	return read_zone(&s, file);
}
