// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "openflow/dp_text.h"
#include "openflow/field.h"
#include "openflow/text.h"
#include "openflow/tlv_map.h"

#define SPACE ", \t\r\n"

/* Parts of groups that are not fields of OpenFlow. */
enum { X_TOS = OF_N_FIELDS, X_TTL, X_PT_NS, X_PT_ID, X_TUN_SRC, X_TUN_DST, X_CFI, X_LSE_LABEL,
       X_LSE_TC, X_LSE_TTL, X_LSE_BOS };

struct item {
	const char *name; /* "": the group holds one value without a name */
	unsigned id;      /* enum of_field_id or X_* */
};

#define MAX_ITEMS 11
static const struct group {
	const char *name;
	struct item items[MAX_ITEMS];
} groups[] = {
	{ "skb_priority", { { "", OF_F_SKB_PRIORITY } } },
	{ "skb_mark", { { "", OF_F_PKT_MARK } } },
	{ "recirc_id", { { "", OF_F_RECIRC_ID } } },
	{ "dp_hash", { { "", OF_F_DP_HASH } } },
	{ "ct_state", { { "", OF_F_CT_STATE } } },
	{ "ct_zone", { { "", OF_F_CT_ZONE } } },
	{ "ct_mark", { { "", OF_F_CT_MARK } } },
	{ "ct_label", { { "", OF_F_CT_LABEL } } },
	{ "ct_tuple4", { { "src", OF_F_CT_NW_SRC }, { "dst", OF_F_CT_NW_DST },
			 { "proto", OF_F_CT_NW_PROTO }, { "tp_src", OF_F_CT_TP_SRC },
			 { "tp_dst", OF_F_CT_TP_DST } } },
	{ "ct_tuple6", { { "src", OF_F_CT_IPV6_SRC }, { "dst", OF_F_CT_IPV6_DST },
			 { "proto", OF_F_CT_NW_PROTO }, { "tp_src", OF_F_CT_TP_SRC },
			 { "tp_dst", OF_F_CT_TP_DST } } },
	{ "eth", { { "src", OF_F_ETH_SRC }, { "dst", OF_F_ETH_DST } } },
	{ "eth_type", { { "", OF_F_ETH_TYPE } } },
	{ "vlan", { { "vid", OF_F_DL_VLAN }, { "pcp", OF_F_DL_VLAN_PCP }, { "cfi", X_CFI } } },
	{ "ipv4", { { "src", OF_F_IPV4_SRC }, { "dst", OF_F_IPV4_DST }, { "proto", OF_F_IP_PROTO },
		    { "tos", X_TOS }, { "ttl", X_TTL }, { "frag", OF_F_IP_FRAG } } },
	{ "ipv6", { { "src", OF_F_IPV6_SRC }, { "dst", OF_F_IPV6_DST }, { "label", OF_F_IPV6_LABEL },
		    { "proto", OF_F_IP_PROTO }, { "tclass", X_TOS }, { "hlimit", X_TTL },
		    { "frag", OF_F_IP_FRAG } } },
	{ "tcp", { { "src", OF_F_TCP_SRC }, { "dst", OF_F_TCP_DST } } },
	{ "tcp_flags", { { "", OF_F_TCP_FLAGS } } },
	{ "udp", { { "src", OF_F_UDP_SRC }, { "dst", OF_F_UDP_DST } } },
	{ "sctp", { { "src", OF_F_SCTP_SRC }, { "dst", OF_F_SCTP_DST } } },
	{ "icmp", { { "type", OF_F_ICMPV4_TYPE }, { "code", OF_F_ICMPV4_CODE } } },
	{ "icmpv6", { { "type", OF_F_ICMPV6_TYPE }, { "code", OF_F_ICMPV6_CODE } } },
	{ "arp", { { "sip", OF_F_ARP_SPA }, { "tip", OF_F_ARP_TPA }, { "op", OF_F_ARP_OP },
		   { "sha", OF_F_ARP_SHA }, { "tha", OF_F_ARP_THA } } },
	{ "nd", { { "target", OF_F_ND_TARGET }, { "sll", OF_F_ND_SLL }, { "tll", OF_F_ND_TLL } } },
	{ "nd_ext", { { "nd_reserved", OF_F_ND_RESERVED },
		      { "nd_options_type", OF_F_ND_OPTIONS_TYPE } } },
	{ "mpls", { { "label", X_LSE_LABEL }, { "tc", X_LSE_TC }, { "ttl", X_LSE_TTL },
		    { "bos", X_LSE_BOS } } },
	{ "packet_type", { { "ns", X_PT_NS }, { "id", X_PT_ID } } },
	{ "nsh", { { "flags", OF_F_NSH_FLAGS }, { "ttl", OF_F_NSH_TTL },
		   { "mdtype", OF_F_NSH_MDTYPE }, { "np", OF_F_NSH_NP }, { "spi", OF_F_NSH_SPI },
		   { "si", OF_F_NSH_SI }, { "c1", OF_F_NSH_C1 }, { "c2", OF_F_NSH_C2 },
		   { "c3", OF_F_NSH_C3 }, { "c4", OF_F_NSH_C4 } } },
};
#define N_GROUPS (sizeof(groups) / sizeof(groups[0]))

