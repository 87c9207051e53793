/* SPDX-License-Identifier: Apache-2.0 */
/* flow_mod and flow_removed, and what OpenFlow 1.0 needs to choose their form. */
#include "openflow/msg_flow.h"

#include "openflow/action.h"
#include "openflow/match_wire.h"
#include "openflow/msg_flow_wire.h"
#include "openflow/msg_wire.h"

WIRE_STRUCT flow_mod10 {
	struct ofp10_match match;
	__be64 cookie;
	__be16 command;
	__be16 idle_timeout, hard_timeout, priority;
	__be32 buffer_id;
	__be16 out_port, flags;
};
WIRE_SIZE(struct flow_mod10, 64);

WIRE_STRUCT flow_mod11 {
	__be64 cookie, cookie_mask;
	uint8_t table, command;
	__be16 idle_timeout, hard_timeout, priority;
	__be32 buffer_id, out_port, out_group;
	__be16 flags, importance;
};
WIRE_SIZE(struct flow_mod11, 40);

WIRE_STRUCT flow_mod_nx {
	__be64 cookie;
	__be16 command;
	__be16 idle_timeout, hard_timeout, priority;
	__be32 buffer_id;
	__be16 out_port, flags, match_len;
	uint8_t pad[6];
};
WIRE_SIZE(struct flow_mod_nx, 32);

/* Flag bits on the wire and the first and last version in which they mean this. */
static const struct {
	uint16_t wire;
	uint8_t first, last;
	uint16_t flag;
} flow_flags[] = {
	{ 1 << 0, OF10_VERSION, OF15_VERSION, OF_FF_SEND_FLOW_REM },
	{ 1 << 1, OF10_VERSION, OF15_VERSION, OF_FF_CHECK_OVERLAP },
	{ 1 << 2, OF10_VERSION, OF10_VERSION, OF_FF_EMERG },
	{ 1 << 2, OF12_VERSION, OF15_VERSION, OF_FF_RESET_COUNTS },
	{ 1 << 3, OF13_VERSION, OF15_VERSION, OF_FF_NO_PKT_COUNTS },
	{ 1 << 4, OF13_VERSION, OF15_VERSION, OF_FF_NO_BYT_COUNTS },
};

of_err_t
of_flow_flags_from_wire(uint16_t wire, int command, uint8_t version, uint16_t *flags)
{
	*flags = 0;
	for (size_t i = 0; i < sizeof(flow_flags) / sizeof(flow_flags[0]); i++) {
		if ((wire & flow_flags[i].wire) && version >= flow_flags[i].first
		    && version <= flow_flags[i].last) {
			wire &= ~flow_flags[i].wire;
			*flags |= flow_flags[i].flag;
		}
	}
	/* Before 1.2 an add always resets the counters and nothing else ever does. */
	if (version <= OF11_VERSION && command == OF_FC_ADD)
		*flags |= OF_FF_RESET_COUNTS;
	return wire ? OF_ERR_OFPFMFC_BAD_FLAGS : 0;
}

uint16_t
of_flow_flags_to_wire(uint16_t flags, uint8_t version)
{
	uint16_t wire = 0;

	for (size_t i = 0; i < sizeof(flow_flags) / sizeof(flow_flags[0]); i++)
		if ((flags & flow_flags[i].flag) && version >= flow_flags[i].first
		    && version <= flow_flags[i].last)
			wire |= flow_flags[i].wire;
	return wire;
}

/* Fields of the standard flow_mod of 1.1 and later; '*used' takes the size before the
 * instructions. */
