// SPDX-License-Identifier: Apache-2.0
#include "dns/wire/message.h"

size_t
dns_skip_name(const uint8_t *msg, size_t size, size_t at)
{
	size_t end = at + DNS_NAME_MAX;

	if (end > size)
		end = size;
	while (at < end) {
		unsigned l = msg[at];

		if (!l)
			return at + 1;
		if (l >= 0xc0)
			return at + 2 <= size ? at + 2 : 0;
		if (l > DNS_LABEL_MAX)
			return 0;
		at += 1 + l;
	}
	return 0;
}

size_t
dns_expand_name(const uint8_t *msg, size_t size, size_t at, uint8_t *wire, size_t *ret_size)
{
	size_t n = 0, behind = 0, limit = at;

	for (;;) {
		unsigned l;

		if (at >= size)
			return 0;
		l = msg[at];
		if (l >= 0xc0) {
			size_t to;

			if (at + 2 > size)
				return 0;
			to = dns_get16(msg + at) & 0x3fff;
			if (!behind)
				behind = at + 2;
			/* Each pointer goes back behind the piece that it ends, so that there is no
			 * loop and no more pointers than bytes. */
			if (to >= limit)
				return 0;
			limit = at = to;
			continue;
		}
		if (l > DNS_LABEL_MAX || n + 1 + l > DNS_NAME_MAX || at + 1 + l > size)
			return 0;
		memcpy(wire + n, msg + at, 1 + l);
		n += 1 + l;
		at += 1 + l;
		if (!l)
			break;
	}
	*ret_size = n;
	return behind ? behind : at;
}

size_t
dns_read_name(const uint8_t *msg, size_t size, size_t at, struct dns_name *ret)
{
	uint8_t wire[DNS_NAME_MAX];
	size_t n, behind = dns_expand_name(msg, size, at, wire, &n);

	return behind && dns_name_read_lower(ret, wire, n) ? behind : 0;
}

/* RFC 7871 section 6: the address is cut to the source length, in as few octets as that takes, with
 * zero bits behind; the scope of a query is 0; section 7.2.1: FORMERR for what is not so. */
static bool
parse_ecs(struct dns_ecs *e, const uint8_t *p, size_t size)
{
	unsigned n, max;

	if (e->present || size < 4)
		return false;
	e->present = true;
	e->family = dns_get16(p);
	e->source_len = p[2];
	if (p[3])
		return false;
	max = e->family == 1 ? 32 : e->family == 2 ? 128 : 0;
	/* Family 0 with length 0 is what dig +subnet=0 sends to opt out. */
	if (e->family > 2 || e->source_len > max)
		return false;
	n = (e->source_len + 7) / 8;
	if (size != 4 + n)
		return false;
	memset(e->address, 0, sizeof e->address);
	memcpy(e->address, p + 4, n);
	if (e->source_len % 8 && e->address[n - 1] & (0xff >> e->source_len % 8))
		return false;
	return true;
}

/* RFC 7873 section 5.2.2: a client cookie of 8 bytes and a server cookie of 8 to 32 or none; else
 * FORMERR.  Of several the first counts (section 5.2). */
static bool
parse_cookie(struct dns_cookie *c, const uint8_t *p, size_t size)
{
	if (size != 8 && (size < 16 || size > 40))
		return false;
	if (c->present)
		return true;
	c->present = true;
	memcpy(c->client, p, 8);
	c->server_size = size - 8;
	memcpy(c->server, p + 8, size - 8);
	return true;
}

static bool
parse_options(struct dns_query *q, const uint8_t *p, size_t size)
{
	while (size) {
		unsigned code, n;

		if (size < 4)
			return false;
		code = dns_get16(p);
		n = dns_get16(p + 2);
		p += 4;
		size -= 4;
		if (n > size)
			return false;
		switch (code) {
		case DNS_EDNS_ECS:
			if (!parse_ecs(&q->ecs, p, n))
				return false;
			break;
		case DNS_EDNS_COOKIE:
			if (!parse_cookie(&q->cookie, p, n))
				return false;
			break;
		case DNS_EDNS_NSID:
			q->nsid = true;
			break;
		case DNS_EDNS_PADDING:
			q->padding = true;
			break;
		}
		p += n;
		size -= n;
	}
	return true;
}

