/* SPDX-License-Identifier: Apache-2.0 */
/* ovs-appctl commands of the agent, but the traces (of_trace.c). */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/unixctl.h"

static int
by_name(const void *a_, const void *b_)
{
	const char *const *a = a_, *const *b = b_;

	return strcmp(*a, *b);
}

static void
list(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str out = WF_STR_INIT;
	const char **names = NULL;
	struct of_switch *sw;
	size_t n = 0;

	wf_list_for_each(sw, node, &of_switches) {
		names = wf_xrealloc(names, (n + 1) * sizeof(*names));
		names[n++] = sw->bridge->name;
	}
	if (n)
		qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++)
		wf_str_fmt(&out, "%s\n", names[i]);
	unixctl_reply(conn, wf_str_cstr(&out));
	wf_str_done(&out);
	free(names);
}

static void
dump_flows(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	bool offload_stats = argc > 2 && !strcmp(argv[1], "--offload-stats");
	struct of_switch *sw = of_switch_find(argv[argc - 1]);
	struct wf_str out = WF_STR_INIT;

	if (!sw) {
		unixctl_reply_error(conn, "Unknown bridge");
		return;
	}
	of_switch_dump_flows(sw, &out, offload_stats);
	unixctl_reply(conn, wf_str_cstr(&out));
	wf_str_done(&out);
}

static void
reconnect(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct of_switch *sw;

	if (argc > 1) {
		sw = of_switch_find(argv[1]);
		if (!sw) {
			unixctl_reply_error(conn, "Unknown bridge");
			return;
		}
		of_switch_reconnect(sw);
	} else {
		wf_list_for_each(sw, node, &of_switches)
			of_switch_reconnect(sw);
	}
	unixctl_reply(conn, NULL);
}

static void
connections(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str out = WF_STR_INIT;
	struct of_switch *sw;

	wf_list_for_each(sw, node, &of_switches)
		if (argc < 2 || !strcmp(argv[1], sw->bridge->name))
			of_switch_format_connections(sw, &out);
	unixctl_reply(conn, wf_str_cstr(&out));
	wf_str_done(&out);
}

void
of_unixctl_init(void)
{
	unixctl_command("ofproto/list", "", 0, 0, list, NULL);
	unixctl_command("bridge/dump-flows", "[--offload-stats] bridge", 1, 2, dump_flows, NULL);
	unixctl_command("bridge/reconnect", "[bridge]", 0, 1, reconnect, NULL);
	unixctl_command("ofproto/connections", "[bridge]", 0, 1, connections, NULL);
	of_trace_init();
}
