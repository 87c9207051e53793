/* SPDX-License-Identifier: Apache-2.0 */
/* Packets out of tunnels, a burst at a time.
 *
 *   pipeline_burst()   outer packet -> cache -> a short plan that leads to LOCAL
 *     run_decap_take()   sound? for one of our endpoints? outer header off, inner key made  -> waits
 *   pipeline.c, inner()   those that wait: looked up together, and run, in the order in which they came
 *
 * To whom an outer packet is, is kept for its addresses, VNI or key and flags (struct decap_memo); what
 * differs between packets of one tunnel (lengths, checksums, UDP source port) is looked at each time; and for
 * those that come after others of their tunnel run_decap_same.h has a template of it all.  Whatever
 * is not plain (extension headers, more than a few options, fragments, CE, errors, no such tunnel) is left to
 * run_tunnel_deliver(), which has the names for it.  Threads: the runner's.
 */
#ifndef WEFT_DATAPLANE_RUN_DECAP_H
#define WEFT_DATAPLANE_RUN_DECAP_H

#include "dataplane/cache.h"
#include "dataplane/normal_memo.h"
#include "dataplane/run.h"

struct tunnel_port;

/* A packet that came out of a tunnel in this burst. */
struct inner {
	struct rte_mbuf *m;
	const struct tunnel_port *port;
	uint8_t kind;             /* pkt_kind() */
	uint16_t outer_size, ofs; /* of the outer IP packet; where the inner one begins in it */
};
struct inner_burst {
	unsigned n;
	bool closed;              /* being run: whatever is a tunnel again goes the long way */
	struct inner pkts[BURST_MAX];
	struct cache_burst keys;
};

struct decaps *decaps_new(void);
void decaps_free(struct decaps *);

/* A packet from a port, with the network layer at 'l3', on its way to this port.  False: that is no LOCAL
 * port, or the packet for none of our tunnels, or no plain one; nothing was done. */
bool run_decap_take(struct runner *, uint32_t slot, uint32_t generation, uint32_t l3,
		    struct rte_mbuf *owned);
/* The outer values of a packet that waits; its outer header still lies in front of it. */
void run_decap_outer(const struct runner *, const struct inner *, struct of_key *tunnel);

/* Where a short plan with SHORT_NORMAL sends a frame: '*slot' is its out_slot (normal_memo_who()), and becomes the
 * port's.  False: NORMAL has to decide. */
static inline bool
short_normal_port(struct runner *rn, const struct rte_mbuf *m, uint32_t *slot, uint32_t *generation)
{
	const struct normal_memo *memo;
	uint64_t key[2];

	if (!normal_memo_key(*slot, m, key) ||
	    !(memo = normal_memo_find(rn->memos, rn->view->config_version, rn->now_ms, key)))
		return false;
	*slot = memo->slot;
	*generation = rn->view->slots[*slot].generation;
	return true;
}

#endif
