/* SPDX-License-Identifier: Apache-2.0 */
/* What hardware, or the kernel, would have done later: L4 checksums that offloads left open, and
 * the splitting of GSO packets.  Whatever lies in front of the IP header (VLAN tags, MPLS labels)
 * is copied as it is. */
#include "dataplane/packet.h"

#include <arpa/inet.h>

#include "tunnels/checksum.h"
#include "dataplane/drop.h"

/* Where the L4 header is, what it is, and where its bytes end. */
struct l4_view {
	uint8_t *ip, *l4;
	uint32_t l4_size;   /* to the end of the IP packet */
	uint32_t csum_ofs;  /* of the checksum in the L4 header */
	uint8_t proto;
	bool is_ipv6;
};

static bool
l4_view(const struct rte_mbuf *m, const struct pkt_layers *layers, struct l4_view *v)
{
	uint8_t *data = pkt_data(m);
	uint32_t size = pkt_size(m);

	if (layers->l3 == PKT_NO_OFS || layers->l4 == PKT_NO_OFS || size < layers->l2_pad ||
	    layers->l4 > size - layers->l2_pad)
		return false;
	v->ip = data + layers->l3;
	v->l4 = data + layers->l4;
	if (m->ol_flags & PKT_TX_INNER) {
		if (layers->l4 + m->l2_len + m->l3_len > size - layers->l2_pad)
			return false;
		v->ip = data + layers->l4 + m->l2_len;
		v->l4 = v->ip + m->l3_len;
	}
	v->l4_size = (uint32_t)(data + size - layers->l2_pad - v->l4);
	v->is_ipv6 = v->ip[0] >> 4 == 6;

	/* The last header before L4 names it; the parser has checked the chain. */
	switch (m->ol_flags & PKT_TX_OPEN) {
	case RTE_MBUF_F_TX_TCP_SEG:
	case RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM:
	case RTE_MBUF_F_TX_TCP_CKSUM:
		v->proto = IPPROTO_TCP;
		v->csum_ofs = 16;
		return v->l4_size >= 20;
	case RTE_MBUF_F_TX_UDP_SEG:
	case RTE_MBUF_F_TX_UDP_SEG | RTE_MBUF_F_TX_UDP_CKSUM:
	case RTE_MBUF_F_TX_UDP_CKSUM:
		v->proto = IPPROTO_UDP;
		v->csum_ofs = 6;
		return v->l4_size >= 8;
	case RTE_MBUF_F_TX_SCTP_CKSUM:
		v->proto = IPPROTO_SCTP;
		v->csum_ofs = 8;
		return v->l4_size >= 12;
	}
	return false;
}

static uint64_t
pseudo_sum(const struct l4_view *v)
{
	return v->is_ipv6 ? csum_pseudo6(v->ip + 8, v->ip + 24, v->proto, v->l4_size)
			  : csum_pseudo4(v->ip, v->proto, v->l4_size);
}

static void
write_l4_checksum(const struct l4_view *v)
{
	__be16 sum = 0;

	if (v->proto == IPPROTO_SCTP) {
		__le32 crc = sctp_checksum(v->l4, v->l4_size);

		memcpy(v->l4 + v->csum_ofs, &crc, sizeof(crc));
		return;
	}
	memcpy(v->l4 + v->csum_ofs, &sum, sizeof(sum));
	sum = (__be16)~csum_fold(csum_add(pseudo_sum(v), v->l4, v->l4_size));
	if (!sum && v->proto == IPPROTO_UDP)
		sum = 0xffff; /* RFC 768: 0 would say "no checksum" */
	memcpy(v->l4 + v->csum_ofs, &sum, sizeof(sum));
}

