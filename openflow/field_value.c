// SPDX-License-Identifier: Apache-2.0
/* Fields of keys: reading, writing, marking, and what values are allowed. */
#include "openflow/field.h"

#include <arpa/inet.h>
#include <endian.h>

#include "openflow/field_place.h"
#include "openflow/tlv_map.h"

/* Where OpenFlow 1.0 keeps its reserved ports; inside they are the 32-bit ones. */
#define PORT16_MAX 0xff00
#define PORT16_OFFSET 0xffff0000u

of_port_t
of_port_from_u16(uint16_t port)
{
	return port < PORT16_MAX ? port : port + PORT16_OFFSET;
}

uint16_t
of_port_to_u16(of_port_t port)
{
	if (port < PORT16_MAX)
		return port;
	return port >= OF_PORT_MAX ? port - PORT16_OFFSET : 0xffff;
}

static uint64_t
load_host(const void *p, unsigned size)
{
	switch (size) {
	case 1: return *(const uint8_t *)p;
	case 2: return *(const uint16_t *)p;
	case 4: return *(const uint32_t *)p;
	default: return *(const uint64_t *)p;
	}
}

static void
store_host(void *p, unsigned size, uint64_t v)
{
	switch (size) {
	case 1: *(uint8_t *)p = v; break;
	case 2: *(uint16_t *)p = v; break;
	case 4: *(uint32_t *)p = v; break;
	default: *(uint64_t *)p = v; break;
	}
}

static uint64_t
load_be(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	while (size--)
		v = v << 8 | *p++;
	return v;
}

static void
store_be(uint8_t *p, unsigned size, uint64_t v)
{
	while (size--) {
		p[size] = v;
		v >>= 8;
	}
}

static void
get_tlv(const struct of_field *f, const struct of_key *k, union of_value *v)
{
	const struct of_tlv_map *map = of_tlv_map_current();
	unsigned len = of_tlv_len(map, f->part);

	memset(v->b, 0, f->n_bytes - len);
	of_tlv_read(map, f->part, k, v->b + f->n_bytes - len);
}

void
of_field_get(const struct of_field *f, const struct of_key *k, union of_value *v)
{
	const uint8_t *p = (const uint8_t *)k + f->offset;

	switch (f->place) {
	case OF_PLACE_BYTES:
		memcpy(v->b, p, f->n_bytes);
		break;
	case OF_PLACE_HOST:
		switch (f->n_bytes) {
		case 2: v->be16 = htons(*(const uint16_t *)p); break;
		case 4: v->be32 = htonl(*(const uint32_t *)p); break;
		default: v->be64 = htobe64(*(const uint64_t *)p); break;
		}
		break;
	case OF_PLACE_WORDS:
		for (unsigned i = 0; i < f->n_bytes / 4u; i++) {
			__be32 be = htonl(((const uint32_t *)p)[i]);

			memcpy(v->b + 4 * i, &be, 4);
		}
		break;
	case OF_PLACE_HOST_BYTE:
		store_be(v->b, f->n_bytes, *p);
		break;
	case OF_PLACE_HOST_PART:
		store_be(v->b, f->n_bytes, (load_host(p, f->size) & f->part) >> f->shift);
		break;
	case OF_PLACE_BE_PART:
	case OF_PLACE_VLAN:
		store_be(v->b, f->n_bytes, (load_be(p, f->size) & f->part) >> f->shift);
		break;
	case OF_PLACE_ICMP:
		v->b[0] = p[1];
		break;
	case OF_PLACE_PORT16:
		v->be16 = htons(of_port_to_u16(*(const of_port_t *)p));
		break;
	case OF_PLACE_TLV:
		get_tlv(f, k, v);
		break;
	}
}

static void
set_vlan(const struct of_field *f, const union of_value *v, struct of_key *k)
{
	uint16_t tci = ntohs(k->vlans[0].tci);

	if (f->id == OF_F_DL_VLAN && v->be16 == htons(0xffff)) {
		tci = 0;
	} else {
		tci = (tci & ~f->part) | ((load_be(v->b, f->n_bytes) << f->shift) & f->part);
		if (f->id != OF_F_VLAN_TCI && f->id != OF_F_VLAN_VID)
			tci |= OF_VLAN_CFI;
	}
	k->vlans[0].tci = htons(tci);
	if (tci && !k->vlans[0].tpid)
		k->vlans[0].tpid = htons(0x8100);
}

