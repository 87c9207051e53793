/* SPDX-License-Identifier: Apache-2.0 */
/* From the database to what runs: compares, changes the difference, answers with cur_cfg. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/daemon.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/phases.h"
#include "base/rcu.h"
#include "base/stream.h"
#include "dataplane/worker.h"
#include "ovsdb/txn.h"
#include "switchd/dp_flow.h"
#include "switchd/handover.h"
#include "switchd/state/state.h"
#include "switchd/qos.h"
#include "switchd/uplinks.h"

WF_LOG_MODULE(bridge);

struct ovsdb_session *sw_db;
bool sw_restore_wait = true;
static void (*first_applied_fn)(void);
static bool requested;

/* --- Bridges ------------------------------------------------------------------------------ */

static bool
type_is_known(const char *type)
{
	return !*type || !strcmp(type, "system") || !strcmp(type, "netdev") ||
	       (!strcmp(type, "dummy") && port_class("dummy") && port_class("dummy")->available());
}

static void
delete_gone_bridges(struct ovsdb_row *root)
{
	struct sw_bridge *b;
	struct ovsdb_row *row;

	wf_hmap_for_each(b, node, &sw_bridges)
		b->seen = false;
	ovsdb_for_each_ref (row, root, OVSDB_ROOT_BRIDGES) {
		b = sw_bridge_find(ovsdb_str_or(row, OVSDB_BRIDGE_NAME, ""));
		if (b && !strcmp(b->type, ovsdb_str_or(row, OVSDB_BRIDGE_DATAPATH_TYPE, "")))
			b->seen = true;
	}
	wf_hmap_for_each_safe(b, node, &sw_bridges)
		if (!b->seen) {
			state_bridge_del(b->of, true);
			sw_bridge_free(b, true);
		}
}

static const char *
datapath_of_type(const char *type)
{
	return !strcmp(type, "dummy") ? "dummy@ovs-dummy" : "netdev@ovs-netdev";
}

/* With the first bridge of a datapath. */
static void
log_features(const char *type)
{
	struct sw_bridge *b;

	wf_hmap_for_each(b, node, &sw_bridges)
		if (!strcmp(datapath_of_type(b->type), datapath_of_type(type)))
			return;
	sw_features_log(datapath_of_type(type));
}

/* A bridge that cannot be made: its interfaces say why. */
static void
refuse_bridge(const struct ovsdb_row *bridge, const char *text)
{
	struct ovsdb_row *port, *row;

	wf_error_rl("%s", text);
	ovsdb_for_each_ref (port, bridge, OVSDB_BRIDGE_PORTS)
		ovsdb_for_each_ref (row, port, OVSDB_PORT_INTERFACES) {
			ovsdb_set_str(sw_db, row, OVSDB_INTERFACE_ERROR, text);
			ovsdb_set_int(sw_db, row, OVSDB_INTERFACE_OFPORT, -1);
		}
}

static void
add_new_bridges(struct ovsdb_row *root)
{
	struct ovsdb_row *row;

	ovsdb_for_each_ref (row, root, OVSDB_ROOT_BRIDGES) {
		const char *name = ovsdb_str_or(row, OVSDB_BRIDGE_NAME, "");
		const char *type = ovsdb_str_or(row, OVSDB_BRIDGE_DATAPATH_TYPE, "");
		struct sw_bridge *b = sw_bridge_find(name);
		struct wf_err err = { "" };
		char text[400];

		if (strchr(name, '/')) {
			wf_warn_rl("ignoring bridge with invalid name '%s': a name has no '/'", name);
			continue;
		}
		if (!b && !type_is_known(type)) {
			snprintf(text, sizeof text, "could not create datapath %s of unknown type %s",
				 name, type);
			refuse_bridge(row, text);
			continue;
		}
		if (!b) {
			log_features(type);
			b = sw_bridge_new(name, type, &err);
			if (b)
				state_bridge(b->of, (const uint8_t *)&row->uuid);
		}
		if (b) {
			b->row = row;
			continue;
		}
		snprintf(text, sizeof text, "failed to create bridge %s: %s", name, err.text);
		refuse_bridge(row, text);
	}
}

