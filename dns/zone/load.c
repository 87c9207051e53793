// SPDX-License-Identifier: Apache-2.0
#include "dns/zone/load.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "dns/zone/build_zone.h"
#include "dns/zone/lexer.h"
#include "dns/zone/load_internal.h"

#define MAX_INCLUDE_DEPTH 16
#define MAX_TTL 0x7fffffffu /* RFC 2181 section 8 */

unsigned
dns_type_from_text(const char *t)
{
	char *end;

	if (!strncasecmp(t, "TYPE", 4) && isdigit((unsigned char)t[4])) {
		unsigned long v = strtoul(t + 4, &end, 10);

		return *end || v > 65535 ? 0 : v;
	}
	if (!strcasecmp(t, "ANY"))
		return DNS_ANY;
	return ldns_get_rr_type_by_name(t);
}

const char *
dns_type_text(unsigned type)
{
	static __thread char text[24];
	const ldns_rr_descriptor *d = ldns_rr_descript(type);

	if (type == DNS_ANY)
		return "ANY";
	if (d && d->_name && d->_type == (ldns_rr_type)type)
		return d->_name;
	snprintf(text, sizeof text, "TYPE%u", type);
	return text;
}

const char *
dns_rcode_text(unsigned rcode)
{
	const ldns_lookup_table *t = ldns_lookup_by_id(ldns_rcodes, rcode);

	return t ? t->name : "an unknown rcode";
}

/* "3600", "1h30m" (BIND's units).  Returns false if it is no time. */
static bool
parse_ttl(const char *t, uint32_t *ttl)
{
	uint64_t total = 0;

	if (!isdigit((unsigned char)*t))
		return false;
	while (*t) {
		uint64_t v = 0;

		if (!isdigit((unsigned char)*t))
			return false;
		for (; isdigit((unsigned char)*t); t++)
			if ((v = v * 10 + (*t - '0')) > UINT32_MAX)
				return false;
		switch (tolower((unsigned char)*t)) {
		case 'w':
			v *= 7; /* fall through */
		case 'd':
			v *= 24; /* fall through */
		case 'h':
			v *= 60; /* fall through */
		case 'm':
			v *= 60; /* fall through */
		case 's':
			t++;
			break;
		case '\0':
			break;
		default:
			return false;
		}
		total += v;
	}
	if (total > MAX_TTL)
		return false;
	*ttl = total;
	return true;
}

int
dns_load_fail(const struct dns_load *l, struct wf_err *err, const char *fmt, ...)
{
	struct wf_err what = { "" };
	va_list args;

	va_start(args, fmt);
	vsnprintf(what.text, sizeof what.text, fmt, args);
	va_end(args);
	return wf_err(err, -EINVAL, "%s:%u: %s", l->lexer.name, l->lexer.entry_line, what.text);
}

static int
hex_digit(char c)
{
	return isdigit((unsigned char)c)		     ? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							     : -1;
}

/* "\# LENGTH HEX": data of any type as bytes (RFC 3597 section 5). */
static int
parse_bytes(struct dns_load *l, const char *text, uint8_t *rdata, size_t *rdlen, struct wf_err *err)
{
	char *end;
	unsigned long want = strtoul(text, &end, 10);
	size_t n = 0;

	if (end != text && want <= UINT16_MAX) {
		for (text = end;; text++) {
			int high, low;

			if (*text == ' ')
				continue;
			high = *text ? hex_digit(text[0]) : -1;
			low = high >= 0 ? hex_digit(text[1]) : -1;
			if (low < 0 || n == want)
				break;
			rdata[n++] = high << 4 | low;
			text++;
		}
		if (!*text && n == want) {
			*rdlen = n;
			return 0;
		}
	}
	return dns_load_fail(l, err, "the data is not \\# LENGTH HEX with as many bytes as LENGTH says, at most 65535");
}

/* What ldns makes of the data of one record. */
static int
parse_rdata(struct dns_load *l, unsigned type, const char *text, uint8_t *rdata, size_t *rdlen,
	    struct wf_err *err)
{
	const char *type_text = dns_type_text(type);
	ldns_rr *rr = NULL;
	ldns_status st;
	size_t n = 0;
	char *line;

