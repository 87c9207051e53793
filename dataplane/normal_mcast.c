/* SPDX-License-Identifier: Apache-2.0 */
/* NORMAL on a bridge that snoops multicast: what is learned from IGMP and MLD, and where
 * multicast goes (RFC 4541).  Design: docs/multicast-snooping.md. */
#include <arpa/inet.h>
#include <string.h>

#include "dataplane/igmp.h"
#include "dataplane/mcast_table.h"
#include "dataplane/packet.h"
#include "dataplane/vlan.h"

struct mcast {
	const struct view *view;
	const struct bridge_view *bv;
	const struct bundle *in;
	const struct xvlans *inside;
	const struct of_key *key;
	struct normal_result *r;
	struct wf_str *text;
};

static void
say(struct wf_str *text, const char *line)
{
	if (text)
		wf_str_put(text, line);
}

/* --- Learning --------------------------------------------------------------------------------- */

struct learning {
	struct mcast_table *table;
	const struct bundle *in;
	uint16_t vid;
	unsigned n_changes;
};

static void
on_event(void *l_, enum group_event event, const struct in6_addr *group)
{
	struct learning *l = l_;
	of_port_t port = l->in->members[0];
	uint32_t n;
	const of_port_t *routers = mcast_table_routers(l->table, l->vid, &n);

	switch (event) {
	case GROUP_JOIN:
		/* A router's port gets every group as it is. */
		if (!mcast_ports_contain(routers, n, port))
			l->n_changes += mcast_table_join(l->table, l->vid, group, port);
		break;
	case GROUP_LEAVE:
		if (!l->in->mcast_flood_reports)
			l->n_changes += mcast_table_leave(l->table, l->vid, group, port);
		break;
	case GROUP_ROUTER:
		l->n_changes += mcast_table_add_router(l->table, l->vid, port);
		break;
	}
}

/* The message behind the IP header; NULL: there is none. */
static const uint8_t *
message(const struct rte_mbuf *m, const struct of_key *key, size_t *size)
{
	struct pkt_layers layers;

	if (!m || key->nw_frag)
		return NULL;
	pkt_find_layers(m, key->packet_type, 0, &layers);
	if (layers.l4 == PKT_NO_OFS || layers.l4 + (uint32_t)layers.l2_pad >= pkt_size(m))
		return NULL;
	*size = pkt_size(m) - layers.l4 - layers.l2_pad;
	return pkt_data(m) + layers.l4;
}

static void
learn(const struct mcast *mc, const uint8_t *msg, size_t size)
{
	const struct of_key *key = mc->key;
	uint16_t vid = mc->inside->v[0].vid;
	struct learning l = { .table = mc->bv->l2->mcast, .in = mc->in, .vid = vid };
	bool is_v4 = key->dl_type == htons(0x0800);
	int n;

	if (!mc->in->n_members || mc->in->mcast_flood)
		return;
	n = is_v4 ? igmp_read(msg, size, key->nw_src, on_event, &l)
		  : mld_read(msg, size, &key->ipv6_src, &key->ipv6_dst, on_event, &l);
	if (mc->text && n < 0)
		wf_str_fmt(mc->text, "-multicast snooping received bad %s checksum on port %s in "
			   "VLAN %d\n", is_v4 ? "IGMP" : "MLD", mc->in->name, vid);
	else if (mc->text && l.n_changes)
		wf_str_fmt(mc->text, "-multicast snooping processed %u addresses on port %s in "
			   "VLAN %d\n", l.n_changes, mc->in->name, vid);
}

/* --- Forwarding ---------------------------------------------------------------------------- */

static void
send_to(const struct mcast *mc, const struct bundle *to, const char *what)
{
	if (to == mc->in) {
		if (mc->text)
			wf_str_fmt(mc->text, "-mcast %s port is input port, dropping\n", what);
		return;
	}
	if (to->mirror_out || !bundle_carries(to, mc->inside))
		return;
	if (mc->text)
		wf_str_fmt(mc->text, "-forwarding to mcast %s port\n", what);
	normal_add(mc->view, mc->bv, to, mc->in, mc->inside, mc->key, 0, mc->r);
}

static void
send_to_port(const struct mcast *mc, of_port_t port, const char *what)
{
	const struct xport *p = xport_find(mc->bv->ports, port);

	if (p && p->bundle)
		send_to(mc, p->bundle, what);
	else if (mc->text)
		wf_str_fmt(mc->text, ">mcast %s port is unknown, dropping\n", what);
}

