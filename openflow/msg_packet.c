/* SPDX-License-Identifier: Apache-2.0 */
/* packet_in, packet_out, NXT_RESUME.  The state of a paused pipeline: msg_frozen.c. */
#include "openflow/msg_packet.h"

#include "openflow/action.h"
#include "openflow/match_wire.h"
#include "openflow/msg_flow_wire.h"
#include "openflow/msg_frozen.h"
#include "openflow/msg_wire.h"

of_err_t
of_packet_in_format_decode(const struct of_msg *msg, enum of_packet_in_format *format)
{
	uint32_t wire = get_u32(msg->body);

	if (wire > OF_PIF_NXT2)
		return OF_ERR_OFPBRC_EPERM;
	*format = wire;
	return 0;
}

void
of_packet_in_format_encode(uint8_t version, uint32_t xid, enum of_packet_in_format format,
			   struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_NXT_SET_PACKET_IN_FORMAT, version, xid);

	put_u32(out, format);
	of_msg_end(out, start);
}

WIRE_STRUCT packet_in10 {
	__be32 buffer_id;
	__be16 total_len, in_port;
	uint8_t reason, pad;
};
WIRE_SIZE(struct packet_in10, 10);

WIRE_STRUCT packet_in11 {
	__be32 buffer_id, in_port, in_phy_port;
	__be16 total_len;
	uint8_t reason, table;
};
WIRE_SIZE(struct packet_in11, 16);

WIRE_STRUCT packet_in12 {
	__be32 buffer_id;
	__be16 total_len;
	uint8_t reason, table;
	/* 1.3+: cookie; then match, 2 bytes of padding, packet */
};
WIRE_SIZE(struct packet_in12, 8);

WIRE_STRUCT packet_in_nx {
	__be32 buffer_id;
	__be16 total_len;
	uint8_t reason, table;
	__be64 cookie;
	__be16 match_len;
	uint8_t pad[6];
};
WIRE_SIZE(struct packet_in_nx, 24);

/* Properties of NXT_PACKET_IN2 and NXT_RESUME. */
enum {
	PROP_PACKET, PROP_FULL_LEN, PROP_BUFFER_ID, PROP_TABLE_ID, PROP_COOKIE, PROP_REASON,
	PROP_METADATA, PROP_USERDATA, PROP_CONTINUATION
};

static uint8_t
reason_to_wire(uint8_t reason, uint8_t version)
{
	switch (reason) {
	case OF_PIR_ACTION_SET:
	case OF_PIR_GROUP:
	case OF_PIR_PACKET_OUT:
		return version < OF14_VERSION ? OF_PIR_ACTION : reason;
	case OF_PIR_EXPLICIT_MISS:
		return version < OF13_VERSION ? OF_PIR_ACTION : OF_PIR_NO_MATCH;
	case OF_PIR_IMPLICIT_MISS:
		return OF_PIR_NO_MATCH;
	default:
		return reason;
	}
}

static uint16_t
total_to_wire(const struct of_packet_in *pin)
{
	size_t total = pin->total_len ? pin->total_len : pin->packet_len;

	return total < UINT16_MAX ? total : UINT16_MAX;
}

static size_t
bytes_to_send(const struct of_packet_in *pin)
{
	return pin->max_len && pin->max_len < pin->packet_len ? pin->max_len : pin->packet_len;
}

/* The packet, cut where the message would become too long. */
static void
put_packet(const struct of_packet_in *pin, size_t start, struct wf_buf *out)
{
	size_t n = bytes_to_send(pin);
	size_t room = OF_MSG_MAX - (out->size - start);

	wf_buf_put(out, pin->packet, n < room ? n : room);
}

