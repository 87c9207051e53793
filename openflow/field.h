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
#include "openflow/error.h"
#include "openflow/key.h"

enum of_field_id { /* OF_F_TUN_ID, OF_F_REG0, ...: the IDs of fields.def, in its order */
#define OF_FIELD(ID, ...) OF_F_##ID,
#include "openflow/fields.def"
#undef OF_FIELD
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

/* A header by which the wire names a field. */
struct of_oxm {
	const char *name;    /* "NXM_OF_IN_PORT"; NULL: no more */
	uint32_t header;     /* class << 16 | field << 9 | hasmask 0 | length */
	uint32_t experimenter; /* for class 0xffff, whose length counts it; else 0 */
	uint8_t version;     /* ofp_header.version that first has it; 0: any (NXM) */
};
#define OF_OXM_CLASS(HEADER) ((HEADER) >> 16)
#define OF_OXM_FIELD(HEADER) ((HEADER) >> 9 & 0x7f)
#define OF_OXM_HASMASK(HEADER) (((HEADER) & 0x100) != 0)
#define OF_OXM_LENGTH(HEADER) ((HEADER) & 0xff)
#define OF_MAX_OXMS 3

struct of_field {
	enum of_field_id id;
	const char *name;       /* "eth_src" */
	const char *alias;      /* "dl_src", or NULL */
	uint16_t n_bytes, n_bits;
	bool maskable;          /* any bits, else all or nothing */
	bool writable;          /* by actions */
	bool unsaid;            /* Open vSwitch cannot match it, so features do not tell of it */
	bool write_unsaid;      /* likewise, for writing */
	bool variable_len;      /* tun_metadata: leading zero bytes stay off the wire */
	enum of_text_form text;
	enum of_prereq prereq;
	struct of_oxm oxm[OF_MAX_OXMS];

	/* Where it lies in a key; for field_value.c. */
	uint8_t place;          /* enum in field_place.h */
	uint8_t shift;
	uint16_t offset, size;
	uint32_t part;
};

extern const struct of_field of_fields[OF_N_FIELDS];

static inline const struct of_field *
of_field(enum of_field_id id)
{
	return &of_fields[id];
}

const struct of_field *of_field_by_name(const char *name); /* either name, any OXM/NXM name; NULL */
const struct of_field *of_field_by_name_len(const char *name, size_t len);
/* 'header' with the hasmask bit and length as on the wire; experimenter for 0xffff. */
const struct of_field *of_field_by_oxm(uint32_t header, uint32_t experimenter);
/* Whatever the length and mask of 'header' are; '*ret_length': the length without a mask. */
const struct of_field *of_field_by_oxm_any_len(uint32_t header, uint32_t experimenter,
					       unsigned *ret_length);
/* The header to send to a peer of 'version' (0: NXM, as in 1.0 and 1.1); NULL if the field
 * has none. */
const struct of_oxm *of_field_oxm(const struct of_field *, uint8_t version);
/* Can the state of the pipeline, without the packet, have the field (1.5 packet-out)? */
bool of_field_is_pipeline(const struct of_field *);
static inline bool
of_field_is_tun_metadata(const struct of_field *f)
{
	return f->variable_len;
}

/* Reads a field of a key, or of a mask.  Only the first n_bytes of the value are written.
 * tun_metadata fields lie where the thread's TLV map says (openflow/tlv_map.h). */
void of_field_get(const struct of_field *, const struct of_key *, union of_value *);
/* Writes a field of a packet's key.  Setting a prerequisite is the caller's duty, but tags are
 * made: DL_VLAN (0xffff: no tag) and the PCPs set OF_VLAN_CFI; VLAN_VID takes it from bit 12 of
 * the value, as OpenFlow says (OFPVID_PRESENT); a new tag gets the TPID 0x8100.
 * Bits that the field does not have are dropped.  Not for masks. */
void of_field_set(const struct of_field *, const union of_value *, struct of_key *);
/* Only the bits of 'mask' change. */
void of_field_set_masked(const struct of_field *, const union of_value *value,
			 const union of_value *mask, struct of_key *);
/* Ors an all-ones field, or the given bits of one, into a mask: "this was looked at". */
void of_field_mark(const struct of_field *, struct of_key *mask);
void of_field_mark_bits(const struct of_field *, const union of_value *bits, struct of_key *mask);
/* Does the packet with this key have the field? (prerequisite; for VLAN: a tag) */
bool of_field_present(const struct of_field *, const struct of_key *);
/* May the value be part of a match, or be set?  (fits n_bits, and what OVS refuses besides) */
bool of_value_is_valid(const struct of_field *, const union of_value *);
bool of_value_is_all_ones(const struct of_field *, const union of_value *);
bool of_value_is_zero(const struct of_field *, const union of_value *);
/* Does a mask got from a key have all bits that the field has?  (some have fewer than bytes) */
bool of_field_mask_is_full(const struct of_field *, const union of_value *mask);

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

/* Sets n_bits bits to 1. */
void of_bits_one(void *dst, unsigned dst_size, unsigned ofs, unsigned n_bits);
/* May an action read from, or write to, the part?  With a match, its prerequisites count.
 * Returns 0, OFPBAC_BAD_SET_LEN, OFPBAC_MATCH_INCONSISTENT or OFPBAC_BAD_SET_ARGUMENT. */
struct of_match_full;
of_err_t of_subfield_check_src(const struct of_subfield *, const struct of_match_full *or_null);
of_err_t of_subfield_check_dst(const struct of_subfield *, const struct of_match_full *or_null);

/* Text: "NXM_OF_IN_PORT[0..7]", "NXM_NX_REG0[]", "value/mask". */
void of_subfield_format(const struct of_subfield *, struct wf_str *);
/* Parses a part at the start of '*sp' and moves '*sp' behind it.  NULL or an error text. */
char *of_subfield_parse(struct of_subfield *, const char **sp);
void of_field_format_value(const struct of_field *, const union of_value *,
			   const union of_value *mask_or_null, struct wf_str *);
/* Parses "value[/mask]"; returns NULL or an error text that the caller frees. */
char *of_field_parse_value(const struct of_field *, const char *, union of_value *value,
			   union of_value *mask);

/* Ports: "1", "LOCAL", "CONTROLLER", ..., and names from 'port_name' if not NULL. */
typedef const char *of_port_name_fn(void *aux, of_port_t);
typedef of_port_t of_port_number_fn(void *aux, const char *name); /* OF_PORT_NONE: no such */
void of_port_format(of_port_t, of_port_name_fn *, void *aux, struct wf_str *);
bool of_port_parse(const char *, of_port_number_fn *, void *aux, of_port_t *ret_port);
/* The 16-bit numbers of OpenFlow 1.0 and NXM.  A number with no 16-bit form becomes 0xffff. */
of_port_t of_port_from_u16(uint16_t);
uint16_t of_port_to_u16(of_port_t);
/* of_field_parse_value() that knows names of ports. */
char *of_field_parse_value_ports(const struct of_field *, const char *, of_port_number_fn *,
				 void *aux, union of_value *value, union of_value *mask);

#endif
