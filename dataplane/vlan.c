// SPDX-License-Identifier: Apache-2.0
/* VLAN modes of ports (vswitch.conf.db(5), Port table). */
#include "dataplane/vlan.h"

#include <string.h>

static bool
bit(const uint64_t *set, unsigned i)
{
	return set[i / 64] >> (i % 64) & 1;
}

/* A port with a native VLAN always carries it, and never VLAN 0. */
static bool
trunks(const struct bundle *b, unsigned vid)
{
	switch (b->mode) {
	case VLAN_ACCESS:
		return false;
	case VLAN_NATIVE_TAGGED:
	case VLAN_NATIVE_UNTAGGED:
		return (int)vid == b->vlan || (vid && (!b->trunks || bit(b->trunks, vid)));
	default:
		return !b->trunks || bit(b->trunks, vid);
	}
}

void
xvlans_of_key(const struct of_key *key, struct xvlans *x)
{
	memset(x, 0, sizeof *x);
	for (unsigned i = 0; i < OF_MAX_VLANS; i++) {
		uint16_t tci = ntohs(key->vlans[i].tci);

		if (!(tci & OF_VLAN_CFI))
			break;
		x->v[i].tpid = ntohs(key->vlans[i].tpid);
		x->v[i].vid = tci & OF_VLAN_VID_MASK;
		x->v[i].pcp = tci >> OF_VLAN_PCP_SHIFT;
	}
}

bool
vlan_is_admitted(const struct bundle *b, uint16_t vid, struct wf_str *text)
{
	switch (b->mode) {
	case VLAN_ACCESS:
		if (!vid)
			return true;
		if (text)
			wf_str_fmt(text, "!dropping VLAN %u tagged packet received on port %s "
				   "configured as VLAN %d access port\n", vid, b->name, b->vlan);
		return false;
	case VLAN_NATIVE_TAGGED:
	case VLAN_NATIVE_UNTAGGED:
		if (!vid)
			return true; /* its native VLAN is always carried */
		/* fall through */
	case VLAN_TRUNK:
		if (trunks(b, vid))
			return true;
		if (text)
			wf_str_fmt(text, "!dropping VLAN %u packet received on port %s not "
				   "configured for trunking VLAN %u\n", vid, b->name, vid);
		return false;
	case VLAN_DOT1Q_TUNNEL:
		if (!b->cvlans || bit(b->cvlans, vid))
			return true;
		if (text)
			wf_str_fmt(text, "!dropping VLAN %u packet received on dot1q-tunnel port "
				   "%s that excludes this VLAN\n", vid, b->name);
		return false;
	}
	return false;
}

static void
pop(struct xvlans *x)
{
	memmove(&x->v[0], &x->v[1], sizeof x->v - sizeof x->v[0]);
	memset(&x->v[OF_MAX_VLANS], 0, sizeof x->v[0]);
}

static void
push(struct xvlans *x)
{
	memmove(&x->v[1], &x->v[0], sizeof x->v - sizeof x->v[0]);
	memset(&x->v[0], 0, sizeof x->v[0]);
}

void
xvlans_received(const struct bundle *in, const struct xvlans *wire, struct xvlans *inside)
{
	*inside = *wire;
	switch (in->mode) {
	case VLAN_ACCESS:
		/* Only a priority tag can be there; it becomes the VLAN's. */
		memset(inside, 0, sizeof *inside);
		inside->v[0] = wire->v[0];
		inside->v[0].vid = (uint16_t)in->vlan;
		break;
	case VLAN_TRUNK:
		return;
	case VLAN_NATIVE_TAGGED:
	case VLAN_NATIVE_UNTAGGED:
		if (wire->v[0].vid)
			return;
		inside->v[0].vid = (uint16_t)in->vlan;
		break;
	case VLAN_DOT1Q_TUNNEL:
		push(inside);
		inside->v[0].tpid = in->qinq_ethtype ? in->qinq_ethtype : 0x88a8;
		inside->v[0].vid = (uint16_t)in->vlan;
		return;
	}
	if (!inside->v[0].tpid)
		inside->v[0].tpid = 0x8100;
}

void
xvlans_to_send(const struct bundle *out, const struct xvlans *inside, uint16_t in_pcp,
	       struct xvlans *wire)
{
	*wire = *inside;
	switch (out->mode) {
	case VLAN_ACCESS:
		memset(wire, 0, sizeof *wire);
		break;
	case VLAN_TRUNK:
	case VLAN_NATIVE_TAGGED:
		break;
	case VLAN_NATIVE_UNTAGGED:
		if (inside->v[0].vid == out->vlan)
			pop(wire);
		break;
	case VLAN_DOT1Q_TUNNEL:
		pop(wire);
		break;
	}
	if (out->use_priority_tags)
		wire->v[0].pcp = in_pcp;
	/* An outermost tag that would say nothing is left out, but for ports that want priority tags
	 * always. */
	for (unsigned i = 0; i <= OF_MAX_VLANS; i++) {
		struct xtag *t = &wire->v[i];

		bool says_something = t->vid || t->pcp || (out->use_priority_tags == 2 && t->tpid);

		if (says_something && !t->tpid)
			t->tpid = 0x8100;
		else if (!says_something && !i)
			t->tpid = 0;
	}
}

bool
bundle_carries(const struct bundle *b, const struct xvlans *inside)
{
	switch (b->mode) {
	case VLAN_ACCESS:
		return inside->v[0].vid == b->vlan && !inside->v[1].vid;
	case VLAN_TRUNK:
	case VLAN_NATIVE_TAGGED:
	case VLAN_NATIVE_UNTAGGED:
		return trunks(b, inside->v[0].vid);
	case VLAN_DOT1Q_TUNNEL:
		return inside->v[0].vid == b->vlan &&
		       (!b->cvlans || bit(b->cvlans, inside->v[1].vid));
	}
	return false;
}

static unsigned
count(const struct xvlans *x)
{
	unsigned n = 0;

	while (n <= OF_MAX_VLANS && x->v[n].tpid)
		n++;
	return n;
}

static bool
same_tags(const struct xtag *a, const struct xtag *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (a[i].tpid != b[i].tpid || a[i].vid != b[i].vid || a[i].pcp != b[i].pcp)
			return false;
	return true;
}

void
xvlans_difference(const struct of_key *key, const struct xvlans *to, struct normal_output *o)
{
	struct xvlans from;
	unsigned have, want;

	xvlans_of_key(key, &from);
	have = count(&from);
	want = count(to);
	o->tagged = false;
	o->n_pop = 0;
	if (want <= have && same_tags(&from.v[have - want], to->v, want)) {
		o->n_pop = (uint8_t)(have - want);
		return;
	}
	/* All port modes keep what is below the outermost tag. */
	o->tagged = true;
	o->n_pop = (uint8_t)(have >= want ? have - (want - 1) : 0);
	o->tpid = to->v[0].tpid;
	o->vid = (int16_t)to->v[0].vid;
	o->pcp = (uint8_t)to->v[0].pcp;
}
