// SPDX-License-Identifier: Apache-2.0
#include "dns/server/why_job.h"

#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/loop.h"
#include "dns/server/server.h"

enum { ASKED, DONE, ABANDONED };

static struct dns_why_job *_Atomic asked;
static struct wf_idle idle;

static void
destroy(struct dns_why_job *j)
{
	wf_str_done(&j->text);
	free(j);
}

static int64_t
on_idle(struct wf_idle *i)
{
	struct dns_why_job *j = atomic_exchange(&asked, NULL), *next;

	for (; j; j = next) {
		int wake = j->wake;

		next = j->next;
		dns_why(dns_server_view(), &j->question, &j->text);
		if (atomic_exchange(&j->state, DONE) == ABANDONED)
			destroy(j);
		else
			eventfd_write(wake, 1);
	}
	return -1;
}

void
dns_why_job_init(void)
{
	idle.fn = on_idle;
	wf_idle_add(&idle);
}

void
dns_why_job_done(void)
{
	wf_idle_del(&idle);
	on_idle(&idle);
}

struct dns_why_job *
dns_why_ask(const struct dns_client *client, const uint8_t *msg, size_t size, int wake)
{
	struct dns_why_job *j = wf_xzalloc(sizeof *j + size);
	struct dns_query q;

	memcpy(j->msg, msg, size);
	j->size = size;
	j->client = *client;
	j->wake = wake;
	if (dns_query_parse(&q, j->msg, size) != DNS_PARSE_OK || !dns_why_read(&j->question, &q, client)) {
		free(j);
		return NULL;
	}
	j->next = atomic_load(&asked);
	while (!atomic_compare_exchange_weak(&asked, &j->next, j))
		;
	wf_loop_wake();
	return j;
}

bool
dns_why_is_done(const struct dns_why_job *j)
{
	return atomic_load(&j->state) == DONE;
}

void
dns_why_free(struct dns_why_job *j)
{
	if (j && atomic_exchange(&j->state, ABANDONED) == DONE)
		destroy(j);
}
