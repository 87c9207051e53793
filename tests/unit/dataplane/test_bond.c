// SPDX-License-Identifier: Apache-2.0
/* Bonds in the packet path: which member sends, which members may receive; and token buckets. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "dataplane/bond.h"
#include "dataplane/packet.h"
#include "dataplane/policer.h"

static struct bond bond;
static struct bundle u = { .n_members = 3, .members = { 1, 2, 3 }, .bond = &bond };
static struct bridge_view bv;
static struct bond_buckets *buckets;

static int
setup(void **state)
{
	struct xport_set *set = xport_set_new(3);

	for (uint32_t k = 0; k < 3; k++) {
		set->ports[k].ofp_port = k + 1;
		set->ports[k].bundle = &u;
	}
	xport_set_hash(set);
	bv.ports = set;
	buckets = bond_buckets_new();
	for (unsigned k = 0; k < BOND_BUCKETS; k++)
		atomic_store(&buckets->b[k].member, k % 3 + 1);
	return 0;
}

static int
teardown(void **state)
{
	free((void *)bv.ports);
	bond_buckets_unref(buckets);
	return 0;
}

static of_port_t
choose(const struct of_key *key, uint16_t vid)
{
	const struct xport *x = bond_choose(&bv, &u, key, vid, 100);

	return x ? x->ofp_port : OF_PORT_NONE;
}

static void
active_backup_sends_by_the_active_member(void **state)
{
	struct of_key key = { 0 };

	bond = (struct bond){ .mode = BOND_ACTIVE_BACKUP, .may_send = true, .active = 2, .enabled = 7 };
	for (unsigned k = 0; k < 100; k++) {
		key.dl_src[5] = (uint8_t)k;
		assert_int_equal(choose(&key, 0), 2);
	}
	bond.active = OF_PORT_NONE;
	assert_int_equal(choose(&key, 0), OF_PORT_NONE);
}

static void
slb_follows_source_and_vlan_only(void **state)
{
	unsigned n[4] = { 0 }, other_vlan = 0;
	struct of_key key = { .dl_type = htons(0x0800) };

	bond = (struct bond){ .mode = BOND_BALANCE_SLB, .may_send = true, .active = 1, .enabled = 7,
			      .buckets = buckets };
	for (unsigned k = 0; k < 3000; k++) {
		of_port_t p;

		key.dl_src[4] = (uint8_t)(k >> 8);
		key.dl_src[5] = (uint8_t)k;
		p = choose(&key, 5);
		n[p]++;
		key.tp_dst = htons((uint16_t)k);
		key.nw_src = htonl(k);
		assert_int_equal(choose(&key, 5), p);
		other_vlan += choose(&key, 6) != p;
	}
	for (unsigned k = 1; k < 4; k++)
		assert_in_range(n[k], 800, 1200);
	assert_in_range(other_vlan, 1600, 2400);
}

static void
tcp_spreads_connections_and_keeps_fragments_together(void **state)
{
	unsigned n[4] = { 0 };
	struct of_key key = { .dl_type = htons(0x0800), .nw_proto = 6, .nw_src = htonl(0x0a000001),
			      .nw_dst = htonl(0x0a000002) };

	bond = (struct bond){ .mode = BOND_BALANCE_TCP, .may_send = true, .active = 1, .enabled = 7,
			      .buckets = buckets };
	for (unsigned k = 0; k < 3000; k++) {
		key.tp_src = htons((uint16_t)(1024 + k));
		n[choose(&key, 0)]++;
	}
	for (unsigned k = 1; k < 4; k++)
		assert_in_range(n[k], 800, 1200);
	key.nw_frag = OF_FRAG_ANY;
	of_port_t p = choose(&key, 0);
	for (unsigned k = 0; k < 100; k++) {
		key.tp_src = htons((uint16_t)k);
		assert_int_equal(choose(&key, 0), p);
	}
}

static void
a_lost_member_gets_nothing_and_others_keep_their_flows(void **state)
{
	struct of_key key = { 0 };

	for (unsigned k = 0; k < 1000; k++) {
		of_port_t before, after;

		key.dl_src[4] = (uint8_t)(k >> 8);
		key.dl_src[5] = (uint8_t)k;
		bond = (struct bond){ .mode = BOND_BALANCE_SLB, .may_send = true, .enabled = 7,
				      .buckets = buckets };
		before = choose(&key, 0);
		bond.enabled = 5; /* without port 2 */
		after = choose(&key, 0);
		assert_int_not_equal(after, 2);
		if (before != 2)
			assert_int_equal(after, before);
	}
	bond.enabled = 0;
	assert_int_equal(choose(&key, 0), OF_PORT_NONE);
	bond.enabled = 7;
	bond.may_send = false;
	assert_int_equal(choose(&key, 0), OF_PORT_NONE);
}

