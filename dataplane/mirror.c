// SPDX-License-Identifier: Apache-2.0
/* Mirrors: which copies go where. */
#include <string.h>

#include "base/clock.h"
#include "dataplane/vlan.h"

uint32_t
mirrors_on_input(const struct bridge_view *bv, of_port_t in_port)
{
	const struct xport *p;

	if (!bv->l2 || !bv->l2->has_mirrors)
		return 0;
	p = xport_find(bv->ports, in_port);
	return p && p->bundle ? (uint32_t)p->bundle->src_mirrors : 0;
}

uint32_t
mirrors_on_output(const struct bridge_view *bv, of_port_t out_port)
{
	const struct xport *p;

	if (!bv->l2 || !bv->l2->has_mirrors)
		return 0;
	p = xport_find(bv->ports, out_port);
	return p && p->bundle ? (uint32_t)p->bundle->dst_mirrors : 0;
}

static bool
is_reserved(const uint8_t mac[6])
{
	static const uint8_t prefix[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return !memcmp(mac, prefix, 5) && !(mac[5] & 0xf0);
}

static void
credit(struct counter *c, uint32_t n_bytes)
{
	if (!c || !n_bytes)
		return;
	atomic_fetch_add_explicit(&c->packets, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->bytes, n_bytes, memory_order_relaxed);
	atomic_store_explicit(&c->used_ms, wf_now_ms(), memory_order_relaxed);
}

/* 'at' is the bundle that the packet came in by or goes out to, 'wire' its tags there: VLANs are
 * selected, and the copy is tagged, by what these mean inside the bridge. */
void
mirror_add(const struct view *view, const struct bridge_view *bv, uint32_t set,
	   const struct bundle *at, const struct bundle *in, const struct xvlans *wire,
	   const struct of_key *key, struct normal_result *r)
{
	const struct l2_config *l2 = bv->l2;
	struct xvlans inside;

	set &= ~r->mirrored;
	if (!set || !vlan_is_admitted(at, wire->v[0].vid, NULL))
		return;
	xvlans_received(at, wire, &inside);
	for (unsigned i = 0; i < MAX_MIRRORS && set; i++) {
		const struct mirror *m = &l2->mirrors[i];
		unsigned before = r->n;

		if (!(set >> i & 1))
			continue;
		set &= ~(1u << i);
		if (!m->in_use ||
		    (m->vlans && !(m->vlans[inside.v[0].vid / 64] >> (inside.v[0].vid % 64) & 1)))
			continue;
		/* Noted before the output, which may itself be mirrored. */
		r->mirrored |= (uint32_t)m->dup_mirrors | 1u << i;
		if (m->out) {
			normal_add(view, bv, m->out, in, &inside, key, m->snaplen, r);
		} else if (m->out_vlan >= 0 && inside.v[0].vid != m->out_vlan &&
			   !is_reserved(key->dl_dst)) {
			struct xvlans rspan = inside;

			rspan.v[0].vid = (uint16_t)m->out_vlan;
			if (!rspan.v[0].tpid)
				rspan.v[0].tpid = 0x8100;
			for (uint32_t b = 0; b < l2->n_bundles; b++)
				if (bundle_carries(l2->bundles[b], &rspan) &&
				    !l2->bundles[b]->mirror_out)
					normal_add(view, bv, l2->bundles[b], in, &rspan, key,
						   m->snaplen, r);
		}
		for (unsigned o = before; o < r->n; o++)
			r->out[o].is_mirror = true;
		credit(m->counter, r->n_bytes);
		set &= ~r->mirrored;
	}
}

void
mirror_outputs(const struct view *view, const struct bridge_view *bv, uint32_t set, of_port_t port,
	       const struct of_key *key, uint32_t n_bytes, struct normal_result *r)
{
	const struct xport *at = xport_find(bv->ports, port);
	const struct xport *in = xport_find(bv->ports, key->in_port);
	struct xvlans wire;

	r->n = 0;
	r->drop = DROP_NONE;
	r->for_text = false;
	r->n_bytes = n_bytes;
	if (!at || !at->bundle)
		return;
	xvlans_of_key(key, &wire);
	mirror_add(view, bv, set, at->bundle, in ? in->bundle : NULL, &wire, key, r);
}
