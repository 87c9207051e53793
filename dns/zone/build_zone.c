// SPDX-License-Identifier: Apache-2.0
#include "dns/zone/build_zone.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "dns/zone/load.h"

/* While a zone is made, 'raw' of an rrset is the first of its records, newest first. */
struct record {
	struct record *next;
	uint32_t ttl;
	uint16_t rdlen;
	uint8_t rdata[];
};

void
dns_zone_builder_init(struct dns_zone_builder *b, const struct dns_name *apex,
		      struct wf_str *warnings)
{
	memset(b, 0, sizeof *b);
	b->zone = dns_zone_new(apex);
	b->warnings = warnings;
}

void
dns_zone_builder_done(struct dns_zone_builder *b)
{
	dns_arena_done(&b->records);
	dns_zone_unref(b->zone);
	dns_keyset_unref(b->keys);
	b->zone = NULL;
	b->keys = NULL;
}

bool
dns_rdata_equal(unsigned type, const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
	if (na != nb)
		return false;
	if (!dns_rdata_names(type).n_names)
		return !memcmp(a, b, na);
	for (size_t i = 0; i < na; i++) {
		uint8_t x, y;

		dns_name_lower(&x, a + i, 1);
		dns_name_lower(&y, b + i, 1);
		if (x != y)
			return false;
	}
	return true;
}

/* One uncompressed name in 'len' bytes; its size or 0. */
static size_t
name_in(const uint8_t *p, size_t len)
{
	struct dns_name name;

	return dns_name_read_lower(&name, p, len);
}

/* What the code that reads rdata relies on, whatever wrote the record ("\# 3 010203", a transfer). */
bool
dns_rdata_is_valid(unsigned type, const uint8_t *p, size_t len)
{
	struct dns_rdata_names names = dns_rdata_names(type);
	size_t n = names.skip;

	if (len > UINT16_MAX)
		return false;
	for (unsigned i = 0; i < names.n_names; i++) {
		size_t size = n <= len ? name_in(p + n, len - n) : 0;

		if (!size)
			return false;
		n += size;
	}
	switch (type) {
	case DNS_A:
		return len == 4;
	case DNS_AAAA:
		return len == 16;
	case DNS_SOA:
		return len == n + 20;
	case DNS_SRV:
		return len > 6 && name_in(p + 6, len - 6) == len - 6;
	case DNS_DNAME:
		return name_in(p, len) == len;
	case DNS_RRSIG:
		n = len > 18 ? name_in(p + 18, len - 18) : 0;
		return n && 18 + n < len;
	case DNS_NSEC:
		return name_in(p, len);
	case DNS_NSEC3: /* salt, then the hash (RFC 5155 section 3.2) */
		return len > 5u && len > 5u + p[4] && len >= 6u + p[4] + p[5 + p[4]];
	case DNS_NSEC3PARAM:
		return len >= 5 && len == 5u + p[4];
	case DNS_DNSKEY:
	case DNS_DS:
		return len > 4;
	default:
		return !names.n_names || n == len;
	}
}

static struct dns_rrset *
add_set(struct dns_zone *z, struct dns_node *n, unsigned type)
{
	/* Room for 1, 2, 4, 8, ... sets. */
	if (!(n->n_sets & (n->n_sets - 1))) {
		struct dns_rrset *sets =
			dns_arena_zero(&z->arena, (n->n_sets ? 2 * n->n_sets : 1) * sizeof *sets);

		if (n->n_sets)
			memcpy(sets, n->sets, n->n_sets * sizeof *sets);
		n->sets = sets;
	}
	n->sets[n->n_sets] = (struct dns_rrset){ .type = type };
	return &n->sets[n->n_sets++];
}

static int
check_size(const struct dns_zone_builder *b, struct wf_err *err)
{
	const struct dns_zone *z = b->zone;

	if (!b->max_size || z->arena.total + b->records.total + (z->mask + 1) * sizeof *z->slots <= b->max_size)
		return 0;
	return wf_err(err, -EFBIG, "zone %s takes more than max-zone-size, %llu bytes", z->text,
		      (unsigned long long)b->max_size);
}

