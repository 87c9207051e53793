// SPDX-License-Identifier: Apache-2.0
/* Actions: the wire against what ovs-ofctl makes of it (action_golden.h), texts there and back,
 * what lists are taken for what matches, action sets, reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "openflow/action.h"
#include "openflow/tlv_map.h"
#include "tests/unit/openflow/action_golden.h"

#define N(ARRAY) (sizeof(ARRAY) / sizeof((ARRAY)[0]))
#define OF10 1
#define OF11 2
#define OF12 3
#define OF13 4
#define OF14 5
#define OF15 6

static size_t
unhex(const char *hex, uint8_t *buf)
{
	size_t n = 0;

	for (; *hex; hex += 2) {
		while (*hex == ' ')
			hex++;
		if (sscanf(hex, "%2hhx", &buf[n]) == 1)
			n++;
	}
	return n;
}

static void
expect_hex(const struct wf_buf *b, const char *want, const char *what)
{
	uint8_t buf[70000];
	size_t size = unhex(want, buf);
	struct wf_str s = WF_STR_INIT;

	if (size == b->size && (!size || !memcmp(buf, b->data, size)))
		return;
	wf_str_hex(&s, b->data, b->size);
	fail_msg("%s:\ngot  %s\nwant %s", what, wf_str_cstr(&s), want);
}

static char *
text_of(const struct wf_buf *list)
{
	struct wf_str s = WF_STR_INIT;

	of_actions_format(list->data, list->size, NULL, NULL, &s);
	return wf_str_steal(&s);
}

static void
expect_text(const struct wf_buf *list, const char *want, const char *what)
{
	char *got = text_of(list);

	if (strcmp(got, want))
		fail_msg("%s: got '%s', want '%s'", what, got, want);
	free(got);
}

static void
parse(const char *text, struct wf_buf *list)
{
	char *error = of_actions_parse(text, list);

	if (error)
		fail_msg("%s: %s", text, error);
}

static of_err_t
check(struct wf_buf *list, const char *match, uint8_t version)
{
	struct of_match_full m;
	struct of_action_check params = {
		.version = version, .table = 0, .n_tables = 254, .max_ports = 0xff00,
	};
	char *error = of_match_parse(&m, match, NULL, NULL);

	if (error)
		fail_msg("%s: %s", match, error);
	return of_actions_check(list->data, list->size, &m, &params);
}

static of_err_t
decode_golden(const struct golden *g, struct wf_buf *list)
{
	uint8_t wire[4096];
	size_t size = unhex(g->hex, wire);
	of_err_t err = (g->instructions ? of_instructions_decode : of_actions_decode)(
		wire, size, g->version, list);

	if (!err && g->instructions) {
		struct of_match_full any;
		struct of_action_check params = {
			.version = g->version, .n_tables = 255, .max_ports = OF_PORT_MAX,
		};

		of_match_init_any(&any);
		err = of_actions_check(list->data, list->size, &any, &params);
	}
	return err;
}

static void
wire_is_read_and_written_as_ovs_does(void **state)
{
	for (size_t i = 0; i < N(golden); i++) {
		const struct golden *g = &golden[i];
		struct wf_buf list = WF_BUF_INIT, out = WF_BUF_INIT;
		of_err_t err = decode_golden(g, &list);

		if (err) {
			assert_string_equal(of_err_name(err), g->text);
		} else {
			if (strncmp(g->text, "actions=", 8))
				fail_msg("%s: accepted, want %s", g->hex, g->text);
			expect_text(&list, g->text + 8, g->hex);
			(g->instructions ? of_instructions_encode : of_actions_encode)(
				list.data, list.size, g->version, &out);
			expect_hex(&out, g->again ? g->again : g->hex, g->hex);
		}
		wf_buf_done(&list);
		wf_buf_done(&out);
	}
}

/* The wire takes values that texts must not have; ovs-ofctl does not take these back either. */
static bool
is_beyond_texts(const char *error)
{
	static const char *const reasons[] = {
		"unknown reason", "not a valid MPLS", "invalid conntrack helper", "Invalid property",
		"Unsupported ns", "unsupported truncate port", "invalid mask for field",
		"invalid or unknown port", "bad syntax for tun_metadata", "bits wide",
	};

	for (size_t i = 0; i < N(reasons); i++) {
		if (strstr(error, reasons[i]))
			return true;
	}
	return false;
}

