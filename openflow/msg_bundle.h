/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles: 1.4+, and the ONF extension of 1.3. */
#ifndef WEFT_OPENFLOW_MSG_BUNDLE_H
#define WEFT_OPENFLOW_MSG_BUNDLE_H

#include "openflow/msg.h"

enum of_bundle_ctrl_type {
	OF_BCT_OPEN_REQUEST, OF_BCT_OPEN_REPLY, OF_BCT_CLOSE_REQUEST, OF_BCT_CLOSE_REPLY,
	OF_BCT_COMMIT_REQUEST, OF_BCT_COMMIT_REPLY, OF_BCT_DISCARD_REQUEST, OF_BCT_DISCARD_REPLY
};
enum of_bundle_flags { OF_BF_ATOMIC = 1, OF_BF_ORDERED = 2, OF_BF_TIME = 4 };

struct of_bundle_ctrl {
	uint32_t bundle;
	uint16_t type, flags;
	bool has_time;        /* 1.5 scheduled bundles, OFPBPT_TIME */
	uint64_t time_s;
	uint32_t time_ns;
};
of_err_t of_bundle_ctrl_decode(const struct of_msg *, struct of_bundle_ctrl *);
void of_bundle_ctrl_encode(uint8_t version, uint32_t xid, const struct of_bundle_ctrl *,
			   struct wf_buf *out);
/* With the request's form and xid. */
void of_bundle_ctrl_reply_encode(const struct of_msg *request, const struct of_bundle_ctrl *,
				 struct wf_buf *out);

struct of_bundle_add {
	uint32_t bundle;
	uint16_t flags;
	struct of_msg msg; /* the inner message, classified */
};
/* Errors: those of the inner header; OFPBFC_MSG_BAD_XID; OFPBFC_MSG_UNSUP for messages that no
 * bundle takes (all but flow_mod, group_mod, port_mod, packet_out). */
of_err_t of_bundle_add_decode(const struct of_msg *, struct of_bundle_add *);
/* 'inner' is a whole message. */
void of_bundle_add_encode(uint8_t version, uint32_t xid, uint32_t bundle, uint16_t flags,
			  const void *inner, size_t inner_size, struct wf_buf *out);

#endif
