/* SPDX-License-Identifier: Apache-2.0 */
/* For action_*.c and instruction.c only: families, their operations and small helpers.
 *
 *   action_list.c    walking, equality, action sets, what a list outputs to
 *   action_wire.c    finds the form of an action on the wire, orders of a list
 *   action_output.c, action_set.c, action_push.c, action_flow.c, action_learn.c, action_ct.c,
 *   instruction.c    a family each: wire -> record -> wire
 *   action_text.c, action_text_*.c   the same families as text, and back
 *   action_check.c   is the list allowed for packets of a match?
 *   action_reads.c   the fields that a list reads
 */
#ifndef WEFT_OPENFLOW_ACTION_INTERNAL_H
#define WEFT_OPENFLOW_ACTION_INTERNAL_H

#include <endian.h>
#include <string.h>

#include "openflow/action.h"

#define OF10 1
#define OF11 2
#define OF12 3
#define OF13 4
#define OF14 5
#define OF15 6

#define OF_NX_VENDOR 0x00002320u
#define OF_ONF_VENDOR 0x4f4e4600u

/* A nested list in a nested list in ...: as deep as texts may be in Open vSwitch. */
#define OF_ACTION_MAX_DEPTH 100
/* Records say their size in 16 bits. */
#define OF_ACTION_MAX_SIZE 65528

enum of_action_family {
	OF_FAM_OUTPUT, OF_FAM_SET, OF_FAM_PUSH, OF_FAM_FLOW, OF_FAM_LEARN, OF_FAM_CT, OF_FAM_INST
};

/* One action on the wire, its size checked against its form. */
struct of_wire_action {
	const uint8_t *p;
	size_t size;
	uint64_t arg;   /* of forms with one integer, host order */
	uint8_t version;
	uint8_t raw;    /* enum of_action_raw */
	uint8_t depth;
};

/* What a decoder gets of the list, for its error checks: nothing but the list to append to. */
of_err_t of_output_decode(const struct of_wire_action *, struct wf_buf *list);
of_err_t of_set_decode(const struct of_wire_action *, struct wf_buf *list);
of_err_t of_push_decode(const struct of_wire_action *, struct wf_buf *list);
of_err_t of_flow_decode(const struct of_wire_action *, struct wf_buf *list);
of_err_t of_learn_decode(const struct of_wire_action *, struct wf_buf *list);
of_err_t of_ct_decode(const struct of_wire_action *, struct wf_buf *list);

void of_output_encode(const struct of_action *, uint8_t version, struct wf_buf *wire);
void of_set_encode(const struct of_action *, uint8_t version, struct wf_buf *wire);
void of_push_encode(const struct of_action *, uint8_t version, struct wf_buf *wire);
void of_flow_encode(const struct of_action *, uint8_t version, struct wf_buf *wire);
void of_learn_encode(const struct of_action *, uint8_t version, struct wf_buf *wire);
void of_ct_encode(const struct of_action *, uint8_t version, struct wf_buf *wire);
/* Instructions; in 1.0, the actions that stand for them. */
void of_inst_encode(const struct of_action *, uint8_t version, struct wf_buf *wire);

/* Text. */
struct of_action_fmt {
	struct wf_str *s;
	of_port_name_fn *port_name;
	void *aux;
};
void of_output_format(const struct of_action *, const struct of_action_fmt *);
void of_set_format(const struct of_action *, const struct of_action_fmt *);
void of_push_format(const struct of_action *, const struct of_action_fmt *);
void of_flow_format(const struct of_action *, const struct of_action_fmt *);
void of_learn_format(const struct of_action *, const struct of_action_fmt *);
void of_ct_format(const struct of_action *, const struct of_action_fmt *);
void of_inst_format(const struct of_action *, const struct of_action_fmt *);
void of_actions_format_list(const void *list, size_t size, const struct of_action_fmt *);

struct of_action_parse {
	struct wf_buf *list;
	of_port_number_fn *port_number;
	void *aux;
	unsigned depth;
	uint8_t raw; /* of the name that was used */
	const char *name;
};
/* 'arg' may be written to.  NULL or an error text. */
char *of_output_parse(struct of_action_parse *, enum of_action_type, char *arg);
char *of_set_parse(struct of_action_parse *, enum of_action_type, char *arg);
char *of_push_parse(struct of_action_parse *, enum of_action_type, char *arg);
char *of_flow_parse(struct of_action_parse *, enum of_action_type, char *arg);
char *of_learn_parse(struct of_action_parse *, enum of_action_type, char *arg);
char *of_ct_parse(struct of_action_parse *, enum of_action_type, char *arg);
char *of_inst_parse(struct of_action_parse *, enum of_action_type, char *arg);
/* A list inside an action; 'outer' OF_N_ACTION_TYPES: none. */
char *of_actions_parse_nested(struct of_action_parse *, char *text, bool instructions,
			      enum of_action_type outer);
char *of_u8_parse(const char *, const char *what, uint8_t *);
char *of_u16_parse(const char *, const char *what, uint16_t *);
char *of_u32_parse(const char *, uint32_t *);
char *of_u64_parse(const char *, uint64_t *);
/* A whole text as a part of a field. */
char *of_subfield_parse_all(const char *, struct of_subfield *);
/* "a.b.c" or "abc": appends bytes to the list; returns where it stopped. */
const char *of_hex_parse(struct wf_buf *, const char *);
void of_dotted_hex_format(struct wf_str *, const uint8_t *, size_t);
const char *of_hash_fields_name(unsigned fields);
int of_hash_fields_from_name(const char *); /* -1: none */

