/* SPDX-License-Identifier: Apache-2.0 */
/* Short plans (plan.h, SHORT_*): one template of writes, then one port or none. */
#ifndef WEFT_DATAPLANE_RUN_SHORT_H
#define WEFT_DATAPLANE_RUN_SHORT_H

#include "dataplane/normal_memo.h"
#include "dataplane/pkt_fast.h"
#include "dataplane/run_decap.h"
#include "dataplane/run_short_push.h"
#include "dataplane/run_tx.h"

/* Where short plans of one burst went last, looked up once: of the pinned view. */
struct short_out {
	uint32_t slot, generation; /* slot UINT32_MAX: nowhere yet */
	uint32_t max_frame;
	struct tx_batch *batch;
};

/* Makes 'out' this port; false: it is gone, or wants a closer look at the packet. */
static inline bool
short_out_is(struct runner *rn, uint32_t slot, uint32_t generation, struct short_out *out)
{
	if (likely(slot == out->slot && generation == out->generation))
		return true;

	const struct view *v = rn->view;
	if (unlikely(slot >= v->n_slots))
		return false;
	const struct view_slot *vs = &v->slots[slot];
	if (unlikely(vs->generation != generation || !vs->port ||
		     (v->tunnels && vs->ends_tunnels)))
		return false;
	out->slot = slot;
	out->generation = generation;
	out->max_frame = vs->port->max_frame ? vs->port->max_frame : UINT32_MAX;
	out->batch = runner_batch(rn, out->slot, vs->port);
	return true;
}

/* Is a plan that was found valid no more than an output to the same port as the last one, which takes
 * this packet as it is? */
static inline bool
short_is_output(const struct plan *plan, const struct short_out *out, const struct rte_mbuf *m)
{
	return plan->shortcut == SHORT_OUTPUT && !plan->ttl_min && plan->out_slot == out->slot &&
	       plan->out_generation == out->generation && !(m->ol_flags & PKT_TX_OPEN) &&
	       pkt_size(m) <= out->max_frame;
}

/* The IP header of a packet whose TTL may go from 'least' or above down by one; NULL: it has none
 * that is whole, or its TTL is lower. */
static inline uint8_t *
short_ip(const struct rte_mbuf *m, uint32_t l3, uint8_t least)
{
	uint8_t *ip = pkt_data(m) + l3;

	if (unlikely(l3 == PKT_NO_OFS || pkt_size(m) < l3 + 40u)) {
		if (l3 == PKT_NO_OFS || pkt_size(m) < l3 + 20u || ip[0] >> 4 != 4)
			return NULL;
	}
	uint8_t version = ip[0] >> 4;
	if (likely(version == 4))
		return ip[8] >= least ? ip : NULL;
	return version == 6 && ip[7] >= least ? ip : NULL;
}

static inline void
short_dec_ttl(uint8_t *ip)
{
	if (unlikely(ip[0] >> 4 == 6)) {
		ip[7]--;
		return;
	}
	uint16_t before, after, sum;
	uint32_t s;

	/* RFC 1624 equation 3, over the word of TTL and protocol. */
	memcpy(&before, ip + 8, 2);
	ip[8]--;
	memcpy(&after, ip + 8, 2);
	memcpy(&sum, ip + 10, 2);
	s = (uint32_t)(uint16_t)~sum + (uint16_t)~before + after;
	s = (s & 0xffff) + (s >> 16);
	s += s >> 16;
	sum = (uint16_t)~s;
	memcpy(ip + 10, &sum, 2);
}

/* Runs a plan that was found valid, and is none of SHORT_TUNNEL, on a packet of this kind from a port; 'l'
 * need only be right where the kind does not say it.  False: it is no short one, or the packet needs more care: nothing was done. */
static __attribute__((noinline)) bool
run_short(struct runner *rn, const struct plan *plan, struct short_out *out, unsigned kind,
	  struct pkt_layers *l, struct rte_mbuf *m)
{
	uint32_t l3 = likely(kind != PKT_KIND_OTHER) ? pkt_kind_l3(kind) : l->l3;
	uint32_t slot = plan->out_slot, generation = plan->out_generation;
	unsigned what = plan->shortcut;

	if (unlikely(!what || m->ol_flags & PKT_TX_OPEN))
		return false;
	if (unlikely(what & SHORT_DROP)) {
		if (plan->ttl_min && !short_ip(m, l3, plan->ttl_min))
			return false;
		stat_add(&rn->drops[plan->drop_reason], 1);
		pkt_free(m);
		return true;
	}
	if (what & SHORT_TUNNEL)
		return false;
	if (what & SHORT_NORMAL && !short_normal_port(rn, m, &slot, &generation))
		return false;
	if (unlikely(!short_out_is(rn, slot, generation, out)))
		return !(what & ~(SHORT_OUTPUT | SHORT_NORMAL)) && !plan->ttl_min &&
		       run_decap_take(rn, slot, generation, l3, m);
	if (unlikely(pkt_size(m) + (what & SHORT_PUSH_VLAN ? 4 : 0) > out->max_frame))
		return false;
	if ((what & ~SHORT_NORMAL) != SHORT_OUTPUT || plan->ttl_min) {
		uint8_t *data = pkt_data(m), *ip = NULL;
		uint8_t least = what & SHORT_DEC_TTL && plan->ttl_min < 2 ? 2 : plan->ttl_min;

		if (least && !(ip = short_ip(m, l3, least)))
			return false;
		if (what & SHORT_POP_VLAN) {
			if (unlikely(pkt_size(m) < 18 || data[12] != 0x81 || data[13] != 0))
				return false;
		} else if (what & SHORT_PUSH_VLAN) {
			if (unlikely(m->data_off < 4))
				return false;
		} else if (what & SHORT_ETH) {
			if (unlikely(pkt_size(m) < 18))
				return false;
			/* NXM_OF_VLAN_TCI can be written where no tag is: the long way leaves such frames as they are. */
			if (unlikely((plan->eth_keep[14] & plan->eth_keep[15]) != 0xff) &&
			    !((data[12] == 0x81 && data[13] == 0) || (data[12] == 0x88 && data[13] == 0xa8)))
				return false;
		}
		/* From here on nothing fails. */
		if (what & SHORT_DEC_TTL)
			short_dec_ttl(ip);
		if (what & (SHORT_ETH | SHORT_PUSH_VLAN | SHORT_POP_VLAN)) {
			uint64_t eth[2], keep[2], set[2];

			/* Frames have 14 bytes at least, buffers more. */
			memcpy(eth, data, 16);
			memcpy(keep, plan->eth_keep, 16);
			memcpy(set, plan->eth, 16);
			eth[0] = (eth[0] & keep[0]) | set[0];
			eth[1] = (eth[1] & keep[1]) | set[1];
			if (what & SHORT_PUSH_VLAN) {
				uint32_t tag = 0;

				memcpy(&tag, &plan->vlan_tpid, 2);
				memcpy((uint8_t *)&tag + 2, &plan->vlan_tci, 2);
				memcpy(data - 4, eth, 12);
				memcpy(data + 8, &tag, 4);
				m->data_off -= 4;
				pkt_set_size(m, pkt_size(m) + 4);
			} else if (what & SHORT_POP_VLAN) {
				memcpy(data + 4, eth, 12);
				m->data_off += 4;
				pkt_set_size(m, pkt_size(m) - 4);
			} else {
				memcpy(data, eth, 16);
			}
		}
	}
	runner_put(rn, out->batch, m);
	return true;
}

#endif
