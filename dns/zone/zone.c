// SPDX-License-Identifier: Apache-2.0
#include "dns/zone/zone.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "dns/zone/delta.h"
#include "dns/zone/dnssec.h"

#define FIRST_SLOTS 16
#define HUGE_PAGE   ((size_t)1 << 21)

struct dns_zone *
dns_zone_new(const struct dns_name *apex)
{
	struct dns_zone *z = wf_xzalloc(sizeof *z);
	char text[DNS_NAME_TEXT_MAX];

	z->n_refs = 1;
	z->mask = FIRST_SLOTS - 1;
	z->slots = wf_xzalloc(FIRST_SLOTS * sizeof *z->slots);
	z->text = wf_xstrdup(dns_name_text(apex->wire, text));
	dns_zone_add_node(z, apex);
	return z;
}

struct dns_zone *
dns_zone_new_no_data(const struct dns_name *apex)
{
	struct dns_zone *z = dns_zone_new(apex);

	z->no_data = true;
	z->is_secondary = true;
	dns_zone_forget_order(z);
	return z;
}

struct dns_zone *
dns_zone_ref(struct dns_zone *z)
{
	z->n_refs++;
	return z;
}

void
dns_zone_unref(struct dns_zone *z)
{
	if (!z || --z->n_refs)
		return;
	dns_zone_dnssec_free(z);
	dns_arena_done(&z->arena);
	for (size_t i = 0; i < z->n_files; i++)
		free(z->files[i].path);
	free(z->files);
	for (size_t i = 0; i < z->n_deltas; i++)
		dns_delta_unref(z->deltas[i]);
	free(z->deltas);
	free(z->choices);
	free(z->slots);
	dns_zone_forget_order(z);
	free(z->path);
	free(z->text);
	free(z);
}

static void
put_slot(uint64_t *slots, size_t mask, struct dns_node *n)
{
	size_t i = n->hash & mask;

	while (slots[i])
		i = (i + 1) & mask;
	slots[i] = n->hash >> 48 << 48 | (uintptr_t)n;
}

/* A large table is looked into at random: with pages of 2 MiB that misses the TLB less. */
static uint64_t *
alloc_slots(size_t n)
{
	size_t size = n * sizeof(uint64_t);
	void *p;

	if (size < HUGE_PAGE || posix_memalign(&p, HUGE_PAGE, size))
		return wf_xzalloc(size);
	madvise(p, size, MADV_HUGEPAGE);
	return memset(p, 0, size);
}

static void
make_table(struct dns_zone *z, size_t mask)
{
	uint64_t *slots = alloc_slots(mask + 1);

	for (size_t i = 0; i < z->n_nodes; i++)
		put_slot(slots, mask, z->order[i]);
	free(z->slots);
	z->slots = slots;
	z->mask = mask;
}

void
dns_zone_reserve(struct dns_zone *z, size_t n_nodes)
{
	size_t mask = z->mask;

	while (2 * n_nodes > mask + 1)
		mask = 2 * mask + 1;
	if (mask > z->mask)
		make_table(z, mask);
}

void
dns_zone_forget_order(struct dns_zone *z)
{
	free(z->order);
	z->order = NULL;
	z->room_order = 0;
}

static void
insert(struct dns_zone *z, struct dns_node *n)
{
	/* At most half full: a miss, which strangers can cause, ends after two slots or so. */
	if ((z->n_nodes + 1) * 2 > z->mask + 1)
		make_table(z, 2 * z->mask + 1);
	if (z->n_nodes == z->room_order) {
		z->room_order = z->room_order ? 2 * z->room_order : FIRST_SLOTS;
		z->order = wf_xrealloc(z->order, z->room_order * sizeof(z->order[0]));
	}
	put_slot(z->slots, z->mask, n);
	z->order[z->n_nodes++] = n;
}

struct dns_node *
dns_zone_find_name(const struct dns_zone *z, const struct dns_name *name)
{
	uint64_t hash[DNS_LABELS_MAX + 1];

	dns_name_hash_suffixes(name, hash);
	return dns_zone_find(z, hash[0], name->wire, name->size);
}

struct dns_node *
dns_zone_add_node(struct dns_zone *z, const struct dns_name *name)
{
	uint64_t hash[DNS_LABELS_MAX + 1];
	unsigned first = name->n_labels - (z->apex ? z->apex->n_labels : name->n_labels), i;
	struct dns_node *n = NULL;

	dns_name_hash_suffixes(name, hash);
	for (i = 0; i <= first; i++) {
		n = z->apex ? dns_zone_find(z, hash[i], name->wire + name->at[i],
					    name->size - name->at[i])
			    : NULL;
		if (n)
			break;
	}
	/* From the closest one that exists down to the name. */
	while (i-- > 0) {
		const uint8_t *w = name->wire + name->at[i];
		size_t size = name->size - name->at[i];
		struct dns_node *below =
			dns_arena_zero(&z->arena, sizeof *below + size + DNS_NAME_PAD);

		assert((uintptr_t)below >> 48 == 0);
		below->parent = n;
		below->hash = hash[i];
		below->n_labels = name->n_labels - i;
		below->name_size = size;
		memcpy(below->name, w, size);
		if (n && w[0] == 1 && w[1] == '*')
			n->flags |= DNS_NODE_WILD;
		if (below->n_labels > z->max_labels)
			z->max_labels = below->n_labels;
		insert(z, below);
		if (!n)
			z->apex = below;
		n = below;
	}
	return n;
}

void
dns_zone_note_file(struct dns_zone *z, const char *path, const struct stat *st)
{
	z->files = wf_xrealloc(z->files, (z->n_files + 1) * sizeof *z->files);
	z->files[z->n_files++] = (struct dns_zone_file){
		.path = wf_xstrdup(path),
		.mtime = st->st_mtim,
		.size = st->st_size,
		.inode = st->st_ino,
	};
}

bool
dns_zone_is_current(const struct dns_zone *z, const char *path)
{
	if (!z->n_files || strcmp(z->files[0].path, path))
		return false;
	if (z->dnssec && z->dnssec->keys && !dns_keyset_is_current(z->dnssec->keys, time(NULL)))
		return false;
	for (size_t i = 0; i < z->n_files; i++) {
		const struct dns_zone_file *f = &z->files[i];
		struct stat st;

		if (stat(f->path, &st) || st.st_mtim.tv_sec != f->mtime.tv_sec ||
		    st.st_mtim.tv_nsec != f->mtime.tv_nsec || (uint64_t)st.st_size != f->size ||
		    st.st_ino != f->inode)
			return false;
	}
	return true;
}

uint32_t
dns_zone_negative_ttl(const struct dns_zone *z)
{
	const struct dns_rrset *soa = dns_node_set(z->apex, DNS_SOA);
	const uint8_t *at = soa->raw, *rdata;
	uint32_t ttl, minimum;
	size_t rdlen;

	rdata = dns_raw_next(&at, &ttl, &rdlen);
	minimum = dns_get32(rdata + rdlen - 4);
	return ttl < minimum ? ttl : minimum;
}
