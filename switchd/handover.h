/* SPDX-License-Identifier: Apache-2.0 */
/* A planned upgrade: the next daemon takes ports, flows and sockets over from the one that runs, which
 * forwards until the next one is ready (docs/state.md).
 *
 *   the one that runs (giver)                     the next one (taker), --takeover
 *     listens on RUNDIR/weft.handover  <-HELLO--    connects
 *                                      --FILE-->    descriptor of the state file
 *                                      --PORT-->    each kernel port and tap, each socket of a tunnel
 *                                                   endpoint: its descriptor
 *                                    --LISTENER-->  each socket that listens for OpenFlow
 *                                      --END--->    configures itself from database and file, silently
 *     goes on, writes the file                      reads what is added to the file
 *     takes ports from its workers     <-READY--
 *     writes the last changes          --DONE-->    reads them
 *                                      <-TAKEN--    serves the ports
 *     closes other ports, lets the
 *     database's lock go, counters     --GONE-->    opens other ports, listens, connects, pid file
 *     exits
 *
 * Until TAKEN the giver is in charge: if the taker fails, or takes too long, it goes on as if
 * nothing had been.  Between DONE and TAKEN it does nothing else, so that nothing changes.
 * Threads: main only.
 */
#ifndef WEFT_SWITCHD_HANDOVER_H
#define WEFT_SWITCHD_HANDOVER_H

#include <stdbool.h>

#include "base/handover.h"

/* --- Who gives (handover_give.c) ----------------------------------------------------------------- */

/* Whoever wants to take over is told why it cannot. */
void sw_handover_forbid(const char *why);
/* From the moment on in which this process is the switch, until it is not. */
void sw_handover_serve(void);
void sw_handover_close(void);
/* All was handed over: the loop has been stopped, the process is to end without taking anything down. */
bool sw_handed_over(void);
/* The last steps of the process then. */
void sw_handover_leave(void);

/* --- Who takes (handover_take.c) ----------------------------------------------------------------- */

/* Connects and gets what there is to get.  False: nobody is there to take from.  A failure ends the
 * process.  'finished': called on main when the other daemon has gone. */
bool sw_takeover_begin(void (*finished)(void));
/* The first configuration is being made beside a daemon that runs: without its lock, and with those
 * ports only that were handed over. */
bool sw_takeover_preparing(void);
/* As above, or the other daemon is about to end. */
bool sw_takeover_under_way(void);
/* The configuration is made: takes over.  Ports that were handed over are this process's when it
 * returns; on failure it does not return. */
void sw_takeover_switch(void);

/* What the other daemon counted, once the ports that it had to close first are served. */
void sw_takeover_counters(void);

/* --- Messages (base/handover.h) ------------------------------------------------------------------- */

#define HANDOVER_NAME "weft"

enum handover_type {
	HANDOVER_HELLO = 1, /* value: version */
	HANDOVER_REFUSED,   /* text: why */
	HANDOVER_FILE,      /* text: its path; a descriptor */
	HANDOVER_PORT,      /* text: type, newline, name; a descriptor */
	HANDOVER_LISTENER,  /* text: name; a descriptor */
	HANDOVER_END,
	HANDOVER_READY,
	HANDOVER_DONE,
	HANDOVER_TAKEN,
	HANDOVER_GONE,      /* a descriptor: counters */
};
#define HANDOVER_VERSION 1

#endif
