/* SPDX-License-Identifier: Apache-2.0 */
/* The network under the tunnels: addresses of our bridges, routes, neighbours; ovs/route/..., tnl/neigh/...
 * Main keeps the masters; each change is a new copy for the packet path (dataplane/tunnel.h). */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/netlink.h>
#include <netlink/route/route.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/unixctl.h"
#include "dataplane/packet.h"
#include "dataplane/tunnel.h"
#include "dataplane/worker.h"
#include "switchd/switchd.h"

WF_LOG_MODULE(tunnel);

static struct underlay_address *addresses; /* of LOCAL ports, of internal ones and dummies */
static uint32_t n_addresses;
static struct tnl_routes *routes;
static struct tnl_neighs *neighs;
static bool use_kernel = true;
/* The kernel's addresses while everything is read anew, so that they are asked for once and not for
 * each of a million routes; else NULL. */
static const struct ifaddrs *gathered;

/* --- Addresses ------------------------------------------------------------------------------------ */

static void
put_address(const struct sw_iface *i, const struct in6_addr *a, unsigned plen)
{
	struct underlay_address *u;

	addresses = wf_xrealloc(addresses, (n_addresses + 1) * sizeof *addresses);
	u = &addresses[n_addresses++];
	memset(u, 0, sizeof *u);
	snprintf(u->bridge, sizeof u->bridge, "%s", i->bridge->name);
	snprintf(u->dev, sizeof u->dev, "%s", i->name);
	u->dp = i->bridge->dp;
	u->slot = i->slot;
	u->ofp_port = i->ofp_port;
	memcpy(u->mac, i->mac, 6);
	u->a = (struct tnl_address){ *a, (uint8_t)plen };
}

/* An address of the kernel's as ours; false: not IP. */
static bool
from_kernel(const struct ifaddrs *f, struct in6_addr *a, unsigned *plen)
{
	const uint8_t *mask;
	size_t size;

	if (!f->ifa_addr || !f->ifa_netmask)
		return false;
	if (f->ifa_addr->sa_family == AF_INET) {
		*a = tnl_map_ipv4(&((const struct sockaddr_in *)f->ifa_addr)->sin_addr);
		mask = (const uint8_t *)&((const struct sockaddr_in *)f->ifa_netmask)->sin_addr;
		size = 4;
	} else if (f->ifa_addr->sa_family == AF_INET6) {
		*a = ((const struct sockaddr_in6 *)f->ifa_addr)->sin6_addr;
		mask = (const uint8_t *)&((const struct sockaddr_in6 *)f->ifa_netmask)->sin6_addr;
		size = 16;
	} else {
		return false;
	}
	*plen = (unsigned)(128 - size * 8);
	for (size_t i = 0; i < size; i++)
		*plen += (unsigned)__builtin_popcount(mask[i]);
	return true;
}

/* Addresses that the port has without the kernel (dummies). */
static void
put_own_addresses(const struct sw_iface *i)
{
	struct port_address own[8];
	struct in6_addr a;
	unsigned n;

	if (!i->port || !i->port->class->get_addresses)
		return;
	n = i->port->class->get_addresses(i->port, own, 8);
	for (unsigned k = 0; k < n; k++) {
		memcpy(&a, own[k].ip, 16);
		put_address(i, &a, own[k].plen);
	}
}

/* Ports whose device is the host's end: packets that leave by them reach the host.  (An address of a NIC that is a
 * port is reached by what the NIC receives, before it is a port of ours.) */
static bool
is_hosts(const struct sw_iface *i)
{
	return i->port && i->status.ifindex && (i->is_local || (i->type && !strcmp(i->type, "internal")));
}

