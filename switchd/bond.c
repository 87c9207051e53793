// SPDX-License-Identifier: Apache-2.0
/* Bonds: which members may carry packets, and which is the active one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "switchd/uplinks.h"

WF_LOG_MODULE(bond);

const char *
sw_bond_mode_name(enum bond_mode m)
{
	return m == BOND_BALANCE_TCP   ? "balance-tcp"
	       : m == BOND_BALANCE_SLB ? "balance-slb"
				       : "active-backup";
}

/* LACP was asked for, has no partner, and the bond is to go on as active-backup. */
bool
sw_bond_falls_back(const struct sw_bond *b)
{
	return b->fallback_ab && b->mode != BOND_ACTIVE_BACKUP && b->lacp == LACP_CONFIGURED;
}

bool
sw_bond_is_balanced(const struct sw_bond *b)
{
	return b->rebalance_ms && b->mode != BOND_ACTIVE_BACKUP &&
	       !(b->fallback_ab && b->lacp == LACP_CONFIGURED);
}

/* With LACP the peer knows by itself where to send. */
bool
sw_bond_may_teach(const struct sw_bond *b)
{
	return b->active && ((b->lacp == LACP_OFF && b->mode != BOND_BALANCE_TCP) ||
			     (b->fallback_ab && b->lacp == LACP_CONFIGURED));
}

/* --- Configuration ------------------------------------------------------------------------ */

static enum bond_mode
read_mode(const struct sw_port *p)
{
	const char *m = ovsdb_str_or(p->row, OVSDB_PORT_BOND_MODE, "active-backup");

	if (!strcmp(m, "balance-tcp"))
		return BOND_BALANCE_TCP;
	if (!strcmp(m, "balance-slb"))
		return BOND_BALANCE_SLB;
	if (strcmp(m, "active-backup"))
		wf_warn_rl("port %s: unknown bond_mode %s, defaulting to active-backup", p->name, m);
	return BOND_ACTIVE_BACKUP;
}

static void
reset_buckets(struct sw_bond *b)
{
	bool wanted = b->mode != BOND_ACTIVE_BACKUP && !sw_bond_falls_back(b);

	/* Not emptied in place: views that workers still use share them. */
	bond_buckets_unref(b->buckets);
	b->buckets = wanted ? bond_buckets_new() : NULL;
	memset(b->tx_bytes, 0, sizeof b->tx_bytes);
	memset(b->seen, 0, sizeof b->seen);
	b->next_rebalance = wf_now_ms() + b->rebalance_ms;
}

static struct sw_bond *
bond_new(struct sw_port *p)
{
	struct sw_bond *b = wf_xzalloc(sizeof *b);
	static uint32_t next_id = 1;
	const char *mac = ovsdb_str_or(p->row, OVSDB_PORT_BOND_ACTIVE_SLAVE, "");
	unsigned m[6];

	b->id = next_id++;
	/* The member that was active before the last restart is preferred. */
	if (sscanf(mac, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) == 6)
		for (int k = 0; k < 6; k++)
			b->active_mac[k] = (uint8_t)m[k];
	return b;
}

static void
register_members(struct sw_port *p)
{
	struct sw_bond *b = p->up->bond;
	struct sw_iface *i;
	unsigned n = 0;

	wf_list_for_each (i, port_node, &p->ifaces) {
		if (i->ofp_port == OF_PORT_NONE || !i->link)
			continue;
		if (n++ >= BOND_MAX_MEMBERS) {
			wf_warn_rl("bond %s: interface %s is left out: a bond has at most %d members",
				   p->name, i->name, BOND_MAX_MEMBERS);
			continue;
		}
		if (!i->link->in_bond) {
			i->link->in_bond = true;
			i->link->enabled = false;
			i->link->delay_due = INT64_MAX;
			sw_bond_enable(i, sw_iface_has_carrier(i));
		}
		i->link->is_primary = b->primary && !strcmp(b->primary, i->name);
	}
}

/* The database takes any number; a time of more than weeks is for ever, and is added to others. */
static int64_t
milliseconds(int64_t v)
{
	return v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : v;
}

