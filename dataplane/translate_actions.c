// SPDX-License-Identifier: Apache-2.0
/* One action after another: the dispatch, and the actions that need no file of their own. */
#include "dataplane/translate_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

void
xlate_mark_read(struct xctx *ctx, const struct of_field *f)
{
	if (ctx->wc)
		of_field_mark(f, ctx->wc);
}

void
xlate_subfield_report(struct xctx *ctx, const struct of_subfield *sf)
{
	const struct of_field *f = of_field(sf->field);
	struct wf_str s = WF_STR_INIT;
	union of_value v;

	if (!ctx->in->trace)
		return;
	memset(&v, 0, sizeof v);
	of_subfield_format(sf, &s);
	wf_str_put(&s, " is now ");
	if (!sf->ofs && sf->n_bits >= f->n_bits) {
		of_field_get(f, &ctx->key, &v);
		of_field_format_value(f, &v, NULL, &s);
	} else {
		unsigned i = 0;

		of_subfield_get(sf, &ctx->key, &v);
		while (i < sizeof v - 1 && !v.b[i])
			i++;
		wf_str_fmt(&s, "0x%x", v.b[i]);
		for (i++; i < sizeof v; i++)
			wf_str_fmt(&s, "%02x", v.b[i]);
	}
	trace_put(ctx->in->trace, TRACE_DETAIL, "%s", wf_str_cstr(&s));
	wf_str_done(&s);
}

/* --- Moves and the stack ---------------------------------------------------------------- */

static void
do_move(struct xctx *ctx, const struct of_act_move *a)
{
	const struct of_field *src = of_field(a->src.field), *dst = of_field(a->dst.field);
	union of_value v;

	/* Missing headers are neither read nor written. */
	if (of_field_present(src, &ctx->key) && of_field_present(dst, &ctx->key)) {
		xlate_mark_read(ctx, src);
		of_subfield_get(&a->src, &ctx->key, &v);
		xlate_write_subfield(ctx, &a->dst, &v);
	}
	xlate_subfield_report(ctx, &a->dst);
}

/* A stack entry is its bytes, the least number of them, then their number in one byte. */
static void
do_stack_push(struct xctx *ctx, const struct of_act_stack *a)
{
	size_t n = (a->sf.n_bits + 7u) / 8;
	union of_value v;

	xlate_mark_read(ctx, of_field(a->sf.field));
	of_subfield_get(&a->sf, &ctx->key, &v);
	if (ctx->stack_size + n + 1 > ctx->stack_room) {
		ctx->stack_room = (ctx->stack_size + n + 1) * 2;
		ctx->stack = wf_xrealloc(ctx->stack, ctx->stack_room);
	}
	memcpy(ctx->stack + ctx->stack_size, v.b + sizeof v - n, n);
	ctx->stack_size += n;
	ctx->stack[ctx->stack_size++] = (uint8_t)n;
}

static void
do_stack_pop(struct xctx *ctx, const struct of_act_stack *a)
{
	union of_value v;
	size_t n;

	if (!ctx->stack_size) {
		xlate_report_error(ctx, "stack underflow");
		return;
	}
	n = ctx->stack[--ctx->stack_size];
	memset(&v, 0, sizeof v);
	memcpy(v.b + sizeof v - n, ctx->stack + ctx->stack_size - n, n);
	ctx->stack_size -= n;
	if (of_field_present(of_field(a->sf.field), &ctx->key))
		xlate_write_subfield(ctx, &a->sf, &v);
	xlate_subfield_report(ctx, &a->sf);
}

static void
do_set_field(struct xctx *ctx, const struct of_act_set_field *a)
{
	const struct of_field *f = of_field(a->field);
	union of_value value, mask;

	if (!of_field_present(f, &ctx->key)) {
		trace_put(ctx->in->trace, TRACE_WARN,
			  "unmet prerequisites for %s, set_field ignored", f->name);
		return;
	}
	memset(&value, 0, sizeof value);
	memset(&mask, 0, sizeof mask);
	memcpy(value.b, a->value_mask, a->n_bytes);
	memcpy(mask.b, a->value_mask + a->n_bytes, a->n_bytes);
	xlate_mark_l3_set(ctx, f->id);
	xlate_write_field(ctx, f, &value, &mask);
}

