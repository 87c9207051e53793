/* SPDX-License-Identifier: Apache-2.0 */
/* Routes and neighbours of tunnels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tunnels/neigh.h"
#include "tunnels/route.h"

static struct in6_addr
ip(const char *text)
{
	struct in6_addr a;

	assert_true(tnl_parse_address(text, &a));
	return a;
}

/* --- Routes --------------------------------------------------------------------------------- */

static void
add(struct tnl_routes *t, enum tnl_route_class class, const char *prefix, const char *dev, const char *gw,
    const char *src, uint32_t mark)
{
	struct tnl_route r = { .class = class, .mark = mark };
	struct in6_addr any;
	unsigned plen;

	assert_true(tnl_parse_prefix(prefix, &any, &r.dst, &plen));
	r.plen = (uint8_t)plen;
	strcpy(r.dev, dev);
	if (gw)
		r.gw = ip(gw);
	r.src = ip(src);
	tnl_routes_set(t, &r);
}

static const char *
via(const struct tnl_routes *t, const char *dst, uint32_t mark, const char *src)
{
	struct in6_addr to = ip(dst), from = { 0 };
	const struct tnl_route *r;

	if (src)
		from = ip(src);
	r = tnl_routes_lookup(t, mark, &to, &from);
	return r ? r->dev : "none";
}

static void
test_longest_prefix_and_class(void **state)
{
	struct tnl_routes *t = tnl_routes_new();

	add(t, TNL_ROUTE_KERNEL, "0.0.0.0/0", "eth0", "10.0.0.1", "10.0.0.2", 0);
	add(t, TNL_ROUTE_KERNEL, "10.0.0.0/24", "eth0", NULL, "10.0.0.2", 0);
	add(t, TNL_ROUTE_LOCAL, "10.0.0.2/32", "lo", NULL, "10.0.0.2", 0);
	add(t, TNL_ROUTE_KERNEL, "192.0.2.0/28", "eth1", NULL, "192.0.2.1", 0);
	add(t, TNL_ROUTE_USER, "192.0.2.0/24", "br0", NULL, "192.0.2.1", 0);
	add(t, TNL_ROUTE_USER, "192.0.2.0/24", "br1", NULL, "192.0.2.1", 7);
	assert_string_equal(via(t, "8.8.8.8", 0, NULL), "eth0");
	assert_string_equal(via(t, "10.0.0.2", 0, NULL), "lo");
	/* The operator's goes before a longer one of the kernel. */
	assert_string_equal(via(t, "192.0.2.5", 0, NULL), "br0");
	assert_string_equal(via(t, "192.0.2.5", 7, NULL), "br1");
	assert_string_equal(via(t, "192.0.2.5", 8, NULL), "none");
	assert_string_equal(via(t, "2001:db8::1", 0, NULL), "none");
	/* A source must be our own. */
	assert_string_equal(via(t, "8.8.8.8", 0, "10.0.0.2"), "eth0");
	assert_string_equal(via(t, "8.8.8.8", 0, "10.0.0.3"), "none");
	tnl_routes_flush_kernel(t);
	assert_string_equal(via(t, "8.8.8.8", 0, NULL), "none");
	assert_string_equal(via(t, "192.0.2.5", 0, NULL), "br0");
	struct in6_addr net = ip("192.0.2.99");
	assert_true(tnl_routes_del(t, TNL_ROUTE_USER, &net, 120, 0));
	assert_false(tnl_routes_del(t, TNL_ROUTE_USER, &net, 120, 0));
	assert_string_equal(via(t, "192.0.2.5", 0, NULL), "none");
	tnl_routes_free(t);
}

static void
put_line(const struct tnl_route *r, void *s)
{
	tnl_route_format(r, s);
}

static void
test_route_text(void **state)
{
	struct tnl_routes *t = tnl_routes_new();
	struct wf_str s = WF_STR_INIT;

	add(t, TNL_ROUTE_USER, "198.51.100.200/24", "br0", "192.0.2.250", "192.0.2.1", 1234);
	tnl_routes_for_each(t, put_line, &s);
	assert_string_equal(wf_str_cstr(&s),
			    "User: 198.51.100.0/24 MARK 1234 dev br0 GW 192.0.2.250 SRC 192.0.2.1\n");
	wf_str_done(&s);
	tnl_routes_free(t);
}

