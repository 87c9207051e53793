// SPDX-License-Identifier: Apache-2.0
#include "protocols/lacp.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "protocols/wire.h"

WF_LOG_MODULE(lacp);

/* Section 6.4.4: Fast_Periodic_Time, Slow_Periodic_Time; the time-outs are three of them. */
#define FAST_MS 1000
#define SLOW_MS 30000
#define TIMEOUT_PERIODS 3

enum rx_state { RX_CURRENT, RX_EXPIRED, RX_DEFAULTED };

struct lacp {
	char *name;
	struct lacp_settings s;
	struct wf_list members; /* the first one's key is everybody's */
	unsigned n_members;
	bool negotiated;
	bool reselect;          /* who is attached has to be decided anew */
};

struct lacp_member {
	struct wf_list node;
	struct lacp *lacp;
	char *name;
	void *aux;
	struct lacp_member_settings s;
	enum rx_state rx;
	bool attached, carrier;
	struct lacp_info partner;
	struct lacp_info told;  /* what the partner believes of us */
	int64_t tx_due, rx_due;
	uint32_t n_rx, n_rx_bad, n_rx_marker, n_tx, n_expired, n_defaulted, n_carrier;
};

/* --- PDU ---------------------------------------------------------------------------------- */

enum { SUBTYPE_LACP = 1, SUBTYPE_MARKER = 2 };
enum { TLV_ACTOR = 1, TLV_PARTNER = 2, TLV_COLLECTOR = 3 };
enum { INFO_SIZE = 20, COLLECTOR_SIZE = 16 };
enum { ACTOR_OFS = 2, PARTNER_OFS = 22, COLLECTOR_OFS = 42 };

static void
info_parse(const uint8_t *tlv, struct lacp_info *i)
{
	i->sys_priority = wire_get16(tlv + 2);
	memcpy(i->sys_id, tlv + 4, 6);
	i->key = wire_get16(tlv + 10);
	i->port_priority = wire_get16(tlv + 12);
	i->port_id = wire_get16(tlv + 14);
	i->state = tlv[16];
}

static void
info_build(uint8_t *tlv, uint8_t type, const struct lacp_info *i)
{
	tlv[0] = type;
	tlv[1] = INFO_SIZE;
	wire_put16(tlv + 2, i->sys_priority);
	memcpy(tlv + 4, i->sys_id, 6);
	wire_put16(tlv + 10, i->key);
	wire_put16(tlv + 12, i->port_priority);
	wire_put16(tlv + 14, i->port_id);
	tlv[16] = i->state;
}

enum lacp_pdu_kind
lacp_pdu_parse(const void *bytes, size_t size, struct lacp_pdu *pdu)
{
	const uint8_t *b = bytes;

	if (size < LACP_PDU_SIZE)
		return LACP_PDU_BAD;
	if (b[0] == SUBTYPE_MARKER)
		return LACP_PDU_MARKER;
	/* The version is not looked at: section 6.4.2.3 has receivers take later ones. */
	if (b[0] != SUBTYPE_LACP || b[ACTOR_OFS] != TLV_ACTOR || b[ACTOR_OFS + 1] != INFO_SIZE ||
	    b[PARTNER_OFS] != TLV_PARTNER || b[PARTNER_OFS + 1] != INFO_SIZE)
		return LACP_PDU_BAD;
	info_parse(b + ACTOR_OFS, &pdu->actor);
	info_parse(b + PARTNER_OFS, &pdu->partner);
	return LACP_PDU_LACP;
}

void
lacp_pdu_build(const struct lacp_pdu *pdu, uint8_t bytes[LACP_PDU_SIZE])
{
	memset(bytes, 0, LACP_PDU_SIZE);
	bytes[0] = SUBTYPE_LACP;
	bytes[1] = 1; /* version */
	info_build(bytes + ACTOR_OFS, TLV_ACTOR, &pdu->actor);
	info_build(bytes + PARTNER_OFS, TLV_PARTNER, &pdu->partner);
	bytes[COLLECTOR_OFS] = TLV_COLLECTOR;
	bytes[COLLECTOR_OFS + 1] = COLLECTOR_SIZE;
}

