/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_port.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

struct ring {
	struct rte_mbuf **m;
	unsigned n, room, head;
};

struct fake {
	struct port port;
	pthread_mutex_t mutex;
	struct ring rx, tx;
	int fd;
	struct rte_mbuf *endless;
	bool sink;
	unsigned n_sent;
};

static void
ring_put(struct ring *r, struct rte_mbuf *m)
{
	if (r->head + r->n == r->room) {
		r->room = r->room ? r->room * 2 : 64;
		r->m = wf_xrealloc(r->m, r->room * sizeof(*r->m));
	}
	r->m[r->head + r->n++] = m;
}

static struct rte_mbuf *
ring_get(struct ring *r)
{
	struct rte_mbuf *m;

	if (!r->n)
		return NULL;
	m = r->m[r->head++];
	if (!--r->n)
		r->head = 0;
	return m;
}

static unsigned
fake_rx(struct port *p, unsigned rxq, struct rte_mbuf **pkts, unsigned max)
{
	struct fake *f = p->impl;
	unsigned n = 0;
	uint64_t count;

	pthread_mutex_lock(&f->mutex);
	while (n < max && f->rx.n)
		pkts[n++] = ring_get(&f->rx);
	while (n < max && f->endless)
		pkts[n++] = pkt_copy(f->endless);
	if (!f->rx.n && !f->endless && f->fd >= 0 && read(f->fd, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_unlock(&f->mutex);
	return n;
}

static unsigned
fake_tx(struct port *p, unsigned txq, struct rte_mbuf **pkts, unsigned n)
{
	struct fake *f = p->impl;

	pthread_mutex_lock(&f->mutex);
	for (unsigned i = 0; i < n; i++) {
		if (f->sink)
			pkt_free(pkts[i]);
		else
			ring_put(&f->tx, pkts[i]);
	}
	f->n_sent += n;
	pthread_mutex_unlock(&f->mutex);
	return n;
}

static int
fake_fd(const struct port *p, unsigned rxq)
{
	return ((struct fake *)p->impl)->fd;
}

static const struct port_class fake_class = {
	.type = "fake", .rx = fake_rx, .tx = fake_tx, .rx_fd = fake_fd,
};

struct port *
fake_port_new(const char *name, bool polled)
{
	struct fake *f = wf_xzalloc(sizeof(*f));

	port_init(&f->port, &fake_class, name);
	f->port.impl = f;
	f->port.polled = polled;
	f->fd = polled ? -1 : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pthread_mutex_init(&f->mutex, NULL);
	return &f->port;
}

void
fake_port_free(struct port *p)
{
	struct fake *f = p->impl;
	struct rte_mbuf *m;

	while ((m = ring_get(&f->rx)) || (m = ring_get(&f->tx)))
		pkt_free(m);
	free(f->rx.m);
	free(f->tx.m);
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

void
fake_port_receive(struct port *p, struct rte_mbuf *m)
{
	struct fake *f = p->impl;
	uint64_t one = 1;

	pthread_mutex_lock(&f->mutex);
	ring_put(&f->rx, m);
	if (f->fd >= 0 && write(f->fd, &one, sizeof(one)) < 0)
		abort();
	pthread_mutex_unlock(&f->mutex);
}

struct rte_mbuf *
fake_port_sent(struct port *p, int wait_ms)
{
	struct fake *f = p->impl;

	for (int ms = 0;; ms++) {
		struct timespec nap = { .tv_nsec = 1000000 };
		struct rte_mbuf *m;

		pthread_mutex_lock(&f->mutex);
		m = ring_get(&f->tx);
		pthread_mutex_unlock(&f->mutex);
		if (m || ms >= wait_ms)
			return m;
		nanosleep(&nap, NULL);
	}
}

unsigned
fake_port_n_sent(struct port *p)
{
	struct fake *f = p->impl;
	unsigned n;

	pthread_mutex_lock(&f->mutex);
	n = f->n_sent;
	pthread_mutex_unlock(&f->mutex);
	return n;
}

unsigned
fake_port_n_waiting(struct port *p)
{
	struct fake *f = p->impl;
	unsigned n;

	pthread_mutex_lock(&f->mutex);
	n = f->rx.n;
	pthread_mutex_unlock(&f->mutex);
	return n;
}

void
fake_port_endless(struct port *p, struct rte_mbuf *m)
{
	struct fake *f = p->impl;
	uint64_t one = 1;

	pthread_mutex_lock(&f->mutex);
	pkt_free(f->endless);
	f->endless = m;
	if (f->fd >= 0 && write(f->fd, &one, sizeof(one)) < 0)
		abort();
	pthread_mutex_unlock(&f->mutex);
}

void
fake_port_sink(struct port *p, bool sink)
{
	struct fake *f = p->impl;

	pthread_mutex_lock(&f->mutex);
	f->sink = sink;
	pthread_mutex_unlock(&f->mutex);
}
