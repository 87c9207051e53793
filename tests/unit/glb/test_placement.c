// SPDX-License-Identifier: Apache-2.0
/* The properties that connections rely on: shares, minimal moves, history, refusals; and the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "glb/placement.h"

static const struct plc_rules no_rules;

static uint64_t
draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static struct plc_member *
members(size_t n, uint32_t weight)
{
	struct plc_member *m = calloc(n, sizeof *m);

	for (size_t i = 0; i < n; i++)
		m[i] = (struct plc_member){ (uint32_t)i + 1, weight };
	return m;
}

static void
assert_shares(const struct plc_table *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < t->n_members; i++)
		sum += t->members[i].weight;
	uint32_t *has = calloc(t->members[t->n_members - 1].node + 1, sizeof *has);

	for (uint32_t i = 0; i < t->n_slots; i++)
		has[t->slots[i].owner[0]]++;
	for (size_t i = 0; i < t->n_members; i++) {
		double due = (double)t->n_slots * t->members[i].weight / (double)sum;
		double off = has[t->members[i].node] - due;

		off = off < 0 ? -off : off;
		if (off > 1 && off > 0.02 * due)
			fail_msg("node %u has %u of %f", t->members[i].node, has[t->members[i].node], due);
	}
	free(has);
}

static void
removing_one_of_1000_moves_its_own_slots_only(void **state)
{
	struct plc_table t = { 0 };
	struct plc_member *m = members(1000, 100);
	uint32_t dead = 500, own = 0;
	struct plc_rules rules = { &dead, 1, 0, false };
	struct plc_moves moves;
	struct timespec a, b;

	assert_int_equal(plc_table_edit(&t, m, 1000, 1, &no_rules, NULL, NULL), 0);
	assert_int_equal(t.n_slots, 65536);
	assert_shares(&t);
	struct plc_slot *before = malloc(t.n_slots * sizeof *before);

	memcpy(before, t.slots, t.n_slots * sizeof *before);
	memmove(&m[499], &m[500], 500 * sizeof *m);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	assert_int_equal(plc_table_edit(&t, m, 999, 2, &rules, &moves, NULL), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	printf("# one of 1000 removed in %.2f ms\n",
	       (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
	for (uint32_t i = 0; i < t.n_slots; i++) {
		own += before[i].owner[0] == dead;
		if (before[i].owner[0] != dead)
			assert_memory_equal(&before[i], &t.slots[i], sizeof *before);
		else
			assert_int_not_equal(t.slots[i].owner[0], dead);
		assert_int_not_equal(t.slots[i].owner[1], dead);
	}
	assert_int_equal(moves.moved, own);
	assert_shares(&t);
	free(before);
	free(m);
	plc_table_done(&t);
}

/* The unavoidable number of moves is what the members that grow get. */
static void
adding_one_moves_its_share_only(void **state)
{
	struct plc_table t = { 0 };
	struct plc_member *m = members(1000, 100);
	struct plc_moves moves;

	assert_int_equal(plc_table_edit(&t, m, 999, 1, &no_rules, NULL, NULL), 0);
	assert_int_equal(plc_table_edit(&t, m, 1000, 2, &no_rules, &moves, NULL), 0);
	assert_in_range(moves.moved, 64, 66);
	assert_shares(&t);
	for (uint32_t i = 0; i < t.n_slots; i++)
		if (t.slots[i].moved == 2) {
			assert_int_equal(t.slots[i].owner[0], 1000);
			assert_int_not_equal(t.slots[i].owner[1], 0);
		}
	/* And back: the former owners get theirs. */
	m[999].weight = 0;
	assert_int_equal(plc_table_edit(&t, m, 1000, 3, &no_rules, NULL, NULL), 0);
	for (uint32_t i = 0; i < t.n_slots; i++)
		if (t.slots[i].moved == 3) {
			assert_int_equal(t.slots[i].owner[1], 1000);
			assert_int_equal(t.slots[i].owner[2], 0);
		}
	free(m);
	plc_table_done(&t);
}

