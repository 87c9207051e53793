/* SPDX-License-Identifier: Apache-2.0 */
/* Inside a loc_db: its sources as layers, and what the loaders share. */
#ifndef WEFT_POLICY_LOCATION_INTERNAL_H
#define WEFT_POLICY_LOCATION_INTERNAL_H

#include "base/hmap.h"
#include "policy/edges.h"
#include "policy/location.h"

enum {
	LOC_LAYER_OWN,
	LOC_LAYER_RTT,
	LOC_LAYER_MMDB,
	LOC_MAX_LAYERS = LOC_LAYER_MMDB + LOC_MAX_MMDB
};

/* One source: cuts of both families, whose values are 1 + an index of 'entries' (own map, RTT) or
 * of 'records' (MaxMind). */
struct loc_layer {
	struct loc_edges edges[2]; /* IPv4, IPv6 */
	struct loc_entry *entries;
	size_t n_entries, entries_allocated;
	struct loc_info *records;
	size_t n_records, records_allocated;
	const char *file;
};

struct loc_db {
	struct wf_hmap strings; /* every string once */
	struct loc_layer layers[LOC_MAX_LAYERS];
	unsigned n_layers;
	const char *default_region;
	/* Location i is the combination tuples[i * LOC_MAX_LAYERS ...] of layer values. */
	struct wf_hmap by_tuple;
	uint32_t *tuples;
	struct loc_info *infos;
	uint32_t n_locations, locations_allocated;
	struct loc_edges edges[2]; /* the flattened map: values are locations */
};

static inline int
loc_family_index(int family)
{
	return family == 6;
}

/* The same text gives the same pointer; NULL gives NULL. */
const char *loc_db_string(struct loc_db *, const char *);
/* A new entry with a copy of the strings of 'from'; not visible before loc_layer_flatten(). */
struct loc_entry *loc_layer_add(struct loc_db *, struct loc_layer *, const struct loc_entry *from);
/* Sorts and flattens the entries.  -EINVAL if a prefix is there twice. */
int loc_layer_flatten(struct loc_layer *, struct wf_err *);

/* Loaders.  Each returns 0, or a negative errno with FILE:LINE. */
int loc_map_parse(struct loc_db *, struct loc_layer *, const char *file, const char *text, bool rtt,
		  struct wf_err *);
int loc_map_read(struct loc_db *, struct loc_layer *, const char *file, bool rtt, struct wf_err *);
int loc_mmdb_read(struct loc_db *, struct loc_layer *, const char *file, struct wf_err *);

#endif
