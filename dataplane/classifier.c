/* SPDX-License-Identifier: Apache-2.0 */
/* Subtables: rules come and go, and the writer's searches. */
#include "dataplane/classifier_internal.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/rcu.h"
#include "dataplane/view.h"

/* --- Buckets --------------------------------------------------------------------------- */

static uint32_t
hash_match(const struct of_match *m)
{
	uint64_t h = 0;
	unsigned i = 0;

	of_words_for_each(w, &m->words)
		h ^= hash_word(w, m->data[i++]);
	return hash_end(h);
}

static uint64_t
slots_new(unsigned log2_n)
{
	size_t size = sizeof(struct rule_bucket) << log2_n, huge = 2 * 1024 * 1024;
	struct rule_bucket *b = aligned_alloc(size < huge ? 64 : huge, size);

	if (!b)
		abort();
	/* One TLB entry for 2 MB. */
	if (size >= huge)
		madvise(b, size, MADV_HUGEPAGE);
	memset(b, 0, size);
	return (uint64_t)(uintptr_t)b | (uint64_t)log2_n << 1;
}

static void
tag_set(struct rule_bucket *b, unsigned way, uint64_t tag)
{
	_Atomic uint64_t *at = &b->tags[way / 4];
	unsigned shift = way % 4 * 16;
	uint64_t v = atomic_load_explicit(at, memory_order_relaxed);

	atomic_store_explicit(at, (v & ~(0xffffull << shift)) | tag << shift,
			      memory_order_release);
}

static unsigned
passed_of(const struct rule_bucket *b)
{
	return (unsigned)(atomic_load_explicit(&b->tags[1], memory_order_relaxed) >> PASSED_SHIFT);
}

static void
passed_add(struct rule_bucket *b, int n)
{
	if (passed_of(b) != PASSED_MANY)
		atomic_store_explicit(&b->tags[1],
				      atomic_load_explicit(&b->tags[1], memory_order_relaxed) +
					      ((uint64_t)n << PASSED_SHIFT),
				      memory_order_release);
}

/* A chain of its own for 'r'; there is room. */
static void
slots_put(uint64_t slots, struct rule *r)
{
	uint32_t mask = slots_mask(slots), i = r->cls_hash & mask;

	for (;; i = (i + 1) & mask) {
		struct rule_bucket *b = slots_buckets(slots) + i;
		unsigned ways = bucket_matches(atomic_load_explicit(&b->tags[0], memory_order_relaxed),
					       atomic_load_explicit(&b->tags[1], memory_order_relaxed),
					       0);

		if (ways) {
			unsigned way = (unsigned)__builtin_ctz(ways);

			atomic_store_explicit(&b->head[way], r, memory_order_release);
			tag_set(b, way, tag_of(r->cls_hash));
			return;
		}
		passed_add(b, 1);
	}
}

struct place {
	struct rule_bucket *bucket;
	unsigned way;
};

static struct rule *
place_head(const struct place *p)
{
	return atomic_load_explicit(&p->bucket->head[p->way], memory_order_acquire);
}

/* The chain of rules with the match 'm', whose hash and number of words are told; false: there is
 * none. */
static bool
slots_find(uint64_t slots, const struct of_match *m, uint32_t hash, unsigned n_words,
	   struct place *p)
{
	uint32_t mask = slots_mask(slots), first = hash & mask, i = first;

	do {
		struct rule_bucket *b = slots_buckets(slots) + i;
		uint64_t tags1 = atomic_load_explicit(&b->tags[1], memory_order_acquire);
		unsigned ways = bucket_matches(atomic_load_explicit(&b->tags[0], memory_order_acquire),
					       tags1, tag_of(hash));

		for (; ways; ways &= ways - 1) {
			struct rule *r;

			*p = (struct place){ b, (unsigned)__builtin_ctz(ways) };
			r = place_head(p);
			if (r && !memcmp(r->match->data, m->data, n_words * sizeof(uint64_t)))
				return true;
		}
		if (!(tags1 >> PASSED_SHIFT))
			return false;
		i = (i + 1) & mask;
	} while (i != first);
	return false;
}

