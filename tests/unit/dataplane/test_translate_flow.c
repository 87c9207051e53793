// SPDX-License-Identifier: Apache-2.0
/* Actions that need more than one walk, or choose: learn, pauses, groups, conjunctions, multipath,
 * bundles, meters, egress tables, fragments, misses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/plan_text.h"
#include "dataplane/tunnel.h"
#include "openflow/action.h"
#include "xlate_rig.h"

static struct bridge *br;

#define TCP1 "in_port=1,tcp,dl_src=50:54:00:00:00:05,dl_dst=50:54:00:00:00:07,nw_src=192.168.0.1," \
	     "nw_dst=192.168.0.2,nw_tos=0,nw_ttl=64,tp_src=8,tp_dst=9"

static const struct plan_op *
find_op(const struct plan *p, enum plan_op_type type)
{
	plan_op_for_each(op, p->ops, p->ops_size)
	{
		if (op->type == type)
			return op;
	}
	return NULL;
}

/* The MAC learning of ovs-actions(7): learn, then a lookup in the learned table. */
static void
learn(void **state)
{
	struct rule *r = rig_flow(br, "actions=learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
				      "output:NXM_OF_IN_PORT[]),resubmit(,1)");
	struct xlate_in in = { .view = view_get(), .bridge = br, .in_slot = UINT32_MAX,
			       .key = rig_key(TCP1), .for_cache = true };
	struct plan *p = translate(&in);
	const struct op_learn *op = (const struct op_learn *)p->ops;
	struct learned_flow *f = op->flow;
	struct of_key dst = { 0 };
	struct rule *learned;

	assert_int_equal(op->op.type, OP_LEARN);
	assert_int_equal(op->op.u8, 1);
	assert_int_equal(find_op(p, OP_SLOW) != NULL, 1);
	assert_int_equal(p->n_credits, 0);
	assert_false(p->cacheable);
	assert_int_equal(f->table_id, 1);
	memcpy(dst.dl_dst, in.key.dl_src, 6);
	assert_memory_equal(f->match.key.dl_dst, dst.dl_dst, 6);
	/* Main adds it; the next walk finds it and goes on. */
	learned = rule_new(&f->match, f->priority, f->actions, f->actions_size);
	learned->cookie = f->cookie;
	learned->idle_timeout = f->idle_timeout;
	learned->hard_timeout = f->hard_timeout;
	table_add(&br->tables[1], learned, view_next_version());
	view_fields_used(learned->match, learned->actions, 1);
	view_publish(true);
	plan_free(p);
	in.view = view_get();
	p = translate(&in);
	op = (const struct op_learn *)p->ops;
	assert_int_equal(op->op.type, OP_LEARN);
	assert_int_equal(op->op.u8, 0);
	assert_ptr_equal(atomic_load(&op->flow->rule), learned);
	assert_true(p->cacheable);
	assert_null(find_op(p, OP_SLOW));
	plan_free(p);
	/* The answer goes to where the first came from. */
	in.key = rig_key("in_port=2,tcp,dl_src=50:54:00:00:00:07,dl_dst=50:54:00:00:00:05");
	in.learn_done = 1; /* this one's own learning failed: it goes on */
	p = translate(&in);
	assert_int_equal(p->ops->type, OP_OUTPUT);
	assert_int_equal(p->ops->u32, 1);
	assert_false(p->cacheable);
	plan_free(p);
	rig_flow_del(r);
	rig_flow_del(learned);
}

