// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/ready.h"

#include "dns/answer/find.h"
#include "dns/answer/limit.h"

#define OPT_SIZE 11

/* Types that are questions rather than data, and records that belong to others. */
static bool
is_plain(unsigned type)
{
	return type && type < DNS_NXNAME && type != DNS_OPT && type != DNS_SIG && type != DNS_RRSIG &&
	       type != DNS_NSEC && type != DNS_NSEC3;
}

uint32_t
dns_ready_choice(const struct dns_view *v, const struct dns_name *name, unsigned type)
{
	uint64_t hash[DNS_LABELS_MAX + 1];
	const struct dns_rrset *set;
	struct dns_find f;

	dns_name_hash_suffixes(name, hash);
	if (dns_find(v, name, hash, type, &f) != DNS_FOUND_NODE)
		return 0;
	set = dns_node_set(f.node, type);
	set = set ? set : dns_node_set(f.node, DNS_CNAME);
	return set ? set->chosen : 0;
}

struct ask {
	struct dns_view view; /* with limits of its own */
	struct dns_context *ctx;
	const struct dns_name *name;
	unsigned type;
	bool do_bit;
	uint8_t out[DNS_UDP_ROOM];
	size_t size; /* between question and OPT */
};

/* The answer where so many bytes are allowed behind the question. */
static bool
ask(struct ask *k, size_t room)
{
	static const struct dns_client client = { .family = 4, .address = { 127, 0, 0, 1 } };
	uint8_t msg[DNS_HEADER_SIZE + DNS_NAME_MAX + 4 + OPT_SIZE] = { 0 };
	size_t question = k->name->size + 4, at = DNS_HEADER_SIZE + question, size;

	k->view.udp_limit = DNS_HEADER_SIZE + question + OPT_SIZE + room;
	msg[5] = msg[11] = 1;
	memcpy(msg + DNS_HEADER_SIZE, k->name->wire, k->name->size);
	dns_put16(msg + at - 4, k->type);
	dns_put16(msg + at - 2, DNS_CLASS_IN);
	dns_put16(msg + at + 1, DNS_OPT);
	dns_put16(msg + at + 3, DNS_UDP_ROOM);
	msg[at + 7] = k->do_bit ? 0x80 : 0;
	if (dns_answer(&k->view, k->ctx, &client, msg, at + OPT_SIZE, k->out, &size) != DNS_SEND ||
	    size < at + OPT_SIZE)
		return false;
	k->size = size - at - OPT_SIZE;
	return true;
}

static bool
is_cut(const struct ask *k)
{
	return k->out[2] & DNS_TC >> 8;
}

/* When the first signature in the answer ends. */
static bool
first_end(const struct ask *k, uint64_t *ret)
{
	size_t at = DNS_HEADER_SIZE + k->name->size + 4, end = at + k->size;
	unsigned n = dns_get16(k->out + 6) + dns_get16(k->out + 8) + dns_get16(k->out + 10) - 1;

	*ret = 0;
	for (unsigned i = 0; i < n; i++) {
		unsigned type, rdlen;

		at = dns_skip_name(k->out, end, at);
		if (!at || at + 10 > end)
			return false;
		type = dns_get16(k->out + at);
		rdlen = dns_get16(k->out + at + 8);
		at += 10;
		if (at + rdlen > end)
			return false;
		if (type == DNS_RRSIG && rdlen >= 18) {
			uint32_t ends = dns_get32(k->out + at + 8);

			if (!*ret || ends < *ret)
				*ret = ends;
		}
		at += rdlen;
	}
	return at == end;
}

/* How it shrinks: to a beginning of itself, then to nothing and TC=1. */
static bool
find_cut(struct ask *k, struct dns_ready *r)
{
	if (!ask(k, r->size - 1u))
		return false;
	if (!is_cut(k)) {
		if (k->size >= r->size || memcmp(k->out + DNS_HEADER_SIZE + k->name->size + 4, r->bytes, k->size) ||
		    dns_get16(k->out + 6) != r->n[0] || dns_get16(k->out + 8) != r->n[1])
			return false;
		r->need_size = k->size;
		r->n_additional_needed = dns_get16(k->out + 10) - 1;
		if (k->size && !ask(k, k->size - 1u))
			return false;
	}
	return is_cut(k) && !k->size;
}

bool
dns_ready_make(const struct dns_view *v, struct dns_context *ctx, const struct dns_name *name, unsigned type,
	       bool do_bit, uint32_t choice, uint32_t set, struct dns_ready *r)
{
	struct dns_ready_want want = { .choice = choice, .set = set };
	struct ask k = { .view = *v, .ctx = ctx, .name = name, .type = type, .do_bit = do_bit };
	uint64_t n_signed = ctx->counters.answers_signed;
	size_t front = DNS_HEADER_SIZE + name->size + 4u + OPT_SIZE;
	bool ok;

	if (!is_plain(type))
		return false;
	k.view.limiter = NULL;
	ctx->ready = &want;
	ok = ask(&k, v->udp_limit - front) && !(k.out[3] & DNS_RCODE) && !k.out[DNS_HEADER_SIZE + name->size + 4 + k.size + 5];
	r->is_signed = ctx->counters.answers_signed != n_signed;
	r->limit_class = want.limit_class;
	if (ok) {
		r->flags = dns_get16(k.out + 2) & DNS_AA;
		r->n[0] = dns_get16(k.out + 6);
		r->n[1] = dns_get16(k.out + 8);
		r->n[2] = r->n_additional_needed = dns_get16(k.out + 10) - 1;
		r->size = r->need_size = k.size;
		memcpy(r->bytes, k.out + DNS_HEADER_SIZE + name->size + 4, k.size);
		ok = first_end(&k, &r->not_after_s);
		if (is_cut(&k)) {
			r->size = r->need_size = DNS_READY_NEVER;
			r->may_cut = true;
		} else {
			r->may_cut = r->size && find_cut(&k, r);
		}
		/* What is not there is proved by records that are made for the name, or not, as the time allows. */
		if (r->is_signed && !r->n[0])
			ok = false;
		if (r->is_signed && !r->not_after_s)
			ok = false; /* no signature could be made */
	}
	ctx->ready = NULL;
	return ok && !want.n_others;
}
