/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups: a key through the subtables, and conjunctions. */
#include "dataplane/classifier_internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "openflow/action.h"

/* --- One subtable ---------------------------------------------------------------------- */

struct probe {
	uint64_t slots;
	struct rule_bucket *bucket; /* the key's own; NULL: there is one chain */
	uint32_t hash;
	unsigned ways;         /* bit set of those with its tag */
};

static inline uint32_t
hash_of(const struct rank *k, const uint64_t *key, uint64_t common)
{
	uint64_t h = k->has_common ? common : 0;

	if (likely(k->n_own <= RANK_WORDS)) {
		for (unsigned i = 0; i < k->n_own; i++)
			h ^= hash_word(k->word[i], key[k->word[i]] & k->mask[i]);
	} else {
		const struct masked_word *w = k->st->words;

		h = 0;
		for (unsigned i = 0; i < k->n_words; i++, w++)
			h ^= hash_word(w->word, key[w->word] & w->mask);
	}
	return hash_end(h);
}

static inline void
find_bucket(struct rank *k, const uint64_t *key, uint64_t common, struct probe *p)
{
	p->hash = hash_of(k, key, common);
	p->slots = atomic_load_explicit(&k->slots, memory_order_acquire);
	if (slots_is_one(p->slots)) {
		p->bucket = NULL;
	} else {
		p->bucket = slots_buckets(p->slots) + (p->hash & slots_mask(p->slots));
		__builtin_prefetch(p->bucket);
	}
}

static inline unsigned
ways_of(struct rule_bucket *b, uint32_t hash)
{
	return bucket_matches(atomic_load_explicit(&b->tags[0], memory_order_acquire),
			      atomic_load_explicit(&b->tags[1], memory_order_acquire),
			      tag_of(hash));
}

static inline void
fetch_rule(const struct rank *k, struct probe *p)
{
	if (!p->bucket) {
		if (p->hash == k->one_hash)
			rule_prefetch_lookup(slots_one(p->slots));
		return;
	}
	p->ways = ways_of(p->bucket, p->hash);
	if (p->ways)
		rule_prefetch_lookup(atomic_load_explicit(&p->bucket->head[__builtin_ctz(p->ways)],
							  memory_order_relaxed));
}

static inline bool
covers(const struct rule *r, const struct rank *k, const uint64_t *key)
{
	const struct masked_word *w = k->st->words;
	const uint64_t *value = rule_match(r)->data;
	uint64_t differ = 0;

	for (unsigned i = 0; i < k->n_words; i++)
		differ |= (key[w[i].word] & w[i].mask) ^ value[i];
	return !differ;
}

static inline struct rule *
chain_in(struct rule_bucket *b, unsigned ways, const struct rank *k, const uint64_t *key)
{
	for (; ways; ways &= ways - 1) {
		struct rule *r = atomic_load_explicit(&b->head[__builtin_ctz(ways)],
						      memory_order_acquire);

		/* NULL: it went since the tag was seen. */
		if (likely(r && covers(r, k, key)))
			return r;
	}
	return NULL;
}

static __attribute__((noinline)) struct rule *
chain_further(const struct probe *p, const struct rank *k, const uint64_t *key)
{
	struct rule_bucket *first = slots_buckets(p->slots), *b = p->bucket;
	uint32_t mask = slots_mask(p->slots), i = p->hash & mask;

	while (atomic_load_explicit(&b->tags[1], memory_order_acquire) >> PASSED_SHIFT) {
		i = (i + 1) & mask;
		b = first + i;
		if (b == p->bucket)
			break;
		struct rule *r = chain_in(b, ways_of(b, p->hash), k, key);
		if (r)
			return r;
	}
	return NULL;
}

/* The rules with the key; NULL: there are none. */
static inline struct rule *
chain_of(const struct probe *p, const struct rank *k, const uint64_t *key)
{
	struct rule *r;

	if (!p->bucket) {
		r = p->hash == k->one_hash ? slots_one(p->slots) : NULL;
		return r && likely(covers(r, k, key)) ? r : NULL;
	}
	r = chain_in(p->bucket, p->ways, k, key);
	if (r || likely(!(atomic_load_explicit(&p->bucket->tags[1], memory_order_acquire) >>
			  PASSED_SHIFT)))
		return r;
	return chain_further(p, k, key);
}

