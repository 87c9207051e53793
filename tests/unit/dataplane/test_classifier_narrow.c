// SPDX-License-Identifier: Apache-2.0
/* Narrow masks: what a look-up says that it saw is enough to come to the same rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rcu.h"
#include "xlate_rig.h"

#define N_RULES 60
#define N_KEYS 4000

static unsigned seed = 20240611;

static unsigned
draw(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

/* Few values, so that rules and keys meet. */
static void
draw_address(char *s, size_t size)
{
	snprintf(s, size, "10.%u.%u.%u", draw(3), draw(3) * 64, draw(4));
}

static void
draw_flow(char *s, size_t size)
{
	char src[20], dst[20];
	int n = snprintf(s, size, "table=7,priority=%u,in_port=%u,%s", draw(6), 1 + draw(2),
			 draw(4) ? "tcp" : "ip");

	draw_address(src, sizeof src);
	draw_address(dst, sizeof dst);
	if (draw(2))
		n += snprintf(s + n, size - (size_t)n, ",nw_dst=%s/%u", dst, 8 + draw(25));
	if (draw(3) == 0)
		n += snprintf(s + n, size - (size_t)n, ",nw_src=%s/%u", src, 8 + draw(25));
	if (strstr(s, "tcp") && draw(2))
		n += snprintf(s + n, size - (size_t)n, ",tp_dst=%u", 78 + draw(4));
	if (strstr(s, "tcp") && draw(3) == 0)
		n += snprintf(s + n, size - (size_t)n, ",tp_src=%u", 1000 + draw(3));
	snprintf(s + n, size - (size_t)n, ",actions=drop");
}

static struct of_key
draw_key(void)
{
	char text[300], src[20], dst[20];

	draw_address(src, sizeof src);
	draw_address(dst, sizeof dst);
	snprintf(text, sizeof text, "in_port=%u,tcp,nw_src=%s,nw_dst=%s,tp_src=%u,tp_dst=%u",
		 1 + draw(3), src, dst, 999 + draw(4), 77 + draw(6));
	return rig_key(text);
}

static struct rule *
look_up(struct table *t, const struct of_key *key, struct of_key *wc)
{
	return table_lookup(t, key, view_get()->version, NULL, NULL, wc);
}

static void
other_bits_do_not_matter(void **state)
{
	struct bridge *br = rig_bridge("narrow");
	struct rule *rules[N_RULES];
	struct table *t = &br->tables[7];
	unsigned n_found = 0, n_wide = 0;

	for (unsigned i = 0; i < N_RULES; i++) {
		char flow[300];

		draw_flow(flow, sizeof flow);
		rules[i] = rig_flow(br, flow);
	}
	for (unsigned k = 0; k < N_KEYS; k++) {
		struct of_key key = draw_key(), wc = { 0 }, other;
		struct rule *r = look_up(t, &key, &wc), *again;

		assert_ptr_equal(r, look_up(t, &key, NULL));
		n_found += r != NULL;
		n_wide += wc.nw_dst == UINT32_MAX;
		/* Always part of what identifies a packet. */
		wc.dl_type = 0xffff;
		wc.packet_type = UINT32_MAX;
		other = draw_key();
		for (unsigned w = 0; w < OF_KEY_WORDS; w++)
			of_key_words(&other)[w] =
				(of_key_words(&key)[w] & of_key_words(&wc)[w]) |
				(of_key_words(&other)[w] & ~of_key_words(&wc)[w]);
		again = look_up(t, &other, NULL);
		if (again != r)
			fail_msg("key %u: other bits lead to another rule", k);
	}
	/* The keys meet rules, and most are told apart by less than an address. */
	assert_in_range(n_found, N_KEYS / 10, N_KEYS);
	assert_in_range(n_wide, 0, N_KEYS / 2);
	for (unsigned i = 0; i < N_RULES; i++)
		rig_flow_del(rules[i]);
}

static void
prefixes_and_ports(void **state)
{
	struct bridge *br = rig_bridge("ports");
	struct table *t = &br->tables[0];
	struct rule *r[2];
	struct of_key key, wc;

	r[0] = rig_flow(br, "priority=9,in_port=1,tcp,nw_dst=10.1.2.15,tp_dst=80,actions=drop");
	r[1] = rig_flow(br, "priority=8,in_port=1,tcp,nw_dst=10.1.0.0/16,actions=drop");

	/* The first bit that differs from all prefixes. */
	key = rig_key("in_port=1,tcp,nw_dst=11.0.0.1,tp_dst=80");
	memset(&wc, 0, sizeof wc);
	assert_null(look_up(t, &key, &wc));
	assert_int_equal(wc.nw_dst, htonl(0xff000000));
	assert_int_equal(wc.tp_dst, 0);
	/* A stage before: another port needs no address. */
	key = rig_key("in_port=2,tcp,nw_dst=10.1.2.15,tp_dst=80");
	memset(&wc, 0, sizeof wc);
	assert_null(look_up(t, &key, &wc));
	assert_int_equal(wc.nw_dst, 0);
	/* Only the port differs: as many of its bits as tell. */
	key = rig_key("in_port=1,tcp,nw_dst=10.1.2.15,tp_dst=79");
	memset(&wc, 0, sizeof wc);
	assert_ptr_equal(look_up(t, &key, &wc), r[1]);
	assert_int_equal(wc.tp_dst, htons(0xfff0));
	/* Without prefixes whole masks of rules count. */
	t->prefixes.n = 0;
	key = rig_key("in_port=1,tcp,nw_dst=11.0.0.1,tp_dst=80");
	memset(&wc, 0, sizeof wc);
	assert_null(look_up(t, &key, &wc));
	assert_int_equal(wc.nw_dst, UINT32_MAX);
	/* A rule that goes takes its part of the mask with it. */
	t->prefixes = NARROW_DEFAULT_FIELDS;
	rig_flow_del(r[0]);
	rule_unref(r[0]); /* what rig_flow() gave */
	wf_rcu_drain();
	key = rig_key("in_port=1,tcp,nw_dst=10.1.2.15,tp_dst=79");
	memset(&wc, 0, sizeof wc);
	assert_ptr_equal(look_up(t, &key, &wc), r[1]);
	assert_int_equal(wc.nw_dst, htonl(0xffff0000));
	assert_int_equal(wc.tp_dst, 0);
	rig_flow_del(r[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_and_ports),
		cmocka_unit_test(other_bits_do_not_matter),
	};

	rig_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
