/* SPDX-License-Identifier: Apache-2.0 */
/* Near which destinations there are rules with longer prefixes than most: elsewhere what was found does not
 * depend on the last bits of an address. */
#include "dataplane/classifier_internal.h"

#include <stdlib.h>

#include "base/rcu.h"

#define FIRST_LINES 16u
#define RULES_PER_LINE 2u
#define GROWTH 8u
static_assert(FIRST_LINES * GROWTH * GROWTH * GROWTH == NEAR_MAX_LINES, "it grows up to there");

enum near
near_of_mask(const struct masked_word *words, unsigned n_words)
{
	uint64_t dst4 = 0, high6 = 0, low6 = 0;

	for (unsigned i = 0; i < n_words; i++) {
		if (words[i].word == DST4_WORD)
			dst4 = words[i].mask;
		else if (words[i].word == DST6_WORD)
			high6 = words[i].mask;
		else if (words[i].word == DST6_WORD + 1)
			low6 = words[i].mask;
	}
	if (!(dst4 & DST4_LOW) && !low6)
		return NEAR_NONE;
	if (!low6 && (dst4 & DST4_HIGH) == DST4_HIGH)
		return NEAR_4;
	return !(dst4 & DST4_LOW) && high6 == UINT64_MAX ? NEAR_6 : NEAR_ANY;
}

static uint64_t
hash_of_rule(enum near kind, const struct rule *r)
{
	unsigned i = 0;

	of_words_for_each(w, &r->match->words) {
		if (w == near_word(kind))
			return near_hash(kind, r->match->data[i]);
		i++;
	}
	abort(); /* near_of_mask() found the word there */
}

static void
count(struct near_set *s, uint64_t hash, int n)
{
	unsigned at[2];
	_Atomic uint16_t *counts = near_counts(s, hash, at);

	for (unsigned i = 0; i < 2; i++) {
		uint16_t c = atomic_load_explicit(&counts[at[i]], memory_order_relaxed);

		if (c != UINT16_MAX)
			atomic_store_explicit(&counts[at[i]], (uint16_t)(c + n),
					      memory_order_relaxed);
	}
}

static void
count_all(struct near_set *s, const struct subtable *st)
{
	uint64_t slots = subtable_slots(st);

	for (uint32_t i = 0; i <= slots_mask(slots); i++)
		for (unsigned way = 0; way < WAYS; way++) {
			const struct rule *r = atomic_load_explicit(
				&slots_buckets(slots)[i].head[way], memory_order_relaxed);

			for (; r; r = atomic_load_explicit(&((struct rule *)r)->cls_next,
							   memory_order_relaxed))
				count(s, hash_of_rule(st->near, r), 1);
		}
}

static struct near_set *
grow(struct classifier *cls, struct near_set *old)
{
	uint32_t n = old ? old->n_lines * GROWTH : FIRST_LINES;
	size_t size = sizeof(struct near_set) + n * 64ull;
	struct near_set *s = aligned_alloc(64, size);
	struct subtable *st;

	if (!s)
		abort();
	memset(s, 0, size);
	s->n_lines = n;
	wf_hmap_for_each(st, node, &cls->by_mask)
		if (st->near == NEAR_4 || st->near == NEAR_6)
			count_all(s, st);
	atomic_store_explicit(&cls->near, s, memory_order_release);
	if (old)
		wf_rcu_free(old);
	return s;
}

void
near_count(struct classifier *cls, const struct subtable *st, const struct rule *r, int n)
{
	struct near_set *s = atomic_load_explicit(&cls->near, memory_order_relaxed);

	if (st->near == NEAR_NONE || st->near == NEAR_ANY)
		return;
	if (n > 0 && (!s || (cls->n_near >= s->n_lines * RULES_PER_LINE &&
			     s->n_lines < NEAR_MAX_LINES)))
		s = grow(cls, s);
	cls->n_near += (uint32_t)n;
	count(s, hash_of_rule(st->near, r), n);
}
