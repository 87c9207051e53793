/* SPDX-License-Identifier: Apache-2.0 */
/* The running balancer: configuration and document in force, reload, commands.  Main thread. */
#ifndef WEFT_GLB_DAEMON_H
#define WEFT_GLB_DAEMON_H

#include "base/err.h"

/* Reads the configuration at 'path', brings up the data path, registers the glb/ commands. */
int glb_daemon_init(const char *path, struct wf_err *);
/* Reads configuration and document again; a bad one is logged and leaves what is in force. */
void glb_daemon_reload(void);
/* The data path goes on. */
void glb_daemon_done(void);

#endif
