/* SPDX-License-Identifier: Apache-2.0 */
/* Flow monitors in their three forms, and requestforward. */
#include "openflow/msg_monitor.h"

#include "openflow/action.h"
#include "openflow/match_wire.h"
#include "openflow/msg_flow_wire.h"
#include "openflow/msg_wire.h"

WIRE_STRUCT monitor_request_nx {
	__be32 id;
	__be16 flags, out_port, match_len;
	uint8_t table, zeros[5];
};
WIRE_SIZE(struct monitor_request_nx, 16);

WIRE_STRUCT monitor_request_onf {
	__be32 id;
	__be16 flags, match_len;
	__be32 out_port;
	uint8_t table, zeros[3];
};
WIRE_SIZE(struct monitor_request_onf, 16);

WIRE_STRUCT monitor_request14 {
	__be32 id, out_port, out_group;
	__be16 flags;
	uint8_t table, command;
};
WIRE_SIZE(struct monitor_request14, 16);

/* The flags of Nicira and ONF are those of 1.4 but for the last: they have no NO_ABBREV. */
#define NX_OWN (1 << 5)
#define NX_FLAGS_ALL 0x3f
#define WHEN_FLAGS (OF_FMF_ADD | OF_FMF_REMOVED | OF_FMF_MODIFY)

static uint16_t
flags_from_nx(uint16_t flags)
{
	return (flags & (NX_OWN - 1)) | (flags & NX_OWN ? OF_FMF_ONLY_OWN : 0);
}

static uint16_t
flags_to_nx(uint16_t flags)
{
	return (flags & (NX_OWN - 1)) | (flags & OF_FMF_ONLY_OWN ? NX_OWN : 0);
}

of_err_t
of_monitor_request_next(const struct of_codec *codec, const struct of_msg *msg, size_t *pos,
			struct of_monitor_request *rq)
{
	const uint8_t *p = msg->body + *pos;
	size_t size = msg->body_size - *pos, used = 0;
	of_err_t error = 0;

	if (!size)
		return OF_EOF;
	/* The fixed part has the same size in all forms. */
	if (size < sizeof(struct monitor_request14))
		return OF_ERR_OFPBRC_BAD_LEN;
	size -= sizeof(struct monitor_request14);
	*rq = (struct of_monitor_request){ .out_group = OF_GROUP_ANY };
	rq->id = get_u32(p);

	if (msg->form == OF_R_OFPST14_FLOW_MONITOR_REQUEST) {
		const struct monitor_request14 *w = (const void *)p;

		rq->command = w->command;
		rq->table = w->table;
		rq->flags = be16toh(w->flags);
		rq->out_group = be32toh(w->out_group);
		if (rq->command > OF_FMC_DELETE)
			return OF_ERR_OFPMOFC_BAD_COMMAND;
		if (rq->command == OF_FMC_DELETE) {
			/* Only the id counts; ovs-ofctl leaves the match out. */
			of_match_init_any(&rq->match);
			if (size)
				error = of_match_decode(w + 1, size, msg->version, 0,
							codec->tlv_map, &rq->match, &used);
		} else {
			if (!(rq->flags & WHEN_FLAGS) || (rq->flags & ~0x7f))
				return OF_ERR_OFPMOFC_BAD_FLAGS;
			error = of_port_from_11(be32toh(w->out_port), &rq->out_port);
			if (!error)
				error = of_match_decode(w + 1, size, msg->version, 0,
							codec->tlv_map, &rq->match, &used);
		}
	} else {
		const struct monitor_request_nx *nx = (const void *)p;
		const struct monitor_request_onf *onf = (const void *)p;
		bool is_nx = msg->form == OF_R_NXST_FLOW_MONITOR_REQUEST;
		uint16_t flags = be16toh(nx->flags);

		if (!(flags & WHEN_FLAGS) || (flags & ~NX_FLAGS_ALL))
			return OF_ERR_OFPMOFC_BAD_FLAGS;
		if (is_nx ? !is_zeros(nx->zeros, sizeof(nx->zeros))
			  : !is_zeros(onf->zeros, sizeof(onf->zeros)))
			return OF_ERR_NXBRC_MUST_BE_ZERO;
		rq->command = OF_FMC_ADD;
		rq->flags = flags_from_nx(flags);
		if (is_nx) {
			rq->table = nx->table;
			rq->out_port = of_port_from_10(be16toh(nx->out_port));
			error = of_nx_match_decode(nx + 1, size, be16toh(nx->match_len), 0,
						   codec->tlv_map, &rq->match, NULL, NULL, &used);
		} else {
			rq->table = onf->table;
			error = of_port_from_11(be32toh(onf->out_port), &rq->out_port);
			if (!error)
				error = of_match_decode(onf + 1, size, msg->version, 0,
							codec->tlv_map, &rq->match, &used);
		}
	}
	*pos += sizeof(struct monitor_request14) + used;
	return error;
}

