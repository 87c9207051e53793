// SPDX-License-Identifier: Apache-2.0
/* Actions of queues, tables and control, between wire and records. */
#include "openflow/action_internal.h"

static of_err_t
decode_resubmit(const struct of_wire_action *w, struct wf_buf *list)
{
	struct of_act_resubmit *r = of_action_put(list, OF_A_RESUBMIT, sizeof(*r));

	if (w->raw == OF_RAW_RESUBMIT) {
		r->a.raw = OF_RAW_RESUBMIT;
		r->a.u32 = of_port_from_u16(w->arg);
		r->table = 255;
		return 0;
	}
	if (!is_zero(w->p + 13, 3))
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	r->a.u32 = of_port_from_u16(rd16(w->p + 10));
	r->table = w->p[12];
	r->with_ct_orig = w->raw == OF_RAW_RESUBMIT_TABLE_CT;
	return 0;
}

static of_err_t
decode_multipath(const struct of_wire_action *w, struct wf_buf *list)
{
	const uint8_t *p = w->p;
	unsigned fields = rd16(p + 10), algorithm = rd16(p + 16);
	struct of_act_multipath *m = of_action_put(list, OF_A_MULTIPATH, sizeof(*m));

	m->fields = fields;
	m->basis = rd16(p + 12);
	m->algorithm = algorithm;
	m->max_link = rd16(p + 18);
	m->arg = rd32(p + 20);
	rd_ofs_nbits(p + 26, &m->dst);
	of_err_t err = of_wire_field(p + 28, &m->dst.field);

	if (err)
		return err;
	/* All links must fit into the destination. */
	if (fields > OF_HASH_SYMMETRIC_L3 || algorithm > 3 ||
	    (m->dst.n_bits < 16 && m->max_link >> m->dst.n_bits))
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	return of_subfield_check_dst(&m->dst, NULL);
}

static of_err_t
decode_note(const struct of_wire_action *w, struct wf_buf *list)
{
	size_t len = w->size - 10;
	struct of_act_note *n = of_action_put(list, OF_A_NOTE, sizeof(*n) + len);

	n->len = len;
	memcpy(n->data, w->p + 10, len);
	return 0;
}

static of_err_t
decode_conjunction(const struct of_wire_action *w, struct wf_buf *list)
{
	unsigned clause = w->p[10], n = w->p[11];

	if (n < 2 || n > 64 || clause >= n)
		return OF_ERR_NXBAC_BAD_CONJUNCTION;
	struct of_act_conjunction *c = of_action_put(list, OF_A_CONJUNCTION, sizeof(*c));

	c->a.u32 = rd32(w->p + 12);
	c->clause = clause;
	c->n_clauses = n;
	return 0;
}

static of_err_t
decode_sample(const struct of_wire_action *w, struct wf_buf *list)
{
	struct of_act_sample *s = of_action_put(list, OF_A_SAMPLE, sizeof(*s));

	s->a.raw = w->raw == OF_RAW_SAMPLE ? OF_RAW_NONE : w->raw;
	s->probability = rd16(w->p + 10);
	s->collector_set = rd32(w->p + 12);
	s->obs_domain = rd32(w->p + 16);
	s->obs_point = rd32(w->p + 20);
	s->sampling_port = OF_PORT_NONE;
	if (w->raw != OF_RAW_SAMPLE)
		s->sampling_port = of_port_from_u16(rd16(w->p + 24));
	if (w->raw == OF_RAW_SAMPLE3) {
		if (!is_zero(w->p + 27, 5))
			return OF_ERR_NXBRC_MUST_BE_ZERO;
		s->direction = w->p[26]; /* 0, ingress 1, egress 2 */
		if (s->direction > 2)
			return OF_ERR_OFPBAC_BAD_ARGUMENT;
	}
	return s->probability ? 0 : OF_ERR_OFPBAC_BAD_ARGUMENT;
}

static of_err_t
decode_clone(const struct of_wire_action *w, struct wf_buf *list)
{
	size_t ofs = list->size;

	of_action_put(list, OF_A_CLONE, sizeof(struct of_act_nest));
	of_err_t err = of_actions_decode_nested(w->p + 16, w->size - 16, w->version, w->depth + 1,
						OF_N_ACTION_TYPES, list);

	if (!err)
		of_action_finish(list, ofs);
	return err;
}

