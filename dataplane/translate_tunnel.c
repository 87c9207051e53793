/* SPDX-License-Identifier: Apache-2.0 */
/* Output to tunnel ports: what the outer header will be, and the walk of the underlay's bridge. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/run.h"
#include "dataplane/translate_internal.h"
#include "dataplane/tunnel.h"
#include "openflow/tlv_map.h"

/* --- The outer header as values ----------------------------------------------------------------- */

static struct in6_addr
from_key(__be32 v4, const struct in6_addr *v6)
{
	return v4 ? tnl_map_ipv4(&v4) : *v6;
}

static void
fill_erspan(struct tnl_meta *m, const struct tnl_config *c, const struct of_key *k)
{
	m->erspan_ver = c->erspan_ver_flow ? k->tun_erspan_ver : c->erspan_ver;
	m->erspan_idx = c->erspan_idx_flow ? k->tun_erspan_idx : c->erspan_idx;
	m->erspan_dir = c->erspan_dir_flow ? k->tun_erspan_dir : c->erspan_dir;
	m->erspan_hwid = c->erspan_hwid_flow ? k->tun_erspan_hwid : c->erspan_hwid;
}

/* 'with_packet': text is wanted, so that what only the packet knows comes from the key. */
static void
fill_meta(struct xctx *ctx, const struct tunnel_port *tp, bool with_packet, struct tnl_meta *m)
{
	const struct tnl_config *c = &tp->config;
	const struct of_key *k = &ctx->key;
	bool critical = false;

	memset(m, 0, sizeof *m);
	m->src = c->local;
	m->dst = c->remote;
	if (c->local_flow)
		m->src = from_key(k->tun_src, &k->tun_ipv6_src);
	if (c->remote_flow)
		m->dst = from_key(k->tun_dst, &k->tun_ipv6_dst);
	m->id = c->out_key_flow ? k->tun_id : c->out_key;
	m->tp_dst = c->dst_port;
	m->tos = c->tos;
	m->ttl = c->ttl;
	m->flags = (c->df ? TNL_F_DF : 0) | (c->csum ? TNL_F_CSUM : 0) |
		   (c->out_key_present ? TNL_F_KEY : 0) | (c->seq ? TNL_F_SEQ : 0) |
		   (k->tun_flags & OF_TUN_F_OAM ? TNL_F_OAM : 0);
	m->gbp_id = ntohs(k->tun_gbp_id);
	m->gbp_flags = k->tun_gbp_flags;
	if (c->type == TNL_ERSPAN)
		fill_erspan(m, c, k);
	if (c->type == TNL_GENEVE && k->tun_metadata_present) {
		m->options_size = (uint8_t)of_tlv_to_geneve(ctx->bv->tlv_map, k, m->options, &critical);
		if (critical)
			m->flags |= TNL_F_CRIT;
	}
	if (with_packet && xlate_is_ip(k)) {
		if (c->tos_inherit)
			m->tos = k->nw_tos & 0xfc;
		m->tos |= tnl_ecn_encap(k->nw_tos);
		if (c->ttl_inherit)
			m->ttl = k->nw_ttl;
	}
}

static void
mark_read(struct xctx *ctx, const struct tnl_config *c)
{
	if (!ctx->wc || !xlate_is_ip(&ctx->key))
		return;
	ctx->wc->nw_tos |= c->tos_inherit ? 0xff : 3;
	if (c->ttl_inherit)
		ctx->wc->nw_ttl = 0xff;
}

/* What the port sends of the packet: with its Ethernet header or without. */
static bool
fit_packet_type(struct xctx *ctx, const struct tnl_config *c, uint32_t *inner)
{
	bool is_frame = ctx->key.packet_type == OF_PT_ETH;

	*inner = is_frame ? TNL_INNER_ETH : ctx->key.packet_type;
	if (c->pt_mode == TNL_PT_LEGACY_L3 && is_frame) {
		xlate_commit(ctx);
		pb_put(&ctx->b, OP_POP_ETH, sizeof(struct plan_op));
		*inner = TNL_INNER_L3(ntohs(ctx->key.dl_type));
	} else if (c->pt_mode == TNL_PT_LEGACY_L2 && !is_frame) {
		trace_put(ctx->in->trace, TRACE_WARN, "Trying to send non-Ethernet packet through legacy "
						      "L2 port. Dropping packet.");
		ctx->drop = DROP_UNSUPPORTED_PACKET_TYPE;
		return false;
	}
	return true;
}

