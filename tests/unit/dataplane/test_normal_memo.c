// SPDX-License-Identifier: Apache-2.0
/* Decisions of NORMAL that are kept: found for such frames only, and never after the MAC table, time
 * or configuration would have it otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "dataplane/normal_memo.h"
#include "dataplane/packet.h"
#include "xlate_rig.h"

#define A "50:54:00:00:00:0a"
#define B "50:54:00:00:00:0b"
static const uint8_t a[6] = { 0x50, 0x54, 0, 0, 0, 0xa }, b[6] = { 0x50, 0x54, 0, 0, 0, 0xb };

static struct bridge *br;
static struct normal_memos *memos;
static struct normal_result result;

static struct rte_mbuf *
frame(const uint8_t dst[6], const uint8_t src[6], uint16_t type)
{
	uint8_t bytes[60] = { 0 };

	memcpy(bytes, dst, 6);
	memcpy(bytes + 6, src, 6);
	bytes[12] = (uint8_t)(type >> 8);
	bytes[13] = (uint8_t)type;
	return pkt_from_bytes(bytes, sizeof bytes);
}

/* The port that a frame goes to as was decided before, or 0. */
static of_port_t
kept(of_port_t in_port, const uint8_t dst[6], const uint8_t src[6], uint16_t type)
{
	struct rte_mbuf *m = frame(dst, src, type);
	const struct view *v = view_get();
	const struct normal_memo *memo = NULL;
	uint64_t key[2];

	if (normal_memo_key(normal_memo_who(br, in_port), m, key))
		memo = normal_memo_find(memos, v->config_version, wf_now_ms(), key);
	pkt_free(m);
	return memo ? v->slots[memo->slot].ofp_port : 0;
}

/* Decides, and keeps that. */
static void
decide(of_port_t in_port, const uint8_t dst[6], const uint8_t src[6])
{
	struct rte_mbuf *m = frame(dst, src, 0x0800);
	const struct view *v = view_get();
	const struct bridge_view *bv = v->bridges[br->index];
	struct of_key k = rig_key("tcp");
	uint64_t key[2];

	memcpy(k.dl_dst, dst, 6);
	memcpy(k.dl_src, src, 6);
	result.now_ms = wf_now_ms();
	assert_true(normal_memo_key(normal_memo_who(br, in_port), m, key));
	normal_memo_find(memos, v->config_version, wf_now_ms(), key);
	normal_decide(v, bv, in_port, &k, m, true, 0, &result, NULL);
	normal_memo_put(memos, v, bv, in_port, key, &result);
	pkt_free(m);
}

/* Each knows where the other is. */
static int
meet(void **state)
{
	mac_table_flush(br->macs);
	decide(1, b, a);
	decide(2, a, b);
	decide(1, b, a);
	return 0;
}

static void
such_frames_only(void **state)
{
	assert_int_equal(kept(1, b, a, 0x0800), 2);
	assert_int_equal(kept(1, b, a, 0x86dd), 2);
	assert_int_equal(kept(2, a, b, 0x0800), 1);
	assert_int_equal(kept(1, b, a, 0x8100), 0);
	assert_int_equal(kept(1, b, a, 0x88a8), 0);
	assert_int_equal(kept(1, b, a, 0x0030), 0);
	assert_int_equal(kept(3, b, a, 0x0800), 0);
	assert_int_equal(kept(1, b, b, 0x0800), 0);
	assert_int_equal(kept(1, (uint8_t[]){ 0x51, 0x54, 0, 0, 0, 0xb }, a, 0x0800), 0);
}

static void
floods_are_not_kept(void **state)
{
	static const uint8_t unknown[6] = { 0x50, 0x54, 0, 0, 1, 1 };

	decide(1, unknown, a);
	assert_int_equal(result.n, 2);
	assert_int_equal(kept(1, unknown, a, 0x0800), 0);
}

