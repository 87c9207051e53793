// SPDX-License-Identifier: Apache-2.0
/* Pending writes become operations: one for each header that has some, in the order from the
 * outside in that keeps each header's meaning (EtherType before network layer, protocol before
 * ports).  Only written bits are in the masks; the rest stays the packet's. */
#include "dataplane/translate_internal.h"

#include <string.h>

#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_RARP 0x8035
#define ETH_TYPE_IPV6 0x86dd
#define ND_SOLICIT 135
#define ND_ADVERT 136

static bool
any(const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n--)
		if (*b++)
			return true;
	return false;
}
#define ANY(FIELD) any(&w->FIELD, sizeof w->FIELD)

static void
commit_ether(struct xctx *ctx)
{
	const struct of_key *k = &ctx->key;
	struct of_key *w = &ctx->written;

	if (ANY(dl_dst) || ANY(dl_src)) {
		struct op_set_eth *op = (struct op_set_eth *)pb_last(&ctx->b, OP_SET_ETH);

		if (!op)
			op = pb_put(&ctx->b, OP_SET_ETH, sizeof *op);
		for (int i = 0; i < 6; i++) {
			op->dst[i] = (op->dst[i] & ~w->dl_dst[i]) | (k->dl_dst[i] & w->dl_dst[i]);
			op->src[i] = (op->src[i] & ~w->dl_src[i]) | (k->dl_src[i] & w->dl_src[i]);
			op->dst_mask[i] |= w->dl_dst[i];
			op->src_mask[i] |= w->dl_src[i];
		}
		memset(w->dl_dst, 0, sizeof w->dl_dst);
		memset(w->dl_src, 0, sizeof w->dl_src);
	}
	if (w->dl_type) {
		struct plan_op *op = pb_put(&ctx->b, OP_SET_DL_TYPE, sizeof *op);

		op->u32 = ntohs(k->dl_type);
		w->dl_type = 0;
	}
	if (w->pbb_isid || w->pbb_uca) {
		struct op_set_pbb *op = pb_put(&ctx->b, OP_SET_PBB, sizeof *op);

		op->isid_mask = w->pbb_isid & 0xffffff;
		op->isid = k->pbb_isid & op->isid_mask;
		op->uca_mask = w->pbb_uca & 1;
		op->uca = k->pbb_uca & op->uca_mask;
		w->pbb_isid = 0;
		w->pbb_uca = 0;
	}
}

static void
commit_ipv4(struct xctx *ctx)
{
	const struct of_key *k = &ctx->key;
	struct of_key *w = &ctx->written;
	struct op_set_ipv4 *op;

	if (!(w->nw_src | w->nw_dst | w->nw_tos | w->nw_ttl | w->nw_proto))
		return;
	op = pb_put(&ctx->b, OP_SET_IPV4, sizeof *op);
	op->src = k->nw_src & (op->src_mask = w->nw_src);
	op->dst = k->nw_dst & (op->dst_mask = w->nw_dst);
	op->tos = k->nw_tos & (op->tos_mask = w->nw_tos);
	op->ttl = k->nw_ttl & (op->ttl_mask = w->nw_ttl);
	op->proto = k->nw_proto & (op->proto_mask = w->nw_proto);
	w->nw_src = w->nw_dst = 0;
	w->nw_tos = w->nw_ttl = w->nw_proto = 0;
}

static void
mask_in6(struct in6_addr *dst, const struct in6_addr *v, const struct in6_addr *mask)
{
	for (int i = 0; i < 16; i++)
		dst->s6_addr[i] = v->s6_addr[i] & mask->s6_addr[i];
}

static void
commit_ipv6(struct xctx *ctx)
{
	const struct of_key *k = &ctx->key;
	struct of_key *w = &ctx->written;
	struct op_set_ipv6 *op;

	if (!(w->nw_tos | w->nw_ttl | w->nw_proto | w->ipv6_label) && !ANY(ipv6_src) &&
	    !ANY(ipv6_dst))
		return;
	op = pb_put(&ctx->b, OP_SET_IPV6, sizeof *op);
	op->src_mask = w->ipv6_src;
	op->dst_mask = w->ipv6_dst;
	mask_in6(&op->src, &k->ipv6_src, &op->src_mask);
	mask_in6(&op->dst, &k->ipv6_dst, &op->dst_mask);
	op->label = k->ipv6_label & (op->label_mask = w->ipv6_label);
	op->tos = k->nw_tos & (op->tos_mask = w->nw_tos);
	op->ttl = k->nw_ttl & (op->ttl_mask = w->nw_ttl);
	op->proto = k->nw_proto & (op->proto_mask = w->nw_proto);
	memset(&w->ipv6_src, 0, sizeof w->ipv6_src);
	memset(&w->ipv6_dst, 0, sizeof w->ipv6_dst);
	w->ipv6_label = 0;
	w->nw_tos = w->nw_ttl = w->nw_proto = 0;
}

