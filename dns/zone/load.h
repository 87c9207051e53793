/* SPDX-License-Identifier: Apache-2.0 */
/* From a zone file to a zone.  The syntax of files ($ORIGIN, $TTL, $INCLUDE, $GENERATE, owners,
 * times) is read here; the data of a record by ldns, but for addresses.
 *
 * Threads: any one thread; it blocks on the disk.
 */
#ifndef WEFT_DNS_ZONE_LOAD_H
#define WEFT_DNS_ZONE_LOAD_H

#include "base/buf.h"
#include "dns/zone/zone.h"

struct dns_zone_builder;
/* Called when the file was read, for what does not stand in it. */
typedef int dns_zone_more_fn(void *arg, struct dns_zone_builder *, struct wf_err *);

/* Reads the file at 'path'.  Returns 0 and the zone (one reference), or a negative errno with
 * "FILE:LINE: what" in 'err'.  'more' may be NULL.  'warnings' (may be NULL) gets one line each for what is odd but served. */
int dns_zone_load(const struct dns_name *apex, const char *path, dns_zone_more_fn *more, void *arg,
		  struct dns_zone **ret, struct wf_str *warnings, struct wf_err *err);
/* The same from memory; 'name' stands for the file in messages; $INCLUDE is refused. */
int dns_zone_load_text(const struct dns_name *apex, const char *name, const char *text, size_t size,
		       struct dns_zone **ret, struct wf_str *warnings, struct wf_err *err);

/* 0, or -EINVAL and why no zone may have records of this type. */
int dns_load_check_type(unsigned type, struct wf_err *);
/* Record types by their names, TYPE123 included; 0 if unknown. */
unsigned dns_type_from_text(const char *);
/* "AAAA", "TYPE1234"; in a per-thread buffer. */
const char *dns_type_text(unsigned type);
const char *dns_rcode_text(unsigned rcode);

#endif
