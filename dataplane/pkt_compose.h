/* SPDX-License-Identifier: Apache-2.0 */
/* Packets from text: hex digits, or a flow in ovs-ofctl's or the datapath's syntax, for tests and
 * ofproto/trace.
 * Threads: main. */
#ifndef WEFT_DATAPLANE_PKT_COMPOSE_H
#define WEFT_DATAPLANE_PKT_COMPOSE_H

#include "dataplane/packet.h"
#include "openflow/key.h"

/* A packet with the headers that 'key' describes, right lengths and checksums, 64 bytes of payload
 * behind L4; at least 'size' bytes if that is not 0. */
struct rte_mbuf *pkt_compose(const struct of_key *key, uint32_t size);

/* 'text' is hex digits (spaces allowed) or a flow.  NULL with an error text that the caller frees. */
struct rte_mbuf *pkt_from_text(const char *text, uint32_t size, char **error);

#endif
