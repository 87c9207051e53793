/* SPDX-License-Identifier: Apache-2.0 */
#include "switchd/state/format.h"

#include <errno.h>
#include <string.h>

#include "base/crc32c.h"

static const uint8_t magic[8] = { 'w', 'e', 'f', 't', 's', 't', 'a', 't' };

/* --- Numbers -------------------------------------------------------------------------------- */

static void
set_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void
set_u64(uint8_t *p, uint64_t v)
{
	set_u32(p, (uint32_t)v);
	set_u32(p + 4, (uint32_t)(v >> 32));
}

void
state_put_u16(struct wf_buf *b, uint16_t v)
{
	uint8_t *p = wf_buf_put_uninit(b, 2);

	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

void
state_put_u32(struct wf_buf *b, uint32_t v)
{
	set_u32(wf_buf_put_uninit(b, 4), v);
}

void
state_put_u64(struct wf_buf *b, uint64_t v)
{
	set_u64(wf_buf_put_uninit(b, 8), v);
}

uint16_t
state_get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t
state_get_u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t
state_get_u64(const uint8_t *p)
{
	return state_get_u32(p) | (uint64_t)state_get_u32(p + 4) << 32;
}

/* --- Head ----------------------------------------------------------------------------------- */

/*  0 magic, 8 version, 12 size of the head, 16 boot id, 32 zeros, 44 sum of 0 to 43,
 * 48 alive (ms; the highest bit: an orderly stop), 56 sum of 48 to 55, 60 zeros */
#define CLEAN (1ull << 63)

void
state_alive_put(uint64_t alive_ms, bool is_clean, uint8_t out[STATE_ALIVE_SIZE])
{
	set_u64(out, (alive_ms & ~CLEAN) | (is_clean ? CLEAN : 0));
	set_u32(out + 8, wf_crc32c(0, out, 8));
	set_u32(out + 12, 0);
}

void
state_head_put(const struct state_head *h, uint8_t out[STATE_HEAD_SIZE])
{
	memset(out, 0, STATE_HEAD_SIZE);
	memcpy(out, magic, sizeof(magic));
	set_u32(out + 8, STATE_VERSION);
	set_u32(out + 12, STATE_HEAD_SIZE);
	memcpy(out + 16, h->boot_id, 16);
	set_u32(out + 44, wf_crc32c(0, out, 44));
	state_alive_put(h->alive_ms, h->is_clean, out + STATE_ALIVE_OFS);
}

int
state_head_get(const uint8_t *file, size_t size, struct state_head *h, struct wf_err *err)
{
	uint32_t version;

	if (size < STATE_HEAD_SIZE)
		return wf_err(err, -ENODATA, "it is shorter than its head");
	if (memcmp(file, magic, sizeof(magic)))
		return wf_err(err, -EBADMSG, "it does not start as a state file does");
	version = state_get_u32(file + 8);
	if (state_get_u32(file + 44) != wf_crc32c(0, file, 44))
		return wf_err(err, -EBADMSG, "the checksum of its head is wrong");
	if (version != STATE_VERSION || state_get_u32(file + 12) != STATE_HEAD_SIZE)
		return wf_err(err, -EPROTO, "its format is version %u, this program reads %u",
			      version, STATE_VERSION);
	memcpy(h->boot_id, file + 16, 16);
	h->alive_ms = 0;
	h->is_clean = false;
	if (state_get_u32(file + 56) == wf_crc32c(0, file + STATE_ALIVE_OFS, 8)) {
		h->alive_ms = state_get_u64(file + STATE_ALIVE_OFS);
		h->is_clean = h->alive_ms & CLEAN;
		h->alive_ms &= ~CLEAN;
	}
	return 0;
}

/* --- Frames --------------------------------------------------------------------------------- */

/* 0 size of the payload, 4 sum of the rest and of the size, 8 type, 9 flags, 10 zeros, 12 bridge */

static uint32_t
frame_sum(const uint8_t *frame, size_t total)
{
	return wf_crc32c(wf_crc32c(0, frame, 4), frame + 8, total - 8);
}

size_t
state_frame_begin(struct wf_buf *out, enum state_type type, uint32_t bridge)
{
	size_t start = out->size;
	uint8_t *p = wf_buf_put_zeros(out, STATE_FRAME_HEAD);

	p[8] = (uint8_t)type;
	set_u32(p + 12, bridge);
	return start;
}

void
state_frame_end(struct wf_buf *out, size_t start, uint8_t flags)
{
	uint8_t *p = wf_buf_at(out, start);
	size_t total = out->size - start;

	set_u32(p, (uint32_t)(total - STATE_FRAME_HEAD));
	p[9] = flags;
	set_u32(p + 4, frame_sum(p, total));
}

/* Could a frame start here?  Cheap, and enough to tell a cut size from a wrong one. */
static bool
looks_like_frame(const uint8_t *p, size_t left)
{
	uint32_t size;

	if (left < STATE_FRAME_HEAD)
		return false;
	size = state_get_u32(p);
	return size <= STATE_FRAME_MAX && size <= left - STATE_FRAME_HEAD && p[8] &&
	       p[8] < STATE_N_TYPES && !(p[9] & ~STATE_MORE) && !p[10] && !p[11];
}

static bool
is_frame(const uint8_t *p, size_t left)
{
	return looks_like_frame(p, left) &&
	       state_get_u32(p + 4) == frame_sum(p, STATE_FRAME_HEAD + state_get_u32(p));
}

/* A file that was cut while it grew has no whole frame behind the cut. */
static bool
frame_follows(const uint8_t *file, size_t size, size_t ofs)
{
	while (++ofs < size)
		if (is_frame(file + ofs, size - ofs))
			return true;
	return false;
}

enum state_next
state_frame_next(const uint8_t *file, size_t size, size_t *ofs, struct state_frame *f)
{
	const uint8_t *p = file + *ofs;
	size_t left = size - *ofs, payload;

	if (!left)
		return STATE_NEXT_END;
	payload = left >= STATE_FRAME_HEAD ? state_get_u32(p) : 0;
	if (left < STATE_FRAME_HEAD || payload > left - STATE_FRAME_HEAD)
		return payload > STATE_FRAME_MAX || frame_follows(file, size, *ofs)
			       ? STATE_NEXT_DAMAGED : STATE_NEXT_TORN;
	if (!is_frame(p, left))
		return STATE_NEXT_DAMAGED;
	*f = (struct state_frame){
		.type = p[8], .flags = p[9], .bridge = state_get_u32(p + 12),
		.ofs = *ofs, .total = STATE_FRAME_HEAD + payload,
		.data = p + STATE_FRAME_HEAD, .size = payload,
	};
	*ofs += f->total;
	return STATE_NEXT_OK;
}

/* --- Payloads ------------------------------------------------------------------------------- */

/* A name of 1 to 255 bytes at the end of a payload. */
static bool
get_name(const struct state_frame *f, size_t ofs, char name[256])
{
	size_t len = f->size - ofs;

	if (f->size <= ofs || len > 255 || memchr(f->data + ofs, 0, len))
		return false;
	memcpy(name, f->data + ofs, len);
	name[len] = '\0';
	return true;
}

void
state_bridge_put(struct wf_buf *b, const struct state_bridge *br)
{
	wf_buf_put(b, br->uuid, 16);
	state_put_u64(b, br->datapath_id);
	state_put_u16(b, (uint16_t)(br->has_controllers | br->fail_mode << 8));
	wf_buf_put(b, br->name, strlen(br->name));
}

bool
state_bridge_get(const struct state_frame *f, struct state_bridge *br)
{
	if (!get_name(f, 26, br->name) || f->data[24] > 1)
		return false;
	memcpy(br->uuid, f->data, 16);
	br->datapath_id = state_get_u64(f->data + 16);
	br->has_controllers = f->data[24];
	br->fail_mode = f->data[25];
	return true;
}

void
state_counts_put(struct wf_buf *b, const struct state_counts *c)
{
	state_put_u64(b, c->flow);
	state_put_u64(b, c->packets);
	state_put_u64(b, c->bytes);
	state_put_u64(b, (uint64_t)c->used_ms);
}

void
state_counts_get(const uint8_t *p, struct state_counts *c)
{
	c->flow = state_get_u64(p);
	c->packets = state_get_u64(p + 8);
	c->bytes = state_get_u64(p + 16);
	c->used_ms = (int64_t)state_get_u64(p + 24);
}

void
state_ofport_put(struct wf_buf *b, const struct state_ofport *o)
{
	state_put_u32(b, o->ofport);
	wf_buf_put(b, o->name, strlen(o->name));
}

bool
state_ofport_get(const struct state_frame *f, struct state_ofport *o)
{
	if (!get_name(f, 4, o->name))
		return false;
	o->ofport = state_get_u32(f->data);
	return true;
}

void
state_mac_put(struct wf_buf *b, const struct state_mac *m)
{
	wf_buf_put(b, m->mac, 6);
	state_put_u16(b, m->vid);
	state_put_u32(b, m->port);
	state_put_u32(b, m->is_static);
	state_put_u64(b, (uint64_t)m->used_ms);
}

void
state_mac_get(const uint8_t *p, struct state_mac *m)
{
	memcpy(m->mac, p, 6);
	m->vid = state_get_u16(p + 6);
	m->port = state_get_u32(p + 8);
	m->is_static = state_get_u32(p + 12) & 1;
	m->used_ms = (int64_t)state_get_u64(p + 16);
}
