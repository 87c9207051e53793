/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time of a start goes: each part of it, when it is done, says so.  "weft/startup-show" and a line
 * of the log tell.
 *
 *     wf_phase("state file read");       what this thread has done since its phase before
 *
 * Real time, also while tests have stopped the clock.  Threads: any.
 */
#ifndef WEFT_BASE_PHASES_H
#define WEFT_BASE_PHASES_H

#include "base/buf.h"

#define WF_PHASES_MAX 48 /* later ones are not kept */

/* 'what' is kept, not copied; a phase of less than 0.1 ms is not.  The thread's first phase began with the process, or with
 * wf_phase_thread_begin(). */
void wf_phase(const char *what);
/* In another thread than main: its first phase begins now. */
void wf_phase_thread_begin(void);
/* The start is over: later phases do not count.  Logs the longest ones; does nothing when called again. */
void wf_phases_end(void);
/* A daemon that its monitor started again: from now on. */
void wf_phases_restart(void);
/* A table: when each was done and how long it took, in ms. */
void wf_phases_show(struct wf_str *);
/* Registers "weft/startup-show". */
void wf_phases_unixctl_init(void);

#endif
