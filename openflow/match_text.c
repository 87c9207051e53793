// SPDX-License-Identifier: Apache-2.0
/* A match as ovs-ofctl prints it.  Order, spelling and which number is decimal follow Open
 * vSwitch to the letter: scripts compare the text. */
#include <arpa/inet.h>
#include <endian.h>

#include "openflow/match.h"
#include "openflow/text.h"
#include "openflow/tlv_map.h"

#define DEFAULT_PRIORITY 32768

struct out {
	struct wf_str *s;
	const struct of_key *k, *m;
	uint16_t type; /* the EtherType, or that of the packet type */
};

static void
put_name(struct wf_str *s, const char *name)
{
	wf_str_put(s, name);
	wf_str_putc(s, '=');
}

static void
put_decimal(struct wf_str *s, const char *name, uint64_t v)
{
	put_name(s, name);
	of_u64_format(v, s);
	wf_str_putc(s, ',');
}

/* "%#x": the digits that are needed. */
static void
put_hex(struct wf_str *s, const char *name, uint64_t v)
{
	put_name(s, name);
	of_x64_format(v, s);
	wf_str_putc(s, ',');
}

static void
put_hex_masked(struct wf_str *s, const char *name, uint64_t v, uint64_t mask, uint64_t full)
{
	if (!mask)
		return;
	put_name(s, name);
	of_x64_format(v, s);
	if (mask != full) {
		wf_str_putc(s, '/');
		of_x64_format(mask, s);
	}
	wf_str_putc(s, ',');
}

/* Decimal if exact, else "0x%0Nx/0x%0Nx". */
static void
put_int_masked(struct wf_str *s, const char *name, uint32_t v, uint32_t mask, uint32_t full,
	       int digits)
{
	if (!mask)
		return;
	if (mask == full)
		put_decimal(s, name, v);
	else
		wf_str_fmt(s, "%s=0x%0*x/0x%0*x,", name, digits, v, digits, mask);
}

static void
put_be16(struct wf_str *s, const char *name, __be16 v, __be16 mask)
{
	put_int_masked(s, name, ntohs(v), ntohs(mask), UINT16_MAX, 1);
}

static void
put_mac(struct wf_str *s, const char *name, const uint8_t *v, const uint8_t *mask)
{
	if (of_bytes_all(mask, 6, 0))
		return;
	put_name(s, name);
	of_mac_format_masked(v, mask, s);
	wf_str_putc(s, ',');
}

static void
put_ipv4(struct wf_str *s, const char *name, __be32 v, __be32 mask)
{
	if (!mask)
		return;
	put_name(s, name);
	of_ipv4_format_masked(v, mask, s);
	wf_str_putc(s, ',');
}

static void
put_ipv6(struct wf_str *s, const char *name, const struct in6_addr *v, const struct in6_addr *mask)
{
	if (of_bytes_all(mask, sizeof(*mask), 0))
		return;
	put_name(s, name);
	of_ipv6_format_masked(v, mask, s);
	wf_str_putc(s, ',');
}

static void
put_conntrack(const struct out *o)
{
	const struct of_key *k = o->k, *m = o->m;
	struct wf_str *s = o->s;

	if (m->ct_state) {
		put_name(s, "ct_state");
		of_flags_format_masked(s, of_ct_state_name, k->ct_state, m->ct_state, UINT8_MAX);
		wf_str_putc(s, ',');
	}
	put_int_masked(s, "ct_zone", k->ct_zone, m->ct_zone, UINT16_MAX, 1);
	put_hex_masked(s, "ct_mark", k->ct_mark, m->ct_mark, UINT32_MAX);
	if (!of_bytes_all(m->ct_label, sizeof(m->ct_label), 0)) {
		const struct of_field *f = of_field(OF_F_CT_LABEL);
		union of_value v;

		put_name(s, "ct_label");
		of_field_get(f, k, &v);
		of_hex_format(v.b, f->n_bytes, s);
		of_field_get(f, m, &v);
		if (!of_value_is_all_ones(f, &v)) {
			wf_str_putc(s, '/');
			of_hex_format(v.b, f->n_bytes, s);
		}
		wf_str_putc(s, ',');
	}
	put_ipv4(s, "ct_nw_src", k->ct_nw_src, m->ct_nw_src);
	put_ipv6(s, "ct_ipv6_src", &k->ct_ipv6_src, &m->ct_ipv6_src);
	put_ipv4(s, "ct_nw_dst", k->ct_nw_dst, m->ct_nw_dst);
	put_ipv6(s, "ct_ipv6_dst", &k->ct_ipv6_dst, &m->ct_ipv6_dst);
	if (m->ct_nw_proto) {
		put_decimal(s, "ct_nw_proto", k->ct_nw_proto);
		put_be16(s, "ct_tp_src", k->ct_tp_src, m->ct_tp_src);
		put_be16(s, "ct_tp_dst", k->ct_tp_dst, m->ct_tp_dst);
	}
}

