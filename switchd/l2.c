/* SPDX-License-Identifier: Apache-2.0 */
/* Ports and NORMAL's configuration of a bridge, as the packet path reads them
 * (dataplane/bridge.h). */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "dataplane/mcast_table.h"
#include "dataplane/normal.h"
#include "switchd/uplinks.h"

WF_LOG_MODULE(bridge);

static uint64_t *
vlan_set(const struct ovsdb_row *row, enum ovsdb_column column)
{
	unsigned n = ovsdb_n(row, column);
	uint64_t *set;

	if (!n)
		return NULL;
	set = wf_xzalloc(4096 / 8);
	for (unsigned k = 0; k < n; k++) {
		int64_t v = ovsdb_int_at(row, column, k);

		if (v >= 0 && v < 4096)
			set[v / 64] |= 1ull << (v % 64);
	}
	return set;
}

static enum vlan_mode
read_mode(const struct ovsdb_row *row, bool has_tag)
{
	const char *m = ovsdb_str(row, OVSDB_PORT_VLAN_MODE);

	if (!m)
		return has_tag ? VLAN_ACCESS : VLAN_TRUNK;
	return !strcmp(m, "access")	       ? VLAN_ACCESS
	       : !strcmp(m, "trunk")	       ? VLAN_TRUNK
	       : !strcmp(m, "native-tagged")   ? VLAN_NATIVE_TAGGED
	       : !strcmp(m, "native-untagged") ? VLAN_NATIVE_UNTAGGED
	       : !strcmp(m, "dot1q-tunnel")    ? VLAN_DOT1Q_TUNNEL
					       : VLAN_TRUNK;
}

static void
read_dscps(struct bundle *u, const struct ovsdb_row *port)
{
	const struct ovsdb_row *qos = port ? ovsdb_ref(port, OVSDB_PORT_QOS) : NULL;
	unsigned n = qos ? ovsdb_n(qos, OVSDB_QOS_QUEUES) : 0;

	for (unsigned k = 0; k < n; k++) {
		const struct ovsdb_row *queue = ovsdb_ref_at(qos, OVSDB_QOS_QUEUES, k);
		int64_t dscp = queue ? ovsdb_int(queue, OVSDB_QUEUE_DSCP, -1) : -1;

		if (dscp < 0 || dscp > 63)
			continue;
		u->dscps = wf_xrealloc(u->dscps, (u->n_dscps + 1) * sizeof *u->dscps);
		u->dscps[u->n_dscps++] = (struct queue_dscp){
			(uint32_t)ovsdb_int_at(qos, OVSDB_QOS_QUEUES, k), (uint8_t)(dscp << 2) };
	}
}

static struct bundle *
bundle_new(struct sw_port *p)
{
	struct bundle *u = wf_xzalloc(sizeof *u);
	const struct ovsdb_row *row = p->row;
	const char *text;
	struct sw_iface *i;

	snprintf(u->name, sizeof u->name, "%s", p->name);
	u->index = p->index;
	u->vlan = (int)ovsdb_int(row, OVSDB_PORT_TAG, -1);
	u->mode = row ? read_mode(row, u->vlan >= 0) : VLAN_TRUNK;
	if (u->mode == VLAN_TRUNK)
		u->vlan = -1;
	else if (u->vlan < 0)
		u->vlan = 0;
	u->trunks = vlan_set(row, OVSDB_PORT_TRUNKS);
	if (u->trunks && (u->mode == VLAN_NATIVE_TAGGED || u->mode == VLAN_NATIVE_UNTAGGED))
		u->trunks[u->vlan / 64] |= 1ull << (u->vlan % 64);
	u->cvlans = vlan_set(row, OVSDB_PORT_CVLANS);
	text = ovsdb_smap_get_or(row, OVSDB_PORT_OTHER_CONFIG, "qinq-ethtype", "802.1ad");
	u->qinq_ethtype = !strcmp(text, "802.1q") ? 0x8100 : 0x88a8;
	text = ovsdb_smap_get_or(row, OVSDB_PORT_OTHER_CONFIG, "priority-tags", "never");
	u->use_priority_tags = !strcmp(text, "always")				? 2
			       : !strcmp(text, "if-nonzero") || !strcmp(text, "true") ? 1
										: 0;
	u->protected = ovsdb_bool(row, OVSDB_PORT_PROTECTED, false);
	u->floodable = true;
	u->mcast_flood =
		ovsdb_smap_bool(row, OVSDB_PORT_OTHER_CONFIG, "mcast-snooping-flood", false);
	u->mcast_flood_reports = ovsdb_smap_bool(row, OVSDB_PORT_OTHER_CONFIG,
						 "mcast-snooping-flood-reports", false);
	wf_list_for_each (i, port_node, &p->ifaces)
		if (i->ofp_port != OF_PORT_NONE && u->n_members < 8)
			u->members[u->n_members++] = i->ofp_port;
	read_dscps(u, row);
	if (p->up && p->up->bond)
		u->bond = sw_bond_view(p, u);
	return u;
}

