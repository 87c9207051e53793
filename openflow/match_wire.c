// SPDX-License-Identifier: Apache-2.0
/* Matches of OpenFlow 1.0 and 1.1, and the frames around lists of entries. */
#include "openflow/match_wire.h"

#include <arpa/inet.h>
#include <endian.h>

#include "openflow/text.h"

/* ofp_flow_wildcards, OpenFlow 1.0 section 5.2.3. */
#define FW10_IN_PORT (1u << 0)
#define FW10_DL_VLAN (1u << 1)
#define FW10_DL_SRC (1u << 2)
#define FW10_DL_DST (1u << 3)
#define FW10_DL_TYPE (1u << 4)
#define FW10_NW_PROTO (1u << 5)
#define FW10_TP_SRC (1u << 6)
#define FW10_TP_DST (1u << 7)
#define FW10_NW_SRC_SHIFT 8
#define FW10_NW_DST_SHIFT 14
#define FW10_DL_VLAN_PCP (1u << 20)
#define FW10_NW_TOS (1u << 21)
#define FW10_ALL ((1u << 22) - 1)
/* Everything but in_port: what only Ethernet packets have. */
#define FW10_PACKET                                                                            \
	(FW10_NW_TOS | FW10_NW_PROTO | FW10_TP_SRC | FW10_TP_DST | FW10_DL_SRC | FW10_DL_DST | \
	 FW10_DL_TYPE | FW10_DL_VLAN | FW10_DL_VLAN_PCP)
#define VLAN_NONE_10 0xffff

/* OpenFlow 1.1 section A.2.3.2. */
#define FW11_IN_PORT (1u << 0)
#define FW11_DL_VLAN (1u << 1)
#define FW11_DL_VLAN_PCP (1u << 2)
#define FW11_DL_TYPE (1u << 3)
#define FW11_NW_TOS (1u << 4)
#define FW11_NW_PROTO (1u << 5)
#define FW11_TP_SRC (1u << 6)
#define FW11_TP_DST (1u << 7)
#define FW11_MPLS_LABEL (1u << 8)
#define FW11_MPLS_TC (1u << 9)
#define VLAN_ANY_11 0xfffe
#define VLAN_NONE_11 0xffff

#define DSCP_MASK 0xfc
#define MPLS_LABEL_MASK 0xfffff000u
#define MPLS_LABEL_SHIFT 12
#define MPLS_TC_MASK 0x00000e00u
#define MPLS_TC_SHIFT 9

/* 'wild': how many low bits of an address do not count, 32 and more: none does. */
static __be32
mask_of_wild(uint32_t wild)
{
	wild &= 0x3f;
	return wild < 32 ? htonl(~((1u << wild) - 1)) : 0;
}

static uint32_t
wild_of_mask(__be32 mask)
{
	return 32 - __builtin_popcount(mask);
}

static void
keep_masked(struct of_match_full *m)
{
	uint64_t *key = of_key_words(&m->key);
	const uint64_t *mask = of_key_words_c(&m->mask);

	for (unsigned i = 0; i < OF_KEY_WORDS; i++)
		key[i] &= mask[i];
}

