// SPDX-License-Identifier: Apache-2.0
#include "policy/location.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "policy/location_internal.h"

struct string {
	struct wf_hmap_node node;
	char text[];
};

struct tuple {
	struct wf_hmap_node node;
	uint32_t location;
};

const char *
loc_db_string(struct loc_db *db, const char *text)
{
	if (!text)
		return NULL;
	uint32_t hash = wf_hash_str(text, 0);
	struct string *s;

	wf_hmap_for_each_with_hash (s, node, hash, &db->strings)
		if (!strcmp(s->text, text))
			return s->text;
	size_t size = strlen(text) + 1;

	s = wf_xmalloc(sizeof *s + size);
	memcpy(s->text, text, size);
	wf_hmap_insert(&db->strings, &s->node, hash);
	return s->text;
}

struct loc_entry *
loc_layer_add(struct loc_db *db, struct loc_layer *layer, const struct loc_entry *from)
{
	if (layer->n_entries == layer->entries_allocated) {
		layer->entries_allocated =
			layer->entries_allocated ? layer->entries_allocated * 2 : 16;
		layer->entries = wf_xrealloc(layer->entries,
					     layer->entries_allocated * sizeof *layer->entries);
	}
	struct loc_entry *e = &layer->entries[layer->n_entries++];

	*e = *from;
	e->file = loc_db_string(db, from->file);
	e->info.region = loc_db_string(db, from->info.region);
	e->info.continent = loc_db_string(db, from->info.continent);
	e->info.country = loc_db_string(db, from->info.country);
	e->info.subdivision = loc_db_string(db, from->info.subdivision);
	e->info.city = loc_db_string(db, from->info.city);
	if (from->info.n_rtt) {
		struct loc_rtt *rtt = wf_xmemdup(from->info.rtt, from->info.n_rtt * sizeof *rtt);

		for (unsigned i = 0; i < from->info.n_rtt; i++)
			rtt[i].site = loc_db_string(db, rtt[i].site);
		e->info.rtt = rtt;
	}
	return e;
}

static int
entry_cmp(const void *a_, const void *b_)
{
	const struct loc_entry *a = a_, *b = b_;

	if (a->prefix.addr.family != b->prefix.addr.family)
		return a->prefix.addr.family - b->prefix.addr.family;
	int cmp = pol_addr_cmp(&a->prefix.addr, &b->prefix.addr);
	if (cmp)
		return cmp;
	return a->prefix.len != b->prefix.len ? a->prefix.len - b->prefix.len
					      : (a->line > b->line) - (a->line < b->line);
}

int
loc_layer_flatten(struct loc_layer *layer, struct wf_err *err)
{
	struct loc_nested *nested = wf_xmalloc((layer->n_entries + 1) * sizeof *nested);
	size_t n[2] = { 0, 0 };
	int rc = 0;

	if (layer->n_entries)
		qsort(layer->entries, layer->n_entries, sizeof *layer->entries, entry_cmp);
	for (size_t i = 0; i < layer->n_entries; i++) {
		const struct loc_entry *e = &layer->entries[i], *before = e - 1;

		if (i && before->prefix.addr.family == e->prefix.addr.family &&
		    before->prefix.len == e->prefix.len &&
		    !pol_addr_cmp(&before->prefix.addr, &e->prefix.addr)) {
			char text[POL_PREFIX_STRLEN];

			rc = wf_err(err, -EINVAL, "%s:%u: %s is in %s:%u already; keep one of them",
				    e->file, e->line, pol_prefix_format(&e->prefix, text),
				    before->file, before->line);
			goto out;
		}
		/* IPv4 sorts first, so both families lie in one array. */
		nested[i] = (struct loc_nested){ e->prefix, i + 1 };
		n[loc_family_index(e->prefix.addr.family)]++;
	}
	loc_edges_from_nested(&layer->edges[0], nested, n[0]);
	loc_edges_from_nested(&layer->edges[1], nested + n[0], n[1]);
out:
	free(nested);
	return rc;
}

/* Fills what 'to' lacks.  Coordinates are taken whole. */
static void
info_merge(struct loc_info *to, const struct loc_info *from)
{
	to->region = to->region ? to->region : from->region;
	to->continent = to->continent ? to->continent : from->continent;
	to->country = to->country ? to->country : from->country;
	to->subdivision = to->subdivision ? to->subdivision : from->subdivision;
	to->city = to->city ? to->city : from->city;
	to->asn = to->asn ? to->asn : from->asn;
	if (!to->has_coords && from->has_coords) {
		to->has_coords = true;
		to->lat = from->lat;
		to->lon = from->lon;
	}
	if (!to->n_rtt) {
		to->rtt = from->rtt;
		to->n_rtt = from->n_rtt;
	}
}

