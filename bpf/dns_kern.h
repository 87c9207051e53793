/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Maps of the name server's program, and the steps from a query to what its answer is made of: hot name, client's place,
 * policy, cookie, OPT, rate limit.  For the kernel, and natively for unit tests, which bring maps and helpers of their own. */
#ifndef WEFT_BPF_DNS_KERN_H
#define WEFT_BPF_DNS_KERN_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/dns_parse.h"

#define DNS_X_MAP(NAME, TYPE, KEY, VALUE, N, FLAGS)                                              \
	struct {                                                                                 \
		__uint(type, TYPE);                                                              \
		__type(key, KEY);                                                                \
		__type(value, VALUE);                                                            \
		__uint(max_entries, N);                                                          \
		__uint(map_flags, FLAGS);                                                        \
	} NAME SEC(".maps")

/* What is kept of a query while it is answered: too much for the stack. */
struct dns_x_work {
	struct dns_x_sample s;
	__u64 opt[10]; /* the OPT record of the answer, at most 67 bytes, zeros behind it */
	struct dns_x_sip sip;
	__u64 place_hi, place_lo;    /* where the client is said to be, top-aligned, host order */
	__u32 place_family, has_subnet;
	__u32 scope, opt_size, image_size;
	__u32 l4;    /* offset of the UDP header */
	__u32 cookie_ok;
	__u32 n_limited;
	__u8 head[64];
};

DNS_X_MAP(dns_conf, BPF_MAP_TYPE_ARRAY, __u32, struct dns_x_conf, 1, BPF_F_MMAPABLE);
DNS_X_MAP(dns_listen, BPF_MAP_TYPE_HASH, struct dns_x_address, __u32, DNS_X_LISTEN, 0);
DNS_X_MAP(dns_hot, BPF_MAP_TYPE_ARRAY, __u32, struct dns_x_hot, DNS_X_SLOTS, BPF_F_MMAPABLE);
DNS_X_MAP(dns_images, BPF_MAP_TYPE_ARRAY, __u32, struct dns_x_image, DNS_X_IMAGES, BPF_F_MMAPABLE);
DNS_X_MAP(dns_sets, BPF_MAP_TYPE_ARRAY, __u32, __u64, DNS_X_SETS, BPF_F_MMAPABLE);
DNS_X_MAP(dns_policies, BPF_MAP_TYPE_ARRAY, __u32, struct dns_x_policy, DNS_X_POLICIES, BPF_F_MMAPABLE);
DNS_X_MAP(dns_rows, BPF_MAP_TYPE_ARRAY, __u32, struct dns_x_row, DNS_X_ROWS, BPF_F_MMAPABLE);
DNS_X_MAP(dns_classes, BPF_MAP_TYPE_ARRAY, __u32, __u64, DNS_X_CLASSES, BPF_F_MMAPABLE);
DNS_X_MAP(dns_buckets, BPF_MAP_TYPE_ARRAY, __u32, __u64, DNS_X_BUCKETS, BPF_F_MMAPABLE);
DNS_X_MAP(dns_hits, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, DNS_X_SLOTS, 0);
DNS_X_MAP(dns_stats, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct dns_x_stats, 1, 0);
DNS_X_MAP(dns_work, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct dns_x_work, 1, 0);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 19);
} dns_samples SEC(".maps");

/* The map of clients: as large as it is, so made by the daemon at each load.  Two words of it are a value, since an
 * array's values take eight bytes at least. */
struct dns_place_words {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
};
struct dns_place_starts {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct dns_x_start)); /* clang leaves the type itself out */
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
	__array(values, struct dns_place_words);
} dns_places SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
	__array(values, struct dns_place_starts);
} dns_places6 SEC(".maps");

DNS_X_INLINE __u32
place_word(void *words, __u32 i)
{
	__u32 pair = i >> 1;
	__u64 *w = bpf_map_lookup_elem(words, &pair);

	return !w ? 0 : i & 1 ? (__u32)(*w >> 32) : (__u32)*w;
}

