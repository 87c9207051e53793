// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* A slow model: a plain array that is rebuilt for every edit. */
struct model {
	uint8_t bytes[1 << 16];
	size_t size;
};

static void
check(const struct wf_buf *b, const struct model *m)
{
	assert_int_equal(b->size, m->size);
	if (m->size)
		assert_memory_equal(b->data, m->bytes, m->size);
	assert_true(b->data + b->size <= b->base + b->allocated);
	assert_true(b->data >= b->base);
}

static void
random_edits_equal_a_plain_array(void **state)
{
	static struct model m;
	uint8_t chunk[300];

	for (unsigned seed = 1; seed <= 50; seed++) {
		struct wf_buf b = WF_BUF_INIT;

		srandom(seed);
		m.size = 0;
		if (seed % 2)
			wf_buf_init(&b, random() % 100);
		for (int i = 0; i < 400; i++) {
			size_t n = random() % (sizeof(chunk) + 1);

			for (size_t k = 0; k < n; k++)
				chunk[k] = random();
			switch (random() % 8) {
			case 0:
			case 1:
				if (m.size + n > 20000)
					break;
				wf_buf_put(&b, chunk, n);
				memcpy(m.bytes + m.size, chunk, n);
				m.size += n;
				break;
			case 2:
				if (m.size + n > 20000)
					break;
				wf_buf_push(&b, chunk, n);
				memmove(m.bytes + n, m.bytes, m.size);
				memcpy(m.bytes, chunk, n);
				m.size += n;
				break;
			case 3:
			case 4: {
				uint8_t *p = wf_buf_pull(&b, n);

				if (n > m.size) {
					assert_null(p);
					break;
				}
				if (n)
					assert_memory_equal(p, m.bytes, n);
				m.size -= n;
				memmove(m.bytes, m.bytes + n, m.size);
				break;
			}
			case 5: {
				size_t to = (m.size + 7) / 8 * 8;

				wf_buf_pad(&b, 8);
				memset(m.bytes + m.size, 0, to - m.size);
				m.size = to;
				break;
			}
			case 6:
				wf_buf_reserve_tail(&b, n);
				assert_true((size_t)(b.base + b.allocated - b.data) >= b.size + n);
				break;
			case 7:
				if (random() % 20)
					break;
				wf_buf_clear(&b);
				m.size = 0;
				break;
			}
			check(&b, &m);
		}
		wf_buf_done(&b);
	}
}

static void
a_stream_of_puts_and_pulls_stays_small(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	uint8_t chunk[100] = { 0 };

	for (int i = 0; i < 100000; i++) {
		wf_buf_put(&b, chunk, sizeof(chunk));
		wf_buf_put(&b, chunk, sizeof(chunk));
		wf_buf_pull(&b, sizeof(chunk) * 2);
	}
	assert_true(b.allocated < 4096);
	wf_buf_done(&b);
}

static void
strings_grow_and_end_with_nul(void **state)
{
	struct wf_str s = WF_STR_INIT;

	assert_string_equal(wf_str_cstr(&s), "");
	wf_str_fmt(&s, "%s", "");
	assert_string_equal(wf_str_cstr(&s), "");
	for (int i = 0; i < 1000; i++)
		wf_str_fmt(&s, "%d,", i);
	wf_str_chomp(&s, ',');
	wf_str_chomp(&s, ',');
	assert_int_equal(s.len, strlen(s.s));
	assert_string_equal(s.s + s.len - 7, "998,999");
	wf_str_truncate(&s, 3);
	assert_string_equal(s.s, "0,1");
	wf_str_hex(&s, "\x00\xff\x1a", 3);
	assert_string_equal(s.s, "0,100ff1a");
	free(wf_str_steal(&s));

	char *empty = wf_str_steal(&s);
	assert_string_equal(empty, "");
	free(empty);
}

static void
hexdump_is_that_of_ovs(void **state)
{
	struct wf_str s = WF_STR_INIT;

	/* ovs-ofctl 3.1 prints this for an echo reply with these 12 bytes. */
	wf_str_hexdump(&s, "ABCDEFGHIJKL", 12, 0);
	assert_string_equal(s.s, "00000000  41 42 43 44 45 46 47 48-49 4a 4b 4c             "
				 "|ABCDEFGHIJKL    |\n");
	wf_str_truncate(&s, 0);
	wf_str_hexdump(&s, "\x01\x00\x00\x14\x00\x00\x00\x00" "ABCDEFGHIJ", 18, 0);
	assert_string_equal(s.s,
			    "00000000  01 00 00 14 00 00 00 00-41 42 43 44 45 46 47 48 "
			    "|........ABCDEFGH|\n"
			    "00000010  49 4a                                           "
			    "|IJ              |\n");
	wf_str_truncate(&s, 0);
	wf_str_hexdump(&s, "ab", 2, 6);
	assert_string_equal(s.s,
			    "00000000                    61 62-                        "
			    "|      ab        |\n");
	wf_str_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_edits_equal_a_plain_array),
		cmocka_unit_test(a_stream_of_puts_and_pulls_stays_small),
		cmocka_unit_test(strings_grow_and_end_with_nul),
		cmocka_unit_test(hexdump_is_that_of_ovs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
