/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbours of our own bridges: (bridge, IP address) -> Ethernet address, learned from ARP replies and
 * neighbour advertisements that reach a bridge, or set by the operator; and the requests that ask for
 * one.  Main; the clock is passed in. */
#ifndef WEFT_TUNNELS_NEIGH_H
#define WEFT_TUNNELS_NEIGH_H

#include "base/buf.h"
#include "tunnels/tunnel.h"

#define TNL_NEIGH_AGING_S 900
#define TNL_NEIGH_MAX_AGING_S 3600
#define TNL_NEIGH_MAX 65536 /* entries; more are not learned: who can send ARP could fill memory */

struct tnl_neighs *tnl_neighs_new(void);
void tnl_neighs_free(struct tnl_neighs *);
/* True if a look-up could now answer differently. */
bool tnl_neigh_set(struct tnl_neighs *, const char *bridge, const struct in6_addr *,
		   const uint8_t mac[6], int64_t now_ms);
/* Keeps the entry alive.  False: unknown or expired. */
bool tnl_neigh_lookup(struct tnl_neighs *, const char *bridge, const struct in6_addr *,
		      uint8_t mac[6], int64_t now_ms);
/* The same without a mark, for readers of a copy that nobody changes. */
bool tnl_neigh_find(const struct tnl_neighs *, const char *bridge, const struct in6_addr *, uint8_t mac[6]);
struct tnl_neighs *tnl_neighs_copy(const struct tnl_neighs *);
/* Of one bridge, or of all (NULL).  True if there were any. */
bool tnl_neigh_flush(struct tnl_neighs *, const char *bridge_or_null);
bool tnl_neigh_expire(struct tnl_neighs *, int64_t now_ms);
/* Calls 'fn' for those that end within a tenth of the ageing time, or two seconds if that is more; at most
 * 'max' of them. */
void tnl_neigh_for_each_old(const struct tnl_neighs *, int64_t now_ms, unsigned max,
			    void (*fn)(const char *bridge, const struct in6_addr *, void *aux), void *aux);
unsigned tnl_neigh_aging_s(const struct tnl_neighs *);
/* 1 to TNL_NEIGH_MAX_AGING_S, else false.  Shortens what is there. */
bool tnl_neigh_set_aging_s(struct tnl_neighs *, unsigned, int64_t now_ms);
void tnl_neigh_show(const struct tnl_neighs *, int64_t now_ms, struct wf_str *); /* tnl/neigh/show */

/* What a frame (from its Ethernet header on, untagged) says of its sender: an ARP reply or gratuitous
 * ARP (RFC 826, 5227), or a neighbour advertisement with a target link-layer address (RFC 4861), that
 * carries a usable address.  Never reads beyond 'size'. */
bool tnl_neigh_snoop(const uint8_t *frame, size_t size, struct in6_addr *, uint8_t mac[6]);

/* A request for 'target': broadcast ARP, or a neighbour solicitation to the solicited-node group.
 * Returns the size of the frame. */
#define TNL_NEIGH_REQUEST_MAX 86
size_t tnl_neigh_request(uint8_t frame[TNL_NEIGH_REQUEST_MAX], const uint8_t mac[6],
			 const struct in6_addr *source, const struct in6_addr *target);

#endif
