// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "dns/answer/rule.h"
#include "dns/zone/delta.h"
#include "dns/zone/dnssec.h"

/* A message is closed when it has this much: pointers reach all of its names, and a slow reader is
 * sent little at a time. */
#define MESSAGE_SIZE 16384

struct dns_transfer {
	struct dns_zone *zone;
	uint16_t id, question_size;
	uint8_t question[DNS_NAME_MAX + 4];
	struct dns_name apex;
	struct dns_tsig tsig;
	struct dns_key key; /* of tsig; a copy, since the view's goes with it */
	bool is_signed, only_soa;
	enum { FIRST_SOA, DELTAS, RECORDS, LAST_SOA, ENDED } phase;
	/* The next record of DELTAS; first_delta == n_deltas of the zone: the whole zone is sent. */
	size_t first_delta, delta, delta_at;
	/* The next record of RECORDS. */
	size_t slot;
	unsigned set, i;
	const uint8_t *at; /* NULL: the set's first */
	/* Of chosen sets, by the number of the choice: copies, since the view's go with it. */
	struct dns_rrset **standing;
	uint32_t n_standing;
};

static bool
is_allowed(const struct dns_view *v, const struct dns_name *zone, const struct dns_client *c,
	   const struct dns_key *key)
{
	struct pol_addr a = pol_addr_from_bytes(c->family, c->address);
	const struct dns_zone_rule *r = dns_view_rule_of(v, zone);

	return r && dns_allow_has(&r->transfer, &a, key);
}

/* What a policy chooses can't be written down as one record set.  A secondary gets a set that stands for it,
 * unsigned, so not of a zone that is signed. */
static bool
has_untold(const struct dns_view *v, const struct dns_zone *z, const struct dns_name *name)
{
	const struct dns_zone_rule *r = dns_view_rule_of(v, name);

	return z->has_chosen && (z->dnssec || !r || r->refuses_chosen);
}

static void
copy_standing(struct dns_transfer *t, const struct dns_view *v)
{
	t->n_standing = v->n_choices;
	t->standing = wf_xzalloc((t->n_standing + 1) * sizeof(t->standing[0]));
	for (uint32_t i = 0; i < t->n_standing; i++) {
		const struct dns_rrset *s = v->choices[i] ? v->choices[i]->standing : NULL;

		if (!s)
			continue;
		t->standing[i] = wf_xmemdup(s, sizeof *s + s->size);
		t->standing[i]->raw = (uint8_t *)(t->standing[i] + 1);
	}
}

static size_t
put_error(const struct dns_query *q, struct dns_tsig *tsig, const struct dns_context *ctx,
	  unsigned rcode, uint8_t *out)
{
	size_t size = DNS_HEADER_SIZE + q->question_size;

	memset(out, 0, DNS_HEADER_SIZE);
	dns_put16(out, q->id);
	dns_put16(out + 2, DNS_QR | rcode);
	out[5] = 1;
	memcpy(out + DNS_HEADER_SIZE, q->msg + DNS_HEADER_SIZE, q->question_size);
	return tsig ? dns_tsig_sign(tsig, out, size, ctx->wall_s) : size;
}

/* The serial of the SOA that an IXFR has in its authority section; false if there is none. */
static bool
ixfr_serial(const struct dns_query *q, uint32_t *serial)
{
	size_t at = DNS_HEADER_SIZE + q->question_size, rdata, rdlen;

	if (q->qtype != DNS_IXFR || !q->ns_record)
		return false;
	at = dns_skip_name(q->msg, q->size, at);
	if (!at || at + 10 > q->size || dns_get16(q->msg + at) != DNS_SOA)
		return false;
	rdata = at + 10;
	rdlen = dns_get16(q->msg + at + 8);
	if (rdata + rdlen > q->size || rdlen < 22)
		return false;
	*serial = dns_get32(q->msg + rdata + rdlen - 20);
	return true;
}

