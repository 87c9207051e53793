/* SPDX-License-Identifier: Apache-2.0 */
/* The server side of ovs-appctl: JSON-RPC 1.0 over a unix socket.
 * Threads: main only.
 */
#ifndef WEFT_BASE_UNIXCTL_H
#define WEFT_BASE_UNIXCTL_H

#include "base/err.h"

struct unixctl_conn; /* one pending request */

/* 'argv[0]' is the command's name.  The handler must call unixctl_reply() or
 * unixctl_reply_error() exactly once, at once or later; texts are copied.  A body
 * gets a newline at its end if it is not empty and has none. */
typedef void unixctl_fn(struct unixctl_conn *, int argc, const char *argv[], void *aux);

/* Registers a command, or replaces it.  'usage' is kept, not copied; NULL hides the
 * command from list-commands.  INT_MAX: any number of arguments. */
void unixctl_command(const char *name, const char *usage, int min_args, int max_args,
		     unixctl_fn *, void *aux);
/* Registers a command that lists those whose names begin with 'prefix' (kept, not copied). */
void unixctl_command_list(const char *name, const char *prefix);
void unixctl_reply(struct unixctl_conn *, const char *body_or_null);
void unixctl_reply_error(struct unixctl_conn *, const char *text);

/* Opens 'path' (NULL: RUNDIR/PROGRAM.PID.ctl; "none": no socket; a relative one is in the
 * run directory).  Registers list-commands, version and the vlog/ commands. */
int unixctl_server_open(const char *path, struct wf_err *);
void unixctl_server_close(void);
/* From now on each command but those under way gets this error (kept, not copied). */
void unixctl_server_refuse(const char *why);
/* What "version" says; default "PROGRAM (weft) VERSION". */
void unixctl_set_version(const char *text);

#endif