/* What remains after a pause runs when the packet is resumed; table and cookie come back. */
static void
pause(void **state)
{
	struct rule *r[] = {
		rig_flow(br, "cookie=0x9,actions=load:7->NXM_NX_REG3[],resubmit(,1),4"),
		rig_flow(br, "table=1,actions=2,controller(pause,userdata=01.02),3"),
	};
	struct of_key key = rig_key(TCP1);
	struct plan *p = rig_translate(br, &key);
	const struct op_controller *op = (const struct op_controller *)find_op(p, OP_CONTROLLER);
	struct xlate_in in = { .view = view_get(), .bridge = br, .in_slot = UINT32_MAX, .key = key };
	struct plan *q;

	assert_int_equal(p->ops->u32, 2);
	assert_non_null(op);
	assert_true(op->spec->pause);
	assert_int_equal(op->spec->userdata_len, 2);
	in.frozen = op->spec->frozen;
	assert_int_equal(in.frozen->metadata.regs[3], 7);
	q = translate(&in);
	assert_int_equal(q->ops_size, 2 * sizeof(struct op_output));
	assert_int_equal(q->ops->u32, 3);
	assert_int_equal(((const struct plan_op *)((const uint8_t *)q->ops + q->ops->size))->u32, 4);
	plan_free(q);
	plan_free(p);
	/* Equal states share one continuation. */
	p = rig_translate(br, &key);
	q = rig_translate(br, &key);
	assert_ptr_equal(((const struct op_controller *)find_op(p, OP_CONTROLLER))->spec->frozen,
			 ((const struct op_controller *)find_op(q, OP_CONTROLLER))->spec->frozen);
	plan_free(p);
	plan_free(q);
	rig_flow_del(r[0]);
	rig_flow_del(r[1]);
}

static void
select_group(void **state)
{
	static const char *const buckets[] = { "2", "resubmit(,1)", "mod_nw_src:1.2.3.4,4" };
	struct rule *r = rig_flow(br, "ip,actions=mod_dl_src:00:00:00:00:00:01,group:5");
	struct rule *s = rig_flow(br, "table=1,actions=3");
	struct of_key key = rig_key(TCP1);
	struct group *g = rig_group(br, 5, GROUP_SELECT, 3, buckets);
	struct plan *p = rig_translate(br, &key);
	const struct op_select *op = (const struct op_select *)find_op(p, OP_SELECT);
	const struct op_bucket *b;
	unsigned seen = 0;
	char *text;

	/* The write is before the choice; the rule behind bucket 1 is credited there only. */
	assert_int_equal(p->ops->type, OP_SET_ETH);
	assert_ptr_equal(op->group, g);
	assert_int_equal(op->n_buckets, 3);
	b = op_select_first_bucket(op);
	for (unsigned i = 0; i < 3; i++, b = op_bucket_next(b)) {
		assert_ptr_equal(b->bucket, &g->buckets[i]);
		plan_op_for_each(o, b + 1, b->size - sizeof *b)
		{
			if (o->type == OP_COUNT &&
			    ((const struct op_count *)o)->counter == &s->counter)
				seen |= 1u << i;
		}
	}
	assert_int_equal(seen, 2);
	for (uint32_t i = 0; i < p->n_credits; i++)
		assert_ptr_not_equal(p->credits[i], &s->counter);
	plan_free(p);
	text = rig_trace(br, TCP1);
	if (!strstr(text, "    group:5\n     -> using bucket "))
		fail_msg("%s", text);
	free(text);
	rig_flow_del(r);
	rig_flow_del(s);
	view_group_set(br, 5, NULL);
	view_publish(false);
}

/* Which actions of the plan leave, in order: "2,3". */
static void
outputs(const struct plan *p, char text[16])
{
	text[0] = '\0';
	plan_op_for_each(o, p->ops, p->ops_size)
	{
		const struct plan_op *inner = o->type == OP_CLONE ? o + 1 : o;
		size_t n = strlen(text);

		if (inner->type == OP_OUTPUT && n < 8)
			snprintf(text + n, 16 - n, "%s%u", n ? "," : "", inner->u32);
	}
}

/* A group of 'n' buckets that runs before an output to port 3: the plan, which is for one packet. */
static struct plan *
plan_of_failover(const char *table1, const char *const buckets[], unsigned n)
{
	struct rule *r[] = { rig_flow(br, "actions=group:5,3"), rig_flow(br, table1) };
	struct of_key key = rig_key(TCP1);
	struct plan *p;
	char text[16];

	rig_group(br, 5, GROUP_FF, n, buckets);
	p = rig_translate(br, &key);
	outputs(p, text);
	assert_string_equal(text, "2,3");
	assert_false(p->cacheable);
	rig_flow_del(r[0]);
	rig_flow_del(r[1]);
	view_group_set(br, 5, NULL);
	view_publish(false);
	return p;
}

