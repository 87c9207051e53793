/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/packet.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A buffer of ours.
 *
 *   | struct rte_mbuf | capacity, next | headroom | room |
 *
 * priv_size tells them from packets of other owners (tests): it is the size of what lies
 * between the mbuf and the data, as in DPDK's own pools. */
struct pkt_buf {
	struct rte_mbuf m;
	uint32_t capacity; /* headroom and room; buf_len has 16 bits only */
	uint32_t class;
	struct pkt_buf *next;
	uint64_t pad[6];
	uint8_t data[];
};
static_assert(sizeof(struct pkt_buf) % RTE_CACHE_LINE_SIZE == 0, "data starts on a line");
#define PKT_PRIV_SIZE (sizeof(struct pkt_buf) - sizeof(struct rte_mbuf))

enum { SMALL, LARGE, N_CLASSES };
static const uint32_t class_capacity[N_CLASSES] = {
	PKT_HEADROOM + PKT_SMALL_ROOM,
	PKT_HEADROOM + PKT_LARGE_ROOM,
};

/* Free packets of a thread.  Packets are made by one thread and often freed by another, so
 * lists that grow beyond 'max' give half of theirs to the depot, and empty ones ask it. */
struct free_list {
	struct pkt_buf *head;
	unsigned n;
};
static const unsigned list_max[N_CLASSES] = { 512, 8 };
static const unsigned refill[N_CLASSES] = { 64, 1 };
static _Thread_local struct free_list mine[N_CLASSES];

/* Small packets come in slabs and stay; of the large ones the depot keeps that many. */
#define DEPOT_LARGE_MAX 64
static pthread_mutex_t depot_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct free_list depot[N_CLASSES];

#if defined(__SANITIZE_ADDRESS__)
#define PKT_NO_REUSE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PKT_NO_REUSE 1
#endif
#endif
#ifndef PKT_NO_REUSE
/* Lists hide a use after free from the sanitizer, so that it gets none. */
#define PKT_NO_REUSE 0
#endif

static void
buf_init(struct pkt_buf *b, unsigned class)
{
	memset(b, 0, sizeof(*b));
	b->class = class;
	b->capacity = class_capacity[class];
	b->m.buf_addr = b->data;
	b->m.buf_len = b->capacity < UINT16_MAX ? b->capacity : UINT16_MAX;
	b->m.priv_size = PKT_PRIV_SIZE;
}

static size_t
buf_size(unsigned class)
{
	size_t size = sizeof(struct pkt_buf) + class_capacity[class];

	return (size + RTE_CACHE_LINE_SIZE - 1) & ~(size_t)(RTE_CACHE_LINE_SIZE - 1);
}

static bool
list_refill(struct free_list *l, unsigned class)
{
	unsigned n = PKT_NO_REUSE ? 1 : refill[class];

	if (!PKT_NO_REUSE) {
		pthread_mutex_lock(&depot_mutex);
		while (l->n < n && depot[class].head) {
			struct pkt_buf *b = depot[class].head;

			depot[class].head = b->next;
			depot[class].n--;
			b->next = l->head;
			l->head = b;
			l->n++;
		}
		pthread_mutex_unlock(&depot_mutex);
		if (l->n)
			return true;
	}

	size_t size = buf_size(class);
	uint8_t *slab = aligned_alloc(RTE_CACHE_LINE_SIZE, size * n);
	if (!slab)
		return false;
	for (unsigned i = 0; i < n; i++) {
		struct pkt_buf *b = (struct pkt_buf *)(slab + i * size);

		buf_init(b, class);
		b->next = l->head;
		l->head = b;
	}
	l->n += n;
	return true;
}

/* Gives packets to the depot until 'keep' are left. */
static void
list_drain(struct free_list *l, unsigned class, unsigned keep)
{
	struct pkt_buf *extra = NULL;

	pthread_mutex_lock(&depot_mutex);
	while (l->n > keep) {
		struct pkt_buf *b = l->head;

		l->head = b->next;
		l->n--;
		if (class == LARGE && depot[class].n >= DEPOT_LARGE_MAX) {
			b->next = extra;
			extra = b;
		} else {
			b->next = depot[class].head;
			depot[class].head = b;
			depot[class].n++;
		}
	}
	pthread_mutex_unlock(&depot_mutex);
	while (extra) {
		struct pkt_buf *next = extra->next;

		free(extra);
		extra = next;
	}
}

