// SPDX-License-Identifier: Apache-2.0
/* The walk: entry into a bridge, tables, resubmits, misses, limits, and the end of a plan. */
#include "dataplane/translate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dataplane/protocol_rx.h"
#include "dataplane/translate_internal.h"
#include "dataplane/tunnel.h"
#include "openflow/tlv_map.h"

WF_LOG_MODULE(ofproto_dpif_xlate);

static_assert(XLATE_MAX_DEPTH == 64 && XLATE_MAX_RESUBMITS == 4096 && PLAN_MAX_OPS == 1u << 20,
	      "the sentences in xlate_may_go_deeper()");

#define OFPR_NO_MATCH 0
#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_IPV6 0x86dd
#define FRAGS_NORMAL 0
#define FRAGS_NX_MATCH 3

void
xlate_shape_mask(struct of_key *m)
{
	m->in_port = UINT32_MAX;
	m->packet_type = UINT32_MAX;
	m->recirc_id = UINT32_MAX;
	m->dl_type = 0xffff;
	m->nw_proto = 0xff;
	m->nw_frag = OF_FRAG_MASK;
	m->pbb_isid |= 0x80000000u;
	for (int i = 0; i < OF_MAX_VLANS; i++)
		m->vlans[i].tci |= htons(OF_VLAN_CFI);
	for (int i = 0; i < OF_MAX_MPLS; i++)
		m->mpls_lse[i] |= htonl(0x100);
	/* ND's further prerequisite, an ICMPv6 type, is matched by every rule that sets ND fields, so
	 * it is in the layout then. */
}

const struct xport *
xlate_port(const struct xctx *ctx, of_port_t port)
{
	return xport_find(ctx->bv->ports, port);
}

void
xctx_save(const struct xctx *ctx, struct xsaved *s)
{
	s->key = ctx->key;
	s->written = ctx->written;
	s->known = ctx->known;
	s->ip_ttl = ctx->ip_ttl;
	s->mpls_ttl = ctx->mpls_ttl;
	s->reparse = ctx->reparse;
	s->frame_inside = ctx->frame_inside;
	s->n_tags = ctx->n_tags;
}

void
xctx_restore(struct xctx *ctx, const struct xsaved *s)
{
	ctx->key = s->key;
	ctx->written = s->written;
	ctx->known = s->known;
	ctx->ip_ttl = s->ip_ttl;
	ctx->mpls_ttl = s->mpls_ttl;
	ctx->reparse = s->reparse;
	ctx->frame_inside = s->frame_inside;
	ctx->n_tags = s->n_tags;
}

void
xlate_fail(struct xctx *ctx, enum xlate_error error, enum drop_reason reason)
{
	ctx->error = error;
	ctx->drop = reason;
}

void
xlate_credit(struct xctx *ctx, struct counter *c)
{
	if (!c)
		return;
	if (ctx->conditional) {
		struct op_count *op = pb_put(&ctx->b, OP_COUNT, sizeof *op);
		op->counter = c;
	} else {
		xlate_array_put(&ctx->b.credits, &c, sizeof c);
	}
}

/* What the data path is told not to do. */
static _Atomic unsigned lacks;

void
xlate_set_lacks(unsigned what)
{
	atomic_store_explicit(&lacks, what, memory_order_relaxed);
}

unsigned
xlate_lacks(void)
{
	return atomic_load_explicit(&lacks, memory_order_relaxed);
}

void
xlate_needs(struct xctx *ctx, uint8_t operation)
{
	if (!ctx->in->slow)
		ctx->lacks |= (xlate_lacks() | XLATE_LACKS_DEBUG) & operation;
}

