/* SPDX-License-Identifier: Apache-2.0 */
/* Deletion of very many flows by one flow_mod.  It is one change for packets, but not one turn of the
 * loop:
 *
 *   1 find     the rules, in pieces; nothing has changed yet
 *   2 remove   those that are still there, at once: a store to each, the state file, publication
 *   3 books    of each rule, in pieces; whoever finds a rule by them sees that it was removed
 *
 * The session's input waits for the end.  Other sessions are served between two pieces.
 */
#include "switchd/of_internal.h"

#include <stdlib.h>

#include "switchd/state/state.h"

/* In one step; see DUMP_STEPS. */
#define STEP_LOOKED_AT 4096
#define STEP_BOOKS 2048

struct bulk {
	struct of_dump dump;
	struct of_conn *conn;
	struct of_match *match;
	struct of_rules_walk walk;
	struct of_rules rules;
	uint32_t xid;
	bool removed;
	unsigned n_closed; /* of 'rules' after removal: their books are closed, the reference is gone */
};

static bool
find_one(struct rule *r, void *b_)
{
	struct bulk *b = b_;

	of_rules_put(&b->rules, r);
	return true;
}

static bool
has_monitors(const struct of_switch *sw)
{
	struct of_conn *c;

	wf_list_for_each(c, node, &sw->conns)
		if (c->monitors.n)
			return true;
	return false;
}

static void
remove_all(struct bulk *b)
{
	struct of_switch *sw = b->conn->sw;
	struct of_rules *rules = &b->rules;
	uint64_t version = view_next_version();
	bool tell = has_monitors(sw);
	unsigned n = 0;

	for (unsigned i = 0; i < rules->n; i++) {
		struct rule *r = rules->rules[i];

		if (i + 8 < rules->n)
			rule_prefetch(rules->rules[i + 8]);
		/* Somebody else's change came in between. */
		if (!rule_is_visible(r, version)) {
			rule_unref(r);
			continue;
		}
		r->removed_reason = OF_FRR_DELETE;
		if (tell)
			of_monitor_report(sw, r, OF_FME_REMOVED, OF_FRR_DELETE, b->conn, b->xid, NULL);
		rules->rules[n++] = r;
	}
	rules->n = n;
	of_changed();
	rules_remove(rules->rules, n, version);
	state_flows_gone(sw, rules->rules, n);
	b->removed = true;
	of_publish();
	of_monitor_flush(sw);
}

/* True: all are closed. */
static bool
close_books(struct bulk *b, unsigned n)
{
	struct of_switch *sw = b->conn->sw;

	for (; n && b->n_closed < b->rules.n; n--) {
		if (b->n_closed + 8 < b->rules.n)
			rule_prefetch(b->rules.rules[b->n_closed + 8]);
		of_flow_close_books(sw, b->rules.rules[b->n_closed++]);
	}
	if (b->n_closed < b->rules.n)
		return false;
	of_learned_cookies_flush(sw);
	return true;
}

static bool
bulk_step(struct of_conn *c, struct of_dump *dump)
{
	struct bulk *b = wf_container(dump, struct bulk, dump);

	if (b->removed)
		return close_books(b, STEP_BOOKS);
	if (!of_rules_walk_run(&b->walk, STEP_LOOKED_AT, find_one, b))
		return false;
	remove_all(b);
	return false;
}

static void
bulk_free(struct of_dump *dump)
{
	struct bulk *b = wf_container(dump, struct bulk, dump);

	/* The session may end in the middle. */
	if (b->removed) {
		if (b->n_closed < b->rules.n)
			close_books(b, UINT32_MAX);
		b->rules.n = 0;
	}
	of_rules_done(&b->rules);
	of_rules_walk_done(&b->walk);
	free(b->match);
	free(b);
}

/* A table that evicts finds its victims by an index, which has to be right at any time. */
static bool
evicts(const struct of_switch *sw)
{
	for (unsigned t = 0; t < N_TABLES; t++)
		if (sw->tables[t].evict_index)
			return true;
	return false;
}

bool
of_bulk_delete(struct of_conn *c, const struct of_flow_edit *e)
{
	struct of_criteria criteria;
	struct bulk *b;

	if (e->command != OF_FC_DELETE)
		return false;
	of_flow_edit_criteria(e, &criteria);
	if (!of_rules_are_many(c->sw, &criteria) || evicts(c->sw))
		return false;
	b = wf_xzalloc(sizeof(*b));
	b->dump = (struct of_dump){ .step = bulk_step, .free = bulk_free, .is_single = true };
	b->conn = c;
	b->xid = e->xid;
	b->match = wf_xmemdup(criteria.match, of_match_size(criteria.match));
	criteria.match = b->match;
	of_rules_walk_begin(&b->walk, c->sw, &criteria);
	of_conn_dump(c, &b->dump);
	return true;
}
