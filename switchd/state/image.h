/* SPDX-License-Identifier: Apache-2.0 */
/* What a state file says in the end: the last word on each thing that lives.
 *
 * Pure: bytes in, an index into them out.  Replay reads it; compaction writes it out again.
 * Threads: any; an image is its caller's.
 */
#ifndef WEFT_SWITCHD_STATE_IMAGE_H
#define WEFT_SWITCHD_STATE_IMAGE_H

#include "switchd/state/format.h"

/* One thing that lives: the frame that made it.  Of counts, the entry inside the frame. */
struct state_item {
	uint64_t id;      /* of its type in its bridge: flow, group, meter, hash of a port's name */
	size_t ofs;
	uint32_t bridge;
	uint8_t type;     /* enum state_type */
	bool live;
};

struct state_image {
	const uint8_t *file;
	size_t size;        /* to the end of the last whole transaction: the rest is cut off */
	struct state_head head;
	uint64_t last_flow; /* highest id of a flow */
	uint32_t last_bridge;
	size_t n_frames, n_counts;
	size_t n_items, room;
	struct state_item *items; /* in the order in which they came first */
	uint32_t *slots;    /* hash: index + 1 */
	size_t n_slots;
	/* Groups, meters: indexes of all that live, and of some that went one by one.  "All groups are gone" looks at
	 * these only: controllers say that often. */
	struct state_listed {
		uint32_t *items;
		size_t n, room;
	} listed[2];
};

/* 'file' must stay while the image does.  Returns 0 or as state_head_get(); -EBADMSG: damaged,
 * 'err' says where.  After an error there is nothing to be done with the image. */
int state_image_build(struct state_image *, const uint8_t *file, size_t size, struct wf_err *err);
/* The file has grown to 'size' bytes, and may lie elsewhere now: takes what was added.  Returns as
 * state_image_build(). */
int state_image_extend(struct state_image *, const uint8_t *file, size_t size, struct wf_err *err);
void state_image_done(struct state_image *);
/* The living item, or NULL. */
const struct state_item *state_image_find(const struct state_image *, uint32_t bridge,
					  enum state_type, uint64_t id);
/* The frame of an item (for counts: the one that holds the entry). */
void state_image_frame(const struct state_image *, const struct state_item *, struct state_frame *);
/* The living bridge of this name, 0: none; '*ret' says the rest of it. */
uint32_t state_image_bridge(const struct state_image *, const char *name, struct state_bridge *ret);
/* All that lives, without a head, as frames of one file: 'put' gets them in turn; returns what it
 * returns as soon as that is not 0. */
int state_image_write(const struct state_image *,
		      int (*put)(void *aux, const void *data, size_t size), void *aux);
/* How many bytes that would be. */
size_t state_image_live_size(const struct state_image *);
uint64_t state_name_id(const char *name);

#endif
