// SPDX-License-Identifier: Apache-2.0
/* Packets out of tunnels, a burst at a time: like those before them, broken in each named way, from strangers,
 * and while the tunnels change.  Whatever comes goes to two runners, of which one takes outer headers off one
 * by one (run_tunnel_deliver()): both must send, drop and count the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "base/clock.h"
#include "base/rcu.h"
#include "dataplane/cache.h"
#include "dataplane/run_decap_same.h"
#include "fake_port.h"
#include "openflow/tlv_map.h"
#include "packets.h"
#include "dataplane/slow_path.h"
#include "dataplane/worker.h"
#include "tunnels/address.h"
#include "xlate_rig.h"

#define N_PORTS 4
enum { WIRE, LOCAL, OUT, OTHER };
enum { VXLAN, GRE, GENEVE, N_TUNNELS };
static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 1 }, their_mac[6] = { 2, 0, 0, 0, 0, 2 };

static struct bridge *phy, *br0;
static struct port *ports[N_PORTS];
static struct xport *xports[N_PORTS];
static struct tunnel_state *states[N_TUNNELS];
static struct rule *outer_rule, *inner_rule, *rules[16];
static unsigned n_rules;
static uint32_t wire_slot, local_slot;

/* A runner, and what it did. */
struct side {
	struct runner rn;
	struct rte_mbuf *sent[N_PORTS][BURST_MAX];
	unsigned n_sent[N_PORTS];
	uint64_t counted[5], drops[DROP_N_REASONS];
};
static struct side fast, slow;

/* --- Packets ----------------------------------------------------------------------------------- */

struct outer {
	unsigned kind; /* VXLAN, ... */
	uint32_t id;
	uint32_t src;  /* 192.0.2.N */
	bool has_key;  /* GRE */
	uint16_t src_port;
	unsigned n_options; /* Geneve: of 4 bytes and 4 of value; 'option' is the first one's */
	uint32_t option;
	bool has_csum;      /* UDP, and the card vouches for it */
	bool has_right_csum;/* UDP, and nobody looked at it */
	struct packet_spec inner;
};

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
fix_ip(uint8_t *frame)
{
	put16(frame + 24, 0);
	put16(frame + 24, slow_checksum(frame + 14, 20, 0));
}

static struct rte_mbuf *
make(const struct outer *o)
{
	struct rte_mbuf *inner = packet_make(&o->inner);
	uint8_t f[2048] = { 0 }, *p = f + 34;
	uint32_t size = pkt_size(inner), header;
	struct rte_mbuf *m;

	memcpy(f, our_mac, 6);
	memcpy(f + 6, their_mac, 6);
	put16(f + 12, 0x0800);
	f[14] = 0x45;
	put16(f + 18, o->src_port * 7u); /* identification */
	f[20] = 0x40;
	f[22] = 64;
	f[23] = o->kind == GRE ? IPPROTO_GRE : IPPROTO_UDP;
	put16(f + 26, 0xc000);
	put16(f + 28, 0x0200 | o->src);
	put16(f + 30, 0xc000);
	put16(f + 32, 0x0201);
	if (o->kind == GRE) {
		put16(p, o->has_key ? 0x2000 : 0);
		put16(p + 2, 0x6558);
		put16(p + 4, o->id >> 16);
		put16(p + 6, o->id);
		header = o->has_key ? 8 : 4;
	} else {
		put16(p, o->src_port);
		put16(p + 2, o->kind == VXLAN ? 4789 : 6081);
		put16(p + 4, 16 + 8 * o->n_options + size);
		put16(p + 6, o->has_csum);
		p[8] = o->kind == VXLAN ? 8 : 0;
		put16(p + 10, o->kind == VXLAN ? 0 : 0x6558);
		put16(p + 12, o->id >> 8);
		p[14] = (uint8_t)o->id;
		header = 16;
		for (unsigned i = 0; i < o->n_options; i++, header += 8) {
			p[8] += 2;
			put16(p + header, 0xffff);
			p[header + 2] = (uint8_t)(i + 1);
			p[header + 3] = 1;
			put16(p + header + 6, i ? 9 : o->option);
		}
	}
	memcpy(p + header, pkt_data(inner), size);
	put16(f + 16, 20 + header + size);
	fix_ip(f);
	pkt_free(inner);
	if (o->has_right_csum) {
		uint8_t pseudo[12] = { [9] = IPPROTO_UDP };

		memcpy(pseudo, f + 26, 8);
		memcpy(pseudo + 10, p + 4, 2);
		put16(p + 6, 0);
		put16(p + 6, slow_checksum(p, header + size, 0xffff & ~slow_checksum(pseudo, 12, 0)));
	}
	m = pkt_from_bytes(f, 34 + header + size);
	if (o->has_csum)
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return m;
}

