/* SPDX-License-Identifier: Apache-2.0 */
/* What a burst from one port asks the cache: keys straight out of the frames, and looking them up
 * in stages, so that the misses of one stage overlap.  The loops are made anew for the usual lengths
 * of keys, since with so few instructions a packet the loops over its words would be half of them. */
#include "dataplane/cache_internal.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

void
key_recipe_make(const struct cache_table *t, unsigned kind, struct key_recipe *r)
{
	struct pkt_source sources[PKT_MAX_SOURCES];
	struct of_key fixed;
	unsigned n_sources = pkt_kind_key(kind, &fixed, sources);

	for (const struct packing *p = t->packings; p < t->packings + t->n_packings; p++) {
		r->fixed[p->dst] |=
			rotate_left(of_key_words(&fixed)[p->src] & p->mask, p->rotate);
		for (const struct pkt_source *s = sources; s < sources + n_sources; s++)
			if (s->word == p->src && s->mask & p->mask)
				r->parts[r->n++] = (struct key_part){
					rotate_left(s->mask & p->mask, p->rotate), s->ofs,
					(s->rotate + p->rotate) & 63, p->dst };
	}
}

void
cache_frame_bits(const struct cache *c, unsigned kind, uint8_t bits[64])
{
	const struct key_recipe *r = &c->cur->recipes[kind];

	for (const struct key_part *p = r->parts; p < r->parts + r->n; p++) {
		uint64_t word = load64(bits + p->ofs) | rotate_left(p->mask, 64u - p->rotate);

		memcpy(bits + p->ofs, &word, 8);
	}
}

/* --- Keys -------------------------------------------------------------------------- */

void
cache_burst_start(const struct cache *c, struct cache_burst *b, uint32_t slot, uint32_t generation)
{
	b->n = 0;
	b->n_words = c->cur->n_packed + 1;
	b->first = first_word(slot, generation);
	b->keep = likely(c->n_asked == 1) || c->asked[0] == c->cur ? NULL : c->asked[0]->keep;
}

/* Of these bits of a key. */
ALWAYS_INLINE uint32_t
hash_kept(const uint64_t *k, const uint64_t *keep, unsigned n_words)
{
	uint64_t kept[CACHE_KEY_WORDS];

	CACHE_UNROLL
	for (unsigned i = 0; i < n_words; i++)
		kept[i] = k[i] & keep[i];
	return hash_words(kept, n_words);
}

/* The packed words of a frame.  One or two are made in registers: a load of what was just put together in
 * memory waits. */
ALWAYS_INLINE void
pack_frame(const struct key_recipe *r, const uint8_t *frame, uint64_t *packed, unsigned n_packed)
{
	const struct key_part *p = r->parts, *end = p + r->n;

	if (n_packed == 1) {
		uint64_t word = r->fixed[0];

		for (; p < end; p++)
			word |= rotate_left(load64(frame + p->ofs), p->rotate) & p->mask;
		packed[0] = word;
		return;
	}
	if (n_packed == 2) {
		uint64_t first = r->fixed[0], second = r->fixed[1];

		for (; p < end; p++) {
			uint64_t bits = rotate_left(load64(frame + p->ofs), p->rotate) & p->mask;
			uint64_t is_second = -(uint64_t)p->dst;

			first |= bits & ~is_second;
			second |= bits & is_second;
		}
		packed[0] = first;
		packed[1] = second;
		return;
	}
	CACHE_UNROLL
	for (unsigned i = 0; i < n_packed; i++)
		packed[i] = r->fixed[i];
	for (; p < end; p++)
		packed[p->dst] |= rotate_left(load64(frame + p->ofs), p->rotate) & p->mask;
}

/* A key of 'n_words', which is b->n_words.  'to': the table that is asked first, 'keep': b->keep. */
ALWAYS_INLINE void
add_frame(const struct cache_table *to, const uint64_t *keep, struct cache_burst *b,
	  const struct key_recipe *r, const uint8_t *frame, unsigned n_words)
{
	uint64_t *k = b->words + b->n * n_words;

	k[0] = b->first;
	pack_frame(r, frame, k + 1, n_words - 1);
	uint32_t hash = keep ? hash_kept(k, keep, n_words) : hash_words(k, n_words);
	__builtin_prefetch(&to->buckets[hash & to->mask]);
	b->hashes[b->n++] = hash;
}