/* The number of the location that is this combination; a new one if need be. */
static uint32_t
intern_tuple(struct loc_db *db, const uint32_t values[LOC_MAX_LAYERS])
{
	size_t size = LOC_MAX_LAYERS * sizeof *values;
	uint32_t hash = wf_hash_bytes(values, size, 0);
	struct tuple *t;

	wf_hmap_for_each_with_hash (t, node, hash, &db->by_tuple)
		if (!memcmp(&db->tuples[(size_t)t->location * LOC_MAX_LAYERS], values, size))
			return t->location;
	if (db->n_locations == db->locations_allocated) {
		db->locations_allocated =
			db->locations_allocated ? db->locations_allocated * 2 : 64;
		db->tuples = wf_xrealloc(db->tuples, db->locations_allocated * size);
		db->infos = wf_xrealloc(db->infos, db->locations_allocated * sizeof *db->infos);
	}
	uint32_t location = db->n_locations++;
	struct loc_info info = { .region = NULL };

	memcpy(&db->tuples[(size_t)location * LOC_MAX_LAYERS], values, size);
	for (unsigned i = 0; i < db->n_layers; i++) {
		const struct loc_layer *layer = &db->layers[i];

		if (values[i])
			info_merge(&info, layer->records ? &layer->records[values[i] - 1]
							 : &layer->entries[values[i] - 1].info);
	}
	if (!info.region)
		info.region = db->default_region;
	db->infos[location] = info;
	t = wf_xmalloc(sizeof *t);
	t->location = location;
	wf_hmap_insert(&db->by_tuple, &t->node, hash);
	return location;
}

/* One walk along the cuts of all layers. */
static void
combine(struct loc_db *db, int f)
{
	size_t at[LOC_MAX_LAYERS] = { 0 };
	uint32_t values[LOC_MAX_LAYERS] = { 0 };
	uint64_t hi = 0, lo = 0;

	for (bool more = true; more;) {
		const struct loc_edge *next = NULL;

		for (unsigned i = 0; i < db->n_layers; i++) {
			const struct loc_edges *edges = &db->layers[i].edges[f];

			/* Take the layer's edge if it is here, then look at its next one. */
			if (at[i] < edges->n && edges->e[at[i]].hi == hi &&
			    edges->e[at[i]].lo == lo)
				values[i] = edges->e[at[i]++].value;
			if (at[i] == edges->n)
				continue;
			const struct loc_edge *e = &edges->e[at[i]];

			if (!next || e->hi < next->hi || (e->hi == next->hi && e->lo < next->lo))
				next = e;
		}
		loc_edges_put(&db->edges[f], hi, lo, intern_tuple(db, values));
		more = next;
		if (next) {
			hi = next->hi;
			lo = next->lo;
		}
	}
}

static struct loc_db *
db_new(const char *default_region)
{
	static const uint32_t nothing[LOC_MAX_LAYERS];
	struct loc_db *db = wf_xzalloc(sizeof *db);

	wf_hmap_init(&db->strings);
	wf_hmap_init(&db->by_tuple);
	for (int f = 0; f < 2; f++) {
		for (unsigned i = 0; i < LOC_MAX_LAYERS; i++)
			loc_edges_init(&db->layers[i].edges[f]);
		loc_edges_init(&db->edges[f]);
	}
	db->n_layers = LOC_LAYER_MMDB;
	db->default_region = loc_db_string(db, default_region);
	intern_tuple(db, nothing);
	return db;
}

/* All layers are read: makes the rest of 'db', or frees it and returns NULL. */
static struct loc_db *
db_finish(struct loc_db *db, int rc, struct wf_err *err)
{
	for (unsigned i = 0; i < LOC_LAYER_MMDB && !rc; i++)
		rc = loc_layer_flatten(&db->layers[i], err);
	if (rc) {
		loc_db_free(db);
		return NULL;
	}
	combine(db, 0);
	combine(db, 1);
	return db;
}

struct loc_db *
loc_db_load(const struct loc_conf *conf, struct wf_err *err)
{
	struct loc_db *db = db_new(conf->default_region);
	int rc = 0;

	for (unsigned i = 0; i < conf->n_entries; i++)
		loc_layer_add(db, &db->layers[LOC_LAYER_OWN], &conf->entries[i]);
	for (unsigned i = 0; i < conf->n_map_files && !rc; i++)
		rc = loc_map_read(db, &db->layers[LOC_LAYER_OWN], conf->map_files[i], false, err);
	if (!rc && conf->rtt_file)
		rc = loc_map_read(db, &db->layers[LOC_LAYER_RTT], conf->rtt_file, true, err);
	if (!rc && conf->n_mmdb_files > LOC_MAX_MMDB)
		rc = wf_err(err, -EINVAL, "%u MaxMind databases; at most %d can be used together",
			    conf->n_mmdb_files, LOC_MAX_MMDB);
	for (unsigned i = 0; i < conf->n_mmdb_files && !rc; i++)
		rc = loc_mmdb_read(db, &db->layers[db->n_layers++], conf->mmdb_files[i], err);
	return db_finish(db, rc, err);
}

