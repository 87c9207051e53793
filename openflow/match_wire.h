/* SPDX-License-Identifier: Apache-2.0 */
/* Matches on the wire.
 *
 *   OpenFlow 1.0   struct ofp10_match, 40 bytes
 *   OpenFlow 1.0 + NXM   a list of entries, padded to 8 bytes; its length is elsewhere
 *   OpenFlow 1.1   struct ofp11_match, 88 bytes; a list of entries behind a header is taken as well
 *   OpenFlow 1.2+  | type 1 | length | entries ... | padding to 8 bytes |
 *
 * An entry (NXM and OXM are one format, OpenFlow 1.3 section 7.2.3):
 *
 *   | class 16 | field 7 | hasmask 1 | length 8 | [experimenter 32] | value | [mask] |
 *
 * 'version' is ofp_header.version (1 to 6).  'map' is the bridge's TLV map for tun_metadata; NULL:
 * the thread's (openflow/tlv_map.h).
 */
#ifndef WEFT_OPENFLOW_MATCH_WIRE_H
#define WEFT_OPENFLOW_MATCH_WIRE_H

#include "openflow/error.h"
#include "openflow/match.h"
#include "openflow/tlv_map.h"

/* OpenFlow 1.0, section 5.2.3. */
struct ofp10_match {
	__be32 wildcards;
	__be16 in_port;
	uint8_t dl_src[6];
	uint8_t dl_dst[6];
	__be16 dl_vlan;
	uint8_t dl_vlan_pcp;
	uint8_t pad1;
	__be16 dl_type;
	uint8_t nw_tos;
	uint8_t nw_proto;
	uint8_t pad2[2];
	__be32 nw_src;
	__be32 nw_dst;
	__be16 tp_src;
	__be16 tp_dst;
} __attribute__((packed));
static_assert(sizeof(struct ofp10_match) == 40, "OpenFlow 1.0 section 5.2.3");

/* OpenFlow 1.1, section A.2.3. */
struct ofp11_match {
	__be16 type;   /* OFPMT_STANDARD, 0 */
	__be16 length; /* 88 */
	__be32 in_port;
	__be32 wildcards;
	uint8_t dl_src[6], dl_src_mask[6]; /* mask bits 1: any */
	uint8_t dl_dst[6], dl_dst_mask[6];
	__be16 dl_vlan;
	uint8_t dl_vlan_pcp;
	uint8_t pad1;
	__be16 dl_type;
	uint8_t nw_tos;
	uint8_t nw_proto;
	__be32 nw_src, nw_src_mask;
	__be32 nw_dst, nw_dst_mask;
	__be16 tp_src, tp_dst;
	__be32 mpls_label;
	uint8_t mpls_tc;
	uint8_t pad2[3];
	__be64 metadata, metadata_mask;
} __attribute__((packed));
static_assert(sizeof(struct ofp11_match) == 88, "OpenFlow 1.1 section A.2.3");

#define OFPMT_STANDARD 0
#define OFPMT_OXM 1

of_err_t of_match_decode_10(const struct ofp10_match *, struct of_match_full *);
void of_match_encode_10(const struct of_match_full *, struct ofp10_match *);
/* Can the match be written as an ofp10_match without loss? */
bool of_match_fits_10(const struct of_match_full *);
of_err_t of_match_decode_11(const struct ofp11_match *, struct of_match_full *);
void of_match_encode_11(const struct of_match_full *, struct ofp11_match *);

/* How to read a list of entries. */
#define OF_OXM_LOOSE 1     /* skip unknown fields, do not ask for prerequisites */
#define OF_OXM_PIPELINE 2  /* only fields of the pipeline: else OFPBRC_PIPELINE_FIELDS_ONLY */

/* Reads 'size' bytes of entries.  'cookie' and 'cookie_mask' (host order, both or none) take
 * NXM_NX_COOKIE, which is an unknown field if they are NULL.  Errors: OFPBMC_BAD_LEN,
 * BAD_FIELD, BAD_PREREQ, DUP_FIELD, BAD_MASK, BAD_WILDCARDS, BAD_VALUE, NXFMFC_INVALID_TLV_FIELD,
 * OFPBRC_PIPELINE_FIELDS_ONLY.  On errors the match is undefined. */
