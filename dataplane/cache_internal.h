/* SPDX-License-Identifier: Apache-2.0 */
/* The flow cache from inside: cache.c (keys, buckets, admission, layouts), cache_burst.c (the
 * same for a burst), cache_flows.c (memory of entries, their way out, and main's side). */
#ifndef WEFT_DATAPLANE_CACHE_INTERNAL_H
#define WEFT_DATAPLANE_CACHE_INTERNAL_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/hash.h"
#include "dataplane/cache.h"
#include "dataplane/cache_plans.h"
#include "dataplane/pkt_fast.h"

#define WAYS 6
struct bucket6 {
	uint16_t tags[WAYS]; /* 0: free */
	uint32_t pad;
	struct flow *flows[WAYS];
};
static_assert(sizeof(struct bucket6) == 64, "a bucket is one line");

/* Bits of one word of a key, and where they go in the packed ones.  Sorted by 'dst', 'last' says that
 * the next one has another. */
struct packing {
	uint64_t mask;
	uint8_t src, dst, rotate;
	bool last;
};

/* How the packed words come out of a frame of one kind (pkt_fast.h): those of 'fixed', and into
 * them the parts. */
struct key_recipe {
	unsigned n;
	struct key_part {
		uint64_t mask;
		uint8_t ofs, rotate, dst;
	} parts[PKT_MAX_SOURCES];
	uint64_t fixed[OF_KEY_WORDS];
};

/* One layout generation. */
struct cache_table {
	struct key_layout layout;
	unsigned n_packings, n_packed;
	struct packing packings[OF_KEY_WORDS];
	struct key_recipe recipes[PKT_KINDS];
	uint32_t mask;           /* buckets - 1 */
	uint32_t n;
	struct bucket6 *buckets;
	uint32_t hand;           /* bucket at which expiry, or dropping, goes on */
	/* Coarse: the spare bits that are in its keys, and of keys of 'cur', which has the same words,
	 * the bits that are; the first of them is the port of the switch. */
	uint64_t spare;
	uint64_t keep[OF_KEY_WORDS + 1];
	struct cache_table *next_dropped;
	/* How many flows still name this table; main frees the last (flow_key() reads the
	 * layout). The worker's own use counts as one. */
	_Atomic uint32_t refs;
	uint32_t spare_refs;     /* the worker's, taken ahead */
};

/* Flows of one port, oldest first. */
struct slot_flows {
	struct flow *head, *tail;
	uint32_t n;
	/* Of one new key in 16: how many there were lately, and how many of them came again. */
	uint16_t n_noted, n_again;
};

/* Packets without a port share the last place. */
#define MAX_SLOTS 65535u
/* First misses remembered, 2 MB of memory if so many come.  With fewer than the flows that are
 * alive at once, their second sightings are missed. */
#define SEEN_SIZE 1048576u
#define SEEN_BYTES (SEEN_SIZE * sizeof(uint16_t)) /* one page of 2 MB */
/* Memory of flows with keys of one size: main frees, the worker allocates. */
#define FLOW_CLASSES 13 /* hot parts of 1 to 13 cache lines */
struct flow_pool {
	struct flow *free;              /* the worker's; linked by 'plan' */
	_Atomic(struct flow *) freed;   /* main's gift */
	_Atomic(struct flow_slab *) slabs; /* newest first; the worker adds, main reads */
	unsigned n_slabs;
	uint8_t *arena;                 /* the rest of 2 MB that slabs are cut from */
	uint32_t arena_left;
};

/* 2 MB for cold parts. */
struct cold_arena {
	struct cold_arena *next;
	uint32_t used;
};

/* Tables without source port, destination port, end of the destination: bits of index + 1. */
#define CACHE_COARSE 7
#define COARSE_PORTS 3u
#define COARSE_DST 4u

struct cache {
	struct cache_table *cur, *old;
	struct cache_table *coarse[CACHE_COARSE]; /* of the layout of 'cur'; NULL: not needed yet */
	/* 'cur' and those, in the order in which they are asked; n_asked is 1 without them. */
	struct cache_table *asked[1 + CACHE_COARSE];
	uint32_t n_found[1 + CACHE_COARSE], n_asked, ask_left;
	uint64_t layout_spare;       /* in keys of 'cur' */
	uint64_t keep_no_ports[OF_KEY_WORDS + 1]; /* the bits of its keys that are none of ports */
	uint64_t keep_no_spare[OF_KEY_WORDS + 1];
	int32_t coarse_credit;       /* is it worth while to look for coarse entries? */
	/* Under the layout before, which ended at old_since_ms, and did not come again yet. */
	uint32_t had_coarse;
	struct cache_table *dropped; /* of older layouts, on their way out; linked by next_dropped */
	const struct view *view; /* of this burst */
	int64_t now_ms, old_since_ms, expired_ms;
	struct plan_set plans;
	struct slot_flows *slots;
	uint32_t n_slots, n_slots_used, n_flows;
	uint32_t fattest; /* a slot with most flows, or nearly */
	uint16_t *seen;
	uint32_t coin; /* a linear congruential generator: nobody gains by guessing it */
	/* Retired in this burst. */
	struct flow **retired;
	uint32_t n_retired, max_retired;
	struct flow_pool pools[FLOW_CLASSES];
	struct cold_arena *cold_arenas;
	/* Batches of retired flows on their way to main. */
	_Atomic uint32_t n_reaping;
};

