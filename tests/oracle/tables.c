// SPDX-License-Identifier: Apache-2.0
/* The rules of a bridge, one list: flow_mods, learned flows, timeouts. */
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/oracle.h"

int64_t oracle_now_ms;
uint64_t oracle_packet_no;

static bool
same_match(const struct of_match_full *a, const struct of_match_full *b)
{
	for (unsigned i = 0; i < OF_KEY_WORDS; i++) {
		uint64_t mask = of_key_words_c(&a->mask)[i];

		if (mask != of_key_words_c(&b->mask)[i] ||
		    (of_key_words_c(&a->key)[i] ^ of_key_words_c(&b->key)[i]) & mask)
			return false;
	}
	return true;
}

/* Does 'outer' take every packet that 'inner' takes? */
static bool
contains(const struct of_match_full *outer, const struct of_match_full *inner)
{
	for (unsigned i = 0; i < OF_KEY_WORDS; i++) {
		uint64_t mask = of_key_words_c(&outer->mask)[i];

		if (mask & ~of_key_words_c(&inner->mask)[i] ||
		    (of_key_words_c(&outer->key)[i] ^ of_key_words_c(&inner->key)[i]) & mask)
			return false;
	}
	return true;
}

static bool
overlaps(const struct of_match_full *a, const struct of_match_full *b)
{
	for (unsigned i = 0; i < OF_KEY_WORDS; i++)
		if ((of_key_words_c(&a->key)[i] ^ of_key_words_c(&b->key)[i]) &
		    of_key_words_c(&a->mask)[i] & of_key_words_c(&b->mask)[i])
			return false;
	return true;
}

struct orule *
oracle_find(struct obridge *br, unsigned table, const struct of_match_full *m, uint16_t priority)
{
	for (unsigned i = 0; i < br->n_rules; i++) {
		struct orule *r = br->rules[i];

		if (orule_is_there(r) && r->table == table && r->priority == priority &&
		    same_match(&r->match, m))
			return r;
	}
	return NULL;
}

static struct orule *
insert(struct obridge *br, unsigned table, const struct of_match_full *m, uint16_t priority)
{
	struct orule *r = calloc(1, sizeof *r);

	if (br->n_rules == br->rules_room) {
		br->rules_room = br->rules_room * 2 + 64;
		br->rules = realloc(br->rules, br->rules_room * sizeof *br->rules);
	}
	br->rules[br->n_rules++] = r;
	r->table = (uint8_t)table;
	r->priority = priority;
	r->match = *m;
	for (unsigned i = 0; i < OF_KEY_WORDS; i++)
		if (of_key_words_c(&m->mask)[i])
			r->words[r->n_words++] = (uint8_t)i;
	r->created_ms = r->modified_ms = oracle_now_ms;
	r->born = oracle_packet_no + 1;
	r->died = UINT64_MAX;
	return r;
}

static void
set_actions(struct orule *r, const void *actions, size_t size)
{
	r->actions = size ? wf_xmemdup(actions, size) : NULL;
	r->actions_size = size;
}

static void
kill_rule(struct orule *r)
{
	r->died = oracle_packet_no + 1;
}

/* The rule's actions change: a rule of its own from the next packet on. */
static void
replace_actions(struct obridge *br, struct orule *old, const struct of_flow_mod *fm)
{
	struct orule *r = insert(br, old->table, &old->match, old->priority);

	set_actions(r, fm->actions, fm->actions_size);
	r->idle_timeout = old->idle_timeout;
	r->hard_timeout = old->hard_timeout;
	r->flags = old->flags;
	r->created_ms = old->created_ms;
	r->used_ms = old->used_ms;
	r->cookie = fm->modify_cookie && fm->new_cookie != UINT64_MAX ? fm->new_cookie : old->cookie;
	if (!(fm->flags & OF_FF_RESET_COUNTS)) {
		r->n_packets = old->n_packets;
		old->successor = r;
	} else {
		r->used_ms = 0;
	}
	kill_rule(old);
}

static bool
names_group(const void *list, size_t size, uint32_t group)
{
	of_action_for_each(a, list, size)
	{
		size_t n;
		const void *nested = of_act_nested(a, sizeof(struct of_act_nest), &n);

		if (a->type == OF_A_GROUP && a->u32 == group)
			return true;
		if ((a->type == OF_A_CLONE || a->type == OF_A_WRITE_ACTIONS) &&
		    names_group(nested, n, group))
			return true;
	}
	return false;
}

static bool
outputs_to(const void *list, size_t size, of_port_t port)
{
	return of_actions_output_to_port(list, size, port);
}

/* Groups and meters that the list names exist. */
static bool
is_sound(struct obridge *br, const void *list, size_t size)
{
	of_action_for_each(a, list, size)
	{
		size_t n;
		const void *nested = of_act_nested(a, sizeof(struct of_act_nest), &n);

		if (a->type == OF_A_GROUP && !oracle_group(br, a->u32))
			return false;
		if (a->type == OF_A_METER && !oracle_meter(br, a->u32))
			return false;
		if ((a->type == OF_A_CLONE || a->type == OF_A_WRITE_ACTIONS) &&
		    !is_sound(br, nested, n))
			return false;
	}
	return true;
}

