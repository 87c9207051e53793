// SPDX-License-Identifier: Apache-2.0
/* The programs' parsers and header writer, compiled natively.  Packets are written from the RFCs' figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "bpf/glb_gre.h"
#include "bpf/glb_tcp.h"
#include "bpf/glb_udp.h"
#include "bpf/glb_vip.h"

#define V4(...) 0x45, 0x00, 0x00, 0x28, 0x12, 0x34, 0x00, 0x00, 0x40, 0x06, 0x00, 0x00, \
	198, 51, 100, 7, 203, 0, 113, 10, __VA_ARGS__
#define TCP_ACK 0x12, 0x67, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 0x20, 0, 0, 0, 0, 0

struct row {
	const char *what;
	uint8_t bytes[120];
	size_t len;
	int family, rc;
	uint8_t proto, flags;
	uint16_t client_port, vip_port;
};

static const struct row rows[] = {
	{ "TCP", { V4(TCP_ACK) }, 40, 4, 0, 6, 0, 0x1267, 80 },
	{ "TCP SYN", { V4(0x12, 0x67, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02) }, 40, 4, 0, 6, GLB_F_SYN,
	  0x1267, 80 },
	{ "SYN ACK does not open", { V4(0x12, 0x67, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x12) }, 40, 4, 0, 6, 0,
	  0x1267, 80 },
	{ "cut in the flags", { V4(TCP_ACK) }, 33, 4, GLB_BAD(short), 0, 0, 0, 0 },
	{ "cut in the IP header", { V4(TCP_ACK) }, 19, 4, GLB_BAD(short), 0, 0, 0, 0 },
	{ "version 6 under 0x0800", { 0x65, 0, 0, 40 }, 40, 4, GLB_BAD(ip_version), 0, 0, 0, 0 },
	{ "header length 16", { 0x44, 0, 0, 40 }, 40, 4, GLB_BAD(ip_header), 0, 0, 0, 0 },
	{ "total length below the header", { 0x45, 0, 0, 19 }, 40, 4, GLB_BAD(ip_header), 0, 0, 0, 0 },
	{ "options, RFC 791: ports are behind them",
	  { 0x46, 0, 0, 44, 0, 1, 0, 0, 64, 17, 0, 0, 198, 51, 100, 7, 203, 0, 113, 10, 0x94, 4, 0, 0,
	    0x30, 0x39, 0, 53, 0, 20, 0, 0 }, 44, 4, 0, 17, 0, 0x3039, 53 },
	{ "first fragment", { 0x45, 0, 0, 40, 0, 9, 0x20, 0, 64, 17, 0, 0, 198, 51, 100, 7, 203, 0, 113, 10,
	    0x30, 0x39, 0, 53 }, 40, 4, 0, 17, GLB_F_FIRST, 0x3039, 53 },
	{ "later fragment", { 0x45, 0, 0, 40, 0, 9, 0x00, 2, 64, 17, 0, 0, 198, 51, 100, 7, 203, 0, 113, 10,
	    0x30, 0x39, 0, 53 }, 40, 4, 0, 17, GLB_F_LATER, 0, 0 },
	{ "ICMP unreachable with the eight bytes of RFC 792: the quoted packet reversed",
	  { 0x45, 0, 0, 56, 0, 1, 0, 0, 64, 1, 0, 0, 192, 0, 2, 1, 203, 0, 113, 10,
	    3, 4, 0, 0, 0, 0, 5, 0x78,
	    0x45, 0, 5, 0xdc, 0, 1, 0x40, 0, 60, 6, 0, 0, 203, 0, 113, 10, 198, 51, 100, 7,
	    0, 80, 0x12, 0x67, 0, 0, 0, 1 }, 56, 4, 0, 6, GLB_F_QUOTED, 0x1267, 80 },
	{ "ICMP error that quotes another source",
	  { 0x45, 0, 0, 56, 0, 1, 0, 0, 64, 1, 0, 0, 192, 0, 2, 1, 203, 0, 113, 10,
	    3, 4, 0, 0, 0, 0, 5, 0x78,
	    0x45, 0, 5, 0xdc, 0, 1, 0x40, 0, 60, 6, 0, 0, 203, 0, 113, 11, 198, 51, 100, 7,
	    0, 80, 0x12, 0x67, 0, 0, 0, 1 }, 56, 4, GLB_BAD(icmp_quote), 0, 0, 0, 0 },
	{ "ICMP echo has no ports",
	  { 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 192, 0, 2, 1, 203, 0, 113, 10, 8, 0, 0, 0, 0, 1, 0, 1 },
	  28, 4, 0, 1, GLB_F_NO_PORTS, 0, 0 },
	{ "IPv6 UDP", { 0x60, 0, 0, 0, 0, 8, 17, 64, [23] = 1, [39] = 2, [40] = 0x30, 0x39, 0, 53, 0, 8, 0, 0 },
	  48, 6, 0, 17, 0, 0x3039, 53 },
	{ "IPv6 hop-by-hop and destination options, RFC 8200",
	  { 0x60, 0, 0, 0, 0, 24, 0, 64, [40] = 60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0,
	    0x30, 0x39, 0, 53, 0, 8, 0, 0 }, 64, 6, 0, 17, 0, 0x3039, 53 },
	{ "IPv6 later fragment", { 0x60, 0, 0, 0, 0, 16, 44, 64, [40] = 17, 0, 0, 8, 0, 0, 0, 1 }, 56, 6, 0, 17,
	  GLB_F_LATER, 0, 0 },
	{ "IPv6 extension headers without end", { 0x60, 0, 0, 0, 0, 72, 60, 64, [40] = 60, [48] = 60, [56] = 60,
	    [64] = 60, [72] = 60, [80] = 60, [88] = 60, [96] = 60 }, 112, 6, GLB_BAD(ext_headers), 0, 0, 0, 0 },
	{ "IPv6 cut in an extension header", { 0x60, 0, 0, 0, 0, 24, 0, 64, [40] = 60 }, 46, 6, GLB_BAD(short),
	  0, 0, 0, 0 },
};

static void
packets_are_read(void **state)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];
		struct glb_flow f = { 0 };
		int rc = r->family == 4 ? glb_parse_ip4(r->bytes, r->bytes + r->len, 0, &f) :
					  glb_parse_ip6(r->bytes, r->bytes + r->len, 0, &f);

		if (rc != r->rc)
			fail_msg("%s: %d", r->what, rc);
		if (!rc && (f.proto != r->proto || f.flags != r->flags ||
			    f.client_port != GLB_BE16(r->client_port) || f.vip_port != GLB_BE16(r->vip_port)))
			fail_msg("%s: proto %u flags %u ports %u %u", r->what, f.proto, f.flags,
				 GLB_BE16(f.client_port), GLB_BE16(f.vip_port));
		if (f.flags & GLB_F_QUOTED)
			assert_int_equal(f.client[3], GLB_BE32(0xc6336407));
	}
}

/* An ICMP error meets the same slot as the packets of its flow. */
static void
an_error_has_the_slot_of_its_flow(void **state)
{
	static const __u64 key[2] = { 1, 2 };
	struct glb_flow a = { 0 }, b = { 0 };

	assert_int_equal(glb_parse_ip4(rows[0].bytes, rows[0].bytes + 40, 0, &a), 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].flags & GLB_F_QUOTED)
			assert_int_equal(glb_parse_ip4(rows[i].bytes, rows[i].bytes + rows[i].len, 0, &b), 0);
	assert_true(glb_flow_hash(key, &a) == glb_flow_hash(key, &b));
	assert_true(glb_client_hash(key, &a) == glb_client_hash(key, &b));
}

