/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnels/gro.h"

#include <string.h>

#include "tunnels/checksum.h"
#include "tunnels/wire.h"

#define TCP_ACK 0x10
#define TCP_PSH 0x08

static uint64_t
pseudo_sum(const struct tnl_gro *g, const uint8_t *ip, size_t l4_size)
{
	return g->is_ipv6 ? csum_pseudo6(ip + 8, ip + 24, IPPROTO_TCP, (uint32_t)l4_size)
			  : csum_pseudo4(ip, IPPROTO_TCP, (uint32_t)l4_size);
}

/* Offset of the IP header in a datagram, or 0. */
static size_t
find_ip(enum tnl_type type, const uint8_t *b, size_t size)
{
	size_t ofs = 8;

	if (size < 8)
		return 0;
	if (type == TNL_GENEVE) {
		if (rd16(b + 2) != ETHERTYPE_TEB)
			return 0;
		ofs += (size_t)(b[0] & 0x3f) * 4;
	} else if (type != TNL_VXLAN || (b[0] & VXLAN_GPE_P)) {
		return 0;
	}
	return ofs + 14 <= size ? ofs + 14 : 0;
}

static bool
read_layout(enum tnl_type type, const uint8_t *b, size_t each, struct tnl_gro *g)
{
	size_t ip = find_ip(type, b, each), l4, data;
	uint16_t ethertype;

	if (!ip)
		return false;
	ethertype = rd16(b + ip - 2);
	if (ethertype != 0x0800 && ethertype != 0x86dd)
		return false;
	g->is_ipv6 = ethertype == 0x86dd;
	l4 = ip + (g->is_ipv6 ? 40 : 20);
	if (each < l4 + 20)
		return false;
	data = l4 + (size_t)(b[l4 + 12] >> 4) * 4;
	if (data < l4 + 20 || data >= each)
		return false;
	g->l3_ofs = (uint16_t)ip;
	g->l4_ofs = (uint16_t)l4;
	g->data_ofs = (uint16_t)data;
	g->mss = (uint16_t)(each - data);
	return true;
}

/* Is it a segment with data by itself, all of whose bytes are right? */
static bool
is_sound(const uint8_t *b, size_t size, const struct tnl_gro *g)
{
	const uint8_t *ip = b + g->l3_ofs, *tcp = b + g->l4_ofs;
	size_t l4_size = size - g->l4_ofs;
	uint64_t pseudo;
	uint16_t field;

	if (size <= g->data_ofs || (tcp[13] & ~TCP_PSH) != TCP_ACK ||
	    (size_t)(tcp[12] >> 4) * 4 != (size_t)(g->data_ofs - g->l4_ofs))
		return false;
	if (g->is_ipv6) {
		if (ip[0] >> 4 != 6 || ip[6] != IPPROTO_TCP || rd16(ip + 4) != l4_size)
			return false;
	} else if (ip[0] != 0x45 || ip[9] != IPPROTO_TCP || rd16(ip + 2) != l4_size + 20 ||
		   rd16(ip + 6) & 0x3fff || csum_fold(csum_add(0, ip, 20)) != 0xffff) {
		return false;
	}
	/* A sender on this machine leaves the sum to a device that never comes: it is its pseudo header's. */
	pseudo = pseudo_sum(g, ip, l4_size);
	memcpy(&field, tcp + 16, sizeof field);
	return field == csum_fold(pseudo) || csum_fold(csum_add(pseudo, tcp, l4_size)) == 0xffff;
}

/* Everything but lengths, IPv4's identification, sums, sequence number and PSH. */
static bool
same_headers(const uint8_t *a, const uint8_t *b, const struct tnl_gro *g)
{
	const uint8_t *ia = a + g->l3_ofs, *ib = b + g->l3_ofs;
	const uint8_t *ta = a + g->l4_ofs, *tb = b + g->l4_ofs;
	size_t options = (size_t)(g->data_ofs - g->l4_ofs) - 20;

	if (memcmp(a, b, g->l3_ofs))
		return false;
	if (g->is_ipv6 ? memcmp(ia, ib, 4) || memcmp(ia + 6, ib + 6, 34)
		       : memcmp(ia, ib, 2) || memcmp(ia + 6, ib + 6, 4) || memcmp(ia + 12, ib + 12, 8))
		return false;
	return !memcmp(ta, tb, 4) && !memcmp(ta + 8, tb + 8, 5) && !((ta[13] ^ tb[13]) & ~TCP_PSH) &&
	       !memcmp(ta + 14, tb + 14, 2) && !memcmp(ta + 18, tb + 18, 2 + options);
}

bool
tnl_gro_begin(enum tnl_type type, const uint8_t *b, size_t size, struct tnl_gro *g)
{
	if (size > 65535 || !read_layout(type, b, size, g) || !is_sound(b, size, g) ||
	    tnl_gro_pushes(g, b))
		return false;
	g->ended = false;
	g->next_seq = rd32(b + g->l4_ofs + 4) + g->mss;
	g->whole = size - g->l3_ofs;
	return true;
}

bool
tnl_gro_joins(struct tnl_gro *g, const uint8_t *first, const uint8_t *b, size_t size)
{
	size_t data = size - g->data_ofs;

	if (g->ended || size <= g->data_ofs || data > g->mss || g->whole + data > 65535 ||
	    !same_headers(first, b, g) || rd32(b + g->l4_ofs + 4) != g->next_seq || !is_sound(b, size, g))
		return false;
	g->whole += data;
	g->next_seq += (uint32_t)data;
	/* Less: the end of a train.  PSH: the sender ended a write here. */
	g->ended = data < g->mss || tnl_gro_pushes(g, b);
	return true;
}

void
tnl_gro_finish(const struct tnl_gro *g, uint8_t *bytes, size_t data, bool pushed)
{
	uint8_t *ip = bytes + g->l3_ofs, *tcp = bytes + g->l4_ofs;
	size_t l4_size = (size_t)(g->data_ofs - g->l4_ofs) + data;
	uint16_t sum;

	if (pushed)
		tcp[13] |= TCP_PSH;
	if (g->is_ipv6) {
		wr16(ip + 4, (uint32_t)l4_size);
	} else {
		wr16(ip + 2, (uint32_t)l4_size + 20);
		wr16(ip + 10, 0);
		sum = (uint16_t)csum(ip, 20);
		memcpy(ip + 10, &sum, 2);
	}
	sum = csum_fold(pseudo_sum(g, ip, l4_size));
	memcpy(tcp + 16, &sum, 2);
}

unsigned
tnl_gro_find(enum tnl_type type, const uint8_t *bytes, size_t size, size_t each, struct tnl_gro *g)
{
	unsigned n = 1;

	if (!each || size <= each || !tnl_gro_begin(type, bytes, each, g))
		return 1;
	for (size_t ofs = each; ofs < size; ofs += each, n++)
		if (!tnl_gro_joins(g, bytes, bytes + ofs, size - ofs < each ? size - ofs : each))
			break;
	return n;
}

size_t
tnl_gro_merge(uint8_t *bytes, size_t size, size_t each, const struct tnl_gro *g)
{
	bool pushed = false;
	size_t at = each;

	for (size_t ofs = each; ofs < size; ofs += each) {
		size_t data = (size - ofs < each ? size - ofs : each) - g->data_ofs;

		pushed |= tnl_gro_pushes(g, bytes + ofs);
		memmove(bytes + at, bytes + ofs + g->data_ofs, data);
		at += data;
	}
	tnl_gro_finish(g, bytes, at - g->data_ofs, pushed);
	return at;
}
