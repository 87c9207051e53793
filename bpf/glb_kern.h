/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Maps, candidates and tunnels in: what the three roles share.  BPF programs only. */
#ifndef WEFT_BPF_GLB_KERN_H
#define WEFT_BPF_GLB_KERN_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/glb_abi.h"
#include "bpf/glb_encap.h"
#include "bpf/glb_gre.h"
#include "bpf/glb_parse.h"
#include "bpf/glb_tcp.h"
#include "bpf/glb_udp.h"
#include "bpf/glb_vip.h"

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
/* Made whole, 5 MB together: entries that are scattered cost twice as much for each packet when there are thousands. */
GLB_MAP(glb_vip4, BPF_MAP_TYPE_HASH, struct glb_vip4_key, struct glb_vip, 2 * GLB_MAX_VIPS, 0);
GLB_MAP(glb_vip_lines, BPF_MAP_TYPE_ARRAY, __u32, struct glb_vip_line, GLB_VIP_LINES, BPF_F_MMAPABLE);
GLB_MAP(glb_vip6, BPF_MAP_TYPE_HASH, struct glb_vip6_key, struct glb_vip, 2 * GLB_MAX_VIPS, 0);
GLB_MAP(glb_vip_prefixes, BPF_MAP_TYPE_LPM_TRIE, struct glb_vip_prefix_key, struct glb_vip, 4096,
	BPF_F_NO_PREALLOC);
GLB_MAP(glb_edge_tables, BPF_MAP_TYPE_ARRAY, __u32, __u64, GLB_N_TABLES, BPF_F_MMAPABLE);
GLB_MAP(glb_local_tables, BPF_MAP_TYPE_ARRAY, __u32, __u64, GLB_N_TABLES, BPF_F_MMAPABLE);
GLB_MAP(glb_pool_ids, BPF_MAP_TYPE_ARRAY, __u32, __u32, GLB_MAX_POOLS, BPF_F_MMAPABLE);
GLB_MAP(glb_slots, BPF_MAP_TYPE_ARRAY, __u32, __u64, GLB_MAX_SLOTS, BPF_F_MMAPABLE);
GLB_MAP(glb_nodes, BPF_MAP_TYPE_ARRAY, __u32, struct glb_node, GLB_MAX_NODES, 0);
GLB_MAP(glb_ids, BPF_MAP_TYPE_HASH, __u32, __u32, GLB_MAX_NODES, BPF_F_NO_PREALLOC);
GLB_MAP(glb_by_address, BPF_MAP_TYPE_HASH, struct glb_addr, __u32, GLB_MAX_NODES, BPF_F_NO_PREALLOC);
GLB_MAP(glb_vlans, BPF_MAP_TYPE_HASH, __u32, struct glb_vlan, 4096, BPF_F_NO_PREALLOC);
GLB_MAP(glb_next_hops, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct glb_next_hop, GLB_MAX_NODES, 0);
GLB_MAP(glb_own, BPF_MAP_TYPE_HASH, struct glb_addr, __u32, 64, BPF_F_NO_PREALLOC);
GLB_MAP(glb_sources, BPF_MAP_TYPE_LPM_TRIE, struct glb_source_key, __u32, 4096, BPF_F_NO_PREALLOC);
GLB_MAP(glb_drops, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct glb_count, GLB_N_DROPS, 0);
GLB_MAP(glb_stats, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct glb_count, GLB_N_STATS, 0);
GLB_MAP(glb_vip_stats, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct glb_count, GLB_MAX_VIPS, 0);
GLB_MAP(glb_frags, BPF_MAP_TYPE_LRU_HASH, struct glb_frag_key, struct glb_frag, 16384, 0);
GLB_MAP(glb_nat, BPF_MAP_TYPE_HASH, struct glb_nat_key, struct glb_nat, GLB_MAX_NODES, BPF_F_NO_PREALLOC);
GLB_MAP(glb_udp_flows, BPF_MAP_TYPE_ARRAY, __u32, struct glb_udp_bucket, GLB_UDP_BUCKETS, BPF_F_MMAPABLE);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, GLB_N_CHAIN);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} glb_chain SEC(".maps");

#define GLB_DATA(ctx) ((__u8 *)(long)(ctx)->data)
#define GLB_END(ctx) ((__u8 *)(long)(ctx)->data_end)

/* An offset that the verifier sees to be below 512, whatever the compiler knows of it. */
GLB_INLINE __u64
glb_bound(__u64 off)
{
	asm volatile("%0 &= 0x1ff" : "+r"(off));
	return off;
}

