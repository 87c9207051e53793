/* SPDX-License-Identifier: Apache-2.0 */
/* The state file as bytes: sums, frames, what is torn and what is damaged, what lives in the end,
 * and that compaction changes nothing of that. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/crc32c.h"
#include "switchd/state/image.h"
#include "switchd/state/log.h"

/* RFC 3720 appendix B.4. */
static void
crc32c_gives_the_values_of_the_rfc(void **state)
{
	uint8_t data[32];

	memset(data, 0, sizeof(data));
	assert_int_equal(wf_crc32c(0, data, 32), 0x8a9136aa);
	assert_int_equal(wf_crc32c_by_table(0, data, 32), 0x8a9136aa);
	memset(data, 0xff, sizeof(data));
	assert_int_equal(wf_crc32c(0, data, 32), 0x62a8ab43);
	assert_int_equal(wf_crc32c_by_table(0, data, 32), 0x62a8ab43);
	for (int i = 0; i < 32; i++)
		data[i] = (uint8_t)i;
	assert_int_equal(wf_crc32c(0, data, 32), 0x46dd794e);
	assert_int_equal(wf_crc32c(wf_crc32c(0, data, 13), data + 13, 19), 0x46dd794e);
	assert_int_equal(wf_crc32c_by_table(0, data, 32), 0x46dd794e);
}

/* --- Files in memory --- */

static void
put_head(struct wf_buf *b)
{
	const struct state_head h = { .boot_id = { 1, 2, 3 }, .alive_ms = 77, .is_clean = true };

	state_head_put(&h, wf_buf_put_uninit(b, STATE_HEAD_SIZE));
}

static void
put_bridge(struct wf_buf *b, uint32_t id, const char *name)
{
	struct state_bridge br = { .uuid = { (uint8_t)id }, .has_controllers = true };
	size_t at = state_frame_begin(b, STATE_BRIDGE, id);

	snprintf(br.name, sizeof(br.name), "%s", name);
	state_bridge_put(b, &br);
	state_frame_end(b, at, 0);
}

static void
put_id(struct wf_buf *b, enum state_type type, uint32_t bridge, uint64_t id, uint8_t flags)
{
	size_t at = state_frame_begin(b, type, bridge);

	if (type == STATE_FLOW || type == STATE_FLOWS_GONE)
		state_put_u64(b, id);
	else
		state_put_u32(b, (uint32_t)id);
	if (type == STATE_FLOW)
		wf_buf_put_zeros(b, id % 50);
	state_frame_end(b, at, flags);
}

static void
put_counts(struct wf_buf *b, uint32_t bridge, uint64_t id, uint64_t packets)
{
	const struct state_counts c = { id, packets, packets * 60, 5 };
	size_t at = state_frame_begin(b, STATE_COUNTS, bridge);

	state_counts_put(b, &c);
	state_frame_end(b, at, 0);
}

static size_t
n_live(const struct state_image *im, enum state_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < im->n_items; i++)
		n += im->items[i].live && im->items[i].type == type;
	return n;
}

static void
head_and_frames_come_back(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	struct state_bridge br;
	struct state_image im;
	struct wf_err err;

	put_head(&b);
	put_bridge(&b, 3, "br0");
	put_id(&b, STATE_FLOW, 3, 10, STATE_MORE);
	put_id(&b, STATE_FLOW, 3, 11, 0);
	put_id(&b, STATE_FLOWS_GONE, 3, 10, 0);
	put_id(&b, STATE_GROUP, 3, 5, 0);
	put_id(&b, STATE_METER, 3, 6, 0);
	put_id(&b, STATE_GROUP_GONE, 3, STATE_ALL_GROUPS, 0);
	assert_int_equal(state_image_build(&im, b.data, b.size, &err), 0);
	assert_int_equal(im.head.alive_ms, 77);
	assert_true(im.head.is_clean);
	assert_int_equal(im.head.boot_id[2], 3);
	assert_int_equal(state_image_bridge(&im, "br0", &br), 3);
	assert_true(br.has_controllers);
	assert_int_equal(state_image_bridge(&im, "br1", &br), 0);
	assert_null(state_image_find(&im, 3, STATE_FLOW, 10));
	assert_non_null(state_image_find(&im, 3, STATE_FLOW, 11));
	assert_null(state_image_find(&im, 3, STATE_GROUP, 5));
	assert_non_null(state_image_find(&im, 3, STATE_METER, 6));
	assert_int_equal(im.last_flow, 11);
	assert_int_equal(im.size, b.size);
	state_image_done(&im);
	wf_buf_done(&b);
}

