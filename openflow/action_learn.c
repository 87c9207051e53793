// SPDX-License-Identifier: Apache-2.0
/* learn, between wire and record.
 *
 *   learn   | header | idle | hard | priority | cookie | flags | table | 0 | fin idle | fin hard |
 *   learn2  | ... as learn ... | limit | bit of the result | 0 | [field of the result] |
 *   then specs: | 0:2 src:1 dst:2 0:1 n_bits:10 | source | destination |, closed by a zero or
 *   the end.
 *   A source is a field (header 32, offset 16), or bits right-aligned in 16-bit words; a
 *   destination is a field, or none for output.
 */
#include "openflow/action_internal.h"

#define SPEC_N_BITS 0x03ff
#define SPEC_IMMEDIATE (1 << 13)
#define SPEC_DST_SHIFT 11
#define SPEC_DST_MASK 3
enum { DST_MATCH, DST_LOAD, DST_OUTPUT };

static of_err_t
pull_subfield(const uint8_t **p, unsigned n_bits, struct of_subfield *sf)
{
	of_err_t err = of_wire_field(*p, &sf->field);

	sf->ofs = rd16(*p + 4);
	sf->n_bits = n_bits;
	*p += 6;
	return err;
}

static of_err_t
decode_spec(const uint8_t **pp, const uint8_t *end, unsigned header, struct wf_buf *list)
{
	unsigned n_bits = header & SPEC_N_BITS;
	bool imm = header & SPEC_IMMEDIATE;
	/* The other bits are not looked at, as ever. */
	unsigned dst = header >> SPEC_DST_SHIFT & SPEC_DST_MASK;
	size_t imm_words = (n_bits + 15) / 16 * 2, imm_size = imm ? (n_bits + 7) / 8 : 0;
	size_t ofs = list->size;
	of_err_t err;

	if (dst > DST_OUTPUT || (dst == DST_OUTPUT && imm))
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	if (end - *pp < (imm ? imm_words : 6) + (dst == DST_OUTPUT ? 0 : 6))
		return OF_ERR_OFPBAC_BAD_LEN;
	struct of_learn_spec *s = wf_buf_put_zeros(list, OF_ACTION_ALIGN(sizeof(*s) + imm_size));

	s->src_is_immediate = imm;
	s->dst_type = dst;
	s->n_bits = n_bits;
	s->imm_size = imm_size;
	if (imm) {
		*pp += imm_words;
		memcpy(wf_buf_at(list, ofs + sizeof(*s)), *pp - imm_size, imm_size);
	} else {
		err = pull_subfield(pp, n_bits, &s->src);
		if (err)
			return err;
	}
	return dst == DST_OUTPUT ? 0 : pull_subfield(pp, n_bits, &s->dst);
}

static of_err_t
decode_specs(const uint8_t *p, const uint8_t *end, size_t start, struct wf_buf *list)
{
	while (p != end) {
		unsigned header = rd16(p);
		of_err_t err;

		p += 2;
		if (!header)
			break;
		err = decode_spec(&p, end, header, list);
		if (err)
			return err;
		/* A spec grows from 8 bytes to 24, and the record has 16 bits for its size. */
		if (list->size - start > OF_ACTION_MAX_SIZE)
			return OF_ERR_OFPBAC_TOO_MANY;
	}
	return is_zero(p, end - p) ? 0 : OF_ERR_OFPBAC_BAD_ARGUMENT;
}