static void
encode_standard(const struct of_codec *codec, const struct of_packet_in *pin, struct wf_buf *out)
{
	uint8_t version = codec->version;
	uint8_t reason = reason_to_wire(pin->reason, version);
	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_PACKET_IN, version), version, 0);

	if (version == OF10_VERSION) {
		struct packet_in10 w = {
			.buffer_id = htobe32(pin->buffer_id),
			.total_len = htobe16(total_to_wire(pin)),
			.in_port = htobe16(of_port_to_10(pin->metadata.key.in_port)),
			.reason = reason,
		};

		wf_buf_put(out, &w, sizeof(w));
	} else if (version == OF11_VERSION) {
		struct packet_in11 w = {
			.buffer_id = htobe32(pin->buffer_id),
			.in_port = htobe32(pin->metadata.key.in_port),
			.in_phy_port = htobe32(pin->metadata.key.in_port),
			.total_len = htobe16(total_to_wire(pin)),
			.reason = reason,
			.table = pin->table,
		};

		wf_buf_put(out, &w, sizeof(w));
	} else {
		struct packet_in12 w = {
			.buffer_id = htobe32(pin->buffer_id),
			.total_len = htobe16(total_to_wire(pin)),
			.reason = reason,
			.table = pin->table,
		};
		union of_packed_match match;

		wf_buf_put(out, &w, sizeof(w));
		if (version >= OF13_VERSION)
			put_u64(out, pin->cookie);
		of_match_encode(of_packed_match(&pin->metadata, &match), version, codec->tlv_map,
				out);
		wf_buf_put_zeros(out, 2);
	}
	put_packet(pin, start, out);
	of_msg_end(out, start);
}

static void
encode_nxt(const struct of_codec *codec, const struct of_packet_in *pin, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_NXT_PACKET_IN, codec->version, 0);
	size_t body = out->size;
	struct packet_in_nx w = {
		.buffer_id = htobe32(pin->buffer_id),
		.total_len = htobe16(total_to_wire(pin)),
		.reason = reason_to_wire(pin->reason, codec->version),
		.table = pin->table,
		.cookie = htobe64(pin->cookie),
	};
	union of_packed_match match;

	wf_buf_put_uninit(out, sizeof(w));
	w.match_len = htobe16(of_nx_match_encode(of_packed_match(&pin->metadata, &match),
						 codec->tlv_map, 0, 0, out));
	memcpy(wf_buf_at(out, body), &w, sizeof(w));
	wf_buf_put_zeros(out, 2);
	put_packet(pin, start, out);
	of_msg_end(out, start);
}

/* The properties that NXT_PACKET_IN2 and NXT_RESUME share. */
static void
put_properties(const struct of_codec *codec, const struct of_packet_in *pin, size_t n,
	       struct wf_buf *out)
{
	size_t total = pin->total_len > pin->packet_len ? pin->total_len : pin->packet_len;
	size_t start;

	of_prop_put(out, PROP_PACKET, pin->packet, n);
	if (n != total)
		of_prop_put_u32(out, PROP_FULL_LEN, total);
	if (pin->buffer_id != OF_NO_BUFFER)
		of_prop_put_u32(out, PROP_BUFFER_ID, pin->buffer_id);
	of_prop_put_u8(out, PROP_TABLE_ID, pin->table);
	if (pin->cookie != UINT64_MAX)
		of_prop_put_u64(out, PROP_COOKIE, pin->cookie);
	of_prop_put_u8(out, PROP_REASON, reason_to_wire(pin->reason, codec->version));
	start = of_prop_begin(out, PROP_METADATA);
	of_oxm_encode(&pin->metadata, codec->version, codec->tlv_map, out);
	of_prop_end(out, start);
}

static void
encode_nxt2(const struct of_codec *codec, const struct of_packet_in *pin,
	    const struct of_frozen *frozen, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_NXT_PACKET_IN2, codec->version, 0);
	/* Leaves room for the other properties: of a packet of 64 KiB a little is cut. */
	size_t n = bytes_to_send(pin), room = OF_MSG_MAX - 4096;

	put_properties(codec, pin, n < room ? n : room, out);
	if (frozen) {
		size_t prop = of_prop_begin(out, PROP_CONTINUATION);
		size_t before;

		wf_buf_put_zeros(out, 4);
		before = out->size;
		of_frozen_encode(frozen, codec->version, out);
		if (out->size > before)
			of_prop_end(out, prop);
		else
			out->size = prop;
	}
	if (pin->userdata_len)
		of_prop_put(out, PROP_USERDATA, pin->userdata, pin->userdata_len);
	of_msg_end(out, start);
}