	if (type == DNS_A && inet_pton(AF_INET, text, rdata) == 1) {
		*rdlen = 4;
		return 0;
	}
	if (type == DNS_AAAA && inet_pton(AF_INET6, text, rdata) == 1) {
		*rdlen = 16;
		return 0;
	}
	if (!strncmp(text, "\\# ", 3))
		return parse_bytes(l, text + 3, rdata, rdlen, err);
	if (strlen(text) > LDNS_MAX_LINELEN - 64)
		return dns_load_fail(l, err, "the data of this %s record is longer than %u characters, which ldns does not read; split the record", type_text, LDNS_MAX_LINELEN - 64);
	line = wf_xasprintf(". 0 IN %s %s", type_text, text);
	st = ldns_rr_new_frm_str(&rr, line, 0, l->ldns_origin, NULL);
	free(line);
	if (st != LDNS_STATUS_OK)
		return dns_load_fail(l, err, "%s record: %s: \"%.200s\"", type_text, ldns_get_errorstr_by_id(st), text);
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		ldns_rdf *f = ldns_rr_rdf(rr, i);

		if (n + ldns_rdf_size(f) > DNS_MESSAGE_MAX) {
			ldns_rr_free(rr);
			return dns_load_fail(l, err, "%s record: its data is longer than 65535 bytes", type_text);
		}
		if (ldns_rdf_size(f))
			memcpy(rdata + n, ldns_rdf_data(f), ldns_rdf_size(f));
		n += ldns_rdf_size(f);
	}
	/* Fields at the end may be missing for some types (ISDN); no record has none of what its
	 * type demands, but ldns lets "A" without an address pass. */
	if (ldns_rr_rd_count(rr) < ldns_rr_descriptor_minimum(ldns_rr_descript(type))) {
		ldns_rr_free(rr);
		return dns_load_fail(l, err, "%s record: its data is not complete: \"%.200s\"", type_text, text);
	}
	ldns_rr_free(rr);
	*rdlen = n;
	return 0;
}

/* Types that no zone may hold. */
int
dns_load_check_type(unsigned type, struct wf_err *err)
{
	switch (type) {
	case 0:
	case DNS_OPT:
		return wf_err(err, -EINVAL, "type %s can't be in a zone", dns_type_text(type));
	}
	if (type >= 128 && type <= 255) /* RFC 6895 section 3.1: questions and meta types */
		return wf_err(err, -EINVAL, "type %s can't be in a zone", dns_type_text(type));
	return 0;
}

int
dns_load_record(struct dns_load *l, const struct dns_name *owner, char *rest, struct wf_err *err)
{
	uint32_t ttl = 0;
	bool have_ttl = false, have_class = false;
	unsigned type = 0;
	struct wf_err why = { "" };
	uint8_t *rdata = l->rdata;
	size_t rdlen = 0;
	char *word;
	int rc;

	while ((word = dns_word(&rest))) {
		if (!have_ttl && parse_ttl(word, &ttl)) {
			have_ttl = true;
		} else if (!have_class && !strcasecmp(word, "IN")) {
			have_class = true;
		} else if (!have_class && (!strcasecmp(word, "CH") || !strcasecmp(word, "HS") || !strncasecmp(word, "CLASS", 5))) {
			return dns_load_fail(l, err, "class %s: only class IN is served", word);
		} else {
			type = dns_type_from_text(word);
			if (!type)
				return dns_load_fail(l, err, "\"%.100s\" is no record type; one that is not known by name is written TYPE123 \\# LENGTH HEX", word);
			break;
		}
	}
	if (!word)
		return dns_load_fail(l, err, "a record without a type");
	rc = dns_load_check_type(type, &why);
	if (rc)
		return dns_load_fail(l, err, "%s", why.text);
	while (*rest == ' ')
		rest++;
	rc = parse_rdata(l, type, rest, rdata, &rdlen, err);
	if (rc)
		return rc;
	if (have_ttl) {
		l->last_ttl = ttl;
		l->have_last_ttl = true;
	} else if (l->have_default_ttl) {
		ttl = l->default_ttl;
	} else if (l->have_last_ttl) {
		ttl = l->last_ttl; /* RFC 1035 section 5.1 */
	} else if (type == DNS_SOA && rdlen >= 20) {
		l->last_ttl = ttl = dns_get32(rdata + rdlen - 4);
		l->have_last_ttl = true;
	} else {
		return dns_load_fail(l, err, "the record has no TTL and none stands before it; begin the file with \"$TTL 3600\"");
	}
	rc = dns_zone_builder_add(&l->builder, owner, type, ttl, rdata, rdlen, &why);
	if (rc < 0)
		return dns_load_fail(l, err, "%s", why.text);
	if (rc > 0 && l->builder.n_out_of_zone == 1 && l->builder.warnings) {
		char text[DNS_NAME_TEXT_MAX];

		wf_str_fmt(l->builder.warnings, "%s:%u: %s is not in zone %s and left out\n", l->lexer.name, l->lexer.entry_line, dns_name_text(owner->wire, text), l->builder.zone->text);
	}
	return 0;
}

