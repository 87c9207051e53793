/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/run.h"

#include <stdlib.h>

#include "dataplane/cache.h"
#include "dataplane/normal_memo.h"
#include "dataplane/run_decap.h"
#include "dataplane/slow_path.h"
#include "dataplane/tunnel.h"
#include "dataplane/walk_memo.h"

void
runner_init(struct runner *rn)
{
	memset(rn, 0, sizeof(*rn));
	rn->normal = wf_xmalloc(sizeof(*rn->normal));
	rn->memos = normal_memos_new();
	rn->decaps = decaps_new();
	rn->inner = wf_xzalloc(sizeof(*rn->inner));
}

void
runner_done(struct runner *rn)
{
	for (uint32_t i = 0; i < rn->n_batches; i++)
		free(rn->batches[i]);
	free(rn->batches);
	free(rn->dirty);
	free(rn->normal);
	normal_memos_free(rn->memos);
	walk_memo_free(rn->walks);
	decaps_free(rn->decaps);
	free(rn->inner);
}

void
runner_sync(struct runner *rn)
{
	cache_sync(rn->cache, rn->view, rn->now_ms);
	if (rn->walks)
		walk_memo_sync(rn->walks, rn->view, rn->now_ms);
}

void
runner_add_tallies(struct runner *rn)
{
	for (unsigned i = 0; i < rn->n_tallies; i++)
		counter_add(rn->tallies[i].counter, rn->tallies[i].packets, rn->tallies[i].bytes,
			    rn->now_ms);
	rn->n_tallies = 0;
}

const struct of_key *
pass_headers(struct pass *p, const struct rte_mbuf *m)
{
	if (likely(p->packet_type == OF_PT_ETH)) {
		const struct of_key *key = pkt_fast_parse(&p->rn->fast, m, &p->layers);

		if (likely(key)) {
			p->layers_valid = true;
			return key;
		}
	}
	return pass_key(p, m);
}

const struct of_key *
pass_key(struct pass *p, const struct rte_mbuf *m)
{
	struct of_key *key = &p->rn->key;

	/* Of the metadata only this is ever set here; the rest is 0. */
	key->in_port = p->in_port;
	key->packet_type = p->packet_type;
	key->dp_hash = p->dp_hash;
	key->pkt_mark = p->pkt_mark;
	key->skb_priority = p->skb_priority;
	pkt_parse_more(m, p->packet_type, p->pushed_tags, key, &p->layers);
	p->layers_valid = true;
	return key;
}

bool
run_guards(struct pass *p, const struct plan *plan, const struct rte_mbuf *m)
{
	const uint8_t *data = pkt_data(m);

	if (plan->ttl_min) {
		const struct pkt_layers *l = pass_layers(p, m);

		if (l->l3 != PKT_NO_OFS && pkt_size(m) >= l->l3 + 20u) {
			const uint8_t *ip = data + l->l3;

			if ((ip[0] >> 4 == 6 ? ip[7] : ip[8]) < plan->ttl_min)
				return false;
		}
	}
	if (plan->mpls_ttl_min) {
		const struct pkt_layers *l = pass_layers(p, m);

		if (l->l2_5 != PKT_NO_OFS && pkt_size(m) >= l->l2_5 + 4u &&
		    data[l->l2_5 + 3] < plan->mpls_ttl_min)
			return false;
	}
	return true;
}

/* --- Operations that cannot keep offloads ------------------------------------------------- */

static bool
needs_plain_packet(const struct plan_op *o)
{
	switch (o->type) {
	case OP_CONTROLLER:
	case OP_TRUNC:
	case OP_PUSH_MPLS:
	case OP_PUSH_PBB:
	case OP_PUSH_ETH:
	case OP_POP_ETH:
	case OP_ADD_MPLS:
	case OP_TUNNEL_SEND:
	case OP_TUNNEL_PUSH:
		return true;
	}
	return false;
}

/* What a GSO packet inside a tunnel may pass whole on its way to the end of the tunnel. */
static bool
keeps_inner(const struct plan_op *o)
{
	switch (o->type) {
	case OP_OUTPUT:
	case OP_NORMAL:
	case OP_METER:
	case OP_COUNT:
	case OP_DROP:
	case OP_MIRROR:
	case OP_CLONE:
	case OP_RECIRC:
	case OP_LEARN:
	case OP_TUNNEL_POP:
		return true;
	}
	return false;
}

