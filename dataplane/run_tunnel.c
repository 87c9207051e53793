/* SPDX-License-Identifier: Apache-2.0 */
/* Packets into tunnels and out of them. */
#include "dataplane/run.h"

#include <endian.h>
#include <stdlib.h>

#include "base/hash.h"
#include "dataplane/flow_hash.h"
#include "dataplane/normal_memo.h"
#include "dataplane/protocol_rx.h"
#include "dataplane/run_short_push.h"
#include "dataplane/tunnel.h"
#include "dataplane/tunnel_mtu.h"
#include "tunnels/checksum.h"

/* --- Out ------------------------------------------------------------------------------------- */

static _Atomic uint32_t source_ports = 32768u << 16 | 61000; /* low, high: changed together */

void
tunnel_set_source_ports(uint16_t low, uint16_t high)
{
	atomic_store_explicit(&source_ports, (uint32_t)low << 16 | high, memory_order_relaxed);
}

void
tunnel_get_source_ports(uint16_t *low, uint16_t *high)
{
	uint32_t ports = atomic_load_explicit(&source_ports, memory_order_relaxed);

	*low = (uint16_t)(ports >> 16);
	*high = (uint16_t)ports;
}

/* As short_push() has it from the packet's bytes. */
static uint32_t
entropy_of(const struct of_key *k)
{
	bool is_v4 = k->dl_type == RTE_BE16(0x0800), is_v6 = k->dl_type == RTE_BE16(0x86dd);
	uint64_t addresses[4];
	uint32_t ports = 0;

	if (!is_v4 && !is_v6) {
		uint64_t src = 0, dst = 0;

		memcpy(&src, k->dl_src, 6);
		memcpy(&dst, k->dl_dst, 6);
		return flow_entropy(src, k->dl_type, 0) ^ flow_entropy(dst, k->vlans[0].tci, 1);
	}
	if (!(k->nw_frag & OF_FRAG_ANY) &&
	    (k->nw_proto == IPPROTO_TCP || k->nw_proto == IPPROTO_UDP || k->nw_proto == IPPROTO_SCTP))
		memcpy(&ports, &k->tp_src, 4);
	if (is_v4) {
		memcpy(addresses, &k->nw_src, 8);
	} else {
		memcpy(addresses, &k->ipv6_src, 16);
		memcpy(addresses + 2, &k->ipv6_dst, 16);
		addresses[0] = flow_entropy_fold6(addresses);
	}
	return flow_entropy(addresses[0], ports, k->nw_proto);
}

/* What of the outer header follows from the inner packet. */
static void
fill_packet(struct pass *p, const struct op_tunnel_push *op, const struct rte_mbuf *m,
	    struct tnl_packet *pkt)
{
	const struct of_key *k = pass_headers(p, m);
	bool is_ip = k->dl_type == RTE_BE16(0x0800) || k->dl_type == RTE_BE16(0x86dd);

	memset(pkt, 0, sizeof *pkt);
	if (tnl_ip_proto((enum tnl_type)op->t.type) == IPPROTO_UDP) {
		uint16_t low, high;

		tunnel_get_source_ports(&low, &high);
		pkt->src_port = tnl_source_port(entropy_of(k), low, high);
	}
	if (op->t.has_seq)
		pkt->seq = atomic_fetch_add_explicit(&op->state->seq, 1, memory_order_relaxed);
	if (!is_ip)
		return;
	pkt->tos = (op->op.u8 & TUNNEL_TOS_INHERIT ? k->nw_tos & 0xfc : op->tos) |
		   tnl_ecn_encap(k->nw_tos);
	if (op->op.u8 & TUNNEL_TTL_INHERIT)
		pkt->ttl = k->nw_ttl;
}

/* Puts the outer header in front; false: the packet is gone, and counted.  The packet is ours,
 * without open offloads.  leave_csum: the host's socket sums UDP. */
