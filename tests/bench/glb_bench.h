/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Shared by glb_bench.bpf.c and glb.c. */
#ifndef WEFT_BENCH_GLB_H
#define WEFT_BENCH_GLB_H

#include <linux/types.h>

struct bench_packet {
	__u64 head[6];	/* the first 48 bytes, written before each run */
	__u32 len;	/* of the frame before the program */
	__u32 flow_mask;
	__u32 client, port; /* offsets of the client's address (its last 4 bytes) and port */
	__u32 client_base;  /* what the flow's number is added to */
	__u32 vip;	    /* offset of the VIP's last four bytes */
	__u32 vip_mask;	    /* 0: one VIP; else it is vip_base + the flow's number under the mask */
	__u32 vip_base;	    /* host order */
	__u32 ifindex;	    /* live frames: where they are sent */
};

#endif
