// SPDX-License-Identifier: Apache-2.0
/* Actions that add, remove and count down headers, as text. */
#include <stdio.h>
#include <stdlib.h>

#include "openflow/action_internal.h"
#include "openflow/text.h"

#define ED_CLASS_NSH 4
#define ED_NSH_MDTYPE 1
#define ED_NSH_TLV 2

static const struct {
	const char *name;
	uint32_t packet_type;
} headers[] = {
	{ "ethernet", OF_PT_ETH }, { "nsh", OF_PT_NSH },
	{ "mpls", 0x00018847 }, { "mpls_mc", 0x00018848 },
};
#define N_HEADERS (sizeof(headers) / sizeof(headers[0]))

static void
format_dec_ttl(const struct of_act_dec_ttl *d, struct wf_str *s)
{
	wf_str_put(s, "dec_ttl");
	if (d->a.raw != OF_RAW_DEC_TTL_CNT_IDS)
		return;
	wf_str_putc(s, '(');
	for (unsigned i = 0; i < d->n_ids; i++)
		wf_str_fmt(s, i ? ",%u" : "%u", d->ids[i]);
	wf_str_putc(s, ')');
}

/* Properties are in their wire form, each padded to 8 bytes. */
static void
format_encap(const struct of_act_encap *e, struct wf_str *s)
{
	const char *name = "UNKNOWN";
	const uint8_t *p = e->props;

	for (unsigned i = 0; i < N_HEADERS; i++) {
		if (headers[i].packet_type == e->new_pkt_type)
			name = headers[i].name;
	}
	wf_str_fmt(s, "encap(%s", name);
	for (unsigned i = 0; i < e->n_props; i++) {
		wf_str_putc(s, i ? ',' : '(');
		if (p[2] == ED_NSH_MDTYPE) {
			wf_str_fmt(s, "md_type=%u", p[4]);
		} else {
			wf_str_fmt(s, "tlv(0x%04x,%u,", rd16(p + 4), p[6]);
			of_hex_format(p + 8, p[7], s);
			wf_str_putc(s, ')');
		}
		p += OF_ACTION_ALIGN(p[3]);
	}
	wf_str_put(s, e->n_props ? "))" : ")");
}

static void
format_decap(const struct of_act_decap *d, struct wf_str *s)
{
	wf_str_put(s, "decap(");
	if (d->new_pkt_type != OF_PT_USE_NEXT_PROTO) {
		wf_str_fmt(s, "packet_type(ns=%u,type=", d->new_pkt_type >> 16);
		of_x64_format(d->new_pkt_type & 0xffff, s);
		wf_str_putc(s, ')');
	}
	wf_str_putc(s, ')');
}

void
of_push_format(const struct of_action *a, const struct of_action_fmt *f)
{
	struct wf_str *s = f->s;

	switch (a->type) {
	case OF_A_STRIP_VLAN:
		wf_str_put(s, a->raw == OF_RAW_POP_VLAN ? "pop_vlan" : "strip_vlan");
		break;
	case OF_A_PUSH_VLAN:
		wf_str_fmt(s, "push_vlan:0x%x", a->u32);
		break;
	case OF_A_PUSH_MPLS:
		wf_str_fmt(s, "push_mpls:0x%04x", a->u32);
		break;
	case OF_A_POP_MPLS:
		wf_str_fmt(s, "pop_mpls:0x%04x", a->u32);
		break;
	case OF_A_PUSH_PBB:
		wf_str_fmt(s, "push_pbb:0x%04x", a->u32);
		break;
	case OF_A_DEC_TTL:
		format_dec_ttl((const struct of_act_dec_ttl *)a, s);
		break;
	case OF_A_ENCAP:
		format_encap((const struct of_act_encap *)a, s);
		break;
	case OF_A_DECAP:
		format_decap((const struct of_act_decap *)a, s);
		break;
	default: /* pop_pbb, dec_mpls_ttl, copy_ttl_out, copy_ttl_in, dec_nsh_ttl */
		wf_str_put(s, of_action_name(a->type));
		break;
	}
}

/* --- Parsing --- */

static char *
parse_eth_type(struct of_action_parse *p, enum of_action_type type, const char *arg)
{
	uint16_t eth_type;
	char *error = of_u16_parse(arg, type == OF_A_PUSH_VLAN ? "ethertype" : p->name, &eth_type);

	if (!error && type == OF_A_PUSH_VLAN && eth_type != 0x8100 && eth_type != 0x88a8)
		error = wf_xasprintf("%s: not a valid VLAN ethertype", arg);
	if (!error && type == OF_A_PUSH_PBB && eth_type != 0x88e7)
		error = wf_xasprintf("%s: not a valid PBB ethertype", arg);
	if (!error)
		put_u32_action(p->list, type, OF_RAW_NONE, eth_type);
	return error;
}

static char *
parse_dec_ttl(struct of_action_parse *p, char *arg)
{
	size_t ofs = p->list->size;
	struct of_act_dec_ttl *d = of_action_put(p->list, OF_A_DEC_TTL, sizeof(*d));
	char *save = NULL;
	uint16_t n = 0;

	if (!*arg)
		return NULL;
	p->list->size = ofs + offsetof(struct of_act_dec_ttl, ids);
	for (char *id = strtok_r(arg, ", ", &save); id; id = strtok_r(NULL, ", ", &save), n++) {
		uint16_t v = atoi(id);

		if (n == 30000)
			return wf_xstrdup("input too big");
		wf_buf_put(p->list, &v, sizeof(v));
	}
	if (!n)
		return wf_xstrdup("dec_ttl_cnt_ids: expected at least one controller id.");
	of_action_finish(p->list, ofs);
	d = wf_buf_at(p->list, ofs);
	d->a.raw = OF_RAW_DEC_TTL_CNT_IDS;
	d->n_ids = n;
	return NULL;
}

