/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/cache_internal.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "dataplane/run.h"

/* --- Keys -------------------------------------------------------------------------- */

#define FIRST_HEADER_WORD (offsetof(struct of_key, dl_dst) / 8)
static_assert(offsetof(struct of_key, dl_dst) % 8 == 0, "headers start a word");
#define FIRST_TUNNEL_WORD (offsetof(struct of_key, tun_id) / 8)
static_assert(offsetof(struct of_key, tun_id) % 8 == 0, "the tunnel part starts a word");

static inline bool
is_tunnel_word(unsigned w)
{
	return w >= FIRST_TUNNEL_WORD && w < FIRST_HEADER_WORD;
}

static int
by_dst(const void *a_, const void *b_)
{
	const struct packing *a = a_, *b = b_;

	return a->dst != b->dst ? a->dst - b->dst : a->src - b->src;
}

/* First fit, words with most bits first. */
static void
pack_layout(struct cache_table *t)
{
	const uint64_t *mask = of_key_words_c(&t->layout.mask);
	uint64_t used[OF_KEY_WORDS] = { 0 };

	for (unsigned bits = 64; bits; bits--) {
		for (unsigned i = 0; i < t->layout.n_words; i++) {
			unsigned w = t->layout.words[i], dst = 0, rotate = 0;

			if (w < FIRST_HEADER_WORD || __builtin_popcountll(mask[w]) != (int)bits)
				continue;
			while (rotate_left(mask[w], rotate) & used[dst]) {
				if (++rotate == 64) {
					rotate = 0;
					dst++;
				}
			}
			used[dst] |= rotate_left(mask[w], rotate);
			if (dst >= t->n_packed)
				t->n_packed = dst + 1;
			t->packings[t->n_packings++] =
				(struct packing){ mask[w], w, dst, rotate, false };
		}
	}
	qsort(t->packings, t->n_packings, sizeof(t->packings[0]), by_dst);
	for (unsigned i = 0; i < t->n_packings; i++)
		t->packings[i].last = i + 1 == t->n_packings ||
				      t->packings[i + 1].dst != t->packings[i].dst;
	for (unsigned kind = 0; kind < PKT_KINDS; kind++)
		key_recipe_make(t, kind, &t->recipes[kind]);
}

static struct bucket6 *
buckets_new(uint32_t n)
{
	size_t size = n * sizeof(struct bucket6), huge = 2 * 1024 * 1024;
	struct bucket6 *b = aligned_alloc(size < huge ? 64 : huge, size);

	if (!b)
		return NULL;
	/* One TLB entry for 2 MB. */
	if (size >= huge)
		madvise(b, size, MADV_HUGEPAGE);
	memset(b, 0, size);
	return b;
}

static struct cache_table *
ctable_new(const struct key_layout *layout)
{
	struct cache_table *t = wf_xzalloc(sizeof(*t));

	t->layout = *layout;
	pack_layout(t);
	t->mask = 255;
	t->buckets = buckets_new(t->mask + 1);
	if (!t->buckets)
		abort();
	atomic_init(&t->refs, 1);
	return t;
}

/* Each packed word is stored once; those without packings are the caller's to clear. */
static inline void
pack(const struct packing *p, unsigned n, const uint64_t *words, uint64_t *out)
{
	uint64_t packed = 0;

	for (const struct packing *end = p + n; p < end; p++) {
		packed |= rotate_left(words[p->src] & p->mask, p->rotate);
		if (p->last) {
			out[p->dst] = packed;
			packed = 0;
		}
	}
}

