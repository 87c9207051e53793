/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/slow_path.h"

#include <stdlib.h>

#include "base/loop.h"
#include "dataplane/tunnel.h"
#include "dataplane/worker_internal.h"

struct slow_item {
	struct slow_item *next;
	struct rte_mbuf *m;
	/* SLOW_CONTROLLER */
	struct plan *plan;                 /* reference: it owns the spec */
	const struct packet_in_spec *spec;
	/* SLOW_LEARN: how the packet came to be walked. */
	struct frozen *frozen;             /* reference, or NULL */
	struct bridge *bridge;
	uint32_t in_slot, in_generation;
	of_port_t in_port;
	uint32_t packet_type, dp_hash, pkt_mark, skb_priority, credit_size;
	uint8_t pushed_tags;
	unsigned depth;
	uint8_t protocol;                  /* SLOW_PROTOCOL, with bridge, in_port and in_slot */
	struct of_key *tunnel;             /* a copy, or NULL */
};

/* One a (port, reason).  Workers push on 'incoming', newest first, and main takes all of it at
 * once; 'n' counts what is in both lists. */
struct slow_queue {
	_Atomic(struct slow_item *) incoming;
	_Atomic uint32_t n;
	struct slow_item *ready; /* main's, oldest first */
};

/* Queues by slot, in blocks that are made once and stay, so that workers need no lock to find
 * theirs.  The last block takes packets without a port. */
#define SLOTS_PER_BLOCK 64
#define MAX_BLOCKS 1024
#define NO_SLOT (SLOTS_PER_BLOCK * MAX_BLOCKS - 1)
struct slow_block {
	struct slow_queue q[SLOTS_PER_BLOCK][SLOW_N];
	/* Bit: a queue of this slot has packets; set by who pushes, cleared by main. */
	_Atomic uint64_t active;
};
static struct slow_block *_Atomic blocks[MAX_BLOCKS];
static _Atomic uint64_t active_blocks[MAX_BLOCKS / 64];
static _Atomic bool wake_pending;
static uint32_t next_slot; /* main: where the round goes on */
static struct slow_ops ops;
static slow_protocol_fn *protocol_fn;

static struct slow_block *
block_get(uint32_t index)
{
	struct slow_block *b = atomic_load_explicit(&blocks[index], memory_order_acquire), *old;

	if (b)
		return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	old = NULL;
	if (!atomic_compare_exchange_strong_explicit(&blocks[index], &old, b,
						     memory_order_acq_rel,
						     memory_order_acquire)) {
		free(b);
		return old;
	}
	return b;
}

static void
item_free(struct slow_item *item)
{
	if (item->m)
		pkt_free(item->m);
	plan_unref(item->plan);
	free(item->tunnel);
	if (item->frozen)
		frozen_unref(item->frozen);
	free(item);
}

/* Takes the item over; false: the queue is full. */
static bool
push(uint32_t slot, enum slow_reason reason, struct slow_item *item)
{
	if (slot >= NO_SLOT)
		slot = NO_SLOT;
	struct slow_block *b = block_get(slot / SLOTS_PER_BLOCK);
	if (!b) {
		item_free(item);
		return false;
	}
	struct slow_queue *q = &b->q[slot % SLOTS_PER_BLOCK][reason];
	if (atomic_fetch_add_explicit(&q->n, 1, memory_order_relaxed) >= SLOW_QUEUE_MAX) {
		atomic_fetch_sub_explicit(&q->n, 1, memory_order_relaxed);
		item_free(item);
		return false;
	}
	item->next = atomic_load_explicit(&q->incoming, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&q->incoming, &item->next, item,
						      memory_order_release,
						      memory_order_relaxed))
		;
	/* The item is there before the bits say so; main clears the bits before it looks. */
	atomic_fetch_or_explicit(&b->active, 1ull << slot % SLOTS_PER_BLOCK,
				 memory_order_release);
	atomic_fetch_or_explicit(&active_blocks[slot / SLOTS_PER_BLOCK / 64],
				 1ull << slot / SLOTS_PER_BLOCK % 64, memory_order_release);
	if (!atomic_exchange_explicit(&wake_pending, true, memory_order_acq_rel))
		wf_loop_wake();
	return true;
}

static struct slow_item *
item_new(struct rte_mbuf *m)
{
	struct slow_item *item = calloc(1, sizeof(*item));

	if (item)
		item->m = m;
	else
		pkt_free(m);
	return item;
}

