/* SPDX-License-Identifier: Apache-2.0 */
#include "switchd/state/record.h"

#include <stdlib.h>
#include <string.h>

#include "openflow/action.h"
#include "openflow/match_wire.h"

/* --- Lists of actions ----------------------------------------------------------------------- */

/* Forms: a version of OpenFlow on the wire, or text. */
#define FORM_TEXT 7

/* What the check notes in a list depends on the match; 1.0 is the version that forgives most, and
 * the list was found good when it came. */
static bool
note(struct wf_buf *list, const struct of_match_full *match)
{
	const struct of_action_check check = {
		.version = 1, .table = 255, .n_tables = 255, .max_ports = OF_PORT_MAX,
	};

	return !match || !of_actions_check(list->data, list->size, match, &check);
}

bool
state_actions_get(const uint8_t *data, size_t size, uint8_t form, const struct of_match_full *match,
		  struct wf_buf *list)
{
	char *text, *error;

	wf_buf_clear(list);
	if (form != FORM_TEXT)
		return form >= 1 && form <= 6 &&
		       !of_instructions_decode(data, size, form, list) && note(list, match);
	text = wf_xmalloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	error = of_actions_parse(text, list);
	free(text);
	free(error);
	return !error && note(list, match);
}

static void
put_form(struct wf_buf *out, const void *list, size_t size, uint8_t form)
{
	struct wf_str text = WF_STR_INIT;

	if (form != FORM_TEXT) {
		of_instructions_encode(list, size, form, out);
		return;
	}
	of_actions_format(list, size, NULL, NULL, &text);
	wf_buf_put(out, wf_str_cstr(&text), text.len);
	wf_str_done(&text);
}

uint8_t
state_actions_put(struct wf_buf *out, const void *list, size_t size,
		  const struct of_match_full *match, uint8_t known_form)
{
	static const uint8_t forms[] = { 6, 1, 2, FORM_TEXT };
	static struct wf_buf again;
	size_t start = out->size;

	if (known_form) {
		put_form(out, list, size, known_form);
		return known_form;
	}
	for (unsigned i = 0;; i++) {
		put_form(out, list, size, forms[i]);
		if (i + 1 == sizeof(forms) ||
		    (state_actions_get(wf_buf_at(out, start), out->size - start, forms[i], match,
				       &again) &&
		     again.size == size && (!size || !memcmp(again.data, list, size))))
			return forms[i];
		out->size = start;
	}
}

/* --- Flows ---------------------------------------------------------------------------------- */

/* 0 id, 8 cookie, 16 created, 24 modified, 32 priority, 34 idle timeout, 36 hard timeout,
 * 38 importance, 40 flags, 42 table, 43 form of the actions, 44 size of the match, 46 zeros,
 * 48 match, actions */
#define FLOW_HEAD 48

void
state_flow_put(struct wf_buf *out, const struct rule *r, const struct of_tlv_map *map, int64_t boot)
{
	const struct of_tlv_map *before = of_tlv_map_enter(map);
	struct rule_actions *ra = r->actions;
	size_t head = out->size, match_size;
	uint8_t *p;

	state_put_u64(out, r->seq);
	state_put_u64(out, r->cookie);
	state_put_u64(out, (uint64_t)(r->created_ms + boot));
	state_put_u64(out, (uint64_t)(atomic_load_explicit(&r->modified_ms, memory_order_relaxed) +
				      boot));
	state_put_u16(out, r->priority);
	state_put_u16(out, r->idle_timeout);
	state_put_u16(out, r->hard_timeout);
	state_put_u16(out, r->importance);
	state_put_u16(out, r->flags);
	wf_buf_put_zeros(out, 6);
	match_size = of_oxm_encode_packed(r->match, 1, map, 0, 0, out);
	if (ra->stored_form) {
		put_form(out, ra->data, ra->size, ra->stored_form);
	} else {
		static struct of_match_full full;

		of_match_unpack(r->match, &full);
		ra->stored_form = state_actions_put(out, ra->data, ra->size, &full, 0);
	}
	p = wf_buf_at(out, head);
	p[42] = r->table_id;
	p[43] = ra->stored_form;
	p[44] = (uint8_t)match_size;
	p[45] = (uint8_t)(match_size >> 8);
	of_tlv_map_enter(before);
}

bool
state_flow_get(const struct state_frame *f, const struct of_tlv_map *map, int64_t boot,
	       struct state_flow *ret)
{
	static struct of_match_full match;
	static struct wf_buf list;
	const uint8_t *p = f->data;
	const struct of_tlv_map *before;
	size_t match_size;
	struct rule *r;
	bool ok;

