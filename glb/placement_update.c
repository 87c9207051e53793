// SPDX-License-Identifier: Apache-2.0
/* From what the operator wants to the next document. */
#include "glb/placement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "glb/address.h"

struct update {
	struct placement *p;
	struct plc_rules rules;
	struct wf_str *report;
	struct wf_err *err;
	bool changed;
};

static int
unknown_key(struct update *u, const json_t *o, const char *where, const char *const known[])
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)o, name, v) {
		const char *const *k = known;

		while (*k && strcmp(*k, name))
			k++;
		if (!*k)
			return wf_err(u->err, -EINVAL, "%s: %s: is not known here", where, name);
	}
	return 0;
}

/* "s1": "10.0.0.1" or "s1": { "address": "10.0.0.1", "encapsulation": "gue", ... } */
static int
want_node(struct update *u, enum plc_kind kind, const char *name, const json_t *v)
{
	static const char *const known[] = { "address", "no-second-chance", "encapsulation", "port", "mac", NULL };
	const char *where = kind == PLC_SITE ? "sites" : "servers", *wrong;
	const json_t *text = json_is_object(v) ? json_object_get(v, "address") : v;
	struct plc_node *n = plc_node_by_name(u->p, kind, name), next = { .kind = kind };

	if (!glb_name_is_good(name))
		return wf_err(u->err, -EINVAL, "%s: %s: a name %s", where, name, GLB_NAME_RULE);
	if (json_is_object(v) && unknown_key(u, v, name, known))
		return -EINVAL;
	if (n)
		next = *n;
	if (!glb_address_parse(json_string_value(text), &next.address))
		return wf_err(u->err, -EINVAL, "%s: %s: address: is an IPv4 or IPv6 address", where, name);
	wrong = plc_get_encap(v, &next);
	if (wrong)
		return wf_err(u->err, -EINVAL, "%s: %s: %s", where, name, wrong);
	if (!n) {
		if (u->p->next_id >= PLC_MAX_ID)
			return wf_err(u->err, -ENOSPC, "%s: %s: no id is left", where, name);
		u->p->nodes = wf_xrealloc(u->p->nodes, (u->p->n_nodes + 1) * sizeof *u->p->nodes);
		n = &u->p->nodes[u->p->n_nodes++];
		next.id = u->p->next_id++;
		strcpy(next.name, name);
		u->changed = true;
	}
	u->changed |= memcmp(n, &next, sizeof next) != 0;
	*n = next;
	return 0;
}

static int
want_nodes(struct update *u, enum plc_kind kind, const json_t *wanted)
{
	const char *where = kind == PLC_SITE ? "sites" : "servers", *name;
	json_t *v;
	int rc;

	if (!json_is_object(wanted))
		return wf_err(u->err, -EINVAL, "%s: is an object, name: address", where);
	json_object_foreach((json_t *)wanted, name, v) {
		rc = want_node(u, kind, name, v);
		if (rc)
			return rc;
	}
	return 0;
}

static int
by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct plc_member *)a)->node, y = ((const struct plc_member *)b)->node;

	return (x > y) - (x < y);
}

static int
edit(struct update *u, struct plc_table *t, struct plc_member *want, size_t n, const char *where)
{
	struct wf_err why = { "" };
	struct plc_moves m;
	bool same;
	int rc;

	qsort(want, n, sizeof *want, by_id);
	same = t->n_members == n && (!n || !memcmp(t->members, want, n * sizeof *want));
	if (same && !u->rules.n_dead && !u->rules.forget_before)
		return 0;
	rc = plc_table_edit(t, want, n, u->p->number + 1, &u->rules, &m, &why);
	if (rc)
		return wf_err(u->err, rc, "%s: %s", where, why.text);
	u->changed = true;
	if (m.moved || m.cut || m.doubled || !same)
		wf_str_fmt(u->report, "%s: %u of %u slots moved%s", where, m.moved, t->n_slots,
			   m.doubled ? ", the table grew" : "");
	else
		return 0;
	if (m.cut)
		wf_str_fmt(u->report, ", %u cut", m.cut);
	wf_str_putc(u->report, '\n');
	return 0;
}

