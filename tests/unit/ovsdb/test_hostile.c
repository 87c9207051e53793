/* SPDX-License-Identifier: Apache-2.0 */
/* The session against a server that we play: older ones, broken ones, and hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/jsonmsg.h"
#include "base/loop.h"
#include "base/stream.h"
#include "ovsdb/session.h"
#include "real_server.h"

#define U1 "00000000-0000-0000-0000-000000000001"

static char dir[] = "/tmp/weft-test-ovsdb-fake-XXXXXX", name[128], passive[128];

/* The server: answers a request by the text that a test gave for its method. */
static struct {
	struct wf_listener *listener;
	struct wf_stream *stream;
	struct wf_jsonmsg scan;
	struct answer {
		const char *method, *result; /* result NULL: "unknown method" */
	} answers[8];
	const char *raw;  /* instead of any answer */
	size_t raw_size;
	unsigned n_requests, n_connections, n_echo_replies;
	bool mute;
	char methods[1024];
} fake;

static const char schema[] =
	"{\"version\":\"9.9.9\",\"tables\":{\"Queue\":{\"columns\":{\"dscp\":{\"type\":{\"key\":"
	"\"integer\",\"min\":0}},\"other_config\":{\"type\":{\"key\":\"string\",\"value\":"
	"\"string\",\"min\":0,\"max\":\"unlimited\"}}}}}}";

static void
answer(const char *method, const json_t *id)
{
	const char *result = NULL;
	char *id_text = json_dumps(id, JSON_ENCODE_ANY), *text;

	for (size_t i = 0; i < 8 && fake.answers[i].method; i++)
		if (!strcmp(fake.answers[i].method, method))
			result = fake.answers[i].result;
	if (result)
		text = wf_xasprintf("{\"result\":%s,\"error\":null,\"id\":%s}", result, id_text);
	else
		text = wf_xasprintf("{\"result\":null,\"error\":\"unknown method\",\"id\":%s}",
				    id_text);
	wf_stream_write(fake.stream, text, strlen(text));
	free(text);
	free(id_text);
}

static size_t
fake_input(void *arg, const uint8_t *data, size_t size)
{
	size_t used = 0;

	while (used < size && fake.stream) {
		ssize_t n = wf_jsonmsg_scan(&fake.scan, data + used, size - used, 1 << 24);

		if (n <= 0)
			break;
		json_t *json = json_loadb((const char *)data + used, n, 0, NULL);
		const char *method = json_string_value(json_object_get(json, "method"));

		used += n;
		if (method) {
			fake.n_requests++;
			if (strlen(fake.methods) + strlen(method) + 2 < sizeof(fake.methods)) {
				strcat(fake.methods, method);
				strcat(fake.methods, " ");
			}
			if (fake.mute)
				;
			else if (fake.raw)
				wf_stream_write(fake.stream, fake.raw, fake.raw_size);
			else
				answer(method, json_object_get(json, "id"));
		} else {
			fake.n_echo_replies++;
		}
		json_decref(json);
	}
	return used;
}

static void
fake_closed(void *arg, int why, const char *text)
{
	wf_stream_close(fake.stream);
	fake.stream = NULL;
}

static const struct wf_stream_ops fake_ops = { .input = fake_input, .closed = fake_closed };

static void
fake_accept(void *arg, struct wf_stream *stream)
{
	if (fake.stream)
		wf_stream_close(fake.stream);
	fake.stream = stream;
	memset(&fake.scan, 0, sizeof(fake.scan));
	fake.n_connections++;
	wf_stream_set_owner(stream, &fake_ops, NULL);
}

static struct ovsdb_session *s;
static unsigned n_changed;

static void
on_changed(void *arg)
{
	n_changed++;
}

static int
setup(void **state)
{
	static const struct ovsdb_session_ops ops = { .changed = on_changed };
	struct wf_err err;

	memset(&fake, 0, sizeof(fake));
	n_changed = 0;
	fake.listener = wf_listener_open(passive, 0, 0700, fake_accept, NULL, &err);
	assert_non_null(fake.listener);
	s = ovsdb_session_new(name, NULL, &ops, NULL, &err);
	assert_non_null(s);
	return 0;
}

static int
teardown(void **state)
{
	ovsdb_session_free(s);
	if (fake.stream)
		wf_stream_close(fake.stream);
	wf_listener_close(fake.listener);
	real_spin(6);
	return 0;
}

static void
say(const char *text)
{
	wf_stream_write(fake.stream, text, strlen(text));
}

