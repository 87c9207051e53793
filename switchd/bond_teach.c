// SPDX-License-Identifier: Apache-2.0
/* Bonds without LACP: after another member has taken over, the switches outside still believe that
 * stations are behind the old one.  A reverse ARP from each station's address, which nobody answers, by
 * the member that carries its packets now, tells them.  Some in each turn, so that a large table
 * keeps nobody waiting. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/protocol_tx.h"
#include "dataplane/vlan.h"
#include "switchd/uplinks.h"

WF_LOG_MODULE(bond);

#define PACKETS_A_TURN 256
/* Told again after these times: a packet may be lost, and Open vSwitch as the other switch may learn
 * the old place once more from packets that it had counted but not yet looked at. */
static const int64_t rounds_ms[] = { 0, 300, 1000 };
#define N_ROUNDS (sizeof rounds_ms / sizeof rounds_ms[0])

struct station {
	uint8_t mac[6];
	uint16_t vid;
	of_port_t port;
};

static struct lesson {
	struct lesson *next;
	struct sw_port *port;
	struct station *stations;
	unsigned n, room, done, round;
	int64_t start_ms;
} *lessons;

static void
note_station(const struct mac_row *row, void *lesson_)
{
	struct lesson *l = lesson_;

	if (l->n == l->room) {
		l->room = l->room * 2 + 64;
		l->stations = wf_xrealloc(l->stations, l->room * sizeof *l->stations);
	}
	memcpy(l->stations[l->n].mac, row->mac, 6);
	l->stations[l->n].vid = row->vid;
	l->stations[l->n++].port = row->port;
}

void
sw_bond_teach_forget(struct sw_port *p)
{
	for (struct lesson **at = &lessons, *l; (l = *at) != NULL;) {
		if (l->port != p) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		free(l->stations);
		free(l);
	}
}

void
sw_bond_teach_start(struct sw_port *p)
{
	struct lesson *l;

	sw_bond_teach_forget(p); /* the members may be others by now: from the beginning */
	l = wf_xzalloc(sizeof *l);
	l->port = p;
	l->start_ms = wf_now_ms();
	l->next = lessons;
	lessons = l;
	mac_table_dump(p->bridge->dp->macs, note_station, l);
}

/* RFC 903: "who has my address", sent and asked by the station itself. */
static uint32_t
compose(uint8_t *f, const struct station *s, const struct xtag *tag)
{
	static const uint8_t head[] = { 0x80, 0x35, 0, 1, 0x08, 0, 6, 4, 0, 3 };
	uint32_t n = 12;

	memset(f, 0xff, 6);
	memcpy(f + 6, s->mac, 6);
	if (tag->tpid) {
		f[n++] = (uint8_t)(tag->tpid >> 8);
		f[n++] = (uint8_t)tag->tpid;
		f[n++] = (uint8_t)(tag->vid >> 8);
		f[n++] = (uint8_t)tag->vid;
	}
	memcpy(f + n, head, sizeof head);
	n += sizeof head;
	memset(f + n, 0, 20);
	memcpy(f + n, s->mac, 6);
	memcpy(f + n + 10, s->mac, 6);
	return n + 20;
}

static void
teach(const struct lesson *l, const struct station *s)
{
	const struct view *v = view_get();
	struct bridge *dp = l->port->bridge->dp;
	const struct bridge_view *bv = dp->index < v->n_bridges ? v->bridges[dp->index] : NULL;
	const struct xport *from = bv && bv->ports ? xport_find(bv->ports, s->port) : NULL, *to;
	struct xvlans inside = { 0 }, wire;
	const struct bundle *u = NULL;
	struct of_key key = { 0 };
	uint8_t frame[64];

	for (uint32_t k = 0; bv && bv->l2 && k < bv->l2->n_bundles; k++)
		if (bv->l2->bundles[k]->index == l->port->index)
			u = bv->l2->bundles[k];
	if (!u || !u->bond || (from && from->bundle == u))
		return;
	if (s->vid)
		inside.v[0] = (struct xtag){ .tpid = 0x8100, .vid = s->vid };
	if (!bundle_carries(u, &inside))
		return;
	xvlans_to_send(u, &inside, 0, &wire);
	memcpy(key.dl_src, s->mac, 6);
	to = bond_choose(bv, u, &key, wire.v[0].vid, 0);
	if (to)
		protocol_send(dp, to->ofp_port, frame, compose(frame, s, &wire.v[0]));
}

int64_t
sw_bond_teach_run(int64_t now)
{
	unsigned budget = PACKETS_A_TURN;
	struct lesson *l, *next;
	int64_t wait = -1;

	for (l = lessons; l; l = next) {
		int64_t due = l->start_ms + rounds_ms[l->round];

		next = l->next;
		for (; now >= due && l->done < l->n && budget; budget--)
			teach(l, &l->stations[l->done++]);
		if (now >= due && l->done == l->n) {
			wf_dbg("bond %s: sent gratuitous learning packets for %u stations",
			       l->port->name, l->n);
			l->done = 0;
			if (++l->round == N_ROUNDS) {
				sw_bond_teach_forget(l->port);
				continue;
			}
			due = l->start_ms + rounds_ms[l->round];
		}
		due = due > now ? due - now : 0;
		wait = wait < 0 || due < wait ? due : wait;
	}
	return wait;
}