static bool
put_outer(struct pass *p, const struct op_tunnel_push *op, bool leave_csum, struct rte_mbuf *m)
{
	struct tnl_packet pkt;
	uint8_t *frame;

	fill_packet(p, op, m, &pkt);
	pkt.leave_csum = leave_csum;
	runner_count(p->rn, op->state->tx, pkt_size(m));
	frame = pkt_push(m, op->t.size);
	if (frame && tnl_template_apply(&op->t, frame, pkt_size(m), &pkt))
		return true;
	pass_drop(p, DROP_TUNNEL_TOO_LONG);
	pkt_free(m);
	return false;
}

void
run_tunnel_push(struct pass *p, const struct op_tunnel_push *op, struct rte_mbuf *m)
{
	const struct plan_op *nested = op_tunnel_push_nested(op);
	const struct plan_op *end = (const struct plan_op *)((const uint8_t *)op + op->op.size);
	struct pass sub = *p;

	if (unlikely(op->op.u8 & TUNNEL_PMTUD) && run_tunnel_too_big(p, op, m))
		return;
	if (!put_outer(p, op, false, m))
		return;
	sub.bridge = op->underlay;
	sub.in_port = op->in_port;
	sub.packet_type = OF_PT_ETH;
	sub.tunnel = NULL;
	sub.layers_valid = false;
	sub.trunc = 0;
	sub.pushed_tags = 0;
	sub.credit_size = pkt_size(m); /* flows of the underlay count the outer packet */
	run_ops(&sub, nested, end, m);
}

bool
short_push_find(struct runner *rn, const struct plan *plan, struct short_push *to)
{
	const struct op_tunnel_push *op = (const struct op_tunnel_push *)plan->ops;
	const struct view *v = rn->view;
	uint32_t out = plan->out_slot;
	const struct view_slot *vs;

	to->slot = UINT32_MAX;
	to->normal = plan->shortcut & SHORT_NORMAL;
	if (to->normal) {
		const struct normal_memo *memo;

		if (!normal_memo_key_of(out, op->t.header, to->key) ||
		    !(memo = normal_memo_find(rn->memos, v->config_version, rn->now_ms, to->key)))
			return false;
		out = memo->slot;
	} else if (out >= v->n_slots || v->slots[out].generation != plan->out_generation) {
		return false;
	}
	vs = &v->slots[out];
	if (!vs->port || vs->ends_tunnels)
		return false;
	to->generation = plan->out_generation;
	to->max_frame = vs->port->max_frame ? vs->port->max_frame : UINT32_MAX;
	to->batch = runner_batch(rn, out, vs->port);
	tunnel_get_source_ports(&to->low, &to->high);
	to->slot = plan->out_slot;
	return true;
}

void
short_push_end(struct runner *rn, struct short_push *to)
{
	for (unsigned i = 0; to->n_packets && i < to->n_counters; i++)
		runner_count_more(rn, to->counters[i], to->n_packets, i ? to->outer_bytes : to->bytes);
	to->n_packets = 0;
	to->bytes = to->outer_bytes = 0;
}

bool
short_push_count_for(struct runner *rn, const struct op_tunnel_push *op, struct short_push *to)
{
	const struct op_count *o = (const struct op_count *)op_tunnel_push_nested(op);

	short_push_end(rn, to);
	to->counters[0] = op->state->tx;
	for (to->n_counters = 1; o->op.type == OP_COUNT; o++) {
		if (to->n_counters == SHORT_PUSH_COUNTERS) {
			to->n_counters = 0;
			to->counters[0] = NULL;
			return false;
		}
		to->counters[to->n_counters++] = o->counter;
	}
	return true;
}

void
run_tunnel_send(struct pass *p, const struct op_tunnel_push *op, struct rte_mbuf *m)
{
	if (unlikely(op->op.u8 & TUNNEL_PMTUD) && run_tunnel_too_big(p, op, m))
		return;
	if (!put_outer(p, op, true, m))
		return;
	pkt_pull(m, op->t.l3_ofs);
	m->hash.usr = op->mark;
	run_output_outer(p, op->out_number, op->generation, m);
}

