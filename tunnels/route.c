/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnels/route.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hmap.h"

#define MAX_RANK (128 + 64)

struct entry {
	struct wf_hmap_node node;
	struct tnl_route r;
};

struct tnl_routes {
	struct wf_hmap map;
	uint32_t n_of_rank[MAX_RANK + 1][3]; /* by rank and class */
};

static unsigned
rank_of(enum tnl_route_class class, unsigned plen)
{
	return plen + (class == TNL_ROUTE_LOCAL ? 64 : class == TNL_ROUTE_USER ? 32 : 0);
}

static uint32_t
hash_of(enum tnl_route_class class, const struct in6_addr *dst, unsigned plen, uint32_t mark)
{
	return wf_hash_bytes(dst, sizeof *dst, mark ^ plen << 8 ^ (uint32_t)class << 16);
}

/* 'dst' has nothing behind the prefix. */
static struct entry *
find(const struct tnl_routes *t, enum tnl_route_class class, const struct in6_addr *dst, unsigned plen,
     uint32_t mark)
{
	struct entry *e;

	wf_hmap_for_each_with_hash(e, node, hash_of(class, dst, plen, mark), &t->map)
		if (e->r.class == class && e->r.plen == plen && e->r.mark == mark &&
		    !memcmp(&e->r.dst, dst, sizeof *dst))
			return e;
	return NULL;
}

struct tnl_routes *
tnl_routes_new(void)
{
	struct tnl_routes *t = wf_xzalloc(sizeof *t);

	wf_hmap_init(&t->map);
	return t;
}

static void
drop(struct tnl_routes *t, struct entry *e)
{
	t->n_of_rank[rank_of(e->r.class, e->r.plen)][e->r.class]--;
	wf_hmap_remove(&t->map, &e->node);
	free(e);
}

void
tnl_routes_free(struct tnl_routes *t)
{
	struct entry *e;

	if (!t)
		return;
	wf_hmap_for_each_safe(e, node, &t->map)
		drop(t, e);
	wf_hmap_done(&t->map);
	free(t);
}

void
tnl_routes_set(struct tnl_routes *t, const struct tnl_route *r)
{
	struct in6_addr dst = tnl_network(&r->dst, r->plen);
	struct entry *e = find(t, r->class, &dst, r->plen, r->mark);

	if (!e) {
		e = wf_xzalloc(sizeof *e);
		wf_hmap_insert(&t->map, &e->node, hash_of(r->class, &dst, r->plen, r->mark));
		t->n_of_rank[rank_of(r->class, r->plen)][r->class]++;
	}
	e->r = *r;
	e->r.dst = dst;
}

struct tnl_routes *
tnl_routes_copy(const struct tnl_routes *t)
{
	struct tnl_routes *copy = tnl_routes_new();
	struct entry *e;

	wf_hmap_for_each(e, node, &t->map)
		tnl_routes_set(copy, &e->r);
	return copy;
}

bool
tnl_routes_del(struct tnl_routes *t, enum tnl_route_class class, const struct in6_addr *dst_,
	       unsigned plen, uint32_t mark)
{
	struct in6_addr dst = tnl_network(dst_, plen);
	struct entry *e = find(t, class, &dst, plen, mark);

	if (e)
		drop(t, e);
	return e != NULL;
}

void
tnl_routes_flush_kernel(struct tnl_routes *t)
{
	struct entry *e;

	wf_hmap_for_each_safe(e, node, &t->map)
		if (e->r.class != TNL_ROUTE_USER)
			drop(t, e);
}

void
tnl_routes_for_each(const struct tnl_routes *t, void (*fn)(const struct tnl_route *, void *), void *aux)
{
	struct entry *e;

	wf_hmap_for_each(e, node, &t->map)
		fn(&e->r, aux);
}

static const struct tnl_route *
best(const struct tnl_routes *t, uint32_t mark, const struct in6_addr *dst)
{
	for (int rank = MAX_RANK; rank >= 0; rank--) {
		for (int class = TNL_ROUTE_LOCAL; class >= TNL_ROUTE_KERNEL; class--) {
			unsigned plen = (unsigned)rank - rank_of(class, 0);
			struct in6_addr net;
			struct entry *e;

			if (!t->n_of_rank[rank][class])
				continue;
			net = tnl_network(dst, plen);
			e = find(t, class, &net, plen, mark);
			if (e)
				return &e->r;
		}
	}
	return NULL;
}

const struct tnl_route *
tnl_routes_lookup(const struct tnl_routes *t, uint32_t mark, const struct in6_addr *dst,
		  struct in6_addr *src)
{
	const struct tnl_route *r;

	if (!IN6_IS_ADDR_UNSPECIFIED(src)) {
		r = best(t, mark, src);
		if (!r || r->class != TNL_ROUTE_LOCAL)
			return NULL;
	}
	r = best(t, mark, dst);
	if (r && IN6_IS_ADDR_UNSPECIFIED(src))
		*src = r->src;
	return r;
}

const struct tnl_address *
tnl_source_address(const struct tnl_address *a, unsigned n, const struct in6_addr *dst)
{
	const struct tnl_address *found = NULL;

	for (unsigned i = 0; i < n; i++) {
		struct in6_addr x = tnl_network(dst, a[i].plen), y = tnl_network(&a[i].addr, a[i].plen);

		if (tnl_is_ipv4(dst) == tnl_is_ipv4(&a[i].addr) && !memcmp(&x, &y, sizeof x) &&
		    (!found || a[i].plen > found->plen))
			found = &a[i];
	}
	return found;
}

unsigned
tnl_route_rank(const struct tnl_route *r)
{
	return rank_of(r->class, r->plen);
}

/* --- Text ------------------------------------------------------------------------------- */

void
tnl_route_format(const struct tnl_route *r, struct wf_str *s)
{
	wf_str_put(s, r->class == TNL_ROUTE_USER ? "User: " : "Cached: ");
	tnl_put_address(s, &r->dst);
	wf_str_fmt(s, "/%u", tnl_is_ipv4(&r->dst) && r->plen >= 96 ? r->plen - 96 : r->plen);
	if (r->mark)
		wf_str_fmt(s, " MARK %" PRIu32, r->mark);
	wf_str_fmt(s, " dev %s", r->dev);
	if (!IN6_IS_ADDR_UNSPECIFIED(&r->gw)) {
		wf_str_put(s, " GW ");
		tnl_put_address(s, &r->gw);
	}
	wf_str_put(s, " SRC ");
	tnl_put_address(s, &r->src);
	if (r->class == TNL_ROUTE_LOCAL)
		wf_str_put(s, " local");
	wf_str_putc(s, '\n');
}
