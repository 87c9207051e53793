// SPDX-License-Identifier: Apache-2.0
/* Actions of queues, tables and control, and instructions, as text. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "openflow/action_internal.h"
#include "openflow/text.h"

static const char *const mp_algorithms[] = { "modulo_n", "hash_threshold", "hrw", "iter_hash" };

static void
format_resubmit(const struct of_act_resubmit *r, const struct of_action_fmt *f)
{
	bool has_port = r->a.u32 != OF_PORT_IN_PORT, has_table = r->table != 255;

	wf_str_put(f->s, has_port && !has_table ? "resubmit:" : "resubmit(");
	if (has_port)
		of_port_format(r->a.u32, f->port_name, f->aux, f->s);
	if (has_port && !has_table)
		return;
	wf_str_putc(f->s, ',');
	if (has_table)
		wf_str_fmt(f->s, "%u", r->table);
	wf_str_put(f->s, r->with_ct_orig ? ",ct)" : ")");
}

static void
format_sample(const struct of_act_sample *sa, const struct of_action_fmt *f)
{
	wf_str_fmt(f->s, "sample(probability=%u,collector_set_id=%u,obs_domain_id=%u,"
		   "obs_point_id=%u", sa->probability, sa->collector_set, sa->obs_domain,
		   sa->obs_point);
	if (sa->sampling_port != OF_PORT_NONE) {
		wf_str_put(f->s, ",sampling_port=");
		of_port_format(sa->sampling_port, f->port_name, f->aux, f->s);
	}
	wf_str_put(f->s, sa->direction == 1 ? ",ingress)" : sa->direction == 2 ? ",egress)" : ")");
}

static void
format_fin_timeout(const struct of_act_fin_timeout *t, struct wf_str *s)
{
	wf_str_put(s, "fin_timeout(");
	if (t->idle)
		wf_str_fmt(s, "idle_timeout=%u,", t->idle);
	if (t->hard)
		wf_str_fmt(s, "hard_timeout=%u,", t->hard);
	wf_str_chomp(s, ',');
	wf_str_putc(s, ')');
}

void
of_flow_format(const struct of_action *a, const struct of_action_fmt *f)
{
	struct wf_str *s = f->s;
	const struct of_action *inner;
	size_t size;

	switch (a->type) {
	case OF_A_SET_QUEUE:
		wf_str_fmt(s, "set_queue:%u", a->u32);
		break;
	case OF_A_METER:
		wf_str_fmt(s, "meter:%u", a->u32);
		break;
	case OF_A_FIN_TIMEOUT:
		format_fin_timeout((const struct of_act_fin_timeout *)a, s);
		break;
	case OF_A_RESUBMIT:
		format_resubmit((const struct of_act_resubmit *)a, f);
		break;
	case OF_A_CONJUNCTION:
		wf_str_fmt(s, "conjunction(%u,%u/%u)", a->u32,
			   ((const struct of_act_conjunction *)a)->clause + 1u,
			   ((const struct of_act_conjunction *)a)->n_clauses);
		break;
	case OF_A_MULTIPATH: {
		const struct of_act_multipath *m = (const struct of_act_multipath *)a;

		wf_str_fmt(s, "multipath(%s,%u,%s,%u,%u,", of_hash_fields_name(m->fields), m->basis,
			   mp_algorithms[m->algorithm & 3], m->max_link + 1u, m->arg);
		of_subfield_format(&m->dst, s);
		wf_str_putc(s, ')');
		break;
	}
	case OF_A_NOTE:
		wf_str_put(s, "note:");
		of_dotted_hex_format(s, ((const struct of_act_note *)a)->data,
				     ((const struct of_act_note *)a)->len);
		break;
	case OF_A_SAMPLE:
		format_sample((const struct of_act_sample *)a, f);
		break;
	case OF_A_CLONE:
		inner = of_act_nested(a, sizeof(struct of_act_nest), &size);
		wf_str_put(s, "clone(");
		of_actions_format_list(inner, size, f);
		wf_str_putc(s, ')');
		break;
	case OF_A_CHECK_PKT_LARGER:
		wf_str_fmt(s, "check_pkt_larger(%u)->",
			   ((const struct of_act_check_pkt_larger *)a)->pkt_len);
		of_subfield_format(&((const struct of_act_check_pkt_larger *)a)->dst, s);
		break;
	case OF_A_DEBUG:
		wf_str_put(s, a->raw == OF_RAW_DEBUG_SLOW ? "debug_slow" : "debug_recirc");
		break;
	default: /* pop_queue, exit, unroll_xlate */
		wf_str_put(s, of_action_name(a->type));
		break;
	}
}

