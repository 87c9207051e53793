// SPDX-License-Identifier: Apache-2.0
/* Configuration and document into the maps.  First what may fail, then, in this order: nodes, slots, tables,
 * configuration, VIPs; so whoever finds a VIP finds all that it leads to. */
#include "glb/datapath_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <bpf/bpf.h>

#include "glb/address.h"

#define NEIGHBOUR_TTL_JIFFIES 64 /* longer: a moved next hop is noticed later; shorter: more look-ups */

void
dp_nodes_read(struct glb_datapath *dp)
{
	uint32_t id, *prev = NULL, index;

	dp->nodes = wf_xzalloc(dp->max_nodes * sizeof *dp->nodes);
	dp->n_nodes = GLB_FIRST_NODE;
	for (; !bpf_map_get_next_key(dp->maps[DP_IDS], prev, &id); prev = &id) {
		if (bpf_map_lookup_elem(dp->maps[DP_IDS], &id, &index) || index >= dp->max_nodes)
			continue;
		bpf_map_lookup_elem(dp->maps[DP_NODES], &index, &dp->nodes[index]);
		if (index >= dp->n_nodes)
			dp->n_nodes = index + 1;
	}
}

void
glb_datapath_reread(struct glb_datapath *dp)
{
	free(dp->nodes);
	dp_nodes_read(dp);
	free(dp->vips);
	dp->vips = NULL;
}

uint32_t
dp_node_index(const struct glb_datapath *dp, uint32_t id)
{
	uint32_t index;

	return bpf_map_lookup_elem(dp->maps[DP_IDS], &id, &index) ? 0 : index;
}

static int
write_node(struct glb_datapath *dp, uint32_t index, const struct glb_node *n)
{
	if (bpf_map_update_elem(dp->maps[DP_NODES], &index, n, BPF_ANY))
		return -errno;
	dp->nodes[index] = *n;
	return 0;
}

bool
glb_datapath_is_fresh(const struct glb_datapath *dp)
{
	return dp->fresh;
}

void
glb_datapath_assume_away(struct glb_datapath *dp)
{
	dp->assume_away = dp->fresh;
}

int
glb_datapath_mark(struct glb_datapath *dp, uint32_t node_id, unsigned flags, unsigned shed)
{
	uint32_t index = dp_node_index(dp, node_id);
	struct glb_node n;

	if (!index)
		return -ENOENT;
	n = dp->nodes[index];
	if (flags || shed)
		flags |= GLB_NODE_ASIDE;
	n.flags = (uint16_t)((n.flags & ~(GLB_NODE_DRAIN | GLB_NODE_DEAD | GLB_NODE_SUSPECT)) | flags);
	n.shed = (uint8_t)shed;
	if (n.flags == dp->nodes[index].flags && n.shed == dp->nodes[index].shed)
		return 0;
	return write_node(dp, index, &n);
}

void
glb_datapath_forget(struct glb_datapath *dp, uint32_t node_id)
{
	uint32_t index = dp_node_index(dp, node_id);
	struct glb_node n;

	if (!index || !(dp->nodes[index].flags & GLB_NODE_ASIDE) || dp->nodes[index].shed ||
	    (dp->nodes[index].flags & (GLB_NODE_DEAD | GLB_NODE_DRAIN | GLB_NODE_SUSPECT)))
		return;
	n = dp->nodes[index];
	n.flags &= (uint16_t)~GLB_NODE_ASIDE;
	write_node(dp, index, &n);
}

int
glb_datapath_node_flags(struct glb_datapath *dp, uint32_t node_id)
{
	uint32_t index = dp_node_index(dp, node_id);

	return index ? dp->nodes[index].flags | dp->nodes[index].shed << 16 : -1;
}

/* --- what is wanted -------------------------------------------------------------------------- */

struct work {
	struct glb_datapath *dp;
	const struct glb_config *c;
	const struct placement *p;
	uint32_t *index_of; /* by node id */
	bool *stays;	    /* by index: the document has the node */
	uint64_t *words[2]; /* of role edge, of role local: by pool and key, as in the maps */
	unsigned key;	    /* where the document's hash key is in glb_conf; the other one's place is the other */
	const struct glb_place *const *places; /* by pool; NULL: the sites are those of the document */
	uint32_t *place_of;		       /* by pool: number of its map of clients */
};

