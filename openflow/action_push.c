// SPDX-License-Identifier: Apache-2.0
/* Actions that add, remove and count down headers, between wire and records. */
#include "openflow/action_internal.h"

/* Properties of encap (Nicira's form of ONF EXT-382). */
#define ED_CLASS_NSH 4
#define ED_NSH_MDTYPE 1
#define ED_NSH_TLV 2

#define PT_MPLS 0x00018847u
#define PT_MPLS_MC 0x00018848u

/* Checks one property of at most 'left' bytes and appends it in its normal form, which is how
 * it goes out.  '*ret_size': its padded size on the wire. */
static of_err_t
decode_ed_prop(const uint8_t *p, size_t left, struct wf_buf *list, size_t *ret_size)
{
	unsigned class = rd16(p), type = p[2];
	size_t len = p[3], padded = OF_ACTION_ALIGN(len);

	if (len < 4 || padded > left)
		return OF_ERR_OFPBAC_BAD_LEN;
	if (class != ED_CLASS_NSH || (type != ED_NSH_MDTYPE && type != ED_NSH_TLV))
		return OF_ERR_NXBAC_UNKNOWN_ED_PROP;
	if (type == ED_NSH_MDTYPE) {
		uint8_t prop[8] = { 0, ED_CLASS_NSH, ED_NSH_MDTYPE, 5, p[4] };

		if (len > sizeof(prop))
			return OF_ERR_NXBAC_BAD_ED_PROP;
		wf_buf_put(list, prop, sizeof(prop));
	} else {
		/* class 16, type 8, length 8, then the value, padded. */
		if (len != 8 + OF_ACTION_ALIGN(p[7]))
			return OF_ERR_NXBAC_BAD_ED_PROP;
		wf_buf_put(list, p, len);
	}
	*ret_size = padded;
	return 0;
}

static of_err_t
decode_encap(const struct of_wire_action *w, struct wf_buf *list)
{
	size_t ofs = list->size, left = w->size - 16;
	const uint8_t *p = w->p + 16;
	struct of_act_encap *e = of_action_put(list, OF_A_ENCAP, sizeof(*e));
	uint16_t n = 0;

	e->new_pkt_type = rd32(w->p + 12);
	e->hdr_size = rd16(w->p + 10);
	switch (e->new_pkt_type) {
	case OF_PT_ETH:
	case OF_PT_NSH:
	case PT_MPLS:
	case PT_MPLS_MC:
		break;
	default:
		return OF_ERR_NXBAC_BAD_HEADER_TYPE;
	}
	list->size = ofs + sizeof(*e);
	for (; left; n++) {
		size_t size;
		of_err_t err = decode_ed_prop(p, left, list, &size);

		if (err)
			return err;
		p += size;
		left -= size;
	}
	((struct of_act_encap *)wf_buf_at(list, ofs))->n_props = n;
	of_action_finish(list, ofs);
	return 0;
}

static of_err_t
decode_decap(const struct of_wire_action *w, struct wf_buf *list)
{
	if (w->size > 16) /* No properties are known. */
		return OF_ERR_NXBAC_UNKNOWN_ED_PROP;
	struct of_act_decap *d = of_action_put(list, OF_A_DECAP, sizeof(*d));

	d->new_pkt_type = rd32(w->p + 12);
	return 0;
}

static of_err_t
decode_dec_ttl_ids(const struct of_wire_action *w, struct wf_buf *list)
{
	unsigned n = rd16(w->p + 10);

	if (!is_zero(w->p + 12, 4))
		return OF_ERR_NXBRC_MUST_BE_ZERO;
	if (w->size - 16 < n * 2)
		return OF_ERR_OFPBAC_BAD_LEN;
	struct of_act_dec_ttl *d = of_action_put(list, OF_A_DEC_TTL, sizeof(*d) + 2 * n);

	d->a.raw = OF_RAW_DEC_TTL_CNT_IDS;
	d->n_ids = n;
	for (unsigned i = 0; i < n; i++)
		d->ids[i] = rd16(w->p + 16 + 2 * i);
	return 0;
}

