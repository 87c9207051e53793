/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces: rows of Interface and the devices behind them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rcu.h"
#include "dataplane/ports/handed.h"
#include "dataplane/worker.h"
#include "switchd/handover.h"
#include "switchd/state/state.h"
#include "switchd/qos.h"
#include "switchd/uplinks.h"
#include "tunnels/config.h"

WF_LOG_MODULE(bridge);

struct sw_iface *
sw_iface_find(const struct sw_bridge *b, const char *name)
{
	struct sw_iface *i;

	wf_hmap_for_each_with_hash(i, node, wf_hash_str(name, 0), &b->ifaces)
		if (!strcmp(i->name, name))
			return i;
	return NULL;
}

struct sw_iface *
sw_iface_by_ofp_port(const struct sw_bridge *b, of_port_t ofp_port)
{
	struct sw_iface *i;

	wf_hmap_for_each(i, node, &b->ifaces)
		if (i->ofp_port == ofp_port)
			return i;
	return NULL;
}

/* Who has which slot. */
static struct sw_iface **by_slot;
static uint32_t by_slot_room;

struct sw_iface *
sw_iface_by_slot(uint32_t slot)
{
	return slot < by_slot_room ? by_slot[slot] : NULL;
}

static void
set_slot(uint32_t slot, struct sw_iface *i)
{
	if (slot >= by_slot_room) {
		uint32_t room = slot * 2 + 16;

		by_slot = wf_xrealloc(by_slot, room * sizeof *by_slot);
		memset(by_slot + by_slot_room, 0, (room - by_slot_room) * sizeof *by_slot);
		by_slot_room = room;
	}
	by_slot[slot] = i;
}

struct sw_iface *
sw_iface_new(struct sw_bridge *b, struct sw_port *owner, const char *name)
{
	struct sw_iface *i = wf_xzalloc(sizeof *i);

	i->bridge = b;
	i->owner = owner;
	i->name = wf_xstrdup(name);
	i->type = wf_xstrdup("");
	i->ofp_port = OF_PORT_NONE;
	i->slot = UINT32_MAX;
	i->is_local = !strcmp(name, b->name);
	wf_list_push_back(&owner->ifaces, &i->port_node);
	wf_hmap_insert(&b->ifaces, &i->node, wf_hash_str(name, 0));
	return i;
}

static void
set_error(struct sw_iface *i, const char *text)
{
	if (text && (!i->error || strcmp(i->error, text)))
		wf_log_at(WF_WARN, "%s", text);
	free(i->error);
	i->error = text ? wf_xstrdup(text) : NULL;
}

/* --- Opening and closing ------------------------------------------------------------------- */

static void
unref_counter(void *counter)
{
	counter_unref(counter);
}

/* Workers count in them until the view without the port is out. */
static void
free_counters(struct sw_iface *i)
{
	if (i->rx)
		view_after_publish(unref_counter, i->rx);
	if (i->tx)
		view_after_publish(unref_counter, i->tx);
	i->rx = i->tx = NULL;
}

struct closing {
	struct port *port;
	bool destroy;
};

static void
close_port(void *c_)
{
	struct closing *c = c_;

	c->port->class->close(c->port, c->destroy);
	free(c);
}

/* Unpublish, grace period, close (rule 16): the view without it is published by the caller. */
void
sw_iface_detach(struct sw_iface *i, bool destroy)
{
	sw_uplinks_detach(i);
	sw_qos_detach(i);
	if (i->ofp_port != OF_PORT_NONE)
		of_switch_port_del(i->bridge->of, i->ofp_port);
	if (i->slot != UINT32_MAX) {
		set_slot(i->slot, NULL);
		view_slot_free(i->slot);
	}
	if (i->port) {
		struct closing *c = wf_xmalloc(sizeof *c);

		*c = (struct closing){ i->port, destroy };
		workers_remove_port(i->port);
		view_after_publish(close_port, c);
	}
	if (i->ofp_port != OF_PORT_NONE)
		wf_info("bridge %s: deleted interface %s on port %u", i->bridge->name, i->name,
			i->ofp_port == OF_PORT_LOCAL ? 65534 : i->ofp_port);
	i->port = NULL;
	sw_tunnel_detach(i);
	i->is_patch = i->in_workers = false;
	i->slot = UINT32_MAX;
	i->ofp_port = OF_PORT_NONE;
	free_counters(i);
}

