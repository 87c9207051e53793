/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's hierarchical token bucket on a device, laid out as Open vSwitch does: 1: is the root,
 * 1:fffe limits the device, 1:QUEUE+1 below it is a queue, 1:1 the default one.  Main. */
#ifndef WEFT_SWITCHD_QOS_HTB_H
#define WEFT_SWITCHD_QOS_HTB_H

#include <stdint.h>

#include "base/err.h"

struct htb_queue {
	uint32_t id;
	uint64_t min_rate, max_rate, burst; /* bytes a second, bytes */
	uint32_t priority;                  /* lower is served first */
};
struct htb_config {
	uint64_t max_rate;                  /* bytes a second */
	uint32_t mtu;
	unsigned n;                         /* queue 0 is among them */
	struct htb_queue *queues;
};

/* Replaces what the device has.  On failure it has none. */
int htb_apply(int ifindex, const struct htb_config *, struct wf_err *);
void htb_remove(int ifindex);

#endif
