/* SPDX-License-Identifier: Apache-2.0 */
/* Bridges: rows of Bridge, their identity and their OpenFlow settings. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/hash.h"
#include "base/log.h"
#include "dataplane/normal.h"
#include "openflow/msg.h"
#include "switchd/dp_flow.h"
#include "switchd/uplinks.h"

WF_LOG_MODULE(bridge);

struct wf_hmap sw_bridges;

struct sw_bridge *
sw_bridge_find(const char *name)
{
	struct sw_bridge *b;

	wf_hmap_for_each_with_hash(b, node, wf_hash_str(name, 0), &sw_bridges)
		if (!strcmp(b->name, name))
			return b;
	return NULL;
}

struct sw_port *
sw_port_find(const struct sw_bridge *b, const char *name)
{
	struct sw_port *p;

	wf_hmap_for_each_with_hash(p, node, wf_hash_str(name, 0), &b->ports)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

/* --- What the agent asks ---------------------------------------------------------------------- */

static int
on_port_mod(void *b_, of_port_t p, uint32_t config)
{
	struct sw_bridge *b = b_;
	struct sw_iface *i = sw_iface_by_ofp_port(b, p);

	if (!i)
		return -ENODEV;
	bool up = !(config & OF_PC_PORT_DOWN);
	if (i->port && i->port->class->set_up && i->status.admin_up != up)
		i->port->class->set_up(i->port, up);
	sw_iface_refresh(i);
	struct of_port_desc desc;
	sw_iface_port_desc(i, &desc);
	of_switch_port_change(b->of, &desc);
	sw_bridge_publish(b);
	view_publish(false);
	return 0;
}

static bool
on_port_stats(void *b_, of_port_t p, struct of_port_stats *s)
{
	struct sw_iface *i = sw_iface_by_ofp_port(b_, p);

	if (!i)
		return false;
	of_port_stats_init(s);
	s->port = p;
	if (i->port) {
		struct port_stats ps;

		memset(&ps, 0xff, sizeof ps);
		i->port->class->get_stats(i->port, &ps);
		s->rx_packets = ps.rx_packets;
		s->tx_packets = ps.tx_packets;
		s->rx_bytes = ps.rx_bytes;
		s->tx_bytes = ps.tx_bytes;
		s->rx_dropped = ps.rx_dropped;
		s->tx_dropped = ps.tx_dropped;
		s->rx_errors = ps.rx_errors;
		s->tx_errors = ps.tx_errors;
		s->rx_frame_err = ps.rx_frame_errors;
		s->rx_over_err = ps.rx_over_errors;
		s->rx_crc_err = ps.rx_crc_errors;
		s->collisions = ps.collisions;
	} else if (i->is_patch || i->tunnel) {
		s->rx_packets = atomic_load(&i->rx->packets);
		s->rx_bytes = atomic_load(&i->rx->bytes);
		s->tx_packets = atomic_load(&i->tx->packets);
		s->tx_bytes = atomic_load(&i->tx->bytes);
	}
	int64_t age = wf_now_ms() - i->opened_ms;
	if (!strcmp(i->bridge->type, "dummy")) {
		/* As the dummies of Open vSwitch have them. */
		static const struct of_port_custom_stat custom[] = {
			{ "rx_custom_packets_1", 0 }, { "rx_custom_packets_2", 0 },
			{ "rx_q0_bytes", 0 }, { "rx_q0_packets", 0 },
			{ "tx_q0_bytes", 0 }, { "tx_q0_packets", 0 },
		};

		s->custom = custom;
		s->n_custom = sizeof custom / sizeof custom[0];
	}
	s->duration_s = (uint32_t)(age / 1000);
	s->duration_ns = (uint32_t)(age % 1000) * 1000000;
	return true;
}

