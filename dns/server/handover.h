/* SPDX-License-Identifier: Apache-2.0 */
/* A planned upgrade: the next daemon takes the sockets over from the one that runs, which answers until the next one
 * does (docs/dns.md, "An upgrade").
 *
 *   the one that runs (giver)                      the next one (taker), --takeover
 *     listens on RUNDIR/weft-dnsd.handover <-HELLO--   connects
 *                                        --SOCKET-->   each socket that listens: its descriptor
 *                                      --LISTENER-->   that of the health feeds
 *                                          --LINK-->   each device's XDP link
 *                                           --END-->   loads configuration and zones, opens addresses that are new
 *     goes on with all it does
 *     ends transfers in, then nothing      <-READY--
 *     but its workers does anything      --LIMITS-->   the table of the rate limit
 *                                         --STATE-->   secrets, health; loads what changed meanwhile
 *                                                      its workers answer as well
 *                                          <-TAKEN--
 *     its workers leave the sockets
 *     lets go of pid file, metrics         --GONE-->   what was counted; has all that there is one of
 *                                        <-SETTLED--
 *     TCP connections end                  --REST-->   what was counted since
 *     ends
 *
 * A socket is never closed by both, so what waits in it is answered by one of them.  Until TAKEN the giver is in
 * charge: if the taker fails, it goes on as if nothing had been.  There is one writer of copies and journals: the
 * giver until READY, then the taker.
 * Threads: main only.
 */
#ifndef WEFT_DNS_SERVER_HANDOVER_H
#define WEFT_DNS_SERVER_HANDOVER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/handover.h"

#define DNS_HANDOVER_NAME "weft-dnsd"
#define DNS_HANDOVER_VERSION 1

enum dns_handover_type {
	DNS_HANDOVER_HELLO = 1, /* value: version; text: the configuration's path */
	DNS_HANDOVER_REFUSED,   /* text: why */
	DNS_HANDOVER_SOCKET,    /* value: its place among those of its address; a descriptor */
	DNS_HANDOVER_LISTENER,  /* text: name; a descriptor */
	DNS_HANDOVER_LINK,      /* text: device; value: its index; a descriptor */
	DNS_HANDOVER_END,
	DNS_HANDOVER_READY,
	DNS_HANDOVER_LIMITS,    /* a descriptor: the words of the rate limit's table */
	DNS_HANDOVER_STATE,     /* a descriptor: JSON */
	DNS_HANDOVER_TAKEN,
	DNS_HANDOVER_FAILED,    /* text: why */
	DNS_HANDOVER_GONE,      /* a descriptor: JSON */
	DNS_HANDOVER_SETTLED,
	DNS_HANDOVER_REST,      /* a descriptor: JSON */
};

/* --- Who gives (handover_give.c) ----------------------------------------------------------------- */

/* From the moment on in which this process is the server; "dns/upgrade". */
void dns_handover_serve(void);
void dns_handover_close(void);
/* All was handed over; connections are being ended, then the loop is stopped. */
bool dns_handed_over(void);
/* Behind the loop: the last counters. */
void dns_handover_end(void);

/* --- Who takes (handover_take.c) ----------------------------------------------------------------- */

/* Connects and gets what there is to get.  False: nobody is there to take from.  A failure ends the process, and the
 * other one is told why.  'finished' is called when all that there is one of can be had. */
bool dns_takeover_begin(const char *conf_path, void (*finished)(void));
/* The other daemon answers still. */
bool dns_takeover_preparing(void);
/* All is loaded.  Returns what the other daemon knows; it does nothing but answer from now on. */
json_t *dns_takeover_ready(void);
/* Before anything is taken that there is one of: ends this process if the other one has lost patience. */
void dns_takeover_is_awaited(void);
/* The workers answer: the other one's stop. */
void dns_takeover_switch(void);

/* --- State (handover_state.c) -------------------------------------------------------------------- */

/* The table of the rate limit, in a file without a name; below 0: a negative errno. */
int dns_handover_limits(void);
/* The other way; 'fd' is closed.  False: it is none. */
bool dns_handover_take_limits(int fd, uint64_t key);
/* A file without a name with the JSON text in it; below 0: a negative errno.  'j' is given up. */
int dns_handover_file(json_t *j);
/* The other way; 'fd' is closed.  NULL: it is none. */
json_t *dns_handover_read(int fd);
/* Secrets, the key of the rate limit's table, and what is known of health. */
json_t *dns_handover_state(void);
/* Counters, less what was given before. */
json_t *dns_handover_counters(void);
void dns_handover_take_counters(json_t *);

#endif
