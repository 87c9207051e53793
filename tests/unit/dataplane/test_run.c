/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on packets, byte for byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "base/rcu.h"
#include "dataplane/run_short.h"
#include "dataplane/run_short_push.h"
#include "dataplane/tunnel.h"
#include "fake_port.h"
#include "packets.h"
#include "test_plan.h"
#include "tunnels/address.h"

static struct runner rn;
static struct port *port, *plain_port;
static struct bridge *bridge;
static uint32_t generation, plain_generation;
static struct run_fate fate;

static int
setup(void **state)
{
	view_init();
	bridge = view_bridge_add("br0");
	port = fake_port_new("p1", false);
	port->slot = view_slot_alloc(port, bridge, 1, 0, &generation);
	port->caps = PORT_CAP_CSUM | PORT_CAP_TSO | PORT_CAP_UFO;
	plain_port = fake_port_new("p2", false);
	plain_port->slot = view_slot_alloc(plain_port, bridge, 2, 0, &plain_generation);
	plain_port->max_frame = 1518;
	struct xport_set *set = xport_set_new(2);
	set->ports[0] = (struct xport){ .ofp_port = 1, .slot = port->slot, .may_enable = true };
	set->ports[1] = (struct xport){ .ofp_port = 2, .slot = plain_port->slot };
	set->n = 2;
	xport_set_hash(set);
	view_set_ports(bridge, set);
	view_publish(false);
	runner_init(&rn);
	rn.view = view_get();
	return 0;
}

static int
teardown(void **state)
{
	runner_done(&rn);
	fake_port_free(port);
	fake_port_free(plain_port);
	view_bridge_del(bridge);
	view_publish(false);
	wf_rcu_drain();
	return 0;
}

static void
out(struct wf_buf *b)
{
	op_output(b, port->slot, generation);
}

static void
out_plain(struct wf_buf *b)
{
	op_output(b, plain_port->slot, plain_generation);
}

static void
run(struct wf_buf *b, struct rte_mbuf *m)
{
	struct pass p = { .rn = &rn, .fate = &fate, .bridge = bridge, .in_slot = port->slot,
			  .in_port = 1 };
	struct plan *plan = plan_of(b);

	fate = (struct run_fate){ 0 };
	atomic_store(&plan->refs, 1);
	run_plan(&p, plan, m);
	runner_flush(&rn);
	plan_unref(plan);
}

/* The short way; false: the plan, or the packet, takes the other one, and nothing was done. */
static bool
run_shortly(struct wf_buf *b, struct rte_mbuf *m)
{
	struct plan *plan = plan_of(b);
	struct short_out to = { .slot = UINT32_MAX };
	struct pkt_layers layers;
	struct of_key key;
	bool done;

	pkt_parse(m, 0, &key, &layers);
	atomic_store(&plan->refs, 1);
	plan_shorten(plan);
	done = run_short(&rn, plan, &to, pkt_kind(m), &layers, m);
	if (!done)
		pkt_free(m);
	runner_flush(&rn);
	plan_unref(plan);
	return done;
}

static void
expect(struct port *p, const char *hex)
{
	uint8_t want[4096];
	size_t size = hex_bytes(hex, want, sizeof(want));
	struct rte_mbuf *m = fake_port_sent(p, 0);

	assert_non_null(m);
	assert_int_equal(pkt_size(m), size);
	assert_memory_equal(pkt_data(m), want, size);
	pkt_free(m);
}

#define MACS "020000000002 020000000001 "
#define IP "45000020 1234 4000 40 11 53a7 0a000001 0a000002 " "0035 14e9 000c 0000 01020304"
#define FRAME MACS "0800" IP

struct golden {
	const char *name;
	void (*ops)(struct wf_buf *);
	const char *in, *want;
};

