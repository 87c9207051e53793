/* SPDX-License-Identifier: Apache-2.0 */
/* Tags, labels and headers come and go.  Where the layers are is found again afterwards. */
#include "dataplane/run.h"

#include <arpa/inet.h>

static bool
is_vlan_at(const uint8_t *p)
{
	return (p[0] == 0x81 && p[1] == 0x00) || (p[0] == 0x88 && p[1] == 0xa8);
}

static void
put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* Offset of the EtherType behind all VLAN tags; 0 if it is not there. */
static uint32_t
dl_type_ofs(const struct rte_mbuf *m)
{
	uint32_t size = pkt_size(m), ofs = 12;

	while (ofs + 6 <= size && is_vlan_at(pkt_data(m) + ofs))
		ofs += 4;
	return ofs + 2 <= size ? ofs : 0;
}

/* Opens a gap of 'n' bytes at 'ofs'; what lies before moves.  NULL: no room. */
static uint8_t *
insert(struct rte_mbuf *m, uint32_t ofs, uint32_t n)
{
	uint8_t *data = pkt_push(m, n);

	if (!data)
		return NULL;
	memmove(data, data + n, ofs);
	return data;
}

static void
cut(struct rte_mbuf *m, uint32_t ofs, uint32_t n)
{
	memmove(pkt_data(m) + n, pkt_data(m), ofs);
	pkt_pull(m, n);
}

enum drop_reason
run_push_vlan(struct pass *p, struct rte_mbuf *m, uint16_t tpid, uint16_t tci)
{
	if (pkt_size(m) < 14)
		return DROP_MALFORMED;
	uint8_t *data = insert(m, 12, 4);
	if (!data)
		return DROP_PUSH_NO_ROOM;
	put16(data + 12, tpid);
	put16(data + 14, tci & ~OF_VLAN_CFI);
	p->pushed_tags++;
	p->layers_valid = false;
	return DROP_NONE;
}

bool
run_pop_vlan(struct pass *p, struct rte_mbuf *m)
{
	if (pkt_size(m) < 18 || !is_vlan_at(pkt_data(m) + 12))
		return false;
	cut(m, 12, 4);
	p->pushed_tags -= p->pushed_tags != 0;
	p->layers_valid = false;
	return true;
}

static enum drop_reason
push_vlan(struct pass *p, const struct plan_op *o, struct rte_mbuf *m)
{
	uint16_t tci = o->u32;

	/* OpenFlow 1.3 section 5.13: VID and PCP are those of the tag that was outermost. */
	if (o->u8 && pkt_size(m) >= 18 && is_vlan_at(pkt_data(m) + 12))
		tci = pkt_data(m)[14] << 8 | pkt_data(m)[15];
	return run_push_vlan(p, m, o->u32 >> 16, tci);
}

/* TTL of the IP header at 'ip', or 'otherwise'. */
static uint8_t
ip_ttl(const uint8_t *ip, uint32_t left, uint8_t otherwise)
{
	if (left >= 20 && ip[0] >> 4 == 4)
		return ip[8];
	if (left >= 40 && ip[0] >> 4 == 6)
		return ip[7];
	return otherwise;
}

static enum drop_reason
push_mpls(struct pass *p, const struct op_push_mpls *op, struct rte_mbuf *m)
{
	const struct pkt_layers *l = pass_layers(p, m);
	uint32_t lse = ntohl(op->lse);
	bool is_first = l->l2_5 == PKT_NO_OFS || pkt_size(m) < l->l2_5 + 4u;
	uint32_t ofs = is_first ? l->l3 : l->l2_5;

	if (ofs == PKT_NO_OFS || ofs > pkt_size(m) || (p->packet_type == OF_PT_ETH && ofs < 14))
		return DROP_MALFORMED;
	const uint8_t *at = pkt_data(m) + ofs;
	if (op->op.u8) {
		if (!is_first)
			lse = get32(at);
		else
			lse = (lse & ~0xffu) | ip_ttl(at, pkt_size(m) - ofs, lse);
	}
	lse = (lse & ~0x100u) | (is_first ? 0x100 : 0);

	uint8_t *data = insert(m, ofs, 4);
	if (!data)
		return DROP_PUSH_NO_ROOM;
	put32(data + ofs, lse);
	/* A SNAP header in front keeps its EtherType in the same place: just before. */
	if (p->packet_type == OF_PT_ETH)
		put16(data + ofs - 2, op->op.u32);
	else
		p->packet_type = OF_PT(1, op->op.u32);
	p->layers_valid = false;
	return DROP_NONE;
}