static void
gather_addresses(const struct ifaddrs *kernel)
{
	uint32_t *slots, n = 0;
	struct sw_bridge *b;
	struct sw_iface *i;
	struct in6_addr a;
	unsigned plen;

	n_addresses = 0;
	wf_hmap_for_each(b, node, &sw_bridges) {
		wf_hmap_for_each(i, node, &b->ifaces)
			put_own_addresses(i);
		for (const struct ifaddrs *f = kernel; f; f = f->ifa_next) {
			i = sw_iface_find(b, f->ifa_name);
			if (i && is_hosts(i) && from_kernel(f, &a, &plen))
				put_address(i, &a, plen);
		}
	}
	slots = wf_xmalloc((n_addresses + 1) * sizeof *slots);
	for (uint32_t k = 0; k < n_addresses; k++)
		if (addresses[k].ofp_port != OF_PORT_LOCAL)
			slots[n++] = addresses[k].slot;
	view_slots_end_tunnels(slots, n);
	view_publish(false);
	free(slots);
}

/* The source address for 'dst' on a device of ours or the kernel's. */
static bool
source_on(const char *dev, const struct in6_addr *dst, struct in6_addr *src)
{
	struct tnl_address list[32];
	const struct tnl_address *found;
	struct ifaddrs *asked = NULL;
	unsigned n = 0, plen;
	struct in6_addr a;

	for (uint32_t i = 0; i < n_addresses && n < 32; i++)
		if (!strcmp(addresses[i].dev, dev))
			list[n++] = addresses[i].a;
	if (!n && use_kernel) {
		if (!gathered && getifaddrs(&asked))
			asked = NULL;
		for (const struct ifaddrs *f = gathered ? gathered : asked; f && n < 32; f = f->ifa_next)
			if (!strcmp(f->ifa_name, dev) && from_kernel(f, &a, &plen))
				list[n++] = (struct tnl_address){ a, (uint8_t)plen };
		if (asked)
			freeifaddrs(asked);
	}
	found = tnl_source_address(list, n, dst);
	if (found)
		*src = found->addr;
	return found != NULL;
}

/* --- The kernel's routes ------------------------------------------------------------------------------ */

static void
to_address(struct nl_addr *nl, struct in6_addr *a)
{
	memset(a, 0, sizeof *a);
	if (!nl)
		return;
	if (nl_addr_get_family(nl) == AF_INET) {
		memset(a->s6_addr + 10, 0xff, 2);
		if (nl_addr_get_len(nl) == 4)
			memcpy(a->s6_addr + 12, nl_addr_get_binary_addr(nl), 4);
	} else if (nl_addr_get_len(nl) == 16) {
		memcpy(a, nl_addr_get_binary_addr(nl), 16);
	}
}

static void
on_kernel_route(struct nl_object *o, void *aux)
{
	struct rtnl_route *nl = (struct rtnl_route *)o;
	struct rtnl_nexthop *hop = rtnl_route_nexthop_n(nl, 0);
	uint32_t table = rtnl_route_get_table(nl);
	struct nl_addr *dst = rtnl_route_get_dst(nl);
	struct tnl_route r = { .class = table == RT_TABLE_LOCAL ? TNL_ROUTE_LOCAL : TNL_ROUTE_KERNEL };

	if (!hop || (table != RT_TABLE_MAIN && table != RT_TABLE_LOCAL) ||
	    (rtnl_route_get_type(nl) != RTN_UNICAST && rtnl_route_get_type(nl) != RTN_LOCAL) ||
	    !if_indextoname((unsigned)rtnl_route_nh_get_ifindex(hop), r.dev))
		return;
	to_address(dst, &r.dst);
	if (rtnl_route_get_family(nl) == AF_INET)
		memset(r.dst.s6_addr + 10, 0xff, 2);
	r.plen = (uint8_t)(nl_addr_get_prefixlen(dst) + (rtnl_route_get_family(nl) == AF_INET ? 96 : 0));
	if (rtnl_route_nh_get_gateway(hop))
		to_address(rtnl_route_nh_get_gateway(hop), &r.gw);
	if (rtnl_route_get_pref_src(nl))
		to_address(rtnl_route_get_pref_src(nl), &r.src);
	else if (!source_on(r.dev, IN6_IS_ADDR_UNSPECIFIED(&r.gw) ? &r.dst : &r.gw, &r.src))
		return;
	tnl_routes_set(routes, &r);
}

