/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Client address -> (class, scope), and (class, draw) -> answer set: the steps that XDP and the
 * sockets share (policy/location.h and policy/select.h make the arrays, docs/policy.md says why).
 *
 * A class is a set of addresses that every policy treats alike.  A leaf is what the map holds
 * for one prefix of the flattened, disjoint map:
 *
 *    31      30 ... 23          22 ... 0
 *   block   scope (0-128)       class
 *
 * scope is the length of that prefix: each address inside has this same leaf.
 *
 * IPv4: dir4[65536] by the first 16 bits; an entry is a leaf or, with POL_LEAF_BLOCK, the number of
 * a block of 256 entries by the next 8 bits (that is the /24), whose entries may name a block by
 * the last 8 bits.  Three dependent loads at most, two for maps without prefixes longer than /24.
 * IPv6: the starts of the disjoint prefixes in order, in two arrays of 64 bits; dir6[65537] by the
 * first 16 bits says where to search.  Halving, at most POL_FIND6_STEPS loads.
 *
 * Addresses are in host byte order.  Plain C for gcc, clang and clang -target bpf; no loop without
 * a constant bound.
 */
#ifndef WEFT_BPF_POLICY_LOOKUP_H
#define WEFT_BPF_POLICY_LOOKUP_H

#include <linux/types.h>

#define POL_LEAF_BLOCK	  0x80000000u
#define POL_LEAF_MAX	  0x007fffffu /* classes and blocks */
#define POL_FIND6_STEPS	  24	      /* 16 million prefixes below one /16 */
#define POL_BLOCK_ENTRIES 256
#define POL_DRAWS	  256

static inline __u32
pol_leaf(__u32 class_id, __u32 scope)
{
	return scope << 23 | class_id;
}

static inline __u32
pol_leaf_class(__u32 leaf)
{
	return leaf & POL_LEAF_MAX;
}

static inline __u32
pol_leaf_scope(__u32 leaf)
{
	return leaf >> 23 & 0xff;
}

/* DIR(i) and BLOCK(block, i) are function-like macros that give an entry: array accesses in user
 * space, map look-ups in BPF.  Sets 'leaf'. */
#define POL_FIND4(leaf, addr, DIR, BLOCK)                                                          \
	do {                                                                                       \
		(leaf) = DIR((addr) >> 16);                                                        \
		if ((leaf)&POL_LEAF_BLOCK)                                                         \
			(leaf) = BLOCK((leaf)&POL_LEAF_MAX, (addr) >> 8 & 0xff);                   \
		if ((leaf)&POL_LEAF_BLOCK)                                                         \
			(leaf) = BLOCK((leaf)&POL_LEAF_MAX, (addr)&0xff);                          \
	} while (0)

/* DIR(i): where the prefixes of the i-th /16 begin; the last one with a start at or before its
 * first address.  LESS_EQ(i, hi, lo): the i-th start is not after the address.  Sets 'at', an index
 * into the leaves. */
#define POL_FIND6(at, hi, lo, DIR, LESS_EQ)                                                        \
	do {                                                                                       \
		__u32 low_ = DIR((__u32)((hi) >> 48)), high_ = DIR((__u32)((hi) >> 48) + 1) + 1;   \
		for (int step_ = 0; step_ < POL_FIND6_STEPS && high_ - low_ > 1; step_++) {        \
			__u32 mid_ = low_ + (high_ - low_) / 2;                                    \
			if (LESS_EQ(mid_, hi, lo))                                                 \
				low_ = mid_;                                                       \
			else                                                                       \
				high_ = mid_;                                                      \
		}                                                                                  \
		(at) = low_;                                                                       \
	} while (0)

static inline __u64
pol_mix64(__u64 x)
{
	/* The finaliser of splitmix64: every bit of the input moves half of the output. */
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* The draw of a sticky policy: 0..255 out of the first 'len' bits of the client's address
 * (top-aligned: an IPv4 address is the upper half of 'hi').  'key' is the policy's: nodes of one
 * service share it, and who does not know it can't aim. */
static inline __u32
pol_draw_sticky(__u64 hi, __u64 lo, __u32 len, __u64 key)
{
	hi &= len >= 64 ? ~0ull : len ? ~0ull << (64 - len) : 0;
	lo &= len >= 128 ? ~0ull : len > 64 ? ~0ull << (128 - len) : 0;
	return pol_mix64(pol_mix64(pol_mix64(hi ^ key) ^ lo) + key + len) >> 56;
}

#endif
