// SPDX-License-Identifier: Apache-2.0
/* Frames as bytes: parsing, storing, tags.  Written from the RFCs, apart from the packet path. */
#include <string.h>

#include "tests/oracle/oracle.h"

struct where {               /* 0: is not there */
	unsigned type;       /* of the EtherType behind the tags, or of the length of IEEE 802.3 */
	unsigned after;      /* of what the EtherType stands for: a SNAP header has it, too */
	unsigned l3, l4;     /* headers that are whole and make sense */
	unsigned end;        /* of the IP packet: padding follows */
	unsigned n_tags, n_labels;
	unsigned dl_type;
	uint8_t proto, frag; /* of IP */
	uint16_t ext;        /* OpenFlow 1.3.5 section 7.2.3.8: IPv6 extension headers */
};

static unsigned
g16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static void
p16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool
is_tag(unsigned type)
{
	return type == 0x8100 || type == 0x88a8;
}

static bool
is_label(unsigned type)
{
	return type == 0x8847 || type == 0x8848;
}

static unsigned
rank_of(unsigned proto)
{
	switch (proto) {
	case IPPROTO_HOPOPTS: return 1;
	case IPPROTO_DSTOPTS: return 2;
	case IPPROTO_ROUTING: return 3;
	case IPPROTO_FRAGMENT: return 4;
	case IPPROTO_AH: return 5;
	case IPPROTO_ESP: return 6;
	}
	return 0;
}

static unsigned
ext_bit(unsigned proto)
{
	switch (proto) {
	case IPPROTO_ESP: return 2;
	case IPPROTO_AH: return 4;
	case IPPROTO_DSTOPTS: return 8;
	case IPPROTO_FRAGMENT: return 16;
	case IPPROTO_ROUTING: return 32;
	case IPPROTO_HOPOPTS: return 64;
	}
	return 0;
}

/* The extension headers of IPv6 from 'at' on.  False: one is cut. */
static bool
find_ipv6_l4(const struct oframe *f, unsigned at, struct where *w)
{
	unsigned last = 0, n_dest = 0;

	while (rank_of(w->proto)) {
		unsigned proto = w->proto, rank = rank_of(proto), size;

		if (proto != IPPROTO_ESP && at + 8 > w->end)
			return false;
		/* RFC 2460 section 4.1: the order, and that all but destination options come once. */
		if (proto == IPPROTO_DSTOPTS) {
			n_dest++;
			if (last > 2 || n_dest > 1)
				rank = 7;
			if (n_dest > 2)
				w->ext |= 128;
		} else if (w->ext & ext_bit(proto)) {
			w->ext |= 128;
		}
		if (rank < last)
			w->ext |= 256;
		else
			last = rank;
		w->ext |= (uint16_t)ext_bit(proto);
		if (proto == IPPROTO_ESP)
			break;
		w->proto = f->b[at];
		if (proto == IPPROTO_FRAGMENT) {
			size = 8;
			if (g16(f->b + at + 2))
				w->frag = OF_FRAG_ANY;
			if (g16(f->b + at + 2) & 0xfff8) {
				w->frag |= OF_FRAG_LATER;
				w->proto = IPPROTO_FRAGMENT;
				return true;
			}
		} else {
			size = proto == IPPROTO_AH ? (f->b[at + 1] + 2u) * 4 : (f->b[at + 1] + 1u) * 8;
		}
		at += size;
		if (at > w->end)
			return false;
	}
	if (w->proto == IPPROTO_NONE)
		w->ext |= 1;
	w->l4 = at;
	return true;
}

