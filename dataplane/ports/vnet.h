/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net headers <-> offload flags of a packet (virtio 1.1 section 5.1.6).
 *
 * Inside weft an unfinished L4 checksum field holds the pseudo header's sum, length included, as
 * the Linux kernel and virtio guests leave it.  Threads: any; pure functions of one packet.
 */
#ifndef WEFT_DATAPLANE_PORTS_VNET_H
#define WEFT_DATAPLANE_PORTS_VNET_H

#include <linux/virtio_net.h>

#include "dataplane/packet.h"

/* A GSO packet of more segments lies: Linux sends TCP segments of 48 bytes at least, which are 1365, and
 * one packet of a guest must not cost the switch a hundred MB where the next port wants segments. */
#define VNET_SEGMENTS_MAX 2048
static inline bool
vnet_gso_size_is_sane(uint32_t size, uint16_t gso_size)
{
	return gso_size && size / gso_size <= VNET_SEGMENTS_MAX;
}

/* Sets the packet's flags from 'hdr', which came with it.  'shift': bytes that were inserted before
 * csum_start since (a restored VLAN tag).  A checksum at a place that flags cannot express is completed
 * here.  Returns false if the header lies (the packet must be dropped). */
bool vnet_to_packet(const struct virtio_net_hdr *hdr, unsigned shift, struct rte_mbuf *);

/* Writes the header for a packet on its way out. */
void vnet_from_packet(const struct rte_mbuf *, struct virtio_net_hdr *hdr);

#endif
