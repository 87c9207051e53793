/* SPDX-License-Identifier: Apache-2.0 */
/* What load.c and generate.c share. */
#ifndef WEFT_DNS_ZONE_LOAD_INTERNAL_H
#define WEFT_DNS_ZONE_LOAD_INTERNAL_H

#include "dns/zone/build_zone.h"
#include "dns/zone/lexer.h"

struct dns_load {
	struct dns_zone_builder builder;
	struct dns_lexer lexer; /* of the file being read */
	const char *path;       /* NULL: from memory */
	unsigned depth;         /* of $INCLUDE */
	struct dns_name origin, owner;
	struct ldns_struct_rdf *ldns_origin; /* the same, for names in data */
	bool have_owner, have_default_ttl, have_last_ttl;
	uint32_t default_ttl, last_ttl;
	uint8_t rdata[DNS_MESSAGE_MAX];
};

/* -EINVAL with "FILE:LINE: ..." of the entry being read. */
int dns_load_fail(const struct dns_load *, struct wf_err *, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int dns_load_file(struct dns_load *, const char *path, struct wf_err *);
/* 'rest' is "[TTL] [CLASS] TYPE DATA" and is cut up. */
int dns_load_record(struct dns_load *, const struct dns_name *owner, char *rest, struct wf_err *);
int dns_load_generate(struct dns_load *, char *rest, struct wf_err *);

#endif