static void
set_tlv(const struct of_field *f, const union of_value *v, struct of_key *k)
{
	const struct of_tlv_map *map = of_tlv_map_current();
	unsigned len = of_tlv_len(map, f->part);

	if (!len && map && !map->entry[f->part].valid)
		return;
	of_tlv_write(map, f->part, v->b + f->n_bytes - len, k);
	k->tun_metadata_present |= 1ull << f->part;
}

void
of_field_set(const struct of_field *f, const union of_value *v, struct of_key *k)
{
	uint8_t *p = (uint8_t *)k + f->offset;

	switch (f->place) {
	case OF_PLACE_BYTES:
		memcpy(p, v->b, f->n_bytes);
		break;
	case OF_PLACE_HOST:
		switch (f->n_bytes) {
		case 2: *(uint16_t *)p = ntohs(v->be16); break;
		case 4: *(uint32_t *)p = ntohl(v->be32); break;
		default: *(uint64_t *)p = be64toh(v->be64); break;
		}
		break;
	case OF_PLACE_WORDS:
		for (unsigned i = 0; i < f->n_bytes / 4u; i++) {
			__be32 be;

			memcpy(&be, v->b + 4 * i, 4);
			((uint32_t *)p)[i] = ntohl(be);
		}
		break;
	case OF_PLACE_HOST_BYTE:
		*p = v->b[f->n_bytes - 1];
		break;
	case OF_PLACE_HOST_PART:
		store_host(p, f->size,
			   (load_host(p, f->size) & ~(uint64_t)f->part) |
				   ((load_be(v->b, f->n_bytes) << f->shift) & f->part));
		break;
	case OF_PLACE_BE_PART:
		store_be(p, f->size,
			 (load_be(p, f->size) & ~(uint64_t)f->part) |
				 ((load_be(v->b, f->n_bytes) << f->shift) & f->part));
		break;
	case OF_PLACE_ICMP:
		p[0] = 0;
		p[1] = v->b[0];
		break;
	case OF_PLACE_VLAN:
		set_vlan(f, v, k);
		break;
	case OF_PLACE_PORT16:
		*(of_port_t *)p = of_port_from_u16(ntohs(v->be16));
		break;
	case OF_PLACE_TLV:
		set_tlv(f, v, k);
		break;
	}
}

void
of_field_set_masked(const struct of_field *f, const union of_value *value,
		    const union of_value *mask, struct of_key *k)
{
	union of_value v;

	of_field_get(f, k, &v);
	for (unsigned i = 0; i < f->n_bytes; i++)
		v.b[i] = (value->b[i] & mask->b[i]) | (v.b[i] & ~mask->b[i]);
	of_field_set(f, &v, k);
}

void
of_field_mark_bits(const struct of_field *f, const union of_value *bits, struct of_key *mask)
{
	uint8_t *p = (uint8_t *)mask + f->offset;
	union of_value v;

	switch (f->place) {
	case OF_PLACE_VLAN:
		mask->vlans[0].tci |=
			htons(((load_be(bits->b, f->n_bytes) << f->shift) & f->part) |
			      (f->id != OF_F_VLAN_TCI ? OF_VLAN_CFI : 0));
		break;
	case OF_PLACE_ICMP:
		if (bits->b[0])
			memset(p, 0xff, 2);
		break;
	case OF_PLACE_PORT16:
		if (bits->be16)
			memset(p, 0xff, sizeof(of_port_t));
		break;
	default:
		of_field_get(f, mask, &v);
		for (unsigned i = 0; i < f->n_bytes; i++)
			v.b[i] |= bits->b[i];
		of_field_set(f, &v, mask);
		break;
	}
}

void
of_field_mark(const struct of_field *f, struct of_key *mask)
{
	static const union of_value ones = { .b = { [0 ... 127] = 0xff } };

	of_field_mark_bits(f, &ones, mask);
}

/* The EtherType that decides about prerequisites: that of the packet type if it is not Ethernet. */
static __be16
ether_type(const struct of_key *k)
{
	if (k->packet_type == OF_PT_ETH)
		return k->dl_type;
	return k->packet_type >> 16 == 1 ? htons(k->packet_type & 0xffff) : 0;
}

static bool
is_nd(const struct of_key *k, __be16 type, int icmp_type)
{
	if (type != htons(0x86dd) || k->nw_proto != IPPROTO_ICMPV6 || k->tp_dst)
		return false;
	return icmp_type ? k->tp_src == htons(icmp_type)
			 : k->tp_src == htons(135) || k->tp_src == htons(136);
}

