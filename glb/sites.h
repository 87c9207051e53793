/* SPDX-License-Identifier: Apache-2.0 */
/* Role edge: which site serves a client of a VIP that has a policy (policy/select.h).
 *
 *   pool "web" by policy "near" -> struct pol of its own: a pool for each of its sites, of one member
 *     ranked without state   -> who may have flows of (class, draw): all edges agree (glb rules, 2)
 *     chosen with state      -> who gets new flows now
 *     chosen lately          -> who UDP asks, too
 *
 * What comes out are the slots that the programs read.  Threads: main. */
#ifndef WEFT_GLB_SITES_H
#define WEFT_GLB_SITES_H

#include "base/buf.h"
#include "glb/config.h"
#include "glb/datapath.h"
#include "glb/placement.h"
#include "policy/policy.h"

struct glb_sites;

/* 'old' (may be NULL) gives location data that did not change and the history of slots; where it has none the document's counts:
 * who had slots of a site by their weights before.  NULL with 'err'. */
struct glb_sites *glb_sites_new(const struct glb_config *, const struct placement *, const struct glb_sites *old,
				struct wf_err *);
/* The history of slots that the daemon before us left in the maps: 'read' has the form of glb_datapath_read_place(). */
void glb_sites_take_history(struct glb_sites *, int64_t remember_ms,
			    bool (*read)(void *arg, uint32_t pool, uint32_t n_classes, struct glb_site_slot *ret), void *arg);
void glb_sites_free(struct glb_sites *);
/* By index of the pool; NULL where the document's table counts. */
const struct glb_place *const *glb_sites_places(const struct glb_sites *);
/* Takes state from 'health', whose pools are sites and whose members are pools; calls fn for each place whose
 * slots changed. */
void glb_sites_update(struct glb_sites *, const struct pol *health,
		      void (*fn)(void *arg, uint32_t pool, const struct glb_place *), void *arg);
/* Histories grow old: a site that was first before 'remember_ms' no longer is asked by UDP. */
void glb_sites_forget(struct glb_sites *, int64_t remember_ms,
		      void (*fn)(void *arg, uint32_t pool, const struct glb_place *), void *arg);
bool glb_sites_files_changed(const struct glb_sites *);
/* Why this client goes where it goes; nothing if the pool has no policy. */
void glb_sites_why(const struct glb_sites *, uint32_t pool, const struct in6_addr *client, unsigned draw,
		   struct wf_str *);

#endif
