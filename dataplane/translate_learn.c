// SPDX-License-Identifier: Apache-2.0
/* learn: a flow made of the packet's values.  The walk fills it in and looks whether the rule
 * is there already; applying it is main's (rule 8, struct op_learn).  Also multipath and bundle,
 * which choose by a hash of fields that the cache compares. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "dataplane/translate_internal.h"

#define OFPFF_SEND_FLOW_REM 1

void
learned_flow_unref(struct learned_flow *f)
{
	struct rule *rule;

	if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
		return;
	rule = atomic_load_explicit(&f->rule, memory_order_relaxed);
	if (rule)
		rule_unref(rule);
	free(f->actions);
	free(f);
}

/* --- Filling in ---------------------------------------------------------------------------- */

static void
put_load(struct wf_buf *actions, const struct of_subfield *dst, unsigned n_bits,
	 const union of_value *value)
{
	static const union of_value ones = { .b = { [0 ... 127] = 0xff } };
	const struct of_field *f = of_field(dst->field);
	struct of_act_set_field *sf;

	sf = of_action_put(actions, OF_A_SET_FIELD, sizeof *sf + 2u * f->n_bytes);
	sf->a.raw = OF_RAW_REG_LOAD;
	sf->field = (uint16_t)f->id;
	sf->n_bytes = f->n_bytes;
	of_bits_copy(value, sizeof *value, 0, sf->value_mask, f->n_bytes, dst->ofs, n_bits);
	of_bits_copy(&ones, sizeof ones, 0, sf->value_mask + f->n_bytes, f->n_bytes, dst->ofs,
		     n_bits);
}

static void
put_output(struct wf_buf *actions, unsigned n_bits, const union of_value *value)
{
	struct of_act_output *out;
	of_port_t port;

	if (n_bits > 32)
		for (unsigned i = 0; i < sizeof *value - 4; i++)
			if (value->b[i])
				return;
	port = (uint32_t)value->b[124] << 24 | (uint32_t)value->b[125] << 16 |
	       (uint32_t)value->b[126] << 8 | value->b[127];
	if (port >= 0xff00 && port <= 0xffff)
		port |= 0xffff0000u; /* a reserved port in 16 bits */
	if (port < OF_PORT_MAX || port == OF_PORT_IN_PORT || port == OF_PORT_FLOOD ||
	    port == OF_PORT_LOCAL || port == OF_PORT_ALL) {
		out = of_action_put(actions, OF_A_OUTPUT, sizeof *out);
		out->a.u32 = port;
	}
}

static struct learned_flow *
fill_in(struct xctx *ctx, const struct of_act_learn *a)
{
	struct learned_flow *f = wf_xzalloc(sizeof *f);
	struct wf_buf actions = WF_BUF_INIT;

	atomic_init(&f->refs, 1);
	f->bridge = ctx->bv->bridge;
	f->table_id = a->table;
	f->priority = a->priority;
	f->idle_timeout = a->idle_timeout;
	f->hard_timeout = a->hard_timeout;
	f->fin_idle_timeout = a->fin_idle_timeout;
	f->fin_hard_timeout = a->fin_hard_timeout;
	f->flags = a->flags & OF_LEARN_F_SEND_FLOW_REM ? OFPFF_SEND_FLOW_REM : 0;
	f->cookie = a->cookie;
	f->limit = a->limit;
	of_match_init_any(&f->match);
	if (a->fin_idle_timeout || a->fin_hard_timeout) {
		struct of_act_fin_timeout *ft =
			of_action_put(&actions, OF_A_FIN_TIMEOUT, sizeof *ft);

		ft->idle = a->fin_idle_timeout;
		ft->hard = a->fin_hard_timeout;
	}
	of_learn_for_each_spec(s, a)
	{
		union of_value value;

		memset(&value, 0, sizeof value);
		if (s->src_is_immediate) {
			memcpy(value.b + sizeof value - s->imm_size, of_learn_spec_imm(s), s->imm_size);
		} else {
			xlate_mark_read(ctx, of_field(s->src.field));
			of_subfield_get(&s->src, &ctx->key, &value);
		}
		switch (s->dst_type) {
		case 0: {
			union of_value v, m;
			static const union of_value ones = { .b = { [0 ... 127] = 0xff } };
			const struct of_field *dst = of_field(s->dst.field);

			memset(&v, 0, sizeof v);
			memset(&m, 0, sizeof m);
			of_bits_copy(&value, sizeof value, 0, &v, dst->n_bytes, s->dst.ofs,
				     s->n_bits);
			of_bits_copy(&ones, sizeof ones, 0, &m, dst->n_bytes, s->dst.ofs,
				     s->n_bits);
			of_field_set_masked(dst, &v, &m, &f->match.key);
			of_field_set_masked(dst, &m, &m, &f->match.mask);
			/* As every rule that matches headers of an Ethernet packet says so. */
			if (dst->prereq != OF_PRE_NONE) {
				f->match.key.packet_type = OF_PT_ETH;
				f->match.mask.packet_type = UINT32_MAX;
			}
			break;
		}
		case 1:
			put_load(&actions, &s->dst, s->n_bits, &value);
			break;
		case 2:
			put_output(&actions, s->n_bits, &value);
			break;
		}
	}
	if (actions.size)
		f->actions = wf_xmemdup(actions.data, actions.size);
	f->actions_size = actions.size;
	wf_buf_done(&actions);
	return f;
}