static void push_vlan(struct wf_buf *b) { op_bare(b, OP_PUSH_VLAN, 0x8100u << 16 | 0x1000 | 0xa005); }
static void push_vlan_copy(struct wf_buf *b)
{
	struct plan_op *op = op_bare(b, OP_PUSH_VLAN, 0x88a8u << 16);
	op->u8 = 1;
}
static void pop_vlan(struct wf_buf *b) { op_bare(b, OP_POP_VLAN, 0); }
static void set_vid(struct wf_buf *b) { op_bare(b, OP_SET_VLAN, 0x1123u << 16 | 0x1fff); }
static void push_mpls(struct wf_buf *b)
{
	struct op_push_mpls *op = op_put(b, OP_PUSH_MPLS, sizeof(*op));
	op->op.u32 = 0x8847;
	op->op.u8 = 1;
}
static void push_mpls_value(struct wf_buf *b)
{
	struct op_push_mpls *op = op_put(b, OP_PUSH_MPLS, sizeof(*op));
	op->op.u32 = 0x8848;
	op->lse = htonl(0x12345ff0);
}
static void pop_mpls(struct wf_buf *b) { op_bare(b, OP_POP_MPLS, 0x0800); }
static void pop_mpls_inner(struct wf_buf *b) { op_bare(b, OP_POP_MPLS, 0x8847); }
static void set_mpls(struct wf_buf *b)
{
	struct op_set_mpls *op = op_put(b, OP_SET_MPLS, sizeof(*op));
	op->lse = htonl(0xabcde000);
	op->mask = htonl(0xfffff000);
}
static void dec_mpls(struct wf_buf *b) { op_bare(b, OP_DEC_MPLS_TTL, 0); }
static void push_pbb(struct wf_buf *b) { op_bare(b, OP_PUSH_PBB, 0x88e7); }
static void pop_pbb(struct wf_buf *b) { op_bare(b, OP_POP_PBB, 0); }
static void set_pbb(struct wf_buf *b)
{
	struct op_set_pbb *op = op_put(b, OP_SET_PBB, sizeof(*op));
	op->isid = 0x123456;
	op->isid_mask = 0xffffff;
	op->uca = op->uca_mask = 1;
}
static void set_eth(struct wf_buf *b)
{
	struct op_set_eth *op = op_put(b, OP_SET_ETH, sizeof(*op));
	memset(op->dst, 0xff, 6);
	op->dst_mask[0] = 0xf0;
	memset(op->src, 0xaa, 6);
	memset(op->src_mask, 0xff, 6);
}
static void set_type(struct wf_buf *b) { op_bare(b, OP_SET_DL_TYPE, 0x88b5); }
static void copy_ttl_out(struct wf_buf *b) { op_bare(b, OP_COPY_TTL_OUT, 0); }
static void copy_ttl_in(struct wf_buf *b) { op_bare(b, OP_COPY_TTL_IN, 0); }
static void dec_ttl(struct wf_buf *b) { op_bare(b, OP_DEC_TTL, 0); }
static void set_arp(struct wf_buf *b)
{
	struct op_set_arp *op = op_put(b, OP_SET_ARP, sizeof(*op));
	op->opcode = 2;
	op->opcode_mask = 0xffff;
	op->spa = htonl(0x01020304);
	op->spa_mask = htonl(0xffff0000);
	memset(op->tha, 0x77, 6);
	memset(op->tha_mask, 0xff, 6);
}
static void push_pop_eth(struct wf_buf *b)
{
	op_bare(b, OP_POP_ETH, 0);
	struct op_push_eth *op = op_put(b, OP_PUSH_ETH, sizeof(*op));
	memset(op->dst, 1, 6);
	memset(op->src, 2, 6);
	op->dl_type = 0x0800;
}
static void trunc20(struct wf_buf *b) { op_bare(b, OP_TRUNC, 20); }
static void nothing(struct wf_buf *b) { }

