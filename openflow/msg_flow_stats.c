/* SPDX-License-Identifier: Apache-2.0 */
/* Flow statistics and aggregate: requests, replies. */
#include "openflow/action.h"
#include "openflow/match_wire.h"
#include "openflow/msg_flow.h"
#include "openflow/msg_flow_wire.h"
#include "openflow/msg_wire.h"

WIRE_STRUCT flow_request10 {
	struct ofp10_match match;
	uint8_t table, pad;
	__be16 out_port;
};
WIRE_SIZE(struct flow_request10, 44);

WIRE_STRUCT flow_request11 {
	uint8_t table, pad[3];
	__be32 out_port, out_group;
	uint8_t pad2[4];
	__be64 cookie, cookie_mask;
};
WIRE_SIZE(struct flow_request11, 32);

WIRE_STRUCT flow_request_nx {
	__be16 out_port, match_len;
	uint8_t table, pad[3];
};
WIRE_SIZE(struct flow_request_nx, 8);

of_err_t
of_flow_query_decode(const struct of_codec *codec, const struct of_msg *msg,
		     struct of_flow_query *q)
{
	size_t used;
	of_err_t error;

	q->aggregate = msg->id == OF_M_AGGREGATE_REQUEST;
	q->cookie = q->cookie_mask = 0;
	q->out_group = OF_GROUP_ANY;
	switch (msg->form) {
	case OF_R_OFPST10_FLOW_REQUEST:
	case OF_R_OFPST10_AGGREGATE_REQUEST: {
		const struct flow_request10 *w = (const void *)msg->body;

		q->table = w->table;
		q->out_port = of_port_from_10(be16toh(w->out_port));
		return of_match_decode_10(&w->match, &q->match);
	}
	case OF_R_NXST_FLOW_REQUEST:
	case OF_R_NXST_AGGREGATE_REQUEST: {
		const struct flow_request_nx *w = (const void *)msg->body;
		size_t rest = msg->body_size - sizeof(*w);

		error = of_nx_match_decode(w + 1, rest, be16toh(w->match_len), 0, codec->tlv_map,
					   &q->match, &q->cookie, &q->cookie_mask, &used);
		if (error)
			return error;
		q->table = w->table;
		q->out_port = of_port_from_10(be16toh(w->out_port));
		return used == rest ? 0 : OF_ERR_OFPBRC_BAD_LEN;
	}
	default: {
		const struct flow_request11 *w = (const void *)msg->body;

		if (msg->body_size < sizeof(*w))
			return OF_ERR_OFPBRC_BAD_LEN;
		q->table = w->table;
		error = of_port_from_11(be32toh(w->out_port), &q->out_port);
		if (error)
			return error;
		q->out_group = be32toh(w->out_group);
		q->cookie = be64toh(w->cookie);
		q->cookie_mask = be64toh(w->cookie_mask);
		return of_match_decode(w + 1, msg->body_size - sizeof(*w), msg->version, 0,
				       codec->tlv_map, &q->match, &used);
	}
	}
}

void
of_flow_query_encode(const struct of_codec *codec, uint32_t xid, const struct of_flow_query *q,
		     struct wf_buf *out)
{
	struct wf_buf packed = WF_BUF_INIT;
	const struct of_match *match = of_match_store(&q->match, &packed);
	size_t start, body;