/* --- Ports ----------------------------------------------------------------------------------- */

static struct sw_port *
port_new(struct sw_bridge *b, const char *name)
{
	struct sw_port *p = wf_xzalloc(sizeof *p);

	p->bridge = b;
	p->name = wf_xstrdup(name);
	p->index = b->next_port_index++;
	wf_list_init(&p->ifaces);
	wf_hmap_insert(&b->ports, &p->node, wf_hash_str(name, 0));
	return p;
}

static void
port_free(struct sw_port *p)
{
	sw_uplinks_free_port(p);
	wf_hmap_remove(&p->bridge->ports, &p->node);
	free(p->name);
	free(p);
}

/* Is the name taken by another bridge?  An interface belongs to one. */
static bool
iface_is_elsewhere(const struct sw_bridge *b, const char *name)
{
	struct sw_bridge *other;

	wf_hmap_for_each(other, node, &sw_bridges)
		if (other != b && sw_iface_find(other, name))
			return true;
	return false;
}

static void
mark_ports(struct sw_bridge *b)
{
	struct ovsdb_row *port_row, *row;
	struct sw_iface *i;
	struct sw_port *p;

	wf_hmap_for_each(i, node, &b->ifaces) {
		i->seen = false;
		i->row = NULL;
	}
	wf_hmap_for_each(p, node, &b->ports) {
		p->seen = false;
		p->row = NULL;
	}
	ovsdb_for_each_ref (port_row, b->row, OVSDB_BRIDGE_PORTS) {
		p = sw_port_find(b, ovsdb_str_or(port_row, OVSDB_PORT_NAME, ""));
		if (!p || p->seen)
			continue;
		p->seen = true;
		p->row = port_row;
		ovsdb_for_each_ref (row, port_row, OVSDB_PORT_INTERFACES) {
			i = sw_iface_find(b, ovsdb_str_or(row, OVSDB_INTERFACE_NAME, ""));
			if (i && i->owner == p && !i->seen) {
				i->seen = true;
				i->row = row;
			}
		}
	}
	/* The local port exists whether or not a row asks for it. */
	p = sw_port_find(b, b->name);
	if (p)
		p->seen = true;
	i = sw_iface_find(b, b->name);
	if (i)
		i->seen = true;
}

static void
delete_gone_ports(struct sw_bridge *b)
{
	struct sw_iface *i;
	struct sw_port *p;

	mark_ports(b);
	wf_hmap_for_each_safe(i, node, &b->ifaces)
		if (!i->seen)
			sw_iface_free(i, true);
	wf_hmap_for_each_safe(p, node, &b->ports)
		if (!p->seen && wf_list_is_empty(&p->ifaces))
			port_free(p);
}

static void
add_iface(struct sw_bridge *b, struct sw_port *p, struct ovsdb_row *row)
{
	const char *name = row ? ovsdb_str_or(row, OVSDB_INTERFACE_NAME, "") : b->name;
	struct sw_iface *i = sw_iface_find(b, name);
	char text[300];

	if (!i) {
		if (iface_is_elsewhere(b, name)) {
			snprintf(text, sizeof text,
				 "bridge %s: interface %s is already in use by another bridge",
				 b->name, name);
			wf_warn_rl("%s", text);
			ovsdb_set_str(sw_db, row, OVSDB_INTERFACE_ERROR, text);
			ovsdb_set_int(sw_db, row, OVSDB_INTERFACE_OFPORT, -1);
			return;
		}
		i = sw_iface_new(b, p, name);
	} else if (i->seen && i->row && i->row != row) {
		wf_warn_rl("bridge %s: two Interface rows have the name %s; the second is ignored",
			   b->name, name);
		return;
	}
	i->seen = true;
	i->row = row;
	sw_iface_configure(i);
}

