/* SPDX-License-Identifier: Apache-2.0 */
/* The way of probes through tunnels: a socket's packets to a VIP reach one site or server, as the traffic does.
 *
 *   socket (mark M, our address) --rule, table M--> TUN device --read--> GRE with the pool's key --> the node
 *   answers come straight to our address, as they would to a client
 *
 * Which node: by the socket's port, which is told here before the socket connects.
 * Threads: main. */
#ifndef WEFT_GLB_PROBE_PATH_H
#define WEFT_GLB_PROBE_PATH_H

#include "base/err.h"
#include "glb/config.h"

/* Opens it, or takes the addresses of a new configuration.  0, or a negative errno with 'err'. */
int glb_probe_path_open(const struct glb_config *, struct wf_err *);
void glb_probe_path_close(void);
/* Gives the socket an address and port of ours and leads it to 'node'.  'family' 4 or 6 is the VIP's.  0 or a
 * negative errno. */
int glb_probe_path_steer(int fd, int family, uint32_t pool_id, const struct in6_addr *node);

#endif
