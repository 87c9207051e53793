// SPDX-License-Identifier: Apache-2.0
/* Entries of the flow cache that leave out L4 ports and the last bits of the destination. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rcu.h"
#include "dataplane/cache.h"
#include "dataplane/pkt_fast.h"
#include "xlate_rig.h"

static struct cache *cache;
static struct bridge *br;
static int64_t now_ms = 1000;

#define SRC(BITS) ((uint32_t)(BITS) << 16)
#define DST(BITS) ((uint32_t)(BITS))
#define ODD "in_port=1,udp,nw_src=10.9.9.9,nw_dst=10.9.9.9,udp_src=999,udp_dst=999"
#define FLOW "in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,"

static int
setup(void **state)
{
	if (!br) {
		br = rig_bridge("br0");
		rig_port(br, 1);
		rig_publish();
		/* What keys have: addresses and both ports. */
		rig_flow(br, "udp,nw_src=10.0.0.9,nw_dst=10.0.0.9,udp_src=1,udp_dst=2,actions=drop");
		rig_flow(br, "udp6,ipv6_dst=2001:db8::9,actions=drop");
	}
	cache = cache_new();
	cache_sync(cache, view_get(), now_ms);
	return 0;
}

static int
teardown(void **state)
{
	cache_free(cache);
	return 0;
}

static struct cache_key
key_of(const char *text)
{
	struct of_key parsed = rig_key(text);
	struct cache_key key;

	cache_key_make(cache, 1, 1, 0, &parsed, &key);
	return key;
}

static struct plan *
plan_of(void)
{
	struct plan *p = plan_new();

	p->version = view_get()->version;
	atomic_store(&p->refs, 1);
	return p;
}

/* 'needed': the bits of rule.h that decided; with the address but where the test is about it. */
static struct flow *
insert_cut(const char *text, uint64_t needed)
{
	struct cache_key key = key_of(text);

	return cache_insert(cache, &key, plan_of(), needed);
}

static struct flow *
insert(const char *text, uint64_t ports)
{
	return insert_cut(text, ports | SPARE_DST);
}

static struct rte_mbuf *
frame_of(const char *text)
{
	struct of_key key = rig_key(text);
	uint8_t f[60] = { [12] = 0x08, [14] = 0x45, [17] = 46, [22] = key.nw_ttl, [23] = IPPROTO_UDP };

	memcpy(f + 26, &key.nw_src, 4);
	memcpy(f + 30, &key.nw_dst, 4);
	memcpy(f + 34, &key.tp_src, 2);
	memcpy(f + 36, &key.tp_dst, 2);
	f[39] = 26;
	return pkt_from_bytes(f, sizeof f);
}

/* The same by all ways: alone, as keys, and out of frames, of a full burst and of a few, some of which nobody has. */
static struct flow *
find(const char *text)
{
	struct cache_key key = key_of(text), got;
	struct flow *f = cache_find(cache, &key), *flows[BURST_MAX];
	struct rte_mbuf *m = frame_of(text), *odd = frame_of(ODD), *pkts[BURST_MAX];
	uint8_t kinds[BURST_MAX], key_of[BURST_MAX];
	static struct cache_burst b;

	for (unsigned n = 2; n <= BURST_MAX; n += BURST_MAX - 2) {
		cache_burst_start(cache, &b, 1, 1);
		for (unsigned i = 0; i < n; i++)
			cache_burst_add(&b, &key);
		cache_burst_find(cache, &b, flows);
		for (unsigned i = 0; i < n; i++)
			assert_ptr_equal(flows[i], f);

		for (unsigned i = 0; i < n; i++) {
			pkts[i] = i % 8 == 1 ? odd : m;
			kinds[i] = (uint8_t)pkt_kind(pkts[i]);
			assert_int_not_equal(kinds[i], PKT_KIND_OTHER);
		}
		cache_burst_start(cache, &b, 1, 1);
		cache_burst_add_frames(cache, &b, pkts, kinds, n, key_of);
		cache_burst_find(cache, &b, flows);
		for (unsigned i = 0; i < n; i++) {
			assert_ptr_equal(flows[key_of[i]], i % 8 == 1 ? NULL : f);
			cache_burst_key(&b, key_of[i], &got);
			assert_int_equal(got.hash == key.hash, i % 8 != 1);
			assert_int_equal(got.n_words, key.n_words);
			if (i % 8 != 1)
				assert_memory_equal(got.words, key.words, key.n_words * 8);
		}
	}
	pkt_free(m);
	pkt_free(odd);
	return f;
}