static void
read_options(const struct ovsdb_row *row, struct port_options *o, struct wf_str *text)
{
	unsigned n = row ? ovsdb_n(row, OVSDB_INTERFACE_OPTIONS) : 0;

	o->n = n;
	o->keys = wf_xmalloc((n + 1) * sizeof *o->keys);
	o->values = wf_xmalloc((n + 1) * sizeof *o->values);
	for (unsigned k = 0; k < n; k++) {
		o->keys[k] = ovsdb_smap_key_at(row, OVSDB_INTERFACE_OPTIONS, k);
		o->values[k] = ovsdb_smap_value_at(row, OVSDB_INTERFACE_OPTIONS, k);
		wf_str_fmt(text, "%s=%s\n", o->keys[k], o->values[k]);
	}
}

/* Tells controllers of a port that is there from now on. */
void
sw_iface_announce(struct sw_iface *i)
{
	struct of_port_desc desc;

	i->opened_ms = wf_now_ms();
	i->link_resets_base = 0;
	sw_iface_refresh(i);
	i->link_resets_base = i->status.link_resets;
	i->status.link_resets = 0;
	sw_iface_port_desc(i, &desc);
	of_switch_port_add(i->bridge->of, &desc);
	if (!i->is_local)
		state_ofport(i->bridge->of, i->name, i->ofp_port);
	wf_info("bridge %s: added interface %s on port %u", i->bridge->name, i->name,
		i->ofp_port == OF_PORT_LOCAL ? 65534 : i->ofp_port);
}

/* The datapath's number, as Open vSwitch would choose it: from 1 up; on a dummy bridge the first
 * number in the name, plus 100 if the name starts with "br".  Patch ports have none there and so
 * take none from that range here. */
#define FIRST_PATCH_SLOT 1000

static uint32_t
wished_slot(const struct sw_iface *i)
{
	const char *digits = i->name + strcspn(i->name, "0123456789");
	uint32_t slot = i->is_patch || i->tunnel ? FIRST_PATCH_SLOT : 1;

	if (!strcmp(i->bridge->type, "dummy") && *digits && !i->is_patch && !i->tunnel) {
		unsigned long n = strtoul(digits, NULL, 10);

		n += strncmp(i->name, "br", 2) ? 0 : 100;
		if (n > 0 && n < 65536 && !sw_iface_by_slot((uint32_t)n) &&
		    !sw_tunnel_number_taken((uint32_t)n))
			return (uint32_t)n;
	}
	while (sw_iface_by_slot(slot) || sw_tunnel_number_taken(slot))
		slot++;
	return slot;
}

static bool
attach_patch(struct sw_iface *i, const struct port_options *o)
{
	const char *peer = port_option(o, "peer");
	char text[300];

	if (!peer) {
		snprintf(text, sizeof text,
			 "%s: patch type requires valid 'peer' argument", i->name);
		set_error(i, text);
		return false;
	}
	if (!strcmp(peer, i->name)) {
		snprintf(text, sizeof text, "%s: patch peer must not be self", i->name);
		set_error(i, text);
		return false;
	}
	free(i->peer);
	i->peer = wf_xstrdup(peer);
	if (!i->is_patch) {
		i->is_patch = true;
		i->rx = counter_new();
		i->tx = counter_new();
	}
	return true;
}

static bool
attach_tunnel(struct sw_iface *i, const char *type, const struct port_options *o)
{
	struct wf_err err = { "" };

	if (sw_tunnel_attach(i, type, o, &err)) {
		set_error(i, err.text);
		return false;
	}
	return true;
}