/* --- Meters, not built, decapsulation -------------------------------------------------- */

static void
do_meter(struct xctx *ctx, uint32_t id)
{
	struct meter *m = meter_find(ctx->bv, id);
	struct op_meter *op;

	if (!m)
		return; /* as OVS: a meter that went away lets everything pass */
	/* The remark band rewrites the DSCP as it is in the packet. */
	xlate_commit(ctx);
	op = pb_put(&ctx->b, OP_METER, sizeof *op);
	op->meter = m;
	meter_ref(m);
	for (uint32_t i = 0; i < m->n_bands; i++)
		if (m->bands[i].type == 2 && xlate_is_ip(&ctx->key)) {
			xlate_unrecord(ctx, WALK_NEVER);
			if (ctx->known.nw_tos & 0xfc)
				ctx->reparse = true;
		}
}

static void
not_built(struct xctx *ctx, const char *action, const char *what, enum drop_reason reason)
{
	trace_put(ctx->in->trace, TRACE_WARN, "%s: %s not built yet, dropping", action, what);
	ctx->drop = reason;
	ctx->exit = true;
}

/* Cookie and table that packet-ins of the actions that follow are to name. */
static void
do_unroll(struct xctx *ctx, const struct of_action *a)
{
	uint64_t cookie;

	memcpy(&cookie, a + 1, sizeof cookie);
	ctx->table_id = (uint8_t)a->u32;
	ctx->rule_cookie = cookie;
	trace_put(ctx->in->trace, TRACE_THAW, "restored state: table=%d, cookie=0x%" PRIx64,
		  ctx->table_id, cookie);
}

/* --- Resubmit and goto ------------------------------------------------------------------ */

static void
do_resubmit(struct xctx *ctx, const struct of_act_resubmit *a, bool is_last)
{
	bool internal = ctx->rule && ctx->rule->table_id == TABLE_INTERNAL;
	of_port_t in_port = a->a.u32 == OF_PORT_IN_PORT ? ctx->key.in_port : a->a.u32;
	uint8_t table = a->table == 255 ? ctx->table_id : a->table;

	xlate_table(ctx, in_port, table, internal, internal, is_last, false);
}

/* --- Clones ------------------------------------------------------------------------------ */

/* In text a clone is shown as one only if its effects could not be taken back by setting
 * fields again; so does Open vSwitch. */
static bool
is_reversible(const void *actions, size_t size)
{
	of_action_for_each(a, actions, size)
	{
		switch (a->type) {
		case OF_A_CT:
		case OF_A_METER:
		case OF_A_NAT:
		case OF_A_OUTPUT_TRUNC:
		case OF_A_ENCAP:
		case OF_A_DECAP:
		case OF_A_DEC_NSH_TTL:
			return false;
		default:
			break;
		}
	}
	return true;
}

