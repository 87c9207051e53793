// SPDX-License-Identifier: Apache-2.0
/* Rows -> LACP, BFD and bonds; their timers; their frames in and out. */
#include "switchd/uplinks.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "dataplane/packet.h"
#include "dataplane/protocol_rx.h"
#include "dataplane/protocol_tx.h"
#include "dataplane/worker.h"
#include "ovsdb/txn.h"

WF_LOG_MODULE(bridge);

/* How often packets are counted for sessions with forwarding_if_rx. */
#define RX_POLL_MS 100

static bool columns_changed;
static int64_t next_due; /* when run_all() has something to do; 0: now */

void
sw_uplinks_kick(void)
{
	next_due = 0;
	wf_loop_wake();
}

bool
sw_iface_has_carrier(const struct sw_iface *i)
{
	return i->status.admin_up && i->status.link_up;
}

bool
sw_iface_may_enable(const struct sw_iface *i)
{
	return sw_iface_has_carrier(i) && (!i->link || i->link->may_enable);
}

uint8_t
sw_iface_protocols(const struct sw_iface *i)
{
	return !i->link ? 0
			: (i->link->lacp ? PROTOCOL_LACP : 0) | (i->link->bfd ? PROTOCOL_BFD : 0);
}

#define BFD_SRC_IP 0xa9fe0101u /* 169.254.1.1, where nothing is configured */

struct bfd_filter
sw_iface_bfd_filter(const struct sw_iface *i)
{
	struct bfd_filter f = { .check_tnl_key = false };

	if (!i->link || !i->link->bfd)
		return f;
	memcpy(f.dst_mac, i->link->bfd_cfg.rmt_dst_mac, 6);
	f.check_tnl_key = i->link->bfd_cfg.check_tnl_key;
	/* With the default source address any destination is ours. */
	if (i->link->bfd_cfg.src_ip != htonl(BFD_SRC_IP))
		f.dst_ip = i->link->bfd_cfg.src_ip;
	return f;
}

static bool
wants_link(const struct sw_iface *i)
{
	const struct sw_port *p = i->owner;

	return p->ifaces.next != p->ifaces.prev || (p->up && p->up->lacp) ||
	       ovsdb_smap_bool(i->row, OVSDB_INTERFACE_BFD, "enable", false);
}

static void
parse_mac(const char *text, uint8_t mac[6])
{
	unsigned m[6];

	memset(mac, 0, 6);
	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) == 6)
		for (int k = 0; k < 6; k++)
			mac[k] = (uint8_t)m[k];
}

static bool
is_zero(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !memcmp(mac, zero, 6);
}

/* --- LACP: configuration ------------------------------------------------------------------- */

static bool
read_lacp(const struct sw_port *p, struct lacp_settings *s)
{
	const char *mode = ovsdb_str_or(p->row, OVSDB_PORT_LACP, "off"), *text;
	const enum ovsdb_column other = OVSDB_PORT_OTHER_CONFIG;
	int64_t priority = ovsdb_smap_int(p->row, other, "lacp-system-priority", 0);

	if (strcmp(mode, "active") && strcmp(mode, "passive"))
		return false;
	s->active = !strcmp(mode, "active");
	text = ovsdb_smap_get(p->row, other, "lacp-system-id");
	if (text) {
		parse_mac(text, s->sys_id);
		if (is_zero(s->sys_id)) {
			wf_warn_rl("port %s: LACP system ID (%s) must be an Ethernet address.", p->name,
				   text);
			return false;
		}
	} else {
		memcpy(s->sys_id, p->bridge->mac, 6);
	}
	s->sys_priority = priority > 0 && priority <= UINT16_MAX
				  ? (uint16_t)priority
				  /* Links that can be bonded are preferred. */
				  : p->ifaces.next != p->ifaces.prev ? UINT16_MAX - 1 : UINT16_MAX;
	s->fast = !strcasecmp(ovsdb_smap_get_or(p->row, other, "lacp-time", ""), "fast");
	s->fallback_ab = ovsdb_smap_bool(p->row, other, "lacp-fallback-ab", false);
	return true;
}