static void
put_tun_metadata(const struct out *o)
{
	const struct of_tlv_map *map = of_tlv_map_current();

	for (uint64_t left = o->m->tun_metadata_present; left; left &= left - 1) {
		unsigned i = __builtin_ctzll(left), len = of_tlv_len(map, i);
		uint8_t v[OF_TLV_MAX_LEN], mask[OF_TLV_MAX_LEN];

		of_tlv_read(map, i, o->k, v);
		of_tlv_read(map, i, o->m, mask);
		wf_str_fmt(o->s, "tun_metadata%u", i);
		if (!(o->k->tun_metadata_present >> i & 1)) {
			wf_str_put(o->s, "=NP");
		} else if (len && !of_bytes_all(mask, len, 0)) {
			wf_str_putc(o->s, '=');
			of_hex_format(v, len, o->s);
			if (!of_bytes_all(mask, len, 0xff)) {
				wf_str_putc(o->s, '/');
				of_hex_format(mask, len, o->s);
			}
		}
		wf_str_putc(o->s, ',');
	}
}

static void
put_tunnel(const struct out *o)
{
	const struct of_key *k = o->k, *m = o->m;
	struct wf_str *s = o->s;
	const uint16_t all_flags = OF_TUN_F_OAM | OF_TUN_F_DF | OF_TUN_F_CSUM | OF_TUN_F_KEY;

	put_hex_masked(s, "tun_id", k->tun_id, m->tun_id, UINT64_MAX);
	put_ipv4(s, "tun_src", k->tun_src, m->tun_src);
	put_ipv4(s, "tun_dst", k->tun_dst, m->tun_dst);
	put_ipv6(s, "tun_ipv6_src", &k->tun_ipv6_src, &m->tun_ipv6_src);
	put_ipv6(s, "tun_ipv6_dst", &k->tun_ipv6_dst, &m->tun_ipv6_dst);
	put_be16(s, "tun_gbp_id", k->tun_gbp_id, m->tun_gbp_id);
	if (m->tun_gbp_flags)
		put_hex(s, "tun_gbp_flags", k->tun_gbp_flags);
	if (m->tun_tos)
		wf_str_fmt(s, "tun_tos=%x,", k->tun_tos);
	if (m->tun_ttl)
		put_decimal(s, "tun_ttl", k->tun_ttl);
	if (m->tun_erspan_ver)
		put_decimal(s, "tun_erspan_ver", k->tun_erspan_ver);
	if (m->tun_erspan_idx && k->tun_erspan_ver == 1)
		put_hex(s, "tun_erspan_idx", k->tun_erspan_idx);
	if (m->tun_erspan_dir && k->tun_erspan_ver == 2)
		put_decimal(s, "tun_erspan_dir", k->tun_erspan_dir);
	if (m->tun_erspan_hwid && k->tun_erspan_ver == 2)
		put_hex(s, "tun_erspan_hwid", k->tun_erspan_hwid);
	if (m->tun_gtpu_flags)
		put_hex(s, "gtpu_flags", k->tun_gtpu_flags);
	if (m->tun_gtpu_msgtype)
		put_decimal(s, "gtpu_msgtype", k->tun_gtpu_msgtype);
	if (m->tun_flags & all_flags) {
		put_name(s, "tun_flags");
		of_flags_format_masked(s, of_tun_flag_name, k->tun_flags & all_flags,
				       m->tun_flags & all_flags, all_flags);
		wf_str_putc(s, ',');
	}
	put_tun_metadata(o);
}

