/* SPDX-License-Identifier: Apache-2.0 */
/* Which plans are short, and their templates. */
#include "dataplane/plan.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/normal_memo.h"
#include "dataplane/tunnel.h"

struct plan *
plan_new(void)
{
	struct plan *p = aligned_alloc(64, (sizeof(*p) + 63) & ~(size_t)63);

	if (!p)
		abort();
	memset(p, 0, sizeof(*p));
	return p;
}

static void
take_eth(struct plan *p, const struct op_set_eth *op)
{
	const uint8_t *const values[2] = { op->dst, op->src };
	const uint8_t *const masks[2] = { op->dst_mask, op->src_mask };

	for (unsigned i = 0; i < 12; i++) {
		uint8_t mask = masks[i / 6][i % 6], value = values[i / 6][i % 6];

		p->eth_keep[i] &= (uint8_t)~mask;
		p->eth[i] = (uint8_t)((p->eth[i] & ~mask) | (value & mask));
	}
}

/* The tag that the packet has, behind its addresses. */
static void
take_tag(struct plan *p, uint16_t mask, uint16_t tci)
{
	for (unsigned i = 0; i < 2; i++) {
		uint8_t m = (uint8_t)(i ? mask : mask >> 8), v = (uint8_t)(i ? tci : tci >> 8);

		p->eth_keep[14 + i] &= (uint8_t)~m;
		p->eth[14 + i] = (uint8_t)((p->eth[14 + i] & ~m) | (v & m));
	}
}

static bool
tag_is_written(const struct plan *p)
{
	return (p->eth_keep[14] & p->eth_keep[15]) != 0xff;
}

static bool take(struct plan *, const struct plan_op *, unsigned *what);

/* What the underlay's bridge does with the outer packet: it counts, and sends it one way. */
static bool
take_push(struct plan *p, const struct op_tunnel_push *push, unsigned *what)
{
	const struct plan_op *o = op_tunnel_push_nested(push);
	const struct plan_op *end = (const struct plan_op *)((const uint8_t *)push + push->op.size);

	if (push->t.has_seq || push->op.u8 & TUNNEL_PMTUD)
		return false;
	for (; o < end; o = (const struct plan_op *)((const uint8_t *)o + o->size)) {
		if (*what & SHORT_OUTPUT)
			return false;
		if (o->type == OP_COUNT)
			continue;
		if ((o->type != OP_OUTPUT && o->type != OP_NORMAL) || !take(p, o, what))
			return false;
	}
	return *what & SHORT_OUTPUT;
}

/* One operation into the template; false: it does not fit. */
static bool
take(struct plan *p, const struct plan_op *o, unsigned *what)
{
	switch (o->type) {
	case OP_OUTPUT:
		*what |= SHORT_OUTPUT;
		p->out_slot = o->u32;
		p->out_generation = ((const struct op_output *)o)->generation;
		return true;
	case OP_NORMAL: {
		const struct op_normal *normal = (const struct op_normal *)o;

		p->out_slot = normal_memo_who(normal->bridge, normal->in_port);
		if (*what || !p->out_slot)
			return false;
		*what |= SHORT_OUTPUT | SHORT_NORMAL;
		return true;
	}
	case OP_TUNNEL_POP:
		/* For text; the output to LOCAL that follows finds out. */
		return true;
	case OP_TUNNEL_PUSH:
		if (*what || !take_push(p, (const struct op_tunnel_push *)o, what))
			return false;
		*what |= SHORT_TUNNEL;
		return true;
	case OP_SET_ETH:
		*what |= SHORT_ETH;
		take_eth(p, (const struct op_set_eth *)o);
		return true;
	case OP_DEC_TTL:
		/* Behind a tag that came or went the header lies elsewhere; one of two is enough. */
		if (*what & (SHORT_DEC_TTL | SHORT_PUSH_VLAN | SHORT_POP_VLAN))
			return false;
		*what |= SHORT_DEC_TTL;
		return true;
	case OP_PUSH_VLAN:
		/* In front of a tag that is written there would be more than 16 bytes to write. */
		if (o->u8 || *what & (SHORT_PUSH_VLAN | SHORT_POP_VLAN) || tag_is_written(p))
			return false;
		*what |= SHORT_PUSH_VLAN;
		p->vlan_tpid = htons((uint16_t)(o->u32 >> 16));
		p->vlan_tci = htons((uint16_t)o->u32 & (uint16_t)~OF_VLAN_CFI);
		return true;
	case OP_SET_VLAN: {
		/* DEI stays as it was pushed. */
		uint16_t mask = (uint16_t)o->u32 & (uint16_t)~OF_VLAN_CFI, tci = ntohs(p->vlan_tci);

		if (*what & SHORT_POP_VLAN)
			return false;
		if (*what & SHORT_PUSH_VLAN)
			p->vlan_tci = htons((uint16_t)((tci & ~mask) | (o->u32 >> 16 & mask)));
		else
			take_tag(p, mask, (uint16_t)(o->u32 >> 16));
		*what |= SHORT_ETH;
		return true;
	}
	case OP_POP_VLAN:
		if (*what & (SHORT_PUSH_VLAN | SHORT_POP_VLAN) || tag_is_written(p))
			return false;
		*what |= SHORT_POP_VLAN;
		return true;
	default:
		return false;
	}
}

void
plan_shorten(struct plan *p)
{
	unsigned what = 0;

	p->shortcut = 0;
	memset(p->eth_keep, 0xff, sizeof(p->eth_keep));
	memset(p->eth, 0, sizeof(p->eth));
	if (p->mpls_ttl_min || !p->cacheable)
		return;
	if (!p->ops_size && !p->has_output && p->drop_reason)
		what = SHORT_DROP;
	plan_op_for_each(o, p->ops, p->ops_size)
	{
		/* The output comes last, and is the only one. */
		if (what & SHORT_OUTPUT || !take(p, o, &what))
			return;
	}
	if (what & (SHORT_OUTPUT | SHORT_DROP))
		p->shortcut = (uint8_t)what;
}
