// SPDX-License-Identifier: Apache-2.0
/* A plan as text: an interpreter of the ops on a key.  Two keys are kept: the packet as the ops
 * left it, and the packet as the text so far leaves it; an output prints the difference. */
#include "dataplane/plan_text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/plan_text_set.h"
#include "dataplane/ports/port.h"
#include "dataplane/translate.h"
#include "dataplane/tunnel.h"

static void ops_text(struct plan_printer *, const void *ops, size_t size);

static void
port_text(struct plan_printer *p, uint32_t slot)
{
	const struct view *v = p->view;

	plan_text_comma(p);
	if (p->names && v && slot < v->n_slots && v->slots[slot].port)
		wf_str_put(p->out, v->slots[slot].port->name);
	else
		wf_str_fmt(p->out, "%" PRIu32, slot);
}

static void
controller_text(struct plan_printer *p, const struct op_controller *op)
{
	const struct packet_in_spec *spec = op->spec;

	plan_text_commit(p);
	plan_text_comma(p);
	wf_str_fmt(p->out,
		   "userspace(pid=0,controller(reason=%d,dont_send=%d,continuation=%d,recirc_id=%u,"
		   "rule_cookie=%#" PRIx64 ",controller_id=%d,max_len=%d))",
		   spec->reason, p->dont_send, spec->pause, ++p->n_continuations, spec->cookie,
		   spec->controller_id, spec->max_len);
}

static void
clone_text(struct plan_printer *p, const struct plan_op *op)
{
	const uint8_t *nested = (const uint8_t *)op + sizeof(struct op_clone);
	size_t size = op->size - sizeof(struct op_clone);
	struct plan_state saved;

	if (op->u8) {
		plan_text_commit(p);
		saved = p->st;
		plan_text_comma(p);
		wf_str_put(p->out, "clone(");
		p->first = true;
		ops_text(p, nested, size);
		wf_str_putc(p->out, ')');
		p->first = false;
		p->st = saved;
	} else {
		/* Changes are taken back by setting the fields again, where something follows. */
		struct plan_state before = p->st;

		ops_text(p, nested, size);
		before.base = p->st.base;
		before.touched = p->st.touched;
		before.pushed_eth = p->st.pushed_eth;
		before.added_mpls = p->st.added_mpls;
		p->st = before;
	}
}

static void
select_text(struct plan_printer *p, const struct plan_op *op)
{
	struct plan_state saved;
	bool first = true;

	plan_text_commit(p);
	saved = p->st;
	plan_text_comma(p);
	wf_str_fmt(p->out, "%s(", op->type == OP_SELECT ? "select" : "failover");
	for (const struct op_bucket *b = op_select_first_bucket(op);
	     (const uint8_t *)b < (const uint8_t *)op + op->size; b = op_bucket_next(b)) {
		wf_str_fmt(p->out, "%sbucket_id=%" PRIu32 ":", first ? "" : ";", b->bucket->bucket_id);
		first = false;
		p->first = true;
		ops_text(p, b + 1, b->size - sizeof *b);
		p->st = saved;
	}
	wf_str_putc(p->out, ')');
	p->first = false;
}

#define CLONE "clone("

/* The outer packet is another one: its changes are told apart from ours. */
static void
tunnel_push_text(struct plan_printer *p, const struct op_tunnel_push *op)
{
	const struct plan_op *nested = op_tunnel_push_nested(op);
	size_t size = op->op.size - op->op.u16;
	struct wf_str *out = p->out, text = WF_STR_INIT;
	struct plan_state saved;

	plan_text_commit(p);
	saved = p->st;
	p->out = &text;
	p->first = true;
	plan_text_outer_key(op, &p->st.key);
	p->st.key.pkt_mark = saved.key.pkt_mark;
	p->st.base = p->st.key;
	memset(&p->st.touched, 0, sizeof p->st.touched);
	ops_text(p, nested, size);
	p->out = out;
	p->st = saved;
	if (!p->first) {
		/* What the outer packet goes through is told by itself, not where nothing comes of it. */
		p->first = out->len == p->start;
		size_t clone = 0;
		if (op->op.u8 & TUNNEL_GOES_ON) {
			plan_text_comma(p);
			clone = out->len;
			wf_str_put(out, CLONE);
			p->first = true;
		}
		plan_text_tunnel_push(p, op);
		wf_str_putc(out, ',');
		wf_str_put(out, wf_str_cstr(&text));
		if (op->op.u8 & TUNNEL_GOES_ON) {
			wf_str_putc(out, ')');
			if (out == p->whole) {
				p->clone = clone;
				p->clone_end = out->len;
			}
		}
	} else {
		p->first = out->len == p->start;
	}
	wf_str_done(&text);
}

