// SPDX-License-Identifier: Apache-2.0
/* The document as a file: who reads the next one by its parts has what who reads all of it has, and what is damaged is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "glb/placement.h"

#define N_POOLS	  5
#define N_SERVERS 1500 /* more than a part of nodes */

static char path[] = "/tmp/weft-placement-XXXXXX";

struct world {
	unsigned n_servers, weight[N_POOLS], n_pools;
};

static void
put_wanted(const struct world *w, struct wf_str *s)
{
	wf_str_put(s, "{\"sites\":{\"dc1\":\"10.1.0.1\",\"dc2\":\"10.2.0.1\"},\"servers\":{");
	for (unsigned i = 0; i < w->n_servers; i++)
		wf_str_fmt(s, "%s\"s%u\":\"10.9.%u.%u\"", i ? "," : "", i, i >> 8, i & 255);
	wf_str_put(s, "},\"pools\":{");
	for (unsigned i = 0; i < w->n_pools; i++)
		wf_str_fmt(s, "%s\"p%u\":{\"dc1\":{\"weight\":1,\"servers\":{\"s%u\":%u,\"s%u\":10}},\"dc2\":{\"weight\":2,\"servers\":{\"s%u\":1}}}",
			   i ? "," : "", i, 3 * i, w->weight[i], 3 * i + 1, 3 * i + 2);
	wf_str_put(s, "}}");
}

/* The writer's next document, in the file. */
static void
write_next(const struct world *w)
{
	struct placement *p = access(path, F_OK) ? plc_new() : plc_load(path, NULL);
	struct wf_str wanted = WF_STR_INIT, report = WF_STR_INIT;
	struct wf_err err = { "" };

	assert_non_null(p);
	put_wanted(w, &wanted);
	if (plc_update(p, wanted.s, wanted.len, NULL, 0, 0, true, &report, &err) < 0 || plc_save(p, path, &err))
		fail_msg("%s", err.text);
	plc_free(p);
	wf_str_done(&wanted);
	wf_str_done(&report);
}

/* What it is, in the words of the text. */
static void
assert_is_the_file(struct placement *p)
{
	struct wf_str have = WF_STR_INIT, want = WF_STR_INIT;
	struct wf_err err = { "" };

	if (wf_file_read(path, PLC_MAX_SIZE, &want, &err))
		fail_msg("%s", err.text);
	plc_format(p, &have);
	assert_string_equal(wf_str_cstr(&have), wf_str_cstr(&want));
	wf_str_done(&have);
	wf_str_done(&want);
}

static struct placement *
next(struct placement *before)
{
	struct wf_err err = { "" };
	struct placement *p = plc_load_next(path, before, &err);

	if (!p)
		fail_msg("%s", err.text);
	assert_is_the_file(p);
	return p;
}

static int
set_up(void **state)
{
	static struct world w;

	w = (struct world){ N_SERVERS, { 1, 1, 1, 1, 1 }, 4 };
	unlink(path);
	write_next(&w);
	*state = &w;
	return 0;
}

static int
tear_down(void **state)
{
	unlink(path);
	return 0;
}

static void
a_weight_is_one_pool(void **state)
{
	struct world *w = *state;
	struct placement *a = next(NULL), *b;

	w->weight[2] = 7;
	write_next(w);
	b = next(a);
	assert_int_equal(b->number, a->number + 1);
	assert_true(plc_same_nodes(a, b));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(plc_same_pool(a, b, i), i != 2);
	/* Each lives without the other. */
	plc_free(a);
	assert_is_the_file(b);
	a = next(b);
	assert_true(plc_same_pool(a, b, 2));
	plc_free(b);
	assert_non_null(plc_node_by_name(a, PLC_SERVER, "s3"));
	plc_free(a);
}

