// SPDX-License-Identifier: Apache-2.0
/* Shares and moves of a table of a thousand servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "glb/placement.h"

#define N 1000

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
members(struct plc_member m[N])
{
	for (uint32_t i = 0; i < N; i++)
		m[i] = (struct plc_member){ .node = i + 1, .weight = 50 + i % 4 * 50 };
}

static void
make(struct plc_table *t, const struct plc_member *m, size_t n)
{
	const struct plc_rules rules = { 0 };
	struct plc_moves moves;
	struct wf_err err = { "" };

	if (plc_table_edit(t, m, n, 1, &rules, &moves, &err))
		fail_msg("%s", err.text);
}

/* Within 2 % of the weight, or one slot, for who is entitled to 50 slots or more. */
static void
shares_follow_weights(void **state)
{
	static struct plc_member m[N];
	static uint32_t owned[N + 1];
	struct plc_table t = { 0 };
	double sum = 0;

	members(m);
	make(&t, m, N);
	for (uint32_t i = 0; i < N; i++)
		sum += m[i].weight;
	for (uint32_t s = 0; s < t.n_slots; s++)
		owned[t.slots[s].owner[0]]++;
	for (uint32_t i = 0; i < N; i++) {
		double entitled = t.n_slots * (m[i].weight / sum), off = owned[m[i].node] - entitled;

		if (entitled >= 50 && (off < 0 ? -off : off) > (0.02 * entitled > 1 ? 0.02 * entitled : 1))
			fail_msg("server %u has %u slots and is entitled to %.1f", m[i].node, owned[m[i].node], entitled);
	}
	plc_table_done(&t);
}

static void
removing_one_moves_its_own_slots_only(void **state)
{
	static struct plc_member m[N];
	struct plc_table t = { 0 };
	const uint32_t dead = 500;
	const struct plc_rules rules = { .dead = &dead, .n_dead = 1 };
	struct plc_slot *before;
	struct plc_moves moves;
	struct wf_err err = { "" };
	uint32_t own = 0, others = 0;
	double start;

	members(m);
	make(&t, m, N);
	before = malloc(t.n_slots * sizeof *before);
	assert_non_null(before);
	memcpy(before, t.slots, t.n_slots * sizeof *before);
	memmove(&m[dead - 1], &m[dead], (N - dead) * sizeof *m);
	start = now_ms();
	assert_int_equal(plc_table_edit(&t, m, N - 1, 2, &rules, &moves, &err), 0);
	print_message("# one of %d servers removed: %.2f ms of CPU\n", N, now_ms() - start);
	assert_false(moves.doubled);
	for (uint32_t s = 0; s < t.n_slots; s++) {
		if (t.slots[s].owner[0] == before[s].owner[0])
			continue;
		own += before[s].owner[0] == dead;
		others += before[s].owner[0] != dead;
	}
	assert_true(own > 0);
	assert_int_equal(others, 0);
	assert_int_equal(moves.cut, 0);
	free(before);
	plc_table_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_follow_weights),
		cmocka_unit_test(removing_one_moves_its_own_slots_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
