/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/classifier.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/rcu.h"
#include "dataplane/stamps.h"
#include "dataplane/view.h"
#include "openflow/action.h"

/* Slots: 0 empty, SLOT_TOMB deleted, else tag << 48 | pointer. */
#define SLOT_TOMB 1ull
#define SLOT_PTR_MASK 0x0000ffffffffffffull

struct slots {
	uint32_t mask; /* number of slots - 1 */
	_Atomic uint64_t slot[];
};

struct subtable {
	struct wf_hmap_node node; /* by hash of the mask */
	struct slots *_Atomic slots;
	_Atomic int max_priority; /* of all rules in it; readers prune with it */
	uint32_t n_used;          /* rules' chains */
	uint32_t n_tombs;
	uint32_t n_rules;
	uint64_t n_changes;       /* for the choice of the partition */
	uint32_t n_words;
	uint8_t word[OF_KEY_WORDS];
	uint64_t *mask;           /* n_words values */
};

struct subtables { /* immutable */
	uint32_t n;
	struct subtable *st[];
};

#define N_PARTS 511 /* cell 511 of the block is for rules outside the partition */
#define CELL_ALL N_PARTS

struct partition { /* immutable, but for the cells */
	struct stamp_block *block;
	uint32_t n_words; /* 0: all rules are outside */
	uint8_t word[OF_KEY_WORDS];
	uint64_t mask[OF_KEY_WORDS];
};

struct classifier {
	struct subtables *_Atomic subtables;
	struct partition *_Atomic partition;
	/* Writer's. */
	pthread_t editor;            /* the thread that made it: the only one that changes it */
	struct wf_hmap by_mask;
	struct subtable *recent;     /* of the last change: the next one is likely to be there */
	uint32_t n_conj;             /* rules with conjunction actions */
	_Atomic bool has_conj;
	struct narrow *narrow;       /* for masks in text; NULL: to be built when asked for */
	uint64_t n_inside, n_outside; /* changes since the partition was chosen */
	uint16_t dirty[STAMPS_PER_BLOCK];
	uint32_t n_dirty;
	uint64_t dirty_bits[STAMPS_PER_BLOCK / 64];
};

/* --- Hashes ------------------------------------------------------------------------- */

static inline uint64_t
hash_step(uint64_t h, uint64_t v)
{
	return wf_hash_mix64(h, v);
}

static inline uint32_t
hash_end(uint64_t h)
{
	return (uint32_t)(h ^ (h >> 32));
}

static uint32_t
hash_key(const struct subtable *st, const uint64_t *key)
{
	uint64_t h = wf_hash_seed;

	for (unsigned i = 0; i < st->n_words; i++)
		h = hash_step(h, key[st->word[i]] & st->mask[i]);
	return hash_end(h);
}

static uint32_t
hash_match(const struct of_match *m)
{
	unsigned n = of_match_n_words(m);
	uint64_t h = wf_hash_seed;

	for (unsigned i = 0; i < n; i++)
		h = hash_step(h, m->data[i]);
	return hash_end(h);
}

static bool
rule_covers(const struct rule *r, const struct subtable *st, const uint64_t *key)
{
	const uint64_t *value = r->match->data;

	for (unsigned i = 0; i < st->n_words; i++)
		if ((key[st->word[i]] & st->mask[i]) != value[i])
			return false;
	return true;
}

static inline uint64_t
slot_make(const struct rule *r)
{
	return (uint64_t)(r->cls_hash >> 16) << 48 | (uint64_t)(uintptr_t)r;
}

static inline struct rule *
slot_rule(uint64_t s)
{
	return (struct rule *)(uintptr_t)(s & SLOT_PTR_MASK);
}

/* --- Subtables ----------------------------------------------------------------------- */

