// SPDX-License-Identifier: Apache-2.0
/* Actions that write or move fields, between wire and records.
 *
 * Each version has its own way to set a field: 1.0 and 1.1 an action a field, 1.2 to 1.4
 * set-field of whole fields, 1.5 set-field with a mask; Nicira's load and move go with all
 * but 1.5.  A record knows in which it came, and goes out in the same where it can.
 */
#include <netinet/in.h>

#include "openflow/action_internal.h"
#include "openflow/match_wire.h"

#define VID_PRESENT 0x1000 /* OFPVID_PRESENT */
#define ETHERTYPE_VLAN 0x8100

struct of_act_set_field *
of_set_field_put(struct wf_buf *list, const struct of_field *f, enum of_action_raw raw)
{
	struct of_act_set_field *sf = of_action_put(list, OF_A_SET_FIELD,
						    sizeof(*sf) + 2 * f->n_bytes);

	sf->a.raw = raw;
	sf->field = f->id;
	sf->n_bytes = f->n_bytes;
	return sf;
}

/* Bit 'ofs' of a big-endian byte string. */
static bool
bit(const uint8_t *p, unsigned n_bytes, unsigned ofs)
{
	return p[n_bytes - 1 - ofs / 8] >> (ofs % 8) & 1;
}

bool
of_set_field_next_load(const struct of_act_set_field *sf, struct of_subfield *dst,
		       uint64_t *value)
{
	const uint8_t *mask = of_set_field_mask(sf);
	unsigned n_bits = of_field(sf->field)->n_bits;
	unsigned ofs = dst->ofs + dst->n_bits;

	while (ofs < n_bits && !bit(mask, sf->n_bytes, ofs))
		ofs++;
	if (ofs >= n_bits)
		return false;
	unsigned end = ofs + 1;

	while (end < n_bits && end - ofs < 64 && bit(mask, sf->n_bytes, end))
		end++;
	*dst = (struct of_subfield) { sf->field, ofs, end - ofs };
	uint8_t be[8] = { 0 };

	of_bits_copy(sf->value_mask, sf->n_bytes, ofs, be, sizeof(be), 0, dst->n_bits);
	*value = rd64(be);
	return true;
}

/* --- From the wire --- */

static of_err_t
decode_set_field(const struct of_wire_action *w, struct wf_buf *list)
{
	bool masks = w->raw == OF_RAW_SET_FIELD_15;
	const uint8_t *p = w->p + 4, *end = w->p + w->size;
	struct of_oxm_header h;
	union of_value value, mask;
	size_t used;
	of_err_t err = of_nxm_entry_decode(p, end - p, true, of_tlv_map_current(), &h, &value,
					   masks ? &mask : NULL, &used);

	if (err)
		return err == OF_ERR_OFPBMC_BAD_MASK ? OF_ERR_OFPBAC_BAD_SET_MASK : err;
	p += used;
	if (!masks)
		memset(&mask, 0xff, h.field->n_bytes);
	/* OpenFlow 1.3 section 5.12: in_port may not be set. */
	if (!is_zero(p, end - p) || h.field->id == OF_F_IN_PORT_OXM || !h.field->writable)
		return OF_ERR_OFPBAC_BAD_SET_ARGUMENT;
	/* OpenFlow 1.5 section 7.2.6.7: OFPVID_PRESENT must be set in value and mask. */
	if (!of_value_is_valid(h.field, &value) ||
	    (h.field->id == OF_F_VLAN_VID && !(value.be16 & mask.be16 & htons(VID_PRESENT))))
		return OF_ERR_OFPBAC_BAD_SET_ARGUMENT;

	struct of_act_set_field *sf = of_set_field_put(list, h.field, OF_RAW_NONE);

	memcpy(sf->value_mask, &value, sf->n_bytes);
	memcpy(sf->value_mask + sf->n_bytes, &mask, sf->n_bytes);
	return 0;
}