/* --- Life ------------------------------------------------------------------------------------ */

const char *
lacp_status_name(enum lacp_status s)
{
	return s == LACP_NEGOTIATED ? "negotiated" : s == LACP_CONFIGURED ? "configured" : "off";
}

struct lacp *
lacp_new(const char *name)
{
	struct lacp *l = wf_xzalloc(sizeof *l);

	l->name = wf_xstrdup(name);
	wf_list_init(&l->members);
	return l;
}

void
lacp_free(struct lacp *l)
{
	struct lacp_member *m, *next;

	if (!l)
		return;
	wf_list_for_each_safe (m, next, node, &l->members)
		lacp_member_del(m);
	free(l->name);
	free(l);
}

void
lacp_configure(struct lacp *l, const struct lacp_settings *s)
{
	if (memcmp(l->s.sys_id, s->sys_id, 6) || l->s.sys_priority != s->sys_priority ||
	    l->s.fallback_ab != s->fallback_ab)
		l->reselect = true;
	l->s = *s;
}

static void
set_defaulted(struct lacp_member *m)
{
	memset(&m->partner, 0, sizeof m->partner);
	m->rx = RX_DEFAULTED;
	m->lacp->reselect = true;
}

/* Section 6.4.12, state EXPIRED: the partner is asked to hurry, and is not in sync meanwhile. */
static void
set_expired(struct lacp_member *m, int64_t now)
{
	m->rx = RX_EXPIRED;
	m->partner.state |= LACP_TIMEOUT;
	m->partner.state &= (uint8_t)~LACP_SYNC;
	m->rx_due = now + TIMEOUT_PERIODS * FAST_MS;
}

struct lacp_member *
lacp_member_add(struct lacp *l, const char *name)
{
	struct lacp_member *m = wf_xzalloc(sizeof *m);

	m->lacp = l;
	m->name = wf_xstrdup(name);
	wf_list_push_back(&l->members, &m->node);
	l->n_members++;
	set_defaulted(m);
	return m;
}

void
lacp_member_del(struct lacp_member *m)
{
	if (!m)
		return;
	m->lacp->reselect = true;
	m->lacp->n_members--;
	wf_list_remove(&m->node);
	free(m->name);
	free(m);
}

void
lacp_member_configure(struct lacp_member *m, const struct lacp_member_settings *s, int64_t now)
{
	if (m->s.port_id == s->port_id && m->s.port_priority == s->port_priority &&
	    m->s.key == s->key)
		return;
	m->s = *s;
	m->lacp->reselect = true;
	if (m->lacp->s.active || m->lacp->negotiated)
		set_expired(m, now);
}

void *
lacp_member_aux(const struct lacp_member *m)
{
	return m->aux;
}

void
lacp_member_set_aux(struct lacp_member *m, void *aux)
{
	m->aux = aux;
}

/* --- What is said -------------------------------------------------------------------------------- */

static uint16_t
oper_key(const struct lacp *l)
{
	const struct lacp_member *first = wf_container(l->members.next, struct lacp_member, node);

	return first->s.key ? first->s.key : first->s.port_id;
}

static void
actor_of(const struct lacp_member *m, struct lacp_info *a)
{
	const struct lacp *l = m->lacp;

	a->sys_priority = l->s.sys_priority;
	memcpy(a->sys_id, l->s.sys_id, 6);
	a->key = oper_key(l);
	a->port_priority = m->s.port_priority;
	a->port_id = m->s.port_id;
	a->state = (l->s.active ? LACP_ACTIVITY : 0) | (l->s.fast ? LACP_TIMEOUT : 0) |
		   (l->n_members > 1 ? LACP_AGGREGATION : 0) | (m->attached ? LACP_SYNC : 0) |
		   (m->rx == RX_DEFAULTED ? LACP_DEFAULTED : 0) |
		   (m->rx == RX_EXPIRED ? LACP_EXPIRED : 0);
	if (m->attached || !l->negotiated)
		a->state |= LACP_COLLECTING | LACP_DISTRIBUTING;
}

