/* SPDX-License-Identifier: Apache-2.0 */
/* The importer of Knot's configuration, between its files. */
#ifndef WEFT_DNS_IMPORT_KNOT_INTERNAL_H
#define WEFT_DNS_IMPORT_KNOT_INTERNAL_H

#include "dns/import/internal.h"

enum geo_mode { GEO_SUBNET, GEO_GEODB, GEO_WEIGHTED };

/* A name of a file of mod-geoip.  What a client that nothing matches gets is the zone's own set. */
struct geo_name {
	const char *owner; /* absolute, lower case */
	json_t *zone, *policy; /* NULL: is not taken over */
	const char *pool;      /* prefix of its pools' names */
	enum geo_mode mode;
	const struct imp_value *module, *views;
	/* Of the zone file. */
	const char **a, **aaaa;
	size_t n_a, n_aaaa;
	const char *cname;
	unsigned ttl;
};

struct knot {
	struct dns_import *in;
	struct imp_tree t;
	struct imp_value *root;
	struct geo_name *names;
	size_t n_names;
	bool takes_subnets; /* client subnets in queries count */
	struct imp_nets nets; /* of names in mode subnet, a map each */
};

/* Names of the zone in a module's file. */
void knot_geo_zone(struct knot *, const struct imp_value *module, json_t *zone, const char *apex);
/* A record of a zone file; true if it is one that is chosen. */
bool knot_geo_record(void *knot, const struct imp_record *);
/* Pools and policies, when all zones have been read. */
void knot_geo_put(struct knot *);

#endif
