// SPDX-License-Identifier: Apache-2.0
/* NORMAL, VLAN modes, mirrors and patch ports.  Behaviour: vswitch.conf.db(5), tables Port and Mirror;
 * texts of the explanation as Open vSwitch prints them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rcu.h"
#include "xlate_rig.h"

static struct bridge *br, *br1;
static uint64_t trunk10[64], all_but[64];

#define MACS "dl_src=50:54:00:00:00:05,dl_dst=50:54:00:00:00:07"

static struct normal_result *
decide(of_port_t in_port, const char *text, bool learn)
{
	static struct normal_result r;
	const struct view *v = view_get();
	struct of_key key = rig_key(text);

	normal_decide(v, v->bridges[br->index], in_port, &key, NULL, learn, 0, &r, NULL);
	return &r;
}

/* 1: trunk, 2: access 10, 3: trunk of 10 only, 4: native-untagged 10, 5: dot1q-tunnel 10,
 * 6: native-tagged 10. */
static void
vlan_modes(void **state)
{
	static const struct {
		const char *packet, *actions;
	} rows[] = {
		{ "in_port=1", "drop" },
		{ "in_port=1,dl_vlan=10",
		  "pop_vlan,2,push_vlan(vid=10,pcp=0),3,pop_vlan,4,5,push_vlan(vid=10,pcp=0),6" },
		{ "in_port=1,dl_vlan=11", "drop" },
		{ "in_port=1,dl_vlan=10,dl_vlan_pcp=3",
		  "pop_vlan,2,push_vlan(vid=10,pcp=3),3,pop_vlan,4,5,push_vlan(vid=10,pcp=3),6" },
		{ "in_port=2", "push_vlan(vid=10,pcp=0),1,3,pop_vlan,4,5,push_vlan(vid=10,pcp=0),6" },
		{ "in_port=2,dl_vlan=10", "drop" },
		{ "in_port=4", "push_vlan(vid=10,pcp=0),1,pop_vlan,2,push_vlan(vid=10,pcp=0),3,"
			       "pop_vlan,5,push_vlan(vid=10,pcp=0),6" },
		{ "in_port=4,dl_vlan=10", "1,pop_vlan,2,push_vlan(vid=10,pcp=0),3,"
					  "pop_vlan,5,push_vlan(vid=10,pcp=0),6" },
		{ "in_port=5", "push_vlan(tpid=0x88a8,vid=10,pcp=0),1,pop_vlan,2,"
			       "push_vlan(tpid=0x88a8,vid=10,pcp=0),3,pop_vlan,4,"
			       "push_vlan(tpid=0x88a8,vid=10,pcp=0),6" },
		{ "in_port=6", "push_vlan(vid=10,pcp=0),1,pop_vlan,2,push_vlan(vid=10,pcp=0),3,"
			       "pop_vlan,4,5" },
	};
	struct rule *r = rig_flow(br, "actions=normal");
	unsigned n_wrong = 0;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char packet[200], *text;

		snprintf(packet, sizeof packet, "%s," MACS, rows[i].packet);
		text = rig_resolved(br, packet);
		if (strcmp(text, rows[i].actions)) {
			printf("%s: '%s', want '%s'\n", packet, text, rows[i].actions);
			n_wrong++;
		}
		free(text);
	}
	assert_int_equal(n_wrong, 0);
	rig_flow_del(r);
}

static void
outputs_of_modes(void **state)
{
	struct normal_result *r = decide(2, MACS, false);
	unsigned ports = 0;

	for (unsigned i = 0; i < r->n; i++) {
		const struct normal_output *o = &r->out[i];

		ports |= 1u << o->port->ofp_port;
		if (o->port->ofp_port == 4 || o->port->ofp_port == 5)
			assert_false(o->tagged);
		else
			assert_true(o->tagged && o->vid == 10 && !o->n_pop);
	}
	assert_int_equal(ports, 1u << 1 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6);
	r = decide(5, MACS ",dl_vlan=33", false);
	ports = 0;
	for (unsigned i = 0; i < r->n; i++) {
		const struct normal_output *o = &r->out[i];

		ports |= 1u << o->port->ofp_port;
		/* Its own tag stays below; an access port takes no frame with two. */
		assert_int_not_equal(o->port->ofp_port, 2);
		if (o->port->ofp_port != 4)
			assert_true(o->tagged && o->tpid == 0x88a8 && !o->n_pop);
	}
	assert_int_equal(ports, 1u << 1 | 1u << 3 | 1u << 4 | 1u << 6);
	assert_int_equal(decide(2, MACS ",dl_vlan=5", false)->drop, DROP_RX_VLAN_ON_ACCESS);
	assert_int_equal(decide(3, MACS ",dl_vlan=5", false)->drop, DROP_RX_VLAN_NOT_ALLOWED);
	assert_int_equal(decide(2, "dl_src=50:54:00:00:00:05,dl_dst=01:80:c2:00:00:02", false)->drop,
			 DROP_RX_RESERVED_MULTICAST);
	assert_int_equal(decide(77, MACS, false)->n, 0);
}

