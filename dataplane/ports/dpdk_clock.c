/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/dpdk_clock.h"

#include <errno.h>
#include <time.h>

/* get_tsc_freq() of DPDK's lib/eal/linux/eal_timer.c.  The two clocks that it reads at each end lie some 50 ns
 * apart, which is 0.001 % of what it measures here. */
#define EAL_SLEEP_NS 100000000
#define OUR_SLEEP_NS 10000000

static _Thread_local bool quick;

void
dpdk_clock_quick(bool on)
{
	quick = on;
}

/* In the place of libc's for the whole process: the dynamic linker finds the program's symbols first. */
int
nanosleep(const struct timespec *wanted, struct timespec *left)
{
	struct timespec t = *wanted;
	int rc;

	if (quick && !t.tv_sec && t.tv_nsec == EAL_SLEEP_NS)
		t.tv_nsec = OUR_SLEEP_NS;
	rc = clock_nanosleep(CLOCK_REALTIME, 0, &t, left);
	if (!rc)
		return 0;
	errno = rc;
	return -1;
}
