/* SPDX-License-Identifier: Apache-2.0 */
/* What is, written back: interfaces, controllers, mirrors; every stats-update-interval and at
 * once when a link changes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/loop.h"
#include "ovsdb/txn.h"
#include "switchd/uplinks.h"

static void
put_pair(void *datum, const char *key, const char *value)
{
	ovsdb_datum_add_str_str(datum, key, value ? value : "");
}

static void
add_stat(struct ovsdb_datum *d, const char *name, uint64_t value)
{
	if (value != UINT64_MAX)
		ovsdb_datum_add_str_int(d, name, (int64_t)value);
}

static void
write_statistics(struct sw_iface *i)
{
	struct ovsdb_datum d = OVSDB_DATUM_INIT;
	struct port_stats s;

	memset(&s, 0xff, sizeof s);
	if (i->port) {
		i->port->class->get_stats(i->port, &s);
	} else if (i->is_patch || i->tunnel) {
		s.rx_packets = atomic_load(&i->rx->packets);
		s.rx_bytes = atomic_load(&i->rx->bytes);
		s.tx_packets = atomic_load(&i->tx->packets);
		s.tx_bytes = atomic_load(&i->tx->bytes);
	}
	add_stat(&d, "collisions", s.collisions);
	add_stat(&d, "rx_bytes", s.rx_bytes);
	add_stat(&d, "rx_crc_err", s.rx_crc_errors);
	add_stat(&d, "rx_dropped", s.rx_dropped);
	add_stat(&d, "rx_errors", s.rx_errors);
	add_stat(&d, "rx_frame_err", s.rx_frame_errors);
	add_stat(&d, "rx_missed_errors", s.rx_missed_errors);
	add_stat(&d, "rx_multicast_packets", s.multicast);
	add_stat(&d, "rx_over_err", s.rx_over_errors);
	add_stat(&d, "rx_packets", s.rx_packets);
	add_stat(&d, "tx_bytes", s.tx_bytes);
	add_stat(&d, "tx_dropped", s.tx_dropped);
	add_stat(&d, "tx_errors", s.tx_errors);
	add_stat(&d, "tx_packets", s.tx_packets);
	ovsdb_set(sw_db, i->row, OVSDB_INTERFACE_STATISTICS, &d);
}

static void
set_optional_int(struct ovsdb_row *row, enum ovsdb_column column, bool has, int64_t value)
{
	if (has)
		ovsdb_set_int(sw_db, row, column, value);
	else
		ovsdb_clear(sw_db, row, column);
}

void
sw_status_write_iface(struct sw_iface *i)
{
	struct ovsdb_datum status = OVSDB_DATUM_INIT;
	struct ovsdb_row *row = i->row;
	const struct port_status *s = &i->status;
	bool made = i->ofp_port != OF_PORT_NONE;
	char mac[18];

	if (!row)
		return;
	ovsdb_set_str(sw_db, row, OVSDB_INTERFACE_ERROR, i->error);
	ovsdb_set_int(sw_db, row, OVSDB_INTERFACE_OFPORT,
		      !made ? -1 : i->ofp_port == OF_PORT_LOCAL ? 65534 : (int64_t)i->ofp_port);
	if (!made) {
		static const enum ovsdb_column empty[] = {
			OVSDB_INTERFACE_MAC_IN_USE, OVSDB_INTERFACE_IFINDEX,
			OVSDB_INTERFACE_STATISTICS, OVSDB_INTERFACE_STATUS,
			OVSDB_INTERFACE_ADMIN_STATE, OVSDB_INTERFACE_LINK_STATE,
			OVSDB_INTERFACE_LINK_RESETS, OVSDB_INTERFACE_LINK_SPEED,
			OVSDB_INTERFACE_DUPLEX, OVSDB_INTERFACE_MTU,
		};
		for (size_t k = 0; k < sizeof empty / sizeof empty[0]; k++)
			ovsdb_clear(sw_db, row, empty[k]);
		return;
	}
	snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", i->mac[0], i->mac[1], i->mac[2],
		 i->mac[3], i->mac[4], i->mac[5]);
	ovsdb_set_str(sw_db, row, OVSDB_INTERFACE_MAC_IN_USE, mac);
	ovsdb_set_str(sw_db, row, OVSDB_INTERFACE_ADMIN_STATE, s->admin_up ? "up" : "down");
	ovsdb_set_str(sw_db, row, OVSDB_INTERFACE_LINK_STATE, s->link_up ? "up" : "down");
	ovsdb_set_int(sw_db, row, OVSDB_INTERFACE_LINK_RESETS, (int64_t)s->link_resets);
	set_optional_int(row, OVSDB_INTERFACE_IFINDEX, true, s->ifindex);
	set_optional_int(row, OVSDB_INTERFACE_MTU, s->mtu != 0, s->mtu);
	set_optional_int(row, OVSDB_INTERFACE_LINK_SPEED, s->link_speed_bps != 0,
			 (int64_t)s->link_speed_bps);
	ovsdb_set_str(sw_db, row, OVSDB_INTERFACE_DUPLEX,
		      !s->link_speed_bps ? NULL : s->full_duplex ? "full" : "half");
	if (i->port && i->port->class->put_status)
		i->port->class->put_status(i->port, put_pair, &status);
	ovsdb_set(sw_db, row, OVSDB_INTERFACE_STATUS, &status);
	sw_uplinks_write_iface(i);
	write_statistics(i);
}

static void
write_controllers(struct sw_bridge *b)
{
	struct ovsdb_row *row;

	ovsdb_for_each_ref (row, b->row, OVSDB_BRIDGE_CONTROLLER) {
		struct ovsdb_datum d = OVSDB_DATUM_INIT;
		struct of_controller_status s;

		if (!of_switch_controller_status(b->of,
						 ovsdb_str_or(row, OVSDB_CONTROLLER_TARGET, ""), 0,
						 &s)) {
			/* A passive one to which nobody is connected. */
			ovsdb_set_bool(sw_db, row, OVSDB_CONTROLLER_IS_CONNECTED, false);
			ovsdb_clear(sw_db, row, OVSDB_CONTROLLER_ROLE);
			ovsdb_set(sw_db, row, OVSDB_CONTROLLER_STATUS, &d);
			continue;
		}
		ovsdb_set_bool(sw_db, row, OVSDB_CONTROLLER_IS_CONNECTED, s.is_connected);
		ovsdb_set_str(sw_db, row, OVSDB_CONTROLLER_ROLE, s.is_connected ? s.role : NULL);
		if (s.state)
			ovsdb_datum_add_str_str(&d, "state", s.state);
		if (s.last_error)
			ovsdb_datum_add_str_str(&d, "last_error", s.last_error);
		if (s.sec_since_connect >= 0)
			ovsdb_datum_add_str_fmt(&d, "sec_since_connect", "%" PRId64,
						s.sec_since_connect);
		if (s.sec_since_disconnect >= 0)
			ovsdb_datum_add_str_fmt(&d, "sec_since_disconnect", "%" PRId64,
						s.sec_since_disconnect);
		ovsdb_set(sw_db, row, OVSDB_CONTROLLER_STATUS, &d);
	}
}

