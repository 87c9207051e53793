// SPDX-License-Identifier: Apache-2.0
#include "dns/zone/lexer.h"

#include <errno.h>
#include <string.h>

/* A record has at most 64 KiB, in text at most four characters a byte. */
#define ENTRY_MAX (5 * 65536)

void
dns_lexer_init(struct dns_lexer *l, const char *name, const char *text, size_t size)
{
	memset(l, 0, sizeof *l);
	l->name = name;
	l->p = text;
	l->end = text + size;
	l->line = 1;
}

void
dns_lexer_done(struct dns_lexer *l)
{
	wf_str_done(&l->entry);
}

static void
put_blank(struct dns_lexer *l)
{
	if (l->entry.len && l->entry.s[l->entry.len - 1] != ' ')
		wf_str_putc(&l->entry, ' ');
}

/* The character before 'p' and all behind it that mean nothing to the lexer. */
static void
put_run(struct dns_lexer *l)
{
	static const bool is_special[256] = {
		['\0'] = true, ['\n'] = true, ['"'] = true, ['\\'] = true, [';'] = true,  ['('] = true,
		[')'] = true,  [' '] = true,  ['\t'] = true, ['\r'] = true, ['\f'] = true,
	};
	const char *start = l->p - 1;

	while (l->p < l->end && !is_special[(unsigned char)*l->p])
		l->p++;
	wf_str_putn(&l->entry, start, l->p - start);
}

int
dns_lexer_next(struct dns_lexer *l, struct wf_err *err)
{
	unsigned depth = 0, quote_line = 0, paren_line = 0;
	bool at_start = true;

	wf_str_truncate(&l->entry, 0);
	l->starts_blank = false;
	while (l->p < l->end) {
		char c = *l->p++;

		if (at_start) {
			l->entry_line = l->line;
			l->starts_blank = c == ' ' || c == '\t';
			at_start = false;
		}
		if (l->entry.len > ENTRY_MAX)
			return wf_err(err, -EINVAL, "%s:%u: the entry that begins here is longer than %u characters; is a parenthesis or quote left open?", l->name, l->entry_line, ENTRY_MAX);
		if (!c)
			return wf_err(err, -EINVAL, "%s:%u: there is a NUL byte here; a zone file is text", l->name, l->line);
		if (c == '\n')
			l->line++;
		if (quote_line) {
			if (c == '\n')
				return wf_err(err, -EINVAL, "%s:%u: the quote that opens here is not closed on its line", l->name, quote_line);
			wf_str_putc(&l->entry, c);
			if (c == '"')
				quote_line = 0;
			else if (c == '\\' && l->p < l->end && *l->p != '\n' && *l->p)
				wf_str_putc(&l->entry, *l->p++);
			continue;
		}
		switch (c) {
		case '"':
			quote_line = l->line;
			wf_str_putc(&l->entry, c);
			break;
		case '\\':
			wf_str_putc(&l->entry, c);
			if (l->p < l->end && *l->p != '\n' && *l->p)
				wf_str_putc(&l->entry, *l->p++);
			break;
		case ';':
			while (l->p < l->end && *l->p != '\n')
				l->p++;
			break;
		case '(':
			if (!depth++)
				paren_line = l->line;
			put_blank(l);
			break;
		case ')':
			if (!depth--)
				return wf_err(err, -EINVAL, "%s:%u: \")\" without \"(\"", l->name, l->line);
			put_blank(l);
			break;
		case '\n':
			if (depth) {
				put_blank(l);
				break;
			}
			wf_str_chomp(&l->entry, ' ');
			if (l->entry.len)
				return 1;
			at_start = true;
			break;
		case ' ':
		case '\t':
		case '\r':
		case '\f':
			put_blank(l);
			break;
		default:
			put_run(l);
			break;
		}
	}
	if (quote_line)
		return wf_err(err, -EINVAL, "%s:%u: the quote that opens here is not closed on its line", l->name, quote_line);
	if (depth)
		return wf_err(err, -EINVAL, "%s:%u: the parenthesis that opens here is never closed", l->name, paren_line);
	wf_str_chomp(&l->entry, ' ');
	return l->entry.len ? 1 : 0;
}

char *
dns_word(char **at)
{
	char *p = *at, *start;
	bool quoted = false;

	while (*p == ' ')
		p++;
	if (!*p)
		return NULL;
	start = p;
	for (; *p && (quoted || *p != ' '); p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	if (*p)
		*p++ = '\0';
	*at = p;
	return start;
}