void
xlate_clone_actions(struct xctx *ctx, const void *actions, size_t size, bool is_last)
{
	struct wf_buf old_set = ctx->action_set;
	bool old_has_group = ctx->action_set_has_group, old_in_bucket = ctx->in_bucket;
	uint8_t *old_stack = ctx->stack;
	size_t old_stack_size = ctx->stack_size, old_stack_room = ctx->stack_room;
	struct xsaved *saved = wf_xmalloc(sizeof *saved);
	struct plan_op *op;
	size_t ofs, outer;

	if (!is_last)
		xlate_commit(ctx);
	xctx_save(ctx, saved);
	ctx->stack = old_stack_size ? wf_xmemdup(old_stack, old_stack_size) : NULL;
	ctx->stack_room = old_stack_size;
	ctx->action_set = (struct wf_buf)WF_BUF_INIT;
	if (old_set.size)
		wf_buf_put(&ctx->action_set, old_set.data, old_set.size);

	ofs = pb_open(&ctx->b, OP_CLONE, sizeof(struct op_clone), &outer);
	op = pb_at(&ctx->b, ofs);
	op->u8 = ctx->resolve && !is_last && !is_reversible(actions, size);
	ctx->in_bucket = false;
	xlate_actions(ctx, actions, size, is_last, false);
	if (!ctx->freezing && !ctx->error)
		xlate_action_set_run(ctx);
	if (ctx->freezing) {
		/* The copy goes on later; the packet goes on now. */
		xlate_freeze_finish(ctx);
		ctx->exit = false;
	}
	pb_close(&ctx->b, ofs, outer, is_last);

	ctx->in_bucket = old_in_bucket;
	free(ctx->stack);
	wf_buf_done(&ctx->action_set);
	ctx->stack = old_stack;
	ctx->stack_size = old_stack_size;
	ctx->stack_room = old_stack_room;
	ctx->action_set = old_set;
	ctx->action_set_has_group = old_has_group;
	xctx_restore(ctx, saved);
	free(saved);
}

/* --- Dispatch ---------------------------------------------------------------------------- */

static void
report_action(struct xctx *ctx, const struct of_action *a)
{
	struct xlate_trace *t = ctx->in->trace;
	struct wf_str s = WF_STR_INIT;

	if (!t)
		return;
	of_actions_format(a, OF_ACTION_ALIGN(a->size), t->names ? trace_port_name : NULL,
			  (void *)ctx->bv, &s);
	trace_put(t, TRACE_ACTION, "%s", wf_str_cstr(&s));
	wf_str_done(&s);
}

static void
do_controller(struct xctx *ctx, const struct of_act_controller *a)
{
	xlate_controller(ctx, a->max_len, a->reason, a->controller_id, a->meter_id, a->userdata,
			 a->userdata_len, false, NULL);
}

static void
do_output_reg(struct xctx *ctx, const struct of_act_output_reg *a, bool is_last, bool is_bucket)
{
	uint64_t port = of_subfield_get_u64(&a->src, &ctx->key);

	if (port > UINT32_MAX) {
		trace_put(ctx->in->trace, TRACE_WARN, "output port %" PRIu64 " is out of range",
			  port);
		ctx->drop = DROP_OUT_NO_PORT;
		return;
	}
	/* A register of 16 bits holds the reserved ports in their OpenFlow 1.0 form. */
	if (a->src.n_bits <= 16 && port >= 0xff00)
		port |= 0xffff0000u;
	else if (port >= 0xfff8 && port <= 0xffff)
		port |= 0xffff0000u;
	trace_put(ctx->in->trace, TRACE_DETAIL, "output port is %" PRIu64,
		  port >= 0xffffff00u ? port & 0xffff : port);
	xlate_mark_read(ctx, of_field(a->src.field));
	xlate_output(ctx, (of_port_t)port, a->max_len, false, is_last, false, is_bucket);
}

static void
do_enqueue(struct xctx *ctx, const struct of_act_enqueue *a, bool is_last)
{
	of_port_t port = a->a.u32 == OF_PORT_IN_PORT ? ctx->key.in_port : a->a.u32;
	struct of_key *before;
	struct of_key bits = { .skb_priority = UINT32_MAX };
	uint32_t old;

	if (a->a.u32 != OF_PORT_IN_PORT && port == ctx->key.in_port) {
		ctx->drop = DROP_OUT_TO_IN_PORT;
		return;
	}
	if (ctx->wc)
		ctx->wc->skb_priority = UINT32_MAX;
	before = wf_xmemdup(&ctx->key, sizeof ctx->key);
	old = ctx->key.skb_priority;
	ctx->key.skb_priority = a->queue;
	xlate_wrote(ctx, before, &bits);
	xlate_output_port(ctx, port, is_last, false);
	*before = ctx->key;
	ctx->key.skb_priority = old;
	xlate_wrote(ctx, before, &bits);
	free(before);
}

