// SPDX-License-Identifier: Apache-2.0
/* The fields that a list reads.
 *
 * The flow cache compares these bits besides those of all matches: a plan may hold as a constant
 * only what derives from them.  Which headers a packet has is compared anyway, so
 * prerequisites need no mark; nor do fields that an action merely writes.
 */
#include "openflow/action_internal.h"

static void
mark(enum of_field_id id, struct of_key *mask)
{
	of_field_mark(of_field(id), mask);
}

static void
mark_subfield(const struct of_subfield *sf, struct of_key *mask)
{
	const struct of_field *f = of_field(sf->field);
	union of_value bits;

	memset(bits.b, 0, f->n_bytes);
	of_bits_one(&bits, f->n_bytes, sf->ofs, sf->n_bits);
	of_field_mark_bits(f, &bits, mask);
}

static void
mark_addresses(bool src, bool dst, struct of_key *mask)
{
	if (src) {
		mark(OF_F_IPV4_SRC, mask);
		mark(OF_F_IPV6_SRC, mask);
	}
	if (dst) {
		mark(OF_F_IPV4_DST, mask);
		mark(OF_F_IPV6_DST, mask);
	}
}

static void
mark_hash(unsigned fields, struct of_key *mask)
{
	bool ports = false;

	switch ((enum of_hash_fields)fields) {
	case OF_HASH_ETH_SRC:
		mark(OF_F_ETH_SRC, mask);
		break;
	case OF_HASH_NW_SRC:
		mark_addresses(true, false, mask);
		break;
	case OF_HASH_NW_DST:
		mark_addresses(false, true, mask);
		break;
	case OF_HASH_SYMMETRIC_L4:
		mark(OF_F_ETH_SRC, mask);
		mark(OF_F_ETH_DST, mask);
		mark(OF_F_VLAN_TCI, mask);
		/* fall through */
	case OF_HASH_SYMMETRIC_L3L4:
	case OF_HASH_SYMMETRIC_L3L4_UDP:
		ports = true;
		/* fall through */
	case OF_HASH_SYMMETRIC_L3:
		mark_addresses(true, true, mask);
		break;
	}
	if (ports) {
		mark(OF_F_TCP_SRC, mask);
		mark(OF_F_TCP_DST, mask);
	}
}

/* The connection's own 5-tuple, by which resubmit(,,ct) looks up. */
static void
mark_ct_tuple(struct of_key *mask)
{
	mark(OF_F_CT_STATE, mask);
	mark(OF_F_CT_NW_PROTO, mask);
	mark(OF_F_CT_NW_SRC, mask);
	mark(OF_F_CT_NW_DST, mask);
	mark(OF_F_CT_IPV6_SRC, mask);
	mark(OF_F_CT_IPV6_DST, mask);
	mark(OF_F_CT_TP_SRC, mask);
	mark(OF_F_CT_TP_DST, mask);
}

static void
mark_one(const struct of_action *a, struct of_key *mask)
{
	const struct of_action *inner;
	size_t size;

	switch (a->type) {
	case OF_A_OUTPUT_REG:
		mark_subfield(&((const struct of_act_output_reg *)a)->src, mask);
		break;
	case OF_A_BUNDLE:
		/* active_backup looks at ports only. */
		if (((const struct of_act_bundle *)a)->algorithm)
			mark_hash(((const struct of_act_bundle *)a)->fields, mask);
		break;
	case OF_A_MULTIPATH:
		mark_hash(((const struct of_act_multipath *)a)->fields, mask);
		break;
	case OF_A_REG_MOVE:
		mark_subfield(&((const struct of_act_move *)a)->src, mask);
		break;
	case OF_A_STACK_PUSH:
		mark_subfield(&((const struct of_act_stack *)a)->sf, mask);
		break;
	case OF_A_LEARN:
		of_learn_for_each_spec(s, (const struct of_act_learn *)a) {
			if (!s->src_is_immediate)
				mark_subfield(&s->src, mask);
		}
		break;
	case OF_A_RESUBMIT:
		if (((const struct of_act_resubmit *)a)->with_ct_orig)
			mark_ct_tuple(mask);
		break;
	case OF_A_CT:
		if (((const struct of_act_ct *)a)->zone_src.n_bits)
			mark_subfield(&((const struct of_act_ct *)a)->zone_src, mask);
		inner = of_act_nested(a, sizeof(struct of_act_ct), &size);
		of_actions_mark_reads(inner, size, mask);
		break;
	case OF_A_CLONE:
	case OF_A_WRITE_ACTIONS:
		inner = of_act_nested(a, sizeof(struct of_act_nest), &size);
		of_actions_mark_reads(inner, size, mask);
		break;
	}
}

void
of_actions_mark_reads(const void *list, size_t size, struct of_key *mask)
{
	of_action_for_each(a, list, size)
		mark_one(a, mask);
}
