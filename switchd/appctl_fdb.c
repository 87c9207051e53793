/* SPDX-License-Identifier: Apache-2.0 */
/* unixctl: the MAC tables of bridges ("fdb/..."), in the texts of Open vSwitch. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/unixctl.h"
#include "dataplane/normal.h"
#include "switchd/switchd.h"

static struct sw_bridge *
find(struct unixctl_conn *conn, const char *name)
{
	struct sw_bridge *b = sw_bridge_find(name);

	if (!b)
		unixctl_reply_error(conn, "no such bridge");
	return b;
}

static const char *
port_text(of_port_t p, char text[16])
{
	if (p == OF_PORT_LOCAL)
		return "LOCAL";
	snprintf(text, 16, "%u", p);
	return text;
}

static void
show_row(const struct mac_row *row, void *s)
{
	char port[16], age[16];

	if (row->is_static)
		snprintf(age, sizeof age, "static");
	else
		snprintf(age, sizeof age, "%3d", row->age_s);
	wf_str_fmt(s, "%5s  %4d  %02x:%02x:%02x:%02x:%02x:%02x  %s\n", port_text(row->port, port),
		   row->vid, row->mac[0], row->mac[1], row->mac[2], row->mac[3], row->mac[4],
		   row->mac[5], age);
}

static void
on_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_bridge *b = find(conn, argv[1]);
	struct wf_str s = WF_STR_INIT;

	if (!b)
		return;
	wf_str_put(&s, " port  VLAN  MAC                Age\n");
	mac_table_dump(b->dp->macs, show_row, &s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_flush(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_bridge *b;

	if (argc > 1) {
		b = find(conn, argv[1]);
		if (!b)
			return;
		mac_table_flush(b->dp->macs);
	} else {
		wf_hmap_for_each(b, node, &sw_bridges)
			mac_table_flush(b->dp->macs);
	}
	unixctl_reply(conn, "table successfully flushed");
}

struct known {
	uint16_t vid;
	const uint8_t *mac;
	struct wf_str *s;
};

static void
tell_known(const struct mac_row *row, void *known_)
{
	struct known *k = known_;

	if (row->vid == k->vid && !memcmp(row->mac, k->mac, 6))
		wf_str_fmt(k->s, "Overriding already existing %s entry on %u\n",
			   row->is_static ? "static" : "dynamic",
			   row->port == OF_PORT_LOCAL ? 65534 : row->port);
}

/* fdb/add BRIDGE PORT VLAN MAC */
static void
on_add(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_bridge *b = find(conn, argv[1]);
	struct sw_iface *i;
	uint8_t mac[6];
	int vlan;

	if (!b)
		return;
	i = sw_iface_find(b, argv[2]);
	if (!i || i->ofp_port == OF_PORT_NONE) {
		unixctl_reply_error(conn, "Invalid port");
		return;
	}
	vlan = atoi(argv[3]);
	if (vlan < 0 || vlan > 4095 || !strspn(argv[3], "0123456789")) {
		unixctl_reply_error(conn, "invalid vlan");
		return;
	}
	if (!sw_parse_mac(argv[4], mac)) {
		unixctl_reply_error(conn, "bad MAC address");
		return;
	}
	struct wf_str s = WF_STR_INIT;
	struct known known = { (uint16_t)vlan, mac, &s };

	mac_table_dump(b->dp->macs, tell_known, &known);
	mac_table_add_static(b->dp->macs, NULL, i->ofp_port, (uint16_t)vlan, mac);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

/* fdb/del BRIDGE VLAN MAC */
static void
on_del(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_bridge *b = find(conn, argv[1]);
	uint8_t mac[6];

	if (!b)
		return;
	if (!sw_parse_mac(argv[3], mac))
		unixctl_reply_error(conn, "bad MAC address");
	else if (!mac_table_del(b->dp->macs, (uint16_t)atoi(argv[2]), mac))
		unixctl_reply_error(conn, "could not find static mac entry");
	else
		unixctl_reply(conn, NULL);
}

static void
on_stats_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_bridge *b = find(conn, argv[1]);
	struct wf_str s = WF_STR_INIT;
	struct mac_stats st;

	if (!b)
		return;
	mac_table_stats(b->dp->macs, &st);
	wf_str_fmt(&s, "Statistics for bridge \"%s\":\n", b->name);
	wf_str_fmt(&s, "  Current/maximum MAC entries in the table: %" PRIu64 "/%" PRIu64 "\n", st.n,
		   st.max);
	wf_str_fmt(&s, "  Current static MAC entries in the table : %" PRIu64 "\n", st.n_static);
	wf_str_fmt(&s, "  Total number of learned MAC entries     : %" PRIu64 "\n",
		   st.total_learned);
	wf_str_fmt(&s, "  Total number of expired MAC entries     : %" PRIu64 "\n",
		   st.total_expired);
	wf_str_fmt(&s, "  Total number of evicted MAC entries     : %" PRIu64 "\n",
		   st.total_evicted);
	wf_str_fmt(&s, "  Total number of port moved MAC entries  : %" PRIu64 "\n",
		   st.total_moved);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_stats_clear(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_bridge *b;

	if (argc > 1) {
		b = find(conn, argv[1]);
		if (!b)
			return;
		mac_table_stats_clear(b->dp->macs);
	} else {
		wf_hmap_for_each(b, node, &sw_bridges)
			mac_table_stats_clear(b->dp->macs);
	}
	unixctl_reply(conn, "statistics successfully cleared");
}

void
sw_appctl_fdb_init(void)
{
	unixctl_command("fdb/show", "bridge", 1, 1, on_show, NULL);
	unixctl_command("fdb/flush", "[bridge]", 0, 1, on_flush, NULL);
	unixctl_command("fdb/add", "bridge port vlan mac", 4, 4, on_add, NULL);
	unixctl_command("fdb/del", "bridge vlan mac", 3, 3, on_del, NULL);
	unixctl_command("fdb/stats-show", "bridge", 1, 1, on_stats_show, NULL);
	unixctl_command("fdb/stats-clear", "[bridge]", 0, 1, on_stats_clear, NULL);
}