/* Must the partner be told (section 6.4.12, update_NTT)? */
static bool
is_known(const struct lacp_info *a, const struct lacp_info *told)
{
	const uint8_t watched = LACP_ACTIVITY | LACP_TIMEOUT | LACP_SYNC | LACP_AGGREGATION;

	return !((a->state ^ told->state) & watched) && a->port_id == told->port_id &&
	       a->port_priority == told->port_priority && a->key == told->key &&
	       a->sys_priority == told->sys_priority && !memcmp(a->sys_id, told->sys_id, 6);
}

static bool
may_send(const struct lacp_member *m)
{
	return m->carrier && (m->lacp->s.active || m->rx != RX_DEFAULTED);
}

/* --- Selection -------------------------------------------------------------------------------------- */

bool
lacp_member_may_enable(const struct lacp_member *m)
{
	return m->attached && (m->partner.state & LACP_SYNC ||
			       (m->lacp->s.fallback_ab && m->rx == RX_DEFAULTED));
}

bool
lacp_member_is_current(const struct lacp_member *m)
{
	return m->rx != RX_DEFAULTED;
}

/* Less than 0: 'a' goes first.  The system with the better identifier decides by its own ports
 * (section 6.7.1). */
static int
compare(const struct lacp_member *a, const struct lacp_member *b)
{
	const struct lacp_member *m[2] = { a, b };
	uint8_t rank[2][12];

	for (int k = 0; k < 2; k++) {
		const struct lacp *l = m[k]->lacp;
		struct lacp_info i;
		uint8_t us[8], them[8];

		wire_put16(us, l->s.sys_priority);
		memcpy(us + 2, l->s.sys_id, 6);
		wire_put16(them, m[k]->partner.sys_priority);
		memcpy(them + 2, m[k]->partner.sys_id, 6);
		if (memcmp(us, them, 8) < 0)
			actor_of(m[k], &i);
		else
			i = m[k]->partner;
		wire_put16(rank[k], i.sys_priority);
		memcpy(rank[k] + 2, i.sys_id, 6);
		wire_put16(rank[k] + 8, i.port_priority);
		wire_put16(rank[k] + 10, i.port_id);
	}
	return memcmp(rank[0], rank[1], sizeof rank[0]);
}

static bool
is_partner(const struct lacp_member *a, const struct lacp_member *b)
{
	return !memcmp(a->partner.sys_id, b->partner.sys_id, 6);
}

/* One aggregate at a time: the lead's partner and key say who belongs to it.  A partner with which
 * members work already is not left for a better one. */
static void
reselect(struct lacp *l)
{
	struct lacp_member *m, *working = NULL, *lead;

	l->reselect = false;
	wf_list_for_each (m, node, &l->members)
		if (m->rx == RX_CURRENT && m->attached && (!working || compare(m, working) < 0))
			working = m;
	lead = working;
	wf_list_for_each (m, node, &l->members) {
		m->attached = false;
		if (!memcmp(m->partner.sys_id, l->s.sys_id, 6)) {
			wf_warn_rl("member %s: Loopback detected. Interface is connected to its own "
				   "bond", m->name);
			continue;
		}
		if (m->rx == RX_DEFAULTED) {
			m->attached = l->s.fallback_ab;
			continue;
		}
		m->attached = !working || is_partner(m, working);
		/* One that nobody has answered yet is no match for one with a partner. */
		if (!working && (!lead || (m->rx == RX_CURRENT && lead->rx != RX_CURRENT) ||
				 (m->rx == lead->rx && compare(m, lead) < 0)))
			lead = m;
	}
	l->negotiated = lead != NULL;
	if (!lead)
		return;
	wf_list_for_each (m, node, &l->members)
		if ((l->s.fallback_ab && m->rx == RX_DEFAULTED) ||
		    m->partner.key != lead->partner.key || !is_partner(m, lead))
			m->attached = false;
}

/* --- Events --------------------------------------------------------------------------------------------- */

