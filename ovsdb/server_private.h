/* SPDX-License-Identifier: Apache-2.0 */
/* What ovsdb/server.c and server_init.c share. */
#ifndef WEFT_OVSDB_SERVER_PRIVATE_H
#define WEFT_OVSDB_SERVER_PRIVATE_H

#include "base/err.h"

/* Returns a socket that is connected to the server at 'path' and does not block, or a negative
 * errno; -EAGAIN: the server is there but busy. */
int ovsdb_server_connect(const char *path);
/* The path of "unix:PATH", the caller's to free; NULL if it is none. */
char *ovsdb_server_socket_path(const char *remote);

/* The environment of a server, with a mark of this process (server_orphan.c). */
char **ovsdb_server_environment(void);
void ovsdb_server_environment_free(char **);

/* Inserts the row of table Open_vSwitch if there is none, as "ovs-vsctl --no-wait init" does.
 * Blocks, at most some seconds. */
int ovsdb_server_init_root(const char *path, struct wf_err *err);

#endif
