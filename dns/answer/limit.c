// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/limit.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/buf.h"

#define N_BUCKETS 65536 /* 512 KiB; more networks at once than this share */

struct dns_limiter {
	_Atomic unsigned per_s;
	/* Upper half: ms of the last change; lower half: tokens in thousandths taken. */
	_Atomic uint64_t buckets[N_BUCKETS];
};

struct dns_limiter *
dns_limiter_new(unsigned per_s)
{
	struct dns_limiter *l = wf_xzalloc(sizeof *l);

	l->per_s = per_s;
	return l;
}

void
dns_limiter_free(struct dns_limiter *l)
{
	free(l);
}

void
dns_limiter_set_rate(struct dns_limiter *l, unsigned per_s)
{
	l->per_s = per_s;
}

bool
dns_limiter_take(struct dns_limiter *l, const struct dns_client *c, enum dns_limit_class class,
		 uint64_t mono_ms)
{
	unsigned per_s = atomic_load_explicit(&l->per_s, memory_order_relaxed);
	_Atomic uint64_t *bucket;
	uint64_t net = 0, old, new;
	bool ok;

	memcpy(&net, c->address, c->family == 4 ? 3 : 7);
	bucket = &l->buckets[wf_hash_u64(net, class << 8 | c->family) % N_BUCKETS];
	old = atomic_load_explicit(bucket, memory_order_relaxed);
	do {
		uint32_t passed = (uint32_t)mono_ms - (uint32_t)(old >> 32);
		uint64_t used = (uint32_t)old, back = (uint64_t)passed * per_s;

		/* Another thread's burst may have begun a moment later. */
		if ((int32_t)passed < 0)
			back = 0;
		used = used > back ? used - back : 0;
		ok = used + 1000 <= 2000ull * per_s;
		if (ok)
			used += 1000;
		new = (uint64_t)((int32_t)passed < 0 ? (uint32_t)(old >> 32) : (uint32_t)mono_ms)
			      << 32 |
		      (uint32_t)used;
	} while (!atomic_compare_exchange_weak_explicit(bucket, &old, new, memory_order_relaxed,
							memory_order_relaxed));
	return ok;
}