/* docs/glb-design.md */
static const uint8_t golden[] = {
	0x20, 0x00, 0x88, 0xb5, 0, 0, 0, 3, 0x10, 0x21, 0x00, 0x04, 0, 0, 0, 7,
	0, 0, 0, 17, 0, 0, 0, 18, 0, 0, 0, 2,
};

static void
headers_are_the_golden_bytes(void **state)
{
	struct glb_hops h = { { 17, 18, 2 }, 2, 1, 0 }, none = { { 0 }, 0, 0, 0 };
	uint8_t bytes[60];

	assert_int_equal(glb_gre_len(3), sizeof golden);
	assert_int_equal(glb_write_gre(bytes, bytes + sizeof golden, 3, 7, 4, &h), 1);
	assert_memory_equal(bytes, golden, sizeof golden);
	assert_int_equal(glb_write_gre(bytes, bytes + sizeof golden - 1, 3, 7, 4, &h), 0);
	/* RFC 2890: K, protocol, key. */
	assert_int_equal(glb_write_gre(bytes, bytes + 8, 3, 7, 6, &none), 1);
	assert_memory_equal(bytes, "\x20\x00\x86\xdd\0\0\0\3", 8);
}

static void
hop_lists_are_read_back(void **state)
{
	struct glb_tunnel t;

	assert_int_equal(glb_parse_gre(golden, golden + sizeof golden, 0, &t), 0);
	assert_int_equal(t.pool, 3);
	assert_int_equal(t.generation, 7);
	assert_int_equal(t.n_servers, 2);
	assert_int_equal(t.n_sites, 1);
	assert_int_equal(t.off, sizeof golden);
	assert_int_equal(glb_shim_entry(golden, golden + sizeof golden, &t, 2), 2);
	for (size_t n = 0; n < sizeof golden; n++)
		assert_int_equal(glb_parse_gre(golden, golden + n, 0, &t), GLB_BAD(short));
}