int
dns_zone_builder_add(struct dns_zone_builder *b, const struct dns_name *owner, unsigned type,
		     uint32_t ttl, const uint8_t *rdata, size_t rdlen, struct wf_err *err)
{
	struct dns_zone *z = b->zone;
	struct dns_node *n;
	struct dns_rrset *s;
	struct record *r;
	char text[DNS_NAME_TEXT_MAX];
	int rc;

	if (!dns_name_is_in(owner->wire, z->apex->name)) {
		b->n_out_of_zone++;
		return 1;
	}
	if (!dns_rdata_is_valid(type, rdata, rdlen))
		return wf_err(err, -EINVAL, "the data of the %s record is not what its type demands", dns_type_text(type));
	if (type == DNS_SOA && (owner->size != z->apex->name_size))
		return wf_err(err, -EINVAL, "SOA of %s in zone %s: a zone has one, at its apex", dns_name_text(owner->wire, text), z->text);
	n = dns_zone_add_node(z, owner);
	s = dns_node_set(n, type);
	if (!s)
		s = add_set(z, n, type);
	/* Large sets (a thousand addresses) are compared record by record only here, once. */
	for (r = (struct record *)s->raw; r; r = r->next)
		if (dns_rdata_equal(type, r->rdata, r->rdlen, rdata, rdlen))
			return 0; /* RFC 2181 section 5 */
	if (s->n == UINT16_MAX || s->size + DNS_RAW_HEAD + rdlen > DNS_MESSAGE_MAX - 512)
		return wf_err(err, -EINVAL, "the %s records of %s are more than fit into a message of 64 KiB", dns_type_text(type), dns_name_text(owner->wire, text));
	if (s->n && (type == DNS_SOA || type == DNS_CNAME || type == DNS_DNAME))
		return wf_err(err, -EINVAL, "%s has more than one %s record", dns_name_text(owner->wire, text), dns_type_text(type));
	r = dns_arena_take(&b->records, sizeof *r + rdlen);
	r->next = (struct record *)s->raw;
	r->ttl = ttl;
	r->rdlen = rdlen;
	memcpy(r->rdata, rdata, rdlen);
	/* One TTL a set; of several the lowest (RFC 2181 section 5.2). */
	if (!s->n || ttl < s->ttl)
		s->ttl = ttl;
	s->raw = (void *)r;
	s->n++;
	s->size += DNS_RAW_HEAD + rdlen;
	z->n_records++;
	rc = check_size(b, err);
	if (rc)
		return rc;
	return 0;
}

int
dns_zone_builder_add_chosen(struct dns_zone_builder *b, const struct dns_name *owner, unsigned type,
			    uint32_t ttl, uint32_t choice, struct wf_err *err)
{
	char text[DNS_NAME_TEXT_MAX];
	struct dns_rrset *s;
	struct dns_node *n;

	if (!dns_name_is_in(owner->wire, b->zone->apex->name))
		return wf_err(err, -EINVAL, "chosen name %s is not in zone %s", dns_name_text(owner->wire, text), b->zone->text);
	n = dns_zone_add_node(b->zone, owner);
	if (dns_node_set(n, type))
		return wf_err(err, -EINVAL, "%s: its %s records are chosen by a policy and given in the zone file too; take them out of one",
			      dns_name_text(owner->wire, text), dns_type_text(type));
	s = add_set(b->zone, n, type);
	s->chosen = choice;
	s->ttl = ttl;
	b->zone->has_chosen = true;
	return 0;
}

