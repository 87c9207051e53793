/* SPDX-License-Identifier: Apache-2.0 */
#include "switchd/of_odp_parse.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "dataplane/ports/port.h"
#include "dataplane/view.h"
#include "openflow/text.h"

struct parser {
	const char *p;
	struct of_key *key;
	uint32_t *slot;
	unsigned n_vlans, n_mpls;
	char *error;
};

static bool fail(struct parser *, const char *what) __attribute__((cold));
static bool parse_items(struct parser *, char end);

static bool
fail(struct parser *ps, const char *what)
{
	if (!ps->error)
		ps->error = wf_xasprintf("parse error at %s: %s", ps->p, what);
	return false;
}

static bool
end_part(struct parser *ps)
{
	if (*ps->p != ')')
		return fail(ps, "missing )");
	ps->p++;
	return true;
}

/* --- Values ----------------------------------------------------------------------------------- */

static uint64_t
number(const char *s)
{
	return strtoull(s, NULL, 0);
}

static void
mac(const char *s, uint8_t out[6])
{
	unsigned b[6];

	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) == 6)
		for (int i = 0; i < 6; i++)
			out[i] = (uint8_t)b[i];
}

static __be32
ipv4(const char *s)
{
	struct in_addr a = { 0 };

	inet_pton(AF_INET, s, &a);
	return a.s_addr;
}

static struct in6_addr
ipv6(const char *s)
{
	struct in6_addr a = IN6ADDR_ANY_INIT;

	inet_pton(AF_INET6, s, &a);
	return a;
}

static uint8_t
frag(const char *s)
{
	if (!strcmp(s, "first"))
		return OF_FRAG_ANY;
	return !strcmp(s, "later") ? OF_FRAG_ANY | OF_FRAG_LATER : 0;
}

static uint32_t
flags(const char *s, of_flag_name_fn *names)
{
	uint32_t value = 0, mask = 0;

	if (*s >= '0' && *s <= '9')
		return (uint32_t)number(s);
	free(of_flags_parse(s, names, "flags", UINT32_MAX, &value, &mask));
	return value;
}

static uint32_t
port_slot(const char *s)
{
	const struct view *v = view_get();

	if (*s >= '0' && *s <= '9')
		return (uint32_t)number(s);
	for (uint32_t i = 0; i < v->n_slots; i++)
		if (v->slots[i].port && !strcmp(v->slots[i].port->name, s))
			return i;
	return UINT32_MAX;
}

/* --- Parts: "name(key=value,...)" ------------------------------------------------------------- */

typedef bool part_fn(struct of_key *, const char *name, const char *value);

static bool
part_eth(struct of_key *k, const char *name, const char *value)
{
	if (!strcmp(name, "src"))
		mac(value, k->dl_src);
	else if (!strcmp(name, "dst"))
		mac(value, k->dl_dst);
	else
		return false;
	return true;
}

static bool
part_ipv4(struct of_key *k, const char *name, const char *value)
{
	if (!strcmp(name, "src"))
		k->nw_src = ipv4(value);
	else if (!strcmp(name, "dst"))
		k->nw_dst = ipv4(value);
	else if (!strcmp(name, "proto"))
		k->nw_proto = (uint8_t)number(value);
	else if (!strcmp(name, "tos"))
		k->nw_tos = (uint8_t)number(value);
	else if (!strcmp(name, "ttl"))
		k->nw_ttl = (uint8_t)number(value);
	else if (!strcmp(name, "frag"))
		k->nw_frag = frag(value);
	else
		return false;
	return true;
}

static bool
part_ipv6(struct of_key *k, const char *name, const char *value)
{
	if (!strcmp(name, "src"))
		k->ipv6_src = ipv6(value);
	else if (!strcmp(name, "dst"))
		k->ipv6_dst = ipv6(value);
	else if (!strcmp(name, "label"))
		k->ipv6_label = htonl((uint32_t)number(value));
	else if (!strcmp(name, "proto"))
		k->nw_proto = (uint8_t)number(value);
	else if (!strcmp(name, "tclass"))
		k->nw_tos = (uint8_t)number(value);
	else if (!strcmp(name, "hlimit"))
		k->nw_ttl = (uint8_t)number(value);
	else if (!strcmp(name, "frag"))
		k->nw_frag = frag(value);
	else
		return false;
	return true;
}

static bool
part_l4(struct of_key *k, const char *name, const char *value)
{
	if (!strcmp(name, "src"))
		k->tp_src = htons((uint16_t)number(value));
	else if (!strcmp(name, "dst"))
		k->tp_dst = htons((uint16_t)number(value));
	else
		return false;
	return true;
}

static bool
part_icmp(struct of_key *k, const char *name, const char *value)
{
	if (!strcmp(name, "type"))
		k->tp_src = htons((uint16_t)number(value));
	else if (!strcmp(name, "code"))
		k->tp_dst = htons((uint16_t)number(value));
	else
		return false;
	return true;
}

