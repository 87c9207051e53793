/* SPDX-License-Identifier: Apache-2.0 */
/* Writes into headers.  Every write is masked, tells the checksums above it (RFC 1624), and
 * does nothing to a packet without the header.  While an offload owns the L4 checksum it is left
 * alone: whoever completes it starts from the headers as they are then. */
#include "dataplane/run.h"

#include <arpa/inet.h>

#include "tunnels/checksum.h"

/* dst = (dst & ~mask) | (value & mask). */
static void
put_masked(void *dst_, const void *value_, const void *mask_, size_t size)
{
	uint8_t *dst = dst_;
	const uint8_t *value = value_, *mask = mask_;

	for (size_t i = 0; i < size; i++)
		dst[i] = (dst[i] & ~mask[i]) | (value[i] & mask[i]);
}

static bool
is_zero(const void *p, size_t size)
{
	const uint8_t *b = p;

	while (size--)
		if (*b++)
			return false;
	return true;
}

/* The IP packet: its header, and what of the L4 header is there. */
struct ip_view {
	uint8_t *ip;
	uint8_t *l4;       /* NULL: none, a later fragment, or cut */
	uint32_t l4_size;  /* to the end of the IP packet */
	uint8_t proto;
	bool is_ipv6, has_routing_header;
};

/* IP protocol of the upper layer: IPv6 extension headers lie between. */
static uint8_t
upper_proto(const uint8_t *ip, const uint8_t *l4, bool *has_routing_header)
{
	const uint8_t *p = ip + 40;
	uint8_t proto = ip[6];

	while (p < l4) {
		uint32_t size;

		switch (proto) {
		case IPPROTO_ROUTING:
			/* Segments left: the pseudo header has the final destination then
			 * (RFC 8200 section 8.1), not the one in the header. */
			*has_routing_header |= p[3] != 0;
			size = (p[1] + 1u) * 8;
			break;
		case IPPROTO_AH: size = (p[1] + 2u) * 4; break;
		case IPPROTO_FRAGMENT: size = 8; break;
		default: size = (p[1] + 1u) * 8; break;
		}
		proto = p[0];
		p += size;
	}
	return proto;
}

static bool
ip_view(struct pass *p, struct rte_mbuf *m, struct ip_view *v)
{
	const struct pkt_layers *l = pass_layers(p, m);
	uint32_t size = pkt_size(m);

	if (l->l3 == PKT_NO_OFS || l->l3 >= size)
		return false;
	v->ip = pkt_data(m) + l->l3;
	v->is_ipv6 = v->ip[0] >> 4 == 6;
	v->has_routing_header = false;
	v->l4 = NULL;
	if (size - l->l3 < (v->is_ipv6 ? 40u : 20u) || (!v->is_ipv6 && v->ip[0] >> 4 != 4))
		return false;
	if (l->l4 == PKT_NO_OFS) {
		v->proto = v->is_ipv6 ? v->ip[6] : v->ip[9];
		return true;
	}
	v->l4_size = size - l->l2_pad - l->l4;
	v->l4 = pkt_data(m) + l->l4;
	v->proto = v->is_ipv6 ? upper_proto(v->ip, v->l4, &v->has_routing_header) : v->ip[9];
	return true;
}

/* Where the L4 checksum is that covers the pseudo header, or all of L4; NULL: there is none,
 * or an offload will write it. */
static uint8_t *
l4_checksum(const struct rte_mbuf *m, const struct ip_view *v)
{
	if (!v->l4 || m->ol_flags & PKT_TX_OPEN)
		return NULL;
	switch (v->proto) {
	case IPPROTO_TCP:
		return v->l4_size >= 20 ? v->l4 + 16 : NULL;
	case IPPROTO_UDP:
		/* 0: the sender computed none (RFC 768). */
		return v->l4_size >= 8 && (v->l4[6] || v->l4[7]) ? v->l4 + 6 : NULL;
	case IPPROTO_ICMPV6:
		return v->is_ipv6 && v->l4_size >= 8 ? v->l4 + 2 : NULL;
	}
	return NULL;
}

