/* SPDX-License-Identifier: Apache-2.0 */
/* table_mod, table descriptions, table_status, and table statistics, which before 1.3 tell
 * of features as well. */
#include "openflow/msg_table.h"

#include "openflow/msg_bits.h"
#include "openflow/msg_wire.h"

/* The field 'config': 1.1 and 1.2 say what happens on a miss, 1.3 nothing, 1.4 and later
 * eviction and vacancy events. */
enum {
	WIRE_MISS_CONTROLLER = 0, WIRE_MISS_CONTINUE = 1, WIRE_MISS_DROP = 2, WIRE_MISS_MASK = 3,
	WIRE_EVICTION = 1 << 2, WIRE_VACANCY_EVENTS = 1 << 3
};

static uint32_t
config_to_wire(uint8_t miss, uint8_t eviction, uint8_t vacancy, uint8_t version)
{
	if (version == OF11_VERSION || version == OF12_VERSION)
		return miss == OF_MISS_CONTINUE ? WIRE_MISS_CONTINUE
		       : miss == OF_MISS_DROP	? WIRE_MISS_DROP
						: WIRE_MISS_CONTROLLER;
	if (version >= OF14_VERSION)
		return (eviction == OF_ON ? WIRE_EVICTION : 0)
		       | (vacancy == OF_ON ? WIRE_VACANCY_EVENTS : 0);
	return 0;
}

static uint8_t
miss_from_wire(uint32_t config, uint8_t version)
{
	if (version != OF11_VERSION && version != OF12_VERSION)
		return OF_MISS_DEFAULT;
	switch (config & WIRE_MISS_MASK) {
	case WIRE_MISS_CONTINUE:
		return OF_MISS_CONTINUE;
	case WIRE_MISS_DROP:
		return OF_MISS_DROP;
	default:
		return OF_MISS_CONTROLLER;
	}
}

static uint8_t
tristate_from_wire(uint32_t config, uint32_t bit, uint8_t version)
{
	return version < OF14_VERSION ? OF_DEFAULT : config & bit ? OF_ON : OF_OFF;
}

enum { PROP_EVICTION = 2, PROP_VACANCY = 3 };

WIRE_STRUCT vacancy_prop {
	__be16 type, length;
	uint8_t down, up, now, pad;
};
WIRE_SIZE(struct vacancy_prop, 8);

static of_err_t
vacancy_get(const struct of_prop *prop, struct of_table_vacancy *v)
{
	const struct vacancy_prop *w = (const void *)prop->data;

	if (prop->size != sizeof(*w))
		return OF_ERR_OFPBPC_BAD_LEN;
	*v = (struct of_table_vacancy){ .down = w->down, .up = w->up, .now = w->now };
	return 0;
}

static void
vacancy_put(struct wf_buf *out, const struct of_table_vacancy *v, uint8_t now)
{
	uint8_t payload[4] = { v->down, v->up, now };

	of_prop_put(out, PROP_VACANCY, payload, sizeof(payload));
}

of_err_t
of_table_mod_decode(const struct of_codec *codec, const struct of_msg *msg, struct of_table_mod *tm)
{
	uint32_t config = get_u32(msg->body + 4);
	const uint8_t *p = msg->body + 8;

	*tm = (struct of_table_mod){
		.table = msg->body[0],
		.miss = miss_from_wire(config, msg->version),
		.eviction = tristate_from_wire(config, WIRE_EVICTION, msg->version),
		.eviction_flags = UINT32_MAX,
		.vacancy = tristate_from_wire(config, WIRE_VACANCY_EVENTS, msg->version),
	};
	for (size_t rest = msg->body_size - 8; rest > 0;) {
		struct of_prop prop;
		struct of_table_vacancy *v = &tm->vacancy_levels;
		of_err_t error = of_prop_next(&p, &rest, &prop);

		if (error)
			return error;
		switch (prop.vendor ? 0 : prop.type) {
		case PROP_EVICTION:
			error = of_prop_get_u32(&prop, &tm->eviction_flags);
			break;
		case PROP_VACANCY:
			error = vacancy_get(&prop, v);
			/* The current vacancy is the switch's to say. */
			if (!error && (v->down > v->up || v->up > 100 || v->now))
				error = OF_ERR_OFPBPC_BAD_VALUE;
			break;
		default:
			error = OF_ERR_OFPBRC_BAD_TYPE;
		}
		if (error)
			return error;
	}
	return 0;
}

