/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net headers to offload flags and back, headers that lie included; packets from text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tunnels/checksum.h"
#include "dataplane/pkt_compose.h"
#include "dataplane/ports/vnet.h"

#define NEEDS VIRTIO_NET_HDR_F_NEEDS_CSUM
#define TCP4 VIRTIO_NET_HDR_GSO_TCPV4
#define TCP6 VIRTIO_NET_HDR_GSO_TCPV6
#define UFO VIRTIO_NET_HDR_GSO_UDP
#define USO 5
#define GOOD RTE_MBUF_F_RX_L4_CKSUM_GOOD

#define ETH "dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,"
#define T4 ETH "tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tp_src=1,tp_dst=2"
#define U4 ETH "udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,udp_src=1,udp_dst=2"
#define S4 ETH "sctp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,sctp_src=1,sctp_dst=2"
#define T6 ETH "tcp6,ipv6_src=fd00::1,ipv6_dst=fd00::2,nw_ttl=64,tp_src=1,tp_dst=2"
#define VT4 ETH "dl_vlan=5," "tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tp_src=1,tp_dst=2"

static struct rte_mbuf *
packet(const char *text, uint32_t size)
{
	char *error = NULL;
	struct rte_mbuf *m = pkt_from_text(text, size, &error);

	if (!m)
		fail_msg("%s: %s", text, error);
	return m;
}

/* Sizes: T4 118 bytes (14 + 20 + 20 + 64), L4 at 34; T6 138, L4 at 54; VT4 122, L4 at 38. */
static const struct row {
	const char *name, *text;
	struct virtio_net_hdr hdr;
	unsigned shift;
	bool ok;
	uint64_t flags;
	unsigned l2, l3;
} rows[] = {
	{ "nothing said", T4, { 0 }, 0, true, 0, 0, 0 },
	{ "checked by the sender", T4, { .flags = VIRTIO_NET_HDR_F_DATA_VALID }, 0, true,
	  GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD, 0, 0 },
	{ "TCP over IPv4", T4, { NEEDS, 0, 0, 0, 34, 16 }, 0, true,
	  RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4 | GOOD, 14, 20 },
	{ "UDP over IPv4", U4, { NEEDS, 0, 0, 0, 34, 6 }, 0, true,
	  RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV4 | GOOD, 14, 20 },
	{ "TCP over IPv6", T6, { NEEDS, 0, 0, 0, 54, 16 }, 0, true,
	  RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV6 | GOOD, 14, 40 },
	{ "behind a restored VLAN tag", VT4, { NEEDS, 0, 0, 0, 34, 16 }, 4, true,
	  RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4 | GOOD, 18, 20 },
	{ "behind a VLAN tag", VT4, { NEEDS, 0, 0, 0, 38, 16 }, 0, true,
	  RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4 | GOOD, 18, 20 },
	{ "GSO, TCP over IPv4", T4, { NEEDS, TCP4, 54, 10, 34, 16 }, 0, true,
	  RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG | GOOD, 14, 20 },
	{ "GSO with ECN", T4, { NEEDS, TCP4 | VIRTIO_NET_HDR_GSO_ECN, 54, 10, 34, 16 }, 0, true,
	  RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG | GOOD, 14, 20 },
	{ "GSO, TCP over IPv6", T6, { NEEDS, TCP6, 74, 10, 54, 16 }, 0, true,
	  RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_SEG | GOOD, 14, 40 },
	{ "GSO, UDP", U4, { NEEDS, USO, 42, 10, 34, 6 }, 0, true,
	  RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_SEG | GOOD, 14, 20 },
	/* Lies. */
	{ "checksum begins behind the end", T4, { NEEDS, 0, 0, 0, 500, 16 }, 0, false, 0, 0, 0 },
	{ "checksum field behind the end", T4, { NEEDS, 0, 0, 0, 34, 90 }, 0, false, 0, 0, 0 },
	{ "field half behind the end", T4, { NEEDS, 0, 0, 0, 101, 16 }, 0, false, 0, 0, 0 },
	{ "offsets at their limits", T4, { NEEDS, 0, 0, 0, 65535, 65535 }, 4, false, 0, 0, 0 },
	{ "GSO without a checksum to finish", T4, { 0, TCP4, 54, 10, 0, 0 }, 0, false, 0, 0, 0 },
	{ "GSO of size 0", T4, { NEEDS, TCP4, 54, 0, 34, 16 }, 0, false, 0, 0, 0 },
	{ "GSO of an unknown type", T4, { NEEDS, 9, 54, 10, 34, 16 }, 0, false, 0, 0, 0 },
	{ "UFO", U4, { NEEDS, UFO, 42, 10, 34, 6 }, 0, false, 0, 0, 0 },
	{ "TCP GSO of a UDP packet", U4, { NEEDS, TCP4, 54, 10, 34, 16 }, 0, false, 0, 0, 0 },
	{ "UDP GSO of a TCP packet", T4, { NEEDS, USO, 42, 10, 34, 6 }, 0, false, 0, 0, 0 },
	{ "GSO, checksum elsewhere", T4, { NEEDS, TCP4, 54, 10, 36, 16 }, 0, false, 0, 0, 0 },
};

