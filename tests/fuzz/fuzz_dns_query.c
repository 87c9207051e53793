// SPDX-License-Identifier: Apache-2.0
/* A query to a fixed set of zones, over UDP and over TCP: an answer obeys its limit, is no longer than
 * what the client takes, has the query's id, and ldns can read it. */
#include <ldns/ldns.h>
#include <stdlib.h>

#include "base/buf.h"
#include "dns/answer/answer.h"
#include "dns/answer/rule.h"
#include "dns/answer/transfer.h"
#include "dns/wire/message.h"
#include "dns/zone/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char zone_text[] =
	"$TTL 300\n@ SOA ns a 1 1 1 1 1\n@ NS ns\n@ MX 10 mail\nns A 192.0.2.1\nmail AAAA 2001:db8::1\n"
	"www A 192.0.2.80\nalias CNAME www\nloop CNAME loop\n*.wild CNAME www\n*.w2 MX 5 mail\n"
	"d DNAME wild\nsub NS ns.sub\nns.sub A 192.0.2.53\nlong DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.d\n"
	"$GENERATE 1-90 many A 192.0.2.$\n";

static void
wake(void)
{
}

static struct dns_told_queue queue = { .wake = wake };
static struct dns_told told = { .queue = &queue };

static struct dns_view *
make_view(void)
{
	struct dns_view *v = dns_view_new();
	struct dns_name apex;
	struct dns_zone_rule *rule;
	struct dns_zone *z;

	if (dns_name_from_text(&apex, "example.com.", NULL, NULL) ||
	    dns_zone_load_text(&apex, "zone", zone_text, sizeof zone_text - 1, &z, NULL, NULL) ||
	    dns_view_add_zone(v, z))
		abort();
	v->cookies = true;
	v->keys = wf_xzalloc(sizeof *v->keys);
	if (dns_name_from_text(&v->keys->name, "key.", NULL, NULL) || !dns_key_set_secret(v->keys, "c2VjcmV0"))
		abort();
	v->keys->algorithm = DNS_HMAC_SHA256;
	rule = wf_xzalloc(sizeof *rule);
	rule->transfer.exists = rule->notify.exists = true;
	rule->told = &told;
	dns_view_set_rule(v, &apex, rule);
	v->why = wf_xzalloc(sizeof *v->why);
	v->why->exists = true;
	v->nsid_size = 4;
	return v;
}

static void
run_transfer(const struct dns_view *view, struct dns_context *ctx, const struct dns_client *client,
	     const uint8_t *data, size_t size, uint8_t *out)
{
	size_t n = 0;
	struct dns_transfer *t = dns_transfer_begin(view, ctx, client, data, size, out, &n);

	if (!t && n < DNS_HEADER_SIZE)
		abort();
	while (t && (n = dns_transfer_next(t, ctx, out))) {
		ldns_pkt *p = NULL;

		if (ldns_wire2pkt(&p, out, n) != LDNS_STATUS_OK)
			abort();
		ldns_pkt_free(p);
	}
	dns_transfer_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_view *view;
	static struct dns_context ctx;
	static uint8_t out[DNS_MESSAGE_MAX];
	struct dns_name name;

	if (!view)
		view = make_view();
	if (size > DNS_MESSAGE_MAX)
		return 0;
	for (int tcp = 0; tcp < 2; tcp++) {
		struct dns_client client = { .family = 6, .tcp = tcp };
		ldns_pkt *p = NULL;
		size_t n = 0;

		switch (dns_answer(view, &ctx, &client, data, size, out, &n)) {
		case DNS_DROP:
			continue;
		case DNS_TRANSFER:
			run_transfer(view, &ctx, &client, data, size, out);
			continue;
		case DNS_WHY:
			ctx.why_text = "a line\n\nand another";
			if (dns_answer(view, &ctx, &client, data, size, out, &n) != DNS_SEND)
				abort();
			ctx.why_text = NULL;
			break;
		case DNS_SEND:
			break;
		}
		if (n < DNS_HEADER_SIZE || memcmp(out, data, 2) || !(out[2] & 0x80))
			abort();
		if (!tcp && n > DNS_UDP_LIMIT)
			abort();
		if (ldns_wire2pkt(&p, out, n) != LDNS_STATUS_OK)
			abort();
		ldns_pkt_free(p);
	}
	/* Names with pointers, as transfers have them. */
	for (size_t at = 0; at < size && at < 64; at++) {
		size_t behind = dns_read_name(data, size, at, &name);

		if (behind && (behind > size || behind != dns_skip_name(data, size, at)))
			abort();
	}
	return 0;
}
