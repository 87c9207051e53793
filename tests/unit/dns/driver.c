// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dns/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "dns/answer/limit.h"
#include "dns/server/xdp_internal.h"

/* The program's functions have no prototypes, and its loops are for another compiler. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wmissing-variable-declarations"
#pragma GCC diagnostic ignored "-Wpass-failed"
#endif
/* Names that others have here. */
#define dns_answer dns_answer_in_driver
#define send send_in_driver
#include "bpf/dns_answer.bpf.c"
#undef dns_answer
#undef send

/* What xdp.c has. */
struct dns_xdp dns_xdp;

#define ROOM	  4096
#define HEAD_ROOM 256
/* The IP header, behind the link layer's, is at a multiple of four. */
#define FRAME_AT (HEAD_ROOM + 2)

static struct {
	uint8_t *memory; /* below 4 GiB: a program's context has 32 bits for a pointer */
	uint64_t mono_ns;
	uint32_t draw;
	bool no_tail_room;
	uint64_t hits[DNS_X_SLOTS];
	struct dns_x_stats stats;
	struct dns_x_work work;
	uint64_t *words; /* the map of clients */
	size_t n_words;
	struct dns_x_start *starts;
	uint32_t n_starts;
} driver;

static const uint8_t server4[4] = { 192, 0, 2, 53 };
static const uint8_t server6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x53 };

uint64_t
dns_xdp_mono_ns(void)
{
	return driver.mono_ns;
}

uint64_t
dns_xdp_hits(uint32_t slot)
{
	return driver.hits[slot];
}

/* --- helpers ------------------------------------------------------------------------------------- */

static bool
is_listened_at(const struct dns_x_address *a)
{
	struct dns_x_address v4 = { { 0, 0, htonl(0xffff), 0 } }, v6;

	memcpy(&v4.a[3], server4, 4);
	memcpy(&v6, server6, 16);
	return !memcmp(a, &v4, 16) || !memcmp(a, &v6, 16);
}

#define ELEMENT(ARRAY, N) (i < (N) ? (void *)&(ARRAY)[i] : NULL)

void *
bpf_map_lookup_elem(void *map, const void *key)
{
	static uint32_t one = 1;
	uint32_t i;

	if (map == &dns_listen)
		return is_listened_at(key) ? &one : NULL;
	memcpy(&i, key, sizeof i);
	if (map == &dns_conf)
		return ELEMENT(dns_xdp.conf, 1);
	if (map == &dns_hot)
		return ELEMENT(dns_xdp.hot, DNS_X_SLOTS);
	if (map == &dns_images)
		return ELEMENT(dns_xdp.images, DNS_X_IMAGES);
	if (map == &dns_sets)
		return ELEMENT(dns_xdp.sets, DNS_X_SETS);
	if (map == &dns_policies)
		return ELEMENT(dns_xdp.policies, DNS_X_POLICIES);
	if (map == &dns_rows)
		return ELEMENT(dns_xdp.rows, DNS_X_ROWS);
	if (map == &dns_classes)
		return ELEMENT(dns_xdp.classes, DNS_X_CLASSES);
	if (map == &dns_buckets)
		return ELEMENT(dns_xdp.buckets, DNS_X_BUCKETS);
	if (map == &dns_hits)
		return ELEMENT(driver.hits, DNS_X_SLOTS);
	if (map == &dns_stats)
		return ELEMENT(&driver.stats, 1);
	if (map == &dns_work)
		return ELEMENT(&driver.work, 1);
	/* Maps in maps: what they hold stands for them. */
	if (map == &dns_places)
		return i ? NULL : driver.words;
	if (map == &dns_places6)
		return i ? NULL : driver.starts;
	if (driver.words && map == driver.words)
		return ELEMENT(driver.words, driver.n_words);
	if (driver.starts && map == driver.starts)
		return ELEMENT(driver.starts, driver.n_starts);
	fail_msg("an unknown map");
	return NULL;
}

long
bpf_xdp_load_bytes(struct xdp_md *x, __u32 offset, void *to, __u32 size)
{
	if ((uint64_t)offset + size > x->data_end - x->data)
		return -1;
	memcpy(to, DATA(x) + offset, size);
	return 0;
}

long
bpf_xdp_store_bytes(struct xdp_md *x, __u32 offset, const void *from, __u32 size)
{
	if ((uint64_t)offset + size > x->data_end - x->data)
		return -1;
	memcpy(DATA(x) + offset, from, size);
	return 0;
}

long
bpf_xdp_adjust_head(struct xdp_md *x, int delta)
{
	if ((int64_t)x->data + delta < (int64_t)(uint32_t)(uintptr_t)driver.memory)
		return -1;
	x->data += delta;
	return 0;
}

long
bpf_xdp_adjust_tail(struct xdp_md *x, int delta)
{
	if (delta > 0 && driver.no_tail_room)
		return -1;
	x->data_end += delta;
	if (delta > 0)
		memset(END(x) - delta, 0xee, delta);
	return 0;
}

