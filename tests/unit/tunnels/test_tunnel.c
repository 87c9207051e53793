/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnel headers against packets that scapy made: what we read out of them, that we write the same
 * bytes, and that no cut or changed byte gets through unnoticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "tests/unit/tunnels/vectors.h"
#include "tunnels/tunnel.h"

static const struct vector {
	const char *name;
	const uint8_t *bytes;
	size_t size;
	enum tnl_type type;
	unsigned exts;
	uint32_t inner;
	size_t header; /* from the IP header to what is inside */
	uint64_t id;
	uint8_t flags;
	uint32_t seq;
} vectors[] = {
#define V(NAME, ...) { #NAME, NAME, sizeof NAME, __VA_ARGS__ }
	V(vxlan, TNL_VXLAN, 0, TNL_INNER_ETH, 36, 0x123456, TNL_F_KEY | TNL_F_DF),
	V(vxlan_csum, TNL_VXLAN, 0, TNL_INNER_ETH, 36, 7, TNL_F_KEY | TNL_F_CSUM),
	V(vxlan_v6, TNL_VXLAN, 0, TNL_INNER_ETH, 56, 0xffffff, TNL_F_KEY | TNL_F_CSUM),
	V(vxlan_gbp, TNL_VXLAN, TNL_EXT_GBP, TNL_INNER_ETH, 36, 5, TNL_F_KEY | TNL_F_DF),
	V(vxlan_gpe_ip, TNL_VXLAN, TNL_EXT_GPE, TNL_INNER_L3(0x0800), 36, 9, TNL_F_KEY | TNL_F_DF),
	V(geneve, TNL_GENEVE, 0, TNL_INNER_ETH, 36, 0xabcdef, TNL_F_KEY | TNL_F_DF),
	V(geneve_options, TNL_GENEVE, 0, TNL_INNER_ETH, 56, 1,
	  TNL_F_KEY | TNL_F_DF | TNL_F_CSUM | TNL_F_CRIT),
	V(geneve_v6_ip6, TNL_GENEVE, 0, TNL_INNER_L3(0x86dd), 56, 3, TNL_F_KEY | TNL_F_CSUM),
	V(gre, TNL_GRE, 0, TNL_INNER_ETH, 24, 0, TNL_F_DF),
	V(gre_key, TNL_GRE, 0, TNL_INNER_ETH, 28, 0x01020304, TNL_F_KEY | TNL_F_DF),
	V(gre_all, TNL_GRE, 0, TNL_INNER_ETH, 36, 5, TNL_F_KEY | TNL_F_DF | TNL_F_CSUM | TNL_F_SEQ,
	  0xfffffffe),
	V(gre_ip, TNL_GRE, 0, TNL_INNER_L3(0x0800), 24, 0, TNL_F_DF),
	V(gre_v6, TNL_GRE, 0, TNL_INNER_ETH, 48, 6, TNL_F_KEY),
	V(erspan2, TNL_ERSPAN, 0, TNL_INNER_ETH, 36, 0x7b, TNL_F_KEY | TNL_F_DF | TNL_F_SEQ, 1),
	V(erspan3, TNL_ERSPAN, 0, TNL_INNER_ETH, 40, 0x237, TNL_F_KEY | TNL_F_DF | TNL_F_SEQ, 1),
	V(gtpu, TNL_GTPU, 0, TNL_INNER_L3(0x0800), 36, 0x11223344, TNL_F_KEY | TNL_F_DF),
	V(lisp, TNL_LISP, 0, TNL_INNER_L3(0x0800), 36, 0x123456, TNL_F_KEY | TNL_F_DF),
	V(lisp_v6, TNL_LISP, 0, TNL_INNER_L3(0x86dd), 56, 0, TNL_F_CSUM),
};
#define FOR_EACH_VECTOR(v) \
	for (const struct vector *v = vectors; v < vectors + sizeof vectors / sizeof *vectors; v++)

