/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/cache_plans.h"

#include <stdlib.h>

#include "base/hash.h"

static uint32_t
plan_hash(const struct plan *p)
{
	uint32_t h = p->body ? wf_hash_u64((uintptr_t)p->body, 0)
			     : wf_hash_bytes(p->ops, p->ops_size, p->ttl_min);

	h = wf_hash_u64(p->version, h);
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
	return a->ops_size == b->ops_size && a->ttl_min == b->ttl_min &&
	       a->mpls_ttl_min == b->mpls_ttl_min && a->has_output == b->has_output &&
	       a->drop_reason == b->drop_reason && a->n_steps == b->n_steps &&
	       a->n_credits == b->n_credits && a->n_rules == b->n_rules &&
	       ((a->body && a->body == b->body) || same_bytes(a->ops, b->ops, a->ops_size)) &&
	       same_bytes(a->steps, b->steps, a->n_steps * sizeof(*a->steps)) &&
	       same_bytes(a->credits, b->credits, a->n_credits * sizeof(*a->credits)) &&
	       same_bytes(a->rules, b->rules, a->n_rules * sizeof(*a->rules));
}

static void
grow(struct plan_set *s)
{
	uint32_t mask = s->mask ? s->mask * 2 + 1 : 255;
	struct plan **new = wf_xzalloc((mask + 1ull) * sizeof(*new));

	for (uint32_t i = 0; s->buckets && i <= s->mask; i++) {
		for (struct plan *p = s->buckets[i], *next; p; p = next) {
			next = p->next_by_hash;
			p->next_by_hash = new[p->content_hash & mask];
			new[p->content_hash & mask] = p;
		}
	}
	free(s->buckets);
	s->buckets = new;
	s->mask = mask;
}

void
plan_set_done(struct plan_set *s)
{
	free(s->buckets);
}

struct plan *
plan_set_use(struct plan_set *s, struct plan *p)
{
	if (p->n_flows) {
		p->n_flows++;
		return p;
	}
	p->content_hash = plan_hash(p);
	if (s->n >= s->mask)
		grow(s);
	struct plan **head = &s->buckets[p->content_hash & s->mask];
	for (struct plan *q = *head; q; q = q->next_by_hash) {
		/* Only with one found valid at the same version: a stamp that grew since may have made
		 * the other flows of 'q' stale, though this one's walk came out the same. */
		if (q->content_hash == p->content_hash && q->version == p->version &&
		    plan_equal(p, q)) {
			q->n_flows++;
			atomic_fetch_add_explicit(&q->refs, 1, memory_order_relaxed);
			plan_unref(p);
			return q;
		}
	}
	p->n_flows = 1;
	p->next_by_hash = *head;
	*head = p;
	s->n++;
	return p;
}

void
plan_set_unuse(struct plan_set *s, struct plan *p)
{
	if (--p->n_flows)
		return;
	struct plan **at = &s->buckets[p->content_hash & s->mask];
	while (*at != p)
		at = &(*at)->next_by_hash;
	*at = p->next_by_hash;
	s->n--;
}
