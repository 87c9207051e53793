// SPDX-License-Identifier: Apache-2.0
/* policy/mmdb.c with databases of tests/lib/mmdb_write.py: what they say, under and over other
 * sources, and files that are damaged in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <maxminddb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/location.h"

/* libmaxminddb 1.7 does not free what it has read of metadata that it then refuses. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libmaxminddb";
}

static const char *city, *city_alias, *asn, *loop, *shared;

static struct loc_db *
load(const char *const *mmdbs, unsigned n, struct wf_err *err)
{
	struct loc_conf conf = { .mmdb_files = mmdbs,
				 .n_mmdb_files = n,
				 .default_region = "world" };

	err->text[0] = '\0';
	return loc_db_load(&conf, err);
}

static const struct loc_info *
info_at(const struct loc_db *db, const char *address)
{
	struct loc_match match;
	struct pol_addr a;

	assert_true(pol_addr_parse(address, &a));
	loc_db_match(db, &a, &match);
	assert_true(pol_prefix_has(&match.prefix, &a));
	return loc_db_info(db, match.location);
}

static void
records_are_read_with_all_that_counts(void **state)
{
	const char *files[] = { city, asn };
	struct wf_err err;
	struct loc_db *db = load(files, 2, &err);

	if (!db)
		fail_msg("%s", err.text);
	const struct loc_info *i = info_at(db, "10.1.2.3");

	assert_string_equal(i->continent, "EU");
	assert_string_equal(i->country, "DE");
	assert_string_equal(i->city, "Berlin");
	assert_string_equal(i->subdivision, "DE-BE");
	assert_true(i->has_coords && i->lat == 52.5 && i->lon == 13.4);
	/* The second database adds what the first one does not know. */
	assert_int_equal(i->asn, 64500);
	assert_string_equal(i->region, "world");
	/* A place counts without an accuracy_radius. */
	i = info_at(db, "10.1.2.200");
	assert_string_equal(i->country, "FR");
	assert_true(i->has_coords);
	assert_int_equal(info_at(db, "10.1.200.1")->asn, 0);
	assert_string_equal(info_at(db, "10.77.0.1")->country, "DE");
	assert_null(info_at(db, "10.77.0.1")->city);
	assert_string_equal(info_at(db, "192.0.2.1")->country, "US");
	assert_true(info_at(db, "192.0.2.1")->asn == 4200000001u);
	assert_string_equal(info_at(db, "2001:db8:1::1")->country, "CA");
	assert_string_equal(info_at(db, "2001:db8:2::1")->country, "US");
	assert_null(info_at(db, "203.0.113.1")->country);
	assert_null(info_at(db, "::1")->country);
	loc_db_free(db);
}

static void
aliases_of_ipv4_are_no_places(void **state)
{
	struct wf_err err;
	struct loc_db *db = load(&city_alias, 1, &err);

	if (!db)
		fail_msg("%s", err.text);
	assert_string_equal(info_at(db, "10.1.2.3")->country, "DE");
	assert_null(info_at(db, "2002:a01:203::")->country);
	loc_db_free(db);
}

/* libmaxminddb's own look-up is the oracle. */
static void
every_look_up_agrees_with_the_library(void **state)
{
	struct wf_err err;
	struct loc_db *db = load(&city, 1, &err);
	MMDB_s mmdb;
	unsigned seed = 7;

	assert_int_equal(MMDB_open(city, 0, &mmdb), 0);
	for (int n = 0; n < 20000; n++) {
		static const uint32_t nets[] = { 0x0a010200, 0x0a000000, 0xc0000200, 0xc6336400,
						 0x0a01fff0 };
		struct in_addr in = { htonl(nets[rand_r(&seed) % 5] + rand_r(&seed) % 0x300 -
					    0x100) };
		char text[INET_ADDRSTRLEN];
		int gai, rc;

		inet_ntop(AF_INET, &in, text, sizeof text);
		MMDB_lookup_result_s r = MMDB_lookup_string(&mmdb, text, &gai, &rc);
		MMDB_entry_data_s d = { .has_data = false };
		const char *want = NULL, *have = info_at(db, text)->country;

		if (r.found_entry &&
		    (MMDB_get_value(&r.entry, &d, "country", "iso_code", NULL) || !d.has_data))
			MMDB_get_value(&r.entry, &d, "registered_country", "iso_code", NULL);
		if (r.found_entry && d.has_data)
			want = d.utf8_string;
		if (!want != !have || (want && strncmp(want, have, 2)))
			fail_msg("%s: %.2s, not %.2s", text, have ? have : "-", want ? want : "-");
	}
	MMDB_close(&mmdb);
	loc_db_free(db);
}