static of_err_t
decode_reg_load(const struct of_wire_action *w, struct wf_buf *list)
{
	struct of_subfield dst;
	uint8_t value[8];

	rd_ofs_nbits(w->p + 10, &dst);
	of_err_t err = of_wire_field(w->p + 12, &dst.field);

	if (!err)
		err = of_subfield_check_dst(&dst, NULL);
	if (err)
		return err;
	if (dst.n_bits < 64 && rd64(w->p + 16) >> dst.n_bits)
		return OF_ERR_OFPBAC_BAD_ARGUMENT;

	struct of_act_set_field *sf = of_set_field_put(list, of_field(dst.field), OF_RAW_REG_LOAD);

	memcpy(value, w->p + 16, 8);
	of_bits_copy(value, 8, 0, sf->value_mask, sf->n_bytes, dst.ofs, dst.n_bits);
	of_bits_one(sf->value_mask + sf->n_bytes, sf->n_bytes, dst.ofs, dst.n_bits);
	return 0;
}

static of_err_t
decode_reg_load2(const struct of_wire_action *w, struct wf_buf *list)
{
	const uint8_t *p = w->p + 10, *end = w->p + w->size;
	struct of_oxm_header h;
	union of_value value, mask;
	size_t used;
	of_err_t err = of_nxm_entry_decode(p, end - p, true, of_tlv_map_current(), &h, &value,
					   &mask, &used);

	if (err)
		return err;
	p += used;
	if (!is_zero(p, end - p) || !h.field->writable)
		return OF_ERR_OFPBAC_BAD_SET_ARGUMENT;

	struct of_act_set_field *sf = of_set_field_put(list, h.field, OF_RAW_REG_LOAD2);

	memcpy(sf->value_mask, &value, sf->n_bytes);
	memcpy(sf->value_mask + sf->n_bytes, &mask, sf->n_bytes);
	return 0;
}

/* n_bits, source offset and destination offset at 'head', then two headers. */
static of_err_t
decode_move(const struct of_wire_action *w, unsigned head, unsigned fields, struct wf_buf *list)
{
	const uint8_t *p = w->p + fields, *end = w->p + w->size;
	struct of_act_move *m = of_action_put(list, OF_A_REG_MOVE, sizeof(*m));

	/* 1.5's form and ONF's are one action: OpenFlow 1.3 peers get ONF's. */
	m->a.raw = w->raw == OF_RAW_REG_MOVE ? OF_RAW_NONE : OF_RAW_COPY_FIELD_ONF;
	m->src.n_bits = m->dst.n_bits = rd16(w->p + head);
	m->src.ofs = rd16(w->p + head + 2);
	m->dst.ofs = rd16(w->p + head + 4);
	of_err_t err = of_wire_field_pull(&p, end, &m->src.field);

	if (!err)
		err = of_wire_field_pull(&p, end, &m->dst.field);
	if (!err && !is_zero(p, end - p))
		err = OF_ERR_NXBRC_MUST_BE_ZERO;
	if (!err)
		err = of_subfield_check_src(&m->src, NULL);
	return err ? err : of_subfield_check_dst(&m->dst, NULL);
}

static of_err_t
decode_stack(const struct of_wire_action *w, struct wf_buf *list)
{
	bool push = w->raw == OF_RAW_STACK_PUSH;
	const uint8_t *p = w->p + 12, *end = w->p + 24;
	struct of_act_stack *s = of_action_put(list, push ? OF_A_STACK_PUSH : OF_A_STACK_POP,
					       sizeof(*s));
	of_err_t err = of_wire_field_pull(&p, end, &s->sf.field);

	if (err)
		return err;
	s->sf.ofs = rd16(w->p + 10);
	s->sf.n_bits = rd16(p);
	p += 2;
	if (!is_zero(p, end - p))
		return OF_ERR_NXBRC_MUST_BE_ZERO;
	return push ? of_subfield_check_src(&s->sf, NULL) : of_subfield_check_dst(&s->sf, NULL);
}

static of_err_t
decode_set_mac(const struct of_wire_action *w, enum of_action_type type, struct wf_buf *list)
{
	struct of_act_set_mac *m = of_action_put(list, type, sizeof(*m));

	memcpy(m->mac, w->p + 4, 6);
	return 0;
}

