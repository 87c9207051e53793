/* SPDX-License-Identifier: Apache-2.0 */
/* Which plans a change of rules makes stale: stamps by the hash of what most changes have in
 * common. */
#include "dataplane/classifier_internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/rcu.h"

struct partition *
partition_new(unsigned n_words)
{
	struct partition *p = wf_xzalloc(sizeof(*p) + n_words * sizeof(p->words[0]));

	p->n_words = n_words;
	return p;
}

uint32_t
ports_of_match(const struct of_match *m, uint32_t *ret_mask)
{
	unsigned n = of_match_n_words(m), i = 0;

	*ret_mask = 0;
	if (!of_words_test(&m->words, PORTS_WORD))
		return 0;
	of_words_for_each(w, &m->words) {
		if (w == PORTS_WORD)
			break;
		i++;
	}
	*ret_mask = ports_of_word(m->data[n + i]);
	return ports_of_word(m->data[i]);
}

/* The cell of a match, if the partition's mask is inside the match's; else CELL_ALL.  '*ret_cut':
 * that of all keys with its high bits of the destination. */
static unsigned
partition_of_match(const struct partition *p, const struct of_match *m, unsigned *ret_cut)
{
	unsigned n = of_match_n_words(m), j = 0, i = 0;
	uint64_t h = 0, cut = 0;

	*ret_cut = CELL_ALL;
	if (!p->n_words)
		return CELL_ALL;
	of_words_for_each(w, &m->words) {
		if (i < p->n_words && p->words[i].word == w) {
			if (p->words[i].mask & ~m->data[n + j])
				return CELL_ALL;
			h ^= hash_word(w, m->data[j] & p->words[i].mask);
			if (p->has_dst)
				cut ^= hash_word(w, m->data[j] & p->words[i].mask &
							    ~spare_dst_of_word(w));
			i++;
		}
		j++;
	}
	if (i < p->n_words)
		return CELL_ALL;
	*ret_cut = hash_end(p->has_dst ? cut : h) % N_PARTS;
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

/* A change of one rule makes all answers stale that rest on a short prefix of its ports.  Where such changes come often
 * (learned connections), answers rest on the cell of their own ports instead for a while. */
#define PORTS_PER_S 32

static void
note_ports(struct classifier *cls)
{
	int64_t now = wf_now_ms();

	if (now - cls->ports_since_ms >= 1000) {
		cls->ports_since_ms = now;
		cls->n_ports = 0;
	}
	if (++cls->n_ports > PORTS_PER_S)
		atomic_store_explicit(&cls->ports_busy_until_ms, now + 2000, memory_order_relaxed);
}

/* The cells of all prefixes that keys of the rule may have.  Returns whether it has ports. */
static bool
touch_ports(struct classifier *cls, const struct of_match *m)
{
	uint32_t mask, ports = ports_of_match(m, &mask);

	for (unsigned src = 0; src < 2; src++) {
		uint16_t port = (uint16_t)(src ? ports >> 16 : ports);
		uint16_t bits = (uint16_t)(src ? mask >> 16 : mask);

		if (!bits)
			continue;
		for (unsigned len = 0; len <= PORT_PREFIX_MAX; len++) {
			if ((bits & 0xf000) == 0xf000) {
				mark_dirty(cls, cell_of_port(src, len, port));
				continue;
			}
			for (unsigned v = 0; v < 1u << len; v++)
				mark_dirty(cls, cell_of_port(src, len, (uint16_t)(v << (16 - len))));
		}
	}
	return mask != 0;
}

void
classifier_touch(struct classifier *cls, const struct rule *r)
{
	struct partition *p = atomic_load_explicit(&cls->partition, memory_order_relaxed);

	/* A conjunction is resolved by a second lookup with another conj_id, so a change of a rule
	 * may concern keys of other partitions. */
	unsigned cut = CELL_ALL, cell = cls->n_conj ? CELL_ALL : partition_of_match(p, r->match, &cut);

	cls->n_inside += cell != CELL_ALL;
	cls->n_outside += cell == CELL_ALL;
	mark_dirty(cls, cell);
	mark_dirty(cls, cut);
	if (p->ports && touch_ports(cls, r->match))
		note_ports(cls);
}

void
classifier_touch_all(struct classifier *cls)
{
	mark_dirty(cls, CELL_ALL);
}

/* Masks with less than that of the busiest one's changes are not in the choice: each of their changes makes
 * everything stale then, but what they leave of the others' masks may be as little as a VLAN. */
#define ONE_OF_BUSIEST 16

/* What most changes have in common: the busiest subtable's mask, cut down by each next one as long as
 * something is left. */
static struct partition *
partition_choose(struct classifier *cls)
{
	const struct ranks *ranks = classifier_ranks(cls);
	struct partition *p;
	uint64_t mask[OF_KEY_WORDS] = { 0 }, cut[OF_KEY_WORDS];
	struct subtable *done[16];
	unsigned n_done = 0;
	uint64_t least = 1;

	while (n_done < 16) {
		struct subtable *best = NULL;

		for (uint32_t i = 0; i < ranks->n; i++) {
			struct subtable *st = ranks->rank[i].st;
			bool seen = false;

			for (unsigned d = 0; d < n_done; d++)
				seen |= done[d] == st;
			if (!seen && st->n_words && (!best || st->n_changes > best->n_changes))
				best = st;
		}
		if (!best || best->n_changes < least)
			break;
		if (!n_done)
			least = best->n_changes / ONE_OF_BUSIEST + 1;
		memset(cut, 0, sizeof cut);
		uint64_t any = 0;
		for (unsigned i = 0; i < best->n_words; i++) {
			uint64_t w = best->words[i].word, bits = best->words[i].mask;

			cut[w] = n_done ? bits & mask[w] : bits;
			any |= cut[w];
		}
		if (any)
			memcpy(mask, cut, sizeof mask);
		done[n_done++] = best;
	}
	unsigned n_words = 0;
	for (unsigned w = 0; w < OF_KEY_WORDS; w++)
		n_words += mask[w] != 0;
	p = partition_new(n_words);
	for (unsigned w = 0, n = 0; w < OF_KEY_WORDS; w++)
		if (mask[w])
			p->words[n++] = (struct masked_word){ mask[w], w };
	p->ports = ports_of_word(mask[PORTS_WORD]);
	p->has_dst = mask[DST4_WORD] & spare_dst_of_word(DST4_WORD) || mask[DST6_WORD + 1];
	for (uint32_t i = 0; i < ranks->n; i++)
		ranks->rank[i].st->n_changes /= 2;
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

	classifier_ranks(cls);
	if (cls->n_outside > 256 && cls->n_outside > 2 * cls->n_inside) {
		struct partition *new = partition_choose(cls);
		bool same = new->n_words == p->n_words &&
			    !memcmp(new->words, p->words, p->n_words * sizeof(p->words[0]));

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