static of_err_t
decode_11(const struct of_codec *codec, const struct of_msg *msg, struct of_flow_mod *fm,
	  uint16_t *wire_flags, size_t *used)
{
	const struct flow_mod11 *w = (const void *)msg->body;
	size_t match_size;
	of_err_t error;

	error = of_match_decode(w + 1, msg->body_size - sizeof(*w), msg->version, 0,
				codec->tlv_map, &fm->match, &match_size);
	if (error)
		return error;
	fm->priority = be16toh(w->priority);
	fm->command = w->command;

	bool is_modify = w->command == OF_FC_MODIFY || w->command == OF_FC_MODIFY_STRICT;
	bool is_delete = w->command == OF_FC_DELETE || w->command == OF_FC_DELETE_STRICT;
	/* In 1.1 alone a modify that matches no cookie adds the flow if there is none. */
	if (w->command == OF_FC_ADD
	    || (msg->version == OF11_VERSION && is_modify && !w->cookie_mask)) {
		fm->cookie = fm->cookie_mask = 0;
		fm->new_cookie = be64toh(w->cookie);
	} else {
		fm->cookie = be64toh(w->cookie);
		fm->cookie_mask = be64toh(w->cookie_mask);
		fm->new_cookie = UINT64_MAX;
	}
	fm->modify_cookie = false;

	/* 1.1 has no "all tables"; later versions have it for deletes. */
	fm->table = w->table;
	if (fm->table == OF_TABLE_ALL && (msg->version == OF11_VERSION || !is_delete))
		return OF_ERR_OFPFMFC_BAD_TABLE_ID;
	fm->idle_timeout = be16toh(w->idle_timeout);
	fm->hard_timeout = be16toh(w->hard_timeout);
	fm->importance = msg->version >= OF14_VERSION && w->command == OF_FC_ADD
				 ? be16toh(w->importance)
				 : 0;
	fm->buffer_id = be32toh(w->buffer_id);
	error = of_port_from_11(be32toh(w->out_port), &fm->out_port);
	if (error)
		return error;
	fm->out_group = is_delete ? be32toh(w->out_group) : OF_GROUP_ANY;
	*wire_flags = be16toh(w->flags);
	*used = sizeof(*w) + match_size;
	return 0;
}

static of_err_t
decode_10(const struct of_msg *msg, struct of_flow_mod *fm, uint16_t *command,
	  uint16_t *wire_flags, size_t *used)
{
	const struct flow_mod10 *w = (const void *)msg->body;
	of_err_t error = of_match_decode_10(&w->match, &fm->match);

	if (error)
		return error;
	of_match_normalize(&fm->match);
	/* Section 3.4: a rule without wildcards has the highest priority. */
	fm->priority = w->match.wildcards & htobe32(OF10_WILDCARDS_ALL) ? be16toh(w->priority)
									 : UINT16_MAX;
	*command = be16toh(w->command);
	fm->cookie = fm->cookie_mask = 0;
	fm->new_cookie = be64toh(w->cookie);
	fm->idle_timeout = be16toh(w->idle_timeout);
	fm->hard_timeout = be16toh(w->hard_timeout);
	fm->buffer_id = be32toh(w->buffer_id);
	fm->out_port = of_port_from_10(be16toh(w->out_port));
	*wire_flags = be16toh(w->flags);
	*used = sizeof(*w);
	return 0;
}

static of_err_t
decode_nx(const struct of_codec *codec, const struct of_msg *msg, struct of_flow_mod *fm,
	  uint16_t *command, uint16_t *wire_flags, size_t *used)
{
	const struct flow_mod_nx *w = (const void *)msg->body;
	size_t match_size;
	of_err_t error;

	error = of_nx_match_decode(w + 1, msg->body_size - sizeof(*w), be16toh(w->match_len), 0,
				   codec->tlv_map, &fm->match, &fm->cookie, &fm->cookie_mask,
				   &match_size);
	if (error)
		return error;
	*command = be16toh(w->command);
	/* An add sets a cookie; it cannot match one as well. */
	if ((*command & 0xff) == OF_FC_ADD && fm->cookie_mask)
		return OF_ERR_NXBRC_NXM_INVALID;
	fm->priority = be16toh(w->priority);
	fm->new_cookie = be64toh(w->cookie);
	fm->idle_timeout = be16toh(w->idle_timeout);
	fm->hard_timeout = be16toh(w->hard_timeout);
	fm->buffer_id = be32toh(w->buffer_id);
	fm->out_port = of_port_from_10(be16toh(w->out_port));
	*wire_flags = be16toh(w->flags);
	*used = sizeof(*w) + match_size;
	return 0;
}

/* The conntrack tuple's addresses are of the packet's IP version. */
static bool
ct_tuple_is_consistent(const struct of_match_full *m)
{
	if ((m->mask.ct_nw_src || m->mask.ct_nw_dst) && m->key.dl_type != htobe16(0x0800))
		return false;
	if ((!is_zeros(&m->mask.ct_ipv6_src, 16) || !is_zeros(&m->mask.ct_ipv6_dst, 16))
	    && m->key.dl_type != htobe16(0x86dd))
		return false;
	return true;
}