/* Texts that OVS prints are parsed to a list that prints the same. */
static void
texts_come_back(void **state)
{
	for (size_t i = 0; i < N(golden); i++) {
		const struct golden *g = &golden[i];
		struct wf_buf list = WF_BUF_INIT;
		char *error;

		if (strncmp(g->text, "actions=", 8))
			continue;
		if (strstr(g->text, "dec_ttl()"))
			continue;
		error = of_actions_parse(g->text + 8, &list);
		if (error) {
			if (!is_beyond_texts(error))
				fail_msg("%s: %s", g->text, error);
			free(error);
		} else {
			expect_text(&list, g->text + 8, "again");
		}
		wf_buf_done(&list);
	}
}

static const char *const texts[] = {
	"output:1", "LOCAL", "CONTROLLER:65535", "CONTROLLER:1234", "NORMAL", "IN_PORT", "FLOOD",
	"ALL", "TABLE", "drop", "output:NXM_NX_REG1[5..10]", "output(port=1,max_len=100)",
	"enqueue:10:55", "group:5", "bundle(eth_src,0,hrw,ofport,members:4,8)",
	"bundle_load(symmetric_l3l4+udp,7,active_backup,ofport,NXM_NX_REG0[],members:4,ANY)",
	"controller(reason=invalid_ttl,max_len=1234,id=5678,userdata=01.02.03.04.05,pause)",
	"controller(id=1,meter_id=3)",
	"mod_vlan_vid:9", "mod_vlan_pcp:6", "set_vlan_vid:9", "set_vlan_pcp:6", "strip_vlan",
	"pop_vlan", "push_vlan:0x8100", "mod_dl_src:00:11:22:33:44:55",
	"mod_dl_dst:10:20:30:40:50:60", "mod_nw_src:1.2.3.4", "mod_nw_dst:192.168.0.1",
	"mod_nw_tos:48", "mod_nw_ecn:2", "mod_nw_ttl:64", "mod_tp_src:80", "mod_tp_dst:443",
	"load:0xf009->NXM_OF_VLAN_TCI[]", "load:0x5->NXM_NX_REG0[3..7]",
	"set_field:00:00:00:00:12:34/00:00:00:00:ff:ff->eth_src", "set_field:1.2.3.4->ip_src",
	"set_field:fe80::1->ipv6_dst", "set_field:0x5/0xff->reg3", "set_field:0x1234->metadata",
	"set_field:4105->vlan_vid", "set_field:0x11223344->tun_id",
	"move:NXM_OF_IN_PORT[]->NXM_OF_VLAN_TCI[]", "push:NXM_NX_REG2[1..5]", "pop:NXM_NX_REG2[1..5]",
	"set_tunnel:0x12345678", "set_tunnel64:0x885f3298", "set_tunnel64:0xc426384d49c53d60",
	"push_mpls:0x8847", "pop_mpls:0x0800", "set_mpls_label(10)", "set_mpls_tc(5)",
	"set_mpls_ttl(63)", "dec_mpls_ttl", "dec_ttl", "dec_ttl(32768,12345,90,765,1024)",
	"copy_ttl_out", "copy_ttl_in", "push_pbb:0x88e7", "pop_pbb", "dec_nsh_ttl",
	"encap(ethernet)", "encap(nsh(md_type=1))",
	"encap(nsh(md_type=2,tlv(0x1000,10,0x12345678)))", "decap()",
	"decap(packet_type(ns=1,type=0x894f))", "delete_field:tun_metadata10", "set_queue:7",
	"pop_queue", "fin_timeout(idle_timeout=10,hard_timeout=20)", "resubmit:5", "resubmit(10,5)",
	"resubmit(,5)", "resubmit(10,5,ct)", "conjunction(3,1/2)", "note:11.e9.9a.ad.67.f3", "exit",
	"multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[])",
	"sample(probability=12345,collector_set_id=23456,obs_domain_id=34567,obs_point_id=45678)",
	"sample(probability=1,collector_set_id=2,obs_domain_id=3,obs_point_id=4,sampling_port=5,egress)",
	"clone(mod_vlan_vid:5,output:10)", "clone(clone(output:1),output:2),output:3",
	"check_pkt_larger(1500)->NXM_NX_REG0[0]", "ct()", "ct(commit)", "ct(commit,force)",
	"ct(table=10,zone=NXM_NX_REG0[0..15])", "ct(zone=10,nat)", "ct(alg=tftp)",
	"ct(commit,exec(load:0xf009->NXM_NX_CT_MARK[]))",
	"ct(commit,table=3,zone=2,nat(src=10.0.0.240-10.0.0.254:32768-65535,persistent),"
	"exec(set_field:0x1->ct_label))",
	"ct(commit,nat(dst=[fe80::20c:29ff:fe88:1]-[fe80::20c:29ff:fe88:a18b]:255-4096,random))",
	"ct_clear",
	"learn(table=2,idle_timeout=10,hard_timeout=20,fin_idle_timeout=2,fin_hard_timeout=4,"
	"priority=80,cookie=0x123456789abcdef0,NXM_OF_VLAN_TCI[0..11],"
	"NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
	"learn(table=1,send_flow_rem,delete_learned,limit=1,result_dst=NXM_NX_REG0[8],"
	"eth_type=0x800,load:0xa->NXM_NX_REG0[5..10],"
	"load:NXM_OF_IN_PORT[]->NXM_NX_REG1[16..31])",
	"meter:5", "meter:5,output:1,clear_actions,write_actions(output:2),"
		   "write_metadata:0xfedcba9876543210/0xffff0000ffff0000,goto_table:7",
	"write_actions(drop)", "stat_trigger(flags=0x1,stats=00.00.00.08.80.02.06.00)",
};

