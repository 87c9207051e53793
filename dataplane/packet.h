/* SPDX-License-Identifier: Apache-2.0 */
/* Packets.
 *
 * A packet is a 'struct rte_mbuf' of ONE segment, so that every port, DPDK's or the
 * kernel's, hands over the same thing and headers are read without walking chains.
 * Those from DPDK belong to a mempool.  Those of kernel ports come from our own
 * allocator (m->pool == NULL) in two sizes, 2 KB and 68 KB (a whole GSO packet), so that
 * a switch with kernel ports only never needs EAL, mempools or huge pages.
 *
 *   buf_addr | headroom (>= PKT_HEADROOM) | data_len bytes | tailroom |
 *
 * Offloads belong to the packet: ol_flags, l2_len, l3_len, l4_len, tso_segsz mean what they
 * mean to rte_eth_tx_burst():
 *   RTE_MBUF_F_TX_L4_MASK  the L4 checksum is not computed yet, only its pseudo header
 *   RTE_MBUF_F_TX_TCP_SEG  a GSO packet of tso_segsz
 *   RTE_MBUF_F_RX_L4_CKSUM_GOOD / _BAD: what the receiver knew
 * Threads: a packet belongs to one thread at a time.
 */
#ifndef WEFT_DATAPLANE_PACKET_H
#define WEFT_DATAPLANE_PACKET_H

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define PKT_HEADROOM 256
#define PKT_SMALL_ROOM 2048
#define PKT_LARGE_ROOM (65536 + 2048)
#define BURST_MAX 32

/* A packet with room for 'size' bytes, data_len 0; NULL when memory is out. Per-thread
 * free lists; any thread may free. */
struct rte_mbuf *pkt_alloc(uint32_t size);
void pkt_free(struct rte_mbuf *);
void pkt_free_bulk(struct rte_mbuf **, unsigned n);
/* A copy with its offload flags, always from our allocator. */
struct rte_mbuf *pkt_copy(const struct rte_mbuf *);
struct rte_mbuf *pkt_from_bytes(const void *, uint32_t size);

static inline uint8_t *
pkt_data(const struct rte_mbuf *m)
{
	return (uint8_t *)m->buf_addr + m->data_off;
}

static inline uint32_t
pkt_size(const struct rte_mbuf *m)
{
	return m->pkt_len; /* data_len is the same, or 65535 where 16 bits do not hold it */
}

/* Makes 'size' more bytes before the packet (the data moves back if there is no headroom);
 * returns the new start, or NULL when the buffer is full: the packet is then unchanged. */
void *pkt_push(struct rte_mbuf *, uint32_t size);
/* Drops bytes from the front; NULL (unchanged) when the packet has fewer. */
void *pkt_pull(struct rte_mbuf *, uint32_t size);
/* Bytes behind the packet's end are undefined when it grows; not beyond pkt_capacity(). */
static inline void
pkt_set_size(struct rte_mbuf *m, uint32_t size)
{
	m->pkt_len = size;
	m->data_len = size < UINT16_MAX ? (uint16_t)size : UINT16_MAX;
}
uint32_t pkt_capacity(const struct rte_mbuf *); /* from pkt_data() to the end of the buffer */
/* At a thread's end: gives its free packets to the others. */
void pkt_thread_done(void);

/* The packet's queue (set_queue) is in hash.sched.queue_id; for ports with a queueing discipline. */
#define PKT_HAS_QUEUE RTE_MBUF_F_FIRST_FREE
/* The open offloads are those of a packet inside a tunnel (its headers begin m->l2_len bytes behind the outer
 * L4 header's start, and m->l3_len is its IP header's size).  No port takes them: such a packet comes out
 * of its tunnel whole, or is segmented before anything else is done to it. */
#define PKT_TX_INNER (RTE_MBUF_F_FIRST_FREE << 1)
#define PKT_TX_SEG (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)
#define PKT_TX_OPEN (PKT_TX_SEG | RTE_MBUF_F_TX_L4_MASK)

/* Where the headers are, offsets from pkt_data(); PKT_NO_OFS if absent. */
#define PKT_NO_OFS 0xffff
struct pkt_layers {
	uint16_t l2_5; /* first MPLS label */
	uint16_t l3;   /* IPv4, IPv6, ARP, ... */
	uint16_t l4;   /* not in later fragments */
	uint16_t l2_pad; /* bytes behind the IP packet's end */
};

struct of_key;
/* Parses the frame into the header part of 'key' (metadata, tunnel and ct parts are left
 * as they are; the header part is zeroed first).  Sets 'layers'.  Never reads beyond the
 * packet; a header that is cut ends the parse there, as OVS's flow_extract() does. */
void pkt_parse(const struct rte_mbuf *, uint32_t packet_type, struct of_key *, struct pkt_layers *);

/* How far the flow cache needs the parser to go. */
enum pkt_depth {
	PKT_DEPTH_L2, /* Ethernet, VLANs, PBB, EtherType; of the layers l3 is not set */
	PKT_DEPTH_ALL,
};
/* The same for the flow cache: stops where 'depth' says. */
void pkt_parse_some(const struct rte_mbuf *, uint32_t packet_type, enum pkt_depth, struct of_key *,
		    struct pkt_layers *);
/* The same for a packet that was given 'more_tags' tags, which are taken off besides the limit. */
void pkt_parse_more(const struct rte_mbuf *, uint32_t packet_type, unsigned more_tags,
		    struct of_key *, struct pkt_layers *);
/* Only where the headers are. */
void pkt_find_layers(const struct rte_mbuf *, uint32_t packet_type, unsigned more_tags,
		     struct pkt_layers *);
/* How many VLAN tags the parser takes off, 1 to OF_MAX_VLANS (other_config:vlan-limit).  Any
 * thread; flows are parsed so from then on, thus before the first port or with a purge. */
void pkt_set_vlan_limit(unsigned limit);
/* Makes of a key from text what the parser would make of such a packet under the limit. */
void pkt_limit_vlans(struct of_key *);

/* Completes what offloads left open (L4 checksum), in place. */
void pkt_finish_checksums(struct rte_mbuf *, const struct pkt_layers *);
/* Before a packet with open offloads goes to a port that takes them: sets l2_len, l3_len,
 * l4_len and writes the sum of the pseudo header, WITH the L4 length (as Linux wants it; for DPDK
 * devices rte_eth_tx_prepare() makes its own), into the checksum field.  False: the headers
 * do not fit the flags. */
bool pkt_prepare_offloads(struct rte_mbuf *, const struct pkt_layers *);
/* Into how many packets a GSO packet would be split; 1 if it is none. */
unsigned pkt_segment_count(const struct rte_mbuf *, const struct pkt_layers *);
/* Splits a GSO packet into at most 'room' packets of tso_segsz with right headers and
 * checksums, each from our allocator; returns how many, or a negated enum drop_reason.
 * 'm' itself is untouched. */
int pkt_segment(const struct rte_mbuf *m, const struct pkt_layers *, struct rte_mbuf **out, unsigned room);

#endif