static struct bundle *
bundle_by_row(const struct sw_bridge *b, const struct ovsdb_row *row)
{
	struct sw_port *p;

	wf_hmap_for_each(p, node, &b->ports)
		if (p->row == row)
			return p->bundle;
	return NULL;
}

/* A mirror keeps its index, and so its counter, as long as its row lives. */
static int
mirror_index(struct sw_bridge *b, const struct ovsdb_row *row)
{
	int free_index = -1;

	for (int m = 0; m < MAX_MIRRORS; m++) {
		if (b->mirrors[m].in_use && ovsdb_uuid_equals(&b->mirrors[m].uuid, &row->uuid))
			return m;
		if (!b->mirrors[m].in_use && free_index < 0)
			free_index = m;
	}
	if (free_index >= 0)
		b->mirrors[free_index] = (struct sw_mirror){
			.in_use = true,
			.uuid = row->uuid,
			.counter = counter_new(),
		};
	return free_index;
}

static void
add_mirror(struct sw_bridge *b, struct l2_config *l2, const struct ovsdb_row *row)
{
	const char *name = ovsdb_str_or(row, OVSDB_MIRROR_NAME, "");
	int at = mirror_index(b, row);
	struct ovsdb_row *port;
	struct mirror *m;

	if (at < 0) {
		wf_warn("bridge %s: mirror %s: more than %d mirrors; remove one", b->name, name,
			MAX_MIRRORS);
		return;
	}
	b->mirrors[at].seen = true;
	m = &l2->mirrors[at];
	snprintf(m->name, sizeof m->name, "%s", name);
	port = ovsdb_ref(row, OVSDB_MIRROR_OUTPUT_PORT);
	m->out = port ? bundle_by_row(b, port) : NULL;
	m->out_vlan = (int)ovsdb_int(row, OVSDB_MIRROR_OUTPUT_VLAN, -1);
	if (!m->out && m->out_vlan < 0) {
		if (!b->mirrors[at].warned)
			wf_warn("bridge %s: mirror %s does not specify output; ignoring", b->name,
				name);
		b->mirrors[at].warned = true;
		return;
	}
	b->mirrors[at].warned = false;
	m->in_use = true;
	l2->has_mirrors = true;
	m->counter = b->mirrors[at].counter;
	m->snaplen = (uint16_t)ovsdb_int(row, OVSDB_MIRROR_SNAPLEN, 0);
	m->vlans = vlan_set(row, OVSDB_MIRROR_SELECT_VLAN);
	m->select_all = ovsdb_bool(row, OVSDB_MIRROR_SELECT_ALL, false);
	if (m->out)
		m->out->mirror_out |= 1ull << at;
	if (m->select_all) {
		for (uint32_t k = 0; k < l2->n_bundles; k++) {
			l2->bundles[k]->src_mirrors |= 1ull << at;
			l2->bundles[k]->dst_mirrors |= 1ull << at;
		}
		return;
	}
	ovsdb_for_each_ref (port, row, OVSDB_MIRROR_SELECT_SRC_PORT) {
		struct bundle *u = bundle_by_row(b, port);

		if (u)
			u->src_mirrors |= 1ull << at;
	}
	ovsdb_for_each_ref (port, row, OVSDB_MIRROR_SELECT_DST_PORT) {
		struct bundle *u = bundle_by_row(b, port);

		if (u)
			u->dst_mirrors |= 1ull << at;
	}
}

