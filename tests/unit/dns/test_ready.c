// SPDX-License-Identifier: Apache-2.0
/* Answers made beforehand are those that are made when asked; what the driver computes is what workers compute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "bpf/dns_parse.h"
#include "dns/answer/limit.h"
#include "dns/answer/ready.h"
#include "dns/wire/siphash.h"
#include "tests/unit/dns/rig.h"

static struct dns_ready r;

static bool
make(struct rig *g, const char *text, unsigned type, bool do_bit)
{
	struct dns_name name;

	assert_int_equal(dns_name_from_text(&name, text, NULL, NULL), 0);
	assert_int_equal(dns_ready_choice(g->view, &name, type), 0);
	return dns_ready_make(g->view, &g->ctx, &name, type, do_bit, 0, 0, &r);
}

/* The same question at all sizes that matter: whole, cut, cut to nothing. */
static void
same_as_asked(struct rig *g, const char *text, const char *type)
{
	size_t question;

	for (unsigned size = 512; size <= 1232; size++) {
		size_t room, got;

		rig_question(g, text, type);
		question = g->query_size - DNS_HEADER_SIZE;
		rig_opt(g, size, "", 0);
		assert_int_equal(rig_send(g), DNS_SEND);
		room = size - DNS_HEADER_SIZE - question - 11;
		got = g->answer_size - DNS_HEADER_SIZE - question - 11;
		if (r.size <= room) {
			assert_int_equal(got, r.size);
			assert_int_equal(dns_get16(g->answer + 10), r.n[2] + 1);
		} else if (!r.may_cut) {
			continue;
		} else if (r.need_size <= room) {
			assert_int_equal(got, r.need_size);
			assert_int_equal(dns_get16(g->answer + 10), r.n_additional_needed + 1);
		} else {
			assert_int_equal(got, 0);
			assert_true(g->answer[2] & DNS_TC >> 8);
			continue;
		}
		assert_memory_equal(g->answer + DNS_HEADER_SIZE + question, r.bytes, got);
		assert_int_equal(dns_get16(g->answer + 6), r.n[0]);
		assert_int_equal(dns_get16(g->answer + 8), r.n[1]);
		assert_int_equal(dns_get16(g->answer + 2) & ~DNS_RD, DNS_QR | r.flags);
	}
}

static void
test_static(void **state)
{
	static char text[16384];
	struct rig g;
	size_t n;

	n = snprintf(text, sizeof text, "$TTL 300\n@ SOA ns a 1 1 1 1 60\n@ NS ns\nns A 192.0.2.53\nwww A 192.0.2.1\n"
					"alias CNAME www\nmx MX 1 big\nsub NS ns.sub\nns.sub A 192.0.2.2\n*.wild TXT \"x\"\nend CNAME nothing\n");
	for (int i = 0; i < 60; i++)
		n += snprintf(text + n, sizeof text - n, "big A 198.51.100.%d\n", i);
	for (int i = 0; i < 100; i++)
		n += snprintf(text + n, sizeof text - n, "huge AAAA 2001:db8::%x\n", i);
	rig_init(&g);
	rig_add_zone(&g, "example.com.", text);
	assert_true(make(&g, "www.example.com.", DNS_A, false));
	assert_int_equal(r.n[0], 1);
	same_as_asked(&g, "www.example.com.", "A");
	assert_true(make(&g, "www.example.com.", DNS_AAAA, false));
	assert_int_equal(r.limit_class, DNS_LIMIT_NODATA);
	same_as_asked(&g, "www.example.com.", "AAAA");
	assert_true(make(&g, "alias.example.com.", DNS_A, false));
	same_as_asked(&g, "alias.example.com.", "A");
	assert_true(make(&g, "mx.example.com.", DNS_MX, false));
	assert_true(r.may_cut && r.need_size < r.size);
	same_as_asked(&g, "mx.example.com.", "MX");
	assert_true(make(&g, "big.example.com.", DNS_A, false));
	assert_true(r.may_cut);
	same_as_asked(&g, "big.example.com.", "A");
	assert_true(make(&g, "huge.example.com.", DNS_AAAA, false));
	assert_int_equal(r.size, DNS_READY_NEVER);
	same_as_asked(&g, "huge.example.com.", "AAAA");
	assert_true(make(&g, "a.wild.example.com.", DNS_TXT, false));
	same_as_asked(&g, "a.wild.example.com.", "TXT");
	assert_true(make(&g, "x.sub.example.com.", DNS_A, false));
	assert_int_equal(r.limit_class, DNS_LIMIT_REFERRAL);
	same_as_asked(&g, "x.sub.example.com.", "A");
	/* Errors and questions that are no data are the sockets'. */
	assert_false(make(&g, "nothing.example.com.", DNS_A, false));
	assert_false(make(&g, "end.example.com.", DNS_A, false));
	assert_false(make(&g, "www.example.net.", DNS_A, false));
	assert_false(make(&g, "www.example.com.", DNS_ANY, false));
	assert_false(make(&g, "www.example.com.", DNS_RRSIG, false));
	rig_done(&g);
}

