// SPDX-License-Identifier: Apache-2.0
/* The parser of the path in the driver: whatever it takes the sockets' parser takes too and reads alike, so that who
 * answers makes no difference. */
#include <stdint.h>
#include <stdlib.h>

#include "bpf/dns_parse.h"
#include "dns/wire/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
want(bool ok)
{
	if (!ok)
		abort();
}

/* The sum of the bytes from an even offset, the slow way. */
static uint32_t
sum_of(const uint8_t *p, size_t size)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? p[i] << 8 : p[i];
	return dns_x_fold(sum);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_x_query x;
	struct dns_query q;

	if (size > DNS_X_MSG_MAX)
		return 0;
	/* What was there before does not matter. */
	memset(&x, 0xa5, sizeof x);
	memcpy(x.msg, data, size);
	x.size = size;
	if (dns_x_parse(&x, 1))
		return 0;
	want(dns_query_parse(&q, data, size) == DNS_PARSE_OK);
	want(!q.notify && !q.tsig_at && !q.nsid && !q.padding && !q.co_bit && q.qclass == DNS_CLASS_IN);
	want(x.qtype == q.qtype && x.name_size == q.qname.size && x.name_size < DNS_X_NAME);
	want(!memcmp(x.name, q.qname.wire, q.qname.size));
	for (size_t i = q.qname.size; i < DNS_X_NAME; i++)
		want(!((const uint8_t *)x.name)[i]);
	want(q.question_size == x.name_size + 4);
	/* Two sums of the same bytes may differ as 0 and 0xffff do. */
	want(x.question_sum % 0xffff == sum_of(data + DNS_HEADER_SIZE, q.question_size) % 0xffff);
	want(x.has_opt == q.has_opt && x.do_bit == q.do_bit && x.udp_size == q.udp_size);
	want(!x.ecs_at == !q.ecs.present && !x.cookie_at == !q.cookie.present);
	if (x.ecs_at) {
		const uint8_t *e = data + x.ecs_at;
		size_t n = (q.ecs.source_len + 7) / 8;

		want(x.ecs_size == 4 + n && dns_get16(e) == q.ecs.family && e[2] == q.ecs.source_len);
		want(!memcmp(e + 4, q.ecs.address, n));
	}
	if (x.cookie_at)
		want(!memcmp(data + x.cookie_at, q.cookie.client, 8) && x.server_size == q.cookie.server_size &&
		     !memcmp(data + x.cookie_at + 8, q.cookie.server, x.server_size));
	return 0;
}
