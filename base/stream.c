// SPDX-License-Identifier: Apache-2.0
#include "base/stream_internal.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/loop_internal.h"

/* One read; larger means fewer system calls for bulk and more memory a stream. */
#define READ_SIZE 65536
/* Reads in a row before other sockets get their turn. */
#define MAX_READS 8
/* What the owner may leave unconsumed. */
#define INPUT_LIMIT (16u << 20)
/* A queue is sent early above this, so that a long reply does not pile up in memory. */
#define FLUSH_SIZE (256u << 10)

enum state {
	CONNECTING, /* connect() is under way */
	HANDSHAKE,  /* TLS */
	OPEN,
	FAILED, /* closed() is still to be called */
	OVER
};

struct wf_stream {
	enum state state;
	enum stream_kind kind;
	bool active;          /* ours; connected() is still to be called */
	bool paused;
	bool dead;            /* the owner closed it */
	bool has_poll;
	unsigned busy;        /* frames of ours that still use the struct */
	int fd;
	int events;           /* what the poll handle waits for */
	int tls_wants;        /* what TLS waits for before it goes on with input */
	char *name;
	struct stream_tls *tls;
	uv_poll_t poll;
	const struct wf_stream_ops *ops;
	void *arg;
	struct wf_buf in, out;
	struct wf_list dirty; /* in 'dirty_streams' while it has output that was not tried */
	struct wf_timer kick; /* what must not happen inside the owner's call */
	int why;              /* FAILED */
	struct wf_err text;
};

static struct wf_list dirty_streams = { &dirty_streams, &dirty_streams };

static void on_poll(uv_poll_t *, int status, int events);
static void on_kick(struct wf_timer *);

static void
enter(struct wf_stream *s)
{
	s->busy++;
}

static void
free_stream(struct wf_stream *s)
{
	wf_buf_done(&s->in);
	wf_buf_done(&s->out);
	free(s->name);
	free(s);
}

/* Returns false if the owner closed the stream meanwhile; then it may be gone. */
static bool
leave(struct wf_stream *s)
{
	bool alive = !s->dead;

	if (!--s->busy && s->dead && !s->has_poll)
		free_stream(s);
	return alive;
}

static void
kick(struct wf_stream *s)
{
	wf_timer_set(&s->kick, 0, on_kick, s);
}

static void
stop_socket(struct wf_stream *s)
{
	if (s->has_poll)
		uv_poll_stop(&s->poll);
	s->events = 0;
	stream_tls_free(s->tls);
	s->tls = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	wf_list_remove(&s->dirty);
	wf_buf_clear(&s->out);
}

/* Ends the stream; closed() comes from the loop. */
static void
fail(struct wf_stream *s, int why, const char *text)
{
	if (s->state >= FAILED)
		return;
	stop_socket(s);
	s->state = FAILED;
	s->why = why;
	if (text != s->text.text)
		wf_err(&s->text, 0, "%s", text);
	kick(s);
}

static void
fail_errno(struct wf_stream *s, int why)
{
	fail(s, why, why ? wf_strerror(why) : "End of file");
}

static void
update_events(struct wf_stream *s)
{
	int events = 0;

	switch (s->state) {
	case CONNECTING:
		events = UV_WRITABLE;
		break;
	case HANDSHAKE:
		events = s->tls_wants;
		break;
	case OPEN:
		if (!s->paused)
			events = s->tls_wants ? s->tls_wants : UV_READABLE;
		/* Output that was never tried is sent at the end of the turn. */
		if (s->out.size && wf_list_is_empty(&s->dirty))
			events |= UV_WRITABLE;
		break;
	case FAILED:
	case OVER:
		return;
	}
	if (events == s->events || !s->has_poll)
		return;
	s->events = events;
	if (events)
		uv_poll_start(&s->poll, events, on_poll);
	else
		uv_poll_stop(&s->poll);
}

/* Sends what the socket takes.  Calls nobody. */
static void
flush(struct wf_stream *s)
{
	wf_list_remove(&s->dirty);
	while (s->state == OPEN && s->out.size) {
		struct wf_err err;
		int events = UV_WRITABLE;
		ssize_t n;

		if (s->tls) {
			n = stream_tls_write(s->tls, s->out.data, s->out.size, &events, &err);
		} else {
			n = send(s->fd, s->out.data, s->out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n < 0)
				n = -errno;
		}
		if (n == -EAGAIN)
			break;
		if (n == -EINTR)
			continue;
		if (n < 0) {
			fail(s, n, s->tls ? err.text : wf_strerror(n));
			return;
		}
		wf_buf_pull(&s->out, n);
	}
	if (!s->out.size) {
		/* A burst must not pin its memory. */
		if (s->out.allocated > FLUSH_SIZE)
			wf_buf_done(&s->out);
		else
			wf_buf_clear(&s->out);
	}
	update_events(s);
}

