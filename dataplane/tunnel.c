/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/tunnel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "dataplane/stamps.h"
#include "dataplane/translate.h"
#include "openflow/tlv_map.h"

/* --- Ports ------------------------------------------------------------------------------------ */

struct tunnel_state *
tunnel_state_new(void)
{
	struct tunnel_state *s = wf_xzalloc(sizeof *s);

	atomic_init(&s->refs, 1);
	atomic_init(&s->seq, 1);
	s->rx = counter_new();
	s->tx = counter_new();
	return s;
}

void
tunnel_state_unref(struct tunnel_state *s)
{
	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
		counter_unref(s->rx);
		counter_unref(s->tx);
		wf_rcu_free(s);
	}
}

static int
by_slot(const void *a_, const void *b_)
{
	const struct tunnel_port *a = a_, *b = b_;

	return a->slot < b->slot ? -1 : a->slot > b->slot;
}

struct tunnel_view *
tunnel_view_new(struct tunnel_endpoint *endpoints, uint32_t n_endpoints, struct tunnel_port *ports,
		uint32_t n_ports)
{
	struct tnl_port_entry *entries = wf_xmalloc((n_ports + 1) * sizeof *entries);
	struct tunnel_view *v = wf_xzalloc(sizeof *v);

	qsort(ports, n_ports, sizeof *ports, by_slot);
	for (uint32_t i = 0; i < n_ports; i++) {
		entries[i] = (struct tnl_port_entry){ &ports[i].config, ports[i].endpoint, i };
		atomic_fetch_add_explicit(&ports[i].state->refs, 1, memory_order_relaxed);
		ports[i].frozen = frozen_for_output(ports[i].bridge, ports[i].ofp_port, NULL,
						    XLATE_MAX_DEPTH);
	}
	v->n_endpoints = n_endpoints;
	v->endpoints = endpoints;
	v->n_ports = n_ports;
	v->ports = ports;
	v->map = tnl_port_map_new(entries, n_ports, NULL, NULL);
	free(entries);
	return v;
}

void
tunnel_view_free(struct tunnel_view *v)
{
	if (!v)
		return;
	for (uint32_t i = 0; i < v->n_ports; i++) {
		tunnel_state_unref(v->ports[i].state);
		frozen_unref(v->ports[i].frozen);
	}
	tnl_port_map_free(v->map);
	free(v->ports);
	free(v->endpoints);
	free(v);
}

const struct tunnel_port *
tunnel_port_by_slot(const struct tunnel_view *v, uint32_t slot)
{
	struct tunnel_port key = { .slot = slot };

	return v && v->n_ports ? bsearch(&key, v->ports, v->n_ports, sizeof key, by_slot) : NULL;
}

const struct tunnel_port *
tunnel_port_receive(const struct tunnel_view *v, uint32_t number, const struct of_key *k)
{
	struct tnl_meta m;

	if (!v)
		return NULL;
	memset(&m, 0, offsetof(struct tnl_meta, options));
	m.id = k->tun_id;
	if (k->tun_dst || k->tun_src) {
		m.src = tnl_map_ipv4(&k->tun_src);
		m.dst = tnl_map_ipv4(&k->tun_dst);
	} else {
		m.src = k->tun_ipv6_src;
		m.dst = k->tun_ipv6_dst;
	}
	for (uint32_t i = 0; i < v->n_endpoints; i++) {
		const struct tnl_port_entry *e;

		if (v->endpoints[i].number != number)
			continue;
		e = tnl_port_map_find(v->map, i, &m, k->packet_type == OF_PT_ETH ? TNL_INNER_ETH
										: k->packet_type);
		return e ? &v->ports[e->port] : NULL;
	}
	return NULL;
}

bool
tunnel_meta_to_key(const struct tnl_meta *m, const struct of_tlv_map *map, struct of_key *k)
{
	memset((uint8_t *)k + TUNNEL_PART_OFS, 0, TUNNEL_PART_SIZE);
	k->tun_id = m->id;
	if (tnl_is_ipv4(&m->src)) {
		memcpy(&k->tun_src, m->src.s6_addr + 12, 4);
		memcpy(&k->tun_dst, m->dst.s6_addr + 12, 4);
	} else {
		k->tun_ipv6_src = m->src;
		k->tun_ipv6_dst = m->dst;
	}
	/* Not DF of the outer header: Open vSwitch's packets from tunnels do not tell of it. */
	k->tun_flags = OF_TUN_F_RECEIVED | (m->flags & TNL_F_OAM ? OF_TUN_F_OAM : 0) |
		       (m->flags & TNL_F_CSUM ? OF_TUN_F_CSUM : 0) |
		       (m->flags & TNL_F_KEY ? OF_TUN_F_KEY : 0);
	k->tun_tos = m->tos;
	k->tun_ttl = m->ttl;
	k->tun_gbp_id = htons(m->gbp_id);
	k->tun_gbp_flags = m->gbp_flags;
	k->tun_erspan_ver = m->erspan_ver;
	k->tun_erspan_dir = m->erspan_dir;
	k->tun_erspan_hwid = m->erspan_hwid;
	k->tun_erspan_idx = m->erspan_idx;
	k->tun_gtpu_flags = m->gtpu_flags;
	k->tun_gtpu_msgtype = m->gtpu_msgtype;
	return !m->options_size || !map || of_tlv_from_geneve(map, m->options, m->options_size, k);
}