static of_err_t
decode_set_tunnel(const struct of_wire_action *w, struct wf_buf *list)
{
	struct of_act_set_tunnel *t = of_action_put(list, OF_A_SET_TUNNEL, sizeof(*t));

	t->a.raw = w->raw == OF_RAW_SET_TUNNEL64 ? OF_RAW_SET_TUNNEL64 : OF_RAW_NONE;
	t->tun_id = w->arg;
	return 0;
}

static of_err_t
decode_delete_field(const struct of_wire_action *w, struct wf_buf *list)
{
	const uint8_t *p = w->p + 10;
	uint16_t field;
	of_err_t err = of_wire_field_pull(&p, w->p + w->size, &field);

	if (!err)
		put_u32_action(list, OF_A_DELETE_FIELD, OF_RAW_NONE, field);
	return err;
}

/* An action of one integer, of which only the bits of 'mask' may be set. */
static of_err_t
decode_u32(const struct of_wire_action *w, enum of_action_type type, enum of_action_raw raw,
	   uint32_t mask, struct wf_buf *list)
{
	if (w->arg & ~mask)
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	put_u32_action(list, type, raw, w->arg);
	return 0;
}

of_err_t
of_set_decode(const struct of_wire_action *w, struct wf_buf *list)
{
	switch (w->raw) {
	case OF_RAW_SET_VLAN_VID_10:
		return decode_u32(w, OF_A_SET_VLAN_VID, OF_RAW_NONE, 0xfff, list);
	case OF_RAW_SET_VLAN_VID_11:
		return decode_u32(w, OF_A_SET_VLAN_VID, w->raw, 0xfff, list);
	case OF_RAW_SET_VLAN_PCP_10:
		return decode_u32(w, OF_A_SET_VLAN_PCP, OF_RAW_NONE, 7, list);
	case OF_RAW_SET_VLAN_PCP_11:
		return decode_u32(w, OF_A_SET_VLAN_PCP, w->raw, 7, list);
	case OF_RAW_SET_DL_SRC:
		return decode_set_mac(w, OF_A_SET_ETH_SRC, list);
	case OF_RAW_SET_DL_DST:
		return decode_set_mac(w, OF_A_SET_ETH_DST, list);
	case OF_RAW_SET_NW_SRC:
		return decode_u32(w, OF_A_SET_IPV4_SRC, OF_RAW_NONE, UINT32_MAX, list);
	case OF_RAW_SET_NW_DST:
		return decode_u32(w, OF_A_SET_IPV4_DST, OF_RAW_NONE, UINT32_MAX, list);
	case OF_RAW_SET_NW_TOS:
		return decode_u32(w, OF_A_SET_IP_DSCP, OF_RAW_NONE, 0xfc, list);
	case OF_RAW_SET_NW_ECN:
		return decode_u32(w, OF_A_SET_IP_ECN, OF_RAW_NONE, 3, list);
	case OF_RAW_SET_NW_TTL:
		return decode_u32(w, OF_A_SET_IP_TTL, OF_RAW_NONE, 0xff, list);
	case OF_RAW_SET_TP_SRC:
		return decode_u32(w, OF_A_SET_L4_SRC, OF_RAW_NONE, 0xffff, list);
	case OF_RAW_SET_TP_DST:
		return decode_u32(w, OF_A_SET_L4_DST, OF_RAW_NONE, 0xffff, list);
	/* Open vSwitch takes more than fits here, and tells it in a set-field that nobody takes. */
	case OF_RAW_SET_MPLS_LABEL:
		return decode_u32(w, OF_A_SET_MPLS_LABEL, OF_RAW_NONE, 0xfffff, list);
	case OF_RAW_SET_MPLS_TC:
		return decode_u32(w, OF_A_SET_MPLS_TC, OF_RAW_NONE, 7, list);
	case OF_RAW_SET_MPLS_TTL:
		return decode_u32(w, OF_A_SET_MPLS_TTL, OF_RAW_NONE, 0xff, list);
	case OF_RAW_SET_FIELD_12:
	case OF_RAW_SET_FIELD_15:
		return decode_set_field(w, list);
	case OF_RAW_REG_LOAD:
		return decode_reg_load(w, list);
	case OF_RAW_REG_LOAD2:
		return decode_reg_load2(w, list);
	case OF_RAW_REG_MOVE:
		return decode_move(w, 10, 16, list);
	case OF_RAW_COPY_FIELD_15:
		return decode_move(w, 4, 12, list);
	case OF_RAW_COPY_FIELD_ONF:
		return decode_move(w, 12, 20, list);
	case OF_RAW_STACK_PUSH:
	case OF_RAW_STACK_POP:
		return decode_stack(w, list);
	case OF_RAW_SET_TUNNEL:
	case OF_RAW_SET_TUNNEL64:
		return decode_set_tunnel(w, list);
	case OF_RAW_DELETE_FIELD:
		return decode_delete_field(w, list);
	default:
		return OF_ERR_OFPBAC_BAD_TYPE;
	}
}