/* In the log it is limited in rate, since traffic brings it about. */
void
xlate_report_error(struct xctx *ctx, const char *fmt, ...)
{
	struct wf_str s = WF_STR_INIT, flow = WF_STR_INIT;
	va_list args;

	if (!ctx->in->trace && ctx->resolve)
		return;
	/* This walk is done again for good, without a record. */
	xlate_unrecord(ctx, WALK_NEVER);
	if (ctx->in->record && ctx->in->record->state == WALK_NEVER)
		return;
	va_start(args, fmt);
	wf_str_vfmt(&s, fmt, args);
	va_end(args);
	if (ctx->in->trace) {
		trace_put(ctx->in->trace, TRACE_ERROR, "%s", wf_str_cstr(&s));
	} else {
		struct of_key shown = ctx->key;

		/* The packet as it came, though another bridge may drop it. */
		shown.in_port = ctx->in->key.in_port;
		if (ctx->frame_inside) { /* who sent it tells more than that it is a payload now */
			shown.packet_type = OF_PT_ETH;
			memcpy(shown.dl_dst, ctx->in->key.dl_dst, 6);
			memcpy(shown.dl_src, ctx->in->key.dl_src, 6);
		}
		of_key_format(&shown, NULL, NULL, &flow);
		wf_warn_rl("%s on bridge %s while processing %s", wf_str_cstr(&s),
			   ctx->bv->bridge->name, wf_str_cstr(&flow));
	}
	wf_str_done(&s);
	wf_str_done(&flow);
}

bool
xlate_may_go_deeper(struct xctx *ctx)
{
	if (ctx->depth >= XLATE_MAX_DEPTH) {
		xlate_report_error(ctx, "over max translation depth 64");
		xlate_fail(ctx, XE_TOO_DEEP, DROP_PIPELINE_TOO_DEEP);
	} else if (ctx->resubmits >= XLATE_MAX_RESUBMITS || ctx->work >= XLATE_MAX_RESUBMITS) {
		ctx->crowded = ctx->n_choices != 0;
		xlate_report_error(ctx, "over 4096 resubmit actions");
		xlate_fail(ctx, XE_TOO_MANY, DROP_PIPELINE_TOO_MANY);
	} else if (ctx->b.ops.size > PLAN_MAX_OPS) {
		ctx->crowded = ctx->n_choices != 0;
		xlate_report_error(ctx, "resubmits yielded over 1 MB of actions");
		xlate_fail(ctx, XE_TOO_MANY, DROP_PIPELINE_TOO_MANY);
	} else if (ctx->stack_size >= 65536) {
		xlate_report_error(ctx, "resubmits yielded over 64 kB of stack");
		xlate_fail(ctx, XE_STACK, DROP_STACK_TOO_DEEP);
	} else {
		return true;
	}
	return false;
}

/* --- Table lookup ---------------------------------------------------------------------- */

enum miss_kind { MATCHED, MISSED_SILENT, MISSED_PACKET_IN, MISSED_FRAGMENT };

static struct rule *
lookup_one(struct xctx *ctx, uint8_t table_id)
{
	struct table *table = &ctx->bv->bridge->tables[table_id];
	struct plan_step step = { NULL, NULL };
	uint32_t conj_id = 0;
	struct walk_record *record = ctx->in->record;
	struct rule *rule;

	/* A bucket that may not be taken counts its rules by operations. */
	if (record && ctx->conditional)
		walk_record_end(record, WALK_NEVER);
	if (record)
		walk_record_lookup(record, ctx->in, table, &ctx->key, &ctx->known);
	rule = table_lookup(table, &ctx->key, ctx->view->version, &conj_id, &step, ctx->wc);
	if (record)
		walk_record_found(record, rule);
	xlate_array_put(&ctx->b.steps, &step, sizeof step);
	if (rule) {
		rule_ref(rule);
		xlate_array_put(&ctx->b.rules, &rule, sizeof rule);
	}
	return rule;
}

static bool
miss_goes_to_controller(const struct xctx *ctx, enum table_miss miss, of_port_t in_port)
{
	const struct xport *port;

	switch (miss) {
	case MISS_CONTROLLER_1_0:
		return ctx->bv->miss_default;
	case MISS_CONTINUE:
	case MISS_CONTROLLER:
		/* OFPPC_NO_PACKET_IN: OpenFlow 1.3.5 section A.2.1. */
		port = xlate_port(ctx, in_port);
		return !port || !(port->config & PC_NO_PACKET_IN);
	default:
		return false;
	}
}

/* The plan will point into the bridge's tables. */
static void
hold_bridge(struct xctx *ctx)
{
	struct bridge *br = ctx->bv->bridge, **held = (struct bridge **)ctx->b.bridges.data;
	size_t n = ctx->b.bridges.size / sizeof(struct bridge *);

	for (size_t i = 0; i < n; i++)
		if (held[i] == br)
			return;
	bridge_ref(br);
	xlate_array_put(&ctx->b.bridges, &br, sizeof br);
}

