// SPDX-License-Identifier: Apache-2.0
/* Actions that send the packet somewhere, between wire and records. */
#include "openflow/action_internal.h"

#define ETH_HEADER_SIZE 14
#define BUNDLE_MAX_MEMBERS 2048
#define NXM_IN_PORT 0x00000002u /* the only type of a bundle's members */
#define NO_METER 0u
#define REASON_ACTION 1 /* OFPR_ACTION */

/* Properties of NXAST_CONTROLLER2. */
enum { AC2_MAX_LEN, AC2_CONTROLLER_ID, AC2_REASON, AC2_USERDATA, AC2_PAUSE, AC2_METER_ID };

static of_err_t
decode_output(const struct of_wire_action *w, struct wf_buf *list)
{
	struct of_act_output *o = of_action_put(list, OF_A_OUTPUT, sizeof(*o));

	if (w->raw == OF_RAW_OUTPUT_10) {
		o->a.u32 = of_port_from_u16(rd16(w->p + 4));
		o->max_len = rd16(w->p + 6);
	} else {
		o->a.u32 = rd32(w->p + 4);
		o->max_len = rd16(w->p + 8);
	}
	return of_port_check(o->a.u32, OF_PORT_MAX);
}

static of_err_t
decode_enqueue(const struct of_wire_action *w, struct wf_buf *list)
{
	struct of_act_enqueue *e = of_action_put(list, OF_A_ENQUEUE, sizeof(*e));

	e->a.u32 = of_port_from_u16(rd16(w->p + 4));
	e->queue = rd32(w->p + 12);
	if (e->a.u32 >= OF_PORT_MAX && e->a.u32 != OF_PORT_IN_PORT && e->a.u32 != OF_PORT_LOCAL)
		return OF_ERR_OFPBAC_BAD_OUT_PORT;
	return 0;
}

static of_err_t
decode_controller(const struct of_wire_action *w, struct wf_buf *list)
{
	struct of_act_controller *c = of_action_put(list, OF_A_CONTROLLER, sizeof(*c));

	c->max_len = rd16(w->p + 10);
	c->controller_id = rd16(w->p + 12);
	c->reason = w->p[14];
	c->meter_id = NO_METER;
	c->provider_meter_id = UINT32_MAX;
	return 0;
}

static of_err_t
decode_controller2(const struct of_wire_action *w, struct wf_buf *list)
{
	const uint8_t *p = w->p + 16;
	size_t left = w->size - 16;
	size_t ofs = list->size;
	struct of_act_controller *c = of_action_put(list, OF_A_CONTROLLER, sizeof(*c));

	if (!is_zero(w->p + 10, 6))
		return OF_ERR_NXBRC_MUST_BE_ZERO;
	c->a.raw = OF_RAW_CONTROLLER2;
	c->max_len = UINT16_MAX;
	c->reason = REASON_ACTION;
	c->meter_id = NO_METER;
	c->provider_meter_id = UINT32_MAX;
	while (left) {
		size_t len = left >= 4 ? rd16(p + 2) : 0;
		size_t padded = OF_ACTION_ALIGN(len);
		size_t payload = len - 4;
		unsigned type = rd16(p);

		if (len < 4 || padded > left)
			return OF_ERR_OFPBPC_BAD_LEN;
		/* The standard gives small integers 8 bytes: take any size that is enough. */
		switch (type) {
		case AC2_MAX_LEN:
		case AC2_CONTROLLER_ID:
			if (payload < 2)
				return OF_ERR_OFPBPC_BAD_LEN;
			*(type == AC2_MAX_LEN ? &c->max_len : &c->controller_id) = rd16(p + 4);
			break;
		case AC2_REASON:
			if (payload < 1)
				return OF_ERR_OFPBPC_BAD_LEN;
			c->reason = p[4];
			break;
		case AC2_USERDATA:
			/* The last one counts. */
			list->size = ofs + sizeof(*c);
			wf_buf_put(list, p + 4, payload);
			c = wf_buf_at(list, ofs);
			c->userdata_len = payload;
			break;
		case AC2_PAUSE:
			c->pause = 1;
			break;
		case AC2_METER_ID:
			if (payload != 4)
				return OF_ERR_OFPBPC_BAD_LEN;
			c->meter_id = rd32(p + 4);
			break;
		default:
			if (type == 0xffff) {
				if (len < 12)
					return OF_ERR_OFPBPC_BAD_LEN;
				return rd32(p + 4) ? OF_ERR_OFPBPC_BAD_EXP_TYPE
						   : OF_ERR_OFPBPC_BAD_EXPERIMENTER;
			}
			return OF_ERR_OFPBPC_BAD_TYPE;
		}
		p += padded;
		left -= padded;
	}
	of_action_finish(list, ofs);
	return 0;
}

