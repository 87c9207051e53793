/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes.  wf_hash_* are fast and keyed by a seed drawn at start, so that nobody
 * outside can aim at one bucket; the value differs from run to run, so it must not
 * be stored or sent.  The environment variable WEFT_HASH_SEED fixes the seed, for tests
 * that must repeat a run exactly; never set it in production. */
#ifndef WEFT_BASE_HASH_H
#define WEFT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

extern uint64_t wf_hash_seed; /* random, set before main() */

uint32_t wf_hash_bytes(const void *, size_t size, uint32_t basis);
uint32_t wf_hash_str(const char *, uint32_t basis);

/* One multiply-fold step over 64 bits (wyhash style). */
static inline uint64_t
wf_hash_mix64(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)(a ^ 0x9e3779b97f4a7c15ull) * (b ^ 0xd6e8feb86659fd93ull);
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint32_t
wf_hash_u64(uint64_t v, uint32_t basis)
{
	uint64_t h = wf_hash_mix64(v ^ wf_hash_seed, wf_hash_seed + basis);
	return (uint32_t)(h ^ (h >> 32));
}

#endif