static const struct golden goldens[] = {
	{ "output", nothing, FRAME, FRAME },
	{ "push VLAN", push_vlan, FRAME, MACS "8100 a005 0800" IP },
	{ "push a second tag, copied", push_vlan_copy, MACS "8100 a005 0800" IP,
	  MACS "88a8 a005 8100 a005 0800" IP },
	{ "pop VLAN", pop_vlan, MACS "88a8 a005 8100 a006 0800" IP, MACS "8100 a006 0800" IP },
	{ "pop VLAN without a tag", pop_vlan, FRAME, FRAME },
	{ "set VID, DEI and PCP stay", set_vid, MACS "8100 b005 0800" IP, MACS "8100 b123 0800" IP },
	{ "set VID without a tag", set_vid, FRAME, FRAME },
	{ "push MPLS, TTL from IP", push_mpls, FRAME, MACS "8847 00000140" IP },
	{ "push MPLS behind a tag", push_mpls, MACS "8100 0005 0800" IP,
	  MACS "8100 0005 8847 00000140" IP },
	{ "push a second label, copied", push_mpls, MACS "8847 00013120" IP,
	  MACS "8847 00013020 00013120" IP },
	{ "push MPLS with a value", push_mpls_value, FRAME, MACS "8848 12345ff0" IP },
	{ "pop MPLS", pop_mpls, MACS "8847 00013120" IP, FRAME },
	{ "pop the outer label", pop_mpls_inner, MACS "8847 00013020 00013120" IP,
	  MACS "8847 00013120" IP },
	{ "set MPLS label", set_mpls, MACS "8847 00013120" IP, MACS "8847 abcde120" IP },
	{ "decrement MPLS TTL", dec_mpls, MACS "8847 00013120" IP, MACS "8847 0001311f" IP },
	{ "push PBB", push_pbb, FRAME, MACS "88e7 00000000" FRAME },
	{ "push PBB, priority of the tag", push_pbb, MACS "8100 a005 0800" IP,
	  MACS "88e7 a0000000" MACS "8100 a005 0800" IP },
	{ "pop PBB", pop_pbb, MACS "88e7 00000000" FRAME, FRAME },
	{ "pop PBB with a B-TAG", pop_pbb, MACS "88a8 0002 88e7 00000000" FRAME, FRAME },
	{ "set I-SID and UCA", set_pbb, MACS "88e7 a0000007" FRAME, MACS "88e7 a8123456" FRAME },
	{ "set Ethernet addresses, masked", set_eth, FRAME, "f20000000002 aaaaaaaaaaaa 0800" IP },
	{ "set EtherType behind a tag", set_type, MACS "8100 0005 0800" IP,
	  MACS "8100 0005 88b5" IP },
	{ "copy TTL out: IP to MPLS", copy_ttl_out, MACS "8847 00013120" IP,
	  MACS "8847 00013140" IP },
	{ "copy TTL in: MPLS to MPLS", copy_ttl_in, MACS "8847 00013020 00013140" IP,
	  MACS "8847 00013020 00013120" IP },
	{ "decrement TTL", dec_ttl, FRAME,
	  MACS "0800 45000020 1234 4000 3f 11 54a7 0a000001 0a000002 0035 14e9 000c 0000 01020304" },
	{ "decrement TTL of what is not IP", dec_ttl, MACS "88b5 0102", MACS "88b5 0102" },
	{ "set ARP", set_arp,
	  MACS "0806 0001 0800 06 04 0001 020000000001 0a000001 020000000009 0a000002",
	  MACS "0806 0001 0800 06 04 0002 020000000001 01020001 777777777777 0a000002" },
	{ "pop and push Ethernet", push_pop_eth, FRAME, "010101010101 020202020202 0800" IP },
	{ "truncate", trunc20, FRAME, MACS "0800 450000201234" },
};

static void
operations_write_what_they_say(void **state)
{
	unsigned n_short = 0;

	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		const struct golden *g = &goldens[i];
		struct wf_buf b = WF_BUF_INIT;

		print_message("    %s\n", g->name);
		g->ops(&b);
		out(&b);
		run(&b, packet_hex(g->in));
		expect(port, g->want);
		assert_int_equal(fate.n_out, 1);

		/* The same behind an output: the first copy is untouched. */
		out(&b);
		g->ops(&b);
		out(&b);
		run(&b, packet_hex(g->in));
		expect(port, g->in);
		expect(port, g->want);

		g->ops(&b);
		out(&b);
		if (run_shortly(&b, packet_hex(g->in))) {
			expect(port, g->want);
			n_short++;
		}
	}
	assert_in_range(n_short, 5, sizeof(goldens) / sizeof(goldens[0]) - 1);
}

static void
clone_works_on_a_copy(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	size_t at = b.size;

	op_put(&b, OP_CLONE, sizeof(struct op_clone));
	pop_vlan(&b);
	out(&b);
	((struct plan_op *)(b.data + at))->size = b.size - at;
	out(&b);
	run(&b, packet_hex(MACS "8100 a005 0800" IP));
	expect(port, FRAME);
	expect(port, MACS "8100 a005 0800" IP);
	assert_int_equal(fate.n_out, 2);
}

static struct rte_mbuf *
sent(struct port *p)
{
	struct rte_mbuf *m = fake_port_sent(p, 0);

	assert_non_null(m);
	return m;
}

/* Each header write keeps every checksum right, over both IP versions and all protocols, in front
 * VLAN tags; and a zero UDP checksum stays 0. */
