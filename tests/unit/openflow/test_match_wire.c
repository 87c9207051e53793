// SPDX-License-Identifier: Apache-2.0
/* Matches against what ovs-ofctl sends and prints (match_golden.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "openflow/match.h"
#include "openflow/match_wire.h"
#include "tests/unit/openflow/match_golden.h"

#define N_GOLDEN (sizeof(golden) / sizeof(golden[0]))

/* OVS forgets the masks of these fields, sizes options by their value if there is no TLV map, and
 * tells a mask of all 12 TCP flags from none: what it sends for them is read, but we write
 * something else. */
static bool
is_odd(const char *text)
{
	return strstr(text, "erspan") || strstr(text, "gtpu") || strstr(text, "tun_metadata") ||
	       strstr(text, "tcp_flags=0x3/");
}

static size_t
unhex(const char *hex, uint8_t *buf)
{
	size_t n = 0;

	for (; hex[0] && hex[1]; hex += 2)
		sscanf(hex, "%2hhx", &buf[n++]);
	return n;
}

static void
parse(const char *text, struct of_match_full *m)
{
	char *error = of_match_parse(m, text, NULL, NULL);

	if (error)
		fail_msg("%s: %s", text, error);
}

static void
expect_text(const struct of_match_full *m, const char *want, const char *what)
{
	struct wf_str s = WF_STR_INIT;

	of_match_format(m, -1, NULL, NULL, &s);
	if (strcmp(wf_str_cstr(&s), want))
		fail_msg("%s: got '%s', want '%s'", what, wf_str_cstr(&s), want);
	wf_str_done(&s);
}

static void
expect_hex(const void *data, size_t size, const char *want, const char *what)
{
	struct wf_str s = WF_STR_INIT;

	wf_str_hex(&s, data, size);
	if (strcmp(wf_str_cstr(&s), want))
		fail_msg("%s:\n got %s\nwant %s", what, wf_str_cstr(&s), want);
	wf_str_done(&s);
}

static void
expect_same(const struct of_match_full *a, const struct of_match_full *b, const char *what)
{
	if (memcmp(a, b, sizeof(*a))) {
		const uint8_t *x = (const void *)a, *y = (const void *)b;
		size_t i = 0;

		while (x[i] == y[i])
			i++;
		fail_msg("%s: matches differ at byte %zu: %02x, want %02x", what, i, x[i], y[i]);
	}
}

static void
texts_are_printed_as_ovs_ofctl_prints_them(void **state)
{
	for (size_t i = 0; i < N_GOLDEN; i++) {
		struct of_match_full m;

		if (is_odd(golden[i].text))
			continue;
		parse(golden[i].text, &m);
		expect_text(&m, golden[i].printed, golden[i].text);
	}
}

static void
check_nxm(const struct golden *g, const struct of_match_full *m)
{
	struct wf_buf b = WF_BUF_INIT;
	struct of_match_full back;
	uint8_t wire[1024];
	size_t size = unhex(g->nxm, wire);

	assert_int_equal(of_oxm_decode(wire, size, 0, NULL, &back, NULL, NULL), 0);
	if (strstr(g->text, "tun_metadata") == NULL)
		expect_text(&back, g->printed, g->text);
	if (!is_odd(g->text)) {
		of_oxm_encode(m, 1, NULL, &b);
		expect_hex(b.data, b.size, g->nxm, g->text);
		expect_same(&back, m, g->text);
	}
	wf_buf_done(&b);
}

static void
check_framed(const struct golden *g, const struct of_match_full *m, uint8_t version,
	     const char *hex)
{
	struct of_match *packed = of_match_pack(m);
	struct wf_buf b = WF_BUF_INIT;
	struct of_match_full back;
	uint8_t wire[1024] = { 0 };
	size_t size = unhex(hex, wire), used;

	if (size) {
		assert_int_equal(of_match_decode(wire, (size + 7) & ~7u, version, 0, NULL, &back,
						 &used), 0);
		assert_int_equal(used, (size + 7) & ~7u);
		size_t len = of_match_encode(packed, version, NULL, &b);
		if (!is_odd(g->text)) {
			assert_int_equal(len, size);
			expect_hex(b.data, len, hex, g->text);
			/* OXM has no "no tag, whatever the PCP". */
			if (!strstr(g->text, "vlan"))
				expect_text(&back, g->printed, g->text);
		}
	}
	wf_buf_done(&b);
	free(packed);
}

static void
wire_forms_are_those_of_ovs_ofctl(void **state)
{
	for (size_t i = 0; i < N_GOLDEN; i++) {
		const struct golden *g = &golden[i];
		struct of_match_full m;

		parse(g->text, &m);
		check_nxm(g, &m);
		check_framed(g, &m, 2, g->of11);
		check_framed(g, &m, 4, g->oxm13);
		check_framed(g, &m, 6, g->oxm15);
		assert_true(!*g->of10 || of_match_fits_10(&m));
		if (*g->of10) {
			struct ofp10_match wire, want;
			struct of_match_full back;

			unhex(g->of10, (uint8_t *)&want);
			of_match_encode_10(&m, &wire);
			expect_hex(&wire, sizeof(wire), g->of10, g->text);
			assert_int_equal(of_match_decode_10(&want, &back), 0);
			expect_text(&back, g->printed, g->text);
		}
	}
}

