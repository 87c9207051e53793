/* SPDX-License-Identifier: Apache-2.0 */
/* Flow monitors (Nicira for 1.0 to 1.2, ONF for 1.3, standard from 1.4 on) and request
 * forwarding. */
#ifndef WEFT_OPENFLOW_MSG_MONITOR_H
#define WEFT_OPENFLOW_MSG_MONITOR_H

#include "openflow/match.h"
#include "openflow/msg.h"
#include "openflow/msg_flow.h"
#include "openflow/msg_group.h"
#include "openflow/msg_meter.h"

enum of_monitor_command { OF_FMC_ADD, OF_FMC_MODIFY, OF_FMC_DELETE };
enum of_monitor_flags { /* one numbering, that of 1.4 */
	OF_FMF_INITIAL = 1 << 0,
	OF_FMF_ADD = 1 << 1,
	OF_FMF_REMOVED = 1 << 2,
	OF_FMF_MODIFY = 1 << 3,
	OF_FMF_INSTRUCTIONS = 1 << 4,
	OF_FMF_NO_ABBREV = 1 << 5,
	OF_FMF_ONLY_OWN = 1 << 6,
};
struct of_monitor_request {
	uint32_t id;
	uint8_t command; /* enum of_monitor_command */
	uint8_t table;
	uint16_t flags;  /* enum of_monitor_flags */
	of_port_t out_port;
	uint32_t out_group;
	struct of_match_full match;
};
/* A message may hold several: 'pos' starts at 0; 0, OF_EOF or an error. */
of_err_t of_monitor_request_next(const struct of_codec *, const struct of_msg *, size_t *pos,
				 struct of_monitor_request *);
void of_monitor_request_encode(const struct of_codec *, uint32_t xid,
			       const struct of_monitor_request *,
			       struct wf_buf *out);

enum of_update_event { /* numbers of 1.4 */
	OF_FME_INITIAL, OF_FME_ADDED, OF_FME_REMOVED, OF_FME_MODIFIED, OF_FME_ABBREV, OF_FME_PAUSED,
	OF_FME_RESUMED
};
struct of_flow_update {
	uint8_t event;  /* enum of_update_event */
	uint8_t reason; /* enum of_flow_removed_reason, for REMOVED */
	uint8_t table;
	uint16_t idle_timeout, hard_timeout, priority;
	uint64_t cookie;
	const struct of_match *match;
	const void *actions; /* NULL: left out */
	size_t actions_size;
	uint32_t xid;        /* ABBREV: of the request that made the change */
};
/* Begins the updates of the connection's version (xid 0), or the reply to a request
 * (of_multipart_begin()). */
void of_flow_updates_begin(struct of_multipart *, const struct of_codec *, struct wf_buf *out);
void of_flow_update_append(struct of_multipart *, const struct of_codec *,
			   const struct of_flow_update *);
of_err_t of_flow_update_next(const struct of_codec *, const struct of_msg *, size_t *pos,
			     struct of_flow_update *, struct wf_buf *store);

of_err_t of_monitor_cancel_decode(const struct of_msg *, uint32_t *id);
void of_monitor_cancel_encode(const struct of_codec *, uint32_t xid, uint32_t id,
			      struct wf_buf *out);
/* Says that updates stop, or go on: messages of their own before 1.4, an update item from 1.4
 * on. */
void of_monitor_pause_encode(const struct of_codec *, bool resumed, struct wf_buf *out);

/* Requestforward: another controller changed a group or meter. */
struct of_requestforward {
	uint32_t xid; /* of the change */
	const struct of_group_mod *group_mod; /* one of the two */
	const struct of_meter_mod *meter_mod;
	/* See of_group_mod_encode(). */
	const struct of_bucket *new_buckets;
	size_t n_new_buckets;
	int group_existed;
};
bool of_requestforward_encode(const struct of_codec *, const struct of_requestforward *,
			      struct wf_buf *out);

#endif
