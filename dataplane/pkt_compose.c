/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/pkt_compose.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tunnels/checksum.h"
#include "openflow/dp_text.h"
#include "openflow/match.h"

#define PAYLOAD 64 /* what OVS's tests count on */

#define TCP_SYN_FIN_RST 0x007

#define ICMP4_ECHO_REPLY 0
#define ICMP4_ECHO_REQUEST 8
#define ICMP6_ECHO_REQUEST 128
#define ICMP6_ECHO_REPLY 129
#define ND_SOLICIT 135
#define ND_ADVERT 136

static void
put(struct wf_buf *b, const void *p, size_t size)
{
	wf_buf_put(b, p, size);
}

static void
put8(struct wf_buf *b, unsigned v)
{
	uint8_t byte = (uint8_t)v;

	put(b, &byte, 1);
}

static void
put16(struct wf_buf *b, unsigned v)
{
	put8(b, v >> 8);
	put8(b, v & 0xff);
}

static void
put_payload(struct wf_buf *b)
{
	for (unsigned i = 0; i < PAYLOAD; i++)
		put8(b, i);
}

static void
put_nd_option(struct wf_buf *b, unsigned type, const uint8_t mac[6])
{
	static const uint8_t none[6];

	if (!memcmp(mac, none, 6))
		return;
	put8(b, type);
	put8(b, 1);
	put(b, mac, 6);
}

static void
put_icmpv6(struct wf_buf *b, const struct of_key *k)
{
	unsigned type = ntohs(k->tp_src), code = ntohs(k->tp_dst);

	put8(b, type);
	put8(b, code);
	put16(b, 0);
	put(b, &k->nd_reserved, 4);
	if (code == 0 && (type == ND_SOLICIT || type == ND_ADVERT)) {
		put(b, &k->nd_target, 16);
		put_nd_option(b, 1, k->arp_sha);
		put_nd_option(b, 2, k->arp_tha);
	} else if (code == 0 && (type == ICMP6_ECHO_REQUEST || type == ICMP6_ECHO_REPLY)) {
		put_payload(b);
	}
}

static void
put_l4(struct wf_buf *b, const struct of_key *k)
{
	if (k->nw_frag & OF_FRAG_LATER)
		return;
	switch (k->nw_proto) {
	case IPPROTO_TCP:
		put(b, &k->tp_src, 2);
		put(b, &k->tp_dst, 2);
		wf_buf_put_zeros(b, 8);
		put16(b, 5u << 12 | (ntohs(k->tcp_flags) & 0xfff));
		wf_buf_put_zeros(b, 6);
		if (!(ntohs(k->tcp_flags) & TCP_SYN_FIN_RST))
			put_payload(b);
		break;
	case IPPROTO_UDP:
		put(b, &k->tp_src, 2);
		put(b, &k->tp_dst, 2);
		put16(b, 8 + PAYLOAD);
		put16(b, 0);
		put_payload(b);
		break;
	case IPPROTO_SCTP:
		put(b, &k->tp_src, 2);
		put(b, &k->tp_dst, 2);
		wf_buf_put_zeros(b, 8);
		break;
	case IPPROTO_ICMP:
		put8(b, ntohs(k->tp_src));
		put8(b, ntohs(k->tp_dst));
		wf_buf_put_zeros(b, 6);
		if ((ntohs(k->tp_src) == ICMP4_ECHO_REQUEST ||
		     ntohs(k->tp_src) == ICMP4_ECHO_REPLY) && !k->tp_dst)
			put_payload(b);
		break;
	case IPPROTO_IGMP:
		put8(b, ntohs(k->tp_src));
		put8(b, ntohs(k->tp_dst));
		wf_buf_put_zeros(b, 6);
		break;
	case IPPROTO_ICMPV6:
		put_icmpv6(b, k);
		break;
	}
}