ALWAYS_INLINE void
add_frames(const struct cache_table *t, const struct cache_table *to, const uint64_t *keep,
	   struct cache_burst *b, struct rte_mbuf *const *pkts, const uint8_t *kinds, unsigned n,
	   uint8_t *key_of, unsigned n_words)
{
	uint8_t known[PKT_KINDS];

	memset(known, UINT8_MAX, sizeof(known));
	for (unsigned i = 0; i < n; i++) {
		unsigned kind = kinds[i];

		if (unlikely(kind >= PKT_KIND_OTHER))
			continue;
		if (known[kind] != UINT8_MAX) {
			key_of[i] = known[kind];
			continue;
		}
		/* Where no bit comes from the frame, all of a kind have one key. */
		if (!t->recipes[kind].n)
			known[kind] = (uint8_t)b->n;
		key_of[i] = (uint8_t)b->n;
		add_frame(to, keep, b, &t->recipes[kind], pkt_data(pkts[i]), n_words);
	}
}

/* For coarse entries. */
static __attribute__((noinline)) void
add_frames_kept(const struct cache *c, struct cache_burst *b, struct rte_mbuf *const *pkts,
		const uint8_t *kinds, unsigned n, uint8_t *key_of)
{
	const struct cache_table *t = c->cur, *to = c->asked[0];

	switch (b->n_words) {
	case 2:
		add_frames(t, to, to->keep, b, pkts, kinds, n, key_of, 2);
		break;
	case 3:
		add_frames(t, to, to->keep, b, pkts, kinds, n, key_of, 3);
		break;
	case 4:
		add_frames(t, to, to->keep, b, pkts, kinds, n, key_of, 4);
		break;
	default:
		add_frames(t, to, to->keep, b, pkts, kinds, n, key_of, b->n_words);
	}
}

void
cache_burst_add_frames(const struct cache *c, struct cache_burst *b, struct rte_mbuf *const *pkts,
		       const uint8_t *kinds, unsigned n, uint8_t *key_of)
{
	if (unlikely(b->keep)) {
		add_frames_kept(c, b, pkts, kinds, n, key_of);
		return;
	}
	switch (b->n_words) {
	case 2:
		add_frames(c->cur, c->cur, NULL, b, pkts, kinds, n, key_of, 2);
		break;
	case 3:
		add_frames(c->cur, c->cur, NULL, b, pkts, kinds, n, key_of, 3);
		break;
	case 4:
		add_frames(c->cur, c->cur, NULL, b, pkts, kinds, n, key_of, 4);
		break;
	default:
		add_frames(c->cur, c->cur, NULL, b, pkts, kinds, n, key_of, b->n_words);
	}
}

void
cache_burst_start_tunnel(const struct cache *c, struct cache_burst *b, unsigned n_tunnel)
{
	b->n = 0;
	b->n_words = 1 + n_tunnel + c->cur->n_packed;
	b->first = 0;
	b->keep = NULL;
}

ALWAYS_INLINE void
add_tunnel(const struct cache_table *t, struct cache_burst *b, uint64_t first, const uint64_t *words,
	   unsigned n_tunnel, const uint8_t *frame, const struct key_recipe *r, unsigned n_words)
{
	uint64_t *k = b->words + b->n * n_words;

	k[0] = first;
	for (unsigned i = 0; i < n_tunnel; i++)
		k[1 + i] = words[i];
	pack_frame(r, frame, k + 1 + n_tunnel, n_words - 1 - n_tunnel);
	uint32_t hash = hash_words(k, n_words);
	__builtin_prefetch(&t->buckets[hash & t->mask]);
	b->hashes[b->n++] = hash;
}

void
cache_burst_add_tunnel(const struct cache *c, struct cache_burst *b, uint32_t slot,
		       uint32_t generation, const uint64_t *words, unsigned n_tunnel,
		       const struct rte_mbuf *m, unsigned kind)
{
	const struct cache_table *t = c->cur;
	const struct key_recipe *r = &t->recipes[kind];
	uint64_t first = first_word(slot, generation) | FLOW_HAS_TUNNEL;

	/* The VNI alone, and one word or two. */
	if (n_tunnel == 1 && b->n_words == 3)
		add_tunnel(t, b, first, words, 1, pkt_data(m), r, 3);
	else if (n_tunnel == 1 && b->n_words == 4)
		add_tunnel(t, b, first, words, 1, pkt_data(m), r, 4);
	else
		add_tunnel(t, b, first, words, n_tunnel, pkt_data(m), r, b->n_words);
}

