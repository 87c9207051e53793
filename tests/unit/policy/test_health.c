// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "policy/health_internal.h"
#include "tests/unit/policy/policy_json.h"

/* One object of each, as a daemon has them. */
struct both {
	json_t *conf;
	struct pol *pol;
	struct pol_health *health;
};

static json_t *
conf_of(const char *text)
{
	char *json = wf_xasprintf("{'weft-policy-test:test': {%s}}", text);
	struct wf_err err = { "" };
	json_t *top = NULL;

	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	if (wf_yang_load_text(test_yang, "test.json", json, &top, &err))
		fail_msg("%s", err.text);
	json_t *conf = json_incref(json_object_get(top, "weft-policy-test:test"));

	json_decref(top);
	free(json);
	return conf;
}

static void
apply(struct both *b, const char *text)
{
	struct pol *old = b->pol;
	struct wf_err err = { "" };

	json_decref(b->conf);
	b->conf = conf_of(text);
	if (pol_build(b->conf, NULL, old, &b->pol, &err) ||
	    pol_health_apply(b->health, b->conf, NULL, b->pol, &err))
		fail_msg("%s", err.text);
	pol_free(old);
}

static void
both_init(struct both *b, const char *text)
{
	*b = (struct both){ .health = pol_health_new("test") };
	apply(b, text);
}

static void
both_done(struct both *b)
{
	pol_health_free(b->health);
	pol_free(b->pol);
	json_decref(b->conf);
	for (int i = 0; i < 5; i++)
		wf_loop_turn();
}

static bool
is_up(const struct both *b, const char *pool, const char *member)
{
	return pol_member_find(b->pol, pool, member)->up;
}

/* Turns the loop in real time until the condition holds; a minute is for a machine under load. */
#define wait_for(CONDITION)                                                                        \
	do {                                                                                       \
		int turns_ = 0;                                                                    \
		for (; !(CONDITION) && turns_ < 30000; turns_++) {                                 \
			wf_loop_turn();                                                            \
			usleep(2000);                                                              \
		}                                                                                  \
		assert_true(CONDITION);                                                            \
	} while (0)

static void
report(struct both *b, const char *source, const char *text)
{
	struct wf_err err = { "" };
	json_t *line = json_loads(text, 0, NULL);

	assert_non_null(line);
	if (pol_health_report(b->health, source, line, &err))
		fail_msg("%s", err.text);
	json_decref(line);
}

#define TWO                                                                                        \
	"'pool': [{'name': 'p', 'member': [{'name': 'a', 'address': ['127.0.0.1'], 'capacity': "   \
	"200},"                                                                                    \
	"{'name': 'b', 'address': ['127.0.0.1']}]}], 'policy': [{'name': 'x', 'order': "           \
	"['failover']}]"

static void
rise_and_fall_count_results_in_a_row(void **state)
{
	struct both b;

	both_init(&b, "'probe': [{'name': 'tcp', 'type': 'tcp', 'port': 9, 'rise': 2, 'fall': 3, "
		      "'interval-ms': 3600000}],"
		      "'pool': [{'name': 'p', 'probe': 'tcp', 'member': [{'name': 'a', 'address': "
		      "['127.0.0.1']}]}]");
	struct pol_target *t = pol_target_find(b.health, "p/a");
	/* What comes in, and whether it is up then: the first word counts at once. */
	static const struct {
		bool result, up;
	} steps[] = { { 0, 0 }, { 1, 0 }, { 0, 0 }, { 1, 0 }, { 1, 1 }, { 0, 1 }, { 0, 1 },
		      { 1, 1 }, { 0, 1 }, { 0, 1 }, { 0, 0 }, { 1, 0 }, { 1, 1 } };

	assert_true(is_up(&b, "p", "a"));
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		pol_target_result(b.health, t, steps[i].result, "made up");
		if (is_up(&b, "p", "a") != steps[i].up)
			fail_msg("step %zu", i);
	}
	both_done(&b);
}

