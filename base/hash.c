// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

uint64_t wf_hash_seed;

/* Before other constructors (they may hash), after those of libc. */
__attribute__((constructor(101))) static void
draw_seed(void)
{
	const char *fixed = getenv("WEFT_HASH_SEED");

	if (fixed) {
		wf_hash_seed = strtoull(fixed, NULL, 0);
		return;
	}
	if (getrandom(&wf_hash_seed, sizeof(wf_hash_seed), 0) != sizeof(wf_hash_seed)) {
		/* Only a kernel without getrandom or a seccomp filter gets here. */
		struct timespec ts;

		clock_gettime(CLOCK_MONOTONIC, &ts);
		wf_hash_seed = wf_hash_mix64(ts.tv_nsec, (uintptr_t)&ts ^ ts.tv_sec);
	}
}

static uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The last 1 to 7 bytes, each one at a place of its own. */
static uint64_t
load_tail(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

uint32_t
wf_hash_bytes(const void *data, size_t size, uint32_t basis)
{
	const uint8_t *p = data;
	uint64_t h = wf_hash_mix64(wf_hash_seed ^ basis, size);
	size_t left = size;

	for (; left >= 16; left -= 16, p += 16)
		h = wf_hash_mix64(load64(p) ^ h, load64(p + 8) ^ wf_hash_seed);
	if (left >= 8) {
		h = wf_hash_mix64(load64(p) ^ h, wf_hash_seed);
		p += 8;
		left -= 8;
	}
	if (left)
		h = wf_hash_mix64(load_tail(p, left) ^ h, wf_hash_seed ^ left);
	h = wf_hash_mix64(h, wf_hash_seed);
	return (uint32_t)(h ^ (h >> 32));
}

uint32_t
wf_hash_str(const char *s, uint32_t basis)
{
	return wf_hash_bytes(s, strlen(s), basis);
}
