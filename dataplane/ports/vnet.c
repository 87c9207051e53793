/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/vnet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "tunnels/checksum.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define CSUM_OFS_TCP 16
#define CSUM_OFS_UDP 6
#define CSUM_OFS_SCTP 8

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Offset of the network header behind Ethernet and VLAN tags; 0 if cut. */
static unsigned
l3_offset(const uint8_t *p, uint32_t size, uint16_t *ether_type)
{
	unsigned ofs = 12;

	while (ofs + 2 <= size) {
		*ether_type = get16(p + ofs);
		if (*ether_type != ETH_P_8021Q && *ether_type != ETH_P_8021AD)
			return ofs + 2;
		ofs += 4;
	}
	return 0;
}

static uint16_t
sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Completes the checksum that 'hdr' asks for, wherever it is. */
static void
complete(struct rte_mbuf *m, unsigned start, unsigned field)
{
	uint8_t *p = pkt_data(m);
	uint32_t size = pkt_size(m), sum = 0;
	uint32_t i = start;

	for (; i + 1 < size; i += 2) {
		sum += get16(p + i);
		if (sum >> 31)
			sum = sum_fold(sum);
	}
	if (i < size)
		sum += (uint32_t)p[i] << 8;
	uint16_t csum = (uint16_t)~sum_fold(sum);
	if (!csum)
		csum = 0xffff;
	p[start + field] = (uint8_t)(csum >> 8);
	p[start + field + 1] = (uint8_t)csum;
}

/* The same for SCTP: a device that computes CRC32c (veth) leaves it open, and nothing in the
 * header says that it is none of the Internet checksums. */
static bool
complete_sctp(struct rte_mbuf *m, unsigned start)
{
	uint8_t *p = pkt_data(m);
	uint32_t crc;

	if (start + 12 > pkt_size(m))
		return false;
	crc = sctp_checksum(p + start, pkt_size(m) - start);
	memcpy(p + start + CSUM_OFS_SCTP, &crc, sizeof crc);
	return true;
}

/* The protocol at 'start', where the IP header says it; IPPROTO_MAX behind extension headers. */
static int
proto_at(const uint8_t *p, unsigned l3, bool ipv4, unsigned start)
{
	if (ipv4)
		return p[l3 + 9];
	return l3 + 40 == start ? p[l3 + 6] : IPPROTO_MAX;
}

/* The IP header that ends at 'start' and whose packet ends with the frame; 0: there is none. */
static unsigned
inner_l3(const uint8_t *p, uint32_t size, unsigned start, unsigned from, bool is_v6)
{
	if (is_v6)
		return from + 40 <= start && p[start - 40] >> 4 == 6 && p[start - 34] == IPPROTO_TCP &&
			       get16(p + start - 36) == size - start ? start - 40 : 0;
	for (unsigned header = 20; header <= 60 && from + header <= start; header += 4) {
		const uint8_t *ip = p + start - header;

		if (ip[0] == (0x40 | header / 4) && ip[9] == IPPROTO_TCP &&
		    get16(ip + 2) == size - start + header)
			return start - header;
	}
	return 0;
}

/* A kernel that encapsulates leaves the segmentation of the inner packet to the device.  The header says
 * where the inner TCP header is, not that there is an outer one. */
