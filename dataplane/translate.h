/* SPDX-License-Identifier: Apache-2.0 */
/* The translator: (view, key) -> plan.  The only place that knows OpenFlow semantics.
 *
 * Threads: any; it reads a pinned view.  It changes nothing: what a packet must change
 * (learn, MAC table, meters, connections) becomes an operation of the plan.
 * Cost: the walk; allocations come from the caller's arena (struct plan_builder).
 */
#ifndef WEFT_DATAPLANE_TRANSLATE_H
#define WEFT_DATAPLANE_TRANSLATE_H

#include "dataplane/plan.h"
#include "dataplane/view.h"

#define XLATE_MAX_DEPTH 64     /* nested resubmits and patch hops, as OVS */
#define XLATE_MAX_RESUBMITS 4096

struct xlate_trace;
struct walk_record;

/* Operations that the data path is told not to do itself (dpif/set-dp-features), for tests of the
 * way around it: a packet that needs one is translated by itself, each time.  Main sets them and
 * purges the flow caches. */
#define XLATE_LACKS_TRUNC 1
#define XLATE_LACKS_ADD_MPLS 2
#define XLATE_LACKS_SET_ARP 4 /* and neighbour discovery; so texts say, packets are spared the walk */
#define XLATE_LACKS_ONLY_TEXT XLATE_LACKS_SET_ARP
#define XLATE_LACKS_TUNNEL_PUSH 8 /* no way around: endpoints of the host are used */
#define XLATE_LACKS_DEBUG 16 /* always: what debug_slow needs */
void xlate_set_lacks(unsigned lacks);
unsigned xlate_lacks(void);

/* A walk that stopped in the middle (rule 6): everything needed to go on after the packet
 * was parsed again.  Immutable; counted. */
struct frozen {
	_Atomic uint32_t refs;
	uint64_t id;                /* unique, keys the flow cache */
	struct bridge *bridge;
	uint32_t table;             /* where to go on, or 0xff: only the actions */
	struct of_key metadata;     /* registers, metadata, tunnel, in_port, ... to restore */
	/* Bits of the tunnel part (TUNNEL_PART_SIZE bytes) that each packet has its own values of, and 'metadata'
	 * has none: neither the cache compares them nor did an action write them.  NULL: none. */
	uint8_t *tunnel_own;
	bool conntracked, was_mpls;
	bool in_bucket;             /* of a group: there is no action set at the end */
	bool in_egress;             /* in the egress tables: outputs do not lead there again */
	uint8_t *stack;             size_t stack_size;
	void *actions;              size_t actions_size;     /* what remains of the list */
	void *action_set;           size_t action_set_size;
	uint64_t rule_cookie;       /* of the rule that the actions belong to, for packet-ins */
	uint32_t in_slot;
	uint32_t mirrored;          /* mirrors of the bridge that have the packet */
	uint32_t depth_left, resubmits_left;
};
void frozen_ref(struct frozen *);
void frozen_unref(struct frozen *);
/* The shared continuation with this content (refs and id aside), with a reference for the caller.
 * The blocks are copied. */
struct frozen *frozen_get(const struct frozen *content);
/* The continuation of this id, or NULL; a reference for the caller.  The last few that nobody uses
 * any more are found too: a trace names one that ended with it.  Looks at all of them. */
struct frozen *frozen_find(uint64_t id);
/* Enters another bridge by a patch port (NORMAL's output to it). */
bool frozen_is_bridge_entry(const struct frozen *);

struct xlate_in {
	const struct view *view;
	struct bridge *bridge;
	uint32_t in_slot;           /* datapath slot it came by; UINT32_MAX: none (packet-out) */
	struct of_key key;          /* parsed packet, metadata, in_port */
	const struct frozen *frozen;/* go on from here, or NULL: table 0 */
	/* Packet-out and trace: run these actions instead of table 0. */
	const void *actions;        size_t actions_size;
	uint32_t packet_size;       /* 0: unknown (trace without a packet) */
	const struct rte_mbuf *packet; /* may be NULL */
	struct xlate_trace *trace;  /* text of the walk (trace.h), or NULL */
	bool names;                 /* trace: ports by name */
	struct of_key *wc;          /* fields read, for trace and dumps, or NULL */
	struct of_key *final_key;   /* the key at the end of the walk, or NULL */
	uint8_t *protocol;          /* trace: PROTOCOL_* if the switch itself takes the packet, or NULL */
	const char **error;         /* why the walk failed as a whole (NULL: it did not), or NULL */
	struct walk_record *record; /* filled with what the walk looked at (walk_memo.h), or NULL */
	bool for_cache;             /* false: the plan is run once; nothing needs to be general */
	bool slow;                  /* an OP_SLOW led here: nothing is lacking */
	bool is_packet_out;         /* 'actions' are a controller's: packet-ins say OFPR_PACKET_OUT */
	bool resolve;               /* for text: NORMAL and select groups are decided now for this key */
	uint32_t learn_done;        /* learn actions with a lower index were tried: see struct op_learn */
};

/* What the walk reads of a key beyond view->layout, because prerequisites of set_field and the
 * like depend on it: in_port, packet_type, EtherType, which tags and labels there are, IP
 * protocol, fragment bits, PBB's presence, recirc_id.  A cache must compare these bits too (of
 * a continuation: with frozen->id).  Ors them into 'mask'. */
void xlate_shape_mask(struct of_key *mask);

/* Returns a plan, never NULL; freed with plan_free() or kept by the cache. */
struct plan *translate(const struct xlate_in *);

/* Index of the bucket that a select group takes for a packet with this key, -1: none is alive
 * (run_select.c; the walk asks it for text). 'basis' is op_select's; 'dp_hash' 0: none. */
int select_bucket(const struct view *, const struct group *, uint32_t basis, uint32_t dp_hash,
		  const struct of_key *);

/* Everything of a packet-in but the packet (OP_CONTROLLER). */
struct packet_in_spec {
	struct bridge *bridge;
	uint16_t controller_id, max_len;
	uint8_t reason, table_id;   /* reason: OF_PIR_* (openflow/msg_packet.h) */
	bool pause;
	uint64_t cookie;
	uint32_t meter_id;
	struct of_key metadata;     /* metadata part valid; in_port as the controller sees it */
	uint8_t *tunnel_own;        /* as a continuation has it */
	uint16_t userdata_len;
	uint8_t *userdata;
	struct frozen *frozen;      /* with pause: the continuation */
};

/* A learn action with its sources filled in. */
struct learned_flow {
	_Atomic uint32_t refs;
	struct bridge *bridge;
	uint8_t table_id;
	uint16_t priority, idle_timeout, hard_timeout, fin_idle_timeout, fin_hard_timeout, flags;
	uint64_t cookie;
	uint32_t limit;
	struct of_match_full match;
	void *actions;              size_t actions_size;
	struct rule *_Atomic rule;  /* the learned rule as last seen (reference), or NULL */
};
void learned_flow_unref(struct learned_flow *);

#endif
