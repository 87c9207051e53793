/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* Parsers of what comes from outside: pure functions over [data, data_end), compiled for the kernel
 * and natively (unit tests, fuzzing).  Each returns 0 or the negated GLB_DROP_* below, minus one. */
#ifndef WEFT_BPF_GLB_PARSE_H
#define WEFT_BPF_GLB_PARSE_H

#include <linux/types.h>

#include "bpf/glb_abi.h"
#include "bpf/glb_siphash.h"

#define GLB_INLINE static inline __attribute__((always_inline))
#define GLB_BAD(NAME) (-1 - GLB_DROP_##NAME)
#define GLB_DROP_OF(rc) ((__u32)(-1 - (rc)))
#define GLB_BE16(x) ((__be16)__builtin_bswap16(x)) /* both ways; little-endian hosts only */
#define GLB_BE32(x) ((__be32)__builtin_bswap32(x))
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weft-glb is built for little-endian hosts"
#endif

/* Packets are read unaligned: the kernel's machines can, the native build says so. */
#ifdef __bpf__
#define GLB_LD16(p) (*(const __be16 *)(p))
#define GLB_LD32(p) (*(const __be32 *)(p))
#define GLB_ST16(p, v) (*(__be16 *)(p) = (v))
#define GLB_ST32(p, v) (*(__be32 *)(p) = (v))
#else
struct glb_unaligned16 {
	__be16 v;
} __attribute__((packed));
struct glb_unaligned32 {
	__be32 v;
} __attribute__((packed));
#define GLB_LD16(p) (((const struct glb_unaligned16 *)(p))->v)
#define GLB_LD32(p) (((const struct glb_unaligned32 *)(p))->v)
#define GLB_ST16(p, x) (((struct glb_unaligned16 *)(p))->v = (x))
#define GLB_ST32(p, x) (((struct glb_unaligned32 *)(p))->v = (x))
#endif

enum { GLB_ICMP = 1, GLB_IPIP = 4, GLB_TCP = 6, GLB_UDP = 17, GLB_IPV6 = 41, GLB_GRE = 47, GLB_ICMP6 = 58 };

#define GLB_F_SYN 1	   /* TCP with SYN and without ACK */
#define GLB_F_FIRST 2	   /* first fragment of several */
#define GLB_F_LATER 4	   /* a later one: no ports */
#define GLB_F_QUOTED 8	   /* an ICMP error: ports and addresses are the quoted packet's, reversed */
#define GLB_F_NO_PORTS 16  /* neither TCP, UDP nor an ICMP error */

/* An IP packet as the balancer sees it: from a client to a VIP.  Network order. */
struct glb_flow {
	__be32 client[4], vip[4]; /* IPv4: [3], the rest ::ffff */
	__be16 client_port, vip_port;
	__u8 family; /* 4 or 6 */
	__u8 proto;
	__u8 flags;
	__u8 tos;
	__be32 frag_id;
	__u16 l4; /* offset of the transport header from 'data' */
	__u16 len; /* of the IP packet, by its header */
};

/* Offsets stay far below what the verifier allows for packet pointers. */
#define GLB_MAX_OFF 0x3ff

GLB_INLINE int
glb_parse_ports(const __u8 *l4, const __u8 *end, struct glb_flow *f)
{
	if (l4 + 4 > end)
		return GLB_BAD(short);
	f->client_port = GLB_LD16(l4);
	f->vip_port = GLB_LD16(l4 + 2);
	if (f->proto == GLB_TCP) {
		if (l4 + 14 > end)
			return GLB_BAD(short);
		if ((l4[13] & 0x12) == 0x02)
			f->flags |= GLB_F_SYN;
	}
	return 0;
}

/* The packet that an ICMP error quotes went from the VIP to the client: eight bytes of its transport
 * header are enough (RFC 792; RFC 4443 gives more). */
GLB_INLINE int
glb_parse_quote4(const __u8 *q, const __u8 *end, struct glb_flow *f)
{
	__u32 hlen;

	if (q + 20 > end)
		return GLB_BAD(icmp_quote);
	hlen = (q[0] & 15) * 4;
	if (q[0] >> 4 != 4 || hlen < 20)
		return GLB_BAD(icmp_quote);
	/* An error whose quoted source is not the address that it is sent to is a lie. */
	if (GLB_LD32(q + 12) != f->vip[3])
		return GLB_BAD(icmp_quote);
	if ((q[9] != GLB_TCP && q[9] != GLB_UDP) || (GLB_LD16(q + 6) & GLB_BE16(0x1fff)))
		return GLB_BAD(icmp_quote);
	f->proto = q[9];
	f->client[3] = GLB_LD32(q + 16);
	q += hlen;
	if (q + 4 > end)
		return GLB_BAD(icmp_quote);
	f->vip_port = GLB_LD16(q);
	f->client_port = GLB_LD16(q + 2);
	f->flags |= GLB_F_QUOTED;
	return 0;
}

