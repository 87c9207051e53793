// SPDX-License-Identifier: Apache-2.0
/* Actions on headers.  Writes of values gather in ctx->written until something needs the
 * packet (translate_commit.c); what pushes or pops a header becomes an operation at once. */
#include "dataplane/translate_internal.h"

#include <stdlib.h>
#include <string.h>

#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_IPV6 0x86dd
#define ETH_TYPE_MPLS 0x8847
#define ETH_TYPE_MPLS_MCAST 0x8848
#define ETH_TYPE_PBB 0x88e7
#define ETH_TYPE_TEB 0x6558 /* transparent Ethernet bridging */
#define OFPR_INVALID_TTL 2
#define PBB_PRESENT 0x80000000u
#define LSE_LABEL 0xfffff000u
#define LSE_TC 0x00000e00u
#define LSE_BOS 0x00000100u
#define LSE_TTL 0x000000ffu

bool
xlate_is_ip(const struct of_key *k)
{
	return k->dl_type == htons(ETH_TYPE_IPV4) || k->dl_type == htons(ETH_TYPE_IPV6);
}

static bool
is_mpls_type(uint16_t type)
{
	return type == ETH_TYPE_MPLS || type == ETH_TYPE_MPLS_MCAST;
}

unsigned
xlate_vlan_depth(const struct of_key *k)
{
	unsigned n = 0;

	while (n < OF_MAX_VLANS && k->vlans[n].tci & htons(OF_VLAN_CFI))
		n++;
	return n;
}

unsigned
xlate_mpls_depth(const struct of_key *k, bool *complete)
{
	*complete = true;
	if (!is_mpls_type(ntohs(k->dl_type)))
		return 0;
	for (unsigned n = 0; n < OF_MAX_MPLS; n++)
		if (k->mpls_lse[n] & htonl(LSE_BOS))
			return n + 1;
	*complete = false;
	return OF_MAX_MPLS;
}

/* The walk depends on how many labels there are. */
static unsigned
count_labels(struct xctx *ctx, bool *complete)
{
	unsigned n = xlate_mpls_depth(&ctx->key, complete);

	for (unsigned i = 0; ctx->wc && i < n; i++)
		ctx->wc->mpls_lse[i] |= htonl(LSE_BOS);
	return n;
}

/* --- Writes -------------------------------------------------------------------------------- */

void
xlate_wrote(struct xctx *ctx, const struct of_key *before, const struct of_key *bits)
{
	const uint64_t *old = of_key_words_c(before), *b = of_key_words_c(bits);
	const uint64_t *now = of_key_words_c(&ctx->key), *known = of_key_words_c(&ctx->known);
	uint64_t *written = of_key_words(&ctx->written);
	uint64_t *k = of_key_words(&ctx->known);
	bool needed = false;

	/* A value that the packet is known to have needs no write. */
	for (unsigned i = 0; i < OF_KEY_WORDS && !needed; i++)
		needed = b[i] & ((old[i] ^ now[i]) | ~known[i]);
	for (unsigned i = 0; i < OF_KEY_WORDS; i++) {
		if (needed)
			written[i] |= b[i];
		k[i] |= b[i];
	}
}

static void
before_write(struct xctx *ctx, enum of_field_id id, bool whole)
{
	switch (id) {
	case OF_F_ETH_TYPE:
	case OF_F_IP_PROTO:
	case OF_F_ICMPV4_TYPE:
	case OF_F_ICMPV6_TYPE:
		/* What is pending belongs to the packet as it was typed until now. */
		xlate_commit(ctx);
		break;
	case OF_F_IP_TTL:
		if (whole) {
			/* Not decremented yet: the packet does not have the key's value. */
			if (ctx->ip_ttl.pending)
				ctx->known.nw_ttl = 0;
			ctx->ip_ttl.origin = TTL_CONSTANT;
			ctx->ip_ttl.pending = 0;
		}
		break;
	case OF_F_MPLS_TTL:
		if (whole) {
			if (ctx->mpls_ttl.pending)
				ctx->known.mpls_lse[0] &= htonl(~LSE_TTL);
			ctx->mpls_ttl.origin = TTL_CONSTANT;
			ctx->mpls_ttl.pending = 0;
		}
		break;
	default:
		break;
	}
}

