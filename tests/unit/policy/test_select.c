// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "tests/unit/policy/policy_json.h"

#define PLACES                                                                                     \
	"'location': {'prefix': ["                                                                 \
	"  {'prefix': '10.1.0.0/16', 'region': 'eu', 'country': 'DE', 'lat': '52.5', 'lon': "      \
	"'13.4'},"                                                                                 \
	"  {'prefix': '10.2.0.0/16', 'region': 'us', 'country': 'US', 'lat': '40.7', 'lon': "      \
	"'-74'},"                                                                                  \
	"  {'prefix': '10.3.0.0/16', 'region': 'jp', 'lat': '35.7', 'lon': '139.7'},"              \
	"  {'prefix': '10.4.0.0/16', 'region': 'nowhere'}]},"

#define THREE_POOLS                                                                                \
	"'pool': ["                                                                                \
	"  {'name': 'fra', 'lat': '50.1', 'lon': '8.7', 'member': [{'name': 'a', 'address': "      \
	"['192.0.2.1']}]},"                                                                        \
	"  {'name': 'iad', 'lat': '38.9', 'lon': '-77.4', 'member': [{'name': 'a', 'address': "    \
	"['192.0.2.2']}]},"                                                                        \
	"  {'name': 'nrt', 'lat': '35.8', 'lon': '140.4', 'member': [{'name': 'a', 'address': "    \
	"['192.0.2.3']}]}],"

static const struct pol_hot *
hot(const struct pol *pol, const char *policy)
{
	return pol_policy_hot(pol_find(pol, policy));
}

static unsigned
choose_set(const struct pol *pol, const char *policy, const char *client, unsigned draw,
	   unsigned *scope)
{
	struct pol_addr a;

	assert_true(pol_addr_parse(client, &a));
	return pol_choose(hot(pol, policy), loc_find(pol_table(pol), &a), &a, draw, scope);
}

/* "pool/member pool/member" of an answer; static storage. */
static const char *
choose(const struct pol *pol, const char *policy, const char *client, unsigned draw)
{
	static char text[512];
	unsigned scope, n, set = choose_set(pol, policy, client, draw, &scope);
	const uint32_t *m = pol_set_members(pol_find(pol, policy), set, &n);

	text[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		const struct pol_member *member = pol_member_at(pol, m[i]);

		sprintf(text + strlen(text), "%s%s/%s", i ? " " : "",
			pol_pool_at(pol, member->pool)->name, member->name);
	}
	return text;
}

/* How many of the 256 draws go to a member. */
static unsigned
share_of(const struct pol *pol, const char *policy, const char *client, const char *who)
{
	unsigned n = 0;

	for (unsigned d = 0; d < POL_DRAWS; d++)
		n += !strcmp(choose(pol, policy, client, d), who);
	return n;
}

static void
nearest_goes_by_distance_and_moves_on(void **state)
{
	struct pol *pol = policy_make(
		PLACES THREE_POOLS "'policy': [{'name': 'p', 'order': ['nearest']}]", NULL);
	unsigned scope;

	assert_string_equal(choose(pol, "p", "10.1.2.3", 0), "fra/a");
	assert_string_equal(choose(pol, "p", "10.2.2.3", 7), "iad/a");
	assert_string_equal(choose(pol, "p", "10.3.2.3", 255), "nrt/a");
	/* Without coordinates: one tier, shared. */
	assert_in_range(share_of(pol, "p", "10.4.0.1", "fra/a"), 85, 86);

	choose_set(pol, "p", "10.1.2.3", 0, &scope);
	assert_int_equal(scope, 16);

	uint64_t generation = hot(pol, "p")->view->generation;

	assert_true(pol_set_up(pol, "fra", "a", false));
	assert_string_equal(choose(pol, "p", "10.1.2.3", 0), "fra/a");
	assert_int_equal(pol_commit(pol), 1);
	assert_string_equal(choose(pol, "p", "10.1.2.3", 0), "iad/a");
	assert_int_equal(hot(pol, "p")->view->generation, generation + 1);
	/* Nothing changes twice, nor what nobody sees. */
	assert_true(pol_set_up(pol, "fra", "a", false));
	assert_int_equal(pol_commit(pol), 0);
	pol_set_up(pol, "fra", "a", true);
	pol_commit(pol);
	assert_string_equal(choose(pol, "p", "10.1.2.3", 0), "fra/a");
	assert_false(pol_set_up(pol, "fra", "zz", true));
	pol_free(pol);
}