static bool
attach_device(struct sw_iface *i, const char *type, const struct port_options *o)
{
	const struct port_class *class = port_class(type);
	struct wf_err err = { "" };
	char text[300];

	if (!class || (class->available && !class->available())) {
		/* The text of Open vSwitch, which clients may know; the log says more. */
		snprintf(text, sizeof text,
			 "could not open network device %s (Address family not supported by protocol)",
			 i->name);
		if (!i->error || strcmp(i->error, text))
			wf_info(class ? "netdev %s: type %s is not available now"
				      : "could not create netdev %s of unknown type %s",
				i->name, type);
		set_error(i, text);
		return false;
	}
	/* The daemon that runs has it still. */
	if (sw_takeover_under_way() && !ports_is_handed(class->type, i->name) &&
	    !(class->may_share && class->may_share(o)))
		return false;
	if (class->open(i->name, o, &i->port, &err)) {
		i->port = NULL;
		set_error(i, err.text);
		return false;
	}
	return true;
}

static void
apply_settings(struct sw_iface *i)
{
	struct wf_err err = { "" };
	const char *mac = ovsdb_str(i->row, OVSDB_INTERFACE_MAC);
	int64_t mtu = ovsdb_int(i->row, OVSDB_INTERFACE_MTU_REQUEST, 0);
	bool failed = false;
	uint8_t addr[6];

	if (!i->port)
		return;
	if (!i->is_local && i->port->class->set_mac && sw_parse_mac(mac, addr) && !(addr[0] & 1) &&
	    memcmp(addr, i->mac, 6) && i->port->class->set_mac(i->port, addr, &err))
		failed = true;
	if (mtu && (uint32_t)mtu != i->status.mtu && i->port->class->set_mtu) {
		if (i->port->class->set_mtu(i->port, (uint32_t)mtu, &err))
			failed = true;
		else
			sw_iface_refresh(i); /* internal devices follow it */
	}
	/* Of a port that works nothing else can be wrong. */
	set_error(i, failed ? err.text : NULL);
}

static void
configure(struct sw_iface *i)
{
	const char *type = ovsdb_str_or(i->row, OVSDB_INTERFACE_TYPE, "");
	struct wf_str text = WF_STR_INIT;
	struct port_options o;
	bool fresh = i->ofp_port == OF_PORT_NONE;

	if (i->is_local && !*type)
		type = "internal"; /* the local port is made by the switch */
	if (!strcmp(type, "internal") && !strcmp(i->bridge->type, "dummy"))
		type = "dummy-internal";
	read_options(i->row, &o, &text);

	/* A new type, or options that the class cannot take on the fly: start over. */
	bool options_changed = i->options_text && strcmp(i->options_text, wf_str_cstr(&text));
	if (!fresh && strcmp(i->type, type)) {
		sw_iface_detach(i, true);
		fresh = true;
	} else if (!fresh && options_changed && i->port) {
		struct wf_err err = { "" };

		if (!i->port->class->set_options ||
		    i->port->class->set_options(i->port, &o, &err)) {
			sw_iface_detach(i, false);
			fresh = true;
		}
	}
	free(i->options_text);
	i->options_text = wf_str_steal(&text);
	free(i->type);
	i->type = wf_xstrdup(type);

	bool ok = true;
	if (!strcmp(type, "patch"))
		ok = attach_patch(i, &o);
	else if (tnl_is_tunnel_type(type))
		ok = attach_tunnel(i, type, &o);
	else if (fresh)
		ok = attach_device(i, type, &o);
	if (ok && fresh) {
		of_port_t p = sw_ofport_choose(i);

		set_error(i, NULL);
		i->slot = view_slot_alloc(i->port, i->bridge->dp, p, wished_slot(i), &i->generation);
		set_slot(i->slot, i);
		i->ofp_port = p;
		if (i->port)
			i->port->slot = i->slot;
		sw_iface_announce(i);
	} else if (!ok && !fresh) {
		sw_iface_detach(i, true);
	}
	if (i->ofp_port != OF_PORT_NONE)
		apply_settings(i);
	free(o.keys);
	free(o.values);
}

