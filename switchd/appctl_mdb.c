/* SPDX-License-Identifier: Apache-2.0 */
/* unixctl: the multicast groups of bridges ("mdb/..."), in the texts of Open vSwitch. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/unixctl.h"
#include "dataplane/mcast_table.h"
#include "switchd/switchd.h"

/* The bridge with its table, or NULL after an error reply. */
static struct sw_bridge *
find(struct unixctl_conn *conn, const char *name)
{
	struct sw_bridge *b = sw_bridge_find(name);

	if (b && b->mcast)
		return b;
	unixctl_reply_error(conn, b ? "multicast snooping is disabled" : "no such bridge");
	return NULL;
}

static void
show_row(const struct mcast_row *row, void *s)
{
	char port[16], group[INET6_ADDRSTRLEN];

	if (row->port == OF_PORT_LOCAL)
		snprintf(port, sizeof port, "LOCAL");
	else
		snprintf(port, sizeof port, "%u", row->port);
	if (row->is_router) {
		wf_str_fmt(s, "%5s  %4d  querier             %3d\n", port, row->vid, row->age_s);
		return;
	}
	if (IN6_IS_ADDR_V4MAPPED(&row->group))
		inet_ntop(AF_INET, row->group.s6_addr + 12, group, sizeof group);
	else
		inet_ntop(AF_INET6, &row->group, group, sizeof group);
	wf_str_fmt(s, "%5s  %4d  %s         %3d\n", port, row->vid, group, row->age_s);
}

static void
on_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_bridge *b = find(conn, argv[1]);
	struct wf_str s = WF_STR_INIT;

	if (!b)
		return;
	wf_str_put(&s, " port  VLAN  GROUP                Age\n");
	mcast_table_dump(b->mcast, show_row, &s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

/* Does 'fn' to the named bridge's table, or to all. */
static void
for_tables(struct unixctl_conn *conn, int argc, const char *argv[],
	   void (*fn)(struct mcast_table *), const char *done)
{
	struct sw_bridge *b;

	if (argc > 1) {
		b = find(conn, argv[1]);
		if (!b)
			return;
		fn(b->mcast);
	} else {
		wf_hmap_for_each(b, node, &sw_bridges)
			if (b->mcast)
				fn(b->mcast);
	}
	unixctl_reply(conn, done);
}

static void
on_flush(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	for_tables(conn, argc, argv, mcast_table_flush, "table successfully flushed");
}

static void
on_stats_clear(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	for_tables(conn, argc, argv, mcast_table_stats_clear, "statistics successfully cleared");
}

static void
on_stats_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_bridge *b = find(conn, argv[1]);
	struct wf_str s = WF_STR_INIT;
	struct mcast_stats st;

	if (!b)
		return;
	mcast_table_stats(b->mcast, &st);
	wf_str_fmt(&s, "Statistics for bridge \"%s\":\n", b->name);
	wf_str_fmt(&s, "  Current/maximum groups in the table: %" PRIu64 "/%" PRIu64 "\n", st.n_groups,
		   st.max_groups);
	wf_str_fmt(&s, "  Current memberships                : %" PRIu64 "\n", st.n_members);
	wf_str_fmt(&s, "  Current router ports               : %" PRIu64 "\n", st.n_routers);
	wf_str_fmt(&s, "  Total number of learned entries    : %" PRIu64 "\n", st.total_learned);
	wf_str_fmt(&s, "  Total number of left entries       : %" PRIu64 "\n", st.total_left);
	wf_str_fmt(&s, "  Total number of expired entries    : %" PRIu64 "\n", st.total_expired);
	wf_str_fmt(&s, "  Total number of evicted entries    : %" PRIu64 "\n", st.total_evicted);
	wf_str_fmt(&s, "  Total number of refused routers    : %" PRIu64 "\n", st.total_refused);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

void
sw_appctl_mdb_init(void)
{
	unixctl_command("mdb/show", "bridge", 1, 1, on_show, NULL);
	unixctl_command("mdb/flush", "[bridge]", 0, 1, on_flush, NULL);
	unixctl_command("mdb/stats-show", "bridge", 1, 1, on_stats_show, NULL);
	unixctl_command("mdb/stats-clear", "[bridge]", 0, 1, on_stats_clear, NULL);
}
