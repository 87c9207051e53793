// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dns/question.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "dns/wire/message.h"

#define TEXT_50	 "01234567890123456789012345678901234567890123456789"
#define TEXT_200 TEXT_50 TEXT_50 TEXT_50 TEXT_50
const char question_zone[] =
	"$TTL 300\n@ SOA ns a 1 1 1 1 60\n@ NS ns\nns A 192.0.2.53\nplain A 192.0.2.7\nplain AAAA 2001:db8::7\n"
	"alias CNAME p4\nfar CNAME alias\nmx MX 10 plain\nmx MX 20 ns\nsub NS ns.sub\nns.sub A 192.0.2.54\n"
	/* Additional records that 512 bytes have no room for; a record that they have none for. */
	"many MX 10 h1\nmany MX 20 h2\nmany MX 30 h3\n$GENERATE 1-9 h1 A 198.51.100.$\n$GENERATE 1-9 h2 A 198.51.100.$\n"
	"$GENERATE 1-9 h3 AAAA 2001:db8::$\nlong TXT ( \"" TEXT_200 "\" \"" TEXT_200 "\" \"" TEXT_200 "\" )\n";

size_t
question_put_subnet(uint8_t *p, const struct pol_addr *a, unsigned len)
{
	unsigned n = (len + 7) / 8;
	uint8_t bytes[16];

	pol_addr_to_bytes(a, bytes);
	dns_put16(p, DNS_EDNS_ECS);
	dns_put16(p + 2, 4 + n);
	dns_put16(p + 4, a->family == 4 ? 1 : 2);
	p[6] = len;
	p[7] = 0;
	memcpy(p + 8, bytes, n);
	return 8 + n;
}

static size_t
put_name(struct world *w, struct question *q, uint8_t *p)
{
	/* The TTL of an alias stands before its target's. */
	static const struct {
		const char *label;
		int policy;
		uint32_t ttl;
	} others[] = {
		{ "alias", 4, QUESTION_TTL_OF(4) },
		{ "far", 4, QUESTION_TTL_OF(4) },
		{ "x.wild", 1, QUESTION_TTL_CHOSEN },
		{ "svc", 4, QUESTION_TTL_CHOSEN },
		{ "hop", -1 },
		{ "plain", -1 },
		{ "mx", -1 },
		{ "many", -1 },
		{ "long", -1 },
		{ "x.sub", -1 },
		{ "nothing", -1 },
		{ "x.p0", -1 },
		{ "", -1 },
	};
	char text[64], label[16];
	struct dns_name name;

	if (world_random(w, 4)) {
		q->policy = world_random(w, WORLD_POLICIES);
		snprintf(label, sizeof label, "p%d", q->policy);
		q->ttl = QUESTION_TTL_OF(q->policy);
	} else {
		unsigned i = world_random(w, sizeof others / sizeof others[0]);

		snprintf(label, sizeof label, "%s", others[i].label);
		q->policy = others[i].policy;
		q->ttl = others[i].ttl;
		q->is_hop = !strcmp(label, "hop");
		q->is_other = true;
	}
	snprintf(text, sizeof text, "%s%sexample.%s.", label, *label ? "." : "", world_random(w, 2) ? "com" : "net");
	assert_int_equal(dns_name_from_text(&name, text, NULL, NULL), 0);
	for (unsigned i = 0; i < name.size; i++)
		p[i] = name.wire[i] >= 'a' && name.wire[i] <= 'z' && !world_random(w, 4) ? name.wire[i] ^ 0x20 : name.wire[i];
	return name.size;
}

static size_t
put_options(struct world *w, struct question *q, uint8_t *p, bool good)
{
	size_t n = 0;

	if (world_random(w, 3)) {
		static const uint8_t lens4[] = { 0, 1, 8, 15, 16, 20, 22, 24, 24, 24, 25, 31, 32, 32 };
		static const uint8_t lens6[] = { 0, 3, 32, 40, 47, 48, 56, 56, 56, 60, 64, 65, 127, 128, 128 };

		q->subnet = world_client(w);
		q->has_subnet = true;
		if (q->subnet.family == 4)
			q->subnet_len = lens4[world_random(w, sizeof lens4)];
		else
			q->subnet_len = lens6[world_random(w, sizeof lens6)];
		q->subnet.hi &= pol_mask_hi(q->subnet_len);
		q->subnet.lo &= pol_mask_lo(q->subnet_len);
		n += question_put_subnet(p + n, &q->subnet, q->subnet_len);
	}
	if (!world_random(w, 3)) {
		unsigned size = world_random(w, 3) ? 8 : 24;

		dns_put16(p + n, DNS_EDNS_COOKIE);
		dns_put16(p + n + 2, size);
		for (unsigned i = 0; i < size; i++)
			p[n + 4 + i] = world_random(w, 256);
		n += 4 + size;
	}
	if (!good && !world_random(w, 6)) {
		dns_put16(p + n, world_random(w, 2) ? DNS_EDNS_NSID : 65001);
		dns_put16(p + n + 2, 0);
		n += 4;
	}
	return n;
}

