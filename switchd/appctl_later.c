/* SPDX-License-Identifier: Apache-2.0 */
/* unixctl: commands about what is not built yet.  Those that only read answer as Open vSwitch does where
 * nothing is there; those that would set something say that it is not built. */
#include "base/unixctl.h"
#include "switchd/switchd.h"

static void
on_empty(struct unixctl_conn *conn, int argc, const char *argv[], void *text)
{
	unixctl_reply(conn, text);
}

static void
on_not_built(struct unixctl_conn *conn, int argc, const char *argv[], void *text)
{
	unixctl_reply_error(conn, text);
}

static void
on_qos_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_bridge *b;
	struct wf_str s = WF_STR_INIT;

	wf_hmap_for_each(b, node, &sw_bridges) {
		struct sw_iface *i = sw_iface_find(b, argv[1]);

		if (!i)
			continue;
		if (ovsdb_ref(i->owner->row, OVSDB_PORT_QOS))
			wf_str_fmt(&s, "QoS on %s is in the database; shaping is not built yet\n",
				   argv[1]);
		else
			wf_str_fmt(&s, "QoS not configured on %s\n", argv[1]);
		unixctl_reply(conn, wf_str_cstr(&s));
		wf_str_done(&s);
		return;
	}
	unixctl_reply_error(conn, "no such interface");
}

#define NO_CT "connection tracking is not built yet"
#define NO_TUNNEL "tunnels are not built yet"

static const struct {
	const char *name, *usage;
	const char *text;
	bool is_error;
} commands[] = {
	{ "dpctl/dump-conntrack", "[-m] [-s] [dp] [zone=N]", NULL, false },
	{ "dpctl/flush-conntrack", "[dp] [zone=N] [ct-orig-tuple] [ct-reply-tuple]", NULL, false },
	{ "dpctl/ct-get-nconns", "[dp]", "0", false },
	{ "dpctl/ct-get-maxconns", "[dp]", "0", false },
	{ "dpctl/ct-set-maxconns", "[dp] maxconns", NO_CT, true },
	{ "dpctl/ct-get-limits", "[dp] [zone=N1[,N2]...]", "default limit=0", false },
	{ "dpctl/ct-set-limits", "[dp] [default=L] [zone=N,limit=L]...", NO_CT, true },
	{ "dpctl/ct-del-limits", "[dp] zone=N1[,N2]...", NO_CT, true },
	{ "dpctl/ct-stats-show", "[dp] [zone=N]", "Connections Stats:\n    Total: 0", false },
	{ "dpctl/ct-bkts", "[dp] [gt=N]", "Total Buckets: 1\nCurrent Connections: 0\n\n", false },
	{ "dpctl/ct-get-tcp-seq-chk", "[dp]", "TCP sequence checking: enabled", false },
	{ "dpctl/ipf-get-status", "[dp]", NO_CT, true },
	{ "dpctl/ipf-set-enabled", "[dp] v4|v6", NO_CT, true },
	{ "dpctl/ipf-set-disabled", "[dp] v4|v6", NO_CT, true },
	{ "ovs/route/show", "", "Route Table:", false },
	{ "ovs/route/add", "ip_addr/prefix_len out_br_name gw", NO_TUNNEL, true },
	{ "ovs/route/del", "ip_addr/prefix_len", NO_TUNNEL, true },
	{ "ovs/route/lookup", "ip_addr", NO_TUNNEL, true },
	{ "tnl/neigh/show", "",
	  "IP                                            MAC                 Bridge\n"
	  "==========================================================================", false },
	{ "tnl/arp/show", "",
	  "IP                                            MAC                 Bridge\n"
	  "==========================================================================", false },
	{ "tnl/neigh/set", "BRIDGE IP MAC", NO_TUNNEL, true },
	{ "tnl/arp/set", "BRIDGE IP MAC", NO_TUNNEL, true },
	{ "tnl/neigh/flush", "", "OK", false },
	{ "tnl/arp/flush", "", "OK", false },
	{ "tnl/ports/show", "[-v]", "Listening ports:", false },
	{ "ofproto/list-tunnels", "", NULL, false },
	{ "bond/list", "", "bond\ttype\trecircID\tmembers", false },
	{ "bond/show", "[port]", NULL, false },
	{ "lacp/show", "[port]", NULL, false },
	{ "lacp/show-stats", "[port]", NULL, false },
	{ "cfm/show", "[interface]", NULL, false },
	{ "bfd/show", "[interface]", NULL, false },
	{ "stp/show", "[bridge]", NULL, false },
	{ "rstp/show", "[bridge]", NULL, false },
	{ "dpctl/offload-stats-show", "[dp]", NULL, false },
};

void
sw_appctl_later_init(void)
{
	for (size_t k = 0; k < sizeof commands / sizeof commands[0]; k++)
		unixctl_command(commands[k].name, commands[k].usage, 0, 99,
				commands[k].is_error ? on_not_built : on_empty,
				(void *)commands[k].text);
	unixctl_command("qos/show", "interface", 1, 1, on_qos_show, NULL);
}
