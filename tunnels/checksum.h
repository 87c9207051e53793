/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum (RFC 1071), its incremental update (RFC 1624), and SCTP's CRC32c
 * (RFC 9260 appendix A).  Pure functions; any thread. */
#ifndef WEFT_TUNNELS_CHECKSUM_H
#define WEFT_TUNNELS_CHECKSUM_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

/* Adds 'size' bytes (at an even offset of the checksummed data) to a sum; not folded. */
uint64_t csum_add(uint64_t sum, const void *, size_t size);

static inline uint16_t
csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The checksum of 'size' bytes, as it stands in a header. */
static inline __be16
csum(const void *data, size_t size)
{
	return (__be16)~csum_fold(csum_add(0, data, size));
}

/* Sum of a pseudo header, not folded.  'l4_size' in host order. */
uint64_t csum_pseudo4(const void *ip, uint8_t proto, uint32_t l4_size);
uint64_t csum_pseudo6(const void *src, const void *dst, uint8_t proto, uint32_t l4_size);

/* The checksum after 'size' bytes (even, at an even offset) changed from 'old' to 'new'. */
__be16 csum_update(__be16 sum, const void *old_bytes, const void *new_bytes, size_t size);

/* SCTP's checksum over a packet from its common header on, in which the field counts as 0;
 * as it stands in the header. */
__le32 sctp_checksum(const void *l4, size_t size);

#endif
