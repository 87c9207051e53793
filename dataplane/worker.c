/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/worker_internal.h"

#include <errno.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "dataplane/policer.h"
#include "dataplane/slow_path.h"
#include "dataplane/walk_memo.h"

WF_LOG_MODULE(worker);

/* While a worker has flows it wakes this often to let go of idle ones. */
#define SLEEP_WITH_FLOWS_MS 2000
/* Rounds over busy queues before a sleeping worker looks whether others have become busy. */
#define ROUNDS_BETWEEN_POLLS 8
#define EVENT_FD UINT32_MAX

struct worker *worker_list;
static void (*thread_start_hook)(void), (*thread_stop_hook)(void);

/* --- The thread ---------------------------------------------------------------------------- */

/* What the thread knows about its queues. */
struct turn_state {
	const struct rxq_set *set; /* only while online: it may be freed while the worker sleeps */
	uint64_t version;   /* of the set that 'active' fits */
	unsigned n;
	bool *active;       /* by place: may have packets */
	unsigned rounds;
	uint32_t settle_seen;
};

static void
follow_set(struct worker *w, struct turn_state *s)
{
	const struct rxq_set *set = atomic_load_explicit(&w->queues, memory_order_acquire);

	s->set = set;
	if (set->version == s->version)
		return;
	s->active = wf_xrealloc(s->active, set->n + 1);
	/* Only what is new is asked unasked: one more port is not a round over 500 queues. */
	for (unsigned i = 0; i < set->n; i++)
		if (set->q[i] && (i >= s->n || set->q[i]->since > s->version))
			s->active[i] = true;
		else if (i >= s->n)
			s->active[i] = false;
	s->version = set->version;
	s->n = set->n;
}

static void
poll_events(struct worker *w, struct turn_state *s, int timeout_ms)
{
	struct epoll_event events[64];
	int n = epoll_wait(w->epoll_fd, events, 64, timeout_ms);

	for (int i = 0; i < n; i++) {
		uint32_t place = events[i].data.u32;
		uint64_t count;

		/* A place may have another queue by now: it is asked in vain, once. */
		if (place != EVENT_FD && place < s->n)
			s->active[place] = true;
		else if (place == EVENT_FD && read(w->event_fd, &count, sizeof(count)) < 0 &&
			 errno != EAGAIN)
			wf_warn_rl("%s: cannot read eventfd: %s", w->name, wf_strerror(-errno));
	}
}

/* 'tsc': now; moves on if there was something. */
static unsigned
serve_queue(struct worker *w, struct rxq *q, uint64_t *tsc)
{
	struct rte_mbuf *pkts[BURST_MAX];
	struct runner *rn = &w->rn;
	uint64_t start = *tsc;
	unsigned n = q->port->class->rx(q->port, q->qid, pkts, BURST_MAX);
	uint32_t slot = q->port->slot;

	if (!n)
		return 0;
	struct policer *policer = atomic_load_explicit(&q->port->rx_policer, memory_order_acquire);
	unsigned n_rx = n;
	if (unlikely(policer))
		n = policer_admit(policer, pkts, n);
	if (slot < rn->view->n_slots && rn->view->slots[slot].port == q->port) {
		pipeline_burst(rn, slot, pkts, n);
	} else {
		stat_add(&rn->drops[DROP_RX_NO_BRIDGE], n);
		pkt_free_bulk(pkts, n);
	}
	runner_flush(rn);
	stat_add(&w->n_rx, n_rx);
	stat_add(&q->packets, n_rx);
	*tsc = rte_rdtsc();
	stat_add(&q->cycles, *tsc - start);
	return n_rx;
}

/* The clock, of which a polling worker asks every 20 us only: milliseconds are all that it needs. */
static void
read_clock(struct worker *w, uint64_t tsc)
{
	if (!w->polling || tsc - w->clock_tsc > w->clock_cycles) {
		w->clock_tsc = tsc;
		w->clock_cycles = rte_get_tsc_hz() / 50000;
		w->rn.now_ms = wf_now_ms();
	}
}

