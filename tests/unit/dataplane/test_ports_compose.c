/* SPDX-License-Identifier: Apache-2.0 */
/* What pkt_compose() writes, pkt_parse() reads: the same key, for packets of every kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tunnels/checksum.h"
#include "dataplane/pkt_compose.h"
#include "openflow/match.h"

#define ETH "dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,"
#define IP4 "nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,"
#define IP6 "ipv6_src=fd00::1,ipv6_dst=fd00::2,nw_ttl=64,"

static const char *const texts[] = {
	ETH "tcp," IP4 "tp_src=1,tp_dst=2,tcp_flags=ack",
	ETH "tcp," IP4 "tp_src=1,tp_dst=2,tcp_flags=syn",
	ETH "udp," IP4 "nw_tos=0x20,udp_src=1,udp_dst=2",
	ETH "sctp," IP4 "sctp_src=1,sctp_dst=2",
	ETH "icmp," IP4 "icmp_type=8,icmp_code=0",
	ETH "icmp," IP4 "icmp_type=3,icmp_code=1",
	ETH "ip," IP4 "nw_proto=47",
	ETH "udp," IP4 "ip_frag=first,udp_src=1,udp_dst=2",
	ETH "udp," IP4 "ip_frag=later",
	ETH "tcp6," IP6 "tp_src=1,tp_dst=2,ipv6_label=0x12345",
	ETH "udp6," IP6 "udp_src=1,udp_dst=2",
	ETH "udp6," IP6 "ip_frag=first,udp_src=1,udp_dst=2",
	ETH "icmp6," IP6 "icmpv6_type=128,icmpv6_code=0",
	ETH "icmp6," IP6 "icmpv6_type=135,icmpv6_code=0,nd_target=fd00::9,nd_sll=02:00:00:00:00:01",
	ETH "icmp6," IP6 "icmpv6_type=136,icmpv6_code=0,nd_target=fd00::9,nd_tll=02:00:00:00:00:01",
	ETH "arp,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=02:00:00:00:00:01",
	ETH "mpls,mpls_label=100,mpls_tc=3,mpls_ttl=64,mpls_bos=1",
	ETH "dl_vlan=5,dl_vlan_pcp=3,tcp," IP4 "tp_src=1,tp_dst=2",
	ETH "dl_vlan=5,dl_vlan_pcp=0,arp,arp_op=2,arp_spa=10.0.0.1,arp_tpa=10.0.0.2",
	ETH "dl_type=0x88cc",
};

static void
composed_packets_parse_to_their_key(void **state)
{
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		for (uint32_t size = 0; size <= 300; size += 300) {
			struct of_key want, mask, got;
			struct pkt_layers layers;
			char *error = of_key_parse(&want, &mask, texts[i], NULL, NULL);
			struct rte_mbuf *m;

			if (error)
				fail_msg("%s: %s", texts[i], error);
			m = pkt_compose(&want, size);
			assert_true(pkt_size(m) >= size);
			memset(&got, 0, sizeof got);
			pkt_parse(m, OF_PT_ETH, &got, &layers);
			/* What the text says is what is read; the rest is the packet's business. */
			const uint8_t *w = (const uint8_t *)&want, *g = (const uint8_t *)&got;
			const uint8_t *k = (const uint8_t *)&mask;
			for (size_t b = 0; b < sizeof want; b++)
				if ((w[b] ^ g[b]) & k[b])
					fail_msg("%s: byte %zu of the key is %02x, not %02x", texts[i],
						 b, g[b], w[b]);
			/* A right IPv4 checksum sums to 0. */
			if (want.dl_type == htons(0x0800)) {
				assert_int_equal(csum(pkt_data(m) + layers.l3, 20), 0);
				assert_int_equal(layers.l2_pad, 0);
			}
			pkt_free(m);
		}
}

static void
hex_is_taken_as_it_is(void **state)
{
	static const uint8_t want[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x12, 0x34, 0xab };
	char *error;
	struct rte_mbuf *m = pkt_from_text("020000000002 020000000001 1234 AB", 0, &error);

	assert_non_null(m);
	assert_int_equal(pkt_size(m), sizeof want);
	assert_memory_equal(pkt_data(m), want, sizeof want);
	pkt_free(m);
}

static void
wrong_text_says_why(void **state)
{
	static const char *const wrong[] = { "nonsense=1", "tcp,nw_src=300.0.0.1", "in_port" };

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char *error = NULL;

		assert_null(pkt_from_text(wrong[i], 0, &error));
		assert_non_null(error);
		free(error);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(composed_packets_parse_to_their_key),
		cmocka_unit_test(hex_is_taken_as_it_is),
		cmocka_unit_test(wrong_text_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
