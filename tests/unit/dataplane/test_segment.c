/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums and segmentation against routines of their own: a GSO packet's segments put together
 * again are the packet, and every checksum is right. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "tunnels/checksum.h"
#include "dataplane/drop.h"
#include "dataplane/ports/vnet.h"
#include "openflow/key.h"
#include "packets.h"

static void
checksum_equals_the_slow_one(void **state)
{
	uint8_t buf[300];

	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = i * 7919 >> 3;
	for (unsigned size = 0; size <= 256; size++)
		assert_int_equal(ntohs(csum(buf + size % 5, size)),
				 slow_checksum(buf + size % 5, size, 0));
	/* RFC 1071 section 3: 0001 f203 f4f5 f6f7 sums up to ddf2. */
	static const uint8_t rfc[8] = { 0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7 };
	assert_int_equal(ntohs(csum(rfc, 8)), 0xffff - 0xddf2);
	/* RFC 1624 section 4: HC dd2f, m 5555, m' 3285 gives 0000. */
	static const uint8_t m_old[2] = { 0x55, 0x55 }, m_new[2] = { 0x32, 0x85 };
	assert_int_equal(csum_update(htons(0xdd2f), m_old, m_new, 2), 0);
}

static void
update_equals_computing_again(void **state)
{
	uint8_t buf[64];
	uint32_t seed = 1;

	for (unsigned round = 0; round < 10000; round++) {
		for (unsigned i = 0; i < sizeof(buf); i++)
			buf[i] = (seed = seed * 1103515245 + 12345) >> 16;
		uint8_t old[16];
		unsigned at = (seed >> 20) % 24 * 2, size = 2 + (seed >> 26) % 8 * 2;
		__be16 before = csum(buf, sizeof(buf));

		memcpy(old, buf + at, size);
		for (unsigned i = 0; i < size; i++)
			buf[at + i] = (seed = seed * 1103515245 + 12345) >> 16;
		assert_int_equal(csum_update(before, old, buf + at, size), csum(buf, sizeof(buf)));
	}
}

static void
crc32c_of_the_rfc(void **state)
{
	/* RFC 3720 section B.4: 32 bytes of 0, of 0xff, counting up. */
	uint8_t zero[32] = { 0 }, ones[32], up[32];

	memset(ones, 0xff, 32);
	for (unsigned i = 0; i < 32; i++)
		up[i] = i;
	assert_int_equal(wf_crc32c(0, zero, 32), 0x8a9136aa);
	assert_int_equal(wf_crc32c(0, ones, 32), 0x62a8ab43);
	assert_int_equal(wf_crc32c(0, up, 32), 0x46dd794e);
}

struct variant {
	struct packet_spec spec;
	uint64_t seg_flag, cksum_flag;
	unsigned mss;
};

static void
open_offloads(struct rte_mbuf *m, const struct variant *v, struct pkt_layers *l)
{
	struct of_key key;

	memset(&key, 0, sizeof(key));
	pkt_parse(m, OF_PT_ETH, &key, l);
	if (v->spec.n_mpls) { /* the parser stops at the labels: tell where IP is */
		l->l4 = l->l3 + (v->spec.ipv6 ? 40 : 20);
	}
	m->ol_flags = v->cksum_flag | v->seg_flag;
	m->tso_segsz = v->mss;
}

static void
put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void
finishes_checksums(void **state)
{
	static const uint8_t protos[3] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	static const uint64_t flags[3] = { RTE_MBUF_F_TX_TCP_CKSUM, RTE_MBUF_F_TX_UDP_CKSUM,
					   RTE_MBUF_F_TX_SCTP_CKSUM };

	for (unsigned i = 0; i < 3 * 2 * 3; i++) {
		struct variant v = {
			.spec = { .proto = protos[i % 3], .ipv6 = i / 3 % 2, .n_vlans = i / 6,
				  .payload = 101, .seed = i },
			.cksum_flag = flags[i % 3],
		};
		struct rte_mbuf *m = packet_make(&v.spec);
		struct pkt_layers l;
		unsigned at = v.spec.proto == IPPROTO_TCP ? 16 : v.spec.proto == IPPROTO_UDP ? 6 : 8;

		assert_true(checksums_are_right(pkt_data(m), pkt_size(m)));
		open_offloads(m, &v, &l);
		pkt_data(m)[l.l4 + at] ^= 0x5a;
		/* Bytes behind the IP packet do not count. */
		pkt_set_size(m, pkt_size(m) + 7);
		memset(pkt_data(m) + pkt_size(m) - 7, 0xee, 7);
		l.l2_pad = 7;
		pkt_finish_checksums(m, &l);
		assert_true(checksums_are_right(pkt_data(m), pkt_size(m)));
		assert_false(m->ol_flags & PKT_TX_OPEN);
		pkt_free(m);
	}
}

