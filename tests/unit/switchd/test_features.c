/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "switchd/switchd.h"

static void
assert_shows(const char *line)
{
	struct wf_str s = WF_STR_INIT;

	sw_features_show(&s);
	assert_non_null(strstr(wf_str_cstr(&s), line));
	wf_str_done(&s);
}

/* As with Open vSwitch one tag is parsed unless vlan-limit says otherwise; 0 is all that we can. */
static void
vlan_limit_is_bounded(void **state)
{
	assert_shows("Max VLAN headers: 1\n");
	sw_features_set_vlan_limit(2);
	assert_shows("Max VLAN headers: 2\n");
	sw_features_set_vlan_limit(0);
	assert_shows("Max VLAN headers: 4\n");
	sw_features_set_vlan_limit(1000);
	assert_shows("Max VLAN headers: 4\n");
	sw_features_set_vlan_limit(1);
	assert_shows("Max VLAN headers: 1\n");
}

/* Clients decide by these: what is not built must not be promised. */
static void
what_is_not_built_says_no(void **state)
{
	static const char *const no[] = { "Conntrack clear: No\n", "CT state: No\n",
					  "Check pkt length action: No\n" };

	for (size_t k = 0; k < sizeof no / sizeof no[0]; k++)
		assert_shows(no[k]);
}

static void
datapath_names_are_those_of_ovs(void **state)
{
	assert_true(sw_is_datapath("netdev@ovs-netdev"));
	assert_true(sw_is_datapath("dummy@ovs-dummy"));
	assert_false(sw_is_datapath("netdev@other"));
	assert_false(sw_is_datapath(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vlan_limit_is_bounded),
		cmocka_unit_test(what_is_not_built_says_no),
		cmocka_unit_test(datapath_names_are_those_of_ovs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
