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

/* Something of the named object's: nothing has it, so nothing by that name does. */
static void
on_named_show(struct unixctl_conn *conn, int argc, const char *argv[], void *no_such)
{
	if (argc > 1)
		unixctl_reply_error(conn, no_such);
	else
		unixctl_reply(conn, NULL);
}

#define NO_CT "connection tracking is not built yet"
#define NO_SETTING "there is one implementation: nothing to choose from"
#define NO_STP "spanning trees are not built yet"
#define NO_TEXT "actions of the datapath cannot be parsed from text: not built"

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
	{ "stp/tcn", "[bridge]", NO_STP, true },
	{ "rstp/tcn", "[bridge]", NO_STP, true },
	{ "cfm/set-fault", "[interface] normal|false|true", "CFM is not built yet", true },
	{ "autoattach/status", "[bridge]", NULL, false },
	{ "autoattach/show-isid", "[bridge]", NULL, false },
	{ "autoattach/statistics", "[bridge]", NULL, false },
	{ "dpctl/offload-stats-show", "[dp]", "hardware offload is not built yet", true },
	{ "dpctl/ct-enable-tcp-seq-chk", "[dp]", NO_CT, true },
	{ "dpctl/ct-disable-tcp-seq-chk", "[dp]", NO_CT, true },
	{ "dpctl/ipf-set-min-frag", "[dp] v4|v6 minfragment", NO_CT, true },
	{ "dpctl/ipf-set-max-nfrags", "[dp] maxfrags", NO_CT, true },
	{ "dpctl/parse-actions", "actions", NO_TEXT, true },
	{ "dpctl/normalize-actions", "actions", NO_TEXT, true },
	/* Choices that Open vSwitch offers in its inner parts; here there is one of each. */
	{ "dpif-netdev/pmd-perf-show",
	  "[-nh] [-it iter-history-len] [-ms ms-history-len] [-pmd core] [dp]", NULL, false },
	{ "dpif-netdev/pmd-perf-log-set", "on|off [-b before] [-a after] [-e|-ne] [-us usec] [-q qlen]",
	  "the log of slow iterations is not built yet", true },
	{ "dpif-netdev/dpif-impl-get", "",
	  "Available DPIF implementations:\n  dpif_scalar (pmds: all)", false },
	{ "dpif-netdev/dpif-impl-set", "dpif_implementation_name", NO_SETTING, true },
	{ "dpif-netdev/miniflow-parser-get", "",
	  "Available MFEX implementations:\n  scalar (available: True pmds: all)", false },
	{ "dpif-netdev/miniflow-parser-set",
	  "[-pmd core] miniflow_implementation_name [study_pkt_cnt]", NO_SETTING, true },
	{ "dpif-netdev/subtable-lookup-info-get", "", "Available dpcls implementations:", false },
	{ "dpif-netdev/subtable-lookup-prio-get", "", "Available dpcls implementations:", false },
	{ "dpif-netdev/subtable-lookup-prio-set", "[lookup_func] [prio]", NO_SETTING, true },
	{ "odp-execute/action-impl-show", "",
	  "Available Actions implementations:\n  scalar (available: Yes, active: Yes)", false },
	{ "odp-execute/action-impl-set", "name", NO_SETTING, true },
};

static const struct {
	const char *name, *usage;
	const char *no_such;
} named[] = {
	{ "cfm/show", "[interface]", "no such CFM object" },
	{ "stp/show", "[bridge]", "no such stp object" },
	{ "rstp/show", "[bridge]", "No such RSTP object" },
};

void
sw_appctl_later_init(void)
{
	for (size_t k = 0; k < sizeof commands / sizeof commands[0]; k++)
		unixctl_command(commands[k].name, commands[k].usage, 0, 99,
				commands[k].is_error ? on_not_built : on_empty,
				(void *)commands[k].text);
	for (size_t k = 0; k < sizeof named / sizeof named[0]; k++)
		unixctl_command(named[k].name, named[k].usage, 0, 1, on_named_show,
				(void *)named[k].no_such);
}