static const struct plc_table *
table_of(const struct work *w, unsigned kind, uint32_t pool)
{
	const struct plc_node *site;

	if (!w->c->role[kind == 0 ? GLB_EDGE : GLB_LOCAL])
		return NULL;
	if (kind == 0)
		return w->places && w->places[pool] ? NULL : &w->p->pools[pool].sites;
	site = plc_node_by_name(w->p, PLC_SITE, w->c->site);
	return site ? plc_servers_at(&w->p->pools[pool], site->id) : NULL;
}

static int
by_base(const void *a, const void *b)
{
	uint32_t x = GLB_POOL_BASE(*(const uint64_t *)a), y = GLB_POOL_BASE(*(const uint64_t *)b);

	return (x > y) - (x < y);
}

/* First gap between the regions in use, today's and the wanted ones. */
static int
find_region(const struct work *w, uint32_t n_slots, unsigned shift, uint64_t *ret)
{
	uint64_t *used = wf_xzalloc(4 * GLB_N_TABLES * sizeof *used);
	uint32_t at = 0;
	size_t n = 0;

	for (unsigned k = 0; k < 2; k++)
		for (uint32_t i = 0; i < GLB_N_TABLES; i++) {
			if (w->dp->tables[k] && w->dp->tables[k][i])
				used[n++] = w->dp->tables[k][i];
			if (w->words[k][i])
				used[n++] = w->words[k][i];
		}
	qsort(used, n, sizeof *used, by_base);
	for (size_t i = 0; i < n; i++) {
		uint32_t end = GLB_POOL_BASE(used[i]) + GLB_POOL_MASK(used[i]) + 1;

		if (GLB_POOL_BASE(used[i]) >= at + n_slots)
			break;
		if (end > at)
			at = end;
	}
	free(used);
	if (at + (uint64_t)n_slots > w->dp->n_slots)
		return -ENOSPC;
	*ret = GLB_POOL_WORD(at, shift);
	return 0;
}

/* The word of a table of 'n_slots' at entry 'at': the region that it has, if that fits, else a new one. */
static int
plan_table(struct work *w, unsigned kind, uint32_t at, uint32_t n_slots, struct wf_err *err)
{
	uint64_t now = w->dp->tables[kind] ? w->dp->tables[kind][at] : 0;

	if (now && !(now & (GLB_POOL_BY_PLACE | GLB_POOL_FIRST)) && GLB_POOL_MASK(now) + 1 == n_slots)
		w->words[kind][at] = now;
	else if (find_region(w, n_slots, (unsigned)__builtin_ctz(n_slots), &w->words[kind][at]))
		return wf_err(err, -ENOSPC, "pool %s: no room for %u more slots; raise max-slots "
			      "(then weft-glb --remove and start again)",
			      w->p->pools[at % GLB_MAX_POOLS].name, n_slots);
	return 0;
}

