// SPDX-License-Identifier: Apache-2.0
/* What a primary sends: the input is a stream of messages as over TCP, each behind its length, once as
 * the answer to AXFR and once to IXFR; what becomes a zone can be walked and written. */
#include <stdlib.h>

#include "dns/answer/receive.h"
#include "dns/answer/tsig.h"
#include "dns/zone/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
feed(const struct dns_name *apex, const struct dns_zone *have, const uint8_t *data, size_t size)
{
	struct wf_err err = { "" };
	struct dns_zone *z = NULL;
	struct dns_receive r;
	int rc = 0;

	dns_receive_init(&r, apex, 0x1234, have);
	while (size >= 2 && !rc) {
		size_t n = dns_get16(data);

		data += 2;
		size -= 2;
		if (n > size)
			n = size;
		rc = dns_receive_message(&r, data, n, &err);
		data += n;
		size -= n;
	}
	if (rc == 1 && !dns_receive_finish(&r, &z, &err) && z) {
		if (!dns_node_set(z->apex, DNS_SOA))
			abort();
		dns_zone_keep_deltas(z, have, 1 << 20);
	} else if (rc < 0 && !err.text[0]) {
		abort();
	}
	dns_receive_done(&r);
	dns_zone_unref(z);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] = "$TTL 300\n@ SOA . . 7 0 0 0 0\na A 10.0.0.1\nb A 10.0.0.2\n";
	static struct dns_key key = { .algorithm = DNS_HMAC_SHA256, .secret_size = 4, .secret = "abcd" };
	static struct dns_zone *have;
	static struct dns_name apex;
	struct dns_tsig_reader reader;
	struct dns_tsig tsig;
	struct wf_err err;

	if (!have && (dns_name_from_text(&apex, "z.test.", NULL, NULL) ||
		      dns_name_from_text(&key.name, "xfr.", NULL, NULL) ||
		      dns_zone_load_text(&apex, "z", text, sizeof text - 1, &have, NULL, NULL)))
		abort();
	feed(&apex, NULL, data, size);
	feed(&apex, have, data, size);
	dns_tsig_init_query(&tsig, &key, 0x1234);
	dns_tsig_reader_init(&reader, &tsig);
	if (size > 2 && !dns_tsig_check_answer(&reader, data + 2, size - 2, 1000, &err))
		abort(); /* nobody guesses the secret */
	dns_tsig_reader_done(&reader);
	return 0;
}
