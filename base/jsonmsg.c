// SPDX-License-Identifier: Apache-2.0
#include "base/jsonmsg.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* jansson's own limit is 2048; RFC 8259 section 9 lets a parser set one. */
#define MAX_DEPTH 1000

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A message is an object or an array; a lone number would have no end of its own, so
 * that anything else at the top is an error. */
static int
step_top(struct wf_jsonmsg *s, uint8_t c)
{
	if (is_space(c))
		return 0;
	if (c != '{' && c != '[')
		return -EBADMSG;
	s->started = 1;
	s->depth = 1;
	return 0;
}

static void
step_string(struct wf_jsonmsg *s, uint8_t c)
{
	if (s->escape)
		s->escape = 0;
	else if (c == '\\')
		s->escape = 1;
	else if (c == '"')
		s->in_string = 0;
}

/* Returns 1 at the end of the text.  Whether brackets match in kind is left to the
 * parser; here only their number matters. */
static int
step_value(struct wf_jsonmsg *s, uint8_t c)
{
	switch (c) {
	case '"':
		s->in_string = 1;
		return 0;
	case '{':
	case '[':
		return ++s->depth > MAX_DEPTH ? -EMSGSIZE : 0;
	case '}':
	case ']':
		return --s->depth == 0;
	default:
		/* Control characters other than white space occur nowhere in JSON. */
		return c < 0x20 && !is_space(c) ? -EBADMSG : 0;
	}
}

ssize_t
wf_jsonmsg_scan(struct wf_jsonmsg *s, const uint8_t *data, size_t size, size_t max_size)
{
	while (s->scanned < size) {
		uint8_t c = data[s->scanned];
		int rc = 0;

		if (s->scanned >= max_size)
			return -EMSGSIZE;
		if (!s->started)
			rc = step_top(s, c);
		else if (s->in_string)
			step_string(s, c);
		else
			rc = step_value(s, c);
		if (rc < 0)
			return rc;
		s->scanned++;
		if (rc > 0) {
			ssize_t end = s->scanned;

			memset(s, 0, sizeof(*s));
			return end;
		}
	}
	return size >= max_size && size ? -EMSGSIZE : 0;
}
