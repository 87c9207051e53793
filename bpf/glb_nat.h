/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Destination NAT for servers that take no tunnels, without state: on the way in the slot says which server; on the
 * way back the server's address, port and protocol say which VIP (map glb_nat, docs/glb-design.md).  Checksums are
 * changed by the difference (RFC 1624).  BPF programs only. */
#ifndef WEFT_BPF_GLB_NAT_H
#define WEFT_BPF_GLB_NAT_H

#include "bpf/glb_kern.h"
#include "bpf/glb_tcp.h"

GLB_INLINE __u32
glb_delta_addr(const __be32 from[4], const __be32 to[4])
{
	__u64 d = (__u32)bpf_csum_diff((__be32 *)from, 16, (__be32 *)to, 16, 0);

	d = (d & 0xffff) + (d >> 16);
	return (__u32)((d & 0xffff) + (d >> 16));
}

struct glb_nat_edit {
	__be32 from[4], to[4];
	__be16 port; /* 0: stays */
	__u8 source; /* 1: the packet's source is changed, else its destination */
	__u8 pad;
};

/* Changes the address of the packet behind 14 bytes of Ethernet, and of what an ICMP error in it quotes, where it
 * stands on the other side.  'l4' is the transport header's offset from the IP header. */
__attribute__((noinline)) int
glb_nat_edit(struct xdp_md *ctx, const struct glb_flow *f, const struct glb_nat_edit *e, __u32 l4)
{
	__u8 *data = GLB_DATA(ctx), *end = GLB_END(ctx), *ip = data + 14, *t, *q;
	__u32 addr, port = 0, six, outer = 0;

	if (!f || !e)
		return GLB_BAD(short);
	six = f->family == 6;
	addr = glb_delta_addr(e->from, e->to);
	/* An error may come from a router, whose address stays. */
	if (six) {
		if (ip + 40 > end)
			return GLB_BAD(short);
		q = ip + (e->source ? 8 : 24);
		if (*(__be32 *)q == e->from[0] && *(__be32 *)(q + 4) == e->from[1] && *(__be32 *)(q + 8) == e->from[2] &&
		    *(__be32 *)(q + 12) == e->from[3]) {
			__builtin_memcpy(q, e->to, 16);
			outer = addr;
		}
	} else {
		if (ip + 20 > end)
			return GLB_BAD(short);
		q = ip + (e->source ? 12 : 16);
		if (*(__be32 *)q == e->from[3]) {
			*(__be32 *)q = e->to[3];
			glb_sum_add(ip + 10, addr);
		}
	}
	if (f->flags & GLB_F_LATER)
		return 0;
	t = ip + glb_bound(l4);
	if (f->flags & GLB_F_QUOTED) {
		__u32 hlen = 40;

		q = t + 8;
		if (six) {
			if (q + 44 > end)
				return GLB_BAD(short);
			__builtin_memcpy(q + (e->source ? 24 : 8), e->to, 16);
		} else {
			if (q + 20 > end)
				return GLB_BAD(short);
			hlen = (q[0] & 15u) * 4;
			*(__be32 *)(q + (e->source ? 16 : 12)) = e->to[3];
			glb_sum_add(q + 10, addr);
		}
		q += glb_bound(hlen);
		if (q + 4 > end)
			return GLB_BAD(short);
		q += e->source ? 2 : 0;
		if (e->port) {
			port = glb_delta16(*(__be16 *)q, e->port);
			*(__be16 *)q = e->port;
		}
		if (t + 4 > end)
			return GLB_BAD(short);
		/* An IPv4 header with its checksum adds up to the same; IPv6 has none, and a pseudo header besides. */
		glb_sum_add(t + 2, port);
		if (six) {
			glb_sum_add(t + 2, addr);
			glb_sum_add(t + 2, outer);
		}
		return 0;
	}
	if (f->flags & GLB_F_NO_PORTS) {
		if (f->proto == GLB_ICMP)
			return 0;
		if (f->proto != GLB_ICMP6)
			return GLB_BAD(nat_protocol);
		if (t + 4 > end)
			return GLB_BAD(short);
		glb_sum_add(t + 2, addr);
		return 0;
	}
	if (t + 8 > end)
		return GLB_BAD(short);
	q = t + (e->source ? 0 : 2);
	if (e->port) {
		port = glb_delta16(*(__be16 *)q, e->port);
		*(__be16 *)q = e->port;
	}
	if (f->proto == GLB_TCP) {
		if (t + 18 > end)
			return GLB_BAD(short);
		glb_sum_add(t + 16, addr + port);
	} else if (*(__be16 *)(t + 6)) { /* RFC 768: 0 is no checksum */
		glb_sum_add(t + 6, addr + port);
		if (!*(__be16 *)(t + 6))
			*(__be16 *)(t + 6) = 0xffff;
	}
	return 0;
}

GLB_INLINE int
glb_nat_out(struct xdp_md *ctx, const struct glb_flow *f, __u32 node, __u32 l4)
{
	struct glb_node *n = bpf_map_lookup_elem(&glb_nodes, &node);
	struct glb_nat_edit e = { .source = 0 };

	if (!n || n->family != f->family)
		return GLB_BAD(nat_family);
	__builtin_memcpy(e.from, f->vip, 16);
	__builtin_memcpy(e.to, n->addr, 16);
	e.port = n->port;
	return glb_nat_edit(ctx, f, &e, l4);
}

#endif
