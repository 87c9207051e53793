// SPDX-License-Identifier: Apache-2.0
/* "time/stop" and "time/warp", for tests. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/unixctl.h"

static void
cmd_stop(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	wf_clock_stop();
	unixctl_reply(conn, NULL);
}

static void
warped(void *conn)
{
	unixctl_reply(conn, "warped");
}

static void
cmd_warp(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	long long step = atoll(argv[argc - 1]);
	long long total = argc > 2 ? atoll(argv[1]) : 0;

	if (step <= 0 || total < 0)
		unixctl_reply_error(conn, "invalid MSECS");
	else if (wf_loop_is_warping())
		unixctl_reply_error(conn, "A previous warp in progress");
	else
		wf_loop_warp(total ? total : step, step, warped, conn);
}

void
wf_clock_unixctl_init(void)
{
	unixctl_command("time/stop", "", 0, 0, cmd_stop, NULL);
	unixctl_command("time/warp", "[large_msecs] msecs", 1, 2, cmd_warp, NULL);
}