void
pkt_finish_checksums(struct rte_mbuf *m, const struct pkt_layers *layers)
{
	struct l4_view v;

	if (m->ol_flags & PKT_TX_OPEN && l4_view(m, layers, &v))
		write_l4_checksum(&v);
	m->ol_flags &= ~(uint64_t)(PKT_TX_OPEN | PKT_TX_INNER | RTE_MBUF_F_TX_IP_CKSUM |
				   RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	m->tso_segsz = 0;
}

/* Size of the L4 header; 0: it does not fit. */
static uint32_t
l4_header_size(const struct l4_view *v)
{
	uint32_t size = v->proto == IPPROTO_TCP ? (v->l4[12] >> 4) * 4u : 8;

	return size > v->l4_size || (v->proto == IPPROTO_TCP && size < 20) ? 0 : size;
}

bool
pkt_prepare_offloads(struct rte_mbuf *m, const struct pkt_layers *layers)
{
	struct l4_view v;
	uint16_t sum;

	if (!l4_view(m, layers, &v))
		return false;
	uint32_t header = v.proto == IPPROTO_SCTP ? 12 : l4_header_size(&v);
	/* The lengths have few bits (7, 9, 8). */
	if (!header || layers->l3 > 127 || layers->l4 - layers->l3 > 511)
		return false;
	m->l2_len = layers->l3;
	m->l3_len = layers->l4 - layers->l3;
	m->l4_len = header;
	m->ol_flags &= ~(uint64_t)(RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	m->ol_flags |= v.is_ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	if (v.proto != IPPROTO_SCTP) {
		sum = csum_fold(pseudo_sum(&v));
		memcpy(v.l4 + v.csum_ofs, &sum, sizeof(sum));
	}
	return true;
}

unsigned
pkt_segment_count(const struct rte_mbuf *m, const struct pkt_layers *layers)
{
	struct l4_view v;

	if (!(m->ol_flags & PKT_TX_SEG) || !m->tso_segsz || !l4_view(m, layers, &v))
		return 1;
	uint32_t header = l4_header_size(&v);
	uint32_t payload = v.l4_size - header;
	return !header || !payload ? 1 : (payload + m->tso_segsz - 1) / m->tso_segsz;
}

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* Mends the outer headers of a segment inside a tunnel. */
static void
finish_outer(uint8_t *data, uint32_t size, const struct pkt_layers *layers, unsigned i)
{
	uint8_t *ip = data + layers->l3, *l4 = data + layers->l4;
	uint32_t l4_size = size - layers->l4;
	bool is_v6 = ip[0] >> 4 == 6;
	__be16 sum = 0;

	if (is_v6) {
		put16(ip + 4, size - layers->l3 - 40);
	} else {
		put16(ip + 2, size - layers->l3);
		put16(ip + 4, (ip[4] << 8 | ip[5]) + i);
		put16(ip + 10, 0);
		sum = csum(ip, (ip[0] & 0xf) * 4);
		memcpy(ip + 10, &sum, sizeof(sum));
	}
	if (ip[is_v6 ? 6 : 9] == IPPROTO_UDP) {
		put16(l4 + 4, l4_size);
		if (!l4[6] && !l4[7])
			return;
		put16(l4 + 6, 0);
		sum = (__be16)~csum_fold(csum_add(is_v6 ? csum_pseudo6(ip + 8, ip + 24, IPPROTO_UDP, l4_size)
							: csum_pseudo4(ip, IPPROTO_UDP, l4_size),
						  l4, l4_size));
		if (!sum)
			sum = 0xffff;
		memcpy(l4 + 6, &sum, sizeof(sum));
	} else if (l4[0] & 0x80) {
		put16(l4 + 4, 0);
		sum = (__be16)~csum_fold(csum_add(0, l4, l4_size));
		memcpy(l4 + 4, &sum, sizeof(sum));
	}
}

/* Mends the headers of the segment 's', which is number 'i' and carries 'payload' bytes from
 * 'ofs' of the whole. */
static void
finish_segment(const struct l4_view *s, unsigned i, uint32_t ofs, bool is_last)
{
	if (s->is_ipv6) {
		put16(s->ip + 4, s->l4 + s->l4_size - s->ip - 40);
	} else {
		put16(s->ip + 2, s->l4 + s->l4_size - s->ip);
		put16(s->ip + 4, (s->ip[4] << 8 | s->ip[5]) + i);
		put16(s->ip + 10, 0);
		__be16 sum = csum(s->ip, (s->ip[0] & 0xf) * 4);
		memcpy(s->ip + 10, &sum, sizeof(sum));
	}
	if (s->proto == IPPROTO_TCP) {
		uint32_t seq = get32(s->l4 + 4) + ofs;

		put16(s->l4 + 4, seq >> 16);
		put16(s->l4 + 6, seq);
		if (!is_last)
			s->l4[13] &= ~(0x01 | 0x08); /* FIN, PSH: with the last byte */
		if (i)
			s->l4[13] &= ~0x80; /* CWR: once (RFC 3168 section 6.1.2) */
	} else {
		put16(s->l4 + 4, s->l4_size);
	}
	write_l4_checksum(s);
}

int
pkt_segment(const struct rte_mbuf *m, const struct pkt_layers *layers, struct rte_mbuf **out,
	    unsigned room)
{
	struct l4_view v;
	uint32_t header = 0;

	if (m->ol_flags & PKT_TX_SEG && m->tso_segsz && l4_view(m, layers, &v))
		header = l4_header_size(&v);
	if (!header || v.l4_size == header) {
		/* Nothing to split. */
		struct rte_mbuf *copy = room ? pkt_copy(m) : NULL;

		if (!copy)
			return -DROP_NO_MEMORY;
		pkt_finish_checksums(copy, layers);
		out[0] = copy;
		return 1;
	}

	uint32_t ip_ofs = (uint32_t)(v.ip - (uint8_t *)pkt_data(m)), l4_ofs = (uint32_t)(v.l4 - (uint8_t *)pkt_data(m));
	uint32_t head = l4_ofs + header, payload = v.l4_size - header;
	uint32_t n = (payload + m->tso_segsz - 1) / m->tso_segsz;
	if (n > room)
		return -DROP_OUT_MTU;
	for (uint32_t i = 0, ofs = 0; i < n; i++) {
		uint32_t part = payload - ofs < m->tso_segsz ? payload - ofs : m->tso_segsz;
		struct rte_mbuf *s = pkt_alloc(head + part);

		if (!s) {
			pkt_free_bulk(out, i);
			return -DROP_NO_MEMORY;
		}
		memcpy(pkt_data(s), pkt_data(m), head);
		memcpy(pkt_data(s) + head, pkt_data(m) + head + ofs, part);
		pkt_set_size(s, head + part);
		s->port = m->port;
		s->hash = m->hash;

		struct l4_view sv = v;
		sv.ip = pkt_data(s) + ip_ofs;
		sv.l4 = pkt_data(s) + l4_ofs;
		sv.l4_size = header + part;
		finish_segment(&sv, i, ofs, i + 1 == n);
		if (m->ol_flags & PKT_TX_INNER)
			finish_outer(pkt_data(s), head + part, layers, i);
		out[i] = s;
		ofs += part;
	}
	return n;
}