/* Frees the place of a chain with this hash. */
static void
slots_clear(uint64_t slots, uint32_t hash, const struct place *p)
{
	uint32_t mask = slots_mask(slots);

	tag_set(p->bucket, p->way, 0);
	atomic_store_explicit(&p->bucket->head[p->way], NULL, memory_order_release);
	for (uint32_t i = hash & mask; slots_buckets(slots) + i != p->bucket; i = (i + 1) & mask)
		passed_add(slots_buckets(slots) + i, -1);
}

static bool
subtable_place(const struct subtable *st, const struct of_match *m, uint32_t hash, struct place *p)
{
	return slots_find(subtable_slots(st), m, hash, st->n_words, p);
}

/* After a change: readers find the buckets, or what is the only chain now. */
static void
rank_follow(struct subtable *st, struct rule *head)
{
	struct rank *k = st->rank;
	uint64_t slots = subtable_slots(st);

	if (!k)
		return;
	if (head && slots_is_one(atomic_load_explicit(&k->slots, memory_order_relaxed)))
		slots = SLOTS_ONE | (uint64_t)(uintptr_t)head;
	atomic_store_explicit(&k->slots, slots, memory_order_release);
}

static void
head_set(struct subtable *st, const struct place *p, struct rule *r)
{
	atomic_store_explicit(&p->bucket->head[p->way], r, memory_order_release);
	rank_follow(st, r);
}

/* Three of four places may be taken. */
static bool
is_full(const struct subtable *st)
{
	return st->n_used * 4ull > (slots_mask(subtable_slots(st)) + 1ull) * WAYS * 3;
}

static bool
is_empty(const struct subtable *st)
{
	uint64_t n = slots_mask(subtable_slots(st)) + 1ull;

	return n > 64 && st->n_used * 8ull < n;
}

static void
subtable_resize(struct subtable *st, int more)
{
	uint64_t old = subtable_slots(st);
	uint64_t new = slots_new((unsigned)((int)slots_log2(old) + more));
	struct rule_bucket *b = slots_buckets(old);

	for (uint32_t i = 0; i <= slots_mask(old); i++) {
		for (unsigned way = 0; i + 4 <= slots_mask(old) && way < WAYS; way++) {
			struct rule *r = atomic_load_explicit(&b[i + 4].head[way],
							      memory_order_relaxed);

			if (r)
				__builtin_prefetch(&r->cls_hash);
		}
		for (unsigned way = 0; way < WAYS; way++) {
			struct rule *r = atomic_load_explicit(&b[i].head[way], memory_order_relaxed);

			if (r)
				slots_put(new, r);
		}
	}
	atomic_store_explicit(&st->slots, new, memory_order_release);
	rank_follow(st, NULL);
	wf_rcu_free(b);
}

/* --- Subtables ------------------------------------------------------------------------- */

/* A rule comes (1) or goes (-1): are there rules with such ports? */
static void
pages_count(struct subtable *st, const struct rule *r, int n)
{
	uint32_t mask, ports, pages;

	if (!st->ports)
		return;
	ports = ports_of_match(r->match, &mask);
	pages = atomic_load_explicit(&st->port_pages, memory_order_relaxed);
	for (unsigned src = 0; src < 2; src++) {
		unsigned page = ports >> (src ? 28 : 12) & 15;
		uint32_t bit = 1u << (page + src * 16);

		if ((st->ports >> (src ? 16 : 0) & 0xf000) != 0xf000)
			continue;
		st->n_in_page[src][page] += (uint32_t)n;
		pages = st->n_in_page[src][page] ? pages | bit : pages & ~bit;
	}
	atomic_store_explicit(&st->port_pages, pages, memory_order_release);
}

static uint32_t
mask_hash(const struct of_match *m, unsigned n)
{
	return wf_hash_bytes(m->data + n, n * 8, (uint32_t)(m->words.bits[0] ^ m->words.bits[1]));
}

static bool
subtable_has_mask_of(const struct subtable *st, const struct of_match *m, unsigned n)
{
	unsigned i = 0;

	if (st->n_words != n)
		return false;
	while (i < n && of_words_test(&m->words, (unsigned)st->words[i].word) &&
	       st->words[i].mask == m->data[n + i])
		i++;
	return i == n;
}

