/* SPDX-License-Identifier: Apache-2.0 */
/* An ovsdb-server of our own, for the host where none runs: one command is enough.
 *
 * The database is wf_dbdir()/conf.db; if it does not exist it is made from the packaged schema.
 * An existing one is never converted.  The server is our child, with the pid file, control
 * socket and log where ovs-appctl and ovs-ctl look; it is restarted if it dies, stopped when we
 * exit, and gets SIGTERM from the kernel should we crash.
 *
 * Threads: main.  ovsdb_server_start() blocks (at most about 10 s, ordinarily 50 ms) and has to
 * be called after wf_daemon_start(), because it forks and because the child belongs to the
 * process that stays.
 */
#ifndef WEFT_OVSDB_SERVER_H
#define WEFT_OVSDB_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct ovsdb_server;

/* Is a server at 'remote'?  1 yes; 0 no, and ovsdb_server_start() could start one there; a
 * negative errno with 'err' if neither: not a unix: remote (-EAFNOSUPPORT), no permission to
 * connect (-EACCES), a file in the way that is no socket (-ENOTSOCK). */
int ovsdb_server_probe(const char *remote, struct wf_err *err);

/* Before the above: if the server there is the child of a daemon of ours that was killed, and so is about to end, waits
 * until it has (10 s at most).  That of a daemon that lives, and anybody else's, is let be. */
void ovsdb_server_wait_for_orphan(const char *remote);

/* Makes the database if needed, starts a server at 'remote' ("unix:PATH"), waits until it
 * answers, and inserts the row of Open_vSwitch if there is none.  Returns 0; or a negative errno
 * with 'err' saying which program, package, file or permission is missing, or what the server
 * said; then nothing is left running. */
int ovsdb_server_start(const char *remote, struct ovsdb_server **serverp, struct wf_err *err);

/* Stops it (SIGTERM, after 3 s SIGKILL) and waits.  NULL is allowed. */
void ovsdb_server_stop(struct ovsdb_server *);

pid_t ovsdb_server_pid(const struct ovsdb_server *); /* 0 while it is down */
unsigned ovsdb_server_n_restarts(const struct ovsdb_server *);

#endif