static void
report(struct xctx *ctx, const struct learned_flow *f)
{
	struct wf_str s = WF_STR_INIT;

	if (!ctx->in->trace)
		return;
	wf_str_fmt(&s, "table=%d ", f->table_id);
	of_match_format(&f->match, -1, NULL, NULL, &s);
	wf_str_chomp(&s, ' ');
	wf_str_fmt(&s, " priority=%d", f->priority);
	if (f->cookie)
		wf_str_fmt(&s, " cookie=0x%" PRIx64, f->cookie);
	if (f->idle_timeout)
		wf_str_fmt(&s, " idle=%d", f->idle_timeout);
	if (f->hard_timeout)
		wf_str_fmt(&s, " hard=%d", f->hard_timeout);
	if (f->flags & OFPFF_SEND_FLOW_REM)
		wf_str_put(&s, " send_flow_rem");
	wf_str_put(&s, " actions=");
	of_actions_format(f->actions, f->actions_size, NULL, NULL, &s);
	trace_put(ctx->in->trace, TRACE_DETAIL, "%s", wf_str_cstr(&s));
	wf_str_done(&s);
}

/* --- Is it there? ---------------------------------------------------------------------------- */

/* The visible rule that learning 'f' again would only refresh, with a reference, or NULL. */
static struct rule *
find_learned(struct xctx *ctx, const struct learned_flow *f)
{
	struct of_match *m = of_match_pack(&f->match);
	/* As of now: the walk may be repeated, in its own view, after it has learned. */
	struct rule *r = table_find_shared(&f->bridge->tables[f->table_id], m, f->priority,
					   view_get()->version);

	free(m);
	if (!r || r->idle_timeout != f->idle_timeout || r->hard_timeout != f->hard_timeout ||
	    r->cookie != f->cookie || (r->flags & OFPFF_SEND_FLOW_REM) != f->flags ||
	    !of_actions_equal(r->actions->data, r->actions->size, f->actions, f->actions_size))
		return NULL;
	rule_ref(r);
	return r;
}

static void
write_result(struct xctx *ctx, const struct of_act_learn *a, bool success)
{
	union of_value v = { .b = { [127] = success } };

	if (!(a->flags & OF_LEARN_F_WRITE_RESULT))
		return;
	xlate_write_subfield(ctx, &a->result_dst, &v);
	xlate_subfield_report(ctx, &a->result_dst);
}

