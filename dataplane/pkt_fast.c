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

/* L4 of 'left' bytes: sets ports and flags; false: leave it to the parser. */
static inline bool
fast_l4(struct of_key *k, const uint8_t *l4, uint32_t left, uint8_t proto)
{
	if (proto == IPPROTO_TCP) {
		if (left < 20 || l4[12] >> 4 < 5 || (l4[12] >> 4) * 4u > left)
			return false;
		k->tcp_flags = load16(l4 + 12) & htons(0x0fff);
	} else if (proto == IPPROTO_UDP) {
		if (left < 8)
			return false;
		k->tcp_flags = 0;
	} else {
		return false;
	}
	k->tp_src = load16(l4);
	k->tp_dst = load16(l4 + 2);
	return true;
}

/* Where an early "no" leaves words behind, the next "yes" writes the same words. */
const struct of_key *
pkt_fast_parse(struct pkt_fast *f, const struct rte_mbuf *m, struct pkt_layers *layers)
{
	const uint8_t *data = pkt_data(m), *ip = data + 14;
	uint32_t size = pkt_size(m), left;
	struct of_vlan vlan = { 0, 0 };
	struct of_key *k;

	/* The least that any of them has: Ethernet, a tag, IPv4, UDP. */
	if (size < 14 + 4 + 20 + 8)
		return NULL;
	uint16_t type = load16(data + 12);
	if (type == htons(0x8100)) {
		vlan.tpid = type;
		vlan.tci = load16(data + 14) | htons(OF_VLAN_CFI);
		type = load16(data + 16);
		ip += 4;
	}
	left = data + size - ip;
	if (type == htons(0x0800)) {
		uint32_t total = ntohs(load16(ip + 2));

		if (ip[0] != 0x45 || load16(ip + 6) & htons(0x3fff) || total < 20 || total > left)
			return NULL;
		k = &f->v4;
		if (!fast_l4(k, ip + 20, total - 20, ip[9]))
			return NULL;
		k->nw_src = load32(ip + 12);
		k->nw_dst = load32(ip + 16);
		k->nw_tos = ip[1];
		k->nw_ttl = ip[8];
		k->nw_proto = ip[9];
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
		k = &f->v6;
		if (!fast_l4(k, ip + 40, payload, ip[6]))
			return NULL;
		memcpy(&k->ipv6_src, ip + 8, 32);
		k->nw_tos = ntohs(load16(ip)) >> 4;
		k->ipv6_label = load32(ip) & htonl(0xfffff);
		k->nw_ttl = ip[7];
		k->nw_proto = ip[6];
		layers->l4 = ip + 40 - data;
		if (left - 40 - payload > UINT16_MAX)
			return NULL;
		layers->l2_pad = left - 40 - payload;
	} else {
		return NULL;
	}
	memcpy(k->dl_dst, data, 12);
	k->dl_type = type;
	k->n_vlans_hint = vlan.tci != 0;
	k->vlans[0] = vlan;
	layers->l2_5 = PKT_NO_OFS;
	layers->l3 = ip - data;
	return k;
}
