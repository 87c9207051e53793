// SPDX-License-Identifier: Apache-2.0
#include "glb/health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/hmap.h"
#include "base/log.h"
#include "base/yang_config.h"
#include "glb/address.h"
#include "glb/probe_path.h"
#include "policy/probe.h"

WF_LOG_MODULE(glb_health);

struct target {
	struct wf_hmap_node by_name;
	uint32_t place, index;	   /* among the members of its pool; in 'pol' */
	char pool[64], member[64]; /* of struct pol */
	uint32_t node;		   /* 0: what we tell of our own site */
	uint32_t pool_id;	   /* key of the tunnel */
	struct in6_addr address;   /* of the node */
	const char *service;	   /* pool of the document: 'pool' or 'member' */
	bool tunnel;
	double capacity; /* packets a second; 0: not said */
};

/* What belongs to one configuration and document. */
struct targets {
	struct pol *pol;
	struct target *t;
	size_t n;
	struct wf_hmap *by_name;
	const struct target **by_node; /* sorted */
};

struct glb_health {
	struct pol_health *health;
	struct targets now;
	char site[64]; /* role local */
};

static void
targets_done(struct targets *t)
{
	pol_free(t->pol);
	if (t->by_name)
		wf_hmap_done(t->by_name);
	free(t->by_name);
	free(t->by_node);
	free(t->t);
}

static uint32_t
name_hash(const char *pool, const char *member)
{
	return wf_hash_str(member, wf_hash_str(pool, 0));
}

static const struct target *
find_target(const struct targets *all, const char *pool, const char *member)
{
	const struct target *t;

	wf_hmap_for_each_with_hash (t, by_name, name_hash(pool, member), all->by_name)
		if (!strcmp(t->pool, pool) && !strcmp(t->member, member))
			return t;
	return NULL;
}

static const struct pol_member *
state_of(const struct targets *all, const struct target *t)
{
	return pol_member_at(all->pol, t->index);
}

static int
by_node(const void *a, const void *b)
{
	const struct target *x = *(const struct target *const *)a, *y = *(const struct target *const *)b;

	return (x->node > y->node) - (x->node < y->node);
}

static void
number_targets(struct targets *all)
{
	all->by_node = wf_xmalloc((all->n + 1) * sizeof(struct target *));
	for (size_t i = 0; i < all->n; i++) {
		all->t[i].index = pol_pool_find(all->pol, all->t[i].pool)->first_member + all->t[i].place;
		all->by_node[i] = &all->t[i];
	}
	qsort(all->by_node, all->n, sizeof(struct target *), by_node);
}

static int
on_socket(void *arg, int fd, const struct pol_probe_conf *conf, const struct pol_addr *addr, const char *pool,
	  const char *member)
{
	const struct glb_health *h = arg;
	const struct target *t = find_target(&h->now, pool, member);

	return t && t->tunnel ? glb_probe_path_steer(fd, addr->family, t->pool_id, &t->address) : 0;
}

/* --- configuration ---------------------------------------------------------------------------- */

struct build {
	const struct glb_config *c;
	const struct placement *p;
	struct targets *all;
	json_t *pools;
	bool tunnels;
};

/* The pool of struct pol with that name, made of the settings that the configuration has for it. */
static json_t *
pool_get(struct build *b, const char *name, bool floor)
{
	json_t *o = (json_t *)wf_json_named(b->pools, name);
	const json_t *settings = wf_json_named(json_object_get(b->c->policy, "pool"), name);

	if (o)
		return o;
	o = settings ? json_copy((json_t *)settings) : json_pack("{s:s}", "name", name);
	json_object_set_new(o, "member", json_array());
	if (!floor)
		json_object_set_new(o, "floor", json_integer(1));
	json_array_append_new(b->pools, o);
	return o;
}

static bool
is_own(const struct glb_config *c, const struct in6_addr *a)
{
	return !memcmp(a, &c->own4, sizeof *a) || !memcmp(a, &c->own6, sizeof *a) ||
	       !memcmp(a, &c->host_address, sizeof *a);
}