/* Leaves; 0xffffffff: there is no map. */
__attribute__((noinline)) __u32
dns_leaf4(__u32 addr)
{
	__u32 zero = 0, leaf;
	void *words = bpf_map_lookup_elem(&dns_places, &zero);

	if (!words)
		return 0xffffffff;
#define DNS_DIR4_(i) place_word(words, i)
#define DNS_BLOCK4_(b, i) place_word(words, DNS_X_PLACE_BLOCKS + (b) * POL_BLOCK_ENTRIES + (i))
	POL_FIND4(leaf, addr, DNS_DIR4_, DNS_BLOCK4_);
#undef DNS_DIR4_
#undef DNS_BLOCK4_
	return leaf;
}

DNS_X_INLINE int
start_is_after(void *starts, __u32 i, __u64 hi, __u64 lo)
{
	struct dns_x_start *s = bpf_map_lookup_elem(starts, &i);

	return !s || s->hi > hi || (s->hi == hi && s->lo > lo);
}

__attribute__((noinline)) __u32
dns_leaf6(__u64 hi, __u64 lo)
{
	__u32 zero = 0, at;
	void *words = bpf_map_lookup_elem(&dns_places, &zero);
	void *starts = bpf_map_lookup_elem(&dns_places6, &zero);
	struct dns_x_start *s;

	if (!words || !starts)
		return 0xffffffff;
#define DNS_DIR6_(i) place_word(words, DNS_X_PLACE_DIR6 + (i))
#define DNS_LESS_EQ_(i, h, l) !start_is_after(starts, i, h, l)
	POL_FIND6(at, hi, lo, DNS_DIR6_, DNS_LESS_EQ_);
#undef DNS_DIR6_
#undef DNS_LESS_EQ_
	s = bpf_map_lookup_elem(starts, &at);
	return s ? s->leaf : 0xffffffff;
}

/* Functions of their own, for the verifier looks at each of them once. */
__attribute__((noinline)) __u64
dns_sip(const struct dns_x_sip *s)
{
	return s ? dns_x_siphash(s) : 0;
}

__attribute__((noinline)) int
dns_parse_name(struct dns_x_query *q)
{
	return q ? dns_x_parse_name(q) : 1;
}

__attribute__((noinline)) int
dns_parse_question(struct dns_x_query *q, __u64 name_key)
{
	return q ? dns_x_parse_question(q, name_key) : 1;
}

__attribute__((noinline)) int
dns_parse_rest(struct dns_x_query *q)
{
	return q ? dns_x_parse_rest(q) : 1;
}

/* The slot of (name, type), or -1. */
__attribute__((noinline)) int
dns_find_hot(const struct dns_x_query *q, __u64 epoch)
{
	if (!q)
		return -1;
	for (__u32 i = 0; i < DNS_X_PROBES; i++) {
		__u32 slot = ((__u32)q->hash + i) & (DNS_X_SLOTS - 1);
		struct dns_x_hot *e = bpf_map_lookup_elem(&dns_hot, &slot);
		__u64 diff = 0;

		if (!e || e->epoch != epoch)
			return -1;
		if (e->hash != q->hash || e->qtype != q->qtype || e->name_size != q->name_size)
			continue;
		for (__u32 k = 0; k < DNS_X_NAME_WORDS; k++)
			diff |= e->name[k] ^ q->name[k];
		if (!diff)
			return (int)slot;
	}
	return -1;
}