/* --- Conjunctions ---------------------------------------------------------------------- */

#define MAX_SOFT 256

struct conj_found {
	uint32_t id;
	uint8_t n_clauses;
	uint64_t clauses;
};

/* Does a conjunction hold at the priority of soft[0], over the rules soft[0..n) of that priority?
 * Returns its id in *id. */
static bool
conj_holds(struct rule *const *soft, unsigned n, uint32_t *id)
{
	struct conj_found found[64];
	unsigned n_found = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct rule_actions *acts = soft[i]->actions;

		of_action_for_each(a, acts->data, acts->size) {
			if (a->type != OF_A_CONJUNCTION)
				continue;
			const struct of_act_conjunction *c = (const struct of_act_conjunction *)a;
			unsigned j = 0;

			while (j < n_found && found[j].id != a->u32)
				j++;
			if (j == n_found) {
				if (n_found == 64)
					continue;
				found[n_found++] = (struct conj_found){ a->u32, c->n_clauses, 0 };
			}
			if (found[j].n_clauses != c->n_clauses)
				continue;
			found[j].clauses |= 1ull << c->clause;
			if ((unsigned)__builtin_popcountll(found[j].clauses) == c->n_clauses) {
				*id = found[j].id;
				return true;
			}
		}
	}
	return false;
}

static int
soft_cmp(const void *a_, const void *b_)
{
	const struct rule *const *a = a_, *const *b = b_;

	return (int)(*b)->priority - (int)(*a)->priority;
}

struct soft {
	unsigned n;
	struct rule *rules[MAX_SOFT];
};

/* --- All subtables --------------------------------------------------------------------- */

/* Masks that are hashed ahead.  Few at first: the best rule is often among the first, and what comes
 * after it is in vain. */
#define AHEAD_FIRST 4
#define AHEAD 8

/* The best rule of a chain, if it is better than 'best'.  '*ret_found': one is visible. */
static inline struct rule *
best_of(struct rule *r, struct rule *best, uint64_t version, struct soft *soft, bool *ret_found)
{
	for (; r; r = atomic_load_explicit(&r->cls_next, memory_order_acquire)) {
		if (!rule_is_visible(r, version))
			continue;
		*ret_found = true;
		/* The second look-up, with the id, passes them over: they may have the priority of the
		 * rule that it is to find. */
		if (unlikely(r->is_conjunction)) {
			if (soft && soft->n < MAX_SOFT)
				soft->rules[soft->n++] = r;
			continue;
		}
		return !best || r->priority > best->priority ? r : best;
	}
	return best;
}

static inline bool
is_pruned(struct rank *k, const struct rule *best)
{
	return best && best->priority >= atomic_load_explicit(&k->max_priority, memory_order_relaxed);
}

static inline uint64_t
hash_common(const struct ranks *ranks, const uint64_t *key)
{
	uint64_t h = 0;

	for (unsigned i = 0; i < ranks->n_common; i++) {
		const struct masked_word *w = &ranks->common[i];

		h ^= hash_word(w->word, key[w->word] & w->mask);
	}
	return h;
}

/* How many of the port's first bits tell that it lies where none of the pages is; above
 * PORT_PREFIX_MAX: it lies in one. */
static inline unsigned
prefix_without(uint32_t pages, uint32_t port)
{
	for (unsigned len = 0; len <= PORT_PREFIX_MAX; len++) {
		unsigned n = 16u >> len, first = (port >> 12) & ~(n - 1);

		if (!(pages & ((1u << n) - 1) << first))
			return len;
	}
	return PORT_PREFIX_MAX + 1;
}

/* Do a few bits of a port tell that no rule of the subtable matches?  They are ORed to '*needed', or all that
 * its mask has. */
static bool
ports_exclude(const struct subtable *st, const uint64_t *key, uint64_t *needed)
{
	uint32_t pages = atomic_load_explicit(&((struct subtable *)st)->port_pages,
					      memory_order_acquire);
	uint32_t value = ports_of_word(key[PORTS_WORD]);
	unsigned dst = prefix_without(pages & 0xffff, value & 0xffff);
	unsigned src = prefix_without(pages >> 16, value >> 16);

	if (dst <= PORT_PREFIX_MAX && dst <= src) {
		*needed |= 0xf0000u >> dst & 0xf000;
		return true;
	}
	if (src <= PORT_PREFIX_MAX) {
		*needed |= (0xf0000u >> src & 0xf000) << 16;
		return true;
	}
	*needed |= st->ports;
	return false;
}

