/* SPDX-License-Identifier: Apache-2.0 */
/* Cycles of a flow cache's entry: admission, insertion, and its end; by how many there are.
 *   ninja -C build tests/bench/bench_flow_cache && build/tests/bench/bench_flow_cache
 * All share one plan.  Lowest and mean over bursts of 32 with keys that look random. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "base/clock.h"
#include "base/rcu.h"
#include "dataplane/cache.h"

static uint64_t state = 88172645463325252ull;

static uint64_t
draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

struct cost {
	uint64_t lowest, sum, n;
};

static void
note(struct cost *c, uint64_t cycles)
{
	c->lowest = !c->n || cycles < c->lowest ? cycles : c->lowest;
	c->sum += cycles;
	c->n++;
}

static void
show(const char *what, const struct cost *c)
{
	printf("  %s %5.0f lowest %6.0f mean", what, (double)c->lowest / BURST_MAX,
	       (double)c->sum / BURST_MAX / c->n);
}

static void
row(struct cache *cache, unsigned n_flows, struct plan *plan)
{
	static struct cache_burst burst;
	struct cost admit = { 0 }, insert = { 0 };
	struct flow *found[BURST_MAX];
	struct cache_key key;
	int64_t now_ms = wf_now_ms();

	cache_sync(cache, view_get(), now_ms);
	for (unsigned done = 0; done < n_flows; done += BURST_MAX) {
		cache_burst_start(cache, &burst, 1, 1);
		burst.n_words = 3;
		for (unsigned i = 0; i < BURST_MAX; i++) {
			key.words[0] = burst.first;
			key.words[1] = draw();
			key.words[2] = draw();
			key.n_words = 3;
			key.hash = (uint32_t)draw();
			cache_burst_add(&burst, &key);
		}
		cache_burst_find(cache, &burst, found);

		uint64_t start = rte_rdtsc();
		for (unsigned i = 0; i < BURST_MAX; i++) {
			cache_burst_key(&burst, i, &key);
			cache_admits(cache, &key);
		}
		note(&admit, rte_rdtsc() - start);

		start = rte_rdtsc();
		for (unsigned i = 0; i < BURST_MAX; i++) {
			cache_burst_key(&burst, i, &key);
			plan->refs++;
			cache_insert(cache, &key, plan, SPARE_ALL);
		}
		cache_end_burst(cache);
		note(&insert, rte_rdtsc() - start);
		wf_rcu_quiescent();
	}
	printf("%8u entries", n_flows);
	show("admission", &admit);
	show("insertion", &insert);
	uint64_t start = rte_rdtsc();
	cache_expire(cache, now_ms + 2 * CACHE_IDLE_MS, true);
	cache_end_burst(cache);
	printf("  expiry %5.0f mean", (double)(rte_rdtsc() - start) / n_flows);
	start = rte_rdtsc();
	wf_rcu_drain();
	printf("  main's part of it %5.0f mean\n", (double)(rte_rdtsc() - start) / n_flows);
}

int
main(void)
{
	struct plan *plan;
	struct cache *cache;

	wf_rcu_register("main");
	view_init();
	view_publish(false);
	cache = cache_new();
	plan = plan_new();
	plan->refs = 1;
	for (unsigned i = 0; i < 3; i++) {
		row(cache, 1024, plan);
		row(cache, 65536, plan);
		row(cache, 524288, plan);
	}
	cache_free(cache);
	return 0;
}
