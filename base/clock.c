// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

/* The clock reads  raw + warp_us  while it runs and  stopped_us + warp_us  once it was
 * stopped.  Both words are written by the main thread only; a reader that sees them in
 * between is early or late by one warp, never inconsistent, because a warp changes one
 * word. */
static _Atomic int64_t warp_us;
static _Atomic int64_t stopped_us; /* 0: the clock runs */

static int64_t
raw_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

int64_t
wf_now_us(void)
{
	int64_t stopped = atomic_load_explicit(&stopped_us, memory_order_relaxed);
	int64_t warp = atomic_load_explicit(&warp_us, memory_order_relaxed);

	return (stopped ? stopped : raw_us(CLOCK_MONOTONIC)) + warp;
}

int64_t
wf_now_ms(void)
{
	return wf_now_us() / 1000;
}

int64_t
wf_wall_ms(void)
{
	int64_t warp = atomic_load_explicit(&warp_us, memory_order_relaxed);

	return (raw_us(CLOCK_REALTIME) + warp) / 1000;
}

void
wf_clock_stop(void)
{
	if (!wf_clock_is_stopped())
		atomic_store_explicit(&stopped_us, raw_us(CLOCK_MONOTONIC), memory_order_relaxed);
}

void
wf_clock_warp(int64_t ms)
{
	if (ms > 0)
		atomic_fetch_add_explicit(&warp_us, ms * 1000, memory_order_relaxed);
}

bool
wf_clock_is_stopped(void)
{
	return atomic_load_explicit(&stopped_us, memory_order_relaxed) != 0;
}