static void
put_ipv4(struct wf_buf *b, const struct of_key *k)
{
	unsigned frag = k->nw_frag & OF_FRAG_LATER ? 100 : 0;

	if (k->nw_frag & OF_FRAG_ANY)
		frag |= 0x2000;
	put8(b, 0x45);
	put8(b, k->nw_tos);
	put16(b, 0);
	put16(b, 0);
	put16(b, frag);
	put8(b, k->nw_ttl);
	put8(b, k->nw_proto);
	put16(b, 0);
	put(b, &k->nw_src, 4);
	put(b, &k->nw_dst, 4);
	put_l4(b, k);
}

static void
put_ipv6(struct wf_buf *b, const struct of_key *k)
{
	uint32_t first = htonl(6u << 28 | (uint32_t)k->nw_tos << 20 | (ntohl(k->ipv6_label) & 0xfffff));
	bool fragment = k->nw_frag & OF_FRAG_ANY;

	put(b, &first, 4);
	put16(b, 0);
	put8(b, fragment ? IPPROTO_FRAGMENT : k->nw_proto);
	put8(b, k->nw_ttl);
	put(b, &k->ipv6_src, 16);
	put(b, &k->ipv6_dst, 16);
	if (fragment) {
		put8(b, k->nw_proto);
		put8(b, 0);
		put16(b, k->nw_frag & OF_FRAG_LATER ? 100u << 3 | 1 : 1);
		wf_buf_put_zeros(b, 4);
	}
	put_l4(b, k);
}

static void
put_arp(struct wf_buf *b, const struct of_key *k)
{
	put16(b, 1);
	put16(b, ETH_P_IP);
	put8(b, 6);
	put8(b, 4);
	put16(b, k->nw_proto);
	put(b, k->arp_sha, 6);
	put(b, &k->nw_src, 4);
	put(b, k->arp_tha, 6);
	put(b, &k->nw_dst, 4);
}

static void
store16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Lengths and checksums, once everything is there. */
static void
finish_ip(struct wf_buf *b, size_t l3, const struct of_key *k)
{
	uint8_t *ip = b->data + l3;
	bool v4 = k->dl_type == htons(ETH_P_IP);
	size_t head = v4 ? 20 : 40, size = b->size - l3;
	uint8_t pseudo[40] = { 0 };
	size_t pseudo_size, field;

	store16(ip + (v4 ? 2 : 4), (unsigned)(v4 ? size : size - 40));
	if (v4) {
		uint16_t sum16 = csum(ip, 20);

		memcpy(ip + 10, &sum16, 2);
	}
	if (k->nw_frag & OF_FRAG_ANY)
		return;
	size_t l4_size = size - head;
	field = k->nw_proto == IPPROTO_TCP			      ? 16
		: k->nw_proto == IPPROTO_UDP			      ? 6
		: k->nw_proto == IPPROTO_ICMP || k->nw_proto == IPPROTO_IGMP ||
				  k->nw_proto == IPPROTO_ICMPV6	      ? 2
								      : 0;
	if (k->nw_proto == IPPROTO_SCTP && l4_size >= 12) {
		uint32_t crc = sctp_checksum(ip + head, l4_size);

		memcpy(ip + head + 8, &crc, 4);
	}
	if (!field || l4_size < field + 2)
		return;
	struct wf_buf sum = WF_BUF_INIT;
	if (k->nw_proto != IPPROTO_ICMP && k->nw_proto != IPPROTO_IGMP) {
		pseudo_size = v4 ? 12 : 40;
		if (v4) {
			memcpy(pseudo, ip + 12, 8);
			pseudo[9] = k->nw_proto;
			store16(pseudo + 10, (unsigned)l4_size);
		} else {
			memcpy(pseudo, ip + 8, 32);
			store16(pseudo + 34, (unsigned)l4_size);
			pseudo[39] = k->nw_proto;
		}
		wf_buf_put(&sum, pseudo, pseudo_size);
	}
	wf_buf_put(&sum, ip + head, l4_size);
	uint16_t sum16 = csum(sum.data, sum.size);
	if (!sum16 && k->nw_proto == IPPROTO_UDP)
		sum16 = 0xffff;
	memcpy(ip + head + field, &sum16, 2);
	wf_buf_done(&sum);
}

