// SPDX-License-Identifier: Apache-2.0
/* Parent processes of a daemon: the one that waits for it to come up, and the one that
 * --monitor leaves behind to start it again. */
#include "base/daemon_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/phases.h"

WF_LOG_MODULE(daemon_unix);

/* No more than one restart in this time, real seconds. */
#define RESTART_INTERVAL 10

static char *
describe_status(int status)
{
	struct wf_str s = WF_STR_INIT;

	if (WIFEXITED(status))
		wf_str_fmt(&s, "exit status %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		wf_str_fmt(&s, "killed (%s)", strsignal(WTERMSIG(status)));
	else
		wf_str_fmt(&s, "terminated abnormally (%x)", (unsigned)status);
	if (WIFSIGNALED(status) && WCOREDUMP(status))
		wf_str_put(&s, ", core dumped");
	return wf_str_steal(&s);
}

static int
wait_for(pid_t pid, int *status)
{
	pid_t rc;

	do
		rc = waitpid(pid, status, 0);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

pid_t
wf_fork_and_wait(int *fd)
{
	int fds[2];
	int status = 0;
	ssize_t n;
	pid_t pid;
	char c;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int rc = -errno;

		close(fds[0]);
		close(fds[1]);
		return rc;
	}
	if (!pid) {
		close(fds[0]);
		*fd = fds[1];
		return 0;
	}

	close(fds[1]);
	do
		n = read(fds[0], &c, 1);
	while (n < 0 && errno == EINTR);
	close(fds[0]);
	if (n == 1)
		return pid;

	/* It is dead, or it closed the pipe and soon will be. */
	int rc = wait_for(pid, &status);
	if (rc)
		return rc;
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status)); /* it has said why */

	char *text = describe_status(status);
	wf_error("fork child died before signaling startup (%s)", text);
	free(text);
	return -ECHILD;
}

void
wf_startup_done(int *fd)
{
	ssize_t n;

	if (*fd < 0)
		return;
	do
		n = write(*fd, "", 1);
	while (n < 0 && errno == EINTR);
	close(*fd);
	*fd = -1;
}

/* By one of its own faults: a signal that asks it to end is obeyed. */
static bool
has_crashed(int status)
{
	static const int faults[] = { SIGABRT, SIGALRM, SIGBUS,  SIGFPE, SIGILL,
				      SIGPIPE, SIGSEGV, SIGXCPU, SIGXFSZ };

	if (!WIFSIGNALED(status))
		return false;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (WTERMSIG(status) == faults[i])
			return true;
	return false;
}

static void
no_more_cores(void)
{
	struct rlimit none = { 0, 0 };

	/* One is enough to find the fault; the next ones only fill the disk. */
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		wf_warn("failed to disable core dumps: %s", wf_strerror(-errno));
}

static time_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Starts the daemon until it comes up.  Returns its pid, 0 in the daemon itself. */
static pid_t
start_again(const char *why, int *fd)
{
	static time_t last;
	pid_t pid;

	do {
		time_t wait = last ? last + RESTART_INTERVAL - now() : 0;

		if (wait > 0) {
			wf_warn("%s, waiting until %d seconds since last restart", why,
				RESTART_INTERVAL);
			while ((wait = last + RESTART_INTERVAL - now()) > 0)
				sleep(wait);
		}
		last = now();
		wf_error("%s, restarting", why);
		pid = wf_fork_and_wait(fd);
	} while (pid < 0);
	return pid;
}

void
wf_monitor(pid_t daemon, int *fd)
{
	char *health = wf_xstrdup("healthy");
	unsigned n_crashes = 0;

	wf_log_thread_name("monitor");
	for (;;) {
		int status = 0;
		int rc;

		wf_proctitle_set("monitoring pid %ld (%s)", (long)daemon, health);
		/* Held open, a rotated log file would never be freed. */
		wf_log_close_file();
		rc = wait_for(daemon, &status);
		wf_log_reopen(NULL);
		if (rc) {
			wf_emer("waitpid failed (%s)", wf_strerror(rc));
			_exit(1);
		}

		char *text = describe_status(status);
		if (!has_crashed(status)) {
			wf_info("pid %ld died, %s, exiting", (long)daemon, text);
			_exit(0);
		}
		free(health);
		health = wf_xasprintf("%u crashes: pid %ld died, %s", ++n_crashes, (long)daemon,
				      text);
		free(text);
		if (WCOREDUMP(status))
			no_more_cores();
		daemon = start_again(health, fd);
		if (!daemon)
			break;
	}
	free(health);
	wf_proctitle_restore();
	wf_log_thread_name("");
	wf_phases_restart();
}
