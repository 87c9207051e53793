/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as "ovs-ofctl ofp-print" writes them, for debug logs.  Not an interface for programs:
 * the messages that people look for in logs have a body, of the others the name tells enough. */
#include "openflow/action.h"
#include "openflow/msg_flow.h"
#include "openflow/msg_packet.h"
#include "openflow/msg_switch.h"
#include "openflow/msg_wire.h"

static const struct of_limits no_limits = { .max_ports = OF_PORT_MAX, .n_tables = 255 };

static void
trim_space(struct wf_str *s)
{
	wf_str_chomp(s, ' ');
}

static void
put_space(struct wf_str *s)
{
	if (s->len && s->s[s->len - 1] != ' ')
		wf_str_putc(s, ' ');
}

static void
flags_format(uint16_t flags, struct wf_str *s)
{
	static const struct {
		uint16_t flag;
		const char *name;
	} names[] = {
		{ OF_FF_SEND_FLOW_REM, "send_flow_rem " },
		{ OF_FF_CHECK_OVERLAP, "check_overlap " },
		{ OF_FF_RESET_COUNTS, "reset_counts " },
		{ OF_FF_NO_PKT_COUNTS, "no_packet_counts " },
		{ OF_FF_NO_BYT_COUNTS, "no_byte_counts " },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & names[i].flag)
			wf_str_put(s, names[i].name);
}

static void
port_format(of_port_t port, struct wf_str *s)
{
	static const char *const names[] = { "UNSET", "IN_PORT", "TABLE", "NORMAL", "FLOOD", "ALL",
					     "CONTROLLER", "LOCAL", "ANY" };

	if (port >= OF_PORT_UNSET)
		wf_str_put(s, names[port - OF_PORT_UNSET]);
	else
		wf_str_fmt(s, "%u", port);
}

static of_err_t
flow_mod_format(const struct of_codec *codec, const struct of_msg *msg, struct wf_str *s)
{
	static const char *const commands[] = { "ADD", "MOD", "MOD_STRICT", "DEL", "DEL_STRICT" };
	struct wf_buf actions = WF_BUF_INIT;
	struct of_flow_mod fm;
	of_err_t error = of_flow_mod_decode(codec, msg, &no_limits, &fm, &actions);

	if (!error) {
		wf_str_fmt(s, " %s", commands[fm.command]);
		if (fm.table)
			wf_str_fmt(s, " table:%u", fm.table);
		wf_str_putc(s, ' ');
		of_match_format(&fm.match, fm.priority, NULL, NULL, s);
		put_space(s);
		if (fm.new_cookie && fm.new_cookie != UINT64_MAX)
			wf_str_fmt(s, "cookie:0x%llx ", (unsigned long long)fm.new_cookie);
		if (fm.cookie_mask)
			wf_str_fmt(s, "cookie:0x%llx/0x%llx ", (unsigned long long)fm.cookie,
				   (unsigned long long)fm.cookie_mask);
		if (fm.idle_timeout)
			wf_str_fmt(s, "idle:%u ", fm.idle_timeout);
		if (fm.hard_timeout)
			wf_str_fmt(s, "hard:%u ", fm.hard_timeout);
		if (fm.importance)
			wf_str_fmt(s, "importance:%u ", fm.importance);
		if (fm.buffer_id != OF_NO_BUFFER)
			wf_str_fmt(s, "buf:0x%x ", fm.buffer_id);
		if (fm.out_port != OF_PORT_ANY) {
			wf_str_put(s, "out_port:");
			port_format(fm.out_port, s);
			wf_str_putc(s, ' ');
		}
		/* 1.0 and 1.1 have no such flag; a reader would wonder. */
		if (msg->version <= OF11_VERSION)
			fm.flags &= ~OF_FF_RESET_COUNTS;
		flags_format(fm.flags, s);
		wf_str_put(s, "actions=");
		of_actions_format(fm.actions, fm.actions_size, NULL, NULL, s);
	}
	wf_buf_done(&actions);
	return error;
}

static of_err_t
packet_in_format(const struct of_codec *codec, const struct of_msg *msg, struct wf_str *s)
{
	static const char *const reasons[] = { "no_match", "action", "invalid_ttl", "action_set",
					       "group", "packet_out", "", "" };
	struct of_packet_in pin;
	of_err_t error = of_packet_in_decode(codec, msg, &pin);

	if (error)
		return error;
	if (pin.table)
		wf_str_fmt(s, " table_id=%u", pin.table);
	if (pin.cookie != UINT64_MAX)
		wf_str_fmt(s, " cookie=0x%llx", (unsigned long long)pin.cookie);
	wf_str_fmt(s, " total_len=%zu ", pin.total_len);
	of_match_format(&pin.metadata, OF_DEFAULT_PRIORITY, NULL, NULL, s);
	if (pin.reason < OF_N_PACKET_IN_REASONS)
		wf_str_fmt(s, " (via %s)", reasons[pin.reason]);
	else
		wf_str_fmt(s, " (via %u)", pin.reason);
	wf_str_fmt(s, " data_len=%zu", pin.packet_len);
	if (pin.buffer_id == OF_NO_BUFFER) {
		wf_str_put(s, " (unbuffered)");
		if (pin.total_len != pin.packet_len)
			wf_str_put(s, " (***total_len != data_len***)");
	} else {
		wf_str_fmt(s, " buffer=0x%08x", pin.buffer_id);
		if (pin.total_len < pin.packet_len)
			wf_str_put(s, " (***total_len < data_len***)");
	}
	wf_str_putc(s, '\n');
	if (pin.userdata_len) {
		wf_str_put(s, " userdata=");
		for (size_t i = 0; i < pin.userdata_len; i++)
			wf_str_fmt(s, "%s%02x", i ? "." : "", ((const uint8_t *)pin.userdata)[i]);
		wf_str_putc(s, '\n');
	}
	return 0;
}