/* The same over IPv6. */
static struct rte_mbuf *
make6(const struct outer *o)
{
	struct outer o4 = *o;
	struct rte_mbuf *m4, *m;
	uint8_t f[2048] = { 0 }, pseudo[40] = { 0 };
	uint32_t size;

	o4.has_right_csum = false;
	m4 = make(&o4);
	size = pkt_size(m4) - 34;
	memcpy(f, pkt_data(m4), 12);
	put16(f + 12, 0x86dd);
	f[14] = 0x60;
	put16(f + 18, size);
	f[20] = pkt_data(m4)[23];
	f[21] = 64;
	f[22] = f[38] = 0xfd;
	f[37] = (uint8_t)o->src;
	f[53] = 1;
	memcpy(f + 54, pkt_data(m4) + 34, size);
	if (o->has_right_csum) {
		memcpy(pseudo, f + 22, 32);
		put16(pseudo + 34, size);
		pseudo[39] = IPPROTO_UDP;
		put16(f + 60, 0);
		put16(f + 60, slow_checksum(f + 54, size, 0xffff & ~slow_checksum(pseudo, 40, 0)));
	}
	m = pkt_from_bytes(f, 54 + size);
	m->ol_flags |= m4->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	pkt_free(m4);
	return m;
}

static struct outer
plain(unsigned kind, uint32_t seed)
{
	return (struct outer){ .kind = kind, .id = kind == GRE ? 0 : 5, .src = 2, .src_port = 50000 + seed % 99,
			       .inner = { .proto = seed % 2 ? IPPROTO_UDP : IPPROTO_TCP, .ipv6 = seed / 2 % 2,
					  .payload = 20 + seed % 50, .seed = seed } };
}

/* --- The switch --------------------------------------------------------------------------------- */

static void
free_view(void *v)
{
	tunnel_view_free(v);
}

static const char *remote = "192.0.2.2";

static void
tunnel_port(struct tunnel_port *p, unsigned kind, const char *key)
{
	static const char *const types[N_TUNNELS] = { "vxlan", "gre", "geneve" };
	struct tnl_option options[] = { { "remote_ip", remote }, { "key", key } };
	struct wf_str warnings = WF_STR_INIT;
	struct wf_err err = { 0 };
	struct xport *x = rig_port(br0, 10 + kind);

	assert_int_equal(tnl_config_parse(&p->config, "t", types[kind], options, 2, &warnings, &err), 0);
	wf_str_done(&warnings);
	x->is_tunnel = true;
	p->bridge = br0;
	p->ofp_port = 10 + kind;
	p->slot = x->slot;
	p->generation = x->generation;
	p->endpoint = kind;
	p->state = states[kind];
}

/* Tunnels to 192.0.2.2, or none.  'key' of VXLAN: "flow" or a number. */
static void
configure(bool any, const char *key)
{
	struct tunnel_endpoint *es = wf_xzalloc(N_TUNNELS * sizeof *es);
	struct tunnel_port *ps = wf_xzalloc(N_TUNNELS * sizeof *ps);

	for (unsigned i = 0; i < N_TUNNELS; i++) {
		es[i] = (struct tunnel_endpoint){
			.type = i == VXLAN ? TNL_VXLAN : i == GRE ? TNL_GRE : TNL_GENEVE,
			.udp_port = i == VXLAN ? 4789 : i == GRE ? 0 : 6081, .number = 100 + i,
			.slot = UINT32_MAX };
		tunnel_port(&ps[i], i, i == VXLAN ? key : "flow");
	}
	view_set_tunnels(tunnel_view_new(es, N_TUNNELS, ps, any ? N_TUNNELS : 0), free_view);
	rig_publish();
}

static void
address(const char *text)
{
	struct underlay *u = wf_xzalloc(sizeof *u);

	u->n_addresses = 1;
	u->addresses = wf_xzalloc(sizeof *u->addresses);
	strcpy(u->addresses->bridge, "phy");
	u->addresses->dp = phy;
	u->addresses->slot = local_slot;
	u->addresses->ofp_port = OF_PORT_LOCAL;
	memcpy(u->addresses->mac, our_mac, 6);
	assert_true(tnl_parse_address(text, &u->addresses->a.addr));
	u->addresses->a.plen = 120;
	u->routes = tnl_routes_new();
	u->neighs = tnl_neighs_new();
	underlay_publish(u, UNDERLAY_ROUTES | UNDERLAY_NEIGHS);
}

static struct rule *
flow(struct bridge *br, const char *text)
{
	return rules[n_rules++] = rig_flow(br, text);
}

static void
side_init(struct side *s)
{
	runner_init(&s->rn);
	s->rn.cache = cache_new();
}

static void
side_done(struct side *s)
{
	runner_done(&s->rn);
	wf_rcu_drain();
	cache_free(s->rn.cache);
}

static void
count(const struct side *s, uint64_t now[5])
{
	cache_fold(s->rn.cache);
	for (unsigned i = 0; i < N_TUNNELS; i++)
		now[i] = atomic_load(&states[i]->rx->bytes);
	now[3] = atomic_load(&outer_rule->counter.packets);
	now[4] = atomic_load(&inner_rule->counter.bytes);
}

