/* SPDX-License-Identifier: Apache-2.0 */
/* A planned upgrade, as far as it is the same for all daemons: the one that runs starts the next one and talks with
 * it over a sequenced Unix socket in the run directory, whose messages carry descriptors.  What they say is the
 * daemon's own (switchd/handover.h, dns/server/handover.h).
 * Threads: main only.
 */
#ifndef WEFT_BASE_HANDOVER_H
#define WEFT_BASE_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* --- Starting the next one ----------------------------------------------------------------------- */

/* How this process was started, before options are parsed; the next one gets --takeover as well. */
void wf_successor_init(int argc, char *argv[]);
/* Starts 'program' (NULL: the file that this process was started from, whatever it is by now) where and as this
 * process was started.  'ended' is called once, when it has ended: 'why' is what it printed last, if its standard
 * error is nobody's, else its status; 'good': status 0, which is how one that detaches leaves when the daemon is
 * ready.  Returns 0 or a negative errno with 'err'. */
int wf_successor_start(const char *program, void (*ended)(const char *why, bool good), struct wf_err *err);
/* One that was started has not ended. */
bool wf_successor_runs(void);

/* --- The socket, RUNDIR/NAME.handover ------------------------------------------------------------ */

/* Returns a descriptor, or a negative errno with 'err'. */
int wf_handover_listen(const char *name, struct wf_err *err);
void wf_handover_unlink(const char *name);
/* A process of root or of our own user, else -1; '*pid' is its number. */
int wf_handover_accept(int listen_fd, long *pid);
int wf_handover_connect(const char *name, struct wf_err *err);

#define WF_HANDOVER_TEXT_MAX 512

struct wf_handover_msg {
	uint32_t type; /* the daemon's own */
	uint32_t value;
	int fd;        /* -1: none; the receiver's */
	char text[WF_HANDOVER_TEXT_MAX];
};
/* 'fd' stays the caller's.  Returns 0 or a negative errno; -ETIMEDOUT: the other end does not read. */
int wf_handover_send(int sock, uint32_t type, uint32_t value, const char *text, int fd);
/* Waits at most 'timeout_ms'.  Returns 0; -ETIMEDOUT; -ECONNRESET: the other end is closed; -EPROTO. */
int wf_handover_receive(int sock, int timeout_ms, struct wf_handover_msg *);

#endif
