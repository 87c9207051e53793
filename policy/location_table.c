// SPDX-License-Identifier: Apache-2.0
/* The compiled form of a map (bpf/policy_lookup.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/hash.h"
#include "policy/location_internal.h"

struct leaf_prefix {
	struct pol_prefix prefix;
	uint32_t leaf;
};

struct block {
	struct wf_hmap_node node;
	uint32_t number;
};

struct build {
	struct loc_table *t;
	struct leaf_prefix *prefixes; /* of the family at work */
	size_t n, allocated;
	uint32_t *dir4, *blocks4;
	uint32_t blocks_allocated;
	struct wf_hmap blocks; /* equal blocks are kept once */
	bool too_many;
};

/* Big arrays lie on 2 MB pages where the kernel has some: a look-up that misses the cache shall not
 * miss the TLB as well. */
static void *
table_alloc(size_t size)
{
	const size_t huge = 2u << 20;
	void *p;

	if (size < huge)
		return wf_xmalloc(size);
	size = (size + huge - 1) & ~(huge - 1);
	if (posix_memalign(&p, huge, size))
		return wf_xmalloc(size);
	madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static void
add_prefix(void *b_, const struct pol_prefix *p, uint32_t class_id)
{
	struct build *b = b_;

	if (b->n == b->allocated) {
		b->allocated = b->allocated ? b->allocated * 2 : 1024;
		b->prefixes = wf_xrealloc(b->prefixes, b->allocated * sizeof *b->prefixes);
	}
	b->prefixes[b->n++] = (struct leaf_prefix){ *p, pol_leaf(class_id, p->len) };
}

static void
list_prefixes(struct build *b, const struct loc_db *db, int family, const uint32_t *class_of)
{
	const struct loc_edges *from = &db->edges[loc_family_index(family)];
	struct loc_edges merged = { NULL, 0, 0 };

	for (size_t i = 0; i < from->n; i++) {
		uint32_t class_id = class_of[from->e[i].value];

		if (class_id >= b->t->n_classes)
			b->t->n_classes = class_id + 1;
		loc_edges_put(&merged, from->e[i].hi, from->e[i].lo, class_id);
	}
	b->n = 0;
	loc_edges_prefixes(&merged, family, add_prefix, b);
	loc_edges_done(&merged);
}

static uint32_t
intern_block(struct build *b, const uint32_t entries[POL_BLOCK_ENTRIES])
{
	size_t size = POL_BLOCK_ENTRIES * sizeof *entries;
	uint32_t hash = wf_hash_bytes(entries, size, 0);
	struct block *block;

	wf_hmap_for_each_with_hash (block, node, hash, &b->blocks)
		if (!memcmp(&b->blocks4[(size_t)block->number * POL_BLOCK_ENTRIES], entries, size))
			return block->number;
	if (b->t->n_blocks4 > POL_LEAF_MAX) {
		b->too_many = true;
		return 0;
	}
	if (b->t->n_blocks4 == b->blocks_allocated) {
		b->blocks_allocated = b->blocks_allocated ? b->blocks_allocated * 2 : 16;
		b->blocks4 = wf_xrealloc(b->blocks4, b->blocks_allocated * size);
	}
	memcpy(&b->blocks4[(size_t)b->t->n_blocks4 * POL_BLOCK_ENTRIES], entries, size);
	block = wf_xmalloc(sizeof *block);
	block->number = b->t->n_blocks4++;
	wf_hmap_insert(&b->blocks, &block->node, hash);
	return block->number;
}

/* Fills the 256 entries (65536 at the top) that 'bits' of the address choose after the first
 * 'skip', from prefixes[*at] on.  The prefixes are disjoint, in order and without gaps, so those
 * that share their first 'skip' bits fill the entries exactly. */
static void
fill(struct build *b, size_t *at, unsigned skip, unsigned bits, uint32_t *entries)
{
	size_t n = (size_t)1 << bits;

	for (size_t i = 0; i < n;) {
		const struct leaf_prefix *p = &b->prefixes[*at];
		unsigned end = skip + bits;

		if (p->prefix.len <= end) {
			for (size_t count = (size_t)1 << (end - p->prefix.len); count && i < n;
			     count--)
				entries[i++] = p->leaf;
			++*at;
		} else {
			uint32_t below[POL_BLOCK_ENTRIES];

			fill(b, at, end, 8, below);
			entries[i++] = POL_LEAF_BLOCK | intern_block(b, below);
		}
	}
}

static void
build4(struct build *b)
{
	struct block *block;
	size_t at = 0;

	wf_hmap_init(&b->blocks);
	b->dir4 = wf_xmalloc(65536 * sizeof *b->dir4);
	fill(b, &at, 0, 16, b->dir4);
	wf_hmap_for_each_safe (block, node, &b->blocks)
		free(block);
	wf_hmap_done(&b->blocks);
	size_t blocks_size = (size_t)b->t->n_blocks4 * POL_BLOCK_ENTRIES * sizeof *b->blocks4;

	b->t->dir4 = b->dir4;
	if (blocks_size) {
		b->t->blocks4 = memcpy(table_alloc(blocks_size), b->blocks4, blocks_size);
		free(b->blocks4);
	}
	b->t->n_prefixes4 = b->n;
	b->t->bytes += 65536 * sizeof(__u32) + blocks_size;
}

static void
build6(struct build *b)
{
	__u32 *dir = wf_xmalloc(65537 * sizeof *dir), *leaf = table_alloc(b->n * sizeof *leaf);
	__u64 *hi = table_alloc(b->n * sizeof *hi), *lo = table_alloc(b->n * sizeof *lo);
	size_t at = 0;

	for (size_t i = 0; i < b->n; i++) {
		hi[i] = b->prefixes[i].prefix.addr.hi;
		lo[i] = b->prefixes[i].prefix.addr.lo;
		leaf[i] = b->prefixes[i].leaf;
	}
	for (uint32_t top = 0; top < 65536; top++) {
		uint64_t first = (uint64_t)top << 48;

		while (at + 1 < b->n &&
		       (hi[at + 1] < first || (hi[at + 1] == first && !lo[at + 1])))
			at++;
		dir[top] = at;
	}
	dir[65536] = b->n - 1;
	for (uint32_t top = 0; top < 65536; top++) {
		uint32_t steps = 0;

		for (uint32_t width = dir[top + 1] + 1 - dir[top]; width > 1; width -= width / 2)
			steps++;
		if (steps > b->t->max_steps6)
			b->t->max_steps6 = steps;
	}
	b->t->dir6 = dir;
	b->t->start6_hi = hi;
	b->t->start6_lo = lo;
	b->t->leaf6 = leaf;
	b->t->n6 = b->n;
	b->t->bytes += 65537 * sizeof *dir + b->n * (2 * sizeof *hi + sizeof *leaf);
	if (b->t->max_steps6 > POL_FIND6_STEPS)
		b->too_many = true;
}

struct loc_table *
loc_table_new(const struct loc_db *db, const uint32_t *class_of, struct wf_err *err)
{
	struct build b = { .t = wf_xzalloc(sizeof *b.t) };

	list_prefixes(&b, db, 4, class_of);
	build4(&b);
	list_prefixes(&b, db, 6, class_of);
	build6(&b);
	free(b.prefixes);
	if (b.too_many || b.t->n_classes > POL_LEAF_MAX) {
		wf_err(err, -E2BIG,
		       "the map needs %u blocks, %u classes and %u steps of IPv6 search; at most "
		       "%u, %u and "
		       "%d fit",
		       b.t->n_blocks4, b.t->n_classes, b.t->max_steps6, POL_LEAF_MAX, POL_LEAF_MAX,
		       POL_FIND6_STEPS);
		loc_table_free(b.t);
		return NULL;
	}
	return b.t;
}

void
loc_table_free(struct loc_table *t)
{
	if (!t)
		return;
	free((void *)t->dir4);
	free((void *)t->blocks4);
	free((void *)t->dir6);
	free((void *)t->start6_hi);
	free((void *)t->start6_lo);
	free((void *)t->leaf6);
	free(t);
}