void
xlate_write_field(struct xctx *ctx, const struct of_field *f, const union of_value *value,
		  const union of_value *mask)
{
	struct of_key before, bits;

	before_write(ctx, f->id, of_value_is_all_ones(f, mask));
	before = ctx->key;
	memset(&bits, 0, sizeof bits);
	of_field_set_masked(f, mask, mask, &bits);
	bits.vlans[0].tpid = 0; /* 0x8100 if there was none */
	of_field_set_masked(f, value, mask, &ctx->key);
	if (!before.vlans[0].tpid && ctx->key.vlans[0].tpid) /* no tag before: all of it was known to be 0 */
		memset(&ctx->known.vlans[0], 0xff, sizeof ctx->known.vlans[0]);
	if (ctx->wc) {
		uint64_t *wc = of_key_words(ctx->wc);
		const uint64_t *b = of_key_words_c(&bits);

		for (unsigned i = 0; i < OF_KEY_WORDS; i++)
			wc[i] |= b[i];
	}
	xlate_wrote(ctx, &before, &bits);
}

void
xlate_write_subfield(struct xctx *ctx, const struct of_subfield *sf,
		     const union of_value *right_aligned)
{
	const struct of_field *f = of_field(sf->field);
	union of_value value, mask;
	static const union of_value ones = { .b = { [0 ... 127] = 0xff } };

	memset(&value, 0, sizeof value);
	memset(&mask, 0, sizeof mask);
	of_bits_copy(right_aligned, sizeof *right_aligned, 0, &value, f->n_bytes, sf->ofs,
		     sf->n_bits);
	of_bits_copy(&ones, sizeof ones, 0, &mask, f->n_bytes, sf->ofs, sf->n_bits);
	xlate_write_field(ctx, f, &value, &mask);
}

/* Setting a network layer field means that the protocol was looked at. */
void
xlate_mark_l3_set(struct xctx *ctx, enum of_field_id id)
{
	if (!ctx->wc)
		return;
	switch (id) {
	case OF_F_IPV4_SRC:
	case OF_F_IPV4_DST:
	case OF_F_IPV6_SRC:
	case OF_F_IPV6_DST:
	case OF_F_IPV6_LABEL:
	case OF_F_IP_DSCP:
	case OF_F_IP_DSCP_SHIFTED:
	case OF_F_IP_ECN:
	case OF_F_IP_TTL:
		if (xlate_is_ip(&ctx->key))
			ctx->wc->nw_proto = 0xff;
		break;
	case OF_F_ND_TARGET:
	case OF_F_ND_SLL:
	case OF_F_ND_TLL:
		ctx->wc->nw_proto = 0xff;
		ctx->wc->tp_src = ctx->wc->tp_dst = UINT16_MAX;
		break;
	case OF_F_ARP_OP:
	case OF_F_ARP_SHA:
	case OF_F_ARP_THA:
	case OF_F_ARP_SPA:
	case OF_F_ARP_TPA:
		ctx->wc->nw_proto = 0xff;
		break;
	default:
		break;
	}
}

static void
write_u32(struct xctx *ctx, enum of_field_id id, uint32_t v)
{
	const struct of_field *f = of_field(id);
	union of_value value, mask;

	xlate_mark_l3_set(ctx, id);

	memset(&value, 0, sizeof value);
	memset(&mask, 0, sizeof mask);
	for (unsigned i = 0; i < f->n_bytes; i++)
		value.b[f->n_bytes - 1 - i] = (uint8_t)(v >> (8 * i));
	for (unsigned i = 0; i < f->n_bits; i++)
		mask.b[f->n_bytes - 1 - i / 8] |= (uint8_t)(1u << (i % 8));
	xlate_write_field(ctx, f, &value, &mask);
}

static void
write_mac(struct xctx *ctx, enum of_field_id id, const uint8_t mac[6])
{
	union of_value value, mask;

	memset(&value, 0, sizeof value);
	memset(&mask, 0, sizeof mask);
	memcpy(value.b, mac, 6);
	memset(mask.b, 0xff, 6);
	xlate_write_field(ctx, of_field(id), &value, &mask);
}

/* A header came to the front that the layout would have matched, had it been there from the
 * start: look at the packet again before a table does. */
static void
check_exposed(struct xctx *ctx)
{
	const struct key_layout *layout = ctx->view->layout;

	if (ctx->resolve || !layout)
		return;
	if ((layout->mask.vlans[0].tci & ~ctx->known.vlans[0].tci) ||
	    (layout->mask.mpls_lse[0] & ~ctx->known.mpls_lse[0]))
		ctx->reparse = true;
}

/* --- VLAN ------------------------------------------------------------------------------------ */