static void
tolerance_shares_what_is_about_as_near(void **state)
{
	struct pol *pol = policy_make(
		PLACES THREE_POOLS
		"'policy': [{'name': 'p', 'order': ['nearest'], 'tolerance-km': 20000}]",
		NULL);

	assert_in_range(share_of(pol, "p", "10.1.0.1", "fra/a"), 85, 86);
	assert_in_range(share_of(pol, "p", "10.1.0.1", "nrt/a"), 85, 86);
	pol_free(pol);
}

static void
a_region_map_takes_the_finest_entry(void **state)
{
	struct pol *pol = policy_make(
		PLACES THREE_POOLS
		"'policy': [{'name': 'p', 'order': ['region-map', 'failover'], 'match': ["
		"  {'what': 'default', 'pool': ['fra']},"
		"  {'what': 'country=DE', 'pool': ['iad']},"
		"  {'what': 'region=us', 'pool': ['nrt', 'iad']}]}]",
		NULL);

	assert_string_equal(choose(pol, "p", "10.1.0.1", 3), "iad/a");
	assert_string_equal(choose(pol, "p", "10.2.0.1", 3), "nrt/a");
	assert_string_equal(choose(pol, "p", "10.3.0.1", 3), "fra/a");
	assert_string_equal(choose(pol, "p", "203.0.113.1", 3), "fra/a");
	/* The entry's order, then the others. */
	pol_set_up(pol, "nrt", "a", false);
	pol_commit(pol);
	assert_string_equal(choose(pol, "p", "10.2.0.1", 3), "iad/a");
	pol_set_up(pol, "iad", "a", false);
	pol_commit(pol);
	assert_string_equal(choose(pol, "p", "10.2.0.1", 3), "fra/a");
	pol_free(pol);
}

static void
only_matched_leaves_the_others_out(void **state)
{
	struct pol *pol = policy_make(
		PLACES THREE_POOLS
		"'policy': [{'name': 'p', 'order': ['region-map', 'failover'], 'only-matched': true, 'match': ["
		"  {'what': 'country=DE', 'pool': ['iad']},"
		"  {'what': 'region=jp', 'pool': []},"
		"  {'what': 'region=us', 'pool': ['nrt', 'iad']}]}]",
		NULL);

	assert_string_equal(choose(pol, "p", "10.1.0.1", 3), "iad/a");
	assert_string_equal(choose(pol, "p", "10.2.0.1", 3), "nrt/a");
	assert_string_equal(choose(pol, "p", "10.3.0.1", 3), "");
	assert_string_equal(choose(pol, "p", "203.0.113.1", 3), "");
	/* All that it names is down: as if all of that were up. */
	pol_set_up(pol, "iad", "a", false);
	pol_commit(pol);
	assert_string_equal(choose(pol, "p", "10.1.0.1", 3), "iad/a");
	assert_string_equal(choose(pol, "p", "10.2.0.1", 3), "nrt/a");
	pol_set_up(pol, "nrt", "a", false);
	pol_commit(pol);
	assert_string_equal(choose(pol, "p", "10.2.0.1", 3), "nrt/a");
	assert_string_equal(choose(pol, "p", "203.0.113.1", 3), "");
	pol_free(pol);
}

static void
a_policy_without_location_has_scope_0(void **state)
{
	struct pol *pol = policy_make(
		PLACES THREE_POOLS
		"'policy': [{'name': 'failover', 'order': ['failover']}, {'name': 'weighted'},"
		"           {'name': 'sticky', 'sticky': {}}, {'name': 'near', 'order': "
		"['nearest'], 'sticky': {}}]",
		NULL);
	unsigned scope;

	assert_string_equal(choose(pol, "failover", "10.2.0.1", 9), "fra/a");
	choose_set(pol, "failover", "10.1.0.1", 0, &scope);
	assert_int_equal(scope, 0);
	choose_set(pol, "weighted", "2001:db8::1", 0, &scope);
	assert_int_equal(scope, 0);
	choose_set(pol, "sticky", "10.1.0.1", 0, &scope);
	assert_int_equal(scope, 24);
	choose_set(pol, "sticky", "2001:db8::1", 0, &scope);
	assert_int_equal(scope, 56);
	choose_set(pol, "near", "10.1.0.1", 0, &scope);
	assert_int_equal(scope, 24);
	pol_free(pol);
}

#define TEN_MEMBERS                                                                                \
	"'pool': [{'name': 'x', 'member': ["                                                       \
	"  {'name': 'm0', 'weight': 1, 'address': ['192.0.2.10']}, {'name': 'm1', 'weight': 2, "   \
	"'address': ['192.0.2.11']},"                                                              \
	"  {'name': 'm2', 'weight': 3, 'address': ['192.0.2.12']}, {'name': 'm3', 'weight': 4, "   \
	"'address': ['192.0.2.13']},"                                                              \
	"  {'name': 'm4', 'weight': 0, 'address': ['192.0.2.14']}, {'name': 'm5', 'weight': 6, "   \
	"'address': ['192.0.2.15']}]}],"

