/* SPDX-License-Identifier: Apache-2.0 */
/* Records into a zone that is being made: add each, then finish.  Used by the loader and by
 * transfers. */
#ifndef WEFT_DNS_ZONE_BUILD_ZONE_H
#define WEFT_DNS_ZONE_BUILD_ZONE_H

#include "base/buf.h"
#include "dns/zone/dnssec.h"
#include "dns/zone/zone.h"

struct dns_zone_builder {
	struct dns_zone *zone;
	struct dns_arena records; /* until finish */
	size_t n_out_of_zone;
	uint64_t max_size; /* bytes that it may take while it is made; 0: any */
	/* Of a zone that is signed here (zone/dnssec.h); NULL: it is not. */
	struct dns_keyset *keys;
	enum dns_denial denial;
	struct wf_str *warnings;
};

void dns_zone_builder_init(struct dns_zone_builder *, const struct dns_name *apex,
			   struct wf_str *warnings);
/* Drops an unfinished zone. */
void dns_zone_builder_done(struct dns_zone_builder *);
/* 'rdata' has uncompressed names.  Returns 0, -EINVAL with the reason (no place in it), -EFBIG behind
 * 'max_size', or 1: the owner is not in the zone and the record was left out. */
int dns_zone_builder_add(struct dns_zone_builder *, const struct dns_name *owner, unsigned type,
			 uint32_t ttl, const uint8_t *rdata, size_t rdlen, struct wf_err *);
/* The set of this type is chosen by policy, the choice of this number (answer/chosen.h); the file must
 * not have one. */
int dns_zone_builder_add_chosen(struct dns_zone_builder *, const struct dns_name *owner,
				unsigned type, uint32_t ttl, uint32_t choice, struct wf_err *);
/* The zone is signed with these keys, of which it gets a reference: adds DNSKEY, CDS and CDNSKEY. */
int dns_zone_builder_sign(struct dns_zone_builder *, struct dns_keyset *, enum dns_denial,
			  uint32_t now_s, struct wf_err *);
/* Checks the zone as a whole and makes its images. */
int dns_zone_builder_finish(struct dns_zone_builder *, struct dns_zone **ret, struct wf_err *);
/* The same data; names in it whatever their case, in the types where they may be compressed. */
bool dns_rdata_equal(unsigned type, const uint8_t *a, size_t na, const uint8_t *b, size_t nb);
/* What the code that reads data relies on. */
bool dns_rdata_is_valid(unsigned type, const uint8_t *, size_t len);

#endif