/* A burst from the wire (or our own LOCAL port) through one runner. */
static void
run(struct side *s, uint32_t slot, struct rte_mbuf *const *pkts, unsigned n)
{
	struct rte_mbuf *copies[BURST_MAX];
	uint64_t before[5], dropped[DROP_N_REASONS];

	count(s, before);
	memcpy(dropped, s->rn.drops, sizeof dropped);
	for (unsigned i = 0; i < n; i++)
		copies[i] = pkt_copy(pkts[i]);
	s->rn.view = view_get();
	s->rn.now_ms = wf_now_ms();
	cache_sync(s->rn.cache, s->rn.view, s->rn.now_ms);
	pipeline_burst(&s->rn, slot, copies, n);
	runner_flush(&s->rn);
	cache_end_burst(s->rn.cache);
	wf_rcu_drain();
	count(s, s->counted);
	for (unsigned i = 0; i < 5; i++)
		s->counted[i] -= before[i];
	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		s->drops[i] = s->rn.drops[i] - dropped[i];
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct rte_mbuf *m;

		for (s->n_sent[i] = 0; (m = fake_port_sent(ports[i], 0)); s->n_sent[i]++)
			s->sent[i][s->n_sent[i]] = m;
	}
}

static void
forget_sent(struct side *s)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		while (s->n_sent[i])
			pkt_free(s->sent[i][--s->n_sent[i]]);
}

/* The same burst through both, which must do the same; 'fast' has it afterwards.  Frees the packets. */
static void
both(struct rte_mbuf **pkts, unsigned n)
{
	run(&slow, wire_slot, pkts, n);
	run(&fast, wire_slot, pkts, n);
	for (unsigned i = 0; i < N_PORTS; i++) {
		assert_int_equal(fast.n_sent[i], slow.n_sent[i]);
		for (unsigned k = 0; k < fast.n_sent[i]; k++) {
			assert_int_equal(pkt_size(fast.sent[i][k]), pkt_size(slow.sent[i][k]));
			assert_memory_equal(pkt_data(fast.sent[i][k]), pkt_data(slow.sent[i][k]),
					    pkt_size(fast.sent[i][k]));
		}
	}
	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		assert_int_equal(fast.drops[i], slow.drops[i]);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fast.counted[i], slow.counted[i]);
	for (unsigned i = 0; i < n; i++)
		pkt_free(pkts[i]);
	forget_sent(&slow);
}

/* Until what such packets meet is known. */
static void
warm(const struct outer *o)
{
	for (unsigned round = 0; round < 3; round++) {
		struct rte_mbuf *pkts[4];

		for (unsigned i = 0; i < 4; i++)
			pkts[i] = make(o);
		both(pkts, 4);
		forget_sent(&fast);
	}
}

static int
setup(void **state)
{
	static const of_port_t numbers[N_PORTS] = { 1, OF_PORT_LOCAL, 1, 2 };
	static const char *const names[N_PORTS] = { "wire", "phy", "out", "other" };
	struct rte_mbuf *hello;
	uint8_t frame[60] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08 };

	struct of_tlv_map tlv;

	rig_init();
	underlay_init();
	phy = rig_bridge("phy");
	br0 = rig_bridge("br0");
	of_tlv_map_init(&tlv);
	assert_int_equal(of_tlv_map_add(&tlv, 0xffff, 1, 4, 0), 0);
	view_set_tlv_map(br0, &tlv);
	for (unsigned i = 0; i < N_PORTS; i++) {
		ports[i] = fake_port_new(names[i], false);
		xports[i] = rig_port_with(i < OUT ? phy : br0, numbers[i], ports[i]);
		ports[i]->slot = xports[i]->slot;
	}
	wire_slot = xports[WIRE]->slot;
	local_slot = xports[LOCAL]->slot;
	for (unsigned i = 0; i < N_TUNNELS; i++)
		states[i] = tunnel_state_new();
	configure(true, "flow");
	address("192.0.2.1");
	outer_rule = flow(phy, "priority=1,actions=NORMAL");
	inner_rule = flow(br0, "priority=1,actions=output:1");
	flow(br0, "priority=2,tun_id=7,actions=output:2");
	flow(br0, "priority=4,tun_metadata0=6,actions=output:2");
	flow(br0, "priority=3,tun_id=8,actions=drop");
	side_init(&fast);
	side_init(&slow);
	/* Never anything but the long way. */
	slow.rn.inner->closed = true;
	/* Where our own address is. */
	hello = pkt_from_bytes(frame, sizeof frame);
	run(&slow, local_slot, &hello, 1);
	forget_sent(&slow);
	pkt_free(hello);
	return 0;
}

static int
teardown(void **state)
{
	side_done(&fast);
	side_done(&slow);
	while (n_rules) {
		rig_flow_del(rules[--n_rules]);
		rule_unref(rules[n_rules]);
	}
	view_set_tunnels(NULL, free_view);
	view_bridge_del(phy);
	view_bridge_del(br0);
	view_publish(true);
	wf_rcu_drain();
	for (unsigned i = 0; i < N_TUNNELS; i++)
		tunnel_state_unref(states[i]);
	for (unsigned i = 0; i < N_PORTS; i++)
		fake_port_free(ports[i]);
	wf_rcu_drain();
	return 0;
}

/* --- Tests --------------------------------------------------------------------------------------- */

