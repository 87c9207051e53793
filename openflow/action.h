/* SPDX-License-Identifier: Apache-2.0 */
/* Actions and instructions, one form for all versions.
 *
 * A list is a byte block of 'struct of_action' records, each padded to 8 bytes, walked
 * with of_action_for_each().  Instructions (goto, write_actions, meter, ...) are records
 * of the same list, in the order of execution.  Nested lists (clone, write_actions, ct exec,
 * buckets) are blocks inside the record.  The wire differs by version; that is known by
 * openflow/action_*.c only.
 *
 * Memory: a list is plain data without pointers; copy it with memcpy.  A rule keeps its
 * list in one heap block.
 */
#ifndef WEFT_OPENFLOW_ACTION_H
#define WEFT_OPENFLOW_ACTION_H

#include "base/buf.h"
#include "openflow/error.h"
#include "openflow/field.h"
#include "openflow/match.h"

enum of_action_type {
	/* Output. */
	OF_A_OUTPUT, OF_A_CONTROLLER, OF_A_ENQUEUE, OF_A_OUTPUT_REG, OF_A_OUTPUT_TRUNC,
	OF_A_BUNDLE, OF_A_GROUP,
	/* Header changes. */
	OF_A_SET_FIELD, OF_A_REG_MOVE, OF_A_STACK_PUSH, OF_A_STACK_POP,
	OF_A_PUSH_VLAN, OF_A_STRIP_VLAN, OF_A_SET_VLAN_VID, OF_A_SET_VLAN_PCP,
	OF_A_SET_ETH_SRC, OF_A_SET_ETH_DST, OF_A_SET_IPV4_SRC, OF_A_SET_IPV4_DST,
	OF_A_SET_IP_DSCP, OF_A_SET_IP_ECN, OF_A_SET_IP_TTL, OF_A_SET_L4_SRC, OF_A_SET_L4_DST,
	OF_A_PUSH_MPLS, OF_A_POP_MPLS, OF_A_SET_MPLS_LABEL, OF_A_SET_MPLS_TC, OF_A_SET_MPLS_TTL,
	OF_A_DEC_MPLS_TTL, OF_A_DEC_TTL, OF_A_COPY_TTL_OUT, OF_A_COPY_TTL_IN,
	OF_A_PUSH_PBB, OF_A_POP_PBB, OF_A_DEC_NSH_TTL, OF_A_ENCAP, OF_A_DECAP, OF_A_DELETE_FIELD,
	/* Metadata. */
	OF_A_SET_TUNNEL, OF_A_SET_QUEUE, OF_A_POP_QUEUE, OF_A_FIN_TIMEOUT,
	/* Flow table and control. */
	OF_A_RESUBMIT, OF_A_LEARN, OF_A_CONJUNCTION, OF_A_MULTIPATH, OF_A_NOTE, OF_A_EXIT,
	OF_A_SAMPLE, OF_A_CLONE, OF_A_CHECK_PKT_LARGER, OF_A_CT, OF_A_NAT, OF_A_CT_CLEAR,
	OF_A_UNROLL_XLATE, /* internal: after a resubmit inside a frozen state */
	/* Instructions. */
	OF_A_METER, OF_A_CLEAR_ACTIONS, OF_A_WRITE_ACTIONS, OF_A_WRITE_METADATA, OF_A_GOTO_TABLE,
	OF_A_STAT_TRIGGER,
	/* Of tests: a.raw says which. */
	OF_A_DEBUG,
	OF_N_ACTION_TYPES
};

/* Wire forms: OF_RAW_REG_LOAD, ... (openflow/actions.def). */
enum of_action_raw {
	OF_RAW_NONE,
#define OF_RAW(RAW, ...) OF_RAW_##RAW,
#include "openflow/actions.def"
#undef OF_RAW
	/* Not on the wire: what of_actions_check() noted, for peers of later versions. */
	OF_RAW_SET_VLAN_TAGGED, /* SET_VLAN_VID and _PCP, as 1.0, where the match has a tag */
	OF_RAW_SET_TP_TCP, OF_RAW_SET_TP_UDP, OF_RAW_SET_TP_SCTP, /* SET_L4_* in such a match */
	OF_N_RAWS
};

/* Are Open vSwitch's actions for its own tests (debug_slow, debug_recirc) known?  With
 * --enable-dummy; set before any message is decoded. */
extern bool of_actions_with_debug;

