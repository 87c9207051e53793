/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnels/tunnel.h"

#include <string.h>

#include "tunnels/address.h"
#include "tunnels/checksum.h"
#include "tunnels/wire.h"

const char *
tnl_error_text(enum tnl_error e)
{
	static const char *const text[TNL_N_ERRORS] = {
		[TNL_OK] = "no error",
#define TNL_ERROR(NAME, TEXT) [TNL_E_##NAME] = TEXT,
#include "tunnels/tunnel_error.def"
#undef TNL_ERROR
	};

	return e < TNL_N_ERRORS && text[e] ? text[e] : "unknown error";
}

/* The outer packet while it is taken apart: 'p' is what remains of it. */
struct outer {
	const uint8_t *l3, *p, *end;
	const uint8_t *frame_end; /* padding, and what lying lengths leave out, included */
	uint8_t proto;
};

static enum tnl_error
take_ipv4(struct outer *o, size_t size, struct tnl_meta *m)
{
	const uint8_t *h = o->l3;
	size_t header, total;

	if (size < 20)
		return TNL_E_OUTER_SHORT;
	header = (size_t)(h[0] & 15) * 4;
	total = rd16(h + 2);
	if (header < 20 || total < header)
		return TNL_E_OUTER_BAD_IP;
	if (total > size)
		return TNL_E_OUTER_SHORT;
	if (csum_fold(csum_add(0, h, header)) != 0xffff)
		return TNL_E_OUTER_CHECKSUM;
	if (rd16(h + 6) & 0x3fff)
		return TNL_E_OUTER_FRAGMENT;
	m->tos = h[1];
	m->ttl = h[8];
	if (h[6] & 0x40)
		m->flags |= TNL_F_DF;
	o->proto = h[9];
	m->src = tnl_map_ipv4(h + 12);
	m->dst = tnl_map_ipv4(h + 16);
	o->p = h + header;
	o->end = h + total;
	return TNL_OK;
}

/* Extension headers may precede the tunnel (RFC 8200 section 4): those that are skipped by their
 * length are, a fragment is refused. */
static enum tnl_error
take_ipv6(struct outer *o, size_t size, struct tnl_meta *m)
{
	const uint8_t *h = o->l3;
	size_t total;

	if (size < 40)
		return TNL_E_OUTER_SHORT;
	total = 40 + (size_t)rd16(h + 4);
	if (total > size)
		return TNL_E_OUTER_SHORT;
	m->tos = (uint8_t)(rd16(h) >> 4);
	m->ttl = h[7];
	memcpy(&m->src, h + 8, 16);
	memcpy(&m->dst, h + 24, 16);
	o->proto = h[6];
	o->p = h + 40;
	o->end = h + total;
	while (o->proto == IPPROTO_HOPOPTS || o->proto == IPPROTO_ROUTING ||
	       o->proto == IPPROTO_DSTOPTS) {
		size_t ext;

		if (o->end - o->p < 8)
			return TNL_E_OUTER_SHORT;
		ext = 8 + (size_t)o->p[1] * 8;
		if ((size_t)(o->end - o->p) < ext)
			return TNL_E_OUTER_SHORT;
		o->proto = o->p[0];
		o->p += ext;
	}
	return o->proto == IPPROTO_FRAGMENT ? TNL_E_OUTER_FRAGMENT : TNL_OK;
}

static uint64_t
pseudo_sum(const struct outer *o, const struct tnl_meta *m, uint8_t proto, size_t l4_size)
{
	return (o->l3[0] >> 4) == 4 ? csum_pseudo4(o->l3, proto, (uint32_t)l4_size)
				    : csum_pseudo6(&m->src, &m->dst, proto, (uint32_t)l4_size);
}

/* A UDP checksum of 0 is none; over IPv6 tunnels may do that as well (RFC 6935). */
static enum tnl_error
take_udp(struct outer *o, unsigned flags, struct tnl_meta *m)
{
	const uint8_t *h = o->p;
	size_t left = (size_t)(o->end - h), length;

	if (o->proto != IPPROTO_UDP)
		return TNL_E_NOT_TUNNEL;
	if (left < 8)
		return TNL_E_OUTER_SHORT;
	length = rd16(h + 4);
	if (length < 8 || length > left)
		return TNL_E_OUTER_LENGTH;
	if (rd16(h + 6)) {
		m->flags |= TNL_F_CSUM;
		if (!(flags & TNL_DECAP_CSUM_GOOD) &&
		    csum_fold(csum_add(pseudo_sum(o, m, IPPROTO_UDP, length), h, length)) != 0xffff)
			return TNL_E_OUTER_CHECKSUM;
	}
	m->tp_src = rd16(h);
	m->tp_dst = rd16(h + 2);
	o->p = h + 8;
	o->end = h + length;
	return TNL_OK;
}