static int
row_name_cmp(const void *a_, const void *b_)
{
	struct ovsdb_row *const *a = a_, *const *b = b_;

	return strcmp(ovsdb_str_or(*a, OVSDB_PORT_NAME, ""), ovsdb_str_or(*b, OVSDB_PORT_NAME, ""));
}

static bool
needs_dpdk(const struct ovsdb_row *iface)
{
	static const char *const types[] = { "afxdp", "dpdk", "dpdkvhostuser", "dpdkvhostuserclient" };
	const char *type = ovsdb_str_or(iface, OVSDB_INTERFACE_TYPE, "");

	for (size_t k = 0; k < sizeof types / sizeof types[0]; k++)
		if (!strcmp(type, types[k]))
			return true;
	return false;
}

/* 'early': only what has a number already and does not wait for DPDK. */
static void
add_new_ports(struct sw_bridge *b, bool early)
{
	unsigned n = 0;
	struct ovsdb_row **rows = wf_xmalloc((ovsdb_n(b->row, OVSDB_BRIDGE_PORTS) + 1) * sizeof *rows);
	struct ovsdb_row *row;

	/* In the order of their names, so that numbers follow names as with Open vSwitch. */
	ovsdb_for_each_ref (row, b->row, OVSDB_BRIDGE_PORTS)
		rows[n++] = row;
	qsort(rows, n, sizeof *rows, row_name_cmp);
	if (!sw_iface_find(b, b->name)) {
		struct sw_port *p = sw_port_find(b, b->name);

		/* First of all, so that it is there when others choose the bridge's address. */
		struct ovsdb_row *local = NULL;
		for (unsigned k = 0; k < n; k++)
			if (!strcmp(ovsdb_str_or(rows[k], OVSDB_PORT_NAME, ""), b->name))
				local = rows[k];
		if (!p)
			p = port_new(b, b->name);
		p->row = local;
		if (!local)
			add_iface(b, p, NULL);
	}
	/* Numbers that were asked for, or that a row had before, first: nobody takes them then. */
	for (int pass = 0; pass < 2; pass++)
		for (unsigned k = 0; k < n; k++) {
			const char *name = ovsdb_str_or(rows[k], OVSDB_PORT_NAME, "");
			struct sw_port *p = sw_port_find(b, name);
			struct ovsdb_row *first = ovsdb_ref_at(rows[k], OVSDB_PORT_INTERFACES, 0);
			bool numbered = ovsdb_int(first, OVSDB_INTERFACE_OFPORT_REQUEST, 0) > 0 ||
					ovsdb_int(first, OVSDB_INTERFACE_OFPORT, 0) > 0;

			if (numbered != (pass == 0) || (early && (!numbered || needs_dpdk(first))))
				continue;
			if (!p)
				p = port_new(b, name);
			p->seen = true;
			p->row = rows[k];
			ovsdb_for_each_ref (row, rows[k], OVSDB_PORT_INTERFACES)
				add_iface(b, p, row);
		}
	free(rows);
}

/* --- All ----------------------------------------------------------------------------------- */

/* Before ports are opened: they may need it. */
static void
configure_dpdk(struct ovsdb_row *root)
{
	const struct ovsdb_replica *db = ovsdb_session_replica(sw_db);
	unsigned n = ovsdb_n(root, OVSDB_ROOT_OTHER_CONFIG), n_devices = 0;
	const char **devices =
		wf_xmalloc((ovsdb_replica_n_rows(db, OVSDB_TABLE_INTERFACE) + 1) * sizeof *devices);
	struct port_options o = { .n = n };
	struct ovsdb_row *row;
	bool needed = false, virtual_only = true;

	o.keys = wf_xmalloc((n + 1) * sizeof *o.keys);
	o.values = wf_xmalloc((n + 1) * sizeof *o.values);
	for (unsigned k = 0; k < n; k++) {
		o.keys[k] = ovsdb_smap_key_at(root, OVSDB_ROOT_OTHER_CONFIG, k);
		o.values[k] = ovsdb_smap_value_at(root, OVSDB_ROOT_OTHER_CONFIG, k);
	}
	ovsdb_for_each (row, db, OVSDB_TABLE_INTERFACE) {
		const char *type = ovsdb_str_or(row, OVSDB_INTERFACE_TYPE, "");
		const char *device = ovsdb_smap_get(row, OVSDB_INTERFACE_OPTIONS, "dpdk-devargs");

		needed |= needs_dpdk(row);
		if (strcmp(type, "dpdk") || !device || !*device)
			continue;
		virtual_only &= ports_device_is_virtual(device);
		if (!sw_takeover_under_way() || ports_may_share(device))
			devices[n_devices++] = device;
	}
	ports_configure_dpdk(&o, devices, n_devices, virtual_only, needed);
	free(devices);
	free(o.keys);
	free(o.values);
}