static int
plan_tables(struct work *w, struct wf_err *err)
{
	uint32_t main_at = w->key * GLB_MAX_POOLS, other_at = !w->key * GLB_MAX_POOLS;
	int rc = 0;

	/* The region that flows of the key before use is theirs already. */
	for (unsigned k = 0; k < 2 && !rc; k++)
		for (uint32_t i = 0; i < w->p->n_pools && !rc; i++) {
			const struct plc_table *t = table_of(w, k, i);

			if (!t || !t->n_slots || w->p->pools[i].gone)
				continue;
			rc = plan_table(w, k, main_at + i, t->n_slots, err);
			if (!rc && w->p->key_step == PLC_KEY_SWITCHED && t->n_before)
				rc = plan_table(w, k, other_at + i, t->n_before, err);
			else if (w->p->key_step == PLC_KEY_PREPARED)
				w->words[k][other_at + i] = w->words[k][main_at + i] | GLB_POOL_FIRST;
		}
	if (rc)
		return rc;
	for (uint32_t i = 0; i < w->p->n_pools; i++) {
		const struct glb_place *place = w->places ? w->places[i] : NULL;
		unsigned shift = 8;

		if (!place || w->p->pools[i].gone)
			continue;
		while ((uint64_t)place->n_classes << 8 > 1u << shift)
			shift++;
		/* Always a new region and a new map: the old ones hang together, too, until the word changes. */
		rc = find_region(w, 1u << shift, shift, &w->words[0][main_at + i]);
		if (rc)
			return wf_err(err, rc, "pool %s: no room for %u more slots, 256 for each of %u kinds of places; "
				      "raise max-slots (then weft-glb --remove and start again)",
				      w->p->pools[i].name, 1u << shift, place->n_classes);
		rc = dp_place_load(w->dp, place->map, w->place_of, i, &w->place_of[i]);
		if (rc)
			return wf_err(err, rc, "pool %s: the map of clients cannot be loaded: %s",
				      w->p->pools[i].name, wf_strerror(rc));
		w->words[0][main_at + i] =
			GLB_POOL_WORD_BY_PLACE(GLB_POOL_BASE(w->words[0][main_at + i]), shift, w->place_of[i]);
		/* What the policy says of a client's draw by the one key it says of that by the other. */
		if (w->p->key_step != PLC_KEY_ONE)
			w->words[0][other_at + i] = w->words[0][main_at + i];
	}
	return 0;
}

static int
plan_nodes(struct work *w, struct wf_err *err)
{
	struct glb_datapath *dp = w->dp;
	uint32_t free_index = GLB_FIRST_NODE;

	for (uint32_t i = 1; i < dp->n_nodes; i++)
		if (dp->nodes[i].family && dp->nodes[i].id < w->p->next_id)
			w->index_of[dp->nodes[i].id] = i;
	for (size_t i = 0; i < w->p->n_nodes; i++) {
		const struct plc_node *n = &w->p->nodes[i];

		if (n->gone)
			continue;
		if (w->index_of[n->id]) {
			w->stays[w->index_of[n->id]] = true;
			continue;
		}
		while (free_index < dp->max_nodes && dp->nodes[free_index].family)
			free_index++;
		if (free_index == dp->max_nodes)
			return wf_err(err, -ENOSPC, "more than %u nodes; raise max-nodes (then weft-glb --remove and "
				      "start again)", dp->max_nodes - GLB_FIRST_NODE);
		w->stays[free_index] = true;
		w->index_of[n->id] = free_index++;
	}
	return 0;
}

static const struct plc_pool *
find_pool(const struct work *w, const char *name, uint32_t *ret_index)
{
	const struct plc_pool *pool = plc_pool_by_name(w->p, name);

	*ret_index = pool ? (uint32_t)(pool - w->p->pools) : 0;
	return pool;
}

/* Where in glb_conf the document's key is, or is to be: one that is in use stays where it is.  -EINVAL: no flow that there is was placed by
 * the document's keys. */
static int
plan_key(struct work *w, struct wf_err *err)
{
	const struct placement *p = w->p;
	uint32_t zero = 0, k;
	struct glb_conf now;

	w->key = 0;
	if (bpf_map_lookup_elem(w->dp->maps[DP_CONF], &zero, &now) || !now.generation)
		return 0;
	k = GLB_CONF_KEY(now.flags);
	if (!memcmp(now.key[k], p->hash_key, sizeof p->hash_key))
		w->key = k;
	else if ((p->key_step != PLC_KEY_ONE && !memcmp(now.key[k], p->other_key, sizeof p->other_key)) ||
		 ((now.flags & GLB_CONF_ROTATES) && !memcmp(now.key[!k], p->hash_key, sizeof p->hash_key)))
		w->key = !k;
	else
		return wf_err(err, -EINVAL, "placement: hash-key: is another one than document %u had: every flow would change its "
			      "slot; a document of the key's change, or any with the key before, is taken first "
			      "(weftctl glb rotate-key)", now.generation);
	return 0;
}

