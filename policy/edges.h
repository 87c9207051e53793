/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted cuts of the address space: how the sources of locations are flattened.
 *
 * An edge says "from this address on the value is v", up to the next edge.  The first edge is at
 * address 0, so the whole space is covered; the value 0 means "nothing".  Neighbours differ in
 * value. Only the loaders use this; one thread, the caller owns the arrays.
 */
#ifndef WEFT_POLICY_EDGES_H
#define WEFT_POLICY_EDGES_H

#include <stddef.h>
#include <stdint.h>

#include "policy/prefix.h"

struct loc_edge {
	uint64_t hi, lo;
	uint32_t value;
};

struct loc_edges {
	struct loc_edge *e;
	size_t n, allocated;
};

void loc_edges_init(struct loc_edges *); /* one edge: all is 0 */
void loc_edges_done(struct loc_edges *);
/* Addresses come in rising order; one that is equal to the last replaces its value. */
void loc_edges_put(struct loc_edges *, uint64_t hi, uint64_t lo, uint32_t value);
/* The index of the edge that covers an address.  O(log n). */
size_t loc_edges_find(const struct loc_edges *, uint64_t hi, uint64_t lo);
/* The address after the last one of a prefix; false if there is none. */
bool loc_prefix_next(const struct pol_prefix *, uint64_t *hi, uint64_t *lo);

/* Values of nested prefixes of one family, sorted by (address, length), without equals: inside, the
 * longest counts.  O(n). */
struct loc_nested {
	struct pol_prefix prefix;
	uint32_t value;
};
void loc_edges_from_nested(struct loc_edges *, const struct loc_nested *, size_t n);

/* Calls fn for the fewest disjoint prefixes, in order, that cover the space of 'family' with the
 * values. */
void loc_edges_prefixes(const struct loc_edges *, int family,
			void (*fn)(void *arg, const struct pol_prefix *, uint32_t value),
			void *arg);

#endif