static of_err_t
decode_check_pkt_larger(const struct of_wire_action *w, struct wf_buf *list)
{
	const uint8_t *p = w->p + 14, *end = w->p + w->size;
	struct of_act_check_pkt_larger *c = of_action_put(list, OF_A_CHECK_PKT_LARGER, sizeof(*c));
	of_err_t err = of_wire_field_pull(&p, end, &c->dst.field);

	if (err)
		return err;
	if (!is_zero(p, end - p))
		return OF_ERR_NXBRC_MUST_BE_ZERO;
	c->pkt_len = rd16(w->p + 10);
	c->dst.ofs = rd16(w->p + 12);
	c->dst.n_bits = 1;
	return of_subfield_check_dst(&c->dst, NULL);
}

static of_err_t
decode_write_metadata(const struct of_wire_action *w, struct wf_buf *list)
{
	if (!is_zero(w->p + 10, 6))
		return OF_ERR_NXBRC_MUST_BE_ZERO;
	struct of_act_write_metadata *m = of_action_put(list, OF_A_WRITE_METADATA, sizeof(*m));

	m->metadata = rd64(w->p + 16);
	m->mask = rd64(w->p + 24);
	return 0;
}

of_err_t
of_flow_decode(const struct of_wire_action *w, struct wf_buf *list)
{
	switch (w->raw) {
	case OF_RAW_SET_QUEUE:
		put_u32_action(list, OF_A_SET_QUEUE, OF_RAW_NONE, w->arg);
		return 0;
	case OF_RAW_POP_QUEUE:
		put_u32_action(list, OF_A_POP_QUEUE, OF_RAW_NONE, 0);
		return 0;
	case OF_RAW_EXIT:
		put_u32_action(list, OF_A_EXIT, OF_RAW_NONE, 0);
		return 0;
	case OF_RAW_DEBUG_SLOW:
	case OF_RAW_DEBUG_RECIRC:
		put_u32_action(list, OF_A_DEBUG, w->raw, 0);
		return 0;
	case OF_RAW_METER_15:
		put_u32_action(list, OF_A_METER, OF_RAW_NONE, w->arg);
		return 0;
	case OF_RAW_FIN_TIMEOUT: {
		struct of_act_fin_timeout *f = of_action_put(list, OF_A_FIN_TIMEOUT, sizeof(*f));

		f->idle = rd16(w->p + 10);
		f->hard = rd16(w->p + 12);
		return 0;
	}
	case OF_RAW_RESUBMIT:
	case OF_RAW_RESUBMIT_TABLE:
	case OF_RAW_RESUBMIT_TABLE_CT:
		return decode_resubmit(w, list);
	case OF_RAW_CONJUNCTION:
		return decode_conjunction(w, list);
	case OF_RAW_MULTIPATH:
		return decode_multipath(w, list);
	case OF_RAW_NOTE:
		return decode_note(w, list);
	case OF_RAW_SAMPLE:
	case OF_RAW_SAMPLE2:
	case OF_RAW_SAMPLE3:
		return decode_sample(w, list);
	case OF_RAW_CLONE:
		return decode_clone(w, list);
	case OF_RAW_CHECK_PKT_LARGER:
		return decode_check_pkt_larger(w, list);
	case OF_RAW_WRITE_METADATA:
		return decode_write_metadata(w, list);
	default:
		return OF_ERR_OFPBAC_BAD_TYPE;
	}
}

/* --- To the wire --- */

static void
encode_resubmit(const struct of_act_resubmit *r, uint8_t version, struct wf_buf *wire)
{
	uint16_t in_port = of_port_to_u16(r->a.u32);

	if (r->table == 255 && r->a.raw == OF_RAW_RESUBMIT) {
		of_wire_begin(wire, version, OF_RAW_RESUBMIT, in_port);
		return;
	}
	size_t ofs = of_wire_begin(wire, version, r->with_ct_orig ? OF_RAW_RESUBMIT_TABLE_CT
								  : OF_RAW_RESUBMIT_TABLE, 0);

	wr16(of_wire_at(wire, ofs) + 10, in_port);
	of_wire_at(wire, ofs)[12] = r->table;
}

static void
encode_multipath(const struct of_act_multipath *m, uint8_t version, struct wf_buf *wire)
{
	uint8_t *p = of_wire_at(wire, of_wire_begin(wire, version, OF_RAW_MULTIPATH, 0));

	wr16(p + 10, m->fields);
	wr16(p + 12, m->basis);
	wr16(p + 16, m->algorithm);
	wr16(p + 18, m->max_link);
	wr32(p + 20, m->arg);
	wr_ofs_nbits(p + 26, &m->dst);
	wr32(p + 28, of_wire_field_header(m->dst.field));
}