void
tunnel_part_merge(struct of_key *to, const struct of_key *from, const uint8_t *bits)
{
	const uint8_t *f = (const uint8_t *)from + TUNNEL_PART_OFS;
	uint8_t *t = (uint8_t *)to + TUNNEL_PART_OFS;

	for (unsigned i = 0; bits && i < TUNNEL_PART_SIZE; i++)
		t[i] = (uint8_t)((t[i] & ~bits[i]) | (f[i] & bits[i]));
}

/* --- The underlay ------------------------------------------------------------------------------ */

static struct underlay *_Atomic current;
static struct stamp_block *stamps; /* cell 0: addresses and routes; 1: neighbours */

const struct underlay *
underlay_get(void)
{
	return atomic_load_explicit(&current, memory_order_acquire);
}

static void
underlay_free(void *u_)
{
	struct underlay *u = u_;

	tnl_routes_free(u->routes);
	tnl_neighs_free(u->neighs);
	free(u->addresses);
	free(u);
}

void
underlay_init(void)
{
	struct underlay *u = wf_xzalloc(sizeof *u);

	u->routes = tnl_routes_new();
	u->neighs = tnl_neighs_new();
	stamps = stamp_block_alloc(view_next_version());
	atomic_store_explicit(&current, u, memory_order_release);
}

void
underlay_publish(struct underlay *u, unsigned what)
{
	struct underlay *old = atomic_exchange_explicit(&current, u, memory_order_acq_rel);
	uint64_t version = view_next_version();

	/* After the pointer, so that who sees the stamp unchanged may have read the old one only under a
	 * version that is now too old. */
	for (unsigned i = 0; i < 2; i++)
		if (what & (i ? UNDERLAY_NEIGHS : UNDERLAY_ROUTES))
			atomic_store_explicit(&stamps->cell[i], version, memory_order_release);
	view_publish(true);
	wf_rcu_call(underlay_free, old);
}

const _Atomic uint64_t *
underlay_stamp_routes(void)
{
	return &stamps->cell[0];
}

const _Atomic uint64_t *
underlay_stamp_neighs(void)
{
	return &stamps->cell[1];
}

/* --- From workers to main ------------------------------------------------------------------------- */

#define MAX_WISHES 64
struct lesson { char bridge[64]; struct in6_addr addr; uint8_t mac[6]; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct underlay_wish wishes[MAX_WISHES];
static struct lesson lessons[MAX_WISHES];
static unsigned n_wishes, n_lessons;
static _Atomic bool pending;
static void (*on_wish)(const struct underlay_wish *);
static void (*on_learn)(const char *, const struct in6_addr *, const uint8_t mac[6]);

static void
wake(void)
{
	if (!atomic_exchange_explicit(&pending, true, memory_order_acq_rel))
		wf_loop_wake();
}

void
underlay_wish(const struct underlay_wish *w)
{
	bool known = false;

	/* A worker does not wait: somebody else's wish is being written, ours comes with the next packet. */
	if (pthread_mutex_trylock(&lock))
		return;
	for (unsigned i = 0; i < n_wishes && !known; i++)
		known = !memcmp(&wishes[i].target, &w->target, sizeof w->target) &&
			!strcmp(wishes[i].bridge, w->bridge);
	if (!known && n_wishes < MAX_WISHES) {
		wishes[n_wishes++] = *w;
		wake();
	}
	pthread_mutex_unlock(&lock);
}

void
underlay_learn(const char *bridge, const struct in6_addr *a, const uint8_t mac[6])
{
	if (pthread_mutex_trylock(&lock))
		return;
	if (n_lessons < MAX_WISHES) {
		struct lesson *l = &lessons[n_lessons++];

		memset(l, 0, sizeof *l);
		strncpy(l->bridge, bridge, sizeof l->bridge - 1);
		l->addr = *a;
		memcpy(l->mac, mac, 6);
		wake();
	}
	pthread_mutex_unlock(&lock);
}

void
underlay_set_wish_handler(void (*fn)(const struct underlay_wish *))
{
	on_wish = fn;
}

void
underlay_set_learn_handler(void (*fn)(const char *, const struct in6_addr *, const uint8_t mac[6]))
{
	on_learn = fn;
}

void
underlay_run(void)
{
	struct underlay_wish w[MAX_WISHES];
	struct lesson l[MAX_WISHES];
	unsigned nw, nl;

	if (!atomic_exchange_explicit(&pending, false, memory_order_acq_rel))
		return;
	pthread_mutex_lock(&lock);
	nw = n_wishes;
	nl = n_lessons;
	memcpy(w, wishes, nw * sizeof *w);
	memcpy(l, lessons, nl * sizeof *l);
	n_wishes = n_lessons = 0;
	pthread_mutex_unlock(&lock);
	for (unsigned i = 0; i < nl && on_learn; i++)
		on_learn(l[i].bridge, &l[i].addr, l[i].mac);
	for (unsigned i = 0; i < nw && on_wish; i++)
		on_wish(&w[i]);
}
