/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of both directions of a conversation: addresses and ports are combined so that swapping
 * source and destination does not matter.  Layers 2 to 4.  run_hash_key() takes the parts from a parsed
 * key; who has the packet's bytes at hand takes them from there. */
#ifndef WEFT_DATAPLANE_FLOW_HASH_H
#define WEFT_DATAPLANE_FLOW_HASH_H

#include "base/hash.h"

static inline uint32_t
flow_hash_fold(uint64_t h)
{
	uint32_t folded = h ^ h >> 32;

	return folded ? folded : 1; /* 0 says "no hash yet" */
}

/* macs: both addresses XORed, first byte lowest; type, tci, nw: as in the packet. */
static inline uint64_t
flow_hash_link(uint64_t macs, uint32_t basis, uint16_t type, uint16_t tci)
{
	return wf_hash_mix64(wf_hash_mix64(macs, basis + 0x1000193ull), (uint64_t)type << 16 | tci);
}

/* v6: both halves of both addresses XORed; nw: likewise for IPv4. */
static inline uint64_t
flow_hash_network(uint64_t h, uint64_t v6_high, uint64_t v6_low, uint32_t nw, uint8_t proto)
{
	return wf_hash_mix64(wf_hash_mix64(h ^ v6_high, v6_low), (uint64_t)nw << 8 | proto);
}

/* For where packets of one flow and one way go together: the source port of tunnels.  Of IP packets
 * addresses, as they stand in the packet, and ports (0 in fragments and where there are none). */
static inline uint32_t
flow_entropy(uint64_t addresses, uint32_t ports, uint8_t proto)
{
	uint64_t h = wf_hash_mix64(addresses, (uint64_t)ports << 8 | proto);

	return (uint32_t)(h ^ h >> 32);
}

static inline uint64_t
flow_entropy_fold6(const uint64_t addresses[4])
{
	return wf_hash_mix64(addresses[0] ^ addresses[3], addresses[1] + addresses[2]);
}

#endif
