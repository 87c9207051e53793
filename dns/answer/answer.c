// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/answer.h"

#include "dns/answer/edns.h"
#include "dns/answer/internal.h"
#include "dns/answer/ready.h"
#include "dns/answer/rule.h"
#include "dns/answer/tsig.h"
#include "dns/answer/why.h"

void
answer_truncate(struct answer *a)
{
	a->flags |= DNS_TC;
	a->n[0] = a->n[1] = a->n[2] = 0;
	a->size = DNS_HEADER_SIZE + a->q->question_size;
	a->ctx->counters.answers_truncated++;
}

static void
put_image(struct answer *a, const struct dns_image *i)
{
	size_t size = i->size;

	a->n[0] = i->n_answer;
	a->n[1] = i->n_authority;
	a->n[2] = i->n_additional;
	if (a->size + size > a->limit) {
		size = i->need_size;
		a->n[2] = i->n_additional_needed;
		if (a->size + size > a->limit) {
			answer_truncate(a);
			return;
		}
	}
	dns_image_copy(i, a->out + a->size, size, a->q->qname.size);
	a->size += size;
}

static void
put_set(struct answer *a, const struct dns_rrset *set)
{
	if (set->image) {
		put_image(a, set->image);
		return;
	}
	if (a->size + set->size > a->limit) {
		answer_truncate(a);
		return;
	}
	a->n[0] = set->n;
	memcpy(a->out + a->size, set->raw, set->size);
	a->size += set->size;
}

/* The client's place: that of the client subnet, else of the address that asks.  A source length of
 * 0 asks not to be looked at: then it is the resolver's own (RFC 7871 section 7.1.2), and the scope
 * 0. */
static void
locate(struct answer *a)
{
	const struct dns_ecs *e = &a->q->ecs;

	a->is_located = true;
	a->ctx->counters.answers_chosen++; /* once, however many sets of a chain are chosen */
	a->has_subnet = e->present && e->source_len;
	if (a->has_subnet)
		a->place = pol_addr_from_bytes(e->family == 1 ? 4 : 6, e->address);
	else
		a->place = pol_addr_from_bytes(a->client->family, a->client->address);
	a->leaf = loc_find(a->view->places, &a->place);
	/* xorshift64: cheap, and nobody gains from guessing it. */
	a->ctx->draw ^= a->ctx->draw << 13;
	a->ctx->draw ^= a->ctx->draw >> 7;
	a->ctx->draw ^= a->ctx->draw << 17;
	a->draw = a->ctx->draw >> 32;
}

static const struct dns_rrset *
ready_set(const struct answer *a, const struct dns_rrset *set)
{
	struct dns_ready_want *w = a->ctx->ready;

	if (set->chosen != w->choice) {
		w->n_others++;
		return set;
	}
	return dns_chosen_set(a->view->choices[set->chosen], w->set);
}

const struct dns_rrset *
answer_set(struct answer *a, const struct dns_node *n, unsigned type)
{
	const struct dns_rrset *set = dns_node_set(n, type);
	unsigned scope;

	if (!set || !set->chosen)
		return set;
	if (a->ctx->ready)
		return ready_set(a, set);
	if (!a->is_located)
		locate(a);
	set = dns_chosen_pick(a->view->choices[set->chosen], a->leaf, &a->place, a->draw, &scope);
	/* The answer is right for all of this prefix; one that is longer than the source asks for
	 * more bits (RFC 7871 section 7.2.1).  Of a chain the longest counts. */
	if (a->has_subnet && scope > a->scope)
		a->scope = scope;
	return set;
}

/* RFC 8482 section 4.2: a HINFO of two strings that points at the document, unless there is a
 * CNAME. */
static void
put_any(struct answer *a)
{
	static const uint8_t hinfo[] = {
		0xc0, 0x0c, 0, DNS_HINFO, 0, DNS_CLASS_IN, 0, 0, 0x0e, 0x10, 0, 9,
		7, 'R', 'F', 'C', '8', '4', '8', '2', 0,
	};

	memcpy(a->out + a->size, hinfo, sizeof hinfo);
	a->size += sizeof hinfo;
	a->n[0] = 1;
}

static void
put_negative(struct answer *a, const struct dns_zone *z)
{
	put_image(a, z->negative);
	if (a->class == DNS_LIMIT_ANSWER)
		a->class = DNS_LIMIT_NODATA;
}

