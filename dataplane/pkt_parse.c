/* SPDX-License-Identifier: Apache-2.0 */
/* From bytes to a key.  What is read from which header, and what a cut or contradictory header
 * leaves at 0, follows what flow_extract() of Open vSwitch does, so that the same rules match;
 * beyond it: four VLAN tags and MPLS labels, PBB, IPv6 extension header bits. */
#include "dataplane/packet.h"

#include <arpa/inet.h>
#include <stdatomic.h>

#include "dataplane/pkt_load.h"
#include "openflow/key.h"

static _Atomic unsigned vlan_limit = OF_MAX_VLANS;

void
pkt_set_vlan_limit(unsigned limit)
{
	if (limit < 1 || limit > OF_MAX_VLANS)
		limit = OF_MAX_VLANS;
	atomic_store_explicit(&vlan_limit, limit, memory_order_relaxed);
}

/* What is left of the packet.  Nothing before 'p' or from p + left on is ever read. */
struct cursor {
	const uint8_t *start, *p;
	uint32_t left;
};

static inline uint16_t
ofs(const struct cursor *c)
{
	size_t n = c->p - c->start;

	return n < PKT_NO_OFS ? n : PKT_NO_OFS;
}

static inline void
skip(struct cursor *c, uint32_t n)
{
	c->p += n;
	c->left -= n;
}

