// SPDX-License-Identifier: Apache-2.0
/* OpenFlow the obvious way; see dataplane/oracle.h. */
#include "dataplane/oracle.h"

#include <stdlib.h>
#include <string.h>

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
	int depth, resubmits;
	size_t set_size;
	uint8_t set[MAX_LIST]; /* the action set, in the order written */
	unsigned n_stack;
	union of_value stack[64];
};

static void do_list(struct owalk *, const void *, size_t);
static void enter(struct owalk *);

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
emit(struct owalk *w, of_port_t port, uint8_t reason, unsigned max_len)
{
	struct ooutput *o;

	if (w->res->n == ORACLE_MAX_OUTPUTS)
		abort();
	o = &w->res->out[w->res->n++];
	o->bridge = w->br;
	o->port = port;
	o->reason = reason;
	o->frame = w->f;
	if (max_len && o->frame.size > max_len)
		o->frame.size = max_len;
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

static void
out_port(struct owalk *w, of_port_t port, unsigned max_len)
{
	struct owalk *copy;

	for (unsigned i = 0; i < w->br->n_ports; i++) {
		struct oport *p = &w->br->ports[i];

		if (p->port != port)
			continue;
		if (!p->peer) {
			emit(w, port, 0, max_len);
			return;
		}
		if (max_len)
			return;
		/* Another bridge's walk, on a copy of everything. */
		copy = malloc(sizeof *copy);
		*copy = *w;
		copy->br = p->peer;
		forget(&copy->k);
		copy->k.in_port = p->peer_port;
		copy->set_size = copy->n_stack = 0;
		copy->exit = false;
		copy->in_set = copy->in_bucket = false;
		enter(copy);
		w->resubmits = copy->resubmits;
		if (copy->failed == LIMIT)
			w->failed = LIMIT;
		free(copy);
		return;
	}
}

static bool
vlan_of(const struct of_key *k, uint16_t *vid)
{
	*vid = ntohs(k->vlans[0].tci) & 0xfff;
	return k->vlans[0].tci != 0;
}

static void
normal(struct owalk *w)
{
	static const uint8_t reserved[5] = { 0x01, 0x80, 0xc2, 0, 0 };
	struct obridge *br = w->br;
	of_port_t in = w->k.in_port, to = OF_PORT_NONE;
	struct oframe before;
	uint16_t vid;
	unsigned i;

	vlan_of(&w->k, &vid);
	if (!memcmp(w->k.dl_dst, reserved, 5) && w->k.dl_dst[5] < 16)
		return;
	if (!(w->k.dl_src[0] & 1)) {
		for (i = 0; i < br->n_macs; i++)
			if (br->macs[i].vid == vid && !memcmp(br->macs[i].mac, w->k.dl_src, 6))
				break;
		if (i == br->n_macs && br->n_macs++ == 256)
			abort();
		br->macs[i].vid = vid;
		memcpy(br->macs[i].mac, w->k.dl_src, 6);
		br->macs[i].port = in;
	}
	for (i = 0; i < br->n_macs && !(w->k.dl_dst[0] & 1); i++)
		if (br->macs[i].vid == vid && !memcmp(br->macs[i].mac, w->k.dl_dst, 6))
			to = br->macs[i].port;
	/* A tag without VID and priority is not sent (Port.other_config:priority-tags, default); and
	 * with it go those below, as in OVS. */
	before = w->f;
	if (w->k.vlans[0].tci == htons(OF_VLAN_CFI))
		while (oframe_pop_vlan(&w->f))
			oframe_parse(&w->f, &w->k);
	if (to != OF_PORT_NONE) {
		if (to != in)
			out_port(w, to, 0);
	} else {
		for (i = 0; i < br->n_ports; i++)
			if (br->ports[i].port != in)
				out_port(w, br->ports[i].port, 0);
	}
	w->f = before;
	oframe_parse(&w->f, &w->k);
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
			if (w->br->ports[i].port != w->k.in_port)
				out_port(w, w->br->ports[i].port, 0);
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
covers(const struct of_match_full *m, const struct of_key *k)
{
	for (unsigned i = 0; i < OF_KEY_WORDS; i++)
		if ((of_key_words_c(k)[i] ^ of_key_words_c(&m->key)[i]) &
		    of_key_words_c(&m->mask)[i])
			return false;
	return true;
}

static void
lookup(struct owalk *w, of_port_t in_port, unsigned table, bool may_packet_in)
{
	struct of_key k = w->k;
	const struct orule *best = NULL;
	uint8_t old_table = w->table;
	bool deeper = table <= w->table, old_miss = w->miss_rule, old_bucket = w->in_bucket;

	if (w->depth >= 64 || w->resubmits >= 4096) {
		w->failed = LIMIT;
		return;
	}
	k.in_port = in_port;
	if (k.nw_frag) /* frags=normal: no ports */
		k.tp_src = k.tp_dst = 0;
	for (unsigned i = 0; i < w->br->n_rules; i++) {
		const struct orule *r = &w->br->rules[i];

		if (r->table == table && (!best || r->priority > best->priority) &&
		    covers(&r->match, &k))
			best = r;
	}
	w->table = (uint8_t)table;
	w->resubmits++;
	w->depth += deeper;
	w->in_bucket = false;
	if (best) {
		struct of_key zero = { 0 };

		w->res->n_rules_hit++;
		w->miss_rule = !best->priority && !memcmp(&best->match.mask, &zero, sizeof zero);
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
	lookup(w, w->k.in_port, 0, true);
	if (!w->failed)
		finish_set(w);
}

static void
group(struct owalk *w, uint32_t id)
{
	for (unsigned i = 0; i < w->br->n_groups; i++) {
		const struct ogroup *g = &w->br->groups[i];

		if (g->id != id)
			continue;
		for (unsigned b = 0; b < (g->first_only ? g->n != 0 : g->n); b++) {
			struct owalk *copy = malloc(sizeof *copy);

			*copy = *w;
			copy->in_bucket = true;
			copy->depth++;
			run_set(copy, g->buckets[b].actions, g->buckets[b].size);
			/* All is undone, pipeline state too: unlike OVS, where what tables behind
			 * a bucket do to action set and stack stays. */
			w->resubmits = copy->resubmits;
			if (copy->failed == LIMIT)
				w->failed = LIMIT;
			free(copy);
		}
		return;
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
		if (w->n_stack == 64)
			abort();
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
		oframe_pop_vlan(&w->f);
		oframe_parse(&w->f, &w->k);
		break;
	case OF_A_PUSH_MPLS:
		if (is_mpls(&w->k) && !has_bottom_before_last(&w->k)) {
			w->failed = NO_ROOM;
			return false;
		}
		push_mpls(w, (uint16_t)a->u32);
		break;
	case OF_A_POP_MPLS:
		oframe_pop_mpls(&w->f, (uint16_t)a->u32);
		oframe_parse(&w->f, &w->k);
		break;
	case OF_A_PUSH_PBB:
		oframe_push_pbb(&w->f, (uint16_t)a->u32,
				w->k.pbb_isid ? w->k.pbb_isid & 0xffffff
				: w->k.vlans[0].tci ? (uint32_t)(ntohs(w->k.vlans[0].tci) >> 13) << 29 : 0);
		oframe_parse(&w->f, &w->k);
		break;
	case OF_A_POP_PBB:
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
	case OF_A_NOTE:
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

	res->n = res->n_rules_hit = 0;
	w->res = res;
	w->br = br;
	w->f = *f;
	w->k.in_port = in_port;
	w->k.actset_output = OF_PORT_UNSET;
	oframe_parse(&w->f, &w->k);
	/* The first lookup is not one of the resubmits, nor deeper than anything. */
	w->depth = -1;
	w->resubmits = -1;
	enter(w);
	if (w->failed)
		res->n = 0;
	free(w);
}
