/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/pkt_fast.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static inline uint16_t
load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t
load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

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

/* L4 of 'left' bytes: sets ports and flags; false: leave it to the parser. */
static inline bool
fast_l4(uint64_t *k, const uint8_t *l4, uint32_t left, uint8_t proto)
{
	uint64_t flags = 0;

	if (proto == IPPROTO_TCP) {
		if (left < 20 || l4[12] >> 4 < 5 || (l4[12] >> 4) * 4u > left)
			return false;
		flags = load16(l4 + 12) & htons(0x0fff);
	} else if (proto != IPPROTO_UDP || left < 8) {
		return false;
	}
	k[WORD(tp_src)] = part(load32(l4), 4, AT(tp_src)) | part(flags, 2, AT(tcp_flags));
	return true;
}

/* Where an early "no" leaves words behind, the next "yes" writes the same words. */
const struct of_key *
pkt_fast_parse(struct pkt_fast *f, const struct rte_mbuf *m, struct pkt_layers *layers)
{
	const uint8_t *data = pkt_data(m), *ip = data + 14;
	uint32_t size = pkt_size(m), left;
	uint64_t vlan = 0, *k, tos, ttl, proto;
	uint32_t label = 0;
	bool tagged = false;
	struct of_key *key;

	/* The least that any of them has: Ethernet, a tag, IPv4, UDP. */
	if (size < 14 + 4 + 20 + 8)
		return NULL;
	uint16_t type = load16(data + 12);
	if (type == htons(0x8100)) {
		uint16_t tci = load16(data + 14) | htons(OF_VLAN_CFI);

		vlan = part(type, 2, offsetof(struct of_vlan, tpid)) |
		       part(tci, 2, offsetof(struct of_vlan, tci));
		type = load16(data + 16);
		ip += 4;
		tagged = true;
	}
	left = data + size - ip;
	if (type == htons(0x0800)) {
		uint32_t total = ntohs(load16(ip + 2));

		if (ip[0] != 0x45 || load16(ip + 6) & htons(0x3fff) || total < 20 || total > left)
			return NULL;
		key = &f->v4;
		k = of_key_words(key);
		if (!fast_l4(k, ip + 20, total - 20, ip[9]))
			return NULL;
		k[WORD(nw_src)] = load64(ip + 12);
		tos = ip[1];
		ttl = ip[8];
		proto = ip[9];
		layers->l4 = ip + 20 - data;
		if (left - total > UINT16_MAX)
			return NULL;
		layers->l2_pad = left - total;
	} else if (type == htons(0x86dd)) {
		uint32_t payload;

		if (left < 40 || ip[0] >> 4 != 6)
			return NULL;
		payload = ntohs(load16(ip + 4));
		if (payload > left - 40)
			return NULL;
		key = &f->v6;
		k = of_key_words(key);
		if (!fast_l4(k, ip + 40, payload, ip[6]))
			return NULL;
		for (unsigned i = 0; i < 4; i++)
			k[WORD(ipv6_src) + i] = load64(ip + 8 + 8 * i);
		tos = (uint8_t)(ntohs(load16(ip)) >> 4);
		label = load32(ip) & htonl(0xfffff);
		ttl = ip[7];
		proto = ip[6];
		layers->l4 = ip + 40 - data;
		if (left - 40 - payload > UINT16_MAX)
			return NULL;
		layers->l2_pad = left - 40 - payload;
	} else {
		return NULL;
	}
	k[WORD(dl_dst)] = load64(data);
	k[WORD(dl_type)] = part(load32(data + 8), 4, 0) | part(type, 2, AT(dl_type)) |
			   part(tagged, 1, AT(n_vlans_hint));
	k[WORD(vlans)] = vlan;
	k[WORD(ipv6_label)] = part(label, 4, AT(ipv6_label)) | part(tos, 1, AT(nw_tos));
	k[WORD(nw_ttl)] = part(ttl, 1, AT(nw_ttl)) | part(proto, 1, AT(nw_proto));
	layers->l2_5 = PKT_NO_OFS;
	layers->l3 = ip - data;
	return key;
}

void
pkt_fast_bits(struct of_key *v4, struct of_key *v6)
{
	memset(v4, 0, sizeof(*v4));
	memset(v4->dl_dst, 0xff, 6);
	memset(v4->dl_src, 0xff, 6);
	v4->dl_type = 0xffff;
	v4->n_vlans_hint = 1;
	v4->vlans[0].tpid = v4->vlans[0].tci = 0xffff;
	v4->nw_tos = v4->nw_ttl = v4->nw_proto = 0xff;
	v4->tp_src = v4->tp_dst = 0xffff;
	v4->tcp_flags = htons(0x0fff);
	*v6 = *v4;
	v4->nw_src = v4->nw_dst = 0xffffffff;
	memset(&v6->ipv6_src, 0xff, 16);
	memset(&v6->ipv6_dst, 0xff, 16);
	v6->ipv6_label = htonl(0xfffff);
}
