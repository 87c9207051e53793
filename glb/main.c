// SPDX-License-Identifier: Apache-2.0
/* weft-glb: the balancer, roles edge, local and host; and "weft-glb place", the writer of placement documents. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/unixctl.h"
#include "glb/announce.h"
#include "glb/daemon.h"
#include "glb/datapath.h"
#include "glb/doctor.h"
#include "glb/place.h"

WF_LOG_MODULE(glb);

enum { OPT_UNIXCTL = 1, OPT_REMOVE, OPT_CHECK };

static void
usage(void)
{
	printf("%s: weft's load balancer\n"
	       "usage: %s [OPTIONS] CONFIGURATION\n"
	       "       %s place [OPTIONS] WANTED DOCUMENT   (the writer of placement documents)\n"
	       "\nOptions:\n"
	       "  --check                 read configuration and document, say what is wrong, end\n"
	       "  --remove                detach from all devices, remove the pinned maps, end\n"
	       "  --unixctl=SOCKET        override default control socket name\n"
	       "  -h, --help              display this help message\n"
	       "  -V, --version           display version information\n",
	       wf_program_name, wf_program_name, wf_program_name);
	wf_daemon_usage();
}

static void
on_signal(int signum)
{
	if (signum == SIGHUP)
		glb_daemon_reload();
	else
		wf_loop_stop();
}

static int
check_only(const char *path)
{
	struct wf_err err = { "" };
	struct glb_config *c = glb_config_load(path, &err);
	struct placement *p = c ? plc_load(c->placement, &err) : NULL;
	struct wf_str notes = WF_STR_INIT;

	if (p) {
		glb_doctor_config(c, &notes);
		fprintf(stderr, "%s", wf_str_cstr(&notes));
	} else {
		fprintf(stderr, "%s: %s\n", wf_program_name, err.text);
	}
	wf_str_done(&notes);
	plc_free(p);
	glb_config_free(c);
	return p ? 0 : 1;
}

static int
remove_only(const char *path)
{
	struct wf_err err = { "" };
	struct glb_config *c = glb_config_load(path, &err);
	int rc;

	if (c)
		glb_announce_remove(c);
	if (c && c->announce)
		usleep(c->withdraw_ms * 1000);
	rc = c ? glb_datapath_remove(c->pin, &err) : -1;

	if (rc)
		fprintf(stderr, "%s: %s\n", wf_program_name, err.text);
	glb_config_free(c);
	return rc ? 1 : 0;
}

int
main(int argc, char *argv[])
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "check", no_argument, NULL, OPT_CHECK },
		{ "remove", no_argument, NULL, OPT_REMOVE },
		{ "unixctl", required_argument, NULL, OPT_UNIXCTL },
		WF_DAEMON_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	const char *socket = NULL;
	struct wf_err err = { "" };
	int c, rc, only = 0;

	if (argc > 1 && !strcmp(argv[1], "place"))
		return glb_place_main(argc - 1, argv + 1);
	wf_daemon_init(argc, argv);
	while ((c = getopt_long(argc, argv, "hV" WF_DAEMON_SHORT_OPTIONS, long_options, NULL)) != -1)
		switch (c) {
		case 'h':
			usage();
			return 0;
		case 'V':
			printf("weft-glb (weft) %s\n", WEFT_VERSION);
			return 0;
		case OPT_CHECK:
		case OPT_REMOVE:
			only = c;
			break;
		case OPT_UNIXCTL:
			socket = optarg;
			break;
		case '?':
			return 1;
		default:
			rc = wf_daemon_option(c, optarg, &err);
			if (rc)
				wf_fatal("%s", rc == -2 ? "unknown option" : err.text);
		}
	if (argc - optind != 1)
		wf_fatal("one configuration file is needed; use --help for usage");
	/* A detached daemon is at home in the root folder. */
	char *path = realpath(argv[optind], NULL);

	if (!path)
		wf_fatal("%s: cannot be found", argv[optind]);
	if (only) {
		rc = only == OPT_CHECK ? check_only(path) : remove_only(path);
		free(path);
		return rc;
	}
	signal(SIGPIPE, SIG_IGN);
	if (wf_daemon_start(&err))
		wf_fatal("%s", err.text);
	wf_loop_init();
	if (glb_daemon_init(path, &err))
		wf_fatal("%s", err.text);
	if (unixctl_server_open(socket, &err))
		wf_fatal("%s", err.text);
	wf_loop_on_signal(SIGTERM, on_signal);
	wf_loop_on_signal(SIGINT, on_signal);
	wf_loop_on_signal(SIGHUP, on_signal);
	wf_daemon_ready();
	wf_loop_run();
	glb_daemon_done();
	unixctl_server_close();
	free(path);
	wf_daemon_exit(0);
}
