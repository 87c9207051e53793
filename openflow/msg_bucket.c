/* SPDX-License-Identifier: Apache-2.0 */
#include "openflow/msg_bucket.h"

#include <stdlib.h>

#include "openflow/action.h"
#include "openflow/match_wire.h"
#include "openflow/msg_wire.h"

WIRE_STRUCT bucket11 {
	__be16 length, weight;
	__be32 watch_port, watch_group;
	uint8_t pad[4];
};
WIRE_SIZE(struct bucket11, 16);

WIRE_STRUCT bucket15 {
	__be16 length, actions_len;
	__be32 bucket_id;
	/* actions, properties */
};
WIRE_SIZE(struct bucket15, 8);

enum { PROP_WEIGHT, PROP_WATCH_PORT, PROP_WATCH_GROUP };

void
of_buckets_free(struct of_bucket *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(b[i].actions);
	free(b);
}

struct of_bucket *
of_buckets_copy(const struct of_bucket *from, size_t n)
{
	struct of_bucket *to = n ? wf_xmemdup(from, n * sizeof(*from)) : NULL;

	for (size_t i = 0; i < n; i++)
		to[i].actions = from[i].actions_size
					? wf_xmemdup(from[i].actions, from[i].actions_size)
					: NULL;
	return to;
}

static of_err_t
take_actions(const uint8_t *p, size_t size, uint8_t version, struct of_bucket *b)
{
	struct wf_buf list = WF_BUF_INIT;
	of_err_t error = of_actions_decode(p, size, version, &list);

	b->actions = NULL;
	b->actions_size = 0;
	if (!error && list.size) {
		b->actions = wf_xmemdup(list.data, list.size);
		b->actions_size = list.size;
	}
	wf_buf_done(&list);
	return error;
}

static of_err_t
decode_11(const uint8_t *p, size_t size, uint8_t version, struct of_bucket *b, size_t *used)
{
	const struct bucket11 *w = (const void *)p;

	if (size < sizeof(*w))
		return OF_ERR_OFPGMFC_BAD_BUCKET;
	size_t length = be16toh(w->length);
	if (length < sizeof(*w) || length > size)
		return OF_ERR_OFPGMFC_BAD_BUCKET;
	*used = length;
	b->weight = be16toh(w->weight);
	b->watch_group = be32toh(w->watch_group);
	if (of_port_from_11(be32toh(w->watch_port), &b->watch_port))
		return OF_ERR_OFPGMFC_BAD_WATCH;
	return take_actions(p + sizeof(*w), length - sizeof(*w), version, b);
}

static of_err_t
decode_15(const uint8_t *p, size_t size, uint8_t version, struct of_bucket *b, size_t *used)
{
	const struct bucket15 *w = (const void *)p;

	if (size < sizeof(*w))
		return OF_ERR_OFPGMFC_BAD_BUCKET;
	size_t length = be16toh(w->length);
	size_t actions_len = be16toh(w->actions_len);
	if (length < sizeof(*w) || length > size || actions_len > length - sizeof(*w))
		return OF_ERR_OFPGMFC_BAD_BUCKET;
	*used = length;
	of_err_t error = take_actions(p + sizeof(*w), actions_len, version, b);

	p += sizeof(*w) + actions_len;
	for (size_t rest = length - sizeof(*w) - actions_len; rest > 0 && !error;) {
		struct of_prop prop;
		uint32_t watch_port;

		error = of_prop_next(&p, &rest, &prop);
		if (error)
			break;
		switch (prop.vendor ? UINT32_MAX : prop.type) {
		case PROP_WEIGHT:
			error = of_prop_get_u16(&prop, &b->weight);
			break;
		case PROP_WATCH_PORT:
			error = of_prop_get_u32(&prop, &watch_port);
			if (!error && of_port_from_11(watch_port, &b->watch_port))
				error = OF_ERR_OFPGMFC_BAD_WATCH;
			break;
		case PROP_WATCH_GROUP:
			error = of_prop_get_u32(&prop, &b->watch_group);
			break;
		default:
			error = of_prop_unknown(false, &prop);
		}
	}
	b->bucket_id = be32toh(w->bucket_id);
	if (!error && b->bucket_id > OF_BUCKET_MAX)
		error = OF_ERR_OFPGMFC_BAD_BUCKET;
	if (error)
		free(b->actions);
	return error;
}

static int
compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool
has_duplicate_id(const struct of_bucket *b, size_t n)
{
	uint32_t *ids = wf_xmalloc(n * sizeof(*ids));
	bool found = false;

	for (size_t i = 0; i < n; i++)
		ids[i] = b[i].bucket_id;
	qsort(ids, n, sizeof(*ids), compare_ids);
	for (size_t i = 1; i < n; i++)
		found |= ids[i] == ids[i - 1];
	free(ids);
	return found;
}