static uint16_t
number_or(const struct sw_iface *i, const char *key, int64_t dflt, int64_t least)
{
	int64_t v = ovsdb_smap_int(i->row, OVSDB_INTERFACE_OTHER_CONFIG, key, 0);

	return (uint16_t)(v < least || v > UINT16_MAX ? dflt : v);
}

static void
configure_lacp_member(struct sw_iface *i, int64_t now)
{
	struct lacp_member_settings s = {
		.port_id = number_or(i, "lacp-port-id", i->ofp_port & 0xffff, 1),
		.port_priority = number_or(i, "lacp-port-priority", UINT16_MAX, 1),
		.key = number_or(i, "lacp-aggregation-key", 0, 0),
	};

	if (!i->link->lacp) {
		i->link->lacp = lacp_member_add(i->owner->up->lacp, i->name);
		lacp_member_set_aux(i->link->lacp, i);
		i->link->link_up = sw_iface_has_carrier(i);
		i->link->link_resets = i->status.link_resets;
	}
	lacp_member_configure(i->link->lacp, &s, now);
}

static void
drop_lacp(struct sw_port *p)
{
	struct sw_iface *i;

	if (!p->up || !p->up->lacp)
		return;
	wf_list_for_each (i, port_node, &p->ifaces)
		if (i->link)
			i->link->lacp = NULL;
	lacp_free(p->up->lacp);
	p->up->lacp = NULL;
}

/* --- BFD: configuration ---------------------------------------------------------------------- */

static uint64_t
count_rx(void *i_)
{
	struct sw_iface *i = i_;
	struct port_stats s;

	if (i->is_patch)
		return i->rx ? atomic_load(&i->rx->packets) : 0;
	if (!i->port)
		return 0;
	memset(&s, 0, sizeof s);
	i->port->class->get_stats(i->port, &s);
	return s.rx_packets;
}

static __be32
read_ip(const struct sw_iface *i, const char *key, uint32_t dflt)
{
	const char *text = ovsdb_smap_get_or(i->row, OVSDB_INTERFACE_BFD, key, "");
	struct in_addr a;

	if (!*text)
		return htonl(dflt);
	if (inet_pton(AF_INET, text, &a) == 1)
		return a.s_addr;
	wf_error_rl("interface %s: bfd:%s: \"%s\" is not a valid IP address", i->name, key, text);
	return htonl(dflt);
}

#define BFD_DST_IP 0xa9fe0100u

static struct bfd *
bfd_make(struct sw_iface *i)
{
	/* RFC 5881 section 4: 49152 to 65535, one a session. */
	static uint16_t next_udp_src;
	uint32_t disc = 0;

	while (!disc)
		if (getrandom(&disc, sizeof disc, 0) != sizeof disc)
			disc = (uint32_t)wf_hash_mix64(wf_hash_seed, (uintptr_t)i ^ (uint64_t)wf_now_us());
	i->link->bfd_cfg.udp_src = (uint16_t)(49152 + next_udp_src++ % 16384);
	return bfd_new(i->name, disc, wf_hash_seed ^ disc, count_rx, i);
}

