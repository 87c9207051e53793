// SPDX-License-Identifier: Apache-2.0
#include "base/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/daemon_internal.h"
#include "base/log.h"
#include "base/stream.h"
#include "base/unixctl.h"

WF_LOG_MODULE(daemon);

static char *pidfile;
static bool overwrite_pidfile, pidfile_later;
static bool detach;
static bool no_chdir;
static bool monitor;
static int startup_fd = -1; /* the parent waits at its other end */

void
wf_daemon_init(int argc, char *argv[])
{
	const char *name = argc > 0 && argv[0][0] ? argv[0] : "weft";
	const char *slash = strrchr(name, '/');

	wf_program_name = wf_xstrdup(slash ? slash + 1 : name);
	/* The kernel took comm from the file; a program started by way of a link or an
	 * interpreter's name must be found by its own. */
	prctl(PR_SET_NAME, wf_program_name);
	wf_proctitle_init(argc, argv);
	signal(SIGPIPE, SIG_IGN);
}

static char *
in_rundir(const char *name)
{
	return name[0] == '/' ? wf_xstrdup(name) : wf_xasprintf("%s/%s", wf_rundir(), name);
}

static int
log_file_option(const char *path)
{
	struct wf_err err;

	/* As in Open vSwitch no reason not to start: the switch matters more. */
	if (wf_log_set_file(path, &err))
		wf_warn("%s", err.text);
	return 0;
}

static int
verbose_option(const char *spec, struct wf_err *err)
{
	struct wf_err inner;

	if (wf_log_set(spec, &inner))
		return wf_err(err, -EINVAL, "processing \"%s\": %s", spec, inner.text);
	return 0;
}

int
wf_daemon_option(int opt, const char *arg, struct wf_err *err)
{
	switch (opt) {
	case WF_OPT_PIDFILE:
		free(pidfile);
		pidfile = arg ? in_rundir(arg)
			      : wf_xasprintf("%s/%s.pid", wf_rundir(), wf_program_name);
		return 0;
	case WF_OPT_OVERWRITE_PIDFILE:
		overwrite_pidfile = true;
		return 0;
	case WF_OPT_DETACH:
		detach = true;
		return 0;
	case WF_OPT_NO_CHDIR:
		no_chdir = true;
		return 0;
	case WF_OPT_MONITOR:
		monitor = true;
		return 0;
	case WF_OPT_USER:
		return wf_daemon_user_set(arg, err);
	case WF_OPT_NO_SELF_CONFINEMENT:
		return 0; /* there is none to switch off */
	case WF_OPT_LOG_FILE:
		return log_file_option(arg);
	case WF_OPT_SYSLOG_TARGET:
		return wf_log_syslog_target(arg, err);
	case WF_OPT_SYSLOG_METHOD:
		return wf_log_syslog_method(arg, err);
	case 'v':
		return verbose_option(arg, err);
	case 'p':
		wf_tls_set(arg, NULL, NULL, false);
		return 0;
	case 'c':
		wf_tls_set(NULL, arg, NULL, false);
		return 0;
	case 'C':
		wf_tls_set(NULL, NULL, arg, false);
		return 0;
	case WF_OPT_BOOTSTRAP_CA_CERT:
		wf_tls_set(NULL, NULL, arg, true);
		return 0;
	case WF_OPT_PEER_CA_CERT:
		wf_tls_set_peer_ca(arg);
		return 0;
	case WF_OPT_SSL_PROTOCOLS:
		wf_tls_set_protocols(arg, NULL);
		return 0;
	case WF_OPT_SSL_CIPHERS:
		wf_tls_set_protocols(NULL, arg);
		return 0;
	default:
		return -ENOENT;
	}
}