/* --- Through an endpoint of the host's ------------------------------------------------------------ */

static bool
make_template(struct xctx *ctx, const struct tunnel_port *tp, const struct tnl_meta *m, uint32_t inner,
	      const uint8_t dst_mac[6], const uint8_t src_mac[6], struct tnl_template *t)
{
	if (!tnl_template_make(t, tp->config.type, tp->config.exts, m, inner, dst_mac, src_mac))
		return true;
	trace_put(ctx->in->trace, TRACE_WARN, "native tunnel header build failed");
	ctx->drop = DROP_TUNNEL_NO_HEADER;
	return false;
}

/* The part of the operation that pushes and sends have in common. */
static void
fill_push(struct op_tunnel_push *op, const struct tunnel_port *tp, const struct tunnel_endpoint *e,
	  const struct tnl_meta *m, const struct tnl_template *t)
{
	op->op.u8 = (tp->config.tos_inherit ? TUNNEL_TOS_INHERIT : 0) |
		    (tp->config.ttl_inherit ? TUNNEL_TTL_INHERIT : 0) |
		    (tp->config.pmtud ? TUNNEL_PMTUD : 0) | (m->flags & TNL_F_KEY ? TUNNEL_HAS_KEY : 0);
	op->slot = tp->slot;
	op->slot_generation = tp->generation;
	op->id = m->id;
	op->state = tp->state;
	atomic_fetch_add_explicit(&tp->state->refs, 1, memory_order_relaxed);
	op->number = e->number;
	op->tos = tp->config.tos;
	memcpy(&op->t, t, offsetof(struct tnl_template, header) + t->size);
}

static size_t
push_size(const struct tnl_template *t)
{
	return (offsetof(struct op_tunnel_push, t) + offsetof(struct tnl_template, header) + t->size + 7) &
	       ~(size_t)7;
}

static void
send_by_host(struct xctx *ctx, const struct tunnel_port *tp, const struct tnl_meta *m_, uint32_t inner)
{
	const struct tunnel_endpoint *e = &ctx->view->tunnels->endpoints[tp->endpoint];
	const uint8_t no_mac[6] = { 0 };
	const __be32 any = 0;
	struct op_tunnel_push *op;
	struct tnl_template t;
	struct tnl_meta m = *m_;

	/* The kernel chooses the source if nobody else did. */
	if (IN6_IS_ADDR_UNSPECIFIED(&m.src) && tnl_is_ipv4(&m.dst))
		m.src = tnl_map_ipv4(&any);
	if (!make_template(ctx, tp, &m, inner, no_mac, no_mac, &t))
		return;
	op = pb_put(&ctx->b, OP_TUNNEL_SEND, push_size(&t));
	fill_push(op, tp, e, &m, &t);
	op->out_number = e->slot;
	op->generation = e->generation;
	op->mark = ctx->key.pkt_mark;
}

static void
put_set_tunnel(struct xctx *ctx, const struct tunnel_port *tp, const struct tnl_meta *m)
{
	const struct tunnel_endpoint *e = &ctx->view->tunnels->endpoints[tp->endpoint];
	struct op_set_tunnel *op = pb_put(&ctx->b, OP_SET_TUNNEL, sizeof *op);
	struct op_output *out;
	uint32_t inner;

	op->op.u8 = (uint8_t)e->exts;
	op->op.u32 = e->number;
	op->meta = *m;
	if (!fit_packet_type(ctx, &tp->config, &inner))
		return;
	xlate_commit(ctx);
	if (e->slot != UINT32_MAX) {
		send_by_host(ctx, tp, m, inner);
		return;
	}
	out = pb_put(&ctx->b, OP_OUTPUT, sizeof *out);
	out->op.u32 = e->number;
	out->generation = 0;
	out->ofp_port = tp->ofp_port;
}

