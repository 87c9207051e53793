/* SPDX-License-Identifier: Apache-2.0 */
/* The one clock of the process.
 *
 * Everything that ages, times out or paces reads this clock, so that tests can
 * stop it and move it (unixctl "time/stop", "time/warp").  Monotonic; never goes
 * back.  Threads: any may read; only the main thread stops or warps.
 */
#ifndef WEFT_BASE_CLOCK_H
#define WEFT_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds since an arbitrary start, after stop and warp are applied. */
int64_t wf_now_ms(void);

/* Microseconds, same clock. */
int64_t wf_now_us(void);

/* Wall-clock milliseconds since 1970 for log lines and wire time stamps; moved by
 * a warp as well. */
int64_t wf_wall_ms(void);

/* Tests: stop the clock; then each warp advances it by 'ms'. */
void wf_clock_stop(void);
void wf_clock_warp(int64_t ms);
bool wf_clock_is_stopped(void);

#endif