static of_err_t
decode_output_reg(const struct of_wire_action *w, struct wf_buf *list)
{
	struct of_act_output_reg *o = of_action_put(list, OF_A_OUTPUT_REG, sizeof(*o));
	of_err_t err;

	rd_ofs_nbits(w->p + 10, &o->src);
	if (w->raw == OF_RAW_OUTPUT_REG) {
		if (!is_zero(w->p + 18, 6))
			return OF_ERR_OFPBAC_BAD_ARGUMENT;
		o->max_len = rd16(w->p + 16);
		err = of_wire_field(w->p + 12, &o->src.field);
	} else {
		const uint8_t *p = w->p + 14, *end = w->p + w->size;

		o->a.raw = OF_RAW_OUTPUT_REG2;
		o->max_len = rd16(w->p + 12);
		err = of_wire_field_pull(&p, end, &o->src.field);
		if (!err && !is_zero(p, end - p))
			err = OF_ERR_NXBRC_MUST_BE_ZERO;
	}
	return err ? err : of_subfield_check_src(&o->src, NULL);
}

static of_err_t
decode_output_trunc(const struct of_wire_action *w, struct wf_buf *list)
{
	struct of_act_output_trunc *o = of_action_put(list, OF_A_OUTPUT_TRUNC, sizeof(*o));

	o->a.u32 = of_port_from_u16(rd16(w->p + 10));
	o->max_len = rd32(w->p + 12);
	return o->max_len < ETH_HEADER_SIZE ? OF_ERR_OFPBAC_BAD_ARGUMENT : 0;
}

static of_err_t
decode_bundle(const struct of_wire_action *w, struct wf_buf *list)
{
	const uint8_t *p = w->p;
	bool load = w->raw == OF_RAW_BUNDLE_LOAD;
	unsigned algorithm = rd16(p + 10), fields = rd16(p + 12), n = rd16(p + 20);
	size_t size = sizeof(struct of_act_bundle) + n * sizeof(of_port_t);
	of_err_t err = 0;
	struct of_subfield dst = { 0 };

	if (fields > OF_HASH_SYMMETRIC_L3 || n > BUNDLE_MAX_MEMBERS || algorithm > 1 ||
	    rd32(p + 16) != NXM_IN_PORT || !is_zero(p + 28, 4))
		err = OF_ERR_OFPBAC_BAD_ARGUMENT;
	if (load) {
		rd_ofs_nbits(p + 22, &dst);
		/* Open vSwitch forgets what it found above when the field is known. */
		err = of_wire_field(p + 24, &dst.field);
		if (err)
			return err;
		if (dst.n_bits < 16)
			err = OF_ERR_OFPBAC_BAD_ARGUMENT;
	} else if (!is_zero(p + 22, 6)) {
		err = OF_ERR_OFPBAC_BAD_ARGUMENT;
	}
	if (w->size - 32 < n * 2)
		err = OF_ERR_OFPBAC_BAD_LEN;
	/* What Open vSwitch forgot must not come in: its list would be wrong, too. */
	if (!err && (fields > OF_HASH_SYMMETRIC_L3 || n > BUNDLE_MAX_MEMBERS || algorithm > 1))
		err = OF_ERR_OFPBAC_BAD_ARGUMENT;
	if (err)
		return err;

	struct of_act_bundle *b = of_action_put(list, OF_A_BUNDLE, size);

	b->algorithm = algorithm;
	b->fields = fields;
	b->basis = rd16(p + 14);
	b->n_members = n;
	b->dst = dst;
	if (load) {
		err = of_subfield_check_dst(&dst, NULL);
		if (err)
			return err;
	}
	for (unsigned i = 0; i < n; i++) {
		b->members[i] = of_port_from_u16(rd16(p + 32 + 2 * i));
		/* No member is the controller: there is no max_len to go with it. */
		if (b->members[i] == OF_PORT_CONTROLLER ||
		    (b->members[i] != OF_PORT_NONE && of_port_check(b->members[i], OF_PORT_MAX)))
			return OF_ERR_OFPBAC_BAD_OUT_PORT;
	}
	return 0;
}

