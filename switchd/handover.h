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
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* --- Who gives (handover_give.c) ----------------------------------------------------------------- */

/* How this process was started, for "weft/upgrade"; before options are parsed. */
void sw_handover_init(int argc, char *argv[]);
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

/* --- On the wire (handover.c) -------------------------------------------------------------------- */

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
#define HANDOVER_TEXT_MAX 512

struct handover_msg {
	enum handover_type type;
	uint32_t value;
	int fd;             /* -1: none; the receiver's */
	char text[HANDOVER_TEXT_MAX];
};
/* The path of the socket; false if it is too long to be one. */
bool handover_path(char *path, size_t size);
/* 'fd' stays the caller's.  Returns 0 or a negative errno; -ETIMEDOUT: the other end does not read. */
int handover_send(int sock, enum handover_type, uint32_t value, const char *text, int fd);
/* Waits at most 'timeout_ms'.  Returns 0; -ETIMEDOUT; -ECONNRESET: the other end is closed; -EPROTO. */
int handover_receive(int sock, int timeout_ms, struct handover_msg *);

#endif
