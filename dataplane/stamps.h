/* SPDX-License-Identifier: Apache-2.0 */
/* Version stamps: cells that plans point to.
 *
 * A plan may outlive the table whose stamp it holds.  So a cell is never returned to the heap:
 * released blocks are reused, and the value in a cell only grows (a release stores the next
 * version).  A plan that still looks at a reused cell sees a value above its own version and
 * walks again, which is always right.  Main thread allocates; readers load.
 */
#ifndef WEFT_DATAPLANE_STAMPS_H
#define WEFT_DATAPLANE_STAMPS_H

#include <stdatomic.h>
#include <stdint.h>

#define STAMPS_PER_BLOCK 512
struct stamp_block {
	_Atomic uint64_t cell[STAMPS_PER_BLOCK];
	struct stamp_block *next_free;
};

struct stamp_block *stamp_block_alloc(uint64_t version);
void stamp_block_release(struct stamp_block *, uint64_t next_version);

#endif