static void
shares_follow_weights_within_a_draw(void **state)
{
	struct pol *pol = policy_make(TEN_MEMBERS "'policy': [{'name': 'p'}]", NULL);
	static const unsigned weights[] = { 1, 2, 3, 4, 0, 6 };

	for (unsigned i = 0; i < 6; i++) {
		char who[8];

		sprintf(who, "x/m%u", i);
		assert_int_equal(share_of(pol, "p", "10.0.0.1", who), weights[i] * 16);
	}
	pol_free(pol);
}

static void
a_member_that_goes_down_moves_its_own_draws_only(void **state)
{
	struct pol *pol = policy_make(TEN_MEMBERS "'policy': [{'name': 'p', 'sticky': {}}]", NULL);
	uint16_t before[POL_DRAWS], moved = 0;

	memcpy(before, hot(pol, "p")->view->rows[0], sizeof before);
	pol_set_up(pol, "x", "m3", false);
	pol_commit(pol);
	const uint16_t *after = hot(pol, "p")->view->rows[0];

	for (unsigned d = 0; d < POL_DRAWS; d++) {
		unsigned n;
		const uint32_t *m = pol_set_members(pol_find(pol, "p"), before[d], &n);

		if (strcmp(pol_member_at(pol, m[0])->name, "m3"))
			assert_int_equal(after[d], before[d]);
		else
			assert_int_not_equal(after[d], before[d]);
		moved += after[d] != before[d];
	}
	assert_int_equal(moved, 64);
	pol_set_up(pol, "x", "m3", true);
	pol_commit(pol);
	assert_memory_equal(hot(pol, "p")->view->rows[0], before, sizeof before);
	pol_free(pol);
}

static void
load_sheds_step_by_step(void **state)
{
	struct pol *pol = policy_make(
		PLACES THREE_POOLS "'policy': [{'name': 'p', 'order': ['nearest']}]", NULL);
	unsigned last = 256;
	uint16_t before[POL_DRAWS];

	for (int percent = 70; percent <= 100; percent++) {
		memcpy(before, hot(pol, "p")->view->rows[hot(pol, "p")->row_of_class[0]],
		       sizeof before);
		pol_set_load(pol, "fra", "a", percent / 100.0f);
		pol_commit(pol);
		unsigned share = share_of(pol, "p", "10.1.0.1", "fra/a");

		if (percent <= 80)
			assert_int_equal(share, 256);
		else if (percent >= 95)
			assert_int_equal(share, 0);
		else
			assert_in_range(share, (95 - percent) * 256 / 15 - 2,
					(95 - percent) * 256 / 15 + 2);
		assert_true(share <= last);
		/* What is shed goes to the next one. */
		assert_int_equal(share_of(pol, "p", "10.1.0.1", "iad/a"), 256 - share);
		last = share;
	}
	/* All loaded: load does not count. */
	pol_set_load(pol, "iad", "a", 1);
	pol_set_load(pol, "nrt", "a", 2);
	pol_commit(pol);
	assert_int_equal(share_of(pol, "p", "10.1.0.1", "fra/a"), 256);
	pol_free(pol);
}

static void
least_loaded_follows_what_is_free(void **state)
{
	struct pol *pol =
		policy_make(TEN_MEMBERS "'policy': [{'name': 'p', 'share': 'least-loaded'}]", NULL);
	unsigned before = share_of(pol, "p", "10.0.0.1", "x/m3");

	for (int i = 0; i < 6; i++) {
		char who[4];

		sprintf(who, "m%d", i);
		pol_set_load(pol, "x", who, i == 3 ? 0.75 : 0);
	}
	pol_commit(pol);
	unsigned after = share_of(pol, "p", "10.0.0.1", "x/m3");

	assert_int_equal(before, 64);
	/* A quarter of weight 4 against 12 of the others. */
	assert_in_range(after, 19, 21);
	pol_free(pol);
}

static void
drain_takes_no_client_unless_nobody_else_can(void **state)
{
	struct pol *pol = policy_make(
		PLACES THREE_POOLS "'policy': [{'name': 'p', 'order': ['failover']}]", NULL);

	pol_set_drain(pol, "fra", "a", true);
	pol_commit(pol);
	assert_string_equal(choose(pol, "p", "10.1.0.1", 0), "iad/a");
	pol_set_up(pol, "iad", "a", false);
	pol_set_up(pol, "nrt", "a", false);
	pol_commit(pol);
	assert_string_equal(choose(pol, "p", "10.1.0.1", 0), "fra/a");
	pol_free(pol);
}

