// SPDX-License-Identifier: Apache-2.0
/* Health feeds: each line is taken whole or refused with a message; also the answers to HTTP
 * probes, judged in one piece and in two. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/rcu.h"
#include "policy/health.h"
#include "policy/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
judge(const uint8_t *data, size_t size)
{
	static char expect[] = "ok";
	struct pol_probe_conf conf = { .status_min = 200, .status_max = 399, .expect = expect };
	char text[100], again[100];
	int whole = pol_http_judge(&conf, data, size, true, text, sizeof text);
	int part = pol_http_judge(&conf, data, size / 2, false, again, sizeof again);

	if (whole == -EAGAIN || strlen(text) >= sizeof text ||
	    (part != -EAGAIN && part != 0 && part != 1))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Made once, as it takes long; a new health object sets all members anew. */
	static struct pol *pol;
	static json_t *conf;
	struct wf_err err = { "" };

	if (!pol) {
		wf_loop_init();
		wf_log_set_all(WF_LOG_CONSOLE, WF_OFF);
		wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
		conf = json_pack("{s:[{s:s, s:[{s:s, s:[s]}, {s:s, s:[s]}]}], s:[{s:s}]}", "pool",
				 "name", "p", "member", "name", "a", "address", "192.0.2.1", "name",
				 "b", "address", "192.0.2.2", "policy", "name", "x");
		if (pol_build(conf, NULL, NULL, &pol, &err))
			abort();
	}
	judge(data, size);

	struct pol_health *h = pol_health_new("fuzz");

	if (pol_health_apply(h, conf, NULL, pol, &err))
		abort();
	while (size) {
		const uint8_t *eol = memchr(data, '\n', size);
		size_t n = eol ? (size_t)(eol - data) : size;
		json_t *line = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);

		err.text[0] = '\0';
		if (line && pol_health_report(h, "f", line, &err) && !err.text[0])
			abort();
		json_decref(line);
		n += eol != NULL;
		data += n;
		size -= n;
	}
	pol_commit(pol);
	json_decref(pol_health_json(h));
	free(pol_health_text(h));
	pol_health_free(h);
	wf_rcu_drain();
	return 0;
}
