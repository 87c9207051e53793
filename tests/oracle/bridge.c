// SPDX-License-Identifier: Apache-2.0
/* NORMAL with the VLAN modes of ports, mirrors and the MAC table: vswitch.conf.db(5). */
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/oracle.h"

static bool
is_in(bool all, uint64_t set, unsigned vid)
{
	return all || (vid < 64 && set >> vid & 1);
}

/* --- Tags ------------------------------------------------------------------------------------ */

void
oframe_tags(const struct oframe *f, struct otags *t)
{
	struct of_key k = { 0 };

	oframe_parse(f, &k);
	memset(t, 0, sizeof *t);
	while (t->n < OF_MAX_VLANS && k.vlans[t->n].tci) {
		uint16_t tci = ntohs(k.vlans[t->n].tci);

		t->t[t->n].tpid = ntohs(k.vlans[t->n].tpid);
		t->t[t->n].vid = tci & 0xfff;
		t->t[t->n++].pcp = (uint8_t)(tci >> 13);
	}
}

void
oframe_retag(struct oframe *f, const struct otags *t)
{
	struct otags now;

	oframe_tags(f, &now);
	for (unsigned i = 0; i < now.n; i++)
		oframe_pop_vlan(f);
	for (unsigned i = t->n; i-- > 0;)
		oframe_push_vlan(f, t->t[i].tpid, (uint16_t)(t->t[i].vid | t->t[i].pcp << 13));
}

static unsigned
vid_of(const struct otags *t)
{
	return t->n ? t->t[0].vid : 0;
}

static void
push(struct otags *t)
{
	memmove(&t->t[1], &t->t[0], sizeof t->t - sizeof t->t[0]);
	memset(&t->t[0], 0, sizeof t->t[0]);
	t->n++;
}

static void
pop(struct otags *t)
{
	if (!t->n)
		return;
	memmove(&t->t[0], &t->t[1], sizeof t->t - sizeof t->t[0]);
	memset(&t->t[7], 0, sizeof t->t[7]);
	t->n--;
}

/* --- Modes ----------------------------------------------------------------------------------- */

static bool
trunks(const struct oport *p, unsigned vid)
{
	switch (p->mode) {
	case OMODE_ACCESS:
		return false;
	case OMODE_TRUNK:
		return is_in(p->all_trunks, p->trunks, vid);
	case OMODE_NATIVE_TAGGED:
	case OMODE_NATIVE_UNTAGGED:
		/* The native VLAN is always one of them, and untagged packets are its. */
		return (int)vid == p->vlan || (vid && is_in(p->all_trunks, p->trunks, vid));
	case OMODE_DOT1Q:
		break;
	}
	return false;
}

static bool
lets_in(const struct oport *p, unsigned vid)
{
	switch (p->mode) {
	case OMODE_ACCESS:
		return !vid;
	case OMODE_TRUNK:
		return trunks(p, vid);
	case OMODE_NATIVE_TAGGED:
	case OMODE_NATIVE_UNTAGGED:
		return !vid || trunks(p, vid);
	case OMODE_DOT1Q:
		return is_in(p->all_cvlans, p->cvlans, vid);
	}
	return false;
}

/* What the tags on the wire mean inside. */
static void
come_in(const struct oport *p, const struct otags *wire, struct otags *in)
{
	*in = *wire;
	switch (p->mode) {
	case OMODE_TRUNK:
		return;
	case OMODE_ACCESS:
		if (in->n > 1)
			in->n = 1;
		break;
	case OMODE_NATIVE_TAGGED:
	case OMODE_NATIVE_UNTAGGED:
		if (vid_of(wire))
			return;
		break;
	case OMODE_DOT1Q:
		push(in);
		in->t[0].tpid = p->qinq;
		in->t[0].vid = (uint16_t)p->vlan;
		return;
	}
	if (!in->n) {
		in->n = 1;
		in->t[0] = (struct otag){ .tpid = 0x8100 };
	}
	in->t[0].vid = (uint16_t)p->vlan;
	memset(&in->t[in->n], 0, (8 - in->n) * sizeof in->t[0]);
}

static bool
carries(const struct oport *p, const struct otags *in)
{
	switch (p->mode) {
	case OMODE_ACCESS:
		return vid_of(in) == (unsigned)p->vlan && !(in->n > 1 && in->t[1].vid);
	case OMODE_DOT1Q:
		return vid_of(in) == (unsigned)p->vlan &&
		       is_in(p->all_cvlans, p->cvlans, in->n > 1 ? in->t[1].vid : 0);
	default:
		return trunks(p, vid_of(in));
	}
}

static void
go_out(const struct oport *p, const struct otags *in, unsigned pcp, struct otags *wire)
{
	*wire = *in;
	switch (p->mode) {
	case OMODE_ACCESS:
		memset(wire, 0, sizeof *wire);
		break;
	case OMODE_NATIVE_UNTAGGED:
		if (vid_of(in) == (unsigned)p->vlan)
			pop(wire);
		break;
	case OMODE_DOT1Q:
		pop(wire);
		break;
	default:
		break;
	}
	/* Port.other_config:priority-tags. */
	if (p->priority_tags && (wire->n || pcp)) {
		if (!wire->n) {
			wire->n = 1;
			wire->t[0].tpid = 0x8100;
		}
		wire->t[0].pcp = (uint8_t)pcp;
	}
	/* An outermost tag that says nothing is left out, and what is below it. */
	if (wire->n && !wire->t[0].vid && !wire->t[0].pcp && p->priority_tags != 2)
		wire->n = 0;
}

/* --- Copies ----------------------------------------------------------------------------------- */

