// SPDX-License-Identifier: Apache-2.0
/* A program that is nothing but the daemon parts of base/, for test_daemon.c and
 * test_unixctl.c.  Option --fail: an error before it is ready. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/coverage.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/unixctl.h"

WF_LOG_MODULE(tiny_daemon);
WF_COVERAGE(tiny_echo);
WF_COVERAGE(tiny_never);

static struct unixctl_conn *waiting;
static struct wf_timer later;

static void
cmd_exit(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	unixctl_reply(conn, NULL);
	wf_loop_stop();
}

static void
cmd_echo(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;

	wf_coverage_inc(tiny_echo);
	for (int i = 1; i < argc; i++)
		wf_str_fmt(&s, "%s%s", i > 1 ? " " : "", argv[i]);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
cmd_big(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	size_t size = strtoul(argv[1], NULL, 10);
	char *text = wf_xmalloc(size + 1);

	memset(text, 'x', size);
	text[size] = '\0';
	unixctl_reply(conn, text);
	free(text);
}

static void
answer(struct wf_timer *t)
{
	unixctl_reply(waiting, "now");
	waiting = NULL;
}

static void
cmd_later(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	waiting = conn;
	wf_timer_set(&later, atoi(argv[1]), answer, NULL);
}

static void
cmd_now_ms(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	char *text = wf_xasprintf("%lld", (long long)wf_now_ms());

	unixctl_reply(conn, text);
	free(text);
}

static void
cmd_crash(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	abort();
}

static void
cmd_block(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	usleep(1100000);
	unixctl_reply(conn, NULL);
}

static void
cmd_flood(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	for (int i = 0; i < 100; i++)
		wf_warn_rl("flood");
	unixctl_reply(conn, NULL);
}

static void
on_term(int signum)
{
	wf_loop_stop();
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		WF_DAEMON_LONG_OPTIONS,
		{ "fail", no_argument, NULL, 1 },
		{ "unixctl", required_argument, NULL, 2 },
		{ NULL, 0, NULL, 0 },
	};
	const char *ctl = NULL;
	bool fail = false;
	struct wf_err err;
	int opt;

	wf_daemon_init(argc, argv);
	while ((opt = getopt_long(argc, argv, WF_DAEMON_SHORT_OPTIONS, options, NULL)) != -1) {
		int rc;

		if (opt == 1) {
			fail = true;
			continue;
		}
		if (opt == 2) {
			ctl = optarg;
			continue;
		}
		rc = wf_daemon_option(opt, optarg, &err);
		if (rc == -ENOENT)
			return 2;
		if (rc)
			wf_fatal("%s", err.text);
	}
	if (wf_daemon_start(&err))
		wf_fatal("%s", err.text);
	wf_loop_init();
	wf_clock_unixctl_init();
	wf_coverage_init();
	unixctl_command("exit", "", 0, 0, cmd_exit, NULL);
	unixctl_command("echo", "[WORD]...", 0, INT_MAX, cmd_echo, NULL);
	unixctl_command("two", "A B", 2, 2, cmd_echo, NULL);
	unixctl_command("big", "SIZE", 1, 1, cmd_big, NULL);
	unixctl_command("later", "MS", 1, 1, cmd_later, NULL);
	unixctl_command("now-ms", "", 0, 0, cmd_now_ms, NULL);
	unixctl_command("crash", "", 0, 0, cmd_crash, NULL);
	unixctl_command("block", NULL, 0, 0, cmd_block, NULL);
	unixctl_command("flood", NULL, 0, 0, cmd_flood, NULL);
	if (unixctl_server_open(ctl, &err))
		wf_fatal("%s", err.text);
	if (fail)
		wf_fatal("told to fail");
	wf_loop_on_signal(SIGTERM, on_term);
	wf_info("tiny daemon is up");
	wf_daemon_ready();
	wf_loop_run();
	wf_daemon_exit(0);
}
