// SPDX-License-Identifier: Apache-2.0
/* Continuations: a walk stops, the packet is parsed again (or a controller sends it back), and
 * the walk goes on (rule 6).
 *
 * Equal states share one 'struct frozen', found by content, so that the flow cache's entries
 * behind it are shared by all plans that lead there, and survive them.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hmap.h"
#include "dataplane/translate_internal.h"
#include "dataplane/tunnel.h"
#include "openflow/msg_packet.h"

/* --- The store ------------------------------------------------------------------------- */

struct frozen_node {
	struct wf_hmap_node node;
	bool found_again; /* taken out of 'gone': not in the store */
	struct frozen f;
};

/* Out of use, for frozen_find(); the oldest makes room. */
#define MAX_GONE 64
static struct frozen_node *gone[MAX_GONE];
static unsigned next_gone;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct wf_hmap store;
static bool store_ready;
static uint64_t last_id;

static size_t
own_size(const struct frozen *f)
{
	return f->tunnel_own ? TUNNEL_PART_SIZE : 0;
}

static uint32_t
frozen_hash(const struct frozen *f)
{
	uint32_t h = wf_hash_bytes(&f->metadata, sizeof f->metadata, f->table);

	h = wf_hash_bytes(&f->bridge, sizeof f->bridge, h);
	h = wf_hash_bytes(&f->rule_cookie, sizeof f->rule_cookie, h ^ f->mirrored);
	h = wf_hash_bytes(f->stack, f->stack_size, h);
	h = wf_hash_bytes(f->actions, f->actions_size, h);
	return wf_hash_bytes(f->action_set, f->action_set_size, h);
}

static bool
same_bytes(const void *a, size_t an, const void *b, size_t bn)
{
	return an == bn && (!an || !memcmp(a, b, an));
}

static bool
frozen_equal(const struct frozen *a, const struct frozen *b)
{
	return a->bridge == b->bridge && a->table == b->table && a->was_mpls == b->was_mpls &&
	       a->in_bucket == b->in_bucket && a->in_egress == b->in_egress &&
	       a->conntracked == b->conntracked && a->rule_cookie == b->rule_cookie &&
	       a->in_slot == b->in_slot && a->mirrored == b->mirrored &&
	       a->depth_left == b->depth_left && a->resubmits_left == b->resubmits_left &&
	       !memcmp(&a->metadata, &b->metadata, sizeof a->metadata) &&
	       same_bytes(a->tunnel_own, own_size(a), b->tunnel_own, own_size(b)) &&
	       same_bytes(a->stack, a->stack_size, b->stack, b->stack_size) &&
	       same_bytes(a->actions, a->actions_size, b->actions, b->actions_size) &&
	       same_bytes(a->action_set, a->action_set_size, b->action_set, b->action_set_size);
}

static void *
dup_bytes(const void *p, size_t n)
{
	return n ? wf_xmemdup(p, n) : NULL;
}

/* The shared continuation with this content; its blocks are copied when it is new. */
static struct frozen *
frozen_intern(const struct frozen *content)
{
	uint32_t hash = frozen_hash(content);
	struct frozen_node *n;

	pthread_mutex_lock(&lock);
	if (!store_ready) {
		wf_hmap_init(&store);
		store_ready = true;
	}
	wf_hmap_for_each_with_hash(n, node, hash, &store)
	{
		if (frozen_equal(&n->f, content)) {
			atomic_fetch_add_explicit(&n->f.refs, 1, memory_order_relaxed);
			pthread_mutex_unlock(&lock);
			return &n->f;
		}
	}
	n = wf_xzalloc(sizeof *n);
	n->f = *content;
	n->f.tunnel_own = dup_bytes(content->tunnel_own, own_size(content));
	n->f.stack = dup_bytes(content->stack, content->stack_size);
	n->f.actions = dup_bytes(content->actions, content->actions_size);
	n->f.action_set = dup_bytes(content->action_set, content->action_set_size);
	n->f.id = ++last_id;
	atomic_init(&n->f.refs, 1);
	wf_hmap_insert(&store, &n->node, hash);
	pthread_mutex_unlock(&lock);
	return &n->f;
}

struct frozen *
frozen_get(const struct frozen *content)
{
	return frozen_intern(content);
}

void
frozen_ref(struct frozen *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
}

void
frozen_unref(struct frozen *f)
{
	struct frozen_node *n;
	uint32_t refs;

	if (!f)
		return;
	n = wf_container(f, struct frozen_node, f);
	/* The last reference goes under the lock, where nobody can find it any more. */
	refs = atomic_load_explicit(&f->refs, memory_order_relaxed);
	while (refs > 1)
		if (atomic_compare_exchange_weak_explicit(&f->refs, &refs, refs - 1,
							  memory_order_acq_rel,
							  memory_order_relaxed))
			return;
	pthread_mutex_lock(&lock);
	if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1) {
		pthread_mutex_unlock(&lock);
		return;
	}
	if (!n->found_again)
		wf_hmap_remove(&store, &n->node);
	struct frozen_node *old = gone[next_gone];
	gone[next_gone] = n;
	next_gone = (next_gone + 1) % MAX_GONE;
	pthread_mutex_unlock(&lock);
	if (!old)
		return;
	free(old->f.tunnel_own);
	free(old->f.stack);
	free(old->f.actions);
	free(old->f.action_set);
	free(old);
}

