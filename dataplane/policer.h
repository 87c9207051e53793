/* SPDX-License-Identifier: Apache-2.0 */
/* Policers: token buckets of a port, in bytes and in packets (ingress policing, egress-policer).
 *
 * One bucket a port, whatever the number of its queues; a burst takes the lock once.  A packet passes
 * if there is any token at all, and may leave the bucket in debt: a GSO packet that is larger than
 * the burst size passes, and the rate holds over time.
 */
#ifndef WEFT_DATAPLANE_POLICER_H
#define WEFT_DATAPLANE_POLICER_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/drop.h"

struct rte_mbuf;
struct policer;

struct policer_rates { /* of 0: not limited */
	uint64_t bytes_per_s, burst_bytes;
	uint64_t packets_per_s, burst_packets;
};

struct policer *policer_new(const struct policer_rates *, enum drop_reason);
void policer_free(struct policer *); /* after a grace period */
const struct policer_rates *policer_rates(const struct policer *);
/* Main, at any time. */
uint64_t policer_dropped(const struct policer *);

/* Frees what exceeds the rates and returns how many are left, in order, at the front.  Per burst. */
unsigned policer_admit(struct policer *, struct rte_mbuf **, unsigned n);

#endif
