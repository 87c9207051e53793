// SPDX-License-Identifier: Apache-2.0
#include "dns/zone/delta.h"

#include <errno.h>
#include <stdlib.h>

#include "dns/zone/build_zone.h"
#include "dns/zone/dnssec.h"
#include "dns/zone/load.h"

void
dns_rec_put(struct wf_buf *b, const struct dns_rec *r)
{
	uint8_t *p = wf_buf_put_uninit(b, r->owner_size + 8 + r->rdlen);

	memcpy(p, r->owner, r->owner_size);
	p += r->owner_size;
	dns_put16(p, r->type);
	dns_put32(p + 2, r->ttl);
	dns_put16(p + 6, r->rdlen);
	if (r->rdlen)
		memcpy(p + 8, r->rdata, r->rdlen);
}

const uint8_t *
dns_rec_get(const uint8_t *p, struct dns_rec *r)
{
	r->owner = p;
	r->owner_size = dns_name_size(p);
	p += r->owner_size;
	r->type = dns_get16(p);
	r->ttl = dns_get32(p + 2);
	r->rdlen = dns_get16(p + 6);
	r->rdata = p + 8;
	return r->rdata + r->rdlen;
}

struct dns_delta *
dns_delta_new(uint32_t from, uint32_t to, const uint8_t *records, size_t size, size_t n_removed,
	      size_t n_added)
{
	struct dns_delta *d = wf_xmalloc(sizeof *d + size);
	const uint8_t *p = d->bytes;
	struct dns_rec r;

	*d = (struct dns_delta){ .n_refs = 1,
				 .from = from,
				 .to = to,
				 .n_removed = n_removed,
				 .n_added = n_added,
				 .size = size };
	memcpy(d->bytes, records, size);
	for (size_t i = 0; i < n_removed; i++)
		p = dns_rec_get(p, &r);
	d->added_at = p - d->bytes;
	return d;
}

struct dns_delta *
dns_delta_ref(struct dns_delta *d)
{
	d->n_refs++;
	return d;
}

void
dns_delta_unref(struct dns_delta *d)
{
	if (d && !--d->n_refs)
		free(d);
}

/* --- the difference of two versions ----------------------------------------------------------------
 */

struct diff {
	struct wf_buf removed, added;
	size_t n_removed, n_added;
};

static void
put(struct diff *d, bool add, const struct dns_node *n, unsigned type, uint32_t ttl,
    const uint8_t *rdata, size_t rdlen)
{
	dns_rec_put(add ? &d->added : &d->removed,
		    &(struct dns_rec){ n->name, n->name_size, type, ttl, rdata, rdlen });
	*(add ? &d->n_added : &d->n_removed) += 1;
}

static bool
has_record(const struct dns_rrset *s, const uint8_t *rdata, size_t rdlen)
{
	const uint8_t *at = s->raw;

	for (unsigned i = 0; i < s->n; i++) {
		uint32_t ttl;
		size_t n;
		const uint8_t *p = dns_raw_next(&at, &ttl, &n);

		if (n == rdlen && !memcmp(p, rdata, n))
			return true;
	}
	return false;
}

/* Records of 's' that the other version of the set does not have.  A record is what it is with its
 * TTL. */
static void
put_missing(struct diff *d, bool add, const struct dns_node *n, const struct dns_rrset *s,
	    const struct dns_rrset *other)
{
	const uint8_t *at = s->raw;

	if (s->chosen || s->type == DNS_SOA ||
	    (other && other->size == s->size && other->ttl == s->ttl &&
	     !memcmp(other->raw, s->raw, s->size)))
		return;
	for (unsigned i = 0; i < s->n; i++) {
		uint32_t ttl;
		size_t rdlen;
		const uint8_t *rdata = dns_raw_next(&at, &ttl, &rdlen);

		if (!other || other->ttl != s->ttl || !has_record(other, rdata, rdlen))
			put(d, add, n, s->type, ttl, rdata, rdlen);
	}
}