static void
feeds_set_state_load_and_drain(void **state)
{
	struct both b;

	both_init(&b, TWO);
	assert_true(is_up(&b, "p", "a"));
	report(&b, "f",
	       "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"up\":false},"
	       "{\"pool\":\"p\",\"member\":\"zz\",\"up\":false}]}");
	assert_false(is_up(&b, "p", "a"));
	report(&b, "f",
	       "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"up\":true,"
	       "\"load\":50,\"drain\":true}]}");
	assert_true(is_up(&b, "p", "a"));
	assert_true(pol_member_find(b.pol, "p", "a")->load == 0.25f);
	assert_true(pol_member_find(b.pol, "p", "a")->drain);
	/* A flicker of load does not count when it goes down. */
	report(&b, "f",
	       "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"load\":48}]}");
	assert_true(pol_member_find(b.pol, "p", "a")->load == 0.25f);
	report(&b, "f",
	       "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"load\":44}]}");
	assert_true(pol_member_find(b.pol, "p", "a")->load == 0.22f);
	report(&b, "f",
	       "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"load\":45}]}");
	assert_true(pol_member_find(b.pol, "p", "a")->load == 0.225f);
	/* One source that says down is enough. */
	report(&b, "g",
	       "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"up\":false}]}");
	assert_false(is_up(&b, "p", "a"));
	/* A full line takes back what it does not have. */
	report(&b, "g", "{\"weft-health\":1,\"full\":true,\"members\":[]}");
	assert_true(is_up(&b, "p", "a"));

	struct pol_health_stats stats;

	pol_health_stats(b.health, &stats);
	assert_int_equal(stats.n_feed_unknown, 1);
	assert_int_equal(stats.n_feed_lines, 7);
	both_done(&b);
}

/* A feed of our listener's, with short times. */
static void
who_fell_silent_is_forgotten(void **state)
{
	struct wf_err err = { "" };
	struct pol_feed *f;
	struct both b;

	both_init(&b, "'probe': [{'name': 'tcp', 'type': 'tcp', 'port': 9, 'interval-ms': 3600000}],"
		      "'pool': [{'name': 'p', 'probe': 'tcp', 'member': [{'name': 'a', 'address': ['127.0.0.1']}]},"
		      "{'name': 'q', 'member': [{'name': 'b', 'address': ['127.0.0.1']}]}]");
	b.health->forget_ms = 20;
	f = pol_feed_new(b.health, POL_FEED_PEER, "agent", "", 20);
	pol_feed_start(f);
	json_t *line = json_loads("{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"drain\":true},"
				  "{\"pool\":\"q\",\"member\":\"b\",\"up\":false,\"drain\":true}]}",
				  0, NULL);
	assert_int_equal(pol_feed_take(f, line, &err), 0);
	json_decref(line);
	assert_true(pol_member_find(b.pol, "p", "a")->drain);
	/* Where a probe looks, neither its drain nor anything else stays; elsewhere its last word. */
	wait_for(!pol_member_find(b.pol, "p", "a")->drain);
	wait_for(wf_list_is_empty(&pol_target_find(b.health, "p/a")->said));
	assert_false(is_up(&b, "q", "b"));
	assert_true(pol_member_find(b.pol, "q", "b")->drain);
	line = json_loads("{\"weft-health\":1,\"full\":true,\"members\":[]}", 0, NULL);
	assert_int_equal(pol_feed_take(f, line, &err), 0);
	json_decref(line);
	wait_for(wf_list_is_empty(&b.health->feeds));
	assert_true(is_up(&b, "q", "b"));
	both_done(&b);
}

