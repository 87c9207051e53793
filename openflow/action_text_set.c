// SPDX-License-Identifier: Apache-2.0
/* Actions that write or move fields, as text. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "openflow/action_internal.h"
#include "openflow/text.h"

static void
format_value(const struct of_act_set_field *sf, const struct of_action_fmt *f)
{
	const struct of_field *field = of_field(sf->field);
	union of_value value, mask;

	memcpy(value.b, sf->value_mask, sf->n_bytes);
	memcpy(mask.b, of_set_field_mask(sf), sf->n_bytes);
	if (f->port_name && of_value_is_all_ones(field, &mask)) {
		if (field->text == OF_TEXT_OFP_PORT) {
			of_port_format(of_port_from_u16(ntohs(value.be16)), f->port_name, f->aux,
				       f->s);
			return;
		}
		if (field->text == OF_TEXT_OFP_PORT_OXM) {
			of_port_format(ntohl(value.be32), f->port_name, f->aux, f->s);
			return;
		}
	}
	of_field_format_value(field, &value, &mask, f->s);
}

static void
format_set_field(const struct of_act_set_field *sf, const struct of_action_fmt *f)
{
	if (sf->a.raw == OF_RAW_REG_LOAD) {
		struct of_subfield dst = { 0 };
		uint64_t value;

		while (of_set_field_next_load(sf, &dst, &value)) {
			wf_str_put(f->s, "load:");
			of_x64_format(value, f->s);
			wf_str_put(f->s, "->");
			of_subfield_format(&dst, f->s);
			wf_str_putc(f->s, ',');
		}
		wf_str_chomp(f->s, ',');
	} else {
		wf_str_put(f->s, "set_field:");
		format_value(sf, f);
		wf_str_fmt(f->s, "->%s", of_field(sf->field)->name);
	}
}

static void
format_vlan(const struct of_action *a, const char *what, struct wf_str *s)
{
	wf_str_fmt(s, "%s_vlan_%s:%u", of_act_set_vlan_pushes(a) ? "mod" : "set", what, a->u32);
}

void
of_set_format(const struct of_action *a, const struct of_action_fmt *f)
{
	struct wf_str *s = f->s;

	switch (a->type) {
	case OF_A_SET_FIELD:
		format_set_field((const struct of_act_set_field *)a, f);
		break;
	case OF_A_REG_MOVE:
		wf_str_put(s, "move:");
		of_subfield_format(&((const struct of_act_move *)a)->src, s);
		wf_str_put(s, "->");
		of_subfield_format(&((const struct of_act_move *)a)->dst, s);
		break;
	case OF_A_STACK_PUSH:
	case OF_A_STACK_POP:
		wf_str_put(s, a->type == OF_A_STACK_PUSH ? "push:" : "pop:");
		of_subfield_format(&((const struct of_act_stack *)a)->sf, s);
		break;
	case OF_A_SET_VLAN_VID:
		format_vlan(a, "vid", s);
		break;
	case OF_A_SET_VLAN_PCP:
		format_vlan(a, "pcp", s);
		break;
	case OF_A_SET_ETH_SRC:
	case OF_A_SET_ETH_DST:
		wf_str_put(s, a->type == OF_A_SET_ETH_SRC ? "mod_dl_src:" : "mod_dl_dst:");
		of_mac_format(((const struct of_act_set_mac *)a)->mac, s);
		break;
	case OF_A_SET_IPV4_SRC:
	case OF_A_SET_IPV4_DST:
		wf_str_put(s, a->type == OF_A_SET_IPV4_SRC ? "mod_nw_src:" : "mod_nw_dst:");
		of_ipv4_format(htonl(a->u32), s);
		break;
	case OF_A_SET_IP_DSCP:
		wf_str_fmt(s, "mod_nw_tos:%u", a->u32);
		break;
	case OF_A_SET_IP_ECN:
		wf_str_fmt(s, "mod_nw_ecn:%u", a->u32);
		break;
	case OF_A_SET_IP_TTL:
		wf_str_fmt(s, "mod_nw_ttl:%u", a->u32);
		break;
	case OF_A_SET_L4_SRC:
		wf_str_fmt(s, "mod_tp_src:%u", a->u32);
		break;
	case OF_A_SET_L4_DST:
		wf_str_fmt(s, "mod_tp_dst:%u", a->u32);
		break;
	case OF_A_SET_MPLS_LABEL:
		wf_str_fmt(s, "set_mpls_label(%u)", a->u32);
		break;
	case OF_A_SET_MPLS_TC:
		wf_str_fmt(s, "set_mpls_tc(%u)", a->u32);
		break;
	case OF_A_SET_MPLS_TTL:
		wf_str_fmt(s, "set_mpls_ttl(%u)", a->u32);
		break;
	case OF_A_SET_TUNNEL: {
		uint64_t id = ((const struct of_act_set_tunnel *)a)->tun_id;

		wf_str_put(s, id > UINT32_MAX || a->raw == OF_RAW_SET_TUNNEL64 ? "set_tunnel64:"
									       : "set_tunnel:");
		of_x64_format(id, s);
		break;
	}
	case OF_A_DELETE_FIELD:
		wf_str_fmt(s, "delete_field:%s", of_field(a->u32)->name);
		break;
	}
}

/* --- Parsing --- */

