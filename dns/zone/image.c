// SPDX-License-Identifier: Apache-2.0
#include "dns/zone/image.h"

void
dns_image_begin(struct dns_image_scratch *s, const uint8_t *base)
{
	struct dns_name name;

	dns_name_read_lower(&name, base, DNS_NAME_MAX);
	memset(s->buf, 0, DNS_HEADER_SIZE + DNS_NAME_MAX + 5);
	memcpy(s->buf + DNS_HEADER_SIZE, name.wire, name.size);
	dns_build_init(&s->b, s->buf, sizeof s->buf, &name);
	s->b.fix = s->fix;
	s->b.max_fix = DNS_IMAGE_FIXES;
	s->start = s->b.size;
	s->need_size = 0;
	memset(s->n, 0, sizeof s->n);
	s->n_additional_needed = 0;
}

void
dns_image_needed_until_here(struct dns_image_scratch *s)
{
	s->need_size = s->b.size - s->start;
	s->n_additional_needed = s->n[2];
}

const struct dns_image *
dns_image_end(struct dns_image_scratch *s, struct dns_arena *arena)
{
	size_t size = s->b.size - s->start;
	struct dns_image *i;

	/* Room for the largest question and an OPT record must be left. */
	if (s->b.full || size > DNS_MESSAGE_MAX - DNS_NAME_MAX - 128)
		return NULL;
	i = dns_arena_take(arena, sizeof *i + s->b.n_fix * sizeof i->fix[0] + size);
	i->size = size;
	i->need_size = s->need_size;
	i->n_answer = s->n[0];
	i->n_authority = s->n[1];
	i->n_additional = s->n[2];
	i->n_additional_needed = s->n_additional_needed;
	i->base_size = s->start - DNS_HEADER_SIZE - 4;
	i->n_fix = s->b.n_fix;
	for (size_t k = 0; k < s->b.n_fix; k++)
		i->fix[k] = s->fix[k] - s->start;
	memcpy((uint8_t *)dns_image_bytes(i), s->buf + s->start, size);
	return i;
}