/* Runs [o, end) on each segment of a GSO packet. */
static void
run_on_segments(struct pass *p, const struct plan_op *o, const struct plan_op *end,
		struct rte_mbuf *m)
{
	const struct pkt_layers *layers = pass_layers(p, m);
	unsigned n = pkt_segment_count(m, layers);
	struct rte_mbuf **segments = malloc(n * sizeof(*segments));
	int rc = segments ? pkt_segment(m, layers, segments, n) : -DROP_NO_MEMORY;

	pkt_free(m);
	if (rc < 0)
		pass_drop(p, -rc);
	for (int i = 0; i < rc; i++) {
		uint32_t mirrored[PLAN_MAX_STAYS];
		struct pass sub = *p;

		memcpy(mirrored, p->mirrored, p->plan->n_stays * sizeof(mirrored[0]));
		sub.mirrored = mirrored;
		sub.credit_size = pkt_size(segments[i]);
		run_ops(&sub, o, end, segments[i]);
	}
	free(segments);
}

/* --- Operations ------------------------------------------------------------------------- */

/* Nested operations: on the packet itself if nothing follows, else on a copy. */
static void
run_nested(struct pass *p, const struct plan_op *o, const struct plan_op *end, struct rte_mbuf *m,
	   bool owned)
{
	struct pass sub = *p;

	if (!owned) {
		m = pkt_copy(m);
		if (!m) {
			pass_drop(p, DROP_NO_MEMORY);
			return;
		}
	}
	run_ops(&sub, o, end, m);
}

static void
run_recirc(struct pass *p, const struct op_recirc *op, struct rte_mbuf *m, bool owned)
{
	const struct frozen *f = op->frozen;
	struct pass next = {
		.rn = p->rn, .fate = p->fate, .frozen = f, .bridge = f->bridge,
		.in_slot = p->in_slot, .in_generation = p->in_generation,
		.in_port = f->metadata.in_port, .packet_type = p->packet_type,
		.dp_hash = p->dp_hash, .pkt_mark = p->pkt_mark,
		.skb_priority = p->skb_priority, .depth = p->depth + 1, .tunnel = p->tunnel,
		.mirrored_before = op->op.u16 < PLAN_MAX_STAYS ? p->mirrored[op->op.u16] : 0,
	};

	if (next.depth > RUN_MAX_DEPTH) {
		pass_drop(p, DROP_CONTINUATION_TOO_DEEP);
		if (owned)
			pkt_free(m);
		return;
	}
	if (!owned && !(m = pkt_copy(m))) {
		pass_drop(p, DROP_NO_MEMORY);
		return;
	}
	stat_add(&p->rn->n_recirc, 1);
	pipeline_packet(&next, m);
	/* What it mirrored, other continuations of the same stay do not mirror again. */
	if (op->op.u16 < PLAN_MAX_STAYS)
		p->mirrored[op->op.u16] |= next.mirrored_before;
}

/* False: the packet was dropped. */
static bool
run_meter(struct pass *p, struct meter *meter, struct rte_mbuf *m)
{
	struct meter_band *band = meter_charge(meter, p->rn->now_ms, pkt_size(m));

	if (!band)
		return true;
	if (band->type == 1)
		return false;
	/* OpenFlow 1.3 section A.3.4.5: raise the drop precedence of an assured forwarding DSCP
	 * (RFC 2597: its bits 1 and 2 are 1 to 3). */
	const struct of_key *key = pass_key(p, m);
	unsigned dscp = key->nw_tos >> 2, precedence = dscp >> 1 & 3;
	bool is_ip = key->dl_type == RTE_BE16(0x0800) || key->dl_type == RTE_BE16(0x86dd);
	if (is_ip && !(dscp & 1) && precedence && dscp >> 3 >= 1 && dscp >> 3 <= 4) {
		precedence = RTE_MIN(precedence + band->prec_level, 3u);
		uint8_t tos = ((dscp & ~6u) | precedence << 1) << 2;

		if (key->dl_type == RTE_BE16(0x0800)) {
			struct op_set_ipv4 set = { .op = { .type = OP_SET_IPV4, .size = sizeof(set) },
						   .tos = tos, .tos_mask = 0xfc };
			run_set(p, &set.op, m);
		} else {
			struct op_set_ipv6 set = { .op = { .type = OP_SET_IPV6, .size = sizeof(set) },
						   .tos = tos, .tos_mask = 0xfc };
			run_set(p, &set.op, m);
		}
	}
	return true;
}

