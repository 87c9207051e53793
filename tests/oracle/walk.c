// SPDX-License-Identifier: Apache-2.0
/* The walk: tables and actions, one after the other, on the frame itself. */
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/oracle.h"

#define MAX_LIST 4096

struct owalk {
	struct oresult *res;
	struct obridge *br;
	struct oframe f;
	struct of_key k;       /* parsed from 'f' again after each change; metadata lives here */
	uint8_t table;
	bool exit, in_set, in_bucket, miss_rule;
	/* The walk ended: NO_ROOM for another tag, or a limit of the whole walk. */
	enum { GOES_ON, NO_ROOM, LIMIT } failed;
	/* A meter took the packet.  The walk goes on, since rules count what they match whatever
	 * becomes of the packet (as in OVS), but nothing is done any more. */
	bool dropped;
	int depth, resubmits;
	uint32_t mirrored;     /* mirrors of the bridge that have the packet */
	size_t set_size;
	uint8_t set[MAX_LIST]; /* the action set, in the order written */
	unsigned n_stack;
	union of_value stack[64];
};

uint64_t oracle_coverage[OF_N_ACTION_TYPES];

static void do_list(struct owalk *, const void *, size_t);
static void enter(struct owalk *);
static void enter_patch(struct owalk *, const struct oport *);

static bool
is_ip(const struct of_key *k)
{
	return k->dl_type == htons(0x0800) || k->dl_type == htons(0x86dd);
}

static bool
is_mpls(const struct of_key *k)
{
	return k->dl_type == htons(0x8847) || k->dl_type == htons(0x8848);
}

/* The key has changed: so does the frame, at once. */
static void
store(struct owalk *w)
{
	oframe_store(&w->f, &w->k);
	oframe_parse(&w->f, &w->k);
}

/* --- Output --------------------------------------------------------------------------------- */

static void
emit_frame(struct owalk *w, of_port_t port, uint8_t reason, const struct oframe *f, unsigned max_len)
{
	struct oresult *res = w->res;
	struct ooutput *o;

	if (w->dropped)
		return;
	if (res->n == res->room) {
		res->room = res->room * 2 + 256;
		res->out = realloc(res->out, res->room * sizeof *res->out);
	}
	o = &res->out[res->n++];
	o->bridge = w->br;
	o->port = port;
	o->reason = reason;
	o->exposed = res->n_exposed != 0;
	o->case_no = res->case_no;
	o->frame.size = max_len && f->size > max_len ? max_len : f->size;
	memcpy(o->frame.b, f->b, o->frame.size);
}

static void
emit(struct owalk *w, of_port_t port, uint8_t reason, unsigned max_len)
{
	emit_frame(w, port, reason, &w->f, max_len);
}

static void
forget(struct of_key *k)
{
	k->metadata = 0;
	memset(k->regs, 0, sizeof k->regs);
	k->tun_id = 0;
	k->conj_id = 0;
	k->actset_output = OF_PORT_UNSET;
}

/* Copies with tags of their own, of NORMAL or of mirrors. */
static void
emit_copies(struct owalk *w, const struct ocopies *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct oframe f = w->f;

		oframe_retag(&f, &c->c[i].tags);
		if (c->c[i].port->peer) {
			struct owalk *copy;

			/* A loop of patch ports: where it ends is not defined, but that it does. */
			if (++w->res->n_entries > 500) {
				w->res->undefined = true;
				return;
			}
			copy = wf_xmemdup(w, sizeof *w);
			copy->f = f;
			oframe_parse(&copy->f, &copy->k);
			enter_patch(copy, c->c[i].port);
			/* That walk's error is its own. */
			w->res->undefined |= copy->failed != GOES_ON;
			free(copy);
		} else {
			emit_frame(w, c->c[i].port->port, 0, &f, c->c[i].snaplen);
		}
	}
}

static void
mirror(struct owalk *w, uint32_t set, struct oport *at)
{
	struct ocopies *c;

	if (!(set & ~w->mirrored) || w->dropped)
		return;
	c = malloc(sizeof *c);
	w->res->has_effects = true;
	oracle_mirror(w->br, set, at, w->k.in_port, &w->f, &w->k, &w->mirrored, c);
	emit_copies(w, c);
	free(c);
}

