/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ovsdb/schema.h"

#define UUID_1 "00112233-4455-6677-8899-aabbccddeeff"
#define UUID_2 "ffeeddcc-bbaa-9988-7766-554433221100"

static const struct ovsdb_type t_int = { OVSDB_INTEGER, OVSDB_VOID, 1, 1 },
			       t_opt_str = { OVSDB_STRING, OVSDB_VOID, 0, 1 },
			       t_strs = { OVSDB_STRING, OVSDB_VOID, 0, UINT_MAX },
			       t_ints3 = { OVSDB_INTEGER, OVSDB_VOID, 0, 3 },
			       t_smap = { OVSDB_STRING, OVSDB_STRING, 0, UINT_MAX },
			       t_refs = { OVSDB_UUID, OVSDB_VOID, 1, UINT_MAX },
			       t_refmap = { OVSDB_INTEGER, OVSDB_UUID, 0, UINT_MAX },
			       t_real = { OVSDB_REAL, OVSDB_VOID, 1, 1 },
			       t_bool = { OVSDB_BOOLEAN, OVSDB_VOID, 1, 1 };

static int
parse(struct ovsdb_datum *d, const struct ovsdb_type *type, const char *text, struct wf_err *err)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
	int rc;

	assert_non_null(json);
	rc = ovsdb_datum_from_json(d, type, json, false, err);
	json_decref(json);
	return rc;
}