static void
prepared_offloads_have_the_pseudo_sum(void **state)
{
	struct variant v = { .spec = { .proto = IPPROTO_TCP, .n_vlans = 1, .payload = 5000 },
			     .cksum_flag = RTE_MBUF_F_TX_TCP_CKSUM,
			     .seg_flag = RTE_MBUF_F_TX_TCP_SEG, .mss = 1448 };
	struct rte_mbuf *m = packet_make(&v.spec);
	struct pkt_layers l;
	uint16_t partial;

	open_offloads(m, &v, &l);
	assert_true(pkt_prepare_offloads(m, &l));
	assert_int_equal(m->l2_len, 18);
	assert_int_equal(m->l3_len, 20);
	assert_int_equal(m->l4_len, 20);
	/* What is left to add is the sum over TCP, with the partial sum in its field. */
	memcpy(&partial, pkt_data(m) + l.l4 + 16, 2);
	uint16_t sum = csum_fold(csum_add(0, pkt_data(m) + l.l4, 5020));
	put16(pkt_data(m) + l.l4 + 16, ntohs((uint16_t)~sum));
	assert_true(checksums_are_right(pkt_data(m), pkt_size(m)));
	pkt_free(m);
}

static void
segments_make_up_the_packet(void **state)
{
	for (unsigned i = 0; i < 2 * 2 * 3 * 3 * 3; i++) {
		static const unsigned payloads[3] = { 1, 5000, 60000 }, sizes[3] = { 536, 1448, 8948 };
		bool tcp = i % 2;
		struct variant v = {
			.spec = { .proto = tcp ? IPPROTO_TCP : IPPROTO_UDP, .ipv6 = i / 2 % 2,
				  .n_vlans = i / 4 % 3, .n_mpls = i / 4 % 3 == 2 ? 2 : 0,
				  .payload = payloads[i / 12 % 3], .seed = i,
				  .tcp_flags = 0x80 | 0x10 | 0x08 | 0x01 },
			.seg_flag = tcp ? RTE_MBUF_F_TX_TCP_SEG : RTE_MBUF_F_TX_UDP_SEG,
			.cksum_flag = tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM,
			.mss = sizes[i / 36],
		};
		struct rte_mbuf *m = packet_make(&v.spec), *out[256];
		uint8_t *before, *joined = wf_xmalloc(70000);
		struct pkt_layers l;
		unsigned l4_header = tcp ? 20 : 8, done = 0;

		open_offloads(m, &v, &l);
		before = wf_xmemdup(pkt_data(m), pkt_size(m));
		unsigned want = (v.spec.payload + v.mss - 1) / v.mss;
		assert_int_equal(pkt_segment_count(m, &l), want);
		assert_int_equal(pkt_segment(m, &l, out, want), want);
		assert_memory_equal(before, pkt_data(m), pkt_size(m));
		for (unsigned s = 0; s < want; s++) {
			const uint8_t *d = pkt_data(out[s]), *l4 = d + l.l4;
			unsigned part = pkt_size(out[s]) - l.l4 - l4_header;

			assert_true(checksums_are_right(d, pkt_size(out[s])));
			assert_true(s + 1 == want ? part <= v.mss : part == v.mss);
			assert_memory_equal(d, pkt_data(m), l.l3);
			if (tcp) {
				uint32_t seq, seq0;

				memcpy(&seq, l4 + 4, 4);
				memcpy(&seq0, pkt_data(m) + l.l4 + 4, 4);
				assert_int_equal(ntohl(seq) - ntohl(seq0), done);
				assert_int_equal(l4[13] & 0x80, s ? 0 : 0x80);
				assert_int_equal(l4[13] & 0x09, s + 1 == want ? 0x09 : 0);
				assert_int_equal(l4[13] & 0x10, 0x10);
			}
			memcpy(joined + done, l4 + l4_header, part);
			done += part;
			assert_int_equal(out[s]->ol_flags & PKT_TX_OPEN, 0);
		}
		assert_int_equal(done, v.spec.payload);
		assert_memory_equal(joined, pkt_data(m) + l.l4 + l4_header, done);
		pkt_free_bulk(out, want);
		if (want > 1)
			assert_int_equal(pkt_segment(m, &l, out, want - 1), -DROP_OUT_MTU);
		pkt_free(m);
		free(before);
		free(joined);
	}
}

