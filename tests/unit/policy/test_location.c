// SPDX-License-Identifier: Apache-2.0
/* policy/location against an obvious slow one: the longest prefix of a list, found by looking at
 * all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "policy/location.h"

static uint64_t rng_state;

static uint64_t
rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

#define N_REGIONS 5

struct rule {
	struct pol_prefix prefix;
	unsigned region;
};

/* Prefixes crowd in few places, so that they nest and touch. */
static struct pol_prefix
random_prefix(void)
{
	struct pol_addr a = { 0, 0, rng() % 2 ? 4 : 6 };
	unsigned bits = pol_family_bits(a.family), len = rng() % (bits + 1);

	switch (rng() % 4) {
	case 0:
		len = a.family == 4 ? 20 + rng() % 13 : 28 + rng() % 40;
		break;
	case 1:
		len = bits - rng() % 4;
		break;
	case 2:
		len = rng() % 18;
		break;
	}
	a.hi = a.family == 4 ? (uint64_t)(0x0a000000 | (rng() & 0x00030f0f)) << 32
			     : 0x20010db800000000ull | (rng() & 0x0000000f000f0003ull);
	a.lo = a.family == 6 ? rng() & 0xf00000000000000full : 0;
	if (!(rng() % 5)) {
		a.hi = a.family == 4 ? rng() << 32 : rng();
		a.lo = a.family == 6 ? rng() : 0;
	}
	return (struct pol_prefix){ pol_addr_mask(a, len), len };
}

static unsigned
oracle(const struct rule *rules, unsigned n, const struct pol_addr *a)
{
	unsigned region = 0;
	int best = -1;

	for (unsigned i = 0; i < n; i++)
		if (pol_prefix_has(&rules[i].prefix, a) && rules[i].prefix.len > best) {
			best = rules[i].prefix.len;
			region = rules[i].region;
		}
	return region;
}

static unsigned
region_of(const struct loc_info *info)
{
	return info->region ? atoi(info->region + 1) : 0;
}

/* An address inside a/len, often at one of its ends. */
static struct pol_addr
random_inside(struct pol_addr a, unsigned len)
{
	struct pol_addr r = pol_addr_mask(a, len);
	uint64_t hi = ~pol_mask_hi(len), lo = ~pol_mask_lo(len), fill_hi = rng(), fill_lo = rng();

	switch (rng() % 3) {
	case 0:
		fill_hi = fill_lo = 0;
		break;
	case 1:
		fill_hi = fill_lo = ~0ull;
		break;
	}
	if (a.family == 4) {
		hi &= 0xffffffff00000000ull;
		lo = 0;
	}
	r.hi |= hi & fill_hi;
	r.lo |= lo & fill_lo;
	return r;
}