static int
want_weight(struct update *u, const json_t *v, const char *where, const char *name, uint32_t *ret)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1000000)
		return wf_err(u->err, -EINVAL, "%s: %s: weight: is 0 (drains) to 1000000", where, name);
	*ret = (uint32_t)json_integer_value(v);
	return 0;
}

static int
want_servers(struct update *u, struct plc_pool *pool, const struct plc_node *site, const json_t *wanted)
{
	char where[2 * PLC_NAME_MAX + 16];
	struct plc_site_table *st = NULL;
	struct plc_member *want;
	const char *name;
	size_t n = 0;
	json_t *v;
	int rc = 0;

	snprintf(where, sizeof where, "%s/%s", pool->name, site->name);
	for (size_t i = 0; i < pool->n_by_site; i++)
		if (pool->by_site[i].site == site->id)
			st = &pool->by_site[i];
	if (!st) {
		pool->by_site = wf_xrealloc(pool->by_site, (pool->n_by_site + 1) * sizeof *st);
		st = &pool->by_site[pool->n_by_site++];
		memset(st, 0, sizeof *st);
		st->site = site->id;
	}
	want = wf_xzalloc((json_object_size(wanted) + 1) * sizeof *want);
	json_object_foreach((json_t *)wanted, name, v) {
		const struct plc_node *s = plc_node_by_name(u->p, PLC_SERVER, name);

		if (!s) {
			rc = wf_err(u->err, -EINVAL, "%s: servers: %s: is not under \"servers\"", where, name);
			break;
		}
		want[n].node = s->id;
		rc = want_weight(u, v, where, name, &want[n++].weight);
		if (rc)
			break;
	}
	rc = rc ? rc : edit(u, &st->servers, want, n, where);
	free(want);
	return rc;
}

static int
want_pool(struct update *u, const char *name, const json_t *sites)
{
	static const char *const known[] = { "weight", "servers", NULL };
	struct plc_pool *pool = plc_pool_by_name(u->p, name);
	struct plc_member *want;
	char where[PLC_NAME_MAX + 32];
	const char *site_name;
	size_t n = 0;
	json_t *v;
	int rc = 0;

	if (!glb_name_is_good(name))
		return wf_err(u->err, -EINVAL, "pools: %s: a name %s", name, GLB_NAME_RULE);
	if (!json_is_object(sites))
		return wf_err(u->err, -EINVAL, "pools: %s: is an object, site: weight and servers", name);
	if (!pool) {
		if (u->p->next_id >= PLC_MAX_ID)
			return wf_err(u->err, -ENOSPC, "pools: %s: no id is left", name);
		u->p->pools = wf_xrealloc(u->p->pools, (u->p->n_pools + 1) * sizeof *pool);
		pool = &u->p->pools[u->p->n_pools++];
		memset(pool, 0, sizeof *pool);
		pool->id = u->p->next_id++;
		strcpy(pool->name, name);
		u->changed = true;
	}
	want = wf_xzalloc((json_object_size(sites) + 1) * sizeof *want);
	json_object_foreach((json_t *)sites, site_name, v) {
		const struct plc_node *site = plc_node_by_name(u->p, PLC_SITE, site_name);
		const json_t *servers = json_object_get(v, "servers");

		rc = -EINVAL;
		snprintf(where, sizeof where, "pools: %s", name);
		if (!site) {
			wf_err(u->err, rc, "%s: %s: is not under \"sites\"", where, site_name);
			break;
		}
		if (unknown_key(u, v, where, known))
			break;
		if (!json_is_object(servers)) {
			wf_err(u->err, rc, "%s: %s: servers: is an object, name: weight", where, site_name);
			break;
		}
		want[n].node = site->id;
		rc = want_weight(u, json_object_get(v, "weight"), where, site_name, &want[n++].weight);
		rc = rc ? rc : want_servers(u, pool, site, servers);
		if (rc)
			break;
	}
	rc = rc ? rc : edit(u, &pool->sites, want, n, name);
	free(want);
	/* A site that left with nothing listed in the site table left its server table, too. */
	for (size_t i = pool->n_by_site; !rc && i-- > 0;) {
		const struct plc_node *site = plc_node_by_id(u->p, pool->by_site[i].site);

		if (!json_object_get(sites, site->name) || site->gone) {
			plc_table_done(&pool->by_site[i].servers);
			pool->by_site[i] = pool->by_site[--pool->n_by_site];
			u->changed = true;
		}
	}
	return rc;
}

