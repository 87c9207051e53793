// SPDX-License-Identifier: Apache-2.0
/* learn as text. */
#include <stdlib.h>

#include "openflow/action_internal.h"
#include "openflow/text.h"

#define DEFAULT_PRIORITY 32768
enum { DST_MATCH, DST_LOAD, DST_OUTPUT };

static void
format_spec(const struct of_learn_spec *sp, const struct of_action_fmt *f)
{
	const struct of_field *dst = of_field(sp->dst.field);
	struct wf_str *s = f->s;

	if (sp->dst_type == DST_LOAD || sp->dst_type == DST_OUTPUT) {
		wf_str_put(s, sp->dst_type == DST_LOAD ? "load:" : "output:");
		if (sp->src_is_immediate)
			of_hex_format(of_learn_spec_imm(sp), sp->imm_size, s);
		else
			of_subfield_format(&sp->src, s);
		if (sp->dst_type == DST_LOAD) {
			wf_str_put(s, "->");
			of_subfield_format(&sp->dst, s);
		}
	} else if (!sp->src_is_immediate) {
		of_subfield_format(&sp->dst, s);
		if (sp->src.field != sp->dst.field || sp->src.ofs != sp->dst.ofs) {
			wf_str_putc(s, '=');
			of_subfield_format(&sp->src, s);
		}
	} else if (!sp->dst.ofs && sp->dst.n_bits == dst->n_bits) {
		union of_value value;

		memset(&value, 0, sizeof(value));
		memcpy(value.b + dst->n_bytes - sp->imm_size, of_learn_spec_imm(sp), sp->imm_size);
		wf_str_fmt(s, "%s=", dst->name);
		of_field_format_value(dst, &value, NULL, s);
	} else {
		of_subfield_format(&sp->dst, s);
		wf_str_putc(s, '=');
		of_hex_format(of_learn_spec_imm(sp), sp->imm_size, s);
	}
}

void
of_learn_format(const struct of_action *a, const struct of_action_fmt *f)
{
	const struct of_act_learn *l = (const struct of_act_learn *)a;
	struct wf_str *s = f->s;

	wf_str_fmt(s, "learn(table=%u", l->table);
	if (l->idle_timeout)
		wf_str_fmt(s, ",idle_timeout=%u", l->idle_timeout);
	if (l->hard_timeout)
		wf_str_fmt(s, ",hard_timeout=%u", l->hard_timeout);
	if (l->fin_idle_timeout)
		wf_str_fmt(s, ",fin_idle_timeout=%u", l->fin_idle_timeout);
	if (l->fin_hard_timeout)
		wf_str_fmt(s, ",fin_hard_timeout=%u", l->fin_hard_timeout);
	if (l->priority != DEFAULT_PRIORITY)
		wf_str_fmt(s, ",priority=%u", l->priority);
	if (l->flags & OF_LEARN_F_SEND_FLOW_REM)
		wf_str_put(s, ",send_flow_rem");
	if (l->flags & OF_LEARN_F_DELETE_LEARNED)
		wf_str_put(s, ",delete_learned");
	if (l->cookie) {
		wf_str_put(s, ",cookie=");
		of_x64_format(l->cookie, s);
	}
	if (l->limit)
		wf_str_fmt(s, ",limit=%u", l->limit);
	if (l->flags & OF_LEARN_F_WRITE_RESULT) {
		wf_str_put(s, ",result_dst=");
		of_subfield_format(&l->result_dst, s);
	}
	of_learn_for_each_spec(sp, l) {
		wf_str_putc(s, ',');
		format_spec(sp, f);
	}
	wf_str_putc(s, ')');
}

/* --- Parsing --- */

/* Appends a spec; 'value' (big-endian, 'size' bytes) is its immediate, if it has one. */
static void
put_spec(struct wf_buf *list, struct of_learn_spec spec, const uint8_t *value, unsigned size)
{
	spec.imm_size = value ? (spec.n_bits + 7) / 8 : 0;
	struct of_learn_spec *s = wf_buf_put_zeros(list,
						   OF_ACTION_ALIGN(sizeof(spec) + spec.imm_size));

	*s = spec;
	if (value)
		memcpy(s + 1, value + size - spec.imm_size, spec.imm_size);
}

