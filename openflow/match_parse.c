// SPDX-License-Identifier: Apache-2.0
/* Matches and keys from text. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "openflow/match.h"
#include "openflow/text.h"

static void
set_u16(struct of_match_full *m, enum of_field_id id, uint16_t v)
{
	union of_value value;

	if (of_field(id)->n_bytes == 1)
		value.b[0] = v;
	else
		value.be16 = htons(v);
	of_match_set_field(m, of_field(id), &value, NULL);
}

/* "reg0[4..7]=3": bits beside it stay as they are. */
static char *
parse_part(struct of_match_full *m, const char *key, const char *text)
{
	struct of_subfield sf;
	const char *end = key, *tail;
	union of_value in, value, mask;
	char *error = of_subfield_parse(&sf, &end);

	if (error)
		return error;
	if (*end)
		return wf_xstrdup("unexpected input following field syntax");
	const struct of_field *f = of_field(sf.field);
	if (of_int_parse(text, in.b, f->n_bytes, &tail) || *tail)
		return wf_xasprintf("%s: cannot parse integer value: %s", key, text);
	for (unsigned bit = sf.n_bits; bit < f->n_bytes * 8u; bit++) {
		if (in.b[f->n_bytes - 1 - bit / 8] >> bit % 8 & 1) {
			struct wf_str s = WF_STR_INIT;

			of_field_format_value(f, &in, NULL, &s);
			error = wf_xasprintf("%s: value %s does not fit into %d bits", key,
					     wf_str_cstr(&s), sf.n_bits);
			wf_str_done(&s);
			return error;
		}
	}
	of_field_get(f, &m->key, &value);
	of_field_get(f, &m->mask, &mask);
	of_bits_copy(&in, f->n_bytes, 0, &value, f->n_bytes, sf.ofs, sf.n_bits);
	of_bits_one(&mask, f->n_bytes, sf.ofs, sf.n_bits);
	of_match_set_field(m, f, &value, &mask);
	of_match_add_ethernet_prereq(m, f);
	return NULL;
}

char *
of_match_parse_one(struct of_match_full *m, const char *key, const char *text,
		   of_port_number_fn *port_number, void *aux, bool *ret_known)
{
	union of_value value, mask;
	uint16_t dl_type;
	uint8_t nw_proto;

	*ret_known = true;
	if (of_protocol_parse(key, &dl_type, &nw_proto)) {
		set_u16(m, OF_F_ETH_TYPE, dl_type);
		if (nw_proto)
			set_u16(m, OF_F_IP_PROTO, nw_proto);
		of_match_set_default_packet_type(m);
		return NULL;
	}
	if (!strcmp(key, "eth")) {
		m->key.packet_type = OF_PT_ETH;
		m->mask.packet_type = UINT32_MAX;
		return NULL;
	}
	if (strchr(key, '['))
		return parse_part(m, key, text);

	const struct of_field *f = of_field_by_name(key);
	if (!f) {
		*ret_known = false;
		return NULL;
	}
	/* Without a value: that the field be there. */
	char *error = of_field_parse_value_ports(f, *text ? text : "0/0", port_number, aux, &value,
						 &mask);
	if (error)
		return error;
	if (!of_match_set_field(m, f, &value, &mask))
		return wf_xasprintf("%s: invalid mask for field %s", text, f->name);
	of_match_add_ethernet_prereq(m, f);
	return NULL;
}

char *
of_match_parse(struct of_match_full *m, const char *text, of_port_number_fn *port_number, void *aux)
{
	char *copy = wf_xstrdup(text), *p = copy, *key, *value, *error = NULL;

	of_match_init_any(m);
	while (!error && of_key_value_next(&p, &key, &value)) {
		bool known;

		error = of_match_parse_one(m, key, value, port_number, aux, &known);
		if (!known)
			error = wf_xasprintf("unknown keyword %s", key);
	}
	free(copy);
	return error;
}

char *
of_key_parse(struct of_key *k, struct of_key *mask, const char *text,
	     of_port_number_fn *port_number, void *aux)
{
	char *copy = wf_xstrdup(text), *p = copy, *name, *text_value, *error = NULL;
	struct of_key looked_at;

	if (!mask)
		mask = &looked_at;
	memset(k, 0, sizeof(*k));
	memset(mask, 0, sizeof(*mask));
	while (!error && of_key_value_next(&p, &name, &text_value)) {
		uint16_t dl_type;
		uint8_t nw_proto;

		if (of_protocol_parse(name, &dl_type, &nw_proto)) {
			if (k->dl_type) {
				error = wf_xasprintf("%s: Ethernet type set multiple times", text);
				break;
			}
			k->dl_type = htons(dl_type);
			mask->dl_type = UINT16_MAX;
			if (nw_proto && k->nw_proto) {
				error = wf_xasprintf("%s: network protocol set multiple times",
						     text);
				break;
			}
			if (nw_proto) {
				k->nw_proto = nw_proto;
				mask->nw_proto = UINT8_MAX;
			}
			continue;
		}

		const struct of_field *f = of_field_by_name(name);
		union of_value v, m;
		if (!f) {
			error = wf_xasprintf("%s: unknown field %s", text, name);
			break;
		}
		if (!of_field_present(f, k)) {
			error = wf_xasprintf("%s: prerequisites not met for setting %s", text, name);
			break;
		}
		of_field_get(f, k, &v);
		if (f->variable_len ? k->tun_metadata_present >> f->part & 1
				    : !of_value_is_zero(f, &v)) {
			error = wf_xasprintf("%s: field %s set multiple times", text, name);
			break;
		}
		char *why = of_field_parse_value_ports(f, text_value, port_number, aux, &v, &m);
		if (!why && !of_value_is_all_ones(f, &m))
			why = wf_xasprintf("%s: wildcards not allowed here", text_value);
		if (why) {
			error = wf_xasprintf("%s: bad value for %s (%s)", text, name, why);
			free(why);
			break;
		}
		of_field_set(f, &v, k);
		of_field_mark(f, mask);
	}
	if (!k->in_port)
		k->in_port = OF_PORT_NONE;
	free(copy);
	if (error) {
		memset(k, 0, sizeof(*k));
		memset(mask, 0, sizeof(*mask));
	}
	return error;
}