/* The new tag takes VID and PCP over from the outermost one (OpenFlow 1.3.5 section 5.12.1), if there is one. */
static bool
push_vlan(struct xctx *ctx, uint16_t tpid)
{
	struct of_key *k = &ctx->key;
	bool tagged = k->vlans[0].tci & htons(OF_VLAN_CFI);
	struct plan_op *op;

	if (xlate_vlan_depth(k) == OF_MAX_VLANS) {
		xlate_report_error(ctx,
			  "dropping packet on which a VLAN push action can't be performed as it "
			  "would have more VLAN tags than the %d supported.", OF_MAX_VLANS);
		xlate_fail(ctx, XE_VLAN_ROOM, DROP_PUSH_NO_ROOM);
		return false;
	}
	xlate_commit_vlan(ctx);
	op = pb_put(&ctx->b, OP_PUSH_VLAN, sizeof *op);
	op->u32 = (uint32_t)tpid << 16;
	op->u8 = tagged;
	ctx->n_tags++;
	if (ctx->in->record)
		ctx->in->record->moved_vlans = true;
	memmove(&k->vlans[1], &k->vlans[0], sizeof k->vlans - sizeof k->vlans[0]);
	memmove(&ctx->known.vlans[1], &ctx->known.vlans[0],
		sizeof k->vlans - sizeof k->vlans[0]);
	k->vlans[0].tpid = htons(tpid);
	ctx->known.vlans[0].tpid = 0xffff;
	if (!tagged) {
		k->vlans[0].tci = htons(OF_VLAN_CFI);
		ctx->known.vlans[0].tci = 0xffff;
	}
	return true;
}

static void
pop_vlan(struct xctx *ctx)
{
	struct of_key *k = &ctx->key;

	if (ctx->wc && k->vlans[0].tpid) {
		ctx->wc->vlans[0].tpid = 0xffff;
		ctx->wc->vlans[0].tci |= htons(OF_VLAN_CFI);
	}
	if (!(k->vlans[0].tci & htons(OF_VLAN_CFI)))
		return;
	if (ctx->n_tags != xlate_vlan_depth(k))
		xlate_commit_vlan(ctx);
	if (ctx->in->record)
		ctx->in->record->moved_vlans = true;
	ctx->n_tags--;
	ctx->written.vlans[0].tci = 0;
	if (pb_last(&ctx->b, OP_PUSH_VLAN))
		pb_undo_last(&ctx->b);
	else
		pb_put(&ctx->b, OP_POP_VLAN, sizeof(struct plan_op));
	memmove(&k->vlans[0], &k->vlans[1], sizeof k->vlans - sizeof k->vlans[0]);
	memset(&k->vlans[OF_MAX_VLANS - 1], 0, sizeof k->vlans[0]);
	memmove(&ctx->known.vlans[0], &ctx->known.vlans[1], sizeof k->vlans - sizeof k->vlans[0]);
	memset(&ctx->known.vlans[OF_MAX_VLANS - 1], 0, sizeof k->vlans[0]);
	if (k->vlans[0].tci & htons(OF_VLAN_CFI))
		check_exposed(ctx);
	else /* no tag: all of it is known to be 0 */
		memset(&ctx->known.vlans[0], 0xff, sizeof k->vlans[0]);
}

/* OpenFlow 1.0's mod_vlan_*: a tag is made where none is, if the rule's version allows it. */
static void
set_vlan(struct xctx *ctx, const struct of_action *a)
{
	bool vid = a->type == OF_A_SET_VLAN_VID;
	uint16_t mask = vid ? OF_VLAN_VID_MASK : OF_VLAN_PCP_MASK;

	if (ctx->wc)
		ctx->wc->vlans[0].tci |= htons(mask | OF_VLAN_CFI);
	if (ctx->key.vlans[0].tci & htons(OF_VLAN_CFI) || of_act_set_vlan_pushes(a))
		write_u32(ctx, vid ? OF_F_DL_VLAN : OF_F_DL_VLAN_PCP, a->u32);
}

/* --- MPLS ------------------------------------------------------------------------------------ */

