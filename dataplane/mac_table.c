// SPDX-License-Identifier: Apache-2.0
/* The MAC table of a bridge.
 *
 *   buckets -> entry -> entry ...     readers: lock-free, between quiescent points
 *   owners (one a port) -> entries, roughly oldest first     under the lock
 *
 * 'used' is stamped without a lock and without moving the entry in its owner's list; whoever
 * looks for the oldest moves entries that were used since to the end (second chance).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/coverage.h"
#include "base/hash.h"
#include "base/hmap.h"
#include "base/rcu.h"
#include "dataplane/normal.h"

WF_COVERAGE(mac_learning_static_none_move); /* another port used a static entry's address */

#define DEFAULT_MAX_ENTRIES 8192
#define DEFAULT_AGING_MS 300000
#define GRATUITOUS_ARP_LOCK_MS 5000
/* How stale a stamp may be before a packet renews it: ages are shown in seconds. */
#define STAMP_MS 500

struct mac_entry {
	struct mac_entry *_Atomic next;
	uint8_t mac[6];
	uint16_t vid;
	bool is_static;
	_Atomic of_port_t port;
	_Atomic int64_t used_ms;
	_Atomic uint64_t used_seq; /* order among equal stamps */
	/* Under the lock. */
	int64_t listed_ms;      /* 'used_ms' as its place in the list says */
	int64_t locked_until_ms;
	struct mac_owner *owner;
	struct wf_list owner_node;
};

struct mac_owner {
	struct wf_hmap_node node; /* by port */
	of_port_t port;
	unsigned n;
	struct wf_list entries;
};

struct mac_array {
	uint32_t mask;
	struct mac_entry *_Atomic heads[];
};

struct mac_table {
	struct mac_array *_Atomic array;
	_Atomic int64_t aging_ms;
	_Atomic uint64_t seq;
	pthread_mutex_t lock;
	unsigned max_entries;
	struct wf_hmap owners;
	struct mac_stats stats;
};

static struct mac_array *
array_new(unsigned max_entries)
{
	uint32_t n = 256;
	struct mac_array *a;

	while (n < max_entries && n < 1u << 24)
		n *= 2;
	a = wf_xzalloc(sizeof *a + n * sizeof a->heads[0]);
	a->mask = n - 1;
	return a;
}

struct mac_table *
mac_table_new(void)
{
	struct mac_table *t = wf_xzalloc(sizeof *t);

	t->max_entries = DEFAULT_MAX_ENTRIES;
	atomic_init(&t->aging_ms, DEFAULT_AGING_MS);
	atomic_init(&t->array, array_new(t->max_entries));
	pthread_mutex_init(&t->lock, NULL);
	wf_hmap_init(&t->owners);
	return t;
}

static uint32_t
mac_hash(uint16_t vid, const uint8_t mac[6])
{
	uint64_t v = 0;

	memcpy(&v, mac, 6);
	return wf_hash_u64(v | (uint64_t)vid << 48, 0);
}

static struct mac_entry *
find_in(const struct mac_array *a, uint16_t vid, const uint8_t mac[6])
{
	struct mac_entry *const _Atomic *head =
		(struct mac_entry *const _Atomic *)&a->heads[mac_hash(vid, mac) & a->mask];
	struct mac_entry *e;

	for (e = atomic_load_explicit(head, memory_order_acquire); e;
	     e = atomic_load_explicit(&e->next, memory_order_acquire))
		if (e->vid == vid && !memcmp(e->mac, mac, 6))
			return e;
	return NULL;
}

static struct mac_entry *
find(struct mac_table *t, uint16_t vid, const uint8_t mac[6])
{
	return find_in(atomic_load_explicit(&t->array, memory_order_acquire), vid, mac);
}

