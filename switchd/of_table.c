/* SPDX-License-Identifier: Apache-2.0 */
/* Flow tables: names, limits, what a miss does, statistics, features, descriptions, vacancy. */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dataplane/worker.h"

WF_LOG_MODULE(of_table);

/* Tables that controllers see. */
#define N_VISIBLE TABLE_INTERNAL
#define MAX_ENTRIES 1000000u
/* OFPTMPEF_OTHER | IMPORTANCE | LIFETIME: what of_evict.c goes by. */
#define EVICTION_FLAGS 7u

/* --- Configuration ------------------------------------------------------------------------ */

void
of_tables_init(struct of_switch *sw)
{
	for (unsigned t = 0; t < N_TABLES; t++) {
		sw->tables[t].max_flows = UINT32_MAX;
		wf_list_init(&sw->tables[t].rules);
	}
}

void
of_tables_done(struct of_switch *sw)
{
	for (unsigned t = 0; t < N_TABLES; t++) {
		free(sw->tables[t].name);
		free(sw->tables[t].evict_fields);
		of_evict_forget(&sw->tables[t]);
	}
}

static void
set_name(struct of_switch *sw, unsigned table, const char *name)
{
	struct of_table_state *t = &sw->tables[table];

	free(t->name);
	t->name = name && *name ? wf_xstrdup(name) : NULL;
	strncpy(sw->bridge->tables[table].name, t->name ? t->name : "",
		sizeof(sw->bridge->tables[table].name) - 1);
}

static void
set_evict_fields(struct of_switch *sw, const struct of_table_config *c)
{
	struct of_table_state *t = &sw->tables[c->table_id];

	of_evict_forget(t);
	free(t->evict_fields);
	t->evict_fields = c->n_groups ? wf_xzalloc(c->n_groups * sizeof(*t->evict_fields)) : NULL;
	t->n_evict_fields = 0;
	for (unsigned i = 0; i < c->n_groups; i++) {
		const char *p = c->groups[i];
		char *err = of_subfield_parse(&t->evict_fields[t->n_evict_fields], &p);

		if (!err)
			t->n_evict_fields++;
		else
			wf_warn_rl("bridge %s: error parsing eviction group \"%s\" of table %u: %s",
				   sw->bridge->name, c->groups[i], c->table_id, err);
		free(err);
	}
}

/* As ovs-vswitchd: what is unknown, too wide or too much is said and left out. */
static void
set_prefixes(struct of_switch *sw, unsigned table, const struct of_table_config *c)
{
	struct narrow_fields *set = &sw->bridge->tables[table].prefixes;
	const char *name = sw->bridge->name;
	bool is_default = true;

	set->n = 0;
	for (unsigned i = 0; c && i < c->n_prefixes; i++) {
		const struct of_field *f = of_field_by_name(c->prefixes[i]);

		if (!strcmp(c->prefixes[i], "none")) {
			set->n = 0;
			return;
		}
		if (!f) {
			wf_warn("bridge %s: 'prefixes' with unknown field: %s", name,
				c->prefixes[i]);
		} else if (!f->maskable || f->n_bits % 32 || f->n_bits > 128) {
			wf_warn("bridge %s: 'prefixes' with incompatible field: %s", name,
				c->prefixes[i]);
		} else if (set->n == NARROW_MAX_FIELDS) {
			wf_warn("bridge %s: 'prefixes' with too many fields, field not used: %s",
				name, c->prefixes[i]);
		} else {
			is_default = false;
			set->field[set->n++] = (uint16_t)f->id;
		}
	}
	if (is_default)
		*set = NARROW_DEFAULT_FIELDS;
}

void
of_tables_configure(struct of_switch *sw, const struct of_table_config *configs, unsigned n)
{
	bool seen[N_TABLES] = { false };

	for (unsigned i = 0; i < n; i++) {
		const struct of_table_config *c = &configs[i];
		struct of_table_state *t;

		if (c->table_id >= N_VISIBLE)
			continue;
		seen[c->table_id] = true;
		t = &sw->tables[c->table_id];
		if (c->name) {
			set_name(sw, c->table_id, c->name);
			t->name_is_configured = true;
		} else if (t->name_is_configured) {
			set_name(sw, c->table_id, NULL);
			t->name_is_configured = false;
		}
		t->max_flows = c->max_flows;
		t->evict = (t->evict & ~OF_EVICT_CONFIG) | (c->evict ? OF_EVICT_CONFIG : 0);
		set_evict_fields(sw, c);
		set_prefixes(sw, c->table_id, c);
		if (c->evict)
			of_evict_excess(sw, c->table_id);
	}
	for (unsigned i = 0; i < N_VISIBLE; i++) {
		struct of_table_state *t = &sw->tables[i];

		if (seen[i])
			continue;
		if (t->name_is_configured) {
			set_name(sw, i, NULL);
			t->name_is_configured = false;
		}
		t->max_flows = UINT32_MAX;
		t->evict &= ~OF_EVICT_CONFIG;
		of_evict_forget(t);
		free(t->evict_fields);
		t->evict_fields = NULL;
		t->n_evict_fields = 0;
		set_prefixes(sw, i, NULL);
	}
}

