/* SPDX-License-Identifier: Apache-2.0 */
/* Packets leave: to ports, through NORMAL, to mirrors and to the controller. */
#include "dataplane/run.h"

#include <stdlib.h>

#include "dataplane/normal_memo.h"
#include "dataplane/policer.h"
#include "dataplane/protocol_rx.h"
#include "dataplane/run_tx.h"
#include "dataplane/slow_path.h"
#include "dataplane/tunnel.h"

/* --- Transmit batches ------------------------------------------------------------------------- */

void
runner_flush_batch(struct runner *rn, struct tx_batch *b)
{
	struct port *port = b->port;
	bool shared = port->n_txq <= 1 || rn->txq >= port->n_txq;
	unsigned txq = shared ? 0 : rn->txq;

	if (unlikely(rn->held)) {
		wf_buf_put(rn->held, b, sizeof(*b));
		b->n = 0;
		return;
	}
	struct policer *policer = atomic_load_explicit(&port->tx_policer, memory_order_acquire);
	if (unlikely(policer))
		b->n = policer_admit(policer, b->pkts, b->n);
	/* Queue 0 is everybody's who has none of his own; queue i is runner i's alone. */
	if (shared || txq == 0)
		pthread_spin_lock(&port->tx_lock);
	port->class->tx(port, txq, b->pkts, b->n);
	if (shared || txq == 0)
		pthread_spin_unlock(&port->tx_lock);
	stat_add(&rn->n_tx_batches, 1);
	stat_add(&rn->n_tx_packets, b->n);
	b->n = 0;
}

void
runner_flush(struct runner *rn)
{
	for (uint32_t i = 0; i < rn->n_dirty; i++) {
		struct tx_batch *b = rn->batches[rn->dirty[i]];

		if (b->n)
			runner_flush_batch(rn, b);
		b->port = NULL;
	}
	rn->n_dirty = 0;
}

void
runner_release(struct runner *rn, bool send)
{
	struct wf_buf held = *rn->held;
	struct tx_batch *b = (struct tx_batch *)held.data;

	*rn->held = (struct wf_buf)WF_BUF_INIT;
	rn->held = NULL;
	for (size_t n = held.size / sizeof(*b); n; n--, b++) {
		if (send)
			runner_flush_batch(rn, b);
		else
			pkt_free_bulk(b->pkts, b->n);
	}
	wf_buf_done(&held);
}

void
runner_more_batches(struct runner *rn, uint32_t slot)
{
	uint32_t n = rn->view->n_slots;

	if (slot >= rn->n_batches) {
		rn->batches = wf_xrealloc(rn->batches, n * sizeof(*rn->batches));
		memset(rn->batches + rn->n_batches, 0, (n - rn->n_batches) * sizeof(*rn->batches));
		rn->n_batches = n;
		rn->dirty = wf_xrealloc(rn->dirty, n * sizeof(*rn->dirty));
	}
	if (!rn->batches[slot])
		rn->batches[slot] = wf_xzalloc(sizeof(struct tx_batch));
}

/* --- Output to a port ----------------------------------------------------------------------------- */

static void
output_segments(struct pass *p, uint32_t slot, struct port *port, struct rte_mbuf *m)
{
	const struct pkt_layers *layers = pass_layers(p, m);
	unsigned n = pkt_segment_count(m, layers);
	struct rte_mbuf **segments = malloc(n * sizeof(*segments));
	int rc = segments ? pkt_segment(m, layers, segments, n) : -DROP_NO_MEMORY;

	pkt_free(m);
	if (rc < 0)
		pass_drop(p, -rc);
	for (int i = 0; i < rc; i++) {
		if (port_fits(port, segments[i])) {
			runner_enqueue(p->rn, slot, port, segments[i]);
			p->fate->n_out++;
		} else {
			pass_drop(p, DROP_OUT_MTU);
			pkt_free(segments[i]);
		}
	}
	free(segments);
}

