/* SPDX-License-Identifier: Apache-2.0 */
/* The first line of a message's text is that of ovs-ofctl's ofp-print. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "openflow/msg.h"

/* Message and what "ovs-ofctl ofp-parse" 3.1.0 prints of it. */
static const struct {
	const char *hex, *text;
} rows[] = {
	{ "0100000800000000",
	  "OFPT_HELLO (xid=0x0):" },
	{ "010a004e0000000000000111003c00030000505400000006505400000005080045000028bd120000"
	  "40063c6ac0a80001c0a80002272f00007850cc5b57af421e5002020026e80000000000000000",
	  "OFPT_PACKET_IN (xid=0x0): total_len=60 in_port=3 (via no_match) data_len=60 "
	  "buffer=0x00000111" },
	{ "020a005400000000000001110000000300000003003c000050540000000650540000000508004500"
	  "0028bd12000040063c6ac0a80001c0a80002272f00007850cc5b57af421e5002020026e800000000"
	  "00000000",
	  "OFPT_PACKET_IN (OF1.1) (xid=0x0): total_len=60 in_port=3 (via no_match) data"
	  "_len=60 buffer=0x00000111" },
	{ "030a004c00000000ffffff00002a00000001000c80000004fffffffe000000000000ffffffffffff"
	  "00232083c15f8035000108000604000100232083c15f0000000000232083c15f00000000",
	  "OFPT_PACKET_IN (OF1.2) (xid=0x0): total_len=42 in_port=LOCAL (via no_match) "
	  "data_len=42 buffer=0xffffff00" },
	{ "040a005400000000ffffff00002a000001020304050607080001000c80000004fffffffe00000000"
	  "0000ffffffffffff00232083c15f8035000108000604000300232083c15f0000000000232083c15f"
	  "00000000",
	  "OFPT_PACKET_IN (OF1.3) (xid=0x0): cookie=0x102030405060708 total_len=42 in_p"
	  "ort=LOCAL (via no_match) data_len=42 buffer=0xffffff00" },
	{ "050a005400000000ffffff00002a000001020304050607080001000c80000004fffffffe00000000"
	  "0000ffffffffffff00232083c15f8035000108000604000300232083c15f0000000000232083c15f"
	  "00000000",
	  "OFPT_PACKET_IN (OF1.4) (xid=0x0): cookie=0x102030405060708 total_len=42 in_p"
	  "ort=LOCAL (via no_match) data_len=42 buffer=0xffffff00" },
	{ "060a005400000000ffffff00002a000001020304050607080001000c80000004fffffffe00000000"
	  "0000ffffffffffff00232083c15f8035000108000604000300232083c15f0000000000232083c15f"
	  "00000000",
	  "OFPT_PACKET_IN (OF1.5) (xid=0x0): cookie=0x102030405060708 total_len=42 in_p"
	  "ort=LOCAL (via no_match) data_len=42 buffer=0xffffff00" },
	{ "010d0054000000000000011400010008000000080003000050540000000550540000000608004500"
	  "0028000040004006b97cc0a80002c0a8000100002b60000000006a4f2b58501400006d7500000000"
	  "00000000",
	  "OFPT_PACKET_OUT (xid=0x0): in_port=1 actions=output:3 buffer=0x00000114" },
	{ "030d00288858dfc5ffffff00fffffffe001000000000000000000010fffffffb05dc000000000000",
	  "OFPT_PACKET_OUT (OF1.2) (xid=0x8858dfc5): in_port=LOCAL actions=FLOOD buffer"
	  "=0xffffff00" },
	{ "060d003011223344ffffff00001000000001001080000004000000010000000000000010fffffffb"
	  "05dc000000000000",
	  "OFPT_PACKET_OUT (OF1.5) (xid=0x11223344): in_port=1 actions=FLOOD buffer=0xf"
	  "fffff00" },
	{ "040e0040cffe6b860000000000000000000000000000000000000000000003e8ffffffffffffffff"
	  "ffffffff0000000000010004000000000006000800000001",
	  "OFPT_FLOW_MOD (OF1.3) (xid=0xcffe6b86): ADD priority=1000 actions=meter:1" },
	{ "0104006000000002000023200000000d00000000000000000000000000008000ffffffff00100000"
	  "00140000000000000001200800000000000001c8000100040000007b00000000ffff001800002320"
	  "0007001f000100040000000000000005",
	  "NXT_FLOW_MOD (xid=0x2): ADD reg0=0x7b,tun_id=0x1c8 out_port:16 actions=load:"
	  "0x5->NXM_NX_REG0[]" },
	{ "010e005000000006003818ee0001000000000000000000000000000000000800000000000a000000"
	  "000000000000000000000000000000000000000000000005ffffffffffff00000000000800020000",
	  "OFPT_FLOW_MOD (xid=0x6): ADD priority=5,ip,in_port=1,nw_src=10.0.0.0/8 actio"
	  "ns=output:2" },
	{ "010e0050000000080038204f00000000000000000000000000000000000008000006000000000000"
	  "000000000000005000000000000012340300000a00140007ffffffffffff000300000008fffdffff",
	  "OFPT_FLOW_MOD (xid=0x8): ADD table:3 priority=7,tcp,tp_dst=80 cookie:0x1234 "
	  "idle:10 hard:20 send_flow_rem check_overlap actions=CONTROLLER:65535" },
	{ "020d004600000006fffffffffffffffd002000000000000000000010000000010000000000000000"
	  "00000010000000020000000000000000ffffffffffff0000000000010806",
	  "OFPT_PACKET_OUT (OF1.1) (xid=0x6): in_port=CONTROLLER actions=output:1,outpu"
	  "t:2 data_len=14" },
	{ "030e006800000006000000000000000000000000000000000000000000000005ffffffffffffffff"
	  "ffffffff000000000001001e800000040000000180000a020800800017080a000000ff0000000000"
	  "000400180000000000000010000000020000000000000000",
	  "OFPT_FLOW_MOD (OF1.2) (xid=0x6): ADD priority=5,ip,in_port=1,nw_src=10.0.0.0"
	  "/8 actions=output:2" },
	{ "030e006000000006000000000000123400000000000000000300000a00140007ffffffffffffffff"
	  "ffffffff000300000001001580000a020800800014010680001c0200500000000004001800000000"
	  "00000010fffffffdffff000000000000",
	  "OFPT_FLOW_MOD (OF1.2) (xid=0x6): ADD table:3 priority=7,tcp,tp_dst=80 cookie"
	  ":0x1234 idle:10 hard:20 send_flow_rem check_overlap actions=CONTROLLER:65535" },
	{ "040e006800000006000000000000000000000000000000000000000000000005ffffffffffffffff"
	  "ffffffff000000000001001e800000040000000180000a020800800017080a000000ff0000000000"
	  "000400180000000000000010000000020000000000000000",
	  "OFPT_FLOW_MOD (OF1.3) (xid=0x6): ADD priority=5,ip,in_port=1,nw_src=10.0.0.0"
	  "/8 actions=output:2" },
	{ "040d004600000006fffffffffffffffd002000000000000000000010000000010000000000000000"
	  "00000010000000020000000000000000ffffffffffff0000000000010806",
	  "OFPT_PACKET_OUT (OF1.3) (xid=0x6): in_port=CONTROLLER actions=output:1,outpu"
	  "t:2 data_len=14" },
	{ "050e006800000006000000000000000000000000000000000000000000000005ffffffffffffffff"
	  "ffffffff000000000001001e800000040000000180000a020800800017080a000000ff0000000000"
	  "000400180000000000000010000000020000000000000000",
	  "OFPT_FLOW_MOD (OF1.4) (xid=0x6): ADD priority=5,ip,in_port=1,nw_src=10.0.0.0"
	  "/8 actions=output:2" },
	{ "050e006000000006000000000000123400000000000000000300000a00140007ffffffffffffffff"
	  "ffffffff000300090001001580000a020800800014010680001c0200500000000004001800000000"
	  "00000010fffffffdffff000000000000",
	  "OFPT_FLOW_MOD (OF1.4) (xid=0x6): ADD table:3 priority=7,tcp,tp_dst=80 cookie"
	  ":0x1234 idle:10 hard:20 importance:9 send_flow_rem check_overlap actions=CON"
	  "TROLLER:65535" },
	{ "050d004600000006fffffffffffffffd002000000000000000000010000000010000000000000000"
	  "00000010000000020000000000000000ffffffffffff0000000000010806",
	  "OFPT_PACKET_OUT (OF1.4) (xid=0x6): in_port=CONTROLLER actions=output:1,outpu"
	  "t:2 data_len=14" },
	{ "060e006800000006000000000000000000000000000000000000000000000005ffffffffffffffff"
	  "ffffffff000000000001001e800000040000000180000a020800800017080a000000ff0000000000"
	  "000400180000000000000010000000020000000000000000",
	  "OFPT_FLOW_MOD (OF1.5) (xid=0x6): ADD priority=5,ip,in_port=1,nw_src=10.0.0.0"
	  "/8 actions=output:2" },
	{ "060e006000000006000000000000123400000000000000000300000a00140007ffffffffffffffff"
	  "ffffffff000300090001001580000a020800800014010680001c0200500000000004001800000000"
	  "00000010fffffffdffff000000000000",
	  "OFPT_FLOW_MOD (OF1.5) (xid=0x6): ADD table:3 priority=7,tcp,tp_dst=80 cookie"
	  ":0x1234 idle:10 hard:20 importance:9 send_flow_rem check_overlap actions=CON"
	  "TROLLER:65535" },
	{ "02000010000000010001000800000004",
	  "OFPT_HELLO (OF1.1) (xid=0x1):" },
	{ "03000010000000010001000800000008",
	  "OFPT_HELLO (OF1.2) (xid=0x1):" },
	{ "04000010000000010001000800000010",
	  "OFPT_HELLO (OF1.3) (xid=0x1):" },
	{ "05000010000000010001000800000020",
	  "OFPT_HELLO (OF1.4) (xid=0x1):" },
	{ "06000010000000010001000800000040",
	  "OFPT_HELLO (OF1.5) (xid=0x1):" },
};

