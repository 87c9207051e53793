/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Role edge: the short way, of nearly every packet.  It decides as the long one in glb_edge.bpf.c does, and has the same effect,
 * but for one kind of packet only: whole TCP or UDP over IPv4 without options or tags, whose slot, owners and next hop are as
 * they mostly are, and which leaves in GRE over IPv4 and fits.  All else it leaves to the long way, untouched and uncounted, so
 * every drop has its reason in one place.  tests/system/99-glb-short-way.sh holds both against each other.
 * BPF programs only. */
#ifndef WEFT_BPF_GLB_EDGE_SHORT_H
#define WEFT_BPF_GLB_EDGE_SHORT_H

#include "bpf/glb_place.h"
#include "bpf/glb_send.h"

/* Beside verdicts. */
#define GLB_LONG_WAY  (-1)
#define GLB_NOT_A_VIP (-2)

#define GLB_CONF_LONG_WAY (GLB_CONF_CAPTURE | GLB_CONF_DENY | GLB_CONF_LIMIT | GLB_CONF_ROTATES)
#define GLB_SHORT_MIN	  (14 + 20 + 14) /* all that is read of the frame */

/* Flags and family of a node in one word, as they lie in struct glb_node; with 'shed' above them. */
GLB_INLINE __u32
glb_node_state(const struct glb_node *n)
{
	return *(const __u32 *)&n->flags & ~(__u32)GLB_NODE_SITE;
}
#define GLB_STATE_FAMILY 0x00ff0000u
#define GLB_STATE_SHED	 0xff000000u
#define GLB_STATE_IP4	 0x00040000u

/* Nothing is the matter with a node that is asked second or third: its id; else 0. */
GLB_INLINE __u32
glb_short_next(__u32 node)
{
	struct glb_node *n = bpf_map_lookup_elem(&glb_nodes, &node);

	return n && n->family && !n->encap && !(glb_node_state(n) & 0xffff) ? n->id : 0;
}

GLB_INLINE int
glb_find_line4(__be32 addr, __be16 port, __u8 proto, struct glb_vip *ret)
{
	__u64 key = glb_vip4_word(addr, port, proto);
	__u32 i = glb_vip_line_of(key);
	struct glb_vip_line *l = bpf_map_lookup_elem(&glb_vip_lines, &i);

	return l ? glb_vip_line_find(l, key, ret) : GLB_VIP_ASK;
}