/* Brings a packet's offloads to what the port takes.  False: it must be split. */
static bool
fit_offloads(struct pass *p, const struct port *port, struct rte_mbuf *m)
{
	/* The class looks again when it sends: they may have changed by then. */
	unsigned caps = atomic_load_explicit(&port->caps, memory_order_relaxed), need = 0;

	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		need = PORT_CAP_TSO;
	else if (m->ol_flags & RTE_MBUF_F_TX_UDP_SEG)
		need = PORT_CAP_UFO;
	if ((need && !(caps & need)) || unlikely(m->ol_flags & PKT_TX_INNER))
		return false;
	const struct pkt_layers *layers = pass_layers(p, m);
	if (!need && !(caps & PORT_CAP_CSUM))
		pkt_finish_checksums(m, layers);
	else if (!pkt_prepare_offloads(m, layers))
		pkt_finish_checksums(m, layers);
	return true;
}

void
run_output_outer(struct pass *p, uint32_t slot, uint32_t generation, struct rte_mbuf *m)
{
	const struct view *v = p->rn->view;
	const struct view_slot *vs = slot < v->n_slots ? &v->slots[slot] : NULL;

	if (unlikely(!vs || vs->generation != generation || !vs->port)) {
		pass_drop(p, DROP_TUNNEL_NO_SOCKET);
		pkt_free(m);
		return;
	}
	runner_enqueue(p->rn, slot, vs->port, m);
	p->fate->n_out++;
}

void
run_output(struct pass *p, uint32_t slot, uint32_t generation, struct rte_mbuf *m)
{
	const struct view *v = p->rn->view;
	const struct view_slot *vs = slot < v->n_slots ? &v->slots[slot] : NULL;
	uint32_t trunc = p->trunc;

	p->trunc = 0;
	if (unlikely(!vs || vs->generation != generation || !vs->port)) {
		pass_drop(p, DROP_OUT_NO_PORT);
		pkt_free(m);
		return;
	}
	if (unlikely(v->tunnels) && vs->ends_tunnels && run_tunnel_deliver(p, vs, m))
		return;
	if (unlikely(p->packet_type != OF_PT_ETH)) {
		pass_drop(p, DROP_UNSUPPORTED_PACKET_TYPE);
		pkt_free(m);
		return;
	}
	/* OP_TRUNC completed the offloads. */
	if (unlikely(trunc && trunc < pkt_size(m)))
		pkt_set_size(m, trunc);
	if (unlikely(m->ol_flags & PKT_TX_OPEN) && !fit_offloads(p, vs->port, m)) {
		output_segments(p, slot, vs->port, m);
		return;
	}
	if (unlikely(!port_fits(vs->port, m)) && !(m->ol_flags & PKT_TX_SEG)) {
		pass_drop(p, DROP_OUT_MTU);
		pkt_free(m);
		return;
	}
	if (unlikely(p->skb_priority)) {
		m->hash.sched.queue_id = p->skb_priority;
		m->ol_flags |= PKT_HAS_QUEUE;
	}
	runner_enqueue(p->rn, slot, vs->port, m);
	p->fate->n_out++;
}

/* --- NORMAL and mirrors -------------------------------------------------------------------------- */

/* Statistics of both ends of a patch (rule 17). */
static void
count_patch(struct runner *rn, const struct xport *port, uint32_t bytes)
{
	const struct view *v = rn->view;
	const struct bridge *b = port->peer_bridge;
	const struct bridge_view *bv = b && b->index < v->n_bridges ? v->bridges[b->index] : NULL;
	const struct xport *peer = bv && bv->ports ? xport_find(bv->ports, port->peer_port) : NULL;

	if (port->tx_patch)
		runner_count(rn, port->tx_patch, bytes);
	if (peer && peer->rx_patch)
		runner_count(rn, peer->rx_patch, bytes);
}

/* Is it a frame of a protocol that the switch speaks at the other end of a patch port? */
static bool
peer_takes(struct pass *p, const struct xport *port, struct rte_mbuf *m)
{
	const struct view *v = p->rn->view;
	const struct bridge *b = port->peer_bridge;
	const struct bridge_view *bv = b && b->index < v->n_bridges ? v->bridges[b->index] : NULL;
	const struct xport *peer = bv && bv->ports ? xport_find(bv->ports, port->peer_port) : NULL;

	return peer && peer->protocols && protocol_rx_one(p, bv->bridge, peer, m);
}

/* The packet goes on in the bridge at the other end of a patch port, or into a tunnel. */
static void
enter_patch(struct pass *p, const struct op_normal *op, const struct normal_output *o,
	    struct rte_mbuf *m)
{
	const struct view *v = p->rn->view;
	const struct frozen *f = NULL;

