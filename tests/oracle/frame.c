// SPDX-License-Identifier: Apache-2.0
/* Frames as bytes: parsing, storing, tags.  Written from the RFCs, apart from the packet path. */
#include <string.h>

#include "dataplane/oracle.h"

struct where { /* 0: is not there */
	unsigned type, l3, l4, n_tags, n_labels;
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

static void
find(const struct oframe *f, struct where *w)
{
	unsigned at = 12, type;

	memset(w, 0, sizeof *w);
	while (w->n_tags < OF_MAX_VLANS && at + 4 <= f->size && is_tag(g16(f->b + at))) {
		at += 4;
		w->n_tags++;
	}
	w->type = at;
	type = g16(f->b + at);
	at += 2;
	if (is_label(type)) {
		while (at + 4 <= f->size) {
			bool bottom = f->b[at + 2] & 1;

			w->n_labels++;
			at += 4;
			if (bottom)
				break;
		}
		return;
	}
	if (type == 0x0800 && at + 20 <= f->size && f->b[at] >> 4 == 4) {
		w->l3 = at;
		if (!(g16(f->b + at + 6) & 0x1fff))
			w->l4 = at + (f->b[at] & 15) * 4;
	} else if (type == 0x86dd && at + 40 <= f->size) {
		w->l3 = at;
		w->l4 = at + 40; /* no extension headers in tests */
	} else if (type == 0x0806 && at + 28 <= f->size) {
		w->l3 = at;
	}
}

static bool
has_ports(unsigned proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

void
oframe_parse(const struct oframe *f, struct of_key *k)
{
	const uint8_t *l3, *l4;
	struct where w;
	unsigned type;

	memset((uint8_t *)k + offsetof(struct of_key, dl_dst), 0,
	       sizeof *k - offsetof(struct of_key, dl_dst));
	find(f, &w);
	memcpy(k->dl_dst, f->b, 6);
	memcpy(k->dl_src, f->b + 6, 6);
	for (unsigned i = 0; i < w.n_tags; i++) {
		memcpy(&k->vlans[i].tpid, f->b + 12 + 4 * i, 2);
		k->vlans[i].tci = htons((uint16_t)(g16(f->b + 14 + 4 * i) | OF_VLAN_CFI));
	}
	type = g16(f->b + w.type);
	k->dl_type = htons((uint16_t)type);
	if (type == 0x88e7) {
		const uint8_t *tag = f->b + w.type + 2;

		k->pbb_isid = 1u << 31 | (uint32_t)tag[1] << 16 | tag[2] << 8 | tag[3];
		k->pbb_uca = tag[0] >> 3 & 1;
	}
	for (unsigned i = 0; i < w.n_labels && i < OF_MAX_MPLS; i++)
		memcpy(&k->mpls_lse[i], f->b + w.type + 2 + 4 * i, 4);
	if (!w.l3)
		return;
	l3 = f->b + w.l3;
	if (type == 0x0806) {
		k->nw_proto = l3[7];
		memcpy(k->arp_sha, l3 + 8, 6);
		memcpy(&k->nw_src, l3 + 14, 4);
		memcpy(k->arp_tha, l3 + 18, 6);
		memcpy(&k->nw_dst, l3 + 24, 4);
		return;
	}
	if (type == 0x0800) {
		k->nw_tos = l3[1];
		if (g16(l3 + 6) & 0x3fff)
			k->nw_frag = OF_FRAG_ANY | (w.l4 ? 0 : OF_FRAG_LATER);
		k->nw_ttl = l3[8];
		k->nw_proto = l3[9];
		memcpy(&k->nw_src, l3 + 12, 4);
		memcpy(&k->nw_dst, l3 + 16, 4);
	} else {
		k->nw_tos = (uint8_t)(l3[0] << 4 | l3[1] >> 4);
		k->ipv6_label = htonl((uint32_t)(l3[1] & 15) << 16 | g16(l3 + 2));
		k->nw_proto = l3[6];
		k->nw_ttl = l3[7];
		memcpy(&k->ipv6_src, l3 + 8, 16);
		memcpy(&k->ipv6_dst, l3 + 24, 16);
	}
	if (!w.l4 || w.l4 + 8 > f->size)
		return;
	l4 = f->b + w.l4;
	if (has_ports(k->nw_proto)) {
		memcpy(&k->tp_src, l4, 2);
		memcpy(&k->tp_dst, l4 + 2, 2);
		if (k->nw_proto == IPPROTO_TCP)
			k->tcp_flags = htons(g16(l4 + 12) & 0xfff);
	} else if (k->nw_proto == (type == 0x0800 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		k->tp_src = htons(l4[0]);
		k->tp_dst = htons(l4[1]);
	}
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
	unsigned type = g16(f->b + w->type), proto, at, len;
	uint8_t *l3 = f->b + w->l3, *l4 = f->b + w->l4;
	uint32_t s = 0;

	if (!w->l3 || type == 0x0806)
		return;
	if (type == 0x0800) {
		proto = l3[9];
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
		proto = l3[6];
		len = g16(l3 + 4);
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
	memcpy(f->b + w.type, &k->dl_type, 2);
	type = g16(before.b + w.type);
	if (type == 0x88e7) {
		uint8_t *tag = f->b + w.type + 2;

		tag[0] = (uint8_t)((tag[0] & ~8) | k->pbb_uca << 3);
		tag[1] = (uint8_t)(k->pbb_isid >> 16);
		p16(tag + 2, k->pbb_isid & 0xffff);
	}
	if (w.n_labels)
		memcpy(f->b + w.type + 2, &k->mpls_lse[0], 4);
	if (!w.l3)
		return;
	l3 = f->b + w.l3;
	if (type == 0x0806) {
		l3[7] = k->nw_proto;
		memcpy(l3 + 8, k->arp_sha, 6);
		memcpy(l3 + 14, &k->nw_src, 4);
		memcpy(l3 + 18, k->arp_tha, 6);
		memcpy(l3 + 24, &k->nw_dst, 4);
		return;
	}
	if (type == 0x0800) {
		l3[1] = k->nw_tos;
		l3[8] = k->nw_ttl;
		l3[9] = k->nw_proto;
		memcpy(l3 + 12, &k->nw_src, 4);
		memcpy(l3 + 16, &k->nw_dst, 4);
	} else {
		uint32_t label = ntohl(k->ipv6_label);

		l3[0] = (uint8_t)(0x60 | k->nw_tos >> 4);
		l3[1] = (uint8_t)(k->nw_tos << 4 | (label >> 16 & 15));
		p16(l3 + 2, label & 0xffff);
		l3[6] = k->nw_proto;
		l3[7] = k->nw_ttl;
		memcpy(l3 + 8, &k->ipv6_src, 16);
		memcpy(l3 + 24, &k->ipv6_dst, 16);
	}
	if (w.l4 && w.l4 + 8 <= f->size) {
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
	if (!is_tag(g16(f->b + 12)))
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
	insert(f, w.type + 2, 4);
	p16(f->b + w.type, type);
	p16(f->b + w.type + 2, lse >> 16);
	p16(f->b + w.type + 4, lse & 0xffff);
}

bool
oframe_pop_mpls(struct oframe *f, uint16_t type)
{
	struct where w;

	find(f, &w);
	if (!w.n_labels)
		return false;
	cut(f, w.type + 2, 4);
	p16(f->b + w.type, type);
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
