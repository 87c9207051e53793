/* SPDX-License-Identifier: Apache-2.0 */
/* dnstap: samples of queries and answers, as Frame Streams over a Unix socket or into a file.
 *
 *   worker --frame--> its ring (bounded; full: lost and counted) --thread--> socket or file
 *
 * A frame is protobuf (dnstap.info), which is made here by hand: the few fields of AUTH_QUERY and AUTH_RESPONSE.
 * Threads: a ring has one writer, its worker, which never waits; the thread may. */
#ifndef WEFT_DNS_SERVER_TAP_H
#define WEFT_DNS_SERVER_TAP_H

#include "dns/server/worker.h"

enum dns_tap_protocol { DNS_TAP_UDP = 1, DNS_TAP_TCP = 2, DNS_TAP_TLS = 3 }; /* as on the wire */

/* True for each so many-th query.  Per query: a load and, if dnstap is on, an addition. */
static inline bool
dns_tap_wants(struct dns_worker *w)
{
	unsigned n = atomic_load_explicit(&w->tap_sample, memory_order_relaxed);

	if (!n || ++w->tap_count < n)
		return false;
	w->tap_count = 0;
	return true;
}

/* Worker: of a query that was wanted.  'port' is the client's; 'answer_size' 0: there is none. */
void dns_tap_put(struct dns_worker *, enum dns_tap_protocol, const struct dns_client *, uint16_t port,
		 const uint8_t *query, size_t query_size, const uint8_t *answer, size_t answer_size);

/* Main: at the start and at each reload; the workers are there. */
void dns_tap_configure(const struct dns_conf *);
/* Behind the workers' threads, before their memory. */
void dns_tap_stop(void);
uint64_t dns_tap_n_sent(void);
uint64_t dns_tap_n_lost(void); /* by the thread; workers count their own */
void dns_tap_ring_free(struct dns_tap_ring *);

#endif