/* One burst from each queue that may have packets.  Returns the packets received. */
static unsigned
turn(struct worker *w, struct turn_state *s)
{
	struct runner *rn = &w->rn;
	unsigned total = 0;
	uint64_t start = rte_rdtsc(), tsc = start;

	follow_set(w, s);
	if (!w->polling && ++s->rounds % ROUNDS_BETWEEN_POLLS == 0)
		poll_events(w, s, 0);
	rn->view = view_get();
	read_clock(w, start);
	runner_sync(rn);

	uint32_t purge = atomic_load_explicit(&w->purge_asked, memory_order_acquire);
	if (purge != atomic_load_explicit(&w->purge_done, memory_order_relaxed)) {
		cache_purge(rn->cache);
		if (rn->walks)
			walk_memo_purge(rn->walks);
		/* What was retired is on its way to main before main hears of it. */
		cache_end_burst(rn->cache);
		atomic_store_explicit(&w->purge_done, purge, memory_order_release);
	}
	/* To settle: a turn that asked every queue and found nothing. */
	uint32_t settle = atomic_load_explicit(&w->settle_asked, memory_order_acquire);
	bool settling = settle != atomic_load_explicit(&w->settle_done, memory_order_relaxed);
	if (settling)
		memset(s->active, 1, s->n);

	for (unsigned i = 0; i < s->n; i++) {
		if (!s->active[i] && !w->polling)
			continue;
		unsigned n = s->set->q[i] ? serve_queue(w, s->set->q[i], &tsc) : 0;

		if (!n)
			s->active[i] = false;
		total += n;
	}
	cache_expire(rn->cache, rn->now_ms, false);
	cache_end_burst(rn->cache);
	atomic_store_explicit(&w->n_flows, cache_n_flows(rn->cache), memory_order_relaxed);
	if (settling && !total)
		atomic_store_explicit(&w->settle_done, settle, memory_order_release);
	if (!total)
		tsc = rte_rdtsc();
	stat_add(total ? &w->busy_cycles : &w->idle_cycles, tsc - start);
	return total;
}

static void
go_to_sleep(struct worker *w, struct turn_state *s)
{
	bool has_flows = cache_n_flows(w->rn.cache) != 0;

	/* Nobody may come for long. */
	if (!has_flows && w->rn.walks)
		walk_memo_purge(w->rn.walks);
	s->set = NULL;
	wf_rcu_offline();
	poll_events(w, s, has_flows ? SLEEP_WITH_FLOWS_MS : -1);
	wf_rcu_online();
	if (has_flows) {
		/* The next turn ends the burst for this as well. */
		cache_expire(w->rn.cache, wf_now_ms(), true);
		cache_end_burst(w->rn.cache);
	}
}

static void *
worker_main(void *w_)
{
	struct worker *w = w_;
	struct turn_state s = { 0 };

	/* Lines of sleeping workers carry no name, as those of OVS's main thread, which serves the
	 * ports that are not polled there. */
	if (w->polling)
		wf_log_thread_name(w->name);
	pthread_setname_np(pthread_self(), w->name);
	if (w->core >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(w->core, &set);
		if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
			wf_warn("%s: cannot be pinned to core %d", w->name, w->core);
	}
	if (w->polling && thread_start_hook)
		thread_start_hook();
	wf_rcu_register(w->name);
	drop_use_counters(w->rn.drops);
	while (!atomic_load_explicit(&w->stop, memory_order_acquire)) {
		wf_rcu_quiescent();
		if (!turn(w, &s) && !w->polling) {
			bool any = false;

			for (unsigned i = 0; i < s.n; i++)
				any |= s.active[i];
			if (!any && !atomic_load_explicit(&w->stop, memory_order_acquire))
				go_to_sleep(w, &s);
		}
	}
	drop_use_counters(NULL);
	wf_rcu_unregister();
	pkt_thread_done();
	ports_thread_done();
	if (w->polling && thread_stop_hook)
		thread_stop_hook();
	free(s.active);
	return NULL;
}

/* --- Main: making and ending workers ------------------------------------------------------------ */

void
workers_set_thread_hooks(void (*start)(void), void (*stop)(void))
{
	thread_start_hook = start;
	thread_stop_hook = stop;
}

