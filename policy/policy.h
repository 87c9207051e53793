/* SPDX-License-Identifier: Apache-2.0 */
/* What name server and balancer share, as one object: the map of clients, pools, policies and their
 * compiled tables, built of checked configuration (yang/weft-policy.yang).
 *
 *   pol_build(conf, folder, old, &pol, &err)     beside the old one; the old one stays untouched
 *   ... publish what uses 'pol' ...              (the caller's view, one pointer)
 *   pol_free(old)                                after a grace period
 *
 * Health: policy/health.h probes and feeds; it writes into the pol that it was given.
 * Threads: main, unless a function says otherwise (policy/choose.h is for workers).
 */
#ifndef WEFT_POLICY_POLICY_H
#define WEFT_POLICY_POLICY_H

#include <jansson.h>

#include "base/err.h"
#include "policy/select.h"

/* 'conf' is the object in which a module put "uses policy:policy-config"; member names are those of
 * the grouping.  Relative file names are below 'folder' (NULL: the working directory).  From 'old'
 * (may be NULL) come the health and load of members of the same pool and name (an operator's drain
 * comes back by pol_health_apply()), and the location data if no file of it changed.  Returns 0, or
 * a negative errno with 'err' (path, value, rule, way out) and nothing made. */
int pol_build(const json_t *conf, const char *folder, const struct pol *old, struct pol **ret,
	      struct wf_err *err);
/* NULL is fine.  No reader may be left. */
void pol_free(struct pol *);
/* True if a file that the location data came from is not what was read: time to build again. */
bool pol_files_changed(const struct pol *);

#endif
