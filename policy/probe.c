// SPDX-License-Identifier: Apache-2.0
/* Probes over sockets. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/probe_internal.h"

static void on_event(uv_poll_t *poll, int status, int events);

/* ---- Kinds ---- */

static const struct {
	const char *name;
	uint16_t port;
	bool tls, http2;
} kinds[] = {
	[POL_PROBE_TCP] = { .name = "tcp" },
	[POL_PROBE_TLS] = { .name = "tls", .port = 443, .tls = true },
	[POL_PROBE_HTTP] = { .name = "http", .port = 80 },
	[POL_PROBE_HTTPS] = { .name = "https", .port = 443, .tls = true },
	[POL_PROBE_HTTP2] = { .name = "http2", .port = 80, .http2 = true },
	[POL_PROBE_HTTPS2] = { .name = "https2", .port = 443, .tls = true, .http2 = true },
	[POL_PROBE_GRPC] = { .name = "grpc", .http2 = true },
	[POL_PROBE_GRPCS] = { .name = "grpcs", .tls = true, .http2 = true },
	[POL_PROBE_ICMP] = { .name = "icmp" },
	[POL_PROBE_UDP] = { .name = "udp" },
	[POL_PROBE_SCRIPT] = { .name = "script" },
	[POL_PROBE_AGENT] = { .name = "agent" },
};

enum pol_probe_type
pol_probe_type_of(const char *name)
{
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (!strcmp(name, kinds[i].name))
			return i;
	return POL_PROBE_TCP;
}

uint16_t
pol_probe_default_port(enum pol_probe_type type)
{
	return kinds[type].port;
}

bool
pol_probe_is_tls(enum pol_probe_type type)
{
	return kinds[type].tls;
}

/* ---- The end of a probe ---- */

static void
free_probe(struct pol_probe *p)
{
	pol_h2_free(p->h2);
	wf_buf_done(&p->in);
	wf_buf_done(&p->out);
	free(p);
}

static void
on_closed(uv_handle_t *handle)
{
	struct pol_probe *p = handle->data;

	close(p->fd);
	SSL_free(p->ssl);
	free_probe(p);
}

/* Everything but the call of done(). */
static void
end(struct pol_probe *p)
{
	p->over = true;
	wf_timer_cancel(&p->timer);
	if (p->conf->type == POL_PROBE_SCRIPT) {
		pol_probe_script_stop(p);
	} else if (p->fd >= 0) {
		/* The descriptor is closed when libuv has let go of it. */
		uv_poll_stop(&p->poll);
		uv_close((uv_handle_t *)&p->poll, on_closed);
	} else {
		free_probe(p);
	}
}

void
pol_probe_finish(struct pol_probe *p, enum pol_probe_result result, const char *text)
{
	pol_probe_done_fn *done = p->done;
	struct pol_told told = p->told;
	void *arg = p->arg;
	char copy[160];

	/* 'text' may lie in the probe. */
	snprintf(copy, sizeof copy, "%s", text);
	end(p);
	done(arg, result, copy, &told);
}

void
pol_probe_cancel(struct pol_probe *p)
{
	if (p)
		end(p);
}

static void
on_timeout(struct wf_timer *t)
{
	struct pol_probe *p = t->arg;
	static const char *const steps[] = { "no connection", "no end of the TLS handshake",
					     "can't send", "no answer" };
	char text[80];

	snprintf(text, sizeof text, "%s within %u ms",
		 p->conf->type == POL_PROBE_SCRIPT ? "no end" : steps[p->step],
		 p->conf->timeout_ms);
	pol_probe_finish(p, POL_PROBE_FAILED, text);
}

static void
on_later(struct wf_timer *t)
{
	struct pol_probe *p = t->arg;

	pol_probe_finish(p, p->later, p->why);
}

void
pol_probe_finish_later(struct pol_probe *p, enum pol_probe_result result, const char *text)
{
	p->later = result;
	snprintf(p->why, sizeof p->why, "%s", text);
	wf_timer_set(&p->timer, 0, on_later, p);
}

static void
want(struct pol_probe *p, int events)
{
	uv_poll_start(&p->poll, events, on_event);
}

