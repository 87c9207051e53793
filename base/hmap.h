/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive chained hash map; the caller keeps the hash.  One thread, or a lock of
 * the caller's.  Grows by itself; keyed hashing is the caller's duty where a remote
 * party chooses the keys (base/hash.h).
 */
#ifndef WEFT_BASE_HMAP_H
#define WEFT_BASE_HMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct wf_hmap_node {
	struct wf_hmap_node *next;
	uint32_t hash;
};

struct wf_hmap {
	struct wf_hmap_node **buckets, *one;
	size_t mask, n;
};

void wf_hmap_init(struct wf_hmap *);
void wf_hmap_done(struct wf_hmap *); /* frees the buckets, not the nodes */
void wf_hmap_insert(struct wf_hmap *, struct wf_hmap_node *, uint32_t hash);
void wf_hmap_remove(struct wf_hmap *, struct wf_hmap_node *);
/* First node with 'hash', and the next one after 'node' with the same hash. */
struct wf_hmap_node *wf_hmap_first_with_hash(const struct wf_hmap *, uint32_t hash);
struct wf_hmap_node *wf_hmap_next_with_hash(const struct wf_hmap_node *);
struct wf_hmap_node *wf_hmap_first(const struct wf_hmap *);
struct wf_hmap_node *wf_hmap_next(const struct wf_hmap *, const struct wf_hmap_node *);

#define wf_hmap_for_each_with_hash(IT, MEMBER, HASH, MAP)                                      \
	for (struct wf_hmap_node *n_##IT = wf_hmap_first_with_hash(MAP, HASH);                 \
	     n_##IT ? (IT = wf_container(n_##IT, __typeof__(*IT), MEMBER), 1) : (IT = NULL, 0); \
	     n_##IT = wf_hmap_next_with_hash(n_##IT))
#define wf_hmap_for_each(IT, MEMBER, MAP)                                                      \
	for (struct wf_hmap_node *n_##IT = wf_hmap_first(MAP);                                 \
	     n_##IT ? (IT = wf_container(n_##IT, __typeof__(*IT), MEMBER), 1) : (IT = NULL, 0); \
	     n_##IT = wf_hmap_next(MAP, n_##IT))
/* The body may remove and free IT. */
#define wf_hmap_for_each_safe(IT, MEMBER, MAP)                                                 \
	for (struct wf_hmap_node *n_##IT = wf_hmap_first(MAP), *nn_##IT;                       \
	     n_##IT ? (IT = wf_container(n_##IT, __typeof__(*IT), MEMBER),                     \
		      nn_##IT = wf_hmap_next(MAP, n_##IT), 1)                                  \
		    : (IT = NULL, 0);                                                          \
	     n_##IT = nn_##IT)

#endif