long
bpf_ringbuf_output(void *ring, const void *data, __u64 size, __u64 flags)
{
	return 0;
}

__u64
bpf_ktime_get_coarse_ns(void)
{
	return driver.mono_ns;
}

__u32
bpf_get_prandom_u32(void)
{
	return driver.draw;
}

/* --- the daemon's side --------------------------------------------------------------------------- */

void
driver_init(void)
{
	memset(&driver, 0, sizeof driver);
	driver.memory = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	assert_ptr_not_equal(driver.memory, MAP_FAILED);
	memset(&dns_xdp, 0, sizeof dns_xdp);
	dns_xdp.conf = wf_xzalloc(sizeof *dns_xdp.conf);
	dns_xdp.hot = wf_xzalloc(DNS_X_SLOTS * sizeof *dns_xdp.hot);
	dns_xdp.images = wf_xzalloc(DNS_X_IMAGES * sizeof *dns_xdp.images);
	dns_xdp.sets = wf_xzalloc(DNS_X_SETS * sizeof *dns_xdp.sets);
	dns_xdp.policies = wf_xzalloc(DNS_X_POLICIES * sizeof *dns_xdp.policies);
	dns_xdp.rows = wf_xzalloc(DNS_X_ROWS * sizeof *dns_xdp.rows);
	dns_xdp.classes = wf_xzalloc(DNS_X_CLASSES * sizeof *dns_xdp.classes);
	dns_xdp.buckets = wf_xzalloc(DNS_X_BUCKETS * sizeof *dns_xdp.buckets);
	wf_hmap_init(&dns_xdp.names);
	wf_hmap_init(&dns_xdp.by_content);
	dns_xdp.conf->name_key = 0x1234567890abcdef;
	dns_xdp.conf->bucket_key = dns_limiter_key();
	dns_xdp.conf->port = htons(53);
}

void
driver_done(void)
{
	dns_xdp_forget_names(true);
	dns_xdp_forget_images();
	wf_hmap_done(&dns_xdp.names);
	wf_hmap_done(&dns_xdp.by_content);
	free(dns_xdp.conf);
	free(dns_xdp.hot);
	free(dns_xdp.images);
	free(dns_xdp.sets);
	free(dns_xdp.policies);
	free(dns_xdp.rows);
	free(dns_xdp.classes);
	free(dns_xdp.buckets);
	free(driver.words);
	free(driver.starts);
	munmap(driver.memory, ROOM);
}

void
driver_clock(uint64_t mono_ns, uint64_t wall_ns)
{
	driver.mono_ns = mono_ns;
	dns_xdp.conf->wall_ns = wall_ns - mono_ns;
	dns_xdp.conf->lease_ns = mono_ns + 10000000000ull;
	dns_xdp.ctx.wall_s = wall_ns / 1000000000;
	dns_xdp.ctx.mono_ms = mono_ns / 1000000;
}

void
driver_suspend(void)
{
	dns_xdp.conf->epoch = 0;
}

static void
put_places(const struct loc_table *t)
{
	driver.n_words = dns_xdp_n_place_pairs(t);
	free(driver.words);
	driver.words = wf_xzalloc(driver.n_words * sizeof *driver.words);
	dns_xdp_copy_places(t, (uint32_t *)driver.words);
	driver.n_starts = t->n6 + 1;
	free(driver.starts);
	driver.starts = wf_xzalloc(driver.n_starts * sizeof *driver.starts);
	dns_xdp_copy_starts(t, driver.starts);
}

void
driver_resume(const struct dns_view *v, unsigned limit_per_s, bool policies_only)
{
	struct dns_x_conf *c = dns_xdp.conf;

	if (!policies_only || !dns_xdp_fill_policies(v)) {
		put_places(v->places);
		memcpy(c->secret, v->cookie_secret, sizeof c->secret);
		c->cookies = v->cookies;
		c->udp_limit = v->udp_limit;
		c->limit_per_s = v->limiter ? limit_per_s : 0;
		c->limit_slip = v->limit_slip;
		dns_xdp_fill(v);
	}
	c->epoch = dns_xdp.epoch;
}

void
driver_sign(const struct dns_view *v)
{
	while (dns_xdp_fill_signed(v))
		;
}

void
driver_heat(const struct dns_view *v, const char *name, unsigned type)
{
	struct dns_name n;

	assert_int_equal(dns_name_from_text(&n, name, NULL, NULL), 0);
	dns_xdp_add_name(v, &n, type);
}

uint64_t *
driver_buckets(void)
{
	return dns_xdp.buckets;
}

void
driver_set_limited(unsigned n_limited)
{
	driver.work.n_limited = n_limited;
}

const struct dns_x_stats *
driver_stats(void)
{
	return &driver.stats;
}