void
of_inst_format(const struct of_action *a, const struct of_action_fmt *f)
{
	struct wf_str *s = f->s;
	const struct of_action *inner;
	size_t size;

	switch (a->type) {
	case OF_A_CLEAR_ACTIONS:
		wf_str_put(s, "clear_actions");
		break;
	case OF_A_WRITE_ACTIONS:
		inner = of_act_nested(a, sizeof(struct of_act_nest), &size);
		wf_str_put(s, "write_actions(");
		of_actions_format_list(inner, size, f);
		wf_str_putc(s, ')');
		break;
	case OF_A_WRITE_METADATA: {
		const struct of_act_write_metadata *m = (const struct of_act_write_metadata *)a;

		wf_str_put(s, "write_metadata:");
		of_x64_format(m->metadata, s);
		if (m->mask != UINT64_MAX) {
			wf_str_putc(s, '/');
			of_x64_format(m->mask, s);
		}
		break;
	}
	case OF_A_STAT_TRIGGER: {
		const struct of_act_stat_trigger *t = (const struct of_act_stat_trigger *)a;

		wf_str_put(s, "stat_trigger(flags=");
		of_x64_format(t->flags, s);
		wf_str_put(s, ",stats=");
		of_dotted_hex_format(s, t->thresholds, t->len);
		wf_str_putc(s, ')');
		break;
	}
	case OF_A_GOTO_TABLE:
		wf_str_fmt(s, "goto_table:%u", a->u32);
		break;
	}
}

/* --- Parsing --- */

static bool
parse_table(const char *s, uint8_t *table)
{
	char *end;
	long v = strtol(s, &end, 0);

	if (end == s || *end || v < 0 || v > 255)
		return false;
	*table = v;
	return true;
}

static char *
parse_resubmit(struct of_action_parse *p, char *arg)
{
	struct of_act_resubmit *r = of_action_put(p->list, OF_A_RESUBMIT, sizeof(*r));
	char *port = strsep(&arg, ","), *table = strsep(&arg, ","), *ct = strsep(&arg, ",");

	r->a.u32 = OF_PORT_IN_PORT;
	r->table = 255;
	if (port && *port && !of_port_parse(port, p->port_number, p->aux, &r->a.u32))
		return wf_xasprintf("%s: resubmit to unknown port", port);
	if (table && *table && !parse_table(table, &r->table))
		return wf_xasprintf("%s: resubmit to unknown table", table);
	if (ct && *ct) {
		if (strcmp(ct, "ct"))
			return wf_xasprintf("%s: unknown parameter", ct);
		r->with_ct_orig = 1;
	}
	if (r->a.u32 == OF_PORT_IN_PORT && r->table == 255)
		return wf_xstrdup("at least one \"in_port\" or \"table\" must be specified on "
				  "resubmit");
	return NULL;
}