void
of_table_mod_encode(uint8_t version, uint32_t xid, const struct of_table_mod *tm,
		    struct wf_buf *out)
{
	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_TABLE_MOD, version), version, xid);
	uint8_t head[4] = { tm->table };

	wf_buf_put(out, head, sizeof(head));
	put_u32(out, config_to_wire(tm->miss, tm->eviction, tm->vacancy, version));
	if (version >= OF14_VERSION) {
		if (tm->eviction_flags != UINT32_MAX)
			of_prop_put_u32(out, PROP_EVICTION, tm->eviction_flags);
		if (tm->vacancy == OF_ON)
			vacancy_put(out, &tm->vacancy_levels, 0);
	}
	of_msg_end(out, start);
}

/* 'full': a table_status has both properties always. */
static void
desc_put(struct wf_buf *out, uint8_t version, const struct of_table_desc *td, bool full)
{
	size_t start = out->size;
	uint8_t head[4] = { 0, 0, td->table };

	wf_buf_put(out, head, sizeof(head));
	put_u32(out, config_to_wire(OF_MISS_DEFAULT, td->eviction, td->vacancy, version));
	if (full || td->eviction_flags != UINT32_MAX)
		of_prop_put_u32(out, PROP_EVICTION, td->eviction_flags);
	if (full || td->vacancy == OF_ON)
		vacancy_put(out, &td->vacancy_levels, td->vacancy_levels.now);
	set_u16(wf_buf_at(out, start), out->size - start);
}

static of_err_t
desc_take(const uint8_t *p, size_t size, uint8_t version, size_t *used, struct of_table_desc *td)
{
	if (size < 8)
		return OF_ERR_OFPBRC_BAD_LEN;
	size_t length = get_u16(p);
	uint32_t config = get_u32(p + 4);
	if (length < 8 || length > size)
		return OF_ERR_OFPBRC_BAD_LEN;
	*used = length;
	*td = (struct of_table_desc){
		.table = p[2],
		.eviction = tristate_from_wire(config, WIRE_EVICTION, version),
		.eviction_flags = UINT32_MAX,
		.vacancy = tristate_from_wire(config, WIRE_VACANCY_EVENTS, version),
	};
	p += 8;
	for (size_t rest = length - 8; rest > 0;) {
		struct of_prop prop;
		of_err_t error = of_prop_next(&p, &rest, &prop);

		if (!error && !prop.vendor && prop.type == PROP_EVICTION)
			error = of_prop_get_u32(&prop, &td->eviction_flags);
		else if (!error && !prop.vendor && prop.type == PROP_VACANCY)
			error = vacancy_get(&prop, &td->vacancy_levels);
		if (error)
			return error;
	}
	return 0;
}

void
of_table_desc_append(struct of_multipart *mp, const struct of_table_desc *td)
{
	of_multipart_item_begin(mp);
	desc_put(mp->out, mp->version, td, false);
	of_multipart_item_end(mp);
}

of_err_t
of_table_desc_next(const struct of_msg *msg, size_t *pos, struct of_table_desc *td)
{
	size_t used = 0;

	if (*pos >= msg->body_size)
		return OF_EOF;
	of_err_t error =
		desc_take(msg->body + *pos, msg->body_size - *pos, msg->version, &used, td);
	*pos += used;
	return error;
}

bool
of_table_status_encode(const struct of_codec *codec, enum of_table_reason reason,
		       const struct of_table_desc *td, struct wf_buf *out)
{
	if (codec->version < OF14_VERSION)
		return false;
	size_t start = of_msg_begin(out, OF_R_OFPT14_TABLE_STATUS, codec->version, 0);
	uint8_t head[8] = { reason };
	wf_buf_put(out, head, sizeof(head));
	desc_put(out, codec->version, td, true);
	of_msg_end(out, start);
	return true;
}

of_err_t
of_table_status_decode(const struct of_msg *msg, enum of_table_reason *reason,
		       struct of_table_desc *td)
{
	size_t used;