static void
configure_bfd(struct sw_iface *i, int64_t now)
{
	const enum ovsdb_column col = OVSDB_INTERFACE_BFD;
	struct sw_link *l = i->link;
	struct bfd_settings s;
	int64_t v;

	if (!ovsdb_smap_bool(i->row, col, "enable", false)) {
		bfd_free(l->bfd);
		l->bfd = NULL;
		return;
	}
	if (!l->bfd)
		l->bfd = bfd_make(i);
	v = ovsdb_smap_int(i->row, col, "mult", 3);
	s.mult = v < 1 || v > 255 ? 3 : (int)v;
	v = ovsdb_smap_int(i->row, col, "min_tx", 100);
	s.min_tx_ms = v < 1 ? 1 : v > 4000000 ? 4000000 : v;
	v = ovsdb_smap_int(i->row, col, "min_rx", 1000);
	s.min_rx_ms = v < 1 ? 1 : v > 4000000 ? 4000000 : v;
	v = ovsdb_smap_int(i->row, col, "decay_min_rx", 0);
	s.decay_min_rx_ms = v < 0 ? 0 : v > 4000000 ? 4000000 : v;
	s.cpath_down = ovsdb_smap_bool(i->row, col, "cpath_down", false);
	s.forwarding_if_rx = ovsdb_smap_bool(i->row, col, "forwarding_if_rx", false);
	l->bfd_cfg.check_tnl_key = ovsdb_smap_bool(i->row, col, "check_tnl_key", false);
	parse_mac(ovsdb_smap_get_or(i->row, col, "bfd_local_src_mac", ""), l->bfd_cfg.src_mac);
	parse_mac(ovsdb_smap_get_or(i->row, col, "bfd_local_dst_mac", ""), l->bfd_cfg.dst_mac);
	parse_mac(ovsdb_smap_get_or(i->row, col, "bfd_remote_dst_mac", ""), l->bfd_cfg.rmt_dst_mac);
	l->bfd_cfg.src_ip = read_ip(i, "bfd_src_ip", BFD_SRC_IP);
	l->bfd_cfg.dst_ip = read_ip(i, "bfd_dst_ip", BFD_DST_IP);
	bfd_configure(l->bfd, &s, now);
}

/* --- Configuration ----------------------------------------------------------------------------- */

static void
configure_port(struct sw_port *p, int64_t now)
{
	bool is_bond = p->ifaces.next != p->ifaces.prev;
	struct lacp_settings s = { 0 };
	struct sw_iface *i;

	bool lacp = p->row && !wf_list_is_empty(&p->ifaces) && read_lacp(p, &s);
	if ((lacp || is_bond) && !p->up)
		p->up = wf_xzalloc(sizeof *p->up);
	if (lacp) {
		if (!p->up->lacp)
			p->up->lacp = lacp_new(p->name);
		lacp_configure(p->up->lacp, &s);
	} else {
		drop_lacp(p);
	}
	wf_list_for_each (i, port_node, &p->ifaces) {
		if (!i->row || i->ofp_port == OF_PORT_NONE)
			continue;
		bool fresh = !i->link && wants_link(i);
		if (fresh) {
			i->link = wf_xzalloc(sizeof *i->link);
			i->link->delay_due = INT64_MAX;
		}
		if (!i->link)
			continue;
		if (lacp)
			configure_lacp_member(i, now);
		configure_bfd(i, now);
		if (fresh)
			i->link->may_enable = !i->link->lacp && !i->link->bfd;
	}
	if (is_bond)
		sw_bond_configure(p);
	else
		sw_bond_free(p);
}

static bool run_port(struct sw_port *, int64_t now, bool send);

void
sw_uplinks_configure(struct sw_bridge *b)
{
	int64_t now = wf_now_ms();
	struct sw_port *p;

	wf_hmap_for_each(p, node, &b->ports) {
		configure_port(p, now);
		run_port(p, now, false);
	}
	sw_uplinks_kick();
}

void
sw_uplinks_detach(struct sw_iface *i)
{
	if (!i->link)
		return;
	sw_bond_member_gone(i);
	lacp_member_del(i->link->lacp);
	i->link->lacp = NULL;
	bfd_free(i->link->bfd);
	i->link->bfd = NULL;
	if (i->port)
		atomic_store(&i->port->protocols, 0);
	free(i->link);
	i->link = NULL;
}

void
sw_uplinks_free_iface(struct sw_iface *i)
{
	sw_uplinks_detach(i);
}

void
sw_uplinks_free_port(struct sw_port *p)
{
	if (!p->up)
		return;
	sw_bond_free(p);
	drop_lacp(p);
	free(p->up);
	p->up = NULL;
}

/* --- Out ------------------------------------------------------------------------------------------ */

