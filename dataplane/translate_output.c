// SPDX-License-Identifier: Apache-2.0
/* Output in all its forms, packet-ins, NORMAL, mirrors, egress tables and the hop over a patch
 * port, which is walked inline (rule 17). */
#include "dataplane/translate_internal.h"
#include "dataplane/tunnel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "openflow/msg_packet.h"


/* --- Packet-in ---------------------------------------------------------------------------- */

/* What an action wrote is known. */
uint8_t *
xlate_tunnel_own(const struct xctx *ctx)
{
	const uint8_t *known = (const uint8_t *)&ctx->known + TUNNEL_PART_OFS;
	uint8_t *own;

	if (!(ctx->key.tun_flags & OF_TUN_F_RECEIVED))
		return NULL;
	own = wf_xmalloc(TUNNEL_PART_SIZE);
	for (unsigned i = 0; i < TUNNEL_PART_SIZE; i++)
		own[i] = (uint8_t)~known[i];
	return own;
}

void
xlate_controller(struct xctx *ctx, uint16_t max_len, uint8_t reason, uint16_t controller_id,
		 uint32_t meter_id, const uint8_t *userdata, uint16_t userdata_len, bool pause,
		 struct frozen *frozen)
{
	struct packet_in_spec *spec;
	struct op_controller *op;

	/* The cookie is the rule's, the metadata the packet's. */
	xlate_unrecord(ctx, WALK_NEVER);
	xlate_commit(ctx);
	if (meter_id) {
		struct meter *m = meter_find(ctx->bv, meter_id);

		if (m) {
			/* The meter may only drop the copy for the controller. */
			size_t outer, ofs = pb_open(&ctx->b, OP_CLONE, sizeof(struct op_clone),
						    &outer);
			struct op_meter *om = pb_put(&ctx->b, OP_METER, sizeof *om);

			om->meter = m;
			meter_ref(m);
			xlate_controller(ctx, max_len, reason, controller_id, 0, userdata,
					 userdata_len, pause, frozen);
			pb_close(&ctx->b, ofs, outer, false);
			return;
		}
	}
	spec = wf_xzalloc(sizeof *spec);
	spec->bridge = ctx->bv->bridge;
	spec->controller_id = controller_id;
	spec->max_len = max_len;
	spec->table_id = ctx->table_id;
	/* A packet-in by the action of a table-miss entry is an explicit miss (OpenFlow 1.3.5
	 * section 5.4); the encoder turns it back for earlier versions. */
	if (reason == OF_PIR_ACTION && ctx->is_miss_rule)
		reason = OF_PIR_EXPLICIT_MISS;
	spec->reason = reason;
	spec->pause = pause;
	spec->cookie = ctx->rule_cookie;
	spec->metadata = ctx->key;
	spec->tunnel_own = xlate_tunnel_own(ctx);
	if (userdata_len) {
		spec->userdata = wf_xmemdup(userdata, userdata_len);
		spec->userdata_len = userdata_len;
	}
	spec->frozen = frozen;
	op = pb_put(&ctx->b, OP_CONTROLLER, sizeof *op);
	op->op.u8 = reason;
	op->spec = spec;
}

/* --- Mirrors ------------------------------------------------------------------------------- */

static void clone_output(struct xctx *, const struct normal_output *);

/* A tunnel port whose outer header depends on metadata, of which there is some; the others' is always the
 * same (tunnel_port.frozen). */
static bool
takes_metadata(const struct xctx *ctx, const struct xport *p)
{
	const struct tunnel_port *tp;

	static const uint8_t nothing[TUNNEL_PART_SIZE];

	/* A policy (GBP), an index (ERSPAN) or options alone are metadata, too. */
	if (!p->is_tunnel ||
	    !memcmp((const uint8_t *)&ctx->key + TUNNEL_PART_OFS, nothing, sizeof nothing))
		return false;
	tp = tunnel_port_by_slot(ctx->view->tunnels, p->slot);
	return tp && tnl_config_reads_metadata(&tp->config);
}