of_err_t of_oxm_decode(const void *entries, size_t size, unsigned flags, const struct of_tlv_map *map,
		       struct of_match_full *, uint64_t *cookie, uint64_t *cookie_mask);
/* Appends the match as entries, in the order that OVS has: NXM for 'version' 0 and 1, OXM as of
 * 'version' else.  No padding.  Returns the number of bytes. */
size_t of_oxm_encode(const struct of_match_full *, uint8_t version, const struct of_tlv_map *map,
		     struct wf_buf *);
/* The same from a rule's match, with the cookie of a flow_mod or a request (cookie_mask 0: none). */
size_t of_oxm_encode_packed(const struct of_match *, uint8_t version, const struct of_tlv_map *map,
			    uint64_t cookie, uint64_t cookie_mask, struct wf_buf *);

/* nx_match of 'match_len' bytes at the start of 'data', padded to 8: '*ret_used' takes the padded
 * size.  Errors as above, and OFPBMC_BAD_LEN if it does not fit into 'size'. */
of_err_t of_nx_match_decode(const void *data, size_t size, size_t match_len, unsigned flags,
			    const struct of_tlv_map *map, struct of_match_full *, uint64_t *cookie,
			    uint64_t *cookie_mask, size_t *ret_used);
/* Appends entries and padding; returns the length without padding. */
size_t of_nx_match_encode(const struct of_match *, const struct of_tlv_map *map, uint64_t cookie,
			  uint64_t cookie_mask, struct wf_buf *);

/* ofp_match of 1.1 and later at the start of 'data' (type, length, ..., padding).  '*ret_used':
 * its padded size.  Besides the errors above: OFPBMC_BAD_TYPE. */
of_err_t of_match_decode(const void *data, size_t size, uint8_t version, unsigned flags,
			 const struct of_tlv_map *map, struct of_match_full *, size_t *ret_used);
/* Appends the ofp_match of 1.1 and later, padded.  Returns its length without padding. */
size_t of_match_encode(const struct of_match *, uint8_t version, const struct of_tlv_map *map,
		       struct wf_buf *);

/* --- One entry, as actions, instructions and lists of fields have them. --- */

struct of_oxm_header {
	const struct of_field *field; /* NULL: unknown */
	uint32_t header;              /* as on the wire */
	uint32_t experimenter;
	uint8_t header_size;          /* 4 or 8 */
	uint8_t payload_size;         /* value and mask together */
};

/* Reads a header alone (table features, learn, move, ...) at the start of 'data'.  'mask_ok': a
 * header with hasmask is not an error.  Errors: OFPBMC_BAD_LEN (cut), BAD_FIELD (unknown; 'ret'
 * is filled but for the field), BAD_MASK, NXFMFC_INVALID_TLV_FIELD. */
of_err_t of_nxm_header_decode(const void *data, size_t size, bool mask_ok,
			      const struct of_tlv_map *map, struct of_oxm_header *ret);
/* Header, value and mask.  'mask' NULL: a mask is an error (BAD_MASK); else it is all ones
 * where the entry has none.  '*ret_used' is the size of the entry.  'is_action' gives the
 * errors of set-field: OFPBAC_BAD_SET_TYPE for unknown fields, OFPBAC_BAD_SET_LEN for a known field
 * with a wrong length.  Does not check whether value and mask suit the field. */
of_err_t of_nxm_entry_decode(const void *data, size_t size, bool is_action,
			     const struct of_tlv_map *map, struct of_oxm_header *ret,
			     union of_value *value, union of_value *mask, size_t *ret_used);
/* Appends the header of a field (0: NXM), with the length of a value (and mask). */
void of_nxm_header_encode(const struct of_field *, uint8_t version, bool masked,
			  const struct of_tlv_map *map, struct wf_buf *);
/* Appends header, value and, unless it is NULL or all ones, mask. */
void of_nxm_entry_encode(const struct of_field *, uint8_t version, const union of_value *value,
			 const union of_value *mask, const struct of_tlv_map *map, struct wf_buf *);

/* Text of raw entries as ovs-ofctl's parse-nxm prints it: "NXM_OF_IN_PORT(0001), ..." */
void of_oxm_format_raw(const void *entries, size_t size, struct wf_str *);

#endif