/* Each length of a file that grew: what is whole counts, and a transaction counts whole. */
static void
a_cut_file_is_torn_not_damaged(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	size_t start, whole[3];

	put_head(&b);
	put_bridge(&b, 1, "br0");
	start = b.size;
	put_id(&b, STATE_FLOW, 1, 1, 0);
	whole[0] = b.size;
	put_id(&b, STATE_FLOW, 1, 2, STATE_MORE);
	put_id(&b, STATE_FLOW, 1, 3, 0);
	whole[1] = b.size;
	put_id(&b, STATE_FLOW, 1, 44, 0);
	whole[2] = b.size;
	for (size_t size = start; size <= b.size; size++) {
		size_t want = size == whole[2] ? 4 : size >= whole[1] ? 3 : size >= whole[0];
		uint8_t *copy = wf_xmemdup(b.data, size);
		struct state_image im;
		struct wf_err err;

		assert_int_equal(state_image_build(&im, copy, size, &err), 0);
		assert_int_equal(n_live(&im, STATE_FLOW), want);
		assert_true(im.size <= size);
		state_image_done(&im);
		free(copy);
	}
	wf_buf_done(&b);
}

/* Every bit but those of the time stamp: the file is refused, or, in the last frame's size, taken
 * for torn there. */
static void
each_flipped_bit_is_noticed(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	size_t last;

	put_head(&b);
	put_bridge(&b, 1, "br0");
	put_id(&b, STATE_FLOW, 1, 1, 0);
	last = b.size;
	put_id(&b, STATE_FLOW, 1, 2, 0);
	for (size_t bit = 0; bit < b.size * 8; bit++) {
		struct state_image im;
		struct wf_err err;
		int rc;

		if (bit / 8 >= STATE_ALIVE_OFS && bit / 8 < STATE_HEAD_SIZE)
			continue;
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rc = state_image_build(&im, b.data, b.size, &err);
		if (!rc) {
			assert_true(bit / 8 >= last && bit / 8 < last + 4);
			assert_int_equal(im.size, last);
			state_image_done(&im);
		} else {
			assert_int_equal(rc, -EBADMSG);
			assert_true(err.text[0]);
		}
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* The stamp is written over while the daemon runs; a bad one does not cost the rest. */
	b.data[STATE_ALIVE_OFS] ^= 1;
	struct state_image im;
	assert_int_equal(state_image_build(&im, b.data, b.size, NULL), 0);
	assert_int_equal(im.head.alive_ms, 0);
	state_image_done(&im);
	wf_buf_done(&b);
}

static void
other_versions_and_other_files_are_told_apart(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	struct state_head h;
	struct wf_err err;
	uint32_t sum;

	put_head(&b);
	assert_int_equal(state_head_get(b.data, 10, &h, &err), -ENODATA);
	b.data[8] = STATE_VERSION + 1;
	assert_int_equal(state_head_get(b.data, b.size, &h, &err), -EBADMSG);
	sum = wf_crc32c(0, b.data, 44);
	memcpy(b.data + 44, &sum, 4);
	assert_int_equal(state_head_get(b.data, b.size, &h, &err), -EPROTO);
	assert_non_null(strstr(err.text, "version"));
	b.data[0] = 'x';
	assert_int_equal(state_head_get(b.data, b.size, &h, &err), -EBADMSG);
	wf_buf_done(&b);
}

/* --- Against a model --- */

#define MODEL_BRIDGES 3
#define MODEL_IDS 60
struct model {
	bool bridge[MODEL_BRIDGES], flow[MODEL_BRIDGES][MODEL_IDS], group[MODEL_BRIDGES][MODEL_IDS];
	uint64_t packets[MODEL_BRIDGES][MODEL_IDS];
};

static uint32_t
draw(uint32_t n)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 32) % n;
}