static void
op_text(struct plan_printer *p, const struct plan_op *op)
{
	switch ((enum plan_op_type)op->type) {
	case OP_OUTPUT:
		plan_text_commit(p);
		port_text(p, op->u32);
		break;
	case OP_NORMAL:
		plan_text_commit(p);
		plan_text_comma(p);
		wf_str_put(p->out, "normal");
		break;
	case OP_CONTROLLER:
		controller_text(p, (const struct op_controller *)op);
		break;
	case OP_METER:
		plan_text_comma(p);
		wf_str_fmt(p->out, "meter(%" PRIu32 ")", ((const struct op_meter *)op)->meter->id - 1);
		break;
	case OP_CLONE:
		clone_text(p, op);
		break;
	case OP_SELECT:
	case OP_FAILOVER:
		select_text(p, op);
		break;
	case OP_RECIRC:
		plan_text_commit(p);
		plan_text_comma(p);
		wf_str_fmt(p->out, "recirc(0x%" PRIx64 ")",
			   ((const struct op_recirc *)op)->frozen->id);
		break;
	case OP_TRUNC:
		plan_text_commit(p);
		plan_text_comma(p);
		wf_str_fmt(p->out, "trunc(%" PRIu32 ")", op->u32);
		break;
	case OP_HASH:
		plan_text_commit(p);
		plan_text_comma(p);
		wf_str_fmt(p->out, "hash(l4(%" PRIu32 "))", op->u32);
		break;
	case OP_SET_TUNNEL:
		plan_text_set_tunnel(p, (const struct op_set_tunnel *)op);
		break;
	case OP_TUNNEL_SEND:
		plan_text_commit(p);
		plan_text_comma(p);
		wf_str_fmt(p->out, "%" PRIu32, ((const struct op_tunnel_push *)op)->number);
		break;
	case OP_TUNNEL_PUSH:
		tunnel_push_text(p, (const struct op_tunnel_push *)op);
		break;
	case OP_TUNNEL_POP:
		plan_text_commit(p);
		plan_text_comma(p);
		wf_str_fmt(p->out, "tnl_pop(%" PRIu32 ")", op->u32);
		break;
	case OP_TUNNEL_WANT:
	case OP_PROTOCOL: /* says nothing of other packets */
		break;
	case OP_SLOW:
		plan_text_comma(p);
		wf_str_put(p->out, "userspace(pid=0,slow_path(action))");
		break;
	default:
		plan_text_apply(p, op);
		break;
	}
}

static void
ops_text(struct plan_printer *p, const void *ops, size_t size)
{
	plan_op_for_each(op, ops, size)
	{
		op_text(p, op);
	}
}

static void
print(const struct plan *plan, const struct of_key *key, const struct of_key *wc,
      const struct view *view, bool names, bool dont_send, struct wf_str *out)
{
	struct plan_printer *p = wf_xzalloc(sizeof *p);

	p->st.key = p->st.base = *key;
	if (wc)
		p->st.touched = *wc;
	p->view = view;
	p->names = names;
	p->dont_send = dont_send;
	p->out = p->whole = out;
	p->start = out->len;
	p->first = true;
	ops_text(p, plan->ops, plan->ops_size);
	/* Behind the last one nothing follows after all. */
	if (p->clone_end && p->clone_end == out->len) {
		memmove(out->s + p->clone, out->s + p->clone + strlen(CLONE),
			out->len - p->clone - strlen(CLONE) - 1);
		out->len -= strlen(CLONE) + 1;
		out->s[out->len] = '\0';
	}
	if (p->first)
		wf_str_put(out, "drop");
	free(p);
}

void
plan_text(const struct plan *plan, const struct of_key *key, const struct of_key *wc,
	  const struct view *view, bool names, struct wf_str *out)
{
	print(plan, key, wc, view, names, false, out);
}

void
plan_text_dry(const struct plan *plan, const struct of_key *key, const struct of_key *wc,
	      const struct view *view, bool names, struct wf_str *out)
{
	print(plan, key, wc, view, names, true, out);
}

void
flow_text_actions(const struct view *view, uint32_t in_slot, const struct of_key *key, bool names,
		  struct of_key *ret_wc, struct wf_str *out)
{
	struct xlate_in in = { .view = view, .in_slot = in_slot, .key = *key, .resolve = true };
	struct frozen *frozen = key->recirc_id ? frozen_find(key->recirc_id) : NULL;
	const struct bridge_view *bv = NULL;
	struct of_key wc = { 0 };
	struct plan *plan;

	if (in_slot < view->n_slots && view->slots[in_slot].bridge < view->n_bridges)
		bv = view->bridges[view->slots[in_slot].bridge];
	if (ret_wc)
		memset(ret_wc, 0, sizeof *ret_wc);
	if (!bv || (key->recirc_id && !frozen)) {
		wf_str_put(out, "drop");
		frozen_unref(frozen);
		return;
	}
	in.bridge = bv->bridge;
	in.frozen = frozen;
	in.wc = &wc;
	in.learn_done = UINT32_MAX;
	plan = translate(&in);
	if (plan->lacks)
		wf_str_put(out, "userspace(pid=0,slow_path(action))");
	else
		plan_text(plan, key, &wc, view, names, out);
	plan_free(plan);
	frozen_unref(frozen);
	if (ret_wc)
		*ret_wc = wc;
}