static inline void
key_make(const struct cache_table *t, uint32_t slot, uint32_t generation, uint64_t frozen_id,
	 const struct of_key *parsed, struct cache_key *key)
{
	const uint64_t *words = of_key_words_c(parsed);
	uint64_t *k = key->words;
	unsigned n = 1;

	k[0] = first_word(slot, generation);
	if (unlikely(frozen_id)) {
		const struct of_key *m = &t->layout.mask;

		k[0] |= FLOW_HAS_FROZEN;
		k[n++] = frozen_id;
		k[n++] = parsed->dp_hash & m->dp_hash;
		k[n++] = (uint64_t)(parsed->pkt_mark & m->pkt_mark) << 32 |
			 (parsed->skb_priority & m->skb_priority);
	}
	if (unlikely(parsed->packet_type)) {
		k[0] |= FLOW_NOT_ETHERNET;
		k[n++] = parsed->packet_type;
	}
	if (unlikely(parsed->tun_flags & OF_TUN_F_RECEIVED && !frozen_id)) {
		k[0] |= FLOW_HAS_TUNNEL;
		for (unsigned i = 0; i < t->layout.n_words; i++) {
			unsigned w = t->layout.words[i];

			if (is_tunnel_word(w))
				k[n++] = words[w] & of_key_words_c(&t->layout.mask)[w];
		}
	}
	pack(t->packings, t->n_packings, words, &k[n]);
	n += t->n_packed;
	key->n_words = n;
	key->hash = hash_words(k, n);
}

void
cache_key_make(const struct cache *c, uint32_t slot, uint32_t generation, uint64_t frozen_id,
	       const struct of_key *parsed, struct cache_key *key)
{
	key_make(c->cur, slot, generation, frozen_id, parsed, key);
}

const struct key_layout *
cache_layout(const struct cache *c)
{
	return &c->cur->layout;
}

void
flow_key(const struct flow *f, struct of_key *key, struct of_key *mask)
{
	const struct cache_table *t = flow_cold(f)->table;
	unsigned n = 1;

	memset(key, 0, sizeof(*key));
	*mask = t->layout.mask;
	if (f->key[0] & FLOW_HAS_FROZEN) {
		key->dp_hash = f->key[2];
		key->pkt_mark = f->key[3] >> 32;
		key->skb_priority = f->key[3];
		n = 4;
	}
	if (f->key[0] & FLOW_NOT_ETHERNET)
		key->packet_type = f->key[n++];
	for (unsigned i = 0; f->key[0] & FLOW_HAS_TUNNEL && i < t->layout.n_words; i++)
		if (is_tunnel_word(t->layout.words[i]))
			of_key_words(key)[t->layout.words[i]] = f->key[n++];
	for (unsigned i = 0; i < t->n_packings; i++) {
		const struct packing *p = &t->packings[i];

		of_key_words(key)[p->src] =
			rotate_left(f->key[n + p->dst], 64u - p->rotate) & p->mask;
	}
}

/* --- Tables ------------------------------------------------------------------------ */

static inline bool
key_equal(const struct flow *f, const struct cache_key *key)
{
	uint64_t differ = f->n_words ^ key->n_words;

	for (unsigned i = 0; i < key->n_words && !differ; i++)
		differ = f->key[i] ^ key->words[i];
	return !differ;
}

static inline struct flow *
find_in(const struct bucket6 *b, uint16_t tag, const struct cache_key *key)
{
	for (unsigned bits = tag_matches(b, tag); bits; bits &= bits - 1) {
		struct flow *f = b->flows[__builtin_ctz(bits)];

		if (key_equal(f, key))
			return f;
	}
	return NULL;
}

struct flow *
ctable_find(const struct cache_table *t, const struct cache_key *key)
{
	uint32_t first = key->hash & t->mask;
	uint16_t tag = tag_of(key->hash);
	struct flow *f = find_in(&t->buckets[first], tag, key);

	return f ? f : find_in(&t->buckets[other_bucket(first, tag, t->mask)], tag, key);
}

struct flow *
cache_find(const struct cache *c, const struct cache_key *key)
{
	struct flow *f = ctable_find(c->cur, key);
	struct cache_key cut;

	if (f || c->n_asked == 1 || !key_is_plain(c->cur, key->words[0], key->n_words))
		return f;
	for (unsigned i = 0; i < CACHE_COARSE && !f; i++) {
		if (!c->coarse[i])
			continue;
		key_leave_out(c->coarse[i]->keep, key, &cut);
		f = ctable_find(c->coarse[i], &cut);
	}
	return f;
}

