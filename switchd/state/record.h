/* SPDX-License-Identifier: Apache-2.0 */
/* Flows, groups, meters and the TLV map as payloads of the state file.
 *
 * Matches are written as NXM, lists of actions as the instructions of the OpenFlow version that
 * gives the same list back (1.5 does for most; 1.0 and 1.1 for those that only they have); what no
 * version has, as the text that ovs-ofctl would print.  So files outlive versions of weft.
 * Times are CLOCK_BOOTTIME in ms.  Threads: main.
 */
#ifndef WEFT_SWITCHD_STATE_RECORD_H
#define WEFT_SWITCHD_STATE_RECORD_H

#include "dataplane/bridge.h"
#include "openflow/msg_group.h"
#include "openflow/msg_meter.h"
#include "openflow/tlv_map.h"
#include "switchd/state/format.h"

/* 'boot_minus_now_ms': CLOCK_BOOTTIME less weft's clock. */
void state_flow_put(struct wf_buf *, const struct rule *, const struct of_tlv_map *,
		    int64_t boot_minus_now_ms);

struct state_flow {
	struct rule *rule; /* a reference; created_ms and modified_ms are on weft's clock */
	uint64_t id;
	uint8_t table;
};
/* False: this version cannot read it. */
bool state_flow_get(const struct state_frame *, const struct of_tlv_map *,
		    int64_t boot_minus_now_ms, struct state_flow *);

void state_group_put(struct wf_buf *, const struct group *, const struct of_tlv_map *,
		     int64_t boot_minus_now_ms);
/* A group_mod that adds it; of_group_mod_done() after success. */
bool state_group_get(const struct state_frame *, const struct of_tlv_map *,
		     int64_t boot_minus_now_ms, struct of_group_mod *, int64_t *ret_created_ms);

void state_meter_put(struct wf_buf *, const struct meter *, int64_t boot_minus_now_ms);
/* 'bands' is cleared and receives what the configuration points to. */
bool state_meter_get(const struct state_frame *, int64_t boot_minus_now_ms,
		     struct of_meter_config *, struct wf_buf *bands, int64_t *ret_created_ms);

void state_tlv_map_put(struct wf_buf *, const struct of_tlv_map *);
bool state_tlv_map_get(const struct state_frame *, struct of_tlv_map *);

/* A list of actions alone: the form, and its bytes at the end of the buffer.  'match' is what it is
 * for (any: NULL).  For tests, besides. */
uint8_t state_actions_put(struct wf_buf *, const void *list, size_t size,
			  const struct of_match_full *match, uint8_t known_form);
bool state_actions_get(const uint8_t *, size_t size, uint8_t form,
		       const struct of_match_full *match, struct wf_buf *list);

#endif