static void
learning(void **state)
{
	struct normal_result *r = decide(2, MACS, true);
	struct mac_stats s;

	assert_true(r->n > 1);
	r = decide(4, "dl_src=50:54:00:00:00:07,dl_dst=50:54:00:00:00:05", true);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].port->ofp_port, 2);
	r = decide(2, MACS, true);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].port->ofp_port, 4);
	/* Back where it came from: dropped. */
	r = decide(4, MACS, false);
	assert_int_equal(r->n, 0);
	assert_int_equal(r->drop, DROP_OUT_TO_IN_PORT);
	/* It moves. */
	decide(1, MACS ",dl_vlan=10", true);
	assert_int_equal(mac_table_lookup(br->macs, 10, (uint8_t[]){ 0x50, 0x54, 0, 0, 0, 5 }), 1);
	mac_table_stats(br->macs, &s);
	assert_int_equal(s.total_moved, 1);
	assert_int_equal(s.n, 2);
	mac_table_flush(br->macs);
	assert_int_equal(mac_table_lookup(br->macs, 10, (uint8_t[]){ 0x50, 0x54, 0, 0, 0, 5 }),
			 OF_PORT_NONE);
}

/* A port that floods the table with addresses pushes out its own. */
static void
eviction_is_fair(void **state)
{
	struct mac_table *t = mac_table_new();
	uint8_t victim[6] = { 2, 0, 0, 0, 0, 9 };
	struct mac_stats s;

	mac_table_configure(t, 100, 300000);
	mac_table_learn(t, 1, victim, 7, false, false);
	for (unsigned i = 0; i < 10000; i++) {
		uint8_t mac[6] = { 2, 1, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };

		mac_table_learn(t, 1, mac, 8, false, false);
	}
	assert_int_equal(mac_table_lookup(t, 1, victim), 7);
	mac_table_stats(t, &s);
	assert_int_equal(s.n, 100);
	assert_int_equal(s.total_evicted, 10001 - 100);
	mac_table_free(t);
}

static void
trace_learns(void **state)
{
	struct rule *r = rig_flow(br, "actions=normal");
	char *text = rig_trace(br, "in_port=2," MACS);

	if (!strstr(text, "    NORMAL\n     -> no learned MAC for destination, flooding\n"))
		fail_msg("%s", text);
	free(text);
	rig_flow_del(r);
}

/* br port 7 <-> br1 port 1; br1 has port 2. */
static void
patch_hop(void **state)
{
	struct rule *r[] = {
		rig_flow(br, "in_port=1,actions=load:5->NXM_NX_REG0[],output:7,2"),
		rig_flow(br1, "in_port=1,reg0=0,actions=mod_dl_dst:00:00:00:00:00:09,2"),
	};
	char *text = rig_plan(br, "in_port=1," MACS);
	char want[100];

	snprintf(want, sizeof want, "set(eth(dst=00:00:00:00:00:09)),%u,"
		 "set(eth(dst=50:54:00:00:00:07)),%u", rig_port(br1, 2)->slot, rig_port(br, 2)->slot);
	assert_string_equal(text, want);
	free(text);
	text = rig_trace(br, "in_port=1," MACS);
	if (!strstr(text, "    output:7\n\n    bridge(\"br1\")\n    -------------\n"
			  "         0. reg0=0,in_port=1, priority 32768\n"))
		fail_msg("%s", text);
	free(text);
	struct of_key key = rig_key("in_port=1," MACS);
	struct plan *p = rig_translate(br, &key);
	unsigned n = 0;

	for (uint32_t i = 0; i < p->n_credits; i++)
		n += p->credits[i] == rig_port(br, 7)->tx_patch ||
		     p->credits[i] == rig_port(br1, 1)->rx_patch;
	assert_int_equal(n, 2);
	plan_free(p);
	rig_flow_del(r[0]);
	rig_flow_del(r[1]);
}

