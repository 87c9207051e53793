/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/key_odp_text.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>

static const uint8_t zero[16];

/* The parts of one header: "name(a=..,b=..)"; nothing if no part was put. */
struct parts {
	struct wf_str *s;
	const char *name;
	unsigned n;
};

static void
part(struct parts *p, const char *name)
{
	if (p->n++)
		wf_str_putc(p->s, ',');
	else
		wf_str_fmt(p->s, ",%s(", p->name);
	wf_str_fmt(p->s, "%s=", name);
}

static void
parts_end(struct parts *p)
{
	if (p->n)
		wf_str_putc(p->s, ')');
}

static bool
is_full(const void *mask, size_t size)
{
	const uint8_t *m = mask;

	for (size_t i = 0; i < size; i++)
		if (m[i] != 0xff)
			return false;
	return true;
}

static void
put_mac(struct parts *p, const char *name, const uint8_t v[6], const uint8_t m[6])
{
	if (!memcmp(m, zero, 6))
		return;
	part(p, name);
	wf_str_fmt(p->s, "%02x:%02x:%02x:%02x:%02x:%02x", v[0], v[1], v[2], v[3], v[4], v[5]);
	if (!is_full(m, 6))
		wf_str_fmt(p->s, "/%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
			   m[5]);
}

static void
put_ip(struct parts *p, const char *name, int family, const void *v, const void *m)
{
	size_t size = family == AF_INET ? 4 : 16;
	char text[INET6_ADDRSTRLEN];

	if (!memcmp(m, zero, size))
		return;
	part(p, name);
	wf_str_put(p->s, inet_ntop(family, v, text, sizeof text));
	if (!is_full(m, size))
		wf_str_fmt(p->s, "/%s", inet_ntop(family, m, text, sizeof text));
}

static void
put_number(struct parts *p, const char *name, unsigned v, unsigned m, unsigned full, bool hex)
{
	if (!m)
		return;
	part(p, name);
	wf_str_fmt(p->s, hex ? "%#x" : "%u", v);
	if (m != full)
		wf_str_fmt(p->s, "/%#x", m);
}

static void
put_ip_common(struct parts *p, const struct of_key *k, const struct of_key *m, const char *ttl)
{
	put_number(p, "proto", k->nw_proto, m->nw_proto, 0xff, false);
	put_number(p, p->name[3] == '6' ? "tclass" : "tos", k->nw_tos, m->nw_tos, 0xff, true);
	put_number(p, ttl, k->nw_ttl, m->nw_ttl, 0xff, false);
	part(p, "frag");
	wf_str_put(p->s, !(k->nw_frag & OF_FRAG_ANY) ? "no"
			 : k->nw_frag & OF_FRAG_LATER ? "later"
						      : "first");
}

static void
put_l4(const struct of_key *k, const struct of_key *m, struct wf_str *s)
{
	struct parts p = { s, NULL, 0 };
	const char *src = "src", *dst = "dst";

	switch (k->nw_proto) {
	case IPPROTO_TCP: p.name = "tcp"; break;
	case IPPROTO_UDP: p.name = "udp"; break;
	case IPPROTO_SCTP: p.name = "sctp"; break;
	case IPPROTO_ICMP:
		p.name = "icmp", src = "type", dst = "code";
		break;
	case IPPROTO_ICMPV6:
		p.name = "icmpv6", src = "type", dst = "code";
		break;
	default: return;
	}
	if (!m->nw_proto || (k->nw_frag & OF_FRAG_LATER))
		return;
	put_number(&p, src, ntohs(k->tp_src), ntohs(m->tp_src), 0xffff, false);
	put_number(&p, dst, ntohs(k->tp_dst), ntohs(m->tp_dst), 0xffff, false);
	parts_end(&p);
	if (k->nw_proto == IPPROTO_TCP && m->tcp_flags)
		wf_str_fmt(s, ",tcp_flags(%#x/%#x)", ntohs(k->tcp_flags), ntohs(m->tcp_flags));
}

