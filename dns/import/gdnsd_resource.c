// SPDX-License-Identifier: Apache-2.0
/* Resources of gdnsd's plugins as pools. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dns/import/gdnsd_internal.h"

#define MAX_REFERENCES 32

static const struct imp_value *
setting(const struct gdnsd_scope *s, const char *key)
{
	const struct imp_value *v = NULL;

	for (; s && !v; s = s->outer)
		v = imp_get(s->map, key);
	return v;
}

static bool
is_true(const struct gdnsd_scope *s, const char *key)
{
	for (; s; s = s->outer)
		if (imp_get(s->map, key))
			return imp_true(s->map, key);
	return false;
}

static bool
is_setting(const char *key)
{
	static const char *const keys[] = { "service_types", "up_thresh", "multi", "ignore_health", "plugin", NULL };

	for (const char *const *k = keys; *k; k++)
		if (!strcmp(*k, key))
			return true;
	return false;
}

static void
add_pool(struct gdnsd *g, struct gdnsd_set *set, const char *pool, unsigned weight)
{
	const char **pools = imp_alloc(&g->t, (set->n + 1) * sizeof *pools);
	unsigned *weights = imp_alloc(&g->t, (set->n + 1) * sizeof *weights);

	if (set->n) {
		memcpy(pools, set->pools, set->n * sizeof *pools);
		memcpy(weights, set->weights, set->n * sizeof *weights);
	}
	pools[set->n] = pool;
	weights[set->n++] = weight;
	set->pools = pools;
	set->weights = weights;
}

static void
min_state(struct gdnsd_set *set, unsigned state_s)
{
	if (state_s && (!set->state_s || state_s < set->state_s))
		set->state_s = state_s;
}

/* A pool with the probe that its service types ask for. */
static json_t *
new_pool(struct gdnsd *g, const char *name, const struct gdnsd_scope *s, struct gdnsd_set *set, unsigned weight)
{
	const struct imp_value *services = setting(s, "service_types");
	json_t *pool = imp_add(imp_list(g->in->dns, "pool"), name);
	bool probed = false;

	for (size_t i = 0; i < imp_len(services); i++) {
		const struct imp_value *v = imp_at(services, i);
		unsigned state_s = 0;
		const char *probe = v->kind == IMP_STRING ? gdnsd_probe(g, v, v->text, &state_s) : NULL;

		min_state(set, state_s);
		if (probe && !probed)
			imp_set(pool, "probe", probe);
		else if (probe)
			imp_note(g->in, v, "pool %s: has one probe, service type %s is not taken over", name, probe);
		probed |= probe != NULL;
	}
	if (services && setting(s, "ignore_health") && is_true(s, "ignore_health"))
		imp_note(g->in, setting(s, "ignore_health"), "pool %s: members that are down are left out of answers", name);
	add_pool(g, set, name, weight);
	return pool;
}

/* up_thresh of 'n' members, as the number of them that must be up. */
static void
set_floor(struct gdnsd *g, json_t *pool, const struct gdnsd_scope *s, const struct gdnsd_set *set, size_t n, bool weighted)
{
	double part = 0.5;

	if (!set->state_s || !n)
		return; /* nothing goes down */
	imp_number(setting(s, "up_thresh"), &part);
	imp_set_int(pool, "floor", part > 0 && part <= 1 ? (json_int_t)ceil(part * (double)n - 1e-9) : 1);
	if (weighted)
		imp_note(g->in, setting(s, "up_thresh") ? setting(s, "up_thresh") : s->map,
			 "pool %s: up_thresh counts members, not their weights", json_string_value(json_object_get(pool, "name")));
}

/* A member of one address or target.  The label may be there already, in the other family. */
static json_t *
add_member(struct gdnsd *g, json_t *pool, const struct imp_value *at, const char *label, const char *data)
{
	json_t *members = imp_list(pool, "member"), *m;
	const char *name = imp_name(&g->t, label);
	bool is_address = imp_is_ipv4(data) || imp_is_ipv6(data);

	if (imp_find(members, name))
		name = imp_name(&g->t, imp_text(&g->t, "%s-%zu", label, json_array_size(members) + 1));
	m = imp_add(members, name);
	if (is_address) {
		imp_append(imp_list(m, "address"), data);
	} else {
		imp_set(m, "target", data);
		if (!data[0] || data[strlen(data) - 1] != '.')
			imp_note(g->in, at, "%s: is taken as a whole name", data);
	}
	return m;
}

/* --- multifo ------------------------------------------------------------------------------------------------ */