/* Lists of entries that must be refused, and with what. */
static const struct bad {
	const char *what, *hex;
	of_err_t err;
} bads[] = {
	{ "cut header", "0000", OF_ERR_OFPBMC_BAD_LEN },
	{ "cut experimenter header", "ffff1f050000", OF_ERR_OFPBMC_BAD_LEN },
	{ "experimenter length too small", "ffff1f0300002320", OF_ERR_OFPBMC_BAD_LEN },
	{ "cut value", "0000000200", OF_ERR_OFPBMC_BAD_LEN },
	{ "unknown field", "00007e0101", OF_ERR_OFPBMC_BAD_FIELD },
	{ "unknown class", "77770002ffff", OF_ERR_OFPBMC_BAD_FIELD },
	{ "unknown experimenter", "ffff00051234567801", OF_ERR_OFPBMC_BAD_FIELD },
	{ "wrong length", "00000003000001", OF_ERR_OFPBMC_BAD_FIELD },
	{ "wrong length, cut", "000000030000", OF_ERR_OFPBMC_BAD_LEN },
	{ "value outside mask", "0000090400ff00f0", OF_ERR_OFPBMC_BAD_WILDCARDS },
	{ "unknown field, value outside mask", "00007f0201fe", OF_ERR_OFPBMC_BAD_WILDCARDS },
	{ "mask on in_port", "00000104000100ff", OF_ERR_OFPBMC_BAD_MASK },
	{ "tcp port without ip", "000012020050", OF_ERR_OFPBMC_BAD_PREREQ },
	{ "tcp port of udp", "00000602080000000c0111000012020050", OF_ERR_OFPBMC_BAD_PREREQ },
	{ "ip proto before eth_type", "00000c0106000006020800", OF_ERR_OFPBMC_BAD_PREREQ },
	{ "in_port twice", "000000020001000000020001", OF_ERR_OFPBMC_DUP_FIELD },
	{ "in_port as NXM and OXM", "0000000200018000000400000001", OF_ERR_OFPBMC_DUP_FIELD },
	{ "dscp with ecn bits", "00000602080000000a0103", OF_ERR_OFPBMC_BAD_VALUE },
	{ "vlan_vid with pcp bits", "80000c02f001", OF_ERR_OFPBMC_BAD_VALUE },
	{ "pcp without tag", "80000e0107", OF_ERR_OFPBMC_BAD_PREREQ },
	{ "label too long", "80000a028847" "80004404ffffffff", OF_ERR_OFPBMC_BAD_VALUE },
	{ "cookie where none is allowed", "00013c080000000000000001", OF_ERR_OFPBMC_BAD_FIELD },
	{ "ct_nw_src of an untracked packet", "000006020800" "0001f00401020304",
	  OF_ERR_OFPBMC_BAD_PREREQ },
	{ "arp_op of 16 bits", "000006020806" "00001e020101", OF_ERR_OFPBMC_BAD_VALUE },
};

static void
bad_lists_are_refused(void **state)
{
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		uint8_t wire[128];
		size_t size = unhex(bads[i].hex, wire);
		uint8_t *exact = malloc(size); /* so that reading beyond it shows */
		struct of_match_full m;

		memcpy(exact, wire, size);
		of_err_t err = of_oxm_decode(exact, size, 0, NULL, &m, NULL, NULL);
		if (err != bads[i].err)
			fail_msg("%s: %s, want %s", bads[i].what, of_err_name(err),
				 of_err_name(bads[i].err));
		free(exact);
	}
}

static void
loose_reading_skips_what_it_does_not_know(void **state)
{
	struct of_match_full m;
	uint8_t wire[64];
	size_t size = unhex("77770002ffff" "000014020050" "000000020001", wire);

	assert_int_equal(of_oxm_decode(wire, size, OF_OXM_LOOSE, NULL, &m, NULL, NULL), 0);
	assert_int_equal(m.key.in_port, 1);
	assert_int_equal(m.key.tp_dst, htons(80));
}

static void
cookies_are_taken_out_of_the_list(void **state)
{
	struct wf_buf b = WF_BUF_INIT;
	struct of_match_full m;
	uint64_t cookie, mask;

	parse("in_port=3", &m);
	struct of_match *packed = of_match_pack(&m);
	assert_int_equal(of_nx_match_encode(packed, NULL, 0x1234, 0xffff, &b), 6 + 20);
	assert_int_equal(b.size, 32);
	assert_int_equal(of_oxm_decode(b.data, 26, 0, NULL, &m, &cookie, &mask), 0);
	assert_int_equal(cookie, 0x1234);
	assert_int_equal(mask, 0xffff);
	wf_buf_clear(&b);
	assert_int_equal(of_nx_match_encode(packed, NULL, 5, UINT64_MAX, &b), 6 + 12);
	assert_int_equal(of_oxm_decode(b.data, 18, 0, NULL, &m, &cookie, &mask), 0);
	assert_int_equal(mask, UINT64_MAX);
	free(packed);
	wf_buf_done(&b);
}

