/* SPDX-License-Identifier: Apache-2.0 */
/* Which worker serves which receive queue.  A worker's set of queues is immutable and published
 * by one pointer; an old set, and a queue that was taken away, are freed after a grace period.
 * The place of a queue in its set stays the same while it is there, so that epoll events need no
 * pointers. */
#include "dataplane/worker_internal.h"

#include <errno.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/rcu.h"

WF_LOG_MODULE(worker_queues);

static struct rxq *queues;

static uint64_t last_set_version;

struct rxq_set *
queues_empty_set(void)
{
	struct rxq_set *set = wf_xzalloc(sizeof(*set));

	set->version = ++last_set_version;
	return set;
}

static struct rxq_set *
set_of(struct worker *w)
{
	return atomic_load_explicit(&w->queues, memory_order_relaxed);
}

static void
publish_set(struct worker *w, struct rxq_set *set)
{
	struct rxq_set *old = set_of(w);

	atomic_store_explicit(&w->queues, set, memory_order_release);
	wf_rcu_free(old);
	worker_wake(w);
}

static void
give(struct rxq *q, struct worker *w)
{
	struct rxq_set *old = set_of(w), *set;
	unsigned place = 0;

	while (place < old->n && old->q[place])
		place++;
	unsigned n = place < old->n ? old->n : old->n + 1;
	set = wf_xzalloc(sizeof(*set) + n * sizeof(set->q[0]));
	set->version = ++last_set_version;
	set->n = n;
	memcpy(set->q, old->q, old->n * sizeof(set->q[0]));
	set->q[place] = q;
	q->worker = w;
	q->place = place;
	q->since = set->version;
	publish_set(w, set);
	if (!w->polling && q->fd >= 0) {
		struct epoll_event ev = { .events = EPOLLIN, .data.u32 = place };

		if (epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, q->fd, &ev) < 0)
			wf_warn("%s: cannot wait for packets of queue %u: %s", q->port->name,
				q->qid, wf_strerror(-errno));
	}
}

static void
take(struct rxq *q)
{
	struct worker *w = q->worker;
	struct rxq_set *old, *set;

	if (!w)
		return;
	if (!w->polling && q->fd >= 0)
		epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, q->fd, NULL);
	old = set_of(w);
	set = wf_xmalloc(sizeof(*set) + old->n * sizeof(set->q[0]));
	memcpy(set, old, sizeof(*set) + old->n * sizeof(set->q[0]));
	set->version = ++last_set_version;
	set->q[q->place] = NULL;
	while (set->n && !set->q[set->n - 1])
		set->n--;
	q->worker = NULL;
	publish_set(w, set);
}

/* Is 'w' what the affinity of 'q' asks for? */
static bool
is_wished(const struct rxq *q, const struct worker *w)
{
	return q->affinity >= 0 && w && w->polling == q->port->polled &&
	       q->affinity == (w->polling ? w->core : (int)w->index);
}

/* A worker with a queue bound to its core serves only such queues (OVS calls it isolated). */
static bool
is_isolated(const struct worker *w)
{
	for (const struct rxq *q = queues; q; q = q->next)
		if (w->polling && q->worker == w && is_wished(q, w))
			return true;
	return false;
}

static unsigned
n_queues(const struct worker *w)
{
	unsigned n = 0;

	for (const struct rxq *q = queues; q; q = q->next)
		n += q->worker == w;
	return n;
}

static uint64_t
load(const struct worker *w)
{
	uint64_t sum = 0;

	for (const struct rxq *q = queues; q; q = q->next)
		if (q->worker == w)
			sum += q->rate;
	return sum;
}

/* The worker that has least to do, by measured load, then by number of queues. */
static struct worker *
choose_worker(const struct rxq *q, bool wished)
{
	struct worker *best = NULL;

	for (struct worker *w = worker_list; w; w = w->next) {
		if (w->polling != q->port->polled)
			continue;
		if (wished) {
			if (is_wished(q, w))
				return w;
			continue;
		}
		if (is_isolated(w))
			continue;
		if (!best || load(w) < load(best) ||
		    (load(w) == load(best) && n_queues(w) < n_queues(best)))
			best = w;
	}
	return best;
}