#include "bpf/glb_capture.h"

GLB_INLINE int
glb_drop(struct xdp_md *ctx, int rc)
{
	__u32 zero = 0;
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);

	glb_count(&glb_drops, GLB_DROP_OF(rc), (__u32)(ctx->data_end - ctx->data));
	if (c)
		glb_tell(c, XDP_DROP, GLB_DROP_OF(rc) + 1);
	return XDP_DROP;
}

/* Not for this role: the next one on this host looks, else the stack has it. */
GLB_INLINE int
glb_pass(struct xdp_md *ctx, __u32 role)
{
	__u32 zero = 0;
	struct glb_conf *c;

	if (role < GLB_LOCAL)
		bpf_tail_call_static(ctx, &glb_chain, GLB_LOCAL);
	if (role < GLB_HOST)
		bpf_tail_call_static(ctx, &glb_chain, GLB_HOST);
	glb_count(&glb_stats, GLB_STAT_PASSED, 0);
	c = bpf_map_lookup_elem(&glb_conf, &zero);
	if (c)
		glb_tell(c, XDP_PASS, 0);
	return XDP_PASS;
}

GLB_INLINE int
glb_take_vip(const struct glb_vip *v, struct glb_vip *ret)
{
	if (v)
		*ret = *v;
	return v != 0;
}

GLB_INLINE int
glb_find_vip4(__be32 addr, __be16 port, __u8 proto, struct glb_vip *ret)
{
	__u64 key = glb_vip4_word(addr, port, proto);
	__u32 i = glb_vip_line_of(key);
	struct glb_vip_line *l = bpf_map_lookup_elem(&glb_vip_lines, &i);
	int found = l ? glb_vip_line_find(l, key, ret) : GLB_VIP_ASK;

	return found == GLB_VIP_ASK ? glb_take_vip(bpf_map_lookup_elem(&glb_vip4, &key), ret) : found;
}

GLB_INLINE int
glb_find_exact(const struct glb_flow *f, __be16 port, __u8 proto, struct glb_vip *ret)
{
	if (f->family == 4)
		return glb_find_vip4(f->vip[3], port, proto, ret);
	struct glb_vip6_key k = { { f->vip[0], f->vip[1], f->vip[2], f->vip[3] }, port, proto, 0 };

	return glb_take_vip(bpf_map_lookup_elem(&glb_vip6, &k), ret);
}

GLB_INLINE int
glb_find_prefix(const struct glb_flow *f, __be16 port, __u8 proto, struct glb_vip *ret)
{
	struct glb_vip_prefix_key k = { 160, port, proto, 0, { f->vip[0], f->vip[1], f->vip[2], f->vip[3] } };

	return glb_take_vip(bpf_map_lookup_elem(&glb_vip_prefixes, &k), ret);
}

/* A VIP that is not one of that address, port and protocol: of any port, of any protocol, a prefix. */
__attribute__((noinline)) int
glb_find_vip_any(const struct glb_flow *f, __u32 flags, struct glb_vip *ret)
{
	if (!f || !ret)
		return 0;
	if (flags & GLB_CONF_ANY_PORT && (glb_find_exact(f, 0, f->proto, ret) || glb_find_exact(f, 0, 0, ret)))
		return 1;
	return flags & GLB_CONF_PREFIXES &&
	       (glb_find_prefix(f, f->vip_port, f->proto, ret) || glb_find_prefix(f, 0, f->proto, ret) ||
		glb_find_prefix(f, 0, 0, ret));
}

/* The one with that port, then that of any port, then that of any protocol: exact addresses before prefixes.  Returns 1 and
 * fills 'ret' if there is one. */
GLB_INLINE int
glb_find_vip(const struct glb_conf *c, const struct glb_flow *f, struct glb_vip *ret)
{
	if (glb_find_exact(f, f->vip_port, f->proto, ret))
		return 1;
	return c->flags & (GLB_CONF_ANY_PORT | GLB_CONF_PREFIXES) ? glb_find_vip_any(f, c->flags, ret) : 0;
}

/* The entry that says that the address is one of our VIPs'.  It carries the pool by which fragments, which have no ports, are sent to
 * a site. */
GLB_INLINE int
glb_find_vip_address(const struct glb_conf *c, const struct glb_flow *f, struct glb_vip *ret)
{
	if (glb_find_exact(f, 0xffff, GLB_VIP_ADDRESS_PROTO, ret))
		return 1;
	return c->flags & GLB_CONF_PREFIXES ? glb_find_prefix(f, 0xffff, GLB_VIP_ADDRESS_PROTO, ret) : 0;
}