of_err_t
of_match_decode_10(const struct ofp10_match *w, struct of_match_full *m)
{
	uint32_t wild = ntohl(w->wildcards) & FW10_ALL;
	uint16_t tci_mask = 0;

	of_match_init_any(m);
	if (!(wild & FW10_IN_PORT))
		m->mask.in_port = UINT32_MAX;
	if (!(wild & FW10_NW_TOS))
		m->mask.nw_tos = DSCP_MASK;
	if (!(wild & FW10_NW_PROTO))
		m->mask.nw_proto = UINT8_MAX;
	m->mask.nw_src = mask_of_wild(wild >> FW10_NW_SRC_SHIFT);
	m->mask.nw_dst = mask_of_wild(wild >> FW10_NW_DST_SHIFT);
	if (!(wild & FW10_TP_SRC))
		m->mask.tp_src = UINT16_MAX;
	if (!(wild & FW10_TP_DST))
		m->mask.tp_dst = UINT16_MAX;
	if (!(wild & FW10_DL_SRC))
		memset(m->mask.dl_src, 0xff, 6);
	if (!(wild & FW10_DL_DST))
		memset(m->mask.dl_dst, 0xff, 6);
	if (!(wild & FW10_DL_TYPE))
		m->mask.dl_type = UINT16_MAX;
	if (!(wild & FW10_DL_VLAN_PCP))
		tci_mask |= OF_VLAN_PCP_MASK | OF_VLAN_CFI;
	if (!(wild & FW10_DL_VLAN))
		tci_mask |= OF_VLAN_VID_MASK | OF_VLAN_CFI;
	if ((wild & FW10_PACKET) != FW10_PACKET || m->mask.nw_src || m->mask.nw_dst)
		of_match_set_default_packet_type(m);

	m->key.in_port = of_port_from_u16(ntohs(w->in_port));
	memcpy(m->key.dl_src, w->dl_src, 6);
	memcpy(m->key.dl_dst, w->dl_dst, 6);
	m->key.dl_type = w->dl_type;
	m->key.nw_tos = w->nw_tos;
	m->key.nw_proto = w->nw_proto;
	m->key.nw_src = w->nw_src;
	m->key.nw_dst = w->nw_dst;
	m->key.tp_src = w->tp_src;
	m->key.tp_dst = w->tp_dst;
	if (!(wild & FW10_DL_VLAN) && w->dl_vlan == htons(VLAN_NONE_10)) {
		/* No tag.  A PCP beside it makes no sense; OVS forgives it. */
		tci_mask = 0xffff;
	} else {
		m->key.vlans[0].tci =
			(w->dl_vlan & htons(OF_VLAN_VID_MASK)) |
			htons((w->dl_vlan_pcp << OF_VLAN_PCP_SHIFT & OF_VLAN_PCP_MASK) |
			      OF_VLAN_CFI);
	}
	m->mask.vlans[0].tci = htons(tci_mask);
	keep_masked(m);
	return 0;
}

void
of_match_encode_10(const struct of_match_full *m, struct ofp10_match *w)
{
	const struct of_key *k = &m->key, *mask = &m->mask;
	uint16_t tci = ntohs(k->vlans[0].tci), tci_mask = ntohs(mask->vlans[0].tci);
	uint32_t wild = wild_of_mask(mask->nw_src) << FW10_NW_SRC_SHIFT |
			wild_of_mask(mask->nw_dst) << FW10_NW_DST_SHIFT;

	memset(w, 0, sizeof(*w));
	wild |= mask->in_port ? 0 : FW10_IN_PORT;
	wild |= mask->dl_type ? 0 : FW10_DL_TYPE;
	wild |= mask->nw_proto ? 0 : FW10_NW_PROTO;
	wild |= mask->nw_tos & DSCP_MASK ? 0 : FW10_NW_TOS;
	wild |= mask->tp_src ? 0 : FW10_TP_SRC;
	wild |= mask->tp_dst ? 0 : FW10_TP_DST;
	wild |= of_bytes_all(mask->dl_src, 6, 0) ? FW10_DL_SRC : 0;
	wild |= of_bytes_all(mask->dl_dst, 6, 0) ? FW10_DL_DST : 0;
	if (!tci_mask) {
		wild |= FW10_DL_VLAN | FW10_DL_VLAN_PCP;
	} else if (tci_mask & OF_VLAN_CFI && !(tci & OF_VLAN_CFI)) {
		w->dl_vlan = htons(VLAN_NONE_10);
	} else {
		if (tci_mask & OF_VLAN_VID_MASK)
			w->dl_vlan = htons(tci & OF_VLAN_VID_MASK);
		else
			wild |= FW10_DL_VLAN;
		if (tci_mask & OF_VLAN_PCP_MASK)
			w->dl_vlan_pcp = tci >> OF_VLAN_PCP_SHIFT;
		else
			wild |= FW10_DL_VLAN_PCP;
	}
	w->wildcards = htonl(wild);
	w->in_port = htons(of_port_to_u16(k->in_port));
	memcpy(w->dl_src, k->dl_src, 6);
	memcpy(w->dl_dst, k->dl_dst, 6);
	w->dl_type = k->dl_type;
	w->nw_tos = k->nw_tos & DSCP_MASK;
	w->nw_proto = k->nw_proto;
	w->nw_src = k->nw_src;
	w->nw_dst = k->nw_dst;
	w->tp_src = k->tp_src;
	w->tp_dst = k->tp_dst;
}