struct frozen *
frozen_find(uint64_t id)
{
	struct frozen *found = NULL;
	struct frozen_node *n;

	pthread_mutex_lock(&lock);
	if (store_ready) {
		wf_hmap_for_each(n, node, &store)
		{
			if (n->f.id == id)
				found = &n->f;
		}
	}
	for (unsigned i = 0; !found && i < MAX_GONE; i++) {
		if (gone[i] && gone[i]->f.id == id) {
			gone[i]->found_again = true;
			found = &gone[i]->f;
			gone[i] = NULL;
		}
	}
	if (found)
		atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&lock);
	return found;
}

struct frozen *
frozen_for_entry(struct bridge *bridge, of_port_t in_port, int depth_left)
{
	struct frozen f = { .bridge = bridge, .depth_left = (uint32_t)depth_left,
			    .resubmits_left = XLATE_MAX_RESUBMITS, .rule_cookie = UINT64_MAX,
			    .in_slot = UINT32_MAX };

	f.metadata.in_port = in_port;
	return frozen_intern(&f);
}

struct frozen *
frozen_for_output(struct bridge *bridge, of_port_t port, const struct of_key *tunnel, int depth_left)
{
	struct of_act_output out = { .a = { .type = OF_A_OUTPUT, .size = sizeof out, .u32 = port } };
	struct frozen f = { .bridge = bridge, .table = 0xff, .depth_left = (uint32_t)depth_left,
			    .resubmits_left = XLATE_MAX_RESUBMITS, .rule_cookie = UINT64_MAX,
			    .in_slot = UINT32_MAX, .was_mpls = true,
			    .mirrored = UINT32_MAX, /* NORMAL saw to mirrors */
			    .actions = &out, .actions_size = OF_ACTION_ALIGN(sizeof out) };

	f.metadata.in_port = OF_PORT_NONE;
	if (tunnel)
		tunnel_part_copy(&f.metadata, tunnel);
	return frozen_intern(&f);
}

/* --- Freezing ------------------------------------------------------------------------------ */

void
xlate_freeze(struct xctx *ctx)
{
	xlate_unrecord(ctx, WALK_NEVER);
	ctx->exit = true;
	ctx->freezing = true;
}

/* Packet-ins of the actions that follow name this table and cookie; so does resubmit(,255).
 * 'list_ends': those before are of a list further inside. */
static void
put_unroll(struct xctx *ctx, bool list_ends)
{
	struct of_action *a;

	if (!list_ends && ctx->unrolled && ctx->unroll_table == ctx->table_id &&
	    ctx->unroll_cookie == ctx->rule_cookie)
		return;
	a = of_action_put(&ctx->frozen_actions, OF_A_UNROLL_XLATE, sizeof *a + sizeof(uint64_t));
	a->raw = list_ends ? XLATE_LIST_ENDS : 0;
	a->u32 = ctx->table_id;
	memcpy(a + 1, &ctx->rule_cookie, sizeof ctx->rule_cookie);
	ctx->unrolled = true;
	ctx->unroll_table = ctx->table_id;
	ctx->unroll_cookie = ctx->rule_cookie;
}

/* A pause's list goes to a controller and back as actions, so instructions become the actions
 * that come closest, as in OVS.  True: 'a' is dealt with. */
static bool
put_instruction_as_action(struct xctx *ctx, const struct of_action *a)
{
	if (a->type == OF_A_GOTO_TABLE) {
		struct of_act_resubmit *r =
			of_action_put(&ctx->frozen_actions, OF_A_RESUBMIT, sizeof *r);

		r->a.u32 = OF_PORT_IN_PORT;
		r->table = (uint8_t)a->u32;
		return true;
	}
	if (a->type == OF_A_WRITE_METADATA) {
		const struct of_act_write_metadata *m = (const struct of_act_write_metadata *)a;
		struct of_act_set_field *sf =
			of_action_put(&ctx->frozen_actions, OF_A_SET_FIELD, sizeof *sf + 16);

		sf->field = OF_F_METADATA;
		sf->n_bytes = 8;
		for (unsigned i = 0; i < 8; i++) {
			sf->value_mask[i] = (uint8_t)(m->metadata >> (56 - 8 * i));
			sf->value_mask[8 + i] = (uint8_t)(m->mask >> (56 - 8 * i));
		}
		return true;
	}
	return false;
}

/* Is there an action that may end its list early? */
static bool
may_stop(const struct wf_buf *list)
{
	of_action_for_each(a, list->data, list->size)
		if (a->type == OF_A_DEC_TTL || a->type == OF_A_DEC_MPLS_TTL ||
		    a->type == OF_A_GROUP || a->type == OF_A_ENCAP || a->type == OF_A_DECAP)
			return true;
	return false;
}