static void
bad_lines_are_refused_whole(void **state)
{
	static const struct {
		const char *line, *part;
	} bad[] = {
		{ "{}", "no \"weft-health\"" },
		{ "[]", "no \"weft-health\"" },
		{ "{\"weft-health\":2}", "version 1" },
		{ "{\"weft-health\":1,\"members\":{}}", "list of objects" },
		{ "{\"weft-health\":1,\"members\":[1]}", "two strings" },
		{ "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"up\":false},{"
		  "\"pool\":\"p\"}]}",
		  "two strings" },
		{ "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"up\":0}]}",
		  "true or false" },
		{ "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"load\":-1}]}",
		  "0 or more" },
	};
	struct both b;

	both_init(&b, TWO);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		json_t *line = json_loads(bad[i].line, 0, NULL);
		struct wf_err err = { "" };

		assert_int_equal(pol_health_report(b.health, "f", line, &err), -EINVAL);
		if (!strstr(err.text, bad[i].part))
			fail_msg("%s: %s", bad[i].line, err.text);
		json_decref(line);
	}
	assert_true(is_up(&b, "p", "a"));
	both_done(&b);
}

static void
operators_win(void **state)
{
	struct wf_err err;
	struct both b;

	both_init(&b, TWO);
	assert_int_equal(pol_health_force(b.health, "p", "a", POL_FORCE_DOWN, &err), 0);
	assert_false(is_up(&b, "p", "a"));
	report(&b, "f",
	       "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"up\":true}]}");
	assert_false(is_up(&b, "p", "a"));
	pol_health_force(b.health, "p", "a", POL_FORCE_NONE, &err);
	assert_true(is_up(&b, "p", "a"));
	assert_int_equal(pol_health_drain(b.health, "p", "", true, &err), 0);
	assert_true(pol_member_find(b.pol, "p", "b")->drain);
	assert_int_equal(pol_health_drain(b.health, "q", "", true, &err), -ENOENT);
	assert_non_null(strstr(err.text, "q"));
	both_done(&b);
}

static void
states_are_kept_over_reload_and_restart(void **state)
{
	char path[] = "/tmp/weft-test-health.XXXXXX", conf[2000];
	struct both b;

	close(mkstemp(path));
	unlink(path);
	snprintf(conf, sizeof conf, "'health': {'state-file': '%s'}, " TWO, path);
	both_init(&b, conf);
	report(&b, "f",
	       "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"up\":false,"
	       "\"load\":100}]}");
	apply(&b, conf);
	assert_false(is_up(&b, "p", "a"));
	assert_true(is_up(&b, "p", "b"));
	both_done(&b);

	/* The next process; its probe has not said anything yet. */
	snprintf(conf, sizeof conf,
		 "'health': {'state-file': '%s'}, 'probe': [{'name': 't', 'type': 'tcp', 'port': "
		 "9, 'rise': 2, "
		 "'interval-ms': 3600000}], 'pool': [{'name': 'p', 'probe': 't', 'member': "
		 "[{'name': 'a', "
		 "'address': ['127.0.0.1']}]}]",
		 path);
	both_init(&b, conf);
	assert_false(is_up(&b, "p", "a"));
	/* One success is not yet the two that it takes. */
	pol_target_result(b.health, pol_target_find(b.health, "p/a"), true, "made up");
	assert_false(is_up(&b, "p", "a"));
	pol_target_result(b.health, pol_target_find(b.health, "p/a"), true, "made up");
	assert_true(is_up(&b, "p", "a"));
	both_done(&b);
	unlink(path);
}

