/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The way out: next hops, outer headers, sending.  BPF programs only. */
#ifndef WEFT_BPF_GLB_SEND_H
#define WEFT_BPF_GLB_SEND_H

#include "bpf/glb_kern.h"

/* XDP sends by devices below VLANs: the daemon says which (glb_vlans). */
GLB_INLINE void
glb_set_next_hop(struct glb_next_hop *nh, const struct bpf_fib_lookup *fib, __u16 mtu, __u32 now)
{
	__u32 ifindex = fib->ifindex;
	struct glb_vlan *v = bpf_map_lookup_elem(&glb_vlans, &ifindex);

	nh->stamp = now;
	nh->ifindex = v ? v->ifindex : ifindex;
	nh->vlan = v ? v->tci : 0;
	nh->mtu = mtu;
	__builtin_memcpy(nh->dmac, fib->dmac, 6);
	__builtin_memcpy(nh->smac, fib->smac, 6);
}

GLB_INLINE void
glb_count_sent(struct glb_next_hop *nh, __u32 bytes)
{
	nh->sent.packets++;
	nh->sent.bytes += bytes;
}

/* Both addresses, as three words: they stand behind each other at a multiple of four. */
GLB_INLINE void
glb_put_macs(__u8 *data, const struct glb_next_hop *nh)
{
	const __u32 *macs = (const __u32 *)nh->dmac;

	*(__u32 *)data = macs[0];
	*(__u32 *)(data + 4) = macs[1];
	*(__u32 *)(data + 8) = macs[2];
}

/* Asks the kernel for the way to a node and keeps the answer.  Returns 0 or a GLB_BAD() number. */
__attribute__((noinline)) int
glb_resolve(struct xdp_md *ctx, __u32 node)
{
	struct glb_node *n = bpf_map_lookup_elem(&glb_nodes, &node);
	struct glb_next_hop *nh = bpf_map_lookup_elem(&glb_next_hops, &node);
	__u32 zero = 0, now = (__u32)bpf_jiffies64();
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);
	struct bpf_fib_lookup fib = { 0 };
	long rc;

	if (!n || !nh || !c)
		return GLB_BAD(no_node);
	fib.family = n->family == 4 ? 2 : 10; /* AF_INET, AF_INET6 */
	fib.l4_protocol = GLB_GRE;
	fib.ifindex = ctx->ingress_ifindex;
	if (n->family == 4) {
		fib.ipv4_src = c->source4;
		fib.ipv4_dst = n->addr[3];
	} else {
		__builtin_memcpy(fib.ipv6_src, c->source6, 16);
		__builtin_memcpy(fib.ipv6_dst, n->addr, 16);
	}
	glb_count(&glb_stats, GLB_STAT_NEXT_HOP, 0);
	rc = bpf_fib_lookup(ctx, &fib, sizeof fib, 0);
	/* The kernel puts the gateway in the place of the destination. */
	if (!rc && n->encap == GLB_ENCAP_L2 && (n->family == 4 ? fib.ipv4_dst != n->addr[3] :
						fib.ipv6_dst[3] != n->addr[3] || fib.ipv6_dst[2] != n->addr[2]))
		return GLB_BAD(off_link);
	if (rc == BPF_FIB_LKUP_RET_NO_NEIGH && nh->ifindex) {
		nh->stamp = now; /* the old address is better than none */
		return 0;
	}
	if (rc == BPF_FIB_LKUP_RET_NO_NEIGH)
		return GLB_BAD(no_neigh);
	if (rc)
		return GLB_BAD(no_route);
	glb_set_next_hop(nh, &fib, fib.mtu_result, now);
	return 0;
}