static void
push_and_pull_keep_the_bytes(void **state)
{
	struct rte_mbuf *m = pkt_from_bytes("hello", 5);
	uint8_t *p = pkt_push(m, 3);

	memcpy(p, "oh ", 3);
	assert_memory_equal(pkt_data(m), "oh hello", 8);
	/* Beyond the headroom the data moves back, as far as there is room behind it. */
	assert_non_null(pkt_push(m, 1000));
	assert_memory_equal(pkt_data(m) + 1000, "oh hello", 8);
	assert_int_equal(pkt_size(m), 1008);
	assert_null(pkt_push(m, 2000));
	assert_int_equal(pkt_size(m), 1008);
	assert_non_null(pkt_pull(m, 1000));
	assert_null(pkt_pull(m, 9));
	pkt_set_size(m, pkt_capacity(m));
	pkt_free(m);

	m = pkt_alloc(PKT_LARGE_ROOM);
	assert_non_null(m);
	pkt_set_size(m, 65536 + 14);
	assert_int_equal(pkt_size(m), 65550);
	assert_int_equal(m->data_len, 65535);
	struct rte_mbuf *copy = pkt_copy(m);
	assert_int_equal(pkt_size(copy), 65550);
	pkt_free(copy);
	pkt_free(m);
	assert_null(pkt_alloc(PKT_LARGE_ROOM + 1));
}

/* Ethernet, IPv4, UDP with or without a checksum, VXLAN around a GSO packet: what a kernel that
 * encapsulates gives to a packet socket. */
static void
tunnels_are_segmented_inside(void **state)
{
	for (unsigned with_csum = 0; with_csum < 2; with_csum++) {
		struct packet_spec spec = { .proto = IPPROTO_TCP, .payload = 3000, .seed = 9 };
		struct rte_mbuf *inner = packet_make(&spec), *m = packet_make(&spec), *out[8], *plain[8];
		struct pkt_layers layers;
		struct of_key key;
		uint8_t *h = pkt_push(m, 50);
		uint32_t size = pkt_size(m);
		struct virtio_net_hdr hdr = { VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4,
					      54 + 50, 1000, 50 + 34, 16 };

		memset(h, 0, 50);
		memcpy(h + 12, (const uint8_t[]){ 8, 0, 0x45, 0, (uint8_t)((size - 14) >> 8),
						  (uint8_t)(size - 14), 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0,
						  0, 1, 10, 0, 0, 2, 0x80, 1, 0x12, 0xb5 }, 26);
		h[38] = (uint8_t)((size - 34) >> 8);
		h[39] = (uint8_t)(size - 34);
		h[41] = (uint8_t)with_csum;
		h[42] = 8;
		assert_true(vnet_to_packet(&hdr, 0, m));
		assert_true(m->ol_flags & PKT_TX_INNER);
		memset(&key, 0, sizeof(key));
		pkt_parse(m, OF_PT_ETH, &key, &layers);
		assert_int_equal(pkt_segment_count(m, &layers), 3);
		assert_int_equal(pkt_segment(m, &layers, out, 8), 3);

		hdr.csum_start = 34;
		hdr.hdr_len = 54;
		assert_true(vnet_to_packet(&hdr, 0, inner));
		pkt_parse(inner, OF_PT_ETH, &key, &layers);
		assert_int_equal(pkt_segment(inner, &layers, plain, 8), 3);
		for (unsigned i = 0; i < 3; i++) {
			const uint8_t *s = pkt_data(out[i]);

			assert_int_equal(pkt_size(out[i]), pkt_size(plain[i]) + 50);
			assert_memory_equal(s + 50, pkt_data(plain[i]), pkt_size(plain[i]));
			assert_true(checksums_are_right(s + 50, pkt_size(plain[i])));
			assert_int_equal(s[16] << 8 | s[17], pkt_size(out[i]) - 14);
			assert_int_equal(s[18] << 8 | s[19], 1 + i);
			assert_int_equal(s[38] << 8 | s[39], pkt_size(out[i]) - 34);
			assert_int_equal(slow_checksum(s + 14, 20, 0), 0);
			if (with_csum)
				assert_true(checksums_are_right(s, pkt_size(out[i])));
			else
				assert_int_equal(s[40] | s[41], 0);
		}
		pkt_free_bulk(out, 3);
		pkt_free_bulk(plain, 3);
		pkt_free(m);
		pkt_free(inner);

		/* What lies about the inner packet is refused. */
		m = packet_make(&spec);
		memcpy(pkt_push(m, 50), (const uint8_t[50]){ [12] = 8, [14] = 0x45, [23] = 17 }, 50);
		hdr.csum_start = 50 + 35;
		assert_false(vnet_to_packet(&hdr, 0, m));
		hdr.csum_start = 40;
		assert_false(vnet_to_packet(&hdr, 0, m));
		pkt_free(m);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_equals_the_slow_one),
		cmocka_unit_test(update_equals_computing_again),
		cmocka_unit_test(crc32c_of_the_rfc),
		cmocka_unit_test(finishes_checksums),
		cmocka_unit_test(prepared_offloads_have_the_pseudo_sum),
		cmocka_unit_test(segments_make_up_the_packet),
		cmocka_unit_test(push_and_pull_keep_the_bytes),
		cmocka_unit_test(tunnels_are_segmented_inside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
