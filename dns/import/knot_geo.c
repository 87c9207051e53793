// SPDX-License-Identifier: Apache-2.0
/* mod-geoip: its files' names as chosen ones. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dns/import/knot_internal.h"

static const char *
lower(struct imp_tree *t, const char *name)
{
	size_t n = strlen(name);
	char *copy = imp_text(t, "%s%s", name, n && name[n - 1] == '.' ? "" : ".");

	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

static bool
is_below(const char *name, const char *apex)
{
	size_t n = strlen(name), m = strlen(apex);

	return !strcmp(apex, ".") || !strcmp(name, apex) || (n > m && name[n - m - 1] == '.' && !strcmp(name + n - m, apex));
}

void
knot_geo_zone(struct knot *k, const struct imp_value *module, json_t *zone, const char *apex)
{
	const char *mode = imp_str(module, "mode", "subnet"), *file = imp_str(module, "config-file", "");
	struct wf_err err = { "" };
	const struct imp_value *names = imp_yaml_read(&k->t, imp_path(&k->t, module->file, file), &err);

	if (!names) {
		imp_note(k->in, module, "mod-geoip: %s", err.text);
		return;
	}
	if (!k->takes_subnets && strcmp(mode, "weighted"))
		imp_note(k->in, module, "mod-geoip without edns-client-subnet: a client subnet in a query counts here");
	for (size_t i = 0; i < names->n; i++) {
		const char *owner = lower(&k->t, names->keys[i]);
		struct geo_name *g;
		bool twice = false;

		if (!is_below(owner, apex))
			continue;
		for (size_t j = 0; j < k->n_names; j++)
			twice |= k->names[j].zone == zone && !strcmp(k->names[j].owner, owner);
		if (twice) {
			imp_note(k->in, names->values[i], "%s: is in another module of this zone, this one is not taken over", owner);
			continue;
		}
		k->names = wf_xrealloc(k->names, (k->n_names + 1) * sizeof *k->names);
		g = &k->names[k->n_names++];
		*g = (struct geo_name){
			.owner = owner,
			.zone = zone,
			.pool = imp_text(&k->t, "%.*s", (int)strlen(owner) - 1, owner),
			.mode = !strcmp(mode, "geodb") ? GEO_GEODB : !strcmp(mode, "weighted") ? GEO_WEIGHTED : GEO_SUBNET,
			.module = module,
			.views = names->values[i],
		};
	}
}

static void
push(struct imp_tree *t, const char ***list, size_t *n, const char *text)
{
	const char **more = imp_alloc(t, (*n + 1) * sizeof *more);

	if (*n)
		memcpy(more, *list, *n * sizeof *more);
	more[(*n)++] = text;
	*list = more;
}

bool
knot_geo_record(void *k_, const struct imp_record *r)
{
	struct knot *k = k_;
	const char *owner = lower(&k->t, r->owner);

	for (size_t i = 0; i < k->n_names; i++) {
		struct geo_name *g = &k->names[i];

		if (strcmp(g->owner, owner))
			continue;
		if (!strcasecmp(r->type, "A"))
			push(&k->t, &g->a, &g->n_a, r->data);
		else if (!strcasecmp(r->type, "AAAA"))
			push(&k->t, &g->aaaa, &g->n_aaaa, r->data);
		else if (!strcasecmp(r->type, "CNAME"))
			g->cname = r->data;
		else
			return false;
		g->ttl = r->max_ttl;
		return true;
	}
	return false;
}

/* --- views ------------------------------------------------------------------------------------------------------ */

static void
candidate(struct geo_name *g, const char *pool, double weight)
{
	json_t *c = json_object();

	imp_set(c, "pool", pool);
	if (weight >= 0)
		imp_set_int(c, "weight", weight > 65535 ? 65535 : lround(weight));
	json_array_append_new(imp_list(g->policy, "candidate"), c);
}

static void
members(struct knot *k, json_t *pool, const char *const *list, size_t n)
{
	json_t *to = imp_list(pool, "member");

	for (size_t i = 0; i < n; i++)
		imp_append(imp_list(imp_add(to, imp_text(&k->t, "%zu", json_array_size(to) + 1)), "address"), list[i]);
}

static json_t *
new_pool(struct knot *k, const struct geo_name *g, const char *what, const char **name)
{
	json_t *pools = imp_list(k->in->dns, "pool"), *pool;

	*name = imp_name(&k->t, imp_text(&k->t, "%s-%s", g->pool, what));
	while (imp_find(pools, *name))
		*name = imp_name(&k->t, imp_text(&k->t, "%s_", *name));
	pool = imp_add(pools, *name);
	imp_set(pool, "answer", "all");
	return pool;
}

