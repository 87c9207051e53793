/* SPDX-License-Identifier: Apache-2.0 */
/* The key: every value that OpenFlow can match, set or read, unpacked.
 *
 * One struct serves as the values of a packet on its way through the tables, as the
 * values of a match, and as a mask (a bit set: this bit counts).  It is an array of
 * 64-bit words to whoever stores or compares it sparsely (struct of_match, the flow
 * cache).  Fields that the packet does not have are 0.
 *
 * Byte order: __be types as on the wire; plain integers in host order.
 * The layout is internal; nothing of it goes on the wire or to disk.
 */
#ifndef WEFT_OPENFLOW_KEY_H
#define WEFT_OPENFLOW_KEY_H

#include <assert.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

typedef uint32_t of_port_t; /* OpenFlow port number, 32 bits in all versions inside */
#define OF_PORT_MAX ((of_port_t)0xffffff00)
#define OF_PORT_UNSET ((of_port_t)0xfffffff7)
#define OF_PORT_IN_PORT ((of_port_t)0xfffffff8)
#define OF_PORT_TABLE ((of_port_t)0xfffffff9)
#define OF_PORT_NORMAL ((of_port_t)0xfffffffa)
#define OF_PORT_FLOOD ((of_port_t)0xfffffffb)
#define OF_PORT_ALL ((of_port_t)0xfffffffc)
#define OF_PORT_CONTROLLER ((of_port_t)0xfffffffd)
#define OF_PORT_LOCAL ((of_port_t)0xfffffffe)
#define OF_PORT_ANY ((of_port_t)0xffffffff)
#define OF_PORT_NONE OF_PORT_ANY

#define OF_MAX_VLANS 4
#define OF_MAX_MPLS 3
#define OF_N_REGS 16

/* tci has OF_VLAN_CFI set when the tag is there, so that 0 means "no tag". */
#define OF_VLAN_VID_MASK 0x0fff
#define OF_VLAN_CFI 0x1000
#define OF_VLAN_PCP_MASK 0xe000
#define OF_VLAN_PCP_SHIFT 13
struct of_vlan {
	__be16 tpid;
	__be16 tci;
};

/* nw_frag bits, as in OVS. */
#define OF_FRAG_ANY 1
#define OF_FRAG_LATER 2
#define OF_FRAG_MASK 3

/* tun_flags bits (host order). */
#define OF_TUN_F_OAM 0x0001
#define OF_TUN_F_DF 0x0002   /* not matchable */
#define OF_TUN_F_CSUM 0x0004 /* not matchable */
#define OF_TUN_F_KEY 0x0008  /* not matchable */
#define OF_TUN_F_RECEIVED 0x8000 /* of a packet that came out of a tunnel; not matchable */

/* dl_type when the frame has none (802.3 with LLC, or not Ethernet). */
#define OF_DL_TYPE_NONE 0x05ff

/* ct_state bits (host order), as NXM_NX_CT_STATE. */
#define OF_CS_NEW 0x01
#define OF_CS_EST 0x02
#define OF_CS_REL 0x04
#define OF_CS_RPL 0x08
#define OF_CS_INV 0x10
#define OF_CS_TRK 0x20
#define OF_CS_SNAT 0x40
#define OF_CS_DNAT 0x80

/* packet_type: namespace << 16 | type (OpenFlow 1.5 section 7.2.3.11). */
#define OF_PT(NS, TYPE) ((uint32_t)(NS) << 16 | (TYPE))
#define OF_PT_ETH OF_PT(0, 0)
#define OF_PT_IPV4 OF_PT(1, 0x0800)
#define OF_PT_IPV6 OF_PT(1, 0x86dd)
#define OF_PT_NSH OF_PT(1, 0x894f)
#define OF_PT_USE_NEXT_PROTO 0x0000fffe

struct of_nsh {
	uint8_t flags, ttl, mdtype, np;
	__be32 path_hdr; /* SPI << 8 | SI */
	__be32 context[4];
};

struct of_key {
	/* Pipeline metadata: not in the packet. */
	uint64_t metadata; /* host order */
	uint32_t regs[OF_N_REGS]; /* xreg N = regs[2N] << 32 | regs[2N+1]; xxreg likewise */
	of_port_t in_port;
	of_port_t actset_output;
	uint32_t pkt_mark, skb_priority;
	uint32_t dp_hash, recirc_id;
	uint32_t conj_id;
	uint32_t packet_type; /* host order, OF_PT() */