/* The frame with its addresses written goes out by 'nh'. */
GLB_INLINE int
glb_transmit(struct xdp_md *ctx, const struct glb_conf *c, const struct glb_next_hop *nh)
{
	glb_tell(c, nh->ifindex == ctx->ingress_ifindex ? XDP_TX : XDP_REDIRECT, 0);
	if (nh->vlan) {
		__u8 *data;

		if (bpf_xdp_adjust_head(ctx, -4))
			return glb_drop(ctx, GLB_BAD(head_room));
		data = GLB_DATA(ctx);
		if (data + 18 > GLB_END(ctx))
			return glb_drop(ctx, GLB_BAD(short));
		glb_put_macs(data, nh);
		*(__be16 *)(data + 12) = GLB_BE16(0x8100);
		*(__be16 *)(data + 14) = nh->vlan;
	}
	if (nh->ifindex == ctx->ingress_ifindex)
		return XDP_TX;
	return (int)bpf_redirect(nh->ifindex, 0);
}

GLB_INLINE void
glb_fib_query(struct xdp_md *ctx, struct bpf_fib_lookup *fib, __u8 family, const __be32 from[4], const __be32 to[4])
{
	fib->family = family == 4 ? 2 : 10;
	fib->ifindex = ctx->ingress_ifindex;
	if (family == 4) {
		fib->ipv4_src = from[3];
		fib->ipv4_dst = to[3];
	} else {
		__builtin_memcpy(fib->ipv6_src, from, 16);
		__builtin_memcpy(fib->ipv6_dst, to, 16);
	}
}

/* The way to 'to', for packets to clients, of which there are too many to remember ways; the daemon keeps the
 * link-layer addresses of gateways fresh.  Returns 0, 1 if the packet is the stack's own, or a GLB_BAD() number. */
GLB_INLINE int
glb_find_route(struct xdp_md *ctx, struct glb_next_hop *nh, __u8 family, const __be32 from[4], const __be32 to[4])
{
	struct bpf_fib_lookup fib = { 0 };
	long rc;

	glb_fib_query(ctx, &fib, family, from, to);
	rc = bpf_fib_lookup(ctx, &fib, sizeof fib, 0);
	if (rc)
		return rc == BPF_FIB_LKUP_RET_NOT_FWDED ? 1 :
		       rc == BPF_FIB_LKUP_RET_NO_NEIGH ? GLB_BAD(no_neigh) : GLB_BAD(no_route);
	glb_set_next_hop(nh, &fib, 0, 0);
	return 0;
}

/* Ethernet addresses of the way on the frame, and out. */
GLB_INLINE int
glb_send_by(struct xdp_md *ctx, const struct glb_next_hop *nh)
{
	__u8 *data = GLB_DATA(ctx);
	__u32 zero = 0;
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);

	if (!c || data + 14 > GLB_END(ctx))
		return glb_drop(ctx, GLB_BAD(short));
	glb_put_macs(data, nh);
	return glb_transmit(ctx, c, nh);
}

GLB_INLINE int
glb_route(struct xdp_md *ctx, __u8 family, const __be32 from[4], const __be32 to[4])
{
	struct glb_next_hop nh;
	int rc = glb_find_route(ctx, &nh, family, from, to);

	return rc ? glb_drop(ctx, rc > 0 ? GLB_BAD(no_route) : rc) : glb_send_by(ctx, &nh);
}

#include "bpf/glb_too_big.h"

GLB_INLINE void
glb_write_ip4(__u8 *ip, const struct glb_conf *c, const struct glb_node *n, __u32 len, __u8 tos,
	      __u32 entropy, __u8 proto)
{
	__u32 src = c->source4 | (entropy & c->source4_mask), dst = n->addr[3], sum;
	__be16 tot = GLB_BE16((__u16)len);

	ip[0] = 0x45;
	ip[1] = tos;
	*(__be16 *)(ip + 2) = tot;
	*(__be32 *)(ip + 4) = GLB_BE32(0x4000); /* no id, don't fragment */
	*(__be16 *)(ip + 8) = GLB_BE16(64 << 8 | proto);
	*(__be32 *)(ip + 12) = src;
	*(__be32 *)(ip + 16) = dst;
	/* RFC 1071: the sum of 16-bit words may be taken in the machine's byte order. */
	sum = (__u32)GLB_BE16(0x4500 | tos) + tot + GLB_BE16(0x4000) + GLB_BE16(64 << 8 | proto) +
	      (src & 0xffff) + (src >> 16) + (dst & 0xffff) + (dst >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__be16 *)(ip + 10) = (__u16)~sum;
}