/* --- candidates ------------------------------------------------------------------------------ */

enum { GLB_KIND_ONE, GLB_KIND_UDP, GLB_KIND_TCP };

struct glb_candidates {
	__u32 node[GLB_OWNERS]; /* indices, in the order in which they are to be tried */
	__u32 id[GLB_OWNERS];
	__u32 n;
	__u32 plain; /* the first one takes no hop list, and is the only one */
	__u32 last;  /* while they are gathered: who takes no hop list can only be the last */
	__u32 kind;
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
	if ((n->flags & GLB_NODE_PLAIN) && out->kind != GLB_KIND_ONE) {
		/* Of TCP the first such owner; of UDP the current one, which is asked last. */
		if (!out->last || out->kind == GLB_KIND_UDP)
			out->last = node;
		return;
	}
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
 * current owner last, which takes what nobody knows.  The dead are passed over.  Who takes no hop list can't hand a
 * packet on, so it can only be the last. */
/* A function of its own, which the verifier walks once and not once per way that leads here.  'kind' is of
 * the flow: GLB_KIND_*. */
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
	if (table & GLB_POOL_FIRST)
		second = third = 0;
	if (kind == GLB_KIND_UDP && (*w & GLB_SLOT_RANKED))
		kind = GLB_KIND_ONE;
	out->kind = kind;
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
		for (__u32 k = 1; k <= 4 && out->n + !!out->last < (suspect ? GLB_OWNERS - 1 : aside ? GLB_OWNERS : 1);
		     k++)
			glb_add_candidate(out, glb_stand_in(table, slot, k), GLB_NO_FLOWS, 256);
		/* Whoever of them has the flow takes it before it comes to one that may be dead. */
		if (suspect && out->n < GLB_OWNERS)
			glb_add_candidate(out, first, GLB_NODE_DEAD, 256);
		if (out->n < GLB_OWNERS)
			glb_add_candidate(out, second, GLB_NODE_DEAD, 256);
		if (out->n < GLB_OWNERS)
			glb_add_candidate(out, third, GLB_NODE_DEAD, 256);
	}
	if (!out->n && !out->last)
		for (__u32 k = 1; k <= 4 && !out->n; k++)
			glb_add_candidate(out, glb_stand_in(table, slot, k), GLB_NODE_DEAD, 256);
	if (out->last && (kind != GLB_KIND_UDP || !out->n || out->last == first) && out->n < GLB_OWNERS) {
		out->kind = GLB_KIND_ONE;
		glb_add_candidate(out, out->last, 0, 256);
	}
	return out->n ? 0 : GLB_BAD(no_owner);
}

/* --- tunnels in ------------------------------------------------------------------------------ */

/* Looks for a tunnel packet to an address of this host with 'role'.  Returns 0 if it is and 'ret' is filled, 1
 * if it is something else, or a GLB_BAD() number. */
