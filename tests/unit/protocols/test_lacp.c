// SPDX-License-Identifier: Apache-2.0
/* LACP: the PDU as IEEE 802.1AX-2014 figure 6-7 lays it out, and two systems that talk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "protocols/lacp.h"

/* Written from the figure: version 1, actor and partner TLVs of 20 bytes, collector of 16. */
static const uint8_t vector[LACP_PDU_SIZE] = {
	0x01, 0x01,
	0x01, 0x14, 0xff, 0xfe, 0xaa, 0x55, 0xaa, 0x55, 0x00, 0x01, 0x00, 0x02, 0x00, 0xff, 0x00, 0x07,
	0x3f, 0x00, 0x00, 0x00,
	0x02, 0x14, 0xff, 0xff, 0xaa, 0x66, 0xaa, 0x66, 0x00, 0x02, 0x00, 0x04, 0x01, 0x00, 0x00, 0x03,
	0x3d, 0x00, 0x00, 0x00,
	0x03, 0x10,
};

static void
pdu_is_read_as_the_standard_lays_it_out(void **state)
{
	uint8_t bytes[LACP_PDU_SIZE];
	struct lacp_pdu p;

	assert_int_equal(lacp_pdu_parse(vector, sizeof vector, &p), LACP_PDU_LACP);
	assert_int_equal(p.actor.sys_priority, 0xfffe);
	assert_memory_equal(p.actor.sys_id, "\xaa\x55\xaa\x55\x00\x01", 6);
	assert_int_equal(p.actor.key, 2);
	assert_int_equal(p.actor.port_priority, 255);
	assert_int_equal(p.actor.port_id, 7);
	assert_int_equal(p.actor.state, 0x3f);
	assert_int_equal(p.partner.key, 4);
	assert_int_equal(p.partner.port_priority, 256);
	assert_int_equal(p.partner.port_id, 3);
	assert_int_equal(p.partner.state, 0x3d);
	lacp_pdu_build(&p, bytes);
	assert_memory_equal(bytes, vector, sizeof vector);
}

static void
bad_pdus_are_told_apart(void **state)
{
	uint8_t bytes[LACP_PDU_SIZE];
	struct lacp_pdu p;

	for (size_t n = 0; n < sizeof vector; n++)
		assert_int_equal(lacp_pdu_parse(vector, n, &p), LACP_PDU_BAD);
	memcpy(bytes, vector, sizeof bytes);
	bytes[0] = 2;
	assert_int_equal(lacp_pdu_parse(bytes, sizeof bytes, &p), LACP_PDU_MARKER);
	bytes[0] = 3;
	assert_int_equal(lacp_pdu_parse(bytes, sizeof bytes, &p), LACP_PDU_BAD);
	for (unsigned k = 0; k < 4; k++) {
		static const size_t at[] = { 2, 3, 22, 23 };

		memcpy(bytes, vector, sizeof bytes);
		bytes[at[k]]++;
		assert_int_equal(lacp_pdu_parse(bytes, sizeof bytes, &p), LACP_PDU_BAD);
	}
}

/* --- Two systems, two links --------------------------------------------------------------------- */

struct side {
	struct lacp *lacp;
	struct lacp_member *m[2];
	struct side *peer;
	bool cut[2];
	unsigned n_sent;
};
static int64_t now;

static void
deliver(struct lacp_member *from, const uint8_t pdu[LACP_PDU_SIZE], void *side_)
{
	struct side *s = side_;
	int k = from == s->m[1];

	s->n_sent++;
	if (!s->cut[k])
		lacp_member_receive(s->peer->m[k], pdu, LACP_PDU_SIZE, now);
}

static void
side_init(struct side *s, struct side *peer, uint8_t id, bool active)
{
	struct lacp_settings set = { .sys_id = { 2, 0, 0, 0, 0, id }, .sys_priority = 65534,
				     .active = active, .fast = true };

	memset(s, 0, sizeof *s);
	s->peer = peer;
	s->lacp = lacp_new("bond");
	lacp_configure(s->lacp, &set);
	for (int k = 0; k < 2; k++) {
		struct lacp_member_settings ms = { .port_id = (uint16_t)(10 * id + k),
						   .port_priority = 65535, .key = id };

		s->m[k] = lacp_member_add(s->lacp, k ? "p1" : "p0");
		lacp_member_configure(s->m[k], &ms, now);
		lacp_member_carrier_is_up(s->m[k]);
	}
}

static void
run_for(struct side *a, struct side *b, int64_t ms)
{
	for (int64_t end = now + ms; now < end; now += 100) {
		lacp_run(a->lacp, now, deliver, a);
		lacp_run(b->lacp, now, deliver, b);
	}
}

