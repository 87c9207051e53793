// SPDX-License-Identifier: Apache-2.0
/* gdnsd's maps and geoip resources, and what records refer to, as policies. */
#include <stdlib.h>
#include <string.h>

#include "dns/import/gdnsd_internal.h"

/* --- nets ------------------------------------------------------------------------------------------------------ */

/* gdnsd keeps IPv4 at ::/96. */
static void
normalize(struct pol_prefix *p)
{
	if (p->addr.family == 6 && p->len >= 96 && !p->addr.hi && !(p->addr.lo >> 32)) {
		p->addr = (struct pol_addr){ .hi = p->addr.lo << 32, .lo = 0, .family = 4 };
		p->len -= 96;
	}
}

static const char *
list_text(struct gdnsd *g, const struct imp_value *list)
{
	const char *text = "";

	for (size_t i = 0; i < imp_len(list); i++)
		if (imp_at(list, i)->kind == IMP_STRING)
			text = imp_text(&g->t, "%s %s", text, imp_at(list, i)->text);
	return text;
}

void
gdnsd_maps(struct gdnsd *g)
{
	const struct imp_value *maps = imp_get(imp_get(imp_get(g->root, "plugins"), "geoip"), "maps");

	g->nets.n_maps = maps && maps->kind == IMP_MAP ? maps->n : 0;
	for (size_t m = 0; m < g->nets.n_maps; m++) {
		const struct imp_value *map = maps->values[m], *from = imp_get(map, "nets"), *db = imp_get(map, "geoip2_db");
		struct wf_err err = { "" };

		if (db && db->kind == IMP_STRING) {
			json_t *list = imp_list(imp_object(g->in->dns, "location"), "maxmind");
			size_t had = json_array_size(list);

			imp_append(list, imp_path(&g->t, g->root->file, db->text[0] == '/' ? db->text :
						  imp_text(&g->t, "geoip/%s", db->text)));
			if (had && json_array_size(list) > had)
				imp_note(g->in, db, "%s: all maps ask all databases, in this order", db->text);
		}
		if (imp_true(map, "ignore_ecs"))
			imp_note(g->in, imp_get(map, "ignore_ecs"), "ignore_ecs is not taken over: a client subnet counts always");
		if (from && from->kind == IMP_STRING) {
			const char *name = from->text[0] == '/' ? from->text : imp_text(&g->t, "geoip/%s", from->text);
			const struct imp_value *file = imp_vscf_read(&g->t, imp_path(&g->t, g->root->file, name), &err);

			if (!file)
				imp_note(g->in, from, "nets: %s", err.text);
			from = file;
		}
		for (size_t i = 0; from && from->kind == IMP_MAP && i < from->n; i++) {
			struct pol_prefix p;

			if (pol_prefix_parse(from->keys[i], &p, &err)) {
				imp_note(g->in, from->values[i], "nets: %s", err.text);
				continue;
			}
			normalize(&p);
			imp_nets_add(&g->nets, &p, m, list_text(g, from->values[i]), from->values[i]);
		}
	}
	imp_nets_put(g->in, &g->t, &g->nets);
}

/* --- a geoip resource -------------------------------------------------------------------------------------------- */

struct geo {
	struct gdnsd *g;
	const struct imp_value *map, *resource, *dcmap;
	struct gdnsd_scope scope;
	const char *name;
	bool automatic, skip_first;
	json_t *policy;
	unsigned state_s;
};

static bool
datacenter(struct geo *o, const struct imp_value *at, const char *dc, struct gdnsd_set *ret)
{
	const struct imp_value *v = imp_get(o->dcmap, dc);

	if (!v)
		return false;
	if (!gdnsd_datacenter(o->g, v, imp_text(&o->g->t, "geoip-%s-%s", o->name, dc), &o->scope, ret))
		return false;
	if (ret->share)
		imp_note(o->g->in, at, "datacenter %s: its groups are used one after the other here", dc);
	return true;
}

/* The pools of a list of datacenters. */
static json_t *
pools_of(struct geo *o, const struct imp_value *list)
{
	json_t *pools = json_array();

	for (size_t i = o->skip_first && imp_len(list) > 1; i < imp_len(list); i++) {
		const struct imp_value *dc = imp_at(list, i);
		struct gdnsd_set set;

		if (dc->kind != IMP_STRING || !datacenter(o, dc, dc->text, &set))
			continue;
		for (size_t k = 0; k < set.n; k++)
			imp_append(pools, set.pools[k]);
	}
	return pools;
}

static bool
is_auto(const struct imp_value *v)
{
	return imp_len(v) == 1 && imp_at(v, 0)->kind == IMP_STRING && !strcmp(imp_at(v, 0)->text, "auto");
}

