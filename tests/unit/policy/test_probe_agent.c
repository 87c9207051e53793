// SPDX-License-Identifier: Apache-2.0
/* What members say of themselves in answers to probes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "policy/health_internal.h"

static void
lines_of_agents(void **state)
{
	static const struct {
		const char *line;
		bool eof;
		int rc;
		double load;
		int percent;
		bool drain;
		const char *text;
	} cases[] = {
		{ "up\n", false, 1, -1, -1, false, "agent: up" },
		{ "ready", true, 1, -1, -1, false, "agent: ready" },
		{ "ready", false, -EAGAIN, -1, -1, false, NULL },
		{ "75%\n", false, 1, -1, 75, false, "agent: 75%" },
		{ "up,33.4%\tload:12.5 maxconn:30\r\n", false, 1, 12.5, 34, false, "agent: up,33.4%?load:12.5 maxconn:30" },
		{ "250%\n", false, 1, -1, 100, false, NULL },
		{ "0%\n", false, 1, -1, 0, false, NULL },
		{ "drain 50% # for a while\n", false, 1, -1, 50, true, NULL },
		{ "down # disk is full\n", false, 0, -1, -1, false, "agent: down # disk is full" },
		{ "maint\n", false, 0, -1, -1, false, "agent: maint" },
		{ "up stopped\n", false, 0, -1, -1, false, "agent: up stopped" },
		{ "HTTP/1.1 400 Bad Request\r\n", false, 0, -1, -1, false, "not a word of agents: HTTP/1.1" },
		{ "-5%\n", false, 0, -1, -1, false, "not a word of agents: -5%" },
		{ "load:nan\n", false, 0, -1, -1, false, "not a word of agents: load:nan" },
		{ "load:1.2.3\n", false, 0, -1, -1, false, "not a word of agents: load:1.2.3" },
		{ "%\n", false, 0, -1, -1, false, "not a word of agents: %" },
		{ "\x1b[2J\n", false, 0, -1, -1, false, "not a word of agents: ?[2J" },
		{ "", true, 0, -1, -1, false, "closed without an answer" },
		{ "# nothing\n", false, 0, -1, -1, false, "an agent's line without a word" },
	};
	char text[120], longer[2000];
	struct pol_told told;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = strlen(cases[i].line);
		uint8_t *copy = wf_xmemdup(cases[i].line, n);
		int rc;

		told = POL_TOLD_NOTHING;
		rc = pol_agent_judge(copy, n, cases[i].eof, &told, text, sizeof text);
		if (rc != cases[i].rc || (cases[i].text && strcmp(text, cases[i].text)) ||
		    (rc == 1 && (told.load != cases[i].load || told.percent != cases[i].percent || told.drain != cases[i].drain)))
			fail_msg("%s: %d, %s, load %g, %d %%", cases[i].line, rc, text, told.load, told.percent);
		free(copy);
	}
	memset(longer, 'a', sizeof longer);
	assert_int_equal(pol_agent_judge((uint8_t *)longer, 1000, false, &told, text, sizeof text), -EAGAIN);
	assert_int_equal(pol_agent_judge((uint8_t *)longer, sizeof longer, false, &told, text, sizeof text), 0);
	assert_string_equal(text, "an agent's line of more than 1023 bytes");
}

static void
a_load_in_a_header(void **state)
{
	static char name[] = "X-Load";
	struct pol_probe_conf conf = { .load_header = name };
	static const struct {
		const char *answer;
		double load;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nX-Load: 72.5\r\n\r\nX-Load: 1", 72.5 },
		{ "HTTP/1.1 200 OK\r\nA: b\r\nx-load:0 \r\n\r\n", 0 },
		{ "HTTP/1.1 200 OK\r\nX-Load: high\r\n\r\n", -1 },
		{ "HTTP/1.1 200 OK\r\nX-Load: -3\r\n\r\n", -1 },
		{ "HTTP/1.1 200 OK\r\nX-Load: 1e9\r\n\r\n", -1 },
		{ "HTTP/1.1 200 OK\r\nX-Load: 11111111111111111111111111111111111111\r\n\r\n", -1 },
		{ "HTTP/1.1 200 OK\r\nX-Load:\r\n\r\n", -1 },
		{ "HTTP/1.1 200 OK\r\n\r\nX-Load: 5", -1 },
		{ "HTTP/1.1 200 OK\r\nX-Load: 5", -1 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = strlen(cases[i].answer);
		uint8_t *copy = wf_xmemdup(cases[i].answer, n);

		if (pol_http_load(&conf, copy, n) != cases[i].load)
			fail_msg("%s: %g", cases[i].answer, pol_http_load(&conf, copy, n));
		free(copy);
	}
}

/* ---- A member that tells, from probe to share ---- */

