// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>

#include "openflow/dp_text.h"
#include "openflow/field.h"
#include "openflow/text.h"
#include "openflow/tlv_map.h"

struct out {
	struct wf_str *s;
	const struct of_key *k, *m; /* 'm' is all ones for an exact key */
	bool verbose;
	const struct of_dp_tunnel_ports *tunnel_ports; /* or NULL */
};

static bool
wanted(const struct out *o, const void *mask, size_t size)
{
	return o->verbose || !of_bytes_all(mask, size, 0);
}

/* "name(" of a group; groups are parted by commas. */
static void
begin(const struct out *o, const char *name)
{
	size_t len = o->s->len;

	if (len && o->s->s[len - 1] != '(' && o->s->s[len - 1] != ' ')
		wf_str_putc(o->s, ',');
	wf_str_put(o->s, name);
	wf_str_putc(o->s, '(');
}

static void
end(const struct out *o)
{
	wf_str_chomp(o->s, ',');
	wf_str_putc(o->s, ')');
}

/* name=value[/mask], with the value decimal or hexadecimal and the mask always hexadecimal. */
static void
put_int(const struct out *o, const char *name, uint64_t v, uint64_t mask, uint64_t full, bool hex)
{
	if (!mask && !o->verbose)
		return;
	if (*name) {
		wf_str_put(o->s, name);
		wf_str_putc(o->s, '=');
	}
	if (hex)
		of_x64_format(v, o->s);
	else
		of_u64_format(v, o->s);
	if (mask != full) {
		wf_str_putc(o->s, '/');
		of_x64_format(mask, o->s);
	}
	wf_str_putc(o->s, ',');
}

static void
put_mac(const struct out *o, const char *name, const uint8_t *v, const uint8_t *mask)
{
	if (!wanted(o, mask, 6))
		return;
	wf_str_fmt(o->s, "%s=", name);
	of_mac_format_masked(v, mask, o->s);
	wf_str_putc(o->s, ',');
}

static void
put_ipv4(const struct out *o, const char *name, __be32 v, __be32 mask)
{
	if (!wanted(o, &mask, sizeof(mask)))
		return;
	wf_str_fmt(o->s, "%s=", name);
	of_ipv4_format(v, o->s);
	if (mask != (__be32)UINT32_MAX) {
		wf_str_putc(o->s, '/');
		of_ipv4_format(mask, o->s);
	}
	wf_str_putc(o->s, ',');
}

static void
put_ipv6(const struct out *o, const char *name, const struct in6_addr *v,
	 const struct in6_addr *mask)
{
	if (!wanted(o, mask, sizeof(*mask)))
		return;
	wf_str_fmt(o->s, "%s=", name);
	of_ipv6_format(v, o->s);
	if (!of_bytes_all(mask, sizeof(*mask), 0xff)) {
		wf_str_putc(o->s, '/');
		of_ipv6_format(mask, o->s);
	}
	wf_str_putc(o->s, ',');
}

static void
put_u8(const struct out *o, const char *name, uint8_t v, uint8_t mask, bool hex)
{
	put_int(o, name, v, mask, UINT8_MAX, hex);
}

static void
put_be16(const struct out *o, const char *name, __be16 v, __be16 mask)
{
	put_int(o, name, ntohs(v), ntohs(mask), UINT16_MAX, false);
}

/* One number as the whole group: recirc_id(0x1). */
static void
put_single(const struct out *o, const char *name, uint64_t v, uint64_t mask, uint64_t full)
{
	if (!mask && !o->verbose)
		return;
	begin(o, name);
	put_int(o, "", v, mask, full, true);
	end(o);
}

