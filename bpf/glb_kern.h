/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Maps and packet work that the three roles share.  BPF programs only. */
#ifndef WEFT_BPF_GLB_KERN_H
#define WEFT_BPF_GLB_KERN_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/glb_abi.h"
#include "bpf/glb_gre.h"
#include "bpf/glb_parse.h"
#include "bpf/glb_too_big.h"

#define GLB_MAP(NAME, TYPE, KEY, VALUE, N, FLAGS)                                                \
	struct {                                                                                 \
		__uint(type, TYPE);                                                              \
		__type(key, KEY);                                                                \
		__type(value, VALUE);                                                            \
		__uint(max_entries, N);                                                          \
		__uint(map_flags, FLAGS);                                                        \
		__uint(pinning, LIBBPF_PIN_BY_NAME);                                             \
	} NAME SEC(".maps")

GLB_MAP(glb_conf, BPF_MAP_TYPE_ARRAY, __u32, struct glb_conf, 1, 0);
GLB_MAP(glb_vip4, BPF_MAP_TYPE_HASH, struct glb_vip4_key, struct glb_vip, GLB_MAX_VIPS,
	BPF_F_NO_PREALLOC);
GLB_MAP(glb_vip6, BPF_MAP_TYPE_HASH, struct glb_vip6_key, struct glb_vip, GLB_MAX_VIPS,
	BPF_F_NO_PREALLOC);
GLB_MAP(glb_edge_tables, BPF_MAP_TYPE_ARRAY, __u32, __u64, GLB_MAX_POOLS, BPF_F_MMAPABLE);
GLB_MAP(glb_local_tables, BPF_MAP_TYPE_ARRAY, __u32, __u64, GLB_MAX_POOLS, BPF_F_MMAPABLE);
GLB_MAP(glb_pool_ids, BPF_MAP_TYPE_ARRAY, __u32, __u32, GLB_MAX_POOLS, BPF_F_MMAPABLE);
GLB_MAP(glb_slots, BPF_MAP_TYPE_ARRAY, __u32, __u64, GLB_MAX_SLOTS, BPF_F_MMAPABLE);
GLB_MAP(glb_nodes, BPF_MAP_TYPE_ARRAY, __u32, struct glb_node, GLB_MAX_NODES, 0);
GLB_MAP(glb_ids, BPF_MAP_TYPE_HASH, __u32, __u32, GLB_MAX_NODES, BPF_F_NO_PREALLOC);
GLB_MAP(glb_next_hops, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct glb_next_hop, GLB_MAX_NODES, 0);
GLB_MAP(glb_own, BPF_MAP_TYPE_HASH, struct glb_addr, __u32, 64, BPF_F_NO_PREALLOC);
GLB_MAP(glb_sources, BPF_MAP_TYPE_LPM_TRIE, struct glb_source_key, __u32, 4096, BPF_F_NO_PREALLOC);
GLB_MAP(glb_drops, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct glb_count, GLB_N_DROPS, 0);
GLB_MAP(glb_stats, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct glb_count, GLB_N_STATS, 0);
GLB_MAP(glb_vip_stats, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct glb_count, GLB_MAX_VIPS, 0);
GLB_MAP(glb_node_stats, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct glb_count, GLB_MAX_NODES, 0);
GLB_MAP(glb_frags, BPF_MAP_TYPE_LRU_HASH, struct glb_frag_key, __u64, 16384, 0);
GLB_MAP(glb_udp_flows, BPF_MAP_TYPE_LRU_HASH, struct glb_udp_key, __u32, 65536, 0);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, GLB_N_ROLES);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} glb_chain SEC(".maps");

#define GLB_DATA(ctx) ((__u8 *)(long)(ctx)->data)
#define GLB_END(ctx) ((__u8 *)(long)(ctx)->data_end)

GLB_INLINE void
glb_count(void *map, __u32 i, __u32 bytes)
{
	struct glb_count *c = bpf_map_lookup_elem(map, &i);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
}

GLB_INLINE int
glb_drop(struct xdp_md *ctx, int rc)
{
	glb_count(&glb_drops, GLB_DROP_OF(rc), (__u32)(ctx->data_end - ctx->data));
	return XDP_DROP;
}

/* Not for this role: the next one on this host looks, else the stack has it. */
GLB_INLINE int
glb_pass(struct xdp_md *ctx, __u32 role)
{
	if (role < GLB_LOCAL)
		bpf_tail_call_static(ctx, &glb_chain, GLB_LOCAL);
	if (role < GLB_HOST)
		bpf_tail_call_static(ctx, &glb_chain, GLB_HOST);
	glb_count(&glb_stats, GLB_STAT_PASSED, 0);
	return XDP_PASS;
}

