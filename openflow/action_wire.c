// SPDX-License-Identifier: Apache-2.0
/* The forms of actions on the wire: which one is it, is its size right, whose is it; and the
 * orders of lists that OpenFlow 1.1+ and Nicira's actions demand. */
#include "openflow/action_internal.h"
#include "openflow/match_wire.h"

enum { VENDOR_OF, VENDOR_NX, VENDOR_ONF, N_VENDORS };

struct raw_wire { /* where a form has which number; 'first' 0: no more */
	uint8_t vendor, first, last;
	uint16_t number;
};

enum raw_layout { LAYOUT_VOID, LAYOUT_ARG, LAYOUT_EXACT, LAYOUT_ATLEAST };

struct raw_info {
	uint8_t family;
	uint8_t layout;
	uint8_t size; /* of the argument, or of the action */
	struct raw_wire wires[3];
};

#define VOID LAYOUT_VOID, 0
#define U8 LAYOUT_ARG, 1
#define U16 LAYOUT_ARG, 2
#define U32 LAYOUT_ARG, 4
#define U64 LAYOUT_ARG, 8
#define EXACT(N) LAYOUT_EXACT, N
#define ATLEAST(N) LAYOUT_ATLEAST, N
#define OF(FIRST, LAST, NUMBER) { VENDOR_OF, FIRST, LAST, NUMBER }
#define NX(FIRST, LAST, NUMBER) { VENDOR_NX, FIRST, LAST, NUMBER }
#define ONF(FIRST, LAST, NUMBER) { VENDOR_ONF, FIRST, LAST, NUMBER }