static const char *reply_text;

static size_t
on_request(void *stream, const uint8_t *data, size_t size)
{
	if (!memmem(data, size, "\r\n", 2))
		return 0;
	wf_stream_write(stream, reply_text, strlen(reply_text));
	return size;
}

static void
on_client_gone(void *stream, int why, const char *text)
{
	wf_stream_close(stream);
}

static const struct wf_stream_ops server_ops = { .input = on_request, .closed = on_client_gone };

static void
on_client(void *arg, struct wf_stream *stream)
{
	wf_stream_set_owner(stream, &server_ops, stream);
}

#define wait_for(CONDITION)                                     \
	do {                                                    \
		for (int i_ = 0; !(CONDITION) && i_ < 30000; i_++) { \
			wf_loop_turn();                         \
			usleep(2000);                           \
		}                                               \
		assert_true(CONDITION);                         \
	} while (0)

static void
members_tell(void **state)
{
	struct wf_err err = { "" };
	struct wf_listener *l = wf_listener_open("ptcp:0:127.0.0.1", 0, 0, on_client, NULL, &err);
	struct pol_health *h = pol_health_new("test");
	struct pol *pol = NULL, *old;
	json_t *conf = json_pack("{s:[{s:s, s:s, s:i, s:s, s:i, s:i, s:i, s:i}], s:[{s:s, s:s, s:[{s:s, s:[s], s:i}]}]}", "probe",
				 "name", "a", "type", "agent", "port", (int)wf_listener_port(l), "send", "p/m\\x0d\\x0a",
				 "interval-ms", 20, "timeout-ms", 60000, "rise", 1, "fall", 1, "pool", "name", "p", "probe",
				 "a", "member", "name", "m", "address", "127.0.0.1", "capacity", 200);

	assert_non_null(l);
	assert_non_null(conf);
	reply_text = "50% load:30\n";
	assert_int_equal(pol_build(conf, NULL, NULL, &pol, &err), 0);
	assert_int_equal(pol_health_apply(h, conf, NULL, pol, &err), 0);
	wait_for(pol_member_find(pol, "p", "m")->load == 0.15f);
	assert_int_equal(pol_member_share(pol, 0), 128);
	assert_false(pol_member_find(pol, "p", "m")->drain);
	/* A reload forgets nothing. */
	old = pol;
	assert_int_equal(pol_build(conf, NULL, old, &pol, &err), 0);
	assert_int_equal(pol_health_apply(h, conf, NULL, pol, &err), 0);
	pol_free(old);
	assert_int_equal(pol_member_share(pol, 0), 128);
	reply_text = "0%\n";
	wait_for(pol_member_find(pol, "p", "m")->drain);
	reply_text = "100%\n";
	wait_for(!pol_member_find(pol, "p", "m")->drain && pol_member_share(pol, 0) == 256);
	assert_true(pol_member_find(pol, "p", "m")->load < 0);
	reply_text = "down # out of paper\n";
	wait_for(!pol_member_find(pol, "p", "m")->up);
	assert_string_equal(pol_target_find(h, "p/m")->last, "agent: down # out of paper");
	reply_text = "up\n";
	wait_for(pol_member_find(pol, "p", "m")->up);
	pol_health_free(h);
	pol_free(pol);
	json_decref(conf);
	wf_listener_close(l);
	for (int i = 0; i < 20; i++)
		wf_loop_turn();
}

int
main(int argc, char *argv[])
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_agents),
		cmocka_unit_test(a_load_in_a_header),
		cmocka_unit_test(members_tell),
	};

	wf_loop_init();
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	wf_rcu_drain();
	wf_loop_done();
	return rc;
}
