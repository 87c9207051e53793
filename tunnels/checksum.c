/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnels/checksum.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "base/crc32c.h"

uint64_t
csum_add(uint64_t sum, const void *data, size_t size)
{
	const uint8_t *p = data;

	/* 32 bits at a time into 64: no carry is lost below 16 GB.  The order of bytes does not
	 * matter to a one's complement sum (RFC 1071 section 2 (B)). */
	for (; size >= 16; size -= 16, p += 16) {
		uint32_t v[4];

		memcpy(v, p, sizeof(v));
		sum += (uint64_t)v[0] + v[1] + v[2] + v[3];
	}
	for (; size >= 2; size -= 2, p += 2) {
		uint16_t v;

		memcpy(&v, p, sizeof(v));
		sum += v;
	}
	if (size) {
		uint16_t v = 0;

		memcpy(&v, p, 1);
		sum += v;
	}
	return sum;
}

uint64_t
csum_pseudo4(const void *ip, uint8_t proto, uint32_t l4_size)
{
	return csum_add(0, (const uint8_t *)ip + 12, 8) + htons(proto) + htons(l4_size);
}

uint64_t
csum_pseudo6(const void *src, const void *dst, uint8_t proto, uint32_t l4_size)
{
	return csum_add(csum_add(0, src, 16), dst, 16) + htons(proto) + htonl(l4_size);
}

__be16
csum_update(__be16 sum, const void *old_bytes, const void *new_bytes, size_t size)
{
	/* RFC 1624 equation 3: HC' = ~(~HC + ~m + m'). */
	uint64_t s = (uint16_t)~sum;

	s += (uint16_t)~csum_fold(csum_add(0, old_bytes, size));
	s = csum_add(s, new_bytes, size);
	return (__be16)~csum_fold(s);
}

__le32
sctp_checksum(const void *l4, size_t size)
{
	static const uint8_t zero[4];
	uint32_t crc = wf_crc32c(0, l4, 8);

	crc = wf_crc32c(crc, zero, 4);
	return htole32(wf_crc32c(crc, (const uint8_t *)l4 + 12, size - 12));
}
