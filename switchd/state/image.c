/* SPDX-License-Identifier: Apache-2.0 */
#include "switchd/state/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- Items ---------------------------------------------------------------------------------- */

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

/* Ids that follow each other lie side by side: a file of a hundred thousand flows is read in the
 * order of their ids. */
static size_t
slot_of(const struct state_image *im, uint32_t bridge, uint8_t type, uint64_t id)
{
	uint64_t block = mix(id >> 6 ^ (uint64_t)bridge << 40 ^ (uint64_t)type << 56);

	return (block << 6 | (id & 63)) & (im->n_slots - 1);
}

static struct state_item *
find(const struct state_image *im, uint32_t bridge, uint8_t type, uint64_t id, size_t *ret_slot)
{
	size_t s = slot_of(im, bridge, type, id);

	for (; im->slots[s]; s = (s + 1) & (im->n_slots - 1)) {
		struct state_item *i = &im->items[im->slots[s] - 1];

		if (i->id == id && i->bridge == bridge && i->type == type)
			return i;
	}
	*ret_slot = s;
	return NULL;
}

static void
grow(struct state_image *im)
{
	size_t slot;

	if (!im->room)
		for (im->room = 256; im->room < im->n_frames; im->room *= 2)
			;
	else
		im->room *= 2;
	im->items = wf_xrealloc(im->items, im->room * sizeof(*im->items));
	free(im->slots);
	im->n_slots = im->room * 2;
	im->slots = wf_xzalloc(im->n_slots * sizeof(*im->slots));
	for (size_t i = 0; i < im->n_items; i++) {
		struct state_item *it = &im->items[i];

		find(im, it->bridge, it->type, it->id, &slot);
		im->slots[slot] = (uint32_t)i + 1;
	}
}

static struct state_listed *
list_of(struct state_image *im, uint8_t type)
{
	return type == STATE_GROUP ? &im->listed[0] : type == STATE_METER ? &im->listed[1] : NULL;
}

static void
put(struct state_image *im, uint32_t bridge, uint8_t type, uint64_t id, size_t ofs)
{
	struct state_listed *l = list_of(im, type);
	struct state_item *i;
	bool lived;
	size_t slot;

	if (im->n_items == im->room)
		grow(im);
	i = find(im, bridge, type, id, &slot);
	lived = i && i->live;
	if (!i) {
		i = &im->items[im->n_items++];
		im->slots[slot] = (uint32_t)im->n_items;
	}
	if (l && !lived) {
		if (l->n == l->room) {
			l->room = l->room ? l->room * 2 : 64;
			l->items = wf_xrealloc(l->items, l->room * sizeof(*l->items));
		}
		l->items[l->n++] = (uint32_t)(i - im->items);
	}
	*i = (struct state_item){ id, ofs, bridge, type, true };
}

static void
del(struct state_image *im, uint32_t bridge, uint8_t type, uint64_t id)
{
	struct state_item *i;
	size_t slot;

	i = im->n_slots ? find(im, bridge, type, id, &slot) : NULL;
	if (i)
		i->live = false;
}

static void
del_all(struct state_image *im, uint32_t bridge, uint8_t type)
{
	struct state_listed *l = list_of(im, type);
	size_t n = l->n;

	l->n = 0;
	for (size_t k = 0; k < n; k++) {
		struct state_item *i = &im->items[l->items[k]];

		if (i->bridge == bridge)
			i->live = false;
		else if (i->live)
			l->items[l->n++] = l->items[k];
	}
}

const struct state_item *
state_image_find(const struct state_image *im, uint32_t bridge, enum state_type type, uint64_t id)
{
	const struct state_item *i;
	size_t slot;

	i = im->n_slots ? find(im, bridge, (uint8_t)type, id, &slot) : NULL;
	return i && i->live ? i : NULL;
}

uint64_t
state_name_id(const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a */

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3ull;
	return h;
}

/* --- Frames --------------------------------------------------------------------------------- */

static bool
take_ids(struct state_image *im, const struct state_frame *f)
{
	if (f->size % 8)
		return false;
	for (size_t o = 0; o < f->size; o += 8)
		del(im, f->bridge, STATE_FLOW, state_get_u64(f->data + o));
	return true;
}

static bool
take_counts(struct state_image *im, const struct state_frame *f)
{
	if (f->size % STATE_COUNTS_SIZE)
		return false;
	im->n_counts += f->size / STATE_COUNTS_SIZE;
	for (size_t o = 0; o < f->size; o += STATE_COUNTS_SIZE)
		put(im, f->bridge, STATE_COUNTS, state_get_u64(f->data + o),
		    f->ofs + STATE_FRAME_HEAD + o);
	return true;
}

