// SPDX-License-Identifier: Apache-2.0
/* Walks that are kept: which packets share one, which must not, and what they credit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/plan_text.h"
#include "dataplane/run.h"
#include "dataplane/walk_memo.h"
#include "xlate_rig.h"

static struct walk_memo *memo;
static struct walk_found found;
static struct bridge *br;

static struct rule *rules[512];
static unsigned n_rules;

static struct rule *
flow(const char *text)
{
	return rules[n_rules++] = rig_flow(br, text);
}

static void
flow_del(struct rule *r)
{
	for (unsigned i = 0; i < n_rules; i++)
		if (rules[i] == r)
			rules[i] = rules[--n_rules];
	rig_flow_del(r);
}

static int
setup(void **state)
{
	if (!br) {
		br = rig_bridge("br0");
		for (of_port_t p = 1; p <= 4; p++)
			rig_port(br, p);
		rig_publish();
	}
	memo = walk_memo_new();
	return 0;
}

static int
teardown(void **state)
{
	walk_memo_free(memo);
	while (n_rules)
		flow_del(rules[0]);
	return 0;
}

static struct xlate_in
ask(const char *key)
{
	walk_memo_sync(memo, view_get(), 0);
	return (struct xlate_in){ .view = view_get(), .bridge = br, .in_slot = 1,
				  .key = rig_key(key), .for_cache = true };
}

/* As the pipeline does it: looks, and records what it did not find. */
static enum walk_answer
walk(const char *key)
{
	struct xlate_in in = ask(key);
	enum walk_answer answer = walk_memo_find(memo, &in, true, &found);
	struct plan *p;

	if (answer != WALK_UNKNOWN)
		return answer;
	in.record = walk_memo_record(memo, &in);
	assert_non_null(in.record);
	p = translate(&in);
	atomic_store(&p->refs, 1);
	walk_memo_add(memo, &in, &p, &found);
	plan_unref(p);
	return WALK_UNKNOWN;
}

static struct plan *
plan_of_found(void)
{
	return plan_derive(found.body, found.steps, found.n_steps, found.rules, found.n_rules);
}

/* What was found, or recorded, last does what a walk of this packet does. */
static void
does(const char *key_text, const char *actions)
{
	struct of_key key = rig_key(key_text);
	struct plan *p = plan_of_found();
	struct wf_str s = WF_STR_INIT;

	plan_text(p, &key, NULL, view_get(), false, &s);
	assert_string_equal(wf_str_cstr(&s), actions);
	wf_str_done(&s);
	plan_unref(p);
}

#define UDP(N) "in_port=1,udp,dl_src=50:54:00:00:00:0" #N ",dl_dst=50:54:00:00:00:07,nw_src=10.0.0." #N \
	       ",nw_dst=10.1.0." #N ",nw_ttl=64,udp_src=" #N ",udp_dst=9"

static void
rules_of_equal_actions_share_a_walk(void **state)
{
	struct rule *r1 = flow("table=0,udp,nw_src=10.0.0.1,actions=goto_table:1");
	struct rule *r2 = flow("table=0,udp,nw_src=10.0.0.2,actions=goto_table:1");

	flow("table=1,udp,nw_dst=10.1.0.1,actions=output:2");
	flow("table=1,udp,nw_dst=10.1.0.2,actions=output:2");
	flow("table=1,udp,nw_dst=10.1.0.3,actions=output:3");
	assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
	does(UDP(1), "2");
	assert_ptr_equal(found.rules[0], r1);
	assert_int_equal(walk(UDP(2)), WALK_FOUND);
	does(UDP(2), "2");
	assert_int_equal(found.n_rules, 2);
	assert_ptr_equal(found.rules[0], r2);
	/* Another end, and a table in which nothing is found. */
	assert_int_equal(walk("in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.1.0.3"), WALK_UNKNOWN);
	does(UDP(1), "3");
	assert_int_equal(walk("in_port=1,udp,nw_src=10.0.0.2,nw_dst=10.1.0.3,udp_dst=7"), WALK_FOUND);
	assert_int_equal(walk("in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.1.0.4"), WALK_UNKNOWN);
	does(UDP(1), "drop");
	assert_int_equal(walk("in_port=1,udp,nw_src=10.0.0.2,nw_dst=10.1.0.5"), WALK_FOUND);
	assert_int_equal(found.n_rules, 1);
	/* Of another shape, or from another port. */
	assert_int_equal(walk("in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.1.0.1"), WALK_UNKNOWN);
	assert_int_equal(walk("in_port=2,udp,nw_src=10.0.0.1,nw_dst=10.1.0.1"), WALK_UNKNOWN);
}

