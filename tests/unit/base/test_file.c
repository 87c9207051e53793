// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static void
a_file_is_replaced_and_read_whole(void **state)
{
	char path[] = "/tmp/weft-test-file.XXXXXX";
	struct wf_str s = WF_STR_INIT;
	struct wf_err err = { "" };

	close(mkstemp(path));
	assert_int_equal(wf_file_replace(path, "one", 3, &err), 0);
	assert_int_equal(wf_file_replace(path, "two!", 4, &err), 0);
	assert_int_equal(wf_file_read_text(path, 4, &s, &err), 0);
	assert_string_equal(s.s, "two!");
	/* It appends, and the limit is the file's. */
	assert_int_equal(wf_file_read(path, 4, &s, &err), 0);
	assert_string_equal(s.s, "two!two!");
	assert_int_equal(wf_file_read(path, 3, &s, &err), -EFBIG);
	assert_non_null(strstr(err.text, "more than 3 bytes"));

	assert_int_equal(wf_file_replace(path, "a\0b", 3, &err), 0);
	assert_int_equal(wf_file_read_text(path, 100, &s, &err), -EINVAL);
	assert_non_null(strstr(err.text, "NUL"));
	wf_str_done(&s);
	assert_int_equal(wf_file_read(path, 100, &s, &err), 0);
	assert_int_equal(s.len, 3);
	unlink(path);
	wf_str_done(&s);
}

static void
what_can_not_be_had_is_named(void **state)
{
	struct wf_str s = WF_STR_INIT;
	struct wf_err err = { "" };

	assert_int_equal(wf_file_read("/nonexistent/x", 10, &s, &err), -ENOENT);
	assert_string_equal(err.text, "/nonexistent/x: No such file or directory");
	assert_int_equal(wf_file_read("/tmp", 10, &s, &err), -EISDIR);
	assert_int_equal(wf_file_replace("/nonexistent/x", "", 0, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x: can't be written"));
	wf_str_done(&s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_replaced_and_read_whole),
		cmocka_unit_test(what_can_not_be_had_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
