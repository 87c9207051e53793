// SPDX-License-Identifier: Apache-2.0
/* NAME.TYPE.why.weft. CH TXT, for operators: what 'weftctl dns why' prints, a record a line. */
#include <string.h>

#include "dns/answer/internal.h"
#include "dns/answer/rule.h"
#include "dns/answer/why.h"
#include "dns/zone/load.h"

static const uint8_t why_suffix[] = "\x03why\x04weft";

bool
dns_why_is_asked(const struct dns_query *q)
{
	const struct dns_name *n = &q->qname;

	return q->qclass == DNS_CLASS_CH && q->qtype == DNS_TXT && n->n_labels >= 3 &&
	       n->size - n->at[n->n_labels - 2] == sizeof why_suffix &&
	       !memcmp(n->wire + n->at[n->n_labels - 2], why_suffix, sizeof why_suffix);
}

bool
dns_why_read(struct dns_why_question *to, const struct dns_query *q, const struct dns_client *client)
{
	const struct dns_name *n = &q->qname;
	const uint8_t *type = n->wire + n->at[n->n_labels - 3];
	uint8_t wire[DNS_NAME_MAX + 1] = { 0 };
	size_t size = n->at[n->n_labels - 3];
	char text[64];

	if (!dns_why_is_asked(q))
		return false;
	memset(to, 0, sizeof *to);
	memcpy(wire, n->wire, size);
	snprintf(text, sizeof text, "%.*s", type[0], (const char *)type + 1);
	to->qtype = dns_type_from_text(text);
	to->client = *client;
	/* A source length of 0 asks for the asker's own place, as in other queries (RFC 7871 section 7.1.2). */
	if (q->ecs.present && q->ecs.source_len) {
		to->client.family = q->ecs.family == 1 ? 4 : 6;
		memset(to->client.address, 0, sizeof to->client.address);
		memcpy(to->client.address, q->ecs.address, to->client.family == 4 ? 4 : 16);
		to->has_prefix = true;
		to->prefix_len = q->ecs.source_len;
	}
	return to->qtype && dns_name_read_lower(&to->qname, wire, size + 1);
}

/* Lines as records; a string of one has 255 bytes.  What does not fit a message is left out. */
static void
put_text(struct answer *a, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n"), n_strings = n ? (n + 254) / 255 : 1;
		size_t data = n + n_strings;
		uint8_t *p = a->out + a->size;

		if (data > UINT16_MAX || a->size + 12 + data > a->limit)
			return;
		dns_put16(p, 0xc000 | DNS_HEADER_SIZE);
		dns_put16(p + 2, DNS_TXT);
		dns_put16(p + 4, DNS_CLASS_CH);
		dns_put32(p + 6, 0);
		dns_put16(p + 10, data);
		p += 12;
		for (size_t at = 0; n_strings--; at += 255) {
			size_t part = n - at < 255 ? n - at : 255;

			*p++ = part;
			for (size_t i = 0; i < part; i++) /* clients print others as \009 */
				*p++ = text[at + i] == '\t' ? ' ' : text[at + i];
		}
		a->size += 12 + data;
		a->n[0]++;
		text += n + (text[n] == '\n');
	}
}

bool
answer_why(struct answer *a, const struct dns_key *key)
{
	struct pol_addr from = pol_addr_from_bytes(a->client->family, a->client->address);
	struct dns_why_question question;

	if (!a->view->why || !dns_allow_has(a->view->why, &from, key)) {
		a->rcode = DNS_REFUSED;
		a->class = DNS_LIMIT_ERROR;
		a->ctx->counters.why_refused++;
	} else if (!dns_why_read(&question, a->q, a->client)) {
		a->rcode = DNS_NXDOMAIN;
		a->class = DNS_LIMIT_NXDOMAIN;
	} else if (!a->client->tcp) {
		answer_truncate(a);
	} else if (!a->ctx->why_text) {
		return true;
	} else {
		a->flags |= DNS_AA;
		a->ctx->counters.why_answered++;
		put_text(a, a->ctx->why_text);
	}
	return false;
}