/* What of a flow lookups do not touch; it lies elsewhere. */
struct flow_cold {
	struct cache_table *table;
	uint32_t hash;
	/* From when the worker has made it until main has freed it: main finds it. */
	_Atomic bool exists;
	struct flow *slot_prev, *slot_next;  /* flows of the same port, oldest first */
	/* Main's. */
	uint64_t folded_packets, folded_bytes;
	_Atomic(struct flow_sample *) sample; /* set once by the worker; freed by main */
	uint64_t pad;
};
static_assert(sizeof(struct flow_cold) == 64, "the cold part is one line");

/* A key without the words that are 0. */
struct flow_sample {
	struct of_words present;
	uint64_t words[];
};

/* Flows come in slabs of 64 KB at multiples of 64 KB. */
#define FLOW_SLAB_SIZE 65536u
struct flow_slab {
	struct flow_slab *next;
	struct flow_cold *cold;
	uint32_t n, hot_size;
	uint32_t per_line;                   /* 65536 / lines of a hot part, rounded up */
	bool in_arena;                       /* cut from 2 MB, not a block of its own; 'cold' as well */
	uint8_t pad[35];
	uint8_t hot[];
};
static_assert(offsetof(struct flow_slab, hot) == 64, "flows start on cache lines");

static inline struct flow_cold *
flow_cold(const struct flow *f)
{
	struct flow_slab *s = (struct flow_slab *)((uintptr_t)f & ~(uintptr_t)(FLOW_SLAB_SIZE - 1));

	/* A division: exact for fewer than 1024 lines, of which a hot part has up to 13. */
	return &s->cold[(((uintptr_t)f - (uintptr_t)s->hot) >> 6) * s->per_line >> 16];
}
static_assert(FLOW_SLAB_SIZE / 64 * FLOW_CLASSES <= 65536, "the division is exact");

/* Loops over the words of a key, where their number is known when this is compiled. */
#if defined(__GNUC__) && !defined(__clang__)
#define CACHE_UNROLL _Pragma("GCC unroll 8")
#else
#define CACHE_UNROLL
#endif

static inline uint64_t
rotate_left(uint64_t v, unsigned n)
{
	return v << (n & 63) | v >> (-n & 63);
}

static inline uint32_t
hash_words(const uint64_t *k, unsigned n)
{
	uint64_t h = wf_hash_seed;

	CACHE_UNROLL
	for (unsigned i = 0; i + 1 < n; i += 2)
		/* Both factors are keyed: no word of a packet makes one of them 0. */
		h = wf_hash_mix64(h ^ k[i], k[i + 1] ^ wf_hash_seed);
	if (n & 1)
		h = wf_hash_mix64(h, k[n - 1]);
	return (uint32_t)(h ^ h >> 32);
}

static inline uint64_t
first_word(uint32_t slot, uint32_t generation)
{
	return (uint64_t)(slot < MAX_SLOTS ? slot : MAX_SLOTS) << 48 | (uint64_t)generation << 16;
}

static inline uint16_t
tag_of(uint32_t hash)
{
	return hash >> 16 | 1;
}

static inline uint32_t
other_bucket(uint32_t bucket, uint16_t tag, uint32_t mask)
{
	/* Its own inverse, so that an entry can be found from either side. */
	return (bucket ^ (tag * 0x5bd1e995u >> 8 | 1)) & mask;
}

/* A bit for each entry with this tag. */
static inline unsigned
tag_matches(const struct bucket6 *b, uint16_t tag)
{
#ifdef __SSE2__
	__m128i equal = _mm_cmpeq_epi16(_mm_load_si128((const __m128i *)b->tags),
					_mm_set1_epi16((short)tag));

	/* Two bits of 'equal' are one entry; the last 4 bytes are none. */
	return _mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())) &
	       ((1u << WAYS) - 1);
#else
	unsigned bits = 0;

	for (unsigned i = 0; i < WAYS; i++)
		bits |= (unsigned)(b->tags[i] == tag) << i;
	return bits;
#endif
}

/* cache_flows.c */
struct flow *flow_alloc(struct cache *, unsigned n_words); /* zeroed; NULL: no memory */
void flow_free_unused(struct cache *, struct flow *);      /* worker: one that nobody saw */
void flow_publish(struct flow_cold *);                     /* main may see it from now on */
struct slot_flows *slot_get(struct cache *, uint32_t slot);
void slot_append(struct cache *, struct flow *, struct flow_cold *);
void slot_unlink(struct cache *, struct flow *);
void flow_retire(struct cache *, struct flow *);
void ctable_unref(struct cache_table *, uint32_t n);
void seen_clear(struct cache *);
/* cache_burst.c */
void key_recipe_make(const struct cache_table *, unsigned kind, struct key_recipe *);
/* cache.c */
/* The key without the bits that a coarse table leaves out; only keys of a packet as it came from
 * its port have one. */
static inline bool
key_is_plain(const struct cache_table *t, uint64_t first, unsigned n_words)
{
	return !(first & (FLOW_HAS_FROZEN | FLOW_NOT_ETHERNET | FLOW_HAS_TUNNEL)) &&
	       n_words == t->n_packed + 1;
}
static inline void
key_leave_out(const uint64_t *keep, const struct cache_key *key, struct cache_key *to)
{
	for (unsigned i = 0; i < key->n_words; i++)
		to->words[i] = key->words[i] & keep[i];
	to->n_words = key->n_words;
	to->hash = hash_words(to->words, to->n_words);
}
/* After so many look-ups the order of tables is looked at again. */
#define ASK_AGAIN 4096
void cache_order(struct cache *);
struct flow *ctable_find(const struct cache_table *, const struct cache_key *);
/* Its entries are not found any more; they go in the turns that follow, or now. */
void ctable_drop(struct cache *, struct cache_table *);
void cache_drop_some(struct cache *, bool all);

#endif