static void
set_queue(struct xctx *ctx, uint32_t queue)
{
	struct of_key *before = wf_xmemdup(&ctx->key, sizeof ctx->key);
	struct of_key bits = { .skb_priority = UINT32_MAX };

	if (ctx->wc)
		ctx->wc->skb_priority = UINT32_MAX;
	ctx->key.skb_priority = queue;
	xlate_wrote(ctx, before, &bits);
	free(before);
}

static void
do_write_actions(struct xctx *ctx, const struct of_action *a)
{
	size_t size;
	const void *nested = of_act_nested(a, sizeof(struct of_act_nest), &size);
	struct xlate_trace *t = ctx->in->trace;

	xlate_action_set_write(ctx, nested, size);
	if (t) {
		struct wf_buf list = WF_BUF_INIT;
		struct wf_str s = WF_STR_INIT;

		of_action_set_resolve(ctx->action_set.data, ctx->action_set.size, &list);
		if (list.size) {
			of_actions_format(list.data, list.size, NULL, NULL, &s);
			trace_put(t, TRACE_DETAIL, "action set is: %s", wf_str_cstr(&s));
		} else {
			trace_put(t, TRACE_DETAIL, "action set is empty");
		}
		wf_str_done(&s);
		wf_buf_done(&list);
	}
}

static void
do_clear_actions(struct xctx *ctx)
{
	struct xlate_trace *t = ctx->in->trace;

	if (t) {
		struct wf_buf list = WF_BUF_INIT;
		struct wf_str s = WF_STR_INIT;

		of_action_set_resolve(ctx->action_set.data, ctx->action_set.size, &list);
		if (list.size) {
			of_actions_format(list.data, list.size, NULL, NULL, &s);
			trace_put(t, TRACE_DETAIL, "action set was: %s", wf_str_cstr(&s));
		} else {
			trace_put(t, TRACE_DETAIL, "action set was empty");
		}
		wf_str_done(&s);
		wf_buf_done(&list);
	}
	wf_buf_clear(&ctx->action_set);
	ctx->key.actset_output = OF_PORT_UNSET;
	ctx->action_set_has_group = false;
}

/* Is what the subfield has the same for all packets that come this way? */
static bool
subfield_is_known(const struct xctx *ctx, const struct of_subfield *sf)
{
	const uint64_t *known = of_key_words_c(&ctx->known), *b;
	struct of_key bits;
	uint64_t unknown = 0;

	memset(&bits, 0, sizeof bits);
	of_field_mark(of_field(sf->field), &bits);
	b = of_key_words_c(&bits);
	for (unsigned i = 0; i < OF_KEY_WORDS; i++)
		unknown |= b[i] & ~known[i];
	return !unknown;
}

/* Neighbour discovery's fields are there if the ICMPv6 type says so, which is no matter of shape. */
static bool
presence_is_known(unsigned field)
{
	switch (field) {
	case OF_F_ND_TARGET:
	case OF_F_ND_SLL:
	case OF_F_ND_TLL:
	case OF_F_ND_RESERVED:
	case OF_F_ND_OPTIONS_TYPE:
		return false;
	default:
		return true;
	}
}

/* Does the action do the same to all packets of one shape (walk_memo.h)?  What is not named here is
 * taken not to. */
