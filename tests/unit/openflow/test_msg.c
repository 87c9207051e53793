/* SPDX-License-Identifier: Apache-2.0 */
/* Headers, framing, multipart, version negotiation, port numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "openflow/msg.h"
#include "openflow/msg_flow.h"
#include "openflow/msg_switch.h"

static const struct {
	const char *name;
	enum of_msg_id id;
	uint8_t first, last;
	uint16_t min, multiple;
} forms[] = {
#define OF_MSG(...)
#define OF_FORM(FORM, ID, NAME, KIND, FIRST, LAST, NUMBER, MIN, MULTIPLE)                      \
	{ NAME, OF_M_##ID, FIRST, LAST, MIN, MULTIPLE },
#include "openflow/msgs.def"
};

/* Classifies a copy of exactly 'size' bytes, so that a checker sees every over-read. */
static of_err_t
classify(const void *data, size_t size, struct of_msg *msg)
{
	uint8_t *copy = malloc(size ? size : 1);
	of_err_t error;

	memcpy(copy, data, size);
	error = of_msg_classify(copy, size, msg);
	free(copy);
	return error;
}

static void
every_form_is_found_in_each_of_its_versions(void **state)
{
	for (unsigned f = 0; f < OF_N_MSG_FORMS; f++) {
		for (unsigned v = forms[f].first; v <= forms[f].last && v <= OF15_VERSION; v++) {
			struct wf_buf b = WF_BUF_INIT;
			struct of_msg msg;
			size_t start = of_msg_begin(&b, f, v, 0x1234);
			size_t head = b.size;

			wf_buf_put_zeros(&b, forms[f].min);
			of_msg_end(&b, start);
			assert_int_equal(of_frame_size(b.data), b.size);
			assert_int_equal(classify(b.data, b.size, &msg), 0);
			assert_int_equal(msg.form, f);
			assert_int_equal(msg.id, forms[f].id);
			assert_int_equal(msg.version, v);
			assert_int_equal(msg.xid, 0x1234);
			assert_int_equal(msg.body_size, forms[f].min);
			assert_string_equal(of_msg_form_name(f), forms[f].name);

			/* One byte more, and every shorter length but that of an empty part. */
			wf_buf_put_zeros(&b, 1);
			assert_int_equal(classify(b.data, b.size, &msg),
					 forms[f].multiple == 1 ? 0 : OF_ERR_OFPBRC_BAD_LEN);
			for (size_t size = 0; size < head + forms[f].min; size++) {
				bool empty_part = size == head && v >= OF13_VERSION
						  && strstr(forms[f].name, " request");

				assert_int_equal(classify(b.data, size, &msg),
						 empty_part ? 0 : OF_ERR_OFPBRC_BAD_LEN);
			}
			wf_buf_done(&b);
		}
	}
}

static void
unknown_headers_get_the_error_of_their_level(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[24];
		size_t size;
		of_err_t error;
	} rows[] = {
		{ "cut header", { 1, 0, 0, 8 }, 4, OF_ERR_OFPBRC_BAD_LEN },
		{ "no type 99", { 4, 99, 0, 8 }, 8, OF_ERR_OFPBRC_BAD_TYPE },
		{ "1.0 has no group_mod", { 1, 16, 0, 8 }, 8, OF_ERR_OFPBRC_BAD_LEN },
		{ "1.1 has no bundles", { 2, 33, 0, 16 }, 16, OF_ERR_OFPBRC_BAD_TYPE },
		{ "version 0", { 0, 0, 0, 8 }, 8, OF_ERR_OFPBRC_BAD_TYPE },
		{ "version 99: hello only", { 99, 5, 0, 8 }, 8, OF_ERR_OFPBRC_BAD_TYPE },
		{ "version 99: hello", { 99, 0, 0, 8 }, 8, 0 },
		{ "no statistics 77", { 4, 18, 0, 16, 0, 0, 0, 0, 0, 77 }, 16,
		  OF_ERR_OFPBRC_BAD_STAT },
		{ "vendor cut", { 1, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0x23, 0x20 }, 12,
		  OF_ERR_OFPBRC_BAD_LEN },
		{ "no vendor 5", { 1, 4, 0, 16, 0, 0, 0, 0, 0, 0, 0, 5 }, 16,
		  OF_ERR_OFPBRC_BAD_VENDOR },
		{ "Nicira has no 999",
		  { 1, 4, 0, 16, 0, 0, 0, 0, 0, 0, 0x23, 0x20, 0, 0, 3, 0xe7 }, 16,
		  OF_ERR_OFPBRC_BAD_SUBTYPE },
		{ "multipart of vendor 5",
		  { 4, 18, 0, 24, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5 }, 24,
		  OF_ERR_OFPBRC_BAD_VENDOR },
		{ "Nicira has no statistics 99",
		  { 4, 18, 0, 24, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x23, 0x20,
		    0, 0, 0, 99 },
		  24, OF_ERR_OFPBRC_BAD_SUBTYPE },
		{ "1.0 has no ONF statistics",
		  { 1, 16, 0, 24, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0x4f, 0x4e, 0x46, 0, 0, 0, 7,
		    0x4e },
		  24, OF_ERR_OFPBRC_BAD_VENDOR },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct of_msg msg;
		of_err_t error = classify(rows[i].bytes, rows[i].size, &msg);

		if (error != rows[i].error)
			fail_msg("%s: %s", rows[i].what, of_err_name(error));
	}
}

