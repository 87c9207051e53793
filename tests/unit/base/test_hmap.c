// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hmap.h"

#define N_KEYS 500

struct item {
	struct wf_hmap_node node;
	unsigned key;
	bool in_map, seen;
};

static struct item items[N_KEYS];

static uint32_t
hash_of(unsigned key, unsigned seed)
{
	/* Every third run all keys share a few hashes. */
	return seed % 3 ? wf_hash_u64(key, seed) : key % 4;
}

static struct item *
find(struct wf_hmap *m, unsigned key, uint32_t hash)
{
	struct item *i;

	wf_hmap_for_each_with_hash(i, node, hash, m)
		if (i->key == key)
			return i;
	assert_null(i);
	return NULL;
}

static void
check_walk(struct wf_hmap *m, size_t n)
{
	struct item *i;
	size_t count = 0;

	for (unsigned k = 0; k < N_KEYS; k++)
		items[k].seen = false;
	wf_hmap_for_each(i, node, m) {
		assert_true(i->in_map);
		assert_false(i->seen);
		i->seen = true;
		count++;
	}
	assert_int_equal(count, n);
	assert_int_equal(m->n, n);
}

static void
random_edits_equal_a_plain_array(void **state)
{
	for (unsigned seed = 0; seed < 30; seed++) {
		struct wf_hmap m;
		struct item *i;
		size_t n = 0;

		srandom(seed);
		wf_hmap_init(&m);
		memset(items, 0, sizeof(items));
		for (int step = 0; step < 3000; step++) {
			unsigned key = random() % N_KEYS;
			uint32_t hash = hash_of(key, seed);

			i = find(&m, key, hash);
			assert_ptr_equal(i, items[key].in_map ? &items[key] : NULL);
			if (i) {
				wf_hmap_remove(&m, &i->node);
				i->in_map = false;
				n--;
			} else {
				items[key].key = key;
				items[key].in_map = true;
				wf_hmap_insert(&m, &items[key].node, hash);
				n++;
			}
			if (step % 100 == 0)
				check_walk(&m, n);
		}
		check_walk(&m, n);
		wf_hmap_for_each_safe(i, node, &m) {
			wf_hmap_remove(&m, &i->node);
			memset(i, 0xee, sizeof(*i));
		}
		assert_int_equal(m.n, 0);
		assert_null(wf_hmap_first(&m));
		wf_hmap_done(&m);
	}
}

static void
hashes_of_all_sizes_differ(void **state)
{
	uint8_t bytes[64];
	unsigned equal = 0;

	for (size_t size = 1; size <= sizeof(bytes); size++) {
		for (size_t i = 0; i < size; i++) {
			memset(bytes, 0x55, sizeof(bytes));

			uint32_t a = wf_hash_bytes(bytes, size, 1);
			uint32_t shorter = wf_hash_bytes(bytes, size - 1, 1);
			uint32_t other_basis = wf_hash_bytes(bytes, size, 2);
			bytes[i] ^= 1;
			uint32_t b = wf_hash_bytes(bytes, size, 1);
			equal += (a == b) + (a == shorter) + (a == other_basis);
		}
	}
	/* 6240 pairs: one equal one by chance in 700,000 runs. */
	assert_true(equal <= 1);
	assert_int_equal(wf_hash_str("abc", 7), wf_hash_bytes("abcd", 3, 7));
}

static void
low_bits_of_hashes_are_even(void **state)
{
	unsigned buckets[64] = { 0 };

	for (unsigned i = 0; i < 64000; i++)
		buckets[wf_hash_u64(i, 0) % 64]++;
	for (int i = 0; i < 64; i++) {
		assert_true(buckets[i] > 800);
		assert_true(buckets[i] < 1200);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_edits_equal_a_plain_array),
		cmocka_unit_test(hashes_of_all_sizes_differ),
		cmocka_unit_test(low_bits_of_hashes_are_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