static void
gather_kernel_routes(void)
{
	struct nl_sock *s = nl_socket_alloc();
	struct nl_cache *cache = NULL;

	if (s && !nl_connect(s, NETLINK_ROUTE) && !rtnl_route_alloc_cache(s, AF_UNSPEC, 0, &cache)) {
		nl_cache_foreach(cache, on_kernel_route, NULL);
		nl_cache_free(cache);
	}
	nl_socket_free(s);
}

/* --- Publication ----------------------------------------------------------------------------------------- */

static void
publish(unsigned what)
{
	struct underlay *u = wf_xzalloc(sizeof *u);

	u->n_addresses = n_addresses;
	u->addresses = wf_xmemdup(addresses, (n_addresses + !n_addresses) * sizeof *addresses);
	u->routes = tnl_routes_copy(routes);
	u->neighs = tnl_neighs_copy(neighs);
	underlay_publish(u, what);
}

/* Source addresses of the operator's routes may have come or changed. */
static void
refresh_route(const struct tnl_route *r, void *changed_)
{
	struct in6_addr src;

	if (r->class == TNL_ROUTE_USER &&
	    (source_on(r->dev, &r->dst, &src) || source_on(r->dev, &r->gw, &src)))
		((struct tnl_route *)r)->src = src;
}

static struct wf_timer refresh_timer;

static void
on_refresh(struct wf_timer *t)
{
	struct ifaddrs *kernel = NULL;

	if (use_kernel && getifaddrs(&kernel))
		kernel = NULL;
	if (!addresses)
		addresses = wf_xzalloc(sizeof *addresses);
	gather_addresses(kernel);
	gathered = kernel;
	tnl_routes_flush_kernel(routes);
	if (use_kernel)
		gather_kernel_routes();
	tnl_routes_for_each(routes, refresh_route, NULL);
	gathered = NULL;
	if (kernel)
		freeifaddrs(kernel);
	publish(UNDERLAY_ROUTES);
}

/* Who has no tunnels pays nothing for the kernel's routes. */
void
sw_underlay_changed(void)
{
	if (sw_tunnels_exist() && !refresh_timer.heap_index)
		wf_timer_set(&refresh_timer, 0, on_refresh, NULL);
}

/* Many events come together: one reading of everything answers them. */
static void
refresh_soon(void)
{
	if (sw_tunnels_exist() && !refresh_timer.heap_index)
		wf_timer_set(&refresh_timer, 50, on_refresh, NULL);
}

static int
on_kernel_message(struct nl_msg *msg, void *aux)
{
	refresh_soon();
	return NL_OK;
}

static void
on_kernel_event(void *s_)
{
	int rc;

	do
		rc = nl_recvmsgs_default(s_);
	while (rc >= 0);
	/* More came than the socket holds: what was lost is in the kernel's tables, too. */
	if (rc != -NLE_AGAIN)
		refresh_soon();
}

static void
watch_kernel(void)
{
	struct nl_sock *s = nl_socket_alloc();

	if (!s)
		return;
	nl_socket_disable_seq_check(s);
	nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, on_kernel_message, NULL);
	if (nl_connect(s, NETLINK_ROUTE) || nl_socket_set_nonblocking(s) ||
	    nl_socket_add_memberships(s, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
				      RTNLGRP_IPV6_ROUTE, 0)) {
		wf_warn("cannot watch the kernel's routes: tunnels see those of the start only");
		nl_socket_free(s);
		return;
	}
	wf_fd_watch(nl_socket_get_fd(s), on_kernel_event, s);
}

/* --- Neighbours --------------------------------------------------------------------------------------------- */

#define N_ASKED 256
static struct { struct underlay_wish w; int64_t at_ms; } asked[N_ASKED];