struct dns_transfer *
dns_transfer_begin(const struct dns_view *v, struct dns_context *ctx, const struct dns_client *c,
		   const uint8_t *msg, size_t size, uint8_t *out, size_t *ret_size)
{
	struct dns_transfer *t = wf_xzalloc(sizeof *t);
	struct dns_query q;
	struct dns_zone *z;
	unsigned rcode = DNS_NOERROR;
	uint32_t serial;
	bool has_tsig;

	dns_query_parse(&q, msg, size);
	has_tsig = q.tsig_at;
	z = dns_view_zone_named(v, &q.qname);
	if (has_tsig && !dns_tsig_verify(&t->tsig, v->keys, &q, ctx->wall_s)) {
		rcode = DNS_FORMERR;
		has_tsig = false;
	} else if (has_tsig && t->tsig.error) {
		rcode = DNS_NOTAUTH;
	} else if (!z) {
		rcode = DNS_NOTAUTH; /* RFC 5936 section 2.2.1 */
	} else if (z->no_data) {
		rcode = DNS_SERVFAIL;
	} else if (has_untold(v, z, &q.qname) || !is_allowed(v, &q.qname, c, has_tsig ? t->tsig.key : NULL)) {
		rcode = DNS_REFUSED;
	}
	if (rcode) {
		ctx->counters.transfers_refused++;
		*ret_size = put_error(&q, has_tsig ? &t->tsig : NULL, ctx, rcode, out);
		free(t);
		return NULL;
	}
	ctx->counters.transfers++;
	t->zone = dns_zone_ref(z);
	if (z->has_chosen)
		copy_standing(t, v);
	t->id = q.id;
	t->question_size = q.question_size;
	memcpy(t->question, msg + DNS_HEADER_SIZE, q.question_size);
	t->apex = q.qname;
	t->is_signed = has_tsig;
	if (has_tsig) {
		t->key = *t->tsig.key;
		t->key.next = NULL;
		t->tsig.key = &t->key;
	}
	t->first_delta = z->n_deltas;
	if (ixfr_serial(&q, &serial)) {
		/* Serial number arithmetic: who has ours or a later one needs nothing (RFC 1982,
		 * RFC 1995 section 4). */
		t->only_soa = (int32_t)(serial - z->serial) >= 0;
		t->delta = t->first_delta = dns_zone_delta_from(z, serial);
		if (!t->only_soa && t->first_delta < z->n_deltas)
			ctx->counters.transfers_incremental++;
	}
	return t;
}

void
dns_transfer_free(struct dns_transfer *t)
{
	if (!t)
		return;
	dns_zone_unref(t->zone);
	for (uint32_t i = 0; i < t->n_standing; i++)
		free(t->standing[i]);
	free(t->standing);
	explicit_bzero(&t->key, sizeof t->key);
	free(t);
}

/* The t->i-th signature of a node of a zone that is signed here; NULL: there are no more. */
static const uint8_t *
signature(const struct dns_transfer *t, const struct dns_node *n, uint32_t now_s, uint32_t *ttl, size_t *rdlen)
{
	unsigned left = t->i;

	for (unsigned k = 0; dns_node_slots(n) && k + 1u < n->n_sets; k++) {
		const struct dns_sigs *s = NULL;
		const uint8_t *at, *rdata;

		if (dns_set_is_signed(n, &n->sets[k]))
			s = dns_zone_sigs(t->zone, n, k, now_s);
		if (!s || left >= s->n) {
			left -= s ? s->n : 0;
			continue;
		}
		at = s->raw;
		do
			rdata = dns_raw_next(&at, ttl, rdlen);
		while (left--);
		return rdata;
	}
	return NULL;
}

/* The node and set of the next record, skipping what is none; false at the end. */
static bool
seek(struct dns_transfer *t, uint32_t now_s, const struct dns_node **ret_node,
     const struct dns_rrset **ret_set)
{
	const struct dns_zone *z = t->zone;

	for (; t->slot <= z->mask; t->slot++, t->set = 0) {
		const struct dns_node *n = dns_zone_node_at(z, t->slot);

		for (; n && t->set < n->n_sets; t->set++, t->i = 0, t->at = NULL) {
			const struct dns_rrset *s = &n->sets[t->set];
			uint32_t ttl;
			size_t rdlen;

			if (s->chosen) {
				s = s->chosen < t->n_standing ? t->standing[s->chosen] : NULL;
				if (!s)
					continue;
			}

			/* Signatures of a zone that is signed here: a set without records of its own. */
			if ((t->i < s->n && s->type != DNS_SOA) ||
			    (s->type == DNS_RRSIG && !s->n && signature(t, n, now_s, &ttl, &rdlen))) {
				*ret_node = n;
				*ret_set = s;
				return true;
			}
		}
	}
	return false;
}