static int
set_origin(struct dns_load *l, const struct dns_name *origin)
{
	ldns_rdf_deep_free(l->ldns_origin);
	l->origin = *origin;
	l->ldns_origin = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, origin->size, origin->wire);
	return l->ldns_origin ? 0 : -ENOMEM;
}

/* $INCLUDE FILE [ORIGIN]: origin and owner are what they were after it (RFC 1035 section 5.1). */
static int
include(struct dns_load *l, char *rest, struct wf_err *err)
{
	struct dns_lexer outer = l->lexer;
	struct dns_name origin = l->origin, owner = l->owner;
	bool have_owner = l->have_owner;
	char *file = dns_word(&rest), *word = dns_word(&rest), *path;
	const char *slash = strrchr(l->lexer.name, '/');
	struct dns_name inner;
	struct wf_err why = { "" };
	int rc;

	if (!file || dns_word(&rest))
		return dns_load_fail(l, err, "$INCLUDE takes a file and maybe an origin");
	if (!l->path)
		return dns_load_fail(l, err, "$INCLUDE: not in a zone that does not come from a file");
	if (l->depth == MAX_INCLUDE_DEPTH)
		return dns_load_fail(l, err, "$INCLUDE %s: files include each other more than %u deep", file, MAX_INCLUDE_DEPTH);
	if (word) {
		if (dns_name_from_text(&inner, word, l->origin.wire, &why))
			return dns_load_fail(l, err, "$INCLUDE: %s", why.text);
		set_origin(l, &inner);
	}
	if (file[0] == '"' && strlen(file) >= 2 && file[strlen(file) - 1] == '"') {
		file[strlen(file) - 1] = '\0';
		file++;
	}
	if (file[0] == '/' || !slash)
		path = wf_xstrdup(file);
	else
		path = wf_xasprintf("%.*s/%s", (int)(slash - l->lexer.name), l->lexer.name, file);
	l->depth++;
	rc = dns_load_file(l, path, &why);
	l->depth--;
	l->lexer = outer;
	if (rc == -EINVAL)
		wf_err(err, rc, "%s", why.text);
	else if (rc)
		rc = dns_load_fail(l, err, "$INCLUDE: %s", why.text);
	free(path);
	set_origin(l, &origin);
	l->owner = owner;
	l->have_owner = have_owner;
	return rc;
}

static int
directive(struct dns_load *l, char *entry, struct wf_err *err)
{
	char *rest = entry, *word = dns_word(&rest), *value;
	struct wf_err why = { "" };
	struct dns_name name;

	if (!strcasecmp(word, "$INCLUDE"))
		return include(l, rest, err);
	if (!strcasecmp(word, "$GENERATE"))
		return dns_load_generate(l, rest, err);
	value = dns_word(&rest);
	if (!value || dns_word(&rest))
		return dns_load_fail(l, err, "%s takes one value", word);
	if (!strcasecmp(word, "$ORIGIN")) {
		if (dns_name_from_text(&name, value, l->origin.wire, &why))
			return dns_load_fail(l, err, "$ORIGIN: %s", why.text);
		return set_origin(l, &name);
	}
	if (!strcasecmp(word, "$TTL")) {
		if (!parse_ttl(value, &l->default_ttl))
			return dns_load_fail(l, err, "$TTL %s: it takes seconds up to 2147483647, or a time like 1h30m", value);
		l->have_default_ttl = true;
		return 0;
	}
	return dns_load_fail(l, err, "no directive %s; there are $ORIGIN, $TTL, $INCLUDE and $GENERATE", word);
}

