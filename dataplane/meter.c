/* SPDX-License-Identifier: Apache-2.0 */
/* Meters: one token bucket a band, shared by all workers without a lock.
 *
 * Units are thousandths of what the rate counts, so that a millisecond at rate r is r units:
 * bits for kbps, thousandths of a packet for pktps.  Whoever moves 'filled_us' to now adds the
 * tokens of that time; a packet that finds enough takes them.
 *
 * Error: two workers may both find the last tokens, so a bucket can fall below 0 by one packet
 * of each other worker; the debt is paid back, thus over any time t no more than
 * rate * t + burst + (workers - 1) packets pass.  A GSO packet costs what it is on the way
 * through the switch: one packet, and its bytes.
 */
#include "dataplane/run.h"

enum { METER_KBPS = 1, METER_PKTPS = 2, METER_BURST = 4 };

static int64_t
band_capacity(const struct meter *meter, const struct meter_band *band)
{
	/* Without a burst size: what a second brings. */
	uint32_t burst = meter->flags & METER_BURST && band->burst ? band->burst : band->rate;

	return (int64_t)burst * 1000;
}

static void
fill(struct meter *meter, struct meter_band *band, int64_t now_ms)
{
	int64_t capacity = band_capacity(meter, band), now_us = now_ms * 1000;
	int64_t filled = atomic_load_explicit(&band->filled_us, memory_order_relaxed);

	if (now_us <= filled)
		return;
	if (!atomic_compare_exchange_strong_explicit(&band->filled_us, &filled, now_us,
						     memory_order_relaxed, memory_order_relaxed))
		return; /* somebody else fills */

	/* 'filled' is 0 before the first packet: then the bucket is full. */
	int64_t elapsed_ms = (now_us - filled) / 1000, tokens, next;
	bool full = !filled || !band->rate ||
		    elapsed_ms >= capacity / (int64_t)band->rate + 1;
	tokens = atomic_load_explicit(&band->tokens, memory_order_relaxed);
	do {
		next = full ? capacity : tokens + elapsed_ms * band->rate;
		if (next > capacity)
			next = capacity;
	} while (!atomic_compare_exchange_weak_explicit(&band->tokens, &tokens, next,
							memory_order_relaxed,
							memory_order_relaxed));
}

struct meter_band *
meter_charge(struct meter *meter, int64_t now_ms, uint32_t bytes)
{
	int64_t cost = meter->flags & METER_PKTPS ? 1000 : (int64_t)bytes * 8;
	struct meter_band *hit = NULL;

	atomic_fetch_add_explicit(&meter->packets_in, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&meter->bytes_in, bytes, memory_order_relaxed);
	for (uint32_t i = 0; i < meter->n_bands; i++) {
		struct meter_band *band = &meter->bands[i];

		fill(meter, band, now_ms);
		if (atomic_load_explicit(&band->tokens, memory_order_relaxed) >= cost)
			atomic_fetch_sub_explicit(&band->tokens, cost, memory_order_relaxed);
		else if (!hit || band->rate > hit->rate)
			hit = band; /* OpenFlow 1.3 section 5.7.1: the highest rate exceeded */
	}
	if (hit) {
		atomic_fetch_add_explicit(&hit->packets, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&hit->bytes, bytes, memory_order_relaxed);
	}
	return hit;
}