/* --- frames -------------------------------------------------------------------------------------- */

/* RFC 1071 section 4.1, over bytes in network order. */
static uint32_t
sum_bytes(uint32_t sum, const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static size_t
put_frame(uint8_t *p, const struct dns_client *c, uint16_t port, const uint8_t *msg, size_t size)
{
	static const uint8_t link[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	uint8_t *l3 = p + 14, *udp = l3 + (c->family == 4 ? 20 : 40);

	memset(p, 0, 14 + 40);
	memcpy(p, link, sizeof link);
	dns_put16(p + 12, c->family == 4 ? 0x0800 : 0x86dd);
	if (c->family == 4) {
		l3[0] = 0x45;
		dns_put16(l3 + 2, 20 + 8 + size);
		dns_put16(l3 + 4, 0x7777);
		l3[6] = 0x40; /* do not fragment */
		l3[8] = 57;
		l3[9] = 17;
		memcpy(l3 + 12, c->address, 4);
		memcpy(l3 + 16, server4, 4);
		dns_put16(l3 + 10, ~sum_bytes(0, l3, 20));
	} else {
		l3[0] = 0x6b; /* a traffic class and a flow label */
		l3[3] = 9;
		dns_put16(l3 + 4, 8 + size);
		l3[6] = 17;
		l3[7] = 57;
		memcpy(l3 + 8, c->address, 16);
		memcpy(l3 + 24, server6, 16);
	}
	dns_put16(udp, port);
	dns_put16(udp + 2, 53);
	dns_put16(udp + 4, 8 + size);
	dns_put16(udp + 6, 0x5555); /* not looked at */
	memcpy(udp + 8, msg, size);
	return udp + 8 + size - p;
}

/* The frame goes back, is whole, and its sums are right; returns its message. */
static const uint8_t *
check_frame(const uint8_t *p, size_t size, const struct dns_client *c, uint16_t port, size_t *ret_size)
{
	static const uint8_t link[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
	const uint8_t *l3 = p + 14, *udp = l3 + (c->family == 4 ? 20 : 40);
	size_t address = c->family == 4 ? 4 : 16, udp_size = size - (udp - p);
	const uint8_t *addresses = l3 + (c->family == 4 ? 12 : 8);

	assert_true(udp_size < size && udp_size >= 8 + DNS_HEADER_SIZE);
	assert_memory_equal(p, link, sizeof link);
	assert_int_equal(dns_get16(p + 12), c->family == 4 ? 0x0800 : 0x86dd);
	assert_memory_equal(addresses, c->family == 4 ? server4 : server6, address);
	assert_memory_equal(addresses + address, c->address, address);
	if (c->family == 4) {
		assert_int_equal(l3[0], 0x45);
		assert_int_equal(dns_get16(l3 + 2), 20 + udp_size);
		assert_int_equal(l3[9], 17);
		assert_int_equal(sum_bytes(0, l3, 20), 0xffff);
	} else {
		assert_int_equal(l3[0] >> 4, 6);
		assert_int_equal(dns_get16(l3 + 4), udp_size);
		assert_int_equal(l3[6], 17);
	}
	assert_int_equal(dns_get16(udp), 53);
	assert_int_equal(dns_get16(udp + 2), port);
	assert_int_equal(dns_get16(udp + 4), udp_size);
	assert_int_not_equal(dns_get16(udp + 6), 0);
	assert_int_equal(sum_bytes(sum_bytes(udp_size + 17, addresses, 2 * address), udp, udp_size), 0xffff);
	*ret_size = udp_size - 8;
	return udp + 8;
}

enum driver_did
driver_ask(const struct dns_client *c, const struct driver_frame *f, const uint8_t *msg, size_t size, uint8_t *answer,
	   size_t *ret_size)
{
	uint8_t *at = driver.memory + FRAME_AT;
	uint8_t before[ROOM - FRAME_AT];
	struct xdp_md x = { 0 };
	size_t frame;
	int rc;

	assert_true(size < ROOM - FRAME_AT - 62 - 1500);
	frame = put_frame(at, c, f->port, msg, size);
	memcpy(before, at, frame);
	driver.draw = f->draw;
	driver.no_tail_room = f->no_tail_room;
	x.data = (uint32_t)(uintptr_t)at;
	x.data_end = x.data + frame;
	rc = dns_answer_in_driver(&x);
	if (rc == XDP_DROP)
		return DRIVER_DROPPED;
	if (rc == XDP_PASS) {
		/* The sockets get it as it came. */
		assert_int_equal(x.data_end - x.data, frame);
		assert_memory_equal(DATA(&x), before, frame);
		return DRIVER_PASSED;
	}
	assert_int_equal(rc, XDP_TX);
	msg = check_frame(DATA(&x), x.data_end - x.data, c, f->port, ret_size);
	memcpy(answer, msg, *ret_size);
	return DRIVER_SENT;
}