/* Finds the rule for the key as it is, in '*table_id' or, where a table's miss setting says
 * continue, in one that follows ('*table_id' is then that one). */
static enum miss_kind
lookup(struct xctx *ctx, of_port_t in_port, uint8_t *table_id, bool may_packet_in,
       bool honor_miss, struct rule **rulep)
{
	of_port_t old_in_port = ctx->key.in_port;
	__be16 tp_src = ctx->key.tp_src, tp_dst = ctx->key.tp_dst;
	enum table_miss miss = MISS_CONTINUE;
	struct rule *rule = NULL;

	*rulep = NULL;
	hold_bridge(ctx);
	if ((ctx->key.nw_frag & OF_FRAG_ANY) && ctx->bv->frag_mode != FRAGS_NX_MATCH) {
		if (ctx->bv->frag_mode != FRAGS_NORMAL)
			return MISSED_FRAGMENT;
		/* "Normal" handling pretends that no fragment has ports (OFPC_FRAG_NORMAL). */
		ctx->key.tp_src = ctx->key.tp_dst = 0;
	}
	ctx->key.in_port = in_port;
	for (unsigned id = *table_id; id < TABLE_INTERNAL; id++) {
		struct table *table = &ctx->bv->bridge->tables[id];

		*table_id = (uint8_t)id;
		rule = lookup_one(ctx, (uint8_t)id);
		xlate_credit(ctx, rule ? &table->matched : &table->missed);
		if (rule || !honor_miss)
			break;
		miss = (enum table_miss)atomic_load_explicit(&table->miss, memory_order_relaxed);
		if (miss != MISS_CONTINUE)
			break;
	}
	ctx->key.in_port = old_in_port;
	ctx->key.tp_src = tp_src;
	ctx->key.tp_dst = tp_dst;
	if (rule) {
		*rulep = rule;
		return MATCHED;
	}
	return may_packet_in && miss_goes_to_controller(ctx, miss, old_in_port) ? MISSED_PACKET_IN
										: MISSED_SILENT;
}

static struct trace_node *
report_table(struct xctx *ctx, enum miss_kind kind, const struct rule *rule, uint8_t table_id)
{
	struct xlate_trace *t = ctx->in->trace;
	struct wf_str s = WF_STR_INIT;
	struct trace_node *before;

	if (!t)
		return NULL;
	switch (kind) {
	case MISSED_PACKET_IN:
		wf_str_put(&s, "No match, and a \"packet-in\" is called for.");
		break;
	case MISSED_SILENT:
		wf_str_put(&s, "No match.");
		break;
	case MISSED_FRAGMENT:
		wf_str_put(&s, "Packets are IP fragments and the fragment handling mode is "
			       "\"drop\".");
		break;
	case MATCHED: {
		struct of_match_full *m = wf_xmalloc(sizeof *m);
		size_t len;

		of_match_unpack(rule->match, m);
		of_match_format(m, -1, t->names ? trace_port_name : NULL, (void *)ctx->bv, &s);
		free(m);
		len = s.len;
		if (len && s.s[len - 1] != ' ')
			wf_str_put(&s, ", ");
		wf_str_fmt(&s, "priority %d", rule->priority);
		if (rule->cookie)
			wf_str_fmt(&s, ", cookie 0x%" PRIx64, rule->cookie);
		break;
	}
	}
	before = trace_enter(t, TRACE_TABLE, "%2d. %s", table_id, wf_str_cstr(&s));
	wf_str_done(&s);
	return before;
}

/* A miss that goes to the controller, as if a rule said so. */
static const struct of_act_controller miss_actions = {
	.a = { .type = OF_A_CONTROLLER, .size = sizeof(struct of_act_controller) },
	.max_len = UINT16_MAX,
	.reason = OFPR_NO_MATCH,
};