static void
a_feed_file_is_followed(void **state)
{
	char path[] = "/tmp/weft-test-feed.XXXXXX", conf[2000];
	struct both b;

	close(mkstemp(path));
	FILE *f = fopen(path, "w");
	fprintf(f, "# by "
		   "hand\n{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"up\":"
		   "false}]}\n");
	fclose(f);
	snprintf(conf, sizeof conf,
		 "'health': {'feed': [{'name': 'f', 'file': '%s', 'stale-ms': 600}]}, " TWO, path);
	both_init(&b, conf);
	assert_false(is_up(&b, "p", "a"));

	/* A broken one leaves what was said. */
	f = fopen(path, "w");
	fprintf(f, "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"up\":tr\n");
	fclose(f);
	struct pol_health_stats stats;

	wait_for((pol_health_stats(b.health, &stats), stats.n_feed_bad_lines) == 1);
	assert_false(is_up(&b, "p", "a"));
	/* Silence freezes it, and says so. */
	wait_for((pol_health_stats(b.health, &stats), stats.n_stale_feeds) == 1);
	assert_false(is_up(&b, "p", "a"));
	char *text = pol_health_text(b.health);
	assert_non_null(strstr(text, "feed f (stale, frozen)"));
	free(text);

	f = fopen(path, "w");
	fprintf(f, "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"a\",\"up\":true}]}"
		   "\n");
	fclose(f);
	wait_for(is_up(&b, "p", "a"));
	pol_health_stats(b.health, &stats);
	assert_int_equal(stats.n_stale_feeds, 0);
	both_done(&b);
	unlink(path);
}

static void
one_daemon_follows_another(void **state)
{
	char conf[2000], path[] = "/tmp/weft-test-serve.XXXXXX";
	struct both a, b;

	close(mkstemp(path));
	unlink(path);
	snprintf(conf, sizeof conf, "'health': {'listen': 'punix:%s'}, " TWO, path);
	both_init(&a, conf);
	snprintf(conf, sizeof conf,
		 "'health': {'feed': [{'name': 'other', 'connect': 'unix:%s'}]}, " TWO, path);
	both_init(&b, conf);
	struct pol_health_stats stats;

	wait_for((pol_health_stats(b.health, &stats), stats.n_feed_lines) > 0);
	assert_true(is_up(&b, "p", "b"));
	report(&a, "f",
	       "{\"weft-health\":1,\"members\":[{\"pool\":\"p\",\"member\":\"b\",\"up\":false,"
	       "\"load\":30}]}");
	wait_for(!is_up(&b, "p", "b"));
	assert_true(pol_member_find(b.pol, "p", "b")->load > 0.29f);
	/* The other one goes away: frozen. */
	both_done(&a);
	for (int i = 0; i < 50; i++)
		wf_loop_turn();
	assert_false(is_up(&b, "p", "b"));
	both_done(&b);
	unlink(path);
}

/* ---- Probes against servers on the same loop ---- */

static const char *reply_text;

