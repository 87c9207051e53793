// SPDX-License-Identifier: Apache-2.0
/* Keys as matches, and as text: which fields a packet has. */
#include <arpa/inet.h>

#include "openflow/match.h"
#include "openflow/text.h"
#include "openflow/tlv_map.h"

#define MARK(M) memset(&m->mask.M, 0xff, sizeof(m->mask.M))
#define UNMARK(M) memset(&m->mask.M, 0, sizeof(m->mask.M))

static bool
is_zero6(const struct in6_addr *a)
{
	return IN6_IS_ADDR_UNSPECIFIED(a);
}

static void
mark_tunnel(const struct of_key *k, struct of_match_full *m)
{
	const struct of_tlv_map *map = of_tlv_map_current();

	if (!k->tun_dst && is_zero6(&k->tun_ipv6_dst)) {
		if (k->tun_id)
			MARK(tun_id);
		return;
	}
	if (k->tun_flags & OF_TUN_F_KEY)
		MARK(tun_id);
	MARK(tun_src);
	MARK(tun_dst);
	MARK(tun_ipv6_src);
	MARK(tun_ipv6_dst);
	MARK(tun_flags);
	MARK(tun_tos);
	MARK(tun_ttl);
	MARK(tun_gbp_id);
	MARK(tun_gbp_flags);
	MARK(tun_erspan_ver);
	MARK(tun_erspan_idx);
	MARK(tun_erspan_dir);
	MARK(tun_erspan_hwid);
	MARK(tun_gtpu_flags);
	MARK(tun_gtpu_msgtype);
	m->mask.tun_metadata_present = k->tun_metadata_present;
	for (uint64_t left = k->tun_metadata_present; left; left &= left - 1) {
		unsigned i = __builtin_ctzll(left);
		uint8_t ones[OF_TLV_MAX_LEN];

		memset(ones, 0xff, sizeof(ones));
		of_tlv_write(map, i, ones, &m->mask);
	}
}

static void
mark_ip(const struct of_key *k, struct of_match_full *m)
{
	m->mask.nw_frag = OF_FRAG_MASK;
	MARK(nw_tos);
	MARK(nw_ttl);
	MARK(nw_proto);
	MARK(ct_nw_proto);
	MARK(ct_tp_src);
	MARK(ct_tp_dst);
	if (k->nw_frag & OF_FRAG_LATER)
		return;
	switch (k->nw_proto) {
	case IPPROTO_TCP:
		MARK(tcp_flags);
		/* fall through */
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
	case IPPROTO_IGMP:
		MARK(tp_src);
		MARK(tp_dst);
		break;
	}
}

static void
mark_layers(const struct of_key *k, struct of_match_full *m)
{
	uint16_t type = ntohs(k->dl_type);

	if (k->packet_type == OF_PT_ETH) {
		MARK(dl_dst);
		MARK(dl_src);
		MARK(dl_type);
		/* The tags, and a zero one behind them to say that there are no more; OVS, which
		 * knows two tags, shows none behind the second. */
		for (int i = 0; i < OF_MAX_VLANS && (i < 2 || k->vlans[i].tci); i++) {
			MARK(vlans[i]);
			if (!k->vlans[i].tci)
				break;
		}
	} else {
		type = k->packet_type >> 16 == 1 ? k->packet_type : 0;
	}
	switch (type) {
	case 0x0800:
		MARK(nw_src);
		MARK(nw_dst);
		MARK(ct_nw_src);
		MARK(ct_nw_dst);
		mark_ip(k, m);
		break;
	case 0x86dd:
		MARK(ipv6_src);
		MARK(ipv6_dst);
		MARK(ipv6_label);
		if (k->nw_proto == IPPROTO_ICMPV6 && !k->tp_dst &&
		    (k->tp_src == htons(135) || k->tp_src == htons(136))) {
			MARK(arp_sha);
			MARK(arp_tha);
			MARK(nd_target);
		} else {
			MARK(ct_ipv6_src);
			MARK(ct_ipv6_dst);
		}
		mark_ip(k, m);
		break;
	case 0x0806:
	case 0x8035:
		MARK(nw_src);
		MARK(nw_dst);
		MARK(nw_proto);
		MARK(arp_sha);
		MARK(arp_tha);
		break;
	case 0x8847:
	case 0x8848:
		for (int i = 0; i < 3; i++) {
			MARK(mpls_lse[i]);
			if (k->mpls_lse[i] & htonl(0x100))
				break;
		}
		break;
	case 0x894f:
		MARK(nsh);
		mark_ip(k, m);
		break;
	case 0x88e7:
		m->mask.pbb_isid = 0xffffff;
		MARK(pbb_uca);
		break;
	}
}

void
of_match_from_key(const struct of_key *k, struct of_match_full *m)
{
	memset(&m->mask, 0, sizeof(m->mask));
	m->key = *k;
	mark_tunnel(k, m);
	MARK(skb_priority);
	MARK(pkt_mark);
	MARK(ct_state);
	MARK(ct_zone);
	MARK(ct_mark);
	MARK(ct_label);
	MARK(recirc_id);
	MARK(dp_hash);
	MARK(in_port);
	MARK(packet_type);
	MARK(regs);
	MARK(metadata);
	mark_layers(k, m);
}