/* Where the client is said to be: its subnet, else the address that asks (answer.c, locate()). */
__attribute__((noinline)) int
dns_locate(struct dns_x_work *w)
{
	__u32 at, len, bytes;
	__u64 hi, lo;

	if (!w)
		return 0;
	at = w->s.q.ecs_at;
	len = at ? dns_x_8(&w->s.q, at + 2) : 0;
	w->has_subnet = len != 0;
	if (!len) {
		w->place_family = w->s.family;
		hi = (__u64)__builtin_bswap32(w->s.client.a[0]) << 32 | __builtin_bswap32(w->s.client.a[1]);
		lo = (__u64)__builtin_bswap32(w->s.client.a[2]) << 32 | __builtin_bswap32(w->s.client.a[3]);
		if (w->s.family == 4) {
			hi = lo << 32;
			lo = 0;
		}
	} else {
		w->place_family = dns_x_16(&w->s.q, at) == 1 ? 4 : 6;
		hi = __builtin_bswap64(dns_x_64(&w->s.q, at + 4));
		lo = __builtin_bswap64(dns_x_64(&w->s.q, at + 12));
		/* What stands behind the option's last octet is not of the address. */
		bytes = (len + 7) / 8;
		if (bytes < 8) {
			hi &= ~(~0ull >> bytes * 8);
			lo = 0;
		} else if (bytes == 8) {
			lo = 0;
		} else if (bytes < 16) {
			lo &= ~(~0ull >> (bytes - 8) * 8);
		}
	}
	w->place_hi = hi;
	w->place_lo = lo;
	return 0;
}

/* The image for this client under the entry's policy (policy/choose.h, pol_choose()): 1 + number, 0: none. */
__attribute__((noinline)) __u32
dns_choose(struct dns_x_work *w, __u32 number, __u32 base, __u32 n_sets)
{
	struct dns_x_policy *p = bpf_map_lookup_elem(&dns_policies, &number);
	__u32 row = 0, scope = 0, draw, set, at;
	struct dns_x_row *r;
	__u64 *entry;

	if (!p || !w)
		return 0;
	if (p->uses_location) {
		__u32 leaf = w->place_family == 4 ? dns_leaf4((__u32)(w->place_hi >> 32)) :
						    dns_leaf6(w->place_hi, w->place_lo);
		__u32 class_id = pol_leaf_class(leaf);

		if (leaf == 0xffffffff || class_id >= p->n_classes)
			return 0;
		class_id += p->class_base;
		entry = bpf_map_lookup_elem(&dns_classes, &class_id);
		if (!entry)
			return 0;
		row = (__u32)*entry;
		scope = pol_leaf_scope(leaf);
	}
	draw = bpf_get_prandom_u32();
	if (p->sticky) {
		__u32 len = w->place_family == 4 ? p->sticky_len4 : p->sticky_len6;

		if (len > scope)
			scope = len;
		draw = pol_draw_sticky(w->place_hi, w->place_lo, len, p->sticky_key);
	}
	if (row >= p->n_rows)
		return 0;
	row += p->row_base;
	r = bpf_map_lookup_elem(&dns_rows, &row);
	if (!r)
		return 0;
	set = r->set[draw & (DNS_X_DRAWS - 1)];
	if (set >= n_sets)
		return 0;
	at = base + set;
	entry = bpf_map_lookup_elem(&dns_sets, &at);
	w->scope = w->has_subnet ? scope : 0;
	return entry ? (__u32)*entry : 0;
}

/* A server cookie for this client and time in words 1 and 2 of it (RFC 9018 section 4). */
__attribute__((noinline)) __u64
dns_cookie_hash(struct dns_x_work *w, __u32 time_be, __u32 which)
{
	__u32 zero = 0;
	struct dns_x_conf *c = bpf_map_lookup_elem(&dns_conf, &zero);
	struct dns_x_sip *s;

	if (!c || !w)
		return 0;
	s = &w->sip;
	s->key[0] = c->secret[which & 1][0];
	s->key[1] = c->secret[which & 1][1];
	s->word[0] = dns_x_64(&w->s.q, w->s.q.cookie_at);
	s->word[1] = 1 | (__u64)time_be << 32; /* version 1, reserved 0 */
	if (w->s.family == 4) {
		s->n = 2;
		s->last = 20ull << 56 | w->s.client.a[3];
	} else {
		s->n = 4;
		s->word[2] = (__u64)w->s.client.a[1] << 32 | w->s.client.a[0];
		s->word[3] = (__u64)w->s.client.a[3] << 32 | w->s.client.a[2];
		s->last = 32ull << 56;
	}
	return dns_sip(s);
}

