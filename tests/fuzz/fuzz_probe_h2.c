// SPDX-License-Identifier: Apache-2.0
/* What a probed server says over HTTP/2: judged in one piece and in two; never without a verdict at its end, and what
 * we answer stays in bounds.  The first byte chooses the kind of probe. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/probe_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
talk(const struct pol_probe_conf *conf, const uint8_t *data, size_t size, size_t cut)
{
	struct wf_buf out = WF_BUF_INIT;
	struct pol_h2 *h = pol_h2_new(conf, "host", &out);
	char text[120] = "";
	int rc = -EAGAIN;

	if (!h)
		abort();
	if (cut)
		rc = pol_h2_take(h, data, cut, false, &out, text, sizeof text);
	if (rc == -EAGAIN)
		rc = pol_h2_take(h, data + cut, size - cut, true, &out, text, sizeof text);
	if ((rc != 0 && rc != 1) || !text[0] || out.size > 2 * size + 4096)
		abort();
	pol_h2_free(h);
	wf_buf_done(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[] = "/", expect[] = "ok";
	struct pol_probe_conf conf = {
		.type = POL_PROBE_HTTP2, .path = path, .status_min = 200, .status_max = 299, .timeout_ms = 1000
	};

	if (!size)
		return 0;
	if (data[0] & 1)
		conf.type = POL_PROBE_GRPC;
	else if (data[0] & 2)
		conf.expect = expect;
	data++;
	size--;
	talk(&conf, data, size, 0);
	talk(&conf, data, size, size / 2);
	return 0;
}
