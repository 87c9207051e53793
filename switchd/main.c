/* SPDX-License-Identifier: Apache-2.0 */
/* weft-switchd: the virtual switch.  Also under the name ovs-vswitchd, with the same arguments. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/coverage.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/phases.h"
#include "base/rcu.h"
#include "base/unixctl.h"
#include "dataplane/mcast_table.h"
#include "dataplane/normal.h"
#include "dataplane/worker.h"
#include "openflow/action.h"
#include "ovsdb/server.h"
#include "switchd/handover.h"
#include "switchd/state/state.h"
#include "switchd/qos.h"
#include "switchd/uplinks.h"

WF_LOG_MODULE(vswitchd);

#define OVS_COMPATIBLE_VERSION "3.1.0"

enum { OPT_MLOCKALL = 1, OPT_UNIXCTL, OPT_DUMMY, OPT_DUMMY_NUMA, OPT_DPDK, OPT_DISABLE_SYSTEM,
       OPT_DISABLE_SYSTEM_ROUTE, OPT_STATE, OPT_TAKEOVER };

struct options {
	char *remote;
	const char *unixctl;
	bool mlockall, dummy, own_database, no_system_route, takeover;
	const char *dummy_arg;
	const char *state; /* NULL: the usual place */
};

static void
print_version(void)
{
	/* Scripts take the last word of the line that says "Open vSwitch". */
	printf("%s (Open vSwitch) %s\nweft %s\n", wf_program_name, OVS_COMPATIBLE_VERSION,
	       WEFT_VERSION);
}

static void
usage(void)
{
	printf("%s: weft's virtual switch, in the place of ovs-vswitchd\n"
	       "usage: %s [OPTIONS] [DATABASE]\n"
	       "where DATABASE is a socket on which ovsdb-server is listening\n"
	       "      (default: \"unix:%s/db.sock\"; if it is not given and no server runs there,\n"
	       "      one is started).\n"
	       "\nOptions:\n"
	       "  --unixctl=SOCKET        override default control socket name\n"
	       "  --mlockall              lock all memory into RAM\n"
	       "  --state=FILE            where flows, groups, ... are kept over restarts\n"
	       "                          (default: weft.state in the run directory; none: nowhere)\n"
	       "  --takeover              take ports and flows over from the daemon that runs, if any\n"
	       "  --enable-dummy[=override|system]  ports for tests\n"
	       "  --disable-system-route  tunnels use the routes of ovs/route/add only\n"
	       "  --disable-system        accepted, no effect\n"
	       "  -h, --help              display this help message\n"
	       "  -V, --version           display version information\n",
	       wf_program_name, wf_program_name, wf_rundir());
	wf_daemon_usage();
}

static void
parse_options(int argc, char *argv[], struct options *o)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "mlockall", no_argument, NULL, OPT_MLOCKALL },
		{ "unixctl", required_argument, NULL, OPT_UNIXCTL },
		{ "state", required_argument, NULL, OPT_STATE },
		{ "takeover", no_argument, NULL, OPT_TAKEOVER },
		{ "enable-dummy", optional_argument, NULL, OPT_DUMMY },
		{ "dummy-numa", required_argument, NULL, OPT_DUMMY_NUMA },
		{ "dpdk", optional_argument, NULL, OPT_DPDK },
		{ "disable-system", no_argument, NULL, OPT_DISABLE_SYSTEM },
		{ "disable-system-route", no_argument, NULL, OPT_DISABLE_SYSTEM_ROUTE },
		WF_DAEMON_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	struct wf_err err = { "" };
	int c, rc;

	while ((c = getopt_long(argc, argv, "hV" WF_DAEMON_SHORT_OPTIONS, long_options, NULL)) != -1)
		switch (c) {
		case 'h':
			usage();
			exit(0);
		case 'V':
			print_version();
			exit(0);
		case OPT_MLOCKALL:
			o->mlockall = true;
			break;
		case OPT_UNIXCTL:
			o->unixctl = optarg;
			break;
		case OPT_STATE:
			o->state = optarg;
			break;
		case OPT_TAKEOVER:
			o->takeover = true;
			wf_daemon_pidfile_later();
			break;
		case OPT_DUMMY:
			o->dummy = true;
			o->dummy_arg = optarg;
			break;
		case WF_OPT_NO_SELF_CONFINEMENT:
			sw_self_confined = false;
			break;
		case OPT_DUMMY_NUMA:
		case OPT_DISABLE_SYSTEM:
			break;
		case OPT_DISABLE_SYSTEM_ROUTE:
			o->no_system_route = true;
			break;
		case OPT_DPDK:
			wf_fatal("--dpdk option is not supported.  Use: "
				 "ovs-vsctl set Open_vSwitch . other_config:dpdk-init=true");
		case '?':
			exit(1);
		default:
			rc = wf_daemon_option(c, optarg, &err);
			if (rc)
				wf_fatal("%s", rc == -2 ? "unknown option" : err.text);
		}
	argc -= optind;
	argv += optind;
	if (argc > 1)
		wf_fatal("at most one non-option argument accepted; use --help for usage");
	o->own_database = !argc;
	o->remote = argc ? wf_xstrdup(argv[0]) : wf_xasprintf("unix:%s/db.sock", wf_rundir());
}

