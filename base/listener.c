// SPDX-License-Identifier: Apache-2.0
#include "base/stream_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"

WF_LOG_MODULE(stream);

/* As many as OVS; the kernel holds that many connections while we are busy. */
#define BACKLOG 64
/* Accepted in a row before other sockets get their turn. */
#define MAX_ACCEPTS 16
/* Rest after accept() ran out of descriptors or memory, in real ms. */
#define REST_MS 100

/* Sockets that another process listened on before; it may still. */
struct handed {
	struct handed *next;
	char *name;
	int fd;
};
static struct handed *all_handed;

struct wf_listener {
	int fd;
	enum stream_kind kind;
	char *name;
	char *path;
	dev_t dev; /* of the socket's file, so that another one's is not removed */
	ino_t ino;
	uv_poll_t poll;
	uv_timer_t rest;
	unsigned n_handles;
	bool closed;
	void (*accept)(void *arg, struct wf_stream *);
	void *arg;
};

static void on_poll(uv_poll_t *, int status, int events);

static void
on_rested(uv_timer_t *t)
{
	struct wf_listener *l = t->data;

	uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

static char *
peer_name(struct wf_listener *l, const struct sockaddr_storage *ss)
{
	static unsigned next_unix;

	/* Clients of unix sockets have no name; a number tells them apart in logs. */
	return l->kind == STREAM_UNIX ? wf_xasprintf("unix#%u", next_unix++)
				      : stream_addr_name(l->kind, ss);
}

static void
on_poll(uv_poll_t *p, int status, int events)
{
	struct wf_listener *l = p->data;

	for (int i = 0; i < MAX_ACCEPTS && !l->closed; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t size = sizeof(ss);
		int fd = accept4(l->fd, (struct sockaddr *)&ss, &size,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			char *name = peer_name(l, &ss);

			l->accept(l->arg, stream_from_fd(fd, l->kind, name));
			free(name);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			wf_warn_rl("%s: accept: %s", l->name, wf_strerror(-errno));
			uv_poll_stop(&l->poll);
			uv_timer_start(&l->rest, on_rested, REST_MS, 0);
			return;
		}
		/* Else it is that connection's own trouble (accept(2)): the next one. */
	}
}

void
wf_listener_hand_in(const char *name, int fd)
{
	struct handed *h = wf_xzalloc(sizeof(*h));

	h->name = wf_xstrdup(name);
	h->fd = fd;
	h->next = all_handed;
	all_handed = h;
}

static int
take_handed(const char *name)
{
	for (struct handed **at = &all_handed, *h; (h = *at) != NULL; at = &h->next)
		if (!strcmp(h->name, name)) {
			int fd = h->fd;

			*at = h->next;
			free(h->name);
			free(h);
			return fd;
		}
	return -1;
}

void
wf_listener_forget_handed(void)
{
	while (all_handed)
		close(take_handed(all_handed->name));
}

static void
remember_path(struct wf_listener *l, const char *path)
{
	struct stat st;

	if (!stat(path, &st)) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	l->path = wf_xstrdup(path);
}

static int
open_socket(struct wf_listener *l, const struct stream_addr *a, unsigned mode)
{
	int family = a->kind == STREAM_UNIX ? AF_UNIX : a->ss.ss_family;
	int one = 1;
	int rc;

	l->fd = take_handed(l->name);
	if (l->fd >= 0) {
		if (a->kind == STREAM_UNIX)
			remember_path(l, a->path);
		return 0;
	}
	l->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	if (a->kind == STREAM_UNIX) {
		rc = stream_unix_bind(l->fd, a->path, mode ? mode : 0770);
		if (rc)
			return rc;
		remember_path(l, a->path);
	} else {
		setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(l->fd, (struct sockaddr *)&a->ss, a->ss_size) < 0)
			return -errno;
	}
	return listen(l->fd, BACKLOG) < 0 ? -errno : 0;
}

static void
free_listener(struct wf_listener *l)
{
	free(l->name);
	free(l->path);
	free(l);
}

struct wf_listener *
wf_listener_open(const char *name, uint16_t default_port, unsigned mode,
		 void (*accept)(void *arg, struct wf_stream *), void *arg, struct wf_err *err)
{
	struct stream_addr a;
	struct wf_listener *l;
	int rc = stream_addr_parse(name, default_port, &a, err);

	if (!rc && !a.passive)
		rc = wf_err(err, -EINVAL, "%s: cannot listen on a name that connects", name);
	if (rc) {
		free(a.path);
		return NULL;
	}

	l = wf_xzalloc(sizeof(*l));
	l->name = wf_xstrdup(name);
	l->kind = a.kind;
	l->accept = accept;
	l->arg = arg;
	rc = open_socket(l, &a, mode);
	free(a.path);
	if (!rc)
		rc = uv_poll_init(wf_loop_uv(), &l->poll, l->fd);
	if (rc) {
		wf_err(err, rc, "%s: cannot listen: %s", name, wf_strerror(rc));
		if (l->fd >= 0)
			close(l->fd);
		free_listener(l);
		return NULL;
	}
	uv_timer_init(wf_loop_uv(), &l->rest);
	l->n_handles = 2;
	l->poll.data = l->rest.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_poll);
	return l;
}

const char *
wf_listener_name(const struct wf_listener *l)
{
	return l->name;
}

int
wf_listener_fd(const struct wf_listener *l)
{
	return l->fd;
}

void
wf_listener_set_dscp(struct wf_listener *l, unsigned dscp)
{
	if (l->kind != STREAM_UNIX)
		stream_set_dscp(l->fd, dscp);
}

uint16_t
wf_listener_port(const struct wf_listener *l)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t size = sizeof(ss);

	if (l->kind == STREAM_UNIX || getsockname(l->fd, (struct sockaddr *)&ss, &size) < 0)
		return 0;
	return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

void
wf_listener_give(struct wf_listener *l)
{
	free(l->path);
	l->path = NULL;
}

static void
on_handle_closed(uv_handle_t *h)
{
	struct wf_listener *l = h->data;

	if (!--l->n_handles)
		free_listener(l);
}

void
wf_listener_close(struct wf_listener *l)
{
	struct stat st;

	if (!l)
		return;
	l->closed = true;
	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, on_handle_closed);
	uv_close((uv_handle_t *)&l->rest, on_handle_closed);
	close(l->fd);
	l->fd = -1;
	if (l->path && !stat(l->path, &st) && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
}
