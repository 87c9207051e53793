// SPDX-License-Identifier: Apache-2.0
/* Instructions (OpenFlow 1.1 and later) between wire and list.
 *
 * On the wire they come in any order, each at most once, and run in the order of the
 * specification; a list has them in that order.  apply_actions is not a record: its actions lie in
 * the list as they are.  OpenFlow 1.0 has actions only; Nicira's stand for goto_table and
 * write_metadata.
 */
#include "openflow/action_internal.h"

enum {
	IT_GOTO_TABLE = 1, IT_WRITE_METADATA, IT_WRITE_ACTIONS, IT_APPLY_ACTIONS,
	IT_CLEAR_ACTIONS, IT_METER, IT_STAT_TRIGGER, IT_N,
	IT_EXPERIMENTER = 0xffff
};

struct inst {
	const uint8_t *p;
	size_t size;
};

/* Is the instruction known in this version, and its size right? */
static of_err_t
check_one(unsigned type, size_t size, uint8_t version)
{
	bool ok;

	switch (type) {
	case IT_EXPERIMENTER:
		return OF_ERR_OFPBIC_BAD_EXPERIMENTER;
	case IT_GOTO_TABLE:
	case IT_CLEAR_ACTIONS:
		ok = size == 8;
		break;
	case IT_WRITE_METADATA:
		ok = size == 24;
		break;
	case IT_WRITE_ACTIONS:
	case IT_APPLY_ACTIONS:
		ok = true;
		break;
	case IT_METER:
		/* An action in 1.5. */
		if (size == 8 && version >= OF15)
			return OF_ERR_OFPBIC_UNKNOWN_INST;
		ok = size == 8;
		break;
	case IT_STAT_TRIGGER:
		if (version < OF15)
			return OF_ERR_OFPBIC_UNKNOWN_INST;
		/* flags, then ofp_stats: reserved 16, length 16, ... */
		ok = size >= 16;
		break;
	default:
		return OF_ERR_OFPBIC_UNKNOWN_INST;
	}
	return ok ? 0 : OF_ERR_OFPBIC_BAD_LEN;
}

static of_err_t
sort(const uint8_t *p, size_t size, uint8_t version, struct inst insts[IT_N])
{
	memset(insts, 0, IT_N * sizeof(*insts));
	while (size) {
		unsigned type = rd16(p);
		size_t len = rd16(p + 2);
		of_err_t err;

		if (len % 8 || len < 8 || len > size)
			return OF_ERR_OFPBIC_BAD_LEN;
		err = check_one(type, len, version);
		if (err)
			return err;
		if (insts[type].p)
			return OF_ERR_OFPBIC_DUP_INST;
		insts[type] = (struct inst) { p, len };
		p += len;
		size -= len;
	}
	return 0;
}

static of_err_t
decode_write_actions(const struct inst *in, uint8_t version, struct wf_buf *list)
{
	size_t ofs = list->size;

	of_action_put(list, OF_A_WRITE_ACTIONS, sizeof(struct of_act_nest));
	of_err_t err = of_actions_decode_raw(in->p + 8, in->size - 8, version, 1, list);

	if (err)
		return err;
	of_action_finish(list, ofs);

	size_t size;
	const struct of_action *inner = of_act_nested(wf_buf_at(list, ofs),
						      sizeof(struct of_act_nest), &size);

	of_action_for_each(a, inner, size) {
		if (!of_action_is_allowed_in_set(a->type))
			return OF_ERR_OFPBAC_BAD_TYPE;
	}
	return 0;
}

/* OpenFlow 1.5 section 7.2.5: | type | length | flags | ofp_stats |.  The statistics are kept as
 * they are. */
static of_err_t
decode_stat_trigger(const struct inst *in, struct wf_buf *list)
{
	size_t len = rd16(in->p + 10); /* of the ofp_stats, without padding */

	if (len < 4 || len > in->size - 8 || in->size != OF_ACTION_ALIGN(8 + len))
		return OF_ERR_OFPBIC_BAD_LEN;
	struct of_act_stat_trigger *t = of_action_put(list, OF_A_STAT_TRIGGER, sizeof(*t) + len);

	t->flags = rd32(in->p + 4);
	t->len = len;
	memcpy(t->thresholds, in->p + 8, len);
	return 0;
}

static of_err_t
decode(const uint8_t *wire, size_t size, uint8_t version, struct wf_buf *list)
{
	struct inst in[IT_N];
	of_err_t err = sort(wire, size, version, in);

	if (!err && in[IT_METER].p)
		put_u32_action(list, OF_A_METER, OF_RAW_NONE, rd32(in[IT_METER].p + 4));
	if (!err && in[IT_APPLY_ACTIONS].p)
		err = of_actions_decode_raw(in[IT_APPLY_ACTIONS].p + 8,
					    in[IT_APPLY_ACTIONS].size - 8, version, 0, list);
	if (!err && in[IT_CLEAR_ACTIONS].p)
		put_u32_action(list, OF_A_CLEAR_ACTIONS, OF_RAW_NONE, 0);
	if (!err && in[IT_WRITE_ACTIONS].p)
		err = decode_write_actions(&in[IT_WRITE_ACTIONS], version, list);
	if (!err && in[IT_WRITE_METADATA].p) {
		struct of_act_write_metadata *m = of_action_put(list, OF_A_WRITE_METADATA,
								sizeof(*m));

		m->metadata = rd64(in[IT_WRITE_METADATA].p + 8);
		m->mask = rd64(in[IT_WRITE_METADATA].p + 16);
	}
	if (!err && in[IT_STAT_TRIGGER].p)
		err = decode_stat_trigger(&in[IT_STAT_TRIGGER], list);
	if (!err && in[IT_GOTO_TABLE].p)
		put_u32_action(list, OF_A_GOTO_TABLE, OF_RAW_NONE, in[IT_GOTO_TABLE].p[4]);
	return err;
}

