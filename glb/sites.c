// SPDX-License-Identifier: Apache-2.0
#include "glb/sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/yang_config.h"
#include "glb/address.h"

struct history {
	uint32_t before; /* the site that was first before */
	int64_t until;	 /* wf_now_ms() when it ceased to be */
};

struct site_pool {
	struct glb_place place;
	struct pol *pol;
	struct pol_policy *policy;
	uint32_t (*ranked)[GLB_OWNERS]; /* per slot */
	struct history *history;	/* per slot */
	uint32_t *site_of;		/* by member of 'pol': node id */
	const char *name;
};

struct glb_sites {
	struct glb_place const **places; /* by pool */
	struct site_pool *pools;
	uint32_t n;
};

/* --- configuration of one pool's policy ------------------------------------------------------ */

static bool
has_site(const struct placement *p, const struct plc_pool *pool, const char *name)
{
	const struct plc_node *n = plc_node_by_name(p, PLC_SITE, name);

	for (size_t i = 0; n && i < pool->sites.n_members; i++)
		if (pool->sites.members[i].node == n->id)
			return true;
	return false;
}

/* A policy's references to sites that the pool lacks are left out. */
static json_t *
policy_for(const json_t *policy, const struct placement *p, const struct plc_pool *pool)
{
	json_t *out = json_copy((json_t *)policy), *candidates = json_array(), *matches = json_array();
	const json_t *o, *name;
	size_t i, j;

	json_array_foreach(json_object_get(policy, "candidate"), i, o)
		if (has_site(p, pool, wf_json_str(o, "pool", "")))
			json_array_append(candidates, (json_t *)o);
	/* None listed: all, by the document's weights. */
	for (i = 0; !json_object_get(policy, "candidate") && i < pool->sites.n_members; i++) {
		uint32_t weight = pool->sites.members[i].weight;

		json_array_append_new(candidates,
				      json_pack("{s:s, s:i}", "pool",
						plc_node_by_id(p, pool->sites.members[i].node)->name, "weight",
						weight > UINT16_MAX ? UINT16_MAX : weight ? (int)weight : 1));
	}
	json_array_foreach(json_object_get(policy, "match"), i, o) {
		json_t *sites = json_array();

		json_array_foreach(json_object_get(o, "pool"), j, name)
			if (has_site(p, pool, json_string_value(name)))
				json_array_append(sites, (json_t *)name);
		if (json_array_size(sites))
			json_array_append_new(matches, json_pack("{s:s, s:O}", "what", wf_json_str(o, "what", ""),
								 "pool", sites));
		json_decref(sites);
	}
	json_object_set_new(out, "candidate", candidates);
	json_object_set_new(out, "match", matches);
	json_object_del(out, "sticky"); /* the draw is a keyed hash of client and VIP already */
	if (!has_site(p, pool, wf_json_str(policy, "fallback-pool", ""))) {
		json_object_del(out, "fallback-pool");
		if (!strcmp(wf_json_str(policy, "all-down", ""), "fallback"))
			json_object_set_new(out, "all-down", json_string("all"));
	}
	return out;
}

static json_t *
conf_for(const struct glb_config *c, const struct placement *p, const struct plc_pool *pool, const json_t *policy)
{
	json_t *pools = json_array(), *conf;
	char address[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < pool->sites.n_members; i++) {
		const struct plc_node *n = plc_node_by_id(p, pool->sites.members[i].node);
		const json_t *settings = wf_json_named(json_object_get(c->policy, "pool"), n->name);
		json_t *o = settings ? json_copy((json_t *)settings) : json_pack("{s:s}", "name", n->name);

		json_object_del(o, "probe");
		json_object_set_new(o, "floor", json_integer(1));
		json_object_set_new(o, "member", json_pack("[{s:s, s:[s]}]", "name", "site", "address",
							   glb_address_text(&n->address, address)));
		json_array_append_new(pools, o);
	}
	conf = json_pack("{s:o, s:[o]}", "pool", pools, "policy", policy_for(policy, p, pool));
	if (json_object_get(c->policy, "location"))
		json_object_set(conf, "location", json_object_get(c->policy, "location"));
	return conf;
}

/* --- slots ------------------------------------------------------------------------------------ */

static uint32_t
chosen(const struct site_pool *s, uint32_t class_id, unsigned draw)
{
	const struct pol_hot *hot = pol_policy_hot(s->policy);
	uint32_t row = hot->uses_location ? hot->row_of_class[class_id] : 0;
	unsigned n;
	const uint32_t *members = pol_set_members(s->policy, hot->view->rows[row][draw], &n);

	return n ? s->site_of[members[0]] : 0;
}

