/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the host's own stack from handling what a packet socket took: a tc ingress program that
 * drops.  Packet sockets see a frame before tc ingress does, so we still get everything; and since
 * nobody else keeps the skb, the kernel need not clone it.  Main thread. */
#ifndef WEFT_DATAPLANE_PORTS_TAKE_OVER_H
#define WEFT_DATAPLANE_PORTS_TAKE_OVER_H

struct take_over;

/* NULL if the kernel cannot (no clsact or BPF); the port works all the same. */
struct take_over *take_over_start(int ifindex);
void take_over_end(struct take_over *); /* NULL is fine */

#endif