/* Buckets that a packet does not take cost it nothing, not even when they lead in circles. */
static void
buckets_of_others(void **state)
{
	static const char *const loops[] = { "2", "resubmit(,1)", "resubmit(,1)" };

	plan_free(plan_of_failover("table=1,actions=group:5", loops, 3));
}

static void
buckets_of_others_do_not_learn(void **state)
{
	static const char *const buckets[] = { "2", "resubmit(,1)" };
	struct plan *p = plan_of_failover("table=1,actions=learn(table=2,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
					  "output:NXM_OF_IN_PORT[]),4", buckets, 2);

	assert_null(find_op(p, OP_LEARN));
	plan_free(p);
}

/* A TTL that is written later does not make the packet's own known. */
static void
guard_before_written_ttl(void **state)
{
	struct rule *r = rig_flow(br, "ip,actions=clone(dec_ttl,2),mod_nw_ttl:9,3");
	struct of_key key = rig_key("in_port=1,ip,nw_ttl=64");
	struct plan *p = rig_translate(br, &key);

	assert_int_equal(p->ttl_min, 2);
	plan_free(p);
	rig_flow_del(r);
}

/* An action that ends its list ends no other, also when the packet was parsed again between. */
static void
expired_ttl_ends_one_list(void **state)
{
	struct rule *r[] = { rig_flow(br, "mpls,actions=resubmit(,1),3"),
			     rig_flow(br, "table=1,mpls,actions=pop_mpls:0x0800,dec_ttl,2") };
	struct of_key key = rig_key("in_port=1,mpls,mpls_label=5,mpls_bos=1,mpls_ttl=64");
	struct plan *p = rig_translate(br, &key), *q;
	const struct op_recirc *recirc = (const struct op_recirc *)find_op(p, OP_RECIRC);
	struct xlate_in in = { .view = view_get(), .bridge = br, .in_slot = UINT32_MAX };
	char text[16];

	assert_non_null(recirc);
	in.frozen = recirc->frozen;
	in.key = rig_key("in_port=1,ip,nw_ttl=1");
	q = translate(&in);
	outputs(q, text);
	assert_string_equal(text, "3");
	assert_non_null(find_op(q, OP_CONTROLLER));
	plan_free(q);
	plan_free(p);
	rig_flow_del(r[0]);
	rig_flow_del(r[1]);
}

static void
conjunction(void **state)
{
	static const char *const flows[] = {
		"priority=100,ip,nw_src=10.0.0.1,actions=conjunction(7,1/2)",
		"priority=100,ip,nw_src=10.0.0.2,actions=conjunction(7,1/2)",
		"priority=100,tcp,tp_dst=80,actions=conjunction(7,2/2)",
		"priority=100,tcp,tp_dst=81,actions=conjunction(7,2/2)",
		"priority=100,conj_id=7,ip,actions=3", "priority=1,actions=2",
	};
	static const struct {
		const char *packet, *actions;
	} rows[] = {
		{ "in_port=1,tcp,nw_src=10.0.0.1,tp_dst=80", "3" },
		{ "in_port=1,tcp,nw_src=10.0.0.2,tp_dst=81", "3" },
		{ "in_port=1,tcp,nw_src=10.0.0.3,tp_dst=81", "2" },
		{ "in_port=1,tcp,nw_src=10.0.0.1,tp_dst=82", "2" },
		{ "in_port=1,udp,nw_src=10.0.0.1", "2" },
	};
	struct rule *r[6];

	for (unsigned i = 0; i < 6; i++)
		r[i] = rig_flow(br, flows[i]);
	for (unsigned i = 0; i < 5; i++) {
		char *text = rig_plan(br, rows[i].packet);

		if (strcmp(text, rows[i].actions))
			fail_msg("%s: %s, want %s", rows[i].packet, text, rows[i].actions);
		free(text);
	}
	for (unsigned i = 0; i < 6; i++)
		rig_flow_del(r[i]);
}

