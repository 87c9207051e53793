/* SPDX-License-Identifier: Apache-2.0 */
/* unixctl: "dpctl/..." commands that change the datapath.  Open vSwitch's datapath is an object with
 * ports and flows of its own; here ports belong to bridges and cached flows to workers, so most of
 * these say what to use instead. */
#include <string.h>

#include "base/unixctl.h"
#include "dataplane/worker.h"
#include "switchd/switchd.h"

static struct sw_iface *
find_iface(const char *name)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges) {
		i = sw_iface_find(b, name);
		if (i && i->ofp_port != OF_PORT_NONE && !i->is_patch)
			return i;
	}
	return NULL;
}

bool
sw_is_datapath(const char *name)
{
	static const char *const names[] = { "netdev@ovs-netdev", "system@ovs-netdev", "ovs-netdev",
					     "dummy@ovs-dummy", "ovs-dummy" };

	for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
		if (!strcmp(names[k], name))
			return true;
	return false;
}

/* The port goes, its row stays: the next configuration makes it again. */
static void
on_del_if(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str errors = WF_STR_INIT;

	if (!sw_is_datapath(argv[1])) {
		unixctl_reply_error(conn, "opening datapath (No such device)");
		return;
	}
	for (int k = 2; k < argc; k++) {
		struct sw_iface *i = find_iface(argv[k]);

		if (!i) {
			wf_str_fmt(&errors, "no port named %s\n", argv[k]);
			continue;
		}
		struct sw_bridge *b = i->bridge;

		sw_iface_detach(i, false);
		sw_bridge_publish(b);
	}
	view_publish(false);
	if (errors.len)
		unixctl_reply_error(conn, wf_str_cstr(&errors));
	else
		unixctl_reply(conn, NULL);
	wf_str_done(&errors);
}

static void
on_refused(struct unixctl_conn *conn, int argc, const char *argv[], void *text)
{
	unixctl_reply_error(conn, text);
}

static void
on_del_flows(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	workers_purge_flows();
	unixctl_reply(conn, NULL);
}

#define PORTS "ports belong to bridges: use ovs-vsctl"
#define FLOWS "flows of the datapath are a cache that its workers fill: use ovs-ofctl"

void
sw_appctl_dpctl_init(void)
{
	static const struct {
		const char *name, *usage;
		int min;
		const char *text;
	} refused[] = {
		{ "dpctl/add-dp", "dp [iface...]", 1, PORTS " add-br" },
		{ "dpctl/del-dp", "dp", 1, PORTS " del-br" },
		{ "dpctl/add-if", "dp iface...", 2, PORTS " add-port" },
		{ "dpctl/set-if", "dp iface...", 2, PORTS " set interface" },
		{ "dpctl/add-flow", "[dp] flow actions", 2, FLOWS },
		{ "dpctl/add-flows", "[dp] file", 1, FLOWS },
		{ "dpctl/mod-flow", "[dp] flow actions", 2, FLOWS },
		{ "dpctl/mod-flows", "[dp] file", 1, FLOWS },
		{ "dpctl/del-flow", "[dp] flow", 1, FLOWS },
		{ "dpctl/cache-get-size", "[dp]", 0, "the flow cache has a fixed size" },
		{ "dpctl/cache-set-size", "dp cache <size>", 3, "the flow cache has a fixed size" },
	};

	for (size_t k = 0; k < sizeof refused / sizeof refused[0]; k++)
		unixctl_command(refused[k].name, refused[k].usage, refused[k].min, 99, on_refused,
				(void *)refused[k].text);
	unixctl_command_list("dpctl/list-commands", "dpctl/");
	unixctl_command("dpctl/del-if", "dp iface...", 2, 99, on_del_if, NULL);
	unixctl_command("dpctl/del-flows", "[dp]", 0, 1, on_del_flows, NULL);
}