/* NORMAL or MIRROR, with what an output to a patch port means if that may come about. */
static struct op_normal *
put_with_patches(struct xctx *ctx, enum plan_op_type type, of_port_t port, bool with_patches)
{
	const struct xport_set *set = ctx->bv->ports;
	uint32_t n_patches = 0, n = 0;
	struct op_normal *op;
	size_t ofs;

	for (uint32_t i = 0; with_patches && set && i < set->n; i++)
		n_patches += (set->ports[i].is_patch && set->ports[i].peer_bridge) ||
			     takes_metadata(ctx, &set->ports[i]);
	ofs = ctx->b.ops.size;
	op = pb_put(&ctx->b, type, sizeof *op + n_patches * sizeof op->patches[0]);
	op->op.u16 = (uint16_t)ctx->stay;
	op->bridge = ctx->bv->bridge;
	op->in_slot = ctx->in->in_slot;
	op->in_port = port;
	op->mirrored = ctx->mirrored;
	for (uint32_t i = 0; n < n_patches; i++) {
		const struct xport *p = &set->ports[i];
		struct op_normal_patch *patch;

		if (!(p->is_patch && p->peer_bridge) && !takes_metadata(ctx, p))
			continue;
		op = pb_at(&ctx->b, ofs);
		patch = &op->patches[n++];
		patch->port = p->ofp_port;
		if (p->is_patch)
			patch->frozen = frozen_for_entry(p->peer_bridge, p->peer_port,
							 XLATE_MAX_DEPTH - ctx->depth);
		else
			patch->frozen = frozen_for_output(ctx->bv->bridge, p->ofp_port, &ctx->key,
							  XLATE_MAX_DEPTH - ctx->depth);
		op->n_patches = n;
	}
	return pb_at(&ctx->b, ofs);
}

void
xlate_mirror(struct xctx *ctx, uint32_t set, of_port_t port)
{
	bool to_vlans = false;

	set &= ~ctx->mirrored;
	if (!set)
		return;
	for (unsigned i = 0; ctx->wc && i < MAX_MIRRORS; i++)
		if (set & (1u << i) && ctx->bv->l2->mirrors[i].vlans)
			ctx->wc->vlans[0].tci |= htons(OF_VLAN_VID_MASK | OF_VLAN_CFI);
	xlate_commit(ctx);
	if (ctx->resolve) {
		/* Text shows where the copies go. */
		struct normal_result *r = wf_xzalloc(sizeof *r);

		r->mirrored = ctx->mirrored;
		mirror_outputs(ctx->view, ctx->bv, set, port, &ctx->key, 0, r);
		ctx->mirrored = r->mirrored;
		for (unsigned i = 0; i < r->n; i++)
			clone_output(ctx, &r->out[i]);
		free(r);
		return;
	}
	/* Outputs of mirrors are mirrored, too. */
	for (unsigned i = 0; i < MAX_MIRRORS; i++)
		to_vlans |= ctx->bv->l2->mirrors[i].in_use && !ctx->bv->l2->mirrors[i].out;
	put_with_patches(ctx, OP_MIRROR, port, to_vlans)->op.u32 = set;
	/* Those that look at the VLAN may not have taken it. */
	for (unsigned i = 0; i < MAX_MIRRORS; i++) {
		const struct mirror *m = &ctx->bv->l2->mirrors[i];

		if (set & (1u << i) && m->in_use && !m->vlans)
			ctx->mirrored |= (uint32_t)m->dup_mirrors | 1u << i;
	}
}

/* --- One port ------------------------------------------------------------------------------ */

