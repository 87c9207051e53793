/* SPDX-License-Identifier: Apache-2.0 */
/* Domain names in wire form: length-prefixed labels that end with the root label (RFC 1035
 * section 3.1).
 *
 * "name" is always uncompressed here; names inside messages are read by message.h and build.h.
 * Lower case is by ASCII (RFC 4343).  A length byte is at most 63 and so below 'A': lower-casing
 * the whole wire form leaves it as it is. Hashes are taken label by label from the root, so that
 * one pass gives the hash of each suffix; they are keyed (base/hash.h), since strangers choose the
 * names.
 */
#ifndef WEFT_DNS_WIRE_NAME_H
#define WEFT_DNS_WIRE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"

#define DNS_NAME_MAX 255   /* bytes, root label included */
#define DNS_LABEL_MAX 63
#define DNS_LABELS_MAX 127 /* without the root */
#define DNS_NAME_PAD 8     /* readable bytes behind a name that is hashed */
#define DNS_NAME_TEXT_MAX (DNS_NAME_MAX * 4 + 1)

/* A name and where its labels begin, lower case or not as its owner says. */
struct dns_name {
	uint8_t size;     /* bytes in 'wire', 1 to 255 */
	uint8_t n_labels; /* without the root */
	uint8_t at[DNS_LABELS_MAX + 1]; /* at[i]: offset of label i; at[n_labels]: of the root */
	uint8_t wire[DNS_NAME_MAX + 1 + DNS_NAME_PAD];
};

/* Reads the uncompressed name at 'p', of which 'len' bytes are readable, in lower case.  Returns
 * its size, or 0 if it is cut, too long or compressed. */
size_t dns_name_read_lower(struct dns_name *, const uint8_t *p, size_t len);
/* From text as in a zone file ("www.example.com.", "\046"); a name without a dot at the end continues
 * with 'origin' (wire form; NULL: the root).  Lower case.  Returns 0 or -EINVAL. */
int dns_name_from_text(struct dns_name *, const char *text, const uint8_t *origin, struct wf_err *);
/* 'text' has room for DNS_NAME_TEXT_MAX.  Returns 'text'; with a dot at the end. */
char *dns_name_text(const uint8_t *wire, char *text);
void dns_name_lower(uint8_t *to, const uint8_t *from, size_t size);
size_t dns_name_size(const uint8_t *wire);
unsigned dns_name_n_labels(const uint8_t *wire);
bool dns_name_equal(const uint8_t *a, const uint8_t *b); /* whatever the case */
/* 'name' is 'top' or below it; both lower case. */
bool dns_name_is_in(const uint8_t *name, const uint8_t *top);

/* The hash of the label at 'label' below a name of hash 'above'; lower case, padded. */
static inline uint64_t
dns_label_hash(uint64_t above, const uint8_t *label)
{
	unsigned n = 1u + label[0];

	for (; n >= 8; n -= 8, label += 8) {
		uint64_t w;

		memcpy(&w, label, 8);
		above = wf_hash_mix64(above, w);
	}
	if (n) {
		uint64_t w;

		memcpy(&w, label, 8);
		above = wf_hash_mix64(above, w & ((1ull << (8 * n)) - 1));
	}
	return above;
}

static inline uint64_t
dns_root_hash(void)
{
	return wf_hash_seed;
}

/* hash[i]: of the name from label i on; hash[n_labels]: of the root. */
void dns_name_hash_suffixes(const struct dns_name *, uint64_t hash[DNS_LABELS_MAX + 1]);

#endif
