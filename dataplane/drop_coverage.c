/* SPDX-License-Identifier: Apache-2.0 */
/* Drops in coverage/show: each reason by its own name, and the sums that Open vSwitch counts, whose
 * names operators' graphs know. */
#include <stdio.h>

#include "base/coverage.h"
#include "dataplane/drop.h"

static struct wf_coverage own[DROP_N_REASONS];
static char own_names[DROP_N_REASONS][64];

/* What OVS counts as its pipeline's, or its datapath's, decision. */
enum group {
	OF_PIPELINE, BRIDGE_NOT_FOUND, RECURSION, RESUBMIT, STACK, NO_RECIRC, LABELS, PACKET_TYPE,
	FORWARDING, METER, UPCALL, RECIRC, INVALID_PORT, INVALID_PACKET,
	TUNNEL_POP, TUNNEL_PUSH, CONGESTION, N_GROUPS
};
static struct wf_coverage groups[N_GROUPS] = {
	[OF_PIPELINE] = { .name = "drop_action_of_pipeline" },
	[BRIDGE_NOT_FOUND] = { .name = "drop_action_bridge_not_found" },
	[RECURSION] = { .name = "drop_action_recursion_too_deep" },
	[RESUBMIT] = { .name = "drop_action_too_many_resubmit" },
	[STACK] = { .name = "drop_action_stack_too_deep" },
	[NO_RECIRC] = { .name = "drop_action_no_recirculation_context" },
	[LABELS] = { .name = "drop_action_too_many_mpls_labels" },
	[PACKET_TYPE] = { .name = "drop_action_unsupported_packet_type" },
	[FORWARDING] = { .name = "drop_action_forwarding_disabled" },
	[METER] = { .name = "datapath_drop_meter" },
	[UPCALL] = { .name = "datapath_drop_upcall_error" },
	[RECIRC] = { .name = "datapath_drop_recirc_error" },
	[INVALID_PORT] = { .name = "datapath_drop_invalid_port" },
	[INVALID_PACKET] = { .name = "datapath_drop_rx_invalid_packet" },
	[TUNNEL_POP] = { .name = "datapath_drop_tunnel_pop_error" },
	[TUNNEL_PUSH] = { .name = "datapath_drop_tunnel_push_error" },
	[CONGESTION] = { .name = "drop_action_congestion" },
};

/* The group of a reason; those that stand nowhere are the pipeline's. */
static const int8_t group_of[DROP_N_REASONS] = {
	[DROP_NONE] = -1,
	[DROP_PIPELINE_TOO_DEEP] = RECURSION,
	[DROP_PIPELINE_TOO_MANY] = RESUBMIT,
	[DROP_STACK_TOO_DEEP] = STACK,
	[DROP_NO_RECIRC] = NO_RECIRC,
	[DROP_CONTINUATION_TOO_DEEP] = RECIRC,
	[DROP_TOO_MANY_LABELS] = LABELS,
	[DROP_UNSUPPORTED_PACKET_TYPE] = PACKET_TYPE,
	[DROP_RX_NO_BRIDGE] = BRIDGE_NOT_FOUND,
	[DROP_RX_PORT_DOWN] = FORWARDING,
	[DROP_METER] = METER,
	[DROP_SLOW_QUEUE_FULL] = UPCALL,
	[DROP_PACKET_IN_QUEUE_FULL] = UPCALL,
	[DROP_RX_TOO_SHORT] = INVALID_PACKET,
	[DROP_TUNNEL_ECN] = CONGESTION,
	[DROP_TUNNEL_NO_HEADER] = TUNNEL_PUSH,
	[DROP_TUNNEL_TOO_LONG] = TUNNEL_PUSH,
	[DROP_TUNNEL_NO_PORT] = TUNNEL_POP,
	[DROP_TUNNEL_NO_SOCKET] = INVALID_PORT,
#define TNL_ERROR(NAME, TEXT) [DROP_TUNNEL_##NAME] = TUNNEL_POP,
#include "tunnels/tunnel_error.def"
#undef TNL_ERROR
	/* A port's own, which OVS counts in the port's statistics. */
	[DROP_RX_CUT] = -1,
	[DROP_RX_BAD_OFFLOAD] = -1,
	[DROP_OUT_TX_FULL] = -1,
	[DROP_OUT_TX_ERROR] = -1,
	[DROP_OUT_MTU] = -1,
	[DROP_QOS_POLICE] = -1,
	[DROP_NO_MEMORY] = -1,
};

static void
set(struct wf_coverage *c, uint64_t total)
{
	atomic_store_explicit(&c->total, total, memory_order_relaxed);
}

static void
refresh(void)
{
	uint64_t totals[DROP_N_REASONS], sums[N_GROUPS] = { 0 };

	drop_totals(totals);
	for (unsigned r = 1; r < DROP_N_REASONS; r++) {
		set(&own[r], totals[r]);
		if (group_of[r] >= 0)
			sums[group_of[r]] += totals[r];
	}
	for (unsigned g = 0; g < N_GROUPS; g++)
		set(&groups[g], sums[g]);
}

void
drop_coverage_init(void)
{
	for (unsigned r = 1; r < DROP_N_REASONS; r++) {
		snprintf(own_names[r], sizeof own_names[r], "drop_%s", drop_name(r));
		own[r].name = own_names[r];
		wf_coverage_register(&own[r]);
	}
	for (unsigned g = 0; g < N_GROUPS; g++)
		wf_coverage_register(&groups[g]);
	wf_coverage_before_read(refresh);
}