static enum tnl_error
take_vxlan(struct outer *o, unsigned exts, struct tnl_meta *m, uint32_t *inner)
{
	const uint8_t *h = o->p;

	if (o->end - h < 8)
		return TNL_E_OUTER_SHORT;
	*inner = TNL_INNER_ETH;
	if ((exts & TNL_EXT_GPE) && (h[0] & VXLAN_GPE_P)) {
		if (h[0] & VXLAN_GPE_VERSION)
			return TNL_E_BAD_VERSION;
		if (h[0] != (VXLAN_I | VXLAN_GPE_P) || h[1] || h[2] || h[7])
			return TNL_E_BAD_FLAGS;
		switch (h[3]) {
		case GPE_IPV4: *inner = TNL_INNER_L3(0x0800); break;
		case GPE_IPV6: *inner = TNL_INNER_L3(0x86dd); break;
		case GPE_ETHERNET: break;
		case GPE_NSH: *inner = TNL_INNER_L3(ETHERTYPE_NSH); break;
		case GPE_MPLS: *inner = TNL_INNER_L3(ETHERTYPE_MPLS); break;
		default: return TNL_E_BAD_PROTOCOL;
		}
	} else if ((exts & TNL_EXT_GBP) && (h[0] & VXLAN_GBP_G)) {
		if (h[0] != (VXLAN_I | VXLAN_GBP_G) || (h[1] & ~VXLAN_GBP_FLAGS) || h[7])
			return TNL_E_BAD_FLAGS;
		m->gbp_flags = h[1];
		m->gbp_id = rd16(h + 2);
	} else if (h[0] != VXLAN_I || h[1] || h[2] || h[3] || h[7]) {
		return TNL_E_BAD_FLAGS;
	}
	m->id = rd24(h + 4);
	m->flags |= TNL_F_KEY;
	o->p += 8;
	return TNL_OK;
}

/* Each option says its length in words behind its own four bytes (RFC 8926 section 3.5). */
static bool
options_are_sound(const uint8_t *p, size_t size)
{
	while (size) {
		size_t len;

		if (size < 4)
			return false;
		len = 4 + (size_t)(p[3] & 0x1f) * 4;
		if (len > size)
			return false;
		p += len;
		size -= len;
	}
	return true;
}

static enum tnl_error
take_geneve(struct outer *o, struct tnl_meta *m, uint32_t *inner)
{
	const uint8_t *h = o->p;
	size_t options;
	uint16_t proto;

	if (o->end - h < 8)
		return TNL_E_OUTER_SHORT;
	if (h[0] >> 6)
		return TNL_E_BAD_VERSION;
	options = (size_t)(h[0] & 0x3f) * 4;
	if ((size_t)(o->end - h) < 8 + options)
		return TNL_E_OUTER_SHORT;
	if (!options_are_sound(h + 8, options))
		return TNL_E_BAD_OPTIONS;
	proto = rd16(h + 2);
	*inner = proto == ETHERTYPE_TEB ? TNL_INNER_ETH : TNL_INNER_L3(proto);
	if (proto < 0x600)
		return TNL_E_BAD_PROTOCOL;
	m->id = rd24(h + 4);
	m->flags |= TNL_F_KEY | (h[1] & GENEVE_O ? TNL_F_OAM : 0) | (h[1] & GENEVE_C ? TNL_F_CRIT : 0);
	m->options_size = (uint8_t)options;
	memcpy(m->options, h + 8, options);
	o->p += 8 + options;
	return TNL_OK;
}