/* How many threads serve ports that are not polled: by our own key, else by the one with which
 * users of Open vSwitch set the number of threads that look after packets; 0: the default. */
static unsigned
n_sleeping_workers(struct ovsdb_row *root)
{
	static const char *const keys[] = { "weft-workers", "n-handler-threads" };

	for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
		int64_t n = sw_within(root, OVSDB_ROOT_OTHER_CONFIG, keys[k], 1,
				      WORKERS_MAX_SLEEPING, 0);

		if (n)
			return (unsigned)n;
	}
	return 0;
}

/* The core of each queue of a polled port, the worker of another one. */
static const char *
affinity_of(const struct sw_iface *i)
{
	return ovsdb_smap_get(i->row, OVSDB_INTERFACE_OTHER_CONFIG,
			      i->port->polled ? "pmd-rxq-affinity" : "weft-worker");
}

static void
configure_workers(struct ovsdb_row *root)
{
	struct wf_err err = { "" };

	/* Suites that need dummies compare rows of dpctl/dump-flows with Open vSwitch's. */
	view_read_addresses(ovsdb_smap_bool(root, OVSDB_ROOT_OTHER_CONFIG, "weft-cache-addresses",
					    port_class("dummy")->available()));
	of_set_bundle_idle_timeout((unsigned)sw_within(root, OVSDB_ROOT_OTHER_CONFIG,
						       "bundle-idle-timeout", 0, INT32_MAX, 0));
	of_set_max_flows((unsigned)sw_within(root, OVSDB_ROOT_OTHER_CONFIG, "weft-max-flows", 0,
					     INT32_MAX, 0));
	if (workers_configure(ovsdb_smap_get(root, OVSDB_ROOT_OTHER_CONFIG, "pmd-cpu-mask"),
			      n_sleeping_workers(root), &err))
		wf_warn_rl("pmd-cpu-mask: %s", err.text);
}

static void
configure_tls(struct ovsdb_row *root)
{
	struct ovsdb_row *ssl = ovsdb_ref(root, OVSDB_ROOT_SSL);

	if (ssl)
		wf_tls_set(ovsdb_str(ssl, OVSDB_SSL_PRIVATE_KEY),
			   ovsdb_str(ssl, OVSDB_SSL_CERTIFICATE), ovsdb_str(ssl, OVSDB_SSL_CA_CERT),
			   ovsdb_bool(ssl, OVSDB_SSL_BOOTSTRAP_CA_CERT, false));
}

/* The parent of a daemon waits until the first configuration is in force, and the daemon before this
 * one, if any, has ended. */
static void
applied_once(void)
{
	if (sw_takeover_under_way())
		return;
	if (first_applied_fn)
		first_applied_fn();
	first_applied_fn = NULL;
}

static void
stored(void *arg, enum ovsdb_txn_result result, const char *text)
{
	if (result == OVSDB_TXN_ERROR)
		wf_warn_rl("the database refused status: %s", text);
	wf_phase("status stored");
	if (result != OVSDB_TXN_CLOSED)
		applied_once();
}

