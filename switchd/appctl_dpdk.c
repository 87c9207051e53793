/* SPDX-License-Identifier: Apache-2.0 */
/* unixctl: what DPDK says of itself.  As in Open vSwitch these commands are there once it runs. */
#include <stdlib.h>

#include "base/unixctl.h"
#include "dataplane/ports/port.h"
#include "switchd/switchd.h"

static void
on_lcores(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	char *text = ports_dpdk_lcores();

	unixctl_reply(conn, text);
	free(text);
}

static const struct port *
port_named(const char *name)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges) {
		i = sw_iface_find(b, name);
		if (i)
			return i->port;
	}
	return NULL;
}

static void
on_mempools(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	const struct port *p = argc > 1 ? port_named(argv[1]) : NULL;
	char *text = argc > 1 && !p ? NULL : ports_dpdk_mempools(p);

	if (text)
		unixctl_reply(conn, text);
	else
		unixctl_reply_error(conn, "Not a DPDK Interface");
	free(text);
}

void
sw_appctl_dpdk_init(void)
{
	static bool done;

	if (done || !ports_dpdk_version())
		return;
	done = true;
	unixctl_command("dpdk/lcore-list", "", 0, 0, on_lcores, NULL);
	unixctl_command("netdev-dpdk/get-mempool-info", "[netdev]", 0, 1, on_mempools, NULL);
}