#define UNMARK_ZERO(M)                                                                         \
	do {                                                                                   \
		if (of_bytes_all(&k->M, sizeof(k->M), 0))                                      \
			UNMARK(M);                                                             \
	} while (0)

void
of_key_format(const struct of_key *k, of_port_name_fn *port_name, void *aux, struct wf_str *s)
{
	struct of_match_full match, *m = &match;

	of_match_from_key(k, m);
	UNMARK_ZERO(in_port);
	UNMARK_ZERO(skb_priority);
	UNMARK_ZERO(pkt_mark);
	UNMARK_ZERO(recirc_id);
	UNMARK_ZERO(dp_hash);
	UNMARK_ZERO(ct_state);
	UNMARK_ZERO(ct_zone);
	UNMARK_ZERO(ct_mark);
	UNMARK_ZERO(ct_label);
	UNMARK_ZERO(metadata);
	for (int i = 0; i < OF_N_REGS; i++)
		UNMARK_ZERO(regs[i]);
	if (!of_match_has_prereqs(m, of_field(OF_F_CT_NW_PROTO)) || !k->ct_nw_proto) {
		UNMARK(ct_nw_proto);
		UNMARK(ct_tp_src);
		UNMARK(ct_tp_dst);
		if (k->dl_type == htons(0x0800)) {
			UNMARK(ct_nw_src);
			UNMARK(ct_nw_dst);
		} else if (k->dl_type == htons(0x86dd)) {
			UNMARK(ct_ipv6_src);
			UNMARK(ct_ipv6_dst);
		}
	}
	of_match_format(m, -1, port_name, aux, s);
}

#define TAKE(M)                                                                                \
	do {                                                                                   \
		if (!of_bytes_all(&k->M, sizeof(k->M), 0)) {                                   \
			memcpy(&m->key.M, &k->M, sizeof(k->M));                                \
			MARK(M);                                                               \
		}                                                                              \
	} while (0)

static void
take_conntrack(const struct of_key *k, struct of_match_full *m)
{
	if (k->ct_state) {
		TAKE(ct_state);
		/* Says whose addresses the original tuple has. */
		m->key.dl_type = k->dl_type;
		MARK(dl_type);
		if (k->ct_state & (OF_CS_NEW | OF_CS_EST | OF_CS_RPL) && k->ct_nw_proto &&
		    (k->dl_type == htons(0x0800) || k->dl_type == htons(0x86dd))) {
			if (k->dl_type == htons(0x0800)) {
				m->key.ct_nw_src = k->ct_nw_src;
				m->key.ct_nw_dst = k->ct_nw_dst;
				MARK(ct_nw_src);
				MARK(ct_nw_dst);
			} else {
				m->key.ct_ipv6_src = k->ct_ipv6_src;
				m->key.ct_ipv6_dst = k->ct_ipv6_dst;
				MARK(ct_ipv6_src);
				MARK(ct_ipv6_dst);
			}
			TAKE(ct_nw_proto);
			m->key.ct_tp_src = k->ct_tp_src;
			m->key.ct_tp_dst = k->ct_tp_dst;
			MARK(ct_tp_src);
			MARK(ct_tp_dst);
		}
	}
	TAKE(ct_zone);
	TAKE(ct_mark);
	if (!of_bytes_all(k->ct_label, sizeof(k->ct_label), 0))
		TAKE(ct_label);
}

void
of_match_metadata_from_key(const struct of_key *k, struct of_match_full *m)
{
	const struct of_tlv_map *map = of_tlv_map_current();

	of_match_init_any(m);
	TAKE(tun_id);
	if (k->tun_flags & OF_TUN_F_OAM) {
		m->key.tun_flags = OF_TUN_F_OAM;
		m->mask.tun_flags = OF_TUN_F_OAM;
	}
	TAKE(tun_src);
	TAKE(tun_dst);
	TAKE(tun_ipv6_src);
	TAKE(tun_ipv6_dst);
	TAKE(tun_gbp_id);
	TAKE(tun_gbp_flags);
	TAKE(tun_erspan_ver);
	TAKE(tun_erspan_idx);
	TAKE(tun_erspan_dir);
	TAKE(tun_erspan_hwid);
	TAKE(tun_gtpu_flags);
	TAKE(tun_gtpu_msgtype);
	for (uint64_t left = k->tun_metadata_present; left; left &= left - 1) {
		unsigned i = __builtin_ctzll(left);
		uint8_t v[OF_TLV_MAX_LEN];

		of_tlv_read(map, i, k, v);
		of_tlv_write(map, i, v, &m->key);
		memset(v, 0xff, sizeof(v));
		of_tlv_write(map, i, v, &m->mask);
	}
	m->key.tun_metadata_present = m->mask.tun_metadata_present = k->tun_metadata_present;
	TAKE(metadata);
	for (int i = 0; i < OF_N_REGS; i++)
		TAKE(regs[i]);
	TAKE(pkt_mark);
	m->key.in_port = k->in_port;
	MARK(in_port);
	if (k->packet_type != OF_PT_ETH) {
		m->key.packet_type = k->packet_type;
		MARK(packet_type);
	}
	take_conntrack(k, m);
}
