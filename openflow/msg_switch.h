/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about the switch and the connection: hello, echo, features, description,
 * configuration, roles, asynchronous configuration, controller id, controller status. */
#ifndef WEFT_OPENFLOW_MSG_SWITCH_H
#define WEFT_OPENFLOW_MSG_SWITCH_H

#include "openflow/msg.h"
#include "openflow/msg_port.h"

/* Hello.  Bitmaps have bit N for wire version N.  The header's version is the highest set; a
 * bitmap element follows when a peer could not guess the set from that (as OVS sends it). */
void of_hello_encode(uint32_t version_bitmap, uint32_t xid, struct wf_buf *out);
/* The peer's versions.  A hello without a bitmap means all up to its version.  False if
 * something in it was not understood (OVS logs that and goes on); the bitmap is set in any case. */
bool of_hello_decode(const void *data, size_t size, uint32_t *version_bitmap);
/* The version to speak: the highest of both, 0 if there is none. */
uint8_t of_hello_negotiate(uint32_t ours, uint32_t theirs);
/* "version negotiation failed (we support versions 0x01, 0x04, peer supports version 0x02)" */
void of_version_bitmap_format(uint32_t bitmap, struct wf_str *); /* "version 0x04 and earlier" */
/* The error OFPHFC_INCOMPATIBLE with its text, sent before closing. */
void of_hello_failed_encode(uint32_t ours, uint32_t theirs, struct wf_buf *out);
void of_hello_format_failure(uint32_t ours, uint32_t theirs, struct wf_str *);

void of_echo_request_encode(uint8_t version, uint32_t xid, struct wf_buf *out);
void of_echo_reply_encode(const struct of_msg *request, struct wf_buf *out);
void of_barrier_request_encode(uint8_t version, uint32_t xid, struct wf_buf *out);
void of_barrier_reply_encode(const struct of_msg *request, struct wf_buf *out);

enum of_capabilities {
	OF_C_FLOW_STATS = 1 << 0, OF_C_TABLE_STATS = 1 << 1, OF_C_PORT_STATS = 1 << 2,
	OF_C_STP = 1 << 3 /* 1.0 */, OF_C_GROUP_STATS = 1 << 4 /* 1.1+ */, OF_C_IP_REASM = 1 << 5,
	OF_C_QUEUE_STATS = 1 << 6, OF_C_ARP_MATCH_IP = 1 << 7 /* 1.0, 1.1 */,
	OF_C_PORT_BLOCKED = 1 << 8 /* 1.2+ */, OF_C_BUNDLES = 1 << 9 /* 1.4+ */,
	OF_C_FLOW_MONITORING = 1 << 10 /* 1.4+ */,
};
struct of_features {
	uint64_t datapath_id;
	uint32_t n_buffers;
	uint8_t n_tables, auxiliary_id;
	uint32_t capabilities; /* enum of_capabilities */
	uint64_t actions;      /* bits 1 << enum of_action_type; 1.0 only */
};
/* Ports are written for 1.0 to 1.2 as far as they fit; 1.3 leaves them to port desc. */
void of_features_reply_encode(const struct of_msg *request, const struct of_features *,
			      const struct of_port_desc *ports, size_t n_ports, struct wf_buf *out);
/* ports: of_port_desc_next() */
of_err_t of_features_reply_decode(const struct of_msg *, struct of_features *);

enum of_frag_handling { OF_FRAG_NORMAL, OF_FRAG_DROP, OF_FRAG_REASM, OF_FRAG_NX_MATCH };
struct of_config_msg {
	uint8_t frag; /* enum of_frag_handling */
	int8_t invalid_ttl_to_controller; /* 0, 1, or -1: the version does not say */
	uint16_t miss_send_len;
};
of_err_t of_set_config_decode(const struct of_msg *, struct of_config_msg *);
void of_set_config_encode(uint8_t version, uint32_t xid, const struct of_config_msg *,
			  struct wf_buf *out);