/* Sends and, when that empties the queue, tells the owner.  False: the stream is gone. */
static bool
flush_and_tell(struct wf_stream *s)
{
	bool had = s->out.size > 0;

	enter(s);
	flush(s);
	if (had && !s->out.size && s->state == OPEN && s->ops && s->ops->drained)
		s->ops->drained(s->arg);
	return leave(s);
}

static void
flush_dirty(void)
{
	/* Those that drained() makes dirty again wait for the next turn. */
	struct wf_list todo;

	if (wf_list_is_empty(&dirty_streams))
		return;
	wf_list_init(&todo);
	while (!wf_list_is_empty(&dirty_streams))
		wf_list_push_back(&todo, wf_list_pop_front(&dirty_streams));
	while (!wf_list_is_empty(&todo)) {
		struct wf_list *first = todo.next;

		flush_and_tell(wf_container(first, struct wf_stream, dirty));
	}
	if (!wf_list_is_empty(&dirty_streams))
		wf_loop_wake();
}

/* Shows the input to the owner.  False: the stream is gone. */
static bool
deliver(struct wf_stream *s)
{
	if (!s->in.size || s->paused || !s->ops)
		return true;

	enter(s);
	size_t size = s->in.size;
	size_t taken = s->ops->input(s->arg, s->in.data, size);
	if (!s->dead) {
		assert(taken <= size);
		wf_buf_pull(&s->in, taken);
		if (!s->in.size && s->in.allocated > 4 * READ_SIZE)
			wf_buf_done(&s->in);
		if (s->in.size >= INPUT_LIMIT)
			fail(s, -EMSGSIZE, "a message is longer than 16 MB");
	}
	return leave(s);
}

static ssize_t
read_some(struct wf_stream *s, void *to, size_t size, struct wf_err *err)
{
	ssize_t n;

	s->tls_wants = 0;
	if (s->tls)
		return stream_tls_read(s->tls, to, size, &s->tls_wants, err);
	do
		n = recv(s->fd, to, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		n = -errno;
		wf_err(err, 0, "%s", wf_strerror(n));
	}
	return n;
}

static void
read_input(struct wf_stream *s)
{
	for (int i = 0; i < MAX_READS && s->state == OPEN && !s->paused; i++) {
		struct wf_err err;

		wf_buf_reserve_tail(&s->in, READ_SIZE);

		ssize_t n = read_some(s, s->in.data + s->in.size, READ_SIZE, &err);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			if (n)
				fail(s, n, err.text);
			else
				fail_errno(s, 0);
			return;
		}
		s->in.size += n;
		if (!deliver(s))
			return;
		if (n < READ_SIZE && !s->tls)
			return; /* the socket is empty, or tells us again */
	}
	/* What TLS has decrypted makes no socket readable. */
	if (s->state == OPEN && s->tls && stream_tls_has_pending(s->tls))
		kick(s);
}

static void
opened(struct wf_stream *s)
{
	s->state = OPEN;
	if (s->out.size && wf_list_is_empty(&s->dirty))
		wf_list_push_back(&dirty_streams, &s->dirty);
	update_events(s);
	if (s->active) {
		s->active = false;
		if (s->ops->connected)
			s->ops->connected(s->arg);
	}
}

static void
shake_hands(struct wf_stream *s)
{
	int rc;

	s->tls_wants = 0;
	rc = stream_tls_handshake(s->tls, &s->tls_wants, &s->text);
	if (rc == -EAGAIN)
		return;
	s->tls_wants = 0;
	if (rc)
		fail(s, rc, s->text.text);
	else
		opened(s);
}

static void
socket_connected(struct wf_stream *s)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		fail_errno(s, -error);
		return;
	}
	if (s->kind != STREAM_UNIX) {
		int one = 1;

		setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	if (s->kind != STREAM_SSL) {
		opened(s);
		return;
	}
	s->tls = stream_tls_new(s->fd, !s->active, &s->text);
	if (!s->tls) {
		fail(s, -ENOPROTOOPT, s->text.text);
		return;
	}
	s->state = HANDSHAKE;
	shake_hands(s);
}

static void
on_poll(uv_poll_t *p, int status, int events)
{
	struct wf_stream *s = p->data;

	enter(s);
	if (status < 0)
		s->events = 0; /* libuv stops a handle that has an error */
	switch (s->state) {
	case CONNECTING:
		socket_connected(s);
		break;
	case HANDSHAKE:
		shake_hands(s);
		break;
	case OPEN:
		if (s->out.size && (status < 0 || (events & UV_WRITABLE)))
			flush_and_tell(s);
		/* An error condition is read from the socket, too. */
		if (!s->dead && s->state == OPEN && !s->paused)
			read_input(s);
		break;
	case FAILED:
	case OVER:
		break;
	}
	if (!s->dead)
		update_events(s);
	leave(s);
}

static void
on_kick(struct wf_timer *t)
{
	struct wf_stream *s = t->arg;

	enter(s);
	switch (s->state) {
	case CONNECTING:
		if (s->events == 0)
			socket_connected(s);
		break;
	case OPEN:
		if (deliver(s) && s->state == OPEN && s->tls && !s->paused)
			read_input(s);
		break;
	case FAILED:
		if (!s->ops)
			break;
		s->state = OVER;
		s->ops->closed(s->arg, s->why, s->text.text);
		break;
	case HANDSHAKE:
	case OVER:
		break;
	}
	if (!s->dead)
		update_events(s);
	leave(s);
}