/* docs/glb-design.md; pool 3, document 7, IPv4. */
static void
relayed_fragments_are_read_back(void **state)
{
	static const uint8_t relay[] = { 0x20, 0x00, 0x88, 0xb5, 0, 0, 0, 3, 0x11, 0x00, 0x00, 0x04, 0, 0, 0, 7 };
	uint8_t bytes[sizeof relay];
	struct glb_tunnel t;

	assert_int_equal(glb_write_relay(bytes, bytes + sizeof bytes, 3, 7, 4), 1);
	assert_memory_equal(bytes, relay, sizeof relay);
	assert_int_equal(glb_write_relay(bytes, bytes + sizeof bytes - 1, 3, 7, 4), 0);
	assert_int_equal(glb_parse_gre(relay, relay + sizeof relay, 0, &t), 0);
	assert_int_equal(t.relayed, 1);
	assert_int_equal(t.shim, 0);
	assert_int_equal(t.off, sizeof relay);
	/* No list goes with it. */
	bytes[9] = 0x10;
	assert_int_equal(glb_parse_gre(bytes, bytes + sizeof bytes, 0, &t), GLB_BAD(shim_length));
	assert_int_equal(glb_parse_gre(golden, golden + sizeof golden, 0, &t), 0);
	assert_int_equal(t.relayed, 0);
}

/* All fragments of a packet have one hash, whatever the first one says besides; packets differ. */
static void
fragments_of_a_packet_have_one_hash(void **state)
{
	static const __u64 key[2] = { 1, 2 };
	struct glb_flow f[2] = { { .family = 0 } };
	unsigned n = 0;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].family == 4 && (rows[i].flags & (GLB_F_FIRST | GLB_F_LATER)) && n < 2)
			glb_parse_ip4(rows[i].bytes, rows[i].bytes + rows[i].len, 0, &f[n++]);
	assert_int_equal(n, 2);
	assert_true(glb_frag_hash(key, &f[0]) == glb_frag_hash(key, &f[1]));
	f[1].frag_id++;
	assert_false(glb_frag_hash(key, &f[0]) == glb_frag_hash(key, &f[1]));
}

static void
bad_tunnels_have_their_reason(void **state)
{
	static const struct {
		uint8_t at, value;
		int rc;
	} edits[] = {
		{ 0, 0x00, GLB_BAD(gre_no_key) },    { 1, 0x01, GLB_BAD(gre_version) },
		{ 0, 0x60, GLB_BAD(gre_version) },   { 2, 0x65, GLB_BAD(gre_protocol) },
		{ 8, 0x20, GLB_BAD(shim_version) },  { 11, 5, GLB_BAD(shim_version) },
		{ 9, 0x00, GLB_BAD(shim_length) },   { 9, 0x43, GLB_BAD(shim_length) },
		{ 10, 4, GLB_BAD(shim_length) },     { 9, 0x22, GLB_BAD(short) },
	};

	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		uint8_t bytes[sizeof golden];
		struct glb_tunnel t;

		memcpy(bytes, golden, sizeof bytes);
		bytes[edits[i].at] = edits[i].value;
		assert_int_equal(glb_parse_gre(bytes, bytes + sizeof bytes, 0, &t), edits[i].rc);
	}
}

/* What foreign ends may add: a checksum in front of the key, a sequence number behind it (RFC 2890 section 2). */
static void
optional_fields_are_skipped(void **state)
{
	static const uint8_t gre[] = { 0xb0, 0, 8, 0, 0xab, 0xcd, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1 };
	struct glb_tunnel t;

	assert_int_equal(glb_parse_gre(gre, gre + sizeof gre, 0, &t), 0);
	assert_int_equal(t.pool, 9);
	assert_int_equal(t.off, 16);
}

