// SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>
#include <stdlib.h>

#include "base/buf.h"
#include "bpf/dns_abi.h"
#include "dns/server/xdp.h"
#include "dns/server/xdp_internal.h"

/* One query in so many is looked at. */
#define SAMPLE	 8
#define COUNTERS 4096
/* Looked at so often before others took its counter away: then it is hot. */
#define ENOUGH 4
#define RING   256

struct told {
	uint16_t type;
	uint8_t size;
	uint8_t name[DNS_X_NAME];
};

struct dns_hot {
	unsigned n;
	struct {
		uint32_t hash, count;
	} counters[COUNTERS];
	struct told ring[RING];
	_Atomic uint32_t head, tail; /* head: the worker's, tail: main's */
};

struct dns_hot *
dns_hot_new(void)
{
	return dns_xdp.object ? wf_xzalloc(sizeof(struct dns_hot)) : NULL;
}

void
dns_hot_free(struct dns_hot *h)
{
	free(h);
}

static void
tell(struct dns_hot *h, const struct dns_name *name, unsigned type)
{
	uint32_t head = atomic_load_explicit(&h->head, memory_order_relaxed);
	struct told *t = &h->ring[head % RING];

	if (head - atomic_load_explicit(&h->tail, memory_order_acquire) >= RING)
		return; /* it will be asked for again */
	t->type = type;
	t->size = name->size;
	memcpy(t->name, name->wire, name->size);
	atomic_store_explicit(&h->head, head + 1, memory_order_release);
}

void
dns_hot_note(struct dns_hot *h, const uint8_t *query, size_t size, const uint8_t *answer)
{
	struct dns_name name;
	unsigned type;
	uint32_t hash;
	size_t n;

	if (++h->n % SAMPLE || answer[3] & DNS_RCODE || size < DNS_HEADER_SIZE + 5 || dns_get16(query + 4) != 1)
		return;
	n = dns_name_read_lower(&name, query + DNS_HEADER_SIZE, size - DNS_HEADER_SIZE);
	if (!n || n >= DNS_X_NAME || DNS_HEADER_SIZE + n + 4 > size)
		return;
	type = dns_get16(query + DNS_HEADER_SIZE + n);
	hash = wf_hash_bytes(name.wire, n, type);
	/* Of the names that share a counter the one that is asked for more often than all others together keeps it. */
	if (h->counters[hash % COUNTERS].hash == hash) {
		if (++h->counters[hash % COUNTERS].count >= ENOUGH) {
			h->counters[hash % COUNTERS].count = 0;
			tell(h, &name, type);
		}
	} else if (h->counters[hash % COUNTERS].count) {
		h->counters[hash % COUNTERS].count--;
	} else {
		h->counters[hash % COUNTERS].hash = hash;
		h->counters[hash % COUNTERS].count = 1;
	}
}

bool
dns_hot_take(struct dns_hot *h, struct dns_name *name, uint16_t *type)
{
	uint32_t tail = atomic_load_explicit(&h->tail, memory_order_relaxed);
	const struct told *t = &h->ring[tail % RING];
	bool ok;

	if (tail == atomic_load_explicit(&h->head, memory_order_acquire))
		return false;
	ok = dns_name_read_lower(name, t->name, t->size) == t->size;
	*type = t->type;
	atomic_store_explicit(&h->tail, tail + 1, memory_order_release);
	return ok;
}
