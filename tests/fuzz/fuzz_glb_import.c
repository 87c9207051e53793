// SPDX-License-Identifier: Apache-2.0
/* Configurations of other balancers: no crash, and what is taken makes JSON that the writer of documents reads. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "glb/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = wf_xmalloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	for (unsigned kind = 0; kind < 3; kind++) {
		struct wf_str wanted = WF_STR_INIT, config = WF_STR_INIT, notes = WF_STR_INIT;
		struct wf_err err = { "" };

		if (!glb_import((enum glb_import_kind)kind, "in", text, &wanted, &config, &notes, &err)) {
			json_t *a = json_loads(wf_str_cstr(&wanted), 0, NULL), *b = json_loads(wf_str_cstr(&config), 0, NULL);

			if (!a || !b)
				abort();
			json_decref(a);
			json_decref(b);
		}
		wf_str_done(&wanted);
		wf_str_done(&config);
		wf_str_done(&notes);
	}
	free(text);
	return 0;
}
