/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of IGMP and MLD, which end at an unmapped page.
 *
 * Input: byte 0: even IGMP, odd MLD, and bit 1: has no source address; the rest is the message.  Its
 * checksum is made right, else nothing behind it would be read; bit 2 leaves it as it is. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/igmp.h"
#include "tunnels/checksum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAP_SIZE (128 * 1024)

static void
on_event(void *n, enum group_event event, const struct in6_addr *group)
{
	if ((event == GROUP_ROUTER) != !group)
		abort();
	if (group && group->s6_addr[0] != 0xff &&
	    !(IN6_IS_ADDR_V4MAPPED(group) && (group->s6_addr[12] & 0xf0) == 0xe0))
		abort(); /* not multicast */
	++*(int *)n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct in6_addr dst = { { { 0xff, 2, [15] = 0x16 } } }, any;
	static const struct in6_addr link_local = { { { 0xfe, 0x80, [15] = 1 } } };
	static uint8_t *end;
	const struct in6_addr *src;
	uint8_t flags, *msg;
	int n = 0, ret;

	if (!end) {
		uint8_t *map = mmap(NULL, MAP_SIZE + 4096, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED || munmap(map + MAP_SIZE, 4096))
			abort();
		end = map + MAP_SIZE;
	}
	if (!size || size > MAP_SIZE / 2)
		return 0;
	flags = *data++;
	size--;
	msg = end - size;
	memcpy(msg, data, size);
	src = flags & 2 ? &any : &link_local;
	if (size >= 4 && !(flags & 4)) {
		uint64_t pseudo = flags & 1 ? csum_pseudo6(src, &dst, IPPROTO_ICMPV6, (uint32_t)size)
					    : 0;
		uint16_t sum;

		msg[2] = msg[3] = 0;
		sum = (uint16_t)~csum_fold(csum_add(pseudo, msg, size));
		memcpy(msg + 2, &sum, 2);
	}
	ret = flags & 1 ? mld_read(msg, size, src, &dst, on_event, &n)
			: igmp_read(msg, size, flags & 2 ? 0 : htonl(0x0a000001), on_event, &n);
	if (ret >= 0 ? ret != n : n != 0 || ret != -EBADMSG)
		abort();
	if (size >= 8 && !(flags & 4) && ret == -EBADMSG &&
	    !(flags & 1 && (data[0] == MLD_REPORT || data[0] == MLD_DONE)))
		abort(); /* the checksum was right */
	return 0;
}
