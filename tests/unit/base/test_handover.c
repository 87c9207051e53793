// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/handover.h"
#include "base/log.h"
#include "base/loop.h"

static char dir[] = "/tmp/weft-test-handover-XXXXXX";

/* --- messages ------------------------------------------------------------------------------------ */

static void
open_both(int ends[2])
{
	struct wf_err err = { "" };
	long pid = 0;
	int listener = wf_handover_listen("test", &err);

	assert_true(listener >= 0);
	ends[0] = wf_handover_connect("test", &err);
	assert_true(ends[0] >= 0);
	ends[1] = wf_handover_accept(listener, &pid);
	assert_true(ends[1] >= 0);
	assert_int_equal(pid, getpid());
	close(listener);
	wf_handover_unlink("test");
	assert_int_equal(wf_handover_connect("test", &err), -ENOENT);
}

static void
test_messages(void **state)
{
	struct wf_handover_msg m;
	char text[2 * WF_HANDOVER_TEXT_MAX];
	struct stat given, got;
	int ends[2], fd = open("/dev/null", O_RDONLY);

	open_both(ends);
	assert_int_equal(wf_handover_receive(ends[1], 0, &m), -ETIMEDOUT);
	assert_int_equal(wf_handover_send(ends[0], 7, 0xfffffffe, "what it is", fd), 0);
	assert_int_equal(wf_handover_send(ends[0], 8, 0, NULL, -1), 0);
	assert_int_equal(wf_handover_receive(ends[1], 1000, &m), 0);
	assert_int_equal(m.type, 7);
	assert_int_equal(m.value, 0xfffffffe);
	assert_string_equal(m.text, "what it is");
	assert_true(m.fd >= 0 && m.fd != fd);
	assert_int_equal(fstat(fd, &given) | fstat(m.fd, &got), 0);
	assert_int_equal(given.st_rdev, got.st_rdev);
	assert_true(fcntl(m.fd, F_GETFD) & FD_CLOEXEC);
	close(m.fd);
	assert_int_equal(wf_handover_receive(ends[1], 1000, &m), 0);
	assert_int_equal(m.type, 8);
	assert_int_equal(m.fd, -1);
	assert_string_equal(m.text, "");

	/* A text that is too long is cut. */
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(wf_handover_send(ends[0], 9, 0, text, -1), 0);
	assert_int_equal(wf_handover_receive(ends[1], 1000, &m), 0);
	assert_int_equal(strlen(m.text), WF_HANDOVER_TEXT_MAX - 1);

	/* Nonsense, with a descriptor that must not stay open, and the end. */
	assert_int_equal(send(ends[0], "x", 1, 0), 1);
	assert_int_equal(wf_handover_receive(ends[1], 1000, &m), -EPROTO);
	assert_int_equal(send(ends[0], "0123456789ab", 12, 0), 12);
	assert_int_equal(wf_handover_receive(ends[1], 1000, &m), -EPROTO);
	close(ends[0]);
	assert_int_equal(wf_handover_receive(ends[1], 1000, &m), -ECONNRESET);
	close(ends[1]);
	close(fd);
}

/* --- successors ---------------------------------------------------------------------------------- */

static char said[500];
static bool was_good;

static void
on_ended(const char *why, bool good)
{
	snprintf(said, sizeof(said), "%s", why);
	was_good = good;
	wf_loop_stop();
}

static void
give_up(struct wf_timer *t)
{
	wf_loop_stop();
}

/* The program is a script of this text; its standard error is ours, or nobody's. */
static void
start(const char *script, bool quiet)
{
	struct wf_timer patience = { 0 };
	struct wf_err err = { "" };
	char path[100];
	int errors = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
	FILE *f;

	snprintf(path, sizeof(path), "%s/program", dir);
	f = fopen(path, "we");
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	chmod(path, 0700);
	said[0] = '\0';
	if (quiet)
		dup2(null, STDERR_FILENO);
	assert_int_equal(wf_successor_start(path, on_ended, &err), 0);
	dup2(errors, STDERR_FILENO);
	close(errors);
	close(null);
	assert_true(wf_successor_runs());
	wf_timer_set(&patience, 60000, give_up, NULL);
	wf_loop_run();
	wf_timer_cancel(&patience);
	assert_false(wf_successor_runs());
}

static void
test_successors(void **state)
{
	char *argv[] = { (char *)"daemon", (char *)"--detach", NULL };
	struct wf_err err = { "" };
	char expected[100], cwd[100];

	wf_successor_init(2, argv);
	start("exit 0", false);
	assert_true(was_good);
	start("exit 3", false);
	assert_false(was_good);
	assert_string_equal(said, "it ended with status 3");
	start("kill -9 $$", true);
	assert_string_equal(said, "it was ended by signal 9");

	/* With the arguments of this one and where this one was started. */
	snprintf(expected, sizeof(expected), "--detach --takeover %s", getcwd(cwd, sizeof(cwd)));
	assert_int_equal(chdir("/"), 0);
	start("echo \"$* $(pwd)\" >&2; exit 1", true);
	assert_string_equal(said, expected);
	assert_int_equal(chdir(cwd), 0);

	/* More than a pipe holds: the last of it, and nobody waits for room for ever. */
	start("exec 3>&2 2>/dev/null; i=0; while [ $i -lt 3000 ]; do echo 'a line of some thirty letters.' >&3; i=$((i + 1)); done; "
	      "until echo first >&3; do sleep 0.1; done; until echo last >&3; do sleep 0.1; done; exit 1", true);
	assert_true(strlen(said) > 10);
	assert_string_equal(said + strlen(said) - 10, "first last");

	/* None of our descriptors. */
	start("ls /proc/self/fd | wc -l >&2; exit 1", true);
	assert_true(atoi(said) <= 5);

	assert_int_equal(wf_successor_start("/nowhere/daemon", on_ended, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nowhere/daemon"));
	assert_false(wf_successor_runs());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_successors),
	};
	char program[100];
	int rc;

	if (!mkdtemp(dir))
		return 1;
	setenv("OVS_RUNDIR", dir, 1);
	wf_log_set_all(WF_LOG_CONSOLE, WF_OFF);
	wf_loop_init();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(program, sizeof(program), "%s/program", dir);
	unlink(program);
	rmdir(dir);
	return rc;
}
