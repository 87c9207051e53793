/* SPDX-License-Identifier: Apache-2.0 */
/* In-band control: a controller, or a database manager, that is reached through the switch it
 * controls.
 *
 * Whatever the flows say, or while there are none, the host must be able to get an address, to find
 * the controller's and to speak with it, and so must other switches through this one.  Hidden flows
 * above all others treat exactly that traffic as NORMAL.  The set is the one of Open vSwitch's design
 * document (section "In-Band Control"), letters as there:
 *
 *   (a) DHCP requests of the local port            (d, e) ARP to and from the next hop's MAC
 *   (b, c) ARP to and from the local port's MAC    (f, g) ARP about the controller's address
 *                                                  (h, i) TCP to and from address and port
 *
 * and (j, k) DHCP replies reach the local port, which Open vSwitch does aside of its flow table.
 * Addresses in 127.0.0.0/8 need none of this: such packets never come to a port. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/daemon.h"
#include "base/log.h"
#include "switchd/next_hop.h"
#include "switchd/of_internal.h"

WF_LOG_MODULE(in_band);

#define MAX_REMOTES 64

struct remote {
	__be32 ip;
	uint16_t port;
	uint8_t mac[6];        /* of the next hop, zero: not known */
};

/* What the flows depend on; they are made anew when it changes. */
struct in_band_state {
	unsigned n_remotes;
	struct remote remotes[MAX_REMOTES];
	uint8_t local_mac[6];
	int queue;
};

struct of_in_band {
	struct in_band_state state;
	int64_t next_ms;       /* when routes are looked at again */
	unsigned n_rules, room;
	struct rule **rules;
};

static const uint8_t no_mac[6];

/* --- Flows ------------------------------------------------------------------------------------ */

/* Priorities only tell the flows apart when they are shown.  The last one is looked up before
 * table 0, to which its packets then go. */
enum { FROM_LOCAL_DHCP = 180000, TO_LOCAL_ARP, FROM_LOCAL_ARP, TO_HOP_ARP, FROM_HOP_ARP,
       TO_REMOTE_ARP, FROM_REMOTE_ARP, TO_REMOTE_TCP, FROM_REMOTE_TCP, TO_LOCAL_DHCP, ALL_DHCP };

struct adding {
	struct of_switch *sw;
	struct of_in_band *ib;
	struct wf_buf normal, local; /* actions */
};

static void __attribute__((format(printf, 4, 5)))
add(struct adding *a, uint32_t priority, const struct wf_buf *actions, const char *format, ...)
{
	struct of_match_full *m = wf_xmalloc(sizeof *m);
	struct of_in_band *ib = a->ib;
	struct wf_str text = WF_STR_INIT;
	va_list args;
	char *error;

	va_start(args, format);
	wf_str_vfmt(&text, format, args);
	va_end(args);
	error = of_match_parse(m, wf_str_cstr(&text), NULL, NULL);
	if (error)
		wf_fatal("in-band flow %s: %s", wf_str_cstr(&text), error);
	if (ib->n_rules == ib->room) {
		ib->room = ib->room * 2 + 8;
		ib->rules = wf_xrealloc(ib->rules, ib->room * sizeof *ib->rules);
	}
	ib->rules[ib->n_rules++] =
		of_flow_add_internal(a->sw, priority == ALL_DHCP ? TABLE_INTERNAL : 0, m, priority,
				     actions->data, actions->size, true);
	wf_str_done(&text);
	free(m);
}

static const char *
mac_text(const uint8_t m[6], char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return text;
}