static inline bool
bucket_put(struct bucket6 *b, struct flow *f, uint16_t tag)
{
	for (unsigned i = 0; i < WAYS; i++) {
		if (!b->tags[i]) {
			b->tags[i] = tag;
			b->flows[i] = f;
			return true;
		}
	}
	return false;
}

/* Puts an entry of a full bucket into its other one; true: 'b' has a place. */
static bool
bucket_make_room(struct cache_table *t, uint32_t bucket)
{
	struct bucket6 *b = &t->buckets[bucket];

	for (unsigned i = 0; i < WAYS; i++) {
		uint32_t to = other_bucket(bucket, b->tags[i], t->mask);

		if (bucket_put(&t->buckets[to], b->flows[i], b->tags[i])) {
			b->tags[i] = 0;
			b->flows[i] = NULL;
			return true;
		}
	}
	return false;
}

/* Puts a flow into one of its two buckets; false: both are full, and so are the others of all that is
 * in them, which does not happen at four fifths of the room. */
static bool
ctable_put(struct cache_table *t, struct flow *f, uint32_t hash)
{
	uint32_t first = hash & t->mask;
	uint16_t tag = tag_of(hash);
	uint32_t second = other_bucket(first, tag, t->mask);

	if (bucket_put(&t->buckets[first], f, tag) || bucket_put(&t->buckets[second], f, tag))
		return true;
	if (bucket_make_room(t, first))
		return bucket_put(&t->buckets[first], f, tag);
	return bucket_make_room(t, second) && bucket_put(&t->buckets[second], f, tag);
}

/* The place of a flow in its table, or NULL. */
static struct flow **
ctable_place(struct cache_table *t, const struct flow *f, uint16_t **tag_at)
{
	uint32_t first = flow_cold(f)->hash & t->mask;
	uint16_t tag = tag_of(flow_cold(f)->hash);

	for (unsigned side = 0; side < 2; side++) {
		struct bucket6 *b = &t->buckets[side ? other_bucket(first, tag, t->mask) : first];

		for (unsigned i = 0; i < WAYS; i++) {
			if (b->tags[i] && b->flows[i] == f) {
				*tag_at = &b->tags[i];
				return &b->flows[i];
			}
		}
	}
	return NULL;
}

void
cache_remove(struct cache *c, struct flow *f)
{
	uint16_t *tag;
	struct flow **place;

	if (flow_is_retired(f))
		return;
	place = ctable_place(flow_cold(f)->table, f, &tag);
	if (place) {
		*tag = 0;
		*place = NULL;
	}
	flow_cold(f)->table->n--;
	slot_unlink(c, f);
	flow_retire(c, f);
}

/* --- Inserting --------------------------------------------------------------------- */

/* Twice the buckets; entries go by their stored hash, which is fetched ahead. */
static void
ctable_grow(struct cache_table *t)
{
	uint32_t old_mask = t->mask, new_mask = old_mask * 2 + 1;
	struct bucket6 *old = t->buckets;
	struct bucket6 *new = buckets_new(new_mask + 1);

	if (!new)
		return;
	t->buckets = new;
	t->mask = new_mask;
	for (uint32_t b = 0; b <= old_mask; b++) {
		for (unsigned i = 0; b + 4 <= old_mask && i < WAYS; i++)
			if (old[b + 4].tags[i])
				__builtin_prefetch(flow_cold(old[b + 4].flows[i]));
		for (unsigned i = 0; i < WAYS; i++) {
			if (old[b].tags[i] &&
			    !ctable_put(t, old[b].flows[i], flow_cold(old[b].flows[i])->hash)) {
				/* Cannot happen to a table that is less than half full. */
				free(new);
				t->buckets = old;
				t->mask = old_mask;
				return;
			}
		}
	}
	free(old);
}