static int
check(struct work *w, struct wf_err *err)
{
	struct glb_conf now;
	uint32_t zero = 0, pool;
	int rc = plan_key(w, err);

	if (rc)
		return rc;

	if (w->p->n_pools > GLB_MAX_POOLS)
		return wf_err(err, -ENOSPC, "more than %d pools", GLB_MAX_POOLS);
	if (w->c->role[GLB_LOCAL] && !plc_node_by_name(w->p, PLC_SITE, w->c->site))
		return wf_err(err, -ENOENT, "local: site: %s: is not in the placement document", w->c->site);
	for (size_t i = 0; i < w->c->n_vips; i++) {
		const struct glb_vip_config *v = &w->c->vips[i];

		if (!find_pool(w, v->pool, &pool))
			return wf_err(err, -ENOENT, "vip: pool: %s: is not in the placement document", v->pool);
		if (v->fallback[0] && !find_pool(w, v->fallback, &pool))
			return wf_err(err, -ENOENT, "vip: fallback-pool: %s: is not in the placement document", v->fallback);
	}
	if (!bpf_map_lookup_elem(w->dp->maps[DP_CONF], &zero, &now) && now.generation) {
		if (w->p->number < now.generation)
			return wf_err(err, -EINVAL, "placement: number: %u is older than %u, which is in force",
				      w->p->number, now.generation);
	}
	return 0;
}

/* --- into the kernel ------------------------------------------------------------------------- */

static bool
is_own(const struct glb_config *c, const struct plc_node *n)
{
	const struct in6_addr zero = { 0 }, *a = &n->address;

	if (!memcmp(a, &zero, sizeof zero))
		return false;
	if (n->kind == PLC_SITE)
		return c->role[GLB_LOCAL] && (!memcmp(a, &c->own4, sizeof *a) || !memcmp(a, &c->own6, sizeof *a));
	if (!c->role[GLB_HOST])
		return false;
	if (memcmp(&c->host_address, &zero, sizeof zero))
		return !memcmp(a, &c->host_address, sizeof *a);
	return !memcmp(a, &c->own4, sizeof *a) || !memcmp(a, &c->own6, sizeof *a);
}

static int
write_nodes(const struct work *w)
{
	struct glb_datapath *dp = w->dp;
	int rc = 0;

	for (size_t i = 0; i < w->p->n_nodes && !rc; i++) {
		const struct plc_node *n = &w->p->nodes[i];
		uint32_t index = w->index_of[n->id];
		struct glb_node g = { .id = n->id };

		if (n->gone)
			continue;
		memcpy(g.addr, &n->address, sizeof g.addr);
		g.family = glb_address_is_v4(&n->address) ? 4 : 6;
		g.encap = n->encap;
		g.shed = dp->nodes[index].shed;
		g.port = htons(n->port);
		memcpy(g.mac, n->mac, sizeof g.mac);
		g.flags = (uint16_t)((dp->nodes[index].flags & (GLB_NODE_DRAIN | GLB_NODE_DEAD | GLB_NODE_ASIDE |
							  GLB_NODE_SUSPECT)) |
				     (n->no_second_chance || n->encap > GLB_ENCAP_GUE ? GLB_NODE_PLAIN : 0) |
				     (n->kind == PLC_SITE ? GLB_NODE_SITE : 0) |
				     (is_own(w->c, n) ? GLB_NODE_SELF : 0));
		if (dp->assume_away && !dp->nodes[index].family && n->kind == PLC_SERVER)
			g.flags |= GLB_NODE_ASIDE;
		if (index >= dp->n_nodes)
			dp->n_nodes = index + 1;
		if (memcmp(&g, &dp->nodes[index], sizeof g)) {
			rc = write_node(dp, index, &g);
			if (!rc && (bpf_map_update_elem(dp->maps[DP_IDS], &n->id, &index, BPF_ANY) ||
				    bpf_map_update_elem(dp->maps[DP_BY_ADDRESS], &n->address, &index, BPF_ANY)))
				rc = -errno;
		}
	}
	return rc;
}

