/* SPDX-License-Identifier: Apache-2.0 */
/* Flows, groups, meters and TLV maps as records of the state file: what comes back is what was
 * written, to the byte of matches and lists of actions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rcu.h"
#include "openflow/action.h"
#include "openflow/match.h"
#include "openflow/msg_group.h"
#include "switchd/state/record.h"
#include "tests/unit/openflow/action_golden.h"

#define N(ARRAY) (sizeof(ARRAY) / sizeof((ARRAY)[0]))

static size_t
unhex(const char *hex, uint8_t *buf)
{
	size_t n = 0;

	for (; *hex; hex += 2) {
		while (*hex == ' ')
			hex++;
		if (sscanf(hex, "%2hhx", &buf[n]) == 1)
			n++;
	}
	return n;
}

/* Each kind of action in each version (lists that stock ovs-ofctl made). */
static void
lists_of_all_versions_come_back(void **state)
{
	static uint8_t wire[70000];
	unsigned n = 0;

	for (size_t i = 0; i < N(golden); i++) {
		struct wf_buf list = WF_BUF_INIT, again = WF_BUF_INIT, out = WF_BUF_INIT;
		size_t size = unhex(golden[i].hex, wire);
		uint8_t form;

		if (golden[i].instructions
			    ? of_instructions_decode(wire, size, golden[i].version, &list)
			    : of_actions_decode(wire, size, golden[i].version, &list)) {
			wf_buf_done(&list);
			continue;
		}
		form = state_actions_put(&out, list.data, list.size, NULL, 0);
		if (!state_actions_get(out.data, out.size, form, NULL, &again) ||
		    again.size != list.size ||
		    (list.size && memcmp(again.data, list.data, list.size)))
			fail_msg("version %u: %s", golden[i].version, golden[i].text);
		n++;
		wf_buf_done(&list);
		wf_buf_done(&again);
		wf_buf_done(&out);
	}
	assert_true(n > 800);
}

static const struct {
	const char *match, *actions;
} flows[] = {
	{ "", "drop" },
	{ "in_port=LOCAL", "NORMAL" },
	{ "ip,nw_src=10.0.0.0/8,nw_tos=16,nw_ecn=1", "mod_nw_tos:4,output:2" },
	{ "vlan_tci=0x1000/0x1000", "strip_vlan,output:1" },
	{ "vlan_tci=0", "mod_vlan_vid:5,output:1" },
	{ "dl_vlan=5", "mod_vlan_vid:6,output:1" },
	{ "vlan_tci=0x0fff/0x0fff", "push_vlan:0x8100,set_field:4101->vlan_vid,output:3" },
	{ "tcp,tp_dst=80/0xfff0,tcp_flags=+syn-ack", "mod_tp_dst:81,output:2" },
	{ "udp", "mod_tp_src:81,output:2" },
	{ "ipv6,ipv6_src=fe80::/10,ipv6_label=0x5",
	  "dec_ttl,set_field:fe80::1->ipv6_dst,output:2" },
	{ "arp,arp_op=1,arp_tpa=1.2.3.4", "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],IN_PORT" },
	{ "packet_type=(1,0x800)", "encap(ethernet),output:1" },
	{ "reg0=5,reg1=7/0xf,xreg1=5,metadata=0x55/0xff",
	  "load:0x1->NXM_NX_REG2[0..3],resubmit(,5)" },
	{ "ct_state=+trk+est,ct_zone=3,ct_mark=4/0xf,ct_label=5,ip",
	  "ct(commit,zone=7,nat(src=1.2.3.4-1.2.3.9:10-20),exec(load:0x5->NXM_NX_CT_MARK[]))" },
	{ "tun_id=5,tun_src=1.2.3.4,tun_metadata0=0x5/0xff", "set_tunnel:0x7,output:1" },
	{ "mpls,mpls_label=5,mpls_bos=1", "pop_mpls:0x0800,dec_ttl,goto_table:9" },
	{ "icmp6,icmpv6_type=135,nd_target=fe80::1", "meter:6,controller:100" },
	{ "ip,ip_frag=later", "write_actions(group:5),write_metadata:0x5/0xf,goto_table:3" },
	{ "conj_id=5", "clear_actions,goto_table:3" },
	{ "ip,nw_dst=1.1.1.1", "conjunction(5,1/2)" },
	{ "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
	  "note:01.02.03.00.00.00,clone(output:1,output:2)" },
	{ "dl_type=0x05ff", "learn(table=4,hard_timeout=30,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
			    "output:NXM_OF_IN_PORT[])" },
	{ "dl_vlan=0xffff", "enqueue:1:2" },
};

