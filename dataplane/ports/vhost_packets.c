/* SPDX-License-Identifier: Apache-2.0 */
/* Packets from and to guests.  Threads: workers; see vhost.c. */
#include <rte_mbuf_ptype.h>
#include <rte_vhost.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "dataplane/drop.h"
#include "dataplane/ports/vhost_internal.h"
#include "dataplane/ports/vnet.h"

#define TX_RETRIES 8 /* while the guest makes room */

static void
count(struct vhost_counts *c, uint64_t packets, uint64_t bytes, uint64_t dropped)
{
	atomic_store_explicit(&c->packets,
			      atomic_load_explicit(&c->packets, memory_order_relaxed) + packets,
			      memory_order_relaxed);
	atomic_store_explicit(&c->bytes,
			      atomic_load_explicit(&c->bytes, memory_order_relaxed) + bytes,
			      memory_order_relaxed);
	if (dropped)
		atomic_store_explicit(&c->dropped,
				      atomic_load_explicit(&c->dropped, memory_order_relaxed) +
					      dropped,
				      memory_order_relaxed);
}

/* From what rte_vhost found in the header to what the switch wants: L4_CKSUM_NONE is an unfinished
 * checksum here, LRO a GSO packet.  False: the header lies. */
static bool
take_offloads(struct rte_mbuf *m)
{
	uint64_t flags = m->ol_flags;
	uint32_t l4 = m->packet_type & RTE_PTYPE_L4_MASK;
	bool open = (flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;
	uint64_t out = flags & RTE_MBUF_F_EXTERNAL;

	if (!(flags & (RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_MASK))) {
		m->packet_type = 0;
		return true;
	}
	if (open) {
		if (l4 == RTE_PTYPE_L4_TCP)
			out |= RTE_MBUF_F_TX_TCP_CKSUM;
		else if (l4 == RTE_PTYPE_L4_UDP)
			out |= RTE_MBUF_F_TX_UDP_CKSUM;
		else if (l4 == RTE_PTYPE_L4_SCTP)
			out |= RTE_MBUF_F_TX_SCTP_CKSUM;
		else
			return false;
		out |= RTE_ETH_IS_IPV4_HDR(m->packet_type) ? RTE_MBUF_F_TX_IPV4
							    : RTE_MBUF_F_TX_IPV6;
		out |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	} else {
		out |= flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	}
	if (flags & RTE_MBUF_F_RX_LRO) {
		if (!open || l4 != RTE_PTYPE_L4_TCP ||
		    !vnet_gso_size_is_sane(m->pkt_len, m->tso_segsz))
			return false;
		out |= RTE_MBUF_F_TX_TCP_SEG;
	}
	m->ol_flags = out;
	m->packet_type = 0;
	return true;
}

static unsigned
accept_packets(struct vhost_port *v, unsigned rxq, struct rte_mbuf **pkts, unsigned n)
{
	uint64_t bytes = 0;
	unsigned n_out = 0, bad = 0;

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		enum drop_reason why = m->nb_segs != 1	    ? DROP_RX_CUT
				       : m->pkt_len < 14    ? DROP_RX_TOO_SHORT
				       : !take_offloads(m) ? DROP_RX_BAD_OFFLOAD
							    : DROP_NONE;
		if (why) {
			drop_count(why, 1);
			rte_pktmbuf_free(m);
			bad++;
			continue;
		}
		bytes += m->pkt_len;
		pkts[n_out++] = m;
	}
	count(&v->rx_counts[rxq], n_out, bytes, bad);
	return n_out;
}

/* Nothing is left in guest queue 'q': asks for a kick.  True if it did and nothing came meanwhile. */
static bool
arm(struct vhost_port *v, int vid, unsigned q)
{
	struct guest_queue *g = &v->queue[q];

	if (!atomic_load_explicit(&g->armed, memory_order_relaxed)) {
		rte_vhost_enable_guest_notification(vid, (uint16_t)(q * 2 + 1), 1);
		atomic_store_explicit(&g->armed, true, memory_order_relaxed);
	}
	/* The guest adds a packet, then looks whether we want a kick; we the other way round. */
	atomic_thread_fence(memory_order_seq_cst);
	return rte_vhost_rx_queue_count(vid, (uint16_t)(q * 2 + 1)) == 0;
}

