/* SPDX-License-Identifier: Apache-2.0 */
/* A state file that says anything.  Its sums are made right first, or nothing would come behind
 * them; an odd first byte leaves them as they are.  What is accepted must be the same after
 * compaction, and every record is read. */
#include <stdlib.h>
#include <string.h>

#include "base/rcu.h"
#include "openflow/msg_group.h"
#include "base/crc32c.h"
#include "switchd/state/image.h"
#include "switchd/state/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
set_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void
make_sums_right(uint8_t *file, size_t size)
{
	size_t ofs = STATE_HEAD_SIZE;

	if (size < STATE_HEAD_SIZE)
		return;
	set_u32(file + 44, wf_crc32c(0, file, 44));
	while (size - ofs >= STATE_FRAME_HEAD) {
		uint32_t n = state_get_u32(file + ofs);

		if (n > size - ofs - STATE_FRAME_HEAD)
			return;
		set_u32(file + ofs + 4,
			wf_crc32c(wf_crc32c(0, file + ofs, 4), file + ofs + 8,
				     n + STATE_FRAME_HEAD - 8));
		ofs += STATE_FRAME_HEAD + n;
	}
}

static int
append(void *b, const void *data, size_t size)
{
	wf_buf_put(b, data, size);
	return 0;
}

static bool
lives(const struct state_image *im, const struct state_item *i)
{
	return i->live && state_image_find(im, i->bridge, STATE_BRIDGE, 0) &&
	       (i->type != STATE_COUNTS || state_image_find(im, i->bridge, STATE_FLOW, i->id));
}

static void
compare(const struct state_image *a, const struct state_image *b)
{
	for (size_t k = 0; k < a->n_items; k++) {
		const struct state_item *i = &a->items[k], *j;
		struct state_frame f, g;

		if (!lives(a, i))
			continue;
		j = state_image_find(b, i->bridge, i->type, i->id);
		if (!j)
			abort();
		if (i->type == STATE_COUNTS) {
			if (memcmp(a->file + i->ofs, b->file + j->ofs, STATE_COUNTS_SIZE))
				abort();
			continue;
		}
		state_image_frame(a, i, &f);
		state_image_frame(b, j, &g);
		if (f.size != g.size || memcmp(f.data, g.data, f.size))
			abort();
	}
}

static void
read_all(const struct state_image *im)
{
	static struct wf_buf bands;
	struct of_tlv_map map;
	int64_t created;

	of_tlv_map_init(&map);
	for (size_t k = 0; k < im->n_items; k++) {
		const struct state_item *i = &im->items[k];
		struct state_flow flow;
		struct of_group_mod gm;
		struct of_meter_config mc;
		struct state_frame f;

		if (!i->live || i->type == STATE_COUNTS)
			continue;
		state_image_frame(im, i, &f);
		if (i->type == STATE_FLOW && state_flow_get(&f, &map, 0, &flow))
			rule_unref(flow.rule);
		else if (i->type == STATE_GROUP && state_group_get(&f, &map, 0, &gm, &created))
			of_group_mod_done(&gm);
		else if (i->type == STATE_METER)
			state_meter_get(&f, 0, &mc, &bands, &created);
		else if (i->type == STATE_TLV_MAP && !state_tlv_map_get(&f, &map))
			of_tlv_map_init(&map);
	}
	wf_rcu_drain();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool registered;
	struct wf_buf small = WF_BUF_INIT;
	struct state_image im, again;
	struct wf_err err;
	uint8_t *file;

	if (!registered)
		wf_rcu_register("fuzz");
	registered = true;
	if (!size)
		return 0;
	file = malloc(size);
	memcpy(file, data + 1, size - 1);
	if (!(data[0] & 1))
		make_sums_right(file, size - 1);
	if (!state_image_build(&im, file, size - 1, &err)) {
		state_head_put(&im.head, wf_buf_put_uninit(&small, STATE_HEAD_SIZE));
		if (state_image_write(&im, append, &small) ||
		    state_image_build(&again, small.data, small.size, &err) ||
		    again.size != small.size)
			abort();
		compare(&im, &again);
		compare(&again, &im);
		read_all(&im);
		state_image_done(&again);
		state_image_done(&im);
	}
	wf_buf_done(&small);
	free(file);
	return 0;
}