static void
a_server_is_one_part_of_the_nodes(void **state)
{
	struct world *w = *state;
	struct placement *a = next(NULL), *b;

	assert_non_null(plc_node_by_name(a, PLC_SERVER, "s7"));
	w->n_servers++;
	write_next(w);
	b = next(a);
	assert_false(plc_same_nodes(a, b));
	assert_true(plc_same_pool(a, b, 0) && plc_same_pool(a, b, 3));
	assert_int_equal(b->n_node_parts, 2);
	assert_int_equal(b->parts[0].document, 1);
	assert_int_equal(b->parts[1].document, 2);
	assert_int_equal(plc_node_by_name(b, PLC_SERVER, "s1500")->id, b->next_id - 1);
	assert_int_equal(plc_node_by_name(b, PLC_SERVER, "s7")->id, plc_node_by_name(a, PLC_SERVER, "s7")->id);
	plc_free(a);
	plc_free(b);
}

/* Any changes, with the documents before let go in any order. */
static void
any_changes(void **state)
{
	struct placement *kept[4] = { NULL };
	struct world *w = *state;

	srandom(7);
	for (unsigned k = 0; k < 60; k++) {
		unsigned at = (unsigned)random() % 4, from = (unsigned)random() % 4;
		struct wf_err err = { "" };
		struct placement *p;

		switch (random() % 5) {
		case 0:
			w->n_servers = N_SERVERS + (unsigned)random() % 600;
			break;
		case 1:
			w->n_pools = N_POOLS;
			break;
		case 2:
			p = plc_load(path, &err);
			assert_non_null(p);
			if (plc_key_next(p, 1000 + k, true, &err) || plc_save(p, path, &err))
				fail_msg("%s", err.text);
			plc_free(p);
			break;
		default:
			w->weight[random() % N_POOLS] = (unsigned)random() % 20;
		}
		write_next(w);
		p = next(kept[from]);
		plc_free(kept[at]);
		kept[at] = p;
	}
	for (unsigned k = 0; k < 4; k++)
		plc_free(kept[k]);
}

/* Writes 'text' and reads it after 'before'.  "": it is taken; else what the refusal says. */
static void
try(struct wf_str *text, struct placement *before, const char *says)
{
	struct wf_err err = { "" };
	struct placement *p;

	assert_int_equal(wf_file_replace(path, text->s, text->len, &err), 0);
	p = plc_load_next(path, before, &err);
	if ((p != NULL) != !*says || !strstr(err.text, says))
		fail_msg("'%s' instead of '%s'", err.text, says);
	plc_free(p);
}

static void
what_is_damaged_is_seen(void **state)
{
	static const char *const sums = "head: its sums are not those of the text";
	struct world *w = *state;
	struct placement *a = next(NULL);
	struct wf_str text = WF_STR_INIT, cut = WF_STR_INIT;
	struct wf_err err;
	char *head, *end, *digit;

	w->weight[1] = 3;
	write_next(w);
	assert_int_equal(wf_file_read(path, PLC_MAX_SIZE, &text, &err), 0);
	try(&text, a, "");
	/* A weight in the pool that changed, in text that is good otherwise. */
	digit = strstr(strstr(text.s, "\"p1\""), ": 10 }") + 2;
	*digit = '2';
	try(&text, a, sums);
	try(&text, NULL, sums);
	*digit = '1';
	digit = strstr(text.s, "\"next-id\": ") + 11;
	++*digit;
	try(&text, a, sums);
	--*digit;
	/* As far as a copy has come. */
	for (size_t len = 0; len < text.len; len += text.len / 23) {
		wf_str_truncate(&cut, 0);
		wf_str_putn(&cut, text.s, len);
		try(&cut, a, path);
	}
	/* Whoever changes it by hand says so; what was before parts is read, too. */
	head = strstr(text.s, "  \"head\"");
	end = strchr(head, '\n') + 1;
	memmove(head, end, strlen(end) + 1);
	text.len -= (size_t)(end - head);
	*(strstr(strstr(text.s, "\"p1\""), ": 10 }") + 2) = '2';
	try(&text, a, "");
	try(&text, NULL, "");
	plc_free(a);
	wf_str_done(&text);
	wf_str_done(&cut);
}