/* Do only the low 'n_bits' of a value have ones? */
static bool
fits(const uint8_t *value, unsigned size, unsigned n_bits)
{
	uint8_t low[128] = { 0 };

	of_bits_copy(value, size, 0, low, size, 0, n_bits);
	return !memcmp(low, value, size);
}

static char *
no_header(const char *full, const char *name)
{
	return wf_xasprintf("%s: experimenter OXM field '%s' not supported", full, name);
}

/* "load:0x5->NXM_NX_REG0[]", "load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]" */
static char *
parse_load(struct of_action_parse *p, char *value)
{
	char *arrow = strstr(value, "->"), *error;
	struct of_learn_spec spec = { .dst_type = DST_LOAD };
	uint8_t imm[128];
	const char *tail;

	if (arrow == value)
		return wf_xasprintf("load: missing source before `->' in `%s'", value);
	if (!arrow)
		return wf_xasprintf("load: missing `->' in `%s'", value);
	if (!of_int_parse(value, imm, sizeof(imm), &tail) && tail != value) {
		if (tail != arrow)
			return wf_xasprintf("load: garbage before `->' in `%s'", value);
		error = of_subfield_parse_all(arrow + 2, &spec.dst);
		if (error)
			return error;
		if (!of_wire_field_header(spec.dst.field))
			return no_header(value, arrow + 2);
		if (!fits(imm, sizeof(imm), spec.dst.n_bits))
			return wf_xasprintf("%s: value does not fit into %u bits", value,
					    spec.dst.n_bits);
		spec.src_is_immediate = 1;
		spec.n_bits = spec.dst.n_bits;
		put_spec(p->list, spec, imm, sizeof(imm));
		return NULL;
	}
	const char *s = value;

	error = of_subfield_parse(&spec.src, &s);
	if (!error && strncmp(s, "->", 2))
		error = wf_xasprintf("%s: missing `->' following source", value);
	if (!error)
		error = of_subfield_parse_all(s + 2, &spec.dst);
	if (!error && spec.src.n_bits != spec.dst.n_bits)
		error = wf_xasprintf("%s: source field is %d bits wide but destination is %d bits "
				     "wide", value, spec.src.n_bits, spec.dst.n_bits);
	if (error)
		return error;
	spec.n_bits = spec.src.n_bits;
	put_spec(p->list, spec, NULL, 0);
	return NULL;
}

/* The value of a match: a whole field in its own words, a part of one as a number. */
static char *
parse_immediate(struct of_action_parse *p, const char *full, const char *value,
		const struct of_subfield *dst, union of_value *imm)
{
	const struct of_field *f = of_field(dst->field);
	const char *tail;

	if (!dst->ofs && dst->n_bits == f->n_bits) {
		union of_value mask;
		char *error = of_field_parse_value_ports(f, value, p->port_number, p->aux, imm,
							 &mask);

		if (!error && !of_value_is_all_ones(f, &mask))
			error = wf_xasprintf("%s: mask not allowed here", full);
		return error;
	}
	if (of_int_parse(value, imm->b, f->n_bytes, &tail) || *tail || tail == value)
		return wf_xasprintf("%s: cannot parse integer value", full);
	if (!fits(imm->b, f->n_bytes, dst->n_bits)) {
		struct wf_str s = WF_STR_INIT;
		char *error;

		of_field_format_value(f, imm, NULL, &s);
		error = wf_xasprintf("%s: value %s does not fit into %d bits", full,
				     wf_str_cstr(&s), dst->n_bits);
		wf_str_done(&s);
		return error;
	}
	return NULL;
}

/* "field", "field=field", "field=value" */
static char *
parse_match(struct of_action_parse *p, const char *full, const char *name, const char *value,
	    struct of_learn_spec spec)
{
	union of_value imm;
	char *error, *imm_error;

	if (!of_wire_field_header(spec.dst.field))
		return no_header(full, name);
	spec.dst_type = DST_MATCH;
	spec.n_bits = spec.dst.n_bits;
	if (!*value) {
		spec.src = spec.dst;
		put_spec(p->list, spec, NULL, 0);
		return NULL;
	}
	error = of_subfield_parse_all(value, &spec.src);
	if (!error) {
		if (spec.src.n_bits != spec.dst.n_bits)
			return wf_xasprintf("%s: bit widths of %s (%u) and %s (%u) differ", full,
					    name, spec.src.n_bits, value, spec.dst.n_bits);
		put_spec(p->list, spec, NULL, 0);
		return NULL;
	}
	imm_error = parse_immediate(p, full, value, &spec.dst, &imm);
	if (imm_error) {
		char *both = wf_xasprintf("%s: %s value %s cannot be parsed as a subfield (%s) or "
					  "an immediate value (%s)", full, name, value, error,
					  imm_error);

		free(error);
		free(imm_error);
		return both;
	}
	free(error);
	spec.src = (struct of_subfield) { 0 };
	spec.src_is_immediate = 1;
	put_spec(p->list, spec, imm.b, of_field(spec.dst.field)->n_bytes);
	return NULL;
}

