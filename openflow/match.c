// SPDX-License-Identifier: Apache-2.0
/* Matches: the packed form, and setting fields of the full one. */
#include "openflow/match.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/hash.h"
#include "openflow/field_place.h"
#include "openflow/text.h"
#include "openflow/tlv_map.h"

void
of_match_init_any(struct of_match_full *m)
{
	memset(m, 0, sizeof(*m));
}

static unsigned
n_words(const struct of_words *w)
{
	return __builtin_popcountll(w->bits[0]) + __builtin_popcountll(w->bits[1]);
}

unsigned
of_match_n_words(const struct of_match *m)
{
	return n_words(&m->words);
}

size_t
of_match_size(const struct of_match *m)
{
	return sizeof(*m) + 2 * sizeof(uint64_t) * of_match_n_words(m);
}

struct of_words
of_match_words(const struct of_key *mask)
{
	const uint64_t *p = of_key_words_c(mask);
	struct of_words w = { { 0, 0 } };
	unsigned i = 0;

	/* Most of a mask is zero: four words at a time. */
	for (; i + 4 <= OF_KEY_WORDS; i += 4) {
		if (!(p[i] | p[i + 1] | p[i + 2] | p[i + 3]))
			continue;
		uint64_t four = (p[i] != 0) | (uint64_t)(p[i + 1] != 0) << 1 |
				(uint64_t)(p[i + 2] != 0) << 2 | (uint64_t)(p[i + 3] != 0) << 3;
		w.bits[i / 64] |= four << (i % 64);
	}
	for (; i < OF_KEY_WORDS; i++)
		w.bits[i / 64] |= (uint64_t)(p[i] != 0) << (i % 64);
	return w;
}

static void
fill(const struct of_match_full *full, struct of_words words, struct of_match *m)
{
	const uint64_t *key = of_key_words_c(&full->key), *mask = of_key_words_c(&full->mask);
	uint64_t *value_to = m->data, *mask_to = m->data + n_words(&words);

	m->words = words;
	of_words_for_each(i, &words) {
		*value_to++ = key[i] & mask[i];
		*mask_to++ = mask[i];
	}
}

size_t
of_match_pack_into(const struct of_match_full *full, void *dst, size_t room)
{
	struct of_words words = of_match_words(&full->mask);
	size_t size = sizeof(struct of_match) + 2 * sizeof(uint64_t) * n_words(&words);

	if (size <= room)
		fill(full, words, dst);
	return size;
}

struct of_match *
of_match_pack(const struct of_match_full *full)
{
	struct of_words words = of_match_words(&full->mask);
	struct of_match *m =
		wf_xmalloc(sizeof(*m) + 2 * sizeof(uint64_t) * n_words(&words));

	fill(full, words, m);
	return m;
}

void
of_match_unpack(const struct of_match *m, struct of_match_full *full)
{
	uint64_t *key = of_key_words(&full->key), *mask = of_key_words(&full->mask);
	const uint64_t *value_from = m->data, *mask_from = m->data + of_match_n_words(m);

	memset(full, 0, sizeof(*full));
	of_words_for_each(i, &m->words) {
		key[i] = *value_from++;
		mask[i] = *mask_from++;
	}
}

bool
of_match_equal(const struct of_match *a, const struct of_match *b)
{
	return a->words.bits[0] == b->words.bits[0] && a->words.bits[1] == b->words.bits[1] &&
	       !memcmp(a->data, b->data, of_match_size(a) - sizeof(*a));
}

uint32_t
of_match_hash(const struct of_match *m, uint32_t basis)
{
	return wf_hash_bytes(m, of_match_size(m), basis);
}

bool
of_match_covers(const struct of_match *m, const struct of_key *k)
{
	const uint64_t *key = of_key_words_c(k), *value = m->data;
	const uint64_t *mask = m->data + of_match_n_words(m);

	of_words_for_each(i, &m->words) {
		if ((key[i] & *mask++) != *value++)
			return false;
	}
	return true;
}

/* How many words of 'w' come before word 'i'. */
static unsigned
rank(const struct of_words *w, unsigned i)
{
	uint64_t below = (1ull << (i % 64)) - 1;

	return i < 64 ? __builtin_popcountll(w->bits[0] & below)
		      : __builtin_popcountll(w->bits[0]) + __builtin_popcountll(w->bits[1] & below);
}

bool
of_match_is_subset(const struct of_match *rule, const struct of_match *pattern)
{
	const uint64_t *p_value = pattern->data;
	const uint64_t *p_mask = pattern->data + of_match_n_words(pattern);
	const uint64_t *r_mask = rule->data + of_match_n_words(rule);

	if (pattern->words.bits[0] & ~rule->words.bits[0] ||
	    pattern->words.bits[1] & ~rule->words.bits[1])
		return false;
	of_words_for_each(i, &pattern->words) {
		unsigned r = rank(&rule->words, i);
		uint64_t mask = *p_mask++;

		if (mask & ~r_mask[r] || (rule->data[r] & mask) != *p_value++)
			return false;
	}
	return true;
}

