// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/log_internal.h"

WF_LOG_MODULE(test_log);

static char dir[] = "/tmp/weft-test-log-XXXXXX";
static char *file_path;

/* The message of all rows: 2001-09-09 01:46:40.007 UTC. */
static const struct wf_log_msg sample = {
	.module = &wf_this_module,
	.level = WF_WARN,
	.seq = 42,
	.wall_ms = 1000000000007,
	.text = "the text",
	.thread = "",
};

static const struct {
	const char *pattern, *text;
} patterns[] = {
	{ "%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m",
	  "2001-09-09T01:46:40.007Z|00042|test_log|WARN|the text" },
	{ "%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m",
	  "2001-09-09T01:46:40Z|00042|test_log|WARN|the text" },
	{ "ovs|%05N|%c%T|%p|%m", "ovs|00042|test_log|WARN|the text" },
	{ "%A", "the_program" },
	{ "%B", "132" }, /* local0 (16 << 3) + warning (4) */
	{ "%c{1}|", "test_log|" },
	{ "%d", "2001-09-09 01:46:40.007" }, /* TZ is UTC in this test */
	{ "%D{%H}", "01" },
	{ "%D{#.##.####}", "0.00.0070" },
	{ "%D{cut", "cut" },
	{ "a%nb", "a\nb" },
	{ "%N", "42" },
	{ "%t %T.", "main ." },
	{ "100%%", "100%" },
	{ "%q", "q" },
	{ "%", "" },
	{ "%-", "" },
	{ "%-5", "" },
	{ "[%12c]", "[    test_log]" },
	{ "[%-12c]", "[test_log    ]" },
	{ "[%012N]", "[000000000042]" },
	{ "[%-05N]", "[42000]" },
	{ "[%3c]", "[test_log]" },
	{ "%m%m", "the textthe text" },
};

static void
patterns_print_as_documented(void **state)
{
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		struct wf_str s = WF_STR_INIT;

		wf_log_format(&s, patterns[i].pattern, &sample);
		assert_string_equal(wf_str_cstr(&s), patterns[i].text);
		wf_str_done(&s);
	}
}

static void
other_threads_show_their_name(void **state)
{
	struct wf_log_msg msg = sample;
	struct wf_str s = WF_STR_INIT;

	msg.thread = "worker1";
	wf_log_format(&s, "%c%T %t", &msg);
	assert_string_equal(s.s, "test_log(worker1) worker1");
	wf_str_done(&s);
}

static char *
read_file(void)
{
	static char text[1 << 20];
	int fd = open(file_path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	assert_true(n >= 0);
	close(fd);
	text[n] = '\0';
	return text;
}

static unsigned
count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what)) != NULL) {
		n++;
		text++;
	}
	return n;
}

static void
fresh_file(void)
{
	struct wf_err err;

	unlink(file_path);
	assert_int_equal(wf_log_set("ANY:file:info", &err), 0);
	assert_int_equal(wf_log_set_file(file_path, &err), 0);
}

static void
levels_decide_what_is_written(void **state)
{
	struct wf_err err;

	fresh_file();
	wf_dbg("no 1");
	wf_info("yes %d\n\n", 2);
	assert_int_equal(wf_log_set("test_log:file:warn", &err), 0);
	wf_info("no 3");
	wf_warn("yes 4");
	assert_int_equal(wf_log_set("dbg file", &err), 0);
	wf_dbg("yes 5");
	assert_int_equal(wf_log_set("test_log,off", &err), 0);
	wf_emer("no 6");
	assert_int_equal(wf_log_set("ANY:file:info", &err), 0);

	const char *text = read_file();
	assert_int_equal(count(text, "yes"), 3);
	assert_int_equal(count(text, "|no "), 0);
	assert_non_null(strstr(text, "|test_log|INFO|yes 2\n2"));
	assert_non_null(strstr(text, "|vlog|INFO|opened log file "));
}

static const struct {
	const char *spec, *error;
} specs[] = {
	{ "info:dbg", "cannot specify multiple levels" },
	{ "console:file", "cannot specify multiple destinations" },
	{ "vlog:test_log", "cannot specify multiple modules" },
	{ "nonesuch:other", "no destination, level, or module \"other\"" },
	{ "what?", "no destination, level, or module \"what?\"" },
	{ "pattern", "missing destination" },
	{ "PATTERN:nowhere:%m", "unknown destination \"nowhere\"" },
	{ "FACILITY:nonesuch", "invalid facility" },
	{ "FACILITY:local3", NULL },
	{ "nonesuch:file:dbg", NULL }, /* a module of another daemon */
	{ "any:console:off", NULL },
	{ "pattern:console:%m", NULL },
};

