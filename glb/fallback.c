// SPDX-License-Identifier: Apache-2.0
#include "glb/fallback.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/hmap.h"
#include "base/log.h"

WF_LOG_MODULE(glb_fallback);

struct watched {
	struct wf_hmap_node by_name;
	char pool[64], other[64];
	int64_t down_since; /* 0: up */
	bool fallen, seen;
};

static struct wf_hmap pools; /* over reloads, by the names of both */

static uint32_t
names_hash(const struct glb_vip_config *v)
{
	return wf_hash_str(v->fallback, wf_hash_str(v->pool, 0));
}

static struct watched *
find(const struct glb_vip_config *v)
{
	struct watched *w;

	if (!pools.buckets)
		wf_hmap_init(&pools);
	wf_hmap_for_each_with_hash (w, by_name, names_hash(v), &pools)
		if (!strcmp(w->pool, v->pool) && !strcmp(w->other, v->fallback))
			return w;
	return NULL;
}

static struct watched *
get(const struct glb_vip_config *v)
{
	struct watched *w = find(v);

	if (w)
		return w;
	w = wf_xzalloc(sizeof *w);
	memcpy(w->pool, v->pool, strnlen(v->pool, sizeof w->pool - 1));
	memcpy(w->other, v->fallback, strnlen(v->fallback, sizeof w->other - 1));
	wf_hmap_insert(&pools, &w->by_name, names_hash(v));
	return w;
}

/* Nobody gains by a fall to a pool that is down, too. */
static bool
look(struct watched *w, const struct glb_vip_config *v, const struct glb_config *c, const struct glb_health *h)
{
	bool before = w->fallen;

	if (w->fallen && glb_health_pool_is_awaited(h, v->pool)) {
		return false;
	} else if (glb_health_pool_is_up(h, v->pool)) {
		w->down_since = 0;
		w->fallen = false;
	} else {
		if (!w->down_since)
			w->down_since = wf_now_ms();
		w->fallen |= wf_now_ms() - w->down_since >= c->hold_ms && glb_health_pool_is_up(h, v->fallback);
	}
	if (w->fallen != before)
		wf_info(w->fallen ? "pool %s is down: its VIPs fall back to %s" : "pool %s is up again and serves its VIPs, not %s",
			v->pool, v->fallback);
	return w->fallen != before;
}

void
glb_fallback_restore(const struct glb_vip_config *v)
{
	get(v)->fallen = true;
}

bool
glb_fallback_update(const struct glb_config *c, const struct glb_health *h)
{
	bool changed = false;
	struct watched *w;

	for (size_t i = 0; i < c->n_vips; i++) {
		w = c->vips[i].fallback[0] ? get(&c->vips[i]) : NULL;
		if (w && !w->seen) {
			w->seen = true;
			changed |= look(w, &c->vips[i], c, h);
		}
	}
	if (!pools.buckets)
		return changed;
	wf_hmap_for_each_safe (w, by_name, &pools) {
		if (w->seen) {
			w->seen = false;
			continue;
		}
		wf_hmap_remove(&pools, &w->by_name);
		free(w);
	}
	return changed;
}

static bool
is_fallen(const struct glb_vip_config *v)
{
	const struct watched *w = v->fallback[0] ? find(v) : NULL;

	return w && w->fallen;
}

const char *
glb_fallback_pool(const struct glb_vip_config *v)
{
	return is_fallen(v) ? v->fallback : v->pool;
}

const char *
glb_fallback_other(const struct glb_vip_config *v)
{
	return is_fallen(v) ? v->pool : v->fallback;
}

void
glb_fallback_done(void)
{
	struct watched *w;

	if (!pools.buckets)
		return;
	wf_hmap_for_each_safe (w, by_name, &pools) {
		wf_hmap_remove(&pools, &w->by_name);
		free(w);
	}
	wf_hmap_done(&pools);
	pools.buckets = NULL;
}
