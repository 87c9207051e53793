/* SPDX-License-Identifier: Apache-2.0 */
/* Workers from inside: worker.c (threads), worker_queues.c (who polls what), worker_stats.c,
 * main_execute.c.  The list of workers and of queues is main's; a worker sees its own struct and
 * the queue set that main published for it. */
#ifndef WEFT_DATAPLANE_WORKER_INTERNAL_H
#define WEFT_DATAPLANE_WORKER_INTERNAL_H

#include "dataplane/cache.h"
#include "dataplane/run.h"
#include "dataplane/worker.h"

struct rxq {
	struct port *port;
	unsigned qid;
	/* Main's. */
	struct worker *worker;  /* NULL: nobody can serve it */
	unsigned place;         /* index in the worker's set */
	uint64_t since;         /* version of the set in which it got that place */
	int fd;
	int affinity;           /* core or, if not polled, number of a worker; -1: none */
	uint64_t rate;          /* cycles of the last interval, to balance by */
	uint64_t last_cycles;
	struct rxq *next;
	/* Written by the worker. */
	_Atomic uint64_t packets, cycles;
};

struct rxq_set { /* immutable; holes are NULL */
	uint64_t version;       /* unique, above 0 */
	unsigned n;
	struct rxq *q[];
};

struct worker {
	struct runner rn;
	unsigned index;         /* 1 and up; main is 0 */
	bool polling;
	int core, numa;         /* -1: any */
	char name[16];
	pthread_t thread;
	int epoll_fd, event_fd; /* sleeping workers */
	struct rxq_set *_Atomic queues;
	_Atomic bool stop;
	uint64_t clock_tsc, clock_cycles; /* when a polling worker read the clock, and for how long it holds */
	/* Requests: main raises the first, the worker follows with the second. */
	_Atomic uint32_t purge_asked, purge_done;
	_Atomic uint32_t settle_asked, settle_done;
	_Atomic uint64_t n_rx, idle_cycles, busy_cycles, n_flows;
	uint64_t folded_bursts; /* main's: how many were done when its cache was folded last */
	/* Main's: what pmd-stats-clear subtracts. */
	struct worker_base {
		uint64_t n_rx, recirc, hits, misses, lost, tx_packets, tx_batches, idle, busy;
	} base;
	struct worker *next;
};

extern struct worker *worker_list; /* main's, by index */
extern struct runner main_runner;

void worker_wake(struct worker *);
/* worker_queues.c */
struct rxq_set *queues_empty_set(void);
void queues_of_worker_gone(struct worker *); /* before it is joined: its queues find others */
void queues_place_all(void);                 /* those that nobody serves */
void queues_even_out_later(void);         /* after workers came or went */
void queues_done(void);
/* worker.c */
struct worker *worker_start(bool polling, int core, int numa);
bool workers_want_polling(void);  /* makes the default polling workers, once */
/* main_execute.c */
void main_runner_init(void);
void main_runner_done(void);
void main_run_pass(struct pass *, struct rte_mbuf *owned);
/* worker_stats.c */
void stats_worker_gone(struct worker *);

#endif
