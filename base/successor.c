// SPDX-License-Identifier: Apache-2.0
/* The next daemon as a child of the one that runs. */
#include "base/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"

WF_LOG_MODULE(successor);

extern char **environ;

static char **start_argv;
static char *start_folder;
static struct {
	pid_t pid; /* 0: none */
	int fd;	   /* of the process */
	int errors; /* what it prints; -1: that goes where ours goes */
	char said[400];
	size_t n_said;
	struct wf_fd_watch *watch, *errors_watch;
	void (*ended)(const char *why, bool good);
} next = { .errors = -1 };

void
wf_successor_init(int argc, char *argv[])
{
	bool has = false;

	start_argv = wf_xzalloc(((size_t)argc + 2) * sizeof(*start_argv));
	for (int i = 0; i < argc; i++) {
		start_argv[i] = wf_xstrdup(argv[i]);
		has |= !strcmp(argv[i], "--takeover");
	}
	if (!has)
		start_argv[argc] = wf_xstrdup("--takeover");
	start_folder = getcwd(NULL, 0);
	/* Those that came by pass_capabilities(): no other program that is started is to have them. */
	if (has && geteuid())
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/* A daemon that is not root's (--user) has capabilities that end with an exec, but for the ambient ones. */
static void
pass_capabilities(bool on)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (!geteuid() || syscall(SYS_capget, &header, data) < 0)
		return;
	for (unsigned i = 0; i < 2; i++)
		data[i].inheritable = on ? data[i].permitted : 0;
	/* Without it the next one says what it may not do. */
	if (syscall(SYS_capset, &header, data) < 0)
		wf_warn("capset: %s", wf_strerror(-errno));
	for (unsigned c = 0; on && c < 64; c++)
		if (data[c / 32].permitted >> c % 32 & 1)
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0);
}

bool
wf_successor_runs(void)
{
	return next.pid;
}

/* Takes what it has printed, so that it never waits for room; the last of it is kept. */
static void
on_errors(void *aux)
{
	char text[4096];
	ssize_t n;

	while ((n = read(next.errors, text, sizeof(text))) > 0) {
		size_t keep = (size_t)n < sizeof(next.said) ? (size_t)n : sizeof(next.said), old = next.n_said;

		if (old > sizeof(next.said) - keep)
			old = sizeof(next.said) - keep;
		memmove(next.said, next.said + next.n_said - old, old);
		memcpy(next.said + old, text + n - keep, keep);
		next.n_said = old + keep;
	}
	if ((!n || errno != EAGAIN) && next.errors_watch) {
		wf_fd_unwatch(next.errors_watch);
		next.errors_watch = NULL;
	}
}

/* The last lines of what it printed, in one. */
static void
last_words(char *to, size_t room)
{
	size_t n = next.n_said, from = 0;

	while (n && next.said[n - 1] == '\n')
		n--;
	if (n >= room)
		from = n - room + 1;
	for (size_t i = from; i < n; i++)
		*to++ = next.said[i] == '\n' || next.said[i] == '\0' ? ' ' : next.said[i];
	*to = '\0';
}

static void
close_errors(void)
{
	if (next.errors_watch)
		wf_fd_unwatch(next.errors_watch);
	next.errors_watch = NULL;
	if (next.errors >= 0)
		close(next.errors);
	next.errors = -1;
}

static void
on_ended(void *aux)
{
	char why[400];
	int status = 0;

	if (waitpid(next.pid, &status, WNOHANG) == 0)
		return;
	wf_fd_unwatch(next.watch);
	close(next.fd);
	if (next.errors >= 0)
		on_errors(NULL);
	last_words(why, sizeof(why));
	close_errors();
	next.pid = 0;
	if (!why[0] && WIFSIGNALED(status))
		snprintf(why, sizeof(why), "it was ended by signal %d", WTERMSIG(status));
	else if (!why[0])
		snprintf(why, sizeof(why), "it ended with status %d", WEXITSTATUS(status));
	next.ended(why, WIFEXITED(status) && !WEXITSTATUS(status));
}

/* Of a detached daemon: nobody would read what the next one prints. */
static bool
is_null(int fd)
{
	struct stat st;

	return fstat(fd, &st) || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

int
wf_successor_start(const char *program, void (*ended)(const char *why, bool good), struct wf_err *err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int errors[2] = { -1, -1 }, rc;
	sigset_t none;

	if (!program)
		program = start_argv[0];
	/* It must not wait for this process, which may be waiting for it. */
	if (is_null(STDERR_FILENO) && pipe2(errors, O_CLOEXEC | O_NONBLOCK))
		return wf_err(err, -errno, "%s", wf_strerror(-errno));
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&files);
	/* By the names that this process was started with: an upgrade puts other files there. */
	if (start_folder)
		posix_spawn_file_actions_addchdir_np(&files, start_folder);
	if (errors[1] >= 0)
		posix_spawn_file_actions_adddup2(&files, errors[1], STDERR_FILENO);
	/* Libraries open without O_CLOEXEC: a guest, or a client, would not see this process let go of it. */
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	/* Not fork(): it would copy the page tables of all that this process has in its memory. */
	pass_capabilities(true);
	rc = -posix_spawnp(&next.pid, program, &files, &attr, start_argv, environ);
	pass_capabilities(false); /* which ends the ambient ones too (capabilities(7)) */
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (errors[1] >= 0)
		close(errors[1]);
	if (!rc) {
		next.fd = (int)syscall(SYS_pidfd_open, next.pid, 0);
		rc = next.fd < 0 ? -errno : 0;
	}
	if (rc) {
		next.pid = 0;
		if (errors[0] >= 0)
			close(errors[0]);
		return wf_err(err, rc, "%s: %s", program, wf_strerror(rc));
	}
	next.errors = errors[0];
	next.n_said = 0;
	if (next.errors >= 0)
		next.errors_watch = wf_fd_watch(next.errors, on_errors, NULL);
	next.ended = ended;
	next.watch = wf_fd_watch(next.fd, on_ended, NULL);
	return 0;
}