/* The GRE header with what its flags announce; returns the protocol in '*proto'. */
static enum tnl_error
take_gre_base(struct outer *o, unsigned flags, struct tnl_meta *m, uint16_t *proto)
{
	const uint8_t *h = o->p;
	size_t left = (size_t)(o->end - h), size = 4;
	uint16_t bits;

	if (o->proto != IPPROTO_GRE)
		return TNL_E_NOT_TUNNEL;
	if (left < 4)
		return TNL_E_OUTER_SHORT;
	bits = rd16(h);
	if (bits & GRE_VERSION)
		return TNL_E_BAD_VERSION;
	if (bits & (GRE_R | GRE_OTHER))
		return TNL_E_BAD_FLAGS;
	size += ((bits & GRE_C) ? 4 : 0) + ((bits & GRE_K) ? 4 : 0) + ((bits & GRE_S) ? 4 : 0);
	if (left < size)
		return TNL_E_OUTER_SHORT;
	if (bits & GRE_C) {
		m->flags |= TNL_F_CSUM;
		if (!(flags & TNL_DECAP_CSUM_GOOD) && csum_fold(csum_add(0, h, left)) != 0xffff)
			return TNL_E_OUTER_CHECKSUM;
	}
	*proto = rd16(h + 2);
	h += (bits & GRE_C) ? 8 : 4;
	if (bits & GRE_K) {
		m->id = rd32(h);
		m->flags |= TNL_F_KEY;
		h += 4;
	}
	if (bits & GRE_S) {
		m->seq = rd32(h);
		m->flags |= TNL_F_SEQ;
	}
	o->p += size;
	/* As Open vSwitch: what is inside has lengths of its own. */
	o->end = o->frame_end;
	return TNL_OK;
}

static enum tnl_error
take_gre(struct outer *o, unsigned flags, struct tnl_meta *m, uint32_t *inner)
{
	uint16_t proto = 0;
	enum tnl_error e = take_gre_base(o, flags, m, &proto);

	if (e)
		return e;
	if (proto < 0x600)
		return TNL_E_BAD_PROTOCOL;
	*inner = proto == ETHERTYPE_TEB ? TNL_INNER_ETH : TNL_INNER_L3(proto);
	return TNL_OK;
}

static enum tnl_error
take_erspan(struct outer *o, unsigned flags, struct tnl_meta *m, uint32_t *inner)
{
	uint16_t proto = 0;
	enum tnl_error e = take_gre_base(o, flags, m, &proto);
	const uint8_t *h = o->p;
	bool is_v2 = proto == ETHERTYPE_ERSPAN3;

	if (e)
		return e;
	if (proto != ETHERTYPE_ERSPAN2 && !is_v2)
		return TNL_E_BAD_PROTOCOL;
	/* Type I has neither sequence number nor header. */
	if (!(m->flags & TNL_F_SEQ) || (m->flags & TNL_F_KEY))
		return TNL_E_BAD_FLAGS;
	if (o->end - h < (is_v2 ? 12 : 8))
		return TNL_E_OUTER_SHORT;
	m->erspan_ver = h[0] >> 4;
	if (m->erspan_ver != (is_v2 ? 2 : 1))
		return TNL_E_BAD_VERSION;
	m->id = rd16(h + 2) & 0x3ff;
	m->flags |= TNL_F_KEY;
	if (is_v2) {
		uint16_t bits = rd16(h + 10); /* P:1 FT:5 HwID:6 D:1 Gra:2 O:1 */

		m->erspan_hwid = (uint8_t)(bits >> 4 & 0x3f);
		m->erspan_dir = (uint8_t)(bits >> 3 & 1);
		o->p += 12;
		if (bits & 1) { /* a platform specific subheader of 8 bytes follows */
			if (o->end - o->p < 8)
				return TNL_E_OUTER_SHORT;
			o->p += 8;
		}
	} else {
		m->erspan_idx = rd32(h + 4) & 0xfffff;
		o->p += 8;
	}
	*inner = TNL_INNER_ETH;
	return TNL_OK;
}

/* TS 29.281 section 5.1: any of E, S, PN brings four bytes, E a chain of extension headers, each
 * with its length in words first and the next one's type last. */