/* The packet, with all that is its own, goes on in another bridge. */
static void
enter_patch(struct owalk *w, const struct oport *p)
{
	w->br = p->peer;
	forget(&w->k);
	w->k.in_port = p->peer_port;
	w->set_size = w->n_stack = 0;
	w->exit = w->in_set = w->in_bucket = false;
	w->mirrored = 0;
	/* Of later stays the switch does not remember which mirrors have the packet (plan.h). */
	w->res->undefined |= ++w->res->n_stays > 60 && w->br->mirrors[0].in_use;
	enter(w);
}

static void
out_port(struct owalk *w, of_port_t port, unsigned max_len)
{
	struct oport *p = oracle_port(w->br, port), *in = oracle_port(w->br, w->k.in_port);
	struct owalk *copy;

	if (!p || p->no_fwd || p->is_down_by_config ||
	    (in && in->is_protected && p->is_protected))
		return;
	if (!p->peer) {
		emit(w, port, 0, max_len);
		mirror(w, p->dst_mirrors, p);
		return;
	}
	if (max_len)
		return;
	copy = wf_xmemdup(w, sizeof *w);
	enter_patch(copy, p);
	w->resubmits = copy->resubmits;
	if (copy->failed == LIMIT)
		w->failed = LIMIT;
	w->res->undefined |= copy->failed == NO_ROOM && w->res->n_exposed;
	free(copy);
}

static void
normal(struct owalk *w)
{
	struct ocopies *c;

	if (w->dropped)
		return;
	c = malloc(sizeof *c);
	w->res->has_effects = true;
	oracle_normal(w->br, w->k.in_port, &w->f, &w->k, &w->mirrored, c);
	emit_copies(w, c);
	free(c);
}

static void lookup(struct owalk *, of_port_t in_port, unsigned table, bool may_packet_in);

static void
output(struct owalk *w, of_port_t port, unsigned max_len)
{
	switch (port) {
	case OF_PORT_IN_PORT:
		out_port(w, w->k.in_port, max_len);
		break;
	case OF_PORT_TABLE:
		lookup(w, w->k.in_port, 0, true);
		break;
	case OF_PORT_NORMAL:
		normal(w);
		break;
	case OF_PORT_FLOOD:
	case OF_PORT_ALL:
		for (unsigned i = 0; i < w->br->n_ports; i++)
			if (w->br->ports[i].port != w->k.in_port &&
			    (port == OF_PORT_ALL || !w->br->ports[i].no_flood))
				out_port(w, w->br->ports[i].port, 0);
		break;
	case OF_PORT_NONE:
		break;
	case OF_PORT_CONTROLLER:
		emit(w, OF_PORT_CONTROLLER, w->in_bucket ? 4 : w->in_set ? 3 : w->miss_rule ? 6 : 1, 0);
		break;
	default:
		if (port != w->k.in_port)
			out_port(w, port, max_len);
		break;
	}
}

/* --- Tables ---------------------------------------------------------------------------------- */

static bool
covers(const struct orule *r, const struct of_key *k)
{
	for (unsigned n = 0; n < r->n_words; n++) {
		unsigned i = r->words[n];

		if ((of_key_words_c(k)[i] ^ of_key_words_c(&r->match.key)[i]) &
		    of_key_words_c(&r->match.mask)[i])
			return false;
	}
	return true;
}

static bool
is_conjunctive(const struct orule *r)
{
	bool any = false;

	of_action_for_each(a, r->actions, r->actions_size)
	{
		if (a->type != OF_A_CONJUNCTION && a->type != OF_A_NOTE)
			return false;
		any |= a->type == OF_A_CONJUNCTION;
	}
	return any;
}

static bool
is_seen(const struct orule *r, unsigned table, const struct of_key *k)
{
	return r->table == table && r->born <= oracle_packet_no && oracle_packet_no < r->died &&
	       covers(r, k);
}

/* The best rule, those of conjunctions aside. */
static struct orule *
best_plain(const struct obridge *br, unsigned table, const struct of_key *k)
{
	struct orule *best = NULL;

	for (unsigned i = 0; i < br->n_rules; i++) {
		struct orule *r = br->rules[i];

		if ((!best || r->priority > best->priority) && is_seen(r, table, k) &&
		    !is_conjunctive(r))
			best = r;
	}
	return best;
}