/* --- In -------------------------------------------------------------------------------------- */

static const struct tunnel_endpoint *
endpoint_of(const struct tunnel_view *tv, const struct of_key *k, uint32_t *index)
{
	for (uint32_t i = 0; i < tv->n_endpoints; i++) {
		const struct tunnel_endpoint *e = &tv->endpoints[i];

		if (tnl_ip_proto(e->type) != k->nw_proto)
			continue;
		if (e->udp_port ? ntohs(k->tp_dst) == e->udp_port : true) {
			*index = i;
			return e;
		}
	}
	return NULL;
}

/* RFC 4291 section 2.7.1: ff02::1:ff00:0/104 and the last three bytes of the address. */
static bool
is_solicited_node(const struct in6_addr *dst, const struct in6_addr *a)
{
	static const uint8_t prefix[13] = { 0xff, 2, [11] = 1, 0xff };

	return !memcmp(dst, prefix, sizeof prefix) && !memcmp(dst->s6_addr + 13, a->s6_addr + 13, 3);
}

#define ANY_SLOT UINT32_MAX
/* Is it to an IP address of this bridge (ARP: does it speak to one)?  With a slot: to one of that port, and to
 * its MAC; without also to the group by which an IPv6 address is asked for. */
static bool
is_our_address(const struct bridge *bridge, uint32_t slot, const struct of_key *k)
{
	bool and_mac = slot != ANY_SLOT;
	const struct underlay *u = underlay_get();
	bool is_v6 = k->dl_type == RTE_BE16(0x86dd);

	for (uint32_t i = 0; i < u->n_addresses; i++) {
		const struct underlay_address *a = &u->addresses[i];

		if ((and_mac && (a->slot != slot || memcmp(a->mac, k->dl_dst, 6))) || a->dp != bridge ||
		    tnl_is_ipv4(&a->a.addr) == is_v6)
			continue;
		if (is_v6 ? !memcmp(&k->ipv6_dst, &a->a.addr, 16) ||
				    (!and_mac && is_solicited_node(&k->ipv6_dst, &a->a.addr))
			  : !memcmp(&k->nw_dst, a->a.addr.s6_addr + 12, 4))
			return true;
	}
	return false;
}

const struct tunnel_endpoint *
tunnel_endpoint_for(const struct view *v, const struct bridge *bridge, uint32_t slot,
		    const struct of_key *k, uint32_t *index)
{
	const struct tunnel_endpoint *e;

	if (!v->tunnels || (k->nw_proto != IPPROTO_UDP && k->nw_proto != IPPROTO_GRE) ||
	    (k->dl_type != RTE_BE16(0x0800) && k->dl_type != RTE_BE16(0x86dd)) || k->vlans[0].tci)
		return NULL;
	e = endpoint_of(v->tunnels, k, index);
	return e && is_our_address(bridge, slot, k) ? e : NULL;
}

uint32_t
tunnel_right_endpoint(const struct tunnel_view *tv, uint32_t index, const uint8_t *l4, size_t size)
{
	uint16_t proto = size >= 4 ? (uint16_t)(l4[2] << 8 | l4[3]) : 0;
	enum tnl_type type = proto == 0x88be || proto == 0x22eb ? TNL_ERSPAN : TNL_GRE;

	if (tv->endpoints[index].udp_port)
		return index;
	for (uint32_t i = 0; i < tv->n_endpoints; i++)
		if (tv->endpoints[i].type == type)
			return i;
	return index;
}

static const enum drop_reason drop_of_error[TNL_N_ERRORS] = {
#define TNL_ERROR(NAME, TEXT) [TNL_E_##NAME] = DROP_TUNNEL_##NAME,
#include "tunnels/tunnel_error.def"
#undef TNL_ERROR
};

