// SPDX-License-Identifier: Apache-2.0
#include "base/rcu.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"

WF_LOG_MODULE(rcu);

/* ThreadSanitizer does not model fences.  It need not: what orders a reader's accesses
 * before the free is the release store to 'seen' and the acquire load of it. */
#pragma GCC diagnostic push
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

/* One a reader; a line each, because a reader stores to it in every burst. */
struct slot {
	_Alignas(64) _Atomic uint64_t seen; /* newest token it passed; 0: offline or free */
	char name[32];                      /* under slots_mutex */
	bool used;                          /* under slots_mutex */
};

static struct slot slots[WF_RCU_MAX_THREADS];
static _Atomic unsigned n_slots; /* slots in use lie below */
static pthread_mutex_t slots_mutex = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local struct slot *my_slot;

static _Alignas(64) _Atomic uint64_t newest_token = 1;

void
wf_rcu_register(const char *name)
{
	assert(!my_slot);
	pthread_mutex_lock(&slots_mutex);
	for (unsigned i = 0; i < WF_RCU_MAX_THREADS && !my_slot; i++) {
		if (!slots[i].used) {
			my_slot = &slots[i];
			my_slot->used = true;
			snprintf(my_slot->name, sizeof(my_slot->name), "%s", name);
			if (i >= n_slots)
				n_slots = i + 1;
		}
	}
	pthread_mutex_unlock(&slots_mutex);
	if (!my_slot) {
		wf_emer("more than %d threads in the packet path", WF_RCU_MAX_THREADS);
		abort();
	}
	wf_rcu_online();
}

void
wf_rcu_unregister(void)
{
	if (!my_slot)
		return;
	wf_rcu_offline();
	pthread_mutex_lock(&slots_mutex);
	my_slot->used = false;
	pthread_mutex_unlock(&slots_mutex);
	my_slot = NULL;
}

void
wf_rcu_quiescent(void)
{
	/* Acquire: who sees the token sees what was published before it was drawn.
	 * Release: what this thread read before stays before the store. */
	uint64_t token = atomic_load_explicit(&newest_token, memory_order_acquire);

	if (atomic_load_explicit(&my_slot->seen, memory_order_relaxed) != token)
		atomic_store_explicit(&my_slot->seen, token, memory_order_release);
}

void
wf_rcu_offline(void)
{
	atomic_store_explicit(&my_slot->seen, 0, memory_order_release);
}

void
wf_rcu_online(void)
{
	uint64_t token = atomic_load_explicit(&newest_token, memory_order_acquire);

	atomic_store_explicit(&my_slot->seen, token, memory_order_relaxed);
	/* The store must be visible before this thread loads any shared pointer; the
	 * other half is the fence in wf_rcu_start(), between unpublishing and looking at
	 * 'seen'.  One of the two sides sees the other. */
	atomic_thread_fence(memory_order_seq_cst);
}

uint64_t
wf_rcu_start(void)
{
	uint64_t token = atomic_fetch_add_explicit(&newest_token, 1, memory_order_acq_rel) + 1;

	atomic_thread_fence(memory_order_seq_cst);
	return token;
}
#pragma GCC diagnostic pop

/* Returns a reader that has not passed 'token', or NULL. */
static struct slot *
laggard(uint64_t token)
{
	unsigned n = atomic_load_explicit(&n_slots, memory_order_acquire);

	for (unsigned i = 0; i < n; i++) {
		uint64_t seen = atomic_load_explicit(&slots[i].seen, memory_order_acquire);

		if (seen && seen < token && &slots[i] != my_slot)
			return &slots[i];
	}
	return NULL;
}

bool
wf_rcu_check(uint64_t token)
{
	return !laggard(token);
}

static void
pause_us(long us)
{
	struct timespec ts = { .tv_nsec = us * 1000 };

	nanosleep(&ts, NULL);
}

static void
warn_about(struct slot *s)
{
	char name[sizeof(s->name)];

	pthread_mutex_lock(&slots_mutex);
	memcpy(name, s->name, sizeof(name));
	pthread_mutex_unlock(&slots_mutex);
	wf_warn("blocked for more than 1000 ms waiting for %s to quiesce", name);
}

void
wf_rcu_synchronize(void)
{
	uint64_t token = wf_rcu_start();
	struct slot *s;

	/* Counted in naps, not by the clock, which a test may have stopped. */
	for (unsigned naps = 0; (s = laggard(token)) != NULL; naps++) {
		if (naps == 10000)
			warn_about(s);
		pause_us(100);
	}
}

/* Calls that wait for their grace period.  A thread puts them on 'incoming', newest
 * first; wf_rcu_run() takes all of them at once, draws one token for the lot and keeps
 * them in batches, oldest first. */
struct call {
	struct call *next;
	void (*fn)(void *);
	void *arg;
};

struct batch {
	struct batch *next;
	struct call *calls;
	uint64_t token;
};

static _Atomic(struct call *) incoming;
static struct batch *batches, **batches_tail = &batches; /* main thread */
/* The thread that runs the calls: it looks after what it asks for itself before it sleeps, and is not
 * worth waking. */
static _Thread_local bool runs_calls;

void
wf_rcu_call(void (*fn)(void *), void *arg)
{
	struct call *c = wf_xmalloc(sizeof(*c));

	c->fn = fn;
	c->arg = arg;
	c->next = atomic_load_explicit(&incoming, memory_order_relaxed);
	/* 'c' may be taken and freed the moment it is linked. */
	bool first;
	do
		first = c->next == NULL;
	while (!atomic_compare_exchange_weak_explicit(&incoming, &c->next, c,
						      memory_order_release,
						      memory_order_relaxed));
	if (first && !runs_calls)
		wf_loop_wake();
}

void
wf_rcu_free(void *block)
{
	if (block)
		wf_rcu_call(free, block);
}

static void
take_incoming(void)
{
	struct call *newest = atomic_exchange_explicit(&incoming, NULL, memory_order_acquire);
	struct call *oldest = NULL;

	if (!newest)
		return;
	while (newest) {
		struct call *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}

	struct batch *b = wf_xmalloc(sizeof(*b));
	b->next = NULL;
	b->calls = oldest;
	b->token = wf_rcu_start();
	*batches_tail = b;
	batches_tail = &b->next;
}

static void
run_batch(struct batch *b)
{
	while (b->calls) {
		struct call *c = b->calls;

		b->calls = c->next;
		c->fn(c->arg);
		free(c);
	}
	free(b);
}

bool
wf_rcu_is_waiting(void)
{
	return batches || atomic_load_explicit(&incoming, memory_order_relaxed);
}

bool
wf_rcu_run(void)
{
	runs_calls = true;
	take_incoming();
	while (batches && wf_rcu_check(batches->token)) {
		struct batch *b = batches;

		batches = b->next;
		if (!batches)
			batches_tail = &batches;
		run_batch(b);
	}
	return wf_rcu_is_waiting();
}

void
wf_rcu_drain(void)
{
	while (wf_rcu_run())
		pause_us(100);
}
