/* SPDX-License-Identifier: Apache-2.0 */
/* EAL's start sleeps 100 ms to measure the processor's time stamp counter, where the processor does not tell
 * its frequency (virtual machines as a rule).  In a restart these are 100 ms in which no packet passes, and the result
 * is rounded to 10 MHz anyway: 10 ms are long enough.  DPDK has no option for that, so its nanosleep() is ours. */
#ifndef WEFT_DATAPLANE_PORTS_DPDK_CLOCK_H
#define WEFT_DATAPLANE_PORTS_DPDK_CLOCK_H

#include <stdbool.h>

/* Between 'true' and 'false' the calling thread's sleeps of exactly 100 ms last 10 ms. */
void dpdk_clock_quick(bool);

#endif
