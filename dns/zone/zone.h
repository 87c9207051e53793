/* SPDX-License-Identifier: Apache-2.0 */
/* A zone as queries see it.
 *
 *   view --apex name--> zone --name--> node --type--> rrset --> image
 *
 * One hash table of nodes a zone; each name between a node and the apex has a node too (an empty
 * non-terminal), so that the closest encloser is the first ancestor that is found.
 *
 * Threads: one thread builds; once published (answer/view.h) a zone is immutable and any thread
 * reads. Memory: all in the zone's arena; reference counted, since a new view keeps the zones that
 * did not change, and a transfer goes on with the zone that it began with.
 */
#ifndef WEFT_DNS_ZONE_ZONE_H
#define WEFT_DNS_ZONE_ZONE_H

#include <sys/stat.h>
#include <time.h>

#include "dns/zone/image.h"

struct dns_delta;
struct dns_zone_dnssec;

struct dns_rrset {
	uint16_t type;
	uint16_t n;    /* records */
	uint32_t ttl;
	uint32_t size; /* bytes of 'raw' */
	/* The records one behind the other, the owner c00c, names in rdata uncompressed. */
	const uint8_t *raw;
	/* The whole answer for (node, type), with additional records; NULL: 'raw' is the answer. */
	const struct dns_image *image;
	/* Chosen by the client's place instead: the number of the choice in each view
	 * (answer/chosen.h); 0: the same for everyone. */
	uint32_t chosen;
};

enum dns_node_flag {
	DNS_NODE_CUT = 1,      /* delegated: has NS and is not the apex */
	DNS_NODE_OCCLUDED = 2, /* below a cut: glue at most */
	DNS_NODE_WILD = 4,     /* has a child "*" */
	DNS_NODE_DNAME = 8,    /* has a DNAME */
	DNS_NODE_HASHED = 16,  /* the owner of an NSEC3: no name that a query finds */
};

struct dns_node {
	struct dns_node *parent; /* one label up; NULL: the apex */
	struct dns_rrset *sets;
	/* The referral of a cut. */
	const struct dns_image *referral;
	uint64_t hash;
	uint16_t n_sets;
	uint8_t flags;
	uint8_t n_labels, name_size;
	uint8_t name[]; /* lower case, padded */
};

/* As it was when it was read. */
struct dns_zone_file {
	char *path;
	struct timespec mtime;
	uint64_t size, inode;
};

struct dns_zone {
	_Atomic unsigned n_refs;
	struct dns_node *apex;
	/* Open addressing; the upper 16 bits of a slot are those of the node's hash, so that other
	 * names' nodes are hardly ever looked at. */
	uint64_t *slots;
	size_t mask, n_nodes, n_records;
	/* While it is made: the nodes in the order in which they came, which is that of memory; walking
	 * the table instead would miss the caches at each. */
	struct dns_node **order;
	size_t room_order;
	uint8_t max_labels;
	bool has_chosen;
	bool is_secondary; /* came by transfer */
	bool no_data;    /* of a primary that never answered or too long ago: SERVFAIL */
	uint32_t serial;
	/* SOA in the authority section, for NXDOMAIN and NODATA (RFC 2308 section 3). */
	const struct dns_image *negative;
	struct dns_zone_dnssec *dnssec; /* NULL: not signed (zone/dnssec.h) */
	struct dns_arena arena;
	char *path;
	/* Of all files that it was read from: a change of any of them is one of the zone. */
	struct dns_zone_file *files;
	size_t n_files;
	char *text; /* the apex, for messages */
	/* What was chosen in it: the bytes that view_load.c made it from, to see whether that changed. */
	uint8_t *choices;
	size_t choices_size;
	/* The changes that led here, oldest first (delta.h). */
	struct dns_delta **deltas;
	size_t n_deltas;
};

struct dns_zone *dns_zone_new(const struct dns_name *apex);
/* What stands for a zone that we have no data of. */
struct dns_zone *dns_zone_new_no_data(const struct dns_name *apex);
struct dns_zone *dns_zone_ref(struct dns_zone *);
void dns_zone_unref(struct dns_zone *);

/* The node of the name with this hash (dns_label_hash), or NULL.  Per query. */
static inline struct dns_node *
dns_zone_find(const struct dns_zone *z, uint64_t hash, const uint8_t *name, size_t size)
{
	for (size_t i = hash & z->mask;; i = (i + 1) & z->mask) {
		uint64_t slot = z->slots[i];
		struct dns_node *n;

		if (!slot)
			return NULL;
		if (slot >> 48 != hash >> 48)
			continue;
		n = (struct dns_node *)(uintptr_t)(slot << 16 >> 16);
		if (n->hash == hash && n->name_size == size && !memcmp(n->name, name, size))
			return n;
	}
}

/* Walking: the node in slot 'i' of 0 to mask, or NULL. */
static inline struct dns_node *
dns_zone_node_at(const struct dns_zone *z, size_t i)
{
	return (struct dns_node *)(uintptr_t)(z->slots[i] << 16 >> 16);
}

struct dns_node *dns_zone_find_name(const struct dns_zone *, const struct dns_name *);

static inline struct dns_rrset *
dns_node_set(const struct dns_node *n, unsigned type)
{
	for (unsigned i = 0; i < n->n_sets; i++)
		if (n->sets[i].type == type)
			return &n->sets[i];
	return NULL;
}

/* The cut at or above a node that is a cut or occluded: the one nearest to the apex. */
static inline const struct dns_node *
dns_node_cut(const struct dns_node *n)
{
	const struct dns_node *cut = NULL;

	for (; n; n = n->parent)
		if (n->flags & DNS_NODE_CUT)
			cut = n;
	return cut;
}

/* The files that it was read from, the first of them 'path', and its keys have not changed. */
bool dns_zone_is_current(const struct dns_zone *, const char *path);
void dns_zone_note_file(struct dns_zone *, const char *path, const struct stat *);

/* Building.  There will be about so many names: no table is made twice. */
void dns_zone_reserve(struct dns_zone *, size_t n_nodes);
/* The zone is complete. */
void dns_zone_forget_order(struct dns_zone *);
/* Makes the node and those between it and the apex; 'name' is in the zone. */
struct dns_node *dns_zone_add_node(struct dns_zone *, const struct dns_name *name);

/* One record of a raw set: steps over it.  Returns where the rdata is. */
static inline const uint8_t *
dns_raw_next(const uint8_t **at, uint32_t *ttl, size_t *rdlen)
{
	const uint8_t *p = *at;

	*ttl = dns_get32(p + 6);
	*rdlen = dns_get16(p + 10);
	*at = p + 12 + *rdlen;
	return p + 12;
}
#define DNS_RAW_HEAD 12

/* How long an answer that something does not exist is good: the lesser of the SOA's TTL and its last field (RFC 2308
 * section 5).  The zone has data. */
uint32_t dns_zone_negative_ttl(const struct dns_zone *);

#endif