/* --- Misses ---------------------------------------------------------------------------------- */

void
of_miss_update(struct of_switch *sw)
{
	bool controller = false;
	struct of_conn *c;

	/* Packets go to a controller of an old version without a flow that says so; but nobody
	 * who would not get them is counted, so that a tool's session changes nothing. */
	wf_list_for_each(c, node, &sw->conns)
		controller |= !c->controller_id && c->codec.version &&
			      c->codec.version < OF13_VERSION &&
			      of_conn_wants(c, OF_ASYNC_PACKET_IN, OF_PIR_NO_MATCH);
	const struct bridge_view *bv = view_bridge_pending(sw->bridge);
	if (bv && bv->miss_default != controller)
		view_set_miss_default(sw->bridge, controller);
}

static void
set_miss(struct of_switch *sw, unsigned table, uint8_t miss)
{
	static const int inside[] = {
		[OF_MISS_DEFAULT] = MISS_CONTROLLER_1_0, [OF_MISS_CONTROLLER] = MISS_CONTROLLER,
		[OF_MISS_CONTINUE] = MISS_CONTINUE, [OF_MISS_DROP] = MISS_DROP,
	};

	if (sw->tables[table].miss == miss)
		return;
	sw->tables[table].miss = miss;
	atomic_store(&sw->bridge->tables[table].miss, inside[miss]);
	/* Plans have gone by the old one. */
	view_set_frag_mode(sw->bridge, sw->frag);
}

/* --- Vacancy ---------------------------------------------------------------------------------- */

static uint8_t
vacancy(const struct of_switch *sw, unsigned table)
{
	uint32_t max = sw->tables[table].max_flows, n = sw->bridge->tables[table].n_rules;

	return !max ? 100 : n >= max ? 0 : (uint8_t)((max - n) * 100.0 / max);
}

static void
fill_desc(const struct of_switch *sw, unsigned table, struct of_table_desc *d)
{
	const struct of_table_state *t = &sw->tables[table];

	*d = (struct of_table_desc){
		.table = (uint8_t)table,
		.eviction = t->evict & OF_EVICT_OPENFLOW ? OF_ON : OF_OFF,
		.eviction_flags = EVICTION_FLAGS,
		.vacancy = t->vacancy_said ? OF_ON : OF_OFF,
		.vacancy_levels = { t->vacancy_down, t->vacancy_up, vacancy(sw, table) },
	};
}

void
of_table_vacancy_check(struct of_switch *sw, unsigned table)
{
	struct of_table_state *t = &sw->tables[table];
	uint8_t now, event;
	struct of_table_desc d;
	struct of_conn *c;

	if (!t->vacancy_said)
		return;
	now = vacancy(sw, table);
	event = now < t->vacancy_down ? OF_TR_VACANCY_DOWN : now > t->vacancy_up ? OF_TR_VACANCY_UP : 0;
	if (!event || event != t->vacancy_said)
		return;
	fill_desc(sw, table, &d);
	wf_list_for_each(c, node, &sw->conns)
		if (of_conn_wants(c, OF_ASYNC_TABLE_STATUS, event) &&
		    of_table_status_encode(&c->codec, event, &d, &c->out))
			of_conn_async(c);
	t->vacancy_said = event == OF_TR_VACANCY_DOWN ? OF_TR_VACANCY_UP : OF_TR_VACANCY_DOWN;
}

/* --- Statistics ------------------------------------------------------------------------------- */

static uint32_t
side_flags(unsigned table)
{
	/* Packets come in at table 0. */
	return table ? OF_TF_INGRESS | OF_TF_EGRESS : OF_TF_INGRESS;
}

