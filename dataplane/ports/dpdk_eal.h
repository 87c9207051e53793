/* SPDX-License-Identifier: Apache-2.0 */
/* DPDK's environment (EAL): started at most once, and only by a port or an option that needs it.
 * Threads: main. */
#ifndef WEFT_DATAPLANE_PORTS_DPDK_EAL_H
#define WEFT_DATAPLANE_PORTS_DPDK_EAL_H

#include <stdbool.h>

#include "base/err.h"
#include "dataplane/ports/port.h"

struct rte_mempool;

/* Is EAL running? */
bool dpdk_is_running(void);

/* Starts EAL if it does not run.  -EPERM if other_config:dpdk-init=false forbids it; a start that
 * failed is not tried again (EAL cannot), the error is the same each time. */
int dpdk_start(struct wf_err *);

/* Packet buffers of 2 kB for what DPDK receives; NULL when memory is out.  After dpdk_start(). */
struct rte_mempool *dpdk_pool(void);

/* Memory comes in huge pages (else: 4 kB pages and a fixed limit). */
bool dpdk_has_huge_pages(void);

/* Where sockets of dpdkvhostuser ports are: RUNDIR, or other_config:vhost-sock-dir below it. */
const char *dpdk_vhost_socket_dir(void);

#endif
