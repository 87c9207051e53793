// SPDX-License-Identifier: Apache-2.0
/* The control socket of tiny_daemon, whose path is the argument, with Open vSwitch's own
 * ovs-appctl where it is installed, and with hand-made bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

static char dir[] = "/tmp/weft-test-ctl-XXXXXX";
static pid_t daemon_pid;

/* Runs "ovs-appctl ARGS".  Returns what it printed, both streams; caller frees. */
static char *
appctl(const char *args)
{
	char *cmd = wf_xasprintf("ovs-appctl -T 10 --target=%s/ctl %s 2>&1", dir, args);
	struct wf_str s = WF_STR_INIT;
	FILE *f = popen(cmd, "r");
	char buf[4096];
	size_t n;

	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		wf_str_putn(&s, buf, n);
	pclose(f);
	free(cmd);
	return wf_str_steal(&s);
}

static void
need_appctl(void)
{
	if (system("ovs-appctl --version >/dev/null 2>&1"))
		skip();
}

static const struct {
	const char *args, *answer, *error;
} rows[] = {
	{ "echo hello 'two words'", "hello two words\n", NULL },
	{ "echo", "", NULL },
	{ "echo 'quote \" back \\ slash'", "quote \" back \\ slash\n", NULL },
	{ "echo grün", "grün\n", NULL },
	{ "version", "tiny_daemon (weft) " WEFT_VERSION "\n", NULL },
	{ "later 50", "now\n", NULL },
	{ "coverage/read-counter tiny_never", "0\n", NULL },
	{ "vlog/set any:file:dbg pattern:file:%m", "", NULL },
	{ "vlog/enable-rate-limit", "", NULL },
	{ "nonesuch", NULL,
	  "\"nonesuch\" is not a valid command (use \"list-commands\" to see a list of valid "
	  "commands)\n" },
	{ "two a", NULL, "\"two\" command requires at least 2 arguments\n" },
	{ "two a b c", NULL, "\"two\" command takes at most 2 arguments\n" },
	{ "version x", NULL, "\"version\" command takes at most 0 arguments\n" },
	{ "coverage/read-counter nonesuch", NULL, "No such counter\n" },
	{ "vlog/set info:dbg", NULL, "cannot specify multiple levels\n" },
	{ "vlog/disable-rate-limit nonesuch", NULL, "unknown module\n" },
	{ "vlog/reopen", NULL, "Logging to file not configured\n" },
	{ "time/warp 0", NULL, "invalid MSECS\n" },
	{ "time/warp 0 -1", NULL, "invalid MSECS\n" },
};

static void
stock_ovs_appctl_understands_us(void **state)
{
	need_appctl();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *got = appctl(rows[i].args);
		char *want = rows[i].answer
				     ? wf_xstrdup(rows[i].answer)
				     : wf_xasprintf("%sovs-appctl: %s/ctl: server returned an error\n",
						    rows[i].error, dir);

		assert_string_equal(got, want);
		free(got);
		free(want);
	}
}

static void
list_commands_is_sorted_and_hides_some(void **state)
{
	need_appctl();

	char *got = appctl("list-commands");
	assert_true(!strncmp(got, "The available commands are:\n", 28));
	assert_non_null(strstr(got, "\n  big                     SIZE\n"
				    "  coverage/read-counter   COUNTER\n"
				    "  coverage/show           \n"));
	assert_non_null(strstr(got, "\n  time/warp               [large_msecs] msecs\n"));
	assert_non_null(strstr(got, "\n  vlog/set                {spec | "
				    "PATTERN:destination:pattern}\n"));
	assert_null(strstr(got, "flood"));
	free(got);
}

static void
a_large_reply_comes_through(void **state)
{
	need_appctl();

	char *got = appctl("big 5000000");
	assert_int_equal(strlen(got), 5000001);
	free(got);
}

static void
coverage_counts(void **state)
{
	need_appctl();
	for (int i = 0; i < 3; i++)
		free(appctl("echo x"));

	char *got = appctl("coverage/show");
	assert_true(!strncmp(got, "Event coverage, avg rate over last: 5 seconds, last minute, "
				  "last hour,  hash=", 77));
	assert_non_null(strstr(got, "\ntiny_echo                  "));
	assert_non_null(strstr(got, "/sec   total: "));
	assert_non_null(strstr(got, "\n1 events never hit\n"));
	free(got);
}