/* Each with the VNI alone. */
ALWAYS_INLINE void
add_tunnels_of_ids(const struct cache_table *t, struct cache_burst *b, uint64_t first, const uint64_t *ids,
		   struct rte_mbuf *const *pkts, const uint8_t *kinds, unsigned n, unsigned n_words)
{
	for (unsigned i = 0; i < n; i++)
		add_tunnel(t, b, first, &ids[i], 1, pkt_data(pkts[i]), &t->recipes[kinds[i]],
			   n_words);
}

void
cache_burst_add_tunnels(const struct cache *c, struct cache_burst *b, uint32_t slot,
			uint32_t generation, const uint64_t *words, unsigned n_tunnel,
			const uint64_t *ids, struct rte_mbuf *const *pkts, const uint8_t *kinds,
			unsigned n)
{
	const struct cache_table *t = c->cur;
	uint64_t first = first_word(slot, generation) | FLOW_HAS_TUNNEL, own[CACHE_KEY_WORDS];

	if (ids && n_tunnel == 1 && b->n_words == 3) {
		add_tunnels_of_ids(t, b, first, ids, pkts, kinds, n, 3);
		return;
	}
	if (ids && n_tunnel == 1 && b->n_words == 4) {
		add_tunnels_of_ids(t, b, first, ids, pkts, kinds, n, 4);
		return;
	}
	memcpy(own, words, n_tunnel * sizeof own[0]);
	for (unsigned i = 0; i < n; i++) {
		if (ids)
			own[0] = ids[i];
		add_tunnel(t, b, first, own, n_tunnel, pkt_data(pkts[i]), &t->recipes[kinds[i]],
			   b->n_words);
	}
}

unsigned
cache_burst_add(struct cache_burst *b, const struct cache_key *key)
{
	memcpy(b->words + b->n * b->n_words, key->words, b->n_words * sizeof(uint64_t));
	b->hashes[b->n] = b->keep ? hash_kept(key->words, b->keep, b->n_words) : key->hash;
	return b->n++;
}

void
cache_burst_key(const struct cache_burst *b, unsigned i, struct cache_key *key)
{
	key->n_words = b->n_words;
	memcpy(key->words, b->words + i * b->n_words, b->n_words * sizeof(uint64_t));
	key->hash = b->keep ? hash_words(key->words, key->n_words) : b->hashes[i];
}

/* --- Looking up -------------------------------------------------------------------------- */

ALWAYS_INLINE bool
equal(const struct flow *f, const uint64_t *k, unsigned n_words)
{
	uint64_t differ = f->n_words ^ n_words;

	CACHE_UNROLL
	for (unsigned i = 0; i < n_words; i++)
		differ |= f->key[i] ^ k[i];
	return !differ;
}

static __attribute__((noinline)) struct flow *
find_elsewhere(const struct cache_table *t, const struct cache_burst *b, unsigned i)
{
	struct cache_key key;

	cache_burst_key(b, i, &key);
	return ctable_find(t, &key);
}

ALWAYS_INLINE void
find(const struct cache *c, const struct cache_burst *b, struct flow **flows, unsigned n_words)
{
	const struct cache_table *t = c->cur;

	/* Buckets are on their way; then entries, then plans. */
	for (unsigned i = 0; i < b->n; i++) {
		uint32_t hash = b->hashes[i], at = hash & t->mask;
		const struct bucket6 *bucket = &t->buckets[at];
		unsigned bits = tag_matches(bucket, tag_of(hash));

		if (likely(bits)) {
			struct flow *f = flows[i] = bucket->flows[__builtin_ctz(bits)];

			/* The hot line, and where a longer key goes on. */
			__builtin_prefetch(f);
			if (n_words > 4)
				__builtin_prefetch(&f->key[4]);
		} else {
			flows[i] = NULL;
			__builtin_prefetch(&t->buckets[other_bucket(at, tag_of(hash), t->mask)]);
			__builtin_prefetch(&c->seen[hash % SEEN_SIZE], 1);
		}
	}
	for (unsigned i = 0; i < b->n; i++) {
		struct flow *f = flows[i];

		if (unlikely(!f || !equal(f, b->words + i * n_words, n_words)))
			f = flows[i] = find_elsewhere(t, b, i);
		if (likely(f))
			__builtin_prefetch(f->plan);
	}
}

static __attribute__((noinline)) struct flow *
find_kept_elsewhere(const struct cache_table *t, const struct cache_burst *b, unsigned i)
{
	struct cache_key key;

	cache_burst_key(b, i, &key);
	key_leave_out(t->keep, &key, &key);
	return ctable_find(t, &key);
}