static void
place(struct rxq *q)
{
	struct worker *w = choose_worker(q, q->affinity >= 0);

	if (!w && q->affinity >= 0) {
		wf_warn(q->port->polled
				? "There is no PMD thread on core %d. Queue %u on port '%s' will be "
				  "assigned to another one."
				: "There is no worker %d. Queue %u of port '%s' goes to another one.",
			q->affinity, q->qid, q->port->name);
		w = choose_worker(q, false);
	}
	if (w)
		give(q, w);
	else
		wf_warn("port %s: no worker can poll queue %u", q->port->name, q->qid);
}

void
queues_place_all(void)
{
	/* Those that ask for a core come first: they decide which workers are isolated. */
	for (unsigned round = 0; round < 2; round++)
		for (struct rxq *q = queues; q; q = q->next)
			if (!q->worker && (q->affinity >= 0) == (round == 0))
				place(q);
}

void
queues_of_worker_gone(struct worker *w)
{
	for (struct rxq *q = queues; q; q = q->next)
		if (q->worker == w)
			q->worker = NULL;
}

/* pmd-rxq-affinity: "queue:core,...", of ports that are not polled the number of a worker; -1 if the
 * queue is not named. */
static int
affinity_of(const struct port *port, const char *text, unsigned qid)
{
	if (!port->polled)
		return text && atoi(text) > 0 ? atoi(text) : -1;
	while (text && *text) {
		char *end;
		unsigned long queue = strtoul(text, &end, 10);

		if (end == text || *end != ':')
			return -1;
		text = end + 1;
		long core = strtol(text, &end, 10);
		if (end == text)
			return -1;
		if (queue == qid)
			return (int)core;
		text = *end ? end + 1 : end;
	}
	return -1;
}

void
workers_add_port(struct port *port, const char *affinity)
{
	bool has_worker = false;

	for (struct rxq *q = queues; q; q = q->next)
		if (q->port == port)
			return;
	if (port->polled)
		workers_want_polling();
	for (struct worker *w = worker_list; w; w = w->next)
		has_worker |= w->polling == port->polled;
	if (!has_worker && !port->polled)
		worker_start(false, -1, -1);
	for (unsigned i = 0; i < port->n_rxq; i++) {
		struct rxq *q, **at = &queues;
		int fd = port->class->rx_fd ? port->class->rx_fd(port, i) : -1;

		/* Neither polled nor to be waited for: nothing comes by itself (dummy ports). */
		if (!port->polled && fd < 0)
			continue;
		q = wf_xzalloc(sizeof(*q));
		q->port = port;
		q->qid = i;
		q->fd = fd;
		q->affinity = affinity_of(port, affinity, i);
		while (*at)
			at = &(*at)->next;
		*at = q;
	}
	queues_place_all();
}

void
workers_set_affinity(struct port *port, const char *affinity)
{
	bool changed = false;

	for (struct rxq *q = queues; q; q = q->next) {
		if (q->port != port || q->affinity == affinity_of(port, affinity, q->qid))
			continue;
		q->affinity = affinity_of(port, affinity, q->qid);
		take(q);
		changed = true;
	}
	if (!changed)
		return;
	/* A queue may not be served by two workers at once. */
	wf_rcu_synchronize();
	queues_place_all();
}

void
workers_remove_port(struct port *port)
{
	for (struct rxq **at = &queues, *q; (q = *at) != NULL;) {
		if (q->port != port) {
			at = &q->next;
			continue;
		}
		take(q);
		*at = q->next;
		wf_rcu_free(q);
	}
}

/* --- Sharing out anew ---------------------------------------------------------------------------- */

static unsigned
measure_rates(void)
{
	unsigned n = 0;

	for (struct rxq *q = queues; q; q = q->next) {
		uint64_t cycles = atomic_load_explicit(&q->cycles, memory_order_relaxed);

		q->rate = cycles - q->last_cycles;
		q->last_cycles = cycles;
		n++;
	}
	return n;
}

void
workers_rebalance(void)
{
	/* Longest queues first, each to whom has least: within 4/3 of the best (Graham, 1969). */
	unsigned n = measure_rates();

	if (!n)
		return;
	struct rxq **sorted = wf_xmalloc(n * sizeof(*sorted));
	n = 0;
	for (struct rxq *q = queues; q; q = q->next)
		if (!is_wished(q, q->worker))
			sorted[n++] = q;
	for (unsigned i = 1; i < n; i++) {
		struct rxq *q = sorted[i];
		unsigned j = i;

		for (; j && sorted[j - 1]->rate < q->rate; j--)
			sorted[j] = sorted[j - 1];
		sorted[j] = q;
	}
	/* A queue may not be served by two workers at once: all are taken away, then a grace
	 * period passes, then they are given out. */
	for (unsigned i = 0; i < n; i++)
		take(sorted[i]);
	if (n)
		wf_rcu_synchronize();
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < n; i++)
			if ((sorted[i]->affinity >= 0) == (round == 0))
				place(sorted[i]);
	free(sorted);
}