bool
of_match_overlaps(const struct of_match *a, const struct of_match *b)
{
	struct of_words both = { { a->words.bits[0] & b->words.bits[0],
				   a->words.bits[1] & b->words.bits[1] } };
	unsigned na = of_match_n_words(a), nb = of_match_n_words(b);

	of_words_for_each(i, &both) {
		unsigned ra = rank(&a->words, i), rb = rank(&b->words, i);

		if ((a->data[ra] ^ b->data[rb]) & a->data[na + ra] & b->data[nb + rb])
			return false;
	}
	return true;
}

/* OF_F_VLAN_* and OF_F_DL_VLAN*: parts of one TCI, and "no tag" among the values. */
static void
set_vlan(struct of_match_full *m, const struct of_field *f, const union of_value *v, uint16_t mask)
{
	uint16_t tci = ntohs(m->key.vlans[0].tci), tci_mask = ntohs(m->mask.vlans[0].tci);
	const uint16_t vid_bits = OF_VLAN_VID_MASK | OF_VLAN_CFI;

	switch (f->id) {
	case OF_F_VLAN_TCI:
		tci = ntohs(v->be16);
		tci_mask = mask;
		break;
	case OF_F_DL_VLAN:
	case OF_F_VLAN_VID:
		if (!mask) {
			/* What is left if a PCP was demanded is that there be a tag. */
			tci_mask &= tci_mask & OF_VLAN_PCP_MASK ? OF_VLAN_PCP_MASK | OF_VLAN_CFI
								: 0;
		} else if (f->id == OF_F_VLAN_VID) {
			tci = (tci & ~vid_bits) | (ntohs(v->be16) & vid_bits);
			tci_mask = (tci_mask & OF_VLAN_PCP_MASK) | (mask & vid_bits);
		} else if (v->be16 == htons(0xffff)) {
			tci = 0;
			tci_mask = 0xffff;
		} else {
			tci = (tci & ~OF_VLAN_VID_MASK) | (ntohs(v->be16) & OF_VLAN_VID_MASK) |
			      OF_VLAN_CFI;
			tci_mask |= vid_bits;
		}
		break;
	default: /* the PCP */
		if (!mask) {
			tci_mask &= tci_mask & OF_VLAN_VID_MASK ? vid_bits : 0;
			break;
		}
		tci = (tci & ~OF_VLAN_PCP_MASK) | OF_VLAN_CFI |
		      (v->b[0] << OF_VLAN_PCP_SHIFT & OF_VLAN_PCP_MASK);
		tci_mask |= OF_VLAN_PCP_MASK | OF_VLAN_CFI;
		break;
	}
	m->key.vlans[0].tci = htons(tci & tci_mask);
	m->mask.vlans[0].tci = htons(tci_mask);
}

static void
set_bytes(uint8_t *key, uint8_t *mask, const uint8_t *v, const uint8_t *m, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		key[i] = v[i] & m[i];
		mask[i] = m[i];
	}
}

bool
of_match_set_field(struct of_match_full *m, const struct of_field *f, const union of_value *value,
		   const union of_value *mask)
{
	static const union of_value ones = { .b = { [0 ... 127] = 0xff } };
	union of_value v;
	bool all_ones = !mask || of_value_is_all_ones(f, mask);

	if (all_ones)
		mask = &ones;
	else if (!f->maskable && !of_value_is_zero(f, mask))
		return false;

	switch (f->place) {
	case OF_PLACE_BYTES:
		set_bytes((uint8_t *)&m->key + f->offset, (uint8_t *)&m->mask + f->offset,
			  value->b, mask->b, f->n_bytes);
		return true;
	case OF_PLACE_VLAN:
		set_vlan(m, f, value,
			 f->n_bytes == 2 ? ntohs(mask->be16) : mask->b[0] ? UINT16_MAX : 0);
		return true;
	case OF_PLACE_ICMP:
		of_field_set(f, value, &m->key);
		memset((uint8_t *)&m->mask + f->offset, mask->b[0] ? 0xff : 0, f->size);
		if (!mask->b[0])
			memset((uint8_t *)&m->key + f->offset, 0, f->size);
		return true;
	case OF_PLACE_PORT16:
		*(of_port_t *)((uint8_t *)&m->mask + f->offset) = mask->be16 ? UINT32_MAX : 0;
		*(of_port_t *)((uint8_t *)&m->key + f->offset) =
			mask->be16 ? of_port_from_u16(ntohs(value->be16)) : 0;
		return true;
	default:
		for (unsigned i = 0; i < f->n_bytes; i++)
			v.b[i] = value->b[i] & mask->b[i];
		of_field_set(f, &v, &m->key);
		of_field_set(f, mask, &m->mask);
		return true;
	}
}