	/* Connection tracking (0 until ct() exists). */
	uint32_t ct_mark;
	uint16_t ct_zone;
	uint8_t ct_state, ct_nw_proto;
	uint32_t ct_label[4]; /* most significant word first, host order */
	__be32 ct_nw_src, ct_nw_dst;
	struct in6_addr ct_ipv6_src, ct_ipv6_dst;
	__be16 ct_tp_src, ct_tp_dst;
	uint32_t ct_pad;

	/* Tunnel metadata of the packet's outer header, or set for output. */
	uint64_t tun_id; /* host order */
	__be32 tun_src, tun_dst;
	struct in6_addr tun_ipv6_src, tun_ipv6_dst;
	uint16_t tun_flags;
	uint8_t tun_tos, tun_ttl;
	__be16 tun_gbp_id;
	uint8_t tun_gbp_flags;
	uint8_t tun_erspan_ver, tun_erspan_dir, tun_erspan_hwid;
	uint8_t tun_gtpu_flags, tun_gtpu_msgtype;
	uint32_t tun_erspan_idx; /* host order */
	uint64_t tun_metadata_present; /* bit N: tun_metadataN was in the packet */
	uint8_t tun_metadata[256];     /* options, at offsets given by the TLV map */

	/* Link layer. */
	uint8_t dl_dst[6], dl_src[6];
	/* After VLAN tags; OF_DL_TYPE_NONE if none.  Of a PBB frame: 0x88e7, nothing behind
	 * the I-TAG is parsed (OpenFlow 1.3 makes 0x88e7 the prerequisite of the I-SID). */
	__be16 dl_type;
	uint8_t n_vlans_hint; /* not matched: how many tags the parser saw */
	uint8_t pbb_uca;      /* 0 or 1 */
	uint32_t pbb_isid;    /* host order, 24 bits; bit 31 set: the I-TAG is there */
	uint32_t l2_pad;
	struct of_vlan vlans[OF_MAX_VLANS]; /* outermost first */
	__be32 mpls_lse[OF_MAX_MPLS];       /* outermost first */
	__be32 mpls_pad;
	struct of_nsh nsh;

	/* Network layer. */
	struct in6_addr ipv6_src, ipv6_dst;
	__be32 nw_src, nw_dst; /* IPv4, or ARP spa and tpa */
	__be32 ipv6_label;     /* 20 low bits */
	uint16_t ipv6_exthdr;  /* OpenFlow 1.3 section A.2.3.8 bits, host order */
	uint8_t nw_frag;       /* OF_FRAG_* */
	uint8_t nw_tos;        /* DSCP << 2 | ECN */
	uint8_t nw_ttl;
	uint8_t nw_proto;      /* IP protocol, or low 8 bits of the ARP opcode */
	uint8_t arp_sha[6], arp_tha[6]; /* ARP; also nd_sll and nd_tll */
	uint8_t l3_pad[2];
	struct in6_addr nd_target;
	uint32_t nd_reserved; /* __be32 as on the wire */
	uint8_t nd_options_type;
	uint8_t l3_pad2[3];

	/* Transport layer. */
	__be16 tp_src, tp_dst; /* ports; ICMP type and code in the low bytes, as OVS */
	__be16 tcp_flags;      /* 12 low bits */
	__be16 l4_pad;
};

#define OF_KEY_WORDS (sizeof(struct of_key) / 8)
static_assert(sizeof(struct of_key) % 8 == 0, "a key is whole words");
static_assert(OF_KEY_WORDS <= 128, "of_match's bitmap has 128 bits");

static inline uint64_t *
of_key_words(struct of_key *k)
{
	return (uint64_t *)k;
}

static inline const uint64_t *
of_key_words_c(const struct of_key *k)
{
	return (const uint64_t *)k;
}

/* The words in which a mask has a bit: 128 bits, bit N = word N. */
struct of_words {
	uint64_t bits[2];
};

static inline void
of_words_set(struct of_words *w, unsigned i)
{
	w->bits[i / 64] |= 1ull << (i % 64);
}

static inline bool
of_words_test(const struct of_words *w, unsigned i)
{
	return w->bits[i / 64] >> (i % 64) & 1;
}

#define of_words_for_each(I, W)                                                                \
	for (unsigned h_##I = 0, I; h_##I < 2; h_##I++)                                        \
		for (uint64_t b_##I = (W)->bits[h_##I];                                        \
		     b_##I && (I = h_##I * 64 + (unsigned)__builtin_ctzll(b_##I), 1);        \
		     b_##I &= b_##I - 1)

#endif