static bool
is_listed(const struct plc_table *t, uint32_t id)
{
	for (size_t i = 0; i < t->n_members; i++)
		if (t->members[i].node == id)
			return true;
	return false;
}

/* Nodes and pools that are no longer named: their ids stay taken. */
static int
retire(struct update *u, const json_t *root)
{
	const json_t *pools = json_object_get(root, "pools");

	for (size_t i = 0; i < u->p->n_pools; i++) {
		struct plc_pool *pool = &u->p->pools[i];

		if (pool->gone || json_object_get(pools, pool->name))
			continue;
		if (!u->rules.cut)
			return wf_err(u->err, -EBUSY, "pools: %s: would cut all its connections: it is in the "
				      "document but not wanted any more", pool->name);
		plc_table_done(&pool->sites);
		while (pool->n_by_site)
			plc_table_done(&pool->by_site[--pool->n_by_site].servers);
		pool->gone = u->changed = true;
	}
	for (size_t i = 0; i < u->p->n_nodes; i++) {
		struct plc_node *n = &u->p->nodes[i];
		const json_t *of = json_object_get(root, n->kind == PLC_SITE ? "sites" : "servers");
		bool listed = false;

		if (n->gone || json_object_get(of, n->name))
			continue;
		for (size_t k = 0; k < u->p->n_pools; k++) {
			const struct plc_pool *pool = &u->p->pools[k];

			listed |= is_listed(&pool->sites, n->id);
			for (size_t s = 0; s < pool->n_by_site; s++)
				listed |= is_listed(&pool->by_site[s].servers, n->id);
		}
		if (listed)
			return wf_err(u->err, -EINVAL, "%s is a member of a pool: it needs its address", n->name);
		n->gone = u->changed = true;
	}
	return 0;
}

int
plc_update(struct placement *p, const char *text, size_t len, const char *const dead[], size_t n_dead,
	   uint32_t forget_before, bool cut, struct wf_str *report, struct wf_err *err)
{
	static const char *const known[] = { "sites", "servers", "pools", NULL };
	struct update u = { .p = p, .report = report, .err = err };
	uint32_t *dead_ids = wf_xzalloc((n_dead + 1) * sizeof *dead_ids);
	const char *name;
	json_error_t e;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e), *v;
	int rc = 0;

	if (!root) {
		free(dead_ids);
		return wf_err(err, -EINVAL, "line %d: %s", e.line, e.text);
	}
	for (size_t i = 0; i < n_dead && !rc; i++) {
		const struct plc_node *n = plc_node_by_name(p, PLC_SERVER, dead[i]);

		n = n ? n : plc_node_by_name(p, PLC_SITE, dead[i]);
		if (!n)
			rc = wf_err(err, -EINVAL, "%s: no server or site of that name to be dead", dead[i]);
		else
			dead_ids[i] = n->id;
	}
	u.rules = (struct plc_rules){ dead_ids, n_dead, forget_before, cut };
	rc = rc ? rc : unknown_key(&u, root, "/", known);
	rc = rc ? rc : want_nodes(&u, PLC_SITE, json_object_get(root, "sites"));
	rc = rc ? rc : want_nodes(&u, PLC_SERVER, json_object_get(root, "servers"));
	if (!rc && !json_is_object(json_object_get(root, "pools")))
		rc = wf_err(err, -EINVAL, "pools: is an object, name: sites");
	if (!rc)
		json_object_foreach(json_object_get(root, "pools"), name, v)
			if ((rc = want_pool(&u, name, v)))
				break;
	rc = rc ? rc : retire(&u, root);
	if (!rc && !cut)
		rc = plc_key_fits(p, err);
	json_decref(root);
	free(dead_ids);
	if (rc)
		return rc;
	p->number += u.changed;
	return u.changed;
}
