/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* GRE with a key (RFC 2784, 2890) and the hop list behind it (docs/glb-design.md).
 *
 *   GRE     20 00 <protocol> <pool id, 32 bits>       protocol 0800, 86dd, or 88b5: a hop list follows
 *   hop list: version 4 bits (1), flags 4 bits | servers 4, sites 4 | next 8 | inner 8 (4 or 6)
 *             generation of the document, 32 bits
 *             ids, 32 bits each: servers first, then sites
 *
 * Flag 1, then without entries: a fragment that one local balancer of a site relays to another.
 * 'next' is the entry to try when who reads it does not know the flow; it only grows. */
#ifndef WEFT_BPF_GLB_GRE_H
#define WEFT_BPF_GLB_GRE_H

#include "bpf/glb_parse.h"

#define GLB_GRE_LEN 8
#define GLB_SHIM_LEN 8 /* without entries */

struct glb_tunnel {
	__u32 pool; /* id */
	__u32 generation;
	__u8 inner; /* 4 or 6 */
	__u8 n_servers, n_sites, next; /* all 0 without a hop list; GUE does not tell servers from sites */
	__u8 encap; /* enum glb_encap */
	__u8 relayed;
	__u16 shim; /* offset of the hop list from 'data'; 0: none */
	__u16 off;  /* of the inner packet */
};

GLB_INLINE int
glb_parse_gre(const __u8 *data, const __u8 *end, __u32 off, struct glb_tunnel *t)
{
	const __u8 *g;
	__u32 n;
	__be16 type;

	if (off > GLB_MAX_OFF)
		return GLB_BAD(short);
	g = data + off;
	if (g + 8 > end)
		return GLB_BAD(short);
	if ((g[1] & 7) || (g[0] & 0x4f) || (g[1] & 0xf8))
		return GLB_BAD(gre_version);
	if (!(g[0] & 0x20))
		return GLB_BAD(gre_no_key);
	type = GLB_LD16(g + 2);
	off += 8;
	/* A foreign end may add a checksum, in front of the key, and a sequence number, behind it. */
	if (g[0] & 0x80) {
		if (g + 12 > end)
			return GLB_BAD(short);
		t->pool = GLB_BE32(GLB_LD32(g + 8));
		off += 4;
	} else {
		t->pool = GLB_BE32(GLB_LD32(g + 4));
	}
	if (g[0] & 0x10)
		off += 4;
	t->encap = GLB_ENCAP_GRE;
	t->generation = 0;
	t->n_servers = t->n_sites = t->next = 0;
	t->shim = 0;
	t->relayed = 0;
	if (type == GLB_BE16(0x0800) || type == GLB_BE16(0x86dd)) {
		t->inner = type == GLB_BE16(0x0800) ? 4 : 6;
		t->off = (__u16)off;
		return 0;
	}
	if (type != GLB_BE16(GLB_ETH_P_SHIM))
		return GLB_BAD(gre_protocol);
	g = data + off;
	if (g + 8 > end)
		return GLB_BAD(short);
	if ((g[0] & 0xfe) != 0x10 || (g[3] != 4 && g[3] != 6))
		return GLB_BAD(shim_version);
	t->n_servers = g[1] >> 4;
	t->n_sites = g[1] & 15;
	t->next = g[2];
	t->inner = g[3];
	n = (__u32)t->n_servers + t->n_sites;
	t->relayed = g[0] & 1;
	if ((n == 0) != t->relayed || n > GLB_HOPS || t->next > n)
		return GLB_BAD(shim_length);
	t->generation = GLB_BE32(GLB_LD32(g + 4));
	if (g + GLB_SHIM_LEN + n * 4 > end)
		return GLB_BAD(short);
	t->shim = t->relayed ? 0 : (__u16)off;
	t->off = (__u16)(off + GLB_SHIM_LEN + n * 4);
	return 0;
}

/* Entry 'i' of a parsed hop list, in host order: an id, of GUE an IPv4 address; 0 is nobody's. */
GLB_INLINE __u32
glb_shim_entry(const __u8 *data, const __u8 *end, const struct glb_tunnel *t, __u32 i)
{
	const __u8 *e;

	if (i >= GLB_HOPS || t->shim > GLB_MAX_OFF)
		return 0;
	e = data + t->shim + GLB_SHIM_LEN + i * 4;
	if (e + 4 > end)
		return 0;
	return GLB_BE32(GLB_LD32(e));
}

/* Writes GRE and, if there are entries, a hop list at 'g'; the caller made sure of the room by
 * glb_gre_len() and the verifier sees it here again.  Returns 0 if 'end' is too near. */
GLB_INLINE __u32
glb_gre_len(__u32 n_hops)
{
	return n_hops ? GLB_GRE_LEN + GLB_SHIM_LEN + n_hops * 4 : GLB_GRE_LEN;
}

struct glb_hops {
	__u32 id[GLB_HOPS];
	__u8 n_servers, n_sites, next;
};

GLB_INLINE int
glb_write_gre(__u8 *g, const __u8 *end, __u32 pool, __u32 generation, __u8 inner,
	      const struct glb_hops *h)
{
	__u32 n = (__u32)h->n_servers + h->n_sites;

	if (g + 8 > end)
		return 0;
	GLB_ST16(g, GLB_BE16(0x2000));
	GLB_ST32(g + 4, GLB_BE32(pool));
	if (!n) {
		GLB_ST16(g + 2, inner == 4 ? GLB_BE16(0x0800) : GLB_BE16(0x86dd));
		return 1;
	}
	GLB_ST16(g + 2, GLB_BE16(GLB_ETH_P_SHIM));
	g += 8;
	if (g + 8 > end)
		return 0;
	g[0] = 0x10;
	g[1] = (__u8)(h->n_servers << 4 | h->n_sites);
	g[2] = h->next;
	g[3] = inner;
	GLB_ST32(g + 4, GLB_BE32(generation));
	g += 8;
	GLB_UNROLL
	for (__u32 i = 0; i < GLB_HOPS; i++) {
		if (i < n) {
			if (g + 4 > end)
				return 0;
			GLB_ST32(g, GLB_BE32(h->id[i]));
			g += 4;
		}
	}
	return 1;
}

#define GLB_RELAY_LEN (GLB_GRE_LEN + GLB_SHIM_LEN)

GLB_INLINE int
glb_write_relay(__u8 *g, const __u8 *end, __u32 pool, __u32 generation, __u8 inner)
{
	if (g + GLB_RELAY_LEN > end)
		return 0;
	GLB_ST32(g, GLB_BE32(0x20000000 | GLB_ETH_P_SHIM));
	GLB_ST32(g + 4, GLB_BE32(pool));
	GLB_ST32(g + 8, GLB_BE32(0x11000000 | inner));
	GLB_ST32(g + 12, GLB_BE32(generation));
	return 1;
}

#endif