void
of_packet_in_encode(const struct of_codec *codec, enum of_packet_in_format format,
		    const struct of_packet_in *pin, const struct of_frozen *frozen,
		    struct wf_buf *out)
{
	if (format == OF_PIF_NXT2)
		encode_nxt2(codec, pin, frozen, out);
	else if (format == OF_PIF_NXT)
		encode_nxt(codec, pin, out);
	else
		encode_standard(codec, pin, out);
}

void
of_resume_encode(const struct of_codec *codec, uint32_t xid, const struct of_packet_in *pin,
		 struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_NXT_RESUME, codec->version, xid);
	size_t prop;

	put_properties(codec, pin, pin->packet_len, out);
	prop = of_prop_begin(out, PROP_CONTINUATION);
	wf_buf_put_zeros(out, 4);
	wf_buf_put(out, pin->continuation, pin->continuation_len);
	of_prop_end(out, prop);
	of_msg_end(out, start);
}

static of_err_t
decode_properties(const struct of_codec *codec, const struct of_msg *msg, struct of_packet_in *pin)
{
	const uint8_t *p = msg->body;
	size_t size = msg->body_size;

	while (size > 0) {
		struct of_prop prop;
		uint32_t full_len;
		of_err_t error = of_prop_next(&p, &size, &prop);

		if (error)
			return error;
		switch (prop.vendor ? UINT32_MAX : prop.type) {
		case PROP_PACKET:
			pin->packet = prop.payload;
			pin->packet_len = prop.payload_size;
			break;
		case PROP_FULL_LEN:
			error = of_prop_get_u32(&prop, &full_len);
			if (!error)
				pin->total_len = full_len;
			break;
		case PROP_BUFFER_ID:
			error = of_prop_get_u32(&prop, &pin->buffer_id);
			break;
		case PROP_TABLE_ID:
			error = of_prop_get_u8(&prop, &pin->table);
			break;
		case PROP_COOKIE:
			error = of_prop_get_u64(&prop, &pin->cookie);
			break;
		case PROP_REASON:
			error = of_prop_get_u8(&prop, &pin->reason);
			break;
		case PROP_METADATA:
			error = of_oxm_decode(prop.payload, prop.payload_size,
					      codec->loose ? OF_OXM_LOOSE : 0,
					      codec->tlv_map, &pin->metadata, NULL, NULL);
			break;
		case PROP_USERDATA:
			pin->userdata = prop.payload;
			pin->userdata_len = prop.payload_size;
			break;
		case PROP_CONTINUATION: {
			const uint8_t *nested;

			error = of_prop_get_nested(&prop, &nested, &pin->continuation_len);
			pin->continuation = nested;
			break;
		}
		default:
			error = of_prop_unknown(codec->loose, &prop);
		}
		if (error)
			return error;
	}
	if (!pin->packet_len)
		return OF_ERR_OFPBRC_BAD_LEN;
	if (!pin->total_len)
		pin->total_len = pin->packet_len;
	return pin->total_len >= pin->packet_len ? 0 : OF_ERR_OFPBRC_BAD_LEN;
}

static void
set_in_port(struct of_match_full *m, of_port_t port)
{
	m->key.in_port = port;
	m->mask.in_port = UINT32_MAX;
}

of_err_t
of_packet_in_decode(const struct of_codec *codec, const struct of_msg *msg,
		    struct of_packet_in *pin)
{
	const uint8_t *p = msg->body;
	size_t size = msg->body_size, match_size = 0, head;
	of_err_t error = 0;