/* --- To the wire --- */

static void
put_set_field(struct wf_buf *wire, uint8_t version, enum of_field_id field,
	      const union of_value *value, const union of_value *mask)
{
	size_t ofs = of_wire_begin(wire, version,
				   version >= OF15 ? OF_RAW_SET_FIELD_15 : OF_RAW_SET_FIELD_12, 0);

	of_wire_cut(wire, ofs, 4);
	of_nxm_entry_encode(of_field(field), version, value, mask, of_tlv_map_current(), wire);
	of_wire_end(wire, ofs);
}

/* Value and mask of a record, where nothing is aligned. */
static void
get_value_mask(const struct of_act_set_field *sf, union of_value *value, union of_value *mask)
{
	memcpy(value, sf->value_mask, sf->n_bytes);
	memcpy(mask, of_set_field_mask(sf), sf->n_bytes);
}

/* The same for a field of at most 8 bytes. */
static void
put_set_field_u64(struct wf_buf *wire, uint8_t version, enum of_field_id field, uint64_t v)
{
	union of_value value;

	wr64(value.b, v << (8 * (8 - of_field(field)->n_bytes)));
	put_set_field(wire, version, field, &value, NULL);
}

static void
put_reg_load(struct wf_buf *wire, uint8_t version, const struct of_subfield *dst, uint64_t v)
{
	size_t ofs = of_wire_begin(wire, version, OF_RAW_REG_LOAD, 0);

	if (ofs == OF_NO_FORM)
		return;
	uint8_t *p = of_wire_at(wire, ofs);

	wr_ofs_nbits(p + 10, dst);
	wr32(p + 12, of_wire_field_header(dst->field));
	wr64(p + 16, v);
}

/* As Nicira's loads: one a run of mask bits, or load2 if the field needs it. */
static void
put_loads(struct wf_buf *wire, uint8_t version, const struct of_act_set_field *sf)
{
	const struct of_field *f = of_field(sf->field);
	union of_value v, mask;

	if (sf->a.raw == OF_RAW_REG_LOAD2 || !of_wire_field_header(sf->field) || f->variable_len) {
		size_t ofs = of_wire_begin(wire, version, OF_RAW_REG_LOAD2, 0);

		of_wire_cut(wire, ofs, 10);
		get_value_mask(sf, &v, &mask);
		of_nxm_entry_encode(f, 0, &v, &mask, of_tlv_map_current(), wire);
		of_wire_end(wire, ofs);
	} else {
		struct of_subfield dst = { 0 };
		uint64_t value;

		while (of_set_field_next_load(sf, &dst, &value))
			put_reg_load(wire, version, &dst, value);
	}
}

static void
put_mac(struct wf_buf *wire, uint8_t version, enum of_action_raw raw, const uint8_t *mac)
{
	size_t ofs = of_wire_begin(wire, version, raw, 0);

	memcpy(of_wire_at(wire, ofs) + 4, mac, 6);
}