static bool
may_output(struct xctx *ctx, const struct xport *port)
{
	struct xlate_trace *t = ctx->in->trace;
	const struct xport *in;

	if (!port) {
		trace_put(t, TRACE_WARN, "Nonexistent output port");
		ctx->drop = DROP_OUT_NO_PORT;
		return false;
	}
	if (port->config & PC_NO_FWD) {
		trace_put(t, TRACE_DETAIL, "OFPPC_NO_FWD set, skipping output");
		ctx->drop = DROP_OUT_PORT_DOWN;
		return false;
	}
	/* Text tells the output, which is for the port to drop, as with OVS. */
	if (port->config & PC_PORT_DOWN && !ctx->resolve) {
		ctx->drop = DROP_OUT_PORT_DOWN;
		return false;
	}
	in = xlate_port(ctx, ctx->key.in_port);
	if (in && in->bundle && port->bundle && in->bundle->protected && port->bundle->protected) {
		trace_put(t, TRACE_WARN, "Flow is between protected ports, skipping output.");
		ctx->drop = DROP_RX_PROTECTED;
		return false;
	}
	if (ctx->key.packet_type != OF_PT_ETH && !port->is_tunnel) {
		trace_put(t, TRACE_WARN, "Trying to send non-Ethernet packet through legacy L2 "
					 "port. Dropping packet.");
		ctx->drop = DROP_UNSUPPORTED_PACKET_TYPE;
		return false;
	}
	return true;
}

/* What a bridge forgets of a packet that comes from another one. */
static void
forget_metadata(struct of_key *k)
{
	k->metadata = 0;
	memset(k->regs, 0, sizeof k->regs);
	k->actset_output = OF_PORT_UNSET;
	k->conj_id = 0;
	/* From ct_mark to the end of the tunnel part. */
	memset((uint8_t *)k + offsetof(struct of_key, ct_mark), 0,
	       offsetof(struct of_key, dl_dst) - offsetof(struct of_key, ct_mark));
}

/* The port may go while the plan still counts. */
static void
credit_port(struct xctx *ctx, struct counter *c)
{
	if (!c)
		return;
	counter_ref(c);
	xlate_array_put(&ctx->b.held, &c, sizeof c);
	xlate_credit(ctx, c);
}

/* Another bridge's walk keeps nothing of ours but the packet, which the caller saves. */
void
xlate_in_bridge(struct xctx *ctx, const struct bridge_view *bv, bool is_last)
{
	const struct bridge_view *old_bv = ctx->bv;
	struct wf_buf old_set = ctx->action_set;
	bool old_has_group = ctx->action_set_has_group, old_egress = ctx->in_egress;
	bool old_in_set = ctx->in_action_set, old_in_bucket = ctx->in_bucket;
	uint8_t *old_stack = ctx->stack;
	size_t old_stack_size = ctx->stack_size, old_stack_room = ctx->stack_room;
	uint32_t old_mirrored = ctx->mirrored, old_stay = ctx->stay;
	uint8_t old_table = ctx->table_id;
	struct trace_node *before;
	bool old_exit = ctx->exit;

	ctx->stack = NULL;
	ctx->stack_size = ctx->stack_room = 0;
	ctx->action_set = (struct wf_buf)WF_BUF_INIT;
	ctx->action_set_has_group = false;
	ctx->in_egress = ctx->in_action_set = ctx->in_bucket = false;
	if (bv != old_bv)
		ctx->mirrored = 0, ctx->stay = ++ctx->n_stays;
	ctx->bv = bv;
	before = trace_enter(ctx->in->trace, TRACE_BRIDGE, "bridge(\"%s\")", bv->bridge->name);

	xlate_enter(ctx, is_last);

	trace_leave(ctx->in->trace, before);
	free(ctx->stack);
	wf_buf_done(&ctx->action_set);
	ctx->stack = old_stack;
	ctx->stack_size = old_stack_size;
	ctx->stack_room = old_stack_room;
	ctx->action_set = old_set;
	ctx->action_set_has_group = old_has_group;
	ctx->in_egress = old_egress;
	ctx->in_action_set = old_in_set;
	ctx->in_bucket = old_in_bucket;
	if (bv != old_bv)
		ctx->mirrored = old_mirrored, ctx->stay = old_stay;
	ctx->bv = old_bv;
	ctx->table_id = old_table;
	/* The peer's exit is not ours, and its errors are its own, but for the limits that bound
	 * the walk as a whole. */
	ctx->exit = old_exit;
	if (ctx->error != XE_TOO_DEEP && ctx->error != XE_TOO_MANY && ctx->error != XE_STACK &&
	    ctx->error != XE_LEARN)
		ctx->error = XE_OK;
}

