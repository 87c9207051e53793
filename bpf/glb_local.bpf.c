// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Role local: GRE from an edge -> slot of the flow -> server, in GRE again. */
#include "bpf/glb_kern.h"

SEC("xdp")
int
glb_local(struct xdp_md *ctx)
{
	struct glb_candidates cand = { .n = 0 };
	struct glb_hops hops = { { 0 }, 0, 0, 0 };
	struct glb_tunnel t;
	struct glb_flow f = { .family = 0 };
	struct glb_conf *c;
	struct glb_vip *v;
	__u32 zero = 0, *id, left, i, k, first;
	__u64 *table, hash;
	int rc;

	c = bpf_map_lookup_elem(&glb_conf, &zero);
	if (!c)
		return glb_pass(ctx, GLB_LOCAL);
	rc = glb_tunnel_in(ctx, c, GLB_LOCAL, &t);
	if (rc > 0)
		return glb_pass(ctx, GLB_LOCAL);
	if (!rc)
		rc = glb_parse_inner(ctx, t.off, t.inner, &f);
	if (rc)
		return glb_drop(ctx, rc);
	if (f.flags & (GLB_F_FIRST | GLB_F_LATER)) {
		struct glb_frag_key fk = {
			{ f.client[0], f.client[1], f.client[2], f.client[3] },
			{ f.vip[0], f.vip[1], f.vip[2], f.vip[3] }, f.frag_id, f.proto
		};

		if (f.flags & GLB_F_LATER) {
			__u64 *ports = bpf_map_lookup_elem(&glb_frags, &fk);

			if (!ports)
				return glb_drop(ctx, GLB_BAD(frag_before_first));
			f.client_port = (__be16)(*ports >> 16);
			f.vip_port = (__be16)*ports;
		} else {
			__u64 ports = (__u64)f.client_port << 16 | f.vip_port;

			bpf_map_update_elem(&glb_frags, &fk, &ports, BPF_ANY);
		}
	}
	v = glb_find_vip(c, &f);
	if (!v)
		return glb_drop(ctx, GLB_BAD(not_vip));
	glb_count(&glb_vip_stats, v->index, f.len);
	table = bpf_map_lookup_elem(&glb_local_tables, &v->pool);
	id = bpf_map_lookup_elem(&glb_pool_ids, &v->pool);
	if (!table || !id || !(*table & GLB_POOL_VALID))
		return glb_drop(ctx, GLB_BAD(no_pool));
	/* An edge sends fragments by the address alone, so their key may name another pool of it. */
	if (*id != t.pool && !(f.flags & (GLB_F_FIRST | GLB_F_LATER)))
		return glb_drop(ctx, GLB_BAD(not_vip));
	hash = glb_flow_hash(c->key, &f);
	rc = glb_choose(*table, (__u32)hash, glb_kind(&f), &cand);
	if (rc || cand.n > GLB_OWNERS || !cand.n)
		return glb_drop(ctx, GLB_BAD(no_owner));
	if (!cand.plain && !(f.flags & GLB_F_SYN)) {
		/* Our servers in front, then the sites that were not tried yet. */
		hops.n_servers = (__u8)(cand.n - 1);
		if (cand.n > 1)
			hops.id[0] = cand.id[1];
		if (cand.n > 2)
			hops.id[1] = cand.id[2];
		if (t.shim) {
			first = t.next > t.n_servers ? t.next : t.n_servers;
			left = (__u32)t.n_servers + t.n_sites;
			left = left > first ? left - first : 0;
			if (left > GLB_OWNERS)
				left = GLB_OWNERS;
	GLB_UNROLL
			for (i = 0; i < GLB_OWNERS; i++) {
				if (i >= left)
					continue;
				__u32 site = glb_shim_entry(GLB_DATA(ctx), GLB_END(ctx), &t, first + i);

				k = (__u32)hops.n_servers + hops.n_sites;
				if (k == 0)
					hops.id[0] = site;
				else if (k == 1)
					hops.id[1] = site;
				else if (k == 2)
					hops.id[2] = site;
				else if (k == 3)
					hops.id[3] = site;
				else
					hops.id[4] = site;
				hops.n_sites++;
			}
		}
	}
	return glb_send(ctx, c, t.off, &f, *id, &hops, cand.node[0], (__u32)(hash >> 32), GLB_LOCAL);
}

char _license[] SEC("license") = "Dual BSD/GPL";
