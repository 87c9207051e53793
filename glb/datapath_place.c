// SPDX-License-Identifier: Apache-2.0
/* Maps of clients (policy/location.h) into the kernel. */
#include "glb/datapath_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

/* A new inner map, filled and put under 'number' of 'outer'. */
static int
load_array(int outer, uint32_t number, const char *name, const void *values, uint32_t value_size, uint32_t n)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	LIBBPF_OPTS(bpf_map_batch_opts, batch);
	uint32_t *keys = wf_xmalloc((size_t)n * sizeof *keys), count = n;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), value_size, n, &opts), rc = 0;

	for (uint32_t i = 0; i < n; i++)
		keys[i] = i;
	if (fd < 0 || bpf_map_update_batch(fd, keys, values, &count, &batch) ||
	    bpf_map_update_elem(outer, &number, &fd, BPF_ANY))
		rc = -errno;
	/* The outer map holds it from now on. */
	if (fd >= 0)
		close(fd);
	free(keys);
	return rc;
}

static bool
is_named(const struct glb_datapath *dp, uint32_t number)
{
	for (uint32_t i = 0; dp->tables[GLB_EDGE] && i < GLB_N_TABLES; i++) {
		uint64_t word = dp->tables[GLB_EDGE][i];

		if ((word & GLB_POOL_BY_PLACE) && GLB_POOL_PLACE(word) == number)
			return true;
	}
	return false;
}

int
dp_place_load(struct glb_datapath *dp, const struct loc_table *t, const uint32_t *taken, size_t n_taken,
	      uint32_t *ret_number)
{
	uint32_t n_words = GLB_PLACE_BLOCKS + t->n_blocks4 * POL_BLOCK_ENTRIES, number = 1;
	struct glb_place_start *starts;
	uint32_t *words;
	int rc;

	for (size_t i = 0; number < GLB_MAX_PLACES && i < n_taken; i++)
		if (taken[i] == number || is_named(dp, number)) {
			number++;
			i = (size_t)-1;
		}
	while (number < GLB_MAX_PLACES && is_named(dp, number))
		number++;
	if (number == GLB_MAX_PLACES)
		return -ENOSPC;
	words = wf_xmalloc((size_t)n_words * sizeof *words);
	memcpy(words, t->dir4, GLB_PLACE_DIR6 * sizeof *words);
	memcpy(words + GLB_PLACE_DIR6, t->dir6, (GLB_PLACE_BLOCKS - GLB_PLACE_DIR6) * sizeof *words);
	memcpy(words + GLB_PLACE_BLOCKS, t->blocks4, (size_t)t->n_blocks4 * POL_BLOCK_ENTRIES * sizeof *words);
	starts = wf_xzalloc((size_t)(t->n6 + 1) * sizeof *starts);
	for (uint32_t i = 0; i < t->n6; i++)
		starts[i] = (struct glb_place_start){ t->start6_hi[i], t->start6_lo[i], t->leaf6[i], 0 };
	rc = load_array(dp->maps[DP_PLACES], number, "glb_place", words, sizeof *words, n_words);
	rc = rc ? rc : load_array(dp->maps[DP_PLACES6], number, "glb_place6", starts, sizeof *starts, t->n6 + 1);
	free(words);
	free(starts);
	*ret_number = number;
	return rc;
}

void
dp_places_sweep(struct glb_datapath *dp)
{
	for (uint32_t number = 0; dp->maps[DP_PLACES] >= 0 && number < GLB_MAX_PLACES; number++)
		if (!is_named(dp, number)) {
			bpf_map_delete_elem(dp->maps[DP_PLACES], &number);
			bpf_map_delete_elem(dp->maps[DP_PLACES6], &number);
		}
}
