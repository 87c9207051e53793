// SPDX-License-Identifier: Apache-2.0
/* $GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA: one record a number, as BIND's.
 * In owner and data "$" is the number, "${OFFSET,WIDTH,BASE}" the number plus OFFSET with at least WIDTH
 * digits in BASE (d, o, x or X), "\$" and "$$" a dollar. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/zone/load_internal.h"

/* A line may not fill the memory. */
#define MAX_RECORDS 16777216

static bool
put_number(struct wf_str *s, const char **at, long v)
{
	const char *p = *at;
	long offset = 0;
	int width = 0;
	char base = 'd', buf[160];

	if (*p == '{') {
		char *end;

		offset = strtol(p + 1, &end, 10);
		p = end;
		if (*p == ',') {
			width = strtol(p + 1, &end, 10);
			p = end;
			if (*p == ',') {
				base = p[1];
				p += base ? 2 : 1;
			}
		}
		if (*p != '}' || width < 0 || width > 128 || offset > INT_MAX || offset < -INT_MAX)
			return false;
		p++;
	}
	v += offset;
	if (v < 0)
		return false;
	switch (base) {
	case 'd':
		snprintf(buf, sizeof buf, "%0*ld", width, v);
		break;
	case 'o':
		snprintf(buf, sizeof buf, "%0*lo", width, v);
		break;
	case 'x':
		snprintf(buf, sizeof buf, "%0*lx", width, v);
		break;
	case 'X':
		snprintf(buf, sizeof buf, "%0*lX", width, v);
		break;
	default:
		return false;
	}
	wf_str_put(s, buf);
	*at = p;
	return true;
}

static bool
expand(struct wf_str *s, const char *t, long v)
{
	wf_str_truncate(s, 0);
	while (*t) {
		if (*t == '\\' && t[1] == '$') {
			wf_str_putc(s, '$');
			t += 2;
		} else if (*t == '\\' && t[1]) {
			wf_str_putn(s, t, 2);
			t += 2;
		} else if (*t == '$' && t[1] == '$') {
			wf_str_putc(s, '$');
			t += 2;
		} else if (*t == '$') {
			t++;
			if (!put_number(s, &t, v))
				return false;
		} else {
			wf_str_putc(s, *t++);
		}
	}
	return true;
}

int
dns_load_generate(struct dns_load *l, char *rest, struct wf_err *err)
{
	char *range = dns_word(&rest), *owner_text = dns_word(&rest), *end = NULL;
	struct wf_str s = WF_STR_INIT;
	long start, stop, step = 1;
	int rc = 0;

	if (!range || !owner_text || !*rest)
		return dns_load_fail(l, err, "$GENERATE takes START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA");
	start = strtol(range, &end, 10);
	stop = *end == '-' ? strtol(end + 1, &end, 10) : -1;
	if (*end == '/')
		step = strtol(end + 1, &end, 10);
	if (*end || !isdigit((unsigned char)*range) || start > stop || stop > INT_MAX || step < 1)
		return dns_load_fail(l, err, "$GENERATE %.60s: it takes START-STOP or START-STOP/STEP with START up to STOP", range);
	if ((stop - start) / step >= MAX_RECORDS)
		return dns_load_fail(l, err, "$GENERATE %.60s: more than %u records", range, MAX_RECORDS);
	for (long v = start; v <= stop && !rc; v += step) {
		struct wf_err why = { "" };
		struct dns_name owner;

		if (!expand(&s, owner_text, v)) {
			rc = dns_load_fail(l, err, "$GENERATE: \"%.100s\": after $ comes nothing or {OFFSET,WIDTH,BASE} with BASE d, o, x or X, and the number may not be negative", owner_text);
		} else if (dns_name_from_text(&owner, wf_str_cstr(&s), l->origin.wire, &why)) {
			rc = dns_load_fail(l, err, "$GENERATE: %s", why.text);
		} else if (!expand(&s, rest, v)) {
			rc = dns_load_fail(l, err, "$GENERATE: \"%.100s\": after $ comes nothing or {OFFSET,WIDTH,BASE} with BASE d, o, x or X, and the number may not be negative", rest);
		} else {
			rc = dns_load_record(l, &owner, s.s, err);
		}
	}
	wf_str_done(&s);
	return rc;
}