void
lacp_member_carrier_changed(struct lacp_member *m, bool up, int64_t now)
{
	if (m->rx == RX_CURRENT || m->lacp->s.active)
		set_expired(m, now);
	if (m->carrier != up) {
		m->carrier = up;
		m->n_carrier++;
	}
}

void
lacp_member_carrier_is_up(struct lacp_member *m)
{
	m->carrier = true;
}

static bool
info_equal(const struct lacp_info *a, const struct lacp_info *b)
{
	return a->sys_priority == b->sys_priority && a->key == b->key &&
	       a->port_priority == b->port_priority && a->port_id == b->port_id &&
	       a->state == b->state && !memcmp(a->sys_id, b->sys_id, 6);
}

void
lacp_member_receive(struct lacp_member *m, const void *bytes, size_t size, int64_t now)
{
	struct lacp *l = m->lacp;
	struct lacp_pdu pdu;

	m->n_rx++;
	switch (lacp_pdu_parse(bytes, size, &pdu)) {
	case LACP_PDU_LACP:
		break;
	case LACP_PDU_MARKER:
		m->n_rx_marker++;
		wf_dbg("%s: received a LACP marker PDU.", l->name);
		return;
	default:
		m->n_rx_bad++;
		wf_warn_rl("%s: received an unparsable LACP PDU.", l->name);
		return;
	}
	/* Some devices report the link late; their partner would be believed too early. */
	if (!m->carrier) {
		wf_info_rl("%s: carrier state is DOWN, dropping received LACP PDU.", m->name);
		return;
	}
	m->rx = RX_CURRENT;
	m->rx_due = now + TIMEOUT_PERIODS * (l->s.fast ? FAST_MS : SLOW_MS);
	m->told = pdu.partner;
	if (!info_equal(&m->partner, &pdu.actor)) {
		m->partner = pdu.actor;
		l->reselect = true;
	}
}

bool
lacp_run(struct lacp *l, int64_t now, lacp_send_fn *send, void *aux)
{
	struct lacp_member *m;
	bool changed = false;

	wf_list_for_each (m, node, &l->members) {
		if (now < m->rx_due || m->rx == RX_DEFAULTED)
			continue;
		changed = true;
		if (m->rx == RX_CURRENT) {
			set_expired(m, now);
			m->n_expired++;
		} else {
			set_defaulted(m);
			m->n_defaulted++;
		}
	}
	if (l->reselect) {
		reselect(l);
		changed = true;
	}
	wf_list_for_each (m, node, &l->members) {
		uint8_t bytes[LACP_PDU_SIZE];
		struct lacp_pdu pdu;

		if (!may_send(m))
			continue;
		actor_of(m, &pdu.actor);
		if (now < m->tx_due && is_known(&pdu.actor, &m->told))
			continue;
		pdu.partner = m->partner;
		m->told = pdu.actor;
		m->tx_due = now + (m->partner.state & LACP_TIMEOUT ? FAST_MS : SLOW_MS);
		m->n_tx++;
		lacp_pdu_build(&pdu, bytes);
		send(m, bytes, aux);
	}
	return changed;
}

int64_t
lacp_due(const struct lacp *l)
{
	const struct lacp_member *m;
	int64_t due = l->reselect ? 0 : INT64_MAX;

	wf_list_for_each (m, node, &l->members) {
		struct lacp_info a;

		if (m->rx != RX_DEFAULTED && m->rx_due < due)
			due = m->rx_due;
		if (!may_send(m))
			continue;
		if (m->tx_due < due)
			due = m->tx_due;
		actor_of(m, &a);
		if (!is_known(&a, &m->told))
			due = 0;
	}
	return due;
}

enum lacp_status
lacp_status(const struct lacp *l)
{
	return !l ? LACP_OFF : l->negotiated ? LACP_NEGOTIATED : LACP_CONFIGURED;
}

/* --- Text --------------------------------------------------------------------------------------------------- */

static int
by_name(const void *a_, const void *b_)
{
	const struct lacp_member *const *a = a_, *const *b = b_;

	return strcmp((*a)->name, (*b)->name);
}