bool
of_match_fits_10(const struct of_match_full *m)
{
	struct ofp10_match w;
	struct of_match_full back;

	of_match_encode_10(m, &w);
	of_match_decode_10(&w, &back);
	back.mask.packet_type = m->mask.packet_type;
	return !memcmp(&back, m, sizeof(back));
}

static of_err_t
decode_vlan_11(const struct ofp11_match *w, uint32_t wild, struct of_match_full *m)
{
	uint16_t vid = ntohs(w->dl_vlan), tci, tci_mask;

	of_match_set_default_packet_type(m);
	if (vid == VLAN_NONE_11) {
		m->mask.vlans[0].tci = UINT16_MAX;
		return 0;
	}
	if (vid == VLAN_ANY_11) {
		tci = tci_mask = OF_VLAN_CFI;
	} else if (vid < 4096) {
		tci = OF_VLAN_CFI | vid;
		tci_mask = OF_VLAN_CFI | OF_VLAN_VID_MASK;
	} else {
		return OF_ERR_OFPBMC_BAD_VALUE;
	}
	if (!(wild & FW11_DL_VLAN_PCP)) {
		if (w->dl_vlan_pcp > 7)
			return OF_ERR_OFPBMC_BAD_VALUE;
		tci |= w->dl_vlan_pcp << OF_VLAN_PCP_SHIFT;
		tci_mask |= OF_VLAN_PCP_MASK;
	}
	m->key.vlans[0].tci = htons(tci);
	m->mask.vlans[0].tci = htons(tci_mask);
	return 0;
}

static of_err_t
decode_ports_11(const struct ofp11_match *w, uint32_t wild, struct of_match_full *m)
{
	switch (m->key.nw_proto) {
	case IPPROTO_ICMP:
		/* A.2.3 says that the ports count for TCP, UDP and SCTP only; ICMP had them in
		 * 1.0, so they count for it as well. */
		if ((!(wild & FW11_TP_SRC) && ntohs(w->tp_src) > 0xff) ||
		    (!(wild & FW11_TP_DST) && ntohs(w->tp_dst) > 0xff))
			return OF_ERR_OFPBMC_BAD_FIELD;
		break;
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		break;
	default:
		return 0;
	}
	if (!(wild & FW11_TP_SRC)) {
		m->key.tp_src = w->tp_src;
		m->mask.tp_src = UINT16_MAX;
	}
	if (!(wild & FW11_TP_DST)) {
		m->key.tp_dst = w->tp_dst;
		m->mask.tp_dst = UINT16_MAX;
	}
	return 0;
}

