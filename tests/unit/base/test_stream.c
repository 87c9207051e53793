// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/stream.h"

static char dir[] = "/tmp/weft-test-stream-XXXXXX";

/* One side of a connection and all that happened to it. */
struct side {
	struct wf_stream *stream;
	struct wf_buf got;
	size_t take;       /* at most in one input(); SIZE_MAX: all */
	size_t n_input;
	bool close_in_input, echo;
	bool connected, closed;
	unsigned n_drained;
	int why;
	char text[512];
};

static struct side client, server;
static struct wf_listener *listener;
static char server_name[128];

static void
on_connected(void *arg)
{
	struct side *s = arg;

	assert_false(s->connected);
	s->connected = true;
}

static size_t
on_input(void *arg, const uint8_t *data, size_t size)
{
	struct side *s = arg;
	size_t n = size < s->take ? size : s->take;

	s->n_input++;
	wf_buf_put(&s->got, data, n);
	if (s->echo)
		wf_stream_write(s->stream, data, n);
	if (s->close_in_input) {
		wf_stream_close(s->stream);
		s->stream = NULL;
	}
	return n;
}

static void
on_drained(void *arg)
{
	struct side *s = arg;

	assert_int_equal(wf_stream_backlog(s->stream), 0);
	s->n_drained++;
}

static void
on_closed(void *arg, int why, const char *text)
{
	struct side *s = arg;

	assert_false(s->closed);
	s->closed = true;
	s->why = why;
	snprintf(s->text, sizeof(s->text), "%s", text);
}

static const struct wf_stream_ops ops = {
	.connected = on_connected,
	.input = on_input,
	.drained = on_drained,
	.closed = on_closed,
};

static void
on_accept(void *arg, struct wf_stream *stream)
{
	assert_null(server.stream);
	server.stream = stream;
	snprintf(server_name, sizeof(server_name), "%s", wf_stream_name(stream));
	wf_stream_set_owner(stream, &ops, &server);
}

/* Takes turns until the condition holds; fails after 5 s. */
#define turn_until(COND)                                                                       \
	do {                                                                                   \
		int64_t until_ = wf_now_ms() + 5000;                                           \
		while (!(COND)) {                                                              \
			wf_loop_turn();                                                        \
			usleep(50);                                                            \
			if (wf_now_ms() > until_)                                              \
				fail_msg("never: " #COND " (client: %s; server: %s)",          \
					 client.text, server.text);                            \
		}                                                                              \
	} while (0)

static void
turns(int n)
{
	while (n--) {
		wf_loop_turn();
		usleep(500);
	}
}

static void
reset_side(struct side *s)
{
	wf_stream_close(s->stream);
	wf_buf_done(&s->got);
	memset(s, 0, sizeof(*s));
	s->take = SIZE_MAX;
}

static int
reset(void **state)
{
	reset_side(&client);
	reset_side(&server);
	wf_listener_close(listener);
	listener = NULL;
	turns(2);
	return 0;
}

static void
start(const char *passive, const char *active)
{
	struct wf_err err = { "" };

	if (passive) {
		listener = wf_listener_open(passive, 0, 0600, on_accept, NULL, &err);
		if (!listener)
			fail_msg("%s", err.text);
	}
	client.stream = wf_stream_open(active, listener ? wf_listener_port(listener) : 0, &ops,
				       &client, &err);
	if (!client.stream)
		fail_msg("%s", err.text);
}

/* Data both ways, in pieces, larger than any socket buffer. */
static void
exchange(void)
{
	static uint8_t data[3000000];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i * 7 + i / 1000;
	turn_until(client.connected && server.stream);
	server.echo = true;
	for (size_t at = 0; at < sizeof(data); at += 1000)
		wf_stream_write(client.stream, data + at, 1000);
	turn_until(client.got.size == sizeof(data));
	assert_memory_equal(client.got.data, data, sizeof(data));
	assert_true(client.n_drained > 0);
	assert_int_equal(wf_stream_backlog(client.stream), 0);
	wf_stream_close(client.stream);
	client.stream = NULL;
	turn_until(server.closed);
	assert_int_equal(server.why, 0);
	assert_string_equal(server.text, "End of file");
}

