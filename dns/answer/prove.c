// SPDX-License-Identifier: Apache-2.0
/* Signatures and denials of existence: RFC 4035 section 3.1, RFC 5155 section 7.2, RFC 9824. */
#include <stdlib.h>

#include "dns/answer/internal.h"
#include "dns/zone/dnssec.h"

/* How much of the budget of signatures may be saved up, in seconds. */
#define BURST_S 1

static uint32_t *
budget(struct answer *a)
{
	struct dns_context *c = a->ctx;
	uint32_t max = a->view->sign_per_s * BURST_S;
	uint64_t passed = c->mono_ms > c->sign_filled_ms ? c->mono_ms - c->sign_filled_ms : 0;
	uint64_t more = passed * a->view->sign_per_s / 1000;

	/* The time is taken when it gives at least one. */
	if (more || !c->sign_filled_ms) {
		c->sign_budget = !c->sign_filled_ms || c->sign_budget + more > max ? max : c->sign_budget + more;
		c->sign_filled_ms = c->mono_ms ? c->mono_ms : 1;
	}
	return &c->sign_budget;
}

/* Signs while the query waits.  0: the budget is used up. */
static unsigned
sign_now(struct answer *a, enum dns_sign_kind kind, const struct dns_zone *z, const uint8_t *owner,
	 const struct dns_rrset *s, uint8_t *to, size_t *size)
{
	struct dns_sign_set set = {
		.owner = owner, .type = s->type, .n = s->n, .ttl = s->ttl, .size = s->size, .raw = s->raw
	};
	uint32_t enough = UINT32_MAX, *may = kind == DNS_SIGN_MADE_UP ? budget(a) : &enough, had = *may;
	unsigned n;

	if (!a->view->sign_cache)
		return 0;
	n = dns_sign_cached(a->view->sign_cache, kind, z->dnssec->keys, &set, a->ctx->wall_s, may, to, size);
	a->ctx->counters.signatures += had - *may;
	return n;
}

static void
add_proof(struct chain *c, const struct dns_zone *z, const struct dns_node *n)
{
	for (unsigned i = 0; i < c->n_proofs; i++)
		if (c->proofs[i].node == n)
			return;
	if (!n || c->n_proofs == CHAIN_PROOFS)
		return;
	c->proofs[c->n_proofs].zone = z;
	c->proofs[c->n_proofs++].node = n;
}

/* --- signatures ---------------------------------------------------------------------------------- */

/* Those of the file. */
static unsigned
copy_sigs(const struct dns_node *n, unsigned type, uint8_t *to, size_t *size)
{
	const uint8_t *at = NULL, *rdata;
	unsigned i, count = 0;
	size_t rdlen;

	*size = 0;
	while ((rdata = dns_rrsig_next(n, type, &at, &i, &rdlen)) &&
	       *size + DNS_RAW_HEAD + rdlen <= DNS_RRSIGS_MAX) {
		memcpy(to + *size, rdata - DNS_RAW_HEAD, DNS_RAW_HEAD + rdlen);
		*size += DNS_RAW_HEAD + rdlen;
		count++;
	}
	return count;
}

static bool
is_of_node(const struct dns_node *n, const struct dns_rrset *s)
{
	return s >= n->sets && s < n->sets + n->n_sets;
}

/* The signatures of a set as records with the owner c00c, in 'to' (DNS_RRSIGS_MAX bytes).  'name' is
 * the name that the set is given for; '*needs_proof': it must be shown that only the wildcard matches.
 */