/* The zone's own set as a pool; NULL if it has none. */
static const char *
default_pool(struct knot *k, struct geo_name *g)
{
	const char *name;
	json_t *pool;

	if (!g->n_a && !g->n_aaaa && !g->cname)
		return NULL;
	pool = new_pool(k, g, "default", &name);
	members(k, pool, g->a, g->n_a);
	members(k, pool, g->aaaa, g->n_aaaa);
	if (g->cname) {
		imp_set(imp_add(imp_list(pool, "member"), "cname"), "target", g->cname);
		imp_set_int(pool, "answer", 1);
	}
	return name;
}

/* A view's records as a pool.  Of a family that the view does not have the zone's own are answered. */
static const char *
view_pool(struct knot *k, struct geo_name *g, const struct imp_value *view, const char *what)
{
	const struct imp_value *v4 = NULL, *v6 = NULL;
	const char *cname = NULL, *name;
	json_t *pool;

	for (size_t i = 0; i < view->n; i++) {
		const char *key = view->keys[i];

		if (!strcasecmp(key, "A"))
			v4 = view->values[i];
		else if (!strcasecmp(key, "AAAA"))
			v6 = view->values[i];
		else if (!strcasecmp(key, "CNAME"))
			cname = imp_str(view, key, NULL);
		else if (strcmp(key, "net") && strcmp(key, "geo") && strcmp(key, "weight"))
			imp_note(k->in, view->values[i], "%s: %s of a client's place is not taken over, the zone's own is answered", g->owner, key);
	}
	if (!v4 && !v6 && !cname)
		return NULL;
	pool = new_pool(k, g, what, &name);
	for (unsigned f = 0; f < 2; f++) {
		const struct imp_value *v = f ? v6 : v4;

		for (size_t i = 0; i < imp_len(v); i++)
			members(k, pool, &imp_at(v, i)->text, 1);
	}
	if (cname) {
		imp_set(imp_add(imp_list(pool, "member"), "cname"), "target", lower(&k->t, cname));
		imp_set_int(pool, "answer", 1);
	} else if (g->mode != GEO_WEIGHTED) {
		if (!v4)
			members(k, pool, g->a, g->n_a);
		if (!v6)
			members(k, pool, g->aaaa, g->n_aaaa);
	}
	return name;
}

static void
match(struct knot *k, struct geo_name *g, const struct imp_value *at, const char *what, const char *pool)
{
	json_t *matches = imp_list(g->policy, "match"), *m, *have;
	size_t i;

	json_array_foreach(matches, i, have)
		if (!strcasecmp(json_string_value(json_object_get(have, "what")), what)) {
			imp_note(k->in, at, "%s: %s is there before, this one is not taken over", g->owner, what);
			return;
		}
	m = json_object();
	imp_set(m, "what", what);
	imp_append(imp_list(m, "pool"), pool);
	json_array_append_new(matches, m);
}

static bool
has_default(const struct geo_name *g)
{
	const json_t *list = json_object_get(g->policy, "match"), *m;
	size_t i;

	json_array_foreach(list, i, m)
		if (!strcmp(json_string_value(json_object_get(m, "what")), "default"))
			return true;
	return false;
}

/* --- geodb --------------------------------------------------------------------------------------------------------- */

/* What the last part of "CZ;*;Prague" that is no star asks for; NULL: it is not known here. */
static const char *
place(struct knot *k, struct geo_name *g, const struct imp_value *geo)
{
	static const char *const key_default = "country/iso_code";
	const struct imp_value *keys = imp_get(g->module, "geodb-key");
	const char *what = "default", *country = NULL;
	char *text = imp_text(&k->t, "%s", geo->text), *part, *rest = text;

	for (size_t i = 0; (part = strsep(&rest, ";")); i++) {
		const char *key = i < imp_len(keys) ? imp_at(keys, i)->text : !i ? key_default : "";
		char *end;

		while (*part == ' ')
			part++;
		for (end = part + strlen(part); end > part && end[-1] == ' ';)
			*--end = '\0';
		if (!*part || !strcmp(part, "*"))
			continue;
		if (*key == '(' && strchr(key, ')'))
			key = strchr(key, ')') + 1;
		if (!strcmp(key, "continent/code")) {
			what = imp_text(&k->t, "continent=%s", part);
		} else if (!strcmp(key, "country/iso_code")) {
			country = part;
			what = imp_text(&k->t, "country=%s", part);
		} else if (!strcmp(key, "subdivisions/0/iso_code") && country) {
			what = imp_text(&k->t, "subdivision=%s-%s", country, part);
		} else if (!strcmp(key, "city/names/en")) {
			what = imp_text(&k->t, "city=%s", part);
			imp_note(k->in, geo, "%s: %s matches every city of that name, in any country", g->owner, what);
		} else if (!strcmp(key, "autonomous_system_number")) {
			what = imp_text(&k->t, "asn=%s", part);
		} else {
			imp_note(k->in, geo, "%s: geodb-key %s is not known here, \"%s\" is not taken over", g->owner, key, geo->text);
			return NULL;
		}
	}
	return what;
}

