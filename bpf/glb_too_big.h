/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Tells a client that its packet does not fit into the tunnel: ICMP fragmentation needed (RFC 792, RFC 1191) or ICMPv6
 * packet too big (RFC 4443 section 3.2), from the VIP: an edge's goes back the way that the packet came, that of others,
 * to whom the packet came in a tunnel, by the route to the client.  BPF programs only. */
#ifndef WEFT_BPF_GLB_TOO_BIG_H
#define WEFT_BPF_GLB_TOO_BIG_H

#include "bpf/glb_send.h"

/* What is quoted: the largest IPv4 header and eight bytes; IPv6 with some room for extension headers.  A packet
 * that is too big is longer than that. */
#define GLB_QUOTE4 68
#define GLB_QUOTE6 88

GLB_INLINE __u16
glb_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* The frame becomes: Ethernet (with 'back' to where it came from), 'outer' bytes of IP, 8 of ICMP, the quote.  1 if it could be made. */
GLB_INLINE int
glb_make_room(struct xdp_md *ctx, __u32 l3, int outer, int quote, int back)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u8 mac[12];
	long len;

	if (data + 14 > end)
		return 0;
	__builtin_memcpy(mac, data, 12);
	if (bpf_xdp_adjust_head(ctx, (int)l3 - 14 - outer - 8))
		return 0;
	len = (long)ctx->data_end - (long)ctx->data;
	if (bpf_xdp_adjust_tail(ctx, (int)(14 + outer + 8 + quote - len)))
		return 0;
	data = (__u8 *)(long)ctx->data;
	end = (__u8 *)(long)ctx->data_end;
	if (data + 14 > end)
		return 0;
	__builtin_memcpy(data, back ? mac + 6 : mac, 6);
	__builtin_memcpy(data + 6, back ? mac : mac + 6, 6);
	return 1;
}

GLB_INLINE int
glb_too_big4(struct xdp_md *ctx, __u32 l3, const struct glb_flow *f, __u32 mtu, int back)
{
	__u8 *d, *end;

	if (!glb_make_room(ctx, l3, 20, GLB_QUOTE4, back))
		return XDP_DROP;
	d = (__u8 *)(long)ctx->data;
	end = (__u8 *)(long)ctx->data_end;
	if (d + 14 + 20 + 8 + GLB_QUOTE4 > end)
		return XDP_DROP;
	GLB_ST16(d + 12, GLB_BE16(0x0800));
	GLB_ST32(d + 14, GLB_BE32(0x45000000 | (20 + 8 + GLB_QUOTE4)));
	GLB_ST32(d + 18, GLB_BE32(0));
	GLB_ST32(d + 22, GLB_BE32(64u << 24 | GLB_ICMP << 16));
	GLB_ST32(d + 26, f->vip[3]);
	GLB_ST32(d + 30, f->client[3]);
	GLB_ST16(d + 24, glb_fold((__u32)bpf_csum_diff(0, 0, (__be32 *)(d + 14), 20, 0)));
	GLB_ST32(d + 34, GLB_BE32(0x03040000));
	GLB_ST32(d + 38, GLB_BE32(mtu & 0xffff));
	GLB_ST16(d + 36, glb_fold((__u32)bpf_csum_diff(0, 0, (__be32 *)(d + 34), 8 + GLB_QUOTE4, 0)));
	return back ? XDP_TX : glb_route(ctx, f->family, f->vip, f->client);
}

GLB_INLINE int
glb_too_big6(struct xdp_md *ctx, __u32 l3, const struct glb_flow *f, __u32 mtu, int back)
{
	__be32 pseudo[10];
	__u32 sum;
	__u8 *d, *end;

	if (!glb_make_room(ctx, l3, 40, GLB_QUOTE6, back))
		return XDP_DROP;
	d = (__u8 *)(long)ctx->data;
	end = (__u8 *)(long)ctx->data_end;
	if (d + 14 + 40 + 8 + GLB_QUOTE6 > end)
		return XDP_DROP;
	GLB_ST16(d + 12, GLB_BE16(0x86dd));
	GLB_ST32(d + 14, GLB_BE32(0x60000000));
	GLB_ST32(d + 18, GLB_BE32((8u + GLB_QUOTE6) << 16 | GLB_ICMP6 << 8 | 64));
	for (int i = 0; i < 4; i++) {
		pseudo[i] = f->vip[i];
		pseudo[4 + i] = f->client[i];
		GLB_ST32(d + 22 + 4 * i, f->vip[i]);
		GLB_ST32(d + 38 + 4 * i, f->client[i]);
	}
	pseudo[8] = GLB_BE32(8 + GLB_QUOTE6);
	pseudo[9] = GLB_BE32(GLB_ICMP6);
	GLB_ST32(d + 54, GLB_BE32(0x02000000));
	GLB_ST32(d + 58, GLB_BE32(mtu));
	sum = (__u32)bpf_csum_diff(0, 0, pseudo, sizeof pseudo, 0);
	GLB_ST16(d + 56, glb_fold((__u32)bpf_csum_diff(0, 0, (__be32 *)(d + 54), 8 + GLB_QUOTE6, sum)));
	return back ? XDP_TX : glb_route(ctx, f->family, f->vip, f->client);
}

GLB_INLINE int
glb_too_big(struct xdp_md *ctx, __u32 l3, const struct glb_flow *f, __u32 mtu, int back)
{
	glb_count(&glb_stats, GLB_STAT_TOLD, 0);
	return f->family == 4 ? glb_too_big4(ctx, l3, f, mtu, back) : glb_too_big6(ctx, l3, f, mtu, back);
}

#endif
