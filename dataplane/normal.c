// SPDX-License-Identifier: Apache-2.0
/* NORMAL: the decision of the MAC learning switch for one packet. */
#include "dataplane/normal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane/bond.h"
#include "dataplane/packet.h"
#include "dataplane/vlan.h"

static inline int64_t
now_ms(const struct normal_result *r)
{
	return r->now_ms ? r->now_ms : wf_now_ms();
}

/* Where packets of a controller come from: a trunk that learns nothing. */
static const struct bundle from_controller = { .mode = VLAN_TRUNK, .vlan = -1, .floodable = true };

static bool
is_reserved(const uint8_t mac[6])
{
	static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return !memcmp(mac, prefix, 5) && !(mac[5] & 0xf0);
}

/* Gratuitous ARP: a reply, or a request for the sender's own address, to everybody. */
static bool
is_gratuitous_arp(const struct of_key *k)
{
	static const uint8_t bcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (k->dl_type != htons(0x0806) || memcmp(k->dl_dst, bcast, 6))
		return false;
	return k->nw_proto == 2 || (k->nw_proto == 1 && k->nw_src == k->nw_dst);
}

/* The member that carries a packet out. */
static const struct xport *
choose_member(const struct bridge_view *bv, const struct bundle *b, const struct of_key *key,
	      uint16_t vid, struct normal_result *r)
{
	const struct xport *p;

	if (!b->bond)
		return b->n_members ? xport_find(bv->ports, b->members[0]) : NULL;
	p = bond_choose(bv, b, key, vid, r->n_bytes);
	if (!p && b->n_members)
		r->drop = DROP_OUT_BOND;
	return p;
}

void
normal_add(const struct view *view, const struct bridge_view *bv, const struct bundle *out,
	   const struct bundle *in, const struct xvlans *inside, const struct of_key *key,
	   uint16_t snaplen, struct normal_result *r)
{
	const struct xport *port;
	struct normal_output *o;
	struct xvlans wire;

	xvlans_to_send(out, inside, ntohs(key->vlans[0].tci) >> OF_VLAN_PCP_SHIFT, &wire);
	port = choose_member(bv, out, key, wire.v[0].vid, r);
	if (!port || r->n >= NORMAL_MAX_OUTPUTS)
		return;
	if (port->config & (r->for_text ? PC_NO_FWD : PC_NO_FWD | PC_PORT_DOWN)) {
		r->drop = DROP_OUT_PORT_DOWN;
		return;
	}
	if (in && in->protected && out->protected) {
		r->drop = DROP_RX_PROTECTED;
		return;
	}
	o = &r->out[r->n++];
	memset(o, 0, sizeof *o);
	o->port = port;
	o->bridge = bv;
	o->max_len = snaplen == UINT16_MAX ? 0 : snaplen; /* the greatest says: whole */
	xvlans_difference(key, &wire, o);
	if (bv->l2->has_mirrors && out->dst_mirrors)
		mirror_add(view, bv, (uint32_t)out->dst_mirrors, out, in, &wire, key, r);
}

/* OFPPC_NO_FLOOD of one member takes the whole bundle out of floods. */
static bool
may_flood(const struct bridge_view *bv, const struct bundle *b)
{
	for (uint32_t i = 0; i < b->n_members; i++) {
		const struct xport *p = xport_find(bv->ports, b->members[i]);

		if (p && p->config & PC_NO_FLOOD)
			return false;
	}
	return b->floodable;
}

void
normal_flood(const struct view *view, const struct bridge_view *bv, const struct bundle *in,
	     const struct xvlans *inside, const struct of_key *key, struct normal_result *r)
{
	for (uint32_t i = 0; i < bv->l2->n_bundles; i++) {
		const struct bundle *b = bv->l2->bundles[i];

		if (b != in && bundle_carries(b, inside) && !b->mirror_out && may_flood(bv, b))
			normal_add(view, bv, b, in, inside, key, 0, r);
	}
	if (!r->n && !r->drop)
		r->drop = DROP_FLOOD_NO_PORT;
}

static void
drop(struct normal_result *r, enum drop_reason reason, struct wf_str *text, const char *line)
{
	r->drop = reason;
	if (text)
		wf_str_put(text, line);
}

static void
learn_source(const struct bridge_view *bv, const struct bundle *in, const struct of_key *key,
	     uint16_t vid, int64_t now_ms, struct wf_str *text)
{
	const uint8_t *mac = key->dl_src;
	of_port_t port;

	if (in == &from_controller || !in->n_members || key->packet_type != OF_PT_ETH)
		return;
	/* Multicast sources are spoofed; flood VLANs do not learn. */
	if (mac[0] & 1)
		return;
	if (bv->l2->flood_vlans && bv->l2->flood_vlans[vid / 64] >> (vid % 64) & 1)
		return;
	port = in->members[0];
	if (mac_table_learn_at(bv->bridge->macs, vid, mac, port, in->n_members > 1,
			       is_gratuitous_arp(key), now_ms) && text)
		wf_str_fmt(text, "-learned that %02x:%02x:%02x:%02x:%02x:%02x is on port %s in "
			   "VLAN %d\n", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], in->name,
			   vid);
}