/* Rules of one priority: which conjunction has a rule for each of its clauses?  0: none. */
static uint32_t
complete_conjunction(const struct obridge *br, unsigned table, const struct of_key *k, int priority)
{
	uint32_t ids[32];
	uint64_t clauses[32];
	unsigned n = 0;

	for (unsigned i = 0; i < br->n_rules; i++) {
		const struct orule *r = br->rules[i];

		if (r->priority != priority || !is_seen(r, table, k) || !is_conjunctive(r))
			continue;
		of_action_for_each(a, r->actions, r->actions_size)
		{
			const struct of_act_conjunction *c = (const struct of_act_conjunction *)a;
			unsigned j = 0;

			if (a->type != OF_A_CONJUNCTION)
				continue;
			while (j < n && ids[j] != a->u32)
				j++;
			if (j == n) {
				if (n == 32)
					abort();
				ids[n] = a->u32;
				clauses[n++] = 0;
			}
			clauses[j] |= 1ull << c->clause;
			if (clauses[j] == (1ull << c->n_clauses) - 1)
				return a->u32;
		}
	}
	return 0;
}

/* ovs-fields(7), "Conjunctive Match Fields". */
static struct orule *
find_rule(const struct obridge *br, unsigned table, struct of_key *k)
{
	struct orule *plain = best_plain(br, table, k);
	int below = 65536;

	for (;;) {
		int priority = plain ? plain->priority : -1;
		struct orule *found;
		bool any = false;
		uint32_t id;

		for (unsigned i = 0; i < br->n_rules; i++) {
			const struct orule *r = br->rules[i];

			if (r->priority > priority && r->priority < below && is_seen(r, table, k) &&
			    is_conjunctive(r)) {
				priority = r->priority;
				any = true;
			}
		}
		if (!any)
			return plain;
		id = complete_conjunction(br, table, k, priority);
		if (id) {
			k->conj_id = id;
			found = best_plain(br, table, k);
			k->conj_id = 0;
			if (found)
				return found;
		}
		below = priority;
	}
}

static void
lookup(struct owalk *w, of_port_t in_port, unsigned table, bool may_packet_in)
{
	struct of_key k = w->k;
	struct orule *best, *counts;
	uint8_t old_table = w->table;
	bool deeper = table <= w->table, old_miss = w->miss_rule, old_bucket = w->in_bucket;

	if (w->depth >= 64 || w->resubmits >= 4096) {
		w->failed = LIMIT;
		return;
	}
	k.in_port = in_port;
	if (k.nw_frag && w->br->frag_mode == 1)
		return;
	if (k.nw_frag && !w->br->frag_mode)
		k.tp_src = k.tp_dst = 0;
	k.conj_id = 0;
	best = find_rule(w->br, table, &k);
	w->table = (uint8_t)table;
	w->resubmits++;
	w->depth += deeper;
	w->in_bucket = false;
	if (best) {
		w->res->n_rules_hit++;
		/* Replaced by what this very packet has learned: its successor counts. */
		for (counts = best; counts->successor;)
			counts = counts->successor;
		counts->n_packets++;
		counts->used_ms = oracle_now_ms;
		w->miss_rule = !best->priority && !best->n_words;
		do_list(w, best->actions, best->actions_size);
		w->miss_rule = old_miss;
	} else if (may_packet_in && w->br->miss_to_controller) {
		emit(w, OF_PORT_CONTROLLER, 0, 0);
	}
	w->depth -= deeper;
	w->in_bucket = old_bucket;
	w->table = old_table;
}

/* --- Action sets -------------------------------------------------------------------------------- */

