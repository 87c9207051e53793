// SPDX-License-Identifier: Apache-2.0
#include "glb/placement.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct placement *
plc_new(void)
{
	struct placement *p = wf_xzalloc(sizeof *p);

	p->next_id = 1;
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

void
plc_free(struct placement *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_pools; i++) {
		struct plc_pool *pool = &p->pools[i];

		plc_table_done(&pool->sites);
		for (size_t k = 0; k < pool->n_by_site; k++)
			plc_table_done(&pool->by_site[k].servers);
		free(pool->by_site);
	}
	free(p->pools);
	free(p->nodes);
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

struct plc_node *
plc_node_by_name(const struct placement *p, enum plc_kind kind, const char *name)
{
	for (size_t i = 0; i < p->n_nodes; i++)
		if (!p->nodes[i].gone && p->nodes[i].kind == kind && !strcmp(p->nodes[i].name, name))
			return &p->nodes[i];
	return NULL;
}

struct plc_pool *
plc_pool_by_name(const struct placement *p, const char *name)
{
	for (size_t i = 0; i < p->n_pools; i++)
		if (!p->pools[i].gone && !strcmp(p->pools[i].name, name))
			return &p->pools[i];
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
