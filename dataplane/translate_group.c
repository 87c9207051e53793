// SPDX-License-Identifier: Apache-2.0
/* Groups.  Each bucket is an action set on a copy of the packet.  All and indirect are clones
 * one after another; for select and fast failover the buckets are laid side by side and the
 * choice is made for each packet at run time (rule 7), or here when text is wanted. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/translate_internal.h"

static void
count_here(struct xctx *ctx, struct counter *c)
{
	struct op_count *op;

	if (!c)
		return;
	op = pb_put(&ctx->b, OP_COUNT, sizeof *op);
	op->counter = c;
}

/* The bucket's action set, on a packet that is a copy already; everything is as before
 * afterwards. */
static void
run_bucket(struct xctx *ctx, const struct bucket *b, bool is_last)
{
	struct wf_buf list = WF_BUF_INIT;
	struct xsaved *saved = wf_xmalloc(sizeof *saved);
	struct trace_node *before;
	bool old_exit = ctx->exit, old_in_bucket = ctx->in_bucket, old_has_group = ctx->action_set_has_group;
	struct wf_buf old_set = ctx->action_set;
	size_t old_stack_size = ctx->stack_size;
	uint8_t *old_stack = NULL;

	/* Tables that the bucket resubmits to may change action set and stack.  Which bucket it will
	 * be is not known here, so what follows must not see it. */
	xctx_save(ctx, saved);
	ctx->action_set = (struct wf_buf)WF_BUF_INIT;
	if (old_set.size)
		wf_buf_put(&ctx->action_set, old_set.data, old_set.size);
	if (old_stack_size)
		old_stack = wf_xmemdup(ctx->stack, old_stack_size);
	before = trace_enter(ctx->in->trace, TRACE_BUCKET, "bucket %" PRIu32, b->bucket_id);
	if (b->actions)
		of_action_set_resolve(b->actions->data, b->actions->size, &list);
	ctx->in_bucket = true;
	ctx->depth++;
	ctx->resubmits++; /* groups of groups multiply as tables do */
	ctx->work++;
	xlate_actions(ctx, list.data, list.size, is_last, true);
	ctx->depth--;
	if (ctx->freezing)
		xlate_freeze_finish(ctx);
	ctx->in_bucket = old_in_bucket;
	trace_leave(ctx->in->trace, before);
	xctx_restore(ctx, saved);
	free(saved);
	wf_buf_done(&ctx->action_set);
	ctx->action_set = old_set;
	ctx->action_set_has_group = old_has_group;
	if (old_stack_size)
		memcpy(ctx->stack, old_stack, old_stack_size);
	ctx->stack_size = old_stack_size;
	free(old_stack);
	ctx->exit = old_exit;
	/* An error of one bucket is not the others', unless it is a limit of the whole walk. */
	if (ctx->error == XE_MPLS_ROOM || ctx->error == XE_VLAN_ROOM ||
	    ctx->error == XE_PACKET_TYPE || ctx->error == XE_NOT_BUILT)
		ctx->error = XE_OK;
	wf_buf_done(&list);
}

/* 'counted' by what belongs to the whole packet (then by the plan), or here. */
static void
bucket_clone(struct xctx *ctx, const struct bucket *b, bool is_last)
{
	size_t outer, ofs = pb_open(&ctx->b, OP_CLONE, sizeof(struct op_clone), &outer);

	run_bucket(ctx, b, is_last);
	pb_close(&ctx->b, ofs, outer, is_last);
	xlate_credit(ctx, b->counter);
}

static void
report_dead(struct xctx *ctx, const struct bucket *b)
{
	struct wf_str s = WF_STR_INIT;

	if (!ctx->in->trace)
		return;
	if (b->watch_port != OF_PORT_ANY)
		wf_str_fmt(&s, "port %" PRIu32, b->watch_port);
	if (b->watch_group != OF_PORT_ANY)
		wf_str_fmt(&s, "%sport %" PRIu32, s.len ? " and " : "", b->watch_group);
	trace_put(ctx->in->trace, TRACE_DETAIL, "bucket %" PRIu32 ": not live due to %s",
		  b->bucket_id, wf_str_cstr(&s));
	wf_str_done(&s);
}

