// SPDX-License-Identifier: Apache-2.0
/* The JSON splitter must agree with jansson on where a text ends, for any bytes, and give
 * the same answer however the bytes are cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/jsonmsg.h"

#define MAX_SIZE 4096

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static ssize_t
scan_whole(const uint8_t *data, size_t size)
{
	struct wf_jsonmsg s = { 0 };

	return wf_jsonmsg_scan(&s, data, size, MAX_SIZE);
}

static ssize_t
scan_by_bytes(const uint8_t *data, size_t size)
{
	struct wf_jsonmsg s = { 0 };
	ssize_t rc = 0;

	for (size_t i = 1; i <= size && !rc; i++)
		rc = wf_jsonmsg_scan(&s, data, i, MAX_SIZE);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ssize_t n = scan_whole(data, size);
	json_error_t error;
	json_t *json;

	if (scan_by_bytes(data, size) != n)
		abort();
	if (n > (ssize_t)size || n > MAX_SIZE)
		abort();

	/* jansson reads the first value and leaves the rest; where it succeeds, the splitter
	 * must have found the same end.  jansson skips NUL bytes, which JSON forbids. */
	if (size && memchr(data, 0, size))
		return 0;
	json = json_loadb((const char *)data, size, JSON_DISABLE_EOF_CHECK, &error);
	if (json && n > 0 && error.position != n)
		abort();
	if (json && n <= 0 && error.position <= MAX_SIZE)
		abort();
	json_decref(json);
	return 0;
}
