/* SPDX-License-Identifier: Apache-2.0 */
/* The search structure of one table: tuple space search over the masks of its RULES (traffic
 * adds none), with priority pruning, versions and partition stamps.
 *
 *   classifier -> ranks: the masks, highest max_priority first (immutable, RCU)
 *   subtable   =  one mask; buckets of one cache line: tags of the hash, and chains of rules with
 *                 that masked key
 *   partition  =  stamps by the hash of the key under a mask that most rules share, so that a
 *                 change makes only those plans stale that it may touch (rule 3)
 *
 * Cost of a look-up: for each mask a hash and one line that is fetched ahead, until the best rule's
 * priority is not below the next mask's max_priority; the rule.  classifier_internal.h tells how.
 *
 * What is put in is found by look-ups once classifier_stamp() was called, as it is before a version is
 * published.
 *
 * Threads: main edits; any reader between quiescent points.
 */
#ifndef WEFT_DATAPLANE_CLASSIFIER_H
#define WEFT_DATAPLANE_CLASSIFIER_H

#include "dataplane/classifier_narrow.h"
#include "dataplane/rule.h"
#include "dataplane/table_ahead.h"

struct classifier;

struct classifier *classifier_new(void);
void classifier_free(struct classifier *); /* no readers any more */

void classifier_insert(struct classifier *, struct rule *);
void classifier_unlink(struct classifier *, struct rule *);
/* Before a run of unlinks: 'rule' will be among them. */
void classifier_prefetch_unlink(const struct classifier *, const struct rule *);
/* After a run of unlinks: look-ups pass over masks without rules again. */
void classifier_settle(struct classifier *);
/* Notes that the answer for keys of this rule changes with the next published version. */
void classifier_touch(struct classifier *, const struct rule *);
/* The same for all keys. */
void classifier_touch_all(struct classifier *);
/* Before a version is published: stores it in the stamps that were touched. */
void classifier_stamp(struct classifier *, uint64_t version);

struct rule *classifier_find(const struct classifier *, const struct of_match *, uint32_t priority,
			     uint64_t version);
/* The same for any thread that passes quiescent points. */
struct rule *classifier_find_shared(const struct classifier *, const struct of_match *,
				    uint32_t priority, uint64_t version);
struct rule *classifier_find_overlap(struct classifier *, const struct of_match *,
				     uint32_t priority, uint64_t version);
void classifier_for_each(struct classifier *, const struct of_match *pattern, uint64_t version,
			 bool (*fn)(struct rule *, void *aux), void *aux);
struct rule *classifier_lookup(struct classifier *, const struct of_key *, uint64_t version,
			       uint32_t *conj_id, struct plan_step *);
/* The same, with the spare bits that the answer depends on (rule.h). */
unsigned classifier_lookup_spare(struct classifier *, const struct of_key *, uint64_t version,
				 struct rule **rule, struct plan_step *steps, uint64_t *needed);
/* The same for text: ors into 'wc' what the look-up had to see (classifier_narrow.h). */
struct rule *classifier_lookup_wc(struct classifier *, const struct of_key *, uint64_t version,
				  uint32_t *conj_id, struct plan_step *,
				  const struct narrow_fields *, struct of_key *wc);
/* table_is_large() and so on. */
bool classifier_is_large(const struct classifier *);
void classifier_fetch_buckets(struct classifier *, const struct of_key *, struct table_ahead *);
void classifier_fetch_rules(const struct table_ahead *);
/* The rules of the masks that hold the pattern's. */
unsigned classifier_n_candidates(struct classifier *, const struct of_match *pattern);
unsigned classifier_n_masks(const struct classifier *);
size_t classifier_memory(const struct classifier *);

#endif