/* "tcp", "ip", "arp", ...; returns whether it tells of the EtherType, and of the protocol. */
static bool
put_protocol(const struct out *o, bool *ret_proto_said)
{
	const char *name = NULL;
	bool ip6 = o->type == 0x86dd;

	*ret_proto_said = false;
	switch (o->type) {
	case 0x0800:
	case 0x86dd:
		if (o->m->nw_proto) {
			*ret_proto_said = true;
			switch (o->k->nw_proto) {
			case IPPROTO_ICMP: name = ip6 ? NULL : "icmp"; break;
			case IPPROTO_ICMPV6: name = ip6 ? "icmp6" : NULL; break;
			case IPPROTO_TCP: name = ip6 ? "tcp6" : "tcp"; break;
			case IPPROTO_UDP: name = ip6 ? "udp6" : "udp"; break;
			case IPPROTO_SCTP: name = ip6 ? "sctp6" : "sctp"; break;
			}
		}
		if (!name) {
			*ret_proto_said = false;
			name = ip6 ? "ipv6" : "ip";
		}
		break;
	case 0x0806: name = "arp"; break;
	case 0x8035: name = "rarp"; break;
	case 0x8847: name = "mpls"; break;
	case 0x8848: name = "mplsm"; break;
	}
	if (!name)
		return false;
	wf_str_put(o->s, name);
	wf_str_putc(o->s, ',');
	return true;
}

static void
put_vlans(const struct out *o)
{
	for (int i = 0; i < OF_MAX_VLANS && o->m->vlans[i].tci; i++) {
		uint16_t tci = ntohs(o->k->vlans[i].tci), mask = ntohs(o->m->vlans[i].tci);
		uint16_t vid = mask & OF_VLAN_VID_MASK, pcp = mask & OF_VLAN_PCP_MASK;
		char n[4] = "";

		if (i)
			n[0] = '0' + i;
		if (mask & tci & OF_VLAN_CFI && (!vid || vid == OF_VLAN_VID_MASK) &&
		    (!pcp || pcp == OF_VLAN_PCP_MASK) && (vid || pcp)) {
			if (vid)
				wf_str_fmt(o->s, "dl_vlan%s=%u,", n, tci & OF_VLAN_VID_MASK);
			if (pcp)
				wf_str_fmt(o->s, "dl_vlan_pcp%s=%u,", n, tci >> OF_VLAN_PCP_SHIFT);
		} else if (mask == UINT16_MAX) {
			wf_str_fmt(o->s, "vlan_tci%s=0x%04x,", n, tci);
		} else {
			wf_str_fmt(o->s, "vlan_tci%s=0x%04x/0x%04x,", n, tci, mask);
		}
	}
}

static void
put_pbb(const struct out *o)
{
	uint32_t isid = o->m->pbb_isid & 0xffffff;

	if (isid == 0xffffff)
		put_decimal(o->s, "pbb_isid", o->k->pbb_isid & 0xffffff);
	else if (isid)
		wf_str_fmt(o->s, "pbb_isid=%u/0x%x,", o->k->pbb_isid & 0xffffff, isid);
	if (o->m->pbb_uca)
		put_decimal(o->s, "pbb_uca", o->k->pbb_uca);
}

static void
put_nsh(const struct out *o)
{
	const struct of_nsh *k = &o->k->nsh, *m = &o->m->nsh;
	uint32_t path = ntohl(k->path_hdr), path_mask = ntohl(m->path_hdr);
	struct wf_str *s = o->s;

	put_int_masked(s, "nsh_flags", k->flags, m->flags, UINT8_MAX, 2);
	put_int_masked(s, "nsh_ttl", k->ttl, m->ttl, UINT8_MAX, 2);
	put_int_masked(s, "nsh_mdtype", k->mdtype, m->mdtype, UINT8_MAX, 2);
	put_int_masked(s, "nsh_np", k->np, m->np, UINT8_MAX, 2);
	if (path_mask >> 8) {
		wf_str_fmt(s, "nsh_spi=0x%x", path >> 8);
		if (path_mask >> 8 != 0xffffff)
			wf_str_fmt(s, "/0x%x", path_mask >> 8);
		wf_str_putc(s, ',');
	}
	put_int_masked(s, "nsh_si", path & 0xff, path_mask & 0xff, UINT8_MAX, 2);
	if (m->mdtype != UINT8_MAX || k->mdtype != 1)
		return;
	for (int i = 0; i < 4; i++) {
		if (!m->context[i])
			continue;
		wf_str_fmt(s, "nsh_c%d=0x%x", i + 1, ntohl(k->context[i]));
		if (m->context[i] != (__be32)UINT32_MAX)
			wf_str_fmt(s, "/0x%x", ntohl(m->context[i]));
		wf_str_putc(s, ',');
	}
}

