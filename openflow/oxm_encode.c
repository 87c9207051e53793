// SPDX-License-Identifier: Apache-2.0
/* A match as a list of NXM or OXM entries.  The order is that of Open vSwitch, which clients
 * print and compare. */
#include <arpa/inet.h>
#include <endian.h>

#include "openflow/field_place.h"
#include "openflow/match_wire.h"
#include "openflow/nxm.h"
#include "openflow/text.h"

#define OF15 6

/* Room for all entries that a match can have: every field once, with a mask, and all options. */
#define LIST_MAX 4096

struct put_ctx {
	uint8_t *p; /* where the next entry goes */
	const struct of_match_full *m;
	struct of_words words; /* in which the mask has bits */
	uint8_t version;       /* 0: NXM */
	bool ethernet;         /* an entry implies packet type Ethernet */
};

static inline bool
may_match(const struct put_ctx *c, const struct of_field *f)
{
	unsigned size = f->size ? f->size : f->n_bytes;

	return of_words_test(&c->words, f->offset / 8) ||
	       of_words_test(&c->words, (f->offset + size - 1) / 8);
}

static inline void
put_entry(struct put_ctx *c, const struct of_field *f, const uint8_t *value, const uint8_t *mask)
{
	c->p = of_nxm_put_at(c->p, f, c->version, value, mask, f->n_bytes);
	c->ethernet |= f->prereq != OF_PRE_NONE;
}

static void
put_value(struct put_ctx *c, const struct of_field *f, const union of_value *mask)
{
	union of_value v;

	of_field_get(f, &c->m->key, &v);
	put_entry(c, f, v.b, mask ? mask->b : NULL);
}

/* A field that lies in the key as on the wire. */
static void
put_bytes(struct put_ctx *c, const struct of_field *f)
{
	const uint8_t *mask = (const uint8_t *)&c->m->mask + f->offset;
	uint8_t any = 0, all = 0xff;

	for (unsigned i = 0; i < f->n_bytes; i++) {
		any |= mask[i];
		all &= mask[i];
	}
	if (any)
		put_entry(c, f, (const uint8_t *)&c->m->key + f->offset,
			  all == 0xff || !f->maskable ? NULL : mask);
}

/* Writes the field if it is matched, with a mask unless all of its bits count.  ct_state and
 * tun_flags always have one, as OVS keeps fewer bits of them than the wire has. */
static void
put(struct put_ctx *c, enum of_field_id id)
{
	const struct of_field *f = of_field(id);
	union of_value mask;

	if (!may_match(c, f))
		return;
	if (f->place == OF_PLACE_BYTES) {
		put_bytes(c, f);
		return;
	}
	of_field_get(f, &c->m->mask, &mask);
	if (of_value_is_zero(f, &mask))
		return;
	bool masked = id == OF_F_CT_STATE || id == OF_F_TUN_FLAGS ||
		      (f->maskable && !of_field_mask_is_full(f, &mask));
	put_value(c, f, masked ? &mask : NULL);
}

static void
put_range(struct put_ctx *c, enum of_field_id first, enum of_field_id last)
{
	for (unsigned id = first; id <= last; id++)
		put(c, id);
}

static void
put_vlan(struct put_ctx *c)
{
	uint16_t tci = ntohs(c->m->key.vlans[0].tci), mask = ntohs(c->m->mask.vlans[0].tci);

	if (!mask)
		return;
	if (!c->version) {
		put(c, OF_F_VLAN_TCI);
		return;
	}
	put(c, OF_F_VLAN_VID);
	/* The PCP exists only in a tag, so its entry needs one for the tag before it. */
	if (tci & (OF_VLAN_VID_MASK | OF_VLAN_CFI) && mask & OF_VLAN_PCP_MASK)
		put_value(c, of_field(OF_F_VLAN_PCP), NULL);
}

