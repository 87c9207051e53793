// SPDX-License-Identifier: Apache-2.0
/* unixctl: bond/, lacp/ and bfd/, with the texts of Open vSwitch. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/unixctl.h"
#include "switchd/uplinks.h"

/* --- Finding ------------------------------------------------------------------------------ */

static int
by_name(const void *a_, const void *b_)
{
	const struct sw_port *const *a = a_, *const *b = b_;

	return strcmp((*a)->name, (*b)->name);
}

/* All ports with uplink state, by name; the caller frees. */
static struct sw_port **
all_ports(unsigned *n)
{
	struct sw_port **all = NULL, *p;
	struct sw_bridge *b;
	unsigned room = 0;

	*n = 0;
	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(p, node, &b->ports) {
			if (!p->up)
				continue;
			if (*n == room) {
				room = room * 2 + 16;
				all = wf_xrealloc(all, room * sizeof *all);
			}
			all[(*n)++] = p;
		}
	if (*n)
		qsort(all, *n, sizeof *all, by_name);
	return all;
}

static struct sw_port *
find_port(const char *name, bool bond)
{
	struct sw_bridge *b;

	wf_hmap_for_each(b, node, &sw_bridges) {
		struct sw_port *p = sw_port_find(b, name);

		if (p && p->up && (bond ? p->up->bond != NULL : p->up->lacp != NULL))
			return p;
	}
	return NULL;
}

static struct sw_iface *
find_member(const struct sw_port *p, const char *name)
{
	struct sw_iface *i;

	sw_bond_for_each_member(i, p)
		if (!strcmp(i->name, name))
			return i;
	return NULL;
}

static void
reply(struct unixctl_conn *conn, struct wf_str *s)
{
	unixctl_reply(conn, wf_str_cstr(s));
	wf_str_done(s);
}

/* --- bond/ ------------------------------------------------------------------------------------ */

static bool
may_recirc(const struct sw_bond *b)
{
	return b->mode == BOND_BALANCE_TCP && !sw_bond_falls_back(b);
}

static void
on_bond_list(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct sw_port **all;
	struct sw_iface *i;
	unsigned n;

	all = all_ports(&n);
	wf_str_put(&s, "bond\ttype\trecircID\tmembers\n");
	for (unsigned k = 0; k < n; k++) {
		const struct sw_bond *b = all[k]->up->bond;
		bool first = true;

		if (!b)
			continue;
		wf_str_fmt(&s, "%s\t%s\t%u\t", all[k]->name, sw_bond_mode_name(b->mode),
			   b->mode == BOND_ACTIVE_BACKUP ? 0 : b->id);
		sw_bond_for_each_member(i, all[k])
		{
			wf_str_fmt(&s, "%s%s", first ? "" : ", ", i->name);
			first = false;
		}
		wf_str_putc(&s, '\n');
	}
	free(all);
	reply(conn, &s);
}

static int
iface_by_name(const void *a_, const void *b_)
{
	const struct sw_iface *const *a = a_, *const *b = b_;

	return strcmp((*a)->name, (*b)->name);
}

static void
show_member(const struct sw_bond *b, const struct sw_iface *i, int64_t now, struct wf_str *s)
{
	const struct sw_link *l = i->link;

	wf_str_fmt(s, "\nmember %s: %s\n", i->name, l->enabled ? "enabled" : "disabled");
	if (i == b->active)
		wf_str_put(s, "  active member\n");
	if (l->delay_due != INT64_MAX)
		wf_str_fmt(s, "  %s expires in %" PRId64 " ms\n", l->enabled ? "downdelay" : "updelay",
			   l->delay_due - now);
	wf_str_fmt(s, "  may_enable: %s\n", sw_iface_may_enable(i) ? "true" : "false");
	if (!sw_bond_is_balanced(b) || !b->buckets)
		return;
	for (unsigned k = 0; k < BOND_BUCKETS; k++)
		if (atomic_load(&b->buckets->b[k].member) == i->ofp_port && b->tx_bytes[k] / 1024)
			wf_str_fmt(s, "  hash %u: %" PRIu64 " kB load\n", k, b->tx_bytes[k] / 1024);
}