static of_err_t
packet_out_format(const struct of_codec *codec, const struct of_msg *msg, struct wf_str *s)
{
	struct wf_buf actions = WF_BUF_INIT;
	struct of_packet_out po;
	of_err_t error = of_packet_out_decode(codec, msg, &po, &actions);

	if (!error) {
		/* Every packet is Ethernet unless it says otherwise. */
		if (po.metadata.key.packet_type == OF_PT_ETH)
			po.metadata.mask.packet_type = 0;
		wf_str_putc(s, ' ');
		of_match_format(&po.metadata, OF_DEFAULT_PRIORITY, NULL, NULL, s);
		wf_str_put(s, " actions=");
		of_actions_format(po.actions, po.actions_size, NULL, NULL, s);
		if (po.buffer_id == OF_NO_BUFFER)
			wf_str_fmt(s, " data_len=%zu", po.packet_len);
		else
			wf_str_fmt(s, " buffer=0x%08x", po.buffer_id);
		wf_str_putc(s, '\n');
	}
	wf_buf_done(&actions);
	return error;
}

static void
error_format(const struct of_msg *msg, const struct of_tlv_map *map, struct wf_str *s)
{
	struct of_err_code raw;
	const void *payload;
	size_t size;
	of_err_t error = of_error_decode(msg->data, msg->size, &raw, &payload, &size);

	if (!error) {
		wf_str_put(s, " ***decode error: OFPBRC_BAD_LEN***\n");
		return;
	}
	wf_str_fmt(s, " %s\n", of_err_name(error));
	if (error == OF_ERR_OFPHFC_INCOMPATIBLE || error == OF_ERR_OFPHFC_EPERM) {
		const char *text = payload;

		for (size_t i = 0; i < size && text[i]; i++)
			wf_str_putc(s, text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '.');
		wf_str_putc(s, '\n');
	} else if (size >= OF_HEADER_SIZE && msg->data != payload) {
		/* The offending message, which may be cut: name it only. */
		struct of_msg inner;

		if (!of_msg_classify_partial(payload, size, &inner))
			wf_str_fmt(s, "%s%s (xid=0x%x):\n", of_msg_form_name(inner.form),
				   of_version_short_name(inner.version), inner.xid);
		wf_str_hexdump(s, payload, size < 64 ? size : 64, 0);
	}
}

void
of_msg_format(const void *data, size_t size, const struct of_tlv_map *map, struct wf_str *s)
{
	struct of_codec codec = { .tid = true, .loose = true, .tlv_map = map };
	struct of_msg msg;
	uint32_t bitmap;
	of_err_t error;

	if (size < OF_HEADER_SIZE) {
		wf_str_fmt(s, "OpenFlow packet too short (only %zu bytes):\n", size);
		wf_str_hexdump(s, data, size, 0);
		return;
	}
	error = of_msg_classify(data, size, &msg);
	if (!error) {
		codec.version = msg.version;
		wf_str_fmt(s, "%s%s (xid=0x%x):", of_msg_form_name(msg.form),
			   of_version_short_name(msg.version), msg.xid);
		if (of_msg_is_multipart_reply(&msg) && of_msg_more(&msg))
			wf_str_put(s, " flags=[more]");
		switch (msg.id) {
		case OF_M_HELLO:
			of_hello_decode(data, size, &bitmap);
			wf_str_put(s, "\n version bitmap: ");
			for (const char *sep = ""; bitmap; bitmap &= bitmap - 1, sep = ", ")
				wf_str_fmt(s, "%s0x%02x", sep, __builtin_ctz(bitmap));
			break;
		case OF_M_ERROR:
			error_format(&msg, map, s);
			break;
		case OF_M_FLOW_MOD:
			error = flow_mod_format(&codec, &msg, s);
			break;
		case OF_M_PACKET_IN:
		case OF_M_RESUME:
			error = packet_in_format(&codec, &msg, s);
			break;
		case OF_M_PACKET_OUT:
			error = packet_out_format(&codec, &msg, s);
			break;
		case OF_M_ECHO_REQUEST:
		case OF_M_ECHO_REPLY:
			wf_str_fmt(s, " %zu bytes of payload", msg.body_size);
			break;
		default:
			if (msg.body_size)
				wf_str_fmt(s, " %zu bytes", msg.body_size);
		}
	}
	trim_space(s);
	if (error) {
		wf_str_fmt(s, "%s***decode error: %s***\n", msg.id < OF_N_MSG_IDS ? " " : "",
			   of_err_name(error));
		wf_str_hexdump(s, data, size, 0);
	}
	if (s->s[s->len - 1] != '\n')
		wf_str_putc(s, '\n');
}