static void
such_packets_come_out(void **state)
{
	for (unsigned kind = 0; kind < N_TUNNELS; kind++) {
		struct outer o = plain(kind, kind);
		struct rte_mbuf *pkts[BURST_MAX], *inner = packet_make(&o.inner);

		warm(&o);
		for (unsigned i = 0; i < BURST_MAX; i++) {
			o.src_port = (uint16_t)(40000 + i);
			o.id = kind == GRE ? 0 : 5 + i % 4;
			pkts[i] = make(&o);
		}
		both(pkts, BURST_MAX);
		assert_int_equal(fast.n_sent[OUT], kind == GRE ? 32 : 16);
		assert_int_equal(fast.n_sent[OTHER], kind == GRE ? 0 : 8);
		for (unsigned i = 0; i < fast.n_sent[OUT]; i++) {
			assert_int_equal(pkt_size(fast.sent[OUT][i]), pkt_size(inner));
			assert_memory_equal(pkt_data(fast.sent[OUT][i]), pkt_data(inner), pkt_size(inner));
		}
		/* That was the way by templates, or this test is worth nothing. */
		assert_true(fast.rn.decaps->slots);
		forget_sent(&fast);
		pkt_free(inner);
	}
}

static void bad_ip_sum(uint8_t *f) { f[24] ^= 1; }
static void no_version(uint8_t *f) { f[14] = 0x55; fix_ip(f); }
static void header_of_16(uint8_t *f) { f[14] = 0x44; }
static void too_long(uint8_t *f) { put16(f + 16, 4000); fix_ip(f); }
static void fragment(uint8_t *f) { put16(f + 20, 0x2000); fix_ip(f); }
static void later_fragment(uint8_t *f) { put16(f + 20, 0x0005); fix_ip(f); }
static void congestion(uint8_t *f) { f[15] = 3; fix_ip(f); }
static void stranger(uint8_t *f) { f[29] = 9; fix_ip(f); }
static void udp_sum(uint8_t *f) { put16(f + 40, 0x1234); }
static void udp_length_0(uint8_t *f) { put16(f + 38, 0); }
static void udp_length_long(uint8_t *f) { put16(f + 38, 5000); }
static void udp_length_header(uint8_t *f) { put16(f + 38, 16); }
static void udp_length_part(uint8_t *f) { put16(f + 38, 16 + 13); }
static void vxlan_no_vni(uint8_t *f) { f[42] = 0; }
static void vxlan_flags(uint8_t *f) { f[42] = 0x88; }
static void vxlan_reserved(uint8_t *f) { f[49] = 1; }
static void geneve_version(uint8_t *f) { f[42] = 0x40; }
static void geneve_options(uint8_t *f) { f[42] = 0x3f; }
static void geneve_lies(uint8_t *f) { f[42] = 2; memset(f + 50, 0x1f, 8); }
static void geneve_inner(uint8_t *f) { put16(f + 44, 0x0123); }
static void gre_version(uint8_t *f) { f[35] = 1; }
static void gre_routing(uint8_t *f) { f[34] = 0x40; }
static void gre_sum(uint8_t *f) { f[34] = 0x80; }
static void gre_inner(uint8_t *f) { put16(f + 36, 0x0100); }

static const struct bad {
	const char *name;
	unsigned kinds; /* of tunnel, a bit each */
	void (*change)(uint8_t *frame);
	enum drop_reason reason;
} bads[] = {
#define ALL (1u << VXLAN | 1u << GRE | 1u << GENEVE)
#define UDP (1u << VXLAN | 1u << GENEVE)
	{ "IP checksum", ALL, bad_ip_sum, DROP_TUNNEL_OUTER_CHECKSUM },
	{ "first fragment", ALL, fragment, DROP_TUNNEL_OUTER_FRAGMENT },
	{ "congestion, inner not ECN capable", ALL, congestion, DROP_TUNNEL_ECN },
	{ "from a stranger", ALL, stranger, DROP_TUNNEL_NO_PORT },
	{ "UDP checksum", UDP, udp_sum, DROP_TUNNEL_OUTER_CHECKSUM },
	{ "UDP length 0", UDP, udp_length_0, DROP_TUNNEL_OUTER_LENGTH },
	{ "UDP longer than the packet", UDP, udp_length_long, DROP_TUNNEL_OUTER_LENGTH },
	{ "nothing inside", UDP, udp_length_header, DROP_TUNNEL_INNER_SHORT },
	{ "less than Ethernet inside", UDP, udp_length_part, DROP_TUNNEL_INNER_SHORT },
	{ "VXLAN without VNI", 1u << VXLAN, vxlan_no_vni, DROP_TUNNEL_BAD_FLAGS },
	{ "VXLAN with other flags", 1u << VXLAN, vxlan_flags, DROP_TUNNEL_BAD_FLAGS },
	{ "VXLAN reserved byte", 1u << VXLAN, vxlan_reserved, DROP_TUNNEL_BAD_FLAGS },
	{ "Geneve version", 1u << GENEVE, geneve_version, DROP_TUNNEL_BAD_VERSION },
	{ "Geneve options longer than it", 1u << GENEVE, geneve_options, DROP_TUNNEL_OUTER_SHORT },
	{ "Geneve option longer than the options", 1u << GENEVE, geneve_lies, DROP_TUNNEL_BAD_OPTIONS },
	{ "Geneve protocol", 1u << GENEVE, geneve_inner, DROP_TUNNEL_BAD_PROTOCOL },
	{ "GRE version", 1u << GRE, gre_version, DROP_TUNNEL_BAD_VERSION },
	{ "GRE routing bit", 1u << GRE, gre_routing, DROP_TUNNEL_BAD_FLAGS },
	{ "GRE checksum", 1u << GRE, gre_sum, DROP_TUNNEL_OUTER_CHECKSUM },
	{ "GRE protocol", 1u << GRE, gre_inner, DROP_TUNNEL_BAD_PROTOCOL },
};