/* "value->field": cuts the text in two. */
static char *
split_arrow(char *arg, char **key)
{
	char *arrow = strstr(arg, "->");

	if (!arrow)
		return wf_xasprintf("%s: missing `->'", arg);
	if (!arrow[2])
		return wf_xasprintf("%s: missing field name following `->'", arg);
	*key = arrow + 2;
	return NULL;
}

static char *
parse_set_field(struct of_action_parse *p, char *arg)
{
	char *key, *error = split_arrow(arg, &key);
	union of_value value, mask;
	const struct of_field *f;

	if (error)
		return error;
	f = of_field_by_name(key);
	if (!f)
		return wf_xasprintf("%s is not a valid OXM field name", key);
	if (!f->writable)
		return wf_xasprintf("%s is read-only", key);
	key[-2] = '\0';
	error = of_field_parse_value_ports(f, arg, p->port_number, p->aux, &value, &mask);
	if (error)
		return error;
	if (!of_value_is_valid(f, &value))
		return wf_xasprintf("%s is not a valid value for field %s", arg, key);
	struct of_act_set_field *sf = of_set_field_put(p->list, f, OF_RAW_NONE);

	memcpy(sf->value_mask, &value, sf->n_bytes);
	memcpy(sf->value_mask + sf->n_bytes, &mask, sf->n_bytes);
	return NULL;
}

static char *
parse_load(struct of_action_parse *p, char *arg)
{
	char *key, *error = split_arrow(arg, &key);
	union of_value value;
	struct of_subfield dst;
	const char *tail;

	if (!error)
		error = of_subfield_parse_all(key, &dst);
	if (error)
		return error;
	const struct of_field *f = of_field(dst.field);

	if (of_int_parse(arg, value.b, f->n_bytes, &tail) || tail == arg)
		return wf_xasprintf("%s: cannot parse integer value", arg);
	struct of_act_set_field *sf = of_set_field_put(p->list, f, OF_RAW_REG_LOAD);

	of_bits_copy(&value, sf->n_bytes, 0, sf->value_mask, sf->n_bytes, 0, dst.n_bits);
	if (memcmp(sf->value_mask, &value, sf->n_bytes)) {
		struct wf_str s = WF_STR_INIT;

		of_field_format_value(f, &value, NULL, &s);
		error = wf_xasprintf("%s: value %s does not fit into %d bits", arg, wf_str_cstr(&s),
				     dst.n_bits);
		wf_str_done(&s);
		return error;
	}
	memset(sf->value_mask, 0, sf->n_bytes);
	of_bits_copy(&value, sf->n_bytes, 0, sf->value_mask, sf->n_bytes, dst.ofs, dst.n_bits);
	of_bits_one(sf->value_mask + sf->n_bytes, sf->n_bytes, dst.ofs, dst.n_bits);
	return NULL;
}

static char *
parse_move(struct of_action_parse *p, const char *arg)
{
	struct of_subfield src, dst;
	const char *s = arg;
	char *error = of_subfield_parse(&src, &s);

	if (error)
		return error;
	if (strncmp(s, "->", 2))
		return wf_xasprintf("%s: missing `->' following source", arg);
	error = of_subfield_parse_all(s + 2, &dst);
	if (error)
		return error;
	if (src.n_bits != dst.n_bits)
		return wf_xasprintf("%s: source field is %d bits wide but destination is %d bits "
				    "wide", arg, src.n_bits, dst.n_bits);
	struct of_act_move *m = of_action_put(p->list, OF_A_REG_MOVE, sizeof(*m));

	m->src = src;
	m->dst = dst;
	return NULL;
}

static char *
parse_stack(struct of_action_parse *p, enum of_action_type type, const char *arg)
{
	struct of_subfield sf;
	char *error = of_subfield_parse(&sf, &arg);

	if (error)
		return error;
	if (*arg)
		return wf_xasprintf("%s: trailing garbage following push or pop", arg);
	((struct of_act_stack *)of_action_put(p->list, type, sizeof(struct of_act_stack)))->sf = sf;
	return NULL;
}

/* A number of at most 8 bits. */
static char *
parse_u8(struct of_action_parse *p, enum of_action_type type, const char *arg, const char *what,
	 uint8_t mask, const char *not_a)
{
	uint8_t v;
	char *error = of_u8_parse(arg, what, &v);

	if (!error && v & ~mask)
		error = wf_xasprintf("%s: not a valid %s", arg, not_a);
	if (!error)
		put_u32_action(p->list, type, p->raw, v);
	return error;
}