static void
send_request(struct sw_bridge *b, const struct underlay_wish *w)
{
	const struct sw_iface *port = sw_iface_find(b, w->dev);
	uint8_t frame[TNL_NEIGH_REQUEST_MAX];
	struct xlate_in *in;
	struct rte_mbuf *m;
	size_t size;

	if (!port || !port->port)
		return;
	size = tnl_neigh_request(frame, port->mac, &w->source, &w->target);
	m = pkt_from_bytes(frame, (uint32_t)size);
	if (!m)
		return;
	in = wf_xzalloc(sizeof *in);
	in->bridge = b->dp;
	in->in_slot = port->slot;
	in->key.in_port = port->ofp_port;
	in->key.packet_type = OF_PT_ETH;
	main_execute(in, m);
	free(in);
}

static void
on_wish(const struct underlay_wish *w)
{
	struct sw_bridge *b = sw_bridge_find(w->bridge);
	int64_t now = wf_now_ms();
	unsigned oldest = 0;

	if (!b)
		return;
	for (unsigned i = 0; i < N_ASKED; i++) {
		if (asked[i].at_ms && !memcmp(&asked[i].w.target, &w->target, sizeof w->target) &&
		    !strcmp(asked[i].w.bridge, w->bridge)) {
			oldest = i;
			if (now - asked[i].at_ms < 1000)
				return;
			break;
		}
		if (asked[i].at_ms < asked[oldest].at_ms)
			oldest = i;
	}
	asked[oldest].w = *w;
	asked[oldest].at_ms = now ? now : 1;
	send_request(b, w);
}

static void
on_learn(const char *bridge, const struct in6_addr *a, const uint8_t mac[6])
{
	if (tnl_neigh_set(neighs, bridge, a, mac, wf_now_ms()))
		publish(UNDERLAY_NEIGHS);
}

void
sw_underlay_forget(const char *device)
{
	if (tnl_neigh_flush(neighs, device))
		publish(UNDERLAY_NEIGHS);
}

static struct wf_timer age_timer;

/* So that a peer in use does not vanish for the length of an ARP exchange. */
#define ASK_AGAIN_MAX 32 /* a second */

static bool
covered_by(const struct in6_addr *target, const struct tnl_address *own)
{
	struct in6_addr a = tnl_network(target, own->plen), b = tnl_network(&own->addr, own->plen);

	return IN6_ARE_ADDR_EQUAL(&a, &b);
}

static void
ask_again(const char *bridge, const struct in6_addr *target, void *aux)
{
	struct underlay_wish w = { .target = *target };

	snprintf(w.bridge, sizeof w.bridge, "%s", bridge);
	if (!sw_bridge_find(bridge))
		return;
	for (uint32_t i = 0; i < n_addresses; i++) {
		const struct underlay_address *u = &addresses[i];
		bool covers = covered_by(target, &u->a);

		if (strcmp(u->bridge, bridge) || tnl_is_ipv4(&u->a.addr) != tnl_is_ipv4(target))
			continue;
		/* The port in whose net it is, or else any. */
		if (!w.dev[0] || covers) {
			snprintf(w.dev, sizeof w.dev, "%s", u->dev);
			w.source = u->a.addr;
		}
		if (covers)
			break;
	}
	if (w.dev[0])
		on_wish(&w);
}

static void
on_age(struct wf_timer *t)
{
	if (sw_tunnels_exist())
		tnl_neigh_for_each_old(neighs, wf_now_ms(), ASK_AGAIN_MAX, ask_again, NULL);
	if (tnl_neigh_expire(neighs, wf_now_ms()))
		publish(UNDERLAY_NEIGHS);
	wf_timer_set(t, 1000, on_age, NULL);
}

/* --- Commands -------------------------------------------------------------------------------------------------- */

static bool
parse_mark(const char *text, uint32_t *mark)
{
	int64_t v;
	char end;

	if (sscanf(text, "pkt_mark=%" SCNi64 "%c", &v, &end) != 1 || v < 0 || v > UINT32_MAX)
		return false;
	*mark = (uint32_t)v;
	return true;
}