static char *
unix_name(const char *prefix, const char *file)
{
	return wf_xasprintf("%s:%s/%s", prefix, dir, file);
}

static void
unix_sockets_carry_data(void **state)
{
	char *passive = unix_name("punix", "sock"), *active = unix_name("unix", "sock");
	struct stat st;

	start(passive, active);
	assert_string_equal(wf_stream_name(client.stream), active);
	exchange();
	assert_true(!strncmp(server_name, "unix#", 5));
	assert_int_equal(stat(active + 5, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	wf_listener_close(listener);
	listener = NULL;
	assert_int_equal(stat(active + 5, &st), -1); /* removed */
	free(passive);
	free(active);
}

static void
unix_paths_may_have_any_length(void **state)
{
	char name[201];
	struct stat st;

	memset(name, 'd', 200);
	name[200] = '\0';
	char *sub = wf_xasprintf("%s/%s", dir, name);
	assert_int_equal(mkdir(sub, 0700), 0);
	char *passive = wf_xasprintf("punix:%s/sock", sub);
	char *active = wf_xasprintf("unix:%s/sock", sub);

	start(passive, active);
	exchange();
	reset(NULL);
	assert_int_equal(stat(active + 5, &st), -1);
	assert_int_equal(rmdir(sub), 0);
	free(sub);
	free(passive);
	free(active);
}

static void
a_stale_socket_is_replaced_but_no_other_file(void **state)
{
	char *passive = unix_name("punix", "stale"), *active = unix_name("unix", "stale");
	struct wf_err err;

	start(passive, active);
	/* As after kill -9: the file stays.  The second listener takes the name over... */
	struct wf_listener *old = listener;
	reset_side(&client);
	turns(3);
	reset_side(&server);
	start(passive, active);
	exchange();
	/* ...and the first one does not remove its file. */
	wf_listener_close(old);
	assert_int_equal(access(active + 5, F_OK), 0);
	reset(NULL);

	int fd = open(active + 5, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_null(wf_listener_open(passive, 0, 0, on_accept, NULL, &err));
	assert_non_null(strstr(err.text, "Address already in use"));
	unlink(active + 5);
	free(passive);
	free(active);
}

static void
tcp_carries_data(void **state)
{
	start("ptcp:0:127.0.0.1", "tcp:127.0.0.1");
	exchange();
	assert_true(!strncmp(server_name, "tcp:127.0.0.1:", 14));
}

static void
tcp_over_ipv6_carries_data(void **state)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0 || access("/proc/net/if_inet6", F_OK) < 0)
		skip();
	close(fd);
	start("ptcp:0:[::1]", "tcp:[::1]");
	exchange();
	assert_true(!strncmp(server_name, "tcp:[::1]:", 10));
}

static void
a_refused_connection_says_so(void **state)
{
	/* A port that was free a moment ago. */
	listener = wf_listener_open("ptcp:0:127.0.0.1", 0, 0, on_accept, NULL, NULL);
	char *name = wf_xasprintf("tcp:127.0.0.1:%u", wf_listener_port(listener));
	wf_listener_close(listener);
	listener = NULL;
	start(NULL, name);
	assert_false(client.closed); /* never inside open() */
	turn_until(client.closed);
	assert_int_equal(client.why, -ECONNREFUSED);
	assert_string_equal(client.text, "Connection refused");
	assert_false(client.connected);
	free(name);
	reset(NULL);

	start(NULL, "unix:/nonexistent/sock");
	turn_until(client.closed);
	assert_int_equal(client.why, -ENOENT);
	reset(NULL);

	/* Closed at once: no callback comes. */
	start(NULL, "unix:/nonexistent/sock");
	wf_stream_close(client.stream);
	client.stream = NULL;
	turns(3);
	assert_false(client.closed);
}

static void
what_was_written_before_the_connection_arrives(void **state)
{
	start("ptcp:0:127.0.0.1", "tcp:127.0.0.1");
	wf_stream_write(client.stream, "early", 5);
	assert_int_equal(wf_stream_backlog(client.stream), 5);
	turn_until(server.got.size == 5);
	assert_memory_equal(server.got.data, "early", 5);
}

static void
last_words_arrive(void **state)
{
	start("ptcp:0:127.0.0.1", "tcp:127.0.0.1");
	turn_until(client.connected && server.stream);
	wf_stream_write(client.stream, "bye", 3);
	wf_stream_close(client.stream);
	client.stream = NULL;
	turn_until(server.closed);
	assert_int_equal(server.got.size, 3);
}

static void
untaken_input_is_shown_again(void **state)
{
	start("ptcp:0:127.0.0.1", "tcp:127.0.0.1");
	turn_until(client.connected && server.stream);
	server.take = 2;
	wf_stream_write(client.stream, "abc", 3);
	turn_until(server.got.size == 2);
	turns(3);
	assert_int_equal(server.n_input, 1);
	wf_stream_write(client.stream, "d", 1);
	turn_until(server.got.size == 4);
	assert_memory_equal(server.got.data, "abcd", 4);

	/* A pause stops input, its end shows what came meanwhile. */
	wf_stream_pause_input(server.stream, true);
	wf_stream_write(client.stream, "ef", 2);
	turns(5);
	assert_int_equal(server.got.size, 4);
	wf_stream_pause_input(server.stream, false);
	turn_until(server.got.size == 6);
}

static void
an_owner_that_takes_nothing_costs_16_mb(void **state)
{
	static uint8_t chunk[1 << 20];

	start("ptcp:0:127.0.0.1", "tcp:127.0.0.1");
	turn_until(client.connected && server.stream);
	server.take = 0;
	for (int i = 0; i < 24; i++)
		wf_stream_write(client.stream, chunk, sizeof(chunk));
	turn_until(server.closed);
	assert_int_equal(server.why, -EMSGSIZE);
}

static void
a_peer_that_does_not_read_fills_the_backlog(void **state)
{
	static uint8_t chunk[1 << 20];

	start("ptcp:0:127.0.0.1", "tcp:127.0.0.1");
	turn_until(client.connected && server.stream);
	wf_stream_pause_input(server.stream, true);
	for (int i = 0; i < 30; i++)
		wf_stream_write(client.stream, chunk, sizeof(chunk));
	turns(10);
	size_t backlog = wf_stream_backlog(client.stream);
	assert_true(backlog > 1000000);
	assert_int_equal(client.n_drained, 0);
	wf_stream_pause_input(server.stream, false);
	turn_until(client.n_drained > 0);
	turn_until(server.got.size == 30 * sizeof(chunk));
}

static void
closing_inside_a_callback_is_fine(void **state)
{
	start("ptcp:0:127.0.0.1", "tcp:127.0.0.1");
	turn_until(client.connected && server.stream);
	server.close_in_input = true;
	wf_stream_write(client.stream, "x", 1);
	turn_until(client.closed);
	assert_int_equal(server.n_input, 1);
	turns(3);
}

static void
a_reset_is_no_orderly_end(void **state)
{
	struct linger reset_on_close = { .l_onoff = 1 };

	start("ptcp:0:127.0.0.1", "tcp:127.0.0.1");
	turn_until(client.connected && server.stream);
	setsockopt(wf_stream_fd(client.stream), SOL_SOCKET, SO_LINGER, &reset_on_close,
		   sizeof(reset_on_close));
	wf_stream_close(client.stream);
	client.stream = NULL;
	turn_until(server.closed);
	assert_int_equal(server.why, -ECONNRESET);
}

static const struct {
	const char *name;
	bool passive;
	const char *rule; /* NULL: the name is good */
} names[] = {
	{ "tcp:127.0.0.1:6640", false, NULL },
	{ "tcp:127.0.0.1", false, NULL },
	{ "tcp:[fe80::1]:1", false, NULL },
	{ "ssl:[::1]", false, NULL },
	{ "unix:rel", false, NULL },
	{ "ptcp:", true, NULL },
	{ "ptcp:6640", true, NULL },
	{ "ptcp::127.0.0.1", true, NULL },
	{ "pssl:6640:[::]", true, NULL },
	{ "punix:/a/b", true, NULL },
	{ "tcp:127.0.0.1:0", false, "not a port from 1 to 65535" },
	{ "tcp:127.0.0.1:65536", false, "not a port from 1 to 65535" },
	{ "tcp:127.0.0.1:12x", false, "not a port from 1 to 65535" },
	{ "tcp:127.0.0.1:", false, "not a port from 1 to 65535" },
	{ "tcp:", false, "expected an IP address" },
	{ "tcp:host.example:1", false, "not an IPv4 address" },
	{ "tcp:127.0.0.1.1", false, "not an IPv4 address" },
	{ "tcp:::1", false, "expected an IP address" },
	{ "tcp:[::1", false, "expected an IP address" },
	{ "tcp:[::1]6640", false, "unexpected \"6640\"" },
	{ "tcp:[::g]:1", false, "not an IPv6 address" },
	{ "tcp:[fe80::1%nonesuch]:1", false, "no interface \"nonesuch\"" },
	{ "ptcp:x", true, "not a port from 0 to 65535" },
	{ "ptcp:1:2:3", true, "expected an IP address after the port" },
	{ "ptcp:1:", true, "expected an IP address after the port" },
	{ "unix:", false, "a path is required" },
	{ "punix:", true, "a path is required" },
	{ "udp:127.0.0.1:1", false, "unknown connection method" },
	{ "", false, "unknown connection method" },
	{ "tcp", false, "unknown connection method" },
};

static void
bad_names_are_refused_with_the_rule(void **state)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct wf_err err = { "" };
		const char *name = names[i].name;
		bool good = !names[i].rule;

		assert_int_equal(wf_stream_name_is_valid(name), good && !names[i].passive);
		assert_int_equal(wf_stream_name_is_passive(name), good && names[i].passive);
		if (good)
			continue;
		if (names[i].passive)
			assert_null(wf_listener_open(name, 1, 0, on_accept, NULL, &err));
		else
			assert_null(wf_stream_open(name, 1, &ops, &client, &err));
		if (!strstr(err.text, names[i].rule))
			fail_msg("%s: %s", name, err.text);
	}

	struct wf_err err;
	assert_null(wf_stream_open("tcp:127.0.0.1", 0, &ops, &client, &err));
	assert_non_null(strstr(err.text, "a port is required"));
	assert_null(wf_stream_open("ptcp:1", 0, &ops, &client, &err));
	assert_null(wf_listener_open("tcp:127.0.0.1:1", 0, 0, on_accept, NULL, &err));
}

