/* SPDX-License-Identifier: Apache-2.0 */
/* Zone transfers in: the messages of an AXFR or IXFR answer become a zone (RFC 5936 section 2.2,
 * RFC 1995 section 4).  Knows no sockets.
 *
 *   SOA, anything but the SOA we have, ..., SOA                           the whole zone
 *   SOA, SOA we have, removed ..., SOA, added ..., [SOA, ...] SOA         differences
 *   SOA                                                                   nothing is new
 *
 * Threads: any, one at a time.  What a primary sends is checked as a zone file is. */
#ifndef WEFT_DNS_ANSWER_RECEIVE_H
#define WEFT_DNS_ANSWER_RECEIVE_H

#include "dns/zone/build_zone.h"
#include "dns/zone/delta.h"

/* A transfer with more is broken off. */
#define DNS_RECEIVE_MAX ((uint64_t)8 << 30)

struct dns_receive {
	struct dns_name apex;
	uint16_t id;
	const struct dns_zone *have; /* NULL: AXFR was asked for */
	uint64_t max_size; /* of what it builds (zone/build_zone.h); by the caller, 0: any */
	enum { RECEIVE_FIRST, RECEIVE_SECOND, RECEIVE_ZONE, RECEIVE_REMOVED, RECEIVE_ADDED,
	       RECEIVE_END } state;
	struct wf_buf soa; /* the new one, as a dns_rec */
	uint32_t serial;   /* the new one */
	uint32_t at;       /* of the differences so far */
	struct dns_zone_builder builder;
	bool has_builder;
	struct wf_buf changes;
	size_t n_changes;
	uint64_t size, n_records;
	bool incremental, is_current;
};

/* 'have' must live as long. */
void dns_receive_init(struct dns_receive *, const struct dns_name *apex, uint16_t id,
		      const struct dns_zone *have);
void dns_receive_done(struct dns_receive *);
/* One message.  Returns 1 behind the last one, 0 if more is to come, -EINVAL (-EFBIG behind
 * 'max_size') and the reason. */
int dns_receive_message(struct dns_receive *, const uint8_t *msg, size_t size, struct wf_err *);
/* Behind the last message: the zone; NULL if 'is_current'. */
int dns_receive_finish(struct dns_receive *, struct dns_zone **ret, struct wf_err *);

#endif