/* Bytes that are others anywhere: what is taken is the document as it was written. */
static void
any_damage(void **state)
{
	struct world *w = *state;
	struct placement *a = next(NULL), *p;
	struct wf_str text = WF_STR_INIT, have = WF_STR_INIT;
	unsigned n_taken = 0;
	struct wf_err err;

	w->weight[1] = 3;
	w->n_servers++;
	write_next(w);
	assert_int_equal(wf_file_read(path, PLC_MAX_SIZE, &text, &err), 0);
	srandom(11);
	for (unsigned k = 0; k < 120; k++) {
		/* Half of them in the head, which is small. */
		size_t at = (size_t)random() % (k % 2 ? text.len : 1000);
		char was = text.s[at];

		text.s[at] = (char)(was ^ 1 << random() % 8);
		assert_int_equal(wf_file_replace(path, text.s, text.len, &err), 0);
		p = plc_load_next(path, a, &err);
		text.s[at] = was;
		if (!p)
			continue;
		n_taken++;
		wf_str_truncate(&have, 0);
		plc_format(p, &have);
		assert_string_equal(wf_str_cstr(&have), wf_str_cstr(&text));
		plc_free(p);
	}
	/* Parts that are known are not read: nobody sees what is wrong with them. */
	assert_in_range(n_taken, 1, 119);
	plc_free(a);
	wf_str_done(&text);
	wf_str_done(&have);
}

static void
put_hex(char *at, uint32_t v)
{
	char digits[9];

	snprintf(digits, sizeof digits, "%08x", v);
	memcpy(at, digits, 8);
}

/* The reader writes a number where a part is known; in the file it is nothing. */
static void
a_number_is_no_part(void **state)
{
	static const char number[] = ",1";
	struct placement *a = next(NULL);
	struct wf_str text = WF_STR_INIT;
	struct wf_err err;
	char *line, *from, *to;

	assert_int_equal(wf_file_read(path, PLC_MAX_SIZE, &text, &err), 0);
	line = strstr(text.s, "\"pool-parts\"");
	for (unsigned k = 0; k < 2; k++)
		line = strstr(line, "\n    \"") + 6;
	from = strstr(text.s, ",\n    { \"id\": 1504,");
	assert_non_null(from);
	to = strstr(from + 1, ",\n    { \"id\": 1505,");
	assert_non_null(to);
	memmove(from + sizeof number - 1, to, strlen(to) + 1);
	memcpy(from, number, sizeof number - 1);
	text.len -= (size_t)(to - from) - (sizeof number - 1);
	put_hex(line, sizeof number - 1);
	put_hex(line + 9, 1);
	put_hex(line + 18, wf_crc32c(0, number, sizeof number - 1));
	from = strstr(text.s, "\"head\": \"") + 9;
	to = strstr(text.s, "\"nodes\": [") + strlen("\"nodes\": [");
	put_hex(from + 9, wf_crc32c(0, from + 17, (size_t)(to - from) - 17));
	try(&text, NULL, "pools: 1: id");
	try(&text, a, "pools: 1: id");
	plc_free(a);
	wf_str_done(&text);
}

/* Nodes that are others make tables that are the same text something else. */
static void
other_nodes_are_no_next_document(void **state)
{
	struct placement *a = next(NULL), *b;
	struct wf_err err = { "" };

	b = plc_load(path, &err);
	assert_non_null(b);
	for (size_t i = 0; i < b->n_nodes; i++)
		b->nodes[i].kind = b->nodes[i].kind == PLC_SITE ? PLC_SERVER : PLC_SITE;
	assert_int_equal(plc_save(b, path, &err), 0);
	plc_free(b);
	assert_null(plc_load_next(path, a, &err));
	assert_non_null(strstr(err.text, "is not the id of a"));
	plc_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_weight_is_one_pool, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_server_is_one_part_of_the_nodes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_damaged_is_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_damage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_number_is_no_part, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_nodes_are_no_next_document, set_up, tear_down),
	};
	int fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