static void
flatten(struct dns_zone *z, struct dns_rrset *s)
{
	uint8_t *raw = dns_arena_take(&z->arena, s->size), *p = raw + s->size;

	/* The list is newest first; the file's order is kept. */
	for (struct record *r = (struct record *)s->raw; r; r = r->next) {
		p -= DNS_RAW_HEAD + r->rdlen;
		dns_put16(p, 0xc000 | DNS_HEADER_SIZE);
		dns_put16(p + 2, s->type);
		dns_put16(p + 4, DNS_CLASS_IN);
		/* Each has the TTL of the set that it covers (RFC 4034 section 3). */
		dns_put32(p + 6, s->type == DNS_RRSIG ? r->ttl : s->ttl);
		dns_put16(p + 10, r->rdlen);
		memcpy(p + DNS_RAW_HEAD, r->rdata, r->rdlen);
	}
	assert(p == raw);
	s->raw = raw;
}

#define for_each_node(N, Z) for (size_t i_ = 0; i_ < (Z)->n_nodes && (N = (Z)->order[i_]); i_++)

/* The node's records that are no proof about others. */
static unsigned
n_own_sets(const struct dns_node *n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n->n_sets; i++)
		k += n->sets[i].type != DNS_RRSIG && n->sets[i].type != DNS_NSEC;
	return k;
}

static int
check_node(struct dns_zone *z, struct dns_node *n, struct wf_err *err)
{
	bool wild = n->name[0] == 1 && n->name[1] == '*', cname = dns_node_set(n, DNS_CNAME);
	char text[DNS_NAME_TEXT_MAX];

	dns_name_text(n->name, text);
	if (dns_node_set(n, DNS_NSEC3)) {
		if (n_own_sets(n) > 1 || n->parent != z->apex || n->name[0] != 32)
			return wf_err(err, -EINVAL, "%s has an NSEC3 record, but is no hash of a name or has other records too (RFC 5155 section 3)", text);
		n->flags |= DNS_NODE_HASHED;
	}
	if (cname && n_own_sets(n) > 1)
		return wf_err(err, -EINVAL, "%s has a CNAME and other records; a CNAME stands alone (RFC 1034 section 3.6.2)", text);
	if (dns_node_set(n, DNS_DNAME))
		n->flags |= DNS_NODE_DNAME;
	if (n != z->apex && dns_node_set(n, DNS_NS)) {
		n->flags |= DNS_NODE_CUT;
		if (wild)
			return wf_err(err, -EINVAL, "%s has NS records; a wildcard can't be delegated (RFC 4592 section 4.2)", text);
		if (n->flags & DNS_NODE_DNAME)
			return wf_err(err, -EINVAL, "%s has NS and DNAME records (RFC 6672 section 2.3)", text);
	}
	if (wild && (n->flags & DNS_NODE_DNAME))
		return wf_err(err, -EINVAL, "%s has a DNAME; it can't stand at a wildcard (RFC 4592 section 4.4)", text);
	return 0;
}

/* What hangs below a cut is at most glue; below a DNAME nothing may hang. */
static int
check_above(struct dns_zone *z, struct dns_node *n, struct wf_err *err)
{
	for (const struct dns_node *a = n->parent; a; a = a->parent) {
		if (a->flags & DNS_NODE_CUT)
			n->flags |= DNS_NODE_OCCLUDED;
		for (unsigned i = 0; i < n->n_sets && (n->flags & DNS_NODE_OCCLUDED); i++)
			if (n->sets[i].chosen) {
				char name[DNS_NAME_TEXT_MAX], above[DNS_NAME_TEXT_MAX];

				return wf_err(err, -EINVAL,
					      "%.200s is chosen by a policy, but %.200s above it "
					      "is delegated to other servers",
					      dns_name_text(n->name, name),
					      dns_name_text(a->name, above));
			}
		if ((a->flags & DNS_NODE_DNAME) && !(n->flags & DNS_NODE_HASHED)) {
			char name[DNS_NAME_TEXT_MAX], above[DNS_NAME_TEXT_MAX];

			return wf_err(err, -EINVAL, "%.200s stands below the DNAME of %.200s (RFC 6672 section 2.4)",
				      dns_name_text(n->name, name), dns_name_text(a->name, above));
		}
	}
	return 0;
}

#define ADDITIONAL_UNTIL 4096