static void
answers(const char *method, const char *result)
{
	for (size_t i = 0; i < 8; i++)
		if (!fake.answers[i].method || !strcmp(fake.answers[i].method, method)) {
			fake.answers[i] = (struct answer){ method, result };
			return;
		}
}

static int64_t
dscp(void)
{
	return ovsdb_int(ovsdb_first(ovsdb_session_replica(s), OVSDB_TABLE_QUEUE),
			 OVSDB_QUEUE_DSCP, -1);
}

static void
newest_server(void **state)
{
	answers("get_schema", schema);
	answers("monitor_cond_since",
		"[false,\"" U1 "\",{\"Queue\":{\"" U1 "\":{\"initial\":{\"dscp\":1}}}}]");
	assert_true(real_until(ovsdb_session_is_live(s), 3000));
	assert_string_equal(ovsdb_session_schema_version(s), "9.9.9");
	assert_int_equal(dscp(), 1);
	say("{\"method\":\"update3\",\"params\":[\"weft\",\"" U1
	    "\",{\"Queue\":{\"" U1 "\":{\"modify\":{\"dscp\":2}}}}],\"id\":null}");
	assert_true(real_until(dscp() == 2, 1000));
	assert_int_equal(n_changed, 2);

	/* It has our last transaction: only what came since is sent, the rest stays. */
	answers("monitor_cond_since", "[true,\"" U1 "\",{}]");
	ovsdb_session_reconnect(s);
	assert_true(real_until(ovsdb_session_counters(s).n_connects == 2, 3000));
	assert_int_equal(dscp(), 2);
	assert_int_equal(n_changed, 2);
}

static void
server_without_monitor_cond_since(void **state)
{
	answers("get_schema", schema);
	answers("monitor_cond", "{\"Queue\":{\"" U1 "\":{\"initial\":{\"dscp\":1}}}}");
	assert_true(real_until(ovsdb_session_is_live(s), 3000));
	say("{\"method\":\"update2\",\"params\":[\"weft\",{\"Queue\":{\"" U1
	    "\":{\"modify\":{\"dscp\":2}}}}],\"id\":null}");
	assert_true(real_until(dscp() == 2, 1000));
}

static void
server_of_rfc_7047(void **state)
{
	answers("get_schema", schema);
	answers("monitor", "{\"Queue\":{\"" U1 "\":{\"new\":{\"dscp\":1}}}}");
	assert_true(real_until(ovsdb_session_is_live(s), 3000));
	assert_string_equal(fake.methods, "get_schema monitor_cond_since monitor_cond monitor ");
	say("{\"method\":\"update\",\"params\":[\"weft\",{\"Queue\":{\"" U1
	    "\":{\"old\":{\"dscp\":1},\"new\":{\"dscp\":2}}}}],\"id\":null}");
	assert_true(real_until(dscp() == 2, 1000));
}

static void
bytes_may_be_cut_anywhere(void **state)
{
	static const char update[] =
		"{\"method\":\"update3\",\"params\":[\"weft\",\"" U1 "\",{\"Queue\":{\"" U1
		"\":{\"modify\":{\"other_config\":[\"map\",[[\"k\",\"}]\\\"\\u00e9\"]]]}}}}],"
		"\"id\":null}";

	answers("get_schema", schema);
	answers("monitor_cond_since",
		"[false,\"" U1 "\",{\"Queue\":{\"" U1 "\":{\"initial\":{\"dscp\":1}}}}]");
	assert_true(real_until(ovsdb_session_is_live(s), 3000));
	for (size_t i = 0; i < sizeof(update) - 1; i++) {
		assert_int_equal(n_changed, 1);
		wf_stream_write(fake.stream, update + i, 1);
		wf_loop_turn();
		wf_loop_turn();
	}
	assert_true(real_until(n_changed == 2, 1000));
	assert_string_equal(ovsdb_smap_get(ovsdb_first(ovsdb_session_replica(s), OVSDB_TABLE_QUEUE),
					   OVSDB_QUEUE_OTHER_CONFIG, "k"),
			    "}]\"\xc3\xa9");
}

