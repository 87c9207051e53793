/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and what the parser must find in them.  The bytes follow the RFCs named; each is also
 * given cut at every byte, with an unmapped page behind it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "dataplane/pkt_fast.h"
#include "openflow/key.h"
#include "packets.h"

#define MACS "020000000002 020000000001 "
#define IP4_TCP "45b80034 1234 4000 40 06 0000 0a000001 0a000002 "
#define TCP "1f90 0050 00000001 00000002 5018 1000 0000 0000 " "0102030405060708 090a0b0c"
#define IP6(PLEN, NXT)                                                                         \
	"6ab12345" PLEN NXT "3f 20010db8000000000000000000000001 20010db8000000000000000000000002 "

static const uint16_t NO = PKT_NO_OFS;

struct golden {
	const char *name, *hex;
	uint16_t dl_type;
	uint16_t l2_5, l3, l4, l2_pad;
	void (*check)(const struct of_key *);
};

static void
check_tcp4(const struct of_key *k)
{
	static const uint8_t dst[6] = { 2, 0, 0, 0, 0, 2 }, src[6] = { 2, 0, 0, 0, 0, 1 };

	assert_memory_equal(k->dl_dst, dst, 6);
	assert_memory_equal(k->dl_src, src, 6);
	assert_int_equal(ntohl(k->nw_src), 0x0a000001);
	assert_int_equal(ntohl(k->nw_dst), 0x0a000002);
	assert_int_equal(k->nw_tos, 0xb8);
	assert_int_equal(k->nw_ttl, 64);
	assert_int_equal(k->nw_proto, 6);
	assert_int_equal(k->nw_frag, 0);
	assert_int_equal(ntohs(k->tp_src), 8080);
	assert_int_equal(ntohs(k->tp_dst), 80);
	assert_int_equal(ntohs(k->tcp_flags), 0x018);
}

static void
check_vlan1(const struct of_key *k)
{
	check_tcp4(k);
	assert_int_equal(ntohs(k->vlans[0].tpid), 0x8100);
	assert_int_equal(ntohs(k->vlans[0].tci), 0x6064 | OF_VLAN_CFI);
	assert_int_equal(k->vlans[1].tci, 0);
	assert_int_equal(k->n_vlans_hint, 1);
}

static void
check_vlan5(const struct of_key *k)
{
	/* Four tags are taken off, the fifth is the EtherType. */
	assert_int_equal(k->n_vlans_hint, 4);
	assert_int_equal(ntohs(k->vlans[0].tpid), 0x88a8);
	assert_int_equal(ntohs(k->vlans[3].tci), 4 | OF_VLAN_CFI);
	assert_int_equal(k->nw_proto, 0);
}

static void
check_mpls(const struct of_key *k)
{
	assert_int_equal(ntohl(k->mpls_lse[0]), 0x00010040);
	assert_int_equal(ntohl(k->mpls_lse[1]), 0x00020140);
	assert_int_equal(k->mpls_lse[2], 0);
	assert_int_equal(k->nw_src, 0);
}

static void
check_mpls6(const struct of_key *k)
{
	assert_int_equal(ntohl(k->mpls_lse[OF_MAX_MPLS - 1]), 0x00030040);
}

static void
check_pbb(const struct of_key *k)
{
	assert_int_equal(k->pbb_isid, 0x80abcdef);
	assert_int_equal(k->pbb_uca, 1);
	assert_int_equal(k->nw_src, 0);
}

static void
check_llc(const struct of_key *k)
{
	assert_int_equal(k->nw_src, 0);
}

static void
check_nothing_l3(const struct of_key *k)
{
	assert_int_equal(k->nw_src, 0);
	assert_int_equal(k->nw_proto, 0);
	assert_int_equal(k->nw_ttl, 0);
	assert_int_equal(k->tp_src, 0);
}

static void
check_frag_first(const struct of_key *k)
{
	assert_int_equal(k->nw_frag, OF_FRAG_ANY);
	assert_int_equal(ntohs(k->tp_src), 8080);
}

static void
check_frag_later(const struct of_key *k)
{
	assert_int_equal(k->nw_frag, OF_FRAG_ANY | OF_FRAG_LATER);
	assert_int_equal(k->nw_proto, 6);
	assert_int_equal(k->tp_src, 0);
}

static void
check_tcp_bad_offset(const struct of_key *k)
{
	assert_int_equal(k->nw_proto, 6);
	assert_int_equal(k->tp_src, 0);
	assert_int_equal(k->tcp_flags, 0);
}