	*pin = (struct of_packet_in){ .cookie = UINT64_MAX, .buffer_id = OF_NO_BUFFER,
				      .max_len = UINT16_MAX };
	of_match_init_any(&pin->metadata);
	switch (msg->form) {
	case OF_R_OFPT10_PACKET_IN: {
		const struct packet_in10 *w = (const void *)p;

		head = sizeof(*w);
		set_in_port(&pin->metadata, of_port_from_10(be16toh(w->in_port)));
		pin->reason = w->reason;
		pin->buffer_id = be32toh(w->buffer_id);
		pin->total_len = be16toh(w->total_len);
		break;
	}
	case OF_R_OFPT11_PACKET_IN: {
		const struct packet_in11 *w = (const void *)p;
		of_port_t port;

		head = sizeof(*w);
		error = of_port_from_11(be32toh(w->in_port), &port);
		set_in_port(&pin->metadata, port);
		pin->reason = w->reason;
		pin->table = w->table;
		pin->buffer_id = be32toh(w->buffer_id);
		pin->total_len = be16toh(w->total_len);
		break;
	}
	case OF_R_NXT_PACKET_IN: {
		const struct packet_in_nx *w = (const void *)p;

		error = of_nx_match_decode(w + 1, size - sizeof(*w), be16toh(w->match_len),
					   OF_OXM_LOOSE, codec->tlv_map, &pin->metadata, NULL,
					   NULL, &match_size);
		head = sizeof(*w) + match_size + 2;
		pin->reason = w->reason;
		pin->table = w->table;
		pin->cookie = be64toh(w->cookie);
		pin->buffer_id = be32toh(w->buffer_id);
		pin->total_len = be16toh(w->total_len);
		break;
	}
	case OF_R_OFPT12_PACKET_IN:
	case OF_R_OFPT13_PACKET_IN: {
		const struct packet_in12 *w = (const void *)p;

		head = sizeof(*w);
		if (msg->form == OF_R_OFPT13_PACKET_IN) {
			pin->cookie = get_u64(w + 1);
			head += 8;
		}
		error = of_match_decode(p + head, size - head, msg->version, OF_OXM_LOOSE,
					codec->tlv_map, &pin->metadata, &match_size);
		head += match_size + 2;
		pin->reason = w->reason;
		pin->table = w->table;
		pin->buffer_id = be32toh(w->buffer_id);
		pin->total_len = be16toh(w->total_len);
		break;
	}
	default:
		return decode_properties(codec, msg, pin);
	}
	if (error)
		return error;
	if (head > size)
		return OF_ERR_OFPBRC_BAD_LEN;
	pin->packet = p + head;
	pin->packet_len = size - head;
	return 0;
}

of_err_t
of_resume_decode(const struct of_codec *codec, const struct of_msg *msg, struct of_packet_in *pin,
		 struct of_frozen *frozen, struct wf_buf *store)
{
	of_err_t error = of_packet_in_decode(codec, msg, pin);

	if (!error)
		error = of_frozen_decode(pin->continuation, pin->continuation_len, msg->version,
					 codec->loose, frozen, store);
	return error;
}

WIRE_STRUCT packet_out10 {
	__be32 buffer_id;
	__be16 in_port, actions_len;
};
WIRE_SIZE(struct packet_out10, 8);

WIRE_STRUCT packet_out11 {
	__be32 buffer_id, in_port;
	__be16 actions_len;
	uint8_t pad[6];
};
WIRE_SIZE(struct packet_out11, 16);

WIRE_STRUCT packet_out15 {
	__be32 buffer_id;
	__be16 actions_len;
	uint8_t pad[2];
	/* match */
};
WIRE_SIZE(struct packet_out15, 8);

static void
set_packet_type_eth(struct of_match_full *m)
{
	m->key.packet_type = OF_PT_ETH;
	m->mask.packet_type = UINT32_MAX;
}

of_err_t
of_packet_out_decode(const struct of_codec *codec, const struct of_msg *msg,
		     struct of_packet_out *po, struct wf_buf *actions)
{
	const uint8_t *p = msg->body;
	size_t size = msg->body_size, head, actions_len;
	of_err_t error = 0;

