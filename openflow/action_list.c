// SPDX-License-Identifier: Apache-2.0
/* Lists of actions: building, equality, action sets, where they output to. */
#include "openflow/action_internal.h"

const struct of_action_info of_action_infos[OF_N_ACTION_TYPES] = {
#define OF_ACTION(TYPE, FAMILY, SLOT)                                                          \
	[OF_A_##TYPE] = { .family = OF_FAM_##FAMILY, .slot = OF_SLOT_##SLOT },
#include "openflow/actions.def"
#undef OF_ACTION
};

void *
of_action_put(struct wf_buf *list, enum of_action_type type, size_t size)
{
	struct of_action *a = wf_buf_put_zeros(list, OF_ACTION_ALIGN(size));

	a->type = type;
	a->size = size;
	return a;
}

void
of_action_finish(struct wf_buf *list, size_t record_ofs)
{
	size_t size = list->size - record_ofs;
	struct of_action *a = wf_buf_at(list, record_ofs);

	assert(size <= OF_ACTION_MAX_SIZE + 7);
	a->size = size;
	wf_buf_put_zeros(list, OF_ACTION_ALIGN(size) - size);
}

bool
of_actions_equal(const void *a, size_t a_size, const void *b, size_t b_size)
{
	return a_size == b_size && (!a_size || !memcmp(a, b, a_size));
}

const char *
of_action_name(enum of_action_type type)
{
	static const struct {
		const char *name;
		uint8_t type;
	} names[] = {
#define OF_NAME(TEXT, TYPE, RAW) { TEXT, OF_A_##TYPE },
#include "openflow/actions.def"
#undef OF_NAME
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].type == type)
			return names[i].name;
	}
	return "<unknown>";
}

bool
of_action_is_instruction(enum of_action_type type)
{
	return type >= OF_A_METER;
}

enum of_inst
of_action_inst(enum of_action_type type, uint8_t version)
{
	switch (type) {
	case OF_A_METER:
		/* OpenFlow 1.5 made the instruction an action. */
		return version >= OF15 ? OF_INST_APPLY : OF_INST_METER;
	case OF_A_CLEAR_ACTIONS:
		return OF_INST_CLEAR;
	case OF_A_WRITE_ACTIONS:
		return OF_INST_WRITE;
	case OF_A_WRITE_METADATA:
		return OF_INST_WRITE_METADATA;
	case OF_A_STAT_TRIGGER:
		return OF_INST_STAT_TRIGGER;
	case OF_A_GOTO_TABLE:
		return OF_INST_GOTO;
	default:
		return OF_INST_APPLY;
	}
}

bool
of_action_is_allowed_in_set(enum of_action_type type)
{
	return of_action_infos[type].slot != OF_SLOT_NONE;
}

static void
copy(struct wf_buf *list, const struct of_action *a)
{
	wf_buf_put(list, a, OF_ACTION_ALIGN(a->size));
}

void
of_action_set_resolve(const void *write_actions, size_t size, struct wf_buf *list)
{
	const struct of_action *slots[OF_N_SLOTS] = { NULL };
	const struct of_action *final = NULL;

	of_action_for_each(a, write_actions, size)
		slots[of_action_infos[a->type].slot] = a;
	for (unsigned i = OF_SLOT_SET + 1; i < OF_N_SLOTS; i++) {
		if (slots[i])
			final = slots[i];
	}
	if (!final)
		return;
	for (unsigned i = OF_SLOT_NONE + 1; i < OF_SLOT_SET; i++) {
		if (slots[i])
			copy(list, slots[i]);
	}
	of_action_for_each(a, write_actions, size) {
		if (of_action_infos[a->type].slot == OF_SLOT_SET)
			copy(list, a);
	}
	copy(list, final);
}

/* The list inside a record, NULL if it is not of a kind that has one. */
static const struct of_action *
nested(const struct of_action *a, size_t *size)
{
	switch (a->type) {
	case OF_A_CLONE:
	case OF_A_WRITE_ACTIONS:
		return of_act_nested(a, sizeof(struct of_act_nest), size);
	case OF_A_CT:
		return of_act_nested(a, sizeof(struct of_act_ct), size);
	default:
		return NULL;
	}
}

bool
of_actions_output_to_port(const void *list, size_t size, of_port_t port)
{
	of_action_for_each(a, list, size) {
		size_t inner_size;
		const struct of_action *inner = nested(a, &inner_size);

		switch (a->type) {
		case OF_A_OUTPUT:
		case OF_A_ENQUEUE:
			if (a->u32 == port)
				return true;
			break;
		case OF_A_CONTROLLER:
			if (port == OF_PORT_CONTROLLER)
				return true;
			break;
		default:
			if (inner && of_actions_output_to_port(inner, inner_size, port))
				return true;
			break;
		}
	}
	return false;
}

bool
of_actions_output_to_group(const void *list, size_t size, uint32_t group_id)
{
	of_action_for_each(a, list, size) {
		size_t inner_size;
		const struct of_action *inner = nested(a, &inner_size);

		if (a->type == OF_A_GROUP && a->u32 == group_id)
			return true;
		if (inner && of_actions_output_to_group(inner, inner_size, group_id))
			return true;
	}
	return false;
}

uint32_t
of_actions_meter(const void *list, size_t size)
{
	of_action_for_each(a, list, size) {
		if (a->type == OF_A_METER)
			return a->u32;
		if (of_action_inst(a->type, 0) > OF_INST_METER)
			break;
	}
	return 0;
}
