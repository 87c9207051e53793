/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow messages: framing, headers, multipart.
 *
 * The protocol has four kinds of header (standard, vendor, multipart, vendor multipart) and
 * six versions.  openflow/msgs.def lists every message form once; of_msg_classify() maps bytes
 * to a row of it and checks the length, so that the decoder of a family starts with a body that
 * holds at least the fixed part of its form.
 *
 *   bytes -> of_frame_size() -> of_msg_classify() -> struct of_msg -> of_X_decode() -> struct of_X
 *   struct of_X -> of_X_encode() -> bytes at the end of a struct wf_buf
 *
 * The structs of the families (openflow/msg_*.h) know no version; 'struct of_codec' says which
 * one the peer speaks.  Numbers inside are in host order, ports have 32 bits, cookies are
 * uint64_t in host order.
 *
 * Conventions:
 * - of_X_decode(codec, msg, out, ...) returns 0 or an of_err_t to send to the peer; what
 *   'out' holds after an error is undefined, but nothing needs to be freed.
 * - of_X_encode() appends a whole message (or all messages that it takes) to 'out' and
 *   never touches what is there before.  Functions that return bool return false, with
 *   nothing appended, where the version has no such message.
 * - Where a reply has to use the form of its request, the request is passed.
 *
 * Threads: no state; any thread.
 */
#ifndef WEFT_OPENFLOW_MSG_H
#define WEFT_OPENFLOW_MSG_H

#include "base/buf.h"
#include "openflow/error.h"
#include "openflow/key.h"

enum {
	OF10_VERSION = 1, OF11_VERSION, OF12_VERSION, OF13_VERSION, OF14_VERSION, OF15_VERSION
};
#define OF_VERSION_BITMAP_ALL 0x7eu
#define OF_HEADER_SIZE 8
#define OF_MSG_MAX 65535

/* Special numbers, the same in all versions that have them. */
#define OF_NO_BUFFER UINT32_MAX
#define OF_DEFAULT_PRIORITY 0x8000
#define OF_GROUP_MAX 0xffffff00u
#define OF_GROUP_ALL 0xfffffffcu
#define OF_GROUP_ANY 0xffffffffu
#define OF_TABLE_ALL 0xff
#define OF_QUEUE_ALL 0xffffffffu
#define OF_METER_MAX 0xffff0000u
#define OF_METER_SLOWPATH 0xfffffffdu
#define OF_METER_CONTROLLER 0xfffffffeu
#define OF_METER_ALL 0xffffffffu

#define OF_VENDOR_NX 0x00002320u
#define OF_VENDOR_ONF 0x4f4e4600u
#define OF_VENDOR_NTR 0x0000154du
#define OF_VENDOR_INTEL 0x0000aa01u

/* What of_X_next() returns after the last item. */
#define OF_EOF (-1)

/* What a message means, whatever its version: OF_M_FLOW_MOD, ... */
enum of_msg_id {
#define OF_MSG(ID, NAME) OF_M_##ID,
#define OF_FORM(...)
#include "openflow/msgs.def"
	OF_N_MSG_IDS
};

/* How it is written: OF_R_OFPT10_FLOW_MOD, OF_R_NXT_FLOW_MOD, ... */
enum of_msg_form {
#define OF_MSG(...)
#define OF_FORM(FORM, ...) OF_R_##FORM,
#include "openflow/msgs.def"
	OF_N_MSG_FORMS
};

/* What a connection has agreed on. */
struct of_tlv_map; /* openflow/match_wire.h */
struct of_codec {
	uint8_t version;
	bool nxm;     /* OpenFlow 1.0 only: flows are written with NXM (NXT_SET_FLOW_FORMAT) */
	bool tid;     /* OpenFlow 1.0 only: NXT_FLOW_MOD_TABLE_ID is on */
	/* take bits, properties and fields that are unknown: for texts and controllers */
	bool loose;
	const struct of_tlv_map *tlv_map; /* the bridge's; NULL: none */
};

/* A message whose header was read.  Points into the bytes given to of_msg_classify(). */
struct of_msg {
	enum of_msg_id id;
	enum of_msg_form form;
	uint8_t version;
	uint16_t mp_flags;   /* multipart flags, 0 for other kinds */
	uint32_t xid;
	const uint8_t *data; /* the header */
	size_t size;         /* the whole message */
	const uint8_t *body; /* after all headers */
	size_t body_size;
};

/* The size of the message that starts at 'head' (8 bytes readable), or 0 if the length field
 * is below 8: the stream is lost and the connection must be closed. */
size_t of_frame_size(const void *head);

/* Reads the header of the message of exactly 'size' bytes.  'msg' has version, xid, data and size
 * also on errors (if size >= 8), as the error message needs them.  Errors: OFPBRC_BAD_VERSION,
 * BAD_TYPE, BAD_STAT, BAD_VENDOR, BAD_SUBTYPE, BAD_LEN. */
of_err_t of_msg_classify(const void *data, size_t size, struct of_msg *msg);
/* Like it, but for a header of which only the first 'have' bytes are there (error payloads):
 * the length is not checked.  Used by texts. */
of_err_t of_msg_classify_partial(const void *data, size_t have, struct of_msg *msg);