static void
texts_are_printed_as_parsed(void **state)
{
	for (size_t i = 0; i < N(texts); i++) {
		struct wf_buf list = WF_BUF_INIT, wire = WF_BUF_INIT, again = WF_BUF_INIT;
		bool v15_only = strstr(texts[i], "stat_trigger");

		parse(texts[i], &list);
		expect_text(&list, texts[i], "text");
		/* And on the wire of 1.3, which has them all. */
		of_instructions_encode(list.data, list.size, v15_only ? OF15 : OF13, &wire);
		of_err_t err = of_instructions_decode(wire.data, wire.size, v15_only ? OF15 : OF13,
						      &again);
		if (err)
			fail_msg("%s: %s", texts[i], of_err_name(err));
		wf_buf_done(&list);
		wf_buf_done(&wire);
		wf_buf_done(&again);
	}
}

/* Errors of ovs-ofctl (its manual page and test suite say which texts are errors). */
static const struct {
	const char *text, *error;
} bad_texts[] = {
	{ "output(port=xyzzy,max_len=5)", "output to unknown truncate port: xyzzy" },
	{ "output(port=all,max_len=64)", "output to unsupported truncate port: all" },
	{ "output(port=local,max_len=64,foo=bar)", "invalid key 'foo' in output_trunc argument" },
	{ "output(port=local,max_len=5)", "max_len 5 is less than the minimum value 14" },
	{ "controller(reason=asdf)", "unknown reason \"asdf\"" },
	{ "controller(foo=bar)", "unknown key \"foo\" parsing controller action" },
	{ "controller(userdata=123x456)", "bad hex digit in `controller' action `userdata'" },
	{ "enqueue:asdf:123", "asdf: enqueue to unknown port" },
	{ "bundle:123", "123: not enough arguments to bundle action" },
	{ "bundle(symmetric_l4,60,hrw,ofport,members:xyzzy,2,3,4,5)", "xyzzy: bad port number" },
	{ "mod_vlan_vid:6000", "6000: not a valid VLAN VID" },
	{ "mod_vlan_pcp:8", "8: not a valid VLAN PCP" },
	{ "push_vlan(0x1234)", "0x1234: not a valid VLAN ethertype" },
	{ "mod_nw_tos(1)", "1: not a valid TOS" },
	{ "mod_nw_ecn(5)", "5: not a valid ECN" },
	{ "set_field:1", "1: missing `->'" },
	{ "set_field:1->", "1->: missing field name following `->'" },
	{ "set_field:1->x", "x is not a valid OXM field name" },
	{ "set_field:1->eth_src", "1: invalid Ethernet address" },
	{ "set_field:0xffff->ip_dscp", "0xffff: value too large for 1-byte field ip_dscp" },
	{ "set_field:0xff->ip_dscp", "0xff is not a valid value for field ip_dscp" },
	{ "load:xyzzy->eth_src", "xyzzy->eth_src: cannot parse integer value" },
	{ "load:0xff->eth_src[1..5]",
	  "0xff->eth_src[1..5]: value 00:00:00:00:00:ff does not fit into 5 bits" },
	{ "push(eth_dst[]x)", "x: trailing garbage following push or pop" },
	{ "dec_ttl(,)", "dec_ttl_cnt_ids: expected at least one controller id." },
	{ "set_mpls_label", "set_mpls_label: expected label." },
	{ "set_mpls_label(0x100000)", "0x100000: not a valid MPLS label" },
	{ "set_mpls_ttl(256)", "invalid MPLS TTL \"256\"" },
	{ "fin_timeout(foo=bar)", "invalid key 'foo' in 'fin_timeout' argument" },
	{ "encap(,)", "Missing encap hdr: ," },
	{ "encap(x(y))", "Encap hdr not supported: y" },
	{ "encap(nsh(type=1))", "Invalid property: type" },
	{ "encap(nsh(md_type))", "Value missing for encap property" },
	{ "encap(nsh(md_type=3))", "invalid md_type" },
	{ "encap(nsh(tlv(,,)))", "Invalid NSH TLV header: ,," },
	{ "decap(packet_type(x))", "Missing packet_type attribute ns" },
	{ "decap(packet_type(ns=99))", "Unsupported ns value: 99" },
	{ "decap(foo=bar)", "Invalid decap argument: foo" },
	{ "resubmit(asdf)", "asdf: resubmit to unknown port" },
	{ "resubmit(,asdf)", "asdf: resubmit to unknown table" },
	{ "resubmit(1,2,xyzzy)", "xyzzy: unknown parameter" },
	{ "resubmit(in_port,255)",
	  "at least one \"in_port\" or \"table\" must be specified on resubmit" },
	{ "learn(load:1234->eth_dst[0..5])", "1234->eth_dst[0..5]: value does not fit into 6 bits" },
	{ "learn(load:->)", "load: missing source before `->' in `->'" },
	{ "learn(load:x)", "load: missing `->' in `x'" },
	{ "learn(load:1x->foo)", "load: garbage before `->' in `1x->foo'" },
	{ "learn(foo)", "foo: unknown keyword foo" },
	{ "learn(table=255)", "table=255: table id 255 not valid for `learn' action" },
	{ "learn(result_dst=tcp_flags)", "tcp_flags is read-only" },
	{ "learn(result_dst=eth_dst)", "result_dst in 'learn' action must be a single bit" },
	{ "conjunction(1, 1/1)", "conjunction must have at least 2 clauses" },
	{ "conjunction(1, 1/65)", "conjunction must have at most 64 clauses" },
	{ "conjunction(1, 0/2)", "clause index must be positive" },
	{ "multipath(1,2,3,4)", "1,2,3,4: not enough arguments to multipath action" },
	{ "multipath(eth_src,50,modulo_n,0,0,NXM_NX_REG0[])",
	  "eth_src,50,modulo_n,0,0,NXM_NX_REG0[]: n_links 0 is not in valid range 1 to 65536" },
	{ "note:x", "bad hex digit in `note' argument" },
	{ "unroll_xlate", "UNROLL is an internal action that shouldn't be used via OpenFlow" },
	{ "sample(probability=0)", "invalid probability value \"0\"" },
	{ "sample", "non-zero \"probability\" must be specified on sample" },
	{ "ct(table=asdf)", "unknown table asdf" },
	{ "ct(table=255)", "invalid table 0xff" },
	{ "ct(foo=bar)", "invalid argument to \"ct\" action: `foo'" },
	{ "ct(force)", "\"force\" flag requires \"commit\" flag." },
	{ "nat(src=1.2.3.4x)", "garbage (x) after nat range \"1.2.3.4x\" (pos: 7)" },
	{ "nat(src=1.2.3.4-0.1.2.3)", "invalid nat range \"1.2.3.4-0.1.2.3\"" },
	{ "nat(src=1.2.3.4,dst=2.3.4.5)", "May only specify one of \"src\" or \"dst\"." },
	{ "nat(persistent)", "Flags allowed only with \"src\" or \"dst\"." },
	{ "check_pkt_larger(1500)->reg0", "Only 1-bit destination field is allowed" },
	{ "goto_table:asdf", "unknown table \"asdf\"" },
	{ "set_field:1234->ct_mark", "cannot set CT fields outside of ct action" },
	{ "nat", "Cannot have NAT action outside of \"ct\" action" },
	{ "ct(commit,exec(push_vlan(0x8100)))", "ct action doesn't support nested action push_vlan" },
	{ "ct(commit,exec(set_field:12:34:56:78:9a:bc->eth_dst))",
	  "ct action doesn't support nested modification of eth_dst" },
	{ "goto_table:5,goto_table:5",
	  "duplicate goto_table instruction not allowed, for OpenFlow 1.1+ compatibility" },
	{ "goto_table:5,clone()",
	  "invalid instruction ordering: apply_actions must appear before goto_table, for "
	  "OpenFlow 1.1+ compatibility" },
	{ "apply_actions", "apply_actions is the default instruction" },
	{ "xyzzy", "unknown action xyzzy" },
	{ "drop,3", "\"drop\" must not be accompanied by any other action or instruction" },
};