static unsigned
get_sigs(struct answer *a, const struct dns_find *f, const struct dns_rrset *s, const uint8_t *name,
	 uint8_t *to, size_t *size, bool *needs_proof)
{
	const struct dns_zone_dnssec *d = f->zone->dnssec;
	const struct dns_sigs *sigs;

	*needs_proof = f->is_wild;
	*size = 0;
	if (!d->keys)
		return copy_sigs(f->node, s->type, to, size);
	/* As if the name existed: then nothing is said about others. */
	if (f->is_wild && d->denial == DNS_DENIAL_COMPACT) {
		unsigned n = sign_now(a, DNS_SIGN_MADE_UP, f->zone, name, s, to, size);

		if (n) {
			*needs_proof = false;
			return n;
		}
		a->ctx->counters.denials_by_chain++;
	}
	if (!is_of_node(f->node, s))
		return sign_now(a, DNS_SIGN_BOUNDED, f->zone, f->node->name, s, to, size);
	sigs = dns_zone_sigs(f->zone, f->node, s - f->node->sets, a->ctx->wall_s);
	if (!sigs)
		return 0;
	memcpy(to, sigs->raw, sigs->size);
	*size = sigs->size;
	return sigs->n;
}

static void
put_owner(struct chain *c, const uint8_t *owner)
{
	if (owner)
		dns_build_name(&c->b, owner, true);
	else
		dns_build_pointer(&c->b, c->owner_at);
}

static void
put_sigs(struct chain *c, const uint8_t *raw, unsigned n, const uint8_t *owner, unsigned section,
	 uint32_t ttl)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t own_ttl;
		size_t rdlen;
		const uint8_t *rdata = dns_raw_next(&raw, &own_ttl, &rdlen);

		put_owner(c, owner);
		dns_build_record(&c->b, DNS_RRSIG, ttl, rdata, rdlen);
		c->a->n[section]++;
	}
}

/* That nothing closer than the wildcard matches (RFC 4035 section 5.3.4, RFC 5155 section 7.2.6). */
static void
prove_no_closer(struct chain *c, const struct dns_find *f)
{
	const struct dns_zone_dnssec *d = f->zone->dnssec;
	uint8_t hash[DNS_NSEC3_HASH];

	if (d->denial == DNS_DENIAL_NSEC3) {
		unsigned at = c->now->at[f->first - 1];

		dns_nsec3_hash(d, c->now->wire + at, c->now->size - at, hash);
		add_proof(c, f->zone, dns_nsec3_cover(f->zone, hash));
	} else {
		add_proof(c, f->zone, dns_nsec_at_or_before(f->zone, c->now));
	}
}

void
prove_set(struct chain *c, const struct dns_find *f, const struct dns_rrset *s, const uint8_t *owner,
	  unsigned section, uint32_t ttl)
{
	uint8_t raw[DNS_RRSIGS_MAX];
	bool needs_proof;
	size_t size;
	unsigned n;

	if (!c->a->q->do_bit || !f->zone->dnssec || c->b.full)
		return;
	n = get_sigs(c->a, f, s, c->now->wire, raw, &size, &needs_proof);
	put_sigs(c, raw, n, owner, section, ttl);
	if (needs_proof)
		prove_no_closer(c, f);
}

bool
prove_fast(struct answer *a, const struct dns_find *f, const struct dns_rrset *s)
{
	uint8_t raw[DNS_RRSIGS_MAX];
	bool needs_proof;
	size_t size;
	unsigned n;

	if (f->is_wild || s->image || s->type == DNS_NSEC || dns_rdata_names(s->type).n_names)
		return false;
	n = get_sigs(a, f, s, a->q->qname.wire, raw, &size, &needs_proof);
	if (a->size + s->size + size > a->limit) {
		answer_truncate(a);
		return true;
	}
	memcpy(a->out + a->size, s->raw, s->size);
	a->size += s->size;
	memcpy(a->out + a->size, raw, size);
	a->size += size;
	a->n[0] = s->n + n;
	return true;
}

/* --- denials ------------------------------------------------------------------------------------- */

/* An NSEC that says of this name alone which types it has (RFC 9824 section 3), in 'raw'.  False: there
 * is no name behind it. */
struct made {
	struct dns_rrset set;
	uint8_t raw[DNS_RAW_HEAD + DNS_NAME_MAX + DNS_BITMAP_MAX];
};

