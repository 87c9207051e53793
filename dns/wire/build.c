// SPDX-License-Identifier: Apache-2.0
#include "dns/wire/build.h"

struct dns_rdata_names
dns_rdata_names(unsigned type)
{
	switch (type) {
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
	case DNS_MB:
	case DNS_MG:
	case DNS_MR:
	case DNS_MD:
	case DNS_MF:
		return (struct dns_rdata_names){ 0, 1 };
	case DNS_SOA:
	case DNS_MINFO:
		return (struct dns_rdata_names){ 0, 2 };
	case DNS_MX:
		return (struct dns_rdata_names){ 2, 1 };
	default:
		return (struct dns_rdata_names){ 0, 0 };
	}
}

static void
note_name(struct dns_build *b, size_t at)
{
	if (b->n_names < DNS_BUILD_NAMES && at <= DNS_POINTER_MAX)
		b->name_at[b->n_names++] = at;
}

void
dns_build_init(struct dns_build *b, uint8_t *buf, size_t cap, const struct dns_name *qname)
{
	b->buf = buf;
	b->size = DNS_HEADER_SIZE + qname->size + 4;
	b->cap = cap;
	b->full = b->size > cap;
	b->n_names = 0;
	b->fix = NULL;
	b->n_fix = b->max_fix = 0;
	for (unsigned i = 0; i < qname->n_labels; i++)
		note_name(b, DNS_HEADER_SIZE + qname->at[i]);
}

void
dns_build_bytes(struct dns_build *b, const void *p, size_t n)
{
	if (b->full || n > b->cap - b->size) {
		b->full = true;
		return;
	}
	memcpy(b->buf + b->size, p, n);
	b->size += n;
}

void
dns_build_pointer(struct dns_build *b, size_t to)
{
	uint8_t p[2];

	if (b->fix) {
		if (b->n_fix == b->max_fix) {
			b->full = true;
			return;
		}
		b->fix[b->n_fix++] = b->size;
	}
	dns_put16(p, 0xc000 | to);
	dns_build_bytes(b, p, 2);
}

static bool
labels_equal(const uint8_t *a, const uint8_t *b)
{
	if (a[0] != b[0])
		return false;
	for (unsigned i = 1; i <= a[0]; i++) {
		uint8_t x = a[i], y = b[i];

		if (x != y && !((x ^ y) == 0x20 && (x | 0x20) - 'a' < 26u))
			return false;
	}
	return true;
}

/* The name at 'at' in the message, which this file wrote or checked, equals 'name'. */
static bool
name_is_at(const struct dns_build *b, size_t at, const uint8_t *name)
{
	for (;;) {
		const uint8_t *p = b->buf + at;

		if (p[0] >= 0xc0) {
			at = dns_get16(p) & 0x3fff;
			continue;
		}
		if (!labels_equal(p, name))
			return false;
		if (!p[0])
			return true;
		at += 1 + p[0];
		name += 1 + name[0];
	}
}

size_t
dns_build_name(struct dns_build *b, const uint8_t *w, bool compress)
{
	size_t start = b->size;
	unsigned known = b->n_names;

	for (; *w; w += 1 + *w) {
		if (compress)
			for (unsigned i = 0; i < known; i++)
				if (name_is_at(b, b->name_at[i], w)) {
					dns_build_pointer(b, b->name_at[i]);
					return b->full ? 0 : start;
				}
		if (b->full || 1u + *w > b->cap - b->size)
			break;
		note_name(b, b->size);
		dns_build_bytes(b, w, 1 + *w);
	}
	dns_build_bytes(b, "", 1);
	if (*w)
		b->full = true;
	if (b->full) /* a name that was cut may not be pointed at */
		b->n_names = known;
	return b->full ? 0 : start;
}

size_t
dns_build_record(struct dns_build *b, unsigned type, uint32_t ttl, const uint8_t *rdata,
		 size_t rdlen)
{
	struct dns_rdata_names names = dns_rdata_names(type);
	uint8_t head[10];
	size_t start;

	dns_put16(head, type);
	dns_put16(head + 2, DNS_CLASS_IN);
	dns_put32(head + 4, ttl);
	dns_put16(head + 8, rdlen);
	dns_build_bytes(b, head, sizeof head);
	start = b->size;
	if (names.n_names) {
		const uint8_t *p = rdata + names.skip;

		dns_build_bytes(b, rdata, names.skip);
		for (unsigned i = 0; i < names.n_names; i++) {
			dns_build_name(b, p, true);
			p += dns_name_size(p);
		}
		dns_build_bytes(b, p, rdata + rdlen - p);
		if (!b->full)
			dns_put16(b->buf + start - 2, b->size - start);
	} else {
		dns_build_bytes(b, rdata, rdlen);
	}
	return start;
}
