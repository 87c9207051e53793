// SPDX-License-Identifier: Apache-2.0
/* weft-dnsd: an authoritative name server that knows where the client is. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <linux/capability.h>

#include "base/coverage.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "base/unixctl.h"
#include "dns/server/handover.h"
#include "dns/server/server.h"
#include "dns/server/view_load.h"

WF_LOG_MODULE(dnsd);

#define DEFAULT_CONF "/etc/weft/dns.json"

enum { OPT_UNIXCTL = 1, OPT_CHECK, OPT_TAKEOVER };

struct options {
	const char *conf, *unixctl;
	bool check, takeover;
};

static const char *late_unixctl;

static void
usage(void)
{
	printf("%s: weft's authoritative name server\n"
	       "usage: %s [OPTIONS] [CONFIGURATION]\n"
	       "where CONFIGURATION is a JSON file (default: %s)\n"
	       "\nOptions:\n"
	       "  --check                 read configuration and zones, say what is wrong, and end\n"
	       "  --takeover              take over from the weft-dnsd that runs, if there is one\n"
	       "  --unixctl=SOCKET        override default control socket name\n"
	       "  -h, --help              display this help message\n"
	       "  -V, --version           display version information\n",
	       wf_program_name, wf_program_name, DEFAULT_CONF);
	wf_daemon_usage();
}

static void
parse_options(int argc, char *argv[], struct options *o)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "check", no_argument, NULL, OPT_CHECK },
		{ "takeover", no_argument, NULL, OPT_TAKEOVER },
		{ "unixctl", required_argument, NULL, OPT_UNIXCTL },
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
			printf("%s (weft) %s\n", wf_program_name, WEFT_VERSION);
			exit(0);
		case OPT_CHECK:
			o->check = true;
			break;
		case OPT_TAKEOVER:
			o->takeover = true;
			wf_daemon_pidfile_later();
			break;
		case OPT_UNIXCTL:
			o->unixctl = optarg;
			break;
		case '?':
			exit(1);
		default:
			rc = wf_daemon_option(c, optarg, &err);
			if (rc)
				wf_fatal("%s", rc == -2 ? "unknown option" : err.text);
		}
	if (argc - optind > 1)
		wf_fatal("at most one configuration file; use --help for usage");
	o->conf = optind < argc ? argv[optind] : DEFAULT_CONF;
}

/* A TCP connection takes a file descriptor, and the usual soft limit is 1024. */
static void
raise_file_limit(void)
{
	struct rlimit l;

	if (!getrlimit(RLIMIT_NOFILE, &l) && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static void
on_signal(int signum)
{
	wf_loop_stop();
}

static void
on_hangup(int signum)
{
	struct wf_str s = WF_STR_INIT;
	struct wf_err err = { "" };

	if (dns_server_reload(&s, &err))
		wf_error("reload: %s; the data before goes on being served", err.text);
	else
		wf_info("reloaded: %zu zones. %s", dns_server_view()->n_zones, wf_str_cstr(&s));
	wf_str_done(&s);
}

/* The daemon before this one has let go of what there is one of. */
static void
on_taken_over(void)
{
	struct wf_err err = { "" };

	if (wf_daemon_pidfile_make(&err))
		wf_error("%s", err.text);
	if (late_unixctl && unixctl_server_open(late_unixctl, &err))
		wf_error("%s", err.text);
	dns_server_finish_start();
	dns_handover_serve();
	wf_daemon_ready();
}

static void
on_signals_to_end(void)
{
	wf_loop_on_signal(SIGTERM, on_signal);
	wf_loop_on_signal(SIGINT, on_signal);
}

int
main(int argc, char *argv[])
{
	struct options o = { 0 };
	struct wf_err err = { "" };
	char *absolute;
	bool takes_over;

	wf_successor_init(argc, argv);
	wf_daemon_init(argc, argv);
	/* Port 53, probes by ICMP, the program in the driver. */
	wf_daemon_keep_capability(CAP_NET_BIND_SERVICE);
	wf_daemon_keep_capability(CAP_NET_RAW);
	wf_daemon_keep_capability(CAP_NET_ADMIN);
	wf_daemon_keep_capability(CAP_BPF);
	wf_daemon_keep_capability(CAP_PERFMON);
	parse_options(argc, argv, &o);
	if (o.check)
		return dns_conf_check(o.conf);
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	/* Before the daemon's working directory becomes "/". */
	absolute = realpath(o.conf, NULL);
	if (wf_daemon_start(&err))
		wf_fatal("%s", err.text);
	wf_loop_init();
	wf_rcu_register("main");
	takes_over = o.takeover && dns_takeover_begin(absolute ? absolute : o.conf, on_taken_over);
	if (o.takeover && !takes_over && wf_daemon_pidfile_make(&err))
		wf_fatal("%s", err.text);
	/* A name of its own the socket has at once. */
	if (takes_over && o.unixctl)
		late_unixctl = o.unixctl;
	else if (unixctl_server_open(o.unixctl, &err))
		wf_fatal("%s", err.text);
	wf_coverage_init();
	dns_ctl_init();
	/* Who is told to end before it has taken over ends at once, and the one that serves goes on. */
	if (!takes_over)
		on_signals_to_end();
	wf_loop_on_signal(SIGHUP, on_hangup);
	if (dns_server_start(absolute ? absolute : o.conf, &err))
		wf_fatal("%s", err.text);
	if (takes_over)
		on_signals_to_end();
	free(absolute);
	if (!takes_over) {
		wf_daemon_ready();
		dns_handover_serve();
	}
	wf_info("%s (weft) %s", wf_program_name, WEFT_VERSION);
	wf_loop_run();
	dns_handover_end();
	dns_handover_close();
	dns_server_stop();
	unixctl_server_close();
	wf_daemon_exit(0);
}
