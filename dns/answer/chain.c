// SPDX-License-Identifier: Apache-2.0
/* CNAME and DNAME: RFC 1034 section 4.3.2 steps 3a and 3c, RFC 6672 section 3.2.  The chain is
 * followed through all zones of the view. */
#include "dns/answer/internal.h"

static void
put_owner(struct chain *c)
{
	dns_build_pointer(&c->b, c->owner_at);
}

/* A record whose data is one name, which becomes the next owner. */
static void
put_link(struct chain *c, uint32_t ttl, const uint8_t *target)
{
	size_t at;

	put_owner(c);
	at = dns_build_record(&c->b, DNS_CNAME, ttl, target, dns_name_size(target));
	c->a->n[0]++;
	if (c->b.full)
		return;
	/* Not a pointer to a pointer. */
	c->owner_at = c->b.buf[at] >= 0xc0 ? (size_t)(dns_get16(c->b.buf + at) & 0x3fff) : at;
	/* Beyond what 14 bits reach: only in an answer of 16 KiB, that is over TCP. */
	if (c->owner_at > DNS_POINTER_MAX)
		c->b.full = true;
}

void
chain_put_set(struct chain *c, const struct dns_rrset *set, const uint8_t *owner, unsigned section)
{
	const uint8_t *at = set->raw;

	for (unsigned i = 0; i < set->n && !c->b.full; i++) {
		uint32_t ttl;
		size_t rdlen;
		const uint8_t *rdata = dns_raw_next(&at, &ttl, &rdlen);

		if (owner)
			dns_build_name(&c->b, owner, true);
		else
			put_owner(c);
		dns_build_record(&c->b, set->type, ttl, rdata, rdlen);
		c->a->n[section]++;
	}
}

static void
put_negative(struct chain *c, enum dns_found found, const struct dns_find *f)
{
	const struct dns_zone *z = f->zone;
	const struct dns_find at_apex = { .zone = z, .node = z->apex };
	const struct dns_rrset *soa = dns_node_set(z->apex, DNS_SOA);
	const uint8_t *at = soa->raw, *rdata;
	uint32_t ttl, negative = dns_zone_negative_ttl(z);
	size_t rdlen;

	rdata = dns_raw_next(&at, &ttl, &rdlen);
	dns_build_name(&c->b, z->apex->name, true);
	dns_build_record(&c->b, DNS_SOA, negative, rdata, rdlen);
	c->a->n[1]++;
	prove_set(c, &at_apex, soa, z->apex->name, 1, negative);
	prove_negative(c, found, f);
	prove_end(c);
}

/* NS of the cut, and the addresses at or below it. */
static void
put_referral(struct chain *c, const struct dns_zone *z, const struct dns_node *cut)
{
	const struct dns_rrset *ns = dns_node_set(cut, DNS_NS);
	const uint8_t *at = ns->raw;

	chain_put_set(c, ns, cut->name, 1);
	prove_delegation(c, z, cut);
	prove_end(c);
	for (unsigned i = 0; i < ns->n && !c->b.full; i++) {
		uint32_t ttl;
		size_t rdlen;
		const uint8_t *rdata = dns_raw_next(&at, &ttl, &rdlen);
		const struct dns_node *n;
		struct dns_name name;

		if (!dns_name_read_lower(&name, rdata, rdlen) ||
		    !dns_name_is_in(name.wire, cut->name))
			continue;
		n = dns_zone_find_name(z, &name);
		for (unsigned k = 0; n && k < n->n_sets; k++)
			if (n->sets[k].type == DNS_A || n->sets[k].type == DNS_AAAA)
				chain_put_set(c, &n->sets[k], n->name, 2);
	}
}

/* The name with the DNAME's owner replaced by its target.  False: too long (RFC 6672 section 2.2).
 */
static bool
substitute(const struct dns_name *name, const struct dns_node *dname, const uint8_t *target,
	   struct dns_name *ret)
{
	size_t head = name->size - dname->name_size, tail = dns_name_size(target);
	uint8_t w[DNS_NAME_MAX];

	if (head + tail > DNS_NAME_MAX)
		return false;
	memcpy(w, name->wire, head);
	memcpy(w + head, target, tail);
	return dns_name_read_lower(ret, w, head + tail);
}

static bool
was_seen(struct chain *c, uint64_t hash)
{
	for (unsigned i = 0; i < c->n_seen; i++)
		if (c->seen[i] == hash)
			return true;
	c->seen[c->n_seen++] = hash;
	return false;
}

/* One step: puts the CNAME that leads on from 'name'.  False: it ends here. */
static bool
step(struct chain *c, enum dns_found found, const struct dns_find *f, const struct dns_name *name,
     struct dns_name *next)
{
	const struct dns_rrset *set;
	const uint8_t *at, *rdata;
	uint32_t ttl;
	size_t rdlen;