static void
bad_texts_are_told(void **state)
{
	for (size_t i = 0; i < N(bad_texts); i++) {
		struct wf_buf list = WF_BUF_INIT;
		char *error = of_actions_parse(bad_texts[i].text, &list);

		if (!error)
			fail_msg("%s: no error", bad_texts[i].text);
		assert_string_equal(error, bad_texts[i].error);
		assert_int_equal(list.size, 0);
		free(error);
		wf_buf_done(&list);
	}
}

/* What a list of one version is in another (Open vSwitch: dump-flows of the same flow). */
static const struct {
	const char *text, *match;
	uint8_t version;
	const char *hex;
} translations[] = {
	{ "mod_vlan_vid:9", "", OF13,
	  "0011000881000000 0019001080000c0210090000 00000000" },
	{ "mod_vlan_vid:9", "dl_vlan=3", OF13, "0019001080000c021009000000000000" },
	{ "mod_vlan_vid:9", "dl_vlan=3", OF11, "0001000800090000" },
	{ "set_vlan_vid:9", "dl_vlan=3", OF10, "0001000800090000" },
	{ "mod_nw_src:1.2.3.4", "ip", OF10, "0006000801020304" },
	{ "mod_nw_src:1.2.3.4", "ip", OF11, "0005000801020304" },
	{ "mod_nw_src:1.2.3.4", "ip", OF12, "0019001080001604 01020304 00000000" },
	{ "mod_nw_ttl:123", "ip", OF10, "ffff0018000023200007000700013a01000000000000007b" },
	{ "mod_nw_ecn:2", "ip", OF10, "ffff00180000232000070001000138010000000000000002" },
	{ "set_field:2->ip_ecn", "ip", OF11, "0008000802000000" },
	{ "mod_tp_src:80", "tcp", OF13, "0019001080001a02 0050 000000000000" },
	{ "mod_tp_src:80", "udp", OF13, "0019001080001e02 0050 000000000000" },
	{ "mod_tp_src:80", "tcp", OF11, "0009000800500000" },
	{ "set_field:10->mpls_label", "mpls", OF10,
	  "ffff00180000232000070013800044040000 00000000000a" },
	{ "enqueue:123:456", "", OF13,
	  "00150008000001c8 000000100000007bffff000000000000 ffff0010000023200005000000000000" },
	{ "enqueue:123:456", "", OF10, "000b0010007b000000000000000001c8" },
	{ "goto_table:7", "", OF10, "ffff001000002320000efff807000000" },
	{ "set_tunnel:5", "", OF10, "ffff0010000023200002000000000005" },
	{ "set_tunnel:5", "", OF13, "0019001080004c08 0000000000000005" },
	{ "move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]", "", OF15,
	  "001c0018001000000000000000000002 0001000400000000" },
	{ "push_vlan:0x8100", "", OF10, "" },
	{ "push_pbb:0x88e7", "", OF13, "001a000888e70000" },
	{ "pop_pbb", "dl_type=0x88e7", OF14, "001b000800000000" },
	{ "copy_ttl_out", "mpls", OF11, "000b000800000000" },
	{ "copy_ttl_in", "mpls", OF15, "000c000800000000" },
	{ "push_pbb:0x88e7", "", OF10, "" },
	{ "meter:3", "", OF15, "001d000800000003" },
	{ "set_field:0x8100/0xff00->reg0", "", OF13,
	  "ffff0018000023200007020700010004 0000000000000081" },
};

