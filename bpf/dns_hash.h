/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Sums that the daemon and its program in the driver must agree on: SipHash-2-4 of cookies, the bucket of a client's
 * network, lower case and hash of names.  Plain C for gcc, clang and clang -target bpf. */
#ifndef WEFT_BPF_DNS_HASH_H
#define WEFT_BPF_DNS_HASH_H

#include "bpf/dns_abi.h"
#include "bpf/policy_lookup.h"

#define DNS_X_INLINE static inline __attribute__((always_inline))

/* ASCII letters of eight bytes in lower case (RFC 4343). */
DNS_X_INLINE __u64
dns_x_lower(__u64 w)
{
	const __u64 ones = 0x0101010101010101ull;
	__u64 low = w & 0x7f * ones;
	__u64 from_a = low + (0x80 - 'A') * ones, past_z = low + (0x7f - 'Z') * ones;

	return w | ((from_a ^ past_z) & ~w & 0x80 * ones) >> 2;
}

DNS_X_INLINE __u64
dns_x_name_step(__u64 h, __u64 w)
{
	h = (h ^ w) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

DNS_X_INLINE __u64
dns_x_name_end(__u64 h, __u32 size, __u32 qtype)
{
	return pol_mix64(h ^ (__u64)size << 32 ^ qtype);
}

/* 'net': the first bytes of the address, as memory has them. */
DNS_X_INLINE __u32
dns_x_bucket(__u64 key, __u64 net, __u32 class_id, __u32 family)
{
	return (__u32)(pol_mix64(pol_mix64(net ^ key) + (class_id << 8 | family)) & (DNS_X_BUCKETS - 1));
}

/* A bucket's upper half: ms of its last change; lower half: tokens in thousandths taken.  Returns whether there was
 * one to take; '*next' is the bucket's new value. */
DNS_X_INLINE int
dns_x_take(__u64 old, __u64 mono_ms, __u32 per_s, __u64 *next)
{
	__u32 passed = (__u32)mono_ms - (__u32)(old >> 32), then = (__u32)mono_ms;
	__u64 used = (__u32)old, back = (__u64)passed * per_s;
	int ok;

	/* Another thread's burst may have begun a moment later.  Of more than that it is not told from the clock's coming round
	 * (49.7 days). */
	if (0u - passed < 60000u) {
		back = 0;
		then = (__u32)(old >> 32);
	}
	used = used > back ? used - back : 0;
	ok = used + 1000 <= 2000ull * per_s;
	if (ok)
		used += 1000;
	*next = (__u64)then << 32 | (__u32)used;
	return ok;
}

#define DNS_X_ROTL(x, b) (__u64)(((x) << (b)) | ((x) >> (64 - (b))))
#define DNS_X_SIPROUND                                                                           \
	do {                                                                                     \
		v0 += v1;                                                                        \
		v1 = DNS_X_ROTL(v1, 13) ^ v0;                                                    \
		v0 = DNS_X_ROTL(v0, 32);                                                         \
		v2 += v3;                                                                        \
		v3 = DNS_X_ROTL(v3, 16) ^ v2;                                                    \
		v0 += v3;                                                                        \
		v3 = DNS_X_ROTL(v3, 21) ^ v0;                                                    \
		v2 += v1;                                                                        \
		v1 = DNS_X_ROTL(v1, 17) ^ v2;                                                    \
		v2 = DNS_X_ROTL(v2, 32);                                                         \
	} while (0)

/* SipHash-2-4 over 20 or 32 bytes (RFC 9018 section 4.4): 'n' is 2 or 4 whole words, 'last' the last one with the
 * length in its top byte.  Little-endian hosts only. */
struct dns_x_sip {
	__u64 key[2], word[4], last;
	__u32 n, pad;
};

DNS_X_INLINE __u64
dns_x_siphash(const struct dns_x_sip *s)
{
	__u64 v0 = s->key[0] ^ 0x736f6d6570736575ull, v1 = s->key[1] ^ 0x646f72616e646f6dull;
	__u64 v2 = s->key[0] ^ 0x6c7967656e657261ull, v3 = s->key[1] ^ 0x7465646279746573ull;

#ifdef __bpf__
#pragma clang loop unroll(full)
#endif
	for (int i = 0; i < 4; i++) {
		if (i >= 2 && s->n != 4)
			break;
		v3 ^= s->word[i];
		DNS_X_SIPROUND;
		DNS_X_SIPROUND;
		v0 ^= s->word[i];
	}
	v3 ^= s->last;
	DNS_X_SIPROUND;
	DNS_X_SIPROUND;
	v0 ^= s->last;
	v2 ^= 0xff;
	DNS_X_SIPROUND;
	DNS_X_SIPROUND;
	DNS_X_SIPROUND;
	DNS_X_SIPROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

/* One's complement sums in memory order (RFC 1071 section 2 (B)). */
DNS_X_INLINE __u32
dns_x_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u32)sum;
}

/* The sum of what begins at an odd offset. */
DNS_X_INLINE __u32
dns_x_swap_if(__u32 sum, __u32 odd)
{
	return odd & 1 ? (sum & 0xff) << 8 | sum >> 8 : sum;
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the driver's path of weft-dnsd is built for little-endian hosts"
#endif

#endif