/* The same of all spare bits. */
static __attribute__((noinline)) bool
spare_exclude(const struct subtable *st, const struct near_set *near, const uint64_t *key,
	      uint64_t *needed)
{
	if (st->near != NEAR_NONE && !near_may_hold(near, st->near, key))
		return true;
	if (st->ports && ports_exclude(st, key, needed))
		return true;
	if (st->near != NEAR_NONE)
		*needed |= SPARE_DST;
	return false;
}

/* 'needed': NULL, or gets the spare bits that decided. */
static inline __attribute__((always_inline)) struct rule *
search(struct ranks *ranks, const uint64_t *key, uint64_t version, struct soft *soft,
       const struct near_set *near, uint64_t *needed)
{
	uint64_t common = hash_common(ranks, key);
	struct rule *best = NULL;
	struct probe p[AHEAD];
	bool found;

	for (uint32_t t = 0, ahead = AHEAD_FIRST; t < ranks->n; t += ahead, ahead = AHEAD) {
		struct rank *k = &ranks->rank[t];
		unsigned n = ranks->n - t < ahead ? ranks->n - t : ahead, i;

		for (i = 0; i < n && !is_pruned(&k[i], best); i++)
			find_bucket(&k[i], key, common, &p[i]);
		n = i;
		for (i = 0; i < n; i++)
			fetch_rule(&k[i], &p[i]);
		for (i = 0; i < n; i++) {
			if (is_pruned(&k[i], best))
				return best;
			if (needed && k[i].has_spare && spare_exclude(k[i].st, near, key, needed))
				continue;
			best = best_of(chain_of(&p[i], &k[i], key), best, version, soft, &found);
		}
		if (n < ahead)
			break;
	}
	return best;
}

/* The same, one after the other, noting what had to be seen. */
static struct rule *
search_wc(struct ranks *ranks, const uint64_t *key, uint64_t version, struct soft *soft,
	  const struct narrow *how_narrow, struct of_key *wc)
{
	struct narrow_walk walk, *narrow = how_narrow ? &walk : NULL;
	uint64_t common = hash_common(ranks, key);
	struct rule *best = NULL;

	if (narrow)
		narrow_begin(narrow, how_narrow, (const struct of_key *)key, wc);
	for (uint32_t t = 0; t < ranks->n; t++) {
		struct rank *k = &ranks->rank[t];
		bool found = false;
		struct probe p;

		if (is_pruned(k, best))
			break;
		if (narrow && !narrow_may_match(narrow, t))
			continue;
		for (unsigned i = 0; !narrow && i < k->n_words; i++)
			of_key_words(wc)[k->st->words[i].word] |= k->st->words[i].mask;
		find_bucket(k, key, common, &p);
		fetch_rule(k, &p);
		best = best_of(chain_of(&p, k, key), best, version, soft, &found);
		if (narrow)
			narrow_end(narrow, t, found);
	}
	return best;
}

static __attribute__((noinline)) struct rule *
lookup_conj(struct ranks *ranks, const struct of_key *key, uint64_t version, uint32_t *conj_id,
	    const struct narrow *narrow, struct of_key *wc)
{
	struct soft soft = { .n = 0 };
	const uint64_t *words = of_key_words_c(key);
	struct rule *hard = wc ? search_wc(ranks, words, version, &soft, narrow, wc)
			       : search(ranks, words, version, &soft, NULL, NULL);
	unsigned i = 0, n = soft.n;

	qsort(soft.rules, n, sizeof(soft.rules[0]), soft_cmp);
	while (i < n && (!hard || soft.rules[i]->priority > hard->priority)) {
		unsigned j = i;
		uint32_t id;

		while (j < n && soft.rules[j]->priority == soft.rules[i]->priority)
			j++;
		if (conj_holds(soft.rules + i, j - i, &id)) {
			struct of_key with_id = *key;
			struct rule *r;

			with_id.conj_id = id;
			words = of_key_words_c(&with_id);
			r = wc ? search_wc(ranks, words, version, NULL, narrow, wc)
			       : search(ranks, words, version, NULL, NULL, NULL);
			if (r) {
				if (conj_id)
					*conj_id = id;
				return r;
			}
		}
		i = j;
	}
	return hard;
}