static void
put_tunnel(const struct out *o)
{
	const struct of_key *k = o->k, *m = o->m;
	const struct of_tlv_map *map = of_tlv_map_current();
	const uint16_t all_flags = OF_TUN_F_OAM | OF_TUN_F_DF | OF_TUN_F_CSUM | OF_TUN_F_KEY;

	if (!k->tun_dst && IN6_IS_ADDR_UNSPECIFIED(&k->tun_ipv6_dst) && !k->tun_src &&
	    IN6_IS_ADDR_UNSPECIFIED(&k->tun_ipv6_src))
		return;
	begin(o, "tunnel");
	if (k->tun_flags & OF_TUN_F_KEY || k->tun_id) {
		if (m->tun_id || o->verbose) {
			wf_str_fmt(o->s, "tun_id=0x%llx", (unsigned long long)k->tun_id);
			if (m->tun_id != UINT64_MAX)
				wf_str_fmt(o->s, "/%#llx", (unsigned long long)m->tun_id);
			wf_str_putc(o->s, ',');
		}
	}
	if (k->tun_src)
		put_ipv4(o, "src", k->tun_src, m->tun_src);
	if (k->tun_dst)
		put_ipv4(o, "dst", k->tun_dst, m->tun_dst);
	if (!IN6_IS_ADDR_UNSPECIFIED(&k->tun_ipv6_src))
		put_ipv6(o, "ipv6_src", &k->tun_ipv6_src, &m->tun_ipv6_src);
	if (!IN6_IS_ADDR_UNSPECIFIED(&k->tun_ipv6_dst))
		put_ipv6(o, "ipv6_dst", &k->tun_ipv6_dst, &m->tun_ipv6_dst);
	if (k->tun_tos)
		put_u8(o, "tos", k->tun_tos, m->tun_tos, true);
	put_u8(o, "ttl", k->tun_ttl, m->tun_ttl, false);
	if (o->tunnel_ports) {
		const struct of_dp_tunnel_ports *t = o->tunnel_ports;

		if (t->src_mask)
			put_int(o, "tp_src", t->src, t->src_mask, UINT16_MAX, false);
		if (t->dst_mask)
			put_int(o, "tp_dst", t->dst, t->dst_mask, UINT16_MAX, false);
	}
	if (k->tun_gbp_id || k->tun_gbp_flags) {
		wf_str_put(o->s, "vxlan(gbp(");
		put_be16(o, "id", k->tun_gbp_id, m->tun_gbp_id);
		put_u8(o, "flags", k->tun_gbp_flags, m->tun_gbp_flags, true);
		wf_str_chomp(o->s, ',');
		wf_str_put(o->s, ")),");
	}
	if (map && (k->tun_metadata_present || of_tlv_unknown(map, k, 0))) {
		const uint8_t *unknown;

		wf_str_put(o->s, "geneve(");
		for (uint64_t left = k->tun_metadata_present; left; left &= left - 1) {
			unsigned i = __builtin_ctzll(left);
			const struct of_tlv_entry *e = &map->entry[i];
			uint8_t v[OF_TLV_MAX_LEN], mask[OF_TLV_MAX_LEN];

			of_tlv_read(map, i, k, v);
			of_tlv_read(map, i, m, mask);
			wf_str_fmt(o->s, "{class=%#x,type=%#x,len=%u,", e->opt_class, e->type, e->len);
			if (e->len && wanted(o, mask, e->len)) {
				of_hex_format(v, e->len, o->s);
				if (!of_bytes_all(mask, e->len, 0xff)) {
					wf_str_putc(o->s, '/');
					of_hex_format(mask, e->len, o->s);
				}
			} else {
				wf_str_chomp(o->s, ',');
			}
			wf_str_putc(o->s, '}');
		}
		for (unsigned i = 0; (unknown = of_tlv_unknown(map, k, i)) != NULL; i++)
			wf_str_fmt(o->s, "{class=%#x,type=%#x,len=%u}", unknown[0] << 8 | unknown[1],
				   unknown[2], unknown[3] * 4);
		wf_str_put(o->s, "),");
	}
	if (m->tun_flags & all_flags || o->verbose) {
		wf_str_put(o->s, "flags(");
		of_flags_format_masked(o->s, of_tun_flag_name, k->tun_flags & all_flags,
				       m->tun_flags & all_flags, all_flags);
		wf_str_put(o->s, "),");
	}
	end(o);
}