/* Between two good ones of the same tunnel, each is dropped for its reason and harms neither. */
static void
each_fault_has_its_name(void **state)
{
	for (unsigned kind = 0; kind < N_TUNNELS; kind++) {
		for (const struct bad *b = bads; b < bads + sizeof bads / sizeof *bads; b++) {
			struct outer o = plain(kind, 1);
			struct rte_mbuf *pkts[3];

			if (!(b->kinds >> kind & 1))
				continue;
			warm(&o);
			for (unsigned i = 0; i < 3; i++)
				pkts[i] = make(&o);
			b->change(pkt_data(pkts[1]));
			both(pkts, 3);
			if (fast.n_sent[OUT] != 2 || fast.drops[b->reason] != 1)
				fail_msg("%s (tunnel %u): %u sent, %u dropped for it", b->name, kind,
					 fast.n_sent[OUT], (unsigned)fast.drops[b->reason]);
			forget_sent(&fast);
		}
	}
}

static void total_less(uint8_t *f) { put16(f + 16, 20 + 4); fix_ip(f); }
static void total_of_header(uint8_t *f) { put16(f + 16, 20); fix_ip(f); }
static void ip_options(uint8_t *f) { f[14] = 0x46; fix_ip(f); }
static void gre_sequence(uint8_t *f) { f[34] = 0x30; }
static void other_ttl(uint8_t *f) { f[22] = 3; fix_ip(f); }
static void marked(uint8_t *f) { f[15] = 2; fix_ip(f); }
static void to_others(uint8_t *f) { f[5] ^= 1; }
static void no_ip(uint8_t *f) { put16(f + 12, 0x88cc); }
static void inner_of_no_kind(uint8_t *f) { put16(f + 34 + (f[23] == IPPROTO_GRE ? 4 : 16) + 12, 0x0806); }

/* Did the last burst go by the template of its first packet alone? */
static bool
went_together(void)
{
	const struct decaps *d = fast.rn.decaps;

	for (unsigned i = 0; i < DECAP_TEMPLATES; i++)
		if (d->templates[i].burst == d->burst)
			return false;
	return d->slots != 0;
}

/* A burst of one tunnel goes together; one that is odd, wherever it is, meets what it would meet alone, and keeps
 * its place. */
static void
one_odd_among_many(void **state)
{
	static void (*const changes[])(uint8_t *) = {
		no_version, header_of_16, too_long, later_fragment, total_less, total_of_header, ip_options,
		gre_sequence, other_ttl, marked, to_others, no_ip, inner_of_no_kind };
	const unsigned n_changes = sizeof changes / sizeof *changes, n_bads = sizeof bads / sizeof *bads;

	for (unsigned kind = 0; kind < N_TUNNELS; kind++) {
		for (unsigned b = 0; b <= n_bads + n_changes; b++) {
			unsigned place = (b * 7 + kind) % BURST_MAX;
			struct outer o = plain(kind, b);
			struct rte_mbuf *pkts[BURST_MAX];

			if (b < n_bads && !(bads[b].kinds >> kind & 1))
				continue;
			o.has_csum = kind == VXLAN && b % 2;
			o.n_options = kind == GENEVE ? 1 + b % 2 : 0;
			o.option = 5;
			warm(&o);
			for (unsigned i = 0; i < BURST_MAX; i++) {
				o.inner = plain(kind, i).inner;
				o.src_port = (uint16_t)(40000 + i);
				pkts[i] = make(&o);
			}
			if (b < n_bads)
				bads[b].change(pkt_data(pkts[place]));
			else if (b < n_bads + n_changes)
				changes[b - n_bads](pkt_data(pkts[place]));
			both(pkts, BURST_MAX);
			if (b == n_bads + n_changes) {
				assert_int_equal(fast.n_sent[OUT], BURST_MAX);
				assert_true(went_together());
			} else {
				assert_true(fast.n_sent[OUT] >= BURST_MAX - 1);
			}
			forget_sent(&fast);
		}
	}
}

/* Cut short in the middle of the others. */
static void
one_cut_among_many(void **state)
{
	for (unsigned kind = 0; kind < N_TUNNELS; kind++) {
		struct outer o = plain(kind, 3);
		struct rte_mbuf *m = make(&o), *pkts[8];
		uint32_t size = pkt_size(m);

		pkt_free(m);
		warm(&o);
		for (uint32_t left = 14; left < size; left++) {
			for (unsigned i = 0; i < 8; i++)
				pkts[i] = make(&o);
			pkt_set_size(pkts[left % 8], left);
			both(pkts, 8);
			assert_true(fast.n_sent[OUT] >= 7);
			forget_sent(&fast);
		}
	}
}