/* A UDP header, then: a short header; a long one (RFC 8999 section 5.1: flags, version, length, connection ID). */
static void
connection_ids_name_site_and_server(void **state)
{
#define CID 0x4d, 0, 0, 0, 1, 0, 0, 1, 2, 9, 9, 9, 9
	static const uint8_t brief[] = { [8] = 0x40, CID };
	static const uint8_t extended[] = { [8] = 0xe0, 0, 0, 0, 1, GLB_QUIC_CID_LEN, CID };
	__u32 site = 0, server = 0;

	assert_int_equal(glb_parse_quic(brief, brief + sizeof brief, 0x40, 0xe0, &site, &server), 1);
	assert_int_equal(site, 1);
	assert_int_equal(server, 0x102);
	site = server = 0;
	assert_int_equal(glb_parse_quic(extended, extended + sizeof extended, 0x40, 0xe0, &site, &server), 1);
	assert_int_equal(site, 1);
	assert_int_equal(server, 0x102);
	/* Another rotation; cut anywhere. */
	assert_int_equal(glb_parse_quic(brief, brief + sizeof brief, 0x20, 0xe0, &site, &server), 0);
	for (size_t n = 0; n < sizeof brief; n++)
		assert_int_equal(glb_parse_quic(brief, brief + n, 0x40, 0xe0, &site, &server), 0);
	for (size_t n = 0; n < sizeof extended; n++)
		assert_int_equal(glb_parse_quic(extended, extended + n, 0x40, 0xe0, &site, &server), 0);
}

