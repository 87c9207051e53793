/* SPDX-License-Identifier: Apache-2.0 */
/* Zones that come from other servers: when to ask for a new serial (SOA refresh and retry, NOTIFY),
 * when to fetch it, and when a zone is too old to be served (SOA expire; RFC 1034 section 4.3.5).
 *
 *   refresh, retry or NOTIFY -> SOA query over UDP -> newer: fetch (fetch.h) -> the view's slot
 *
 * Threads: main; workers only say that NOTIFY came. */
#ifndef WEFT_DNS_SERVER_SECONDARY_H
#define WEFT_DNS_SERVER_SECONDARY_H

#include "base/buf.h"
#include "dns/server/config.h"

/* Before a view is published: takes up the zones that have primaries, and tells the view whom its
 * workers wake. */
void dns_secondary_configure(const struct dns_conf *, struct dns_view *);
/* When it is: forgets those that were not in it. */
void dns_secondary_sweep(void);
/* A line a zone: serial, from where, when it is asked next; 'name' NULL: all. */
void dns_secondary_show(struct wf_str *);
/* Asks the primaries now.  NULL: of all zones.  False: no such zone. */
bool dns_secondary_refresh(const struct dns_name *);
/* All that is served has a copy on disk that another process may read, else 'err' names one. */
bool dns_secondary_is_saved(struct wf_err *err);
/* Ends transfers; nothing is written, and none begins, until dns_secondary_resume(). */
void dns_secondary_pause(void);
void dns_secondary_resume(void);
void dns_secondary_stop(void); /* no worker may run any more */

#endif