bool
of_field_present(const struct of_field *f, const struct of_key *k)
{
	__be16 type = ether_type(k);
	bool ip = type == htons(0x0800) || type == htons(0x86dd);

	switch (f->prereq) {
	case OF_PRE_NONE:
		return true;
	case OF_PRE_ETHERNET:
		return k->packet_type == OF_PT_ETH;
	case OF_PRE_ARP:
		return type == htons(0x0806) || type == htons(0x8035);
	case OF_PRE_VLAN_VID:
		return k->packet_type == OF_PT_ETH && k->vlans[0].tci & htons(OF_VLAN_CFI);
	case OF_PRE_IPV4:
		return type == htons(0x0800);
	case OF_PRE_IPV6:
		return type == htons(0x86dd);
	case OF_PRE_IP_ANY:
		return ip;
	case OF_PRE_NSH:
		return type == htons(0x894f);
	case OF_PRE_PBB:
		return type == htons(0x88e7);
	case OF_PRE_MPLS:
		return type == htons(0x8847) || type == htons(0x8848);
	case OF_PRE_CT_VALID:
		/* A tracked packet that belongs to a connection has one of these. */
		return (k->ct_state & (OF_CS_NEW | OF_CS_EST | OF_CS_RPL)) != 0;
	case OF_PRE_TCP:
		return ip && k->nw_proto == IPPROTO_TCP && !(k->nw_frag & OF_FRAG_LATER);
	case OF_PRE_UDP:
		return ip && k->nw_proto == IPPROTO_UDP && !(k->nw_frag & OF_FRAG_LATER);
	case OF_PRE_SCTP:
		return ip && k->nw_proto == IPPROTO_SCTP && !(k->nw_frag & OF_FRAG_LATER);
	case OF_PRE_ICMPV4:
		return type == htons(0x0800) && k->nw_proto == IPPROTO_ICMP;
	case OF_PRE_ICMPV6:
		return type == htons(0x86dd) && k->nw_proto == IPPROTO_ICMPV6;
	case OF_PRE_ND:
		return is_nd(k, type, 0);
	case OF_PRE_ND_SOLICIT:
		return is_nd(k, type, 135);
	case OF_PRE_ND_ADVERT:
		return is_nd(k, type, 136);
	}
	return false;
}

bool
of_value_is_valid(const struct of_field *f, const union of_value *v)
{
	switch (f->id) {
	case OF_F_VLAN_VID: /* with OFPVID_PRESENT, bit 12 */
		return !(v->be16 & htons(OF_VLAN_PCP_MASK));
	case OF_F_DL_VLAN:
		return !(v->be16 & htons(OF_VLAN_PCP_MASK | OF_VLAN_CFI));
	case OF_F_IP_DSCP: /* not shifted: as in the TOS byte */
		return !(v->b[0] & 0x03);
	case OF_F_ARP_OP: /* only the low 8 bits are kept */
		return !v->b[0];
	case OF_F_CT_STATE:
		return !(v->be32 & ~htonl(0xff));
	case OF_F_NSH_TTL:
		return v->b[0] <= 63;
	case OF_F_NSH_MDTYPE:
		return v->b[0] == 1 || v->b[0] == 2;
	/* More bits than OVS says these have are let through by it. */
	case OF_F_TUN_ERSPAN_IDX:
	case OF_F_TUN_ERSPAN_VER:
	case OF_F_TUN_ERSPAN_DIR:
	case OF_F_TUN_ERSPAN_HWID:
		return true;
	default: {
		unsigned spare = f->n_bytes * 8u - f->n_bits, i = 0;

		for (; spare >= 8; spare -= 8) {
			if (v->b[i++])
				return false;
		}
		return !spare || !(v->b[i] >> (8 - spare));
	}
	}
}

bool
of_value_is_all_ones(const struct of_field *f, const union of_value *v)
{
	for (unsigned i = 0; i < f->n_bytes; i++) {
		if (v->b[i] != 0xff)
			return false;
	}
	return true;
}

bool
of_value_is_zero(const struct of_field *f, const union of_value *v)
{
	for (unsigned i = 0; i < f->n_bytes; i++) {
		if (v->b[i])
			return false;
	}
	return true;
}

bool
of_field_mask_is_full(const struct of_field *f, const union of_value *mask)
{
	switch (f->place) {
	case OF_PLACE_HOST_BYTE:
		return mask->b[f->n_bytes - 1] == 0xff;
	case OF_PLACE_HOST_PART:
	case OF_PLACE_BE_PART:
	case OF_PLACE_VLAN:
		return (~load_be(mask->b, f->n_bytes) & (f->part >> f->shift)) == 0;
	default:
		return of_value_is_all_ones(f, mask);
	}
}
