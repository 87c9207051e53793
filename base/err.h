/* SPDX-License-Identifier: Apache-2.0 */
/* Errors for the operator.
 *
 * A function that can fail for a reason an operator must read returns 0 or a
 * negative errno and writes one sentence into a 'struct wf_err': the object,
 * the value, the rule and the way out.  It does not log.  The caller nearest the
 * operator prints or logs it, once.
 */
#ifndef WEFT_BASE_ERR_H
#define WEFT_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

struct wf_err {
	char text[512]; /* empty string: no error */
};

/* Writes the message into 'err' (which may be NULL) and returns 'rc', so that
 * callers can write "return wf_err(err, -EINVAL, ...)". */
int wf_err(struct wf_err *err, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The text of a negative errno, in a per-thread buffer. */
const char *wf_strerror(int negative_errno);

#endif
