// SPDX-License-Identifier: Apache-2.0
#include "xlate_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rcu.h"
#include "dataplane/plan_text.h"
#include "openflow/action.h"

#define MAX_PORTS 16
#define MAX_BRIDGES 4

static struct rig {
	struct bridge *br;
	unsigned n;
	struct xport ports[MAX_PORTS];
	struct bundle bundles[MAX_PORTS];
	struct l2_config l2;
} rigs[MAX_BRIDGES];
static unsigned n_rigs;

static void
die(const char *what, const char *text, char *error)
{
	fprintf(stderr, "%s: %s: %s\n", what, text, error);
	abort();
}

static struct rig *
rig_of(struct bridge *br)
{
	for (unsigned i = 0; i < n_rigs; i++)
		if (rigs[i].br == br)
			return &rigs[i];
	abort();
}

void
rig_init(void)
{
	wf_rcu_register("main");
	view_init();
	bridge_free_macs = mac_table_free;
}

struct bridge *
rig_bridge(const char *name)
{
	struct rig *r = &rigs[n_rigs++];

	memset(r, 0, sizeof *r);
	r->br = view_bridge_add(name);
	if (!r->br->macs)
		r->br->macs = mac_table_new();
	return r->br;
}

struct xport *
rig_port(struct bridge *br, of_port_t port)
{
	return rig_port_with(br, port, NULL);
}

struct xport *
rig_port_with(struct bridge *br, of_port_t port, struct port *dev)
{
	struct rig *r = rig_of(br);

	for (unsigned i = 0; i < r->n; i++)
		if (r->ports[i].ofp_port == port)
			return &r->ports[i];
	struct xport *p = &r->ports[r->n];
	struct bundle *b = &r->bundles[r->n];

	p->ofp_port = port;
	p->may_enable = true;
	snprintf(p->name, sizeof p->name, "p%u", port);
	p->slot = view_slot_alloc(dev, br, port, 0, &p->generation);
	snprintf(b->name, sizeof b->name, "p%u", port);
	b->index = r->n;
	b->mode = VLAN_TRUNK;
	b->vlan = -1;
	b->floodable = true;
	b->n_members = 1;
	b->members[0] = port;
	r->n++;
	return p;
}

struct bundle *
rig_bundle(struct bridge *br, of_port_t port)
{
	struct rig *r = rig_of(br);

	return &r->bundles[rig_port(br, port) - r->ports];
}

struct l2_config *
rig_l2(struct bridge *br)
{
	return &rig_of(br)->l2;
}

void
rig_patch(struct bridge *a, of_port_t pa, struct bridge *b, of_port_t pb)
{
	struct xport *x = rig_port(a, pa), *y = rig_port(b, pb);

	x->is_patch = y->is_patch = true;
	x->peer_bridge = b;
	x->peer_port = pb;
	y->peer_bridge = a;
	y->peer_port = pa;
	x->rx_patch = counter_new();
	x->tx_patch = counter_new();
	y->rx_patch = counter_new();
	y->tx_patch = counter_new();
}

static int
by_number(const void *a, const void *b)
{
	const struct xport *x = a, *y = b;

	return x->ofp_port < y->ofp_port ? -1 : x->ofp_port > y->ofp_port;
}

static void
publish_ports(struct rig *r)
{
	struct xport_set *set = xport_set_new(r->n);
	struct l2_config *l2 = wf_xmemdup(&r->l2, sizeof *l2);

	l2->n_bundles = r->n;
	l2->bundles = wf_xmalloc((r->n + 1) * sizeof *l2->bundles);
	set->n = r->n;
	for (unsigned i = 0; i < r->n; i++) {
		l2->bundles[i] = wf_xmemdup(&r->bundles[i], sizeof r->bundles[i]);
		if (r->bundles[i].trunks)
			l2->bundles[i]->trunks = wf_xmemdup(r->bundles[i].trunks, 512);
		set->ports[i] = r->ports[i];
		set->ports[i].bundle = l2->bundles[i];
	}
	for (unsigned m = 0; m < MAX_MIRRORS; m++) {
		/* Given as a pointer into the rig. */
		if (l2->mirrors[m].out)
			l2->mirrors[m].out = l2->bundles[l2->mirrors[m].out - r->bundles];
		if (l2->mirrors[m].vlans)
			l2->mirrors[m].vlans = wf_xmemdup(l2->mirrors[m].vlans, 512);
		l2->has_mirrors |= l2->mirrors[m].in_use;
	}
	qsort(set->ports, set->n, sizeof set->ports[0], by_number);
	xport_set_hash(set);
	view_set_ports(r->br, set);
	view_set_l2(r->br, l2);
}

