/* SPDX-License-Identifier: Apache-2.0 */
/* VLANs as NORMAL and mirrors see them: a packet's tags, and what port modes make of them. */
#ifndef WEFT_DATAPLANE_VLAN_H
#define WEFT_DATAPLANE_VLAN_H

#include "dataplane/normal.h"

struct xtag {
	uint16_t tpid, vid, pcp; /* pcp 0 to 7; tpid 0: no tag */
};
struct xvlans {
	struct xtag v[OF_MAX_VLANS + 1]; /* outermost first; ports may add one */
};

void xvlans_of_key(const struct of_key *, struct xvlans *);
/* May a packet with this outermost VID come in by the bundle?  'text' gets the reason why not. */
bool vlan_is_admitted(const struct bundle *, uint16_t vid, struct wf_str *text);
/* Tags as received -> tags inside the bridge, and tags inside -> tags to send. */
void xvlans_received(const struct bundle *in, const struct xvlans *wire, struct xvlans *inside);
/* 'in_pcp': the priority of the packet's own outermost tag, for priority tags. */
void xvlans_to_send(const struct bundle *out, const struct xvlans *inside, uint16_t in_pcp,
		    struct xvlans *wire);
/* Does the bundle carry packets that have these tags inside the bridge? */
bool bundle_carries(const struct bundle *, const struct xvlans *inside);
/* From a packet's own tags to those of 'to': pops, and at most one push. */
void xvlans_difference(const struct of_key *, const struct xvlans *to, struct normal_output *);

/* Appends the output to 'bundle' and the mirrors that it selects.  'mirrored' is updated. */
void normal_add(const struct view *, const struct bridge_view *, const struct bundle *out,
		const struct bundle *in, const struct xvlans *inside, const struct of_key *,
		uint16_t snaplen, struct normal_result *);
/* Appends outputs to all other bundles that carry the packet's VLAN. */
void normal_flood(const struct view *, const struct bridge_view *, const struct bundle *in,
		  const struct xvlans *inside, const struct of_key *, struct normal_result *);
/* The decision for multicast on a bridge that snoops it; false: not such a packet.  'in' without
 * members learns nothing; 'packet' may be NULL (a trace). */
bool normal_mcast(const struct view *, const struct bridge_view *, const struct bundle *in,
		  const struct xvlans *inside, const struct of_key *, const struct rte_mbuf *packet,
		  bool may_learn, struct normal_result *, struct wf_str *text);
void mirror_add(const struct view *, const struct bridge_view *, uint32_t set,
		const struct bundle *at, const struct bundle *in, const struct xvlans *wire,
		const struct of_key *, struct normal_result *);

#endif