/* The records behind the question.  Returns false for FORMERR. */
static bool
parse_records(struct dns_query *q, size_t at)
{
	unsigned n_an = dns_get16(q->msg + 6), n_ns = dns_get16(q->msg + 8);
	unsigned n_ar = dns_get16(q->msg + 10);

	/* A query has no answers; IXFR puts its SOA into the authority section (RFC 1995 section
	 * 3), NOTIFY its own into the answer (RFC 1996 section 3.7), where nobody believes it. */
	if (n_an > q->notify || n_ns > (q->qtype == DNS_IXFR ? 1 : 0))
		return false;
	for (unsigned i = 0; i < n_an + n_ns + n_ar; i++) {
		size_t owner = at, rdata;
		unsigned type, rdlen;

		at = dns_skip_name(q->msg, q->size, at);
		if (!at || at + 10 > q->size)
			return false;
		type = dns_get16(q->msg + at);
		rdlen = dns_get16(q->msg + at + 8);
		rdata = at + 10;
		if (rdata + rdlen > q->size)
			return false;
		if (i < n_an + n_ns) {
			q->ns_record = i >= n_an;
		} else if (type == DNS_OPT) {
			/* One, owned by the root (RFC 6891 section 6.1.1). */
			if (q->has_opt || q->msg[owner])
				return false;
			q->has_opt = true;
			q->udp_size = dns_get16(q->msg + at + 2);
			if (q->udp_size < DNS_UDP_MIN)
				q->udp_size = DNS_UDP_MIN;
			q->edns_version = q->msg[at + 5];
			q->do_bit = q->msg[at + 6] & 0x80;
			q->co_bit = q->msg[at + 6] & 0x40; /* compact answers OK (RFC 9824 section 5) */
			if (!q->edns_version && !parse_options(q, q->msg + rdata, rdlen))
				return false;
		} else if (type == DNS_TSIG) {
			/* The last one (RFC 8945 section 5.1). */
			if (i + 1 != n_an + n_ns + n_ar)
				return false;
			q->tsig_at = owner;
		}
		at = rdata + rdlen;
	}
	return at == q->size;
}

enum dns_parse
dns_query_parse(struct dns_query *q, const uint8_t *msg, size_t size)
{
	unsigned n_questions;
	size_t at = DNS_HEADER_SIZE, n;

	if (size < DNS_HEADER_SIZE)
		return DNS_PARSE_SHORT;
	q->msg = msg;
	q->size = size;
	q->id = dns_get16(msg);
	q->flags = dns_get16(msg + 2);
	q->qtype = q->qclass = 0;
	q->question_size = 0;
	q->has_opt = q->do_bit = q->co_bit = q->nsid = q->padding = q->ns_record = false;
	q->edns_version = 0;
	q->udp_size = DNS_UDP_MIN;
	q->ecs.present = q->cookie.present = false;
	q->cookie.server_size = 0;
	q->tsig_at = 0;
	q->qname.size = q->qname.n_labels = 0;
	if (q->flags & DNS_QR)
		return DNS_PARSE_RESPONSE;
	/* The question of NOTIFY is that of a query; the other opcodes are not looked into. */
	q->notify = (q->flags & DNS_OPCODE) >> 11 == DNS_OP_NOTIFY;
	if (!q->notify && (q->flags & DNS_OPCODE) >> 11 != DNS_OP_QUERY)
		return DNS_PARSE_NOTIMP;
	n_questions = dns_get16(msg + 4);
	if (n_questions > 1) /* RFC 9619 section 4 */
		return DNS_PARSE_FORMERR;
	if (n_questions) {
		n = dns_name_read_lower(&q->qname, msg + at, size - at);
		if (!n || at + n + 4 > size)
			return DNS_PARSE_FORMERR;
		q->qtype = dns_get16(msg + at + n);
		q->qclass = dns_get16(msg + at + n + 2);
		q->question_size = n + 4;
		at += n + 4;
	}
	if (at == size && !dns_get32(msg + 6) && !dns_get16(msg + 10))
		return n_questions ? DNS_PARSE_OK : DNS_PARSE_FORMERR;
	if (!parse_records(q, at))
		return DNS_PARSE_FORMERR;
	if (q->edns_version)
		return DNS_PARSE_BADVERS;
	if (!n_questions)
		return q->cookie.present ? DNS_PARSE_NO_QUESTION : DNS_PARSE_FORMERR;
	return DNS_PARSE_OK;
}