/* The port's oldest flow that was not used lately, else its oldest. */
static void
evict_from_slot(struct cache *c, uint32_t slot)
{
	struct slot_flows *s = slot_get(c, slot);

	/* A second chance for what was used since it was put at the end; bounded, so that an
	 * insertion has a bounded price. */
	for (unsigned i = 0; i < 8 && s->head && flow_cold(s->head)->slot_next; i++) {
		struct flow *f = s->head;

		if (c->now_ms - flow_used_ms(f, c->now_ms) > 1000)
			break;
		s->head = flow_cold(f)->slot_next;
		flow_cold(s->head)->slot_prev = NULL;
		flow_cold(f)->slot_prev = s->tail;
		flow_cold(f)->slot_next = NULL;
		flow_cold(s->tail)->slot_next = f;
		s->tail = f;
	}
	if (s->head)
		cache_remove(c, s->head);
}

/* What one port may have: all of it while it is alone, else twice an even share, up to 8 ports;
 * the sum may exceed the whole: then the port with most makes room. */
static uint32_t
slot_quota(const struct cache *c)
{
	uint32_t n = c->n_slots_used;

	return n <= 1 ? CACHE_MAX_FLOWS : CACHE_MAX_FLOWS / (n < 8 ? n : 8) * 3 / 2;
}

/* --- Coarse entries ---------------------------------------------------------------------------- */

/* Of keys that are noted, and of those that come again and have a coarse entry. */
#define COARSE_CREDIT_MAX 8192
#define COARSE_CREDIT_NOTED 1
#define COARSE_CREDIT_MADE 64
/* Without credit: one key in so many. */
#define COARSE_ONE_IN 16
/* A port is left out unless one of these bits decided. */
#define SPARE_PORTS_DECIDE 0x0fff0fffull

/* The spare bits that stay where these decided: of a port that few of the first decided, those, else
 * all. */
static uint64_t
coarse_spare(const struct cache *c, uint64_t needed, unsigned *ret_which)
{
	uint64_t spare = c->layout_spare;

	needed &= c->layout_spare;
	*ret_which = 0;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t low = i ? 0x0fff : 0x0fff0000, all = i ? 0xffff : 0xffff0000;

		if (!(c->layout_spare & low) || needed & low)
			continue;
		*ret_which |= 1u << i;
		spare = (spare & ~all) | (needed & all);
	}
	if (spare & SPARE_DST & ~needed) {
		*ret_which |= COARSE_DST;
		spare &= ~SPARE_DST;
	}
	return spare;
}

/* The bits of keys of 'cur', if these spare ones are in the mask. */
static void
keep_make(const struct cache_table *t, uint64_t spare, struct of_key *ret_mask, uint64_t *keep)
{
	ret_mask->tp_src &= htons((uint16_t)(spare >> 16));
	ret_mask->tp_dst &= htons((uint16_t)spare);
	if (!(spare & SPARE_DST))
		spare_cut_dst(ret_mask);
	keep[0] = UINT64_MAX;
	pack(t->packings, t->n_packings, of_key_words_c(ret_mask), keep + 1);
}

static void
coarse_begin(struct cache *c)
{
	struct of_key mask = c->cur->layout.mask, cut = mask;

	c->had_coarse = 0;
	for (unsigned i = 0; i < CACHE_COARSE; i++) {
		c->had_coarse += c->coarse[i] ? c->coarse[i]->n : 0;
		if (c->coarse[i])
			ctable_drop(c, c->coarse[i]);
		c->coarse[i] = NULL;
	}
	c->layout_spare = (uint64_t)ntohs(mask.tp_src) << 16 | ntohs(mask.tp_dst);
	spare_cut_dst(&cut);
	if (memcmp(&cut, &mask, sizeof(cut)))
		c->layout_spare |= SPARE_DST;
	keep_make(c->cur, SPARE_DST, &mask, c->keep_no_ports);
	keep_make(c->cur, 0, &mask, c->keep_no_spare);
	c->coarse_credit = COARSE_CREDIT_MAX;
	cache_order(c);
}