static void
one_map(uint64_t seed)
{
	rng_state = seed * 0x9e3779b97f4a7c15ull + 1;
	unsigned n = 1 + rng() % 60, n_rules = 0;
	struct rule rules[60];
	struct wf_str text = WF_STR_INIT;
	struct wf_err err = { "" };

	for (unsigned i = 0; i < n; i++) {
		struct rule r = { random_prefix(), rng() % N_REGIONS };
		char prefix[POL_PREFIX_STRLEN];
		bool twice = false;

		for (unsigned j = 0; j < n_rules; j++)
			twice |= rules[j].prefix.len == r.prefix.len &&
				 rules[j].prefix.addr.family == r.prefix.addr.family &&
				 !pol_addr_cmp(&rules[j].prefix.addr, &r.prefix.addr);
		if (twice)
			continue;
		rules[n_rules++] = r;
		wf_str_fmt(&text, "%s r%u\n", pol_prefix_format(&r.prefix, prefix), r.region);
	}

	struct loc_db *db = loc_db_from_text(wf_str_cstr(&text), NULL, "r0", &err);

	if (!db)
		fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
	/* Classes that merge two regions, as policies that do not tell them apart make them. */
	uint32_t *class_of = malloc(loc_db_n_locations(db) * sizeof *class_of);
	unsigned merge = rng() % 2 ? N_REGIONS : 2;

	for (uint32_t i = 0; i < loc_db_n_locations(db); i++)
		class_of[i] = region_of(loc_db_info(db, i)) % merge;
	struct loc_table *t = loc_table_new(db, class_of, &err);

	assert_non_null(t);
	for (unsigned i = 0; i < 1000; i++) {
		struct pol_addr a = rng() % 4 ? random_inside(rules[rng() % n_rules].prefix.addr,
							      rules[rng() % n_rules].prefix.len)
					      : random_prefix().addr;
		uint32_t leaf = loc_find(t, &a);
		unsigned scope = pol_leaf_scope(leaf), want = oracle(rules, n_rules, &a);
		struct loc_match match;
		char name[POL_PREFIX_STRLEN];

		if (pol_leaf_class(leaf) != want % merge)
			fail_msg("seed %llu: %s is in class %u, not %u", (unsigned long long)seed,
				 pol_addr_format(&a, name), pol_leaf_class(leaf), want % merge);
		assert_true(scope <= pol_family_bits(a.family));
		loc_db_match(db, &a, &match);
		assert_int_equal(region_of(loc_db_info(db, match.location)), want);
		assert_true(pol_prefix_has(&match.prefix, &a));
		assert_true(scope <= match.prefix.len);
		/* All clients in the scope, and only they are promised, have the same leaf. */
		for (unsigned j = 0; j < 8; j++) {
			struct pol_addr b = random_inside(a, scope);

			if (loc_find(t, &b) != leaf ||
			    oracle(rules, n_rules, &b) % merge != want % merge)
				fail_msg("seed %llu: %s/%u has two answers",
					 (unsigned long long)seed, pol_addr_format(&a, name),
					 scope);
		}
		/* The scope is as wide as can be: twice as wide holds another leaf. */
		if (scope) {
			struct pol_addr sibling = pol_addr_mask(a, scope);

			if (scope <= 64)
				sibling.hi ^= 1ull << (64 - scope);
			else
				sibling.lo ^= 1ull << (128 - scope);
			assert_int_not_equal(loc_find(t, &sibling), leaf);
		}
	}
	loc_table_free(t);
	free(class_of);
	loc_db_free(db);
	wf_str_done(&text);
}

static void
the_table_agrees_with_a_linear_search(void **state)
{
	for (uint64_t seed = 1; seed <= 400; seed++)
		one_map(seed);
}

static void
an_empty_map_is_one_class_of_scope_0(void **state)
{
	struct wf_err err;
	struct loc_db *db = loc_db_from_text("", NULL, NULL, &err);
	uint32_t class_of[1] = { 0 };
	struct pol_addr a;

	assert_int_equal(loc_db_n_locations(db), 1);
	assert_null(loc_db_info(db, 0)->region);
	struct loc_table *t = loc_table_new(db, class_of, &err);

	assert_true(pol_addr_parse("192.0.2.1", &a));
	assert_int_equal(loc_find(t, &a), pol_leaf(0, 0));
	assert_true(pol_addr_parse("2001:db8::1", &a));
	assert_int_equal(loc_find(t, &a), pol_leaf(0, 0));
	assert_int_equal(t->n_blocks4, 0);
	loc_table_free(t);
	loc_db_free(db);
}

static void
attributes_and_times_come_together(void **state)
{
	struct wf_err err = { "" };
	struct loc_db *db = loc_db_from_text(
		"# comment\n"
		"10.0.0.0/8 eu   # behind\r\n"
		"10.1.0.0/16 -  country=DE city=Berlin lat=52.5 lon=13.4 asn=64500\n",
		"10.1.2.0/24 fra=12.5 iad=93\n", "world", &err);
	struct loc_match match;
	struct pol_addr a;

	if (!db)
		fail_msg("%s", err.text);
	pol_addr_parse("10.1.2.3", &a);
	loc_db_match(db, &a, &match);
	const struct loc_info *info = loc_db_info(db, match.location);

	/* The longest prefix counts whole: 10.1/16 has no region of its own, so the default is
	 * taken. */
	assert_string_equal(info->region, "world");
	assert_string_equal(info->country, "DE");
	assert_int_equal(info->asn, 64500);
	assert_true(info->has_coords && info->lat == 52.5 && info->lon == 13.4);
	assert_int_equal(info->n_rtt, 2);
	assert_string_equal(info->rtt[1].site, "iad");
	assert_true(info->rtt[0].ms == 12.5);
	assert_int_equal(match.own->line, 3);
	assert_int_equal(match.rtt->line, 1);
	assert_int_equal(match.prefix.len, 24);

	pol_addr_parse("10.200.0.1", &a);
	loc_db_match(db, &a, &match);
	assert_string_equal(loc_db_info(db, match.location)->region, "eu");
	assert_int_equal(match.own->line, 2);
	assert_null(match.rtt);
	loc_db_free(db);
}