static struct wf_stream *
new_stream(int fd, enum stream_kind kind, const char *name)
{
	struct wf_stream *s = wf_xzalloc(sizeof(*s));

	wf_loop_flush = flush_dirty;
	s->fd = fd;
	s->kind = kind;
	s->name = wf_xstrdup(name);
	wf_list_init(&s->dirty);
	if (fd >= 0 && !uv_poll_init(wf_loop_uv(), &s->poll, fd)) {
		s->has_poll = true;
		s->poll.data = s;
	}
	return s;
}

struct wf_stream *
stream_from_fd(int fd, enum stream_kind kind, const char *name)
{
	struct wf_stream *s = new_stream(fd, kind, name);

	socket_connected(s);
	update_events(s);
	return s;
}

void
stream_set_dscp(int fd, unsigned dscp)
{
	int tos = (int)(dscp & 0x3f) << 2;

	/* The one that is not of this socket's family is refused. */
	setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
}

void
wf_stream_set_dscp(struct wf_stream *s, unsigned dscp)
{
	if (s->fd >= 0 && s->kind != STREAM_UNIX)
		stream_set_dscp(s->fd, dscp);
}

struct wf_stream *
wf_stream_open(const char *name, uint16_t default_port, const struct wf_stream_ops *ops, void *arg,
	       struct wf_err *err)
{
	return wf_stream_open_dscp(name, default_port, 0, ops, arg, err);
}

struct wf_stream *
wf_stream_open_dscp(const char *name, uint16_t default_port, unsigned dscp,
		    const struct wf_stream_ops *ops, void *arg, struct wf_err *err)
{
	struct stream_addr a;
	struct wf_stream *s;
	int rc = stream_addr_parse(name, default_port, &a, err);

	if (!rc && a.passive)
		rc = wf_err(err, -EINVAL, "%s: cannot connect to a name that listens", name);
	if (rc) {
		free(a.path);
		return NULL;
	}

	int family = a.kind == STREAM_UNIX ? AF_UNIX : a.ss.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -errno : 0;
	s = new_stream(fd, a.kind, name);
	s->ops = ops;
	s->arg = arg;
	s->active = true;
	if (dscp && !rc)
		wf_stream_set_dscp(s, dscp);
	if (rc)
		;
	else if (a.kind == STREAM_UNIX)
		rc = stream_unix_connect(fd, a.path);
	else if (connect(fd, (struct sockaddr *)&a.ss, a.ss_size) < 0)
		rc = -errno;
	free(a.path);

	s->state = CONNECTING;
	if (!rc)
		kick(s);
	else if (rc == -EINPROGRESS)
		update_events(s);
	else
		fail_errno(s, rc);
	return s;
}

void
wf_stream_set_owner(struct wf_stream *s, const struct wf_stream_ops *ops, void *arg)
{
	s->ops = ops;
	s->arg = arg;
	if (s->in.size || s->state == FAILED)
		kick(s);
}

void
wf_stream_write(struct wf_stream *s, const void *data, size_t size)
{
	if (!size || s->state >= FAILED)
		return;

	bool was_empty = !s->out.size;
	wf_buf_put(&s->out, data, size);
	if (s->state != OPEN)
		return;
	if (was_empty && wf_list_is_empty(&s->dirty))
		wf_list_push_back(&dirty_streams, &s->dirty);
	if (s->out.size >= FLUSH_SIZE && !wf_list_is_empty(&s->dirty)) {
		/* The owner is not told of an empty queue inside its own call: it asks
		 * for the backlog if it wants to write on. */
		flush(s);
	}
}

size_t
wf_stream_backlog(const struct wf_stream *s)
{
	return s->out.size;
}

void
wf_stream_pause_input(struct wf_stream *s, bool paused)
{
	if (s->paused == paused)
		return;
	s->paused = paused;
	if (!paused && s->state == OPEN && (s->in.size || s->tls))
		kick(s);
	update_events(s);
}

const char *
wf_stream_name(const struct wf_stream *s)
{
	return s->name;
}

int
wf_stream_fd(const struct wf_stream *s)
{
	return s->fd;
}

static void
on_handle_closed(uv_handle_t *h)
{
	struct wf_stream *s = h->data;

	s->has_poll = false;
	if (!s->busy)
		free_stream(s);
}

void
wf_stream_close(struct wf_stream *s)
{
	if (!s)
		return;
	assert(!s->dead);
	if (s->state == OPEN && s->out.size)
		flush(s); /* the last words, if the socket takes them at once */
	s->dead = true;
	wf_timer_cancel(&s->kick);
	stop_socket(s);
	s->state = OVER;
	if (s->has_poll)
		uv_close((uv_handle_t *)&s->poll, on_handle_closed);
	else if (!s->busy)
		free_stream(s);
}