void
question_make(struct world *w, struct question *q)
{
	static const uint16_t types[] = { DNS_A, DNS_A, DNS_A, DNS_AAAA, DNS_AAAA, 65, DNS_TXT, DNS_MX, DNS_ANY, DNS_CNAME };
	struct pol_addr from = world_client(w);
	bool good = world_random(w, 6);

	memset(q, 0, sizeof *q);
	q->good = good;
	q->client.family = from.family;
	/* The driver leaves odd sources to the stack. */
	if (from.family == 4) {
		from.hi = (from.hi & 0x1fffffffull << 32) | 0x40ull << 56;
		if (world_random(w, 2))
			from.hi = (0x0a000000 | (from.hi >> 32 & 0xffffff)) << 32;
	} else if (from.hi >> 56 == 0xff || !from.hi) {
		from.hi = 0x20010db800000001;
	}
	pol_addr_to_bytes(&from, q->client.address);
	dns_put16(q->msg, world_random(w, 65536));
	q->msg[2] = world_random(w, 2);
	q->msg[3] = world_random(w, 2) << 4;
	q->msg[5] = 1;
	q->size = DNS_HEADER_SIZE + put_name(w, q, q->msg + DNS_HEADER_SIZE);
	q->type = types[world_random(w, good && (!q->is_other || q->is_hop) ? 5 : sizeof types / sizeof types[0])];
	dns_put16(q->msg + q->size, q->type);
	dns_put16(q->msg + q->size + 2, good || world_random(w, 20) ? DNS_CLASS_IN : DNS_CLASS_CH);
	q->size += 4;
	q->behind = q->size;
	if (world_random(w, 8)) {
		static const uint16_t sizes[] = { 0, 512, 600, 1232, 1232, 4096 };
		uint8_t *p = q->msg + q->size;
		size_t n = put_options(w, q, p + 11, good);

		q->msg[11] = 1;
		memset(p, 0, 11);
		dns_put16(p + 1, DNS_OPT);
		dns_put16(p + 3, sizes[world_random(w, 6)]);
		p[7] = world_random(w, 3) ? 0 : 0x80;
		dns_put16(p + 9, n);
		q->size += 11 + n;
	}
	if (!good && world_random(w, 2)) {
		q->msg[2 + world_random(w, q->size - 2)] ^= 1 << world_random(w, 8);
		q->policy = -1;
		q->is_hop = false;
		if (!world_random(w, 4))
			q->size = 1 + world_random(w, q->size);
		else if (!world_random(w, 4))
			q->msg[q->size++] = 0;
	}
}

struct pol_addr
question_place(const struct question *q)
{
	return q->has_subnet && q->subnet_len ? q->subnet : pol_addr_from_bytes(q->client.family, q->client.address);
}

const char *
question_hex(const uint8_t *p, size_t n)
{
	static char text[3][2 * DNS_UDP_ROOM + 1];
	static unsigned turn;
	char *to = text[turn++ % 3];

	for (size_t i = 0; i < n; i++)
		sprintf(to + 2 * i, "%02x", p[i]);
	to[2 * n] = '\0';
	return to;
}

/* Who made a signature that the cache has lost since makes another: no two of ECDSA are alike. */
static void
blank_signatures(uint8_t *p, size_t size, size_t at)
{
	while ((at = dns_skip_name(p, size, at)) && at + 10 <= size) {
		size_t rdata = at + 10, end = rdata + dns_get16(p + at + 8);
		size_t signature = rdata + 18 < size ? dns_skip_name(p, size, rdata + 18) : 0;

		if (dns_get16(p + at) == DNS_RRSIG && signature && end <= size) {
			memset(p + rdata + 8, 0, 8);
			memset(p + signature, 0, end - signature);
		}
		at = end;
	}
}

bool
question_same_but_signatures(const struct question *q, const uint8_t *a, const uint8_t *b, size_t size)
{
	uint8_t copies[2][DNS_UDP_ROOM];

	memcpy(copies[0], a, size);
	memcpy(copies[1], b, size);
	blank_signatures(copies[0], size, q->behind);
	blank_signatures(copies[1], size, q->behind);
	return !memcmp(copies[0], copies[1], size);
}

void
question_read_answer(const struct question *q, const uint8_t *p, size_t size, struct said *s)
{
	unsigned counts[3] = { dns_get16(p + 6), dns_get16(p + 8), dns_get16(p + 10) };
	size_t at = q->behind;

	*s = (struct said){ .scope = -1, .opt_at = size };
	for (unsigned i = 0; i < counts[0] + counts[1] + counts[2]; i++) {
		size_t owner = at, rdata;
		unsigned type, n;

		at = dns_skip_name(p, size, at);
		assert_true(at && at + 10 <= size);
		type = dns_get16(p + at);
		n = dns_get16(p + at + 8);
		rdata = at + 10;
		at = rdata + n;
		assert_true(at <= size);
		if (i < counts[0] && (type == DNS_A || type == DNS_AAAA) && type == q->type) {
			int m = world_member_of(type == DNS_A ? 4 : 6, p + rdata);

			if (m < 0)
				fail_msg("an address of nobody in %s", question_hex(p, size));
			s->members |= 1u << m;
			s->ttl = dns_get32(p + rdata - 6);
			s->n++;
		} else if (type == DNS_OPT) {
			s->opt_at = owner;
			for (size_t k = rdata; k + 4 <= at; k += 4 + dns_get16(p + k + 2))
				if (dns_get16(p + k) == DNS_EDNS_ECS)
					s->scope = p[k + 7];
		}
	}
	assert_int_equal(at, size);
}

bool
question_again(struct question *q, const uint8_t *answer, size_t size, const struct said *s)
{
	uint8_t *to = q->msg + q->behind + 11;
	bool any = false;
	size_t n;

	if (!q->msg[11] || s->opt_at + 11 > size)
		return false;
	n = size - s->opt_at - 11;
	memcpy(to, answer + s->opt_at + 11, n);
	for (size_t k = 0; k + 4 <= n; k += 4 + dns_get16(to + k + 2)) {
		any |= dns_get16(to + k) == DNS_EDNS_COOKIE;
		if (dns_get16(to + k) == DNS_EDNS_ECS)
			to[k + 7] = 0; /* a question has no scope */
	}
	dns_put16(to - 2, n);
	q->size = to + n - q->msg;
	return any;
}
