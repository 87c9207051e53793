/* SPDX-License-Identifier: Apache-2.0 */
#include "packets.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "tunnels/checksum.h"

size_t
hex_bytes(const char *text, uint8_t *out, size_t room)
{
	size_t digits = 0;

	for (; *text; text++) {
		if (*text == '#')
			while (text[1] && *text != '\n')
				text++;
		if (!isxdigit((unsigned char)*text))
			continue;
		int v = isdigit((unsigned char)*text) ? *text - '0'
						      : tolower((unsigned char)*text) - 'a' + 10;
		if (digits / 2 >= room)
			abort();
		if (digits % 2)
			out[digits / 2] |= v;
		else
			out[digits / 2] = v << 4;
		digits++;
	}
	return digits / 2;
}

struct rte_mbuf *
packet_hex(const char *text)
{
	uint8_t bytes[4096];

	return pkt_from_bytes(bytes, hex_bytes(text, bytes, sizeof(bytes)));
}

#define MAP_SIZE (256 * 1024)

struct page_packet {
	struct rte_mbuf m;
	void *map;
};

struct rte_mbuf *
packet_at_page_end(const void *bytes, uint32_t size)
{
	struct page_packet *pp = aligned_alloc(64, (sizeof(*pp) + 63) & ~(size_t)63);
	uint8_t *map = mmap(NULL, MAP_SIZE + 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!pp || map == MAP_FAILED || munmap(map + MAP_SIZE, 4096))
		abort();
	memset(pp, 0, sizeof(*pp));
	pp->map = map;
	/* Offsets have 16 bits: the buffer starts one headroom before the packet. */
	pp->m.buf_addr = map + MAP_SIZE - size - PKT_HEADROOM;
	pp->m.buf_len = size + PKT_HEADROOM < UINT16_MAX ? size + PKT_HEADROOM : UINT16_MAX;
	pp->m.data_off = PKT_HEADROOM;
	pp->m.nb_segs = 1;
	rte_mbuf_refcnt_set(&pp->m, 1000); /* nobody frees it but packet_unmap() */
	if (size)
		memcpy(map + MAP_SIZE - size, bytes, size);
	pkt_set_size(&pp->m, size);
	return &pp->m;
}

void
packet_unmap(struct rte_mbuf *m)
{
	struct page_packet *pp = (struct page_packet *)m;

	munmap(pp->map, MAP_SIZE);
	free(pp);
}

uint16_t
slow_checksum(const uint8_t *p, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++) {
		sum += i % 2 ? p[i] : p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return ~sum & 0xffff;
}

static uint32_t
slow_sum(const uint8_t *p, size_t size)
{
	return (uint16_t)~slow_checksum(p, size, 0);
}

bool
checksums_are_right(const uint8_t *frame, size_t size)
{
	const uint8_t *p = frame + 12, *end = frame + size;
	uint16_t type;

	while ((type = p[0] << 8 | p[1]) == 0x8100 || type == 0x88a8)
		p += 4;
	p += 2;
	if (type == 0x8847 || type == 0x8848) {
		while (!(p[2] & 1))
			p += 4;
		p += 4;
		type = p[0] >> 4 == 6 ? 0x86dd : 0x0800;
	}

	uint32_t pseudo;
	uint8_t proto;
	const uint8_t *l4;
	if (type == 0x0800) {
		unsigned header = (p[0] & 15) * 4, total = p[2] << 8 | p[3];

		if (slow_checksum(p, header, 0))
			return false;
		if (p + total > end)
			return false;
		end = p + total;
		if ((p[6] & 0x3f) || p[7])
			return true; /* a fragment */
		l4 = p + header;
		proto = p[9];
		pseudo = slow_sum(p + 12, 8) + proto + (end - l4);
	} else if (type == 0x86dd) {
		l4 = p + 40;
		if (l4 + (p[4] << 8 | p[5]) > end)
			return false;
		end = l4 + (p[4] << 8 | p[5]);
		proto = p[6];
		pseudo = slow_sum(p + 8, 32) + proto + (end - l4);
	} else {
		return true;
	}
	switch (proto) {
	case IPPROTO_UDP:
		if (!l4[6] && !l4[7])
			return type == 0x0800;
		if ((l4[4] << 8 | l4[5]) != end - l4)
			return false;
		/* fall through */
	case IPPROTO_TCP:
	case IPPROTO_ICMPV6:
		return !slow_checksum(l4, end - l4, pseudo);
	case IPPROTO_ICMP:
		return !slow_checksum(l4, end - l4, 0);
	case IPPROTO_SCTP: {
		__le32 crc;

		memcpy(&crc, l4 + 8, 4);
		return crc == sctp_checksum(l4, end - l4);
	}
	}
	return true;
}