static void
add_for_local(struct adding *a, const uint8_t local_mac[6])
{
	char mac[18];

	if (!memcmp(local_mac, no_mac, 6))
		return;
	mac_text(local_mac, mac);
	add(a, FROM_LOCAL_DHCP, &a->normal, "udp,in_port=LOCAL,dl_src=%s,tp_src=68,tp_dst=67", mac);
	add(a, TO_LOCAL_ARP, &a->normal, "arp,dl_dst=%s,arp_op=2", mac);
	add(a, FROM_LOCAL_ARP, &a->normal, "arp,dl_src=%s,arp_op=1", mac);
	add(a, TO_LOCAL_DHCP, &a->normal, "udp,dl_dst=%s,tp_src=67,tp_dst=68", mac);
	add(a, ALL_DHCP, &a->local, "udp,dl_dst=ff:ff:ff:ff:ff:ff,tp_src=67,tp_dst=68");
}

static bool
seen(const struct in_band_state *s, unsigned i, bool by_mac)
{
	for (unsigned k = 0; k < i; k++)
		if (by_mac ? !memcmp(s->remotes[k].mac, s->remotes[i].mac, 6)
			   : s->remotes[k].ip == s->remotes[i].ip)
			return true;
	return false;
}

static void
add_for_remote(struct adding *a, const struct in_band_state *s, unsigned i)
{
	const struct remote *r = &s->remotes[i];
	char mac[18], ip[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &r->ip, ip, sizeof ip);
	if (memcmp(r->mac, no_mac, 6) && !seen(s, i, true)) {
		mac_text(r->mac, mac);
		add(a, TO_HOP_ARP, &a->normal, "arp,dl_dst=%s,arp_op=2", mac);
		add(a, FROM_HOP_ARP, &a->normal, "arp,dl_src=%s,arp_op=1", mac);
	}
	if (!seen(s, i, false)) {
		add(a, TO_REMOTE_ARP, &a->normal, "arp,arp_tpa=%s,arp_op=2", ip);
		add(a, FROM_REMOTE_ARP, &a->normal, "arp,arp_spa=%s,arp_op=1", ip);
	}
	add(a, TO_REMOTE_TCP, &a->normal, "tcp,nw_dst=%s,tp_dst=%u", ip, r->port);
	add(a, FROM_REMOTE_TCP, &a->normal, "tcp,nw_src=%s,tp_src=%u", ip, r->port);
}

static void
make_rules(struct of_switch *sw, struct of_in_band *ib)
{
	struct adding a = { .sw = sw, .ib = ib, .normal = WF_BUF_INIT, .local = WF_BUF_INIT };
	char normal[40] = "normal";

	for (unsigned k = 0; k < ib->n_rules; k++)
		of_flow_del_internal(sw, ib->rules[k]);
	ib->n_rules = 0;
	if (ib->state.n_remotes) {
		if (ib->state.queue >= 0)
			snprintf(normal, sizeof normal, "set_queue:%d,normal", ib->state.queue);
		free(of_actions_parse(normal, &a.normal));
		free(of_actions_parse("output:LOCAL,resubmit(,0)", &a.local));
		add_for_local(&a, ib->state.local_mac);
		for (unsigned i = 0; i < ib->state.n_remotes; i++)
			add_for_remote(&a, &ib->state, i);
		wf_buf_done(&a.normal);
		wf_buf_done(&a.local);
	}
	of_publish();
}

/* --- Who is to be reached ------------------------------------------------------------------ */

/* "tcp:10.0.0.1:6653" and the like; false: nothing that rules could help. */
static bool
read_target(const char *target, uint16_t default_port, struct remote *r)
{
	char host[INET_ADDRSTRLEN];
	struct in_addr ip;
	unsigned port = default_port;
	size_t n;

	memset(r, 0, sizeof *r);
	if (strncmp(target, "tcp:", 4) && strncmp(target, "ssl:", 4))
		return false;
	target += 4;
	n = strcspn(target, ":");
	if (n >= sizeof host || (target[n] && (sscanf(target + n, ":%u", &port) != 1 || port > 65535)))
		return false;
	memcpy(host, target, n);
	host[n] = '\0';
	if (inet_pton(AF_INET, host, &ip) != 1 || (ntohl(ip.s_addr) >> 24) == 127)
		return false;
	r->ip = ip.s_addr;
	r->port = (uint16_t)port;
	return true;
}