static bool
push_mpls(struct xctx *ctx, uint16_t type)
{
	struct of_key *k = &ctx->key;
	bool complete, was_ip = xlate_is_ip(k);
	unsigned n = count_labels(ctx, &complete);
	struct op_push_mpls *op;

	if (n == OF_MAX_MPLS) {
		xlate_report_error(ctx,
			  "dropping packet on which an MPLS push action can't be performed as it "
			  "would have more MPLS LSEs than the %d supported.", OF_MAX_MPLS);
		xlate_fail(ctx, XE_MPLS_ROOM, DROP_TOO_MANY_LABELS);
		return false;
	}
	if (ctx->wc) {
		for (unsigned i = 0; i < n; i++)
			ctx->wc->mpls_lse[i] = UINT32_MAX;
		if (was_ip)
			ctx->wc->nw_ttl = 0xff;
	}
	xlate_commit(ctx);
	op = pb_put(&ctx->b, OP_PUSH_MPLS, sizeof *op);
	op->op.u32 = type;
	op->op.u8 = n || was_ip; /* else what follows is not looked at for a TTL */
	if (n) {
		memmove(&k->mpls_lse[1], &k->mpls_lse[0], n * sizeof k->mpls_lse[0]);
		memmove(&ctx->known.mpls_lse[1], &ctx->known.mpls_lse[0],
			(OF_MAX_MPLS - 1) * sizeof k->mpls_lse[0]);
		k->mpls_lse[0] &= htonl(~LSE_BOS);
		ctx->known.mpls_lse[0] |= htonl(LSE_BOS);
		ctx->mpls_ttl.origin = TTL_OTHER;
	} else {
		uint8_t ttl = was_ip ? k->nw_ttl : 0;

		if (ctx->resolve && was_ip && !ttl)
			ttl = 64; /* a trace's flow without nw_ttl */
		memset(k->mpls_lse, 0, sizeof k->mpls_lse);
		k->mpls_lse[0] = htonl(LSE_BOS | ttl);
		ctx->known.mpls_lse[0] = htonl(LSE_LABEL | LSE_TC | LSE_BOS |
					       (!was_ip || ctx->known.nw_ttl == 0xff ? LSE_TTL : 0));
		/* What lies below the label is not parsed in an MPLS packet. */
		memset((uint8_t *)k + offsetof(struct of_key, ipv6_src), 0,
		       sizeof *k - offsetof(struct of_key, ipv6_src));
		memset((uint8_t *)&ctx->known + offsetof(struct of_key, ipv6_src), 0xff,
		       sizeof *k - offsetof(struct of_key, ipv6_src));
		ctx->mpls_ttl = (struct ttl_state){ .origin = TTL_OTHER };
		ctx->ip_ttl = (struct ttl_state){ .origin = TTL_OTHER };
		k->dp_hash = 0;
	}
	k->dl_type = htons(type);
	check_exposed(ctx);
	return true;
}

static bool
pop_mpls(struct xctx *ctx, uint16_t type)
{
	struct of_key *k = &ctx->key;
	bool complete;
	unsigned n = count_labels(ctx, &complete);
	struct plan_op *op;

	if (!n)
		return true;
	xlate_commit(ctx);
	for (unsigned i = 1; ctx->wc && i < n; i++)
		ctx->wc->mpls_lse[i] = UINT32_MAX;
	op = pb_put(&ctx->b, OP_POP_MPLS, sizeof *op);
	op->u32 = type;
	memmove(&k->mpls_lse[0], &k->mpls_lse[1], (OF_MAX_MPLS - 1) * sizeof k->mpls_lse[0]);
	memmove(&ctx->known.mpls_lse[0], &ctx->known.mpls_lse[1],
		(OF_MAX_MPLS - 1) * sizeof k->mpls_lse[0]);
	k->mpls_lse[OF_MAX_MPLS - 1] = 0;
	ctx->known.mpls_lse[OF_MAX_MPLS - 1] = 0;
	k->dl_type = htons(type);
	ctx->mpls_ttl.origin = TTL_OTHER;
	ctx->ip_ttl.origin = TTL_OTHER;
	if (!is_mpls_type(type) || !complete) {
		ctx->reparse = true;
	} else if (n > 1) {
		check_exposed(ctx);
	}
	if (!is_mpls_type(type))
		memset(k->mpls_lse, 0, sizeof k->mpls_lse);
	return true;
}

/* --- TTL --------------------------------------------------------------------------------------- */

/* Takes one off 'ttl', whose origin is 'st' and which the cache knows if 'known'.  '*guard' is
 * the plan's least TTL. */
static void
dec(struct xctx *ctx, struct ttl_state *st, bool known, uint8_t *guard)
{
	switch (st->origin) {
	case TTL_PACKET:
		st->decs++;
		st->pending++;
		if (*guard < st->decs + 1)
			*guard = (uint8_t)(st->decs + 1);
		break;
	case TTL_OTHER:
		st->pending++;
		if (!known)
			ctx->plan->cacheable = false;
		break;
	case TTL_CONSTANT:
		break;
	}
}

static void
expired(struct xctx *ctx, const struct ttl_state *st, bool known)
{
	/* Other packets of the same key may have a greater TTL. */
	if (st->origin != TTL_CONSTANT && !known) {
		ctx->plan->cacheable = false;
		xlate_unrecord(ctx, WALK_NOT_NOW);
	}
	ctx->drop = DROP_TTL_EXPIRED;
}