static void
update(uint8_t *sum_at, bool is_udp, const void *old_bytes, const void *new_bytes, size_t size)
{
	__be16 sum;

	memcpy(&sum, sum_at, sizeof(sum));
	sum = csum_update(sum, old_bytes, new_bytes, size);
	if (!sum && is_udp)
		sum = 0xffff;
	memcpy(sum_at, &sum, sizeof(sum));
}

/* Changes an address of the IP header, and the checksums over it. */
static void
set_address(const struct rte_mbuf *m, const struct ip_view *v, uint8_t *at, const void *value,
	    const void *mask, size_t size, bool in_pseudo_header)
{
	uint8_t old[16];
	uint8_t *sum = in_pseudo_header ? l4_checksum(m, v) : NULL;

	if (is_zero(mask, size))
		return;
	memcpy(old, at, size);
	put_masked(at, value, mask, size);
	if (!v->is_ipv6)
		update(v->ip + 10, false, old, at, size);
	if (sum)
		update(sum, v->proto == IPPROTO_UDP, old, at, size);
}

/* Changes a 16-bit word of the IPv4 header. */
static void
set_ipv4_word(const struct ip_view *v, unsigned ofs, const uint8_t new[2])
{
	uint8_t old[2];

	memcpy(old, v->ip + ofs, 2);
	memcpy(v->ip + ofs, new, 2);
	update(v->ip + 10, false, old, new, 2);
}

static bool
set_ipv4(struct pass *p, const struct op_set_ipv4 *op, struct rte_mbuf *m)
{
	struct ip_view v;

	if (!ip_view(p, m, &v) || v.is_ipv6)
		return false;
	set_address(m, &v, v.ip + 12, &op->src, &op->src_mask, 4, true);
	set_address(m, &v, v.ip + 16, &op->dst, &op->dst_mask, 4, true);
	if (op->tos_mask)
		set_ipv4_word(&v, 0, (uint8_t[]){ v.ip[0], (v.ip[1] & ~op->tos_mask) |
							    (op->tos & op->tos_mask) });
	if (op->ttl_mask || op->proto_mask) {
		uint8_t word[2] = { (v.ip[8] & ~op->ttl_mask) | (op->ttl & op->ttl_mask),
				    (v.ip[9] & ~op->proto_mask) | (op->proto & op->proto_mask) };

		set_ipv4_word(&v, 8, word);
	}
	return true;
}

static bool
set_ipv6(struct pass *p, const struct op_set_ipv6 *op, struct rte_mbuf *m)
{
	struct ip_view v;
	uint32_t head;

	if (!ip_view(p, m, &v) || !v.is_ipv6)
		return false;
	set_address(m, &v, v.ip + 8, &op->src, &op->src_mask, 16, true);
	set_address(m, &v, v.ip + 24, &op->dst, &op->dst_mask, 16, !v.has_routing_header);
	memcpy(&head, v.ip, 4);
	head = (head & ~op->label_mask) | (op->label & op->label_mask);
	head = (head & ~htonl((uint32_t)op->tos_mask << 20)) |
	       htonl((uint32_t)(op->tos & op->tos_mask) << 20);
	memcpy(v.ip, &head, 4);
	v.ip[7] = (v.ip[7] & ~op->ttl_mask) | (op->ttl & op->ttl_mask);
	v.ip[6] = (v.ip[6] & ~op->proto_mask) | (op->proto & op->proto_mask);
	return true;
}

static bool
set_l4(struct pass *p, const struct op_set_l4 *op, struct rte_mbuf *m)
{
	struct ip_view v;
	uint8_t old[4], mask[4], value[4];

	if (!ip_view(p, m, &v) || !v.l4)
		return false;
	memcpy(value, &op->src, 2);
	memcpy(value + 2, &op->dst, 2);
	memcpy(mask, &op->src_mask, 2);
	memcpy(mask + 2, &op->dst_mask, 2);
	if (v.proto == IPPROTO_SCTP) {
		__le32 before, now, in_packet;

		if (v.l4_size < 12)
			return false;
		if (m->ol_flags & PKT_TX_OPEN) {
			put_masked(v.l4, value, mask, 4);
			return true;
		}
		/* What was wrong with the checksum stays wrong: the receiver must see it. */
		before = sctp_checksum(v.l4, v.l4_size);
		put_masked(v.l4, value, mask, 4);
		now = sctp_checksum(v.l4, v.l4_size);
		memcpy(&in_packet, v.l4 + 8, 4);
		in_packet ^= before ^ now;
		memcpy(v.l4 + 8, &in_packet, 4);
		return true;
	}
	if ((v.proto != IPPROTO_TCP || v.l4_size < 20) && (v.proto != IPPROTO_UDP || v.l4_size < 8))
		return false;
	uint8_t *sum = l4_checksum(m, &v);
	memcpy(old, v.l4, 4);
	put_masked(v.l4, value, mask, 4);
	if (sum)
		update(sum, v.proto == IPPROTO_UDP, old, v.l4, 4);
	return true;
}

