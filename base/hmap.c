// SPDX-License-Identifier: Apache-2.0
#include "base/hmap.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"

/* An empty map has one bucket inside the struct ('one'), so that init allocates nothing
 * and a map may be moved only while it is empty; buckets double when the load passes 2. */

void
wf_hmap_init(struct wf_hmap *m)
{
	m->one = NULL;
	m->buckets = &m->one;
	m->mask = 0;
	m->n = 0;
}

void
wf_hmap_done(struct wf_hmap *m)
{
	if (m->buckets != &m->one)
		free(m->buckets);
	wf_hmap_init(m);
}

static void
grow(struct wf_hmap *m)
{
	size_t mask = m->mask * 2 + 1;

	mask = mask < 7 ? 7 : mask;

	struct wf_hmap_node **buckets = wf_xzalloc((mask + 1) * sizeof(*buckets));
	for (size_t i = 0; i <= m->mask; i++) {
		struct wf_hmap_node *next;

		for (struct wf_hmap_node *n = m->buckets[i]; n; n = next) {
			next = n->next;
			n->next = buckets[n->hash & mask];
			buckets[n->hash & mask] = n;
		}
	}
	if (m->buckets != &m->one)
		free(m->buckets);
	m->buckets = buckets;
	m->mask = mask;
}

void
wf_hmap_insert(struct wf_hmap *m, struct wf_hmap_node *n, uint32_t hash)
{
	if (m->n > m->mask * 2)
		grow(m);

	struct wf_hmap_node **bucket = &m->buckets[hash & m->mask];
	n->hash = hash;
	n->next = *bucket;
	*bucket = n;
	m->n++;
}

void
wf_hmap_remove(struct wf_hmap *m, struct wf_hmap_node *n)
{
	struct wf_hmap_node **p = &m->buckets[n->hash & m->mask];

	while (*p != n) {
		assert(*p && "node is not in this map");
		p = &(*p)->next;
	}
	*p = n->next;
	n->next = NULL;
	m->n--;
}

static struct wf_hmap_node *
with_hash(struct wf_hmap_node *n, uint32_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

struct wf_hmap_node *
wf_hmap_first_with_hash(const struct wf_hmap *m, uint32_t hash)
{
	return with_hash(m->buckets[hash & m->mask], hash);
}

struct wf_hmap_node *
wf_hmap_next_with_hash(const struct wf_hmap_node *n)
{
	return with_hash(n->next, n->hash);
}

static struct wf_hmap_node *
first_from(const struct wf_hmap *m, size_t i)
{
	for (; i <= m->mask; i++)
		if (m->buckets[i])
			return m->buckets[i];
	return NULL;
}

struct wf_hmap_node *
wf_hmap_first(const struct wf_hmap *m)
{
	return first_from(m, 0);
}

struct wf_hmap_node *
wf_hmap_next(const struct wf_hmap *m, const struct wf_hmap_node *n)
{
	return n->next ? n->next : first_from(m, (n->hash & m->mask) + 1);
}