/* --- Through one of our bridges ------------------------------------------------------------------- */

struct way {
	const struct bridge_view *bv; /* of the underlay */
	const struct xport *port; /* which has the address */
	struct in6_addr next_hop;
	uint8_t src_mac[6], dst_mac[6];
	bool no_neighbour;
	char dev[64];
};

static const struct bridge_view *
view_of(const struct view *v, const struct bridge *b)
{
	for (uint32_t i = 0; i < v->n_bridges; i++)
		if (v->bridges[i] && v->bridges[i]->bridge == b)
			return v->bridges[i];
	return NULL;
}

static void
hex_mac(const uint8_t mac[6], char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}

/* False: the way leads over none of our bridges ('*no_route': nowhere at all). */
static bool
find_way(struct xctx *ctx, struct tnl_meta *m, struct way *w, bool *no_route)
{
	const struct underlay *u = underlay_get();
	struct plan_step step = { underlay_stamp_routes(), underlay_stamp_neighs() };
	const struct tnl_route *r;

	xlate_array_put(&ctx->b.steps, &step, sizeof step);
	r = tnl_routes_lookup(u->routes, ctx->key.pkt_mark, &m->dst, &m->src);
	*no_route = !r;
	memset(w, 0, sizeof *w);
	for (uint32_t i = 0; r && i < u->n_addresses && !w->bv; i++) {
		if (!strcmp(u->addresses[i].dev, r->dev)) {
			w->bv = view_of(ctx->view, u->addresses[i].dp);
			w->port = w->bv ? xport_find(w->bv->ports, u->addresses[i].ofp_port) : NULL;
			memcpy(w->src_mac, u->addresses[i].mac, 6);
		}
	}
	if (!w->bv || !w->port)
		return false;
	snprintf(w->dev, sizeof w->dev, "%s", r->dev);
	w->next_hop = IN6_IS_ADDR_UNSPECIFIED(&r->gw) ? m->dst : r->gw;
	w->no_neighbour = !tnl_neigh_find(u->neighs, w->bv->bridge->name, &w->next_hop, w->dst_mac);
	return true;
}

static void
report_way(struct xctx *ctx, const struct way *w, const struct tnl_meta *m)
{
	struct wf_str next = WF_STR_INIT, src = WF_STR_INIT;
	char from[18], to[18];

	if (!ctx->in->trace)
		return;
	tnl_put_address(&next, &w->next_hop);
	tnl_put_address(&src, &m->src);
	hex_mac(w->src_mac, from);
	hex_mac(w->dst_mac, to);
	trace_put(ctx->in->trace, TRACE_DETAIL, "tunneling to %s via %s", wf_str_cstr(&next),
		  w->bv->bridge->name);
	if (w->no_neighbour)
		trace_put(ctx->in->trace, TRACE_DETAIL,
			  "neighbor cache miss for %s on bridge %s, sending %s request",
			  wf_str_cstr(&next), w->bv->bridge->name,
			  tnl_is_ipv4(&w->next_hop) ? "ARP" : "ND");
	else
		trace_put(ctx->in->trace, TRACE_DETAIL, "tunneling from %s %s to %s %s", from,
			  wf_str_cstr(&src), to, wf_str_cstr(&next));
	wf_str_done(&next);
	wf_str_done(&src);
}

static void
put_want(struct xctx *ctx, const struct way *w, const struct tnl_meta *m)
{
	struct op_tunnel_want *op = pb_put(&ctx->b, OP_TUNNEL_WANT, sizeof *op);

	snprintf(op->wish.bridge, sizeof op->wish.bridge, "%s", w->bv->bridge->name);
	snprintf(op->wish.dev, sizeof op->wish.dev, "%s", w->dev);
	op->wish.source = m->src;
	op->wish.target = w->next_hop;
	ctx->drop = DROP_TUNNEL_NO_NEIGHBOUR;
}