static void
encode_sample(const struct of_act_sample *s, uint8_t version, struct wf_buf *wire)
{
	enum of_action_raw raw = OF_RAW_SAMPLE;

	if (s->a.raw == OF_RAW_SAMPLE3 || s->direction)
		raw = OF_RAW_SAMPLE3;
	else if (s->a.raw == OF_RAW_SAMPLE2 || s->sampling_port != OF_PORT_NONE)
		raw = OF_RAW_SAMPLE2;
	uint8_t *p = of_wire_at(wire, of_wire_begin(wire, version, raw, 0));

	wr16(p + 10, s->probability);
	wr32(p + 12, s->collector_set);
	wr32(p + 16, s->obs_domain);
	wr32(p + 20, s->obs_point);
	if (raw != OF_RAW_SAMPLE) {
		wr16(p + 24, of_port_to_u16(s->sampling_port));
		p[26] = s->direction;
	}
}

static void
encode_note(const struct of_act_note *n, uint8_t version, struct wf_buf *wire)
{
	size_t ofs = of_wire_begin(wire, version, OF_RAW_NOTE, 0);

	of_wire_cut(wire, ofs, 10);
	wf_buf_put(wire, n->data, n->len);
	of_wire_end(wire, ofs);
}

static void
encode_clone(const struct of_action *a, uint8_t version, struct wf_buf *wire)
{
	size_t ofs = of_wire_begin(wire, version, OF_RAW_CLONE, 0);
	size_t size;
	const struct of_action *inner = of_act_nested(a, sizeof(struct of_act_nest), &size);

	of_actions_encode_list(inner, size, version, wire);
	of_wire_end(wire, ofs);
}

void
of_flow_encode(const struct of_action *a, uint8_t version, struct wf_buf *wire)
{
	uint8_t *p;

	switch (a->type) {
	case OF_A_SET_QUEUE:
		of_wire_begin(wire, version, OF_RAW_SET_QUEUE, a->u32);
		break;
	case OF_A_POP_QUEUE:
		of_wire_begin(wire, version, OF_RAW_POP_QUEUE, 0);
		break;
	case OF_A_EXIT:
		of_wire_begin(wire, version, OF_RAW_EXIT, 0);
		break;
	case OF_A_DEBUG:
		of_wire_begin(wire, version, a->raw, 0);
		break;
	case OF_A_METER:
		/* Before 1.5 it is an instruction. */
		if (version >= OF15)
			of_wire_begin(wire, version, OF_RAW_METER_15, a->u32);
		else
			of_inst_encode(a, version, wire);
		break;
	case OF_A_FIN_TIMEOUT:
		p = of_wire_at(wire, of_wire_begin(wire, version, OF_RAW_FIN_TIMEOUT, 0));
		wr16(p + 10, ((const struct of_act_fin_timeout *)a)->idle);
		wr16(p + 12, ((const struct of_act_fin_timeout *)a)->hard);
		break;
	case OF_A_RESUBMIT:
		encode_resubmit((const struct of_act_resubmit *)a, version, wire);
		break;
	case OF_A_CONJUNCTION:
		p = of_wire_at(wire, of_wire_begin(wire, version, OF_RAW_CONJUNCTION, 0));
		p[10] = ((const struct of_act_conjunction *)a)->clause;
		p[11] = ((const struct of_act_conjunction *)a)->n_clauses;
		wr32(p + 12, a->u32);
		break;
	case OF_A_MULTIPATH:
		encode_multipath((const struct of_act_multipath *)a, version, wire);
		break;
	case OF_A_NOTE:
		encode_note((const struct of_act_note *)a, version, wire);
		break;
	case OF_A_SAMPLE:
		encode_sample((const struct of_act_sample *)a, version, wire);
		break;
	case OF_A_CLONE:
		encode_clone(a, version, wire);
		break;
	case OF_A_CHECK_PKT_LARGER: {
		const struct of_act_check_pkt_larger *c = (const void *)a;
		size_t ofs = of_wire_begin(wire, version, OF_RAW_CHECK_PKT_LARGER, 0);

		wr16(of_wire_at(wire, ofs) + 10, c->pkt_len);
		wr16(of_wire_at(wire, ofs) + 12, c->dst.ofs);
		of_wire_cut(wire, ofs, 14);
		of_wire_field_put(wire, c->dst.field, 0);
		wf_buf_put_zeros(wire, ofs + 24 - wire->size);
		break;
	}
	}
}