/* TLS.  The files of two authorities, "ca" and "other", and of a server and a client
 * certificate that "ca" has signed, and one that "other" has. */

static const char *
file(const char *name)
{
	static char path[4][128];
	static unsigned next;

	next = (next + 1) % 4;
	snprintf(path[next], sizeof(path[next]), "%s/%s", dir, name);
	return path[next];
}

static int
make_certificates(void)
{
	char *script = wf_xasprintf(
		"cd %s && exec >/dev/null 2>&1; set -e\n"
		"for ca in ca other; do\n"
		"  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
		"-subj /CN=$ca -keyout $ca-key.pem -out $ca.pem\n"
		"done\n"
		"for who in good:ca bad:other; do\n"
		"  name=${who%%:*} ca=${who#*:}\n"
		"  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name "
		"-keyout $name-key.pem -out $name.csr\n"
		"  openssl x509 -req -days 2 -in $name.csr -CA $ca.pem -CAkey $ca-key.pem "
		"-CAcreateserial -out $name.pem\n"
		"done\n"
		"cp good.pem chain.pem\n", dir);
	int rc = system(script);

	free(script);
	return rc;
}

static bool have_certificates;

static void
need_certificates(void)
{
	if (!have_certificates) {
		if (make_certificates())
			skip(); /* no openssl program here */
		have_certificates = true;
	}
	wf_tls_set_protocols("", "");
	wf_tls_set_peer_ca("");
	wf_tls_set(file("good-key.pem"), file("good.pem"), file("ca.pem"), false);
}

