// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Role local: a tunnel from an edge -> slot of the flow -> server, in a tunnel again. */
#define GLB_WITH_NAT
#include "bpf/glb_frag.h"
#include "bpf/glb_rotate.h"
#include "bpf/glb_send.h"

#define GLB_CALL_BACK 100 /* no verdict yet */

/* Behind our servers the sites that were not tried yet, as far as there is room. */
__attribute__((noinline)) int
glb_append_sites(struct xdp_md *ctx, const struct glb_tunnel *t, struct glb_hops *h)
{
	__u32 first, n, at;

	if (!t || !h)
		return 0;
	n = (__u32)t->n_servers + t->n_sites;
	first = t->encap == GLB_ENCAP_GUE || t->next > t->n_servers ? t->next : t->n_servers;
	GLB_UNROLL
	for (__u32 i = 0; i < GLB_HOPS; i++) {
		__u32 site = i >= first && i < n ? glb_hop_id(ctx, t, i) : 0;

		at = (__u32)h->n_servers + h->n_sites;
		if (!site)
			continue;
		if (at >= GLB_HOPS) {
			glb_count(&glb_stats, GLB_STAT_CUT, 0);
			continue;
		}
		h->id[at] = site;
		h->n_sites++;
	}
	return 0;
}

/* A fragment of the answer of a server behind NAT, from the balancer that it came to: the way back goes on with it. */
__attribute__((noinline)) int
glb_relayed_back(struct xdp_md *ctx, const struct glb_tunnel *t)
{
	__u8 *data = GLB_DATA(ctx), mac[12];
	__u32 zero = 0;
	struct glb_scratch *s = bpf_map_lookup_elem(&glb_scratch, &zero);

	if (!t || !s || data + 14 > GLB_END(ctx))
		return glb_drop(ctx, GLB_BAD(short));
	__builtin_memcpy(mac, data, 12);
	if (bpf_xdp_adjust_head(ctx, (int)t->off - 14))
		return glb_drop(ctx, GLB_BAD(short));
	data = GLB_DATA(ctx);
	if (data + 14 > GLB_END(ctx))
		return glb_drop(ctx, GLB_BAD(short));
	__builtin_memcpy(data, mac, 12);
	*(__be16 *)(data + 12) = t->inner == 4 ? GLB_BE16(0x0800) : GLB_BE16(0x86dd);
	s->relayed = 1;
	return GLB_CALL_BACK;
}

/* Whether the tunnel's key is that of this pool.  Not every encapsulation has a key, and VXLAN's has 24 bits. */
GLB_INLINE int
glb_is_keyed(const struct glb_tunnel *t, __u32 id)
{
	return (t->encap == GLB_ENCAP_VXLAN ? id & 0xffffff : id) == t->pool;
}

