// SPDX-License-Identifier: Apache-2.0
/* Lists of actions as ovs-ofctl writes and reads them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "openflow/action_internal.h"
#include "openflow/text.h"

static void
format_one(const struct of_action *a, const struct of_action_fmt *f)
{
	switch ((enum of_action_family)of_action_infos[a->type].family) {
	case OF_FAM_OUTPUT:
		of_output_format(a, f);
		break;
	case OF_FAM_SET:
		of_set_format(a, f);
		break;
	case OF_FAM_PUSH:
		of_push_format(a, f);
		break;
	case OF_FAM_FLOW:
		of_flow_format(a, f);
		break;
	case OF_FAM_LEARN:
		of_learn_format(a, f);
		break;
	case OF_FAM_CT:
		of_ct_format(a, f);
		break;
	case OF_FAM_INST:
		of_inst_format(a, f);
		break;
	}
}

void
of_actions_format_list(const void *list, size_t size, const struct of_action_fmt *f)
{
	if (!size)
		wf_str_put(f->s, "drop");
	of_action_for_each(a, list, size) {
		if ((const void *)a != list)
			wf_str_putc(f->s, ',');
		format_one(a, f);
	}
}

void
of_actions_format(const void *list, size_t size, of_port_name_fn *port_name, void *aux,
		  struct wf_str *s)
{
	struct of_action_fmt f = { s, port_name, aux };

	of_actions_format_list(list, size, &f);
}

/* --- Pieces --- */

void
of_dotted_hex_format(struct wf_str *s, const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		wf_str_fmt(s, i ? ".%02x" : "%02x", p[i]);
}

static const char *const hash_fields[] = {
	[OF_HASH_ETH_SRC] = "eth_src", [OF_HASH_SYMMETRIC_L4] = "symmetric_l4",
	[OF_HASH_SYMMETRIC_L3L4] = "symmetric_l3l4",
	[OF_HASH_SYMMETRIC_L3L4_UDP] = "symmetric_l3l4+udp", [OF_HASH_NW_SRC] = "nw_src",
	[OF_HASH_NW_DST] = "nw_dst", [OF_HASH_SYMMETRIC_L3] = "symmetric_l3",
};
#define N_HASH_FIELDS (sizeof(hash_fields) / sizeof(hash_fields[0]))

const char *
of_hash_fields_name(unsigned fields)
{
	return fields < N_HASH_FIELDS ? hash_fields[fields] : "<unknown>";
}

int
of_hash_fields_from_name(const char *name)
{
	for (unsigned i = 0; i < N_HASH_FIELDS; i++) {
		if (!strcasecmp(hash_fields[i], name))
			return i;
	}
	return -1;
}

static char *
small_int(const char *s, const char *what, long max, long *v)
{
	char *end;

	errno = 0;
	*v = strtol(s, &end, 0);
	if (end == s || *end || errno || *v < 0 || *v > max)
		return wf_xasprintf("invalid %s \"%s\"", what, s);
	return NULL;
}

char *
of_u8_parse(const char *s, const char *what, uint8_t *ret)
{
	long v;
	char *error = small_int(s, what, UINT8_MAX, &v);

	if (!error)
		*ret = v;
	return error;
}

char *
of_u16_parse(const char *s, const char *what, uint16_t *ret)
{
	long v;
	char *error = small_int(s, what, UINT16_MAX, &v);

	if (!error)
		*ret = v;
	return error;
}

char *
of_u64_parse(const char *s, uint64_t *ret)
{
	char *end;

	if (!*s)
		return wf_xstrdup("missing required numeric argument");
	errno = 0;
	*ret = strtoull(s, &end, 0);
	if (errno || *end)
		return wf_xasprintf("invalid numeric format %s", s);
	return NULL;
}

char *
of_u32_parse(const char *s, uint32_t *ret)
{
	uint64_t v;
	char *error = of_u64_parse(s, &v);

	/* More than 32 bits are cut, as Open vSwitch does. */
	if (!error)
		*ret = v;
	return error;
}

