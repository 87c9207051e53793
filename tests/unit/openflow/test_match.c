// SPDX-License-Identifier: Apache-2.0
/* Packed matches against the plain definition over full ones, with random matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "openflow/match.h"
#include "openflow/match_wire.h"

static uint64_t rng = 0x9e3779b97f4a7c15ull;

static uint32_t
draw(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 11) % n;
}

/* Few fields and few values, so that matches meet. */
static const enum of_field_id few[] = { OF_F_IN_PORT, OF_F_REG0, OF_F_ETH_SRC, OF_F_IPV4_SRC,
					OF_F_TCP_DST, OF_F_VLAN_TCI, OF_F_IPV6_DST, OF_F_METADATA };
#define N_FEW (sizeof(few) / sizeof(few[0]))

static void
draw_match(struct of_match_full *m)
{
	of_match_init_any(m);
	for (unsigned i = 0; i < N_FEW; i++) {
		const struct of_field *f = of_field(few[i]);
		union of_value v, mask;

		if (draw(3))
			continue;
		memset(&v, 0, sizeof(v));
		memset(&mask, draw(2) || !f->maskable ? 0xff : 0, sizeof(mask));
		v.b[f->n_bytes - 1] = draw(4);
		if (!mask.b[0])
			mask.b[f->n_bytes - 1] = draw(4);
		assert_true(of_match_set_field(m, f, &v, &mask));
	}
}

static void
draw_key(struct of_key *k)
{
	memset(k, 0, sizeof(*k));
	for (unsigned i = 0; i < N_FEW; i++) {
		union of_value v = { .b = { 0 } };

		v.b[of_field(few[i])->n_bytes - 1] = draw(4);
		of_field_set(of_field(few[i]), &v, k);
	}
}

/* The definitions. */
static bool
plain_covers(const struct of_match_full *m, const struct of_key *k)
{
	const uint8_t *v = (void *)&m->key, *mask = (void *)&m->mask, *key = (void *)k;

	for (size_t i = 0; i < sizeof(*k); i++) {
		if ((key[i] & mask[i]) != v[i])
			return false;
	}
	return true;
}

static bool
plain_subset(const struct of_match_full *r, const struct of_match_full *p)
{
	const uint8_t *rv = (void *)&r->key, *rm = (void *)&r->mask;
	const uint8_t *pv = (void *)&p->key, *pm = (void *)&p->mask;

	for (size_t i = 0; i < sizeof(r->key); i++) {
		if (pm[i] & ~rm[i] || (rv[i] & pm[i]) != pv[i])
			return false;
	}
	return true;
}

static bool
plain_overlaps(const struct of_match_full *a, const struct of_match_full *b)
{
	const uint8_t *av = (void *)&a->key, *am = (void *)&a->mask;
	const uint8_t *bv = (void *)&b->key, *bm = (void *)&b->mask;

	for (size_t i = 0; i < sizeof(a->key); i++) {
		if ((av[i] ^ bv[i]) & am[i] & bm[i])
			return false;
	}
	return true;
}

static void
packing_loses_nothing(void **state)
{
	for (int i = 0; i < 20000; i++) {
		struct of_match_full m, back;

		draw_match(&m);
		struct of_match *packed = of_match_pack(&m);
		of_match_unpack(packed, &back);
		assert_memory_equal(&m, &back, sizeof(m));
		uint64_t room[64];
		assert_int_equal(of_match_pack_into(&m, room, sizeof(room)), of_match_size(packed));
		assert_true(of_match_equal(packed, (struct of_match *)room));
		assert_int_equal(of_match_pack_into(&m, NULL, 0), of_match_size(packed));
		free(packed);
	}
}

static void
packed_answers_are_those_of_the_definitions(void **state)
{
	int covers = 0, subsets = 0, overlaps = 0, equal = 0;

	for (int i = 0; i < 100000; i++) {
		struct of_match_full a, b;
		struct of_key k;

		draw_match(&a);
		draw_match(&b);
		draw_key(&k);
		struct of_match *pa = of_match_pack(&a), *pb = of_match_pack(&b);
		bool same = !memcmp(&a, &b, sizeof(a));

		assert_int_equal(of_match_covers(pa, &k), plain_covers(&a, &k));
		assert_int_equal(of_match_is_subset(pa, pb), plain_subset(&a, &b));
		assert_int_equal(of_match_overlaps(pa, pb), plain_overlaps(&a, &b));
		assert_int_equal(of_match_equal(pa, pb), same);
		if (same)
			assert_int_equal(of_match_hash(pa, 7), of_match_hash(pb, 7));
		covers += plain_covers(&a, &k);
		subsets += plain_subset(&a, &b);
		overlaps += plain_overlaps(&a, &b);
		equal += same;
		free(pa);
		free(pb);
	}
	/* Else the test would say nothing. */
	assert_true(covers > 1000 && subsets > 1000 && overlaps > 1000 && equal > 100);
}

