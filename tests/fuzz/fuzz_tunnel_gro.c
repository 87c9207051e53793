/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of a tunnel that may become one: the first byte says which kind, the second how many bytes each
 * has.  What is found to be a run must come out as one sound packet with all its data. */
#include <stdlib.h>
#include <string.h>

#include "tunnels/gro.h"
#include "tunnels/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum tnl_type type;
	struct tnl_gro g, again;
	size_t each, part, merged;
	uint8_t *copy;
	unsigned n;

	if (size < 3)
		return 0;
	type = data[0] % TNL_N_TYPES;
	each = data[1];
	data += 2;
	size -= 2;
	copy = malloc(size);
	memcpy(copy, data, size);
	n = tnl_gro_find(type, copy, size, each, &g);
	part = n * each < size ? n * each : size;
	if (!n || (n > 1 && (n - 1) * each >= size))
		abort();
	if (n > 1) {
		merged = tnl_gro_merge(copy, part, each, &g);
		if (merged != part - (n - 1) * (size_t)g.data_ofs || merged > part ||
		    memcmp(copy + merged - 1, data + part - 1, 1))
			abort();
		if (rd16(copy + g.l3_ofs + (g.is_ipv6 ? 4 : 2)) + (g.is_ipv6 ? g.l4_ofs : g.l3_ofs) != merged)
			abort();
		/* Its checksum is open now: it is in no run any more. */
		if (tnl_gro_find(type, copy, merged, each, &again) < 1)
			abort();
	}
	free(copy);
	return 0;
}