static void
members_admit_what_their_mode_says(void **state)
{
	static const uint8_t mcast[6] = { 1 }, ucast[6] = { 2 };
	static const struct {
		enum bond_admission admission;
		uint8_t enabled, may_enable;
		/* For port 1, the active one, and port 2. */
		enum bond_verdict ucast1, mcast1, ucast2, mcast2;
	} rows[] = {
		{ BOND_ADMIT_NOTHING, 7, 7, BOND_REFUSE, BOND_REFUSE, BOND_REFUSE, BOND_REFUSE },
		{ BOND_ADMIT_ENABLED, 7, 7, BOND_ACCEPT, BOND_ACCEPT, BOND_ACCEPT, BOND_ACCEPT },
		{ BOND_ADMIT_ENABLED, 5, 5, BOND_ACCEPT, BOND_ACCEPT, BOND_REFUSE, BOND_REFUSE },
		{ BOND_ADMIT_ENABLED, 5, 7, BOND_ACCEPT, BOND_ACCEPT, BOND_ACCEPT, BOND_ACCEPT },
		{ BOND_ADMIT_ACTIVE, 7, 7, BOND_ACCEPT, BOND_ACCEPT, BOND_REFUSE, BOND_REFUSE },
		{ BOND_ADMIT_NO_ECHO, 7, 7, BOND_REFUSE_IF_MOVED, BOND_REFUSE_IF_MOVED,
		  BOND_REFUSE_IF_MOVED, BOND_REFUSE },
		{ BOND_ADMIT_NO_ECHO_ALL, 7, 7, BOND_REFUSE_IF_MOVED, BOND_REFUSE_IF_MOVED,
		  BOND_REFUSE_IF_MOVED, BOND_REFUSE_IF_MOVED },
	};

	for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
		bond = (struct bond){ .admission = rows[k].admission, .active = 1,
				      .enabled = rows[k].enabled, .may_enable = rows[k].may_enable };
		assert_int_equal(bond_admit(&u, 1, ucast), rows[k].ucast1);
		assert_int_equal(bond_admit(&u, 1, mcast), rows[k].mcast1);
		assert_int_equal(bond_admit(&u, 2, ucast), rows[k].ucast2);
		assert_int_equal(bond_admit(&u, 2, mcast), rows[k].mcast2);
		assert_int_equal(bond_admit(&u, 9, ucast), BOND_REFUSE);
	}
}

/* --- Policers ---------------------------------------------------------------------------------- */

static unsigned
offer(struct policer *p, unsigned n, uint32_t size)
{
	static const uint8_t bytes[1500];
	struct rte_mbuf *m[BURST_MAX];
	unsigned left;

	for (unsigned k = 0; k < n; k++)
		m[k] = pkt_from_bytes(bytes, size);
	left = policer_admit(p, m, n);
	pkt_free_bulk(m, left);
	return left;
}

static void
a_policer_holds_its_rate(void **state)
{
	struct policer_rates r = { .bytes_per_s = 125000, .burst_bytes = 10000 };
	struct policer *p;
	unsigned n = 0;

	wf_clock_stop();
	p = policer_new(&r, DROP_QOS_POLICE);
	assert_int_equal(offer(p, 32, 1000), 10); /* the burst */
	assert_int_equal(offer(p, 32, 1000), 0);
	for (unsigned k = 0; k < 1000; k++) {
		wf_clock_warp(10);
		n += offer(p, 16, 1000);
	}
	assert_in_range(n, 1240, 1260); /* 1.25 MB in ten seconds */
	wf_clock_warp(1000000000);
	assert_int_equal(offer(p, 32, 1000), 10); /* not more than the burst, ever */
	assert_true(policer_dropped(p) > 0);
	policer_free(p);
}

static void
packets_are_policed_as_well_and_a_large_one_passes_in_debt(void **state)
{
	struct policer_rates r = { .packets_per_s = 1000, .burst_packets = 5 };
	struct policer *p = policer_new(&r, DROP_QOS_POLICE);

	assert_int_equal(offer(p, 32, 60), 5);
	wf_clock_warp(3);
	assert_int_equal(offer(p, 32, 1500), 3);
	policer_free(p);

	r = (struct policer_rates){ .bytes_per_s = 1000, .burst_bytes = 100 };
	p = policer_new(&r, DROP_QOS_POLICE);
	assert_int_equal(offer(p, 2, 1100), 1);
	wf_clock_warp(900);
	assert_int_equal(offer(p, 1, 1100), 0); /* still in debt */
	wf_clock_warp(200);
	assert_int_equal(offer(p, 1, 1100), 1);
	policer_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(active_backup_sends_by_the_active_member),
		cmocka_unit_test(slb_follows_source_and_vlan_only),
		cmocka_unit_test(tcp_spreads_connections_and_keeps_fragments_together),
		cmocka_unit_test(a_lost_member_gets_nothing_and_others_keep_their_flows),
		cmocka_unit_test(members_admit_what_their_mode_says),
		cmocka_unit_test(a_policer_holds_its_rate),
		cmocka_unit_test(packets_are_policed_as_well_and_a_large_one_passes_in_debt),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
