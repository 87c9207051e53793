/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/igmp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "tunnels/checksum.h"

#define IGMP_SIZE 8
#define MLD_SIZE 8          /* of an MLDv2 report; the others go on with a group */
#define V4_RECORD_SIZE 8
#define V6_RECORD_SIZE 20

/* Group record types, RFC 3376 section 4.2.12; the same in MLDv2. */
enum { MODE_IS_INCLUDE = 1, MODE_IS_EXCLUDE, CHANGE_TO_INCLUDE, CHANGE_TO_EXCLUDE, ALLOW, BLOCK };

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool
group4(const uint8_t *p, struct in6_addr *group)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(group->s6_addr, mapped, 12);
	memcpy(group->s6_addr + 12, p, 4);
	return (p[0] & 0xf0) == 0xe0;
}

static bool
group6(const uint8_t *p, struct in6_addr *group)
{
	memcpy(group->s6_addr, p, 16);
	return p[0] == 0xff;
}

/* The records of an IGMPv3 or MLDv2 report.  To include no source is to leave; any other record
 * says that somebody listens. */
static int
read_records(const uint8_t *p, size_t size, unsigned n, bool is_v6, group_fn *fn, void *aux)
{
	const size_t addr_size = is_v6 ? 16 : 4, head = is_v6 ? V6_RECORD_SIZE : V4_RECORD_SIZE;
	int n_events = 0;

	for (; n && size >= head; n--) {
		unsigned type = p[0], n_sources = get16(p + 2);
		/* RFC 3376 section 4.2.6: auxiliary data is counted in 32-bit words. */
		size_t whole = head + n_sources * addr_size + p[1] * 4u;
		struct in6_addr group;
		bool ok = is_v6 ? group6(p + 4, &group) : group4(p + 4, &group);

		if (ok && type >= MODE_IS_INCLUDE && type <= BLOCK) {
			bool leaves = !n_sources &&
				      (type == MODE_IS_INCLUDE || type == CHANGE_TO_INCLUDE);

			fn(aux, leaves ? GROUP_LEAVE : GROUP_JOIN, &group);
			n_events++;
		}
		if (whole > size)
			break;
		p += whole;
		size -= whole;
	}
	return n_events;
}

int
igmp_read(const void *msg, size_t size, uint32_t src_be, group_fn *fn, void *aux)
{
	const uint8_t *p = msg;
	struct in6_addr group;

	if (size < IGMP_SIZE || csum(msg, size))
		return -EBADMSG;
	switch (p[0]) {
	case IGMP_V1_REPORT:
	case IGMP_V2_REPORT:
	case IGMP_V2_LEAVE:
		if (!group4(p + 4, &group))
			return 0;
		fn(aux, p[0] == IGMP_V2_LEAVE ? GROUP_LEAVE : GROUP_JOIN, &group);
		return 1;
	case IGMP_QUERY:
		if (!src_be)
			return 0;
		fn(aux, GROUP_ROUTER, NULL);
		return 1;
	case IGMP_V3_REPORT:
		return read_records(p + IGMP_SIZE, size - IGMP_SIZE, get16(p + 6), false, fn, aux);
	default:
		return 0;
	}
}

int
mld_read(const void *msg, size_t size, const struct in6_addr *src, const struct in6_addr *dst,
	 group_fn *fn, void *aux)
{
	static const struct in6_addr none;
	const uint8_t *p = msg;
	struct in6_addr group;

	if (size < MLD_SIZE ||
	    csum_fold(csum_add(csum_pseudo6(src, dst, IPPROTO_ICMPV6, (uint32_t)size), msg,
			       size)) != 0xffff)
		return -EBADMSG;
	switch (p[0]) {
	case MLD_REPORT:
	case MLD_DONE:
		if (size < MLD_SIZE + 16)
			return -EBADMSG;
		if (!group6(p + MLD_SIZE, &group))
			return 0;
		fn(aux, p[0] == MLD_DONE ? GROUP_LEAVE : GROUP_JOIN, &group);
		return 1;
	case MLD_QUERY:
		if (!memcmp(src, &none, sizeof none))
			return 0;
		fn(aux, GROUP_ROUTER, NULL);
		return 1;
	case MLD_V2_REPORT:
		return read_records(p + MLD_SIZE, size - MLD_SIZE, get16(p + 6), true, fn, aux);
	default:
		return 0;
	}
}