static bool
dec_ttl(struct xctx *ctx, const struct of_act_dec_ttl *a)
{
	static const uint16_t id0;
	/* An IPv6 header of which no protocol is known is cut, and its key has no TTL. */
	bool known = ctx->known.nw_ttl == 0xff ||
		     (ctx->key.dl_type == htons(ETH_TYPE_IPV6) && !ctx->key.nw_proto &&
		      ctx->ip_ttl.origin == TTL_PACKET);

	if (ctx->wc) {
		ctx->wc->nw_ttl = 0xff;
		ctx->wc->nw_proto = 0xff;
	}
	if (!xlate_is_ip(&ctx->key))
		return true;
	if (ctx->key.nw_ttl > 1) {
		if (ctx->in->record)
			ctx->in->record->moved_ttl = true;
		ctx->key.nw_ttl--;
		dec(ctx, &ctx->ip_ttl, known, &ctx->plan->ttl_min);
		if (ctx->ip_ttl.origin == TTL_CONSTANT)
			ctx->written.nw_ttl = 0xff;
		return true;
	}
	expired(ctx, &ctx->ip_ttl, known);
	for (unsigned i = 0; i < (a->n_ids ? a->n_ids : 1u); i++)
		xlate_controller(ctx, UINT16_MAX, OFPR_INVALID_TTL, a->n_ids ? a->ids[i] : id0, 0,
				 NULL, 0, false, NULL);
	trace_put(ctx->in->trace, TRACE_WARN, "IPv%d decrement TTL exception",
		  ctx->key.dl_type == htons(ETH_TYPE_IPV4) ? 4 : 6);
	return false;
}

static bool
dec_mpls_ttl(struct xctx *ctx)
{
	uint32_t lse = ntohl(ctx->key.mpls_lse[0]);
	bool known = (ntohl(ctx->known.mpls_lse[0]) & LSE_TTL) == LSE_TTL;

	if (is_mpls_type(ntohs(ctx->key.dl_type))) {
		if (ctx->wc)
			ctx->wc->mpls_lse[0] |= htonl(LSE_TTL);
		if ((lse & LSE_TTL) > 1) {
			ctx->key.mpls_lse[0] = htonl(lse - 1);
			dec(ctx, &ctx->mpls_ttl, known, &ctx->plan->mpls_ttl_min);
			if (ctx->mpls_ttl.origin == TTL_CONSTANT)
				ctx->written.mpls_lse[0] |= htonl(LSE_TTL);
			return true;
		}
		expired(ctx, &ctx->mpls_ttl, known);
		xlate_controller(ctx, UINT16_MAX, OFPR_INVALID_TTL, 0, 0, NULL, 0, false, NULL);
	}
	trace_put(ctx->in->trace, TRACE_WARN, "MPLS decrement TTL exception");
	return false;
}

/* OpenFlow 1.3.5 section 5.12: from the next-to-outermost header with a TTL to the outermost,
 * and back. */
static void
copy_ttl(struct xctx *ctx, bool out)
{
	struct of_key *k = &ctx->key;
	bool complete;
	unsigned n = xlate_mpls_depth(k, &complete);

	if (!n)
		return;
	xlate_commit(ctx);
	pb_put(&ctx->b, out ? OP_COPY_TTL_OUT : OP_COPY_TTL_IN, sizeof(struct plan_op));
	if (!out && n > 1) {
		k->mpls_lse[1] = (k->mpls_lse[1] & htonl(~LSE_TTL)) | (k->mpls_lse[0] & htonl(LSE_TTL));
		ctx->known.mpls_lse[1] &= htonl(~LSE_TTL);
	} else if (out) {
		ctx->mpls_ttl.origin = TTL_OTHER;
		if (n > 1)
			k->mpls_lse[0] = (k->mpls_lse[0] & htonl(~LSE_TTL)) |
					 (k->mpls_lse[1] & htonl(LSE_TTL));
		ctx->known.mpls_lse[0] &= htonl(~LSE_TTL);
		if (n == 1 && !ctx->resolve)
			ctx->reparse = true; /* the IP header's TTL is not in an MPLS packet's key */
		else
			check_exposed(ctx);
	}
}

/* --- PBB, Ethernet ------------------------------------------------------------------------------ */

static void
push_pbb(struct xctx *ctx, uint16_t type)
{
	struct of_key *k = &ctx->key;
	struct plan_op *op;

	xlate_commit(ctx);
	op = pb_put(&ctx->b, OP_PUSH_PBB, sizeof *op);
	op->u32 = type;
	/* IEEE 802.1Q: the I-TAG and the customer's frame follow; addresses stay in front. */
	memset(k->vlans, 0, sizeof k->vlans);
	ctx->n_tags = 0;
	memset(ctx->known.vlans, 0xff, sizeof k->vlans);
	k->pbb_isid |= PBB_PRESENT;
	k->dl_type = htons(type);
	ctx->reparse = true;
}

