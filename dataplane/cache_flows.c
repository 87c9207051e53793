/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the flow cache: their memory, the lists by port, their way out, and main's side. */
#include "dataplane/cache_internal.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "dataplane/run.h"

/* --- Memory ------------------------------------------------------------------------ */

/* The first slabs are single, so that a switch with few flows stays small; then they are cut from
 * 2 MB that one TLB entry covers. */
#define SINGLE_SLABS 8
#define ARENA_SIZE (2u * 1024 * 1024)

static unsigned
class_of(unsigned n_words)
{
	return (sizeof(struct flow) + n_words * sizeof(uint64_t) + 63) / 64 - 1;
}

static struct flow_slab *
slab_place(struct flow_pool *p)
{
	struct flow_slab *s;

	if (p->n_slabs < SINGLE_SLABS) {
		s = aligned_alloc(FLOW_SLAB_SIZE, FLOW_SLAB_SIZE);
		if (s)
			s->in_arena = false;
		return s;
	}
	if (!p->arena_left) {
		p->arena = aligned_alloc(ARENA_SIZE, ARENA_SIZE);
		if (!p->arena)
			return NULL;
		madvise(p->arena, ARENA_SIZE, MADV_HUGEPAGE);
		p->arena_left = ARENA_SIZE;
	}
	s = (struct flow_slab *)(p->arena + (ARENA_SIZE - p->arena_left));
	s->in_arena = true;
	p->arena_left -= FLOW_SLAB_SIZE;
	return s;
}

static bool
slab_new(struct flow_pool *p, unsigned class)
{
	uint32_t hot_size = (class + 1) * 64, n = (FLOW_SLAB_SIZE - 64) / hot_size;
	struct flow_cold *cold = malloc(n * sizeof(*cold));
	struct flow_slab *s = cold ? slab_place(p) : NULL;

	if (!s) {
		free(cold);
		return false;
	}
	s->hot_size = hot_size;
	s->cold = cold;
	s->next = p->slabs;
	p->slabs = s;
	p->n_slabs++;
	for (uint32_t i = n; i--;) {
		struct flow *f = (struct flow *)(s->hot + i * hot_size);

		f->plan = (struct plan *)p->free;
		p->free = f;
	}
	return true;
}

static void
pool_done(struct flow_pool *p)
{
	/* A slab that starts 2 MB stands for all that were cut from them: others go first. */
	for (unsigned round = 0; round < 2; round++) {
		for (struct flow_slab **at = &p->slabs, *s; (s = *at) != NULL;) {
			bool heads = !s->in_arena || !((uintptr_t)s & (ARENA_SIZE - 1));

			if (heads != (round == 1)) {
				at = &s->next;
				continue;
			}
			*at = s->next;
			free(s->cold);
			if (heads)
				free(s);
		}
	}
}

struct flow *
flow_alloc(struct cache *c, unsigned n_words)
{
	unsigned class = class_of(n_words);
	struct flow_pool *p = &c->pools[class];

	if (!p->free)
		p->free = atomic_exchange_explicit(&p->freed, NULL, memory_order_acquire);
	if (!p->free && !slab_new(p, class))
		return NULL;
	struct flow *f = p->free;
	p->free = (struct flow *)f->plan;
	memset(f, 0, sizeof(*f));
	memset(flow_cold(f), 0, sizeof(struct flow_cold));
	return f;
}

void
flow_free_unused(struct cache *c, struct flow *f)
{
	struct flow_pool *p = &c->pools[class_of(f->n_words)];

	f->plan = (struct plan *)p->free;
	p->free = f;
}

/* Main. */
static void
flow_give_back(struct cache *c, struct flow *f)
{
	struct flow_pool *p = &c->pools[class_of(f->n_words)];
	struct flow *head = atomic_load_explicit(&p->freed, memory_order_relaxed);

	do
		f->plan = (struct plan *)head;
	while (!atomic_compare_exchange_weak_explicit(&p->freed, &head, f, memory_order_release,
						      memory_order_relaxed));
}

void
ctable_unref(struct cache_table *t)
{
	if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
		free(t->buckets);
		free(t);
	}
}

/* --- Flows of a port --------------------------------------------------------------- */

struct slot_flows *
slot_get(struct cache *c, uint32_t slot)
{
	if (slot >= c->n_slots) {
		uint32_t n = slot + 64;

		c->slots = wf_xrealloc(c->slots, n * sizeof(*c->slots));
		memset(c->slots + c->n_slots, 0, (n - c->n_slots) * sizeof(*c->slots));
		c->n_slots = n;
	}
	return &c->slots[slot];
}

void
slot_append(struct cache *c, struct flow *f)
{
	struct slot_flows *s = slot_get(c, flow_slot(f));
	struct flow_cold *cold = flow_cold(f);

	cold->slot_prev = s->tail;
	cold->slot_next = NULL;
	*(s->tail ? &flow_cold(s->tail)->slot_next : &s->head) = f;
	s->tail = f;
	if (!s->n++)
		c->n_slots_used++;
	if (s->n > c->slots[c->fattest].n)
		c->fattest = s - c->slots;
	c->n_flows++;
}