void
of_monitor_request_encode(const struct of_codec *codec, uint32_t xid,
			  const struct of_monitor_request *rq, struct wf_buf *out)
{
	uint8_t version = codec->version;
	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_FLOW_MONITOR_REQUEST, version),
				    version, xid);
	size_t body = out->size;
	union of_packed_match packed;
	const struct of_match *match = of_packed_match(&rq->match, &packed);

	if (version >= OF14_VERSION) {
		struct monitor_request14 w = {
			.id = htobe32(rq->id),
			.out_port = htobe32(rq->out_port),
			.out_group = htobe32(rq->out_group),
			.flags = htobe16(rq->flags),
			.table = rq->table,
			.command = rq->command,
		};

		wf_buf_put(out, &w, sizeof(w));
		of_match_encode(match, version, codec->tlv_map, out);
	} else if (version == OF13_VERSION) {
		struct monitor_request_onf w = {
			.id = htobe32(rq->id),
			.flags = htobe16(flags_to_nx(rq->flags)),
			.out_port = htobe32(rq->out_port),
			.table = rq->table,
		};

		wf_buf_put_uninit(out, sizeof(w));
		w.match_len = htobe16(of_match_encode(match, version, codec->tlv_map, out));
		memcpy(wf_buf_at(out, body), &w, sizeof(w));
	} else {
		struct monitor_request_nx w = {
			.id = htobe32(rq->id),
			.flags = htobe16(flags_to_nx(rq->flags)),
			.out_port = htobe16(of_port_to_10(rq->out_port)),
			.table = rq->table,
		};

		wf_buf_put_uninit(out, sizeof(w));
		w.match_len = htobe16(of_nx_match_encode(match, codec->tlv_map, 0, 0, out));
		memcpy(wf_buf_at(out, body), &w, sizeof(w));
	}
	of_msg_end(out, start);
}

WIRE_STRUCT update_nx { /* and ONF */
	__be16 length, event;
	__be16 reason, priority, idle_timeout, hard_timeout, match_len;
	uint8_t table, pad;
	__be64 cookie;
};
WIRE_SIZE(struct update_nx, 24);

WIRE_STRUCT update14 {
	__be16 length, event;
	uint8_t table, reason;
	__be16 idle_timeout, hard_timeout, priority;
	uint8_t zeros[4];
	__be64 cookie;
};
WIRE_SIZE(struct update14, 24);

/* Nicira and ONF count the events from ADDED, and have no INITIAL. */
static uint16_t
event_to_nx(uint8_t event)
{
	return event <= OF_FME_ADDED ? 0 : event - 1;
}

void
of_flow_updates_begin(struct of_multipart *mp, const struct of_codec *codec, struct wf_buf *out)
{
	of_multipart_begin_form(mp, out, of_msg_form_for(OF_M_FLOW_MONITOR_REPLY, codec->version),
				codec->version, 0);
}

