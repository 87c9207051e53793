/* SPDX-License-Identifier: Apache-2.0 */
/* Who is up: policy/health.h over the sites (role edge) and servers (role local) of the document.
 *
 *   role edge    target SITE/POOL     probed through the tunnel to the site's balancers
 *   role local   target POOL/SERVER   probed through the tunnel to the server
 *                target SITE/POOL     what this balancer tells edges and name servers of its own site
 *
 * A node is dead here when all of its targets are down, and takes no new flows when one is down or drains.
 * Threads: main. */
#ifndef WEFT_GLB_HEALTH_H
#define WEFT_GLB_HEALTH_H

#include "glb/config.h"
#include "glb/placement.h"
#include "policy/health.h"

struct glb_health;

/* 'changed' is called from the loop, after states changed. */
struct glb_health *glb_health_new(void (*changed)(void *));
void glb_health_free(struct glb_health *);
/* Takes configuration and document; targets that stay keep their state.  On failure all is as it was.  'document_before': the document
 * of the last call, which had the same configuration and succeeded; nothing is done if nobody else is to be probed.  NULL:
 * not known. */
int glb_health_apply(struct glb_health *, const struct glb_config *, const struct placement *,
		     const struct placement *document_before, struct wf_err *);
/* State of sites for the choice by place; pools are sites, members are pools of the document. */
const struct pol *glb_health_pol(const struct glb_health *);

/* Calls fn for each node that has targets: GLB_NODE_DEAD, GLB_NODE_DRAIN or 0, and of 256 slots those whose new
 * flows others get. */
void glb_health_nodes(const struct glb_health *, void (*fn)(void *arg, uint32_t node, unsigned flags, unsigned shed),
		      void *arg);
/* True while no probe of the node has said anything, but one will. */
bool glb_health_is_awaited(const struct glb_health *, uint32_t node);
/* False: no one can serve this pool, as seen by the roles of this host. */
bool glb_health_pool_is_up(const struct glb_health *, const char *pool);
/* True while nothing is known yet of some site or server of the pool that has a probe. */
bool glb_health_pool_is_awaited(const struct glb_health *, const char *pool);
/* An operator's word on a node.  -ENOENT: it has no targets here. */
enum glb_mark { GLB_MARK_UP, GLB_MARK_DRAIN, GLB_MARK_DEAD };
int glb_health_mark(struct glb_health *, uint32_t node, enum glb_mark);
/* Role local, once a second: tells edges of this site.  'rate' is of a pool's packets. */
void glb_health_report(struct glb_health *, double (*rate)(void *arg, const char *pool), void *arg);

#endif