static bool
is_recordable(const struct xctx *ctx, const struct of_action *a)
{
	switch ((enum of_action_type)a->type) {
	case OF_A_OUTPUT: /* packet-ins and tunnels see to themselves */
	case OF_A_ENQUEUE:
	case OF_A_GROUP:
	case OF_A_PUSH_VLAN:
	case OF_A_STRIP_VLAN:
	case OF_A_SET_VLAN_VID:
	case OF_A_SET_VLAN_PCP:
	case OF_A_SET_ETH_SRC:
	case OF_A_SET_ETH_DST:
	case OF_A_SET_IPV4_SRC:
	case OF_A_SET_IPV4_DST:
	case OF_A_SET_IP_DSCP:
	case OF_A_SET_IP_ECN:
	case OF_A_SET_IP_TTL:
	case OF_A_SET_L4_SRC:
	case OF_A_SET_L4_DST:
	case OF_A_DEC_TTL:
	case OF_A_SET_TUNNEL:
	case OF_A_SET_QUEUE:
	case OF_A_POP_QUEUE:
	case OF_A_RESUBMIT:
	case OF_A_GOTO_TABLE:
	case OF_A_CONJUNCTION:
	case OF_A_NOTE:
	case OF_A_EXIT:
	case OF_A_CLONE:
	case OF_A_METER:
	case OF_A_CLEAR_ACTIONS:
	case OF_A_WRITE_ACTIONS:
	case OF_A_WRITE_METADATA:
		return true;
	case OF_A_SET_FIELD:
		return presence_is_known(((const struct of_act_set_field *)a)->field);
	case OF_A_OUTPUT_REG:
		return subfield_is_known(ctx, &((const struct of_act_output_reg *)a)->src);
	case OF_A_REG_MOVE: {
		const struct of_act_move *m = (const struct of_act_move *)a;

		return presence_is_known(m->src.field) && presence_is_known(m->dst.field) &&
		       subfield_is_known(ctx, &m->src);
	}
	default:
		return false;
	}
}

enum next { NEXT, SKIP_FREEZE_CHECK, STOP };