static void
patch_output(struct xctx *ctx, const struct xport *port, bool is_last)
{
	const struct bridge_view *peer_bv = NULL;
	const struct xport *peer;
	struct xsaved *saved;
	size_t ofs, outer;

	if (port->peer_bridge && port->peer_bridge->index < ctx->view->n_bridges)
		peer_bv = ctx->view->bridges[port->peer_bridge->index];
	if (!peer_bv || peer_bv->bridge != port->peer_bridge ||
	    !(peer = xport_find(peer_bv->ports, port->peer_port))) {
		ctx->drop = DROP_OUT_NO_PORT; /* not connected */
		return;
	}
	if (!is_last)
		xlate_commit(ctx);
	saved = wf_xmalloc(sizeof *saved);
	xctx_save(ctx, saved);
	ofs = pb_open(&ctx->b, OP_CLONE, sizeof(struct op_clone), &outer);
	forget_metadata(&ctx->key);
	ctx->key.in_port = peer->ofp_port;
	credit_port(ctx, port->tx_patch);
	credit_port(ctx, peer->rx_patch);
	if (peer->protocols) {
		struct op_protocol *op;

		xlate_commit(ctx);
		op = pb_put(&ctx->b, OP_PROTOCOL, sizeof *op);
		op->bridge = peer_bv->bridge;
		op->port = peer->ofp_port;
	}
	xlate_in_bridge(ctx, peer_bv, is_last);
	pb_close(&ctx->b, ofs, outer, is_last);
	xctx_restore(ctx, saved);
	free(saved);
}

/* OpenFlow 1.5.1 section 5.1.1: outputs of the ingress pipeline go through the egress tables, if
 * there are any, as copies whose action set outputs to the port. */
static void
egress_output(struct xctx *ctx, of_port_t port, bool is_last)
{
	struct of_act_output out = { .a = { .type = OF_A_OUTPUT, .size = sizeof out, .u32 = port } };
	struct wf_buf old_set = ctx->action_set;
	bool old_has_group = ctx->action_set_has_group, old_exit = ctx->exit;
	bool old_in_bucket = ctx->in_bucket;
	bool old_missed = ctx->egress_missed;
	struct xsaved *saved = wf_xmalloc(sizeof *saved);
	uint8_t old_table = ctx->table_id;
	size_t ofs, outer;

	if (!is_last)
		xlate_commit(ctx);
	xctx_save(ctx, saved);
	ofs = pb_open(&ctx->b, OP_CLONE, sizeof(struct op_clone), &outer);
	ctx->action_set = (struct wf_buf)WF_BUF_INIT;
	ctx->action_set_has_group = false;
	xlate_action_set_write(ctx, &out, sizeof out);
	ctx->in_egress = true;
	ctx->egress_missed = false;
	ctx->in_bucket = ctx->exit = false;
	xlate_table(ctx, ctx->key.in_port, ctx->bv->egress_table, true, false, is_last, false);
	if (!ctx->freezing && !ctx->error)
		xlate_action_set_run(ctx);
	if (ctx->freezing)
		xlate_freeze_finish(ctx);
	pb_close(&ctx->b, ofs, outer, is_last);
	wf_buf_done(&ctx->action_set);
	ctx->action_set = old_set;
	ctx->action_set_has_group = old_has_group;
	ctx->in_egress = false;
	ctx->egress_missed = old_missed;
	ctx->in_bucket = old_in_bucket;
	ctx->exit = old_exit;
	ctx->table_id = old_table;
	xctx_restore(ctx, saved);
	free(saved);
}

