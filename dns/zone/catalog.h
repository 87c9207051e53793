/* SPDX-License-Identifier: Apache-2.0 */
/* Catalog zones (RFC 9432): a zone whose PTR records name the zones to serve.
 * Threads: any; reads a zone. */
#ifndef WEFT_DNS_ZONE_CATALOG_H
#define WEFT_DNS_ZONE_CATALOG_H

#include "dns/zone/zone.h"

typedef int dns_catalog_fn(void *arg, const struct dns_name *member, struct wf_err *);

/* Calls fn for each member, in the order of the zone's table; what it returns, if not 0, ends the
 * reading.  'fn' NULL: only checks.  Returns 0, or -EINVAL and the reason why the catalog is broken
 * (section 5.1): no version 2, a member that is named twice or by two PTR records at one node. */
int dns_catalog_read(const struct dns_zone *, dns_catalog_fn *fn, void *arg, struct wf_err *);

#endif