static enum drop_reason
pop_mpls(struct pass *p, const struct plan_op *o, struct rte_mbuf *m)
{
	const struct pkt_layers *l = pass_layers(p, m);
	uint32_t ofs = l->l2_5;

	if (ofs == PKT_NO_OFS || pkt_size(m) < ofs + 4)
		return DROP_NONE; /* nothing to pop: as OVS, no effect */
	if (p->packet_type == OF_PT_ETH)
		put16(pkt_data(m) + ofs - 2, o->u32);
	else
		p->packet_type = o->u32 == 0x6558 ? OF_PT_ETH : OF_PT(1, o->u32);
	cut(m, ofs, 4);
	p->layers_valid = false;
	return DROP_NONE;
}

static enum drop_reason
add_mpls(struct pass *p, const struct op_add_mpls *op, struct rte_mbuf *m)
{
	uint8_t *data = pkt_push(m, 4);

	if (!data)
		return DROP_PUSH_NO_ROOM;
	put32(data, ntohl(op->lse));
	p->packet_type = OF_PT(1, op->op.u32);
	p->layers_valid = false;
	return DROP_NONE;
}

/* IEEE 802.1ah: B-DA, B-SA, 0x88e7, I-TAG, then the customer's frame from its C-DA on. */
#define PBB_SIZE 18

static enum drop_reason
push_pbb(struct pass *p, const struct plan_op *o, struct rte_mbuf *m)
{
	uint32_t itag = 0, ofs = dl_type_ofs(m);
	const uint8_t *data = pkt_data(m);

	if (!ofs)
		return DROP_MALFORMED;
	/* OpenFlow 1.3 section 5.13: the I-SID of an outer I-TAG, else 0; the priority of a
	 * VLAN tag, else 0. */
	if (data[ofs] == 0x88 && data[ofs + 1] == 0xe7 && pkt_size(m) >= ofs + 6)
		itag = get32(data + ofs + 2) & 0xffffff;
	else if (ofs > 12)
		itag = (uint32_t)(data[14] >> 5) << 29;

	uint8_t *at = pkt_push(m, PBB_SIZE);
	if (!at)
		return DROP_PUSH_NO_ROOM;
	memmove(at, at + PBB_SIZE, 12);
	put16(at + 12, o->u32);
	put32(at + 14, itag);
	p->layers_valid = false;
	return DROP_NONE;
}

static enum drop_reason
pop_pbb(struct pass *p, struct rte_mbuf *m)
{
	uint32_t ofs = dl_type_ofs(m);
	const uint8_t *data = pkt_data(m);

	if (!ofs || data[ofs] != 0x88 || data[ofs + 1] != 0xe7)
		return DROP_NONE;
	/* Backbone VLAN tags in front go with the backbone's header. */
	if (pkt_size(m) < ofs + 6 + 14)
		return DROP_MALFORMED;
	pkt_pull(m, ofs + 6);
	p->layers_valid = false;
	return DROP_NONE;
}

static enum drop_reason
push_eth(struct pass *p, const struct op_push_eth *op, struct rte_mbuf *m)
{
	uint8_t *data = pkt_push(m, 14);

	if (!data)
		return DROP_PUSH_NO_ROOM;
	memcpy(data, op->dst, 6);
	memcpy(data + 6, op->src, 6);
	put16(data + 12, op->dl_type);
	p->packet_type = OF_PT_ETH;
	p->layers_valid = false;
	return DROP_NONE;
}

static enum drop_reason
pop_eth(struct pass *p, struct rte_mbuf *m)
{
	const uint8_t *data = pkt_data(m);

	if (pkt_size(m) < 14)
		return DROP_MALFORMED;
	uint16_t dl_type = data[12] << 8 | data[13];
	pkt_pull(m, 14);
	p->packet_type = OF_PT(1, dl_type);
	p->layers_valid = false;
	return DROP_NONE;
}

enum drop_reason
run_push(struct pass *p, const struct plan_op *o, struct rte_mbuf *m)
{
	switch (o->type) {
	case OP_PUSH_VLAN: return push_vlan(p, o, m);
	case OP_POP_VLAN: run_pop_vlan(p, m); return DROP_NONE;
	case OP_PUSH_MPLS: return push_mpls(p, (const struct op_push_mpls *)o, m);
	case OP_POP_MPLS: return pop_mpls(p, o, m);
	case OP_PUSH_PBB: return push_pbb(p, o, m);
	case OP_POP_PBB: return pop_pbb(p, m);
	case OP_PUSH_ETH: return push_eth(p, (const struct op_push_eth *)o, m);
	case OP_POP_ETH: return pop_eth(p, m);
	case OP_ADD_MPLS: return add_mpls(p, (const struct op_add_mpls *)o, m);
	}
	return DROP_NONE;
}
