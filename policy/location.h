/* SPDX-License-Identifier: Apache-2.0 */
/* Where a client is: address -> location, from three kinds of sources that are flattened at load.
 *
 *   own map       PREFIX REGION [key=value...]   (nested prefixes: the longest wins)   \
 *   MaxMind DBs   country, city, coordinates, ASN (one file or several)                 > loc_db
 *   RTT file      PREFIX SITE=MS...                                                    /    |
 *                                                                                           v
 *                         location -> class (policy/select.h) ---------------------->  loc_table
 *
 * A location is one combination of what the sources say; each attribute comes from the own map if
 * that has it, else from the first database that has it.  The table holds classes only: neighbours
 * of one class are one prefix, so that a scope is never finer than the policies need, and never
 * wrong: every address inside addr/scope has the same leaf, in gaps and under the default too.
 *
 * Ownership: both objects are immutable once made; a reload makes new ones and swaps (base/rcu.h).
 * Threads: any may read.  Loading takes no lock and logs nothing, so that it can be done in any
 * thread. A database is read through a copy in memory: who replaces or cuts the file meanwhile
 * hurts nobody.
 */
#ifndef WEFT_POLICY_LOCATION_H
#define WEFT_POLICY_LOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bpf/policy_lookup.h"
#include "policy/prefix.h"

#define LOC_MAX_MMDB 4

struct loc_rtt {
	const char *site; /* the name of a pool */
	float ms;
};

/* What is known of one location.  Strings belong to the loc_db. */
struct loc_info {
	const char *region;	 /* of the own map, or the default region; NULL if neither */
	const char *continent;	 /* "EU"; NULL if not known, as are the next three */
	const char *country;	 /* "DE", ISO 3166-1 */
	const char *subdivision; /* "US-CA", ISO 3166-2 */
	const char *city;	 /* "Berlin" */
	uint32_t asn;		 /* 0: not known */
	bool has_coords;
	double lat, lon; /* degrees */
	const struct loc_rtt *rtt;
	unsigned n_rtt;
};

/* One line of an own map, or one entry of the configuration. */
struct loc_entry {
	struct pol_prefix prefix;
	struct loc_info info;
	const char *file; /* or the path in the configuration */
	unsigned line;	  /* 0: no file */
};

struct loc_conf {
	const char *const *map_files;
	unsigned n_map_files;
	const struct loc_entry *entries; /* given in the configuration itself; strings are copied */
	unsigned n_entries;
	const char *const *mmdb_files; /* at most LOC_MAX_MMDB */
	unsigned n_mmdb_files;
	const char *rtt_file;	    /* NULL: none */
	const char *default_region; /* NULL: none */
};

struct loc_db;

/* Reads everything.  Returns NULL with 'err': FILE:LINE and what is wrong. */
struct loc_db *loc_db_load(const struct loc_conf *, struct wf_err *err);
/* The same for texts in memory (tests, fuzzing); either may be NULL. */
struct loc_db *loc_db_from_text(const char *map_text, const char *rtt_text,
				const char *default_region, struct wf_err *err);
void loc_db_free(struct loc_db *);

/* Locations are numbered 0 .. n - 1; 0 is "nothing known but the default". */
uint32_t loc_db_n_locations(const struct loc_db *);
const struct loc_info *loc_db_info(const struct loc_db *, uint32_t location);
uint32_t loc_db_n_prefixes(const struct loc_db *, int family); /* of the flattened map */

/* For 'why': what the sources say of one address.  O(log n), allocates nothing. */
struct loc_match {
	uint32_t location;
	struct pol_prefix prefix;	/* of the flattened map, before classes are merged */
	const struct loc_entry *own;	/* NULL: no line of the own map matched */
	const struct loc_entry *rtt;	/* NULL: no line of the RTT file matched */
	const char *mmdb[LOC_MAX_MMDB]; /* files that know the address, else NULL */
};
void loc_db_match(const struct loc_db *, const struct pol_addr *, struct loc_match *ret);

/* The compiled form: arrays that a BPF loader may copy as they are. */
struct loc_table {
	const __u32 *dir4;	/* 65536 */
	const __u32 *blocks4;	/* n_blocks4 * POL_BLOCK_ENTRIES */
	const __u32 *dir6;	/* 65537 */
	const __u64 *start6_hi; /* n6, as are the next two */
	const __u64 *start6_lo;
	const __u32 *leaf6;
	uint32_t n_blocks4, n6;
	uint32_t n_prefixes4; /* disjoint prefixes that dir4 and blocks4 stand for */
	uint32_t n_classes;   /* one above the largest class */
	uint32_t max_steps6;  /* of the worst look-up */
	size_t bytes;	      /* of all arrays */
};

/* class_of[location] for every location.  Returns NULL with 'err' only if the table would need more
 * than POL_LEAF_MAX blocks or classes.  Cost: one pass over the prefixes. */
struct loc_table *loc_table_new(const struct loc_db *, const uint32_t *class_of,
				struct wf_err *err);
void loc_table_free(struct loc_table *);

/* Per query: no lock, no allocation, at most three loads. */
static inline uint32_t
loc_find4(const struct loc_table *t, uint32_t addr)
{
	uint32_t leaf;

#define LOC_DIR4_(i)	  t->dir4[i]
#define LOC_BLOCK4_(b, i) t->blocks4[(size_t)(b)*POL_BLOCK_ENTRIES + (i)]
	POL_FIND4(leaf, addr, LOC_DIR4_, LOC_BLOCK4_);
#undef LOC_DIR4_
#undef LOC_BLOCK4_
	return leaf;
}

static inline uint32_t
loc_find6(const struct loc_table *t, uint64_t addr_hi, uint64_t addr_lo)
{
	uint32_t at;

#define LOC_DIR6_(i) t->dir6[i]
#define LOC_LESS_EQ_(i, h, l)                                                                      \
	(t->start6_hi[i] < (h) || (t->start6_hi[i] == (h) && t->start6_lo[i] <= (l)))
	POL_FIND6(at, addr_hi, addr_lo, LOC_DIR6_, LOC_LESS_EQ_);
#undef LOC_DIR6_
#undef LOC_LESS_EQ_
	return t->leaf6[at];
}

/* A client prefix shorter than the leaf gets the leaf of its first address; the scope, which is
 * then longer than the source, asks for more bits (RFC 7871 section 7.2.1). */
static inline uint32_t
loc_find(const struct loc_table *t, const struct pol_addr *a)
{
	return a->family == 4 ? loc_find4(t, a->hi >> 32) : loc_find6(t, a->hi, a->lo);
}

#endif