static void
run_rule(struct xctx *ctx, enum miss_kind kind, struct rule *rule, bool is_last, bool as_clone)
{
	struct rule *old_rule = ctx->rule;
	uint64_t old_cookie = ctx->rule_cookie;
	bool old_miss = ctx->is_miss_rule;
	const void *actions = NULL;
	size_t size = 0;

	ctx->rule = rule;
	ctx->rule_cookie = 0;
	ctx->is_miss_rule = false;
	if (rule) {
		xlate_credit(ctx, &rule->counter);
		if (ctx->in->record)
			ctx->in->record->n_credited++;
		ctx->rule_cookie = rule->cookie;
		ctx->is_miss_rule = !rule->priority && !of_match_n_words(rule->match);
		actions = rule->actions->data;
		size = rule->actions->size;
	} else if (kind == MISSED_PACKET_IN) {
		actions = &miss_actions;
		size = sizeof miss_actions;
	} else {
		ctx->drop = kind == MISSED_FRAGMENT ? DROP_RX_IP_FRAG : DROP_TABLE_MISS;
	}
	if (as_clone && size)
		xlate_clone_actions(ctx, actions, size, is_last);
	else
		xlate_actions(ctx, actions, size, is_last, false);
	ctx->rule = old_rule;
	ctx->rule_cookie = old_cookie;
	ctx->is_miss_rule = old_miss;
}

void
xlate_table(struct xctx *ctx, of_port_t in_port, uint8_t table_id, bool may_packet_in,
	    bool honor_miss, bool is_last, bool as_clone)
{
	uint8_t old_table = ctx->table_id, found = table_id;
	struct trace_node *before;
	enum miss_kind kind;
	struct rule *rule;
	bool deepens;

	if (ctx->reparse) {
		ctx->frozen_table = table_id;
		xlate_freeze(ctx);
		return;
	}
	if (!xlate_may_go_deeper(ctx))
		return;
	kind = lookup(ctx, in_port, &found, may_packet_in, honor_miss, &rule);
	if (may_packet_in && ctx->in_egress)
		ctx->egress_missed = kind != MATCHED;
	deepens = found <= old_table;
	ctx->table_id = found;
	before = report_table(ctx, kind, rule, found);
	ctx->resubmits++;
	ctx->work++;
	ctx->depth += deepens;
	run_rule(ctx, kind, rule, is_last, as_clone);
	ctx->depth -= deepens;
	trace_leave(ctx->in->trace, before);
	ctx->table_id = old_table;
}

/* --- Entry ----------------------------------------------------------------------------- */

static bool
may_receive(const struct xport *port)
{
	return !port || !(port->config & (PC_NO_RECV | PC_PORT_DOWN));
}

static bool
is_mirror_output_only(const struct xport *port)
{
	return port && port->bundle && port->bundle->mirror_out;
}

/* The first lookup of a packet in a bridge; hidden rules come first. */
static enum miss_kind
first_lookup(struct xctx *ctx, struct rule **rule)
{
	*rule = lookup_one(ctx, TABLE_INTERNAL);
	if (*rule) {
		ctx->table_id = 0;
		return MATCHED;
	}
	return lookup(ctx, ctx->key.in_port, &ctx->table_id, true, true, rule);
}

void
xlate_enter(struct xctx *ctx, bool is_last)
{
	const struct xport *in = xlate_port(ctx, ctx->key.in_port);

	if (!may_receive(in)) {
		ctx->drop = DROP_RX_PORT_DOWN;
		return;
	}
	xlate_mirror(ctx, mirrors_on_input(ctx->bv, ctx->key.in_port), ctx->key.in_port);
	xlate_table(ctx, ctx->key.in_port, 0, true, true, is_last, true);
	if (!ctx->freezing && !ctx->error)
		xlate_action_set_run(ctx);
	if (ctx->freezing)
		xlate_freeze_finish(ctx);
}

/* What a continuation brings back: all metadata but what belongs to the packet itself. */
static void
restore_metadata(struct xctx *ctx, const struct frozen *f)
{
	uint8_t *known = (uint8_t *)&ctx->known + TUNNEL_PART_OFS;
	struct of_key *key = &ctx->key;

	key->metadata = f->metadata.metadata;
	memcpy(key->regs, f->metadata.regs, sizeof key->regs);
	key->in_port = f->metadata.in_port;
	key->conj_id = 0;
	tunnel_part_copy(key, &f->metadata);
	tunnel_part_merge(key, &ctx->in->key, f->tunnel_own);
	for (unsigned i = 0; i < TUNNEL_PART_SIZE; i++)
		known[i] = f->tunnel_own ? (uint8_t)~f->tunnel_own[i] : 0xff;
}

