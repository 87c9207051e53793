/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* IPv4 VIPs in lines of the cache; compiled for the kernel and natively (daemon, tests).
 *
 * Map glb_vip4 has them all, but a look into a hash map is a call into the kernel, and what it reads is scattered.  So the line
 * that a key chooses in glb_vip_lines has the same entry again; what is not in its line is in glb_vip4 if the line is full,
 * else nowhere.
 *
 * Entries have one writer and readers that never wait: the value is stored before its key, and a reader looks
 * at the key again behind the value, so it never takes what has become another VIP's.  A line that was full once stays so, with
 * GLB_VIP_GONE in the place of what left: what did not fit is still looked for in glb_vip4. */
#ifndef WEFT_BPF_GLB_VIP_H
#define WEFT_BPF_GLB_VIP_H

#include "bpf/glb_parse.h"

#define GLB_VIP_GONE (~0ull) /* no key: the last byte of those is 0 */
#define GLB_VIP_ADDRESS_PROTO 255 /* the entry that says that the address is a VIP's; its port is 0xffff */

/* As struct glb_vip4_key lies in memory. */
GLB_INLINE __u64
glb_vip4_word(__be32 addr, __be16 port, __u8 proto)
{
	return addr | (__u64)port << 32 | (__u64)proto << 48;
}

/* Multiplied once, addresses in a row share lines: a third of 10,000 would not fit, with twice it is 1 in 100. */
GLB_INLINE __u32
glb_vip_line_of(__u64 key)
{
	key *= 0x9e3779b97f4a7c15ull;
	key ^= key >> 32;
	return (__u32)(key * 0x9e3779b97f4a7c15ull >> (64 - GLB_VIP_LINE_BITS));
}

enum { GLB_VIP_NONE, GLB_VIP_FOUND, GLB_VIP_ASK /* glb_vip4 */ };

/* Fills 'ret' if it is found. */
GLB_INLINE int
glb_vip_line_find(const volatile struct glb_vip_line *l, __u64 key, struct glb_vip *ret)
{
	__u64 word;

	if (!key)
		return GLB_VIP_ASK; /* a packet to 0.0.0.0: such a key says that there is room */
	GLB_UNROLL
	for (int i = 0; i < GLB_VIP_LINE_ENTRIES; i++) {
		if (l->key[i] != key)
			continue;
		word = l->vip[i];
		if (l->key[i] != key)
			return GLB_VIP_ASK;
		__builtin_memcpy(ret, &word, sizeof *ret);
		return GLB_VIP_FOUND;
	}
	return l->key[GLB_VIP_LINE_ENTRIES - 1] ? GLB_VIP_ASK : GLB_VIP_NONE;
}

#ifndef __bpf__
/* Of a VIP that is in glb_vip4 already. */
static inline void
glb_vip_line_put(struct glb_vip_line *l, __u64 key, const struct glb_vip *vip)
{
	int at = -1;
	__u64 word;

	__builtin_memcpy(&word, vip, sizeof word);
	for (int i = GLB_VIP_LINE_ENTRIES - 1; i >= 0; i--)
		if (!l->key[i] || l->key[i] == GLB_VIP_GONE)
			at = i;
	for (int i = 0; i < GLB_VIP_LINE_ENTRIES; i++)
		if (l->key[i] == key)
			at = i;
	if (at < 0)
		return;
	__atomic_store_n(&l->vip[at], word, __ATOMIC_RELEASE);
	__atomic_store_n(&l->key[at], key, __ATOMIC_RELEASE);
}

/* Before it leaves glb_vip4. */
static inline void
glb_vip_line_remove(struct glb_vip_line *l, __u64 key)
{
	for (int i = 0; i < GLB_VIP_LINE_ENTRIES; i++)
		if (l->key[i] == key)
			__atomic_store_n(&l->key[i], l->key[GLB_VIP_LINE_ENTRIES - 1] ? GLB_VIP_GONE : 0,
					 __ATOMIC_RELEASE);
}
#endif

#endif