static void mirror(struct obridge *, uint32_t set, struct oport *at, struct oport *in,
		   const struct otags *wire, const struct of_key *, uint32_t *mirrored,
		   struct ocopies *);

static void
copy_to(struct obridge *br, struct oport *out, struct oport *in, const struct otags *inside,
	const struct of_key *k, unsigned snaplen, uint32_t *mirrored, struct ocopies *c)
{
	struct ocopy *o = &c->c[c->n];

	if (out->no_fwd || out->is_down_by_config || (in && in->is_protected && out->is_protected))
		return;
	if (c->n++ == 128)
		abort();
	o->port = out;
	o->snaplen = snaplen;
	go_out(out, inside, ntohs(k->vlans[0].tci) >> 13, &o->tags);
	mirror(br, out->dst_mirrors, out, in, &o->tags, k, mirrored, c);
}

static bool
is_reserved(const uint8_t mac[6])
{
	return mac[0] == 1 && mac[1] == 0x80 && mac[2] == 0xc2 && !mac[3] && !mac[4] && mac[5] < 16;
}

static void
mirror(struct obridge *br, uint32_t set, struct oport *at, struct oport *in,
       const struct otags *wire, const struct of_key *k, uint32_t *mirrored, struct ocopies *c)
{
	struct otags inside;

	if (!lets_in(at, vid_of(wire)))
		return;
	come_in(at, wire, &inside);
	for (unsigned i = 0; i < OMAX_MIRRORS; i++) {
		struct omirror *m = &br->mirrors[i];

		if (!(set >> i & 1) || *mirrored >> i & 1 || !m->in_use ||
		    !is_in(m->all_vlans, m->vlans, vid_of(&inside)))
			continue;
		*mirrored |= m->same | 1u << i;
		m->n_packets++;
		if (m->out) {
			copy_to(br, m->out, in, &inside, k, m->snaplen, mirrored, c);
		} else if ((int)vid_of(&inside) != m->out_vlan && !is_reserved(k->dl_dst)) {
			struct otags rspan = inside;

			if (!rspan.n) {
				rspan.n = 1;
				rspan.t[0].tpid = 0x8100;
			}
			rspan.t[0].vid = (uint16_t)m->out_vlan;
			for (unsigned p = 0; p < br->n_ports; p++)
				if (carries(&br->ports[p], &rspan) && !br->ports[p].mirror_out)
					copy_to(br, &br->ports[p], in, &rspan, k, m->snaplen, mirrored, c);
		}
	}
}

void
oracle_mirror(struct obridge *br, uint32_t set, struct oport *at, of_port_t in_port,
	      const struct oframe *f, const struct of_key *k, uint32_t *mirrored, struct ocopies *c)
{
	struct otags wire;

	c->n = 0;
	oframe_tags(f, &wire);
	mirror(br, set, at, oracle_port(br, in_port), &wire, k, mirrored, c);
}

/* --- NORMAL ------------------------------------------------------------------------------------ */

static struct omac *
find_mac(struct obridge *br, unsigned vid, const uint8_t mac[6])
{
	for (unsigned i = 0; i < br->n_macs; i++)
		if (br->macs[i].vid == vid && !memcmp(br->macs[i].mac, mac, 6))
			return &br->macs[i];
	return NULL;
}

/* Who moved says so: a request for one's own address (RFC 5227), or a reply to all. */
static bool
is_gratuitous_arp(const struct of_key *k)
{
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };

	return k->dl_type == htons(0x0806) && !memcmp(k->dl_dst, all, 6) &&
	       (k->nw_proto == 2 || (k->nw_proto == 1 && k->nw_src == k->nw_dst));
}

static void
learn_mac(struct obridge *br, unsigned vid, const struct of_key *k, of_port_t port)
{
	const uint8_t *mac = k->dl_src;
	struct omac *m = find_mac(br, vid, mac);

	if (mac[0] & 1)
		return;
	if (!m) {
		if (br->n_macs == sizeof br->macs / sizeof br->macs[0])
			abort();
		m = &br->macs[br->n_macs++];
		m->vid = (uint16_t)vid;
		memcpy(m->mac, mac, 6);
		m->used_ms = oracle_now_ms;
	}
	/* A stamp is renewed when it is half a second old, or asked for. */
	if (m->port != port || is_gratuitous_arp(k) || oracle_now_ms - m->used_ms >= 500)
		m->used_ms = oracle_now_ms;
	m->port = port;
}

void
oracle_normal(struct obridge *br, of_port_t in_port, const struct oframe *f, const struct of_key *k,
	      uint32_t *mirrored, struct ocopies *c)
{
	struct oport *in = oracle_port(br, in_port), *to;
	struct otags wire, inside;
	struct omac *m;

	c->n = 0;
	if (!in || in->mirror_out)
		return;
	oframe_tags(f, &wire);
	if ((k->dl_type == htons(0x8100) && !wire.n) || !lets_in(in, vid_of(&wire)) ||
	    is_reserved(k->dl_dst))
		return;
	come_in(in, &wire, &inside);
	learn_mac(br, vid_of(&inside), k, in_port);
	m = k->dl_dst[0] & 1 ? NULL : find_mac(br, vid_of(&inside), k->dl_dst);
	if (m && m->used_ms + br->mac_aging_ms > oracle_now_ms) {
		to = oracle_port(br, m->port);
		if (to && !to->mirror_out && to != in)
			copy_to(br, to, in, &inside, k, 0, mirrored, c);
		return;
	}
	for (unsigned i = 0; i < br->n_ports; i++) {
		to = &br->ports[i];
		if (to != in && carries(to, &inside) && !to->mirror_out && !to->no_flood)
			copy_to(br, to, in, &inside, k, 0, mirrored, c);
	}
}