static bool
bridge_exists(const struct view *v, const struct bridge *br, const struct bridge_view **bv)
{
	for (uint32_t i = 0; i < v->n_bridges; i++) {
		if (v->bridges[i] && v->bridges[i]->bridge == br) {
			*bv = v->bridges[i];
			return true;
		}
	}
	return false;
}

static void
report_actions(struct xctx *ctx, const char *title, const void *actions, size_t size)
{
	struct wf_str s = WF_STR_INIT;

	if (!ctx->in->trace)
		return;
	of_actions_format(actions, size, NULL, NULL, &s);
	trace_put(ctx->in->trace, TRACE_THAW, "%s: %s", title, wf_str_cstr(&s));
	wf_str_done(&s);
}

static bool
thaw(struct xctx *ctx, const struct frozen *f)
{
	struct xlate_trace *t = ctx->in->trace;
	struct trace_node *before = trace_enter(t, TRACE_THAW, "thaw");

	if (!bridge_exists(ctx->view, f->bridge, &ctx->bv)) {
		trace_put(t, TRACE_ERROR, "Frozen bridge no longer exists.");
		xlate_fail(ctx, XE_NO_RECIRC, DROP_RX_NO_BRIDGE);
		trace_leave(t, before);
		return false;
	}
	ctx->table_id = f->actions_size || f->table == 0xff ? 0 : (uint8_t)f->table;
	trace_put(t, TRACE_THAW, "Resuming from table %d", ctx->table_id);
	restore_metadata(ctx, f);
	ctx->mirrored = f->mirrored;
	ctx->in_bucket = f->in_bucket;
	ctx->in_egress = f->in_egress;
	ctx->depth = XLATE_MAX_DEPTH - (int)f->depth_left;
	ctx->resubmits = ctx->work = XLATE_MAX_RESUBMITS - f->resubmits_left;
	ctx->rule_cookie = f->rule_cookie;
	if (f->stack_size) {
		ctx->stack = wf_xmemdup(f->stack, f->stack_size);
		ctx->stack_size = ctx->stack_room = f->stack_size;
	}
	ctx->key.actset_output = OF_PORT_UNSET;
	if (f->action_set_size) {
		report_actions(ctx, "Restoring action set", f->action_set, f->action_set_size);
		xlate_action_set_write(ctx, f->action_set, f->action_set_size);
	}
	if (f->actions_size)
		report_actions(ctx, "Restoring actions", f->actions, f->actions_size);
	trace_leave(t, before);
	return true;
}

bool
frozen_is_bridge_entry(const struct frozen *f)
{
	return !f->actions_size && !f->table && !f->action_set_size && !f->was_mpls;
}