static void
put_l3(const struct of_key *k, const struct of_key *m, struct wf_str *s)
{
	struct parts p = { s, NULL, 0 };

	switch (ntohs(k->dl_type)) {
	case ETH_P_IP:
		p.name = "ipv4";
		put_ip(&p, "src", AF_INET, &k->nw_src, &m->nw_src);
		put_ip(&p, "dst", AF_INET, &k->nw_dst, &m->nw_dst);
		put_ip_common(&p, k, m, "ttl");
		parts_end(&p);
		put_l4(k, m, s);
		break;
	case ETH_P_IPV6:
		p.name = "ipv6";
		put_ip(&p, "src", AF_INET6, &k->ipv6_src, &m->ipv6_src);
		put_ip(&p, "dst", AF_INET6, &k->ipv6_dst, &m->ipv6_dst);
		put_number(&p, "label", ntohl(k->ipv6_label), ntohl(m->ipv6_label), 0xfffff, true);
		put_ip_common(&p, k, m, "hlimit");
		parts_end(&p);
		put_l4(k, m, s);
		break;
	case ETH_P_ARP:
		p.name = "arp";
		put_ip(&p, "sip", AF_INET, &k->nw_src, &m->nw_src);
		put_ip(&p, "tip", AF_INET, &k->nw_dst, &m->nw_dst);
		put_number(&p, "op", k->nw_proto, m->nw_proto, 0xff, false);
		put_mac(&p, "sha", k->arp_sha, m->arp_sha);
		put_mac(&p, "tha", k->arp_tha, m->arp_tha);
		parts_end(&p);
		break;
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
		if (m->mpls_lse[0]) {
			uint32_t lse = ntohl(k->mpls_lse[0]);

			wf_str_fmt(s, ",mpls(label=%u,tc=%u,ttl=%u,bos=%u)", lse >> 12,
				   lse >> 9 & 7, lse & 0xff, lse >> 8 & 1);
		}
		break;
	}
}

void
key_odp_text(const struct of_key *k, const struct of_key *m, const char *port, struct wf_str *s)
{
	struct parts p = { s, "eth", 0 };
	unsigned n_vlans = 0;

	wf_str_fmt(s, "recirc_id(%#x),in_port(%s),packet_type(ns=%u,id=%u)", k->recirc_id, port,
		   k->packet_type >> 16, k->packet_type & 0xffff);
	if (m->pkt_mark)
		wf_str_fmt(s, ",skb_mark(%#x/%#x)", k->pkt_mark, m->pkt_mark);
	put_mac(&p, "src", k->dl_src, m->dl_src);
	put_mac(&p, "dst", k->dl_dst, m->dl_dst);
	parts_end(&p);
	for (unsigned i = 0; i < OF_MAX_VLANS && (k->vlans[i].tci & htons(OF_VLAN_CFI)); i++) {
		unsigned tci = ntohs(k->vlans[i].tci);

		wf_str_fmt(s, ",eth_type(0x%04x),vlan(vid=%u,pcp=%u),encap(", ntohs(k->vlans[i].tpid),
			   tci & OF_VLAN_VID_MASK, tci >> OF_VLAN_PCP_SHIFT);
		n_vlans++;
	}
	if (n_vlans) {
		struct wf_str inner = WF_STR_INIT;

		wf_str_fmt(&inner, "eth_type(0x%04x)", ntohs(k->dl_type));
		put_l3(k, m, &inner);
		wf_str_put(s, wf_str_cstr(&inner));
		wf_str_done(&inner);
		while (n_vlans--)
			wf_str_putc(s, ')');
		return;
	}
	if (ntohs(k->dl_type) != OF_DL_TYPE_NONE)
		wf_str_fmt(s, ",eth_type(0x%04x)", ntohs(k->dl_type));
	put_l3(k, m, s);
}