static void
tls_carries_data(void **state)
{
	need_certificates();
	start("pssl:0:127.0.0.1", "ssl:127.0.0.1");
	exchange();
	assert_true(!strncmp(server_name, "ssl:127.0.0.1:", 14));
}

static void
tls_pause_and_leftovers_work(void **state)
{
	need_certificates();
	untaken_input_is_shown_again(state); /* plain, to compare */
	reset(NULL);
	start("pssl:0:127.0.0.1", "ssl:127.0.0.1");
	turn_until(client.connected && server.stream);
	server.take = 2;
	wf_stream_write(client.stream, "abc", 3);
	turn_until(server.got.size == 2);
	wf_stream_pause_input(server.stream, true);
	wf_stream_write(client.stream, "d", 1);
	turns(5);
	assert_int_equal(server.got.size, 2);
	wf_stream_pause_input(server.stream, false);
	turn_until(server.got.size == 4);
}

/* Both ends live in one process and share the settings, so that a peer with other files
 * is the openssl program. */
static pid_t
run_s_client(uint16_t port, const char *more)
{
	pid_t pid = fork();

	if (!pid) {
		char *cmd = wf_xasprintf("exec >/dev/null 2>&1; cd %s && (sleep 0.3; echo hello; "
					 "sleep 2) | exec timeout 3 openssl s_client -quiet "
					 "-connect 127.0.0.1:%u %s", dir, port, more);

		execl("/bin/sh", "sh", "-c", cmd, NULL);
		_exit(127);
	}
	return pid;
}

