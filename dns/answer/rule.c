// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/rule.h"

#include <stdlib.h>

bool
dns_allow_has(const struct dns_allow *w, const struct pol_addr *a, const struct dns_key *key)
{
	bool ok = w->exists && !w->n_prefixes;

	for (size_t i = 0; i < w->n_prefixes; i++)
		ok |= pol_prefix_has(&w->prefixes[i], a);
	if (!ok || !w->n_keys)
		return ok;
	for (size_t i = 0; i < w->n_keys; i++)
		if (w->keys[i] == key)
			return true;
	return false;
}

void
dns_told_push(struct dns_told *t)
{
	if (atomic_exchange(&t->is_told, true))
		return;
	t->next = atomic_load(&t->queue->first);
	while (!atomic_compare_exchange_weak(&t->queue->first, &t->next, t))
		;
	t->queue->wake();
}

struct dns_told *
dns_told_take(struct dns_told_queue *q)
{
	return atomic_exchange(&q->first, NULL);
}

void
dns_zone_rule_free(struct dns_zone_rule *r)
{
	if (!r)
		return;
	free(r->transfer.prefixes);
	free(r->transfer.keys);
	free(r->notify.prefixes);
	free(r->notify.keys);
	free(r);
}