static inline void
note_step(struct classifier *cls, const struct of_key *key, struct plan_step *step)
{
	const struct partition *p = atomic_load_explicit(&cls->partition, memory_order_acquire);

	step->stamp2 = &p->block->cell[CELL_ALL];
	step->stamp = p->n_words ? &p->block->cell[partition_of_key(p, of_key_words_c(key))]
				 : step->stamp2;
}

struct rule *
classifier_lookup(struct classifier *cls, const struct of_key *key, uint64_t version,
		  uint32_t *conj_id, struct plan_step *step)
{
	if (step)
		note_step(cls, key, step);

	struct ranks *ranks = atomic_load_explicit(&cls->ranks, memory_order_acquire);
	if (unlikely(atomic_load_explicit(&cls->has_conj, memory_order_acquire)))
		return lookup_conj(ranks, key, version, conj_id, NULL, NULL);
	return search(ranks, of_key_words_c(key), version, NULL, NULL, NULL);
}

static inline bool
ports_are_busy(struct classifier *cls)
{
	int64_t until = atomic_load_explicit(&cls->ports_busy_until_ms, memory_order_relaxed);

	return until && wf_now_ms() < until;
}

/* The bits of one port that keys with the same answer have in common, as a prefix; -1: all that the
 * partition looks at. */
static inline int
prefix_in_common(uint32_t partition, uint32_t needed)
{
	if (needed & 0x0fff || !(partition & ~needed))
		return -1;
	return __builtin_clz(~(needed << 16));
}

unsigned
classifier_lookup_spare(struct classifier *cls, const struct of_key *key, uint64_t version,
			struct rule **rule, struct plan_step *steps, uint64_t *needed)
{
	const struct partition *p = atomic_load_explicit(&cls->partition, memory_order_acquire);
	struct ranks *ranks = atomic_load_explicit(&cls->ranks, memory_order_acquire);
	const uint64_t *words = of_key_words_c(key);
	uint32_t conj_id = 0, ports, value = ports_of_word(words[PORTS_WORD]);
	uint64_t bits = 0;

	note_step(cls, key, steps);
	if (unlikely(atomic_load_explicit(&cls->has_conj, memory_order_acquire))) {
		*rule = lookup_conj(ranks, key, version, &conj_id, NULL, NULL);
		*needed = SPARE_ALL;
		return 1;
	}
	*rule = search(ranks, words, version, NULL,
		       atomic_load_explicit(&cls->near, memory_order_acquire), &bits);
	*needed |= bits & SPARE_DST;
	if (p->has_dst && !(bits & SPARE_DST))
		steps[0].stamp = &p->block->cell[partition_of_cut_key(p, words)];
	/* Where more than a prefix is needed, all that the stamps go by is. */
	ports = (uint32_t)bits;
	ports |= ports & 0x0fff ? p->ports & 0xffff : 0;
	ports |= ports & 0x0fff0000 ? p->ports & 0xffff0000 : 0;
	*needed |= ports;
	if (likely(!p->ports))
		return 1;
	int dst = prefix_in_common(p->ports & 0xffff, ports & 0xffff);
	int src = prefix_in_common(p->ports >> 16, ports >> 16);
	if (dst < 0 && src < 0)
		return 1;
	if (unlikely(ports_are_busy(cls))) {
		*needed |= p->ports;
		return 1;
	}
	steps[1].stamp = steps[1].stamp2 =
		dst >= 0 ? &p->block->cell[cell_of_port(false, (unsigned)dst, (uint16_t)value)]
			 : &p->block->cell[cell_of_port(true, (unsigned)src, (uint16_t)(value >> 16))];
	if (dst >= 0 && src >= 0)
		steps[1].stamp2 = &p->block->cell[cell_of_port(true, (unsigned)src,
							       (uint16_t)(value >> 16))];
	return 2;
}

/* --- Several at once ------------------------------------------------------------------- */

bool
classifier_is_large(const struct classifier *cls)
{
	return atomic_load_explicit(&((struct classifier *)cls)->is_large, memory_order_relaxed);
}

