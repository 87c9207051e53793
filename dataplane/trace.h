/* SPDX-License-Identifier: Apache-2.0 */
/* ofproto/trace: the walk of one packet through the tables, as text in the form that users of
 * Open vSwitch know and scripts compare.
 *
 * The translator hangs nodes into a tree while it walks; printing needs the whole tree,
 * because a node's indentation depends on whether a sibling follows.
 * Threads: the tree belongs to one walk; xlate_trace_run() is for main.
 */
#ifndef WEFT_DATAPLANE_TRACE_H
#define WEFT_DATAPLANE_TRACE_H

#include "dataplane/translate.h"

enum trace_node_type {
	TRACE_BRIDGE, TRACE_TABLE, TRACE_THAW, /* have children that continue the walk */
	TRACE_ACTION, TRACE_BUCKET,            /* plain text */
	TRACE_DETAIL,                          /* " -> text" */
	TRACE_WARN,                            /* " >> text" */
	TRACE_ERROR                            /* " >>>> text <<<<" */
};

struct trace_node {
	enum trace_node_type type;
	char *text;
	struct trace_node *first, *last; /* children */
	struct trace_node *next;         /* sibling */
};

struct xlate_trace {
	struct trace_node root;
	struct trace_node *at;  /* where new nodes go; &root at first */
	bool names;             /* ports by name */
	const struct view *view;
};

void xlate_trace_init(struct xlate_trace *, const struct view *, bool names);
void xlate_trace_done(struct xlate_trace *);
void xlate_trace_print(const struct xlate_trace *, struct wf_str *);

/* Adds a node; 't' may be NULL (then NULL is returned and nothing is formatted). */
struct trace_node *trace_put(struct xlate_trace *t, enum trace_node_type, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Adds a node and makes it the parent of what follows; returns the parent before. */
struct trace_node *trace_enter(struct xlate_trace *t, enum trace_node_type, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static inline void
trace_leave(struct xlate_trace *t, struct trace_node *before)
{
	if (t)
		t->at = before;
}

/* Port names of a bridge for formatters of openflow/: 'aux' is a struct bridge_view. */
const char *trace_port_name(void *aux, of_port_t);

/* The whole report of ofproto/trace, or of ofproto/trace-packet-out when in->actions is set:
 * "Flow: ...", the walk, "Final flow: ...", "Megaflow: ...", "Datapath actions: ...".  Fills in
 * in->bridge, view, trace, wc.  A packet in in->packet has side effects as in OVS: MACs are
 * learned.  The caller frees the text. */
char *xlate_trace_run(struct bridge *, const struct view *, struct xlate_in *);

#endif