static void
commit_arp(struct xctx *ctx)
{
	const struct of_key *k = &ctx->key;
	struct of_key *w = &ctx->written;
	struct op_set_arp *op;

	if (!(w->nw_src | w->nw_dst | w->nw_proto) && !ANY(arp_sha) && !ANY(arp_tha))
		return;
	xlate_needs(ctx, XLATE_LACKS_SET_ARP);
	op = pb_put(&ctx->b, OP_SET_ARP, sizeof *op);
	op->spa = k->nw_src & (op->spa_mask = w->nw_src);
	op->tpa = k->nw_dst & (op->tpa_mask = w->nw_dst);
	if (w->nw_proto) {
		op->opcode = k->nw_proto;
		op->opcode_mask = 0xff00 | w->nw_proto;
	}
	for (int i = 0; i < 6; i++) {
		op->sha[i] = k->arp_sha[i] & (op->sha_mask[i] = w->arp_sha[i]);
		op->tha[i] = k->arp_tha[i] & (op->tha_mask[i] = w->arp_tha[i]);
	}
	w->nw_src = w->nw_dst = 0;
	w->nw_proto = 0;
	memset(w->arp_sha, 0, 6);
	memset(w->arp_tha, 0, 6);
}

static void
commit_icmp(struct xctx *ctx)
{
	const struct of_key *k = &ctx->key;
	struct of_key *w = &ctx->written;
	uint16_t type = ntohs(k->tp_src);

	if (w->tp_src || w->tp_dst) {
		struct op_set_icmp *op = pb_put(&ctx->b, OP_SET_ICMP, sizeof *op);

		op->type_mask = (uint8_t)ntohs(w->tp_src);
		op->code_mask = (uint8_t)ntohs(w->tp_dst);
		op->type = (uint8_t)ntohs(k->tp_src) & op->type_mask;
		op->code = (uint8_t)ntohs(k->tp_dst) & op->code_mask;
		w->tp_src = w->tp_dst = 0;
	}
	if (k->dl_type == htons(ETH_TYPE_IPV6) && (type == ND_SOLICIT || type == ND_ADVERT) &&
	    (ANY(nd_target) || ANY(arp_sha) || ANY(arp_tha) || ANY(nd_reserved) ||
	     ANY(nd_options_type))) {
		struct op_set_nd *op = pb_put(&ctx->b, OP_SET_ND, sizeof *op);

		xlate_needs(ctx, XLATE_LACKS_SET_ARP);
		op->target_mask = w->nd_target;
		mask_in6(&op->target, &k->nd_target, &op->target_mask);
		for (int i = 0; i < 6; i++) {
			op->sll[i] = k->arp_sha[i] & (op->sll_mask[i] = w->arp_sha[i]);
			op->tll[i] = k->arp_tha[i] & (op->tll_mask[i] = w->arp_tha[i]);
		}
		op->reserved = k->nd_reserved & (op->reserved_mask = w->nd_reserved);
		op->options_type = k->nd_options_type & (op->options_type_mask = w->nd_options_type);
		memset(&w->nd_target, 0, sizeof w->nd_target);
		memset(w->arp_sha, 0, 6);
		memset(w->arp_tha, 0, 6);
		w->nd_reserved = 0;
		w->nd_options_type = 0;
	}
}