static void
lists_are_told_to_any_version(void **state)
{
	for (size_t i = 0; i < N(translations); i++) {
		struct wf_buf list = WF_BUF_INIT, wire = WF_BUF_INIT;

		parse(translations[i].text, &list);
		assert_int_equal(check(&list, translations[i].match, OF13), 0);
		of_actions_encode(list.data, list.size, translations[i].version, &wire);
		expect_hex(&wire, translations[i].hex, translations[i].text);
		wf_buf_done(&list);
		wf_buf_done(&wire);
	}
}

static const struct {
	const char *text, *match;
	of_err_t v10, v13;
} checks[] = {
	{ "mod_nw_src:1.2.3.4", "ip", 0, 0 },
	{ "mod_nw_src:1.2.3.4", "ipv6", 0, OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "mod_nw_src:1.2.3.4", "", 0, OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "dec_ttl", "ipv6", 0, 0 },
	{ "mod_tp_dst:1", "ip", 0, OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "mod_tp_dst:1", "tcp6", 0, 0 },
	{ "fin_timeout(idle_timeout=1)", "tcp", 0, 0 },
	{ "push_mpls:0x8847,fin_timeout(idle_timeout=1)", "tcp", 0,
	  OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "set_mpls_ttl(1)", "ip", 0, OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "push_mpls:0x8847,set_mpls_ttl(1)", "ip", 0, 0 },
	{ "pop_mpls:0x0800,dec_ttl", "mpls", 0, 0 },
	{ "pop_mpls:0x0800", "ip", 0, OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "strip_vlan", "", 0, OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "strip_vlan", "dl_vlan=1", 0, 0 },
	{ "push_vlan:0x8100,strip_vlan", "", 0, 0 },
	{ "push_vlan:0x8100,set_field:4097->vlan_vid", "", 0, 0 },
	{ "set_field:4097->vlan_vid", "", OF_ERR_OFPBAC_MATCH_INCONSISTENT,
	  OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "push_vlan:0x8100,push_vlan:0x8100", "", 0, 0 },
	{ "push_vlan:0x8100,push_vlan:0x8100,push_vlan:0x8100", "", OF_ERR_OFPBAC_BAD_TAG,
	  OF_ERR_OFPBAC_BAD_TAG },
	{ "set_field:1.2.3.4->ip_src", "", OF_ERR_OFPBAC_MATCH_INCONSISTENT,
	  OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "set_field:0x0800->eth_type,set_field:1.2.3.4->ip_src", "mpls", 0, 0 },
	{ "set_field:6->ip_proto,set_field:1->tcp_src", "ip", 0, 0 },
	{ "set_field:1->tcp_src", "ip", OF_ERR_OFPBAC_MATCH_INCONSISTENT,
	  OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "move:NXM_OF_TCP_SRC[]->NXM_NX_REG0[0..15]", "", OF_ERR_OFPBAC_MATCH_INCONSISTENT,
	  OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "output:65279", "", 0, 0 },
	{ "output:65281", "", OF_ERR_OFPBAC_BAD_OUT_PORT, OF_ERR_OFPBAC_BAD_OUT_PORT },
	{ "goto_table:0", "", OF_ERR_OFPBIC_BAD_TABLE_ID, OF_ERR_OFPBIC_BAD_TABLE_ID },
	{ "goto_table:253", "", 0, 0 },
	{ "goto_table:254", "", OF_ERR_OFPBIC_BAD_TABLE_ID, OF_ERR_OFPBIC_BAD_TABLE_ID },
	{ "meter:0", "", OF_ERR_OFPMMFC_INVALID_METER, OF_ERR_OFPMMFC_INVALID_METER },
	{ "ct(commit)", "", OF_ERR_OFPBAC_MATCH_INCONSISTENT, OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "ct(commit)", "ip", 0, 0 },
	{ "ct(alg=ftp)", "udp", OF_ERR_OFPBAC_MATCH_INCONSISTENT,
	  OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "ct(commit,nat(src=1.2.3.4))", "ipv6", OF_ERR_OFPBAC_MATCH_INCONSISTENT,
	  OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "resubmit(,1,ct)", "ip", OF_ERR_OFPBAC_MATCH_INCONSISTENT,
	  OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "resubmit(,1,ct)", "ct_state=+new+trk,ip", 0, 0 },
	{ "learn(eth_type=0x800,nw_proto=6,NXM_OF_TCP_SRC[])", "tcp", 0, 0 },
	{ "learn(NXM_OF_TCP_SRC[])", "tcp", OF_ERR_OFPBAC_MATCH_INCONSISTENT,
	  OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "learn(load:NXM_OF_TCP_SRC[]->NXM_NX_REG0[0..15])", "",
	  OF_ERR_OFPBAC_MATCH_INCONSISTENT, OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "write_actions(mod_nw_src:1.2.3.4)", "", 0, 0 },
	{ "clone(mod_nw_src:1.2.3.4)", "", 0, OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "clone(push_mpls:0x8847),dec_ttl", "ip", 0, 0 },
	{ "delete_field:tun_metadata0", "", 0, 0 },
	{ "delete_field:reg0", "", OF_ERR_OFPBAC_BAD_ARGUMENT, OF_ERR_OFPBAC_BAD_ARGUMENT },
	{ "push_pbb:0x88e7,set_field:5->pbb_isid,pop_pbb", "", 0, 0 },
	{ "pop_pbb", "", 0, OF_ERR_OFPBAC_MATCH_INCONSISTENT },
	{ "copy_ttl_in", "mpls", 0, 0 },
};