static void
bad_specs_name_the_rule(void **state)
{
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		struct wf_err err = { "" };
		int rc = wf_log_set(specs[i].spec, &err);

		assert_int_equal(rc < 0, specs[i].error != NULL);
		assert_string_equal(err.text, specs[i].error ? specs[i].error : "");
	}

	char *list = wf_log_list_pattern();
	assert_non_null(strstr(list, "\nCONSOLE  none                              %m\n"));
	free(list);
}

static void
list_has_the_columns_of_ovs(void **state)
{
	assert_int_equal(wf_log_set("test_log:syslog:err", NULL), 0);
	wf_log_rate_limits("test_log", false);

	char *list = wf_log_list();
	assert_non_null(strstr(list, "                 console    syslog    file\n"
				     "                 -------    ------    ------\n"));
	assert_non_null(strstr(list, "\ntest_log           OFF        ERR       INFO    "
				     "(rate limiting disabled)\n"));
	free(list);
	assert_int_equal(wf_log_rate_limits("nonesuch", true), -2);
	assert_int_equal(wf_log_rate_limits("any", true), 0);
}

/* Another file of the module "test_log". */
static struct wf_log_module second_file = {
	"test_log", NULL, { WF_INFO, WF_INFO, WF_INFO }, WF_INFO, true,
};

static void
files_of_one_module_are_set_together(void **state)
{
	char *list;

	memcpy(second_file.levels, wf_this_module.levels, sizeof(second_file.levels));
	wf_log_register(&second_file);
	assert_int_equal(wf_log_set("test_log:file:dbg", NULL), 0);
	wf_log_rate_limits("test_log", false);
	assert_int_equal(second_file.levels[WF_LOG_FILE], WF_DBG);
	assert_int_equal(wf_this_module.levels[WF_LOG_FILE], WF_DBG);
	assert_false(second_file.honor_rate_limits);
	assert_false(wf_this_module.honor_rate_limits);
	list = wf_log_list();
	assert_int_equal(count(list, "\ntest_log "), 1);
	free(list);
	assert_int_equal(wf_log_set("test_log:file:info", NULL), 0);
	wf_log_rate_limits("test_log", true);
}

static void
flood(void)
{
	for (int i = 0; i < 100; i++)
		wf_warn_rl("flood");
}

static void
a_flood_is_cut_and_told(void **state)
{
	fresh_file();
	wf_clock_stop();
	flood();
	assert_int_equal(count(read_file(), "|flood\n"), WF_LOG_BURST);
	assert_int_equal(count(read_file(), "Dropped"), 0);
	wf_clock_warp(7000); /* two tokens and a bit */
	flood();
	assert_int_equal(count(read_file(), "|flood\n"), WF_LOG_BURST + 2);
	assert_non_null(strstr(read_file(),
			       "|WARN|Dropped 80 log messages in last 7 seconds (most recently, 7 "
			       "seconds ago) due to excessive rate\n"));
	wf_log_rate_limits(NULL, false);
	flood();
	assert_int_equal(count(read_file(), "|flood\n"), WF_LOG_BURST + 102);
	wf_log_rate_limits(NULL, true);
}

static void
reopen_follows_a_rotation(void **state)
{
	char *moved = wf_xasprintf("%s.1", file_path);
	struct wf_err err;

	fresh_file();
	wf_info("first");
	assert_int_equal(rename(file_path, moved), 0);
	wf_info("still the old file");
	assert_int_equal(wf_log_reopen(&err), 0);
	wf_info("second");
	assert_non_null(strstr(read_file(), "second"));
	assert_null(strstr(read_file(), "old file"));
	wf_log_close_file();
	wf_info("nowhere");
	assert_null(strstr(read_file(), "nowhere"));
	assert_int_equal(wf_log_reopen(&err), 0);
	wf_info("third");
	assert_non_null(strstr(read_file(), "third"));
	assert_null(strstr(read_file(), "nowhere"));
	unlink(moved);
	free(moved);

	assert_true(wf_log_set_file("/nonexistent/x.log", &err) < 0);
	assert_string_equal(err.text,
			    "failed to open /nonexistent/x.log for logging: No such file or "
			    "directory");
}