static char *
parse_multipath(struct of_action_parse *p, const char *full, char *arg)
{
	struct of_act_multipath *m = of_action_put(p->list, OF_A_MULTIPATH, sizeof(*m));
	char *save = NULL;
	char *fields = strtok_r(arg, ", ", &save), *basis = strtok_r(NULL, ", ", &save);
	char *algorithm = strtok_r(NULL, ", ", &save), *links = strtok_r(NULL, ", ", &save);
	char *marg = strtok_r(NULL, ", ", &save), *dst = strtok_r(NULL, ", ", &save);
	unsigned alg = 0;

	if (!dst)
		return wf_xasprintf("%s: not enough arguments to multipath action", full);
	int hash = of_hash_fields_from_name(fields), n_links = atoi(links);

	if (hash < 0)
		return wf_xasprintf("%s: unknown fields `%s'", full, fields);
	while (alg < 4 && strcasecmp(mp_algorithms[alg], algorithm))
		alg++;
	if (alg == 4)
		return wf_xasprintf("%s: unknown algorithm `%s'", full, algorithm);
	if (n_links < 1 || n_links > 65536)
		return wf_xasprintf("%s: n_links %d is not in valid range 1 to 65536", full,
				    n_links);
	m->fields = hash;
	m->basis = atoi(basis);
	m->algorithm = alg;
	m->max_link = n_links - 1;
	m->arg = atoi(marg);
	char *error = of_subfield_parse_all(dst, &m->dst);

	if (error)
		return error;
	if (!of_wire_field_header(m->dst.field))
		return wf_xasprintf("%s: experimenter OXM field '%s' not supported", full, dst);
	if (m->dst.n_bits < 16 && n_links > 1 << m->dst.n_bits)
		return wf_xasprintf("%s: %d-bit destination field has %u possible values, less "
				    "than specified n_links %d", full, m->dst.n_bits,
				    1u << m->dst.n_bits, n_links);
	return NULL;
}

static char *
parse_note(struct of_action_parse *p, const char *arg)
{
	size_t ofs = p->list->size, head = sizeof(struct of_act_note);
	struct of_act_note *n = of_action_put(p->list, OF_A_NOTE, head);

	p->list->size = ofs + head;
	if (*of_hex_parse(p->list, arg))
		return wf_xstrdup("bad hex digit in `note' argument");
	size_t len = p->list->size - ofs - head;

	if (len > UINT16_MAX - head - 7)
		return wf_xstrdup("input too big");
	n = wf_buf_at(p->list, ofs);
	n->len = len;
	of_action_finish(p->list, ofs);
	return NULL;
}

static char *
parse_conjunction(struct of_action_parse *p, const char *arg)
{
	int id, n = 0;
	unsigned clause, n_clauses;

	if (sscanf(arg, "%i , %u / %u %n", &id, &clause, &n_clauses, &n) != 3 || !n || arg[n])
		return wf_xstrdup("\"conjunction\" syntax is \"conjunction(id,i/n)\"");
	if (n_clauses < 2)
		return wf_xstrdup("conjunction must have at least 2 clauses");
	if (n_clauses > 64)
		return wf_xstrdup("conjunction must have at most 64 clauses");
	if (clause < 1)
		return wf_xstrdup("clause index must be positive");
	if (clause > n_clauses)
		return wf_xstrdup("clause index must be less than or equal to number of clauses");
	/* sscanf() takes ids up to INT_MAX only. */
	struct of_act_conjunction *c = of_action_put(p->list, OF_A_CONJUNCTION, sizeof(*c));

	c->a.u32 = strtoul(arg, NULL, 0);
	c->clause = clause - 1;
	c->n_clauses = n_clauses;
	return NULL;
}

static char *
parse_fin_timeout(struct of_action_parse *p, char *arg)
{
	struct of_act_fin_timeout *t = of_action_put(p->list, OF_A_FIN_TIMEOUT, sizeof(*t));
	char *key, *value, *error = NULL;

	while (!error && of_key_value_next(&arg, &key, &value)) {
		if (!strcmp(key, "idle_timeout"))
			error = of_u16_parse(value, key, &t->idle);
		else if (!strcmp(key, "hard_timeout"))
			error = of_u16_parse(value, key, &t->hard);
		else
			error = wf_xasprintf("invalid key '%s' in 'fin_timeout' argument", key);
	}
	return error;
}