static void
check_udp(const struct of_key *k)
{
	assert_int_equal(k->nw_proto, 17);
	assert_int_equal(ntohs(k->tp_src), 53);
	assert_int_equal(ntohs(k->tp_dst), 5353);
}

static void
check_icmp(const struct of_key *k)
{
	assert_int_equal(ntohs(k->tp_src), 8);
	assert_int_equal(ntohs(k->tp_dst), 3);
}

static void
check_arp(const struct of_key *k)
{
	static const uint8_t sha[6] = { 2, 0, 0, 0, 0, 1 }, tha[6] = { 2, 0, 0, 0, 0, 9 };

	assert_int_equal(k->nw_proto, 2);
	assert_int_equal(ntohl(k->nw_src), 0x0a000001);
	assert_int_equal(ntohl(k->nw_dst), 0x0a000002);
	assert_memory_equal(k->arp_sha, sha, 6);
	assert_memory_equal(k->arp_tha, tha, 6);
}

static void
check_arp_big_opcode(const struct of_key *k)
{
	assert_int_equal(k->nw_proto, 0);
	assert_int_equal(ntohl(k->nw_src), 0x0a000001);
}

static void
check_ip6_udp(const struct of_key *k)
{
	assert_int_equal(k->ipv6_src.s6_addr[15], 1);
	assert_int_equal(k->ipv6_dst.s6_addr[15], 2);
	assert_int_equal(k->nw_tos, 0xab);
	assert_int_equal(k->nw_ttl, 63);
	assert_int_equal(ntohl(k->ipv6_label), 0x12345);
	assert_int_equal(k->ipv6_exthdr, 0);
	check_udp(k);
}

static void
check_ip6_chain(const struct of_key *k)
{
	/* hop-by-hop, destination, routing, fragment (first), AH, destination: as recommended */
	assert_int_equal(k->ipv6_exthdr, 1 << 6 | 1 << 3 | 1 << 5 | 1 << 4 | 1 << 2);
	assert_int_equal(k->nw_frag, OF_FRAG_ANY);
	check_udp(k);
}

static void
check_ip6_bad_order(const struct of_key *k)
{
	/* routing, hop-by-hop: out of sequence */
	assert_int_equal(k->ipv6_exthdr, 1 << 5 | 1 << 6 | 1 << 8);
	check_udp(k);
}

static void
check_ip6_repeat(const struct of_key *k)
{
	assert_int_equal(k->ipv6_exthdr, 1 << 6 | 1 << 7);
}

static void
check_ip6_later(const struct of_key *k)
{
	assert_int_equal(k->nw_frag, OF_FRAG_ANY | OF_FRAG_LATER);
	assert_int_equal(k->nw_proto, 44);
	assert_int_equal(k->tp_src, 0);
}

static void
check_ip6_nonext(const struct of_key *k)
{
	assert_int_equal(k->ipv6_exthdr, 1 << 0);
	assert_int_equal(k->nw_proto, 59);
}

static void
check_ns(const struct of_key *k)
{
	static const uint8_t sll[6] = { 2, 0, 0, 0, 0, 1 };

	assert_int_equal(ntohs(k->tp_src), 135);
	assert_int_equal(k->nd_target.s6_addr[15], 2);
	assert_memory_equal(k->arp_sha, sll, 6);
	assert_int_equal(k->nd_options_type, 1);
	assert_int_equal(ntohl(k->nd_reserved), 0x20000000);
}

static void
check_ns_twice(const struct of_key *k)
{
	static const uint8_t none[6];

	assert_int_equal(ntohs(k->tp_src), 135);
	assert_int_equal(k->nd_target.s6_addr[15], 0);
	assert_memory_equal(k->arp_sha, none, 6);
}

static void
check_nsh(const struct of_key *k)
{
	assert_int_equal(k->nsh.mdtype, 1);
	assert_int_equal(k->nsh.np, 3);
	assert_int_equal(k->nsh.ttl, 63);
	assert_int_equal(ntohl(k->nsh.path_hdr), 0x00001203);
	assert_int_equal(ntohl(k->nsh.context[3]), 4);
}

