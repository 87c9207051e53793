/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Role edge: where the client is, for pools whose site is chosen by place (docs/glb-design.md).
 *
 * The word of such a pool's table has GLB_POOL_BY_PLACE and the number of a place table; the pool's slots are
 * 256 for each class of clients.  A place table is the flattened prefix map of policy/location.h in two arrays
 * that the daemon fills before any word names them:
 *
 *   words   0 .. 65535 dir4 | 65536 .. 131072 dir6 | blocks of 256
 *   starts  of IPv6 prefixes, in order, with their leaves */
#ifndef WEFT_BPF_GLB_PLACE_H
#define WEFT_BPF_GLB_PLACE_H

#include "bpf/glb_kern.h"
#include "bpf/policy_lookup.h"

struct glb_place_words {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP);
};
struct glb_place_starts {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct glb_place_start)); /* clang leaves the type itself out */
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, GLB_MAX_PLACES);
	__type(key, __u32);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__array(values, struct glb_place_words);
} glb_places SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, GLB_MAX_PLACES);
	__type(key, __u32);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__array(values, struct glb_place_starts);
} glb_places6 SEC(".maps");

GLB_INLINE __u32
glb_place_word(void *words, __u32 i)
{
	__u32 *w = bpf_map_lookup_elem(words, &i);

	return w ? *w : 0;
}

/* The class of an IPv4 client, in host order.  A function of its own for the verifier's sake. */
__attribute__((noinline)) int
glb_class4(__u32 place, __u32 addr)
{
	void *words = bpf_map_lookup_elem(&glb_places, &place);
	__u32 leaf;

	if (!words)
		return 0;
#define GLB_DIR4_(i) glb_place_word(words, i)
#define GLB_BLOCK4_(b, i) glb_place_word(words, GLB_PLACE_BLOCKS + (b) * POL_BLOCK_ENTRIES + (i))
	POL_FIND4(leaf, addr, GLB_DIR4_, GLB_BLOCK4_);
#undef GLB_DIR4_
#undef GLB_BLOCK4_
	return (int)pol_leaf_class(leaf);
}

GLB_INLINE int
glb_start_is_after(void *starts, __u32 i, __u64 hi, __u64 lo)
{
	struct glb_place_start *s = bpf_map_lookup_elem(starts, &i);

	return !s || s->hi > hi || (s->hi == hi && s->lo > lo);
}

__attribute__((noinline)) int
glb_class6(__u32 place, __u64 hi, __u64 lo)
{
	void *words = bpf_map_lookup_elem(&glb_places, &place);
	void *starts = bpf_map_lookup_elem(&glb_places6, &place);
	struct glb_place_start *s;
	__u32 at;

	if (!words || !starts)
		return 0;
#define GLB_DIR6_(i) glb_place_word(words, GLB_PLACE_DIR6 + (i))
#define GLB_LESS_EQ_(i, h, l) !glb_start_is_after(starts, i, h, l)
	POL_FIND6(at, hi, lo, GLB_DIR6_, GLB_LESS_EQ_);
#undef GLB_DIR6_
#undef GLB_LESS_EQ_
	s = bpf_map_lookup_elem(starts, &at);
	return s ? (int)pol_leaf_class(s->leaf) : 0;
}

/* The table word for this client: of its class, if the pool's sites are chosen by place. */
GLB_INLINE __u64
glb_table_of(__u64 word, const struct glb_flow *f)
{
	__u32 place = GLB_POOL_PLACE(word), class_id;

	if (!(word & GLB_POOL_BY_PLACE))
		return word;
	if (f->family == 4)
		class_id = (__u32)glb_class4(place, GLB_BE32(f->client[3]));
	else
		class_id = (__u32)glb_class6(place,
					     (__u64)GLB_BE32(f->client[0]) << 32 | GLB_BE32(f->client[1]),
					     (__u64)GLB_BE32(f->client[2]) << 32 | GLB_BE32(f->client[3]));
	return GLB_POOL_OF_CLASS(word, class_id & POL_LEAF_MAX);
}

#endif
