/* SPDX-License-Identifier: Apache-2.0 */
/* options:pmtud of a tunnel: who sent a packet that does not fit the path is told so, by an ICMP message
 * that comes in by the tunnel port as if the packet's own destination had sent it (docs/tunnels.md). */
#include "dataplane/run.h"

#include <string.h>

#include "base/hash.h"
#include "dataplane/tunnel.h"
#include "dataplane/tunnel_mtu.h"
#include "tunnels/checksum.h"
#include "tunnels/wire.h"

/* No path is narrower (RFC 791): smaller packets are not looked at. */
#define PATH_MIN 576u
/* The message with its IP header: RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c). */
#define MESSAGE_MAX4 576u
#define MESSAGE_MAX6 1280u
/* The same flow is told again after this. */
#define TELL_AGAIN_MS 10

/* --- May it be answered? ------------------------------------------------------------------------ */

/* RFC 1122 section 3.2.2: not about errors, fragments behind the first, nor to or from groups. */
static bool
may_tell4(const struct of_key *k, const uint8_t *ip)
{
	uint8_t src = ip[12], dst = ip[16];

	if (!(ip[6] & 0x40) || k->nw_frag & OF_FRAG_LATER)
		return false;
	if (!src || src == 127 || src >= 224 || !dst || dst == 127 || dst >= 224)
		return false;
	/* Echo and the other questions: 8 and 0, 13 to 18. */
	return k->nw_proto != IPPROTO_ICMP || !ntohs(k->tp_src) || ntohs(k->tp_src) == 8 ||
	       ntohs(k->tp_src) >= 13;
}

static bool
may_tell6(const struct of_key *k)
{
	if (k->nw_frag & OF_FRAG_LATER || IN6_IS_ADDR_MULTICAST(&k->ipv6_src) ||
	    IN6_IS_ADDR_UNSPECIFIED(&k->ipv6_src) || IN6_IS_ADDR_MULTICAST(&k->ipv6_dst))
		return false;
	return k->nw_proto != IPPROTO_ICMPV6 || ntohs(k->tp_src) >= 128;
}

/* At most one message to a flow in TELL_AGAIN_MS: what was one GSO packet is one question. */
static bool
may_tell_now(struct tunnel_state *s, const struct of_key *k, int64_t now_ms)
{
	uint32_t hash = run_hash_key(k, 0);
	_Atomic uint64_t *told = &s->told[hash % TUNNEL_N_TOLD];
	uint64_t last = atomic_load_explicit(told, memory_order_relaxed);

	if ((uint32_t)(last >> 32) == hash && (uint32_t)now_ms - (uint32_t)last < TELL_AGAIN_MS)
		return false;
	atomic_store_explicit(told, (uint64_t)hash << 32 | (uint32_t)now_ms, memory_order_relaxed);
	return true;
}

/* --- The message ------------------------------------------------------------------------------------ */

static void
fill4(uint8_t *ip, const uint8_t *about, uint32_t quoted, uint32_t mtu)
{
	uint8_t *icmp = ip + 20;
	__be16 sum;

	memset(ip, 0, 28);
	ip[0] = 0x45;
	ip[1] = 0xc0; /* RFC 1812 section 4.3.2.5 */
	wr16(ip + 2, 28 + quoted);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = IPPROTO_ICMP;
	memcpy(ip + 12, about + 16, 4);
	memcpy(ip + 16, about + 12, 4);
	sum = csum(ip, 20);
	memcpy(ip + 10, &sum, 2);
	icmp[0] = 3;
	icmp[1] = 4;
	wr16(icmp + 6, mtu);
	memcpy(icmp + 8, about, quoted);
	sum = csum(icmp, 8 + quoted);
	memcpy(icmp + 2, &sum, 2);
}

static void
fill6(uint8_t *ip, const uint8_t *about, uint32_t quoted, uint32_t mtu)
{
	uint8_t *icmp = ip + 40;
	__be16 sum;

	memset(ip, 0, 48);
	ip[0] = 0x60;
	wr16(ip + 4, 8 + quoted);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 64;
	memcpy(ip + 8, about + 24, 16);
	memcpy(ip + 24, about + 8, 16);
	icmp[0] = 2;
	wr32(icmp + 4, mtu);
	memcpy(icmp + 8, about, quoted);
	sum = (__be16)~csum_fold(csum_add(csum_pseudo6(ip + 8, ip + 24, IPPROTO_ICMPV6, 8 + quoted),
					  icmp, 8 + quoted));
	memcpy(icmp + 2, &sum, 2);
}