static void
walk(struct xctx *ctx)
{
	const struct xlate_in *in = ctx->in;
	const void *actions = in->actions;
	size_t size = in->actions_size;
	bool first = !in->frozen || frozen_is_bridge_entry(in->frozen);
	const struct xport *in_xport;

	if (!in->frozen && ctx->key.recirc_id) {
		/* A trace's; packets bring their continuation along. */
		xlate_report_error(ctx, "Recirculation context not found for ID %" PRIx32,
				   ctx->key.recirc_id);
		xlate_fail(ctx, XE_NO_RECIRC, DROP_RX_NO_BRIDGE);
		return;
	}
	if (in->frozen) {
		if (!thaw(ctx, in->frozen))
			return;
		actions = in->frozen->actions;
		size = in->frozen->actions_size;
		if (!size && in->frozen->table == 0xff)
			actions = in->frozen; /* only the action set remains */
	}
	in_xport = xlate_port(ctx, ctx->key.in_port);
	if (!actions) {
		struct trace_node *before;
		struct rule *rule;
		enum miss_kind kind;

		if (first)
			kind = first_lookup(ctx, &rule);
		else
			kind = lookup(ctx, ctx->key.in_port, &ctx->table_id, true, true, &rule);
		ctx->egress_missed = ctx->in_egress && kind != MATCHED;
		before = report_table(ctx, kind, rule, ctx->table_id);
		if (first && is_mirror_output_only(in_xport)) {
			trace_leave(in->trace, before);
			trace_put(in->trace, TRACE_ERROR,
				  "dropping packet received on port %s, which is reserved "
				  "exclusively for mirroring", in_xport->bundle->name);
			ctx->drop = DROP_RX_MIRROR_ONLY;
			return;
		}
		if (!may_receive(in_xport)) {
			trace_leave(in->trace, before);
			ctx->drop = DROP_RX_PORT_DOWN;
			return;
		}
		if (first)
			xlate_mirror(ctx, mirrors_on_input(ctx->bv, ctx->key.in_port),
				     ctx->key.in_port);
		run_rule(ctx, kind, rule, true, false);
		/* The action set speaks for the first table's rule. */
		ctx->rule_cookie = rule ? rule->cookie : 0;
		trace_leave(in->trace, before);
	} else if (size) {
		if (!in->frozen) {
			if (!may_receive(in_xport)) {
				ctx->drop = DROP_RX_PORT_DOWN;
				return;
			}
			xlate_mirror(ctx, mirrors_on_input(ctx->bv, ctx->key.in_port),
				     ctx->key.in_port);
		}
		xlate_actions(ctx, actions, size, true, false);
	}
	if (!ctx->freezing && !ctx->error && !ctx->in_bucket)
		xlate_action_set_run(ctx);
	if (ctx->freezing)
		xlate_freeze_finish(ctx);
}

static void
wc_always(struct of_key *wc, const struct of_key *key)
{
	wc->packet_type = UINT32_MAX;
	wc->in_port = UINT32_MAX;
	wc->recirc_id = UINT32_MAX;
	wc->dl_type = 0xffff;
	if (xlate_is_ip(key))
		wc->nw_frag |= OF_FRAG_MASK;
	if (!tunnel_key_is_set(key))
		return;
	/* They chose the port. */
	wc->tun_id = UINT64_MAX;
	if (key->tun_dst) {
		wc->tun_src = wc->tun_dst = UINT32_MAX;
	} else {
		memset(&wc->tun_ipv6_src, 0xff, sizeof wc->tun_ipv6_src);
		memset(&wc->tun_ipv6_dst, 0xff, sizeof wc->tun_ipv6_dst);
	}
	wc->tun_flags |= OF_TUN_F_DF | OF_TUN_F_CSUM | OF_TUN_F_KEY;
	wc->tun_tos = 0xff;
	if (xlate_is_ip(key) && (key->tun_tos & 3) == 3)
		wc->nw_tos |= 3;
}

/* For text: the Ethernet header that the pop gives to what a port of legacy_l3 received. */
static void
show_push_eth(struct xctx *ctx)
{
	const struct tunnel_port *tp;
	struct op_push_eth *op;

	if (!ctx->in->trace || ctx->key.packet_type == OF_PT_ETH || !ctx->view->tunnels)
		return;
	tp = tunnel_port_by_slot(ctx->view->tunnels, ctx->in->in_slot);
	if (!tp || tp->config.pt_mode != TNL_PT_LEGACY_L3)
		return;
	op = pb_put(&ctx->b, OP_PUSH_ETH, sizeof *op);
	op->dl_type = (uint16_t)ctx->key.packet_type;
	ctx->key.packet_type = OF_PT_ETH;
}

/* For text: what the pop does to the ECN bits of a packet before the walk.  False: it drops it. */
static bool
show_ecn(struct xctx *ctx)
{
	int ecn;

	if (!ctx->in->trace || !tunnel_key_is_set(&ctx->key) || !xlate_is_ip(&ctx->key))
		return true;
	ecn = tnl_ecn_decap(ctx->key.tun_tos, ctx->key.nw_tos);
	if (ecn < 0) {
		ctx->drop = DROP_TUNNEL_ECN;
		return false;
	}
	if (ecn != (ctx->key.nw_tos & 3)) {
		ctx->key.nw_tos |= 3;
		ctx->written.nw_tos |= 3;
	}
	return true;
}