/* The site's other balancers: nodes that the document does not have. */
static int
write_peers(const struct work *w)
{
	for (uint32_t i = 0; i < GLB_MAX_PEERS; i++) {
		uint32_t index = GLB_PEER_NODE(i);
		struct glb_node g = { 0 };

		if (i < w->c->n_peers) {
			memcpy(g.addr, &w->c->peers[i], sizeof g.addr);
			g.family = glb_address_is_v4(&w->c->peers[i]) ? 4 : 6;
		}
		if (bpf_map_update_elem(w->dp->maps[DP_NODES], &index, &g, BPF_ANY))
			return -errno;
	}
	return 0;
}

static void
remove_nodes(const struct work *w)
{
	struct glb_node none = { 0 };
	uint32_t index;

	for (uint32_t i = 1; i < w->dp->n_nodes; i++) {
		uint32_t id = w->dp->nodes[i].id;

		if (!w->dp->nodes[i].family || w->stays[i])
			continue;
		bpf_map_delete_elem(w->dp->maps[DP_IDS], &id);
		if (!bpf_map_lookup_elem(w->dp->maps[DP_BY_ADDRESS], w->dp->nodes[i].addr, &index) && index == i)
			bpf_map_delete_elem(w->dp->maps[DP_BY_ADDRESS], w->dp->nodes[i].addr);
		write_node(w->dp, i, &none);
	}
}

static void
write_place(const struct glb_datapath *dp, const struct glb_place *place, uint64_t word,
	    const uint32_t *index_of)
{
	uint64_t *slots = dp->slots + GLB_POOL_BASE(word);

	for (uint32_t s = 0; s < place->n_classes * 256; s++) {
		uint64_t v = place->slots[s].ranked ? GLB_SLOT_RANKED : 0;

		for (unsigned o = 0; o < PLC_OWNERS; o++)
			v |= (uint64_t)index_of[place->slots[s].site[o]] << o * GLB_SLOT_BITS;
		if (slots[s] != v)
			__atomic_store_n(&slots[s], v, __ATOMIC_RELAXED);
	}
}

int
glb_datapath_vips_changed(struct glb_datapath *dp, const struct glb_config *c, const struct placement *p)
{
	return dp_write_vips(dp, c, p);
}

bool
glb_datapath_read_place(const struct glb_datapath *dp, const struct placement *p, uint32_t pool_index,
			uint32_t n_classes, struct glb_site_slot *ret)
{
	uint64_t word = 0;

	/* More pools than there is room for are refused later. */
	if (!dp->tables[GLB_EDGE] || pool_index >= GLB_MAX_POOLS ||
	    dp->pool_ids[pool_index].id != p->pools[pool_index].id)
		return false;
	/* It is there for either of the hash keys. */
	for (unsigned k = 0; k < 2 && !(word & GLB_POOL_BY_PLACE); k++)
		word = dp->tables[GLB_EDGE][pool_index + k * GLB_MAX_POOLS];
	/* A power of two of slots, of which the last class may not be needed. */
	if (!(word & GLB_POOL_BY_PLACE) || GLB_POOL_BASE(word) + (uint64_t)GLB_POOL_MASK(word) >= dp->n_slots ||
	    n_classes << 8 > GLB_POOL_MASK(word) + 1 || n_classes << 9 <= GLB_POOL_MASK(word) + 1)
		return false;
	for (uint32_t i = 0; i < n_classes << 8; i++) {
		uint64_t v = dp->slots[GLB_POOL_BASE(word) + i];

		ret[i].ranked = v & GLB_SLOT_RANKED;
		for (unsigned o = 0; o < PLC_OWNERS; o++) {
			uint32_t index = GLB_SLOT_NODE(v, o), id = index < dp->max_nodes ? dp->nodes[index].id : 0;

			ret[i].site[o] = id < p->next_id ? id : 0;
		}
	}
	return true;
}