static void
set_ecn(struct pass *p, struct rte_mbuf *m, const struct of_key *k)
{
	struct op_set_ipv4 v4 = { .op = { .type = OP_SET_IPV4, .size = sizeof v4 }, .tos = 3, .tos_mask = 3 };
	struct op_set_ipv6 v6 = { .op = { .type = OP_SET_IPV6, .size = sizeof v6 }, .tos = 3, .tos_mask = 3 };

	run_set(p, k->dl_type == RTE_BE16(0x0800) ? &v4.op : &v6.op, m);
}

static void
fail(struct pass *p, enum drop_reason reason, struct rte_mbuf *m)
{
	pass_drop(p, reason);
	pkt_free(m);
}

/* Frames of protocols that the switch speaks itself do not enter the tables. */
static bool
is_protocol(struct pass *p, const struct bridge_view *bv, const struct tunnel_port *tp, struct rte_mbuf *m)
{
	const struct xport *x = bv->ports ? xport_find(bv->ports, tp->ofp_port) : NULL;

	return x && unlikely(x->protocols) && protocol_rx_one(p, bv->bridge, x, m);
}

/* A TCP segment that fits every link of IPv6. */
#define SEGMENT_BYTES 1280u

/* A peer on this machine (veth, another namespace) leaves checksums and segmentation of what it puts into
 * a tunnel to a device, and a socket is not told of it.  An unfinished checksum is the pseudo header's
 * sum.  One packet of 65536 that was complete looks alike: its checksum is then computed again. */
static void
guess_offloads(struct pass *p, struct rte_mbuf *m)
{
	const struct of_key *k = pass_key(p, m);
	const struct pkt_layers *l = pass_layers(p, m);
	bool is_v4 = k->dl_type == RTE_BE16(0x0800), is_tcp = k->nw_proto == IPPROTO_TCP;
	uint32_t size = pkt_size(m), l4_size, header;
	const uint8_t *ip = pkt_data(m) + l->l3;
	uint16_t sum, field;

	/* Segments that were put together: known. */
	if (m->ol_flags & PKT_TX_OPEN)
		return;
	if ((!is_v4 && k->dl_type != RTE_BE16(0x86dd)) || (!is_tcp && k->nw_proto != IPPROTO_UDP) ||
	    l->l3 == PKT_NO_OFS || l->l4 == PKT_NO_OFS || k->nw_frag || l->l4 + l->l2_pad > size)
		return;
	l4_size = size - l->l2_pad - l->l4;
	if (l4_size < (is_tcp ? 20u : 8u))
		return;
	sum = csum_fold(is_v4 ? csum_pseudo4(ip, k->nw_proto, l4_size)
			      : csum_pseudo6(ip + 8, ip + 24, k->nw_proto, l4_size));
	memcpy(&field, pkt_data(m) + l->l4 + (is_tcp ? 16 : 6), sizeof field);
	if (sum != field)
		return;
	m->ol_flags |= is_tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	header = l->l4 - l->l3 + (pkt_data(m)[l->l4 + 12] >> 4) * 4u;
	if (is_tcp && size - l->l3 > SEGMENT_BYTES && header < SEGMENT_BYTES) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
		m->tso_segsz = (uint16_t)(SEGMENT_BYTES - header);
	}
}

/* The MAC of a neighbour in use may change (a peer fails over): what it sends through its tunnel says so.
 * Strangers are not learned by it. */
#define N_SEEN 16
static void
follow_neighbour(const struct pass *p, const struct in6_addr *src, const uint8_t mac[6])
{
	static __thread struct seen {
		struct in6_addr src;
		uint8_t mac[6];
		int64_t at_ms;
	} seen[N_SEEN];
	struct seen *s = &seen[src->s6_addr[15] % N_SEEN];
	uint8_t known[6];

	if (likely(IN6_ARE_ADDR_EQUAL(&s->src, src) && !memcmp(s->mac, mac, 6) &&
		   p->rn->now_ms - s->at_ms < 1000 && p->rn->now_ms >= s->at_ms))
		return;
	s->src = *src;
	memcpy(s->mac, mac, 6);
	s->at_ms = p->rn->now_ms;
	if (!(mac[0] & 1) && tnl_neigh_find(underlay_get()->neighs, p->bridge->name, src, known) &&
	    memcmp(known, mac, 6))
		underlay_learn(p->bridge->name, src, mac);
}

