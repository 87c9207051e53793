/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of one TCP connection inside a tunnel, put together again after they were received: what a
 * bridge does with a packet it then does once.  Pure functions; any thread.
 *
 * What is looked at are the datagrams of one sender in the order in which they came, from the tunnel's
 * header on (VXLAN, or Geneve), which must have an Ethernet frame without tags behind it. */
#ifndef WEFT_TUNNELS_GRO_H
#define WEFT_TUNNELS_GRO_H

#include "tunnels/tunnel.h"

struct tnl_gro {
	uint16_t l3_ofs, l4_ofs, data_ofs; /* in each datagram */
	uint16_t mss;                      /* bytes of data in each but the last */
	bool is_ipv6, ended;               /* ended: nothing joins any more */
	uint32_t next_seq;
	size_t whole;                      /* size of the IP packet that they would make */
};

/* May a run begin with this datagram: one TCP segment with data, ACK the only flag, nothing behind the IP
 * packet, and right checksums (they will not be looked at again; a TCP checksum that is only its
 * pseudo header's sum counts as right)?  Then '*gro' is filled. */
bool tnl_gro_begin(enum tnl_type, const uint8_t *bytes, size_t size, struct tnl_gro *gro);

/* Does the next one go on with the run that 'first' began: the same headers, the next sequence number, ACK and
 * perhaps PSH, as much data or (then the last) less?  If so it is counted into '*gro'. */
bool tnl_gro_joins(struct tnl_gro *gro, const uint8_t *first, const uint8_t *bytes, size_t size);

/* Makes the headers at 'bytes' those of the whole: 'data' bytes of data lie behind them, and 'pushed' says
 * whether a segment had PSH.  Its TCP checksum is the pseudo header's sum, as a packet has it that is to
 * be segmented. */
void tnl_gro_finish(const struct tnl_gro *gro, uint8_t *bytes, size_t data, bool pushed);
static inline bool
tnl_gro_pushes(const struct tnl_gro *gro, const uint8_t *bytes)
{
	return bytes[gro->l4_ofs + 13] & 0x08;
}

/* --- The same for datagrams that lie behind each other (UDP_GRO) ------------------------------------- */

/* How many datagrams from 'bytes' on, at least 1, may become one; each has 'each' bytes, the last may have
 * less.  With 2 or more '*gro' is filled.  Never reads beyond 'size'. */
unsigned tnl_gro_find(enum tnl_type, const uint8_t *bytes, size_t size, size_t each, struct tnl_gro *gro);

/* Makes one of the datagrams that tnl_gro_find() found ('size' bytes together), in place; returns its size. */
size_t tnl_gro_merge(uint8_t *bytes, size_t size, size_t each, const struct tnl_gro *gro);

#endif
