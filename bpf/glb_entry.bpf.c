// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* What libxdp's dispatcher calls on a device that other XDP programs have, too: all it does is to go on with the first role's
 * program, so that another one of these replaces it by one store in the chain, and the dispatcher stays as it is. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/glb_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, GLB_N_CHAIN);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} glb_chain SEC(".maps");

SEC("xdp")
int
glb_entry(struct xdp_md *ctx)
{
	bpf_tail_call_static(ctx, &glb_chain, GLB_CHAIN_FIRST);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