static enum tnl_error
decap(const struct vector *v, const uint8_t *bytes, size_t size, struct tnl_meta *m, uint32_t *inner,
      size_t *ofs, size_t *inner_size)
{
	/* On the heap and of the exact size, so that ASan sees a read beyond it. */
	uint8_t *copy = malloc(size ? size : 1);
	enum tnl_error e;

	memcpy(copy, bytes, size);
	e = tnl_decap(v->type, v->exts, copy, size, 0, m, inner, ofs, inner_size);
	free(copy);
	return e;
}

static void
test_reads_what_others_write(void **state)
{
	FOR_EACH_VECTOR(v)
	{
		struct tnl_meta m;
		uint32_t inner = 0xdead;
		size_t ofs = 0, size = 0;
		enum tnl_error e = decap(v, v->bytes, v->size, &m, &inner, &ofs, &size);

		if (e)
			fail_msg("%s: %s", v->name, tnl_error_text(e));
		if (inner != v->inner || ofs != v->header || size != v->size - v->header ||
		    m.id != v->id || m.flags != v->flags)
			fail_msg("%s: inner %x at %zu (%zu bytes), id %llx, flags %x", v->name, inner, ofs,
				 size, (unsigned long long)m.id, m.flags);
		if (v->flags & TNL_F_SEQ)
			assert_int_equal(m.seq, v->seq);
	}
}

static void
test_reads_addresses_and_fields(void **state)
{
	struct tnl_meta m;
	struct in6_addr a;
	uint32_t inner;
	size_t ofs, size;

	assert_int_equal(decap(&vectors[0], vxlan, sizeof vxlan, &m, &inner, &ofs, &size), TNL_OK);
	inet_pton(AF_INET6, "::ffff:10.1.2.3", &a);
	assert_memory_equal(&m.src, &a, 16);
	inet_pton(AF_INET6, "::ffff:10.4.5.6", &a);
	assert_memory_equal(&m.dst, &a, 16);
	assert_int_equal(m.ttl, 64);
	assert_int_equal(m.tp_src, 50000);
	assert_int_equal(m.tp_dst, 4789);

	assert_int_equal(decap(&vectors[3], vxlan_gbp, sizeof vxlan_gbp, &m, &inner, &ofs, &size), TNL_OK);
	assert_int_equal(m.gbp_id, 0x1234);
	assert_int_equal(m.gbp_flags, 0);
	assert_int_equal(decap(&vectors[6], geneve_options, sizeof geneve_options, &m, &inner, &ofs, &size),
			 TNL_OK);
	assert_int_equal(m.options_size, 20);
	assert_memory_equal(m.options, geneve_options + 36, 20);
	assert_int_equal(decap(&vectors[13], erspan2, sizeof erspan2, &m, &inner, &ofs, &size), TNL_OK);
	assert_int_equal(m.erspan_ver, 1);
	assert_int_equal(m.erspan_idx, 3);
	assert_int_equal(decap(&vectors[14], erspan3, sizeof erspan3, &m, &inner, &ofs, &size), TNL_OK);
	assert_int_equal(m.erspan_ver, 2);
	assert_int_equal(m.erspan_hwid, 7);
	assert_int_equal(m.erspan_dir, 1);
	assert_int_equal(decap(&vectors[2], vxlan_v6, sizeof vxlan_v6, &m, &inner, &ofs, &size), TNL_OK);
	inet_pton(AF_INET6, "fd01::6", &a);
	assert_memory_equal(&m.dst, &a, 16);
	assert_int_equal(m.ttl, 63);
	assert_int_equal(m.tos, 0x10);
}