void
slow_push_packet(struct pass *p, struct rte_mbuf *m)
{
	struct slow_item *item;

	if (p->rn->is_main) {
		/* Main walked it and still cannot go on: the learned rule could not be made. */
		pass_drop(p, DROP_LEARN_RATE);
		pkt_free(m);
		return;
	}
	item = item_new(m);
	if (!item) {
		pass_drop(p, DROP_NO_MEMORY);
		return;
	}
	if (p->frozen) {
		item->frozen = (struct frozen *)p->frozen;
		frozen_ref(item->frozen);
	}
	item->bridge = p->bridge;
	item->in_slot = p->in_slot;
	item->in_generation = p->in_generation;
	item->in_port = p->in_port;
	item->packet_type = p->packet_type;
	item->dp_hash = p->dp_hash;
	item->pkt_mark = p->pkt_mark;
	item->skb_priority = p->skb_priority;
	item->credit_size = p->credit_size;
	item->pushed_tags = p->pushed_tags;
	item->depth = p->depth;
	if (p->tunnel)
		item->tunnel = wf_xmemdup(p->tunnel, sizeof *p->tunnel);
	if (push(p->in_slot, SLOW_LEARN, item)) {
		p->fate->n_out++;
	} else {
		stat_add(&p->rn->n_lost, 1);
		pass_drop(p, DROP_SLOW_QUEUE_FULL);
	}
}

void
slow_push_packet_in(struct pass *p, const struct packet_in_spec *spec, struct rte_mbuf *m)
{
	struct slow_item *item = item_new(m);

	if (!item) {
		pass_drop(p, DROP_NO_MEMORY);
		return;
	}
	item->spec = spec;
	if (spec->tunnel_own && p->tunnel)
		item->tunnel = wf_xmemdup(p->tunnel, sizeof *p->tunnel);
	item->plan = p->plan;
	atomic_fetch_add_explicit(&p->plan->refs, 1, memory_order_relaxed);
	if (push(p->in_slot, SLOW_CONTROLLER, item)) {
		p->fate->n_out++;
	} else {
		stat_add(&p->rn->n_lost, 1);
		pass_drop(p, DROP_PACKET_IN_QUEUE_FULL);
	}
}

void
slow_push_protocol(struct pass *p, struct bridge *bridge, of_port_t port, uint8_t protocol,
		   struct rte_mbuf *m)
{
	struct slow_item *item = item_new(m);

	if (!item) {
		pass_drop(p, DROP_NO_MEMORY);
		return;
	}
	item->bridge = bridge;
	item->in_port = port;
	item->in_slot = p->in_slot;
	item->protocol = protocol;
	if (push(p->in_slot, SLOW_PROTOCOL, item)) {
		p->fate->n_out++;
	} else {
		stat_add(&p->rn->n_lost, 1);
		pass_drop(p, DROP_SLOW_QUEUE_FULL);
	}
}

/* --- Main ------------------------------------------------------------------------------ */

void
slow_path_set_ops(const struct slow_ops *o)
{
	ops = *o;
}

void
slow_path_set_protocol(slow_protocol_fn *fn)
{
	protocol_fn = fn;
}

void
slow_path_call_learn(struct learned_flow *flow)
{
	if (ops.learn)
		ops.learn(flow);
}

/* The bridge may have gone while the packet waited. */
static bool
bridge_exists(const struct bridge *bridge)
{
	const struct view *v = view_get();

	for (uint32_t i = 0; i < v->n_bridges; i++)
		if (v->bridges[i] && v->bridges[i]->bridge == bridge)
			return true;
	return false;
}

/* What is nobody's session goes on as if it had just come. */
static void
serve_protocol(struct slow_item *item)
{
	static struct xlate_in in;

	if (protocol_fn && protocol_fn(item->bridge, item->in_port, item->protocol, item->m))
		return;
	memset(&in, 0, sizeof(in));
	in.bridge = item->bridge;
	in.in_slot = item->in_slot;
	in.key.in_port = item->in_port;
	in.key.packet_type = OF_PT_ETH;
	main_execute(&in, item->m);
	item->m = NULL;
}

static void
serve_packet_in(const struct slow_item *item)
{
	static struct packet_in_spec own; /* large, and main's */
	const struct packet_in_spec *spec = item->spec;

	if (item->tunnel) {
		own = *spec;
		tunnel_part_merge(&own.metadata, item->tunnel, spec->tunnel_own);
		spec = &own;
	}
	if (ops.packet_in)
		ops.packet_in(spec, item->m);
}