static void
texts_are_those_of_ovs_ofctl(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wf_str s = WF_STR_INIT;
		uint8_t bytes[256];
		size_t size = strlen(rows[i].hex) / 2;

		for (size_t k = 0; k < size; k++) {
			char digits[3] = { rows[i].hex[2 * k], rows[i].hex[2 * k + 1], '\0' };

			bytes[k] = strtoul(digits, NULL, 16);
		}
		of_msg_format(bytes, size, NULL, &s);
		wf_str_truncate(&s, strcspn(s.s, "\n"));
		wf_str_chomp(&s, ' ');
		assert_string_equal(wf_str_cstr(&s), rows[i].text);
		wf_str_done(&s);
	}
}

static void
broken_messages_are_dumped(void **state)
{
	struct wf_str s = WF_STR_INIT;

	of_msg_format("\4\0\0", 3, NULL, &s);
	assert_string_equal(wf_str_cstr(&s),
			    "OpenFlow packet too short (only 3 bytes):\n"
			    "00000000  04 00 00                                        |...             |\n");
	wf_str_truncate(&s, 0);
	of_msg_format("\4\143\0\10\0\0\0\1", 8, NULL, &s);
	assert_string_equal(wf_str_cstr(&s),
			    "***decode error: OFPBRC_BAD_TYPE***\n"
			    "00000000  04 63 00 08 00 00 00 01-                        |.c......        |\n");
	wf_str_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_those_of_ovs_ofctl),
		cmocka_unit_test(broken_messages_are_dumped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