static void
write_mirrors(struct sw_bridge *b)
{
	struct ovsdb_row *row;

	ovsdb_for_each_ref (row, b->row, OVSDB_BRIDGE_MIRRORS)
		for (unsigned m = 0; m < MAX_MIRRORS; m++) {
			struct ovsdb_datum d = OVSDB_DATUM_INIT;

			if (!b->mirrors[m].in_use ||
			    !ovsdb_uuid_equals(&b->mirrors[m].uuid, &row->uuid))
				continue;
			add_stat(&d, "tx_packets", atomic_load(&b->mirrors[m].counter->packets));
			add_stat(&d, "tx_bytes", atomic_load(&b->mirrors[m].counter->bytes));
			ovsdb_set(sw_db, row, OVSDB_MIRROR_STATISTICS, &d);
		}
}

void
sw_status_write_all(void)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	if (!ovsdb_session_may_act(sw_db))
		return;
	wf_hmap_for_each(b, node, &sw_bridges) {
		if (!b->row)
			continue;
		wf_hmap_for_each(i, node, &b->ifaces)
			sw_status_write_iface(i);
		write_controllers(b);
		write_mirrors(b);
	}
	ovsdb_commit(sw_db, NULL, NULL);
}

/* --- Devices that changed ------------------------------------------------------------------ */

/* Returns true if the bridge is to be published again.  A device that is gone, or back, is left to
 * the next configuration, which opens what can be opened. */