static void
step(struct wf_buf *b, struct model *m)
{
	uint32_t br = draw(MODEL_BRIDGES), id = draw(MODEL_IDS);

	if (!m->bridge[br]) {
		char name[8];

		snprintf(name, sizeof(name), "br%u", br);
		put_bridge(b, br + 1, name);
		m->bridge[br] = true;
		return;
	}
	switch (draw(20)) {
	case 0:
		put_id(b, STATE_GROUP_GONE, br + 1, STATE_ALL_GROUPS, 0);
		memset(m->group[br], 0, sizeof(m->group[br]));
		break;
	case 1:
		put_counts(b, br + 1, id, id * 7 + 1);
		m->packets[br][id] = m->flow[br][id] ? id * 7 + 1 : 0;
		break;
	case 2 ... 5:
		put_id(b, m->group[br][id] ? STATE_GROUP_GONE : STATE_GROUP, br + 1, id, 0);
		m->group[br][id] ^= true;
		break;
	default:
		put_id(b, m->flow[br][id] ? STATE_FLOWS_GONE : STATE_FLOW, br + 1, id, 0);
		m->flow[br][id] ^= true;
		m->packets[br][id] = 0; /* they go with the flow; ids are not used again */
	}
}

static void
compare(const void *file, size_t size, const struct model *m)
{
	struct state_image im;
	struct wf_err err;

	assert_int_equal(state_image_build(&im, file, size, &err), 0);
	for (uint32_t br = 0; br < MODEL_BRIDGES; br++) {
		assert_int_equal(m->bridge[br],
				 state_image_find(&im, br + 1, STATE_BRIDGE, 0) != NULL);
		for (uint32_t id = 0; id < MODEL_IDS; id++) {
			const struct state_item *i, *n;

			i = state_image_find(&im, br + 1, STATE_FLOW, id);
			n = state_image_find(&im, br + 1, STATE_COUNTS, id);

			assert_int_equal(m->flow[br][id], i != NULL);
			assert_int_equal(m->group[br][id],
					 state_image_find(&im, br + 1, STATE_GROUP, id) != NULL);
			if (i && m->packets[br][id]) {
				struct state_counts c;

				assert_non_null(n);
				state_counts_get(im.file + n->ofs, &c);
				assert_int_equal(c.flow, id);
				assert_int_equal(c.packets, m->packets[br][id]);
			}
		}
	}
	state_image_done(&im);
}

/* A file that grows while it is read, at any place, says what it says when it is read at once. */
static void
reading_on_is_as_reading_all(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	struct model m = { 0 };
	struct state_image im, all;
	struct wf_err err;

	put_head(&b);
	assert_int_equal(state_image_build(&im, b.data, b.size, &err), 0);
	for (int i = 0; i < 5000; i++) {
		size_t cut;

		step(&b, &m);
		if (draw(10))
			continue;
		/* Inside a frame as a rule: that frame is for the next time. */
		cut = im.size + draw((uint32_t)(b.size - im.size) + 1);
		assert_int_equal(state_image_extend(&im, b.data, cut, &err), 0);
		assert_true(im.size <= cut);
		if (draw(10))
			continue;
		assert_int_equal(state_image_extend(&im, b.data, b.size, &err), 0);
		assert_int_equal(state_image_build(&all, b.data, b.size, &err), 0);
		assert_int_equal(im.size, all.size);
		assert_int_equal(im.last_flow, all.last_flow);
		for (size_t k = 0; k < all.n_items; k++) {
			const struct state_item *x = &all.items[k];
			const struct state_item *y = state_image_find(&im, x->bridge, x->type, x->id);

			assert_int_equal(x->live, y != NULL);
			if (y)
				assert_int_equal(x->ofs, y->ofs);
		}
		state_image_done(&all);
	}
	compare(b.data, b.size, &m);
	state_image_done(&im);
	wf_buf_done(&b);
}

static int
append(void *b, const void *data, size_t size)
{
	wf_buf_put(b, data, size);
	return 0;
}

