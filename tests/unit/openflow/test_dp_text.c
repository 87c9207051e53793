// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "openflow/action.h"
#include "openflow/dp_text.h"
#include "openflow/match.h"
#include "openflow/tlv_map.h"

static bool
port_number(void *aux, const char *name, uint32_t *ret_number)
{
	*ret_number = 7;
	return !strcmp(name, "veth0");
}

/* Keys, and what ofproto/trace of Open vSwitch calls them. */
static const struct {
	const char *text, *flow;
} keys[] = {
	{ "in_port(7),eth(src=00:00:5e:00:53:01,dst=00:00:5e:00:53:02),eth_type(0x0800),ipv4(src="
	  "192.0.2.1,dst=192.0.2.2,proto=6,tos=4,ttl=64,frag=no),tcp(src=1000,dst=80),tcp_flags(syn|ack)",
	  "tcp,in_port=7,vlan_tci=0x0000,dl_src=00:00:5e:00:53:01,dl_dst=00:00:5e:00:53:02,nw_src="
	  "192.0.2.1,nw_dst=192.0.2.2,nw_tos=4,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=1000,tp_dst=80,"
	  "tcp_flags=syn|ack" },
	{ "in_port(veth0),eth(src=00:00:5e:00:53:01,dst=ff:ff:ff:ff:ff:ff),eth_type(0x8100),vlan("
	  "vid=5,pcp=3),encap(eth_type(0x0806),arp(sip=192.0.2.1,tip=192.0.2.9,op=1,sha="
	  "00:00:5e:00:53:01,tha=00:00:00:00:00:00))",
	  "arp,in_port=7,dl_vlan=5,dl_vlan_pcp=3,vlan_tci1=0x0000,dl_src=00:00:5e:00:53:01,dl_dst="
	  "ff:ff:ff:ff:ff:ff,arp_spa=192.0.2.1,arp_tpa=192.0.2.9,arp_op=1,arp_sha=00:00:5e:00:53:01,"
	  "arp_tha=00:00:00:00:00:00" },
	{ "in_port(7),eth(src=00:00:5e:00:53:01,dst=00:00:5e:00:53:02),eth_type(0x88a8),vlan(vid=9,"
	  "pcp=0),encap(eth_type(0x8100),vlan(vid=5,pcp=3),encap(eth_type(0x1234)))",
	  "in_port=7,dl_vlan=9,dl_vlan_pcp=0,dl_vlan1=5,dl_vlan_pcp1=3,dl_src=00:00:5e:00:53:01,"
	  "dl_dst=00:00:5e:00:53:02,dl_type=0x1234" },
	{ "in_port(7),eth(src=00:00:5e:00:53:01,dst=00:00:5e:00:53:02),eth_type(0x8847),mpls(label="
	  "20,tc=1,ttl=64,bos=0,label=21,tc=0,ttl=63,bos=1)",
	  "mpls,in_port=7,vlan_tci=0x0000,dl_src=00:00:5e:00:53:01,dl_dst=00:00:5e:00:53:02,"
	  "mpls_label=20,mpls_tc=1,mpls_ttl=64,mpls_bos=0,mpls_lse1=86335" },
	{ "in_port(7),eth(src=00:00:5e:00:53:01,dst=00:00:5e:00:53:02),eth_type(0x86dd),ipv6(src="
	  "2001:db8::1,dst=ff02::1,label=0x5,proto=58,tclass=0x2,hlimit=255,frag=no),icmpv6(type=135,"
	  "code=0),nd(target=2001:db8::9,sll=00:00:5e:00:53:01,tll=00:00:00:00:00:00)",
	  "icmp6,in_port=7,vlan_tci=0x0000,dl_src=00:00:5e:00:53:01,dl_dst=00:00:5e:00:53:02,"
	  "ipv6_src=2001:db8::1,ipv6_dst=ff02::1,ipv6_label=0x00005,nw_tos=0,nw_ecn=2,nw_ttl=255,"
	  "nw_frag=no,icmp_type=135,icmp_code=0,nd_target=2001:db8::9,nd_sll=00:00:5e:00:53:01,"
	  "nd_tll=00:00:00:00:00:00" },
	{ "tunnel(tun_id=0x5,src=192.0.2.1,dst=192.0.2.2,tos=0x0,ttl=64,geneve({class=0xffff,type=0,"
	  "len=4,0x12}),flags(csum|key)),skb_mark(0x3),recirc_id(0),in_port(7),eth(src="
	  "00:00:5e:00:53:01,dst=00:00:5e:00:53:02)",
	  "pkt_mark=0x3,tun_id=0x5,tun_src=192.0.2.1,tun_dst=192.0.2.2,tun_ipv6_src=::,"
	  "tun_ipv6_dst=::,tun_gbp_id=0,tun_gbp_flags=0,tun_tos=0,tun_ttl=64,tun_erspan_ver=0,"
	  "gtpu_flags=0,gtpu_msgtype=0,tun_flags=csum|key,tun_metadata0=0x12,in_port=7,"
	  "vlan_tci=0x0000,dl_src=00:00:5e:00:53:01,dl_dst=00:00:5e:00:53:02,dl_type=0x05ff" },
	{ "in_port(7),eth_type(0x0800),ipv4(src=192.0.2.1,proto=17,frag=later)",
	  "packet_type=(1,0x800),in_port=7,nw_src=192.0.2.1,nw_dst=0.0.0.0,nw_proto=17,nw_tos=0,"
	  "nw_ecn=0,nw_ttl=0,nw_frag=later" },
	{ "ct_state(est|trk),ct_zone(0x5),ct_mark(0x1),ct_label(0x2),in_port(7),eth(),eth_type(0x0800"
	  "),ipv4(proto=132),sctp(src=1,dst=2)",
	  "ct_state=est|trk,ct_zone=5,ct_mark=0x1,ct_label=0x2,sctp,in_port=7,vlan_tci=0x0000,dl_src="
	  "00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,nw_src=0.0.0.0,nw_dst=0.0.0.0,nw_tos=0,nw_ecn=0,"
	  "nw_ttl=0,nw_frag=no,tp_src=1,tp_dst=2" },
};