static size_t
multifo_family(struct gdnsd *g, json_t *pool, const struct imp_value *v)
{
	size_t n = 0;

	if (v->kind != IMP_MAP) {
		for (size_t i = 0; i < imp_len(v); i++)
			if (imp_at(v, i)->kind == IMP_STRING) {
				add_member(g, pool, v, imp_text(&g->t, "%zu", i + 1), imp_at(v, i)->text);
				n++;
			}
		return n;
	}
	for (size_t i = 0; i < v->n; i++) {
		if (is_setting(v->keys[i]) || v->values[i]->kind != IMP_STRING)
			continue;
		add_member(g, pool, v->values[i], v->keys[i], v->values[i]->text);
		n++;
	}
	return n;
}

static bool
multifo(struct gdnsd *g, const struct imp_value *v, const char *name, const struct gdnsd_scope *outer, struct gdnsd_set *set)
{
	const struct imp_value *v4 = imp_get(v, "addrs_v4"), *v6 = imp_get(v, "addrs_v6");
	struct gdnsd_scope s = { v, outer }, family = { v4 ? v4 : v6, &s };
	const struct gdnsd_scope *inner = v4 || v6 ? &family : &s;
	json_t *pool = new_pool(g, name, inner, set, 1);
	size_t n = 0;

	imp_set(pool, "answer", "all");
	if (v4)
		n += multifo_family(g, pool, v4);
	if (v6)
		n += multifo_family(g, pool, v6);
	if (!v4 && !v6)
		n = multifo_family(g, pool, v);
	if (v4 && v6 && set->state_s)
		imp_note(g->in, v, "pool %s: up_thresh counts members of both families together", name);
	set_floor(g, pool, inner, set, n, false);
	return n > 0;
}

/* --- weighted ----------------------------------------------------------------------------------------------- */

static unsigned
weight_of(struct gdnsd *g, const struct imp_value *pair)
{
	double w;

	if (!imp_number(imp_at(pair, 1), &w) || w < 1) {
		imp_note(g->in, pair, "a weight is 1 or more; 1 is taken");
		return 1;
	}
	if (w > 65535) {
		imp_note(g->in, pair, "weight %g: 65535 is the most", w);
		w = 65535;
	}
	return (unsigned)w;
}

/* The pairs of 'v' as members; false if their weights differ. */
static bool
weighted_members(struct gdnsd *g, json_t *pool, const struct imp_value *v, size_t *n, unsigned *sum)
{
	unsigned first = 0;
	bool equal = true;

	for (size_t i = 0; i < v->n; i++) {
		const struct imp_value *pair = v->values[i];
		unsigned w;

		if (is_setting(v->keys[i]))
			continue;
		if (pair->kind != IMP_LIST || pair->n != 2 || pair->values[0]->kind != IMP_STRING) {
			imp_note(g->in, pair, "%s: [ADDRESS, WEIGHT] is expected", v->keys[i]);
			continue;
		}
		w = weight_of(g, pair);
		if (!(*n)++)
			first = w;
		equal &= w == first;
		*sum += w;
		imp_set_int(add_member(g, pool, pair, v->keys[i], pair->values[0]->text), "weight", w);
	}
	return equal;
}

static bool
weighted_family(struct gdnsd *g, const struct imp_value *v, const char *name, const struct gdnsd_scope *s, struct gdnsd_set *set)
{
	bool multi = is_true(s, "multi"), grouped = false;
	unsigned sum = 0;
	size_t n = 0;
	json_t *pool;

	for (size_t i = 0; i < v->n; i++)
		grouped |= !is_setting(v->keys[i]) && v->values[i]->kind == IMP_MAP;
	if (!grouped) {
		pool = new_pool(g, name, s, set, 1);
		if (!weighted_members(g, pool, v, &n, &sum) && multi)
			imp_note(g->in, v, "pool %s: multi with different weights: all members are in each answer", name);
		if (multi)
			imp_set(pool, "answer", "all");
		set_floor(g, pool, s, set, n, !multi);
		return n > 0;
	}
	if (multi)
		imp_note(g->in, v, "%s: groups with multi are not taken over: an answer is one group", name);
	set->share = true;
	for (size_t i = 0; i < v->n; i++) {
		struct gdnsd_scope group = { v->values[i], s };
		size_t members = 0;

		if (is_setting(v->keys[i]) || v->values[i]->kind != IMP_MAP)
			continue;
		sum = 0;
		pool = new_pool(g, imp_name(&g->t, imp_text(&g->t, "%s-%s", name, v->keys[i])), &group, set, 1);
		imp_set(pool, "answer", "all");
		if (!weighted_members(g, pool, v->values[i], &members, &sum))
			imp_note(g->in, v->values[i], "group %s: different weights: all members are in each answer", v->keys[i]);
		set->weights[set->n - 1] = sum > 65535 ? 65535 : sum;
		n += members;
	}
	return n > 0;
}

