// SPDX-License-Identifier: Apache-2.0
#include "dataplane/policer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "dataplane/packet.h"

/* Tokens are millionths, so that a rate a second times microseconds needs no division. */
#define UNIT 1000000ll

struct bucket_of_tokens {
	int64_t rate, tokens, max; /* rate 0: not limited */
};

struct policer {
	pthread_spinlock_t lock;
	struct policer_rates rates;
	enum drop_reason reason;
	struct bucket_of_tokens bytes, packets;
	int64_t filled_us;
	_Atomic uint64_t n_dropped;
};

static void
set_rate(struct bucket_of_tokens *b, uint64_t rate, uint64_t burst)
{
	const uint64_t most = INT64_MAX / UNIT / 4;

	b->rate = (int64_t)(rate < most ? rate : most);
	b->max = (int64_t)(burst < most ? burst : most) * UNIT;
	if (b->max < UNIT)
		b->max = UNIT;
	b->tokens = b->max;
}

struct policer *
policer_new(const struct policer_rates *rates, enum drop_reason reason)
{
	struct policer *p = wf_xzalloc(sizeof *p);

	pthread_spin_init(&p->lock, PTHREAD_PROCESS_PRIVATE);
	p->rates = *rates;
	p->reason = reason;
	set_rate(&p->bytes, rates->bytes_per_s, rates->burst_bytes);
	set_rate(&p->packets, rates->packets_per_s, rates->burst_packets);
	p->filled_us = wf_now_us();
	return p;
}

void
policer_free(struct policer *p)
{
	if (!p)
		return;
	pthread_spin_destroy(&p->lock);
	free(p);
}

const struct policer_rates *
policer_rates(const struct policer *p)
{
	return &p->rates;
}

uint64_t
policer_dropped(const struct policer *p)
{
	return atomic_load_explicit(&p->n_dropped, memory_order_relaxed);
}

static void
fill(struct bucket_of_tokens *b, int64_t us)
{
	if (!b->rate)
		return;
	/* Longer than it takes to fill it: full, and the product would overflow. */
	if (us >= (b->max - b->tokens) / b->rate + 1)
		b->tokens = b->max;
	else
		b->tokens += b->rate * us;
}

unsigned
policer_admit(struct policer *p, struct rte_mbuf **pkts, unsigned n)
{
	struct rte_mbuf *refused[BURST_MAX];
	unsigned left = 0, n_refused = 0;
	int64_t now = wf_now_us();

	pthread_spin_lock(&p->lock);
	if (now > p->filled_us) {
		fill(&p->bytes, now - p->filled_us);
		fill(&p->packets, now - p->filled_us);
		p->filled_us = now;
	}
	for (unsigned i = 0; i < n; i++) {
		if ((p->bytes.rate && p->bytes.tokens <= 0) ||
		    (p->packets.rate && p->packets.tokens <= 0)) {
			refused[n_refused++] = pkts[i];
			continue;
		}
		p->bytes.tokens -= p->bytes.rate ? (int64_t)pkt_size(pkts[i]) * UNIT : 0;
		p->packets.tokens -= p->packets.rate ? UNIT : 0;
		pkts[left++] = pkts[i];
	}
	pthread_spin_unlock(&p->lock);
	if (n_refused) {
		drop_count(p->reason, n_refused);
		atomic_fetch_add_explicit(&p->n_dropped, n_refused, memory_order_relaxed);
		pkt_free_bulk(refused, n_refused);
	}
	return left;
}