/* find() in a coarse table that is asked first; 'left' gets which are not there. */
ALWAYS_INLINE unsigned
find_kept(const struct cache_table *t, const struct cache_burst *b, struct flow **flows, uint8_t *left,
	  unsigned n_words)
{
	const uint64_t *keep = t->keep;
	unsigned n_left = 0;

	for (unsigned i = 0; i < b->n; i++) {
		const struct bucket6 *bucket = &t->buckets[b->hashes[i] & t->mask];
		unsigned bits = tag_matches(bucket, tag_of(b->hashes[i]));
		struct flow *f = bits ? bucket->flows[__builtin_ctz(bits)] : NULL;

		flows[i] = f;
		if (likely(bits)) {
			__builtin_prefetch(f);
			if (n_words > 4)
				__builtin_prefetch(&f->key[4]);
		} else {
			uint32_t at = b->hashes[i] & t->mask;

			__builtin_prefetch(&t->buckets[other_bucket(at, tag_of(b->hashes[i]), t->mask)]);
		}
	}
	for (unsigned i = 0; i < b->n; i++) {
		const uint64_t *k = b->words + i * n_words;
		struct flow *f = flows[i];
		uint64_t differ = !f || f->n_words != n_words;

		CACHE_UNROLL
		for (unsigned j = 0; !differ && j < n_words; j++)
			differ |= f->key[j] ^ (k[j] & keep[j]);
		if (unlikely(differ))
			f = flows[i] = find_kept_elsewhere(t, b, i);
		if (likely(f))
			__builtin_prefetch(f->plan);
		else
			left[n_left++] = (uint8_t)i;
	}
	return n_left;
}

/* The keys that were found nowhere yet, in one table: 'left' says which, and gets which still are not. */
ALWAYS_INLINE unsigned
find_left(const struct cache *c, const struct cache_table *t, const struct cache_burst *b,
	  struct flow **flows, uint8_t *left, unsigned n_left, unsigned n_words)
{
	uint64_t words[BURST_MAX * (OF_KEY_WORDS + 1)];
	uint32_t hashes[BURST_MAX];
	unsigned n = 0;

	for (unsigned j = 0; j < n_left; j++) {
		const uint64_t *k = b->words + left[j] * n_words;

		if (t == c->cur) {
			CACHE_UNROLL
			for (unsigned i = 0; i < n_words; i++)
				words[j * n_words + i] = k[i];
			hashes[j] = b->keep ? hash_words(k, n_words) : b->hashes[left[j]];
		} else {
			CACHE_UNROLL
			for (unsigned i = 0; i < n_words; i++)
				words[j * n_words + i] = k[i] & t->keep[i];
			hashes[j] = hash_words(words + j * n_words, n_words);
		}
		__builtin_prefetch(&t->buckets[hashes[j] & t->mask]);
	}
	for (unsigned j = 0; j < n_left; j++) {
		uint32_t at = hashes[j] & t->mask;
		const struct bucket6 *bucket = &t->buckets[at];
		unsigned bits = tag_matches(bucket, tag_of(hashes[j]));
		struct flow *f = NULL;

		if (likely(bits)) {
			f = bucket->flows[__builtin_ctz(bits)];
			__builtin_prefetch(f);
			if (n_words > 4)
				__builtin_prefetch(&f->key[4]);
		} else {
			__builtin_prefetch(
				&t->buckets[other_bucket(at, tag_of(hashes[j]), t->mask)]);
		}
		flows[left[j]] = f;
	}
	for (unsigned j = 0; j < n_left; j++) {
		struct flow *f = flows[left[j]];

		if (unlikely(!f || !equal(f, words + j * n_words, n_words))) {
			struct cache_key key = { .hash = hashes[j], .n_words = n_words };

			memcpy(key.words, words + j * n_words, n_words * sizeof(uint64_t));
			f = flows[left[j]] = ctable_find(t, &key);
		}
		if (likely(f))
			__builtin_prefetch(f->plan);
		else
			left[n++] = left[j];
	}
	return n;
}

