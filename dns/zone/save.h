/* SPDX-License-Identifier: Apache-2.0 */
/* A zone and the deltas that lead to it, on disk.  Both files are replaced as a whole.
 * Threads: any; it blocks on the disk. */
#ifndef WEFT_DNS_ZONE_SAVE_H
#define WEFT_DNS_ZONE_SAVE_H

#include "base/err.h"
#include "dns/zone/zone.h"

/* A zone file that dns_zone_load() reads as the same zone; chosen sets are left out. */
int dns_zone_save(const struct dns_zone *, const char *path, struct wf_err *);

/* The journal: the zone's deltas, each with a checksum. */
int dns_journal_save(const struct dns_zone *, const char *path, struct wf_err *);
/* Gives the zone, which has no deltas, what the journal has for its serial.  Returns 0, -ENOENT if there is no journal,
 * -ESTALE if it leads to another serial, -EINVAL if it is damaged; then the zone has no deltas. */
int dns_journal_load(struct dns_zone *, const char *path, struct wf_err *);

#endif