static int
load_entries(struct dns_load *l, struct wf_err *err)
{
	int rc;

	while ((rc = dns_lexer_next(&l->lexer, err)) > 0) {
		char *entry = l->lexer.entry.s, *word;
		struct wf_err why = { "" };

		if (!l->lexer.starts_blank && entry[0] == '$') {
			rc = directive(l, entry, err);
		} else {
			if (!l->lexer.starts_blank) {
				word = dns_word(&entry);
				if (dns_name_from_text(&l->owner, word, l->origin.wire, &why))
					return dns_load_fail(l, err, "%s", why.text);
				l->have_owner = true;
			} else if (!l->have_owner) {
				return dns_load_fail(l, err, "the line begins with white space, and there is no owner before it");
			}
			rc = dns_load_record(l, &l->owner, entry, err);
		}
		if (rc)
			return rc;
	}
	return rc;
}

int
dns_load_file(struct dns_load *l, const char *path, struct wf_err *err)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	char *text;
	size_t size = 0, n, room;
	int rc;

	if (!f)
		return wf_err(err, -errno == -EINVAL ? -EIO : -errno, "%s: %s", path, strerror(errno));
	if (fstat(fileno(f), &st) || !S_ISREG(st.st_mode)) {
		fclose(f);
		return wf_err(err, -EISDIR, "%s: it is no file", path);
	}
	dns_zone_note_file(l->builder.zone, path, &st);
	/* Few records take less than 32 characters; a table that is too large costs 16 bytes a name. */
	if (!l->depth)
		dns_zone_reserve(l->builder.zone, st.st_size / 32);
	room = st.st_size + 1;
	text = wf_xmalloc(room);
	while ((n = fread(text + size, 1, room - size, f)) > 0)
		if ((size += n) == room)
			text = wf_xrealloc(text, room *= 2);
	rc = ferror(f) ? wf_err(err, -EIO, "%s: it can't be read", path) : 0;
	fclose(f);
	if (!rc) {
		dns_lexer_init(&l->lexer, path, text, size);
		rc = load_entries(l, err);
		dns_lexer_done(&l->lexer);
	}
	free(text);
	return rc;
}

static int
load(const struct dns_name *apex, const char *name, const char *path, const char *text, size_t size,
     dns_zone_more_fn *more, void *arg, struct dns_zone **ret, struct wf_str *warnings,
     struct wf_err *err)
{
	struct dns_load *l = wf_xzalloc(sizeof *l);
	struct wf_err why = { "" };
	int rc;

	l->path = path;
	set_origin(l, apex);
	dns_zone_builder_init(&l->builder, apex, warnings);
	if (path) {
		rc = dns_load_file(l, path, err);
	} else {
		dns_lexer_init(&l->lexer, name, text, size);
		rc = load_entries(l, err);
		dns_lexer_done(&l->lexer);
	}
	if (!rc && more && (rc = more(arg, &l->builder, &why)))
		wf_err(err, rc, "%s: %s", name, why.text);
	if (!rc) {
		rc = dns_zone_builder_finish(&l->builder, ret, &why);
		if (rc)
			wf_err(err, rc, "%s: %s", name, why.text);
		else
			(*ret)->path = wf_xstrdup(name);
	}
	dns_zone_builder_done(&l->builder);
	ldns_rdf_deep_free(l->ldns_origin);
	free(l);
	return rc;
}

int
dns_zone_load(const struct dns_name *apex, const char *path, dns_zone_more_fn *more, void *arg,
	      struct dns_zone **ret, struct wf_str *warnings, struct wf_err *err)
{
	return load(apex, path, path, NULL, 0, more, arg, ret, warnings, err);
}

int
dns_zone_load_text(const struct dns_name *apex, const char *name, const char *text, size_t size,
		   struct dns_zone **ret, struct wf_str *warnings, struct wf_err *err)
{
	return load(apex, name, NULL, text, size, NULL, NULL, ret, warnings, err);
}