/* What the first egress table leaves of a table's features. */
static void
fill_egress(unsigned first, struct of_table_features *f)
{
	f->flags = side_flags(f->table);
	if (!first)
		return;
	if (f->table == first)
		f->flags |= OF_TF_FIRST_EGRESS;
	if (f->table >= first)
		f->nonmiss.write.actions &= ~(1ull << OF_A_OUTPUT | 1ull << OF_A_GROUP);
	for (unsigned i = first; i < N_VISIBLE && f->table < first; i++)
		f->nonmiss.next[i / 64] &= ~(1ull << i % 64);
}

void
of_table_features_fill(struct of_switch *sw, unsigned table, struct of_table_features *f)
{
	const struct of_table_state *t = &sw->tables[table];
	/* What Open vSwitch does not have is left out, so that its features read the same. */
	const uint64_t unsaid = 1ull << OF_A_COPY_TTL_OUT | 1ull << OF_A_COPY_TTL_IN |
				1ull << OF_A_PUSH_PBB | 1ull << OF_A_POP_PBB |
				1ull << OF_A_DEBUG;

	memset(f, 0, sizeof(*f));
	f->table = (uint8_t)table;
	if (t->name)
		strncpy(f->name, t->name, sizeof(f->name) - 1);
	f->metadata_match = f->metadata_write = UINT64_MAX;
	f->max_entries = t->max_flows < MAX_ENTRIES ? t->max_flows : MAX_ENTRIES;
	f->any_properties = true;
	f->miss_config = t->miss;
	f->supports_eviction = f->supports_vacancy_events = -1;
	for (unsigned i = table + 1; i < N_VISIBLE; i++)
		f->nonmiss.next[i / 64] |= 1ull << i % 64;
	f->nonmiss.instructions = OF_I_METER | OF_I_APPLY_ACTIONS | OF_I_CLEAR_ACTIONS |
				  OF_I_WRITE_ACTIONS | OF_I_WRITE_METADATA;
	if (table + 1 < N_VISIBLE)
		f->nonmiss.instructions |= OF_I_GOTO_TABLE;
	f->nonmiss.write.actions = ((1ull << OF_N_ACTION_TYPES) - 1) & ~unsaid;
	for (unsigned i = 0; i < OF_N_FIELDS; i++) {
		const struct of_field *field = of_field(i);

		if (field->unsaid)
			continue;
		of_field_set_add(&f->match, i);
		if (field->maskable)
			of_field_set_add(&f->mask, i);
		if (field->writable && !field->write_unsaid)
			of_field_set_add(&f->nonmiss.write.set_fields, i);
	}
	f->nonmiss.apply = f->nonmiss.write;
	fill_egress(of_egress_table(sw), f);
	f->miss = f->nonmiss;
	f->wildcard = f->match;
}

struct table_dump {
	struct of_dump dump;
	unsigned next;
};

static void
table_dump_free(struct of_dump *d)
{
	free(wf_container(d, struct table_dump, dump));
}

static bool
stats_step(struct of_conn *c, struct of_dump *dump)
{
	struct table_dump *d = wf_container(dump, struct table_dump, dump);
	static struct of_table_features f;
	unsigned t = d->next++;

	if (t == N_VISIBLE)
		return true;
	struct table *table = &c->sw->bridge->tables[t];
	struct of_table_stats s = {
		.table = (uint8_t)t, .active = table->n_rules,
		.matched = atomic_load(&table->matched.packets),
	};
	s.lookups = s.matched + atomic_load(&table->missed.packets);
	of_table_features_fill(c->sw, t, &f);
	of_table_stats_append(&dump->mp, &s, &f);
	return false;
}

static bool
features_step(struct of_conn *c, struct of_dump *dump)
{
	struct table_dump *d = wf_container(dump, struct table_dump, dump);
	static struct of_table_features f;

	if (d->next == N_VISIBLE)
		return true;
	of_table_features_fill(c->sw, d->next++, &f);
	of_table_features_append(&dump->mp, &f);
	return false;
}

static bool
desc_step(struct of_conn *c, struct of_dump *dump)
{
	struct table_dump *d = wf_container(dump, struct table_dump, dump);
	struct of_table_desc desc;

	if (d->next == N_VISIBLE)
		return true;
	fill_desc(c->sw, d->next++, &desc);
	of_table_desc_append(&dump->mp, &desc);
	return false;
}

static void
dump_tables(struct of_conn *c, const struct of_msg *m,
	    bool (*step)(struct of_conn *, struct of_dump *))
{
	struct table_dump *d = wf_xzalloc(sizeof(*d));

	d->dump.step = step;
	d->dump.free = table_dump_free;
	of_multipart_begin(&d->dump.mp, &c->dump_out, m);
	of_conn_dump(c, &d->dump);
}