static size_t
on_request(void *stream, const uint8_t *data, size_t size)
{
	if (!memmem(data, size, "\r\n\r\n", 4))
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

struct outcome {
	bool done, ok, not_run;
	char text[160];
};

static void
on_outcome(void *arg, enum pol_probe_result result, const char *text, const struct pol_told *told)
{
	struct outcome *o = arg;

	o->done = true;
	o->ok = result == POL_PROBE_PASSED;
	o->not_run = result == POL_PROBE_NOT_RUN;
	snprintf(o->text, sizeof o->text, "%s", text);
}

static struct outcome
probe(const struct pol_probe_conf *conf, const char *address)
{
	struct outcome o = { false };
	struct pol_addr a;

	assert_true(pol_addr_parse(address, &a));
	pol_probe_start(conf, &a, "pool", "member", on_outcome, &o);
	assert_false(o.done);
	wait_for(o.done);
	return o;
}

static void
tcp_and_http_probes_tell_good_from_bad(void **state)
{
	struct wf_err err;
	struct wf_listener *l = wf_listener_open("ptcp:0:127.0.0.1", 0, 0, on_client, NULL, &err);
	char path[] = "/x", expect[] = "fine";
	struct pol_probe_conf conf = { .type = POL_PROBE_TCP,
				       .timeout_ms = 20000,
				       .path = path,
				       .status_min = 200,
				       .status_max = 299 };
	static const struct {
		const char *reply;
		bool expect, ok;
		const char *text;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, true, "status 200" },
		{ "HTTP/1.1 503 no\r\n\r\n", false, false, "status 503" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall fine", true, true,
		  "status 200" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nbroken!", true, false,
		  "without what is expected" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n",
		  true, true, "200" },
		{ "SSH-2.0-x\r\n\r\n", false, false, "not an answer of HTTP" },
	};

	assert_non_null(l);
	conf.port = wf_listener_port(l);
	assert_true(probe(&conf, "127.0.0.1").ok);
	conf.type = POL_PROBE_HTTP;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		reply_text = cases[i].reply;
		conf.expect = cases[i].expect ? expect : NULL;
		struct outcome o = probe(&conf, "127.0.0.1");

		if (o.ok != cases[i].ok || !strstr(o.text, cases[i].text))
			fail_msg("%s: %s", cases[i].reply, o.text);
	}
	/* By a device: there is one, or not. */
	char lo[] = "lo", nowhere[] = "weft-none";

	conf.type = POL_PROBE_TCP;
	conf.device = nowhere;
	assert_false(probe(&conf, "127.0.0.1").ok);
	conf.device = lo;
	assert_true(probe(&conf, "127.0.0.1").ok);
	conf.device = NULL;
	conf.type = POL_PROBE_HTTP;
	/* A server that says nothing. */
	reply_text = "";
	conf.timeout_ms = 50;
	struct outcome o = probe(&conf, "127.0.0.1");

	assert_false(o.ok);
	assert_non_null(strstr(o.text, "within 50 ms"));
	/* A TLS handshake with who does not speak it. */
	conf.type = POL_PROBE_TLS;
	assert_false(probe(&conf, "127.0.0.1").ok);

	conf.timeout_ms = 20000;
	conf.type = POL_PROBE_TCP;
	wf_listener_close(l);
	for (int i = 0; i < 5; i++)
		wf_loop_turn();
	o = probe(&conf, "127.0.0.1");
	assert_false(o.ok);
	assert_string_equal(o.text, "Connection refused");
}

/* A TLS server with a certificate of its own, for three connections. */
static void *
tls_server(void *arg)
{
	static const char answer[] = "HTTP/1.1 204 none\r\n\r\n";
	int listener = *(int *)arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -1000);
	X509_gmtime_adj(X509_getm_notAfter(cert), 100000);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
				   (const uint8_t *)"weft", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_sign(cert, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	for (int i = 0; i < 3; i++) {
		int fd = accept(listener, NULL, NULL);
		SSL *ssl = SSL_new(ctx);
		char request[1000];

		SSL_set_fd(ssl, fd);
		if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof request) > 0)
			SSL_write(ssl, answer, sizeof answer - 1);
		SSL_shutdown(ssl);
		SSL_free(ssl);
		close(fd);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	SSL_CTX_free(ctx);
	return NULL;
}

static void
tls_and_https_probes_shake_hands(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof in;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	char path[] = "/";
	pthread_t thread;

	assert_int_equal(bind(listener, (void *)&in, size), 0);
	assert_int_equal(listen(listener, 8), 0);
	getsockname(listener, (void *)&in, &size);
	/* The server writes to who is gone. */
	signal(SIGPIPE, SIG_IGN);
	pthread_create(&thread, NULL, tls_server, &listener);
	struct pol_probe_conf conf = { .type = POL_PROBE_TLS,
				       .port = ntohs(in.sin_port),
				       .timeout_ms = 20000,
				       .path = path,
				       .status_min = 200,
				       .status_max = 299 };
	struct outcome o = probe(&conf, "127.0.0.1");

	assert_true(o.ok);
	assert_string_equal(o.text, "TLSv1.3");
	conf.type = POL_PROBE_HTTPS;
	o = probe(&conf, "127.0.0.1");
	if (!o.ok)
		fail_msg("%s", o.text);
	assert_string_equal(o.text, "status 204");
	/* Nobody that the system trusts has signed it. */
	conf.verify = true;
	o = probe(&conf, "127.0.0.1");
	assert_false(o.ok);
	assert_non_null(strstr(o.text, "TLS: self-signed certificate"));
	pthread_join(thread, NULL);
	close(listener);
}