/* The same bytes come out of the template as scapy wrote. */
static void
test_writes_what_others_write(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

	FOR_EACH_VECTOR(v)
	{
		struct tnl_template t;
		struct tnl_packet pkt;
		struct tnl_meta m;
		uint8_t frame[512];
		uint32_t inner;
		size_t ofs, size, i;

		assert_int_equal(decap(v, v->bytes, v->size, &m, &inner, &ofs, &size), TNL_OK);
		assert_int_equal(tnl_template_make(&t, v->type, v->exts, &m, inner, mac, mac), TNL_OK);
		assert_int_equal(t.size, 14 + v->header);
		memcpy(frame + t.size, v->bytes + ofs, size);
		pkt = (struct tnl_packet){ .src_port = m.tp_src, .seq = m.seq };
		assert_true(tnl_template_apply(&t, frame, t.size + size, &pkt));
		for (i = 0; i < v->size && frame[14 + i] == v->bytes[i]; i++)
			;
		if (i < v->size)
			fail_msg("%s: byte %zu is %02x, should be %02x", v->name, i, frame[14 + i],
				 v->bytes[i]);
	}
}

/* TOS and TTL of one packet take the template's place, and the checksums still hold. */
static void
test_tos_and_ttl_of_the_packet(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

	FOR_EACH_VECTOR(v)
	{
		struct tnl_template t;
		struct tnl_packet pkt = { .src_port = 1, .tos = 0xab, .ttl = 3 };
		struct tnl_meta m;
		uint8_t frame[512];
		uint32_t inner;
		size_t ofs, size;

		assert_int_equal(decap(v, v->bytes, v->size, &m, &inner, &ofs, &size), TNL_OK);
		assert_int_equal(tnl_template_make(&t, v->type, v->exts, &m, inner, mac, mac), TNL_OK);
		memcpy(frame + t.size, v->bytes + ofs, size);
		assert_true(tnl_template_apply(&t, frame, t.size + size, &pkt));
		assert_int_equal(decap(v, frame + 14, t.size - 14 + size, &m, &inner, &ofs, &size), TNL_OK);
		assert_int_equal(m.tos, 0xab);
		assert_int_equal(m.ttl, 3);
		if (tnl_ip_proto(v->type) == IPPROTO_UDP)
			assert_int_equal(m.tp_src, 1);
	}
}

/* Of a packet that is cut anywhere before its inner frame nothing is taken. */
static void
test_refuses_cut_packets(void **state)
{
	FOR_EACH_VECTOR(v)
	{
		for (size_t n = 0; n < v->size; n++) {
			struct tnl_meta m;
			uint32_t inner;
			size_t ofs, size;

			if (decap(v, v->bytes, n, &m, &inner, &ofs, &size) == TNL_OK)
				fail_msg("%s: accepted with %zu of %zu bytes", v->name, n, v->size);
		}
	}
}

