/* SPDX-License-Identifier: Apache-2.0 */
/* An answer while it is made; shared by answer.c, chain.c and chosen.c. */
#ifndef WEFT_DNS_ANSWER_INTERNAL_H
#define WEFT_DNS_ANSWER_INTERNAL_H

#include "dns/answer/answer.h"
#include "dns/answer/find.h"
#include "dns/answer/limit.h"

struct answer {
	const struct dns_view *view;
	struct dns_context *ctx;
	const struct dns_client *client;
	const struct dns_query *q;
	uint64_t hash[DNS_LABELS_MAX + 1];
	uint8_t *out;
	size_t size;  /* of what is in 'out' */
	size_t limit; /* what may be in it, OPT not counted */
	uint16_t flags, rcode;
	uint16_t n[3];
	uint8_t scope; /* of the client subnet in the answer */
	/* Where the client is, once that was asked for. */
	bool is_located, has_subnet;
	uint8_t draw;
	uint32_t leaf;
	struct pol_addr place;
	enum dns_limit_class class;
};

/* An empty answer with TC=1. */
void answer_truncate(struct answer *);
/* The set to answer with at this node: the record set itself or the one that its policy chooses for
 * the client; NULL if there is none. */
const struct dns_rrset *answer_set(struct answer *, const struct dns_node *, unsigned type);
/* Follows a CNAME at, or a DNAME above, the name asked for. */
void answer_chain(struct answer *, enum dns_found, const struct dns_find *);

#endif