static void
send_lacp(struct lacp_member *m, const uint8_t pdu[LACP_PDU_SIZE], void *aux)
{
	static const uint8_t slow_protocols[6] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x02 };
	struct sw_iface *i = lacp_member_aux(m);
	uint8_t f[14 + LACP_PDU_SIZE];

	memcpy(f, slow_protocols, 6);
	memcpy(f + 6, i->mac, 6);
	f[12] = 0x88;
	f[13] = 0x09;
	memcpy(f + 14, pdu, LACP_PDU_SIZE);
	if (!protocol_send(i->bridge->dp, i->ofp_port, f, sizeof f))
		wf_dbg_rl("port %s: cannot transmit LACP PDU", i->name);
}

static uint16_t
ip_checksum(const uint8_t *h)
{
	uint32_t sum = 0;

	for (int k = 0; k < 20; k += 2)
		sum += (uint32_t)(h[k] << 8 | h[k + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

static void
send_bfd(struct sw_iface *i, const uint8_t pdu[BFD_PDU_SIZE])
{
	static const uint8_t dst[6] = { 0x00, 0x23, 0x20, 0x00, 0x00, 0x01 };
	const struct link_bfd *c = &i->link->bfd_cfg;
	/* DSCP CS6; TTL 255 (RFC 5881 section 5); UDP to 3784 without a checksum. */
	uint8_t f[14 + 20 + 8 + BFD_PDU_SIZE] = {
		[12] = 0x08, 0x00, 0x45, 0xc0, 0, 20 + 8 + BFD_PDU_SIZE, 0, 0, 0, 0, 255, 17,
		[36] = BFD_UDP_PORT >> 8, BFD_UDP_PORT & 0xff, 0, 8 + BFD_PDU_SIZE,
	};
	uint16_t sum;

	memcpy(f, is_zero(c->dst_mac) ? dst : c->dst_mac, 6);
	memcpy(f + 6, is_zero(c->src_mac) ? i->mac : c->src_mac, 6);
	memcpy(f + 26, &c->src_ip, 4);
	memcpy(f + 30, &c->dst_ip, 4);
	sum = ip_checksum(f + 14);
	f[24] = (uint8_t)(sum >> 8);
	f[25] = (uint8_t)sum;
	f[34] = (uint8_t)(c->udp_src >> 8);
	f[35] = (uint8_t)c->udp_src;
	memcpy(f + 42, pdu, BFD_PDU_SIZE);
	protocol_send(i->bridge->dp, i->ofp_port, f, sizeof f);
}

/* --- In ---------------------------------------------------------------------------------------------- */

static struct sw_iface *
iface_of(const struct bridge *dp, of_port_t port)
{
	struct sw_bridge *b;

	wf_hmap_for_each(b, node, &sw_bridges)
		if (b->dp == dp)
			return sw_iface_by_ofp_port(b, port);
	return NULL;
}

static bool
receive_bfd(struct sw_iface *i, const struct rte_mbuf *m, int64_t now)
{
	const struct link_bfd *c = &i->link->bfd_cfg;
	struct pkt_layers layers;
	uint32_t udp_size;
	struct of_key key;

	memset(&key, 0, sizeof key);
	pkt_parse(m, OF_PT_ETH, &key, &layers);
	if (layers.l4 == PKT_NO_OFS || key.tp_dst != htons(BFD_UDP_PORT) ||
	    (!is_zero(c->rmt_dst_mac) && memcmp(c->rmt_dst_mac, key.dl_dst, 6)) ||
	    (c->src_ip != htonl(BFD_SRC_IP) && c->src_ip != key.nw_dst))
		return false;
	udp_size = pkt_size(m) - layers.l2_pad - layers.l4;
	if (udp_size >= 8)
		bfd_receive(i->link->bfd, pkt_data(m) + layers.l4 + 8, udp_size - 8, key.nw_ttl, now);
	return true;
}

static bool
on_frame(struct bridge *dp, of_port_t port, uint8_t protocol, const struct rte_mbuf *m)
{
	struct sw_iface *i = iface_of(dp, port);
	int64_t now = wf_now_ms();
	bool ours = false;

	if (!i || !i->link)
		return false;
	if (protocol == PROTOCOL_LACP && i->link->lacp) {
		lacp_member_receive(i->link->lacp, pkt_data(m) + 14, pkt_size(m) - 14, now);
		ours = true;
	} else if (protocol == PROTOCOL_BFD && i->link->bfd) {
		ours = receive_bfd(i, m, now);
	}
	if (ours)
		sw_uplinks_kick();
	return ours;
}

/* --- Run ----------------------------------------------------------------------------------------------- */

static void
run_bfd(struct sw_iface *i, int64_t now)
{
	struct sw_link *l = i->link;
	uint8_t pdu[BFD_PDU_SIZE];

	if (bfd_wants_rx(l->bfd)) {
		uint64_t n = count_rx(i);

		if (n != l->rx_packets)
			bfd_account_rx(l->bfd, now);
		l->rx_packets = n;
	}
	bfd_run(l->bfd, now);
	if (bfd_send(l->bfd, pdu, now))
		send_bfd(i, pdu);
}

/* What LACP and BFD think of the interface now.  True if that changed. */
static bool
update_may_enable(struct sw_iface *i)
{
	struct sw_link *l = i->link;
	bool may = true;

	if (l->bfd)
		may = bfd_forwarding(l->bfd, wf_now_ms());
	if (l->lacp) {
		if (sw_iface_has_carrier(i))
			lacp_member_carrier_is_up(l->lacp);
		may = may && lacp_member_may_enable(l->lacp);
	}
	bool changed = may != l->may_enable;
	l->may_enable = may;
	return changed;
}

static void
tell_controllers(const struct sw_iface *i)
{
	struct of_port_desc desc;

	sw_iface_port_desc(i, &desc);
	of_switch_port_change(i->bridge->of, &desc);
}

/* Returns true if the bridge must be published.  'send': its ports are published already. */
static bool
run_port(struct sw_port *p, int64_t now, bool send)
{
	struct sw_iface *i;
	bool changed = false;

	wf_list_for_each (i, port_node, &p->ifaces) {
		if (!i->link || i->ofp_port == OF_PORT_NONE)
			continue;
		if (i->port)
			atomic_store(&i->port->protocols, sw_iface_protocols(i));
		if (i->link->bfd && send)
			run_bfd(i, now);
		if (update_may_enable(i)) {
			changed = true;
			tell_controllers(i);
		}
		if (send && i->link->bfd && bfd_status_changed(i->link->bfd)) {
			sw_uplinks_write_iface(i);
			columns_changed = true;
		}
	}
	if (!p->up)
		return changed;
	if (p->up->lacp && send && lacp_run(p->up->lacp, now, send_lacp, NULL)) {
		wf_list_for_each (i, port_node, &p->ifaces) {
			if (!i->link)
				continue;
			if (update_may_enable(i)) {
				changed = true;
				tell_controllers(i);
			}
			sw_uplinks_write_iface(i);
		}
		columns_changed = true;
	}
	if (p->up->bond)
		changed |= sw_bond_run(p, now);
	return changed;
}

static int64_t
port_due(const struct sw_port *p)
{
	int64_t due = INT64_MAX, d;
	struct sw_iface *i;

	wf_list_for_each (i, port_node, &p->ifaces) {
		if (!i->link || !i->link->bfd)
			continue;
		d = bfd_due(i->link->bfd);
		if (bfd_wants_rx(i->link->bfd) && d > wf_now_ms() + RX_POLL_MS)
			d = wf_now_ms() + RX_POLL_MS;
		due = d < due ? d : due;
	}
	if (p->up && p->up->lacp) {
		d = lacp_due(p->up->lacp);
		due = d < due ? d : due;
	}
	if (p->up && p->up->bond) {
		d = sw_bond_due(p);
		due = d < due ? d : due;
	}
	return due;
}

static void
write_active(struct sw_port *p)
{
	struct sw_bond *b = p->up->bond;
	char mac[18];

	if (!b->active_changed || !p->row || !ovsdb_session_may_act(sw_db))
		return;
	b->active_changed = false;
	snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", b->active_mac[0], b->active_mac[1],
		 b->active_mac[2], b->active_mac[3], b->active_mac[4], b->active_mac[5]);
	ovsdb_set_str(sw_db, p->row, OVSDB_PORT_BOND_ACTIVE_SLAVE, mac);
}

static bool
after_publish(struct sw_port *p)
{
	struct sw_bond *b = p->up ? p->up->bond : NULL;

	if (!b)
		return false;
	bool changed = b->active_changed;
	write_active(p);
	if (b->send_learning && sw_bond_may_teach(b))
		sw_bond_teach_start(p);
	b->send_learning = false;
	return changed;
}

static bool
has_uplinks(const struct sw_port *p)
{
	const struct sw_iface *first = wf_container(p->ifaces.next, struct sw_iface, port_node);

	return p->up || (!wf_list_is_empty(&p->ifaces) && first->link);
}

static void
run_all(int64_t now)
{
	bool publish = false, store = false;
	struct sw_bridge *b;
	struct sw_port *p;

	next_due = INT64_MAX;
	wf_hmap_for_each(b, node, &sw_bridges) {
		bool changed = false;

		wf_hmap_for_each(p, node, &b->ports)
			if (has_uplinks(p))
				changed |= run_port(p, now, true);
		if (changed)
			sw_bridge_publish(b);
		publish |= changed;
	}
	if (publish)
		view_publish(false);
	wf_hmap_for_each(b, node, &sw_bridges)
		wf_hmap_for_each(p, node, &b->ports)
			if (has_uplinks(p)) {
				int64_t due = port_due(p);

				store |= after_publish(p);
				next_due = due < next_due ? due : next_due;
			}
	if ((store || columns_changed) && ovsdb_session_may_act(sw_db))
		ovsdb_commit(sw_db, NULL, NULL);
	columns_changed = false;
}

static int64_t
on_turn(struct wf_idle *idle)
{
	int64_t now = wf_now_ms(), wait, teach;

	if (now >= next_due)
		run_all(now);
	teach = sw_bond_teach_run(now);
	if (teach == 0)
		return 0;
	if (wf_clock_is_stopped())
		return -1;
	wait = next_due == INT64_MAX ? -1 : next_due > now ? next_due - now : 0;
	return wait < 0 || (teach > 0 && teach < wait) ? teach : wait;
}

void
sw_uplinks_link_changed(struct sw_iface *i)
{
	struct sw_link *l = i->link;
	int64_t now = wf_now_ms();

	if (!l)
		return;
	bool up = sw_iface_has_carrier(i);
	if (l->lacp && (l->link_up != up || l->link_resets != i->status.link_resets))
		lacp_member_carrier_changed(l->lacp, up, now);
	l->link_up = up;
	l->link_resets = i->status.link_resets;
	run_port(i->owner, now, true);
	sw_uplinks_kick(); /* learning packets, columns */
}

/* --- Columns ------------------------------------------------------------------------------------------------ */

static void
put_pair(void *datum, const char *key, const char *value)
{
	ovsdb_datum_add_str_str(datum, key, value);
}

void
sw_uplinks_write_iface(struct sw_iface *i)
{
	struct ovsdb_datum d = OVSDB_DATUM_INIT;

	if (!i->row || !ovsdb_session_may_act(sw_db))
		return;
	if (i->link && i->link->lacp)
		ovsdb_set_bool(sw_db, i->row, OVSDB_INTERFACE_LACP_CURRENT,
			       lacp_member_is_current(i->link->lacp));
	else
		ovsdb_clear(sw_db, i->row, OVSDB_INTERFACE_LACP_CURRENT);
	if (i->link && i->link->bfd)
		bfd_get_status(i->link->bfd, wf_now_ms(), put_pair, &d);
	ovsdb_set(sw_db, i->row, OVSDB_INTERFACE_BFD_STATUS, &d);
}

void
sw_uplinks_init(void)
{
	static struct wf_idle idle = { .fn = on_turn };

	slow_path_set_protocol(on_frame);
	wf_idle_add(&idle);
	sw_uplinks_show_init();
}
