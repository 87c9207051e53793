// SPDX-License-Identifier: Apache-2.0
#include "dns/server/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "dns/server/server.h"
#include "dns/server/socket.h"
#include "dns/server/tap.h"
#include "dns/server/xdp.h"
#include "dns/zone/dnssec.h"

#define MAX_EVENTS 64
#define TICK_MS    1000

void
dns_client_from(struct dns_client *c, const struct sockaddr_storage *from, bool tcp)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

	c->tcp = tcp;
	c->tls = false;
	memset(c->address, 0, sizeof c->address);
	if (from->ss_family == AF_INET) {
		c->family = 4;
		memcpy(c->address, &((const struct sockaddr_in *)from)->sin_addr, 4);
	} else {
		c->family = 6;
		memcpy(c->address, &v6->sin6_addr, 16);
	}
}

int
dns_worker_watch(struct dns_worker *w, struct dns_source *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, s->fd, &e) ? -errno : 0;
}

/* What waits in it stays there, for the process that has it as well; one that nobody has any more refuses what comes. */
static void
leave(struct dns_worker *w, struct dns_source *s)
{
	epoll_ctl(w->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	close(s->fd);
	s->fd = -1;
}

static void
leave_sockets(struct dns_worker *w)
{
	for (size_t i = 0; i < w->n_udp; i++)
		leave(w, &w->udp[i].source);
	for (size_t i = 0; i < w->n_tcp_listen; i++)
		leave(w, &w->tcp_listen[i].source);
	w->left_ms = w->ctx.mono_ms;
	w->has_left = true;
}

static void
on_wake(struct dns_worker *w, struct dns_source *s, uint32_t events)
{
	eventfd_t v;

	eventfd_read(s->fd, &v);
	if (w->leaves && !w->has_left)
		leave_sockets(w);
	dns_tcp_woken(w);
}

static void
read_clocks(struct dns_context *ctx)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	ctx->wall_s = t.tv_sec;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	ctx->mono_ms = t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static void *
run(void *arg)
{
	struct dns_worker *w = arg;
	struct epoll_event events[MAX_EVENTS];
	uint64_t last_tick = 0;
	char name[16];

	snprintf(name, sizeof name, "dns%u", w->index);
	pthread_setname_np(pthread_self(), name);
	wf_log_thread_name(name);
	wf_rcu_register(name);
	read_clocks(&w->ctx);
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		int n;

		wf_rcu_offline();
		n = epoll_wait(w->epoll, events, MAX_EVENTS, TICK_MS);
		wf_rcu_online();
		read_clocks(&w->ctx);
		for (int i = 0; i < n; i++) {
			struct dns_source *s = events[i].data.ptr;

			s->ready(w, s, events[i].events);
			wf_rcu_quiescent();
		}
		if (w->ctx.mono_ms - last_tick >= TICK_MS) {
			last_tick = w->ctx.mono_ms;
			dns_tcp_tick(w);
		}
		dns_tcp_reap(w);
	}
	wf_rcu_unregister();
	dns_dnssec_thread_done();
	return NULL;
}

void
dns_worker_configure(struct dns_worker *w, const struct dns_conf *c)
{
	unsigned n = dns_server.n_workers ? dns_server.n_workers : 1;

	w->tcp_max = (c->tcp_max + n - 1) / n;
	w->tcp_idle_ms = c->tcp_idle_s * 1000;
	w->tcp_message_ms = c->tcp_message_s * 1000;
	w->tls_per_s = c->tls_per_s;
}

/* One socket of its own; and those that were handed over and would be nobody's, as there were more workers. */
static bool
opens(const struct dns_worker *w, int type, const struct sockaddr_storage *at, unsigned place, bool late)
{
	enum dns_socket_handed handed = dns_socket_handed(type, at, place);

	if (handed == DNS_SOCKET_HANDED)
		return !late;
	return place == w->index && handed == (late ? DNS_SOCKET_MORE : DNS_SOCKET_NEW);
}

static int
open_udp(struct dns_worker *w, unsigned n, const struct sockaddr_storage *at, bool late, struct wf_err *err)
{
	int rc = 0;

	for (unsigned place = w->index; !rc && (place == w->index || place < dns_socket_handed_places()); place += n) {
		if (!opens(w, SOCK_DGRAM, at, place, late))
			continue;
		rc = dns_udp_open(w, at, place, &w->udp[w->n_udp], err);
		w->n_udp += !rc;
	}
	return rc;
}