static struct subtable *
subtable_find(const struct classifier *cls, const struct of_match *m)
{
	unsigned n = of_match_n_words(m);
	struct subtable *st;

	if (cls->recent && subtable_has_mask_of(cls->recent, m, n))
		return cls->recent;
	wf_hmap_for_each_with_hash(st, node, mask_hash(m, n), &cls->by_mask)
		if (subtable_has_mask_of(st, m, n))
			return st;
	return NULL;
}

static struct subtable *
subtable_new(struct classifier *cls, const struct rule *r)
{
	unsigned n = of_match_n_words(r->match), i = 0;
	struct subtable *st = wf_xzalloc(sizeof(*st) + n * sizeof(st->words[0]));

	st->n_words = n;
	of_words_for_each(w, &r->match->words) {
		st->words[i] = (struct masked_word){ r->match->data[n + i], w };
		i++;
	}
	ports_of_match(r->match, &st->ports);
	st->near = near_of_mask(st->words, n);
	atomic_init(&st->port_pages, ((st->ports & 0xf000) == 0xf000 ? 0 : 0xffff) |
					     ((st->ports >> 16 & 0xf000) == 0xf000 ? 0 : 0xffff0000));
	st->order = cls->n_orders++;
	atomic_init(&st->max_priority, r->priority);
	atomic_init(&st->slots, slots_new(0));
	wf_hmap_insert(&cls->by_mask, &st->node, mask_hash(r->match, n));
	cls->unsettled = true;
	return st;
}

static void
subtable_free(void *st_)
{
	struct subtable *st = st_;

	free(slots_buckets(subtable_slots(st)));
	free(st);
}

/* --- Ranks ----------------------------------------------------------------------------- */

static uint32_t
max_priority(const struct subtable *st)
{
	return atomic_load_explicit(&((struct subtable *)st)->max_priority, memory_order_relaxed);
}

static int
subtable_cmp(const void *a_, const void *b_)
{
	const struct subtable *const *a = a_, *const *b = b_;
	uint32_t pa = max_priority(*a), pb = max_priority(*b);

	if (pa != pb)
		return pa < pb ? 1 : -1;
	return (*a)->order < (*b)->order ? -1 : 1;
}

/* Of all masks but the empty one, the words of which all have the same bits. */
static unsigned
find_common(struct subtable *const *sts, unsigned n, struct masked_word *common)
{
	const struct subtable *one = NULL;
	unsigned n_common = 0;

	for (unsigned i = 0; i < n; i++)
		if (sts[i]->n_words && (!one || sts[i]->n_words < one->n_words))
			one = sts[i];
	for (unsigned w = 0; one && w < one->n_words && n_common < MAX_COMMON; w++) {
		bool all = true;

		for (unsigned i = 0; i < n && all; i++) {
			const struct subtable *st = sts[i];
			unsigned j = 0;

			while (j < st->n_words && st->words[j].word < one->words[w].word)
				j++;
			all = !st->n_words || (j < st->n_words &&
					       st->words[j].word == one->words[w].word &&
					       st->words[j].mask == one->words[w].mask);
		}
		if (all)
			common[n_common++] = one->words[w];
	}
	return n_common;
}

static struct rule *
the_only(const struct subtable *st)
{
	uint64_t slots = subtable_slots(st);

	for (uint32_t i = 0; i <= slots_mask(slots); i++)
		for (unsigned way = 0; way < WAYS; way++) {
			struct rule *r = atomic_load_explicit(
				&slots_buckets(slots)[i].head[way], memory_order_relaxed);

			if (r)
				return r;
		}
	abort();
}

static void
rank_fill(struct rank *k, struct subtable *st, const struct ranks *ranks)
{
	unsigned c = 0;

	memset(k, 0, sizeof(*k));
	atomic_init(&k->slots, subtable_slots(st));
	if (st->n_used == 1) {
		struct rule *r = the_only(st);

		k->one_hash = r->cls_hash;
		atomic_init(&k->slots, SLOTS_ONE | (uint64_t)(uintptr_t)r);
	}
	atomic_init(&k->max_priority, max_priority(st));
	k->st = st;
	k->n_words = (uint8_t)st->n_words;
	k->has_common = st->n_words != 0;
	k->has_spare = st->ports || st->near != NEAR_NONE;
	for (unsigned i = 0; i < st->n_words; i++) {
		if (c < ranks->n_common && ranks->common[c].word == st->words[i].word) {
			c++;
			continue;
		}
		if (k->n_own < RANK_WORDS) {
			k->word[k->n_own] = (uint8_t)st->words[i].word;
			k->mask[k->n_own] = st->words[i].mask;
		}
		if (k->n_own <= RANK_WORDS)
			k->n_own++;
	}
}