static uint16_t
sum_of(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)p[i] << (i & 1 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* TCP headers with options: kind 2 length 4 is the MSS (RFC 9293), 1 a filler, 3 and 8 others, 0 the end. */
static void
a_segment_size_is_lowered_and_the_sum_holds(void **state)
{
	static const struct {
		const char *what;
		uint8_t options[40];
		size_t len; /* of the options */
		int at;	    /* of the option's value among them; -1: nothing changes */
	} table[] = {
		{ "MSS first", { 2, 4, 0x05, 0xb4 }, 4, 2 },
		{ "behind a filler, at an odd place", { 1, 2, 4, 0x05, 0xb4, 0, 0, 0 }, 8, 3 },
		{ "behind others", { 3, 3, 7, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 0xff, 0xff, 0, 0, 0 }, 20, 15 },
		{ "behind fillers only", { [0 ... 35] = 1, 2, 4, 0x05, 0xb4 }, 40, 38 },
		{ "smaller already", { 2, 4, 0x02, 0x18 }, 4, -1 },
		{ "none", { 1, 1, 1, 0 }, 4, -1 },
		{ "behind the end", { 0, 0, 0, 0, 2, 4, 0x05, 0xb4 }, 8, -1 },
		{ "an option of no length", { 3, 0, 0, 0, 2, 4, 0x05, 0xb4 }, 8, -1 },
		{ "one that is longer than the header", { 8, 200, 2, 4, 0x05, 0xb4, 0, 0 }, 8, -1 },
		{ "cut off", { 1, 1, 2, 4 }, 4, -1 },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		uint8_t th[60] = { 0x12, 0x67, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0x20, 0 }, before[60];
		size_t len = 20 + table[i].len;
		uint16_t want;

		th[12] = (uint8_t)(len / 4 << 4);
		memcpy(th + 20, table[i].options, table[i].len);
		want = (uint16_t)~sum_of(th, len);
		th[16] = (uint8_t)(want >> 8);
		th[17] = (uint8_t)want;
		memcpy(before, th, sizeof th);
		if (glb_clamp_mss(th, th + len, 1360) != (table[i].at >= 0))
			fail_msg("%s", table[i].what);
		if (sum_of(th, len) != 0xffff)
			fail_msg("%s: sum %04x", table[i].what, sum_of(th, len));
		if (table[i].at >= 0)
			assert_memory_equal(th + 20 + table[i].at, "\x05\x50", 2);
		else
			assert_memory_equal(th, before, sizeof th);
		for (size_t n = 0; n < len; n++) {
			memcpy(th, before, sizeof th);
			glb_clamp_mss(th, th + n, 1360);
			assert_memory_equal(th + n, before + n, sizeof th - n);
		}
	}
}

/* Bytes 00, 01, ... under the key 0; values: CPython 3.11 with PYTHONHASHSEED=0, hash(bytes(range(n))). */
static void
the_hash_is_siphash_1_3(void **state)
{
	static const __u64 key[2] = { 0, 0 };
	__u64 words[5];
	uint8_t *bytes = (uint8_t *)words;

	for (unsigned i = 0; i < sizeof words; i++)
		bytes[i] = (uint8_t)i;
	assert_true(glb_siphash(key, words, 1) == 0xead411e67ebe2eeaull);
	assert_true(glb_siphash(key, words, 2) == 0x8972188433a5c5b7ull);
	assert_true(glb_siphash(key, words, 5) == 0x95bc321ab41d8206ull);
}

static void
silent_udp_flows_make_room(void **state)
{
	struct glb_udp_bucket b = { { 0 } };
	uint64_t flow[9];

	for (unsigned i = 0; i < 9; i++)
		flow[i] = (uint64_t)(i + 1) << 16 | 0x7777;
	assert_int_equal(sizeof b / GLB_UDP_ENTRIES, 8); /* bytes a flow */
	for (unsigned i = 0; i < 8; i++) {
		assert_false(glb_udp_find(&b, flow[i], (uint16_t)(65530 + i)));
		glb_udp_put(&b, flow[i], (uint16_t)(65530 + i));
	}
	/* A packet of the oldest: then the second one is the oldest. */
	assert_true(glb_udp_find(&b, flow[0], 2));
	glb_udp_put(&b, flow[8], 3);
	assert_false(glb_udp_find(&b, flow[1], 3));
	for (unsigned i = 2; i < 9; i++)
		assert_true(glb_udp_find(&b, flow[i], 3));
	assert_true(glb_udp_find(&b, flow[0], 3));
}

/* What a line can't say is asked of the hash map: GLB_VIP_ASK. */
static void
lines_of_vips_say_what_the_map_does(void **state)
{
	struct glb_vip_line line = { { 0 } };
	struct glb_vip v = { .index = 0 };
	uint64_t key[5];

	for (unsigned i = 0; i < 5; i++) {
		key[i] = glb_vip4_word(htonl(0xc6120000 + i), htons(80), 6);
		assert_int_equal(glb_vip_line_find(&line, key[i], &v), i < 4 ? GLB_VIP_NONE : GLB_VIP_ASK);
		glb_vip_line_put(&line, key[i], &(struct glb_vip){ .pool = 7, .index = (uint16_t)(i + 1), .mss = 1360, .flags = 1 });
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(glb_vip_line_find(&line, key[i], &v), GLB_VIP_FOUND);
		assert_int_equal(v.index, i + 1);
		assert_int_equal(v.pool, 7);
	}
	assert_int_equal(v.mss, 1360);
	assert_int_equal(v.flags, 1);
	/* The fifth did not fit, and is not forgotten when there is room. */
	glb_vip_line_remove(&line, key[3]);
	glb_vip_line_remove(&line, key[0]);
	for (unsigned i = 0; i < 5; i += 3)
		assert_int_equal(glb_vip_line_find(&line, key[i], &v), GLB_VIP_ASK);
	assert_int_equal(glb_vip_line_find(&line, key[4], &v), GLB_VIP_ASK);
	glb_vip_line_put(&line, key[4], &(struct glb_vip){ .index = 50 });
	glb_vip_line_put(&line, key[1], &(struct glb_vip){ .index = 20 });
	assert_int_equal(glb_vip_line_find(&line, key[4], &v), GLB_VIP_FOUND);
	assert_int_equal(v.index, 50);
	assert_int_equal(glb_vip_line_find(&line, key[1], &v), GLB_VIP_FOUND);
	assert_int_equal(v.index, 20);
	/* One that was never full says who is not there; a packet to 0.0.0.0 is not for a free entry. */
	line = (struct glb_vip_line){ { key[0], key[1] }, { 1, 2 } };
	glb_vip_line_remove(&line, key[0]);
	assert_int_equal(glb_vip_line_find(&line, key[0], &v), GLB_VIP_NONE);
	assert_int_equal(glb_vip_line_find(&line, key[1], &v), GLB_VIP_FOUND);
	assert_int_equal(glb_vip_line_find(&line, glb_vip4_word(0, 0, 0), &v), GLB_VIP_ASK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_are_read),
		cmocka_unit_test(an_error_has_the_slot_of_its_flow),
		cmocka_unit_test(headers_are_the_golden_bytes),
		cmocka_unit_test(hop_lists_are_read_back),
		cmocka_unit_test(relayed_fragments_are_read_back),
		cmocka_unit_test(fragments_of_a_packet_have_one_hash),
		cmocka_unit_test(bad_tunnels_have_their_reason),
		cmocka_unit_test(optional_fields_are_skipped),
		cmocka_unit_test(connection_ids_name_site_and_server),
		cmocka_unit_test(lines_of_vips_say_what_the_map_does),
		cmocka_unit_test(silent_udp_flows_make_room),
		cmocka_unit_test(a_segment_size_is_lowered_and_the_sum_holds),
		cmocka_unit_test(the_hash_is_siphash_1_3),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