static bool
part_arp(struct of_key *k, const char *name, const char *value)
{
	if (!strcmp(name, "sip"))
		k->nw_src = ipv4(value);
	else if (!strcmp(name, "tip"))
		k->nw_dst = ipv4(value);
	else if (!strcmp(name, "op"))
		k->nw_proto = (uint8_t)number(value);
	else if (!strcmp(name, "sha"))
		mac(value, k->arp_sha);
	else if (!strcmp(name, "tha"))
		mac(value, k->arp_tha);
	else
		return false;
	return true;
}

static bool
part_nd(struct of_key *k, const char *name, const char *value)
{
	if (!strcmp(name, "target"))
		k->nd_target = ipv6(value);
	else if (!strcmp(name, "sll"))
		mac(value, k->arp_sha);
	else if (!strcmp(name, "tll"))
		mac(value, k->arp_tha);
	else
		return false;
	return true;
}

static bool
part_tunnel(struct of_key *k, const char *name, const char *value)
{
	if (!strcmp(name, "tun_id"))
		k->tun_id = number(value);
	else if (!strcmp(name, "src"))
		k->tun_src = ipv4(value);
	else if (!strcmp(name, "dst"))
		k->tun_dst = ipv4(value);
	else if (!strcmp(name, "ipv6_src"))
		k->tun_ipv6_src = ipv6(value);
	else if (!strcmp(name, "ipv6_dst"))
		k->tun_ipv6_dst = ipv6(value);
	else if (!strcmp(name, "tos"))
		k->tun_tos = (uint8_t)number(value);
	else if (!strcmp(name, "ttl"))
		k->tun_ttl = (uint8_t)number(value);
	/* Ports and flags of the outer packet are not matched. */
	return true;
}

static bool
part_vlan(struct parser *ps, const char *name, const char *value)
{
	struct of_vlan *v = &ps->key->vlans[ps->n_vlans - 1];
	uint16_t tci = ntohs(v->tci) | OF_VLAN_CFI;

	if (!strcmp(name, "vid"))
		tci = (tci & ~OF_VLAN_VID_MASK) | (number(value) & OF_VLAN_VID_MASK);
	else if (!strcmp(name, "pcp"))
		tci = (uint16_t)((tci & ~OF_VLAN_PCP_MASK) | number(value) << OF_VLAN_PCP_SHIFT);
	else if (!strcmp(name, "cfi"))
		tci = number(value) ? tci : tci & ~OF_VLAN_CFI;
	else if (!strcmp(name, "tci"))
		tci = (uint16_t)number(value);
	else
		return false;
	v->tci = htons(tci);
	return true;
}

static bool
part_mpls(struct parser *ps, const char *name, const char *value)
{
	__be32 *lse = &ps->key->mpls_lse[ps->n_mpls - 1];
	uint32_t v = (uint32_t)number(value), l = ntohl(*lse);

	if (!strcmp(name, "label"))
		l = (l & 0xfff) | v << 12;
	else if (!strcmp(name, "tc"))
		l = (l & ~0xe00u) | (v & 7) << 9;
	else if (!strcmp(name, "ttl"))
		l = (l & ~0xffu) | (v & 0xff);
	else if (!strcmp(name, "bos"))
		l = (l & ~0x100u) | (v & 1) << 8;
	else
		return false;
	*lse = htonl(l);
	return true;
}

static const struct {
	const char *name;
	part_fn *fn;
} parts[] = {
	{ "eth", part_eth }, { "ipv4", part_ipv4 }, { "ipv6", part_ipv6 }, { "tcp", part_l4 },
	{ "udp", part_l4 }, { "sctp", part_l4 }, { "icmp", part_icmp }, { "icmpv6", part_icmp },
	{ "arp", part_arp }, { "nd", part_nd }, { "tunnel", part_tunnel },
};

/* Reads up to a ',' or the closing parenthesis, masks ("/...") cut off; skips the ','. */
static bool
next_field(struct parser *ps, char *name, size_t name_size, char *value, size_t value_size)
{
	size_t n = strcspn(ps->p, "=(),"), v;

	if (*ps->p == ')' || !n || n >= name_size)
		return false;
	memcpy(name, ps->p, n);
	name[n] = '\0';
	ps->p += n;
	value[0] = '\0';
	if (*ps->p == '(') { /* flags(df|key), geneve({...}) */
		int depth = 0;
		while (*ps->p) {
			depth += (*ps->p == '(') - (*ps->p == ')');
			ps->p++;
			if (!depth)
				break;
		}
	} else if (*ps->p == '=') {
		v = strcspn(++ps->p, ",)");
		n = strcspn(ps->p, ",)/");
		if (n >= value_size)
			return false;
		memcpy(value, ps->p, n);
		value[n] = '\0';
		ps->p += v;
	} else {
		return false;
	}
	if (*ps->p == ',')
		ps->p++;
	return true;
}