static void
later_tables_see_what_was_written(void **state)
{
	flow("table=0,udp,tp_dst=9,actions=set_field:0x2a->metadata,set_field:10.9.0.1->ip_dst,"
		     "load:3->NXM_NX_REG1[0..7],goto_table:1");
	flow("table=1,priority=9,metadata=0x2a,udp,nw_dst=10.9.0.1,tp_src=1,reg1=3,actions=output:2");
	flow("table=1,priority=8,metadata=0x2a,udp,nw_dst=10.9.0.1,tp_src=2,actions=output:3");
	flow("table=1,priority=7,udp,nw_dst=10.1.0.1,actions=output:4");
	assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
	does(UDP(1), "set(ipv4(dst=10.9.0.1)),2");
	assert_int_equal(walk(UDP(2)), WALK_UNKNOWN);
	does(UDP(2), "set(ipv4(dst=10.9.0.1)),3");
	assert_int_equal(walk("in_port=1,udp,nw_src=1.2.3.4,nw_dst=5.6.7.8,udp_src=1,udp_dst=9"),
			 WALK_FOUND);
	does(UDP(1), "set(ipv4(dst=10.9.0.1)),2");
	assert_int_equal(walk("in_port=1,udp,nw_dst=10.9.0.1,udp_src=3,udp_dst=9"), WALK_UNKNOWN);
	does(UDP(3), "drop");
}

/* A clone's writes are not those of the packet behind it. */
static void
clones_give_the_key_back(void **state)
{
	flow("table=0,udp,actions=clone(set_field:1->reg0,resubmit(,1)),resubmit(,1)");
	flow("table=1,reg0=1,actions=output:2");
	flow("table=1,reg0=0,actions=output:3");
	assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
	does(UDP(1), "2,3");
	assert_int_equal(walk(UDP(2)), WALK_FOUND);
	does(UDP(2), "2,3");
	assert_int_equal(found.n_rules, 3);
}

static void
tags_that_are_pushed_are_seen(void **state)
{
	flow("table=0,in_port=1,vlan_tci=0,actions=push_vlan:0x8100,set_field:4106->vlan_vid,goto_table:1");
	flow("table=1,dl_vlan=10,dl_dst=50:54:00:00:00:07,actions=strip_vlan,output:2");
	flow("table=1,dl_vlan=10,priority=1,actions=output:3");
	assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
	does(UDP(1), "2");
	assert_int_equal(walk(UDP(2)), WALK_FOUND);
	assert_int_equal(walk("in_port=1,udp,dl_dst=50:54:00:00:00:08"), WALK_UNKNOWN);
	does(UDP(1), "push_vlan(vid=10,pcp=0),3");
}

/* What an action takes from the packet is in no walk that another packet may take. */
static void
what_reads_the_packet_is_translated(void **state)
{
	static const char *const actions[] = {
		"move:NXM_OF_IP_SRC[]->NXM_NX_REG0[],output:2",
		"push:NXM_OF_UDP_SRC[],pop:NXM_OF_UDP_DST[],output:2",
		"output:NXM_OF_UDP_SRC[]",
		"controller",
		"multipath(symmetric_l4,1024,modulo_n,4,0,NXM_NX_REG0[]),output:2",
		"bundle(symmetric_l4,0,hrw,ofport,members:2,3)",
		"learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),output:2",
		"push_mpls:0x8847,output:2",
	};

	for (unsigned i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		struct wf_str s = WF_STR_INIT;
		struct rule *r;

		wf_str_fmt(&s, "table=0,udp,actions=%s", actions[i]);
		r = flow(wf_str_cstr(&s));
		assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
		/* Now it is known not to be. */
		assert_int_equal(walk(UDP(2)), WALK_TRANSLATE);
		wf_str_done(&s);
		flow_del(r);
	}
	/* From what is known it may be. */
	flow("table=0,udp,actions=load:2->NXM_NX_REG0[],move:NXM_NX_REG0[]->NXM_NX_REG1[],"
		     "output:NXM_NX_REG1[]");
	assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
	does(UDP(1), "2");
	assert_int_equal(walk(UDP(2)), WALK_FOUND);
}

static void
time_to_live(void **state)
{
	struct rule *r;

	flow("table=0,udp,actions=dec_ttl,goto_table:1");
	r = flow("table=1,actions=output:2");
	/* One packet that expires says nothing about the others. */
	assert_int_equal(walk("in_port=1,udp,nw_ttl=1"), WALK_UNKNOWN);
	assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
	assert_int_equal(walk(UDP(2)), WALK_FOUND);
	assert_int_equal(found.body->ttl_min, 2);
	/* A table that reads what is left of it. */
	flow("table=1,priority=40000,udp,nw_ttl=62,actions=output:3");
	assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
	assert_int_equal(walk(UDP(2)), WALK_TRANSLATE);
	flow_del(r);
}

