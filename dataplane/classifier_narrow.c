// SPDX-License-Identifier: Apache-2.0
#include "dataplane/classifier_narrow.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"

#define N_LAYERS 4

struct prefix {
	uint8_t value[16]; /* zeros behind 'len' bits */
	uint8_t len;
};

struct prefixes { /* sorted by value, then length, once ready */
	struct prefix *p;
	size_t n, room;
	uint64_t lens[3]; /* bit L: there is one of L bits */
};

struct hashes { /* sorted, once ready */
	uint64_t *h;
	size_t n, room;
};

struct part { /* of one subtable */
	unsigned n_words;
	uint8_t word[OF_KEY_WORDS];
	uint64_t mask[OF_KEY_WORDS];
	/* The layers that have words: where each ends in word[], and what rules have up to there.  The
	 * last has no hashes: the caller's search answers for it. */
	unsigned n_stages, end[N_LAYERS];
	uint8_t layer[N_LAYERS];
	struct hashes stage[N_LAYERS];
	uint8_t len[NARROW_MAX_FIELDS]; /* of the prefix that all of its rules have; 0: none */
	uint32_t ports_mask;            /* source << 16 | destination; 0: no ports */
	struct prefixes ports;
};

struct narrow {
	struct narrow_fields fields;
	struct prefixes prefixes[NARROW_MAX_FIELDS];
	unsigned n_parts;
	struct part **parts;
};

/* --- Prefixes ---------------------------------------------------------------------------- */

static int
prefix_cmp(const void *a_, const void *b_)
{
	const struct prefix *a = a_, *b = b_;
	int c = memcmp(a->value, b->value, sizeof a->value);

	return c ? c : (int)a->len - (int)b->len;
}

static void
cut(struct prefix *p, unsigned len)
{
	p->len = (uint8_t)len;
	for (unsigned i = 0; i < sizeof p->value; i++) {
		if (i * 8 >= len)
			p->value[i] = 0;
		else if (len - i * 8 < 8)
			p->value[i] &= (uint8_t)(0xff00 >> (len - i * 8));
	}
}

static void
prefixes_add(struct prefixes *s, const void *value, size_t size, unsigned len)
{
	struct prefix p = { .len = 0 };

	memcpy(p.value, value, size);
	cut(&p, len);
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 16;
		s->p = wf_xrealloc(s->p, s->room * sizeof *s->p);
	}
	s->p[s->n++] = p;
	s->lens[len / 64] |= 1ull << (len % 64);
}

static void
prefixes_ready(struct prefixes *s)
{
	if (s->n)
		qsort(s->p, s->n, sizeof *s->p, prefix_cmp);
}

/* Bits that show how the value relates to the prefix: all of it, or up to where they differ. */
static unsigned
bits_to_tell(const struct prefix *p, const struct prefix *value)
{
	unsigned n = 0;

	while (n < p->len && !((p->value[n / 8] ^ value->value[n / 8]) & (0x80 >> (n % 8))))
		n++;
	return n < p->len ? n + 1 : n;
}

/* Sets in 'lens' the lengths of the prefixes that hold the value, and returns how many of its first
 * bits tell that it is in these and no other. */