static void
normal_form_drops_what_cannot_be_matched(void **state)
{
	static const struct {
		const char *before, *after;
	} rows[] = {
		{ "tcp,tp_dst=80", "tcp,tp_dst=80" },
		{ "tp_dst=80", "" },
		{ "ip,tp_dst=80", "ip" },
		{ "dl_type=0x1234,nw_proto=5", "dl_type=0x1234" },
		{ "arp,nw_tos=4,arp_op=1", "arp,arp_op=1" },
		{ "ipv6,nw_src=1.2.3.4", "ipv6" },
		{ "ip,ipv6_src=::1", "ip" },
		{ "mpls,mpls_label=5,nw_proto=6", "mpls,mpls_label=5" },
		{ "ip,mpls_label=5", "ip" },
		{ "icmp6,icmp_type=135,nd_sll=00:00:00:00:00:01,nd_tll=00:00:00:00:00:02",
		  "icmp6,icmp_type=135,nd_sll=00:00:00:00:00:01" },
		{ "packet_type=(1,0x800),nw_src=1.1.1.1,dl_src=00:00:00:00:00:01",
		  "packet_type=(1,0x800),nw_src=1.1.1.1" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wf_str s = WF_STR_INIT;
		struct of_match_full m;
		char *error = of_match_parse(&m, rows[i].before, NULL, NULL);

		if (error)
			fail_msg("%s", error);
		assert_int_equal(of_match_normalize(&m), strcmp(rows[i].before, rows[i].after) != 0);
		assert_false(of_match_normalize(&m));
		of_match_format(&m, -1, NULL, NULL, &s);
		assert_string_equal(wf_str_cstr(&s), rows[i].after);
		wf_str_done(&s);
	}
}

static void
bad_texts_say_why(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "foo=3", "unknown keyword foo" },
		{ "reg0=0x1ffffffff", "0x1ffffffff: value too large for 4-byte field reg0" },
		{ "in_port=eth0", "eth0: invalid or unknown port for in_port" },
		{ "ip,nw_proto=1/3", "1/3: invalid mask for field nw_proto" },
		{ "reg0[0..3]=16", "reg0[0..3]: value 0x10 does not fit into 4 bits" },
		{ "ip,nw_src=1.2.3.4/33",
		  "1.2.3.4/33: IPv4 network prefix bits not between 0 and 32, inclusive" },
		{ "dl_src=x", "x: invalid Ethernet address" },
		{ "tcp,tcp_flags=+syn+syn", "syn: Each TCP flag can be specified only once" },
		{ "ct_state=+foo", "foo: unknown ct_state flag(s)" },
		{ "packet_type=3", "3: bad syntax for packet type missing '('" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct of_match_full m;
		char *error = of_match_parse(&m, rows[i].text, NULL, NULL);

		assert_non_null(error);
		assert_string_equal(error, rows[i].error);
		free(error);
	}
}

static void
priority_and_port_names_are_printed(void **state)
{
	struct wf_str s = WF_STR_INIT;
	struct of_match_full m;

	free(of_match_parse(&m, "in_port=1", NULL, NULL));
	of_match_format(&m, 5, NULL, NULL, &s);
	assert_string_equal(wf_str_cstr(&s), "priority=5,in_port=1");
	wf_str_truncate(&s, 0);
	of_match_format(&m, 32768, NULL, NULL, &s);
	assert_string_equal(wf_str_cstr(&s), "in_port=1");
	wf_str_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packing_loses_nothing),
		cmocka_unit_test(packed_answers_are_those_of_the_definitions),
		cmocka_unit_test(normal_form_drops_what_cannot_be_matched),
		cmocka_unit_test(bad_texts_say_why),
		cmocka_unit_test(priority_and_port_names_are_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