static void
all_down_does_what_the_policy_says(void **state)
{
	wf_clock_stop();
	wf_clock_warp(1000000);
	struct pol *pol = policy_make(
		PLACES
		"'pool': [{'name': 'a', 'member': [{'name': 'm', 'address': ['192.0.2.1']}]},"
		"         {'name': 'b', 'member': [{'name': 'm', 'address': ['192.0.2.2']}]},"
		"         {'name': 'sorry', 'answer': 'all', 'member': [{'name': 'm', 'address': "
		"['192.0.2.3']},"
		"                                                       {'name': 'n', 'address': "
		"['192.0.2.4']}]}],"
		"'policy': ["
		"  {'name': 'all', 'candidate': [{'pool': 'a'}, {'pool': 'b'}], 'order': "
		"['failover']},"
		"  {'name': 'none', 'candidate': [{'pool': 'a'}, {'pool': 'b'}], 'order': "
		"['failover'], 'all-down': 'none'},"
		"  {'name': 'fallback', 'candidate': [{'pool': 'a'}, {'pool': 'b'}], 'order': "
		"['failover'],"
		"   'all-down': 'fallback', 'fallback-pool': 'sorry'},"
		"  {'name': 'last', 'candidate': [{'pool': 'a'}, {'pool': 'b'}], 'order': "
		"['failover'], 'all-down': 'last-good'}]",
		NULL);
	unsigned scope;

	pol_set_up(pol, "a", "m", false);
	pol_commit(pol);
	/* Region a has been down for long: it is not "last good" when b follows. */
	wf_clock_warp(61000);
	pol_set_up(pol, "b", "m", false);
	pol_commit(pol);
	assert_string_equal(choose(pol, "all", "10.1.0.1", 0), "a/m");
	assert_int_equal(choose_set(pol, "none", "10.1.0.1", 0, &scope), POL_SET_NONE);
	assert_string_equal(choose(pol, "fallback", "10.1.0.1", 0), "sorry/m sorry/n");
	assert_string_equal(choose(pol, "last", "10.1.0.1", 0), "b/m");
	pol_set_up(pol, "sorry", "m", false);
	pol_commit(pol);
	assert_string_equal(choose(pol, "fallback", "10.1.0.1", 0), "sorry/n");
	pol_set_up(pol, "sorry", "n", false);
	pol_commit(pol);
	assert_string_equal(choose(pol, "fallback", "10.1.0.1", 0), "sorry/m sorry/n");
	/* Back again. */
	pol_set_up(pol, "b", "m", true);
	pol_commit(pol);
	assert_string_equal(choose(pol, "none", "10.1.0.1", 0), "b/m");
	pol_free(pol);
}

static void
below_the_floor_a_pool_is_down(void **state)
{
	struct pol *pol = policy_make(
		"'pool': [{'name': 'a', 'floor': 2, 'answer': 'all', 'member': [{'name': 'm', "
		"'address': ['192.0.2.1']},"
		"           {'name': 'n', 'address': ['192.0.2.2']}, {'name': 'o', 'address': "
		"['192.0.2.3']}]},"
		"         {'name': 'b', 'member': [{'name': 'm', 'address': ['192.0.2.4']}]}],"
		"'policy': [{'name': 'p', 'order': ['failover']}]",
		NULL);

	assert_string_equal(choose(pol, "p", "10.1.0.1", 0), "a/m a/n a/o");
	pol_set_up(pol, "a", "m", false);
	pol_commit(pol);
	assert_string_equal(choose(pol, "p", "10.1.0.1", 0), "a/n a/o");
	pol_set_up(pol, "a", "n", false);
	pol_commit(pol);
	assert_string_equal(choose(pol, "p", "10.1.0.1", 0), "b/m");
	pol_free(pol);
}

static unsigned n_calls[2], n_sets_seen;

static void
on_change(void *pol, struct pol_policy *p, bool after)
{
	n_calls[after]++;
	/* New sets are there before anybody can choose them. */
	if (!after)
		n_sets_seen = pol_n_sets(p);
}