static void
what_decided_is_compared(void **state)
{
	struct flow *f = insert(FLOW "udp_src=7,udp_dst=0x8001", SRC(0xffff) | DST(0x8000));
	struct of_key key, mask;

	assert_ptr_equal(find(FLOW "udp_src=7,udp_dst=0x8001"), f);
	assert_ptr_equal(find(FLOW "udp_src=7,udp_dst=0xffff"), f);
	assert_null(find(FLOW "udp_src=7,udp_dst=0x7fff"));
	assert_null(find(FLOW "udp_src=8,udp_dst=0x8001"));
	assert_null(find("in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.3,udp_src=7,udp_dst=0x8001"));
	flow_key(f, &key, &mask);
	assert_int_equal(ntohs(mask.tp_dst), 0x8000);
	assert_int_equal(ntohs(mask.tp_src), 0xffff);
	assert_int_equal(ntohs(key.tp_dst), 0x8000);
	assert_int_equal(ntohs(key.tp_src), 7);
}

static void
all_that_decided_is_compared(void **state)
{
	struct flow *f = insert(FLOW "udp_src=7,udp_dst=9", SPARE_ALL), *g;

	assert_ptr_equal(find(FLOW "udp_src=7,udp_dst=9"), f);
	assert_null(find(FLOW "udp_src=7,udp_dst=10"));
	assert_null(find(FLOW "udp_src=6,udp_dst=9"));
	/* More than the first few bits is all. */
	g = insert(FLOW "udp_src=7,udp_dst=0x20", SRC(0xfff0) | DST(0xf800));
	assert_ptr_equal(find(FLOW "udp_src=7,udp_dst=0x20"), g);
	assert_null(find(FLOW "udp_src=7,udp_dst=0x21"));
}

/* Entries of all tables are found, whichever is asked first. */
static void
tables_are_asked_in_turn(void **state)
{
	struct flow *exact = insert(FLOW "udp_src=1,udp_dst=1", SPARE_ALL);
	struct flow *no_src = insert(FLOW "udp_src=2,udp_dst=2", SRC(0) | DST(0xffff));
	struct flow *no_dst = insert(FLOW "udp_src=3,udp_dst=3", SRC(0xffff) | DST(0xf000));
	struct flow *neither = insert("in_port=1,udp,nw_src=10.0.0.5,nw_dst=10.0.0.2,udp_src=3,udp_dst=3",
				      SRC(0) | DST(0));

	for (unsigned k = 0; k < 1000; k++) {
		assert_ptr_equal(find(FLOW "udp_src=1,udp_dst=1"), exact);
		assert_ptr_equal(find(FLOW "udp_src=9,udp_dst=2"), no_src);
		assert_ptr_equal(find(FLOW "udp_src=3,udp_dst=9"), no_dst);
		assert_ptr_equal(
			find("in_port=1,udp,nw_src=10.0.0.5,nw_dst=10.0.0.2,udp_src=50000,udp_dst=4"),
			neither);
		assert_null(find(FLOW "udp_src=4,udp_dst=5"));
	}
}

/* Where one more of the first bits is needed, it is compared from then on. */
static void
more_bits_split_entries(void **state)
{
	struct flow *f;

	insert(FLOW "udp_src=7,udp_dst=0x8001", SRC(0xffff) | DST(0x8000));
	f = insert(FLOW "udp_src=7,udp_dst=0x9001", SRC(0xffff) | DST(0xf000));
	assert_ptr_equal(find(FLOW "udp_src=7,udp_dst=0x9002"), f);
	assert_null(find(FLOW "udp_src=7,udp_dst=0xa001"));
	cache_expire(cache, now_ms, true);
	cache_end_burst(cache);
	assert_int_equal(cache_n_flows(cache), 1);
}

/* A stale entry keeps its place and its counts, unless more decides now. */
static void
replaced_where_it_still_fits(void **state)
{
	struct flow *f = insert(FLOW "udp_src=7,udp_dst=0x8001", SRC(0xffff) | DST(0x8000));

	flow_account(f, 3, 180, now_ms);
	f = cache_replace(cache, f, plan_of(), SPARE_DST | SRC(0xffff) | DST(0));
	assert_non_null(f);
	assert_int_equal(f->packets, 3);
	assert_ptr_equal(find(FLOW "udp_src=7,udp_dst=0x8fff"), f);
	struct plan *p = plan_of();
	assert_null(cache_replace(cache, f, p, SPARE_DST | SRC(0xffff) | DST(0xffff)));
	plan_unref(p);
	assert_null(find(FLOW "udp_src=7,udp_dst=0x8001"));
	assert_int_equal(cache_n_flows(cache), 0);
}