/* answer/edns.c, dns_cookie_is_valid(). */
__attribute__((noinline)) int
dns_cookie_ok(struct dns_x_work *w, __u32 wall_s)
{
	__u64 head, hash;
	__s32 age;

	if (!w || w->s.q.server_size != 16)
		return 0;
	head = dns_x_64(&w->s.q, w->s.q.cookie_at + 8);
	hash = dns_x_64(&w->s.q, w->s.q.cookie_at + 16);
	age = (__s32)(wall_s - __builtin_bswap32((__u32)(head >> 32)));
	/* The reserved bytes are not looked at, nor are they in what is hashed but as zeros. */
	if ((head & 0xff) != 1 || age > 3600 || age < -300)
		return 0;
	return dns_cookie_hash(w, (__u32)(head >> 32), 0) == hash || dns_cookie_hash(w, (__u32)(head >> 32), 1) == hash;
}

DNS_X_INLINE void
put_opt(struct dns_x_work *w, __u32 at, __u8 byte)
{
	__u64 i = at;

#ifdef __bpf__
	asm volatile("%0 &= 0x3f" : "+r"(i));
#else
	i &= 0x3f;
#endif
	((__u8 *)w->opt)[i] = byte;
}

/* answer/edns.c, dns_edns_put(). */
__attribute__((noinline)) int
dns_put_opt(struct dns_x_work *w, __u32 udp_limit, __u32 cookies, __u32 wall_s)
{
	__u8 *p;
	__u32 n = 11;

	if (!w)
		return 0;
	p = (__u8 *)w->opt;
#pragma clang loop unroll(full)
	for (int i = 0; i < 10; i++)
		w->opt[i] = 0;
	p[2] = 41;
	p[3] = (__u8)(udp_limit >> 8);
	p[4] = (__u8)udp_limit;
	p[7] = w->s.q.do_bit ? 0x80 : 0;
	if (w->s.q.ecs_at) {
		__u32 size = w->s.q.ecs_size;

		p[12] = 8;
		p[14] = (__u8)size;
		if (size > 20)
			return 0;
		for (__u32 i = 0; i < 20 && i < size; i++)
			put_opt(w, 15 + i, (__u8)dns_x_8(&w->s.q, w->s.q.ecs_at + i));
		p[18] = (__u8)w->scope;
		n += 4 + size;
	}
	if (w->s.q.cookie_at && cookies) {
		__u32 time_be = __builtin_bswap32(wall_s);
		__u64 client = dns_x_64(&w->s.q, w->s.q.cookie_at), hash = dns_cookie_hash(w, time_be, 0);
		__u64 head = 1 | (__u64)time_be << 32;

		put_opt(w, n + 1, 10);
		put_opt(w, n + 3, 24);
		for (__u32 i = 0; i < 8; i++) {
			put_opt(w, n + 4 + i, (__u8)(client >> 8 * i));
			put_opt(w, n + 12 + i, (__u8)(head >> 8 * i));
			put_opt(w, n + 20 + i, (__u8)(hash >> 8 * i));
		}
		n += 28;
	}
	p[9] = 0;
	p[10] = (__u8)(n - 11);
	w->opt_size = n;
	return 0;
}

/* One answer of the client's network: 1 yes, 0 no, -1: others were writing. */
__attribute__((noinline)) int
dns_take(struct dns_x_work *w, __u32 class_id, __u32 per_s, __u64 mono_ns, __u64 key)
{
	__u64 net, *bucket, old, next, was;
	__u32 i;

	if (!w)
		return -1;
	net = w->s.family == 4 ? w->s.client.a[3] & 0xffffff :
			       ((__u64)w->s.client.a[1] << 32 | w->s.client.a[0]) & 0xffffffffffffffull;
	i = dns_x_bucket(key, net, class_id, w->s.family);
	bucket = bpf_map_lookup_elem(&dns_buckets, &i);
	if (!bucket)
		return -1;
	for (int t = 0; t < 4; t++) {
		int ok;

		old = *(volatile __u64 *)bucket;
		ok = dns_x_take(old, mono_ns / 1000000, per_s, &next);
		was = __sync_val_compare_and_swap(bucket, old, next);
		if (was == old)
			return ok;
	}
	return -1;
}

#endif