static void
udp_icmp_and_script_probes(void **state)
{
	char script_true[] = "/bin/true", script_false[] = "/bin/false", expect[] = "pong";
	uint8_t ping[] = "ping";
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof in;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct outcome o = { false };
	struct pol_addr a;
	char buf[16];

	assert_int_equal(bind(fd, (void *)&in, size), 0);
	getsockname(fd, (void *)&in, &size);
	struct pol_probe_conf conf = { .type = POL_PROBE_UDP,
				       .port = ntohs(in.sin_port),
				       .timeout_ms = 20000,
				       .send = ping,
				       .send_size = 4,
				       .expect = expect };

	pol_addr_parse("127.0.0.1", &a);
	pol_probe_start(&conf, &a, "p", "m", on_outcome, &o);
	size = sizeof in;
	ssize_t n = -1;

	wait_for(n > 0 || (n = recvfrom(fd, buf, sizeof buf, 0, (void *)&in, &size)) > 0);
	assert_int_equal(n, 4);
	assert_memory_equal(buf, "ping", 4);
	assert_int_equal(sendto(fd, "pong!", 5, 0, (void *)&in, size), 5);
	wait_for(o.done);
	assert_true(o.ok);
	close(fd);
	assert_false(probe(&conf, "127.0.0.1").ok);

	conf.type = POL_PROBE_ICMP;
	o = probe(&conf, "127.0.0.1");
	/* Who may not open such a socket is told so. */
	assert_true(o.ok || o.not_run);

	conf.type = POL_PROBE_SCRIPT;
	conf.script = script_true;
	o = probe(&conf, "127.0.0.1");
	assert_string_equal(o.text, "exit status 0");
	assert_true(o.ok);
	conf.script = script_false;
	assert_false(probe(&conf, "127.0.0.1").ok);
	char missing[] = "/nonexistent/x";
	conf.script = missing;
	assert_false(probe(&conf, "127.0.0.1").ok);

	/* A lack of our own is no failure of the member. */
	struct rlimit limit, none;

	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	conf.type = POL_PROBE_TCP;
	o = (struct outcome){ false };
	pol_probe_start(&conf, &a, "p", "m", on_outcome, &o);
	setrlimit(RLIMIT_NOFILE, &limit);
	wait_for(o.done);
	assert_true(o.not_run);
	assert_string_equal(o.text, "Too many open files");
	conf.type = POL_PROBE_SCRIPT;

	/* A cancelled one says nothing. */
	conf.script = script_true;
	o = (struct outcome){ false };
	pol_probe_cancel(pol_probe_start(&conf, &a, "p", "m", on_outcome, &o));
	for (int i = 0; i < 100; i++) {
		wf_loop_turn();
		usleep(1000);
	}
	assert_false(o.done);
}

static void
probes_move_answers(void **state)
{
	struct wf_err err;
	struct wf_listener *l = wf_listener_open("ptcp:0:127.0.0.1", 0, 0, on_client, NULL, &err);
	char conf[2000], name[40];
	struct both b;

	snprintf(name, sizeof name, "ptcp:%u:127.0.0.1", wf_listener_port(l));
	snprintf(conf, sizeof conf,
		 "'probe': [{'name': 't', 'type': 'tcp', 'port': %u, 'interval-ms': 20, "
		 "'timeout-ms': 20000}],"
		 "'pool': [{'name': 'p', 'probe': 't', 'member': [{'name': 'a', 'address': "
		 "['127.0.0.1']}]},"
		 "{'name': 'q', 'member': [{'name': 'a', 'address': ['127.0.0.2']}]}],"
		 "'policy': [{'name': 'x', 'order': ['failover']}]",
		 wf_listener_port(l));
	both_init(&b, conf);
	wait_for(pol_target_find(b.health, "p/a")->n_ok > 3);
	const struct pol_hot *hot = pol_policy_hot(pol_find(b.pol, "x"));
	uint16_t before = hot->view->rows[0][0];

	wf_listener_close(l);
	wait_for(hot->view->rows[0][0] != before);
	l = wf_listener_open(name, 0, 0, on_client, NULL, &err);
	assert_non_null(l);
	wait_for(hot->view->rows[0][0] == before);
	wf_listener_close(l);
	both_done(&b);
}