static void
find(const struct oframe *f, struct where *w)
{
	unsigned at = 12;
	const uint8_t *p;

	memset(w, 0, sizeof *w);
	/* A tag is one if the EtherType behind it is there. */
	while (w->n_tags < OF_MAX_VLANS && at + 6 <= f->size && is_tag(g16(f->b + at))) {
		at += 4;
		w->n_tags++;
	}
	w->type = at;
	w->dl_type = g16(f->b + at);
	at += 2;
	if (w->dl_type < 0x600) {
		/* RFC 1042. */
		if (at + 8 <= f->size && !memcmp(f->b + at, "\xaa\xaa\x03\0\0\0", 6) &&
		    g16(f->b + at + 6) >= 0x600) {
			w->dl_type = g16(f->b + at + 6);
			at += 8;
		} else {
			w->dl_type = OF_DL_TYPE_NONE;
			w->after = at;
			return;
		}
	}
	w->after = at;
	p = f->b + at;
	if (is_label(w->dl_type)) {
		while (at + 4 <= f->size) {
			bool bottom = f->b[at + 2] & 1;

			w->n_labels++;
			at += 4;
			if (bottom)
				break;
		}
	} else if (w->dl_type == 0x0800 && at + 20 <= f->size) {
		unsigned header = (p[0] & 15) * 4u, total = g16(p + 2);

		if (p[0] >> 4 != 4 || header < 20 || header > total || at + total > f->size)
			return;
		w->l3 = at;
		w->end = at + total;
		w->proto = p[9];
		if (g16(p + 6) & 0x3fff)
			w->frag = OF_FRAG_ANY | (g16(p + 6) & 0x1fff ? OF_FRAG_LATER : 0);
		if (!(w->frag & OF_FRAG_LATER))
			w->l4 = at + header;
	} else if (w->dl_type == 0x86dd && at + 40 <= f->size) {
		if (p[0] >> 4 != 6 || at + 40 + g16(p + 4) > f->size)
			return;
		w->l3 = at;
		w->end = at + 40 + g16(p + 4);
		w->proto = p[6];
		if (!find_ipv6_l4(f, at + 40, w)) {
			w->l4 = 0;
			w->proto = w->frag = 0;
			w->end = 0; /* only the addresses are believed */
		}
	} else if ((w->dl_type == 0x0806 || w->dl_type == 0x8035) && at + 28 <= f->size &&
		   !memcmp(p, "\0\1\x08\0\x06\x04", 6)) {
		w->l3 = at;
	}
}

static bool
has_ports(unsigned proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

static bool
is_icmp(unsigned proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_IGMP || proto == IPPROTO_ICMPV6;
}

/* Is the header of the transport layer whole? */
static bool
l4_is_whole(const struct oframe *f, const struct where *w)
{
	unsigned left = w->end - w->l4, words = w->l4 ? f->b[w->l4 + 12] >> 4 : 0;

	if (!w->l4)
		return false;
	if (w->proto == IPPROTO_TCP)
		return left >= 20 && words >= 5 && words * 4 <= left;
	if (w->proto == IPPROTO_SCTP)
		return left >= 12;
	return (w->proto == IPPROTO_UDP || is_icmp(w->proto)) && left >= 8;
}

void
oframe_parse(const struct oframe *f, struct of_key *k)
{
	const uint8_t *l3, *l4;
	struct where w;

	memset((uint8_t *)k + offsetof(struct of_key, dl_dst), 0,
	       sizeof *k - offsetof(struct of_key, dl_dst));
	if (f->size < 14)
		return;
	find(f, &w);
	memcpy(k->dl_dst, f->b, 6);
	memcpy(k->dl_src, f->b + 6, 6);
	for (unsigned i = 0; i < w.n_tags; i++) {
		memcpy(&k->vlans[i].tpid, f->b + 12 + 4 * i, 2);
		k->vlans[i].tci = htons((uint16_t)(g16(f->b + 14 + 4 * i) | OF_VLAN_CFI));
	}
	k->dl_type = htons((uint16_t)w.dl_type);
	if (w.dl_type == 0x88e7 && w.after + 4 <= f->size) {
		const uint8_t *tag = f->b + w.after;

		k->pbb_isid = 1u << 31 | (uint32_t)tag[1] << 16 | tag[2] << 8 | tag[3];
		k->pbb_uca = tag[0] >> 3 & 1;
	}
	for (unsigned i = 0; i < w.n_labels && i < OF_MAX_MPLS; i++)
		memcpy(&k->mpls_lse[i], f->b + w.after + 4 * i, 4);
	if (!w.l3)
		return;
	l3 = f->b + w.l3;
	if (w.dl_type == 0x0806 || w.dl_type == 0x8035) {
		k->nw_proto = l3[6] ? 0 : l3[7];
		memcpy(k->arp_sha, l3 + 8, 6);
		memcpy(&k->nw_src, l3 + 14, 4);
		memcpy(k->arp_tha, l3 + 18, 6);
		memcpy(&k->nw_dst, l3 + 24, 4);
		return;
	}
	if (w.dl_type == 0x0800) {
		k->nw_tos = l3[1];
		k->nw_ttl = l3[8];
		memcpy(&k->nw_src, l3 + 12, 4);
		memcpy(&k->nw_dst, l3 + 16, 4);
	} else {
		memcpy(&k->ipv6_src, l3 + 8, 16);
		memcpy(&k->ipv6_dst, l3 + 24, 16);
		if (w.end) {
			k->nw_tos = (uint8_t)(l3[0] << 4 | l3[1] >> 4);
			k->ipv6_label = htonl((uint32_t)(l3[1] & 15) << 16 | g16(l3 + 2));
			k->nw_ttl = l3[7];
		}
		k->ipv6_exthdr = w.ext;
	}
	k->nw_proto = w.proto;
	k->nw_frag = w.frag;
	if (!l4_is_whole(f, &w))
		return;
	l4 = f->b + w.l4;
	if (is_icmp(w.proto)) {
		k->tp_src = htons(l4[0]);
		k->tp_dst = htons(l4[1]);
		return;
	}
	if (w.proto == IPPROTO_TCP)
		k->tcp_flags = htons(g16(l4 + 12) & 0xfff);
	memcpy(&k->tp_src, l4, 2);
	memcpy(&k->tp_dst, l4 + 2, 2);
}

/* --- Checksums ------------------------------------------------------------------------------ */

static uint32_t
sum(const uint8_t *p, unsigned n, uint32_t s)
{
	for (unsigned i = 0; i + 1 < n; i += 2)
		s += g16(p + i);
	if (n & 1)
		s += p[n - 1] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static unsigned
l4_checksum_at(unsigned proto, unsigned type)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
		return type == 0x0800 ? 2 : 0;
	case IPPROTO_ICMPV6:
		return type == 0x86dd ? 2 : 0;
	default:
		return 0;
	}
}

