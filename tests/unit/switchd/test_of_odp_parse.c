/* SPDX-License-Identifier: Apache-2.0 */
/* Datapath flows as text -> key.  The texts are those of ovs-dpctl(8) and of Open vSwitch's tests. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/view.h"
#include "switchd/of_odp_parse.h"

static void
odp_parse_reads_headers(void **state)
{
	struct of_key k;
	uint32_t slot;

	assert_null(of_odp_parse("recirc_id(0),in_port(7),eth(src=50:54:00:00:00:05,"
				 "dst=50:54:00:00:00:07),eth_type(0x0800),ipv4(src=192.168.0.1/0xff,"
				 "dst=192.168.0.2,proto=6,tos=4,ttl=64,frag=no),tcp(src=8,dst=80),"
				 "tcp_flags(0x012)", &k, &slot));
	assert_int_equal(slot, 7);
	assert_int_equal(k.dl_src[5], 5);
	assert_int_equal(k.dl_dst[5], 7);
	assert_int_equal(k.dl_type, htons(0x0800));
	assert_int_equal(k.nw_src, htonl(0xc0a80001));
	assert_int_equal(k.nw_dst, htonl(0xc0a80002));
	assert_int_equal(k.nw_proto, 6);
	assert_int_equal(k.nw_tos, 4);
	assert_int_equal(k.nw_ttl, 64);
	assert_int_equal(k.tp_dst, htons(80));
	assert_int_equal(k.tcp_flags, htons(0x12));
}

static void
odp_parse_reads_tags(void **state)
{
	struct of_key k;
	uint32_t slot;

	assert_null(of_odp_parse("in_port(1),eth_type(0x8100),vlan(vid=99,pcp=7),"
				 "encap(eth_type(0x0806),arp(sip=1.2.3.4,op=1))", &k, &slot));
	assert_int_equal(k.vlans[0].tpid, htons(0x8100));
	assert_int_equal(k.vlans[0].tci, htons(7 << 13 | OF_VLAN_CFI | 99));
	assert_int_equal(k.vlans[1].tpid, 0);
	assert_int_equal(k.dl_type, htons(0x0806));
	assert_int_equal(k.nw_src, htonl(0x01020304));
	assert_int_equal(k.nw_proto, 1);
}

static void
odp_parse_refuses(void **state)
{
	static const char *const bad[] = {
		"", "in_port=1,tcp", "in_port(1", "eth(src)", "eth(nonsense=1)", "bogus(1)",
		"ipv4(src=1.2.3.4", "in_port(1),ip",
	};
	struct of_key k;
	uint32_t slot;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *error = of_odp_parse(bad[i], &k, &slot);

		if (!error)
			fail_msg("'%s' was taken", bad[i]);
		free(error);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odp_parse_reads_headers),
		cmocka_unit_test(odp_parse_reads_tags),
		cmocka_unit_test(odp_parse_refuses),
	};

	view_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