	if (msg->body[0] != OF_TR_VACANCY_DOWN && msg->body[0] != OF_TR_VACANCY_UP)
		return OF_ERR_OFPBPC_BAD_VALUE;
	*reason = msg->body[0];
	return desc_take(msg->body + 8, msg->body_size - 8, msg->version, &used, td);
}

/* --- Table statistics. --- */

WIRE_STRUCT table_stats10 {
	uint8_t table, pad[3];
	char name[32];
	__be32 wildcards, max_entries, active;
	__be64 lookups, matched;
};
WIRE_SIZE(struct table_stats10, 64);

WIRE_STRUCT table_stats11 {
	uint8_t table, pad[7];
	char name[32];
	__be32 wildcards, match, instructions, write_actions, apply_actions, config;
	__be32 max_entries, active;
	__be64 lookups, matched;
};
WIRE_SIZE(struct table_stats11, 88);

WIRE_STRUCT table_stats12 {
	uint8_t table, pad[7];
	char name[32];
	__be64 match, wildcards;
	__be32 write_actions, apply_actions;
	__be64 write_setfields, apply_setfields, metadata_match, metadata_write;
	__be32 instructions, config, max_entries, active;
	__be64 lookups, matched;
};
WIRE_SIZE(struct table_stats12, 128);

WIRE_STRUCT table_stats13 {
	uint8_t table, pad[3];
	__be32 active;
	__be64 lookups, matched;
};
WIRE_SIZE(struct table_stats13, 24);

/* Fields by the bits of ofp_flow_wildcards (1.0) and ofp_flow_match_fields (1.1). */
static const struct {
	uint32_t wire10, wire11;
	uint16_t field;
} field_bits[] = {
	{ 1u << 0, 1u << 0, OF_F_IN_PORT },	{ 1u << 1, 1u << 1, OF_F_VLAN_VID },
	{ 1u << 2, 1u << 11, OF_F_ETH_SRC },	{ 1u << 3, 1u << 12, OF_F_ETH_DST },
	{ 1u << 4, 1u << 3, OF_F_ETH_TYPE },	{ 1u << 5, 1u << 5, OF_F_IP_PROTO },
	{ 1u << 6, 1u << 6, OF_F_TCP_SRC },	{ 1u << 7, 1u << 7, OF_F_TCP_DST },
	{ 0x3fu << 8, 1u << 13, OF_F_IPV4_SRC }, { 0x3fu << 14, 1u << 14, OF_F_IPV4_DST },
	{ 1u << 20, 1u << 2, OF_F_VLAN_PCP },	{ 1u << 21, 1u << 4, OF_F_IP_DSCP },
	{ 0, 1u << 8, OF_F_MPLS_LABEL },	{ 0, 1u << 9, OF_F_MPLS_TC },
	{ 0, 1u << 15, OF_F_METADATA },
};
#define N_FIELD_BITS (sizeof(field_bits) / sizeof(field_bits[0]))

static uint32_t
fields_to_wire(const struct of_field_set *set, uint8_t version)
{
	uint32_t wire = 0;

	for (size_t i = 0; i < N_FIELD_BITS; i++)
		if (of_field_set_has(set, field_bits[i].field))
			wire |= version == OF10_VERSION ? field_bits[i].wire10
							: field_bits[i].wire11;
	return wire;
}

static struct of_field_set
fields_from_wire(uint32_t wire, uint8_t version)
{
	struct of_field_set set = { { 0 } };

	for (size_t i = 0; i < N_FIELD_BITS; i++)
		if (wire
		    & (version == OF10_VERSION ? field_bits[i].wire10 : field_bits[i].wire11))
			of_field_set_add(&set, field_bits[i].field);
	return set;
}

/* 1.2 numbers them by their OXM field, class OFPXMC_OPENFLOW_BASIC. */
#define OXM_CLASS_BASIC 0x8000

static uint64_t
fields_to_oxm_bits(const struct of_field_set *set)
{
	uint64_t wire = 0;

	for (unsigned f = 0; f < OF_N_FIELDS; f++) {
		const struct of_oxm *o = of_field_oxm(of_field(f), OF12_VERSION);

		if (of_field_set_has(set, f) && o && OF_OXM_CLASS(o->header) == OXM_CLASS_BASIC
		    && OF_OXM_FIELD(o->header) < 64)
			wire |= 1ull << OF_OXM_FIELD(o->header);
	}
	return wire;
}