static bool
take_macs(struct state_image *im, const struct state_frame *f)
{
	unsigned part, n;

	if (f->size < STATE_MACS_HEAD || (f->size - STATE_MACS_HEAD) % STATE_MAC_SIZE)
		return false;
	part = state_get_u16(f->data);
	n = state_get_u16(f->data + 2);
	if (part >= n)
		return false;
	put(im, f->bridge, STATE_MACS, part, f->ofs);
	/* Parts of a table that was larger. */
	while (state_image_find(im, f->bridge, STATE_MACS, n))
		del(im, f->bridge, STATE_MACS, n++);
	return true;
}

static bool
take_bridge(struct state_image *im, const struct state_frame *f)
{
	struct state_bridge b;

	if (!f->bridge || !state_bridge_get(f, &b))
		return false;
	if (f->bridge > im->last_bridge)
		im->last_bridge = f->bridge;
	put(im, f->bridge, STATE_BRIDGE, 0, f->ofs);
	return true;
}

static bool
take_ofport(struct state_image *im, const struct state_frame *f)
{
	struct state_ofport o;

	if (!state_ofport_get(f, &o))
		return false;
	if (o.ofport)
		put(im, f->bridge, STATE_OFPORT, state_name_id(o.name), f->ofs);
	else
		del(im, f->bridge, STATE_OFPORT, state_name_id(o.name));
	return true;
}

static bool
take(struct state_image *im, const struct state_frame *f)
{
	uint64_t id;

	switch ((enum state_type)f->type) {
	case STATE_BRIDGE:
		return take_bridge(im, f);
	case STATE_BRIDGE_GONE:
		del(im, f->bridge, STATE_BRIDGE, 0);
		return true;
	case STATE_FLOW:
		if (f->size < 8)
			return false;
		id = state_get_u64(f->data);
		if (id > im->last_flow)
			im->last_flow = id;
		put(im, f->bridge, STATE_FLOW, id, f->ofs);
		return true;
	case STATE_FLOWS_GONE:
		return take_ids(im, f);
	case STATE_COUNTS:
		return take_counts(im, f);
	case STATE_GROUP:
	case STATE_METER:
		if (f->size < 4)
			return false;
		put(im, f->bridge, f->type, state_get_u32(f->data), f->ofs);
		return true;
	case STATE_GROUP_GONE:
	case STATE_METER_GONE:
		if (f->size != 4)
			return false;
		id = state_get_u32(f->data);
		if (id == (f->type == STATE_GROUP_GONE ? STATE_ALL_GROUPS : STATE_ALL_METERS))
			del_all(im, f->bridge, f->type - 1);
		else
			del(im, f->bridge, f->type - 1, id);
		return true;
	case STATE_TLV_MAP:
		put(im, f->bridge, STATE_TLV_MAP, 0, f->ofs);
		return true;
	case STATE_OFPORT:
		return take_ofport(im, f);
	case STATE_MACS:
		return take_macs(im, f);
	case STATE_N_TYPES:
		break;
	}
	return false;
}

/* Finds the end of the last whole transaction behind 'ofs'. */
static int
measure(struct state_image *im, size_t ofs, size_t size, struct wf_err *err)
{
	struct state_frame f;

	im->size = ofs;
	for (;;) {
		size_t at = ofs;

		switch (state_frame_next(im->file, size, &ofs, &f)) {
		case STATE_NEXT_OK:
			im->n_frames++;
			if (!(f.flags & STATE_MORE))
				im->size = ofs;
			break;
		case STATE_NEXT_END:
		case STATE_NEXT_TORN:
			return 0;
		case STATE_NEXT_DAMAGED:
			return wf_err(err, -EBADMSG, "the checksum of the record at byte %zu of "
				      "%zu is wrong", at, size);
		}
	}
}

/* Takes what is between 'ofs' and 'size'. */
static int
take_from(struct state_image *im, const uint8_t *file, size_t ofs, size_t size, struct wf_err *err)
{
	struct state_frame f;
	int rc;

	im->file = file;
	rc = measure(im, ofs, size, err);
	while (!rc && ofs < im->size) {
		/* Checked by measure(). */
		f = (struct state_frame){
			.ofs = ofs, .type = file[ofs + 8], .flags = file[ofs + 9],
			.bridge = state_get_u32(file + ofs + 12),
			.data = file + ofs + STATE_FRAME_HEAD, .size = state_get_u32(file + ofs),
		};
		ofs += STATE_FRAME_HEAD + f.size;
		if (!take(im, &f))
			rc = wf_err(err, -EBADMSG, "the record at byte %zu, of type %u, makes no "
				    "sense", f.ofs, f.type);
	}
	if (rc)
		state_image_done(im);
	return rc;
}

int
state_image_build(struct state_image *im, const uint8_t *file, size_t size, struct wf_err *err)
{
	int rc;

	*im = (struct state_image){ .file = file };
	rc = state_head_get(file, size, &im->head, err);
	return rc ? rc : take_from(im, file, STATE_HEAD_SIZE, size, err);
}

