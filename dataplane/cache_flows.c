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

static struct flow_cold *
cold_place(struct cache *c, uint32_t n, bool in_arena)
{
	struct cold_arena *a = c->cold_arenas;
	uint32_t size = n * (uint32_t)sizeof(struct flow_cold);

	if (!in_arena)
		return aligned_alloc(64, size);
	if (!a || ARENA_SIZE - a->used < size) {
		a = aligned_alloc(ARENA_SIZE, ARENA_SIZE);
		if (!a)
			return NULL;
		madvise(a, ARENA_SIZE, MADV_HUGEPAGE);
		a->used = 64;
		a->next = c->cold_arenas;
		c->cold_arenas = a;
	}
	a->used += size;
	return (struct flow_cold *)((uint8_t *)a + a->used - size);
}

static bool
slab_new(struct cache *c, struct flow_pool *p, unsigned class)
{
	uint32_t hot_size = (class + 1) * 64, n = (FLOW_SLAB_SIZE - 64) / hot_size;
	bool in_arena = p->n_slabs >= SINGLE_SLABS;
	struct flow_cold *cold = cold_place(c, n, in_arena);
	struct flow_slab *s = cold ? slab_place(p) : NULL;

	if (!s) {
		if (cold && !in_arena)
			free(cold);
		else if (cold)
			c->cold_arenas->used -= n * (uint32_t)sizeof(*cold);
		return false;
	}
	memset(cold, 0, n * sizeof(*cold));
	s->n = n;
	s->hot_size = hot_size;
	s->per_line = 65535 / (class + 1) + 1;
	s->cold = cold;
	s->next = atomic_load_explicit(&p->slabs, memory_order_relaxed);
	p->n_slabs++;
	for (uint32_t i = n; i--;) {
		struct flow *f = (struct flow *)(s->hot + i * hot_size);

		f->plan = (struct plan *)p->free;
		p->free = f;
	}
	atomic_store_explicit(&p->slabs, s, memory_order_release);
	return true;
}

static void
pool_done(struct flow_pool *p)
{
	struct flow_slab *slabs = atomic_load_explicit(&p->slabs, memory_order_relaxed);

	/* A slab that starts 2 MB stands for all that were cut from them: others go first. */
	for (unsigned round = 0; round < 2; round++) {
		for (struct flow_slab **at = &slabs, *s; (s = *at) != NULL;) {
			bool heads = !s->in_arena || !((uintptr_t)s & (ARENA_SIZE - 1));

			if (heads != (round == 1)) {
				at = &s->next;
				continue;
			}
			*at = s->next;
			if (!s->in_arena)
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
	if (!p->free && !slab_new(c, p, class))
		return NULL;
	struct flow *f = p->free, *next = (struct flow *)f->plan;
	p->free = next;
	memset(f, 0, sizeof(*f));
	/* 'exists' is false, and main reads it. */
	struct flow_cold *cold = flow_cold(f);
	cold->folded_packets = cold->folded_bytes = 0;
	atomic_store_explicit(&cold->sample, NULL, memory_order_relaxed);
	if (next) { /* it may have lain for long */
		__builtin_prefetch(next, 1);
		__builtin_prefetch(flow_cold(next), 1);
	}
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
ctable_unref(struct cache_table *t, uint32_t n)
{
	if (t && atomic_fetch_sub_explicit(&t->refs, n, memory_order_acq_rel) == n) {
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
slot_append(struct cache *c, struct flow *f, struct flow_cold *cold)
{
	struct slot_flows *s = slot_get(c, flow_slot(f));

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
flow_publish(struct flow_cold *cold)
{
	atomic_store_explicit(&cold->exists, true, memory_order_release);
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
fold_flow(struct flow *f, struct flow_cold *cold)
{
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

	for (uint32_t i = 0; i < r->n; i++) {
		struct flow *f = r->flows[i];
		struct flow_cold *cold = flow_cold(f);

		if (i + 4 < r->n) {
			__builtin_prefetch(r->flows[i + 4], 1);
			__builtin_prefetch(flow_cold(r->flows[i + 4]), 1);
		}
		fold_flow(f, cold);
		atomic_store_explicit(&cold->exists, false, memory_order_relaxed);
		ctable_unref(cold->table, 1);
		free(atomic_load_explicit(&cold->sample, memory_order_relaxed));
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

void
seen_clear(struct cache *c)
{
	/* Fresh pages instead of touching all. */
	if (c->seen)
		munmap(c->seen, SEEN_BYTES);
	c->seen = mmap(NULL, SEEN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->seen == MAP_FAILED)
		abort();
}

struct cache *
cache_new(void)
{
	struct cache *c = wf_xzalloc(sizeof(*c));

	seen_clear(c);
	return c;
}

/* The newest first, as long as no memory was used again. */
void
cache_for_each(struct cache *c, void (*fn)(struct flow *, void *), void *aux)
{
	for (unsigned class = 0; class < FLOW_CLASSES; class++) {
		struct flow_slab *s = atomic_load_explicit(&c->pools[class].slabs,
							   memory_order_acquire);

		for (; s; s = s->next)
			for (uint32_t i = s->n; i--;)
				if (atomic_load_explicit(&s->cold[i].exists, memory_order_acquire))
					fn((struct flow *)(s->hot + i * s->hot_size), aux);
	}
}

static void
fold_one(struct flow *f, void *unused)
{
	fold_flow(f, flow_cold(f));
}

void
cache_fold(struct cache *c)
{
	cache_for_each(c, fold_one, NULL);
}

void
cache_free(struct cache *c)
{
	if (!c)
		return;
	cache_purge(c);
	if (c->old)
		ctable_drop(c, c->old);
	for (unsigned i = 0; i < c->n_asked; i++)
		ctable_drop(c, c->asked[i]);
	cache_drop_some(c, true);
	cache_end_burst(c);
	/* Its batches are on their way through the grace period. */
	while (atomic_load_explicit(&c->n_reaping, memory_order_relaxed))
		wf_rcu_drain();
	plan_set_done(&c->plans);
	for (unsigned i = 0; i < FLOW_CLASSES; i++)
		pool_done(&c->pools[i]);
	for (struct cold_arena *a; (a = c->cold_arenas) != NULL;) {
		c->cold_arenas = a->next;
		free(a);
	}
	free(c->slots);
	free(c->retired);
	munmap(c->seen, SEEN_BYTES);
	free(c);
}
