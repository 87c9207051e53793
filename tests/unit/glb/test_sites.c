// SPDX-License-Identifier: Apache-2.0
/* Which site a class of clients gets, and who else stands in the slot, as health, load and drain change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "glb/sites.h"

#define CONFIG(POLICY2)                                                                                      \
	"{\"weft-glb:glb\": {\"placement\": \"none\", \"address\": [\"192.0.2.1\"], \"interface\": [{\"name\": \"lo\"}]," \
	" \"edge\": {}, \"location\": {\"prefix\": ["                                                         \
	"  {\"prefix\": \"10.0.0.0/8\", \"region\": \"eu\"}, {\"prefix\": \"11.0.0.0/8\", \"region\": \"us\"},"   \
	"  {\"prefix\": \"2001:db8:a::/48\", \"region\": \"us\"}], \"default-region\": \"eu\"},"                \
	" \"pool\": [{\"name\": \"dc-eu\"}, {\"name\": \"dc-us\"}],"                                            \
	" \"policy\": [{\"name\": \"near\", \"order\": [\"region-map\", \"failover\"], \"match\": ["              \
	"  {\"what\": \"region=us\", \"pool\": [\"dc-us\"]}, {\"what\": \"default\", \"pool\": [\"dc-eu\"]}]},"     \
	"  {\"name\": \"other\"}],"                                                                            \
	" \"vip\": [{\"address\": \"203.0.113.1\", \"protocol\": \"tcp\", \"port\": 80, \"pool\": \"web\","        \
	"            \"policy\": \"near\"},"                                                                    \
	"           {\"address\": \"203.0.113.1\", \"protocol\": \"udp\", \"port\": 80, \"pool\": \"web\","        \
	"            \"policy\": \"" POLICY2 "\"}]}}"

static const char wanted[] = "{\"sites\": {\"dc-eu\": \"10.1.0.1\", \"dc-us\": \"10.2.0.1\"},"
			     " \"servers\": {\"s1\": \"10.1.0.2\", \"s2\": \"10.2.0.2\"}, \"pools\": {\"web\": {"
			     " \"dc-eu\": {\"weight\": 100, \"servers\": {\"s1\": 100}},"
			     " \"dc-us\": {\"weight\": 100, \"servers\": {\"s2\": 100}}}}}";

struct world {
	struct glb_config *c;
	struct placement *p;
	struct glb_sites *sites;
	struct pol *health;
	uint32_t eu, us, pool;
	const struct glb_place *place;
	unsigned n_changes;
};

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	struct wf_str report = WF_STR_INIT;
	struct wf_err err = { "" };
	json_t *conf = json_loads("{\"pool\": [{\"name\": \"dc-eu\", \"member\": [{\"name\": \"web\", \"address\": [\"::\"]}]},"
				  "{\"name\": \"dc-us\", \"member\": [{\"name\": \"web\", \"address\": [\"::\"]}]}]}", 0, NULL);

	w->c = glb_config_parse("test", CONFIG("near"), &err);
	if (!w->c)
		fail_msg("%s", err.text);
	w->p = plc_new();
	assert_int_equal(plc_update(w->p, wanted, strlen(wanted), NULL, 0, 0, false, &report, &err), 1);
	wf_str_done(&report);
	w->sites = glb_sites_new(w->c, w->p, NULL, &err);
	if (!w->sites)
		fail_msg("%s", err.text);
	w->eu = plc_node_by_name(w->p, PLC_SITE, "dc-eu")->id;
	w->us = plc_node_by_name(w->p, PLC_SITE, "dc-us")->id;
	w->pool = (uint32_t)(plc_pool_by_name(w->p, "web") - w->p->pools);
	w->place = glb_sites_places(w->sites)[w->pool];
	assert_non_null(w->place);
	assert_int_equal(pol_build(conf, NULL, NULL, &w->health, &err), 0);
	json_decref(conf);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	glb_sites_free(w->sites);
	pol_free(w->health);
	plc_free(w->p);
	glb_config_free(w->c);
	free(w);
	return 0;
}

static void
on_change(void *arg, uint32_t pool, const struct glb_place *place)
{
	struct world *w = arg;

	assert_int_equal(pool, w->pool);
	assert_ptr_equal(place, w->place);
	w->n_changes++;
}

static const struct glb_site_slot *
slots_of(const struct world *w, const char *client)
{
	struct pol_addr a;

	assert_true(pol_addr_parse(client, &a));
	uint32_t class_id = pol_leaf_class(loc_find(w->place->map, &a));

	assert_true(class_id < w->place->n_classes);
	return w->place->slots + class_id * 256;
}

static void
assert_slots(const struct world *w, const char *client, uint32_t first, uint32_t second, bool ranked)
{
	const struct glb_site_slot *s = slots_of(w, client);

	for (unsigned i = 0; i < 256; i++) {
		assert_int_equal(s[i].site[0], first);
		assert_int_equal(s[i].site[1], second);
		assert_int_equal(s[i].site[2], 0);
		assert_int_equal(s[i].ranked, ranked);
	}
}

static void
clients_get_the_site_of_their_region_and_the_other_as_the_next(void **state)
{
	struct world *w = *state;

	assert_slots(w, "10.1.2.3", w->eu, w->us, true);
	assert_slots(w, "11.1.2.3", w->us, w->eu, true);
	assert_slots(w, "192.0.2.77", w->eu, w->us, true); /* the default */
	assert_slots(w, "2001:db8:a::1", w->us, w->eu, true);
	assert_slots(w, "2001:db8:b::1", w->eu, w->us, true);
}