static const struct raw_info raws[OF_N_RAWS] = {
#define OF_RAW(RAW, FAMILY, LAYOUT, ...) OF_RAW_(RAW, FAMILY, LAYOUT, __VA_ARGS__)
#define OF_RAW_(RAW, FAMILY, LAYOUT, SIZE, ...)                                                \
	[OF_RAW_##RAW] = { OF_FAM_##FAMILY, LAYOUT, SIZE, { __VA_ARGS__ } },
#include "openflow/actions.def"
#undef OF_RAW_
#undef OF_RAW
};

/* (vendor, version, number) -> form.  Numbers are below 64, but for ONF's 3200 and Nicira's 254 and
 * 255. */
#define N_NUMBERS 66
static uint8_t raw_index[N_VENDORS][OF15 + 1][N_NUMBERS];

static unsigned
number_slot(unsigned vendor, unsigned number)
{
	if (vendor == VENDOR_NX && number >= 64)
		return number == 254 ? 64 : number == 255 ? 65 : N_NUMBERS;
	return vendor == VENDOR_ONF ? number - 3200 : number;
}

bool of_actions_with_debug;

__attribute__((constructor)) static void
build_raw_index(void)
{
	for (unsigned raw = 1; raw < OF_N_RAWS; raw++) {
		for (const struct raw_wire *w = raws[raw].wires; w < raws[raw].wires + 3; w++) {
			for (unsigned v = w->first; v && v <= w->last; v++)
				raw_index[w->vendor][v][number_slot(w->vendor, w->number)] = raw;
		}
	}
}

/* Header, argument and padding of a form, under a vendor. */
static unsigned
header_size(unsigned vendor)
{
	return vendor == VENDOR_OF ? 4 : 10;
}

static unsigned
arg_ofs(const struct raw_info *info, unsigned vendor)
{
	return (header_size(vendor) + info->size - 1) / info->size * info->size;
}

static unsigned
form_size(const struct raw_info *info, unsigned vendor)
{
	switch (info->layout) {
	case LAYOUT_VOID:
		return OF_ACTION_ALIGN(header_size(vendor));
	case LAYOUT_ARG:
		return OF_ACTION_ALIGN(arg_ofs(info, vendor) + info->size);
	default:
		return info->size;
	}
}

/* Finds the form of the action at 'p', of which at most 'size' bytes are there. */
static of_err_t
identify(const uint8_t *p, size_t size, uint8_t version, unsigned depth, struct of_wire_action *w)
{
	unsigned vendor = VENDOR_OF, number;

	if (size < 8)
		return OF_ERR_OFPBAC_BAD_LEN;
	number = rd16(p);
	if (number == 0xffff) {
		uint32_t id = rd32(p + 4);

		if (id != OF_NX_VENDOR && id != OF_ONF_VENDOR)
			return OF_ERR_OFPBAC_BAD_VENDOR;
		vendor = id == OF_NX_VENDOR ? VENDOR_NX : VENDOR_ONF;
		if (size < 16)
			return OF_ERR_OFPBAC_BAD_LEN;
		number = rd16(p + 8);
	}
	unsigned slot = number_slot(vendor, number);
	unsigned raw = slot < N_NUMBERS ? raw_index[vendor][version][slot] : OF_RAW_NONE;

	if (!raw || ((raw == OF_RAW_DEBUG_SLOW || raw == OF_RAW_DEBUG_RECIRC) &&
		     !of_actions_with_debug))
		return vendor == VENDOR_OF ? OF_ERR_OFPBAC_BAD_TYPE : OF_ERR_OFPBAC_BAD_VENDOR_TYPE;
	const struct raw_info *info = &raws[raw];
	size_t len = rd16(p + 2);
	size_t min = form_size(info, vendor);

	if (len > size || len < min || (len > min && info->layout != LAYOUT_ATLEAST) || len % 8)
		return OF_ERR_OFPBAC_BAD_LEN;
	*w = (struct of_wire_action) {
		.p = p, .size = len, .version = version, .raw = raw, .depth = depth,
	};
	if (info->layout == LAYOUT_ARG) {
		for (unsigned i = 0, ofs = arg_ofs(info, vendor); i < info->size; i++)
			w->arg = w->arg << 8 | p[ofs + i];
	}
	return 0;
}

static of_err_t
decode_one(const struct of_wire_action *w, struct wf_buf *list)
{
	switch ((enum of_action_family)raws[w->raw].family) {
	case OF_FAM_OUTPUT:
		return of_output_decode(w, list);
	case OF_FAM_SET:
		return of_set_decode(w, list);
	case OF_FAM_PUSH:
		return of_push_decode(w, list);
	case OF_FAM_FLOW:
		return of_flow_decode(w, list);
	case OF_FAM_LEARN:
		return of_learn_decode(w, list);
	case OF_FAM_CT:
		return of_ct_decode(w, list);
	case OF_FAM_INST:
		break;
	}
	return OF_ERR_OFPBAC_BAD_TYPE;
}

of_err_t
of_actions_decode_raw(const void *wire, size_t size, uint8_t version, unsigned depth,
		      struct wf_buf *list)
{
	const uint8_t *p = wire;
	size_t start = list->size;

	if (depth > OF_ACTION_MAX_DEPTH)
		return OF_ERR_OFPBAC_TOO_MANY;
	while (size) {
		struct of_wire_action w;
		of_err_t err = identify(p, size, version, depth, &w);

		if (!err)
			err = decode_one(&w, list);
		if (!err && depth && list->size - start > OF_ACTION_MAX_SIZE)
			err = OF_ERR_OFPBAC_TOO_MANY;
		if (err) {
			list->size = start;
			return err;
		}
		p += w.size;
		size -= w.size;
	}
	return 0;
}

static of_err_t
decode_verified(const void *wire, size_t size, uint8_t version, unsigned depth, unsigned allowed,
		enum of_action_type outer, struct wf_buf *list)
{
	size_t start = list->size;

	if (size % 8)
		return OF_ERR_OFPBRC_BAD_LEN;
	of_err_t err = of_actions_decode_raw(wire, size, version, depth, list);

	if (!err)
		err = of_actions_verify(wf_buf_at(list, start), list->size - start, version,
					allowed, outer, NULL);
	if (err)
		list->size = start;
	return err;
}

of_err_t
of_actions_decode_nested(const void *wire, size_t size, uint8_t version, unsigned depth,
			 enum of_action_type outer, struct wf_buf *list)
{
	return decode_verified(wire, size, version, depth, 1u << OF_INST_APPLY, outer, list);
}

of_err_t
of_actions_decode(const void *wire, size_t size, uint8_t version, struct wf_buf *list)
{
	return decode_verified(wire, size, version, 0, 1u << OF_INST_APPLY | 1u << OF_INST_METER,
			       OF_N_ACTION_TYPES, list);
}

/* --- Order and nesting --- */

static void __attribute__((format(printf, 2, 3)))
say(char **error, const char *fmt, ...)
{
	struct wf_str s = WF_STR_INIT;
	va_list args;

	if (!error)
		return;
	va_start(args, fmt);
	wf_str_vfmt(&s, fmt, args);
	va_end(args);
	*error = wf_str_steal(&s);
}

static const char *
inst_name(enum of_inst inst)
{
	static const char *const names[] = {
		[OF_INST_METER] = "meter", [OF_INST_APPLY] = "apply_actions",
		[OF_INST_CLEAR] = "clear_actions", [OF_INST_WRITE] = "write_actions",
		[OF_INST_WRITE_METADATA] = "write_metadata",
		[OF_INST_STAT_TRIGGER] = "stat_trigger", [OF_INST_GOTO] = "goto_table",
	};

	return names[inst];
}

/* The field that an action writes, or NULL. */
static const struct of_field *
written_field(const struct of_action *a)
{
	switch (a->type) {
	case OF_A_SET_FIELD:
		return of_field(((const struct of_act_set_field *)a)->field);
	case OF_A_REG_MOVE:
		return of_field(((const struct of_act_move *)a)->dst.field);
	default:
		return NULL;
	}
}

static of_err_t
verify_nesting(const struct of_action *a, enum of_action_type outer, char **error)
{
	const struct of_field *f = written_field(a);
	bool ct_field = f && (f->id == OF_F_CT_MARK || f->id == OF_F_CT_LABEL);

	if (ct_field && outer != OF_A_CT) {
		say(error, "cannot set CT fields outside of ct action");
		return OF_ERR_OFPBAC_BAD_SET_ARGUMENT;
	}
	if (a->type == OF_A_NAT) {
		if (outer != OF_A_CT) {
			say(error, "Cannot have NAT action outside of \"ct\" action");
			return OF_ERR_OFPBAC_BAD_SET_ARGUMENT;
		}
		return 0;
	}
	if (outer == OF_A_CT && f && !ct_field) {
		say(error, "%s action doesn't support nested modification of %s",
		    of_action_name(outer), f->name);
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	}
	if ((outer == OF_A_CT && !f) || (outer != OF_N_ACTION_TYPES && a->type == OF_A_METER)) {
		say(error, "%s action doesn't support nested action %s", of_action_name(outer),
		    of_action_name(a->type));
		return OF_ERR_OFPBAC_BAD_ARGUMENT;
	}
	return 0;
}

/* Conjunction says that the rule is a part of one; it leaves nothing for the packet to do. */
static of_err_t
verify_conjunction(const void *list, size_t size, char **error)
{
	of_action_for_each(a, list, size) {
		if (a->type != OF_A_CONJUNCTION && a->type != OF_A_NOTE) {
			say(error, "\"conjunction\" actions may be used along with \"note\" but "
			    "not any other kind of action (such as the \"%s\" action used here)",
			    of_action_name(a->type));
			return OF_ERR_NXBAC_BAD_CONJUNCTION;
		}
	}
	return 0;
}

of_err_t
of_actions_verify(const void *list, size_t size, uint8_t version, unsigned allowed,
		  enum of_action_type outer, char **error)
{
	enum of_inst inst = OF_INST_METER;

	of_action_for_each(a, list, size) {
		if (a->type == OF_A_CONJUNCTION)
			return verify_conjunction(list, size, error);
		of_err_t err = verify_nesting(a, outer, error);
		if (err)
			return err;

		enum of_inst next = of_action_inst(a->type, version);
		if ((const void *)a != list &&
		    (inst == OF_INST_APPLY ? next < inst : next <= inst)) {
			if (next == inst)
				say(error, "duplicate %s instruction not allowed, for OpenFlow "
				    "1.1+ compatibility", inst_name(inst));
			else
				say(error, "invalid instruction ordering: %s must appear before "
				    "%s, for OpenFlow 1.1+ compatibility", inst_name(next),
				    inst_name(inst));
			return OF_ERR_OFPBAC_UNSUPPORTED_ORDER;
		}
		if (!(1u << next & allowed)) {
			say(error, "%s instruction not allowed here", inst_name(next));
			return OF_ERR_OFPBIC_UNSUP_INST;
		}
		inst = next;
	}
	return 0;
}

/* --- Encoding --- */

size_t
of_wire_begin(struct wf_buf *wire, uint8_t version, enum of_action_raw raw, uint64_t arg)
{
	const struct raw_info *info = &raws[raw];

	for (const struct raw_wire *w = info->wires; w < info->wires + 3 && w->first; w++) {
		if (version < w->first || version > w->last)
			continue;
		size_t ofs = wire->size;
		size_t size = form_size(info, w->vendor);
		uint8_t *p = wf_buf_put_zeros(wire, size);

		wr16(p, w->vendor == VENDOR_OF ? w->number : 0xffff);
		wr16(p + 2, size);
		if (w->vendor != VENDOR_OF) {
			wr32(p + 4, w->vendor == VENDOR_NX ? OF_NX_VENDOR : OF_ONF_VENDOR);
			wr16(p + 8, w->number);
		}
		if (info->layout == LAYOUT_ARG) {
			p += arg_ofs(info, w->vendor);
			for (unsigned i = info->size; i--; arg >>= 8)
				p[i] = arg;
		}
		return ofs;
	}
	return OF_NO_FORM;
}

void
of_wire_end(struct wf_buf *wire, size_t ofs)
{
	size_t size = wire->size - ofs;

	wf_buf_put_zeros(wire, OF_ACTION_ALIGN(size) - size);
	wr16(of_wire_at(wire, ofs) + 2, wire->size - ofs);
}

void
of_actions_encode_list(const void *list, size_t size, uint8_t version, struct wf_buf *wire)
{
	of_action_for_each(a, list, size) {
		switch ((enum of_action_family)of_action_infos[a->type].family) {
		case OF_FAM_OUTPUT:
			of_output_encode(a, version, wire);
			break;
		case OF_FAM_SET:
			of_set_encode(a, version, wire);
			break;
		case OF_FAM_PUSH:
			of_push_encode(a, version, wire);
			break;
		case OF_FAM_FLOW:
			of_flow_encode(a, version, wire);
			break;
		case OF_FAM_LEARN:
			of_learn_encode(a, version, wire);
			break;
		case OF_FAM_CT:
			of_ct_encode(a, version, wire);
			break;
		case OF_FAM_INST:
			of_inst_encode(a, version, wire);
			break;
		}
	}
}

void
of_actions_encode(const void *list, size_t size, uint8_t version, struct wf_buf *wire)
{
	of_actions_encode_list(list, size, version, wire);
}

/* --- Fields and ports in actions --- */

of_err_t
of_wire_field(const uint8_t *header, uint16_t *ret_field)
{
	uint32_t h = rd32(header);
	const struct of_field *f = OF_OXM_CLASS(h) == 0xffff ? NULL : of_field_by_oxm(h, 0);

	if (!f)
		return OF_ERR_OFPBAC_BAD_SET_TYPE;
	if (f->variable_len && of_tlv_map_current() &&
	    !of_tlv_len(of_tlv_map_current(), f->id - OF_F_TUN_METADATA0))
		return OF_ERR_NXFMFC_INVALID_TLV_FIELD;
	*ret_field = f->id;
	return 0;
}

uint32_t
of_wire_field_header(uint16_t field)
{
	const struct of_field *f = of_field(field);
	const struct of_oxm *o = of_field_oxm(f, 0);

	if (!o || o->experimenter)
		return 0;
	if (f->variable_len && of_tlv_map_current()) {
		unsigned len = of_tlv_len(of_tlv_map_current(), f->id - OF_F_TUN_METADATA0);

		if (len)
			return (o->header & ~0xffu) | len;
	}
	return o->header;
}

of_err_t
of_wire_field_pull(const uint8_t **p, const uint8_t *end, uint16_t *ret_field)
{
	struct of_oxm_header h;
	of_err_t err = of_nxm_header_decode(*p, end - *p, false, of_tlv_map_current(), &h);

	if (err)
		return err;
	*ret_field = h.field->id;
	*p += h.header_size;
	return 0;
}

void
of_wire_field_put(struct wf_buf *wire, uint16_t field, uint8_t version)
{
	of_nxm_header_encode(of_field(field), version, false, of_tlv_map_current(), wire);
}

of_err_t
of_port_check(of_port_t port, of_port_t max_ports)
{
	switch (port) {
	case OF_PORT_IN_PORT:
	case OF_PORT_TABLE:
	case OF_PORT_NORMAL:
	case OF_PORT_FLOOD:
	case OF_PORT_ALL:
	case OF_PORT_CONTROLLER:
	case OF_PORT_LOCAL:
		return 0;
	default:
		return port < max_ports ? 0 : OF_ERR_OFPBAC_BAD_OUT_PORT;
	}
}