static int
set_order(const struct of_action *a)
{
	switch (a->type) {
	case OF_A_COPY_TTL_IN: return 0;
	case OF_A_STRIP_VLAN: return 1;
	case OF_A_POP_MPLS: return 2;
	case OF_A_POP_PBB: return 3;
	case OF_A_PUSH_MPLS: return 4;
	case OF_A_PUSH_PBB: return 5;
	case OF_A_PUSH_VLAN: return 6;
	case OF_A_COPY_TTL_OUT: return 7;
	case OF_A_DEC_TTL: return 8;
	case OF_A_DEC_MPLS_TTL: return 9;
	case OF_A_RESUBMIT: return 11;
	case OF_A_OUTPUT: return 12;
	case OF_A_GROUP: return 13;
	default: return 10; /* sets, all of them */
	}
}

/* For each place in the order the last action written, but all sets; then one that outputs. */
static void
run_set(struct owalk *w, const void *set, size_t size)
{
	uint8_t *list = malloc(MAX_LIST);
	size_t n = 0;
	bool ends = false;

	for (int place = 0; place <= 10; place++) {
		const struct of_action *last = NULL;

		of_action_for_each(a, set, size)
		{
			if (set_order(a) != place)
				continue;
			last = a;
			if (place == 10) {
				memcpy(list + n, a, OF_ACTION_ALIGN(a->size));
				n += OF_ACTION_ALIGN(a->size);
			}
		}
		if (last && place != 10) {
			memcpy(list + n, last, OF_ACTION_ALIGN(last->size));
			n += OF_ACTION_ALIGN(last->size);
		}
	}
	for (int place = 13; place >= 11 && !ends; place--) {
		of_action_for_each(a, set, size)
		{
			if (set_order(a) == place) {
				if (ends)
					n -= OF_ACTION_ALIGN(a->size);
				memcpy(list + n, a, OF_ACTION_ALIGN(a->size));
				n += OF_ACTION_ALIGN(a->size);
				ends = true;
			}
		}
	}
	if (ends)
		do_list(w, list, n);
	free(list);
}

static void
finish_set(struct owalk *w)
{
	uint8_t *set = malloc(MAX_LIST);
	size_t size = w->set_size;
	bool old_exit = w->exit;

	memcpy(set, w->set, size);
	w->set_size = 0;
	w->exit = false;
	w->in_set = true;
	if (size)
		run_set(w, set, size);
	w->in_set = false;
	w->exit |= old_exit;
	free(set);
}

static void
enter(struct owalk *w)
{
	struct oport *in = oracle_port(w->br, w->k.in_port);

	if (in && (in->no_recv || in->is_down_by_config))
		return;
	if (in)
		mirror(w, in->src_mirrors, in);
	lookup(w, w->k.in_port, 0, true);
	/* The first action set is as deep as the first rule. */
	if (w->depth < 0)
		w->depth = 0;
	if (!w->failed)
		finish_set(w);
}

static void
run_bucket(struct owalk *w, struct obucket *b)
{
	struct owalk *copy = wf_xmemdup(w, sizeof *w);

	b->n_packets++;
	copy->in_bucket = true;
	copy->depth++;
	copy->resubmits++;
	run_set(copy, b->actions, b->size);
	/* All is undone, pipeline state too: unlike OVS, where what tables behind
	 * a bucket do to action set and stack stays. */
	w->resubmits = copy->resubmits;
	w->mirrored |= copy->mirrored;
	if (copy->failed == LIMIT)
		w->failed = LIMIT;
	free(copy);
}

static void
group(struct owalk *w, uint32_t id)
{
	struct ogroup *g = oracle_group(w->br, id);
	int chosen = -1;

	if (!g)
		return;
	w->res->has_effects = true;
	switch (g->type) {
	case OF_GT_ALL:
	case OF_GT_INDIRECT:
		g->n_packets++;
		for (unsigned i = 0; i < g->n && w->failed != LIMIT; i++)
			run_bucket(w, &g->buckets[i]);
		return;
	case OF_GT_FF:
		for (unsigned i = 0; i < g->n && chosen < 0; i++)
			if (oracle_bucket_is_alive(w->br, &g->buckets[i]))
				chosen = (int)i;
		break;
	default:
		chosen = oracle_select(w->br, g, &w->k);
		break;
	}
	if (chosen < 0 || w->dropped)
		return;
	g->n_packets++;
	run_bucket(w, &g->buckets[chosen]);
}