struct of_action {
	uint8_t type;     /* enum of_action_type */
	uint8_t raw;      /* enum of_action_raw, if it matters to echo it as it was sent; 0: default */
	uint16_t size;    /* of the whole record without padding; 'next' is at size padded to 8 */
	uint32_t u32;     /* the argument of records that need just one, see below */
};

#define OF_ACTION_ALIGN(SIZE) (((SIZE) + 7u) & ~7u)
static inline const struct of_action *
of_action_next(const struct of_action *a)
{
	return (const struct of_action *)((const uint8_t *)a + OF_ACTION_ALIGN(a->size));
}
#define of_action_for_each(A, START, SIZE)                                                     \
	for (const struct of_action *A = (const struct of_action *)(START),                    \
				    *end_##A = (const struct of_action *)((uintptr_t)(START)   \
									   + (SIZE));          \
	     A < end_##A; A = of_action_next(A))

/* Records with only .u32 (bare 'struct of_action'):
 *   SET_VLAN_VID (vid), SET_VLAN_PCP, SET_IP_DSCP (DSCP << 2), SET_IP_ECN, SET_IP_TTL,
 *   SET_L4_SRC/DST (host order), PUSH_VLAN (EtherType, host order), PUSH_MPLS, POP_MPLS (EtherType),
 *   PUSH_PBB (EtherType), SET_MPLS_LABEL/TC/TTL, SET_QUEUE (id), GROUP (id), GOTO_TABLE (table),
 *   SET_IPV4_SRC/DST (host order), and with no argument: STRIP_VLAN, DEC_MPLS_TTL, COPY_TTL_*,
 *   POP_PBB, POP_QUEUE, EXIT, CT_CLEAR, CLEAR_ACTIONS, DEC_NSH_TTL.
 *   METER: .u32 meter id. */

/* SET_VLAN_VID and SET_VLAN_PCP of OpenFlow 1.0 make a tag where there is none; those of 1.1
 * do nothing then. */
static inline bool
of_act_set_vlan_pushes(const struct of_action *a)
{
	return a->raw != OF_RAW_SET_VLAN_VID_11 && a->raw != OF_RAW_SET_VLAN_PCP_11;
}

