// SPDX-License-Identifier: Apache-2.0
/* Actions that send the packet somewhere, as text. */
#include <stdlib.h>
#include <strings.h>

#include "openflow/action_internal.h"
#include "openflow/text.h"

#define BUNDLE_MAX_MEMBERS 2048
#define REASON_ACTION 1

/* Reasons of packet-in (OFPR_*); the two misses have no name. */
static const char *const reasons[] = {
	"no_match", "action", "invalid_ttl", "action_set", "group", "packet_out", "", "",
};
#define N_REASONS (sizeof(reasons) / sizeof(reasons[0]))

static void
format_port(of_port_t port, const struct of_action_fmt *f)
{
	of_port_format(port, f->port_name, f->aux, f->s);
}

static void
format_controller(const struct of_act_controller *c, struct wf_str *s)
{
	if (c->reason == REASON_ACTION && !c->controller_id && !c->userdata_len && !c->pause &&
	    !c->meter_id) {
		wf_str_fmt(s, "CONTROLLER:%u", c->max_len);
		return;
	}
	wf_str_put(s, "controller(");
	if (c->reason >= N_REASONS)
		wf_str_fmt(s, "reason=%u,", c->reason);
	else if (c->reason != REASON_ACTION)
		wf_str_fmt(s, "reason=%s,", reasons[c->reason]);
	if (c->max_len != UINT16_MAX)
		wf_str_fmt(s, "max_len=%u,", c->max_len);
	if (c->controller_id)
		wf_str_fmt(s, "id=%u,", c->controller_id);
	if (c->userdata_len) {
		wf_str_put(s, "userdata=");
		of_dotted_hex_format(s, c->userdata, c->userdata_len);
		wf_str_putc(s, ',');
	}
	if (c->pause)
		wf_str_put(s, "pause,");
	if (c->meter_id)
		wf_str_fmt(s, "meter_id=%u,", c->meter_id);
	wf_str_chomp(s, ',');
	wf_str_putc(s, ')');
}

static void
format_bundle(const struct of_act_bundle *b, const struct of_action_fmt *f)
{
	wf_str_fmt(f->s, "%s(%s,%u,%s,ofport,", b->dst.n_bits ? "bundle_load" : "bundle",
		   of_hash_fields_name(b->fields), b->basis,
		   b->algorithm ? "hrw" : "active_backup");
	if (b->dst.n_bits) {
		of_subfield_format(&b->dst, f->s);
		wf_str_putc(f->s, ',');
	}
	wf_str_put(f->s, "members:");
	for (unsigned i = 0; i < b->n_members; i++) {
		if (i)
			wf_str_putc(f->s, ',');
		format_port(b->members[i], f);
	}
	wf_str_putc(f->s, ')');
}

void
of_output_format(const struct of_action *a, const struct of_action_fmt *f)
{
	switch (a->type) {
	case OF_A_OUTPUT:
		if (a->u32 < OF_PORT_MAX)
			wf_str_put(f->s, "output:");
		format_port(a->u32, f);
		if (a->u32 == OF_PORT_CONTROLLER)
			wf_str_fmt(f->s, ":%u", ((const struct of_act_output *)a)->max_len);
		break;
	case OF_A_CONTROLLER:
		format_controller((const struct of_act_controller *)a, f->s);
		break;
	case OF_A_ENQUEUE:
		wf_str_put(f->s, "enqueue:");
		format_port(a->u32, f);
		wf_str_fmt(f->s, ":%u", ((const struct of_act_enqueue *)a)->queue);
		break;
	case OF_A_OUTPUT_REG:
		wf_str_put(f->s, "output:");
		of_subfield_format(&((const struct of_act_output_reg *)a)->src, f->s);
		break;
	case OF_A_OUTPUT_TRUNC:
		wf_str_put(f->s, "output(port=");
		format_port(a->u32, f);
		wf_str_fmt(f->s, ",max_len=%u)", ((const struct of_act_output_trunc *)a)->max_len);
		break;
	case OF_A_BUNDLE:
		format_bundle((const struct of_act_bundle *)a, f);
		break;
	case OF_A_GROUP:
		wf_str_fmt(f->s, "group:%u", a->u32);
		break;
	}
}

/* --- Parsing --- */