static void
frames_below_a_header_are_no_frames(void **state)
{
	assert_int_equal(of_frame_size("\4\0\0\10\0\0\0\0"), 8);
	assert_int_equal(of_frame_size("\4\0\377\377\0\0\0\0"), 65535);
	assert_int_equal(of_frame_size("\4\0\0\7\0\0\0\0"), 0);
	assert_int_equal(of_frame_size("\4\0\0\0\0\0\0\0"), 0);
}

static void
replies_are_cut_into_parts_between_items(void **state)
{
	for (uint8_t v = OF10_VERSION; v <= OF15_VERSION; v++) {
		struct wf_buf b = WF_BUF_INIT;
		struct of_multipart mp;
		unsigned parts = 0, items = 0;
		enum of_msg_form form = of_msg_form_for(OF_M_FLOW_REPLY, v);

		of_multipart_begin_form(&mp, &b, form, v, 7);
		for (unsigned i = 0; i < 300; i++) {
			of_multipart_item_begin(&mp);
			memset(wf_buf_put_uninit(&b, 1000), i, 1000);
			of_multipart_item_end(&mp);
			assert_true(of_multipart_ready(&mp) <= b.size);
		}
		of_multipart_end(&mp);
		for (size_t ofs = 0; ofs < b.size; parts++) {
			size_t size = of_frame_size(b.data + ofs);
			struct of_msg msg;

			assert_true(size && size <= OF_MSG_MAX && ofs + size <= b.size);
			assert_int_equal(of_msg_classify(b.data + ofs, size, &msg), 0);
			assert_int_equal(msg.form, form);
			assert_int_equal(msg.xid, 7);
			assert_int_equal(of_msg_more(&msg), ofs + size < b.size);
			assert_int_equal(msg.body_size % 1000, 0);
			for (size_t i = 0; i < msg.body_size; i += 1000)
				assert_int_equal(msg.body[i], (uint8_t)items++);
			ofs += size;
		}
		assert_int_equal(items, 300);
		assert_int_equal(parts, 5);
		wf_buf_done(&b);
	}
}

static void
sent_parts_can_be_pulled_between_items(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	struct of_multipart mp;
	size_t total = 0;

	of_multipart_begin_form(&mp, &b, OF_R_OFPST13_FLOW_REPLY, OF13_VERSION, 7);
	for (unsigned i = 0; i < 1000; i++) {
		of_multipart_item_begin(&mp);
		wf_buf_put_zeros(&b, 5000);
		of_multipart_item_end(&mp);
		size_t ready = of_multipart_ready(&mp);
		if (ready) {
			assert_int_equal(of_frame_size(b.data), ready);
			total += ready - 16;
			wf_buf_pull(&b, ready);
			of_multipart_pulled(&mp, ready);
		}
		assert_true(b.size < 70000);
	}
	of_multipart_end(&mp);
	assert_int_equal(of_frame_size(b.data), b.size);
	assert_int_equal(total + b.size - 16, 1000 * 5000);
	wf_buf_done(&b);
}