/* Members of a bond see what its peer floods, and what we sent ourselves. */
static bool
bond_refuses(const struct bridge_view *bv, const struct bundle *in, of_port_t in_port,
	     const struct of_key *key, uint16_t vid, struct normal_result *r, struct wf_str *text)
{
	const struct xport *p;
	of_port_t learned;

	switch (bond_admit(in, in_port, key->dl_dst)) {
	case BOND_ACCEPT:
		return false;
	case BOND_REFUSE:
		drop(r, DROP_RX_BOND, text, "-bonding refused admissibility, dropping\n");
		return true;
	case BOND_REFUSE_IF_MOVED:
		break;
	}
	learned = bv->bridge->macs ? mac_table_lookup(bv->bridge->macs, vid, key->dl_src)
				   : OF_PORT_NONE;
	p = learned == OF_PORT_NONE ? NULL : xport_find(bv->ports, learned);
	/* Gratuitous ARP says that the station has moved, unless one from elsewhere said so just now. */
	if (!p || p->bundle == in ||
	    (is_gratuitous_arp(key) && !mac_table_is_locked(bv->bridge->macs, vid, key->dl_src)))
		return false;
	drop(r, DROP_RX_MAC_FLAP, text, "-SLB bond thinks this packet looped back, dropping\n");
	return true;
}

/* As a unicast to a known station, or to all. */
static void
forward(const struct view *view, const struct bridge_view *bv, const struct bundle *in,
	const struct xvlans *inside, const struct of_key *key, struct normal_result *r,
	struct wf_str *text)
{
	uint16_t vid = inside->v[0].vid;
	bool flood_vlan = bv->l2->flood_vlans && bv->l2->flood_vlans[vid / 64] >> (vid % 64) & 1;
	of_port_t to = OF_PORT_NONE;
	const struct xport *p;

	if (!flood_vlan && !(key->dl_dst[0] & 1) && bv->bridge->macs)
		to = mac_table_lookup_at(bv->bridge->macs, vid, key->dl_dst, now_ms(r));
	r->to = to;
	if (to == OF_PORT_NONE) {
		if (text)
			wf_str_put(text, "-no learned MAC for destination, flooding\n");
		normal_flood(view, bv, in, inside, key, r);
		return;
	}
	p = xport_find(bv->ports, to);
	if (!p || !p->bundle) {
		drop(r, DROP_OUT_NO_PORT, text, ">learned port is unknown, dropping\n");
	} else if (p->bundle->mirror_out) {
		drop(r, DROP_RX_MIRROR_ONLY, text, ">learned port is a mirror port, dropping\n");
	} else if (p->bundle == in) {
		drop(r, DROP_OUT_TO_IN_PORT, text, "-learned port is input port, dropping\n");
	} else {
		if (text)
			wf_str_put(text, "-forwarding to learned port\n");
		normal_add(view, bv, p->bundle, in, inside, key, 0, r);
		if (!r->n && !r->drop)
			r->drop = DROP_OUT_NO_PORT;
	}
}

void
normal_decide(const struct view *view, const struct bridge_view *bv, of_port_t in_port,
	      const struct of_key *key, const struct rte_mbuf *packet, bool learn,
	      uint32_t mirrored, struct normal_result *r, struct wf_str *text)
{
	const struct xport *port = xport_find(bv->ports, in_port);
	const struct bundle *in = port ? port->bundle : NULL;
	struct xvlans wire, inside;

	r->n = 0;
	r->to = OF_PORT_NONE;
	r->for_text = text != NULL;
	r->drop = DROP_NONE;
	r->mirrored = mirrored;
	r->n_bytes = learn && packet ? pkt_size(packet) : 0;
	if (!bv->l2) {
		r->drop = DROP_FLOOD_NO_PORT;
		return;
	}
	if (!in && (in_port == OF_PORT_NONE || in_port == OF_PORT_CONTROLLER))
		in = &from_controller;
	if (!in) {
		if (text)
			wf_str_fmt(text, "!received packet on unknown port %u\n",
				   in_port >= OF_PORT_MAX ? in_port & 0xffff : in_port);
		drop(r, DROP_RX_NO_BRIDGE, text, ">no input bundle, dropping\n");
		return;
	}
	if (ntohs(key->dl_type) == 0x8100 && !(key->vlans[0].tci & htons(OF_VLAN_CFI))) {
		drop(r, DROP_MALFORMED, text, ">partial VLAN tag, dropping\n");
		return;
	}
	if (in->mirror_out) {
		drop(r, DROP_RX_MIRROR_ONLY, text,
		     ">input port is mirror output port, dropping\n");
		return;
	}
	xvlans_of_key(key, &wire);
	if (!vlan_is_admitted(in, wire.v[0].vid, text)) {
		drop(r, in->mode == VLAN_ACCESS ? DROP_RX_VLAN_ON_ACCESS : DROP_RX_VLAN_NOT_ALLOWED,
		     text, ">disallowed VLAN VID for this input port, dropping\n");
		return;
	}
	xvlans_received(in, &wire, &inside);
	r->vid = inside.v[0].vid;
	if (port && !bv->l2->forward_bpdu && is_reserved(key->dl_dst)) {
		drop(r, DROP_RX_RESERVED_MULTICAST, text,
		     "-packet has reserved destination MAC, dropping\n");
		return;
	}
	if (in->bond && bond_refuses(bv, in, in_port, key, inside.v[0].vid, r, text))
		return;
	if (learn && bv->bridge->macs)
		learn_source(bv, in, key, inside.v[0].vid, now_ms(r), text);
	if (!normal_mcast(view, bv, in, &inside, key, packet, learn, r, text))
		forward(view, bv, in, &inside, key, r, text);
}