static void
a_pipeline_match_refuses_fields_of_packets(void **state)
{
	struct of_match_full m;
	uint8_t wire[64];
	size_t size = unhex("00000602" "0800", wire);

	assert_int_equal(of_oxm_decode(wire, size, OF_OXM_PIPELINE, NULL, &m, NULL, NULL),
			 OF_ERR_OFPBRC_PIPELINE_FIELDS_ONLY);
	size = unhex("0001020400000001", wire);
	assert_int_equal(of_oxm_decode(wire, size, OF_OXM_PIPELINE, NULL, &m, NULL, NULL), 0);
}

static void
frames_are_checked(void **state)
{
	static const struct {
		const char *what, *hex;
		of_err_t err;
	} rows[] = {
		{ "cut header", "0001", OF_ERR_OFPBMC_BAD_LEN },
		{ "length below the header's", "0001000300000000", OF_ERR_OFPBMC_BAD_LEN },
		{ "padding is not there", "00010009000000", OF_ERR_OFPBMC_BAD_LEN },
		{ "unknown type", "0002000400000000", OF_ERR_OFPBMC_BAD_TYPE },
		{ "standard match of a wrong length", "0000000800000000", OF_ERR_OFPBMC_BAD_LEN },
		{ "anything", "0001000400000000", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct of_match_full m;
		uint8_t wire[128];
		size_t used, size = unhex(rows[i].hex, wire);
		of_err_t err = of_match_decode(wire, size, 4, 0, NULL, &m, &used);

		if (err != rows[i].err)
			fail_msg("%s: %s", rows[i].what, of_err_name(err));
	}
}

static void
entries_of_actions_are_read_and_written(void **state)
{
	static const struct {
		const char *hex;
		enum of_field_id field;
		bool mask;
		of_err_t err;
	} rows[] = {
		{ "8000160401020304", OF_F_IPV4_SRC, false, 0 },
		{ "80001708010203000000" "ff00", OF_F_IPV4_SRC, true, OF_ERR_OFPBMC_BAD_WILDCARDS },
		{ "8000170801020300ffffff00", OF_F_IPV4_SRC, true, 0 },
		{ "80001605010203040500", OF_F_IPV4_SRC, false, OF_ERR_OFPBAC_BAD_SET_LEN },
		{ "8000fc0101", 0, false, OF_ERR_OFPBAC_BAD_SET_TYPE },
		{ "ffff08080" "05ad65000000005", OF_F_NSH_SPI, false, 0 },
		{ "ffff56084f4e460000000003", OF_F_ACTSET_OUTPUT, false, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		union of_value value, mask;
		struct of_oxm_header h;
		uint8_t wire[64];
		size_t used, size = unhex(rows[i].hex, wire);
		of_err_t err = of_nxm_entry_decode(wire, size, true, NULL, &h, &value, &mask, &used);

		if (err != rows[i].err)
			fail_msg("%s: %s", rows[i].hex, of_err_name(err));
		if (err)
			continue;
		assert_int_equal(h.field->id, rows[i].field);
		assert_int_equal(used, size);
		struct wf_buf b = WF_BUF_INIT;
		of_nxm_entry_encode(h.field, 4, &value, rows[i].mask ? &mask : NULL, NULL, &b);
		expect_hex(b.data, b.size, rows[i].hex, h.field->name);
		err = of_nxm_entry_decode(wire, size, true, NULL, &h, &value, NULL, &used);
		assert_int_equal(err, rows[i].mask ? OF_ERR_OFPBMC_BAD_MASK : 0);
		wf_buf_done(&b);
	}
}

static void
raw_lists_are_printed_by_name(void **state)
{
	struct wf_str s = WF_STR_INIT;
	uint8_t wire[64];
	size_t size = unhex("000000020001" "00000904f000f000" "7777040155" "0102", wire);

	of_oxm_format_raw(wire, size, &s);
	assert_string_equal(wf_str_cstr(&s), "NXM_OF_IN_PORT(0001), NXM_OF_VLAN_TCI_W(f000/f000), "
					     "30583:2(55), <2 invalid bytes>");
	wf_str_done(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_printed_as_ovs_ofctl_prints_them),
		cmocka_unit_test(wire_forms_are_those_of_ovs_ofctl),
		cmocka_unit_test(bad_lists_are_refused),
		cmocka_unit_test(loose_reading_skips_what_it_does_not_know),
		cmocka_unit_test(cookies_are_taken_out_of_the_list),
		cmocka_unit_test(a_pipeline_match_refuses_fields_of_packets),
		cmocka_unit_test(frames_are_checked),
		cmocka_unit_test(entries_of_actions_are_read_and_written),
		cmocka_unit_test(raw_lists_are_printed_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
