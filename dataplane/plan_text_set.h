/* SPDX-License-Identifier: Apache-2.0 */
/* The part of plan_text.c that follows header changes; nobody else includes this. */
#ifndef WEFT_DATAPLANE_PLAN_TEXT_SET_H
#define WEFT_DATAPLANE_PLAN_TEXT_SET_H

#include "dataplane/plan.h"
#include "dataplane/view.h"
#include "tunnels/tunnel.h"

struct plan_state {
	struct of_key key;     /* after the ops so far */
	struct of_key base;    /* after the text so far */
	struct of_key touched; /* bits read or written: a field's mask in text */
	bool pushed_eth;       /* an Ethernet header that the text has not yet */
	bool added_mpls;       /* the text lacks a label that came before the whole packet */
};

struct plan_printer {
	struct plan_state st;
	const struct view *view;
	bool names, first, dont_send;
	size_t start;          /* of the text in 'out' */
	bool tunnel_is_set;
	struct tnl_meta tunnel; /* as last printed */
	unsigned n_continuations;
	struct wf_str *out, *whole; /* 'whole': of the plan; 'out' may be a part aside */
	size_t clone, clone_end; /* in 'whole': the last clone() around a push, 0: none */
};

static inline void
plan_text_comma(struct plan_printer *p)
{
	if (!p->first)
		wf_str_putc(p->out, ',');
	p->first = false;
}

/* Follows an op that changes the packet. */
void plan_text_apply(struct plan_printer *, const struct plan_op *);
/* Writes what differs between key and base. */
void plan_text_commit(struct plan_printer *);

/* plan_text_tunnel.c */
struct op_set_tunnel;
struct op_tunnel_push;
void plan_text_set_tunnel(struct plan_printer *, const struct op_set_tunnel *);
void plan_text_tunnel_push(struct plan_printer *, const struct op_tunnel_push *);
void plan_text_outer_key(const struct op_tunnel_push *, struct of_key *);

#endif
