// SPDX-License-Identifier: Apache-2.0
/* TCP (RFC 7766) and TLS (RFC 7858): several queries on a connection, answered in their order.
 *
 * What a client can cost is bounded: a connection has one small buffer for queries; while an answer
 * waits for the client to read, nothing more is read from it; a query or an answer that takes too
 * long ends the connection; when the table is full, the connection that has been without a complete
 * query for longest makes room, so that those who stall lose against those who ask. */
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "dns/answer/transfer.h"
#include "dns/server/server.h"
#include "dns/server/socket.h"
#include "dns/server/tap.h"
#include "dns/server/tls.h"
#include "dns/server/why_job.h"
#include "dns/server/worker.h"

WF_LOG_MODULE(dns_tcp);

/* A query larger than this is no query. */
#define QUERY_ROOM 4096
/* Accepted in one turn, so that a flood of connections leaves time for the others. */
#define ACCEPTS 64

struct connection {
	struct dns_source source;
	struct wf_list node; /* of dns_tcp.list: the one that asked last is last */
	struct dns_client client;
	uint16_t port;
	uint64_t asked_ms;    /* when its last query was complete, or it was accepted */
	uint64_t deadline_ms; /* for the query or answer under way; 0: neither */
	uint16_t in_size;
	bool writing, at_end;
	/* An answer, or the rest of one, that the client has not taken yet; NULL: none. */
	uint8_t *out;
	size_t out_at, out_size;
	struct dns_transfer *transfer; /* under way; nothing else is answered meanwhile */
	struct dns_why_job *why; /* with the main thread; nothing else is answered meanwhile, nor read */
	SSL *tls; /* NULL: plain */
	bool is_established, tls_wants_write;
	uint8_t in[2 + QUERY_ROOM];
};

struct dns_tcp {
	struct wf_list list;
	struct wf_list ended; /* freed behind the turn, since epoll may have told of them already */
	_Atomic unsigned n;
	unsigned n_handshakes; /* since the last tick */
	size_t out_size;
	/* Answers of one turn, each with its length. */
	uint8_t out[2 * (2 + DNS_MESSAGE_MAX)];
};

struct dns_tcp *
dns_tcp_new(void)
{
	struct dns_tcp *t = wf_xzalloc(sizeof *t);

	wf_list_init(&t->list);
	wf_list_init(&t->ended);
	return t;
}

unsigned
dns_worker_n_connections(const struct dns_worker *w)
{
	return w->tcp->n;
}

static void
on_ended(struct dns_worker *w, struct dns_source *source, uint32_t events)
{
}

static ssize_t
take(struct connection *c, void *to, size_t size)
{
	if (c->tls)
		return dns_tls_recv(c->tls, to, size, &c->tls_wants_write);
	return recv(c->source.fd, to, size, MSG_DONTWAIT);
}