static struct slots *
slots_new(uint32_t n)
{
	struct slots *s = wf_xzalloc(sizeof *s + n * sizeof s->slot[0]);

	s->mask = n - 1;
	return s;
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

	if (st->n_words != n || memcmp(st->mask, m->data + n, n * 8) != 0)
		return false;
	while (i < n && of_words_test(&m->words, st->word[i]))
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

static int
subtable_cmp(const void *a_, const void *b_)
{
	const struct subtable *const *a = a_, *const *b = b_;
	int pa = atomic_load_explicit(&(*a)->max_priority, memory_order_relaxed);
	int pb = atomic_load_explicit(&(*b)->max_priority, memory_order_relaxed);

	return pa < pb ? 1 : pa > pb ? -1 : 0;
}

/* Publishes the array again: 'add' or 'del' changed, or a priority did. */
static void
subtables_publish(struct classifier *cls, struct subtable *add, struct subtable *del)
{
	struct subtables *old = atomic_load_explicit(&cls->subtables, memory_order_relaxed);
	struct subtables *new = wf_xmalloc(sizeof *new + (old->n + 1) * sizeof new->st[0]);

	new->n = 0;
	for (uint32_t i = 0; i < old->n; i++)
		if (old->st[i] != del)
			new->st[new->n++] = old->st[i];
	if (add)
		new->st[new->n++] = add;
	qsort(new->st, new->n, sizeof new->st[0], subtable_cmp);
	atomic_store_explicit(&cls->subtables, new, memory_order_release);
	wf_rcu_free(old);
}

static struct subtable *
subtable_new(struct classifier *cls, const struct rule *r)
{
	struct subtable *st = wf_xzalloc(sizeof *st);

	st->n_words = of_match_n_words(r->match);
	st->mask = wf_xmalloc(st->n_words * 8 + 1);
	memcpy(st->mask, r->match->data + st->n_words, st->n_words * 8);
	unsigned n = 0;
	of_words_for_each(w, &r->match->words)
		st->word[n++] = (uint8_t)w;
	atomic_init(&st->max_priority, r->priority);
	atomic_init(&st->slots, slots_new(4));
	wf_hmap_insert(&cls->by_mask, &st->node, mask_hash(r->match, st->n_words));
	subtables_publish(cls, st, NULL);
	return st;
}

static void
subtable_free(void *st_)
{
	struct subtable *st = st_;

	free(atomic_load_explicit(&st->slots, memory_order_relaxed));
	free(st->mask);
	free(st);
}

static void
slots_put(struct slots *s, struct rule *r)
{
	uint32_t i = r->cls_hash & s->mask;

	while (atomic_load_explicit(&s->slot[i], memory_order_relaxed) > SLOT_TOMB)
		i = (i + 1) & s->mask;
	atomic_store_explicit(&s->slot[i], slot_make(r), memory_order_release);
}

static void
subtable_resize(struct subtable *st)
{
	struct slots *old = atomic_load_explicit(&st->slots, memory_order_relaxed);
	uint32_t n = 4;

	while (n * 3 < st->n_used * 5)
		n *= 2;
	struct slots *new = slots_new(n);
	for (uint32_t i = 0; i <= old->mask; i++) {
		uint64_t s = atomic_load_explicit(&old->slot[i], memory_order_relaxed);

		if (i + 16 <= old->mask)
			__builtin_prefetch(&slot_rule(atomic_load_explicit(
				&old->slot[i + 16], memory_order_relaxed))->cls_hash);
		if (s > SLOT_TOMB)
			slots_put(new, slot_rule(s));
	}
	st->n_tombs = 0;
	atomic_store_explicit(&st->slots, new, memory_order_release);
	wf_rcu_free(old);
}

/* The slot whose chain has the same masked key as 'm'; NULL if there is none. */
static _Atomic uint64_t *
subtable_slot(const struct subtable *st, const struct of_match *m, uint32_t hash)
{
	struct slots *s = atomic_load_explicit(&st->slots, memory_order_acquire);

	for (uint32_t i = hash & s->mask;; i = (i + 1) & s->mask) {
		uint64_t v = atomic_load_explicit(&s->slot[i], memory_order_acquire);

		if (!v)
			return NULL;
		if (v == SLOT_TOMB || v >> 48 != hash >> 16)
			continue;
		if (memcmp(slot_rule(v)->match->data, m->data, st->n_words * 8) == 0)
			return &s->slot[i];
	}
}

/* --- Narrow masks ---------------------------------------------------------------------- */

static void
forget_narrow(struct classifier *cls)
{
	if (cls->narrow) {
		narrow_free(cls->narrow);
		cls->narrow = NULL;
	}
}

/* Of the subtables in this order; NULL: more rules than that. */
static struct narrow *
narrow_of(const struct subtables *sts, const struct narrow_fields *fields, size_t max_rules)
{
	struct narrow *n;
	size_t room = 0;

	for (uint32_t t = 0; t < sts->n; t++)
		room += atomic_load_explicit(&sts->st[t]->slots, memory_order_acquire)->mask;
	if (room > max_rules * 2)
		return NULL;
	n = narrow_new(fields);
	for (uint32_t t = 0; t < sts->n; t++) {
		const struct subtable *st = sts->st[t];
		struct slots *s = atomic_load_explicit(&st->slots, memory_order_acquire);

		narrow_add_subtable(n, st->word, st->mask, st->n_words);
		for (uint32_t i = 0; i <= s->mask; i++) {
			uint64_t v = atomic_load_explicit(&s->slot[i], memory_order_acquire);

			if (v > SLOT_TOMB) /* all of a chain have the same match */
				narrow_add_rule(n, t, slot_rule(v)->match);
		}
	}
	narrow_ready(n);
	return n;
}

/* Its editor keeps it until the rules change; a worker, which has use for it only to write a new entry
 * into a debug log, makes its own, to be freed after the look-up. */
static struct narrow *
narrow_get(struct classifier *cls, const struct subtables *sts, const struct narrow_fields *fields,
	   bool *ret_is_own)
{
	*ret_is_own = !pthread_equal(pthread_self(), cls->editor);
	if (*ret_is_own)
		return narrow_of(sts, fields, NARROW_MAX_RULES / 20);
	if (!cls->narrow || !narrow_has_fields(cls->narrow, fields)) {
		forget_narrow(cls);
		cls->narrow = narrow_of(sts, fields, NARROW_MAX_RULES);
	}
	return cls->narrow;
}

/* --- Insert, unlink ------------------------------------------------------------------- */

void
classifier_insert(struct classifier *cls, struct rule *r)
{
	struct subtable *st = subtable_find(cls, r->match);

	if (!st)
		st = subtable_new(cls, r);
	if (r->priority > atomic_load_explicit(&st->max_priority, memory_order_relaxed)) {
		atomic_store_explicit(&st->max_priority, r->priority, memory_order_release);
		subtables_publish(cls, NULL, NULL);
	}
	forget_narrow(cls);
	cls->recent = st;
	st->n_rules++;
	st->n_changes++;
	if (r->actions->is_conjunction && ++cls->n_conj == 1)
		atomic_store_explicit(&cls->has_conj, true, memory_order_release);

	r->cls_hash = hash_match(r->match);
	_Atomic uint64_t *slot = subtable_slot(st, r->match, r->cls_hash);
	if (!slot) {
		struct slots *s = atomic_load_explicit(&st->slots, memory_order_relaxed);

		atomic_store_explicit(&r->cls_next, NULL, memory_order_relaxed);
		st->n_used++;
		if ((st->n_used + st->n_tombs) * 4 > (s->mask + 1) * 3) {
			subtable_resize(st);
			s = atomic_load_explicit(&st->slots, memory_order_relaxed);
		}
		slots_put(s, r);
		return;
	}
	/* Behind those of higher or equal priority; the newest of equals first, as only one of
	 * them is visible in any version. */
	struct rule *head = slot_rule(atomic_load_explicit(slot, memory_order_relaxed));
	if (r->priority >= head->priority) {
		atomic_store_explicit(&r->cls_next, head, memory_order_relaxed);
		atomic_store_explicit(slot, slot_make(r), memory_order_release);
		return;
	}
	struct rule *prev = head, *next;
	while ((next = atomic_load_explicit(&prev->cls_next, memory_order_relaxed)) &&
	       next->priority > r->priority)
		prev = next;
	atomic_store_explicit(&r->cls_next, next, memory_order_relaxed);
	atomic_store_explicit(&prev->cls_next, r, memory_order_release);
}

/* The slot of the chain that holds 'r', which is mostly its head. */
static _Atomic uint64_t *
subtable_slot_of(const struct subtable *st, const struct rule *r)
{
	struct slots *s = atomic_load_explicit(&st->slots, memory_order_relaxed);

	for (uint32_t i = r->cls_hash & s->mask;; i = (i + 1) & s->mask) {
		uint64_t v = atomic_load_explicit(&s->slot[i], memory_order_relaxed);

		if (v == slot_make(r))
			return &s->slot[i];
		if (v > SLOT_TOMB && v >> 48 == r->cls_hash >> 16 &&
		    memcmp(slot_rule(v)->match->data, r->match->data, st->n_words * 8) == 0)
			return &s->slot[i];
	}
}

void
classifier_prefetch_unlink(const struct classifier *cls, const struct rule *r)
{
	if (cls->recent) {
		struct slots *s = atomic_load_explicit(&cls->recent->slots, memory_order_relaxed);

		__builtin_prefetch(&s->slot[r->cls_hash & s->mask], 1);
	}
}

void
classifier_unlink(struct classifier *cls, struct rule *r)
{
	struct subtable *st = subtable_find(cls, r->match);
	_Atomic uint64_t *slot = subtable_slot_of(st, r);
	struct rule *head = slot_rule(atomic_load_explicit(slot, memory_order_relaxed));
	struct rule *next = atomic_load_explicit(&r->cls_next, memory_order_relaxed);

	if (head == r) {
		if (next) {
			atomic_store_explicit(slot, slot_make(next), memory_order_release);
		} else {
			atomic_store_explicit(slot, SLOT_TOMB, memory_order_release);
			st->n_used--;
			st->n_tombs++;
		}
	} else {
		struct rule *prev = head;

		while (atomic_load_explicit(&prev->cls_next, memory_order_relaxed) != r)
			prev = atomic_load_explicit(&prev->cls_next, memory_order_relaxed);
		atomic_store_explicit(&prev->cls_next, next, memory_order_release);
	}
	forget_narrow(cls);
	/* r->cls_next stays: a reader may stand on 'r' until the grace period ends. */
	if (r->actions->is_conjunction && --cls->n_conj == 0)
		atomic_store_explicit(&cls->has_conj, false, memory_order_release);
	cls->recent = st;
	if (--st->n_rules == 0) {
		cls->recent = NULL;
		wf_hmap_remove(&cls->by_mask, &st->node);
		subtables_publish(cls, NULL, st);
		wf_rcu_call(subtable_free, st);
	} else if (st->n_tombs > 64 && st->n_tombs > st->n_used * 8) {
		subtable_resize(st);
	}
}

/* --- Partition stamps ------------------------------------------------------------------- */

static bool
partition_holds(const struct partition *p, const struct of_match *m)
{
	/* Is the partition's mask inside the rule's mask? */
	unsigned n = of_match_n_words(m), j = 0, i = 0;

	if (!p->n_words)
		return false;
	of_words_for_each(w, &m->words) {
		if (i < p->n_words && p->word[i] == w) {
			if ((p->mask[i] & ~m->data[n + j]) != 0)
				return false;
			i++;
		}
		j++;
	}
	return i == p->n_words;
}

static unsigned
partition_of_match(const struct partition *p, const struct of_match *m)
{
	uint64_t h = wf_hash_seed;
	unsigned j = 0, i = 0;

	of_words_for_each(w, &m->words) {
		if (i < p->n_words && p->word[i] == w) {
			h = hash_step(h, m->data[j] & p->mask[i]);
			i++;
		}
		j++;
	}
	return hash_end(h) % N_PARTS;
}

static unsigned
partition_of_key(const struct partition *p, const uint64_t *key)
{
	uint64_t h = wf_hash_seed;

	for (unsigned i = 0; i < p->n_words; i++)
		h = hash_step(h, key[p->word[i]] & p->mask[i]);
	return hash_end(h) % N_PARTS;
}

static void
mark_dirty(struct classifier *cls, unsigned cell)
{
	uint64_t bit = 1ull << (cell % 64);

	if (!(cls->dirty_bits[cell / 64] & bit)) {
		cls->dirty_bits[cell / 64] |= bit;
		cls->dirty[cls->n_dirty++] = (uint16_t)cell;
	}
}

void
classifier_touch(struct classifier *cls, const struct rule *r)
{
	struct partition *p = atomic_load_explicit(&cls->partition, memory_order_relaxed);

	/* A conjunction is resolved by a second lookup with another conj_id, so a change of a rule
	 * may concern keys of other partitions. */
	if (!cls->n_conj && partition_holds(p, r->match)) {
		cls->n_inside++;
		mark_dirty(cls, partition_of_match(p, r->match));
	} else {
		cls->n_outside++;
		mark_dirty(cls, CELL_ALL);
	}
}

void
classifier_touch_all(struct classifier *cls)
{
	mark_dirty(cls, CELL_ALL);
}

/* What most changes have in common: the busiest subtable's mask, cut down by each next one as long as
 * something is left. */
static struct partition *
partition_choose(struct classifier *cls)
{
	struct subtables *sts = atomic_load_explicit(&cls->subtables, memory_order_relaxed);
	struct partition *p = wf_xzalloc(sizeof *p);
	uint64_t mask[OF_KEY_WORDS] = { 0 }, cut[OF_KEY_WORDS];
	struct subtable *done[16];
	unsigned n_done = 0;

	while (n_done < 16) {
		struct subtable *best = NULL;

		for (uint32_t i = 0; i < sts->n; i++) {
			struct subtable *st = sts->st[i];
			bool seen = false;

			for (unsigned d = 0; d < n_done; d++)
				seen |= done[d] == st;
			if (!seen && st->n_words && (!best || st->n_changes > best->n_changes))
				best = st;
		}
		if (!best || !best->n_changes)
			break;
		memset(cut, 0, sizeof cut);
		uint64_t any = 0;
		for (unsigned i = 0; i < best->n_words; i++) {
			unsigned w = best->word[i];

			cut[w] = n_done ? best->mask[i] & mask[w] : best->mask[i];
			any |= cut[w];
		}
		if (any)
			memcpy(mask, cut, sizeof mask);
		done[n_done++] = best;
	}
	for (unsigned w = 0; w < OF_KEY_WORDS; w++)
		if (mask[w]) {
			p->word[p->n_words] = (uint8_t)w;
			p->mask[p->n_words++] = mask[w];
		}
	for (uint32_t i = 0; i < sts->n; i++)
		sts->st[i]->n_changes /= 2;
	return p;
}

static void
partition_free(void *p)
{
	free(p);
}

void
classifier_stamp(struct classifier *cls, uint64_t version)
{
	struct partition *p = atomic_load_explicit(&cls->partition, memory_order_relaxed);

	if (cls->n_outside > 256 && cls->n_outside > 2 * cls->n_inside) {
		struct partition *new = partition_choose(cls);
		bool same = new->n_words == p->n_words &&
			    memcmp(new->word, p->word, sizeof p->word) == 0 &&
			    memcmp(new->mask, p->mask, sizeof p->mask) == 0;

		cls->n_inside = cls->n_outside = 0;
		if (same) {
			free(new);
		} else {
			/* Every plan of this table walks once more: the old cells say so. */
			new->block = stamp_block_alloc(version);
			atomic_store_explicit(&cls->partition, new, memory_order_release);
			stamp_block_release(p->block, version);
			wf_rcu_call(partition_free, p);
			cls->n_dirty = 0;
			memset(cls->dirty_bits, 0, sizeof cls->dirty_bits);
			return;
		}
	}
	for (uint32_t i = 0; i < cls->n_dirty; i++) {
		unsigned cell = cls->dirty[i];

		atomic_store_explicit(&p->block->cell[cell], version, memory_order_release);
		cls->dirty_bits[cell / 64] = 0;
	}
	cls->n_dirty = 0;
}

/* --- Searches of the writer --------------------------------------------------------------- */

static struct rule *
find_in(const struct subtable *st, const struct of_match *m, uint32_t priority, uint64_t version)
{
	_Atomic uint64_t *slot = st ? subtable_slot(st, m, hash_match(m)) : NULL;

	if (!slot)
		return NULL;
	for (struct rule *r = slot_rule(atomic_load_explicit(slot, memory_order_acquire));
	     r && r->priority >= priority;
	     r = atomic_load_explicit(&r->cls_next, memory_order_acquire))
		if (r->priority == priority && rule_is_visible(r, version))
			return r;
	return NULL;
}

static bool
subtable_for_each(struct subtable *st, const struct of_match *pattern, uint64_t version,
		  bool (*fn)(struct rule *, void *), void *aux)
{
	struct slots *s = atomic_load_explicit(&st->slots, memory_order_acquire);

	for (uint32_t i = 0; i <= s->mask; i++) {
		uint64_t v = atomic_load_explicit(&s->slot[i], memory_order_acquire);
		struct rule *next;

		/* Slots are in no order of memory: without this each rule is a cache miss. */
		if (i + 16 <= s->mask)
			rule_prefetch(slot_rule(atomic_load_explicit(&s->slot[i + 16],
								     memory_order_relaxed)));
		if (v <= SLOT_TOMB)
			continue;
		for (struct rule *r = slot_rule(v); r; r = next) {
			next = atomic_load_explicit(&r->cls_next, memory_order_acquire);
			if (rule_is_visible(r, version) &&
			    (!pattern || of_match_is_subset(r->match, pattern)) && !fn(r, aux))
				return false;
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
		while (i < st->n_words && st->word[i] < w)
			i++;
		if (i == st->n_words || st->word[i] != w || (pattern->data[n + j] & ~st->mask[i]))
			return false;
		j++;
	}
	return true;
}

void
classifier_for_each(const struct classifier *cls, const struct of_match *pattern, uint64_t version,
		    bool (*fn)(struct rule *, void *), void *aux)
{
	/* The arrays looked at are kept by RCU: main does not pass a quiescent point in here, so
	 * 'fn' may add and remove. */
	struct subtables *sts = atomic_load_explicit(&cls->subtables, memory_order_acquire);

	for (uint32_t i = 0; i < sts->n; i++)
		if (!pattern || subtable_may_hold(sts->st[i], pattern))
			if (!subtable_for_each(sts->st[i], pattern, version, fn, aux))
				return;
}

unsigned
classifier_n_candidates(const struct classifier *cls, const struct of_match *pattern)
{
	struct subtables *sts = atomic_load_explicit(&cls->subtables, memory_order_relaxed);
	unsigned n = 0;

	for (uint32_t i = 0; i < sts->n; i++)
		if (subtable_may_hold(sts->st[i], pattern))
			n += sts->st[i]->n_rules;
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
classifier_find_overlap(const struct classifier *cls, const struct of_match *m, uint32_t priority,
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
	const struct subtables *sts = atomic_load_explicit(&cls->subtables, memory_order_acquire);
	unsigned n = of_match_n_words(m);

	for (uint32_t i = 0; i < sts->n; i++)
		if (subtable_has_mask_of(sts->st[i], m, n))
			return find_in(sts->st[i], m, priority, version);
	return NULL;
}

/* --- Lookup ---------------------------------------------------------------------------------- */

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

static struct rule *
search(const struct subtables *sts, const uint64_t *key, uint64_t version, struct rule **soft,
       unsigned *n_soft, const struct narrow *how_narrow, struct of_key *wc)
{
	struct narrow_walk walk, *narrow = how_narrow ? &walk : NULL;
	struct rule *best = NULL;

	if (narrow)
		narrow_begin(narrow, how_narrow, (const struct of_key *)key, wc);
	for (uint32_t t = 0; t < sts->n; t++) {
		struct subtable *st = sts->st[t];
		bool found = false;

		if (best && best->priority >= atomic_load_explicit(&st->max_priority,
								   memory_order_relaxed))
			break;
		if (narrow && !narrow_may_match(narrow, t))
			continue;
		uint32_t hash = hash_key(st, key);
		struct slots *s = atomic_load_explicit(&st->slots, memory_order_acquire);

		if (wc && !narrow)
			for (unsigned i = 0; i < st->n_words; i++)
				of_key_words(wc)[st->word[i]] |= st->mask[i];
		for (uint32_t i = hash & s->mask;; i = (i + 1) & s->mask) {
			uint64_t v = atomic_load_explicit(&s->slot[i], memory_order_acquire);

			if (!v)
				break;
			if (v == SLOT_TOMB || v >> 48 != hash >> 16 ||
			    !rule_covers(slot_rule(v), st, key))
				continue;
			struct rule *r = slot_rule(v);
			for (; r; r = atomic_load_explicit(&r->cls_next, memory_order_acquire)) {
				if (!rule_is_visible(r, version))
					continue;
				found = true;
				/* The second lookup, with the id, passes them over: they may have
				 * the priority of the rule that it is to find. */
				if (r->actions->is_conjunction) {
					if (soft && *n_soft < MAX_SOFT)
						soft[(*n_soft)++] = r;
					continue;
				}
				if (!best || r->priority > best->priority)
					best = r;
				break;
			}
			break;
		}
		if (narrow)
			narrow_end(narrow, t, found);
	}
	return best;
}

static struct rule *
lookup(const struct classifier *cls, const struct of_key *key, uint64_t version, uint32_t *conj_id,
       const struct subtables *sts, const struct narrow *narrow, struct of_key *wc)
{
	const uint64_t *words = of_key_words_c(key);

	if (!atomic_load_explicit(&cls->has_conj, memory_order_acquire))
		return search(sts, words, version, NULL, NULL, narrow, wc);

	struct rule *soft[MAX_SOFT];
	unsigned n = 0, i = 0;
	struct rule *hard = search(sts, words, version, soft, &n, narrow, wc);

	qsort(soft, n, sizeof soft[0], soft_cmp);
	while (i < n && (!hard || soft[i]->priority > hard->priority)) {
		unsigned j = i;
		uint32_t id;

		while (j < n && soft[j]->priority == soft[i]->priority)
			j++;
		if (conj_holds(soft + i, j - i, &id)) {
			struct of_key with_id = *key;
			struct rule *r;

			with_id.conj_id = id;
			r = search(sts, of_key_words(&with_id), version, NULL, NULL, narrow, wc);
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
note_step(const struct classifier *cls, const struct of_key *key, struct plan_step *step)
{
	const struct partition *p = atomic_load_explicit(&cls->partition, memory_order_acquire);

	step->stamp2 = &p->block->cell[CELL_ALL];
	step->stamp = p->n_words ? &p->block->cell[partition_of_key(p, of_key_words_c(key))]
				 : step->stamp2;
}

struct rule *
classifier_lookup(const struct classifier *cls, const struct of_key *key, uint64_t version,
		  uint32_t *conj_id, struct plan_step *step)
{
	if (step)
		note_step(cls, key, step);
	return lookup(cls, key, version, conj_id,
		      atomic_load_explicit(&cls->subtables, memory_order_acquire), NULL, NULL);
}

struct rule *
classifier_lookup_wc(struct classifier *cls, const struct of_key *key, uint64_t version,
		     uint32_t *conj_id, struct plan_step *step, const struct narrow_fields *fields,
		     struct of_key *wc)
{
	if (step)
		note_step(cls, key, step);

	const struct subtables *sts = atomic_load_explicit(&cls->subtables, memory_order_acquire);
	bool is_own;
	struct narrow *narrow = narrow_get(cls, sts, fields, &is_own);
	struct rule *r = lookup(cls, key, version, conj_id, sts, narrow, wc);

	if (is_own)
		narrow_free(narrow);
	return r;
}

/* --- Life -------------------------------------------------------------------------------------- */

struct classifier *
classifier_new(void)
{
	struct classifier *cls = wf_xzalloc(sizeof *cls);
	struct partition *p = wf_xzalloc(sizeof *p);

	cls->editor = pthread_self();
	wf_hmap_init(&cls->by_mask);
	atomic_init(&cls->subtables, wf_xzalloc(sizeof(struct subtables)));
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
	wf_hmap_done(&cls->by_mask);
	free(atomic_load_explicit(&cls->subtables, memory_order_relaxed));
	forget_narrow(cls);
	stamp_block_release(p->block, view_next_version());
	free(p);
	free(cls);
}

unsigned
classifier_n_masks(const struct classifier *cls)
{
	return atomic_load_explicit(&cls->subtables, memory_order_relaxed)->n;
}

size_t
classifier_memory(const struct classifier *cls)
{
	struct subtable *st;
	size_t size = sizeof *cls;

	wf_hmap_for_each(st, node, &cls->by_mask)
		size += sizeof *st + st->n_words * 8 +
			(atomic_load_explicit(&st->slots, memory_order_relaxed)->mask + 1) * 8ull;
	return size;
}