void
sw_bond_configure(struct sw_port *p)
{
	const enum ovsdb_column other = OVSDB_PORT_OTHER_CONFIG;
	struct sw_bond *b = p->up->bond, was;
	const char *primary;

	if (!b)
		b = p->up->bond = bond_new(p);
	was = *b;
	b->mode = read_mode(p);
	b->updelay = milliseconds(ovsdb_int(p->row, OVSDB_PORT_BOND_UPDELAY, 0));
	b->downdelay = milliseconds(ovsdb_int(p->row, OVSDB_PORT_BOND_DOWNDELAY, 0));
	b->basis = (uint32_t)ovsdb_smap_int(p->row, other, "bond-hash-basis", 0);
	b->rebalance_ms = ovsdb_smap_int(p->row, other, "bond-rebalance-interval", 10000);
	b->rebalance_ms = !b->rebalance_ms ? 0 : b->rebalance_ms < 1000 ? 1000
						 : milliseconds(b->rebalance_ms);
	b->fallback_ab = ovsdb_smap_bool(p->row, other, "lacp-fallback-ab", false);
	b->lb_output = b->mode == BOND_BALANCE_TCP &&
		       ovsdb_smap_bool(p->row, other, "lb-output-action", false);
	b->all_members_active = b->mode == BOND_BALANCE_SLB &&
				ovsdb_smap_bool(p->row, other, "all-members-active", false);
	primary = b->mode == BOND_ACTIVE_BACKUP || b->fallback_ab
			  ? ovsdb_smap_get(p->row, other, "bond-primary")
			  : NULL;
	free(b->primary);
	b->primary = primary ? wf_xstrdup(primary) : NULL;
	if (b->mode == BOND_BALANCE_SLB && ovsdb_n(p->bridge->row, OVSDB_BRIDGE_FLOOD_VLANS) &&
	    was.mode != b->mode)
		wf_warn("port %s: SLB bonds are incompatible with flood_vlans, please use another "
			"bond type or disable flood_vlans", p->name);
	if (was.mode != b->mode || was.basis != b->basis || was.rebalance_ms != b->rebalance_ms ||
	    was.fallback_ab != b->fallback_ab || (!b->buckets && b->mode != BOND_ACTIVE_BACKUP))
		reset_buckets(b);
	register_members(p);
}

void
sw_bond_free(struct sw_port *p)
{
	struct sw_bond *b = p->up ? p->up->bond : NULL;
	struct sw_iface *i;

	if (!b)
		return;
	sw_bond_teach_forget(p);
	wf_list_for_each (i, port_node, &p->ifaces)
		if (i->link)
			i->link->in_bond = false;
	bond_buckets_unref(b->buckets);
	free(b->primary);
	free(b);
	p->up->bond = NULL;
}

/* --- Members ---------------------------------------------------------------------------------- */

void
sw_bond_enable(struct sw_iface *i, bool enable)
{
	struct sw_bond *b = i->owner->up->bond;

	i->link->delay_due = INT64_MAX;
	if (i->link->enabled == enable)
		return;
	i->link->enabled = enable;
	if (!enable)
		b->send_learning = true;
	wf_info("member %s: %s", i->name, enable ? "enabled" : "disabled");
}

static void
note_active(struct sw_bond *b)
{
	memset(b->active_mac, 0, sizeof b->active_mac);
	if (b->active)
		memcpy(b->active_mac, b->active->mac, 6);
	b->active_changed = true;
}

void
sw_bond_set_active(struct sw_port *p, struct sw_iface *i)
{
	struct sw_bond *b = p->up->bond;

	b->active = i;
	b->send_learning = true;
	wf_info("bond %s: active member is now %s", p->name, i->name);
	note_active(b);
}

static void choose_active(struct sw_port *, int64_t now);

void
sw_bond_member_gone(struct sw_iface *i)
{
	struct sw_bond *b = i->owner->up ? i->owner->up->bond : NULL;

	if (!i->link || !i->link->in_bond)
		return;
	if (b)
		sw_bond_enable(i, false);
	i->link->in_bond = false;
	for (unsigned k = 0; b && b->buckets && k < BOND_BUCKETS; k++)
		if (atomic_load(&b->buckets->b[k].member) == i->ofp_port)
			atomic_store(&b->buckets->b[k].member, OF_PORT_NONE);
	if (b && b->active == i) {
		choose_active(i->owner, wf_now_ms());
		b->send_learning = true;
	}
}

/* bond_updelay and bond_downdelay. */
static void
follow_link(struct sw_iface *i, int64_t now)
{
	struct sw_bond *b = i->owner->up->bond;
	struct sw_link *l = i->link;
	bool up = sw_iface_may_enable(i);

	if ((up == l->enabled) != (l->delay_due == INT64_MAX)) {
		wf_info_rl("member %s: link state %s", i->name, up ? "up" : "down");
		if (up == l->enabled) {
			l->delay_due = INT64_MAX;
			wf_info_rl("member %s: will not be %s", i->name, up ? "disabled" : "enabled");
		} else {
			int64_t delay = up ? b->updelay : b->downdelay;

			l->delay_due = now + delay;
			if (delay)
				wf_info_rl("member %s: will be %s if it stays %s for %" PRId64 " ms",
					   i->name, up ? "enabled" : "disabled", up ? "up" : "down",
					   delay);
		}
	}
	if (now >= l->delay_due)
		sw_bond_enable(i, up);
}

/* --- The active member --------------------------------------------------------------------------- */

static struct sw_iface *
best_member(const struct sw_port *p)
{
	const struct sw_bond *b = p->up->bond;
	struct sw_iface *i, *any = NULL, *last = NULL, *soon = NULL;

	sw_bond_for_each_member(i, p)
	{
		if (i->link->enabled && i->link->is_primary)
			return i;
		if (i->link->enabled && !any)
			any = i;
		if (i->link->enabled && !memcmp(i->mac, b->active_mac, 6))
			last = i;
		if (!i->link->enabled && i->link->delay_due != INT64_MAX && sw_iface_may_enable(i) &&
		    (!soon || i->link->delay_due < soon->link->delay_due))
			soon = i;
	}
	return last ? last : any ? any : soon;
}

