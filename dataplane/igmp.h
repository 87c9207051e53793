/* SPDX-License-Identifier: Apache-2.0 */
/* Messages by which hosts and routers tell of multicast groups: IGMP (RFC 1112, 2236, 3376) and MLD
 * (RFC 2710, 3810).
 *
 * Pure functions over one message; any thread.  They never read beyond 'size' bytes.
 */
#ifndef WEFT_DATAPLANE_IGMP_H
#define WEFT_DATAPLANE_IGMP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Types, the first byte of a message. */
enum igmp_type {
	IGMP_QUERY = 0x11,
	IGMP_V1_REPORT = 0x12,
	IGMP_V2_REPORT = 0x16,
	IGMP_V2_LEAVE = 0x17,
	IGMP_V3_REPORT = 0x22,
};
enum mld_type { MLD_QUERY = 130, MLD_REPORT = 131, MLD_DONE = 132, MLD_V2_REPORT = 143 };

static inline bool
igmp_is_report(uint8_t type)
{
	return type == IGMP_V1_REPORT || type == IGMP_V2_REPORT || type == IGMP_V2_LEAVE ||
	       type == IGMP_V3_REPORT;
}

static inline bool
mld_is_report(uint8_t type)
{
	return type == MLD_REPORT || type == MLD_DONE || type == MLD_V2_REPORT;
}

enum group_event {
	GROUP_JOIN,
	GROUP_LEAVE,
	GROUP_ROUTER, /* a router asks: 'group' is NULL */
};
/* 'group' is a multicast address; of IPv4 in the form ::ffff:224.1.1.1. */
typedef void group_fn(void *aux, enum group_event, const struct in6_addr *group);

/* Calls 'fn' for what the message says; its result is the number of calls, or -EBADMSG (no call) if
 * the message is too short or its checksum is wrong.  A list of groups that is cut ends there.
 * 'src' is that of the IP header: queries without one are from no router (a proxy's, RFC 4541). */
int igmp_read(const void *msg, size_t size, uint32_t src_be, group_fn *fn, void *aux);
int mld_read(const void *msg, size_t size, const struct in6_addr *src, const struct in6_addr *dst,
	     group_fn *fn, void *aux);

#endif