/* Everything goes: the database has become empty, or another daemon has taken over. */
static void
delete_all_bridges(bool destroy_ports)
{
	struct sw_bridge *b;

	if (!destroy_ports) {
		sw_handover_close();
		state_close(false);
	}
	wf_hmap_for_each_safe(b, node, &sw_bridges) {
		state_bridge_del(b->of, destroy_ports);
		sw_bridge_free(b, destroy_ports);
	}
	view_publish(false);
}

/* At the start.  It takes the longest: DPDK gets ready meanwhile, and packets wait in the sockets of the
 * kernel's ports, which are there before. */
static void
restore_bridges(void)
{
	struct sw_bridge *b;

	if (!state_is_restoring())
		return;
	wf_hmap_for_each(b, node, &sw_bridges)
		add_new_ports(b, true);
	wf_phase("kernel ports opened");
	wf_hmap_for_each(b, node, &sw_bridges)
		sw_bridge_restore_of(b);
	wf_phase("flows and groups of the state file");
}

/* Until now the other daemon has forwarded what these ports have received. */
static void
discard_shared(void)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(i, node, &b->ifaces)
			if (i->port && i->port->shared)
				i->port->class->discard_rx(i->port);
}

static void
apply(void)
{
	struct ovsdb_row *root = ovsdb_root(ovsdb_session_replica(sw_db));
	struct sw_bridge *b;
	struct sw_iface *i;

	if (!ovsdb_session_may_act(sw_db) && !sw_takeover_preparing())
		return;
	if (sw_takeover_preparing() &&
	    (!root || ovsdb_smap_bool(root, OVSDB_ROOT_OTHER_CONFIG, "flow-restore-wait", false)))
		wf_fatal("--takeover: the database is empty, or flow-restore-wait is set.  The daemon "
			 "that runs stays the switch");
	if (!root) {
		delete_all_bridges(true);
		applied_once();
		return;
	}
	wf_phase("database read");
	sw_restore_wait = sw_restore_wait && ovsdb_smap_bool(root, OVSDB_ROOT_OTHER_CONFIG,
							     "flow-restore-wait", false);
	/* First of all: nothing of a start takes longer. */
	configure_dpdk(root);
	state_open(sw_restore_wait);
	wf_phase("state file opened");
	sw_check_config();
	configure_tls(root);
	sw_status_configure(root);
	sw_system_stats_configure(root);
	sw_features_set_vlan_limit(ovsdb_smap_int(root, OVSDB_ROOT_OTHER_CONFIG, "vlan-limit", 1));
	wf_phase("settings");
	configure_workers(root);
	wf_phase("workers");
	delete_gone_bridges(root);
	add_new_bridges(root);
	wf_hmap_for_each(b, node, &sw_bridges)
		delete_gone_ports(b);
	restore_bridges();
	wf_hmap_for_each(b, node, &sw_bridges) {
		sw_ofports_renumber(b);
		add_new_ports(b, false);
		wf_phase("ports opened");
		sw_bridge_set_identity(b);
		sw_bridge_set_mtu(b);
		sw_tell_not_built(b);
		sw_bridge_configure_mcast(b);
		sw_uplinks_configure(b);
		/* It works on the device, which the other daemon uses. */
		if (!sw_takeover_preparing())
			sw_qos_configure(b);
		sw_bridge_configure_of(b);
		wf_phase("bridge configured");
		state_restore_macs(b->of);
	}
	/* Patch ports look across bridges, so all are built before any is published. */
	wf_hmap_for_each(b, node, &sw_bridges)
		sw_bridge_publish(b);
	view_publish(false);
	dp_flows_sync();
	sw_appctl_dpdk_init();
	wf_phase("published");
	if (sw_takeover_preparing()) {
		ports_configure_dpdk_end();
		sw_takeover_switch();
		discard_shared();
	}
	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(i, node, &b->ifaces) {
			if (i->port && !i->in_workers && !sw_restore_wait)
				workers_add_port(i->port, affinity_of(i));
			else if (i->in_workers && i->dirty && i->port)
				workers_set_affinity(i->port, affinity_of(i));
			sw_iface_check_peer(i);
			i->in_workers = i->port && !sw_restore_wait;
			if (i->dirty)
				sw_status_write_iface(i);
			i->dirty = false;
		}
	wf_phase("ports served");
	ports_configure_dpdk_end();
	sw_takeover_counters();
	if (!sw_takeover_under_way()) {
		state_settle();
		sw_handover_serve();
	}
	sw_write_system_columns(root);
	ovsdb_set_int(sw_db, root, OVSDB_ROOT_CUR_CFG, ovsdb_int(root, OVSDB_ROOT_NEXT_CFG, 0));
	ovsdb_commit(sw_db, stored, NULL);
	wf_phase("status composed");
}

