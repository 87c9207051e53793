// SPDX-License-Identifier: Apache-2.0
#include "dns/zone/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define FIRST_BLOCK ((size_t)1 << 9)
#define LAST_BLOCK  ((size_t)1 << 20)

struct dns_arena_block {
	struct dns_arena_block *next;
	uint64_t bytes[];
};

void *
dns_arena_take(struct dns_arena *a, size_t size)
{
	void *p;

	size = (size + 7) & ~(size_t)7;
	if (!a->blocks || size > a->size - a->used) {
		size_t want = !a->size		     ? FIRST_BLOCK
			      : a->size < LAST_BLOCK ? a->size * 2
						     : LAST_BLOCK;
		struct dns_arena_block *b;

		if (want < size)
			want = size;
		b = wf_xmalloc(sizeof *b + want);
		b->next = a->blocks;
		a->blocks = b;
		a->used = 0;
		a->size = want;
		a->total += sizeof *b + want;
	}
	p = (uint8_t *)a->blocks->bytes + a->used;
	a->used += size;
	return p;
}

void *
dns_arena_zero(struct dns_arena *a, size_t size)
{
	return memset(dns_arena_take(a, size), 0, size);
}

void
dns_arena_done(struct dns_arena *a)
{
	while (a->blocks) {
		struct dns_arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	memset(a, 0, sizeof *a);
}