GLB_INLINE int
glb_parse_quote6(const __u8 *q, const __u8 *end, struct glb_flow *f)
{
	if (q + 44 > end || q[0] >> 4 != 6)
		return GLB_BAD(icmp_quote);
	if (q[6] != GLB_TCP && q[6] != GLB_UDP)
		return GLB_BAD(icmp_quote);
	if (GLB_LD32(q + 8) != f->vip[0] || GLB_LD32(q + 12) != f->vip[1] ||
	    GLB_LD32(q + 16) != f->vip[2] || GLB_LD32(q + 20) != f->vip[3])
		return GLB_BAD(icmp_quote);
	f->proto = q[6];
	for (int i = 0; i < 4; i++)
		f->client[i] = GLB_LD32(q + 24 + 4 * i);
	f->vip_port = GLB_LD16(q + 40);
	f->client_port = GLB_LD16(q + 42);
	f->flags |= GLB_F_QUOTED;
	return 0;
}

/* ICMP types that are errors: unreachable, (source quench), time exceeded, parameter problem. */
GLB_INLINE int
glb_icmp_is_error(__u8 proto, __u8 type)
{
	return proto == GLB_ICMP ? type == 3 || type == 4 || type == 11 || type == 12 : type < 128;
}

GLB_INLINE int
glb_parse_ip4(const __u8 *data, const __u8 *end, __u32 off, struct glb_flow *f)
{
	const __u8 *ip, *l4;
	__u16 frag;
	__u32 hlen;

	if (off > GLB_MAX_OFF)
		return GLB_BAD(short);
	ip = data + off;
	if (ip + 20 > end)
		return GLB_BAD(short);
	if (ip[0] >> 4 != 4)
		return GLB_BAD(ip_version);
	hlen = (ip[0] & 15) * 4;
	f->len = GLB_BE16(GLB_LD16(ip + 2));
	if (hlen < 20 || f->len < hlen)
		return GLB_BAD(ip_header);
	f->family = 4;
	f->proto = ip[9];
	f->tos = ip[1];
	f->flags = 0;
	f->client[0] = f->client[1] = f->vip[0] = f->vip[1] = 0;
	f->client[2] = f->vip[2] = GLB_BE32(0xffff);
	f->client[3] = GLB_LD32(ip + 12);
	f->vip[3] = GLB_LD32(ip + 16);
	f->client_port = f->vip_port = 0;
	f->frag_id = GLB_LD16(ip + 4);
	f->l4 = (__u16)(off + hlen);
	frag = GLB_LD16(ip + 6) & GLB_BE16(0x3fff);
	if (frag & GLB_BE16(0x1fff)) {
		f->flags = GLB_F_LATER;
		return 0;
	}
	if (frag)
		f->flags = GLB_F_FIRST;
	l4 = ip + hlen;
	if (f->proto == GLB_TCP || f->proto == GLB_UDP)
		return glb_parse_ports(l4, end, f);
	if (f->proto == GLB_ICMP) {
		if (l4 + 8 > end)
			return GLB_BAD(short);
		if (glb_icmp_is_error(GLB_ICMP, l4[0]))
			return glb_parse_quote4(l4 + 8, end, f);
	}
	f->flags |= GLB_F_NO_PORTS;
	return 0;
}

GLB_INLINE int
glb_parse_ip6(const __u8 *data, const __u8 *end, __u32 off, struct glb_flow *f)
{
	const __u8 *ip;
	__u8 next;
	int i;

	if (off > GLB_MAX_OFF)
		return GLB_BAD(short);
	ip = data + off;
	if (ip + 40 > end)
		return GLB_BAD(short);
	if (ip[0] >> 4 != 6)
		return GLB_BAD(ip_version);
	f->family = 6;
	f->tos = (__u8)(ip[0] << 4 | ip[1] >> 4);
	f->len = (__u16)(GLB_BE16(GLB_LD16(ip + 4)) + 40);
	f->flags = 0;
	for (i = 0; i < 4; i++) {
		f->client[i] = GLB_LD32(ip + 8 + 4 * i);
		f->vip[i] = GLB_LD32(ip + 24 + 4 * i);
	}
	f->client_port = f->vip_port = 0;
	f->frag_id = 0;
	next = ip[6];
	off += 40;
	/* RFC 8200 section 4: hop-by-hop 0, routing 43, fragment 44, destination 60; RFC 4302: AH 51. */
	for (i = 0; i < 8; i++) {
		const __u8 *x;

		if (next != 0 && next != 43 && next != 44 && next != 60 && next != 51)
			break;
		if (off > GLB_MAX_OFF)
			return GLB_BAD(short);
		x = data + off;
		if (x + 8 > end)
			return GLB_BAD(short);
		if (next == 44) {
			f->frag_id = GLB_LD32(x + 4);
			if (GLB_LD16(x + 2) & GLB_BE16(0xfff8)) {
				f->proto = x[0];
				f->flags = GLB_F_LATER;
				return 0;
			}
			if (x[3] & 1)
				f->flags = GLB_F_FIRST;
			off += 8;
		} else {
			off += next == 51 ? (x[1] + 2u) * 4 : (x[1] + 1u) * 8;
		}
		next = x[0];
	}
	if (i == 8)
		return GLB_BAD(ext_headers);
	f->proto = next;
	if (off > GLB_MAX_OFF)
		return GLB_BAD(short);
	f->l4 = (__u16)off;
	if (next == GLB_TCP || next == GLB_UDP)
		return glb_parse_ports(data + off, end, f);
	if (next == GLB_ICMP6) {
		const __u8 *l4 = data + off;

		if (l4 + 8 > end)
			return GLB_BAD(short);
		if (glb_icmp_is_error(GLB_ICMP6, l4[0]))
			return glb_parse_quote6(l4 + 8, end, f);
	}
	f->flags |= GLB_F_NO_PORTS;
	return 0;
}

