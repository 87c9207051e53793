/* SPDX-License-Identifier: Apache-2.0 */
/* Fields: the names by which OpenFlow, NXM and ovs-ofctl speak of parts of a key.
 *
 * One list, openflow/fields.def, says for each field: its names, size, masks allowed,
 * prerequisite, whether it may be set, its place in struct of_key, its OXM and NXM
 * headers and since which version, and its text form.  Everything here reads that list.
 * Names are those of ovs-fields(7); OF_F_X corresponds to the field that OVS calls x.
 */
#ifndef WEFT_OPENFLOW_FIELD_H
#define WEFT_OPENFLOW_FIELD_H

#include "base/buf.h"
#include "openflow/key.h"

enum of_field_id {
	OF_F_DP_HASH, OF_F_RECIRC_ID, OF_F_PACKET_TYPE, OF_F_CONJ_ID,
	OF_F_TUN_ID, OF_F_TUN_SRC, OF_F_TUN_DST, OF_F_TUN_IPV6_SRC, OF_F_TUN_IPV6_DST,
	OF_F_TUN_FLAGS, OF_F_TUN_TTL, OF_F_TUN_TOS, OF_F_TUN_GBP_ID, OF_F_TUN_GBP_FLAGS,
	OF_F_TUN_ERSPAN_IDX, OF_F_TUN_ERSPAN_VER, OF_F_TUN_ERSPAN_DIR, OF_F_TUN_ERSPAN_HWID,
	OF_F_TUN_GTPU_FLAGS, OF_F_TUN_GTPU_MSGTYPE,
	OF_F_TUN_METADATA0, OF_F_TUN_METADATA63 = OF_F_TUN_METADATA0 + 63,
	OF_F_METADATA, OF_F_IN_PORT, OF_F_IN_PORT_OXM, OF_F_ACTSET_OUTPUT, OF_F_SKB_PRIORITY,
	OF_F_PKT_MARK, OF_F_CT_STATE, OF_F_CT_ZONE, OF_F_CT_MARK, OF_F_CT_LABEL, OF_F_CT_NW_PROTO,
	OF_F_CT_NW_SRC, OF_F_CT_NW_DST, OF_F_CT_IPV6_SRC, OF_F_CT_IPV6_DST, OF_F_CT_TP_SRC,
	OF_F_CT_TP_DST,
	OF_F_REG0, OF_F_REG15 = OF_F_REG0 + 15,
	OF_F_XREG0, OF_F_XREG7 = OF_F_XREG0 + 7,
	OF_F_XXREG0, OF_F_XXREG3 = OF_F_XXREG0 + 3,
	OF_F_ETH_SRC, OF_F_ETH_DST, OF_F_ETH_TYPE, OF_F_VLAN_TCI, OF_F_DL_VLAN, OF_F_VLAN_VID,
	OF_F_DL_VLAN_PCP, OF_F_VLAN_PCP, OF_F_PBB_ISID, OF_F_PBB_UCA,
	OF_F_MPLS_LABEL, OF_F_MPLS_TC, OF_F_MPLS_BOS, OF_F_MPLS_TTL,
	OF_F_IPV4_SRC, OF_F_IPV4_DST, OF_F_IPV6_SRC, OF_F_IPV6_DST, OF_F_IPV6_LABEL,
	OF_F_IPV6_EXTHDR, OF_F_IP_PROTO, OF_F_IP_DSCP, OF_F_IP_DSCP_SHIFTED, OF_F_IP_ECN,
	OF_F_IP_TTL, OF_F_IP_FRAG, OF_F_ARP_OP, OF_F_ARP_SPA, OF_F_ARP_TPA, OF_F_ARP_SHA,
	OF_F_ARP_THA, OF_F_TCP_SRC, OF_F_TCP_DST, OF_F_TCP_FLAGS, OF_F_UDP_SRC, OF_F_UDP_DST,
	OF_F_SCTP_SRC, OF_F_SCTP_DST, OF_F_ICMPV4_TYPE, OF_F_ICMPV4_CODE, OF_F_ICMPV6_TYPE,
	OF_F_ICMPV6_CODE, OF_F_ND_TARGET, OF_F_ND_SLL, OF_F_ND_TLL, OF_F_ND_RESERVED,
	OF_F_ND_OPTIONS_TYPE, OF_F_NSH_FLAGS, OF_F_NSH_TTL, OF_F_NSH_MDTYPE, OF_F_NSH_NP,
	OF_F_NSH_SPI, OF_F_NSH_SI, OF_F_NSH_C1, OF_F_NSH_C2, OF_F_NSH_C3, OF_F_NSH_C4,
	OF_N_FIELDS
};

/* Big-endian, right-aligned in the first n_bytes of the field. */
union of_value {
	uint8_t b[128];
	__be16 be16;
	__be32 be32;
	__be64 be64;
};

