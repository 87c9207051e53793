// SPDX-License-Identifier: Apache-2.0
/* Configurations of other balancers: what comes out is a wanted file that places and a configuration's VIPs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/glb_abi.h"
#include "glb/import.h"
#include "glb/placement.h"

static struct placement *
import(enum glb_import_kind kind, const char *text, struct wf_str *config, struct wf_str *notes)
{
	struct wf_str wanted = WF_STR_INIT, report = WF_STR_INIT;
	struct placement *p = plc_new();
	struct wf_err err = { "" };

	if (glb_import(kind, "in", text, &wanted, config, notes, &err) ||
	    plc_update(p, wanted.s, wanted.len, NULL, 0, 0, false, &report, &err) < 0)
		fail_msg("%s\n%s", err.text, wf_str_cstr(&wanted));
	wf_str_done(&wanted);
	wf_str_done(&report);
	return p;
}

static void
done(struct placement *p, struct wf_str *config, struct wf_str *notes)
{
	plc_free(p);
	wf_str_done(config);
	wf_str_done(notes);
}

static void
katran_is_ip_in_ip(void **state)
{
	struct wf_str config = WF_STR_INIT, notes = WF_STR_INIT;
	struct placement *p = import(GLB_IMPORT_KATRAN,
		"./katran_goclient -A -t 203.0.113.10:443\n"
		"./katran_goclient -a -t 203.0.113.10:443 -r 10.0.0.1 -w 10\n"
		"./katran_goclient -a -t 203.0.113.10:443 -r 10.0.0.2 -w 20\n"
		"./katran_goclient -A -u [2001:db8:f::10]:443\n"
		"./katran_goclient -a -u [2001:db8:f::10]:443 -r 2001:db8::1\n", &config, &notes);
	const struct plc_node *s = plc_node_by_name(p, PLC_SERVER, "10.0.0.2-ipip");
	const struct plc_pool *pool = plc_pool_by_name(p, "203.0.113.10-tcp-443");

	assert_non_null(s);
	assert_int_equal(s->encap, GLB_ENCAP_IPIP);
	assert_non_null(pool);
	assert_int_equal(pool->by_site[0].servers.members[1].weight, 20);
	assert_non_null(plc_pool_by_name(p, "2001_db8_f__10-udp-443"));
	assert_non_null(strstr(wf_str_cstr(&config), "\"address\": \"2001:db8:f::10\", \"protocol\": \"udp\", \"port\": 443"));
	assert_string_equal(wf_str_cstr(&notes), "");
	done(p, &config, &notes);
}

static void
ipvs_has_three_ways(void **state)
{
	struct wf_str config = WF_STR_INIT, notes = WF_STR_INIT;
	struct placement *p = import(GLB_IMPORT_IPVS,
		"-A -t 203.0.113.10:80 -s wlc -p 300\n"
		"-a -t 203.0.113.10:80 -r 10.0.0.1:80 -g -w 1\n"
		"-a -t 203.0.113.10:80 -r 10.0.0.2:80 -i -w 1\n"
		"-a -t 203.0.113.10:80 -r 10.0.0.3:8080 -m -w 0\n"
		"-A -f 7 -s rr\n", &config, &notes);
	const struct plc_node *nat = plc_node_by_name(p, PLC_SERVER, "10.0.0.3-nat-8080");

	assert_int_equal(plc_node_by_name(p, PLC_SERVER, "10.0.0.1-l2")->encap, GLB_ENCAP_L2);
	assert_int_equal(plc_node_by_name(p, PLC_SERVER, "10.0.0.2-ipip")->encap, GLB_ENCAP_IPIP);
	assert_non_null(nat);
	assert_int_equal(nat->port, 8080);
	assert_non_null(strstr(wf_str_cstr(&notes), "in:1: persistence"));
	assert_non_null(strstr(wf_str_cstr(&notes), "in:5: a service by firewall mark"));
	done(p, &config, &notes);
}

static void
keepalived_blocks_are_read(void **state)
{
	struct wf_str config = WF_STR_INIT, notes = WF_STR_INIT;
	struct placement *p = import(GLB_IMPORT_KEEPALIVED,
		"! global\nglobal_defs {\n  router_id a\n}\n"
		"vrrp_instance V {\n  virtual_ipaddress {\n    203.0.113.10\n  }\n}\n"
		"virtual_server 203.0.113.10 53 {\n  lb_algo wrr\n  lb_kind TUN\n  protocol UDP\n"
		"  real_server 10.0.0.1 53 {\n    weight 3\n    MISC_CHECK {\n      misc_path \"/bin/true\"\n    }\n  }\n"
		"  real_server 10.0.0.2 53 {\n    weight 1 # half\n  }\n}\n"
		"virtual_server fwmark 3 {\n  real_server 10.0.0.9 1 {\n  }\n}\n", &config, &notes);
	const struct plc_pool *pool = plc_pool_by_name(p, "203.0.113.10-udp-53");

	assert_int_equal(p->n_pools, 1);
	assert_non_null(pool);
	assert_int_equal(pool->by_site[0].servers.n_members, 2);
	assert_int_equal(pool->by_site[0].servers.members[0].weight, 3);
	assert_int_equal(plc_node_by_name(p, PLC_SERVER, "10.0.0.1-ipip")->encap, GLB_ENCAP_IPIP);
	assert_null(plc_node_by_name(p, PLC_SERVER, "10.0.0.9-l2"));
	assert_non_null(strstr(wf_str_cstr(&notes), "MISC_CHECK is not taken over"));
	assert_non_null(strstr(wf_str_cstr(&notes), "fwmark is not taken over"));
	done(p, &config, &notes);
}

static void
what_is_no_configuration_is_refused_with_its_line(void **state)
{
	static const struct {
		enum glb_import_kind kind;
		const char *text, *why;
	} rows[] = {
		{ GLB_IMPORT_IPVS, "-A -t 203.0.113.300:80\n", "in:1: 203.0.113.300:80" },
		{ GLB_IMPORT_IPVS, "-A -t 203.0.113.3:80\n-a -t 203.0.113.3:80 -r x\n", "in:2: x" },
		{ GLB_IMPORT_IPVS, "-A -t\n", "in:1: -t" },
		{ GLB_IMPORT_KEEPALIVED, "virtual_server 203.0.113.3 x {\n}\n", "in:1: virtual_server" },
		{ GLB_IMPORT_KEEPALIVED, "}\n}\n", "no virtual server" },
		{ GLB_IMPORT_KATRAN, "hello\n", "no virtual server" },
		{ GLB_IMPORT_KATRAN, "-a -t 203.0.113.3:80 -r 10.0.0.1 -w 9999999\n", "weight" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct wf_str wanted = WF_STR_INIT, config = WF_STR_INIT, notes = WF_STR_INIT;
		struct wf_err err = { "" };

		assert_int_equal(glb_import(rows[i].kind, "in", rows[i].text, &wanted, &config, &notes, &err), -EINVAL);
		if (!strstr(err.text, rows[i].why))
			fail_msg("%s", err.text);
		wf_str_done(&wanted);
		wf_str_done(&config);
		wf_str_done(&notes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(katran_is_ip_in_ip),
		cmocka_unit_test(ipvs_has_three_ways),
		cmocka_unit_test(keepalived_blocks_are_read),
		cmocka_unit_test(what_is_no_configuration_is_refused_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
