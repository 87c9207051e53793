/* SPDX-License-Identifier: Apache-2.0 */
/* Received frames of protocols that the switch itself speaks.  They go to main before any flow table
 * sees them (slow path, reason SLOW_PROTOCOL). */
#ifndef WEFT_DATAPLANE_PROTOCOL_RX_H
#define WEFT_DATAPLANE_PROTOCOL_RX_H

#include "dataplane/run.h"

/* A set in port->protocols and xport->protocols. */
enum { PROTOCOL_LACP = 1 << 0, PROTOCOL_BFD = 1 << 1 };

/* The one of 'wanted' that the frame belongs to, or 0.  LACP: EtherType 0x8809.  BFD: IPv4, UDP to
 * port 3784, not a later fragment; whether it is our session's, main decides. */
uint8_t protocol_of_frame(const struct rte_mbuf *, uint8_t wanted);

/* The same of a packet's key, as the port's own filter has it; marks in 'wc' what was looked at.  For text. */
uint8_t protocol_of_key(const struct of_key *, const struct xport *, struct of_key *wc);

/* Takes such frames out of a burst received by a port; returns how many are left.  'bridge' and
 * 'slot' are the port's. */
unsigned protocol_rx_burst(struct runner *, struct bridge *, uint32_t slot, uint32_t generation,
			   of_port_t, uint8_t wanted, struct rte_mbuf **, unsigned n);
/* The same for a packet that enters 'bridge' by a patch or tunnel port; true: taken over. */
bool protocol_rx_one(struct pass *, struct bridge *, const struct xport *, struct rte_mbuf *);

#endif
