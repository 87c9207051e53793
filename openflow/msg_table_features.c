/* SPDX-License-Identifier: Apache-2.0 */
/* OFPMP_TABLE_FEATURES, 1.3 and later. */
#include "openflow/match_wire.h"
#include "openflow/msg_bits.h"
#include "openflow/msg_table.h"
#include "openflow/msg_wire.h"

WIRE_STRUCT table_features {
	__be16 length;
	uint8_t table;
	uint8_t command; /* 1.5 */
	__be32 flags;    /* 1.5 */
	char name[32];
	__be64 metadata_match, metadata_write;
	__be32 capabilities; /* 1.4+: bits as in a table's configuration */
	__be32 max_entries;
};
WIRE_SIZE(struct table_features, 64);

enum { WIRE_EVICTION = 1 << 2, WIRE_VACANCY_EVENTS = 1 << 3 };

/* Property types; those with a sibling for the table miss have it at + 1. */
enum {
	PROP_INSTRUCTIONS = 0,
	PROP_NEXT_TABLES = 2,
	PROP_WRITE_ACTIONS = 4,
	PROP_APPLY_ACTIONS = 6,
	PROP_MATCH = 8,
	PROP_WILDCARDS = 10,
	PROP_WRITE_SETFIELD = 12,
	PROP_APPLY_SETFIELD = 14,
	PROP_N_KNOWN = 16,
};
/* Each of these must be there once, in 1.5 unless there is no property at all. */
#define PROPS_REQUIRED                                                                         \
	(1u << PROP_INSTRUCTIONS | 1u << PROP_NEXT_TABLES | 1u << PROP_WRITE_ACTIONS           \
	 | 1u << PROP_APPLY_ACTIONS | 1u << PROP_MATCH | 1u << PROP_WILDCARDS                  \
	 | 1u << PROP_WRITE_SETFIELD | 1u << PROP_APPLY_SETFIELD)

/* Ids of instructions or actions: | type 16 | length 16 | experimenter data |, one after another
 * without padding.  Those above 31 have no bit; we have no such. */
static of_err_t
ids_get(const struct of_prop *prop, uint32_t *bits)
{
	const uint8_t *p = prop->payload;

	*bits = 0;
	for (size_t size = prop->payload_size; size > 0;) {
		if (size < 4)
			return OF_ERR_OFPBPC_BAD_LEN;
		uint16_t type = get_u16(p);
		uint16_t len = get_u16(p + 2);
		if (len < 4 || len > size)
			return OF_ERR_OFPBPC_BAD_LEN;
		if (type < 32)
			*bits |= 1u << type;
		p += len;
		size -= len;
	}
	return 0;
}

static void
ids_put(struct wf_buf *out, uint16_t type, uint32_t bits)
{
	size_t start = of_prop_begin(out, type);

	for (; bits; bits &= bits - 1) {
		put_u16(out, __builtin_ctz(bits));
		put_u16(out, 4);
	}
	of_prop_end(out, start);
}

static of_err_t
instructions_get(const struct of_prop *prop, uint8_t version, bool loose, uint32_t *instructions)
{
	uint32_t wire;
	of_err_t error = ids_get(prop, &wire);

	if (error)
		return error;
	/* METER is known in 1.5, too, though not as an instruction. */
	if (!loose && (wire & ~0xfeu))
		return OF_ERR_OFPBIC_UNKNOWN_INST;
	*instructions = of_instruction_bits_from_wire(wire, version);
	return 0;
}

static of_err_t
tables_get(const struct of_prop *prop, uint64_t next[4])
{
	memset(next, 0, 4 * sizeof(next[0]));
	for (size_t i = 0; i < prop->payload_size; i++) {
		uint8_t table = prop->payload[i];

		if (table == OF_TABLE_ALL)
			return OF_ERR_OFPBPC_BAD_VALUE;
		next[table / 64] |= 1ull << (table % 64);
	}
	return 0;
}

static of_err_t
actions_get(const struct of_prop *prop, uint8_t version, uint64_t *actions)
{
	uint32_t wire;
	of_err_t error = ids_get(prop, &wire);

	*actions = error ? 0 : of_action_bits_from_wire(wire, version);
	return error;
}

/* A list of headers.  'masked' NULL: hasmask is not allowed. */
static of_err_t
fields_get(const struct of_prop *prop, bool loose, const struct of_tlv_map *map,
	   struct of_field_set *exact, struct of_field_set *masked)
{
	const uint8_t *p = prop->payload;
	size_t size = prop->payload_size;

