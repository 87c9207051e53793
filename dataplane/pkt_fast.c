/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/pkt_fast.h"

#include <netinet/in.h>

/* A value that was loaded from 'size' bytes, as part of a word in memory from byte 'ofs' on. */
static inline uint64_t
part(uint64_t v, unsigned size, unsigned ofs)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	(void)size;
	return v << 8 * ofs;
#else
	return v << (64 - 8 * (ofs + size));
#endif
}

#define WORD(FIELD) (offsetof(struct of_key, FIELD) / 8)
#define AT(FIELD) (offsetof(struct of_key, FIELD) % 8)
static_assert(AT(dl_dst) == 0 && WORD(dl_type) == WORD(dl_dst) + 1 && AT(dl_type) == 4,
	      "the link layer as in the frame");
static_assert(AT(vlans) == 0 && AT(nw_src) == 0 && AT(nw_dst) == 4 && AT(ipv6_src) == 0,
	      "words that are stored whole");
static_assert(WORD(nw_tos) == WORD(ipv6_label) && WORD(nw_proto) == WORD(nw_ttl) &&
		      WORD(tp_src) == WORD(tcp_flags) && WORD(tp_src) == WORD(tp_dst),
	      "words that are stored whole");
static_assert(AT(nw_tos) == 7, "the traffic class of IPv6 is moved there");

const struct of_key *
pkt_fast_parse(struct pkt_fast *f, const struct rte_mbuf *m, struct pkt_layers *layers)
{
	unsigned kind = pkt_kind(m);

	if (kind == PKT_KIND_OTHER)
		return NULL;
	pkt_kind_layers(m, kind, layers);

	const uint8_t *data = pkt_data(m), *ip = data + layers->l3, *l4 = data + layers->l4;
	uint64_t vlan = 0, flags = 0, tos, ttl, proto, *k;
	uint32_t label = 0, ports;
	uint16_t type;
	struct of_key *key;

	if (kind & PKT_KIND_IPV6) {
		key = &f->v6;
		k = of_key_words(key);
		for (unsigned i = 0; i < 4; i++)
			k[WORD(ipv6_src) + i] = load64(ip + 8 + 8 * i);
		type = htons(0x86dd);
		tos = (uint8_t)(ntohs(load16(ip)) >> 4);
		label = load32(ip) & htonl(0xfffff);
		ttl = ip[7];
		proto = ip[6];
	} else {
		key = &f->v4;
		k = of_key_words(key);
		k[WORD(nw_src)] = load64(ip + 12);
		type = htons(0x0800);
		tos = ip[1];
		ttl = ip[8];
		proto = ip[9];
	}
	if (kind & PKT_KIND_TAGGED)
		vlan = part(load16(data + 12), 2, offsetof(struct of_vlan, tpid)) |
		       part(load16(data + 14) | htons(OF_VLAN_CFI), 2,
			    offsetof(struct of_vlan, tci));
	if (kind & PKT_KIND_GRE)
		ports = 0;
	else
		ports = load32(l4);
	if (kind & PKT_KIND_TCP)
		flags = load16(l4 + 12) & htons(0x0fff);
	k[WORD(dl_dst)] = load64(data);
	k[WORD(dl_type)] = part(load32(data + 8), 4, 0) | part(type, 2, AT(dl_type)) |
			   part(!!(kind & PKT_KIND_TAGGED), 1, AT(n_vlans_hint));
	k[WORD(vlans)] = vlan;
	k[WORD(ipv6_label)] = part(label, 4, AT(ipv6_label)) | part(tos, 1, AT(nw_tos));
	k[WORD(nw_ttl)] = part(ttl, 1, AT(nw_ttl)) | part(proto, 1, AT(nw_proto));
	k[WORD(tp_src)] = part(ports, 4, AT(tp_src)) | part(flags, 2, AT(tcp_flags));
	return key;
}

/* 'size' bytes of the frame from 'frame_ofs' on are those of the key from 'key_ofs' on, under 'bits'
 * (of one value of that size). */
static struct pkt_source
bytes_of(unsigned key_ofs, unsigned frame_ofs, unsigned size, uint64_t bits)
{
	return (struct pkt_source){ part(bits, size, key_ofs % 8), (uint8_t)(key_ofs / 8),
				    (uint8_t)(frame_ofs - key_ofs % 8), 0 };
}

unsigned
pkt_kind_key(unsigned kind, struct of_key *fixed, struct pkt_source s[PKT_MAX_SOURCES])
{
	bool v6 = kind & PKT_KIND_IPV6;
	unsigned ip = pkt_kind_l3(kind), l4 = ip + (v6 ? 40 : 20), n = 0;

	memset(fixed, 0, sizeof(*fixed));
	fixed->dl_type = v6 ? htons(0x86dd) : htons(0x0800);
	fixed->nw_proto = kind & PKT_KIND_GRE ? IPPROTO_GRE
			  : kind & PKT_KIND_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	s[n++] = bytes_of(offsetof(struct of_key, dl_dst), 0, 8, UINT64_MAX);
	s[n++] = bytes_of(offsetof(struct of_key, dl_src) + 2, 8, 4, UINT32_MAX);
	if (kind & PKT_KIND_TAGGED) {
		fixed->n_vlans_hint = 1;
		fixed->vlans[0].tpid = htons(0x8100);
		fixed->vlans[0].tci = htons(OF_VLAN_CFI);
		s[n++] = bytes_of(offsetof(struct of_key, vlans[0].tci), 14, 2,
				  htons((uint16_t)~OF_VLAN_CFI));
	}
	if (v6) {
		for (unsigned i = 0; i < 4; i++)
			s[n++] = bytes_of(offsetof(struct of_key, ipv6_src) + 8 * i, ip + 8 + 8 * i,
					  8, UINT64_MAX);
		s[n++] = bytes_of(offsetof(struct of_key, ipv6_label), ip, 4, htonl(0xfffff));
		/* RFC 8200 section 3: the traffic class is the low half of the first byte and the
		 * high half of the second. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		s[n++] = (struct pkt_source){ part(0xf0, 1, 7), WORD(nw_tos), (uint8_t)ip, 60 };
		s[n++] = (struct pkt_source){ part(0x0f, 1, 7), WORD(nw_tos), (uint8_t)ip, 44 };
#else
		s[n++] = (struct pkt_source){ part(0xff, 1, 7), WORD(nw_tos), (uint8_t)ip, 12 };
#endif
	} else {
		s[n++] = bytes_of(offsetof(struct of_key, nw_src), ip + 12, 8, UINT64_MAX);
		s[n++] = bytes_of(offsetof(struct of_key, nw_tos), ip + 1, 1, 0xff);
	}
	s[n++] = bytes_of(offsetof(struct of_key, nw_ttl), ip + (v6 ? 7 : 8), 1, 0xff);
	if (!(kind & PKT_KIND_GRE))
		s[n++] = bytes_of(offsetof(struct of_key, tp_src), l4, 4, UINT32_MAX);
	if (kind & PKT_KIND_TCP)
		s[n++] = bytes_of(offsetof(struct of_key, tcp_flags), l4 + 12, 2, htons(0x0fff));
	return n;
}
