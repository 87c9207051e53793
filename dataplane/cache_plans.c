/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/cache_plans.h"

#include <stdlib.h>

#include "base/hash.h"
#include "dataplane/cache.h"

static uint32_t
hash_derived(const struct plan *body, const struct plan_step *steps, uint32_t n_steps,
	     struct rule *const *rules, uint32_t n_rules)
{
	uint32_t h = wf_hash_u64((uintptr_t)body, 0);

	h = wf_hash_bytes(steps, n_steps * sizeof(*steps), h);
	return wf_hash_bytes(rules, n_rules * sizeof(*rules), h);
}

static uint32_t
plan_hash(const struct plan *p)
{
	uint32_t h;

	if (p->body)
		return hash_derived(p->body, p->steps, p->n_steps, p->rules, p->n_rules);
	h = wf_hash_bytes(p->ops, p->ops_size, p->ttl_min);
	h = wf_hash_bytes(p->steps, p->n_steps * sizeof(*p->steps), h);
	return wf_hash_bytes(p->credits, p->n_credits * sizeof(*p->credits), h);
}

static bool
same_bytes(const void *a, const void *b, size_t size)
{
	return !size || !memcmp(a, b, size);
}

/* Pointers inside ops are compared as such: what they point to is either interned or differs. */
static bool
plan_equal(const struct plan *a, const struct plan *b)
{
	if (a->body != b->body || a->n_steps != b->n_steps || a->n_rules != b->n_rules ||
	    !same_bytes(a->steps, b->steps, a->n_steps * sizeof(*a->steps)) ||
	    !same_bytes(a->rules, b->rules, a->n_rules * sizeof(*a->rules)))
		return false;
	return a->body || (a->ops_size == b->ops_size && a->ttl_min == b->ttl_min &&
			   a->mpls_ttl_min == b->mpls_ttl_min && a->has_output == b->has_output &&
			   a->drop_reason == b->drop_reason && a->n_credits == b->n_credits &&
			   same_bytes(a->ops, b->ops, a->ops_size) &&
			   same_bytes(a->credits, b->credits, a->n_credits * sizeof(*a->credits)));
}

static void
put(struct plan_slot *slots, uint32_t mask, struct plan *p, uint32_t hash)
{
	uint32_t i = hash;

	while (slots[i & mask].plan)
		i++;
	slots[i & mask] = (struct plan_slot){ p, hash };
}

static void
grow(struct plan_set *s)
{
	uint32_t mask = s->mask ? s->mask * 2 + 1 : 255;
	struct plan_slot *new = wf_xzalloc((mask + 1ull) * sizeof(*new));

	for (uint32_t i = 0; s->slots && i <= s->mask; i++)
		if (s->slots[i].plan)
			put(new, mask, s->slots[i].plan, s->slots[i].hash);
	free(s->slots);
	s->slots = new;
	s->mask = mask;
}

void
plan_set_done(struct plan_set *s)
{
	free(s->slots);
}

struct plan *
plan_set_find(struct plan_set *s, const struct plan *body, const struct plan_step *steps,
	      uint32_t n_steps, struct rule *const *rules, uint32_t n_rules, const struct view *v)
{
	uint32_t hash = hash_derived(body, steps, n_steps, rules, n_rules);

	for (uint32_t i = hash; s->slots && s->slots[i & s->mask].plan; i++) {
		const struct plan_slot *at = &s->slots[i & s->mask];
		struct plan *q = at->plan;

		if (at->hash != hash || q->body != body || q->n_steps != n_steps ||
		    q->n_rules != n_rules || !same_bytes(q->steps, steps, n_steps * sizeof(*steps)) ||
		    !same_bytes(q->rules, rules, n_rules * sizeof(*rules)))
			continue;
		if (!plan_is_fresh(q, v))
			return NULL;
		atomic_fetch_add_explicit(&q->refs, 1, memory_order_relaxed);
		return q;
	}
	return NULL;
}

struct plan *
plan_set_use(struct plan_set *s, struct plan *p, const struct view *v)
{
	if (p->n_flows) {
		p->n_flows++;
		return p;
	}
	p->content_hash = plan_hash(p);
	if (s->n >= s->mask / 4 * 3)
		grow(s);
	for (uint32_t i = p->content_hash;; i++) {
		struct plan_slot *at = &s->slots[i & s->mask];
		struct plan *q = at->plan;

		if (!q) {
			*at = (struct plan_slot){ p, p->content_hash };
			s->n++;
			break;
		}
		if (at->hash != p->content_hash || !plan_equal(p, q))
			continue;
		if (plan_is_fresh(q, v)) {
			q->n_flows++;
			atomic_fetch_add_explicit(&q->refs, 1, memory_order_relaxed);
			plan_unref(p);
			return q;
		}
		/* A stamp grew since: the other flows of 'q' may be stale, though this one's walk came out
		 * the same.  They keep it; it is no longer one to be found. */
		q->is_shared = false;
		at->plan = p;
		break;
	}
	p->n_flows = 1;
	p->is_shared = true;
	return p;
}

void
plan_set_unuse(struct plan_set *s, struct plan *p)
{
	uint32_t i = p->content_hash, hole, mask = s->mask;

	if (--p->n_flows || !p->is_shared)
		return;
	while (s->slots[i & mask].plan != p)
		i++;
	/* Those behind move up, so that no search ends too early. */
	for (hole = i++ & mask; s->slots[i & mask].plan; i++) {
		struct plan_slot *at = &s->slots[i & mask];

		if (((i - at->hash) & mask) >= ((i - hole) & mask)) {
			s->slots[hole] = *at;
			hole = i & mask;
		}
	}
	s->slots[hole].plan = NULL;
	s->n--;
}