GLB_INLINE void
glb_write_ip6(__u8 *ip, const struct glb_conf *c, const struct glb_node *n, __u32 len, __u8 tos,
	      __u32 entropy, __u8 proto)
{
	__be32 *words = (__be32 *)ip;

	/* RFC 6438: the flow label carries the entropy. */
	words[0] = GLB_BE32(6u << 28 | (__u32)tos << 20 | (entropy & 0xfffff));
	words[1] = GLB_BE32((len - 40) << 16 | (__u32)proto << 8 | 64);
	for (int i = 0; i < 4; i++) {
		words[2 + i] = c->source6[i];
		words[6 + i] = n->addr[i];
	}
}

/* What glb_send() was asked, for functions of their own. */
struct glb_out {
	__u32 l3; /* where the packet begins; what is in front of it goes */
	__u32 pool, node, entropy, role;
};

/* A packet that does not fit: 'room' is what would.  RFC 1122 section 3.2.2: no error about an error or a later
 * fragment. */
__attribute__((noinline)) int
glb_tell_too_big(struct xdp_md *ctx, const struct glb_flow *f, __u32 l3, __u32 room, __u32 role)
{
	__u32 zero = 0;
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);

	if (!f || !c)
		return XDP_DROP;
	glb_count(&glb_drops, GLB_DROP_too_big, f->len);
	glb_tell(c, XDP_DROP, GLB_DROP_too_big + 1);
	if (l3 < 14 || l3 > GLB_MAX_OFF || f->len < 14 + GLB_QUOTE6 + 40 ||
	    (f->flags & (GLB_F_LATER | GLB_F_QUOTED)) || f->proto == GLB_ICMP || f->proto == GLB_ICMP6 || room < 500)
		return XDP_DROP;
	return glb_too_big(ctx, l3, f, room, role == GLB_EDGE && l3 == 14);
}

#ifdef GLB_WITH_NAT /* roles local and host */
#include "bpf/glb_nat.h"
#endif

/* Room for 'outer' bytes of IP and 'more' behind it, Ethernet and IP written.  Returns where IP ends, or 0 if the
 * packet was dropped. */
GLB_INLINE __u8 *
glb_put_outer(struct xdp_md *ctx, const struct glb_conf *c, const struct glb_node *n,
	      const struct glb_next_hop *nh, const struct glb_flow *f, const struct glb_out *o, __u32 more, __u8 proto)
{
	__u32 outer = n->family == 4 ? 20 : 40;
	__u8 *data;

	if (bpf_xdp_adjust_head(ctx, (int)o->l3 - 14 - (int)(outer + more)))
		return 0;
	data = GLB_DATA(ctx);
	if (data + 14 + 40 > GLB_END(ctx))
		return 0;
	glb_put_macs(data, nh);
	if (n->family == 4) {
		*(__be16 *)(data + 12) = GLB_BE16(0x0800);
		glb_write_ip4(data + 14, c, n, 20 + more + f->len, f->tos, o->entropy, proto);
		return data + 34;
	}
	*(__be16 *)(data + 12) = GLB_BE16(0x86dd);
	glb_write_ip6(data + 14, c, n, 40 + more + f->len, f->tos, o->entropy, proto);
	return data + 54;
}

