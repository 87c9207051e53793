/* SPDX-License-Identifier: Apache-2.0 */
/* A query as it came, taken apart.  Pure; nothing is allocated; reads only the 'size' bytes given.
 */
#ifndef WEFT_DNS_WIRE_MESSAGE_H
#define WEFT_DNS_WIRE_MESSAGE_H

#include "dns/wire/name.h"
#include "dns/wire/proto.h"

/* EDNS client subnet (RFC 7871 section 6), valid. */
struct dns_ecs {
	bool present;
	uint16_t family;      /* 1: IPv4, 2: IPv6, 0: none given, which needs source length 0 */
	uint8_t source_len;   /* bits */
	uint8_t address[16];  /* zero behind source_len */
};

struct dns_cookie {
	bool present;
	uint8_t client[8];
	uint8_t server[32];
	uint8_t server_size; /* 0: none, else 8 to 32 */
};

struct dns_query {
	const uint8_t *msg;
	size_t size;
	uint16_t id, flags;
	uint16_t qtype, qclass;
	uint16_t question_size; /* bytes behind the header that are echoed; 0: no question */
	struct dns_name qname;  /* lower case */

	bool has_opt, do_bit, co_bit, nsid, padding, ns_record;
	bool notify; /* NOTIFY (RFC 1996), else QUERY */
	uint8_t edns_version;
	uint16_t udp_size; /* what the client takes: 512 without EDNS */
	struct dns_ecs ecs;
	struct dns_cookie cookie;
	/* Transaction signature: the record's offset in the message, 0 if there is none. */
	uint16_t tsig_at;
};

/* What dns_query_parse() makes of a message. */
enum dns_parse {
	DNS_PARSE_OK,
	DNS_PARSE_SHORT,       /* not even a header: no answer */
	DNS_PARSE_RESPONSE,    /* QR=1: an answer to it could make a loop; no answer */
	DNS_PARSE_FORMERR,     /* answer with what was read: id, question if question_size, OPT if
				  has_opt */
	DNS_PARSE_NOTIMP,      /* an opcode other than QUERY and NOTIFY, or a meta type in a question */
	DNS_PARSE_BADVERS,     /* EDNS version above 0 (RFC 6891 section 6.1.3) */
	DNS_PARSE_NO_QUESTION, /* QDCOUNT 0 with a cookie (RFC 7873 section 5.4) */
};
enum dns_parse dns_query_parse(struct dns_query *, const uint8_t *msg, size_t size);

/* Steps over the name at 'at', compressed or not.  Returns the offset behind it, or 0 if it is cut.
 */
size_t dns_skip_name(const uint8_t *msg, size_t size, size_t at);
/* Reads the name at 'at', following pointers that go back only; lower case.  Returns the offset
 * behind it in the message, or 0 if it is malformed. */
size_t dns_read_name(const uint8_t *msg, size_t size, size_t at, struct dns_name *ret);
/* The same with its letters as they are, into 'wire', which has room for DNS_NAME_MAX. */
size_t dns_expand_name(const uint8_t *msg, size_t size, size_t at, uint8_t *wire, size_t *ret_size);

#endif