static void
show_bond(const struct sw_port *p, struct wf_str *s)
{
	const struct sw_bond *b = p->up->bond;
	const struct sw_iface *members[BOND_MAX_MEMBERS], *last = NULL;
	int64_t now = wf_now_ms();
	bool has_primary = false;
	struct sw_iface *i;
	unsigned n = 0;

	sw_bond_for_each_member(i, p)
	{
		has_primary |= i->link->is_primary;
		if (!memcmp(i->mac, b->active_mac, 6))
			last = i;
		if (n < BOND_MAX_MEMBERS)
			members[n++] = i;
	}
	qsort(members, n, sizeof *members, iface_by_name);
	wf_str_fmt(s, "---- %s ----\nbond_mode: %s\n", p->name, sw_bond_mode_name(b->mode));
	wf_str_fmt(s, "bond may use recirculation: %s, Recirc-ID : %d\n", may_recirc(b) ? "yes" : "no",
		   may_recirc(b) ? (int)b->id : -1);
	wf_str_fmt(s, "bond-hash-basis: %" PRIu32 "\n", b->basis);
	wf_str_fmt(s, "lb_output action: %s, bond-id: %d\n", b->lb_output ? "enabled" : "disabled",
		   b->lb_output ? (int)b->id : -1);
	if (b->mode == BOND_BALANCE_SLB)
		wf_str_fmt(s, "all members active: %s\n", b->all_members_active ? "true" : "false");
	wf_str_fmt(s, "updelay: %" PRId64 " ms\ndowndelay: %" PRId64 " ms\n", b->updelay, b->downdelay);
	if (sw_bond_is_balanced(b))
		wf_str_fmt(s, "next rebalance: %" PRId64 " ms\n", b->next_rebalance - now);
	wf_str_fmt(s, "lacp_status: %s\nlacp_fallback_ab: %s\n", lacp_status_name(b->lacp),
		   b->fallback_ab ? "true" : "false");
	wf_str_fmt(s, "active-backup primary: %s%s\n", b->primary ? b->primary : "<none>",
		   b->primary && !has_primary ? " (no such member)" : "");
	wf_str_fmt(s, "active member mac: %02x:%02x:%02x:%02x:%02x:%02x(%s)\n", b->active_mac[0],
		   b->active_mac[1], b->active_mac[2], b->active_mac[3], b->active_mac[4],
		   b->active_mac[5], last ? last->name : "none");
	for (unsigned k = 0; k < n; k++)
		show_member(b, members[k], now, s);
	wf_str_putc(s, '\n');
}

static void
on_bond_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct sw_port **all, *p;
	unsigned n;

	if (argc > 1) {
		p = find_port(argv[1], true);
		if (!p) {
			unixctl_reply_error(conn, "no such bond");
			return;
		}
		show_bond(p, &s);
	} else {
		all = all_ports(&n);
		for (unsigned k = 0; k < n; k++)
			if (all[k]->up->bond)
				show_bond(all[k], &s);
		free(all);
	}
	reply(conn, &s);
}

/* The bond and the member that a command names; replies itself if there is none. */
static struct sw_iface *
named_member(struct unixctl_conn *conn, const char *bond, const char *member)
{
	struct sw_port *p = find_port(bond, true);
	struct sw_iface *i = p ? find_member(p, member) : NULL;

	if (!i)
		unixctl_reply_error(conn, p ? "no such member" : "no such bond");
	return i;
}