/* Inside of tunnel(). */
static const struct group tunnel_groups[] = {
	{ "tunnel", { { "tun_id", OF_F_TUN_ID }, { "src", OF_F_TUN_SRC }, { "dst", OF_F_TUN_DST },
		      { "ipv6_src", OF_F_TUN_IPV6_SRC }, { "ipv6_dst", OF_F_TUN_IPV6_DST },
		      { "tos", OF_F_TUN_TOS }, { "ttl", OF_F_TUN_TTL }, { "tp_src", X_TUN_SRC },
		      { "tp_dst", X_TUN_DST } } },
	{ "erspan", { { "ver", OF_F_TUN_ERSPAN_VER }, { "idx", OF_F_TUN_ERSPAN_IDX },
		      { "dir", OF_F_TUN_ERSPAN_DIR }, { "hwid", OF_F_TUN_ERSPAN_HWID } } },
	{ "gbp", { { "id", OF_F_TUN_GBP_ID }, { "flags", OF_F_TUN_GBP_FLAGS } } },
	{ "gtpu", { { "flags", OF_F_TUN_GTPU_FLAGS }, { "msgtype", OF_F_TUN_GTPU_MSGTYPE } } },
};

struct parser {
	const char *p;
	struct of_dp_key *out;
	of_dp_port_number_fn *port_number;
	void *aux;
	unsigned n_vlans, n_mpls, depth;
	uint16_t implied_type;
};

/* The text up to one of 'ends', as a string in 'buf'.  False if it is too long or cut. */
static bool
take_until(struct parser *q, const char *ends, char *buf, size_t room)
{
	size_t n = strcspn(q->p, ends);

	if (!q->p[n] || n >= room)
		return false;
	memcpy(buf, q->p, n);
	buf[n] = '\0';
	q->p += n;
	return true;
}

/* Part of the first MPLS entry; other than for OpenFlow's fields, any mask is good. */
static bool
set_lse(unsigned id, const char *text, struct of_dp_key *o)
{
	static const uint32_t parts[] = { 0xfffff000, 0x00000e00, 0x000000ff, 0x00000100 };
	uint32_t part = parts[id - X_LSE_LABEL];
	unsigned shift = __builtin_ctz(part);
	union of_value v, m = { .be32 = UINT32_MAX };
	const char *tail;

	if (of_int_parse(text, v.b, 4, &tail) ||
	    (*tail == '/' && of_int_parse(tail + 1, m.b, 4, &tail)) || *tail)
		return false;
	o->key.mpls_lse[0] |= htonl(ntohl(v.be32) << shift & part);
	o->mask.mpls_lse[0] |= htonl(ntohl(m.be32) << shift & part);
	return true;
}

