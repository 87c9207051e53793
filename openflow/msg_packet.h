/* SPDX-License-Identifier: Apache-2.0 */
/* Packets between switch and controller: packet_in in its five wire forms with
 * continuations, packet_out, NXT_RESUME. */
#ifndef WEFT_OPENFLOW_MSG_PACKET_H
#define WEFT_OPENFLOW_MSG_PACKET_H

#include "openflow/action.h"
#include "openflow/match.h"
#include "openflow/msg.h"

enum of_packet_in_format { OF_PIF_STANDARD, OF_PIF_NXT, OF_PIF_NXT2 };
of_err_t of_packet_in_format_decode(const struct of_msg *, enum of_packet_in_format *);
void of_packet_in_format_encode(uint8_t version, uint32_t xid, enum of_packet_in_format,
				struct wf_buf *out);

enum of_packet_in_reason {
	OF_PIR_NO_MATCH, OF_PIR_ACTION, OF_PIR_INVALID_TTL, OF_PIR_ACTION_SET, OF_PIR_GROUP,
	OF_PIR_PACKET_OUT,
	/* Inside only: a table miss without a miss flow (written as NO_MATCH), and a miss flow with
	 * an explicit output to the controller, which 1.3 and 1.4 write as NO_MATCH too. */
	OF_PIR_EXPLICIT_MISS, OF_PIR_IMPLICIT_MISS,
	OF_N_PACKET_IN_REASONS
};

struct of_packet_in {
	const void *packet;
	size_t packet_len;   /* bytes at 'packet' */
	size_t total_len;    /* of the whole packet; encode: 0 means packet_len */
	size_t max_len;      /* encode: at most so many bytes are sent; 0 or UINT16_MAX: all */
	uint32_t buffer_id;
	uint8_t reason;      /* enum of_packet_in_reason */
	uint8_t table;
	uint64_t cookie;     /* UINT64_MAX: no flow */
	struct of_match_full metadata; /* in_port and all metadata fields */
	const void *userdata;
	size_t userdata_len;
	/* Opaque state of a paused pipeline: properties made by the fields of 'frozen' below on
	 * encoding; on decoding the raw bytes. */
	const void *continuation;
	size_t continuation_len;
};

/* Record of type OF_A_UNROLL_XLATE in of_frozen.actions: the actions behind it belong to a rule of
 * this table (.u32) with this cookie. */
struct of_act_unroll { struct of_action a; uint64_t cookie; };

/* What a paused pipeline needs to go on. */
struct of_frozen {
	uint8_t bridge[16];     /* UUID */
	const uint8_t *stack;   /* records as pushed: value bytes, then one byte of length */
	size_t stack_size;
	uint32_t mirrors;
	bool conntracked;
	uint8_t table;          /* for the caller's use: not on the wire (the packet_in has it) */
	uint64_t cookie;
	const void *actions;    /* the rest of the list, may have UNROLL_XLATE */
	size_t actions_size;
	const void *action_set;
	size_t action_set_size;
	uint32_t odp_port;      /* datapath port, when in_port is not enough; UINT32_MAX: none */
};

/* The form is the version's own, or NXT/NXT2 as 'format' says.  'frozen' NULL: no continuation
 * (only NXT2 can carry one). */
void of_packet_in_encode(const struct of_codec *, enum of_packet_in_format,
			 const struct of_packet_in *,
			 const struct of_frozen *, struct wf_buf *out);
of_err_t of_packet_in_decode(const struct of_codec *, const struct of_msg *, struct of_packet_in *);

/* NXT_RESUME: packet, metadata and frozen state.  'store' is cleared and holds what the
 * struct members point to. */
of_err_t of_resume_decode(const struct of_codec *, const struct of_msg *, struct of_packet_in *,
			  struct of_frozen *, struct wf_buf *store);
/* What a controller sends back for a packet_in that it decoded. */
void of_resume_encode(const struct of_codec *, uint32_t xid, const struct of_packet_in *,
		      struct wf_buf *out);

struct of_packet_out {
	const void *packet; /* in the message; when buffer_id is OF_NO_BUFFER */
	size_t packet_len;
	uint32_t buffer_id;
	struct of_match_full metadata; /* in_port and, from 1.5 on, other metadata */
	const void *actions;           /* in the caller's buffer */
	size_t actions_size;
};
of_err_t of_packet_out_decode(const struct of_codec *, const struct of_msg *,
			      struct of_packet_out *,
			      struct wf_buf *actions);
void of_packet_out_encode(const struct of_codec *, uint32_t xid, const struct of_packet_out *,
			  struct wf_buf *out);

#endif