static struct lacp_member **
sorted(const struct lacp *l)
{
	struct lacp_member **all = wf_xmalloc((l->n_members + 1) * sizeof *all), *m;
	unsigned n = 0;

	wf_list_for_each (m, node, &l->members)
		all[n++] = m;
	qsort(all, n, sizeof *all, by_name);
	return all;
}

static void
show_info(struct wf_str *s, const char *who, const struct lacp_info *i)
{
	static const char *const names[] = { "activity", "timeout", "aggregation", "synchronized",
					     "collecting", "distributing", "defaulted", "expired" };

	wf_str_fmt(s, "\n  %s sys_id: %02x:%02x:%02x:%02x:%02x:%02x\n", who, i->sys_id[0], i->sys_id[1],
		   i->sys_id[2], i->sys_id[3], i->sys_id[4], i->sys_id[5]);
	wf_str_fmt(s, "  %s sys_priority: %u\n", who, i->sys_priority);
	wf_str_fmt(s, "  %s port_id: %u\n", who, i->port_id);
	wf_str_fmt(s, "  %s port_priority: %u\n", who, i->port_priority);
	wf_str_fmt(s, "  %s key: %u\n", who, i->key);
	wf_str_fmt(s, "  %s state:", who);
	for (unsigned k = 0; k < 8; k++)
		if (i->state & 1u << k)
			wf_str_fmt(s, " %s", names[k]);
	wf_str_putc(s, '\n');
}

void
lacp_show(const struct lacp *l, struct wf_str *s)
{
	static const char *const rx_names[] = { "current", "expired", "defaulted" };
	struct lacp_member **all = sorted(l);

	wf_str_fmt(s, "---- %s ----\n  status: %s%s\n", l->name, l->s.active ? "active" : "passive",
		   l->negotiated ? " negotiated" : "");
	wf_str_fmt(s, "  sys_id: %02x:%02x:%02x:%02x:%02x:%02x\n  sys_priority: %u\n", l->s.sys_id[0],
		   l->s.sys_id[1], l->s.sys_id[2], l->s.sys_id[3], l->s.sys_id[4], l->s.sys_id[5],
		   l->s.sys_priority);
	if (l->n_members)
		wf_str_fmt(s, "  aggregation key: %u\n", oper_key(l));
	else
		wf_str_put(s, "  aggregation key: none\n");
	wf_str_fmt(s, "  lacp_time: %s\n", l->s.fast ? "fast" : "slow");
	for (unsigned k = 0; k < l->n_members; k++) {
		const struct lacp_member *m = all[k];
		struct lacp_info actor;

		actor_of(m, &actor);
		wf_str_fmt(s, "\nmember: %s: %s %s\n", m->name, rx_names[m->rx],
			   m->attached ? "attached" : "detached");
		wf_str_fmt(s, "  port_id: %u\n  port_priority: %u\n  may_enable: %s\n", m->s.port_id,
			   m->s.port_priority, lacp_member_may_enable(m) ? "true" : "false");
		show_info(s, "actor", &actor);
		show_info(s, "partner", &m->partner);
	}
	free(all);
}

void
lacp_show_stats(const struct lacp *l, struct wf_str *s)
{
	struct lacp_member **all = sorted(l);

	wf_str_fmt(s, "---- %s statistics ----\n", l->name);
	for (unsigned k = 0; k < l->n_members; k++) {
		const struct lacp_member *m = all[k];

		wf_str_fmt(s, "\nmember: %s:\n  TX PDUs: %u\n  RX PDUs: %u\n  RX Bad PDUs: %u\n", m->name,
			   m->n_tx, m->n_rx, m->n_rx_bad);
		wf_str_fmt(s, "  RX Marker Request PDUs: %u\n  Link Expired: %u\n", m->n_rx_marker,
			   m->n_expired);
		wf_str_fmt(s, "  Link Defaulted: %u\n  Carrier Status Changed: %u\n", m->n_defaulted,
			   m->n_carrier);
	}
	free(all);
}