const char *of_msg_id_name(enum of_msg_id);     /* "OFPT_FLOW_MOD" */
const char *of_msg_form_name(enum of_msg_form); /* "NXT_FLOW_MOD", "OFPST_FLOW reply" */
bool of_msg_is_multipart_request(const struct of_msg *);
bool of_msg_is_multipart_reply(const struct of_msg *);
bool of_msg_more(const struct of_msg *); /* multipart with the MORE flag */

/* "OpenFlow10" ... "OpenFlow15", as in the OVSDB column 'protocols'; 0: unknown text. */
uint8_t of_version_from_name(const char *);
const char *of_version_name(uint8_t version);       /* "OpenFlow13" */
const char *of_version_short_name(uint8_t version); /* " (OF1.3)" as logs want; "" for 1.0 */

/* Building one message: of_msg_begin() appends headers, the caller appends the body, and
 * of_msg_end() writes the length.  Returns the offset of the message in 'out'. */
size_t of_msg_begin(struct wf_buf *out, enum of_msg_form, uint8_t version, uint32_t xid);
void of_msg_end(struct wf_buf *out, size_t start);
/* A message without body in the form that 'version' has for 'id'; false if it has none. */
bool of_msg_encode_empty(struct wf_buf *out, enum of_msg_id, uint8_t version, uint32_t xid);
/* The standard form of 'id' in 'version' (vendor forms last); OF_N_MSG_FORMS if there is none. */
enum of_msg_form of_msg_form_for(enum of_msg_id, uint8_t version);
/* The reply form of a multipart request's form. */
enum of_msg_form of_msg_reply_form(enum of_msg_form request, uint8_t version);

/* Multipart replies: any number of items in as many parts as they need, each part below
 * 64 KiB, all but the last with the MORE flag.  The parts stand one after another in 'out'.
 *
 *   of_multipart_begin(&mp, out, request);
 *   while (...) of_X_append(&mp, codec, item);
 *   of_multipart_end(&mp);
 *
 * Between items a caller may send what of_multipart_ready() says is final, pull it from 'out' and
 * tell with of_multipart_pulled(). */
struct of_multipart {
	struct wf_buf *out;
	enum of_msg_form form;
	uint8_t version;
	uint32_t xid;
	size_t part; /* offset of the current part in out */
	size_t item; /* offset of the item being written */
};
void of_multipart_begin(struct of_multipart *, struct wf_buf *out, const struct of_msg *request);
/* For messages that the switch starts (flow monitor updates) and for tests. */
void of_multipart_begin_form(struct of_multipart *, struct wf_buf *out, enum of_msg_form,
			     uint8_t version, uint32_t xid);
void of_multipart_item_begin(struct of_multipart *);
/* Moves the item into a new part if the current one became too big.  False: it is too big for
 * any message and was left out. */
bool of_multipart_item_end(struct of_multipart *);
/* Bytes at the front of 'out' that no later item changes. */
size_t of_multipart_ready(const struct of_multipart *);
void of_multipart_pulled(struct of_multipart *, size_t size);
void of_multipart_end(struct of_multipart *);

/* Multipart requests in several parts (OpenFlow 1.3+: table features).  Keep one per connection.
 * Time is in milliseconds of a monotonic clock. */
struct of_multipart_request;
struct of_multipart_requests {
	struct of_multipart_request *first;
};
/* Takes a multipart request.  Returns 0 with *whole set if it is complete ('whole' is the
 * message to handle: 'msg' itself, or 'msg' with the parts' bodies joined, then valid until the
 * next call), 0 with whole->data NULL if parts are missing yet, or
 * OFPBRC_MULTIPART_BUFFER_OVERFLOW, OFPBRC_BAD_STAT and so on. */
of_err_t of_multipart_requests_put(struct of_multipart_requests *, const struct of_msg *msg,
				   int64_t now_ms, struct of_msg *whole);
/* Drops requests whose next part did not come for a second.  Each is reported by 'expired',
 * which sends OFPBRC_MULTIPART_REQUEST_TIMEOUT for the header given.  Returns when to call
 * again, -1: never. */
int64_t of_multipart_requests_run(struct of_multipart_requests *, int64_t now_ms,
				  void (*expired)(void *aux, const void *header, size_t size),
				  void *aux);
void of_multipart_requests_done(struct of_multipart_requests *);

/* Ports on the wire: 16 bits in OpenFlow 1.0, 32 in others.  A port that 1.0 cannot say
 * becomes NONE. */
of_port_t of_port_from_10(uint16_t);
uint16_t of_port_to_10(of_port_t);
/* Takes all 32 bits, so it returns 0; OVS, which has 16, answers OFPBAC_BAD_OUT_PORT to the numbers
 * between.  Whether a port exists is for the switch to say. */
of_err_t of_port_from_11(uint32_t wire, of_port_t *);

/* Text for debug logs, as "ovs-ofctl ofp-print" starts one: "OFPT_FLOW_MOD (OF1.3) (xid=0x4): ...".
 * flow_mod, packet_in, packet_out and errors have a body, others their name and length. */
void of_msg_format(const void *data, size_t size, const struct of_tlv_map *, struct wf_str *);

#endif