	if (codec->version > OF10_VERSION) {
		struct flow_request11 w = {
			.table = q->table,
			.out_port = htobe32(q->out_port),
			.out_group = htobe32(q->out_group),
			.cookie = htobe64(q->cookie),
			.cookie_mask = htobe64(q->cookie_mask),
		};
		enum of_msg_id id = q->aggregate ? OF_M_AGGREGATE_REQUEST : OF_M_FLOW_REQUEST;

		start = of_msg_begin(out, of_msg_form_for(id, codec->version), codec->version, xid);
		wf_buf_put(out, &w, sizeof(w));
		of_match_encode(match, codec->version, codec->tlv_map, out);
	} else if (codec->nxm) {
		struct flow_request_nx w = {
			.out_port = htobe16(of_port_to_10(q->out_port)),
			.table = q->table,
		};

		start = of_msg_begin(out, q->aggregate ? OF_R_NXST_AGGREGATE_REQUEST
						       : OF_R_NXST_FLOW_REQUEST,
				     OF10_VERSION, xid);
		body = out->size;
		wf_buf_put_uninit(out, sizeof(w));
		w.match_len = htobe16(of_nx_match_encode(match, codec->tlv_map, q->cookie,
							 q->cookie_mask, out));
		memcpy(wf_buf_at(out, body), &w, sizeof(w));
	} else {
		struct flow_request10 w = {
			.table = q->table,
			.out_port = htobe16(of_port_to_10(q->out_port)),
		};

		start = of_msg_begin(out, q->aggregate ? OF_R_OFPST10_AGGREGATE_REQUEST
						       : OF_R_OFPST10_FLOW_REQUEST,
				     OF10_VERSION, xid);
		of_match_encode_10(&q->match, &w.match);
		wf_buf_put(out, &w, sizeof(w));
	}
	of_msg_end(out, start);
	wf_buf_done(&packed);
}

WIRE_STRUCT flow_stats10 {
	__be16 length;
	uint8_t table, pad;
	struct ofp10_match match;
	__be32 duration_s, duration_ns;
	__be16 priority, idle_timeout, hard_timeout;
	uint8_t pad2[6];
	__be64 cookie, n_packets, n_bytes;
};
WIRE_SIZE(struct flow_stats10, 88);

WIRE_STRUCT flow_stats11 {
	__be16 length;
	uint8_t table, pad;
	__be32 duration_s, duration_ns;
	__be16 priority, idle_timeout, hard_timeout;
	__be16 flags, importance; /* from 1.3, 1.4 on */
	uint8_t pad2[2];
	__be64 cookie, n_packets, n_bytes;
};
WIRE_SIZE(struct flow_stats11, 48);

WIRE_STRUCT flow_stats15 {
	__be16 length;
	uint8_t pad[2];
	uint8_t table, pad2;
	__be16 priority, idle_timeout, hard_timeout, flags, importance;
	__be64 cookie;
};
WIRE_SIZE(struct flow_stats15, 24);

WIRE_STRUCT flow_stats_nx {
	__be16 length;
	uint8_t table, pad;
	__be32 duration_s, duration_ns;
	__be16 priority, idle_timeout, hard_timeout, match_len;
	__be16 idle_age, hard_age; /* seconds + 1; 0: unknown */
	__be64 cookie, n_packets, n_bytes;
};
WIRE_SIZE(struct flow_stats_nx, 48);

/* What the four forms have under the same names. */
#define FLOW_TO_WIRE(FS)                                                                       \
	.table = (FS)->table, .priority = htobe16((FS)->priority),                             \
	.idle_timeout = htobe16((FS)->idle_timeout),                                           \
	.hard_timeout = htobe16((FS)->hard_timeout), .cookie = htobe64((FS)->cookie)
#define DURATION_TO_WIRE(FS)                                                                   \
	.duration_s = htobe32((FS)->duration_s), .duration_ns = htobe32((FS)->duration_ns)
#define COUNTS_TO_WIRE(FS)                                                                     \
	.n_packets = htobe64(of_known_or_zero((FS)->n_packets)),                               \
	.n_bytes = htobe64(of_known_or_zero((FS)->n_bytes))

#define FLOW_FROM_WIRE(FS, W)                                                                  \
	((FS)->table = (W)->table, (FS)->priority = be16toh((W)->priority),                    \
	 (FS)->idle_timeout = be16toh((W)->idle_timeout),                                      \
	 (FS)->hard_timeout = be16toh((W)->hard_timeout), (FS)->cookie = be64toh((W)->cookie))
#define COUNTS_FROM_WIRE(FS, W)                                                                \
	((FS)->duration_s = be32toh((W)->duration_s),                                          \
	 (FS)->duration_ns = be32toh((W)->duration_ns),                                        \
	 (FS)->n_packets = be64toh((W)->n_packets), (FS)->n_bytes = be64toh((W)->n_bytes))

const struct of_oxs of_oxs_none = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
				    UINT64_MAX, UINT64_MAX };

