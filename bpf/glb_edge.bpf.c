// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Role edge: VIP and client address -> site, in a tunnel. */
#include "bpf/glb_edge_short.h"
#include "bpf/glb_limit.h"
#include "bpf/glb_place.h"
#include "bpf/glb_rotate.h"
#include "bpf/glb_send.h"

/* Is the packet not the stack's, but one that it would send on? */
__attribute__((noinline)) int
glb_is_forwarded(struct xdp_md *ctx, const struct glb_flow *f)
{
	struct bpf_fib_lookup fib = { 0 };
	long rc;

	if (!f)
		return 0;
	glb_fib_query(ctx, &fib, f->family, f->client, f->vip);
	rc = bpf_fib_lookup(ctx, &fib, sizeof fib, 0);
	return rc == BPF_FIB_LKUP_RET_SUCCESS || rc == BPF_FIB_LKUP_RET_NO_NEIGH || rc == BPF_FIB_LKUP_RET_FRAG_NEEDED;
}

SEC("xdp")
int
glb_edge(struct xdp_md *ctx)
{
	__u8 *data, *end;
	struct glb_candidates cand = { .n = 0 };
	struct glb_hops hops = { { 0 }, 0, 0, 0 };
	struct glb_flow f = { .family = 0 };
	struct glb_addr from;
	struct glb_conf *c;
	struct glb_vip vip = { .pool = 0 }, *v = &vip;
	__u32 off, zero = 0, *id, entropy, key, flags, pool;
	__u64 *table, hash;
	__be16 type;
	int rc, known;

	c = bpf_map_lookup_elem(&glb_conf, &zero);
	if (!c)
		return glb_pass(ctx, GLB_EDGE);
	rc = glb_edge_short(ctx, c);
	if (rc == GLB_NOT_A_VIP)
		return glb_pass(ctx, GLB_EDGE);
	if (rc != GLB_LONG_WAY)
		return rc;
	if (c->flags & GLB_CONF_CAPTURE)
		glb_keep_packet(ctx);
	data = GLB_DATA(ctx);
	end = GLB_END(ctx);
	if (glb_parse_eth(data, end, &off, &type))
		return glb_pass(ctx, GLB_EDGE);
	if (type == GLB_BE16(0x0800)) {
		rc = glb_parse_ip4(data, end, off, &f);
	} else if (type == GLB_BE16(0x86dd)) {
		rc = glb_parse_ip6(data, end, off, &f);
	} else {
		return glb_pass(ctx, GLB_EDGE);
	}
	if (rc) {
		/* What can't be read is the stack's to judge, unless it is for a VIP: then it is ours. */
		if (rc == GLB_BAD(ip_version) || rc == GLB_BAD(ip_header) || end < data + off + (f.family == 4 ? 20 : 40))
			return glb_pass(ctx, GLB_EDGE);
		return glb_find_vip_address(c, &f, v) ? glb_drop(ctx, rc) : glb_pass(ctx, GLB_EDGE);
	}
	if (c->flags & GLB_CONF_CAPTURE)
		glb_keep_vip(&f, GLB_EDGE);
	if (f.flags & (GLB_F_FIRST | GLB_F_LATER)) {
		known = glb_find_vip_address(c, &f, v);
		f.client_port = f.vip_port = 0; /* all fragments take one way */
	} else {
		known = glb_find_vip(c, &f, v);
	}
	if (!known) {
		/* The stack would send it back to the router that sent it here. */
		if (glb_find_vip_address(c, &f, v) && glb_is_forwarded(ctx, &f))
			return glb_drop(ctx, GLB_BAD(vip_port));
		return glb_pass(ctx, GLB_EDGE);
	}
	glb_count(&glb_vip_stats, v->index, f.len);
	if ((f.flags & GLB_F_SYN) && v->mss)
		glb_lower_mss(ctx, f.l4, v->mss);
	if (c->flags & (GLB_CONF_DENY | GLB_CONF_LIMIT)) {
		__builtin_memcpy(from.addr, f.client, 16);
		if (f.flags & GLB_F_QUOTED) {
			/* 40 bytes are there: an IP header, that of ICMP and what it quotes. */
			if (data + off + 40 > end)
				return glb_drop(ctx, GLB_BAD(short));
			if (f.family == 4)
				from.addr[3] = *(__be32 *)(data + off + 12);
			else
				__builtin_memcpy(from.addr, data + off + 8, 16);
		}
		rc = glb_admit(&f, &from);
		if (rc)
			return glb_drop(ctx, rc);
	}
	flags = c->flags;
	key = v->pool + GLB_CONF_KEY(flags) * GLB_MAX_POOLS;
	table = bpf_map_lookup_elem(&glb_edge_tables, &key);
	key = GLB_CONF_KEY(flags);
	pool = v->pool;
	id = bpf_map_lookup_elem(&glb_pool_ids, &pool);
	if (!table || !id || !(*table & GLB_POOL_VALID))
		return glb_drop(ctx, GLB_BAD(no_pool));
	hash = glb_client_hash(c->key[key], &f);
	if (glb_may_be_quic(v, &f))
		cand.node[0] = (__u32)glb_by_connection_id(ctx, f.l4, 1);
	if (!cand.node[0]) {
		rc = glb_choose(glb_table_of(*table, &f), (__u32)hash, glb_kind(&f), &cand);
		if (flags & GLB_CONF_ROTATES && glb_kind(&f) != GLB_KIND_ONE) {
			key = v->pool + !key * GLB_MAX_POOLS;
			table = bpf_map_lookup_elem(&glb_edge_tables, &key);
			rc = glb_choose_other(table ? glb_table_of(*table, &f) : 0, &f, GLB_EDGE, &cand, &hops);
			if (rc < 0)
				return glb_drop(ctx, GLB_BAD(no_owner));
			hops.n_sites = (__u8)rc;
		} else {
			if (rc)
				return glb_drop(ctx, GLB_BAD(no_owner));
			if (cand.n > 1) {
				hops.n_sites = (__u8)(cand.n - 1);
				hops.id[0] = cand.id[1];
				hops.id[1] = cand.id[2];
			}
		}
	}
	if (cand.plain)
		hops.n_sites = 0;
	entropy = ((__u32)(hash >> 32) ^ ((__u32)f.client_port << 16 | f.vip_port)) * 0x9e3779b1u;
	return glb_send(ctx, c, off, &f, *id, &hops, cand.node[0], entropy, GLB_EDGE);
}

char _license[] SEC("license") = "Dual BSD/GPL";