/* Those that were met most often come first. */
void
cache_order(struct cache *c)
{
	struct cache_table *t[1 + CACHE_COARSE] = { c->cur };
	uint32_t n_found[1 + CACHE_COARSE] = { 0 }, n = 1;

	for (unsigned i = 0; i < CACHE_COARSE; i++)
		if (c->coarse[i])
			t[n++] = c->coarse[i];
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < c->n_asked; j++)
			if (c->asked[j] == t[i])
				n_found[i] = c->n_found[j];
	for (unsigned i = 0; i < n; i++) {
		unsigned at = i;

		while (at && c->n_found[at - 1] < n_found[i]) {
			c->asked[at] = c->asked[at - 1];
			c->n_found[at] = c->n_found[at - 1];
			at--;
		}
		c->asked[at] = t[i];
		c->n_found[at] = n_found[i];
	}
	memset(c->n_found, 0, sizeof(c->n_found));
	c->n_asked = n;
	c->ask_left = ASK_AGAIN;
}

static struct cache_table *
coarse_table(struct cache *c, uint64_t needed)
{
	unsigned which;
	uint64_t spare = coarse_spare(c, needed, &which);
	struct cache_table **at = &c->coarse[which - 1], *t = *at, *cur = c->cur;

	if (t && !(spare & ~t->spare))
		return t;
	/* Some need another bit of the first few: from now on it is compared.  That happens eight times at most. */
	if (t) {
		spare |= t->spare;
		ctable_drop(c, t);
	}
	t = wf_xzalloc(sizeof(*t));
	t->layout = cur->layout;
	t->n_packings = cur->n_packings;
	t->n_packed = cur->n_packed;
	memcpy(t->packings, cur->packings, sizeof(t->packings));
	t->spare = spare;
	keep_make(cur, spare, &t->layout.mask, t->keep);
	t->mask = 255;
	t->buckets = buckets_new(t->mask + 1);
	if (!t->buckets)
		abort();
	atomic_init(&t->refs, 1);
	*at = t;
	cache_order(c);
	return t;
}

bool
cache_leaves_out(struct cache *c, const struct cache_key *key, enum cache_keep keep, uint64_t needed)
{
	unsigned which;
	bool is_less;

	if (!key_is_plain(c->cur, key->words[0], key->n_words))
		return false;
	coarse_spare(c, needed, &which);
	is_less = which;
	if (keep != CACHE_KEEP) {
		/* Not one for each flow to a route. */
		bool no_ports = which & COARSE_PORTS || !(c->layout_spare & SPARE_PORTS_DECIDE);

		is_less = (keep & CACHE_KEEP_IF_PORTS && which & COARSE_PORTS) ||
			  (keep & CACHE_KEEP_IF_DST && which & COARSE_DST && no_ports);
	}
	if (is_less && c->coarse_credit < COARSE_CREDIT_MAX)
		c->coarse_credit += COARSE_CREDIT_MADE;
	return is_less;
}

/* --- Putting them in --------------------------------------------------------------------------- */