static bool
fill_slot(struct site_pool *s, uint32_t i, int64_t remember_ms)
{
	struct glb_site_slot now = { { chosen(s, i / 256, i % 256) }, true }, *slot = &s->place.slots[i];
	struct history *h = &s->history[i];
	unsigned n = now.site[0] ? 1 : 0;

	if (slot->site[0] && slot->site[0] != now.site[0])
		*h = (struct history){ slot->site[0], wf_now_ms() };
	if (h->before && (h->before == now.site[0] || wf_now_ms() - h->until > remember_ms))
		h->before = 0;
	if (h->before) {
		now.site[n++] = h->before;
		now.ranked = false;
	}
	for (unsigned r = 0; r < GLB_OWNERS && n < GLB_OWNERS; r++) {
		uint32_t site = s->ranked[i][r];

		if (site && site != now.site[0] && site != now.site[1])
			now.site[n++] = site;
	}
	if (!memcmp(now.site, slot->site, sizeof now.site) && now.ranked == slot->ranked)
		return false;
	*slot = now;
	return true;
}

static bool
fill(struct site_pool *s, int64_t remember_ms)
{
	bool changed = false;

	for (uint32_t i = 0; i < s->place.n_classes * 256; i++)
		changed |= fill_slot(s, i, remember_ms);
	return changed;
}

/* --- life ------------------------------------------------------------------------------------- */

static void
pool_done(struct site_pool *s)
{
	pol_free(s->pol);
	free(s->place.slots);
	free(s->ranked);
	free(s->history);
	free(s->site_of);
}

static const struct site_pool *
old_pool(const struct glb_sites *old, const char *name)
{
	for (uint32_t i = 0; old && i < old->n; i++)
		if (!strcmp(old->pools[i].name, name))
			return &old->pools[i];
	return NULL;
}

/* Who had most of the document's slots that are 'site's now, if that is no longer forgotten; 0: nobody. */
static uint32_t
site_before(const struct plc_table *t, uint32_t site)
{
	uint32_t best = 0, most = 0;

	for (size_t m = 0; m < t->n_members; m++) {
		uint32_t node = t->members[m].node, n = 0;

		for (uint32_t i = 0; i < t->n_slots && node != site; i++)
			n += t->slots[i].owner[0] == site && t->slots[i].owner[1] == node;
		if (n > most) {
			most = n;
			best = node;
		}
	}
	return best;
}

/* What nobody here has seen the document may know: a site that drained lately, by its weight there, left its clients' sessions to
 * another one. */
static void
history_of_document(struct site_pool *s, const struct plc_pool *pool)
{
	for (size_t m = 0; m < pool->sites.n_members; m++) {
		uint32_t site = pool->sites.members[m].node, before = site_before(&pool->sites, site);

		for (uint32_t i = 0; before && i < s->place.n_classes * 256; i++)
			if (chosen(s, i / 256, i % 256) == site)
				s->history[i] = (struct history){ before, wf_now_ms() };
	}
}

/* False: nothing is known. */
static bool
inherit(struct site_pool *s, const struct site_pool *old)
{
	/* Numbers of classes mean the same only if map and policies are the same. */
	if (!old || pol_location_db(old->pol) != pol_location_db(s->pol) || old->place.n_classes != s->place.n_classes)
		return false;
	memcpy(s->place.slots, old->place.slots, (size_t)s->place.n_classes * 256 * sizeof *s->place.slots);
	memcpy(s->history, old->history, (size_t)s->place.n_classes * 256 * sizeof *s->history);
	return true;
}

static int
pool_init(struct site_pool *s, const struct glb_config *c, const struct placement *p, const struct plc_pool *pool,
	  const char *policy, const struct pol *shared, const struct site_pool *old, struct wf_err *err)
{
	json_t *conf = conf_for(c, p, pool, wf_json_named(json_object_get(c->policy, "policy"), policy));
	struct wf_err why = { "" };
	int rc = pol_build(conf, c->folder, old ? old->pol : shared, &s->pol, &why);
	uint32_t n_slots, members[GLB_OWNERS];

	json_decref(conf);
	if (rc)
		return wf_err(err, rc, "vip: policy: %s, for pool %s: %s", policy, pool->name, why.text);
	s->name = pool->name;
	s->policy = pol_policy_at(s->pol, 0);
	s->place.map = pol_table(s->pol);
	s->place.n_classes = pol_policy_hot(s->policy)->uses_location ? pol_policy_hot(s->policy)->n_classes : 1;
	if (s->place.map->n_classes > s->place.n_classes)
		s->place.n_classes = s->place.map->n_classes;
	if (s->place.n_classes > (1u << 14))
		return wf_err(err, -E2BIG, "vip: policy: %s, for pool %s: %u kinds of places are more than 16384; use a "
			      "region map or a larger tolerance-km", policy, pool->name, s->place.n_classes);
	s->site_of = wf_xzalloc((pol_n_members(s->pol) + 1) * sizeof *s->site_of);
	for (uint32_t m = 0; m < pol_n_members(s->pol); m++)
		s->site_of[m] = plc_node_by_name(
			p, PLC_SITE, pol_pool_at(s->pol, pol_member_at(s->pol, m)->pool)->name)->id;
	n_slots = s->place.n_classes * 256;
	s->place.slots = wf_xzalloc(n_slots * sizeof *s->place.slots);
	s->ranked = wf_xzalloc(n_slots * sizeof *s->ranked);
	s->history = wf_xzalloc(n_slots * sizeof *s->history);
	for (uint32_t i = 0; i < n_slots; i++) {
		unsigned n = pol_rank(s->pol, s->policy, i / 256, i % 256, true, true, members, GLB_OWNERS);

		for (unsigned r = 0; r < n; r++)
			s->ranked[i][r] = s->site_of[members[r]];
	}
	if (!inherit(s, old))
		history_of_document(s, pool);
	fill(s, c->remember_ms);
	return 0;
}

