/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow port numbers: who gets which, and what a changed ofport_request means. */
#include "base/log.h"
#include "switchd/state/state.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(bridge);

#define OFP_PORT_LAST 65279 /* the highest that OpenFlow 1.0 can name */

/* Interface.ofport_request; 0: none, or one that no port can have. */
static of_port_t
wish_of(const struct sw_iface *i)
{
	int64_t wish = ovsdb_int(i->row, OVSDB_INTERFACE_OFPORT_REQUEST, 0);

	return !i->is_local && wish > 0 && wish <= OFP_PORT_LAST ? (of_port_t)wish : 0;
}

static bool
is_free(const struct sw_bridge *b, of_port_t p)
{
	return p > 0 && p <= OFP_PORT_LAST && !sw_iface_by_ofp_port(b, p);
}

of_port_t
sw_ofport_choose(struct sw_iface *i)
{
	struct sw_bridge *b = i->bridge;
	uint32_t kept = state_ofport_before(b->of, i->name);
	/* The database may not have heard of the last number when the daemon was killed. */
	int64_t before = kept ? kept : ovsdb_int(i->row, OVSDB_INTERFACE_OFPORT, 0);

	if (i->is_local)
		return OF_PORT_LOCAL;
	if (is_free(b, wish_of(i)))
		return wish_of(i);
	if (is_free(b, i->old_ofp_port))
		return i->old_ofp_port;
	if (before > 0 && before <= OFP_PORT_LAST && is_free(b, (of_port_t)before))
		return (of_port_t)before;
	for (of_port_t n = 0; n <= OFP_PORT_LAST; n++) {
		if (++b->last_ofp_port > OFP_PORT_LAST)
			b->last_ofp_port = 1;
		if (is_free(b, b->last_ofp_port))
			return b->last_ofp_port;
	}
	return OF_PORT_NONE;
}

static void
take_number(struct sw_iface *i)
{
	if (i->ofp_port == OF_PORT_NONE)
		return;
	of_switch_port_del(i->bridge->of, i->ofp_port);
	wf_info("bridge %s: deleted interface %s on port %u", i->bridge->name, i->name, i->ofp_port);
	i->ofp_port = OF_PORT_NONE;
	i->renumbered = true;
}

static void
give_number(struct sw_iface *i)
{
	i->renumbered = false;
	i->ofp_port = sw_ofport_choose(i);
	view_slot_renumber(i->slot, i->ofp_port, &i->generation);
	i->dirty = true;
	sw_iface_announce(i);
}

void
sw_ofports_renumber(struct sw_bridge *b)
{
	struct sw_iface *i, *holder;

	wf_hmap_for_each(i, node, &b->ifaces) {
		of_port_t wish = wish_of(i);

		if (i->ofp_port == OF_PORT_NONE || !wish || wish == i->ofp_port)
			continue;
		holder = sw_iface_by_ofp_port(b, wish);
		if (holder && wish_of(holder) == wish)
			continue; /* both ask for it: who has it keeps it */
		if (holder)
			take_number(holder);
		take_number(i);
	}
	/* Those that ask first: nobody else is given their number then. */
	wf_hmap_for_each(i, node, &b->ifaces)
		if (i->renumbered && is_free(b, wish_of(i)))
			give_number(i);
	wf_hmap_for_each(i, node, &b->ifaces)
		if (i->renumbered)
			give_number(i);
}