/* What a datagram's checksum sums up of this frame: the pseudo header, and the bytes here. */
static uint32_t
l4_sum(const struct oframe *f, const struct where *w, unsigned at)
{
	struct oframe copy = *f;
	uint8_t *l3 = copy.b + w->l3, *l4 = copy.b + w->l4;
	unsigned len = g16(l3 + 2) - (l3[0] & 15) * 4u;
	uint32_t s = 0;

	if (l3[9] != IPPROTO_ICMP)
		s = sum(l3 + 12, 8, l3[9]);
	p16(l4 + at, 0);
	return sum(l4, len, s);
}

/* All checksums anew; of a first fragment, whose rest is elsewhere, by the difference. */
static void
fix_checksums(struct oframe *f, const struct oframe *before, const struct where *w)
{
	unsigned type = w->dl_type, proto = w->proto, at, len;
	uint8_t *l3 = f->b + w->l3, *l4 = f->b + w->l4;
	uint32_t s = 0;

	if (!w->l3 || type == 0x0806)
		return;
	if (type == 0x0800) {
		p16(l3 + 10, 0);
		p16(l3 + 10, ~sum(l3, (l3[0] & 15) * 4u, 0) & 0xffff);
		if (g16(l3 + 6) & 0x3fff) {
			at = l4_checksum_at(proto, type);
			if (!w->l4 || !at || (proto == IPPROTO_UDP && !g16(l4 + at)))
				return;
			s = (~g16(l4 + at) & 0xffff) + l4_sum(f, w, at) +
			    (~l4_sum(before, w, at) & 0xffff);
			while (s >> 16)
				s = (s & 0xffff) + (s >> 16);
			p16(l4 + at, ~s & 0xffff);
			return;
		}
		len = g16(l3 + 2) - (l3[0] & 15) * 4u;
	} else {
		len = w->end - w->l4;
	}
	at = l4_checksum_at(proto, type);
	if (!at || !w->l4 || (proto == IPPROTO_UDP && !g16(l4 + at)))
		return;
	if (proto != IPPROTO_ICMP) {
		if (type == 0x0800)
			s = sum(l3 + 12, 8, 0);
		else
			s = sum(l3 + 8, 32, 0);
		s += proto + len;
	}
	p16(l4 + at, 0);
	s = ~sum(l4, len, s) & 0xffff;
	if (!s && proto == IPPROTO_UDP)
		s = 0xffff;
	p16(l4 + at, s);
}

/* --- Storing -------------------------------------------------------------------------------- */

