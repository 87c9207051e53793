/* SPDX-License-Identifier: Apache-2.0 */
/* group_mod, and group statistics, descriptions and features. */
#include "openflow/msg_group.h"

#include "openflow/msg_bits.h"
#include "openflow/msg_bucket.h"
#include "openflow/msg_wire.h"

WIRE_STRUCT group_mod15 {
	__be16 command;
	uint8_t type, pad;
	__be32 group; /* the form of 1.1 ends here, and buckets follow */
	__be16 buckets_len;
	uint8_t pad2[2];
	__be32 command_bucket;
	/* buckets, properties */
};
WIRE_SIZE(struct group_mod15, 16);
#define GROUP_MOD11_SIZE 8

static bool
command_bucket_is_valid(uint16_t command, uint32_t bucket)
{
	if (command == OF_GC_INSERT_BUCKET || command == OF_GC_REMOVE_BUCKET)
		return bucket <= OF_BUCKET_MAX || bucket == OF_BUCKET_FIRST
		       || bucket == OF_BUCKET_LAST
		       || (bucket == OF_BUCKET_ALL && command == OF_GC_REMOVE_BUCKET);
	return bucket == OF_BUCKET_ALL;
}

static of_err_t
check_bucket(const struct of_group_mod *gm, const struct of_bucket *b)
{
	bool has_liveness = b->watch_port != OF_PORT_ANY || b->watch_group != OF_GROUP_ANY;

	if (b->weight && gm->type != OF_GT_SELECT && gm->command != OF_GC_INSERT_BUCKET)
		return OF_ERR_OFPGMFC_INVALID_GROUP;
	if ((gm->type == OF_GT_ALL || gm->type == OF_GT_INDIRECT) && has_liveness)
		return OF_ERR_OFPGMFC_WATCH_UNSUPPORTED;
	if (gm->type == OF_GT_FF && !has_liveness)
		return OF_ERR_OFPGMFC_INVALID_GROUP;
	return 0;
}

static of_err_t
check(const struct of_group_mod *gm)
{
	if (gm->type >= OF_N_GROUP_TYPES)
		return OF_ERR_OFPGMFC_BAD_TYPE;
	if (gm->type == OF_GT_INDIRECT && gm->command != OF_GC_DELETE && gm->n_buckets != 1)
		return OF_ERR_OFPGMFC_INVALID_GROUP;
	switch (gm->command) {
	case OF_GC_ADD:
	case OF_GC_MODIFY:
	case OF_GC_ADD_OR_MOD:
	case OF_GC_DELETE:
	case OF_GC_INSERT_BUCKET:
		break;
	case OF_GC_REMOVE_BUCKET:
		if (gm->n_buckets)
			return OF_ERR_OFPGMFC_BAD_BUCKET;
		break;
	default:
		return OF_ERR_OFPGMFC_BAD_COMMAND;
	}
	for (size_t i = 0; i < gm->n_buckets; i++) {
		of_err_t error = check_bucket(gm, &gm->buckets[i]);

		if (error)
			return error;
	}
	return 0;
}

of_err_t
of_group_mod_decode(const struct of_codec *codec, const struct of_msg *msg,
		    struct of_group_mod *gm)
{
	const struct group_mod15 *w = (const void *)msg->body;
	bool is_15 = of_group_form_is_15(msg->version);
	size_t head = is_15 ? sizeof(*w) : GROUP_MOD11_SIZE;
	size_t buckets_len = msg->body_size - head;
	of_err_t error;

	*gm = (struct of_group_mod){
		.command = be16toh(w->command),
		.type = w->type,
		.group = be32toh(w->group),
		.command_bucket = OF_BUCKET_ALL,
	};
	if (is_15) {
		gm->command_bucket = be32toh(w->command_bucket);
		if (!command_bucket_is_valid(gm->command, gm->command_bucket))
			return OF_ERR_OFPGMFC_BAD_BUCKET;
		if (be16toh(w->buckets_len) > buckets_len)
			return OF_ERR_OFPBRC_BAD_LEN;
		buckets_len = be16toh(w->buckets_len);
	}
	error = of_buckets_decode(msg->body + head, buckets_len, msg->version, gm->type,
				  &gm->buckets, &gm->n_buckets);
	if (!error && is_15)
		error = of_group_props_decode(msg->body + head + buckets_len,
					      msg->body_size - head - buckets_len, gm->type,
					      gm->command, codec->tlv_map, &gm->props);
	/* OpenFlow 1.3.5 and later forbid a delete with buckets. */
	if (!error && !is_15 && msg->version >= OF13_VERSION && gm->command == OF_GC_DELETE
	    && gm->n_buckets)
		error = OF_ERR_OFPGMFC_INVALID_GROUP;
	if (!error)
		error = check(gm);
	if (error)
		of_group_mod_done(gm);
	return error;
}

void
of_group_mod_done(struct of_group_mod *gm)
{
	of_buckets_free(gm->buckets, gm->n_buckets);
	gm->buckets = NULL;
	gm->n_buckets = 0;
	of_group_props_done(&gm->props);
}

