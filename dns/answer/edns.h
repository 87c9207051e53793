/* SPDX-License-Identifier: Apache-2.0 */
/* The OPT record of an answer: client subnet, cookie, NSID. */
#ifndef WEFT_DNS_ANSWER_EDNS_H
#define WEFT_DNS_ANSWER_EDNS_H

#include "dns/answer/answer.h"

#define DNS_OPT_MAX (11 + 4 + DNS_NSID_MAX + 4 + 4 + 16 + 4 + 24)

/* Bytes that dns_edns_put() will write for this query. */
size_t dns_edns_size(const struct dns_view *, const struct dns_query *);
/* 'scope': of the client subnet; 0 where the answer is the same for everyone. */
void dns_edns_put(const struct dns_view *, const struct dns_query *, const struct dns_context *,
		  const struct dns_client *, unsigned rcode, unsigned scope, uint8_t *to);
/* The server cookie of the query is ours, for this client and this time; counts it. */
bool dns_cookie_is_valid(const struct dns_view *, const struct dns_query *, struct dns_context *,
			 const struct dns_client *);

/* Pads the answer of 'size' bytes, whose OPT record is its last 'opt_size' ones, so that its size tells
 * little to who sees it go by (RFC 8467 section 4.1).  'more': bytes that will follow.  Returns the
 * new size. */
size_t dns_edns_pad(uint8_t *msg, size_t size, size_t opt_size, size_t more);

#endif