struct of_act_output {
	struct of_action a; /* .u32 = of_port_t */
	uint16_t max_len, pad[3];
};
struct of_act_controller {
	struct of_action a;
	uint16_t max_len, controller_id;
	uint8_t reason, pause;
	uint16_t userdata_len;
	uint32_t meter_id; /* NX_CTLR_NO_METER: 0 */
	uint32_t provider_meter_id;
	uint8_t userdata[];
};
struct of_act_enqueue { struct of_action a; /* .u32 = port */ uint32_t queue, pad; };
struct of_act_output_reg { struct of_action a; uint16_t max_len; struct of_subfield src; };
struct of_act_output_trunc { struct of_action a; /* .u32 = port */ uint32_t max_len, pad; };
enum of_hash_fields {
	OF_HASH_ETH_SRC, OF_HASH_SYMMETRIC_L4, OF_HASH_SYMMETRIC_L3L4, OF_HASH_SYMMETRIC_L3L4_UDP,
	OF_HASH_NW_SRC, OF_HASH_NW_DST, OF_HASH_SYMMETRIC_L3
};
struct of_act_bundle {
	struct of_action a;
	uint8_t algorithm; /* 0 active_backup, 1 hrw */
	uint8_t fields;    /* enum of_hash_fields */
	uint16_t basis, n_members;
	struct of_subfield dst; /* n_bits 0: output at once (bundle), else bundle_load */
	of_port_t members[];
};
struct of_act_multipath {
	struct of_action a;
	uint8_t fields, algorithm; /* modulo_n hash_threshold hrw iter_hash */
	uint16_t basis, max_link;  /* max_link: number of links - 1 */
	uint32_t arg;
	struct of_subfield dst;
};
/* SET_FIELD, and NXAST_REG_LOAD (raw tells): value and mask in the field's n_bytes each. */
struct of_act_set_field {
	struct of_action a; /* .u32: bit 0 the flow matched a VLAN (OpenFlow 1.0 to 1.1 rule) */
	uint16_t field;     /* enum of_field_id */
	uint16_t n_bytes;
	uint32_t pad;
	uint8_t value_mask[]; /* value, then mask */
};
struct of_act_move { struct of_action a; struct of_subfield src, dst; };
struct of_act_stack { struct of_action a; struct of_subfield sf; };
struct of_act_set_mac { struct of_action a; uint8_t mac[6]; };
struct of_act_set_tunnel { struct of_action a; uint64_t tun_id; };
struct of_act_dec_ttl {
	struct of_action a;
	uint16_t n_ids;
	uint16_t ids[]; /* controllers to tell of a TTL that ends; n_ids 0: {0} */
};
struct of_act_delete_field { struct of_action a; /* .u32 = field id */ };
struct of_act_encap {
	struct of_action a;
	uint32_t new_pkt_type;
	uint16_t hdr_size, n_props;
	/* As on the wire, each padded to 8: | class 16 | type 8 | length 8 | ... |, class 4 (NSH):
	 * type 1 | md_type 8 |; type 2 | tlv class 16 | tlv type 8 | tlv length 8 | value |. */
	uint8_t props[];
};
struct of_act_decap { struct of_action a; uint32_t new_pkt_type; uint32_t pad; };
struct of_act_fin_timeout { struct of_action a; uint16_t idle, hard; uint32_t pad; };
struct of_act_resubmit {
	struct of_action a; /* .u32 = in_port (OF_PORT_IN_PORT: unchanged) */
	uint8_t table;      /* 255: the current one */
	uint8_t with_ct_orig;
	uint16_t pad[3];
};
#define OF_LEARN_F_SEND_FLOW_REM 1
#define OF_LEARN_F_DELETE_LEARNED 2
#define OF_LEARN_F_WRITE_RESULT 4
struct of_learn_spec {
	uint8_t src_is_immediate, dst_type; /* dst_type: 0 match, 1 load, 2 output */
	uint16_t n_bits;
	struct of_subfield src, dst;
	uint16_t imm_size; /* bytes of the immediate that follows, big-endian, right-aligned */
	/* uint8_t imm[] follows */
};
struct of_act_learn {
	struct of_action a;
	uint16_t idle_timeout, hard_timeout, priority, flags;
	uint64_t cookie;
	uint32_t limit;
	uint16_t fin_idle_timeout, fin_hard_timeout;
	uint8_t table, pad[1];
	struct of_subfield result_dst; /* with OF_LEARN_F_WRITE_RESULT */
	/* specs follow, each at an 8-byte boundary, to the end of the record */
};
static inline const uint8_t *
of_learn_spec_imm(const struct of_learn_spec *s)
{
	return (const uint8_t *)(s + 1);
}
static inline const struct of_learn_spec *
of_learn_spec_next(const struct of_learn_spec *s)
{
	return (const struct of_learn_spec *)((const uint8_t *)s +
					      OF_ACTION_ALIGN(sizeof(*s) + s->imm_size));
}
#define of_learn_for_each_spec(S, LEARN)                                                       \
	for (const struct of_learn_spec *S = (const struct of_learn_spec *)((LEARN) + 1);      \
	     (const uint8_t *)S < (const uint8_t *)(LEARN) + (LEARN)->a.size;                  \
	     S = of_learn_spec_next(S))

struct of_act_conjunction {
	struct of_action a; /* .u32 = id */
	uint8_t clause, n_clauses, pad[6];
};
struct of_act_note { struct of_action a; uint32_t len; uint8_t data[]; };
struct of_act_sample {
	struct of_action a;
	uint16_t probability, direction;
	uint32_t collector_set, obs_domain, obs_point;
	of_port_t sampling_port;
};
struct of_act_check_pkt_larger { struct of_action a; uint16_t pkt_len; struct of_subfield dst; };
struct of_act_nat {
	struct of_action a;
	uint16_t flags; /* NX_NAT_F_*: src 1 dst 2 persistent 4 hash 8 random 16 */
	uint8_t family; /* AF_UNSPEC, AF_INET, AF_INET6 */
	uint8_t pad;
	uint16_t port_min, port_max;
	struct in6_addr addr_min, addr_max; /* IPv4 in the first 4 bytes */
};
struct of_act_ct {
	struct of_action a;
	uint16_t flags; /* NX_CT_F_COMMIT 1, FORCE 2 */
	uint16_t zone_imm;
	struct of_subfield zone_src; /* n_bits 0: zone_imm */
	uint16_t alg;
	uint8_t recirc_table; /* 255: none */
	uint8_t pad[7];
	/* nested list of actions (NAT, SET_FIELD, MOVE) follows */
};
/* CLONE, WRITE_ACTIONS: nested list follows. */
struct of_act_nest { struct of_action a; };
struct of_act_write_metadata { struct of_action a; uint64_t metadata, mask; };
struct of_act_stat_trigger {
	struct of_action a;
	uint32_t flags; /* OFPSTF_* */
	uint32_t len;
	uint8_t thresholds[]; /* struct ofp_stats, as on the wire */
};