	for (uint32_t i = 0; i < op->n_patches; i++)
		if (op->patches[i].port == o->port->ofp_port)
			f = op->patches[i].frozen;
	if (!f && o->port->is_tunnel) {
		const struct tunnel_port *tp = tunnel_port_by_slot(v->tunnels, o->port->slot);

		f = tp ? tp->frozen : NULL;
	}
	if (!f || p->depth >= RUN_MAX_DEPTH) {
		pass_drop(p, f ? DROP_CONTINUATION_TOO_DEEP : DROP_OUT_NO_PORT);
		pkt_free(m);
		return;
	}
	if (o->port->is_patch) {
		count_patch(p->rn, o->port, p->credit_size);
		if (peer_takes(p, o->port, m))
			return;
	}

	/* The slot stays that of the port by which the packet came into the switch: caches and
	 * queues are shared out by it. */
	struct pass next = {
		.rn = p->rn, .fate = p->fate, .frozen = f, .bridge = f->bridge,
		.in_slot = p->in_slot, .in_generation = p->in_generation,
		.in_port = f->metadata.in_port, .packet_type = p->packet_type,
		.depth = p->depth + 1, .credit_size = p->credit_size,
		.pushed_tags = p->pushed_tags,
		.pkt_mark = p->pkt_mark, .skb_priority = p->skb_priority,
	};
	pipeline_packet(&next, m);
}

/* Queue:dscp. */
static void
mark_dscp(struct pass *p, const struct bundle *u, struct rte_mbuf *m)
{
	struct op_set_ipv4 v4 = { .op = { .type = OP_SET_IPV4, .size = sizeof v4 }, .tos_mask = 0xfc };
	struct op_set_ipv6 v6 = { .op = { .type = OP_SET_IPV6, .size = sizeof v6 }, .tos_mask = 0xfc };
	const struct of_key *k;

	if (!bundle_dscp(u, p->skb_priority, &v4.tos))
		return;
	v6.tos = v4.tos;
	k = pass_headers(p, m);
	if (k->dl_type == RTE_BE16(0x0800))
		run_set(p, &v4.op, m);
	else if (k->dl_type == RTE_BE16(0x86dd))
		run_set(p, &v6.op, m);
}

/* One output of NORMAL or of a mirror.  Takes the packet over. */
static void
run_normal_output(struct pass *p, const struct op_normal *op, const struct normal_output *o,
		  struct rte_mbuf *m)
{
	struct pass sub = *p;
	enum drop_reason why = DROP_NONE;

	for (unsigned i = 0; i < o->n_pop; i++)
		run_pop_vlan(&sub, m);
	if (o->tagged)
		why = run_push_vlan(&sub, m, o->tpid, (uint16_t)o->vid | o->pcp << OF_VLAN_PCP_SHIFT);
	if (why) {
		pass_drop(p, why);
		pkt_free(m);
		return;
	}
	if (o->max_len && o->max_len < pkt_size(m)) {
		/* A mirror's snaplen: of a GSO packet, the beginning. */
		pkt_finish_checksums(m, pass_layers(&sub, m));
		pkt_set_size(m, o->max_len);
		sub.layers_valid = false;
	}
	if (unlikely(o->port->bundle && o->port->bundle->n_dscps))
		mark_dscp(&sub, o->port->bundle, m);
	sub.trunc = 0;
	if (o->port->is_patch || o->port->is_tunnel)
		enter_patch(&sub, op, o, m);
	else
		run_output(&sub, o->port->slot, o->port->generation, m);
}