static bool
set_icmp(struct pass *p, const struct op_set_icmp *op, struct rte_mbuf *m)
{
	struct ip_view v;
	uint8_t old[2];

	if (!ip_view(p, m, &v) || !v.l4 || v.l4_size < 8 ||
	    v.proto != (v.is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return false;
	memcpy(old, v.l4, 2);
	v.l4[0] = (v.l4[0] & ~op->type_mask) | (op->type & op->type_mask);
	v.l4[1] = (v.l4[1] & ~op->code_mask) | (op->code & op->code_mask);
	update(v.l4 + 2, false, old, v.l4, 2);
	return true;
}

static bool
set_tcp_flags(struct pass *p, const struct op_set_tcp_flags *op, struct rte_mbuf *m)
{
	struct ip_view v;
	uint8_t old[2];
	__be16 mask = op->mask & htons(0x0fff);

	if (!ip_view(p, m, &v) || !v.l4 || v.proto != IPPROTO_TCP || v.l4_size < 20)
		return false;
	uint8_t *sum = l4_checksum(m, &v);
	memcpy(old, v.l4 + 12, 2);
	put_masked(v.l4 + 12, &op->flags, &mask, 2);
	if (sum)
		update(sum, false, old, v.l4 + 12, 2);
	return true;
}

static bool
set_arp(struct pass *p, const struct op_set_arp *op, struct rte_mbuf *m)
{
	static const uint8_t head[6] = { 0, 1, 0x08, 0, 6, 4 };
	const struct pkt_layers *l = pass_layers(p, m);

	if (l->l3 == PKT_NO_OFS || pkt_size(m) < l->l3 + 28u)
		return false;
	uint8_t *arp = pkt_data(m) + l->l3;
	if (memcmp(arp, head, sizeof(head)))
		return false;
	uint8_t opcode[2] = { op->opcode >> 8, op->opcode };
	uint8_t opcode_mask[2] = { op->opcode_mask >> 8, op->opcode_mask };
	put_masked(arp + 6, opcode, opcode_mask, 2);
	put_masked(arp + 8, op->sha, op->sha_mask, 6);
	put_masked(arp + 14, &op->spa, &op->spa_mask, 4);
	put_masked(arp + 18, op->tha, op->tha_mask, 6);
	put_masked(arp + 24, &op->tpa, &op->tpa_mask, 4);
	return true;
}

static void
set_nd_part(const struct ip_view *v, uint8_t *sum, uint8_t *at, const void *value,
	    const void *mask, size_t size)
{
	uint8_t old[16];

	if (is_zero(mask, size))
		return;
	memcpy(old, at, size);
	put_masked(at, value, mask, size);
	if (sum)
		update(sum, false, old, at, size);
}

static bool
set_nd(struct pass *p, const struct op_set_nd *op, struct rte_mbuf *m)
{
	struct ip_view v;

	if (!ip_view(p, m, &v) || !v.l4 || !v.is_ipv6 || v.proto != IPPROTO_ICMPV6 ||
	    v.l4_size < 24 || (v.l4[0] != 135 && v.l4[0] != 136) || v.l4[1] != 0)
		return false;
	uint8_t *sum = l4_checksum(m, &v);
	set_nd_part(&v, sum, v.l4 + 8, &op->target, &op->target_mask, 16);
	uint8_t *opt = v.l4 + 24;
	for (uint32_t left = v.l4_size - 24; left >= 8;) {
		uint32_t size = opt[1] * 8u;

		if (!size || size > left)
			break;
		/* The address starts at an even offset; 6 bytes. */
		if (size == 8 && opt[0] == 1)
			set_nd_part(&v, sum, opt + 2, op->sll, op->sll_mask, 6);
		if (size == 8 && opt[0] == 2)
			set_nd_part(&v, sum, opt + 2, op->tll, op->tll_mask, 6);
		opt += size;
		left -= size;
	}
	return true;
}

static bool
set_mpls(struct pass *p, const struct op_set_mpls *op, struct rte_mbuf *m)
{
	const struct pkt_layers *l = pass_layers(p, m);

	if (l->l2_5 == PKT_NO_OFS || pkt_size(m) < l->l2_5 + 4u)
		return false;
	put_masked(pkt_data(m) + l->l2_5, &op->lse, &op->mask, 4);
	return true;
}

static bool
is_vlan_at(const uint8_t *p)
{
	return (p[0] == 0x81 && p[1] == 0x00) || (p[0] == 0x88 && p[1] == 0xa8);
}

/* Offset of the EtherType behind the VLAN tags, or 0. */
static uint32_t
dl_type_ofs(const struct rte_mbuf *m)
{
	const uint8_t *data = pkt_data(m);
	uint32_t size = pkt_size(m), ofs = 12;

	while (ofs + 6 <= size && is_vlan_at(data + ofs))
		ofs += 4;
	return ofs + 2 <= size ? ofs : 0;
}

static bool
set_pbb(const struct op_set_pbb *op, struct rte_mbuf *m)
{
	uint32_t ofs = dl_type_ofs(m);
	uint8_t *data = pkt_data(m);

	if (!ofs || pkt_size(m) < ofs + 6 || data[ofs] != 0x88 || data[ofs + 1] != 0xe7)
		return false;
	uint32_t value = (op->isid & 0xffffff) | (uint32_t)(op->uca & 1) << 27;
	uint32_t mask = (op->isid_mask & 0xffffff) | (uint32_t)(op->uca_mask & 1) << 27;
	value = htonl(value);
	mask = htonl(mask);
	put_masked(data + ofs + 2, &value, &mask, 4);
	return true;
}

static bool
set_vlan(const struct plan_op *o, struct rte_mbuf *m)
{
	uint8_t *data = pkt_data(m);
	/* The bit that says "there is a tag" in a key is DEI on the wire: it stays. */
	uint16_t mask = o->u32 & 0xffff & ~OF_VLAN_CFI, tci = o->u32 >> 16;
	uint8_t value_b[2] = { tci >> 8, tci }, mask_b[2] = { mask >> 8, mask };

	if (pkt_size(m) < 18 || !is_vlan_at(data + 12))
		return false;
	put_masked(data + 14, value_b, mask_b, 2);
	return true;
}

/* --- TTLs ---------------------------------------------------------------------------------- */

/* Where the TTL of the outermost header is, that of the next one, and whether they are IPv4's. */
struct ttls {
	uint8_t *outer, *inner;
	uint8_t *outer_ip4, *inner_ip4; /* the header, if it has a checksum */
};

static void
ttl_of_ip(uint8_t *ip, uint32_t left, uint8_t **ttl, uint8_t **ip4)
{
	if (left >= 20 && ip[0] >> 4 == 4) {
		*ttl = ip + 8;
		*ip4 = ip;
	} else if (left >= 40 && ip[0] >> 4 == 6) {
		*ttl = ip + 7;
	}
}

static bool
find_ttls(struct pass *p, struct rte_mbuf *m, struct ttls *t)
{
	const struct pkt_layers *l = pass_layers(p, m);
	uint8_t *data = pkt_data(m);
	uint32_t size = pkt_size(m);

	memset(t, 0, sizeof(*t));
	if (l->l2_5 != PKT_NO_OFS && size >= l->l2_5 + 4u) {
		t->outer = data + l->l2_5 + 3;
		if (!(data[l->l2_5 + 2] & 1)) {
			if (size >= l->l2_5 + 8u)
				t->inner = data + l->l2_5 + 7;
		} else {
			/* Behind the label stack nothing says what it is but its first nibble. */
			ttl_of_ip(data + l->l2_5 + 4, size - l->l2_5 - 4, &t->inner,
				  &t->inner_ip4);
		}
		return t->outer && t->inner;
	}
	if (l->l3 == PKT_NO_OFS || l->l4 == PKT_NO_OFS)
		return false;
	ttl_of_ip(data + l->l3, size - l->l3, &t->outer, &t->outer_ip4);
	if (l->l4 < size)
		ttl_of_ip(data + l->l4, size - l->l4, &t->inner, &t->inner_ip4);
	return t->outer && t->inner;
}

static void
put_ttl(uint8_t *at, uint8_t *ip4, uint8_t ttl)
{
	uint8_t old[2];

	if (!ip4) {
		*at = ttl;
		return;
	}
	memcpy(old, ip4 + 8, 2);
	*at = ttl;
	update(ip4 + 10, false, old, ip4 + 8, 2);
}

bool
run_dec_ttl(struct pass *p, struct rte_mbuf *m)
{
	struct ip_view v;

	if (!ip_view(p, m, &v))
		return true;
	uint8_t *ttl = v.is_ipv6 ? v.ip + 7 : v.ip + 8;
	if (*ttl <= 1)
		return false;
	put_ttl(ttl, v.is_ipv6 ? NULL : v.ip, *ttl - 1);
	return true;
}

static bool
dec_mpls_ttl(struct pass *p, struct rte_mbuf *m)
{
	const struct pkt_layers *l = pass_layers(p, m);
	uint8_t *ttl = pkt_data(m) + l->l2_5 + 3;

	if (l->l2_5 == PKT_NO_OFS || pkt_size(m) < l->l2_5 + 4u || *ttl <= 1)
		return false;
	--*ttl;
	return true;
}

bool
run_set(struct pass *p, const struct plan_op *o, struct rte_mbuf *m)
{
	struct ttls t;

	switch (o->type) {
	case OP_SET_ETH: {
		const struct op_set_eth *op = (const struct op_set_eth *)o;

		if (pkt_size(m) < 14)
			return false;
		put_masked(pkt_data(m), op->dst, op->dst_mask, 6);
		put_masked(pkt_data(m) + 6, op->src, op->src_mask, 6);
		return true;
	}
	case OP_SET_DL_TYPE: {
		uint32_t ofs = p->packet_type == OF_PT_ETH ? dl_type_ofs(m) : 0;

		if (!ofs)
			return false;
		pkt_data(m)[ofs] = o->u32 >> 8;
		pkt_data(m)[ofs + 1] = o->u32;
		p->layers_valid = false;
		return true;
	}
	case OP_SET_VLAN: return set_vlan(o, m);
	case OP_SET_IPV4: return set_ipv4(p, (const struct op_set_ipv4 *)o, m);
	case OP_SET_IPV6: return set_ipv6(p, (const struct op_set_ipv6 *)o, m);
	case OP_SET_L4: return set_l4(p, (const struct op_set_l4 *)o, m);
	case OP_SET_ICMP: return set_icmp(p, (const struct op_set_icmp *)o, m);
	case OP_SET_TCP_FLAGS: return set_tcp_flags(p, (const struct op_set_tcp_flags *)o, m);
	case OP_SET_ARP: return set_arp(p, (const struct op_set_arp *)o, m);
	case OP_SET_ND: return set_nd(p, (const struct op_set_nd *)o, m);
	case OP_SET_MPLS: return set_mpls(p, (const struct op_set_mpls *)o, m);
	case OP_SET_PBB: return set_pbb((const struct op_set_pbb *)o, m);
	case OP_DEC_MPLS_TTL: return dec_mpls_ttl(p, m);
	case OP_COPY_TTL_OUT:
		if (!find_ttls(p, m, &t))
			return false;
		put_ttl(t.outer, t.outer_ip4, *t.inner);
		return true;
	case OP_COPY_TTL_IN:
		if (!find_ttls(p, m, &t))
			return false;
		put_ttl(t.inner, t.inner_ip4, *t.outer);
		return true;
	}
	return false;
}