static bool
is_among(const struct bundle *b, const of_port_t *ports, uint32_t n)
{
	for (uint32_t i = 0; i < b->n_members; i++)
		if (mcast_ports_contain(ports, n, b->members[i]))
			return true;
	return false;
}

/* To members (NULL: there are none), routers, and ports that get all ('reports': all reports), each
 * port once. */
static void
send_to_all(const struct mcast *mc, const struct mcast_ports *members, bool reports)
{
	const struct l2_config *l2 = mc->bv->l2;
	uint32_t n_routers;
	const of_port_t *routers =
		mcast_table_routers(l2->mcast, mc->inside->v[0].vid, &n_routers);

	for (uint32_t i = 0; members && i < members->n; i++)
		send_to_port(mc, members->ports[i], "group");
	for (uint32_t i = 0; i < n_routers; i++) {
		if (members && mcast_ports_contain(members->ports, members->n, routers[i]))
			continue;
		send_to_port(mc, routers[i], "router");
	}
	for (uint32_t i = 0; i < l2->n_bundles; i++) {
		const struct bundle *b = l2->bundles[i];

		if (!(reports ? b->mcast_flood_reports : b->mcast_flood) ||
		    is_among(b, routers, n_routers) ||
		    (members && is_among(b, members->ports, members->n)))
			continue;
		send_to(mc, b, reports ? "report" : "flood");
	}
	if (!mc->r->n && !mc->r->drop)
		mc->r->drop = DROP_MCAST_NO_MEMBER;
}

static void
flood(const struct mcast *mc, const char *why)
{
	say(mc->text, why);
	normal_flood(mc->view, mc->bv, mc->in, mc->inside, mc->key, mc->r);
}

static void
forward_data(const struct mcast *mc)
{
	static const struct in6_addr all_nodes = { { { 0xff, 0x02, [15] = 1 } } };
	const struct l2_config *l2 = mc->bv->l2;
	const struct of_key *key = mc->key;
	const struct mcast_ports *members;
	struct in6_addr group = key->ipv6_dst;
	bool is_local;

	if (key->dl_type == htons(0x0800)) {
		is_local = (key->nw_dst & htonl(0xffffff00)) == htonl(0xe0000000);
		memset(&group, 0, sizeof group);
		group.s6_addr[10] = group.s6_addr[11] = 0xff;
		memcpy(group.s6_addr + 12, &key->nw_dst, 4);
	} else {
		is_local = !memcmp(&key->ipv6_dst, &all_nodes, sizeof all_nodes);
	}
	if (is_local) {
		flood(mc, "-RFC4541: section 2.1.2, item 2, flooding\n");
		return;
	}
	members = mcast_table_lookup(l2->mcast, mc->inside->v[0].vid, &group);
	if (!members && !l2->mcast_drop_unregistered)
		flood(mc, "-unregistered multicast, flooding\n");
	else
		send_to_all(mc, members, false);
}

bool
normal_mcast(const struct view *view, const struct bridge_view *bv, const struct bundle *in,
	     const struct xvlans *inside, const struct of_key *key, const struct rte_mbuf *packet,
	     bool may_learn, struct normal_result *r, struct wf_str *text)
{
	static const uint8_t bcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct mcast mc = { view, bv, in, inside, key, r, text };
	bool is_v4 = key->dl_type == htons(0x0800), is_report;
	const uint8_t *msg;
	size_t size = 0;
	unsigned type;

	if (!bv->l2->mcast || !(key->dl_dst[0] & 1) || !memcmp(key->dl_dst, bcast, 6) ||
	    (!is_v4 && key->dl_type != htons(0x86dd)))
		return false;
	if (key->nw_proto != (is_v4 ? IPPROTO_IGMP : IPPROTO_ICMPV6)) {
		forward_data(&mc);
		return true;
	}
	msg = message(packet, key, &size);
	/* Without a packet (a trace), the type that the flow names. */
	type = msg ? msg[0] : ntohs(key->tp_src);
	is_report = is_v4 ? igmp_is_report((uint8_t)type) : mld_is_report((uint8_t)type);
	if (!is_v4 && !is_report && type != MLD_QUERY) {
		forward_data(&mc);
		return true;
	}
	if (msg && may_learn)
		learn(&mc, msg, size);
	if (is_report)
		send_to_all(&mc, NULL, true);
	else
		flood(&mc, is_v4 ? "-multicast traffic, flooding\n" : "-MLD query, flooding\n");
	return true;
}
