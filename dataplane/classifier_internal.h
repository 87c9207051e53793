/* SPDX-License-Identifier: Apache-2.0 */
/* The classifier from inside: classifier.c (subtables, the writer's searches), classifier_lookup.c
 * (what readers do), classifier_partition.c (stamps), classifier_near.c (near which destinations
 * there are long prefixes).
 *
 *   classifier -> ranks, sorted by max_priority: one line for each mask, which has all that a
 *                 look-up needs to find its bucket
 *   bucket     =  one line: six tags of 16 bits, how many chains had to go on to the next bucket,
 *                 and six chains of rules of equal match
 *
 * A look-up hashes a few masks ahead, fetches their buckets, then the rules whose tag is there, and
 * only then looks at them in order: for a few masks it waits for memory twice, not twice for each.
 *
 * The hash of a key is the exclusive or of a hash for each word, so that words of which all
 * subtables have the same bits (the EtherType, mostly) are hashed once for all of them.
 */
#ifndef WEFT_DATAPLANE_CLASSIFIER_INTERNAL_H
#define WEFT_DATAPLANE_CLASSIFIER_INTERNAL_H

#include <pthread.h>
#include <rte_branch_prediction.h>

#include "base/buf.h"
#include "base/hash.h"
#include "dataplane/classifier.h"
#include "dataplane/stamps.h"

/* --- Buckets --------------------------------------------------------------------------- */

#define WAYS 6
#define TAG_ONES 0x0001000100010001ull
#define TAG_REST 0x7fff7fff7fff7fffull
/* The last 16 bits of tags[1]: chains whose own bucket this or an earlier one is and that lie further
 * on; once it is PASSED_MANY nobody counts any more. */
#define PASSED_SHIFT 48
#define PASSED_MANY 0xffffull

struct rule_bucket {
	_Atomic uint64_t tags[2]; /* 4 and 2 of them; 0: free */
	struct rule *_Atomic head[WAYS];
};
static_assert(sizeof(struct rule_bucket) == 64, "a bucket is one line");

/* An array of them: pointer | logarithm of their number << 1.  In a rank it may be
 * pointer | SLOTS_ONE: to the only chain of rules, whose hash the rank has. */
#define SLOTS_ONE 1ull
static inline bool
slots_is_one(uint64_t slots)
{
	return slots & SLOTS_ONE;
}

static inline struct rule *
slots_one(uint64_t slots)
{
	return (struct rule *)(uintptr_t)(slots & ~SLOTS_ONE);
}

static inline struct rule_bucket *
slots_buckets(uint64_t slots)
{
	return (struct rule_bucket *)(uintptr_t)(slots & ~63ull);
}

static inline unsigned
slots_log2(uint64_t slots)
{
	return slots >> 1 & 31;
}

/* 128 KB of buckets, and the rules that they point to: more than the caches keep. */
#define LARGE_LOG2 11
/* 8 KB are mostly there. */
#define SMALL_LOG2 7

static inline uint32_t
slots_mask(uint64_t slots)
{
	return (1u << slots_log2(slots)) - 1;
}

static inline uint64_t
tag_of(uint32_t hash)
{
	uint64_t tag = hash >> 16;

	return tag ? tag : 1;
}

/* The top bit of each of four tags that is 'tag'. */
static inline uint64_t
tags_equal(uint64_t tags, uint64_t tag)
{
	uint64_t differ = tags ^ tag * TAG_ONES;

	return ~(((differ & TAG_REST) + TAG_REST) | differ | TAG_REST);
}

/* A bit for each way that has this tag. */
static inline unsigned
bucket_matches(uint64_t tags0, uint64_t tags1, uint64_t tag)
{
	uint64_t a = tags_equal(tags0, tag), b = tags_equal(tags1, tag);

	/* Bits 15, 31, 47, 63 to 0, 1, 2, 3. */
	return (unsigned)((a >> 15) * 0x0000200040008001ull >> 45 & 15) |
	       (unsigned)((b >> 15 & 1) << 4 | (b >> 31 & 1) << 5);
}

/* --- Subtables ------------------------------------------------------------------------- */

struct masked_word {
	uint64_t mask;
	uint64_t word;
};

/* Which low bits of destinations the rules of a subtable have: none, behind all of the high ones
 * (of the one kind of address or the other), or others. */
enum near { NEAR_NONE, NEAR_4, NEAR_6, NEAR_ANY };

struct subtable {
	_Atomic uint64_t slots;
	_Atomic uint32_t max_priority; /* of all rules that were in it; readers prune with it */
	uint32_t n_words;
	/* The writer's. */
	struct wf_hmap_node node;      /* by hash of the mask */
	struct rank *rank;             /* in the published ranks; NULL: not there yet */
	struct subtable *next_doomed;
	uint64_t order;                /* of equal max_priority those who have it for longer come first */
	uint32_t n_used;               /* chains */
	uint32_t n_rules;
	uint64_t n_changes;            /* for the choice of the partition */
	/* L4 ports, source << 16 | destination: the bits of the mask, and in which sixteenths of the ports (a bit
	 * each) rules are.  All of them, where the mask does not have the bits that tell. */
	uint32_t ports;
	_Atomic uint32_t port_pages;
	uint32_t n_in_page[2][16];     /* the writer's */
	enum near near;
	struct masked_word words[];
};

