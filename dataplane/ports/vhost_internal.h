/* SPDX-License-Identifier: Apache-2.0 */
/* vhost-user ports from inside: vhost.c (sockets, guests that come and go, state) and vhost_packets.c
 * (what workers call). */
#ifndef WEFT_DATAPLANE_PORTS_VHOST_INTERNAL_H
#define WEFT_DATAPLANE_PORTS_VHOST_INTERNAL_H

#include <stdatomic.h>

#include "base/list.h"
#include "dataplane/ports/port.h"

struct rte_mempool;

#define GUEST_QUEUES 128 /* pairs; what rte_vhost takes at most */
#define N_TXQ 16
#define NO_KICK (-1)

struct guest_queue { /* one that the guest sends on */
	_Atomic bool on;
	_Atomic bool armed;  /* the guest will kick at its next packet */
	_Atomic int kick;    /* our duplicate of the kick eventfd */
};

struct vhost_rxq {
	int epoll_fd;        /* kicks of the guest queues that this rxq serves, and 'nudge' */
	int nudge;           /* wakes the worker to look again */
	unsigned next;       /* guest queue to begin with */
};

struct vhost_counts { /* one writer each */
	_Atomic uint64_t packets, bytes, dropped;
};

struct vhost_port {
	struct wf_list node; /* in 'ports', under ports_lock */
	struct port *port;
	char *path;          /* NULL: not registered */
	bool client;
	uint8_t mac[6];
	uint32_t mtu;
	struct rte_mempool *pool;
	_Atomic int vid;     /* -1: no guest */
	_Atomic bool closing; /* main closes it: workers let go of the port before */
	_Atomic uint64_t link_resets;
	_Atomic unsigned n_queues;           /* guest queues up to the last that was ever on */
	struct guest_queue queue[GUEST_QUEUES];
	_Atomic bool tx_on[GUEST_QUEUES];    /* the guest receives there */
	_Atomic unsigned n_tx_on;            /* 0..n-1 are on */
	struct vhost_rxq rxq[PORT_MAX_QUEUES];
	struct vhost_counts rx_counts[PORT_MAX_QUEUES], tx_counts[N_TXQ];
};

/* Wakes the worker that serves a guest queue.  Any thread. */
void vhost_nudge(struct vhost_port *, unsigned guest_queue);

/* vhost_packets.c: port_class.rx and .tx. */
unsigned vhost_rx(struct port *, unsigned rxq, struct rte_mbuf **, unsigned max);
unsigned vhost_tx(struct port *, unsigned txq, struct rte_mbuf **, unsigned n);

#endif
