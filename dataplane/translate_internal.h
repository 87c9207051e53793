/* SPDX-License-Identifier: Apache-2.0 */
/* The walk's state, shared by the files of the translator; nobody else includes this.
 *
 *   translate.c          entry, tables, resubmit, misses, limits
 *   translate_actions.c  one action after another
 *   translate_header.c   actions that change headers' structure and TTLs
 *   translate_output.c   output forms, patch hops, mirrors, egress tables
 *   translate_tunnel.c   into tunnels
 *   translate_commit.c   pending header writes -> operations
 *   translate_group.c, translate_learn.c, translate_freeze.c, translate_set.c
 *   plan_build.c         the plan as it grows
 *
 * The rule that everything here keeps (rule 5): a bit of 'key' decides something, or becomes a
 * constant of the plan, only if the cache compares it (view->layout and xlate_shape_mask()) or
 * the walk wrote it.  Otherwise the operation reads the packet.
 */
#ifndef WEFT_DATAPLANE_TRANSLATE_INTERNAL_H
#define WEFT_DATAPLANE_TRANSLATE_INTERNAL_H

#include "base/buf.h"
#include "dataplane/normal.h"
#include "dataplane/trace.h"
#include "dataplane/translate.h"
#include "dataplane/walk_memo.h"
#include "openflow/action.h"

/* --- plan_build.c ------------------------------------------------------------------ */

struct plan_builder {
	struct wf_buf ops;
	size_t last;            /* offset of the last op of the open block; NO_OP: none */
	struct wf_buf steps, credits, rules, groups, held, bridges; /* arrays */
};
#define NO_OP SIZE_MAX
#define PLAN_MAX_OPS (1u << 20) /* bytes; a plan beyond this is an error, not memory */

void *pb_put(struct plan_builder *, enum plan_op_type, size_t size);
static inline void *
pb_at(struct plan_builder *b, size_t ofs)
{
	return b->ops.data + ofs;
}
/* The last op of the open block if it is of this type, else NULL. */
struct plan_op *pb_last(struct plan_builder *, enum plan_op_type);
void pb_undo_last(struct plan_builder *); /* takes the last op away; once */
/* Opens a nested block whose op has 'size' bytes of its own; 'outer_last' is kept by the caller. */
size_t pb_open(struct plan_builder *, enum plan_op_type, size_t size, size_t *outer_last);
/* Closes it.  What has no effect at its end is cut off; an empty clone vanishes, and one that
 * changes nothing (or 'is_last': nothing follows) loses its copy.  Returns false if it vanished. */
bool pb_close(struct plan_builder *, size_t ofs, size_t outer_last, bool is_last);
/* Cuts ops without effect off the end of [start, end of ops). */
void pb_trim(struct plan_builder *, size_t start);
bool pb_has_output(const void *ops, size_t size);
void pb_abort(struct plan_builder *); /* drops all ops and what they own */
struct plan *pb_finish(struct plan_builder *);

/* Releases what the ops own. */
void plan_ops_release(const void *ops, size_t size);

/* --- The walk ---------------------------------------------------------------------- */

enum xlate_error {
	XE_OK, XE_TOO_DEEP, XE_TOO_MANY, XE_STACK, XE_NO_RECIRC, XE_MPLS_ROOM, XE_VLAN_ROOM,
	XE_PACKET_TYPE, XE_NOT_BUILT, XE_LEARN
};

/* Where an IP or MPLS TTL comes from, for guards. */
enum ttl_origin {
	TTL_PACKET,   /* the packet's own at the start of the plan, minus 'decs' */
	TTL_CONSTANT, /* written */
	TTL_OTHER     /* copied at run time: no guard can speak of it */
};
struct ttl_state {
	uint8_t origin, decs; /* decs: since the start of the plan */
	uint8_t pending;      /* decrements not in the ops yet */
};