static bool
make_nsec(struct made *m, const struct dns_zone *z, const uint8_t *name, size_t size, uint16_t *types,
	  unsigned n)
{
	uint8_t *p = m->raw;
	size_t rdlen;

	/* The next name is that with one label more, a zero byte. */
	if (size + 2 > DNS_NAME_MAX)
		return false;
	p[12] = 1;
	p[13] = 0;
	memcpy(p + 14, name, size);
	rdlen = 2 + size + dns_bitmap_put(p + 14 + size, types, n);
	dns_put16(p, 0xc000 | DNS_HEADER_SIZE);
	dns_put16(p + 2, DNS_NSEC);
	dns_put16(p + 4, DNS_CLASS_IN);
	dns_put32(p + 6, z->dnssec->negative_ttl);
	dns_put16(p + 10, rdlen);
	m->set = (struct dns_rrset){
		.type = DNS_NSEC, .n = 1, .ttl = z->dnssec->negative_ttl, .size = DNS_RAW_HEAD + rdlen, .raw = m->raw
	};
	return true;
}

/* Makes and signs an NSEC for 'name' and writes it.  False: it can't be. */
static bool
put_made(struct chain *c, enum dns_sign_kind kind, const struct dns_zone *z, const uint8_t *name,
	 size_t name_size, uint16_t *types, unsigned n_types, const uint8_t *owner, unsigned section)
{
	uint8_t raw[DNS_RRSIGS_MAX];
	struct made m;
	size_t size;
	unsigned n = 0;

	if (!make_nsec(&m, z, name, name_size, types, n_types))
		return false;
	if (c->a->q->do_bit && !(n = sign_now(c->a, kind, z, name, &m.set, raw, &size)))
		return false;
	put_owner(c, owner);
	dns_build_record(&c->b, DNS_NSEC, m.set.ttl, m.raw + DNS_RAW_HEAD, m.set.size - DNS_RAW_HEAD);
	c->a->n[section]++;
	put_sigs(c, raw, n, owner, section, m.set.ttl);
	return true;
}

#define TYPES_MAX 256

/* The types of a node without the one that is denied. */
static unsigned
types_of(const struct dns_node *n, unsigned but, uint16_t types[TYPES_MAX])
{
	unsigned k = 0;

	types[k++] = DNS_RRSIG;
	types[k++] = DNS_NSEC;
	for (unsigned i = 0; i < n->n_sets && k < TYPES_MAX; i++) {
		unsigned t = n->sets[i].type;

		if (t == but || t == DNS_RRSIG || t == DNS_NSEC)
			continue;
		/* An alias that is chosen, but not for this client: it would forbid the others. */
		if (t == DNS_CNAME && n->sets[i].chosen)
			continue;
		if (!(n->flags & DNS_NODE_CUT) || t == DNS_NS || t == DNS_DS)
			types[k++] = t;
	}
	return k;
}

/* The closest encloser that has an NSEC3, and that what is below it does not exist or is not signed
 * (RFC 5155 sections 7.2.1 and 7.2.4).  Returns the label at which it begins: with opt-out it may be
 * above the closest encloser that there is. */
static unsigned
prove_closest(struct chain *c, const struct dns_zone *z, const struct dns_name *name, unsigned first)
{
	uint8_t hash[DNS_NSEC3_HASH];

	for (unsigned i = first; i + z->apex->n_labels <= name->n_labels; i++) {
		const struct dns_node *n;

		dns_nsec3_hash(z->dnssec, name->wire + name->at[i], name->size - name->at[i], hash);
		n = dns_nsec3_match(z, hash);
		if (!n)
			continue;
		add_proof(c, z, n);
		if (i) {
			dns_nsec3_hash(z->dnssec, name->wire + name->at[i - 1], name->size - name->at[i - 1], hash);
			add_proof(c, z, dns_nsec3_cover(z, hash));
		}
		return i;
	}
	return first;
}

