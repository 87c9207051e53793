// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Lets everything pass.  A veth device takes frames that the other end sends from its driver only while it has a
 * program itself. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int
xdp_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