static void
changes_are_seen_at_once(void **state)
{
	struct rule *r = flow("table=0,udp,priority=2,tp_src=1,actions=output:2");

	flow("table=0,udp,priority=1,actions=output:3");
	assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
	assert_int_equal(walk(UDP(1)), WALK_FOUND);
	does(UDP(1), "2");
	flow_del(r);
	assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
	does(UDP(1), "3");
	flow("table=0,udp,priority=3,tp_src=1,actions=output:4");
	assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
	does(UDP(1), "4");
	assert_int_equal(walk(UDP(2)), WALK_FOUND);
	does(UDP(2), "3");
	/* Ports: everything that is kept goes. */
	rig_port(br, 5);
	rig_publish();
	assert_int_equal(walk(UDP(2)), WALK_UNKNOWN);
}

static void
rules_and_tables_are_credited(void **state)
{
	struct rule *r1 = flow("table=0,udp,tp_src=1,actions=goto_table:1");
	struct rule *r2 = flow("table=0,udp,tp_src=2,actions=goto_table:1");
	struct rule *last = flow("table=1,actions=output:2");

	walk(UDP(1));
	assert_int_equal(walk(UDP(1)), WALK_FOUND);
	walk_memo_credit(memo, &found, 100, 5);
	assert_int_equal(walk(UDP(2)), WALK_FOUND);
	walk_memo_credit(memo, &found, 60, 6);
	walk_memo_end_burst(memo, 6);
	assert_int_equal(r1->counter.packets, 1);
	assert_int_equal(r1->counter.bytes, 100);
	assert_int_equal(r2->counter.packets, 1);
	assert_int_equal(r2->counter.bytes, 60);
	assert_int_equal(last->counter.packets, 2);
	assert_int_equal(br->tables[0].matched.packets, 2);
	assert_int_equal(br->tables[1].matched.bytes, 160);
	/* And an entry's plan does so for both. */
	struct plan *p = plan_of_found();
	assert_int_equal(p->n_rules, 2);
	assert_int_equal(p->n_steps, 3); /* the hidden table before */
	plan_credit(p, 1, 60, 7);
	assert_int_equal(r2->counter.packets, 2);
	assert_int_equal(br->tables[0].matched.packets, 3);
	plan_unref(p);
}

/* More walks than it keeps: it starts anew, and is right all the time. */
static void
room_is_bounded(void **state)
{
	for (unsigned i = 0; i < 200; i++) {
		for (unsigned table = 0; table < 2; table++) {
			struct wf_str s = WF_STR_INIT;

			wf_str_fmt(&s, "table=%u,udp,%s=%u,actions=set_field:%u->reg%u,%s", table,
				   table ? "tp_dst" : "tp_src", i, i, table,
				   table ? "output:2" : "goto_table:1");
			flow(wf_str_cstr(&s));
			wf_str_done(&s);
		}
	}
	for (unsigned i = 0; i < 200 * 200; i++) {
		char key[64];

		snprintf(key, sizeof key, "in_port=1,udp,udp_src=%u,udp_dst=%u", i / 200, i % 200);
		struct xlate_in in = ask(key);
		struct plan *p;

		enum walk_answer answer = walk_memo_find(memo, &in, true, &found);

		assert_int_not_equal(answer, WALK_FOUND);
		in.record = answer == WALK_UNKNOWN ? walk_memo_record(memo, &in) : NULL;
		if (!in.record)
			continue; /* it does not pay */
		p = translate(&in);
		atomic_store(&p->refs, 1);
		walk_memo_add(memo, &in, &p, &found);
		plan_unref(p);
	}
}

/* Nor does a sender of ever new shapes take the room, or what others' walks are kept by. */
static void
shapes_are_bounded(void **state)
{
	unsigned n_recorded = 0;

	flow("table=0,actions=output:2");
	assert_int_equal(walk(UDP(1)), WALK_UNKNOWN);
	for (unsigned i = 0; i < 20000; i++) {
		struct xlate_in in = ask("in_port=3");
		struct plan *p;

		in.in_slot = 3;
		in.key.dl_type = htons((uint16_t)(0x9000 + i));
		if (walk_memo_find(memo, &in, true, &found) != WALK_UNKNOWN)
			continue;
		in.record = walk_memo_record(memo, &in);
		if (!in.record)
			continue;
		n_recorded++;
		p = translate(&in);
		atomic_store(&p->refs, 1);
		walk_memo_add(memo, &in, &p, &found);
		plan_unref(p);
	}
	assert_in_range(n_recorded, 10, 64);
	assert_int_equal(walk(UDP(2)), WALK_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rules_of_equal_actions_share_a_walk, setup, teardown),
		cmocka_unit_test_setup_teardown(later_tables_see_what_was_written, setup, teardown),
		cmocka_unit_test_setup_teardown(clones_give_the_key_back, setup, teardown),
		cmocka_unit_test_setup_teardown(tags_that_are_pushed_are_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(what_reads_the_packet_is_translated, setup, teardown),
		cmocka_unit_test_setup_teardown(time_to_live, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_are_seen_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(rules_and_tables_are_credited, setup, teardown),
		cmocka_unit_test_setup_teardown(room_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(shapes_are_bounded, setup, teardown),
	};

	rig_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