static bool
set_special(unsigned id, const char *text, struct of_dp_key *o)
{
	uint8_t v[2], m[2];
	const char *tail;
	unsigned size = id == X_TOS || id == X_TTL || id == X_CFI ? 1 : 2;

	memset(m, 0xff, sizeof(m));
	if (of_int_parse(text, v, size, &tail))
		return false;
	if (*tail == '/' && of_int_parse(tail + 1, m, size, &tail))
		return false;
	if (*tail)
		return false;
	switch (id) {
	case X_TOS:
		o->key.nw_tos = v[0];
		o->mask.nw_tos = m[0];
		break;
	case X_TTL:
		o->key.nw_ttl = v[0];
		o->mask.nw_ttl = m[0];
		break;
	case X_PT_NS:
		o->key.packet_type = (o->key.packet_type & 0xffff) | (v[0] << 8 | v[1]) << 16;
		o->mask.packet_type = (o->mask.packet_type & 0xffff) | (uint32_t)(m[0] << 8 | m[1]) << 16;
		break;
	case X_PT_ID:
		o->key.packet_type = (o->key.packet_type & ~0xffffu) | (v[0] << 8 | v[1]);
		o->mask.packet_type = (o->mask.packet_type & ~0xffffu) | (m[0] << 8 | m[1]);
		break;
	case X_TUN_SRC:
		o->tunnel_ports.src = (uint16_t)(v[0] << 8 | v[1]);
		o->tunnel_ports.src_mask = (uint16_t)(m[0] << 8 | m[1]);
		break;
	case X_TUN_DST:
		o->tunnel_ports.dst = (uint16_t)(v[0] << 8 | v[1]);
		o->tunnel_ports.dst_mask = (uint16_t)(m[0] << 8 | m[1]);
		break;
	case X_CFI:
		if (!v[0])
			o->key.vlans[0].tci &= ~htons(OF_VLAN_CFI);
		break;
	}
	return true;
}

static bool
set_item(unsigned id, const char *text, struct of_dp_key *o)
{
	union of_value v, m;

	if (id >= X_LSE_LABEL)
		return set_lse(id, text, o);
	if (id >= OF_N_FIELDS)
		return set_special(id, text, o);
	const struct of_field *f = of_field((enum of_field_id)id);
	char *error = of_field_parse_value(f, text, &v, &m);

	if (error) {
		free(error);
		return false;
	}
	if (!of_value_is_valid(f, &v))
		return false;
	of_field_set(f, &v, &o->key);
	of_field_mark_bits(f, &m, &o->mask);
	if (id == OF_F_TUN_ID)
		o->key.tun_flags |= OF_TUN_F_KEY;
	return true;
}

/* "name=value,..." or one bare value, up to and with the closing parenthesis. */
static bool
parse_items(struct parser *q, const struct group *g)
{
	char text[300];

	for (;;) {
		const struct item *it = g->items;

		q->p += strspn(q->p, SPACE);
		if (*q->p == ')')
			break;
		if (*it->name) {
			size_t n = strcspn(q->p, "=,()");

			while (it->name && (strncmp(it->name, q->p, n) || it->name[n]))
				it++;
			if (!it->name || q->p[n] != '=')
				return false;
			q->p += n + 1;
		}
		if (!take_until(q, *it->name ? ",)" : ")", text, sizeof(text)))
			return false;
		if (!set_item(it->id, text, q->out))
			return false;
	}
	q->p++;
	return true;
}

static bool
parse_vlan(struct parser *q, const struct group *g)
{
	struct of_key *k = &q->out->key, *m = &q->out->mask;
	struct of_vlan outer = k->vlans[0], outer_mask = m->vlans[0];

	if (q->n_vlans >= OF_MAX_VLANS)
		return false;
	/* The EtherType so far was this tag's. */
	k->vlans[0] = (struct of_vlan){ .tpid = k->dl_type, .tci = htons(OF_VLAN_CFI) };
	m->vlans[0] = (struct of_vlan){ .tpid = m->dl_type, .tci = htons(OF_VLAN_CFI) };
	k->dl_type = m->dl_type = 0;
	if (!parse_items(q, g))
		return false;
	if (q->n_vlans) {
		k->vlans[q->n_vlans] = k->vlans[0];
		m->vlans[q->n_vlans] = m->vlans[0];
		k->vlans[0] = outer;
		m->vlans[0] = outer_mask;
	}
	q->n_vlans++;
	return true;
}

