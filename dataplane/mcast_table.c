/* SPDX-License-Identifier: Apache-2.0 */
/* The table of multicast groups.
 *
 *   buckets -> group -> group ...         readers: lock-free, between quiescent points
 *              group -> mcast_ports       immutable, replaced as a whole
 *   router_list                           likewise
 *
 * Under the lock, for the writer: group -> members, owner (one a port) -> members, both in the order
 * of their last report, so that the oldest is in front.
 */
#include "dataplane/mcast_table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/rcu.h"

#define MIN_GROUPS 10
#define MAX_GROUPS 1000000
#define MIN_AGING_MS 15000
#define MAX_AGING_MS 3600000
/* RFC 4541 leaves it open; as long as Open vSwitch keeps one. */
#define ROUTER_AGING_MS 180000
#define MAX_ROUTERS 16384

struct mcast_group {
	struct mcast_group *_Atomic next;
	struct in6_addr addr;
	uint16_t vid;
	struct mcast_ports *_Atomic ports;
	/* Under the lock. */
	struct wf_list members;
};

struct mcast_owner {
	struct wf_hmap_node node; /* by port */
	of_port_t port;
	unsigned n;
	struct wf_list members;
};

struct mcast_member {
	struct wf_list group_node, owner_node;
	struct mcast_group *group;
	struct mcast_owner *owner;
	int64_t reported_ms;
	uint64_t seq;
};

struct router {
	uint16_t vid;
	of_port_t port;
	int64_t asked_ms;
	uint64_t seq;
};

struct router_list { /* in ascending order of (vid, port) */
	uint32_t n;
	uint16_t *vids;
	of_port_t ports[];
};

struct mcast_array {
	uint32_t mask;
	struct mcast_group *_Atomic heads[];
};

struct mcast_table {
	struct mcast_array *_Atomic array;
	struct router_list *_Atomic router_list;
	pthread_mutex_t lock;
	int64_t aging_ms;
	uint64_t seq;
	struct wf_hmap owners;
	struct router *routers; /* in the order of 'router_list' */
	uint32_t routers_room;
	struct mcast_stats stats;
};

static struct mcast_array *
array_new(unsigned max_groups)
{
	uint32_t n = 64;
	struct mcast_array *a;

	while (n < max_groups)
		n *= 2;
	a = wf_xzalloc(sizeof *a + n * sizeof a->heads[0]);
	a->mask = n - 1;
	return a;
}

static struct router_list *
router_list_new(const struct router *r, uint32_t n)
{
	struct router_list *l = wf_xzalloc(sizeof *l + n * (sizeof l->ports[0] + sizeof *l->vids));

	l->n = n;
	l->vids = (uint16_t *)&l->ports[n];
	for (uint32_t i = 0; i < n; i++) {
		l->ports[i] = r[i].port;
		l->vids[i] = r[i].vid;
	}
	return l;
}

static unsigned
clamp_groups(unsigned n)
{
	return n < MIN_GROUPS ? MIN_GROUPS : n > MAX_GROUPS ? MAX_GROUPS : n;
}

static int64_t
clamp_aging(int64_t ms)
{
	return ms < MIN_AGING_MS ? MIN_AGING_MS : ms > MAX_AGING_MS ? MAX_AGING_MS : ms;
}

struct mcast_table *
mcast_table_new(unsigned max_groups, int64_t aging_ms)
{
	struct mcast_table *t = wf_xzalloc(sizeof *t);

	t->stats.max_groups = clamp_groups(max_groups);
	t->aging_ms = clamp_aging(aging_ms);
	atomic_init(&t->array, array_new((unsigned)t->stats.max_groups));
	atomic_init(&t->router_list, router_list_new(NULL, 0));
	pthread_mutex_init(&t->lock, NULL);
	wf_hmap_init(&t->owners);
	return t;
}

/* --- Look-up -------------------------------------------------------------------------------- */