/* Families and slots of types. */
enum of_set_slot { /* the order in which an action set runs (OpenFlow 1.3 section 5.10) */
	OF_SLOT_NONE,
	OF_SLOT_COPY_TTL_IN, OF_SLOT_STRIP_VLAN, OF_SLOT_POP_MPLS, OF_SLOT_POP_PBB,
	OF_SLOT_DECAP, OF_SLOT_ENCAP, OF_SLOT_PUSH_MPLS, OF_SLOT_PUSH_PBB, OF_SLOT_PUSH_VLAN,
	OF_SLOT_COPY_TTL_OUT, OF_SLOT_DEC_TTL, OF_SLOT_DEC_MPLS_TTL, OF_SLOT_DEC_NSH_TTL,
	OF_SLOT_SET,
	/* Of these the last counts, and nothing runs without one. */
	OF_SLOT_CT, OF_SLOT_CT_CLEAR, OF_SLOT_RESUBMIT, OF_SLOT_OUTPUT, OF_SLOT_GROUP,
	OF_N_SLOTS
};
struct of_action_info {
	uint8_t family, slot;
};
extern const struct of_action_info of_action_infos[OF_N_ACTION_TYPES];

/* Order of instructions in a list. */
enum of_inst {
	OF_INST_METER, OF_INST_APPLY, OF_INST_CLEAR, OF_INST_WRITE, OF_INST_WRITE_METADATA,
	OF_INST_STAT_TRIGGER, OF_INST_GOTO
};
#define OF_INST_ANY 0xffu
enum of_inst of_action_inst(enum of_action_type, uint8_t version);

/* Decodes without looking at order and nesting. */
of_err_t of_actions_decode_raw(const void *wire, size_t size, uint8_t version, unsigned depth,
			       struct wf_buf *list);
/* Decodes a list inside an action ('outer' OF_N_ACTION_TYPES: as if there were none). */
of_err_t of_actions_decode_nested(const void *wire, size_t size, uint8_t version, unsigned depth,
				  enum of_action_type outer, struct wf_buf *list);
/* Do order and nesting fit?  'allowed': bits of enum of_inst.  'error' takes a text if not
 * NULL. */
of_err_t of_actions_verify(const void *list, size_t size, uint8_t version, unsigned allowed,
			   enum of_action_type outer, char **error);
void of_actions_encode_list(const void *list, size_t size, uint8_t version, struct wf_buf *wire);

/* Starts an action of a form on the wire with its argument; the rest is zero.  Returns its
 * offset, or OF_NO_FORM if 'version' does not have the form. */
#define OF_NO_FORM SIZE_MAX
size_t of_wire_begin(struct wf_buf *wire, uint8_t version, enum of_action_raw, uint64_t arg);
/* Pads and writes the length. */
void of_wire_end(struct wf_buf *wire, size_t ofs);
/* Cuts a begun action to 'size' bytes, to append something there. */
static inline void
of_wire_cut(struct wf_buf *wire, size_t ofs, size_t size)
{
	wire->size = ofs + size;
}

static inline uint8_t *
of_wire_at(struct wf_buf *wire, size_t ofs)
{
	return wire->data + ofs;
}

/* Integers on the wire. */
static inline uint16_t
rd16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
rd32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t
rd64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static inline void
wr16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static inline void
wr32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
wr64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static inline bool
is_zero(const uint8_t *p, size_t size)
{
	while (size--) {
		if (*p++)
			return false;
	}
	return true;
}

/* A record of one integer. */
static inline void
put_u32_action(struct wf_buf *list, enum of_action_type type, enum of_action_raw raw, uint32_t arg)
{
	struct of_action *a = of_action_put(list, type, sizeof(*a));

	a->raw = raw;
	a->u32 = arg;
}

/* "ofs << 6 | (n_bits - 1)" of Nicira's actions. */
static inline void
rd_ofs_nbits(const uint8_t *p, struct of_subfield *sf)
{
	uint16_t v = rd16(p);

	sf->ofs = v >> 6;
	sf->n_bits = (v & 0x3f) + 1;
}

static inline void
wr_ofs_nbits(uint8_t *p, const struct of_subfield *sf)
{
	wr16(p, (uint16_t)(sf->ofs << 6 | (sf->n_bits - 1)));
}

/* A field by its 4-byte NXM header: OFPBAC_BAD_SET_TYPE, NXFMFC_INVALID_TLV_FIELD. */
of_err_t of_wire_field(const uint8_t *header, uint16_t *ret_field);
/* The header of a field, 0 if it takes more than 4 bytes. */
uint32_t of_wire_field_header(uint16_t field);
/* A field by a header of 4 or 8 bytes, without mask, at '*p' before 'end'; moves '*p'. */
of_err_t of_wire_field_pull(const uint8_t **p, const uint8_t *end, uint16_t *ret_field);
void of_wire_field_put(struct wf_buf *wire, uint16_t field, uint8_t version);

/* Ports. */
of_err_t of_port_check(of_port_t, of_port_t max_ports);
/* A set_field record with room for value and mask, zeroed. */
struct of_act_set_field *of_set_field_put(struct wf_buf *list, const struct of_field *,
					  enum of_action_raw);
static inline const uint8_t *
of_set_field_mask(const struct of_act_set_field *sf)
{
	return sf->value_mask + sf->n_bytes;
}
/* The next run of at most 64 bits in the record's mask behind 'dst' (zero it at first). */
bool of_set_field_next_load(const struct of_act_set_field *, struct of_subfield *dst,
			    uint64_t *value);

#endif
