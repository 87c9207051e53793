/* SPDX-License-Identifier: Apache-2.0 */
/* unixctl: commands about the process. */
#include <malloc.h>
#include <string.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/unixctl.h"
#include "switchd/switchd.h"

static struct unixctl_conn *exit_conn;
static bool exiting, exit_cleanup;

bool
sw_exiting(bool *cleanup)
{
	*cleanup = exit_cleanup;
	return exiting;
}

static void
on_exit_command(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	if (argc > 1 && strcmp(argv[1], "--cleanup")) {
		unixctl_reply_error(conn, "exit: the only option is --cleanup");
		return;
	}
	exiting = true;
	exit_cleanup = argc > 1;
	exit_conn = conn;
	wf_loop_stop();
}

void
sw_appctl_exited(void)
{
	if (exit_conn)
		unixctl_reply(exit_conn, NULL);
}

/* Memory that the process has asked for, apart from what the allocator keeps: a leak shows in the first, the holes that
 * churn leaves in the second.  Resident memory is the sum of both and more. */
static void
on_memory(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct mallinfo2 m = mallinfo2();
	struct wf_str s = WF_STR_INIT;

	wf_str_fmt(&s, "in use: %zu kB, %zu of them in blocks of their own\nkept free: %zu kB\n",
		   (m.uordblks + m.hblkhd) / 1024, m.hblkhd / 1024, m.fordblks / 1024);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

void
sw_appctl_init(void)
{
	sw_appctl_dpctl_init();
	sw_appctl_dpif_init();
	sw_appctl_fdb_init();
	sw_appctl_flows_init();
	sw_appctl_mdb_init();
	sw_appctl_later_init();
	unixctl_command("weft/memory", "", 0, 0, on_memory, NULL);
	unixctl_command("exit", "[--cleanup]", 0, 1, on_exit_command, NULL);
}