#define UDP "0035 14e9 000c 0000 01020304"
#define NS "8700 0000 20000000 fe800000000000000000000000000002 0101 020000000001 "
static const struct golden goldens[] = {
	{ "TCP over IPv4", MACS "0800" IP4_TCP TCP, 0x0800, NO, 14, 34, 0, check_tcp4 },
	{ "bytes behind the IP packet", MACS "0800" IP4_TCP TCP "000000000000", 0x0800, NO, 14, 34,
	  6, check_tcp4 },
	{ "one VLAN tag", MACS "8100 6064 0800" IP4_TCP TCP, 0x0800, NO, 18, 38, 0, check_vlan1 },
	{ "five tags", MACS "88a80001 81000002 81000003 81000004 81000005 0800" IP4_TCP TCP, 0x8100,
	  NO, 30, NO, 0, check_vlan5 },
	{ "two MPLS labels", MACS "8847 00010040 00020140" IP4_TCP TCP, 0x8847, 14, 22, NO, 0,
	  check_mpls },
	{ "six MPLS labels",
	  MACS "8848 00010040 00020040 00030040 00040040 00050040 00060140 4500", 0x8848, 14, 38,
	  NO, 0, check_mpls6 },
	{ "PBB (IEEE 802.1ah)", MACS "88e7 08abcdef" MACS "0800" IP4_TCP TCP, 0x88e7, NO, 14, NO, 0,
	  check_pbb },
	{ "802.3 with LLC", MACS "0026 4242 03 0000000000", 0x05ff, NO, 14, NO, 0, check_llc },
	{ "SNAP (RFC 1042)", MACS "003c aaaa03 000000 0800" IP4_TCP TCP, 0x0800, NO, 22, 42, 0,
	  check_tcp4 },
	{ "SNAP of another organisation", MACS "003c aaaa03 00000c 2000 0000", 0x05ff, NO, 14, NO,
	  0, check_llc },
	{ "IPv4 longer than the frame", MACS "0800 4500 0100 0000 0000 4006 0000 0a000001 0a000002",
	  0x0800, NO, 14, NO, 0, check_nothing_l3 },
	{ "IPv4 with a header of 16 bytes",
	  MACS "0800 4400 0014 0000 0000 4006 0000 0a000001 0a000002", 0x0800, NO, 14, NO, 0,
	  check_nothing_l3 },
	{ "IPv4 options", MACS "0800 46b80038 12344000 4006 0000 0a000001 0a000002 01010101" TCP,
	  0x0800, NO, 14, 38, 0, check_tcp4 },
	{ "first fragment", MACS "0800 45000034 1234 2000 4006 0000 0a000001 0a000002" TCP, 0x0800,
	  NO, 14, 34, 0, check_frag_first },
	{ "later fragment", MACS "0800 45000034 1234 2001 4006 0000 0a000001 0a000002" TCP, 0x0800,
	  NO, 14, NO, 0, check_frag_later },
	{ "TCP header longer than the packet",
	  MACS "0800 45000028 1234 0000 4006 0000 0a000001 0a000002"
	       "1f90 0050 00000001 00000002 f018 1000 0000 0000", 0x0800, NO, 14, 34, 0,
	  check_tcp_bad_offset },
	{ "UDP over IPv4", MACS "0800 45000020 1234 0000 4011 0000 0a000001 0a000002" UDP, 0x0800,
	  NO, 14, 34, 0, check_udp },
	{ "SCTP over IPv4",
	  MACS "0800 45000020 1234 0000 4084 0000 0a000001 0a000002 0035 14e9 00000000 00000000",
	  0x0800, NO, 14, 34, 0, NULL },
	{ "ICMP", MACS "0800 4500001c 1234 0000 4001 0000 0a000001 0a000002 0803 0000 00000000",
	  0x0800, NO, 14, 34, 0, check_icmp },
	{ "ARP (RFC 826)",
	  MACS "0806 0001 0800 06 04 0002 020000000001 0a000001 020000000009 0a000002", 0x0806, NO,
	  14, NO, 0, check_arp },
	{ "ARP with an opcode over 255",
	  MACS "0806 0001 0800 06 04 0102 020000000001 0a000001 020000000009 0a000002", 0x0806, NO,
	  14, NO, 0, check_arp_big_opcode },
	{ "ARP over something else",
	  MACS "0806 0006 0800 06 04 0002 020000000001 0a000001 020000000009 0a000002", 0x0806, NO,
	  14, NO, 0, check_nothing_l3 },
	{ "UDP over IPv6", MACS "86dd" IP6("000c", "11") UDP, 0x86dd, NO, 14, 54, 0,
	  check_ip6_udp },
	{ "extension headers, one with a wrong length",
	  MACS "86dd" IP6("0044", "00") "3c00010400000000 2b00010400000000 2c00000000000000"
	  "3300000100000001 3c02000000000001000000010000000000"
	  "11000104 00000000" "0035 14e9 000c 0000 01", 0x86dd, NO, 14, 0xfffe, 0, NULL },
	{ "routing before hop-by-hop",
	  MACS "86dd" IP6("001c", "2b") "0000000000000000 1100010400000000" UDP, 0x86dd, NO, 14, 70,
	  0, check_ip6_bad_order },
	{ "hop-by-hop twice",
	  MACS "86dd" IP6("001c", "00") "0000010400000000 1100010400000000" UDP, 0x86dd, NO, 14, 70,
	  0, check_ip6_repeat },
	{ "IPv6 later fragment", MACS "86dd" IP6("0014", "2c") "1100 0009 00000001" UDP, 0x86dd, NO,
	  14, NO, 0, check_ip6_later },
	{ "no next header", MACS "86dd" IP6("0000", "3b"), 0x86dd, NO, 14, 54, 0,
	  check_ip6_nonext },
	{ "neighbour solicitation (RFC 4861)", MACS "86dd" IP6("0020", "3a") NS, 0x86dd, NO, 14, 54,
	  0, check_ns },
	{ "the same option twice", MACS "86dd" IP6("0028", "3a") NS "0101 020000000003", 0x86dd, NO,
	  14, 54, 0, check_ns_twice },
	{ "NSH (RFC 8300)",
	  MACS "894f 0fc6 01 03 00001203 00000001 00000002 00000003 00000004", 0x894f, NO, 14, NO, 0,
	  check_nsh },
};