/* The lowest id that no bucket has. */
static uint32_t
free_bucket_id(const struct of_bucket *b, size_t n)
{
	for (uint32_t id = 0;; id++) {
		size_t i = 0;

		while (i < n && b[i].bucket_id != id)
			i++;
		if (i == n)
			return id;
	}
}

void
of_group_mod_encode(const struct of_codec *codec, uint32_t xid, const struct of_group_mod *gm,
		    const struct of_bucket *new_buckets, size_t n_new, int existed,
		    struct wf_buf *out)
{
	bool is_15 = of_group_form_is_15(codec->version);
	size_t start = of_msg_begin(out, of_msg_form_for(OF_M_GROUP_MOD, codec->version),
				    codec->version, xid);
	size_t body = out->size;
	const struct of_bucket *buckets = gm->buckets;
	size_t n = gm->n_buckets;
	uint16_t command = gm->command;

	if (command == OF_GC_ADD_OR_MOD && existed >= 0)
		command = existed ? OF_GC_MODIFY : OF_GC_ADD;
	if (!is_15 && new_buckets
	    && (command == OF_GC_INSERT_BUCKET || command == OF_GC_REMOVE_BUCKET)) {
		command = OF_GC_MODIFY;
		buckets = new_buckets;
		n = n_new;
	}

	struct group_mod15 w = {
		.command = htobe16(command),
		.type = gm->type,
		.group = htobe32(gm->group),
		.command_bucket = htobe32(gm->command_bucket),
	};
	wf_buf_put(out, &w, is_15 ? sizeof(w) : GROUP_MOD11_SIZE);
	if (is_15) {
		struct of_bucket *copy = of_buckets_copy(buckets, n);

		/* A caller may leave ids to us by an id above the maximum. */
		for (size_t i = 0; i < n; i++)
			if (copy[i].bucket_id > OF_BUCKET_MAX)
				copy[i].bucket_id = free_bucket_id(copy, n);
		size_t before = out->size;
		of_buckets_encode(copy, n, codec->version, gm->type, out);
		set_u16((uint8_t *)wf_buf_at(out, body) + offsetof(struct group_mod15, buckets_len),
			out->size - before);
		of_group_props_encode(&gm->props, codec->version, codec->tlv_map, out);
		of_buckets_free(copy, n);
	} else {
		of_buckets_encode(buckets, n, codec->version, gm->type, out);
	}
	of_msg_end(out, start);
}

of_err_t
of_group_request_decode(const struct of_msg *msg, uint32_t *group)
{
	*group = OF_GROUP_ALL;
	if (msg->form == OF_R_OFPST11_GROUP_DESC_REQUEST)
		return 0;
	if (msg->body_size < 8)
		return OF_ERR_OFPBRC_BAD_LEN;
	*group = get_u32(msg->body);
	return 0;
}

static void
request_encode(enum of_msg_id id, uint8_t version, uint32_t xid, uint32_t group,
	       struct wf_buf *out)
{
	enum of_msg_form form = of_msg_form_for(id, version);
	size_t start = of_msg_begin(out, form, version, xid);

	if (form != OF_R_OFPST11_GROUP_DESC_REQUEST) {
		put_u32(out, group);
		put_u32(out, 0);
	}
	of_msg_end(out, start);
}

void
of_group_stats_request_encode(uint8_t version, uint32_t xid, uint32_t group, struct wf_buf *out)
{
	request_encode(OF_M_GROUP_REQUEST, version, xid, group, out);
}

void
of_group_desc_request_encode(uint8_t version, uint32_t xid, uint32_t group, struct wf_buf *out)
{
	request_encode(OF_M_GROUP_DESC_REQUEST, version, xid, group, out);
}

WIRE_STRUCT group_stats13 {
	__be16 length;
	uint8_t pad[2];
	__be32 group, ref_count;
	uint8_t pad2[4];
	__be64 n_packets, n_bytes;
	__be32 duration_s, duration_ns; /* 1.1 and 1.2 do not have these two */
	/* packets and bytes, 64 bits each, of each bucket */
};
WIRE_SIZE(struct group_stats13, 40);

static size_t
group_stats_size(enum of_msg_form form)
{
	return form == OF_R_OFPST11_GROUP_REPLY ? 32 : sizeof(struct group_stats13);
}

void
of_group_stats_append(struct of_multipart *mp, const struct of_group_stats *gs)
{
	struct wf_buf *out = mp->out;
	size_t head = group_stats_size(mp->form);
	struct group_stats13 w = {
		.length = htobe16(head + 16 * gs->n_buckets),
		.group = htobe32(gs->group),
		.ref_count = htobe32(gs->ref_count),
		.n_packets = htobe64(gs->n_packets),
		.n_bytes = htobe64(gs->n_bytes),
		.duration_s = htobe32(gs->duration_s),
		.duration_ns = htobe32(gs->duration_ns),
	};

	of_multipart_item_begin(mp);
	wf_buf_put(out, &w, head);
	for (size_t i = 0; i < gs->n_buckets; i++) {
		put_u64(out, gs->buckets[i].n_packets);
		put_u64(out, gs->buckets[i].n_bytes);
	}
	of_multipart_item_end(mp);
}

