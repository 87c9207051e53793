/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses this host attracts: a routing table of the kernel that a BGP speaker reads.
 *
 *   role edge    a route to each VIP that somebody can serve
 *   role local   a route to the tunnel end of the site, while somebody can serve any of its pools
 *
 * The table is in no rule, so it does not change what this host itself does.  Routes are withdrawn when all is
 * down for hold-ms (but VIPs with all-down keep), when an operator says so, and before the data path is removed;
 * not when the daemon ends, since the data path goes on.
 * Threads: main. */
#ifndef WEFT_GLB_ANNOUNCE_H
#define WEFT_GLB_ANNOUNCE_H

#include "base/buf.h"
#include "glb/config.h"
#include "glb/health.h"

/* Makes the table what configuration, health and operator want; logs each change.  Called once a second and when
 * health changed. */
void glb_announce_update(const struct glb_config *, const struct glb_health *);
/* An operator's word, "" for all; withdrawn addresses stay so until said otherwise.  -ENOENT: none of ours. */
int glb_announce_set(const struct glb_config *, const char *address, bool announce);
/* Lines "ADDRESS announced|withdrawn (why)"; 'plain': only the announced ones, "ADDRESS/LEN". */
void glb_announce_show(const struct glb_config *, bool plain, struct wf_str *);
/* Withdraws all, from whatever table; for weft-glb --remove. */
void glb_announce_remove(const struct glb_config *);

#endif