static bool
parse_fields(struct parser *ps, const char *part)
{
	char name[32], value[128];
	part_fn *fn = NULL;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!strcmp(parts[i].name, part))
			fn = parts[i].fn;
	while (*ps->p && *ps->p != ')') {
		bool ok;

		if (!next_field(ps, name, sizeof(name), value, sizeof(value)))
			return fail(ps, "bad field");
		if (!strcmp(part, "vlan"))
			ok = part_vlan(ps, name, value);
		else if (!strcmp(part, "mpls"))
			ok = part_mpls(ps, name, value);
		else
			ok = fn && fn(ps->key, name, value);
		if (!ok)
			return fail(ps, "unknown field");
	}
	return end_part(ps);
}

/* "name(value)": the value, its mask cut off. */
static bool
parse_scalar(struct parser *ps, const char *part)
{
	struct of_key *k = ps->key;
	char value[256];
	size_t n = strcspn(ps->p, ")"), v = strcspn(ps->p, "/)");

	if (ps->p[n] != ')' || v >= sizeof(value))
		return fail(ps, "missing )");
	memcpy(value, ps->p, v);
	value[v] = '\0';
	ps->p += n + 1;
	if (!strcmp(part, "in_port"))
		*ps->slot = port_slot(value);
	else if (!strcmp(part, "eth_type"))
		k->dl_type = htons((uint16_t)number(value));
	else if (!strcmp(part, "recirc_id"))
		k->recirc_id = (uint32_t)number(value);
	else if (!strcmp(part, "dp_hash"))
		k->dp_hash = (uint32_t)number(value);
	else if (!strcmp(part, "skb_priority"))
		k->skb_priority = (uint32_t)number(value);
	else if (!strcmp(part, "skb_mark"))
		k->pkt_mark = (uint32_t)number(value);
	else if (!strcmp(part, "ct_state"))
		k->ct_state = (uint8_t)flags(value, of_ct_state_name);
	else if (!strcmp(part, "ct_zone"))
		k->ct_zone = (uint16_t)number(value);
	else if (!strcmp(part, "ct_mark"))
		k->ct_mark = (uint32_t)number(value);
	else if (!strcmp(part, "tcp_flags"))
		k->tcp_flags = htons((uint16_t)flags(value, of_tcp_flag_name));
	else if (strcmp(part, "ct_label") && strcmp(part, "packet_type"))
		return fail(ps, "unknown key");
	return true;
}

static bool
is_scalar(const char *part)
{
	static const char *const names[] = {
		"in_port", "eth_type", "recirc_id", "dp_hash", "skb_priority", "skb_mark",
		"ct_state", "ct_zone", "ct_mark", "ct_label", "tcp_flags", "packet_type",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], part))
			return true;
	return false;
}

static bool
parse_part(struct parser *ps)
{
	size_t n = strcspn(ps->p, "(),=:");
	char part[32];

	if (!n || n >= sizeof(part) || ps->p[n] != '(')
		return fail(ps, "not a datapath flow");
	memcpy(part, ps->p, n);
	part[n] = '\0';
	ps->p += n + 1;
	if (!strcmp(part, "encap")) {
		/* What is behind the tag: its EtherType is the packet's. */
		return parse_items(ps, ')') && end_part(ps);
	}
	if (is_scalar(part)) {
		if (!strcmp(part, "eth_type") && ps->n_vlans < OF_MAX_VLANS)
			ps->key->vlans[ps->n_vlans].tpid = htons((uint16_t)number(ps->p));
		return parse_scalar(ps, part);
	}
	if (!strcmp(part, "vlan") && ps->n_vlans++ >= OF_MAX_VLANS)
		return fail(ps, "too many tags");
	if (!strcmp(part, "mpls") && ps->n_mpls++ >= OF_MAX_MPLS)
		return fail(ps, "too many labels");
	if (!strcmp(part, "vlan"))
		ps->key->dl_type = htons(OF_DL_TYPE_NONE);
	return parse_fields(ps, part);
}

static bool
parse_items(struct parser *ps, char end)
{
	for (;;) {
		ps->p += strspn(ps->p, ", \t\n");
		if (*ps->p == end)
			return true;
		if (!parse_part(ps))
			return false;
	}
}

char *
of_odp_parse(const char *text, struct of_key *key, uint32_t *slot)
{
	struct parser ps = { .p = text, .key = key, .slot = slot };

	memset(key, 0, sizeof(*key));
	key->packet_type = OF_PT_ETH;
	key->dl_type = htons(OF_DL_TYPE_NONE);
	*slot = UINT32_MAX;
	/* An empty text is no flow. */
	text += strspn(text, ", \t\n");
	if (!*text)
		return wf_xstrdup("empty flow");
	if (!parse_items(&ps, '\0'))
		return ps.error ? ps.error : wf_xstrdup("syntax error");
	/* Only real tags keep their TPID. */
	for (unsigned i = ps.n_vlans; i < OF_MAX_VLANS; i++)
		key->vlans[i] = (struct of_vlan){ 0, 0 };
	return NULL;
}