void
oframe_store(struct oframe *f, const struct of_key *k)
{
	struct oframe before = *f;
	uint8_t *l3, *l4;
	struct where w;
	unsigned type;

	find(f, &w);
	memcpy(f->b, k->dl_dst, 6);
	memcpy(f->b + 6, k->dl_src, 6);
	if (w.n_tags) {
		unsigned dei = g16(f->b + 14) & OF_VLAN_CFI;

		p16(f->b + 14, (ntohs(k->vlans[0].tci) & ~OF_VLAN_CFI) | dei);
	}
	type = w.dl_type;
	if (type == 0x88e7 && w.after + 4 <= f->size) {
		uint8_t *tag = f->b + w.after;

		tag[0] = (uint8_t)((tag[0] & ~8) | k->pbb_uca << 3);
		tag[1] = (uint8_t)(k->pbb_isid >> 16);
		p16(tag + 2, k->pbb_isid & 0xffff);
	}
	if (w.n_labels)
		memcpy(f->b + w.after, &k->mpls_lse[0], 4);
	if (!w.l3)
		return;
	l3 = f->b + w.l3;
	if (type == 0x0806) {
		memcpy(l3 + 8, k->arp_sha, 6);
		memcpy(l3 + 14, &k->nw_src, 4);
		memcpy(l3 + 18, k->arp_tha, 6);
		memcpy(l3 + 24, &k->nw_dst, 4);
		return;
	}
	if (type == 0x0800) {
		l3[1] = k->nw_tos;
		l3[8] = k->nw_ttl;
		memcpy(l3 + 12, &k->nw_src, 4);
		memcpy(l3 + 16, &k->nw_dst, 4);
	} else {
		uint32_t label = ntohl(k->ipv6_label);

		if (w.end) { /* else they were not parsed either */
			l3[0] = (uint8_t)(0x60 | k->nw_tos >> 4);
			l3[1] = (uint8_t)(k->nw_tos << 4 | (label >> 16 & 15));
			p16(l3 + 2, label & 0xffff);
			l3[7] = k->nw_ttl;
		}
		memcpy(l3 + 8, &k->ipv6_src, 16);
		memcpy(l3 + 24, &k->ipv6_dst, 16);
	}
	if (l4_is_whole(f, &w)) {
		l4 = f->b + w.l4;
		if (has_ports(k->nw_proto)) {
			memcpy(l4, &k->tp_src, 2);
			memcpy(l4 + 2, &k->tp_dst, 2);
			if (k->nw_proto == IPPROTO_TCP)
				p16(l4 + 12, (g16(l4 + 12) & 0xf000) | (ntohs(k->tcp_flags) & 0xfff));
		} else if (k->nw_proto == (type == 0x0800 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
			l4[0] = (uint8_t)ntohs(k->tp_src);
			l4[1] = (uint8_t)ntohs(k->tp_dst);
		}
	}
	if (memcmp(before.b + w.l3, l3, f->size - w.l3))
		fix_checksums(f, &before, &w);
}

/* --- Tags and labels -------------------------------------------------------------------------- */

static void
insert(struct oframe *f, unsigned at, unsigned n)
{
	memmove(f->b + at + n, f->b + at, f->size - at);
	f->size += n;
}

static void
cut(struct oframe *f, unsigned at, unsigned n)
{
	memmove(f->b + at, f->b + at + n, f->size - at - n);
	f->size -= n;
}

void
oframe_push_vlan(struct oframe *f, uint16_t tpid, uint16_t tci)
{
	insert(f, 12, 4);
	p16(f->b + 12, tpid);
	p16(f->b + 14, tci);
}

bool
oframe_pop_vlan(struct oframe *f)
{
	struct where w;

	find(f, &w);
	if (!w.n_tags)
		return false;
	cut(f, 12, 4);
	return true;
}

void
oframe_push_mpls(struct oframe *f, uint16_t type, uint32_t lse)
{
	struct where w;

	find(f, &w);
	lse = (lse & ~0x100u) | (w.n_labels ? 0 : 0x100);
	insert(f, w.after, 4);
	p16(f->b + w.after - 2, type);
	p16(f->b + w.after, lse >> 16);
	p16(f->b + w.after + 2, lse & 0xffff);
}

bool
oframe_pop_mpls(struct oframe *f, uint16_t type)
{
	struct where w;

	find(f, &w);
	if (!w.n_labels)
		return false;
	cut(f, w.after, 4);
	p16(f->b + w.after - 2, type);
	return true;
}

void
oframe_push_pbb(struct oframe *f, uint16_t type, uint32_t itag)
{
	insert(f, 12, 18);
	p16(f->b + 12, type);
	p16(f->b + 14, itag >> 16);
	p16(f->b + 16, itag & 0xffff);
	memcpy(f->b + 18, f->b, 12);
}

bool
oframe_pop_pbb(struct oframe *f)
{
	struct where w;

	find(f, &w);
	if (g16(f->b + w.type) != 0x88e7)
		return false;
	cut(f, 0, w.type + 6);
	return true;
}
