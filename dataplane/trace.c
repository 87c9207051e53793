// SPDX-License-Identifier: Apache-2.0
/* The tree of a trace, and the report. */
#include "dataplane/trace.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/plan_text.h"
#include "dataplane/protocol_rx.h"
#include "dataplane/slow_path.h"

void
xlate_trace_init(struct xlate_trace *t, const struct view *view, bool names)
{
	memset(t, 0, sizeof *t);
	t->root.type = TRACE_BRIDGE;
	t->at = &t->root;
	t->names = names;
	t->view = view;
}

static void
free_children(struct trace_node *n)
{
	struct trace_node *next;

	for (struct trace_node *c = n->first; c; c = next) {
		next = c->next;
		free_children(c);
		free(c->text);
		free(c);
	}
}

void
xlate_trace_done(struct xlate_trace *t)
{
	free_children(&t->root);
}

static struct trace_node *
put(struct xlate_trace *t, enum trace_node_type type, const char *fmt, va_list args)
{
	struct trace_node *n = wf_xzalloc(sizeof *n);
	struct wf_str s = WF_STR_INIT;

	wf_str_vfmt(&s, fmt, args);
	n->type = type;
	n->text = wf_str_steal(&s);
	if (t->at->last)
		t->at->last->next = n;
	else
		t->at->first = n;
	t->at->last = n;
	return n;
}

struct trace_node *
trace_put(struct xlate_trace *t, enum trace_node_type type, const char *fmt, ...)
{
	struct trace_node *n;
	va_list args;

	if (!t)
		return NULL;
	va_start(args, fmt);
	n = put(t, type, fmt, args);
	va_end(args);
	return n;
}

struct trace_node *
trace_enter(struct xlate_trace *t, enum trace_node_type type, const char *fmt, ...)
{
	struct trace_node *before;
	va_list args;

	if (!t)
		return NULL;
	before = t->at;
	va_start(args, fmt);
	t->at = put(t, type, fmt, args);
	va_end(args);
	return before;
}

static void
spaces(struct wf_str *s, unsigned n)
{
	while (n--)
		wf_str_putc(s, ' ');
}

/* A bridge, table or continuation that is the last of its siblings does not indent what is in
 * it, so that a chain of tables reads downwards. */
static void
print(const struct trace_node *parent, unsigned level, struct wf_str *s)
{
	for (const struct trace_node *n = parent->first; n; n = n->next) {
		bool continues = n->type == TRACE_BRIDGE || n->type == TRACE_TABLE ||
				 n->type == TRACE_THAW;
		unsigned more = n->next || !continues;

		if (n->type == TRACE_BRIDGE)
			wf_str_putc(s, '\n');
		spaces(s, (level + more) * 4);
		switch (n->type) {
		case TRACE_DETAIL:
			wf_str_fmt(s, " -> %s\n", n->text);
			break;
		case TRACE_WARN:
			wf_str_fmt(s, " >> %s\n", n->text);
			break;
		case TRACE_ERROR:
			wf_str_fmt(s, " >>>> %s <<<<\n", n->text);
			break;
		case TRACE_BRIDGE:
			wf_str_fmt(s, "%s\n", n->text);
			spaces(s, (level + more) * 4);
			for (const char *p = n->text; *p; p++)
				wf_str_putc(s, '-');
			wf_str_putc(s, '\n');
			break;
		default:
			wf_str_fmt(s, "%s\n", n->text);
			break;
		}
		print(n, level + more + more, s);
	}
}

void
xlate_trace_print(const struct xlate_trace *t, struct wf_str *s)
{
	print(&t->root, 0, s);
}

const char *
trace_port_name(void *aux, of_port_t port)
{
	const struct bridge_view *bv = aux;
	const struct xport *p = xport_find(bv->ports, port);

	return p ? p->name : NULL;
}

/* A packet given to trace teaches what it would teach on its way. */
static void
learn_from(const struct plan_op *o, const struct plan_op *end)
{
	for (; o < end; o = (const struct plan_op *)((const uint8_t *)o + o->size)) {
		if (o->type == OP_LEARN)
			slow_path_call_learn(((const struct op_learn *)o)->flow);
		else if (o->type == OP_CLONE)
			learn_from(o + 1, (const struct plan_op *)((const uint8_t *)o + o->size));
	}
}

char *
xlate_trace_run(struct bridge *bridge, const struct view *view, struct xlate_in *in)
{
	struct wf_str s = WF_STR_INIT;
	struct of_key initial, final;
	struct of_match_full *mega = wf_xzalloc(sizeof *mega);
	const struct bridge_view *bv = view->bridges[bridge->index];
	of_port_name_fn *name = in->names ? trace_port_name : NULL;
	struct xlate_trace trace;
	const char *error = NULL;
	uint8_t protocol = 0;
	struct plan *plan;

	xlate_trace_init(&trace, view, in->names);
	in->bridge = bridge;
	in->view = view;
	in->trace = &trace;
	in->wc = &mega->mask;
	in->final_key = &final;
	in->error = &error;
	in->protocol = &protocol;
	in->for_cache = false;
	in->key.actset_output = OF_PORT_UNSET;
	in->key.conj_id = 0;
	initial = final = in->key;

	struct frozen *frozen = in->key.recirc_id ? frozen_find(in->key.recirc_id) : NULL;

	in->frozen = frozen;
	wf_str_put(&s, "Flow: ");
	of_key_format(&initial, name, (void *)bv, &s);
	wf_str_putc(&s, '\n');
	plan = translate(in);
	xlate_trace_print(&trace, &s);
	wf_str_put(&s, "\nFinal flow: ");
	if (!memcmp(&initial, &final, sizeof initial))
		wf_str_put(&s, "unchanged");
	else
		of_key_format(&final, name, (void *)bv, &s);
	wf_str_put(&s, "\nMegaflow: ");
	for (unsigned i = 0; i < OF_KEY_WORDS; i++)
		of_key_words(&mega->key)[i] =
			of_key_words(&initial)[i] & of_key_words(&mega->mask)[i];
	of_match_format(mega, -1, name, (void *)bv, &s);
	wf_str_put(&s, "\nDatapath actions: ");
	(in->packet ? plan_text : plan_text_dry)(plan, &initial, &mega->mask, view, in->names, &s);
	if (error)
		wf_str_fmt(&s, "\nTranslation failed (%s), packet is dropped.\n", error);
	else if (protocol)
		wf_str_fmt(&s, "\nThis flow is handled by the userspace slow path because it:\n"
			       "  - Consists of %s packets.", protocol == PROTOCOL_BFD ? "BFD" : "LACP");
	else if (plan->lacks)
		wf_str_put(&s, "\nThis flow is handled by the userspace slow path because it:\n"
			       "  - Uses action(s) not supported by datapath.");
	if (in->packet)
		learn_from(plan->ops, (const struct plan_op *)((const uint8_t *)plan->ops +
							       plan->ops_size));
	plan_free(plan);
	frozen_unref(frozen);
	in->frozen = NULL;
	xlate_trace_done(&trace);
	free(mega);
	in->trace = NULL;
	in->wc = NULL;
	in->final_key = NULL;
	in->protocol = NULL;
	in->error = NULL;
	return wf_str_steal(&s);
}