static const struct {
	const char *name, *map, *rtt;
	const char *parts[3];
} bad[] = {
	{ "no prefix", "\nmoon eu\n", NULL, { "map:2: ", "\"moon\"", "192.0.2.0/24" } },
	{ "bits past the length",
	  "10.0.0.1/8 eu",
	  NULL,
	  { "map:1: ", "\"10.0.0.1/8\"", "is 10.0.0.0/8" } },
	{ "length 33", "10.0.0.0/33 eu", NULL, { "0 to 32" } },
	{ "length 129", "::/129 eu", NULL, { "0 to 128" } },
	{ "a sign in the length", "10.0.0.0/+8 eu", NULL, { "0 to 32" } },
	{ "no length", "10.0.0.0/ eu", NULL, { "0 to 32" } },
	{ "no region", "10.0.0.0/8", NULL, { "map:1: ", "has no region" } },
	{ "a bad region", "10.0.0.0/8 e\"u", NULL, { "letters, digits" } },
	{ "twice",
	  "10.0.0.0/8 eu\n# x\n10.0.0.0/8 us\n",
	  NULL,
	  { "map:3: ", "10.0.0.0/8", "map:1" } },
	{ "not key=value", "10.0.0.0/8 eu x", NULL, { "key=value" } },
	{ "an unknown key", "10.0.0.0/8 eu planet=mars", NULL, { "\"planet\"", "there are lat" } },
	{ "a latitude", "10.0.0.0/8 eu lat=91 lon=0", NULL, { "-90 to 90" } },
	{ "nan", "10.0.0.0/8 eu lat=nan lon=0", NULL, { "-90 to 90" } },
	{ "a half place", "10.0.0.0/8 eu lat=1", NULL, { "lon is missing" } },
	{ "an AS number", "10.0.0.0/8 eu asn=0", NULL, { "1 to 4294967295" } },
	{ "times without a site", "", "10.0.0.0/8 12", { "rtt:1: ", "SITE=MS" } },
	{ "no times", "", "10.0.0.0/8", { "rtt:1: ", "no times" } },
	{ "negative time", "", "10.0.0.0/8 fra=-1", { "0 to 60000" } },
};

static void
a_bad_line_is_refused_with_its_number(void **state)
{
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct wf_err err = { "" };

		assert_null(loc_db_from_text(bad[i].map, bad[i].rtt, NULL, &err));
		for (size_t j = 0; j < 3 && bad[i].parts[j]; j++)
			if (!strstr(err.text, bad[i].parts[j]))
				fail_msg("%s: no \"%s\" in: %s", bad[i].name, bad[i].parts[j],
					 err.text);
	}
}

static void
addresses_convert_both_ways(void **state)
{
	static const char *const texts[] = { "0.0.0.0", "255.255.255.255", "192.0.2.77",
					     "::", "2001:db8::ff00:0:1" };

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct pol_addr a, b;
		char text[POL_PREFIX_STRLEN];
		uint8_t bytes[16];

		assert_true(pol_addr_parse(texts[i], &a));
		assert_string_equal(pol_addr_format(&a, text), texts[i]);
		pol_addr_to_bytes(&a, bytes);
		b = pol_addr_from_bytes(a.family, bytes);
		assert_int_equal(pol_addr_cmp(&a, &b), 0);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_convert_both_ways),
		cmocka_unit_test(an_empty_map_is_one_class_of_scope_0),
		cmocka_unit_test(attributes_and_times_come_together),
		cmocka_unit_test(a_bad_line_is_refused_with_its_number),
		cmocka_unit_test(the_table_agrees_with_a_linear_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