/* The VIP that a probe of this pool is sent to; NULL: none that we have an address for. */
static const struct glb_vip_config *
probe_vip(const struct glb_config *c, const char *pool, bool udp)
{
	const struct in6_addr zero = { 0 };
	const struct glb_vip_config *found = NULL;

	for (size_t i = 0; i < c->n_vips; i++) {
		const struct glb_vip_config *v = &c->vips[i];
		const struct in6_addr *source = glb_address_is_v4(&v->address) ? &c->probe4 : &c->probe6;
		bool right = v->protocol == (udp ? IPPROTO_UDP : IPPROTO_TCP);

		if ((!strcmp(v->pool, pool) || !strcmp(v->fallback, pool)) && memcmp(source, &zero, sizeof zero) && (!found || right)) {
			found = v;
			if (right)
				break;
		}
	}
	return found;
}

static void
add(struct build *b, const char *pool, const char *member, const struct plc_pool *service,
    const struct plc_node *node, uint32_t weight, bool floor)
{
	json_t *o = pool_get(b, pool, floor), *m;
	const json_t *probe = wf_json_named(json_object_get(b->c->policy, "probe"), wf_json_str(o, "probe", ""));
	const char *type = wf_json_str(probe, "type", "");
	struct target *t = &b->all->t[b->all->n++];
	char address[INET6_ADDRSTRLEN];

	snprintf(t->pool, sizeof t->pool, "%s", pool);
	snprintf(t->member, sizeof t->member, "%s", member);
	t->pool_id = service->id;
	t->service = strcmp(t->pool, service->name) ? t->member : t->pool;
	t->capacity = (double)wf_json_u64(wf_json_named(json_object_get(b->c->policy, "pool"), service->name),
					  "packets-per-second", 0);
	m = json_pack("{s:s, s:[s]}", "name", member, "address",
		      node ? glb_address_text(&node->address, address) : "::");
	if (node) {
		const struct glb_vip_config *vip = probe_vip(b->c, service->name, !strcmp(type, "udp"));

		t->node = node->id;
		t->address = node->address;
		if (!weight)
			json_object_set_new(m, "drain", json_true());
		/* Probes go in GRE only, which each site takes; a server that is reached otherwise is asked at its own
		 * address. */
		if (probe && vip && (node->kind == PLC_SITE || node->encap == GLB_ENCAP_GRE) && strcmp(type, "script") &&
		    strcmp(wf_json_str(probe, "through", "tunnel"), "direct")) {
			/* To ourselves there is no tunnel; the VIP is ours then. */
			t->tunnel = !is_own(b->c, &node->address);
			b->tunnels |= t->tunnel;
			json_object_set_new(m, "probe-address", json_string(glb_address_text(&vip->address, address)));
		}
	} else {
		json_object_del(o, "probe");
	}
	t->place = (uint32_t)json_array_size(json_object_get(o, "member"));
	json_array_append_new(json_object_get(o, "member"), m);
	wf_hmap_insert(b->all->by_name, &t->by_name, name_hash(pool, member));
}

static void
add_pool(struct build *b, const struct plc_pool *pool)
{
	const struct plc_node *own = b->c->role[GLB_LOCAL] ? plc_node_by_name(b->p, PLC_SITE, b->c->site) : NULL;
	const struct plc_table *servers = own ? plc_servers_at(pool, own->id) : NULL;

	for (size_t i = 0; b->c->role[GLB_EDGE] && i < pool->sites.n_members; i++) {
		const struct plc_node *n = plc_node_by_id(b->p, pool->sites.members[i].node);

		add(b, n->name, pool->name, pool, n, pool->sites.members[i].weight, false);
	}
	for (size_t i = 0; servers && i < servers->n_members; i++) {
		const struct plc_node *n = plc_node_by_id(b->p, servers->members[i].node);

		add(b, pool->name, n->name, pool, n, servers->members[i].weight, true);
	}
	if (servers && servers->n_members && !find_target(b->all, own->name, pool->name))
		add(b, own->name, pool->name, pool, NULL, 1, false);
}

static int
build_targets(struct build *b, struct wf_err *err)
{
	size_t room = 1;
	bool *used;

	for (size_t i = 0; i < b->p->n_pools; i++) {
		const struct plc_pool *pool = &b->p->pools[i];

		if (plc_node_by_name(b->p, PLC_SITE, pool->name))
			return wf_err(err, -EINVAL, "placement: \"%s\" is the name of a site and of a pool", pool->name);
		room += pool->sites.n_members + 1;
		for (size_t j = 0; j < pool->n_by_site; j++)
			room += pool->by_site[j].servers.n_members;
	}
	b->all->t = wf_xzalloc(room * sizeof *b->all->t);
	used = wf_xzalloc((b->p->n_pools + 1) * sizeof *used);
	for (size_t v = 0; v < 2 * b->c->n_vips; v++) {
		const struct glb_vip_config *vip = &b->c->vips[v / 2];
		const struct plc_pool *pool = plc_pool_by_name(b->p, v % 2 ? vip->fallback : vip->pool);

		if (pool)
			used[pool - b->p->pools] = true;
	}
	for (size_t i = 0; i < b->p->n_pools; i++)
		if (used[i])
			add_pool(b, &b->p->pools[i]);
	free(used);
	return 0;
}

