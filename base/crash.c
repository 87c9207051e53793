// SPDX-License-Identifier: Apache-2.0
/* When a daemon dies of a fault, the addresses of its stack go to the log file and to
 * stderr.  "addr2line -e PROGRAM +0xOFFSET" turns them into lines of the source. */
#include "base/daemon_internal.h"

#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log_internal.h"

#define MAX_FRAMES 64

static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

/* A fault may be the end of the stack itself. */
static char own_stack[64 << 10];

static void
put(int fd, const char *text)
{
	/* Nothing can be done about an error here. */
	ssize_t n = write(fd, text, strlen(text));

	(void)n;
}

static const char *
name_of(int signum)
{
	switch (signum) {
	case SIGSEGV:
		return "SIGSEGV";
	case SIGBUS:
		return "SIGBUS";
	case SIGFPE:
		return "SIGFPE";
	case SIGILL:
		return "SIGILL";
	default:
		return "SIGABRT";
	}
}

static void
report(int fd, int signum, void *const *frames, int n)
{
	put(fd, "the daemon died of ");
	put(fd, name_of(signum));
	put(fd, ", backtrace:\n");
	backtrace_symbols_fd(frames, n, fd);
}

/* Async-signal-safe: backtrace() is, once libgcc was loaded by an earlier call. */
static void
on_fault(int signum)
{
	void *frames[MAX_FRAMES];
	int n = backtrace(frames, MAX_FRAMES);
	int log_fd = wf_log_raw_fd();

	if (log_fd >= 0)
		report(log_fd, signum, frames, n);
	report(STDERR_FILENO, signum, frames, n);
	raise(signum); /* SA_RESETHAND: for good, so that the monitor sees the true reason */
}

void
wf_crash_init(void)
{
	struct sigaction old, act = {
		.sa_handler = on_fault,
		.sa_flags = SA_RESETHAND | SA_NODEFER | SA_ONSTACK,
	};
	stack_t stack = { .ss_sp = own_stack, .ss_size = sizeof(own_stack) };
	void *frame;

	backtrace(&frame, 1);
	sigaltstack(&stack, NULL);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		/* A sanitizer's own handler says more. */
		if (!sigaction(faults[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(faults[i], &act, NULL);
	}
}