/* 'before': an entry that this one replaces, or NULL; its counts are kept. */
static struct flow *
insert(struct cache *c, struct cache_table *t, const struct cache_key *key, struct plan *plan,
       const struct flow *before)
{
	uint32_t slot = key->words[0] >> 48;
	struct slot_flows *s = slot_get(c, slot);

	if (s->n && s->n >= slot_quota(c))
		evict_from_slot(c, slot);
	else if (c->n_flows >= CACHE_MAX_FLOWS)
		evict_from_slot(c, c->fattest);

	struct flow *f = flow_alloc(c, key->n_words);
	if (!f)
		return NULL;
	struct flow_cold *cold = flow_cold(f);
	cold->hash = key->hash;
	cold->table = t;
	f->n_words = key->n_words;
	memcpy(f->key, key->words, key->n_words * sizeof(uint64_t));
	atomic_init(&f->used_ms, (uint32_t)c->now_ms);
	if (t->n * 5 >= (t->mask + 1) * WAYS * 4ull)
		ctable_grow(t);
	if (!ctable_put(t, f, key->hash)) {
		flow_free_unused(c, f);
		return NULL;
	}
	f->plan = plan_set_use(&c->plans, plan, c->view);
	t->n++;
	if (!t->spare_refs) {
		t->spare_refs = 256;
		atomic_fetch_add_explicit(&t->refs, t->spare_refs, memory_order_relaxed);
	}
	t->spare_refs--;
	slot_append(c, f, cold);
	if (before) {
		struct flow_cold *old = flow_cold(before);

		/* Main credits the old plan with them. */
		cold->folded_packets =
			atomic_load_explicit(&((struct flow *)before)->packets, memory_order_relaxed);
		cold->folded_bytes =
			atomic_load_explicit(&((struct flow *)before)->bytes, memory_order_relaxed);
		atomic_init(&f->packets, cold->folded_packets);
		atomic_init(&f->bytes, cold->folded_bytes);
		atomic_init(&f->used_ms,
			    atomic_load_explicit(&((struct flow *)before)->used_ms,
						 memory_order_relaxed));
		atomic_init(&cold->sample, atomic_exchange_explicit(&old->sample, NULL,
								    memory_order_relaxed));
	}

	flow_publish(cold);
	return f;
}

struct plan *
cache_plan_of(struct cache *c, struct plan *body, const struct plan_step *steps, uint32_t n_steps,
	      struct rule *const *rules, uint32_t n_rules)
{
	struct plan *p = plan_set_find(&c->plans, body, steps, n_steps, rules, n_rules, c->view);

	if (!p) {
		p = plan_derive(body, steps, n_steps, rules, n_rules);
		p->version = c->view->version;
	}
	return p;
}

struct flow *
cache_insert(struct cache *c, const struct cache_key *key, struct plan *plan, uint64_t needed)
{
	struct cache_table *t = cache_leaves_out(c, key, CACHE_KEEP, needed) ? coarse_table(c, needed)
									     : NULL;
	struct cache_key cut;

	if (!t)
		return insert(c, c->cur, key, plan, NULL);
	key_leave_out(t->keep, key, &cut);
	return insert(c, t, &cut, plan, NULL);
}

struct flow *
cache_replace(struct cache *c, struct flow *f, struct plan *plan, uint64_t needed)
{
	struct cache_key key = { .hash = flow_cold(f)->hash, .n_words = f->n_words };
	struct cache_table *t = flow_cold(f)->table;

	memcpy(key.words, f->key, f->n_words * sizeof(uint64_t));
	cache_remove(c, f);
	if (t != c->cur) {
		bool is_asked = false;

		for (unsigned i = 0; i < CACHE_COARSE; i++)
			is_asked |= t == c->coarse[i];
		if (!is_asked || needed & c->layout_spare & ~t->spare)
			return NULL;
	}
	return insert(c, t, &key, plan, f);
}

void
cache_set_sample(struct cache *c, struct flow *f, const struct of_key *key)
{
	const uint64_t *words = of_key_words_c(key);
	struct flow_sample *s;
	unsigned n = 0;

	if (c->n_flows > CACHE_MAX_SAMPLES)
		return;
	for (unsigned i = 0; i < OF_KEY_WORDS; i++)
		n += words[i] != 0;
	s = malloc(sizeof(*s) + n * sizeof(uint64_t));
	if (!s)
		return;
	memset(&s->present, 0, sizeof(s->present));
	n = 0;
	for (unsigned i = 0; i < OF_KEY_WORDS; i++) {
		if (words[i]) {
			of_words_set(&s->present, i);
			s->words[n++] = words[i];
		}
	}
	atomic_store_explicit(&flow_cold(f)->sample, s, memory_order_release);
}

