/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnels/port_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* The kinds of wildcard, in the order in which they are tried; 12 * mode tables are one hash with the
 * kind in the key. */
enum local_kind { LOCAL_FIXED, LOCAL_ANY, LOCAL_FLOW };
#define N_KINDS 12

struct match {
	struct in6_addr local, remote; /* 0 where any or flow */
	uint64_t key;
	uint32_t endpoint;
	uint8_t kind, pt_mode;
	uint16_t pad;
};

struct tnl_port_map {
	uint32_t mask;
	uint16_t kinds; /* bit: some entry is of this kind */
	uint32_t *slots; /* index + 1 of an entry, linear probing */
	size_t n;
	struct match *matches;
	struct tnl_port_entry *entries;
};

static uint8_t
kind_of(bool key_flow, bool remote_flow, enum local_kind local)
{
	return (uint8_t)(6 * key_flow + 3 * remote_flow + (unsigned)local);
}

static struct match
match_of(const struct tnl_port_entry *e)
{
	const struct tnl_config *c = e->config;
	struct match m = { .endpoint = e->endpoint, .pt_mode = (uint8_t)c->pt_mode };

	m.kind = kind_of(c->in_key_flow, c->remote_flow,
			 c->local_flow ? LOCAL_FLOW
			 : IN6_IS_ADDR_UNSPECIFIED(&c->local) ? LOCAL_ANY : LOCAL_FIXED);
	if (!c->in_key_flow)
		m.key = c->in_key;
	if (!c->remote_flow)
		m.remote = c->remote;
	m.local = c->local;
	return m;
}

/* The slot of a match, or the free one where it would be. */
static uint32_t
probe(const struct tnl_port_map *map, const struct match *m)
{
	uint32_t at = wf_hash_bytes(m, sizeof *m, 0) & map->mask;

	while (map->slots[at] && memcmp(&map->matches[map->slots[at] - 1], m, sizeof *m))
		at = (at + 1) & map->mask;
	return at;
}

struct tnl_port_map *
tnl_port_map_new(const struct tnl_port_entry *entries, size_t n,
		 void (*duplicate)(const struct tnl_port_entry *, const struct tnl_port_entry *, void *),
		 void *aux)
{
	struct tnl_port_map *map = wf_xzalloc(sizeof *map);

	for (map->mask = 7; map->mask < n * 2; map->mask = map->mask * 2 + 1)
		;
	map->slots = wf_xzalloc((map->mask + 1) * sizeof *map->slots);
	map->matches = wf_xzalloc((n + 1) * sizeof *map->matches);
	map->entries = wf_xzalloc((n + 1) * sizeof *map->entries);
	for (size_t i = 0; i < n; i++) {
		struct match m = match_of(&entries[i]);
		uint32_t at = probe(map, &m);

		if (map->slots[at]) {
			if (duplicate)
				duplicate(&map->entries[map->slots[at] - 1], &entries[i], aux);
			continue;
		}
		map->matches[map->n] = m;
		map->entries[map->n] = entries[i];
		map->slots[at] = (uint32_t)++map->n;
		map->kinds |= (uint16_t)(1u << m.kind);
	}
	return map;
}

void
tnl_port_map_free(struct tnl_port_map *map)
{
	if (!map)
		return;
	free(map->slots);
	free(map->matches);
	free(map->entries);
	free(map);
}

static const struct tnl_port_entry *
find(const struct tnl_port_map *map, const struct match *m)
{
	uint32_t at = map->slots[probe(map, m)];

	return at ? &map->entries[at - 1] : NULL;
}

const struct tnl_port_entry *
tnl_port_map_find(const struct tnl_port_map *map, uint32_t endpoint, const struct tnl_meta *meta,
		  uint32_t inner)
{
	/* A port of one kind of packet before one that takes all. */
	const uint8_t modes[] = { inner == TNL_INNER_ETH ? TNL_PT_LEGACY_L2 : TNL_PT_LEGACY_L3,
				  TNL_PT_AWARE };

	for (unsigned kind = 0; kind < N_KINDS; kind++) {
		struct match m = { .endpoint = endpoint, .kind = (uint8_t)kind };

		if (!(map->kinds >> kind & 1))
			continue;
		if (kind < 6)
			m.key = meta->id;
		if (kind % 6 < 3)
			m.remote = meta->src;
		if (kind % 3 == LOCAL_FIXED)
			m.local = meta->dst;
		for (unsigned i = 0; i < 2; i++) {
			const struct tnl_port_entry *e;

			m.pt_mode = modes[i];
			e = find(map, &m);
			if (e)
				return e;
		}
	}
	return NULL;
}