/* A function of its own: its stack is given back before the long way, whose calls have 512 bytes together. */
static __attribute__((noinline)) int
glb_edge_short(struct xdp_md *ctx, const struct glb_conf *c)
{
	__u8 *data = GLB_DATA(ctx), *end = GLB_END(ctx), *ip = data + 14, tos, proto;
	__u32 client, addr, ports, len, syn = 0, opens, flags = c->flags, i, slot_mask, node, second, third, next = 0, last = 0;
	__u32 n_hops = 0, more, total, state, src, entropy;
	__u32 *pool_id;
	struct glb_vip vip;
	struct glb_next_hop *nh;
	struct glb_node *n;
	__u64 *table, *slot, word, hash, sum;
	int found;

	if ((flags & GLB_CONF_LONG_WAY) || data + GLB_SHORT_MIN > end || *(__be16 *)(data + 12) != GLB_BE16(0x0800) ||
	    ip[0] != 0x45 || (*(__be16 *)(ip + 6) & GLB_BE16(0x3fff)))
		return GLB_LONG_WAY;
	proto = ip[9];
	if (proto == GLB_TCP)
		syn = (ip[33] & 0x12) == 0x02;
	else if (proto != GLB_UDP)
		return GLB_LONG_WAY;
	tos = ip[1];
	len = GLB_BE16(*(__be16 *)(ip + 2));
	if (len < 20 || ctx->data_end - ctx->data < 14ull + len)
		return GLB_LONG_WAY;
	client = *(__be32 *)(ip + 12);
	addr = *(__be32 *)(ip + 16);
	ports = *(__u32 *)(ip + 20); /* the client's in the low half */

	found = glb_find_line4(addr, (__be16)(ports >> 16), proto, &vip);
	if (found != GLB_VIP_FOUND) {
		if (found == GLB_VIP_ASK || (flags & (GLB_CONF_ANY_PORT | GLB_CONF_PREFIXES)) ||
		    glb_find_line4(addr, 0xffff, GLB_VIP_ADDRESS_PROTO, &vip) != GLB_VIP_NONE)
			return GLB_LONG_WAY;
		return GLB_NOT_A_VIP;
	}
	if ((vip.flags & GLB_VIP_QUIC && proto == GLB_UDP) || (syn && vip.mss))
		return GLB_LONG_WAY;

	i = vip.pool;
	pool_id = bpf_map_lookup_elem(&glb_pool_ids, &i);
	i += GLB_CONF_KEY(flags) * GLB_MAX_POOLS;
	table = bpf_map_lookup_elem(&glb_edge_tables, &i);
	if (!table || !pool_id)
		return GLB_LONG_WAY;
	word = *table;
	if ((word & (GLB_POOL_VALID | GLB_POOL_FIRST)) != GLB_POOL_VALID)
		return GLB_LONG_WAY;
	if (word & GLB_POOL_BY_PLACE)
		word = GLB_POOL_OF_CLASS(word, (__u32)glb_class4(GLB_POOL_PLACE(word), GLB_BE32(client)) & POL_LEAF_MAX);
	hash = (__u64)client << 32 | addr;
	hash = glb_siphash(c->key[GLB_CONF_KEY(flags)], &hash, 1);
	slot_mask = GLB_POOL_MASK(word);
	i = GLB_POOL_BASE(word) + ((__u32)hash & slot_mask);
	slot = bpf_map_lookup_elem(&glb_slots, &i);
	if (!slot)
		return GLB_LONG_WAY;
	word = *slot;
	node = GLB_SLOT_NODE(word, 0);
	second = GLB_SLOT_NODE(word, 1);
	third = GLB_SLOT_NODE(word, 2);
	n = bpf_map_lookup_elem(&glb_nodes, &node);
	if (!node || !n || n->encap)
		return GLB_LONG_WAY;
	/* Whoever sheds sheds what opens; UDP that asks nobody else counts as that (GLB_KIND_ONE). */
	opens = syn || (proto == GLB_UDP && (word & GLB_SLOT_RANKED));
	state = glb_node_state(n);
	if ((opens ? state : state & ~GLB_STATE_SHED) != GLB_STATE_IP4)
		return GLB_LONG_WAY;
	if (!opens && (second | third)) {
		if (proto == GLB_UDP)
			return GLB_LONG_WAY;
		if (second && second != node) {
			next = glb_short_next(second);
			if (!next)
				return GLB_LONG_WAY;
			n_hops = 1;
		}
		if (third && third != node && third != second) {
			i = glb_short_next(third);
			if (!i)
				return GLB_LONG_WAY;
			if (n_hops)
				last = i;
			else
				next = i;
			n_hops++;
		}
	}

	nh = bpf_map_lookup_elem(&glb_next_hops, &node);
	if (!nh || !nh->ifindex || nh->vlan || (__u32)bpf_jiffies64() - nh->stamp > c->neighbour_ttl)
		return GLB_LONG_WAY;
	more = n_hops ? GLB_SHIM_LEN + n_hops * 4 : 0;
	total = 20 + GLB_GRE_LEN + more + len;
	if (nh->mtu && total > nh->mtu)
		return GLB_LONG_WAY;
	if (bpf_xdp_adjust_head(ctx, -(int)(20 + GLB_GRE_LEN + more)))
		return GLB_LONG_WAY;

	/* From here on the packet is not what it was. */
	i = vip.index;
	glb_count(&glb_vip_stats, i, len);
	data = GLB_DATA(ctx);
	if (data + 14 + 20 + GLB_GRE_LEN + GLB_SHIM_LEN + 8 > GLB_END(ctx))
		return glb_drop(ctx, GLB_BAD(short));
	entropy = (ports << 16 | ports >> 16) ^ (__u32)(hash >> 32);
	entropy *= 0x9e3779b1u;
	src = c->source4 | (entropy & c->source4_mask);
	glb_put_macs(data, nh);
	/* Type, version, length of the header; then total length, no id, don't fragment, TTL, protocol. */
	*(__u32 *)(data + 12) = GLB_BE16(0x0800) | 0x45u << 16 | (__u32)tos << 24;
	*(__u64 *)(data + 16) = GLB_BE16((__u16)total) | 0x40ull << 32 | 64ull << 48 | (__u64)GLB_GRE << 56;
	*(__u32 *)(data + 26) = src;
	*(__u32 *)(data + 30) = n->addr[3];
	/* RFC 1071: in the machine's byte order, and carries last. */
	sum = (__u64)src + n->addr[3] + 0x45u + ((__u32)tos << 8) + GLB_BE16((__u16)total) + 0x40u + (64 | GLB_GRE << 8);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__u16 *)(data + 24) = (__u16)~sum;
	*(__u32 *)(data + 38) = GLB_BE32(*pool_id);
	if (n_hops) {
		*(__u32 *)(data + 34) = GLB_BE32(0x20000000u | GLB_ETH_P_SHIM);
		*(__u32 *)(data + 42) = GLB_BE32(0x10000004u | n_hops << 16);
		*(__u32 *)(data + 46) = GLB_BE32(c->generation);
		*(__u32 *)(data + 50) = GLB_BE32(next);
		if (n_hops > 1)
			*(__u32 *)(data + 54) = GLB_BE32(last);
		glb_count(&glb_stats, GLB_STAT_SENT_SHIM, total);
	} else {
		*(__u32 *)(data + 34) = GLB_BE32(0x20000800u);
		glb_count(&glb_stats, GLB_STAT_SENT_PLAIN, total);
	}
	glb_count_sent(nh, total);
	if (nh->ifindex == ctx->ingress_ifindex)
		return XDP_TX;
	return (int)bpf_redirect(nh->ifindex, 0);
}

#endif