/* --- images -------------------------------------------------------------------------------------
 */

static void
put_raw(struct dns_image_scratch *s, const struct dns_rrset *set, size_t owner, unsigned section)
{
	const uint8_t *at = set->raw;

	for (unsigned i = 0; i < set->n; i++) {
		uint32_t ttl;
		size_t rdlen;
		const uint8_t *rdata = dns_raw_next(&at, &ttl, &rdlen);

		if (owner == DNS_HEADER_SIZE)
			dns_build_bytes(&s->b, "\xc0\x0c", 2);
		else
			dns_build_pointer(&s->b, owner);
		dns_build_record(&s->b, set->type, ttl, rdata, rdlen);
		s->n[section]++;
	}
}

/* The name server, exchange or target in the data of a record; NULL if there is none. */
static const uint8_t *
target_of(unsigned type, const uint8_t *rdata)
{
	switch (type) {
	case DNS_NS:
		return rdata;
	case DNS_MX:
		return rdata + 2;
	case DNS_SRV:
		return rdata + 6;
	default:
		return NULL;
	}
}

static void
put_addresses_of(struct dns_image_scratch *s, const struct dns_node *n)
{
	for (unsigned type = DNS_A;; type = DNS_AAAA) {
		const struct dns_rrset *set = dns_node_set(n, type);
		const uint8_t *at = set ? set->raw : NULL;

		for (unsigned i = 0; set && i < set->n; i++) {
			uint32_t ttl;
			size_t rdlen;
			const uint8_t *rdata = dns_raw_next(&at, &ttl, &rdlen);

			dns_build_name(&s->b, n->name, true);
			dns_build_record(&s->b, type, ttl, rdata, rdlen);
			s->n[2]++;
		}
		if (type == DNS_AAAA)
			return;
	}
}

static size_t
size_of_addresses(const struct dns_node *n)
{
	const struct dns_rrset *a = dns_node_set(n, DNS_A), *aaaa = dns_node_set(n, DNS_AAAA);

	return (a ? a->size : 0) + (aaaa ? aaaa->size : 0);
}

/* Addresses of the targets that are names of this zone, each once.  At a cut in two rounds: first
 * those at or below the cut, which nobody else can tell (RFC 9471 section 3.1).  The others only while
 * the message is small: one host of many addresses would else be copied for each set that names it. */
static void
put_additional(struct dns_image_scratch *s, const struct dns_zone *z, const struct dns_rrset *set,
	       const struct dns_node *cut)
{
	const struct dns_node *done[64];
	unsigned n_done = 0;

	for (int round = cut ? 0 : 1; round < 2; round++) {
		const uint8_t *at = set->raw;

		for (unsigned i = 0; i < set->n && n_done < 64; i++) {
			uint32_t ttl;
			size_t rdlen;
			const uint8_t *target =
				target_of(set->type, dns_raw_next(&at, &ttl, &rdlen));
			const struct dns_node *n;
			struct dns_name name;
			bool seen = false;

			if (!target || !dns_name_read_lower(&name, target, DNS_NAME_MAX) ||
			    !dns_name_is_in(name.wire, z->apex->name))
				continue;
			if (!round && !dns_name_is_in(name.wire, cut->name))
				continue;
			n = dns_zone_find_name(z, &name);
			for (unsigned k = 0; k < n_done; k++)
				seen |= done[k] == n;
			if (!n || seen)
				continue;
			if (round && s->b.size + size_of_addresses(n) > ADDITIONAL_UNTIL)
				continue;
			done[n_done++] = n;
			put_addresses_of(s, n);
			/* Too many addresses for one message: the rest is left out. */
			if (s->b.full)
				return;
		}
		if (!round)
			dns_image_needed_until_here(s);
	}
}

static int
too_large(const struct dns_node *n, unsigned type, struct wf_err *err)
{
	char text[DNS_NAME_TEXT_MAX];

	return wf_err(err, -EINVAL, "the %s records of %s do not fit into one message", dns_type_text(type), dns_name_text(n->name, text));
}