static void
put_one_side(struct diff *d, bool add, const struct dns_zone *z, const struct dns_zone *other)
{
	const struct dns_rrset *soa = dns_node_set(z->apex, DNS_SOA);
	const uint8_t *at = soa->raw, *rdata;
	uint32_t ttl;
	size_t rdlen;

	rdata = dns_raw_next(&at, &ttl, &rdlen);
	put(d, add, z->apex, DNS_SOA, ttl, rdata, rdlen);
	for (size_t i = 0; i <= z->mask; i++) {
		const struct dns_node *n = dns_zone_node_at(z, i);
		const struct dns_node *m =
			n && n->n_sets ? dns_zone_find(other, n->hash, n->name, n->name_size) : NULL;

		for (unsigned k = 0; n && k < n->n_sets; k++)
			put_missing(d, add, n, &n->sets[k],
				    m ? dns_node_set(m, n->sets[k].type) : NULL);
	}
}

static struct dns_delta *
make_delta(const struct dns_zone *old, const struct dns_zone *new)
{
	struct diff d = { WF_BUF_INIT, WF_BUF_INIT, 0, 0 };
	struct dns_delta *ret;

	put_one_side(&d, false, old, new);
	put_one_side(&d, true, new, old);
	wf_buf_put(&d.removed, d.added.data, d.added.size);
	ret = dns_delta_new(old->serial, new->serial, d.removed.data, d.removed.size, d.n_removed,
			    d.n_added);
	wf_buf_done(&d.removed);
	wf_buf_done(&d.added);
	return ret;
}

/* Such signatures change without a new serial. */
static bool
is_signed_here(const struct dns_zone *z)
{
	return z->dnssec && z->dnssec->keys;
}

void
dns_zone_keep_deltas(struct dns_zone *z, const struct dns_zone *old, size_t max_size)
{
	size_t size = 0, first;
	struct dns_delta *last;

	if (!old || old->no_data || is_signed_here(old) || is_signed_here(z) ||
	    old->has_chosen || z->has_chosen || !max_size ||
	    (int32_t)(z->serial - old->serial) <= 0)
		return;
	last = make_delta(old, z);
	if (max_size > z->arena.total)
		max_size = z->arena.total;
	if (last->size > max_size) {
		dns_delta_unref(last);
		return;
	}
	size = last->size;
	for (first = old->n_deltas; first > 0; first--) {
		size += old->deltas[first - 1]->size;
		if (size > max_size)
			break;
	}
	z->deltas = wf_xmalloc((old->n_deltas - first + 1) * sizeof(z->deltas[0]));
	for (size_t i = first; i < old->n_deltas; i++)
		z->deltas[z->n_deltas++] = dns_delta_ref(old->deltas[i]);
	z->deltas[z->n_deltas++] = last;
}

size_t
dns_zone_delta_from(const struct dns_zone *z, uint32_t serial)
{
	size_t i = 0;

	while (i < z->n_deltas && z->deltas[i]->from != serial)
		i++;
	return i;
}

/* --- changes applied --------------------------------------------------------------------------------
 */

enum state { UNKNOWN, PRESENT, ABSENT };

/* What the changes make of one record. */
struct entry {
	struct dns_rec rec; /* rec.owner NULL: free */
	uint64_t hash;
	enum state before, after;
};

struct overlay {
	struct entry *slots;
	size_t mask;
};

static uint64_t
rec_hash(const struct dns_rec *r)
{
	uint64_t h = wf_hash_mix64(wf_hash_seed, r->type), w = 0;
	unsigned n = 0;

	for (size_t i = 0; i < r->owner_size + r->rdlen; i++) {
		uint8_t c = i < r->owner_size ? r->owner[i] : r->rdata[i - r->owner_size];

		/* Letters of names in the data do not count: neither do they in the comparison. */
		dns_name_lower(&c, &c, 1);
		w = w << 8 | c;
		if (++n % 8 == 0)
			h = wf_hash_mix64(h, w);
	}
	return wf_hash_mix64(h, w);
}

static bool
rec_equal(const struct dns_rec *a, const struct dns_rec *b)
{
	return a->type == b->type && a->owner_size == b->owner_size &&
	       !memcmp(a->owner, b->owner, a->owner_size) &&
	       dns_rdata_equal(a->type, a->rdata, a->rdlen, b->rdata, b->rdlen);
}

static struct entry *
overlay_at(const struct overlay *o, const struct dns_rec *r)
{
	uint64_t hash = rec_hash(r);

	for (size_t i = hash & o->mask;; i = (i + 1) & o->mask) {
		struct entry *e = &o->slots[i];

		if (!e->rec.owner || (e->hash == hash && rec_equal(&e->rec, r))) {
			e->hash = hash;
			return e;
		}
	}
}

