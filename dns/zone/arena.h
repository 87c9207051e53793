/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed all at once: what a zone is made of.  Blocks double from 512 bytes to 1 MiB, so
 * that a million small zones and one of ten million records both waste little. */
#ifndef WEFT_DNS_ZONE_ARENA_H
#define WEFT_DNS_ZONE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct dns_arena {
	struct dns_arena_block *blocks;
	size_t used, size; /* of the newest block */
	size_t total;      /* bytes of all blocks */
};

void *dns_arena_take(struct dns_arena *, size_t size); /* aligned for pointers; not zeroed */
void *dns_arena_zero(struct dns_arena *, size_t size);
void dns_arena_done(struct dns_arena *);

#endif