static void
append_full_nx(uint8_t version, const struct of_codec *codec, const struct of_flow_update *u,
	       struct wf_buf *out)
{
	size_t start = out->size;
	struct update_nx w = {
		.event = htobe16(event_to_nx(u->event)),
		.reason = htobe16(u->reason),
		.priority = htobe16(u->priority),
		.idle_timeout = htobe16(u->idle_timeout),
		.hard_timeout = htobe16(u->hard_timeout),
		.table = u->table,
		.cookie = htobe64(u->cookie),
	};

	wf_buf_put_uninit(out, sizeof(w));
	if (version == OF13_VERSION) {
		w.match_len = htobe16(of_match_encode(u->match, version, codec->tlv_map, out));
		if (u->actions)
			of_instructions_encode(u->actions, u->actions_size, version, out);
	} else {
		w.match_len = htobe16(of_nx_match_encode(u->match, codec->tlv_map, 0, 0, out));
		if (u->actions)
			of_actions_encode(u->actions, u->actions_size, version, out);
	}
	w.length = htobe16(out->size - start);
	memcpy(wf_buf_at(out, start), &w, sizeof(w));
}

static void
append_full_14(uint8_t version, const struct of_codec *codec, const struct of_flow_update *u,
	       struct wf_buf *out)
{
	size_t start = out->size;
	struct update14 w = {
		.event = htobe16(u->event),
		.table = u->table,
		.reason = u->reason,
		.idle_timeout = htobe16(u->idle_timeout),
		.hard_timeout = htobe16(u->hard_timeout),
		.priority = htobe16(u->priority),
		.cookie = htobe64(u->cookie),
	};

	wf_buf_put(out, &w, sizeof(w));
	of_match_encode(u->match, version, codec->tlv_map, out);
	if (u->actions)
		of_instructions_encode(u->actions, u->actions_size, version, out);
	set_u16(wf_buf_at(out, start), out->size - start);
}

void
of_flow_update_append(struct of_multipart *mp, const struct of_codec *codec,
		      const struct of_flow_update *u)
{
	bool is_14 = mp->version >= OF14_VERSION;

	of_multipart_item_begin(mp);
	if (u->event >= OF_FME_ABBREV) {
		put_u16(mp->out, 8);
		put_u16(mp->out, is_14 ? u->event : event_to_nx(u->event));
		put_u32(mp->out, u->event == OF_FME_ABBREV ? u->xid : 0);
	} else if (is_14) {
		append_full_14(mp->version, codec, u, mp->out);
	} else {
		append_full_nx(mp->version, codec, u, mp->out);
	}
	of_multipart_item_end(mp);
}

of_err_t
of_flow_update_next(const struct of_codec *codec, const struct of_msg *msg, size_t *pos,
		    struct of_flow_update *u, struct wf_buf *store)
{
	const uint8_t *p = msg->body + *pos;
	size_t size = msg->body_size - *pos, used, head = sizeof(struct update14);
	bool is_14 = msg->form == OF_R_OFPST14_FLOW_MONITOR_REPLY;
	bool is_nx = msg->form == OF_R_NXST_FLOW_MONITOR_REPLY;
	struct of_match_full match;
	of_err_t error;