/* False: it did not fit and nothing was written. */
static bool
put_record(struct dns_build *b, const uint8_t *owner, unsigned type, uint32_t ttl,
	   const uint8_t *rdata, size_t rdlen)
{
	size_t size = b->size;
	uint16_t n_names = b->n_names;

	dns_build_name(b, owner, true);
	dns_build_record(b, type, ttl, rdata, rdlen);
	if (!b->full)
		return true;
	b->size = size;
	b->n_names = n_names;
	b->full = false;
	return false;
}

static bool
put_soa(struct dns_transfer *t, struct dns_build *b)
{
	const struct dns_rrset *soa = dns_node_set(t->zone->apex, DNS_SOA);
	const uint8_t *at = soa->raw, *rdata;
	uint32_t ttl;
	size_t rdlen;

	rdata = dns_raw_next(&at, &ttl, &rdlen);
	return put_record(b, t->zone->apex->name, DNS_SOA, ttl, rdata, rdlen);
}

/* The next record of the differences; false at their end. */
static bool
next_change(const struct dns_transfer *t, struct dns_rec *r, size_t *ret_delta, size_t *ret_at)
{
	const struct dns_zone *z = t->zone;
	size_t delta = t->delta, at = t->delta_at;

	if (delta < z->n_deltas && at == z->deltas[delta]->size) {
		delta++;
		at = 0;
	}
	if (delta == z->n_deltas)
		return false;
	*ret_delta = delta;
	*ret_at = dns_rec_get(z->deltas[delta]->bytes + at, r) - z->deltas[delta]->bytes;
	return true;
}

/* As many differences as one message takes; they begin and end with SOA records that say what they
 * are (RFC 1995 section 4).  Returns how many, with those before. */
static unsigned
put_changes(struct dns_transfer *t, struct dns_build *b, unsigned n, size_t room)
{
	while (n < UINT16_MAX) {
		struct dns_rec r;
		size_t delta, at;

		if (!next_change(t, &r, &delta, &at)) {
			t->phase = LAST_SOA;
			break;
		}
		/* The first record of a message may be larger than messages should be. */
		b->cap = n ? MESSAGE_SIZE : room;
		if (b->size >= b->cap || !put_record(b, r.owner, r.type, r.ttl, r.rdata, r.rdlen))
			break;
		t->delta = delta;
		t->delta_at = at;
		n++;
	}
	return n;
}

size_t
dns_transfer_next(struct dns_transfer *t, const struct dns_context *ctx, uint8_t *out)
{
	size_t room = DNS_MESSAGE_MAX - (t->is_signed ? dns_tsig_size(&t->tsig) : 0);
	unsigned n = 0;
	struct dns_build b;

	if (t->phase == ENDED)
		return 0;
	memset(out, 0, DNS_HEADER_SIZE);
	dns_put16(out, t->id);
	dns_put16(out + 2, DNS_QR | DNS_AA);
	out[5] = 1;
	memcpy(out + DNS_HEADER_SIZE, t->question, t->question_size);
	dns_build_init(&b, out, room, &t->apex);
	if (t->phase == FIRST_SOA) {
		put_soa(t, &b);
		n++;
		t->phase = t->only_soa				     ? ENDED
			   : t->first_delta < t->zone->n_deltas ? DELTAS
								     : RECORDS;
	}
	if (t->phase == DELTAS)
		n = put_changes(t, &b, n, room);
	while (t->phase == RECORDS && n < UINT16_MAX) {
		const struct dns_node *node;
		const struct dns_rrset *set;
		const uint8_t *before, *rdata;
		uint32_t ttl;
		size_t rdlen;

		if (!seek(t, ctx->wall_s, &node, &set)) {
			t->phase = LAST_SOA;
			break;
		}
		/* The first record of a message may be larger than messages should be. */
		b.cap = n ? MESSAGE_SIZE : room;
		if (b.size >= b.cap)
			break;
		if (!t->at)
			t->at = set->raw;
		before = t->at;
		rdata = set->n ? dns_raw_next(&t->at, &ttl, &rdlen)
			       : signature(t, node, ctx->wall_s, &ttl, &rdlen);
		if (!put_record(&b, node->name, set->type, ttl, rdata, rdlen)) {
			t->at = before;
			break;
		}
		t->i++;
		n++;
	}
	if (t->phase == LAST_SOA) {
		b.cap = room;
		if (put_soa(t, &b)) {
			n++;
			t->phase = ENDED;
		}
	}
	dns_put16(out + 6, n);
	return t->is_signed ? dns_tsig_sign(&t->tsig, out, b.size, ctx->wall_s) : b.size;
}