void
sw_iface_configure(struct sw_iface *i)
{
	bool made = i->ofp_port != OF_PORT_NONE;

	/* What failed is tried again each time: the device may have appeared. */
	if (made && i->applied_row == i->row && (!i->row || i->applied_change == i->row->changed))
		return;
	i->dirty = true;
	i->applied_row = i->row;
	i->applied_change = i->row ? i->row->changed : 0;
	configure(i);
}

void
sw_iface_check_peer(struct sw_iface *i)
{
	char *text;

	if (!i->is_patch || i->ofp_port == OF_PORT_NONE)
		return;
	text = sw_patch_peer(i) ? NULL
				: wf_xasprintf("No usable peer '%s' exists in '%s' datapath.", i->peer,
					       *i->bridge->type ? i->bridge->type : "system");
	if (!text != !i->error || (text && strcmp(text, i->error))) {
		free(i->error);
		i->error = text;
		i->dirty = true;
	} else {
		free(text);
	}
}

void
sw_iface_free(struct sw_iface *i, bool destroy_port)
{
	sw_iface_detach(i, destroy_port);
	sw_underlay_forget(i->name);
	wf_hmap_remove(&i->bridge->ifaces, &i->node);
	wf_list_remove(&i->port_node);
	free(i->name);
	free(i->type);
	free(i->error);
	free(i->peer);
	free(i->options_text);
	free(i);
}

/* --- State ------------------------------------------------------------------------------------ */

void
sw_iface_gone(struct sw_iface *i)
{
	of_port_t number = i->ofp_port;
	char text[300];

	sw_iface_detach(i, false);
	i->old_ofp_port = number;
	snprintf(text, sizeof text, "could not open network device %s (No such device)", i->name);
	set_error(i, text);
	memset(&i->status, 0, sizeof i->status);
}

bool
sw_iface_refresh(struct sw_iface *i)
{
	struct port_status s = { 0 };

	if (i->is_patch || i->tunnel) {
		s.admin_up = s.link_up = true;
		if (!i->mac[0] && !i->mac[5]) {
			/* Locally administered, random, fixed for the port's life. */
			uint64_t r = wf_hash_mix64(wf_hash_seed, (uintptr_t)i);

			memcpy(i->mac, &r, 6);
			i->mac[0] = (uint8_t)((i->mac[0] & 0xfc) | 0x02);
		}
		memcpy(s.mac, i->mac, 6);
	} else if (i->port) {
		i->port->class->get_status(i->port, &s);
		s.link_resets -= i->link_resets_base;
		memcpy(i->mac, s.mac, 6);
	}
	bool changed = memcmp(&s, &i->status, sizeof s) != 0;
	i->status = s;
	return changed;
}

static uint32_t
speed_feature(uint64_t bps, bool full)
{
	switch (bps / 1000000) {
	case 0: return 0;
	case 10: return full ? OF_PFT_10MB_FD : OF_PFT_10MB_HD;
	case 100: return full ? OF_PFT_100MB_FD : OF_PFT_100MB_HD;
	case 1000: return full ? OF_PFT_1GB_FD : OF_PFT_1GB_HD;
	case 10000: return OF_PFT_10GB_FD;
	case 40000: return OF_PFT_40GB_FD;
	case 100000: return OF_PFT_100GB_FD;
	case 1000000: return OF_PFT_1TB_FD;
	default: return OF_PFT_OTHER;
	}
}

void
sw_iface_port_desc(const struct sw_iface *i, struct of_port_desc *d)
{
	memset(d, 0, sizeof *d);
	d->port = i->ofp_port;
	memcpy(d->hw_addr, i->mac, 6);
	snprintf(d->name, sizeof d->name, "%s", i->name);
	if (!i->status.admin_up)
		d->config |= OF_PC_PORT_DOWN;
	if (!i->status.link_up)
		d->state |= OF_PS_LINK_DOWN;
	else if (sw_iface_may_enable(i))
		d->state |= OF_PS_LIVE;
	if (i->status.link_speed_bps) {
		d->curr = speed_feature(i->status.link_speed_bps, i->status.full_duplex) |
			  OF_PFT_COPPER;
		d->curr_speed = (uint32_t)(i->status.link_speed_bps / 1000);
	}
}
