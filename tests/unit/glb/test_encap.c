// SPDX-License-Identifier: Apache-2.0
/* GUE and VXLAN headers as the programs read and write them, compiled natively. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/glb_encap.h"

/* From the figure in glb-director's docs/development/gue-header.md: two hops, the first to be tried next.  Hlen counts
 * the words behind the first four bytes. */
static const uint8_t gue[] = {
	0x03, 4, 0, 0, 0, 0, 0, 2, 10, 0, 0, 1, 10, 0, 0, 2,
};

static void
gue_is_the_golden_bytes(void **state)
{
	const __be32 hops[GLB_HOPS] = { GLB_BE32(0x0a000001), GLB_BE32(0x0a000002) };
	uint8_t bytes[64];
	struct glb_tunnel t;

	assert_int_equal(glb_gue_len(2), sizeof gue);
	assert_int_equal(glb_write_gue(bytes, bytes + sizeof gue, 4, 2, 0, hops), 1);
	assert_memory_equal(bytes, gue, sizeof gue);
	assert_int_equal(glb_write_gue(bytes, bytes + sizeof gue - 1, 4, 2, 0, hops), 0);
	assert_int_equal(glb_parse_gue(gue, gue + sizeof gue, 0, &t), 0);
	assert_int_equal(t.inner, 4);
	assert_int_equal(t.n_servers, 2);
	assert_int_equal(t.next, 0);
	assert_int_equal(t.off, sizeof gue);
	assert_int_equal(glb_shim_entry(gue, gue + sizeof gue, &t, 1), 0x0a000002);
	for (size_t n = 0; n < sizeof gue; n++)
		assert_int_equal(glb_parse_gue(gue, gue + n, 0, &t), GLB_BAD(short));
	/* Without hops there is no private data, as a kernel's own GUE end sends. */
	assert_int_equal(glb_write_gue(bytes, bytes + 4, 6, 0, 0, hops), 1);
	assert_memory_equal(bytes, "\0\x29\0\0", 4);
	assert_int_equal(glb_parse_gue(bytes, bytes + 4, 0, &t), 0);
	assert_int_equal(t.inner, 6);
	assert_int_equal(t.shim, 0);
	assert_int_equal(t.off, 4);
}

static void
bad_gue_has_its_reason(void **state)
{
	static const struct {
		uint8_t at, value;
		int rc;
	} edits[] = {
		{ 0, 0x43, GLB_BAD(gue_version) }, { 0, 0x23, GLB_BAD(gue_version) }, /* version 1; a control message */
		{ 2, 0x80, GLB_BAD(gue_version) }, { 3, 0x01, GLB_BAD(gue_version) },
		{ 5, 0x01, GLB_BAD(gue_version) }, /* private data of another type */
		{ 1, 6, GLB_BAD(gue_protocol) },
		{ 7, 1, GLB_BAD(shim_length) },	   { 7, 7, GLB_BAD(shim_length) },   { 6, 3, GLB_BAD(shim_length) },
		{ 0, 0x04, GLB_BAD(short) },
	};

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		uint8_t bytes[sizeof gue];
		struct glb_tunnel t;

		memcpy(bytes, gue, sizeof bytes);
		bytes[edits[i].at] = edits[i].value;
		assert_int_equal(glb_parse_gue(bytes, bytes + sizeof bytes, 0, &t), edits[i].rc);
	}
}

static void
vxlan_is_as_rfc_7348_has_it(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 7 };
	static const uint8_t wanted[] = {
		0x08, 0, 0, 0, 0x01, 0x02, 0x03, 0, 2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 0, 0, 0x86, 0xdd,
	};
	uint8_t bytes[sizeof wanted];
	struct glb_tunnel t;

	assert_int_equal(glb_write_vxlan(bytes, bytes + sizeof bytes, 0x010203, 6, mac), 1);
	assert_memory_equal(bytes, wanted, sizeof wanted);
	assert_int_equal(glb_parse_vxlan(bytes, bytes + sizeof bytes, 0, &t), 0);
	assert_int_equal(t.pool, 0x010203);
	assert_int_equal(t.inner, 6);
	assert_int_equal(t.off, sizeof wanted);
	for (size_t n = 0; n < sizeof wanted; n++)
		assert_int_equal(glb_parse_vxlan(bytes, bytes + n, 0, &t), GLB_BAD(short));
	bytes[0] = 0;
	assert_int_equal(glb_parse_vxlan(bytes, bytes + sizeof bytes, 0, &t), GLB_BAD(vxlan_vni));
	bytes[0] = 8;
	bytes[20] = 8;
	bytes[21] = 6;
	assert_int_equal(glb_parse_vxlan(bytes, bytes + sizeof bytes, 0, &t), GLB_BAD(gre_protocol));
}

/* RFC 768; the source port carries the flow's entropy within the dynamic ports. */
static void
udp_has_entropy_and_no_checksum(void **state)
{
	uint8_t bytes[8];

	for (uint32_t e = 1; e; e <<= 1) {
		glb_write_udp(bytes, e, GLB_BE16(6080), 100);
		assert_true(bytes[0] >= 0xc0);
		assert_memory_equal(bytes + 2, "\x17\xc0\0\x6c\0\0", 6);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gue_is_the_golden_bytes),
		cmocka_unit_test(bad_gue_has_its_reason),
		cmocka_unit_test(vxlan_is_as_rfc_7348_has_it),
		cmocka_unit_test(udp_has_entropy_and_no_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