static unsigned
prefixes_look(const struct prefixes *s, const void *value, size_t size, uint64_t lens[3])
{
	struct prefix key = { .len = UINT8_MAX };
	size_t lo = 0, hi = s->n;
	unsigned n_bits = 0;

	memcpy(key.value, value, size);
	memset(lens, 0, 3 * sizeof *lens);
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (prefix_cmp(&s->p[mid], &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* No prefix has more bits in common with the value than its neighbours in this order. */
	if (lo > 0)
		n_bits = bits_to_tell(&s->p[lo - 1], &key);
	if (lo < s->n) {
		unsigned n = bits_to_tell(&s->p[lo], &key);

		n_bits = n > n_bits ? n : n_bits;
	}
	for (unsigned w = 0; w < 3; w++) {
		for (uint64_t b = s->lens[w]; b; b &= b - 1) {
			unsigned len = w * 64 + (unsigned)__builtin_ctzll(b);
			struct prefix p = key;

			cut(&p, len);
			if (bsearch(&p, s->p, s->n, sizeof p, prefix_cmp))
				lens[w] |= b & -b;
		}
	}
	return n_bits;
}

/* The length of a mask that is a prefix, else 0. */
static unsigned
prefix_len(const struct of_field *f, const struct of_key *mask)
{
	union of_value v;
	unsigned n = 0, n_bits = f->n_bits;

	of_field_get(f, mask, &v);
	while (n < n_bits && v.b[n / 8] & (0x80 >> (n % 8)))
		n++;
	for (unsigned i = n; i < n_bits; i++)
		if (v.b[i / 8] & (0x80 >> (i % 8)))
			return 0;
	return n;
}

/* --- Building ---------------------------------------------------------------------------- */

static unsigned
layer_of(unsigned word)
{
	size_t at = word * 8;

	return at < offsetof(struct of_key, dl_dst)      ? 0
	       : at < offsetof(struct of_key, ipv6_src)  ? 1
	       : at < offsetof(struct of_key, nd_target) ? 2
							 : 3;
}

static uint32_t
ports_of(const struct of_key *k)
{
	return (uint32_t)ntohs(k->tp_src) << 16 | ntohs(k->tp_dst);
}

struct narrow *
narrow_new(const struct narrow_fields *fields)
{
	struct narrow *n = wf_xzalloc(sizeof *n);

	n->fields = *fields;
	return n;
}

void
narrow_free(struct narrow *n)
{
	if (!n)
		return;
	for (unsigned i = 0; i < n->n_parts; i++) {
		for (unsigned s = 0; s < N_LAYERS; s++)
			free(n->parts[i]->stage[s].h);
		free(n->parts[i]->ports.p);
		free(n->parts[i]);
	}
	for (unsigned i = 0; i < NARROW_MAX_FIELDS; i++)
		free(n->prefixes[i].p);
	free(n->parts);
	free(n);
}

bool
narrow_has_fields(const struct narrow *n, const struct narrow_fields *fields)
{
	return n->fields.n == fields->n &&
	       !memcmp(n->fields.field, fields->field, fields->n * sizeof fields->field[0]);
}

unsigned
narrow_add_subtable(struct narrow *n, const uint8_t *words, const uint64_t *masks, unsigned n_words)
{
	struct part *p = wf_xzalloc(sizeof *p);
	struct of_key *mask = wf_xzalloc(sizeof *mask);

	p->n_words = n_words;
	memcpy(p->word, words, n_words);
	memcpy(p->mask, masks, n_words * sizeof *masks);
	for (unsigned i = 0; i < n_words; i++) {
		unsigned layer = layer_of(words[i]);

		if (!p->n_stages || p->layer[p->n_stages - 1] != layer)
			p->layer[p->n_stages++] = (uint8_t)layer;
		p->end[p->n_stages - 1] = i + 1;
		of_key_words(mask)[words[i]] = masks[i];
	}
	for (unsigned i = 0; i < n->fields.n; i++)
		p->len[i] = (uint8_t)prefix_len(of_field(n->fields.field[i]), mask);
	p->ports_mask = ports_of(mask);
	free(mask);
	n->parts = wf_xrealloc(n->parts, (n->n_parts + 1) * sizeof *n->parts);
	n->parts[n->n_parts] = p;
	return n->n_parts++;
}

static void
hashes_add(struct hashes *s, uint64_t h)
{
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 16;
		s->h = wf_xrealloc(s->h, s->room * sizeof *s->h);
	}
	s->h[s->n++] = h;
}

void
narrow_add_rule(struct narrow *n, unsigned subtable, const struct of_match *match)
{
	struct part *p = n->parts[subtable];
	struct of_match_full *m = wf_xmalloc(sizeof *m);
	uint64_t h = wf_hash_seed;
	union of_value v;

	of_match_unpack(match, m);
	for (unsigned i = 0, s = 0; i < p->n_words; i++) {
		h = wf_hash_mix64(h, of_key_words(&m->key)[p->word[i]] & p->mask[i]);
		if (i + 1 == p->end[s]) {
			if (s + 1 < p->n_stages)
				hashes_add(&p->stage[s], h);
			s++;
		}
	}
	for (unsigned i = 0; i < n->fields.n; i++) {
		const struct of_field *f = of_field(n->fields.field[i]);

		if (p->len[i]) {
			of_field_get(f, &m->key, &v);
			prefixes_add(&n->prefixes[i], v.b, f->n_bytes, p->len[i]);
		}
	}
	if (p->ports_mask) {
		uint32_t be = htonl(ports_of(&m->key) & p->ports_mask);

		prefixes_add(&p->ports, &be, sizeof be,
			     32 - (unsigned)__builtin_ctz(p->ports_mask));
	}
	free(m);
}

static int
hash_cmp(const void *a_, const void *b_)
{
	const uint64_t *a = a_, *b = b_;

	return *a < *b ? -1 : *a > *b;
}

void
narrow_ready(struct narrow *n)
{
	for (unsigned i = 0; i < NARROW_MAX_FIELDS; i++)
		prefixes_ready(&n->prefixes[i]);
	for (unsigned i = 0; i < n->n_parts; i++) {
		struct part *p = n->parts[i];

		for (unsigned s = 0; s < N_LAYERS; s++)
			if (p->stage[s].n)
				qsort(p->stage[s].h, p->stage[s].n, sizeof(uint64_t), hash_cmp);
		prefixes_ready(&p->ports);
	}
}

/* --- Look-ups ---------------------------------------------------------------------------- */

void
narrow_begin(struct narrow_walk *w, const struct narrow *n, const struct of_key *key,
	     struct of_key *wc)
{
	w->narrow = n;
	w->key = key;
	w->wc = wc;
	for (unsigned i = 0; i < NARROW_MAX_FIELDS; i++)
		w->field[i].done = false;
}

static void
look_up_field(struct narrow_walk *w, unsigned i)
{
	const struct of_field *f = of_field(w->narrow->fields.field[i]);
	union of_value v;

	if (w->field[i].done)
		return;
	w->field[i].done = true;
	w->field[i].relevant = of_field_present(f, w->key);
	if (!w->field[i].relevant)
		return;
	of_field_get(f, w->key, &v);
	w->field[i].n_bits =
		prefixes_look(&w->narrow->prefixes[i], v.b, f->n_bytes, w->field[i].lens);
}

static bool
mask_has_bits(const struct of_field *f, const struct of_key *mask, unsigned n_bits)
{
	union of_value v;

	of_field_get(f, mask, &v);
	for (unsigned i = 0; i < n_bits; i++)
		if (!(v.b[i / 8] & (0x80 >> (i % 8))))
			return false;
	return true;
}

static void
mask_add_bits(const struct of_field *f, struct of_key *mask, unsigned n_bits)
{
	union of_value bits;

	memset(&bits, 0, sizeof bits);
	for (unsigned i = 0; i < n_bits; i++)
		bits.b[i / 8] |= (uint8_t)(0x80 >> (i % 8));
	of_field_mark_bits(f, &bits, mask);
}

/* Do the prefixes of a field in this stage say that no rule matches?  Only where they need no
 * more bits than the subtable itself, or bits that were seen already. */
static bool
prefixes_exclude(struct narrow_walk *w, const struct part *p, unsigned stage)
{
	for (unsigned i = 0; i < w->narrow->fields.n; i++) {
		const struct of_field *f = of_field(w->narrow->fields.field[i]);
		unsigned len = p->len[i], n_bits;

		if (!len || layer_of(f->offset / 8) != p->layer[stage])
			continue;
		look_up_field(w, i);
		n_bits = w->field[i].n_bits;
		if (!w->field[i].relevant || w->field[i].lens[len / 64] >> (len % 64) & 1)
			continue;
		if (n_bits <= len) {
			mask_add_bits(f, w->wc, n_bits);
			return true;
		}
		if (mask_has_bits(f, w->wc, n_bits))
			return true;
	}
	return false;
}

static void
fold(struct narrow_walk *w, const struct part *p, unsigned n_stages)
{
	for (unsigned i = 0; n_stages && i < p->end[n_stages - 1]; i++)
		of_key_words(w->wc)[p->word[i]] |= p->mask[i];
}

bool
narrow_may_match(struct narrow_walk *w, unsigned subtable)
{
	const struct part *p = w->narrow->parts[subtable];
	uint64_t h = wf_hash_seed;

	for (unsigned s = 0, i = 0; s < p->n_stages; s++) {
		if (prefixes_exclude(w, p, s)) {
			fold(w, p, s);
			return false;
		}
		for (; i < p->end[s]; i++)
			h = wf_hash_mix64(h, of_key_words_c(w->key)[p->word[i]] & p->mask[i]);
		if (s + 1 < p->n_stages &&
		    !bsearch(&h, p->stage[s].h, p->stage[s].n, sizeof h, hash_cmp)) {
			fold(w, p, s + 1);
			return false;
		}
	}
	return true;
}

void
narrow_end(struct narrow_walk *w, unsigned subtable, bool found)
{
	const struct part *p = w->narrow->parts[subtable];
	uint32_t ports = ports_of(w->wc);

	fold(w, p, p->n_stages);
	if (found || !p->ports_mask)
		return;
	uint32_t be = htonl(ports_of(w->key) & p->ports_mask);
	uint64_t lens[3];
	unsigned n_bits = prefixes_look(&p->ports, &be, sizeof be, lens);

	ports |= p->ports_mask & (n_bits ? UINT32_MAX << (32 - n_bits) : 0);
	w->wc->tp_src = htons((uint16_t)(ports >> 16));
	w->wc->tp_dst = htons((uint16_t)ports);
}