/* Every encapsulation but GRE.  The next hop is resolved.  Returns a verdict, or GLB_TOO_BIG with nothing done. */
#define GLB_TOO_BIG 100
__attribute__((noinline)) int
glb_send_other(struct xdp_md *ctx, const struct glb_flow *f, const struct glb_hops *h, const struct glb_out *o)
{
	struct glb_next_hop *nh;
	struct glb_node *n;
	struct glb_conf *c;
	__be32 hops[GLB_HOPS];
	__u32 zero = 0, node, n_hops, more;
	__u8 *data, *p;
	int ok;

	if (!f || !h || !o)
		return XDP_DROP;
	node = o->node;
	n = bpf_map_lookup_elem(&glb_nodes, &node);
	nh = bpf_map_lookup_elem(&glb_next_hops, &node);
	c = bpf_map_lookup_elem(&glb_conf, &zero);
	if (!n || !nh || !c)
		return glb_drop(ctx, GLB_BAD(no_node));
	n_hops = (__u32)h->n_servers + h->n_sites;
	if (n->encap != GLB_ENCAP_GUE || n_hops > GLB_HOPS)
		n_hops = 0;
	more = n->encap == GLB_ENCAP_GUE ? GLB_UDP_LEN + glb_gue_len(n_hops) :
	       n->encap == GLB_ENCAP_VXLAN ? GLB_UDP_LEN + GLB_VXLAN_LEN : 0;
	if (n->encap == GLB_ENCAP_NAT || n->encap == GLB_ENCAP_L2) {
		if (nh->mtu && f->len > nh->mtu)
			return GLB_TOO_BIG;
		if (bpf_xdp_adjust_head(ctx, (int)o->l3 - 14))
			return glb_drop(ctx, GLB_BAD(head_room));
		data = GLB_DATA(ctx);
		if (data + 14 > GLB_END(ctx))
			return glb_drop(ctx, GLB_BAD(short));
		glb_put_macs(data, nh);
		*(__be16 *)(data + 12) = f->family == 4 ? GLB_BE16(0x0800) : GLB_BE16(0x86dd);
		glb_count_sent(nh, f->len);
		glb_count(&glb_stats, GLB_STAT_SENT_PLAIN, f->len);
#ifdef GLB_WITH_NAT
		if (n->encap == GLB_ENCAP_NAT) {
			int rc = glb_nat_out(ctx, f, node, f->l4 - o->l3);

			if (rc)
				return glb_drop(ctx, rc);
		}
#endif
		return glb_transmit(ctx, c, nh);
	}
	if (nh->mtu && (n->family == 4 ? 20 : 40) + more + f->len > nh->mtu)
		return GLB_TOO_BIG;
	if (n->encap == GLB_ENCAP_IPIP) {
		if (!glb_put_outer(ctx, c, n, nh, f, o, 0, f->family == 4 ? GLB_IPIP : GLB_IPV6))
			return glb_drop(ctx, GLB_BAD(head_room));
	} else {
		GLB_UNROLL
		for (__u32 i = 0; i < GLB_HOPS; i++) {
			__u32 id = h->id[i], *index = i < n_hops ? bpf_map_lookup_elem(&glb_ids, &id) : 0;
			struct glb_node *hop = index ? bpf_map_lookup_elem(&glb_nodes, index) : 0;

			hops[i] = hop && hop->family == 4 ? hop->addr[3] : 0; /* glb-director knows IPv4 only */
		}
		p = glb_put_outer(ctx, c, n, nh, f, o, more, GLB_UDP);
		if (!p)
			return glb_drop(ctx, GLB_BAD(head_room));
		if (p + GLB_UDP_LEN > GLB_END(ctx))
			return glb_drop(ctx, GLB_BAD(short));
		glb_write_udp(p, o->entropy, n->encap == GLB_ENCAP_GUE ? c->gue_port : c->vxlan_port,
			      more - GLB_UDP_LEN + f->len);
		p += GLB_UDP_LEN;
		ok = n->encap == GLB_ENCAP_GUE ?
			     glb_write_gue(p, GLB_END(ctx), f->family, n_hops, h->next, hops) :
			     glb_write_vxlan(p, GLB_END(ctx), o->pool, f->family, n->mac);
		if (!ok)
			return glb_drop(ctx, GLB_BAD(short));
	}
	glb_count_sent(nh, f->len);
	glb_count(&glb_stats, n_hops ? GLB_STAT_SENT_SHIM : GLB_STAT_SENT_PLAIN, f->len);
	return glb_transmit(ctx, c, nh);
}

