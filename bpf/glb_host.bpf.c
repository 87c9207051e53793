// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0
/* Role host, on the server: out of the tunnel and to the socket that knows the flow, else to the next
 * candidate of the hop list. */
#define GLB_WITH_NAT /* a server may hand a packet on to one behind NAT */
#include "bpf/glb_send.h"

#define GLB_TCP_LISTEN 10

GLB_INLINE int
glb_tcp_known(struct xdp_md *ctx, const struct glb_tunnel *t, const struct glb_flow *f)
{
	struct bpf_sock_tuple tuple = { 0 };
	struct bpf_sock *sk;
	__u8 *data, *end, *th, *ip;
	int known = 0;

	if (f->family == 4) {
		tuple.ipv4.saddr = f->client[3];
		tuple.ipv4.daddr = f->vip[3];
		tuple.ipv4.sport = f->client_port;
		tuple.ipv4.dport = f->vip_port;
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof tuple.ipv4, BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, f->client, 16);
		__builtin_memcpy(tuple.ipv6.daddr, f->vip, 16);
		tuple.ipv6.sport = f->client_port;
		tuple.ipv6.dport = f->vip_port;
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof tuple.ipv6, BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return 0;
	if (sk->state != GLB_TCP_LISTEN) {
		known = 1;
	} else if (!(f->flags & GLB_F_QUOTED)) {
		/* The listener may have answered with a cookie and kept nothing. */
		data = GLB_DATA(ctx);
		end = GLB_END(ctx);
		if (t->off <= GLB_MAX_OFF && f->l4 <= GLB_MAX_OFF) {
			ip = data + t->off;
			th = data + f->l4;
			if (th + 20 <= end && (th[13] & 0x10)) {
				if (f->family == 4 && ip + 20 <= end)
					known = !bpf_tcp_check_syncookie(sk, ip, 20, (void *)th, 20);
				else if (f->family == 6 && ip + 40 <= end)
					known = !bpf_tcp_check_syncookie(sk, ip, 40, (void *)th, 20);
			}
		}
	}
	bpf_sk_release(sk);
	return known;
}

/* Has this server the UDP flow?  If not, and with 'put', it has it from now on. */
__attribute__((noinline)) int
glb_udp_known(__u64 hash, __u32 put)
{
	__u32 i = GLB_UDP_BUCKET_OF(hash);
	struct glb_udp_bucket *b = bpf_map_lookup_elem(&glb_udp_flows, &i);
	__u16 now = (__u16)(bpf_jiffies64() >> 8);

	if (!b)
		return 0;
	if (glb_udp_find(b, hash, now))
		return 1;
	if (put)
		glb_udp_put(b, hash, now);
	return 0;
}

GLB_INLINE int
glb_deliver(struct xdp_md *ctx, const struct glb_conf *c, const struct glb_tunnel *t, __u32 stat)
{
	__u8 *data = GLB_DATA(ctx);
	__u32 mac[3];

	if (data + 14 > GLB_END(ctx))
		return glb_drop(ctx, GLB_BAD(short));
	for (int i = 0; i < 3; i++)
		mac[i] = *(__u32 *)(data + 4 * i);
	glb_count(&glb_stats, stat, (__u32)(ctx->data_end - ctx->data));
	if (bpf_xdp_adjust_head(ctx, (int)t->off - 14))
		return glb_drop(ctx, GLB_BAD(short));
	data = GLB_DATA(ctx);
	if (data + 14 > GLB_END(ctx))
		return glb_drop(ctx, GLB_BAD(short));
	for (int i = 0; i < 3; i++)
		*(__u32 *)(data + 4 * i) = mac[i];
	*(__be16 *)(data + 12) = t->inner == 4 ? GLB_BE16(0x0800) : GLB_BE16(0x86dd);
	glb_tell(c, XDP_PASS, 0);
	return XDP_PASS;
}

SEC("xdp")
int
glb_host(struct xdp_md *ctx)
{
	struct glb_hops hops = { { 0 }, 0, 0, 0 };
	struct glb_vip vip = { .pool = 0 };
	struct glb_tunnel t;
	struct glb_flow f = { .family = 0 };
	struct glb_conf *c;
	__u32 zero = 0, n, i, next, node = 0, sites_from;
	__u64 hash = 0;
	int rc;

	c = bpf_map_lookup_elem(&glb_conf, &zero);
	if (!c)
		return glb_pass(ctx, GLB_HOST);
	if ((c->flags & GLB_CONF_CAPTURE) && c->first_role == GLB_HOST)
		glb_keep_packet(ctx);
	rc = glb_tunnel_in(ctx, c, GLB_HOST, &t);
	if (rc > 0)
		return glb_pass(ctx, GLB_HOST);
	if (!rc)
		rc = glb_parse_inner(ctx, t.off, t.inner, &f);
	if (rc)
		return glb_drop(ctx, rc);
	if (c->flags & GLB_CONF_CAPTURE)
		glb_keep_vip(&f, GLB_HOST);
	if (!glb_find_vip_address(c, &f, &vip))
		return glb_drop(ctx, GLB_BAD(not_vip));
	n = (__u32)t.n_servers + t.n_sites;
	if (f.flags & (GLB_F_SYN | GLB_F_LATER | GLB_F_FIRST | GLB_F_NO_PORTS))
		return glb_deliver(ctx, c, &t, GLB_STAT_DELIVERED);
	if (f.proto == GLB_UDP)
		hash = glb_flow_hash(c->own_key, &f);
	if (t.shim && t.next < n) {
		if (f.proto == GLB_TCP ? glb_tcp_known(ctx, &t, &f) : glb_udp_known(hash, 0))
			return glb_deliver(ctx, c, &t, GLB_STAT_DELIVERED);
		sites_from = t.n_servers;
		next = t.next;
	GLB_UNROLL
		for (i = 0; i < GLB_HOPS; i++) {
			__u32 id = i < n ? glb_hop_id(ctx, &t, i) : 0, *index;

			hops.id[i] = id;
			if (i < next || i >= n || node)
				continue;
			index = bpf_map_lookup_elem(&glb_ids, &id);
			if (index) {
				node = *index;
				t.next = (__u8)(i + 1);
			} else {
				glb_count(&glb_stats, GLB_STAT_UNKNOWN_HOP, 0);
			}
		}
		if (node) {
			hops.n_servers = (__u8)sites_from;
			hops.n_sites = (__u8)(n - sites_from);
			hops.next = t.next;
			glb_count(&glb_stats, GLB_STAT_HANDED_ON, 0);
			return glb_send(ctx, c, t.off, &f, t.pool, &hops, node,
					f.client_port * 0x9e3779b1u, GLB_HOST);
		}
	}
	/* Nobody is left to ask, so the flow is new here, or lost. */
	if (f.proto == GLB_UDP && !(f.flags & GLB_F_QUOTED))
		glb_udp_known(hash, 1);
	return glb_deliver(ctx, c, &t, t.shim ? GLB_STAT_LAST : GLB_STAT_DELIVERED);
}

char _license[] SEC("license") = "Dual BSD/GPL";
