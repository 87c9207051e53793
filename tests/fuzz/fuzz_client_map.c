// SPDX-License-Identifier: Apache-2.0
/* Own maps and RTT files (the first byte says which): a text gives a message with its line, or a
 * map in which each look-up agrees with the sources. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/location_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check_at(const struct loc_db *db, const struct loc_table *t, struct pol_addr a)
{
	uint32_t leaf = loc_find(t, &a);
	struct loc_match match;

	loc_db_match(db, &a, &match);
	if (pol_leaf_class(leaf) != match.location || !pol_prefix_has(&match.prefix, &a) ||
	    pol_leaf_scope(leaf) > match.prefix.len ||
	    (match.own && !pol_prefix_has(&match.own->prefix, &a)))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wf_err err = { "" };
	char *text;

	if (!size || !(text = malloc(size)))
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	bool rtt = data[0] == 'R';
	struct loc_db *db = loc_db_from_text(rtt ? NULL : text, rtt ? text : NULL, "default", &err);

	free(text);
	if (!db) {
		if (strncmp(err.text, rtt ? "rtt:" : "map:", 4))
			abort();
		return 0;
	}
	uint32_t n = loc_db_n_locations(db), *class_of = malloc(n * sizeof *class_of);

	for (uint32_t i = 0; class_of && i < n; i++)
		class_of[i] = i;
	struct loc_table *t = class_of ? loc_table_new(db, class_of, &err) : NULL;

	if (!t)
		abort();
	for (int family = 4; family <= 6; family += 2) {
		const struct loc_edges *edges = &db->edges[family == 6];

		for (size_t i = 0; i < edges->n && i < 100; i++) {
			struct pol_addr a = { edges->e[i].hi, edges->e[i].lo, family };

			check_at(db, t, a);
			/* The last address before the cut. */
			a.hi -= family == 4 ? 1ull << 32 : !a.lo;
			a.lo -= family == 6;
			check_at(db, t, a);
		}
	}
	loc_table_free(t);
	free(class_of);
	loc_db_free(db);
	return 0;
}
