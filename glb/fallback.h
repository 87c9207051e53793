/* SPDX-License-Identifier: Apache-2.0 */
/* Which of its two pools serves a VIP with all-down fallback: its own, or, once nobody of that has been up for
 * hold-ms, the other.  It is its own again as soon as somebody is up.
 *
 * The answer is that of a pair of pools, not a VIP's: VIPs of one pool and one other pool fall back together.
 * Threads: main. */
#ifndef WEFT_GLB_FALLBACK_H
#define WEFT_GLB_FALLBACK_H

#include "glb/config.h"
#include "glb/health.h"

/* The daemon before this one left the VIP to its other pool: it stays there until its own is known of.  To be called
 * before the first glb_fallback_update(). */
void glb_fallback_restore(const struct glb_vip_config *);
/* Looks at health, once a second and when health changed; logs each change.  True: some VIP has another pool now. */
bool glb_fallback_update(const struct glb_config *, const struct glb_health *);
/* The pool that serves the VIP now, by name; and the other one, "" if it has only one. */
const char *glb_fallback_pool(const struct glb_vip_config *);
const char *glb_fallback_other(const struct glb_vip_config *);
void glb_fallback_done(void);

#endif