/* For text: is it a packet that the port speaks itself, which no flow sees? */
static bool
show_protocol(struct xctx *ctx)
{
	const struct xport *port;

	if (!ctx->in->protocol || !ctx->wc || ctx->in->actions || ctx->in->frozen)
		return false;
	port = xlate_port(ctx, ctx->key.in_port);
	*ctx->in->protocol = port ? protocol_of_key(&ctx->key, port, ctx->wc) : 0;
	return *ctx->in->protocol != 0;
}

/* The mask as a datapath would keep it: of the packet only, and of headers that it had. */
static void
wc_finish(struct of_key *wc, const struct of_key *key)
{
	wc->metadata = 0;
	memset(wc->regs, 0, sizeof wc->regs);
	wc->actset_output = 0;
	wc->conj_id = 0;
	if (key->packet_type != OF_PT_ETH) {
		memset(wc->dl_dst, 0, sizeof wc->dl_dst);
		memset(wc->dl_src, 0, sizeof wc->dl_src);
	}
	if ((key->dl_type == htons(ETH_TYPE_IPV4) && key->nw_proto == IPPROTO_ICMP) ||
	    (key->dl_type == htons(ETH_TYPE_IPV6) && key->nw_proto == IPPROTO_ICMPV6)) {
		wc->tp_src &= htons(0xff);
		wc->tp_dst &= htons(0xff);
	}
	if (key->nw_frag & OF_FRAG_LATER)
		wc->tp_src = wc->tp_dst = 0;
	for (int i = 0; i < OF_MAX_VLANS; i++) {
		if (wc->vlans[i].tci)
			wc->vlans[i].tci |= htons(OF_VLAN_CFI);
		if (!key->vlans[i].tpid)
			wc->vlans[i].tci = wc->vlans[i].tpid = 0;
	}
	if (key->dl_type != htons(0x8847) && key->dl_type != htons(0x8848))
		memset(wc->mpls_lse, 0, sizeof wc->mpls_lse);
	if (!key->tun_dst && !memcmp(&key->tun_ipv6_dst, &(struct in6_addr){ 0 }, 16))
		memset((uint8_t *)wc + offsetof(struct of_key, tun_id), 0,
		       offsetof(struct of_key, dl_dst) - offsetof(struct of_key, tun_id));
}

static const char *
error_text(enum xlate_error error)
{
	switch (error) {
	case XE_OK:
	case XE_LEARN:
		return NULL;
	case XE_TOO_DEEP:
		return "Recursion too deep";
	case XE_TOO_MANY:
		return "Too many resubmits";
	case XE_STACK:
		return "Stack too deep";
	case XE_NO_RECIRC:
		return "No recirculation context";
	case XE_MPLS_ROOM:
		return "Too many MPLS labels";
	case XE_VLAN_ROOM:
		return "Too many VLAN tags";
	case XE_PACKET_TYPE:
		return "Unsupported packet type";
	case XE_NOT_BUILT:
		return "Not built yet";
	}
	return NULL;
}

/* The end of the walk: what the plan is to say about itself. */
static struct plan *
finish(struct xctx *ctx)
{
	struct plan flags = *ctx->plan, *plan;

	if (ctx->error) {
		xlate_unrecord(ctx, WALK_NEVER);
		pb_abort(&ctx->b);
	} else if (ctx->lacks & ~XLATE_LACKS_ONLY_TEXT && !ctx->resolve) {
		struct plan_op *op;

		/* What comes after it is never run: it keeps continuations, so that the next packet's
		 * walk has the same ones. */
		pb_trim(&ctx->b, 0);
		wf_buf_put_zeros(&ctx->b.ops, sizeof *op);
		op = pb_at(&ctx->b, 0);
		memmove(op + 1, op, ctx->b.ops.size - sizeof *op);
		*op = (struct plan_op){ .type = OP_SLOW, .u8 = 1, .size = sizeof *op };
		/* The walk is done again for each packet. */
		wf_buf_clear(&ctx->b.credits);
		flags.ttl_min = flags.mpls_ttl_min = 0;
		flags.cacheable = true;
	} else {
		pb_trim(&ctx->b, 0);
	}
	if (ctx->to_learn) {
		struct op_learn *op = pb_put(&ctx->b, OP_LEARN, sizeof *op);

		op->op.u8 = 1;
		op->op.u32 = ctx->to_learn_index;
		op->flow = ctx->to_learn;
		pb_put(&ctx->b, OP_SLOW, sizeof(struct plan_op));
		/* The walk is done again: nothing is credited twice. */
		wf_buf_clear(&ctx->b.credits);
	}
	plan = pb_finish(&ctx->b);
	plan->ttl_min = flags.ttl_min;
	plan->mpls_ttl_min = flags.mpls_ttl_min;
	plan->cacheable = flags.cacheable;
	plan->version = ctx->view->version;
	plan->has_output = pb_has_output(plan->ops, plan->ops_size);
	plan->lacks = ctx->lacks;
	plan->n_stays = (uint8_t)(ctx->n_stays < PLAN_MAX_STAYS ? ctx->n_stays + 1 : PLAN_MAX_STAYS);
	plan->drop_reason = (uint8_t)(ctx->drop ? ctx->drop : DROP_ACTION_DROP);
	if (ctx->wc)
		wc_finish(ctx->wc, &ctx->in->key);
	if (ctx->in->error)
		*ctx->in->error = error_text(ctx->error);
	free(ctx->stack);
	wf_buf_done(&ctx->action_set);
	wf_buf_done(&ctx->frozen_actions);
	return plan;
}