static char *
parse_sample(struct of_action_parse *p, char *arg)
{
	struct of_act_sample *sa = of_action_put(p->list, OF_A_SAMPLE, sizeof(*sa));
	char *key, *value, *error = NULL;

	sa->sampling_port = OF_PORT_NONE;
	while (!error && of_key_value_next(&arg, &key, &value)) {
		if (!strcmp(key, "probability")) {
			error = of_u16_parse(value, key, &sa->probability);
			if (!error && !sa->probability)
				error = wf_xasprintf("invalid probability value \"%s\"", value);
		} else if (!strcmp(key, "collector_set_id")) {
			error = of_u32_parse(value, &sa->collector_set);
		} else if (!strcmp(key, "obs_domain_id")) {
			error = of_u32_parse(value, &sa->obs_domain);
		} else if (!strcmp(key, "obs_point_id")) {
			error = of_u32_parse(value, &sa->obs_point);
		} else if (!strcmp(key, "sampling_port")) {
			if (!of_port_parse(value, p->port_number, p->aux, &sa->sampling_port))
				error = wf_xasprintf("%s: unknown port", value);
		} else if (!strcmp(key, "ingress")) {
			sa->direction = 1;
		} else if (!strcmp(key, "egress")) {
			sa->direction = 2;
		} else {
			error = wf_xasprintf("invalid key \"%s\" in \"sample\" argument", key);
		}
	}
	if (!error && !sa->probability)
		error = wf_xstrdup("non-zero \"probability\" must be specified on sample");
	return error;
}

static char *
parse_clone(struct of_action_parse *p, char *arg)
{
	size_t ofs = p->list->size;

	of_action_put(p->list, OF_A_CLONE, sizeof(struct of_act_nest));
	char *error = of_actions_parse_nested(p, arg, false, OF_A_CLONE);

	if (!error && p->list->size - ofs > OF_ACTION_MAX_SIZE)
		error = wf_xstrdup("input too big");
	if (!error)
		of_action_finish(p->list, ofs);
	return error;
}

/* "1500)->NXM_NX_REG0[0]": the first parenthesis is gone. */
static char *
parse_check_pkt_larger(struct of_action_parse *p, char *arg)
{
	char *arrow = strstr(arg, "->"), *error;
	struct of_subfield dst;
	uint16_t len;

	if (!arrow)
		return wf_xasprintf("%s: missing `->'", arg);
	if (!arrow[2])
		return wf_xasprintf("%s: missing field name following `->'", arg);
	*arrow = '\0';
	if (arrow > arg && arrow[-1] == ')')
		arrow[-1] = '\0';
	error = of_subfield_parse_all(arrow + 2, &dst);
	if (!error && dst.n_bits != 1)
		error = wf_xstrdup("Only 1-bit destination field is allowed");
	if (!error)
		error = of_u16_parse(arg, "packet length", &len);
	if (error)
		return error;
	struct of_act_check_pkt_larger *c = of_action_put(p->list, OF_A_CHECK_PKT_LARGER,
							  sizeof(*c));

	c->pkt_len = len;
	c->dst = dst;
	return NULL;
}

char *
of_flow_parse(struct of_action_parse *p, enum of_action_type type, char *arg)
{
	char *error, *full;
	uint32_t v;

	switch (type) {
	case OF_A_SET_QUEUE:
	case OF_A_METER:
		error = of_u32_parse(arg, &v);
		if (!error)
			put_u32_action(p->list, type, OF_RAW_NONE, v);
		return error;
	case OF_A_POP_QUEUE:
	case OF_A_EXIT:
		put_u32_action(p->list, type, OF_RAW_NONE, 0);
		return NULL;
	case OF_A_DEBUG:
		if (!of_actions_with_debug)
			return wf_xstrdup("actions for tests need --enable-dummy");
		put_u32_action(p->list, type, p->raw, 0);
		return NULL;
	case OF_A_FIN_TIMEOUT:
		return parse_fin_timeout(p, arg);
	case OF_A_RESUBMIT:
		return parse_resubmit(p, arg);
	case OF_A_CONJUNCTION:
		return parse_conjunction(p, arg);
	case OF_A_MULTIPATH:
		full = wf_xstrdup(arg);
		error = parse_multipath(p, full, arg);
		free(full);
		return error;
	case OF_A_NOTE:
		return parse_note(p, arg);
	case OF_A_SAMPLE:
		return parse_sample(p, arg);
	case OF_A_CLONE:
		return parse_clone(p, arg);
	case OF_A_CHECK_PKT_LARGER:
		return parse_check_pkt_larger(p, arg);
	default:
		return wf_xstrdup("UNROLL is an internal action that shouldn't be used via "
				  "OpenFlow");
	}
}

