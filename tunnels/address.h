/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses of both families as one type: IPv4 as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2), so that
 * an IPv4 /24 is a /120.  Pure functions. */
#ifndef WEFT_TUNNELS_ADDRESS_H
#define WEFT_TUNNELS_ADDRESS_H

#include <string.h>

#include "base/buf.h"
#include "tunnels/tunnel.h"

/* An IPv4 address (4 bytes in network order) as a mapped one. */
static inline struct in6_addr
tnl_map_ipv4(const void *v4)
{
	struct in6_addr a = { { { [10] = 0xff, [11] = 0xff } } };

	memcpy(a.s6_addr + 12, v4, 4);
	return a;
}

/* The first 'plen' bits; the others 0. */
struct in6_addr tnl_network(const struct in6_addr *, unsigned plen);
bool tnl_parse_address(const char *, struct in6_addr *);
/* "1.2.3.0/24" or "fd00::/64": false if it is neither.  Without "/N" a whole address.  The bits behind
 * the prefix are kept in 'addr' and are 0 in 'net'. */
bool tnl_parse_prefix(const char *, struct in6_addr *addr, struct in6_addr *net, unsigned *plen);
void tnl_put_address(struct wf_str *, const struct in6_addr *); /* IPv4 in its own form */

#endif