static void
parses_what_the_documents_say(void **state)
{
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		const struct golden *g = &goldens[i];
		struct rte_mbuf *m = packet_hex(g->hex);
		struct pkt_layers l;
		struct of_key k;

		memset(&k, 0xa5, sizeof(k));
		pkt_parse(m, OF_PT_ETH, &k, &l);
		if (ntohs(k.dl_type) != g->dl_type || l.l2_5 != g->l2_5 || l.l3 != g->l3 ||
		    (g->l4 != 0xfffe && (l.l4 != g->l4 || l.l2_pad != g->l2_pad)))
			fail_msg("%s: dl_type %04x l2_5 %u l3 %u l4 %u l2_pad %u", g->name,
				 ntohs(k.dl_type), l.l2_5, l.l3, l.l4, l.l2_pad);
		print_message("    %s\n", g->name);
		if (g->check)
			g->check(&k);
		/* Metadata is not the parser's. */
		assert_int_equal(k.metadata, 0xa5a5a5a5a5a5a5a5);
		pkt_free(m);
	}
}

static void
extension_headers_in_order(void **state)
{
	static const char hex[] = MACS "86dd" IP6("0040", "00") "3c00010400000000"
		"2b00010400000000 2c00000000000000 3300000100000001"
		"3c01000000000001 00000001" "1100010400000000" UDP;
	struct rte_mbuf *m = packet_hex(hex);
	struct pkt_layers l;
	struct of_key k;

	pkt_parse(m, OF_PT_ETH, &k, &l);
	check_ip6_chain(&k);
	assert_int_equal(pkt_size(m) - l.l4, 12);
	pkt_free(m);
}

static void
cut_frames_are_never_read_beyond(void **state)
{
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		uint8_t bytes[512];
		size_t size = hex_bytes(goldens[i].hex, bytes, sizeof(bytes));

		for (size_t cut = 0; cut <= size; cut++) {
			struct rte_mbuf *m = packet_at_page_end(bytes, cut);
			struct pkt_layers l;
			struct of_key k;

			pkt_parse(m, OF_PT_ETH, &k, &l);
			assert_true(l.l3 == NO || l.l3 <= cut);
			assert_true(l.l4 == NO || l.l4 <= cut);
			assert_true(l.l2_pad <= cut);
			/* The same bytes as a packet without Ethernet. */
			pkt_parse(m, OF_PT_IPV4, &k, &l);
			pkt_parse(m, OF_PT_IPV6, &k, &l);
			packet_unmap(m);
		}
	}
}

static void
vlan_limit_leaves_inner_tags(void **state)
{
	struct rte_mbuf *m = packet_hex(MACS "81000001 81000002 0800" IP4_TCP TCP);
	struct pkt_layers l;
	struct of_key k;

	pkt_set_vlan_limit(1);
	pkt_parse(m, OF_PT_ETH, &k, &l);
	assert_int_equal(ntohs(k.dl_type), 0x8100);
	assert_int_equal(k.vlans[1].tci, 0);
	pkt_set_vlan_limit(OF_MAX_VLANS);
	pkt_parse(m, OF_PT_ETH, &k, &l);
	assert_int_equal(ntohs(k.dl_type), 0x0800);
	pkt_free(m);
}

