/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/stamps.h"

#include "base/buf.h"

static struct stamp_block *free_blocks;

static void
fill(struct stamp_block *b, uint64_t version)
{
	for (unsigned i = 0; i < STAMPS_PER_BLOCK; i++)
		atomic_store_explicit(&b->cell[i], version, memory_order_release);
}

struct stamp_block *
stamp_block_alloc(uint64_t version)
{
	struct stamp_block *b = free_blocks;

	if (b)
		free_blocks = b->next_free;
	else
		b = wf_xzalloc(sizeof *b);
	fill(b, version);
	return b;
}

void
stamp_block_release(struct stamp_block *b, uint64_t next_version)
{
	if (!b)
		return;
	fill(b, next_version);
	b->next_free = free_blocks;
	free_blocks = b;
}