/* A whole tag, in the words of 1.0 and 1.1. */
static void
put_tci(struct wf_buf *wire, uint8_t version, const struct of_act_set_field *sf)
{
	uint16_t tci = rd16(sf->value_mask);
	bool v10 = version == OF10;

	if (!(tci & OF_VLAN_CFI)) {
		of_wire_begin(wire, version, v10 ? OF_RAW_STRIP_VLAN : OF_RAW_POP_VLAN, 0);
		return;
	}
	if (!v10 && !(sf->a.u32 & 1)) /* In 1.1 the others need a tag to be there. */
		of_wire_begin(wire, version, OF_RAW_PUSH_VLAN, ETHERTYPE_VLAN);
	of_wire_begin(wire, version, v10 ? OF_RAW_SET_VLAN_VID_10 : OF_RAW_SET_VLAN_VID_11,
		      tci & OF_VLAN_VID_MASK);
	of_wire_begin(wire, version, v10 ? OF_RAW_SET_VLAN_PCP_10 : OF_RAW_SET_VLAN_PCP_11,
		      tci >> OF_VLAN_PCP_SHIFT);
}

static void
put_ecn(struct wf_buf *wire, uint8_t version, uint8_t ecn)
{
	if (version == OF10)
		put_reg_load(wire, version, &(struct of_subfield) { OF_F_IP_ECN, 0, 2 }, ecn);
	else if (version == OF11)
		of_wire_begin(wire, version, OF_RAW_SET_NW_ECN, ecn);
	else
		put_set_field_u64(wire, version, OF_F_IP_ECN, ecn);
}

/* A set_field record in the words of 1.0 and 1.1, which know some fields.  Masks are
 * dropped, as Open vSwitch does. */
static void
put_legacy(struct wf_buf *wire, uint8_t version, const struct of_act_set_field *sf)
{
	const uint8_t *v = sf->value_mask;
	bool v10 = version == OF10;

	switch (sf->field) {
	case OF_F_VLAN_TCI:
		put_tci(wire, version, sf);
		break;
	case OF_F_VLAN_VID:
		of_wire_begin(wire, version, v10 ? OF_RAW_SET_VLAN_VID_10 : OF_RAW_SET_VLAN_VID_11,
			      rd16(v) & OF_VLAN_VID_MASK);
		break;
	case OF_F_VLAN_PCP:
		of_wire_begin(wire, version, v10 ? OF_RAW_SET_VLAN_PCP_10 : OF_RAW_SET_VLAN_PCP_11,
			      v[0]);
		break;
	case OF_F_ETH_SRC:
		put_mac(wire, version, OF_RAW_SET_DL_SRC, v);
		break;
	case OF_F_ETH_DST:
		put_mac(wire, version, OF_RAW_SET_DL_DST, v);
		break;
	case OF_F_IPV4_SRC:
		of_wire_begin(wire, version, OF_RAW_SET_NW_SRC, rd32(v));
		break;
	case OF_F_IPV4_DST:
		of_wire_begin(wire, version, OF_RAW_SET_NW_DST, rd32(v));
		break;
	case OF_F_IP_DSCP:
		of_wire_begin(wire, version, OF_RAW_SET_NW_TOS, v[0]);
		break;
	case OF_F_IP_DSCP_SHIFTED:
		of_wire_begin(wire, version, OF_RAW_SET_NW_TOS, v[0] << 2);
		break;
	case OF_F_IP_ECN:
		put_ecn(wire, version, v[0]);
		break;
	case OF_F_TCP_SRC:
	case OF_F_UDP_SRC:
		of_wire_begin(wire, version, OF_RAW_SET_TP_SRC, rd16(v));
		break;
	case OF_F_TCP_DST:
	case OF_F_UDP_DST:
		of_wire_begin(wire, version, OF_RAW_SET_TP_DST, rd16(v));
		break;
	default:
		put_loads(wire, version, sf);
		break;
	}
}

static void
encode_set_field(const struct of_act_set_field *sf, uint8_t version, struct wf_buf *wire)
{
	union of_value value, mask;
	bool whole = true;

	get_value_mask(sf, &value, &mask);
	for (unsigned i = 0; i < sf->n_bytes && whole; i++)
		whole = mask.b[i] == 0xff;
	if (version >= OF15)
		put_set_field(wire, version, sf->field, &value, &mask);
	else if (sf->a.raw == OF_RAW_REG_LOAD || sf->a.raw == OF_RAW_REG_LOAD2)
		put_loads(wire, version, sf);
	else if (version < OF12)
		put_legacy(wire, version, sf);
	else if (whole)
		put_set_field(wire, version, sf->field, &value, &mask);
	else
		put_loads(wire, version, sf);
}