static char *
parse_u16(struct of_action_parse *p, enum of_action_type type, const char *arg, const char *what,
	  uint16_t mask, const char *not_a)
{
	uint16_t v;
	char *error = of_u16_parse(arg, what, &v);

	if (!error && v & ~mask)
		error = wf_xasprintf("%s: not a valid %s", arg, not_a);
	if (!error)
		put_u32_action(p->list, type, p->raw, v);
	return error;
}

static char *
parse_addr(struct of_action_parse *p, enum of_action_type type, const char *arg)
{
	struct in_addr ip;

	if (inet_pton(AF_INET, arg, &ip) != 1)
		return wf_xasprintf("%s: could not convert to IP address", arg);
	put_u32_action(p->list, type, OF_RAW_NONE, ntohl(ip.s_addr));
	return NULL;
}

static char *
parse_mac(struct of_action_parse *p, enum of_action_type type, const char *arg)
{
	union of_value value, mask;
	char *error = of_field_parse_value(of_field(OF_F_ETH_SRC), arg, &value, &mask);

	if (error || strchr(arg, '/')) {
		free(error);
		return wf_xasprintf("invalid mac address %s", arg);
	}
	struct of_act_set_mac *m = of_action_put(p->list, type, sizeof(*m));

	memcpy(m->mac, value.b, 6);
	return NULL;
}

static char *
parse_mpls_label(struct of_action_parse *p, const char *arg)
{
	uint32_t v;
	char *error = *arg ? of_u32_parse(arg, &v)
			   : wf_xstrdup("set_mpls_label: expected label.");

	if (!error && v > 0xfffff)
		error = wf_xasprintf("%s: not a valid MPLS label", arg);
	if (!error)
		put_u32_action(p->list, OF_A_SET_MPLS_LABEL, OF_RAW_NONE, v);
	return error;
}

static char *
parse_delete_field(struct of_action_parse *p, const char *arg)
{
	const struct of_field *f = of_field_by_name(arg);

	if (!f)
		return wf_xasprintf("unknown field `%s'", arg);
	put_u32_action(p->list, OF_A_DELETE_FIELD, OF_RAW_NONE, f->id);
	return NULL;
}

char *
of_set_parse(struct of_action_parse *p, enum of_action_type type, char *arg)
{
	switch (type) {
	case OF_A_SET_FIELD:
		return p->raw == OF_RAW_REG_LOAD ? parse_load(p, arg) : parse_set_field(p, arg);
	case OF_A_REG_MOVE:
		return parse_move(p, arg);
	case OF_A_STACK_PUSH:
	case OF_A_STACK_POP:
		return parse_stack(p, type, arg);
	case OF_A_SET_VLAN_VID:
		return parse_u16(p, type, arg, "VLAN VID", 0xfff, "VLAN VID");
	case OF_A_SET_VLAN_PCP:
		return parse_u8(p, type, arg, "VLAN PCP", 7, "VLAN PCP");
	case OF_A_SET_ETH_SRC:
	case OF_A_SET_ETH_DST:
		return parse_mac(p, type, arg);
	case OF_A_SET_IPV4_SRC:
	case OF_A_SET_IPV4_DST:
		return parse_addr(p, type, arg);
	case OF_A_SET_IP_DSCP:
		return parse_u8(p, type, arg, "TOS", 0xfc, "TOS");
	case OF_A_SET_IP_ECN:
		return parse_u8(p, type, arg, "ECN", 3, "ECN");
	case OF_A_SET_IP_TTL:
		return parse_u8(p, type, arg, "TTL", 0xff, "TTL");
	case OF_A_SET_L4_SRC:
		return parse_u16(p, type, arg, "source port", 0xffff, "");
	case OF_A_SET_L4_DST:
		return parse_u16(p, type, arg, "destination port", 0xffff, "");
	case OF_A_SET_MPLS_LABEL:
		return parse_mpls_label(p, arg);
	case OF_A_SET_MPLS_TC:
		return *arg ? parse_u8(p, type, arg, "MPLS TC", 7, "MPLS TC")
			    : wf_xstrdup("set_mpls_tc: expected tc.");
	case OF_A_SET_MPLS_TTL:
		return *arg ? parse_u8(p, type, arg, "MPLS TTL", 0xff, "MPLS TTL")
			    : wf_xstrdup("set_mpls_ttl: expected ttl.");
	case OF_A_SET_TUNNEL: {
		struct of_act_set_tunnel *t = of_action_put(p->list, type, sizeof(*t));

		t->a.raw = p->raw;
		return of_u64_parse(arg, &t->tun_id);
	}
	case OF_A_DELETE_FIELD:
		return parse_delete_field(p, arg);
	default:
		return wf_xasprintf("unknown action %s", p->name);
	}
}
