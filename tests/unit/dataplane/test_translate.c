// SPDX-License-Identifier: Apache-2.0
/* The translator: flows and a packet in, the plan's text out.  Texts follow Open vSwitch's form of
 * datapath actions; what they must be comes from the OpenFlow specification and ovs-actions(7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xlate_rig.h"

static struct bridge *br;

#define TCP1 "in_port=1,tcp,dl_src=50:54:00:00:00:05,dl_dst=50:54:00:00:00:07,nw_src=192.168.0.1," \
	     "nw_dst=192.168.0.2,nw_tos=0,nw_ttl=64,tp_src=8,tp_dst=9"

/* Rows: flows (up to 4), packet, datapath actions. */
static const struct row {
	const char *what;
	const char *flows[6];
	const char *packet, *actions;
} rows[] = {
	{ "no flow: dropped", { 0 }, TCP1, "drop" },
	{ "output", { "actions=2" }, TCP1, "2" },
	{ "not to the input port", { "actions=1,2" }, TCP1, "2" },
	{ "but when named", { "actions=in_port,2" }, TCP1, "1,2" },
	{ "a port that is not there", { "actions=77,3" }, TCP1, "3" },
	{ "flood leaves out the input port", { "actions=FLOOD" }, TCP1, "2,3,4" },
	{ "drop", { "actions=drop" }, TCP1, "drop" },
	{ "resubmit comes back",
	  { "actions=resubmit(,1),3", "table=1,actions=2" }, TCP1, "2,3" },
	{ "resubmit with another in_port",
	  { "in_port=1,actions=resubmit(4),3", "in_port=4,actions=2" }, TCP1, "2,3" },
	{ "goto and a miss in the next table",
	  { "actions=2,goto_table:1" }, TCP1, "2" },
	{ "set fields are one op",
	  { "actions=mod_dl_src:00:00:00:00:00:01,mod_dl_dst:00:00:00:00:00:02,2" }, TCP1,
	  "set(eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02)),2" },
	{ "network and transport layer",
	  { "tcp,actions=mod_nw_src:10.0.0.1,mod_tp_dst:80,dec_ttl,2" }, TCP1,
	  "set(ipv4(src=10.0.0.1,ttl=63)),set(tcp(dst=80)),2" },
	{ "what follows an output is not seen by it",
	  { "actions=2,mod_dl_src:00:00:00:00:00:01,3" }, TCP1,
	  "2,set(eth(src=00:00:00:00:00:01)),3" },
	{ "writes that nobody sees are not done",
	  { "actions=2,mod_dl_src:00:00:00:00:00:01" }, TCP1, "2" },
	{ "a tag is pushed whole",
	  { "actions=push_vlan:0x8100,set_field:0x1005->vlan_vid,2" }, TCP1, "push_vlan(vid=5,pcp=0),2" },
	{ "OpenFlow 1.0 makes a tag",
	  { "actions=mod_vlan_vid:5,mod_vlan_pcp:3,2" }, TCP1, "push_vlan(vid=5,pcp=3),2" },
	{ "push and strip cancel",
	  { "actions=mod_vlan_vid:5,strip_vlan,2" }, TCP1, "2" },
	{ "strip",
	  { "actions=strip_vlan,2" }, "in_port=1,dl_vlan=7,dl_vlan_pcp=1", "pop_vlan,2" },
	{ "change of a tag",
	  { "actions=mod_vlan_vid:5,2" }, "in_port=1,dl_vlan=7,dl_vlan_pcp=1",
	  "pop_vlan,push_vlan(vid=5,pcp=1),2" },
	{ "the new tag copies the old one",
	  { "actions=push_vlan:0x88a8,2" }, "in_port=1,dl_vlan=7,dl_vlan_pcp=1",
	  "push_vlan(tpid=0x88a8,vid=7,pcp=1),2" },
	{ "registers are not in the packet",
	  { "actions=load:5->NXM_NX_REG0[],resubmit(,1)", "table=1,reg0=5,actions=2" }, TCP1, "2" },
	{ "output to a register's port",
	  { "actions=load:3->NXM_NX_REG0[],output:NXM_NX_REG0[]" }, TCP1, "3" },
	{ "the stack",
	  { "actions=load:3->NXM_NX_REG0[],push:NXM_NX_REG0[],load:2->NXM_NX_REG0[],"
	    "output:NXM_NX_REG0[],pop:NXM_NX_REG0[],output:NXM_NX_REG0[]" }, TCP1, "2,3" },
	{ "the action set runs last, in its order",
	  { "actions=write_actions(2,dec_ttl,mod_dl_src:00:00:00:00:00:01),goto_table:1",
	    "table=1,actions=3" }, TCP1,
	  "3,set(eth(src=00:00:00:00:00:01)),set(ipv4(ttl=63)),2" },
	{ "clear_actions",
	  { "actions=write_actions(2),goto_table:1", "table=1,actions=3,clear_actions" }, TCP1, "3" },
	{ "a clone's changes stay in it",
	  { "actions=clone(mod_dl_src:00:00:00:00:00:01,2),3" }, TCP1,
	  "set(eth(src=00:00:00:00:00:01)),2,set(eth(src=50:54:00:00:00:05)),3" },
	{ "exit ends the whole pipeline",
	  { "actions=resubmit(,1),3", "table=1,actions=2,exit,4" }, TCP1, "2" },
	{ "TTL at its end",
	  { "ip,actions=dec_ttl,2" }, "in_port=1,ip,nw_ttl=1",
	  "userspace(pid=0,controller(reason=2,dont_send=0,continuation=0,recirc_id=1,"
	  "rule_cookie=0,controller_id=0,max_len=65535))" },
	{ "MPLS push keeps the TTL",
	  { "ip,actions=push_mpls:0x8847,set_field:10->mpls_label,2" }, TCP1,
	  "push_mpls(label=10,tc=0,ttl=64,bos=1,eth_type=0x8847),2" },
	{ "MPLS pop and L3: parsed again",
	  { "mpls,actions=pop_mpls:0x0800,dec_ttl,2" },
	  "in_port=1,mpls,mpls_label=10,mpls_tc=0,mpls_ttl=64,mpls_bos=1", "pop_mpls(eth_type=0x800),recirc" },
	{ "truncated output",
	  { "actions=output(port=2,max_len=100),3" }, TCP1, "trunc(100),2,3" },
	{ "queues",
	  { "actions=set_queue:5,2,pop_queue,3" }, TCP1,
	  "set(skb_priority(0x5)),2,set(skb_priority(0)),3" },
	{ "ct is not built: said and dropped", { "ip,actions=2,ct(commit),3" }, TCP1, "2" },
};