void
classifier_fetch_buckets(struct classifier *cls, const struct of_key *key, struct table_ahead *ahead)
{
	struct ranks *ranks = atomic_load_explicit(&cls->ranks, memory_order_acquire);
	const uint64_t *words = of_key_words_c(key);
	uint64_t common = hash_common(ranks, words);

	for (uint32_t t = 0; t < ranks->n && ahead->n < TABLE_AHEAD; t++) {
		struct rank *k = &ranks->rank[t];
		uint64_t slots = atomic_load_explicit(&k->slots, memory_order_relaxed);
		struct probe p;

		if (slots_is_one(slots) || slots_log2(slots) < SMALL_LOG2)
			continue;
		find_bucket(k, words, common, &p);
		if (p.bucket) {
			ahead->bucket[ahead->n] = p.bucket;
			ahead->hash[ahead->n++] = p.hash;
		}
	}
}

void
classifier_fetch_rules(const struct table_ahead *ahead)
{
	for (unsigned i = 0; i < ahead->n; i++) {
		struct rule_bucket *b = ahead->bucket[i];
		unsigned ways = ways_of(b, ahead->hash[i]);

		if (ways)
			rule_prefetch_lookup(atomic_load_explicit(&b->head[__builtin_ctz(ways)],
								  memory_order_relaxed));
	}
}

/* --- Masks for text -------------------------------------------------------------------- */

/* Of the subtables in this order; NULL: more rules than that. */
static struct narrow *
narrow_of(struct ranks *ranks, const struct narrow_fields *fields, size_t max_rules)
{
	uint8_t word[OF_KEY_WORDS];
	uint64_t mask[OF_KEY_WORDS];
	struct narrow *n;
	size_t room = 0;

	for (uint32_t t = 0; t < ranks->n; t++)
		room += slots_mask(subtable_slots(ranks->rank[t].st)) * (size_t)WAYS;
	if (room > max_rules * 3)
		return NULL;
	n = narrow_new(fields);
	for (uint32_t t = 0; t < ranks->n; t++) {
		const struct subtable *st = ranks->rank[t].st;
		uint64_t slots = subtable_slots(st);

		for (unsigned i = 0; i < st->n_words; i++) {
			word[i] = (uint8_t)st->words[i].word;
			mask[i] = st->words[i].mask;
		}
		narrow_add_subtable(n, word, mask, st->n_words);
		for (uint32_t i = 0; i <= slots_mask(slots); i++) {
			struct rule_bucket *b = slots_buckets(slots) + i;

			for (unsigned way = 0; way < WAYS; way++) {
				struct rule *r = atomic_load_explicit(&b->head[way],
								      memory_order_acquire);

				if (r) /* all of a chain have the same match */
					narrow_add_rule(n, t, r->match);
			}
		}
	}
	narrow_ready(n);
	return n;
}

/* Its editor keeps it until the rules change; a worker, which has use for it only to write a new
 * entry into a debug log, makes its own, to be freed after the look-up. */
static struct narrow *
narrow_get(struct classifier *cls, struct ranks *ranks, const struct narrow_fields *fields,
	   bool *ret_is_own)
{
	*ret_is_own = !pthread_equal(pthread_self(), cls->editor);
	if (*ret_is_own)
		return narrow_of(ranks, fields, NARROW_MAX_RULES / 20);
	if (!cls->narrow || !narrow_has_fields(cls->narrow, fields)) {
		forget_narrow(cls);
		cls->narrow = narrow_of(ranks, fields, NARROW_MAX_RULES);
	}
	return cls->narrow;
}

struct rule *
classifier_lookup_wc(struct classifier *cls, const struct of_key *key, uint64_t version,
		     uint32_t *conj_id, struct plan_step *step, const struct narrow_fields *fields,
		     struct of_key *wc)
{
	if (step)
		note_step(cls, key, step);

	struct ranks *ranks = atomic_load_explicit(&cls->ranks, memory_order_acquire);
	bool is_own;
	struct narrow *narrow = narrow_get(cls, ranks, fields, &is_own);
	struct rule *r = atomic_load_explicit(&cls->has_conj, memory_order_acquire)
				 ? lookup_conj(ranks, key, version, conj_id, narrow, wc)
				 : search_wc(ranks, of_key_words_c(key), version, NULL, narrow, wc);

	if (is_own)
		narrow_free(narrow);
	return r;
}