/* label=..,tc=..,ttl=..,bos=.. for each entry of the stack, one after the other. */
static bool
parse_mpls(struct parser *q, const struct group *g)
{
	struct of_key *k = &q->out->key, *m = &q->out->mask;
	char text[300], *p, *next;

	if (!take_until(q, ")", text, sizeof(text)))
		return false;
	q->p++;
	for (p = text; p && *p; p = next) {
		next = strstr(p + 1, ",label=");
		if (next)
			*next++ = '\0';
		if (q->n_mpls >= OF_MAX_MPLS)
			return false;
		char entry[80];
		__be32 first = k->mpls_lse[0], first_mask = m->mpls_lse[0];

		if (strlen(p) + 2 > sizeof(entry))
			return false;
		strcpy(entry, p);
		strcat(entry, ")");
		struct parser sub = { entry, q->out };
		k->mpls_lse[0] = m->mpls_lse[0] = 0;
		if (!parse_items(&sub, g))
			return false;
		if (q->n_mpls) {
			k->mpls_lse[q->n_mpls] = k->mpls_lse[0];
			m->mpls_lse[q->n_mpls] = m->mpls_lse[0];
			k->mpls_lse[0] = first;
			m->mpls_lse[0] = first_mask;
		}
		q->n_mpls++;
	}
	return true;
}

static bool
parse_in_port(struct parser *q)
{
	char text[64], *end;

	if (!take_until(q, ")", text, sizeof(text)))
		return false;
	q->p++;
	q->out->has_in_port = true;
	q->out->in_port_mask = UINT32_MAX;
	q->out->in_port = strtoul(text, &end, 0);
	if (end != text && *end == '/')
		q->out->in_port_mask = strtoul(end + 1, &end, 0);
	if (end != text && !*end)
		return true;
	return q->port_number && q->port_number(q->aux, text, &q->out->in_port);
}

/* {class=0x..,type=0x..,len=4,0x12345678[/mask]} ...: an option for the thread's TLV map. */
static bool
parse_geneve(struct parser *q)
{
	const struct of_tlv_map *map = of_tlv_map_current();

	while (*q->p == '{') {
		char text[600], *p = text, *key, *value, *data = NULL;
		unsigned long opt_class = 0, type = 0, len = 0;

		q->p++;
		if (!take_until(q, "}", text, sizeof(text)))
			return false;
		q->p++;
		while (of_key_value_next(&p, &key, &value)) {
			if (!strcmp(key, "class"))
				opt_class = strtoul(value, NULL, 0);
			else if (!strcmp(key, "type"))
				type = strtoul(value, NULL, 0);
			else if (!strcmp(key, "len"))
				len = strtoul(value, NULL, 0);
			else
				data = key;
		}
		int index = map ? of_tlv_map_find(map, opt_class, type) : -1;
		if (index >= 0 && of_tlv_len(map, index) == len) {
			if (!set_item(OF_F_TUN_METADATA0 + index, data && *data ? data : "0", q->out))
				return false;
		} else if (type & 0x80) {
			return false; /* critical, and unknown */
		} else {
			q->out->unknown_options = true;
		}
		q->p += strspn(q->p, ", ");
	}
	if (*q->p != ')')
		return false;
	q->p++;
	return true;
}

/* Open vSwitch tells its datapath of a tunnel() in one nested attribute of Netlink, which holds so many
 * bytes, and each part takes at least eight of them; what is longer is refused as it refuses it. */
#define TUNNEL_MAX_PARTS ((UINT16_MAX - 4) / 8)

static bool
parse_tunnel(struct parser *q)
{
	for (unsigned n_parts = 0;; n_parts++) {
		char text[100], *error;
		uint32_t flags, mask;

		q->p += strspn(q->p, SPACE);
		if (*q->p == ')')
			break;
		if (n_parts == TUNNEL_MAX_PARTS) {
			q->out->too_long = true;
			return false;
		}
		if (!strncmp(q->p, "flags(", 6)) {
			q->p += 6;
			if (!take_until(q, ")", text, sizeof(text)))
				return false;
			q->p++;
			error = of_flags_parse(text, of_tun_flag_name, "tunnel",
					       OF_TUN_F_OAM | OF_TUN_F_DF | OF_TUN_F_CSUM | OF_TUN_F_KEY,
					       &flags, &mask);
			free(error);
			if (error)
				return false;
			q->out->key.tun_flags |= flags;
			q->out->mask.tun_flags |= mask;
		} else if (!strncmp(q->p, "geneve(", 7)) {
			q->p += 7;
			if (!parse_geneve(q))
				return false;
		} else if (!strncmp(q->p, "vxlan(gbp(", 10)) {
			q->p += 10;
			if (!parse_items(q, &tunnel_groups[2]) || *q->p != ')')
				return false;
			q->p++;
		} else if (!strncmp(q->p, "erspan(", 7)) {
			q->p += 7;
			if (!parse_items(q, &tunnel_groups[1]))
				return false;
		} else if (!strncmp(q->p, "gtpu(", 5)) {
			q->p += 5;
			if (!parse_items(q, &tunnel_groups[3]))
				return false;
		} else {
			const struct group *g = &tunnel_groups[0];
			const struct item *it = g->items;
			size_t n = strcspn(q->p, "=,()");

			while (it->name && (strncmp(it->name, q->p, n) || it->name[n]))
				it++;
			if (!it->name || q->p[n] != '=')
				return false;
			q->p += n + 1;
			if (!take_until(q, ",)", text, sizeof(text)))
				return false;
			if (!set_item(it->id, text, q->out))
				return false;
		}
	}
	q->p++;
	return true;
}

