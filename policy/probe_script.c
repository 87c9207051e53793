// SPDX-License-Identifier: Apache-2.0
/* Probes that are programs.  They run without a shell, with an empty environment but PATH, in a
 * process group of their own that is killed when time is up; what they print goes to /dev/null. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/probe_internal.h"

static void
on_process_closed(uv_handle_t *handle)
{
	struct pol_probe *p = handle->data;

	wf_buf_done(&p->in);
	wf_buf_done(&p->out);
	free(p);
}

static void
on_exit_status(uv_process_t *process, int64_t status, int signal_number)
{
	struct pol_probe *p = process->data;
	char text[60];

	p->spawned = false;
	if (p->over) {
		/* It was killed: nobody asks any more. */
		uv_close((uv_handle_t *)process, on_process_closed);
		return;
	}
	if (signal_number)
		snprintf(text, sizeof text, "signal %d", signal_number);
	else
		snprintf(text, sizeof text, "exit status %d", (int)status);
	pol_probe_finish(p, !signal_number && !status ? POL_PROBE_PASSED : POL_PROBE_FAILED, text);
}

void
pol_probe_script_start(struct pol_probe *p, const char *pool, const char *member)
{
	char address[POL_PREFIX_STRLEN], port[8];
	char *args[] = { p->conf->script,
			 pol_addr_format(&p->addr, address),
			 port,
			 (char *)pool,
			 (char *)member,
			 NULL };
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *env[] = { path, NULL };
	uv_process_options_t options = {
		.exit_cb = on_exit_status,
		.file = p->conf->script,
		.args = args,
		.env = env,
		.flags = UV_PROCESS_DETACHED,
	};

	snprintf(port, sizeof port, "%u", p->conf->port);
	p->process.data = p;
	int rc = uv_spawn(wf_loop_uv(), &p->process, &options);

	if (rc)
		pol_probe_finish_later(p,
				       rc == UV_ENOENT || rc == UV_EACCES ? POL_PROBE_FAILED
									  : POL_PROBE_NOT_RUN,
				       uv_strerror(rc));
	else
		p->spawned = true;
}

void
pol_probe_script_stop(struct pol_probe *p)
{
	/* A negative number: the group, so that what the script started ends with it. */
	if (p->spawned)
		uv_kill(-p->process.pid, SIGKILL);
	else
		uv_close((uv_handle_t *)&p->process, on_process_closed);
}
