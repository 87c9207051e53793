// SPDX-License-Identifier: Apache-2.0
/* BFD: the PDU of RFC 5880 section 4.1, what section 6.8.6 has discarded, and two systems that talk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "protocols/bfd.h"

/* Written from the figure of section 4.1. */
static const uint8_t vector[BFD_PDU_SIZE] = {
	0x23, 0xe0, 0x05, 0x18, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
	0x00, 0x04, 0x93, 0xe0, 0x00, 0x0f, 0x42, 0x40, 0x00, 0x00, 0x00, 0x00,
};

static void
pdu_is_read_as_the_rfc_lays_it_out(void **state)
{
	uint8_t bytes[BFD_PDU_SIZE];
	struct bfd_pdu p;

	assert_true(bfd_pdu_parse(vector, sizeof vector, &p));
	assert_int_equal(p.version, 1);
	assert_int_equal(p.diag, BFD_DIAG_RMT_DOWN);
	assert_int_equal(p.state, BFD_UP);
	assert_int_equal(p.flags, BFD_POLL);
	assert_int_equal(p.mult, 5);
	assert_int_equal(p.my_disc, 0x11223344);
	assert_int_equal(p.your_disc, 0x55667788);
	assert_int_equal(p.min_tx_us, 300000);
	assert_int_equal(p.min_rx_us, 1000000);
	assert_null(bfd_pdu_check(&p, sizeof vector));
	bfd_pdu_build(&p, bytes);
	assert_memory_equal(bytes, vector, sizeof vector);
	for (size_t n = 0; n < sizeof vector; n++)
		assert_false(bfd_pdu_parse(vector, n, &p));
}

static void
pdus_that_the_rfc_discards(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *why;
	} rows[] = {
		{ 0, 0x03, "Incorrect version" },
		{ 1, 0xc4, "Authenticated control message with authentication disabled" },
		{ 2, 0, "Zero multiplier" },
		{ 3, 23, "Unexpected length" },
		{ 3, 25, "Unexpected length" },
		{ 1, 0xc1, "Unsupported multipoint flag" },
	};
	uint8_t bytes[BFD_PDU_SIZE];
	struct bfd_pdu p;

	for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
		memcpy(bytes, vector, sizeof bytes);
		bytes[rows[k].at] = rows[k].value;
		assert_true(bfd_pdu_parse(bytes, sizeof bytes, &p));
		assert_string_equal(bfd_pdu_check(&p, sizeof bytes), rows[k].why);
	}
	memcpy(bytes, vector, sizeof bytes);
	memset(bytes + 4, 0, 4);
	bfd_pdu_parse(bytes, sizeof bytes, &p);
	assert_string_equal(bfd_pdu_check(&p, sizeof bytes), "NULL my_disc");
	memcpy(bytes, vector, sizeof bytes);
	memset(bytes + 8, 0, 4);
	bfd_pdu_parse(bytes, sizeof bytes, &p);
	assert_string_equal(bfd_pdu_check(&p, sizeof bytes), "Null your_disc");
}

/* --- Two systems ------------------------------------------------------------------------------ */

static int64_t now = 1000;
static uint64_t rx_packets[2];

static uint64_t
count_rx(void *k)
{
	return rx_packets[*(int *)k];
}

struct pair {
	struct bfd *b[2];
	bool cut[2];        /* what [k] sends is lost */
	unsigned n_sent[2];
	uint8_t ttl;
	uint8_t or_flags[2];/* set in what [k] sends */
};
static int ids[2] = { 0, 1 };

static void
pair_init(struct pair *p, int64_t tx, int64_t rx)
{
	struct bfd_settings s = { .mult = 3, .min_tx_ms = tx, .min_rx_ms = rx };

	memset(p, 0, sizeof *p);
	p->ttl = 255;
	for (int k = 0; k < 2; k++) {
		p->b[k] = bfd_new(k ? "b" : "a", 0x100u + (unsigned)k, 7u + (unsigned)k, count_rx,
				  &ids[k]);
		bfd_configure(p->b[k], &s, now);
	}
}

static void
pair_done(struct pair *p)
{
	bfd_free(p->b[0]);
	bfd_free(p->b[1]);
}

static void
run_for(struct pair *p, int64_t ms)
{
	for (int64_t end = now + ms; now < end; now += 10)
		for (int k = 0; k < 2; k++) {
			uint8_t bytes[BFD_PDU_SIZE];

			bfd_run(p->b[k], now);
			if (!bfd_send(p->b[k], bytes, now))
				continue;
			p->n_sent[k]++;
			bytes[1] |= p->or_flags[k];
			if (p->cut[k])
				continue;
			rx_packets[!k]++;
			bfd_receive(p->b[!k], bytes, sizeof bytes, p->ttl, now);
		}
}

struct status { char state[16], diag[64], flaps[8]; };

static void
put(void *s_, const char *key, const char *value)
{
	struct status *s = s_;

	if (!strcmp(key, "state"))
		snprintf(s->state, sizeof s->state, "%s", value);
	else if (!strcmp(key, "diagnostic"))
		snprintf(s->diag, sizeof s->diag, "%s", value);
	else if (!strcmp(key, "flap_count"))
		snprintf(s->flaps, sizeof s->flaps, "%s", value);
}