static int
compile_set(struct dns_zone *z, struct dns_node *n, struct dns_rrset *set,
	    struct dns_image_scratch *s, struct wf_err *err)
{
	bool wild = n->name[0] == 1 && n->name[1] == '*';

	if (set->chosen)
		return 0;
	if (!dns_rdata_names(set->type).n_names && set->type != DNS_SRV)
		return 0;
	/* A wildcard is copied for names below its parent; "*" itself is asked for like any of them. */
	dns_image_begin(s, wild ? n->parent->name : n->name);
	put_raw(s, set, DNS_HEADER_SIZE, 0);
	s->n[0] = set->n;
	dns_image_needed_until_here(s);
	if (s->b.full)
		return too_large(n, set->type, err);
	put_additional(s, z, set, NULL);
	set->image = dns_image_end(s, &z->arena);
	if (set->image)
		return 0;
	dns_image_begin(s, wild ? n->parent->name : n->name);
	put_raw(s, set, DNS_HEADER_SIZE, 0);
	dns_image_needed_until_here(s);
	set->image = dns_image_end(s, &z->arena);
	return set->image ? 0 : too_large(n, set->type, err);
}

static int
compile_referral(struct dns_zone *z, struct dns_node *n, struct dns_image_scratch *s,
		 struct wf_err *err)
{
	const struct dns_rrset *ns = dns_node_set(n, DNS_NS);
	const uint8_t *at = ns->raw;

	dns_image_begin(s, n->name);
	for (unsigned i = 0; i < ns->n; i++) {
		uint32_t ttl;
		size_t rdlen;
		const uint8_t *rdata = dns_raw_next(&at, &ttl, &rdlen);

		/* The cut's name is the end of the question, not always all of it. */
		dns_build_pointer(&s->b, DNS_HEADER_SIZE);
		dns_build_record(&s->b, DNS_NS, ttl, rdata, rdlen);
		s->n[1]++;
	}
	dns_image_needed_until_here(s);
	put_additional(s, z, ns, n);
	n->referral = dns_image_end(s, &z->arena);
	return n->referral ? 0 : too_large(n, DNS_NS, err);
}

static int
compile_negative(struct dns_zone *z, struct dns_image_scratch *s, struct wf_err *err)
{
	const struct dns_rrset *soa = dns_node_set(z->apex, DNS_SOA);
	uint32_t ttl, minimum;
	size_t rdlen;
	const uint8_t *at, *rdata;

	if (!soa)
		return wf_err(err, -EINVAL, "zone %s has no SOA record", z->text);
	at = soa->raw;
	rdata = dns_raw_next(&at, &ttl, &rdlen);
	minimum = dns_get32(rdata + rdlen - 4);
	z->serial = dns_get32(rdata + rdlen - 20);
	dns_image_begin(s, z->apex->name);
	dns_build_pointer(&s->b, DNS_HEADER_SIZE);
	dns_build_record(&s->b, DNS_SOA, ttl < minimum ? ttl : minimum, rdata, rdlen);
	s->n[1] = 1;
	dns_image_needed_until_here(s);
	z->negative = dns_image_end(s, &z->arena);
	return 0;
}

/* Name servers at or below a cut without an address make the zone below unreachable. */
static void
warn_of_missing_glue(struct dns_zone_builder *b, const struct dns_node *cut)
{
	const struct dns_rrset *ns = dns_node_set(cut, DNS_NS);
	const uint8_t *at = ns->raw;

	for (unsigned i = 0; i < ns->n; i++) {
		uint32_t ttl;
		size_t rdlen;
		const uint8_t *rdata = dns_raw_next(&at, &ttl, &rdlen);
		const struct dns_node *n;
		struct dns_name name;
		char c[DNS_NAME_TEXT_MAX], t[DNS_NAME_TEXT_MAX];

		if (!dns_name_read_lower(&name, rdata, rdlen) ||
		    !dns_name_is_in(name.wire, cut->name))
			continue;
		n = dns_zone_find_name(b->zone, &name);
		if (!n || (!dns_node_set(n, DNS_A) && !dns_node_set(n, DNS_AAAA)))
			wf_str_fmt(b->warnings,
				   "zone %s: %s is delegated to %s, for which there is no address "
				   "(glue)\n",
				   b->zone->text, dns_name_text(cut->name, c),
				   dns_name_text(name.wire, t));
	}
}