static void
history_that_overflows_is_refused(void **state)
{
	struct plc_table t = { 0 };
	struct plc_member m[4] = { { 1, 1 }, { 2, 0 }, { 3, 0 }, { 4, 0 } };
	struct plc_rules forget = { .forget_before = 3 };
	struct wf_err err = { "" };

	assert_int_equal(plc_table_edit(&t, m, 4, 1, &no_rules, NULL, &err), 0);
	for (unsigned i = 1; i < 3; i++) { /* 1 -> 2 -> 3 */
		m[i - 1].weight = 0;
		m[i].weight = 1;
		assert_int_equal(plc_table_edit(&t, m, 4, 1 + i, &no_rules, NULL, &err), 0);
	}
	struct plc_slot kept = t.slots[7];

	assert_int_equal(kept.owner[0], 3);
	assert_int_equal(kept.owner[1], 2);
	assert_int_equal(kept.owner[2], 1);
	m[2].weight = 0;
	m[3].weight = 1;
	assert_int_equal(plc_table_edit(&t, m, 4, 4, &no_rules, NULL, &err), -16);
	assert_non_null(strstr(err.text, "would cut 256 slots"));
	assert_memory_equal(&kept, &t.slots[7], sizeof kept);
	/* A member that leaves while lists have it is refused, too. */
	m[2].weight = 1;
	assert_int_equal(plc_table_edit(&t, m + 1, 3, 4, &no_rules, NULL, &err), -16);
	m[2].weight = 0;
	/* Slots were last moved by document 3: forgetting what is before 4 empties the history. */
	forget.forget_before = 4;
	assert_int_equal(plc_table_edit(&t, m, 4, 4, &forget, NULL, &err), 0);
	assert_int_equal(t.slots[7].owner[0], 4);
	assert_int_equal(t.slots[7].owner[1], 3);
	assert_int_equal(t.slots[7].owner[2], 0);
	plc_table_done(&t);
}

static void
all_drained_keeps_the_owners(void **state)
{
	struct plc_table t = { 0 };
	struct plc_member m[2] = { { 1, 1 }, { 2, 1 } };
	struct plc_moves moves;

	assert_int_equal(plc_table_edit(&t, m, 2, 1, &no_rules, NULL, NULL), 0);
	m[0].weight = m[1].weight = 0;
	assert_int_equal(plc_table_edit(&t, m, 2, 2, &no_rules, &moves, NULL), 0);
	assert_int_equal(moves.moved, 0);
	assert_int_not_equal(t.slots[0].owner[0], 0);
	plc_table_done(&t);
}

/* Random edits: shares hold, a slot that did not move keeps its current owner, one that moved lists
 * its old one, a doubled table says what it said. */
static void
random_edits_keep_the_rules(void **state)
{
	uint64_t seed = getenv("WEFT_SEED") ? strtoull(getenv("WEFT_SEED"), NULL, 0) : 88172645463325252ull;

	for (unsigned round = 0; round < 20; round++) {
		struct plc_table t = { 0 };
		size_t n = 2 + draw(&seed) % 60;
		struct plc_member *m = members(400, 0);
		struct plc_rules forget = { 0 };

		for (size_t i = 0; i < n; i++)
			m[i].weight = 50 + (uint32_t)(draw(&seed) % 100);
		assert_int_equal(plc_table_edit(&t, m, n, 1, &no_rules, NULL, NULL), 0);
		for (uint32_t number = 2; number < 20; number++) {
			uint32_t n_before = t.n_slots;
			struct plc_slot *before = malloc(n_before * sizeof *before);

			memcpy(before, t.slots, n_before * sizeof *before);
			if (draw(&seed) % 2)
				m[draw(&seed) % n].weight = 50 + (uint32_t)(draw(&seed) % 100);
			else
				for (unsigned k = 1 + draw(&seed) % 20; k-- && n < 400;)
					m[n++].weight = 100;
			forget.forget_before = number;
			assert_int_equal(plc_table_edit(&t, m, n, number, &forget, NULL, NULL), 0);
			assert_shares(&t);
			for (uint32_t i = 0; i < t.n_slots; i++) {
				const struct plc_slot *was = &before[i & (n_before - 1)];

				if (t.slots[i].moved != number)
					assert_int_equal(t.slots[i].owner[0], was->owner[0]);
				else
					assert_int_equal(t.slots[i].owner[1], was->owner[0]);
			}
			free(before);
		}
		free(m);
		plc_table_done(&t);
	}
}

