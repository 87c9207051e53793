// SPDX-License-Identifier: Apache-2.0
/* The two files of a DNSSEC key, parted by a NUL: read or refused with a reason. */
#include <stdlib.h>
#include <string.h>

#include "dns/sign/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = wf_xmalloc(size + 2), *key;
	struct dns_sign_key *k = NULL;
	struct wf_err err = { "" };
	struct dns_name apex;
	uint8_t ds[DNS_DS_SIZE];

	memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	key = text + strlen(text) + 1;
	dns_name_from_text(&apex, "example.net.", NULL, NULL);
	if (dns_sign_key_parse(&apex, text, key, &k, &err)) {
		if (!err.text[0])
			abort();
	} else {
		if (k->dnskey_size < 36 || !k->secret)
			abort();
		dns_sign_key_ds(k, ds);
		dns_sign_key_free(k);
	}
	free(text);
	return 0;
}
