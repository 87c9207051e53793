/* SPDX-License-Identifier: Apache-2.0 */
/* The parser's short cut for the flow cache: TCP and UDP over IPv4 without options or over IPv6
 * without extension headers, no fragments, at most one VLAN tag; GRE over such IPv4 without a tag.
 *
 * There are few kinds of such packets.  Of a kind some bits of the key are known (EtherType, which
 * tags there are), and each other bit lies at a known place of the frame: pkt_kind_key() says which
 * and where.  So the cache takes what it compares straight out of the frame, and nobody else needs
 * a key.  Equal to pkt_parse() where it says yes; a test compares them. */
#ifndef WEFT_DATAPLANE_PKT_FAST_H
#define WEFT_DATAPLANE_PKT_FAST_H

#include <arpa/inet.h>

#include "dataplane/packet.h"
#include "dataplane/pkt_load.h"
#include "openflow/key.h"

/* Kinds, by bits; of all others the parser has to say. */
#define PKT_KIND_TCP 1u /* else UDP */
#define PKT_KIND_TAGGED 2u
#define PKT_KIND_IPV6 4u
#define PKT_KIND_GRE 8u /* over IPv4, without a tag; alone */
#define PKT_KINDS 9u
#define PKT_KIND_OTHER 16u
#define PKT_KIND_SAME 32u /* as one before it: run_decap_same.h */

/* Which kind of packet?  Without a branch on what differs from packet to packet. */
static inline unsigned
pkt_kind_of(const uint8_t *data, uint32_t size)
{
	const uint8_t *ip = data + 14, *l4;
	uint32_t kind = 0, behind, pad, tcp;
	uint8_t proto;

	/* The least that any of them has: Ethernet, a tag, IPv4, UDP. */
	if (unlikely(size < 14 + 4 + 20 + 8))
		return PKT_KIND_OTHER;
	uint16_t type = load16(data + 12);
	if (type == RTE_BE16(0x8100)) {
		type = load16(data + 16);
		ip += 4;
		kind = PKT_KIND_TAGGED;
	}
	uint32_t left = (uint32_t)(data + size - ip);
	if (likely(type == RTE_BE16(0x0800))) {
		uint32_t total = ntohs(load16(ip + 2));

		if (unlikely(ip[0] != 0x45 || load16(ip + 6) & RTE_BE16(0x3fff) || total < 20))
			return PKT_KIND_OTHER;
		proto = ip[9];
		l4 = ip + 20;
		behind = total - 20;
		pad = left - total;
	} else if (likely(type == RTE_BE16(0x86dd))) {
		if (unlikely(left < 40 || ip[0] >> 4 != 6))
			return PKT_KIND_OTHER;
		proto = ip[6];
		l4 = ip + 40;
		behind = ntohs(load16(ip + 4));
		pad = left - 40 - behind;
		kind |= PKT_KIND_IPV6;
	} else {
		return PKT_KIND_OTHER;
	}
	/* A header that is longer than the packet makes 'pad' larger than anything. */
	if (unlikely(pad > UINT16_MAX || proto > 63 ||
		     !((1ull << IPPROTO_TCP | 1ull << IPPROTO_UDP) >> proto & 1)))
		return pad <= UINT16_MAX && proto == IPPROTO_GRE && !kind ? PKT_KIND_GRE
									  : PKT_KIND_OTHER;
	/* Of UDP the size is 0 here, and at least 0. */
	tcp = proto == IPPROTO_TCP;
	if (unlikely(behind < 8 + 12 * tcp))
		return PKT_KIND_OTHER;
	uint32_t tcp_size = (l4[12 * tcp] >> 4) * 4u & -tcp;
	if (unlikely(tcp_size < 20 * tcp || tcp_size > behind))
		return PKT_KIND_OTHER;
	return kind | tcp;
}

static inline unsigned
pkt_kind(const struct rte_mbuf *m)
{
	return pkt_kind_of(pkt_data(m), pkt_size(m));
}

static inline uint16_t
pkt_kind_l3(unsigned kind)
{
	return kind & PKT_KIND_TAGGED ? 18 : 14;
}

/* Of a packet of this kind. */
static inline void
pkt_kind_layers(const struct rte_mbuf *m, unsigned kind, struct pkt_layers *l)
{
	const uint8_t *ip = pkt_data(m) + pkt_kind_l3(kind);
	uint32_t left = pkt_size(m) - pkt_kind_l3(kind);

	l->l2_5 = PKT_NO_OFS;
	l->l3 = pkt_kind_l3(kind);
	l->l4 = l->l3 + (kind & PKT_KIND_IPV6 ? 40 : 20);
	l->l2_pad = kind & PKT_KIND_IPV6 ? left - 40 - ntohs(load16(ip + 4))
					 : left - ntohs(load16(ip + 2));
}

/* Bits of a word of the key: of the 8 bytes from 'ofs' on in the frame, rotated to the left. */
struct pkt_source {
	uint64_t mask; /* in the key */
	uint8_t word, ofs, rotate;
};
#define PKT_MAX_SOURCES 13
/* Where the key of such packets comes from: 'fixed' is the same in all of them (the rest of it is
 * 0), the sources are the others.  Returns how many.  No load goes beyond the packet. */
unsigned pkt_kind_key(unsigned kind, struct of_key *fixed, struct pkt_source[PKT_MAX_SOURCES]);

struct pkt_fast {
	struct of_key v4, v6; /* zero at first; keys of the last packet of each sort */
};

/* For whoever does need a key.  It writes only the words that such a packet can fill; each with
 * one store, since a load of a word that was stored in pieces waits for all of them.
 * NULL: not such a packet; parse it.  Else the key, valid until the next call, with 'layers' set. */
const struct of_key *pkt_fast_parse(struct pkt_fast *, const struct rte_mbuf *,
				    struct pkt_layers *layers);

#endif
