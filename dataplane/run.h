/* SPDX-License-Identifier: Apache-2.0 */
/* Running plans: inside of the packet path, for run*.c, pipeline.c, worker.c and main.
 *
 *   pipeline.c     packet -> cache or translator -> plan -> run_plan()
 *   run.c          the operations, one after the other; guards; copies
 *   run_set.c      writes into headers, with checksums
 *   run_push.c     tags and labels come and go
 *   run_select.c   groups
 *   run_tunnel.c   outer headers; run_decap.c: off, for a burst
 *   run_output.c   ports, NORMAL, mirrors, packet-ins, transmit batches (run_tx.h)
 *   run_short.h    plans that are one template
 *
 * A runner is what one thread needs to do that; a pass is one way of one packet through one
 * lookup.  Ownership: whoever is handed a packet together with 'owned' must free or pass it on.
 */
#ifndef WEFT_DATAPLANE_RUN_H
#define WEFT_DATAPLANE_RUN_H

#include "dataplane/normal.h"
#include "dataplane/packet.h"
#include "dataplane/pkt_fast.h"
#include "dataplane/ports/port.h"
#include "dataplane/translate.h"

#define RUN_MAX_DEPTH 32 /* recirculations of one packet */
/* And of all its copies: where patch ports make loops, copies multiply at each turn. */
#define RUN_MAX_PASSES 4096
#define RUN_TALLIES 16

/* Packets that wait for the end of the burst. */
struct tx_batch {
	struct port *port;
	unsigned n;
	struct rte_mbuf *pkts[BURST_MAX];
};

struct cache;
struct runner {
	/* For the length of a burst. */
	const struct view *view;
	int64_t now_ms, now_us;
	struct cache *cache;          /* NULL: translate each packet (main) */
	unsigned txq;                 /* which transmit queue is ours, modulo the port's */
	bool is_main;
	struct wf_buf *held;          /* main: takes full batches, which wait; NULL: sent at once */
	/* Transmit batches by slot, made on demand; those in use. */
	struct tx_batch **batches;
	uint32_t n_batches;
	uint32_t n_dirty, max_dirty;
	uint32_t *dirty;
	/* Scratch. */
	struct of_key key;
	struct pkt_fast fast;
	struct normal_result *normal; /* of the NORMAL being decided */
	struct normal_memos *memos;   /* decisions of NORMAL: normal_memo.h */
	struct walk_memo *walks;      /* walk_memo.h; NULL until the first miss */
	struct decaps *decaps;        /* run_decap.h */
	struct inner_burst *inner;    /* likewise: what came out of tunnels in this burst */
	/* Counters that many packets of a burst go to; added at its end. */
	unsigned n_tallies;
	struct run_tally {
		struct counter *counter;
		uint64_t packets, bytes;
	} tallies[RUN_TALLIES];
	/* Written by this thread alone. */
	_Atomic uint64_t drops[DROP_N_REASONS];
	_Atomic uint64_t n_bursts; /* done; whoever sees it (acquire) sees what its flows counted */
	_Atomic uint64_t n_hits, n_misses, n_remembered, n_lost, n_recirc, n_tx_batches, n_tx_packets;
};
void runner_init(struct runner *);
void runner_done(struct runner *);
/* Before a burst, when view and time are set: what is kept follows the view. */
void runner_sync(struct runner *);
static inline void
stat_add(_Atomic uint64_t *c, uint64_t n) /* of a counter with one writer */
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* What became of a received packet over all its passes. */
struct run_fate {
	uint32_t n_out;              /* outputs, packet-ins, packets handed to main */
	uint32_t n_passes;           /* but the first */
	enum drop_reason drop;       /* the first reason met */
};

struct pass {
	struct runner *rn;
	struct run_fate *fate;
	const struct frozen *frozen; /* where the walk goes on; NULL: table 0 */
	struct bridge *bridge;
	uint32_t in_slot, in_generation;
	of_port_t in_port;
	uint32_t packet_type;
	uint32_t dp_hash, pkt_mark, skb_priority;
	unsigned depth;
	/* What counters of flows, groups and patch ports get: the packet's size when it came in, or was
	 * last recirculated, whatever is done to it later (as in Open vSwitch).  0: not yet known. */
	uint32_t credit_size;
	/* While a plan runs. */
	struct plan *plan;
	uint32_t trunc;              /* the next output's limit, 0: none */
	/* Mirrors that have the packet, by stay in a bridge; shared with copies.  Those of the stay
	 * that a continuation goes on with come from before. */
	uint32_t *mirrored, mirrored_before;
	uint8_t pushed_tags;         /* VLAN tags that the parser need not have seen */
	const struct of_key *tunnel; /* outer values (the tunnel part) of what came out of one, or NULL */
	bool layers_valid;
	struct pkt_layers layers;
};