static struct of_field_set
fields_from_oxm_bits(uint64_t wire)
{
	struct of_field_set set = { { 0 } };

	for (unsigned f = 0; f < OF_N_FIELDS; f++) {
		const struct of_oxm *o = of_field_oxm(of_field(f), OF12_VERSION);

		if (o && OF_OXM_CLASS(o->header) == OXM_CLASS_BASIC
		    && OF_OXM_FIELD(o->header) < 64 && (wire >> OF_OXM_FIELD(o->header) & 1))
			of_field_set_add(&set, f);
	}
	return set;
}

static void
field_set_or(struct of_field_set *to, const struct of_field_set *from)
{
	for (size_t i = 0; i < sizeof(to->bits) / sizeof(to->bits[0]); i++)
		to->bits[i] |= from->bits[i];
}

/* 1.0 and 1.1 do not tell a field that cannot be matched from one that need not be. */
static struct of_field_set
wild_or_unmatchable(const struct of_table_features *tf)
{
	struct of_field_set set = tf->match;

	for (size_t i = 0; i < sizeof(set.bits) / sizeof(set.bits[0]); i++)
		set.bits[i] = ~set.bits[i] | tf->wildcard.bits[i];
	return set;
}

static void
append_10(struct wf_buf *out, const struct of_table_stats *ts, const struct of_table_features *tf)
{
	struct of_field_set wild = wild_or_unmatchable(tf);
	struct table_stats10 w = {
		.table = ts->table,
		.wildcards = htobe32(fields_to_wire(&wild, OF10_VERSION)),
		.max_entries = htobe32(tf->max_entries),
		.active = htobe32(ts->active),
		.lookups = htobe64(ts->lookups),
		.matched = htobe64(ts->matched),
	};

	set_text(w.name, sizeof(w.name), tf->name);
	wf_buf_put(out, &w, sizeof(w));
}

static void
append_11(struct wf_buf *out, const struct of_table_stats *ts, const struct of_table_features *tf)
{
	struct of_field_set wild = wild_or_unmatchable(tf);
	const struct of_table_instruction_features *in = &tf->nonmiss;
	struct table_stats11 w = {
		.table = ts->table,
		.wildcards = htobe32(fields_to_wire(&wild, OF11_VERSION)),
		.match = htobe32(fields_to_wire(&tf->match, OF11_VERSION)),
		.instructions = htobe32(of_instruction_bits_to_wire(in->instructions, 2)),
		.write_actions = htobe32(of_action_bits_to_wire(in->write.actions, 2)),
		.apply_actions = htobe32(of_action_bits_to_wire(in->apply.actions, 2)),
		.config = htobe32(config_to_wire(tf->miss_config, 0, 0, OF11_VERSION)),
		.max_entries = htobe32(tf->max_entries),
		.active = htobe32(ts->active),
		.lookups = htobe64(ts->lookups),
		.matched = htobe64(ts->matched),
	};

	set_text(w.name, sizeof(w.name), tf->name);
	wf_buf_put(out, &w, sizeof(w));
}

static void
append_12(struct wf_buf *out, const struct of_table_stats *ts, const struct of_table_features *tf)
{
	const struct of_table_instruction_features *in = &tf->nonmiss;
	struct table_stats12 w = {
		.table = ts->table,
		.match = htobe64(fields_to_oxm_bits(&tf->match)),
		.wildcards = htobe64(fields_to_oxm_bits(&tf->wildcard)),
		.write_actions = htobe32(of_action_bits_to_wire(in->write.actions, 3)),
		.apply_actions = htobe32(of_action_bits_to_wire(in->apply.actions, 3)),
		.write_setfields = htobe64(fields_to_oxm_bits(&in->write.set_fields)),
		.apply_setfields = htobe64(fields_to_oxm_bits(&in->apply.set_fields)),
		.metadata_match = htobe64(tf->metadata_match),
		.metadata_write = htobe64(tf->metadata_write),
		.instructions = htobe32(of_instruction_bits_to_wire(in->instructions, 3)),
		.config = htobe32(config_to_wire(tf->miss_config, 0, 0, OF12_VERSION)),
		.max_entries = htobe32(tf->max_entries),
		.active = htobe32(ts->active),
		.lookups = htobe64(ts->lookups),
		.matched = htobe64(ts->matched),
	};

	set_text(w.name, sizeof(w.name), tf->name);
	wf_buf_put(out, &w, sizeof(w));
}