int
state_image_extend(struct state_image *im, const uint8_t *file, size_t size, struct wf_err *err)
{
	return take_from(im, file, im->size, size, err);
}

void
state_image_done(struct state_image *im)
{
	free(im->items);
	free(im->slots);
	free(im->listed[0].items);
	free(im->listed[1].items);
	*im = (struct state_image){ .file = NULL };
}

void
state_image_frame(const struct state_image *im, const struct state_item *i, struct state_frame *f)
{
	const uint8_t *p = im->file + i->ofs;

	*f = (struct state_frame){
		.type = p[8], .flags = p[9], .bridge = state_get_u32(p + 12), .ofs = i->ofs,
		.data = p + STATE_FRAME_HEAD, .size = state_get_u32(p),
	};
	f->total = f->size + STATE_FRAME_HEAD;
}

uint32_t
state_image_bridge(const struct state_image *im, const char *name, struct state_bridge *ret)
{
	struct state_frame f;

	for (size_t k = 0; k < im->n_items; k++) {
		const struct state_item *i = &im->items[k];

		if (i->type != STATE_BRIDGE || !i->live)
			continue;
		state_image_frame(im, i, &f);
		if (state_bridge_get(&f, ret) && !strcmp(ret->name, name))
			return i->bridge;
	}
	return 0;
}

/* --- Writing out ---------------------------------------------------------------------------- */

static bool
bridge_lives(const struct state_image *im, uint32_t bridge)
{
	return state_image_find(im, bridge, STATE_BRIDGE, 0) != NULL;
}

/* Bridges come first, so that whoever reads in order knows them. */
static bool
is_wanted(const struct state_image *im, const struct state_item *i, bool bridges)
{
	return i->live && i->type != STATE_COUNTS && (i->type == STATE_BRIDGE) == bridges &&
	       bridge_lives(im, i->bridge);
}

static bool
counts_wanted(const struct state_image *im, const struct state_item *i)
{
	return i->live && i->type == STATE_COUNTS && bridge_lives(im, i->bridge) &&
	       state_image_find(im, i->bridge, STATE_FLOW, i->id);
}

size_t
state_image_live_size(const struct state_image *im)
{
	size_t size = STATE_HEAD_SIZE;

	for (size_t k = 0; k < im->n_items; k++) {
		const struct state_item *i = &im->items[k];

		if (counts_wanted(im, i))
			size += STATE_COUNTS_SIZE;
		else if (is_wanted(im, i, false) || is_wanted(im, i, true))
			size += STATE_FRAME_HEAD + state_get_u32(im->file + i->ofs);
	}
	return size;
}

struct out {
	int (*put)(void *aux, const void *, size_t);
	void *aux;
	struct wf_buf buf;
	int rc;
};

static void
out_flush(struct out *o)
{
	if (!o->rc && o->buf.size)
		o->rc = o->put(o->aux, o->buf.data, o->buf.size);
	wf_buf_clear(&o->buf);
}

static void
write_counts(const struct state_image *im, struct out *o)
{
	size_t start = 0;
	uint32_t bridge = 0;

	for (size_t k = 0; k < im->n_items; k++) {
		const struct state_item *i = &im->items[k];

		if (!counts_wanted(im, i))
			continue;
		if (bridge && (bridge != i->bridge || o->buf.size - start > 256 * 1024)) {
			state_frame_end(&o->buf, start, 0);
			out_flush(o);
			bridge = 0;
		}
		if (!bridge) {
			start = state_frame_begin(&o->buf, STATE_COUNTS, i->bridge);
			bridge = i->bridge;
		}
		wf_buf_put(&o->buf, im->file + i->ofs, STATE_COUNTS_SIZE);
	}
	if (bridge)
		state_frame_end(&o->buf, start, 0);
	out_flush(o);
}

int
state_image_write(const struct state_image *im,
		  int (*put_fn)(void *aux, const void *data, size_t size), void *aux)
{
	struct out o = { put_fn, aux };

	for (int bridges = 1; bridges >= 0; bridges--)
		for (size_t k = 0; k < im->n_items && !o.rc; k++) {
			const struct state_item *i = &im->items[k];
			size_t start = o.buf.size;

			if (!is_wanted(im, i, bridges))
				continue;
			wf_buf_put(&o.buf, im->file + i->ofs,
				   STATE_FRAME_HEAD + state_get_u32(im->file + i->ofs));
			/* What is written is no longer part of a transaction. */
			if (((uint8_t *)wf_buf_at(&o.buf, start))[9])
				state_frame_end(&o.buf, start, 0);
			if (o.buf.size > 256 * 1024)
				out_flush(&o);
		}
	out_flush(&o);
	write_counts(im, &o);
	wf_buf_done(&o.buf);
	return o.rc;
}