static void
put_plain_output(struct xctx *ctx, const struct xport *port)
{
	struct op_output *op;

	xlate_commit(ctx);
	if (ctx->resolve && xlate_tunnel_deliver(ctx, port))
		return;
	op = pb_put(&ctx->b, OP_OUTPUT, sizeof *op);
	op->op.u32 = port->slot;
	op->generation = port->generation;
	op->ofp_port = port->ofp_port;
}

static void
put_output(struct xctx *ctx, const struct xport *port, bool is_last)
{
	struct of_key *before, bits = { .nw_tos = 0xfc };
	struct xsaved *saved;
	size_t ofs, outer;
	uint8_t tos;

	if (ctx->wc && port->bundle && port->bundle->n_dscps)
		ctx->wc->skb_priority = UINT32_MAX;
	if (!xlate_is_ip(&ctx->key) || !bundle_dscp(port->bundle, ctx->key.skb_priority, &tos)) {
		put_plain_output(ctx, port);
		return;
	}
	/* Later outputs have the packet's own TOS, which need not be known here. */
	if (ctx->wc)
		ctx->wc->nw_tos |= 0xfc;
	saved = wf_xmalloc(sizeof *saved);
	xctx_save(ctx, saved);
	ofs = pb_open(&ctx->b, OP_CLONE, sizeof(struct op_clone), &outer);
	before = wf_xmemdup(&ctx->key, sizeof ctx->key);
	ctx->key.nw_tos = (ctx->key.nw_tos & 3) | tos;
	xlate_wrote(ctx, before, &bits);
	free(before);
	put_plain_output(ctx, port);
	pb_close(&ctx->b, ofs, outer, is_last);
	xctx_restore(ctx, saved);
	free(saved);
}

void
xlate_output_port(struct xctx *ctx, of_port_t ofp_port, bool is_last, bool truncated)
{
	const struct xport *port = xlate_port(ctx, ofp_port);

	if (!may_output(ctx, port))
		return;
	if (ctx->bv->egress_table && !ctx->in_egress) {
		egress_output(ctx, ofp_port, is_last);
		return;
	}
	if (port->is_patch) {
		if (truncated)
			trace_put(ctx->in->trace, TRACE_ERROR,
				  "Cannot truncate output to patch port");
		patch_output(ctx, port, is_last);
		return;
	}
	if (port->is_tunnel)
		xlate_tunnel_output(ctx, port, is_last);
	else
		put_output(ctx, port, is_last);
	xlate_mirror(ctx, mirrors_on_output(ctx->bv, ofp_port), ofp_port);
}

/* --- Many ports ----------------------------------------------------------------------------- */

/* 'all' overrides OFPPC_NO_FLOOD. */
static void
flood(struct xctx *ctx, bool all, bool is_last)
{
	const struct xport_set *set = ctx->bv->ports;
	of_port_t in_port = ctx->key.in_port;
	const struct xport *last = NULL;

	if (!is_last)
		xlate_commit(ctx);
	for (uint32_t i = 0; set && i < set->n; i++) {
		const struct xport *p = &set->ports[i];

		if (p->ofp_port == in_port || (!all && p->config & PC_NO_FLOOD))
			continue;
		if (last)
			xlate_output_port(ctx, last->ofp_port, false, false);
		last = p;
		if (ctx->error)
			return;
	}
	if (last)
		xlate_output_port(ctx, last->ofp_port, is_last, false);
	else
		ctx->drop = DROP_FLOOD_NO_PORT;
}

/* --- NORMAL --------------------------------------------------------------------------------- */