static bool
both_enabled(const struct side *s)
{
	return lacp_member_may_enable(s->m[0]) && lacp_member_may_enable(s->m[1]);
}

static void
two_systems_agree_and_notice_a_cut_link(void **state)
{
	struct side a, b;

	side_init(&a, &b, 1, true);
	side_init(&b, &a, 2, false); /* passive answers */
	run_for(&a, &b, 1000);
	assert_int_equal(lacp_status(a.lacp), LACP_NEGOTIATED);
	assert_int_equal(lacp_status(b.lacp), LACP_NEGOTIATED);
	assert_true(both_enabled(&a) && both_enabled(&b));

	/* Steady: one PDU a second and link with the short time-out. */
	a.n_sent = 0;
	run_for(&a, &b, 10000);
	assert_in_range(a.n_sent, 18, 22);

	a.cut[0] = b.cut[0] = true;
	run_for(&a, &b, 1900);
	assert_true(both_enabled(&a)); /* three seconds after the last PDU, which came every second */
	run_for(&a, &b, 1300);
	assert_false(lacp_member_may_enable(a.m[0]));
	assert_true(lacp_member_may_enable(a.m[1]));
	assert_true(lacp_member_is_current(a.m[0]));
	run_for(&a, &b, 3500);
	assert_false(lacp_member_is_current(a.m[0]));
	assert_int_equal(lacp_status(a.lacp), LACP_NEGOTIATED);

	/* Nobody asked for short periods meanwhile. */
	a.cut[0] = b.cut[0] = false;
	run_for(&a, &b, 31000);
	assert_true(both_enabled(&a) && both_enabled(&b));

	lacp_member_carrier_changed(a.m[1], false, now);
	run_for(&a, &b, 500);
	assert_false(lacp_member_may_enable(a.m[1]));
	lacp_free(a.lacp);
	lacp_free(b.lacp);
}

static void
members_with_other_partners_stay_out(void **state)
{
	struct side a, b, c;

	/* p1 of both a and c ends at b's peer: a's second link goes to another system. */
	side_init(&a, &b, 1, true);
	side_init(&b, &a, 2, true);
	side_init(&c, &a, 3, true);
	for (int64_t end = now + 3000; now < end; now += 100) {
		a.cut[1] = true;
		lacp_run(a.lacp, now, deliver, &a);
		b.cut[1] = true;
		lacp_run(b.lacp, now, deliver, &b);
		c.cut[0] = true;
		lacp_run(c.lacp, now, deliver, &c);
	}
	assert_true(lacp_member_may_enable(a.m[0]));
	assert_false(lacp_member_may_enable(a.m[1]));
	lacp_free(a.lacp);
	lacp_free(b.lacp);
	lacp_free(c.lacp);
}

static void
two_passive_systems_stay_silent(void **state)
{
	struct side a, b;

	side_init(&a, &b, 1, false);
	side_init(&b, &a, 2, false);
	run_for(&a, &b, 100000);
	assert_int_equal(a.n_sent + b.n_sent, 0);
	assert_int_equal(lacp_status(a.lacp), LACP_CONFIGURED);
	lacp_free(a.lacp);
	lacp_free(b.lacp);
}

static void
fallback_attaches_members_without_partner(void **state)
{
	struct lacp_settings set = { .sys_id = { 2, 0, 0, 0, 0, 1 }, .sys_priority = 1,
				     .active = true, .fast = true, .fallback_ab = true };
	struct side a, b;

	side_init(&a, &b, 1, true);
	lacp_configure(a.lacp, &set);
	a.cut[0] = a.cut[1] = true;
	for (int64_t end = now + 4000; now < end; now += 100)
		lacp_run(a.lacp, now, deliver, &a);
	assert_true(both_enabled(&a));
	assert_int_equal(lacp_status(a.lacp), LACP_CONFIGURED);
	lacp_free(a.lacp);
}

static void
its_own_pdus_are_a_loop(void **state)
{
	struct side a;

	side_init(&a, &a, 1, true);
	run_for(&a, &a, 3000);
	assert_false(lacp_member_may_enable(a.m[0]));
	lacp_free(a.lacp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pdu_is_read_as_the_standard_lays_it_out),
		cmocka_unit_test(bad_pdus_are_told_apart),
		cmocka_unit_test(two_systems_agree_and_notice_a_cut_link),
		cmocka_unit_test(members_with_other_partners_stay_out),
		cmocka_unit_test(two_passive_systems_stay_silent),
		cmocka_unit_test(fallback_attaches_members_without_partner),
		cmocka_unit_test(its_own_pdus_are_a_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
