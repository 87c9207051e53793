/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/rcu.h"
#include "dataplane/plan.h"

struct counter *
counter_new(void)
{
	struct shared_counter *s = wf_xzalloc(sizeof *s);

	atomic_init(&s->refs, 1);
	return &s->c;
}

void
counter_ref(struct counter *c)
{
	atomic_fetch_add_explicit(&((struct shared_counter *)c)->refs, 1, memory_order_relaxed);
}

void
counter_unref(struct counter *c)
{
	struct shared_counter *s = (struct shared_counter *)c;

	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		wf_rcu_free(s);
}
