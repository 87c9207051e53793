/* SPDX-License-Identifier: Apache-2.0 */
/* JSON texts in a byte stream: finds where one ends, so that jansson parses whole
 * values only.  Bounded: a text longer than 'max_size' or nested deeper than 1000 is
 * an error, not memory.
 */
#ifndef WEFT_BASE_JSONMSG_H
#define WEFT_BASE_JSONMSG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wf_jsonmsg { /* zero-initialise at the start of a stream */
	size_t scanned;
	unsigned depth;
	unsigned char in_string, escape, started;
};

/* Looks at data[0..size) where earlier calls saw a prefix of the same bytes.  Returns
 * the size of the first whole text (leading white space included), 0 if it is not
 * complete yet, -EBADMSG if it can't be JSON, -EMSGSIZE if too long or too deep.  After
 * a positive result the state is ready for the next text. */
ssize_t wf_jsonmsg_scan(struct wf_jsonmsg *, const uint8_t *data, size_t size, size_t max_size);

#endif