static void
on_bond_migrate(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_port *p = find_port(argv[1], true);
	struct sw_iface *i;

	if (!p) {
		unixctl_reply_error(conn, "no such bond");
		return;
	}
	if (p->up->bond->mode != BOND_BALANCE_SLB) {
		unixctl_reply_error(conn, "not an SLB bond");
		return;
	}
	if (strspn(argv[2], "0123456789") != strlen(argv[2])) {
		unixctl_reply_error(conn, "bad hash");
		return;
	}
	i = named_member(conn, argv[1], argv[3]);
	if (!i)
		return;
	if (!i->link->enabled || !p->up->bond->buckets) {
		unixctl_reply_error(conn, "cannot migrate to disabled member");
		return;
	}
	atomic_store(&p->up->bond->buckets->b[strtoul(argv[2], NULL, 10) % BOND_BUCKETS].member,
		     i->ofp_port);
	unixctl_reply(conn, "migrated");
}

/* What was done by hand is published before the answer. */
static void
publish(struct sw_iface *i)
{
	sw_bridge_publish(i->bridge);
	view_publish(false);
	sw_uplinks_kick();
}

static void
on_bond_set_active(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct sw_iface *i = named_member(conn, argv[1], argv[2]);

	if (!i)
		return;
	if (!i->link->enabled) {
		unixctl_reply_error(conn, "cannot make disabled member active");
		return;
	}
	if (i->owner->up->bond->active == i) {
		unixctl_reply(conn, "no change");
		return;
	}
	sw_bond_set_active(i->owner, i);
	publish(i);
	unixctl_reply(conn, "done");
}

static void
on_bond_enable(struct unixctl_conn *conn, int argc, const char *argv[], void *enable)
{
	struct sw_iface *i = named_member(conn, argv[1], argv[2]);

	if (!i)
		return;
	sw_bond_enable(i, enable != NULL);
	publish(i);
	unixctl_reply(conn, enable ? "enabled" : "disabled");
}

static void
on_bond_hash(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	unsigned m[6], vlan = 0;
	uint32_t basis = 0;
	uint8_t mac[6];
	char text[12];

	if (argc > 2 && sscanf(argv[2], "%u", &vlan) != 1) {
		unixctl_reply_error(conn, "invalid vlan");
		return;
	}
	if (argc > 3 && sscanf(argv[3], "%" SCNu32, &basis) != 1) {
		unixctl_reply_error(conn, "invalid basis");
		return;
	}
	if (sscanf(argv[1], "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6) {
		unixctl_reply_error(conn, "invalid mac");
		return;
	}
	for (int k = 0; k < 6; k++)
		mac[k] = (uint8_t)m[k];
	snprintf(text, sizeof text, "%u", bond_hash_mac(mac, (uint16_t)vlan, basis));
	unixctl_reply(conn, text);
}

/* dpif-netdev/bond-show: bonds with lb-output-action; others are the same to us. */
static void
on_dp_bond_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;
	struct sw_port **all;
	unsigned n;

	all = all_ports(&n);
	for (unsigned k = 0; k < n; k++) {
		const struct sw_bond *b = all[k]->up->bond;

		if (!b || !b->lb_output || !b->buckets)
			continue;
		wf_str_fmt(&s, "Bond %u:\n", b->id);
		for (unsigned j = 0; j < BOND_BUCKETS; j++) {
			of_port_t port = atomic_load(&b->buckets->b[j].member);
			struct sw_iface *i = port == OF_PORT_NONE
						     ? NULL
						     : sw_iface_by_ofp_port(all[k]->bridge, port);

			if (i)
				wf_str_fmt(&s, "\tbucket %u - member %u\n", j, i->slot);
		}
	}
	free(all);
	reply(conn, &s);
}

/* --- lacp/ ------------------------------------------------------------------------------------- */

static void
on_lacp(struct unixctl_conn *conn, int argc, const char *argv[], void *show_)
{
	void (*show)(const struct lacp *, struct wf_str *) = show_ ? lacp_show_stats : lacp_show;
	struct wf_str s = WF_STR_INIT;
	struct sw_port **all, *p;
	unsigned n;

	if (argc > 1) {
		p = find_port(argv[1], false);
		if (!p) {
			unixctl_reply_error(conn, "no such lacp object");
			return;
		}
		show(p->up->lacp, &s);
	} else {
		all = all_ports(&n);
		for (unsigned k = 0; k < n; k++)
			if (all[k]->up->lacp)
				show(all[k]->up->lacp, &s);
		free(all);
	}
	reply(conn, &s);
}