/* OpenFlow 1.5 section 7.2.4.4: class OFPXSC_OPENFLOW_BASIC, field << 1, length. */
enum {
	OXS_DURATION = 0x80020008,
	OXS_IDLE_TIME = 0x80020208,
	OXS_FLOW_COUNT = 0x80020604,
	OXS_PACKET_COUNT = 0x80020808,
	OXS_BYTE_COUNT = 0x80020a08,
};

void
of_oxs_encode(const struct of_oxs *oxs, struct wf_buf *out)
{
	size_t start = out->size;

	put_u32(out, 0);
	if (oxs->duration_s != UINT32_MAX) {
		put_u32(out, OXS_DURATION);
		put_u32(out, oxs->duration_s);
		put_u32(out, oxs->duration_ns);
	}
	if (oxs->idle_s != UINT32_MAX) {
		put_u32(out, OXS_IDLE_TIME);
		put_u32(out, oxs->idle_s);
		put_u32(out, 0);
	}
	if (oxs->n_packets != UINT64_MAX) {
		put_u32(out, OXS_PACKET_COUNT);
		put_u64(out, oxs->n_packets);
	}
	if (oxs->n_bytes != UINT64_MAX) {
		put_u32(out, OXS_BYTE_COUNT);
		put_u64(out, oxs->n_bytes);
	}
	if (oxs->n_flows != UINT32_MAX) {
		put_u32(out, OXS_FLOW_COUNT);
		put_u32(out, oxs->n_flows);
	}
	set_u16((uint8_t *)wf_buf_at(out, start) + 2, out->size - start);
	pad_since(out, start);
}

of_err_t
of_oxs_decode(const void *data, size_t size, struct of_oxs *oxs, size_t *ret_used)
{
	const uint8_t *p = data;

	*oxs = of_oxs_none;
	if (size < 4)
		return OF_ERR_OFPBMC_BAD_LEN;

	size_t len = get_u16(p + 2);
	if (len < 4 || ROUND_UP8(len) > size)
		return OF_ERR_OFPBMC_BAD_LEN;
	*ret_used = ROUND_UP8(len);
	for (p += 4, len -= 4; len > 0;) {
		if (len < 4)
			return OF_ERR_OFPBMC_BAD_LEN;
		uint32_t header = get_u32(p);
		size_t entry = 4 + (header & 0xff);
		/* An experimenter's entry has its id within the length. */
		if (entry > len || (header >> 16 == 0xffff && entry < 8))
			return OF_ERR_OFPBMC_BAD_LEN;
		switch (header) {
		case OXS_DURATION:
			oxs->duration_s = get_u32(p + 4);
			oxs->duration_ns = get_u32(p + 8);
			break;
		case OXS_IDLE_TIME:
			oxs->idle_s = get_u32(p + 4);
			break;
		case OXS_FLOW_COUNT:
			oxs->n_flows = get_u32(p + 4);
			break;
		case OXS_PACKET_COUNT:
			oxs->n_packets = get_u64(p + 4);
			break;
		case OXS_BYTE_COUNT:
			oxs->n_bytes = get_u64(p + 4);
			break;
		}
		p += entry;
		len -= entry;
	}
	return 0;
}

static uint16_t
age_to_wire(int age)
{
	return age < 0 ? 0 : age < UINT16_MAX ? age + 1 : UINT16_MAX;
}

static void
append_10(const struct of_flow_stats *fs, struct wf_buf *out)
{
	size_t start = out->size;
	struct flow_stats10 w = {
		FLOW_TO_WIRE(fs), DURATION_TO_WIRE(fs), COUNTS_TO_WIRE(fs),
	};
	struct of_match_full full;

	of_match_unpack(fs->match, &full);
	of_match_encode_10(&full, &w.match);
	wf_buf_put(out, &w, sizeof(w));
	of_actions_encode(fs->actions, fs->actions_size, OF10_VERSION, out);
	set_u16(wf_buf_at(out, start), out->size - start);
}