of_err_t
of_handle_table_request(struct of_conn *c, const struct of_msg *m)
{
	workers_fold_stats();
	dump_tables(c, m, stats_step);
	return 0;
}

of_err_t
of_handle_table_desc(struct of_conn *c, const struct of_msg *m)
{
	dump_tables(c, m, desc_step);
	return 0;
}

/* --- Changes ---------------------------------------------------------------------------------- */

static bool
bits_are_subset(const void *a_, const void *b_, size_t size)
{
	const uint8_t *a = a_, *b = b_;

	for (size_t i = 0; i < size; i++)
		if (a[i] & ~b[i])
			return false;
	return true;
}

static bool
actions_are_subset(const struct of_table_action_features *a,
		const struct of_table_action_features *b)
{
	return !(a->actions & ~b->actions) &&
	       bits_are_subset(&a->set_fields, &b->set_fields, sizeof(a->set_fields));
}

static bool
instructions_are_subset(const struct of_table_instruction_features *a,
			const struct of_table_instruction_features *b)
{
	return bits_are_subset(a->next, b->next, sizeof(a->next)) &&
	       !(a->instructions & ~b->instructions) && actions_are_subset(&a->write, &b->write) &&
	       actions_are_subset(&a->apply, &b->apply);
}

/* Does a table with features 'b' do all that 'a' asks for? */
static bool
features_are_subset(const struct of_table_features *a, const struct of_table_features *b)
{
	return !(a->metadata_match & ~b->metadata_match) &&
	       !(a->metadata_write & ~b->metadata_write) &&
	       instructions_are_subset(&a->nonmiss, &b->nonmiss) &&
	       instructions_are_subset(&a->miss, &b->miss) &&
	       bits_are_subset(&a->match, &b->match, sizeof(a->match)) &&
	       bits_are_subset(&a->mask, &b->mask, sizeof(a->mask)) &&
	       bits_are_subset(&a->wildcard, &b->wildcard, sizeof(a->wildcard));
}

struct features_change {
	bool seen[256];
	bool take_properties[256]; /* none given: the old ones */
	char name[256][32];
	unsigned n, command;
	unsigned first_egress;      /* as it will be */
	bool first_egress_said;
};

static of_err_t
check_table(struct of_switch *sw, const struct of_table_features *f)
{
	static struct of_table_features old;
	const struct of_table_state *t = &sw->tables[f->table];

	of_table_features_fill(sw, f->table, &old);
	if (f->max_entries != old.max_entries)
		return OF_ERR_OFPTFFC_EPERM;
	if (t->name_is_configured && t->name && *f->name && strncmp(f->name, t->name, 31))
		return OF_ERR_OFPTFFC_EPERM;
	if ((f->any_properties || f->command == OF_TFC_REPLACE) && !features_are_subset(f, &old))
		return OF_ERR_OFPTFFC_EPERM;
	if (f->flags & ~(side_flags(f->table) | OF_TF_FIRST_EGRESS) ||
	    (f->flags & OF_TF_FIRST_EGRESS && !f->table))
		return OF_ERR_OFPTFFC_BAD_FEATURES;
	return 0;
}

/* OFPTFF_FIRST_EGRESS moves to the table for which it is given, and goes when it is taken from the
 * table that has it.  Flags of zero, as of tools that only give a table a name, say nothing. */
static of_err_t
note_first_egress(struct features_change *ch, const struct of_table_features *f)
{
	if (f->flags & OF_TF_FIRST_EGRESS) {
		if (ch->first_egress_said)
			return OF_ERR_OFPTFFC_BAD_FEATURES;
		ch->first_egress_said = true;
		ch->first_egress = f->table;
	} else if (f->flags && f->table == ch->first_egress && !ch->first_egress_said) {
		ch->first_egress = 0;
	}
	return 0;
}

struct egress_walk {
	unsigned first;
	bool bad;
};

static bool
egress_visit(struct rule *r, void *w_)
{
	struct egress_walk *w = w_;

	w->bad |= of_check_egress(w->first, r->table_id, r->actions->data, r->actions->size) != 0;
	return !w->bad;
}

/* Do all flows fit to another first egress table? */
static bool
flows_allow_egress(struct of_switch *sw, unsigned first)
{
	struct egress_walk w = { .first = first };

	for (unsigned t = 0; t < N_VISIBLE && !w.bad; t++)
		table_for_each(&sw->bridge->tables[t], NULL, view_next_version(), egress_visit,
			       &w);
	return !w.bad;
}