static const struct bad {
	const char *name;
	size_t ofs;
	uint8_t value;
	enum tnl_error error;
	bool fix_ip_sum;
} bads[] = {
	{ "vxlan", 0, 0x55, TNL_E_OUTER_BAD_IP, 0 },
	{ "vxlan", 0, 0x44, TNL_E_OUTER_BAD_IP, 0 },
	{ "vxlan", 10, 0x00, TNL_E_OUTER_CHECKSUM, 0 },
	{ "vxlan", 6, 0x20, TNL_E_OUTER_FRAGMENT, 1 },
	{ "vxlan", 7, 0x01, TNL_E_OUTER_FRAGMENT, 1 },
	{ "vxlan", 9, 6, TNL_E_NOT_TUNNEL, 1 },
	{ "vxlan", 24, 0xff, TNL_E_OUTER_LENGTH, 0 },
	{ "vxlan", 28, 0x00, TNL_E_BAD_FLAGS, 0 },   /* I bit */
	{ "vxlan", 29, 0x01, TNL_E_BAD_FLAGS, 0 },
	{ "vxlan", 35, 0x01, TNL_E_BAD_FLAGS, 0 },
	{ "vxlan_csum", 60, 0xff, TNL_E_OUTER_CHECKSUM, 0 },
	{ "vxlan_gpe_ip", 28, 0x1c, TNL_E_BAD_VERSION, 0 },
	{ "vxlan_gpe_ip", 31, 9, TNL_E_BAD_PROTOCOL, 0 },
	{ "geneve", 28, 0x40, TNL_E_BAD_VERSION, 0 },
	{ "geneve", 28, 0x3f, TNL_E_OUTER_SHORT, 0 },
	{ "geneve", 30, 0x00, TNL_E_BAD_PROTOCOL, 0 },
	{ "gre", 20, 0x40, TNL_E_BAD_FLAGS, 0 },
	{ "gre", 21, 0x01, TNL_E_BAD_VERSION, 0 },
	{ "gre", 21, 0x08, TNL_E_BAD_FLAGS, 0 },
	{ "gre", 22, 0x00, TNL_E_BAD_PROTOCOL, 0 },
	{ "gre_all", 50, 0xff, TNL_E_OUTER_CHECKSUM, 0 },
	{ "erspan2", 20, 0x00, TNL_E_BAD_FLAGS, 0 },
	{ "erspan2", 28, 0x20, TNL_E_BAD_VERSION, 0 },
	{ "erspan2", 22, 0x65, TNL_E_BAD_PROTOCOL, 0 },
	{ "gtpu", 28, 0x50, TNL_E_BAD_VERSION, 0 },
	{ "gtpu", 29, 1, TNL_E_BAD_PROTOCOL, 0 },
	{ "gtpu", 30, 0xff, TNL_E_OUTER_LENGTH, 0 },
	{ "gtpu", 36, 0x95, TNL_E_BAD_PROTOCOL, 0 },
	{ "lisp", 28, 0x98, TNL_E_BAD_FLAGS, 0 },    /* a nonce and a map version */
	{ "lisp", 36, 0x55, TNL_E_BAD_PROTOCOL, 0 },
};

static void
fix_ip_sum(uint8_t *ip)
{
	uint32_t sum = 0;

	ip[10] = ip[11] = 0;
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip[10] = (uint8_t)(~sum >> 8);
	ip[11] = (uint8_t)~sum;
}

static void
test_names_what_is_wrong(void **state)
{
	for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
		FOR_EACH_VECTOR(v)
		{
			struct tnl_meta m;
			uint8_t bytes[512];
			uint32_t inner;
			size_t ofs, size;
			enum tnl_error e;

			if (strcmp(v->name, bads[i].name))
				continue;
			memcpy(bytes, v->bytes, v->size);
			bytes[bads[i].ofs] = bads[i].value;
			if (bads[i].fix_ip_sum)
				fix_ip_sum(bytes);
			e = decap(v, bytes, v->size, &m, &inner, &ofs, &size);
			if (e != bads[i].error)
				fail_msg("%s with byte %zu = %02x: %s", v->name, bads[i].ofs,
					 bads[i].value, tnl_error_text(e));
		}
	}
}

/* Geneve options that lie about their length; an area of zeros ends. */
static void
test_geneve_options_that_lie(void **state)
{
	const struct vector *v = &vectors[6];
	struct tnl_meta m;
	uint8_t bytes[512];
	uint32_t inner;
	size_t ofs, size;

	memcpy(bytes, v->bytes, v->size);
	bytes[26] = bytes[27] = 0; /* no UDP checksum */
	memset(bytes + 36, 0, 20);
	assert_int_equal(decap(v, bytes, v->size, &m, &inner, &ofs, &size), TNL_OK);
	bytes[39] = 5; /* 4 + 20 bytes of 20 */
	assert_int_equal(decap(v, bytes, v->size, &m, &inner, &ofs, &size), TNL_E_BAD_OPTIONS);
	bytes[39] = 3; /* one word remains, it says one more */
	bytes[55] = 1;
	assert_int_equal(decap(v, bytes, v->size, &m, &inner, &ofs, &size), TNL_E_BAD_OPTIONS);
}