static enum tnl_error
take_gtpu(struct outer *o, struct tnl_meta *m, uint32_t *inner)
{
	const uint8_t *h = o->p;
	size_t left = (size_t)(o->end - h), size = 8, length;

	if (left < 8)
		return TNL_E_OUTER_SHORT;
	if ((h[0] & GTPU_V1_MASK) != GTPU_V1_GTP)
		return TNL_E_BAD_VERSION;
	length = rd16(h + 2);
	if (length > left - 8)
		return TNL_E_OUTER_LENGTH;
	left = 8 + length;
	if (h[1] != GTPU_GPDU) /* echo, error indication, end marker: for an endpoint, not a switch */
		return TNL_E_BAD_PROTOCOL;
	if (h[0] & GTPU_OPTIONAL) {
		uint8_t next;

		size = 12;
		if (left < size)
			return TNL_E_OUTER_SHORT;
		next = (h[0] & GTPU_E) ? h[11] : 0;
		while (next) {
			size_t len;

			if (left - size < 4)
				return TNL_E_OUTER_SHORT;
			len = (size_t)h[size] * 4;
			if (!len || len > left - size)
				return TNL_E_BAD_OPTIONS;
			next = h[size + len - 1];
			size += len;
		}
	}
	if (left == size)
		return TNL_E_INNER_SHORT;
	switch (h[size] >> 4) {
	case 4: *inner = TNL_INNER_L3(0x0800); break;
	case 6: *inner = TNL_INNER_L3(0x86dd); break;
	default: return TNL_E_BAD_PROTOCOL;
	}
	m->id = rd32(h + 4);
	m->flags |= TNL_F_KEY;
	m->gtpu_flags = h[0];
	m->gtpu_msgtype = h[1];
	o->end = h + left;
	o->p += size;
	return TNL_OK;
}

/* RFC 6830 sections 5.1 and 5.3: reserved flags and what the bits announce beside the instance are not
 * ours to read; a nonce and a map version exclude each other.  The packet's own version says what it is. */
static enum tnl_error
take_lisp(struct outer *o, struct tnl_meta *m, uint32_t *inner)
{
	const uint8_t *h = o->p;

	if (o->end - h < 8)
		return TNL_E_OUTER_SHORT;
	if ((h[0] & (LISP_N | LISP_V)) == (LISP_N | LISP_V))
		return TNL_E_BAD_FLAGS;
	if (o->end - h == 8)
		return TNL_E_INNER_SHORT;
	switch (h[8] >> 4) {
	case 4: *inner = TNL_INNER_L3(0x0800); break;
	case 6: *inner = TNL_INNER_L3(0x86dd); break;
	default: return TNL_E_BAD_PROTOCOL;
	}
	if (h[0] & LISP_I) {
		m->id = rd24(h + 4);
		m->flags |= TNL_F_KEY;
	}
	o->p += 8;
	return TNL_OK;
}

enum tnl_error
tnl_decap(enum tnl_type type, unsigned exts, const void *ip, size_t size, unsigned flags,
	  struct tnl_meta *meta, uint32_t *inner, size_t *inner_ofs, size_t *inner_size)
{
	struct outer o = { .l3 = ip, .frame_end = (const uint8_t *)ip + size };
	struct tnl_meta m;
	uint32_t what = 0;
	enum tnl_error e;

	memset(&m, 0, offsetof(struct tnl_meta, options));
	if (!size)
		return TNL_E_OUTER_SHORT;
	switch (o.l3[0] >> 4) {
	case 4: e = take_ipv4(&o, size, &m); break;
	case 6: e = take_ipv6(&o, size, &m); break;
	default: e = TNL_E_OUTER_BAD_IP;
	}
	if (!e && tnl_ip_proto(type) == IPPROTO_UDP)
		e = take_udp(&o, flags, &m);
	if (e)
		return e;
	switch (type) {
	case TNL_VXLAN: e = take_vxlan(&o, exts, &m, &what); break;
	case TNL_GENEVE: e = take_geneve(&o, &m, &what); break;
	case TNL_GRE: e = take_gre(&o, flags, &m, &what); break;
	case TNL_ERSPAN: e = take_erspan(&o, flags, &m, &what); break;
	case TNL_GTPU: e = take_gtpu(&o, &m, &what); break;
	case TNL_LISP: e = take_lisp(&o, &m, &what); break;
	case TNL_N_TYPES: e = TNL_E_NOT_TUNNEL;
	}
	if (!e && o.end - o.p < (what == TNL_INNER_ETH ? 14 : 1))
		e = TNL_E_INNER_SHORT;
	if (e)
		return e;
	memcpy(meta, &m, offsetof(struct tnl_meta, options) + m.options_size);
	*inner = what;
	*inner_ofs = (size_t)(o.p - o.l3);
	*inner_size = (size_t)(o.end - o.p);
	return TNL_OK;
}