static void
both_sides_echo(void **state)
{
	answers("get_schema", schema);
	answers("monitor_cond_since", "[false,\"" U1 "\",{}]");
	assert_true(real_until(ovsdb_session_is_live(s), 3000));
	say("{\"method\":\"echo\",\"params\":[1,{}],\"id\":\"x\"}");
	assert_true(real_until(fake.n_echo_replies == 1, 1000));
	/* A method that we do not have gets an answer, too. */
	say("{\"method\":\"steal\",\"params\":[],\"id\":7}");
	assert_true(real_until(fake.n_echo_replies == 2, 1000));

	/* Ours: a server that answers stays, one that does not is left. */
	ovsdb_session_set_probe_interval(s, 1000);
	assert_true(real_until(strstr(fake.methods, "echo") != NULL, 3000));
	real_spin(50);
	assert_true(ovsdb_session_is_live(s));
	fake.mute = true;
	assert_true(real_until(fake.n_connections == 2, 6000));
	assert_int_equal(ovsdb_session_counters(s).n_bad_messages, 0);
}

/* Each text makes the session leave, by a counted and logged error; then it comes back. */
static void
broken_server_is_left(void **state)
{
	static const char *const raws[] = {
		"hello", "]", "{]", "[1,2]", "{\"method\":5,\"id\":null}",
		"{\"method\":\"update3\",\"params\":{},\"id\":null}",
		"{\"method\":\"echo\",\"id\":1}",
		"{\"a\":1e999999}", "{\"a\":99999999999999999999999999}", "{\"a\":\"\\ud800\"}",
		"{\"a\":\"\xff\xfe\"}", "{\"a\":\"\\u0000\"}", "{\"a\":1,}",
	};
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(raws) / sizeof(raws[0]); i++) {
		fake.raw = raws[i];
		fake.raw_size = strlen(raws[i]);
		ovsdb_session_reconnect(s);
		if (!real_until(ovsdb_session_counters(s).n_bad_messages > n, 3000))
			fail_msg("%s: accepted", raws[i]);
		n = ovsdb_session_counters(s).n_bad_messages;
		assert_false(ovsdb_session_is_live(s));
	}
	fake.raw = NULL;
	answers("get_schema", schema);
	answers("monitor_cond_since", "[false,\"" U1 "\",{}]");
	ovsdb_session_reconnect(s);
	assert_true(real_until(ovsdb_session_is_live(s), 3000));
}

static void
deep_and_long_messages_are_refused(void **state)
{
	size_t size = 20 << 20;
	char *deep = malloc(200000), *longest = malloc(size);

	memset(deep, '[', 200000);
	memset(longest, 'a', size);
	memcpy(longest, "{\"a\":\"", 6);
	fake.raw = deep;
	fake.raw_size = 200000;
	assert_true(real_until(ovsdb_session_counters(s).n_bad_messages == 1, 3000));
	fake.raw = longest;
	fake.raw_size = size;
	ovsdb_session_reconnect(s);
	assert_true(real_until(ovsdb_session_counters(s).n_bad_messages == 2, 5000));
	free(deep);
	free(longest);
	fake.raw = NULL;
}

/* Replies that are JSON-RPC but not what was asked for. */
static void
nonsense_is_left(void **state)
{
	static const struct {
		const char *schema, *content;
	} rows[] = {
		{ "5", NULL },
		{ "null", NULL },
		{ "{}", NULL },
		{ schema, "5" },
		{ schema, "null" },
		{ schema, "[]" },
		{ schema, "[false,5]" },
		{ schema, "[false,null,5]" },
		{ schema, "[true,\"" U1 "\",{\"Queue\":{\"" U1 "\":{\"modify\":{}}}}]" },
		{ schema, "[false,\"" U1 "\",{\"Bridge\":{\"" U1
			  "\":{\"initial\":{\"name\":\"x\"}}}}]" },
		{ schema, "[false,\"" U1 "\",{\"Queue\":{\"x\":{}}}]" },
		{ schema, "[false,\"" U1 "\",{\"Queue\":{\"" U1
			  "\":{\"initial\":{\"dscp\":\"high\"}}}}]" },
	};
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(fake.answers, 0, sizeof(fake.answers));
		answers("get_schema", rows[i].schema);
		if (rows[i].content)
			answers("monitor_cond_since", rows[i].content);
		ovsdb_session_reconnect(s);
		if (!real_until(ovsdb_session_counters(s).n_bad_messages > n, 3000))
			fail_msg("row %zu: accepted", i);
		n = ovsdb_session_counters(s).n_bad_messages;
		assert_false(ovsdb_session_is_live(s));
	}
}

