// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* A program that shares a device with weft-glb's: it drops ICMP and passes the rest. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int
second(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	return data + 34 <= end && data[12] == 8 && data[13] == 0 && data[23] == 1 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