static void
run_failover(struct pass *p, const struct op_select *op, struct rte_mbuf *m, bool owned)
{
	const struct op_bucket *b = op_select_first_bucket(op);

	for (uint32_t i = 0; i < op->n_buckets; i++, b = op_bucket_next(b)) {
		if (bucket_is_alive(p->rn->view, op->group->bridge, b->bucket)) {
			run_nested(p, (const struct plan_op *)(b + 1),
				   (const struct plan_op *)op_bucket_next(b), m, owned);
			return;
		}
	}
	pass_drop(p, DROP_GROUP_NO_BUCKET);
	if (owned)
		pkt_free(m);
}

void
run_ops(struct pass *p, const struct plan_op *o, const struct plan_op *end, struct rte_mbuf *m)
{
	while (o < end) {
		const struct plan_op *next = (const struct plan_op *)((const uint8_t *)o + o->size);
		bool last = next >= end;
		enum drop_reason why;

		if (unlikely(m->ol_flags & PKT_TX_OPEN) &&
		    (needs_plain_packet(o) || (m->ol_flags & PKT_TX_INNER && !keeps_inner(o)))) {
			if (m->ol_flags & PKT_TX_SEG) {
				run_on_segments(p, o, end, m);
				return;
			}
			pkt_finish_checksums(m, pass_layers(p, m));
		}
		switch ((enum plan_op_type)o->type) {
		case OP_OUTPUT: {
			struct rte_mbuf *out = last ? m : pkt_copy(m);

			if (out)
				run_output(p, o->u32, ((const struct op_output *)o)->generation, out);
			else
				pass_drop(p, DROP_NO_MEMORY);
			if (last)
				return;
			break;
		}
		case OP_NORMAL:
			run_normal(p, (const struct op_normal *)o, m, last);
			if (last)
				return;
			break;
		case OP_CONTROLLER: {
			struct rte_mbuf *out = last ? m : pkt_copy(m);

			if (out)
				run_controller(p, (const struct op_controller *)o, out);
			else
				pass_drop(p, DROP_NO_MEMORY);
			if (last)
				return;
			break;
		}
		case OP_SLOW:
			if (o->u8)
				pipeline_packet_slow(p, m);
			else
				slow_push_packet(p, m);
			return;
		case OP_LEARN: {
			const struct op_learn *learn = (const struct op_learn *)o;
			struct rule *rule = atomic_load_explicit(&learn->flow->rule,
								 memory_order_acquire);

			if (!o->u8 && rule)
				atomic_store_explicit(&rule->modified_ms, p->rn->now_ms,
						      memory_order_relaxed);
			break;
		}
		case OP_METER:
			if (!run_meter(p, ((const struct op_meter *)o)->meter, m)) {
				pass_drop(p, DROP_METER);
				pkt_free(m);
				return;
			}
			break;
		case OP_COUNT:
			counter_add(((const struct op_count *)o)->counter, 1, p->credit_size,
				    p->rn->now_ms);
			break;
		case OP_DROP:
			pass_drop(p, o->u32);
			break;
		case OP_MIRROR:
			run_mirror(p, (const struct op_normal *)o, m);
			break;
		case OP_PROTOCOL:
			if (run_protocol(p, (const struct op_protocol *)o, m))
				return;
			break;
		case OP_CLONE:
			run_nested(p, o + 1, next, m, last);
			if (last)
				return;
			break;
		case OP_SELECT:
			run_select(p, (const struct op_select *)o, m, last);
			if (last)
				return;
			break;
		case OP_FAILOVER:
			run_failover(p, (const struct op_select *)o, m, last);
			if (last)
				return;
			break;
		case OP_RECIRC:
			/* Not "on a copy": the rest of the list went into the continuation. */
			last = last || !o->u8;
			run_recirc(p, (const struct op_recirc *)o, m, last);
			if (last)
				return;
			break;
		case OP_TRUNC:
			p->trunc = o->u32;
			break;
		case OP_HASH:
			p->dp_hash = run_hash(p, m, o->u32, o->u8);
			break;
		case OP_SET_META: {
			const struct op_set_meta *set = (const struct op_set_meta *)o;

			p->pkt_mark = (p->pkt_mark & ~set->mark_mask) |
				      (set->pkt_mark & set->mark_mask);
			p->skb_priority = (p->skb_priority & ~set->priority_mask) |
					  (set->skb_priority & set->priority_mask);
			break;
		}
		case OP_SET_ETH:
		case OP_SET_DL_TYPE:
		case OP_SET_VLAN:
		case OP_SET_IPV4:
		case OP_SET_IPV6:
		case OP_SET_L4:
		case OP_SET_ICMP:
		case OP_SET_TCP_FLAGS:
		case OP_SET_ARP:
		case OP_SET_ND:
		case OP_SET_MPLS:
		case OP_SET_PBB:
		case OP_DEC_MPLS_TTL:
		case OP_COPY_TTL_OUT:
		case OP_COPY_TTL_IN:
			run_set(p, o, m);
			break;
		case OP_DEC_TTL:
			if (!run_dec_ttl(p, m)) {
				pass_drop(p, DROP_TTL_EXPIRED);
				pkt_free(m);
				return;
			}
			break;
		case OP_PUSH_VLAN:
		case OP_POP_VLAN:
		case OP_PUSH_MPLS:
		case OP_POP_MPLS:
		case OP_PUSH_PBB:
		case OP_POP_PBB:
		case OP_PUSH_ETH:
		case OP_POP_ETH:
		case OP_ADD_MPLS:
			why = run_push(p, o, m);
			if (why) {
				pass_drop(p, why);
				pkt_free(m);
				return;
			}
			break;
		case OP_TUNNEL_SEND:
		case OP_TUNNEL_PUSH: {
			struct rte_mbuf *out = last ? m : pkt_copy(m);

			if (out && o->type == OP_TUNNEL_SEND)
				run_tunnel_send(p, (const struct op_tunnel_push *)o, out);
			else if (out)
				run_tunnel_push(p, (const struct op_tunnel_push *)o, out);
			else
				pass_drop(p, DROP_NO_MEMORY);
			if (last)
				return;
			break;
		}
		case OP_TUNNEL_WANT:
			underlay_wish(&((const struct op_tunnel_want *)o)->wish);
			break;
		case OP_SET_TUNNEL:
			/* An OUTPUT follows, but no socket could be had. */
			if (next < end && next->type == OP_OUTPUT)
				pass_drop(p, DROP_TUNNEL_NO_SOCKET);
			break;
		case OP_TUNNEL_POP:
			break;
		case OP_N_TYPES:
			break;
		}
		o = next;
	}
	pkt_free(m);
}