static void
append_11(uint8_t version, const struct of_codec *codec, const struct of_flow_stats *fs,
	  struct wf_buf *out)
{
	size_t start = out->size;
	struct flow_stats11 w = {
		FLOW_TO_WIRE(fs), DURATION_TO_WIRE(fs), COUNTS_TO_WIRE(fs),
		.flags = version >= OF13_VERSION
				 ? htobe16(of_flow_flags_to_wire(fs->flags, version))
				 : 0,
		.importance = version >= OF14_VERSION ? htobe16(fs->importance) : 0,
	};

	wf_buf_put(out, &w, sizeof(w));
	of_match_encode(fs->match, version, codec->tlv_map, out);
	of_instructions_encode(fs->actions, fs->actions_size, version, out);
	set_u16(wf_buf_at(out, start), out->size - start);
}

static struct of_oxs
oxs_of(const struct of_flow_stats *fs)
{
	return (struct of_oxs){
		.duration_s = fs->duration_s,
		.duration_ns = fs->duration_ns,
		.idle_s = fs->idle_age >= 0 ? (uint32_t)fs->idle_age : UINT32_MAX,
		.n_flows = UINT32_MAX,
		.n_packets = fs->n_packets,
		.n_bytes = fs->n_bytes,
	};
}

static void
take_oxs(struct of_flow_stats *fs, const struct of_oxs *oxs)
{
	fs->duration_s = oxs->duration_s;
	fs->duration_ns = oxs->duration_ns;
	fs->idle_age = oxs->idle_s == UINT32_MAX ? -1 : (int)(oxs->idle_s & INT32_MAX);
	fs->n_packets = oxs->n_packets;
	fs->n_bytes = oxs->n_bytes;
}

static void
append_15(const struct of_codec *codec, const struct of_flow_stats *fs, struct wf_buf *out)
{
	size_t start = out->size;
	struct flow_stats15 w = {
		FLOW_TO_WIRE(fs),
		.flags = htobe16(of_flow_flags_to_wire(fs->flags, OF15_VERSION)),
		.importance = htobe16(fs->importance),
	};
	struct of_oxs oxs = oxs_of(fs);

	wf_buf_put(out, &w, sizeof(w));
	of_match_encode(fs->match, OF15_VERSION, codec->tlv_map, out);
	of_oxs_encode(&oxs, out);
	of_instructions_encode(fs->actions, fs->actions_size, OF15_VERSION, out);
	set_u16(wf_buf_at(out, start), out->size - start);
}

static void
append_nx(const struct of_codec *codec, const struct of_flow_stats *fs, struct wf_buf *out)
{
	size_t start = out->size;
	struct flow_stats_nx w = {
		FLOW_TO_WIRE(fs), DURATION_TO_WIRE(fs),
		.idle_age = htobe16(age_to_wire(fs->idle_age)),
		.hard_age = htobe16(age_to_wire(fs->hard_age)),
		.n_packets = htobe64(fs->n_packets),
		.n_bytes = htobe64(fs->n_bytes),
	};

	wf_buf_put_uninit(out, sizeof(w));
	w.match_len = htobe16(of_nx_match_encode(fs->match, codec->tlv_map, 0, 0, out));
	of_actions_encode(fs->actions, fs->actions_size, OF10_VERSION, out);
	w.length = htobe16(out->size - start);
	memcpy(wf_buf_at(out, start), &w, sizeof(w));
}

bool
of_flow_stats_append(struct of_multipart *mp, const struct of_codec *codec,
		     const struct of_flow_stats *fs)
{
	of_multipart_item_begin(mp);
	switch (mp->form) {
	case OF_R_OFPST10_FLOW_REPLY:
		append_10(fs, mp->out);
		break;
	case OF_R_NXST_FLOW_REPLY:
		append_nx(codec, fs, mp->out);
		break;
	case OF_R_OFPST15_FLOW_REPLY:
		append_15(codec, fs, mp->out);
		break;
	default:
		append_11(mp->version, codec, fs, mp->out);
	}
	return of_multipart_item_end(mp);
}