static void
answer_node(struct answer *a, const struct dns_find *f)
{
	const struct dns_rrset *set = answer_set(a, f->node, a->q->qtype);

	if (set && set->n) {
		put_set(a, set);
		return;
	}
	if (!set && f->node->n_sets) {
		const struct dns_rrset *cname = answer_set(a, f->node, DNS_CNAME);

		if (cname && cname->n && a->q->qtype == DNS_ANY) {
			put_set(a, cname);
			return;
		}
		if (cname && cname->n) {
			answer_chain(a, DNS_FOUND_NODE, f);
			return;
		}
		if (a->q->qtype == DNS_ANY) {
			put_any(a);
			return;
		}
	}
	put_negative(a, f->zone);
}

static void
answer_name(struct answer *a)
{
	struct dns_find f;
	enum dns_found found;

	dns_name_hash_suffixes(&a->q->qname, a->hash);
	found = dns_find(a->view, &a->q->qname, a->hash, a->q->qtype, &f);
	/* Records that belong to other records are looked for by those alone who ask for them. */
	if (found != DNS_FOUND_NOT_OURS && f.zone->dnssec &&
	    (a->q->do_bit || a->q->qtype == DNS_RRSIG || a->q->qtype == DNS_NSEC)) {
		if (found != DNS_FOUND_REFERRAL)
			a->flags |= DNS_AA;
		else
			a->class = DNS_LIMIT_REFERRAL;
		if (found == DNS_FOUND_NXDOMAIN)
			a->class = DNS_LIMIT_NXDOMAIN;
		a->ctx->counters.answers_signed += a->q->do_bit;
		answer_built(a, found, &f);
		return;
	}
	switch (found) {
	case DNS_FOUND_NODE:
		a->flags |= DNS_AA;
		answer_node(a, &f);
		break;
	case DNS_FOUND_NXDOMAIN:
		a->flags |= DNS_AA;
		a->rcode = DNS_NXDOMAIN;
		a->class = DNS_LIMIT_NXDOMAIN;
		put_negative(a, f.zone);
		break;
	case DNS_FOUND_REFERRAL:
		a->class = DNS_LIMIT_REFERRAL;
		put_image(a, f.node->referral);
		break;
	case DNS_FOUND_DNAME:
		a->flags |= DNS_AA;
		answer_chain(a, found, &f);
		break;
	case DNS_FOUND_NOT_OURS:
		a->rcode = DNS_REFUSED;
		a->class = DNS_LIMIT_ERROR;
		break;
	case DNS_FOUND_NO_DATA:
		a->rcode = DNS_SERVFAIL;
		a->class = DNS_LIMIT_ERROR;
		break;
	}
}

/* CH TXT id.server. (RFC 4892) says what NSID says. */
static void
answer_chaos(struct answer *a)
{
	static const uint8_t id[] = "\x02id\x06server", hostname[] = "\x08hostname\x04bind";
	const uint8_t *name = a->q->qname.wire;
	uint8_t *p = a->out + a->size;

	if (!a->view->nsid_size || a->q->qtype != DNS_TXT ||
	    (memcmp(name, id, sizeof id) && memcmp(name, hostname, sizeof hostname))) {
		a->rcode = DNS_REFUSED;
		a->class = DNS_LIMIT_ERROR;
		return;
	}
	dns_put16(p, 0xc000 | DNS_HEADER_SIZE);
	dns_put16(p + 2, DNS_TXT);
	dns_put16(p + 4, DNS_CLASS_CH);
	dns_put32(p + 6, 0);
	dns_put16(p + 10, 1 + a->view->nsid_size);
	p[12] = a->view->nsid_size;
	memcpy(p + 13, a->view->nsid, a->view->nsid_size);
	a->size += 13 + a->view->nsid_size;
	a->n[0] = 1;
	a->flags |= DNS_AA;
}

/* Over UDP the SOA alone, if it is more recent, sends the client to TCP (RFC 1995 section 2). */
static void
answer_ixfr(struct answer *a)
{
	const struct dns_zone *z = dns_view_zone_named(a->view, &a->q->qname);

	if (z && z->no_data) {
		a->rcode = DNS_SERVFAIL;
		a->class = DNS_LIMIT_ERROR;
	} else if (z) {
		a->flags |= DNS_AA;
		put_set(a, dns_node_set(z->apex, DNS_SOA));
	} else {
		a->rcode = DNS_NOTAUTH;
		a->class = DNS_LIMIT_ERROR;
	}
}

/* RFC 1996 section 3.11: from a primary; what it says about serials is not believed, the main thread
 * asks for itself. */