of_err_t
of_output_decode(const struct of_wire_action *w, struct wf_buf *list)
{
	switch (w->raw) {
	case OF_RAW_OUTPUT_10:
	case OF_RAW_OUTPUT_11:
		return decode_output(w, list);
	case OF_RAW_ENQUEUE_10:
		return decode_enqueue(w, list);
	case OF_RAW_GROUP:
		put_u32_action(list, OF_A_GROUP, OF_RAW_NONE, w->arg);
		return 0;
	case OF_RAW_CONTROLLER:
		return decode_controller(w, list);
	case OF_RAW_CONTROLLER2:
		return decode_controller2(w, list);
	case OF_RAW_OUTPUT_REG:
	case OF_RAW_OUTPUT_REG2:
		return decode_output_reg(w, list);
	case OF_RAW_OUTPUT_TRUNC:
		return decode_output_trunc(w, list);
	case OF_RAW_BUNDLE:
	case OF_RAW_BUNDLE_LOAD:
		return decode_bundle(w, list);
	default:
		return OF_ERR_OFPBAC_BAD_TYPE;
	}
}

/* --- To the wire --- */

static void
encode_output(of_port_t port, uint16_t max_len, uint8_t version, struct wf_buf *wire)
{
	if (version == OF10) {
		uint8_t *p = of_wire_at(wire, of_wire_begin(wire, version, OF_RAW_OUTPUT_10, 0));

		wr16(p + 4, of_port_to_u16(port));
		wr16(p + 6, max_len);
	} else {
		uint8_t *p = of_wire_at(wire, of_wire_begin(wire, version, OF_RAW_OUTPUT_11, 0));

		wr32(p + 4, port);
		wr16(p + 8, max_len);
	}
}

static void
encode_enqueue(const struct of_act_enqueue *e, uint8_t version, struct wf_buf *wire)
{
	if (version == OF10) {
		uint8_t *p = of_wire_at(wire, of_wire_begin(wire, version, OF_RAW_ENQUEUE_10, 0));

		wr16(p + 4, of_port_to_u16(e->a.u32));
		wr32(p + 12, e->queue);
		return;
	}
	of_wire_begin(wire, version, OF_RAW_SET_QUEUE, e->queue);
	encode_output(e->a.u32, UINT16_MAX, version, wire);
	of_wire_begin(wire, version, OF_RAW_POP_QUEUE, 0);
}

/* A property of NXAST_CONTROLLER2. */
static void
put_prop(struct wf_buf *wire, unsigned type, const void *value, size_t size)
{
	uint8_t head[4];

	wr16(head, type);
	wr16(head + 2, 4 + size);
	wf_buf_put(wire, head, 4);
	wf_buf_put(wire, value, size);
	wf_buf_put_zeros(wire, OF_ACTION_ALIGN(4 + size) - (4 + size));
}

