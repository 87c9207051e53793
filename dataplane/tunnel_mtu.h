/* SPDX-License-Identifier: Apache-2.0 */
/* The path MTU to the remote ends of tunnels: what the kernel says of its route (the device's MTU, that of
 * the route, what routers told its sockets), and what routers told tunnels that leave through a bridge of
 * ours, of which the kernel knows no socket.
 *
 * Threads: any.  Each keeps what it asked for a second. */
#ifndef WEFT_DATAPLANE_TUNNEL_MTU_H
#define WEFT_DATAPLANE_TUNNEL_MTU_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What routers say is believed down to here (as Linux's min_pmtu; RFC 8200 section 5), and for so long. */
#define TUNNEL_MTU_MIN4 552
#define TUNNEL_MTU_MIN6 1280
#define TUNNEL_MTU_HEARD_MS (600 * 1000)

struct tunnel_path {
	struct in6_addr dst, src; /* IPv4 mapped; src unspecified (or 0.0.0.0): the kernel's choice */
	const char *dev;          /* a bridge of ours that it leads over, or NULL: the kernel's routes say */
	uint32_t mark;
};

/* Bytes of the largest outer IP packet, or 0: not known.  '*source': the address that it is sent from, as
 * far as known. */
uint32_t tunnel_path_mtu(const struct tunnel_path *, int64_t now_ms, struct in6_addr *source);

/* An ICMP message (from its IP header on; 'size' bytes) that reached one of our bridges: if a router says
 * that a packet of a tunnel to an address that tunnel_path_mtu() was asked for was too big, it is kept.
 * True: it was.  Never reads beyond 'size'. */
bool tunnel_path_heard(const uint8_t *ip, size_t size, int64_t now_ms);

#endif
