/* SPDX-License-Identifier: Apache-2.0 */
/* Counters in Prometheus' text format over HTTP, at /metrics, in libmicrohttpd's own thread: 16 connections of 10
 * seconds at most.
 *
 * One server a process.  'fn' appends the text; it is called in that thread, under wf_metrics_lock(), which the main
 * thread holds while it replaces what 'fn' reads (if it does).  The rest is for the main thread.
 * Link with 'base_http': not all daemons listen. */
#ifndef WEFT_BASE_METRICS_HTTP_H
#define WEFT_BASE_METRICS_HTTP_H

#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"

/* Listens there (AF_INET or AF_INET6) from now on, or nowhere (NULL).  -EADDRINUSE with 'err': as before. */
int wf_metrics_listen(const struct sockaddr_storage *, void (*fn)(struct wf_str *), struct wf_err *);
void wf_metrics_stop(void);
void wf_metrics_lock(void);
void wf_metrics_unlock(void);

/* A name="value" with what the format wants escaped. */
void wf_metrics_label(struct wf_str *, const char *name, const char *value);

#endif