/* Carries out the runner's normal_result. */
static void
run_outputs(struct pass *p, const struct op_normal *op, struct rte_mbuf *m, bool owned)
{
	struct normal_result *result = p->rn->normal;
	struct normal_output few[16], *outs = result->out;
	unsigned n = result->n;

	/* Behind a patch port another NORMAL may use the runner's result. */
	for (unsigned i = 0; i < n; i++) {
		if (result->out[i].port->is_patch || result->out[i].port->is_tunnel) {
			outs = n <= 16 ? few : wf_xmalloc(n * sizeof(*outs));
			memcpy(outs, result->out, n * sizeof(*outs));
			break;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		bool last = owned && i + 1 == n;
		struct rte_mbuf *out = last ? m : pkt_copy(m);

		if (out)
			run_normal_output(p, op, &outs[i], out);
		else
			pass_drop(p, DROP_NO_MEMORY);
		if (last)
			owned = false;
	}
	if (owned)
		pkt_free(m);
	if (outs != result->out && outs != few)
		free(outs);
}

static const struct bridge_view *
bridge_view(const struct view *v, const struct bridge *b)
{
	return b->index < v->n_bridges ? v->bridges[b->index] : NULL;
}

/* Mirrors that have the packet in this stay. */
static uint32_t
mirrored_of(const struct pass *p, const struct plan_op *op)
{
	return op->u16 < PLAN_MAX_STAYS ? p->mirrored[op->u16] : 0;
}

static void
note_mirrored(struct pass *p, const struct plan_op *op)
{
	if (op->u16 < PLAN_MAX_STAYS)
		p->mirrored[op->u16] |= p->rn->normal->mirrored;
}

/* As was decided for such a packet before. */
static void
run_memo(struct pass *p, const struct normal_memo *memo, struct rte_mbuf *m, bool owned)
{
	uint32_t trunc = p->trunc;

	if (!owned && !(m = pkt_copy(m))) {
		pass_drop(p, DROP_NO_MEMORY);
		return;
	}
	p->trunc = 0;
	run_output(p, memo->slot, p->rn->view->slots[memo->slot].generation, m);
	p->trunc = trunc;
}

void
run_normal(struct pass *p, const struct op_normal *op, struct rte_mbuf *m, bool owned)
{
	struct runner *rn = p->rn;
	const struct bridge_view *bv = bridge_view(rn->view, op->bridge);
	uint64_t key[2];
	bool keep;

	if (!bv) {
		pass_drop(p, DROP_RX_NO_BRIDGE);
		if (owned)
			pkt_free(m);
		return;
	}
	keep = p->packet_type == OF_PT_ETH && bv->l2 && bv->bridge->macs &&
	       normal_memo_key(normal_memo_who(op->bridge, op->in_port), m, key);
	if (keep) {
		const struct normal_memo *memo = normal_memo_find(
			rn->memos, rn->view->config_version, rn->now_ms, key);

		if (memo) {
			run_memo(p, memo, m, owned);
			return;
		}
	}
	rn->normal->now_ms = rn->now_ms;
	normal_decide(rn->view, bv, op->in_port, pass_key(p, m), m, true,
		      op->mirrored | mirrored_of(p, &op->op), rn->normal, NULL);
	note_mirrored(p, &op->op);
	if (keep)
		normal_memo_put(rn->memos, rn->view, bv, op->in_port, key, rn->normal);
	if (!rn->normal->n)
		pass_drop(p, rn->normal->drop);
	run_outputs(p, op, m, owned);
}

void
run_mirror(struct pass *p, const struct op_normal *op, struct rte_mbuf *m)
{
	const struct bridge_view *bv = bridge_view(p->rn->view, op->bridge);

	p->rn->normal->mirrored = mirrored_of(p, &op->op);
	if (!bv || !(op->op.u32 & ~p->rn->normal->mirrored))
		return;
	mirror_outputs(p->rn->view, bv, op->op.u32, op->in_port, pass_key(p, m), pkt_size(m),
		       p->rn->normal);
	note_mirrored(p, &op->op);
	run_outputs(p, op, m, false);
}

bool
run_protocol(struct pass *p, const struct op_protocol *op, struct rte_mbuf *m)
{
	const struct bridge_view *bv = bridge_view(p->rn->view, op->bridge);
	const struct xport *port = bv && bv->ports ? xport_find(bv->ports, op->port) : NULL;

	return port && port->protocols && protocol_rx_one(p, op->bridge, port, m);
}

/* --- Packet-in ------------------------------------------------------------------------------------ */

void
run_controller(struct pass *p, const struct op_controller *op, struct rte_mbuf *m)
{
	if (p->trunc && p->trunc < pkt_size(m))
		pkt_set_size(m, p->trunc);
	p->trunc = 0;
	slow_push_packet_in(p, op->spec, m);
}