bool
of_match_field_is_wild(const struct of_match_full *m, const struct of_field *f)
{
	union of_value v;

	if (of_field_is_tun_metadata(f))
		return !(m->mask.tun_metadata_present >> f->part & 1);
	if (f->place == OF_PLACE_BYTES)
		return of_bytes_all((const uint8_t *)&m->mask + f->offset, f->n_bytes, 0);
	of_field_get(f, &m->mask, &v);
	return of_value_is_zero(f, &v);
}

bool
of_match_has_prereqs(const struct of_match_full *m, const struct of_field *f)
{
	uint8_t valid = OF_CS_NEW | OF_CS_EST | OF_CS_REL | OF_CS_RPL | OF_CS_SNAT | OF_CS_DNAT;

	/* A match need not say which state the connection has, only that there is one. */
	if (f->prereq == OF_PRE_CT_VALID)
		return m->key.ct_state & valid ||
		       (m->key.ct_state & OF_CS_TRK && m->mask.ct_state & OF_CS_INV &&
			!(m->key.ct_state & OF_CS_INV));
	return of_field_present(f, &m->key);
}

void
of_match_set_default_packet_type(struct of_match_full *m)
{
	if (!m->mask.packet_type) {
		m->mask.packet_type = UINT32_MAX;
		m->key.packet_type = OF_PT_ETH;
	}
}

bool
of_match_has_default_packet_type(const struct of_match_full *m)
{
	return m->mask.packet_type == UINT32_MAX && m->key.packet_type == OF_PT_ETH;
}

void
of_match_add_ethernet_prereq(struct of_match_full *m, const struct of_field *f)
{
	if (f->prereq != OF_PRE_NONE)
		of_match_set_default_packet_type(m);
}

#define CLEAR(M) (gone |= !of_bytes_all(&m->mask.M, sizeof(m->mask.M), 0),                     \
		  memset(&m->mask.M, 0, sizeof(m->mask.M)), memset(&m->key.M, 0, sizeof(m->key.M)))

bool
of_match_normalize(struct of_match_full *m)
{
	bool ethernet = !m->mask.packet_type || of_match_has_default_packet_type(m);
	bool may_addr4 = false, may_ports = false, may_proto = false, may_ip = false;
	bool may_sha = false, may_tha = false, may_ip6 = false, may_nd = false, may_mpls = false;
	bool gone = false;
	uint16_t type = 0;

	if (ethernet)
		type = ntohs(m->key.dl_type);
	else if (m->mask.packet_type == UINT32_MAX && m->key.packet_type >> 16 == 1)
		type = m->key.packet_type;

	switch (type) {
	case 0x0800:
	case 0x86dd:
		may_proto = may_ip = true;
		may_addr4 = type == 0x0800;
		may_ip6 = !may_addr4;
		switch (m->key.nw_proto) {
		case IPPROTO_TCP:
		case IPPROTO_UDP:
		case IPPROTO_SCTP:
			may_ports = true;
			break;
		case IPPROTO_ICMP:
			may_ports = may_addr4;
			break;
		case IPPROTO_ICMPV6:
			may_ports = may_ip6;
			may_sha = may_ip6 && m->key.tp_src == htons(135);
			may_tha = may_ip6 && m->key.tp_src == htons(136);
			may_nd = may_sha || may_tha;
			break;
		}
		break;
	case 0x0806:
	case 0x8035:
		may_proto = may_addr4 = may_sha = may_tha = true;
		break;
	case 0x8847:
	case 0x8848:
		may_mpls = true;
		break;
	}

	if (!ethernet) {
		CLEAR(dl_src);
		CLEAR(dl_dst);
	}
	if (!may_addr4) {
		CLEAR(nw_src);
		CLEAR(nw_dst);
	}
	if (!may_ports) {
		CLEAR(tp_src);
		CLEAR(tp_dst);
	}
	if (!may_proto)
		CLEAR(nw_proto);
	if (!may_ip) {
		CLEAR(nw_tos);
		CLEAR(nw_ttl);
	}
	if (!may_sha)
		CLEAR(arp_sha);
	if (!may_tha)
		CLEAR(arp_tha);
	if (!may_ip6) {
		CLEAR(ipv6_src);
		CLEAR(ipv6_dst);
		CLEAR(ipv6_label);
		CLEAR(ipv6_exthdr);
	}
	if (!may_nd)
		CLEAR(nd_target);
	if (!may_mpls)
		CLEAR(mpls_lse);
	return gone;
}