/* Rules are seen from the next version on, before which it is done: not for each new mask. */
struct ranks *
classifier_ranks(struct classifier *cls)
{
	struct ranks *old = atomic_load_explicit(&cls->ranks, memory_order_relaxed), *new;
	unsigned n = (unsigned)cls->by_mask.n, i = 0;
	struct subtable **sts, *st;

	if (!cls->unsettled)
		return old;
	sts = wf_xmalloc((n + 1) * sizeof(*sts));
	wf_hmap_for_each(st, node, &cls->by_mask)
		sts[i++] = st;
	qsort(sts, n, sizeof(*sts), subtable_cmp);
	new = aligned_alloc(64, sizeof(*new) + n * sizeof(new->rank[0]));
	if (!new)
		abort();
	memset(new, 0, sizeof(*new));
	new->n = n;
	new->n_common = find_common(sts, n, new->common);
	for (i = 0; i < n; i++) {
		rank_fill(&new->rank[i], sts[i], new);
		sts[i]->rank = &new->rank[i];
	}
	free(sts);
	atomic_store_explicit(&cls->ranks, new, memory_order_release);
	wf_rcu_free(old);
	while ((st = cls->doomed) != NULL) {
		cls->doomed = st->next_doomed;
		wf_rcu_call(subtable_free, st);
	}
	cls->unsettled = false;
	forget_narrow(cls);
	return new;
}

void
classifier_settle(struct classifier *cls)
{
	classifier_ranks(cls);
}

/* --- Insert, unlink ------------------------------------------------------------------- */

void
classifier_insert(struct classifier *cls, struct rule *r)
{
	struct subtable *st = subtable_find(cls, r->match);
	struct place p;

	if (!st)
		st = subtable_new(cls, r);
	if (r->priority > max_priority(st)) {
		/* Who looks up an older version may prune less; the order is right for the rules
		 * that it sees. */
		atomic_store_explicit(&st->max_priority, r->priority, memory_order_release);
		if (st->rank)
			atomic_store_explicit(&st->rank->max_priority, r->priority,
					      memory_order_release);
		st->order = cls->n_orders++;
		cls->unsettled = true;
	}
	forget_narrow(cls);
	cls->recent = st;
	st->n_rules++;
	st->n_changes++;
	pages_count(st, r, 1);
	near_count(cls, st, r, 1);
	r->is_conjunction = r->actions->is_conjunction;
	if (r->is_conjunction && ++cls->n_conj == 1)
		atomic_store_explicit(&cls->has_conj, true, memory_order_release);

	r->cls_hash = hash_match(r->match);
	if (!subtable_place(st, r->match, r->cls_hash, &p)) {
		atomic_store_explicit(&r->cls_next, NULL, memory_order_relaxed);
		st->n_used++;
		if (is_full(st)) {
			subtable_resize(st, 1);
			if (slots_log2(subtable_slots(st)) >= LARGE_LOG2)
				atomic_store_explicit(&cls->is_large, true, memory_order_relaxed);
		}
		slots_put(subtable_slots(st), r);
		rank_follow(st, NULL);
		return;
	}
	/* Behind those of higher or equal priority; the newest of equals first, as only one of
	 * them is visible in any version. */
	struct rule *head = place_head(&p);
	if (r->priority >= head->priority) {
		atomic_store_explicit(&r->cls_next, head, memory_order_relaxed);
		head_set(st, &p, r);
		return;
	}
	struct rule *prev = head, *next;
	while ((next = atomic_load_explicit(&prev->cls_next, memory_order_relaxed)) &&
	       next->priority > r->priority)
		prev = next;
	atomic_store_explicit(&r->cls_next, next, memory_order_relaxed);
	atomic_store_explicit(&prev->cls_next, r, memory_order_release);
}

