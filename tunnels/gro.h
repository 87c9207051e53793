/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of one TCP connection inside a tunnel, put together again after they were received: what a
 * bridge does with a packet it then does once.  Pure functions; any thread.
 *
 * The datagrams are those of one sender that the kernel hands over as one piece (UDP_GRO): all have
 * 'each' bytes, the last may have less.  They begin with the tunnel's header (VXLAN, or Geneve), which must
 * have an Ethernet frame without tags behind it. */
#ifndef WEFT_TUNNELS_GRO_H
#define WEFT_TUNNELS_GRO_H

#include "tunnels/tunnel.h"

struct tnl_gro {
	uint16_t l3_ofs, l4_ofs, data_ofs; /* in each datagram */
	uint16_t mss;                      /* bytes of data in each but the last */
	bool is_ipv6;
};

/* How many datagrams from 'bytes' on, at least 1, may become one: the same headers, sequence numbers that
 * follow each other, ACK and PSH the only flags, nothing behind the IP packet, and right checksums (they
 * will not be looked at again).  With 2 or more '*gro' is filled.  Never reads beyond 'size'. */
unsigned tnl_gro_find(enum tnl_type, const uint8_t *bytes, size_t size, size_t each, struct tnl_gro *gro);

/* Makes one of the datagrams that tnl_gro_find() found ('size' bytes together), in place; returns its size.
 * Its TCP checksum is the pseudo header's sum, as a packet has it that is to be segmented. */
size_t tnl_gro_merge(uint8_t *bytes, size_t size, size_t each, const struct tnl_gro *gro);

#endif