/* The tags that NORMAL gives a copy, in the key as if rules had done it. */
static void
apply_tags(struct xctx *ctx, const struct normal_output *o)
{
	struct of_key *k = &ctx->key;
	struct of_action pop = { .type = OF_A_STRIP_VLAN, .size = sizeof pop };

	for (unsigned i = 0; i < o->n_pop; i++)
		xlate_header_action(ctx, &pop);
	if (o->tagged) {
		uint16_t tci = (uint16_t)(o->vid | o->pcp << OF_VLAN_PCP_SHIFT);
		struct plan_op *op = pb_put(&ctx->b, OP_PUSH_VLAN, sizeof *op);

		op->u32 = (uint32_t)(o->tpid ? o->tpid : 0x8100) << 16 | tci;
		memmove(&k->vlans[1], &k->vlans[0], sizeof k->vlans - sizeof k->vlans[0]);
		k->vlans[0].tpid = htons(o->tpid ? o->tpid : 0x8100);
		k->vlans[0].tci = htons(tci | OF_VLAN_CFI);
		ctx->n_tags = xlate_vlan_depth(k);
	}
}

/* Text mode: one of NORMAL's or a mirror's outputs. */
static void
clone_output(struct xctx *ctx, const struct normal_output *o)
{
	struct xsaved *saved = wf_xmalloc(sizeof *saved);
	size_t ofs, outer;

	xctx_save(ctx, saved);
	ofs = pb_open(&ctx->b, OP_CLONE, sizeof(struct op_clone), &outer);
	apply_tags(ctx, o);
	if (o->max_len) {
		struct plan_op *op = pb_put(&ctx->b, OP_TRUNC, sizeof *op);

		op->u32 = o->max_len;
	}
	if (o->port->is_patch)
		patch_output(ctx, o->port, false);
	else if (o->port->is_tunnel)
		xlate_tunnel_output(ctx, o->port, false);
	else
		put_output(ctx, o->port, false);
	pb_close(&ctx->b, ofs, outer, false);
	xctx_restore(ctx, saved);
	free(saved);
}

static void
report_lines(struct xlate_trace *t, struct wf_str *text)
{
	char *line = text->s, *end;

	for (; line && *line; line = end + 1) {
		enum trace_node_type type = *line == '>' ? TRACE_WARN
					    : *line == '!' ? TRACE_ERROR : TRACE_DETAIL;

		end = strchr(line, '\n');
		if (!end)
			break;
		trace_put(t, type, "%.*s", (int)(end - line - 1), line + 1);
	}
}

static void
normal_now(struct xctx *ctx)
{
	struct normal_result *r = wf_xzalloc(sizeof *r);
	struct wf_str text = WF_STR_INIT;

	if (ctx->wc) {
		memset(ctx->wc->dl_src, 0xff, 6);
		memset(ctx->wc->dl_dst, 0xff, 6);
		ctx->wc->vlans[0].tci |= htons(OF_VLAN_VID_MASK | OF_VLAN_CFI);
		if (ctx->key.dl_type == htons(0x0806)) {
			static const uint8_t bcast[6] = { 255, 255, 255, 255, 255, 255 };

			if (!memcmp(ctx->key.dl_dst, bcast, 6)) {
				ctx->wc->nw_proto = 0xff;
				if (ctx->key.nw_proto == 1)
					ctx->wc->nw_src = ctx->wc->nw_dst = htonl(UINT32_MAX);
			}
		}
	}
	normal_decide(ctx->view, ctx->bv, ctx->key.in_port, &ctx->key,
		      ctx->in->packet, ctx->in->trace && ctx->in->packet, ctx->mirrored, r, &text);
	report_lines(ctx->in->trace, &text);
	wf_str_done(&text);
	ctx->mirrored = r->mirrored;
	if (!r->n)
		ctx->drop = r->drop;
	for (unsigned i = 0; i < r->n && !ctx->error; i++)
		clone_output(ctx, &r->out[i]);
	free(r);
}

void
xlate_normal(struct xctx *ctx)
{
	xlate_commit(ctx);
	if (ctx->resolve) {
		normal_now(ctx);
		return;
	}
	put_with_patches(ctx, OP_NORMAL, ctx->key.in_port, true);
}