GLB_INLINE struct glb_vip *
glb_find_vip(const struct glb_conf *c, const struct glb_flow *f)
{
	struct glb_vip *v;

	if (f->family == 4) {
		struct glb_vip4_key k = { f->vip[3], f->vip_port, f->proto, 0 };

		v = bpf_map_lookup_elem(&glb_vip4, &k);
		if (v || !(c->flags & GLB_CONF_ANY_PORT))
			return v;
		k.port = 0;
		v = bpf_map_lookup_elem(&glb_vip4, &k);
		if (v)
			return v;
		k.proto = 0;
		return bpf_map_lookup_elem(&glb_vip4, &k);
	}
	struct glb_vip6_key k = { { f->vip[0], f->vip[1], f->vip[2], f->vip[3] }, f->vip_port, f->proto, 0 };

	v = bpf_map_lookup_elem(&glb_vip6, &k);
	if (v || !(c->flags & GLB_CONF_ANY_PORT))
		return v;
	k.port = 0;
	v = bpf_map_lookup_elem(&glb_vip6, &k);
	if (v)
		return v;
	k.proto = 0;
	return bpf_map_lookup_elem(&glb_vip6, &k);
}

/* The entry that says that the address is one of our VIPs': port and protocol 255.  It carries the
 * pool by which fragments, which have no ports, are sent to a site. */
GLB_INLINE struct glb_vip *
glb_find_vip_address(const struct glb_flow *f)
{
	if (f->family == 4) {
		struct glb_vip4_key k = { f->vip[3], 0xffff, 255, 0 };

		return bpf_map_lookup_elem(&glb_vip4, &k);
	}
	struct glb_vip6_key k = { { f->vip[0], f->vip[1], f->vip[2], f->vip[3] }, 0xffff, 255, 0 };

	return bpf_map_lookup_elem(&glb_vip6, &k);
}

/* --- candidates ------------------------------------------------------------------------------ */

struct glb_candidates {
	__u32 node[GLB_OWNERS]; /* indices, in the order in which they are to be tried */
	__u32 id[GLB_OWNERS];
	__u32 n;
	__u32 plain; /* the first one is a foreign GRE end */
};

GLB_INLINE void
glb_add_candidate(struct glb_candidates *out, __u32 node, __u16 skip, __u32 draw)
{
	struct glb_node *n;

	if (!node || (out->n && out->node[0] == node) || (out->n > 1 && out->node[1] == node))
		return;
	n = bpf_map_lookup_elem(&glb_nodes, &node);
	if (!n || !n->family || (n->flags & skip) || draw < n->shed)
		return;
	if (out->n == 0) {
		out->node[0] = node;
		out->id[0] = n->id;
		out->plain = n->flags & GLB_NODE_PLAIN;
	} else if (out->n == 1) {
		out->node[1] = node;
		out->id[1] = n->id;
	} else {
		out->node[2] = node;
		out->id[2] = n->id;
	}
	out->n++;
}

/* Rule: TCP that opens goes to the first that does not drain, and to nobody else; other TCP to the current
 * owner, then to former ones; UDP, which has no opening packet, to the oldest first and to the
 * current owner last, which takes what nobody knows.  The dead are passed over. */
/* A function of its own, which the verifier walks once and not once per way that leads here.  'kind' is of
 * the flow: GLB_KIND_*. */
enum { GLB_KIND_ONE, GLB_KIND_UDP, GLB_KIND_TCP };

GLB_INLINE __u32
glb_kind(const struct glb_flow *f)
{
	return f->flags & (GLB_F_SYN | GLB_F_FIRST | GLB_F_LATER | GLB_F_NO_PORTS) ? GLB_KIND_ONE :
	       f->proto == GLB_UDP ? GLB_KIND_UDP : GLB_KIND_TCP;
}

#define GLB_NO_FLOWS (GLB_NODE_DEAD | GLB_NODE_SUSPECT)
#define GLB_NO_NEW (GLB_NO_FLOWS | GLB_NODE_DRAIN)

/* The owner of another slot: the 'k'-th that takes new flows when nobody of the slot's own list can, the same
 * one for every balancer. */
GLB_INLINE __u32
glb_stand_in(__u64 table, __u32 slot, __u32 k)
{
	__u32 i = GLB_POOL_BASE(table) + ((slot + k * 0x9e3779b1u) & GLB_POOL_MASK(table));
	__u64 *w = bpf_map_lookup_elem(&glb_slots, &i);

	return w ? GLB_SLOT_NODE(*w, 0) : 0;
}