SEC("xdp")
int
glb_local(struct xdp_md *ctx)
{
	struct glb_candidates cand = { .n = 0 };
	struct glb_hops hops = { { 0 }, 0, 0, 0 };
	struct glb_tunnel t;
	struct glb_flow f = { .family = 0 };
	struct glb_conf *c;
	struct glb_vip vip = { .pool = 0 }, *v = &vip;
	__u32 zero = 0, *id, *other, key, flags, pool;
	__u64 *table, hash;
	int rc;

	c = bpf_map_lookup_elem(&glb_conf, &zero);
	if (!c)
		return glb_pass(ctx, GLB_LOCAL);
	if ((c->flags & GLB_CONF_CAPTURE) && c->first_role == GLB_LOCAL)
		glb_keep_packet(ctx);
	rc = glb_tunnel_in(ctx, c, GLB_LOCAL, &t);
	if (rc > 0) {
		if (c->flags & GLB_CONF_NAT)
			bpf_tail_call_static(ctx, &glb_chain, GLB_CHAIN_BACK);
		return glb_pass(ctx, GLB_LOCAL);
	}
	if (!rc)
		rc = glb_parse_inner(ctx, t.off, t.inner, &f);
	if (rc)
		return glb_drop(ctx, rc);
	if (c->flags & GLB_CONF_CAPTURE)
		glb_keep_vip(&f, GLB_LOCAL);
	if (f.flags & (GLB_F_FIRST | GLB_F_LATER)) {
		if (!glb_find_vip_address(c, &f, v))
			goto not_vip;
		rc = glb_fragment(&f, t.relayed);
		if (rc > 0)
			return glb_relay(ctx, &f, t.off, t.pool, (__u32)rc);
		if (rc)
			return glb_drop(ctx, rc);
	}
	if (!glb_find_vip(c, &f, v))
		return glb_drop(ctx, GLB_BAD(not_vip));
	glb_count(&glb_vip_stats, v->index, f.len);
	if ((f.flags & GLB_F_SYN) && v->mss)
		glb_lower_mss(ctx, f.l4, v->mss);
	flags = c->flags;
	pool = v->pool;
	id = bpf_map_lookup_elem(&glb_pool_ids, &pool);
	key = GLB_VIP_OTHER(v->flags);
	if (key && t.pool) {
		/* Which of the two pools serves is the edge's decision. */
		key--;
		other = bpf_map_lookup_elem(&glb_pool_ids, &key);
		if (other && glb_is_keyed(&t, *other)) {
			pool = key;
			id = other;
		}
	}
	key = pool + GLB_CONF_KEY(flags) * GLB_MAX_POOLS;
	table = bpf_map_lookup_elem(&glb_local_tables, &key);
	key = GLB_CONF_KEY(flags);
	if (!table || !id || !(*table & GLB_POOL_VALID))
		return glb_drop(ctx, GLB_BAD(no_pool));
	/* An edge sends fragments by the address alone, so their key may name another pool of it. */
	if (t.pool && !glb_is_keyed(&t, *id) && !(f.flags & (GLB_F_FIRST | GLB_F_LATER)))
		return glb_drop(ctx, GLB_BAD(not_vip));
	hash = glb_flow_hash(c->key[key], &f);
	if (glb_may_be_quic(v, &f)) {
		cand.node[0] = (__u32)glb_by_connection_id(ctx, f.l4, 0);
		cand.plain = 1; /* there is nobody else to ask */
	}
	if (!cand.node[0]) {
		rc = glb_choose(*table, (__u32)hash, glb_kind(&f), &cand);
		if (flags & GLB_CONF_ROTATES && glb_kind(&f) != GLB_KIND_ONE) {
			key = pool + !key * GLB_MAX_POOLS;
			table = bpf_map_lookup_elem(&glb_local_tables, &key);
			rc = glb_choose_other(table ? *table : 0, &f, GLB_LOCAL, &cand, &hops);
			if (rc < 0)
				return glb_drop(ctx, GLB_BAD(no_owner));
			hops.n_servers = (__u8)rc;
		} else {
			if (rc || cand.n > GLB_OWNERS || !cand.n)
				return glb_drop(ctx, GLB_BAD(no_owner));
			/* Of what opens there is one candidate. */
			hops.n_servers = (__u8)(cand.n - 1);
			hops.id[0] = cand.id[1];
			hops.id[1] = cand.id[2];
		}
	}
	if (cand.plain)
		hops.n_servers = 0;
	else if (t.shim && !(f.flags & GLB_F_SYN))
		glb_append_sites(ctx, &t, &hops);
	return glb_send(ctx, c, t.off, &f, *id, &hops, cand.node[0], (__u32)(hash >> 32), GLB_LOCAL);

not_vip:
	if (t.relayed && (c->flags & GLB_CONF_NAT)) {
		rc = glb_relayed_back(ctx, &t);
		if (rc != GLB_CALL_BACK)
			return rc;
		bpf_tail_call_static(ctx, &glb_chain, GLB_CHAIN_BACK);
	}
	return glb_drop(ctx, GLB_BAD(not_vip));
}

