// SPDX-License-Identifier: Apache-2.0
/* The string half of base/buf.h. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
reserve(struct wf_str *s, size_t extra)
{
	size_t need = s->len + extra + 1;

	if (need > s->allocated) {
		size_t size = s->allocated * 2 > 64 ? s->allocated * 2 : 64;

		s->allocated = size > need ? size : need;
		s->s = wf_xrealloc(s->s, s->allocated);
	}
}

void
wf_str_putn(struct wf_str *s, const char *text, size_t n)
{
	reserve(s, n);
	if (n)
		memcpy(s->s + s->len, text, n);
	s->len += n;
	s->s[s->len] = '\0';
}

void
wf_str_put(struct wf_str *s, const char *text)
{
	wf_str_putn(s, text, strlen(text));
}

void
wf_str_putc(struct wf_str *s, char c)
{
	wf_str_putn(s, &c, 1);
}

void
wf_str_vfmt(struct wf_str *s, const char *fmt, va_list args)
{
	va_list again;

	reserve(s, 32);
	va_copy(again, args);
	size_t room = s->allocated - s->len;
	int n = vsnprintf(s->s + s->len, room, fmt, args);
	if (n >= 0 && (size_t)n >= room) {
		reserve(s, n);
		n = vsnprintf(s->s + s->len, s->allocated - s->len, fmt, again);
	}
	va_end(again);
	if (n > 0)
		s->len += n;
	s->s[s->len] = '\0';
}

void
wf_str_fmt(struct wf_str *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	wf_str_vfmt(s, fmt, args);
	va_end(args);
}

void
wf_str_hex(struct wf_str *s, const void *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	reserve(s, size * 2);
	for (size_t i = 0; i < size; i++) {
		s->s[s->len++] = digits[p[i] >> 4];
		s->s[s->len++] = digits[p[i] & 15];
	}
	s->s[s->len] = '\0';
}

/* Rows of 16 bytes at multiples of 16 of the offset; a first row that starts in the
 * middle is indented:
 *   00000000  00 01 02 03 04 05 06 07-08 09 0a 0b 0c 0d 0e 0f |................|
 */
void
wf_str_hexdump(struct wf_str *s, const void *data, size_t size, size_t ofs)
{
	const uint8_t *p = data;

	while (size > 0) {
		size_t start = ofs % 16;
		size_t n = size < 16 - start ? size : 16 - start;

		wf_str_fmt(s, "%08zx  ", ofs - start);
		for (size_t i = 0; i < 16; i++) {
			if (i < start || i >= start + n)
				wf_str_put(s, "   ");
			else
				wf_str_fmt(s, "%02x%c", p[i - start], i == 7 ? '-' : ' ');
		}
		wf_str_put(s, "|");
		for (size_t i = 0; i < start; i++)
			wf_str_putc(s, ' ');
		for (size_t i = 0; i < n; i++)
			wf_str_putc(s, p[i] >= 0x20 && p[i] < 0x7f ? p[i] : '.');
		for (size_t i = start + n; i < 16; i++)
			wf_str_putc(s, ' ');
		wf_str_put(s, "|\n");

		p += n;
		ofs += n;
		size -= n;
	}
}

void
wf_str_chomp(struct wf_str *s, char c)
{
	if (s->len && s->s[s->len - 1] == c)
		s->s[--s->len] = '\0';
}

void
wf_str_truncate(struct wf_str *s, size_t len)
{
	if (len < s->len) {
		s->len = len;
		s->s[len] = '\0';
	}
}

char *
wf_str_steal(struct wf_str *s)
{
	char *text = s->s ? s->s : wf_xstrdup("");

	*s = (struct wf_str)WF_STR_INIT;
	return text;
}

const char *
wf_str_cstr(struct wf_str *s)
{
	return s->s ? s->s : "";
}

void
wf_str_done(struct wf_str *s)
{
	free(s->s);
	*s = (struct wf_str)WF_STR_INIT;
}

char *
wf_xstrdup(const char *s)
{
	return wf_xmemdup(s, strlen(s) + 1);
}

char *
wf_xasprintf(const char *fmt, ...)
{
	struct wf_str s = WF_STR_INIT;
	va_list args;

	va_start(args, fmt);
	wf_str_vfmt(&s, fmt, args);
	va_end(args);
	return wf_str_steal(&s);
}