/* "*" below the current name from label 'first' on. */
static void
wildcard_name(const struct chain *c, unsigned first, struct dns_name *ret)
{
	uint8_t w[DNS_NAME_MAX + 2] = { 1, '*' };
	unsigned at = c->now->at[first];
	size_t n = c->now->size - at;

	memcpy(w + 2, c->now->wire + at, n);
	/* It fits: the name has at least one label there. */
	dns_name_read_lower(ret, w, n + 2);
}

static void
deny_by_nsec3(struct chain *c, enum dns_found found, const struct dns_find *f)
{
	uint8_t hash[DNS_NSEC3_HASH];
	struct dns_name wild;
	unsigned first;

	if (found == DNS_FOUND_NODE && !f->is_wild) {
		prove_closest(c, f->zone, c->now, 0);
		return;
	}
	first = prove_closest(c, f->zone, c->now, f->first);
	wildcard_name(c, first, &wild);
	dns_nsec3_hash(f->zone->dnssec, wild.wire, wild.size, hash);
	add_proof(c, f->zone, found == DNS_FOUND_NODE ? dns_nsec3_match(f->zone, hash)
						      : dns_nsec3_cover(f->zone, hash));
}

static void
deny_by_nsec(struct chain *c, enum dns_found found, const struct dns_find *f)
{
	struct dns_name wild;

	if (found == DNS_FOUND_NODE && dns_node_set(f->node, DNS_NSEC))
		add_proof(c, f->zone, f->node);
	/* The name itself is not there, or is an empty non-terminal: the gap that it lies in. */
	if (found != DNS_FOUND_NODE || f->is_wild || !dns_node_set(f->node, DNS_NSEC))
		add_proof(c, f->zone, dns_nsec_at_or_before(f->zone, c->now));
	/* So may the wildcard be. */
	if (found == DNS_FOUND_NXDOMAIN || (f->is_wild && !dns_node_set(f->node, DNS_NSEC))) {
		wildcard_name(c, f->first, &wild);
		add_proof(c, f->zone, dns_nsec_at_or_before(f->zone, &wild));
	}
}

/* The set is chosen, and this client has none: the chain says that the type is there. */
static bool
is_chosen_empty(const struct chain *c, enum dns_found found, const struct dns_find *f)
{
	const struct dns_rrset *s = found == DNS_FOUND_NODE ? dns_node_set(f->node, c->a->q->qtype) : NULL;
	const struct dns_rrset *cname = found == DNS_FOUND_NODE ? dns_node_set(f->node, DNS_CNAME) : NULL;

	return (s && s->chosen) || (cname && cname->chosen);
}

static bool
deny_compactly(struct chain *c, enum dns_found found, const struct dns_find *f)
{
	enum dns_sign_kind kind = DNS_SIGN_MADE_UP;
	uint16_t types[TYPES_MAX];
	unsigned n;

	if (found == DNS_FOUND_NXDOMAIN) {
		types[0] = DNS_RRSIG;
		types[1] = DNS_NSEC;
		types[2] = DNS_NXNAME;
		n = 3;
	} else {
		n = types_of(f->node, c->a->q->qtype, types);
		if (!f->is_wild && is_chosen_empty(c, found, f))
			kind = DNS_SIGN_BOUNDED;
	}
	if (!put_made(c, kind, f->zone, c->now->wire, c->now->size, types, n, NULL, 1))
		return false;
	/* The name "exists" to those who check; NXDOMAIN only for who knows (RFC 9824 sections 3.1
	 * and 5). */
	if (found == DNS_FOUND_NXDOMAIN && !c->a->q->co_bit)
		c->a->rcode = DNS_NOERROR;
	return true;
}

