// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <stdio.h>
#include <string.h>

int
wf_err(struct wf_err *err, int rc, const char *fmt, ...)
{
	if (err) {
		va_list args;

		/* 'fmt' may have err->text among its arguments ("%s: %s" around an inner
		 * error), so that the new text is made aside first. */
		char text[sizeof(err->text)];
		va_start(args, fmt);
		vsnprintf(text, sizeof(text), fmt, args);
		va_end(args);
		memcpy(err->text, text, sizeof(text));
	}
	return rc;
}

const char *
wf_strerror(int negative_errno)
{
	static _Thread_local char text[128];

	/* The GNU variant: returns a constant string or fills 'text'. */
	return strerror_r(negative_errno < 0 ? -negative_errno : negative_errno, text,
			  sizeof(text));
}