/* A compacted file says the same, goes on being written, and is as small as it was said to be. */
static void
compaction_keeps_what_lives(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	struct model m = { 0 };

	put_head(&b);
	for (int i = 0; i < 20000; i++) {
		struct wf_buf next = WF_BUF_INIT;
		struct state_image im;
		struct wf_err err;

		step(&b, &m);
		if (draw(500))
			continue;
		compare(b.data, b.size, &m);
		assert_int_equal(state_image_build(&im, b.data, b.size, &err), 0);
		put_head(&next);
		assert_int_equal(state_image_write(&im, append, &next), 0);
		/* The frames in which counts are gathered are all that the estimate leaves out. */
		assert_true(next.size <= state_image_live_size(&im) +
						 n_live(&im, STATE_COUNTS) * STATE_FRAME_HEAD);
		assert_true(next.size >= state_image_live_size(&im));
		state_image_done(&im);
		wf_buf_done(&b);
		b = next;
		compare(b.data, b.size, &m);
	}
	wf_buf_done(&b);
}

/* --- The open file --- */

static size_t
read_file(const char *path, uint8_t **data)
{
	FILE *f = fopen(path, "r");
	struct stat st;
	size_t n;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	*data = wf_xmalloc((size_t)st.st_size + 1);
	n = fread(*data, 1, (size_t)st.st_size, f);
	fclose(f);
	return n;
}

static void
log_put(struct state_log *l, enum state_type type, uint64_t id)
{
	struct wf_buf *b = state_log_begin(l, type, 1);

	state_put_u64(b, id);
	if (type == STATE_FLOW)
		wf_buf_put_zeros(b, 1000);
	state_log_end(l);
}

static void
check_flows(const char *path, unsigned n, uint64_t last)
{
	struct state_image im;
	struct wf_err err;
	uint8_t *data;
	size_t size = read_file(path, &data);

	assert_int_equal(state_image_build(&im, data, size, &err), 0);
	assert_int_equal(im.size, size);
	assert_int_equal(n_live(&im, STATE_FLOW), n);
	assert_non_null(state_image_find(&im, 1, STATE_FLOW, last));
	state_image_done(&im);
	free(data);
}

/* While the thread compacts, flows go on coming and going. */
static void
a_log_is_compacted_while_it_is_written(void **state)
{
	char dir[] = "/tmp/weft-state.XXXXXX";
	const struct state_head head = { .boot_id = { 9 } };
	struct state_log_stats s;
	struct state_log *l, *other;
	struct wf_err err;
	uint64_t id = 0;
	char *path;

	assert_non_null(mkdtemp(dir));
	path = wf_xasprintf("%s/state", dir);
	wf_loop_init();
	assert_int_equal(state_log_create(&l, path, &head, &err), 0);
	state_log_close(l);
	/* Over whatever is there. */
	assert_int_equal(state_log_create(&l, path, &head, &err), 0);
	struct state_bridge br = { .name = "br0" };
	state_bridge_put(state_log_begin(l, STATE_BRIDGE, 1), &br);
	state_log_end(l);
	do {
		/* Ten live at a time; each comes and goes in a transaction. */
		state_log_txn_begin(l);
		log_put(l, STATE_FLOW, ++id);
		if (id > 10) {
			log_put(l, STATE_FLOWS_GONE, id - 10);
			state_log_garbage(l, 1040);
		}
		state_log_txn_end(l);
		assert_int_equal(state_log_write(l), 0);
		state_log_alive(l, id, false);
		state_log_run(l, false);
		state_log_stats(l, &s);
		/* The thread gets little time on a busy machine. */
		if (s.compacting)
			usleep(100);
	} while (s.n_compactions < 3 && id < 1000000);
	assert_int_equal(s.n_compactions, 3);
	assert_true(s.size < id * 1000 / 2);
	check_flows(path, 10, id);
	state_log_close(l);
	check_flows(path, 10, id);

	/* Goes on behind what is whole. */
	uint8_t *data;
	size_t size = read_file(path, &data);
	free(data);
	assert_int_equal(truncate(path, (off_t)size + 7), 0);
	assert_int_equal(state_log_continue(&l, path, size, 0, &err), 0);
	assert_int_equal(state_log_continue(&other, path, size, 0, &err), -EWOULDBLOCK);
	assert_non_null(strstr(err.text, "another process"));
	log_put(l, STATE_FLOW, id + 1);
	state_log_close(l);
	check_flows(path, 11, id + 1);
	unlink(path);
	rmdir(dir);
	free(path);
}