	memset(exact, 0, sizeof(*exact));
	if (masked)
		memset(masked, 0, sizeof(*masked));
	while (size > 0) {
		struct of_oxm_header h;
		of_err_t error = of_nxm_header_decode(p, size, true, map, &h);

		/* What tunnel options are mapped does not matter here. */
		if (error == OF_ERR_NXFMFC_INVALID_TLV_FIELD)
			error = 0;
		if (error && (error != OF_ERR_OFPBMC_BAD_FIELD || !loose))
			return error;
		if (!error) {
			bool hasmask = OF_OXM_HASMASK(h.header);

			if (hasmask && !masked)
				return OF_ERR_OFPBMC_BAD_MASK;
			of_field_set_add(hasmask ? masked : exact, h.field->id);
		}
		p += h.header_size;
		size -= h.header_size;
	}
	return 0;
}

static of_err_t
property_get(const struct of_codec *codec, const struct of_prop *prop, uint8_t version, bool loose,
	     struct of_table_features *tf)
{
	struct of_table_instruction_features *in = prop->type & 1 ? &tf->miss : &tf->nonmiss;
	const struct of_tlv_map *map = codec->tlv_map;

	switch (prop->vendor ? UINT32_MAX : prop->type) {
	case PROP_INSTRUCTIONS:
	case PROP_INSTRUCTIONS + 1:
		return instructions_get(prop, version, loose, &in->instructions);
	case PROP_NEXT_TABLES:
	case PROP_NEXT_TABLES + 1:
		return tables_get(prop, in->next);
	case PROP_WRITE_ACTIONS:
	case PROP_WRITE_ACTIONS + 1:
		return actions_get(prop, version, &in->write.actions);
	case PROP_APPLY_ACTIONS:
	case PROP_APPLY_ACTIONS + 1:
		return actions_get(prop, version, &in->apply.actions);
	case PROP_WRITE_SETFIELD:
	case PROP_WRITE_SETFIELD + 1:
		return fields_get(prop, loose, map, &in->write.set_fields, NULL);
	case PROP_APPLY_SETFIELD:
	case PROP_APPLY_SETFIELD + 1:
		return fields_get(prop, loose, map, &in->apply.set_fields, NULL);
	case PROP_MATCH:
		return fields_get(prop, loose, map, &tf->match, &tf->mask);
	case PROP_WILDCARDS:
		return fields_get(prop, loose, map, &tf->wildcard, NULL);
	default:
		return of_prop_unknown(loose, prop);
	}
}

/* What is not said of the miss flow is as for other flows. */
static void
complete_miss(struct of_table_features *tf, uint32_t seen)
{
	const struct of_table_instruction_features *from = &tf->nonmiss;
	struct of_table_instruction_features *to = &tf->miss;

	if (!(seen >> (PROP_INSTRUCTIONS + 1) & 1))
		to->instructions = from->instructions;
	if (!(seen >> (PROP_NEXT_TABLES + 1) & 1))
		memcpy(to->next, from->next, sizeof(to->next));
	if (!(seen >> (PROP_WRITE_ACTIONS + 1) & 1))
		to->write.actions = from->write.actions;
	if (!(seen >> (PROP_APPLY_ACTIONS + 1) & 1))
		to->apply.actions = from->apply.actions;
	if (!(seen >> (PROP_WRITE_SETFIELD + 1) & 1))
		to->write.set_fields = from->write.set_fields;
	if (!(seen >> (PROP_APPLY_SETFIELD + 1) & 1))
		to->apply.set_fields = from->apply.set_fields;
}

of_err_t
of_table_features_next(const struct of_codec *codec, const struct of_msg *msg, size_t *pos,
		       struct of_table_features *tf)
{
	const struct table_features *w = (const void *)(msg->body + *pos);
	size_t size = msg->body_size - *pos;
	bool loose = of_msg_is_multipart_reply(msg);
	uint32_t seen = 0;
	of_err_t error;

	if (!size)
		return OF_EOF;
	if (size < sizeof(*w))
		return OF_ERR_OFPBPC_BAD_LEN;
	size_t length = be16toh(w->length);
	if (length < sizeof(*w) || length % 8 || length > size)
		return OF_ERR_OFPBPC_BAD_LEN;

	*tf = (struct of_table_features){
		.table = w->table,
		.metadata_match = be64toh(w->metadata_match),
		.metadata_write = be64toh(w->metadata_write),
		.max_entries = be32toh(w->max_entries),
		.any_properties = length > sizeof(*w),
		.supports_eviction = -1,
		.supports_vacancy_events = -1,
	};
	if (msg->version >= OF15_VERSION) {
		if (w->command > OF_TFC_DISABLE)
			return OF_ERR_OFPTFFC_BAD_COMMAND;
		tf->command = w->command;
		tf->flags = be32toh(w->flags);
	}
	if (tf->table == OF_TABLE_ALL)
		return OF_ERR_OFPTFFC_BAD_TABLE;
	memcpy(tf->name, w->name, sizeof(tf->name) - 1);
	if (msg->version >= OF14_VERSION) {
		tf->supports_eviction = (be32toh(w->capabilities) & WIRE_EVICTION) != 0;
		tf->supports_vacancy_events =
			(be32toh(w->capabilities) & WIRE_VACANCY_EVENTS) != 0;
	}

