/* SPDX-License-Identifier: Apache-2.0 */
/* Transmit batches of a runner: packets gather by port until the burst ends or a batch is full. */
#ifndef WEFT_DATAPLANE_RUN_TX_H
#define WEFT_DATAPLANE_RUN_TX_H

#include "dataplane/run.h"

/* Sends a batch. */
void runner_flush_batch(struct runner *, struct tx_batch *);
/* Makes the batch of a slot. */
void runner_more_batches(struct runner *, uint32_t slot);

static inline bool
port_fits_size(const struct port *port, uint32_t size)
{
	return !port->max_frame || size <= port->max_frame;
}

static inline bool
port_fits(const struct port *port, const struct rte_mbuf *m)
{
	return port_fits_size(port, pkt_size(m));
}

/* The batch of 'slot' of the pinned view, which has 'port'; stays until the burst ends. */
static inline struct tx_batch *
runner_batch(struct runner *rn, uint32_t slot, struct port *port)
{
	if (unlikely(slot >= rn->n_batches || !rn->batches[slot]))
		runner_more_batches(rn, slot);
	struct tx_batch *b = rn->batches[slot];
	if (!b->port) {
		b->port = port;
		rn->dirty[rn->n_dirty++] = slot;
	}
	return b;
}

static inline void
runner_put(struct runner *rn, struct tx_batch *b, struct rte_mbuf *m)
{
	b->pkts[b->n++] = m;
	if (b->n == BURST_MAX)
		runner_flush_batch(rn, b);
}

static inline void
runner_enqueue(struct runner *rn, uint32_t slot, struct port *port, struct rte_mbuf *m)
{
	runner_put(rn, runner_batch(rn, slot, port), m);
}

#endif