static bool
learned_are_there(const struct plan_op *o, const struct plan_op *end, uint64_t version,
		  bool is_main)
{
	for (; o < end; o = (const struct plan_op *)((const uint8_t *)o + o->size)) {
		if (o->type == OP_LEARN && !o->u8) {
			struct rule *rule = atomic_load_explicit(
				&((const struct op_learn *)o)->flow->rule, memory_order_acquire);

			if (rule && rule_is_visible(rule, version))
				continue;
			if (!is_main)
				return false;
			slow_path_call_learn(((const struct op_learn *)o)->flow);
		} else if (o->type == OP_CLONE &&
			   !learned_are_there(o + 1, (const struct plan_op *)((const uint8_t *)o +
									      o->size),
					      version, is_main)) {
			return false;
		}
	}
	return true;
}

bool
run_learned_are_there(struct pass *p, const struct plan *plan)
{
	return learned_are_there(plan->ops,
				 (const struct plan_op *)((const uint8_t *)plan->ops +
							  plan->ops_size),
				 p->rn->view->version, p->rn->is_main);
}

void
run_plan(struct pass *p, struct plan *plan, struct rte_mbuf *m)
{
	uint32_t mirrored[PLAN_MAX_STAYS];
	const struct plan_op *o = plan->ops;
	const struct plan_op *end = (const struct plan_op *)((const uint8_t *)o + plan->ops_size);

	p->plan = plan;
	p->trunc = 0;
	p->mirrored = mirrored;
	mirrored[0] = p->mirrored_before;
	for (unsigned i = 1; i < plan->n_stays; i++)
		mirrored[i] = 0;
	if (!plan->has_output)
		pass_drop(p, plan->drop_reason);
	run_ops(p, o, end, m);
	p->mirrored_before = mirrored[0];
}
