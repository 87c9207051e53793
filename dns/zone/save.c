// SPDX-License-Identifier: Apache-2.0
#include "dns/zone/save.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "dns/zone/delta.h"
#include "dns/zone/load.h"

/* --- the zone file ----------------------------------------------------------------------------------
 */

/* Names that every reader takes as they are; others are written as bytes (RFC 3597 section 5). */
static bool
is_plain(const uint8_t *name)
{
	for (; *name; name += 1 + *name)
		for (unsigned i = 1; i <= *name; i++)
			if (!isalnum(name[i]) && !strchr("-_*", name[i]))
				return false;
	return true;
}

static void
put_name(struct wf_str *s, const uint8_t *name)
{
	char text[DNS_NAME_TEXT_MAX];

	wf_str_put(s, dns_name_text(name, text));
}

/* The data in the type's own words.  False: nothing was written. */
static bool
put_readable(struct wf_str *s, unsigned type, const uint8_t *p, size_t len)
{
	char address[INET6_ADDRSTRLEN];
	const uint8_t *second;

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		wf_str_put(s, inet_ntop(type == DNS_A ? AF_INET : AF_INET6, p, address,
					sizeof address));
		return true;
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
	case DNS_DNAME:
		if (!is_plain(p))
			return false;
		put_name(s, p);
		return true;
	case DNS_MX:
		if (!is_plain(p + 2))
			return false;
		wf_str_fmt(s, "%u ", dns_get16(p));
		put_name(s, p + 2);
		return true;
	case DNS_SRV:
		if (!is_plain(p + 6))
			return false;
		wf_str_fmt(s, "%u %u %u ", dns_get16(p), dns_get16(p + 2), dns_get16(p + 4));
		put_name(s, p + 6);
		return true;
	case DNS_SOA:
		second = p + dns_name_size(p);
		if (!is_plain(p) || !is_plain(second))
			return false;
		put_name(s, p);
		wf_str_putc(s, ' ');
		put_name(s, second);
		second += dns_name_size(second);
		for (int i = 0; i < 5; i++)
			wf_str_fmt(s, " %u", dns_get32(second + 4 * i));
		return true;
	case DNS_TXT:
		for (size_t i = 0; i < len; i += 1u + p[i]) {
			if (i + 1 + p[i] > len)
				return false;
			for (unsigned k = 1; k <= p[i]; k++)
				if (!isprint(p[i + k]) || strchr("\"\\", p[i + k]))
					return false;
		}
		for (size_t i = 0; i < len; i += 1u + p[i])
			wf_str_fmt(s, "%s\"%.*s\"", i ? " " : "", p[i], (const char *)p + i + 1);
		return len;
	default:
		return false;
	}
}

static void
put_set(struct wf_str *s, const struct dns_node *n, const struct dns_rrset *set)
{
	const uint8_t *at = set->raw;

	for (unsigned i = 0; i < set->n; i++) {
		uint32_t ttl;
		size_t rdlen;
		const uint8_t *rdata = dns_raw_next(&at, &ttl, &rdlen);
		size_t start;

		put_name(s, n->name);
		wf_str_fmt(s, " %u IN ", ttl);
		start = s->len;
		wf_str_fmt(s, "%s ", dns_type_text(set->type));
		/* What reads text has bounds for the length of a line's data. */
		if (rdlen > 2000 || !put_readable(s, set->type, rdata, rdlen)) {
			wf_str_truncate(s, start);
			wf_str_fmt(s, "TYPE%u \\# %zu ", set->type, rdlen);
			wf_str_hex(s, rdata, rdlen);
		}
		wf_str_putc(s, '\n');
	}
}

int
dns_zone_save(const struct dns_zone *z, const char *path, struct wf_err *err)
{
	char *temporary = wf_xasprintf("%s.new", path);
	FILE *f = fopen(temporary, "we");
	struct wf_str s = WF_STR_INIT;
	int rc = f ? 0 : -errno;

	wf_str_fmt(&s, "; zone %s serial %u, kept by weft-dnsd; edits are lost\n", z->text, z->serial);
	/* The SOA first, as every reader likes it. */
	put_set(&s, z->apex, dns_node_set(z->apex, DNS_SOA));
	for (size_t i = 0; i <= z->mask && !rc; i++) {
		const struct dns_node *n = dns_zone_node_at(z, i);

		for (unsigned k = 0; n && k < n->n_sets; k++)
			if (n->sets[k].type != DNS_SOA && !n->sets[k].chosen)
				put_set(&s, n, &n->sets[k]);
		if (s.len > 65536 || i == z->mask) {
			if (fwrite(s.s, 1, s.len, f) != s.len)
				rc = -errno;
			wf_str_truncate(&s, 0);
		}
	}
	if (f && !rc && (fflush(f) || fsync(fileno(f))))
		rc = -errno;
	if (f)
		fclose(f);
	if (!rc && rename(temporary, path))
		rc = -errno;
	if (rc) {
		wf_err(err, rc, "%s: %s", temporary, strerror(-rc));
		if (f)
			unlink(temporary);
	}
	wf_str_done(&s);
	free(temporary);
	return rc;
}

