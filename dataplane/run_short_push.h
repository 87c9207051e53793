/* SPDX-License-Identifier: Apache-2.0 */
/* Short plans of SHORT_TUNNEL (plan.h): a header is put in front of TCP and UDP packets, which leave by one
 * port.  Byte for byte what run_tunnel_push() makes; a test compares them. */
#ifndef WEFT_DATAPLANE_RUN_SHORT_PUSH_H
#define WEFT_DATAPLANE_RUN_SHORT_PUSH_H

#include "dataplane/flow_hash.h"
#include "dataplane/run_tx.h"
#include "dataplane/tunnel.h"
#include "tunnels/encap_plain.h"

/* The tunnel's, and those of the underlay's flows: more go the long way. */
#define SHORT_PUSH_COUNTERS 6u

/* Where the last push of a burst went: of the pinned view.  Its counters get what is here when others
 * come, and by short_push_end(). */
struct short_push {
	uint32_t slot, generation; /* as the plan says; slot UINT32_MAX: none yet */
	uint64_t key[2];           /* of NORMAL's decision */
	bool normal;
	uint16_t low, high;        /* UDP source ports */
	uint32_t max_frame;
	struct tx_batch *batch;
	uint32_t n_packets, n_counters;
	uint64_t bytes, outer_bytes;
	struct counter *counters[SHORT_PUSH_COUNTERS]; /* the first: the tunnel's, of inner packets */
};
#define SHORT_PUSH_INIT { .slot = UINT32_MAX }

/* Makes 'to' the port that this plan leads to; false: it is gone, or packets must go the long way. */
bool short_push_find(struct runner *, const struct plan *, struct short_push *to);
/* The counters become those of this push. */
bool short_push_count_for(struct runner *, const struct op_tunnel_push *, struct short_push *to);
/* At the end of a burst. */
void short_push_end(struct runner *, struct short_push *);

static inline bool
short_push_is(const struct short_push *to, const struct plan *plan, const uint8_t *header)
{
	if (to->slot != plan->out_slot || to->normal != !!(plan->shortcut & SHORT_NORMAL))
		return false;
	if (!to->normal)
		return to->generation == plan->out_generation;
	/* The addresses; of the type normal_memo_key_of() only wants to know that it is no tag's. */
	return load64(header) == to->key[0] &&
	       load32(header + 8) == (uint32_t)to->key[1];
}

static inline bool
short_push_counts_are(const struct short_push *to, const struct op_tunnel_push *op)
{
	const struct op_count *o = (const struct op_count *)op_tunnel_push_nested(op);

	if (to->counters[0] != op->state->tx)
		return false;
	for (unsigned i = 1; i < to->n_counters; i++, o++)
		if (o->op.type != OP_COUNT || o->counter != to->counters[i])
			return false;
	return o->op.type != OP_COUNT;
}

/* Puts the header in front of a packet of this kind from a port, and sends it.  False: it wants more care;
 * nothing was done. */
static inline bool
short_push(struct runner *rn, const struct plan *plan, struct short_push *to, unsigned kind,
	   struct rte_mbuf *m)
{
	const struct op_tunnel_push *op = (const struct op_tunnel_push *)plan->ops;
	const struct tnl_template *t = &op->t;
	uint8_t *data = pkt_data(m), *ip = data + pkt_kind_l3(kind), tos, ttl;
	uint32_t size = pkt_size(m), outer = size + t->size, hash;

	if (unlikely(kind & (PKT_KIND_GRE | PKT_KIND_OTHER) || plan->ttl_min ||
		     m->ol_flags & PKT_TX_OPEN || m->data_off < t->size))
		return false;
	if (unlikely(!short_push_is(to, plan, t->header)) && !short_push_find(rn, plan, to))
		return false;
	if (unlikely(outer > to->max_frame || outer - 14 > UINT16_MAX))
		return false;
	if (unlikely(!short_push_counts_are(to, op)) && !short_push_count_for(rn, op, to))
		return false;
	if (likely(!(kind & PKT_KIND_IPV6))) {
		hash = flow_entropy(load64(ip + 12), load32(ip + 20), ip[9]);
		tos = ip[1];
		ttl = ip[8];
	} else {
		uint64_t addresses[4];

		memcpy(addresses, ip + 8, sizeof addresses);
		hash = flow_entropy(flow_entropy_fold6(addresses), load32(ip + 40), ip[6]);
		tos = (uint8_t)(ip[0] << 4 | ip[1] >> 4);
		ttl = ip[7];
	}
	uint16_t src_port = tnl_source_port(hash, to->low, to->high);
	tos = (op->op.u8 & TUNNEL_TOS_INHERIT ? tos & 0xfc : op->tos) | tnl_ecn_encap(tos);
	ttl = op->op.u8 & TUNNEL_TTL_INHERIT ? ttl : 0;
	if (likely(t->is_plain))
		tnl_put_plain(t, data - t->size, outer, src_port, tos, ttl);
	else
		tnl_template_apply(t, data - t->size, outer,
				   &(struct tnl_packet){ .src_port = src_port, .tos = tos, .ttl = ttl });
	m->data_off -= t->size;
	pkt_set_size(m, outer);
	to->n_packets++;
	to->bytes += size;
	to->outer_bytes += outer;
	runner_put(rn, to->batch, m);
	return true;
}

#endif