/* What is no whole IPv4 header, or has no ports, is for none of our tunnels: as anything else, it goes to the device. */
static void
what_is_no_tunnel_stays_whole(void **state)
{
	void (*const changes[])(uint8_t *) = { no_version, header_of_16, too_long, later_fragment };

	for (unsigned i = 0; i < 4; i++) {
		struct outer o = plain(VXLAN, 1);
		struct rte_mbuf *m = make(&o);
		uint32_t size = pkt_size(m);

		warm(&o);
		changes[i](pkt_data(m));
		both(&m, 1);
		assert_int_equal(fast.n_sent[OUT], 0);
		assert_int_equal(fast.n_sent[LOCAL], 1);
		assert_int_equal(pkt_size(fast.sent[LOCAL][0]), size);
		forget_sent(&fast);
	}
}

static void
cut_anywhere(void **state)
{
	for (unsigned kind = 0; kind < N_TUNNELS; kind++) {
		struct outer o = plain(kind, 3);
		struct rte_mbuf *m = make(&o);
		uint32_t size = pkt_size(m);

		pkt_free(m);
		warm(&o);
		for (uint32_t left = 14; left < size; left++) {
			struct rte_mbuf *pkts[2] = { make(&o), make(&o) };

			pkt_set_size(pkts[1], left);
			both(pkts, 2);
			assert_true(fast.n_sent[OUT] >= 1);
			forget_sent(&fast);
		}
	}
}

/* A tunnel of one VNI takes that one only, whatever was remembered of it. */
static void
other_vnis_are_dropped(void **state)
{
	struct outer o = plain(VXLAN, 1);
	struct rte_mbuf *pkts[4];

	warm(&o);
	configure(true, "5");
	warm(&o);
	for (unsigned i = 0; i < 4; i++) {
		o.id = i == 1 ? 6 : i == 2 ? 0x050005 : 5;
		pkts[i] = make(&o);
	}
	both(pkts, 4);
	assert_int_equal(fast.n_sent[OUT], 2);
	assert_int_equal(fast.drops[DROP_TUNNEL_NO_PORT], 2);
	forget_sent(&fast);
	configure(true, "flow");
}

static void
gre_keys(void **state)
{
	struct outer o = plain(GRE, 1);
	struct rte_mbuf *pkts[4];

	o.has_key = true;
	o.id = 1;
	warm(&o);
	for (unsigned i = 0; i < 4; i++) {
		o.has_key = i != 3;
		o.id = i == 1 ? 7 : i == 2 ? 8 : 0x70000007;
		pkts[i] = make(&o);
	}
	both(pkts, 4);
	assert_int_equal(fast.n_sent[OTHER], 1);
	assert_int_equal(fast.n_sent[OUT], 2);
	forget_sent(&fast);
}

/* By the first option's value, whatever came before. */
static void
geneve_options_of_flows(void **state)
{
	for (unsigned n = 1; n < 4; n++) {
		struct outer o = plain(GENEVE, n);
		struct rte_mbuf *pkts[8];

		o.n_options = n;
		o.has_csum = n == 2;
		o.option = 5;
		warm(&o);
		for (unsigned i = 0; i < 8; i++) {
			o.option = 5 + i % 4;
			pkts[i] = make(&o);
		}
		both(pkts, 8);
		assert_int_equal(fast.n_sent[OTHER], 2);
		assert_int_equal(fast.n_sent[OUT], 6);
		forget_sent(&fast);
	}
}

/* Checksums of the outer header that nobody vouches for are summed up, and the packet goes the short way. */
static void
outer_checksums(void **state)
{
	for (unsigned kind = 0; kind < N_TUNNELS; kind++) {
		struct outer o = plain(kind, 3);
		struct rte_mbuf *pkts[8];

		if (kind == GRE)
			continue;
		o.has_right_csum = true;
		fast.rn.decaps->slots = 0;
		fast.rn.decaps->burst++; /* as whoever forgets does: a template of this burst keeps its place */
		for (unsigned round = 0; round < 2; round++) {
			warm(&o);
			for (unsigned i = 0; i < 8; i++) {
				pkts[i] = make(&o);
				if (i == 5)
					pkt_data(pkts[i])[80] ^= 1;
			}
			both(pkts, 8);
			assert_int_equal(fast.n_sent[OUT], 7);
			assert_int_equal(fast.drops[DROP_TUNNEL_OUTER_CHECKSUM], 1);
			assert_true(fast.rn.decaps->slots);
			forget_sent(&fast);
		}
	}
}

/* What is remembered of a tunnel ends with it. */
static void
tunnels_change_under_traffic(void **state)
{
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned kind = 0; kind < N_TUNNELS; kind++) {
			struct outer o = plain(kind, round);
			struct rte_mbuf *pkts[2];

			configure(true, "flow");
			address("192.0.2.1");
			warm(&o);
			if (round % 2)
				configure(false, "flow");
			else
				address("192.0.2.77");
			pkts[0] = make(&o);
			pkts[1] = make(&o);
			both(pkts, 2);
			assert_int_equal(fast.n_sent[OUT] + fast.n_sent[OTHER], 0);
			/* Nobody's: the device gets it; of a tunnel that nobody has: dropped. */
			if (round % 2)
				assert_int_equal(fast.drops[DROP_TUNNEL_NO_PORT], 2);
			else
				assert_int_equal(fast.n_sent[LOCAL], 2);
			forget_sent(&fast);
		}
	}
	configure(true, "flow");
	address("192.0.2.1");
}