static void
meter(struct owalk *w, uint32_t id)
{
	struct ometer *m = oracle_meter(w->br, id);
	unsigned dscp = w->k.nw_tos >> 2, precedence = dscp >> 1 & 3;
	const struct oband *band;

	w->res->has_effects = true;
	if (!m)
		return;
	if (w->dropped) {
		/* Behind a remark the packet may be looked up again, which then does not happen. */
		w->res->undefined |= m->bands[0].type == 2;
		return;
	}
	w->res->n_exposed += m->bands[0].type == 2;
	band = oracle_meter_charge(m, w->f.size);
	if (!band)
		return;
	w->res->n_banded++;
	if (band->type == 1) {
		w->dropped = w->res->metered = true;
		return;
	}
	/* RFC 2597: assured forwarding has class << 3 | drop precedence << 1. */
	if (is_ip(&w->k) && !(dscp & 1) && precedence && dscp >= 8 && dscp < 40) {
		precedence += band->prec_level;
		if (precedence > 3)
			precedence = 3;
		w->k.nw_tos = (uint8_t)((w->k.nw_tos & 3) | (dscp & ~6u) << 2 | precedence << 3);
		store(w);
	}
}

static void
learn(struct owalk *w, const struct of_act_learn *a)
{
	struct of_flow_mod *fm = malloc(sizeof *fm);
	struct orule *r;
	bool ok = true;

	w->res->has_effects = true;
	oracle_learn_fill(a, &w->k, fm);
	r = oracle_find(w->br, fm->table, &fm->match, fm->priority);
	if (r && r->idle_timeout == fm->idle_timeout && r->hard_timeout == fm->hard_timeout &&
	    r->cookie == fm->new_cookie && (r->flags & OF_FF_SEND_FLOW_REM) == fm->flags &&
	    of_actions_equal(r->actions, r->actions_size, fm->actions, fm->actions_size)) {
		r->modified_ms = oracle_now_ms;
	} else {
		unsigned n = 0;

		for (unsigned i = 0; i < w->br->n_rules; i++)
			n += orule_is_there(w->br->rules[i]) && w->br->rules[i]->table == fm->table &&
			     w->br->rules[i]->cookie == fm->new_cookie;
		/* The next packet is the first to meet it. */
		ok = !a->limit || n < a->limit;
		if (ok && !oracle_flow_mod(w->br, fm))
			abort();
		w->res->n_learned += ok;
	}
	free((void *)fm->actions);
	free(fm);
	if (a->flags & OF_LEARN_F_WRITE_RESULT) {
		of_subfield_set_u64(&a->result_dst, ok, &w->k);
		store(w);
	}
}

/* --- Actions ---------------------------------------------------------------------------------- */

/* False: the list ends here. */
static bool
dec_ttl(struct owalk *w, bool mpls)
{
	if (mpls) {
		uint32_t lse = ntohl(w->k.mpls_lse[0]);

		if (!is_mpls(&w->k))
			return false;
		if ((lse & 0xff) <= 1) {
			emit(w, OF_PORT_CONTROLLER, 2, 0);
			return false;
		}
		w->k.mpls_lse[0] = htonl(lse - 1);
	} else {
		if (!is_ip(&w->k))
			return true;
		if (w->k.nw_ttl <= 1) {
			emit(w, OF_PORT_CONTROLLER, 2, 0);
			return false;
		}
		w->k.nw_ttl--;
	}
	store(w);
	return true;
}

/* Is there room for another label in the parsed stack? */
static bool
has_bottom_before_last(const struct of_key *k)
{
	for (unsigned i = 0; i + 1 < OF_MAX_MPLS; i++)
		if (k->mpls_lse[i] & htonl(0x100))
			return true;
	return false;
}

/* Headers come to light or are hidden: the packet may be looked up again behind it, as Open vSwitch
 * does after a pop of MPLS.  What was done before stays done if the walk fails behind, and nobody
 * looks up a packet that is gone. */
static void
expose(struct owalk *w)
{
	w->res->has_effects = true;
	w->res->n_exposed++;
	w->res->undefined |= w->dropped;
}

static void
push_mpls(struct owalk *w, uint16_t type)
{
	uint32_t lse = is_mpls(&w->k) ? ntohl(w->k.mpls_lse[0]) : is_ip(&w->k) ? w->k.nw_ttl : 0;

	oframe_push_mpls(&w->f, type, lse);
	oframe_parse(&w->f, &w->k);
}