static struct of_tlv_map map;

static void
get_frame(const struct wf_buf *b, struct state_frame *f)
{
	*f = (struct state_frame){ .data = b->data, .size = b->size };
}

static void
flows_come_back(void **state)
{
	of_tlv_map_enter(&map);
	for (size_t i = 0; i < N(flows); i++) {
		static struct of_match_full match;
		struct wf_buf list = WF_BUF_INIT, out = WF_BUF_INIT;
		struct of_action_check check = { 1, 0, 255, OF_PORT_MAX };
		struct state_flow got;
		struct state_frame f;
		struct rule *r;
		char *error;

		memset(&match, 0, sizeof(match));
		of_match_init_any(&match);
		error = of_match_parse(&match, flows[i].match, NULL, NULL);
		if (!error)
			error = of_actions_parse(flows[i].actions, &list);
		if (error)
			fail_msg("%s, %s: %s", flows[i].match, flows[i].actions, error);
		of_match_set_default_packet_type(&match);
		assert_int_equal(of_actions_check(list.data, list.size, &match, &check), 0);
		r = rule_new(&match, (uint16_t)(i * 7), list.data, list.size);
		r->seq = i + (1ull << 40);
		r->cookie = i * 0x123456789abull;
		r->idle_timeout = (uint16_t)i;
		r->hard_timeout = (uint16_t)(i * 2);
		r->importance = (uint16_t)(i * 3);
		r->flags = (uint16_t)(i & 3);
		r->table_id = (uint8_t)(i * 5);
		r->created_ms = -5000;
		state_flow_put(&out, r, &map, 1000000);
		get_frame(&out, &f);
		if (!state_flow_get(&f, &map, 1002000, &got))
			fail_msg("%s, %s: cannot be read", flows[i].match, flows[i].actions);
		assert_int_equal(got.id, r->seq);
		assert_int_equal(got.table, r->table_id);
		assert_int_equal(got.rule->cookie, r->cookie);
		assert_int_equal(got.rule->priority, r->priority);
		assert_int_equal(got.rule->idle_timeout, r->idle_timeout);
		assert_int_equal(got.rule->hard_timeout, r->hard_timeout);
		assert_int_equal(got.rule->importance, r->importance);
		assert_int_equal(got.rule->flags, r->flags);
		assert_int_equal(got.rule->created_ms, -7000);
		if (!of_match_equal(got.rule->match, r->match) || got.rule->actions != r->actions)
			fail_msg("%s, %s: comes back as another flow", flows[i].match,
				 flows[i].actions);
		/* Cut anywhere: refused or read, nothing worse. */
		for (size_t cut = 0; cut < out.size; cut++) {
			struct state_flow part;
			void *copy = wf_xmemdup(out.data, cut ? cut : 1);

			f = (struct state_frame){ .data = copy, .size = cut };
			if (state_flow_get(&f, &map, 0, &part))
				rule_unref(part.rule);
			free(copy);
		}
		rule_unref(got.rule);
		rule_unref(r);
		wf_buf_done(&list);
		wf_buf_done(&out);
	}
	wf_rcu_drain();
	of_tlv_map_enter(NULL);
}

static void
tlv_maps_come_back(void **state)
{
	struct wf_buf out = WF_BUF_INIT;
	struct of_tlv_map again;
	struct state_frame f;

	state_tlv_map_put(&out, &map);
	get_frame(&out, &f);
	assert_true(state_tlv_map_get(&f, &again));
	assert_int_equal(of_tlv_len(&again, 0), 4);
	assert_int_equal(of_tlv_len(&again, 9), 124);
	assert_int_equal(of_tlv_map_find(&again, 0x102, 0x80), 9);
	f.size--;
	assert_false(state_tlv_map_get(&f, &again));
	wf_buf_done(&out);
}