/* ---- ICMP ---- */

static uint16_t
checksum(const void *data, size_t n)
{
	const uint8_t *b = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

struct echo { /* RFC 792, RFC 4443 section 4.1 */
	uint8_t type, code;
	uint16_t checksum, id, seq;
	uint8_t data[24];
};

#define ECHO_MARK "weft probe of a member"

static void
put_echo(struct pol_probe *p)
{
	static uint16_t seq;
	bool v4 = p->addr.family == 4;
	struct echo e = { .type = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
			  .id = htons(getpid()),
			  .seq = htons(++seq) };

	memcpy(e.data, ECHO_MARK, sizeof ECHO_MARK);
	p->echo_seq = e.seq;
	if (v4)
		e.checksum = checksum(&e, sizeof e);
	wf_buf_put(&p->out, &e, sizeof e);
}

/* A datagram of a ping socket starts at the ICMP header, one of a raw IPv4 socket at the IP header.
 */
static bool
is_echo_reply(const struct pol_probe *p, const uint8_t *data, size_t n)
{
	const struct echo *e = (const void *)data;

	if (p->addr.family == 4 && n >= 20 && data[0] >> 4 == 4 && data[0] != ICMP_ECHOREPLY) {
		size_t header = (data[0] & 15) * 4;

		if (header < 20 || n < header)
			return false;
		e = (const void *)(data + header);
		n -= header;
	}
	return n >= sizeof *e &&
	       e->type == (p->addr.family == 4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) &&
	       e->seq == p->echo_seq && !memcmp(e->data, ECHO_MARK, sizeof ECHO_MARK);
}

/* ---- TLS ---- */

/* Servers of gRPC hang up on who does not offer this (RFC 7301, RFC 9113 section 3.2). */
static const uint8_t alpn_h2[] = { 2, 'h', '2' };

static SSL_CTX *
tls_context(bool verify)
{
	static SSL_CTX *contexts[2]; /* made once; the trust store is the system's */
	SSL_CTX **ctx = &contexts[verify];

	if (*ctx)
		return *ctx;
	*ctx = SSL_CTX_new(TLS_client_method());
	if (!*ctx)
		return NULL;
	SSL_CTX_set_min_proto_version(*ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(*ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(*ctx, SSL_SESS_CACHE_OFF);
	if (verify) {
		SSL_CTX_set_default_verify_paths(*ctx);
		SSL_CTX_set_verify(*ctx, SSL_VERIFY_PEER, NULL);
	}
	return *ctx;
}

static const char *
host_of(const struct pol_probe *p, char text[POL_PREFIX_STRLEN])
{
	return p->conf->host ? p->conf->host : pol_addr_format(&p->addr, text);
}

static bool
tls_start(struct pol_probe *p)
{
	SSL_CTX *ctx = tls_context(p->conf->verify);
	char text[POL_PREFIX_STRLEN];
	struct pol_addr a;

	p->ssl = ctx ? SSL_new(ctx) : NULL;
	if (!p->ssl || !SSL_set_fd(p->ssl, p->fd))
		return false;
	const char *host = host_of(p, text);

	if (pol_addr_parse(host, &a)) {
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(p->ssl), host);
	} else {
		SSL_set_tlsext_host_name(p->ssl, host);
		SSL_set1_host(p->ssl, host);
	}
	if (kinds[p->conf->type].http2 && SSL_set_alpn_protos(p->ssl, alpn_h2, sizeof alpn_h2))
		return false;
	SSL_set_connect_state(p->ssl);
	p->step = STEP_TLS;
	return true;
}

static bool
speaks_h2(const struct pol_probe *p)
{
	const uint8_t *name;
	unsigned n;

	SSL_get0_alpn_selected(p->ssl, &name, &n);
	return n == 2 && !memcmp(name, "h2", 2);
}

/* What a call of OpenSSL returned: true if it is only a matter of waiting. */
static bool
tls_waits(struct pol_probe *p, int rc, char *text, size_t size)
{
	long verify = SSL_get_verify_result(p->ssl);
	unsigned long code;

	switch (SSL_get_error(p->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		want(p, UV_READABLE);
		return true;
	case SSL_ERROR_WANT_WRITE:
		want(p, UV_WRITABLE);
		return true;
	}
	code = ERR_get_error();
	snprintf(text, size, "TLS: %s",
		 p->conf->verify && verify != X509_V_OK	 ? X509_verify_cert_error_string(verify)
		 : code && ERR_reason_error_string(code) ? ERR_reason_error_string(code)
							 : "the peer closed the connection");
	ERR_clear_error();
	return false;
}

/* ---- The way of a probe ---- */

/* The Host or :authority of a request; the caller frees. */
static char *
authority_of(const struct pol_probe *p)
{
	char text[POL_PREFIX_STRLEN], port[8] = "";
	const char *host = host_of(p, text);
	bool v6 = strchr(host, ':');

	if (p->conf->port != kinds[p->conf->type].port)
		snprintf(port, sizeof port, ":%u", p->conf->port);
	return wf_xasprintf("%s%s%s%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

static bool
put_request(struct pol_probe *p)
{
	char *authority = authority_of(p), *request;

	if (kinds[p->conf->type].http2) {
		p->h2 = pol_h2_new(p->conf, authority, &p->out);
		free(authority);
		return p->h2;
	}
	request = wf_xasprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: weft-probe\r\n"
			       "Accept: */*\r\nConnection: close\r\n\r\n",
			       p->conf->path, authority);
	wf_buf_put(&p->out, request, strlen(request));
	free(request);
	free(authority);
	return true;
}

/* Sends what is left of 'out'.  Returns false if the probe has ended or must wait. */
static bool
send_step(struct pol_probe *p)
{
	while (p->out.size) {
		ssize_t n = p->ssl ? SSL_write(p->ssl, p->out.data, p->out.size)
				   : send(p->fd, p->out.data, p->out.size, MSG_NOSIGNAL);
		char text[120];

		if (n > 0) {
			wf_buf_pull(&p->out, n);
			continue;
		}
		if (p->ssl) {
			if (!tls_waits(p, n, text, sizeof text))
				pol_probe_finish(p, POL_PROBE_FAILED, text);
			return false;
		}
		if (errno == EAGAIN || errno == EINTR) {
			want(p, UV_WRITABLE);
			return false;
		}
		pol_probe_finish(p, POL_PROBE_FAILED, strerror(errno));
		return false;
	}
	p->step = STEP_ANSWER;
	want(p, UV_READABLE);
	return true;
}

/* Reads from the peer: bytes; 0 at their end; -EAGAIN if none have come; another negative errno. */
static ssize_t
read_some(struct pol_probe *p, uint8_t *block, size_t size)
{
	ssize_t n = p->ssl ? SSL_read(p->ssl, block, size) : recv(p->fd, block, size, 0);

	if (n > 0)
		return n;
	if (p->ssl) {
		int error = SSL_get_error(p->ssl, n);

		if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
			return -EAGAIN;
		/* Many servers end without close_notify. */
		ERR_clear_error();
		return 0;
	}
	return !n ? 0 : errno == EINTR ? -EAGAIN : -errno;
}

static void
http_answer(struct pol_probe *p)
{
	uint8_t block[8192];
	char text[120];
	bool eof = false;

	while (!eof) {
		ssize_t n = read_some(p, block, sizeof block);

		if (n == -EAGAIN)
			break;
		if (n < 0 && !p->in.size) {
			pol_probe_finish(p, POL_PROBE_FAILED, strerror(-n));
			return;
		}
		if (n > 0) {
			size_t room = POL_PROBE_MAX_ANSWER - p->in.size;

			wf_buf_put(&p->in, block, (size_t)n < room ? (size_t)n : room);
		}
		/* A reset behind an answer is its end, too. */
		eof = n <= 0 || p->in.size == POL_PROBE_MAX_ANSWER;
	}
	int rc = p->conf->type == POL_PROBE_AGENT ?
			 pol_agent_judge(p->in.data, p->in.size, eof, &p->told, text, sizeof text) :
			 pol_http_judge(p->conf, p->in.data, p->in.size, eof, text, sizeof text);

	if (rc == 1 && p->conf->load_header)
		p->told.load = pol_http_load(p->conf, p->in.data, p->in.size);
	if (rc != -EAGAIN)
		pol_probe_finish(p, rc == 1 ? POL_PROBE_PASSED : POL_PROBE_FAILED, text);
}

/* Frames are taken as they come, and answered: SETTINGS and PING want that. */
static void
http2_answer(struct pol_probe *p)
{
	uint8_t block[8192];
	char text[120];
	ssize_t n;
	int rc = -EAGAIN;

	/* It ends: POL_PROBE_MAX_H2 bytes are a verdict. */
	while (rc == -EAGAIN && (n = read_some(p, block, sizeof block)) != -EAGAIN) {
		rc = pol_h2_take(p->h2, block, n > 0 ? (size_t)n : 0, n <= 0, &p->out, text, sizeof text);
		if (!rc && n < 0)
			snprintf(text, sizeof text, "%s", strerror(-n));
	}
	p->told.load = pol_h2_load(p->h2);
	if (rc != -EAGAIN)
		pol_probe_finish(p, rc == 1 ? POL_PROBE_PASSED : POL_PROBE_FAILED, text);
	else if (p->out.size)
		send_step(p);
}

static void
datagram_answer(struct pol_probe *p)
{
	uint8_t block[4096];

	for (int rounds = 0; rounds < 16; rounds++) {
		ssize_t n = recv(p->fd, block, sizeof block, 0);

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				pol_probe_finish(p, POL_PROBE_FAILED, strerror(errno));
			return;
		}
		if (p->conf->type == POL_PROBE_ICMP) {
			/* A raw socket sees the answers of others, too. */
			if (!is_echo_reply(p, block, n))
				continue;
			pol_probe_finish(p, POL_PROBE_PASSED, "echo reply");
			return;
		}
		if (p->conf->expect && !memmem(block, n, p->conf->expect, strlen(p->conf->expect)))
			pol_probe_finish(p, POL_PROBE_FAILED, "an answer without what is expected");
		else
			pol_probe_finish(p, POL_PROBE_PASSED, "answer");
		return;
	}
}

static void
on_event(uv_poll_t *poll, int status, int events)
{
	struct pol_probe *p = poll->data;
	char text[120];
	int rc;

	if (p->over)
		return;
	if (p->step == STEP_CONNECT) {
		int error = 0;
		socklen_t size = sizeof error;

		if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error) {
			pol_probe_finish(p, POL_PROBE_FAILED, strerror(error ? error : errno));
			return;
		}
		if (p->conf->type == POL_PROBE_TCP) {
			pol_probe_finish(p, POL_PROBE_PASSED, "connected");
			return;
		}
		p->step = STEP_SEND;
		if (kinds[p->conf->type].tls && !tls_start(p)) {
			pol_probe_finish(p, POL_PROBE_FAILED, "TLS can't be started");
			return;
		}
	}
	if (p->step == STEP_TLS) {
		rc = SSL_do_handshake(p->ssl);
		if (rc != 1) {
			if (!tls_waits(p, rc, text, sizeof text))
				pol_probe_finish(p, POL_PROBE_FAILED, text);
			return;
		}
		if (p->conf->type == POL_PROBE_TLS) {
			pol_probe_finish(p, POL_PROBE_PASSED, SSL_get_version(p->ssl));
			return;
		}
		if (p->h2 && !speaks_h2(p)) {
			pol_probe_finish(p, POL_PROBE_FAILED, "the peer does not offer HTTP/2 (ALPN)");
			return;
		}
		p->step = STEP_SEND;
	}
	/* In the step of answers HTTP/2 has something to send, too: SETTINGS and PING are acknowledged. */
	if ((p->step == STEP_SEND || p->out.size) && !send_step(p))
		return;
	if (p->h2)
		http2_answer(p);
	else if (p->conf->type != POL_PROBE_UDP && p->conf->type != POL_PROBE_ICMP)
		http_answer(p);
	else
		datagram_answer(p);
}

static int
open_socket(const struct pol_probe *p)
{
	bool v4 = p->addr.family == 4;
	int domain = v4 ? AF_INET : AF_INET6, flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
	int protocol = v4 ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6;

	if (p->conf->type == POL_PROBE_UDP)
		return socket(domain, SOCK_DGRAM | flags, 0);
	if (p->conf->type != POL_PROBE_ICMP)
		return socket(domain, SOCK_STREAM | flags, 0);
	/* A ping socket needs no privilege but a group in net.ipv4.ping_group_range. */
	int fd = socket(domain, SOCK_DGRAM | flags, protocol);

	return fd >= 0 ? fd : socket(domain, SOCK_RAW | flags, protocol);
}

static int
connect_to(struct pol_probe *p)
{
	struct sockaddr_storage to = { 0 };
	uint16_t port = p->conf->type == POL_PROBE_ICMP ? 0 : p->conf->port;
	socklen_t size;

	if (p->addr.family == 4) {
		struct sockaddr_in *in = (void *)&to;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		pol_addr_to_bytes(&p->addr, &in->sin_addr);
		size = sizeof *in;
	} else {
		struct sockaddr_in6 *in6 = (void *)&to;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		pol_addr_to_bytes(&p->addr, &in6->sin6_addr);
		size = sizeof *in6;
	}
	return connect(p->fd, (void *)&to, size) && errno != EINPROGRESS ? -errno : 0;
}

static pol_probe_socket_fn *on_socket;
static void *on_socket_arg;

void
pol_probe_on_socket(pol_probe_socket_fn *fn, void *arg)
{
	on_socket = fn;
	on_socket_arg = arg;
}

struct pol_probe *
pol_probe_start(const struct pol_probe_conf *conf, const struct pol_addr *addr, const char *pool,
		const char *member, pol_probe_done_fn *done, void *arg)
{
	struct pol_probe *p = wf_xzalloc(sizeof *p);

	p->conf = conf;
	p->addr = *addr;
	p->done = done;
	p->arg = arg;
	p->fd = -1;
	p->told = POL_TOLD_NOTHING;
	wf_timer_set(&p->timer, conf->timeout_ms, on_timeout, p);
	if (conf->type == POL_PROBE_SCRIPT) {
		pol_probe_script_start(p, pool, member);
		return p;
	}
	p->fd = open_socket(p);
	if (p->fd < 0) {
		pol_probe_finish_later(p, POL_PROBE_NOT_RUN, strerror(errno));
		return p;
	}
	if (uv_poll_init(wf_loop_uv(), &p->poll, p->fd)) {
		close(p->fd);
		p->fd = -1;
		pol_probe_finish_later(p, POL_PROBE_NOT_RUN, "the event loop can't watch a socket");
		return p;
	}
	p->poll.data = p;
	int rc = on_socket ? on_socket(on_socket_arg, p->fd, conf, addr, pool, member) : 0;

	if (rc) {
		pol_probe_finish_later(p, POL_PROBE_NOT_RUN, strerror(-rc));
		return p;
	}

	if (conf->device &&
	    setsockopt(p->fd, SOL_SOCKET, SO_BINDTODEVICE, conf->device, strlen(conf->device)))
		rc = -errno;
	if (!rc)
		rc = connect_to(p);

	if (rc) {
		pol_probe_finish_later(p, POL_PROBE_FAILED, strerror(-rc));
		return p;
	}
	if (conf->type == POL_PROBE_AGENT) {
		if (conf->send_size)
			wf_buf_put(&p->out, conf->send, conf->send_size);
	} else if (conf->type == POL_PROBE_ICMP || conf->type == POL_PROBE_UDP) {
		p->step = STEP_SEND;
		if (conf->type == POL_PROBE_ICMP)
			put_echo(p);
		else
			wf_buf_put(&p->out, conf->send, conf->send_size);
	} else if (conf->type != POL_PROBE_TCP && conf->type != POL_PROBE_TLS && !put_request(p)) {
		pol_probe_finish_later(p, POL_PROBE_NOT_RUN, "nghttp2 refuses the request");
		return p;
	}
	want(p, UV_WRITABLE);
	return p;
}