static void
add_remote(struct in_band_state *s, const char *target, uint16_t default_port)
{
	struct remote r;

	if (s->n_remotes == MAX_REMOTES || !read_target(target, default_port, &r))
		return;
	for (unsigned i = 0; i < s->n_remotes; i++)
		if (s->remotes[i].ip == r.ip && s->remotes[i].port == r.port)
			return;
	s->remotes[s->n_remotes++] = r;
}

/* Returns the time after which to look again: soon, while a MAC is not known. */
static int64_t
find_next_hops(const struct of_switch *sw, struct in_band_state *s)
{
	int64_t wait_ms = 10000;

	for (unsigned i = 0; i < s->n_remotes; i++) {
		struct remote *r = &s->remotes[i];
		struct next_hop hop;
		int rc = next_hop_find(r->ip, &hop);

		if (rc) {
			char ip[INET_ADDRSTRLEN];

			wf_warn_rl("%s: cannot find route for controller (%s): %s", sw->bridge->name,
				   inet_ntop(AF_INET, &r->ip, ip, sizeof ip), wf_strerror(rc));
		} else {
			memcpy(r->mac, hop.mac, 6);
		}
		if (!memcmp(r->mac, no_mac, 6))
			wait_ms = 1000;
	}
	return wait_ms;
}

void
of_in_band_configure(struct of_switch *sw, const struct of_switch_config *config)
{
	struct in_band_state *s = wf_xzalloc(sizeof *s);
	struct of_in_band *ib = sw->in_band;

	if (!config->flow_restore_wait)
		for (unsigned i = 0; i < config->n_controllers; i++)
			if (config->controllers[i].in_band)
				add_remote(s, config->controllers[i].target, 6653);
	for (unsigned i = 0; i < config->n_in_band_remotes; i++)
		add_remote(s, config->in_band_remotes[i], 6640);
	s->queue = config->in_band_queue;
	if (!s->n_remotes && !ib) {
		free(s);
		return;
	}
	if (!ib)
		ib = sw->in_band = wf_xzalloc(sizeof *ib);
	for (unsigned i = 0; i < s->n_remotes; i++)
		for (unsigned k = 0; k < ib->state.n_remotes; k++)
			if (s->remotes[i].ip == ib->state.remotes[k].ip)
				memcpy(s->remotes[i].mac, ib->state.remotes[k].mac, 6);
	memcpy(s->local_mac, ib->state.local_mac, 6);
	if (memcmp(s, &ib->state, sizeof *s)) {
		ib->state = *s;
		make_rules(sw, ib);
		ib->next_ms = 0;
	}
	free(s);
	if (!ib->state.n_remotes)
		of_in_band_done(sw);
}

void
of_in_band_run(struct of_switch *sw)
{
	struct of_in_band *ib = sw->in_band;
	const struct of_port *local;
	struct in_band_state *s;

	if (!ib)
		return;
	s = wf_xmemdup(&ib->state, sizeof *s);
	local = of_port_find(sw, OF_PORT_LOCAL);
	if (local)
		memcpy(s->local_mac, local->desc.hw_addr, 6);
	if (wf_now_ms() >= ib->next_ms)
		ib->next_ms = wf_now_ms() + find_next_hops(sw, s);
	if (memcmp(s, &ib->state, sizeof *s)) {
		ib->state = *s;
		make_rules(sw, ib);
	}
	free(s);
}

void
of_in_band_done(struct of_switch *sw)
{
	struct of_in_band *ib = sw->in_band;

	if (!ib)
		return;
	for (unsigned k = 0; k < ib->n_rules; k++)
		of_flow_del_internal(sw, ib->rules[k]);
	of_publish();
	free(ib->rules);
	free(ib);
	sw->in_band = NULL;
}