static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void
put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

struct rte_mbuf *
packet_make(const struct packet_spec *s)
{
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
	uint8_t *buf = wf_xzalloc(512 + s->payload), *p = buf;
	uint32_t seed = s->seed + 1;
	uint16_t type = s->n_mpls ? 0x8847 : s->ipv6 ? 0x86dd : 0x0800;
	unsigned l4_header = s->proto == IPPROTO_TCP ? 20 : s->proto == IPPROTO_SCTP ? 12 : 8;
	uint32_t l4_size = l4_header + s->payload, pseudo;

	memcpy(p, macs, 12);
	p += 12;
	for (unsigned i = 0; i < s->n_vlans; i++, p += 4) {
		put16(p, 0x8100);
		put16(p + 2, 10 + i);
	}
	put16(p, type);
	p += 2;
	for (unsigned i = 0; i < s->n_mpls; i++, p += 4) {
		put16(p, 0x0010 + i);
		p[2] = i + 1 == s->n_mpls;
		p[3] = 64;
	}

	uint8_t *ip = p;
	if (s->ipv6) {
		put16(ip, 0x6000);
		put16(ip + 4, l4_size);
		ip[6] = s->proto;
		ip[7] = 64;
		for (unsigned i = 8; i < 40; i++)
			ip[i] = next(&seed);
		p += 40;
		pseudo = slow_sum(ip + 8, 32);
	} else {
		ip[0] = 0x45;
		put16(ip + 2, 20 + l4_size);
		put16(ip + 4, next(&seed));
		ip[8] = 64;
		ip[9] = s->proto;
		for (unsigned i = 12; i < 20; i++)
			ip[i] = next(&seed);
		put16(ip + 10, slow_checksum(ip, 20, 0));
		p += 20;
		pseudo = slow_sum(ip + 12, 8);
	}

	uint8_t *l4 = p;
	pseudo += s->proto + l4_size;
	put16(l4, next(&seed) | 1);
	put16(l4 + 2, next(&seed) | 1);
	for (uint32_t i = 0; i < s->payload; i++)
		l4[l4_header + i] = next(&seed);
	switch (s->proto) {
	case IPPROTO_TCP:
		put16(l4 + 4, next(&seed));
		put16(l4 + 6, next(&seed));
		l4[12] = 5 << 4;
		l4[13] = s->tcp_flags;
		put16(l4 + 14, 1000);
		put16(l4 + 16, slow_checksum(l4, l4_size, pseudo));
		break;
	case IPPROTO_UDP:
		put16(l4 + 4, l4_size);
		put16(l4 + 6, slow_checksum(l4, l4_size, pseudo));
		break;
	case IPPROTO_ICMP:
		l4[0] = 8;
		l4[1] = 0;
		put16(l4 + 2, 0);
		put16(l4 + 2, slow_checksum(l4, l4_size, 0));
		break;
	case IPPROTO_ICMPV6:
		l4[0] = 128;
		l4[1] = 0;
		put16(l4 + 2, 0);
		put16(l4 + 2, slow_checksum(l4, l4_size, pseudo));
		break;
	case IPPROTO_SCTP: {
		__le32 crc = sctp_checksum(l4, l4_size);

		memcpy(l4 + 8, &crc, 4);
		break;
	}
	}
	struct rte_mbuf *m = pkt_from_bytes(buf, l4 + l4_size - buf);
	free(buf);
	return m;
}