static void
unref_counter(void *counter)
{
	counter_unref(counter);
}

static int
port_cmp(const void *a_, const void *b_)
{
	const struct sw_port *a = *(struct sw_port *const *)a_, *b = *(struct sw_port *const *)b_;

	return a->index < b->index ? -1 : a->index > b->index;
}

/* The bundles of all ports, in the order in which ports were added: packets are flooded in it. */
static void
make_bundles(struct sw_bridge *b, struct l2_config *l2)
{
	struct sw_port **ports, *p;

	wf_hmap_for_each(p, node, &b->ports)
		l2->n_bundles++;
	ports = wf_xmalloc((l2->n_bundles + 1) * sizeof *ports);
	l2->bundles = wf_xmalloc((l2->n_bundles + 1) * sizeof *l2->bundles);
	l2->n_bundles = 0;
	wf_hmap_for_each(p, node, &b->ports)
		ports[l2->n_bundles++] = p;
	qsort(ports, l2->n_bundles, sizeof *ports, port_cmp);
	for (uint32_t k = 0; k < l2->n_bundles; k++)
		l2->bundles[k] = ports[k]->bundle = bundle_new(ports[k]);
	free(ports);
}

static struct l2_config *
l2_new(struct sw_bridge *b)
{
	struct l2_config *l2 = wf_xzalloc(sizeof *l2);
	struct ovsdb_row *row;

	make_bundles(b, l2);
	for (unsigned m = 0; m < MAX_MIRRORS; m++)
		b->mirrors[m].seen = false;
	ovsdb_for_each_ref (row, b->row, OVSDB_BRIDGE_MIRRORS)
		add_mirror(b, l2, row);
	for (unsigned m = 0; m < MAX_MIRRORS; m++)
		if (b->mirrors[m].in_use && !b->mirrors[m].seen) {
			/* Views and plans that count in it hold no reference. */
			view_after_publish(unref_counter, b->mirrors[m].counter);
			b->mirrors[m] = (struct sw_mirror){ 0 };
		}
	l2->forward_bpdu =
		ovsdb_smap_bool(b->row, OVSDB_BRIDGE_OTHER_CONFIG, "forward-bpdu", false);
	l2->flood_vlans = vlan_set(b->row, OVSDB_BRIDGE_FLOOD_VLANS);
	l2->mcast = b->mcast;
	l2->mcast_drop_unregistered =
		ovsdb_smap_bool(b->row, OVSDB_BRIDGE_OTHER_CONFIG,
				"mcast-snooping-disable-flood-unregistered", false);
	return l2;
}

static void
free_mcast(void *table)
{
	mcast_table_free(table);
}

void
sw_bridge_configure_mcast(struct sw_bridge *b)
{
	bool wanted = b->row && ovsdb_bool(b->row, OVSDB_BRIDGE_MCAST_SNOOPING_ENABLE, false);
	int64_t size, aging_s;

	if (!wanted) {
		/* Workers use it until the view without it is out. */
		if (b->mcast)
			view_after_publish(free_mcast, b->mcast);
		b->mcast = NULL;
		return;
	}
	size = sw_positive(b->row, "mcast-snooping-table-size", 2048);
	aging_s = sw_positive(b->row, "mcast-snooping-aging-time", 300);
	if (b->mcast)
		mcast_table_configure(b->mcast, (unsigned)size, aging_s * 1000);
	else
		b->mcast = mcast_table_new((unsigned)size, aging_s * 1000);
}

/* The other end of a patch port: an iface of that name, of type patch, that names us. */
struct sw_iface *
sw_patch_peer(const struct sw_iface *i)
{
	struct sw_bridge *b;

	wf_hmap_for_each(b, node, &sw_bridges) {
		struct sw_iface *peer = sw_iface_find(b, i->peer);

		if (peer && peer->is_patch && peer->peer && !strcmp(peer->peer, i->name) &&
		    peer->ofp_port != OF_PORT_NONE)
			return peer;
	}
	return NULL;
}