static void
stamp(struct mac_table *t, struct mac_entry *e, int64_t now)
{
	atomic_store_explicit(&e->used_ms, now, memory_order_relaxed);
	atomic_store_explicit(&e->used_seq,
			      atomic_fetch_add_explicit(&t->seq, 1, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static bool
is_fresh(struct mac_table *t, const struct mac_entry *e, int64_t now)
{
	return e->is_static ||
	       atomic_load_explicit(&((struct mac_entry *)e)->used_ms, memory_order_relaxed) +
			       atomic_load_explicit(&t->aging_ms, memory_order_relaxed) > now;
}

of_port_t
mac_table_lookup_at(struct mac_table *t, uint16_t vid, const uint8_t mac[6], int64_t now_ms)
{
	struct mac_entry *e = find(t, vid, mac);

	if (!e || !is_fresh(t, e, now_ms))
		return OF_PORT_NONE;
	return atomic_load_explicit(&e->port, memory_order_relaxed);
}

of_port_t
mac_table_lookup(struct mac_table *t, uint16_t vid, const uint8_t mac[6])
{
	return mac_table_lookup_at(t, vid, mac, wf_now_ms());
}

_Atomic uint32_t mac_stamps[MAC_STAMPS];

static uint16_t
cell_of(const struct mac_table *t, uint16_t vid, const uint8_t mac[6])
{
	/* Not the bits by which buckets are chosen. */
	return (wf_hash_u64((uintptr_t)t >> 4, mac_hash(vid, mac))) % MAC_STAMPS;
}

/* After a change was made. */
static void
note_change(const struct mac_table *t, const struct mac_entry *e)
{
	atomic_fetch_add_explicit(&mac_stamps[cell_of(t, e->vid, e->mac)], 1, memory_order_release);
}

bool
mac_table_lease(struct mac_table *t, uint16_t vid, const uint8_t src[6], const uint8_t dst[6],
		of_port_t port, int64_t now, struct mac_lease *lease)
{
	struct mac_entry *e;

	lease->cells[0] = cell_of(t, vid, src);
	lease->cells[1] = cell_of(t, vid, dst);
	/* Before the entries: what changes while they are read makes the sum another. */
	lease->stamp = mac_stamp(lease->cells[0]) + mac_stamp(lease->cells[1]);
	e = find(t, vid, src);
	if (!e || atomic_load_explicit(&e->port, memory_order_relaxed) != port)
		return false;
	lease->until_ms = atomic_load_explicit(&e->used_ms, memory_order_relaxed) + STAMP_MS;
	lease->to = OF_PORT_NONE;
	e = find(t, vid, dst);
	if (e) {
		int64_t end = atomic_load_explicit(&e->used_ms, memory_order_relaxed) +
			      atomic_load_explicit(&t->aging_ms, memory_order_relaxed);

		/* One that has aged may be young again at any time. */
		if (!is_fresh(t, e, now))
			return false;
		if (!e->is_static && end < lease->until_ms)
			lease->until_ms = end;
		lease->to = atomic_load_explicit(&e->port, memory_order_relaxed);
	}
	return lease->until_ms > now;
}

/* --- Changes, under the lock -------------------------------------------------------------- */

static struct mac_owner *
owner_of(struct mac_table *t, of_port_t port)
{
	uint32_t hash = wf_hash_u64(port, 1);
	struct mac_owner *o;

	wf_hmap_for_each_with_hash(o, node, hash, &t->owners)
	{
		if (o->port == port)
			return o;
	}
	o = wf_xzalloc(sizeof *o);
	o->port = port;
	wf_list_init(&o->entries);
	wf_hmap_insert(&t->owners, &o->node, hash);
	return o;
}

static void
disown(struct mac_table *t, struct mac_entry *e)
{
	struct mac_owner *o = e->owner;

	wf_list_remove(&e->owner_node);
	if (!--o->n) {
		wf_hmap_remove(&t->owners, &o->node);
		free(o);
	}
}

static void
own(struct mac_table *t, struct mac_entry *e, of_port_t port)
{
	e->owner = owner_of(t, port);
	e->owner->n++;
	e->listed_ms = atomic_load_explicit(&e->used_ms, memory_order_relaxed);
	wf_list_push_back(&e->owner->entries, &e->owner_node);
	atomic_store_explicit(&e->port, port, memory_order_relaxed);
	note_change(t, e);
}

static void
remove_entry(struct mac_table *t, struct mac_entry *e)
{
	struct mac_array *a = atomic_load_explicit(&t->array, memory_order_relaxed);
	struct mac_entry *_Atomic *p = &a->heads[mac_hash(e->vid, e->mac) & a->mask];
	struct mac_entry *at;

	while ((at = atomic_load_explicit(p, memory_order_relaxed)) != e)
		p = &at->next;
	atomic_store_explicit(p, atomic_load_explicit(&e->next, memory_order_relaxed),
			      memory_order_release);
	note_change(t, e);
	disown(t, e);
	t->stats.n--;
	if (e->is_static)
		t->stats.n_static--;
	wf_rcu_free(e);
}

/* The entry of 'o' that was not used for the longest time, as far as a bounded look tells.
 * Static ones are never given up. */
static struct mac_entry *
oldest(struct mac_owner *o)
{
	for (unsigned i = 0; i < o->n; i++) {
		struct mac_entry *e = wf_container(o->entries.next, struct mac_entry, owner_node);
		int64_t used = atomic_load_explicit(&e->used_ms, memory_order_relaxed);

		if (!e->is_static && (used == e->listed_ms || i >= 32))
			return e;
		e->listed_ms = used;
		wf_list_remove(&e->owner_node);
		wf_list_push_back(&o->entries, &e->owner_node);
	}
	return NULL;
}

/* Makes room for one: the port with most entries loses its oldest, so that a port that floods
 * the table with addresses pushes out its own. */
static bool
evict_one(struct mac_table *t)
{
	struct mac_owner *o, *most = NULL;
	struct mac_entry *e;

	wf_hmap_for_each(o, node, &t->owners)
	{
		if (!most || o->n > most->n)
			most = o;
	}
	e = most ? oldest(most) : NULL;
	if (!e)
		return false;
	t->stats.total_evicted++;
	remove_entry(t, e);
	return true;
}

static struct mac_entry *
insert(struct mac_table *t, uint16_t vid, const uint8_t mac[6], of_port_t port, bool is_static)
{
	struct mac_array *a = atomic_load_explicit(&t->array, memory_order_relaxed);
	struct mac_entry *_Atomic *head = &a->heads[mac_hash(vid, mac) & a->mask];
	struct mac_entry *e;

	while (t->stats.n >= t->max_entries)
		if (!evict_one(t))
			return NULL;
	e = wf_xzalloc(sizeof *e);
	memcpy(e->mac, mac, 6);
	e->vid = vid;
	e->is_static = is_static;
	stamp(t, e, wf_now_ms());
	own(t, e, port);
	atomic_init(&e->next, atomic_load_explicit(head, memory_order_relaxed));
	atomic_store_explicit(head, e, memory_order_release);
	note_change(t, e);
	t->stats.n++;
	if (is_static) {
		t->stats.n_static++;
		t->stats.total_static++;
	}
	return e;
}

bool
mac_table_learn(struct mac_table *t, uint16_t vid, const uint8_t mac[6], of_port_t port,
		bool is_bond, bool is_gratuitous_arp)
{
	return mac_table_learn_at(t, vid, mac, port, is_bond, is_gratuitous_arp, wf_now_ms());
}

bool
mac_table_learn_at(struct mac_table *t, uint16_t vid, const uint8_t mac[6], of_port_t port,
		   bool is_bond, bool is_gratuitous_arp, int64_t now)
{
	struct mac_entry *e = find(t, vid, mac);
	bool is_new = false;

	if (e && e->is_static && atomic_load_explicit(&e->port, memory_order_relaxed) != port)
		wf_coverage_inc(mac_learning_static_none_move);
	if (e && (e->is_static ||
		  (atomic_load_explicit(&e->port, memory_order_relaxed) == port &&
		   !is_gratuitous_arp))) {
		if (now - atomic_load_explicit(&e->used_ms, memory_order_relaxed) >= STAMP_MS)
			stamp(t, e, now);
		return false;
	}
	pthread_mutex_lock(&t->lock);
	e = find(t, vid, mac);
	if (!e) {
		e = insert(t, vid, mac, port, false);
		if (e) {
			t->stats.total_learned++;
			is_new = true;
		}
	}
	if (e && !e->is_static) {
		bool refused = false;

		if (is_gratuitous_arp) {
			if (!is_bond)
				e->locked_until_ms = now + GRATUITOUS_ARP_LOCK_MS;
			else if (now < e->locked_until_ms)
				refused = true;
		}
		if (!refused) {
			stamp(t, e, now);
			if (e->owner->port != port) {
				disown(t, e);
				own(t, e, port);
				t->stats.total_moved++;
				is_new = true;
			}
		}
	}
	pthread_mutex_unlock(&t->lock);
	return is_new;
}

bool
mac_table_restore(struct mac_table *t, uint16_t vid, const uint8_t mac[6], of_port_t port,
		  bool is_static, int64_t used_ms)
{
	struct mac_entry *e;

	if (!is_static && used_ms + atomic_load(&t->aging_ms) <= wf_now_ms())
		return false;
	pthread_mutex_lock(&t->lock);
	e = find(t, vid, mac) || t->stats.n >= t->max_entries ? NULL
							      : insert(t, vid, mac, port, is_static);
	if (e)
		stamp(t, e, used_ms);
	pthread_mutex_unlock(&t->lock);
	return e != NULL;
}

bool
mac_table_is_locked(struct mac_table *t, uint16_t vid, const uint8_t mac[6])
{
	struct mac_entry *e;
	bool locked;

	pthread_mutex_lock(&t->lock);
	e = find(t, vid, mac);
	locked = e && wf_now_ms() < e->locked_until_ms;
	pthread_mutex_unlock(&t->lock);
	return locked;
}

/* --- Main thread ---------------------------------------------------------------------------- */

static void
remove_if(struct mac_table *t, bool (*wanted)(const struct mac_entry *, const void *),
	  const void *aux)
{
	struct mac_array *a = atomic_load_explicit(&t->array, memory_order_relaxed);

	for (uint32_t i = 0; i <= a->mask; i++) {
		struct mac_entry *e = atomic_load_explicit(&a->heads[i], memory_order_relaxed);

		while (e) {
			struct mac_entry *next = atomic_load_explicit(&e->next, memory_order_relaxed);

			if (wanted(e, aux))
				remove_entry(t, e);
			e = next;
		}
	}
}

static bool
any_entry(const struct mac_entry *e, const void *aux)
{
	return true;
}

static bool
dynamic_entry(const struct mac_entry *e, const void *aux)
{
	return !e->is_static;
}

static bool
of_bundle(const struct mac_entry *e, const void *aux)
{
	const struct bundle *b = aux;
	of_port_t port = atomic_load_explicit(&((struct mac_entry *)e)->port, memory_order_relaxed);

	for (uint32_t i = 0; i < b->n_members; i++)
		if (b->members[i] == port)
			return true;
	return false;
}

void
mac_table_free(struct mac_table *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	remove_if(t, any_entry, NULL);
	pthread_mutex_unlock(&t->lock);
	wf_hmap_done(&t->owners);
	free(atomic_load(&t->array));
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void
mac_table_configure(struct mac_table *t, unsigned max_entries, int64_t aging_ms)
{
	struct mac_array *old = atomic_load(&t->array);

	if (!max_entries)
		max_entries = DEFAULT_MAX_ENTRIES;
	atomic_store_explicit(&t->aging_ms, aging_ms ? aging_ms : DEFAULT_AGING_MS,
			      memory_order_relaxed);
	/* Whatever was said of its entries' age. */
	for (unsigned i = 0; i < MAC_STAMPS; i++)
		atomic_fetch_add_explicit(&mac_stamps[i], 1, memory_order_release);
	pthread_mutex_lock(&t->lock);
	t->max_entries = max_entries;
	t->stats.max = max_entries;
	while (t->stats.n > max_entries)
		if (!evict_one(t))
			break;
	if (max_entries > 2 * (old->mask + 1ull)) {
		/* Chains would grow long.  Entries cannot be on two chains, so learning starts anew. */
		remove_if(t, dynamic_entry, NULL);
		if (!t->stats.n) {
			atomic_store_explicit(&t->array, array_new(max_entries),
					      memory_order_release);
			wf_rcu_free(old);
		}
	}
	pthread_mutex_unlock(&t->lock);
}

void
mac_table_flush(struct mac_table *t)
{
	pthread_mutex_lock(&t->lock);
	remove_if(t, dynamic_entry, NULL);
	pthread_mutex_unlock(&t->lock);
}

void
mac_table_flush_bundle(struct mac_table *t, const struct bundle *b)
{
	pthread_mutex_lock(&t->lock);
	remove_if(t, of_bundle, b);
	pthread_mutex_unlock(&t->lock);
}

bool
mac_table_add_static(struct mac_table *t, struct bundle *b, of_port_t port, uint16_t vid,
		     const uint8_t mac[6])
{
	struct mac_entry *e;

	(void)b;
	pthread_mutex_lock(&t->lock);
	e = find(t, vid, mac);
	if (e)
		remove_entry(t, e);
	e = insert(t, vid, mac, port, true);
	pthread_mutex_unlock(&t->lock);
	return e != NULL;
}

bool
mac_table_del(struct mac_table *t, uint16_t vid, const uint8_t mac[6])
{
	struct mac_entry *e;

	pthread_mutex_lock(&t->lock);
	e = find(t, vid, mac);
	if (e)
		remove_entry(t, e);
	pthread_mutex_unlock(&t->lock);
	return e != NULL;
}

void
mac_table_expire(struct mac_table *t)
{
	int64_t now = wf_now_ms(), aging = atomic_load_explicit(&t->aging_ms, memory_order_relaxed);
	struct mac_owner *o;

	pthread_mutex_lock(&t->lock);
	wf_hmap_for_each_safe(o, node, &t->owners)
	{
		/* Those in front are the oldest as listed; one that was used since goes to the end. */
		for (unsigned left = o->n; left; left--) {
			struct mac_entry *e =
				wf_container(o->entries.next, struct mac_entry, owner_node);
			int64_t used = atomic_load_explicit(&e->used_ms, memory_order_relaxed);

			if (!e->is_static && e->listed_ms + aging > now)
				break;
			if (e->is_static || used + aging > now) {
				e->listed_ms = used;
				wf_list_remove(&e->owner_node);
				wf_list_push_back(&o->entries, &e->owner_node);
				continue;
			}
			t->stats.total_expired++;
			remove_entry(t, e); /* with the last one goes 'o' */
		}
	}
	pthread_mutex_unlock(&t->lock);
}

struct sorted_row {
	struct mac_row row;
	uint64_t seq;
};

/* Least recently used first. */
static int
compare_rows(const void *a_, const void *b_)
{
	const struct sorted_row *a = a_, *b = b_;

	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

void
mac_table_dump(struct mac_table *t, void (*fn)(const struct mac_row *, void *), void *aux)
{
	struct mac_array *a = atomic_load(&t->array);
	int64_t now = wf_now_ms();
	struct wf_buf rows = WF_BUF_INIT;
	size_t n;

	pthread_mutex_lock(&t->lock);
	for (uint32_t i = 0; i <= a->mask; i++) {
		for (struct mac_entry *e = atomic_load(&a->heads[i]); e; e = atomic_load(&e->next)) {
			struct sorted_row row = {
				.row = { .port = atomic_load(&e->port), .vid = e->vid,
					 .is_static = e->is_static },
				.seq = atomic_load(&e->used_seq),
			};

			if (!is_fresh(t, e, now))
				continue;
			memcpy(row.row.mac, e->mac, 6);
			row.row.age_s = (int)((now - atomic_load(&e->used_ms)) / 1000);
			wf_buf_put(&rows, &row, sizeof row);
		}
	}
	pthread_mutex_unlock(&t->lock);
	n = rows.size / sizeof(struct sorted_row);
	if (n)
		qsort(rows.data, n, sizeof(struct sorted_row), compare_rows);
	for (size_t i = 0; i < n; i++)
		fn(&((const struct sorted_row *)rows.data)[i].row, aux);
	wf_buf_done(&rows);
}

void
mac_table_stats(struct mac_table *t, struct mac_stats *s)
{
	pthread_mutex_lock(&t->lock);
	*s = t->stats;
	s->max = t->max_entries;
	pthread_mutex_unlock(&t->lock);
}

void
mac_table_stats_clear(struct mac_table *t)
{
	pthread_mutex_lock(&t->lock);
	t->stats.total_learned = t->stats.total_expired = t->stats.total_evicted = 0;
	t->stats.total_moved = 0;
	pthread_mutex_unlock(&t->lock);
}
