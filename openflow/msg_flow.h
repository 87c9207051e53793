/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about flows: flow_mod, flow statistics, aggregate, flow_removed, and the
 * Nicira messages that choose how OpenFlow 1.0 writes them.
 *
 * Hot: of_flow_mod_decode() and of_flow_stats_append() allocate nothing but by growing the buffers
 * of their caller, who reuses them.
 */
#ifndef WEFT_OPENFLOW_MSG_FLOW_H
#define WEFT_OPENFLOW_MSG_FLOW_H

#include "openflow/match.h"
#include "openflow/msg.h"

/* Flags in one numbering for all versions. */
enum of_flow_flags {
	OF_FF_SEND_FLOW_REM = 1 << 0,
	OF_FF_NO_PKT_COUNTS = 1 << 1, /* 1.3+ */
	OF_FF_NO_BYT_COUNTS = 1 << 2, /* 1.3+ */
	OF_FF_CHECK_OVERLAP = 1 << 3,
	OF_FF_RESET_COUNTS = 1 << 4,  /* 1.2+; before, every add has it */
	OF_FF_EMERG = 1 << 5,         /* 1.0 only; refused */
	/* Kept with the flow. */
	OF_FF_STATE = 0x1f,
};

enum of_flow_command {
	OF_FC_ADD, OF_FC_MODIFY, OF_FC_MODIFY_STRICT, OF_FC_DELETE, OF_FC_DELETE_STRICT
};

struct of_flow_mod {
	struct of_match_full match;
	uint16_t priority;
	uint8_t command; /* enum of_flow_command */
	uint8_t table;   /* OF_TABLE_ALL: the switch chooses (add) or all (delete) */
	/* Only flows whose cookie equals 'cookie' in the bits of 'cookie_mask' are hit; mask 0
	 * for add. */
	uint64_t cookie, cookie_mask;
	/* Cookie of the new flow, or UINT64_MAX: keep.  For modify, the flow's cookie changes
	 * only if 'modify_cookie'; a modify that finds nothing adds a flow if new_cookie is not
	 * UINT64_MAX and cookie_mask is 0. */
	uint64_t new_cookie;
	bool modify_cookie;
	uint16_t idle_timeout, hard_timeout, importance;
	uint32_t buffer_id;
	of_port_t out_port; /* OF_PORT_ANY: do not care; deletes only */
	uint32_t out_group;
	uint16_t flags;     /* enum of_flow_flags */
	const void *actions; /* list of struct of_action; in the caller's buffer */
	size_t actions_size;
};

/* Limits of the switch that decoding checks against. */
struct of_limits {
	of_port_t max_ports; /* first number that is no port, as OVS's ofp_port max; OF_PORT_MAX */
	uint8_t n_tables;    /* 255 */
};

/* 'actions' is cleared and receives the list that fm->actions points to.  Checks the list
 * against the match (of_actions_check), so that a flow_mod that decodes can be installed as far
 * as the protocol goes. */
of_err_t of_flow_mod_decode(const struct of_codec *, const struct of_msg *,
			    const struct of_limits *,
			    struct of_flow_mod *, struct wf_buf *actions);
void of_flow_mod_encode(const struct of_codec *, uint32_t xid, const struct of_flow_mod *,
			struct wf_buf *out);

/* Flow statistics or aggregate request. */
struct of_flow_query {
	bool aggregate;
	struct of_match_full match;
	uint8_t table; /* OF_TABLE_ALL */
	uint64_t cookie, cookie_mask;
	of_port_t out_port;
	uint32_t out_group;
};
of_err_t of_flow_query_decode(const struct of_codec *, const struct of_msg *,
			      struct of_flow_query *);
void of_flow_query_encode(const struct of_codec *, uint32_t xid, const struct of_flow_query *,
			  struct wf_buf *out);

struct of_flow_stats {
	const struct of_match *match;
	uint64_t cookie;
	uint8_t table;
	uint16_t priority, idle_timeout, hard_timeout, importance, flags;
	uint32_t duration_s, duration_ns;
	int idle_age, hard_age; /* seconds since the last packet, change; -1: unknown (NXST only) */
	uint64_t n_packets, n_bytes; /* UINT64_MAX: unknown */
	const void *actions;
	size_t actions_size;
};
/* One item of the reply begun with the request's form.  False: the flow is larger than any
 * message of this version and was left out. */
bool of_flow_stats_append(struct of_multipart *, const struct of_codec *,
			  const struct of_flow_stats *);
/* Reads the next item of a reply.  'pos' starts at 0; returns 0, OF_EOF after the last, or an
 * error.  match and actions point into 'store', which is cleared. */
of_err_t of_flow_stats_next(const struct of_codec *, const struct of_msg *reply, size_t *pos,
			    struct of_flow_stats *, struct wf_buf *store);

/* OFPMP_FLOW_STATS (1.5, EXT-335): statistics without instructions, as the reply to a request
 * (of_flow_query_decode(), aggregate false), or sent by the switch when a stat_trigger instruction
 * fires: begin with of_flow_trigger_begin(). */
enum of_flow_stats_reason { OF_FSR_STATS_REQUEST, OF_FSR_STAT_TRIGGER };
void of_flow_trigger_begin(struct of_multipart *, const struct of_codec *, struct wf_buf *out);
void of_flow_trigger_append(struct of_multipart *, const struct of_codec *,
			    enum of_flow_stats_reason, const struct of_flow_stats *);
of_err_t of_flow_trigger_next(const struct of_codec *, const struct of_msg *, size_t *pos,
			      enum of_flow_stats_reason *, struct of_flow_stats *,
			      struct wf_buf *store);

struct of_aggregate_stats {
	uint64_t n_packets, n_bytes; /* UINT64_MAX: unknown */
	uint32_t n_flows;
};
void of_aggregate_reply_encode(const struct of_msg *request, const struct of_aggregate_stats *,
			       struct wf_buf *out);
of_err_t of_aggregate_reply_decode(const struct of_msg *, struct of_aggregate_stats *);

enum of_flow_removed_reason {
	OF_FRR_IDLE_TIMEOUT, OF_FRR_HARD_TIMEOUT, OF_FRR_DELETE, OF_FRR_GROUP_DELETE,
	OF_FRR_METER_DELETE, OF_FRR_EVICTION
};
struct of_flow_removed {
	const struct of_match *match;
	uint64_t cookie;
	uint16_t priority;
	uint8_t reason; /* enum of_flow_removed_reason */
	uint8_t table;  /* 255: the form does not say */
	uint32_t duration_s, duration_ns;
	uint16_t idle_timeout, hard_timeout;
	uint64_t n_packets, n_bytes; /* UINT64_MAX: unknown */
};
void of_flow_removed_encode(const struct of_codec *, const struct of_flow_removed *,
			    struct wf_buf *out);
of_err_t of_flow_removed_decode(const struct of_codec *, const struct of_msg *,
				struct of_flow_removed *,
				struct wf_buf *store);

/* NXT_SET_FLOW_FORMAT and NXT_FLOW_MOD_TABLE_ID (OpenFlow 1.0): change the codec. */
of_err_t of_set_flow_format_decode(const struct of_msg *, bool *nxm);
void of_set_flow_format_encode(uint32_t xid, bool nxm, struct wf_buf *out);
of_err_t of_flow_mod_table_id_decode(const struct of_msg *, bool *tid);
void of_flow_mod_table_id_encode(uint8_t version, uint32_t xid, bool tid, struct wf_buf *out);

#endif