struct glb_sites *
glb_sites_new(const struct glb_config *c, const struct placement *p, const struct glb_sites *old, struct wf_err *err)
{
	struct glb_sites *all = wf_xzalloc(sizeof *all);

	all->places = wf_xzalloc((p->n_pools + 1) * sizeof(void *));
	all->pools = wf_xzalloc((c->n_vips + 1) * sizeof *all->pools);
	for (size_t i = 0; c->role[GLB_EDGE] && i < c->n_vips; i++) {
		const char *name = c->vips[i].policy;
		const struct plc_pool *pool = plc_pool_by_name(p, c->vips[i].pool);
		const struct site_pool *before = name[0] && pool ? old_pool(all, pool->name) : NULL;
		struct site_pool *s;

		if (!name[0] || !pool || pool->gone || before)
			continue;
		/* NULL where nothing was built: location data is shared by all. */
		s = &all->pools[all->n];
		if (pool_init(s, c, p, pool, name, all->n ? all->pools[0].pol : NULL, old_pool(old, pool->name), err)) {
			pool_done(s);
			glb_sites_free(all);
			return NULL;
		}
		all->n++;
		all->places[pool - p->pools] = &s->place;
	}
	return all;
}

void
glb_sites_free(struct glb_sites *all)
{
	if (!all)
		return;
	for (uint32_t i = 0; i < all->n; i++)
		pool_done(&all->pools[i]);
	free(all->pools);
	free(all->places);
	free(all);
}

const struct glb_place *const *
glb_sites_places(const struct glb_sites *all)
{
	return all->places;
}

static uint32_t
pool_index(const struct glb_sites *all, const struct site_pool *s)
{
	uint32_t i = 0;

	while (all->places[i] != &s->place)
		i++;
	return i;
}

void
glb_sites_take_history(struct glb_sites *all, int64_t remember_ms,
		       bool (*read)(void *arg, uint32_t pool, uint32_t n_classes, struct glb_site_slot *ret), void *arg)
{
	for (uint32_t i = 0; i < all->n; i++) {
		struct site_pool *s = &all->pools[i];
		uint32_t n_slots = s->place.n_classes * 256;
		struct glb_site_slot *was = wf_xzalloc(n_slots * sizeof *was);

		if (read(arg, pool_index(all, s), s->place.n_classes, was)) {
			for (uint32_t k = 0; k < n_slots; k++)
				s->history[k] = (struct history){ was[k].ranked ? 0 : was[k].site[1], wf_now_ms() };
			memcpy(s->place.slots, was, n_slots * sizeof *was);
			fill(s, remember_ms);
		}
		free(was);
	}
}

void
glb_sites_update(struct glb_sites *all, const struct pol *health,
		 void (*fn)(void *arg, uint32_t pool, const struct glb_place *), void *arg)
{
	for (uint32_t i = 0; i < all->n; i++) {
		struct site_pool *s = &all->pools[i];

		for (uint32_t m = 0; m < pol_n_members(s->pol); m++) {
			const struct pol_pool *site = pol_pool_at(s->pol, pol_member_at(s->pol, m)->pool);
			const struct pol_member *h = pol_member_find(health, site->name, s->name);

			if (h)
				pol_member_set(s->pol, m, h->up, h->drain, h->load, h->slow_start);
		}
		pol_commit(s->pol);
		if (fill(s, INT64_MAX))
			fn(arg, pool_index(all, s), &s->place);
	}
}

void
glb_sites_forget(struct glb_sites *all, int64_t remember_ms,
		 void (*fn)(void *arg, uint32_t pool, const struct glb_place *), void *arg)
{
	for (uint32_t i = 0; i < all->n; i++)
		if (fill(&all->pools[i], remember_ms))
			fn(arg, pool_index(all, &all->pools[i]), &all->pools[i].place);
}

bool
glb_sites_files_changed(const struct glb_sites *all)
{
	return all->n && pol_files_changed(all->pools[0].pol);
}

void
glb_sites_why(const struct glb_sites *all, uint32_t pool, const struct in6_addr *client, unsigned draw,
	      struct wf_str *out)
{
	const struct glb_place *place = all->places[pool];

	for (uint32_t i = 0; place && i < all->n; i++)
		if (&all->pools[i].place == place) {
			const uint8_t *bytes = client->s6_addr;
			bool v4 = glb_address_is_v4(client);
			struct pol_addr a = pol_addr_from_bytes(v4 ? 4 : 6, v4 ? bytes + 12 : bytes);
			json_t *o = pol_explain(all->pools[i].pol, all->pools[i].policy, &a, (int)draw);
			char *text = pol_explain_text(o);

			wf_str_put(out, text);
			free(text);
			json_decref(o);
		}
}
