/* SPDX-License-Identifier: Apache-2.0 */
/* What a look-up in one table needed to see of a key: the narrowest mask that Open vSwitch would
 * come to, for trace and dumps.
 *
 *   stages:   a subtable's words by layer (metadata, link, network, transport).  A key that agrees
 *             with no rule in the first layers is a miss whatever the others hold.
 *   prefixes: of the fields that Flow_Table:prefixes names, the lengths that rules have.  A key that
 *             agrees with no prefix of a subtable's length is a miss, for which the bits up to the
 *             first that differs from every prefix suffice.
 *   ports:    of a subtable, both L4 ports as one prefix, where only they made the difference.
 *
 * Workers do not use it: the flow cache compares whole words (docs/architecture.md).
 * Threads: that of the look-up; built from all rules when first asked for.
 */
#ifndef WEFT_DATAPLANE_CLASSIFIER_NARROW_H
#define WEFT_DATAPLANE_CLASSIFIER_NARROW_H

#include "openflow/field.h"
#include "openflow/match.h"

#define NARROW_MAX_FIELDS 3       /* that Flow_Table:prefixes may name */
#define NARROW_MAX_RULES 20000    /* of a table; above that masks stay wide: it takes too long */

struct narrow_fields {
	uint8_t n;
	uint16_t field[NARROW_MAX_FIELDS]; /* enum of_field_id; at most 128 bits each */
};

/* What Open vSwitch takes where the column is empty. */
#define NARROW_DEFAULT_FIELDS ((struct narrow_fields){ 2, { OF_F_IPV4_DST, OF_F_IPV4_SRC } })

struct narrow;

struct narrow *narrow_new(const struct narrow_fields *);
void narrow_free(struct narrow *);
bool narrow_has_fields(const struct narrow *, const struct narrow_fields *);

/* The subtables in any order, and all rules of each; then narrow_ready(). */
unsigned narrow_add_subtable(struct narrow *, const uint8_t *words, const uint64_t *masks,
			     unsigned n_words);
void narrow_add_rule(struct narrow *, unsigned subtable, const struct of_match *);
void narrow_ready(struct narrow *);

/* One look-up; 'wc' gets the bits. */
struct narrow_walk {
	const struct narrow *narrow;
	const struct of_key *key;
	struct of_key *wc;
	struct {
		bool done, relevant;
		unsigned n_bits;
		uint64_t lens[3];
	} field[NARROW_MAX_FIELDS];
};
void narrow_begin(struct narrow_walk *, const struct narrow *, const struct of_key *,
		  struct of_key *wc);
/* May a rule of the subtable match?  If so the caller searches it and calls narrow_end(). */
bool narrow_may_match(struct narrow_walk *, unsigned subtable);
void narrow_end(struct narrow_walk *, unsigned subtable, bool found);

#endif