of_err_t
of_flow_mod_decode(const struct of_codec *codec, const struct of_msg *msg,
		   const struct of_limits *limits, struct of_flow_mod *fm, struct wf_buf *actions)
{
	uint16_t wire_flags = 0, command = 0;
	size_t used = 0;
	of_err_t error;

	wf_buf_clear(actions);
	if (msg->form == OF_R_OFPT11_FLOW_MOD) {
		error = decode_11(codec, msg, fm, &wire_flags, &used);
		if (error)
			return error;
	} else {
		fm->importance = 0;
		fm->out_group = OF_GROUP_ANY;
		error = msg->form == OF_R_OFPT10_FLOW_MOD
				? decode_10(msg, fm, &command, &wire_flags, &used)
				: decode_nx(codec, msg, fm, &command, &wire_flags, &used);
		if (error)
			return error;
		fm->modify_cookie = fm->new_cookie != UINT64_MAX;
		/* Later versions always have what NXT_FLOW_MOD_TABLE_ID asks for. */
		if (codec->tid || msg->version > OF10_VERSION) {
			fm->command = command & 0xff;
			fm->table = command >> 8;
		} else {
			fm->command = command <= 0xff ? command : 0xff;
			fm->table = OF_TABLE_ALL;
		}
	}
	if (!ct_tuple_is_consistent(&fm->match))
		return OF_ERR_OFPBAC_MATCH_INCONSISTENT;
	if (fm->command > OF_FC_DELETE_STRICT)
		return OF_ERR_OFPFMFC_BAD_COMMAND;

	error = of_instructions_decode(
		msg->body + used, msg->body_size - used, msg->version, actions);
	if (error)
		return error;
	error = of_flow_flags_from_wire(wire_flags, fm->command, msg->version, &fm->flags);
	if (error)
		return error;
	/* The emergency table of 1.0 is optional and went in 1.1.  The standard has an error
	 * for timeouts in it; otherwise the table is as full as it can be. */
	if (fm->flags & OF_FF_EMERG)
		return fm->idle_timeout || fm->hard_timeout ? OF_ERR_OFPFMFC_BAD_EMERG_TIMEOUT
							    : OF_ERR_OFPFMFC_TABLE_FULL;

	struct of_action_check check = {
		.version = msg->version,
		.table = fm->table,
		.n_tables = limits->n_tables,
		.max_ports = limits->max_ports,
	};
	error = of_actions_check(actions->data, actions->size, &fm->match, &check);
	fm->actions = actions->data;
	fm->actions_size = actions->size;
	return error;
}

static uint16_t
command_with_table(const struct of_codec *codec, const struct of_flow_mod *fm)
{
	return codec->tid ? fm->command | fm->table << 8 : fm->command;
}

static void
encode_mod_11(const struct of_codec *codec, uint32_t xid, const struct of_flow_mod *fm,
	      struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_OFPT11_FLOW_MOD, codec->version, xid);
	bool is_modify = fm->command == OF_FC_MODIFY || fm->command == OF_FC_MODIFY_STRICT;
	bool is_delete = fm->command == OF_FC_DELETE || fm->command == OF_FC_DELETE_STRICT;
	bool sets_cookie = fm->command == OF_FC_ADD
			   || (codec->version == OF11_VERSION && is_modify && !fm->cookie_mask);
	bool all_tables = fm->table == OF_TABLE_ALL
			  && (codec->version == OF11_VERSION || !is_delete);
	struct flow_mod11 w = {
		.cookie = htobe64(sets_cookie ? fm->new_cookie : fm->cookie & fm->cookie_mask),
		.cookie_mask = htobe64(fm->cookie_mask),
		.table = all_tables ? 0 : fm->table,
		.command = fm->command,
		.idle_timeout = htobe16(fm->idle_timeout),
		.hard_timeout = htobe16(fm->hard_timeout),
		.priority = htobe16(fm->priority),
		.buffer_id = htobe32(fm->buffer_id),
		.out_port = htobe32(fm->out_port),
		.out_group = htobe32(fm->out_group),
		.flags = htobe16(of_flow_flags_to_wire(fm->flags, codec->version)),
		.importance = codec->version >= OF14_VERSION && fm->command == OF_FC_ADD
				      ? htobe16(fm->importance)
				      : 0,
	};
	union of_packed_match match;

	wf_buf_put(out, &w, sizeof(w));
	of_match_encode(of_packed_match(&fm->match, &match), codec->version, codec->tlv_map, out);
	of_instructions_encode(fm->actions, fm->actions_size, codec->version, out);
	of_msg_end(out, start);
}