static void
pop_pbb(struct xctx *ctx)
{
	struct of_key *k = &ctx->key;

	if (!(k->pbb_isid & PBB_PRESENT))
		return;
	xlate_commit(ctx);
	pb_put(&ctx->b, OP_POP_PBB, sizeof(struct plan_op));
	k->pbb_isid = 0;
	k->pbb_uca = 0;
	memset(ctx->known.dl_src, 0, sizeof k->dl_src);
	memset(ctx->known.dl_dst, 0, sizeof k->dl_dst);
	ctx->reparse = true;
}

/* A label in front of the whole packet, whose headers are payload from then on. */
static bool
encap_mpls(struct xctx *ctx, uint16_t type)
{
	struct of_key *k = &ctx->key;
	bool inner = k->packet_type >> 16 == 1 && is_mpls_type((uint16_t)k->packet_type);
	bool complete;
	unsigned n = inner ? count_labels(ctx, &complete) : 0;
	struct op_add_mpls *op;

	if (n == OF_MAX_MPLS) {
		xlate_report_error(ctx,
				   "dropping packet on which an encap MPLS action can't be performed "
				   "as it would have more MPLS LSEs than the %d supported.",
				   OF_MAX_MPLS);
		xlate_fail(ctx, XE_MPLS_ROOM, DROP_TOO_MANY_LABELS);
		return false;
	}
	xlate_needs(ctx, XLATE_LACKS_ADD_MPLS);
	if (ctx->wc)
		ctx->wc->packet_type = UINT32_MAX;
	xlate_commit(ctx);
	/* RFC 3032 section 2.1: the explicit null label of what follows. */
	uint32_t lse = k->dl_type == htons(ETH_TYPE_IPV6) ? 2u << 12 | 64 : 64;

	if (n) {
		memmove(&k->mpls_lse[1], &k->mpls_lse[0], n * sizeof k->mpls_lse[0]);
		memmove(&ctx->known.mpls_lse[1], &ctx->known.mpls_lse[0],
			n * sizeof k->mpls_lse[0]);
		memset((uint8_t *)k + offsetof(struct of_key, nsh), 0,
		       sizeof *k - offsetof(struct of_key, nsh));
	} else {
		lse |= LSE_BOS;
		ctx->frame_inside = k->packet_type == OF_PT_ETH;
		ctx->n_tags = 0;
		memset((uint8_t *)k + offsetof(struct of_key, dl_dst), 0,
		       sizeof *k - offsetof(struct of_key, dl_dst));
		memset((uint8_t *)&ctx->known + offsetof(struct of_key, dl_dst), 0xff,
		       sizeof *k - offsetof(struct of_key, dl_dst));
		k->dp_hash = 0;
	}
	op = pb_put(&ctx->b, OP_ADD_MPLS, sizeof *op);
	op->op.u32 = type;
	op->lse = htonl(lse);
	k->mpls_lse[0] = htonl(lse);
	ctx->known.mpls_lse[0] = UINT32_MAX;
	k->dl_type = htons(type);
	k->packet_type = OF_PT(1, type);
	ctx->mpls_ttl = (struct ttl_state){ .origin = TTL_CONSTANT };
	ctx->ip_ttl = (struct ttl_state){ .origin = TTL_OTHER };
	return true;
}

static bool
encap(struct xctx *ctx, const struct of_act_encap *a)
{
	struct of_key *k = &ctx->key;
	struct op_push_eth *op;

	if (a->new_pkt_type == OF_PT_NSH) {
		trace_put(ctx->in->trace, TRACE_WARN, "encap: NSH is not built yet, dropping");
		xlate_fail(ctx, XE_NOT_BUILT, DROP_NOT_BUILT_NSH);
		return false;
	}
	if (a->new_pkt_type >> 16 == 1 && is_mpls_type((uint16_t)a->new_pkt_type))
		return encap_mpls(ctx, (uint16_t)a->new_pkt_type);
	if (a->new_pkt_type != OF_PT_ETH || k->packet_type >> 16 != 1) {
		trace_put(ctx->in->trace, TRACE_ACTION,
			  a->new_pkt_type == OF_PT_ETH
				  ? "Dropping packet as encap(ethernet) is not supported for "
				    "packet type ethernet."
				  : "Dropping packet as this encap() is not supported.");
		xlate_fail(ctx, XE_PACKET_TYPE, DROP_UNSUPPORTED_PACKET_TYPE);
		return false;
	}
	xlate_commit(ctx);
	op = pb_put(&ctx->b, OP_PUSH_ETH, sizeof *op);
	op->dl_type = (uint16_t)k->packet_type;
	if (ctx->wc)
		ctx->wc->packet_type = UINT32_MAX;
	k->dl_type = htons((uint16_t)k->packet_type);
	k->packet_type = OF_PT_ETH;
	ctx->frame_inside = false;
	memset(k->dl_src, 0, sizeof k->dl_src);
	memset(k->dl_dst, 0, sizeof k->dl_dst);
	memset(ctx->known.dl_src, 0xff, sizeof k->dl_src);
	memset(ctx->known.dl_dst, 0xff, sizeof k->dl_dst);
	return true;
}