void
classifier_prefetch_unlink(const struct classifier *cls, const struct rule *r)
{
	if (cls->recent) {
		uint64_t slots = subtable_slots(cls->recent);

		__builtin_prefetch(slots_buckets(slots) + (r->cls_hash & slots_mask(slots)), 1);
	}
}

void
classifier_unlink(struct classifier *cls, struct rule *r)
{
	struct subtable *st = subtable_find(cls, r->match);
	struct rule *next = atomic_load_explicit(&r->cls_next, memory_order_relaxed);
	struct place p;

	if (!subtable_place(st, r->match, r->cls_hash, &p))
		abort();
	struct rule *head = place_head(&p);
	if (head != r) {
		struct rule *prev = head;

		while (atomic_load_explicit(&prev->cls_next, memory_order_relaxed) != r)
			prev = atomic_load_explicit(&prev->cls_next, memory_order_relaxed);
		atomic_store_explicit(&prev->cls_next, next, memory_order_release);
	} else if (next) {
		head_set(st, &p, next);
	} else {
		slots_clear(subtable_slots(st), r->cls_hash, &p);
		st->n_used--;
		rank_follow(st, NULL);
	}
	forget_narrow(cls);
	/* r->cls_next stays: a reader may stand on 'r' until the grace period ends. */
	if (r->is_conjunction && --cls->n_conj == 0)
		atomic_store_explicit(&cls->has_conj, false, memory_order_release);
	cls->recent = st;
	pages_count(st, r, -1);
	near_count(cls, st, r, -1);
	if (--st->n_rules == 0) {
		cls->recent = NULL;
		wf_hmap_remove(&cls->by_mask, &st->node);
		st->next_doomed = cls->doomed;
		cls->doomed = st;
		cls->unsettled = true;
	} else if (is_empty(st)) {
		subtable_resize(st, -3);
	}
}

/* --- Searches of the writer --------------------------------------------------------------- */

static struct rule *
find_in(const struct subtable *st, const struct of_match *m, uint32_t priority, uint64_t version)
{
	struct place p;

	if (!st || !subtable_place(st, m, hash_match(m), &p))
		return NULL;
	for (struct rule *r = place_head(&p); r && r->priority >= priority;
	     r = atomic_load_explicit(&r->cls_next, memory_order_acquire))
		if (r->priority == priority && rule_is_visible(r, version))
			return r;
	return NULL;
}

static bool
subtable_for_each(struct subtable *st, const struct of_match *pattern, uint64_t version,
		  bool (*fn)(struct rule *, void *), void *aux)
{
	uint64_t slots = subtable_slots(st);
	struct rule_bucket *b = slots_buckets(slots);
	uint32_t n = slots_mask(slots) + 1;

	for (uint32_t i = 0; i < n; i++) {
		/* Rules are in no order of memory: without this each is a cache miss. */
		for (unsigned way = 0; i + 3 < n && way < WAYS; way++) {
			struct rule *r = atomic_load_explicit(&b[i + 3].head[way],
							      memory_order_relaxed);

			if (r)
				rule_prefetch(r);
		}
		for (unsigned way = 0; way < WAYS; way++) {
			struct rule *next;

			for (struct rule *r = atomic_load_explicit(&b[i].head[way],
								   memory_order_acquire);
			     r; r = next) {
				next = atomic_load_explicit(&r->cls_next, memory_order_acquire);
				if (rule_is_visible(r, version) &&
				    (!pattern || of_match_is_subset(r->match, pattern)) &&
				    !fn(r, aux))
					return false;
			}
		}
	}
	return true;
}

/* Is every bit of the pattern's mask in the subtable's? */
static bool
subtable_may_hold(const struct subtable *st, const struct of_match *pattern)
{
	unsigned n = of_match_n_words(pattern), i = 0, j = 0;

	of_words_for_each(w, &pattern->words) {
		while (i < st->n_words && st->words[i].word < w)
			i++;
		if (i == st->n_words || st->words[i].word != w ||
		    (pattern->data[n + j] & ~st->words[i].mask))
			return false;
		j++;
	}
	return true;
}