of_err_t
of_buckets_decode(const uint8_t *p, size_t size, uint8_t version, uint8_t group_type,
		  struct of_bucket **buckets, size_t *n)
{
	bool is_15 = of_group_form_is_15(version);
	struct wf_buf list = WF_BUF_INIT;
	of_err_t error = 0;
	size_t used;

	*buckets = NULL;
	*n = 0;
	while (size > 0 && !error) {
		struct of_bucket b = {
			.weight = group_type == OF_GT_SELECT ? 1 : 0,
			.watch_port = OF_PORT_ANY,
			.watch_group = OF_GROUP_ANY,
			.bucket_id = *n,
		};

		error = is_15 ? decode_15(p, size, version, &b, &used)
			      : decode_11(p, size, version, &b, &used);
		if (!error) {
			wf_buf_put(&list, &b, sizeof(b));
			(*n)++;
			p += used;
			size -= used;
		}
	}
	if (*n)
		*buckets = wf_xmemdup(list.data, list.size);
	wf_buf_done(&list);
	if (!error && is_15 && *n > 1 && has_duplicate_id(*buckets, *n))
		error = OF_ERR_OFPGMFC_BAD_BUCKET;
	if (error) {
		of_buckets_free(*buckets, *n);
		*buckets = NULL;
		*n = 0;
	}
	return error;
}

static void
encode_11(const struct of_bucket *b, uint8_t version, struct wf_buf *out)
{
	size_t start = out->size;
	struct bucket11 w = {
		.weight = htobe16(b->weight),
		.watch_port = htobe32(b->watch_port),
		.watch_group = htobe32(b->watch_group),
	};

	wf_buf_put(out, &w, sizeof(w));
	of_actions_encode(b->actions, b->actions_size, version, out);
	set_u16(wf_buf_at(out, start), out->size - start);
}

static void
encode_15(const struct of_bucket *b, uint8_t version, uint8_t group_type, struct wf_buf *out)
{
	size_t start = out->size, actions;
	struct bucket15 w = { .bucket_id = htobe32(b->bucket_id) };

	wf_buf_put(out, &w, sizeof(w));
	of_actions_encode(b->actions, b->actions_size, version, out);
	actions = out->size - start - sizeof(w);
	if (group_type == OF_GT_SELECT || b->weight)
		of_prop_put_u16(out, PROP_WEIGHT, b->weight);
	if (b->watch_port != OF_PORT_ANY)
		of_prop_put_u32(out, PROP_WATCH_PORT, b->watch_port);
	if (b->watch_group != OF_GROUP_ANY)
		of_prop_put_u32(out, PROP_WATCH_GROUP, b->watch_group);
	set_u16(wf_buf_at(out, start), out->size - start);
	set_u16((uint8_t *)wf_buf_at(out, start) + 2, actions);
}

void
of_buckets_encode(const struct of_bucket *b, size_t n, uint8_t version, uint8_t group_type,
		  struct wf_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (of_group_form_is_15(version))
			encode_15(&b[i], version, group_type, out);
		else
			encode_11(&b[i], version, out);
	}
}

/* --- Properties. --- */

/* Netronome's selection method: the only property that a group has. */
WIRE_STRUCT selection_method {
	__be16 type, length;
	__be32 experimenter, exp_type;
	uint8_t pad[4];
	char method[16];
	__be64 param;
	/* OXM entries without masks, whose values are masks */
};
WIRE_SIZE(struct selection_method, 40);

#define NTR_SELECTION_METHOD 1
#define NTR_WRONG_VENDOR 0x00001540u /* sent by OVS 2.4 */

void
of_group_props_done(struct of_group_props *props)
{
	free(props->masks);
	*props = (struct of_group_props){ .masks = NULL };
}

void
of_group_props_copy(struct of_group_props *to, const struct of_group_props *from)
{
	*to = *from;
	to->masks = from->masks_size ? wf_xmemdup(from->masks, from->masks_size) : NULL;
}

const uint8_t *
of_group_props_mask(const struct of_group_props *props, enum of_field_id id)
{
	size_t ofs = 0;

	for (unsigned f = 0; f < (unsigned)id; f++)
		if (of_field_set_has(&props->fields, f))
			ofs += of_field(f)->n_bytes;
	return ofs ? props->masks + ofs : props->masks;
}