static char *
parse_spec(struct of_action_parse *p, const char *full, char *name, char *value)
{
	struct of_learn_spec spec = { 0 };
	char *error = of_subfield_parse_all(name, &spec.dst);

	if (!error)
		return parse_match(p, full, name, value, spec);
	free(error);
	if (!strcmp(name, "load"))
		return parse_load(p, value);
	if (strcmp(name, "output"))
		return wf_xasprintf("%s: unknown keyword %s", full, name);
	spec.dst = (struct of_subfield) { 0 };
	error = of_subfield_parse_all(value, &spec.src);
	if (error)
		return error;
	spec.dst_type = DST_OUTPUT;
	spec.n_bits = spec.src.n_bits;
	put_spec(p->list, spec, NULL, 0);
	return NULL;
}

static char *
parse_result(const char *value, struct of_act_learn *l)
{
	char *error = of_subfield_parse_all(value, &l->result_dst);

	if (error)
		return error;
	if (!of_field(l->result_dst.field)->writable)
		return wf_xasprintf("%s is read-only", value);
	if (l->result_dst.n_bits != 1)
		return wf_xstrdup("result_dst in 'learn' action must be a single bit");
	l->flags |= OF_LEARN_F_WRITE_RESULT;
	return NULL;
}

static char *
parse_table(const char *full, const char *value, struct of_act_learn *l)
{
	char *end;
	long v = strtol(value, &end, 0);

	if (end == value || *end || v < 0 || v > 255)
		return wf_xasprintf("unknown table \"%s\"", value);
	if (v == 255)
		return wf_xasprintf("%s: table id 255 not valid for `learn' action", full);
	l->table = v;
	return NULL;
}

static char *
parse(struct of_action_parse *p, const char *full, char *arg)
{
	size_t ofs = p->list->size;
	struct of_act_learn l = { .priority = DEFAULT_PRIORITY, .table = 1 };
	char *name, *value, *error = NULL;

	l.a = *(struct of_action *)of_action_put(p->list, OF_A_LEARN, sizeof(l));
	while (!error && of_key_value_next(&arg, &name, &value)) {
		if (!strcmp(name, "table"))
			error = parse_table(full, value, &l);
		else if (!strcmp(name, "priority"))
			l.priority = atoi(value);
		else if (!strcmp(name, "idle_timeout"))
			l.idle_timeout = atoi(value);
		else if (!strcmp(name, "hard_timeout"))
			l.hard_timeout = atoi(value);
		else if (!strcmp(name, "fin_idle_timeout"))
			l.fin_idle_timeout = atoi(value);
		else if (!strcmp(name, "fin_hard_timeout"))
			l.fin_hard_timeout = atoi(value);
		else if (!strcmp(name, "cookie"))
			l.cookie = strtoull(value, NULL, 0);
		else if (!strcmp(name, "send_flow_rem"))
			l.flags |= OF_LEARN_F_SEND_FLOW_REM;
		else if (!strcmp(name, "delete_learned"))
			l.flags |= OF_LEARN_F_DELETE_LEARNED;
		else if (!strcmp(name, "limit"))
			l.limit = atoi(value);
		else if (!strcmp(name, "result_dst"))
			error = parse_result(value, &l);
		else
			error = parse_spec(p, full, name, value);
		if (!error && p->list->size - ofs > OF_ACTION_MAX_SIZE)
			error = wf_xstrdup("input too big");
	}
	if (error)
		return error;
	*(struct of_act_learn *)wf_buf_at(p->list, ofs) = l;
	of_action_finish(p->list, ofs);
	return NULL;
}

char *
of_learn_parse(struct of_action_parse *p, enum of_action_type type, char *arg)
{
	char *full = wf_xstrdup(arg);
	char *error = parse(p, full, arg);

	free(full);
	return error;
}