static bool
take_tunnel(const struct virtio_net_hdr *hdr, unsigned start, unsigned l3, bool is_v4, struct rte_mbuf *m)
{
	bool is_v6 = (hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV6;
	const uint8_t *p = pkt_data(m);
	unsigned l4 = l3 + (is_v4 ? (p[l3] & 15u) * 4 : 40), proto = p[l3 + (is_v4 ? 9 : 6)], inner, header;
	uint32_t size = pkt_size(m);

	if (l3 > 127 || (is_v4 && l4 < l3 + 20) || (proto != IPPROTO_UDP && proto != IPPROTO_GRE) ||
	    l4 + 4 > start || start + 20 > size || hdr->csum_offset != CSUM_OFS_TCP ||
	    !vnet_gso_size_is_sane(size, hdr->gso_size))
		return false;
	inner = inner_l3(p, size, start, l4 + 4, is_v6);
	header = (p[start + 12] >> 4) * 4u;
	if (!inner || inner - l4 > 127 || header < 20 || start + header > size)
		return false;
	m->outer_l2_len = l3;
	m->outer_l3_len = l4 - l3;
	m->l2_len = inner - l4;
	m->l3_len = start - inner;
	m->l4_len = header;
	m->tso_segsz = hdr->gso_size;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG | PKT_TX_INNER |
		       RTE_MBUF_F_RX_L4_CKSUM_GOOD | (is_v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
	return true;
}

bool
vnet_to_packet(const struct virtio_net_hdr *hdr, unsigned shift, struct rte_mbuf *m)
{
	uint8_t *p = pkt_data(m);
	uint32_t size = pkt_size(m);
	uint16_t ether_type = 0;
	unsigned l3, start;
	uint64_t flags = 0;

	if (hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) {
		m->ol_flags |= flags;
		/* GSO without an unfinished checksum is not allowed by virtio. */
		return hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE;
	}
	start = hdr->csum_start + shift;
	if (start + hdr->csum_offset + 2u > size)
		return false;
	l3 = l3_offset(p, size, &ether_type);

	/* Flags can say: IPv4 or IPv6 right behind Ethernet, TCP or UDP at csum_start. */
	bool ipv4 = ether_type == ETH_P_IP && l3 + 20 <= start &&
		    l3 + (p[l3] & 15u) * 4 == start;
	bool ipv6 = ether_type == ETH_P_IPV6 && l3 + 40 <= start;
	bool plain = (ipv4 || ipv6) && start - l3 < 512 && l3 < 128;
	int proto = plain ? proto_at(p, l3, ipv4, start) : -1;
	bool tcp = proto == IPPROTO_TCP || proto == IPPROTO_MAX;
	bool udp = proto == IPPROTO_UDP || proto == IPPROTO_MAX;
	if (tcp && hdr->csum_offset == CSUM_OFS_TCP && start + 20 <= size) {
		flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	} else if (udp && hdr->csum_offset == CSUM_OFS_UDP) {
		flags |= RTE_MBUF_F_TX_UDP_CKSUM;
	} else if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		unsigned kind = hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
		bool is_v4 = ether_type == ETH_P_IP && l3 + 20 <= start;

		return (is_v4 || (ether_type == ETH_P_IPV6 && l3 + 40 <= start)) &&
		       (kind == VIRTIO_NET_HDR_GSO_TCPV4 || kind == VIRTIO_NET_HDR_GSO_TCPV6) &&
		       take_tunnel(hdr, start, l3, is_v4, m);
	} else {
		m->ol_flags |= flags;
		if (proto == IPPROTO_SCTP && hdr->csum_offset == CSUM_OFS_SCTP)
			return complete_sctp(m, start);
		complete(m, start, hdr->csum_offset);
		return true;
	}
	flags |= ipv4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	m->l2_len = l3;
	m->l3_len = start - l3;

	switch (hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		break;
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
		if (!(flags & RTE_MBUF_F_TX_TCP_CKSUM) ||
		    !vnet_gso_size_is_sane(size, hdr->gso_size))
			return false;
		m->l4_len = (p[start + 12] >> 4) * 4u;
		if (m->l4_len < 20 || start + m->l4_len > size)
			return false;
		m->tso_segsz = hdr->gso_size;
		flags |= RTE_MBUF_F_TX_TCP_SEG;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		if ((flags & RTE_MBUF_F_TX_L4_MASK) != RTE_MBUF_F_TX_UDP_CKSUM ||
		    !vnet_gso_size_is_sane(size, hdr->gso_size))
			return false;
		m->l4_len = 8;
		m->tso_segsz = hdr->gso_size;
		flags |= RTE_MBUF_F_TX_UDP_SEG;
		break;
	default:
		return false;
	}
	m->ol_flags |= flags;
	return true;
}

void
vnet_from_packet(const struct rte_mbuf *m, struct virtio_net_hdr *hdr)
{
	uint64_t flags = m->ol_flags, l4 = flags & RTE_MBUF_F_TX_L4_MASK;

	memset(hdr, 0, sizeof *hdr);
	if (l4 != RTE_MBUF_F_TX_TCP_CKSUM && l4 != RTE_MBUF_F_TX_UDP_CKSUM) {
		if (flags & RTE_MBUF_F_RX_L4_CKSUM_GOOD)
			hdr->flags = VIRTIO_NET_HDR_F_DATA_VALID;
		return;
	}
	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->csum_start = (uint16_t)(m->l2_len + m->l3_len);
	hdr->csum_offset = l4 == RTE_MBUF_F_TX_TCP_CKSUM ? CSUM_OFS_TCP : CSUM_OFS_UDP;
	if (flags & RTE_MBUF_F_TX_TCP_SEG) {
		hdr->gso_type = flags & RTE_MBUF_F_TX_IPV4 ? VIRTIO_NET_HDR_GSO_TCPV4
							   : VIRTIO_NET_HDR_GSO_TCPV6;
	} else if (flags & RTE_MBUF_F_TX_UDP_SEG) {
		hdr->gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	} else {
		return;
	}
	hdr->gso_size = m->tso_segsz;
	hdr->hdr_len = (uint16_t)(m->l2_len + m->l3_len + m->l4_len);
}
