/* SPDX-License-Identifier: Apache-2.0 */
/* Plans in the text form of Open vSwitch's datapath actions, for trace and dpctl. */
#ifndef WEFT_DATAPLANE_PLAN_TEXT_H
#define WEFT_DATAPLANE_PLAN_TEXT_H

#include "dataplane/plan.h"
#include "dataplane/view.h"

/* What the plan does to a packet with this key: "set(eth(dst=..)),push_vlan(vid=5,pcp=0),2".
 * The ops are followed on the key, so only what changes is shown, as late as an output needs it.
 * 'wc' (may be NULL): bits looked at, which show in masks.  Ports are shown by slot number, or
 * by name.  NORMAL and select groups in the plan show as "normal" and "select(...)". */
void plan_text(const struct plan *, const struct of_key *, const struct of_key *wc,
	       const struct view *, bool names, struct wf_str *);

/* The same of a trace without a packet, which sends nothing to controllers and says so. */
void plan_text_dry(const struct plan *, const struct of_key *, const struct of_key *wc,
		   const struct view *, bool names, struct wf_str *);

/* The actions for a packet with 'key' that came by 'in_slot' now, or to the continuation
 * key->recirc_id: translates again, so that NORMAL and groups are decided for this key.  'ret_wc'
 * (may be NULL) gets the bits looked at, the flow's mask as OVS would have it. */
void flow_text_actions(const struct view *, uint32_t in_slot, const struct of_key *, bool names,
		       struct of_key *ret_wc, struct wf_str *);

#endif