	if (f->size < FLOW_HEAD || p[42] >= N_TABLES)
		return false;
	match_size = state_get_u16(p + 44);
	if (match_size > f->size - FLOW_HEAD)
		return false;
	before = of_tlv_map_enter(map);
	ok = !of_oxm_decode(p + FLOW_HEAD, match_size, OF_OXM_LOOSE, map, &match, NULL, NULL) &&
	     state_actions_get(p + FLOW_HEAD + match_size, f->size - FLOW_HEAD - match_size, p[43],
			       &match, &list);
	of_tlv_map_enter(before);
	if (!ok)
		return false;
	r = rule_new(&match, state_get_u16(p + 32), list.data, list.size);
	r->cookie = state_get_u64(p + 8);
	r->created_ms = (int64_t)state_get_u64(p + 16) - boot;
	atomic_store_explicit(&r->modified_ms, (int64_t)state_get_u64(p + 24) - boot,
			      memory_order_relaxed);
	r->idle_timeout = state_get_u16(p + 34);
	r->hard_timeout = state_get_u16(p + 36);
	r->importance = state_get_u16(p + 38);
	r->flags = state_get_u16(p + 40);
	r->actions->stored_form = p[43];
	*ret = (struct state_flow){ r, state_get_u64(p), p[42] };
	return true;
}

/* --- Groups --------------------------------------------------------------------------------- */

/* 0 id, 4 type, 5 zeros, 8 created, 16 method, 32 parameter, 40 number of hash fields, 44 number of
 * buckets, 48 fields: NXM header and mask each, buckets:
 *   0 id, 4 weight, 6 form, 7 zero, 8 watched port, 12 watched group, 16 size of the actions,
 *   20 actions */
#define GROUP_HEAD 48
#define BUCKET_HEAD 20

void
state_group_put(struct wf_buf *out, const struct group *g, const struct of_tlv_map *map,
		int64_t boot)
{
	const struct of_tlv_map *before = of_tlv_map_enter(map);

	state_put_u32(out, g->id);
	state_put_u32(out, g->type);
	state_put_u64(out, (uint64_t)(g->created_ms + boot));
	wf_buf_put(out, g->selection_method, 16);
	state_put_u64(out, g->selection_param);
	state_put_u32(out, g->n_hash_fields);
	state_put_u32(out, g->n_buckets);
	for (uint32_t i = 0; i < g->n_hash_fields; i++) {
		const struct of_field *field = of_field(g->hash_fields[i].field);

		of_nxm_header_encode(field, 0, false, map, out);
		wf_buf_put(out, &g->hash_fields[i].mask, field->n_bytes);
	}
	for (uint32_t i = 0; i < g->n_buckets; i++) {
		const struct bucket *b = &g->buckets[i];
		size_t head = out->size;
		uint8_t form, *p;
		uint32_t size;

		state_put_u32(out, b->bucket_id);
		state_put_u16(out, b->weight);
		state_put_u16(out, 0);
		state_put_u32(out, b->watch_port);
		state_put_u32(out, b->watch_group);
		state_put_u32(out, 0);
		form = state_actions_put(out, b->actions->data, b->actions->size, NULL,
					 b->actions->stored_form);
		size = (uint32_t)(out->size - head - BUCKET_HEAD);
		p = wf_buf_at(out, head);
		p[6] = form;
		for (int k = 0; k < 4; k++)
			p[16 + k] = (uint8_t)(size >> 8 * k);
	}
	of_tlv_map_enter(before);
}

static bool
get_fields(const uint8_t **p, const uint8_t *end, uint32_t n, const struct of_tlv_map *map,
	   struct of_group_props *props)
{
	for (; n; n--) {
		struct of_oxm_header h;

		if (of_nxm_header_decode(*p, (size_t)(end - *p), false, map, &h) || !h.field)
			return false;
		*p += h.header_size;
		if (end - *p < h.field->n_bytes)
			return false;
		of_group_props_set_mask(props, h.field->id, *p);
		*p += h.field->n_bytes;
	}
	return true;
}

static bool
get_bucket(const uint8_t **p, const uint8_t *end, struct of_bucket *b)
{
	static struct wf_buf list;
	uint32_t size;

	if (end - *p < BUCKET_HEAD)
		return false;
	*b = (struct of_bucket){
		.bucket_id = state_get_u32(*p), .weight = state_get_u16(*p + 4),
		.watch_port = state_get_u32(*p + 8), .watch_group = state_get_u32(*p + 12),
	};
	size = state_get_u32(*p + 16);
	if (size > end - *p - BUCKET_HEAD ||
	    !state_actions_get(*p + BUCKET_HEAD, size, (*p)[6], NULL, &list))
		return false;
	b->actions = list.size ? wf_xmemdup(list.data, list.size) : NULL;
	b->actions_size = list.size;
	*p += BUCKET_HEAD + size;
	return true;
}

