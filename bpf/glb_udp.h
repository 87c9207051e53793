/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Role host: which UDP flows this server has, in eight bytes each; compiled for the kernel and natively (tests).
 *
 * An entry is 48 bits of the flow's keyed hash and, in the low 16, when a packet of it came last, in about seconds.
 * Other bits of the hash choose a bucket, one line of the cache.  A new flow takes the place of the one in its bucket
 * that was silent longest.  Two flows of one bucket are taken for the same once in 2^48, and nobody without the key can
 * look for such.  Processors write without a lock: who loses an entry to another writes it again with the flow's
 * next packet. */
#ifndef WEFT_BPF_GLB_UDP_H
#define WEFT_BPF_GLB_UDP_H

#include "bpf/glb_abi.h"
#include "bpf/glb_siphash.h" /* GLB_UNROLL */

#define GLB_UDP_TAG(hash) ((hash) & ~0xffffull)
#define GLB_UDP_BUCKET_OF(hash) ((__u32)(hash) & (GLB_UDP_BUCKETS - 1))

/* 'now' counts in 16 bits. */
static inline __attribute__((always_inline)) int
glb_udp_find(struct glb_udp_bucket *b, __u64 hash, __u16 now)
{
	GLB_UNROLL
	for (int i = 0; i < GLB_UDP_ENTRIES; i++)
		if (b->entry[i] && GLB_UDP_TAG(b->entry[i]) == GLB_UDP_TAG(hash)) {
			if ((__u16)b->entry[i] != now)
				b->entry[i] = GLB_UDP_TAG(hash) | now;
			return 1;
		}
	return 0;
}

/* Of a flow that is not there. */
static inline __attribute__((always_inline)) void
glb_udp_put(struct glb_udp_bucket *b, __u64 hash, __u16 now)
{
	__u32 oldest = 0, age = 0;

	GLB_UNROLL
	for (__u32 i = 0; i < GLB_UDP_ENTRIES; i++) {
		__u32 a = b->entry[i] ? (__u16)(now - (__u16)b->entry[i]) + 1u : 1u << 17;

		if (a > age) {
			age = a;
			oldest = i;
		}
	}
	b->entry[oldest & (GLB_UDP_ENTRIES - 1)] = GLB_UDP_TAG(hash) | now;
}

#endif