static const char want[] =
	"{ \"sites\": { \"dc1\": \"10.1.0.1\", \"dc2\": \"2001:db8::2\" },"
	"  \"servers\": { \"s1\": \"10.1.0.11\", \"s2\": { \"address\": \"10.1.0.12\","
	"                 \"no-second-chance\": true }, \"s3\": \"10.2.0.11\" },"
	"  \"pools\": { \"web\": { \"dc1\": { \"weight\": 100, \"servers\": { \"s1\": 100, \"s2\": 100 } },"
	"                          \"dc2\": { \"weight\": 300, \"servers\": { \"s3\": 1 } } } } }";

static struct placement *
updated(struct placement *p, const char *text, int expect, const char *says)
{
	struct wf_str report = WF_STR_INIT;
	struct wf_err err = { "" };
	int rc = plc_update(p, text, strlen(text), NULL, 0, 0, false, &report, &err);

	if (rc != expect || !strstr(err.text, says))
		fail_msg("%d '%s'", rc, err.text);
	wf_str_done(&report);
	return p;
}

static void
a_document_reads_back(void **state)
{
	struct placement *p = updated(plc_new(), want, 1, ""), *q;
	struct wf_str a = WF_STR_INIT, b = WF_STR_INIT;
	struct wf_err err = { "" };

	assert_int_equal(p->number, 1);
	updated(p, want, 0, "");
	assert_int_equal(p->number, 1);
	plc_format(p, &a);
	q = plc_parse(a.s, a.len, &err);
	if (!q)
		fail_msg("%s", err.text);
	plc_format(q, &b);
	assert_string_equal(a.s, b.s);
	assert_true(plc_node_by_name(q, PLC_SERVER, "s2")->no_second_chance);
	wf_str_done(&a);
	wf_str_done(&b);
	plc_free(p);
	plc_free(q);
}

static void
bad_wishes_are_refused_with_the_place(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "[", "line 1" },
		{ "{}", "sites: is an object" },
		{ "{\"sites\":{\"a b\":\"1.2.3.4\"}}", "sites: a b: a name" },
		{ "{\"sites\":{\"a\":\"1.2.3\"}}", "sites: a: address" },
		{ "{\"sites\":{},\"servers\":{},\"pools\":{\"w\":{\"x\":{}}}}", "pools: w: x: is not under" },
		{ "{\"sites\":{},\"servers\":{},\"pools\":{},\"vips\":{}}", "vips: is not known here" },
		{ "{\"sites\":{\"a\":\"1.2.3.4\"},\"servers\":{},\"pools\":{\"w\":{\"a\":"
		  "{\"weight\":-1,\"servers\":{}}}}}", "pools: w: a: weight" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		plc_free(updated(plc_new(), rows[i].text, -22, rows[i].says));
	/* A server that still has slots, left out. */
	struct placement *p = updated(plc_new(), want, 1, "");

	updated(p, "{\"sites\":{\"dc1\":\"10.1.0.1\",\"dc2\":\"2001:db8::2\"},\"servers\":{\"s1\":\"10.1.0.11\","
		   "\"s3\":\"10.2.0.11\"},\"pools\":{\"web\":{\"dc1\":{\"weight\":100,\"servers\":{\"s1\":100}},"
		   "\"dc2\":{\"weight\":300,\"servers\":{\"s3\":1}}}}}",
		-16, "web/dc1: would cut 128 slots");
	plc_free(p);
}