static void
the_change_hook_sees_sets_before_they_count(void **state)
{
	struct pol *pol = policy_make(
		"'pool': [{'name': 'a', 'answer': 'all', 'member': [{'name': 'm', 'address': "
		"['192.0.2.1']},"
		"           {'name': 'n', 'address': ['192.0.2.2']}]}], 'policy': [{'name': 'p'}]",
		NULL);

	/* The empty one and the whole pool. */
	assert_int_equal(pol_n_sets(pol_find(pol, "p")), 2);
	pol_on_change(pol, on_change, pol);
	pol_set_up(pol, "a", "m", false);
	assert_int_equal(pol_commit(pol), 1);
	assert_int_equal(n_calls[0], 1);
	assert_int_equal(n_calls[1], 1);
	assert_int_equal(n_sets_seen, 3);
	pol_free(pol);
}

static void
a_reload_keeps_what_is_known(void **state)
{
	struct pol *old = policy_make(
		PLACES THREE_POOLS "'policy': [{'name': 'p', 'order': ['nearest']}]", NULL);

	pol_set_up(old, "fra", "a", false);
	pol_commit(old);
	struct pol *pol = policy_make(
		PLACES THREE_POOLS "'policy': [{'name': 'q', 'order': ['nearest']}]", old);

	/* The same location data, not read again. */
	assert_ptr_equal(pol_location_db(pol), pol_location_db(old));
	pol_free(old);
	assert_string_equal(choose(pol, "q", "10.1.0.1", 0), "iad/a");
	pol_free(pol);
}

static void
ranks_agree_without_state(void **state)
{
	struct pol *pol = policy_make(
		PLACES THREE_POOLS "'policy': [{'name': 'p', 'order': ['nearest']}]", NULL);
	struct pol_addr a;
	uint32_t m[3];

	pol_addr_parse("10.1.0.1", &a);
	uint32_t class_id = pol_leaf_class(loc_find(pol_table(pol), &a));

	pol_set_up(pol, "fra", "a", false);
	pol_commit(pol);
	assert_int_equal(pol_rank(pol, pol_find(pol, "p"), class_id, 0, true, true, m, 3), 3);
	assert_string_equal(pol_pool_at(pol, pol_member_at(pol, m[0])->pool)->name, "fra");
	assert_string_equal(pol_pool_at(pol, pol_member_at(pol, m[1])->pool)->name, "iad");
	assert_string_equal(pol_pool_at(pol, pol_member_at(pol, m[2])->pool)->name, "nrt");
	assert_int_equal(pol_rank(pol, pol_find(pol, "p"), class_id, 0, false, true, m, 3), 2);
	assert_string_equal(pol_pool_at(pol, pol_member_at(pol, m[0])->pool)->name, "iad");
	pol_free(pol);
}

static void
why_says_all_of_it(void **state)
{
	struct pol *pol = policy_make(
		PLACES THREE_POOLS "'policy': [{'name': 'p', 'order': ['nearest']}]", NULL);
	static const char *const parts[] = {
		"client    10.1.2.3 in 10.1.0.0/16, scope /16\n",
		"location/prefix: 10.1.0.0/16",
		"region=eu",
		"fra/a: down",
		"km, share 100.0 %: down",
		"iad/a: up, load 50 %",
		": chosen\n",
		"answer    iad/a\n",
		"nearest; tier 2 of 3",
		"nrt/a: up, 8939 km",
		"not needed",
	};
	struct pol_addr a;

	pol_set_up(pol, "fra", "a", false);
	pol_set_load(pol, "iad", "a", 0.5);
	pol_commit(pol);
	pol_addr_parse("10.1.2.3", &a);
	json_t *why = pol_explain(pol, pol_find(pol, "p"), &a, -1);
	char *text = pol_explain_text(why);

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (!strstr(text, parts[i]))
			fail_msg("no \"%s\" in:\n%s", parts[i], text);
	json_decref(why);
	free(text);
	pol_free(pol);
}

/* ---- Random configurations and changes ---- */

static uint64_t rng_state;

static unsigned
rng(unsigned n)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (rng_state >> 20) % n;
}

