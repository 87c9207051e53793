/* SPDX-License-Identifier: Apache-2.0 */
/* Flows of the datapath that a user added (dpctl/add-flow and kin), not OpenFlow's.
 *
 * The datapath has no flow table of its own (docs/architecture.md), so such a flow is a hidden rule
 * in the table that each bridge has before its table 0, for each port that in_port() stands for.  Whatever
 * a plan and the caches need to know of rules holds for it: stamps, counters, what the layout reads; a
 * switch without any pays nothing.  It takes packets as they come in from a port, before the pipeline; of
 * flows that overlap the older one wins.  It stays until it is deleted, or a port that it names goes.
 *
 * Threads: main only.
 */
#ifndef WEFT_SWITCHD_DP_FLOW_H
#define WEFT_SWITCHD_DP_FLOW_H

#include "base/buf.h"
#include "base/list.h"
#include "dataplane/bridge.h"
#include "openflow/dp_text.h"

#define DP_FLOWS_MAX 1024

struct dp_flow {
	struct wf_list node;
	struct of_dp_key d;       /* d.ufid is always there */
	char *actions;            /* as they were given */
	uint32_t priority;        /* of its rules */
	struct counter before;    /* of rules that it had before */
	unsigned n_rules;
	struct dp_flow_rule {
		struct bridge *bridge;
		of_port_t in_port;
		struct rule *rule; /* reference */
	} *rules;
};

extern struct wf_list dp_flows; /* oldest first */

#define DP_FLOW_MAY_CREATE 1u
#define DP_FLOW_MAY_MODIFY 2u
#define DP_FLOW_ZERO_STATS 4u
/* Both return 0, or -errno with the text that Open vSwitch's users know in 'reterr' (of any length, as the
 * key is in it); what there was is as it was.  'stats': of the flow as it was, or NULL. */
int dp_flow_put(const char *key, const char *actions, unsigned flags, struct counter *stats,
		struct wf_str *reterr);
int dp_flow_del(const char *key_or_ufid, struct counter *stats, struct wf_str *reterr);
void dp_flows_clear(void);
/* Counters of rules as folded last: workers_fold_stats(). */
void dp_flow_stats(const struct dp_flow *, struct counter *);
/* Is it such a flow that takes packets of this key that come in by the slot? */
bool dp_flow_takes(uint32_t in_slot, const struct of_key *);

/* Ports came, went or have other numbers: after the view that says so was published. */
void dp_flows_sync(void);
/* The bridge is about to go. */
void dp_flows_forget_bridge(struct bridge *);

#endif