static bool
add(struct obridge *br, const struct of_flow_mod *fm)
{
	struct orule *r, *old = oracle_find(br, fm->table, &fm->match, fm->priority);

	if (!is_sound(br, fm->actions, fm->actions_size))
		return false;
	if (old) {
		kill_rule(old);
	} else if (fm->flags & OF_FF_CHECK_OVERLAP) {
		for (unsigned i = 0; i < br->n_rules; i++) {
			r = br->rules[i];
			if (orule_is_there(r) && r->table == fm->table &&
			    r->priority == fm->priority && overlaps(&r->match, &fm->match))
				return false;
		}
	}
	r = insert(br, fm->table, &fm->match, fm->priority);
	set_actions(r, fm->actions, fm->actions_size);
	r->idle_timeout = fm->idle_timeout;
	r->hard_timeout = fm->hard_timeout;
	r->flags = fm->flags;
	r->cookie = fm->new_cookie;
	if (old && !(fm->flags & OF_FF_RESET_COUNTS)) {
		r->n_packets = old->n_packets;
		r->used_ms = old->used_ms;
		old->successor = r;
	}
	return true;
}

bool
oracle_flow_mod(struct obridge *br, const struct of_flow_mod *fm)
{
	bool is_delete = fm->command == OF_FC_DELETE || fm->command == OF_FC_DELETE_STRICT;
	bool strict = fm->command == OF_FC_MODIFY_STRICT || fm->command == OF_FC_DELETE_STRICT;
	unsigned n = br->n_rules, n_hit = 0;

	if (fm->command == OF_FC_ADD)
		return add(br, fm);
	for (unsigned i = 0; i < n; i++) {
		struct orule *r = br->rules[i];

		if (!orule_is_there(r) || (fm->table != OF_TABLE_ALL && r->table != fm->table) ||
		    (r->cookie ^ fm->cookie) & fm->cookie_mask)
			continue;
		if (strict ? r->priority != fm->priority || !same_match(&r->match, &fm->match)
			   : !contains(&fm->match, &r->match))
			continue;
		if (is_delete &&
		    ((fm->out_port != OF_PORT_ANY &&
		      !outputs_to(r->actions, r->actions_size, fm->out_port)) ||
		     (fm->out_group != OF_GROUP_ANY &&
		      !names_group(r->actions, r->actions_size, fm->out_group))))
			continue;
		if (!n_hit++ && !is_delete && !is_sound(br, fm->actions, fm->actions_size))
			return false;
		if (is_delete)
			kill_rule(r);
		else
			replace_actions(br, r, fm);
	}
	if (!n_hit && !is_delete && fm->new_cookie != UINT64_MAX && !fm->cookie_mask)
		return add(br, fm);
	return true;
}

void
oracle_group_mod(struct obridge *br, const struct of_group_mod *gm)
{
	struct ogroup *g = oracle_group(br, gm->group), old;

	if (gm->command == OF_GC_DELETE) {
		for (unsigned i = 0; i < br->n_rules; i++)
			if (orule_is_there(br->rules[i]) &&
			    names_group(br->rules[i]->actions, br->rules[i]->actions_size, gm->group))
				kill_rule(br->rules[i]);
		if (!g)
			return;
		for (unsigned i = 0; i < g->n; i++)
			free(g->buckets[i].actions);
		free(g->buckets);
		*g = br->groups[--br->n_groups];
		return;
	}
	if (!g) {
		g = &br->groups[br->n_groups++];
		memset(g, 0, sizeof *g);
	}
	old = *g;
	memset(g, 0, sizeof *g);
	g->id = gm->group;
	g->type = gm->type;
	g->n_packets = old.n_packets;
	memcpy(g->method, gm->props.method, sizeof g->method);
	g->param = gm->props.param;
	for (unsigned f = 0; f < OF_N_FIELDS; f++) {
		if (!of_field_set_has(&gm->props.fields, f))
			continue;
		g->fields[g->n_fields].id = f;
		memcpy(g->fields[g->n_fields++].mask, of_group_props_mask(&gm->props, f),
		       of_field(f)->n_bytes);
	}
	g->n = (unsigned)gm->n_buckets;
	g->buckets = calloc(g->n + 1, sizeof *g->buckets);
	for (unsigned i = 0; i < g->n; i++) {
		const struct of_bucket *b = &gm->buckets[i];
		struct obucket *o = &g->buckets[i];

		*o = (struct obucket){ .id = b->bucket_id, .weight = b->weight,
				       .watch_port = b->watch_port, .watch_group = b->watch_group,
				       .size = b->actions_size };
		o->actions = b->actions_size ? wf_xmemdup(b->actions, b->actions_size) : NULL;
		/* A bucket that says what it said before goes on counting. */
		for (unsigned j = 0; j < old.n; j++) {
			const struct obucket *p = &old.buckets[j];

			if (p->id == o->id && p->size == o->size &&
			    p->watch_port == o->watch_port && p->watch_group == o->watch_group &&
			    (!o->size || !memcmp(p->actions, o->actions, o->size)))
				o->n_packets = p->n_packets;
		}
	}
	for (unsigned i = 0; i < old.n; i++)
		free(old.buckets[i].actions);
	free(old.buckets);
}