/* Pools of 1 to 4 members, policies of every kind over some of them. */
static char *
random_conf(unsigned *n_pools, unsigned n_members[8], unsigned *n_policies)
{
	static const char *const orders[] = { "",
					      "'nearest'",
					      "'failover'",
					      "'region-map'",
					      "'region-map', 'nearest'",
					      "'region-map', 'failover'",
					      "'nearest', 'failover'" };
	static const char *const downs[] = { "all", "none", "fallback', 'fallback-pool': 'p0",
					     "last-good" };
	static const char *const places[] = { "'lat': '50', 'lon': '10',",
					      "'lat': '40', 'lon': '120',",
					      "'lat': '10', 'lon': '60'," };
	struct wf_str s = WF_STR_INIT;

	wf_str_put(&s, "'location': {'prefix': [");
	for (unsigned i = 0; i < 6; i++)
		wf_str_fmt(
			&s,
			"%s{'prefix': '10.%u.0.0/%u', 'region': 'r%u', 'lat': '%u', 'lon': '%u'}",
			i ? "," : "", i * 16, 12 + rng(3), rng(3), rng(80), rng(170));
	wf_str_put(&s, "]}, 'pool': [");
	*n_pools = 2 + rng(5);
	for (unsigned i = 0; i < *n_pools; i++) {
		n_members[i] = 1 + rng(4);
		wf_str_fmt(&s, "%s{'name': 'p%u', 'floor': %u, 'answer': %s, %s 'member': [",
			   i ? "," : "", i, 1 + rng(n_members[i]),
			   rng(3)   ? "1"
			   : rng(2) ? "2"
				    : "'all'",
			   rng(5) ? places[rng(3)] : "");
		for (unsigned j = 0; j < n_members[i]; j++)
			wf_str_fmt(&s, "%s{'name': 'm%u', 'weight': %u, 'address': ['192.0.2.%u']}",
				   j ? "," : "", j, 1 + rng(5), i * 10 + j);
		wf_str_put(&s, "]}");
	}
	wf_str_put(&s, "], 'policy': [");
	*n_policies = 1 + rng(4);
	for (unsigned i = 0; i < *n_policies; i++) {
		const char *order = orders[rng(7)];

		wf_str_fmt(
			&s, "%s{'name': 'x%u', 'order': [%s], 'all-down': '%s', 'share': '%s'%s%s",
			i ? "," : "", i, order, downs[rng(4)], rng(3) ? "weighted" : "least-loaded",
			rng(3) ? "" : ", 'sticky': {}", rng(3) ? "" : ", 'tolerance-km': 3000");
		if (strstr(order, "region-map"))
			wf_str_fmt(&s,
				   ", 'match': [{'what': 'region=r1', 'pool': ['p1', 'p0']}, "
				   "{'what': 'default', 'pool': ['p%u']}]",
				   rng(*n_pools));
		wf_str_put(&s, "}");
	}
	wf_str_put(&s, "]");
	return wf_str_steal(&s);
}

static bool
same_members(const struct pol_policy *p, unsigned a, const struct pol_policy *q, unsigned b)
{
	unsigned n, m;
	const uint32_t *x = pol_set_members(p, a, &n), *y = pol_set_members(q, b, &m);

	return n == m && (!n || !memcmp(x, y, n * sizeof *x));
}

/* Somebody could take the client: up, not draining, in a pool that has its floor, not overloaded or
 * all are. */
static bool
anyone_can(const struct pol *pol, const struct pol_policy *p)
{
	const struct pol_policy_conf *conf = pol_policy_conf(p);

	for (unsigned i = 0; i < conf->n_candidates; i++) {
		const struct pol_pool *pool = pol_pool_at(pol, conf->candidates[i].pool);
		unsigned up = 0, fit = 0;

		for (unsigned j = 0; j < pool->n_members; j++) {
			const struct pol_member *m = pol_member_at(pol, pool->first_member + j);

			up += m->up;
			fit += m->up && !m->drain;
		}
		if (up >= pool->floor && fit)
			return true;
	}
	return false;
}

static void
check_policy(const struct pol *pol, const struct pol_policy *p, const struct pol *fresh,
	     const struct pol_policy *q, uint64_t seed)
{
	const struct pol_hot *hot_p = pol_policy_hot(p), *hot_q = pol_policy_hot(q);
	bool can = anyone_can(pol, p);

	/* What commits made step by step is what a build makes at once. */
	assert_int_equal(hot_p->view->n_rows, hot_q->view->n_rows);
	for (unsigned r = 0; r < hot_p->view->n_rows; r++)
		for (unsigned d = 0; d < POL_DRAWS; d++) {
			unsigned n, set = hot_p->view->rows[r][d];
			const uint32_t *m = pol_set_members(p, set, &n);

			if (!same_members(p, set, q, hot_q->view->rows[r][d]))
				fail_msg("seed %llu: row %u draw %u differs from a fresh build",
					 (unsigned long long)seed, r, d);
			if (can && !n)
				fail_msg("seed %llu: empty though somebody can",
					 (unsigned long long)seed);
			for (unsigned i = 0; can && i < n; i++)
				if (!pol_member_at(pol, m[i])->up ||
				    pol_member_at(pol, m[i])->drain)
					fail_msg("seed %llu: row %u draw %u: an answer that is "
						 "down or drains",
						 (unsigned long long)seed, r, d);
		}
	/* Everybody in the scope gets the same. */
	for (unsigned i = 0; i < 50; i++) {
		struct pol_addr a = { (uint64_t)(0x0a000000 + (rng(1 << 23))) << 32, 0, 4 }, b;
		unsigned draw = rng(256), scope, scope_b;
		unsigned set = pol_choose(hot_p, loc_find(pol_table(pol), &a), &a, draw, &scope);

		b = pol_addr_mask(a, scope);
		b.hi |= ((uint64_t)rng(1 << 30) << 32) & ~pol_mask_hi(scope) &
			0xffffffff00000000ull;
		if (pol_choose(hot_p, loc_find(pol_table(pol), &b), &b, draw, &scope_b) != set ||
		    scope_b != scope)
			fail_msg("seed %llu: two answers in one scope", (unsigned long long)seed);
	}
}