static char *
parse_write_actions(struct of_action_parse *p, char *arg)
{
	size_t ofs = p->list->size, size;

	of_action_put(p->list, OF_A_WRITE_ACTIONS, sizeof(struct of_act_nest));
	char *error = of_actions_parse_nested(p, arg, false, OF_A_WRITE_ACTIONS);

	if (!error && p->list->size - ofs > OF_ACTION_MAX_SIZE)
		error = wf_xstrdup("input too big");
	if (error)
		return error;
	of_action_finish(p->list, ofs);
	const struct of_action *inner = of_act_nested(wf_buf_at(p->list, ofs),
						      sizeof(struct of_act_nest), &size);

	of_action_for_each(a, inner, size) {
		if (!of_action_is_allowed_in_set(a->type))
			return wf_xasprintf("%s is not allowed in write_actions",
					    of_action_name(a->type));
	}
	return NULL;
}

static char *
parse_write_metadata(struct of_action_parse *p, char *arg)
{
	struct of_act_write_metadata *m = of_action_put(p->list, OF_A_WRITE_METADATA, sizeof(*m));
	char *mask = strchr(arg, '/'), *error = NULL;

	m->mask = UINT64_MAX;
	if (mask) {
		*mask = '\0';
		error = of_u64_parse(mask + 1, &m->mask);
	}
	return error ? error : of_u64_parse(arg, &m->metadata);
}

static char *
parse_stat_trigger(struct of_action_parse *p, char *arg)
{
	size_t ofs = p->list->size, head = sizeof(struct of_act_stat_trigger);
	char *key, *value, *error = NULL, *stats = NULL;
	uint32_t flags = 0;

	of_action_put(p->list, OF_A_STAT_TRIGGER, head);
	p->list->size = ofs + head;
	while (!error && of_key_value_next(&arg, &key, &value)) {
		if (!strcmp(key, "flags"))
			error = of_u32_parse(value, &flags);
		else if (!strcmp(key, "stats"))
			stats = value;
		else
			error = wf_xasprintf("invalid key '%s' in 'stat_trigger' argument", key);
	}
	if (!error && (!stats || *of_hex_parse(p->list, stats)))
		error = wf_xstrdup("bad hex digits in `stat_trigger' argument `stats'");
	size_t len = p->list->size - ofs - head;

	if (!error && (len < 4 || len > UINT16_MAX - head - 7))
		error = wf_xstrdup("stats of `stat_trigger' must have at least 4 bytes");
	if (error)
		return error;
	struct of_act_stat_trigger *t = wf_buf_at(p->list, ofs);

	t->flags = flags;
	t->len = len;
	of_action_finish(p->list, ofs);
	return NULL;
}

char *
of_inst_parse(struct of_action_parse *p, enum of_action_type type, char *arg)
{
	uint8_t table;

	switch (type) {
	case OF_A_WRITE_ACTIONS:
		return parse_write_actions(p, arg);
	case OF_A_WRITE_METADATA:
		return parse_write_metadata(p, arg);
	case OF_A_STAT_TRIGGER:
		return parse_stat_trigger(p, arg);
	case OF_A_GOTO_TABLE:
		if (!parse_table(arg, &table))
			return wf_xasprintf("unknown table \"%s\"", arg);
		put_u32_action(p->list, type, OF_RAW_NONE, table);
		return NULL;
	default: /* clear_actions */
		put_u32_action(p->list, type, OF_RAW_NONE, 0);
		return NULL;
	}
}