of_err_t
of_group_stats_next(const struct of_msg *msg, size_t *pos, struct of_group_stats *gs)
{
	const struct group_stats13 *w = (const void *)(msg->body + *pos);
	size_t size = msg->body_size - *pos;
	size_t head = group_stats_size(msg->form);

	if (!size)
		return OF_EOF;
	if (size < head)
		return OF_ERR_OFPBRC_BAD_LEN;
	size_t length = be16toh(w->length);
	if (length < head || length > size)
		return OF_ERR_OFPBRC_BAD_LEN;
	*gs = (struct of_group_stats){
		.group = be32toh(w->group),
		.ref_count = be32toh(w->ref_count),
		.n_packets = be64toh(w->n_packets),
		.n_bytes = be64toh(w->n_bytes),
		.duration_s = UINT32_MAX,
		.duration_ns = UINT32_MAX,
		.n_buckets = (length - head) / 16,
	};
	if (head == sizeof(*w)) {
		gs->duration_s = be32toh(w->duration_s);
		gs->duration_ns = be32toh(w->duration_ns);
	}
	*pos += length;
	return 0;
}

WIRE_STRUCT group_desc15 {
	__be16 length;
	uint8_t type, pad;
	__be32 group; /* the form of 1.1 ends here, and buckets follow */
	__be16 buckets_len;
	uint8_t pad2[6];
	/* buckets, properties */
};
WIRE_SIZE(struct group_desc15, 16);
#define GROUP_DESC11_SIZE 8

void
of_group_desc_append(struct of_multipart *mp, const struct of_codec *codec,
		     const struct of_group_desc *gd)
{
	struct wf_buf *out = mp->out;
	bool is_15 = of_group_form_is_15(mp->version);
	struct group_desc15 w = { .type = gd->type, .group = htobe32(gd->group) };

	of_multipart_item_begin(mp);
	size_t start = out->size;
	size_t head = is_15 ? sizeof(w) : GROUP_DESC11_SIZE;
	wf_buf_put(out, &w, head);
	of_buckets_encode(gd->buckets, gd->n_buckets, mp->version, gd->type, out);
	if (is_15) {
		set_u16((uint8_t *)wf_buf_at(out, start)
				+ offsetof(struct group_desc15, buckets_len),
			out->size - start - head);
		of_group_props_encode(&gd->props, mp->version, codec->tlv_map, out);
	}
	set_u16(wf_buf_at(out, start), out->size - start);
	of_multipart_item_end(mp);
}

of_err_t
of_group_desc_next(const struct of_codec *codec, const struct of_msg *msg, size_t *pos,
		   struct of_group_desc *gd)
{
	const struct group_desc15 *w = (const void *)(msg->body + *pos);
	size_t size = msg->body_size - *pos;
	bool is_15 = of_group_form_is_15(msg->version);
	size_t head = is_15 ? sizeof(*w) : GROUP_DESC11_SIZE;
	struct of_bucket *buckets;

	if (!size)
		return OF_EOF;
	if (size < head)
		return OF_ERR_OFPBRC_BAD_LEN;
	size_t length = be16toh(w->length);
	if (length < head || length > size)
		return OF_ERR_OFPBRC_BAD_LEN;
	size_t buckets_len = length - head;
	if (is_15) {
		if (be16toh(w->buckets_len) > buckets_len)
			return OF_ERR_OFPBRC_BAD_LEN;
		buckets_len = be16toh(w->buckets_len);
	}
	*gd = (struct of_group_desc){ .group = be32toh(w->group), .type = w->type };
	const uint8_t *p = (const uint8_t *)w + head;
	of_err_t error = of_buckets_decode(p, buckets_len, msg->version, gd->type, &buckets,
					   &gd->n_buckets);
	if (error)
		return error;
	if (is_15) {
		error = of_group_props_decode(p + buckets_len, length - head - buckets_len,
					      gd->type, OF_GC_ADD, codec->tlv_map, &gd->props);
		if (error) {
			of_buckets_free(buckets, gd->n_buckets);
			return error;
		}
	}
	gd->buckets = buckets;
	*pos += length;
	return 0;
}

void
of_group_features_encode(const struct of_msg *request, const struct of_group_features *f,
			 struct wf_buf *out)
{
	size_t start = of_msg_begin(out, of_msg_reply_form(request->form, request->version),
				    request->version, request->xid);

	put_u32(out, f->types);
	put_u32(out, f->capabilities);
	for (unsigned i = 0; i < OF_N_GROUP_TYPES; i++)
		put_u32(out, f->max_groups[i]);
	for (unsigned i = 0; i < OF_N_GROUP_TYPES; i++)
		put_u32(out, of_action_bits_to_wire(f->actions[i], request->version));
	of_msg_end(out, start);
}