GLB_INLINE int
glb_tunnel_in(struct xdp_md *ctx, const struct glb_conf *c, __u32 role, struct glb_tunnel *t)
{
	__u8 *data = GLB_DATA(ctx), *end = GLB_END(ctx), *ip, proto;
	struct glb_addr own = { { 0 } };
	struct glb_source_key src = { 128, { 0 } };
	__u32 off, *roles;
	__be16 type, port = 0;

	if (glb_parse_eth(data, end, &off, &type))
		return 1;
	ip = data + off;
	if (type == GLB_BE16(0x0800)) {
		if (ip + 20 > end)
			return 1;
		proto = ip[9];
		own.addr[2] = src.addr[2] = GLB_BE32(0xffff);
		own.addr[3] = *(__be32 *)(ip + 16);
		src.addr[3] = *(__be32 *)(ip + 12);
		/* A fragment of a tunnel packet is the stack's: our ends never fragment. */
		if (ip[0] != 0x45 || (*(__be16 *)(ip + 6) & GLB_BE16(0x3fff)))
			return 1;
		off += 20;
	} else if (type == GLB_BE16(0x86dd)) {
		if (ip + 40 > end)
			return 1;
		proto = ip[6];
		__builtin_memcpy(src.addr, ip + 8, 16);
		__builtin_memcpy(own.addr, ip + 24, 16);
		off += 40;
	} else {
		return 1;
	}
	if (proto == GLB_UDP) {
		ip = data + off;
		if (ip + GLB_UDP_LEN > end)
			return 1;
		port = *(__be16 *)(ip + 2);
		if (port != c->gue_port && port != c->vxlan_port)
			return 1;
		off += GLB_UDP_LEN;
	} else if (proto != GLB_GRE && proto != GLB_IPIP && proto != GLB_IPV6) {
		return 1;
	}
	if (type == GLB_BE16(0x0800) && own.addr[3] == c->own4[0].addr) {
		if (!(c->own4[0].roles & 1u << role))
			return 1;
	} else if (type == GLB_BE16(0x0800) && own.addr[3] == c->own4[1].addr) {
		if (!(c->own4[1].roles & 1u << role))
			return 1;
	} else {
		roles = bpf_map_lookup_elem(&glb_own, &own);
		if (!roles || !(*roles & 1u << role))
			return 1;
	}
	if ((c->flags & GLB_CONF_SOURCES) && !bpf_map_lookup_elem(&glb_sources, &src))
		return GLB_BAD(tunnel_source);
	if (proto == GLB_GRE)
		return glb_parse_gre(data, end, off, t);
	if (proto != GLB_UDP) {
		glb_tunnel_plain(t, GLB_ENCAP_IPIP);
		t->inner = proto == GLB_IPIP ? 4 : 6;
		t->off = (__u16)off;
		return 0;
	}
	return port == c->gue_port ? glb_parse_gue(data, end, off, t) : glb_parse_vxlan(data, end, off, t);
}

/* The id that entry 'i' of the hop list stands for; 0: nobody that the document has. */
GLB_INLINE __u32
glb_hop_id(struct xdp_md *ctx, const struct glb_tunnel *t, __u32 i)
{
	__u32 entry = glb_shim_entry(GLB_DATA(ctx), GLB_END(ctx), t, i), *index;
	struct glb_addr a = { { 0, 0, GLB_BE32(0xffff), GLB_BE32(entry) } };
	struct glb_node *n;

	if (t->encap != GLB_ENCAP_GUE)
		return entry;
	index = bpf_map_lookup_elem(&glb_by_address, &a);
	n = index ? bpf_map_lookup_elem(&glb_nodes, index) : 0;
	return n ? n->id : 0;
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
	if (!rc && (f->proto == GLB_GRE || f->proto == GLB_IPIP || f->proto == GLB_IPV6)) {
		struct glb_addr a = { { f->vip[0], f->vip[1], f->vip[2], f->vip[3] } };

		if (bpf_map_lookup_elem(&glb_own, &a))
			return GLB_BAD(loop);
	}
	return rc;
}

/* The node that the connection ID of a QUIC packet names, a site or a server: its index, or 0 if it names nobody who
 * is up.  'l4' is the offset of the UDP header. */
__attribute__((noinline)) int
glb_by_connection_id(struct xdp_md *ctx, __u32 l4, __u32 want_site)
{
	__u32 zero = 0, site = 0, server = 0, id, *index;
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);
	struct glb_node *n;

	if (!c || l4 > 511 || !glb_parse_quic(GLB_DATA(ctx) + glb_bound(l4), GLB_END(ctx), c->quic_first,
					      c->quic_mask, &site, &server))
		return 0;
	id = want_site ? site : server;
	index = bpf_map_lookup_elem(&glb_ids, &id);
	n = index ? bpf_map_lookup_elem(&glb_nodes, index) : 0;
	if (!n || (n->flags & GLB_NODE_DEAD) || !(n->flags & GLB_NODE_SITE) != !want_site)
		return 0;
	glb_count(&glb_stats, GLB_STAT_QUIC, 0);
	return (int)*index;
}

/* The VIP says how large segments to the client may be. */
__attribute__((noinline)) int
glb_lower_mss(struct xdp_md *ctx, __u32 l4, __u32 mss)
{
	if (l4 <= 511 && glb_clamp_mss(GLB_DATA(ctx) + glb_bound(l4), GLB_END(ctx), (__u16)mss))
		glb_count(&glb_stats, GLB_STAT_CLAMPED, 0);
	return 0;
}

/* May the packet carry a connection ID that counts? */
GLB_INLINE int
glb_may_be_quic(const struct glb_vip *v, const struct glb_flow *f)
{
	return (v->flags & GLB_VIP_QUIC) && f->proto == GLB_UDP &&
	       !(f->flags & (GLB_F_FIRST | GLB_F_LATER | GLB_F_QUOTED));
}

#endif