of_err_t
of_match_decode_11(const struct ofp11_match *w, struct of_match_full *m)
{
	uint32_t wild = ntohl(w->wildcards);
	of_err_t err = 0;

	of_match_init_any(m);
	if (!(wild & FW11_IN_PORT)) {
		m->key.in_port = ntohl(w->in_port);
		m->mask.in_port = UINT32_MAX;
	}
	for (int i = 0; i < 6; i++) {
		m->mask.dl_src[i] = ~w->dl_src_mask[i];
		m->mask.dl_dst[i] = ~w->dl_dst_mask[i];
	}
	if (!of_bytes_all(m->mask.dl_src, 6, 0) || !of_bytes_all(m->mask.dl_dst, 6, 0))
		of_match_set_default_packet_type(m);
	memcpy(m->key.dl_src, w->dl_src, 6);
	memcpy(m->key.dl_dst, w->dl_dst, 6);
	if (!(wild & FW11_DL_VLAN))
		err = decode_vlan_11(w, wild, m);
	if (err)
		return err;
	if (!(wild & FW11_DL_TYPE)) {
		m->key.dl_type = w->dl_type;
		m->mask.dl_type = UINT16_MAX;
		of_match_set_default_packet_type(m);
	}

	uint16_t type = ntohs(m->key.dl_type);
	bool ipv4 = type == 0x0800, arp = type == 0x0806 || type == 0x8035;
	if (ipv4 && !(wild & FW11_NW_TOS)) {
		if (w->nw_tos & ~DSCP_MASK)
			return OF_ERR_OFPBMC_BAD_VALUE;
		m->key.nw_tos = w->nw_tos;
		m->mask.nw_tos = DSCP_MASK;
	}
	if (ipv4 || arp) {
		if (!(wild & FW11_NW_PROTO)) {
			m->key.nw_proto = w->nw_proto;
			m->mask.nw_proto = UINT8_MAX;
		}
		m->key.nw_src = w->nw_src;
		m->mask.nw_src = ~w->nw_src_mask;
		m->key.nw_dst = w->nw_dst;
		m->mask.nw_dst = ~w->nw_dst_mask;
	}
	if (ipv4)
		err = decode_ports_11(w, wild, m);
	if (err)
		return err;
	if (type == 0x8847 || type == 0x8848) {
		uint32_t lse = 0, lse_mask = 0;

		if (!(wild & FW11_MPLS_LABEL)) {
			lse |= ntohl(w->mpls_label) << MPLS_LABEL_SHIFT;
			lse_mask |= MPLS_LABEL_MASK;
		}
		if (!(wild & FW11_MPLS_TC)) {
			lse |= w->mpls_tc << MPLS_TC_SHIFT & MPLS_TC_MASK;
			lse_mask |= MPLS_TC_MASK;
		}
		m->key.mpls_lse[0] = htonl(lse);
		m->mask.mpls_lse[0] = htonl(lse_mask);
	}
	m->key.metadata = be64toh(w->metadata);
	m->mask.metadata = ~be64toh(w->metadata_mask);
	keep_masked(m);
	return 0;
}

void
of_match_encode_11(const struct of_match_full *m, struct ofp11_match *w)
{
	const struct of_key *k = &m->key, *mask = &m->mask;
	uint16_t tci = ntohs(k->vlans[0].tci), tci_mask = ntohs(mask->vlans[0].tci);
	uint32_t lse = ntohl(k->mpls_lse[0]), lse_mask = ntohl(mask->mpls_lse[0]);
	uint32_t wild = 0;

	memset(w, 0, sizeof(*w));
	w->type = htons(OFPMT_STANDARD);
	w->length = htons(sizeof(*w));
	if (mask->in_port)
		w->in_port = htonl(k->in_port);
	else
		wild |= FW11_IN_PORT;
	memcpy(w->dl_src, k->dl_src, 6);
	memcpy(w->dl_dst, k->dl_dst, 6);
	for (int i = 0; i < 6; i++) {
		w->dl_src_mask[i] = ~mask->dl_src[i];
		w->dl_dst_mask[i] = ~mask->dl_dst[i];
	}
	if (!tci_mask) {
		wild |= FW11_DL_VLAN | FW11_DL_VLAN_PCP;
	} else if (tci_mask & OF_VLAN_CFI && !(tci & OF_VLAN_CFI)) {
		w->dl_vlan = htons(VLAN_NONE_11);
		wild |= FW11_DL_VLAN_PCP;
	} else {
		w->dl_vlan = htons(tci_mask & OF_VLAN_VID_MASK ? tci & OF_VLAN_VID_MASK
								: VLAN_ANY_11);
		if (tci_mask & OF_VLAN_PCP_MASK)
			w->dl_vlan_pcp = tci >> OF_VLAN_PCP_SHIFT;
		else
			wild |= FW11_DL_VLAN_PCP;
	}
	w->dl_type = k->dl_type;
	wild |= mask->dl_type ? 0 : FW11_DL_TYPE;
	w->nw_tos = k->nw_tos & DSCP_MASK;
	wild |= mask->nw_tos & DSCP_MASK ? 0 : FW11_NW_TOS;
	w->nw_proto = k->nw_proto;
	wild |= mask->nw_proto ? 0 : FW11_NW_PROTO;
	w->nw_src = k->nw_src;
	w->nw_src_mask = ~mask->nw_src;
	w->nw_dst = k->nw_dst;
	w->nw_dst_mask = ~mask->nw_dst;
	w->tp_src = k->tp_src;
	wild |= mask->tp_src ? 0 : FW11_TP_SRC;
	w->tp_dst = k->tp_dst;
	wild |= mask->tp_dst ? 0 : FW11_TP_DST;
	if (lse_mask & MPLS_LABEL_MASK)
		w->mpls_label = htonl(lse >> MPLS_LABEL_SHIFT);
	else
		wild |= FW11_MPLS_LABEL;
	if (lse_mask & MPLS_TC_MASK)
		w->mpls_tc = (lse & MPLS_TC_MASK) >> MPLS_TC_SHIFT;
	else
		wild |= FW11_MPLS_TC;
	w->metadata = htobe64(k->metadata);
	w->metadata_mask = htobe64(~mask->metadata);
	w->wildcards = htonl(wild);
}