static void
encode_move(const struct of_act_move *m, uint8_t version, struct wf_buf *wire)
{
	enum of_action_raw raw = OF_RAW_REG_MOVE;
	unsigned head = 10, fields = 16;

	if (version >= OF15) {
		raw = OF_RAW_COPY_FIELD_15;
		head = 4;
		fields = 12;
	} else if (version == OF13 && m->a.raw == OF_RAW_COPY_FIELD_ONF) {
		raw = OF_RAW_COPY_FIELD_ONF;
		head = 12;
		fields = 20;
	}
	size_t ofs = of_wire_begin(wire, version, raw, 0);
	uint8_t *p = of_wire_at(wire, ofs) + head;

	wr16(p, m->dst.n_bits);
	wr16(p + 2, m->src.ofs);
	wr16(p + 4, m->dst.ofs);
	of_wire_cut(wire, ofs, fields);
	of_wire_field_put(wire, m->src.field, raw == OF_RAW_REG_MOVE ? 0 : version);
	of_wire_field_put(wire, m->dst.field, raw == OF_RAW_REG_MOVE ? 0 : version);
	of_wire_end(wire, ofs);
}

static void
encode_stack(const struct of_act_stack *s, uint8_t version, struct wf_buf *wire)
{
	size_t ofs = of_wire_begin(wire, version, s->a.type == OF_A_STACK_PUSH ? OF_RAW_STACK_PUSH
									    : OF_RAW_STACK_POP, 0);
	uint8_t n_bits[2];

	wr16(of_wire_at(wire, ofs) + 10, s->sf.ofs);
	of_wire_cut(wire, ofs, 12);
	of_wire_field_put(wire, s->sf.field, 0);
	wr16(n_bits, s->sf.n_bits);
	wf_buf_put(wire, n_bits, 2);
	wf_buf_put_zeros(wire, ofs + 24 - wire->size);
}

static void
encode_vlan(const struct of_action *a, uint8_t version, struct wf_buf *wire)
{
	bool vid = a->type == OF_A_SET_VLAN_VID;

	if (version == OF10) {
		of_wire_begin(wire, version,
			      vid ? OF_RAW_SET_VLAN_VID_10 : OF_RAW_SET_VLAN_PCP_10, a->u32);
		return;
	}
	if (of_act_set_vlan_pushes(a) && a->raw != OF_RAW_SET_VLAN_TAGGED)
		of_wire_begin(wire, version, OF_RAW_PUSH_VLAN, ETHERTYPE_VLAN);
	if (version == OF11)
		of_wire_begin(wire, version,
			      vid ? OF_RAW_SET_VLAN_VID_11 : OF_RAW_SET_VLAN_PCP_11, a->u32);
	else if (vid)
		put_set_field_u64(wire, version, OF_F_VLAN_VID, a->u32 | VID_PRESENT);
	else
		put_set_field_u64(wire, version, OF_F_VLAN_PCP, a->u32);
}

/* An action of 1.0 and 1.1 for which 1.2 and later have set-field. */
static void
encode_u32(const struct of_action *a, uint8_t version, enum of_action_raw raw,
	   enum of_field_id field, struct wf_buf *wire)
{
	if (version < OF12)
		of_wire_begin(wire, version, raw, a->u32);
	else
		put_set_field_u64(wire, version, field, a->u32);
}

/* The field of set-field depends on what the match says of the protocol. */
static void
encode_l4(const struct of_action *a, uint8_t version, struct wf_buf *wire)
{
	bool src = a->type == OF_A_SET_L4_SRC;
	enum of_field_id field = OF_N_FIELDS;

	if (a->raw == OF_RAW_SET_TP_TCP)
		field = src ? OF_F_TCP_SRC : OF_F_TCP_DST;
	else if (a->raw == OF_RAW_SET_TP_UDP)
		field = src ? OF_F_UDP_SRC : OF_F_UDP_DST;
	else if (a->raw == OF_RAW_SET_TP_SCTP)
		field = src ? OF_F_SCTP_SRC : OF_F_SCTP_DST;
	if (version >= OF12 && field != OF_N_FIELDS)
		put_set_field_u64(wire, version, field, a->u32);
	else
		of_wire_begin(wire, version, src ? OF_RAW_SET_TP_SRC : OF_RAW_SET_TP_DST, a->u32);
}