static void
value_goes_to_json_and_back(void **state)
{
	static const struct {
		const struct ovsdb_type *type;
		const char *in, *out;
	} rows[] = {
		{ &t_int, "5", "5" },
		{ &t_int, "[\"set\",[-9223372036854775808]]", "-9223372036854775808" },
		{ &t_opt_str, "\"\"", "\"\"" },
		{ &t_opt_str, "[\"set\",[]]", "[\"set\",[]]" },
		{ &t_opt_str, "\"set\"", "\"set\"" },
		{ &t_strs, "[\"set\",[\"b\",\"a\",\"ab\"]]", "[\"set\",[\"a\",\"ab\",\"b\"]]" },
		{ &t_ints3, "[\"set\",[3,-1,2]]", "[\"set\",[-1,2,3]]" },
		{ &t_smap, "[\"map\",[[\"k\",\"v\"],[\"a\",\"\"]]]",
		  "[\"map\",[[\"a\",\"\"],[\"k\",\"v\"]]]" },
		{ &t_smap, "[\"map\",[]]", "[\"map\",[]]" },
		{ &t_refs, "[\"uuid\",\"" UUID_1 "\"]", "[\"uuid\",\"" UUID_1 "\"]" },
		{ &t_refs, "[\"set\",[[\"uuid\",\"" UUID_2 "\"],[\"uuid\",\"" UUID_1 "\"]]]",
		  "[\"set\",[[\"uuid\",\"" UUID_1 "\"],[\"uuid\",\"" UUID_2 "\"]]]" },
		{ &t_refmap, "[\"map\",[[7,[\"uuid\",\"" UUID_1 "\"]]]]",
		  "[\"map\",[[7,[\"uuid\",\"" UUID_1 "\"]]]]" },
		{ &t_real, "1.5", "1.5" },
		{ &t_real, "2", "2.0" },
		{ &t_bool, "true", "true" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ovsdb_datum d, copy;
		struct wf_err err = { "" };

		if (parse(&d, rows[i].type, rows[i].in, &err))
			fail_msg("%s: %s", rows[i].in, err.text);
		ovsdb_datum_copy(&copy, &d, rows[i].type);
		assert_true(ovsdb_datum_equals(&d, &copy, rows[i].type));
		json_t *json = ovsdb_datum_to_json(&copy, rows[i].type);
		char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
		assert_string_equal(text, rows[i].out);
		free(text);
		json_decref(json);
		ovsdb_datum_done(&d, rows[i].type);
		ovsdb_datum_done(&copy, rows[i].type);
	}
}

static void
wrong_value_is_named(void **state)
{
	static const struct {
		const struct ovsdb_type *type;
		const char *in, *says;
	} rows[] = {
		{ &t_int, "\"5\"", "a string where integer is expected" },
		{ &t_int, "5.5", "a real where integer is expected" },
		{ &t_int, "null", "null where integer" },
		{ &t_int, "{}", "an object where integer" },
		{ &t_int, "[\"set\",[]]", "0 elements where 1 to 1 are allowed" },
		{ &t_int, "[\"set\",[1,2]]", "2 elements where 1 to 1" },
		{ &t_int, "[\"set\",5]", "an array where integer" },
		{ &t_int, "[\"set\"]", "an array where integer" },
		{ &t_strs, "[\"set\",[\"a\",\"a\"]]", "the same element occurs twice" },
		{ &t_strs, "[\"set\",[[\"set\",[]]]]", "an array where string" },
		{ &t_ints3, "[\"set\",[1,2,3,4]]", "4 elements where 0 to 3" },
		{ &t_smap, "[\"map\",[[\"a\",\"1\"],[\"a\",\"2\"]]]", "occurs twice" },
		{ &t_smap, "[\"map\",[[\"a\"]]]", "not a pair" },
		{ &t_smap, "[\"map\",[[\"a\",5]]]", "an integer where string" },
		{ &t_smap, "[\"map\",[[5,\"a\"]]]", "an integer where string" },
		{ &t_smap, "[\"map\",{}]", "not a map" },
		{ &t_smap, "[\"set\",[]]", "not a map" },
		{ &t_smap, "\"x\"", "not a map" },
		{ &t_refs, "[\"set\",[]]", "at least 1" },
		{ &t_refs, "[\"uuid\",\"" UUID_1 "0\"]", "is not a uuid" },
		{ &t_refs, "[\"uuid\",\"0011\"]", "is not a uuid" },
		{ &t_refs, "[\"uuid\",5]", "[\"uuid\", text] is expected" },
		{ &t_refs, "[\"named-uuid\",\"x\"]", "[\"uuid\", text] is expected" },
		{ &t_refs, "\"" UUID_1 "\"", "[\"uuid\", text] is expected" },
		{ &t_refmap, "[\"map\",[[7,\"x\"]]]", "[\"uuid\", text] is expected" },
		{ &t_bool, "0", "an integer where boolean" },
		{ &t_real, "true", "a boolean where real" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ovsdb_datum d;
		struct wf_err err = { "" };

		assert_int_equal(parse(&d, rows[i].type, rows[i].in, &err), -EINVAL);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s: \"%s\" lacks \"%s\"", rows[i].in, err.text, rows[i].says);
		assert_int_equal(d.n, 0);
		assert_null(d.keys);
	}
}

static void
diff_applies_as_the_server_means_it(void **state)
{
	static const struct {
		const struct ovsdb_type *type;
		const char *old, *diff, *new;
	} rows[] = {
		{ &t_int, "5", "6", "6" },
		{ &t_opt_str, "\"a\"", "[\"set\",[]]", "[\"set\",[]]" },
		{ &t_opt_str, "[\"set\",[]]", "\"b\"", "\"b\"" },
		{ &t_strs, "[\"set\",[\"a\",\"b\"]]", "[\"set\",[\"b\",\"c\"]]",
		  "[\"set\",[\"a\",\"c\"]]" },
		{ &t_strs, "\"a\"", "\"a\"", "[\"set\",[]]" },
		{ &t_strs, "[\"set\",[]]", "\"a\"", "\"a\"" },
		{ &t_ints3, "[\"set\",[1,2,3]]", "[\"set\",[3,4]]", "[\"set\",[1,2,4]]" },
		/* Equal pair: gone.  Other value: replaced.  New key: added. */
		{ &t_smap, "[\"map\",[[\"a\",\"1\"],[\"b\",\"2\"],[\"z\",\"9\"]]]",
		  "[\"map\",[[\"a\",\"1\"],[\"b\",\"3\"],[\"c\",\"4\"]]]",
		  "[\"map\",[[\"b\",\"3\"],[\"c\",\"4\"],[\"z\",\"9\"]]]" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ovsdb_datum old, diff, new;

		assert_int_equal(parse(&old, rows[i].type, rows[i].old, NULL), 0);
		assert_int_equal(parse(&diff, rows[i].type, rows[i].diff, NULL), 0);
		assert_int_equal(parse(&new, rows[i].type, rows[i].new, NULL), 0);
		ovsdb_datum_apply_diff(&old, &diff, rows[i].type);
		if (!ovsdb_datum_equals(&old, &new, rows[i].type))
			fail_msg("row %zu", i);
		ovsdb_datum_done(&old, rows[i].type);
		ovsdb_datum_done(&diff, rows[i].type);
		ovsdb_datum_done(&new, rows[i].type);
	}
}

/* The diff of two random sets, made by an obvious loop, leads from one to the other. */
static void
diff_agrees_with_a_model(void **state)
{
	const struct ovsdb_type type = { OVSDB_INTEGER, OVSDB_INTEGER, 0, UINT_MAX };

	srand(7);
	for (int round = 0; round < 2000; round++) {
		struct ovsdb_datum a = OVSDB_DATUM_INIT, b = OVSDB_DATUM_INIT,
				   diff = OVSDB_DATUM_INIT;
		json_t *ja = json_array(), *jb = json_array(), *jd = json_array();

		for (int key = 19; key >= 0; key--) {
			int va = rand() % 4, vb = rand() % 4; /* 0: not there */

			if (va)
				json_array_append_new(ja, json_pack("[ii]", key, va));
			if (vb)
				json_array_append_new(jb, json_pack("[ii]", key, vb));
			if (va != vb)
				json_array_append_new(jd, json_pack("[ii]", key, vb ? vb : va));
		}
		ja = json_pack("[so]", "map", ja);
		jb = json_pack("[so]", "map", jb);
		jd = json_pack("[so]", "map", jd);
		assert_int_equal(ovsdb_datum_from_json(&a, &type, ja, false, NULL), 0);
		assert_int_equal(ovsdb_datum_from_json(&b, &type, jb, false, NULL), 0);
		assert_int_equal(ovsdb_datum_from_json(&diff, &type, jd, true, NULL), 0);
		ovsdb_datum_apply_diff(&a, &diff, &type);
		assert_true(ovsdb_datum_equals(&a, &b, &type));
		ovsdb_datum_done(&a, &type);
		ovsdb_datum_done(&b, &type);
		ovsdb_datum_done(&diff, &type);
		json_decref(ja);
		json_decref(jb);
		json_decref(jd);
	}
}

static void
builder_sorts_and_keeps_the_last(void **state)
{
	struct ovsdb_datum d = OVSDB_DATUM_INIT;

	ovsdb_datum_add_str_str(&d, "k", "1");
	ovsdb_datum_add_str_str(&d, "a", "2");
	ovsdb_datum_add_str_fmt(&d, "k", "%d", 3);
	ovsdb_datum_sort(&d, &t_smap);
	assert_int_equal(d.n, 2);
	assert_string_equal(d.keys[0].string, "a");
	assert_string_equal(d.values[1].string, "3");
	/* The arrays grow as 'n' says after a sort, too. */
	for (int i = 0; i < 20; i++)
		ovsdb_datum_add_str_fmt(&d, "x", "%d", i);
	ovsdb_datum_sort(&d, &t_smap);
	assert_int_equal(d.n, 3);
	ovsdb_datum_done(&d, &t_smap);
}

static void
uuid_is_strict(void **state)
{
	struct ovsdb_uuid u;
	char text[OVSDB_UUID_LEN + 1];

	assert_true(ovsdb_uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", &u));
	ovsdb_uuid_format(&u, text);
	assert_string_equal(text, UUID_1);
	assert_false(ovsdb_uuid_parse("", &u));
	assert_false(ovsdb_uuid_parse("00112233-4455-6677-8899-aabbccddeef", &u));
	assert_false(ovsdb_uuid_parse("00112233-4455-6677-8899-aabbccddeefg", &u));
	assert_false(ovsdb_uuid_parse("0011223344556677-8899-aabbccddeeff---", &u));
}

static void
text_that_is_not_utf8_does_not_break_the_encoder(void **state)
{
	union ovsdb_atom atom = { .string = (char *)"eth\xff" };
	json_t *json = ovsdb_atom_to_json(&atom, OVSDB_STRING);

	assert_string_equal(json_string_value(json), "(not UTF-8)");
	json_decref(json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_goes_to_json_and_back),
		cmocka_unit_test(wrong_value_is_named),
		cmocka_unit_test(diff_applies_as_the_server_means_it),
		cmocka_unit_test(diff_agrees_with_a_model),
		cmocka_unit_test(builder_sorts_and_keeps_the_last),
		cmocka_unit_test(uuid_is_strict),
		cmocka_unit_test(text_that_is_not_utf8_does_not_break_the_encoder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