static bool
refresh_iface(struct sw_iface *i, bool *reconfigure)
{
	if (i->ofp_port == OF_PORT_NONE) {
		*reconfigure = true;
		return false;
	}
	if (!sw_iface_refresh(i))
		return false;
	sw_uplinks_link_changed(i);
	if (i->status.gone) {
		sw_iface_gone(i);
		*reconfigure = true;
	} else {
		struct of_port_desc desc;

		sw_iface_port_desc(i, &desc);
		of_switch_port_change(i->bridge->of, &desc);
	}
	sw_status_write_iface(i);
	return true;
}

/* The device 'name', or any (NULL), changed.  What others see of it is published and told at
 * once. */
static void
on_device(const char *name, void *aux)
{
	bool reconfigure = false, any = false;
	struct sw_bridge *b;
	struct sw_iface *i;

	if (!sw_db || !ovsdb_session_may_act(sw_db))
		return;
	wf_hmap_for_each(b, node, &sw_bridges) {
		bool changed = false;

		wf_hmap_for_each_safe(i, node, &b->ifaces)
			if (!i->is_patch && (!name || !strcmp(i->name, name)))
				changed |= refresh_iface(i, &reconfigure);
		if (changed)
			sw_bridge_publish(b);
		any |= changed;
	}
	if (any) {
		view_publish(false);
		ovsdb_commit(sw_db, NULL, NULL);
	}
	if (reconfigure)
		sw_config_request();
}

/* --- Controllers that came or went ----------------------------------------------------------- */

static bool
controllers_changed(const struct sw_bridge *b)
{
	struct ovsdb_row *row;

	ovsdb_for_each_ref (row, b->row, OVSDB_BRIDGE_CONTROLLER) {
		const char *target = ovsdb_str_or(row, OVSDB_CONTROLLER_TARGET, "");
		const char *state = ovsdb_smap_get_or(row, OVSDB_CONTROLLER_STATUS, "state", "");
		const char *role = ovsdb_str_or(row, OVSDB_CONTROLLER_ROLE, "");
		struct of_controller_status s;

		if (!of_switch_controller_status(b->of, target, 0, &s)) {
			if (ovsdb_bool(row, OVSDB_CONTROLLER_IS_CONNECTED, false))
				return true;
			continue;
		}
		if ((s.is_connected != ovsdb_bool(row, OVSDB_CONTROLLER_IS_CONNECTED, false) ||
		     (s.state && strcmp(s.state, state)) ||
		     (s.is_connected && s.role && strcmp(s.role, role))))
			return true;
	}
	return false;
}

/* Within a second, not only with the statistics: agents wait for is_connected. */
static void
on_controller_timer(struct wf_timer *t)
{
	struct sw_bridge *b;
	bool any = false;

	if (ovsdb_session_may_act(sw_db))
		wf_hmap_for_each(b, node, &sw_bridges)
			if (b->row && controllers_changed(b)) {
				write_controllers(b);
				any = true;
			}
	if (any)
		ovsdb_commit(sw_db, NULL, NULL);
	wf_timer_set(t, 1000, on_controller_timer, NULL);
}

static struct wf_timer stats_timer, controller_timer;
static int64_t stats_interval = 5000;

/* Devices of DPDK whose drivers tell nobody of a link that changed. */
static void
refresh_polled(void)
{
	struct sw_bridge *b;
	struct sw_iface *i;

	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each_safe(i, node, &b->ifaces)
			if (i->port && i->port->polled)
				on_device(i->name, NULL);
}

static void
on_stats_timer(struct wf_timer *t)
{
	refresh_polled();
	sw_status_write_all();
	wf_timer_set(t, stats_interval, on_stats_timer, NULL);
}

void
sw_status_configure(const struct ovsdb_row *root)
{
	int64_t ms = sw_within(root, OVSDB_ROOT_OTHER_CONFIG, "stats-update-interval", 5000, INT32_MAX,
			       5000);

	if (ms == stats_interval)
		return;
	stats_interval = ms;
	wf_timer_set(&stats_timer, ms, on_stats_timer, NULL);
}

void
sw_status_init(void)
{
	wf_timer_set(&stats_timer, stats_interval, on_stats_timer, NULL);
	wf_timer_set(&controller_timer, 1000, on_controller_timer, NULL);
	ports_watch_devices(on_device, NULL);
}