static int
connect_raw(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = 5 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/ctl", dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

static void
send_text(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Reads as many bytes as 'want' has. */
static void
expect(int fd, const char *want)
{
	char got[1024];
	size_t n = 0;

	while (n < strlen(want)) {
		ssize_t rc = read(fd, got + n, strlen(want) - n);

		assert_true(rc > 0);
		n += rc;
	}
	got[n] = '\0';
	assert_string_equal(got, want);
}

static void
expect_end(int fd)
{
	char c;

	assert_true(read(fd, &c, 1) <= 0);
	close(fd);
}

static void
requests_are_answered_one_by_one_in_order(void **state)
{
	int fd = connect_raw();

	/* The second must wait for the first, which takes its time. */
	send_text(fd, "{\"method\":\"later\",\"params\":[\"100\"],\"id\":1}"
		      "{\"method\":\"echo\",\"params\":[\"x\"],\"id\":\"two\"}");
	expect(fd, "{\"id\":1,\"result\":\"now\\n\",\"error\":null}"
		   "{\"id\":\"two\",\"result\":\"x\\n\",\"error\":null}");
	close(fd);
}

static void
a_request_may_come_byte_by_byte(void **state)
{
	const char *text = "{\"method\":\"echo\",\"params\":[\"a\\\"}\"],\"id\":[3]}";
	int fd = connect_raw();

	for (const char *p = text; *p; p++) {
		char one[2] = { *p, '\0' };

		send_text(fd, one);
		usleep(200);
	}
	expect(fd, "{\"id\":[3],\"result\":\"a\\\"}\\n\",\"error\":null}");
	send_text(fd, "{\"method\":\"echo\",\"params\":[1],\"id\":4}");
	expect(fd, "{\"id\":4,\"result\":null,\"error\":\"\\\"echo\\\" command has non-string "
		   "argument\\n\"}");
	close(fd);
}

static const char *const garbage[] = {
	"GET / HTTP/1.0\r\n\r\n",
	"{]",
	"[1]",
	"{}",
	"{\"method\":\"echo\",\"params\":[]}",
	"{\"method\":\"echo\",\"params\":[],\"id\":null}",
	"{\"method\":\"echo\",\"params\":{},\"id\":1}",
	"{\"method\":7,\"params\":[],\"id\":1}",
	"{\"id\":1,\"result\":\"x\",\"error\":null}",
};

static void
garbage_ends_its_own_connection_only(void **state)
{
	int good = connect_raw();

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		int fd = connect_raw();

		send_text(fd, garbage[i]);
		expect_end(fd);
	}
	send_text(good, "{\"method\":\"echo\",\"params\":[],\"id\":1}");
	expect(good, "{\"id\":1,\"result\":\"\",\"error\":null}");
	close(good);
}

static void
a_client_that_leaves_before_the_answer_does_no_harm(void **state)
{
	for (int i = 0; i < 3; i++) {
		int fd = connect_raw();

		send_text(fd, "{\"method\":\"later\",\"params\":[\"50\"],\"id\":1}");
		close(fd);
		usleep(100000);
	}

	int fd = connect_raw();
	send_text(fd, "{\"method\":\"echo\",\"params\":[\"alive\"],\"id\":1}");
	expect(fd, "{\"id\":1,\"result\":\"alive\\n\",\"error\":null}");
	close(fd);
}

/* Asks on a connection of its own. */
static long
n_replied(void)
{
	static const char ask[] = "{\"method\":\"coverage/read-counter\","
				  "\"params\":[\"unixctl_replied\"],\"id\":1}";
	char got[100] = "";
	long n = -1;
	int fd = connect_raw();

	send_text(fd, ask);
	assert_true(read(fd, got, sizeof(got) - 1) > 0);
	assert_int_equal(sscanf(got, "{\"id\":1,\"result\":\"%ld", &n), 1);
	close(fd);
	return n;
}

static void
who_does_not_read_is_not_served_on(void **state)
{
	static const char frame[] = "{\"id\":1,\"result\":\"\\n\",\"error\":null}";
	enum { N = 1000, REPLY_SIZE = 100000 + sizeof(frame) - 1 };
	struct wf_str requests = WF_STR_INIT;
	long before = n_replied(), now = before, last;
	static char buf[65536];
	int fd = connect_raw();
	size_t got = 0;
	ssize_t n;

	for (int i = 0; i < N; i++)
		wf_str_put(&requests, "{\"method\":\"big\",\"params\":[\"100000\"],\"id\":1}");
	send_text(fd, wf_str_cstr(&requests));
	wf_str_done(&requests);
	do {
		last = now;
		usleep(300000);
		now = n_replied() - 1; /* without the question itself */
	} while (now > last + 1);
	/* 1 MB and what the socket holds. */
	assert_in_range(now - before, 1, N / 4);

	/* Once it reads, every answer comes. */
	while (got < (size_t)N * REPLY_SIZE && (n = read(fd, buf, sizeof(buf))) > 0)
		got += n;
	assert_int_equal(got, (size_t)N * REPLY_SIZE);
	close(fd);
}

static void
a_long_turn_is_warned_of(void **state)
{
	char *cmd = wf_xasprintf("grep -c 'Unreasonably long 1[0-9][0-9][0-9]ms poll interval' %s/log "
				 ">/dev/null", dir);

	need_appctl();
	free(appctl("vlog/set timeval:console:warn"));
	free(appctl("later 1100"));
	assert_int_not_equal(system(cmd), 0); /* to sleep is no work */
	free(appctl("block"));
	free(appctl("echo"));
	assert_int_equal(system(cmd), 0);
	free(cmd);
}

/* Last: the clock does not start again. */
static void
warp_moves_the_stopped_clock(void **state)
{
	need_appctl();

	char *got = appctl("time/stop");
	assert_string_equal(got, "");
	free(got);
	char *before = appctl("now-ms");
	got = appctl("time/warp 30000 1000");
	assert_string_equal(got, "warped\n");
	free(got);
	got = appctl("time/warp 500");
	assert_string_equal(got, "warped\n");
	free(got);
	char *after = appctl("now-ms");
	assert_int_equal(atoll(after) - atoll(before), 30500);

	/* Ten events, then a minute: the rates that coverage/show computes. */
	free(appctl("time/warp 70000 5000"));
	for (int i = 0; i < 10; i++)
		free(appctl("echo x"));
	free(appctl("time/warp 5000"));
	got = appctl("coverage/show");
	assert_non_null(strstr(got, "\ntiny_echo                  2.0/sec     0.167/sec        "));
	free(got);
	free(appctl("time/warp 55000 5000"));
	got = appctl("coverage/show");
	assert_non_null(strstr(got, "\ntiny_echo                  0.0/sec     0.167/sec        "));
	free(got);
	free(before);
	free(after);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stock_ovs_appctl_understands_us),
		cmocka_unit_test(list_commands_is_sorted_and_hides_some),
		cmocka_unit_test(a_large_reply_comes_through),
		cmocka_unit_test(coverage_counts),
		cmocka_unit_test(requests_are_answered_one_by_one_in_order),
		cmocka_unit_test(a_request_may_come_byte_by_byte),
		cmocka_unit_test(garbage_ends_its_own_connection_only),
		cmocka_unit_test(a_client_that_leaves_before_the_answer_does_no_harm),
		cmocka_unit_test(who_does_not_read_is_not_served_on),
		cmocka_unit_test(a_long_turn_is_warned_of),
		cmocka_unit_test(warp_moves_the_stopped_clock),
	};
	char *ctl, *log, *option;
	int status, rc;

	alarm(60);
	signal(SIGPIPE, SIG_IGN);
	if (argc != 2 || !mkdtemp(dir))
		return 1;
	ctl = wf_xasprintf("%s/ctl", dir);
	log = wf_xasprintf("%s/log", dir);
	option = wf_xasprintf("--unixctl=%s", ctl);
	daemon_pid = fork();
	if (!daemon_pid) {
		if (!freopen(log, "w", stderr))
			_exit(126);
		execl(argv[1], argv[1], option, "-vconsole:off", "-vsyslog:off", NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && access(ctl, F_OK) < 0; i++)
		usleep(10000);
	rc = cmocka_run_group_tests(tests, NULL, NULL);

	kill(daemon_pid, SIGTERM);
	waitpid(daemon_pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "the daemon ended with status %#x\n", status);
		rc = 1;
	}
	if (!access(ctl, F_OK)) {
		fprintf(stderr, "the daemon left its socket\n");
		rc = 1;
	}
	unlink(log);
	free(ctl);
	free(log);
	free(option);
	rmdir(dir);
	return rc;
}