void
prove_negative(struct chain *c, enum dns_found found, const struct dns_find *f)
{
	const struct dns_zone_dnssec *d = f->zone->dnssec;

	if (!c->a->q->do_bit || !d || c->b.full)
		return;
	if (d->denial == DNS_DENIAL_COMPACT || is_chosen_empty(c, found, f)) {
		if (deny_compactly(c, found, f))
			return;
		/* The chain would say that the type is there. */
		if (is_chosen_empty(c, found, f)) {
			c->a->rcode = DNS_SERVFAIL;
			return;
		}
		c->a->ctx->counters.denials_by_chain++;
	}
	if (d->denial == DNS_DENIAL_NSEC3)
		deny_by_nsec3(c, found, f);
	else
		deny_by_nsec(c, found, f);
}

void
prove_delegation(struct chain *c, const struct dns_zone *z, const struct dns_node *cut)
{
	const struct dns_rrset *ds = dns_node_set(cut, DNS_DS);
	struct dns_find f = { .zone = z, .node = cut };
	struct dns_name name;

	if (!c->a->q->do_bit || !z->dnssec || c->b.full)
		return;
	if (ds) {
		chain_put_set(c, ds, cut->name, 1);
		prove_set(c, &f, ds, cut->name, 1, ds->ttl);
		return;
	}
	/* Under compact denial too: the chain's NSEC has its signature already, so that a referral never
	 * costs one. */
	if (z->dnssec->denial == DNS_DENIAL_NSEC3 && dns_name_read_lower(&name, cut->name, cut->name_size))
		prove_closest(c, z, &name, 0);
	else
		add_proof(c, z, dns_node_set(cut, DNS_NSEC) ? cut : NULL);
}

void
prove_end(struct chain *c)
{
	for (unsigned i = 0; i < c->n_proofs && !c->b.full; i++) {
		struct dns_find f = { .zone = c->proofs[i].zone, .node = c->proofs[i].node };
		const struct dns_rrset *s = dns_node_set(f.node, f.node->flags & DNS_NODE_HASHED ? DNS_NSEC3 : DNS_NSEC);

		if (!s)
			continue;
		chain_put_set(c, s, f.node->name, 1);
		prove_set(c, &f, s, f.node->name, 1, s->ttl);
	}
}

/* --- types that are no plain data ---------------------------------------------------------------- */

/* A set of the node that has records for this client. */
static const struct dns_rrset *
any_set(struct chain *c, const struct dns_node *n)
{
	for (unsigned i = 0; i < n->n_sets; i++) {
		const struct dns_rrset *s;

		if (n->sets[i].type == DNS_RRSIG || n->sets[i].type == DNS_NSEC)
			continue;
		s = answer_set(c->a, n, n->sets[i].type);
		if (s && s->n)
			return s;
	}
	return NULL;
}

bool
prove_special(struct chain *c, const struct dns_find *f)
{
	unsigned qtype = c->a->q->qtype;
	const struct dns_rrset *s;
	uint16_t types[TYPES_MAX];

	if (!f->zone->dnssec)
		return false;
	if (qtype == DNS_NSEC && f->zone->dnssec->denial == DNS_DENIAL_COMPACT && f->node->n_sets)
		return put_made(c, DNS_SIGN_MADE_UP, f->zone, c->now->wire, c->now->size, types,
				types_of(f->node, DNS_NXNAME, types), NULL, 0);
	if (qtype != DNS_ANY && qtype != DNS_RRSIG)
		return false;
	s = any_set(c, f->node);
	if (!s)
		return false;
	/* RFC 8482 section 4.1: one set of those that are there.  Of RRSIG those of one set. */
	if (qtype == DNS_ANY) {
		chain_put_set(c, s, NULL, 0);
		prove_set(c, f, s, NULL, 0, s->ttl);
	} else {
		uint8_t raw[DNS_RRSIGS_MAX];
		bool needs_proof;
		size_t size;
		unsigned n = get_sigs(c->a, f, s, c->now->wire, raw, &size, &needs_proof);

		put_sigs(c, raw, n, NULL, 0, s->ttl);
		if (needs_proof && c->a->q->do_bit)
			prove_no_closer(c, f);
	}
	return true;
}
