/* SPDX-License-Identifier: Apache-2.0 */
/* From a configuration to the view that it describes.  Threads: one at a time; it blocks on the disk.
 */
#ifndef WEFT_DNS_SERVER_VIEW_LOAD_H
#define WEFT_DNS_SERVER_VIEW_LOAD_H

#include "dns/server/config.h"

/* Loads all zones into a new view.  Zones whose files are as they were for 'old' (may be NULL), and
 * those that came by transfer, are taken over from it; of a zone with primaries and without a copy
 * there is no data yet.  The members of catalogs are added to the configuration.  'warnings' may be
 * NULL.  The cookie secrets, the limiter and what NOTIFY wakes are left to the caller. */
int dns_view_load(struct dns_conf *, const struct dns_view *old, struct dns_view **ret,
		  struct wf_str *warnings, struct wf_err *);
/* All files that it was loaded from are as they were, those that another process may have written included. */
bool dns_view_is_current(const struct dns_conf *, const struct dns_view *);
/* Called when the answers of a policy change, before and after; the daemon sets it. */
extern void (*dns_view_on_policy)(bool after);
/* Reads a configuration and its zones as a start would; warnings and errors go to stderr, the sum to
 * stdout.  Returns the exit code. */
int dns_conf_check(const char *path);

#endif
