// SPDX-License-Identifier: Apache-2.0
/* Placement documents and wishes from outside: refused or taken, and what is taken is written and read back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "glb/placement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wf_str a = WF_STR_INIT, b = WF_STR_INIT, report = WF_STR_INIT;
	struct wf_err err = { "" };
	struct placement *p = plc_parse((const char *)data, size, &err), *q;

	if (!p && !err.text[0])
		abort();
	if (!p) {
		p = plc_new();
		if (plc_update(p, (const char *)data, size, NULL, 0, 0, false, &report, &err) < 0) {
			plc_free(p);
			wf_str_done(&report);
			return 0;
		}
	}
	plc_format(p, &a);
	q = plc_parse(a.s, a.len, &err);
	if (!q)
		abort();
	plc_format(q, &b);
	if (strcmp(a.s, b.s) != 0)
		abort();
	plc_free(p);
	plc_free(q);
	wf_str_done(&a);
	wf_str_done(&b);
	wf_str_done(&report);
	return 0;
}
