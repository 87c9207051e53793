// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/view.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "dns/answer/transfer.h"

#define FIRST_SLOTS 16

struct dns_view *
dns_view_new(void)
{
	struct dns_view *v = wf_xzalloc(sizeof *v);

	v->mask = FIRST_SLOTS - 1;
	v->slots = wf_xzalloc(FIRST_SLOTS * sizeof *v->slots);
	v->udp_limit = DNS_UDP_LIMIT;
	return v;
}

void
dns_view_free(struct dns_view *v)
{
	if (!v)
		return;
	for (size_t i = 0; i <= v->mask; i++)
		dns_zone_unref(v->slots[i]);
	dns_transfer_rules_free(v->transfers);
	while (v->keys) {
		struct dns_key *next = v->keys->next;

		explicit_bzero(v->keys, sizeof *v->keys);
		free(v->keys);
		v->keys = next;
	}
	dns_chosen_free(v->chosen);
	pol_free(v->pol);
	free(v->slots);
	free(v);
}

static void
put_slot(struct dns_zone **slots, size_t mask, struct dns_zone *z)
{
	size_t i = z->apex->hash & mask;

	while (slots[i])
		i = (i + 1) & mask;
	slots[i] = z;
}

int
dns_view_add_zone(struct dns_view *v, struct dns_zone *z)
{
	if (dns_view_zone_at(v, z->apex->hash, z->apex->name, z->apex->name_size))
		return -EEXIST;
	if ((v->n_zones + 1) * 2 > v->mask + 1) {
		size_t mask = (v->mask + 1) * 2 - 1;
		struct dns_zone **slots = wf_xzalloc((mask + 1) * sizeof *slots);

		for (size_t i = 0; i <= v->mask; i++)
			if (v->slots[i])
				put_slot(slots, mask, v->slots[i]);
		free(v->slots);
		v->slots = slots;
		v->mask = mask;
	}
	put_slot(v->slots, v->mask, z);
	v->n_zones++;
	if (z->apex->n_labels > v->max_labels)
		v->max_labels = z->apex->n_labels;
	return 0;
}

struct dns_zone *
dns_view_zone_named(const struct dns_view *v, const struct dns_name *name)
{
	uint64_t hash[DNS_LABELS_MAX + 1];

	dns_name_hash_suffixes(name, hash);
	return dns_view_zone_at(v, hash[0], name->wire, name->size);
}
