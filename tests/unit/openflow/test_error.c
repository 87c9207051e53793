// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "openflow/error.h"

/* Messages as Open vSwitch's tests of ofp-errors have them, or as the standard says. */
static const struct {
	of_err_t err;
	uint8_t version;
	const char *hex;
} rows[] = {
	{ OF_ERR_OFPBRC_BAD_TYPE, 1, "0101000e123456780001" "0001" "0102" },
	{ OF_ERR_OFPBRC_BAD_TABLE_ID, 1, "0101001612345678b0c20000" "0000232000010200" "0102" },
	{ OF_ERR_OFPBRC_BAD_TABLE_ID, 4, "0401000e1234567800010009" "0102" },
	{ OF_ERR_NXBRC_MUST_BE_ZERO, 2, "0201001612345678b0c20000" "0000232000010203" "0102" },
	{ OF_ERR_NXBRC_MUST_BE_ZERO, 4, "0401001212345678ffff0004" "00002320" "0102" },
	{ OF_ERR_OFPBRC_MULTIPART_REQUEST_TIMEOUT, 4, "0401001212345678ffff0a50" "4f4e4600" "0102" },
	/* 1.0 has no number for it. */
	{ OF_ERR_OFPBRC_BAD_PACKET, 1, "0101001612345678b0c20000" "0000232000010209" "0102" },
};

static void
errors_have_their_numbers(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wf_buf b = WF_BUF_INIT;
		struct wf_str s = WF_STR_INIT;

		of_error_encode(rows[i].err, rows[i].version, 0x12345678, "\x01\x02", 2, &b);
		wf_str_hex(&s, b.data, b.size);
		assert_string_equal(wf_str_cstr(&s), rows[i].hex);
		wf_str_done(&s);
		wf_buf_done(&b);
	}
}

static void
every_error_is_read_back(void **state)
{
	for (of_err_t e = OF_ERR_BASE; e < OF_ERR_LAST_; e++) {
		for (uint8_t v = 1; v <= 6; v++) {
			struct wf_buf b = WF_BUF_INIT;
			struct of_err_code code, raw;
			const void *payload;
			size_t size;

			if (of_err_code(e, v, &code))
				continue;
			of_error_encode(e, v, 1, "abc", 3, &b);
			of_err_t got = of_error_decode(b.data, b.size, &raw, &payload, &size);
			/* Where two errors share numbers, the first in the list is read. */
			assert_true(got && got <= e);
			assert_int_equal(raw.type, code.type);
			assert_int_equal(raw.vendor, code.vendor);
			assert_int_equal(size, 3);
			assert_memory_equal(payload, "abc", 3);
			for (size_t cut = 0; cut < b.size - 3; cut++)
				of_error_decode(b.data, cut, &raw, &payload, &size);
			wf_buf_done(&b);
		}
	}
	assert_string_equal(of_err_name(OF_ERR_OFPHFC_INCOMPATIBLE), "OFPHFC_INCOMPATIBLE");
	assert_string_equal(of_err_name(OF_ERR_OFPBIC_BAD_EXPERIMENTER), "OFPBIC_BAD_EXPERIMENTER");
}

static void
long_messages_are_cut(void **state)
{
	static uint8_t big[65535];
	struct wf_buf b = WF_BUF_INIT;

	of_error_encode(OF_ERR_OFPBRC_BAD_LEN, 4, 1, big, sizeof(big), &b);
	assert_int_equal(b.size, 65535);
	assert_int_equal(b.data[2], 0xff);
	wf_buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_have_their_numbers),
		cmocka_unit_test(every_error_is_read_back),
		cmocka_unit_test(long_messages_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
