/* SPDX-License-Identifier: Apache-2.0 */
/* One zone transfer in, on a thread of its own: query, answer, the new zone, its copy on disk.
 *
 *   main: dns_fetch_start(job) ... thread: TCP, build, save ... main: job->done(job)
 *
 * IXFR if there is a version of the zone; if the primary has no differences, or wrong ones, AXFR.
 * Threads: main starts and gets the result; at most DNS_FETCH_MAX run, others wait in their order,
 * but for the shares of their primaries. */
#ifndef WEFT_DNS_SERVER_FETCH_H
#define WEFT_DNS_SERVER_FETCH_H

#include <pthread.h>
#include <sys/socket.h>

#include "base/list.h"
#include "dns/answer/tsig.h"
#include "dns/zone/zone.h"

#define DNS_FETCH_MAX 8
/* Of one primary (its address), while others wait, and ever. */
#define DNS_FETCH_SHARE     2
#define DNS_FETCH_SHARE_MAX 6
/* A primary that sends nothing for so long has hung up. */
#define DNS_FETCH_IDLE_S 20
/* Who sends less than so many bytes in so many seconds is broken off. */
#define DNS_FETCH_PACE	 4096
#define DNS_FETCH_PACE_S 60

struct dns_fetch {
	/* By the caller. */
	struct dns_name apex;
	struct sockaddr_storage from;
	bool is_signed;
	struct dns_key key;
	struct dns_zone *have; /* a reference; NULL: none */
	char *file, *journal;  /* journal NULL: none is kept */
	uint64_t journal_size;
	uint64_t max_size; /* of what it builds */
	bool catalog; /* a broken catalog is no good answer */
	void (*done)(struct dns_fetch *); /* main; frees it */
	void *arg;
	/* The result. */
	int rc;
	struct wf_err err;     /* if rc */
	struct dns_zone *zone; /* a reference; NULL: 'have' is current */
	bool incremental;
	uint64_t size, n_records; /* of what came */
	struct wf_err save_err;   /* the copy could not be written */
	/* Its own. */
	struct wf_list node;
	int64_t since_ms; /* what came since is since_bytes */
	uint64_t since_bytes;
	pthread_t thread;
};

void dns_fetch_start(struct dns_fetch *);
/* Drops the references; for done(). */
void dns_fetch_free(struct dns_fetch *);
/* Ends those that run, with done(); none begins until dns_fetch_resume(). */
void dns_fetch_pause(void);
void dns_fetch_resume(void);
/* Ends those that run, without done(), and drops all. */
void dns_fetch_stop(void);

#endif
