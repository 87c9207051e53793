/* SPDX-License-Identifier: Apache-2.0 */
/* Why a client gets what it gets: the steps of one answer in words. */
#ifndef WEFT_DNS_ANSWER_WHY_H
#define WEFT_DNS_ANSWER_WHY_H

#include "base/buf.h"
#include "dns/answer/answer.h"

struct dns_why_question {
	struct dns_name qname;
	uint16_t qtype;
	struct dns_client client;
	bool has_prefix; /* the address is a client subnet with this length */
	uint8_t prefix_len;
};

/* "192.0.2.1" or "192.0.2.0/24". */
int dns_why_parse_client(struct dns_why_question *, const char *text, struct wf_err *);
/* why_query.c: a question "NAME.TYPE.why.weft. CH TXT"; the client is that of its client subnet, else who asks. */
bool dns_why_is_asked(const struct dns_query *);
/* False: it is none, or TYPE is no type. */
bool dns_why_read(struct dns_why_question *, const struct dns_query *, const struct dns_client *);

/* Main thread only: policies are looked at. */
void dns_why(const struct dns_view *, const struct dns_why_question *, struct wf_str *);

#endif