struct loc_db *
loc_db_from_text(const char *map_text, const char *rtt_text, const char *default_region,
		 struct wf_err *err)
{
	struct loc_db *db = db_new(default_region);
	int rc = 0;

	if (map_text)
		rc = loc_map_parse(db, &db->layers[LOC_LAYER_OWN], "map", map_text, false, err);
	if (!rc && rtt_text)
		rc = loc_map_parse(db, &db->layers[LOC_LAYER_RTT], "rtt", rtt_text, true, err);
	return db_finish(db, rc, err);
}

void
loc_db_free(struct loc_db *db)
{
	struct string *s;
	struct tuple *t;

	if (!db)
		return;
	for (unsigned i = 0; i < LOC_MAX_LAYERS; i++) {
		struct loc_layer *layer = &db->layers[i];

		for (size_t j = 0; j < layer->n_entries; j++)
			free((void *)layer->entries[j].info.rtt);
		free(layer->entries);
		free(layer->records);
		loc_edges_done(&layer->edges[0]);
		loc_edges_done(&layer->edges[1]);
	}
	wf_hmap_for_each_safe (s, node, &db->strings)
		free(s);
	wf_hmap_done(&db->strings);
	wf_hmap_for_each_safe (t, node, &db->by_tuple)
		free(t);
	wf_hmap_done(&db->by_tuple);
	loc_edges_done(&db->edges[0]);
	loc_edges_done(&db->edges[1]);
	free(db->tuples);
	free(db->infos);
	free(db);
}

uint32_t
loc_db_n_locations(const struct loc_db *db)
{
	return db->n_locations;
}

const struct loc_info *
loc_db_info(const struct loc_db *db, uint32_t location)
{
	return &db->infos[location];
}

static void
count_prefix(void *n_, const struct pol_prefix *p, uint32_t value)
{
	uint32_t *n = n_;

	++*n;
}

uint32_t
loc_db_n_prefixes(const struct loc_db *db, int family)
{
	uint32_t n = 0;

	loc_edges_prefixes(&db->edges[loc_family_index(family)], family, count_prefix, &n);
	return n;
}

struct finding {
	const struct pol_addr *addr;
	struct pol_prefix found;
};

static void
find_prefix(void *f_, const struct pol_prefix *p, uint32_t value)
{
	struct finding *f = f_;

	if (value && pol_prefix_has(p, f->addr))
		f->found = *p;
}

void
loc_db_match(const struct loc_db *db, const struct pol_addr *addr, struct loc_match *ret)
{
	int f = loc_family_index(addr->family);
	const struct loc_edges *edges = &db->edges[f];
	size_t at = loc_edges_find(edges, addr->hi, addr->lo);

	*ret = (struct loc_match){ .location = edges->e[at].value };
	for (unsigned i = 0; i < db->n_layers; i++) {
		const struct loc_layer *layer = &db->layers[i];
		uint32_t value = layer->edges[f]
					 .e[loc_edges_find(&layer->edges[f], addr->hi, addr->lo)]
					 .value;

		if (!value)
			continue;
		if (i == LOC_LAYER_OWN)
			ret->own = &layer->entries[value - 1];
		else if (i == LOC_LAYER_RTT)
			ret->rtt = &layer->entries[value - 1];
		else
			ret->mmdb[i - LOC_LAYER_MMDB] = layer->file;
	}

	/* The prefix that holds the address, out of those between this edge and the next: cut the
	 * two edges out and split them, with the values 1 inside and 0 outside. */
	struct loc_edge cut[3] = { { 0, 0, 0 } };
	struct loc_edges part = { cut, 0, 3 };
	struct finding finding = { .addr = addr };

	if (at)
		cut[part.n++] = (struct loc_edge){ 0, 0, 0 };
	cut[part.n++] = (struct loc_edge){ edges->e[at].hi, edges->e[at].lo, 1 };
	if (at + 1 < edges->n)
		cut[part.n++] = (struct loc_edge){ edges->e[at + 1].hi, edges->e[at + 1].lo, 0 };
	loc_edges_prefixes(&part, addr->family, find_prefix, &finding);
	ret->prefix = finding.found;
}