/* Takes the outermost label off a packet that starts with it.  Below the last one the packet is
 * what the action says, and is looked at again. */
static bool
decap_mpls(struct xctx *ctx, const struct of_act_decap *a)
{
	struct of_key *k = &ctx->key;
	bool complete;
	unsigned n = count_labels(ctx, &complete);
	uint16_t type = (uint16_t)a->new_pkt_type;
	struct plan_op *op;

	if (!complete) {
		xlate_report_error(ctx,
				   "dropping packet on which an MPLS decap can't be performed as it "
				   "has more MPLS LSEs than the %d supported.", OF_MAX_MPLS);
		xlate_fail(ctx, XE_MPLS_ROOM, DROP_TOO_MANY_LABELS);
		return false;
	}
	if (!n)
		return true;
	if (a->new_pkt_type == OF_PT_USE_NEXT_PROTO) {
		/* A label does not say what follows it, but for another label. */
		if (n == 1) {
			trace_put(ctx->in->trace, TRACE_ACTION,
				  "Dropping packet, decap() of the last MPLS label must name the "
				  "packet type that follows.");
			xlate_fail(ctx, XE_PACKET_TYPE, DROP_UNSUPPORTED_PACKET_TYPE);
			return false;
		}
		type = (uint16_t)k->packet_type;
	} else if (a->new_pkt_type == OF_PT_ETH) {
		type = ETH_TYPE_TEB;
	}
	xlate_needs(ctx, XLATE_LACKS_ADD_MPLS);
	xlate_commit(ctx);
	op = pb_put(&ctx->b, OP_POP_MPLS, sizeof *op);
	op->u32 = type;
	if (ctx->wc)
		for (unsigned i = 1; i < n; i++)
			ctx->wc->mpls_lse[i] = UINT32_MAX;
	memmove(&k->mpls_lse[0], &k->mpls_lse[1], (OF_MAX_MPLS - 1) * sizeof k->mpls_lse[0]);
	memmove(&ctx->known.mpls_lse[0], &ctx->known.mpls_lse[1],
		(OF_MAX_MPLS - 1) * sizeof k->mpls_lse[0]);
	k->mpls_lse[OF_MAX_MPLS - 1] = 0;
	ctx->known.mpls_lse[OF_MAX_MPLS - 1] = 0;
	k->packet_type = type == ETH_TYPE_TEB ? OF_PT_ETH : OF_PT(1, type);
	k->dl_type = htons(type);
	ctx->mpls_ttl.origin = TTL_OTHER;
	ctx->ip_ttl.origin = TTL_OTHER;
	if (n == 1 || !is_mpls_type(type)) {
		memset(k->mpls_lse, 0, sizeof k->mpls_lse);
		ctx->reparse = true;
		xlate_freeze(ctx);
	} else {
		check_exposed(ctx);
	}
	return true;
}

static bool
decap(struct xctx *ctx, const struct of_act_decap *a)
{
	struct of_key *k = &ctx->key;

	if (k->packet_type == OF_PT_ETH) {
		if (k->vlans[0].tci & htons(OF_VLAN_CFI)) {
			trace_put(ctx->in->trace, TRACE_ACTION,
				  "Dropping packet, cannot decap Ethernet if VLAN is present.");
			xlate_fail(ctx, XE_PACKET_TYPE, DROP_UNSUPPORTED_PACKET_TYPE);
			return false;
		}
		xlate_commit(ctx);
		pb_put(&ctx->b, OP_POP_ETH, sizeof(struct plan_op));
		k->packet_type = OF_PT(1, ntohs(k->dl_type));
		memset(k->dl_src, 0, sizeof k->dl_src);
		memset(k->dl_dst, 0, sizeof k->dl_dst);
		return true;
	}
	if (k->packet_type >> 16 == 1 && is_mpls_type((uint16_t)k->packet_type))
		return decap_mpls(ctx, a);
	if (k->packet_type == OF_PT_NSH) {
		trace_put(ctx->in->trace, TRACE_WARN, "decap: NSH is not built yet, dropping");
		xlate_fail(ctx, XE_NOT_BUILT, DROP_NOT_BUILT_NSH);
		return false;
	}
	trace_put(ctx->in->trace, TRACE_ACTION,
		  "Dropping packet as the decap() does not support packet type (%u,0x%x)",
		  k->packet_type >> 16, k->packet_type & 0xffff);
	xlate_fail(ctx, XE_PACKET_TYPE, DROP_UNSUPPORTED_PACKET_TYPE);
	return false;
}

