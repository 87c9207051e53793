/* SPDX-License-Identifier: Apache-2.0 */
/* Options of tunnel ports, and which port a packet came in by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "tunnels/port_map.h"

/* Options as "key=value key=value". */
static int
parse(struct tnl_config *c, const char *type, const char *text, char *says)
{
	struct wf_str warnings = WF_STR_INIT;
	struct tnl_option o[16];
	struct wf_err err = { "" };
	char *copy = strdup(text), *save = NULL;
	unsigned n = 0;
	int rc;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *value = strchr(w, '=');

		*value = '\0';
		o[n++] = (struct tnl_option){ w, value + 1 };
	}
	rc = tnl_config_parse(c, "p1", type, o, n, &warnings, &err);
	if (says)
		snprintf(says, 300, "%s%s", wf_str_cstr(&warnings), err.text);
	wf_str_done(&warnings);
	free(copy);
	return rc;
}

static void
test_text_comes_back(void **state)
{
	static const struct { const char *type, *in, *out; } cases[] = {
		{ "gre", "remote_ip=1.1.1.1", "remote_ip=1.1.1.1" },
		{ "gre", "ttl=1 csum=true df_default=false local_ip=2.2.2.3 remote_ip=1.1.1.1",
		  "csum=true, df_default=false, local_ip=2.2.2.3, remote_ip=1.1.1.1, ttl=1" },
		{ "vxlan", "remote_ip=flow key=flow exts=gbp dst_port=4789", "key=flow, remote_ip=flow" },
		{ "vxlan", "remote_ip=fd00::1 in_key=5 out_key=flow", "in_key=5, out_key=flow, remote_ip=fd00::1" },
		{ "vxlan", "remote_ip=1.1.2.93 out_key=flow csum=true",
		  "csum=true, out_key=flow, remote_ip=1.1.2.93" },
		{ "geneve", "dst_port=5000 remote_ip=1.1.1.1 tos=inherit ttl=inherit",
		  "dst_port=5000, remote_ip=1.1.1.1, tos=inherit, ttl=inherit" },
		{ "geneve", "remote_ip=1.1.2.93 out_key=flow egress_pkt_mark=1234",
		  "egress_pkt_mark=1234, out_key=flow, remote_ip=1.1.2.93" },
		{ "gre", "key=456 packet_type=legacy_l3 remote_ip=1.1.2.92 seq=true",
		  "key=456, packet_type=legacy_l3, remote_ip=1.1.2.92, seq=true" },
		{ "erspan", "erspan_idx=0x3 erspan_ver=1 key=123 remote_ip=1.1.2.92",
		  "erspan_idx=0x3, erspan_ver=1, key=123, remote_ip=1.1.2.92" },
		{ "erspan", "key=56 remote_ip=flow erspan_ver=flow",
		  "erspan_dir=flow, erspan_hwid=flow, erspan_idx=flow, erspan_ver=flow, key=56, "
		  "remote_ip=flow" },
		{ "erspan", "erspan_hwid=7 erspan_dir=1 erspan_ver=2 remote_ip=1.1.1.1",
		  "erspan_dir=1, erspan_hwid=0x7, erspan_ver=2, remote_ip=1.1.1.1" },
		{ "geneve", "remote_ip=1.1.1.1 pmtud=true", "pmtud=true, remote_ip=1.1.1.1" },
		{ "geneve", "remote_ip=1.1.1.1 pmtud=false", "remote_ip=1.1.1.1" },
		{ "gtpu", "remote_ip=1.1.2.92 key=0x10", "key=16, remote_ip=1.1.2.92" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct wf_str s = WF_STR_INIT;
		struct tnl_config c;
		char says[300];

		if (parse(&c, cases[i].type, cases[i].in, says))
			fail_msg("%s: %s", cases[i].in, says);
		assert_string_equal(says, "");
		tnl_config_format(&c, &s);
		assert_string_equal(wf_str_cstr(&s), cases[i].out);
		wf_str_done(&s);
	}
}

static void
test_says_what_is_wrong(void **state)
{
	static const struct { const char *type, *in, *says; } cases[] = {
		{ "gre", "ttl=3", "p1: gre type requires valid 'remote_ip' argument" },
		{ "vxlan", "remote_ip=224.0.0.1", "p1: multicast remote_ip=224.0.0.1 not allowed" },
		{ "vxlan", "remote_ip=ff02::1", "p1: multicast remote_ip=ff02::1 not allowed" },
		{ "gre", "remote_ip=x", "p1: bad gre 'remote_ip'\np1: gre type requires valid 'remote_ip' argument" },
		{ "gre", "remote_ip=1.1.1.1 local_ip=flow",
		  "p1: gre type requires 'remote_ip=flow' with 'local_ip=flow'" },
		{ "gre", "remote_ip=1.1.1.1 local_ip=fd00::1",
		  "p1: 'remote_ip' and 'local_ip' has to be of the same address family" },
		{ "vxlan", "remote_ip=1.1.1.1 packet_type=legacy_l3",
		  "p1: legacy_l3 configured on VXLAN (without GPE) tunnel that cannot carry L3 traffic" },
		{ "gtpu", "remote_ip=1.1.1.1 packet_type=legacy_l2",
		  "p1: legacy_l2 configured on gtpu tunnel that cannot carry L2 traffic" },
		{ "gre", "remote_ip=1.1.1.1 packet_type=x", "p1: unknown packet_type 'x'" },
		{ "erspan", "remote_ip=1.1.1.1 erspan_ver=3", "p1: invalid erspan version: 3" },
		{ "vxlan", "remote_ip=1.1.1.1 dst_port=70000",
		  "p1: vxlan tunnel: options:dst_port=70000: must be a UDP port, 1 to 65535" },
		{ "vxlan", "remote_ip=1.1.1.1 key=a",
		  "p1: vxlan tunnel: options:key=a: must be \"flow\" or a number" },
		{ "geneve", "remote_ip=1.1.1.1 pmtud=yes",
		  "p1: geneve tunnel: options:pmtud=yes: must be \"true\" (whoever sends packets that do not fit "
		  "the path is told so by ICMP) or \"false\" (the default)" },
		{ "stt", "remote_ip=1.1.1.1",
		  "p1: tunnels of type stt are not built; use vxlan, geneve or gre" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tnl_config c = { .ttl = 99 };
		char says[300];

		assert_int_not_equal(parse(&c, cases[i].type, cases[i].in, says), 0);
		assert_string_equal(says, cases[i].says);
		assert_int_equal(c.ttl, 99);
	}
}

static void
test_warns(void **state)
{
	struct tnl_config c;
	char says[300];

	assert_int_equal(parse(&c, "gre", "remote_ip=1.1.1.1 tos=3 foo=bar psk=x", says), 0);
	assert_string_equal(says, "p1: invalid TOS 3\np1: unknown gre argument 'foo'\n");
	assert_int_equal(parse(&c, "vxlan", "remote_ip=1.1.1.1 exts=gbp,xyz,gpe", says), 0);
	assert_string_equal(says, "p1: unknown extension 'xyz'\n");
	assert_int_equal(c.exts, TNL_EXT_GBP | TNL_EXT_GPE);
}

/* --- The map ---------------------------------------------------------------------------- */

static struct in6_addr
address(const char *text)
{
	struct in6_addr a = IN6ADDR_ANY_INIT;
	char mapped[64];

	snprintf(mapped, sizeof mapped, "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	inet_pton(AF_INET6, mapped, &a);
	return a;
}

static int
find(const struct tnl_port_map *map, uint32_t endpoint, const char *src, const char *dst, uint64_t id,
     uint32_t inner)
{
	struct tnl_meta m = { .src = address(src), .dst = address(dst), .id = id };
	const struct tnl_port_entry *e = tnl_port_map_find(map, endpoint, &m, inner);

	return e ? (int)e->port : -1;
}

static void
count_duplicate(const struct tnl_port_entry *first, const struct tnl_port_entry *second, void *aux)
{
	int *pair = aux;

	pair[0] = (int)first->port;
	pair[1] = (int)second->port;
}

static void
test_finds_the_most_specific_port(void **state)
{
	static const char *const options[] = {
		"remote_ip=1.1.1.1",
		"remote_ip=1.1.1.1 local_ip=2.2.2.2",
		"remote_ip=1.1.1.1 key=5",
		"remote_ip=flow key=7",
		"remote_ip=1.1.1.1 key=flow",
		"remote_ip=flow key=flow",
		"remote_ip=flow local_ip=flow key=9",
		"remote_ip=3.3.3.3 packet_type=legacy_l3",
		"remote_ip=3.3.3.3 packet_type=ptap",
		"remote_ip=1.1.1.1 key=5",
	};
	struct tnl_config c[10];
	struct tnl_port_entry e[10];
	int pair[2] = { -1, -1 };
	struct tnl_port_map *map;

	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(parse(&c[i], "gre", options[i], NULL), 0);
		e[i] = (struct tnl_port_entry){ &c[i], 1, i };
	}
	map = tnl_port_map_new(e, 10, count_duplicate, pair);
	assert_int_equal(pair[0], 2);
	assert_int_equal(pair[1], 9);
	assert_int_equal(find(map, 1, "1.1.1.1", "9.9.9.9", 0, TNL_INNER_ETH), 0);
	assert_int_equal(find(map, 1, "1.1.1.1", "2.2.2.2", 0, TNL_INNER_ETH), 1);
	assert_int_equal(find(map, 1, "1.1.1.1", "2.2.2.2", 5, TNL_INNER_ETH), 2);
	assert_int_equal(find(map, 1, "8.8.8.8", "2.2.2.2", 7, TNL_INNER_ETH), 3);
	assert_int_equal(find(map, 1, "1.1.1.1", "2.2.2.2", 8, TNL_INNER_ETH), 4);
	assert_int_equal(find(map, 1, "8.8.8.8", "2.2.2.2", 8, TNL_INNER_ETH), 5);
	assert_int_equal(find(map, 1, "8.8.8.8", "2.2.2.2", 9, TNL_INNER_ETH), 6);
	assert_int_equal(find(map, 1, "3.3.3.3", "2.2.2.2", 0, TNL_INNER_L3(0x0800)), 7);
	assert_int_equal(find(map, 1, "3.3.3.3", "2.2.2.2", 0, TNL_INNER_ETH), 8);
	assert_int_equal(find(map, 2, "1.1.1.1", "2.2.2.2", 0, TNL_INNER_ETH), -1);
	assert_int_equal(find(map, 1, "1.1.1.1", "2.2.2.2", 0, TNL_INNER_L3(0x0800)), -1);
	tnl_port_map_free(map);
}

static void
test_an_empty_map_finds_nothing(void **state)
{
	struct tnl_port_map *map = tnl_port_map_new(NULL, 0, NULL, NULL);

	assert_int_equal(find(map, 0, "1.1.1.1", "2.2.2.2", 0, TNL_INNER_ETH), -1);
	tnl_port_map_free(map);
}

static void
test_many_ports(void **state)
{
	enum { N = 5000 };
	struct tnl_config *c = calloc(N, sizeof *c);
	struct tnl_port_entry *e = calloc(N, sizeof *e);
	struct tnl_port_map *map;

	for (uint32_t i = 0; i < N; i++) {
		char text[64];

		snprintf(text, sizeof text, "remote_ip=10.0.%u.%u key=%u", i >> 8, i & 255, i % 7);
		assert_int_equal(parse(&c[i], "vxlan", text, NULL), 0);
		e[i] = (struct tnl_port_entry){ &c[i], 4, i };
	}
	map = tnl_port_map_new(e, N, NULL, NULL);
	for (uint32_t i = 0; i < N; i++) {
		char text[64];

		snprintf(text, sizeof text, "10.0.%u.%u", i >> 8, i & 255);
		assert_int_equal(find(map, 4, text, "1.1.1.1", i % 7, TNL_INNER_ETH), (int)i);
		assert_int_equal(find(map, 4, text, "1.1.1.1", i % 7 + 1, TNL_INNER_ETH), -1);
	}
	tnl_port_map_free(map);
	free(c);
	free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_comes_back),
		cmocka_unit_test(test_says_what_is_wrong),
		cmocka_unit_test(test_warns),
		cmocka_unit_test(test_finds_the_most_specific_port),
		cmocka_unit_test(test_an_empty_map_finds_nothing),
		cmocka_unit_test(test_many_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