static void
test_gtpu_extensions(void **state)
{
	const struct vector *v = &vectors[15];
	struct tnl_meta m;
	uint8_t bytes[512];
	uint32_t inner;
	size_t ofs, size;

	/* Four optional bytes, and an extension of one word, before the IP packet. */
	memcpy(bytes, v->bytes, 36);
	memcpy(bytes + 36, "\0\0\0\x85\1\0\0\0", 8);
	memcpy(bytes + 44, v->bytes + 36, v->size - 36);
	bytes[3] += 8;
	fix_ip_sum(bytes);
	bytes[25] += 8;
	bytes[28] = 0x34;
	bytes[31] += 8;
	assert_int_equal(decap(v, bytes, v->size + 8, &m, &inner, &ofs, &size), TNL_OK);
	assert_int_equal(ofs, 44);
	bytes[40] = 0; /* an extension of no length would never end */
	assert_int_equal(decap(v, bytes, v->size + 8, &m, &inner, &ofs, &size), TNL_E_BAD_OPTIONS);
	bytes[40] = 200;
	assert_int_equal(decap(v, bytes, v->size + 8, &m, &inner, &ofs, &size), TNL_E_BAD_OPTIONS);
}

static void
test_templates_refuse(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	struct tnl_template t;
	struct tnl_meta m = { .id = 1, .ttl = 64 };

	inet_pton(AF_INET6, "::ffff:10.0.0.1", &m.src);
	assert_int_equal(tnl_template_make(&t, TNL_VXLAN, 0, &m, 0, mac, mac), TNL_E_OUTER_BAD_IP);
	inet_pton(AF_INET6, "fd00::1", &m.dst);
	assert_int_equal(tnl_template_make(&t, TNL_VXLAN, 0, &m, 0, mac, mac), TNL_E_OUTER_BAD_IP);
	inet_pton(AF_INET6, "::ffff:10.0.0.2", &m.dst);
	assert_int_equal(tnl_template_make(&t, TNL_VXLAN, 0, &m, TNL_INNER_L3(0x0800), mac, mac),
			 TNL_E_BAD_PROTOCOL);
	assert_int_equal(tnl_template_make(&t, TNL_ERSPAN, 0, &m, 0, mac, mac), TNL_E_BAD_VERSION);
	assert_int_equal(tnl_template_make(&t, TNL_GTPU, 0, &m, 0, mac, mac), TNL_E_BAD_PROTOCOL);
	assert_int_equal(tnl_template_make(&t, TNL_VXLAN, 0, &m, 0, mac, mac), TNL_OK);
	assert_false(tnl_template_apply(&t, (uint8_t[64]){ 0 }, 65536 + 14, &(struct tnl_packet){ 0 }));
}

static void
test_ecn(void **state)
{
	/* Rows: outer; columns: inner (RFC 6040 figure 4, without alarms). */
	static const int want[4][4] = {
		{ 0, 1, 2, 3 }, { 0, 1, 2, 3 }, { 0, 1, 2, 3 }, { -1, 3, 3, 3 }
	};

	for (int outer = 0; outer < 4; outer++)
		for (int inner = 0; inner < 4; inner++)
			assert_int_equal(tnl_ecn_decap((uint8_t)(0xfc | outer), (uint8_t)inner),
					 want[outer][inner]);
	assert_int_equal(tnl_ecn_encap(3), 2);
	assert_int_equal(tnl_ecn_encap(1), 1);
}

static void
test_source_ports(void **state)
{
	assert_int_equal(tnl_source_port(0, 32768, 61000), 32768);
	assert_int_equal(tnl_source_port(UINT32_MAX, 32768, 61000), 61000);
	assert_int_equal(tnl_source_port(1234, 5, 5), 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_others_write),
		cmocka_unit_test(test_reads_addresses_and_fields),
		cmocka_unit_test(test_writes_what_others_write),
		cmocka_unit_test(test_tos_and_ttl_of_the_packet),
		cmocka_unit_test(test_refuses_cut_packets),
		cmocka_unit_test(test_names_what_is_wrong),
		cmocka_unit_test(test_geneve_options_that_lie),
		cmocka_unit_test(test_gtpu_extensions),
		cmocka_unit_test(test_templates_refuse),
		cmocka_unit_test(test_ecn),
		cmocka_unit_test(test_source_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