static void
encode_mod_10(const struct of_codec *codec, uint32_t xid, const struct of_flow_mod *fm,
	      struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_OFPT10_FLOW_MOD, OF10_VERSION, xid);
	struct flow_mod10 w = {
		.cookie = htobe64(fm->new_cookie),
		.command = htobe16(command_with_table(codec, fm)),
		.idle_timeout = htobe16(fm->idle_timeout),
		.hard_timeout = htobe16(fm->hard_timeout),
		.priority = htobe16(fm->priority),
		.buffer_id = htobe32(fm->buffer_id),
		.out_port = htobe16(of_port_to_10(fm->out_port)),
		.flags = htobe16(of_flow_flags_to_wire(fm->flags, OF10_VERSION)),
	};

	of_match_encode_10(&fm->match, &w.match);
	wf_buf_put(out, &w, sizeof(w));
	of_actions_encode(fm->actions, fm->actions_size, OF10_VERSION, out);
	of_msg_end(out, start);
}

static void
encode_mod_nx(const struct of_codec *codec, uint32_t xid, const struct of_flow_mod *fm,
	      struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_NXT_FLOW_MOD, OF10_VERSION, xid);
	size_t body = out->size;
	struct flow_mod_nx w = {
		.cookie = htobe64(fm->new_cookie),
		.command = htobe16(command_with_table(codec, fm)),
		.idle_timeout = htobe16(fm->idle_timeout),
		.hard_timeout = htobe16(fm->hard_timeout),
		.priority = htobe16(fm->priority),
		.buffer_id = htobe32(fm->buffer_id),
		.out_port = htobe16(of_port_to_10(fm->out_port)),
		.flags = htobe16(of_flow_flags_to_wire(fm->flags, OF10_VERSION)),
	};
	union of_packed_match match;

	wf_buf_put_uninit(out, sizeof(w));
	w.match_len = htobe16(of_nx_match_encode(of_packed_match(&fm->match, &match),
						 codec->tlv_map, fm->cookie, fm->cookie_mask, out));
	memcpy(wf_buf_at(out, body), &w, sizeof(w));
	of_actions_encode(fm->actions, fm->actions_size, OF10_VERSION, out);
	of_msg_end(out, start);
}

void
of_flow_mod_encode(const struct of_codec *codec, uint32_t xid, const struct of_flow_mod *fm,
		   struct wf_buf *out)
{
	if (codec->version > OF10_VERSION)
		encode_mod_11(codec, xid, fm, out);
	else if (codec->nxm)
		encode_mod_nx(codec, xid, fm, out);
	else
		encode_mod_10(codec, xid, fm, out);
}

WIRE_STRUCT flow_removed10 {
	struct ofp10_match match;
	__be64 cookie;
	__be16 priority;
	uint8_t reason, pad;
	__be32 duration_s, duration_ns;
	__be16 idle_timeout;
	uint8_t pad2[2];
	__be64 n_packets, n_bytes;
};
WIRE_SIZE(struct flow_removed10, 80);

WIRE_STRUCT flow_removed11 {
	__be64 cookie;
	__be16 priority;
	uint8_t reason, table;
	__be32 duration_s, duration_ns;
	__be16 idle_timeout, hard_timeout; /* the Nicira form has match_len for the second */
	__be64 n_packets, n_bytes;
};
WIRE_SIZE(struct flow_removed11, 40);

WIRE_STRUCT flow_removed15 {
	uint8_t table, reason;
	__be16 priority, idle_timeout, hard_timeout;
	__be64 cookie;
};
WIRE_SIZE(struct flow_removed15, 16);

