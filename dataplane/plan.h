/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: what to do with a packet, as flat operations that know no OpenFlow.
 *
 * The translator writes a plan for a key; run.c executes it on packets.  A plan is made by
 * one thread, never changed afterwards (but for the version it was found valid at), and belongs to
 * that thread's cache, where entries of equal plans share one; the entries count packets.
 *
 *   ops:     | op | op | ... | (records of 8-byte multiples, walked by size)
 *   steps:   what the walk looked up, with the version stamp it saw (staleness, rule 3)
 *   credits: the counters to which the plan's packets belong
 *
 * Nested blocks (CLONE, SELECT's buckets, ...) are ops records inside the op's record.
 */
#ifndef WEFT_DATAPLANE_PLAN_H
#define WEFT_DATAPLANE_PLAN_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "dataplane/drop.h"
#include "openflow/key.h"

enum plan_op_type {
	/* Leaves the packet as it is. */
	OP_OUTPUT,       /* to a port slot */
	OP_NORMAL,       /* MAC learning switch of a bridge, at run time (rule 10) */
	OP_CONTROLLER,   /* packet-in through the slow path */
	OP_SLOW,         /* u8 = 0: hand the packet to the main thread, which translates and runs it
	                  * (learn); 1: translate and run it here, each packet anew (what the data
	                  * path was told not to do: translate.h, xlate_set_lacks()) */
	OP_LEARN,        /* refresh or add a learned flow (rule 8) */
	OP_METER,        /* drops the packet, here and in all that follows, or remarks DSCP */
	OP_COUNT,        /* credit a counter here (mirror, bucket) */
	OP_DROP,         /* say why the packet ends here, if nothing was output */
	OP_MIRROR,       /* copy to a mirror's output, as the packet is now */
	OP_PROTOCOL,     /* a frame of a protocol that the switch speaks here goes to main; this
	                  * block ends for it */
	/* Control. */
	OP_CLONE,        /* nested ops on a copy; the packet goes on unchanged */
	OP_SELECT,       /* select group: hash -> live bucket -> its nested ops, on a copy */
	OP_FAILOVER,     /* first live bucket's nested ops, on a copy */
	OP_RECIRC,       /* parse again and look up with a continuation (rule 6) */
	OP_TRUNC,        /* the next OUTPUT/CONTROLLER sends at most n bytes */
	OP_HASH,         /* dp_hash := hash of the packet, for a RECIRC that follows */
	/* Header writes: masked where bits may come from the packet. */
	OP_SET_ETH, OP_SET_DL_TYPE, OP_SET_VLAN, OP_SET_IPV4, OP_SET_IPV6, OP_SET_L4, OP_SET_ICMP,
	OP_SET_TCP_FLAGS, OP_SET_ARP, OP_SET_ND, OP_SET_MPLS, OP_SET_PBB, OP_SET_META,
	OP_SET_TUNNEL,   /* the next OUTPUT is to a tunnel endpoint: with these outer values (tunnel.h) */
	OP_TUNNEL_SEND,  /* outer headers, then out by the host's socket, on a copy (after a SET_TUNNEL) */
	OP_TUNNEL_PUSH,  /* outer headers, then nested ops on the outer packet, on a copy */
	OP_TUNNEL_POP,   /* for text: delivered to endpoint u32 */
	OP_TUNNEL_WANT,  /* asks main for a neighbour */
	OP_PUSH_VLAN, OP_POP_VLAN, OP_PUSH_MPLS, OP_POP_MPLS, OP_PUSH_PBB, OP_POP_PBB,
	OP_PUSH_ETH, OP_POP_ETH, OP_ADD_MPLS,
	OP_DEC_TTL, OP_DEC_MPLS_TTL, OP_COPY_TTL_OUT, OP_COPY_TTL_IN,
	OP_N_TYPES
};

struct plan_op {
	uint8_t type;   /* enum plan_op_type */
	uint8_t u8;
	uint16_t u16;
	uint32_t size;  /* whole record with nested ops, a multiple of 8 */
	uint32_t u32, pad;
};
#define plan_op_for_each(O, START, SIZE)                                                       \
	for (const struct plan_op *O = (const struct plan_op *)(START),                        \
				  *end_##O = (const struct plan_op *)((const uint8_t *)(START) + (SIZE)); \
	     O < end_##O; O = (const struct plan_op *)((const uint8_t *)O + O->size))

/* Bare records: OUTPUT (u32 = slot; and the next struct), POP_VLAN, POP_PBB, POP_ETH, SLOW, TRUNC
 * (u32 = bytes), DROP (u32 = reason), HASH (u32 = basis, u8 = algorithm), COPY_TTL_*, DEC_TTL (IPv4
 * or IPv6), DEC_MPLS_TTL, PUSH_VLAN (u32 = tpid << 16 | tci, host order; u8 = 1: VID and PCP are
 * copied from the outermost tag if there is one), PUSH_PBB (u32 = tpid; the I-SID is copied from
 * an outer I-TAG if there is one, else 0; the new addresses are those of the frame), POP_MPLS
 * (u32 = EtherType that follows, host order; 0x6558: an Ethernet frame, if the label came first). */
struct op_output { struct plan_op op; /* u32 = slot */ uint32_t generation; of_port_t ofp_port; };
/* 'patches' says what NORMAL's output to a patch port means: the packet (a copy with the tags that
 * it carries there) is looked up with the continuation, as RECIRC does it, but without a new
 * parse if no header changed. */
struct op_normal { /* MIRROR as well: u32 = set of mirrors */
	struct plan_op op;
	struct bridge *bridge;
	uint32_t in_slot;
	of_port_t in_port;     /* where the packet is in this bridge; MIRROR: or goes out to */
	uint32_t mirrored;     /* mirrors that have every such packet already */
	uint32_t n_patches;
	struct op_normal_patch {
		of_port_t port;        /* of 'bridge' */
		uint32_t pad;
		struct frozen *frozen; /* reference; enters the peer bridge */
	} patches[];
};
struct op_controller {
	struct plan_op op;     /* u8 = reason (OFPR_*) */
	struct packet_in_spec *spec; /* owned by the plan; everything but the packet */
};
/* u8 = 0: the learned rule is there (flow->rule): refresh it (rule->modified_ms), and if it was
 * removed meanwhile hand the whole packet to main as SLOW does.  u8 = 1: it is not there, or
 * differs; a SLOW follows and ends the plan.  Main applies flow, publishes, and translates again
 * with xlate_in.learn_done = u32 + 1 on the new view; repeat until no OP_LEARN with u8 = 1 is left. */
struct op_learn { struct plan_op op; /* u32 = index of the action in the walk */ struct learned_flow *flow; };
struct op_meter { struct plan_op op; struct meter *meter; };
struct op_count { struct plan_op op; struct counter *counter; };
/* A copy of the packet as it is now to the mirrors in the set u32 that select its VLAN and do not
 * have the packet: mirror_outputs().  The record is op_normal, since an output VLAN may lead
 * over patch ports.
 *
 * Which mirrors took a packet is known at run time only (VLANs, NORMAL, buckets), per stay of the
 * packet in a bridge.  Stays are numbered from 0 as the walk enters bridges: u16 of MIRROR, NORMAL
 * and RECIRC. */
#define PLAN_MAX_STAYS 64 /* of later ones nothing is remembered: a mirror may get such a packet twice */
/* protocol_rx_one() on 'port' of 'bridge', decided for each packet: no field of it enters a key. */
struct op_protocol { struct plan_op op; struct bridge *bridge; of_port_t port; uint32_t pad; };
struct op_clone { struct plan_op op; /* nested ops follow; u8: for text only */ };
struct op_select {
	struct plan_op op; /* u32 = hash basis; the fields are group->hash_fields (none: L2 to L4) */
	struct group *group; /* reference; its counter is credited with a bucket's */
	uint32_t n_buckets, pad;
	/* n_buckets records 'struct op_bucket', each with nested ops, in the group's order */
};
struct op_bucket {
	uint32_t size;         /* whole record with nested ops */
	uint32_t bucket_index;
	struct bucket *bucket; /* liveness is asked at run time; OP_COUNT credits it inside */
};
#define op_select_first_bucket(SEL) ((const struct op_bucket *)((const struct op_select *)(SEL) + 1))
#define op_bucket_next(B) ((const struct op_bucket *)((const uint8_t *)(B) + (B)->size))
struct op_recirc { struct plan_op op; /* u8: 1 = on a copy; u16: stay */ struct frozen *frozen; /* owned by the plan */ };
struct op_set_eth { struct plan_op op; uint8_t dst[6], src[6], dst_mask[6], src_mask[6]; };
struct op_set_u16 { struct plan_op op; /* SET_DL_TYPE: u32 = value, host order */ };
struct op_set_vlan { struct plan_op op; /* outermost tag; u32 = tci << 16 | mask, host order */ };
struct op_set_ipv4 {
	struct plan_op op;
	__be32 src, dst, src_mask, dst_mask;
	uint8_t tos, tos_mask, ttl, ttl_mask, proto, proto_mask, pad[2];
};
struct op_set_ipv6 {
	struct plan_op op;
	struct in6_addr src, dst, src_mask, dst_mask;
	__be32 label, label_mask;
	uint8_t tos, tos_mask, ttl, ttl_mask, proto, proto_mask, pad[2];
};
struct op_set_l4 { struct plan_op op; /* TCP, UDP or SCTP ports, by what the packet is */ __be16 src, dst, src_mask, dst_mask; };
struct op_set_icmp { struct plan_op op; uint8_t type, code, type_mask, code_mask; uint32_t pad; };
struct op_set_tcp_flags { struct plan_op op; __be16 flags, mask; uint32_t pad; };
struct op_set_arp {
	struct plan_op op;
	__be32 spa, tpa, spa_mask, tpa_mask;
	uint16_t opcode, opcode_mask; /* host order */
	uint8_t sha[6], tha[6], sha_mask[6], tha_mask[6];
	uint8_t pad[4];
};
struct op_set_nd {
	struct plan_op op;
	struct in6_addr target, target_mask;
	uint8_t sll[6], tll[6], sll_mask[6], tll_mask[6];
	uint32_t reserved, reserved_mask; /* as struct of_key has it: __be32 behind the checksum */
	uint8_t options_type, options_type_mask, pad[6];
};
struct op_set_mpls { struct plan_op op; __be32 lse, mask; };
/* u8 = 1: label, TC and TTL are copied from the outer label; without one the TTL comes from an IP
 * header, else from 'lse'.  The bottom-of-stack bit is run's to set. */
struct op_push_mpls { struct plan_op op; /* u32 = EtherType */ __be32 lse; uint32_t pad; };
/* A label in front of the whole packet, Ethernet header included: its packet type is then (1, EtherType). */
struct op_add_mpls { struct plan_op op; /* u32 = EtherType */ __be32 lse; uint32_t pad; };
struct op_set_pbb { struct plan_op op; uint32_t isid, isid_mask; uint8_t uca, uca_mask, pad[6]; };
struct op_set_meta { struct plan_op op; uint32_t pkt_mark, mark_mask, skb_priority, priority_mask; };
struct op_push_eth { struct plan_op op; uint8_t dst[6], src[6]; uint16_t dl_type; uint8_t pad[2]; };

/* What the walk depended on: the plan is as valid as at translation while
 * *stamp <= seen (see table.h). */
struct plan_step {
	const _Atomic uint64_t *stamp;  /* of the matcher partition */
	const _Atomic uint64_t *stamp2; /* of the table's unpartitioned rules; may equal stamp */
};

/* A counter that packets are credited to: a rule's, a table's, a group's ... */
struct counter {
	_Atomic uint64_t packets, bytes;
	_Atomic int64_t used_ms; /* wf_now_ms() of the last packet, 0: never */
};

/* A counter on the heap that outlives what it counts for while somebody holds it. */
struct shared_counter {
	struct counter c; /* first: a struct counter * may point here */
	_Atomic uint32_t refs;
};
struct counter *counter_new(void);
void counter_ref(struct counter *);   /* of one made by counter_new() */
void counter_unref(struct counter *); /* NULL is fine; freed after a grace period */

/* Short plans: what only writes a few headers and outputs to one port, or drops, is kept as a
 * template as well, which run_short.h applies without a walk over the operations. */
#define SHORT_OUTPUT 1u
#define SHORT_DROP 2u
#define SHORT_ETH 4u        /* bytes of 'eth' in place of those that 'eth_keep' clears; the last two are a tag's */
#define SHORT_PUSH_VLAN 8u
#define SHORT_POP_VLAN 16u
#define SHORT_DEC_TTL 32u
#define SHORT_TUNNEL 128u   /* with OUTPUT: one TUNNEL_PUSH, in it COUNTs and one OUTPUT or NORMAL, which
			     * the template speaks of */
#define SHORT_NORMAL 64u    /* with OUTPUT alone: to where NORMAL says; out_slot is normal_memo_who() */

struct plan {
	/* The first cache line: all that a short plan needs. */
	/* View version at which every step was last found valid.  Of the thread that runs it. */
	uint64_t version;
	uint8_t shortcut;      /* SHORT_*; 0: the operations say more than a template can */
	uint8_t ttl_min;       /* guard: IP TTL of the packet must be >= this (0: none), rule 5 */
	uint8_t mpls_ttl_min;
	uint8_t drop_reason;   /* why nothing leaves, if nothing does */
	uint32_t out_slot, out_generation;
	__be16 vlan_tpid, vlan_tci;
	uint32_t ops_size;
	uint8_t eth_keep[16], eth[16]; /* 'eth_keep' has 0xff at 12 and 13, and behind that where no tag is written */
	/* Read by run. */
	bool cacheable;        /* false: run once, for this packet only */
	bool has_output;       /* something may leave (NORMAL decides for itself) */
	uint8_t lacks;         /* XLATE_LACKS_*: why it is no more than an OP_SLOW, for text */
	uint8_t n_stays;       /* at most PLAN_MAX_STAYS */
	bool has_learn;        /* run looks at its OP_LEARNs before it does anything */
	struct plan_op *ops;
	struct plan_step *steps;
	/* Cold. */
	uint32_t n_steps, n_credits;
	struct counter **credits;
	struct rule **rules;   /* references, dropped when the plan is freed */
	uint32_t n_rules;
	struct group **groups; /* likewise */
	uint32_t n_groups;
	struct counter **held; /* likewise: counters made by counter_new() that nothing above holds */
	uint32_t n_held;
	uint32_t n_bridges;
	struct bridge **bridges; /* likewise: those whose tables are credited */
	/* Whoever keeps the plan: its cache entry, packets on their way to main that it speaks of.
	 * translate() leaves it at 0; pipeline.c counts from 1. */
	_Atomic uint32_t refs;
	/* The owning worker's: cache entries with this plan, and its place among the plans that
	 * new ones are compared with, so that equal ones are kept once. */
	uint32_t n_flows, content_hash;
	bool is_shared; /* it is found among them */
	/* Whose operations, credits, groups, counters and bridges these are (reference), and then 'rules' are
	 * credited as well; NULL: its own. */
	struct plan *body;
	uint64_t pad; /* what plan_derive() puts behind starts a line */
};

static_assert(offsetof(struct plan, cacheable) <= 64, "a short plan is one line");
static_assert(sizeof(struct plan) % 64 == 0, "a plan is lines");

/* An empty plan, at the start of a cache line. */
struct plan *plan_new(void);
/* The same operations, looked up along other steps: credits what 'body' does and those rules.  One
 * block of memory; refs 1. */
struct plan *plan_derive(struct plan *body, const struct plan_step *steps, uint32_t n_steps,
			 struct rule *const *rules, uint32_t n_rules);
/* Fills the template from the operations, if they fit one. */
void plan_shorten(struct plan *);
/* Frees ops and what they own, and drops the references.  Any thread, once nobody uses it
 * and its counters were folded. */
void plan_free(struct plan *);
static inline void
plan_unref(struct plan *p)
{
	if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
		plan_free(p);
}

#endif
