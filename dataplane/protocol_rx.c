// SPDX-License-Identifier: Apache-2.0
#include "dataplane/protocol_rx.h"

#include "dataplane/slow_path.h"

#define ETH_LACP 0x8809
#define UDP_BFD 3784

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool
is_bfd(const uint8_t *ip, uint32_t size)
{
	uint32_t header;

	if (size < 20 || ip[0] >> 4 != 4 || ip[9] != IPPROTO_UDP || get16(ip + 6) & 0x1fff)
		return false;
	header = (ip[0] & 15u) * 4;
	return header >= 20 && size >= header + 8 && get16(ip + header + 2) == UDP_BFD;
}

uint8_t
protocol_of_frame(const struct rte_mbuf *m, uint8_t wanted)
{
	const uint8_t *b = pkt_data(m);
	uint32_t size = pkt_size(m), ofs = 12;
	uint16_t type;

	if (size < 14)
		return 0;
	type = get16(b + ofs);
	if (type == ETH_LACP)
		return wanted & PROTOCOL_LACP;
	if (!(wanted & PROTOCOL_BFD))
		return 0;
	for (unsigned tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); tags++) {
		ofs += 4;
		if (size < ofs + 2)
			return 0;
		type = get16(b + ofs);
	}
	return type == 0x0800 && is_bfd(b + ofs + 2, size - ofs - 2) ? PROTOCOL_BFD : 0;
}

uint8_t
protocol_of_key(const struct of_key *k, const struct xport *port, struct of_key *wc)
{
	static const uint8_t any[6];
	const struct bfd_filter *f = &port->bfd;
	bool has_mac = memcmp(f->dst_mac, any, 6);

	if (k->packet_type != OF_PT_ETH)
		return 0;
	if (k->dl_type == RTE_BE16(ETH_LACP))
		return port->protocols & PROTOCOL_LACP;
	if (!(port->protocols & PROTOCOL_BFD))
		return 0;
	if (has_mac)
		memset(wc->dl_dst, 0xff, 6);
	if (k->dl_type != RTE_BE16(0x0800) || (has_mac && memcmp(f->dst_mac, k->dl_dst, 6)))
		return 0;
	wc->nw_proto = 0xff;
	if (k->nw_proto != IPPROTO_UDP || k->nw_frag & OF_FRAG_LATER)
		return 0;
	wc->tp_dst = 0xffff;
	if (k->tp_dst != RTE_BE16(UDP_BFD) || (f->dst_ip && f->dst_ip != k->nw_dst))
		return 0;
	if (f->dst_ip)
		wc->nw_dst = UINT32_MAX;
	if (f->check_tnl_key)
		wc->tun_id = UINT64_MAX;
	return f->check_tnl_key && k->tun_id ? 0 : PROTOCOL_BFD;
}

bool
protocol_rx_one(struct pass *p, struct bridge *bridge, const struct xport *port, struct rte_mbuf *m)
{
	uint8_t protocol = p->packet_type == OF_PT_ETH ? protocol_of_frame(m, port->protocols) : 0;

	/* Main, which looks at the rest, does not hear of the tunnel. */
	if (protocol == PROTOCOL_BFD && port->bfd.check_tnl_key && p->tunnel && p->tunnel->tun_id)
		return false;
	if (protocol)
		slow_push_protocol(p, bridge, port->ofp_port, protocol, m);
	return protocol != 0;
}

unsigned
protocol_rx_burst(struct runner *rn, struct bridge *bridge, uint32_t slot, uint32_t generation,
		  of_port_t port, uint8_t wanted, struct rte_mbuf **pkts, unsigned n)
{
	unsigned left = 0;

	for (unsigned i = 0; i < n; i++) {
		uint8_t protocol = protocol_of_frame(pkts[i], wanted);

		if (!protocol) {
			pkts[left++] = pkts[i];
			continue;
		}
		struct run_fate fate = { 0 };
		struct pass p = {
			.rn = rn, .fate = &fate, .bridge = bridge, .in_slot = slot,
			.in_generation = generation, .in_port = port, .packet_type = OF_PT_ETH,
		};
		slow_push_protocol(&p, bridge, port, protocol, pkts[i]);
		pipeline_settle(rn, &fate);
	}
	return left;
}