of_err_t
of_push_decode(const struct of_wire_action *w, struct wf_buf *list)
{
	enum of_action_type type;

	switch (w->raw) {
	case OF_RAW_STRIP_VLAN:
		put_u32_action(list, OF_A_STRIP_VLAN, OF_RAW_NONE, 0);
		return 0;
	case OF_RAW_POP_VLAN:
		put_u32_action(list, OF_A_STRIP_VLAN, OF_RAW_POP_VLAN, 0);
		return 0;
	case OF_RAW_PUSH_VLAN:
		if (w->arg != 0x8100 && w->arg != 0x88a8)
			return OF_ERR_OFPBAC_BAD_ARGUMENT;
		type = OF_A_PUSH_VLAN;
		break;
	case OF_RAW_PUSH_MPLS:
		if (w->arg != 0x8847 && w->arg != 0x8848)
			return OF_ERR_OFPBAC_BAD_ARGUMENT;
		type = OF_A_PUSH_MPLS;
		break;
	case OF_RAW_PUSH_PBB:
		if (w->arg != 0x88e7)
			return OF_ERR_OFPBAC_BAD_ARGUMENT;
		type = OF_A_PUSH_PBB;
		break;
	case OF_RAW_POP_MPLS:
		type = OF_A_POP_MPLS;
		break;
	case OF_RAW_POP_PBB:
		type = OF_A_POP_PBB;
		break;
	case OF_RAW_DEC_MPLS_TTL:
		type = OF_A_DEC_MPLS_TTL;
		break;
	case OF_RAW_DEC_NW_TTL:
		of_action_put(list, OF_A_DEC_TTL, sizeof(struct of_act_dec_ttl));
		return 0;
	case OF_RAW_DEC_TTL_CNT_IDS:
		return decode_dec_ttl_ids(w, list);
	case OF_RAW_COPY_TTL_OUT:
		type = OF_A_COPY_TTL_OUT;
		break;
	case OF_RAW_COPY_TTL_IN:
		type = OF_A_COPY_TTL_IN;
		break;
	case OF_RAW_ENCAP:
		return decode_encap(w, list);
	case OF_RAW_DECAP:
		return decode_decap(w, list);
	case OF_RAW_DEC_NSH_TTL:
		type = OF_A_DEC_NSH_TTL;
		break;
	default:
		return OF_ERR_OFPBAC_BAD_TYPE;
	}
	put_u32_action(list, type, OF_RAW_NONE, w->arg);
	return 0;
}

/* --- To the wire --- */

static void
encode_dec_ttl(const struct of_act_dec_ttl *d, uint8_t version, struct wf_buf *wire)
{
	if (d->a.raw != OF_RAW_DEC_TTL_CNT_IDS && (!d->n_ids || (d->n_ids == 1 && !d->ids[0]))) {
		of_wire_begin(wire, version, OF_RAW_DEC_NW_TTL, 0);
		return;
	}
	size_t ofs = of_wire_begin(wire, version, OF_RAW_DEC_TTL_CNT_IDS, 0);

	wr16(of_wire_at(wire, ofs) + 10, d->n_ids);
	uint8_t *p = wf_buf_put_zeros(wire, 2 * d->n_ids);

	for (unsigned i = 0; i < d->n_ids; i++)
		wr16(p + 2 * i, d->ids[i]);
	of_wire_end(wire, ofs);
}

static void
encode_encap(const struct of_act_encap *e, uint8_t version, struct wf_buf *wire)
{
	size_t ofs = of_wire_begin(wire, version, OF_RAW_ENCAP, 0);

	if (ofs == OF_NO_FORM)
		return;
	wr16(of_wire_at(wire, ofs) + 10, e->hdr_size);
	wr32(of_wire_at(wire, ofs) + 12, e->new_pkt_type);
	wf_buf_put(wire, e->props, e->a.size - sizeof(*e));
	of_wire_end(wire, ofs);
}

/* Forms that a version does not have are left out: nothing there could say the same. */
void
of_push_encode(const struct of_action *a, uint8_t version, struct wf_buf *wire)
{
	enum of_action_raw raw;

	switch (a->type) {
	case OF_A_STRIP_VLAN:
		raw = version == OF10 ? OF_RAW_STRIP_VLAN : OF_RAW_POP_VLAN;
		break;
	case OF_A_PUSH_VLAN:
		/* In 1.0 the set_vlan action that follows makes the tag. */
		raw = OF_RAW_PUSH_VLAN;
		break;
	case OF_A_PUSH_MPLS:
		raw = OF_RAW_PUSH_MPLS;
		break;
	case OF_A_POP_MPLS:
		raw = OF_RAW_POP_MPLS;
		break;
	case OF_A_PUSH_PBB:
		raw = OF_RAW_PUSH_PBB;
		break;
	case OF_A_POP_PBB:
		raw = OF_RAW_POP_PBB;
		break;
	case OF_A_DEC_MPLS_TTL:
		raw = OF_RAW_DEC_MPLS_TTL;
		break;
	case OF_A_COPY_TTL_OUT:
		raw = OF_RAW_COPY_TTL_OUT;
		break;
	case OF_A_COPY_TTL_IN:
		raw = OF_RAW_COPY_TTL_IN;
		break;
	case OF_A_DEC_NSH_TTL:
		raw = OF_RAW_DEC_NSH_TTL;
		break;
	case OF_A_DEC_TTL:
		encode_dec_ttl((const struct of_act_dec_ttl *)a, version, wire);
		return;
	case OF_A_ENCAP:
		encode_encap((const struct of_act_encap *)a, version, wire);
		return;
	case OF_A_DECAP: {
		size_t ofs = of_wire_begin(wire, version, OF_RAW_DECAP, 0);

		if (ofs != OF_NO_FORM)
			wr32(of_wire_at(wire, ofs) + 12,
			     ((const struct of_act_decap *)a)->new_pkt_type);
		return;
	}
	default:
		return;
	}
	of_wire_begin(wire, version, raw, a->u32);
}
