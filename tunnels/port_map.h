/* SPDX-License-Identifier: Apache-2.0 */
/* Which tunnel port a packet came in by.  A port is found by its endpoint (a kind of tunnel at a UDP
 * port), and by remote address, local address and key, each fixed, or flow-based, or (the local
 * address) any; fixed before flow-based, in Open vSwitch's order: key, then remote, then local.
 *
 * A map is immutable: main makes a new one when ports change, readers have one with their view.
 * Cost of a look-up: a probe for each combination that some port has, at most twelve. */
#ifndef WEFT_TUNNELS_PORT_MAP_H
#define WEFT_TUNNELS_PORT_MAP_H

#include "tunnels/config.h"

struct tnl_port_entry {
	const struct tnl_config *config; /* valid as long as the map */
	uint32_t endpoint;               /* the caller's number of (type, UDP port) */
	uint32_t port;                   /* the caller's number of the tunnel port */
};

struct tnl_port_map;

/* A map of the 'n' entries, which are copied.  Of two that no packet can tell apart the first stays;
 * 'duplicate' (may be NULL) is told of the other. */
struct tnl_port_map *tnl_port_map_new(const struct tnl_port_entry *, size_t n,
				      void (*duplicate)(const struct tnl_port_entry *first,
							const struct tnl_port_entry *second, void *aux),
				      void *aux);
void tnl_port_map_free(struct tnl_port_map *);

/* The entry for a packet that came to 'endpoint' with these outer values, or NULL. */
const struct tnl_port_entry *tnl_port_map_find(const struct tnl_port_map *, uint32_t endpoint,
					       const struct tnl_meta *, uint32_t inner);

#endif
