// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/yang_config.h"

static struct wf_yang *yang;

/* Every message must hold all its parts: place, value or name, rule, way out. */
static const struct {
	const char *name, *text;
	const char *parts[5];
} bad[] = {
	{ "not JSON", "{\"weft-x:top\": {\n oops", { "f.json:2:", "not valid JSON" } },
	{ "empty file", "", { "f.json:1:", "not valid JSON" } },
	{ "an array", "[1]", { "one JSON object" } },
	{ "a member twice",
	  "{\"weft-x:top\": {\"d\": 1, \"d\": 2}}",
	  { "duplicate object key", "\"d\"" } },
	{ "a range with a message of its own",
	  "{\"weft-x:top\": {\"pool\": [{\"name\": \"a\",\n\"w\": 300}]}}",
	  { "f.json:2: /weft-x:top/pool[name='a']/w: ", "0 gets no clients" } },
	{ "a range without one",
	  "{\"weft-x:top\": {\"pool\": [{\"name\": \"a\", \"w2\": 300}]}}",
	  { "pool[name='a']/w2", "\"300\"", "0 to 256" } },
	{ "an enumeration",
	  "{\"weft-x:top\": {\"pool\": [{\"name\": \"a\", \"e\": \"three\"}]}}",
	  { "pool[name='a']/e", "\"three\"", "\"one\", \"two\"" } },
	{ "an address",
	  "{\"weft-x:top\": {\"pool\": [{\"name\": \"a\", \"a\": \"1.2.3\"}]}}",
	  { "pool[name='a']/a", "\"1.2.3\"" } },
	{ "a decimal without quotes",
	  "{\"weft-x:top\": {\"pool\": [{\"name\": \"a\", \"lat\": 1.5}]}}",
	  { "pool[name='a']/lat", "1.5", "in quotes", "-90 to 90" } },
	{ "a number in quotes",
	  "{\"weft-x:top\": {\"d\": \"3\"}}",
	  { "/d", "\"3\"", "without quotes" } },
	{ "a string that is too long",
	  "{\"weft-x:top\": {\"pool\": [{\"name\": \"123456789\"}]}}",
	  { "\"123456789\"" } },
	{ "a key twice",
	  "{\"weft-x:top\": {\"pool\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}}",
	  { "pool[name='a']", "Duplicate" } },
	{ "no key",
	  "{\"weft-x:top\": {\"pool\": [{\"w\": 4}]}}",
	  { "pool", "missing its key \"name\"" } },
	{ "a name that nobody has",
	  "{\"weft-x:top\": {\"ref\": \"zz\"}}",
	  { "/ref", "\"zz\"", "exists" } },
	{ "an unknown member",
	  "{\"weft-x:top\": {\"foo\": 1}}",
	  { "/weft-x:top", "\"foo\"", "has d, big" } },
	{ "an unknown module", "{\"weft-y:top\": {}}", { "\"weft-y\"" } },
	{ "a must",
	  "{\"weft-x:top\": {\"pool\": [{\"name\": \"a\", \"w\": 3, \"w2\": 4}]}}",
	  { "pool[name='a']", "w2 must be below w" } },
};

static void
a_bad_text_is_refused_with_place_value_and_rule(void **state)
{
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		json_t *conf = NULL;
		struct wf_err err = { "" };

		assert_int_equal(wf_yang_load_text(yang, "f.json", bad[i].text, &conf, &err),
				 -EINVAL);
		assert_null(conf);
		for (size_t j = 0; j < 5 && bad[i].parts[j]; j++)
			if (!strstr(err.text, bad[i].parts[j]))
				fail_msg("%s: no \"%s\" in: %s", bad[i].name, bad[i].parts[j],
					 err.text);
	}
}

static void
a_good_text_comes_back_with_defaults(void **state)
{
	json_t *conf = NULL;
	struct wf_err err = { "" };

	if (wf_yang_load_text(yang, "f.json",
			      "{\"weft-x:top\": {\"on\": true, \"flag\": [null], \"pool\": "
			      "[{\"name\": \"a\", "
			      "\"lat\": \"-1.5\"}], \"ref\": \"a\"}}",
			      &conf, &err))
		fail_msg("%s", err.text);
	const json_t *top = json_object_get(conf, "weft-x:top");
	const json_t *pool = json_array_get(json_object_get(top, "pool"), 0);

	assert_int_equal(wf_json_u64(top, "d", 0), 5);
	assert_true(wf_json_u64(top, "big", 0) == UINT64_MAX);
	assert_true(wf_json_bool(top, "on", false));
	assert_true(wf_json_empty(top, "flag"));
	assert_false(wf_json_has(top, "nothing"));
	assert_string_equal(wf_json_str(top, "ref", ""), "a");
	assert_int_equal(wf_json_u64(pool, "w", 0), 1);
	assert_int_equal(wf_json_u64(pool, "w2", 77), 77);
	assert_true(wf_json_dec(pool, "lat", 0) == -1.5);
	json_decref(conf);

	/* A configuration of defaults only. */
	assert_int_equal(wf_yang_load_text(yang, "f.json", "{}", &conf, &err), 0);
	assert_int_equal(wf_json_u64(json_object_get(conf, "weft-x:top"), "d", 0), 5);
	json_decref(conf);
}

static void
files_are_read_or_refused(void **state)
{
	char path[] = "/tmp/weft-test-yang.XXXXXX";
	int fd = mkstemp(path);
	json_t *conf = NULL;
	struct wf_err err = { "" };

	assert_int_equal(write(fd, "{\"weft-x:top\": {\"d\": 7}}\n", 25), 25);
	assert_int_equal(wf_yang_load_file(yang, path, &conf, &err), 0);
	json_decref(conf);
	assert_int_equal(write(fd, "\0", 1), 1);
	assert_int_equal(wf_yang_load_file(yang, path, &conf, &err), -EINVAL);
	assert_non_null(strstr(err.text, "NUL"));
	close(fd);
	unlink(path);

	assert_int_equal(wf_yang_load_file(yang, path, &conf, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_true(wf_yang_load_file(yang, "/tmp", &conf, &err) < 0);
	assert_non_null(strstr(err.text, "/tmp: "));
}

static void
a_module_that_is_not_there_is_named(void **state)
{
	struct wf_err err = { "" };

	assert_null(wf_yang_new((const char *const[]){ "weft-none", NULL }, &err));
	assert_non_null(strstr(err.text, "weft-none"));
}

int
main(int argc, char *argv[])
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_text_is_refused_with_place_value_and_rule),
		cmocka_unit_test(a_good_text_comes_back_with_defaults),
		cmocka_unit_test(files_are_read_or_refused),
		cmocka_unit_test(a_module_that_is_not_there_is_named),
	};
	struct wf_err err;

	setenv("WEFT_YANGDIR", argv[1], 1);
	yang = wf_yang_new((const char *const[]){ "weft-x", NULL }, &err);
	if (!yang) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	wf_yang_free(yang);
	return rc;
}