static enum next
do_action(struct xctx *ctx, const struct of_action *a, bool last, bool is_bucket)
{
	switch ((enum of_action_type)a->type) {
	case OF_A_OUTPUT:
		xlate_output(ctx, a->u32, ((const struct of_act_output *)a)->max_len, true, last,
			     false, is_bucket);
		break;
	case OF_A_CONTROLLER: {
		const struct of_act_controller *c = (const struct of_act_controller *)a;

		if (c->pause) {
			ctx->pause = c;
			xlate_freeze(ctx);
		} else {
			do_controller(ctx, c);
		}
		break;
	}
	case OF_A_ENQUEUE:
		do_enqueue(ctx, (const struct of_act_enqueue *)a, last);
		break;
	case OF_A_OUTPUT_REG:
		do_output_reg(ctx, (const struct of_act_output_reg *)a, last, is_bucket);
		break;
	case OF_A_OUTPUT_TRUNC:
		xlate_output_trunc(ctx, a->u32, ((const struct of_act_output_trunc *)a)->max_len,
				   last, is_bucket);
		break;
	case OF_A_BUNDLE: {
		const struct of_act_bundle *b = (const struct of_act_bundle *)a;
		of_port_t port = xlate_bundle_choose(ctx, b);

		if (b->dst.n_bits) {
			union of_value v = { .b = { 0 } };

			v.b[sizeof v - 2] = (uint8_t)(port >> 8);
			v.b[sizeof v - 1] = (uint8_t)port;
			xlate_write_subfield(ctx, &b->dst, &v);
			xlate_subfield_report(ctx, &b->dst);
		} else {
			xlate_output(ctx, port, 0, false, last, false, is_bucket);
		}
		break;
	}
	case OF_A_GROUP:
		if (!xlate_group(ctx, a->u32, last))
			return STOP;
		break;
	case OF_A_SET_FIELD:
		do_set_field(ctx, (const struct of_act_set_field *)a);
		break;
	case OF_A_REG_MOVE:
		do_move(ctx, (const struct of_act_move *)a);
		break;
	case OF_A_STACK_PUSH:
		do_stack_push(ctx, (const struct of_act_stack *)a);
		break;
	case OF_A_STACK_POP:
		do_stack_pop(ctx, (const struct of_act_stack *)a);
		break;
	case OF_A_PUSH_VLAN:
	case OF_A_STRIP_VLAN:
	case OF_A_SET_VLAN_VID:
	case OF_A_SET_VLAN_PCP:
	case OF_A_SET_ETH_SRC:
	case OF_A_SET_ETH_DST:
	case OF_A_SET_IPV4_SRC:
	case OF_A_SET_IPV4_DST:
	case OF_A_SET_IP_DSCP:
	case OF_A_SET_IP_ECN:
	case OF_A_SET_IP_TTL:
	case OF_A_SET_L4_SRC:
	case OF_A_SET_L4_DST:
	case OF_A_PUSH_MPLS:
	case OF_A_POP_MPLS:
	case OF_A_SET_MPLS_LABEL:
	case OF_A_SET_MPLS_TC:
	case OF_A_SET_MPLS_TTL:
	case OF_A_DEC_MPLS_TTL:
	case OF_A_DEC_TTL:
	case OF_A_COPY_TTL_OUT:
	case OF_A_COPY_TTL_IN:
	case OF_A_PUSH_PBB:
	case OF_A_POP_PBB:
	case OF_A_ENCAP:
	case OF_A_DECAP:
		return xlate_header_action(ctx, a) ? NEXT : STOP;
	case OF_A_DEC_NSH_TTL:
		not_built(ctx, "dec_nsh_ttl", "NSH is", DROP_NOT_BUILT_NSH);
		break;
	case OF_A_DELETE_FIELD: {
		const struct of_field *f = of_field((enum of_field_id)a->u32);
		unsigned n = (unsigned)(a->u32 - OF_F_TUN_METADATA0);

		if (a->u32 >= OF_F_TUN_METADATA0 && n < 64) {
			union of_value zero = { .b = { 0 } };

			of_field_set(f, &zero, &ctx->key);
			of_field_mark(f, &ctx->known);
			ctx->key.tun_metadata_present &= ~(1ull << n);
			ctx->known.tun_metadata_present |= 1ull << n;
		}
		trace_put(ctx->in->trace, TRACE_DETAIL, "delete %s", f->name);
		break;
	}
	case OF_A_SET_TUNNEL:
		ctx->key.tun_id = ((const struct of_act_set_tunnel *)a)->tun_id;
		ctx->known.tun_id = UINT64_MAX;
		break;
	case OF_A_SET_QUEUE:
		set_queue(ctx, a->u32);
		break;
	case OF_A_POP_QUEUE:
		if (ctx->wc)
			ctx->wc->skb_priority = UINT32_MAX;
		if (ctx->key.skb_priority != ctx->orig_skb_priority) {
			set_queue(ctx, ctx->orig_skb_priority);
			trace_put(ctx->in->trace, TRACE_DETAIL, "queue = 0x%" PRIx32,
				  ctx->key.skb_priority);
		}
		break;
	case OF_A_FIN_TIMEOUT:
		not_built(ctx, "fin_timeout", "TCP timeouts are", DROP_NOT_BUILT_FIN_TIMEOUT);
		break;
	case OF_A_RESUBMIT:
		do_resubmit(ctx, (const struct of_act_resubmit *)a, last);
		return SKIP_FREEZE_CHECK;
	case OF_A_GOTO_TABLE:
		xlate_table(ctx, ctx->key.in_port, (uint8_t)a->u32, true, true, last, false);
		return SKIP_FREEZE_CHECK;
	case OF_A_LEARN:
		xlate_learn(ctx, (const struct of_act_learn *)a);
		break;
	case OF_A_CONJUNCTION:
		trace_put(ctx->in->trace, TRACE_ERROR, "executing no-op conjunction action");
		break;
	case OF_A_MULTIPATH: {
		const struct of_act_multipath *m = (const struct of_act_multipath *)a;
		uint16_t link = xlate_multipath_link(ctx, m);
		union of_value v = { .b = { 0 } };

		v.b[sizeof v - 2] = (uint8_t)(link >> 8);
		v.b[sizeof v - 1] = (uint8_t)link;
		xlate_write_subfield(ctx, &m->dst, &v);
		xlate_subfield_report(ctx, &m->dst);
		break;
	}
	case OF_A_NOTE:
		break;
	case OF_A_EXIT:
		ctx->exit = true;
		break;
	case OF_A_DEBUG:
		if (a->raw == OF_RAW_DEBUG_SLOW)
			xlate_needs(ctx, XLATE_LACKS_DEBUG);
		else
			xlate_freeze(ctx);
		break;
	case OF_A_SAMPLE:
		not_built(ctx, "sample", "sampling is", DROP_NOT_BUILT_SAMPLE);
		break;
	case OF_A_CLONE: {
		size_t size;
		const void *nested = of_act_nested(a, sizeof(struct of_act_nest), &size);

		xlate_clone_actions(ctx, nested, size, last);
		break;
	}
	case OF_A_CHECK_PKT_LARGER:
		not_built(ctx, "check_pkt_larger", "the test of a packet's length is",
			  DROP_NOT_BUILT_CHECK_PKT_LARGER);
		break;
	case OF_A_CT:
	case OF_A_NAT:
		not_built(ctx, "ct", "connection tracking is", DROP_NOT_BUILT_CT);
		break;
	case OF_A_CT_CLEAR:
		break; /* nothing is tracked */
	case OF_A_UNROLL_XLATE:
		do_unroll(ctx, a);
		break;
	case OF_A_METER:
		do_meter(ctx, a->u32);
		break;
	case OF_A_CLEAR_ACTIONS:
		do_clear_actions(ctx);
		break;
	case OF_A_WRITE_ACTIONS:
		do_write_actions(ctx, a);
		break;
	case OF_A_WRITE_METADATA: {
		const struct of_act_write_metadata *m = (const struct of_act_write_metadata *)a;

		ctx->key.metadata = (ctx->key.metadata & ~m->mask) | (m->metadata & m->mask);
		break;
	}
	case OF_A_STAT_TRIGGER:
	case OF_N_ACTION_TYPES:
		break;
	}
	return NEXT;
}