/* prepared: the slots as they are; switched: new lists, the old ones kept; then one key again. */
static void
a_key_changes_in_three_steps(void **state)
{
	struct placement *p = updated(plc_new(), want, 1, ""), *q;
	struct wf_str text = WF_STR_INIT, again = WF_STR_INIT, report = WF_STR_INIT;
	uint8_t first[16], second[16];
	struct wf_err err = { "" };
	struct plc_table *t = &p->pools[0].by_site[0].servers;
	static const struct plc_rules cut = { .cut = true };
	struct plc_member one[1];
	struct plc_moves m;

	for (size_t i = 0; i < p->n_nodes; i++)
		p->nodes[i].no_second_chance = false;
	memcpy(first, p->hash_key, sizeof first);
	t->slots[0].owner[1] = t->members[1].node == t->slots[0].owner[0] ? t->members[0].node : t->members[1].node;
	assert_int_equal(plc_key_next(p, 1000, false, &err), 0);
	assert_int_equal(p->key_step, PLC_KEY_PREPARED);
	assert_memory_equal(p->hash_key, first, sizeof first);
	assert_memory_not_equal(p->other_key, first, sizeof first);
	memcpy(second, p->other_key, sizeof second);
	assert_null(t->before);
	assert_int_equal(plc_key_next(p, 1100, false, &err), 0);
	assert_int_equal(p->key_step, PLC_KEY_SWITCHED);
	assert_memory_equal(p->hash_key, second, sizeof second);
	assert_memory_equal(p->other_key, first, sizeof first);
	assert_int_equal(t->n_before, t->n_slots);
	for (uint32_t i = 0; i < t->n_slots; i++) {
		assert_int_equal(t->slots[i].owner[0], t->before[i].owner[0]);
		assert_int_equal(t->slots[i].owner[1], 0);
	}
	assert_int_not_equal(t->before[0].owner[1], 0);
	/* What is written reads back the same. */
	plc_format(p, &text);
	q = plc_parse(wf_str_cstr(&text), text.len, &err);
	assert_non_null(q);
	plc_format(q, &again);
	assert_string_equal(wf_str_cstr(&text), wf_str_cstr(&again));
	plc_free(q);
	/* Who is listed by the key before only can't leave. */
	one[0] = t->members[0];
	for (uint32_t i = 0; i < t->n_slots; i++)
		t->slots[i].owner[0] = one[0].node;
	assert_int_equal(plc_table_edit(t, one, 1, 9, &no_rules, &m, &err), -16);
	assert_non_null(strstr(err.text, "would cut"));
	assert_int_equal(plc_table_edit(t, one, 1, 9, &cut, &m, &err), 0);
	for (uint32_t i = 0; i < t->n_before; i++)
		assert_true(!t->before[i].owner[0] || t->before[i].owner[0] == one[0].node);
	assert_int_equal(plc_key_next(p, 1200, false, &err), 0);
	assert_int_equal(p->key_step, PLC_KEY_ONE);
	assert_int_equal(p->key_since, 1200);
	assert_null(t->before);
	assert_memory_equal(p->hash_key, second, sizeof second);
	wf_str_done(&text);
	wf_str_done(&again);
	wf_str_done(&report);
	plc_free(p);
}

/* Whoever takes no hop list can't be asked first; and lists of both keys must fit into a packet's. */
static void
a_key_that_would_cut_stays(void **state)
{
	struct placement *p = updated(plc_new(), want, 1, "");
	struct wf_err err = { "" };
	struct plc_table *t = &p->pools[0].by_site[0].servers;
	uint32_t n = p->number;

	p->nodes[t->members[0].node - 1].no_second_chance = true;
	assert_int_equal(plc_key_next(p, 1, false, &err), -16);
	assert_non_null(strstr(err.text, "takes no hop list"));
	assert_int_equal(p->number, n);
	assert_int_equal(plc_key_next(p, 1, true, &err), 0);
	assert_int_equal(plc_key_next(p, 1, true, &err), 0);
	assert_int_equal(plc_key_fits(p, &err), 0);
	for (unsigned k = 0; k < PLC_OWNERS; k++)
		t->slots[0].owner[k] = t->before[0].owner[k] = 1 + k;
	p->pools[0].sites.slots[0].owner[1] = 1;
	p->pools[0].sites.slots[0].owner[0] = 2;
	assert_int_equal(plc_key_fits(p, &err), -16);
	assert_non_null(strstr(err.text, "have 9 servers and sites"));
	plc_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removing_one_of_1000_moves_its_own_slots_only),
		cmocka_unit_test(adding_one_moves_its_share_only),
		cmocka_unit_test(history_that_overflows_is_refused),
		cmocka_unit_test(all_drained_keeps_the_owners),
		cmocka_unit_test(random_edits_keep_the_rules),
		cmocka_unit_test(a_document_reads_back),
		cmocka_unit_test(a_key_changes_in_three_steps),
		cmocka_unit_test(a_key_that_would_cut_stays),
		cmocka_unit_test(bad_wishes_are_refused_with_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