static void
headers_become_flags(void **state)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		struct rte_mbuf *m = packet(r->text, 0);
		bool ok = vnet_to_packet(&r->hdr, r->shift, m);

		if (ok != r->ok || (ok && m->ol_flags != r->flags) ||
		    (ok && (m->l2_len != r->l2 || m->l3_len != r->l3)))
			fail_msg("%s: %d, flags %#lx, l2 %u, l3 %u", r->name, ok,
				 (unsigned long)m->ol_flags, m->l2_len, m->l3_len);
		pkt_free(m);
	}
}

static void
headers_come_out_as_they_went_in(void **state)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		struct rte_mbuf *m;
		struct virtio_net_hdr out;

		if (!r->ok)
			continue;
		m = packet(r->text, 0);
		assert_true(vnet_to_packet(&r->hdr, r->shift, m));
		vnet_from_packet(m, &out);
		assert_int_equal(out.flags, r->hdr.flags);
		assert_int_equal(out.gso_type, r->hdr.gso_type & ~VIRTIO_NET_HDR_GSO_ECN);
		if (r->hdr.flags & NEEDS) {
			assert_int_equal(out.csum_start, r->hdr.csum_start + r->shift);
			assert_int_equal(out.csum_offset, r->hdr.csum_offset);
		}
		if (r->hdr.gso_type) {
			assert_int_equal(out.gso_size, r->hdr.gso_size);
			assert_int_equal(out.hdr_len, r->hdr.hdr_len);
		}
		pkt_free(m);
	}
}

/* A TCP header that says it is longer than the packet, or shorter than a TCP header. */
static void
gso_with_a_wrong_tcp_length_is_refused(void **state)
{
	static const struct virtio_net_hdr hdr = { NEEDS, TCP4, 54, 10, 34, 16 };

	for (unsigned words = 0; words < 16; words++) {
		struct rte_mbuf *m = packet(ETH "tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tcp_flags=syn", 0);
		bool right = words == 5; /* a SYN has no payload: 54 bytes */

		pkt_data(m)[34 + 12] = (uint8_t)(words << 4);
		assert_int_equal(vnet_to_packet(&hdr, 0, m), right);
		pkt_free(m);
	}
}

/* Where flags cannot say it, the checksum is made here. */
static void
odd_checksums_are_completed(void **state)
{
	static const struct virtio_net_hdr icmp = { NEEDS, 0, 0, 0, 34, 2 };
	static const struct virtio_net_hdr sctp = { NEEDS, 0, 0, 0, 34, 8 };
	struct rte_mbuf *m = packet(ETH "icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2,icmp_type=8,icmp_code=0",
				    0);
	uint8_t want[4];

	memcpy(want, pkt_data(m) + 36, 2);
	memset(pkt_data(m) + 36, 0, 2);
	assert_true(vnet_to_packet(&icmp, 0, m));
	assert_memory_equal(pkt_data(m) + 36, want, 2);
	assert_int_equal(m->ol_flags & PKT_TX_OPEN, 0);
	pkt_free(m);

	m = packet(S4, 0);
	memcpy(want, pkt_data(m) + 42, 4);
	memset(pkt_data(m) + 42, 0xaa, 4);
	assert_true(vnet_to_packet(&sctp, 0, m));
	assert_memory_equal(pkt_data(m) + 42, want, 4);
	assert_int_equal(m->ol_flags & PKT_TX_OPEN, 0);
	pkt_free(m);
}

/* Any header, any packet: an answer, and no access beyond the packet (sanitizers watch). */
static void
random_headers_do_no_harm(void **state)
{
	static const char *const texts[] = { T4, U4, S4, T6, VT4, ETH "arp", ETH "dl_type=0x1234" };

	srandom(1);
	for (unsigned i = 0; i < 20000; i++) {
		struct virtio_net_hdr hdr = {
			(uint8_t)(random() & 3), (uint8_t)(random() % 7), (uint16_t)random(),
			(uint16_t)(random() % 100), (uint16_t)(random() % 150),
			(uint16_t)(random() % 40),
		};
		struct rte_mbuf *m = packet(texts[i % (sizeof texts / sizeof texts[0])], 0);
		uint32_t size = pkt_size(m);

		/* Cut anywhere behind the Ethernet header. */
		pkt_set_size(m, 14 + (uint32_t)random() % (size - 13));
		pkt_data(m)[14 + random() % 30] = (uint8_t)random();
		if (vnet_to_packet(&hdr, 0, m)) {
			struct virtio_net_hdr out;

			vnet_from_packet(m, &out);
			if (out.flags & NEEDS)
				assert_true(out.csum_start + out.csum_offset + 2u <= pkt_size(m));
		}
		pkt_free(m);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_become_flags),
		cmocka_unit_test(headers_come_out_as_they_went_in),
		cmocka_unit_test(gso_with_a_wrong_tcp_length_is_refused),
		cmocka_unit_test(odd_checksums_are_completed),
		cmocka_unit_test(random_headers_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
