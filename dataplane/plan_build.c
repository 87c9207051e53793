// SPDX-License-Identifier: Apache-2.0
/* Plans as they grow, and their end. */
#include "dataplane/translate_internal.h"
#include "dataplane/tunnel.h"

#include <stdlib.h>
#include <string.h>

void *
pb_put(struct plan_builder *b, enum plan_op_type type, size_t size)
{
	size_t ofs = b->ops.size;
	struct plan_op *op;

	size = (size + 7) & ~(size_t)7;
	op = wf_buf_put_zeros(&b->ops, size);
	op->type = (uint8_t)type;
	op->size = (uint32_t)size;
	b->last = ofs;
	return op;
}

struct plan_op *
pb_last(struct plan_builder *b, enum plan_op_type type)
{
	struct plan_op *op;

	if (b->last == NO_OP)
		return NULL;
	op = pb_at(b, b->last);
	return op->type == type ? op : NULL;
}

void
pb_undo_last(struct plan_builder *b)
{
	b->ops.size = b->last;
	b->last = NO_OP;
}

size_t
pb_open(struct plan_builder *b, enum plan_op_type type, size_t size, size_t *outer_last)
{
	size_t ofs = b->ops.size;

	*outer_last = b->last;
	pb_put(b, type, size);
	b->last = NO_OP;
	return ofs;
}

/* Does the op do anything but change the packet for those that follow? */
static bool
op_has_effect(const struct plan_op *op)
{
	switch (op->type) {
	case OP_OUTPUT:
	case OP_NORMAL:
	case OP_CONTROLLER:
	case OP_SLOW:
	case OP_LEARN:
	case OP_METER:
	case OP_COUNT:
	case OP_DROP:
	case OP_MIRROR:
	case OP_PROTOCOL:
	case OP_CLONE:
	case OP_SELECT:
	case OP_FAILOVER:
	case OP_RECIRC:
	case OP_TUNNEL_SEND:
	case OP_TUNNEL_PUSH:
	case OP_TUNNEL_POP:
	case OP_TUNNEL_WANT:
		return true;
	default:
		return false;
	}
}

/* Would the packet be the same after these ops?  TRUNC counts until an output took it. */
static bool
ops_keep_packet(const void *ops, size_t size)
{
	bool truncated = false;

	plan_op_for_each(op, ops, size)
	{
		switch (op->type) {
		case OP_OUTPUT:
		case OP_CONTROLLER:
			truncated = false;
			break;
		case OP_NORMAL:
		case OP_COUNT:
		case OP_DROP:
		case OP_MIRROR:
		case OP_CLONE:
		case OP_SELECT:
		case OP_FAILOVER:
		case OP_TUNNEL_SEND:
		case OP_TUNNEL_PUSH:
		case OP_TUNNEL_WANT:
			break;
		case OP_RECIRC:
			if (!op->u8)
				return false;
			break;
		case OP_TRUNC:
			truncated = true;
			break;
		default:
			return false;
		}
	}
	return !truncated;
}

void
pb_trim(struct plan_builder *b, size_t start)
{
	size_t end = start;

	plan_op_for_each(op, b->ops.data + start, b->ops.size - start)
	{
		if (op_has_effect(op))
			end = (size_t)((const uint8_t *)op - b->ops.data) + op->size;
	}
	b->ops.size = end;
}

bool
pb_has_output(const void *ops, size_t size)
{
	plan_op_for_each(op, ops, size)
	{
		const uint8_t *nested;

		switch (op->type) {
		case OP_OUTPUT:
		case OP_NORMAL:
		case OP_CONTROLLER:
		case OP_SLOW:
		case OP_MIRROR:
		case OP_PROTOCOL:
		case OP_RECIRC:
		case OP_TUNNEL_SEND:
			return true;
		case OP_CLONE:
			nested = (const uint8_t *)op + sizeof(struct op_clone);
			if (pb_has_output(nested, op->size - sizeof(struct op_clone)))
				return true;
			break;
		case OP_TUNNEL_PUSH: {
			const struct op_tunnel_push *push = (const struct op_tunnel_push *)op;

			nested = (const uint8_t *)op_tunnel_push_nested(push);
			if (pb_has_output(nested, op->size - op->u16))
				return true;
			break;
		}
		case OP_SELECT:
		case OP_FAILOVER:
			for (const struct op_bucket *bk = op_select_first_bucket(op);
			     (const uint8_t *)bk < (const uint8_t *)op + op->size;
			     bk = op_bucket_next(bk))
				if (pb_has_output(bk + 1, bk->size - sizeof *bk))
					return true;
			break;
		default:
			break;
		}
	}
	return false;
}

bool
pb_close(struct plan_builder *b, size_t ofs, size_t outer_last, bool is_last)
{
	struct plan_op *op = pb_at(b, ofs);
	size_t head = op->size;

	if (op->type == OP_CLONE) {
		pb_trim(b, ofs + head);
		op = pb_at(b, ofs);
		if (b->ops.size == ofs + head) {
			b->ops.size = ofs;
			b->last = outer_last;
			return false;
		}
		if (!op->u8 && (is_last || ops_keep_packet(b->ops.data + ofs + head,
							   b->ops.size - ofs - head))) {
			memmove(b->ops.data + ofs, b->ops.data + ofs + head,
				b->ops.size - ofs - head);
			b->ops.size -= head;
			/* What is last now is not worth searching: nothing merges with it. */
			b->last = NO_OP;
			return true;
		}
	}
	op->size = (uint32_t)(b->ops.size - ofs);
	b->last = ofs;
	return true;
}

