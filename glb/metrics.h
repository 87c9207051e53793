/* SPDX-License-Identifier: Apache-2.0 */
/* Counters in Prometheus' text format over HTTP, in libmicrohttpd's own thread.
 *
 * 'fn' appends the text; it is called in that thread, under glb_metrics_lock(), which the main thread holds while
 * it replaces what 'fn' reads. */
#ifndef WEFT_GLB_METRICS_H
#define WEFT_GLB_METRICS_H

#include <netinet/in.h>

#include "base/buf.h"
#include "base/err.h"

/* Listens there from now on, or nowhere (port 0).  -EADDRINUSE and the like: as before. */
int glb_metrics_listen(const struct in6_addr *address, uint16_t port, void (*fn)(struct wf_str *), struct wf_err *);
void glb_metrics_stop(void);
void glb_metrics_lock(void);
void glb_metrics_unlock(void);

/* A name="value" with what the format wants escaped. */
void glb_metrics_label(struct wf_str *, const char *name, const char *value);

#endif