static void
an_item_too_big_for_any_message_is_left_out(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	struct of_multipart mp;

	of_multipart_begin_form(&mp, &b, OF_R_OFPST13_FLOW_REPLY, OF13_VERSION, 7);
	of_multipart_item_begin(&mp);
	wf_buf_put_zeros(&b, 65535);
	of_multipart_item_end(&mp);
	of_multipart_item_begin(&mp);
	wf_buf_put_zeros(&b, 100);
	of_multipart_item_end(&mp);
	of_multipart_end(&mp);
	assert_int_equal(b.size, 116);
	assert_int_equal(of_frame_size(b.data), 116);
	wf_buf_done(&b);
}

static struct of_msg
part(struct wf_buf *b, uint32_t xid, bool more, size_t body)
{
	struct of_msg msg;

	wf_buf_clear(b);
	size_t start = of_msg_begin(b, OF_R_OFPST13_TABLE_FEATURES_REQUEST, OF13_VERSION, xid);
	memset(wf_buf_put_uninit(b, body), 0x11, body);
	of_msg_end(b, start);
	b->data[11] = more;
	assert_int_equal(of_msg_classify(b->data, b->size, &msg), 0);
	return msg;
}

static void
count_expired(void *aux, const void *header, size_t size)
{
	assert_int_equal(size, 16);
	++*(int *)aux;
}

static void
requests_in_parts_are_joined(void **state)
{
	struct of_multipart_requests set = { NULL };
	struct wf_buf b = WF_BUF_INIT;
	struct of_msg msg, whole;
	int expired = 0;

	msg = part(&b, 1, false, 64);
	assert_int_equal(of_multipart_requests_put(&set, &msg, 0, &whole), 0);
	assert_ptr_equal(whole.data, msg.data);

	msg = part(&b, 2, true, 64);
	assert_int_equal(of_multipart_requests_put(&set, &msg, 0, &whole), 0);
	assert_null(whole.data);
	msg = part(&b, 3, true, 8); /* another request in between */
	assert_int_equal(of_multipart_requests_put(&set, &msg, 0, &whole), 0);
	msg = part(&b, 2, true, 0); /* parts may be empty */
	assert_int_equal(of_multipart_requests_put(&set, &msg, 500, &whole), 0);
	assert_int_equal(of_multipart_requests_run(&set, 900, count_expired, &expired), 1000);
	assert_int_equal(of_multipart_requests_run(&set, 1000, count_expired, &expired), 1500);
	assert_int_equal(expired, 1);
	msg = part(&b, 2, false, 128);
	assert_int_equal(of_multipart_requests_put(&set, &msg, 1000, &whole), 0);
	assert_int_equal(whole.body_size, 192);
	assert_int_equal(whole.xid, 2);
	assert_int_equal(whole.body[191], 0x11);
	assert_int_equal(of_multipart_requests_run(&set, 9000, count_expired, &expired), -1);
	assert_int_equal(expired, 1);

	/* More than 4 MiB is refused and forgotten. */
	of_err_t error = 0;
	for (unsigned i = 0; i < 80 && !error; i++) {
		msg = part(&b, 4, true, 65000);
		error = of_multipart_requests_put(&set, &msg, 0, &whole);
	}
	assert_int_equal(error, OF_ERR_OFPBRC_MULTIPART_BUFFER_OVERFLOW);
	assert_int_equal(of_multipart_requests_run(&set, 9000, count_expired, &expired), -1);

	/* A type that changes midway. */
	msg = part(&b, 5, true, 64);
	assert_int_equal(of_multipart_requests_put(&set, &msg, 0, &whole), 0);
	wf_buf_clear(&b);
	of_msg_encode_empty(&b, OF_M_DESC_REQUEST, OF13_VERSION, 5);
	assert_int_equal(of_msg_classify(b.data, b.size, &msg), 0);
	assert_int_equal(of_multipart_requests_put(&set, &msg, 0, &whole), OF_ERR_OFPBRC_BAD_STAT);

	/* A body that is due and never comes. */
	wf_buf_clear(&b);
	of_msg_end(&b, of_msg_begin(&b, OF_R_OFPST11_PORT_REQUEST, OF13_VERSION, 6));
	assert_int_equal(of_msg_classify(b.data, b.size, &msg), 0);
	assert_int_equal(of_multipart_requests_put(&set, &msg, 0, &whole), OF_ERR_OFPBRC_BAD_LEN);

	of_multipart_requests_done(&set);
	wf_buf_done(&b);
}