/* A flow that does more than hand the packet over comes between. */
static void
flows_change_under_traffic(void **state)
{
	struct outer o = plain(VXLAN, 1);

	for (unsigned round = 0; round < 4; round++) {
		struct rte_mbuf *pkts[3] = { make(&o), make(&o), make(&o) };
		struct rule *r;

		warm(&o);
		r = rig_flow(phy, round % 2 ? "priority=9,udp,actions=drop"
					    : "priority=9,udp,tp_src=50001,actions=drop");
		both(pkts, 3);
		assert_int_equal(fast.n_sent[OUT], 0);
		forget_sent(&fast);
		rig_flow_del(r);
		rule_unref(r);
		warm(&o);
		pkts[0] = make(&o);
		both(pkts, 1);
		assert_int_equal(fast.n_sent[OUT], 1);
		forget_sent(&fast);
	}
}

static void
random_bursts(void **state)
{
	uint32_t seed = getenv("SEED") ? (uint32_t)atoi(getenv("SEED")) : 1;
	unsigned n_out = 0;

	srandom(seed);
	for (unsigned round = 0; round < 3000; round++) {
		struct rte_mbuf *pkts[BURST_MAX];
		unsigned n = 1 + (unsigned)random() % BURST_MAX;

		/* Of one tunnel, most without fault; or of all, with many. */
		bool alike = random() % 2;
		struct outer first = plain((unsigned)random() % N_TUNNELS, (uint32_t)random());

		for (unsigned i = 0; i < n; i++) {
			struct outer o = plain(alike ? first.kind : (unsigned)random() % N_TUNNELS,
					       (uint32_t)random());

			o.has_key = alike ? first.src_port % 2 : random() % 2;
			o.id = (uint32_t)random() % 10;
			if (o.kind == GENEVE && (alike ? first.src_port % 2 : random() % 2)) {
				o.n_options = alike ? first.src_port / 2 % 4 : (unsigned)random() % 4;
				o.option = 5 + (uint32_t)random() % 2;
			}
			o.has_csum = o.kind != GRE && !alike && random() % 4 == 0;
			o.has_right_csum = o.kind != GRE && !o.has_csum && random() % 2;
			o.inner.seed %= 4;
			o.inner.n_vlans = random() % 16 == 0;
			if (random() % 16 == 0)
				o.inner.proto = random() % 2 ? IPPROTO_ICMP : IPPROTO_SCTP;
			if (o.inner.proto == IPPROTO_ICMP)
				o.inner.ipv6 = false;
			pkts[i] = make(&o);
			uint8_t *f = pkt_data(pkts[i]);
			switch (random() % (alike ? 128 : 12)) {
			case 0: /* one bit */
				f[random() % 60] ^= (uint8_t)(1 << random() % 8);
				break;
			case 1:
				f[14 + random() % 40] ^= (uint8_t)(1 << random() % 8);
				fix_ip(f);
				break;
			case 2:
				f[15] = (uint8_t)(random() % 4 ? random() % 4 * 4 : random());
				f[22] = (uint8_t)(2 + random() % 3);
				fix_ip(f);
				break;
			case 3:
				pkt_set_size(pkts[i], 14 + (uint32_t)random() % (pkt_size(pkts[i]) - 13));
				break;
			case 4:
				bads[(unsigned)random() % (sizeof bads / sizeof *bads)].change(f);
				break;
			default:
				break;
			}
		}
		both(pkts, n);
		n_out += fast.n_sent[OUT] + fast.n_sent[OTHER];
		forget_sent(&fast);
		/* Now and then the layout of keys is another: fields of the outer packet, or of the tunnel. */
		if (round % 1000 == 500) {
			static const char *const flows[] = { "priority=9,tun_tos=4,actions=output:2",
							     "priority=9,tun_ttl=3,actions=output:2",
							     "priority=9,tun_src=192.0.2.9,actions=drop" };

			flow(br0, flows[round / 1000]);
		}
	}
	assert_true(n_out > 10000);
}

