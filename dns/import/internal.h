/* SPDX-License-Identifier: Apache-2.0 */
/* What both importers make their output with. */
#ifndef WEFT_DNS_IMPORT_INTERNAL_H
#define WEFT_DNS_IMPORT_INTERNAL_H

#include "dns/import/import.h"
#include "dns/import/tree.h"
#include "policy/prefix.h"

/* At the line of 'v'. */
void imp_note(struct dns_import *, const struct imp_value *v, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void imp_note_at(struct dns_import *, const char *file, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* 'text' with what no name may have replaced, made at most 63 long. */
const char *imp_name(struct imp_tree *, const char *text);
/* The list or object 'key' of 'o', made if it is not there. */
json_t *imp_list(json_t *o, const char *key);
json_t *imp_object(json_t *o, const char *key);
/* The object of that name in a list, or NULL; a new one at the end. */
json_t *imp_find(json_t *list, const char *name);
json_t *imp_add(json_t *list, const char *name);
void imp_set(json_t *o, const char *key, const char *text);
void imp_set_int(json_t *o, const char *key, json_int_t);
/* Appends a string, once. */
void imp_append(json_t *list, const char *text);

/* A name is an alias for all clients or has addresses for all: pools of targets in a policy that has addresses too
 * are taken out, with a note. */
void imp_unmix(struct dns_import *, const struct imp_value *at, json_t *policy);

bool imp_is_ipv4(const char *);
bool imp_is_ipv6(const char *);

/* A file that is written beside the configuration. */
struct imp_file *imp_file_new(struct dns_import *, const char *name);

/* zone_file.c: a record of a zone file, which goes to the output unless the function returns true. */
struct imp_record {
	const char *owner; /* absolute */
	const char *type, *data; /* first word of it; of a CNAME absolute */
	unsigned max_ttl, min_ttl; /* gdnsd's MAX/MIN; MIN is half of MAX if it is not there */
	const char *file;
	unsigned line;
};
typedef bool imp_record_fn(void *arg, const struct imp_record *);

/* 'zone' is absolute, with the dot at the end.  'expands': @Z and @F are names, as gdnsd has it. */
int imp_zone_file(struct imp_tree *, const char *file, const char *zone, unsigned default_ttl, bool expands,
		  struct wf_str *out, imp_record_fn *, void *arg, struct wf_err *);

/* nets.c: prefixes that several maps have something to say of, as regions of one own map.  A region stands for what
 * each map says of an address: itself, or by the net around it. */
struct imp_net {
	struct pol_prefix prefix;
	size_t map, order;
	const char *label;	       /* nets of one map with the same label are alike */
	const struct imp_value *value;
};
struct imp_region {
	const char *name;
	const struct imp_net **nets; /* of each map; NULL: it says nothing */
};
struct imp_nets {
	struct imp_net *nets;
	size_t n, n_maps;
	struct imp_region *regions;
	size_t n_regions;
};
void imp_nets_add(struct imp_nets *, const struct pol_prefix *, size_t map, const char *label, const struct imp_value *);
/* Writes nets.map if there are any; 'nets' stays in use by the regions. */
void imp_nets_put(struct dns_import *, struct imp_tree *, struct imp_nets *);
void imp_nets_done(struct imp_nets *);

#endif
