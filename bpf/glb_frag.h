/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Role local: fragments.  Ports are in the first of a packet only, so the balancers of a site send all of one packet to one of
 * them, by a keyed hash; it keeps what the first says.  BPF programs only. */
#ifndef WEFT_BPF_GLB_FRAG_H
#define WEFT_BPF_GLB_FRAG_H

#include "bpf/glb_send.h"

/* Returns 0 with the flow's ports and protocol in 'f', the node of the balancer that has the packet, or a GLB_BAD() number.
 * What was relayed to us is ours, whatever we think: two that differ do not send it to and fro. */
__attribute__((noinline)) int
glb_fragment(struct glb_flow *f, __u32 relayed)
{
	__u32 zero = 0, peer;
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);
	struct glb_frag *found;
	__u64 now;

	if (!f || !c)
		return GLB_BAD(short);
	if (c->n_peers > 1 && !relayed) {
		peer = (__u32)((glb_frag_hash(c->key[GLB_CONF_KEY(c->flags)], f) >> 32) * c->n_peers >> 32);
		if (peer != c->peer_self && peer < GLB_MAX_PEERS)
			return (int)GLB_PEER_NODE(peer);
	}
	struct glb_frag_key fk = {
		{ f->client[0], f->client[1], f->client[2], f->client[3] },
		{ f->vip[0], f->vip[1], f->vip[2], f->vip[3] }, f->frag_id, f->family == 4 ? f->proto : 0
	};

	now = bpf_ktime_get_ns();
	if (!(f->flags & GLB_F_LATER)) {
		struct glb_frag first = { now, f->client_port, f->vip_port, f->proto, { 0 } };

		bpf_map_update_elem(&glb_frags, &fk, &first, BPF_ANY);
		return 0;
	}
	found = bpf_map_lookup_elem(&glb_frags, &fk);
	if (!found)
		return GLB_BAD(frag_before_first);
	if (now - found->ns > GLB_FRAG_NS)
		return GLB_BAD(frag_stale);
	f->client_port = found->client_port;
	f->vip_port = found->vip_port;
	f->proto = found->proto;
	return 0;
}

/* The packet at 'l3' goes to another balancer of the site. */
__attribute__((noinline)) int
glb_relay(struct xdp_md *ctx, const struct glb_flow *f, __u32 l3, __u32 pool, __u32 node)
{
	struct glb_node *n = bpf_map_lookup_elem(&glb_nodes, &node);
	struct glb_next_hop *nh = bpf_map_lookup_elem(&glb_next_hops, &node);
	struct glb_out o = { l3, pool, node, 0, GLB_LOCAL };
	__u32 zero = 0;
	struct glb_conf *c = bpf_map_lookup_elem(&glb_conf, &zero);
	__u8 *p;
	int rc;

	if (!f || !n || !n->family || !nh || !c)
		return glb_drop(ctx, GLB_BAD(no_node));
	if (ctx->data_end - ctx->data < (__u64)l3 + f->len)
		return glb_drop(ctx, GLB_BAD(short));
	if (!nh->ifindex || (__u32)bpf_jiffies64() - nh->stamp > c->neighbour_ttl) {
		rc = glb_resolve(ctx, node);
		if (rc)
			return glb_drop(ctx, rc);
	}
	if (nh->mtu && (n->family == 4 ? 20 : 40) + GLB_RELAY_LEN + f->len > nh->mtu)
		return glb_drop(ctx, GLB_BAD(too_big));
	p = glb_put_outer(ctx, c, n, nh, f, &o, GLB_RELAY_LEN, GLB_GRE);
	if (!p)
		return glb_drop(ctx, GLB_BAD(head_room));
	if (!glb_write_relay(p, GLB_END(ctx), pool, c->generation, f->family))
		return glb_drop(ctx, GLB_BAD(short));
	glb_count(&glb_stats, GLB_STAT_RELAYED, f->len);
	return glb_transmit(ctx, c, nh);
}

#endif