	wf_buf_clear(actions);
	if (msg->form == OF_R_OFPT15_PACKET_OUT) {
		const struct packet_out15 *w = (const void *)p;
		size_t match_size;

		error = of_match_decode(w + 1, size - sizeof(*w), msg->version,
					OF_OXM_LOOSE | OF_OXM_PIPELINE, codec->tlv_map,
					&po->metadata, &match_size);
		if (error)
			return error;
		if (!po->metadata.mask.in_port)
			return OF_ERR_OFPBRC_BAD_PORT;
		po->buffer_id = be32toh(w->buffer_id);
		actions_len = be16toh(w->actions_len);
		head = sizeof(*w) + match_size;
	} else {
		of_port_t port;

		of_match_init_any(&po->metadata);
		set_packet_type_eth(&po->metadata);
		if (msg->form == OF_R_OFPT11_PACKET_OUT) {
			const struct packet_out11 *w = (const void *)p;

			error = of_port_from_11(be32toh(w->in_port), &port);
			if (error)
				return error;
			po->buffer_id = be32toh(w->buffer_id);
			actions_len = be16toh(w->actions_len);
			head = sizeof(*w);
		} else {
			const struct packet_out10 *w = (const void *)p;

			port = of_port_from_10(be16toh(w->in_port));
			po->buffer_id = be32toh(w->buffer_id);
			actions_len = be16toh(w->actions_len);
			head = sizeof(*w);
		}
		set_in_port(&po->metadata, port);
	}
	if (actions_len > size - head)
		return OF_ERR_OFPBRC_BAD_LEN;
	error = of_actions_decode(p + head, actions_len, msg->version, actions);
	if (error)
		return error;

	of_port_t in_port = po->metadata.key.in_port;
	if (in_port >= OF_PORT_MAX && in_port != OF_PORT_LOCAL && in_port != OF_PORT_NONE
	    && in_port != OF_PORT_CONTROLLER)
		return OF_ERR_OFPBRC_BAD_PORT;
	po->actions = actions->data;
	po->actions_size = actions->size;
	po->packet = NULL;
	po->packet_len = 0;
	if (po->buffer_id == OF_NO_BUFFER) {
		po->packet = p + head + actions_len;
		po->packet_len = size - head - actions_len;
	}
	return 0;
}

void
of_packet_out_encode(const struct of_codec *codec, uint32_t xid, const struct of_packet_out *po,
		     struct wf_buf *out)
{
	uint8_t version = codec->version;
	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_PACKET_OUT, version), version, xid);
	size_t body = out->size, actions, len_ofs;

	if (version == OF10_VERSION) {
		struct packet_out10 w = {
			.buffer_id = htobe32(po->buffer_id),
			.in_port = htobe16(of_port_to_10(po->metadata.key.in_port)),
		};

		wf_buf_put(out, &w, sizeof(w));
		len_ofs = offsetof(struct packet_out10, actions_len);
	} else if (version < OF15_VERSION) {
		struct packet_out11 w = {
			.buffer_id = htobe32(po->buffer_id),
			.in_port = htobe32(po->metadata.key.in_port),
		};

		wf_buf_put(out, &w, sizeof(w));
		len_ofs = offsetof(struct packet_out11, actions_len);
	} else {
		struct packet_out15 w = { .buffer_id = htobe32(po->buffer_id) };
		union of_packed_match match;

		wf_buf_put(out, &w, sizeof(w));
		of_match_encode(of_packed_match(&po->metadata, &match), version, codec->tlv_map,
				out);
		len_ofs = offsetof(struct packet_out15, actions_len);
	}
	actions = out->size;
	of_actions_encode(po->actions, po->actions_size, version, out);
	set_u16((uint8_t *)wf_buf_at(out, body) + len_ofs, out->size - actions);
	if (po->buffer_id == OF_NO_BUFFER)
		wf_buf_put(out, po->packet, po->packet_len);
	of_msg_end(out, start);
}