static void
choices_by_hash(void **state)
{
	struct rule *r[] = {
		rig_flow(br, "table=0,tcp,actions=multipath(symmetric_l4,1024,modulo_n,4,0,NXM_NX_REG0[0..7]),"
			     "resubmit(,1)"),
		rig_flow(br, "table=0,priority=5,udp,actions=bundle(eth_src,50,hrw,ofport,members:2,3)"),
		rig_flow(br, "table=0,priority=5,icmp,actions=bundle(eth_src,50,active_backup,ofport,members:77,3)"),
		rig_flow(br, "table=1,reg0=0,actions=2"), rig_flow(br, "table=1,reg0=1,actions=3"),
		rig_flow(br, "table=1,reg0=2,actions=4"), rig_flow(br, "table=1,reg0=3,actions=in_port"),
	};
	unsigned seen[8] = { 0 };

	for (unsigned i = 0; i < 200; i++) {
		char packet[300], *text;

		snprintf(packet, sizeof packet, "in_port=1,tcp,nw_src=1.2.3.4,tp_src=%u", 1000 + i);
		text = rig_plan(br, packet);
		seen[atoi(text) & 7]++;
		free(text);
	}
	for (unsigned i = 1; i <= 4; i++)
		assert_in_range(seen[i], 20, 90);
	char *text = rig_plan(br, "in_port=1,icmp");
	assert_string_equal(text, "3");
	free(text);
	text = rig_plan(br, "in_port=1,udp,dl_src=00:00:00:00:00:01");
	assert_true(!strcmp(text, "2") || !strcmp(text, "3"));
	free(text);
	for (unsigned i = 0; i < 7; i++)
		rig_flow_del(r[i]);
}

static void
misses(void **state)
{
	struct of_key key = rig_key("in_port=1");
	struct plan *p = rig_translate(br, &key);
	const struct op_controller *c;
	struct rule *r;

	assert_int_equal(p->ops_size, 0);
	assert_int_equal(p->drop_reason, DROP_TABLE_MISS);
	plan_free(p);
	view_set_miss_default(br, 1);
	view_publish(false);
	p = rig_translate(br, &key);
	c = (const struct op_controller *)p->ops;
	assert_int_equal(c->op.type, OP_CONTROLLER);
	assert_int_equal(c->spec->reason, 0);
	plan_free(p);
	/* A miss while resubmitting is silent. */
	r = rig_flow(br, "actions=resubmit(,1),2");
	p = rig_translate(br, &key);
	assert_int_equal(p->ops->type, OP_OUTPUT);
	plan_free(p);
	rig_flow_del(r);
	/* "continue" goes on to the next table. */
	atomic_store(&br->tables[0].miss, MISS_CONTINUE);
	r = rig_flow(br, "table=1,actions=3");
	p = rig_translate(br, &key);
	assert_int_equal(p->ops->u32, 3);
	plan_free(p);
	rig_flow_del(r);
	atomic_store(&br->tables[0].miss, MISS_CONTROLLER_1_0);
	view_set_miss_default(br, 0);
	view_publish(false);
	/* A table-miss entry's packet-in says so. */
	r = rig_flow(br, "priority=0,actions=CONTROLLER:128");
	p = rig_translate(br, &key);
	c = (const struct op_controller *)p->ops;
	assert_int_equal(c->spec->reason, 6);
	assert_int_equal(c->spec->max_len, 128);
	plan_free(p);
	rig_flow_del(r);
}

/* A packet-in's plan serves packets of other outer addresses too: those are each packet's own, unless
 * a flow reads them or an action wrote them. */