static void
encode_controller(const struct of_act_controller *c, uint8_t version, struct wf_buf *wire)
{
	uint8_t v[4] = { 0 };

	if (c->a.raw != OF_RAW_CONTROLLER2 && !c->userdata_len && !c->pause &&
	    c->meter_id == NO_METER) {
		uint8_t *p = of_wire_at(wire, of_wire_begin(wire, version, OF_RAW_CONTROLLER, 0));

		wr16(p + 10, c->max_len);
		wr16(p + 12, c->controller_id);
		p[14] = c->reason;
		return;
	}
	size_t ofs = of_wire_begin(wire, version, OF_RAW_CONTROLLER2, 0);

	if (c->max_len != UINT16_MAX) {
		wr16(v, c->max_len);
		put_prop(wire, AC2_MAX_LEN, v, 4);
	}
	if (c->controller_id) {
		wr16(v, c->controller_id);
		put_prop(wire, AC2_CONTROLLER_ID, v, 4);
	}
	if (c->reason != REASON_ACTION)
		put_prop(wire, AC2_REASON, &c->reason, 1);
	if (c->userdata_len)
		put_prop(wire, AC2_USERDATA, c->userdata, c->userdata_len);
	if (c->pause)
		put_prop(wire, AC2_PAUSE, NULL, 0);
	if (c->meter_id != NO_METER) {
		wr32(v, c->meter_id);
		put_prop(wire, AC2_METER_ID, v, 4);
	}
	of_wire_end(wire, ofs);
}

static void
encode_output_reg(const struct of_act_output_reg *o, uint8_t version, struct wf_buf *wire)
{
	uint32_t header = of_wire_field_header(o->src.field);

	if (o->a.raw == OF_RAW_OUTPUT_REG2 || !header) {
		size_t ofs = of_wire_begin(wire, version, OF_RAW_OUTPUT_REG2, 0);

		wr_ofs_nbits(of_wire_at(wire, ofs) + 10, &o->src);
		wr16(of_wire_at(wire, ofs) + 12, o->max_len);
		of_wire_cut(wire, ofs, 14);
		of_wire_field_put(wire, o->src.field, 0);
		wf_buf_put_zeros(wire, ofs + 24 - wire->size);
	} else {
		uint8_t *p = of_wire_at(wire, of_wire_begin(wire, version, OF_RAW_OUTPUT_REG, 0));

		wr_ofs_nbits(p + 10, &o->src);
		wr32(p + 12, header);
		wr16(p + 16, o->max_len);
	}
}

static void
encode_bundle(const struct of_act_bundle *b, uint8_t version, struct wf_buf *wire)
{
	bool load = b->dst.n_bits;
	size_t ofs = of_wire_begin(wire, version, load ? OF_RAW_BUNDLE_LOAD : OF_RAW_BUNDLE, 0);
	uint8_t *p = of_wire_at(wire, ofs);

	wr16(p + 10, b->algorithm);
	wr16(p + 12, b->fields);
	wr16(p + 14, b->basis);
	wr32(p + 16, NXM_IN_PORT);
	wr16(p + 20, b->n_members);
	if (load) {
		wr_ofs_nbits(p + 22, &b->dst);
		wr32(p + 24, of_wire_field_header(b->dst.field));
	}
	p = wf_buf_put_zeros(wire, 2 * b->n_members);
	for (unsigned i = 0; i < b->n_members; i++)
		wr16(p + 2 * i, of_port_to_u16(b->members[i]));
	of_wire_end(wire, ofs);
}

void
of_output_encode(const struct of_action *a, uint8_t version, struct wf_buf *wire)
{
	switch (a->type) {
	case OF_A_OUTPUT:
		encode_output(a->u32, ((const struct of_act_output *)a)->max_len, version, wire);
		break;
	case OF_A_ENQUEUE:
		encode_enqueue((const struct of_act_enqueue *)a, version, wire);
		break;
	case OF_A_GROUP:
		of_wire_begin(wire, version, OF_RAW_GROUP, a->u32);
		break;
	case OF_A_CONTROLLER:
		encode_controller((const struct of_act_controller *)a, version, wire);
		break;
	case OF_A_OUTPUT_REG:
		encode_output_reg((const struct of_act_output_reg *)a, version, wire);
		break;
	case OF_A_OUTPUT_TRUNC: {
		uint8_t *p = of_wire_at(wire, of_wire_begin(wire, version, OF_RAW_OUTPUT_TRUNC, 0));

		wr16(p + 10, of_port_to_u16(a->u32));
		wr32(p + 12, ((const struct of_act_output_trunc *)a)->max_len);
		break;
	}
	case OF_A_BUNDLE:
		encode_bundle((const struct of_act_bundle *)a, version, wire);
		break;
	}
}