static void
meters_come_back(void **state)
{
	struct meter *m = wf_xzalloc(sizeof(*m) + 2 * sizeof(m->bands[0]));
	struct wf_buf out = WF_BUF_INIT, bands = WF_BUF_INIT;
	struct of_meter_config cfg;
	struct state_frame f;
	int64_t created;

	m->id = 7;
	m->flags = OF_MF_KBPS | OF_MF_BURST;
	m->n_bands = 2;
	m->created_ms = 50;
	m->bands[0].type = OF_MBT_DROP;
	m->bands[0].rate = 1000;
	m->bands[1].type = OF_MBT_DSCP_REMARK;
	m->bands[1].prec_level = 3;
	m->bands[1].burst = 99;
	state_meter_put(&out, m, 1000);
	get_frame(&out, &f);
	assert_true(state_meter_get(&f, 900, &cfg, &bands, &created));
	assert_int_equal(cfg.meter, 7);
	assert_int_equal(cfg.flags, OF_MF_KBPS | OF_MF_BURST);
	assert_int_equal(cfg.n_bands, 2);
	assert_int_equal(cfg.bands[0].rate, 1000);
	assert_int_equal(cfg.bands[1].prec_level, 3);
	assert_int_equal(cfg.bands[1].burst_size, 99);
	assert_int_equal(created, 150);
	f.size--;
	assert_false(state_meter_get(&f, 900, &cfg, &bands, &created));
	wf_buf_done(&out);
	wf_buf_done(&bands);
	free(m);
}

static void
groups_come_back(void **state)
{
	static const char *const lists[] = { "output:5", "mod_vlan_vid:7,output:6", "drop" };
	struct bucket buckets[3];
	struct group g = { .id = 77, .type = GROUP_SELECT, .n_buckets = 3, .buckets = buckets,
			   .selection_method = "hash", .selection_param = 5, .n_hash_fields = 1,
			   .created_ms = 3 };
	struct wf_buf out = WF_BUF_INIT, list = WF_BUF_INIT;
	struct of_group_mod gm;
	struct state_frame f;
	int64_t created;

	g.hash_fields = wf_xzalloc(sizeof(*g.hash_fields));
	g.hash_fields[0].field = OF_F_IPV4_SRC;
	memset(&g.hash_fields[0].mask, 0xf0, 4);
	for (unsigned i = 0; i < 3; i++) {
		wf_buf_clear(&list);
		assert_null(of_actions_parse(lists[i], &list));
		buckets[i] = (struct bucket){
			.bucket_id = i * 10, .weight = (uint16_t)i,
			.watch_port = i ? OF_PORT_ANY : 4, .watch_group = OF_GROUP_ANY,
			.actions = rule_actions_new(list.data, list.size),
		};
	}
	state_group_put(&out, &g, NULL, 100);
	get_frame(&out, &f);
	assert_true(state_group_get(&f, NULL, 90, &gm, &created));
	assert_int_equal(created, 13);
	assert_int_equal(gm.group, 77);
	assert_int_equal(gm.type, OF_GT_SELECT);
	assert_string_equal(gm.props.method, "hash");
	assert_int_equal(gm.props.param, 5);
	assert_memory_equal(of_group_props_mask(&gm.props, OF_F_IPV4_SRC), "\xf0\xf0\xf0\xf0", 4);
	assert_int_equal(gm.n_buckets, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(gm.buckets[i].bucket_id, i * 10);
		assert_int_equal(gm.buckets[i].weight, i);
		assert_int_equal(gm.buckets[i].watch_port, i ? OF_PORT_ANY : 4);
		assert_int_equal(gm.buckets[i].actions_size, buckets[i].actions->size);
		assert_memory_equal(gm.buckets[i].actions, buckets[i].actions->data,
				    buckets[i].actions->size);
	}
	of_group_mod_done(&gm);
	for (size_t cut = 0; cut < out.size; cut++) {
		void *copy = wf_xmemdup(out.data, cut ? cut : 1);

		f = (struct state_frame){ .data = copy, .size = cut };
		assert_false(state_group_get(&f, NULL, 90, &gm, &created));
		free(copy);
	}
	for (unsigned i = 0; i < 3; i++)
		rule_actions_unref(buckets[i].actions);
	free(g.hash_fields);
	wf_buf_done(&out);
	wf_buf_done(&list);
}

static int
setup(void **state)
{
	wf_rcu_register("test");
	of_tlv_map_init(&map);
	return of_tlv_map_add(&map, 0xffff, 0x01, 4, 0) ||
	       of_tlv_map_add(&map, 0x102, 0x80, 124, 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_of_all_versions_come_back),
		cmocka_unit_test(flows_come_back),
		cmocka_unit_test(tlv_maps_come_back),
		cmocka_unit_test(meters_come_back),
		cmocka_unit_test(groups_come_back),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