static void
packet_ins_from_tunnels_are_cached(void **state)
{
	struct rule *r = rig_flow(br, "in_port=1,tun_id=5,actions=set_field:192.0.2.9->tun_dst,controller");
	struct of_key key = rig_key("in_port=1,tun_id=5,tun_src=192.0.2.1,tun_dst=192.0.2.2");
	const struct op_controller *c;
	struct plan *p;
	struct of_key own;

	key.tun_flags |= OF_TUN_F_RECEIVED;
	p = rig_translate(br, &key);
	assert_true(p->cacheable);
	c = (const struct op_controller *)p->ops;
	assert_int_equal(c->op.type, OP_CONTROLLER);
	assert_non_null(c->spec->tunnel_own);
	memcpy((uint8_t *)&own + TUNNEL_PART_OFS, c->spec->tunnel_own, TUNNEL_PART_SIZE);
	assert_int_equal(own.tun_src, UINT32_MAX);
	assert_int_equal(own.tun_dst, 0);
	assert_true(own.tun_id == 0);
	assert_int_equal(c->spec->metadata.tun_dst, htonl(0xc0000209));
	plan_free(p);
	rig_flow_del(r);
}

/* The same behind a continuation, which serves such packets, too; and texts know it by the same number. */
static void
continuations_from_tunnels_are_shared(void **state)
{
	struct rule *r[] = {
		rig_flow(br, "in_port=1,tun_id=5,ip,actions=set_field:192.0.2.9->tun_dst,push_mpls:0x8847,"
			     "pop_mpls:0x0800,resubmit(,1)"),
		rig_flow(br, "table=1,actions=controller") };
	struct of_key key = rig_key("in_port=1,ip,tun_id=5,tun_src=192.0.2.1,tun_dst=192.0.2.2"), own;
	struct xlate_in in = { .view = view_get(), .bridge = br, .in_slot = UINT32_MAX };
	const struct op_recirc *recirc;
	const struct op_controller *c;
	const struct frozen *first;
	struct plan *p, *q;

	key.tun_flags |= OF_TUN_F_RECEIVED;
	p = rig_translate(br, &key);
	recirc = (const struct op_recirc *)find_op(p, OP_RECIRC);
	assert_non_null(recirc);
	first = recirc->frozen;
	assert_non_null(first->tunnel_own);
	assert_int_equal(first->metadata.tun_src, 0);
	assert_int_equal(first->metadata.tun_dst, htonl(0xc0000209));
	key.tun_src = htonl(0xc0000203);
	for (unsigned resolve = 0; resolve < 2; resolve++) {
		in.key = key;
		in.resolve = resolve;
		q = translate(&in);
		assert_ptr_equal(((const struct op_recirc *)find_op(q, OP_RECIRC))->frozen, first);
		plan_free(q);
	}
	in.resolve = false;
	in.for_cache = true;
	in.frozen = first;
	q = translate(&in);
	assert_true(q->cacheable);
	c = (const struct op_controller *)find_op(q, OP_CONTROLLER);
	assert_non_null(c);
	memset(&own, 0, sizeof own);
	tunnel_part_merge(&own, &(struct of_key){ .tun_src = UINT32_MAX, .tun_dst = UINT32_MAX, .tun_id = 1 },
			  c->spec->tunnel_own);
	assert_int_equal(own.tun_src, UINT32_MAX);
	assert_int_equal(own.tun_dst, 0);
	assert_true(own.tun_id == 0);
	assert_int_equal(c->spec->metadata.tun_src, htonl(0xc0000203));
	plan_free(q);
	plan_free(p);
	rig_flow_del(r[0]);
	rig_flow_del(r[1]);
}

static void
fragments(void **state)
{
	struct rule *r[] = { rig_flow(br, "priority=5,tcp,tp_dst=80,actions=2"),
			     rig_flow(br, "priority=1,actions=3") };
	char *text;

	text = rig_plan(br, "in_port=1,tcp,tp_dst=80,nw_frag=first");
	assert_string_equal(text, "3"); /* normal: fragments have no ports */
	free(text);
	view_set_frag_mode(br, 3);
	view_publish(false);
	text = rig_plan(br, "in_port=1,tcp,tp_dst=80,nw_frag=first");
	assert_string_equal(text, "2");
	free(text);
	view_set_frag_mode(br, 1);
	view_publish(false);
	text = rig_plan(br, "in_port=1,tcp,tp_dst=80,nw_frag=first");
	assert_string_equal(text, "drop");
	free(text);
	view_set_frag_mode(br, 0);
	view_publish(false);
	rig_flow_del(r[0]);
	rig_flow_del(r[1]);
}

