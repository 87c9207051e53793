// SPDX-License-Identifier: Apache-2.0
#include "dns/answer/edns.h"

#include "dns/wire/siphash.h"

/* RFC 9018 section 4.3: a cookie is good for an hour, and five minutes of clock difference are
 * allowed; one older than half an hour is renewed. */
#define COOKIE_LIFE_S   3600
#define COOKIE_FUTURE_S 300
#define COOKIE_SIZE     16 /* version, reserved, time, hash */

/* RFC 9018 section 4: hash over client cookie, version, reserved, time and client address. */
static void
make_cookie(const uint8_t secret[16], const struct dns_query *q, const struct dns_client *c,
	    uint32_t time_s, uint8_t cookie[COOKIE_SIZE])
{
	size_t address_size = c->family == 4 ? 4 : 16;
	uint8_t in[8 + 8 + 16];
	uint64_t h;

	cookie[0] = 1;
	cookie[1] = cookie[2] = cookie[3] = 0;
	dns_put32(cookie + 4, time_s);
	memcpy(in, q->cookie.client, 8);
	memcpy(in + 8, cookie, 8);
	memcpy(in + 16, c->address, address_size);
	h = htole64(dns_siphash(secret, in, 16 + address_size));
	memcpy(cookie + 8, &h, 8);
}

bool
dns_cookie_is_valid(const struct dns_view *v, const struct dns_query *q, struct dns_context *ctx,
		    const struct dns_client *c)
{
	uint8_t want[COOKIE_SIZE];
	uint32_t then;
	int32_t age;

	if (!q->cookie.present || !v->cookies)
		return false;
	if (!q->cookie.server_size) {
		ctx->counters.cookie_client_only++;
		return false;
	}
	then = dns_get32(q->cookie.server + 4);
	age = (int32_t)(ctx->wall_s - then); /* serial number arithmetic (RFC 1982) */
	if (q->cookie.server_size == COOKIE_SIZE && q->cookie.server[0] == 1 &&
	    age <= COOKIE_LIFE_S && age >= -COOKIE_FUTURE_S)
		for (int i = 0; i < 2; i++) {
			uint8_t diff = 0;

			make_cookie(v->cookie_secret[i], q, c, then, want);
			/* In the same time wherever it differs. */
			for (int k = 8; k < COOKIE_SIZE; k++)
				diff |= want[k] ^ q->cookie.server[k];
			if (!diff) {
				ctx->counters.cookie_valid++;
				return true;
			}
		}
	ctx->counters.cookie_bad++;
	return false;
}

static bool
sends_cookie(const struct dns_view *v, const struct dns_query *q)
{
	return v->cookies && q->cookie.present;
}

size_t
dns_edns_size(const struct dns_view *v, const struct dns_query *q)
{
	size_t n = 11;

	if (!q->has_opt)
		return 0;
	if (q->nsid && v->nsid_size)
		n += 4 + v->nsid_size;
	if (q->ecs.present)
		n += 8 + (q->ecs.source_len + 7) / 8;
	if (sends_cookie(v, q))
		n += 4 + 8 + COOKIE_SIZE;
	return n;
}

void
dns_edns_put(const struct dns_view *v, const struct dns_query *q, const struct dns_context *ctx,
	     const struct dns_client *c, unsigned rcode, unsigned scope, uint8_t *p)
{
	size_t size = dns_edns_size(v, q);

	p[0] = 0;
	dns_put16(p + 1, DNS_OPT);
	dns_put16(p + 3, v->udp_limit);
	p[5] = rcode >> 4;
	p[6] = 0; /* version */
	p[7] = q->do_bit ? 0x80 : 0; /* RFC 3225 section 3: copied */
	p[8] = 0;
	dns_put16(p + 9, size - 11);
	p += 11;
	if (q->nsid && v->nsid_size) {
		dns_put16(p, DNS_EDNS_NSID);
		dns_put16(p + 2, v->nsid_size);
		memcpy(p + 4, v->nsid, v->nsid_size);
		p += 4 + v->nsid_size;
	}
	if (q->ecs.present) {
		unsigned n = (q->ecs.source_len + 7) / 8;

		/* Family, source length and address are those of the query (RFC 7871
		 * section 7.2.1). */
		dns_put16(p, DNS_EDNS_ECS);
		dns_put16(p + 2, 4 + n);
		dns_put16(p + 4, q->ecs.family);
		p[6] = q->ecs.source_len;
		p[7] = scope;
		memcpy(p + 8, q->ecs.address, n);
		p += 8 + n;
	}
	if (sends_cookie(v, q)) {
		dns_put16(p, DNS_EDNS_COOKIE);
		dns_put16(p + 2, 8 + COOKIE_SIZE);
		memcpy(p + 4, q->cookie.client, 8);
		make_cookie(v->cookie_secret[0], q, c, ctx->wall_s, p + 12);
	}
}

#define PADDED_TO 468

size_t
dns_edns_pad(uint8_t *msg, size_t size, size_t opt_size, size_t more)
{
	uint8_t *rdlen = msg + size - opt_size + 9, *p = msg + size;
	size_t over = (size + 4 + more) % PADDED_TO, n = over ? PADDED_TO - over : 0;

	if (size + 4 + n + more > DNS_MESSAGE_MAX)
		return size;
	dns_put16(rdlen, dns_get16(rdlen) + 4 + n);
	dns_put16(p, DNS_EDNS_PADDING);
	dns_put16(p + 2, n);
	memset(p + 4, 0, n);
	return size + 4 + n;
}
