// SPDX-License-Identifier: Apache-2.0
#include "dataplane/protocol_tx.h"

#include "base/clock.h"
#include "dataplane/worker_internal.h"
#include "openflow/action.h"

/* Patch ports and tunnels are the translator's. */
static void
send_by_actions(struct bridge *b, of_port_t port, struct rte_mbuf *m)
{
	struct of_act_output out = { .a = { .type = OF_A_OUTPUT, .size = sizeof(out), .u32 = port } };
	static struct xlate_in in;

	memset(&in, 0, sizeof(in));
	in.bridge = b;
	in.in_slot = UINT32_MAX;
	in.key.in_port = OF_PORT_NONE;
	in.key.packet_type = OF_PT_ETH;
	in.actions = &out;
	in.actions_size = sizeof(out);
	main_execute(&in, m);
}

static bool held;

void
protocol_hold(bool hold)
{
	held = hold;
}

bool
protocol_send(struct bridge *b, of_port_t port, const void *frame, uint32_t size)
{
	const struct view *v = view_get();
	const struct bridge_view *bv = b->index < v->n_bridges ? v->bridges[b->index] : NULL;
	const struct xport *x = bv && bv->ports ? xport_find(bv->ports, port) : NULL;
	struct rte_mbuf *m = x && !held ? pkt_from_bytes(frame, size) : NULL;

	if (!m)
		return false;
	if (x->is_patch || x->is_tunnel) {
		send_by_actions(b, port, m);
		return true;
	}
	struct run_fate fate = { 0 };
	struct pass p = {
		.rn = &main_runner, .fate = &fate, .bridge = b, .in_slot = UINT32_MAX,
		.packet_type = OF_PT_ETH,
	};
	main_runner.view = v;
	main_runner.now_ms = wf_now_ms();
	run_output(&p, x->slot, x->generation, m);
	pipeline_settle(&main_runner, &fate);
	runner_flush(&main_runner);
	main_runner.view = NULL;
	return fate.n_out != 0;
}