__attribute__((noinline)) int
glb_choose(__u64 table, __u32 hash, __u32 kind, struct glb_candidates *out)
{
	if (!out)
		return GLB_BAD(no_owner);
	__u32 slot = (__u32)hash & GLB_POOL_MASK(table), i = GLB_POOL_BASE(table) + slot, first, second, third;
	__u32 draw = slot * 0x9e3779b1u >> 24; /* which slots a node sheds first is all the same, but always those */
	__u64 *w = bpf_map_lookup_elem(&glb_slots, &i);
	struct glb_node *owner;
	int aside, suspect;

	__builtin_memset(out, 0, sizeof *out);
	if (!w)
		return GLB_BAD(no_owner);
	first = GLB_SLOT_NODE(*w, 0);
	second = GLB_SLOT_NODE(*w, 1);
	third = GLB_SLOT_NODE(*w, 2);
	if (kind == GLB_KIND_UDP && (*w & GLB_SLOT_RANKED))
		kind = GLB_KIND_ONE;
	owner = bpf_map_lookup_elem(&glb_nodes, &first);
	aside = owner && (owner->flags & GLB_NODE_ASIDE);
	suspect = owner && (owner->flags & GLB_NODE_SUSPECT);
	if (kind == GLB_KIND_ONE) {
		glb_add_candidate(out, first, GLB_NO_NEW, draw);
		if (!out->n)
			glb_add_candidate(out, second, GLB_NO_NEW, draw);
		if (!out->n)
			glb_add_candidate(out, third, GLB_NO_NEW, draw);
		for (__u32 k = 1; k <= 4 && !out->n; k++)
			glb_add_candidate(out, glb_stand_in(table, slot, k), GLB_NO_NEW, draw);
		/* Who drains is better than nobody. */
		if (!out->n)
			glb_add_candidate(out, first, GLB_NO_FLOWS, 256);
		if (!out->n)
			glb_add_candidate(out, second, GLB_NO_FLOWS, 256);
		if (!out->n)
			glb_add_candidate(out, third, GLB_NO_FLOWS, 256);
	} else if (kind == GLB_KIND_UDP) {
		if (aside && !third)
			for (__u32 k = 1; k <= 4 && out->n < (second ? 1 : 2); k++) {
				i = glb_stand_in(table, slot, k);
				if (i != first && i != second)
					glb_add_candidate(out, i, GLB_NO_FLOWS, 256);
			}
		glb_add_candidate(out, third, GLB_NO_FLOWS, 256);
		glb_add_candidate(out, second, GLB_NO_FLOWS, 256);
		glb_add_candidate(out, first, GLB_NO_FLOWS, 256);
	} else {
		glb_add_candidate(out, first, GLB_NO_FLOWS, 256);
		glb_add_candidate(out, second, GLB_NO_FLOWS, 256);
		glb_add_candidate(out, third, GLB_NO_FLOWS, 256);
		for (__u32 k = 1; k <= 4 && out->n < (suspect ? GLB_OWNERS - 1 : aside ? GLB_OWNERS : 1); k++)
			glb_add_candidate(out, glb_stand_in(table, slot, k), GLB_NO_FLOWS, 256);
		/* Whoever of them has the flow takes it before it comes to one that may be dead. */
		if (suspect && out->n < GLB_OWNERS)
			glb_add_candidate(out, first, GLB_NODE_DEAD, 256);
		if (out->n < GLB_OWNERS)
			glb_add_candidate(out, second, GLB_NODE_DEAD, 256);
		if (out->n < GLB_OWNERS)
			glb_add_candidate(out, third, GLB_NODE_DEAD, 256);
	}
	if (!out->n)
		for (__u32 k = 1; k <= 4 && !out->n; k++)
			glb_add_candidate(out, glb_stand_in(table, slot, k), GLB_NODE_DEAD, 256);
	return out->n ? 0 : GLB_BAD(no_owner);
}

/* --- sending --------------------------------------------------------------------------------- */

GLB_INLINE int
glb_resolve(struct xdp_md *ctx, const struct glb_conf *c, const struct glb_node *n,
	    struct glb_next_hop *nh, __u32 now)
{
	struct bpf_fib_lookup fib = { 0 };
	long rc;

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
	if (rc == BPF_FIB_LKUP_RET_NO_NEIGH && nh->ifindex) {
		nh->stamp = now; /* the old address is better than none */
		return 0;
	}
	if (rc == BPF_FIB_LKUP_RET_NO_NEIGH)
		return GLB_BAD(no_neigh);
	if (rc)
		return GLB_BAD(no_route);
	nh->stamp = now;
	nh->ifindex = fib.ifindex;
	nh->mtu = fib.mtu_result;
	__builtin_memcpy(nh->dmac, fib.dmac, 6);
	__builtin_memcpy(nh->smac, fib.smac, 6);
	return 0;
}