/* --- bfd/ --------------------------------------------------------------------------------------- */

/* Calls 'fn' for the session of the named interface, or for all.  Returns how many there are. */
static unsigned
for_each_bfd(const char *name, void (*fn)(struct sw_iface *, void *), void *aux)
{
	struct sw_bridge *b;
	struct sw_iface *i;
	unsigned n = 0;

	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(i, node, &b->ifaces)
			if (i->link && i->link->bfd && (!name || !strcmp(i->name, name))) {
				fn(i, aux);
				n++;
			}
	return n;
}

static void
show_one(struct sw_iface *i, void *s)
{
	bfd_show(i->link->bfd, wf_now_ms(), s);
}

static void
show_with_name(struct sw_iface *i, void *s)
{
	wf_str_fmt(s, "---- %s ----\n", i->name);
	bfd_show(i->link->bfd, wf_now_ms(), s);
}

static void
on_bfd_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;

	if (argc > 1 && !for_each_bfd(argv[1], show_one, &s)) {
		unixctl_reply_error(conn, "no such bfd object");
		return;
	}
	if (argc == 1)
		for_each_bfd(NULL, show_with_name, &s);
	reply(conn, &s);
}

static void
set_forwarding(struct sw_iface *i, void *override)
{
	bfd_set_forwarding(i->link->bfd, *(const int *)override, wf_now_ms());
}

static void
on_bfd_set_forwarding(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	const char *word = argv[argc - 1];
	int override = !strcmp(word, "true") ? 1 : !strcmp(word, "false") ? 0 : -1;

	if (override < 0 && strcmp(word, "normal")) {
		unixctl_reply_error(conn, "unknown fault string");
		return;
	}
	if (!for_each_bfd(argc > 2 ? argv[1] : NULL, set_forwarding, &override) && argc > 2) {
		unixctl_reply_error(conn, "no such BFD object");
		return;
	}
	sw_uplinks_kick();
	unixctl_reply(conn, "OK");
}

void
sw_uplinks_show_init(void)
{
	static int yes;

	unixctl_command("bond/list", "", 0, 0, on_bond_list, NULL);
	unixctl_command("bond/show", "[port]", 0, 1, on_bond_show, NULL);
	unixctl_command("bond/migrate", "port hash member", 3, 3, on_bond_migrate, NULL);
	unixctl_command("bond/set-active-member", "port member", 2, 2, on_bond_set_active, NULL);
	unixctl_command("bond/enable-member", "port member", 2, 2, on_bond_enable, &yes);
	unixctl_command("bond/disable-member", "port member", 2, 2, on_bond_enable, NULL);
	unixctl_command("bond/hash", "mac [vlan] [basis]", 1, 3, on_bond_hash, NULL);
	/* Names of older versions. */
	unixctl_command("bond/set-active-slave", NULL, 2, 2, on_bond_set_active, NULL);
	unixctl_command("bond/enable-slave", NULL, 2, 2, on_bond_enable, &yes);
	unixctl_command("bond/disable-slave", NULL, 2, 2, on_bond_enable, NULL);
	unixctl_command("dpif-netdev/bond-show", "[dp]", 0, 1, on_dp_bond_show, NULL);
	unixctl_command("lacp/show", "[port]", 0, 1, on_lacp, NULL);
	unixctl_command("lacp/show-stats", "[port]", 0, 1, on_lacp, &yes);
	unixctl_command("bfd/show", "[interface]", 0, 1, on_bfd_show, NULL);
	unixctl_command("bfd/set-forwarding", "[interface] normal|false|true", 1, 2,
			on_bfd_set_forwarding, NULL);
}