static void
hellos_agree_on_the_highest_common_version(void **state)
{
	static const struct {
		uint32_t ours, theirs;
		size_t hello_size;
		uint8_t version;
		const char *failure;
	} rows[] = {
		{ 0x7e, 0x7e, 8, OF15_VERSION, NULL },
		{ 0x7e, 1 << 1, 8, OF10_VERSION, NULL },
		{ 0x7e, 1 << 4 | 1 << 1, 16, OF13_VERSION, NULL },
		{ 1 << 1, 1 << 4, 16, 0,
		  "version negotiation failed (we support version 0x01, peer supports version "
		  "0x04)" },
		{ 0x7c, 1 << 1, 8, 0,
		  "version negotiation failed (we support versions 0x02, 0x03, 0x04, 0x05, 0x06, "
		  "peer supports version 0x01)" },
		{ 0x60, 0x1e, 8, 0,
		  "version negotiation failed (we support versions 0x05, 0x06, "
		  "peer supports version 0x04 and earlier)" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wf_buf b = WF_BUF_INIT;
		struct wf_str s = WF_STR_INIT;
		uint32_t theirs;

		of_hello_encode(rows[i].theirs, 1, &b);
		assert_int_equal(b.size, rows[i].hello_size);
		assert_true(of_hello_decode(b.data, b.size, &theirs));
		assert_int_equal(theirs, rows[i].theirs);
		assert_int_equal(of_hello_negotiate(rows[i].ours, theirs), rows[i].version);
		if (rows[i].failure) {
			of_hello_format_failure(rows[i].ours, theirs, &s);
			assert_string_equal(wf_str_cstr(&s), rows[i].failure);
		}
		wf_str_done(&s);
		wf_buf_done(&b);
	}
}

static void
odd_hellos_are_understood_as_far_as_possible(void **state)
{
	/* An unknown element, a bitmap of two words, and a cut element. */
	static const uint8_t hello[] = { 6, 0, 0, 36, 0, 0, 0, 1, 0, 9, 0, 4, 0, 0, 0, 0, 0, 1,
					 0, 12, 0, 0, 0, 0x12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 8 };
	uint32_t bitmap = 0;

	assert_false(of_hello_decode(hello, sizeof(hello), &bitmap));
	assert_int_equal(bitmap, 0x12);
	/* A version from the future. */
	assert_true(of_hello_decode("\11\0\0\10\0\0\0\1", 8, &bitmap));
	assert_int_equal(bitmap, 0x3fe);
}

static void
port_numbers_of_1_0_map_to_the_reserved_ones(void **state)
{
	assert_int_equal(of_port_from_10(1), 1);
	assert_int_equal(of_port_from_10(0xfeff), 0xfeff);
	assert_int_equal(of_port_from_10(0xfff8), OF_PORT_IN_PORT);
	assert_int_equal(of_port_from_10(0xfffe), OF_PORT_LOCAL);
	assert_int_equal(of_port_from_10(0xffff), OF_PORT_NONE);
	for (uint32_t p = 0; p <= 0xffff; p++)
		assert_int_equal(of_port_to_10(of_port_from_10(p)), p);
	/* A port that 16 bits cannot say. */
	assert_int_equal(of_port_to_10(0x12345), 0xffff);
}

static void
version_names(void **state)
{
	assert_int_equal(of_version_from_name("OpenFlow10"), OF10_VERSION);
	assert_int_equal(of_version_from_name("OpenFlow15"), OF15_VERSION);
	assert_int_equal(of_version_from_name("OpenFlow16"), 0);
	assert_string_equal(of_version_name(OF13_VERSION), "OpenFlow13");
	assert_string_equal(of_version_short_name(OF10_VERSION), "");
	assert_string_equal(of_version_short_name(OF14_VERSION), " (OF1.4)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_found_in_each_of_its_versions),
		cmocka_unit_test(unknown_headers_get_the_error_of_their_level),
		cmocka_unit_test(frames_below_a_header_are_no_frames),
		cmocka_unit_test(replies_are_cut_into_parts_between_items),
		cmocka_unit_test(sent_parts_can_be_pulled_between_items),
		cmocka_unit_test(an_item_too_big_for_any_message_is_left_out),
		cmocka_unit_test(requests_in_parts_are_joined),
		cmocka_unit_test(hellos_agree_on_the_highest_common_version),
		cmocka_unit_test(odd_hellos_are_understood_as_far_as_possible),
		cmocka_unit_test(port_numbers_of_1_0_map_to_the_reserved_ones),
		cmocka_unit_test(version_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