of_err_t
of_instructions_decode(const void *wire, size_t size, uint8_t version, struct wf_buf *list)
{
	size_t start = list->size;
	of_err_t err;

	if (version == OF10)
		err = size % 8 ? OF_ERR_OFPBRC_BAD_LEN
			       : of_actions_decode_raw(wire, size, version, 0, list);
	else
		err = size % 8 ? OF_ERR_OFPBIC_BAD_LEN : decode(wire, size, version, list);
	if (!err)
		err = of_actions_verify(wf_buf_at(list, start), list->size - start, version,
					OF_INST_ANY, OF_N_ACTION_TYPES, NULL);
	if (err)
		list->size = start;
	return err;
}

/* --- To the wire --- */

static uint8_t *
put_inst(struct wf_buf *wire, unsigned type, size_t size)
{
	uint8_t *p = wf_buf_put_zeros(wire, size);

	wr16(p, type);
	wr16(p + 2, size);
	return p;
}

/* An instruction of actions that began at 'ofs'; without any, nothing is left of it. */
static void
finish_inst(struct wf_buf *wire, size_t ofs)
{
	if (wire->size == ofs + 8)
		wire->size = ofs;
	else
		wr16(of_wire_at(wire, ofs) + 2, wire->size - ofs);
}

static void
encode_write_metadata(const struct of_act_write_metadata *m, uint8_t version, struct wf_buf *wire)
{
	uint8_t *p;

	if (version == OF10)
		p = of_wire_at(wire, of_wire_begin(wire, version, OF_RAW_WRITE_METADATA, 0)) + 16;
	else
		p = put_inst(wire, IT_WRITE_METADATA, 24) + 8;
	wr64(p, m->metadata);
	wr64(p + 8, m->mask);
}

static void
encode_goto_table(const struct of_action *a, uint8_t version, struct wf_buf *wire)
{
	if (version == OF10) {
		size_t ofs = of_wire_begin(wire, version, OF_RAW_RESUBMIT_TABLE, 0);
		uint8_t *p = of_wire_at(wire, ofs);

		wr16(p + 10, of_port_to_u16(OF_PORT_IN_PORT));
		p[12] = a->u32;
	} else {
		put_inst(wire, IT_GOTO_TABLE, 8)[4] = a->u32;
	}
}

void
of_inst_encode(const struct of_action *a, uint8_t version, struct wf_buf *wire)
{
	size_t ofs = wire->size, size;
	const struct of_action *inner;

	switch (a->type) {
	case OF_A_METER:
		if (version == OF13 || version == OF14)
			wr32(put_inst(wire, IT_METER, 8) + 4, a->u32);
		break;
	case OF_A_CLEAR_ACTIONS:
		if (version > OF10)
			put_inst(wire, IT_CLEAR_ACTIONS, 8);
		break;
	case OF_A_WRITE_ACTIONS:
		if (version == OF10)
			break;
		inner = of_act_nested(a, sizeof(struct of_act_nest), &size);
		put_inst(wire, IT_WRITE_ACTIONS, 8);
		of_actions_encode_list(inner, size, version, wire);
		finish_inst(wire, ofs);
		break;
	case OF_A_WRITE_METADATA:
		encode_write_metadata((const struct of_act_write_metadata *)a, version, wire);
		break;
	case OF_A_STAT_TRIGGER:
		if (version >= OF15) {
			const struct of_act_stat_trigger *t = (const void *)a;

			wr32(put_inst(wire, IT_STAT_TRIGGER, 8) + 4, t->flags);
			wf_buf_put(wire, t->thresholds, t->len);
			of_wire_end(wire, ofs);
		}
		break;
	case OF_A_GOTO_TABLE:
		encode_goto_table(a, version, wire);
		break;
	}
}

void
of_instructions_encode(const void *list, size_t size, uint8_t version, struct wf_buf *wire)
{
	const struct of_action *a = list;
	const struct of_action *end = (const void *)((uintptr_t)list + size);

	if (version == OF10) {
		of_actions_encode_list(list, size, version, wire);
		return;
	}
	while (a < end) {
		const struct of_action *start = a;
		size_t ofs = wire->size;

		while (a < end && of_action_inst(a->type, version) == OF_INST_APPLY)
			a = of_action_next(a);
		if (a == start) {
			of_inst_encode(a, version, wire);
			a = of_action_next(a);
		} else {
			put_inst(wire, IT_APPLY_ACTIONS, 8);
			of_actions_encode_list(start, (const uint8_t *)a - (const uint8_t *)start,
					       version, wire);
			finish_inst(wire, ofs);
		}
	}
}