of_err_t
of_learn_decode(const struct of_wire_action *w, struct wf_buf *list)
{
	const uint8_t *p = w->p, *end = w->p + w->size;
	bool learn2 = w->raw == OF_RAW_LEARN2;
	size_t ofs = list->size;
	struct of_act_learn *l;
	of_err_t err;

	if (learn2 && rd16(p + 38))
		return OF_ERR_NXBAC_MUST_BE_ZERO;
	l = of_action_put(list, OF_A_LEARN, sizeof(*l));
	l->a.raw = learn2 ? OF_RAW_LEARN2 : OF_RAW_NONE;
	l->idle_timeout = rd16(p + 10);
	l->hard_timeout = rd16(p + 12);
	l->priority = rd16(p + 14);
	l->cookie = rd64(p + 16);
	l->flags = rd16(p + 24);
	l->table = p[26];
	l->fin_idle_timeout = rd16(p + 28);
	l->fin_hard_timeout = rd16(p + 30);
	if (p[27] || l->table == 0xff ||
	    l->flags & ~(OF_LEARN_F_SEND_FLOW_REM | OF_LEARN_F_DELETE_LEARNED |
			 (learn2 ? OF_LEARN_F_WRITE_RESULT : 0)))
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	p += 32;
	if (learn2) {
		unsigned result_ofs = rd16(p + 4);

		l->limit = rd32(p);
		p += 8;
		if (l->flags & OF_LEARN_F_WRITE_RESULT) {
			err = of_wire_field_pull(&p, end, &l->result_dst.field);
			if (err)
				return err;
			if (!of_field(l->result_dst.field)->writable)
				return OF_ERR_OFPBAC_BAD_SET_ARGUMENT;
			l->result_dst.ofs = result_ofs;
			l->result_dst.n_bits = 1;
		} else if (result_ofs) {
			return OF_ERR_OFPBAC_BAD_ARGUMENT;
		}
	}
	err = decode_specs(p, end, ofs, list);
	l = wf_buf_at(list, ofs);
	/* Open vSwitch takes a bit beyond the field, and writes there. */
	if (!err && l->flags & OF_LEARN_F_WRITE_RESULT)
		err = of_subfield_check_dst(&l->result_dst, NULL);
	if (!err)
		of_action_finish(list, ofs);
	return err;
}

static void
put_subfield(struct wf_buf *wire, const struct of_subfield *sf)
{
	uint8_t *p = wf_buf_put_zeros(wire, 6);

	wr32(p, of_wire_field_header(sf->field));
	wr16(p + 4, sf->ofs);
}

void
of_learn_encode(const struct of_action *a, uint8_t version, struct wf_buf *wire)
{
	const struct of_act_learn *l = (const struct of_act_learn *)a;
	bool write_result = l->flags & OF_LEARN_F_WRITE_RESULT;
	bool learn2 = a->raw == OF_RAW_LEARN2 || l->limit || write_result;
	size_t ofs = of_wire_begin(wire, version, learn2 ? OF_RAW_LEARN2 : OF_RAW_LEARN, 0);
	uint8_t *p = of_wire_at(wire, ofs);

	wr16(p + 10, l->idle_timeout);
	wr16(p + 12, l->hard_timeout);
	wr16(p + 14, l->priority);
	wr64(p + 16, l->cookie);
	wr16(p + 24, l->flags);
	p[26] = l->table;
	wr16(p + 28, l->fin_idle_timeout);
	wr16(p + 30, l->fin_hard_timeout);
	if (learn2) {
		wr32(p + 32, l->limit);
		wr16(p + 36, l->result_dst.ofs);
	}
	if (write_result)
		of_wire_field_put(wire, l->result_dst.field, 0);
	of_learn_for_each_spec(s, l) {
		p = wf_buf_put_zeros(wire, 2);
		wr16(p, s->n_bits | s->dst_type << SPEC_DST_SHIFT |
			(s->src_is_immediate ? SPEC_IMMEDIATE : 0));
		if (s->src_is_immediate) {
			size_t words = (s->n_bits + 15) / 16 * 2;

			p = wf_buf_put_zeros(wire, words);
			memcpy(p + words - s->imm_size, of_learn_spec_imm(s), s->imm_size);
		} else {
			put_subfield(wire, &s->src);
		}
		if (s->dst_type != DST_OUTPUT)
			put_subfield(wire, &s->dst);
	}
	of_wire_end(wire, ofs);
}