bool
flow_sample(const struct flow *f, struct of_key *key)
{
	const struct flow_sample *s =
		atomic_load_explicit(&flow_cold(f)->sample, memory_order_acquire);
	unsigned n = 0;

	if (!s)
		return false;
	memset(key, 0, sizeof(*key));
	of_words_for_each(i, &s->present)
		of_key_words(key)[i] = s->words[n++];
	return true;
}

#define MIN_NOTED 64
#define MAX_NOTED 1024

/* Was a key seen that agrees in these bits?  Remembers it. */
static bool
cut_was_seen(struct cache *c, const struct cache_key *key, const uint64_t *keep)
{
	struct cache_key cut;
	uint16_t *at, mark;

	key_leave_out(keep, key, &cut);
	if (c->coarse_credit <= 0 && (cut.hash >> 24) % COARSE_ONE_IN)
		return false;
	at = &c->seen[cut.hash % SEEN_SIZE];
	mark = (uint16_t)(cut.hash >> 16 ^ cut.hash ^ key->words[0] >> 48) | 1;
	c->coarse_credit -= c->coarse_credit > 0 ? COARSE_CREDIT_NOTED : 0;
	if (*at == mark)
		return true;
	c->coin = c->coin * 1664525 + 1013904223;
	if (!*at || c->coin >> 31)
		*at = mark;
	return false;
}

static enum cache_keep
coarse_admits(struct cache *c, const struct cache_key *key)
{
	bool ports = c->layout_spare & SPARE_PORTS_DECIDE, dst = c->layout_spare & SPARE_DST;
	enum cache_keep keep = CACHE_PASS;

	if ((!ports && !dst) || !key_is_plain(c->cur, key->words[0], key->n_words))
		return CACHE_PASS;
	/* Coarse entries do not move from an older layout; they come again at once. */
	if (c->had_coarse && c->now_ms - c->old_since_ms <= CACHE_IDLE_MS) {
		c->had_coarse--;
		return CACHE_KEEP_IF_PORTS | CACHE_KEEP_IF_DST;
	}
	if (ports && cut_was_seen(c, key, c->keep_no_ports))
		keep |= CACHE_KEEP_IF_PORTS;
	if (dst && cut_was_seen(c, key, c->keep_no_spare))
		keep |= CACHE_KEEP_IF_DST;
	return keep;
}

enum cache_keep
cache_admits(struct cache *c, const struct cache_key *key)
{
	/* Index and mark come from different bits, mostly. */
	uint16_t *at = &c->seen[key->hash % SEEN_SIZE];
	uint16_t mark = (uint16_t)(key->hash >> 16 ^ key->hash ^ key->words[0] >> 48) | 1;

	struct slot_flows *s = slot_get(c, key->words[0] >> 48);
	bool is_sample = !(key->hash >> 20 & 15);

	if (s->n < CACHE_KEEP_AT_ONCE)
		return CACHE_KEEP;
	if (*at == mark) {
		s->n_again += is_sample && s->n_again < s->n_noted;
		return CACHE_KEEP;
	}
	/* Where most keys come again, waiting for that costs each flow a walk. */
	if (!is_sample && s->n_noted >= MIN_NOTED && s->n_again * 2 > s->n_noted)
		return CACHE_KEEP;
	s->n_noted += is_sample;
	if (s->n_noted >= MAX_NOTED) {
		s->n_noted /= 2;
		s->n_again /= 2;
	}
	/* Half the time the one before keeps its place: of flows that share one, and come in turn,
	 * each would else wipe out the other for ever. */
	c->coin = c->coin * 1664525 + 1013904223;
	if (!*at || c->coin >> 31)
		*at = mark;
	return coarse_admits(c, key);
}

/* --- Layouts, age ------------------------------------------------------------------ */

/* A turn of the worker does not wait for more than that many of them. */
#define DROP_BUCKETS 64

void
ctable_drop(struct cache *c, struct cache_table *t)
{
	t->hand = 0;
	t->next_dropped = c->dropped;
	c->dropped = t;
}