static void
commit_l4(struct xctx *ctx)
{
	const struct of_key *k = &ctx->key;
	struct of_key *w = &ctx->written;
	bool ipv4 = k->dl_type == htons(ETH_TYPE_IPV4);

	if (k->nw_proto == (ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		commit_icmp(ctx);
		return;
	}
	if (w->tp_src || w->tp_dst) {
		struct op_set_l4 *op = pb_put(&ctx->b, OP_SET_L4, sizeof *op);

		op->src = k->tp_src & (op->src_mask = w->tp_src);
		op->dst = k->tp_dst & (op->dst_mask = w->tp_dst);
		w->tp_src = w->tp_dst = 0;
	}
	if (w->tcp_flags) {
		struct op_set_tcp_flags *op = pb_put(&ctx->b, OP_SET_TCP_FLAGS, sizeof *op);

		op->flags = k->tcp_flags & (op->mask = w->tcp_flags);
		w->tcp_flags = 0;
	}
}

static void
commit_ttl(struct xctx *ctx)
{
	for (; ctx->ip_ttl.pending; ctx->ip_ttl.pending--)
		pb_put(&ctx->b, OP_DEC_TTL, sizeof(struct plan_op));
	for (; ctx->mpls_ttl.pending; ctx->mpls_ttl.pending--)
		pb_put(&ctx->b, OP_DEC_MPLS_TTL, sizeof(struct plan_op));
}

static void
commit_mpls(struct xctx *ctx)
{
	struct of_key *w = &ctx->written;

	if (w->mpls_lse[0]) {
		struct op_set_mpls *op = pb_put(&ctx->b, OP_SET_MPLS, sizeof *op);

		op->lse = ctx->key.mpls_lse[0] & (op->mask = w->mpls_lse[0]);
		w->mpls_lse[0] = 0;
	}
}

/* A write of OF_VLAN_CFI makes a tag, or takes away all that the key has, as in Open vSwitch: of those
 * behind the outermost the key then tells still, and they come back with it. */
static void
commit_tags(struct xctx *ctx, unsigned now)
{
	for (; ctx->n_tags > now; ctx->n_tags--) {
		if (ctx->wc)
			memset(&ctx->wc->vlans[ctx->n_tags - 1], 0xff, sizeof ctx->wc->vlans[0]);
		pb_put(&ctx->b, OP_POP_VLAN, sizeof(struct plan_op));
	}
	for (; ctx->n_tags < now; ctx->n_tags++) {
		unsigned i = now - 1 - ctx->n_tags;
		const struct of_vlan *v = &ctx->key.vlans[i], *known = &ctx->known.vlans[i];
		struct plan_op *op = pb_put(&ctx->b, OP_PUSH_VLAN, sizeof *op);

		op->u32 = (uint32_t)ntohs(v->tpid) << 16 | (ntohs(v->tci) & ~OF_VLAN_CFI);
		if ((known->tpid & known->tci) != 0xffff) {
			ctx->plan->cacheable = false;
			xlate_unrecord(ctx, WALK_NEVER);
		}
	}
}

void
xlate_commit_vlan(struct xctx *ctx)
{
	struct of_key *w = &ctx->written;
	uint16_t mask = ntohs(w->vlans[0].tci) & (OF_VLAN_VID_MASK | OF_VLAN_PCP_MASK);
	uint16_t tci = ntohs(ctx->key.vlans[0].tci);
	unsigned now = xlate_vlan_depth(&ctx->key);
	struct plan_op *op;

	w->vlans[0].tci = 0;
	w->vlans[0].tpid = 0;
	if (now != ctx->n_tags) {
		commit_tags(ctx, now);
		return;
	}
	if (!mask || !now)
		return;
	op = pb_last(&ctx->b, OP_PUSH_VLAN);
	if (op && !op->u8) {
		/* The tag that was just pushed is pushed right. */
		op->u32 = (op->u32 & ~(uint32_t)mask) | (tci & mask);
		return;
	}
	op = pb_put(&ctx->b, OP_SET_VLAN, sizeof *op);
	op->u32 = (uint32_t)(tci & mask) << 16 | mask;
}

static void
commit_meta(struct xctx *ctx)
{
	struct of_key *w = &ctx->written;

	if (w->pkt_mark || w->skb_priority) {
		struct op_set_meta *op = pb_put(&ctx->b, OP_SET_META, sizeof *op);

		op->pkt_mark = ctx->key.pkt_mark & (op->mark_mask = w->pkt_mark);
		op->skb_priority = ctx->key.skb_priority & (op->priority_mask = w->skb_priority);
		w->pkt_mark = w->skb_priority = 0;
	}
}

/* A network header that no protocol is known of, because it is cut short or has none, is left
 * alone, as Open vSwitch does: its actions would write where no such field is.  So is ARP without
 * an operation. */
static void
forget_network_layer(struct xctx *ctx)
{
	struct of_key *w = &ctx->written;

	w->nw_src = w->nw_dst = 0;
	w->nw_tos = w->nw_ttl = 0;
	w->ipv6_label = 0;
	memset(&w->ipv6_src, 0, sizeof w->ipv6_src);
	memset(&w->ipv6_dst, 0, sizeof w->ipv6_dst);
	memset(w->arp_sha, 0, sizeof w->arp_sha);
	memset(w->arp_tha, 0, sizeof w->arp_tha);
	ctx->ip_ttl.pending = 0;
}

void
xlate_commit(struct xctx *ctx)
{
	uint16_t type;

	commit_ether(ctx);
	type = ntohs(ctx->key.dl_type);
	if (!ctx->key.nw_proto)
		forget_network_layer(ctx);
	switch (type) {
	case ETH_TYPE_IPV4:
		commit_ipv4(ctx);
		commit_l4(ctx);
		break;
	case ETH_TYPE_IPV6:
		commit_ipv6(ctx);
		commit_l4(ctx);
		break;
	case ETH_TYPE_ARP:
	case ETH_TYPE_RARP:
		commit_arp(ctx);
		break;
	default:
		break;
	}
	commit_ttl(ctx);
	commit_mpls(ctx);
	xlate_commit_vlan(ctx);
	commit_meta(ctx);
}