static void
encode_removed_11(const struct of_codec *codec, const struct of_flow_removed *fr, uint8_t reason,
		  struct wf_buf *out)
{
	bool nx = codec->version == OF10_VERSION;
	size_t start = of_msg_begin(out, nx ? OF_R_NXT_FLOW_REMOVED : OF_R_OFPT11_FLOW_REMOVED,
				    codec->version, 0);
	size_t body = out->size;
	struct flow_removed11 w = {
		.cookie = htobe64(fr->cookie),
		.priority = htobe16(fr->priority),
		.reason = reason,
		.table = nx ? fr->table + 1 : fr->table,
		.duration_s = htobe32(fr->duration_s),
		.duration_ns = htobe32(fr->duration_ns),
		.idle_timeout = htobe16(fr->idle_timeout),
		.hard_timeout = htobe16(fr->hard_timeout),
		.n_packets = htobe64(fr->n_packets),
		.n_bytes = htobe64(fr->n_bytes),
	};

	wf_buf_put_uninit(out, sizeof(w));
	if (nx)
		w.hard_timeout = htobe16(of_nx_match_encode(fr->match, codec->tlv_map, 0, 0, out));
	else
		of_match_encode(fr->match, codec->version, codec->tlv_map, out);
	memcpy(wf_buf_at(out, body), &w, sizeof(w));
	of_msg_end(out, start);
}

void
of_flow_removed_encode(const struct of_codec *codec, const struct of_flow_removed *fr,
		       struct wf_buf *out)
{
	uint8_t reason = fr->reason;

	/* METER_DELETE came in 1.4. */
	if (reason == OF_FRR_METER_DELETE && codec->version < OF14_VERSION)
		reason = OF_FRR_DELETE;

	if (codec->version >= OF15_VERSION) {
		size_t start = of_msg_begin(out, OF_R_OFPT15_FLOW_REMOVED, codec->version, 0);
		struct flow_removed15 w = {
			.table = fr->table,
			.reason = reason,
			.priority = htobe16(fr->priority),
			.idle_timeout = htobe16(fr->idle_timeout),
			.hard_timeout = htobe16(fr->hard_timeout),
			.cookie = htobe64(fr->cookie),
		};
		struct of_oxs oxs = of_oxs_none;

		oxs.duration_s = fr->duration_s;
		oxs.duration_ns = fr->duration_ns;
		oxs.n_packets = fr->n_packets;
		oxs.n_bytes = fr->n_bytes;
		wf_buf_put(out, &w, sizeof(w));
		of_match_encode(fr->match, codec->version, codec->tlv_map, out);
		of_oxs_encode(&oxs, out);
		of_msg_end(out, start);
	} else if (codec->version > OF10_VERSION || codec->nxm) {
		encode_removed_11(codec, fr, reason, out);
	} else {
		size_t start = of_msg_begin(out, OF_R_OFPT10_FLOW_REMOVED, codec->version, 0);
		struct flow_removed10 w = {
			.cookie = htobe64(fr->cookie),
			.priority = htobe16(fr->priority),
			.reason = reason,
			.duration_s = htobe32(fr->duration_s),
			.duration_ns = htobe32(fr->duration_ns),
			.idle_timeout = htobe16(fr->idle_timeout),
			.n_packets = htobe64(of_known_or_zero(fr->n_packets)),
			.n_bytes = htobe64(of_known_or_zero(fr->n_bytes)),
		};
		struct of_match_full full;

		of_match_unpack(fr->match, &full);
		of_match_encode_10(&full, &w.match);
		wf_buf_put(out, &w, sizeof(w));
		of_msg_end(out, start);
	}
}

const struct of_match *
of_match_store(const struct of_match_full *full, struct wf_buf *store)
{
	size_t start = store->size;
	size_t room = sizeof(union of_packed_match);

	wf_buf_put_uninit(store, room);
	store->size = start + of_match_pack_into(full, wf_buf_at(store, start), room);
	wf_buf_pad(store, 8);
	return wf_buf_at(store, start);
}

of_err_t
of_flow_removed_decode(const struct of_codec *codec, const struct of_msg *msg,
		       struct of_flow_removed *fr, struct wf_buf *store)
{
	struct of_match_full match;
	size_t match_size;
	of_err_t error;