static void
lists_must_fit_the_match(void **state)
{
	for (size_t i = 0; i < N(checks); i++) {
		for (unsigned v = 0; v < 2; v++) {
			struct wf_buf list = WF_BUF_INIT;
			of_err_t want = v ? checks[i].v13 : checks[i].v10, err;

			parse(checks[i].text, &list);
			err = check(&list, checks[i].match, v ? OF13 : OF10);
			if (err != want)
				fail_msg("%s on '%s': %s, want %s", checks[i].text, checks[i].match,
					 of_err_name(err), of_err_name(want));
			wf_buf_done(&list);
		}
	}
}

static void
set_runs_in_the_standards_order(void **state)
{
	static const struct {
		const char *written, *run;
	} sets[] = {
		{ "output:1,mod_dl_src:00:00:00:00:00:01,push_vlan:0x8100,dec_ttl,pop_vlan",
		  "pop_vlan,push_vlan:0x8100,dec_ttl,mod_dl_src:00:00:00:00:00:01,output:1" },
		{ "output:1,output:2", "output:2" },
		{ "output:1,group:2", "group:2" },
		{ "group:2,output:1", "group:2" },
		{ "resubmit(,1),output:3", "output:3" },
		{ "dec_ttl,set_queue:1", "drop" },
		{ "set_field:1->reg0,set_field:2->reg0,output:1",
		  "set_field:0x1->reg0,set_field:0x2->reg0,output:1" },
		{ "push_pbb:0x88e7,push_mpls:0x8847,copy_ttl_out,copy_ttl_in,output:1",
		  "copy_ttl_in,push_mpls:0x8847,push_pbb:0x88e7,copy_ttl_out,output:1" },
	};

	for (size_t i = 0; i < N(sets); i++) {
		struct wf_buf list = WF_BUF_INIT, out = WF_BUF_INIT;

		parse(sets[i].written, &list);
		of_action_set_resolve(list.data, list.size, &out);
		expect_text(&out, sets[i].run, sets[i].written);
		wf_buf_done(&list);
		wf_buf_done(&out);
	}
}