static void
stations_move(void **state)
{
	decide(3, a, b); /* b is now there */
	assert_int_equal(kept(1, b, a, 0x0800), 0);
	assert_int_equal(kept(2, a, b, 0x0800), 0);
	assert_int_equal(kept(3, a, b, 0x0800), 1);
	decide(1, b, a);
	assert_int_equal(kept(1, b, a, 0x0800), 3);
	mac_table_del(br->macs, 0, b);
	assert_int_equal(kept(1, b, a, 0x0800), 0);
}

/* Half a second after its last stamp a station gets another. */
static void
stations_are_stamped(void **state)
{
	wf_clock_warp(499);
	assert_int_equal(kept(1, b, a, 0x0800), 2);
	wf_clock_warp(1);
	assert_int_equal(kept(1, b, a, 0x0800), 0);
	decide(1, b, a);
	assert_int_equal(kept(1, b, a, 0x0800), 2);
}

static void
stations_age(void **state)
{
	mac_table_configure(br->macs, 0, 800);
	meet(NULL);
	wf_clock_warp(500);
	decide(1, b, a);
	wf_clock_warp(299);
	assert_int_equal(kept(1, b, a, 0x0800), 2);
	wf_clock_warp(1);
	assert_int_equal(kept(1, b, a, 0x0800), 0);
	decide(1, b, a);
	assert_int_equal(result.n, 2);
	assert_int_equal(kept(1, b, a, 0x0800), 0);
	meet(NULL);
	assert_int_equal(kept(1, b, a, 0x0800), 2);
	mac_table_configure(br->macs, 0, 400);
	assert_int_equal(kept(1, b, a, 0x0800), 0);
	mac_table_configure(br->macs, 0, 0);
}

/* Those who send from addresses of all kinds slow down themselves. */
static void
strangers_do_not_matter(void **state)
{
	unsigned n_lost = 0;

	for (unsigned i = 0; i < 200; i++) {
		decide(3, a, (uint8_t[]){ 0x52, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i });
		if (!kept(1, b, a, 0x0800)) {
			n_lost++;
			decide(1, b, a);
		}
	}
	assert_true(n_lost < 20);
}

static void
configurations_change(void **state)
{
	assert_int_equal(kept(1, b, a, 0x0800), 2);
	rig_bundle(br, 2)->mode = VLAN_ACCESS;
	rig_bundle(br, 2)->vlan = 7;
	rig_publish();
	assert_int_equal(kept(1, b, a, 0x0800), 0);
	rig_bundle(br, 2)->mode = VLAN_TRUNK;
	rig_publish();
}

/* More pairs than places: what is found is right. */
static void
many_pairs(void **state)
{
	unsigned n_kept = 0;

	mac_table_configure(br->macs, 40000, 0);
	decide(1, b, a);
	/* Once to be learned, once to be kept. */
	for (unsigned i = 0; i < 60000; i++)
		decide(1 + i % 3, a, (uint8_t[]){ 0x54, 0, 0, 0, (uint8_t)(i % 30000 >> 8),
						  (uint8_t)(i % 30000) });
	for (unsigned i = 0; i < 30000; i++) {
		of_port_t to = kept(1 + i % 3, a, (uint8_t[]){ 0x54, 0, 0, 0, (uint8_t)(i >> 8),
							       (uint8_t)i }, 0x0800);

		n_kept += to != 0;
		assert_true(!to || (to == 1 && i % 3));
	}
	assert_true(n_kept > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(such_frames_only, meet),
		cmocka_unit_test_setup(floods_are_not_kept, meet),
		cmocka_unit_test_setup(stations_move, meet),
		cmocka_unit_test_setup(stations_are_stamped, meet),
		cmocka_unit_test_setup(stations_age, meet),
		cmocka_unit_test_setup(strangers_do_not_matter, meet),
		cmocka_unit_test_setup(configurations_change, meet),
		cmocka_unit_test_setup(many_pairs, meet),
	};

	wf_clock_stop();
	rig_init();
	br = rig_bridge("br0");
	for (of_port_t i = 1; i <= 3; i++)
		rig_port(br, i);
	rig_publish();
	memos = normal_memos_new();
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	normal_memos_free(memos);
	return rc;
}