	const uint8_t *p = (const uint8_t *)(w + 1);
	for (size_t rest = length - sizeof(*w); rest > 0;) {
		struct of_prop prop;

		error = of_prop_next(&p, &rest, &prop);
		if (error)
			return error;
		if (!prop.vendor && prop.type < 32) {
			if (seen >> prop.type & 1)
				return OF_ERR_OFPTFFC_BAD_FEATURES;
			seen |= 1u << prop.type;
		}
		error = property_get(codec, &prop, msg->version, loose, tf);
		if (error)
			return error;
	}
	if ((~seen & PROPS_REQUIRED) && (tf->any_properties || msg->version < OF15_VERSION))
		return OF_ERR_OFPTFFC_BAD_FEATURES;
	if (tf->any_properties)
		complete_miss(tf, seen);
	/* A field with any mask can be matched and left out; one that cannot be matched
	 * is not meaningfully left out. */
	for (size_t i = 0; i < sizeof(tf->mask.bits) / sizeof(tf->mask.bits[0]); i++) {
		tf->match.bits[i] |= tf->mask.bits[i];
		tf->wildcard.bits[i] |= tf->mask.bits[i];
		tf->wildcard.bits[i] &= tf->match.bits[i];
	}
	*pos += length;
	return 0;
}

static void
fields_put(struct wf_buf *out, uint16_t type, const struct of_field_set *set,
	   const struct of_field_set *masked, uint8_t version)
{
	size_t start = of_prop_begin(out, type);

	for (unsigned f = 0; f < OF_N_FIELDS; f++)
		if (of_field_set_has(set, f))
			of_nxm_header_encode(of_field(f), version,
					     masked && of_field_set_has(masked, f), NULL, out);
	of_prop_end(out, start);
}

static void
instruction_features_put(struct wf_buf *out, const struct of_table_instruction_features *in,
			 unsigned miss, uint8_t version)
{
	size_t start;

	ids_put(out, PROP_INSTRUCTIONS + miss,
		of_instruction_bits_to_wire(in->instructions, version));
	start = of_prop_begin(out, PROP_NEXT_TABLES + miss);
	for (unsigned t = 0; t < OF_TABLE_ALL; t++) {
		uint8_t table = t;

		if (in->next[t / 64] >> (t % 64) & 1)
			wf_buf_put(out, &table, 1);
	}
	of_prop_end(out, start);
	ids_put(out, PROP_WRITE_ACTIONS + miss, of_action_bits_to_wire(in->write.actions, version));
	fields_put(out, PROP_WRITE_SETFIELD + miss, &in->write.set_fields, NULL, version);
	ids_put(out, PROP_APPLY_ACTIONS + miss, of_action_bits_to_wire(in->apply.actions, version));
	fields_put(out, PROP_APPLY_SETFIELD + miss, &in->apply.set_fields, NULL, version);
}

void
of_table_features_append(struct of_multipart *mp, const struct of_table_features *tf)
{
	struct wf_buf *out = mp->out;
	uint8_t version = mp->version;
	uint32_t capabilities = 0;

	if (version >= OF14_VERSION) {
		capabilities |= tf->supports_eviction > 0 ? WIRE_EVICTION : 0;
		capabilities |= tf->supports_vacancy_events > 0 ? WIRE_VACANCY_EVENTS : 0;
	}
	struct table_features w = {
		.table = tf->table,
		.command = version >= OF15_VERSION ? tf->command : 0,
		.flags = version >= OF15_VERSION ? htobe32(tf->flags) : 0,
		.metadata_match = htobe64(tf->metadata_match),
		.metadata_write = htobe64(tf->metadata_write),
		.capabilities = htobe32(capabilities),
		.max_entries = htobe32(tf->max_entries),
	};

	of_multipart_item_begin(mp);
	size_t start = out->size;
	set_text(w.name, sizeof(w.name), tf->name);
	wf_buf_put(out, &w, sizeof(w));
	if (tf->any_properties) {
		instruction_features_put(out, &tf->nonmiss, 0, version);
		instruction_features_put(out, &tf->miss, 1, version);
		fields_put(out, PROP_MATCH, &tf->match, &tf->mask, version);
		fields_put(out, PROP_WILDCARDS, &tf->wildcard, NULL, version);
	}
	set_u16(wf_buf_at(out, start), out->size - start);
	of_multipart_item_end(mp);
}

void
of_table_features_request_encode(uint8_t version, uint32_t xid, struct wf_buf *out)
{
	of_msg_encode_empty(out, OF_M_TABLE_FEATURES_REQUEST, version, xid);
}
