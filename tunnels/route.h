/* SPDX-License-Identifier: Apache-2.0 */
/* Where a tunnel's packet goes: destination -> device, next hop and source address.
 *
 * Three classes of route, as Open vSwitch ranks them: those of the kernel's local table (our own
 * addresses) by prefix length + 64, the operator's (ovs/route/add) by + 32, the kernel's main table by
 * prefix length alone.  IPv4 as mapped addresses, so that a /24 is a /120 here.
 *
 * Main.  Cost of a look-up: a hash probe for each rank that some route has, at most 193. */
#ifndef WEFT_TUNNELS_ROUTE_H
#define WEFT_TUNNELS_ROUTE_H

#include "tunnels/address.h"

enum tnl_route_class { TNL_ROUTE_KERNEL, TNL_ROUTE_USER, TNL_ROUTE_LOCAL };

struct tnl_route {
	struct in6_addr dst;  /* bits behind the prefix are 0 */
	struct in6_addr gw;   /* unspecified: on link */
	struct in6_addr src;
	uint32_t mark;        /* the packet's mark must be this */
	uint8_t plen;         /* 0 to 128 */
	enum tnl_route_class class;
	char dev[16];         /* a bridge (its LOCAL port), or another device of the host */
};

struct tnl_routes *tnl_routes_new(void);
void tnl_routes_free(struct tnl_routes *);
struct tnl_routes *tnl_routes_copy(const struct tnl_routes *);
/* Adds, or takes the place of the one with equal destination, mark and class. */
void tnl_routes_set(struct tnl_routes *, const struct tnl_route *);
bool tnl_routes_del(struct tnl_routes *, enum tnl_route_class, const struct in6_addr *dst,
		    unsigned plen, uint32_t mark);
/* All that are not the operator's. */
void tnl_routes_flush_kernel(struct tnl_routes *);
void tnl_routes_for_each(const struct tnl_routes *, void (*fn)(const struct tnl_route *, void *aux),
			 void *aux);

/* The route to 'dst', or NULL.  '*src': the source asked for, which must be one of our own (a LOCAL
 * route), or unspecified, and is then filled in. */
const struct tnl_route *tnl_routes_lookup(const struct tnl_routes *, uint32_t mark,
					  const struct in6_addr *dst, struct in6_addr *src);

/* An address of a device. */
struct tnl_address { struct in6_addr addr; uint8_t plen; };
/* Which of a device's addresses is on the same link as 'dst': that of the longest prefix.  NULL: none. */
const struct tnl_address *tnl_source_address(const struct tnl_address *, unsigned n,
					     const struct in6_addr *dst);

/* Of several that fit, the one of the highest rank is taken. */
unsigned tnl_route_rank(const struct tnl_route *);
/* A line of ovs/route/show. */
void tnl_route_format(const struct tnl_route *, struct wf_str *);

#endif