void
run_tunnel_enter(struct pass *p, const struct tunnel_port *tp, struct rte_mbuf *m)
{
	if (p->packet_type != OF_PT_ETH && tp->config.pt_mode == TNL_PT_LEGACY_L3) {
		/* The bridge is one of Ethernet: a header without addresses, as Open vSwitch makes it. */
		struct op_push_eth push = { .op = { .type = OP_PUSH_ETH, .size = sizeof push },
					    .dl_type = (uint16_t)p->packet_type };
		enum drop_reason why;

		pass_credit_size(p, m); /* counters get what came out of the tunnel */
		why = run_push(p, &push.op, m);

		if (why) {
			fail(p, why, m);
			return;
		}
		p->packet_type = OF_PT_ETH;
		p->layers_valid = false;
	}
	if (!is_protocol(p, p->rn->view->bridges[tp->bridge->index], tp, m))
		pipeline_packet(p, m);
}

static void
pop(struct pass *p, uint32_t index, struct rte_mbuf *m)
{
	const struct tunnel_view *tv = p->rn->view->tunnels;
	const struct pkt_layers *l = pass_layers(p, m);
	const uint8_t *ip = pkt_data(m) + l->l3;
	size_t size = pkt_size(m) - l->l3, ofs, inner_size;
	const struct tnl_port_entry *entry;
	const struct tunnel_port *tp;
	const struct bridge_view *bv;
	struct of_key tunnel;
	struct tnl_meta meta;
	enum tnl_error e;
	uint32_t inner;

	e = tnl_decap(tv->endpoints[index].type, tv->endpoints[index].exts, ip, size,
		      (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD
			      ? TNL_DECAP_CSUM_GOOD : 0,
		      &meta, &inner, &ofs, &inner_size);
	if (e) {
		fail(p, drop_of_error[e], m);
		return;
	}
	entry = tnl_port_map_find(tv->map, index, &meta, inner);
	tp = entry ? &tv->ports[entry->port] : NULL;
	bv = tp && tp->bridge->index < p->rn->view->n_bridges
		     ? p->rn->view->bridges[tp->bridge->index] : NULL;
	if (!bv || bv->bridge != tp->bridge) {
		fail(p, DROP_TUNNEL_NO_PORT, m);
		return;
	}
	if (!tunnel_meta_to_key(&meta, bv->tlv_map, &tunnel)) {
		fail(p, DROP_TUNNEL_BAD_OPTIONS, m);
		return;
	}
	if (p->bridge)
		follow_neighbour(p, &meta.src, pkt_data(m) + 6);
	pkt_pull(m, l->l3 + (uint32_t)ofs);
	pkt_set_size(m, (uint32_t)inner_size);
	m->ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK | PKT_TX_INNER);

	struct pass next = {
		.rn = p->rn, .fate = p->fate, .bridge = tp->bridge, .in_slot = tp->slot,
		.in_generation = tp->generation, .in_port = tp->ofp_port,
		.packet_type = inner == TNL_INNER_ETH ? OF_PT_ETH : inner,
		.pkt_mark = p->pkt_mark, .skb_priority = p->skb_priority, .depth = p->depth + 1,
		.tunnel = &tunnel,
	};
	if (next.depth > RUN_MAX_DEPTH) {
		fail(p, DROP_CONTINUATION_TOO_DEEP, m);
		return;
	}
	runner_count(p->rn, tp->state->rx, pkt_size(m));
	if (!p->bridge)
		guess_offloads(&next, m);
	if ((meta.tos & 3) == 3) {
		const struct of_key *k = pass_key(&next, m);

		if (k->dl_type == RTE_BE16(0x0800) || k->dl_type == RTE_BE16(0x86dd)) {
			int ecn = tnl_ecn_decap(meta.tos, k->nw_tos);

			if (ecn < 0) {
				fail(p, DROP_TUNNEL_ECN, m);
				return;
			}
			if (ecn != (k->nw_tos & 3))
				set_ecn(&next, m, k);
		}
	}
	run_tunnel_enter(&next, tp, m);
}