static uint32_t
group_hash(uint16_t vid, const struct in6_addr *addr)
{
	uint64_t w[2];

	memcpy(w, addr, 16);
	return wf_hash_u64(w[1] ^ (uint64_t)vid << 32, (uint32_t)wf_hash_u64(w[0], 0));
}

static struct mcast_group *
find(struct mcast_table *t, uint16_t vid, const struct in6_addr *addr)
{
	struct mcast_array *a = atomic_load_explicit(&t->array, memory_order_acquire);
	struct mcast_group *g;

	for (g = atomic_load_explicit(&a->heads[group_hash(vid, addr) & a->mask],
				      memory_order_acquire);
	     g; g = atomic_load_explicit(&g->next, memory_order_acquire))
		if (g->vid == vid && !memcmp(&g->addr, addr, sizeof *addr))
			return g;
	return NULL;
}

const struct mcast_ports *
mcast_table_lookup(struct mcast_table *t, uint16_t vid, const struct in6_addr *group)
{
	struct mcast_group *g = find(t, vid, group);

	return g ? atomic_load_explicit(&g->ports, memory_order_acquire) : NULL;
}

const of_port_t *
mcast_table_routers(struct mcast_table *t, uint16_t vid, uint32_t *n)
{
	const struct router_list *l = atomic_load_explicit(&t->router_list, memory_order_acquire);
	uint32_t lo = 0, hi = l->n, end;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (l->vids[mid] < vid)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (end = lo; end < l->n && l->vids[end] == vid; end++)
		;
	*n = end - lo;
	return &l->ports[lo];
}

bool
mcast_ports_contain(const of_port_t *ports, uint32_t n, of_port_t port)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ports[mid] < port)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && ports[lo] == port;
}

/* --- Changes, under the lock ---------------------------------------------------------------- */

static int
port_cmp(const void *a_, const void *b_)
{
	const of_port_t *a = a_, *b = b_;

	return *a < *b ? -1 : *a > *b;
}

/* After its members changed. */
static void
publish_ports(struct mcast_group *g)
{
	struct mcast_ports *old = atomic_load_explicit(&g->ports, memory_order_relaxed), *new;
	struct mcast_member *m;
	uint32_t n = 0;

	wf_list_for_each (m, group_node, &g->members)
		n++;
	new = wf_xmalloc(sizeof *new + n * sizeof new->ports[0]);
	new->n = 0;
	wf_list_for_each (m, group_node, &g->members)
		new->ports[new->n++] = m->owner->port;
	qsort(new->ports, n, sizeof new->ports[0], port_cmp);
	atomic_store_explicit(&g->ports, new, memory_order_release);
	if (old)
		wf_rcu_free(old);
}

static void
remove_group(struct mcast_table *t, struct mcast_group *g)
{
	struct mcast_array *a = atomic_load_explicit(&t->array, memory_order_relaxed);
	struct mcast_group *_Atomic *p = &a->heads[group_hash(g->vid, &g->addr) & a->mask];
	struct mcast_group *at;

	while ((at = atomic_load_explicit(p, memory_order_relaxed)) != g)
		p = &at->next;
	atomic_store_explicit(p, atomic_load_explicit(&g->next, memory_order_relaxed),
			      memory_order_release);
	t->stats.n_groups--;
	if (atomic_load_explicit(&g->ports, memory_order_relaxed))
		wf_rcu_free(atomic_load_explicit(&g->ports, memory_order_relaxed));
	wf_rcu_free(g);
}

/* A group without members goes. */
static void
remove_member(struct mcast_table *t, struct mcast_member *m)
{
	struct mcast_group *g = m->group;
	struct mcast_owner *o = m->owner;

	wf_list_remove(&m->group_node);
	wf_list_remove(&m->owner_node);
	if (!--o->n) {
		wf_hmap_remove(&t->owners, &o->node);
		free(o);
	}
	free(m);
	t->stats.n_members--;
	if (wf_list_is_empty(&g->members))
		remove_group(t, g);
	else
		publish_ports(g);
}