static bool
same_members(const struct plc_table *a, const struct plc_table *b)
{
	if (!a || !b || a->n_members != b->n_members)
		return a == b;
	for (size_t i = 0; i < a->n_members; i++)
		if (a->members[i].node != b->members[i].node || !a->members[i].weight != !b->members[i].weight)
			return false;
	return true;
}

/* Weights change more often than who is there. */
static bool
same_targets(const struct glb_config *c, const struct placement *p, const struct placement *before)
{
	const struct plc_node *own = c->role[GLB_LOCAL] ? plc_node_by_name(p, PLC_SITE, c->site) : NULL;

	if (!plc_same_nodes(p, before) || p->n_pools != before->n_pools)
		return false;
	for (size_t i = 0; i < p->n_pools; i++) {
		const struct plc_pool *a = &p->pools[i], *b = &before->pools[i];

		if (plc_same_pool(p, before, i))
			continue;
		if (a->gone != b->gone || strcmp(a->name, b->name) != 0 || !same_members(&a->sites, &b->sites) ||
		    (own && !same_members(plc_servers_at(a, own->id), plc_servers_at(b, own->id))))
			return false;
	}
	return true;
}

int
glb_health_apply(struct glb_health *h, const struct glb_config *c, const struct placement *p,
		 const struct placement *document_before, struct wf_err *err)
{
	struct targets next = { 0 }, before = h->now;
	struct build b = { c, p, &next, NULL, false };
	struct wf_err why = { "" };
	json_t *conf;
	int rc;

	if (document_before && same_targets(c, p, document_before))
		return 0;
	b.pools = json_array();
	conf = json_pack("{s:o}", "pool", b.pools);
	next.by_name = wf_xmalloc(sizeof *next.by_name);
	wf_hmap_init(next.by_name);
	rc = build_targets(&b, &why);
	for (const char *const *key = (const char *const[]){ "probe", "health", NULL }; *key; key++)
		if (json_object_get(c->policy, *key))
			json_object_set(conf, *key, json_object_get(c->policy, *key));
	rc = rc ? rc : pol_build(conf, c->folder, before.pol, &next.pol, &why);
	if (!rc)
		number_targets(&next);
	if (!rc && b.tunnels)
		rc = glb_probe_path_open(c, &why);
	if (!rc) {
		h->now = next;
		rc = pol_health_apply(h->health, conf, c->folder, next.pol, &why);
		if (rc)
			h->now = before;
	}
	json_decref(conf);
	if (rc) {
		targets_done(&next);
		return wf_err(err, rc, "%s", why.text);
	}
	if (!b.tunnels)
		glb_probe_path_close();
	snprintf(h->site, sizeof h->site, "%s", c->role[GLB_LOCAL] ? c->site : "");
	targets_done(&before);
	return 0;
}

/* --- outcome ---------------------------------------------------------------------------------- */

const struct pol *
glb_health_pol(const struct glb_health *h)
{
	return h->now.pol;
}

void
glb_health_nodes(const struct glb_health *h, void (*fn)(void *arg, uint32_t node, unsigned flags, unsigned shed),
		 void *arg)
{
	size_t i = 0;

	while (i < h->now.n) {
		uint32_t node = h->now.by_node[i]->node, n = 0, n_up = 0, n_open = 0;
		unsigned share = 256;

		for (; i < h->now.n && h->now.by_node[i]->node == node; i++) {
			const struct pol_member *m = state_of(&h->now, h->now.by_node[i]);

			n++;
			n_up += m->up;
			n_open += m->up && !m->drain;
			if (m->up && !m->drain) {
				unsigned s = pol_member_share(h->now.pol, h->now.by_node[i]->index);

				share = s < share ? s : share;
			}
		}
		/* A share of nothing is a drain that nobody asked for: one slot in 256 stays. */
		if (node)
			fn(arg, node, !n_up ? GLB_NODE_DEAD : n_open < n ? GLB_NODE_DRAIN : 0,
			   share > 255 ? 0 : share ? 256 - share : 255);
	}
}