GLB_INLINE void
glb_write_ip4(__u8 *ip, const struct glb_conf *c, const struct glb_node *n, __u32 len, __u8 tos,
	      __u32 entropy)
{
	__u32 src = c->source4 | (entropy & c->source4_mask), dst = n->addr[3], sum;
	__be16 tot = GLB_BE16((__u16)len);

	ip[0] = 0x45;
	ip[1] = tos;
	*(__be16 *)(ip + 2) = tot;
	*(__be32 *)(ip + 4) = GLB_BE32(0x4000); /* no id, don't fragment */
	*(__be16 *)(ip + 8) = GLB_BE16(64 << 8 | GLB_GRE);
	*(__be32 *)(ip + 12) = src;
	*(__be32 *)(ip + 16) = dst;
	/* RFC 1071: the sum of 16-bit words may be taken in the machine's byte order. */
	sum = (__u32)GLB_BE16(0x4500 | tos) + tot + GLB_BE16(0x4000) + GLB_BE16(64 << 8 | GLB_GRE) +
	      (src & 0xffff) + (src >> 16) + (dst & 0xffff) + (dst >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__be16 *)(ip + 10) = (__u16)~sum;
}

GLB_INLINE void
glb_write_ip6(__u8 *ip, const struct glb_conf *c, const struct glb_node *n, __u32 len, __u8 tos,
	      __u32 entropy)
{
	__be32 *words = (__be32 *)ip;

	/* RFC 6438: the flow label carries the entropy. */
	words[0] = GLB_BE32(6u << 28 | (__u32)tos << 20 | (entropy & 0xfffff));
	words[1] = GLB_BE32((len - 40) << 16 | GLB_GRE << 8 | 64);
	for (int i = 0; i < 4; i++) {
		words[2 + i] = c->source6[i];
		words[6 + i] = n->addr[i];
	}
}

/* Puts GRE (and a hop list) in front of the packet at offset 'l3' and sends it to 'node'. */
GLB_INLINE int
glb_send(struct xdp_md *ctx, const struct glb_conf *c, __u32 l3, const struct glb_flow *f, __u32 pool,
	 const struct glb_hops *h, __u32 node, __u32 entropy, __u32 role)
{
	struct glb_node *n = bpf_map_lookup_elem(&glb_nodes, &node);
	struct glb_next_hop *nh = bpf_map_lookup_elem(&glb_next_hops, &node);
	__u32 now = (__u32)bpf_jiffies64(), n_hops = (__u32)h->n_servers + h->n_sites, len, outer;
	__u8 *data, *end;
	int rc;

	if (!n || !n->family || !nh)
		return glb_drop(ctx, GLB_BAD(no_node));
	if (ctx->data_end - ctx->data < (__u64)l3 + f->len)
		return glb_drop(ctx, GLB_BAD(short));
	if (!(n->flags & GLB_NODE_SELF) &&
	    (!nh->ifindex || now - nh->stamp > c->neighbour_ttl)) {
		rc = glb_resolve(ctx, c, n, nh, now);
		if (rc)
			return glb_drop(ctx, rc);
	}
	outer = n->family == 4 ? 20 : 40;
	len = outer + glb_gre_len(n_hops) + f->len;
	if (!(n->flags & GLB_NODE_SELF) && nh->mtu && len > nh->mtu) {
		/* The worst case of the header, so that a longer hop list later does not surprise the client. */
		__u32 room = nh->mtu - (outer + 40);

		glb_count(&glb_drops, GLB_DROP_too_big, f->len);
		if (role != GLB_EDGE || f->len < 14 + GLB_QUOTE6 + 40 || (f->flags & (GLB_F_LATER | GLB_F_QUOTED)) ||
		    f->proto == GLB_ICMP || f->proto == GLB_ICMP6 || nh->mtu < 576)
			return XDP_DROP; /* RFC 1122 section 3.2.2: no error about an error or a later fragment */
		return f->family == 4 ? glb_too_big4(ctx, l3, f, room) : glb_too_big6(ctx, l3, f, room);
	}
	if (bpf_xdp_adjust_head(ctx, (int)l3 - 14 - (int)(outer + glb_gre_len(n_hops))))
		return glb_drop(ctx, GLB_BAD(head_room));
	data = GLB_DATA(ctx);
	end = GLB_END(ctx);
	if (n->family == 4) {
		if (data + 14 + 20 > end)
			return glb_drop(ctx, GLB_BAD(short));
		*(__be16 *)(data + 12) = GLB_BE16(0x0800);
		glb_write_ip4(data + 14, c, n, len, f->tos, entropy);
		rc = glb_write_gre(data + 34, end, pool, c->generation, f->family, h);
	} else {
		if (data + 14 + 40 > end)
			return glb_drop(ctx, GLB_BAD(short));
		*(__be16 *)(data + 12) = GLB_BE16(0x86dd);
		glb_write_ip6(data + 14, c, n, len, f->tos, entropy);
		rc = glb_write_gre(data + 54, end, pool, c->generation, f->family, h);
	}
	if (!rc)
		return glb_drop(ctx, GLB_BAD(short));
	__builtin_memcpy(data, nh->dmac, 6);
	__builtin_memcpy(data + 6, nh->smac, 6);
	glb_count(&glb_node_stats, node, len);
	glb_count(&glb_stats, n_hops ? GLB_STAT_SENT_SHIM : GLB_STAT_SENT_PLAIN, len);
	if (n->flags & GLB_NODE_SELF) {
		if (role == GLB_EDGE)
			bpf_tail_call_static(ctx, &glb_chain, GLB_LOCAL);
		else
			bpf_tail_call_static(ctx, &glb_chain, GLB_HOST);
		return glb_drop(ctx, GLB_BAD(no_node));
	}
	if (nh->ifindex == ctx->ingress_ifindex)
		return XDP_TX;
	return (int)bpf_redirect(nh->ifindex, 0);
}