static void
on_queues(void *b_, of_port_t p, void (*fn)(void *, uint32_t), void *aux)
{
	struct sw_iface *i = sw_iface_by_ofp_port(b_, p);
	struct ovsdb_row *qos = i ? ovsdb_ref(i->owner->row, OVSDB_PORT_QOS) : NULL;

	/* A dummy has one queue of its own, as suites expect. */
	if (i && !qos && !strcmp(i->bridge->type, "dummy"))
		fn(aux, 0);
	for (unsigned k = 0; qos && k < ovsdb_n(qos, OVSDB_QOS_QUEUES); k++)
		fn(aux, (uint32_t)ovsdb_int_at(qos, OVSDB_QOS_QUEUES, k));
}

static bool
on_queue_stats(void *b_, of_port_t p, uint32_t queue_id, uint64_t *tx_bytes, uint64_t *tx_packets,
	       uint64_t *tx_errors, int64_t *created_ms)
{
	struct sw_iface *i = sw_iface_by_ofp_port(b_, p);
	struct ovsdb_row *qos = i ? ovsdb_ref(i->owner->row, OVSDB_PORT_QOS) : NULL;

	if (i && !qos && !strcmp(i->bridge->type, "dummy") && !queue_id) {
		*tx_bytes = *tx_packets = *tx_errors = UINT64_MAX;
		*created_ms = INT64_MIN;
		return true;
	}
	if (!qos || !ovsdb_map_ref_int(qos, OVSDB_QOS_QUEUES, queue_id))
		return false;
	*tx_bytes = *tx_packets = *tx_errors = 0;
	*created_ms = i->opened_ms;
	return true;
}

static const struct of_switch_ops of_ops = {
	.port_mod = on_port_mod,
	.port_stats = on_port_stats,
	.queues = on_queues,
	.queue_stats = on_queue_stats,
};

/* --- Life ---------------------------------------------------------------------------------- */

struct sw_bridge *
sw_bridge_new(const char *name, const char *type, struct wf_err *err)
{
	struct sw_bridge *b = wf_xzalloc(sizeof *b);

	b->name = wf_xstrdup(name);
	b->type = wf_xstrdup(type);
	wf_hmap_init(&b->ports);
	wf_hmap_init(&b->ifaces);
	b->dp = view_bridge_add(name);
	b->dp->macs = mac_table_new();
	b->of = of_switch_new(b->dp, &of_ops, b, err);
	if (!b->of) {
		view_bridge_del(b->dp);
		wf_hmap_done(&b->ports);
		wf_hmap_done(&b->ifaces);
		free(b->name);
		free(b->type);
		free(b);
		return NULL;
	}
	wf_hmap_insert(&sw_bridges, &b->node, wf_hash_str(name, 0));
	return b;
}

static void
unref_counter(void *counter)
{
	counter_unref(counter);
}

void
sw_bridge_free(struct sw_bridge *b, bool destroy_ports)
{
	struct sw_iface *i;
	struct sw_port *p;

	wf_hmap_for_each_safe(i, node, &b->ifaces)
		sw_iface_free(i, destroy_ports);
	wf_hmap_for_each_safe(p, node, &b->ports) {
		sw_uplinks_free_port(p);
		wf_hmap_remove(&b->ports, &p->node);
		free(p->name);
		free(p);
	}
	dp_flows_forget_bridge(b->dp);
	of_switch_free(b->of);
	b->row = NULL;
	sw_bridge_configure_mcast(b);
	view_bridge_del(b->dp);
	wf_hmap_remove(&sw_bridges, &b->node);
	wf_hmap_done(&b->ports);
	wf_hmap_done(&b->ifaces);
	for (unsigned m = 0; m < MAX_MIRRORS; m++)
		if (b->mirrors[m].in_use)
			view_after_publish(unref_counter, b->mirrors[m].counter);
	free(b->name);
	free(b->type);
	free(b->local_ip);
	free(b);
}

/* --- Identity ------------------------------------------------------------------------------ */

static uint64_t
mac_to_u64(const uint8_t mac[6])
{
	uint64_t v = 0;

	for (int k = 0; k < 6; k++)
		v = v << 8 | mac[k];
	return v;
}

