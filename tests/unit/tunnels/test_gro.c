/* SPDX-License-Identifier: Apache-2.0 */
/* Segments inside tunnels that are put together again: what belongs together, what does not, and that the
 * result is the stream's bytes under the first segment's headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tunnels/checksum.h"
#include "tunnels/gro.h"
#include "tunnels/wire.h"

#define MSS 100
#define N 5
#define LAST 40 /* bytes of data in the last one */

struct train {
	size_t header, each, size, l3, l4;
	bool is_v6;
	uint8_t bytes[N * 256];
};

static void
fix_sums(const struct train *t, uint8_t *b, size_t size)
{
	uint8_t *ip = b + t->l3, *tcp = b + t->l4;
	size_t l4_size = size - t->l4;
	uint16_t sum;

	if (!t->is_v6) {
		wr16(ip + 10, 0);
		sum = (uint16_t)csum(ip, 20);
		memcpy(ip + 10, &sum, 2);
	}
	wr16(tcp + 16, 0);
	sum = (uint16_t)~csum_fold(csum_add(
		t->is_v6 ? csum_pseudo6(ip + 8, ip + 24, 6, (uint32_t)l4_size)
			 : csum_pseudo4(ip, 6, (uint32_t)l4_size), tcp, l4_size));
	memcpy(tcp + 16, &sum, 2);
}

static uint8_t *
segment(struct train *t, unsigned i)
{
	return t->bytes + i * t->each;
}

static size_t
size_of(const struct train *t, unsigned i)
{
	return i + 1 < N ? t->each : t->header + LAST;
}

/* VXLAN, Ethernet, IP, TCP with 12 bytes of options, data that counts up. */
static void
make(struct train *t, bool is_v6)
{
	memset(t, 0, sizeof *t);
	t->is_v6 = is_v6;
	t->l3 = 8 + 14;
	t->l4 = t->l3 + (is_v6 ? 40 : 20);
	t->header = t->l4 + 32;
	t->each = t->header + MSS;
	for (unsigned i = 0; i < N; i++) {
		uint8_t *b = segment(t, i), *ip = b + t->l3, *tcp = b + t->l4;
		size_t size = size_of(t, i);

		b[0] = 0x08;
		b[6] = 7;
		b[13] = 1;
		wr16(b + 20, is_v6 ? 0x86dd : 0x0800);
		if (is_v6) {
			ip[0] = 0x60;
			wr16(ip + 4, (uint32_t)(size - t->l4));
			ip[6] = 6;
			ip[23] = ip[39] = 1;
		} else {
			ip[0] = 0x45;
			wr16(ip + 2, (uint32_t)(size - t->l3));
			wr16(ip + 4, 1000 + i);
			ip[6] = 0x40;
			ip[8] = 64;
			ip[9] = 6;
			ip[12] = ip[16] = 10;
			ip[19] = 1;
		}
		wr16(tcp, 1234);
		wr16(tcp + 2, 80);
		wr32(tcp + 4, 0xffffff00u + i * MSS); /* it wraps on the way */
		wr32(tcp + 8, 99);
		tcp[12] = 0x80;
		tcp[13] = i + 1 < N ? 0x10 : 0x18;
		wr16(tcp + 14, 500);
		memset(tcp + 20, 1, 12);
		for (size_t k = t->header; k < size; k++)
			b[k] = (uint8_t)(i * MSS + k - t->header);
		t->size += size;
		fix_sums(t, b, size);
	}
}

/* On the heap and of the exact size, so that ASan sees a read beyond it. */
static unsigned
find(const struct train *t, size_t size, struct tnl_gro *g)
{
	uint8_t *copy = malloc(size);
	unsigned n;

	memcpy(copy, t->bytes, size);
	n = tnl_gro_find(TNL_VXLAN, copy, size, t->each, g);
	free(copy);
	return n;
}

static void
test_the_stream_comes_out(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		static struct train t, before;
		struct tnl_gro g;
		size_t size, data = (N - 1) * MSS + LAST;

		make(&t, v6);
		before = t;
		assert_int_equal(find(&t, t.size, &g), N);
		assert_int_equal(g.mss, MSS);
		size = tnl_gro_merge(t.bytes, t.size, t.each, &g);
		assert_int_equal(size, t.header + data);
		for (size_t k = 0; k < data; k++)
			assert_int_equal(t.bytes[t.header + k], (uint8_t)k);
		/* A right checksum again, if somebody completes it. */
		assert_int_equal(v6 ? rd16(t.bytes + t.l3 + 4) : rd16(t.bytes + t.l3 + 2),
				 v6 ? size - t.l4 : size - t.l3);
		if (!v6)
			assert_int_equal(csum_fold(csum_add(0, t.bytes + t.l3, 20)), 0xffff);
		assert_int_equal(t.bytes[t.l4 + 13], 0x18);
		assert_memory_equal(t.bytes, before.bytes, t.l3);
		assert_memory_equal(t.bytes + t.l4, before.bytes + t.l4, 13);
		fix_sums(&t, t.bytes, size);
	}
}

