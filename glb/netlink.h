/* SPDX-License-Identifier: Apache-2.0 */
/* The few requests to the kernel's routing that the balancer makes.  Blocking; each is answered at once.
 * Addresses of IPv4 are ::ffff:a.b.c.d, lengths count from the IPv6 form. */
#ifndef WEFT_GLB_NETLINK_H
#define WEFT_GLB_NETLINK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define GLB_RTPROT 119 /* "protocol" of our routes: who made them (ip route show proto 119) */

/* Adds or removes a route to a device.  0 also if it is there, or gone, already. */
int glb_nl_route(bool add, const struct in6_addr *dst, unsigned len, uint32_t table, unsigned ifindex);
/* Our routes (GLB_RTPROT) of all tables. */
int glb_nl_routes(void (*fn)(void *arg, uint32_t table, const struct in6_addr *dst, unsigned len), void *arg);
/* "fwmark N lookup N" */
int glb_nl_rule(bool add, int family, uint32_t mark_and_table);
/* Brings a device up. */
int glb_nl_up(unsigned ifindex);

#endif