	wf_buf_clear(store);
	*fr = (struct of_flow_removed){ .table = 255 };
	if (msg->form == OF_R_OFPT15_FLOW_REMOVED) {
		const struct flow_removed15 *w = (const void *)msg->body;
		struct of_oxs oxs;
		size_t rest = msg->body_size - sizeof(*w), oxs_size;

		error = of_match_decode(w + 1, rest, msg->version, 0, codec->tlv_map, &match,
					&match_size);
		if (!error)
			error = of_oxs_decode((const uint8_t *)(w + 1) + match_size,
					      rest - match_size, &oxs, &oxs_size);
		if (error)
			return error;
		fr->cookie = be64toh(w->cookie);
		fr->priority = be16toh(w->priority);
		fr->reason = w->reason;
		fr->table = w->table;
		fr->idle_timeout = be16toh(w->idle_timeout);
		fr->hard_timeout = be16toh(w->hard_timeout);
		fr->duration_s = oxs.duration_s;
		fr->duration_ns = oxs.duration_ns;
		fr->n_packets = oxs.n_packets;
		fr->n_bytes = oxs.n_bytes;
	} else if (msg->form == OF_R_OFPT10_FLOW_REMOVED) {
		const struct flow_removed10 *w = (const void *)msg->body;

		error = of_match_decode_10(&w->match, &match);
		if (error)
			return error;
		fr->cookie = be64toh(w->cookie);
		fr->priority = be16toh(w->priority);
		fr->reason = w->reason;
		fr->duration_s = be32toh(w->duration_s);
		fr->duration_ns = be32toh(w->duration_ns);
		fr->idle_timeout = be16toh(w->idle_timeout);
		fr->n_packets = be64toh(w->n_packets);
		fr->n_bytes = be64toh(w->n_bytes);
	} else {
		const struct flow_removed11 *w = (const void *)msg->body;
		size_t rest = msg->body_size - sizeof(*w);
		bool nx = msg->form == OF_R_NXT_FLOW_REMOVED;

		error = nx ? of_nx_match_decode(w + 1, rest, be16toh(w->hard_timeout), 0,
						codec->tlv_map, &match, NULL, NULL, &match_size)
			   : of_match_decode(w + 1, rest, msg->version, 0, codec->tlv_map, &match,
					     &match_size);
		if (error)
			return error;
		if (nx && match_size != rest)
			return OF_ERR_OFPBRC_BAD_LEN;
		fr->cookie = be64toh(w->cookie);
		fr->priority = be16toh(w->priority);
		fr->reason = w->reason;
		fr->table = nx ? (uint8_t)(w->table - 1) : w->table;
		fr->duration_s = be32toh(w->duration_s);
		fr->duration_ns = be32toh(w->duration_ns);
		fr->idle_timeout = be16toh(w->idle_timeout);
		fr->hard_timeout = nx ? 0 : be16toh(w->hard_timeout);
		fr->n_packets = be64toh(w->n_packets);
		fr->n_bytes = be64toh(w->n_bytes);
	}
	fr->match = of_match_store(&match, store);
	return 0;
}

of_err_t
of_set_flow_format_decode(const struct of_msg *msg, bool *nxm)
{
	uint32_t format = get_u32(msg->body);

	/* NXFF_OPENFLOW10 and NXFF_NXM. */
	if (format != 0 && format != 2)
		return OF_ERR_OFPBRC_EPERM;
	*nxm = format == 2;
	return 0;
}

void
of_set_flow_format_encode(uint32_t xid, bool nxm, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_NXT_SET_FLOW_FORMAT, OF10_VERSION, xid);

	put_u32(out, nxm ? 2 : 0);
	of_msg_end(out, start);
}

of_err_t
of_flow_mod_table_id_decode(const struct of_msg *msg, bool *tid)
{
	*tid = msg->body[0] != 0;
	return 0;
}

void
of_flow_mod_table_id_encode(uint8_t version, uint32_t xid, bool tid, struct wf_buf *out)
{
	size_t start = of_msg_begin(out, OF_R_NXT_FLOW_MOD_TABLE_ID, version, xid);
	uint8_t body[8] = { tid };

	wf_buf_put(out, body, sizeof(body));
	of_msg_end(out, start);
}