/* What a server's answer is put right by.  Its flow reads as "from the server to the client". */
GLB_INLINE struct glb_nat *
glb_nat_find(const struct glb_flow *f)
{
	struct glb_nat_key k = { { f->client[0], f->client[1], f->client[2], f->client[3] }, f->client_port, f->proto, 0 };
	struct glb_nat *v = bpf_map_lookup_elem(&glb_nat, &k);

	if (v)
		return v;
	k.port = 0;
	v = bpf_map_lookup_elem(&glb_nat, &k);
	if (v)
		return v;
	k.proto = 0;
	return bpf_map_lookup_elem(&glb_nat, &k);
}

GLB_INLINE int
glb_is_behind_nat(const struct glb_flow *f)
{
	struct glb_addr a = { { f->client[0], f->client[1], f->client[2], f->client[3] } };
	__u32 *index = bpf_map_lookup_elem(&glb_by_address, &a);
	struct glb_node *n = index ? bpf_map_lookup_elem(&glb_nodes, index) : 0;

	return n && n->encap == GLB_ENCAP_NAT;
}

/* Not a server's answer: the host's, but nothing that came in a tunnel is. */
GLB_INLINE int
glb_leave(struct xdp_md *ctx, __u32 relayed)
{
	return relayed ? glb_drop(ctx, GLB_BAD(not_vip)) : glb_pass(ctx, GLB_LOCAL);
}

/* A packet that is no tunnel's: perhaps the answer of a server behind NAT. */
SEC("xdp")
int
glb_back(struct xdp_md *ctx)
{
	struct glb_flow f = { .family = 0 };
	struct glb_nat_edit e = { .source = 1 };
	struct glb_next_hop nh;
	struct glb_nat *v;
	struct glb_scratch *s;
	__be32 to[4];
	__be16 type;
	__u32 off, zero = 0, relayed;
	__u8 *data;
	int rc;

	if (glb_parse_eth(GLB_DATA(ctx), GLB_END(ctx), &off, &type) || off > 22)
		return glb_pass(ctx, GLB_LOCAL);
	rc = type == GLB_BE16(0x0800) ? glb_parse_ip4(GLB_DATA(ctx), GLB_END(ctx), off, &f) :
	     type == GLB_BE16(0x86dd) ? glb_parse_ip6(GLB_DATA(ctx), GLB_END(ctx), off, &f) : -1;
	s = bpf_map_lookup_elem(&glb_scratch, &zero);
	relayed = s ? s->relayed : 0;
	if (s)
		s->relayed = 0;
	if (rc)
		return glb_leave(ctx, relayed);
	if (f.flags & (GLB_F_FIRST | GLB_F_LATER)) {
		/* Only what a server behind NAT sends through us, to others than us. */
		if (!glb_is_behind_nat(&f) || glb_find_route(ctx, &nh, f.family, f.client, f.vip) > 0)
			return glb_leave(ctx, relayed);
		rc = glb_fragment(&f, relayed);
		if (rc > 0)
			return glb_relay(ctx, &f, off, 0, (__u32)rc);
		if (rc)
			return glb_drop(ctx, rc);
	}
	v = glb_nat_find(&f);
	if (!v)
		return glb_leave(ctx, relayed);
	__builtin_memcpy(e.from, f.client, 16);
	__builtin_memcpy(e.to, v->addr, 16);
	__builtin_memcpy(to, f.vip, 16);
	e.port = v->port;
	/* What a server says to the balancer itself is no answer to a client: probes, feeds, logins. */
	rc = glb_find_route(ctx, &nh, f.family, e.to, to);
	if (rc > 0)
		return glb_leave(ctx, relayed);
	if (rc)
		return glb_drop(ctx, rc);
	if (off != 14 && bpf_xdp_adjust_head(ctx, (int)off - 14))
		return glb_drop(ctx, GLB_BAD(head_room));
	rc = glb_nat_edit(ctx, &f, &e, f.l4 - off);
	if (rc)
		return glb_drop(ctx, rc);
	data = GLB_DATA(ctx);
	if (data + 14 > GLB_END(ctx))
		return glb_drop(ctx, GLB_BAD(short));
	*(__be16 *)(data + 12) = type;
	glb_count(&glb_stats, GLB_STAT_NAT_BACK, f.len);
	return glb_send_by(ctx, &nh);
}

char _license[] SEC("license") = "Dual BSD/GPL";