static void
encode_set_mac(const struct of_act_set_mac *m, uint8_t version, struct wf_buf *wire)
{
	bool src = m->a.type == OF_A_SET_ETH_SRC;
	union of_value value;

	if (version < OF12) {
		put_mac(wire, version, src ? OF_RAW_SET_DL_SRC : OF_RAW_SET_DL_DST, m->mac);
		return;
	}
	memcpy(value.b, m->mac, 6);
	put_set_field(wire, version, src ? OF_F_ETH_SRC : OF_F_ETH_DST, &value, NULL);
}

void
of_set_encode(const struct of_action *a, uint8_t version, struct wf_buf *wire)
{
	switch (a->type) {
	case OF_A_SET_FIELD:
		encode_set_field((const struct of_act_set_field *)a, version, wire);
		break;
	case OF_A_REG_MOVE:
		encode_move((const struct of_act_move *)a, version, wire);
		break;
	case OF_A_STACK_PUSH:
	case OF_A_STACK_POP:
		encode_stack((const struct of_act_stack *)a, version, wire);
		break;
	case OF_A_SET_VLAN_VID:
	case OF_A_SET_VLAN_PCP:
		encode_vlan(a, version, wire);
		break;
	case OF_A_SET_ETH_SRC:
	case OF_A_SET_ETH_DST:
		encode_set_mac((const struct of_act_set_mac *)a, version, wire);
		break;
	case OF_A_SET_IPV4_SRC:
		encode_u32(a, version, OF_RAW_SET_NW_SRC, OF_F_IPV4_SRC, wire);
		break;
	case OF_A_SET_IPV4_DST:
		encode_u32(a, version, OF_RAW_SET_NW_DST, OF_F_IPV4_DST, wire);
		break;
	case OF_A_SET_IP_DSCP:
		if (version < OF12)
			of_wire_begin(wire, version, OF_RAW_SET_NW_TOS, a->u32);
		else
			put_set_field_u64(wire, version, OF_F_IP_DSCP_SHIFTED, a->u32 >> 2);
		break;
	case OF_A_SET_IP_ECN:
		put_ecn(wire, version, a->u32);
		break;
	case OF_A_SET_IP_TTL:
		if (version == OF10)
			put_reg_load(wire, version, &(struct of_subfield) { OF_F_IP_TTL, 0, 8 },
				     a->u32);
		else
			of_wire_begin(wire, version, OF_RAW_SET_NW_TTL, a->u32);
		break;
	case OF_A_SET_L4_SRC:
	case OF_A_SET_L4_DST:
		encode_l4(a, version, wire);
		break;
	case OF_A_SET_MPLS_LABEL:
		encode_u32(a, version, OF_RAW_SET_MPLS_LABEL, OF_F_MPLS_LABEL, wire);
		break;
	case OF_A_SET_MPLS_TC:
		encode_u32(a, version, OF_RAW_SET_MPLS_TC, OF_F_MPLS_TC, wire);
		break;
	case OF_A_SET_MPLS_TTL:
		of_wire_begin(wire, version, OF_RAW_SET_MPLS_TTL, a->u32);
		break;
	case OF_A_SET_TUNNEL: {
		uint64_t id = ((const struct of_act_set_tunnel *)a)->tun_id;

		if (version >= OF12)
			put_set_field_u64(wire, version, OF_F_TUN_ID, id);
		else if (id <= UINT32_MAX && a->raw != OF_RAW_SET_TUNNEL64)
			of_wire_begin(wire, version, OF_RAW_SET_TUNNEL, id);
		else
			of_wire_begin(wire, version, OF_RAW_SET_TUNNEL64, id);
		break;
	}
	case OF_A_DELETE_FIELD: {
		size_t ofs = of_wire_begin(wire, version, OF_RAW_DELETE_FIELD, 0);

		of_wire_cut(wire, ofs, 10);
		of_wire_field_put(wire, a->u32, 0);
		wf_buf_put_zeros(wire, ofs + 24 - wire->size);
		break;
	}
	}
}