static uint32_t
select_basis(const struct group *g)
{
	return (uint32_t)(g->selection_param ^ g->selection_param >> 32);
}

/* The bucket that this very packet takes, as run chooses it. */
static const struct bucket *
choose_now(struct xctx *ctx, struct group *g)
{
	int best;

	if (g->type == GROUP_FF) {
		for (uint32_t i = 0; i < g->n_buckets; i++) {
			if (bucket_is_alive(ctx->view, ctx->bv->bridge, &g->buckets[i]))
				return &g->buckets[i];
			report_dead(ctx, &g->buckets[i]);
		}
		return NULL;
	}
	for (uint32_t i = 0; i < g->n_buckets; i++)
		if (!bucket_is_alive(ctx->view, ctx->bv->bridge, &g->buckets[i]))
			report_dead(ctx, &g->buckets[i]);
	best = select_bucket(ctx->view, g, select_basis(g), ctx->key.dp_hash, &ctx->key);
	return best < 0 ? NULL : &g->buckets[best];
}

/* The hash reads these (run_select.c). */
static void
mark_hashed(struct xctx *ctx, const struct group *g)
{
	const struct of_key *k = &ctx->key;
	struct of_key *wc = ctx->wc;

	if (!wc || g->type != GROUP_SELECT)
		return;
	for (uint32_t i = 0; i < g->n_hash_fields; i++) {
		const struct of_field *f = of_field(g->hash_fields[i].field);

		if (of_field_present(f, k))
			of_field_set_masked(f, &g->hash_fields[i].mask, &g->hash_fields[i].mask, wc);
	}
	if (g->n_hash_fields)
		return;
	memset(wc->dl_src, 0xff, sizeof wc->dl_src);
	memset(wc->dl_dst, 0xff, sizeof wc->dl_dst);
	wc->vlans[0].tci |= htons(OF_VLAN_VID_MASK | OF_VLAN_CFI);
	if (k->dl_type == htons(0x0800)) {
		wc->nw_src = wc->nw_dst = UINT32_MAX;
	} else if (k->dl_type == htons(0x86dd)) {
		memset(&wc->ipv6_src, 0xff, sizeof wc->ipv6_src);
		memset(&wc->ipv6_dst, 0xff, sizeof wc->ipv6_dst);
	}
	if (!xlate_is_ip(k))
		return;
	wc->nw_proto = 0xff;
	if (!(k->nw_frag & OF_FRAG_ANY) && (k->nw_proto == IPPROTO_TCP ||
	    k->nw_proto == IPPROTO_UDP || k->nw_proto == IPPROTO_SCTP))
		wc->tp_src = wc->tp_dst = UINT16_MAX;
}

static void
group_choice_now(struct xctx *ctx, struct group *g, bool is_last)
{
	const struct bucket *b = choose_now(ctx, g);

	mark_hashed(ctx, g);
	if (b) {
		trace_put(ctx->in->trace, TRACE_DETAIL, "using bucket %" PRIu32, b->bucket_id);
		bucket_clone(ctx, b, is_last);
		xlate_credit(ctx, g->counter);
	} else {
		trace_put(ctx->in->trace, TRACE_DETAIL, "no live bucket");
		ctx->drop = DROP_GROUP_NO_BUCKET;
	}
}