static ssize_t
give(struct connection *c, const void *from, size_t size)
{
	if (c->tls)
		return dns_tls_send(c->tls, from, size);
	return send(c->source.fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
end(struct dns_worker *w, struct connection *c)
{
	dns_tls_end(c->tls);
	c->tls = NULL;
	/* A process that is being started has a copy of the descriptor, and epoll would go on telling of it (epoll(7)). */
	epoll_ctl(w->epoll, EPOLL_CTL_DEL, c->source.fd, NULL);
	close(c->source.fd);
	wf_list_remove(&c->node);
	wf_list_push_back(&w->tcp->ended, &c->node);
	c->source.ready = on_ended;
	w->tcp->n--;
}

void
dns_tcp_reap(struct dns_worker *w)
{
	while (!wf_list_is_empty(&w->tcp->ended)) {
		struct connection *c =
			wf_container(wf_list_pop_front(&w->tcp->ended), struct connection, node);

		dns_transfer_free(c->transfer);
		dns_why_free(c->why);
		free(c->out);
		free(c);
	}
}

void
dns_tcp_free(struct dns_worker *w)
{
	struct connection *c, *next;

	if (!w->tcp)
		return;
	wf_list_for_each_safe(c, next, node, &w->tcp->list)
		end(w, c);
	dns_tcp_reap(w);
	free(w->tcp);
	w->tcp = NULL;
}

static void
want(struct dns_worker *w, struct connection *c, bool writing)
{
	struct epoll_event e = { .events = writing ? EPOLLOUT : EPOLLIN, .data.ptr = &c->source };

	if (c->writing != writing)
		epoll_ctl(w->epoll, EPOLL_CTL_MOD, c->source.fd, &e);
	c->writing = writing;
}

/* Sends what was answered in this turn; keeps what the client does not take.  False: it is gone. */
static bool
flush(struct dns_worker *w, struct connection *c)
{
	struct dns_tcp *t = w->tcp;
	ssize_t n;

	if (!t->out_size)
		return true;
	n = give(c, t->out, t->out_size);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		t->out_size = 0;
		return false;
	}
	if (n < 0)
		n = 0;
	if ((size_t)n < t->out_size) {
		c->out_size = t->out_size - n;
		c->out_at = 0;
		c->out = wf_xmemdup(t->out + n, c->out_size);
		c->deadline_ms = w->ctx.mono_ms + w->tcp_message_ms;
		want(w, c, true);
	}
	t->out_size = 0;
	return true;
}

/* Answers the whole queries in the buffer, as far as their answers fit one turn.  False: no DNS. */
static bool
answer_buffer(struct dns_worker *w, struct connection *c)
{
	const struct dns_view *view = dns_server_view();
	struct dns_tcp *t = w->tcp;
	size_t at = 0;
	bool good = true;

	while (!c->transfer && !c->why && c->in_size - at >= 2 &&
	       t->out_size + 2 + DNS_MESSAGE_MAX <= sizeof t->out) {
		size_t size = dns_get16(c->in + at), answer_size = 0;
		enum dns_verdict verdict;
		uint8_t *out = t->out + t->out_size;

		if (size < DNS_HEADER_SIZE || size > QUERY_ROOM) {
			good = false;
			break;
		}
		if (c->in_size - at < 2 + size)
			break;
		verdict = dns_answer(view, &w->ctx, &c->client, c->in + at + 2, size, out + 2,
				     &answer_size);
		if (dns_tap_wants(w))
			dns_tap_put(w, c->tls ? DNS_TAP_TLS : DNS_TAP_TCP, &c->client, c->port, c->in + at + 2, size, out + 2,
				    verdict == DNS_SEND ? answer_size : 0);
		if (verdict == DNS_TRANSFER)
			c->transfer = dns_transfer_begin(view, &w->ctx, &c->client, c->in + at + 2,
							 size, out + 2, &answer_size);
		if (verdict == DNS_WHY)
			c->why = dns_why_ask(&c->client, c->in + at + 2, size, w->wake);
		if (verdict == DNS_SEND || (verdict == DNS_TRANSFER && !c->transfer)) {
			dns_put16(out, answer_size);
			t->out_size += 2 + answer_size;
		}
		at += 2 + size;
		c->asked_ms = w->ctx.mono_ms;
	}
	if (at) {
		memmove(c->in, c->in + at, c->in_size - at);
		c->in_size -= at;
		c->deadline_ms = 0;
		wf_list_remove(&c->node);
		wf_list_push_back(&w->tcp->list, &c->node);
	}
	return good;
}

/* The next message of a transfer.  One a turn: the connections beside it have theirs too. */
static bool
go_on_with_transfer(struct dns_worker *w, struct connection *c)
{
	struct dns_tcp *t = w->tcp;
	size_t size = dns_transfer_next(c->transfer, &w->ctx, t->out + 2);

	if (!size) {
		dns_transfer_free(c->transfer);
		c->transfer = NULL;
		return true;
	}
	dns_put16(t->out, size);
	t->out_size = 2 + size;
	w->ctx.counters.bytes_out += size;
	c->asked_ms = w->ctx.mono_ms;
	/* The list is in the order of asked_ms: its front makes room when there is no more. */
	wf_list_remove(&c->node);
	wf_list_push_back(&t->list, &c->node);
	c->deadline_ms = w->ctx.mono_ms + w->tcp_message_ms; /* for this message */
	want(w, c, true);
	return flush(w, c);
}

/* Nothing is asked of the socket until the main thread has answered, or the client does not take an answer before. */
static void
wait_for_why(struct dns_worker *w, struct connection *c)
{
	struct epoll_event e = { .events = c->out ? EPOLLOUT : 0, .data.ptr = &c->source };

	epoll_ctl(w->epoll, EPOLL_CTL_MOD, c->source.fd, &e);
	c->writing = c->out;
	c->deadline_ms = w->ctx.mono_ms + w->tcp_message_ms;
}

/* Answers and sends until there is no whole query left or the client does not take more.  False:
 * the connection is over. */
static bool
serve(struct dns_worker *w, struct connection *c)
{
	while (!c->out && !c->transfer && !c->why) {
		if (!answer_buffer(w, c)) {
			w->ctx.counters.tcp_bad++;
			flush(w, c);
			return false;
		}
		if (!w->tcp->out_size && !c->transfer && !c->why)
			break;
		if (!flush(w, c))
			return false;
	}
	if (c->why) {
		wait_for_why(w, c);
	} else if (c->transfer) {
		want(w, c, true);
		c->deadline_ms = w->ctx.mono_ms + w->tcp_message_ms;
	} else if (!c->out) {
		if (c->at_end)
			return false;
		if (!c->in_size)
			c->deadline_ms = 0;
		else if (!c->deadline_ms)
			c->deadline_ms = w->ctx.mono_ms + w->tcp_message_ms;
	}
	return true;
}

/* The main thread has answered, maybe.  False: the connection is over. */
static bool
serve_why(struct dns_worker *w, struct connection *c)
{
	struct dns_tcp *t = w->tcp;
	size_t size = 0;

	if (c->out || !dns_why_is_done(c->why)) {
		wait_for_why(w, c);
		return true;
	}
	w->ctx.why_text = wf_str_cstr(&c->why->text);
	if (dns_answer(dns_server_view(), &w->ctx, &c->client, c->why->msg, c->why->size, t->out + 2, &size) == DNS_SEND) {
		dns_put16(t->out, size);
		t->out_size = 2 + size;
	}
	w->ctx.why_text = NULL;
	dns_why_free(c->why);
	c->why = NULL;
	c->deadline_ms = 0;
	/* Not what was asked for last. */
	c->writing = true;
	want(w, c, false);
	return flush(w, c) && (c->out || serve(w, c));
}

/* The client takes more of an answer.  False: it is gone. */
static bool
drain(struct dns_worker *w, struct connection *c)
{
	ssize_t n = give(c, c->out + c->out_at, c->out_size - c->out_at);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->out_at += n;
	if (c->out_at < c->out_size)
		return true;
	free(c->out);
	c->out = NULL;
	c->deadline_ms = 0;
	if (c->transfer) {
		c->deadline_ms = w->ctx.mono_ms + w->tcp_message_ms;
		return true;
	}
	if (c->why)
		return serve_why(w, c);
	want(w, c, false);
	return serve(w, c);
}

/* Reads and answers what is there.  Of TLS what was decrypted already too, of which epoll does not
 * tell: one record of 16 KiB at most.  False: the connection is over. */
static bool
read_on(struct dns_worker *w, struct connection *c)
{
	do {
		ssize_t n = take(c, c->in + c->in_size, sizeof c->in - c->in_size);

		if (c->tls && !c->is_established && SSL_is_init_finished(c->tls)) {
			c->is_established = true;
			c->deadline_ms = 0;
			w->ctx.counters.tls_established++;
			w->ctx.counters.tls_resumed += SSL_session_reused(c->tls);
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (c->tls)
				want(w, c, c->tls_wants_write);
			return true;
		}
		if (n < 0) {
			w->ctx.counters.tls_failed += c->tls && !c->is_established;
			return false;
		}
		/* A client may send its queries, close its side and read on. */
		c->at_end = !n;
		c->in_size += n;
		if (!serve(w, c))
			return false;
	} while (c->tls && !c->out && !c->transfer && !c->why && dns_tls_has_more(c->tls));
	return true;
}

void
dns_tcp_woken(struct dns_worker *w)
{
	struct connection *c, *next;

	wf_list_for_each_safe(c, next, node, &w->tcp->list)
		if (c->why && dns_why_is_done(c->why)) {
			bool good = serve_why(w, c);

			if (good && c->tls && !c->out && !c->transfer && !c->why && dns_tls_has_more(c->tls))
				good = read_on(w, c);
			if (!good)
				end(w, c);
		}
}

static void
on_tcp(struct dns_worker *w, struct dns_source *source, uint32_t events)
{
	struct connection *c = wf_container(source, struct connection, source);
	bool good;

	if (c->out) {
		good = !(events & (EPOLLERR | EPOLLHUP)) && drain(w, c);
		if (good && c->tls && !c->out && !c->transfer && !c->why && dns_tls_has_more(c->tls))
			good = read_on(w, c);
	} else if (c->why) {
		good = !(events & (EPOLLERR | EPOLLHUP));
	} else if (c->transfer) {
		good = !(events & (EPOLLERR | EPOLLHUP)) && go_on_with_transfer(w, c);
		/* It is over: on with what came meanwhile. */
		if (good && !c->transfer) {
			want(w, c, false);
			c->deadline_ms = 0;
			good = serve(w, c);
			if (good && c->tls && !c->out && !c->transfer && !c->why && dns_tls_has_more(c->tls))
				good = read_on(w, c);
		}
	} else {
		good = read_on(w, c);
	}
	if (!good)
		end(w, c);
}

static void
add(struct dns_worker *w, int fd, const struct sockaddr_storage *from, bool tls)
{
	struct connection *c;
	int on = 1;

	/* A handshake costs as much as a hundred answers: who opens connections must not stop those
	 * who ask. */
	if (tls && w->tcp->n_handshakes >= w->tls_per_s) {
		w->ctx.counters.tls_limited++;
		close(fd);
		return;
	}

	if (w->tcp->n >= w->tcp_max) {
		c = wf_container(w->tcp->list.next, struct connection, node);
		w->ctx.counters.tcp_evicted++;
		end(w, c);
	}
	c = wf_xzalloc(sizeof *c);
	c->source = (struct dns_source){ on_tcp, fd };
	dns_client_from(&c->client, from, true);
	c->port = dns_port_of(from);
	c->asked_ms = w->ctx.mono_ms;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	wf_list_push_back(&w->tcp->list, &c->node);
	w->tcp->n++;
	w->ctx.counters.tcp_accepted++;
	if (tls) {
		w->tcp->n_handshakes++;
		c->client.tls = true;
		c->tls = dns_tls_accept(dns_server_tls(), fd);
		c->deadline_ms = w->ctx.mono_ms + w->tcp_message_ms; /* for the handshake */
	}
	if ((tls && !c->tls) || dns_worker_watch(w, &c->source, EPOLLIN))
		end(w, c);
}

static void
on_listen(struct dns_worker *w, struct dns_source *source, uint32_t events)
{
	const struct dns_tcp_listener *l = wf_container(source, struct dns_tcp_listener, source);

	for (unsigned i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage from;
		socklen_t size = sizeof from;
		int fd = accept4(source->fd, (struct sockaddr *)&from, &size,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			/* The queue would wake us for ever: make room. */
			w->ctx.counters.tcp_refused++;
			wf_warn_rl("no more file descriptors for TCP connections: raise the limit (ulimit -n) or lower tcp/max-connections");
			if (wf_list_is_empty(&w->tcp->list))
				return;
			end(w, wf_container(w->tcp->list.next, struct connection, node));
			return;
		}
		if (fd < 0)
			return;
		add(w, fd, &from, l->tls);
	}
}

/* This process has handed its sockets over and is about to end: its data gets old, and clients are to come back. */
#define LEAVE_MS      3000   /* then who asks nothing at the moment */
#define LEAVE_BUSY_MS 10000  /* then who does */
#define LEAVE_ALL_MS  600000 /* then transfers, too */

static bool
has_to_leave(const struct dns_worker *w, const struct connection *c)
{
	uint64_t ms = w->ctx.mono_ms - w->left_ms;
	bool is_between = !c->transfer && !c->why && !c->out && !c->in_size;

	if (!w->has_left || ms < LEAVE_MS)
		return false;
	if (ms > LEAVE_ALL_MS)
		return true;
	return is_between && (ms > LEAVE_BUSY_MS || w->ctx.mono_ms - c->asked_ms > 1000);
}

void
dns_tcp_tick(struct dns_worker *w)
{
	struct connection *c, *next;
	uint64_t now = w->ctx.mono_ms;

	w->tcp->n_handshakes = 0;
	wf_list_for_each_safe(c, next, node, &w->tcp->list) {
		if (c->deadline_ms && now > c->deadline_ms) {
			w->ctx.counters.tcp_slow++;
			end(w, c);
		} else if (has_to_leave(w, c)) {
			w->ctx.counters.tcp_left++;
			end(w, c);
		} else if (!c->deadline_ms && now - c->asked_ms > w->tcp_idle_ms) {
			w->ctx.counters.tcp_idle++;
			end(w, c);
		}
	}
}

int
dns_tcp_open(struct dns_worker *w, const struct sockaddr_storage *at, unsigned place, struct dns_tcp_listener *l,
	     struct wf_err *err)
{
	int fd, rc = dns_socket_open(SOCK_STREAM, at, place, &fd, err);

	if (rc)
		return rc;
	l->source = (struct dns_source){ on_listen, fd };
	l->place = place;
	rc = dns_worker_watch(w, &l->source, EPOLLIN);
	if (rc)
		close(fd);
	return rc;
}
