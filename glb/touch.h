/* SPDX-License-Identifier: Apache-2.0 */
/* The programs find link-layer addresses but cannot ask for them: a datagram to the discard port makes the kernel
 * ask and keeps the answer fresh.  To nodes, 256 a call in turn, and to all gateways, by which ICMP too-big and the
 * answers of servers behind NAT go to clients.
 * Threads: one. */
#ifndef WEFT_GLB_TOUCH_H
#define WEFT_GLB_TOUCH_H

#include "glb/config.h"
#include "glb/placement.h"

void glb_touch_next_hops(const struct glb_config *, const struct placement *);

#endif