/* '*crowded': in, choose buckets now; out, that it must be done. */
static struct plan *
translate_once(const struct xlate_in *in, bool *crowded)
{
	struct xctx ctx = { .in = in, .view = in->view, .wc = in->wc, .choose = *crowded };
	struct plan flags = { .cacheable = !*crowded };
	struct trace_node *before = NULL;
	struct plan *plan;
	bool gone;

	ctx.plan = &flags;
	ctx.b.last = NO_OP;
	ctx.resolve = in->resolve || in->trace;
	ctx.key = in->key;
	ctx.key.actset_output = OF_PORT_UNSET;
	ctx.key.conj_id = 0;
	ctx.n_tags = xlate_vlan_depth(&ctx.key);
	ctx.orig_skb_priority = in->key.skb_priority;
	ctx.rule_cookie = UINT64_MAX;
	ctx.frozen_table = 0xff;
	if (ctx.resolve) {
		memset(&ctx.known, 0xff, sizeof ctx.known);
		/* As when packets are walked for, so that continuations are the same. */
		if (in->view->layout)
			tunnel_part_copy(&ctx.known, &in->view->layout->mask);
		flags.cacheable = false;
	} else if (in->record) {
		walk_record_known(&ctx.known);
	} else {
		if (in->view->layout)
			ctx.known = in->view->layout->mask;
		xlate_shape_mask(&ctx.known);
	}
	gone = !bridge_exists(in->view, in->bridge, &ctx.bv);
	if (gone) {
		flags.cacheable = false;
		xlate_fail(&ctx, XE_NO_RECIRC, DROP_RX_NO_BRIDGE);
		return finish(&ctx);
	}
	const struct of_tlv_map *map_before = of_tlv_map_enter(ctx.bv->tlv_map);
	if (ctx.wc)
		wc_always(ctx.wc, &in->key);
	if (in->trace)
		before = trace_enter(in->trace, TRACE_BRIDGE, "bridge(\"%s\")", in->bridge->name);
	/* Guards speak of what the key does not compare.  (What the walk writes is known only then.) */
	bool ttl_is_keyed = ctx.known.nw_ttl == 0xff;
	bool mpls_ttl_is_keyed = !(~ctx.known.mpls_lse[0] & htonl(0xff));
	show_push_eth(&ctx);
	if (show_ecn(&ctx) && !show_protocol(&ctx))
		walk(&ctx);
	if (ttl_is_keyed)
		flags.ttl_min = 0;
	if (mpls_ttl_is_keyed)
		flags.mpls_ttl_min = 0;
	trace_leave(in->trace, before);
	if (in->final_key)
		*in->final_key = ctx.key;
	*crowded = ctx.crowded && !ctx.choose;
	plan = finish(&ctx);
	of_tlv_map_enter(map_before);
	return plan;
}

struct plan *
translate(const struct xlate_in *in)
{
	bool crowded = false;
	struct plan *plan = translate_once(in, &crowded);

	if (crowded) {
		walk_record_end(in->record, WALK_NEVER);
		plan_free(plan);
		plan = translate_once(in, &crowded);
	}
	return plan;
}
