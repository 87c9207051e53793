// SPDX-License-Identifier: Apache-2.0
/* tiny_daemon, whose path is the argument, started in all the ways that scripts do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

static char dir[] = "/tmp/weft-test-daemon-XXXXXX";
static char *program;

/* Runs "tiny_daemon ARGS" and reads its output to the end, which comes when nobody holds
 * the pipe any more.  Returns the exit status; '*output' is the caller's to free. */
static int
run(const char *args, char **output)
{
	char *cmd = wf_xasprintf("exec %s -vsyslog:off %s 2>&1", program, args);
	struct wf_str s = WF_STR_INIT;
	FILE *f = popen(cmd, "r");
	char buf[4096];
	size_t n;

	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		wf_str_putn(&s, buf, n);
	free(cmd);
	*output = wf_str_steal(&s);

	int status = pclose(f);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static char *
read_file(const char *path)
{
	struct wf_str s = WF_STR_INIT;
	int fd = open(path, O_RDONLY);
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return NULL;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		wf_str_putn(&s, buf, n);
	close(fd);
	return wf_str_steal(&s);
}

/* The number in a pid file, 0 if there is none. */
static pid_t
pid_in(const char *name)
{
	char *path = wf_xasprintf("%s/%s", dir, name);
	char *text = read_file(path);
	pid_t pid = text ? atoi(text) : 0;

	if (text) {
		char *want = wf_xasprintf("%d\n", pid);

		assert_string_equal(text, want);
		free(want);
	}
	free(text);
	free(path);
	return pid;
}

static bool
in_dir(const char *name)
{
	char *path = wf_xasprintf("%s/%s", dir, name);
	bool yes = !access(path, F_OK);

	free(path);
	return yes;
}

static bool
is_alive(pid_t pid)
{
	/* We are the reaper of orphans: a zombie is dead. */
	waitpid(pid, NULL, WNOHANG);
	return !kill(pid, 0);
}

#define wait_until(COND)                                                                       \
	do {                                                                                   \
		int n_ = 0;                                                                    \
		while (!(COND)) {                                                              \
			usleep(5000);                                                          \
			if (n_++ > 2000)                                                       \
				fail_msg("never: " #COND);                                     \
		}                                                                              \
	} while (0)

/* Sends a request and waits until the daemon answers or closes. */
static void
request(pid_t pid, const char *method)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char *text = wf_xasprintf("{\"method\":\"%s\",\"params\":[],\"id\":1}", method);
	char c;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/tiny_daemon.%d.ctl", dir, pid);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	free(text);
	if (read(fd, &c, 1) < 0)
		assert_int_equal(errno, ECONNRESET);
	close(fd);
}

static void
start_detached(const char *more)
{
	char *args = wf_xasprintf("--detach --no-chdir --pidfile -vconsole:off %s", more);
	char *output;

	int rc = run(args, &output);
	assert_string_equal(output, "");
	assert_int_equal(rc, 0);
	free(output);
	free(args);
}

static void
a_detached_daemon_is_up_when_its_parent_returns(void **state)
{
	char path[64], *comm, *ctl;
	pid_t pid;

	start_detached("");
	pid = pid_in("tiny_daemon.pid");
	assert_true(pid > 0 && is_alive(pid));
	assert_int_equal(getsid(pid), pid);
	ctl = wf_xasprintf("tiny_daemon.%d.ctl", pid);
	assert_true(in_dir(ctl));
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	comm = read_file(path);
	assert_string_equal(comm, "tiny_daemon\n");
	free(comm);
	request(pid, "exit");
	wait_until(!is_alive(pid));
	assert_false(in_dir("tiny_daemon.pid"));
	assert_false(in_dir(ctl));
	free(ctl);
}

static void
its_session_has_its_nice_value(void **state)
{
	char path[64], *text, *want, *saved = program;
	pid_t pid;

	if (geteuid() || access("/proc/self/autogroup", F_OK))
		skip();
	program = wf_xasprintf("nice -n 3 %s", saved);
	start_detached("");
	free(program);
	program = saved;
	pid = pid_in("tiny_daemon.pid");
	snprintf(path, sizeof(path), "/proc/%d/autogroup", pid);
	text = read_file(path);
	want = wf_xasprintf(" nice %d\n", getpriority(PRIO_PROCESS, (id_t)pid));
	assert_non_null(strstr(text, want));
	free(want);
	free(text);
	kill(pid, SIGTERM);
	wait_until(!is_alive(pid));
}

static void
a_second_one_is_refused(void **state)
{
	char *output, *want;
	pid_t pid;

	start_detached("");
	pid = pid_in("tiny_daemon.pid");
	want = wf_xasprintf("tiny_daemon: %s/tiny_daemon.pid: already running as pid %d, aborting\n",
			    dir, pid);
	assert_int_equal(run("--pidfile -vconsole:off", &output), 1);
	assert_string_equal(output, want);
	free(output);
	assert_int_equal(run("--pidfile --detach -vconsole:off", &output), 1);
	assert_string_equal(output, want);
	free(output);
	free(want);
	assert_int_equal(pid_in("tiny_daemon.pid"), pid);

	/* --overwrite-pidfile takes the name over... */
	start_detached("--overwrite-pidfile");
	pid_t second = pid_in("tiny_daemon.pid");
	assert_int_not_equal(second, pid);
	kill(second, SIGTERM);
	wait_until(!is_alive(second));
	assert_true(is_alive(pid));
	kill(pid, SIGTERM);
	wait_until(!is_alive(pid));
}

static void
what_kill_9_leaves_does_not_matter(void **state)
{
	pid_t pid;

	start_detached("");
	pid = pid_in("tiny_daemon.pid");
	kill(pid, SIGKILL);
	wait_until(!is_alive(pid));
	assert_true(in_dir("tiny_daemon.pid"));
	start_detached("");
	pid_t next = pid_in("tiny_daemon.pid");
	assert_int_not_equal(next, pid);
	kill(next, SIGTERM);
	wait_until(!is_alive(next));
	assert_false(in_dir("tiny_daemon.pid"));
}

static void
a_failed_start_is_the_parents_failure(void **state)
{
	char *output;

	assert_int_equal(run("--detach --pidfile --fail -vconsole:off", &output), 1);
	assert_string_equal(output, "tiny_daemon: told to fail\n");
	free(output);
	assert_false(in_dir("tiny_daemon.pid"));

	assert_int_equal(run("--pidfile=/nonexistent/x.pid -vconsole:off", &output), 1);
	assert_string_equal(output, "tiny_daemon: /nonexistent/x.pid.tmp: create failed (No such "
				    "file or directory)\n");
	free(output);

	assert_int_equal(run("-vinfo:warn", &output), 1);
	assert_non_null(strstr(output, "tiny_daemon: processing \"info:warn\": cannot specify "
				       "multiple levels\n"));
	free(output);

	assert_int_equal(run("--unixctl=/nonexistent/ctl -vconsole:off", &output), 1);
	assert_non_null(strstr(output, "tiny_daemon: /nonexistent/ctl: could not initialize control "
				       "socket ("));
	free(output);

	/* A log file that cannot be written is not worth dying for. */
	assert_int_equal(run("--log-file=/nonexistent/x.log --fail", &output), 1);
	assert_non_null(strstr(output, "|WARN|failed to open /nonexistent/x.log for logging: No such "
				       "file or directory\n"));
	free(output);
}

static bool
file_is(const char *path, const char *want)
{
	char *text = read_file(path);
	bool is = text && !strcmp(text, want);

	free(text);
	return is;
}

static void
monitor_restarts_what_crashed_and_only_that(void **state)
{
	char *path = wf_xasprintf("%s/tiny_daemon.log", dir);
	char proc[64], *text, *want;
	pid_t first, second, monitor;

	start_detached("--monitor --log-file");
	first = pid_in("tiny_daemon.pid");
	monitor = 0;
	snprintf(proc, sizeof(proc), "/proc/%d/stat", first);
	text = read_file(proc);
	assert_int_equal(sscanf(text, "%*d (tiny_daemon) %*c %d", &monitor), 1);
	free(text);
	/* It sets its title when the other parent has gone. */
	snprintf(proc, sizeof(proc), "/proc/%d/cmdline", monitor);
	want = wf_xasprintf("tiny_daemon: monitoring pid %d (healthy)", first);
	wait_until(file_is(proc, want));
	free(want);

	request(first, "crash");
	wait_until(pid_in("tiny_daemon.pid") != first && pid_in("tiny_daemon.pid"));
	second = pid_in("tiny_daemon.pid");
	want = wf_xasprintf("tiny_daemon.%d.ctl", second);
	wait_until(in_dir(want));
	free(want);
	text = read_file(path);
	want = wf_xasprintf("|daemon_unix(monitor)|ERR|1 crashes: pid %d died, killed (Aborted), "
			    "restarting\n", first);
	assert_non_null(strstr(text, want));
	free(want);
	free(text);
	assert_true(is_alive(monitor));
	text = read_file(path);
	assert_non_null(strstr(text, "the daemon died of SIGABRT, backtrace:\n"));
	free(text);

	request(second, "exit");
	wait_until(!is_alive(monitor));
	assert_false(is_alive(second));
	assert_false(in_dir("tiny_daemon.pid"));
	text = read_file(path);
	want = wf_xasprintf("|daemon_unix(monitor)|INFO|pid %d died, exit status 0, exiting\n",
			    second);
	assert_non_null(strstr(text, want));
	free(want);
	free(text);
	unlink(path);
	free(path);
}

static void
a_daemon_in_the_foreground_logs_to_the_console(void **state)
{
	char *output;

	/* It ends by its alarm: nobody stops it. */
	assert_int_equal(run("--fail", &output), 1);
	assert_string_equal(output, "tiny_daemon: told to fail\n");
	free(output);
	assert_int_equal(run("--log-file --fail", &output), 1);
	assert_non_null(strstr(output, "Z|00001|vlog|INFO|opened log file "));
	assert_non_null(strstr(output, "/tiny_daemon.log\n"));
	free(output);

	char *path = wf_xasprintf("%s/tiny_daemon.log", dir);
	char *text = read_file(path);
	assert_non_null(strstr(text, "|daemon|EMER|told to fail\n"));
	free(text);
	unlink(path);
	free(path);
}

static void
the_name_is_that_of_the_command_line(void **state)
{
	char *link = wf_xasprintf("%s/other-name", dir), *saved = program;
	char path[64], *comm;

	assert_int_equal(symlink(program, link), 0);
	program = link;
	start_detached("");
	program = saved;

	pid_t pid = pid_in("other-name.pid");
	assert_true(pid > 0);
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	comm = read_file(path);
	assert_string_equal(comm, "other-name\n");
	free(comm);
	kill(pid, SIGTERM);
	wait_until(!is_alive(pid));
	unlink(link);
	free(link);
}

static void
user_keeps_what_a_switch_needs(void **state)
{
	char path[64], *text;
	unsigned uid;
	pid_t pid;

	if (geteuid() || system("getent passwd nobody >/dev/null"))
		skip();
	assert_int_equal(chmod(dir, 0777), 0);
	start_detached("--user=nobody --log-file");
	pid = pid_in("tiny_daemon.pid");
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	text = read_file(path);
	assert_int_equal(sscanf(strstr(text, "\nUid:"), "\nUid: %u", &uid), 1);
	assert_int_not_equal(uid, 0);
	/* NET_BROADCAST 11, NET_ADMIN 12, NET_RAW 13, IPC_LOCK 14, SYS_RAWIO 17. */
	assert_non_null(strstr(text, "\nCapEff:\t0000000000027800\n"));
	free(text);
	kill(pid, SIGTERM);
	wait_until(!is_alive(pid));
	text = wf_xasprintf("%s/tiny_daemon.log", dir);
	unlink(text);
	free(text);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_detached_daemon_is_up_when_its_parent_returns),
		cmocka_unit_test(its_session_has_its_nice_value),
		cmocka_unit_test(a_second_one_is_refused),
		cmocka_unit_test(what_kill_9_leaves_does_not_matter),
		cmocka_unit_test(a_failed_start_is_the_parents_failure),
		cmocka_unit_test(monitor_restarts_what_crashed_and_only_that),
		cmocka_unit_test(a_daemon_in_the_foreground_logs_to_the_console),
		cmocka_unit_test(the_name_is_that_of_the_command_line),
		cmocka_unit_test(user_keeps_what_a_switch_needs),
	};
	struct rlimit no_core = { 0, 0 };
	char *cmd;
	int rc;

	alarm(80);
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (argc != 2 || !mkdtemp(dir))
		return 1;
	program = realpath(argv[1], NULL);
	if (!program)
		return 1;
	setenv("OVS_RUNDIR", dir, 1);
	setenv("OVS_LOGDIR", dir, 1);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	cmd = wf_xasprintf("rm -rf '%s'", dir);
	rc |= system(cmd);
	free(cmd);
	free(program);
	return rc;
}
