/* SPDX-License-Identifier: Apache-2.0 */
/* tnl_template_apply() for what most tunnels are (tnl_template.is_plain), to be inlined where packets come
 * in bursts.  It makes the same bytes. */
#ifndef WEFT_TUNNELS_ENCAP_PLAIN_H
#define WEFT_TUNNELS_ENCAP_PLAIN_H

#include <arpa/inet.h>
#include <string.h>

#include "tunnels/tunnel.h"

/* Copies 'size' bytes, 32 at least, in pieces of 32, of which the last lies over the one before. */
static inline void
tnl_copy_header(uint8_t *to, const uint8_t *from, size_t size)
{
	for (size_t at = 0; at + 32 <= size; at += 32)
		memcpy(to + at, from + at, 32);
	memcpy(to + size - 32, from + size - 32, 32);
}

/* The IPv4 header's checksum, by what is not as in the template (RFC 1624 equation 3): nothing is read that
 * was just written.  'sum': the template's and that of what came instead. */
static inline uint16_t
tnl_ipv4_sum(uint32_t sum)
{
	/* A few words of 16 bits: the carries fit. */
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

/* frame_size - 14 fits 16 bits; src_port in host order; ttl 0: the template's. */
static inline void
tnl_put_plain(const struct tnl_template *t, uint8_t *frame, size_t frame_size, uint16_t src_port,
	      uint8_t tos, uint8_t ttl)
{
	const uint8_t *was = t->header + 14;
	uint8_t *ip = frame + 14;
	uint16_t total = htons((uint16_t)(frame_size - 14)), check;
	uint32_t sum = t->ip_sum + total;

	tnl_copy_header(frame, t->header, t->size);
	memcpy(ip + 2, &total, 2);
	if (tos) {
		ip[1] = tos;
		sum += htons(tos) + (uint32_t)(uint16_t)~htons(was[1]);
	}
	if (ttl) {
		ip[8] = ttl;
		sum += htons((uint16_t)(ttl << 8)) + (uint32_t)(uint16_t)~htons((uint16_t)(was[8] << 8));
	}
	check = tnl_ipv4_sum(sum);
	memcpy(ip + 10, &check, 2);
	if (tnl_ip_proto((enum tnl_type)t->type) == IPPROTO_UDP) {
		uint16_t port = htons(src_port), size = htons((uint16_t)(frame_size - 34));

		memcpy(frame + 34, &port, 2);
		memcpy(frame + 38, &size, 2);
	}
}

#endif