struct xctx {
	const struct xlate_in *in;
	const struct view *view;
	const struct bridge_view *bv;
	struct plan *plan;      /* guards and flags gather here; pb_finish() fills in the rest */
	struct plan_builder b;
	struct of_key known;    /* bits of 'key' that follow from what the cache compares */
	struct of_key *wc;      /* fields looked at, or NULL */
	bool resolve;           /* text is wanted: decide NORMAL and select now */
	/* Walks of all buckets that packets may take come to more than one packet may do, or to a learn
	 * action: this walk is for its packet alone, done once more with the bucket chosen. */
	bool crowded, choose;
	unsigned n_choices;     /* groups whose buckets were all walked */

	/* The packet as it is now. */
	struct of_key key;
	struct of_key written;  /* header bits of 'key' that no op has written yet */
	struct ttl_state ip_ttl, mpls_ttl;
	bool reparse;           /* headers in the packet that 'key' does not show */
	bool frame_inside;      /* labels were put in front of an Ethernet frame */
	unsigned n_tags;        /* VLAN tags that the packet has by the operations so far; 'key' may differ */
	uint8_t lacks;          /* XLATE_LACKS_* that the walk came upon */

	/* Pipeline. */
	uint8_t table_id;
	struct rule *rule;
	uint64_t rule_cookie;
	bool is_miss_rule;      /* the rule that runs is a table's miss entry or setting */
	int depth;
	unsigned resubmits;     /* of the packet, if it takes the most expensive buckets */
	unsigned work;          /* of all buckets together */
	unsigned learn_index;
	struct learned_flow *to_learn; /* the walk ended: this is to be applied first */
	unsigned to_learn_index;
	uint32_t orig_skb_priority;
	bool exit, in_action_set, in_egress;
	bool egress_missed;     /* no flow of an egress table took the packet */
	bool in_bucket;         /* what tables write into the action set here is not carried out */
	unsigned conditional;   /* inside a bucket that may not be taken: credit by OP_COUNT */
	uint32_t mirrored;      /* mirrors of 'bv' that have the packet for sure */
	unsigned stay, n_stays; /* of the packet in 'bv', see PLAN_MAX_STAYS */
	uint8_t *stack;         size_t stack_size, stack_room;
	struct wf_buf action_set;
	bool action_set_has_group;
	enum xlate_error error;
	enum drop_reason drop;  /* the last reason why something was not output */

	/* Freezing. */
	bool freezing;
	uint8_t frozen_table;   /* where to go on if no actions remain; 0xff: action set */
	const struct of_act_controller *pause;
	struct wf_buf frozen_actions;
	bool unrolled;          /* frozen_actions has an UNROLL_XLATE with these two */
	uint8_t unroll_table;
	uint64_t unroll_cookie;
};

/* Of an OF_A_UNROLL_XLATE, in 'raw': an action that ends its list ends it here. */
#define XLATE_LIST_ENDS 1

/* What the walk does from here on is not for other packets (walk_memo.h). */
static inline void
xlate_unrecord(struct xctx *ctx, enum walk_state why)
{
	walk_record_end(ctx->in->record, why);
}

/* What a clone of the packet takes along and gives back. */
struct xsaved {
	struct of_key key, written, known;
	struct ttl_state ip_ttl, mpls_ttl;
	bool reparse, frame_inside;
	unsigned n_tags;
};
void xctx_save(const struct xctx *, struct xsaved *);
void xctx_restore(struct xctx *, const struct xsaved *);

/* translate.c */
void xlate_table(struct xctx *, of_port_t in_port, uint8_t table_id, bool may_packet_in,
		 bool honor_miss, bool is_last, bool as_clone);