static void
they_age_like_others(void **state)
{
	insert(FLOW "udp_src=7,udp_dst=0x8001", SRC(0xffff) | DST(0x8000));
	insert(FLOW "udp_src=7,udp_dst=1", SPARE_ALL);
	assert_int_equal(cache_expire(cache, now_ms + CACHE_IDLE_MS, true), 2);
	assert_int_equal(cache_expire(cache, now_ms + CACHE_IDLE_MS + 1, true), 0);
	assert_null(find(FLOW "udp_src=7,udp_dst=0x8001"));
}

/* The second packet between two hosts may have an entry, if it can leave out ports. */
static void
pairs_of_hosts_are_admitted(void **state)
{
	char text[200];

	for (unsigned i = 0; i < CACHE_KEEP_AT_ONCE; i++) {
		snprintf(text, sizeof(text), FLOW "udp_src=%u,udp_dst=9", i);
		insert(text, SPARE_ALL);
	}
	struct cache_key key = key_of("in_port=1,udp,nw_src=10.9.0.1,nw_dst=10.0.0.2,udp_src=7,udp_dst=9");
	assert_int_equal(cache_admits(cache, &key), CACHE_PASS);
	key = key_of("in_port=1,udp,nw_src=10.9.0.1,nw_dst=10.0.0.2,udp_src=8,udp_dst=10");
	enum cache_keep keep = cache_admits(cache, &key);
	assert_int_equal(keep, CACHE_KEEP_IF_PORTS | CACHE_KEEP_IF_DST);
	assert_true(cache_leaves_out(cache, &key, keep, SRC(0) | DST(0xffff) | SPARE_DST));
	assert_false(cache_leaves_out(cache, &key, keep, SPARE_ALL));
	assert_int_equal(cache_admits(cache, &key), CACHE_KEEP);
}

/* So may the second packet behind a route, if it can leave out the end of its destination. */
static void
routes_are_admitted(void **state)
{
	char text[200];

	for (unsigned i = 0; i < CACHE_KEEP_AT_ONCE; i++) {
		snprintf(text, sizeof(text), FLOW "udp_src=%u,udp_dst=9", i);
		insert(text, SPARE_ALL);
	}
	struct cache_key key = key_of("in_port=1,udp,nw_src=10.9.0.1,nw_dst=10.6.0.2,udp_src=7,udp_dst=9");
	assert_int_equal(cache_admits(cache, &key), CACHE_PASS);
	key = key_of("in_port=1,udp,nw_src=10.9.0.1,nw_dst=10.6.0.3,udp_src=7,udp_dst=9");
	enum cache_keep keep = cache_admits(cache, &key);
	assert_int_equal(keep, CACHE_KEEP_IF_DST);
	assert_true(cache_leaves_out(cache, &key, keep, 0));
	assert_true(cache_leaves_out(cache, &key, keep, 0xffff));
	/* Not one for each flow that goes there. */
	assert_false(cache_leaves_out(cache, &key, keep, SPARE_PORTS));
	assert_false(cache_leaves_out(cache, &key, keep, SPARE_DST));
	assert_false(cache_leaves_out(cache, &key, keep, SPARE_ALL));
}

static void
end_of_destination_is_left_out(void **state)
{
	struct flow *f = insert_cut(FLOW "udp_src=7,udp_dst=9", SPARE_PORTS), *g;
	struct of_key key, mask;

	assert_ptr_equal(find(FLOW "udp_src=7,udp_dst=9"), f);
	assert_ptr_equal(find("in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.255,udp_src=7,udp_dst=9"), f);
	assert_null(find("in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.1.2,udp_src=7,udp_dst=9"));
	assert_null(find("in_port=1,udp,nw_src=10.0.0.2,nw_dst=10.0.0.2,udp_src=7,udp_dst=9"));
	assert_null(find(FLOW "udp_src=8,udp_dst=9"));
	flow_key(f, &key, &mask);
	assert_int_equal(ntohl(mask.nw_dst), 0xffffff00);
	assert_int_equal(ntohl(key.nw_dst), 0x0a000000);
	assert_int_equal(ntohl(mask.nw_src), 0xffffffff);
	/* And ports as well. */
	g = insert_cut("in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.7.7,udp_src=1,udp_dst=2", DST(0xffff));
	assert_ptr_equal(find("in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.7.8,udp_src=9,udp_dst=2"), g);
	assert_null(find("in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.7.8,udp_src=9,udp_dst=3"));
	flow_key(g, &key, &mask);
	assert_int_equal(mask.tp_src, 0);
	assert_int_equal(ntohs(mask.tp_dst), 0xffff);
	assert_int_equal(ntohl(mask.nw_dst), 0xffffff00);
}