static void
writes_keep_checksums_right(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP,
					  IPPROTO_ICMPV6 };

	for (unsigned i = 0; i < 5 * 2 * 2 * 200; i++) {
		struct packet_spec spec = { .proto = protos[i % 5], .ipv6 = i / 5 % 2,
					    .n_vlans = i / 10 % 2, .payload = i % 57, .seed = i };
		struct wf_buf b = WF_BUF_INIT;

		if ((spec.proto == IPPROTO_ICMP && spec.ipv6) ||
		    (spec.proto == IPPROTO_ICMPV6 && !spec.ipv6))
			continue;
		if (spec.ipv6) {
			struct op_set_ipv6 *op = op_put(&b, OP_SET_IPV6, sizeof(*op));

			memset(&op->src, i * 7, 16);
			memset(&op->src_mask, 0xf3, 16);
			memset(&op->dst, i * 13, 16);
			memset(&op->dst_mask, i & 1 ? 0xff : 0, 16);
			op->tos = 0xb8;
			op->tos_mask = 0xfc;
			op->ttl = 9;
			op->ttl_mask = 0xff;
			op->label = htonl(0x54321);
			op->label_mask = htonl(0xfffff);
		} else {
			struct op_set_ipv4 *op = op_put(&b, OP_SET_IPV4, sizeof(*op));

			op->src = htonl(i * 2654435761u);
			op->src_mask = htonl(0xff00ffff);
			op->dst = htonl(i * 40503u);
			op->dst_mask = htonl(i & 1 ? 0xffffffff : 0);
			op->tos = 0xb8;
			op->tos_mask = 0xfc;
			op->ttl = 9;
			op->ttl_mask = 0xff;
		}
		struct op_set_l4 *l4 = op_put(&b, OP_SET_L4, sizeof(*l4));
		l4->src = htons(i * 31);
		l4->dst = htons(i * 17);
		l4->src_mask = htons(0xffff);
		l4->dst_mask = htons(0x0ff0);
		struct op_set_icmp *icmp = op_put(&b, OP_SET_ICMP, sizeof(*icmp));
		icmp->type = i;
		icmp->type_mask = 0xff;
		icmp->code = 3;
		icmp->code_mask = 0xff;
		struct op_set_tcp_flags *flags = op_put(&b, OP_SET_TCP_FLAGS, sizeof(*flags));
		flags->flags = htons(0xf12);
		flags->mask = htons(0xffff);
		op_bare(&b, OP_DEC_TTL, 0);
		out(&b);
		run(&b, packet_make(&spec));
		struct rte_mbuf *m = sent(port);
		if (!checksums_are_right(pkt_data(m), pkt_size(m)))
			fail_msg("proto %u, IPv%u, seed %u", spec.proto, spec.ipv6 ? 6 : 4, i);
		const uint8_t *ip = pkt_data(m) + 14 + 4 * spec.n_vlans;
		assert_int_equal(spec.ipv6 ? ip[7] : ip[8], 8);
		if (spec.ipv6)
			assert_int_equal((ip[0] & 15) << 4 | ip[1] >> 4, 0xb8);
		else
			assert_int_equal(ip[1], 0xb8);
		if (spec.proto == IPPROTO_TCP) {
			const uint8_t *tcp = ip + (spec.ipv6 ? 40 : 20);

			assert_int_equal(tcp[12], 0x5f);
			assert_int_equal(tcp[13], 0x12);
		}
		pkt_free(m);
	}
}

static void
neighbour_discovery_is_rewritten(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	struct op_set_nd *op = op_put(&b, OP_SET_ND, sizeof(*op));
	struct rte_mbuf *m = packet_make(&(struct packet_spec){
		.ipv6 = true, .proto = IPPROTO_ICMPV6, .payload = 24, .seed = 5 });
	uint8_t *icmp = pkt_data(m) + 54;

	icmp[0] = 135;
	icmp[24] = 1;
	icmp[25] = 1;
	memset(icmp + 2, 0, 2);
	uint32_t pseudo = (uint16_t)~slow_checksum(pkt_data(m) + 22, 32, 0) + 58 + 32;
	uint16_t sum = slow_checksum(icmp, 32, pseudo);
	icmp[2] = sum >> 8;
	icmp[3] = sum;
	assert_true(checksums_are_right(pkt_data(m), pkt_size(m)));

	memset(&op->target, 0x11, 16);
	memset(&op->target_mask, 0xff, 16);
	memset(op->sll, 0x22, 6);
	memset(op->sll_mask, 0xff, 6);
	memset(op->tll, 0x33, 6);
	memset(op->tll_mask, 0xff, 6);
	out(&b);
	run(&b, m);
	m = sent(port);
	icmp = pkt_data(m) + 54;
	assert_int_equal(icmp[8], 0x11);
	assert_int_equal(icmp[23], 0x11);
	assert_int_equal(icmp[26], 0x22);
	assert_int_equal(icmp[31], 0x22);
	assert_true(checksums_are_right(pkt_data(m), pkt_size(m)));
	pkt_free(m);
}