void
rig_publish(void)
{
	for (unsigned i = 0; i < n_rigs; i++)
		publish_ports(&rigs[i]);
	view_publish(true);
}

struct rule *
rig_flow(struct bridge *br, const char *text)
{
	char *copy = wf_xstrdup(text), *actions = strstr(copy, "actions="), *error;
	struct of_match_full *m = wf_xzalloc(sizeof *m);
	struct wf_buf list = WF_BUF_INIT;
	unsigned table = 0, priority = 32768;
	uint64_t cookie = 0;
	struct wf_str match = WF_STR_INIT;
	struct rule *r;

	*actions = '\0';
	for (char *save, *tok = strtok_r(copy, ", ", &save); tok; tok = strtok_r(NULL, ", ", &save)) {
		if (sscanf(tok, "table=%u", &table) == 1 || sscanf(tok, "priority=%u", &priority) == 1)
			continue;
		if (!strncmp(tok, "cookie=", 7)) {
			cookie = strtoull(tok + 7, NULL, 0);
			continue;
		}
		wf_str_fmt(&match, "%s%s", match.len ? "," : "", tok);
	}
	error = of_match_parse(m, wf_str_cstr(&match), NULL, NULL);
	if (error)
		die("match", text, error);
	if (strcmp(actions + 8, "drop")) {
		error = of_actions_parse(actions + 8, &list);
		if (error)
			die("actions", text, error);
	}
	r = rule_new(m, (uint16_t)priority, list.data, list.size);
	r->cookie = cookie;
	table_add(&br->tables[table], r, view_next_version());
	view_fields_used(r->match, r->actions, 1);
	view_publish(true);
	wf_buf_done(&list);
	wf_str_done(&match);
	free(copy);
	free(m);
	return r;
}

void
rig_flow_del(struct rule *r)
{
	table_remove(r->table, r, view_next_version());
	view_publish(true);
}

struct group *
rig_group(struct bridge *br, uint32_t id, enum group_type type, unsigned n,
	  const char *const buckets[])
{
	struct group *g = wf_xzalloc(sizeof *g);

	g->id = id;
	g->type = type;
	g->bridge = br;
	g->counter = counter_new();
	g->n_buckets = n;
	g->buckets = wf_xzalloc(n * sizeof *g->buckets);
	atomic_init(&g->refs, 1);
	for (unsigned i = 0; i < n; i++) {
		struct wf_buf list = WF_BUF_INIT;
		struct bucket *b = &g->buckets[i];
		char *error = of_actions_parse(buckets[i], &list);

		if (error)
			die("bucket", buckets[i], error);
		b->bucket_id = i;
		b->weight = 1;
		b->watch_port = OF_PORT_ANY;
		b->watch_group = OF_PORT_ANY;
		b->counter = counter_new();
		b->hash_id = i * 0x9e3779b97f4a7c15ull;
		b->actions = rule_actions_new(list.data, list.size);
		wf_buf_done(&list);
	}
	view_group_set(br, id, g);
	view_publish(false);
	return g;
}

struct of_key
rig_key(const char *text)
{
	struct of_key key;
	char *error;

	memset(&key, 0, sizeof key);
	error = of_key_parse(&key, NULL, text, NULL, NULL);
	if (error)
		die("key", text, error);
	return key;
}

struct plan *
rig_translate(struct bridge *br, const struct of_key *key)
{
	struct xlate_in in = { .view = view_get(), .bridge = br, .in_slot = UINT32_MAX, .key = *key,
			       .for_cache = true };

	return translate(&in);
}

char *
rig_plan(struct bridge *br, const char *text)
{
	struct of_key key = rig_key(text);
	struct plan *p = rig_translate(br, &key);
	struct wf_str s = WF_STR_INIT;

	plan_text(p, &key, NULL, view_get(), false, &s);
	plan_free(p);
	return wf_str_steal(&s);
}

char *
rig_resolved(struct bridge *br, const char *text)
{
	struct of_key key = rig_key(text), wc = { 0 };
	struct xlate_in in = { .view = view_get(), .bridge = br, .in_slot = UINT32_MAX, .key = key,
			       .resolve = true, .wc = &wc };
	struct plan *p = translate(&in);
	struct wf_str s = WF_STR_INIT;

	plan_text(p, &key, &wc, view_get(), false, &s);
	plan_free(p);
	return wf_str_steal(&s);
}

char *
rig_trace(struct bridge *br, const char *text)
{
	struct xlate_in in = { .in_slot = UINT32_MAX, .key = rig_key(text) };

	return xlate_trace_run(br, view_get(), &in);
}
