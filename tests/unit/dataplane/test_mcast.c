// SPDX-License-Identifier: Apache-2.0
/* IGMP and MLD messages, and the table of groups.  Messages are written from the RFCs named at each. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/rcu.h"
#include "dataplane/igmp.h"
#include "dataplane/mcast_table.h"
#include "tunnels/checksum.h"

/* --- Messages ---------------------------------------------------------------------------------- */

static void
note(void *text, enum group_event event, const struct in6_addr *group)
{
	char a[INET6_ADDRSTRLEN] = "";

	if (group && IN6_IS_ADDR_V4MAPPED(group))
		inet_ntop(AF_INET, group->s6_addr + 12, a, sizeof a);
	else if (group)
		inet_ntop(AF_INET6, group, a, sizeof a);
	wf_str_fmt(text, "%s%s ", event == GROUP_JOIN ? "+" : event == GROUP_LEAVE ? "-" : "router",
		   a);
}

static size_t
from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned v;

	for (; *hex; hex += *hex == ' ' ? 1 : 2)
		if (*hex != ' ') {
			sscanf(hex, "%2x", &v);
			out[n++] = (uint8_t)v;
		}
	return n;
}

/* The checksum field is filled in, unless the row is about a wrong one. */
static void
messages(void **state)
{
	static const struct {
		const char *hex, *events;
		bool is_v6, no_source, keep_checksum;
		int ret;
	} rows[] = {
		/* RFC 1112, 2236 */
		{ "1200 0000 e0010101", "+224.1.1.1 ", .ret = 1 },
		{ "1600 0000 e0010101", "+224.1.1.1 ", .ret = 1 },
		{ "1700 0000 e0010101", "-224.1.1.1 ", .ret = 1 },
		{ "1164 0000 00000000", "router ", .ret = 1 },
		{ "1164 0000 00000000", "", .no_source = true, .ret = 0 },
		{ "1600 0000 0a000001", "", .ret = 0 }, /* no group */
		{ "1600 1234 e0010101", "", .keep_checksum = true, .ret = -EBADMSG },
		{ "1600 0000 e00101", "", .ret = -EBADMSG },
		{ "1300 0000 00000000", "", .ret = 0 }, /* DVMRP: not ours */
		/* RFC 3376 section 4.2: join and leave, a source list, auxiliary data, a record of an
		 * unknown type, a list that is cut. */
		{ "2200 0000 0000 0002 04000000 e8010101 03000000 e8010102",
		  "+232.1.1.1 -232.1.1.2 ", .ret = 2 },
		{ "2200 0000 0000 0002 03010001 e8010101 0a000001 aaaaaaaa 02000000 e8010102",
		  "+232.1.1.1 +232.1.1.2 ", .ret = 2 },
		{ "2200 0000 0000 0002 07000000 e8010101 01000000 e8010102", "-232.1.1.2 ", .ret = 1 },
		{ "2200 0000 0000 0009 04000000 e8010101 0400ffff e8010102",
		  "+232.1.1.1 +232.1.1.2 ", .ret = 2 },
		/* RFC 2710, 3810 */
		{ "83000000 00000000 ff050000000000000000000000000042", "+ff05::42 ", .is_v6 = true,
		  .ret = 1 },
		{ "84000000 00000000 ff050000000000000000000000000042", "-ff05::42 ", .is_v6 = true,
		  .ret = 1 },
		{ "82000000 00640000 00000000000000000000000000000000", "router ", .is_v6 = true,
		  .ret = 1 },
		{ "82000000 00640000 00000000000000000000000000000000", "", .is_v6 = true,
		  .no_source = true, .ret = 0 },
		{ "83000000 00000000 ff05", "", .is_v6 = true, .ret = -EBADMSG },
		{ "8f000000 00000002 04000000 ff050000000000000000000000000042"
		  "03000000 ff050000000000000000000000000043", "+ff05::42 -ff05::43 ",
		  .is_v6 = true, .ret = 2 },
		{ "83001234 00000000 ff050000000000000000000000000042", "", .is_v6 = true,
		  .keep_checksum = true, .ret = -EBADMSG },
	};
	static const struct in6_addr any, dst = { { { 0xff, 2, [15] = 0x16 } } };
	static const struct in6_addr router = { { { 0xfe, 0x80, [15] = 1 } } };
	unsigned n_wrong = 0;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct in6_addr *src = rows[i].no_source ? &any : &router;
		struct wf_str text = WF_STR_INIT;
		uint8_t msg[128];
		size_t size = from_hex(rows[i].hex, msg);
		int ret;

		if (!rows[i].keep_checksum) {
			uint64_t pseudo = rows[i].is_v6 ? csum_pseudo6(src, &dst, IPPROTO_ICMPV6,
								       (uint32_t)size) : 0;
			uint16_t sum = (uint16_t)~csum_fold(csum_add(pseudo, msg, size));

			memcpy(msg + 2, &sum, 2);
		}
		ret = rows[i].is_v6 ? mld_read(msg, size, src, &dst, note, &text)
				    : igmp_read(msg, size, rows[i].no_source ? 0 : 1, note, &text);
		if (ret != rows[i].ret || strcmp(wf_str_cstr(&text), rows[i].events)) {
			printf("%s: %d '%s', want %d '%s'\n", rows[i].hex, ret, wf_str_cstr(&text),
			       rows[i].ret, rows[i].events);
			n_wrong++;
		}
		wf_str_done(&text);
	}
	assert_int_equal(n_wrong, 0);
}

