/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a message with compressed names (RFC 1035 section 4.1.4).
 *
 * Used in two ways: for a whole answer at the time of a query, and at load for an image, a piece of
 * an answer for a question that is not known yet (zone/image.h).  Pointers of an image move with
 * the size of the question: their places are noted in 'fix'. Memory: none of its own.  When
 * something does not fit, 'full' is set and nothing more is written.
 */
#ifndef WEFT_DNS_WIRE_BUILD_H
#define WEFT_DNS_WIRE_BUILD_H

#include "dns/wire/name.h"
#include "dns/wire/proto.h"

/* Names beyond this many in one message are not pointed at. */
#define DNS_BUILD_NAMES 48
/* A pointer has 14 bits; an image's may still move by the largest name. */
#define DNS_POINTER_MAX (0x3fff - DNS_NAME_MAX)

struct dns_build {
	uint8_t *buf; /* the message from its header on */
	size_t size, cap;
	bool full;
	uint16_t n_names;
	uint16_t name_at[DNS_BUILD_NAMES];
	/* Places of pointers, if somebody wants them. */
	uint16_t *fix;
	size_t n_fix, max_fix;
};

/* The question lies at buf[12] already; its name is 'qname'. */
void dns_build_init(struct dns_build *, uint8_t *buf, size_t cap, const struct dns_name *qname);
void dns_build_bytes(struct dns_build *, const void *, size_t);
/* Where it was written, or 0 if it did not fit. */
size_t dns_build_name(struct dns_build *, const uint8_t *wire, bool compress);
/* A pointer to something in the message. */
void dns_build_pointer(struct dns_build *, size_t to);
/* Type, class IN, ttl, then rdata with its length; its names are compressed where the type allows.
 * The owner stands before.  Returns where the rdata is. */
size_t dns_build_record(struct dns_build *, unsigned type, uint32_t ttl, const uint8_t *rdata,
			size_t rdlen);

/* Where the names lie in the rdata of the types of RFC 1035, the only ones that may be compressed
 * in answers (RFC 3597 section 4): 'skip' bytes, then 'n_names' names, then the rest.  n_names 0:
 * none. */
struct dns_rdata_names {
	uint8_t skip, n_names;
};
struct dns_rdata_names dns_rdata_names(unsigned type);

#endif