static void
one_life(uint64_t seed)
{
	unsigned n_pools, n_members[8], n_policies;

	rng_state = seed * 0x9e3779b97f4a7c15ull + 99;
	char *conf = random_conf(&n_pools, n_members, &n_policies);
	struct pol *pol = policy_make(conf, NULL);

	for (unsigned step = 0; step < 12; step++) {
		for (unsigned k = 1 + rng(3); k; k--) {
			char pool[16], member[16];
			unsigned i = rng(n_pools);

			sprintf(pool, "p%u", i);
			sprintf(member, "m%u", rng(n_members[i]));
			switch (rng(4)) {
			case 0:
				pol_set_drain(pol, pool, member, rng(2));
				break;
			case 1:
				pol_set_load(pol, pool, member, rng(120) / 100.0f);
				break;
			default:
				pol_set_up(pol, pool, member, rng(3) == 0);
			}
			wf_clock_warp(rng(40000));
		}
		pol_commit(pol);
		struct pol *fresh = policy_make(conf, pol);

		/* A build takes drain from the configuration; here it is state. */
		for (uint32_t i = 0; i < pol_n_members(pol); i++) {
			const struct pol_member *m = pol_member_at(pol, i);

			pol_member_set(fresh, i, m->up, m->drain, m->load, 1);
		}
		pol_commit(fresh);
		for (unsigned i = 0; i < n_policies; i++)
			check_policy(pol, pol_policy_at(pol, i), fresh, pol_policy_at(fresh, i),
				     seed);
		pol_free(fresh);
	}
	pol_free(pol);
	free(conf);
	wf_rcu_run();
}

static void
random_lives_hold_their_promises(void **state)
{
	wf_clock_stop();
	for (uint64_t seed = 1; seed <= 60; seed++)
		one_life(seed);
}

/* ---- Readers beside changes ---- */

static const struct pol *shared_pol; /* published with release */
static int stop_readers;

static void *
reader(void *arg)
{
	uint64_t n = 0, x = (uintptr_t)arg;

	wf_rcu_register("reader");
	while (!__atomic_load_n(&stop_readers, __ATOMIC_RELAXED)) {
		const struct pol *pol = __atomic_load_n(&shared_pol, __ATOMIC_ACQUIRE);

		for (int burst = 0; burst < 32; burst++, n++) {
			struct pol_addr a = { 0x0a00000000000000ull | (x = pol_mix64(x + 1)) >> 8,
					      0, 4 };
			unsigned scope,
				set = pol_choose(pol_policy_hot(pol_policy_at(pol, 0)),
						 loc_find(pol_table(pol), &a), &a, x & 255, &scope);

			/* One of a few sets, and one that is there: none for nobody. */
			if (set == POL_SET_NONE || set > 3 || scope > 32)
				abort();
		}
		wf_rcu_quiescent();
	}
	wf_rcu_unregister();
	*(uint64_t *)arg = n;
	return NULL;
}

static void
free_pol(void *pol)
{
	pol_free(pol);
}

