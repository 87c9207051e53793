/* SPDX-License-Identifier: Apache-2.0 */
/* weft-dnsd as a whole: the configuration in force, the view that workers read, reload.
 *
 *   main thread                          workers (worker.h), one a core
 *   configuration, zones -> new view     epoll: UDP bursts, TCP connections
 *   publish by one pointer  ---------->  take the pointer once a burst
 *
 * Threads: main only, but for dns_server_view(). */
#ifndef WEFT_DNS_SERVER_SERVER_H
#define WEFT_DNS_SERVER_SERVER_H

#include "base/loop.h"
#include "dns/answer/answer.h"
#include "dns/server/config.h"

struct dns_server {
	char *conf_path;
	struct dns_conf *conf;
	struct dns_worker **workers;
	unsigned n_workers;
	struct dns_limiter *limiter;
	struct dns_sign_cache *sign_cache; /* NULL: no zone was ever signed here */
	struct pol_health *health; /* NULL: no policies were ever configured */
	struct wf_timer catalogs;  /* set when one has changed */
	struct wf_timer files;     /* looks whether files of the policies changed */
	uint8_t cookie_secret[2][16]; /* drawn at start, for a configuration without */
	uint64_t n_reloads, n_reloads_failed;
	bool files_failed; /* said once */
	int64_t loaded_wall_ms;
	struct dns_counters before; /* by the processes that handed over to this one */
	char *last_error; /* of the last reload; NULL: it went well */
};
extern struct dns_server dns_server;

/* What workers answer from; in an RCU read section. */
extern struct dns_view *_Atomic dns_server_view_;
static inline const struct dns_view *
dns_server_view(void)
{
	return __atomic_load_n((struct dns_view **)&dns_server_view_, __ATOMIC_ACQUIRE);
}

/* Certificate and key of TLS; in an RCU read section.  NULL: TLS was never configured. */
extern struct dns_tls *_Atomic dns_server_tls_;
static inline struct dns_tls *
dns_server_tls(void)
{
	return __atomic_load_n((struct dns_tls **)&dns_server_tls_, __ATOMIC_ACQUIRE);
}

/* Loads everything, opens the sockets, starts the workers. */
int dns_server_start(const char *conf_path, struct wf_err *);
/* Reads all again.  On any error the old data stays in force.  'report' gets warnings. */
int dns_server_reload(struct wf_str *report, struct wf_err *);
void dns_server_catalog_changed(void);
void dns_server_stop(void);
/* A start beside a process that hands over (handover.h) leaves out what there is one of: this does it. */
void dns_server_finish_start(void);
/* Another process has taken over: all but the workers ends, and nothing that it has is taken down. */
void dns_server_leave(void);
/* Sums over the workers. */
void dns_server_counters(struct dns_counters *);

/* presign.c: a thread of low priority that signs what was not asked for yet, and renews what ends. */
void dns_presign_start(void);
void dns_presign_wake(void); /* there is a new view */
void dns_presign_stop(void);

void dns_ctl_init(void); /* ctl.c: unixctl commands */
void dns_metrics_text(struct wf_str *); /* metrics.c */

#endif