static struct mcast_owner *
owner_of(struct mcast_table *t, of_port_t port)
{
	uint32_t hash = wf_hash_u64(port, 1);
	struct mcast_owner *o;

	wf_hmap_for_each_with_hash(o, node, hash, &t->owners)
		if (o->port == port)
			return o;
	o = wf_xzalloc(sizeof *o);
	o->port = port;
	wf_list_init(&o->members);
	wf_hmap_insert(&t->owners, &o->node, hash);
	return o;
}

/* The port with most memberships loses its oldest ones until a group has gone with them. */
static void
make_room(struct mcast_table *t, uint64_t max_groups)
{
	while (t->stats.n_groups > max_groups) {
		struct mcast_owner *o, *most = NULL;

		wf_hmap_for_each(o, node, &t->owners)
			if (!most || o->n > most->n)
				most = o;
		remove_member(t, wf_container(most->members.next, struct mcast_member, owner_node));
		t->stats.total_evicted++;
	}
}

static struct mcast_group *
add_group(struct mcast_table *t, uint16_t vid, const struct in6_addr *addr)
{
	struct mcast_group *g, *_Atomic *head;
	struct mcast_array *a;

	make_room(t, t->stats.max_groups - 1);
	a = atomic_load_explicit(&t->array, memory_order_relaxed);
	head = &a->heads[group_hash(vid, addr) & a->mask];
	g = wf_xzalloc(sizeof *g);
	g->addr = *addr;
	g->vid = vid;
	wf_list_init(&g->members);
	atomic_init(&g->next, atomic_load_explicit(head, memory_order_relaxed));
	atomic_store_explicit(head, g, memory_order_release);
	t->stats.n_groups++;
	return g;
}

static struct mcast_member *
find_member(struct mcast_group *g, of_port_t port)
{
	struct mcast_member *m;

	wf_list_for_each (m, group_node, &g->members)
		if (m->owner->port == port)
			return m;
	return NULL;
}

bool
mcast_table_join(struct mcast_table *t, uint16_t vid, const struct in6_addr *addr, of_port_t port)
{
	struct mcast_member *m = NULL;
	struct mcast_group *g;
	bool is_new;

	pthread_mutex_lock(&t->lock);
	g = find(t, vid, addr);
	if (g)
		m = find_member(g, port);
	is_new = !m;
	if (is_new) {
		if (!g)
			g = add_group(t, vid, addr);
		m = wf_xzalloc(sizeof *m);
		m->group = g;
		m->owner = owner_of(t, port);
		m->owner->n++;
		t->stats.n_members++;
		t->stats.total_learned++;
	} else {
		wf_list_remove(&m->group_node);
		wf_list_remove(&m->owner_node);
	}
	m->reported_ms = wf_now_ms();
	m->seq = ++t->seq;
	wf_list_push_back(&g->members, &m->group_node);
	wf_list_push_back(&m->owner->members, &m->owner_node);
	if (is_new)
		publish_ports(g);
	pthread_mutex_unlock(&t->lock);
	return is_new;
}

bool
mcast_table_leave(struct mcast_table *t, uint16_t vid, const struct in6_addr *addr, of_port_t port)
{
	struct mcast_member *m = NULL;
	struct mcast_group *g;

	pthread_mutex_lock(&t->lock);
	g = find(t, vid, addr);
	if (g)
		m = find_member(g, port);
	if (m) {
		t->stats.total_left++;
		remove_member(t, m);
	}
	pthread_mutex_unlock(&t->lock);
	return m != NULL;
}

/* --- Routers --------------------------------------------------------------------------------- */

static void
publish_routers(struct mcast_table *t)
{
	struct router_list *old = atomic_load_explicit(&t->router_list, memory_order_relaxed);

	atomic_store_explicit(&t->router_list,
			      router_list_new(t->routers, (uint32_t)t->stats.n_routers),
			      memory_order_release);
	wf_rcu_free(old);
}