static void
put_conntrack(const struct out *o)
{
	const struct of_key *k = o->k, *m = o->m;

	if (m->ct_state || o->verbose) {
		begin(o, "ct_state");
		if (o->verbose)
			put_int(o, "", k->ct_state, m->ct_state, UINT8_MAX, true);
		else
			of_flags_format_masked(o->s, of_ct_state_name, k->ct_state, m->ct_state,
					       UINT8_MAX);
		end(o);
	}
	put_single(o, "ct_zone", k->ct_zone, m->ct_zone, UINT16_MAX);
	put_single(o, "ct_mark", k->ct_mark, m->ct_mark, UINT32_MAX);
	if (wanted(o, m->ct_label, sizeof(m->ct_label))) {
		union of_value v, mask;

		of_field_get(of_field(OF_F_CT_LABEL), k, &v);
		of_field_get(of_field(OF_F_CT_LABEL), m, &mask);
		begin(o, "ct_label");
		of_hex_format(v.b, 16, o->s);
		if (!of_bytes_all(mask.b, 16, 0xff)) {
			wf_str_putc(o->s, '/');
			of_hex_format(mask.b, 16, o->s);
		}
		end(o);
	}
	if (!k->ct_nw_proto)
		return;
	bool any = m->ct_nw_proto || m->ct_tp_src || m->ct_tp_dst || o->verbose;
	if (k->dl_type == htons(0x0800) && (any || m->ct_nw_src || m->ct_nw_dst)) {
		begin(o, "ct_tuple4");
		put_ipv4(o, "src", k->ct_nw_src, m->ct_nw_src);
		put_ipv4(o, "dst", k->ct_nw_dst, m->ct_nw_dst);
	} else if (k->dl_type == htons(0x86dd) &&
		   (any || wanted(o, &m->ct_ipv6_src, 2 * sizeof(m->ct_ipv6_src)))) {
		begin(o, "ct_tuple6");
		put_ipv6(o, "src", &k->ct_ipv6_src, &m->ct_ipv6_src);
		put_ipv6(o, "dst", &k->ct_ipv6_dst, &m->ct_ipv6_dst);
	} else {
		return;
	}
	put_u8(o, "proto", k->ct_nw_proto, m->ct_nw_proto, false);
	put_be16(o, "tp_src", k->ct_tp_src, m->ct_tp_src);
	put_be16(o, "tp_dst", k->ct_tp_dst, m->ct_tp_dst);
	end(o);
}

/* Tags; returns how many encap( are open. */
static unsigned
put_vlans(const struct out *o)
{
	unsigned n = 0;

	for (; n < OF_MAX_VLANS && o->k->vlans[n].tci; n++) {
		uint16_t tci = ntohs(o->k->vlans[n].tci), mask = ntohs(o->m->vlans[n].tci);
		uint16_t tpid = o->k->vlans[n].tpid ? ntohs(o->k->vlans[n].tpid) : 0x8100;
		uint16_t vid = tci & OF_VLAN_VID_MASK, pcp = tci >> OF_VLAN_PCP_SHIFT;
		uint16_t vid_mask = mask & OF_VLAN_VID_MASK, pcp_mask = mask >> OF_VLAN_PCP_SHIFT;

		begin(o, "eth_type");
		wf_str_fmt(o->s, "0x%04x)", tpid);
		if (mask || o->verbose) {
			begin(o, "vlan");
			if (o->verbose || vid_mask || vid) {
				wf_str_fmt(o->s, "vid=%u", vid);
				if (vid_mask != OF_VLAN_VID_MASK)
					wf_str_fmt(o->s, "/0x%x", vid_mask);
				wf_str_putc(o->s, ',');
			}
			if (o->verbose || pcp_mask || pcp) {
				wf_str_fmt(o->s, "pcp=%d", pcp);
				if (pcp_mask != 7)
					wf_str_fmt(o->s, "/0x%x", pcp_mask);
				wf_str_putc(o->s, ',');
			}
			if (!(tci & OF_VLAN_CFI))
				wf_str_put(o->s, "cfi=0,");
			end(o);
		}
		begin(o, "encap");
	}
	return n;
}

static void
put_mpls(const struct out *o)
{
	if (!wanted(o, o->m->mpls_lse, sizeof(o->m->mpls_lse)))
		return;
	begin(o, "mpls");
	bool exact = true;
	unsigned n = 0;
	for (bool bos = false; n < 3 && !bos; n++) {
		bos = o->k->mpls_lse[n] & htonl(0x100);
		exact &= o->m->mpls_lse[n] == (__be32)UINT32_MAX;
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t v = ntohl(o->k->mpls_lse[i]), m = ntohl(o->m->mpls_lse[i]);

		if (exact)
			wf_str_fmt(o->s, "label=%u,tc=%u,ttl=%u,bos=%u,", v >> 12, v >> 9 & 7,
				   v & 0xff, v >> 8 & 1);
		else
			wf_str_fmt(o->s, "label=%u/0x%x,tc=%u/%x,ttl=%u/0x%x,bos=%u/%x,", v >> 12,
				   m >> 12, v >> 9 & 7, m >> 9 & 7, v & 0xff, m & 0xff, v >> 8 & 1,
				   m >> 8 & 1);
	}
	end(o);
}