int
dns_zone_builder_sign(struct dns_zone_builder *b, struct dns_keyset *keys, enum dns_denial denial,
		      uint32_t now_s, struct wf_err *err)
{
	int rc = 0;

	b->keys = dns_keyset_ref(keys);
	b->denial = denial;
	for (unsigned i = 0; i < keys->n && rc >= 0; i++) {
		const struct dns_sign_key *k = keys->keys[i];
		uint8_t ds[DNS_DS_SIZE];

		if (dns_sign_key_is_published(k, now_s))
			rc = dns_zone_builder_add(b, &keys->apex, DNS_DNSKEY, keys->ttl, k->dnskey, k->dnskey_size, err);
		if (rc < 0 || !dns_sign_key_is_synced(k, now_s))
			continue;
		/* RFC 7344 section 3: what the parent's DS should be. */
		dns_sign_key_ds(k, ds);
		rc = dns_zone_builder_add(b, &keys->apex, DNS_CDS, keys->ttl, ds, sizeof ds, err);
		if (rc >= 0)
			rc = dns_zone_builder_add(b, &keys->apex, DNS_CDNSKEY, keys->ttl, k->dnskey, k->dnskey_size, err);
	}
	return rc < 0 ? rc : 0;
}

int
dns_zone_builder_finish(struct dns_zone_builder *b, struct dns_zone **ret, struct wf_err *err)
{
	struct dns_zone *z = b->zone;
	struct dns_image_scratch *s;
	struct dns_node *n;
	int rc = 0;

	for_each_node(n, z) {
		for (unsigned i = 0; i < n->n_sets; i++)
			flatten(z, &n->sets[i]);
		rc = check_node(z, n, err);
		if (rc)
			break;
	}
	/* What is left points into the zone's own memory. */
	if (rc)
		return rc;
	for_each_node(n, z) {
		rc = check_above(z, n, err);
		if (rc)
			return rc;
	}
	s = wf_xmalloc(sizeof *s);
	rc = compile_negative(z, s, err);
	/* Before the images: names of the chain become sets. */
	if (!rc)
		rc = b->keys ? dns_zone_sign_here(z, b->keys, b->denial, err)
			     : dns_zone_signed_before(z, b->warnings, err);
	for_each_node(n, z) {
		for (unsigned i = 0; i < n->n_sets && !rc; i++)
			if (!(n->flags & (DNS_NODE_OCCLUDED | DNS_NODE_CUT)))
				rc = compile_set(z, n, &n->sets[i], s, err);
		if (!rc && (n->flags & DNS_NODE_CUT) && !(n->flags & DNS_NODE_OCCLUDED))
			rc = compile_referral(z, n, s, err);
		if (!rc)
			rc = check_size(b, err);
		if (rc)
			break;
		if (b->warnings && (n->flags & DNS_NODE_CUT) && !(n->flags & DNS_NODE_OCCLUDED))
			warn_of_missing_glue(b, n);
	}
	free(s);
	if (rc)
		return rc;
	if (b->warnings && !dns_node_set(z->apex, DNS_NS))
		wf_str_fmt(b->warnings, "zone %s has no NS records at its apex\n", z->text);
	if (b->warnings && b->n_out_of_zone > 1)
		wf_str_fmt(b->warnings, "zone %s: %zu records are not in the zone and left out\n", z->text, b->n_out_of_zone);
	dns_arena_done(&b->records);
	dns_keyset_unref(b->keys);
	b->keys = NULL;
	*ret = z;
	b->zone = NULL;
	return 0;
}