static void
a_site_that_is_away_stays_in_the_list_and_who_took_its_place_stays_when_it_is_back(void **state)
{
	struct world *w = *state;

	pol_set_up(w->health, "dc-eu", "web", false);
	glb_sites_update(w->sites, w->health, on_change, w);
	assert_int_equal(w->n_changes, 1);
	assert_slots(w, "10.1.2.3", w->us, w->eu, false);
	assert_slots(w, "11.1.2.3", w->us, w->eu, true); /* nothing changed for them */
	glb_sites_update(w->sites, w->health, on_change, w);
	assert_int_equal(w->n_changes, 1);
	pol_set_up(w->health, "dc-eu", "web", true);
	glb_sites_update(w->sites, w->health, on_change, w);
	assert_slots(w, "10.1.2.3", w->eu, w->us, false); /* UDP asks dc-us, too */
	glb_sites_forget(w->sites, -1, on_change, w);
	assert_slots(w, "10.1.2.3", w->eu, w->us, true);
}

static void
load_between_the_watermarks_moves_some_slots_and_gives_them_back(void **state)
{
	struct world *w = *state;
	const struct glb_site_slot *s = slots_of(w, "10.1.2.3");
	unsigned moved = 0, same = 0;
	uint32_t first[256];

	pol_set_load(w->health, "dc-eu", "web", 0.875f); /* half way from 80 to 95 */
	glb_sites_update(w->sites, w->health, on_change, w);
	for (unsigned i = 0; i < 256; i++) {
		first[i] = s[i].site[0];
		moved += s[i].site[0] == w->us;
	}
	assert_in_range(moved, 100, 156);
	/* More load moves more, and none of those back. */
	pol_set_load(w->health, "dc-eu", "web", 0.92f);
	glb_sites_update(w->sites, w->health, on_change, w);
	for (unsigned i = 0; i < 256; i++)
		same += first[i] == w->us && s[i].site[0] == w->us;
	assert_int_equal(same, moved);
	pol_set_load(w->health, "dc-eu", "web", 0.1f);
	glb_sites_update(w->sites, w->health, on_change, w);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(s[i].site[0], w->eu);
}

static void
build_again(struct world *w, const struct glb_sites *old)
{
	struct wf_err err = { "" };
	struct glb_sites *next = glb_sites_new(w->c, w->p, old, &err);

	if (!next)
		fail_msg("%s", err.text);
	glb_sites_free(w->sites);
	w->sites = next;
	w->place = glb_sites_places(next)[w->pool];
}

static void
a_new_document_keeps_the_history(void **state)
{
	struct world *w = *state;

	pol_set_up(w->health, "dc-eu", "web", false);
	glb_sites_update(w->sites, w->health, on_change, w);
	build_again(w, w->sites);
	assert_slots(w, "10.1.2.3", w->us, w->eu, false);
}

/* An edge that lost its maps. */
static void
a_drain_of_before_its_time_is_in_the_document(void **state)
{
	struct world *w = *state;
	struct wf_str report = WF_STR_INIT;
	struct wf_err err = { "" };
	char *drained = strdup(wanted);

	memcpy(strstr(drained, "\"dc-eu\": {\"weight\": 100"), "\"dc-eu\": {\"weight\":   0", 23);
	assert_int_equal(plc_update(w->p, drained, strlen(drained), NULL, 0, 0, false, &report, &err), 1);
	assert_int_equal(plc_update(w->p, wanted, strlen(wanted), NULL, 0, 0, false, &report, &err), 1);
	build_again(w, NULL);
	assert_slots(w, "10.1.2.3", w->eu, w->us, false);
	assert_slots(w, "11.1.2.3", w->us, w->eu, true);
	glb_sites_forget(w->sites, -1, on_change, w);
	assert_slots(w, "10.1.2.3", w->eu, w->us, true);
	/* Nor does it begin again when the operator has forgotten it. */
	assert_int_equal(plc_update(w->p, wanted, strlen(wanted), NULL, 0, w->p->number + 1, false, &report, &err), 1);
	build_again(w, NULL);
	assert_slots(w, "10.1.2.3", w->eu, w->us, true);
	wf_str_done(&report);
	free(drained);
}

static void
two_policies_for_one_pool_are_refused(void **state)
{
	struct wf_err err = { "" };

	assert_null(glb_config_parse("test", CONFIG("other"), &err));
	assert_non_null(strstr(err.text, "VIPs of one pool have one policy"));
	assert_null(glb_config_parse("test", CONFIG("nowhere"), &err));
	assert_non_null(strstr(err.text, "nowhere"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(clients_get_the_site_of_their_region_and_the_other_as_the_next, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			a_site_that_is_away_stays_in_the_list_and_who_took_its_place_stays_when_it_is_back, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(load_between_the_watermarks_moves_some_slots_and_gives_them_back, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_new_document_keeps_the_history, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_drain_of_before_its_time_is_in_the_document, set_up, tear_down),
		cmocka_unit_test(two_policies_for_one_pool_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