/* NORMAL may choose the patch port: then the peer's walk starts from a continuation. */
static void
normal_into_patch(void **state)
{
	struct rule *r[] = { rig_flow(br, "actions=normal"), rig_flow(br1, "actions=2") };
	struct of_key key = rig_key("in_port=1," MACS);
	struct plan *p = rig_translate(br, &key);
	const struct op_normal *op = (const struct op_normal *)p->ops;

	assert_int_equal(op->op.type, OP_NORMAL);
	assert_int_equal(op->n_patches, 1);
	assert_int_equal(op->patches[0].port, 7);
	struct xlate_in in = { .view = view_get(), .bridge = br, .in_slot = UINT32_MAX, .key = key,
			       .frozen = op->patches[0].frozen, .for_cache = true };
	struct plan *q = translate(&in);

	assert_int_equal(q->ops->type, OP_OUTPUT);
	assert_int_equal(q->ops->u32, rig_port(br1, 2)->slot);
	plan_free(q);
	plan_free(p);
	rig_flow_del(r[0]);
	rig_flow_del(r[1]);
}

static void
mirrors(void **state)
{
	struct l2_config *l2 = rig_l2(br);
	struct rule *r = rig_flow(br, "in_port=1,actions=3");
	char *text;

	/* What comes in by 1, or leaves by 3, to port 8: one copy. */
	l2->mirrors[0] = (struct mirror){ .in_use = true, .out = rig_bundle(br, 8), .out_vlan = -1,
					  .dup_mirrors = 1 };
	rig_bundle(br, 1)->src_mirrors = 1;
	rig_bundle(br, 3)->dst_mirrors = 1;
	rig_bundle(br, 8)->mirror_out = 1;
	rig_publish();
	text = rig_resolved(br, "in_port=1," MACS ",dl_vlan=10");
	char want[40];
	snprintf(want, sizeof want, "%u,%u", rig_port(br, 8)->slot, rig_port(br, 3)->slot);
	assert_string_equal(text, want);
	free(text);
	/* Leaving only. */
	rig_bundle(br, 1)->src_mirrors = 0;
	rig_publish();
	text = rig_resolved(br, "in_port=1," MACS ",dl_vlan=10");
	snprintf(want, sizeof want, "%u,%u", rig_port(br, 3)->slot, rig_port(br, 8)->slot);
	assert_string_equal(text, want);
	free(text);
	struct of_key key = rig_key("in_port=1," MACS ",dl_vlan=10");
	struct plan *p = rig_translate(br, &key);
	unsigned n = 0;
	plan_op_for_each(op, p->ops, p->ops_size)
	{
		n += op->type == OP_MIRROR && op->u32 == 1;
	}
	assert_int_equal(n, 1);
	plan_free(p);
	l2->mirrors[0].in_use = false;
	l2->mirrors[0].out = NULL;
	rig_bundle(br, 3)->dst_mirrors = 0;
	rig_bundle(br, 8)->mirror_out = 0;
	rig_publish();
	rig_flow_del(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vlan_modes), cmocka_unit_test(outputs_of_modes),
		cmocka_unit_test(learning), cmocka_unit_test(eviction_is_fair),
		cmocka_unit_test(trace_learns), cmocka_unit_test(mirrors),
		cmocka_unit_test(patch_hop), cmocka_unit_test(normal_into_patch),
	};
	struct bundle *b;

	trunk10[0] = 1u << 10;
	memset(all_but, 0xff, sizeof all_but);
	all_but[0] &= ~1ull;           /* untagged packets have no VLAN here */
	all_but[0] &= ~(1ull << 11);
	rig_init();
	br = rig_bridge("br0");
	for (of_port_t i = 1; i <= 6; i++)
		rig_port(br, i);
	rig_bundle(br, 1)->trunks = all_but;
	(b = rig_bundle(br, 2))->mode = VLAN_ACCESS;
	b->vlan = 10;
	rig_bundle(br, 3)->trunks = trunk10;
	(b = rig_bundle(br, 4))->mode = VLAN_NATIVE_UNTAGGED;
	b->vlan = 10;
	b->trunks = trunk10;
	(b = rig_bundle(br, 5))->mode = VLAN_DOT1Q_TUNNEL;
	b->vlan = 10;
	(b = rig_bundle(br, 6))->mode = VLAN_NATIVE_TAGGED;
	b->vlan = 10;
	b->trunks = trunk10;
	br1 = rig_bridge("br1");
	rig_patch(br, 7, br1, 1);
	rig_bundle(br, 7)->floodable = false;
	rig_port(br1, 2);
	rig_port(br, 8);
	rig_bundle(br, 8)->floodable = false;
	rig_publish();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
