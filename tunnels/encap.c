/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnels/tunnel.h"

#include <arpa/inet.h>
#include <string.h>

#include "tunnels/checksum.h"
#include "tunnels/encap_plain.h"
#include "tunnels/wire.h"

/* The EtherType by which GRE and Geneve name what they carry. */
static uint16_t
inner_ethertype(uint32_t inner)
{
	return inner == TNL_INNER_ETH ? ETHERTYPE_TEB : (uint16_t)inner;
}

static uint8_t *
put_udp(struct tnl_template *t, uint8_t *p, const struct tnl_meta *m)
{
	/* Over IPv6 the checksum is not optional (RFC 8200 section 8.1). */
	t->has_csum = t->is_ipv6 || (m->flags & TNL_F_CSUM);
	wr16(p + 2, m->tp_dst);
	return p + 8;
}

static enum tnl_error
put_vxlan(uint8_t **p, unsigned exts, const struct tnl_meta *m, uint32_t inner)
{
	uint8_t *h = *p;

	h[0] = VXLAN_I;
	if (exts & TNL_EXT_GPE) {
		h[0] |= VXLAN_GPE_P;
		switch (inner) {
		case TNL_INNER_ETH: h[3] = GPE_ETHERNET; break;
		case TNL_INNER_L3(0x0800): h[3] = GPE_IPV4; break;
		case TNL_INNER_L3(0x86dd): h[3] = GPE_IPV6; break;
		case TNL_INNER_L3(ETHERTYPE_NSH): h[3] = GPE_NSH; break;
		case TNL_INNER_L3(ETHERTYPE_MPLS): h[3] = GPE_MPLS; break;
		default: return TNL_E_BAD_PROTOCOL;
		}
	} else {
		if (inner != TNL_INNER_ETH)
			return TNL_E_BAD_PROTOCOL;
		if ((exts & TNL_EXT_GBP) && (m->gbp_id || m->gbp_flags)) {
			h[0] |= VXLAN_GBP_G;
			h[1] = m->gbp_flags & VXLAN_GBP_FLAGS;
			wr16(h + 2, m->gbp_id);
		}
	}
	wr24(h + 4, (uint32_t)m->id);
	*p += 8;
	return TNL_OK;
}

static enum tnl_error
put_geneve(uint8_t **p, const struct tnl_meta *m, uint32_t inner)
{
	uint8_t *h = *p;

	if (m->options_size % 4 || m->options_size > TNL_MAX_OPTIONS)
		return TNL_E_BAD_OPTIONS;
	h[0] = m->options_size / 4;
	h[1] = (m->flags & TNL_F_OAM ? GENEVE_O : 0) | (m->flags & TNL_F_CRIT ? GENEVE_C : 0);
	wr16(h + 2, inner_ethertype(inner));
	wr24(h + 4, (uint32_t)m->id);
	memcpy(h + 8, m->options, m->options_size);
	*p += 8 + m->options_size;
	return TNL_OK;
}

static void
put_gre(struct tnl_template *t, uint8_t **p, const struct tnl_meta *m, uint16_t proto, bool key,
	bool seq)
{
	uint8_t *h = *p;

	t->has_csum = m->flags & TNL_F_CSUM;
	t->has_seq = seq;
	wr16(h, (uint32_t)((t->has_csum ? GRE_C : 0) | (key ? GRE_K : 0) | (seq ? GRE_S : 0)));
	wr16(h + 2, proto);
	h += t->has_csum ? 8 : 4;
	if (key) {
		wr32(h, (uint32_t)m->id);
		h += 4;
	}
	if (seq) {
		t->seq_ofs = (uint16_t)(h - t->header);
		h += 4;
	}
	*p = h;
}

