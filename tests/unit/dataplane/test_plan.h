/* SPDX-License-Identifier: Apache-2.0 */
/* Plans made by hand. */
#ifndef TESTS_TEST_PLAN_H
#define TESTS_TEST_PLAN_H

#include "base/buf.h"
#include "dataplane/plan.h"

/* Appends a record; 'size' bytes, of which the type and size are filled in.  Returns it. */
static inline void *
op_put(struct wf_buf *b, enum plan_op_type type, size_t size)
{
	struct plan_op *op = wf_buf_put_zeros(b, size);

	op->type = type;
	op->size = size;
	return op;
}

static inline void *
op_bare(struct wf_buf *b, enum plan_op_type type, uint32_t u32)
{
	struct plan_op *op = op_put(b, type, sizeof(*op));

	op->u32 = u32;
	return op;
}

static inline void
op_output(struct wf_buf *b, uint32_t slot, uint32_t generation)
{
	struct op_output *op = op_put(b, OP_OUTPUT, sizeof(*op));

	op->op.u32 = slot;
	op->generation = generation;
}

/* Takes the buffer's bytes. */
static inline struct plan *
plan_of(struct wf_buf *b)
{
	struct plan *p = wf_xzalloc(sizeof(*p));

	p->ops_size = b->size;
	p->ops = wf_xmemdup(b->data ? b->data : (uint8_t *)"", b->size);
	p->cacheable = true;
	p->has_output = true;
	wf_buf_done(b);
	return p;
}

static inline void
plan_credits(struct plan *p, struct counter *c)
{
	p->credits = wf_xmemdup(&c, sizeof(c));
	p->n_credits = 1;
}

static inline void
plan_depends(struct plan *p, const _Atomic uint64_t *stamp)
{
	struct plan_step s = { stamp, stamp };

	p->steps = wf_xmemdup(&s, sizeof(s));
	p->n_steps = 1;
}

#endif