static void
missing_headers_are_left_alone(void **state)
{
	struct wf_buf b = WF_BUF_INIT;

	op_put(&b, OP_SET_IPV4, sizeof(struct op_set_ipv4));
	memset(b.data + sizeof(struct plan_op), 0xff,
	       sizeof(struct op_set_ipv4) - sizeof(struct plan_op));
	size_t at = b.size;
	op_put(&b, OP_SET_L4, sizeof(struct op_set_l4));
	memset(b.data + at + sizeof(struct plan_op), 0xff,
	       sizeof(struct op_set_l4) - sizeof(struct plan_op));
	set_vid(&b);
	set_mpls(&b);
	set_pbb(&b);
	set_arp(&b);
	out(&b);
	run(&b, packet_hex(MACS "88b5 0102030405"));
	expect(port, MACS "88b5 0102030405");
	/* Later fragments have no ports, but addresses. */
	struct op_set_l4 *l4 = op_put(&b, OP_SET_L4, sizeof(*l4));
	l4->src = l4->src_mask = 0xffff;
	out(&b);
	run(&b, packet_hex(MACS "0800 45000020 1234 0001 40 11 93a6 0a000001 0a000002"
				"0035 14e9 000c 0000 01020304"));
	expect(port, MACS "0800 45000020 1234 0001 40 11 93a6 0a000001 0a000002"
			  "0035 14e9 000c 0000 01020304");
}

static struct rte_mbuf *
gso(uint32_t payload, unsigned n_vlans)
{
	struct rte_mbuf *m = packet_make(&(struct packet_spec){
		.proto = IPPROTO_TCP, .payload = payload, .n_vlans = n_vlans, .seed = 3,
		.tcp_flags = 0x18 });

	m->ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4;
	m->tso_segsz = 1400;
	m->l2_len = 14 + 4 * n_vlans;
	m->l3_len = 20;
	m->l4_len = 20;
	pkt_data(m)[14 + 4 * n_vlans + 20 + 16] = 0xde; /* nobody computed it */
	return m;
}