void of_get_config_reply_encode(const struct of_msg *request, const struct of_config_msg *,
				struct wf_buf *out);
of_err_t of_get_config_reply_decode(const struct of_msg *, struct of_config_msg *);

struct of_desc {
	const char *mfr, *hw, *sw, *serial, *dp; /* cut to what fits */
};
void of_desc_reply_encode(const struct of_msg *request, const struct of_desc *, struct wf_buf *out);

enum of_role { OF_ROLE_NOCHANGE, OF_ROLE_EQUAL, OF_ROLE_PRIMARY, OF_ROLE_SECONDARY };
struct of_role_request {
	uint8_t role; /* enum of_role */
	bool have_generation_id;
	uint64_t generation_id;
	uint16_t short_id; /* 1.5: by which controller status speaks of the controller; 0: none */
};
of_err_t of_role_request_decode(const struct of_msg *, struct of_role_request *); /* and replies */
void of_role_request_encode(uint8_t version, uint32_t xid, const struct of_role_request *,
			    struct wf_buf *out);
void of_role_reply_encode(const struct of_msg *request, const struct of_role_request *,
			  struct wf_buf *out);

enum of_role_reason { OF_CRR_PRIMARY_REQUEST, OF_CRR_CONFIG, OF_CRR_EXPERIMENTER };
struct of_role_status {
	uint8_t role, reason;
	uint64_t generation_id; /* UINT64_MAX: none */
};
bool of_role_status_encode(const struct of_codec *, const struct of_role_status *,
			   struct wf_buf *out); /* 1.3+ */
of_err_t of_role_status_decode(const struct of_msg *, struct of_role_status *);

enum of_async_type {
	OF_ASYNC_PACKET_IN, OF_ASYNC_PORT_STATUS, OF_ASYNC_FLOW_REMOVED, OF_ASYNC_ROLE_STATUS,
	OF_ASYNC_TABLE_STATUS, OF_ASYNC_REQUESTFORWARD,
	OF_ASYNC_FLOW_STATS, OF_ASYNC_CONTROLLER_STATUS, /* 1.5 */
	OF_N_ASYNC_TYPES
};
/* Bit R: the message is wanted for reason R (reasons as the enums of their families). */
struct of_async_config {
	uint32_t primary[OF_N_ASYNC_TYPES], secondary[OF_N_ASYNC_TYPES];
};
void of_async_config_default(struct of_async_config *, uint8_t version);
/* 'in' is the state before; a message may change a part only. */
of_err_t of_set_async_decode(const struct of_codec *, const struct of_msg *,
			     const struct of_async_config *in,
			     struct of_async_config *out);
void of_get_async_reply_encode(const struct of_msg *request, const struct of_async_config *,
			       struct wf_buf *out);
/* 'types': bits 1 << enum of_async_type to write. */
void of_set_async_encode(uint8_t version, uint32_t xid, const struct of_async_config *,
			 uint32_t types,
			 struct wf_buf *out);

of_err_t of_controller_id_decode(const struct of_msg *, uint16_t *id);
void of_controller_id_encode(uint8_t version, uint32_t xid, uint16_t id, struct wf_buf *out);

/* OpenFlow 1.5 section 7.3.5.18/7.4.7: status of the other controllers (EXT-454). */
enum of_controller_status_reason {
	OF_CSR_REQUEST, OF_CSR_CHANNEL_STATUS, OF_CSR_ROLE, OF_CSR_CONTROLLER_ADDED,
	OF_CSR_CONTROLLER_REMOVED, OF_CSR_SHORT_ID, OF_CSR_EXPERIMENTER
};
struct of_controller_status_msg {
	uint16_t short_id;
	uint8_t role, reason;
	bool up;
	const char *uri;
};
bool of_controller_status_encode(const struct of_codec *, const struct of_controller_status_msg *,
				 struct wf_buf *out); /* asynchronous, 1.5+ */
void of_controller_status_append(struct of_multipart *, const struct of_controller_status_msg *);

#endif