static void
the_own_map_wins(void **state)
{
	struct loc_entry e[2] = { { .file = "conf", .info = { .region = "eu", .country = "AT" } },
				  { .file = "conf", .info = { .region = "lab" } } };
	struct loc_conf conf = {
		.mmdb_files = &city, .n_mmdb_files = 1, .entries = e, .n_entries = 2
	};
	struct wf_err err = { "" };
	struct loc_match match;
	struct pol_addr a;

	assert_int_equal(pol_prefix_parse("10.0.0.0/8", &e[0].prefix, &err), 0);
	assert_int_equal(pol_prefix_parse("10.1.2.129/32", &e[1].prefix, &err), 0);
	struct loc_db *db = loc_db_load(&conf, &err);

	if (!db)
		fail_msg("%s", err.text);
	/* A finer network of the database does not win over the operator's. */
	assert_string_equal(info_at(db, "10.1.2.3")->country, "AT");
	assert_string_equal(info_at(db, "10.1.2.3")->city, "Berlin");
	assert_string_equal(info_at(db, "10.1.2.129")->region, "lab");
	assert_string_equal(info_at(db, "10.1.2.129")->country, "FR");
	pol_addr_parse("10.1.2.129", &a);
	loc_db_match(db, &a, &match);
	assert_int_equal(match.prefix.len, 32);
	assert_string_equal(match.mmdb[0], city);
	loc_db_free(db);
}

static void
trees_that_do_not_end_are_refused(void **state)
{
	struct wf_err err;

	assert_null(load(&loop, 1, &err));
	assert_non_null(strstr(err.text, loop));
	assert_non_null(strstr(err.text, "loop"));
	assert_null(load(&shared, 1, &err));
	assert_non_null(strstr(err.text, "many times over"));
}

static void
copy_to(const char *path, const uint8_t *data, size_t size)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
}

static void
damaged_files_are_refused_or_harmless(void **state)
{
	char path[] = "/tmp/weft-test-mmdb.XXXXXX";
	const char *file = path;
	uint8_t data[65536];
	FILE *f = fopen(city, "r");
	size_t size = fread(data, 1, sizeof data, f), n_refused = 0;
	struct wf_err err;
	unsigned seed = 11;

	fclose(f);
	close(mkstemp(path));
	/* Cut at many places: the metadata are at the end, so nothing is left to open. */
	for (size_t cut = 0; cut < size; cut += 1 + size / 300) {
		copy_to(path, data, cut);
		struct loc_db *db = load(&file, 1, &err);

		if (!db)
			assert_non_null(strstr(err.text, path));
		n_refused += !db;
		loc_db_free(db);
	}
	assert_true(n_refused > 250);
	/* Flipped bits: an error, or a database that says something else. */
	for (int n = 0; n < 600; n++) {
		uint8_t bad[65536];

		memcpy(bad, data, size);
		for (unsigned k = 1 + rand_r(&seed) % 3; k; k--)
			bad[rand_r(&seed) % size] ^= 1 << rand_r(&seed) % 8;
		copy_to(path, bad, size);
		loc_db_free(load(&file, 1, &err));
	}
	unlink(path);

	assert_null(load(&file, 1, &err));
	assert_non_null(strstr(err.text, "No such file"));
}

int
main(int argc, char *argv[])
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_read_with_all_that_counts),
		cmocka_unit_test(aliases_of_ipv4_are_no_places),
		cmocka_unit_test(every_look_up_agrees_with_the_library),
		cmocka_unit_test(the_own_map_wins),
		cmocka_unit_test(trees_that_do_not_end_are_refused),
		cmocka_unit_test(damaged_files_are_refused_or_harmless),
	};

	if (argc != 6)
		return 2;
	city = argv[1];
	city_alias = argv[2];
	asn = argv[3];
	loop = argv[4];
	shared = argv[5];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