void
cache_drop_some(struct cache *c, bool all)
{
	while (c->dropped) {
		struct cache_table *t = c->dropped;

		for (unsigned n = 0; t->n && t->hand <= t->mask; t->hand++) {
			if (n++ == DROP_BUCKETS && !all)
				return;
			for (unsigned i = 0; i < WAYS; i++)
				if (t->buckets[t->hand].tags[i])
					cache_remove(c, t->buckets[t->hand].flows[i]);
		}
		c->dropped = t->next_dropped;
		ctable_unref(t, 1 + t->spare_refs);
	}
}

void
cache_sync(struct cache *c, const struct view *v, int64_t now_ms)
{
	c->now_ms = now_ms;
	c->view = v;
	if (unlikely(!c->cur || c->cur->layout.generation != v->layout->generation)) {
		if (c->old)
			ctable_drop(c, c->old);
		c->old = c->cur;
		c->old_since_ms = now_ms;
		c->cur = ctable_new(v->layout);
		coarse_begin(c);
	}
	if (unlikely(c->old && (!c->old->n || now_ms - c->old_since_ms > CACHE_IDLE_MS))) {
		ctable_drop(c, c->old);
		c->old = NULL;
	}
	if (unlikely(c->dropped))
		cache_drop_some(c, false);
}

struct flow *
cache_find_old(struct cache *c, uint32_t slot, uint32_t generation, uint64_t frozen_id,
	       const struct of_key *parsed, const struct cache_key *key)
{
	struct cache_key old_key;
	struct flow *f, *moved;

	if (!c->old)
		return NULL;
	key_make(c->old, slot, generation, frozen_id, parsed, &old_key);
	f = ctable_find(c->old, &old_key);
	if (!f)
		return NULL;
	atomic_fetch_add_explicit(&f->plan->refs, 1, memory_order_relaxed);
	moved = insert(c, c->cur, key, f->plan, NULL);
	if (!moved)
		plan_unref(f->plan);
	/* The old one stays for packets that differ in the new fields only; it ages. */
	return moved;
}

static void
expire_in(struct cache *c, struct cache_table *t, int64_t elapsed, int64_t now_ms, bool all)
{
	/* A pass takes half the idle time. */
	uint64_t n = (t->mask + 1ull) * elapsed / (CACHE_IDLE_MS / 2) + 1;

	if (all || n > t->mask + 1ull)
		n = t->mask + 1ull;
	for (uint64_t k = 0; k < n; k++) {
		struct bucket6 *b = &t->buckets[t->hand++ & t->mask];

		for (unsigned i = 0; i < WAYS; i++) {
			if (b->tags[i] &&
			    now_ms - flow_used_ms(b->flows[i], now_ms) > CACHE_IDLE_MS)
				cache_remove(c, b->flows[i]);
		}
	}
}

uint32_t
cache_expire(struct cache *c, int64_t now_ms, bool all)
{
	int64_t elapsed = now_ms - c->expired_ms;

	if (all)
		cache_drop_some(c, true);
	if (!c->cur || (elapsed <= 0 && !all))
		return c->n_flows;
	c->expired_ms = now_ms;
	for (unsigned i = 0; i < c->n_asked; i++)
		expire_in(c, c->asked[i], elapsed, now_ms, all);
	return c->n_flows;
}

void
cache_purge(struct cache *c)
{
	for (uint32_t s = 0; s < c->n_slots; s++)
		while (c->slots[s].head)
			cache_remove(c, c->slots[s].head);
	seen_clear(c);
}

uint32_t
cache_n_flows(const struct cache *c)
{
	return c->n_flows;
}

bool
plan_check(struct plan *plan, const struct view *v)
{
	if (plan->version < v->config_version)
		return false;
	for (uint32_t i = 0; i < plan->n_steps; i++) {
		const struct plan_step *s = &plan->steps[i];

		if (atomic_load_explicit(s->stamp, memory_order_relaxed) > plan->version ||
		    atomic_load_explicit(s->stamp2, memory_order_relaxed) > plan->version)
			return false;
	}
	plan->version = v->version;
	return true;
}