static inline uint64_t
subtable_slots(const struct subtable *st)
{
	return atomic_load_explicit(&((struct subtable *)st)->slots, memory_order_acquire);
}

#define RANK_WORDS 4
#define MAX_COMMON 6

struct rank { /* one line */
	_Atomic uint64_t slots;        /* the subtable's, or its one chain */
	struct subtable *st;
	_Atomic uint32_t max_priority; /* likewise */
	uint32_t one_hash;
	uint8_t n_words;               /* of the whole mask */
	uint8_t n_own;                 /* that are not common; RANK_WORDS + 1: hash the subtable's */
	bool has_common;
	bool has_spare;                /* bits of SPARE_ALL */
	uint8_t word[RANK_WORDS];
	uint64_t mask[RANK_WORDS];
};
static_assert(sizeof(struct rank) == 64, "a rank is one line");

struct ranks { /* immutable, but for 'slots' and 'max_priority'; starts a line */
	uint32_t n;
	uint32_t n_common;             /* words of which all masks but the empty one have these bits */
	struct masked_word common[MAX_COMMON];
	uint64_t pad[3];
	struct rank rank[];
};
static_assert(sizeof(struct ranks) == 128, "ranks are lines");

/* The cells of a block: parts, then ports, then one for rules outside the partition. */
#define N_PARTS 449
#define CELL_PORTS N_PARTS
#define CELL_ALL 511

/* Who left out low bits of a port cannot rely on a part that was chosen by them.  For each prefix of
 * up to four bits of a port there is a cell, in which all changes of rules that it may concern are seen. */
#define PORT_PREFIX_MAX 4
#define PORT_PREFIXES ((2 << PORT_PREFIX_MAX) - 1)
static_assert(CELL_PORTS + 2 * PORT_PREFIXES == CELL_ALL, "each cell has its use");

static inline unsigned
cell_of_port(bool src, unsigned prefix_len, uint16_t port)
{
	return CELL_PORTS + (src ? PORT_PREFIXES : 0) + (1u << prefix_len) - 1 +
	       ((uint32_t)port >> (16 - prefix_len));
}

#define PORTS_WORD (offsetof(struct of_key, tp_src) / 8)
static_assert(offsetof(struct of_key, tp_dst) / 8 == PORTS_WORD, "both ports are in one word");

/* source << 16 | destination, of that word of a key or a mask */
static inline uint32_t
ports_of_word(uint64_t word)
{
	const uint8_t *b = (const uint8_t *)&word;
	const uint8_t *src = b + offsetof(struct of_key, tp_src) % 8;
	const uint8_t *dst = b + offsetof(struct of_key, tp_dst) % 8;

	return (uint32_t)src[0] << 24 | (uint32_t)src[1] << 16 | (uint32_t)dst[0] << 8 | dst[1];
}

/* The same of a rule's match; its mask's bits go to '*ret_mask'. */
uint32_t ports_of_match(const struct of_match *, uint32_t *ret_mask);

/* Destinations: the words, and the bits of them that may be left out (SPARE_DST). */
#define DST4_WORD (offsetof(struct of_key, nw_dst) / 8)
#define DST6_WORD (offsetof(struct of_key, ipv6_dst) / 8) /* and the one behind, which may be left out */
static_assert(offsetof(struct of_key, ipv6_dst) % 8 == 0, "an address is two words");

static inline uint64_t
bytes_of_word(unsigned first, unsigned n)
{
	uint64_t word = 0;

	memset((uint8_t *)&word + first, 0xff, n);
	return word;
}
#define DST4_HIGH bytes_of_word(offsetof(struct of_key, nw_dst) % 8, 3)
#define DST4_LOW bytes_of_word(offsetof(struct of_key, nw_dst) % 8 + 3, 1)

static inline uint64_t
spare_dst_of_word(unsigned word)
{
	return word == DST4_WORD ? DST4_LOW : word == DST6_WORD + 1 ? UINT64_MAX : 0;
}

/* Near which destinations a classifier has rules with low bits, counted: each is two of the 32
 * counts of a line.  Some destinations seem to have them that have none: fewer than one in 30 while
 * there are at most two rules a line. */
#define NEAR_PER_LINE 32u
#define NEAR_MAX_LINES 8192u
struct near_set { /* starts a line */
	uint32_t n_lines; /* a power of two */
	uint8_t pad[60];
	_Atomic uint16_t count[]; /* UINT16_MAX: nobody counts any more */
};
static_assert(sizeof(struct near_set) == 64, "lines start behind it");

