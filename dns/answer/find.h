/* SPDX-License-Identifier: Apache-2.0 */
/* Which data a name and type lead to: the algorithm of RFC 1034 section 4.3.2, steps 2 and 3. */
#ifndef WEFT_DNS_ANSWER_FIND_H
#define WEFT_DNS_ANSWER_FIND_H

#include "dns/answer/view.h"

enum dns_found {
	DNS_FOUND_NODE,      /* the name, or the wildcard in its place: look at the node's sets */
	DNS_FOUND_NXDOMAIN,
	DNS_FOUND_REFERRAL,  /* 'node' is the cut */
	DNS_FOUND_DNAME,     /* 'node' is above the name and has a DNAME */
	DNS_FOUND_NOT_OURS,
	DNS_FOUND_NO_DATA,   /* the zone is ours, but its primary never answered, or too long ago */
};

struct dns_find {
	const struct dns_zone *zone;
	const struct dns_node *node;
	/* Of NODE and NXDOMAIN: the closest encloser is the name from label 'first' on; 0: the name
	 * itself exists. 'is_wild': 'node' is the wildcard below it. */
	uint8_t first;
	bool is_wild;
};

/* 'hash' is of dns_name_hash_suffixes().  Per query. */
enum dns_found dns_find(const struct dns_view *, const struct dns_name *, const uint64_t *hash,
			unsigned qtype, struct dns_find *ret);

#endif