static void
answer_notify(struct answer *a, const struct dns_key *key)
{
	struct pol_addr from = pol_addr_from_bytes(a->client->family, a->client->address);
	const struct dns_zone_rule *r = a->q->qclass == DNS_CLASS_IN && a->q->qtype == DNS_SOA
						? dns_view_rule_of(a->view, &a->q->qname)
						: NULL;

	if (r && r->told && dns_allow_has(&r->notify, &from, key)) {
		a->flags |= DNS_AA;
		a->ctx->counters.notify_taken++;
		dns_told_push(r->told);
	} else {
		a->rcode = r && r->told ? DNS_REFUSED : DNS_NOTAUTH;
		a->class = DNS_LIMIT_ERROR;
		a->ctx->counters.notify_refused++;
	}
}

static void
answer_question(struct answer *a)
{
	const struct dns_query *q = a->q;

	if (q->qclass == DNS_CLASS_CH) {
		answer_chaos(a);
	} else if (q->qclass != DNS_CLASS_IN) {
		a->rcode = DNS_REFUSED;
		a->class = DNS_LIMIT_ERROR;
	} else if (q->qtype == DNS_OPT || q->qtype == DNS_NXNAME || !q->qtype) {
		/* NXNAME: RFC 9824 section 3.5. */
		a->rcode = DNS_FORMERR;
		a->class = DNS_LIMIT_ERROR;
	} else if (q->qtype == DNS_IXFR) {
		answer_ixfr(a);
	} else if (q->qtype >= 128 && q->qtype < DNS_ANY) {
		/* Questions that are no data (RFC 6895 section 3.1): TKEY, transfers over UDP,
		 * MAILA. */
		a->rcode = DNS_NOTIMP;
		a->class = DNS_LIMIT_ERROR;
	} else {
		answer_name(a);
	}
}

static void
count_rcode(struct dns_counters *c, unsigned rcode)
{
	switch (rcode) {
	case DNS_NOERROR:
		c->answers_noerror++;
		break;
	case DNS_FORMERR:
		c->answers_formerr++;
		break;
	case DNS_SERVFAIL:
		c->answers_servfail++;
		break;
	case DNS_NXDOMAIN:
		c->answers_nxdomain++;
		break;
	case DNS_NOTIMP:
		c->answers_notimp++;
		break;
	case DNS_REFUSED:
		c->answers_refused++;
		break;
	case DNS_BADVERS:
		c->answers_badvers++;
		break;
	default:
		c->answers_other++;
		break;
	}
}

/* False: the answer is not sent.  Maybe it is cut instead, so that a real client comes back over
 * TCP. */
static bool
within_limit(struct answer *a, bool cookie_ok)
{
	const struct dns_view *v = a->view;

	if (!v->limiter || a->client->tcp || cookie_ok ||
	    dns_limiter_take(v->limiter, a->client, a->class, a->ctx->mono_ms))
		return true;
	if (v->limit_slip && ++a->ctx->n_limited % v->limit_slip == 0) {
		a->ctx->counters.limited_slipped++;
		if (!(a->flags & DNS_TC))
			answer_truncate(a);
		return true;
	}
	a->ctx->counters.limited_dropped++;
	return false;
}

static void
put_header(const struct answer *a)
{
	uint16_t echoed = a->q->flags & (DNS_OPCODE | DNS_RD | DNS_CD);

	dns_put16(a->out, a->q->id);
	dns_put16(a->out + 2, DNS_QR | echoed | a->flags | (a->rcode & DNS_RCODE));
	dns_put16(a->out + 4, a->q->question_size ? 1 : 0);
	dns_put16(a->out + 6, a->n[0]);
	dns_put16(a->out + 8, a->n[1]);
	dns_put16(a->out + 10, a->n[2] + a->q->has_opt);
}

static void
count_query(struct dns_context *ctx, const struct dns_client *c, size_t size)
{
	if (c->tcp)
		*(c->family == 4 ? &ctx->counters.queries_tcp4 : &ctx->counters.queries_tcp6) += 1;
	else
		*(c->family == 4 ? &ctx->counters.queries_udp4 : &ctx->counters.queries_udp6) += 1;
	ctx->counters.bytes_in += size;
}

