/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/bridge.h"

#include <stdlib.h>

#include "base/rcu.h"
#include "dataplane/view.h"

void
group_ref(struct group *g)
{
	atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
}

/* On main, after a grace period. */
static void
group_free(void *g_)
{
	struct group *g = g_;

	for (uint32_t i = 0; i < g->n_buckets; i++) {
		rule_actions_unref(g->buckets[i].actions);
		counter_unref(g->buckets[i].counter);
	}
	counter_unref(g->counter);
	free(g->buckets);
	free(g->hash_fields);
	free(g);
}

void
group_unref(struct group *g)
{
	if (g && atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) == 1)
		wf_rcu_call(group_free, g);
}

void
meter_ref(struct meter *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
}

void
meter_unref(struct meter *m)
{
	if (m && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
		wf_rcu_free(m);
}

#define MAX_WATCH_DEPTH 8

static bool
bucket_alive_at(const struct bridge_view *bv, const struct bucket *bucket, unsigned depth)
{
	bool watched = false;

	if (bucket->watch_port != OF_PORT_ANY) {
		const struct xport *p = xport_find(bv->ports, bucket->watch_port);

		if (p && p->may_enable && !(p->config & PC_PORT_DOWN))
			return true;
		watched = true;
	}
	if (bucket->watch_group != UINT32_MAX) {
		const struct group *g = group_find(bv, bucket->watch_group);

		if (g && depth < MAX_WATCH_DEPTH)
			for (uint32_t i = 0; i < g->n_buckets; i++)
				if (bucket_alive_at(bv, &g->buckets[i], depth + 1))
					return true;
		watched = true;
	}
	return !watched;
}

bool
bucket_is_alive(const struct view *v, const struct bridge *b, const struct bucket *bucket)
{
	const struct bridge_view *bv = b->index < v->n_bridges ? v->bridges[b->index] : NULL;

	return bv && bucket_alive_at(bv, bucket, 0);
}
