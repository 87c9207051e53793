/* SPDX-License-Identifier: Apache-2.0 */
/* Quiescent-state based reclamation, with tokens that can be polled.
 *
 * Why not a library: a barrier reply must wait for "every worker has let go of what
 * was published before" without blocking the main thread, so it needs a token that is
 * polled; liburcu of Debian 12 only blocks, and rte_rcu_qsbr would tie base/ to DPDK.
 *
 *   reader                                writer (main thread)
 *   wf_rcu_register("worker1")            new = build();  old = swap(&ptr, new);
 *   loop: wf_rcu_quiescent(); ...read...  wf_rcu_free(old)            freed later, or
 *   wf_rcu_offline(); sleep;              t = wf_rcu_start();         do something when
 *   wf_rcu_online();                      wf_rcu_call(fn, arg)        all have passed
 *
 * Grace period: bounded by the longest burst of a worker.  A thread that is offline
 * holds no reference and is not waited for.
 * Barriers: wf_rcu_quiescent() and _offline() release what the reader did before,
 * wf_rcu_check() acquires it, so memory is freed only after the reader's last access.
 */
#ifndef WEFT_BASE_RCU_H
#define WEFT_BASE_RCU_H

#include <stdbool.h>
#include <stdint.h>

/* Registers the calling thread as an online reader; at most WF_RCU_MAX_THREADS. */
#define WF_RCU_MAX_THREADS 128
void wf_rcu_register(const char *name);
void wf_rcu_unregister(void);
void wf_rcu_quiescent(void); /* per burst: a store, no lock */
void wf_rcu_offline(void);
void wf_rcu_online(void);

/* Returns a token; wf_rcu_check(token) turns true once every thread that was online
 * has passed a quiescent point (the caller counts as passed). */
uint64_t wf_rcu_start(void);
bool wf_rcu_check(uint64_t token);
/* Blocks until all have passed.  Not from a worker.  Logs the name of a thread that
 * holds it up for more than a second. */
void wf_rcu_synchronize(void);

/* Calls fn(arg) on the main thread after a grace period.  Any thread may ask. */
void wf_rcu_call(void (*fn)(void *), void *arg);
void wf_rcu_free(void *heap_block);

/* Main thread, once a loop: runs the calls that are due.  Returns true if some are
 * still waiting (poll again soon). */
bool wf_rcu_run(void);
bool wf_rcu_is_waiting(void);
/* At exit: waits and runs all. */
void wf_rcu_drain(void);

#endif