void
plan_ops_release(const void *ops, size_t size)
{
	plan_op_for_each(op, ops, size)
	{
		switch (op->type) {
		case OP_CONTROLLER: {
			struct packet_in_spec *spec = ((const struct op_controller *)op)->spec;

			if (spec->frozen)
				frozen_unref(spec->frozen);
			free(spec->tunnel_own);
			free(spec->userdata);
			free(spec);
			break;
		}
		case OP_LEARN:
			learned_flow_unref(((const struct op_learn *)op)->flow);
			break;
		case OP_METER:
			meter_unref(((const struct op_meter *)op)->meter);
			break;
		case OP_RECIRC:
			frozen_unref(((const struct op_recirc *)op)->frozen);
			break;
		case OP_MIRROR:
		case OP_NORMAL: {
			const struct op_normal *n = (const struct op_normal *)op;

			for (uint32_t i = 0; i < n->n_patches; i++)
				frozen_unref(n->patches[i].frozen);
			break;
		}
		case OP_TUNNEL_SEND:
			tunnel_state_unref(((const struct op_tunnel_push *)op)->state);
			break;
		case OP_TUNNEL_PUSH: {
			const struct op_tunnel_push *push = (const struct op_tunnel_push *)op;

			plan_ops_release(op_tunnel_push_nested(push), op->size - op->u16);
			tunnel_state_unref(push->state);
			break;
		}
		case OP_CLONE:
			plan_ops_release((const uint8_t *)op + sizeof(struct op_clone),
					 op->size - sizeof(struct op_clone));
			break;
		case OP_SELECT:
		case OP_FAILOVER:
			for (const struct op_bucket *bk = op_select_first_bucket(op);
			     (const uint8_t *)bk < (const uint8_t *)op + op->size;
			     bk = op_bucket_next(bk))
				plan_ops_release(bk + 1, bk->size - sizeof *bk);
			group_unref(((const struct op_select *)op)->group);
			break;
		default:
			break;
		}
	}
}

void
pb_abort(struct plan_builder *b)
{
	plan_ops_release(b->ops.data, b->ops.size);
	wf_buf_clear(&b->ops);
	b->last = NO_OP;
}

static void *
buf_take(struct wf_buf *b)
{
	void *copy = b->size ? wf_xmemdup(b->data, b->size) : NULL;

	wf_buf_done(b);
	return copy;
}

struct plan *
pb_finish(struct plan_builder *b)
{
	struct plan *p = plan_new();

	p->ops_size = (uint32_t)b->ops.size;
	p->n_steps = (uint32_t)(b->steps.size / sizeof(struct plan_step));
	p->n_credits = (uint32_t)(b->credits.size / sizeof(struct counter *));
	p->n_rules = (uint32_t)(b->rules.size / sizeof(struct rule *));
	p->n_groups = (uint32_t)(b->groups.size / sizeof(struct group *));
	p->n_held = (uint32_t)(b->held.size / sizeof(struct counter *));
	p->ops = buf_take(&b->ops);
	p->steps = buf_take(&b->steps);
	p->credits = buf_take(&b->credits);
	p->rules = buf_take(&b->rules);
	p->groups = buf_take(&b->groups);
	p->held = buf_take(&b->held);
	p->n_bridges = (uint32_t)(b->bridges.size / sizeof(struct bridge *));
	p->bridges = buf_take(&b->bridges);
	return p;
}

struct plan *
plan_derive(struct plan *body, const struct plan_step *steps, uint32_t n_steps,
	    struct rule *const *rules, uint32_t n_rules)
{
	size_t size = sizeof(struct plan) + n_steps * sizeof(*steps) + n_rules * sizeof(*rules);
	struct plan *p = aligned_alloc(64, (size + 63) & ~(size_t)63);

	if (!p)
		abort();
	*p = *body;
	p->steps = (struct plan_step *)(p + 1);
	p->n_steps = n_steps;
	memcpy(p->steps, steps, n_steps * sizeof(*steps));
	p->rules = (struct rule **)(p->steps + n_steps);
	p->n_rules = n_rules;
	for (uint32_t i = 0; i < n_rules; i++) {
		p->rules[i] = rules[i];
		rule_ref(rules[i]);
	}
	p->groups = NULL;
	p->held = NULL;
	p->bridges = NULL;
	p->n_groups = p->n_held = p->n_bridges = 0;
	p->n_flows = 0;
	p->is_shared = false;
	p->body = body;
	atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
	atomic_init(&p->refs, 1);
	return p;
}

void
plan_free(struct plan *p)
{
	if (!p)
		return;
	if (p->body) {
		for (uint32_t i = 0; i < p->n_rules; i++)
			rule_unref(p->rules[i]);
		plan_unref(p->body);
		free(p);
		return;
	}
	plan_ops_release(p->ops, p->ops_size);
	for (uint32_t i = 0; i < p->n_rules; i++)
		rule_unref(p->rules[i]);
	for (uint32_t i = 0; i < p->n_groups; i++)
		group_unref(p->groups[i]);
	for (uint32_t i = 0; i < p->n_held; i++)
		counter_unref(p->held[i]);
	for (uint32_t i = 0; i < p->n_bridges; i++)
		bridge_unref(p->bridges[i]);
	free(p->bridges);
	free(p->held);
	free(p->ops);
	free(p->steps);
	free(p->credits);
	free(p->rules);
	free(p->groups);
	free(p);
}
