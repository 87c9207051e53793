/* SPDX-License-Identifier: Apache-2.0 */
/* The way of packets from workers to main; see worker.h for what main does with them.
 * Threads: any pushes, without a lock and without waiting; main drains. */
#ifndef WEFT_DATAPLANE_SLOW_PATH_H
#define WEFT_DATAPLANE_SLOW_PATH_H

#include "dataplane/run.h"

/* Packets of one port that may wait for one reason.  Double it and a storm on a port costs twice
 * the memory and delay before its own packets are dropped; other ports do not notice. */
#define SLOW_QUEUE_MAX 256

/* The packet is walked again by main.  Takes it over. */
void slow_push_packet(struct pass *, struct rte_mbuf *);
/* A packet-in with what the spec of the running plan says.  Takes the packet over. */
void slow_push_packet_in(struct pass *, const struct packet_in_spec *, struct rte_mbuf *);
/* A frame of a protocol that the switch speaks on 'port' of 'bridge' (protocol_rx.h).  Takes it over. */
void slow_push_protocol(struct pass *, struct bridge *, of_port_t port, uint8_t protocol,
			struct rte_mbuf *);
/* Are packets waiting? */
bool slow_path_pending(void);
void slow_path_done(void); /* at exit: frees what waits */
void slow_path_call_learn(struct learned_flow *); /* main */

#endif