	set = found == DNS_FOUND_DNAME ? dns_node_set(f->node, DNS_DNAME)
				       : answer_set(c->a, f->node, DNS_CNAME);
	if (!set || !set->n)
		return false;
	at = set->raw;
	rdata = dns_raw_next(&at, &ttl, &rdlen);
	if (found == DNS_FOUND_DNAME) {
		chain_put_set(c, set, f->node->name, 0);
		prove_set(c, f, set, f->node->name, 0, set->ttl);
		if (!substitute(name, f->node, rdata, next)) {
			c->a->rcode = DNS_YXDOMAIN;
			return false;
		}
		put_link(c, ttl, next->wire);
	} else {
		size_t owner_at = c->owner_at, next_at;

		put_link(c, ttl, rdata);
		/* The signature belongs to the name before. */
		next_at = c->owner_at;
		c->owner_at = owner_at;
		prove_set(c, f, set, NULL, 0, ttl);
		c->owner_at = next_at;
		dns_name_read_lower(next, rdata, rdlen);
	}
	return !c->b.full;
}

/* The end of the chain: what the last name has. */
static void
finish(struct chain *c, enum dns_found found, const struct dns_find *f)
{
	const struct dns_rrset *set;

	switch (found) {
	case DNS_FOUND_NODE:
		if (prove_special(c, f)) {
			prove_end(c);
			break;
		}
		set = answer_set(c->a, f->node, c->a->q->qtype);
		if (set && set->n) {
			chain_put_set(c, set, NULL, 0);
			prove_set(c, f, set, NULL, 0, set->ttl);
			prove_end(c);
		} else {
			put_negative(c, found, f);
		}
		break;
	case DNS_FOUND_NXDOMAIN: /* RFC 6604 section 3: the rcode is that of the last name */
		c->a->rcode = DNS_NXDOMAIN;
		put_negative(c, found, f);
		break;
	case DNS_FOUND_REFERRAL:
		put_referral(c, f->zone, f->node);
		break;
	default:
		prove_end(c);
		break;
	}
}

static void
begin(struct chain *c, struct answer *a)
{
	c->a = a;
	dns_build_init(&c->b, a->out, a->limit, &a->q->qname);
	c->now = &a->q->qname;
	c->owner_at = DNS_HEADER_SIZE;
	c->n_seen = c->n_proofs = 0;
}

static void
end(struct chain *c)
{
	if (c->b.full)
		answer_truncate(c->a);
	else
		c->a->size = c->b.size;
}

/* What begins with a CNAME or DNAME. */
static bool
leads_on(struct answer *a, enum dns_found found, const struct dns_find *f)
{
	const struct dns_rrset *cname;

	if (found != DNS_FOUND_NODE)
		return found == DNS_FOUND_DNAME;
	if (a->q->qtype == DNS_ANY || a->q->qtype == DNS_RRSIG || answer_set(a, f->node, a->q->qtype))
		return false;
	cname = answer_set(a, f->node, DNS_CNAME);
	return cname && cname->n;
}

void
answer_built(struct answer *a, enum dns_found found, const struct dns_find *f)
{
	const struct dns_rrset *set;
	struct chain c;

	if (leads_on(a, found, f)) {
		answer_chain(a, found, f);
		return;
	}
	set = found == DNS_FOUND_NODE ? answer_set(a, f->node, a->q->qtype) : NULL;
	if (set && set->n && a->q->do_bit && prove_fast(a, f, set))
		return;
	if (found == DNS_FOUND_NODE && !(set && set->n))
		a->class = DNS_LIMIT_NODATA;
	begin(&c, a);
	finish(&c, found, f);
	end(&c);
}

void
answer_chain(struct answer *a, enum dns_found found, const struct dns_find *start)
{
	struct dns_find f = *start;
	struct dns_name name[2], *now = &name[0], *next = &name[1];
	uint64_t hash[DNS_LABELS_MAX + 1];
	bool ended = false;
	struct chain c;

	begin(&c, a);
	*now = a->q->qname;
	was_seen(&c, a->hash[0]);
	for (unsigned hops = 0; hops < CHAIN_HOPS; hops++) {
		struct dns_name *swap;

		c.now = now;
		if (!step(&c, found, &f, now, next))
			break;
		/* The CNAME that was made for a DNAME is what these ask for. */
		if (found == DNS_FOUND_DNAME &&
		    (a->q->qtype == DNS_CNAME || a->q->qtype == DNS_ANY))
			break;
		swap = now;
		now = next;
		next = swap;
		c.now = now;
		dns_name_hash_suffixes(now, hash);
		if (was_seen(&c, hash[0]))
			break; /* a loop: the client sees it whole */
		found = dns_find(a->view, now, hash, a->q->qtype, &f);
		if (found == DNS_FOUND_NOT_OURS || found == DNS_FOUND_NO_DATA)
			break;
		if (found == DNS_FOUND_DNAME)
			continue;
		if (found == DNS_FOUND_NODE && !answer_set(a, f.node, a->q->qtype)) {
			const struct dns_rrset *cname = answer_set(a, f.node, DNS_CNAME);

			if (cname && cname->n)
				continue;
		}
		finish(&c, found, &f);
		ended = true;
		break;
	}
	if (!ended)
		prove_end(&c);
	end(&c);
}