static void
plans(void **state)
{
	unsigned n_wrong = 0;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		struct rule *rules[6] = { NULL };
		char *text;

		for (unsigned f = 0; f < 6 && r->flows[f]; f++)
			rules[f] = rig_flow(br, r->flows[f]);
		text = rig_plan(br, r->packet);
		if (strncmp(text, r->actions, strstr(r->actions, "recirc") && !strstr(r->actions, "recirc_id")
				 ? strlen(r->actions) : 9999))
			n_wrong += !!fprintf(stderr, "%s: got '%s', want '%s'\n", r->what, text,
					     r->actions);
		free(text);
		text = rig_resolved(br, r->packet);
		if (strcmp(text, r->actions) && !strstr(r->actions, "recirc"))
			n_wrong += !!fprintf(stderr, "%s: resolved: got '%s', want '%s'\n", r->what,
					     text, r->actions);
		free(text);
		for (unsigned f = 0; f < 6 && rules[f]; f++)
			rig_flow_del(rules[f]);
	}
	assert_int_equal(n_wrong, 0);
}

static void
ttl_guard(void **state)
{
	struct rule *r = rig_flow(br, "ip,actions=dec_ttl,dec_ttl,2");
	struct of_key key = rig_key(TCP1);
	struct plan *p = rig_translate(br, &key);

	assert_int_equal(p->ttl_min, 3);
	assert_true(p->cacheable);
	plan_free(p);
	key.nw_ttl = 2;
	p = rig_translate(br, &key);
	assert_false(p->cacheable);
	plan_free(p);
	rig_flow_del(r);
}

