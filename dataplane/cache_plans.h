/* SPDX-License-Identifier: Apache-2.0 */
/* The plans of one cache, each kept once: a hundred thousand flows through a few rules then
 * need a few plans, which stay in the processor's cache.  The worker's alone. */
#ifndef WEFT_DATAPLANE_CACHE_PLANS_H
#define WEFT_DATAPLANE_CACHE_PLANS_H

#include "dataplane/plan.h"
#include "dataplane/view.h"

struct plan_set {
	/* Open addressing; the hashes are here so that plans that differ are not looked at. */
	struct plan_slot {
		struct plan *plan; /* NULL: free */
		uint32_t hash;
	} *slots;
	uint32_t mask, n;
};

void plan_set_done(struct plan_set *);
/* For a new entry: the plan that does the same as 'p', or 'p' itself, counted as used by one entry
 * more.  Takes over the caller's reference, gives one back. */
struct plan *plan_set_use(struct plan_set *, struct plan *p, const struct view *);
/* The plan that plan_derive() would make for a new entry, if there is one that is fresh: a reference.
 * Else NULL. */
struct plan *plan_set_find(struct plan_set *, const struct plan *body, const struct plan_step *,
			   uint32_t n_steps, struct rule *const *, uint32_t n_rules,
			   const struct view *);
/* An entry lets go of its plan; the reference is still its own. */
void plan_set_unuse(struct plan_set *, struct plan *);

#endif