void
slot_unlink(struct cache *c, struct flow *f)
{
	struct slot_flows *s = &c->slots[flow_slot(f)];
	struct flow *prev = flow_cold(f)->slot_prev, *next = flow_cold(f)->slot_next;

	*(prev ? &flow_cold(prev)->slot_next : &s->head) = next;
	*(next ? &flow_cold(next)->slot_prev : &s->tail) = prev;
	if (!--s->n)
		c->n_slots_used--;
	c->n_flows--;
}

/* --- To main ----------------------------------------------------------------------- */

void
flow_publish(struct cache *c, struct flow *f)
{
	struct flow *head = atomic_load_explicit(&c->made, memory_order_relaxed);

	do
		flow_cold(f)->next_new = head;
	while (!atomic_compare_exchange_weak_explicit(&c->made, &head, f, memory_order_release,
						      memory_order_relaxed));
}

void
flow_retire(struct cache *c, struct flow *f)
{
	atomic_store_explicit(&f->retired, true, memory_order_relaxed);
	plan_set_unuse(&c->plans, f->plan);
	if (c->n_retired == c->max_retired) {
		c->max_retired = c->max_retired ? c->max_retired * 2 : 64;
		c->retired = wf_xrealloc(c->retired, c->max_retired * sizeof(*c->retired));
	}
	c->retired[c->n_retired++] = f;
}

/* What a worker let go in one burst. */
struct reap {
	struct cache *c;
	uint32_t n;
	struct flow *flows[];
};

static void
take_made(struct cache *c)
{
	struct flow *newest = atomic_exchange_explicit(&c->made, NULL, memory_order_acquire);
	struct flow *f = NULL;

	/* Oldest first, so that main's list is from the newest to the oldest. */
	while (newest) {
		struct flow *next = flow_cold(newest)->next_new;

		flow_cold(newest)->next_new = f;
		f = newest;
		newest = next;
	}
	while (f) {
		struct flow_cold *cold = flow_cold(f);

		cold->main_prev = NULL;
		cold->main_next = c->main_list;
		if (c->main_list)
			flow_cold(c->main_list)->main_prev = f;
		c->main_list = f;
		f = cold->next_new;
	}
}

static void
fold_flow(struct flow *f)
{
	struct flow_cold *cold = flow_cold(f);
	uint64_t packets = atomic_load_explicit(&f->packets, memory_order_relaxed);
	uint64_t bytes = atomic_load_explicit(&f->bytes, memory_order_relaxed);

	if (packets == cold->folded_packets)
		return;
	plan_credit(f->plan, packets - cold->folded_packets, bytes - cold->folded_bytes,
		    flow_used_ms(f, wf_now_ms()));
	cold->folded_packets = packets;
	cold->folded_bytes = bytes;
}

/* Main, after a grace period: the worker's last counts are in. */
static void
reap(void *r_)
{
	struct reap *r = r_;
	struct cache *c = r->c;

	take_made(c);
	for (uint32_t i = 0; i < r->n; i++) {
		struct flow *f = r->flows[i];
		struct flow *prev = flow_cold(f)->main_prev, *next = flow_cold(f)->main_next;

		fold_flow(f);
		*(prev ? &flow_cold(prev)->main_next : &c->main_list) = next;
		if (next)
			flow_cold(next)->main_prev = prev;
		ctable_unref(flow_cold(f)->table);
		free(atomic_load_explicit(&flow_cold(f)->sample, memory_order_relaxed));
		plan_unref(f->plan);
		flow_give_back(c, f);
	}
	atomic_fetch_sub_explicit(&c->n_reaping, 1, memory_order_relaxed);
	free(r);
}

void
cache_end_burst(struct cache *c)
{
	if (likely(!c->n_retired))
		return;
	struct reap *r = wf_xmalloc(sizeof(*r) + c->n_retired * sizeof(r->flows[0]));
	r->c = c;
	r->n = c->n_retired;
	memcpy(r->flows, c->retired, c->n_retired * sizeof(r->flows[0]));
	c->n_retired = 0;
	atomic_fetch_add_explicit(&c->n_reaping, 1, memory_order_relaxed);
	wf_rcu_call(reap, r);
}

/* --- Main -------------------------------------------------------------------------- */

struct cache *
cache_new(void)
{
	struct cache *c = wf_xzalloc(sizeof(*c));

	c->seen = wf_xzalloc(SEEN_SIZE * sizeof(*c->seen));
	return c;
}

void
cache_fold(struct cache *c)
{
	take_made(c);
	for (struct flow *f = c->main_list; f; f = flow_cold(f)->main_next)
		fold_flow(f);
}

void
cache_for_each(struct cache *c, void (*fn)(struct flow *, void *), void *aux)
{
	take_made(c);
	for (struct flow *f = c->main_list; f; f = flow_cold(f)->main_next)
		fn(f, aux);
}

void
cache_free(struct cache *c)
{
	if (!c)
		return;
	cache_purge(c);
	if (c->old)
		ctable_drop(c, c->old);
	if (c->cur)
		ctable_drop(c, c->cur);
	cache_end_burst(c);
	/* Its batches are on their way through the grace period. */
	while (atomic_load_explicit(&c->n_reaping, memory_order_relaxed))
		wf_rcu_drain();
	plan_set_done(&c->plans);
	for (unsigned i = 0; i < FLOW_CLASSES; i++)
		pool_done(&c->pools[i]);
	free(c->slots);
	free(c->retired);
	free(c->seen);
	free(c);
}