static void
test_hashes(void **state)
{
	uint8_t key[16], in[32], bytes[8];

	for (int i = 0; i < 32; i++)
		in[i] = i * 7 + 1;
	for (int i = 0; i < 16; i++)
		key[i] = 255 - i;
	for (int v6 = 0; v6 < 2; v6++) {
		struct dns_x_sip s = { .n = v6 ? 4 : 2, .last = v6 ? 32ull << 56 : 20ull << 56 };
		uint32_t tail;

		memcpy(s.key, key, 16);
		memcpy(s.word, in, v6 ? 32 : 16);
		memcpy(&tail, in + 16, 4);
		if (!v6)
			s.last |= tail;
		assert_true(dns_x_siphash(&s) == dns_siphash(key, in, v6 ? 32 : 20));
	}
	for (unsigned c = 0; c < 256; c++) {
		uint8_t lower;
		uint64_t w;

		memset(bytes, c, 8);
		memcpy(&w, bytes, 8);
		w = dns_x_lower(w);
		memcpy(bytes, &w, 8);
		lower = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
		for (int i = 0; i < 8; i++)
			assert_int_equal(bytes[i], lower);
	}
}

/* One table, whoever takes: the driver's steps on the workers' words. */
static void
test_limit(void **state)
{
	static uint64_t table[DNS_X_BUCKETS];
	struct dns_limiter *l = dns_limiter_new(5);
	struct dns_client c = { .family = 4, .address = { 10, 1, 2, 3 } };
	uint64_t net = 0;
	__u64 next;
	uint32_t at;

	memcpy(&net, c.address, 3);
	at = dns_x_bucket(dns_limiter_key(), net, DNS_LIMIT_ANSWER, 4);
	dns_limiter_use_table(l, table);
	for (int i = 0; i < 10; i++) {
		if (i & 1) {
			assert_true(dns_limiter_take(l, &c, DNS_LIMIT_ANSWER, 1000));
		} else {
			assert_true(dns_x_take(table[at], 1000, 5, &next));
			table[at] = next;
		}
	}
	assert_false(dns_limiter_take(l, &c, DNS_LIMIT_ANSWER, 1000));
	assert_false(dns_x_take(table[at], 1000, 5, &next));
	assert_true(dns_x_take(table[at], 1200, 5, &next));
	dns_limiter_free(l);
}

/* From one process to the next: who had its share has had it there as well. */
static void
test_limit_handed_over(void **state)
{
	static uint64_t words[DNS_X_BUCKETS];
	struct dns_client busy = { .family = 4, .address = { 10, 1, 2, 3 } };
	struct dns_limiter *l = dns_limiter_new(5);
	uint64_t key = dns_limiter_key();

	while (dns_limiter_take(l, &busy, DNS_LIMIT_ANSWER, 1000))
		;
	dns_limiter_copy(l, words);
	dns_limiter_free(l);
	l = dns_limiter_new(5);
	assert_true(dns_limiter_take(l, &busy, DNS_LIMIT_ANSWER, 1000));
	dns_limiter_restore(l, key, words);
	assert_int_equal(key, dns_limiter_key());
	assert_false(dns_limiter_take(l, &busy, DNS_LIMIT_ANSWER, 1000));
	/* A key of another process. */
	dns_limiter_restore(l, key + 1, words);
	assert_int_equal(key + 1, dns_limiter_key());
	dns_limiter_restore(l, key, words);
	dns_limiter_free(l);
}

/* The clock of 32 bits comes round after 49.7 days, and none of them is left without answers. */
static void
test_limit_of_old_machines(void **state)
{
	static const uint64_t days[] = { 0, 1, 24, 25, 40, 49, 50, 75, 400 };

	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		uint64_t ms = days[i] * 86400000 + 70000;
		__u64 bucket = 0;

		for (unsigned k = 0; k < 100; k++)
			assert_true(dns_x_take(bucket, ms + k * 1000, 5, &bucket));
		/* Somebody took a moment ahead of us. */
		assert_true(dns_x_take(bucket, ms + 100000, 5, &bucket));
		assert_true(dns_x_take(bucket, ms + 99990, 5, &bucket));
		assert_int_equal(bucket >> 32, (uint32_t)(ms + 100000));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_static),
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_handed_over),
		cmocka_unit_test(test_limit_of_old_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
