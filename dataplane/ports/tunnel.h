/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnel endpoints on the host's own addresses: sockets, for bridges whose underlay is none of ours.
 *
 *   UDP tunnels   a UDP socket for IPv4 and one for IPv6 at the tunnel's port; up to 64 more for each
 *                 combination of (IP version, checksum, don't fragment) to send from, chosen by the
 *                 outer source port, so that the paths have the inner flows' entropy
 *   GRE, ERSPAN   raw sockets of protocol 47
 *
 * The kernel routes, resolves neighbours, keeps the path MTU, reassembles fragments; and, as somebody
 * listens, answers nobody with "port unreachable" or "protocol unreachable".
 *
 * Packets of such a port begin with the outer IP header, both ways (packet type (1, 0x800) or (1, 0x86dd)).
 * Received ones: the header is made from what the kernel says of the packet, UDP checksum 0 (it was
 * checked).  Sent ones: addresses, TOS, TTL, DF, the UDP ports and whether the UDP checksum is 0 are
 * taken from the header; the rest is the kernel's.  mbuf->hash.usr is the packet mark.
 */
#ifndef WEFT_DATAPLANE_PORTS_TUNNEL_H
#define WEFT_DATAPLANE_PORTS_TUNNEL_H

#include "dataplane/ports/port.h"
#include "tunnels/tunnel.h"

/* Main.  Returns 0, or a negative errno: who has the UDP port says it in 'err'. */
int tunnel_sockets_open(const char *name, enum tnl_type, uint16_t udp_port, struct port **, struct wf_err *);

/* Each socket that receives, for the next daemon, whose tunnel_sockets_open() takes it if it is among those
 * that were handed in (handed.h). */
void tunnel_sockets_give(const struct port *,
			 void (*give)(const char *type, const char *name, int fd, void *aux), void *aux);

/* --- Inside ports/tunnel*.c ----------------------------------------------------------------- */

#define TUNNEL_TX_SOCKETS 64
enum { TUNNEL_TX_V6 = 1, TUNNEL_TX_CSUM = 2, TUNNEL_TX_DF = 4, TUNNEL_TX_KINDS = 8 };

/* Of a receive queue: what one system call brought beyond what the worker took. */
#define TUNNEL_LEFT_MAX (BURST_MAX * 64)
struct tunnel_rxq {
	int fd;
	bool is_v6;
	bool is_large; /* the last calls brought large packets */
	unsigned n_left, at_left;
	struct rte_mbuf *left[TUNNEL_LEFT_MAX];
};

struct tunnel_sockets {
	enum tnl_type type;
	uint16_t udp_port;
	struct tunnel_rxq *rxq[2];
	pthread_mutex_t lock;  /* over the making of sockets to send from */
	_Atomic int tx_fd[TUNNEL_TX_KINDS][TUNNEL_TX_SOCKETS]; /* 0: none yet */
	_Atomic uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, tx_errors;
};

unsigned tunnel_sockets_tx(struct port *, unsigned txq, struct rte_mbuf **, unsigned n);
/* A socket that only sends: what comes to it is thrown away before it is queued. */
void tunnel_socket_deafen(int fd);

#endif