void
glb_datapath_place_changed(struct glb_datapath *dp, uint32_t pool_index, const struct glb_place *place,
			   const struct placement *p)
{
	uint32_t *index_of = wf_xzalloc((size_t)p->next_id * sizeof *index_of);
	uint64_t word = dp->tables[GLB_EDGE] ? dp->tables[GLB_EDGE][pool_index + dp->key * GLB_MAX_POOLS] : 0;

	for (size_t i = 0; i < p->n_nodes; i++)
		if (!p->nodes[i].gone && p->nodes[i].kind == PLC_SITE)
			index_of[p->nodes[i].id] = dp_node_index(dp, p->nodes[i].id);
	if (word & GLB_POOL_BY_PLACE)
		write_place(dp, place, word, index_of);
	free(index_of);
}

static void
write_slots(const struct work *w, uint64_t word, const struct plc_slot *from, uint32_t n)
{
	uint64_t *slots = w->dp->slots + GLB_POOL_BASE(word);

	for (uint32_t s = 0; s < n; s++) {
		uint64_t v = 0;

		for (unsigned o = 0; o < PLC_OWNERS; o++)
			v |= (uint64_t)w->index_of[from[s].owner[o]] << o * GLB_SLOT_BITS;
		if (slots[s] != v)
			__atomic_store_n(&slots[s], v, __ATOMIC_RELAXED);
	}
}

static void
write_tables(const struct work *w)
{
	for (unsigned k = 0; k < 2; k++)
		for (uint32_t at = 0; at < GLB_N_TABLES; at++) {
			uint32_t i = at % GLB_MAX_POOLS;
			bool other = at / GLB_MAX_POOLS != w->key;
			uint64_t word = w->words[k][at];

			if (!word)
				goto store;
			w->dp->pool_ids[i].id = w->p->pools[i].id;
			if (word & GLB_POOL_BY_PLACE) {
				write_place(w->dp, w->places[i], word, w->index_of);
			} else if (!(word & GLB_POOL_FIRST)) {
				const struct plc_table *t = table_of(w, k, i);

				write_slots(w, word, other ? t->before : t->slots, other ? t->n_before : t->n_slots);
			}
store:
			/* Who reads the new word reads the new slots. */
			if (w->dp->tables[k] && w->dp->tables[k][at] != word)
				__atomic_store_n(&w->dp->tables[k][at], word, __ATOMIC_RELEASE);
		}
}