static void
put_l4(struct put_ctx *c, __be16 type)
{
	const struct of_key *k = &c->m->key;

	switch (k->nw_proto) {
	case IPPROTO_TCP:
		put(c, OF_F_TCP_SRC);
		put(c, OF_F_TCP_DST);
		put(c, OF_F_TCP_FLAGS);
		break;
	case IPPROTO_UDP:
		put(c, OF_F_UDP_SRC);
		put(c, OF_F_UDP_DST);
		break;
	case IPPROTO_SCTP:
		put(c, OF_F_SCTP_SRC);
		put(c, OF_F_SCTP_DST);
		break;
	case IPPROTO_ICMP:
		if (type != htons(0x0800))
			break;
		put(c, OF_F_ICMPV4_TYPE);
		put(c, OF_F_ICMPV4_CODE);
		break;
	case IPPROTO_ICMPV6:
		if (type != htons(0x86dd))
			break;
		put(c, OF_F_ICMPV6_TYPE);
		put(c, OF_F_ICMPV6_CODE);
		if (k->tp_dst || (k->tp_src != htons(135) && k->tp_src != htons(136)))
			break;
		put(c, OF_F_ND_RESERVED);
		put(c, OF_F_ND_TARGET);
		put(c, OF_F_ND_OPTIONS_TYPE);
		put(c, k->tp_src == htons(135) ? OF_F_ND_SLL : OF_F_ND_TLL);
		break;
	}
}

static void
put_l3(struct put_ctx *c)
{
	const struct of_key *k = &c->m->key;
	__be16 type = k->dl_type;

	if (k->packet_type != OF_PT_ETH)
		type = k->packet_type >> 16 == 1 ? htons(k->packet_type & 0xffff) : 0;
	switch (ntohs(type)) {
	case 0x0800:
	case 0x86dd:
		put(c, type == htons(0x0800) ? OF_F_IPV4_SRC : OF_F_IPV6_SRC);
		put(c, type == htons(0x0800) ? OF_F_IPV4_DST : OF_F_IPV6_DST);
		put(c, OF_F_IP_FRAG);
		put(c, c->version ? OF_F_IP_DSCP_SHIFTED : OF_F_IP_DSCP);
		put(c, OF_F_IP_ECN);
		put(c, OF_F_IP_TTL);
		put(c, OF_F_IPV6_LABEL);
		put(c, OF_F_IPV6_EXTHDR);
		put(c, OF_F_IP_PROTO);
		if (c->m->mask.nw_proto)
			put_l4(c, type);
		break;
	case 0x0806:
	case 0x8035:
		put_range(c, OF_F_ARP_OP, OF_F_ARP_THA);
		break;
	}
}

static void
put_tunnel(struct put_ctx *c, const struct of_tlv_map *map)
{
	const struct of_match_full *m = c->m;

	put(c, OF_F_TUN_ID);
	put(c, OF_F_TUN_FLAGS);
	put_range(c, OF_F_TUN_SRC, OF_F_TUN_IPV6_DST);
	put(c, OF_F_TUN_GBP_ID);
	put(c, OF_F_TUN_GBP_FLAGS);
	for (uint64_t left = m->mask.tun_metadata_present; left; left &= left - 1) {
		unsigned i = __builtin_ctzll(left), len = of_tlv_len(map, i);
		uint8_t value[OF_TLV_MAX_LEN], mask[OF_TLV_MAX_LEN];

		of_tlv_read(map, i, &m->key, value);
		of_tlv_read(map, i, &m->mask, mask);
		bool masked = !len || !of_bytes_all(mask, len, 0xff);
		c->p = of_nxm_put_at(c->p, of_field(OF_F_TUN_METADATA0 + i), c->version, value,
				     masked ? mask : NULL, len);
	}
	put_range(c, OF_F_TUN_ERSPAN_IDX, OF_F_TUN_GTPU_MSGTYPE);
}

static void
put_conntrack(struct put_ctx *c)
{
	put_range(c, OF_F_CT_STATE, OF_F_CT_LABEL);
	put(c, OF_F_CT_NW_SRC);
	put(c, OF_F_CT_IPV6_SRC);
	put(c, OF_F_CT_NW_DST);
	put(c, OF_F_CT_IPV6_DST);
	if (c->m->key.ct_nw_proto) {
		put(c, OF_F_CT_NW_PROTO);
		put(c, OF_F_CT_TP_SRC);
		put(c, OF_F_CT_TP_DST);
	}
}

static void
put_cookie(struct put_ctx *c, uint64_t cookie, uint64_t mask)
{
	bool masked = mask != UINT64_MAX;
	__be32 header = htonl(masked ? OF_NXM_COOKIE_W : OF_NXM_COOKIE);
	__be64 be = htobe64(cookie & mask);

	c->p = mempcpy(c->p, &header, sizeof(header));
	c->p = mempcpy(c->p, &be, sizeof(be));
	if (masked) {
		be = htobe64(mask);
		c->p = mempcpy(c->p, &be, sizeof(be));
	}
}