static void
set_bytes(struct owalk *w, enum of_field_id id, const uint8_t *value, const uint8_t *mask, unsigned n)
{
	const struct of_field *f = of_field(id);
	union of_value v = { .b = { 0 } }, m = { .b = { 0 } };

	if (!of_field_present(f, &w->k))
		return;
	memcpy(v.b, value, n);
	memcpy(m.b, mask, n);
	of_field_set_masked(f, &v, &m, &w->k);
	store(w);
}

static bool
do_action(struct owalk *w, const struct of_action *a)
{
	union of_value v;

	oracle_coverage[a->type]++;
	switch ((enum of_action_type)a->type) {
	case OF_A_OUTPUT:
		output(w, a->u32, 0);
		break;
	case OF_A_OUTPUT_TRUNC:
		if (a->u32 < OF_PORT_MAX && a->u32 != w->k.in_port)
			output(w, a->u32, ((const struct of_act_output_trunc *)a)->max_len);
		break;
	case OF_A_OUTPUT_REG:
		output(w, (of_port_t)of_subfield_get_u64(&((const struct of_act_output_reg *)a)->src,
							  &w->k), 0);
		break;
	case OF_A_CONTROLLER:
		emit(w, OF_PORT_CONTROLLER, w->miss_rule ? 6 : 1, 0);
		if (((const struct of_act_controller *)a)->pause) {
			w->res->unordered = w->res->has_effects = true; /* and goes on at once */
			w->res->n_paused++;
			/* It comes back as a packet of its own, to what it has learned itself. */
			w->res->undefined |= w->dropped || w->res->n_learned;
		}
		break;
	case OF_A_GROUP:
		group(w, a->u32);
		break;
	case OF_A_RESUBMIT: {
		const struct of_act_resubmit *r = (const struct of_act_resubmit *)a;

		lookup(w, r->a.u32 == OF_PORT_IN_PORT ? w->k.in_port : r->a.u32,
		       r->table == 255 ? w->table : r->table, false);
		break;
	}
	case OF_A_GOTO_TABLE:
		lookup(w, w->k.in_port, a->u32, true);
		break;
	case OF_A_CLONE: {
		struct owalk *copy = malloc(sizeof *copy);
		size_t size;
		const void *list = of_act_nested(a, sizeof(struct of_act_nest), &size);

		*copy = *w;
		do_list(copy, list, size);
		if (!copy->failed)
			finish_set(copy);
		w->resubmits = copy->resubmits;
		w->mirrored |= copy->mirrored;
		w->failed = copy->failed;
		w->exit |= copy->exit;
		free(copy);
		break;
	}
	case OF_A_WRITE_ACTIONS: {
		size_t size;
		const void *list = of_act_nested(a, sizeof(struct of_act_nest), &size);

		if (w->set_size + OF_ACTION_ALIGN(size) > MAX_LIST)
			abort();
		memcpy(w->set + w->set_size, list, OF_ACTION_ALIGN(size));
		w->set_size += OF_ACTION_ALIGN(size);
		break;
	}
	case OF_A_CLEAR_ACTIONS:
		w->set_size = 0;
		break;
	case OF_A_WRITE_METADATA: {
		const struct of_act_write_metadata *m = (const struct of_act_write_metadata *)a;

		w->k.metadata = (w->k.metadata & ~m->mask) | (m->metadata & m->mask);
		break;
	}
	case OF_A_EXIT:
		w->exit = true;
		break;
	case OF_A_SET_FIELD: {
		const struct of_act_set_field *s = (const struct of_act_set_field *)a;

		set_bytes(w, (enum of_field_id)s->field, s->value_mask, s->value_mask + s->n_bytes,
			  s->n_bytes);
		break;
	}
	case OF_A_REG_MOVE: {
		const struct of_act_move *m = (const struct of_act_move *)a;

		if (!of_field_present(of_field(m->src.field), &w->k) ||
		    !of_field_present(of_field(m->dst.field), &w->k))
			break;
		of_subfield_get(&m->src, &w->k, &v);
		of_subfield_set(&m->dst, &v, &w->k);
		store(w);
		break;
	}
	case OF_A_STACK_PUSH:
		/* Only a loop pushes so much. */
		if (w->n_stack == 64) {
			w->res->undefined = true;
			w->failed = LIMIT;
			return false;
		}
		of_subfield_get(&((const struct of_act_stack *)a)->sf, &w->k, &w->stack[w->n_stack++]);
		break;
	case OF_A_STACK_POP:
		if (w->n_stack) {
			of_subfield_set(&((const struct of_act_stack *)a)->sf,
					&w->stack[--w->n_stack], &w->k);
			store(w);
		}
		break;
	case OF_A_SET_ETH_SRC:
		memcpy(w->k.dl_src, ((const struct of_act_set_mac *)a)->mac, 6);
		store(w);
		break;
	case OF_A_SET_ETH_DST:
		memcpy(w->k.dl_dst, ((const struct of_act_set_mac *)a)->mac, 6);
		store(w);
		break;
	case OF_A_SET_IPV4_SRC:
	case OF_A_SET_IPV4_DST:
		if (w->k.dl_type == htons(0x0800)) {
			*(a->type == OF_A_SET_IPV4_SRC ? &w->k.nw_src : &w->k.nw_dst) = htonl(a->u32);
			store(w);
		}
		break;
	case OF_A_SET_IP_DSCP:
		if (is_ip(&w->k)) {
			w->k.nw_tos = (uint8_t)((w->k.nw_tos & 3) | a->u32);
			store(w);
		}
		break;
	case OF_A_SET_IP_ECN:
		if (is_ip(&w->k)) {
			w->k.nw_tos = (uint8_t)((w->k.nw_tos & ~3) | a->u32);
			store(w);
		}
		break;
	case OF_A_SET_IP_TTL:
		if (is_ip(&w->k)) {
			w->k.nw_ttl = (uint8_t)a->u32;
			store(w);
		}
		break;
	case OF_A_SET_L4_SRC:
	case OF_A_SET_L4_DST:
		if (is_ip(&w->k) && !(w->k.nw_frag & OF_FRAG_LATER)) {
			*(a->type == OF_A_SET_L4_SRC ? &w->k.tp_src : &w->k.tp_dst) =
				htons((uint16_t)a->u32);
			store(w);
		}
		break;
	case OF_A_SET_VLAN_VID:
	case OF_A_SET_VLAN_PCP: {
		bool vid = a->type == OF_A_SET_VLAN_VID;
		uint16_t bits = (uint16_t)(vid ? a->u32 : a->u32 << 13), mask = vid ? 0xfff : 0xe000;

		if (!w->k.vlans[0].tci) {
			if (of_act_set_vlan_pushes(a))
				oframe_push_vlan(&w->f, 0x8100, bits);
			oframe_parse(&w->f, &w->k);
		} else {
			w->k.vlans[0].tci = (w->k.vlans[0].tci & htons((uint16_t)~mask)) | htons(bits);
			store(w);
		}
		break;
	}
	case OF_A_PUSH_VLAN:
		if (w->k.vlans[OF_MAX_VLANS - 1].tci) {
			w->failed = NO_ROOM;
			return false;
		}
		oframe_push_vlan(&w->f, (uint16_t)a->u32,
				 w->k.vlans[0].tci ? ntohs(w->k.vlans[0].tci) & ~OF_VLAN_CFI : 0);
		oframe_parse(&w->f, &w->k);
		break;
	case OF_A_STRIP_VLAN:
		if (w->k.vlans[1].tci)
			expose(w);
		oframe_pop_vlan(&w->f);
		oframe_parse(&w->f, &w->k);
		break;
	case OF_A_PUSH_MPLS:
		if (is_mpls(&w->k) && !has_bottom_before_last(&w->k)) {
			w->failed = NO_ROOM;
			return false;
		}
		expose(w);
		push_mpls(w, (uint16_t)a->u32);
		break;
	case OF_A_POP_MPLS:
		expose(w);
		oframe_pop_mpls(&w->f, (uint16_t)a->u32);
		oframe_parse(&w->f, &w->k);
		break;
	case OF_A_PUSH_PBB:
		expose(w);
		oframe_push_pbb(&w->f, (uint16_t)a->u32,
				w->k.pbb_isid ? w->k.pbb_isid & 0xffffff
				: w->k.vlans[0].tci ? (uint32_t)(ntohs(w->k.vlans[0].tci) >> 13) << 29 : 0);
		oframe_parse(&w->f, &w->k);
		break;
	case OF_A_POP_PBB:
		expose(w);
		oframe_pop_pbb(&w->f);
		oframe_parse(&w->f, &w->k);
		break;
	case OF_A_SET_MPLS_LABEL:
	case OF_A_SET_MPLS_TC:
	case OF_A_SET_MPLS_TTL: {
		uint32_t lse = ntohl(w->k.mpls_lse[0]);

		if (!is_mpls(&w->k))
			break;
		lse = a->type == OF_A_SET_MPLS_LABEL ? (lse & 0xfff) | a->u32 << 12
		      : a->type == OF_A_SET_MPLS_TC  ? (lse & ~0xe00u) | a->u32 << 9
						     : (lse & ~0xffu) | a->u32;
		w->k.mpls_lse[0] = htonl(lse);
		store(w);
		break;
	}
	case OF_A_DEC_TTL:
		return dec_ttl(w, false);
	case OF_A_DEC_MPLS_TTL:
		return dec_ttl(w, true);
	case OF_A_SET_TUNNEL:
		w->k.tun_id = ((const struct of_act_set_tunnel *)a)->tun_id;
		break;
	case OF_A_METER:
		meter(w, a->u32);
		break;
	case OF_A_LEARN:
		learn(w, (const struct of_act_learn *)a);
		break;
	case OF_A_MULTIPATH: {
		const struct of_act_multipath *m = (const struct of_act_multipath *)a;

		of_subfield_set_u64(&m->dst, oracle_multipath(m, &w->k), &w->k);
		store(w);
		break;
	}
	case OF_A_BUNDLE: {
		const struct of_act_bundle *b = (const struct of_act_bundle *)a;
		of_port_t port = oracle_bundle(w->br, b, &w->k);

		if (b->dst.n_bits) {
			of_subfield_set_u64(&b->dst, port & 0xffff, &w->k);
			store(w);
		} else {
			output(w, port, 0);
		}
		break;
	}
	case OF_A_NOTE:
	case OF_A_CONJUNCTION:
		break;
	default:
		abort(); /* the oracle does not know it: do not generate it */
	}
	return true;
}