void
of_table_stats_append(struct of_multipart *mp, const struct of_table_stats *ts,
		      const struct of_table_features *tf)
{
	of_multipart_item_begin(mp);
	if (mp->version == OF10_VERSION) {
		append_10(mp->out, ts, tf);
	} else if (mp->version == OF11_VERSION) {
		append_11(mp->out, ts, tf);
	} else if (mp->version == OF12_VERSION) {
		append_12(mp->out, ts, tf);
	} else {
		struct table_stats13 w = {
			.table = ts->table,
			.active = htobe32(ts->active),
			.lookups = htobe64(ts->lookups),
			.matched = htobe64(ts->matched),
		};

		wf_buf_put(mp->out, &w, sizeof(w));
	}
	of_multipart_item_end(mp);
}

of_err_t
of_table_stats_next(const struct of_msg *msg, size_t *pos, struct of_table_stats *ts,
		    struct of_table_features *tf)
{
	static const uint8_t sizes[] = { 0, 64, 88, 128, 24, 24, 24 };
	const uint8_t *p = msg->body + *pos;
	size_t size = msg->body_size - *pos;

	if (!size)
		return OF_EOF;
	if (size < sizes[msg->version])
		return OF_ERR_OFPBRC_BAD_LEN;
	*pos += sizes[msg->version];
	*tf = (struct of_table_features){ .table = p[0], .supports_eviction = -1,
					  .supports_vacancy_events = -1 };
	*ts = (struct of_table_stats){
		.table = p[0],
		.matched = get_u64(p + sizes[msg->version] - 8),
		.lookups = get_u64(p + sizes[msg->version] - 16),
		.active = get_u32(p + sizes[msg->version] - 20),
	};
	if (msg->version >= OF13_VERSION)
		return 0;
	tf->max_entries = get_u32(p + sizes[msg->version] - 24);
	memcpy(tf->name, p + (msg->version == OF10_VERSION ? 4 : 8), sizeof(tf->name) - 1);
	if (msg->version == OF10_VERSION) {
		const struct table_stats10 *w = (const void *)p;

		tf->match = tf->wildcard = fields_from_wire(be32toh(w->wildcards), OF10_VERSION);
		return 0;
	}

	struct of_table_instruction_features *in = &tf->nonmiss;
	if (msg->version == OF11_VERSION) {
		const struct table_stats11 *w = (const void *)p;

		in->instructions = of_instruction_bits_from_wire(be32toh(w->instructions), 2);
		in->write.actions = of_action_bits_from_wire(be32toh(w->write_actions), 2);
		in->apply.actions = of_action_bits_from_wire(be32toh(w->apply_actions), 2);
		tf->miss_config = miss_from_wire(be32toh(w->config), msg->version);
		tf->match = fields_from_wire(be32toh(w->match), OF11_VERSION);
		tf->wildcard = fields_from_wire(be32toh(w->wildcards), OF11_VERSION);
	} else {
		const struct table_stats12 *w = (const void *)p;

		in->instructions = of_instruction_bits_from_wire(be32toh(w->instructions), 3);
		in->write.actions = of_action_bits_from_wire(be32toh(w->write_actions), 3);
		in->apply.actions = of_action_bits_from_wire(be32toh(w->apply_actions), 3);
		in->write.set_fields = fields_from_oxm_bits(be64toh(w->write_setfields));
		in->apply.set_fields = fields_from_oxm_bits(be64toh(w->apply_setfields));
		tf->metadata_match = be64toh(w->metadata_match);
		tf->metadata_write = be64toh(w->metadata_write);
		tf->miss_config = miss_from_wire(be32toh(w->config), msg->version);
		tf->match = fields_from_oxm_bits(be64toh(w->match));
		tf->wildcard = fields_from_oxm_bits(be64toh(w->wildcards));
	}
	field_set_or(&tf->match, &tf->wildcard);
	tf->miss = tf->nonmiss;
	return 0;
}
