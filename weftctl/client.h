/* SPDX-License-Identifier: Apache-2.0 */
/* One request to a running daemon over its control socket (base/unixctl.h). */
#ifndef WEFT_WEFTCTL_CLIENT_H
#define WEFT_WEFTCTL_CLIENT_H

#include "base/err.h"

/* The socket of the daemon called 'program', as its pid file in the run directory says; 'target'
 * (may be NULL) names a socket, or another program, instead.  Sends 'command' with its arguments.
 * Returns 0 and the reply, 1 and the text of the daemon's refusal (the caller frees both), or a
 * negative errno with 'err' if the daemon can't be asked. */
int ctl_ask(const char *program, const char *target, const char *command, int argc, char *argv[],
	    char **reply, struct wf_err *err);

#endif