static const struct {
	const char *args, *error; /* NULL: data comes through */
} peers[] = {
	{ "-cert good.pem -key good-key.pem", NULL },
	{ "", "peer did not return a certificate" },
	{ "-cert bad.pem -key bad-key.pem", "the peer's certificate is refused: unable to get" },
	{ "-cert good.pem -key good-key.pem -tls1_1 -cipher DEFAULT@SECLEVEL=0",
	  "TLS handshake failed: " },
};

static void
tls_refuses_peers_it_cannot_trust(void **state)
{
	need_certificates();
	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		listener = wf_listener_open("pssl:0:127.0.0.1", 0, 0, on_accept, NULL, NULL);
		pid_t pid = run_s_client(wf_listener_port(listener), peers[i].args);

		turn_until(server.closed || server.got.size);
		if (!peers[i].error) {
			assert_memory_equal(server.got.data, "hello\n", 6);
		} else {
			assert_int_equal(server.got.size, 0);
			assert_int_equal(server.why, -EPROTO);
			assert_non_null(peers[i].error);
			if (!strstr(server.text, peers[i].error))
				fail_msg("%s: %s", peers[i].args, server.text);
		}
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
		reset(NULL);
	}
}

static void
tls_refuses_a_plain_peer(void **state)
{
	need_certificates();
	listener = wf_listener_open("pssl:0:127.0.0.1", 0, 0, on_accept, NULL, NULL);
	char *name = wf_xasprintf("tcp:127.0.0.1:%u", wf_listener_port(listener));
	start(NULL, name);
	wf_stream_write(client.stream, "{\"id\":0}\n", 9);
	turn_until(server.closed);
	assert_int_equal(server.why, -EPROTO);
	assert_non_null(strstr(server.text, "TLS handshake failed: wrong version number"));
	free(name);
}