/* An update that does not fit makes the session fetch the whole content again. */
static void
update_that_does_not_fit_leads_to_a_fresh_start(void **state)
{
	static const char *const updates[] = {
		"{\"method\":\"update3\",\"params\":[],\"id\":null}",
		"{\"method\":\"update3\",\"params\":[\"weft\",\"" U1 "\",{\"Queue\":{\"" U1
		"\":{\"insert\":{}}}}],\"id\":null}",
		"{\"method\":\"update2\",\"params\":[\"weft\",{\"Queue\":[]}],\"id\":null}",
		"{\"method\":\"update\",\"params\":[\"weft\",{\"Queue\":{\"" U1
		"\":{}}}],\"id\":null}",
		"{\"method\":\"monitor_canceled\",\"params\":[\"weft\"],\"id\":null}",
	};

	answers("get_schema", schema);
	answers("monitor_cond_since",
		"[false,\"" U1 "\",{\"Queue\":{\"" U1 "\":{\"initial\":{\"dscp\":1}}}}]");
	assert_true(real_until(ovsdb_session_is_live(s), 3000));
	struct ovsdb_row *q = ovsdb_first(ovsdb_session_replica(s), OVSDB_TABLE_QUEUE);
	for (size_t i = 0; i < sizeof(updates) / sizeof(updates[0]); i++) {
		say(updates[i]);
		assert_true(real_until(!ovsdb_session_is_live(s), 1000));
		ovsdb_session_reconnect(s);
		assert_true(real_until(ovsdb_session_is_live(s), 3000));
		assert_ptr_equal(q, ovsdb_first(ovsdb_session_replica(s), OVSDB_TABLE_QUEUE));
	}
	/* Replies and notifications that nobody asked for are ignored. */
	say("{\"result\":[],\"error\":null,\"id\":4711}{\"result\":1,\"id\":\"x\"}{\"id\":null}"
	    "{\"method\":\"locked\",\"params\":[5],\"id\":null}"
	    "{\"method\":\"new_fashion\",\"params\":[],\"id\":null}");
	real_spin(20);
	assert_true(ovsdb_session_is_live(s));
	assert_int_equal(n_changed, 1);
}

static bool commit_done;
static enum ovsdb_txn_result commit_result;

static void
on_commit(void *arg, enum ovsdb_txn_result result, const char *text)
{
	commit_done = true;
	commit_result = result;
}

static void
bad_transaction_replies_are_errors(void **state)
{
	static const char *const replies[] = {
		"5", "null", "{}", "[null,{\"error\":\"constraint violation\"}]",
		"[{\"error\":\"resources exhausted\",\"details\":5}]",
	};

	answers("get_schema", schema);
	answers("monitor_cond_since",
		"[false,\"" U1 "\",{\"Queue\":{\"" U1 "\":{\"initial\":{\"dscp\":1}}}}]");
	assert_true(real_until(ovsdb_session_is_live(s), 3000));
	struct ovsdb_row *q = ovsdb_first(ovsdb_session_replica(s), OVSDB_TABLE_QUEUE);
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		answers("transact", replies[i]);
		ovsdb_set_int(s, q, OVSDB_QUEUE_DSCP, 10 + i);
		commit_done = false;
		ovsdb_commit(s, on_commit, NULL);
		assert_true(real_wait(&commit_done, 2000));
		assert_int_equal(commit_result, OVSDB_TXN_ERROR);
		assert_false(ovsdb_writes_pending(s));
	}
	/* A session that is closed answers what it owes. */
	fake.mute = true;
	ovsdb_set_int(s, q, OVSDB_QUEUE_DSCP, 20);
	commit_done = false;
	ovsdb_commit(s, on_commit, NULL);
	real_spin(10);
	assert_false(commit_done);
	ovsdb_session_free(s);
	s = NULL;
	assert_true(commit_done);
	assert_int_equal(commit_result, OVSDB_TXN_CLOSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
		T(newest_server),
		T(server_without_monitor_cond_since),
		T(server_of_rfc_7047),
		T(bytes_may_be_cut_anywhere),
		T(both_sides_echo),
		T(broken_server_is_left),
		T(deep_and_long_messages_are_refused),
		T(nonsense_is_left),
		T(update_that_does_not_fit_leads_to_a_fresh_start),
		T(bad_transaction_replies_are_errors),
#undef T
	};
	int rc;

	wf_loop_init();
	if (!mkdtemp(dir))
		abort();
	snprintf(name, sizeof(name), "unix:%s/s", dir);
	snprintf(passive, sizeof(passive), "punix:%s/s", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