/* --- Time -------------------------------------------------------------------------------------- */

void
oracle_expire(struct obridge *br)
{
	for (unsigned i = 0; i < br->n_rules; i++) {
		struct orule *r = br->rules[i];
		int64_t used = r->used_ms > r->created_ms ? r->used_ms : r->created_ms;

		if (!orule_is_there(r))
			continue;
		if ((r->hard_timeout && oracle_now_ms - r->modified_ms > r->hard_timeout * 1000) ||
		    (r->idle_timeout && oracle_now_ms - used > r->idle_timeout * 1000))
			kill_rule(r);
	}
}

void
oracle_bury(struct obridge *br)
{
	unsigned n = 0;

	for (unsigned i = 0; i < br->n_rules; i++) {
		if (orule_is_there(br->rules[i])) {
			br->rules[n++] = br->rules[i];
		} else {
			free(br->rules[i]->actions);
			free(br->rules[i]);
		}
	}
	br->n_rules = n;
}

void
oracle_clear(struct obridge *br)
{
	for (unsigned i = 0; i < br->n_rules; i++)
		kill_rule(br->rules[i]);
	oracle_bury(br);
	while (br->n_groups) {
		struct of_group_mod gm = { .command = OF_GC_DELETE, .group = br->groups[0].id };

		oracle_group_mod(br, &gm);
	}
	br->n_macs = 0;
}

/* --- learn -------------------------------------------------------------------------------------- */

/* Big-endian strings of bits, right-aligned in 'union of_value'. */
static unsigned
bit_of(const union of_value *v, unsigned i)
{
	return v->b[sizeof v->b - 1 - i / 8] >> (i % 8) & 1;
}

/* ovs-actions(7), "The learn action". */
void
oracle_learn_fill(const struct of_act_learn *a, const struct of_key *key, struct of_flow_mod *fm)
{
	struct wf_buf list = WF_BUF_INIT;

	memset(fm, 0, sizeof *fm);
	of_match_init_any(&fm->match);
	fm->command = OF_FC_MODIFY_STRICT;
	fm->table = a->table;
	fm->priority = a->priority;
	fm->new_cookie = a->cookie;
	fm->modify_cookie = true;
	fm->idle_timeout = a->idle_timeout;
	fm->hard_timeout = a->hard_timeout;
	fm->out_port = OF_PORT_ANY;
	fm->out_group = OF_GROUP_ANY;
	fm->flags = a->flags & OF_LEARN_F_SEND_FLOW_REM ? OF_FF_SEND_FLOW_REM : 0;
	of_learn_for_each_spec(s, a)
	{
		union of_value v = { .b = { 0 } };

		if (s->src_is_immediate)
			memcpy(v.b + sizeof v.b - s->imm_size, of_learn_spec_imm(s), s->imm_size);
		else
			of_subfield_get(&s->src, key, &v);
		if (s->dst_type == 2) {
			struct of_act_output *o = of_action_put(&list, OF_A_OUTPUT, sizeof *o);
			uint32_t port = 0;

			for (unsigned i = 0; i < 32 && i < s->n_bits; i++)
				port |= bit_of(&v, i) << i;
			o->a.u32 = port >= 0xff00 && port <= 0xffff ? port | 0xffff0000u : port;
		} else {
			const struct of_field *f = of_field(s->dst.field);
			union of_value value = { .b = { 0 } }, mask = { .b = { 0 } };

			for (unsigned i = 0; i < s->n_bits; i++) {
				unsigned to = s->dst.ofs + i;

				value.b[f->n_bytes - 1 - to / 8] |=
					(uint8_t)(bit_of(&v, i) << (to % 8));
				mask.b[f->n_bytes - 1 - to / 8] |= (uint8_t)(1 << (to % 8));
			}
			if (s->dst_type == 1) {
				struct of_act_set_field *sf = of_action_put(
					&list, OF_A_SET_FIELD, sizeof *sf + 2u * f->n_bytes);

				sf->a.raw = OF_RAW_REG_LOAD;
				sf->field = (uint16_t)f->id;
				sf->n_bytes = f->n_bytes;
				memcpy(sf->value_mask, value.b, f->n_bytes);
				memcpy(sf->value_mask + f->n_bytes, mask.b, f->n_bytes);
			} else {
				of_field_set_masked(f, &value, &mask, &fm->match.key);
				of_field_set_masked(f, &mask, &mask, &fm->match.mask);
				if (f->prereq != OF_PRE_NONE) {
					fm->match.key.packet_type = OF_PT_ETH;
					fm->match.mask.packet_type = UINT32_MAX;
				}
			}
		}
	}
	fm->actions_size = list.size;
	fm->actions = list.size ? wf_xmemdup(list.data, list.size) : NULL;
	wf_buf_done(&list);
}