/* What lies before the IP header (Ethernet, tags) is the packet's, with its addresses exchanged. */
static struct rte_mbuf *
make_message(const struct rte_mbuf *m, const struct pkt_layers *l, bool is_v6, uint32_t ip_size,
	     uint32_t mtu)
{
	uint32_t room = is_v6 ? MESSAGE_MAX6 - 48 : MESSAGE_MAX4 - 28;
	uint32_t quoted = ip_size < room ? ip_size : room, size = l->l3 + (is_v6 ? 48 : 28) + quoted;
	const uint8_t *from = pkt_data(m);
	struct rte_mbuf *msg = pkt_alloc(size);
	uint8_t *to;

	if (!msg)
		return NULL;
	pkt_set_size(msg, size);
	to = pkt_data(msg);
	memcpy(to, from, l->l3);
	if (l->l3 >= 14) {
		memcpy(to, from + 6, 6);
		memcpy(to + 6, from, 6);
	}
	if (is_v6)
		fill6(to + l->l3, from + l->l3, quoted, mtu);
	else
		fill4(to + l->l3, from + l->l3, quoted, mtu);
	return msg;
}

/* --- Its way back -------------------------------------------------------------------------------------- */

static void
send_back(struct pass *p, const struct tunnel_port *tp, const struct tnl_meta *meta, struct rte_mbuf *msg)
{
	struct run_fate fate = { 0 };
	struct of_key tunnel;
	struct pass next = {
		.rn = p->rn, .fate = &fate, .bridge = tp->bridge, .in_slot = tp->slot,
		.in_generation = tp->generation, .in_port = tp->ofp_port,
		.packet_type = p->packet_type, .depth = p->depth + 1, .tunnel = &tunnel,
	};

	tunnel_meta_to_key(meta, NULL, &tunnel);
	run_tunnel_enter(&next, tp, msg);
	pipeline_settle(p->rn, &fate);
}

static bool
is_there(const struct view *v, const struct bridge *b)
{
	return b->index < v->n_bridges && v->bridges[b->index] && v->bridges[b->index]->bridge == b;
}

/* The outer values of what the remote end would send. */
static void
swap_meta(const struct op_tunnel_push *op, const struct tunnel_path *path, const struct in6_addr *source,
	  struct tnl_meta *meta)
{
	memset(meta, 0, sizeof *meta);
	meta->src = path->dst;
	meta->dst = *source;
	meta->id = op->id;
	meta->ttl = TNL_DEFAULT_TTL;
	meta->flags = op->op.u8 & TUNNEL_HAS_KEY ? TNL_F_KEY : 0;
}

static void
read_path(const struct op_tunnel_push *op, struct tunnel_path *path)
{
	const uint8_t *ip = op->t.header + op->t.l3_ofs;

	if (op->t.is_ipv6) {
		memcpy(&path->src, ip + 8, 16);
		memcpy(&path->dst, ip + 24, 16);
	} else {
		path->src = tnl_map_ipv4(ip + 12);
		path->dst = tnl_map_ipv4(ip + 16);
	}
	path->dev = op->underlay ? op->underlay->name : NULL;
	path->mark = op->underlay ? 0 : op->mark;
}

bool
run_tunnel_too_big(struct pass *p, const struct op_tunnel_push *op, struct rte_mbuf *m)
{
	const struct tunnel_port *tp;
	uint32_t outer = op->t.size - op->t.l3_ofs, mtu, ip_size;
	const struct pkt_layers *l;
	const struct of_key *k;
	struct tunnel_path path;
	struct in6_addr source;
	struct tnl_meta meta;
	struct rte_mbuf *msg;
	bool is_v6;

	if (pkt_size(m) + outer <= PATH_MIN || p->depth >= RUN_MAX_DEPTH)
		return false;
	read_path(op, &path);
	mtu = tunnel_path_mtu(&path, p->rn->now_ms, &source);
	if (!mtu || pkt_size(m) + outer <= mtu)
		return false;
	k = pass_headers(p, m);
	l = pass_layers(p, m);
	is_v6 = k->dl_type == RTE_BE16(0x86dd);
	if ((!is_v6 && k->dl_type != RTE_BE16(0x0800)) || l->l3 == PKT_NO_OFS || l->l2_5 != PKT_NO_OFS ||
	    pkt_size(m) < l->l3 + l->l2_pad + (is_v6 ? 40u : 20u))
		return false;
	ip_size = pkt_size(m) - l->l3 - l->l2_pad;
	mtu = mtu > outer + l->l3 ? mtu - outer - l->l3 : 0;
	/* A link of IPv6 takes 1280 bytes; a smaller path cannot be told of. */
	if (is_v6 && mtu < TUNNEL_MTU_MIN6)
		mtu = TUNNEL_MTU_MIN6;
	if (ip_size <= mtu || mtu < 68 || (l->l3 >= 14 && pkt_data(m)[0] & 1) ||
	    !(is_v6 ? may_tell6(k) : may_tell4(k, pkt_data(m) + l->l3)))
		return false;
	tp = tunnel_port_by_slot(p->rn->view->tunnels, op->slot);
	if (!tp || tp->generation != op->slot_generation || !is_there(p->rn->view, tp->bridge))
		return false;
	if (may_tell_now(op->state, k, p->rn->now_ms) &&
	    (msg = make_message(m, l, is_v6, ip_size, mtu))) {
		swap_meta(op, &path, &source, &meta);
		send_back(p, tp, &meta, msg);
	}
	pass_drop(p, DROP_TUNNEL_TOO_BIG);
	pkt_free(m);
	return true;
}
