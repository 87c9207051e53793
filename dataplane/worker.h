/* SPDX-License-Identifier: Apache-2.0 */
/* Workers: the threads that move packets, and the slow path that brings the rest to main.
 *
 * Two kinds.  Polling workers (pinned; DPDK devices; one per core of pmd-cpu-mask) never
 * sleep.  Sleeping workers serve ports with file descriptors (kernel devices, taps, vhost-user with
 * kick fds) and block in epoll when nothing comes.  Each owns: its receive queues, a flow
 * cache, plans, drop counters, transmit buffers.
 *
 *   loop: pin view -> rx burst -> parse -> cache lookup -> run plan (or translate, run) ->
 *         flush tx -> quiescent -> (nothing came: offline, epoll, online)
 */
#ifndef WEFT_DATAPLANE_WORKER_H
#define WEFT_DATAPLANE_WORKER_H

#include "dataplane/ports/port.h"
#include "dataplane/translate.h"

/* --- Main thread ----------------------------------------------------------------- */
void workers_init(void); /* main becomes worker 0 (no cache): it runs packet-outs and slow packets */
void workers_exit(void);
/* Cores for polling workers as a hex mask ("0x2"; NULL: one core per NUMA node when a polled port
 * exists), and the number of sleeping workers (0: half of the cores, 1 to 4). */
#define WORKERS_MAX_SLEEPING 32
int workers_configure(const char *pmd_cpu_mask, unsigned n_sleeping, struct wf_err *);
/* What polling threads call when they start and end (registering with DPDK). */
void workers_set_thread_hooks(void (*start)(void), void (*stop)(void));
/* Ports whose queues are to be served; call after a port was published or before it is closed.
 * After workers_remove_port() and a grace period no worker touches it. */
void workers_add_port(struct port *, const char *affinity_or_null);
/* Of polled ports "queue:core,..." (pmd-rxq-affinity), of others the number of a sleeping worker. */
void workers_set_affinity(struct port *, const char *affinity_or_null);
void workers_remove_port(struct port *);
void workers_rebalance(void);
/* dpif-netdev/pmd-rxq-show and pmd-stats-show texts. */
void workers_rxq_show(struct wf_str *);
void workers_stats_show(struct wf_str *);
void workers_stats_clear(void);

/* Executes a packet on main, at once: packet-out, resumed packets, BFD, netdev-dummy/receive.
 * Takes 'm' over.  'in' is as for translate() (packet, key and layers are filled in here). */
void main_execute(struct xlate_in *in, struct rte_mbuf *m);
/* Between the two, what main_execute() sends waits: packets of a bundle leave when it is published,
 * or, if 'send' is false, never. */
void main_hold(void);
void main_release(bool send);

/* Adds the counters that plans have gathered to the rules, tables and groups they credit, so that
 * statistics read next are exact up to the last burst (rule 12).  Main. */
void workers_fold_stats(void);
/* Waits (bounded) until each worker has drained what it had received before the call and main has
 * drained the slow path; for unixctl tests such as revalidator/wait. */
void workers_settle(void);

/* One row per cached flow: dpctl/dump-flows.  Main; rows of a moment, not a snapshot. */
struct flow_dump_row {
	struct of_key key, mask;
	uint64_t packets, bytes;
	int64_t used_ms;
	const struct plan *plan;
	uint32_t in_slot;
	unsigned worker;
	int core;               /* of a polling worker, -1: a sleeping one */
	bool is_sample;         /* 'key' is that of a packet, whole; else it has what 'mask' has */
};
void workers_dump_flows(void (*fn)(const struct flow_dump_row *, void *aux), void *aux);
void workers_purge_flows(void); /* revalidator/purge */
struct worker_totals {
	uint64_t hits, misses, lost, n_flows, n_masks;
	uint64_t remembered; /* misses that needed no translation (walk_memo.h) */
};
void workers_totals(struct worker_totals *); /* dpif/show, dpctl/show: "lookups: hit: missed: lost:" */

/* --- Slow path: bounded queues per (port, reason), served in turn (rule 15) --------- */
enum slow_reason { SLOW_CONTROLLER, SLOW_LEARN, SLOW_PROTOCOL, SLOW_N };
struct slow_ops {
	/* A packet-in: 'm' still belongs to the caller. 'full' key of the packet at that point. */
	void (*packet_in)(const struct packet_in_spec *, const struct rte_mbuf *m);
	/* Applies a learned flow now (adds, refreshes or deletes) and publishes. */
	void (*learn)(struct learned_flow *);
};
void slow_path_set_ops(const struct slow_ops *);
/* Who gets frames of a protocol that the switch speaks on this port (protocol_rx.h); 'm' belongs to the
 * caller.  If it returns false, the frame is for somebody else and goes on into the flow tables. */
typedef bool slow_protocol_fn(struct bridge *, of_port_t, uint8_t protocol, const struct rte_mbuf *m);
void slow_path_set_protocol(slow_protocol_fn *);
/* Drains at most 'budget' packets, round robin over ports; returns true if some are left. */
bool slow_path_run(unsigned budget);

#endif
