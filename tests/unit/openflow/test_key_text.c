// SPDX-License-Identifier: Apache-2.0
/* Keys as text against what ofproto/trace of Open vSwitch prints (key_golden.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "openflow/match.h"
#include "openflow/tlv_map.h"
#include "tests/unit/openflow/key_golden.h"

static of_port_t
port_number(void *aux, const char *name)
{
	return strcmp(name, "p1") ? OF_PORT_NONE : 1;
}

static void
flows_are_printed_as_trace_prints_them(void **state)
{
	struct of_tlv_map map;

	of_tlv_map_init(&map);
	assert_int_equal(of_tlv_map_add(&map, 0xffff, 0, 4, 0), 0);
	assert_int_equal(of_tlv_map_add(&map, 0xffff, 1, 8, 3), 0);
	of_tlv_map_enter(&map);
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		struct wf_str s = WF_STR_INIT;
		struct of_key k;
		char *error = of_key_parse(&k, NULL, golden[i].text, port_number, NULL);

		if (!error) {
			wf_str_put(&s, "Flow: ");
			of_key_format(&k, NULL, NULL, &s);
			error = wf_str_steal(&s);
		}
		assert_string_equal(error, golden[i].answer);
		free(error);
	}
	of_tlv_map_enter(NULL);
}

static void
metadata_of_a_packet_is_what_is_not_in_it(void **state)
{
	struct wf_str s = WF_STR_INIT;
	struct of_match_full m;
	struct of_key k;

	free(of_key_parse(&k, NULL, "in_port=3,reg5=7,tun_id=9,pkt_mark=1,tcp,nw_src=1.2.3.4,tp_dst=5",
			  NULL, NULL));
	of_match_metadata_from_key(&k, &m);
	of_match_format(&m, -1, NULL, NULL, &s);
	assert_string_equal(wf_str_cstr(&s), "pkt_mark=0x1,reg5=0x7,tun_id=0x9,in_port=3");
	wf_str_done(&s);

	free(of_key_parse(&k, NULL, "in_port=3,ct_state=new|trk,tcp,ct_nw_proto=6,ct_nw_src=1.1.1.1",
			  NULL, NULL));
	of_match_metadata_from_key(&k, &m);
	of_match_format(&m, -1, NULL, NULL, &s);
	assert_string_equal(wf_str_cstr(&s), "ct_state=new|trk,ct_nw_src=1.1.1.1,ct_nw_dst=0.0.0.0,"
					     "ct_nw_proto=6,ct_tp_src=0,ct_tp_dst=0,ip,in_port=3");
	wf_str_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_printed_as_trace_prints_them),
		cmocka_unit_test(metadata_of_a_packet_is_what_is_not_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