static void
credits(void **state)
{
	struct rule *r = rig_flow(br, "actions=resubmit(,1),resubmit(,1)");
	struct rule *s = rig_flow(br, "table=1,actions=2");
	struct of_key key = rig_key(TCP1);
	struct plan *p = rig_translate(br, &key);
	unsigned n = 0;

	for (uint32_t i = 0; i < p->n_credits; i++)
		n += p->credits[i] == &s->counter;
	assert_int_equal(n, 2);
	assert_int_equal(p->n_rules, 3);
	assert_int_equal(p->n_steps, 4); /* the hidden table, 0, 1, 1 */
	plan_free(p);
	rig_flow_del(r);
	rig_flow_del(s);
}

static void
limits(void **state)
{
	struct rule *r = rig_flow(br, "actions=2,resubmit(,0)");
	struct of_key key = rig_key(TCP1);
	struct plan *p = rig_translate(br, &key);

	assert_int_equal(p->ops_size, 0);
	assert_int_equal(p->drop_reason, DROP_PIPELINE_TOO_DEEP);
	plan_free(p);
	rig_flow_del(r);
}

static void
groups(void **state)
{
	static const char *const buckets[] = { "mod_dl_src:00:00:00:00:00:01,2", "3" };
	struct rule *r = rig_flow(br, "actions=group:1,4");
	char *text;

	rig_group(br, 1, GROUP_ALL, 2, buckets);
	text = rig_plan(br, TCP1);
	assert_string_equal(text, "set(eth(src=00:00:00:00:00:01)),2,"
				  "set(eth(src=50:54:00:00:00:05)),3,4");
	free(text);
	rig_group(br, 1, GROUP_FF, 2, buckets);
	text = rig_resolved(br, TCP1);
	assert_string_equal(text, "set(eth(src=00:00:00:00:00:01)),2,"
				  "set(eth(src=50:54:00:00:00:05)),4");
	free(text);
	text = rig_plan(br, TCP1);
	assert_string_equal(text, "failover(bucket_id=0:set(eth(src=00:00:00:00:00:01)),2;"
				  "bucket_id=1:3),4");
	free(text);
	rig_flow_del(r);
}

static void
trace(void **state)
{
	struct rule *r[] = {
		rig_flow(br, "in_port=1,cookie=0x5,actions=resubmit(,1),3"),
		rig_flow(br, "table=1,priority=7,ip,actions=load:5->NXM_NX_REG0[],2"),
	};
	char *text = rig_trace(br, TCP1);

	assert_string_equal(
		text,
		"Flow: tcp,in_port=1,vlan_tci=0x0000,dl_src=50:54:00:00:00:05,"
		"dl_dst=50:54:00:00:00:07,nw_src=192.168.0.1,nw_dst=192.168.0.2,nw_tos=0,nw_ecn=0,"
		"nw_ttl=64,nw_frag=no,tp_src=8,tp_dst=9,tcp_flags=0\n"
		"\n"
		"bridge(\"br0\")\n"
		"-------------\n"
		" 0. in_port=1, priority 32768, cookie 0x5\n"
		"    resubmit(,1)\n"
		"     1. ip, priority 7\n"
		"            load:0x5->NXM_NX_REG0[]\n"
		"            output:2\n"
		"    output:3\n"
		"\n"
		"Final flow: tcp,reg0=0x5,in_port=1,vlan_tci=0x0000,dl_src=50:54:00:00:00:05,"
		"dl_dst=50:54:00:00:00:07,nw_src=192.168.0.1,nw_dst=192.168.0.2,nw_tos=0,nw_ecn=0,"
		"nw_ttl=64,nw_frag=no,tp_src=8,tp_dst=9,tcp_flags=0\n"
		"Megaflow: recirc_id=0,eth,ip,in_port=1,nw_frag=no\n"
		"Datapath actions: 2,3");
	free(text);
	for (unsigned i = 0; i < 2; i++)
		rig_flow_del(r[i]);
}

static void
trace_miss(void **state)
{
	char *text = rig_trace(br, "in_port=1");
	const char *want = "\nbridge(\"br0\")\n-------------\n 0. No match.\n    drop\n";

	if (!strstr(text, want))
		fail_msg("got: %s", text);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans), cmocka_unit_test(ttl_guard), cmocka_unit_test(credits),
		cmocka_unit_test(limits), cmocka_unit_test(groups), cmocka_unit_test(trace),
		cmocka_unit_test(trace_miss),
	};

	rig_init();
	br = rig_bridge("br0");
	for (of_port_t i = 1; i <= 4; i++)
		rig_port(br, i);
	rig_publish();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