static void
reads_are_found_inside(void **state)
{
	struct wf_buf list = WF_BUF_INIT;
	struct of_key mask, want;

	memset(&mask, 0, sizeof(mask));
	memset(&want, 0, sizeof(want));
	parse("load:1->NXM_NX_REG0[],mod_nw_src:1.2.3.4,output:1,dec_ttl", &list);
	of_actions_mark_reads(list.data, list.size, &mask);
	assert_memory_equal(&mask, &want, sizeof(mask));
	wf_buf_clear(&list);
	parse("clone(move:NXM_NX_REG2[0..7]->NXM_NX_REG3[0..7],"
	      "learn(NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])),output:NXM_NX_REG4[0..15],push:metadata[]",
	      &list);
	of_actions_mark_reads(list.data, list.size, &mask);
	want.regs[2] = 0xff;
	want.regs[4] = 0xffff;
	want.metadata = UINT64_MAX;
	memset(want.dl_src, 0xff, 6);
	assert_memory_equal(&mask, &want, sizeof(mask));
	wf_buf_done(&list);
}

static void
outputs_are_found_inside(void **state)
{
	struct wf_buf list = WF_BUF_INIT;

	parse("output:1,clone(output:2,group:7),write_actions(output:3)", &list);
	for (of_port_t port = 1; port <= 3; port++)
		assert_true(of_actions_output_to_port(list.data, list.size, port));
	assert_false(of_actions_output_to_port(list.data, list.size, 4));
	assert_true(of_actions_output_to_group(list.data, list.size, 7));
	assert_false(of_actions_output_to_group(list.data, list.size, 1));
	assert_int_equal(of_actions_meter(list.data, list.size), 0);
	wf_buf_clear(&list);
	parse("meter:9,output:1", &list);
	assert_int_equal(of_actions_meter(list.data, list.size), 9);
	wf_buf_done(&list);
}