static void
readers_go_on_while_health_and_maps_change(void **state)
{
	static const char conf[] =
		PLACES THREE_POOLS "'policy': [{'name': 'p', 'order': ['nearest']}]";
	struct pol *pol = policy_make(conf, NULL);
	uint64_t counts[2] = { 1, 2 };
	pthread_t threads[2];

	__atomic_store_n(&shared_pol, pol, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, reader, &counts[i]);
	for (int i = 0; i < 300; i++) {
		pol_set_up(pol, "fra", "a", i & 1);
		pol_set_load(pol, "iad", "a", i % 100 / 100.0f);
		pol_commit(pol);
		if (i % 20 == 19) {
			struct pol *next = policy_make(conf, pol);

			__atomic_store_n(&shared_pol, next, __ATOMIC_RELEASE);
			wf_rcu_call(free_pol, pol);
			pol = next;
		}
		wf_rcu_run();
	}
	__atomic_store_n(&stop_readers, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	wf_rcu_drain();
	pol_free(pol);
}

static const struct {
	const char *name, *conf;
	const char *parts[3];
} bad[] = {
	{ "floor above the members",
	  "'pool': [{'name': 'a', 'floor': 2, 'member': [{'name': 'm', 'address': "
	  "['192.0.2.1']}]}]",
	  { "pool[name='a']/floor", "2 is more than its 1" } },
	{ "watermarks crossed",
	  "'pool': [{'name': 'a', 'low-watermark': 90, 'high-watermark': 80, 'member': [{'name': "
	  "'m', 'address': ['192.0.2.1']}]}]",
	  { "pool[name='a']", "must be below" } },
	{ "a pool that is not there",
	  "'policy': [{'name': 'p', 'candidate': [{'pool': 'x'}]}]",
	  { "candidate[pool='x']/pool", "\"x\"" } },
	{ "no pool at all", "'policy': [{'name': 'p'}]", { "policy[name='p']", "0 candidates" } },
	{ "a map without its order",
	  "'pool': [{'name': 'a', 'member': [{'name': 'm', 'address': ['192.0.2.1']}]}], 'policy': "
	  "[{'name': 'p', 'match': "
	  "[{'what': 'default', 'pool': ['a']}]}]",
	  { "needs the order region-map" } },
	{ "a match that names no candidate",
	  "'pool': [{'name': 'a', 'member': [{'name': 'm', 'address': ['192.0.2.1']}]}, {'name': "
	  "'b', 'member': [{'name': 'm', "
	  "'address': ['192.0.2.1']}]}], 'policy': [{'name': 'p', 'order': ['region-map'], "
	  "'candidate': [{'pool': 'a'}], "
	  "'match': [{'what': 'default', 'pool': ['b']}]}]",
	  { "match[what='default']/pool", "\"b\" is not among" } },
	{ "fallback to nothing",
	  "'pool': [{'name': 'a', 'member': [{'name': 'm', 'address': ['192.0.2.1']}]}], "
	  "'policy': [{'name': 'p', 'all-down': 'fallback'}]",
	  { "needs a fallback-pool" } },
	{ "a member without address",
	  "'pool': [{'name': 'a', 'member': [{'name': 'm'}]}]",
	  { "needs an address" } },
	{ "a map file that is not there",
	  "'location': {'map-file': ['/nonexistent/map']}",
	  { "/nonexistent/map: ", "No such file" } },
};

static void
a_bad_configuration_is_refused(void **state)
{
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct wf_err err = { "" };
		struct pol *pol = NULL;

		assert_true(policy_try(bad[i].conf, NULL, &pol, &err) < 0);
		assert_null(pol);
		for (size_t j = 0; j < 3 && bad[i].parts[j]; j++)
			if (!strstr(err.text, bad[i].parts[j]))
				fail_msg("%s: no \"%s\" in: %s", bad[i].name, bad[i].parts[j],
					 err.text);
	}
}

int
main(int argc, char *argv[])
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest_goes_by_distance_and_moves_on),
		cmocka_unit_test(tolerance_shares_what_is_about_as_near),
		cmocka_unit_test(a_region_map_takes_the_finest_entry),
		cmocka_unit_test(only_matched_leaves_the_others_out),
		cmocka_unit_test(a_policy_without_location_has_scope_0),
		cmocka_unit_test(shares_follow_weights_within_a_draw),
		cmocka_unit_test(a_member_that_goes_down_moves_its_own_draws_only),
		cmocka_unit_test(load_sheds_step_by_step),
		cmocka_unit_test(least_loaded_follows_what_is_free),
		cmocka_unit_test(drain_takes_no_client_unless_nobody_else_can),
		cmocka_unit_test(below_the_floor_a_pool_is_down),
		cmocka_unit_test(the_change_hook_sees_sets_before_they_count),
		cmocka_unit_test(a_reload_keeps_what_is_known),
		cmocka_unit_test(ranks_agree_without_state),
		cmocka_unit_test(why_says_all_of_it),
		cmocka_unit_test(a_bad_configuration_is_refused),
		cmocka_unit_test(all_down_does_what_the_policy_says),
		cmocka_unit_test(readers_go_on_while_health_and_maps_change),
		cmocka_unit_test(random_lives_hold_their_promises),
	};

	if (policy_yang(argv[1]))
		return 1;
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	wf_yang_free(test_yang);
	wf_rcu_drain();
	return rc;
}
