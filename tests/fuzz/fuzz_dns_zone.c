// SPDX-License-Identifier: Apache-2.0
/* A zone file, signed or not: it is loaded or refused with a reason, and a zone that was loaded answers,
 * also for names that it does not have, with the proofs that it has. */
#include <stdlib.h>
#include <string.h>

#include "dns/answer/answer.h"
#include "dns/zone/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ask(const struct dns_view *v, const struct dns_node *n, unsigned type, bool below)
{
	static struct dns_context ctx;
	static uint8_t out[DNS_MESSAGE_MAX];
	struct dns_client client = { .family = 4, .tcp = true };
	uint8_t q[DNS_HEADER_SIZE + 2 + DNS_NAME_MAX + 4 + 11] = { 0 };
	size_t at = DNS_HEADER_SIZE, size;

	if (below && n->name_size + 2 > DNS_NAME_MAX)
		return;
	q[5] = 1;
	if (below) {
		q[at++] = 1;
		q[at++] = 'm';
	}
	memcpy(q + at, n->name, n->name_size);
	at += n->name_size;
	dns_put16(q + at, type);
	q[at + 3] = 1;
	at += 4;
	dns_answer(v, &ctx, &client, q, at, out, &size);
	/* OPT with DO=1. */
	q[11] = 1;
	dns_put16(q + at + 1, DNS_OPT);
	q[at + 7] = 0x80;
	dns_answer(v, &ctx, &client, q, at + 11, out, &size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wf_str warnings = WF_STR_INIT;
	struct wf_err err = { "" };
	struct dns_zone *z = NULL;
	struct dns_view *v;
	struct dns_name apex;

	/* A few bytes of $GENERATE are many records: that is not what is looked for here. */
	for (size_t i = 0; i + 4 < size; i++)
		if (data[i] == '$' && (data[i + 1] | 0x20) == 'g' && size > i + 10 && memchr(data + i, '-', size - i))
			for (size_t k = i, digits = 0; k < size && data[k] != '\n'; k++) {
				digits = data[k] - '0' < 10u ? digits + 1 : 0;
				if (digits > 3)
					return 0;
			}
	dns_name_from_text(&apex, "example.com.", NULL, NULL);
	if (dns_zone_load_text(&apex, "zone", (const char *)data, size, &z, &warnings, &err)) {
		if (!err.text[0])
			abort();
		wf_str_done(&warnings);
		return 0;
	}
	v = dns_view_new();
	if (dns_view_add_zone(v, z))
		abort();
	for (size_t i = 0; i <= z->mask; i++) {
		struct dns_node *n = (void *)(uintptr_t)(z->slots[i] << 16 >> 16);

		for (unsigned k = 0; n && k < n->n_sets; k++)
			ask(v, n, n->sets[k].type, false);
		if (n)
			ask(v, n, DNS_A, false);
		if (n)
			ask(v, n, DNS_A, true);
	}
	dns_view_free(v);
	wf_str_done(&warnings);
	return 0;
}