static void
on_route_add(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct tnl_route r = { .class = TNL_ROUTE_USER };
	struct in6_addr addr;
	unsigned plen;

	if (!tnl_parse_prefix(argv[1], &addr, &r.dst, &plen)) {
		unixctl_reply_error(conn, "Invalid parameters");
		return;
	}
	r.plen = (uint8_t)plen;
	if (argc > 3 && !parse_mark(argv[3], &r.mark) &&
	    (!tnl_parse_address(argv[3], &r.gw) || tnl_is_ipv4(&r.gw) != tnl_is_ipv4(&r.dst))) {
		unixctl_reply_error(conn, tnl_is_ipv4(&r.dst) ? "Invalid pkt_mark or gateway"
							      : "Invalid pkt_mark or IPv6 gateway");
		return;
	}
	if (argc > 4 && !parse_mark(argv[4], &r.mark)) {
		unixctl_reply_error(conn, "Invalid pkt_mark");
		return;
	}
	snprintf(r.dev, sizeof r.dev, "%s", argv[2]);
	on_refresh(&refresh_timer);
	if (!source_on(r.dev, &addr, &r.src) && !source_on(r.dev, &r.gw, &r.src)) {
		unixctl_reply_error(conn, "Error while inserting route.");
		return;
	}
	tnl_routes_set(routes, &r);
	publish(UNDERLAY_ROUTES);
	unixctl_reply(conn, "OK");
}

static void
on_route_del(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct in6_addr addr, net;
	uint32_t mark = 0;
	unsigned plen;

	if (!tnl_parse_prefix(argv[1], &addr, &net, &plen)) {
		unixctl_reply_error(conn, "Invalid parameters");
	} else if (argc > 2 && !parse_mark(argv[2], &mark)) {
		unixctl_reply_error(conn, "Invalid pkt_mark");
	} else if (tnl_routes_del(routes, TNL_ROUTE_USER, &net, plen, mark)) {
		publish(UNDERLAY_ROUTES);
		unixctl_reply(conn, "OK");
	} else {
		unixctl_reply_error(conn, "Not found");
	}
}

struct route_list {
	const struct tnl_route **r;
	size_t n;
};

static void
list_route(const struct tnl_route *r, void *list_)
{
	struct route_list *list = list_;

	list->r = wf_xrealloc(list->r, (list->n + 1) * sizeof *list->r);
	list->r[list->n++] = r;
}

/* As they rank, then by address. */
static int
route_cmp(const void *a_, const void *b_)
{
	const struct tnl_route *a = *(const struct tnl_route *const *)a_;
	const struct tnl_route *b = *(const struct tnl_route *const *)b_;
	unsigned ra = tnl_route_rank(a), rb = tnl_route_rank(b);
	int c = memcmp(&a->dst, &b->dst, sizeof a->dst);

	return ra != rb ? (ra < rb ? 1 : -1) : c ? c : a->mark < b->mark ? -1 : a->mark > b->mark;
}