#define N_THREADS 4
#define N_LINES 2000

static void *
write_lines(void *arg)
{
	char name[16];

	snprintf(name, sizeof(name), "t%d", (int)(intptr_t)arg);
	wf_log_thread_name(name);
	for (int i = 0; i < N_LINES; i++)
		wf_info("a line that must not be mixed with another %d.", i);
	return NULL;
}

/* While the main thread changes levels, patterns and the file. */
static void
threads_write_whole_lines(void **state)
{
	pthread_t threads[N_THREADS];
	struct wf_err err;
	unsigned lines[N_THREADS] = { 0 };

	fresh_file();
	/* Before the threads: on a busy machine one may have written all before we go on. */
	wf_log_set("pattern:file:%N|%t|%m", &err);
	for (intptr_t i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, write_lines, (void *)i);
	for (int i = 0; i < 50; i++) {
		wf_log_set(i % 2 ? "pattern:file:%N|%t|%m" : "pattern:file:%N|%t|%m", &err);
		wf_log_set("vlog:file:dbg", &err);
		wf_log_reopen(&err);
		usleep(100);
	}
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);

	char *line, *rest;
	for (line = strtok_r(read_file(), "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		unsigned seq, thread, number;

		if (!strstr(line, "mixed"))
			continue;
		if (sscanf(line, "%u|t%u|a line that must not be mixed with another %u.", &seq,
			   &thread, &number) != 3 ||
		    line[strlen(line) - 1] != '.' || seq != number + 1)
			fail_msg("mixed line: %s", line);
		assert_true(thread < N_THREADS);
		lines[thread]++;
	}
	for (int i = 0; i < N_THREADS; i++)
		assert_in_range(lines[i], 1, N_LINES);
	wf_log_set("pattern:file:%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m", &err);
}

static void
syslog_gets_a_datagram_a_line(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char *method, text[256];
	struct wf_err err;
	ssize_t n;

	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/log", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	method = wf_xasprintf("unix:%s", un.sun_path);
	assert_int_equal(wf_log_syslog_method(method, &err), 0);
	free(method);
	assert_int_equal(wf_log_syslog_method("null", &err), 0); /* the first one counts */

	wf_log_set("test_log:syslog:info", &err);
	wf_log_set("FACILITY:daemon", &err);
	wf_warn("one\ntwo");
	n = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_true(!strncmp(text, "<28>ovs|", 8)); /* daemon (3 << 3) + warning (4) */
	assert_non_null(strstr(text, "|test_log|WARN|one"));
	n = recv(fd, text, sizeof(text) - 1, 0);
	assert_int_equal(n, strlen("<28>two"));

	/* A syslog daemon that does not read never blocks us; one that is gone, neither. */
	for (int i = 0; i < 5000; i++)
		wf_warn("x");
	while (recv(fd, text, sizeof(text), 0) > 0)
		;
	close(fd);
	unlink(un.sun_path);
	wf_warn("x");
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	wf_warn("again");
	n = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "again"));
	close(fd);
	unlink(un.sun_path);
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_print_as_documented),
		cmocka_unit_test(other_threads_show_their_name),
		cmocka_unit_test(levels_decide_what_is_written),
		cmocka_unit_test(syslog_gets_a_datagram_a_line),
		cmocka_unit_test(bad_specs_name_the_rule),
		cmocka_unit_test(list_has_the_columns_of_ovs),
		cmocka_unit_test(reopen_follows_a_rotation),
		cmocka_unit_test(threads_write_whole_lines),
		cmocka_unit_test(files_of_one_module_are_set_together),
		cmocka_unit_test(a_flood_is_cut_and_told),
	};
	int rc;

	alarm(60);
	setenv("TZ", "UTC", 1);
	wf_program_name = "the_program";
	wf_log_set_all(WF_LOG_CONSOLE, WF_OFF);
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
	if (!mkdtemp(dir))
		return 1;
	file_path = wf_xasprintf("%s/the.log", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file_path);
	free(file_path);
	rmdir(dir);
	return rc;
}
