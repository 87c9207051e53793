// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* For tests/bench/glb: undoes what the program under test did to the packet, gives it the next flow, and calls
 * it; and the programs that it is measured beside. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "tests/bench/glb_bench.h"

#define MAP(NAME, TYPE, KEY, VALUE, N)                                                           \
	struct {                                                                                 \
		__uint(type, TYPE);                                                              \
		__type(key, KEY);                                                                \
		__type(value, VALUE);                                                            \
		__uint(max_entries, N);                                                          \
	} NAME SEC(".maps")

MAP(bench_packet, BPF_MAP_TYPE_ARRAY, __u32, struct bench_packet, 1);
MAP(bench_count, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, 1);
MAP(bench_sunk, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, 4);
MAP(bench_vips, BPF_MAP_TYPE_HASH, __u64, __u32, 16384);
MAP(bench_ring, BPF_MAP_TYPE_ARRAY, __u32, __u32, 65536);
MAP(bench_backends, BPF_MAP_TYPE_ARRAY, __u32, __u32, 4096);
MAP(bench_stats, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, 16384);
MAP(bench_under_test, BPF_MAP_TYPE_PROG_ARRAY, __u32, __u32, 1);

/* The next flow's packet. */
static inline __attribute__((always_inline)) int
bench_write(struct xdp_md *ctx, const struct bench_packet *p, __u64 *n)
{
	__u64 *d = (__u64 *)(long)ctx->data, *end = (__u64 *)(long)ctx->data_end;
	__u32 flow, off;
	__u8 *data;

	if (d + 6 > end)
		return 0;
	for (int i = 0; i < 6; i++)
		d[i] = p->head[i];
	flow = (__u32)(*n)++;
	flow = flow * 0x9e3779b1u & p->flow_mask;
	off = p->client & 0xff;
	data = (__u8 *)d + off;
	if (data + 4 > (__u8 *)end)
		return 0;
	*(__u32 *)data = p->client_base + (flow >> 14);
	off = p->port & 0xff;
	data = (__u8 *)d + off;
	if (data + 2 > (__u8 *)end)
		return 0;
	*(__u16 *)data = (__u16)(1024 + (flow & 0x3fff));
	if (p->vip_mask) {
		off = p->vip & 0xff;
		data = (__u8 *)d + off;
		if (data + 4 > (__u8 *)end)
			return 0;
		*(__u32 *)data = __builtin_bswap32(p->vip_base + (flow & p->vip_mask));
	}
	return 1;
}

SEC("xdp")
int
bench_harness(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct bench_packet *p = bpf_map_lookup_elem(&bench_packet, &zero);
	__u64 *n = bpf_map_lookup_elem(&bench_count, &zero);
	long extra;

	if (!p || !n)
		return XDP_ABORTED;
	extra = (long)ctx->data_end - (long)ctx->data - p->len;
	if (extra && bpf_xdp_adjust_head(ctx, (int)extra))
		return XDP_ABORTED;
	if (!bench_write(ctx, p, n))
		return XDP_ABORTED;
	bpf_tail_call_static(ctx, &bench_under_test, 0);
	return XDP_ABORTED;
}

/* Live frames: the kernel does not put back what other programs changed, so all of the head is written. */
SEC("xdp")
int
bench_sender(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct bench_packet *p = bpf_map_lookup_elem(&bench_packet, &zero);
	__u64 *n = bpf_map_lookup_elem(&bench_count, &zero);

	if (!p || !n || !bench_write(ctx, p, n))
		return XDP_ABORTED;
	return (int)bpf_redirect(p->ifindex, 0);
}

/* Where live frames end: those in GRE are counted apart. */
SEC("xdp")
int
bench_sink(struct xdp_md *ctx)
{
	__u8 *d = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u32 i = d + 34 <= end && d[23] == 47;
	__u64 *n = bpf_map_lookup_elem(&bench_sunk, &i);

	if (n)
		++*n;
	return XDP_DROP;
}

SEC("xdp")
int
bench_tx(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

/* The smallest stateless rewrite that is still a balancer: VIP, hash, ring, backend, GRE, a counter. */
SEC("xdp")
int
bench_gre(struct xdp_md *ctx)
{
	__u8 *d = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u32 *vip, *ring, *backend, i, sum;
	__u64 key, *count;
	__u16 len;

	if (d + 54 > end || *(__u16 *)(d + 12) != 8 || d[14] != 0x45 || d[23] != 6)
		return XDP_PASS;
	key = (__u64)*(__u32 *)(d + 30) << 32 | (__u32)*(__u16 *)(d + 36) << 8 | 6;
	vip = bpf_map_lookup_elem(&bench_vips, &key);
	if (!vip)
		return XDP_PASS;
	i = ((*(__u32 *)(d + 26) ^ *(__u32 *)(d + 34)) * 0x9e3779b1u) >> 16;
	ring = bpf_map_lookup_elem(&bench_ring, &i);
	if (!ring)
		return XDP_DROP;
	i = *ring;
	backend = bpf_map_lookup_elem(&bench_backends, &i);
	if (!backend)
		return XDP_DROP;
	i = *vip;
	count = bpf_map_lookup_elem(&bench_stats, &i);
	if (count)
		++*count;
	len = (__u16)(__builtin_bswap16(*(__u16 *)(d + 16)) + 28);
	if (bpf_xdp_adjust_head(ctx, -28))
		return XDP_DROP;
	d = (__u8 *)(long)ctx->data;
	end = (__u8 *)(long)ctx->data_end;
	if (d + 42 > end)
		return XDP_DROP;
	__builtin_memset(d, 2, 12);
	*(__u16 *)(d + 12) = 8;
	*(__u32 *)(d + 14) = 0x45 | (__u32)__builtin_bswap16(len) << 16;
	*(__u32 *)(d + 18) = 0x40 << 16;
	*(__u32 *)(d + 22) = 64 | 47 << 8;
	*(__u32 *)(d + 26) = 0x0100000a;
	*(__u32 *)(d + 30) = *backend;
	sum = 0x45 + __builtin_bswap16(len) + 0x40 + (64 | 47 << 8) + 0x000a + 0x0100 + (*backend & 0xffff) +
	      (*backend >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__u16 *)(d + 24) = (__u16)~(sum + (sum >> 16));
	*(__u32 *)(d + 34) = 0x00080020;
	*(__u32 *)(d + 38) = 1;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