static char *
parse_md_type(struct of_action_parse *p, const char *value)
{
	uint8_t prop[8] = { 0, ED_CLASS_NSH, ED_NSH_MDTYPE, 5 };
	char *error = of_u8_parse(value, "md_type", &prop[4]);

	if (!error && (prop[4] < 1 || prop[4] > 2))
		error = wf_xstrdup("invalid md_type");
	if (!error)
		wf_buf_put(p->list, prop, sizeof(prop));
	return error;
}

static char *
parse_tlv(struct of_action_parse *p, const char *value)
{
	unsigned class, type;
	char hex[252];
	struct wf_buf data = WF_BUF_INIT;
	uint8_t head[8] = { 0, ED_CLASS_NSH, ED_NSH_TLV };

	if (sscanf(value, "0x%4x,%3u,0x%251[0-9a-fA-F]", &class, &type, hex) != 3 || type > 255)
		return wf_xasprintf("Invalid NSH TLV header: %s", value);
	of_hex_parse(&data, hex);
	head[3] = 8 + OF_ACTION_ALIGN(data.size);
	wr16(head + 4, class);
	head[6] = type;
	head[7] = data.size;
	wf_buf_put(p->list, head, sizeof(head));
	wf_buf_put(p->list, data.data, data.size);
	wf_buf_put_zeros(p->list, OF_ACTION_ALIGN(data.size) - data.size);
	wf_buf_done(&data);
	return NULL;
}

/* "nsh(md_type=2,tlv(0x1000,10,0x12345678))", "ethernet" */
static char *
parse_encap(struct of_action_parse *p, char *arg)
{
	size_t ofs = p->list->size;
	struct of_act_encap *e = of_action_put(p->list, OF_A_ENCAP, sizeof(*e));
	char *full = arg, *key, *props, *value, *error = NULL;
	unsigned i, n = 0;

	if (!of_key_value_next(&arg, &key, &props))
		return wf_xasprintf("Missing encap hdr: %s", full);
	for (i = 0; i < N_HEADERS && strcmp(headers[i].name, key); i++) {
	}
	if (i == N_HEADERS)
		return wf_xasprintf("Encap hdr not supported: %s", props);
	e->new_pkt_type = headers[i].packet_type;
	p->list->size = ofs + sizeof(*e);
	for (; !error && of_key_value_next(&props, &key, &value); n++) {
		bool nsh = headers[i].packet_type == OF_PT_NSH;

		if (nsh && !strcmp(key, "md_type"))
			error = *value ? parse_md_type(p, value) : NULL;
		else if (nsh && !strcmp(key, "tlv"))
			error = *value ? parse_tlv(p, value) : NULL;
		else
			return wf_xasprintf("Invalid property: %s", key);
		if (!*value)
			return wf_xstrdup("Value missing for encap property");
	}
	if (error)
		return error;
	((struct of_act_encap *)wf_buf_at(p->list, ofs))->n_props = n;
	of_action_finish(p->list, ofs);
	return NULL;
}

static char *
parse_decap(struct of_action_parse *p, char *arg)
{
	struct of_act_decap *d = of_action_put(p->list, OF_A_DECAP, sizeof(*d));
	char *key, *value, *inner, *error;
	uint16_t ns, type;

	d->new_pkt_type = OF_PT_USE_NEXT_PROTO;
	if (!of_key_value_next(&arg, &key, &inner))
		return NULL;
	if (strcmp(key, "packet_type"))
		return wf_xasprintf("Invalid decap argument: %s", key);
	if (!of_key_value_next(&inner, &key, &value) || strcmp(key, "ns"))
		return wf_xstrdup("Missing packet_type attribute ns");
	error = of_u16_parse(value, "ns", &ns);
	if (error)
		return error;
	if (ns > 4) /* OFPHTN_ONF .. OFPHTN_UDP_TCP_PORT */
		return wf_xasprintf("Unsupported ns value: %u", ns);
	if (!of_key_value_next(&inner, &key, &value) || strcmp(key, "type"))
		return wf_xstrdup("Missing packet_type attribute type");
	error = of_u16_parse(value, "type", &type);
	if (!error)
		d->new_pkt_type = OF_PT(ns, type);
	return error;
}

char *
of_push_parse(struct of_action_parse *p, enum of_action_type type, char *arg)
{
	switch (type) {
	case OF_A_PUSH_VLAN:
	case OF_A_PUSH_MPLS:
	case OF_A_POP_MPLS:
	case OF_A_PUSH_PBB:
		return parse_eth_type(p, type, arg);
	case OF_A_DEC_TTL:
		return parse_dec_ttl(p, arg);
	case OF_A_ENCAP:
		return parse_encap(p, arg);
	case OF_A_DECAP:
		return parse_decap(p, arg);
	default: /* strip_vlan, pop_vlan, pop_pbb, dec_mpls_ttl, copy_ttl_*, dec_nsh_ttl */
		put_u32_action(p->list, type, p->raw, 0);
		return NULL;
	}
}