unsigned
vhost_rx(struct port *p, unsigned rxq, struct rte_mbuf **pkts, unsigned max)
{
	struct vhost_port *v = p->impl;
	struct vhost_rxq *r = &v->rxq[rxq];
	int vid = atomic_load_explicit(&v->vid, memory_order_acquire);
	unsigned n_queues = atomic_load_explicit(&v->n_queues, memory_order_acquire);
	unsigned n_mine = n_queues > rxq ? (n_queues - rxq + p->n_rxq - 1) / p->n_rxq : 0;
	struct epoll_event kicks[64];
	uint64_t ticks;
	bool left = false;

	for (unsigned i = 0; vid >= 0 && i < n_mine; i++) {
		unsigned q = rxq + (r->next + i) % n_mine * p->n_rxq;
		struct guest_queue *g = &v->queue[q];

		if (!atomic_load_explicit(&g->on, memory_order_acquire))
			continue;
		unsigned n = rte_vhost_dequeue_burst(vid, (uint16_t)(q * 2 + 1), v->pool, pkts,
						     (uint16_t)max);
		if (!n)
			continue;
		r->next = (r->next + i + 1) % n_mine;
		if (atomic_load_explicit(&g->armed, memory_order_relaxed)) {
			atomic_store_explicit(&g->armed, false, memory_order_relaxed);
			rte_vhost_enable_guest_notification(vid, (uint16_t)(q * 2 + 1), 0);
		}
		n = accept_packets(v, rxq, pkts, n);
		if (n)
			return n;
		left = true;
	}
	/* All are empty: sleep until a kick. */
	if (read(r->nudge, &ticks, sizeof ticks) < 0)
		ticks = 0;
	/* Takes the kicks back.  They are not read: the other side chooses what the descriptor is and
	 * whether a read of it blocks. */
	if (epoll_wait(r->epoll_fd, kicks, 64, 0) < 0)
		ticks = 0;
	for (unsigned i = 0; vid >= 0 && i < n_mine; i++) {
		unsigned q = rxq + i * p->n_rxq;

		if (atomic_load_explicit(&v->queue[q].on, memory_order_acquire))
			left |= !arm(v, vid, q);
	}
	if (left)
		vhost_nudge(v, rxq);
	return 0;
}

static bool
is_open(const struct rte_mbuf *m, unsigned caps)
{
	return (m->ol_flags & PKT_TX_SEG && !(caps & PORT_CAP_TSO)) ||
	       (m->ol_flags & RTE_MBUF_F_TX_L4_MASK && !(caps & PORT_CAP_CSUM));
}

unsigned
vhost_tx(struct port *p, unsigned txq, struct rte_mbuf **pkts, unsigned n)
{
	struct vhost_port *v = p->impl;
	unsigned n_on = atomic_load_explicit(&v->n_tx_on, memory_order_acquire);
	int vid = atomic_load_explicit(&v->vid, memory_order_acquire);
	unsigned n_ok = 0, sent = 0, caps;
	struct rte_mbuf *ok[BURST_MAX];
	uint64_t bytes = 0;

	if (vid < 0 || !n_on) {
		drop_count(DROP_OUT_PORT_DOWN, n);
		count(&v->tx_counts[txq], 0, 0, n);
		pkt_free_bulk(pkts, n);
		return 0;
	}
	caps = atomic_load_explicit(&p->caps, memory_order_acquire);
	for (unsigned i = 0; i < n; i++) {
		/* Prepared for the guest that was there before, or larger than an mbuf can say. */
		if (unlikely(n_ok == BURST_MAX || is_open(pkts[i], caps) ||
			     pkt_size(pkts[i]) >= UINT16_MAX)) {
			drop_count(pkt_size(pkts[i]) >= UINT16_MAX ? DROP_OUT_MTU
								    : DROP_OUT_TX_ERROR, 1);
			continue;
		}
		ok[n_ok++] = pkts[i];
	}
	for (unsigned tries = 0; sent < n_ok && tries <= TX_RETRIES; tries++) {
		unsigned k = rte_vhost_enqueue_burst(vid, (uint16_t)(txq % n_on * 2), ok + sent,
						     (uint16_t)(n_ok - sent));
		if (!k)
			break;
		sent += k;
	}
	for (unsigned i = 0; i < sent; i++)
		bytes += pkt_size(ok[i]);
	if (sent < n_ok)
		drop_count(DROP_OUT_TX_FULL, n_ok - sent);
	count(&v->tx_counts[txq], sent, bytes, n - sent);
	pkt_free_bulk(pkts, n);
	return sent;
}