enum of_prereq { /* what a packet must be for the field to exist */
	OF_PRE_NONE, OF_PRE_ETHERNET, OF_PRE_ARP, OF_PRE_VLAN_VID, OF_PRE_IPV4, OF_PRE_IPV6,
	OF_PRE_IP_ANY, OF_PRE_NSH, OF_PRE_CT_VALID, OF_PRE_MPLS, OF_PRE_TCP, OF_PRE_UDP,
	OF_PRE_SCTP, OF_PRE_ICMPV4, OF_PRE_ICMPV6, OF_PRE_ND, OF_PRE_ND_SOLICIT,
	OF_PRE_ND_ADVERT, OF_PRE_PBB
};

enum of_text_form { /* how ovs-ofctl writes a value */
	OF_TEXT_DECIMAL, OF_TEXT_HEX, OF_TEXT_CT_STATE, OF_TEXT_ETHERNET, OF_TEXT_IPV4,
	OF_TEXT_IPV6, OF_TEXT_OFP_PORT, OF_TEXT_OFP_PORT_OXM, OF_TEXT_FRAG, OF_TEXT_TUN_FLAGS,
	OF_TEXT_TCP_FLAGS, OF_TEXT_PACKET_TYPE
};

struct of_field {
	enum of_field_id id;
	const char *name;       /* "eth_src" */
	const char *alias;      /* "dl_src", or NULL */
	uint16_t n_bytes, n_bits;
	bool maskable;          /* any bits, else all or nothing */
	bool writable;
	bool mapped;            /* a value always fits (no bits of it are fixed) */
	enum of_text_form text;
	enum of_prereq prereq;
	uint32_t oxm_header;    /* class << 16 | field << 9 | hasmask 0 | length; 0: none */
	uint64_t oxm_experimenter; /* for class 0xffff, else 0 */
	uint8_t oxm_version;    /* first OpenFlow version (0x04 = 1.3) that has oxm_header */
	uint32_t nxm_header;    /* likewise for NXM, 0: none */
	uint8_t nxm_version;
};

const struct of_field *of_field(enum of_field_id);
const struct of_field *of_field_by_name(const char *name); /* either name, any OXM/NXM name; NULL */
/* 'header' with the hasmask bit and length as on the wire; experimenter for 0xffff. */
const struct of_field *of_field_by_oxm(uint32_t header, uint32_t experimenter);

/* Reads, and writes, a field in a key (or in a mask).  Setting a prerequisite is the
 * caller's duty, but tags are made: VLAN_VID sets OF_VLAN_CFI. */
void of_field_get(const struct of_field *, const struct of_key *, union of_value *);
void of_field_set(const struct of_field *, const union of_value *, struct of_key *);
/* Only the bits of 'mask' change. */
void of_field_set_masked(const struct of_field *, const union of_value *value,
			 const union of_value *mask, struct of_key *);
/* Ors an all-ones field into a mask, for "this field was looked at". */
void of_field_mark(const struct of_field *, struct of_key *mask);
/* Does the packet with this key have the field? (prerequisite; for VLAN: a tag) */
bool of_field_present(const struct of_field *, const struct of_key *);
bool of_value_is_valid(const struct of_field *, const union of_value *); /* fits n_bits */
bool of_value_is_all_ones(const struct of_field *, const union of_value *);
bool of_value_is_zero(const struct of_field *, const union of_value *);

/* Part of a field: bits [ofs, ofs + n_bits). */
struct of_subfield {
	uint16_t field; /* enum of_field_id */
	uint16_t ofs, n_bits;
};
/* Low bits first; 'n_bits' up to 1024.  Bits are moved within big-endian byte strings. */
void of_subfield_get(const struct of_subfield *, const struct of_key *, union of_value *right_aligned_128);
void of_subfield_set(const struct of_subfield *, const union of_value *right_aligned_128, struct of_key *);
uint64_t of_subfield_get_u64(const struct of_subfield *, const struct of_key *);
void of_subfield_set_u64(const struct of_subfield *, uint64_t, struct of_key *);
/* Copies src_bits of 'src' (size src_size bytes, big-endian) to dst. */
void of_bits_copy(const void *src, unsigned src_size, unsigned src_ofs, void *dst,
		  unsigned dst_size, unsigned dst_ofs, unsigned n_bits);

/* Text: "NXM_OF_IN_PORT[0..7]", "reg0[]", "value/mask". */
void of_subfield_format(const struct of_subfield *, struct wf_str *);
void of_field_format_value(const struct of_field *, const union of_value *,
			   const union of_value *mask_or_null, struct wf_str *);
/* Parses "value[/mask]"; returns NULL or an error text that the caller frees. */
char *of_field_parse_value(const struct of_field *, const char *, union of_value *value,
			   union of_value *mask);

#endif
