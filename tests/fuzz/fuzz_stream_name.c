// SPDX-License-Identifier: Apache-2.0
/* Names of streams come from the database: the parser must take any text, and what it
 * takes must have an address that prints to a name it takes again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/stream_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream_addr a, b;
	struct wf_err err = { "" };
	char *name, *again;
	int rc;

	/* A string of its own block, so that a read behind its end shows. */
	name = malloc(size + 1);
	if (!name)
		return 0;
	if (size)
		memcpy(name, data, size);
	name[size] = '\0';

	rc = stream_addr_parse(name, 6640, &a, &err);
	if (rc && !err.text[0])
		abort();
	if (!rc && a.kind == STREAM_UNIX && (!a.path || a.path[0] != '/'))
		abort();
	if (!rc && a.kind != STREAM_UNIX && !a.passive) {
		again = stream_addr_name(a.kind, &a.ss);
		if (stream_addr_parse(again, 0, &b, &err) || b.kind != a.kind ||
		    b.ss.ss_family != a.ss.ss_family)
			abort();
		free(again);
	}
	free(a.path);
	free(name);
	return 0;
}
