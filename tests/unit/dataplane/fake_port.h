/* SPDX-License-Identifier: Apache-2.0 */
/* A port for tests: packets are put into its receive queue and taken from what it sent. */
#ifndef TESTS_FAKE_PORT_H
#define TESTS_FAKE_PORT_H

#include "dataplane/ports/port.h"

/* n_rxq 1; a sleeping worker can wait for it; polled: it has no descriptor. */
struct port *fake_port_new(const char *name, bool polled);
void fake_port_free(struct port *);
/* The port receives 'm'.  Any thread. */
void fake_port_receive(struct port *, struct rte_mbuf *m);
/* What the port sent, oldest first; the caller frees it.  NULL: nothing (waits up to 'wait_ms'). */
struct rte_mbuf *fake_port_sent(struct port *, int wait_ms);
unsigned fake_port_n_sent(struct port *);  /* in all */
unsigned fake_port_n_waiting(struct port *); /* received and not taken by a worker yet */
/* From now on it receives copies of 'm' without end (NULL: no more).  Takes 'm' over. */
void fake_port_endless(struct port *, struct rte_mbuf *m);
void fake_port_sink(struct port *, bool); /* frees what is sent instead of keeping it */

#endif