struct partition { /* immutable, but for the cells */
	struct stamp_block *block;
	uint32_t ports;   /* bits of them that the words have */
	bool has_dst;     /* they have some of SPARE_DST */
	uint32_t n_words; /* 0: all rules are outside */
	struct masked_word words[];
};

struct classifier {
	struct ranks *_Atomic ranks;
	struct partition *_Atomic partition;
	_Atomic bool has_conj;
	_Atomic bool is_large;       /* or was */
	struct near_set *_Atomic near; /* NULL: there never were such rules */
	_Atomic int64_t ports_busy_until_ms; /* rules with ports come and go: answers rest on no cell of ports */
	/* The writer's. */
	bool unsettled;              /* masks came or went, or a priority is out of order */
	uint64_t n_orders;
	uint32_t n_near;             /* rules in 'near' */
	uint32_t n_conj;             /* rules with conjunction actions */
	pthread_t editor;            /* the thread that made it: the only one that changes it */
	struct wf_hmap by_mask;
	struct subtable *recent;     /* of the last change: the next one is likely to be there */
	struct subtable *doomed;     /* without rules, but still published */
	struct narrow *narrow;       /* for masks in text; NULL: to be built when asked for */
	uint64_t n_inside, n_outside; /* changes since the partition was chosen */
	int64_t ports_since_ms;      /* 'n_ports' changes of rules with ports since then */
	uint32_t n_ports;
	uint16_t dirty[STAMPS_PER_BLOCK];
	uint32_t n_dirty;
	uint64_t dirty_bits[STAMPS_PER_BLOCK / 64];
};

/* --- Hashes ------------------------------------------------------------------------- */

static inline uint64_t
hash_word(uint64_t word, uint64_t v)
{
	return wf_hash_mix64(v ^ wf_hash_seed, wf_hash_seed + word * 0xe7037ed1a0b428dbull);
}

static inline uint32_t
hash_end(uint64_t h)
{
	return (uint32_t)(h ^ (h >> 32));
}

/* classifier_settle(), and what is published then. */
struct ranks *classifier_ranks(struct classifier *);
/* Writer: after a change. */
static inline void
forget_narrow(struct classifier *cls)
{
	if (cls->narrow) {
		narrow_free(cls->narrow);
		cls->narrow = NULL;
	}
}

/* --- Destinations ---------------------------------------------------------------------- */

enum near near_of_mask(const struct masked_word *, unsigned n_words);
/* A rule comes (1), before it is put in, or went (-1). */
void near_count(struct classifier *, const struct subtable *, const struct rule *, int n);

static inline unsigned
near_word(enum near kind)
{
	return kind == NEAR_4 ? DST4_WORD : DST6_WORD;
}

static inline uint64_t
near_hash(enum near kind, uint64_t word)
{
	return kind == NEAR_4 ? hash_word(DST4_WORD, word & DST4_HIGH) : hash_word(DST6_WORD, word);
}

static inline _Atomic uint16_t *
near_counts(const struct near_set *s, uint64_t hash, unsigned ret_at[2])
{
	ret_at[0] = hash >> 32 & (NEAR_PER_LINE - 1);
	ret_at[1] = hash >> 40 & (NEAR_PER_LINE - 1);
	return (_Atomic uint16_t *)s->count + (hash & (s->n_lines - 1)) * NEAR_PER_LINE;
}

/* May a subtable of this kind hold a rule for the key?  If not, its low bits did not decide that. */
static inline bool
near_may_hold(const struct near_set *s, enum near kind, const uint64_t *key)
{
	unsigned at[2];

	if (kind == NEAR_ANY)
		return true;
	if (!s)
		return false;
	_Atomic uint16_t *counts = near_counts(s, near_hash(kind, key[near_word(kind)]), at);
	return atomic_load_explicit(&counts[at[0]], memory_order_relaxed) &&
	       atomic_load_explicit(&counts[at[1]], memory_order_relaxed);
}

/* Without a block of stamps; the words in order. */
struct partition *partition_new(unsigned n_words);
static inline unsigned
partition_of_key(const struct partition *p, const uint64_t *key)
{
	uint64_t h = 0;

	for (unsigned i = 0; i < p->n_words; i++)
		h ^= hash_word(p->words[i].word, key[p->words[i].word] & p->words[i].mask);
	return hash_end(h) % N_PARTS;
}

/* The cell for who left out the low bits of the destination: what changes rules that have them
 * touches this as well. */
static inline unsigned
partition_of_cut_key(const struct partition *p, const uint64_t *key)
{
	uint64_t h = 0;

	for (unsigned i = 0; i < p->n_words; i++) {
		unsigned w = (unsigned)p->words[i].word;

		h ^= hash_word(w, key[w] & p->words[i].mask & ~spare_dst_of_word(w));
	}
	return hash_end(h) % N_PARTS;
}

#endif