static void
tls_says_what_is_not_configured(void **state)
{
	need_certificates();
	wf_tls_set(NULL, NULL, "", false);
	start(NULL, "ssl:127.0.0.1:1");
	turn_until(client.closed);
	reset(NULL);

	start("ptcp:0:127.0.0.1", "ssl:127.0.0.1");
	turn_until(client.closed);
	assert_string_equal(client.text, "CA certificate must be configured to use SSL");
	reset(NULL);

	wf_tls_set(file("nonesuch"), NULL, file("ca.pem"), false);
	start("ptcp:0:127.0.0.1", "ssl:127.0.0.1");
	turn_until(client.closed);
	assert_non_null(strstr(client.text, "cannot use private key"));
	reset(NULL);

	wf_tls_set(file("good-key.pem"), NULL, NULL, false);
	wf_tls_set_protocols("TLSv1.1", NULL);
	start("ptcp:0:127.0.0.1", "ssl:127.0.0.1");
	turn_until(client.closed);
	assert_non_null(strstr(client.text, "nothing newer than TLSv1.1"));
}

static void
tls_reads_changed_files_again(void **state)
{
	need_certificates();
	start("pssl:0:127.0.0.1", "ssl:127.0.0.1");
	turn_until(client.connected);
	reset(NULL);

	/* The certificate is replaced by one that our CA did not sign. */
	char *cmd = wf_xasprintf("cd %s && cp good.pem keep && cp good-key.pem keep-key && "
				 "cp bad.pem good.pem && cp bad-key.pem good-key.pem", dir);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	start("pssl:0:127.0.0.1", "ssl:127.0.0.1");
	turn_until(client.closed);
	assert_non_null(strstr(client.text, "certificate is refused"));
	reset(NULL);
	cmd = wf_xasprintf("cd %s && cp keep good.pem && cp keep-key good-key.pem", dir);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	start("pssl:0:127.0.0.1", "ssl:127.0.0.1");
	turn_until(client.connected);
}

static void
tls_bootstraps_the_ca(void **state)
{
	need_certificates();
	unlink(file("new-ca.pem"));
	wf_tls_set(NULL, NULL, file("new-ca.pem"), true);
	wf_tls_set_peer_ca(file("ca.pem"));
	start("pssl:0:127.0.0.1", "ssl:127.0.0.1");
	turn_until(client.closed);
	assert_int_equal(client.why, -EPROTO);
	assert_non_null(strstr(client.text, "bootstrapped"));
	char *cmd = wf_xasprintf("cd %s && openssl x509 -in ca.pem -out a && openssl x509 -in "
				 "new-ca.pem -out b && cmp -s a b", dir);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	reset(NULL);
	start("pssl:0:127.0.0.1", "ssl:127.0.0.1");
	exchange();
}

int
main(void)
{
#define test(NAME) cmocka_unit_test_setup_teardown(NAME, reset, reset)
	const struct CMUnitTest tests[] = {
		test(unix_sockets_carry_data),
		test(unix_paths_may_have_any_length),
		test(a_stale_socket_is_replaced_but_no_other_file),
		test(tcp_carries_data),
		test(tcp_over_ipv6_carries_data),
		test(a_refused_connection_says_so),
		test(what_was_written_before_the_connection_arrives),
		test(last_words_arrive),
		test(untaken_input_is_shown_again),
		test(an_owner_that_takes_nothing_costs_16_mb),
		test(a_peer_that_does_not_read_fills_the_backlog),
		test(closing_inside_a_callback_is_fine),
		test(a_reset_is_no_orderly_end),
		test(bad_names_are_refused_with_the_rule),
		test(tls_carries_data),
		test(tls_pause_and_leftovers_work),
		test(tls_refuses_peers_it_cannot_trust),
		test(tls_refuses_a_plain_peer),
		test(tls_says_what_is_not_configured),
		test(tls_reads_changed_files_again),
		test(tls_bootstraps_the_ca),
	};
	int rc;

	alarm(80);
	wf_log_set_all(WF_LOG_CONSOLE, WF_OFF);
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
	if (!mkdtemp(dir))
		return 1;
	wf_loop_init();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	wf_loop_done();

	char *cmd = wf_xasprintf("rm -rf '%s'", dir);
	rc |= system(cmd);
	free(cmd);
	return rc;
}