static void
put_addresses(const struct out *o, bool proto_said)
{
	const struct of_key *k = o->k, *m = o->m;
	struct wf_str *s = o->s;
	bool arp = o->type == 0x0806 || o->type == 0x8035;

	if (o->type == 0x86dd) {
		uint32_t label = ntohl(m->ipv6_label) & 0xfffff;

		put_ipv6(s, "ipv6_src", &k->ipv6_src, &m->ipv6_src);
		put_ipv6(s, "ipv6_dst", &k->ipv6_dst, &m->ipv6_dst);
		if (label) {
			wf_str_fmt(s, "ipv6_label=0x%05x", ntohl(k->ipv6_label));
			if (label != 0xfffff)
				wf_str_fmt(s, "/0x%05x", label);
			wf_str_putc(s, ',');
		}
		put_hex_masked(s, "ipv6_exthdr", k->ipv6_exthdr, m->ipv6_exthdr & 0x1ff, 0x1ff);
	} else if (arp) {
		put_ipv4(s, "arp_spa", k->nw_src, m->nw_src);
		put_ipv4(s, "arp_tpa", k->nw_dst, m->nw_dst);
	} else if (o->type == 0x894f) {
		put_nsh(o);
	} else {
		put_ipv4(s, "nw_src", k->nw_src, m->nw_src);
		put_ipv4(s, "nw_dst", k->nw_dst, m->nw_dst);
	}
	if (!proto_said && m->nw_proto)
		put_decimal(s, arp ? "arp_op" : "nw_proto", k->nw_proto);
	if (arp) {
		put_mac(s, "arp_sha", k->arp_sha, m->arp_sha);
		put_mac(s, "arp_tha", k->arp_tha, m->arp_tha);
	}
}

static void
put_ip_and_mpls(const struct out *o)
{
	const struct of_key *k = o->k, *m = o->m;
	uint32_t lse = ntohl(k->mpls_lse[0]), lse_mask = ntohl(m->mpls_lse[0]);
	struct wf_str *s = o->s;

	if (m->nw_tos & 0xfc)
		put_decimal(s, "nw_tos", k->nw_tos & 0xfc);
	if (m->nw_tos & 0x03)
		put_decimal(s, "nw_ecn", k->nw_tos & 0x03);
	if (m->nw_ttl)
		put_decimal(s, "nw_ttl", k->nw_ttl);
	if (lse_mask & 0xfffff000)
		put_decimal(s, "mpls_label", lse >> 12);
	if (lse_mask & 0x00000e00)
		put_decimal(s, "mpls_tc", lse >> 9 & 7);
	if (lse_mask & 0x000000ff)
		put_decimal(s, "mpls_ttl", lse & 0xff);
	if (lse_mask & 0x00000100)
		put_decimal(s, "mpls_bos", lse >> 8 & 1);
	put_int_masked(s, "mpls_lse1", ntohl(k->mpls_lse[1]), ntohl(m->mpls_lse[1]), UINT32_MAX, 8);
	put_int_masked(s, "mpls_lse2", ntohl(k->mpls_lse[2]), ntohl(m->mpls_lse[2]), UINT32_MAX, 8);

	bool frag = k->nw_frag & OF_FRAG_ANY, later = k->nw_frag & OF_FRAG_LATER;
	const char *name;
	switch (m->nw_frag & OF_FRAG_MASK) {
	case OF_FRAG_ANY | OF_FRAG_LATER:
		name = frag ? (later ? "later" : "first") : later ? "<error>" : "no";
		break;
	case OF_FRAG_ANY:
		name = frag ? "yes" : "no";
		break;
	case OF_FRAG_LATER:
		name = later ? "later" : "not_later";
		break;
	default:
		return;
	}
	put_name(s, "nw_frag");
	wf_str_put(s, name);
	wf_str_putc(s, ',');
}