static void
do_list(struct owalk *w, const void *actions, size_t size)
{
	of_action_for_each(a, actions, size)
	{
		if (w->failed || w->exit)
			return;
		if (!do_action(w, a))
			return;
	}
}

void
oracle_run(struct obridge *br, of_port_t in_port, const struct oframe *f, struct oresult *res)
{
	struct owalk *w = calloc(1, sizeof *w);
	struct oport *in = oracle_port(br, in_port);
	unsigned before = res->n;

	oracle_packet_no++;
	res->has_effects = false;
	res->n_exposed = 0;
	res->n_stays = res->n_entries = res->n_learned = res->n_banded = res->n_paused = 0;
	w->res = res;
	w->br = br;
	w->f = *f;
	w->k.in_port = in_port;
	w->k.actset_output = OF_PORT_UNSET;
	oframe_parse(&w->f, &w->k);
	/* The first lookup is not one of the resubmits, nor deeper than anything. */
	w->depth = -1;
	w->resubmits = -1;
	if (f->size >= 14 && !(in && in->mirror_out))
		enter(w);
	/* Copies that NORMAL or a mirror sent over a patch port are looked up for themselves: whether
	 * they meet what another one has learned, and which of them finds a meter exhausted, is not
	 * defined. */
	res->undefined |= res->n_entries && (res->n_learned || res->n_banded);
	/* Likewise those that were paused or cut in two: the second meets what the first has learned. */
	res->undefined |= (res->n_paused > 1 || res->n_exposed > 1) && res->n_learned;
	if (w->failed == NO_ROOM || w->failed == LIMIT) {
		res->n = before;
		res->undefined |= res->has_effects;
	}
	free(w);
}
