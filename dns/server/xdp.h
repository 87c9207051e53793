/* SPDX-License-Identifier: Apache-2.0 */
/* The path in the driver: bpf/dns_answer.bpf.c on the configured devices, and its maps (bpf/dns_abi.h), which are in
 * this process' memory.
 *
 *   xdp.c       loads, attaches, lease and clock, addresses, counters
 *   xdp_fill.c  names that are hot, answers, policies and places -> maps
 *   xdp_hot.c   which names the workers answer most
 *   xdp_tap.c   samples for dnstap
 *
 * Order of a change: dns_xdp_suspend(), then what the sockets answer from, then dns_xdp_resume().  In between, which
 * takes milliseconds, all queries go to the sockets; so nobody gets an old answer after a new one.
 * Threads: main, but for dns_hot_note().  Without "xdp" in the configuration all of it does nothing. */
#ifndef WEFT_DNS_SERVER_XDP_H
#define WEFT_DNS_SERVER_XDP_H

#include "dns/answer/answer.h"
#include "dns/server/config.h"

/* Before the workers start; the programs are attached when the first data is there. */
int dns_xdp_start(const struct dns_conf *, struct dns_limiter *, struct wf_err *);
void dns_xdp_stop(void);
void dns_xdp_suspend(void);

/* From one process to the next (handover.h): the links that hold the programs on the devices. */
void dns_xdp_give(void (*fn)(void *arg, const char *device, unsigned index, int fd), void *arg);
/* Before dns_xdp_start(), which leaves the other process' program where it is ... */
void dns_xdp_hand_in(const char *device, unsigned index, int fd);
/* ... until this puts the own one in its place, at once; it answers nothing until the next resumption. */
int dns_xdp_take(struct wf_err *);
/* The next process did not make it: the own program again. */
void dns_xdp_take_back(void);
/* What dns_xdp_counters() told there; 0: nothing. */
void dns_xdp_take_counters(uint64_t (*value_of)(void *arg, const char *name), void *arg);
/* It did: the devices are none of ours. */
void dns_xdp_leave(void);
/* 'policies_only': nothing but the states of policies has changed. */
void dns_xdp_resume(bool policies_only);
void dns_xdp_add_counters(struct dns_counters *);
void dns_xdp_show(struct wf_str *);
/* Calls fn for each counter of its own: name, value, help. */
void dns_xdp_counters(void (*fn)(void *arg, const char *name, uint64_t value, const char *help), void *arg);
/* How the driver answers this name and type, as a line; nothing if the path is off. */
void dns_xdp_why(const struct dns_name *, unsigned type, struct wf_str *);

/* dnstap of the driver's answers, by the first worker: when it is made, and when all have ended. */
struct dns_worker;
void dns_xdp_watch(struct dns_worker *);
void dns_xdp_unwatch(void);

/* Names that a worker answers often, told to main.  One writer, one reader, no lock. */
struct dns_hot;
struct dns_hot *dns_hot_new(void); /* NULL if the path is off */
void dns_hot_free(struct dns_hot *);
/* A query that came over UDP and its answer; the worker calls it for each. */
void dns_hot_note(struct dns_hot *, const uint8_t *query, size_t size, const uint8_t *answer);
/* Main: the next name that was asked for often.  False: none. */
bool dns_hot_take(struct dns_hot *, struct dns_name *, uint16_t *type);

#endif