struct rte_mbuf *
pkt_alloc(uint32_t size)
{
	unsigned class = size <= PKT_SMALL_ROOM ? SMALL : LARGE;
	struct free_list *l = &mine[class];

	if (size > PKT_LARGE_ROOM || (!l->head && !list_refill(l, class)))
		return NULL;

	struct pkt_buf *b = l->head;
	struct rte_mbuf *m = &b->m;
	l->head = b->next;
	l->n--;
	m->data_off = PKT_HEADROOM;
	rte_mbuf_refcnt_set(m, 1);
	m->nb_segs = 1;
	m->port = RTE_MBUF_PORT_INVALID;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->pkt_len = 0;
	m->data_len = 0;
	m->vlan_tci = 0;
	m->hash.rss = 0;
	m->tx_offload = 0;
	m->next = NULL;
	return m;
}

static inline bool
is_ours(const struct rte_mbuf *m)
{
	return !m->pool && m->priv_size == PKT_PRIV_SIZE;
}

void
pkt_free(struct rte_mbuf *m)
{
	if (!m)
		return;
	if (m->pool) {
		rte_pktmbuf_free(m);
		return;
	}
	if (rte_mbuf_refcnt_read(m) != 1 && rte_mbuf_refcnt_update(m, -1))
		return;

	struct pkt_buf *b = (struct pkt_buf *)m;
	if (PKT_NO_REUSE) {
		free(b);
		return;
	}
	struct free_list *l = &mine[b->class];
	b->next = l->head;
	l->head = b;
	if (++l->n > list_max[b->class])
		list_drain(l, b->class, list_max[b->class] / 2);
}

void
pkt_free_bulk(struct rte_mbuf **m, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pkt_free(m[i]);
}

void
pkt_thread_done(void)
{
	for (unsigned class = 0; class < N_CLASSES; class++)
		list_drain(&mine[class], class, 0);
}

uint32_t
pkt_capacity(const struct rte_mbuf *m)
{
	uint32_t all = is_ours(m) ? ((const struct pkt_buf *)m)->capacity : m->buf_len;

	return all - m->data_off;
}

void *
pkt_push(struct rte_mbuf *m, uint32_t size)
{
	uint32_t old_size = pkt_size(m);

	if (m->data_off < size) {
		uint32_t shift = size - m->data_off;

		if (pkt_capacity(m) < old_size || pkt_capacity(m) - old_size < shift)
			return NULL;
		memmove(pkt_data(m) + shift, pkt_data(m), old_size);
		m->data_off += shift;
	}
	m->data_off -= size;
	pkt_set_size(m, old_size + size);
	return pkt_data(m);
}

void *
pkt_pull(struct rte_mbuf *m, uint32_t size)
{
	if (pkt_size(m) < size)
		return NULL;
	m->data_off += size;
	pkt_set_size(m, pkt_size(m) - size);
	return pkt_data(m);
}

struct rte_mbuf *
pkt_copy(const struct rte_mbuf *m)
{
	uint32_t size = pkt_size(m);
	struct rte_mbuf *copy = pkt_alloc(size);

	if (!copy)
		return NULL;
	memcpy(pkt_data(copy), pkt_data(m), size);
	pkt_set_size(copy, size);
	/* Where the buffer comes from is the copy's own. */
	copy->ol_flags = m->ol_flags & ~(RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT);
	copy->tx_offload = m->tx_offload;
	copy->packet_type = m->packet_type;
	copy->port = m->port;
	copy->hash = m->hash;
	return copy;
}

struct rte_mbuf *
pkt_from_bytes(const void *bytes, uint32_t size)
{
	struct rte_mbuf *m = pkt_alloc(size);

	if (!m)
		return NULL;
	if (size)
		memcpy(pkt_data(m), bytes, size);
	pkt_set_size(m, size);
	return m;
}
