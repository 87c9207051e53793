// SPDX-License-Identifier: Apache-2.0
#include "policy/edges.h"

#include <stdlib.h>

#include "base/buf.h"

typedef unsigned __int128 u128;

static u128
join(uint64_t hi, uint64_t lo)
{
	return (u128)hi << 64 | lo;
}

void
loc_edges_init(struct loc_edges *edges)
{
	*edges = (struct loc_edges){ NULL, 0, 0 };
	loc_edges_put(edges, 0, 0, 0);
}

void
loc_edges_done(struct loc_edges *edges)
{
	free(edges->e);
	*edges = (struct loc_edges){ NULL, 0, 0 };
}

void
loc_edges_put(struct loc_edges *edges, uint64_t hi, uint64_t lo, uint32_t value)
{
	struct loc_edge *last = edges->n ? &edges->e[edges->n - 1] : NULL;

	if (last && last->hi == hi && last->lo == lo) {
		last->value = value;
		if (edges->n > 1 && last[-1].value == value)
			edges->n--;
		return;
	}
	if (last && last->value == value)
		return;
	if (edges->n == edges->allocated) {
		edges->allocated = edges->allocated ? edges->allocated * 2 : 8;
		edges->e = wf_xrealloc(edges->e, edges->allocated * sizeof *edges->e);
	}
	edges->e[edges->n++] = (struct loc_edge){ hi, lo, value };
}

size_t
loc_edges_find(const struct loc_edges *edges, uint64_t hi, uint64_t lo)
{
	size_t low = 0, high = edges->n;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;
		const struct loc_edge *e = &edges->e[mid];

		if (e->hi < hi || (e->hi == hi && e->lo <= lo))
			low = mid;
		else
			high = mid;
	}
	return low;
}

bool
loc_prefix_next(const struct pol_prefix *p, uint64_t *hi, uint64_t *lo)
{
	u128 last = join(p->addr.hi | ~pol_mask_hi(p->len), p->addr.lo | ~pol_mask_lo(p->len));
	u128 next = last + 1;

	*hi = next >> 64;
	*lo = next;
	return next != 0;
}

void
loc_edges_from_nested(struct loc_edges *edges, const struct loc_nested *nested, size_t n)
{
	const struct loc_nested *open[130]; /* one a length at most: they contain each other */
	size_t n_open = 0;
	uint64_t hi, lo;

	for (size_t i = 0; i <= n; i++) {
		/* Close what ends before the next one starts. */
		while (n_open && (i == n || !pol_prefix_has(&open[n_open - 1]->prefix,
							    &nested[i].prefix.addr))) {
			const struct loc_nested *ended = open[--n_open];

			if (loc_prefix_next(&ended->prefix, &hi, &lo))
				loc_edges_put(edges, hi, lo, n_open ? open[n_open - 1]->value : 0);
		}
		if (i == n)
			break;
		loc_edges_put(edges, nested[i].prefix.addr.hi, nested[i].prefix.addr.lo,
			      nested[i].value);
		open[n_open++] = &nested[i];
	}
}

void
loc_edges_prefixes(const struct loc_edges *edges, int family,
		   void (*fn)(void *arg, const struct pol_prefix *, uint32_t value), void *arg)
{
	unsigned shift = 128 - pol_family_bits(family);
	u128 end = ~(u128)0 >> shift; /* the last address, as a number of the family's bits */

	for (size_t i = 0; i < edges->n; i++) {
		u128 at = join(edges->e[i].hi, edges->e[i].lo) >> shift;
		u128 last = end;

		if (i + 1 < edges->n)
			last = (join(edges->e[i + 1].hi, edges->e[i + 1].lo) >> shift) - 1;
		for (;;) {
			unsigned len = 0, bits = pol_family_bits(family);
			u128 host = end; /* the host bits of the longest block that fits */

			while (len < bits && ((at & host) || last - at < host)) {
				host >>= 1;
				len++;
			}
			u128 top = at << shift;
			struct pol_prefix p = { { top >> 64, top, family }, len };

			fn(arg, &p, edges->e[i].value);
			if (last - at == host)
				break;
			at += host + 1;
		}
	}
}