/* --- pipeline.c --------------------------------------------------------------------- */

/* Looks the packet up and runs what is found.  Takes it over. */
void pipeline_packet(struct pass *, struct rte_mbuf *);
/* The same without the cache, with all operations (OP_SLOW). */
void pipeline_packet_slow(struct pass *, struct rte_mbuf *);
/* A burst received on one port.  Takes the packets over. */
void pipeline_burst(struct runner *, uint32_t slot, struct rte_mbuf **, unsigned n);
/* Counts the drop if nothing came of the packet. */
void pipeline_settle(struct runner *, const struct run_fate *);
static inline uint32_t
pass_credit_size(struct pass *p, const struct rte_mbuf *m)
{
	if (!p->credit_size)
		p->credit_size = pkt_size(m);
	return p->credit_size;
}
/* Fills what the translator is asked with; 'in->key' gets metadata and parsed headers. */
void pipeline_fill(const struct pass *, const struct rte_mbuf *, struct xlate_in *in,
		   struct pkt_layers *);
/* Translates what 'in' says and runs it.  Takes the packet over. */
void pipeline_translate_and_run(struct pass *, struct xlate_in *in, struct rte_mbuf *);
/* Credits a plan's counters. */
void plan_credit(const struct plan *, uint64_t packets, uint64_t bytes, int64_t now_ms);
static inline void
counter_add(struct counter *c, uint64_t packets, uint64_t bytes, int64_t now_ms)
{
	atomic_fetch_add_explicit(&c->packets, packets, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->bytes, bytes, memory_order_relaxed);
	if (atomic_load_explicit(&c->used_ms, memory_order_relaxed) < now_ms)
		atomic_store_explicit(&c->used_ms, now_ms, memory_order_relaxed);
}

/* --- run.c -------------------------------------------------------------------------- */

/* Runs a plan on a packet that passed its guards.  Takes the packet over. */
void run_plan(struct pass *, struct plan *, struct rte_mbuf *owned);
/* Do the plan's guards let this packet through? */
bool run_guards(struct pass *, const struct plan *, const struct rte_mbuf *);
/* Are all learned rules of a plan still there?  Asked before anything is done or counted, because
 * main then walks for the packet anew.  Main itself makes those that are not: always true. */
bool run_learned_are_there(struct pass *, const struct plan *);
/* Nested or remaining operations [o, end). */
void run_ops(struct pass *, const struct plan_op *o, const struct plan_op *end,
	     struct rte_mbuf *owned);
static inline void
pass_drop(struct pass *p, enum drop_reason reason)
{
	if (!p->fate->drop)
		p->fate->drop = reason;
}
/* The layers of the packet as it is now. */
static inline const struct pkt_layers *
pass_layers(struct pass *p, const struct rte_mbuf *m)
{
	if (!p->layers_valid) {
		pkt_find_layers(m, p->packet_type, p->pushed_tags, &p->layers);
		p->layers_valid = true;
	}
	return &p->layers;
}
void runner_add_tallies(struct runner *);
/* Packets to a counter that is alive until the burst's end.  Atomic additions cost 20 cycles. */
static inline void
runner_count_more(struct runner *rn, struct counter *c, uint64_t packets, uint64_t bytes)
{
	if (unlikely(rn->is_main)) {
		counter_add(c, packets, bytes, rn->now_ms);
		return;
	}
	for (unsigned i = 0; i < rn->n_tallies; i++) {
		if (rn->tallies[i].counter == c) {
			rn->tallies[i].packets += packets;
			rn->tallies[i].bytes += bytes;
			return;
		}
	}
	if (rn->n_tallies == RUN_TALLIES)
		runner_add_tallies(rn);
	rn->tallies[rn->n_tallies++] = (struct run_tally){ c, packets, bytes };
}
static inline void
runner_count(struct runner *rn, struct counter *c, uint64_t bytes)
{
	runner_count_more(rn, c, 1, bytes);
}
/* The headers of the packet as it is now; nothing else of the key is set. */
const struct of_key *pass_headers(struct pass *, const struct rte_mbuf *);
/* The headers of the packet as it is now, in the runner's scratch key; in_port is set. */
const struct of_key *pass_key(struct pass *, const struct rte_mbuf *);