/* --- the journal --------------------------------------------------------------------------------------
 *
 *   "weftdnsj" | version 1 (4 bytes) | number of deltas (4) | apex
 *   a delta: size of its records (8) | CRC-32C of what follows (4) | from, to, removed, added (4 each)
 *            | records
 */
#define MAGIC	    "weftdnsj\0\0\0\1"
#define MAGIC_SIZE  12
#define DELTA_HEAD  28
#define JOURNAL_MAX ((size_t)1 << 32)

int
dns_journal_save(const struct dns_zone *z, const char *path, struct wf_err *err)
{
	struct wf_buf b = WF_BUF_INIT;
	int rc;

	wf_buf_put(&b, MAGIC, MAGIC_SIZE);
	dns_put32(wf_buf_put_uninit(&b, 4), z->n_deltas);
	wf_buf_put(&b, z->apex->name, z->apex->name_size);
	for (size_t i = 0; i < z->n_deltas; i++) {
		const struct dns_delta *d = z->deltas[i];
		uint8_t *p = wf_buf_put_uninit(&b, DELTA_HEAD + d->size);

		dns_put32(p, (uint64_t)d->size >> 32);
		dns_put32(p + 4, d->size);
		dns_put32(p + 12, d->from);
		dns_put32(p + 16, d->to);
		dns_put32(p + 20, d->n_removed);
		dns_put32(p + 24, d->n_added);
		memcpy(p + DELTA_HEAD, d->bytes, d->size);
		dns_put32(p + 8, wf_crc32c(0, p + 12, DELTA_HEAD - 12 + d->size));
	}
	rc = wf_file_replace(path, b.data, b.size, err);
	wf_buf_done(&b);
	return rc;
}

/* The records fill 'size' bytes exactly. */
static bool
records_are_whole(const uint8_t *p, size_t size, uint64_t n)
{
	for (; n; n--) {
		struct dns_name name;
		size_t used = dns_name_read_lower(&name, p, size);

		if (!used || used + 8 > size || used + 8 + dns_get16(p + used + 6) > size)
			return false;
		used += 8 + dns_get16(p + used + 6);
		p += used;
		size -= used;
	}
	return !size;
}

static bool
read_deltas(struct dns_zone *z, const uint8_t *p, size_t size)
{
	size_t n;

	if (size < MAGIC_SIZE + 4 + z->apex->name_size || memcmp(p, MAGIC, MAGIC_SIZE) ||
	    memcmp(p + MAGIC_SIZE + 4, z->apex->name, z->apex->name_size))
		return false;
	n = dns_get32(p + MAGIC_SIZE);
	p += MAGIC_SIZE + 4 + z->apex->name_size;
	size -= MAGIC_SIZE + 4 + z->apex->name_size;
	if (n > size / DELTA_HEAD)
		return false;
	z->deltas = wf_xmalloc((n + 1) * sizeof(z->deltas[0]));
	for (size_t i = 0; i < n; i++) {
		uint64_t d_size;
		struct dns_delta *d;

		if (size < DELTA_HEAD)
			return false;
		d_size = (uint64_t)dns_get32(p) << 32 | dns_get32(p + 4);
		if (d_size > size - DELTA_HEAD ||
		    wf_crc32c(0, p + 12, DELTA_HEAD - 12 + d_size) != dns_get32(p + 8) ||
		    !records_are_whole(p + DELTA_HEAD, d_size,
				       (uint64_t)dns_get32(p + 20) + dns_get32(p + 24)))
			return false;
		d = dns_delta_new(dns_get32(p + 12), dns_get32(p + 16), p + DELTA_HEAD, d_size,
				  dns_get32(p + 20), dns_get32(p + 24));
		z->deltas[z->n_deltas++] = d;
		if (i && z->deltas[i - 1]->to != d->from)
			return false;
		p += DELTA_HEAD + d_size;
		size -= DELTA_HEAD + d_size;
	}
	return !size;
}

int
dns_journal_load(struct dns_zone *z, const char *path, struct wf_err *err)
{
	struct wf_str s = WF_STR_INIT;
	int rc = wf_file_read(path, JOURNAL_MAX, &s, err);

	if (!rc && !read_deltas(z, (const uint8_t *)s.s, s.len))
		rc = wf_err(err, -EINVAL,
			    "%s: the journal is damaged; secondaries get the whole zone once", path);
	if (!rc && z->n_deltas && z->deltas[z->n_deltas - 1]->to != z->serial)
		rc = wf_err(err, -ESTALE, "%s: the journal leads to serial %u, the zone has %u", path,
			    z->deltas[z->n_deltas - 1]->to, z->serial);
	if (rc) {
		for (size_t i = 0; i < z->n_deltas; i++)
			dns_delta_unref(z->deltas[i]);
		z->n_deltas = 0;
	}
	wf_str_done(&s);
	return rc;
}
