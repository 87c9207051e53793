/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The encapsulations besides GRE: parsers and writers, compiled for the kernel and natively.
 *
 * GUE (draft-ietf-intarea-gue-04) as glb-director lays it out in its docs/development/gue-header.md:
 *
 *   UDP      source port: entropy | destination port | length | checksum 0
 *   GUE      version 0, C 0, length in words of what follows these four bytes | 4 or 41 | flags 0
 *   private  type 0 (16 bits) | next hop (8) | hop count (8) | hop count IPv4 addresses
 *
 * IP in IP (RFC 2003, 2473, 4213) has no header of its own; VXLAN (RFC 7348) carries a frame.  None of these names
 * a pool except VXLAN, whose VNI is the low 24 bits of its id. */
#ifndef WEFT_BPF_GLB_ENCAP_H
#define WEFT_BPF_GLB_ENCAP_H

#include "bpf/glb_gre.h"

#define GLB_UDP_LEN 8
#define GLB_GUE_LEN 4
#define GLB_GUE_PRIVATE_LEN 4 /* without hops */
#define GLB_VXLAN_LEN (8 + 14)

GLB_INLINE void
glb_tunnel_plain(struct glb_tunnel *t, __u8 encap)
{
	t->pool = t->generation = 0;
	t->n_servers = t->n_sites = t->next = 0;
	t->shim = 0;
	t->relayed = 0;
	t->encap = encap;
}

/* 'off' is behind the UDP header. */
GLB_INLINE int
glb_parse_gue(const __u8 *data, const __u8 *end, __u32 off, struct glb_tunnel *t)
{
	const __u8 *g;
	__u32 len;

	glb_tunnel_plain(t, GLB_ENCAP_GUE);
	if (off > GLB_MAX_OFF)
		return GLB_BAD(short);
	g = data + off;
	if (g + 4 > end)
		return GLB_BAD(short);
	/* Version, control bit, flags: none is sent by anybody who wants a packet delivered. */
	if ((g[0] & 0xe0) || g[2] || g[3])
		return GLB_BAD(gue_version);
	if (g[1] != 4 && g[1] != 41)
		return GLB_BAD(gue_protocol);
	t->inner = g[1] == 4 ? 4 : 6;
	len = (g[0] & 0x1fu) * 4;
	if (g + 4 + len > end)
		return GLB_BAD(short);
	if (len) {
		if (g + 8 > end || g[4] || g[5])
			return GLB_BAD(gue_version);
		if (g[7] > GLB_HOPS || len != GLB_GUE_PRIVATE_LEN + g[7] * 4u || g[6] > g[7])
			return GLB_BAD(shim_length);
		t->n_servers = g[7];
		t->next = g[6];
		t->shim = g[7] ? (__u16)off : 0; /* where a hop list of GRE would have its eight bytes */
	}
	t->off = (__u16)(off + GLB_GUE_LEN + len);
	return 0;
}

/* 'off' is behind the UDP header; inner frames without a VLAN tag only. */
GLB_INLINE int
glb_parse_vxlan(const __u8 *data, const __u8 *end, __u32 off, struct glb_tunnel *t)
{
	const __u8 *g;
	__be16 type;

	glb_tunnel_plain(t, GLB_ENCAP_VXLAN);
	if (off > GLB_MAX_OFF)
		return GLB_BAD(short);
	g = data + off;
	if (g + GLB_VXLAN_LEN > end)
		return GLB_BAD(short);
	if (!(g[0] & 0x08))
		return GLB_BAD(vxlan_vni);
	t->pool = GLB_BE32(GLB_LD32(g + 4)) >> 8;
	type = GLB_LD16(g + 20);
	if (type != GLB_BE16(0x0800) && type != GLB_BE16(0x86dd))
		return GLB_BAD(gre_protocol);
	t->inner = type == GLB_BE16(0x0800) ? 4 : 6;
	t->off = (__u16)(off + GLB_VXLAN_LEN);
	return 0;
}

/* Without a checksum: RFC 768 for IPv4, RFC 6935 for tunnels over IPv6.  'len' is of what follows. */
GLB_INLINE void
glb_write_udp(__u8 *p, __u32 entropy, __be16 port, __u32 len)
{
	/* RFC 6335: the dynamic ports. */
	GLB_ST16(p, GLB_BE16((__u16)(0xc000 | ((entropy >> 16 ^ entropy) & 0x3fff))));
	GLB_ST16(p + 2, port);
	GLB_ST16(p + 4, GLB_BE16((__u16)(len + GLB_UDP_LEN)));
	GLB_ST16(p + 6, 0);
}

GLB_INLINE __u32
glb_gue_len(__u32 n_hops)
{
	return n_hops ? GLB_GUE_LEN + GLB_GUE_PRIVATE_LEN + n_hops * 4 : GLB_GUE_LEN;
}

/* Returns 0 if 'end' is too near. */
GLB_INLINE int
glb_write_gue(__u8 *g, const __u8 *end, __u8 inner, __u32 n_hops, __u8 next, const __be32 hops[GLB_HOPS])
{
	if (g + 4 > end)
		return 0;
	g[0] = n_hops ? (__u8)(1 + n_hops) : 0;
	g[1] = inner == 4 ? 4 : 41;
	GLB_ST16(g + 2, 0);
	if (!n_hops)
		return 1;
	if (g + 8 > end)
		return 0;
	GLB_ST16(g + 4, 0);
	g[6] = next;
	g[7] = (__u8)n_hops;
	g += 8;
	GLB_UNROLL
	for (__u32 i = 0; i < GLB_HOPS; i++) {
		if (i < n_hops) {
			if (g + 4 > end)
				return 0;
			GLB_ST32(g, hops[i]);
			g += 4;
		}
	}
	return 1;
}

/* The frame inside comes from 02:00:00:00:00:00, a locally administered address. */
GLB_INLINE int
glb_write_vxlan(__u8 *g, const __u8 *end, __u32 vni, __u8 inner, const __u8 mac[6])
{
	if (g + GLB_VXLAN_LEN > end)
		return 0;
	GLB_ST32(g, GLB_BE32(0x08000000));
	GLB_ST32(g + 4, GLB_BE32(vni << 8));
	for (int i = 0; i < 6; i++) {
		g[8 + i] = mac[i];
		g[14 + i] = i ? 0 : 2;
	}
	GLB_ST16(g + 20, inner == 4 ? GLB_BE16(0x0800) : GLB_BE16(0x86dd));
	return 1;
}

#endif