/* --- run_set.c: false if the packet has no such header or cuts it short --------------- */
bool run_set(struct pass *, const struct plan_op *, struct rte_mbuf *);
bool run_dec_ttl(struct pass *, struct rte_mbuf *); /* false: it would become 0 */

/* --- run_push.c: DROP_NONE, or why not -------------------------------------------------- */
enum drop_reason run_push(struct pass *, const struct plan_op *, struct rte_mbuf *);
enum drop_reason run_push_vlan(struct pass *, struct rte_mbuf *, uint16_t tpid, uint16_t tci);
bool run_pop_vlan(struct pass *, struct rte_mbuf *);

/* --- run_select.c ------------------------------------------------------------------------ */
void run_select(struct pass *, const struct op_select *, struct rte_mbuf *, bool owned);
uint32_t run_hash(struct pass *, const struct rte_mbuf *, uint32_t basis, unsigned algorithm);
/* The same of headers. */
uint32_t run_hash_key(const struct of_key *, uint32_t basis);

/* --- run_tunnel.c: docs/tunnels.md ------------------------------------------------------- */
struct op_tunnel_push;
struct tunnel_endpoint;
void run_tunnel_push(struct pass *, const struct op_tunnel_push *, struct rte_mbuf *owned);
/* Out by the host's socket. */
void run_tunnel_send(struct pass *, const struct op_tunnel_push *, struct rte_mbuf *owned);
/* What came out of a tunnel enters the bridge of its port: 'p' says what it is. */
struct tunnel_port;
void run_tunnel_enter(struct pass *, const struct tunnel_port *, struct rte_mbuf *owned);
/* run_too_big.c: of a packet on its way into a tunnel with options:pmtud.  True: it does not fit the path;
 * it was taken over, and its sender told. */
bool run_tunnel_too_big(struct pass *, const struct op_tunnel_push *, struct rte_mbuf *);
/* What the host's sockets of slot 'slot' received; false (nothing done): the slot is none of theirs. */
bool run_tunnel_receive(struct runner *, uint32_t slot, struct rte_mbuf **, unsigned n);
/* A packet on its way to a bridge's LOCAL port: true if it was for a tunnel (and is taken over). */
bool run_tunnel_deliver(struct pass *, const struct view_slot *, struct rte_mbuf *);
/* The endpoint that an outer packet delivered to this bridge is for, or NULL. */
const struct tunnel_endpoint *tunnel_endpoint_for(const struct view *, const struct bridge *, uint32_t slot,
						  const struct of_key *, uint32_t *index);
/* Of endpoints of GRE and ERSPAN, which share an IP protocol, the one that a GRE header is for. */
uint32_t tunnel_right_endpoint(const struct tunnel_view *, uint32_t index, const uint8_t *l4, size_t size);
/* UDP source ports of outer packets (tnl/egress_port_range); main sets, any reads. */
void tunnel_set_source_ports(uint16_t low, uint16_t high);
void tunnel_get_source_ports(uint16_t *low, uint16_t *high);

/* --- run_output.c ------------------------------------------------------------------------ */
/* An outer packet without Ethernet header to the host's sockets. */
void run_output_outer(struct pass *, uint32_t slot, uint32_t generation, struct rte_mbuf *owned);
void run_output(struct pass *, uint32_t slot, uint32_t generation, struct rte_mbuf *owned);
void run_normal(struct pass *, const struct op_normal *, struct rte_mbuf *, bool owned);
void run_mirror(struct pass *, const struct op_normal *, struct rte_mbuf *);
/* True: the packet was taken over. */
bool run_protocol(struct pass *, const struct op_protocol *, struct rte_mbuf *);
void run_controller(struct pass *, const struct op_controller *, struct rte_mbuf *owned);
/* Sends what the burst gathered. */
void runner_flush(struct runner *);
/* Ends rn->held. */
void runner_release(struct runner *, bool send);

/* --- meter.c ----------------------------------------------------------------------------- */
/* Counts a packet against a meter.  Returns the band that it exceeded, or NULL. */
struct meter_band *meter_charge(struct meter *, int64_t now_ms, uint32_t bytes);

#endif