/* Behind an action that ended its list: the end of that list, where several were made one by
 * xlate_freeze_rest(); NULL: there is but one. */
static const struct of_action *
list_end(const struct of_action *a, const struct of_action *end)
{
	while (a < end && (a->type != OF_A_UNROLL_XLATE || a->raw != XLATE_LIST_ENDS))
		a = of_action_next(a);
	return a < end ? a : NULL;
}

void
xlate_actions(struct xctx *ctx, const void *actions, size_t size, bool is_last, bool is_bucket)
{
	const struct of_action *end =
		(const struct of_action *)((const uint8_t *)actions + OF_ACTION_ALIGN(size));

	if (!size) {
		trace_put(ctx->in->trace, TRACE_ACTION, "drop");
		if (!ctx->drop)
			ctx->drop = DROP_ACTION_DROP;
		return;
	}
	of_action_for_each(a, actions, size)
	{
		bool last = is_last && of_action_next(a) >= end && !ctx->action_set.size;
		enum next next;

		if (ctx->error)
			break;
		if (!ctx->exit && xlate_needs_parse(ctx, a))
			xlate_freeze(ctx);
		if (ctx->exit) {
			if (ctx->freezing)
				xlate_freeze_rest(ctx, a, end);
			break;
		}
		if (ctx->in->record && !is_recordable(ctx, a))
			xlate_unrecord(ctx, WALK_NEVER);
		report_action(ctx, a);
		next = do_action(ctx, a, last, is_bucket);
		if (next == STOP) {
			a = list_end(a, end);
			if (!a)
				return;
			do_action(ctx, a, false, is_bucket);
			continue;
		}
		/* What froze in here goes on with the next action. */
		if (next == NEXT && !ctx->error && ctx->freezing && !ctx->frozen_actions.size) {
			xlate_freeze_rest(ctx, of_action_next(a), end);
			break;
		}
	}
}