static void
offloads_stay_where_the_port_takes_them(void **state)
{
	struct wf_buf b = WF_BUF_INIT;

	push_vlan(&b);
	dec_ttl(&b);
	out(&b);
	run(&b, gso(5000, 0));
	struct rte_mbuf *m = sent(port);
	assert_int_equal(pkt_size(m), 5000 + 54 + 4);
	assert_int_equal(m->ol_flags & PKT_TX_OPEN,
			 RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(m->l2_len, 18);
	assert_int_equal(m->tso_segsz, 1400);
	pkt_free(m);
}

static void
offloads_are_done_where_it_does_not(void **state)
{
	for (unsigned op = 0; op < 3; op++) {
		struct wf_buf b = WF_BUF_INIT;
		struct port *to = op == 0 ? plain_port : port;
		unsigned extra = 0;

		if (op == 1) {
			push_mpls(&b);
			extra = 4;
		} else if (op == 2) {
			push_pbb(&b);
			extra = 18;
		}
		(op == 0 ? out_plain : out)(&b);
		run(&b, gso(5000, 1));
		assert_int_equal(fate.n_out, 4);
		for (unsigned i = 0; i < 4; i++) {
			struct rte_mbuf *m = sent(to);

			assert_int_equal(pkt_size(m), (i < 3 ? 1400 : 800) + 58 + extra);
			assert_int_equal(m->ol_flags & PKT_TX_OPEN, 0);
			assert_true(checksums_are_right(pkt_data(m) + (op == 2 ? 18 : 0),
							pkt_size(m) - (op == 2 ? 18 : 0)));
			pkt_free(m);
		}
	}

	struct wf_buf b = WF_BUF_INIT;
	struct rte_mbuf *m = gso(100, 0);
	m->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4;
	out_plain(&b);
	run(&b, m);
	m = sent(plain_port);
	assert_true(checksums_are_right(pkt_data(m), pkt_size(m)));
	pkt_free(m);
}

static void
too_large_for_the_port_is_a_named_drop(void **state)
{
	struct wf_buf b = WF_BUF_INIT;

	out_plain(&b);
	run(&b, packet_make(&(struct packet_spec){ .proto = IPPROTO_UDP, .payload = 1600 }));
	assert_null(fake_port_sent(plain_port, 0));
	assert_int_equal(fate.n_out, 0);
	assert_int_equal(fate.drop, DROP_OUT_MTU);
}

/* --- Groups ------------------------------------------------------------------------------------ */

static struct counter counts[4];

static void
put_select(struct wf_buf *b, struct group *g)
{
	size_t at = b->size;
	struct op_select *sel = op_put(b, OP_SELECT, sizeof(*sel));

	sel->group = g;
	sel->n_buckets = g->n_buckets;
	for (uint32_t i = 0; i < g->n_buckets; i++) {
		size_t bucket_at = b->size;
		struct op_bucket *bucket = wf_buf_put_zeros(b, sizeof(*bucket));

		bucket->bucket_index = i;
		bucket->bucket = &g->buckets[i];
		struct op_count *count = op_put(b, OP_COUNT, sizeof(*count));
		count->counter = &counts[i];
		out(b);
		((struct op_bucket *)(b->data + bucket_at))->size = b->size - bucket_at;
	}
	((struct plan_op *)(b->data + at))->size = b->size - at;
}

void __real_plan_free(struct plan *);
void __wrap_plan_free(struct plan *);
void
__wrap_plan_free(struct plan *p)
{
	p->ops_size = 0; /* groups are the test's */
	__real_plan_free(p);
}

static unsigned
bucket_of(struct group *g, uint32_t seed)
{
	struct wf_buf b = WF_BUF_INIT;

	memset(counts, 0, sizeof(counts));
	put_select(&b, g);
	run(&b, packet_make(&(struct packet_spec){ .proto = IPPROTO_UDP, .payload = 4,
						   .seed = seed }));
	pkt_free(fake_port_sent(port, 0));
	for (unsigned i = 0; i < 4; i++)
		if (counts[i].packets)
			return i;
	return UINT32_MAX;
}

static void
select_follows_weights_and_moves_only_a_dead_buckets_flows(void **state)
{
	struct bucket buckets[4];
	struct group g = { .type = GROUP_SELECT, .bridge = bridge, .n_buckets = 4,
			   .buckets = buckets };
	unsigned n[4] = { 0 }, first[2000], moved = 0;

	for (unsigned i = 0; i < 4; i++)
		buckets[i] = (struct bucket){ .bucket_id = i, .hash_id = i, .weight = i + 1,
					      .watch_port = OF_PORT_ANY,
					      .watch_group = UINT32_MAX };
	for (unsigned i = 0; i < 2000; i++) {
		first[i] = bucket_of(&g, i);
		assert_true(first[i] < 4);
		n[first[i]]++;
		assert_int_equal(bucket_of(&g, i), first[i]);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(n[i], 200 * (i + 1) - 80, 200 * (i + 1) + 80);

	buckets[2].watch_port = 2; /* which is down */
	for (unsigned i = 0; i < 2000; i++) {
		unsigned now = bucket_of(&g, i);

		assert_int_not_equal(now, 2);
		if (now != first[i]) {
			assert_int_equal(first[i], 2);
			moved++;
		}
	}
	assert_int_equal(moved, n[2]);

	for (unsigned i = 0; i < 4; i++)
		buckets[i].watch_port = 2;
	assert_int_equal(bucket_of(&g, 1), UINT32_MAX);
	assert_int_equal(fate.drop, DROP_GROUP_NO_BUCKET);
}

static void
hash_is_the_same_in_both_directions(void **state)
{
	for (unsigned i = 0; i < 100; i++) {
		struct rte_mbuf *m = packet_make(&(struct packet_spec){
			.proto = IPPROTO_TCP, .ipv6 = i % 2, .seed = i });
		struct rte_mbuf *back = pkt_copy(m);
		uint8_t *a = pkt_data(m), *b = pkt_data(back);
		unsigned addr = i % 2 ? 22 : 26, size = i % 2 ? 16 : 4, l4 = i % 2 ? 54 : 34;
		struct pass p = { .rn = &rn, .fate = &fate };

		memcpy(b, a + 6, 6);
		memcpy(b + 6, a, 6);
		memcpy(b + addr, a + addr + size, size);
		memcpy(b + addr + size, a + addr, size);
		memcpy(b + l4, a + l4 + 2, 2);
		memcpy(b + l4 + 2, a + l4, 2);
		assert_int_equal(run_hash(&p, m, 7, 0), run_hash(&p, back, 7, 0));
		assert_int_not_equal(run_hash(&p, m, 7, 0), run_hash(&p, m, 8, 0));
		pkt_free(m);
		pkt_free(back);
	}
}

/* A push into a tunnel, then out. */
static void
tunnel_push(struct wf_buf *b, enum tnl_type type, struct tunnel_state *state)
{
	static const uint8_t dst[6] = { 2, 0, 0, 0, 0, 9 }, src[6] = { 2, 0, 0, 0, 0, 8 };
	const __be32 local = htonl(0xc0000201), remote = htonl(0xc0000202);
	struct tnl_meta meta = { .id = 7, .ttl = 64, .flags = TNL_F_KEY | TNL_F_DF, .tp_dst = 4789,
				 .tos = 0x20 };
	struct tnl_template t;
	struct op_tunnel_push *op;
	struct op_output *output;
	size_t size;

	meta.src = tnl_map_ipv4(&local);
	meta.dst = tnl_map_ipv4(&remote);
	assert_int_equal(tnl_template_make(&t, type, 0, &meta, TNL_INNER_ETH, dst, src), TNL_OK);
	size = (offsetof(struct op_tunnel_push, t) + offsetof(struct tnl_template, header) + t.size +
		7) & ~(size_t)7;
	op = op_put(b, OP_TUNNEL_PUSH, size + sizeof(*output));
	op->op.u8 = TUNNEL_TTL_INHERIT;
	op->op.u16 = (uint16_t)size;
	op->state = state;
	op->underlay = bridge;
	op->tos = 0x20;
	memcpy(&op->t, &t, offsetof(struct tnl_template, header) + t.size);
	output = (struct op_output *)((uint8_t *)op + size);
	output->op.type = OP_OUTPUT;
	output->op.size = sizeof(*output);
	output->op.u32 = port->slot;
	output->generation = generation;
}

/* The short way makes the same outer packet, source port and checksum included. */
static void
short_push_is_the_same(void **state)
{
	for (unsigned i = 0; i < 200; i++) {
		struct packet_spec spec = { .proto = i % 3 ? IPPROTO_TCP : IPPROTO_UDP,
					    .ipv6 = i / 2 % 2, .n_vlans = i % 10 == 9, .seed = i,
					    .payload = 4 + i % 70 };
		struct rte_mbuf *m = packet_make(&spec), *copy;
		struct tunnel_state *ts = tunnel_state_new();
		struct wf_buf ops = WF_BUF_INIT;
		struct short_push to = SHORT_PUSH_INIT;
		struct plan *plan;

		/* DSCP and ECN. */
		if (!spec.n_vlans && !spec.ipv6)
			pkt_data(m)[15] = (uint8_t)i;
		copy = pkt_copy(m);
		tunnel_push(&ops, i % 2 ? TNL_VXLAN : TNL_GRE, ts);
		run(&ops, m);
		m = fake_port_sent(port, 0);
		assert_non_null(m);
		ops = (struct wf_buf)WF_BUF_INIT;
		tunnel_push(&ops, i % 2 ? TNL_VXLAN : TNL_GRE, ts);
		plan = plan_of(&ops);
		atomic_store(&plan->refs, 1);
		plan_shorten(plan);
		assert_int_equal(plan->shortcut, SHORT_OUTPUT | SHORT_TUNNEL);
		assert_true(short_push(&rn, plan, &to, pkt_kind(copy), copy));
		runner_flush(&rn);
		copy = fake_port_sent(port, 0);
		assert_non_null(copy);
		assert_int_equal(pkt_size(copy), pkt_size(m));
		assert_memory_equal(pkt_data(copy), pkt_data(m), pkt_size(m));
		short_push_end(&rn, &to);
		runner_add_tallies(&rn);
		assert_int_equal(atomic_load(&ts->tx->packets), 2);
		assert_int_equal(atomic_load(&ts->tx->bytes),
				 2 * (pkt_size(m) - (i % 2 ? 50 : 42)));
		pkt_free(copy);
		pkt_free(m);
		plan_unref(plan);
		tunnel_state_unref(ts);
	}
}

/* --- Meters -------------------------------------------------------------------------------------- */

static struct meter *
meter_new(uint16_t flags, uint32_t rate, uint32_t burst)
{
	struct meter *m = wf_xzalloc(sizeof(*m) + sizeof(m->bands[0]));

	m->flags = flags;
	m->n_bands = 1;
	m->bands[0].type = 1;
	m->bands[0].rate = rate;
	m->bands[0].burst = burst;
	return m;
}

static void
meters_let_through_rate_and_burst(void **state)
{
	struct meter *m = meter_new(2 | 4, 100, 20); /* 100 packets a second, 20 at once */
	unsigned n = 0;

	for (int64_t ms = 1000; ms < 11000; ms++)
		for (unsigned i = 0; i < 5; i++)
			n += !meter_charge(m, ms, 100);
	assert_in_range(n, 1000 + 20 - 1, 1000 + 20 + 1);
	assert_int_equal(m->packets_in, 50000);
	assert_int_equal(m->bands[0].packets, 50000 - n);
	/* After a pause: the burst, and no more. */
	for (n = 0; !meter_charge(m, 1000000, 100); n++)
		;
	assert_int_equal(n, 20);
	free(m);

	m = meter_new(1, 8, 0); /* 8 kbit/s: 1000 bytes a second, and as much at once */
	uint64_t bytes = 0;
	for (int64_t ms = 1000; ms < 11000; ms++)
		if (!meter_charge(m, ms, 50))
			bytes += 50;
	assert_in_range(bytes, 10900, 11000);
	free(m);
}

static void
meter_drops_what_follows(void **state)
{
	struct meter *m = meter_new(2 | 4, 1, 1);
	uint64_t flags = 0;

	rn.now_ms = 5000;
	for (unsigned i = 0; i < 3; i++) {
		struct wf_buf b = WF_BUF_INIT;
		struct op_meter *op;

		out(&b);
		op = op_put(&b, OP_METER, sizeof(*op));
		op->meter = m;
		out(&b);
		run(&b, packet_hex(FRAME));
		flags = flags << 4 | fate.n_out;
		assert_int_equal(fate.drop, i ? DROP_METER : DROP_NONE);
	}
	assert_int_equal(flags, 0x211);
	struct rte_mbuf *p;
	while ((p = fake_port_sent(port, 0)))
		pkt_free(p);

	m->bands[0].type = 2; /* remark: AF11 becomes AF12 */
	m->bands[0].prec_level = 1;
	struct wf_buf b = WF_BUF_INIT;
	struct op_meter *op = op_put(&b, OP_METER, sizeof(*op));
	op->meter = m;
	out(&b);
	struct rte_mbuf *in = packet_make(&(struct packet_spec){ .proto = IPPROTO_UDP });
	pkt_data(in)[15] = 10 << 2;
	memset(pkt_data(in) + 24, 0, 2);
	uint16_t sum = slow_checksum(pkt_data(in) + 14, 20, 0);
	pkt_data(in)[24] = sum >> 8;
	pkt_data(in)[25] = sum;
	run(&b, in);
	p = sent(port);
	assert_int_equal(pkt_data(p)[15] >> 2, 12);
	assert_true(checksums_are_right(pkt_data(p), pkt_size(p)));
	pkt_free(p);
	free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_write_what_they_say),
		cmocka_unit_test(clone_works_on_a_copy),
		cmocka_unit_test(writes_keep_checksums_right),
		cmocka_unit_test(neighbour_discovery_is_rewritten),
		cmocka_unit_test(missing_headers_are_left_alone),
		cmocka_unit_test(offloads_stay_where_the_port_takes_them),
		cmocka_unit_test(offloads_are_done_where_it_does_not),
		cmocka_unit_test(too_large_for_the_port_is_a_named_drop),
		cmocka_unit_test(select_follows_weights_and_moves_only_a_dead_buckets_flows),
		cmocka_unit_test(hash_is_the_same_in_both_directions),
		cmocka_unit_test(short_push_is_the_same),
		cmocka_unit_test(meters_let_through_rate_and_burst),
		cmocka_unit_test(meter_drops_what_follows),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