static bool parse_groups(struct parser *, char end);

/* The EtherType of a text that names a network layer, but no eth_type(). */
static const struct {
	const char *name;
	uint16_t type;
} implied[] = { { "arp", 0x0806 }, { "ipv4", 0x0800 }, { "ipv6", 0x86dd }, { "mpls", 0x8847 } };

static bool
parse_group(struct parser *q)
{
	size_t n = strcspn(q->p, "(");
	const char *name = q->p;

	if (name[n] != '(')
		return false;
	q->p += n + 1;
	if (n == 7 && !strncmp(name, "in_port", n))
		return parse_in_port(q);
	if (n == 6 && !strncmp(name, "tunnel", n))
		return parse_tunnel(q);
	if (n == 5 && !strncmp(name, "encap", n))
		return q->depth++ < 2 * OF_MAX_VLANS && parse_groups(q, ')');
	for (size_t i = 0; i < N_GROUPS; i++) {
		const struct group *g = &groups[i];

		if (strncmp(g->name, name, n) || g->name[n])
			continue;
		q->out->has_eth |= !strcmp(g->name, "eth");
		q->out->has_packet_type |= !strcmp(g->name, "packet_type");
		for (size_t k = 0; k < sizeof(implied) / sizeof(implied[0]); k++)
			if (!strcmp(g->name, implied[k].name))
				q->implied_type = implied[k].type;
		if (!strcmp(g->name, "vlan"))
			return parse_vlan(q, g);
		if (!strcmp(g->name, "mpls"))
			return parse_mpls(q, g);
		return parse_items(q, g);
	}
	return false;
}

static bool
parse_groups(struct parser *q, char end)
{
	for (;;) {
		q->p += strspn(q->p, SPACE);
		if (*q->p == end) {
			q->p += end != '\0';
			return true;
		}
		/* "ufid:UUID" in front says nothing about the packet. */
		if (!strncmp(q->p, "ufid:", 5)) {
			size_t n = strcspn(q->p, SPACE);

			if (n >= sizeof(q->out->ufid))
				return false;
			memcpy(q->out->ufid, q->p, n);
			q->out->ufid[n] = '\0';
			q->p += n;
			continue;
		}
		const char *start = q->p;
		if (!parse_group(q)) {
			q->p = start;
			return false;
		}
	}
}

char *
of_dp_key_parse(const char *text, of_dp_port_number_fn *port_number, void *aux,
		struct of_dp_key *out)
{
	struct parser q = { text, out, port_number, aux };

	memset(out, 0, sizeof(*out));
	if (!parse_groups(&q, '\0'))
		return wf_xasprintf("syntax error at %s", q.p);
	/* As kernels say it: no Ethernet header, but an EtherType. */
	if (!out->has_eth && !out->has_packet_type && out->key.dl_type)
		out->key.packet_type = OF_PT(1, ntohs(out->key.dl_type));
	if (out->key.packet_type >> 16 == 1)
		out->key.dl_type = htons(out->key.packet_type & 0xffff);
	else if (!out->key.dl_type)
		out->key.dl_type = htons(q.implied_type ? q.implied_type : OF_DL_TYPE_NONE);
	return NULL;
}

bool
of_dp_key_is(const char *text)
{
	text += strspn(text, SPACE);
	/* A word, then '(': ovs-ofctl's form has '=' or a comma first. */
	size_t n = strcspn(text, "=:(, ");

	return text[n] == '(' || !strncmp(text, "ufid:", 5);
}