static void
database(struct knot *k, const struct geo_name *g)
{
	const char *file = imp_str(g->module, "geodb-file", "");

	if (file[0])
		imp_append(imp_list(imp_object(k->in->dns, "location"), "maxmind"), imp_path(&k->t, g->module->file, file));
}

static void
put_views(struct knot *k, struct geo_name *g, size_t index)
{
	const char *pool;

	for (size_t i = 0; i < imp_len(g->views); i++) {
		const struct imp_value *view = imp_at(g->views, i), *by;
		double weight;

		if (view->kind != IMP_MAP)
			continue;
		by = imp_get(view, g->mode == GEO_SUBNET ? "net" : g->mode == GEO_GEODB ? "geo" : "weight");
		if (!by || by->kind != IMP_STRING) {
			imp_note(k->in, view, "%s: net, geo or weight is missing, as the module's mode has it", g->owner);
			continue;
		}
		pool = view_pool(k, g, view, imp_text(&k->t, "%zu", i + 1));
		if (!pool)
			continue;
		if (g->mode == GEO_WEIGHTED) {
			candidate(g, pool, imp_number(by, &weight) && weight >= 0 ? weight : 0);
			continue;
		}
		candidate(g, pool, -1);
		if (g->mode == GEO_SUBNET) {
			struct wf_err err = { "" };
			struct pol_prefix p;

			if (pol_prefix_parse(by->text, &p, &err))
				imp_note(k->in, by, "%s: %s", g->owner, err.text);
			else
				imp_nets_add(&k->nets, &p, index, pool, by);
			continue;
		}
		const char *what = place(k, g, by);

		if (what)
			match(k, g, by, what, pool);
	}
}

void
knot_geo_put(struct knot *k)
{
	k->nets.n_maps = k->n_names;
	for (size_t i = 0; i < k->n_names; i++) {
		struct geo_name *g = &k->names[i];
		const char *name = imp_name(&k->t, g->pool), *own;
		json_t *chosen, *order;
		double ttl = 60;

		imp_number(imp_get(g->module, "ttl"), &ttl);
		g->policy = imp_add(imp_list(k->in->dns, "policy"), name);
		put_views(k, g, i);
		if (g->mode == GEO_GEODB)
			database(k, g);
		if (g->mode != GEO_WEIGHTED) {
			order = imp_list(g->policy, "order");
			json_array_append_new(order, json_string("region-map"));
			json_object_set_new(g->policy, "only-matched", json_true());
			own = has_default(g) ? NULL : default_pool(k, g);
			if (own) {
				candidate(g, own, -1);
				if (g->ttl && g->ttl != (unsigned)ttl)
					imp_note(k->in, g->views, "%s: has one TTL here, %g, not %u where the zone's own set is answered",
						 g->owner, ttl, g->ttl);
				match(k, g, g->views, "default", own);
			}
		}
		if (!json_object_get(g->policy, "candidate")) {
			imp_note(k->in, g->views, "%s: has no A, AAAA or CNAME, it is left out", g->owner);
			json_array_remove(imp_list(k->in->dns, "policy"), json_array_size(imp_list(k->in->dns, "policy")) - 1);
			g->policy = NULL;
			continue;
		}
		chosen = imp_add(imp_list(g->zone, "chosen"), g->owner);
		imp_set(chosen, "policy", name);
		imp_set_int(chosen, "ttl", ttl < 0 ? 0 : ttl > 86400 ? 86400 : (json_int_t)ttl);
	}
	imp_nets_put(k->in, &k->t, &k->nets);
	for (size_t r = 0; r < k->nets.n_regions; r++)
		for (size_t i = 0; i < k->n_names; i++) {
			const struct imp_net *net = k->nets.regions[r].nets[i];

			if (net && k->names[i].policy)
				match(k, &k->names[i], net->value, imp_text(&k->t, "region=%s", k->nets.regions[r].name), net->label);
		}
	for (size_t i = 0; i < k->n_names; i++)
		if (k->names[i].policy)
			imp_unmix(k->in, k->names[i].views, k->names[i].policy);
}