/* The outer packet's key, and which bits of it are the same for every packet of the plan. */
static void
outer_key(const struct tnl_template *t, const struct tnl_meta *m, bool inner_is_ip,
	  const struct tnl_config *c, of_port_t in_port, uint32_t pkt_mark, struct of_key *k, struct of_key *known)
{
	memset(k, 0, sizeof *k);
	memset(known, 0xff, sizeof *known);
	k->in_port = in_port;
	k->packet_type = OF_PT_ETH;
	k->actset_output = OF_PORT_UNSET;
	k->pkt_mark = pkt_mark;
	memcpy(k->dl_dst, t->header, 6);
	memcpy(k->dl_src, t->header + 6, 6);
	k->dl_type = htons(t->is_ipv6 ? 0x86dd : 0x0800);
	k->nw_proto = tnl_ip_proto((enum tnl_type)t->type);
	k->nw_tos = m->tos;
	k->nw_ttl = m->ttl;
	if (t->is_ipv6) {
		k->ipv6_src = m->src;
		k->ipv6_dst = m->dst;
	} else {
		memcpy(&k->nw_src, m->src.s6_addr + 12, 4);
		memcpy(&k->nw_dst, m->dst.s6_addr + 12, 4);
	}
	if (k->nw_proto == IPPROTO_UDP) {
		k->tp_dst = htons(m->tp_dst);
		known->tp_src = 0;
	}
	if (inner_is_ip) {
		known->nw_tos = c->tos_inherit ? 0 : 0xfc;
		if (c->ttl_inherit)
			known->nw_ttl = 0;
	}
}

/* Can the underlay's bridge be walked now, or only when the outer packet is there? */
static bool
is_enough(const struct view *v, const struct of_key *known)
{
	const uint64_t *have = of_key_words_c(known), *need = of_key_words_c(&v->layout->mask);

	for (unsigned i = offsetof(struct of_key, dl_dst) / 8; i < OF_KEY_WORDS; i++)
		if (need[i] & ~have[i])
			return false;
	return true;
}

static void
walk_underlay(struct xctx *ctx, const struct tunnel_port *tp, const struct way *w,
	      const struct tnl_template *t, const struct tnl_meta *m, bool is_last)
{
	bool inner_is_ip = xlate_is_ip(&ctx->key);
	struct of_key key, known;

	outer_key(t, m, inner_is_ip, &tp->config, w->port->ofp_port, ctx->key.pkt_mark, &key, &known);
	if (!ctx->resolve && !is_enough(ctx->view, &known)) {
		struct op_recirc *op = pb_put(&ctx->b, OP_RECIRC, sizeof *op);

		op->op.u8 = 1;
		op->frozen = frozen_for_entry(w->bv->bridge, w->port->ofp_port, XLATE_MAX_DEPTH - ctx->depth);
		return;
	}
	ctx->key = key;
	ctx->known = known;
	memset(&ctx->written, 0, sizeof ctx->written);
	ctx->ip_ttl = (struct ttl_state){ .origin = known.nw_ttl ? TTL_CONSTANT : TTL_OTHER };
	ctx->mpls_ttl = (struct ttl_state){ .origin = TTL_OTHER };
	ctx->reparse = false;
	ctx->n_tags = 0;
	/* What the underlay's rules count are outer packets, and what they look at are fields of those. */
	struct of_key *wc = ctx->wc, outer_wc = { 0 };
	if (wc)
		ctx->wc = &outer_wc;
	ctx->conditional++;
	xlate_in_bridge(ctx, w->bv, is_last);
	ctx->conditional--;
	ctx->wc = wc;
}

