// SPDX-License-Identifier: Apache-2.0
/* vlog/set takes any text from an operator: levels, and patterns that are then used. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/log_internal.h"

WF_LOG_MODULE(fuzz);

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct wf_log_msg msg = {
		.module = &wf_this_module,
		.level = WF_WARN,
		.seq = 7,
		.wall_ms = 1000000000007,
		.text = "text",
		.thread = size % 2 ? "thread" : "",
	};
	struct wf_str s = WF_STR_INIT;
	struct wf_err err = { "" };
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	wf_log_set_all(WF_LOG_CONSOLE, WF_OFF); /* an earlier input may have turned them on */
	wf_log_set_all(WF_LOG_SYSLOG, WF_OFF);
	wf_log_format(&s, text, &msg);
	if (s.s && strlen(s.s) != s.len)
		abort();
	/* Patterns are kept for good, which is right for a daemon and not for this. */
	if (!strcasestr(text, "pattern") && wf_log_set(text, &err) && !err.text[0])
		abort();
	wf_str_done(&s);
	free(text);
	return 0;
}
