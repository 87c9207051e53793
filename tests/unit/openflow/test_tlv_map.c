// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "openflow/match_wire.h"
#include "openflow/tlv_map.h"

static void
rules_of_the_map(void **state)
{
	struct of_tlv_map map;

	of_tlv_map_init(&map);
	assert_int_equal(of_tlv_map_add(&map, 1, 2, 4, 0), 0);
	assert_int_equal(of_tlv_map_add(&map, 1, 3, 5, 1), OF_ERR_NXTTMFC_BAD_OPT_LEN);
	assert_int_equal(of_tlv_map_add(&map, 1, 3, 128, 1), OF_ERR_NXTTMFC_BAD_OPT_LEN);
	assert_int_equal(of_tlv_map_add(&map, 1, 3, 4, 64), OF_ERR_NXTTMFC_BAD_FIELD_IDX);
	assert_int_equal(of_tlv_map_add(&map, 1, 3, 4, 0), OF_ERR_NXTTMFC_ALREADY_MAPPED);
	assert_int_equal(of_tlv_map_add(&map, 1, 2, 4, 1), OF_ERR_NXTTMFC_DUP_ENTRY);
	assert_int_equal(of_tlv_map_add(&map, 1, 3, 124, 1), 0);
	assert_int_equal(of_tlv_map_add(&map, 1, 4, 124, 2), 0);
	assert_int_equal(of_tlv_map_add(&map, 1, 5, 8, 3), OF_ERR_NXTTMFC_TABLE_FULL);
	assert_int_equal(of_tlv_map_add(&map, 1, 5, 4, 3), 0);
	assert_int_equal(of_tlv_map_add(&map, 1, 6, 0, 4), 0); /* only there or not */
	assert_int_equal(of_tlv_map_find(&map, 1, 4), 2);
	of_tlv_map_del(&map, 2);
	of_tlv_map_del(&map, 2);
	of_tlv_map_del(&map, 99);
	assert_int_equal(of_tlv_map_find(&map, 1, 4), -1);
	assert_int_equal(of_tlv_map_add(&map, 1, 4, 124, 7), 0);
}

static void
an_option_may_lie_in_pieces(void **state)
{
	struct of_key k = { .metadata = 0 };
	uint8_t in[100], out[100];
	struct of_tlv_map map;

	of_tlv_map_init(&map);
	for (int i = 0; i < 64; i++)
		assert_int_equal(of_tlv_map_add(&map, 7, i, 4, i), 0);
	for (int i = 0; i < 64; i += 2)
		of_tlv_map_del(&map, i);
	assert_int_equal(of_tlv_map_add(&map, 8, 1, 100, 0), 0);
	assert_int_equal(map.entry[0].n_pieces, 25);
	for (int i = 0; i < 100; i++)
		in[i] = i;
	memset(k.tun_metadata, 0xee, sizeof(k.tun_metadata));
	of_tlv_write(&map, 0, in, &k);
	of_tlv_read(&map, 0, &k, out);
	assert_memory_equal(in, out, 100);
	assert_int_equal(k.tun_metadata[4], 0xee);
}

static void
geneve_options_become_fields_and_back(void **state)
{
	static const uint8_t wire[] = {
		0x01, 0x02, 0x05, 0x01, 0xaa, 0xbb, 0xcc, 0xdd, /* tun_metadata3 */
		0x01, 0x02, 0x86, 0x00,                         /* tun_metadata5, critical */
	};
	static const uint8_t unknown[] = { 0x09, 0x09, 0x01, 0x01, 0, 0, 0, 0 };
	static const uint8_t critical[] = { 0x09, 0x09, 0x81, 0x00 };
	struct of_key k = { .metadata = 0 };
	struct of_tlv_map map;
	uint8_t out[600];
	bool crit;

	of_tlv_map_init(&map);
	assert_int_equal(of_tlv_map_add(&map, 0x0102, 0x05, 4, 3), 0);
	assert_int_equal(of_tlv_map_add(&map, 0x0102, 0x86, 0, 5), 0);
	assert_true(of_tlv_from_geneve(&map, wire, sizeof(wire), &k));
	assert_int_equal(k.tun_metadata_present, 1 << 3 | 1 << 5);
	assert_int_equal(of_tlv_to_geneve(&map, &k, out, &crit), sizeof(wire));
	assert_memory_equal(out, wire, sizeof(wire));
	assert_true(crit);
	assert_true(of_tlv_from_geneve(&map, unknown, sizeof(unknown), &k));
	assert_int_equal(k.tun_metadata_present, 0);
	assert_false(of_tlv_from_geneve(&map, critical, sizeof(critical), &k));
	assert_false(of_tlv_from_geneve(&map, wire, 6, &k));
}

static void
matches_follow_the_map(void **state)
{
	static const uint8_t nxm[] = { 0, 1, 0x56, 0x04, 0, 0, 0, 5 };
	static const uint8_t unmapped[] = { 0, 1, 0x50, 0x02, 0, 5 };
	static const uint8_t present[] = { 0, 1, 0x57, 0x00 };
	struct wf_str s = WF_STR_INIT;
	struct wf_buf b = WF_BUF_INIT;
	struct of_match_full m;
	struct of_tlv_map map;

	of_tlv_map_init(&map);
	assert_int_equal(of_tlv_map_add(&map, 1, 1, 8, 3), 0);
	assert_int_equal(of_oxm_decode(unmapped, sizeof(unmapped), 0, &map, &m, NULL, NULL),
			 OF_ERR_NXFMFC_INVALID_TLV_FIELD);
	assert_int_equal(of_oxm_decode(nxm, sizeof(nxm), 0, &map, &m, NULL, NULL), 0);
	of_oxm_encode(&m, 1, &map, &b);
	assert_int_equal(b.size, 4 + 8);
	assert_int_equal(b.data[3], 8);
	assert_int_equal(b.data[11], 5);

	of_tlv_map_enter(&map);
	of_match_format(&m, -1, NULL, NULL, &s);
	assert_string_equal(wf_str_cstr(&s), "tun_metadata3=0x5");
	wf_str_truncate(&s, 0);
	assert_int_equal(of_oxm_decode(present, sizeof(present), 0, &map, &m, NULL, NULL), 0);
	of_match_format(&m, -1, NULL, NULL, &s);
	assert_string_equal(wf_str_cstr(&s), "tun_metadata3");
	of_tlv_map_enter(NULL);
	wf_str_done(&s);
	wf_buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_of_the_map),
		cmocka_unit_test(an_option_may_lie_in_pieces),
		cmocka_unit_test(geneve_options_become_fields_and_back),
		cmocka_unit_test(matches_follow_the_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
