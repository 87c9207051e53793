/* SPDX-License-Identifier: Apache-2.0 */
/* Response rate limiting: a token bucket a client network (/24, /56) and response class, in one
 * table that all threads share, and with them the path in the driver (bpf/dns_hash.h says what a bucket is).  Two
 * networks may share a bucket by chance; the hash is keyed.
 * Threads: any.  Cost: one atomic exchange an answer. */
#ifndef WEFT_DNS_ANSWER_LIMIT_H
#define WEFT_DNS_ANSWER_LIMIT_H

#include "dns/answer/answer.h"

enum dns_limit_class { DNS_LIMIT_ANSWER, DNS_LIMIT_NODATA, DNS_LIMIT_NXDOMAIN, DNS_LIMIT_REFERRAL,
		       DNS_LIMIT_ERROR };

/* 'per_s' answers a second and class to each network; a burst may be twice that. */
struct dns_limiter *dns_limiter_new(unsigned per_s);
/* From now on the table is this one, of DNS_X_BUCKETS words, not owned; before other threads use the limiter. */
void dns_limiter_use_table(struct dns_limiter *, uint64_t *buckets);
uint64_t dns_limiter_key(void);
/* From one process to the next: the table's DNS_X_BUCKETS words, and what they were under that key. */
void dns_limiter_copy(const struct dns_limiter *, uint64_t *to);
void dns_limiter_restore(struct dns_limiter *, uint64_t key, const uint64_t *from); /* before threads use it */
void dns_limiter_free(struct dns_limiter *);
void dns_limiter_set_rate(struct dns_limiter *, unsigned per_s);
/* Takes a token.  False: the network has had its share. */
bool dns_limiter_take(struct dns_limiter *, const struct dns_client *, enum dns_limit_class,
		      uint64_t mono_ms);

#endif