void
wf_daemon_usage(void)
{
	printf("\nDaemon options:\n"
	       "  --detach                run in background as daemon\n"
	       "  --monitor               creates a process to monitor this daemon\n"
	       "  --user=username[:group] changes the effective daemon user:group\n"
	       "  --no-chdir              do not chdir to '/'\n"
	       "  --pidfile[=FILE]        create pidfile (default: %s/%s.pid)\n"
	       "  --overwrite-pidfile     with --pidfile, start even if already running\n",
	       wf_rundir(), wf_program_name);
	printf("\nLogging options:\n"
	       "  -vSPEC, --verbose=SPEC   set logging levels\n"
	       "  -v, --verbose            set maximum verbosity level\n"
	       "  --log-file[=FILE]        enable logging to specified FILE\n"
	       "                           (default: %s/%s.log)\n"
	       "  --syslog-method=(libc|null|unix:FILE|udp:IP:PORT)\n"
	       "                           specify how to send messages to syslog daemon\n"
	       "  --syslog-target=IP:PORT  also send syslog msgs to IP:PORT via UDP\n",
	       wf_logdir(), wf_program_name);
	printf("\nTLS options (for ssl: and pssl:):\n"
	       "  -p, --private-key=FILE   file with private key\n"
	       "  -c, --certificate=FILE   file with certificate for private key\n"
	       "  -C, --ca-cert=FILE       file with peer CA certificate\n"
	       "  --bootstrap-ca-cert=FILE file with peer CA certificate to read or create\n"
	       "  --peer-ca-cert=FILE      file with CA certificate sent to the peer\n"
	       "  --ssl-protocols=PROTOS   list of TLS protocols to enable\n"
	       "  --ssl-ciphers=CIPHERS    list of TLS ciphers to enable\n");
}

/* Linux divides the processor among sessions first (sched_autogroup_enabled, sched(7)), and a process's nice value
 * counts within its session only: of a daemon, which is a session of its own, it would mean nothing.  So its session
 * gets the same value.  Where there is no such thing, or it is not allowed, nothing changes. */
static void
nice_session(void)
{
	char text[16];
	int fd, n;

	if (getsid(0) != getpid())
		return;
	errno = 0;
	n = getpriority(PRIO_PROCESS, 0);
	if (errno || !n)
		return;
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = snprintf(text, sizeof(text), "%d", n);
	if (write(fd, text, (size_t)n) < 0)
		wf_dbg("/proc/self/autogroup: %s", wf_strerror(-errno));
	close(fd);
}

static int
start_monitor(struct wf_err *err)
{
	int detach_fd = startup_fd;
	pid_t pid;

	startup_fd = -1;
	pid = wf_fork_and_wait(&startup_fd);
	if (pid < 0)
		return wf_err(err, pid, "could not initiate process monitoring");
	if (!pid) {
		if (detach_fd >= 0)
			close(detach_fd);
		return 0;
	}
	wf_startup_done(&detach_fd);
	if (detach)
		wf_close_stdio();
	wf_monitor(pid, &startup_fd);
	return 0; /* in a daemon started anew */
}

int
wf_daemon_start(struct wf_err *err)
{
	int rc;

	wf_crash_init();
	if (detach) {
		pid_t pid = wf_fork_and_wait(&startup_fd);

		if (pid < 0)
			return wf_err(err, pid, "could not detach from foreground session");
		if (pid > 0)
			_exit(0);
		setsid();
	}
	nice_session(); /* may take root */
	rc = wf_daemon_user_become(err);
	if (rc)
		return rc;
	if (monitor) {
		rc = start_monitor(err);
		if (rc)
			return rc;
	}
	return pidfile_later ? 0 : wf_daemon_pidfile_make(err);
}

void
wf_daemon_pidfile_later(void)
{
	pidfile_later = true;
}

int
wf_daemon_pidfile_make(struct wf_err *err)
{
	return pidfile ? wf_pidfile_make(pidfile, overwrite_pidfile, err) : 0;
}

void
wf_daemon_pidfile_remove(void)
{
	wf_pidfile_remove();
}

void
wf_close_stdio(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	wf_log_set_all(WF_LOG_CONSOLE, WF_OFF);
}

void
wf_daemon_ready(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	wf_startup_done(&startup_fd);
	if (detach) {
		if (!no_chdir && chdir("/") < 0)
			wf_warn("cannot change to /: %s", wf_strerror(-errno));
		wf_close_stdio();
	}
}

void
wf_daemon_exit(int status)
{
	unixctl_server_close();
	wf_pidfile_remove();
	/* A parent that waits sees the end of the pipe, then the status. */
	exit(status);
}

static void (*fatal_hook)(const char *text);

void
wf_fatal_hook(void (*fn)(const char *text))
{
	fatal_hook = fn;
}

void
wf_fatal(const char *fmt, ...)
{
	struct wf_str s = WF_STR_INIT;
	va_list args;

	va_start(args, fmt);
	wf_str_vfmt(&s, fmt, args);
	va_end(args);
	wf_log_set_all(WF_LOG_CONSOLE, WF_OFF); /* said below, once */
	wf_emer("%s", s.s);
	if (fatal_hook)
		fatal_hook(s.s);
	fprintf(stderr, "%s: %s\n", wf_program_name, s.s);
	wf_daemon_exit(EXIT_FAILURE);
}
