// SPDX-License-Identifier: Apache-2.0
#include "glb/placement.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"

struct placement *
plc_new(void)
{
	struct placement *p = wf_xzalloc(sizeof *p);

	p->next_id = 1;
	p->node_names = wf_xzalloc(sizeof *p->node_names);
	p->pool_names = wf_xzalloc(sizeof *p->pool_names);
	/* The key decides which slot a flow has: a guessable one would let clients aim at a server. */
	if (getrandom(p->hash_key, sizeof p->hash_key, 0) != sizeof p->hash_key)
		abort();
	return p;
}

void
plc_table_done(struct plc_table *t)
{
	free(t->members);
	free(t->slots);
	free(t->before);
	memset(t, 0, sizeof *t);
}

/* One document less has it. */
static bool
is_last(unsigned *n_shared)
{
	if (n_shared && --*n_shared)
		return false;
	free(n_shared);
	return true;
}

void
plc_free(struct placement *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_pools; i++) {
		struct plc_pool *pool = &p->pools[i];

		if (!is_last(pool->n_shared))
			continue;
		plc_table_done(&pool->sites);
		for (size_t k = 0; k < pool->n_by_site; k++)
			plc_table_done(&pool->by_site[k].servers);
		free(pool->by_site);
	}
	free(p->pools);
	if (is_last(p->n_shared)) {
		free(p->nodes);
		free(p->node_names->at);
		free(p->node_names);
	}
	free(p->parts);
	free(p->pool_names->at);
	free(p->pool_names);
	free(p);
}

const struct plc_node *
plc_node_by_id(const struct placement *p, uint32_t id)
{
	size_t lo = 0, hi = p->n_nodes;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (p->nodes[mid].id == id)
			return &p->nodes[mid];
		if (p->nodes[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* The name of node or pool 'i', whether it is gone or not: a name comes back with another id. */
static uint32_t
name_hash(const struct placement *p, const struct plc_index *x, size_t i)
{
	return x == p->node_names ? wf_hash_str(p->nodes[i].name, p->nodes[i].kind) :
				    wf_hash_str(p->pools[i].name, 0);
}

/* Names in the order of their ids.  A quarter of the places at least is free. */
static void
index_names(const struct placement *p, struct plc_index *x, size_t n)
{
	if (x->n == n)
		return;
	if (!x->at || 4 * n > 3 * (x->mask + 1)) {
		x->mask = 63;
		while (2 * n > x->mask)
			x->mask = 2 * x->mask + 1;
		free(x->at);
		x->at = wf_xzalloc((x->mask + 1) * sizeof *x->at);
		x->n = 0;
	}
	for (; x->n < n; x->n++) {
		size_t k = name_hash(p, x, x->n) & x->mask;

		while (x->at[k])
			k = (k + 1) & x->mask;
		x->at[k] = (uint32_t)x->n + 1;
	}
}

struct plc_node *
plc_node_by_name(const struct placement *p, enum plc_kind kind, const char *name)
{
	const struct plc_index *x = p->node_names;

	index_names(p, p->node_names, p->n_nodes);
	for (size_t k = wf_hash_str(name, kind) & x->mask; x->at && x->at[k]; k = (k + 1) & x->mask) {
		struct plc_node *n = &p->nodes[x->at[k] - 1];

		if (!n->gone && n->kind == kind && !strcmp(n->name, name))
			return n;
	}
	return NULL;
}

struct plc_pool *
plc_pool_by_name(const struct placement *p, const char *name)
{
	const struct plc_index *x = p->pool_names;

	index_names(p, p->pool_names, p->n_pools);
	for (size_t k = wf_hash_str(name, 0) & x->mask; x->at && x->at[k]; k = (k + 1) & x->mask)
		if (!p->pools[x->at[k] - 1].gone && !strcmp(p->pools[x->at[k] - 1].name, name))
			return &p->pools[x->at[k] - 1];
	return NULL;
}

const struct plc_table *
plc_servers_at(const struct plc_pool *pool, uint32_t site)
{
	for (size_t i = 0; i < pool->n_by_site; i++)
		if (pool->by_site[i].site == site)
			return &pool->by_site[i].servers;
	return NULL;
}