/* Over IPv6: packets like others, of many senders, and broken ones. */
static void
ipv6_underlay(void **state)
{
	unsigned n_out = 0;

	remote = "fd00::2";
	configure(true, "flow");
	address("fd00::1");
	for (unsigned kind = 0; kind < N_TUNNELS; kind++) {
		for (unsigned round = 0; round < 3; round++) {
			struct rte_mbuf *pkts[8];

			for (unsigned i = 0; i < 8; i++) {
				struct outer o = plain(kind, i % 4);

				o.has_key = i % 2;
				o.has_right_csum = kind != GRE && i > 3;
				pkts[i] = make6(&o);
			}
			both(pkts, 8);
			assert_int_equal(fast.n_sent[OUT], 8);
			forget_sent(&fast);
		}
	}
	assert_int_equal(fast.rn.decaps->last_pair6, 1);
	srandom(1);
	for (unsigned round = 0; round < 1500; round++) {
		struct rte_mbuf *pkts[BURST_MAX];
		unsigned n = 1 + (unsigned)random() % BURST_MAX;

		for (unsigned i = 0; i < n; i++) {
			struct outer o = plain((unsigned)random() % N_TUNNELS, (uint32_t)random());

			o.has_key = random() % 2;
			o.id = (uint32_t)random() % 10;
			o.src = random() % 8 ? 2 : (uint32_t)random() % 256;
			if (o.kind == GENEVE && random() % 2) {
				o.n_options = (unsigned)random() % 4;
				o.option = 5 + (uint32_t)random() % 2;
			}
			o.has_csum = o.kind != GRE && random() % 4 == 0;
			o.has_right_csum = o.kind != GRE && !o.has_csum && random() % 2;
			o.inner.seed %= 4;
			pkts[i] = make6(&o);
			uint8_t *f = pkt_data(pkts[i]);
			switch (random() % 8) {
			case 0: /* one bit */
				f[random() % 90] ^= (uint8_t)(1 << random() % 8);
				break;
			case 1: /* traffic class and hop limit */
				f[15] = (uint8_t)(random() % 4 * 16);
				f[21] = (uint8_t)(2 + random() % 3);
				break;
			case 2:
				pkt_set_size(pkts[i], 14 + (uint32_t)random() % (pkt_size(pkts[i]) - 13));
				break;
			default:
				break;
			}
		}
		both(pkts, n);
		n_out += fast.n_sent[OUT] + fast.n_sent[OTHER];
		forget_sent(&fast);
	}
	assert_true(n_out > 5000);
	remote = "192.0.2.2";
	configure(true, "flow");
	address("192.0.2.1");
}

/* --- Looked at again ------------------------------------------------------------------------------ */

static __be32 told[4 * BURST_MAX]; /* tun_src of packet-ins */
static unsigned n_told;

static void
note_packet_in(const struct packet_in_spec *spec, const struct rte_mbuf *m)
{
	assert_true(n_told < sizeof told / sizeof told[0]);
	told[n_told++] = spec->metadata.tun_src;
}

/* What comes out of a tunnel, and is parsed again on its way, keeps its own outer addresses: a continuation
 * is for packets of others, too, unless a flow asks for them. */
static void
outer_values_behind_a_new_parse(void **state)
{
	const struct slow_ops ops = { .packet_in = note_packet_in };
	struct outer o = plain(VXLAN, 1);
	struct rule *r[4];

	slow_path_set_ops(&ops);
	remote = "flow";
	configure(true, "flow");
	o.inner.ipv6 = false;
	r[0] = rig_flow(br0, "priority=9,in_port=10,ip,actions=push_mpls:0x8847,pop_mpls:0x0800,resubmit(,1)");
	r[1] = rig_flow(br0, "table=1,priority=1,actions=controller,output:1");
	for (unsigned round = 0; round < 6; round++) {
		struct rte_mbuf *pkts[6];

		if (round == 3) { /* from here on a flow behind the new parse asks */
			r[2] = rig_flow(br0, "table=1,priority=2,tun_src=192.0.2.3,actions=controller,output:2");
			r[3] = rig_flow(br0, "table=1,priority=2,tun_src=192.0.2.4,tun_id=5,actions=set_field:1.2.3.4->tun_src,"
					     "controller,output:1");
		}
		for (unsigned i = 0; i < 6; i++) {
			o.src = 2 + i % 3;
			pkts[i] = make(&o);
		}
		n_told = 0;
		both(pkts, 6);
		assert_int_equal(fast.n_sent[OUT], round < 3 ? 6 : 4);
		assert_int_equal(fast.n_sent[OTHER], round < 3 ? 0 : 2);
		forget_sent(&fast);
		while (slow_path_run(1000))
			;
		assert_int_equal(n_told, 12);
		for (unsigned i = 0; i < n_told; i++)
			assert_int_equal(told[i], htonl(round >= 3 && i % 3 == 2 ? 0x01020304
										 : 0xc0000202 + i % 3));
	}
	for (unsigned i = 0; i < 4; i++) {
		rig_flow_del(r[i]);
		rule_unref(r[i]);
	}
	remote = "192.0.2.2";
	configure(true, "flow");
	slow_path_done();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(such_packets_come_out),
		cmocka_unit_test(each_fault_has_its_name),
		cmocka_unit_test(one_odd_among_many),
		cmocka_unit_test(one_cut_among_many),
		cmocka_unit_test(what_is_no_tunnel_stays_whole),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(other_vnis_are_dropped),
		cmocka_unit_test(gre_keys),
		cmocka_unit_test(geneve_options_of_flows),
		cmocka_unit_test(outer_checksums),
		cmocka_unit_test(tunnels_change_under_traffic),
		cmocka_unit_test(outer_values_behind_a_new_parse),
		cmocka_unit_test(flows_change_under_traffic),
		cmocka_unit_test(ipv6_underlay),
		cmocka_unit_test(random_bursts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