void
xlate_learn(struct xctx *ctx, const struct of_act_learn *a)
{
	struct learned_flow *f;
	struct op_learn *op;
	struct rule *rule;
	unsigned index = ctx->learn_index++;

	if (ctx->resolve && !ctx->in->packet) {
		/* Without a packet nothing may change; readers of a trace want to be told. */
		trace_put(ctx->in->trace, TRACE_WARN,
			  "suppressing side effects, so learn action ignored");
		of_learn_for_each_spec(s, a)
			if (!s->src_is_immediate)
				xlate_mark_read(ctx, of_field(s->src.field));
		return;
	}
	if (ctx->conditional) {
		/* Only a packet that takes this bucket teaches, and only then is what it taught looked
		 * after. */
		ctx->crowded = true;
		ctx->error = XE_LEARN;
		return;
	}
	f = fill_in(ctx, a);
	report(ctx, f);
	rule = find_learned(ctx, f);
	if (rule) {
		atomic_store_explicit(&f->rule, rule, memory_order_relaxed);
		op = pb_put(&ctx->b, OP_LEARN, sizeof *op);
		op->op.u32 = index;
		op->flow = f;
		write_result(ctx, a, true);
	} else if (index < ctx->in->learn_done || ctx->resolve) {
		/* Main has tried: over the limit, or refused. */
		bool tried = index < ctx->in->learn_done;

		if (tried && a->limit)
			trace_put(ctx->in->trace, TRACE_DETAIL, "Limit exceeded, learn failed");
		write_result(ctx, a, !tried);
		ctx->plan->cacheable = false;
		if (tried) {
			learned_flow_unref(f);
			return;
		}
		/* A trace learns at its end. */
		op = pb_put(&ctx->b, OP_LEARN, sizeof *op);
		op->op.u8 = 1;
		op->op.u32 = index;
		op->flow = f;
	} else {
		/* Everything so far is done again after the rule is in place (finish()). */
		ctx->to_learn = f;
		ctx->to_learn_index = index;
		ctx->plan->cacheable = false;
		ctx->error = XE_LEARN;
	}
}

/* --- Choices by hash --------------------------------------------------------------------------- */

static uint32_t
hash_u32(uint32_t v, uint32_t basis)
{
	uint64_t h = wf_hash_mix64(v, basis);

	return (uint32_t)(h ^ h >> 32);
}

/* The hashes are symmetric where their names say so: swapping source and destination gives the
 * same value. */
uint32_t
xlate_hash_fields(struct xctx *ctx, enum of_hash_fields fields, uint32_t basis)
{
	const struct of_key *k = &ctx->key;
	struct of_key *wc = ctx->wc;
	bool ip4 = k->dl_type == htons(0x0800), ip6 = k->dl_type == htons(0x86dd);
	bool l4 = !(k->nw_frag & OF_FRAG_LATER) &&
		  (k->nw_proto == IPPROTO_TCP || k->nw_proto == IPPROTO_SCTP ||
		   (k->nw_proto == IPPROTO_UDP && fields != OF_HASH_SYMMETRIC_L3L4));
	uint8_t block[64] = { 0 };

	switch (fields) {
	case OF_HASH_ETH_SRC:
		if (wc)
			memset(wc->dl_src, 0xff, 6);
		return wf_hash_bytes(k->dl_src, 6, basis);
	case OF_HASH_NW_SRC:
		if (wc && ip4)
			wc->nw_src = htonl(UINT32_MAX);
		if (wc && ip6)
			memset(&wc->ipv6_src, 0xff, 16);
		return ip4   ? hash_u32(k->nw_src, basis)
		       : ip6 ? wf_hash_bytes(&k->ipv6_src, 16, basis)
			     : basis;
	case OF_HASH_NW_DST:
		if (wc && ip4)
			wc->nw_dst = htonl(UINT32_MAX);
		if (wc && ip6)
			memset(&wc->ipv6_dst, 0xff, 16);
		return ip4   ? hash_u32(k->nw_dst, basis)
		       : ip6 ? wf_hash_bytes(&k->ipv6_dst, 16, basis)
			     : basis;
	case OF_HASH_SYMMETRIC_L4:
		for (int i = 0; i < 6; i++)
			block[i] = k->dl_src[i] ^ k->dl_dst[i];
		memcpy(block + 6, &k->dl_type, 2);
		memcpy(block + 8, &k->vlans[0].tci, 2);
		if (wc) {
			memset(wc->dl_src, 0xff, 6);
			memset(wc->dl_dst, 0xff, 6);
			wc->vlans[0].tci = 0xffff;
		}
		break;
	default:
		if (!ip4 && !ip6)
			return 0;
		break;
	}
	if (ip4 || ip6) {
		uint32_t x4 = k->nw_src ^ k->nw_dst;

		memcpy(block + 16, &x4, 4);
		for (int i = 0; i < 16; i++)
			block[20 + i] = k->ipv6_src.s6_addr[i] ^ k->ipv6_dst.s6_addr[i];
		if (wc && ip4)
			wc->nw_src = wc->nw_dst = htonl(UINT32_MAX);
		if (wc && ip6) {
			memset(&wc->ipv6_src, 0xff, 16);
			memset(&wc->ipv6_dst, 0xff, 16);
		}
		if (fields != OF_HASH_SYMMETRIC_L3) {
			block[36] = k->nw_proto;
			if (wc)
				wc->nw_proto = 0xff;
			if (l4) {
				uint16_t x = k->tp_src ^ k->tp_dst;

				memcpy(block + 40, &x, 2);
				if (wc)
					wc->tp_src = wc->tp_dst = 0xffff;
			}
		}
	}
	return wf_hash_bytes(block, sizeof block, basis);
}