static bool
weighted(struct gdnsd *g, const struct imp_value *v, const char *name, const struct gdnsd_scope *outer, struct gdnsd_set *set)
{
	const struct imp_value *v4 = imp_get(v, "addrs_v4"), *v6 = imp_get(v, "addrs_v6");
	struct gdnsd_scope s = { v, outer }, family = { v4 ? v4 : v6, &s };
	json_t *pool, *member;

	if (!v || v->kind != IMP_MAP)
		return false;
	if ((v4 && v4->kind != IMP_MAP) || (v6 && v6->kind != IMP_MAP))
		return false;
	if (!v4 && !v6)
		return weighted_family(g, v, name, &s, set);
	if (!v4 || !v6)
		return weighted_family(g, v4 ? v4 : v6, name, &family, set);
	if (!weighted_family(g, v4, name, &family, set))
		return false;
	/* A choice is one member with its addresses of both families: those of the same label belong together. */
	pool = imp_find(imp_list(g->in->dns, "pool"), name);
	for (size_t i = 0; i < v6->n; i++) {
		const struct imp_value *pair = v6->values[i];

		if (is_setting(v6->keys[i]))
			continue;
		member = pool ? imp_find(imp_list(pool, "member"), imp_name(&g->t, v6->keys[i])) : NULL;
		if (!member || pair->kind != IMP_LIST || pair->n != 2 || pair->values[0]->kind != IMP_STRING)
			imp_note(g->in, pair, "addrs_v6 %s: is not taken over, as addrs_v4 has no address of that label", v6->keys[i]);
		else
			imp_append(imp_list(member, "address"), pair->values[0]->text);
	}
	imp_note(g->in, v6, "%s: IPv4 and IPv6 are chosen together, by the weights of IPv4", name);
	return true;
}

/* --- simplefo, static --------------------------------------------------------------------------------------- */

static bool
simplefo(struct gdnsd *g, const struct imp_value *v, const char *name, const struct gdnsd_scope *outer, struct gdnsd_set *set)
{
	static const char *const roles[] = { "primary", "secondary" };
	const struct imp_value *v4 = imp_get(v, "addrs_v4"), *v6 = imp_get(v, "addrs_v6"), *from[2];
	struct gdnsd_scope s = { v, outer }, family = { v4 ? v4 : v6, &s };

	from[0] = v4 || v6 ? v4 : v;
	from[1] = v6;
	for (unsigned r = 0; r < 2; r++) {
		json_t *pool = new_pool(g, imp_name(&g->t, imp_text(&g->t, "%s-%s", name, roles[r])),
					v4 || v6 ? &family : &s, set, 1), *member = NULL;

		for (unsigned f = 0; f < 2; f++) {
			const char *address = imp_str(from[f], roles[r], NULL);

			if (address && member)
				imp_append(imp_list(member, "address"), address);
			else if (address)
				member = add_member(g, pool, from[f], roles[r], address);
		}
		if (!member)
			return false;
	}
	if (v4 && v6 && set->state_s)
		imp_note(g->in, v, "%s: both families go by the probe of IPv4", name);
	return true;
}

static bool
static_value(struct gdnsd *g, const struct imp_value *v, const char *name, struct gdnsd_set *set)
{
	json_t *pool;

	if (v->kind != IMP_STRING)
		return false;
	pool = new_pool(g, name, NULL, set, 1);
	add_member(g, pool, v, "static", v->text);
	return true;
}

/* --- references --------------------------------------------------------------------------------------------- */

static bool
build(struct gdnsd *g, const struct imp_value *v, const char *plugin, const char *name, const struct gdnsd_scope *outer,
      struct gdnsd_set *set)
{
	bool done = false;

	if (!strcmp(plugin, "multifo"))
		done = multifo(g, v, name, outer, set);
	else if (!strcmp(plugin, "weighted"))
		done = weighted(g, v, name, outer, set);
	else if (!strcmp(plugin, "simplefo"))
		done = simplefo(g, v, name, outer, set);
	else if (!strcmp(plugin, "static"))
		done = static_value(g, v, name, set);
	else
		imp_note(g->in, v, "plugin %s is not taken over", plugin);
	if (!done)
		imp_note(g->in, v, "%s: no addresses could be taken over", name);
	return done;
}

/* Pools that were made for a resource before are those of this one too. */
static bool
made_before(struct gdnsd *g, const char *plugin, const char *resource, struct gdnsd_set *set)
{
	for (size_t i = 0; i < g->n_made; i++)
		if (!strcmp(g->made[i].plugin, plugin) && !strcmp(g->made[i].resource, resource)) {
			*set = g->made[i].set;
			return set->n > 0;
		}
	return false;
}