/* --- Table ------------------------------------------------------------------------------------- */

static struct in6_addr
group(unsigned n)
{
	struct in6_addr a = { { { [10] = 0xff, [11] = 0xff, 232, 0, 0, 0 } } };

	a.s6_addr[14] = (uint8_t)(n >> 8);
	a.s6_addr[15] = (uint8_t)n;
	return a;
}

static bool
is_member(struct mcast_table *t, uint16_t vid, unsigned n, of_port_t port)
{
	struct in6_addr g = group(n);
	const struct mcast_ports *p = mcast_table_lookup(t, vid, &g);

	return p && mcast_ports_contain(p->ports, p->n, port);
}

static void
members_join_and_leave(void **state)
{
	struct mcast_table *t = mcast_table_new(100, 300000);
	struct in6_addr g = group(1);
	struct bundle b = { .n_members = 1, .members = { 3 } };
	struct mcast_stats s;
	uint32_t n;

	assert_true(mcast_table_join(t, 10, &g, 3));
	assert_false(mcast_table_join(t, 10, &g, 3));
	assert_true(mcast_table_join(t, 10, &g, 1));
	assert_true(is_member(t, 10, 1, 3) && is_member(t, 10, 1, 1));
	assert_false(is_member(t, 10, 1, 2) || is_member(t, 11, 1, 3) || is_member(t, 10, 2, 3));
	assert_true(mcast_table_leave(t, 10, &g, 1));
	assert_false(mcast_table_leave(t, 10, &g, 1));
	assert_int_equal(mcast_table_lookup(t, 10, &g)->n, 1);
	assert_true(mcast_table_add_router(t, 10, 3));
	assert_true(mcast_table_add_router(t, 9, 4));
	assert_true(mcast_table_add_router(t, 10, 2));
	assert_int_equal(mcast_table_routers(t, 10, &n)[0], 2);
	assert_int_equal(n, 2);
	mcast_table_routers(t, 11, &n);
	assert_int_equal(n, 0);
	mcast_table_flush_bundle(t, &b);
	assert_null(mcast_table_lookup(t, 10, &g));
	assert_int_equal(mcast_table_routers(t, 10, &n)[0], 2);
	assert_int_equal(n, 1);
	mcast_table_flush(t);
	mcast_table_stats(t, &s);
	assert_int_equal(s.n_groups + s.n_members + s.n_routers, 0);
	mcast_table_free(t);
	wf_rcu_drain();
}

/* A port that joins everything pushes out its own, also when the table shrinks. */
static void
full_table_is_fair(void **state)
{
	struct mcast_table *t = mcast_table_new(100, 300000);
	struct mcast_stats s;

	for (unsigned n = 0; n < 5; n++) {
		struct in6_addr g = group(60000 + n);

		mcast_table_join(t, 1, &g, 7);
	}
	for (unsigned n = 0; n < 20000; n++) {
		struct in6_addr g = group(n);

		mcast_table_join(t, 1, &g, 8);
	}
	mcast_table_stats(t, &s);
	assert_int_equal(s.n_groups, 100);
	for (unsigned n = 0; n < 5; n++)
		assert_true(is_member(t, 1, 60000 + n, 7));
	assert_true(is_member(t, 1, 19999, 8));
	assert_false(is_member(t, 1, 0, 8));
	mcast_table_configure(t, 10, 300000);
	mcast_table_stats(t, &s);
	assert_int_equal(s.n_groups, 10);
	for (unsigned n = 0; n < 5; n++)
		assert_true(is_member(t, 1, 60000 + n, 7));
	mcast_table_free(t);
	wf_rcu_drain();
}

/* Random edits beside the plainest table: an array of flags. */
static void
equals_a_plain_table(void **state)
{
	enum { GROUPS = 16, PORTS = 8 };
	static bool plain[GROUPS][PORTS];
	struct mcast_table *t = mcast_table_new(1000, 300000);
	unsigned seed = 12345;

	for (unsigned step = 0; step < 20000; step++) {
		unsigned r, n, port;
		struct in6_addr g;

		seed = seed * 1664525 + 1013904223;
		r = seed >> 8;
		n = r % GROUPS;
		port = r / GROUPS % PORTS;
		g = group(n);
		if (r / 128 % 2) {
			assert_int_equal(mcast_table_join(t, 5, &g, port), !plain[n][port]);
			plain[n][port] = true;
		} else {
			assert_int_equal(mcast_table_leave(t, 5, &g, port), plain[n][port]);
			plain[n][port] = false;
		}
		for (unsigned p = 0; p < PORTS; p++)
			assert_int_equal(is_member(t, 5, n, p), plain[n][p]);
		if (!(step % 64))
			wf_rcu_run();
	}
	mcast_table_free(t);
	wf_rcu_drain();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(members_join_and_leave),
		cmocka_unit_test(full_table_is_fair),
		cmocka_unit_test(equals_a_plain_table),
	};

	wf_rcu_register("main");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