/* --- Dispatch ------------------------------------------------------------------------------------ */

static bool
has_l4(const struct of_key *k)
{
	return xlate_is_ip(k) && !(k->nw_frag & OF_FRAG_LATER);
}

static void
set_l4(struct xctx *ctx, bool src, uint16_t port)
{
	bool sctp = ctx->key.nw_proto == IPPROTO_SCTP, udp = ctx->key.nw_proto == IPPROTO_UDP;

	if (!has_l4(&ctx->key))
		return;
	if (ctx->wc)
		ctx->wc->nw_proto = 0xff;
	if (src)
		write_u32(ctx, sctp ? OF_F_SCTP_SRC : udp ? OF_F_UDP_SRC : OF_F_TCP_SRC, port);
	else
		write_u32(ctx, sctp ? OF_F_SCTP_DST : udp ? OF_F_UDP_DST : OF_F_TCP_DST, port);
}

bool
xlate_header_action(struct xctx *ctx, const struct of_action *a)
{
	const struct of_key *k = &ctx->key;
	bool mpls = is_mpls_type(ntohs(k->dl_type));

	switch ((enum of_action_type)a->type) {
	case OF_A_PUSH_VLAN:
		return push_vlan(ctx, (uint16_t)a->u32);
	case OF_A_STRIP_VLAN:
		pop_vlan(ctx);
		return true;
	case OF_A_SET_VLAN_VID:
	case OF_A_SET_VLAN_PCP:
		set_vlan(ctx, a);
		return !ctx->error;
	case OF_A_SET_ETH_SRC:
		write_mac(ctx, OF_F_ETH_SRC, ((const struct of_act_set_mac *)a)->mac);
		return true;
	case OF_A_SET_ETH_DST:
		write_mac(ctx, OF_F_ETH_DST, ((const struct of_act_set_mac *)a)->mac);
		return true;
	case OF_A_SET_IPV4_SRC:
		if (k->dl_type == htons(ETH_TYPE_IPV4))
			write_u32(ctx, OF_F_IPV4_SRC, a->u32);
		return true;
	case OF_A_SET_IPV4_DST:
		if (k->dl_type == htons(ETH_TYPE_IPV4))
			write_u32(ctx, OF_F_IPV4_DST, a->u32);
		return true;
	case OF_A_SET_IP_DSCP:
		if (xlate_is_ip(k))
			write_u32(ctx, OF_F_IP_DSCP_SHIFTED, a->u32 >> 2);
		return true;
	case OF_A_SET_IP_ECN:
		if (xlate_is_ip(k))
			write_u32(ctx, OF_F_IP_ECN, a->u32);
		return true;
	case OF_A_SET_IP_TTL:
		if (xlate_is_ip(k))
			write_u32(ctx, OF_F_IP_TTL, a->u32);
		return true;
	case OF_A_SET_L4_SRC:
		set_l4(ctx, true, (uint16_t)a->u32);
		return true;
	case OF_A_SET_L4_DST:
		set_l4(ctx, false, (uint16_t)a->u32);
		return true;
	case OF_A_PUSH_MPLS:
		return push_mpls(ctx, (uint16_t)a->u32);
	case OF_A_POP_MPLS:
		return pop_mpls(ctx, (uint16_t)a->u32);
	case OF_A_SET_MPLS_LABEL:
		if (mpls)
			write_u32(ctx, OF_F_MPLS_LABEL, a->u32);
		return true;
	case OF_A_SET_MPLS_TC:
		if (mpls)
			write_u32(ctx, OF_F_MPLS_TC, a->u32);
		return true;
	case OF_A_SET_MPLS_TTL:
		if (mpls)
			write_u32(ctx, OF_F_MPLS_TTL, a->u32);
		return true;
	case OF_A_DEC_MPLS_TTL:
		return dec_mpls_ttl(ctx);
	case OF_A_DEC_TTL:
		return dec_ttl(ctx, (const struct of_act_dec_ttl *)a);
	case OF_A_COPY_TTL_OUT:
		copy_ttl(ctx, true);
		return true;
	case OF_A_COPY_TTL_IN:
		copy_ttl(ctx, false);
		return true;
	case OF_A_PUSH_PBB:
		push_pbb(ctx, (uint16_t)a->u32);
		return true;
	case OF_A_POP_PBB:
		pop_pbb(ctx);
		return true;
	case OF_A_ENCAP:
		return encap(ctx, (const struct of_act_encap *)a);
	case OF_A_DECAP:
		return decap(ctx, (const struct of_act_decap *)a);
	default:
		return true;
	}
}