/* Takes match and actions of an item whose fixed part is read: 'p' is behind that. */
static of_err_t
take_actions(const struct of_msg *msg, const uint8_t *p, size_t size,
	     const struct of_match_full *match, struct of_flow_stats *fs, struct wf_buf *store)
{
	struct wf_buf actions = WF_BUF_INIT;
	size_t match_ofs = store->size;
	of_err_t error;

	error = of_instructions_decode(p, size, msg->version, &actions);
	if (!error) {
		of_match_store(match, store);
		size_t actions_ofs = store->size;
		wf_buf_put(store, actions.data, actions.size);
		fs->match = wf_buf_at(store, match_ofs);
		fs->actions = wf_buf_at(store, actions_ofs);
		fs->actions_size = actions.size;
	}
	wf_buf_done(&actions);
	return error;
}

of_err_t
of_flow_stats_next(const struct of_codec *codec, const struct of_msg *msg, size_t *pos,
		   struct of_flow_stats *fs, struct wf_buf *store)
{
	const uint8_t *p = msg->body + *pos;
	size_t size = msg->body_size - *pos, used = 0, oxs_used = 0, length, head;
	struct of_match_full match;
	of_err_t error = 0;

	wf_buf_clear(store);
	if (!size)
		return OF_EOF;
	head = msg->form == OF_R_OFPST10_FLOW_REPLY   ? sizeof(struct flow_stats10)
	       : msg->form == OF_R_OFPST15_FLOW_REPLY ? sizeof(struct flow_stats15)
						      : sizeof(struct flow_stats11);
	if (size < head)
		return OF_ERR_OFPBRC_BAD_LEN;
	length = get_u16(p);
	if (length < head || length > size)
		return OF_ERR_OFPBRC_BAD_LEN;

	*fs = (struct of_flow_stats){ .idle_age = -1, .hard_age = -1 };
	if (msg->form == OF_R_OFPST10_FLOW_REPLY) {
		const struct flow_stats10 *w = (const void *)p;

		error = of_match_decode_10(&w->match, &match);
		FLOW_FROM_WIRE(fs, w);
		COUNTS_FROM_WIRE(fs, w);
	} else if (msg->form == OF_R_OFPST15_FLOW_REPLY) {
		const struct flow_stats15 *w = (const void *)p;
		struct of_oxs oxs;

		error = of_match_decode(w + 1, length - head, msg->version, 0, codec->tlv_map,
					&match, &used);
		if (!error)
			error = of_oxs_decode(p + head + used, length - head - used, &oxs,
					      &oxs_used);
		if (!error)
			error = of_flow_flags_from_wire(be16toh(w->flags), -1, msg->version,
							&fs->flags);
		if (error)
			return error;
		FLOW_FROM_WIRE(fs, w);
		fs->importance = be16toh(w->importance);
		take_oxs(fs, &oxs);
	} else if (msg->form == OF_R_NXST_FLOW_REPLY) {
		const struct flow_stats_nx *w = (const void *)p;

		error = of_nx_match_decode(w + 1, length - head, be16toh(w->match_len), 0,
					   codec->tlv_map, &match, NULL, NULL, &used);
		FLOW_FROM_WIRE(fs, w);
		COUNTS_FROM_WIRE(fs, w);
		fs->idle_age = be16toh(w->idle_age) - 1;
		fs->hard_age = be16toh(w->hard_age) - 1;
	} else {
		const struct flow_stats11 *w = (const void *)p;

		error = of_match_decode(w + 1, length - head, msg->version, 0, codec->tlv_map,
					&match, &used);
		if (!error && msg->version >= OF13_VERSION)
			error = of_flow_flags_from_wire(be16toh(w->flags), -1, msg->version,
							&fs->flags);
		FLOW_FROM_WIRE(fs, w);
		COUNTS_FROM_WIRE(fs, w);
		fs->importance = msg->version >= OF14_VERSION ? be16toh(w->importance) : 0;
	}
	if (error)
		return error;
	used += head + oxs_used;
	error = take_actions(msg, p + used, length - used, &match, fs, store);
	*pos += length;
	return error;
}

WIRE_STRUCT flow_trigger {
	__be16 length;
	uint8_t pad[2];
	uint8_t table, reason;
	__be16 priority;
	/* match, OXS */
};
WIRE_SIZE(struct flow_trigger, 8);

void
of_flow_trigger_begin(struct of_multipart *mp, const struct of_codec *codec, struct wf_buf *out)
{
	of_multipart_begin_form(mp, out, OF_R_OFPST15_FLOW_STATS_REPLY, codec->version, 0);
}