/* metafo's datacenters one after the other. */
static bool
metafo(struct gdnsd *g, const struct imp_value *v, const char *resource, const struct gdnsd_scope *outer, struct gdnsd_set *set)
{
	const struct imp_value *list = imp_get(v, "datacenters"), *dcmap = imp_get(v, "dcmap");
	size_t skip = imp_true(v, "skip_first") && imp_len(list) > 1;
	struct gdnsd_scope s = { v, outer };

	for (size_t i = skip; i < imp_len(list); i++) {
		const struct imp_value *name = imp_at(list, i), *dc = name->kind == IMP_STRING ? imp_get(dcmap, name->text) : NULL;
		struct gdnsd_set one = { .n = 0 };

		if (!dc) {
			imp_note(g->in, name, "datacenter %s: is not in dcmap", name->text ? name->text : "?");
			continue;
		}
		if (!gdnsd_datacenter(g, dc, imp_text(&g->t, "metafo-%s-%s", resource, name->text), &s, &one))
			continue;
		if (one.share)
			imp_note(g->in, dc, "datacenter %s: its groups are used one after the other here", name->text);
		for (size_t k = 0; k < one.n; k++)
			add_pool(g, set, one.pools[k], 1);
		min_state(set, one.state_s);
	}
	return set->n > 0;
}

bool
gdnsd_resource(struct gdnsd *g, const struct imp_value *at, const char *plugin, const char *resource, struct gdnsd_set *ret)
{
	const struct imp_value *config = imp_get(imp_get(g->root, "plugins"), plugin), *v;
	bool done;

	memset(ret, 0, sizeof *ret);
	if (made_before(g, plugin, resource, ret))
		return true;
	if (!strcmp(plugin, "metafo")) {
		v = imp_get(imp_get(config, "resources"), resource);
	} else {
		v = imp_get(config, resource);
	}
	if (!v || is_setting(resource)) {
		imp_note(g->in, at, "%s!%s: there is no such resource%s", plugin, resource,
			 strcmp(plugin, "geoip") ? "" : " that another one can use");
		return false;
	}
	if (++g->depth > MAX_REFERENCES) {
		g->depth--;
		imp_note(g->in, at, "%s!%s: refers to itself", plugin, resource);
		return false;
	}
	struct gdnsd_scope outer = { config, NULL };

	if (!strcmp(plugin, "metafo"))
		done = metafo(g, v, resource, &outer, ret);
	else
		done = build(g, v, plugin, imp_name(&g->t, imp_text(&g->t, "%s-%s", plugin, resource)), &outer, ret);
	g->depth--;
	g->made = wf_xrealloc(g->made, (g->n_made + 1) * sizeof *g->made);
	g->made[g->n_made].plugin = imp_text(&g->t, "%s", plugin);
	g->made[g->n_made].resource = imp_text(&g->t, "%s", resource);
	g->made[g->n_made++].set = *ret;
	return done;
}

bool
gdnsd_datacenter(struct gdnsd *g, const struct imp_value *v, const char *name, const struct gdnsd_scope *s,
		 struct gdnsd_set *ret)
{
	const struct imp_value *plugin = setting(s, "plugin");
	const char *by = plugin && plugin->kind == IMP_STRING ? plugin->text : "multifo";
	const char *pool = imp_name(&g->t, name);

	memset(ret, 0, sizeof *ret);
	if (made_before(g, "", pool, ret))
		return true;
	if (v->kind == IMP_STRING && (v->text[0] == '%' || v->text[0] == '!')) {
		const char *bang = strchr(v->text, '!');

		if (!bang) {
			imp_note(g->in, v, "%s: %%PLUGIN!RESOURCE is expected", v->text);
			return false;
		}
		if (bang != v->text)
			by = imp_text(&g->t, "%.*s", (int)(bang - v->text - 1), v->text + 1);
		return gdnsd_resource(g, v, by, bang + 1, ret);
	}
	if (v->kind == IMP_STRING && !imp_is_ipv4(v->text) && !imp_is_ipv6(v->text)) {
		if (!static_value(g, v, pool, ret))
			return false;
	} else {
		if (v->kind == IMP_MAP)
			by = imp_str(v, "plugin", by);
		else
			by = "multifo";
		if (!build(g, v, by, pool, s, ret))
			return false;
	}
	g->made = wf_xrealloc(g->made, (g->n_made + 1) * sizeof *g->made);
	g->made[g->n_made].plugin = "";
	g->made[g->n_made].resource = pool;
	g->made[g->n_made++].set = *ret;
	return true;
}
