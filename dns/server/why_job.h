/* SPDX-License-Identifier: Apache-2.0 */
/* Questions for "why" on their way from a worker to the main thread, which may look at everything, and back.
 *
 *   worker: connection --dns_why_ask()--> main: dns_why() --> worker: dns_why_is_done(), dns_why_free()
 *
 * Who asks may go away; then the main thread frees the job. */
#ifndef WEFT_DNS_SERVER_WHY_JOB_H
#define WEFT_DNS_SERVER_WHY_JOB_H

#include <stdatomic.h>

#include "base/buf.h"
#include "dns/answer/why.h"

struct dns_why_job {
	struct dns_why_job *next;
	atomic_uint state;
	int wake; /* eventfd of the worker */
	struct dns_why_question question;
	struct wf_str text;
	struct dns_client client; /* and the message, so that the answer can be made */
	size_t size;
	uint8_t msg[];
};

/* Main, before the workers, and behind them. */
void dns_why_job_init(void);
void dns_why_job_done(void);
/* Worker: NULL if the message is no such question. */
struct dns_why_job *dns_why_ask(const struct dns_client *, const uint8_t *msg, size_t size, int wake);
bool dns_why_is_done(const struct dns_why_job *);
void dns_why_free(struct dns_why_job *); /* NULL is fine */

#endif