void
of_group_props_set_mask(struct of_group_props *props, enum of_field_id id, const void *mask)
{
	size_t n = of_field(id)->n_bytes;
	size_t ofs = props->masks ? of_group_props_mask(props, id) - props->masks : 0;

	if (!of_field_set_has(&props->fields, id)) {
		props->masks = wf_xrealloc(props->masks, props->masks_size + n);
		memmove(props->masks + ofs + n, props->masks + ofs, props->masks_size - ofs);
		props->masks_size += n;
		of_field_set_add(&props->fields, id);
	}
	memcpy(props->masks + ofs, mask, n);
}

static of_err_t
fields_decode(const uint8_t *p, size_t size, const struct of_tlv_map *map,
	      struct of_group_props *props)
{
	while (size > 0) {
		struct of_oxm_header h;
		union of_value value;
		size_t used;
		of_err_t error = of_nxm_entry_decode(p, size, false, map, &h, &value, NULL, &used);

		if (error)
			return error;
		if (of_field_set_has(&props->fields, h.field->id))
			return OF_ERR_OFPBMC_DUP_FIELD;
		if (!h.field->maskable && !of_value_is_zero(h.field, &value)
		    && !of_value_is_all_ones(h.field, &value))
			return OF_ERR_OFPBMC_BAD_MASK;
		of_group_props_set_mask(props, h.field->id, value.b);
		p += used;
		size -= used;
	}
	return 0;
}

static of_err_t
selection_method_decode(const struct of_prop *prop, uint8_t group_type, uint16_t command,
			const struct of_tlv_map *map, struct of_group_props *props)
{
	const struct selection_method *w = (const void *)prop->data;

	if (group_type != OF_GT_SELECT)
		return group_type < OF_N_GROUP_TYPES ? OF_ERR_OFPBPC_BAD_VALUE
						     : OF_ERR_OFPGMFC_BAD_TYPE;
	switch (command) {
	case OF_GC_ADD:
	case OF_GC_MODIFY:
	case OF_GC_ADD_OR_MOD:
		break;
	case OF_GC_DELETE:
	case OF_GC_INSERT_BUCKET:
	case OF_GC_REMOVE_BUCKET:
		return OF_ERR_OFPBPC_BAD_VALUE;
	default:
		return OF_ERR_OFPGMFC_BAD_COMMAND;
	}
	if (prop->size < sizeof(*w))
		return OF_ERR_OFPBPC_BAD_LEN;
	if (strnlen(w->method, sizeof(w->method)) == sizeof(w->method))
		return OF_ERR_OFPBPC_BAD_VALUE;
	bool hash = !strcmp(w->method, "hash");
	if (!hash && strcmp(w->method, "dp_hash"))
		return OF_ERR_OFPBPC_BAD_VALUE;
	memcpy(props->method, w->method, sizeof(props->method));
	props->param = be64toh(w->param);
	if (prop->size > sizeof(*w) && !hash)
		return OF_ERR_OFPBPC_BAD_VALUE;
	return fields_decode((const uint8_t *)(w + 1), prop->size - sizeof(*w), map, props);
}

of_err_t
of_group_props_decode(const uint8_t *p, size_t size, uint8_t group_type, uint16_t command,
		      const struct of_tlv_map *map, struct of_group_props *props)
{
	of_err_t error = 0;

	*props = (struct of_group_props){ .masks = NULL };
	while (size > 0 && !error) {
		struct of_prop prop;

		error = of_prop_next(&p, &size, &prop);
		if (error)
			break;
		if ((prop.vendor == OF_VENDOR_NTR || prop.vendor == NTR_WRONG_VENDOR)
		    && prop.type == NTR_SELECTION_METHOD)
			error = selection_method_decode(&prop, group_type, command, map, props);
		else
			error = of_prop_unknown(false, &prop);
	}
	if (error)
		of_group_props_done(props);
	return error;
}

void
of_group_props_encode(const struct of_group_props *props, uint8_t version,
		      const struct of_tlv_map *map, struct wf_buf *out)
{
	if (!props->method[0])
		return;

	size_t start = of_prop_begin_vendor(out, 0xffff, OF_VENDOR_NTR, NTR_SELECTION_METHOD);
	const uint8_t *mask = props->masks;
	char method[16];
	put_u32(out, 0);
	set_text(method, sizeof(method), props->method);
	wf_buf_put(out, method, sizeof(method));
	put_u64(out, props->param);
	for (unsigned f = 0; f < OF_N_FIELDS; f++) {
		union of_value value = { { 0 } };

		if (!of_field_set_has(&props->fields, f))
			continue;
		memcpy(value.b, mask, of_field(f)->n_bytes);
		mask += of_field(f)->n_bytes;
		of_nxm_entry_encode(of_field(f), version, &value, NULL, map, out);
	}
	of_prop_end(out, start);
}