/* Connection IDs that name a site and a server in the clear (draft-ietf-quic-load-balancers, section 5.2):
 *
 *   3 bits: rotation, 5 bits: anything | server id: site 32 bits, server 32 bits | nonce, 4 bytes or more
 *
 * 'u' is the UDP header.  A long header says how long its connection ID is, of a short one the rest is taken on trust
 * (RFC 8999 section 5).  Returns 1 if there is one of that rotation; whether the ids mean anybody is not known here. */
#define GLB_QUIC_CID_LEN (1 + 8 + 4)

GLB_INLINE int
glb_parse_quic(const __u8 *u, const __u8 *end, __u8 first, __u8 mask, __u32 *site, __u32 *server)
{
	const __u8 *cid = u + 9;

	if (u + 8 + 1 + GLB_QUIC_CID_LEN > end)
		return 0;
	if (u[8] & 0x80) {
		if (u[13] < GLB_QUIC_CID_LEN || u + 14 + GLB_QUIC_CID_LEN > end)
			return 0;
		cid = u + 14;
	}
	if ((cid[0] & mask) != first)
		return 0;
	*site = GLB_BE32(GLB_LD32(cid + 1));
	*server = GLB_BE32(GLB_LD32(cid + 5));
	return 1;
}

/* EtherType behind up to two VLAN tags; 'off' is where the packet in the frame begins. */
GLB_INLINE int
glb_parse_eth(const __u8 *data, const __u8 *end, __u32 *off, __be16 *type)
{
	if (data + 14 > end)
		return GLB_BAD(short);
	*off = 14;
	*type = GLB_LD16(data + 12);
	for (int i = 0; i < 2; i++) {
		if (*type != GLB_BE16(0x8100) && *type != GLB_BE16(0x88a8))
			break;
		if (data + *off + 4 > end)
			return GLB_BAD(short);
		*type = GLB_LD16(data + *off + 2);
		*off += 4;
	}
	return 0;
}

/* The slot of a flow, and the bucket of a client (edges: no ports, so fragments need none). */
GLB_INLINE __u64
glb_flow_hash(const __u64 key[2], const struct glb_flow *f)
{
	__u64 w[5];

	if (f->family == 4) {
		w[0] = (__u64)f->client[3] << 32 | f->vip[3];
		w[1] = (__u64)f->client_port << 48 | (__u64)f->vip_port << 32 | f->proto;
		return glb_siphash(key, w, 2);
	}
	w[0] = (__u64)f->client[0] << 32 | f->client[1];
	w[1] = (__u64)f->client[2] << 32 | f->client[3];
	w[2] = (__u64)f->vip[0] << 32 | f->vip[1];
	w[3] = (__u64)f->vip[2] << 32 | f->vip[3];
	w[4] = (__u64)f->client_port << 48 | (__u64)f->vip_port << 32 | f->proto;
	return glb_siphash(key, w, 5);
}

GLB_INLINE __u64
glb_client_hash(const __u64 key[2], const struct glb_flow *f)
{
	__u64 w[4];

	if (f->family == 4) {
		w[0] = (__u64)f->client[3] << 32 | f->vip[3];
		return glb_siphash(key, w, 1);
	}
	w[0] = (__u64)f->client[0] << 32 | f->client[1];
	w[1] = (__u64)f->client[2] << 32 | f->client[3];
	w[2] = (__u64)f->vip[0] << 32 | f->vip[1];
	w[3] = (__u64)f->vip[2] << 32 | f->vip[3];
	return glb_siphash(key, w, 4);
}

/* Which balancer of a site has a fragmented packet: the same for all its fragments. */
GLB_INLINE __u64
glb_frag_hash(const __u64 key[2], const struct glb_flow *f)
{
	__u64 w[5];

	if (f->family == 4) {
		w[0] = (__u64)f->client[3] << 32 | f->vip[3];
		w[1] = (__u64)f->frag_id << 8 | f->proto;
		return glb_siphash(key, w, 2);
	}
	w[0] = (__u64)f->client[0] << 32 | f->client[1];
	w[1] = (__u64)f->client[2] << 32 | f->client[3];
	w[2] = (__u64)f->vip[0] << 32 | f->vip[1];
	w[3] = (__u64)f->vip[2] << 32 | f->vip[3];
	w[4] = f->frag_id;
	return glb_siphash(key, w, 5);
}

#endif