void
of_flow_trigger_append(struct of_multipart *mp, const struct of_codec *codec,
		       enum of_flow_stats_reason reason, const struct of_flow_stats *fs)
{
	struct flow_trigger w = {
		.table = fs->table,
		.reason = reason,
		.priority = htobe16(fs->priority),
	};
	struct of_oxs oxs = oxs_of(fs);

	of_multipart_item_begin(mp);
	size_t start = mp->out->size;
	wf_buf_put(mp->out, &w, sizeof(w));
	of_match_encode(fs->match, mp->version, codec->tlv_map, mp->out);
	of_oxs_encode(&oxs, mp->out);
	set_u16(wf_buf_at(mp->out, start), mp->out->size - start);
	of_multipart_item_end(mp);
}

of_err_t
of_flow_trigger_next(const struct of_codec *codec, const struct of_msg *msg, size_t *pos,
		     enum of_flow_stats_reason *reason, struct of_flow_stats *fs,
		     struct wf_buf *store)
{
	const struct flow_trigger *w = (const void *)(msg->body + *pos);
	size_t size = msg->body_size - *pos, used, oxs_used;
	struct of_match_full match;
	struct of_oxs oxs;

	wf_buf_clear(store);
	if (!size)
		return OF_EOF;
	if (size < sizeof(*w))
		return OF_ERR_OFPBRC_BAD_LEN;
	size_t length = be16toh(w->length);
	if (length < sizeof(*w) || length > size)
		return OF_ERR_OFPBRC_BAD_LEN;
	of_err_t error = of_match_decode(w + 1, length - sizeof(*w), msg->version, 0,
					 codec->tlv_map, &match, &used);
	if (!error)
		error = of_oxs_decode((const uint8_t *)(w + 1) + used, length - sizeof(*w) - used,
				      &oxs, &oxs_used);
	if (error)
		return error;
	*reason = w->reason;
	*fs = (struct of_flow_stats){
		.match = of_match_store(&match, store),
		.table = w->table,
		.priority = be16toh(w->priority),
		.hard_age = -1,
	};
	take_oxs(fs, &oxs);
	*pos += length;
	return 0;
}

WIRE_STRUCT aggregate {
	__be64 n_packets, n_bytes;
	__be32 n_flows;
	uint8_t pad[4];
};
WIRE_SIZE(struct aggregate, 24);

void
of_aggregate_reply_encode(const struct of_msg *request, const struct of_aggregate_stats *as,
			  struct wf_buf *out)
{
	size_t start = of_msg_begin(out, of_msg_reply_form(request->form, request->version),
				    request->version, request->xid);

	if (request->version >= OF15_VERSION) {
		struct of_oxs oxs = of_oxs_none;

		oxs.n_packets = as->n_packets;
		oxs.n_bytes = as->n_bytes;
		oxs.n_flows = as->n_flows;
		of_oxs_encode(&oxs, out);
	} else {
		bool has_unknown = request->form != OF_R_OFPST10_AGGREGATE_REQUEST;
		struct aggregate w = {
			.n_packets = htobe64(has_unknown ? as->n_packets
							 : of_known_or_zero(as->n_packets)),
			.n_bytes = htobe64(has_unknown ? as->n_bytes
						       : of_known_or_zero(as->n_bytes)),
			.n_flows = htobe32(as->n_flows),
		};

		wf_buf_put(out, &w, sizeof(w));
	}
	of_msg_end(out, start);
}

of_err_t
of_aggregate_reply_decode(const struct of_msg *msg, struct of_aggregate_stats *as)
{
	if (msg->version >= OF15_VERSION) {
		struct of_oxs oxs;
		size_t used;
		of_err_t error = of_oxs_decode(msg->body, msg->body_size, &oxs, &used);

		as->n_packets = oxs.n_packets;
		as->n_bytes = oxs.n_bytes;
		as->n_flows = oxs.n_flows;
		return error;
	}
	const struct aggregate *w = (const void *)msg->body;
	as->n_packets = be64toh(w->n_packets);
	as->n_bytes = be64toh(w->n_bytes);
	as->n_flows = be32toh(w->n_flows);
	return 0;
}
