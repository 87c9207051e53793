/* SPDX-License-Identifier: Apache-2.0 */
/* Do the loaded programs do what the document says?  A packet for a VIP of each kind (address family, protocol, prefix, policy,
 * QUIC) goes through the program of each role (BPF_PROG_TEST_RUN), before any device has it: an edge and a local balancer have to
 * send it to the node that the document names, whole, in that node's encapsulation, a host has to deliver it.
 *
 * What is no fault of the program is not taken for one: no route or neighbour yet, a limit, a deny list, a pool that nobody
 * serves, a node that is this host.  These packets are counted as all others.
 * Threads: main. */
#ifndef WEFT_GLB_SELFTEST_H
#define WEFT_GLB_SELFTEST_H

#include "glb/datapath.h"

/* After glb_datapath_apply() of the same arguments.  Returns 0, or -EIO with 'err': role, VIP, what became of the packet. */
int glb_selftest(struct glb_datapath *, const struct glb_config *, const struct placement *,
		 const struct glb_place *const *by_pool, struct wf_err *);

#endif