void
worker_wake(struct worker *w)
{
	uint64_t one = 1;

	if (!w->polling && write(w->event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		wf_warn_rl("%s: cannot wake: %s", w->name, wf_strerror(-errno));
}

struct worker *
worker_start(bool polling, int core, int numa)
{
	struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) & ~(size_t)63), **at = &worker_list;
	struct rxq_set *none = queues_empty_set();
	unsigned index = 1;

	if (!w)
		abort();
	memset(w, 0, sizeof(*w));
	while (*at && (*at)->index == index) {
		at = &(*at)->next;
		index++;
	}
	w->index = index;
	w->polling = polling;
	w->core = core;
	w->numa = numa;
	snprintf(w->name, sizeof(w->name), polling ? "pmd-c%02d/id:%u" : "worker%u",
		 polling ? core : (int)index, index);
	if (!polling)
		snprintf(w->name, sizeof(w->name), "worker%u", index);
	runner_init(&w->rn);
	w->rn.cache = cache_new();
	w->rn.txq = index;
	atomic_store_explicit(&w->queues, none, memory_order_relaxed);
	w->epoll_fd = w->event_fd = -1;
	if (!polling) {
		struct epoll_event ev = { .events = EPOLLIN, .data.u32 = EVENT_FD };

		w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (w->epoll_fd < 0 || w->event_fd < 0 ||
		    epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->event_fd, &ev) < 0) {
			wf_emer("cannot make a worker: %s", wf_strerror(-errno));
			abort();
		}
	}
	w->next = *at;
	*at = w;
	if (pthread_create(&w->thread, NULL, worker_main, w)) {
		wf_emer("cannot start a worker thread");
		abort();
	}
	if (polling)
		wf_info("PMD thread on numa_id: %d, core id: %2d created.", numa, core);
	return w;
}

static void
worker_end(struct worker *w)
{
	struct worker **at = &worker_list;

	atomic_store_explicit(&w->stop, true, memory_order_release);
	worker_wake(w);
	pthread_join(w->thread, NULL);
	queues_of_worker_gone(w);
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	cache_fold(w->rn.cache);
	cache_free(w->rn.cache);
	stats_worker_gone(w);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	if (w->event_fd >= 0)
		close(w->event_fd);
	free(atomic_load_explicit(&w->queues, memory_order_relaxed));
	runner_done(&w->rn);
	if (w->polling)
		wf_info("PMD thread on numa_id: %d, core id: %2d destroyed.", w->numa, w->core);
	free(w);
}

/* --- Which workers there are ----------------------------------------------------------------------- */

static cpu_set_t pmd_cores;
static bool pmd_cores_given, polling_wanted;

static int
numa_of_core(int core)
{
	char path[96];

	for (int node = 0; node < 64; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpu%d", node, core);
		if (!access(path, F_OK))
			return node;
	}
	return 0;
}

/* One core a NUMA node: its first that we may use, but core 0 only if it has no other. */
static void
default_cores(cpu_set_t *cores)
{
	cpu_set_t allowed;
	int best[64];

	for (unsigned i = 0; i < 64; i++)
		best[i] = -1;
	CPU_ZERO(cores);
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	for (int core = 0; core < CPU_SETSIZE; core++) {
		if (!CPU_ISSET(core, &allowed))
			continue;
		int node = numa_of_core(core);
		if (best[node] <= 0)
			best[node] = core;
	}
	for (unsigned i = 0; i < 64; i++)
		if (best[i] >= 0)
			CPU_SET(best[i], cores);
}

static bool
apply_polling(void)
{
	bool changed = false;
	cpu_set_t want;

	CPU_ZERO(&want);
	if (polling_wanted) {
		if (pmd_cores_given)
			want = pmd_cores;
		else
			default_cores(&want);
	}
	for (struct worker *w = worker_list, *next; w; w = next) {
		next = w->next;
		if (!w->polling)
			continue;
		if (CPU_ISSET(w->core, &want)) {
			CPU_CLR(w->core, &want);
		} else {
			worker_end(w);
			changed = true;
		}
	}
	for (int core = 0; core < CPU_SETSIZE; core++) {
		if (CPU_ISSET(core, &want)) {
			worker_start(true, core, numa_of_core(core));
			changed = true;
		}
	}
	return changed;
}

bool
workers_want_polling(void)
{
	if (polling_wanted)
		return false;
	polling_wanted = true;
	apply_polling();
	return true;
}