static void
shallow_parse_agrees_with_the_deep_one(void **state)
{
	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		struct rte_mbuf *m = packet_hex(goldens[i].hex);
		struct pkt_layers l;
		struct of_key deep, shallow;

		memset(&deep, 0, sizeof(deep));
		memset(&shallow, 0, sizeof(shallow));
		pkt_parse(m, OF_PT_ETH, &deep, &l);
		pkt_parse_some(m, OF_PT_ETH, PKT_DEPTH_L2, &shallow, &l);
		assert_memory_equal(&deep, &shallow, offsetof(struct of_key, nsh));
		pkt_free(m);
	}
}

/* What the cache takes out of a frame of this kind, as a whole key. */
static void
key_by_sources(const struct rte_mbuf *m, unsigned kind, struct of_key *k)
{
	struct pkt_source s[PKT_MAX_SOURCES];
	unsigned n = pkt_kind_key(kind, k, s);

	for (unsigned i = 0; i < n; i++) {
		uint64_t v;

		assert_true(s[i].ofs + sizeof(v) <= pkt_size(m));
		memcpy(&v, pkt_data(m) + s[i].ofs, sizeof(v));
		v = s[i].rotate ? v << s[i].rotate | v >> (64 - s[i].rotate) : v;
		/* No bit comes from two places. */
		assert_int_equal(of_key_words(k)[s[i].word] & v & s[i].mask, 0);
		of_key_words(k)[s[i].word] |= v & s[i].mask;
	}
}

static void
assert_short_cut(const struct rte_mbuf *m, const struct of_key *fast,
		 const struct pkt_layers *fast_l)
{
	unsigned kind = pkt_kind(m);
	struct pkt_layers l;
	struct of_key k;

	if (!fast) {
		assert_int_equal(kind, PKT_KIND_OTHER);
		return;
	}
	memset(&k, 0, sizeof(k));
	pkt_parse(m, OF_PT_ETH, &k, &l);
	assert_memory_equal(fast, &k, sizeof(k));
	assert_memory_equal(fast_l, &l, sizeof(l));
	key_by_sources(m, kind, &k);
	assert_memory_equal(fast, &k, sizeof(k));
}

/* The short cut of the flow cache: where it says yes, it says the same; cut frames at a page's end. */
static void
short_cut_agrees_with_the_parser(void **state)
{
	struct pkt_fast *fast = test_calloc(1, sizeof(*fast));
	unsigned n_yes = 0;

	for (size_t i = 0; i < sizeof(goldens) / sizeof(goldens[0]); i++) {
		uint8_t bytes[512];
		size_t size = hex_bytes(goldens[i].hex, bytes, sizeof(bytes));

		for (size_t cut = 0; cut <= size; cut++) {
			struct rte_mbuf *m = packet_at_page_end(bytes, cut);
			struct pkt_layers l;
			const struct of_key *fk = pkt_fast_parse(fast, m, &l);

			n_yes += fk != NULL;
			assert_short_cut(m, fk, &l);
			packet_unmap(m);
		}
	}
	assert_true(n_yes > 3);
	for (unsigned i = 0; i < 1000; i++) {
		struct packet_spec spec = { .n_vlans = i % 3, .ipv6 = i / 3 % 2,
					    .proto = i % 4 ? IPPROTO_TCP : IPPROTO_UDP,
					    .payload = i % 40, .seed = i, .tcp_flags = i };
		struct rte_mbuf *m = packet_make(&spec);
		struct pkt_layers l;

		if (i % 7 == 6 && !spec.n_vlans && !spec.ipv6)
			pkt_data(m)[23] = IPPROTO_GRE;
		/* One bit or byte anywhere is wrong. */
		if (i % 2)
			pkt_data(m)[(i * 7919) % pkt_size(m)] ^= i % 3 ? 1 << i % 8 : i >> 2;
		const struct of_key *fk = pkt_fast_parse(fast, m, &l);
		assert_short_cut(m, fk, &l);
		assert_true(fk || i % 2 || spec.n_vlans > 1 || pkt_size(m) < 46);
		pkt_free(m);
	}
	test_free(fast);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_what_the_documents_say),
		cmocka_unit_test(extension_headers_in_order),
		cmocka_unit_test(cut_frames_are_never_read_beyond),
		cmocka_unit_test(vlan_limit_leaves_inner_tags),
		cmocka_unit_test(short_cut_agrees_with_the_parser),
		cmocka_unit_test(shallow_parse_agrees_with_the_deep_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
