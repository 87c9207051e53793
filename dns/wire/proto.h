/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the DNS protocol (IANA "Domain Name System (DNS) Parameters"), and wire integers. */
#ifndef WEFT_DNS_WIRE_PROTO_H
#define WEFT_DNS_WIRE_PROTO_H

#include <stdint.h>

#define DNS_HEADER_SIZE 12
#define DNS_PORT 53
#define DNS_MESSAGE_MAX 65535
#define DNS_UDP_MIN 512 /* what a client without EDNS takes (RFC 1035 section 2.3.4) */
/* Larger answers are cut: packets of this size pass nearly all paths whole (RFC 9715). */
#define DNS_UDP_LIMIT 1232

enum dns_opcode { DNS_OP_QUERY = 0, DNS_OP_NOTIFY = 4, DNS_OP_UPDATE = 5 };

enum dns_flag {
	DNS_QR = 0x8000, DNS_OPCODE = 0x7800, DNS_AA = 0x0400, DNS_TC = 0x0200, DNS_RD = 0x0100,
	DNS_RA = 0x0080, DNS_AD = 0x0020, DNS_CD = 0x0010, DNS_RCODE = 0x000f
};

enum dns_rcode {
	DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4,
	DNS_REFUSED = 5, DNS_YXDOMAIN = 6, DNS_NOTAUTH = 9, DNS_BADVERS = 16, DNS_BADSIG = 16,
	DNS_BADKEY = 17, DNS_BADTIME = 18, DNS_BADTRUNC = 22
};

enum dns_class { DNS_CLASS_IN = 1, DNS_CLASS_CH = 3, DNS_CLASS_NONE = 254, DNS_CLASS_ANY = 255 };

enum dns_type {
	DNS_A = 1, DNS_NS = 2, DNS_MD = 3, DNS_MF = 4, DNS_CNAME = 5, DNS_SOA = 6, DNS_MB = 7,
	DNS_MG = 8, DNS_MR = 9, DNS_PTR = 12, DNS_HINFO = 13, DNS_MINFO = 14, DNS_MX = 15,
	DNS_TXT = 16, DNS_RP = 17, DNS_AFSDB = 18, DNS_RT = 21, DNS_SIG = 24, DNS_PX = 26,
	DNS_AAAA = 28, DNS_NXT = 30, DNS_SRV = 33, DNS_NAPTR = 35, DNS_KX = 36, DNS_A6 = 38,
	DNS_DNAME = 39, DNS_OPT = 41, DNS_DS = 43, DNS_RRSIG = 46, DNS_NSEC = 47, DNS_DNSKEY = 48,
	DNS_NSEC3 = 50, DNS_NSEC3PARAM = 51, DNS_CDS = 59, DNS_CDNSKEY = 60, DNS_SVCB = 64, DNS_HTTPS = 65,
	DNS_NXNAME = 128, /* RFC 9824 section 3.1 */
	DNS_TKEY = 249,
	DNS_TSIG = 250, DNS_IXFR = 251, DNS_AXFR = 252, DNS_MAILB = 253, DNS_MAILA = 254,
	DNS_ANY = 255
};

enum dns_edns_option { DNS_EDNS_NSID = 3, DNS_EDNS_ECS = 8, DNS_EDNS_COOKIE = 10, DNS_EDNS_PADDING = 12 };

static inline uint16_t
dns_get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static inline uint32_t
dns_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static inline void
dns_put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static inline void
dns_put32(uint8_t *p, uint32_t v)
{
	p[0] = v >> 24;
	p[1] = v >> 16;
	p[2] = v >> 8;
	p[3] = v;
}

#endif
