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

void
xlate_action_set_run(struct xctx *ctx)
{
	struct wf_buf list = WF_BUF_INIT;

	/* OpenFlow 1.5.1 section 5.4: a miss drops; on the ingress side the set is run all the same,
	 * as Open vSwitch does. */
	if (!ctx->action_set.size || ctx->egress_missed)
		return;
	of_action_set_resolve(ctx->action_set.data, ctx->action_set.size, &list);
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