/* Does some word of members FROM to TO (both included) count? */
#define ANY_WORD(C, FROM, TO)                                                                  \
	any_word(&(C)->words, offsetof(struct of_key, FROM) / 8, offsetof(struct of_key, TO) / 8)

static inline bool
any_word(const struct of_words *w, unsigned first, unsigned last)
{
	uint64_t lo = ~0ull << (first % 64), hi = ~0ull >> (63 - last % 64);

	if (first / 64 == last / 64)
		return w->bits[first / 64] & lo & hi;
	return w->bits[0] & lo || w->bits[1] & hi;
}

static size_t
encode(const struct of_match_full *m, struct of_words words, uint8_t version,
       const struct of_tlv_map *map, uint64_t cookie, uint64_t cookie_mask, struct wf_buf *b)
{
	uint8_t *start = wf_buf_put_uninit(b, LIST_MAX);
	struct put_ctx c = { start, m, words, version >= 3 ? version : 0, false };
	const struct of_tlv_map *before = of_tlv_map_current();

	if (map)
		of_tlv_map_enter(map);
	else
		map = before;
	/* The packet type comes first, as it decides what others mean. */
	if (!of_match_has_default_packet_type(m))
		put(&c, OF_F_PACKET_TYPE);
	if (ANY_WORD(&c, in_port, packet_type)) {
		put(&c, OF_F_DP_HASH);
		put(&c, OF_F_RECIRC_ID);
		put(&c, OF_F_CONJ_ID);
		put(&c, c.version ? OF_F_IN_PORT_OXM : OF_F_IN_PORT);
		put(&c, OF_F_ACTSET_OUTPUT);
	}
	put(&c, OF_F_ETH_SRC);
	put(&c, OF_F_ETH_DST);
	put(&c, OF_F_ETH_TYPE);
	put_vlan(&c);
	put(&c, OF_F_PBB_ISID);
	put(&c, OF_F_PBB_UCA);
	if (m->mask.mpls_lse[0] && of_match_has_prereqs(m, of_field(OF_F_MPLS_LABEL))) {
		put(&c, OF_F_MPLS_TC);
		put(&c, OF_F_MPLS_BOS);
		put(&c, OF_F_MPLS_TTL);
		put(&c, OF_F_MPLS_LABEL);
	}
	if (ANY_WORD(&c, ipv6_src, tp_src))
		put_l3(&c);
	if (ANY_WORD(&c, tun_id, tun_metadata_present))
		put_tunnel(&c, map);
	if (ANY_WORD(&c, nsh, nsh.context[3])) {
		put(&c, OF_F_NSH_FLAGS);
		put(&c, OF_F_NSH_TTL);
		put_range(&c, OF_F_NSH_MDTYPE, OF_F_NSH_C4);
	}
	if (ANY_WORD(&c, regs, regs[OF_N_REGS - 1])) {
		if (c.version < OF15)
			put_range(&c, OF_F_REG0, OF_F_REG15);
		else
			put_range(&c, OF_F_XREG0, OF_F_XREG7);
	}
	put(&c, OF_F_PKT_MARK);
	if (ANY_WORD(&c, ct_mark, ct_tp_dst))
		put_conntrack(&c);
	put(&c, OF_F_METADATA);
	if (cookie_mask)
		put_cookie(&c, cookie, cookie_mask);
	if (of_match_has_default_packet_type(m) && !c.ethernet) {
		/* It belongs to the front; what is there moves behind it. */
		memmove(start + 8, start, c.p - start);
		of_nxm_put_at(start, of_field(OF_F_PACKET_TYPE), c.version, (uint8_t[4]){ 0 }, NULL,
			      4);
		c.p += 8;
	}
	of_tlv_map_enter(before);
	b->size -= LIST_MAX - (c.p - start);
	return c.p - start;
}

size_t
of_oxm_encode(const struct of_match_full *m, uint8_t version, const struct of_tlv_map *map,
	      struct wf_buf *b)
{
	struct of_words words = of_match_words(&m->mask);

	return encode(m, words, version, map, 0, 0, b);
}

size_t
of_oxm_encode_packed(const struct of_match *packed, uint8_t version, const struct of_tlv_map *map,
		     uint64_t cookie, uint64_t cookie_mask, struct wf_buf *b)
{
	struct of_match_full m;

	of_match_unpack(packed, &m);
	return encode(&m, packed->words, version, map, cookie, cookie_mask, b);
}