enum dns_verdict
dns_answer(const struct dns_view *v, struct dns_context *ctx, const struct dns_client *client,
	   const uint8_t *msg, size_t size, uint8_t *out, size_t *ret_size)
{
	struct dns_query q;
	struct answer a;
	enum dns_parse parsed = dns_query_parse(&q, msg, size);
	bool cookie_ok = false;
	size_t opt_size, limit, tsig_size = 0;
	struct dns_tsig tsig;

	if (!ctx->why_text) /* else it is asked again */
		count_query(ctx, client, size);
	a.view = v;
	a.ctx = ctx;
	a.client = client;
	a.q = &q;
	a.out = out;
	a.flags = a.rcode = 0;
	a.n[0] = a.n[1] = a.n[2] = 0;
	a.scope = 0;
	a.is_located = a.has_subnet = false;
	a.class = DNS_LIMIT_ANSWER;
	switch (parsed) {
	case DNS_PARSE_SHORT:
		ctx->counters.dropped_short++;
		return DNS_DROP;
	case DNS_PARSE_RESPONSE:
		ctx->counters.dropped_response++;
		return DNS_DROP;
	case DNS_PARSE_FORMERR:
		a.rcode = DNS_FORMERR;
		/* Its options are not to be trusted. */
		q.ecs.present = q.cookie.present = q.nsid = false;
		break;
	case DNS_PARSE_NOTIMP:
		a.rcode = DNS_NOTIMP;
		break;
	case DNS_PARSE_BADVERS:
		a.rcode = DNS_BADVERS;
		break;
	case DNS_PARSE_OK:
	case DNS_PARSE_NO_QUESTION:
		break;
	}
	if (parsed == DNS_PARSE_OK && client->tcp && !q.notify && q.qclass == DNS_CLASS_IN &&
	    (q.qtype == DNS_AXFR || q.qtype == DNS_IXFR))
		return DNS_TRANSFER;
	if (parsed == DNS_PARSE_OK && q.tsig_at) {
		if (!dns_tsig_verify(&tsig, v->keys, &q, ctx->wall_s)) {
			parsed = DNS_PARSE_FORMERR;
			a.rcode = DNS_FORMERR;
		} else {
			tsig_size = dns_tsig_size(&tsig);
			if (tsig.error) /* RFC 8945 section 5.2 */
				a.rcode = DNS_NOTAUTH;
		}
	}
	opt_size = dns_edns_size(v, &q);
	if (client->tcp)
		limit = DNS_MESSAGE_MAX;
	else
		limit = q.udp_size < v->udp_limit ? q.udp_size : v->udp_limit;
	memcpy(out + DNS_HEADER_SIZE, msg + DNS_HEADER_SIZE, q.question_size);
	a.size = DNS_HEADER_SIZE + q.question_size;
	/* No room for both: then there is none for the answer. */
	a.limit = limit > opt_size + tsig_size ? limit - opt_size - tsig_size : 0;
	if (q.has_opt)
		ctx->counters.edns++;
	if (q.ecs.present)
		ctx->counters.ecs++;
	if (parsed == DNS_PARSE_OK || parsed == DNS_PARSE_NO_QUESTION) {
		if (q.cookie.present)
			cookie_ok = dns_cookie_is_valid(v, &q, ctx, client);
		if (parsed == DNS_PARSE_OK && !a.rcode && q.notify)
			answer_notify(&a, tsig_size ? tsig.key : NULL);
		else if (parsed == DNS_PARSE_OK && !a.rcode && q.qclass == DNS_CLASS_CH && dns_why_is_asked(&q)) {
			if (answer_why(&a, tsig_size ? tsig.key : NULL))
				return DNS_WHY;
		} else if (parsed == DNS_PARSE_OK && !a.rcode)
			answer_question(&a);
	} else {
		a.class = DNS_LIMIT_ERROR;
	}
	if (ctx->ready)
		ctx->ready->limit_class = a.class;
	if (!within_limit(&a, cookie_ok))
		return DNS_DROP;
	put_header(&a);
	if (q.has_opt) {
		dns_edns_put(v, &q, ctx, client, a.rcode, a.scope, out + a.size);
		a.size += opt_size;
		/* Only where nobody can read it: RFC 7830 section 6. */
		if (client->tls && q.padding)
			a.size = dns_edns_pad(out, a.size, opt_size, tsig_size);
	}
	if (tsig_size)
		a.size = dns_tsig_sign(&tsig, out, a.size, ctx->wall_s);
	ctx->counters.answers++;
	ctx->counters.bytes_out += a.size;
	count_rcode(&ctx->counters, a.rcode);
	*ret_size = a.size;
	return DNS_SEND;
}