bool
state_group_get(const struct state_frame *f, const struct of_tlv_map *map, int64_t boot,
		struct of_group_mod *gm, int64_t *ret_created_ms)
{
	const uint8_t *p = f->data, *end = f->data + f->size;
	const struct of_tlv_map *before;
	uint32_t n_fields, n_buckets;
	bool ok;

	if (f->size < GROUP_HEAD)
		return false;
	*gm = (struct of_group_mod){
		.command = OF_GC_ADD, .group = state_get_u32(p), .type = p[4],
		.command_bucket = OF_BUCKET_ALL,
	};
	*ret_created_ms = (int64_t)state_get_u64(p + 8) - boot;
	memcpy(gm->props.method, p + 16, 16);
	gm->props.method[15] = '\0';
	gm->props.param = state_get_u64(p + 32);
	n_fields = state_get_u32(p + 40);
	n_buckets = state_get_u32(p + 44);
	p += GROUP_HEAD;
	if (gm->type >= OF_N_GROUP_TYPES || n_fields > OF_N_FIELDS ||
	    n_buckets > f->size / BUCKET_HEAD)
		return false;
	gm->buckets = wf_xzalloc((n_buckets + 1) * sizeof(*gm->buckets));
	before = of_tlv_map_enter(map);
	ok = get_fields(&p, end, n_fields, map, &gm->props);
	while (ok && gm->n_buckets < n_buckets) {
		ok = get_bucket(&p, end, &gm->buckets[gm->n_buckets]);
		gm->n_buckets += ok;
	}
	of_tlv_map_enter(before);
	if (!ok)
		of_group_mod_done(gm);
	return ok;
}

/* --- Meters --------------------------------------------------------------------------------- */

/* 0 id, 4 flags, 6 number of bands, 8 created, bands: 0 type, 2 precedence level, 4 rate,
 * 8 burst */
#define METER_HEAD 16
#define BAND_SIZE 12

void
state_meter_put(struct wf_buf *out, const struct meter *m, int64_t boot)
{
	state_put_u32(out, m->id);
	state_put_u16(out, m->flags);
	state_put_u16(out, (uint16_t)m->n_bands);
	state_put_u64(out, (uint64_t)(m->created_ms + boot));
	for (uint32_t i = 0; i < m->n_bands; i++) {
		state_put_u16(out, m->bands[i].type);
		state_put_u16(out, m->bands[i].prec_level);
		state_put_u32(out, m->bands[i].rate);
		state_put_u32(out, m->bands[i].burst);
	}
}

bool
state_meter_get(const struct state_frame *f, int64_t boot, struct of_meter_config *cfg,
		struct wf_buf *bands, int64_t *ret_created_ms)
{
	const uint8_t *p = f->data;

	wf_buf_clear(bands);
	if (f->size < METER_HEAD)
		return false;
	*cfg = (struct of_meter_config){
		.meter = state_get_u32(p), .flags = state_get_u16(p + 4),
		.n_bands = state_get_u16(p + 6),
	};
	*ret_created_ms = (int64_t)state_get_u64(p + 8) - boot;
	if (f->size != METER_HEAD + cfg->n_bands * BAND_SIZE)
		return false;
	p += METER_HEAD;
	for (size_t i = 0; i < cfg->n_bands; i++, p += BAND_SIZE) {
		struct of_meter_band *b = wf_buf_put_zeros(bands, sizeof(*b));

		b->type = state_get_u16(p);
		b->prec_level = p[2];
		b->rate = state_get_u32(p + 4);
		b->burst_size = state_get_u32(p + 8);
	}
	cfg->bands = (struct of_meter_band *)bands->data;
	return true;
}

/* --- TLV map -------------------------------------------------------------------------------- */

/* Entries: 0 class, 2 type, 3 length, 4 index */
#define TLV_SIZE 6

void
state_tlv_map_put(struct wf_buf *out, const struct of_tlv_map *map)
{
	for (unsigned i = 0; i < OF_TLV_N_FIELDS; i++) {
		const struct of_tlv_entry *e = &map->entry[i];

		if (!e->valid)
			continue;
		state_put_u16(out, e->opt_class);
		state_put_u16(out, (uint16_t)(e->type | e->len << 8));
		state_put_u16(out, (uint16_t)i);
	}
}

bool
state_tlv_map_get(const struct state_frame *f, struct of_tlv_map *map)
{
	of_tlv_map_init(map);
	if (f->size % TLV_SIZE)
		return false;
	for (const uint8_t *p = f->data; p < f->data + f->size; p += TLV_SIZE)
		if (of_tlv_map_add(map, state_get_u16(p), p[2], p[3], state_get_u16(p + 4)))
			return false;
	return true;
}
