// SPDX-License-Identifier: Apache-2.0
/* The action set: gathered by write_actions, carried out at the end of the pipeline. */
#include "dataplane/translate_internal.h"

#include <string.h>

void
xlate_action_set_write(struct xctx *ctx, const void *actions, size_t size)
{
	/* actset_output (OpenFlow 1.5.1 section 7.2.3.7): the output port in the set, unset while
	 * there is a group, which takes precedence. */
	if (!ctx->action_set_has_group) {
		of_action_for_each(a, actions, size)
		{
			if (a->type == OF_A_OUTPUT) {
				ctx->key.actset_output = a->u32;
			} else if (a->type == OF_A_GROUP) {
				ctx->key.actset_output = OF_PORT_UNSET;
				ctx->action_set_has_group = true;
				break;
			}
		}
	}
	wf_buf_put(&ctx->action_set, actions, OF_ACTION_ALIGN(size));
}

/* Where an action goes in the order of OpenFlow 1.5.1 section 5.6.  Those of one class that
 * 'merges' replace one another; sets are all kept, in the order written.  -1: has no place. */
static int
place(const struct of_action *a, bool *merges)
{
	*merges = true;
	switch ((enum of_action_type)a->type) {
	case OF_A_COPY_TTL_IN:
		return 0;
	case OF_A_STRIP_VLAN:
		return 1;
	case OF_A_POP_MPLS:
		return 2;
	case OF_A_POP_PBB:
		return 3;
	case OF_A_DECAP:
		return 4;
	case OF_A_ENCAP:
		return 5;
	case OF_A_PUSH_MPLS:
		return 6;
	case OF_A_PUSH_PBB:
		return 7;
	case OF_A_PUSH_VLAN:
		return 8;
	case OF_A_COPY_TTL_OUT:
		return 9;
	case OF_A_DEC_TTL:
		return 10;
	case OF_A_DEC_MPLS_TTL:
		return 11;
	case OF_A_DEC_NSH_TTL:
		return 12;
	case OF_A_DELETE_FIELD:
	case OF_A_REG_MOVE:
	case OF_A_SET_ETH_DST:
	case OF_A_SET_ETH_SRC:
	case OF_A_SET_FIELD:
	case OF_A_SET_IP_DSCP:
	case OF_A_SET_IP_ECN:
	case OF_A_SET_IP_TTL:
	case OF_A_SET_IPV4_DST:
	case OF_A_SET_IPV4_SRC:
	case OF_A_SET_L4_DST:
	case OF_A_SET_L4_SRC:
	case OF_A_SET_MPLS_LABEL:
	case OF_A_SET_MPLS_TC:
	case OF_A_SET_MPLS_TTL:
	case OF_A_SET_QUEUE:
	case OF_A_SET_TUNNEL:
	case OF_A_SET_VLAN_PCP:
	case OF_A_SET_VLAN_VID:
		*merges = false;
		return 13;
	case OF_A_METER:
		return 14;
	default:
		return -1;
	}
}
#define N_PLACES 15

/* What ends the set: the last group, else output, resubmit or ct.  A set without one of them
 * does nothing. */
static int
end_rank(const struct of_action *a)
{
	switch ((enum of_action_type)a->type) {
	case OF_A_GROUP:
		return 5;
	case OF_A_OUTPUT:
		return 4;
	case OF_A_RESUBMIT:
		return 3;
	case OF_A_CT_CLEAR:
		return 2;
	case OF_A_CT:
		return 1;
	default:
		return 0;
	}
}

void
xlate_action_set_order(const void *set, size_t size, struct wf_buf *list)
{
	const struct of_action *at[N_PLACES] = { NULL }, *end = NULL;
	int rank = 0;

	of_action_for_each(a, set, size)
	{
		bool merges;
		int p = place(a, &merges);

		if (p >= 0 && merges)
			at[p] = a;
		if (end_rank(a) && end_rank(a) >= rank) {
			rank = end_rank(a);
			end = a;
		}
	}
	if (!end)
		return;
	for (int p = 0; p < N_PLACES; p++) {
		if (p != 13) {
			if (at[p])
				wf_buf_put(list, at[p], OF_ACTION_ALIGN(at[p]->size));
			continue;
		}
		of_action_for_each(a, set, size)
		{
			bool merges;

			if (place(a, &merges) == 13)
				wf_buf_put(list, a, OF_ACTION_ALIGN(a->size));
		}
	}
	wf_buf_put(list, end, OF_ACTION_ALIGN(end->size));
}

void
xlate_action_set_run(struct xctx *ctx)
{
	struct wf_buf list = WF_BUF_INIT;

	if (!ctx->action_set.size)
		return;
	xlate_action_set_order(ctx->action_set.data, ctx->action_set.size, &list);
	wf_buf_clear(&ctx->action_set);
	if (list.size) {
		struct trace_node *before;
		bool old_exit = ctx->exit;

		ctx->in_action_set = true;
		ctx->exit = false;
		before = trace_enter(ctx->in->trace, TRACE_TABLE, "--. Executing action set:");
		xlate_actions(ctx, list.data, list.size, true, false);
		trace_leave(ctx->in->trace, before);
		ctx->in_action_set = false;
		ctx->exit |= old_exit;
	}
	wf_buf_done(&list);
}
