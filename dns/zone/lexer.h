/* SPDX-License-Identifier: Apache-2.0 */
/* Zone files (RFC 1035 section 5) in entries: comments gone, parentheses resolved, quotes and
 * escapes left as they are.  Knows nothing of records. */
#ifndef WEFT_DNS_ZONE_LEXER_H
#define WEFT_DNS_ZONE_LEXER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct dns_lexer {
	const char *name; /* of the file, for messages */
	const char *p, *end;
	unsigned line;       /* of 'p' */
	unsigned entry_line; /* where the entry began */
	bool starts_blank;   /* the entry began with white space: the owner before it */
	struct wf_str entry;
};

void dns_lexer_init(struct dns_lexer *, const char *name, const char *text, size_t size);
void dns_lexer_done(struct dns_lexer *);
/* Returns 1 and the entry in 'entry' (one line, single blanks outside quotes), 0 at the end, or
 * -EINVAL with "FILE:LINE: ...". */
int dns_lexer_next(struct dns_lexer *, struct wf_err *);

/* Takes the next word of an entry; it ends at an unquoted blank, and is cut out in place.  NULL at
 * the end. */
char *dns_word(char **at);

#endif
