/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the daemon code share; nobody else includes this. */
#ifndef WEFT_BASE_DAEMON_INTERNAL_H
#define WEFT_BASE_DAEMON_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Creates and locks 'path'.  Returns 0 or a negative errno. */
int wf_pidfile_make(const char *path, bool overwrite, struct wf_err *);
/* Removes the file if this very process made it. */
void wf_pidfile_remove(void);

/* "USER", "USER:GROUP" or ":GROUP". */
int wf_daemon_user_set(const char *spec, struct wf_err *);
/* Becomes that user and keeps what a switch needs.  Does nothing if none was set. */
int wf_daemon_user_become(struct wf_err *);

/* Forks and waits until the child calls wf_startup_done() on '*fd'.  Returns 0 in the child
 * and the child's pid in the parent; a negative errno if the child died by a signal.  If it
 * exited, so does the caller, with the same status. */
pid_t wf_fork_and_wait(int *fd);
void wf_startup_done(int *fd);

/* Watches the daemon and starts it again after a crash.  Returns only in a new daemon, with
 * its '*fd'. */
void wf_monitor(pid_t daemon, int *fd);

/* The title in ps(1).  The first _set() saves what _restore() brings back. */
void wf_proctitle_init(int argc, char *argv[]);
void wf_proctitle_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void wf_proctitle_restore(void);

void wf_close_stdio(void);

/* Logs a backtrace when the process dies of a fault. */
void wf_crash_init(void);

#endif