static of_err_t
change_features(struct of_conn *c, const struct of_msg *m)
{
	struct of_switch *sw = c->sw;
	struct features_change *ch = wf_xzalloc(sizeof(*ch));
	static struct of_table_features f;
	of_err_t err = 0, check = 0;
	size_t pos = 0;

	ch->first_egress = of_egress_table(sw);
	while (!(err = of_table_features_next(&c->codec, m, &pos, &f))) {
		if (!ch->n++)
			ch->command = f.command;
		if (ch->seen[f.table]) {
			err = OF_ERR_NXTFFC_DUP_TABLE;
			break;
		}
		ch->seen[f.table] = true;
		memcpy(ch->name[f.table], f.name, sizeof(f.name));
		f.command = (uint8_t)ch->command;
		if (!check && f.table < N_VISIBLE)
			check = check_table(sw, &f);
		else if (!check)
			check = OF_ERR_OFPTFFC_EPERM;
		if (!check)
			check = note_first_egress(ch, &f);
	}
	if (err == OF_EOF)
		err = check;
	if (!err && ch->n && ch->command >= OF_TFC_ENABLE)
		err = OF_ERR_OFPTFFC_EPERM;
	for (unsigned t = 0; !err && ch->n && ch->command == OF_TFC_REPLACE && t < N_VISIBLE; t++)
		if (!ch->seen[t])
			err = OF_ERR_OFPTFFC_EPERM; /* tables are not made and not unmade */
	if (!err && ch->first_egress != of_egress_table(sw)) {
		if (flows_allow_egress(sw, ch->first_egress))
			view_set_egress_table(sw->bridge, (uint8_t)ch->first_egress);
		else
			err = OF_ERR_OFPTFFC_EPERM;
	}
	for (unsigned t = 0; !err && ch->n && t < N_VISIBLE; t++)
		if (ch->seen[t] && !sw->tables[t].name_is_configured)
			set_name(sw, t, ch->name[t]);
	free(ch);
	return err;
}

of_err_t
of_handle_table_features(struct of_conn *c, const struct of_msg *m)
{
	if (m->body_size) {
		of_err_t err;

		if (c->is_controller && c->role == OF_ROLE_SECONDARY)
			return OF_ERR_OFPBRC_IS_SECONDARY;
		err = change_features(c, m);
		if (err)
			return err;
	}
	dump_tables(c, m, features_step);
	return 0;
}

static void
table_mod_one(struct of_switch *sw, unsigned table, const struct of_table_mod *tm)
{
	struct of_table_state *t = &sw->tables[table];

	if (tm->miss != OF_MISS_DEFAULT)
		set_miss(sw, table, tm->miss);
	if (tm->eviction == OF_ON)
		t->evict |= OF_EVICT_OPENFLOW;
	else if (tm->eviction == OF_OFF)
		t->evict &= ~OF_EVICT_OPENFLOW;
	if (!t->evict)
		of_evict_forget(t);
	if (tm->vacancy == OF_DEFAULT)
		return;
	t->vacancy_down = tm->vacancy_levels.down;
	t->vacancy_up = tm->vacancy_levels.up;
	if (tm->vacancy == OF_OFF)
		t->vacancy_said = 0;
	else if (!t->vacancy_said)
		t->vacancy_said = vacancy(sw, table) < t->vacancy_up ? OF_TR_VACANCY_UP
								     : OF_TR_VACANCY_DOWN;
}

of_err_t
of_handle_table_mod(struct of_conn *c, const struct of_msg *m)
{
	struct of_table_mod tm;
	of_err_t err = of_table_mod_decode(&c->codec, m, &tm);

	if (err)
		return err;
	if (tm.table != OF_TABLE_ALL && tm.table >= N_TABLES)
		return OF_ERR_OFPTMFC_BAD_TABLE;
	if (tm.eviction_flags != UINT32_MAX && tm.eviction_flags != EVICTION_FLAGS)
		return OF_ERR_OFPTMFC_BAD_CONFIG;
	if (tm.table != OF_TABLE_ALL && tm.table >= N_VISIBLE)
		return OF_ERR_OFPTMFC_EPERM;
	for (unsigned t = 0; t < N_VISIBLE; t++)
		if (tm.table == OF_TABLE_ALL || tm.table == t)
			table_mod_one(c->sw, t, &tm);
	return 0;
}