static enum tnl_error
put_erspan(struct tnl_template *t, uint8_t **p, const struct tnl_meta *m, uint32_t inner)
{
	uint8_t *h;

	if (inner != TNL_INNER_ETH)
		return TNL_E_BAD_PROTOCOL;
	if (m->erspan_ver != 1 && m->erspan_ver != 2)
		return TNL_E_BAD_VERSION;
	put_gre(t, p, m, m->erspan_ver == 1 ? ETHERTYPE_ERSPAN2 : ETHERTYPE_ERSPAN3, false, true);
	h = *p;
	h[0] = (uint8_t)(m->erspan_ver << 4);
	wr16(h + 2, m->id & 0x3ff);
	if (m->erspan_ver == 1) {
		wr32(h + 4, m->erspan_idx & 0xfffff);
		*p += 8;
	} else {
		/* Timestamp 0, SGT 0; P:1 FT:5 HwID:6 D:1 Gra:2 O:1, granularity 100 us. */
		wr16(h + 10, (uint32_t)((m->erspan_hwid & 0x3f) << 4 | (m->erspan_dir & 1) << 3));
		*p += 12;
	}
	return TNL_OK;
}

static enum tnl_error
put_gtpu(uint8_t **p, const struct tnl_meta *m, uint32_t inner)
{
	uint8_t *h = *p;

	if (inner != TNL_INNER_L3(0x0800) && inner != TNL_INNER_L3(0x86dd))
		return TNL_E_BAD_PROTOCOL;
	h[0] = GTPU_V1_GTP;
	h[1] = GTPU_GPDU;
	wr32(h + 4, (uint32_t)m->id);
	*p += 8;
	return TNL_OK;
}

/* The one locator of this end is up; there is no nonce, since nobody asks for its echo. */
static enum tnl_error
put_lisp(uint8_t **p, const struct tnl_meta *m, uint32_t inner)
{
	uint8_t *h = *p;

	if (inner != TNL_INNER_L3(0x0800) && inner != TNL_INNER_L3(0x86dd))
		return TNL_E_BAD_PROTOCOL;
	h[0] = LISP_L;
	if (m->flags & TNL_F_KEY) {
		h[0] |= LISP_I;
		wr24(h + 4, (uint32_t)m->id);
	}
	h[7] = 1;
	*p += 8;
	return TNL_OK;
}

static uint8_t *
put_ip(struct tnl_template *t, uint8_t *p, uint8_t proto, const struct tnl_meta *m)
{
	if (t->is_ipv6) {
		wr32(p, 6u << 28 | (uint32_t)m->tos << 20);
		p[6] = proto;
		p[7] = m->ttl;
		memcpy(p + 8, &m->src, 16);
		memcpy(p + 24, &m->dst, 16);
		return p + 40;
	}
	p[0] = 0x45;
	p[1] = m->tos;
	wr16(p + 6, m->flags & TNL_F_DF ? 0x4000 : 0);
	p[8] = m->ttl;
	p[9] = proto;
	memcpy(p + 12, (const uint8_t *)&m->src + 12, 4);
	memcpy(p + 16, (const uint8_t *)&m->dst + 12, 4);
	t->ip_sum = csum_fold(csum_add(0, p, 20));
	return p + 20;
}

enum tnl_error
tnl_template_make(struct tnl_template *t, enum tnl_type type, unsigned exts,
		  const struct tnl_meta *m, uint32_t inner, const uint8_t eth_dst[6],
		  const uint8_t eth_src[6])
{
	enum tnl_error e = TNL_OK;
	uint8_t *p;

	memset(t, 0, sizeof *t);
	t->type = (uint8_t)type;
	t->is_ipv6 = !tnl_is_ipv4(&m->dst);
	if (tnl_is_ipv4(&m->src) == t->is_ipv6 || IN6_IS_ADDR_UNSPECIFIED(&m->dst))
		return TNL_E_OUTER_BAD_IP;
	memcpy(t->header, eth_dst, 6);
	memcpy(t->header + 6, eth_src, 6);
	wr16(t->header + 12, t->is_ipv6 ? 0x86dd : 0x0800);
	t->l3_ofs = 14;
	p = put_ip(t, t->header + t->l3_ofs, tnl_ip_proto(type), m);
	t->l4_ofs = (uint8_t)(p - t->header);
	if (tnl_ip_proto(type) == IPPROTO_UDP)
		p = put_udp(t, p, m);
	switch (type) {
	case TNL_VXLAN: e = put_vxlan(&p, exts, m, inner); break;
	case TNL_GENEVE: e = put_geneve(&p, m, inner); break;
	case TNL_GRE:
		put_gre(t, &p, m, inner_ethertype(inner), m->flags & TNL_F_KEY, m->flags & TNL_F_SEQ);
		break;
	case TNL_ERSPAN: e = put_erspan(t, &p, m, inner); break;
	case TNL_GTPU: e = put_gtpu(&p, m, inner); break;
	case TNL_LISP: e = put_lisp(&p, m, inner); break;
	case TNL_N_TYPES: e = TNL_E_NOT_TUNNEL;
	}
	t->size = (uint16_t)(p - t->header);
	t->is_plain = !t->is_ipv6 && !t->has_csum && !t->has_seq && type != TNL_GTPU && t->size >= 32;
	return e;
}