void
xlate_freeze_rest(struct xctx *ctx, const struct of_action *a, const struct of_action *end)
{
	/* What is left of lists in lists becomes one: where one ends is kept if that matters.  (A
	 * pause's list goes through the controller, which knows no such mark.) */
	if (a < end && !ctx->pause && may_stop(&ctx->frozen_actions))
		put_unroll(ctx, true);
	for (; a < end; a = of_action_next(a)) {
		switch ((enum of_action_type)a->type) {
		case OF_A_OUTPUT_REG:
		case OF_A_OUTPUT_TRUNC:
		case OF_A_GROUP:
		case OF_A_OUTPUT:
		case OF_A_CONTROLLER:
		case OF_A_DEC_MPLS_TTL:
		case OF_A_DEC_TTL:
		case OF_A_RESUBMIT:
		case OF_A_GOTO_TABLE:
			put_unroll(ctx, false);
			break;
		case OF_A_NOTE:
		case OF_A_CONJUNCTION:
			continue;
		default:
			break;
		}
		if (!ctx->pause || !put_instruction_as_action(ctx, a))
			wf_buf_put(&ctx->frozen_actions, a, OF_ACTION_ALIGN(a->size));
	}
}

void
xlate_freeze_finish(struct xctx *ctx)
{
	struct frozen f = {
		.bridge = ctx->bv->bridge,
		.table = ctx->frozen_actions.size ? 0xff : ctx->frozen_table,
		.was_mpls = true, /* not the entry of a bridge */
		.in_bucket = ctx->in_bucket,
		.in_egress = ctx->in_egress,
		.stack = ctx->stack,
		.stack_size = ctx->stack_size,
		.actions = ctx->frozen_actions.data,
		.actions_size = ctx->frozen_actions.size,
		.action_set = ctx->action_set.data,
		.action_set_size = ctx->action_set.size,
		.rule_cookie = ctx->rule_cookie,
		.in_slot = ctx->in->in_slot,
		.mirrored = ctx->mirrored,
		.depth_left = (uint32_t)(XLATE_MAX_DEPTH - ctx->depth),
		.resubmits_left = XLATE_MAX_RESUBMITS - ctx->resubmits,
	};
	const struct of_act_controller *pause = ctx->pause;
	static const struct of_key nothing;
	struct frozen *frozen;

	/* Only what restore brings back; the rest would keep equal states apart. */
	f.metadata.metadata = ctx->key.metadata;
	memcpy(f.metadata.regs, ctx->key.regs, sizeof f.metadata.regs);
	f.metadata.in_port = ctx->key.in_port;
	tunnel_part_copy(&f.metadata, &ctx->key);
	f.tunnel_own = xlate_tunnel_own(ctx);
	tunnel_part_merge(&f.metadata, &nothing, f.tunnel_own);

	xlate_commit(ctx);
	frozen = frozen_intern(&f);
	free(f.tunnel_own);
	if (pause) {
		xlate_controller(ctx, pause->max_len, pause->reason, pause->controller_id,
				 pause->meter_id, pause->userdata, pause->userdata_len, true,
				 frozen);
	} else {
		struct op_recirc *op = pb_put(&ctx->b, OP_RECIRC, sizeof *op);

		op->op.u8 = 1;
		op->op.u16 = (uint16_t)ctx->stay;
		op->frozen = frozen;
	}
	ctx->freezing = false;
	ctx->pause = NULL;
	ctx->frozen_table = 0xff;
	ctx->unrolled = false;
	wf_buf_clear(&ctx->frozen_actions);
}

/* Headers came up that the key does not show: must the packet be parsed before this action?
 * Those that look at no header, or only at Ethernet's, need not wait. */
bool
xlate_needs_parse(const struct xctx *ctx, const struct of_action *a)
{
	if (!ctx->reparse)
		return false;
	switch ((enum of_action_type)a->type) {
	case OF_A_GROUP: {
		/* Its hash covers what came up. */
		const struct group *g = group_find(ctx->bv, a->u32);

		return g && g->type == GROUP_SELECT;
	}
	case OF_A_OUTPUT:
		return a->u32 == OF_PORT_TABLE;
	case OF_A_OUTPUT_TRUNC:
	case OF_A_ENQUEUE:
	case OF_A_OUTPUT_REG:
	case OF_A_SET_VLAN_VID:
	case OF_A_SET_VLAN_PCP:
	case OF_A_SET_ETH_SRC:
	case OF_A_SET_ETH_DST:
	case OF_A_SET_TUNNEL:
	case OF_A_SET_QUEUE:
	case OF_A_METER:
	case OF_A_WRITE_METADATA:
	case OF_A_NOTE:
	case OF_A_EXIT:
	case OF_A_UNROLL_XLATE:
		return false;
	case OF_A_SET_FIELD: {
		enum of_field_id f = (enum of_field_id)((const struct of_act_set_field *)a)->field;

		return f >= OF_F_MPLS_LABEL;
	}
	default:
		return true;
	}
}
