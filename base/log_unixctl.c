// SPDX-License-Identifier: Apache-2.0
/* The vlog/ commands. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/unixctl.h"

static void
cmd_set(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_err err;

	if (argc == 1)
		wf_log_set(NULL, NULL);
	for (int i = 1; i < argc; i++) {
		if (wf_log_set(argv[i], &err)) {
			unixctl_reply_error(conn, err.text);
			return;
		}
	}
	unixctl_reply(conn, NULL);
}

static void
cmd_list(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	char *text = wf_log_list();

	unixctl_reply(conn, text);
	free(text);
}

static void
cmd_list_pattern(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	char *text = wf_log_list_pattern();

	unixctl_reply(conn, text);
	free(text);
}

static void
cmd_reopen(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_err err;

	if (wf_log_reopen(&err))
		unixctl_reply_error(conn, err.text);
	else
		unixctl_reply(conn, NULL);
}

static void
cmd_close(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	wf_log_close_file();
	unixctl_reply(conn, NULL);
}

/* 'aux' is non-null to enable. */
static void
cmd_rate_limit(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	if (argc == 1)
		wf_log_rate_limits(NULL, aux != NULL);
	for (int i = 1; i < argc; i++) {
		if (wf_log_rate_limits(argv[i], aux != NULL)) {
			unixctl_reply_error(conn, "unknown module");
			return;
		}
	}
	unixctl_reply(conn, NULL);
}

void
wf_log_unixctl_init(void)
{
	static int enable;

	unixctl_command("vlog/set", "{spec | PATTERN:destination:pattern}", 0, INT_MAX, cmd_set,
			NULL);
	unixctl_command("vlog/list", "", 0, 0, cmd_list, NULL);
	unixctl_command("vlog/list-pattern", "", 0, 0, cmd_list_pattern, NULL);
	unixctl_command("vlog/enable-rate-limit", "[module]...", 0, INT_MAX, cmd_rate_limit,
			&enable);
	unixctl_command("vlog/disable-rate-limit", "[module]...", 0, INT_MAX, cmd_rate_limit,
			NULL);
	unixctl_command("vlog/reopen", "", 0, 0, cmd_reopen, NULL);
	unixctl_command("vlog/close", "", 0, 0, cmd_close, NULL);
}