/* Puts an outer header in front of the packet at offset 'l3' and sends it to 'node'. */
GLB_INLINE int
glb_send(struct xdp_md *ctx, const struct glb_conf *c, __u32 l3, const struct glb_flow *f, __u32 pool,
	 struct glb_hops *h, __u32 node, __u32 entropy, __u32 role)
{
	struct glb_node *n = bpf_map_lookup_elem(&glb_nodes, &node);
	struct glb_next_hop *nh = bpf_map_lookup_elem(&glb_next_hops, &node);
	__u32 n_hops, len, outer;
	__u8 *data, *end;
	int rc;

	if (!n || !n->family || !nh)
		return glb_drop(ctx, GLB_BAD(no_node));
	if (ctx->data_end - ctx->data < (__u64)l3 + f->len)
		return glb_drop(ctx, GLB_BAD(short));
	if (n->flags & GLB_NODE_PLAIN)
		h->n_servers = h->n_sites = 0;
	n_hops = (__u32)h->n_servers + h->n_sites;
	outer = n->family == 4 ? 20 : 40;
	if (!(n->flags & GLB_NODE_SELF)) {
		if (!nh->ifindex || (__u32)bpf_jiffies64() - nh->stamp > c->neighbour_ttl) {
			rc = glb_resolve(ctx, node);
			if (rc)
				return glb_drop(ctx, rc);
		}
		if (n->encap) {
			struct glb_out o = { l3, pool, node, entropy, role };

			rc = glb_send_other(ctx, f, h, &o);
			if (rc != GLB_TOO_BIG)
				return rc;
			return glb_tell_too_big(ctx, f, l3, nh->mtu - (n->encap >= GLB_ENCAP_L2 ? 0 : outer + 40), role);
		}
	}
	len = outer + glb_gre_len(n_hops) + f->len;
	/* The worst case of the header, so that a longer hop list later does not surprise the client. */
	if (!(n->flags & GLB_NODE_SELF) && nh->mtu && len > nh->mtu)
		return glb_tell_too_big(ctx, f, l3, nh->mtu - (outer + 40), role);
	data = GLB_DATA(ctx);
	if (data + 14 > GLB_END(ctx))
		return glb_drop(ctx, GLB_BAD(short));
	/* What stays on this host is addressed to it already.  Kept with the node, since the frames of three calls
	 * have 512 bytes together; what two processors keep there differs only between two devices. */
	if (n->flags & GLB_NODE_SELF)
		__builtin_memcpy(nh->dmac, data, 6);
	if (bpf_xdp_adjust_head(ctx, (int)l3 - 14 - (int)(outer + glb_gre_len(n_hops))))
		return glb_drop(ctx, GLB_BAD(head_room));
	data = GLB_DATA(ctx);
	end = GLB_END(ctx);
	if (n->family == 4) {
		if (data + 14 + 20 > end)
			return glb_drop(ctx, GLB_BAD(short));
		*(__be16 *)(data + 12) = GLB_BE16(0x0800);
		glb_write_ip4(data + 14, c, n, len, f->tos, entropy, GLB_GRE);
		rc = glb_write_gre(data + 34, end, pool, c->generation, f->family, h);
	} else {
		if (data + 14 + 40 > end)
			return glb_drop(ctx, GLB_BAD(short));
		*(__be16 *)(data + 12) = GLB_BE16(0x86dd);
		glb_write_ip6(data + 14, c, n, len, f->tos, entropy, GLB_GRE);
		rc = glb_write_gre(data + 54, end, pool, c->generation, f->family, h);
	}
	if (!rc)
		return glb_drop(ctx, GLB_BAD(short));
	glb_put_macs(data, nh);
	glb_count_sent(nh, len);
	glb_count(&glb_stats, n_hops ? GLB_STAT_SENT_SHIM : GLB_STAT_SENT_PLAIN, len);
	if (n->flags & GLB_NODE_SELF) {
		if (role == GLB_EDGE)
			bpf_tail_call_static(ctx, &glb_chain, GLB_LOCAL);
		else
			bpf_tail_call_static(ctx, &glb_chain, GLB_HOST);
		return glb_drop(ctx, GLB_BAD(no_node));
	}
	return glb_transmit(ctx, c, nh);
}

#endif