void
classifier_for_each(struct classifier *cls, const struct of_match *pattern, uint64_t version,
		    bool (*fn)(struct rule *, void *), void *aux)
{
	/* The arrays looked at are kept by RCU: main does not pass a quiescent point in here, so
	 * 'fn' may add and remove. */
	struct ranks *ranks = classifier_ranks(cls);

	for (uint32_t i = 0; i < ranks->n; i++)
		if (!pattern || subtable_may_hold(ranks->rank[i].st, pattern))
			if (!subtable_for_each(ranks->rank[i].st, pattern, version, fn, aux))
				return;
}

unsigned
classifier_n_candidates(struct classifier *cls, const struct of_match *pattern)
{
	const struct ranks *ranks = classifier_ranks(cls);
	unsigned n = 0;

	for (uint32_t i = 0; i < ranks->n; i++)
		if (subtable_may_hold(ranks->rank[i].st, pattern))
			n += ranks->rank[i].st->n_rules;
	return n;
}

struct overlap {
	const struct of_match *match;
	uint32_t priority;
	struct rule *found;
};

static bool
check_overlap(struct rule *r, void *o_)
{
	struct overlap *o = o_;

	if (r->priority == o->priority && of_match_overlaps(r->match, o->match)) {
		o->found = r;
		return false;
	}
	return true;
}

struct rule *
classifier_find_overlap(struct classifier *cls, const struct of_match *m, uint32_t priority,
			uint64_t version)
{
	struct overlap o = { m, priority, NULL };

	classifier_for_each(cls, NULL, version, check_overlap, &o);
	return o.found;
}

struct rule *
classifier_find(const struct classifier *cls, const struct of_match *m, uint32_t priority,
		uint64_t version)
{
	return find_in(subtable_find(cls, m), m, priority, version);
}

struct rule *
classifier_find_shared(const struct classifier *cls, const struct of_match *m, uint32_t priority,
		       uint64_t version)
{
	/* 'recent' and 'by_mask' are the writer's. */
	const struct ranks *ranks = atomic_load_explicit(&cls->ranks, memory_order_acquire);
	unsigned n = of_match_n_words(m);

	for (uint32_t i = 0; i < ranks->n; i++)
		if (subtable_has_mask_of(ranks->rank[i].st, m, n))
			return find_in(ranks->rank[i].st, m, priority, version);
	return NULL;
}

/* --- Life -------------------------------------------------------------------------------------- */

struct classifier *
classifier_new(void)
{
	struct classifier *cls = wf_xzalloc(sizeof *cls);
	struct partition *p = partition_new(0);

	cls->editor = pthread_self();
	wf_hmap_init(&cls->by_mask);
	cls->unsettled = true;
	classifier_ranks(cls);
	p->block = stamp_block_alloc(view_next_version());
	atomic_init(&cls->partition, p);
	return cls;
}

void
classifier_free(struct classifier *cls)
{
	struct partition *p = atomic_load_explicit(&cls->partition, memory_order_relaxed);
	struct subtable *st;

	wf_hmap_for_each_safe(st, node, &cls->by_mask)
		subtable_free(st);
	while ((st = cls->doomed) != NULL) {
		cls->doomed = st->next_doomed;
		subtable_free(st);
	}
	wf_hmap_done(&cls->by_mask);
	free(atomic_load_explicit(&cls->ranks, memory_order_relaxed));
	free(atomic_load_explicit(&cls->near, memory_order_relaxed));
	forget_narrow(cls);
	stamp_block_release(p->block, view_next_version());
	free(p);
	free(cls);
}

unsigned
classifier_n_masks(const struct classifier *cls)
{
	return (unsigned)cls->by_mask.n;
}

size_t
classifier_memory(const struct classifier *cls)
{
	struct subtable *st;
	const struct near_set *near = atomic_load_explicit(&((struct classifier *)cls)->near,
							   memory_order_relaxed);
	size_t size = sizeof *cls + (near ? (near->n_lines + 1) * 64 : 0);

	wf_hmap_for_each(st, node, &cls->by_mask)
		size += sizeof *st + st->n_words * sizeof st->words[0] + sizeof(struct rank) +
			(slots_mask(subtable_slots(st)) + 1) * sizeof(struct rule_bucket);
	return size;
}
