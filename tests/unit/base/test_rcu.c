// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/rcu.h"

#define N_READERS 3

struct object {
	uint64_t a, b;
	atomic_bool alive;
};

static _Atomic(struct object *) shared;
static atomic_bool quit;
static atomic_ulong n_reads;
static _Atomic unsigned n_freed;

static struct object *
new_object(uint64_t v)
{
	struct object *o = wf_xzalloc(sizeof(*o));

	o->a = v;
	o->b = ~v;
	o->alive = true;
	return o;
}

static void
kill_object(void *o_)
{
	struct object *o = o_;

	atomic_store(&o->alive, false);
	o->a = o->b = 0;
	free(o);
	n_freed++;
}

/* Reads the object many times between two quiescent points and now and then sleeps. */
static void *
reader(void *arg)
{
	unsigned seed = (uintptr_t)arg;

	wf_rcu_register("reader");
	while (!atomic_load(&quit)) {
		struct object *o;

		wf_rcu_quiescent();
		o = atomic_load_explicit(&shared, memory_order_acquire);
		for (int i = 0; i < 50; i++) {
			if (!atomic_load_explicit(&o->alive, memory_order_relaxed) ||
			    o->b != ~o->a)
				abort();
		}
		atomic_fetch_add_explicit(&n_reads, 1, memory_order_relaxed);
		if (rand_r(&seed) % 64 == 0) {
			wf_rcu_offline();
			usleep(rand_r(&seed) % 200);
			wf_rcu_online();
		}
	}
	wf_rcu_unregister();
	return NULL;
}

static void
readers_never_see_a_dead_object(void **state)
{
	pthread_t threads[N_READERS];
	unsigned n_calls = 0;

	atomic_store(&shared, new_object(0));
	for (uintptr_t i = 0; i < N_READERS; i++)
		pthread_create(&threads[i], NULL, reader, (void *)(i + 1));
	while (atomic_load(&n_reads) < 1000)
		usleep(100);

	for (uint64_t v = 1; v <= 3000; v++) {
		struct object *old = atomic_exchange_explicit(&shared, new_object(v),
							      memory_order_acq_rel);

		if (v % 100 == 0) {
			wf_rcu_synchronize();
			kill_object(old);
		} else {
			wf_rcu_call(kill_object, old);
		}
		n_calls++;
		if (v % 7 == 0)
			wf_rcu_run();
	}
	/* All get there while the readers go on. */
	for (int i = 0; i < 10000 && wf_rcu_run(); i++)
		usleep(100);
	assert_int_equal(n_freed, n_calls);

	atomic_store(&quit, true);
	for (int i = 0; i < N_READERS; i++)
		pthread_join(threads[i], NULL);
	kill_object(atomic_load(&shared));
}

static atomic_int stage;

static void
wait_for(int s)
{
	while (atomic_load(&stage) != s)
		usleep(100);
}

static void *
held_reader(void *arg)
{
	wf_rcu_register("held");
	atomic_store(&stage, 1);
	wait_for(2);
	wf_rcu_quiescent();
	atomic_store(&stage, 3);
	wait_for(4);
	wf_rcu_offline();
	atomic_store(&stage, 5);
	wait_for(6);
	wf_rcu_online();
	atomic_store(&stage, 7);
	wait_for(8);
	wf_rcu_unregister();
	return NULL;
}

static void
set(void *flag)
{
	*(bool *)flag = true;
}

static void
a_token_waits_for_exactly_the_readers_that_were_online(void **state)
{
	pthread_t thread;
	bool called = false;
	uint64_t token;

	atomic_store(&stage, 0);
	pthread_create(&thread, NULL, held_reader, NULL);
	wait_for(1);

	token = wf_rcu_start();
	wf_rcu_call(set, &called);
	for (int i = 0; i < 5; i++) {
		assert_false(wf_rcu_check(token));
		assert_true(wf_rcu_run());
		assert_false(called);
		usleep(1000);
	}
	atomic_store(&stage, 2);
	wait_for(3);
	assert_true(wf_rcu_check(token));
	assert_false(wf_rcu_run());
	assert_true(called);

	token = wf_rcu_start();
	assert_false(wf_rcu_check(token));
	atomic_store(&stage, 4);
	wait_for(5);
	assert_true(wf_rcu_check(token)); /* offline */
	token = wf_rcu_start();
	assert_true(wf_rcu_check(token));

	atomic_store(&stage, 6);
	wait_for(7);
	assert_true(wf_rcu_check(token)); /* came online after the token was drawn */
	token = wf_rcu_start();
	assert_false(wf_rcu_check(token));
	atomic_store(&stage, 8);
	pthread_join(thread, NULL);
	assert_true(wf_rcu_check(token));
}

#define N_ENQUEUERS 3
#define N_CALLS 5000
static unsigned last_of[N_ENQUEUERS];
static unsigned n_run;

struct numbered {
	unsigned thread, number;
};

static void
run_numbered(void *arg)
{
	struct numbered *n = arg;

	/* Calls of one thread run in its order. */
	if (n->number != last_of[n->thread] + 1)
		abort();
	last_of[n->thread] = n->number;
	n_run++;
	free(n);
}

static void *
enqueuer(void *arg)
{
	for (unsigned i = 1; i <= N_CALLS; i++) {
		struct numbered *n = wf_xmalloc(sizeof(*n));

		n->thread = (uintptr_t)arg;
		n->number = i;
		wf_rcu_call(run_numbered, n);
	}
	return NULL;
}

static void
any_thread_may_ask_for_a_call(void **state)
{
	pthread_t threads[N_ENQUEUERS];

	for (uintptr_t i = 0; i < N_ENQUEUERS; i++)
		pthread_create(&threads[i], NULL, enqueuer, (void *)i);
	while (n_run < N_ENQUEUERS * N_CALLS) {
		wf_rcu_run();
		usleep(10);
	}
	for (int i = 0; i < N_ENQUEUERS; i++)
		pthread_join(threads[i], NULL);
	wf_rcu_free(NULL);
	wf_rcu_free(wf_xmalloc(10));
	wf_rcu_drain();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_never_see_a_dead_object),
		cmocka_unit_test(a_token_waits_for_exactly_the_readers_that_were_online),
		cmocka_unit_test(any_thread_may_ask_for_a_call),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