static int
write_conf(const struct work *w)
{
	struct glb_conf conf = { .generation = w->p->number, .neighbour_ttl = NEIGHBOUR_TTL_JIFFIES };
	struct glb_conf now = { .flags = 0 };
	uint32_t zero = 0, roles;

	/* A packet meanwhile reads old or new words of the entry, so keys are there before the flags name them. */
	if (!bpf_map_lookup_elem(w->dp->maps[DP_CONF], &zero, &now)) {
		memcpy(conf.key, now.key, sizeof conf.key);
		memcpy(conf.own_key, now.own_key, sizeof conf.own_key);
		memcpy(now.key[w->key], w->p->hash_key, sizeof now.key[0]);
		if (w->p->key_step != PLC_KEY_ONE)
			memcpy(now.key[!w->key], w->p->other_key, sizeof now.key[0]);
		if (memcmp(conf.key, now.key, sizeof conf.key)) {
			if (bpf_map_update_elem(w->dp->maps[DP_CONF], &zero, &now, BPF_ANY))
				return -errno;
			memcpy(conf.key, now.key, sizeof conf.key);
		}
	}
	if (!(conf.own_key[0] | conf.own_key[1]) &&
	    getrandom(conf.own_key, sizeof conf.own_key, 0) != sizeof conf.own_key)
		return -EAGAIN;
	while (conf.first_role < GLB_HOST && !w->c->role[conf.first_role])
		conf.first_role++;
	/* Who captures goes on. */
	conf.capture = now.capture;
	conf.capture_drop = now.capture_drop;
	memcpy(conf.capture_vip, now.capture_vip, sizeof conf.capture_vip);
	conf.flags = (now.flags & GLB_CONF_CAPTURE) | (w->key ? GLB_CONF_KEY_1 : 0) | (w->p->key_step != PLC_KEY_ONE ? GLB_CONF_ROTATES : 0);
	memcpy(&conf.source4, &w->c->source4.s6_addr[12], 4);
	conf.source4_mask = htonl(w->c->source4_host_bits);
	memcpy(conf.source6, &w->c->own6, sizeof conf.source6);
	conf.gue_port = htons(w->c->gue_port);
	conf.vxlan_port = htons(w->c->vxlan_port);
	conf.quic_first = (uint8_t)(w->c->quic_rotation << 5);
	conf.quic_mask = 0xe0;
	for (size_t i = 0; i < w->c->n_vips; i++) {
		if (!w->c->vips[i].port)
			conf.flags |= GLB_CONF_ANY_PORT;
		if (w->c->vips[i].len < 128)
			conf.flags |= GLB_CONF_PREFIXES;
	}
	for (size_t i = 0; i < w->p->n_nodes; i++)
		if (!w->p->nodes[i].gone && w->p->nodes[i].encap == GLB_ENCAP_NAT)
			conf.flags |= GLB_CONF_NAT;
	conf.n_peers = (uint16_t)w->c->n_peers;
	for (size_t i = 0; i < w->c->n_peers; i++)
		if (!memcmp(&w->c->peers[i], &w->c->peer_address, sizeof w->c->peer_address))
			conf.peer_self = (uint16_t)i;
	if (w->c->n_sources)
		conf.flags |= GLB_CONF_SOURCES;
	if (w->c->n_deny)
		conf.flags |= GLB_CONF_DENY;
	if (w->c->packet_ns || w->c->open_ns)
		conf.flags |= GLB_CONF_LIMIT;
	conf.packet_ns = w->c->packet_ns;
	conf.packet_burst_ns = w->c->packet_burst_ns;
	conf.syn_ns = w->c->open_ns;
	conf.syn_burst_ns = w->c->open_burst_ns;
	/* As the map has them: write_own() has been. */
	for (size_t i = 0, n = 0; i < 3; i++) {
		const struct in6_addr *own = i == 0 ? &w->c->own4 : i == 1 ? &w->c->host_address : &w->c->peer_address;

		if (n == 2 || !glb_address_is_v4(own) || bpf_map_lookup_elem(w->dp->maps[DP_OWN], own, &roles))
			continue;
		memcpy(&conf.own4[n].addr, &own->s6_addr[12], 4);
		conf.own4[n++].roles = roles;
	}
	return bpf_map_update_elem(w->dp->maps[DP_CONF], &zero, &conf, BPF_ANY) ? -errno : 0;
}

static int
write_own(const struct work *w)
{
	const struct in6_addr zero = { 0 };
	const struct in6_addr *own[] = { &w->c->own4, &w->c->own6, &w->c->host_address, &w->c->peer_address };
	bool apart = memcmp(&w->c->host_address, &zero, sizeof zero) != 0;
	struct in6_addr key, *prev = NULL, gone[64];
	size_t n_gone = 0;

	for (size_t i = 0; i < 4; i++) {
		uint32_t roles = 0;

		if (w->c->role[GLB_LOCAL] && i != 2)
			roles |= 1u << GLB_LOCAL;
		/* An address may be named twice. */
		for (size_t k = 0; k < 3; k++)
			if (w->c->role[GLB_HOST] && apart == (k == 2) && !memcmp(own[i], own[k], sizeof zero))
				roles |= 1u << GLB_HOST;
		if (memcmp(own[i], &zero, sizeof zero) && roles &&
		    bpf_map_update_elem(w->dp->maps[DP_OWN], own[i], &roles, BPF_ANY))
			return -errno;
	}
	for (; !bpf_map_get_next_key(w->dp->maps[DP_OWN], prev, &key) && n_gone < 64; prev = &key)
		if (memcmp(&key, own[0], sizeof key) && memcmp(&key, own[1], sizeof key) &&
		    memcmp(&key, own[2], sizeof key) && memcmp(&key, own[3], sizeof key))
			gone[n_gone++] = key;
	while (n_gone)
		bpf_map_delete_elem(w->dp->maps[DP_OWN], &gone[--n_gone]);
	return 0;
}