static void
choose_active(struct sw_port *p, int64_t now)
{
	struct sw_bond *b = p->up->bond;
	struct sw_iface *old = b->active;

	b->active = best_member(p);
	if (b->active == old && !old)
		return;
	if (!b->active) {
		note_active(b);
		wf_info_rl("bond %s: all members disabled", p->name);
		return;
	}
	if (b->active->link->enabled) {
		wf_info_rl("bond %s: active member is now %s", p->name, b->active->name);
	} else {
		wf_info_rl("bond %s: active member is now %s, skipping remaining %" PRId64
			   " ms updelay (since no member was enabled)", p->name, b->active->name,
			   b->active->link->delay_due - now);
		sw_bond_enable(b->active, true);
	}
	b->send_learning = true;
	if (b->active != old)
		note_active(b);
}

/* --- Run --------------------------------------------------------------------------------------------- */

/* What a view says of a bond, to see whether a new one is needed. */
static uint64_t
picture(const struct sw_port *p)
{
	const struct sw_bond *b = p->up->bond;
	uint64_t v = (uint64_t)b->lacp << 60 | (b->active ? (uint64_t)b->active->ofp_port << 20 : 0);
	struct sw_iface *i;
	unsigned k = 0;

	sw_bond_for_each_member(i, p)
	{
		v ^= (uint64_t)i->link->enabled << k | (uint64_t)sw_iface_may_enable(i) << (k + 8);
		k++;
	}
	return v;
}

bool
sw_bond_run(struct sw_port *p, int64_t now)
{
	struct sw_bond *b = p->up->bond;
	struct sw_iface *i, *primary = NULL;
	uint64_t before = picture(p);
	enum lacp_status lacp = lacp_status(p->up->lacp);

	if (b->lacp != lacp) {
		b->lacp = lacp;
		if (sw_bond_falls_back(b) || (!b->buckets && b->mode != BOND_ACTIVE_BACKUP))
			reset_buckets(b);
	}
	sw_bond_for_each_member(i, p)
	{
		follow_link(i, now);
		if (b->mode == BOND_ACTIVE_BACKUP && i->link->is_primary && i->link->enabled)
			primary = i;
	}
	if (!b->active || !b->active->link->enabled || (primary && b->active != primary))
		choose_active(p, now);
	sw_bond_deal(p);
	if (b->buckets && sw_bond_is_balanced(b) && now >= b->next_rebalance) {
		b->next_rebalance = now + b->rebalance_ms;
		sw_bond_rebalance(p);
	}
	return picture(p) != before;
}

int64_t
sw_bond_due(const struct sw_port *p)
{
	const struct sw_bond *b = p->up->bond;
	int64_t due = b->buckets && sw_bond_is_balanced(b) ? b->next_rebalance : INT64_MAX;
	struct sw_iface *i;

	sw_bond_for_each_member(i, p)
		if (i->link->delay_due < due)
			due = i->link->delay_due;
	return due;
}

/* --- For the packet path ---------------------------------------------------------------------------------- */

static enum bond_admission
admission(const struct sw_bond *b)
{
	if (b->lacp == LACP_NEGOTIATED)
		return BOND_ADMIT_ENABLED;
	if (b->lacp == LACP_CONFIGURED && !b->fallback_ab)
		return BOND_ADMIT_NOTHING;
	if (b->mode == BOND_BALANCE_TCP)
		return b->lacp == LACP_CONFIGURED ? BOND_ADMIT_ACTIVE : BOND_ADMIT_NOTHING;
	if (b->mode == BOND_BALANCE_SLB)
		return b->all_members_active ? BOND_ADMIT_NO_ECHO_ALL : BOND_ADMIT_NO_ECHO;
	return BOND_ADMIT_ACTIVE;
}

struct bond *
sw_bond_view(const struct sw_port *p, const struct bundle *u)
{
	const struct sw_bond *b = p->up->bond;
	struct bond *v = wf_xzalloc(sizeof *v);

	v->mode = b->lacp == LACP_CONFIGURED ? BOND_ACTIVE_BACKUP : b->mode;
	v->may_send = b->lacp == LACP_CONFIGURED ? b->fallback_ab
						 : b->mode != BOND_BALANCE_TCP || b->lacp == LACP_NEGOTIATED;
	v->admission = admission(b);
	v->active = b->active ? b->active->ofp_port : OF_PORT_NONE;
	v->basis = b->basis;
	v->buckets = b->buckets;
	if (v->buckets)
		bond_buckets_ref(v->buckets);
	for (uint32_t k = 0; k < u->n_members; k++) {
		struct sw_iface *i = sw_iface_by_ofp_port(p->bridge, u->members[k]);

		if (i && i->link && i->link->in_bond && i->link->enabled)
			v->enabled |= (uint8_t)(1u << k);
		if (i && sw_iface_may_enable(i))
			v->may_enable |= (uint8_t)(1u << k);
	}
	return v;
}