bool xlate_may_go_deeper(struct xctx *);
void xlate_credit(struct xctx *, struct counter *);
void xlate_fail(struct xctx *, enum xlate_error, enum drop_reason);
/* An operation that the data path may have been told not to do: XLATE_LACKS_*. */
void xlate_needs(struct xctx *, uint8_t operation);
/* Why the packet is dropped, for whoever wrote the flows: in the trace, or in the log. */
void xlate_report_error(struct xctx *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const struct xport *xlate_port(const struct xctx *, of_port_t);
/* Runs table 0 and the action set of the bridge where ctx->key.in_port is now. */
void xlate_enter(struct xctx *, bool is_last);

/* translate_actions.c */
void xlate_actions(struct xctx *, const void *actions, size_t size, bool is_last, bool is_bucket);
void xlate_clone_actions(struct xctx *, const void *actions, size_t size, bool is_last);
void xlate_subfield_report(struct xctx *, const struct of_subfield *);
void xlate_mark_read(struct xctx *, const struct of_field *);
uint32_t xlate_hash_fields(struct xctx *, enum of_hash_fields, uint32_t basis);
of_port_t xlate_bundle_choose(struct xctx *, const struct of_act_bundle *);
uint16_t xlate_multipath_link(struct xctx *, const struct of_act_multipath *);

/* translate_header.c: all return false when the list ends here. */
bool xlate_header_action(struct xctx *, const struct of_action *);
void xlate_write_field(struct xctx *, const struct of_field *, const union of_value *value,
		       const union of_value *mask);
void xlate_write_subfield(struct xctx *, const struct of_subfield *, const union of_value *right_aligned);
void xlate_mark_l3_set(struct xctx *, enum of_field_id);
/* Marks header bits (a key with ones) as written, after ctx->key has the new values. */
void xlate_wrote(struct xctx *, const struct of_key *before, const struct of_key *bits);
unsigned xlate_mpls_depth(const struct of_key *, bool *complete);
unsigned xlate_vlan_depth(const struct of_key *);
bool xlate_is_ip(const struct of_key *);

/* translate_output.c */
void xlate_output(struct xctx *, of_port_t, uint16_t max_len, bool may_packet_in, bool is_last,
		  bool truncated, bool is_bucket);
void xlate_output_trunc(struct xctx *, of_port_t, uint32_t max_len, bool is_last, bool is_bucket);
void xlate_output_port(struct xctx *, of_port_t, bool is_last, bool truncated);
void xlate_controller(struct xctx *, uint16_t max_len, uint8_t reason, uint16_t controller_id,
		      uint32_t meter_id, const uint8_t *userdata, uint16_t userdata_len,
		      bool pause, struct frozen *);
/* Outer values that each packet has its own of, as bits of the tunnel part (the caller frees); NULL: none. */
uint8_t *xlate_tunnel_own(const struct xctx *);
void xlate_mirror(struct xctx *, uint32_t set, of_port_t port);
void xlate_normal(struct xctx *);

/* The walk of another bridge, where ctx->key.in_port is a port; the packet is the caller's to save. */
void xlate_in_bridge(struct xctx *, const struct bridge_view *, bool is_last);

/* translate_tunnel.c */
void xlate_tunnel_output(struct xctx *, const struct xport *, bool is_last);
/* Text: the packet, delivered to this port of ctx->bv, is for a tunnel.  False: it is not. */
bool xlate_tunnel_deliver(struct xctx *, const struct xport *);

/* translate_commit.c */
void xlate_commit(struct xctx *);
void xlate_commit_vlan(struct xctx *);

/* translate_group.c: false when the group does not exist. */
bool xlate_group(struct xctx *, uint32_t group_id, bool is_last);

/* translate_learn.c */
void xlate_learn(struct xctx *, const struct of_act_learn *);

/* translate_set.c */
void xlate_action_set_write(struct xctx *, const void *actions, size_t size);
void xlate_action_set_run(struct xctx *);

/* translate_freeze.c */
void xlate_freeze(struct xctx *);
void xlate_freeze_rest(struct xctx *, const struct of_action *, const struct of_action *end);
void xlate_freeze_finish(struct xctx *);
bool xlate_needs_parse(const struct xctx *, const struct of_action *);
/* The continuation "enters this bridge by this port", shared by all who need it (reference). */
struct frozen *frozen_for_entry(struct bridge *, of_port_t in_port, int depth_left);

/* Appends to wf_buf arrays. */
static inline void
xlate_array_put(struct wf_buf *array, const void *elem, size_t size)
{
	wf_buf_put(array, elem, size);
}

#endif