static void
test_prefixes(void **state)
{
	struct in6_addr addr, net;
	unsigned plen;

	assert_true(tnl_parse_prefix("10.1.2.3/8", &addr, &net, &plen));
	assert_int_equal(plen, 104);
	assert_memory_equal(&addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\1\2\3", 16);
	assert_memory_equal(&net, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\0", 16);
	assert_true(tnl_parse_prefix("fd00::1", &addr, &net, &plen));
	assert_int_equal(plen, 128);
	assert_true(tnl_parse_prefix("fd00::1/0", &addr, &net, &plen));
	assert_int_equal(plen, 0);
	assert_false(tnl_parse_prefix("10.0.0.0/33", &addr, &net, &plen));
	assert_false(tnl_parse_prefix("10.0.0.0/", &addr, &net, &plen));
	assert_false(tnl_parse_prefix("10.0.0.0/8x", &addr, &net, &plen));
	assert_false(tnl_parse_prefix("10.0.0/8", &addr, &net, &plen));
	assert_false(tnl_parse_prefix("", &addr, &net, &plen));
}

static void
test_source_addresses(void **state)
{
	struct tnl_address a[] = { { ip("10.0.0.1"), 104 }, { ip("10.0.1.1"), 120 }, { ip("fd00::1"), 64 } };
	struct in6_addr to = ip("10.0.1.9");

	assert_ptr_equal(tnl_source_address(a, 3, &to), &a[1]);
	to = ip("10.9.9.9");
	assert_ptr_equal(tnl_source_address(a, 3, &to), &a[0]);
	to = ip("fd00::5");
	assert_ptr_equal(tnl_source_address(a, 3, &to), &a[2]);
	to = ip("11.0.0.1");
	assert_null(tnl_source_address(a, 3, &to));
}

/* --- Neighbours ------------------------------------------------------------------------------- */

static const uint8_t mac1[6] = { 2, 0, 0, 0, 0, 1 }, mac2[6] = { 2, 0, 0, 0, 0, 2 };

static void
test_neighbours_age(void **state)
{
	struct tnl_neighs *t = tnl_neighs_new();
	struct in6_addr a = ip("10.0.0.1");
	struct wf_str s = WF_STR_INIT;
	uint8_t mac[6];

	assert_true(tnl_neigh_set(t, "br0", &a, mac1, 0));
	assert_false(tnl_neigh_set(t, "br0", &a, mac1, 10));
	assert_true(tnl_neigh_lookup(t, "br0", &a, mac, 10));
	assert_memory_equal(mac, mac1, 6);
	assert_false(tnl_neigh_lookup(t, "br1", &a, mac, 10));
	assert_true(tnl_neigh_set(t, "br0", &a, mac2, 20));
	tnl_neigh_show(t, 20, &s);
	assert_non_null(strstr(wf_str_cstr(&s),
			       "\n10.0.0.1                                      02:00:00:00:00:02   br0\n"));
	assert_false(tnl_neigh_set_aging_s(t, 0, 20));
	assert_false(tnl_neigh_set_aging_s(t, 3601, 20));
	assert_true(tnl_neigh_set_aging_s(t, 5, 20));
	assert_true(tnl_neigh_lookup(t, "br0", &a, mac, 5000));
	assert_false(tnl_neigh_expire(t, 9999));
	assert_false(tnl_neigh_lookup(t, "br0", &a, mac, 10000));
	assert_true(tnl_neigh_expire(t, 10000));
	assert_true(tnl_neigh_set(t, "br0", &a, mac2, 20000));
	assert_false(tnl_neigh_flush(t, "br1"));
	assert_true(tnl_neigh_flush(t, "br0"));
	wf_str_done(&s);
	tnl_neighs_free(t);
}

static void
count_old(const char *bridge, const struct in6_addr *a, void *n)
{
	assert_string_equal(bridge, "br0");
	++*(unsigned *)n;
}

/* Who is about to be forgotten is asked again before. */
static void
test_old_neighbours_are_known(void **state)
{
	struct tnl_neighs *t = tnl_neighs_new();
	const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct in6_addr a = { .s6_addr = { 0xfd, [15] = 1 } }, b = { .s6_addr = { 0xfd, [15] = 2 } };
	unsigned n = 0;

	assert_true(tnl_neigh_set(t, "br0", &a, mac, 0));
	assert_true(tnl_neigh_set(t, "br0", &b, mac, 50000));
	tnl_neigh_for_each_old(t, 809999, 10, count_old, &n);
	assert_int_equal(n, 0);
	tnl_neigh_for_each_old(t, 810000, 10, count_old, &n);
	assert_int_equal(n, 1);
	tnl_neigh_for_each_old(t, 860000, 1, count_old, &n);
	assert_int_equal(n, 2);
	assert_false(tnl_neigh_set(t, "br0", &a, mac, 860000));
	n = 0;
	tnl_neigh_for_each_old(t, 860000, 10, count_old, &n);
	assert_int_equal(n, 1);
	tnl_neighs_free(t);
}

/* A flood of made up senders fills the table and no more. */
static void
test_neighbours_are_bounded(void **state)
{
	struct tnl_neighs *t = tnl_neighs_new();
	struct in6_addr a = ip("fd00::");
	unsigned kept = 0;

	for (uint32_t i = 0; i < TNL_NEIGH_MAX + 1000; i++) {
		memcpy(a.s6_addr + 12, &i, 4);
		kept += tnl_neigh_set(t, "br0", &a, mac1, 0);
	}
	assert_int_equal(kept, TNL_NEIGH_MAX);
	tnl_neighs_free(t);
}

static void
test_requests_are_what_open_vswitch_sends(void **state)
{
	/* From tunnel-push-pop.at of Open vSwitch. */
	static const uint8_t want[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xaa, 0x55, 0xaa, 0x55, 0, 0, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
		0xaa, 0x55, 0xaa, 0x55, 0, 0, 1, 1, 2, 0x58, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0x5c
	};
	static const uint8_t mac[6] = { 0xaa, 0x55, 0xaa, 0x55, 0, 0 };
	struct in6_addr from = ip("1.1.2.88"), to = ip("1.1.2.92");
	uint8_t f[TNL_NEIGH_REQUEST_MAX];

	assert_int_equal(tnl_neigh_request(f, mac, &from, &to), sizeof want);
	assert_memory_equal(f, want, sizeof want);
}

/* A solicitation, answered as a host would. */
static void
test_learns_from_an_advertisement(void **state)
{
	struct in6_addr from = ip("fd00::1"), to = ip("fd00::2"), got;
	uint8_t f[TNL_NEIGH_REQUEST_MAX], mac[6];

	assert_int_equal(tnl_neigh_request(f, mac1, &from, &to), 86);
	assert_memory_equal(f, "\x33\x33\xff\0\0\2", 6);
	assert_false(tnl_neigh_snoop(f, 86, &got, mac)); /* a question teaches nothing */
	/* Type 136 with a target address option instead: the sum changes by what changed. */
	uint16_t sum = (uint16_t)(f[56] << 8 | f[57]);
	uint32_t x = (uint16_t)~sum;
	x += (uint16_t)~0x8700 + 0x8800 + (uint16_t)~0x0101 + 0x0201;
	x = (x & 0xffff) + (x >> 16);
	x = (x & 0xffff) + (x >> 16);
	sum = (uint16_t)~x;
	f[54] = 136;
	f[78] = 2;
	f[56] = (uint8_t)(sum >> 8);
	f[57] = (uint8_t)sum;
	assert_true(tnl_neigh_snoop(f, 86, &got, mac));
	assert_memory_equal(&got, &to, 16);
	assert_memory_equal(mac, mac1, 6);
	for (size_t n = 0; n < 86; n++) {
		uint8_t *cut = malloc(n ? n : 1);

		memcpy(cut, f, n);
		assert_false(tnl_neigh_snoop(cut, n, &got, mac));
		free(cut);
	}
	f[80] ^= 1;
	assert_false(tnl_neigh_snoop(f, 86, &got, mac)); /* the sum is wrong */
}

static void
test_learns_from_arp(void **state)
{
	struct in6_addr from = ip("10.0.0.1"), to = ip("10.0.0.2"), got;
	uint8_t f[TNL_NEIGH_REQUEST_MAX], mac[6];

	tnl_neigh_request(f, mac1, &from, &to);
	assert_false(tnl_neigh_snoop(f, 42, &got, mac)); /* a request */
	f[21] = 2;
	assert_true(tnl_neigh_snoop(f, 42, &got, mac));
	assert_memory_equal(&got, &from, 16);
	f[21] = 1;
	memcpy(f + 38, f + 28, 4); /* gratuitous */
	assert_true(tnl_neigh_snoop(f, 42, &got, mac));
	f[22] |= 1; /* a group address is nobody's */
	assert_false(tnl_neigh_snoop(f, 42, &got, mac));
	f[22] &= 0xfe;
	f[18] = 7; /* not Ethernet's length */
	assert_false(tnl_neigh_snoop(f, 42, &got, mac));
	f[18] = 6;
	memset(f + 28, 0, 4); /* a probe */
	memset(f + 38, 0, 4);
	assert_false(tnl_neigh_snoop(f, 42, &got, mac));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_longest_prefix_and_class),
		cmocka_unit_test(test_route_text),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_source_addresses),
		cmocka_unit_test(test_neighbours_age),
		cmocka_unit_test(test_old_neighbours_are_known),
		cmocka_unit_test(test_neighbours_are_bounded),
		cmocka_unit_test(test_requests_are_what_open_vswitch_sends),
		cmocka_unit_test(test_learns_from_an_advertisement),
		cmocka_unit_test(test_learns_from_arp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