static void
put_l4(const struct out *o)
{
	const struct of_key *k = o->k, *m = o->m;
	struct wf_str *s = o->s;

	if (o->type == 0x0800 && k->nw_proto == IPPROTO_ICMP) {
		put_be16(s, "icmp_type", k->tp_src, m->tp_src);
		put_be16(s, "icmp_code", k->tp_dst, m->tp_dst);
	} else if (o->type == 0x86dd && k->nw_proto == IPPROTO_ICMPV6) {
		put_be16(s, "icmp_type", k->tp_src, m->tp_src);
		put_be16(s, "icmp_code", k->tp_dst, m->tp_dst);
		put_ipv6(s, "nd_target", &k->nd_target, &m->nd_target);
		put_mac(s, "nd_sll", k->arp_sha, m->arp_sha);
		put_mac(s, "nd_tll", k->arp_tha, m->arp_tha);
		put_int_masked(s, "nd_reserved", ntohl(k->nd_reserved), ntohl(m->nd_reserved),
			       UINT32_MAX, 8);
		put_int_masked(s, "nd_options_type", k->nd_options_type, m->nd_options_type,
			       UINT8_MAX, 1);
	} else {
		put_be16(s, "tp_src", k->tp_src, m->tp_src);
		put_be16(s, "tp_dst", k->tp_dst, m->tp_dst);
	}
	if ((o->type == 0x0800 || o->type == 0x86dd) && k->nw_proto == IPPROTO_TCP &&
	    m->tcp_flags) {
		put_name(s, "tcp_flags");
		of_flags_format_masked(s, of_tcp_flag_name, ntohs(k->tcp_flags),
				       ntohs(m->tcp_flags) & 0xfff, 0xfff);
		wf_str_putc(s, ',');
	}
}

void
of_match_format(const struct of_match_full *match, int priority, of_port_name_fn *port_name,
		void *aux, struct wf_str *s)
{
	static const char *const reg_names[OF_N_REGS] = {
		"reg0", "reg1", "reg2", "reg3", "reg4", "reg5", "reg6", "reg7",
		"reg8", "reg9", "reg10", "reg11", "reg12", "reg13", "reg14", "reg15" };
	const struct of_key *k = &match->key, *m = &match->mask;
	struct out o = { s, k, m, ntohs(k->dl_type) };
	bool type_said = false, proto_said = false;
	size_t start = s->len;

	if (priority >= 0 && priority != DEFAULT_PRIORITY)
		put_decimal(s, "priority", priority);
	put_hex_masked(s, "pkt_mark", k->pkt_mark, m->pkt_mark, UINT32_MAX);
	put_hex_masked(s, "recirc_id", k->recirc_id, m->recirc_id, UINT32_MAX);
	put_hex_masked(s, "dp_hash", k->dp_hash, m->dp_hash, UINT32_MAX);
	if (m->conj_id)
		put_decimal(s, "conj_id", k->conj_id);
	if (m->skb_priority)
		put_hex(s, "skb_priority", k->skb_priority);
	if (m->actset_output) {
		put_name(s, "actset_output");
		of_port_format(k->actset_output, port_name, aux, s);
		wf_str_putc(s, ',');
	}
	put_conntrack(&o);
	if (m->packet_type && (!of_match_has_default_packet_type(match) || m->recirc_id)) {
		of_packet_type_format(k->packet_type, m->packet_type, s);
		wf_str_putc(s, ',');
		if (k->packet_type >> 16 == 1)
			o.type = k->packet_type;
	}
	if (m->dl_type)
		type_said = put_protocol(&o, &proto_said);
	for (int i = 0; i < OF_N_REGS; i++)
		put_hex_masked(s, reg_names[i], k->regs[i], m->regs[i], UINT32_MAX);
	put_tunnel(&o);
	put_hex_masked(s, "metadata", k->metadata, m->metadata, UINT64_MAX);
	if (m->in_port) {
		put_name(s, "in_port");
		of_port_format(k->in_port, port_name, aux, s);
		wf_str_putc(s, ',');
	}
	put_vlans(&o);
	put_mac(s, "dl_src", k->dl_src, m->dl_src);
	put_mac(s, "dl_dst", k->dl_dst, m->dl_dst);
	if (!type_said && m->dl_type)
		wf_str_fmt(s, "dl_type=0x%04x,", o.type);
	put_pbb(&o);
	put_addresses(&o, proto_said);
	put_ip_and_mpls(&o);
	put_l4(&o);
	if (s->len > start)
		wf_str_chomp(s, ',');
}