struct rte_mbuf *
pkt_compose(const struct of_key *k, uint32_t size)
{
	struct wf_buf b = WF_BUF_INIT;
	struct rte_mbuf *m;
	size_t l3;

	put(&b, k->dl_dst, 6);
	put(&b, k->dl_src, 6);
	for (unsigned i = 0; i < OF_MAX_VLANS && (k->vlans[i].tci & htons(OF_VLAN_CFI)); i++) {
		put16(&b, k->vlans[i].tpid ? ntohs(k->vlans[i].tpid) : ETH_P_8021Q);
		put16(&b, ntohs(k->vlans[i].tci) & ~OF_VLAN_CFI);
	}
	if (k->dl_type == htons(OF_DL_TYPE_NONE)) {
		/* A length, of a frame that ends here: what OVS makes of a flow without EtherType. */
		put16(&b, (unsigned)b.size + 2);
	} else if (ntohs(k->dl_type) < 0x600) {
		/* 802.3 with LLC, or with SNAP for an EtherType that is not known. */
		put16(&b, 0x1e);
		wf_buf_put_zeros(&b, 0x1e);
		b.data[b.size - 0x1e] = 0x42;
		b.data[b.size - 0x1d] = 0x42;
	} else {
		put(&b, &k->dl_type, 2);
	}
	l3 = b.size;
	if (k->dl_type == htons(ETH_P_IP)) {
		put_ipv4(&b, k);
	} else if (k->dl_type == htons(ETH_P_IPV6)) {
		put_ipv6(&b, k);
	} else if (k->dl_type == htons(ETH_P_ARP) || k->dl_type == htons(ETH_P_RARP)) {
		put_arp(&b, k);
	} else if (k->dl_type == htons(ETH_P_MPLS_UC) || k->dl_type == htons(ETH_P_MPLS_MC)) {
		for (unsigned i = 0; i < OF_MAX_MPLS; i++) {
			uint32_t lse = k->mpls_lse[i];

			put(&b, &lse, 4);
			if (lse & htonl(0x100))
				break;
			if (i + 1 == OF_MAX_MPLS || !k->mpls_lse[i + 1]) {
				b.data[b.size - 2] |= 1; /* the last one is the bottom */
				break;
			}
		}
	}
	if (k->dl_type == htons(ETH_P_IP) || k->dl_type == htons(ETH_P_IPV6)) {
		/* A length asked for is filled with zeros inside the IP packet. */
		if (size > b.size)
			wf_buf_put_zeros(&b, size - b.size);
		finish_ip(&b, l3, k);
	}
	if (size > b.size)
		wf_buf_put_zeros(&b, size - b.size);
	m = pkt_from_bytes(b.data, (uint32_t)b.size);
	wf_buf_done(&b);
	return m;
}

static struct rte_mbuf *
from_hex(const char *text)
{
	struct wf_buf b = WF_BUF_INIT;
	struct rte_mbuf *m = NULL;

	for (;;) {
		char digits[3] = { 0 };

		while (isspace((unsigned char)*text))
			text++;
		if (!*text)
			break;
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
			goto out;
		memcpy(digits, text, 2);
		put8(&b, (unsigned)strtoul(digits, NULL, 16));
		text += 2;
	}
	if (b.size >= ETH_HLEN)
		m = pkt_from_bytes(b.data, (uint32_t)b.size);
out:
	wf_buf_done(&b);
	return m;
}

struct rte_mbuf *
pkt_from_text(const char *text, uint32_t size, char **error)
{
	struct of_key key, mask;
	struct rte_mbuf *m = from_hex(text);

	if (m) {
		*error = NULL;
		return m;
	}
	if (of_dp_key_is(text)) {
		struct of_dp_key d;

		*error = of_dp_key_parse(text, NULL, NULL, &d);
		return *error ? NULL : pkt_compose(&d.key, size);
	}
	*error = of_key_parse(&key, &mask, text, NULL, NULL);
	if (*error)
		return NULL;
	return pkt_compose(&key, size);
}