static void
add_match(struct geo *o, const char *what, const struct imp_value *list, bool inherits_auto)
{
	json_t *matches = imp_list(o->policy, "match"), *m, *have;
	size_t i;

	if (is_auto(list)) {
		if (!inherits_auto)
			imp_note(o->g->in, list, "%s: auto within what is not auto is not taken over", what);
		return;
	}
	if (o->automatic && list->kind == IMP_LIST && !list->n) {
		imp_note(o->g->in, list, "%s: an empty list in a map with auto is not taken over", what);
		return;
	}
	json_array_foreach(matches, i, have)
		if (!strcmp(json_string_value(json_object_get(have, "what")), what)) {
			imp_note(o->g->in, list, "%s: is there before, this one is not taken over", what);
			return;
		}
	m = json_object();
	imp_set(m, "what", what);
	json_object_set_new(m, "pool", pools_of(o, list));
	json_array_append_new(matches, m);
}

static bool
looks_like_subdivision(const char *key)
{
	size_t n = strlen(key);

	return n && n <= 3 && strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == n;
}

static void
walk(struct geo *o, const struct imp_value *v, unsigned depth, const char *within, const char *country, bool inherits_auto)
{
	if (depth > 10)
		return;
	if (within && imp_get(v, "default")) {
		add_match(o, within, imp_get(v, "default"), inherits_auto);
		inherits_auto = is_auto(imp_get(v, "default"));
	}
	for (size_t i = 0; i < v->n; i++) {
		const char *key = v->keys[i], *what;

		if (!strcmp(key, "default"))
			continue;
		if (depth == 0)
			what = imp_text(&o->g->t, "continent=%s", key);
		else if (depth == 1)
			what = imp_text(&o->g->t, "country=%s", key);
		else if (looks_like_subdivision(key))
			what = imp_text(&o->g->t, "subdivision=%s-%s", country, key);
		else
			what = imp_text(&o->g->t, "city=%s", key);
		if (depth > 1 && what[0] == 'c')
			imp_note(o->g->in, v->values[i], "%s: matches every city of that name, in any country", what);
		if (depth > 2 && what[0] == 's')
			imp_note(o->g->in, v->values[i], "%s: only a country's first kind of subdivision is known here", what);
		if (v->values[i]->kind == IMP_MAP)
			walk(o, v->values[i], depth + 1, what, depth == 1 ? key : country, inherits_auto);
		else
			add_match(o, what, v->values[i], inherits_auto);
	}
}

static void
coordinates(struct geo *o, const struct imp_value *coords)
{
	for (size_t i = 0; coords && coords->kind == IMP_MAP && i < coords->n; i++) {
		struct gdnsd_set set;
		double lat, lon;

		if (imp_len(coords->values[i]) != 2 || !imp_number(imp_at(coords->values[i], 0), &lat) ||
		    !imp_number(imp_at(coords->values[i], 1), &lon)) {
			imp_note(o->g->in, coords->values[i], "%s: [LATITUDE, LONGITUDE] is expected", coords->keys[i]);
			continue;
		}
		if (!datacenter(o, coords->values[i], coords->keys[i], &set))
			continue;
		for (size_t k = 0; k < set.n; k++) {
			json_t *pool = imp_find(imp_list(o->g->in->dns, "pool"), set.pools[k]);

			if (json_object_get(pool, "lat"))
				imp_note(o->g->in, coords->values[i], "datacenter %s: its pool %s has the place of this one, "
					 "not that of others who use it", coords->keys[i], set.pools[k]);
			imp_set(pool, "lat", imp_text(&o->g->t, "%.6f", lat));
			imp_set(pool, "lon", imp_text(&o->g->t, "%.6f", lon));
		}
	}
}

static bool
geoip(struct geo *o, const char *map_name)
{
	const struct imp_value *maps = imp_get(imp_get(imp_get(o->g->root, "plugins"), "geoip"), "maps");
	const struct imp_value *tree, *top, *dcs = imp_get(o->map, "datacenters");
	json_t *order = json_array(), *all;
	size_t index = 0, i;
	json_t *pool;

	while (index < maps->n && strcmp(maps->keys[index], map_name))
		index++;
	tree = imp_get(o->map, "map");
	top = imp_get(tree, "default");
	o->automatic = imp_get(o->map, "auto_dc_coords") && (!top || is_auto(top));
	o->skip_first = imp_true(o->resource, "skip_first") && !o->automatic;
	if (imp_true(o->resource, "skip_first") && o->automatic)
		imp_note(o->g->in, o->resource, "skip_first with auto is not taken over");

	/* Candidates: all of them, in the order of datacenters. */
	bool skip = o->skip_first;

	o->skip_first = false;
	all = pools_of(o, dcs);
	o->skip_first = skip;
	json_array_foreach(all, i, pool)
	{
		json_t *c = json_object();

		json_object_set(c, "pool", pool);
		json_array_append_new(imp_list(o->policy, "candidate"), c);
	}
	json_decref(all);
	json_array_append_new(order, json_string("region-map"));
	if (o->automatic)
		json_array_append_new(order, json_string("nearest"));
	json_array_append_new(order, json_string("failover"));
	json_object_set_new(o->policy, "order", order);
	if (o->automatic)
		coordinates(o, imp_get(o->map, "auto_dc_coords"));
	else
		json_object_set_new(o->policy, "only-matched", json_true());

	for (i = 0; i < o->g->nets.n_regions; i++) {
		const struct imp_region *r = &o->g->nets.regions[i];

		if (r->nets[index])
			add_match(o, imp_text(&o->g->t, "region=%s", r->name), r->nets[index]->value, false);
	}
	if (tree && tree->kind == IMP_MAP)
		walk(o, tree, 0, NULL, "", o->automatic);
	if (!o->automatic && (top || dcs))
		add_match(o, "default", top ? top : dcs, false);
	for (i = 0; i < (o->dcmap ? o->dcmap->n : 0); i++) {
		struct gdnsd_set set;

		if (o->dcmap->kind == IMP_MAP && datacenter(o, o->dcmap, o->dcmap->keys[i], &set) && set.state_s &&
		    (!o->state_s || set.state_s < o->state_s))
			o->state_s = set.state_s;
	}
	return json_array_size(json_object_get(o->policy, "candidate")) > 0;
}