static void
put_nsh(const struct out *o)
{
	const struct of_nsh *k = &o->k->nsh, *m = &o->m->nsh;
	uint32_t path = ntohl(k->path_hdr), path_mask = ntohl(m->path_hdr);
	const char *const names[] = { "c1", "c2", "c3", "c4" };

	if (!wanted(o, m, sizeof(*m)))
		return;
	begin(o, "nsh");
	put_u8(o, "flags", k->flags, m->flags, false);
	put_u8(o, "ttl", k->ttl, m->ttl, false);
	put_u8(o, "mdtype", k->mdtype, m->mdtype, false);
	put_u8(o, "np", k->np, m->np, false);
	put_int(o, "spi", path >> 8, path_mask >> 8, 0xffffff, true);
	put_u8(o, "si", path & 0xff, path_mask & 0xff, false);
	for (int i = 0; i < 4; i++)
		put_int(o, names[i], ntohl(k->context[i]), ntohl(m->context[i]), UINT32_MAX, true);
	end(o);
}

static void
put_frag(const struct out *o)
{
	if (o->m->nw_frag & OF_FRAG_ANY)
		wf_str_fmt(o->s, "frag=%s,", !(o->k->nw_frag & OF_FRAG_ANY)    ? "no"
					     : o->k->nw_frag & OF_FRAG_LATER ? "later"
									     : "first");
}

static void
put_l3(const struct out *o)
{
	const struct of_key *k = o->k, *m = o->m;
	bool ip = m->nw_proto || m->nw_tos || m->nw_ttl || m->nw_frag & OF_FRAG_ANY || o->verbose;

	switch (ntohs(k->dl_type)) {
	case 0x0800:
		if (!ip && !m->nw_src && !m->nw_dst)
			break;
		begin(o, "ipv4");
		put_ipv4(o, "src", k->nw_src, m->nw_src);
		put_ipv4(o, "dst", k->nw_dst, m->nw_dst);
		put_u8(o, "proto", k->nw_proto, m->nw_proto, false);
		put_u8(o, "tos", k->nw_tos, m->nw_tos, true);
		put_u8(o, "ttl", k->nw_ttl, m->nw_ttl, false);
		put_frag(o);
		end(o);
		break;
	case 0x86dd:
		if (!ip && !m->ipv6_label && of_bytes_all(&m->ipv6_src, 2 * sizeof(m->ipv6_src), 0))
			break;
		begin(o, "ipv6");
		put_ipv6(o, "src", &k->ipv6_src, &m->ipv6_src);
		put_ipv6(o, "dst", &k->ipv6_dst, &m->ipv6_dst);
		put_int(o, "label", ntohl(k->ipv6_label), ntohl(m->ipv6_label) & 0xfffff, 0xfffff,
			true);
		put_u8(o, "proto", k->nw_proto, m->nw_proto, false);
		put_u8(o, "tclass", k->nw_tos, m->nw_tos, true);
		put_u8(o, "hlimit", k->nw_ttl, m->nw_ttl, false);
		put_frag(o);
		end(o);
		break;
	case 0x0806:
	case 0x8035:
		if (!m->nw_proto && !m->nw_src && !m->nw_dst && !wanted(o, m->arp_sha, 12))
			break;
		begin(o, "arp");
		put_ipv4(o, "sip", k->nw_src, m->nw_src);
		put_ipv4(o, "tip", k->nw_dst, m->nw_dst);
		put_int(o, "op", k->nw_proto, m->nw_proto, UINT8_MAX, false);
		put_mac(o, "sha", k->arp_sha, m->arp_sha);
		put_mac(o, "tha", k->arp_tha, m->arp_tha);
		end(o);
		break;
	case 0x8847:
	case 0x8848:
		put_mpls(o);
		break;
	case 0x894f:
		put_nsh(o);
		break;
	}
}

static void
put_ports(const struct out *o, const char *name)
{
	if (!o->m->tp_src && !o->m->tp_dst && !o->verbose)
		return;
	begin(o, name);
	put_be16(o, "src", o->k->tp_src, o->m->tp_src);
	put_be16(o, "dst", o->k->tp_dst, o->m->tp_dst);
	end(o);
}

/* ICMP type and code: one byte each, in the low half of a port. */
static void
put_icmp(const struct out *o, const char *name)
{
	if (!o->m->tp_src && !o->m->tp_dst && !o->verbose)
		return;
	begin(o, name);
	put_u8(o, "type", ntohs(o->k->tp_src), ntohs(o->m->tp_src), false);
	put_u8(o, "code", ntohs(o->k->tp_dst), ntohs(o->m->tp_dst), false);
	end(o);
}