static void
keys_are_read(void **state)
{
	struct of_tlv_map map;

	of_tlv_map_init(&map);
	assert_int_equal(of_tlv_map_add(&map, 0xffff, 0, 4, 0), 0);
	of_tlv_map_enter(&map);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct wf_str s = WF_STR_INIT;
		struct of_dp_key d;
		char *error = of_dp_key_parse(keys[i].text, port_number, NULL, &d);

		if (error)
			fail_msg("%s", error);
		assert_true(of_dp_key_is(keys[i].text));
		assert_true(d.has_in_port);
		d.key.in_port = d.in_port;
		of_key_format(&d.key, NULL, NULL, &s);
		assert_string_equal(wf_str_cstr(&s), keys[i].flow);
		wf_str_done(&s);
	}
	of_tlv_map_enter(NULL);
}

/* Flows as dpctl/dump-flows prints them: what is read is written alike. */
static const char *const flows[] = {
	"recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800),ipv4(frag=no)",
	"recirc_id(0x3),in_port(1),packet_type(ns=0,id=0),eth(src=00:00:5e:00:53:01,dst="
	"01:00:00:00:00:00/01:00:00:00:00:00),eth_type(0x0800),ipv4(dst=192.0.2.0/255.255.255.0,"
	"proto=6,tos=0/0x3,ttl=64,frag=no),tcp(src=80,dst=0/0xf000),tcp_flags(-syn)",
	"ct_state(+est-inv+trk),ct_zone(0x5),ct_mark(0/0x1),recirc_id(0x1),in_port(1),packet_type("
	"ns=0,id=0),eth_type(0x86dd),ipv6(src=2001:db8::/ffff:ffff::,proto=17,frag=no),udp(dst=53)",
	"recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x8100),vlan(vid=5,pcp=0),encap("
	"eth_type(0x0806))",
	"recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x88a8),vlan(vid=9,pcp=0),encap("
	"eth_type(0x8100),vlan(vid=5,pcp=1),encap(eth_type(0x0800),ipv4(frag=no)))",
	"recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x8847),mpls(label=20/0xfffff,tc=0/0,"
	"ttl=64/0x0,bos=1/1)",
	"recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0806),arp(tip=192.0.2.1,op=1,tha="
	"00:00:00:00:00:00)",
	"recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800),ipv4(proto=1,frag=no),icmp("
	"type=8,code=0)",
	"tunnel(tun_id=0x5,src=192.0.2.1,dst=192.0.2.2,flags(-df+csum+key)),recirc_id(0),in_port(1),"
	"packet_type(ns=0,id=0),eth_type(0x0800),ipv4(frag=no)",
};