static void
finish_ipv4(const struct tnl_template *t, uint8_t *ip, size_t total, const struct tnl_packet *pkt)
{
	uint64_t sum;

	const uint8_t *was = t->header + t->l3_ofs;

	/* By what changed (RFC 1624 equation 3): nothing is read that was just written. */
	wr16(ip + 2, (uint32_t)total);
	sum = t->ip_sum + htons((uint16_t)total);
	if (pkt->tos) {
		ip[1] = pkt->tos;
		sum += htons(pkt->tos) + (uint64_t)(uint16_t)~htons(was[1]);
	}
	if (pkt->ttl) {
		ip[8] = pkt->ttl;
		sum += htons((uint16_t)(pkt->ttl << 8)) + (uint64_t)(uint16_t)~htons((uint16_t)(was[8] << 8));
	}
	memcpy(ip + 10, &(uint16_t){ (uint16_t)~csum_fold(sum) }, 2);
}

static void
finish_ipv6(uint8_t *ip, size_t total, const struct tnl_packet *pkt)
{
	wr16(ip + 4, (uint32_t)(total - 40));
	if (pkt->tos) {
		ip[0] = (uint8_t)(0x60 | pkt->tos >> 4);
		ip[1] = (uint8_t)((ip[1] & 0x0f) | pkt->tos << 4);
	}
	if (pkt->ttl)
		ip[7] = pkt->ttl;
}

/* A sum that comes out as 0 is sent as its other form (RFC 768). */
static void
finish_udp(const struct tnl_template *t, uint8_t *frame, uint8_t *udp, size_t size,
	   const struct tnl_packet *pkt)
{
	const uint8_t *ip = frame + t->l3_ofs;
	uint64_t sum;
	uint16_t value;

	wr16(udp, pkt->src_port);
	wr16(udp + 4, (uint32_t)size);
	if (!t->has_csum)
		return;
	sum = t->is_ipv6 ? csum_pseudo6(ip + 8, ip + 24, IPPROTO_UDP, (uint32_t)size)
			 : csum_pseudo4(ip, IPPROTO_UDP, (uint32_t)size);
	if (pkt->leave_csum) {
		value = csum_fold(sum);
	} else {
		value = (uint16_t)~csum_fold(csum_add(sum, udp, size));
		if (!value)
			value = 0xffff;
	}
	memcpy(udp + 6, &value, 2);
}

bool
tnl_template_apply(const struct tnl_template *t, uint8_t *frame, size_t frame_size,
		   const struct tnl_packet *pkt)
{
	size_t total = frame_size - t->l3_ofs, l4_size = frame_size - t->l4_ofs;
	uint8_t *l4 = frame + t->l4_ofs;

	if (total > 65535 || frame_size < t->size)
		return false;
	tnl_copy_header(frame, t->header, t->size);
	if (t->is_ipv6)
		finish_ipv6(frame + t->l3_ofs, total, pkt);
	else
		finish_ipv4(t, frame + t->l3_ofs, total, pkt);
	if (t->has_seq)
		wr32(frame + t->seq_ofs, pkt->seq);
	if (t->type == TNL_GTPU)
		wr16(l4 + 8 + 2, (uint32_t)(frame_size - t->size));
	if (tnl_ip_proto((enum tnl_type)t->type) == IPPROTO_UDP) {
		finish_udp(t, frame, l4, l4_size, pkt);
	} else if (t->has_csum) {
		uint16_t value = (uint16_t)~csum_fold(csum_add(0, l4, l4_size));

		memcpy(l4 + 4, &value, 2);
	}
	return true;
}