static void
put_l4(const struct out *o)
{
	const struct of_key *k = o->k, *m = o->m;
	bool ipv6 = k->dl_type == htons(0x86dd);

	if ((k->dl_type != htons(0x0800) && !ipv6) || k->nw_frag & OF_FRAG_LATER)
		return;
	switch (k->nw_proto) {
	case IPPROTO_TCP:
		put_ports(o, "tcp");
		if (m->tcp_flags & htons(0xfff)) {
			begin(o, "tcp_flags");
			of_flags_format_masked(o->s, of_tcp_flag_name, ntohs(k->tcp_flags),
					       ntohs(m->tcp_flags) & 0xfff, 0xfff);
			end(o);
		}
		break;
	case IPPROTO_UDP:
		put_ports(o, "udp");
		break;
	case IPPROTO_SCTP:
		put_ports(o, "sctp");
		break;
	case IPPROTO_ICMP:
		if (!ipv6)
			put_icmp(o, "icmp");
		break;
	case IPPROTO_ICMPV6:
		if (!ipv6)
			break;
		put_icmp(o, "icmpv6");
		if (k->tp_dst || (k->tp_src != htons(135) && k->tp_src != htons(136)))
			break;
		if (wanted(o, &m->nd_target, 16) || wanted(o, m->arp_sha, 12)) {
			begin(o, "nd");
			put_ipv6(o, "target", &k->nd_target, &m->nd_target);
			put_mac(o, "sll", k->arp_sha, m->arp_sha);
			put_mac(o, "tll", k->arp_tha, m->arp_tha);
			end(o);
		}
		break;
	}
}

static void
format(const struct of_key *k, const struct of_key *mask, const struct of_dp_tunnel_ports *tunnel_ports,
       const char *in_port, bool verbose, struct wf_str *s)
{
	struct of_key ones;
	struct wf_str text = WF_STR_INIT;

	if (!mask) {
		memset(&ones, 0xff, sizeof(ones));
		mask = &ones;
	}
	struct out o = { &text, k, mask, verbose, tunnel_ports };

	put_single(&o, "skb_priority", k->skb_priority, mask->skb_priority, UINT32_MAX);
	put_tunnel(&o);
	put_single(&o, "skb_mark", k->pkt_mark, mask->pkt_mark, UINT32_MAX);
	put_conntrack(&o);
	put_single(&o, "recirc_id", k->recirc_id, mask->recirc_id, UINT32_MAX);
	put_single(&o, "dp_hash", k->dp_hash, mask->dp_hash, UINT32_MAX);
	if (in_port) {
		begin(&o, "in_port");
		wf_str_put(&text, in_port);
		end(&o);
	}
	if (mask->packet_type || verbose) {
		begin(&o, "packet_type");
		put_int(&o, "ns", k->packet_type >> 16, mask->packet_type >> 16, 0xffff, false);
		put_int(&o, "id", k->packet_type & 0xffff, mask->packet_type & 0xffff, 0xffff, true);
		end(&o);
	}
	unsigned n_encaps = 0;
	if (k->packet_type == OF_PT_ETH) {
		if (wanted(&o, mask->dl_dst, 12)) {
			begin(&o, "eth");
			put_mac(&o, "src", k->dl_src, mask->dl_src);
			put_mac(&o, "dst", k->dl_dst, mask->dl_dst);
			end(&o);
		} else if (!mask->packet_type) {
			begin(&o, "eth");
			end(&o);
		}
		n_encaps = put_vlans(&o);
	}
	if (ntohs(k->dl_type) >= 0x600) {
		if (mask->dl_type || verbose) {
			begin(&o, "eth_type");
			wf_str_fmt(&text, "0x%04x", ntohs(k->dl_type));
			if (mask->dl_type != UINT16_MAX)
				wf_str_fmt(&text, "/0x%04x", ntohs(mask->dl_type));
			end(&o);
		}
		put_l3(&o);
		put_l4(&o);
	} else if (mask->dl_type == UINT16_MAX && mask != &ones) {
		begin(&o, "eth_type");
		wf_str_put(&text, "0/0xffff)");
	}
	while (n_encaps--)
		wf_str_putc(&text, ')');
	wf_str_put(s, wf_str_cstr(&text));
	wf_str_done(&text);
}

void
of_dp_key_format(const struct of_key *k, const struct of_key *mask, const char *in_port,
		 bool verbose, struct wf_str *s)
{
	format(k, mask, NULL, in_port, verbose, s);
}

void
of_dp_flow_format(const struct of_dp_key *d, const char *in_port, bool verbose, struct wf_str *s)
{
	struct of_key mask = d->mask;

	mask.recirc_id = UINT32_MAX;
	/* Shown as eth() unless it was said. */
	if (!d->has_packet_type)
		mask.packet_type = 0;
	format(&d->key, &mask, &d->tunnel_ports, in_port, verbose, s);
}
