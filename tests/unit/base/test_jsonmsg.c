// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/jsonmsg.h"

static const struct {
	const char *name;
	const char *text;
	ssize_t result; /* the size of the first text, or an error */
} cases[] = {
	{ "object", "{}", 2 },
	{ "array", "[]", 2 },
	{ "white space before counts, behind does not", " \t\r\n[1]  ", 7 },
	{ "only the first of two", "{\"a\":1}{\"b\":2}", 7 },
	{ "brackets in strings do not count", "[\"]}\"]", 6 },
	{ "an escaped quote does not end a string", "[\"\\\"]\"]", 7 },
	{ "an escaped backslash does not escape the quote", "[\"\\\\\"]", 6 },
	{ "nested", "{\"a\":[{\"b\":[]}]}x", 16 },
	{ "cut object", "{\"a\":1", 0 },
	{ "cut in a string", "[\"abc", 0 },
	{ "cut in an escape", "[\"\\", 0 },
	{ "white space only", "  \n", 0 },
	{ "nothing", "", 0 },
	{ "a number at the top has no end", "1 ", -EBADMSG },
	{ "a word", "GET / HTTP/1.0", -EBADMSG },
	{ "a closing bracket first", "]", -EBADMSG },
	{ "a control character", "[\x01]", -EBADMSG },
};

static void
finds_the_end_however_the_bytes_are_cut(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t *data = (const uint8_t *)cases[i].text;
		size_t size = strlen(cases[i].text);

		for (size_t cut = 0; cut <= size; cut++) {
			struct wf_jsonmsg s = { 0 };
			ssize_t rc = wf_jsonmsg_scan(&s, data, cut, 1000);

			if (rc == 0)
				rc = wf_jsonmsg_scan(&s, data, size, 1000);
			if (rc != cases[i].result)
				fail_msg("%s, cut at %zu: %zd", cases[i].name, cut, rc);
		}

		struct wf_jsonmsg s = { 0 };
		ssize_t rc = 0;
		for (size_t n = 0; n <= size && !rc; n++)
			rc = wf_jsonmsg_scan(&s, data, n, 1000);
		if (rc != cases[i].result)
			fail_msg("%s, byte by byte: %zd", cases[i].name, rc);
	}
}

static void
state_is_ready_for_the_next_text(void **state)
{
	const uint8_t *data = (const uint8_t *)"{\"a\":1} [2]{}";
	struct wf_jsonmsg s = { 0 };

	assert_int_equal(wf_jsonmsg_scan(&s, data, 13, 100), 7);
	assert_int_equal(wf_jsonmsg_scan(&s, data + 7, 6, 100), 4);
	assert_int_equal(wf_jsonmsg_scan(&s, data + 11, 2, 100), 2);
}

static void
bounds_hold(void **state)
{
	struct wf_str text = WF_STR_INIT;
	struct wf_jsonmsg s = { 0 };

	wf_str_put(&text, "[\"0123456789\"]");
	assert_int_equal(wf_jsonmsg_scan(&s, (uint8_t *)text.s, text.len, 14), 14);
	memset(&s, 0, sizeof(s));
	assert_int_equal(wf_jsonmsg_scan(&s, (uint8_t *)text.s, text.len, 13), -EMSGSIZE);
	memset(&s, 0, sizeof(s));
	assert_int_equal(wf_jsonmsg_scan(&s, (uint8_t *)text.s, 13, 13), -EMSGSIZE);

	for (int depth = 999; depth <= 1001; depth++) {
		wf_str_truncate(&text, 0);
		memset(&s, 0, sizeof(s));
		for (int i = 0; i < depth; i++)
			wf_str_putc(&text, '[');
		for (int i = 0; i < depth; i++)
			wf_str_putc(&text, ']');
		assert_int_equal(wf_jsonmsg_scan(&s, (uint8_t *)text.s, text.len, 10000),
				 depth <= 1000 ? depth * 2 : -EMSGSIZE);
	}
	wf_str_done(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_end_however_the_bytes_are_cut),
		cmocka_unit_test(state_is_ready_for_the_next_text),
		cmocka_unit_test(bounds_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