/* Highest random weight: of the links that are alive the one with the greatest draw. */
static unsigned
hrw(uint32_t hash, unsigned n)
{
	unsigned best = 0;
	uint32_t best_draw = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t draw = hash_u32(i, hash);

		if (!i || draw > best_draw) {
			best = i;
			best_draw = draw;
		}
	}
	return best;
}

uint16_t
xlate_multipath_link(struct xctx *ctx, const struct of_act_multipath *m)
{
	uint32_t hash = xlate_hash_fields(ctx, (enum of_hash_fields)m->fields, m->basis);
	unsigned n = m->max_link + 1u;

	switch (m->algorithm) {
	case 0: /* modulo_n */
		return (uint16_t)(hash % n);
	case 1: /* hash_threshold (RFC 2992) */
		return (uint16_t)(n == 1 ? 0 : hash / (UINT32_MAX / n + 1));
	case 2:
		return (uint16_t)hrw(hash, n);
	default: { /* iter_hash: halve the power of two above until a link is hit */
		unsigned log2 = 1;

		while (1u << log2 < n)
			log2++;
		for (unsigned i = 0; i < 100; i++) {
			uint32_t link = hash_u32(i, hash) >> (32 - log2);

			if (link < n)
				return (uint16_t)link;
		}
		return (uint16_t)(hash % n);
	}
	}
}

static bool
member_is_enabled(const struct xctx *ctx, of_port_t port)
{
	const struct xport *p;

	switch (port) {
	case OF_PORT_IN_PORT:
	case OF_PORT_TABLE:
	case OF_PORT_NORMAL:
	case OF_PORT_FLOOD:
	case OF_PORT_ALL:
	case OF_PORT_NONE:
		return true;
	case OF_PORT_CONTROLLER:
		return false;
	default:
		p = xlate_port(ctx, port);
		return p && p->may_enable && !(p->config & PC_PORT_DOWN);
	}
}

of_port_t
xlate_bundle_choose(struct xctx *ctx, const struct of_act_bundle *b)
{
	uint32_t hash, best_draw = 0;
	int best = -1;

	if (!b->algorithm) { /* active_backup */
		for (unsigned i = 0; i < b->n_members; i++)
			if (member_is_enabled(ctx, b->members[i]))
				return b->members[i];
		return OF_PORT_NONE;
	}
	hash = xlate_hash_fields(ctx, (enum of_hash_fields)b->fields, b->basis);
	for (unsigned i = 0; i < b->n_members; i++) {
		uint32_t draw = hash_u32(i, hash);

		if (member_is_enabled(ctx, b->members[i]) && (best < 0 || draw > best_draw)) {
			best = (int)i;
			best_draw = draw;
		}
	}
	return best < 0 ? OF_PORT_NONE : b->members[best];
}