static void
port_configuration(void **state)
{
	struct rule *r = rig_flow(br, "in_port=1,actions=FLOOD");
	struct rule *s = rig_flow(br, "in_port=2,actions=ALL");
	char *text;

	rig_port(br, 3)->config = PC_NO_FLOOD;
	rig_port(br, 4)->config = PC_NO_FWD;
	rig_publish();
	text = rig_plan(br, "in_port=1");
	assert_string_equal(text, "2");
	free(text);
	text = rig_plan(br, "in_port=2");
	assert_string_equal(text, "1,3");
	free(text);
	rig_port(br, 1)->config = PC_NO_RECV;
	rig_publish();
	text = rig_plan(br, "in_port=1");
	assert_string_equal(text, "drop");
	free(text);
	rig_port(br, 1)->config = rig_port(br, 3)->config = rig_port(br, 4)->config = 0;
	rig_publish();
	rig_flow_del(r);
	rig_flow_del(s);
}

/* The texts say that such packets go the slow way, as Open vSwitch's do; the packets do not. */
static void
arp_and_nd_are_rewritten_by_plans(void **state)
{
	static const struct {
		const char *flow, *key;
		enum plan_op_type op;
	} rows[] = {
		{ "arp,actions=set_field:2->arp_op,set_field:10.0.0.9->arp_spa,"
		  "set_field:00:00:5e:00:53:01->arp_tha,in_port",
		  "in_port=1,arp,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2", OP_SET_ARP },
		{ "icmp6,icmpv6_type=135,actions=set_field:fe80::9->nd_target,"
		  "set_field:00:00:5e:00:53:01->nd_sll,in_port",
		  "in_port=1,icmp6,icmpv6_type=135,nd_target=fe80::1,nd_sll=00:00:00:00:00:05",
		  OP_SET_ND },
	};

	xlate_set_lacks(XLATE_LACKS_SET_ARP);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct rule *r = rig_flow(br, rows[i].flow);
		struct xlate_in in = { .view = view_get(), .bridge = br, .in_slot = UINT32_MAX,
				       .key = rig_key(rows[i].key), .for_cache = true };
		struct of_key key = in.key;
		struct wf_str s = WF_STR_INIT;
		struct plan *p = translate(&in);

		assert_true(p->cacheable);
		assert_int_equal(p->n_credits, 2); /* the rule and the table */
		assert_null(find_op(p, OP_SLOW));
		assert_non_null(find_op(p, rows[i].op));
		plan_free(p);
		flow_text_actions(view_get(), 1, &key, false, NULL, &s);
		assert_string_equal(wf_str_cstr(&s), "userspace(pid=0,slow_path(action))");
		wf_str_done(&s);
		rig_flow_del(r);
	}
	xlate_set_lacks(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(learn), cmocka_unit_test(pause), cmocka_unit_test(select_group),
		cmocka_unit_test(buckets_of_others),
		cmocka_unit_test(buckets_of_others_do_not_learn),
		cmocka_unit_test(guard_before_written_ttl),
		cmocka_unit_test(expired_ttl_ends_one_list),
		cmocka_unit_test(conjunction), cmocka_unit_test(choices_by_hash),
		cmocka_unit_test(misses), cmocka_unit_test(packet_ins_from_tunnels_are_cached),
		cmocka_unit_test(continuations_from_tunnels_are_shared),
		cmocka_unit_test(fragments),
		cmocka_unit_test(port_configuration),
		cmocka_unit_test(arp_and_nd_are_rewritten_by_plans),
	};

	rig_init();
	br = rig_bridge("br0");
	for (of_port_t i = 1; i <= 4; i++)
		rig_port(br, i);
	rig_publish();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