static void
fill_xport(struct xport *x, const struct sw_iface *i)
{
	x->ofp_port = i->ofp_port;
	x->slot = i->slot;
	x->generation = i->generation;
	x->config = of_switch_port_config(i->bridge->of, i->ofp_port);
	if (!i->status.admin_up)
		x->config |= PC_PORT_DOWN;
	x->may_enable = sw_iface_may_enable(i);
	x->protocols = sw_iface_protocols(i);
	x->bfd = sw_iface_bfd_filter(i);
	x->is_patch = i->is_patch;
	x->is_tunnel = i->tunnel != NULL;
	x->is_internal = i->is_local || !strcmp(i->type, "internal");
	snprintf(x->name, sizeof x->name, "%s", i->name);
	memcpy(x->mac, i->mac, 6);
	if (i->is_patch) {
		struct sw_iface *peer = sw_patch_peer(i);

		x->peer_bridge = peer ? peer->bridge->dp : NULL;
		x->peer_port = peer ? peer->ofp_port : OF_PORT_NONE;
		x->rx_patch = i->rx;
		x->tx_patch = i->tx;
	}
	x->bundle = i->owner->bundle;
}

static int
xport_cmp(const void *a_, const void *b_)
{
	const struct xport *a = a_, *b = b_;

	return a->ofp_port < b->ofp_port ? -1 : a->ofp_port > b->ofp_port;
}

/* A station behind a port that goes may be anywhere now: what other bridges know of it leads
 * here. */
struct gone {
	const struct sw_bridge *bridge;
	const struct bundle *bundle;
};

static void
forget_elsewhere(const struct mac_row *row, void *gone_)
{
	const struct gone *g = gone_;
	struct sw_bridge *b;

	for (uint32_t i = 0; i < g->bundle->n_members; i++) {
		if (g->bundle->members[i] != row->port)
			continue;
		wf_hmap_for_each(b, node, &sw_bridges)
			if (b != g->bridge && b->dp)
				mac_table_del(b->dp->macs, row->vid, row->mac);
	}
}

/* MACs and groups that were learned on ports which go, or which change what VLANs they carry, are
 * forgotten. */
static void
flush_learned(struct sw_bridge *b, const struct xport_set *new)
{
	const struct bridge_view *bv = view_bridge_pending(b->dp);
	const struct xport_set *old = bv ? bv->ports : NULL;

	for (uint32_t i = 0; old && i < old->n; i++) {
		const struct bundle *was = old->ports[i].bundle;
		const struct xport *x = xport_find(new, old->ports[i].ofp_port);
		const struct bundle *is = x ? x->bundle : NULL;

		if (was && (!is || is->mode != was->mode || is->vlan != was->vlan ||
			    strcmp(is->name, was->name))) {
			if (!is) {
				struct gone g = { b, was };

				mac_table_dump(b->dp->macs, forget_elsewhere, &g);
			}
			mac_table_flush_bundle(b->dp->macs, was);
			if (b->mcast)
				mcast_table_flush_bundle(b->mcast, was);
		}
	}
}

void
sw_bridge_publish(struct sw_bridge *b)
{
	struct l2_config *l2 = l2_new(b);
	struct xport_set *set;
	struct sw_iface *i;
	uint32_t n = 0;

	wf_hmap_for_each(i, node, &b->ifaces)
		n += i->ofp_port != OF_PORT_NONE;
	set = xport_set_new(n);
	n = 0;
	wf_hmap_for_each(i, node, &b->ifaces)
		if (i->ofp_port != OF_PORT_NONE)
			fill_xport(&set->ports[n++], i);
	qsort(set->ports, n, sizeof set->ports[0], xport_cmp);
	xport_set_hash(set);
	flush_learned(b, set);
	view_set_ports(b->dp, set);
	view_set_l2(b->dp, l2);
	sw_tunnels_publish();
	sw_underlay_changed();
}