static char *
parse_trunc(struct of_action_parse *p, char *arg)
{
	struct of_act_output_trunc *o = of_action_put(p->list, OF_A_OUTPUT_TRUNC, sizeof(*o));
	char *key, *value, *error = NULL;

	while (!error && of_key_value_next(&arg, &key, &value)) {
		if (!strcmp(key, "port")) {
			if (!of_port_parse(value, p->port_number, p->aux, &o->a.u32))
				error = wf_xasprintf("output to unknown truncate port: %s", value);
			else if (o->a.u32 > OF_PORT_MAX && o->a.u32 != OF_PORT_LOCAL &&
				 o->a.u32 != OF_PORT_IN_PORT)
				error = wf_xasprintf("output to unsupported truncate port: %s",
						     value);
		} else if (!strcmp(key, "max_len")) {
			error = of_u32_parse(value, &o->max_len);
			if (!error && o->max_len < 14)
				error = wf_xasprintf("max_len %u is less than the minimum value 14",
						     o->max_len);
		} else {
			error = wf_xasprintf("invalid key '%s' in output_trunc argument", key);
		}
	}
	return error;
}

static char *
parse_output(struct of_action_parse *p, char *arg)
{
	of_port_t port;
	struct of_subfield src;
	char *error;

	if (strstr(arg, "port") && strstr(arg, "max_len"))
		return parse_trunc(p, arg);
	if (of_port_parse(arg, p->port_number, p->aux, &port)) {
		struct of_act_output *o = of_action_put(p->list, OF_A_OUTPUT, sizeof(*o));

		o->a.u32 = port;
		o->max_len = port == OF_PORT_CONTROLLER ? UINT16_MAX : 0;
		return NULL;
	}
	error = of_subfield_parse_all(arg, &src);
	if (error) {
		free(error);
		return wf_xasprintf("%s: output to unknown port", arg);
	}
	struct of_act_output_reg *o = of_action_put(p->list, OF_A_OUTPUT_REG, sizeof(*o));

	o->max_len = UINT16_MAX;
	o->src = src;
	return NULL;
}

static char *
parse_reason(const char *name, uint8_t *reason)
{
	for (unsigned i = 0; i < N_REASONS; i++) {
		if (!strcasecmp(name, reasons[i])) {
			*reason = i;
			return NULL;
		}
	}
	return wf_xasprintf("unknown reason \"%s\"", name);
}

static char *
parse_controller(struct of_action_parse *p, char *arg)
{
	struct of_act_controller c = { .reason = REASON_ACTION, .max_len = UINT16_MAX };
	char *key, *value, *userdata = NULL, *error = NULL;

	if (*arg && strspn(arg, "0123456789") == strlen(arg)) {
		error = of_u16_parse(arg, "max_len", &c.max_len);
	} else {
		while (!error && of_key_value_next(&arg, &key, &value)) {
			if (!strcmp(key, "reason"))
				error = parse_reason(value, &c.reason);
			else if (!strcmp(key, "max_len"))
				error = of_u16_parse(value, "max_len", &c.max_len);
			else if (!strcmp(key, "id"))
				error = of_u16_parse(value, "id", &c.controller_id);
			else if (!strcmp(key, "userdata"))
				userdata = value;
			else if (!strcmp(key, "pause"))
				c.pause = 1;
			else if (!strcmp(key, "meter_id"))
				error = of_u32_parse(value, &c.meter_id);
			else
				error = wf_xasprintf("unknown key \"%s\" parsing controller action",
						     key);
		}
	}
	if (error)
		return error;
	if (c.reason == REASON_ACTION && !c.controller_id && !userdata && !c.pause && !c.meter_id) {
		struct of_act_output *o = of_action_put(p->list, OF_A_OUTPUT, sizeof(*o));

		o->a.u32 = OF_PORT_CONTROLLER;
		o->max_len = c.max_len;
		return NULL;
	}
	size_t ofs = p->list->size;
	struct of_act_controller *rec = of_action_put(p->list, OF_A_CONTROLLER, sizeof(*rec));

	c.a = rec->a;
	c.provider_meter_id = UINT32_MAX;
	*rec = c;
	if (userdata) {
		if (*of_hex_parse(p->list, userdata))
			return wf_xstrdup("bad hex digit in `controller' action `userdata'");
		size_t len = p->list->size - ofs - sizeof(*rec);

		if (len > UINT16_MAX - sizeof(*rec) - 7)
			return wf_xstrdup("input too big");
		rec = wf_buf_at(p->list, ofs);
		rec->userdata_len = len;
		of_action_finish(p->list, ofs);
	}
	return NULL;
}

