/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Role edge: who may send, and how much.  Memory does not grow with the number of sources: a source has two buckets out
 * of two rows, by hash, and is over its limit only if both are.  A bucket is the time at which what it sent is used
 * up (the generic cell rate algorithm, ITU-T I.371), one word that CPUs write without a lock: two that write at once
 * lose a packet's share. */
#ifndef WEFT_BPF_GLB_LIMIT_H
#define WEFT_BPF_GLB_LIMIT_H

#include "bpf/glb_kern.h"

GLB_MAP(glb_deny, BPF_MAP_TYPE_LPM_TRIE, struct glb_source_key, __u32, 65536, BPF_F_NO_PREALLOC);
/* Two rows for packets, two for TCP that opens. */
GLB_MAP(glb_buckets, BPF_MAP_TYPE_ARRAY, __u32, __u64, 4 * GLB_BUCKETS, 0);

/* A bucket that others fill, too, never owes more than one packet beyond its burst: who shares it is over for that
 * long at most. */
GLB_INLINE void
glb_charge(__u64 *a, __u64 now, __u64 cost, __u64 burst)
{
	__u64 until = (*a > now ? *a : now) + cost, most = now + burst + cost;

	*a = until < most ? until : most;
}

/* True if the source is over: then nothing is charged. */
GLB_INLINE int
glb_over(__u64 hash, __u32 row, __u64 now, __u64 cost, __u64 burst)
{
	__u32 i = row * GLB_BUCKETS + ((__u32)hash & (GLB_BUCKETS - 1));
	__u32 k = (row + 1) * GLB_BUCKETS + ((__u32)(hash >> 32) & (GLB_BUCKETS - 1));
	__u64 *a = bpf_map_lookup_elem(&glb_buckets, &i), *b = bpf_map_lookup_elem(&glb_buckets, &k);

	if (!a || !b || (*a > now + burst && *b > now + burst))
		return 1;
	glb_charge(a, now, cost, burst);
	glb_charge(b, now, cost, burst);
	return 0;
}

/* Returns 0 or a GLB_BAD() number.  'from' is who sent the packet, in ICMP errors not the flow's client.  IPv6 sources
 * are counted by /64, since a host has all of it. */
__attribute__((noinline)) int
glb_admit(const struct glb_flow *f, const struct glb_addr *from)
{
	__u32 zero = 0;
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);
	__u64 source, hash, now;

	if (!f || !from || !c)
		return 0;
	if (c->flags & GLB_CONF_DENY) {
		struct glb_source_key k = { 128, { from->addr[0], from->addr[1], from->addr[2], from->addr[3] } };

		if (bpf_map_lookup_elem(&glb_deny, &k))
			return GLB_BAD(denied);
	}
	if (!(c->flags & GLB_CONF_LIMIT))
		return 0;
	source = f->family == 4 ? from->addr[3] : (__u64)from->addr[0] << 32 | from->addr[1];
	hash = glb_siphash(c->own_key, &source, 1);
	now = bpf_ktime_get_ns();
	if ((f->flags & GLB_F_SYN) && c->syn_ns && glb_over(hash, 2, now, c->syn_ns, c->syn_burst_ns))
		return GLB_BAD(syn_limit);
	if (c->packet_ns && glb_over(hash, 0, now, c->packet_ns, c->packet_burst_ns))
		return GLB_BAD(source_limit);
	return 0;
}

#endif