static void
group_choice(struct xctx *ctx, struct group *g)
{
	size_t outer, ofs;
	struct op_select *op;
	uint32_t old_mirrored = ctx->mirrored;
	enum drop_reason old_drop = ctx->drop;
	unsigned resubmits = ctx->resubmits, most = resubmits;

	/* Every bucket starts with the packet as it is here. */
	xlate_commit(ctx);
	ofs = pb_open(&ctx->b, g->type == GROUP_FF ? OP_FAILOVER : OP_SELECT, sizeof *op, &outer);
	op = pb_at(&ctx->b, ofs);
	op->group = g;
	op->n_buckets = g->n_buckets;
	op->op.u32 = select_basis(g);
	group_ref(g);
	ctx->conditional++;
	ctx->n_choices++;
	for (uint32_t i = 0; i < g->n_buckets && !ctx->error; i++) {
		size_t at = ctx->b.ops.size;
		struct op_bucket *bk = wf_buf_put_zeros(&ctx->b.ops, sizeof *bk);

		bk->bucket_index = i;
		bk->bucket = &g->buckets[i];
		bk->size = sizeof *bk; /* until it is complete */
		ctx->b.last = NO_OP;
		ctx->drop = DROP_NONE;
		ctx->resubmits = resubmits;
		count_here(ctx, g->counter);
		count_here(ctx, g->buckets[i].counter);
		run_bucket(ctx, &g->buckets[i], false);
		ctx->mirrored = old_mirrored; /* another packet takes another bucket */
		if (ctx->error == XE_TOO_DEEP || ctx->error == XE_TOO_MANY || ctx->error == XE_STACK) {
			/* A limit met in a bucket ends packets that take it, not those of others. */
			ctx->error = XE_OK;
			ctx->resubmits = resubmits;
			plan_ops_release(ctx->b.ops.data + at + sizeof *bk,
					 ctx->b.ops.size - at - sizeof *bk);
			ctx->b.ops.size = at + sizeof *bk;
		}
		if (ctx->resubmits > most)
			most = ctx->resubmits;
		pb_trim(&ctx->b, at + sizeof *bk);
		if (!pb_has_output(ctx->b.ops.data + at + sizeof *bk,
				   ctx->b.ops.size - at - sizeof *bk)) {
			struct plan_op *drop = pb_put(&ctx->b, OP_DROP, sizeof *drop);

			drop->u32 = ctx->drop ? ctx->drop : DROP_ACTION_DROP;
		}
		bk = pb_at(&ctx->b, at);
		bk->size = (uint32_t)(ctx->b.ops.size - at);
	}
	ctx->conditional--;
	ctx->resubmits = most;
	ctx->drop = old_drop;
	pb_close(&ctx->b, ofs, outer, false);
	op = pb_at(&ctx->b, ofs);
	/* After an error in the middle, those that are there are all there are. */
	op->n_buckets = 0;
	for (const struct op_bucket *bk = op_select_first_bucket(op);
	     (const uint8_t *)bk < (const uint8_t *)op + op->op.size; bk = op_bucket_next(bk))
		op->n_buckets++;
}

bool
xlate_group(struct xctx *ctx, uint32_t group_id, bool is_last)
{
	struct group *g;

	if (!xlate_may_go_deeper(ctx))
		return true;
	g = group_find(ctx->bv, group_id);
	if (!g) {
		trace_put(ctx->in->trace, TRACE_WARN, "output to nonexistent group %" PRIu32,
			  group_id);
		ctx->drop = DROP_GROUP_MISSING;
		return false;
	}
	/* The plan points to counters of the group and its buckets. */
	group_ref(g);
	xlate_array_put(&ctx->b.groups, &g, sizeof g);
	switch (g->type) {
	case GROUP_ALL:
	case GROUP_INDIRECT:
		if (!is_last || g->n_buckets > 1)
			xlate_commit(ctx);
		for (uint32_t i = 0; i < g->n_buckets && !ctx->error; i++)
			bucket_clone(ctx, &g->buckets[i], is_last && i + 1 == g->n_buckets);
		if (!g->n_buckets)
			ctx->drop = DROP_GROUP_NO_BUCKET;
		xlate_credit(ctx, g->counter);
		break;
	case GROUP_SELECT:
	case GROUP_FF:
		if (ctx->resolve || ctx->choose)
			group_choice_now(ctx, g, is_last);
		else
			group_choice(ctx, g);
		break;
	}
	return true;
}