/* --- Frames. --- */

static size_t
padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

of_err_t
of_nx_match_decode(const void *data, size_t size, size_t match_len, unsigned flags,
		   const struct of_tlv_map *map, struct of_match_full *m, uint64_t *cookie,
		   uint64_t *cookie_mask, size_t *ret_used)
{
	if (padded(match_len) > size)
		return OF_ERR_OFPBMC_BAD_LEN;
	*ret_used = padded(match_len);
	return of_oxm_decode(data, match_len, flags, map, m, cookie, cookie_mask);
}

size_t
of_nx_match_encode(const struct of_match *m, const struct of_tlv_map *map, uint64_t cookie,
		   uint64_t cookie_mask, struct wf_buf *b)
{
	size_t len = of_oxm_encode_packed(m, 0, map, cookie, cookie_mask, b);

	wf_buf_put_zeros(b, padded(len) - len);
	return len;
}

of_err_t
of_match_decode(const void *data, size_t size, uint8_t version, unsigned flags,
		const struct of_tlv_map *map, struct of_match_full *m, size_t *ret_used)
{
	uint16_t head[2];

	if (size < sizeof(head))
		return OF_ERR_OFPBMC_BAD_LEN;
	memcpy(head, data, sizeof(head));
	size_t length = ntohs(head[1]);

	switch (ntohs(head[0])) {
	case OFPMT_STANDARD:
		if (length != sizeof(struct ofp11_match) || size < length)
			return OF_ERR_OFPBMC_BAD_LEN;
		*ret_used = length;
		return of_match_decode_11(data, m);
	case OFPMT_OXM:
		if (length < sizeof(head) || padded(length) > size)
			return OF_ERR_OFPBMC_BAD_LEN;
		*ret_used = padded(length);
		return of_oxm_decode((const uint8_t *)data + sizeof(head), length - sizeof(head),
				     flags, map, m, NULL, NULL);
	default:
		return OF_ERR_OFPBMC_BAD_TYPE;
	}
}

size_t
of_match_encode(const struct of_match *m, uint8_t version, const struct of_tlv_map *map,
		struct wf_buf *b)
{
	size_t start = b->size;
	__be16 head[2] = { htons(OFPMT_OXM), 0 };

	if (version == 2) {
		struct of_match_full full;

		of_match_unpack(m, &full);
		of_match_encode_11(&full, wf_buf_put_uninit(b, sizeof(struct ofp11_match)));
		return sizeof(struct ofp11_match);
	}
	wf_buf_put(b, head, sizeof(head));
	size_t len = sizeof(head) + of_oxm_encode_packed(m, version, map, 0, 0, b);
	wf_buf_put_zeros(b, padded(len) - len);
	head[1] = htons(len);
	memcpy(wf_buf_at(b, start), head, sizeof(head));
	return len;
}
