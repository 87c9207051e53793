/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker calls for each query: (policy, leaf of the client, draw) -> answer set.
 *
 *   leaf = loc_find(pol_table(pol), &client);             once a query (policy/location.h)
 *   set = pol_choose(policy, leaf, &client, draw, &scope); once a policy
 *
 * Threads: any, on the read side of RCU; two loads, no lock, no allocation.  What is read is
 * immutable but for 'view', which main swaps when health or load changes.
 */
#ifndef WEFT_POLICY_CHOOSE_H
#define WEFT_POLICY_CHOOSE_H

#include <stdint.h>

#include "bpf/policy_lookup.h"
#include "policy/prefix.h"

#define POL_SET_NONE 0 /* the empty answer set: nothing may be answered (all-down "none") */

/* One state of health and load, compiled: rows[row_of_class[class]][draw] is an answer set. */
struct pol_view {
	uint64_t generation; /* of this policy: rises with each change */
	uint32_t n_rows;
	uint16_t rows[][POL_DRAWS];
};

/* The part of a policy that workers read.  'row_of_class' and the rest but 'view' never change. */
struct pol_hot {
	const struct pol_view *view; /* published with release */
	const uint16_t *row_of_class;
	uint32_t n_classes;
	uint64_t sticky_key;
	uint8_t sticky_len4, sticky_len6; /* 0: the draw is the caller's */
	uint8_t sticky;
	uint8_t uses_location; /* 0: one row; the leaf does not matter, nor does it limit the scope
				*/
};

/* The draw that counts: of the client's prefix if the policy is sticky, else what the caller drew
 * at random. */
static inline unsigned
pol_draw(const struct pol_hot *p, const struct pol_addr *client, unsigned random_draw)
{
	if (!p->sticky)
		return random_draw & (POL_DRAWS - 1);
	return pol_draw_sticky(client->hi, client->lo,
			       client->family == 4 ? p->sticky_len4 : p->sticky_len6,
			       p->sticky_key);
}

/* Returns the answer set, below the policy's number of sets.  '*scope': each client inside
 * client/scope gets this set for the same random draw (dns-rules 10: the longer of leaf and sticky
 * prefix). */
static inline unsigned
pol_choose(const struct pol_hot *p, uint32_t leaf, const struct pol_addr *client,
	   unsigned random_draw, unsigned *scope)
{
	const struct pol_view *v = __atomic_load_n(&p->view, __ATOMIC_ACQUIRE);
	uint32_t row = 0;
	unsigned s = 0;

	if (p->uses_location) {
		row = p->row_of_class[pol_leaf_class(leaf)];
		s = pol_leaf_scope(leaf);
	}
	if (p->sticky) {
		unsigned len = client->family == 4 ? p->sticky_len4 : p->sticky_len6;

		s = len > s ? len : s;
	}
	*scope = s;
	return v->rows[row][pol_draw(p, client, random_draw)];
}

#endif