static void
flows_are_written_as_they_are_read(void **state)
{
	for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
		struct wf_str s = WF_STR_INIT;
		struct of_dp_key d;
		char *error = of_dp_key_parse(flows[i], NULL, NULL, &d);

		if (error)
			fail_msg("%s", error);
		of_dp_key_format(&d.key, &d.mask, "1", false, &s);
		assert_string_equal(wf_str_cstr(&s), flows[i]);
		wf_str_done(&s);
	}
}

static void
wrong_texts_are_refused(void **state)
{
	static const char *const bad[] = {
		"foo(1)", "in_port(1", "in_port(nonesuch)", "eth(src=1)", "eth(foo=1)", "ipv4(src=1.2.3)",
		"tcp(src=99999)", "tcp_flags(ack,syn)", "mpls(label=x)", "in_port=1", "vlan(vid=5000)",
		"encap(encap(encap(encap(encap(encap(encap(encap(encap(", "ct_state(foo)", "tunnel(x=1)",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct of_dp_key d;
		char *error = of_dp_key_parse(bad[i], port_number, NULL, &d);

		if (!error)
			fail_msg("%s was taken", bad[i]);
		assert_memory_equal(error, "syntax error at ", 16);
		free(error);
	}
	assert_false(of_dp_key_is("in_port=1,tcp"));
	assert_false(of_dp_key_is("tcp,in_port=1"));
	assert_false(of_dp_key_is("packet_type=(1,0x800)"));
}

/* As dpctl/add-flow takes it and dpctl/dump-flows shows it: values outside their masks stay. */
static void
flows_of_users_are_written_as_given(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "tunnel(dst=192.0.2.1,src=192.0.2.200/255.255.255.0,tp_dst=123,tp_src=1,ttl=64),in_port(1),"
		  "eth(),eth_type(0x0800),ipv4()",
		  "tunnel(src=192.0.2.200/255.255.255.0,dst=192.0.2.1,ttl=64,tp_src=1,tp_dst=123),recirc_id(0),"
		  "in_port(1),eth(),eth_type(0x0800)" },
		{ "in_port(1),eth_type(0x0800),ipv4(src=192.0.2.1/0.0.0.0,frag=no)",
		  "recirc_id(0),in_port(1),eth_type(0x0800),ipv4(frag=no)" },
		{ "ufid:01234567-0123-0123-0123-0123456789ab,in_port(1/0xffffffff),eth(dst=00:00:5e:00:53:01)",
		  "recirc_id(0),in_port(1),eth(dst=00:00:5e:00:53:01)" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wf_str s = WF_STR_INIT;
		struct of_dp_key d;
		char *error = of_dp_key_parse(rows[i].in, NULL, NULL, &d);

		if (error)
			fail_msg("%s", error);
		assert_int_equal(d.in_port_mask, UINT32_MAX);
		of_dp_flow_format(&d, "1", false, &s);
		assert_string_equal(wf_str_cstr(&s), rows[i].out);
		wf_str_done(&s);
		if (i == 2)
			assert_string_equal(d.ufid, "ufid:01234567-0123-0123-0123-0123456789ab");
	}
}

static void
too_long_a_tunnel_is_told_apart(void **state)
{
	struct wf_str s = WF_STR_INIT;
	struct of_dp_key d;
	char *error;

	wf_str_put(&s, "tunnel(dst=192.0.2.1");
	for (int i = 0; i < 8190; i++)
		wf_str_put(&s, ",dst=192.0.2.1");
	wf_str_put(&s, "),in_port(1)");
	assert_null(of_dp_key_parse(wf_str_cstr(&s), NULL, NULL, &d));
	wf_str_truncate(&s, s.len - strlen("),in_port(1)"));
	wf_str_put(&s, ",dst=192.0.2.1)");
	error = of_dp_key_parse(wf_str_cstr(&s), NULL, NULL, &d);
	assert_non_null(error);
	assert_true(d.too_long);
	free(error);
	wf_str_done(&s);
}