/* --- Dispatch ------------------------------------------------------------------------------- */

void
xlate_output(struct xctx *ctx, of_port_t port, uint16_t max_len, bool may_packet_in, bool is_last,
	     bool truncated, bool is_bucket)
{
	switch (port) {
	case OF_PORT_IN_PORT:
		xlate_output_port(ctx, ctx->key.in_port, is_last, truncated);
		break;
	case OF_PORT_TABLE:
		xlate_table(ctx, ctx->key.in_port, 0, may_packet_in, true, false, false);
		break;
	case OF_PORT_NORMAL:
		xlate_normal(ctx);
		break;
	case OF_PORT_FLOOD:
		flood(ctx, false, is_last);
		break;
	case OF_PORT_ALL:
		flood(ctx, true, is_last);
		break;
	case OF_PORT_CONTROLLER:
		xlate_controller(ctx, max_len,
				 ctx->in->is_packet_out ? OF_PIR_PACKET_OUT
				 : is_bucket            ? OF_PIR_GROUP
				 : ctx->in_action_set   ? OF_PIR_ACTION_SET
							: OF_PIR_ACTION,
				 0, 0, NULL, 0, false, NULL);
		break;
	case OF_PORT_NONE:
		break;
	default:
		if (port != ctx->key.in_port) {
			xlate_output_port(ctx, port, is_last, truncated);
		} else {
			trace_put(ctx->in->trace, TRACE_WARN, "skipping output to input port");
			ctx->drop = DROP_OUT_TO_IN_PORT;
		}
		break;
	}
}

static void
port_text(of_port_t port, struct wf_str *s)
{
	static const char *const names[] = { "IN_PORT", "TABLE", "NORMAL", "FLOOD", "ALL",
					     "CONTROLLER", "LOCAL", "ANY" };

	if (port >= OF_PORT_IN_PORT)
		wf_str_put(s, names[port - OF_PORT_IN_PORT]);
	else
		wf_str_fmt(s, "%" PRIu32, port);
}

void
xlate_output_trunc(struct xctx *ctx, of_port_t port, uint32_t max_len, bool is_last, bool is_bucket)
{
	struct wf_str name = WF_STR_INIT;
	const struct xport *p;
	struct plan_op *op;

	port_text(port, &name);
	switch (port) {
	case OF_PORT_TABLE:
	case OF_PORT_NORMAL:
	case OF_PORT_FLOOD:
	case OF_PORT_ALL:
	case OF_PORT_CONTROLLER:
	case OF_PORT_NONE:
		trace_put(ctx->in->trace, TRACE_WARN, "output_trunc does not support port: %s",
			  wf_str_cstr(&name));
		break;
	default:
		p = xlate_port(ctx, port == OF_PORT_IN_PORT ? ctx->key.in_port : port);
		if (port == ctx->key.in_port) {
			trace_put(ctx->in->trace, TRACE_WARN, "skipping output to input port");
			ctx->drop = DROP_OUT_TO_IN_PORT;
		} else if (!p || p->is_patch) {
			trace_put(ctx->in->trace, TRACE_ERROR,
				  "output_trunc does not support patch port %s",
				  wf_str_cstr(&name));
			ctx->drop = DROP_OUT_NO_PORT;
		} else {
			/* Writes first: TRUNC speaks of the very next output. */
			xlate_needs(ctx, XLATE_LACKS_TRUNC);
			xlate_commit(ctx);
			op = pb_put(&ctx->b, OP_TRUNC, sizeof *op);
			op->u32 = max_len;
			xlate_output(ctx, port, 0, false, is_last, true, is_bucket);
			if (pb_last(&ctx->b, OP_TRUNC))
				pb_undo_last(&ctx->b); /* nothing was output */
		}
		break;
	}
	wf_str_done(&name);
}