static struct flow *
find6(const char *text)
{
	struct cache_key key = key_of(text);

	return cache_find(cache, &key);
}

static void
end_of_ipv6_destination_is_left_out(void **state)
{
#define FLOW6 "in_port=1,udp6,ipv6_src=2001:db8::1,udp_src=7,udp_dst=9,ipv6_dst=2001:db8:0:"
	struct flow *f = insert_cut(FLOW6 "5::2", SPARE_PORTS);
	struct of_key key, mask;

	/* No frames: those of this test are IPv4. */
	assert_ptr_equal(find6(FLOW6 "5:ffff::1"), f);
	assert_null(find6(FLOW6 "6::2"));
	flow_key(f, &key, &mask);
	assert_int_equal(mask.ipv6_dst.s6_addr[7], 0xff);
	assert_int_equal(mask.ipv6_dst.s6_addr[8], 0);
	f = insert(FLOW6 "7::2", SPARE_PORTS);
	assert_ptr_equal(find6(FLOW6 "7::2"), f);
	assert_null(find6(FLOW6 "7::3"));
}

/* Where an entry was for all hosts of a route and a rule now tells them apart, it goes. */
static void
destinations_are_told_apart_again(void **state)
{
	struct flow *f = insert_cut(FLOW "udp_src=7,udp_dst=9", SPARE_PORTS);
	struct plan *p = plan_of();

	assert_null(cache_replace(cache, f, p, SPARE_ALL));
	plan_unref(p);
	assert_null(find(FLOW "udp_src=7,udp_dst=9"));
	assert_int_equal(cache_n_flows(cache), 0);
}

/* When the layout changes, entries without ports come again with their first packet. */
static void
pairs_come_again_under_a_new_layout(void **state)
{
	char text[200];
	struct cache_key key;

	for (unsigned i = 0; i <= CACHE_KEEP_AT_ONCE; i++) {
		snprintf(text, sizeof(text), FLOW "udp_src=%u,udp_dst=9", i);
		insert(text, SPARE_ALL);
	}
	insert(FLOW "udp_src=7,udp_dst=0x8001", SRC(0xffff) | DST(0x8000));
	/* All of the other table may be gone. */
	for (unsigned i = 0; i <= CACHE_KEEP_AT_ONCE; i++) {
		snprintf(text, sizeof(text), FLOW "udp_src=%u,udp_dst=9", i);
		cache_remove(cache, find(text));
	}
	static struct rule *r;

	r = rig_flow(br, "udp,nw_ttl=3,actions=drop");
	cache_sync(cache, view_get(), now_ms);
	cache_sync(cache, view_get(), now_ms);
	assert_null(find(FLOW "udp_src=7,udp_dst=0x8001"));
	for (unsigned i = 0; i < CACHE_KEEP_AT_ONCE; i++) {
		snprintf(text, sizeof(text), FLOW "udp_src=%u,udp_dst=9", i);
		insert(text, SPARE_ALL);
	}
	key = key_of(FLOW "udp_src=7,udp_dst=0x8001");
	assert_int_equal(cache_admits(cache, &key), CACHE_KEEP_IF_PORTS | CACHE_KEEP_IF_DST);
	/* After some time it takes two again. */
	cache_sync(cache, view_get(), now_ms + CACHE_IDLE_MS + 1);
	key = key_of("in_port=1,udp,nw_src=10.7.0.1,nw_dst=10.0.0.2,udp_src=7,udp_dst=0x8001");
	assert_int_equal(cache_admits(cache, &key), CACHE_PASS);
	rig_flow_del(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_decided_is_compared, setup, teardown),
		cmocka_unit_test_setup_teardown(all_that_decided_is_compared, setup, teardown),
		cmocka_unit_test_setup_teardown(tables_are_asked_in_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(more_bits_split_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(replaced_where_it_still_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(they_age_like_others, setup, teardown),
		cmocka_unit_test_setup_teardown(end_of_destination_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(end_of_ipv6_destination_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(destinations_are_told_apart_again, setup, teardown),
		cmocka_unit_test_setup_teardown(routes_are_admitted, setup, teardown),
		cmocka_unit_test_setup_teardown(pairs_of_hosts_are_admitted, setup, teardown),
		cmocka_unit_test_setup_teardown(pairs_come_again_under_a_new_layout, setup, teardown),
	};

	rig_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
