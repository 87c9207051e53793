/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in the log (module vconn, level DBG) in the words of ovs-ofctl: where people look first
 * when a controller and a switch disagree. */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <string.h>

#include "openflow/msg_bundle.h"

static void
put_flags(struct wf_str *s, unsigned flags)
{
	wf_str_fmt(s, " flags=%s%s%s", flags & OF_BF_ATOMIC ? "atomic" : "",
		   flags & OF_BF_ATOMIC && flags & OF_BF_ORDERED ? " " : "",
		   flags & OF_BF_ORDERED ? "ordered" : flags & OF_BF_ATOMIC ? "" : "0");
}

static void
put_id(struct wf_str *s, uint32_t id)
{
	wf_str_fmt(s, id ? "\n bundle_id=0x%x" : "\n bundle_id=%u", id);
}

static void
put_bundle_ctrl(struct wf_str *s, const struct of_msg *m)
{
	static const char *const types[] = {
		"OPEN_REQUEST", "OPEN_REPLY", "CLOSE_REQUEST", "CLOSE_REPLY", "COMMIT_REQUEST",
		"COMMIT_REPLY", "DISCARD_REQUEST", "DISCARD_REPLY",
	};
	struct of_bundle_ctrl ctrl;

	if (of_bundle_ctrl_decode(m, &ctrl))
		return;
	put_id(s, ctrl.bundle);
	wf_str_fmt(s, " type=%s", ctrl.type < 8 ? types[ctrl.type] : "?");
	put_flags(s, ctrl.flags);
}

static void
put_bundle_add(struct wf_str *s, const struct of_msg *m, const struct of_tlv_map *map)
{
	struct of_bundle_add add;

	if (of_bundle_add_decode(m, &add))
		return;
	put_id(s, add.bundle);
	put_flags(s, add.flags);
	wf_str_putc(s, '\n');
	of_msg_format(add.msg.data, add.msg.size, map, s);
}

static void
put_hello(struct wf_str *s, const struct of_msg *m)
{
	uint32_t versions;
	bool first = true;

	of_hello_decode(m->data, m->size, &versions);
	wf_str_put(s, "\n version bitmap: ");
	for (unsigned v = 1; v < 32; v++)
		if (versions >> v & 1) {
			wf_str_fmt(s, "%s0x%02x", first ? "" : ", ", v);
			first = false;
		}
}

static void
put_flows(struct wf_str *s, const struct of_codec *codec, const struct of_msg *m)
{
	static struct wf_buf store;
	static struct of_match_full full;
	struct of_flow_stats fs;
	size_t pos = 0;

	while (!of_flow_stats_next(codec, m, &pos, &fs, &store)) {
		wf_str_fmt(s, "\n cookie=0x%llx, duration=%u.%03us, table=%u, n_packets=%llu, "
			   "n_bytes=%llu, ", (unsigned long long)fs.cookie, fs.duration_s,
			   fs.duration_ns / 1000000, fs.table, (unsigned long long)fs.n_packets,
			   (unsigned long long)fs.n_bytes);
		if (fs.idle_timeout)
			wf_str_fmt(s, "idle_timeout=%u, ", fs.idle_timeout);
		if (fs.hard_timeout)
			wf_str_fmt(s, "hard_timeout=%u, ", fs.hard_timeout);
		if (fs.flags & OF_FF_SEND_FLOW_REM)
			wf_str_put(s, "send_flow_rem ");
		if (fs.flags & OF_FF_RESET_COUNTS)
			wf_str_put(s, "reset_counts ");
		if (fs.importance)
			wf_str_fmt(s, "importance=%u, ", fs.importance);
		if (fs.idle_age >= 0)
			wf_str_fmt(s, "idle_age=%d, ", fs.idle_age);
		of_match_unpack(fs.match, &full);
		of_match_format(&full, fs.priority, NULL, NULL, s);
		if (s->s[s->len - 1] != ' ')
			wf_str_putc(s, ' ');
		wf_str_put(s, "actions=");
		of_actions_format(fs.actions, fs.actions_size, NULL, NULL, s);
	}
}

char *
of_debug_text(const struct of_conn *c, const uint8_t *data, size_t size)
{
	struct wf_str s = WF_STR_INIT;
	struct of_msg m = { .id = OF_N_MSG_IDS };
	of_err_t err = of_msg_classify(data, size, &m);

	of_msg_format(data, size, &c->sw->tlv_map, &s);
	if (!err && m.id == OF_M_SET_FLOW_FORMAT && s.len) {
		bool nxm;

		of_set_flow_format_decode(&m, &nxm);
		wf_str_truncate(&s, (size_t)(strchr(s.s, ':') + 1 - s.s));
		wf_str_fmt(&s, " format=%s", nxm ? "nxm" : "openflow10");
	}
	if (!err && (m.id == OF_M_HELLO || m.id == OF_M_BUNDLE_CONTROL ||
		     m.id == OF_M_BUNDLE_ADD_MESSAGE || m.id == OF_M_FLOW_REPLY ||
		     m.id == OF_M_FLOW_REQUEST)) {
		/* Their bodies are written here. */
		char *colon = strchr(wf_str_cstr(&s), ':');

		if (colon)
			wf_str_truncate(&s, (size_t)(colon + 1 - s.s));
		if (m.id == OF_M_HELLO)
			put_hello(&s, &m);
		else if (m.id == OF_M_BUNDLE_CONTROL)
			put_bundle_ctrl(&s, &m);
		else if (m.id == OF_M_BUNDLE_ADD_MESSAGE)
			put_bundle_add(&s, &m, &c->sw->tlv_map);
		else if (m.id == OF_M_FLOW_REPLY)
			put_flows(&s, &c->codec, &m);
	}
	return wf_str_steal(&s);
}