/* Options in no map: told of, and their headers shown. */
static void
unknown_options_are_shown(void **state)
{
	static const uint8_t options[] = { 0xff, 0xff, 0x80, 1, 0, 0, 0, 10, 0xff, 0xff, 0, 1, 0, 0, 0, 11 };
	struct of_tlv_map map;
	struct wf_str s = WF_STR_INIT;
	struct of_key k = { .tun_dst = htonl(1), .packet_type = 0, .dl_type = htons(OF_DL_TYPE_NONE) };
	struct of_key m = { .tun_metadata_present = 0 };
	struct of_dp_key d;

	of_tlv_map_init(&map);
	assert_int_equal(of_tlv_map_add(&map, 0xffff, 0x80, 4, 0), 0);
	of_tlv_map_enter(&map);
	assert_true(of_tlv_from_geneve(&map, options, sizeof(options), &k));
	of_tlv_write(&map, 0, "\0\0\0\xf", &m);
	of_dp_key_format(&k, &m, "1", false, &s);
	assert_string_equal(wf_str_cstr(&s), "tunnel(geneve({class=0xffff,type=0x80,len=4,0xa/0xf}"
			    "{class=0xffff,type=0,len=4})),in_port(1),eth()");
	assert_null(of_tlv_unknown(&map, &k, 1));
	wf_str_done(&s);
	assert_null(of_dp_key_parse("tunnel(geneve({class=0xffff,type=0,len=4,0x1})),in_port(1)", NULL, NULL, &d));
	assert_true(d.unknown_options);
	of_tlv_map_enter(NULL);
}

static char *
output_of(void *aux, const char *port, of_port_t *ret)
{
	*ret = (of_port_t)strtoul(port, NULL, 10);
	return *ret ? NULL : wf_xasprintf("%s: no port", port);
}

static void
actions_are_read(void **state)
{
	static const struct { const char *match, *text, *of; } rows[] = {
		{ "", "drop", "drop" },
		{ "", "2", "output:2" },
		{ "", " 2, 3 ", "output:2,output:3" },
		{ "eth()", "set(eth(src=00:00:5e:00:53:01)),2", "set_field:00:00:5e:00:53:01->eth_src,output:2" },
		{ "eth(),eth_type(0x0800),ipv4()", "set(ipv4(src=192.0.2.1/255.255.255.0,tos=4/0xfc)),2",
		  "set_field:192.0.2.0/24->ip_src,set_field:4/0xfc->nw_tos,output:2" },
		{ "eth(),eth_type(0x0800),ipv4(proto=17,frag=no)", "set(udp(dst=53)),2",
		  "set_field:53->udp_dst,output:2" },
		{ "eth()", "push_vlan(vid=5,pcp=1),2,pop_vlan,3",
		  "push_vlan:0x8100,mod_vlan_vid:5,mod_vlan_pcp:1,output:2,strip_vlan,output:3" },
		{ "", "", NULL },
		{ "", "nonesuch", NULL },
		{ "", "2,drop", NULL },
		{ "", "recirc(0x1)", NULL },
		{ "", "set(eth(src=00:00:5e:00:53:01)", NULL },
		{ "", "set(tunnel(dst=192.0.2.1)),1", NULL },
		{ "eth()", "set(ipv4(src=192.0.2.1)),2", NULL }, /* of packets that may have no IPv4 */
		{ "eth(),eth_type(0x0800),ipv4(proto=6)", "set(udp(dst=53)),2", NULL },
		{ "eth()", "push_vlan(vid=4096,pcp=0),2", NULL },
		{ "eth()", "push_vlan(vid=x),2", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct of_match_full *m = calloc(1, sizeof(*m));
		struct wf_buf list = WF_BUF_INIT;
		struct wf_str s = WF_STR_INIT;
		struct of_dp_key d;
		char *error;

		assert_null(of_dp_key_parse(rows[i].match, NULL, NULL, &d));
		m->key = d.key;
		m->mask = d.mask;
		if (d.has_eth)
			m->mask.packet_type = UINT32_MAX;
		error = of_dp_actions_parse(rows[i].text, m, output_of, NULL, &list);
		if (!rows[i].of != !!error)
			fail_msg("%s: %s", rows[i].text, error ? error : "was taken");
		if (error) {
			assert_int_equal(list.size, 0);
		} else {
			of_actions_format(list.data, list.size, NULL, NULL, &s);
			assert_string_equal(wf_str_cstr(&s), rows[i].of);
		}
		free(error);
		free(m);
		wf_str_done(&s);
		wf_buf_done(&list);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_read),
		cmocka_unit_test(flows_are_written_as_they_are_read),
		cmocka_unit_test(wrong_texts_are_refused),
		cmocka_unit_test(flows_of_users_are_written_as_given),
		cmocka_unit_test(too_long_a_tunnel_is_told_apart),
		cmocka_unit_test(unknown_options_are_shown),
		cmocka_unit_test(actions_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
