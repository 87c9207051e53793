/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnel headers: from the wire and to the wire, as pure functions.
 *
 *   VXLAN   RFC 7348; GBP draft-smith-vxlan-group-policy; GPE draft-ietf-nvo3-vxlan-gpe
 *   Geneve  RFC 8926
 *   GRE     RFC 2784, keys and sequence numbers RFC 2890; Ethernet inside is 0x6558
 *   ERSPAN  draft-foschiano-erspan, types II and III
 *   GTP-U   3GPP TS 29.281
 *   LISP    RFC 6830 section 5: IPv4 or IPv6 without an Ethernet header
 *
 * over IPv4 and IPv6.  Nothing here knows a port, a route or OpenFlow; the data path and the load
 * balancer use it alike.  Threads: any; no state but what the caller gives.
 */
#ifndef WEFT_TUNNELS_TUNNEL_H
#define WEFT_TUNNELS_TUNNEL_H

#include <linux/types.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tnl_type { TNL_VXLAN, TNL_GENEVE, TNL_GRE, TNL_ERSPAN, TNL_GTPU, TNL_LISP, TNL_N_TYPES };

/* Extensions of VXLAN that an endpoint takes besides the plain header. */
#define TNL_EXT_GBP 1u
#define TNL_EXT_GPE 2u

#define TNL_PORT_VXLAN 4789
#define TNL_PORT_GENEVE 6081
#define TNL_PORT_GTPU 2152
#define TNL_PORT_LISP 4341

/* What is inside, as an OpenFlow packet type: namespace << 16 | type.  (1, EtherType) is a packet
 * without an Ethernet header. */
#define TNL_INNER_ETH 0u
#define TNL_INNER_L3(ETHERTYPE) (0x10000u | (ETHERTYPE))

/* The outer header as values. */
#define TNL_F_OAM 0x01   /* Geneve's O bit */
#define TNL_F_DF 0x02    /* don't fragment (IPv4) */
#define TNL_F_CSUM 0x04  /* UDP or GRE checksum present */
#define TNL_F_KEY 0x08   /* 'id' is on the wire */
#define TNL_F_SEQ 0x10   /* 'seq' is on the wire (GRE) */
#define TNL_F_CRIT 0x20  /* Geneve's C bit */
#define TNL_MAX_OPTIONS 252 /* bytes of Geneve options: 63 words */
struct tnl_meta {
	struct in6_addr src, dst; /* IPv4 as mapped addresses */
	uint64_t id;              /* VNI, key, session, TEID or instance; host order */
	uint8_t flags;            /* TNL_F_* */
	uint8_t tos, ttl;
	uint8_t gbp_flags;        /* as the second byte of the VXLAN header: D 0x40, A 0x08 */
	uint16_t gbp_id;
	uint16_t tp_src, tp_dst;  /* UDP; host order */
	uint8_t erspan_ver;       /* 1: type II, 2: type III */
	uint8_t erspan_dir, erspan_hwid;
	uint8_t gtpu_flags, gtpu_msgtype;
	uint8_t options_size;     /* bytes of Geneve options, a multiple of 4 */
	uint32_t erspan_idx;      /* 20 bits */
	uint32_t seq;
	uint8_t options[TNL_MAX_OPTIONS]; /* TLVs as on the wire, lengths checked */
};

enum tnl_error {
	TNL_OK,
#define TNL_ERROR(NAME, TEXT) TNL_E_##NAME,
#include "tunnels/tunnel_error.def"
#undef TNL_ERROR
	TNL_N_ERRORS
};
const char *tnl_error_text(enum tnl_error);

/* --- From the wire (decap.c) -------------------------------------------------------- */

/* The UDP port or IP protocol by which an outer packet is for a kind of tunnel. */
static inline uint8_t
tnl_ip_proto(enum tnl_type type)
{
	return type == TNL_GRE || type == TNL_ERSPAN ? IPPROTO_GRE : IPPROTO_UDP;
}

#define TNL_DECAP_CSUM_GOOD 1u /* the receiver vouches for the outer L4 checksum */