static void
serve(struct slow_item *item, enum slow_reason reason)
{
	const struct bridge *bridge = reason == SLOW_CONTROLLER ? item->spec->bridge
								: item->bridge;

	if (!bridge_exists(bridge)) {
		drop_count(DROP_RX_NO_BRIDGE, 1);
	} else if (reason == SLOW_CONTROLLER) {
		serve_packet_in(item);
	} else if (reason == SLOW_PROTOCOL) {
		serve_protocol(item);
	} else {
		struct run_fate fate = { 0 };
		struct pass p = {
			.fate = &fate, .frozen = item->frozen, .bridge = item->bridge,
			.in_slot = item->in_slot, .in_generation = item->in_generation,
			.in_port = item->in_port, .packet_type = item->packet_type,
			.dp_hash = item->dp_hash, .pkt_mark = item->pkt_mark,
			.skb_priority = item->skb_priority, .depth = item->depth,
			.credit_size = item->credit_size, .pushed_tags = item->pushed_tags,
			.tunnel = item->tunnel,
		};
		struct rte_mbuf *m = item->m;

		item->m = NULL;
		main_run_pass(&p, m);
	}
	item_free(item);
}

static void
take_incoming(struct slow_queue *q)
{
	struct slow_item *newest = atomic_exchange_explicit(&q->incoming, NULL,
							    memory_order_acquire);
	struct slow_item *oldest = NULL;

	while (newest) {
		struct slow_item *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	if (!oldest)
		return;
	struct slow_item **end = &q->ready;
	while (*end)
		end = &(*end)->next;
	*end = oldest;
}

/* Serves one packet of each reason of a slot.  Returns true if some are left. */
static bool
serve_slot(uint32_t slot, unsigned *budget)
{
	struct slow_block *b = atomic_load_explicit(&blocks[slot / SLOTS_PER_BLOCK],
						    memory_order_acquire);
	bool left = false;

	for (unsigned reason = 0; reason < SLOW_N; reason++) {
		struct slow_queue *q = &b->q[slot % SLOTS_PER_BLOCK][reason];

		if (!q->ready)
			take_incoming(q);
		struct slow_item *item = q->ready;
		if (item && *budget) {
			q->ready = item->next;
			item->next = NULL;
			atomic_fetch_sub_explicit(&q->n, 1, memory_order_relaxed);
			--*budget;
			serve(item, reason);
		}
		left |= q->ready ||
			atomic_load_explicit(&q->incoming, memory_order_relaxed) != NULL;
	}
	return left;
}

/* The next slot from 'from' on, cyclically, that may have packets; UINT32_MAX: none. */
static uint32_t
next_active(uint32_t from)
{
	for (uint32_t round = 0; round < 2; round++) {
		uint32_t start = round ? 0 : from;

		for (uint32_t i = start / SLOTS_PER_BLOCK; i < MAX_BLOCKS; i++) {
			uint64_t word = atomic_load_explicit(&active_blocks[i / 64],
							     memory_order_acquire);

			if (!word) {
				i |= 63;
				continue;
			}
			if (!(word >> i % 64 & 1))
				continue;
			struct slow_block *b = atomic_load_explicit(&blocks[i],
								    memory_order_acquire);
			uint64_t bits = atomic_load_explicit(&b->active, memory_order_acquire);
			if (i == start / SLOTS_PER_BLOCK)
				bits &= ~0ull << start % SLOTS_PER_BLOCK;
			if (bits)
				return i * SLOTS_PER_BLOCK + __builtin_ctzll(bits);
		}
	}
	return UINT32_MAX;
}

bool
slow_path_run(unsigned budget)
{
	uint32_t slot;

	/* From here on a push wakes again. */
	atomic_store_explicit(&wake_pending, false, memory_order_release);
	while ((slot = next_active(next_slot)) != UINT32_MAX) {
		struct slow_block *b = atomic_load_explicit(&blocks[slot / SLOTS_PER_BLOCK],
							    memory_order_acquire);
		uint64_t bit = 1ull << slot % SLOTS_PER_BLOCK;

		if (!budget)
			return true;
		atomic_fetch_and_explicit(&b->active, ~bit, memory_order_acq_rel);
		if (serve_slot(slot, &budget))
			atomic_fetch_or_explicit(&b->active, bit, memory_order_relaxed);
		next_slot = (slot + 1) % (SLOTS_PER_BLOCK * MAX_BLOCKS);
	}
	return false;
}

bool
slow_path_pending(void)
{
	return next_active(0) != UINT32_MAX;
}

void
slow_path_done(void)
{
	for (uint32_t i = 0; i < MAX_BLOCKS; i++) {
		struct slow_block *b = atomic_exchange_explicit(&blocks[i], NULL,
								memory_order_acq_rel);

		for (uint32_t s = 0; b && s < SLOTS_PER_BLOCK; s++) {
			for (unsigned reason = 0; reason < SLOW_N; reason++) {
				struct slow_queue *q = &b->q[s][reason];

				take_incoming(q);
				while (q->ready) {
					struct slow_item *item = q->ready;

					q->ready = item->next;
					item_free(item);
				}
			}
		}
		free(b);
	}
	for (unsigned i = 0; i < MAX_BLOCKS / 64; i++)
		atomic_store_explicit(&active_blocks[i], 0, memory_order_relaxed);
	next_slot = 0;
}