static struct status
status_of(struct bfd *b)
{
	struct status s = { "" };

	bfd_get_status(b, now, put, &s);
	return s;
}

static void
sessions_come_up_and_a_silent_partner_is_noticed(void **state)
{
	struct pair p;
	int64_t start;

	pair_init(&p, 100, 100);
	run_for(&p, 4000);
	assert_string_equal(status_of(p.b[0]).state, "up");
	assert_string_equal(status_of(p.b[1]).state, "up");
	assert_true(bfd_forwarding(p.b[0], now));

	/* 75 to 100 ms apart (section 6.8.7). */
	p.n_sent[0] = 0;
	run_for(&p, 10000);
	assert_in_range(p.n_sent[0], 98, 140);

	p.cut[1] = true;
	for (start = now; bfd_forwarding(p.b[0], now) && now < start + 1000;)
		run_for(&p, 10);
	assert_in_range(now - start, 200, 320); /* 3 * 100 ms after the last one */
	assert_string_equal(status_of(p.b[0]).diag, "Control Detection Time Expired");
	/* The other one hears it from us, and offers to start again. */
	run_for(&p, 1200);
	assert_string_equal(status_of(p.b[1]).state, "init");
	assert_string_equal(status_of(p.b[1]).diag, "Neighbor Signaled Session Down");
	p.cut[1] = false;
	run_for(&p, 4000);
	assert_string_equal(status_of(p.b[0]).state, "up");
	assert_string_equal(status_of(p.b[0]).flaps, "3");
	pair_done(&p);
}

static void
packets_from_beyond_the_link_are_ignored(void **state)
{
	struct pair p;

	pair_init(&p, 100, 100);
	p.ttl = 254; /* RFC 5881 section 5 */
	run_for(&p, 5000);
	assert_string_equal(status_of(p.b[0]).state, "down");
	pair_done(&p);
}

static void
intervals_change_by_a_poll_sequence(void **state)
{
	struct bfd_settings s = { .mult = 3, .min_tx_ms = 500, .min_rx_ms = 100 };
	struct pair p;

	pair_init(&p, 100, 100);
	run_for(&p, 4000);
	bfd_configure(p.b[0], &s, now);
	run_for(&p, 2000);
	p.n_sent[0] = 0;
	run_for(&p, 10000);
	assert_in_range(p.n_sent[0], 19, 28);
	assert_string_equal(status_of(p.b[0]).flaps, "1");
	assert_string_equal(status_of(p.b[1]).flaps, "1");
	pair_done(&p);
}

static void
a_partner_in_demand_mode_is_not_bothered(void **state)
{
	struct pair p;

	pair_init(&p, 100, 100);
	run_for(&p, 4000);
	p.or_flags[1] = BFD_DEMAND;
	run_for(&p, 110); /* it has told us by now */
	p.n_sent[0] = 0;
	/* The test's partner still expects packets, so for less than its detection time. */
	run_for(&p, 150);
	assert_int_equal(p.n_sent[0], 0);
	pair_done(&p);
}

static void
idle_sessions_decay_and_traffic_brings_them_back(void **state)
{
	struct bfd_settings s = { .mult = 3, .min_tx_ms = 100, .min_rx_ms = 100, .decay_min_rx_ms = 1000 };
	struct pair p;

	pair_init(&p, 100, 100);
	bfd_configure(p.b[0], &s, now);
	run_for(&p, 10000);
	p.n_sent[1] = 0;
	run_for(&p, 10000);
	assert_in_range(p.n_sent[1], 9, 15); /* the partner sends once a second */
	for (int k = 0; k < 400; k++) {
		rx_packets[0] += 10;
		run_for(&p, 10);
	}
	p.n_sent[1] = 0;
	for (int k = 0; k < 300; k++) {
		rx_packets[0] += 10;
		run_for(&p, 10);
	}
	assert_in_range(p.n_sent[1], 28, 42);
	pair_done(&p);
}

static void
path_down_behind_the_partner_stops_forwarding(void **state)
{
	struct bfd_settings s = { .mult = 3, .min_tx_ms = 100, .min_rx_ms = 100, .cpath_down = true };
	struct pair p;

	pair_init(&p, 100, 100);
	run_for(&p, 4000);
	bfd_configure(p.b[1], &s, now);
	run_for(&p, 1000);
	assert_false(bfd_forwarding(p.b[0], now));
	assert_string_equal(status_of(p.b[0]).state, "up");
	bfd_set_forwarding(p.b[0], 1, now);
	assert_true(bfd_forwarding(p.b[0], now));
	pair_done(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pdu_is_read_as_the_rfc_lays_it_out),
		cmocka_unit_test(pdus_that_the_rfc_discards),
		cmocka_unit_test(sessions_come_up_and_a_silent_partner_is_noticed),
		cmocka_unit_test(packets_from_beyond_the_link_are_ignored),
		cmocka_unit_test(intervals_change_by_a_poll_sequence),
		cmocka_unit_test(a_partner_in_demand_mode_is_not_bothered),
		cmocka_unit_test(idle_sessions_decay_and_traffic_brings_them_back),
		cmocka_unit_test(path_down_behind_the_partner_stops_forwarding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
