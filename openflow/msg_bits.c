/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of actions and instructions as the versions number them. */
#include "openflow/msg_bits.h"

#include "openflow/action.h"
#include "openflow/msg_table.h"

struct pair {
	uint8_t first, last; /* versions */
	uint8_t wire;        /* OFPAT_ number */
	uint8_t action;      /* enum of_action_type */
};

static const struct pair pairs[] = {
	/* OpenFlow 1.0 section 5.2.4. */
	{ 1, 1, 0, OF_A_OUTPUT },
	{ 1, 1, 1, OF_A_SET_VLAN_VID },
	{ 1, 1, 2, OF_A_SET_VLAN_PCP },
	{ 1, 1, 3, OF_A_STRIP_VLAN },
	{ 1, 1, 4, OF_A_SET_ETH_SRC },
	{ 1, 1, 5, OF_A_SET_ETH_DST },
	{ 1, 1, 6, OF_A_SET_IPV4_SRC },
	{ 1, 1, 7, OF_A_SET_IPV4_DST },
	{ 1, 1, 8, OF_A_SET_IP_DSCP },
	{ 1, 1, 9, OF_A_SET_L4_SRC },
	{ 1, 1, 10, OF_A_SET_L4_DST },
	{ 1, 1, 11, OF_A_ENQUEUE },
	/* OpenFlow 1.1 section A.2.5. */
	{ 2, 2, 0, OF_A_OUTPUT },
	{ 2, 2, 1, OF_A_SET_VLAN_VID },
	{ 2, 2, 2, OF_A_SET_VLAN_PCP },
	{ 2, 2, 3, OF_A_SET_ETH_SRC },
	{ 2, 2, 4, OF_A_SET_ETH_DST },
	{ 2, 2, 5, OF_A_SET_IPV4_SRC },
	{ 2, 2, 6, OF_A_SET_IPV4_DST },
	{ 2, 2, 7, OF_A_SET_IP_DSCP },
	{ 2, 2, 8, OF_A_SET_IP_ECN },
	{ 2, 2, 9, OF_A_SET_L4_SRC },
	{ 2, 2, 10, OF_A_SET_L4_DST },
	{ 2, 6, 11, OF_A_COPY_TTL_OUT },
	{ 2, 6, 12, OF_A_COPY_TTL_IN },
	{ 2, 2, 13, OF_A_SET_MPLS_LABEL },
	{ 2, 2, 14, OF_A_SET_MPLS_TC },
	{ 2, 6, 15, OF_A_SET_MPLS_TTL },
	{ 2, 6, 16, OF_A_DEC_MPLS_TTL },
	{ 2, 6, 17, OF_A_PUSH_VLAN },
	{ 2, 6, 18, OF_A_STRIP_VLAN },
	{ 2, 6, 19, OF_A_PUSH_MPLS },
	{ 2, 6, 20, OF_A_POP_MPLS },
	{ 2, 6, 21, OF_A_SET_QUEUE },
	{ 2, 6, 22, OF_A_GROUP },
	{ 2, 6, 23, OF_A_SET_IP_TTL },
	{ 2, 6, 24, OF_A_DEC_TTL },
	/* OpenFlow 1.2 section A.2.5 and later. */
	{ 3, 6, 0, OF_A_OUTPUT },
	{ 3, 6, 25, OF_A_SET_FIELD },
	{ 4, 6, 26, OF_A_PUSH_PBB },
	{ 4, 6, 27, OF_A_POP_PBB },
	{ 6, 6, 28, OF_A_REG_MOVE },
	{ 6, 6, 29, OF_A_METER },
};
#define N_PAIRS (sizeof(pairs) / sizeof(pairs[0]))

uint32_t
of_action_bits_to_wire(uint64_t actions, uint8_t version)
{
	uint32_t wire = 0;

	for (size_t i = 0; i < N_PAIRS; i++)
		if (pairs[i].first <= version && version <= pairs[i].last
		    && (actions >> pairs[i].action & 1))
			wire |= 1u << pairs[i].wire;
	return wire;
}

uint64_t
of_action_bits_from_wire(uint32_t wire, uint8_t version)
{
	uint64_t actions = 0;

	for (size_t i = 0; i < N_PAIRS; i++)
		if (pairs[i].first <= version && version <= pairs[i].last
		    && (wire >> pairs[i].wire & 1))
			actions |= 1ull << pairs[i].action;
	return actions;
}

/* OFPIT_METER is an instruction in 1.3 and 1.4 only; OFPIT_STAT_TRIGGER came with 1.5. */
static const struct {
	uint8_t first, last, wire, bit;
} instruction_pairs[] = {
	{ 2, 6, 1, OF_I_GOTO_TABLE },	 { 2, 6, 2, OF_I_WRITE_METADATA },
	{ 2, 6, 3, OF_I_WRITE_ACTIONS }, { 2, 6, 4, OF_I_APPLY_ACTIONS },
	{ 2, 6, 5, OF_I_CLEAR_ACTIONS }, { 4, 5, 6, OF_I_METER },
	{ 6, 6, 7, OF_I_STAT_TRIGGER },
};
#define N_INSTRUCTIONS (sizeof(instruction_pairs) / sizeof(instruction_pairs[0]))

uint32_t
of_instruction_bits_to_wire(uint32_t instructions, uint8_t version)
{
	uint32_t wire = 0;

	for (size_t i = 0; i < N_INSTRUCTIONS; i++)
		if (instruction_pairs[i].first <= version && version <= instruction_pairs[i].last
		    && (instructions & instruction_pairs[i].bit))
			wire |= 1u << instruction_pairs[i].wire;
	return wire;
}

uint32_t
of_instruction_bits_from_wire(uint32_t wire, uint8_t version)
{
	uint32_t instructions = 0;

	for (size_t i = 0; i < N_INSTRUCTIONS; i++)
		if (instruction_pairs[i].first <= version && version <= instruction_pairs[i].last
		    && (wire >> instruction_pairs[i].wire & 1))
			instructions |= instruction_pairs[i].bit;
	return instructions;
}
