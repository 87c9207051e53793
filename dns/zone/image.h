/* SPDX-License-Identifier: Apache-2.0 */
/* An image: what stands behind the question of one answer, ready to be copied.
 *
 *   message = header | question | image | OPT
 *
 * It is made for questions whose name ends in the image's base name: the owner of an exact match,
 * the parent of a wildcard, the zone's apex for a negative answer, the cut for a referral.  Owners
 * that are the name asked for are the pointer c00c, which is right for every question; all other
 * pointers are listed and move by (size of the name asked for - size of the base name).
 *
 * Made at load, immutable then, freed with its zone.
 */
#ifndef WEFT_DNS_ZONE_IMAGE_H
#define WEFT_DNS_ZONE_IMAGE_H

#include "dns/wire/build.h"
#include "dns/zone/arena.h"

struct dns_image {
	uint16_t size;      /* all of it */
	uint16_t need_size; /* without additional records that may be left out */
	uint16_t n_answer, n_authority;
	uint16_t n_additional, n_additional_needed;
	uint8_t base_size; /* bytes of the base name */
	uint16_t n_fix;
	/* Followed by uint16_t fix[n_fix] (offsets in 'bytes'), then the bytes. */
	uint16_t fix[];
};

static inline const uint8_t *
dns_image_bytes(const struct dns_image *i)
{
	return (const uint8_t *)(i->fix + i->n_fix);
}

/* Copies the first 'size' bytes (i->size or i->need_size) to 'to' for a question whose name has
 * 'qname_size' bytes.  Per query. */
static inline void
dns_image_copy(const struct dns_image *i, uint8_t *to, size_t size, size_t qname_size)
{
	size_t delta = qname_size - i->base_size;

	memcpy(to, dns_image_bytes(i), size);
	if (!delta)
		return;
	for (unsigned k = 0; k < i->n_fix && i->fix[k] < size; k++) {
		uint8_t *p = to + i->fix[k];

		dns_put16(p, dns_get16(p) + delta);
	}
}

/* At load: a builder whose message has the base name as its question; then the image from what was
 * built.  'scratch' belongs to the one who compiles. */
#define DNS_IMAGE_FIXES 8192
struct dns_image_scratch {
	struct dns_build b;
	uint8_t buf[DNS_MESSAGE_MAX];
	uint16_t fix[DNS_IMAGE_FIXES];
	size_t start, need_size;
	uint16_t n[3], n_additional_needed;
};
void dns_image_begin(struct dns_image_scratch *, const uint8_t *base);
/* Ends what must be in the answer; what follows may be left out. */
void dns_image_needed_until_here(struct dns_image_scratch *);
/* NULL if it did not fit into a message. */
const struct dns_image *dns_image_end(struct dns_image_scratch *, struct dns_arena *);

#endif