/* Where (vid, port) is or belongs. */
static uint32_t
router_at(const struct mcast_table *t, uint16_t vid, of_port_t port)
{
	uint32_t lo = 0, hi = (uint32_t)t->stats.n_routers;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct router *r = &t->routers[mid];

		if (r->vid < vid || (r->vid == vid && r->port < port))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool
mcast_table_add_router(struct mcast_table *t, uint16_t vid, of_port_t port)
{
	bool is_new = false;
	uint32_t at, n;

	pthread_mutex_lock(&t->lock);
	n = (uint32_t)t->stats.n_routers;
	at = router_at(t, vid, port);
	is_new = at == n || t->routers[at].vid != vid || t->routers[at].port != port;
	if (is_new && n >= MAX_ROUTERS) {
		t->stats.total_refused++;
		pthread_mutex_unlock(&t->lock);
		return false;
	}
	if (is_new) {
		if (n == t->routers_room) {
			t->routers_room = n * 2 + 8;
			t->routers = wf_xrealloc(t->routers, t->routers_room * sizeof *t->routers);
		}
		memmove(&t->routers[at + 1], &t->routers[at], (n - at) * sizeof *t->routers);
		t->routers[at] = (struct router){ .vid = vid, .port = port };
		t->stats.n_routers++;
		t->stats.total_learned++;
	}
	t->routers[at].asked_ms = wf_now_ms();
	t->routers[at].seq = ++t->seq;
	if (is_new)
		publish_routers(t);
	pthread_mutex_unlock(&t->lock);
	return is_new;
}

/* Those for which 'fn' is true go.  Returns how many. */
static uint32_t
remove_routers(struct mcast_table *t, bool (*fn)(const struct router *, const void *),
	       const void *aux)
{
	uint32_t n = 0, was = (uint32_t)t->stats.n_routers;

	for (uint32_t i = 0; i < was; i++)
		if (!fn(&t->routers[i], aux))
			t->routers[n++] = t->routers[i];
	t->stats.n_routers = n;
	if (n != was)
		publish_routers(t);
	return was - n;
}

/* --- Main thread --------------------------------------------------------------------------- */

static bool
any_router(const struct router *r, const void *aux)
{
	return true;
}

static bool
router_is_old(const struct router *r, const void *now)
{
	return r->asked_ms + ROUTER_AGING_MS <= *(const int64_t *)now;
}

static bool
has_member(const struct bundle *b, of_port_t port)
{
	for (uint32_t i = 0; i < b->n_members; i++)
		if (b->members[i] == port)
			return true;
	return false;
}

static bool
router_is_of_bundle(const struct router *r, const void *bundle)
{
	return has_member(bundle, r->port);
}

static void
flush_owner(struct mcast_table *t, struct mcast_owner *o)
{
	for (unsigned left = o->n; left; left--) /* with the last one goes 'o' */
		remove_member(t, wf_container(o->members.next, struct mcast_member, owner_node));
}

static void
flush(struct mcast_table *t)
{
	struct mcast_owner *o;

	wf_hmap_for_each_safe(o, node, &t->owners)
		flush_owner(t, o);
	remove_routers(t, any_router, NULL);
}

void
mcast_table_free(struct mcast_table *t)
{
	if (!t)
		return;
	flush(t);
	wf_hmap_done(&t->owners);
	free(atomic_load(&t->array));
	free(atomic_load(&t->router_list));
	free(t->routers);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void
mcast_table_configure(struct mcast_table *t, unsigned max_groups, int64_t aging_ms)
{
	pthread_mutex_lock(&t->lock);
	t->aging_ms = clamp_aging(aging_ms);
	t->stats.max_groups = clamp_groups(max_groups);
	make_room(t, t->stats.max_groups);
	struct mcast_array *old = atomic_load(&t->array);
	if (t->stats.max_groups > 2 * (old->mask + 1ull)) {
		/* Chains would grow long.  A group cannot be on two chains, so it starts anew. */
		flush(t);
		atomic_store_explicit(&t->array, array_new((unsigned)t->stats.max_groups),
				      memory_order_release);
		wf_rcu_free(old);
	}
	pthread_mutex_unlock(&t->lock);
}

void
mcast_table_flush(struct mcast_table *t)
{
	pthread_mutex_lock(&t->lock);
	flush(t);
	pthread_mutex_unlock(&t->lock);
}

void
mcast_table_flush_bundle(struct mcast_table *t, const struct bundle *b)
{
	struct mcast_owner *o;

	pthread_mutex_lock(&t->lock);
	wf_hmap_for_each_safe(o, node, &t->owners)
		if (has_member(b, o->port))
			flush_owner(t, o);
	remove_routers(t, router_is_of_bundle, b);
	pthread_mutex_unlock(&t->lock);
}

void
mcast_table_expire(struct mcast_table *t)
{
	int64_t now = wf_now_ms();
	struct mcast_owner *o;

	pthread_mutex_lock(&t->lock);
	wf_hmap_for_each_safe(o, node, &t->owners)
		for (unsigned left = o->n; left; left--) {
			struct mcast_member *m =
				wf_container(o->members.next, struct mcast_member, owner_node);

			if (m->reported_ms + t->aging_ms > now)
				break;
			t->stats.total_expired++;
			remove_member(t, m);
		}
	t->stats.total_expired += remove_routers(t, router_is_old, &now);
	pthread_mutex_unlock(&t->lock);
}

struct sorted_row {
	struct mcast_row row;
	uint64_t group_seq, seq;
};

static int
row_cmp(const void *a_, const void *b_)
{
	const struct sorted_row *a = a_, *b = b_;

	if (a->row.is_router != b->row.is_router)
		return a->row.is_router ? 1 : -1;
	if (a->group_seq != b->group_seq)
		return a->group_seq < b->group_seq ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static void
collect_group(const struct mcast_group *g, int64_t now, struct wf_buf *rows)
{
	const struct mcast_member *m;
	const struct mcast_member *last =
		wf_container(g->members.prev, struct mcast_member, group_node);

	wf_list_for_each (m, group_node, &g->members) {
		struct sorted_row row = {
			.row = { .port = m->owner->port, .vid = g->vid, .group = g->addr,
				 .age_s = (int)((now - m->reported_ms) / 1000) },
			.group_seq = last->seq,
			.seq = m->seq,
		};

		wf_buf_put(rows, &row, sizeof row);
	}
}

void
mcast_table_dump(struct mcast_table *t, void (*fn)(const struct mcast_row *, void *), void *aux)
{
	struct mcast_array *a = atomic_load(&t->array);
	struct wf_buf rows = WF_BUF_INIT;
	int64_t now = wf_now_ms();
	size_t n;

	pthread_mutex_lock(&t->lock);
	for (uint32_t i = 0; i <= a->mask; i++)
		for (struct mcast_group *g = atomic_load(&a->heads[i]); g; g = atomic_load(&g->next))
			collect_group(g, now, &rows);
	for (uint32_t i = 0; i < t->stats.n_routers; i++) {
		const struct router *r = &t->routers[i];
		struct sorted_row row = {
			.row = { .port = r->port, .vid = r->vid, .is_router = true,
				 .age_s = (int)((now - r->asked_ms) / 1000) },
			.seq = r->seq,
		};

		wf_buf_put(&rows, &row, sizeof row);
	}
	pthread_mutex_unlock(&t->lock);
	n = rows.size / sizeof(struct sorted_row);
	if (n)
		qsort(rows.data, n, sizeof(struct sorted_row), row_cmp);
	for (size_t i = 0; i < n; i++)
		fn(&((const struct sorted_row *)rows.data)[i].row, aux);
	wf_buf_done(&rows);
}

void
mcast_table_stats(struct mcast_table *t, struct mcast_stats *s)
{
	pthread_mutex_lock(&t->lock);
	*s = t->stats;
	pthread_mutex_unlock(&t->lock);
}

void
mcast_table_stats_clear(struct mcast_table *t)
{
	pthread_mutex_lock(&t->lock);
	t->stats.total_learned = t->stats.total_left = t->stats.total_expired = 0;
	t->stats.total_evicted = t->stats.total_refused = 0;
	pthread_mutex_unlock(&t->lock);
}