static void
on_signal(int signum)
{
	wf_loop_stop();
}

static void
on_reap(struct wf_timer *t)
{
	struct sw_bridge *b;

	wf_hmap_for_each(b, node, &sw_bridges) {
		mac_table_expire(b->dp->macs);
		if (b->mcast)
			mcast_table_expire(b->mcast);
	}
	wf_timer_set(t, 1000, on_reap, NULL);
}

static void
on_first_applied(void)
{
	wf_daemon_ready();
	wf_phases_end();
	wf_info("%s (Open vSwitch) %s", wf_program_name, OVS_COMPATIBLE_VERSION);
}

static const char *late_unixctl;

/* The daemon before this one has gone: what it had the names of. */
static void
on_taken_over(void)
{
	struct wf_err err = { "" };

	if (wf_daemon_pidfile_make(&err))
		wf_error("%s", err.text);
	if (late_unixctl && unixctl_server_open(late_unixctl, &err))
		wf_error("%s", err.text);
}

int
main(int argc, char *argv[])
{
	struct options o = { 0 };
	struct ovsdb_server *server = NULL;
	struct wf_timer second = { 0 };
	struct wf_err err = { "" };
	bool cleanup;

	wf_successor_init(argc, argv);
	wf_daemon_init(argc, argv);
	wf_phase("program set up");
	parse_options(argc, argv, &o);
	signal(SIGPIPE, SIG_IGN);
	if (wf_daemon_start(&err))
		wf_fatal("%s", err.text);
	wf_phase("detached, pid file");
	if (o.mlockall && mlockall(MCL_CURRENT | MCL_FUTURE))
		wf_error("mlockall failed: locked memory is limited (ulimit -l)");
	wf_loop_init();
	wf_rcu_register("main");
	char *version = wf_xasprintf("%s (Open vSwitch) %s\nweft %s", wf_program_name,
				     OVS_COMPATIBLE_VERSION, WEFT_VERSION);
	unixctl_set_version(version);
	free(version);
	/* A name of its own the socket has at once. */
	if (!o.takeover || !o.unixctl) {
		if (unixctl_server_open(o.unixctl, &err))
			wf_fatal("%s", err.text);
	} else {
		late_unixctl = o.unixctl;
	}
	wf_coverage_init();
	wf_phases_unixctl_init();
	if (o.dummy) {
		wf_clock_unixctl_init();
		ports_enable_dummy(o.dummy_arg);
		of_actions_with_debug = true;
	}
	view_init();
	bridge_free_macs = mac_table_free;
	view_purge_plans = workers_purge_flows;
	workers_init();
	of_init();
	of_unixctl_init();
	sw_appctl_init();
	sw_tunnel_init();
	sw_underlay_init(!o.no_system_route);
	state_init(o.state);
	wf_loop_on_signal(SIGTERM, on_signal);
	wf_loop_on_signal(SIGINT, on_signal);

	/* No database named and no server at the usual place: start one, so that one command is
	 * enough.  A database that was named is somebody's to start; it is waited for. */
	if (o.own_database && !getenv("WEFT_NO_OVSDB_SERVER"))
		ovsdb_server_wait_for_orphan(o.remote);
	if (o.own_database && !getenv("WEFT_NO_OVSDB_SERVER") &&
	    ovsdb_server_probe(o.remote, &err) == 0 &&
	    ovsdb_server_start(o.remote, &server, &err))
		wf_warn("%s", err.text);
	wf_phase("parts set up");
	if (server)
		sw_handover_forbid("the database server is a child of the daemon that runs and ends "
				   "with it");
	if (o.takeover && !sw_takeover_begin(on_taken_over) &&
	    (wf_daemon_pidfile_make(&err) ||
	     (late_unixctl && unixctl_server_open(late_unixctl, &err))))
		wf_fatal("%s", err.text);
	if (!sw_takeover_under_way())
		state_preload();
	sw_config_init(o.remote, on_first_applied);
	sw_status_init();
	sw_uplinks_init();
	sw_qos_init();
	wf_timer_set(&second, 1000, on_reap, NULL);
	wf_loop_run();

	if (sw_handed_over()) {
		workers_exit();
		sw_handover_leave();
	}
	sw_handover_close();
	sw_exiting(&cleanup);
	sw_config_exit(cleanup);
	workers_exit();
	wf_rcu_drain();
	ports_exit();
	ovsdb_server_stop(server);
	sw_appctl_exited();
	unixctl_server_close();
	free(o.remote);
	wf_daemon_exit(0);
}