char *
of_subfield_parse_all(const char *s, struct of_subfield *sf)
{
	char *error = of_subfield_parse(sf, &s);

	if (!error && *s)
		error = wf_xasprintf("%s: trailing garbage `%s'", s, s);
	return error;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *
of_hex_parse(struct wf_buf *list, const char *s)
{
	for (;; s += 2) {
		s += strspn(s, " .\t\r\n");
		int hi = hex_digit(*s), lo = hi < 0 ? -1 : hex_digit(s[1]);

		if (lo < 0)
			return s;
		*(uint8_t *)wf_buf_put_zeros(list, 1) = hi << 4 | lo;
	}
}

/* --- Parsing --- */

static char *
parse_one(struct of_action_parse *p, enum of_action_type type, char *arg)
{
	switch ((enum of_action_family)of_action_infos[type].family) {
	case OF_FAM_OUTPUT:
		return of_output_parse(p, type, arg);
	case OF_FAM_SET:
		return of_set_parse(p, type, arg);
	case OF_FAM_PUSH:
		return of_push_parse(p, type, arg);
	case OF_FAM_FLOW:
		return of_flow_parse(p, type, arg);
	case OF_FAM_LEARN:
		return of_learn_parse(p, type, arg);
	case OF_FAM_CT:
		return of_ct_parse(p, type, arg);
	case OF_FAM_INST:
		return of_inst_parse(p, type, arg);
	}
	return wf_xasprintf("unknown action %s", p->name);
}

static bool
by_name(struct of_action_parse *p, const char *name, enum of_action_type *type)
{
	static const struct {
		const char *name;
		uint8_t type, raw;
	} names[] = {
#define OF_NAME(TEXT, TYPE, RAW) { TEXT, OF_A_##TYPE, OF_RAW_##RAW },
#include "openflow/actions.def"
#undef OF_NAME
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcasecmp(names[i].name, name)) {
			*type = names[i].type;
			p->raw = names[i].raw;
			p->name = names[i].name;
			return true;
		}
	}
	return false;
}

static void
put_output(struct wf_buf *list, of_port_t port)
{
	struct of_act_output *o = of_action_put(list, OF_A_OUTPUT, sizeof(*o));

	o->a.u32 = port;
}

static char *
parse_list(struct of_action_parse *p, char *text, bool instructions, enum of_action_type outer)
{
	size_t start = p->list->size;
	char *key, *value, *error = NULL;
	bool drop = false;

	while (of_key_value_next(&text, &key, &value)) {
		enum of_action_type type;
		of_port_t port;

		if (by_name(p, key, &type))
			error = parse_one(p, type, value);
		else if (!strcasecmp(key, "drop"))
			drop = true;
		else if (!strcasecmp(key, "apply_actions"))
			error = wf_xstrdup("apply_actions is the default instruction");
		else if (of_port_parse(key, p->port_number, p->aux, &port))
			put_output(p->list, port);
		else
			error = wf_xasprintf("unknown action %s", key);
		if (error)
			return error;
		if (p->list->size - start > UINT16_MAX)
			return wf_xstrdup("input too big");
	}
	if (drop && p->list->size != start)
		return wf_xstrdup("\"drop\" must not be accompanied by any other action or "
				  "instruction");
	of_actions_verify(wf_buf_at(p->list, start), p->list->size - start, OF11,
			  instructions ? OF_INST_ANY : 1u << OF_INST_APPLY | 1u << OF_INST_METER,
			  outer, &error);
	return error;
}

char *
of_actions_parse_nested(struct of_action_parse *p, char *text, bool instructions,
			enum of_action_type outer)
{
	size_t start = p->list->size;
	char *error;

	if (p->depth >= OF_ACTION_MAX_DEPTH)
		return wf_xstrdup("Action nested too deeply");
	p->depth++;
	error = parse_list(p, text, instructions, outer);
	p->depth--;
	if (error)
		p->list->size = start;
	return error;
}

char *
of_actions_parse_ports(const char *text, of_port_number_fn *port_number, void *aux,
		       struct wf_buf *list)
{
	/* In a list of its own: order is checked from its start. */
	struct wf_buf own = WF_BUF_INIT;
	struct of_action_parse p = { .list = &own, .port_number = port_number, .aux = aux };
	char *copy = wf_xstrdup(text);
	char *error = of_actions_parse_nested(&p, copy, true, OF_N_ACTION_TYPES);

	if (!error)
		wf_buf_put(list, own.data, own.size);
	wf_buf_done(&own);
	free(copy);
	return error;
}

char *
of_actions_parse(const char *text, struct wf_buf *list)
{
	return of_actions_parse_ports(text, NULL, NULL, list);
}