static inline const struct of_action *
of_act_nested(const struct of_action *a, size_t header, size_t *size)
{
	*size = a->size > OF_ACTION_ALIGN(header) ? a->size - OF_ACTION_ALIGN(header) : 0;
	return (const struct of_action *)((const uint8_t *)a + OF_ACTION_ALIGN(header));
}

/* Starts a record of 'size' bytes (zeroed) at the end of 'list'; a->size is set. */
void *of_action_put(struct wf_buf *list, enum of_action_type, size_t size);
/* After more bytes were added behind the last record: fixes its size and pads. */
void of_action_finish(struct wf_buf *list, size_t record_ofs);
bool of_actions_equal(const void *a, size_t a_size, const void *b, size_t b_size);

struct of_codec; /* openflow/msg.h: version, port of the peer's formats, TLV map */

/* Wire -> list.  'actions' is an array of ofp_action as packet-out and buckets have it, where
 * 1.5's meter is the only "instruction"; 'instructions' is what a flow_mod and flow statistics
 * have: instructions in 1.1+, in 1.0 actions with Nicira's write_metadata besides.
 * Appends to 'list'.  Nothing is appended on error.  Fields of tunnel options go by the thread's
 * TLV map. */
of_err_t of_actions_decode(const void *wire, size_t size, uint8_t version, struct wf_buf *list);
of_err_t of_instructions_decode(const void *wire, size_t size, uint8_t version,
				struct wf_buf *list);
void of_actions_encode(const void *list, size_t size, uint8_t version, struct wf_buf *wire);
void of_instructions_encode(const void *list, size_t size, uint8_t version, struct wf_buf *wire);

/* Is the list allowed for packets of this match?  Checks prerequisites (the match is followed
 * through pushes, pops and the like), ports, table numbers, meters; not whether groups and meters
 * exist, which is the switch's to know.  'version' decides on what old versions forgive.
 * Notes in SET_VLAN_*, SET_L4_* and SET_FIELD records what encoding for other versions needs to
 * know of the match. */
struct of_action_check {
	uint8_t version;
	uint8_t table;    /* of the rule; 255: not known */
	uint8_t n_tables; /* 255: any table will do */
	of_port_t max_ports; /* ports below are fine */
};
of_err_t of_actions_check(void *list, size_t size, const struct of_match_full *,
			  const struct of_action_check *);

/* Text as ovs-ofctl prints it, without "actions=". */
void of_actions_format(const void *list, size_t size, of_port_name_fn *, void *aux,
		       struct wf_str *);
/* What of_actions_format() prints (and ovs-ofctl takes) back to a list; for tests, learn and
 * the lab.  NULL or an error text that the caller frees. */
char *of_actions_parse(const char *text, struct wf_buf *list);

/* The same with names of ports. */
char *of_actions_parse_ports(const char *text, of_port_number_fn *, void *aux, struct wf_buf *list);

/* What an action set of these actions, in order of writing, does: one list to execute, appended
 * (OpenFlow 1.3 section 5.10; set-field and move run in order of arrival, as in Open vSwitch).
 * Nothing is appended if there is no output, group, resubmit, ct or ct_clear. */
void of_action_set_resolve(const void *write_actions, size_t size, struct wf_buf *list);
bool of_action_is_allowed_in_set(enum of_action_type);
const char *of_action_name(enum of_action_type); /* "output" */

bool of_actions_output_to_port(const void *list, size_t size, of_port_t);
bool of_actions_output_to_group(const void *list, size_t size, uint32_t group_id);
uint32_t of_actions_meter(const void *list, size_t size); /* id, 0: none */
bool of_action_is_instruction(enum of_action_type);
/* Every field that the list reads (move and stack sources, learn, output_reg, hashes) ored
 * into 'mask': what the flow cache's key must hold. */
void of_actions_mark_reads(const void *list, size_t size, struct of_key *mask);

#endif