/* Reads the outer headers of 'size' bytes that begin with an IPv4 or IPv6 header.  A UDP tunnel's port
 * is not compared.  On TNL_OK '*meta' is filled, '*inner' says what is inside, and '*inner_ofs' where
 * it begins; '*inner_size' leaves out what is behind the outer packet (padding).  Otherwise nothing
 * is written.  Never reads beyond 'size'. */
enum tnl_error tnl_decap(enum tnl_type, unsigned exts, const void *ip, size_t size, unsigned flags,
			 struct tnl_meta *meta, uint32_t *inner, size_t *inner_ofs,
			 size_t *inner_size);

/* What RFC 6040 makes of the inner ECN bits (0 to 3) when the outer ones say CE: the new inner
 * bits, or -1: the packet must be dropped. */
static inline int
tnl_ecn_decap(uint8_t outer_tos, uint8_t inner_tos)
{
	if ((outer_tos & 3) != 3)
		return inner_tos & 3;
	return (inner_tos & 3) == 0 ? -1 : 3;
}

/* The outer ECN bits for inner ones: CE is not copied out but becomes ECT(0) (RFC 6040, normal mode
 * would copy it; Open vSwitch and Linux's 'compatibility' say this, and peers compare). */
static inline uint8_t
tnl_ecn_encap(uint8_t inner_tos)
{
	return (inner_tos & 3) == 3 ? 2 : inner_tos & 3;
}

/* --- To the wire (encap.c) ------------------------------------------------------------ */

/* Ethernet, IPv6, UDP, Geneve with all options. */
#define TNL_MAX_HEADER (14 + 40 + 8 + 8 + TNL_MAX_OPTIONS)

/* The headers that go before a packet, ready but for what differs from packet to packet: lengths,
 * checksums, the UDP source port and GRE's sequence number.  Immutable once made. */
struct tnl_template {
	uint16_t size;          /* of 'header' in use */
	uint8_t type;           /* enum tnl_type */
	uint8_t l3_ofs, l4_ofs;
	bool is_ipv6, has_csum, has_seq;
	uint16_t seq_ofs;       /* of the sequence number, if has_seq */
	bool is_plain;          /* IPv4, and but for lengths, port and IP checksum nothing is to be filled in */
	uint32_t ip_sum;        /* IPv4: sum of the header without total length */
	uint8_t header[TNL_MAX_HEADER];
};

/* Makes a template: Ethernet header with the two addresses, then IP by meta->src and meta->dst
 * (both of one family), then the tunnel's.  meta->tp_dst is the UDP port; meta->tp_src is 0 in the
 * template.  'inner' as for tnl_decap().  ERSPAN of meta->erspan_ver 1 or 2.  Returns TNL_OK, or
 * TNL_E_BAD_PROTOCOL (this kind of tunnel cannot carry 'inner'), TNL_E_BAD_OPTIONS,
 * TNL_E_BAD_VERSION (ERSPAN), TNL_E_OUTER_BAD_IP (families differ, or no destination). */
enum tnl_error tnl_template_make(struct tnl_template *, enum tnl_type, unsigned exts,
				 const struct tnl_meta *, uint32_t inner,
				 const uint8_t eth_dst[6], const uint8_t eth_src[6]);

/* What differs from packet to packet. */
struct tnl_packet {
	uint16_t src_port;      /* UDP, host order */
	uint32_t seq;           /* GRE */
	uint8_t tos, ttl;       /* 0: the template's */
	bool leave_csum;        /* UDP: write the pseudo header's sum only (a port completes it) */
};

/* Copies the headers to 'frame', in front of the inner packet that is there already: frame_size counts
 * headers and inner packet.  Returns false (nothing written) when the result does not fit into 16 bits
 * of length. */
bool tnl_template_apply(const struct tnl_template *, uint8_t *frame, size_t frame_size,
			const struct tnl_packet *);

/* An ephemeral source port out of [low, high] for a hash of the inner packet, so that the outer
 * packet's path has the inner flow's entropy (RFC 7348 section 5). */
static inline uint16_t
tnl_source_port(uint32_t hash, uint16_t low, uint16_t high)
{
	return (uint16_t)(low + (uint32_t)(((uint64_t)hash * (uint32_t)(high - low + 1)) >> 32));
}

static inline bool
tnl_is_ipv4(const struct in6_addr *a)
{
	return IN6_IS_ADDR_V4MAPPED(a);
}

#endif