	wf_buf_clear(store);
	if (!size)
		return OF_EOF;
	if (size < 8)
		return OF_ERR_OFPBRC_BAD_LEN;
	size_t length = get_u16(p);
	uint16_t event = get_u16(p + 2);
	if (length < 8 || length > size || length % 8)
		return OF_ERR_OFPBRC_BAD_LEN;
	if (event > (is_14 ? OF_FME_RESUMED : event_to_nx(OF_FME_ABBREV)))
		return OF_ERR_NXBRC_FM_BAD_EVENT;
	*u = (struct of_flow_update){ .event = is_14 ? event : event + 1 };
	*pos += length;
	if (u->event >= OF_FME_ABBREV) {
		u->xid = get_u32(p + 4);
		return length == 8 ? 0 : OF_ERR_OFPBRC_BAD_LEN;
	}
	if (length < head)
		return OF_ERR_OFPBRC_BAD_LEN;
	if (is_14) {
		const struct update14 *w = (const void *)p;

		u->reason = w->reason;
		u->table = w->table;
		u->idle_timeout = be16toh(w->idle_timeout);
		u->hard_timeout = be16toh(w->hard_timeout);
		u->priority = be16toh(w->priority);
		u->cookie = be64toh(w->cookie);
	} else {
		const struct update_nx *w = (const void *)p;

		u->reason = be16toh(w->reason);
		u->table = w->table;
		u->idle_timeout = be16toh(w->idle_timeout);
		u->hard_timeout = be16toh(w->hard_timeout);
		u->priority = be16toh(w->priority);
		u->cookie = be64toh(w->cookie);
	}
	error = is_nx ? of_nx_match_decode(p + head, length - head,
					   be16toh(((const struct update_nx *)p)->match_len), 0,
					   codec->tlv_map, &match, NULL, NULL, &used)
		      : of_match_decode(p + head, length - head, msg->version, 0, codec->tlv_map,
					&match, &used);
	if (error)
		return error;

	struct wf_buf list = WF_BUF_INIT;
	p += head + used;
	length -= head + used;
	error = (is_nx ? of_actions_decode : of_instructions_decode)(p, length, msg->version,
								     &list);
	if (!error) {
		of_match_store(&match, store);
		size_t actions = store->size;
		wf_buf_put(store, list.data, list.size);
		u->match = wf_buf_at(store, 0);
		u->actions = wf_buf_at(store, actions);
		u->actions_size = list.size;
	}
	wf_buf_done(&list);
	return error;
}

of_err_t
of_monitor_cancel_decode(const struct of_msg *msg, uint32_t *id)
{
	*id = get_u32(msg->body);
	return 0;
}

void
of_monitor_cancel_encode(const struct of_codec *codec, uint32_t xid, uint32_t id,
			 struct wf_buf *out)
{
	enum of_msg_form form = of_msg_form_for(OF_M_FLOW_MONITOR_CANCEL, codec->version);

	if (form == OF_N_MSG_FORMS) {
		struct of_monitor_request rq = { .id = id, .command = OF_FMC_DELETE };

		of_match_init_any(&rq.match);
		of_monitor_request_encode(codec, xid, &rq, out);
		return;
	}
	size_t start = of_msg_begin(out, form, codec->version, xid);
	put_u32(out, id);
	of_msg_end(out, start);
}

void
of_monitor_pause_encode(const struct of_codec *codec, bool resumed, struct wf_buf *out)
{
	if (codec->version >= OF14_VERSION) {
		struct of_flow_update u = { .event = resumed ? OF_FME_RESUMED : OF_FME_PAUSED };
		struct of_multipart mp;

		of_flow_updates_begin(&mp, codec, out);
		of_flow_update_append(&mp, codec, &u);
		of_multipart_end(&mp);
	} else {
		of_msg_encode_empty(out,
				    resumed ? OF_M_FLOW_MONITOR_RESUMED
					    : OF_M_FLOW_MONITOR_PAUSED,
				    codec->version, 0);
	}
}

bool
of_requestforward_encode(const struct of_codec *codec, const struct of_requestforward *rf,
			 struct wf_buf *out)
{
	/* A message that the version does not have cannot be forwarded. */
	if (rf->meter_mod && codec->version < OF13_VERSION)
		return false;

	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_REQUESTFORWARD, codec->version),
				    codec->version, 0);
	if (rf->group_mod)
		of_group_mod_encode(codec, rf->xid, rf->group_mod, rf->new_buckets,
				    rf->n_new_buckets, rf->group_existed, out);
	else
		of_meter_mod_encode(codec->version, rf->xid, rf->meter_mod, out);
	of_msg_end(out, start);
	return true;
}