static inline uint16_t
be16_at(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static inline bool
is_vlan(uint16_t dl_type)
{
	return dl_type == 0x8100 || dl_type == 0x88a8;
}

static inline bool
is_mpls(uint16_t dl_type)
{
	return dl_type == 0x8847 || dl_type == 0x8848;
}

static unsigned
parse_vlans(struct cursor *c, struct of_key *key, unsigned more)
{
	unsigned limit = atomic_load_explicit(&vlan_limit, memory_order_relaxed) + more;
	unsigned n = 0;

	if (limit > OF_MAX_VLANS)
		limit = OF_MAX_VLANS;

	/* A tag counts if the EtherType behind it is there as well. */
	while (n < limit && is_vlan(be16_at(c->p)) && c->left >= 6) {
		key->vlans[n].tpid = load16(c->p);
		key->vlans[n].tci = load16(c->p + 2) | htons(OF_VLAN_CFI);
		skip(c, 4);
		n++;
	}
	return n;
}

void
pkt_limit_vlans(struct of_key *key)
{
	unsigned limit = atomic_load_explicit(&vlan_limit, memory_order_relaxed);

	if (limit >= OF_MAX_VLANS || !(key->vlans[limit].tci & htons(OF_VLAN_CFI)))
		return;
	key->dl_type = key->vlans[limit].tpid;
	memset(&key->vlans[limit], 0, (OF_MAX_VLANS - limit) * sizeof(key->vlans[0]));
	memset((uint8_t *)key + offsetof(struct of_key, mpls_lse), 0,
	       sizeof(*key) - offsetof(struct of_key, mpls_lse));
}

/* At the EtherType or 802.3 length field, of which two bytes are there. */
static uint16_t
parse_dl_type(struct cursor *c)
{
	static const uint8_t snap[6] = { 0xaa, 0xaa, 0x03, 0, 0, 0 };
	uint16_t type = be16_at(c->p);

	skip(c, 2);
	if (type >= 0x600)
		return type;
	/* IEEE 802.2 with a SNAP header that carries an EtherType (RFC 1042). */
	if (c->left < 8 || memcmp(c->p, snap, sizeof(snap)))
		return OF_DL_TYPE_NONE;
	type = be16_at(c->p + 6);
	skip(c, 8);
	return type >= 0x600 ? type : OF_DL_TYPE_NONE;
}

static void
parse_mpls(struct cursor *c, struct of_key *key)
{
	for (unsigned n = 0; c->left >= 4; n++) {
		bool bottom = c->p[2] & 1;

		if (n < OF_MAX_MPLS)
			key->mpls_lse[n] = load32(c->p);
		skip(c, 4);
		if (bottom)
			return;
	}
}

static void
parse_arp(struct cursor *c, struct of_key *key)
{
	/* RFC 826, for IPv4 over Ethernet. */
	static const uint8_t head[6] = { 0, 1, 0x08, 0, 6, 4 };
	const uint8_t *p = c->p;

	if (c->left < 28 || memcmp(p, head, sizeof(head)))
		return;
	/* Only the low 8 bits of the opcode can be matched. */
	if (p[6] == 0)
		key->nw_proto = p[7];
	memcpy(key->arp_sha, p + 8, 6);
	key->nw_src = load32(p + 14);
	memcpy(key->arp_tha, p + 18, 6);
	key->nw_dst = load32(p + 24);
}

static void
parse_nsh(struct cursor *c, struct of_key *key)
{
	/* RFC 8300 section 2.2: version, flags, TTL and length share the first 16 bits. */
	const uint8_t *p = c->p;

	if (c->left < 8)
		return;
	uint16_t head = be16_at(p);
	unsigned length = (head & 0x3f) * 4;
	if (head >> 14 != 0 || length > c->left || length < 8)
		return;
	if (p[2] == 1 && length != 24)
		return;
	key->nsh.flags = head >> 12 & 3;
	key->nsh.ttl = head >> 6 & 0x3f;
	key->nsh.mdtype = p[2] & 0xf;
	key->nsh.np = p[3];
	key->nsh.path_hdr = load32(p + 4);
	if (p[2] == 1)
		memcpy(key->nsh.context, p + 8, 16);
}

/* False: the IPv4 header is cut or contradicts the packet's size or EtherType.  Of another version
 * what writes headers would not find the fields that rules matched (Open vSwitch does not look). */
static bool
parse_ipv4(struct cursor *c, struct of_key *key, struct pkt_layers *layers)
{
	const uint8_t *p = c->p;

	if (c->left < 20)
		return false;
	uint32_t header = (p[0] & 0xf) * 4;
	uint32_t total = be16_at(p + 2);
	if (p[0] >> 4 != 4 || header < 20 || header > c->left || total > c->left || header > total ||
	    c->left - total > UINT16_MAX)
		return false;
	layers->l2_pad = c->left - total;
	c->left = total;

	key->nw_src = load32(p + 12);
	key->nw_dst = load32(p + 16);
	key->nw_tos = p[1];
	key->nw_ttl = p[8];
	key->nw_proto = p[9];
	uint16_t frag = be16_at(p + 6);
	if (frag & 0x3fff) /* more fragments, or an offset */
		key->nw_frag = frag & 0x1fff ? OF_FRAG_ANY | OF_FRAG_LATER : OF_FRAG_ANY;
	skip(c, header);
	return true;
}

enum { /* OpenFlow 1.3 section A.2.3.8 */
	EXT_NONEXT = 1 << 0, EXT_ESP = 1 << 1, EXT_AUTH = 1 << 2, EXT_DEST = 1 << 3,
	EXT_FRAG = 1 << 4, EXT_ROUTER = 1 << 5, EXT_HOP = 1 << 6, EXT_UNREP = 1 << 7,
	EXT_UNSEQ = 1 << 8
};

/* Accounts for one extension header of 'bit'.  RFC 2460 section 4.1 recommends the order
 * hop-by-hop, destination, routing, fragment, AH, ESP, destination, each once but for
 * destination options.  'rank' is the place of the last one seen. */
static void
note_ext(struct of_key *key, uint16_t bit, unsigned *rank, unsigned *n_dest)
{
	unsigned r = bit == EXT_HOP ? 1 : bit == EXT_DEST ? 2 : bit == EXT_ROUTER ? 3 :
		     bit == EXT_FRAG ? 4 : bit == EXT_AUTH ? 5 : 6;

	if (bit == EXT_DEST) {
		if (++*n_dest > 2)
			key->ipv6_exthdr |= EXT_UNREP;
		if (*rank > 2 || *n_dest > 1)
			r = 7;
	} else if (key->ipv6_exthdr & bit) {
		key->ipv6_exthdr |= EXT_UNREP;
	}
	if (r < *rank)
		key->ipv6_exthdr |= EXT_UNSEQ;
	else
		*rank = r;
	key->ipv6_exthdr |= bit;
}

/* False: an extension header is cut. */
static bool
parse_ipv6_ext(struct cursor *c, struct of_key *key)
{
	unsigned rank = 0, n_dest = 0;

	for (;;) {
		uint16_t bit;
		uint32_t size;

		switch (key->nw_proto) {
		case IPPROTO_HOPOPTS: bit = EXT_HOP; break;
		case IPPROTO_ROUTING: bit = EXT_ROUTER; break;
		case IPPROTO_DSTOPTS: bit = EXT_DEST; break;
		case IPPROTO_AH: bit = EXT_AUTH; break;
		case IPPROTO_FRAGMENT: bit = EXT_FRAG; break;
		case IPPROTO_ESP:
			note_ext(key, EXT_ESP, &rank, &n_dest);
			return true;
		case IPPROTO_NONE:
			key->ipv6_exthdr |= EXT_NONEXT;
			return true;
		default:
			return true;
		}
		if (c->left < 8)
			return false;
		note_ext(key, bit, &rank, &n_dest);

		const uint8_t *p = c->p;
		key->nw_proto = p[0];
		if (bit == EXT_FRAG) {
			uint16_t frag = be16_at(p + 2);

			size = 8;
			if (frag) {
				key->nw_frag = OF_FRAG_ANY;
				if (frag & 0xfff8) {
					key->nw_frag |= OF_FRAG_LATER;
					key->nw_proto = IPPROTO_FRAGMENT;
					skip(c, size);
					return true;
				}
			}
		} else {
			/* AH counts its length in 4 bytes, less 2 (RFC 4302 section 2.2). */
			size = bit == EXT_AUTH ? (p[1] + 2u) * 4 : (p[1] + 1u) * 8;
		}
		if (c->left < size)
			return false;
		skip(c, size);
	}
}

/* False: the header is cut or contradicts the packet's size; then no L4. */
static bool
parse_ipv6(struct cursor *c, struct of_key *key, struct pkt_layers *layers)
{
	const uint8_t *p = c->p;

	if (c->left < 40)
		return false;
	uint32_t payload = be16_at(p + 4);
	if (p[0] >> 4 != 6 || payload + 40 > c->left || c->left - payload - 40 > UINT16_MAX)
		return false;
	layers->l2_pad = c->left - payload - 40;
	memcpy(&key->ipv6_src, p + 8, 16);
	memcpy(&key->ipv6_dst, p + 24, 16);
	key->nw_proto = p[6];
	skip(c, 40);
	c->left = payload;
	if (!parse_ipv6_ext(c, key)) {
		/* As OVS: addresses stay, the rest is not set. */
		key->nw_proto = 0;
		key->nw_frag = 0;
		return false;
	}
	key->nw_tos = be16_at(p) >> 4;
	key->nw_ttl = p[7];
	key->ipv6_label = load32(p) & htonl(0x000fffff);
	return true;
}

static void
parse_nd(struct cursor *c, struct of_key *key)
{
	static const uint8_t zero[6];

	key->nd_reserved = load32(c->p + 4);
	skip(c, 8);
	if (c->left < 16)
		return;
	memcpy(&key->nd_target, c->p, 16);
	skip(c, 16);
	/* Options, RFC 4861 section 4.6; a link-layer address of Ethernet takes 8 bytes. */
	while (c->left >= 8) {
		const uint8_t *p = c->p;
		uint32_t size = p[1] * 8u;

		if (!size || size > c->left)
			return;
		if (size == 8 && (p[0] == 1 || p[0] == 2)) {
			uint8_t *mac = p[0] == 1 ? key->arp_sha : key->arp_tha;

			if (memcmp(mac, zero, 6)) { /* twice: none of it is believed */
				memset(&key->nd_target, 0, 16);
				memset(key->arp_sha, 0, 6);
				memset(key->arp_tha, 0, 6);
				return;
			}
			memcpy(mac, p + 2, 6);
			if (!key->nd_options_type)
				key->nd_options_type = p[0];
		}
		skip(c, size);
	}
}

static void
parse_l4(struct cursor *c, struct of_key *key)
{
	const uint8_t *p = c->p;
	uint32_t left = c->left;

	switch (key->nw_proto) {
	case IPPROTO_TCP:
		if (left >= 20 && (p[12] >> 4) >= 5 && (p[12] >> 4) * 4u <= left) {
			key->tp_src = load16(p);
			key->tp_dst = load16(p + 2);
			key->tcp_flags = load16(p + 12) & htons(0x0fff);
		}
		break;
	case IPPROTO_UDP:
		if (left >= 8) {
			key->tp_src = load16(p);
			key->tp_dst = load16(p + 2);
		}
		break;
	case IPPROTO_SCTP:
		if (left >= 12) {
			key->tp_src = load16(p);
			key->tp_dst = load16(p + 2);
		}
		break;
	case IPPROTO_ICMP:
	case IPPROTO_IGMP:
		if (left >= 8) {
			key->tp_src = htons(p[0]);
			key->tp_dst = htons(p[1]);
		}
		break;
	case IPPROTO_ICMPV6:
		if (left >= 8) {
			key->tp_src = htons(p[0]);
			key->tp_dst = htons(p[1]);
			if (p[1] == 0 && (p[0] == 135 || p[0] == 136))
				parse_nd(c, key);
		}
		break;
	}
}

#define HEADER_OFS offsetof(struct of_key, dl_dst)

static inline __attribute__((always_inline)) void
parse(const struct rte_mbuf *m, uint32_t packet_type, enum pkt_depth depth, unsigned more_tags,
      struct of_key *key, struct pkt_layers *layers)
{
	struct cursor c = { pkt_data(m), pkt_data(m), pkt_size(m) };
	uint16_t dl_type;

	*layers = (struct pkt_layers){ PKT_NO_OFS, PKT_NO_OFS, PKT_NO_OFS, 0 };
	memset((uint8_t *)key + HEADER_OFS, 0, sizeof(*key) - HEADER_OFS);
	if (packet_type == OF_PT_ETH) {
		if (c.left < 14)
			return;
		memcpy(key->dl_dst, c.p, 12);
		skip(&c, 12);
		key->n_vlans_hint = parse_vlans(&c, key, more_tags);
		dl_type = parse_dl_type(&c);
		if (dl_type == 0x88e7 && c.left >= 4) { /* IEEE 802.1ah I-TAG */
			uint32_t tag = ntohl(load32(c.p));

			key->pbb_isid = (tag & 0xffffff) | 1u << 31;
			key->pbb_uca = tag >> 27 & 1;
		}
	} else {
		dl_type = packet_type & 0xffff;
	}
	key->dl_type = htons(dl_type);
	if (is_mpls(dl_type)) {
		layers->l2_5 = ofs(&c);
		parse_mpls(&c, key);
	}
	if (depth == PKT_DEPTH_L2)
		return;

	layers->l3 = ofs(&c);
	switch (dl_type) {
	case 0x0800:
		if (!parse_ipv4(&c, key, layers))
			return;
		break;
	case 0x86dd:
		if (!parse_ipv6(&c, key, layers))
			return;
		break;
	case 0x0806:
	case 0x8035:
		parse_arp(&c, key);
		return;
	case 0x894f:
		parse_nsh(&c, key);
		return;
	default:
		return;
	}
	if (key->nw_frag & OF_FRAG_LATER)
		return;
	layers->l4 = ofs(&c);
	parse_l4(&c, key);
}

void
pkt_parse(const struct rte_mbuf *m, uint32_t packet_type, struct of_key *key,
	  struct pkt_layers *layers)
{
	parse(m, packet_type, PKT_DEPTH_ALL, 0, key, layers);
}

void
pkt_parse_some(const struct rte_mbuf *m, uint32_t packet_type, enum pkt_depth depth,
	       struct of_key *key, struct pkt_layers *layers)
{
	if (depth == PKT_DEPTH_L2)
		parse(m, packet_type, PKT_DEPTH_L2, 0, key, layers);
	else
		parse(m, packet_type, PKT_DEPTH_ALL, 0, key, layers);
}

void
pkt_parse_more(const struct rte_mbuf *m, uint32_t packet_type, unsigned more_tags,
	       struct of_key *key, struct pkt_layers *layers)
{
	parse(m, packet_type, PKT_DEPTH_ALL, more_tags, key, layers);
}

void
pkt_find_layers(const struct rte_mbuf *m, uint32_t packet_type, unsigned more_tags,
		struct pkt_layers *layers)
{
	struct of_key scratch;

	parse(m, packet_type, PKT_DEPTH_ALL, more_tags, &scratch, layers);
}
