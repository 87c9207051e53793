/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Checksums by what changed (RFC 1624), and the segment size of TCP that opens; compiled for the kernel and natively. */
#ifndef WEFT_BPF_GLB_TCP_H
#define WEFT_BPF_GLB_TCP_H

#include "bpf/glb_parse.h"

GLB_INLINE void
glb_sum_add(__u8 *at, __u32 delta)
{
	__u32 sum = (__u16)~GLB_LD16(at) + (delta & 0xffff) + (delta >> 16);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	GLB_ST16(at, (__be16)~sum);
}

/* What changes when 'from' becomes 'to', folded to 16 bits. */
GLB_INLINE __u32
glb_delta16(__be16 from, __be16 to)
{
	__u32 d = (__u16)~from + (__u32)to;

	return (d & 0xffff) + (d >> 16);
}

/* Lowers the MSS option (RFC 9293 section 3.2) of the TCP header at 'th' to 'mss'.  Returns 1 if it was larger; a header without the option, or with
 * options that can't be, stays as it is. */
GLB_INLINE int
glb_clamp_mss(__u8 *th, const __u8 *end, __u16 mss)
{
	__u32 at = 20, len;

	if (th + 20 > end)
		return 0;
	len = (th[12] >> 4) * 4u;
	for (__u32 i = 0; i < 40; i++) {
		__u8 *o;
		__be16 from, to;

#ifdef __bpf__
		asm volatile("%0 &= 0x3f" : "+r"(at)); /* what follows from the test below, said so that the verifier sees it */
#endif
		o = th + at;
		if (at + 4 > len || o + 4 > end || o[0] == 0)
			return 0;
		if (o[0] == 1) {
			at++;
			continue;
		}
		if (o[0] == 2 && o[1] == 4) {
			from = GLB_LD16(o + 2);
			to = GLB_BE16(mss);
			if (GLB_BE16(from) <= mss)
				return 0;
			GLB_ST16(o + 2, to);
			/* An option may stand at an odd place; the sum is of even ones. */
			glb_sum_add(th + 16, at & 1 ? glb_delta16(GLB_BE16(from), GLB_BE16(to)) : glb_delta16(from, to));
			return 1;
		}
		if (o[1] < 2 || at + o[1] > 60)
			return 0;
		at += o[1];
	}
	return 0;
}

#endif