static int
read_changes(struct overlay *o, const uint8_t *p, size_t n, struct wf_err *err)
{
	char text[DNS_NAME_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		bool add = *p++;
		struct dns_rec r;
		struct entry *e;

		p = dns_rec_get(p, &r);
		if (r.type == DNS_SOA)
			continue;
		e = overlay_at(o, &r);
		if (!e->rec.owner)
			e->before = add ? ABSENT : PRESENT;
		else if ((e->after == PRESENT) == add)
			return wf_err(err, -EINVAL, "the differences %s a %s record of %s twice",
				      add ? "add" : "remove", dns_type_text(r.type),
				      dns_name_text(r.owner, text));
		e->rec = r;
		e->after = add ? PRESENT : ABSENT;
	}
	return 0;
}

static int
add_record(struct dns_zone_builder *b, const struct dns_rec *r, struct wf_err *err)
{
	struct dns_name owner;

	dns_name_read_lower(&owner, r->owner, r->owner_size);
	return dns_zone_builder_add(b, &owner, r->type, r->ttl, r->rdata, r->rdlen, err);
}

static int
add_old_set(struct dns_zone_builder *b, const struct dns_node *n, const struct dns_rrset *s,
	    const struct overlay *o, struct wf_err *err)
{
	char text[DNS_NAME_TEXT_MAX];
	const uint8_t *at = s->raw;
	int rc = 0;

	for (unsigned i = 0; i < s->n && rc >= 0; i++) {
		struct dns_rec r = { .owner = n->name, .owner_size = n->name_size, .type = s->type };
		struct entry *e;

		r.rdata = dns_raw_next(&at, &r.ttl, &r.rdlen);
		e = overlay_at(o, &r);
		if (e->rec.owner && e->before == ABSENT)
			return wf_err(err, -EINVAL,
				      "the differences add a %s record of %s that is there",
				      dns_type_text(s->type), dns_name_text(n->name, text));
		if (!e->rec.owner)
			rc = add_record(b, &r, err);
		else if (e->after == PRESENT)
			rc = add_record(b, &e->rec, err);
		if (e->rec.owner)
			e->before = UNKNOWN; /* done with */
	}
	return rc < 0 ? rc : 0;
}

static int
add_all(struct dns_zone_builder *b, const struct dns_zone *old, const struct overlay *o,
	const struct dns_rec *soa, struct wf_err *err)
{
	char text[DNS_NAME_TEXT_MAX];
	int rc = add_record(b, soa, err);

	for (size_t i = 0; i <= old->mask && rc >= 0; i++) {
		const struct dns_node *n = dns_zone_node_at(old, i);

		for (unsigned k = 0; n && k < n->n_sets && rc >= 0; k++)
			if (n->sets[k].type != DNS_SOA && !n->sets[k].chosen)
				rc = add_old_set(b, n, &n->sets[k], o, err);
	}
	for (size_t i = 0; i <= o->mask && rc >= 0; i++) {
		const struct entry *e = &o->slots[i];

		if (!e->rec.owner || e->before == UNKNOWN)
			continue;
		if (e->before == PRESENT)
			return wf_err(err, -EINVAL,
				      "the differences remove a %s record of %s that is not there",
				      dns_type_text(e->rec.type),
				      dns_name_text(e->rec.owner, text));
		if (e->after == PRESENT)
			rc = add_record(b, &e->rec, err);
	}
	return rc < 0 ? rc : 0;
}

int
dns_zone_apply(const struct dns_zone *old, const uint8_t *changes, size_t n,
	       const struct dns_rec *soa, uint64_t max_size, struct dns_zone **ret, struct wf_err *err)
{
	struct dns_zone_builder b;
	struct dns_name apex;
	struct overlay o = { .mask = 15 };
	int rc;

	while (o.mask < 2 * n)
		o.mask = 2 * o.mask + 1;
	o.slots = wf_xzalloc((o.mask + 1) * sizeof *o.slots);
	dns_name_read_lower(&apex, old->apex->name, old->apex->name_size);
	dns_zone_builder_init(&b, &apex, NULL);
	b.max_size = max_size;
	rc = read_changes(&o, changes, n, err);
	if (!rc)
		rc = add_all(&b, old, &o, soa, err);
	if (!rc)
		rc = dns_zone_builder_finish(&b, ret, err);
	dns_zone_builder_done(&b);
	free(o.slots);
	return rc;
}
