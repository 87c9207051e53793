/* SPDX-License-Identifier: Apache-2.0 */
/* For who has several look-ups to make in a table that does not stay in the caches: first
 * table_fetch_buckets() for each, then table_fetch_rules() for each, and what they wait for in memory
 * comes at the same time.  Nothing but speed depends on it.
 *
 * Threads: any reader between quiescent points. */
#ifndef WEFT_DATAPLANE_TABLE_AHEAD_H
#define WEFT_DATAPLANE_TABLE_AHEAD_H

#include "dataplane/rule.h"

#define TABLE_AHEAD 8 /* masks with many rules, those of the highest priorities */
struct table_ahead {
	unsigned n;
	uint32_t hash[TABLE_AHEAD];
	void *bucket[TABLE_AHEAD];
};

/* Has it, or had it, so many rules? */
bool table_is_large(const struct table *);
void table_fetch_buckets(const struct table *, const struct of_key *, struct table_ahead *);
void table_fetch_rules(const struct table_ahead *);

#endif