static void
records_are_small(void **state)
{
	struct wf_buf list = WF_BUF_INIT;

	parse("output:1", &list);
	assert_int_equal(list.size, 16);
	wf_buf_clear(&list);
	parse("group:1,goto_table:3", &list);
	assert_int_equal(list.size, 16);
	wf_buf_done(&list);
}

/* 4000 clones in each other fit into one message. */
static void
nesting_has_an_end(void **state)
{
	enum { DEPTH = 4000 };
	static uint8_t wire[DEPTH * 16];
	struct wf_buf list = WF_BUF_INIT;

	for (unsigned n = 64;; n = DEPTH) {
		for (unsigned i = 0; i < n; i++) {
			uint8_t *p = wire + 16 * i;
			unsigned len = 16 * (n - i);

			memcpy(p, "\xff\xff\0\0\0\0\x23\x20\0\x2a\0\0\0\0\0\0", 16);
			p[2] = len >> 8;
			p[3] = len;
		}
		of_err_t err = of_actions_decode(wire, 16 * n, OF13, &list);

		assert_int_equal(err, n == DEPTH ? OF_ERR_OFPBAC_TOO_MANY : 0);
		if (n == DEPTH)
			break;
		wf_buf_clear(&list);
	}
	assert_int_equal(list.size, 0);
	wf_buf_done(&list);
}

/* Options have the length that the map says. */
static void
tunnel_options_go_by_the_map(void **state)
{
	struct of_tlv_map map;
	struct wf_buf list = WF_BUF_INIT, wire = WF_BUF_INIT, again = WF_BUF_INIT;
	uint8_t load[24];

	of_tlv_map_init(&map);
	assert_int_equal(of_tlv_map_add(&map, 0xffff, 0, 4, 0), 0);
	const struct of_tlv_map *before = of_tlv_map_enter(&map);

	parse("set_field:0x1234->tun_metadata0,move:NXM_NX_TUN_METADATA0[0..31]->NXM_NX_REG0[]",
	      &list);
	of_actions_encode(list.data, list.size, OF13, &wire);
	expect_hex(&wire, "0019001000015002 1234 000000000000"
			  "ffff0018000023200006002000000000 0001500400010004", "map");
	assert_int_equal(of_actions_decode(wire.data, wire.size, OF13, &again), 0);
	assert_true(of_actions_equal(list.data, list.size, again.data, again.size));
	/* tun_metadata1 is not mapped. */
	unhex("ffff001800002320000700070001527c0000000000000001", load);
	assert_int_equal(of_actions_decode(load, sizeof(load), OF13, &again),
			 OF_ERR_NXFMFC_INVALID_TLV_FIELD);
	of_tlv_map_enter(before);
	wf_buf_done(&list);
	wf_buf_done(&wire);
	wf_buf_done(&again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_is_read_and_written_as_ovs_does),
		cmocka_unit_test(texts_come_back),
		cmocka_unit_test(texts_are_printed_as_parsed),
		cmocka_unit_test(bad_texts_are_told),
		cmocka_unit_test(lists_are_told_to_any_version),
		cmocka_unit_test(lists_must_fit_the_match),
		cmocka_unit_test(set_runs_in_the_standards_order),
		cmocka_unit_test(reads_are_found_inside),
		cmocka_unit_test(outputs_are_found_inside),
		cmocka_unit_test(records_are_small),
		cmocka_unit_test(nesting_has_an_end),
		cmocka_unit_test(tunnel_options_go_by_the_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
