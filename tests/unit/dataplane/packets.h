/* SPDX-License-Identifier: Apache-2.0 */
/* Packets for tests, built byte by byte with checksums computed by a routine of their own. */
#ifndef TESTS_PACKETS_H
#define TESTS_PACKETS_H

#include "dataplane/packet.h"

/* Bytes from hexadecimal digits; anything else is skipped, but "#" starts a comment to the end of
 * the line.  Returns the size. */
size_t hex_bytes(const char *text, uint8_t *out, size_t room);
struct rte_mbuf *packet_hex(const char *text);
/* A packet whose last byte is the last before an unmapped page.  pkt_free() unmaps nothing:
 * call packet_unmap(). */
struct rte_mbuf *packet_at_page_end(const void *bytes, uint32_t size);
void packet_unmap(struct rte_mbuf *);

/* The checksum of RFC 1071 the slow way: 16 bits at a time, carries at once. */
uint16_t slow_checksum(const uint8_t *, size_t size, uint32_t start);
/* Are the IPv4 header checksum and the TCP, UDP, ICMP or ICMPv6 checksum right?  Looks at an Ethernet
 * frame with any VLAN tags and MPLS labels; IPv6 without extension headers. */
bool checksums_are_right(const uint8_t *frame, size_t size);

struct packet_spec {
	unsigned n_vlans;       /* tags 0x8100 with VID 10, 11, ... */
	unsigned n_mpls;
	bool ipv6;
	uint8_t proto;          /* IPPROTO_TCP, UDP, ICMP, ICMPV6, SCTP */
	uint32_t payload;
	uint32_t seed;          /* addresses, ports and payload follow from it */
	uint8_t tcp_flags;
};
struct rte_mbuf *packet_make(const struct packet_spec *);

#endif