/* Groups that are changed again and again: nobody says how much of the file that makes outdated. */
static void
a_log_does_not_grow_by_what_is_replaced(void **state)
{
	char dir[] = "/tmp/weft-state.XXXXXX";
	const struct state_head head = { .boot_id = { 9 } };
	struct state_log_stats s = { .size = 0 };
	struct state_bridge br = { .name = "br0" };
	struct state_log *l;
	struct wf_err err;
	size_t written = 0;
	char *path;

	assert_non_null(mkdtemp(dir));
	path = wf_xasprintf("%s/state", dir);
	wf_loop_init();
	assert_int_equal(state_log_create(&l, path, &head, &err), 0);
	state_bridge_put(state_log_begin(l, STATE_BRIDGE, 1), &br);
	state_log_end(l);
	for (unsigned n = 0; written < 64u << 20 && (s.n_compactions < 3 || s.compacting); n++) {
		struct wf_buf *b = state_log_begin(l, STATE_GROUP, 1);

		state_put_u32(b, n % 7);
		wf_buf_put_zeros(b, 4000);
		state_log_end(l);
		written += 4020;
		assert_int_equal(state_log_write(l), 0);
		state_log_run(l, false);
		state_log_stats(l, &s);
		while (s.compacting && written > 40u << 20) {
			usleep(100);
			state_log_run(l, false);
			state_log_stats(l, &s);
		}
	}
	assert_true(s.n_compactions >= 1);
	state_log_close(l);
	unlink(path);
	rmdir(dir);
	free(path);
}

/* As a controller that begins each of its rounds with "no groups": cheap however many flows there are.  (Were each flow
 * looked at each time, this would take minutes.) */
static void
all_groups_go_many_times(void **state)
{
	enum { FLOWS = 60000, ROUNDS = 400000 };
	const struct state_head head = { .boot_id = { 9 } };
	struct wf_buf b = WF_BUF_INIT;
	uint8_t bytes[STATE_HEAD_SIZE];
	struct state_image im;
	struct wf_err err;
	size_t at;

	state_head_put(&head, bytes);
	wf_buf_put(&b, bytes, sizeof(bytes));
	for (uint32_t bridge = 1; bridge <= 2; bridge++) {
		struct state_bridge br = { .name = "br" };

		br.name[2] = (char)('0' + bridge);
		at = state_frame_begin(&b, STATE_BRIDGE, bridge);
		state_bridge_put(&b, &br);
		state_frame_end(&b, at, 0);
	}
	for (uint64_t id = 1; id <= FLOWS; id++) {
		at = state_frame_begin(&b, STATE_FLOW, 1);
		state_put_u64(&b, id);
		state_frame_end(&b, at, 0);
	}
	at = state_frame_begin(&b, STATE_GROUP, 2);
	state_put_u32(&b, 5);
	state_frame_end(&b, at, 0);
	for (unsigned n = 0; n < ROUNDS; n++) {
		at = state_frame_begin(&b, STATE_GROUP_GONE, 1);
		state_put_u32(&b, STATE_ALL_GROUPS);
		state_frame_end(&b, at, 0);
		at = state_frame_begin(&b, STATE_GROUP, 1);
		state_put_u32(&b, n % 3);
		state_frame_end(&b, at, 0);
	}
	assert_int_equal(state_image_build(&im, b.data, b.size, &err), 0);
	assert_int_equal(n_live(&im, STATE_FLOW), FLOWS);
	assert_int_equal(n_live(&im, STATE_GROUP), 2);
	assert_non_null(state_image_find(&im, 1, STATE_GROUP, (ROUNDS - 1) % 3));
	assert_non_null(state_image_find(&im, 2, STATE_GROUP, 5));
	state_image_done(&im);
	wf_buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_gives_the_values_of_the_rfc),
		cmocka_unit_test(head_and_frames_come_back),
		cmocka_unit_test(a_cut_file_is_torn_not_damaged),
		cmocka_unit_test(each_flipped_bit_is_noticed),
		cmocka_unit_test(other_versions_and_other_files_are_told_apart),
		cmocka_unit_test(compaction_keeps_what_lives),
		cmocka_unit_test(reading_on_is_as_reading_all),
		cmocka_unit_test(a_log_is_compacted_while_it_is_written),
		cmocka_unit_test(a_log_does_not_grow_by_what_is_replaced),
		cmocka_unit_test(all_groups_go_many_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
