// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/limit.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/buf.h"
#include "bpf/dns_hash.h"

/* 512 KiB; more networks at once than this share. */
struct dns_limiter {
	_Atomic unsigned per_s;
	uint64_t *buckets, *owned;
};

struct dns_limiter *
dns_limiter_new(unsigned per_s)
{
	struct dns_limiter *l = wf_xzalloc(sizeof *l);

	l->per_s = per_s;
	l->buckets = l->owned = wf_xzalloc(DNS_X_BUCKETS * sizeof(l->buckets[0]));
	return l;
}

void
dns_limiter_use_table(struct dns_limiter *l, uint64_t *buckets)
{
	free(l->owned);
	l->owned = NULL;
	l->buckets = buckets;
}

static uint64_t handed_key;
static bool is_handed;

uint64_t
dns_limiter_key(void)
{
	return is_handed ? handed_key : wf_hash_seed;
}

void
dns_limiter_copy(const struct dns_limiter *l, uint64_t *to)
{
	for (size_t i = 0; i < DNS_X_BUCKETS; i++)
		to[i] = __atomic_load_n(&l->buckets[i], __ATOMIC_RELAXED);
}

void
dns_limiter_restore(struct dns_limiter *l, uint64_t key, const uint64_t *from)
{
	handed_key = key;
	is_handed = true;
	memcpy(l->buckets, from, DNS_X_BUCKETS * sizeof(from[0]));
}

void
dns_limiter_free(struct dns_limiter *l)
{
	if (l)
		free(l->owned);
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
	uint64_t net = 0, *bucket, next;
	__u64 old, new;
	int ok;

	memcpy(&net, c->address, c->family == 4 ? 3 : 7);
	bucket = &l->buckets[dns_x_bucket(dns_limiter_key(), net, class, c->family)];
	next = __atomic_load_n(bucket, __ATOMIC_RELAXED);
	do {
		old = next;
		ok = dns_x_take(old, mono_ms, per_s, &new);
	} while (!__atomic_compare_exchange_n(bucket, &next, new, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return ok;
}