/* --- policies ---------------------------------------------------------------------------------------------------- */

static void
policy_of_set(json_t *policy, const struct gdnsd_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		json_t *c = json_object();

		imp_set(c, "pool", set->pools[i]);
		if (set->share)
			imp_set_int(c, "weight", set->weights[i]);
		json_array_append_new(imp_list(policy, "candidate"), c);
	}
	if (set->n > 1 && !set->share)
		json_array_append_new(imp_list(policy, "order"), json_string("failover"));
}

static bool
make(struct gdnsd *g, const struct imp_value *at, const char *plugin, const char *resource, json_t *policy, unsigned *state_s)
{
	const struct imp_value *config = imp_get(imp_get(g->root, "plugins"), plugin), *v, *map;
	const char *slash = strchr(resource, '/'), *name = slash ? imp_text(&g->t, "%.*s", (int)(slash - resource), resource) : resource;
	struct gdnsd_scope outer = { config, NULL };
	struct gdnsd_set set;

	if (slash || !strcmp(plugin, "geoip")) {
		v = imp_get(imp_get(config, "resources"), name);
		if (!v) {
			imp_note(g->in, at, "%s!%s: there is no such resource", plugin, name);
			return false;
		}
		struct geo o = { .g = g, .resource = v, .dcmap = imp_get(v, "dcmap"), .name = name, .policy = policy,
				 .scope = { v, &outer } };

		if (slash) {
			const struct imp_value *dc = imp_get(o.dcmap, slash + 1);

			if (!dc) {
				imp_note(g->in, at, "%s!%s: there is no such datacenter", plugin, resource);
				return false;
			}
			if (!gdnsd_datacenter(g, dc, imp_text(&g->t, "%s-%s-%s", plugin, name, slash + 1), &o.scope, &set))
				return false;
		} else {
			const char *map_name = imp_str(v, "map", "");

			map = imp_get(imp_get(config, "maps"), map_name);
			if (!map) {
				imp_note(g->in, v, "map %s: is not defined", map_name);
				return false;
			}
			o.map = map;
			if (!geoip(&o, map_name))
				return false;
			*state_s = o.state_s;
			return true;
		}
	} else if (!gdnsd_resource(g, at, plugin, resource, &set)) {
		return false;
	}
	policy_of_set(policy, &set);
	*state_s = set.state_s;
	return set.n > 0;
}

const struct gdnsd_policy *
gdnsd_policy(struct gdnsd *g, const struct imp_value *at, const char *what)
{
	const char *bang = strchr(what, '!');
	json_t *policies, *policy;
	unsigned state_s = 0;
	const char *name;

	for (size_t i = 0; i < g->n_policies; i++)
		if (!strcmp(g->policies[i].what, what))
			return g->policies[i].name ? &g->policies[i] : NULL;
	if (!bang) {
		imp_note(g->in, at, "plugin %s is not taken over", what);
		return NULL;
	}
	name = imp_name(&g->t, imp_text(&g->t, "%.*s-%s", (int)(bang - what), what, bang + 1));
	policies = imp_list(g->in->dns, "policy");
	policy = imp_add(policies, name);
	if (!make(g, at, imp_text(&g->t, "%.*s", (int)(bang - what), what), bang + 1, policy, &state_s)) {
		json_array_remove(policies, json_array_size(policies) - 1);
		name = NULL;
	} else {
		imp_unmix(g->in, at, policy);
	}
	if (!(g->n_policies & (g->n_policies - 1))) {
		struct gdnsd_policy *more = imp_alloc(&g->t, (g->n_policies ? 2 * g->n_policies : 1) * sizeof *more);

		if (g->n_policies)
			memcpy(more, g->policies, g->n_policies * sizeof *more);
		g->policies = more;
	}
	g->policies[g->n_policies] = (struct gdnsd_policy){ imp_text(&g->t, "%s", what), name, state_s };
	return name ? &g->policies[g->n_policies++] : (g->n_policies++, NULL);
}