static int
parse_mask(const char *text, cpu_set_t *cores, struct wf_err *err)
{
	const char *digits = text + (!strncmp(text, "0x", 2) || !strncmp(text, "0X", 2) ? 2 : 0);
	size_t n = strlen(digits);
	long n_cpus = sysconf(_SC_NPROCESSORS_CONF);
	bool any = false;

	CPU_ZERO(cores);
	for (size_t i = 0; i < n; i++) {
		char c = digits[n - 1 - i];
		int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
			c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;

		if (v < 0)
			return wf_err(err, -EINVAL, "pmd-cpu-mask \"%s\": '%c' is no hexadecimal digit",
				      text, c);
		for (unsigned b = 0; b < 4; b++) {
			long core = (long)i * 4 + b;

			if ((v >> b & 1) && core < n_cpus && core < CPU_SETSIZE) {
				CPU_SET(core, cores);
				any = true;
			}
		}
	}
	if (!any)
		return wf_err(err, -EINVAL,
			      "pmd-cpu-mask \"%s\" names none of this machine's %ld cores; "
			      "the default is used", text, n_cpus);
	return 0;
}

/* Half of the cores that we may use: guests and host need theirs.  Beyond four it is rarely the
 * switch that limits kernel ports. */
static unsigned
default_sleeping(void)
{
	cpu_set_t allowed;
	unsigned n = 1;

	if (!sched_getaffinity(0, sizeof(allowed), &allowed))
		n = (unsigned)CPU_COUNT(&allowed) / 2;
	return n < 1 ? 1 : n > 4 ? 4 : n;
}

int
workers_configure(const char *mask, unsigned n_sleeping, struct wf_err *err)
{
	bool changed;
	unsigned n = 0;
	int rc = 0;

	pmd_cores_given = false;
	if (mask && *mask) {
		rc = parse_mask(mask, &pmd_cores, err);
		pmd_cores_given = !rc;
	}
	changed = apply_polling();

	if (!n_sleeping)
		n_sleeping = default_sleeping();
	if (n_sleeping > WORKERS_MAX_SLEEPING)
		n_sleeping = WORKERS_MAX_SLEEPING;
	for (struct worker *w = worker_list, *next; w; w = next) {
		next = w->next;
		if (!w->polling && ++n > n_sleeping) {
			worker_end(w);
			changed = true;
		}
	}
	for (; n < n_sleeping; n++) {
		worker_start(false, -1, -1);
		changed = true;
	}
	queues_even_out_later();
	if (changed)
		workers_rebalance();
	else
		queues_place_all();
	return rc;
}

/* --- Life ------------------------------------------------------------------------------------------ */

static int64_t
serve_slow_path(struct wf_idle *idle)
{
	(void)idle;
	/* Enough to be worth a turn, few enough that timers and sockets are not kept waiting. */
	return slow_path_run(128) ? 0 : -1;
}

static struct wf_idle slow_idle = { .fn = serve_slow_path };
static bool running;

void
workers_init(void)
{
	if (running)
		return;
	running = true;
	main_runner_init();
	wf_idle_add(&slow_idle);
}

void
workers_exit(void)
{
	if (!running)
		return;
	running = false;
	while (worker_list)
		worker_end(worker_list);
	queues_done();
	wf_idle_del(&slow_idle);
	slow_path_done();
	main_runner_done();
	polling_wanted = pmd_cores_given = false;
	pkt_thread_done();
}

/* --- Waiting for workers ----------------------------------------------------------------------------- */

/* Waits in real time, as the weft clock may stand still. */
static bool
wait_for(_Atomic uint32_t *done, uint32_t value)
{
	for (unsigned naps = 0; naps < 10000; naps++) {
		struct timespec ts = { .tv_nsec = 100 * 1000 };

		if ((int32_t)(atomic_load_explicit(done, memory_order_acquire) - value) >= 0)
			return true;
		nanosleep(&ts, NULL);
	}
	return false;
}

void
workers_settle(void)
{
	/* What main sends may come back to a worker, so twice. */
	for (unsigned round = 0; round < 2; round++) {
		for (struct worker *w = worker_list; w; w = w->next) {
			atomic_fetch_add_explicit(&w->settle_asked, 1, memory_order_release);
			worker_wake(w);
		}
		for (struct worker *w = worker_list; w; w = w->next)
			wait_for(&w->settle_done,
				 atomic_load_explicit(&w->settle_asked, memory_order_relaxed));
		for (unsigned i = 0; i < 1000 && slow_path_run(1024); i++)
			;
	}
}

void
workers_purge_flows(void)
{
	for (struct worker *w = worker_list; w; w = w->next) {
		atomic_fetch_add_explicit(&w->purge_asked, 1, memory_order_release);
		worker_wake(w);
	}
	for (struct worker *w = worker_list; w; w = w->next)
		wait_for(&w->purge_done,
			 atomic_load_explicit(&w->purge_asked, memory_order_relaxed));
}