/* The endpoint of an outer packet that came to one of this protocol. */
static uint32_t
sort_gre(struct pass *p, uint32_t index, const struct rte_mbuf *m)
{
	const struct pkt_layers *l = pass_layers(p, m);

	if (l->l4 == PKT_NO_OFS || l->l4 > pkt_size(m))
		return index;
	return tunnel_right_endpoint(p->rn->view->tunnels, index, pkt_data(m) + l->l4, pkt_size(m) - l->l4);
}

bool
run_tunnel_receive(struct runner *rn, uint32_t slot, struct rte_mbuf **pkts, unsigned n)
{
	const struct tunnel_view *tv = rn->view->tunnels;
	uint32_t index = 0;

	while (tv && index < tv->n_endpoints && tv->endpoints[index].slot != slot)
		index++;
	if (!tv || index == tv->n_endpoints)
		return false;
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct run_fate fate = { 0 };
		struct pass p = {
			.rn = rn, .fate = &fate, .in_slot = slot,
			.packet_type = pkt_size(m) && pkt_data(m)[0] >> 4 == 6 ? TNL_INNER_L3(0x86dd)
									  : TNL_INNER_L3(0x0800),
		};

		/* GRE and ERSPAN: each has a socket, and the kernel gives every packet to both. */
		if (!tv->endpoints[index].udp_port && sort_gre(&p, index, m) != index) {
			pkt_free(m);
			continue;
		}
		pop(&p, index, m);
		pipeline_settle(rn, &fate);
	}
	return true;
}

bool
run_tunnel_deliver(struct pass *p, const struct view_slot *vs, struct rte_mbuf *m)
{
	const struct view *v = p->rn->view;
	const struct tunnel_view *tv = v->tunnels;
	const struct bridge_view *bv = vs->bridge < v->n_bridges ? v->bridges[vs->bridge] : NULL;
	struct in6_addr a;
	uint32_t index;
	uint8_t mac[6];

	if (!bv || !underlay_get()->n_addresses)
		return false;
	const struct of_key *k = pass_headers(p, m);
	if (tunnel_endpoint_for(v, bv->bridge, (uint32_t)(vs - v->slots), k, &index)) {
		if (unlikely(m->ol_flags & PKT_TX_OPEN) && !(m->ol_flags & PKT_TX_INNER))
			pkt_finish_checksums(m, pass_layers(p, m));
		pop(p, tv->endpoints[index].udp_port ? index : sort_gre(p, index, m), m);
		return true;
	}
	if (unlikely(k->nw_proto == IPPROTO_ICMP || k->nw_proto == IPPROTO_ICMPV6) &&
	    is_our_address(bv->bridge, ANY_SLOT, k)) {
		const struct pkt_layers *l = pass_layers(p, m);

		if (l->l3 != PKT_NO_OFS)
			tunnel_path_heard(pkt_data(m) + l->l3, pkt_size(m) - l->l3, p->rn->now_ms);
	}
	/* Answers to us, and who says by himself that he is there. */
	if ((k->dl_type == RTE_BE16(0x0806) ||
	     (k->dl_type == RTE_BE16(0x86dd) && k->nw_proto == IPPROTO_ICMPV6)) &&
	    ((k->dl_type == RTE_BE16(0x0806) && k->nw_src == k->nw_dst) ||
	     is_our_address(bv->bridge, ANY_SLOT, k)) &&
	    tnl_neigh_snoop(pkt_data(m), pkt_size(m), &a, mac))
		underlay_learn(bv->bridge->name, &a, mac);
	return false;
}