/* --- Events -------------------------------------------------------------------------------- */

static void
on_changed(void *arg)
{
	requested = true;
}

static void
on_lock(void *arg, enum ovsdb_lock_state state)
{
	if (state == OVSDB_LOCK_WAITING && sw_takeover_under_way())
		return; /* the other daemon has it, until it has gone */
	if (state == OVSDB_LOCK_WAITING) {
		wf_error("another ovs-vswitchd process is running, disabling this process "
			 "(pid %ld) until it goes away", (long)getpid());
		delete_all_bridges(false);
	}
	requested = true;
}

static void
on_resynced(void *arg)
{
	sw_status_write_all();
	requested = true;
}

static void
on_row_deleted(void *arg, struct ovsdb_row *row)
{
	struct sw_bridge *b;
	struct sw_iface *i;
	struct sw_port *p;

	wf_hmap_for_each(b, node, &sw_bridges) {
		if (b->row == row)
			b->row = NULL;
		wf_hmap_for_each(p, node, &b->ports)
			if (p->row == row)
				p->row = NULL;
		wf_hmap_for_each(i, node, &b->ifaces)
			if (i->row == row)
				i->row = NULL;
	}
}

static int64_t
on_turn(struct wf_idle *idle)
{
	if (requested) {
		requested = false;
		apply();
	}
	return -1;
}

void
sw_config_request(void)
{
	requested = true;
	wf_loop_wake();
}

void
sw_config_init(const char *remote, void (*first_applied)(void))
{
	static const struct ovsdb_session_ops ops = {
		.changed = on_changed,
		.lock_changed = on_lock,
		.resynced = on_resynced,
		.row_deleted = on_row_deleted,
	};
	static struct wf_idle idle = { .fn = on_turn };
	struct wf_err err = { "" };

	wf_hmap_init(&sw_bridges);
	first_applied_fn = first_applied;
	sw_db = ovsdb_session_new(remote, "ovs_vswitchd", &ops, NULL, &err);
	if (!sw_db)
		wf_fatal("%s", err.text);
	wf_idle_add(&idle);
}

void
sw_config_exit(bool cleanup)
{
	struct sw_bridge *b;

	state_close(cleanup);
	wf_hmap_for_each_safe(b, node, &sw_bridges)
		sw_bridge_free(b, cleanup);
	view_publish(false);
	ovsdb_session_free(sw_db);
	sw_db = NULL;
}

/* --- For another daemon ------------------------------------------------------------------------ */

void
sw_ports_pause(void)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(i, node, &b->ifaces) {
			if (i->in_workers)
				workers_remove_port(i->port);
			i->in_workers = false;
		}
	sw_tunnels_pause();
	wf_rcu_synchronize();
}

void
sw_ports_resume(void)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(i, node, &b->ifaces) {
			if (i->port)
				workers_add_port(i->port, affinity_of(i));
			i->in_workers = i->port != NULL;
		}
	sw_tunnels_resume();
}

void
sw_ports_close_others(void)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(i, node, &b->ifaces)
			if (i->port && !i->port->class->fd_is_all && !i->port->shared)
				i->port->class->close(i->port, false);
}

void
sw_config_leave(void)
{
	ovsdb_session_free(sw_db);
	sw_db = NULL;
}