/* The map, a trie of prefixes, is made to hold 'want' and nothing else. */
static int
write_prefixes(int map, const struct glb_prefix *want, size_t n)
{
	struct glb_source_key key, *prev = NULL, *gone = wf_xmalloc(65536 * sizeof *gone);
	uint32_t one = 1;
	size_t n_gone = 0;
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		key.prefix_len = want[i].len;
		memcpy(key.addr, &want[i].address, sizeof key.addr);
		if (bpf_map_update_elem(map, &key, &one, BPF_ANY))
			rc = -errno;
	}
	/* A second look at all of them is cheaper than a list in order for the few that there are. */
	for (; !rc && n_gone < 65536 && !bpf_map_get_next_key(map, prev, &key); prev = &key) {
		bool wanted = false;

		for (size_t i = 0; i < n && !wanted; i++)
			wanted = want[i].len == key.prefix_len && !memcmp(&want[i].address, key.addr, sizeof key.addr);
		if (!wanted)
			gone[n_gone++] = key;
	}
	while (n_gone)
		bpf_map_delete_elem(map, &gone[--n_gone]);
	free(gone);
	return rc;
}

/* Whom tunnels are taken from.  A host of several roles sends its own from one to the next. */
static int
write_sources(const struct work *w)
{
	const struct glb_config *c = w->c;
	const struct in6_addr zero = { 0 };
	struct glb_prefix *all = wf_xmalloc((c->n_sources + 2) * sizeof *all);
	size_t n = c->n_sources;
	int rc;

	if (n)
		memcpy(all, c->sources, n * sizeof *all);
	/* Peers send from the site's address. */
	if (n && (c->n_peers || c->role[GLB_EDGE] + c->role[GLB_LOCAL] + c->role[GLB_HOST] > 1)) {
		if (memcmp(&c->source4, &zero, sizeof zero))
			all[n++] = (struct glb_prefix){ c->source4,
							128 - (unsigned)__builtin_popcount(c->source4_host_bits) };
		if (memcmp(&c->own6, &zero, sizeof zero))
			all[n++] = (struct glb_prefix){ c->own6, 128 };
	}
	rc = write_prefixes(w->dp->maps[DP_SOURCES], all, n);
	free(all);
	return rc;
}

int
glb_datapath_apply(struct glb_datapath *dp, const struct glb_config *c, const struct placement *p,
		   const struct glb_place *const *places, struct wf_err *err)
{
	struct work w = { .dp = dp, .c = c, .p = p, .places = places };
	int rc;

	w.index_of = wf_xzalloc((size_t)p->next_id * sizeof *w.index_of);
	w.stays = wf_xzalloc(dp->max_nodes * sizeof *w.stays);
	w.place_of = wf_xzalloc((p->n_pools + 1) * sizeof *w.place_of);
	w.words[0] = wf_xzalloc(GLB_N_TABLES * sizeof(uint64_t));
	w.words[1] = wf_xzalloc(GLB_N_TABLES * sizeof(uint64_t));
	rc = check(&w, err);
	rc = rc ? rc : dp_check_nat(c, p, err);
	rc = rc ? rc : plan_nodes(&w, err);
	rc = rc ? rc : plan_tables(&w, err);
	if (!rc) {
		rc = write_nodes(&w);
		rc = rc ? rc : write_peers(&w);
		if (!rc)
			write_tables(&w);
		rc = rc ? rc : write_own(&w);
		rc = rc ? rc : write_conf(&w);
		dp->key = w.key;
		rc = rc ? rc : write_sources(&w);
		if (!rc && c->role[GLB_EDGE])
			rc = write_prefixes(dp->maps[DP_DENY], c->deny, c->n_deny);
		rc = rc ? rc : dp_write_vlans(dp);
		rc = rc ? rc : dp_write_nat(dp, c, p);
		rc = rc ? rc : dp_write_vips(dp, c, p);
		if (rc)
			wf_err(err, rc, "the maps: %s", wf_strerror(rc));
		else
			remove_nodes(&w);
	}
	dp_places_sweep(dp);
	free(w.index_of);
	free(w.stays);
	free(w.words[0]);
	free(w.words[1]);
	free(w.place_of);
	return rc;
}
