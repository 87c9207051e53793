/* SPDX-License-Identifier: Apache-2.0 */
/* The importer of gdnsd's configuration, between its files. */
#ifndef WEFT_DNS_IMPORT_GDNSD_INTERNAL_H
#define WEFT_DNS_IMPORT_GDNSD_INTERNAL_H

#include "dns/import/internal.h"

/* What a resource is here: pools, in the order of failover, or sharing clients by weight. */
struct gdnsd_set {
	const char **pools;
	unsigned *weights; /* if 'share' */
	size_t n;
	bool share;
	unsigned state_s; /* shortest time in which the state of one of them can change; 0: it does not */
};

/* A record's "plugin!resource", for which there is a policy. */
struct gdnsd_policy {
	const char *what, *name;
	unsigned state_s;
};

struct gdnsd {
	struct dns_import *in;
	struct imp_tree t;
	struct imp_value *root;
	json_t *zone; /* that is read */
	unsigned default_ttl;
	struct gdnsd_policy *policies;
	size_t n_policies;
	struct imp_nets nets; /* of all maps */
	/* Resources whose pools are there; of a datacenter without one the plugin is empty. */
	struct gdnsd_made {
		const char *plugin, *resource;
		struct gdnsd_set set;
	} *made;
	size_t n_made;
	unsigned depth; /* of references */
};

/* The name of a service type's probe, which is made; NULL: there is nothing to ask.  'state_s' is set if the state
 * can change. */
const char *gdnsd_probe(struct gdnsd *, const struct imp_value *ref, const char *service, unsigned *state_s);

/* gdnsd_resource.c.  Values that are searched from the inside out for settings. */
struct gdnsd_scope {
	const struct imp_value *map;
	const struct gdnsd_scope *outer;
};
/* False, with a note: it can't be taken over. */
bool gdnsd_resource(struct gdnsd *, const struct imp_value *at, const char *plugin, const char *resource,
		    struct gdnsd_set *ret);
/* One datacenter of a metafo or geoip resource. */
bool gdnsd_datacenter(struct gdnsd *, const struct imp_value *value, const char *name, const struct gdnsd_scope *,
		      struct gdnsd_set *ret);

/* gdnsd_geoip.c.  Databases and nets of all maps. */
void gdnsd_maps(struct gdnsd *);
/* NULL, with a note: it can't be taken over. */
const struct gdnsd_policy *gdnsd_policy(struct gdnsd *, const struct imp_value *at, const char *what);

#endif