static void
on_route_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct route_list list = { NULL, 0 };
	struct wf_str s = WF_STR_INIT;

	on_refresh(&refresh_timer);
	wf_str_put(&s, "Route Table:\n");
	tnl_routes_for_each(routes, list_route, &list);
	if (list.n)
		qsort(list.r, list.n, sizeof *list.r, route_cmp);
	for (size_t k = 0; k < list.n; k++)
		tnl_route_format(list.r[k], &s);
	free(list.r);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_route_lookup(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct in6_addr dst, src = { 0 };
	struct wf_str s = WF_STR_INIT;
	const struct tnl_route *r;
	uint32_t mark = 0;

	if (!tnl_parse_address(argv[1], &dst)) {
		unixctl_reply_error(conn, "Invalid parameters");
		return;
	}
	if (argc > 2 && !parse_mark(argv[2], &mark)) {
		unixctl_reply_error(conn, "Invalid pkt_mark");
		return;
	}
	on_refresh(&refresh_timer);
	r = tnl_routes_lookup(routes, mark, &dst, &src);
	if (!r) {
		unixctl_reply_error(conn, "Not found");
		return;
	}
	wf_str_put(&s, "src ");
	tnl_put_address(&s, &src);
	wf_str_put(&s, "\ngateway ");
	tnl_put_address(&s, &r->gw);
	wf_str_fmt(&s, "\ndev %s\n", r->dev);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_neigh_show(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct wf_str s = WF_STR_INIT;

	tnl_neigh_show(neighs, wf_now_ms(), &s);
	unixctl_reply(conn, wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
on_neigh_set(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	struct in6_addr a;
	unsigned m[6];
	uint8_t mac[6];
	char end;

	if (!tnl_parse_address(argv[2], &a)) {
		unixctl_reply_error(conn, "bad IP address");
		return;
	}
	if (sscanf(argv[3], "%2x:%2x:%2x:%2x:%2x:%2x%c", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &end) !=
	    6) {
		unixctl_reply_error(conn, "bad MAC address");
		return;
	}
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)m[i];
	on_learn(argv[1], &a, mac);
	unixctl_reply(conn, "OK");
}

static void
on_neigh_flush(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	if (tnl_neigh_flush(neighs, NULL))
		publish(UNDERLAY_NEIGHS);
	unixctl_reply(conn, "OK");
}

static void
on_neigh_aging(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	char text[16], end;
	unsigned s;

	if (argc == 1) {
		snprintf(text, sizeof text, "%u", tnl_neigh_aging_s(neighs));
		unixctl_reply(conn, text);
	} else if (sscanf(argv[1], "%u%c", &s, &end) == 1 &&
		   tnl_neigh_set_aging_s(neighs, s, wf_now_ms())) {
		unixctl_reply(conn, "OK");
	} else {
		unixctl_reply_error(conn, "bad aging value");
	}
}

static int64_t
on_idle(struct wf_idle *idle)
{
	underlay_run();
	return -1;
}

void
sw_underlay_init(bool with_kernel)
{
	static struct wf_idle idle = { .fn = on_idle };

	use_kernel = with_kernel;
	addresses = wf_xzalloc(sizeof *addresses);
	routes = tnl_routes_new();
	neighs = tnl_neighs_new();
	underlay_init();
	if (use_kernel)
		watch_kernel();
	underlay_set_wish_handler(on_wish);
	underlay_set_learn_handler(on_learn);
	wf_idle_add(&idle);
	wf_timer_set(&age_timer, 1000, on_age, NULL);
	unixctl_command("ovs/route/add", "ip_addr/prefix_len out_br_name [gw] [pkt_mark=mark]", 2, 4,
			on_route_add, NULL);
	unixctl_command("ovs/route/del", "ip_addr/prefix_len [pkt_mark=mark]", 1, 2, on_route_del, NULL);
	unixctl_command("ovs/route/lookup", "ip_addr [pkt_mark=mark]", 1, 2, on_route_lookup, NULL);
	unixctl_command("ovs/route/show", "", 0, 0, on_route_show, NULL);
	for (int arp = 0; arp < 2; arp++) {
		unixctl_command(arp ? "tnl/arp/show" : "tnl/neigh/show", "", 0, 0, on_neigh_show, NULL);
		unixctl_command(arp ? "tnl/arp/set" : "tnl/neigh/set", "BRIDGE IP MAC", 3, 3,
				on_neigh_set, NULL);
		unixctl_command(arp ? "tnl/arp/flush" : "tnl/neigh/flush", "", 0, 0, on_neigh_flush, NULL);
		unixctl_command(arp ? "tnl/arp/aging" : "tnl/neigh/aging", "[SECS]", 0, 1, on_neigh_aging,
				NULL);
	}
}