static char *
parse_enqueue(struct of_action_parse *p, char *arg)
{
	char *save = NULL, *port = strtok_r(arg, ":q,", &save), *queue = strtok_r(NULL, "", &save);

	if (!port || !queue)
		return wf_xstrdup("\"enqueue\" syntax is \"enqueue:PORT:QUEUE\" or "
				  "\"enqueue(PORT,QUEUE)\"");
	struct of_act_enqueue *e = of_action_put(p->list, OF_A_ENQUEUE, sizeof(*e));

	if (!of_port_parse(port, p->port_number, p->aux, &e->a.u32))
		return wf_xasprintf("%s: enqueue to unknown port", port);
	return of_u32_parse(queue, &e->queue);
}

/* fields, basis, algorithm, "ofport", [destination,] "members": port, port, ... */
static char *
parse_bundle(struct of_action_parse *p, const char *full, char *arg)
{
	bool load = p->raw == OF_RAW_BUNDLE_LOAD;
	char *save = NULL;
	char *fields = strtok_r(arg, ", ", &save), *basis = strtok_r(NULL, ", ", &save);
	char *algorithm = strtok_r(NULL, ", ", &save), *type = strtok_r(NULL, ", ", &save);
	char *dst = load ? strtok_r(NULL, ", ", &save) : NULL;
	char *delimiter = strtok_r(NULL, ": ", &save), *member;
	size_t ofs = p->list->size;
	struct of_subfield sf = { 0 };
	int hash;

	if (!delimiter)
		return wf_xasprintf("%s: not enough arguments to bundle action", full);
	if (strcasecmp(delimiter, "members") && strcasecmp(delimiter, "slaves"))
		return wf_xasprintf("%s: missing member delimiter, expected `members', got `%s'",
				    full, delimiter);
	of_action_put(p->list, OF_A_BUNDLE, sizeof(struct of_act_bundle));
	p->list->size = ofs + sizeof(struct of_act_bundle);
	unsigned n = 0;

	while ((member = strtok_r(NULL, ", []", &save)) && n < BUNDLE_MAX_MEMBERS) {
		of_port_t port;

		if (!of_port_parse(member, p->port_number, p->aux, &port))
			return wf_xasprintf("%s: bad port number", member);
		wf_buf_put(p->list, &port, sizeof(port));
		n++;
	}
	of_action_finish(p->list, ofs);
	struct of_act_bundle *b = wf_buf_at(p->list, ofs);

	b->n_members = n;
	b->basis = atoi(basis);
	hash = of_hash_fields_from_name(fields);
	if (hash < 0)
		return wf_xasprintf("%s: unknown fields `%s'", full, fields);
	b->fields = hash;
	if (strcasecmp(algorithm, "active_backup") && strcasecmp(algorithm, "hrw"))
		return wf_xasprintf("%s: unknown algorithm `%s'", full, algorithm);
	b->algorithm = !strcasecmp(algorithm, "hrw");
	if (strcasecmp(type, "ofport"))
		return wf_xasprintf("%s: unknown member_type `%s'", full, type);
	if (dst) {
		char *error = of_subfield_parse_all(dst, &sf);

		if (error)
			return error;
		if (!of_wire_field_header(sf.field))
			return wf_xasprintf("%s: experimenter OXM field '%s' not supported", full,
					    dst);
		b->dst = sf;
	}
	return NULL;
}

char *
of_output_parse(struct of_action_parse *p, enum of_action_type type, char *arg)
{
	char *full, *error;

	switch (type) {
	case OF_A_OUTPUT:
	case OF_A_OUTPUT_REG:
		return parse_output(p, arg);
	case OF_A_CONTROLLER:
		return parse_controller(p, arg);
	case OF_A_ENQUEUE:
		return parse_enqueue(p, arg);
	case OF_A_BUNDLE:
		full = wf_xstrdup(arg);
		error = parse_bundle(p, full, arg);
		free(full);
		return error;
	case OF_A_GROUP: {
		uint32_t id;

		error = of_u32_parse(arg, &id);
		if (!error)
			put_u32_action(p->list, OF_A_GROUP, OF_RAW_NONE, id);
		return error;
	}
	default: /* output_trunc is written output(port=...,max_len=...) */
		return wf_xasprintf("unknown action %s", arg);
	}
}