static void
thousands_of_targets_are_probed(void **state)
{
	struct wf_err err;
	struct wf_listener *l = wf_listener_open("ptcp:0:0.0.0.0", 0, 0, on_client, NULL, &err);
	struct wf_str conf = WF_STR_INIT;
	struct pol_health_stats stats;
	struct both b;

	wf_str_fmt(&conf,
		   "'probe': [{'name': 't', 'type': 'tcp', 'port': %u, 'interval-ms': 1000, "
		   "'timeout-ms': 60000}],"
		   "'pool': [{'name': 'p', 'probe': 't', 'member': [",
		   wf_listener_port(l));
	for (unsigned i = 0; i < 2000; i++)
		wf_str_fmt(&conf, "%s{'name': 'm%u', 'address': ['127.1.%u.%u']}", i ? "," : "", i,
			   i / 250, i % 250 + 1);
	wf_str_put(&conf, "]}]");
	both_init(&b, wf_str_cstr(&conf));
	/* The server's ends need descriptors, too. */
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	wait_for((pol_health_stats(b.health, &stats), stats.n_probes) >= 4000);
	assert_int_equal(stats.n_probe_failures, 0);
	assert_int_equal(stats.n_up, 2000);
	/* A reload while many are on their way. */
	apply(&b, wf_str_cstr(&conf));
	wait_for((pol_health_stats(b.health, &stats), stats.n_probes) >= 6000);
	assert_int_equal(stats.n_up, 2000);
	wf_str_done(&conf);
	wf_listener_close(l);
	both_done(&b);
}

static void
payloads_have_escapes(void **state)
{
	struct wf_err err = { "" };
	uint8_t *bytes;
	size_t n;

	assert_int_equal(pol_payload_parse("a\\x00\\\\b", &bytes, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_memory_equal(bytes, "a\0\\b", 4);
	free(bytes);
	assert_int_equal(pol_payload_parse("\\q", &bytes, &n, &err), -EINVAL);
	assert_non_null(strstr(err.text, "xHH"));
}

int
main(int argc, char *argv[])
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(payloads_have_escapes),
		cmocka_unit_test(rise_and_fall_count_results_in_a_row),
		cmocka_unit_test(feeds_set_state_load_and_drain),
		cmocka_unit_test(who_fell_silent_is_forgotten),
		cmocka_unit_test(bad_lines_are_refused_whole),
		cmocka_unit_test(operators_win),
		cmocka_unit_test(states_are_kept_over_reload_and_restart),
		cmocka_unit_test(a_feed_file_is_followed),
		cmocka_unit_test(one_daemon_follows_another),
		cmocka_unit_test(tcp_and_http_probes_tell_good_from_bad),
		cmocka_unit_test(tls_and_https_probes_shake_hands),
		cmocka_unit_test(udp_icmp_and_script_probes),
		cmocka_unit_test(probes_move_answers),
		cmocka_unit_test(thousands_of_targets_are_probed),
	};

	if (policy_yang(argv[1]))
		return 1;
	wf_loop_init();
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	wf_yang_free(test_yang);
	wf_rcu_drain();
	wf_loop_done();
	return rc;
}