/* Sleeping workers are evened out by themselves, as nobody gives ports of the kernel to cores by hand:
 * when one is busy for more than half of an interval, and moving one of its queues takes a fifth off the
 * most loaded of the two.  One queue an interval, so that it settles. */
#define EVEN_OUT_MS 5000

static struct wf_timer even_out_timer;
static uint64_t last_tsc;

static void
even_out(struct wf_timer *t)
{
	struct worker *most = NULL, *least = NULL;
	struct rxq *best = NULL;
	uint64_t now = rte_rdtsc(), interval = now - last_tsc, best_max;

	(void)t;
	last_tsc = now;
	queues_even_out_later();
	measure_rates();
	for (struct worker *w = worker_list; w; w = w->next) {
		if (w->polling)
			continue;
		if (!most || load(w) > load(most))
			most = w;
		if (!least || load(w) < load(least))
			least = w;
	}
	if (!most || most == least || load(most) < interval / 2)
		return;
	best_max = load(most) / 5 * 4;
	for (struct rxq *q = queues; q; q = q->next) {
		uint64_t left = load(most) - q->rate, right = load(least) + q->rate;

		if (q->worker != most || q->affinity >= 0 || RTE_MAX(left, right) >= best_max)
			continue;
		best_max = RTE_MAX(left, right);
		best = q;
	}
	if (!best)
		return;
	wf_dbg("queue %u of port %s moves from %s to %s", best->qid, best->port->name, most->name,
	       least->name);
	take(best);
	wf_rcu_synchronize();
	give(best, least);
}

void
queues_even_out_later(void)
{
	unsigned n = 0;

	for (struct worker *w = worker_list; w; w = w->next)
		n += !w->polling;
	if (n > 1)
		wf_timer_set(&even_out_timer, EVEN_OUT_MS, even_out, NULL);
	else
		wf_timer_cancel(&even_out_timer);
}

/* --- Who serves what ----------------------------------------------------------------------------- */

static void
show_queues(struct wf_str *s, const struct worker *w)
{
	uint64_t busy = atomic_load_explicit(&w->busy_cycles, memory_order_relaxed);
	uint64_t all = busy + atomic_load_explicit(&w->idle_cycles, memory_order_relaxed);
	uint64_t sum = 0;
	unsigned n = 0;

	for (struct rxq *q = queues; q; q = q->next) {
		uint64_t cycles;

		if (q->worker != w)
			continue;
		n++;
		cycles = atomic_load_explicit(&q->cycles, memory_order_relaxed);
		sum += cycles;
		wf_str_fmt(s, "  port: %-16s  queue-id: %2u (enabled)   %s usage: ", q->port->name,
			   q->qid, w->polling ? "pmd" : "worker");
		if (all)
			wf_str_fmt(s, "%2llu %%\n", (unsigned long long)(cycles * 100 / all));
		else
			wf_str_put(s, "NOT AVAIL\n");
	}
	if (!n || !w->polling)
		return;
	if (all)
		wf_str_fmt(s, "  overhead: %2llu %%\n",
			   (unsigned long long)((busy > sum ? busy - sum : 0) * 100 / all));
	else
		wf_str_put(s, "  overhead: NOT AVAIL\n");
}

void
workers_rxq_show(struct wf_str *s)
{
	for (const struct worker *w = worker_list; w; w = w->next) {
		if (w->polling)
			wf_str_fmt(s, "pmd thread numa_id %d core_id %d:\n  isolated : %s\n", w->numa,
				   w->core, is_isolated(w) ? "true" : "false");
		else if (n_queues(w))
			wf_str_fmt(s, "%s thread:\n", w->name);
		show_queues(s, w);
	}
}

void
queues_done(void)
{
	wf_timer_cancel(&even_out_timer);
	while (queues) {
		struct rxq *q = queues;

		queues = q->next;
		free(q);
	}
}
