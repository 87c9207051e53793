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

static void
on_closed(uv_handle_t *handle)
{
	struct pol_probe *p = handle->data;

	close(p->fd);
	SSL_free(p->ssl);
	wf_buf_done(&p->in);
	wf_buf_done(&p->out);
	free(p);
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
		wf_buf_done(&p->in);
		wf_buf_done(&p->out);
		free(p);
	}
}

void
pol_probe_finish(struct pol_probe *p, enum pol_probe_result result, const char *text)
{
	pol_probe_done_fn *done = p->done;
	void *arg = p->arg;
	char copy[160];

	/* 'text' may lie in the probe. */
	snprintf(copy, sizeof copy, "%s", text);
	end(p);
	done(arg, result, copy);
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
	SSL_set_connect_state(p->ssl);
	p->step = STEP_TLS;
	return true;
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

static void
put_request(struct pol_probe *p)
{
	char text[POL_PREFIX_STRLEN];
	const char *host = host_of(p, text);
	bool v6 = strchr(host, ':'),
	     other_port = p->conf->port != (p->conf->type == POL_PROBE_HTTPS ? 443 : 80);
	char port[8] = "";

	if (other_port)
		snprintf(port, sizeof port, ":%u", p->conf->port);
	char *request =
		wf_xasprintf("GET %s HTTP/1.1\r\nHost: %s%s%s%s\r\nUser-Agent: weft-probe\r\n"
			     "Accept: */*\r\nConnection: close\r\n\r\n",
			     p->conf->path, v6 ? "[" : "", host, v6 ? "]" : "", port);
	wf_buf_put(&p->out, request, strlen(request));
	free(request);
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

static void
http_answer(struct pol_probe *p)
{
	uint8_t block[8192];
	char text[120];
	bool eof = false;

	for (int rounds = 0; rounds < 16; rounds++) {
		ssize_t n = p->ssl ? SSL_read(p->ssl, block, sizeof block)
				   : recv(p->fd, block, sizeof block, 0);

		if (n > 0) {
			size_t room = POL_PROBE_MAX_ANSWER - p->in.size;

			wf_buf_put(&p->in, block, (size_t)n < room ? (size_t)n : room);
			eof = p->in.size == POL_PROBE_MAX_ANSWER;
		} else if (p->ssl) {
			int error = SSL_get_error(p->ssl, n);

			if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
				break;
			/* Many servers end without close_notify. */
			ERR_clear_error();
			eof = true;
		} else if (!n) {
			eof = true;
		} else if (errno == EAGAIN || errno == EINTR) {
			break;
		} else if (!p->in.size) {
			pol_probe_finish(p, POL_PROBE_FAILED, strerror(errno));
			return;
		} else {
			eof = true; /* reset behind an answer */
		}
		if (eof)
			break;
	}
	int rc = pol_http_judge(p->conf, p->in.data, p->in.size, eof, text, sizeof text);

	if (rc != -EAGAIN)
		pol_probe_finish(p, rc == 1 ? POL_PROBE_PASSED : POL_PROBE_FAILED, text);
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
		if ((p->conf->type == POL_PROBE_TLS || p->conf->type == POL_PROBE_HTTPS) &&
		    !tls_start(p)) {
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
		p->step = STEP_SEND;
	}
	if (p->step == STEP_SEND && !send_step(p))
		return;
	if (p->conf->type == POL_PROBE_HTTP || p->conf->type == POL_PROBE_HTTPS)
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
	if (conf->type == POL_PROBE_ICMP || conf->type == POL_PROBE_UDP) {
		p->step = STEP_SEND;
		if (conf->type == POL_PROBE_ICMP)
			put_echo(p);
		else
			wf_buf_put(&p->out, conf->send, conf->send_size);
	} else if (conf->type == POL_PROBE_HTTP || conf->type == POL_PROBE_HTTPS) {
		put_request(p);
	}
	want(p, UV_WRITABLE);
	return p;
}
