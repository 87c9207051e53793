// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* For tests/bench/dns: frames with questions into one end of a veth (dns_xdp_ask, run by BPF_PROG_TEST_RUN with live
 * frames), answers counted and dropped as they come out of it (dns_xdp_count).  No more than a window of questions is
 * under way, so that each server is asked as fast as it answers. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "tests/bench/dns_xdp_load.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct dns_load_query);
	__uint(max_entries, DNS_LOAD_QUERIES);
} queries SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct dns_load_state);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
} state SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
} device SEC(".maps");

SEC("xdp")
int
dns_xdp_ask(struct xdp_md *ctx)
{
	__u32 zero = 0, i;
	struct dns_load_state *s = bpf_map_lookup_elem(&state, &zero);
	struct dns_load_query *q;
	__u64 n;

	if (!s)
		return XDP_DROP;
	n = s->good + s->bad + s->lost;
	if (s->sent >= n + s->window) {
		__u64 now = bpf_ktime_get_ns();

		if (now - s->last_ns > 100000000) {
			s->lost += s->sent - n;
			s->last_ns = now;
		}
		return XDP_DROP;
	}
	if (!(s->sent & 15))
		s->last_ns = bpf_ktime_get_ns();
	i = (__u32)s->sent & (DNS_LOAD_QUERIES - 1);
	q = bpf_map_lookup_elem(&queries, &i);
	if (!q)
		return XDP_DROP;
	/* The frame comes back as the answer that it was made into. */
	n = (__u64)(ctx->data_end - ctx->data);
	if (n != q->size && bpf_xdp_adjust_tail(ctx, (int)q->size - (int)n))
		return XDP_DROP;
	n = q->size - 1ull;
	asm volatile("%0 &= 0x7f" : "+r"(n));
	if (bpf_xdp_store_bytes(ctx, 0, q->bytes, n + 1))
		return XDP_DROP;
	s->sent++;
	return (int)bpf_redirect_map(&device, 0, XDP_DROP);
}

SEC("xdp")
int
dns_xdp_count(struct xdp_md *ctx)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u32 zero = 0;
	struct dns_load_state *s = bpf_map_lookup_elem(&state, &zero);

	if (!s || data + 14 + 20 + 8 + 12 > end || data[12] != 8 || data[13] || data[23] != 17)
		return XDP_PASS;
	/* An answer: QR, rcode 0, at least one record. */
	if ((data[44] & 0x80) && !(data[45] & 15) && data[49])
		__sync_fetch_and_add(&s->good, 1);
	else
		__sync_fetch_and_add(&s->bad, 1);
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