bool
glb_health_is_awaited(const struct glb_health *h, uint32_t node)
{
	for (size_t i = 0; i < h->now.n; i++)
		if (h->now.t[i].node == node && pol_health_is_awaited(h->health, h->now.t[i].pool, h->now.t[i].member))
			return true;
	return false;
}

bool
glb_health_pool_is_up(const struct glb_health *h, const char *pool)
{
	bool any = false;

	for (size_t i = 0; i < h->now.n; i++) {
		const struct target *t = &h->now.t[i];
		const struct pol_member *m = t->node && !strcmp(t->service, pool) ? state_of(&h->now, t) : NULL;

		if (!m)
			continue;
		any = true;
		if (m->up && pol_pool_at(h->now.pol, m->pool)->n_up >= pol_pool_at(h->now.pol, m->pool)->floor)
			return true;
	}
	return !any;
}

bool
glb_health_pool_is_awaited(const struct glb_health *h, const char *pool)
{
	for (size_t i = 0; i < h->now.n; i++) {
		const struct target *t = &h->now.t[i];

		if (t->node && !strcmp(t->service, pool) && pol_health_is_awaited(h->health, t->pool, t->member))
			return true;
	}
	return false;
}

int
glb_health_mark(struct glb_health *h, uint32_t node, enum glb_mark mark)
{
	int rc = -ENOENT;

	for (size_t i = 0; i < h->now.n; i++) {
		const struct target *t = &h->now.t[i];
		struct wf_err err;

		if (t->node != node)
			continue;
		rc = pol_health_force(h->health, t->pool, t->member,
				      mark == GLB_MARK_DEAD ? POL_FORCE_DOWN : POL_FORCE_NONE, &err);
		rc = rc ? rc : pol_health_drain(h->health, t->pool, t->member, mark == GLB_MARK_DRAIN, &err);
	}
	return rc;
}

static void
report_pool(struct glb_health *h, const struct target *own, double (*rate)(void *arg, const char *pool), void *arg,
	    json_t *lines)
{
	double sum = 0, load = -1, weight = 0;
	bool open = false;
	json_t *line;

	for (size_t i = 0; i < h->now.n; i++) {
		const struct target *t = &h->now.t[i];
		const struct pol_member *m = t->node && !strcmp(t->pool, own->member) ? state_of(&h->now, t) : NULL;

		if (!m || !m->up)
			continue;
		open |= !m->drain;
		if (m->load >= 0) {
			sum += m->load;
			weight++;
		}
	}
	if (weight)
		load = sum / weight;
	if (own->capacity > 0 && rate(arg, own->member) / own->capacity > load)
		load = rate(arg, own->member) / own->capacity;
	line = json_pack("{s:s, s:s, s:b, s:b}", "pool", own->pool, "member", own->member, "up",
			 glb_health_pool_is_up(h, own->member), "drain", !open && glb_health_pool_is_up(h, own->member));
	if (load >= 0)
		json_object_set_new(line, "load", json_real(load * 100));
	json_array_append_new(lines, line);
}

void
glb_health_report(struct glb_health *h, double (*rate)(void *arg, const char *pool), void *arg)
{
	json_t *lines = json_array(), *message;
	struct wf_err err = { "" };

	for (size_t i = 0; h->site[0] && i < h->now.n; i++)
		if (!strcmp(h->now.t[i].pool, h->site))
			report_pool(h, &h->now.t[i], rate, arg, lines);
	message = json_pack("{s:i, s:b, s:o}", "weft-health", 1, "full", 1, "members", lines);
	if (json_array_size(lines) && pol_health_report(h->health, "balancer", message, &err))
		wf_warn_rl("own report: %s", err.text);
	json_decref(message);
}

/* --- life ------------------------------------------------------------------------------------- */

struct glb_health *
glb_health_new(void (*changed)(void *))
{
	struct glb_health *h = wf_xzalloc(sizeof *h);
	char name[64] = "weft-glb";

	gethostname(name, sizeof name - 1);
	h->health = pol_health_new(name);
	pol_health_on_state(h->health, changed, h);
	pol_health_unixctl_init(h->health);
	pol_probe_on_socket(on_socket, h);
	return h;
}

void
glb_health_free(struct glb_health *h)
{
	if (!h)
		return;
	pol_probe_on_socket(NULL, NULL);
	pol_health_free(h->health);
	glb_probe_path_close();
	targets_done(&h->now);
	free(h);
}