/* An address that says whose it is: neither multicast, nor locally administered, nor zero, nor one
 * of those that bridges do not forward (IEEE 802.1D 7.12.6). */
static bool
is_global(const uint8_t mac[6])
{
	static const uint8_t reserved[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return !(mac[0] & 3) && mac_to_u64(mac) && memcmp(mac, reserved, 5);
}

static bool
is_mirror_output(const struct sw_bridge *b, const struct sw_port *p)
{
	struct ovsdb_row *row;

	ovsdb_for_each_ref (row, b->row, OVSDB_BRIDGE_MIRRORS)
		if (p->row && ovsdb_ref(row, OVSDB_MIRROR_OUTPUT_PORT) == p->row)
			return true;
	return false;
}

/* The address that stands for a port: Port.mac, else that of the interface first by name. */
static bool
port_mac(const struct sw_port *p, uint8_t mac[6])
{
	const struct sw_iface *i, *first = NULL;

	if (sw_parse_mac(ovsdb_str(p->row, OVSDB_PORT_MAC), mac))
		return true;
	wf_list_for_each (i, port_node, &p->ifaces)
		if (!first || strcmp(i->name, first->name) < 0)
			first = i;
	if (!first || first->is_local || first->is_patch || !first->port ||
	    !strcmp(first->type, "internal"))
		return false;
	memcpy(mac, first->mac, 6);
	return true;
}

/* As Open vSwitch: the lowest global address of the ports that are not ours, else one made of
 * the row's uuid, which stays the same over restarts and is what Open vSwitch would take.  With
 * 'fake' of the ports in the VLAN of that fake bridge. */
static void
choose_mac(const struct sw_bridge *b, const struct sw_port *fake, uint8_t mac[6])
{
	struct sw_port *p;
	bool found = false;

	wf_hmap_for_each(p, node, &b->ports) {
		uint8_t m[6];

		if (p == fake || (fake && ovsdb_int(p->row, OVSDB_PORT_TAG, -1) !=
						  ovsdb_int(fake->row, OVSDB_PORT_TAG, -1)))
			continue;
		if (is_mirror_output(b, p) || !port_mac(p, m) || !is_global(m))
			continue;
		if (!found || memcmp(m, mac, 6) < 0)
			memcpy(mac, m, 6);
		found = true;
	}
	if (found)
		return;
	const struct ovsdb_uuid *uuid = &b->row->uuid;
	uint32_t first = (uint32_t)(uuid->hi >> 32), second = (uint32_t)uuid->hi;

	for (int k = 0; k < 4; k++)
		mac[k] = (uint8_t)(first >> 8 * k);
	mac[4] = (uint8_t)second;
	mac[5] = (uint8_t)(second >> 8);
	mac[0] = (uint8_t)((mac[0] & 0xfe) | 0x02);
}

static void
set_mac(struct sw_iface *i, const uint8_t mac[6])
{
	struct wf_err err = { "" };
	struct of_port_desc desc;

	if (!i || !i->port || !memcmp(i->mac, mac, 6) || !i->port->class->set_mac ||
	    i->port->class->set_mac(i->port, mac, &err))
		return;
	sw_iface_refresh(i);
	i->dirty = true;
	sw_iface_port_desc(i, &desc);
	of_switch_port_change(i->bridge->of, &desc);
}

/* The devices of fake bridges have an address as a bridge has, unless one is given. */
static void
set_fake_bridges(struct sw_bridge *b)
{
	struct sw_iface *i;
	uint8_t mac[6];

	wf_hmap_for_each(i, node, &b->ifaces) {
		if (!i->row || !ovsdb_bool(i->owner->row, OVSDB_PORT_FAKE_BRIDGE, false) ||
		    strcmp(i->type, "internal") ||
		    sw_parse_mac(ovsdb_str(i->row, OVSDB_INTERFACE_MAC), mac))
			continue;
		choose_mac(b, i->owner, mac);
		set_mac(i, mac);
	}
}

static bool
is_internal(const struct sw_iface *i)
{
	return !strcmp(i->type, "internal") || !strcmp(i->type, "dummy-internal");
}

/* Internal devices follow the smallest MTU of the bridge's other ports, unless theirs was asked
 * for. */
void
sw_bridge_set_mtu(struct sw_bridge *b)
{
	struct wf_err err = { "" };
	struct sw_iface *i;
	uint32_t mtu = 0;
	bool alone;

	wf_hmap_for_each(i, node, &b->ifaces)
		if (i->port && !is_internal(i) && i->status.mtu && (!mtu || i->status.mtu < mtu))
			mtu = i->status.mtu;
	alone = !mtu;
	if (alone)
		mtu = 1500;
	wf_hmap_for_each(i, node, &b->ifaces)
		if ((!alone || i->mtu_followed) && i->port && is_internal(i) &&
		    i->status.mtu != mtu && i->port->class->set_mtu &&
		    !ovsdb_int(i->row, OVSDB_INTERFACE_MTU_REQUEST, 0) &&
		    !i->port->class->set_mtu(i->port, mtu, &err)) {
			sw_iface_refresh(i);
			i->mtu_followed = !alone;
			i->dirty = true;
		}
}

void
sw_bridge_set_identity(struct sw_bridge *b)
{
	const char *hwaddr = ovsdb_smap_get(b->row, OVSDB_BRIDGE_OTHER_CONFIG, "hwaddr");
	const char *id = ovsdb_smap_get(b->row, OVSDB_BRIDGE_OTHER_CONFIG, "datapath-id");
	uint8_t mac[6] = { 0 };
	uint64_t configured;
	char text[20];

	if (!sw_parse_mac(hwaddr, mac) || mac[0] & 1)
		choose_mac(b, NULL, mac);
	memcpy(b->mac, mac, 6);
	set_mac(sw_iface_find(b, b->name), mac);
	set_fake_bridges(b);
	uint64_t dpid = mac_to_u64(mac);
	if (sw_parse_dpid(id, &configured))
		dpid = configured;
	if (dpid != b->datapath_id) {
		b->datapath_id = dpid;
		view_set_datapath_id(b->dp, dpid);
		wf_info("bridge %s: using datapath ID %016" PRIx64, b->name, dpid);
	}
	snprintf(text, sizeof text, "%016" PRIx64, dpid);
	ovsdb_set_str(sw_db, b->row, OVSDB_BRIDGE_DATAPATH_ID, text);
	ovsdb_set_str(sw_db, b->row, OVSDB_BRIDGE_DATAPATH_VERSION, "<built-in>");
}

/* --- OpenFlow settings --------------------------------------------------------------------- */

bool sw_self_confined = true;

/* A socket named by the database must lie in the run directory, as BRIDGE.* if it is ours to make:
 * who may write the database must not be able to reach or overwrite files elsewhere. */
static bool
controller_is_allowed(const struct sw_bridge *b, const char *target)
{
	const char *dir = wf_rundir();
	size_t dir_len = strlen(dir), name_len = strlen(b->name);
	bool is_active = !strncmp(target, "unix:", 5);

	if (!sw_self_confined || (!is_active && strncmp(target, "punix:", 6)))
		return true;
	const char *path = target + (is_active ? 5 : 6);
	bool inside = !strncmp(path, dir, dir_len) && path[dir_len] == '/' && !strstr(path, "/../");

	if (is_active) {
		if (!strchr(path, '/') || inside)
			return true;
		wf_error_rl("bridge %s: Not connecting to socket controller \"%s\" due to possibility "
			    "for remote exploit.  Instead, specify a socket in \"unix:%s/\"",
			    b->name, target, dir);
		return false;
	}
	const char *file = path + dir_len + 1;
	if (inside && !strncmp(file, b->name, name_len) && file[name_len] == '.' &&
	    !strchr(file, '/'))
		return true;
	wf_error_rl("bridge %s: Not adding Unix domain socket controller \"%s\" due to possibility of "
		    "overwriting local files.  Instead, specify a path of the form \"punix:%s/%s.*\"",
		    b->name, target, dir, b->name);
	return false;
}

static void
read_controller(const struct ovsdb_row *row, struct of_controller_config *c)
{
	memset(c, 0, sizeof *c);
	c->target = ovsdb_str_or(row, OVSDB_CONTROLLER_TARGET, "");
	c->max_backoff_ms = (int)ovsdb_int(row, OVSDB_CONTROLLER_MAX_BACKOFF, 8000);
	c->inactivity_probe_ms = (int)ovsdb_int(row, OVSDB_CONTROLLER_INACTIVITY_PROBE, 5000);
	c->enable_async = ovsdb_bool(row, OVSDB_CONTROLLER_ENABLE_ASYNC_MESSAGES, true);
	c->controller_rate_limit =
		(int)ovsdb_int(row, OVSDB_CONTROLLER_CONTROLLER_RATE_LIMIT, 0);
	c->controller_burst_limit =
		(int)ovsdb_int(row, OVSDB_CONTROLLER_CONTROLLER_BURST_LIMIT, 0);
	c->queue_size = (int)ovsdb_int(row, OVSDB_CONTROLLER_CONTROLLER_QUEUE_SIZE, 100);
	c->in_band = strcmp(ovsdb_str_or(row, OVSDB_CONTROLLER_CONNECTION_MODE, "in-band"),
			    "out-of-band") != 0;
	c->is_service = !strcmp(ovsdb_str_or(row, OVSDB_CONTROLLER_TYPE, ""), "service");
	c->dscp = (unsigned)sw_within(row, OVSDB_CONTROLLER_OTHER_CONFIG, "dscp", 0, 63, 48);
}

static const char **
strings_of(const struct ovsdb_row *row, enum ovsdb_column column, unsigned *n)
{
	const char **s;

	*n = ovsdb_n(row, column);
	s = wf_xmalloc((*n + 1) * sizeof *s);
	for (unsigned k = 0; k < *n; k++)
		s[k] = ovsdb_str_at(row, column, k);
	return s;
}

static void
read_table(const struct ovsdb_row *row, unsigned id, struct of_table_config *t)
{
	memset(t, 0, sizeof *t);
	t->table_id = id;
	t->name = ovsdb_str(row, OVSDB_FLOW_TABLE_NAME);
	t->max_flows = (unsigned)ovsdb_int(row, OVSDB_FLOW_TABLE_FLOW_LIMIT, UINT32_MAX);
	t->evict = !strcmp(ovsdb_str_or(row, OVSDB_FLOW_TABLE_OVERFLOW_POLICY, ""), "evict");
	t->groups = strings_of(row, OVSDB_FLOW_TABLE_GROUPS, &t->n_groups);
	t->prefixes = strings_of(row, OVSDB_FLOW_TABLE_PREFIXES, &t->n_prefixes);
}

/* Whom the hidden flows of in-band control are for.  The caller frees c->in_band_remotes. */
static void
read_in_band(const struct ovsdb_row *bridge, struct of_switch_config *c,
	     struct of_controller_config *controllers)
{
	bool off = ovsdb_smap_bool(bridge, OVSDB_BRIDGE_OTHER_CONFIG, "disable-in-band", false);
	const struct ovsdb_replica *db = ovsdb_session_replica(sw_db);
	const char **remotes =
		wf_xmalloc((ovsdb_replica_n_rows(db, OVSDB_TABLE_MANAGER) + 1) * sizeof *remotes);
	struct ovsdb_row *row;

	c->in_band_queue =
		(int)sw_within(bridge, OVSDB_BRIDGE_OTHER_CONFIG, "in-band-queue", 0, INT32_MAX, -1);
	c->in_band_remotes = remotes;
	for (unsigned k = 0; off && k < c->n_controllers; k++)
		controllers[k].in_band = false;
	if (off)
		return;
	ovsdb_for_each (row, db, OVSDB_TABLE_MANAGER)
		if (strcmp(ovsdb_str_or(row, OVSDB_MANAGER_CONNECTION_MODE, "in-band"), "out-of-band"))
			remotes[c->n_in_band_remotes++] = ovsdb_str_or(row, OVSDB_MANAGER_TARGET, "");
}

static void
with_of_config(struct sw_bridge *b,
	       void (*fn)(struct of_switch *, const struct of_switch_config *))
{
	struct of_switch_config c = { .datapath_id = b->datapath_id };
	unsigned n = ovsdb_n(b->row, OVSDB_BRIDGE_PROTOCOLS);
	struct ovsdb_row *row;

	for (unsigned k = 0; k < n; k++) {
		uint8_t v = of_version_from_name(ovsdb_str_at(b->row, OVSDB_BRIDGE_PROTOCOLS, k));

		if (v)
			c.versions |= 1u << v;
	}
	c.fail_mode = !strcmp(ovsdb_str_or(b->row, OVSDB_BRIDGE_FAIL_MODE, "standalone"), "secure")
			      ? OF_FAIL_SECURE
			      : OF_FAIL_STANDALONE;
	c.dp_desc = ovsdb_smap_get(b->row, OVSDB_BRIDGE_OTHER_CONFIG, "dp-desc");
	c.serial_desc = ovsdb_smap_get(b->row, OVSDB_BRIDGE_OTHER_CONFIG, "dp-sn");
	c.flow_restore_wait = sw_restore_wait;

	struct of_controller_config *cs =
		wf_xzalloc((ovsdb_n(b->row, OVSDB_BRIDGE_CONTROLLER) + 1) * sizeof *cs);
	ovsdb_for_each_ref (row, b->row, OVSDB_BRIDGE_CONTROLLER)
		if (controller_is_allowed(b, ovsdb_str_or(row, OVSDB_CONTROLLER_TARGET, "")))
			read_controller(row, &cs[c.n_controllers++]);
	c.controllers = cs;
	read_in_band(b->row, &c, cs);

	struct of_table_config *ts =
		wf_xzalloc((ovsdb_n(b->row, OVSDB_BRIDGE_FLOW_TABLES) + 1) * sizeof *ts);
	for (unsigned k = 0; k < ovsdb_n(b->row, OVSDB_BRIDGE_FLOW_TABLES); k++) {
		row = ovsdb_ref_at(b->row, OVSDB_BRIDGE_FLOW_TABLES, k);
		if (row)
			read_table(row,
				   (unsigned)ovsdb_int_at(b->row, OVSDB_BRIDGE_FLOW_TABLES, k),
				   &ts[c.n_tables++]);
	}
	c.tables = ts;
	char *snoop = wf_xasprintf("punix:%s/%s.snoop", wf_rundir(), b->name);
	c.n_snoops = 1;
	c.snoops = (const char *const[]){ snoop };
	fn(b->of, &c);
	free(snoop);
	free((void *)c.in_band_remotes);
	for (unsigned k = 0; k < c.n_tables; k++) {
		free((void *)ts[k].groups);
		free((void *)ts[k].prefixes);
	}
	free(ts);
	free(cs);
}

void
sw_bridge_restore_of(struct sw_bridge *b)
{
	if (b->row && !of_switch_is_restored(b->of))
		with_of_config(b, of_switch_restore);
}

void
sw_bridge_configure_of(struct sw_bridge *b)
{
	with_of_config(b, of_switch_configure);
	sw_bridge_configure_local_ip(b);
	mac_table_configure(b->dp->macs, (unsigned)sw_positive(b->row, "mac-table-size", 8192),
			    1000 * sw_positive(b->row, "mac-aging-time", 300));
}
