// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/view.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "dns/answer/rule.h"

#define FIRST_SLOTS 16

struct dns_view *
dns_view_new(void)
{
	struct dns_view *v = wf_xzalloc(sizeof *v);

	v->mask = FIRST_SLOTS - 1;
	v->slots = wf_xzalloc(FIRST_SLOTS * sizeof *v->slots);
	v->rules = wf_xzalloc(FIRST_SLOTS * sizeof(v->rules[0]));
	v->udp_limit = DNS_UDP_LIMIT;
	return v;
}

void
dns_view_free(struct dns_view *v)
{
	if (!v)
		return;
	for (size_t i = 0; i <= v->mask; i++) {
		dns_zone_unref(v->slots[i]);
		dns_zone_rule_free(v->rules[i]);
	}
	while (v->keys) {
		struct dns_key *next = v->keys->next;

		explicit_bzero(v->keys, sizeof *v->keys);
		free(v->keys);
		v->keys = next;
	}
	dns_chosen_free(v->chosen);
	free(v->choices);
	pol_free(v->pol);
	free(v->slots);
	free(v->rules);
	if (v->why) {
		free(v->why->prefixes);
		free(v->why->keys);
		free(v->why);
	}
	free(v);
}

/* The slot of the zone, or the empty one where it belongs. */
static size_t
slot_of(const struct dns_view *v, uint64_t hash, const uint8_t *name, size_t size)
{
	for (size_t i = hash & v->mask;; i = (i + 1) & v->mask) {
		const struct dns_zone *z = v->slots[i];

		if (!z || (z->apex->hash == hash && z->apex->name_size == size &&
			   !memcmp(z->apex->name, name, size)))
			return i;
	}
}

static size_t
slot_named(const struct dns_view *v, const struct dns_name *name)
{
	uint64_t hash[DNS_LABELS_MAX + 1];

	dns_name_hash_suffixes(name, hash);
	return slot_of(v, hash[0], name->wire, name->size);
}

static size_t
slot_like(const struct dns_view *v, const struct dns_zone *z)
{
	return slot_of(v, z->apex->hash, z->apex->name, z->apex->name_size);
}

static void
grow(struct dns_view *v)
{
	struct dns_zone **slots = v->slots;
	struct dns_zone_rule **rules = v->rules;
	size_t mask = v->mask;

	v->mask = 2 * mask + 1;
	v->slots = wf_xzalloc((v->mask + 1) * sizeof *v->slots);
	v->rules = wf_xzalloc((v->mask + 1) * sizeof(v->rules[0]));
	for (size_t i = 0; i <= mask; i++)
		if (slots[i]) {
			size_t to = slot_like(v, slots[i]);

			v->slots[to] = slots[i];
			v->rules[to] = rules[i];
		}
	free(slots);
	free(rules);
}

int
dns_view_add_zone(struct dns_view *v, struct dns_zone *z)
{
	if (v->slots[slot_like(v, z)])
		return -EEXIST;
	if ((v->n_zones + 1) * 2 > v->mask + 1)
		grow(v);
	v->slots[slot_like(v, z)] = z;
	v->n_zones++;
	if (z->apex->n_labels > v->max_labels)
		v->max_labels = z->apex->n_labels;
	return 0;
}

void
dns_view_set_rule(struct dns_view *v, const struct dns_name *name, struct dns_zone_rule *rule)
{
	size_t i = slot_named(v, name);

	dns_zone_rule_free(v->rules[i]);
	v->rules[i] = rule;
}

struct dns_zone *
dns_view_replace_zone(struct dns_view *v, struct dns_zone *z)
{
	return __atomic_exchange_n(&v->slots[slot_like(v, z)], z, __ATOMIC_ACQ_REL);
}

struct dns_zone *
dns_view_zone_named(const struct dns_view *v, const struct dns_name *name)
{
	uint64_t hash[DNS_LABELS_MAX + 1];

	dns_name_hash_suffixes(name, hash);
	return dns_view_zone_at(v, hash[0], name->wire, name->size);
}

const struct dns_zone_rule *
dns_view_rule_of(const struct dns_view *v, const struct dns_name *name)
{
	return v->rules[slot_named(v, name)];
}