static int
open_tcp(struct dns_worker *w, unsigned n, const struct sockaddr_storage *at, bool tls, bool late, struct wf_err *err)
{
	int rc = 0;

	for (unsigned place = w->index; !rc && (place == w->index || place < dns_socket_handed_places()); place += n) {
		if (!opens(w, SOCK_STREAM, at, place, late))
			continue;
		w->tcp_listen[w->n_tcp_listen].tls = tls;
		rc = dns_tcp_open(w, at, place, &w->tcp_listen[w->n_tcp_listen], err);
		w->n_tcp_listen += !rc;
	}
	return rc;
}

static int
open_all(struct dns_worker *w, unsigned n, const struct dns_conf *c, bool late, struct wf_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < c->n_listen && !rc; i++) {
		rc = open_udp(w, n, &c->listen[i], late, err);
		if (!rc)
			rc = open_tcp(w, n, &c->listen[i], false, late, err);
		if (!rc && c->has_tls) {
			struct sockaddr_storage at = c->listen[i];

			/* The port lies at the same place in both families. */
			((struct sockaddr_in *)&at)->sin_port = htons(c->tls_port);
			rc = open_tcp(w, n, &at, true, late, err);
		}
	}
	return rc;
}

int
dns_worker_open_more(struct dns_worker *w, unsigned n, const struct dns_conf *c, struct wf_err *err)
{
	return open_all(w, n, c, true, err);
}

int
dns_worker_new(unsigned index, unsigned n, const struct dns_conf *c, struct dns_worker **ret,
	       struct wf_err *err)
{
	struct dns_worker *w = wf_xzalloc(sizeof *w);
	size_t n_at = c->n_listen * (dns_socket_handed_places() / n + 2);
	int rc = 0;

	w->index = index;
	w->tcp_max = (c->tcp_max + n - 1) / n;
	w->tcp_idle_ms = c->tcp_idle_s * 1000;
	w->tcp_message_ms = c->tcp_message_s * 1000;
	w->tls_per_s = c->tls_per_s;
	w->ctx.draw = wf_hash_seed + index;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->wake_source = (struct dns_source){ on_wake, w->wake };
	w->batch = dns_udp_batch_new();
	w->hot = dns_hot_new();
	w->tcp = dns_tcp_new();
	w->udp = wf_xzalloc((n_at + 1) * sizeof *w->udp);
	w->tcp_listen = wf_xzalloc((2 * n_at + 1) * sizeof *w->tcp_listen);
	if (w->epoll < 0 || w->wake < 0)
		rc = wf_err(err, -errno, "worker %u: %s", index, strerror(errno));
	if (!rc)
		dns_worker_watch(w, &w->wake_source, EPOLLIN);
	if (!rc)
		dns_xdp_watch(w);
	if (!rc)
		rc = open_all(w, n, c, false, err);
	if (rc) {
		dns_worker_free(w);
		return rc;
	}
	*ret = w;
	return 0;
}

void
dns_worker_start(struct dns_worker *w)
{
	if (pthread_create(&w->thread, NULL, run, w))
		abort(); /* out of memory */
	w->is_running = true;
}

void
dns_worker_free(struct dns_worker *w)
{
	if (!w)
		return;
	if (w->is_running) {
		atomic_store_explicit(&w->stop, true, memory_order_relaxed);
		eventfd_write(w->wake, 1);
		pthread_join(w->thread, NULL);
	}
	dns_tcp_free(w);
	for (size_t i = 0; i < w->n_udp; i++)
		if (w->udp[i].source.fd >= 0)
			close(w->udp[i].source.fd);
	for (size_t i = 0; i < w->n_tcp_listen; i++)
		if (w->tcp_listen[i].source.fd >= 0)
			close(w->tcp_listen[i].source.fd);
	if (w->epoll >= 0)
		close(w->epoll);
	if (w->wake >= 0)
		close(w->wake);
	dns_tap_ring_free(w->tap);
	free(w->batch);
	dns_hot_free(w->hot);
	free(w->udp);
	free(w->tcp_listen);
	free(w);
}

void
dns_worker_give(const struct dns_worker *w, void (*fn)(void *arg, unsigned place, int fd), void *arg)
{
	for (size_t i = 0; i < w->n_udp; i++)
		fn(arg, w->udp[i].place, w->udp[i].source.fd);
	for (size_t i = 0; i < w->n_tcp_listen; i++)
		fn(arg, w->tcp_listen[i].place, w->tcp_listen[i].source.fd);
}

void
dns_worker_leave(struct dns_worker *w)
{
	w->leaves = true;
	eventfd_write(w->wake, 1);
}

bool
dns_worker_is_idle(const struct dns_worker *w)
{
	return w->has_left && !dns_worker_n_connections(w);
}

const struct dns_counters *
dns_worker_counters(const struct dns_worker *w)
{
	return &w->ctx.counters;
}