static void
push(struct xctx *ctx, const struct tunnel_port *tp, const struct way *w, const struct tnl_meta *m,
     uint32_t inner, bool is_last)
{
	const struct tunnel_endpoint *e = &ctx->view->tunnels->endpoints[tp->endpoint];
	struct tnl_template *t = wf_xmalloc(sizeof *t);
	struct op_tunnel_push *op;
	struct xsaved *saved;
	size_t ofs, outer;

	if (!make_template(ctx, tp, m, inner, w->dst_mac, w->src_mac, t)) {
		free(t);
		return;
	}
	saved = wf_xmalloc(sizeof *saved);
	xctx_save(ctx, saved);
	ofs = pb_open(&ctx->b, OP_TUNNEL_PUSH, push_size(t), &outer);
	op = pb_at(&ctx->b, ofs);
	fill_push(op, tp, e, m, t);
	op->op.u8 |= is_last ? 0 : TUNNEL_GOES_ON;
	op->op.u16 = (uint16_t)push_size(t);
	op->underlay = w->bv->bridge;
	op->out_number = w->port->slot;
	op->in_port = w->port->ofp_port;
	walk_underlay(ctx, tp, w, t, m, is_last);
	pb_close(&ctx->b, ofs, outer, is_last);
	xctx_restore(ctx, saved);
	free(saved);
	free(t);
}

/* --- Entry ------------------------------------------------------------------------------------------ */

static void
tunnel_output(struct xctx *ctx, const struct tunnel_port *tp, bool is_last)
{
	bool may_push = !(xlate_lacks() & XLATE_LACKS_TUNNEL_PUSH), no_route = false;
	struct tnl_meta m;
	uint32_t inner;
	struct way w;

	fill_meta(ctx, tp, ctx->resolve, &m);
	mark_read(ctx, &tp->config);
	if (IN6_IS_ADDR_UNSPECIFIED(&m.dst)) {
		trace_put(ctx->in->trace, TRACE_WARN, "Tunneling decided against output");
		ctx->drop = DROP_TUNNEL_NO_REMOTE;
		return;
	}
	if (tp->config.set_egress_mark) {
		ctx->key.pkt_mark = tp->config.egress_mark;
		ctx->written.pkt_mark = UINT32_MAX;
	}
	if (may_push && find_way(ctx, &m, &w, &no_route)) {
		report_way(ctx, &w, &m);
		if (w.no_neighbour)
			put_want(ctx, &w, &m);
		else if (fit_packet_type(ctx, &tp->config, &inner)) {
			xlate_commit(ctx);
			push(ctx, tp, &w, &m, inner, is_last);
		}
		return;
	}
	if (may_push && no_route && ctx->view->tunnels->endpoints[tp->endpoint].slot == UINT32_MAX) {
		trace_put(ctx->in->trace, TRACE_WARN, "native tunnel routing failed");
		ctx->drop = DROP_TUNNEL_NO_ROUTE;
		return;
	}
	put_set_tunnel(ctx, tp, &m);
}

void
xlate_tunnel_output(struct xctx *ctx, const struct xport *port, bool is_last)
{
	const struct tunnel_port *tp = tunnel_port_by_slot(ctx->view->tunnels, port->slot);
	struct xsaved *saved;

	xlate_unrecord(ctx, WALK_NEVER); /* the outer header reads the inner one */
	if (!tp) {
		ctx->drop = DROP_OUT_NO_PORT;
		return;
	}
	xlate_commit(ctx);
	saved = wf_xmalloc(sizeof *saved);
	xctx_save(ctx, saved);
	tunnel_output(ctx, tp, is_last);
	xctx_restore(ctx, saved);
	free(saved);
}

bool
xlate_tunnel_deliver(struct xctx *ctx, const struct xport *port)
{
	const struct tunnel_endpoint *e;
	struct plan_op *op;
	uint32_t index;

	e = tunnel_endpoint_for(ctx->view, ctx->bv->bridge, port->slot, &ctx->key, &index);
	if (!e)
		return false;
	op = pb_put(&ctx->b, OP_TUNNEL_POP, sizeof *op);
	op->u32 = e->number;
	return true;
}