/* A few keys that the first table has not, mostly in none: all that has to be looked at to know it comes together. */
#define FEW 4u
static __attribute__((noinline)) void
find_few(struct cache *c, const struct cache_burst *b, struct flow **flows, const uint8_t *left,
	 unsigned n_left)
{
	struct cache_key keys[FEW][CACHE_COARSE];

	for (unsigned j = 0; j < n_left; j++) {
		struct cache_key whole, cut;

		cache_burst_key(b, left[j], &whole);
		for (unsigned a = 1; a < c->n_asked; a++) {
			const struct cache_table *t = c->asked[a];
			struct cache_key *key = &keys[j][a - 1];

			if (t == c->cur)
				*key = whole;
			else
				key_leave_out(t->keep, &whole, key);
			uint32_t at = key->hash & t->mask;
			__builtin_prefetch(&t->buckets[at]);
			__builtin_prefetch(&t->buckets[other_bucket(at, tag_of(key->hash), t->mask)]);
		}
		key_leave_out(c->keep_no_ports, &whole, &cut);
		__builtin_prefetch(&c->seen[cut.hash % SEEN_SIZE], 1);
		if (c->layout_spare & SPARE_DST) {
			key_leave_out(c->keep_no_spare, &whole, &cut);
			__builtin_prefetch(&c->seen[cut.hash % SEEN_SIZE], 1);
		}
		__builtin_prefetch(&c->seen[whole.hash % SEEN_SIZE], 1);
	}
	for (unsigned j = 0; j < n_left; j++) {
		struct flow *f = NULL;

		for (unsigned a = 1; a < c->n_asked && !f; a++) {
			f = ctable_find(c->asked[a], &keys[j][a - 1]);
			c->n_found[a] += f != NULL;
		}
		flows[left[j]] = f;
	}
}

/* Many, table by table. */
static __attribute__((noinline)) void
find_many(struct cache *c, const struct cache_burst *b, struct flow **flows, uint8_t *left, unsigned n_left)
{
	for (unsigned a = 1; a < c->n_asked && n_left; a++) {
		const struct cache_table *t = c->asked[a];
		unsigned before = n_left;

		switch (b->n_words) {
		case 2:
			n_left = find_left(c, t, b, flows, left, n_left, 2);
			break;
		case 3:
			n_left = find_left(c, t, b, flows, left, n_left, 3);
			break;
		case 4:
			n_left = find_left(c, t, b, flows, left, n_left, 4);
			break;
		case 5:
			n_left = find_left(c, t, b, flows, left, n_left, 5);
			break;
		default:
			n_left = find_left(c, t, b, flows, left, n_left, b->n_words);
		}
		c->n_found[a] += before - n_left;
	}
	for (unsigned i = 0; i < n_left; i++) {
		const uint64_t *k = b->words + left[i] * b->n_words;
		uint32_t hash = b->keep ? hash_words(k, b->n_words) : b->hashes[left[i]];

		__builtin_prefetch(&c->seen[hash % SEEN_SIZE], 1);
	}
}

static void
find_in_current(const struct cache *c, const struct cache_burst *b, struct flow **flows)
{
	switch (b->n_words) {
	case 2:
		find(c, b, flows, 2);
		break;
	case 3:
		find(c, b, flows, 3);
		break;
	case 4:
		find(c, b, flows, 4);
		break;
	default:
		find(c, b, flows, b->n_words);
	}
}

/* The same where there are coarse entries. */
static __attribute__((noinline)) void
find_asking(struct cache *c, const struct cache_burst *b, struct flow **flows)
{
	uint8_t left[BURST_MAX];
	unsigned n_left = 0;

	/* Mostly it is one table that has them all; of what came out of a tunnel always the current one. */
	if (!b->keep) {
		find_in_current(c, b, flows);
		if (c->asked[0] != c->cur)
			return;
		for (unsigned i = 0; i < b->n; i++) {
			left[n_left] = (uint8_t)i;
			n_left += !flows[i];
		}
	} else {
		const struct cache_table *t = c->asked[0];

		switch (b->n_words) {
		case 2:
			n_left = find_kept(t, b, flows, left, 2);
			break;
		case 3:
			n_left = find_kept(t, b, flows, left, 3);
			break;
		case 4:
			n_left = find_kept(t, b, flows, left, 4);
			break;
		default:
			n_left = find_kept(t, b, flows, left, b->n_words);
		}
	}
	c->n_found[0] += b->n - n_left;
	if (likely(n_left <= FEW))
		find_few(c, b, flows, left, n_left);
	else
		find_many(c, b, flows, left, n_left);
	if (c->ask_left <= b->n)
		cache_order(c);
	else
		c->ask_left -= b->n;
}

void
cache_burst_find(struct cache *c, const struct cache_burst *b, struct flow **flows)
{
	if (unlikely(c->n_asked > 1 && b->n_words == c->cur->n_packed + 1)) {
		find_asking(c, b, flows);
		return;
	}
	find_in_current(c, b, flows);
}