/* --- tunnels in ------------------------------------------------------------------------------ */

/* Looks for GRE to an address of this host with 'role'.  Returns 0 if it is and 'ret' is filled, 1 if it is
 * something else, or a GLB_BAD() number. */
GLB_INLINE int
glb_tunnel_in(struct xdp_md *ctx, const struct glb_conf *c, __u32 role, struct glb_tunnel *t)
{
	__u8 *data = GLB_DATA(ctx), *end = GLB_END(ctx), *ip;
	struct glb_addr own = { { 0 } };
	struct glb_source_key src = { 128, { 0 } };
	__u32 off, *roles;
	__be16 type;

	if (glb_parse_eth(data, end, &off, &type))
		return 1;
	ip = data + off;
	if (type == GLB_BE16(0x0800)) {
		if (ip + 20 > end || ip[9] != GLB_GRE)
			return 1;
		own.addr[2] = src.addr[2] = GLB_BE32(0xffff);
		own.addr[3] = *(__be32 *)(ip + 16);
		src.addr[3] = *(__be32 *)(ip + 12);
		/* A fragment of a tunnel packet is the stack's: our ends never fragment. */
		if (ip[0] != 0x45 || (*(__be16 *)(ip + 6) & GLB_BE16(0x3fff)))
			return 1;
		off += 20;
	} else if (type == GLB_BE16(0x86dd)) {
		if (ip + 40 > end || ip[6] != GLB_GRE)
			return 1;
		__builtin_memcpy(src.addr, ip + 8, 16);
		__builtin_memcpy(own.addr, ip + 24, 16);
		off += 40;
	} else {
		return 1;
	}
	roles = bpf_map_lookup_elem(&glb_own, &own);
	if (!roles || !(*roles & 1u << role))
		return 1;
	if ((c->flags & GLB_CONF_SOURCES) && !bpf_map_lookup_elem(&glb_sources, &src))
		return GLB_BAD(tunnel_source);
	return glb_parse_gre(data, end, off, t);
}

/* A function of its own for the verifier's sake, as glb_choose(). */
__attribute__((noinline)) int
glb_parse_inner(struct xdp_md *ctx, __u32 off, __u32 inner, struct glb_flow *f)
{
	int rc;

	if (!f)
		return GLB_BAD(short);
	rc = inner == 4 ? glb_parse_ip4(GLB_DATA(ctx), GLB_END(ctx), off, f) :
			  glb_parse_ip6(GLB_DATA(ctx), GLB_END(ctx), off, f);
	if (!rc && f->proto == GLB_GRE) {
		struct glb_addr a = { { f->vip[0], f->vip[1], f->vip[2], f->vip[3] } };

		if (bpf_map_lookup_elem(&glb_own, &a))
			return GLB_BAD(loop);
	}
	return rc;
}

#endif