static void
test_what_does_not_belong(void **state)
{
	/* A byte of the third segment, counted from its IP or TCP header; 'resum': its checksums are made right. */
	static const struct { const char *what; int at; bool of_tcp; uint8_t flip; bool resum; } cases[] = {
		{ "data damaged", 60, true, 1, false },
		{ "checksum damaged", 16, true, 1, false },
		{ "another port", 1, true, 1, true },
		{ "a gap", 7, true, 1, true },
		{ "another acknowledgement", 11, true, 1, true },
		{ "FIN", 13, true, 1, true },
		{ "SYN", 13, true, 2, true },
		{ "RST", 13, true, 4, true },
		{ "URG", 13, true, 0x20, true },
		{ "CWR", 13, true, 0x80, true },
		{ "another window", 15, true, 1, true },
		{ "another option", 25, true, 1, true },
		{ "another header length", 12, true, 0x10, true },
		{ "another destination", 19, false, 1, true },
		{ "another TTL", 8, false, 1, true },
		{ "another TOS", 1, false, 1, true },
		{ "a fragment", 6, false, 0x20, true },
		{ "a length that lies", 3, false, 1, true },
		{ "IPv4 checksum damaged", 10, false, 1, false },
		{ "another VNI", -16, false, 1, true },
		{ "another station", -14, false, 1, true },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		static struct train t;
		struct tnl_gro g;
		uint8_t *b;

		make(&t, false);
		b = segment(&t, 2);
		b[(int)(cases[i].of_tcp ? t.l4 : t.l3) + cases[i].at] ^= cases[i].flip;
		if (cases[i].resum)
			fix_sums(&t, b, t.each);
		if (find(&t, t.size, &g) != 2)
			fail_msg("%s: %u are taken", cases[i].what, find(&t, t.size, &g));
	}
}

static void
test_ends(void **state)
{
	static struct train t;
	struct tnl_gro g;

	/* A push ends a run, the next one begins behind it. */
	make(&t, false);
	segment(&t, 1)[t.l4 + 13] |= 8;
	fix_sums(&t, segment(&t, 1), t.each);
	assert_int_equal(find(&t, t.size, &g), 2);
	make(&t, false);
	segment(&t, 0)[t.l4 + 13] |= 8;
	fix_sums(&t, segment(&t, 0), t.each);
	assert_int_equal(find(&t, t.size, &g), 1);
	/* One alone; cut anywhere; no bytes in each. */
	make(&t, false);
	assert_int_equal(find(&t, t.each, &g), 1);
	for (size_t size = t.each + 1; size < 2 * t.each; size++)
		assert_int_equal(find(&t, size, &g), 1);
	assert_int_equal(tnl_gro_find(TNL_VXLAN, t.bytes, t.size, 0, &g), 1);
	for (size_t each = 1; each < t.each; each++)
		assert_int_equal(tnl_gro_find(TNL_VXLAN, t.bytes, t.size, each, &g), 1);
	/* Kinds that carry no Ethernet frames, or not here. */
	assert_int_equal(tnl_gro_find(TNL_GTPU, t.bytes, t.size, t.each, &g), 1);
	assert_int_equal(tnl_gro_find(TNL_LISP, t.bytes, t.size, t.each, &g), 1);
	for (unsigned i = 0; i < N; i++)
		segment(&t, i)[0] |= VXLAN_GPE_P;
	assert_int_equal(find(&t, t.size, &g), 1);
}

/* A sender on the same machine leaves the checksum to a device that never comes. */
static void
test_open_checksums(void **state)
{
	static struct train t;
	struct tnl_gro g;

	make(&t, false);
	for (unsigned i = 0; i < N; i++) {
		uint8_t *b = segment(&t, i);
		uint16_t sum = csum_fold(csum_pseudo4(b + t.l3, 6, (uint32_t)(size_of(&t, i) - t.l4)));

		memcpy(b + t.l4 + 16, &sum, 2);
	}
	assert_int_equal(find(&t, t.size, &g), N);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_stream_comes_out),
		cmocka_unit_test(test_what_does_not_belong),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_open_checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
