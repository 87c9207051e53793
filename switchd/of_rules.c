/* SPDX-License-Identifier: Apache-2.0 */
/* Which rules there are, and which of them a request speaks of.
 *
 * Each table has a list of its rules in the order in which they came, which is about the order of
 * memory.  A walk over a long list is done in pieces: between two of them it is two marks in the
 * list, where it stands and where it ends.  A mark is a rule that no version shows, so whoever
 * walks passes it over, and it stays where it is whatever comes and goes around it.
 */
#include "switchd/of_internal.h"

#include <stdlib.h>

#include "base/hash.h"

/* --- Books ------------------------------------------------------------------------------------ */

/* The rules of one cookie. */
struct cookie {
	struct wf_hmap_node node; /* in bridge->rules_by_cookie */
	uint64_t cookie;
	struct wf_list rules;
};

static struct cookie *
cookie_find(const struct bridge *b, uint64_t value)
{
	struct cookie *c;

	wf_hmap_for_each_with_hash(c, node, wf_hash_u64(value, 0), &b->rules_by_cookie)
		if (c->cookie == value)
			return c;
	return NULL;
}

static void
cookie_add(struct bridge *b, struct rule *r)
{
	struct cookie *c = cookie_find(b, r->cookie);

	if (!c) {
		c = wf_xmalloc(sizeof(*c));
		c->cookie = r->cookie;
		wf_list_init(&c->rules);
		wf_hmap_insert(&b->rules_by_cookie, &c->node, wf_hash_u64(r->cookie, 0));
	}
	wf_list_push_back(&c->rules, &r->cookie_node);
}

static void
cookie_del(struct bridge *b, struct rule *r)
{
	/* The last one: its neighbour on both sides is the head. */
	struct wf_list *head = r->cookie_node.next == r->cookie_node.prev ? r->cookie_node.next
									  : NULL;

	wf_list_remove(&r->cookie_node);
	if (head && wf_list_is_empty(head)) {
		struct cookie *c = wf_container(head, struct cookie, rules);

		wf_hmap_remove(&b->rules_by_cookie, &c->node);
		free(c);
	}
}

void
of_cookies_done(struct of_switch *sw)
{
	struct cookie *c;

	/* The rules go with their tables. */
	wf_hmap_for_each_safe(c, node, &sw->bridge->rules_by_cookie) {
		wf_hmap_remove(&sw->bridge->rules_by_cookie, &c->node);
		free(c);
	}
}

void
of_rules_book_add(struct of_switch *sw, struct rule *r, struct wf_list *before)
{
	cookie_add(sw->bridge, r);
	wf_list_insert(before ? before : &sw->tables[r->table_id].rules, &r->table_node);
}

struct wf_list *
of_rules_book_del(struct of_switch *sw, struct rule *r)
{
	struct wf_list *next = r->table_node.next;

	cookie_del(sw->bridge, r);
	wf_list_remove(&r->table_node);
	return next;
}

/* --- Lists ------------------------------------------------------------------------------------ */

void
of_rules_put(struct of_rules *rules, struct rule *r)
{
	if (rules->n == rules->room) {
		rules->room = rules->room ? rules->room * 2 : 16;
		rules->rules = wf_xrealloc(rules->rules, rules->room * sizeof(*rules->rules));
	}
	rule_ref(r);
	rules->rules[rules->n++] = r;
}

/* 8 bits of the address a pass, the lowest first: no look at the rules themselves. */
void
of_rules_sort_by_address(struct of_rules *rules)
{
	struct rule **from = rules->rules, **to, **swap;
	uintptr_t all = 0, any = UINTPTR_MAX;

	if (rules->n < 64)
		return;
	to = wf_xmalloc(rules->room * sizeof(*to));
	for (unsigned i = 0; i < rules->n; i++) {
		all |= (uintptr_t)from[i];
		any &= (uintptr_t)from[i];
	}
	for (unsigned shift = 0; shift < 64; shift += 8) {
		unsigned start[256] = { 0 }, sum = 0;

		if (!(((all ^ any) >> shift) & 0xff))
			continue;
		for (unsigned i = 0; i < rules->n; i++)
			start[(uintptr_t)from[i] >> shift & 0xff]++;
		for (unsigned b = 0; b < 256; b++) {
			unsigned count = start[b];

			start[b] = sum;
			sum += count;
		}
		for (unsigned i = 0; i < rules->n; i++)
			to[start[(uintptr_t)from[i] >> shift & 0xff]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	rules->rules = from;
	free(to);
}

void
of_rules_done(struct of_rules *rules)
{
	for (unsigned i = 0; i < rules->n; i++) {
		if (i + 8 < rules->n)
			__builtin_prefetch((char *)rules->rules[i + 8] + offsetof(struct rule, refs), 1);
		rule_unref(rules->rules[i]);
	}
	free(rules->rules);
	*rules = (struct of_rules){ 0 };
}

bool
of_criteria_has(const struct of_criteria *c, const struct rule *r)
{
	return (c->table == OF_TABLE_ALL || c->table == r->table_id) &&
	       !((r->cookie ^ c->cookie) & c->cookie_mask) && !r->hidden &&
	       (c->out_port == OF_PORT_ANY ||
		of_actions_output_to_port(r->actions->data, r->actions->size, c->out_port)) &&
	       (c->out_group == OF_GROUP_ANY ||
		of_actions_output_to_group(r->actions->data, r->actions->size, c->out_group));
}

struct collect_visit {
	const struct of_criteria *criteria;
	struct of_rules *rules;
};

static bool
collect_one(struct rule *r, void *v_)
{
	struct collect_visit *v = v_;

	if (of_criteria_has(v->criteria, r))
		of_rules_put(v->rules, r);
	return true;
}

static void
collect_by_cookie(struct of_switch *sw, const struct of_criteria *c, uint64_t version,
		  struct of_rules *rules)
{
	struct cookie *cookie = cookie_find(sw->bridge, c->cookie);
	struct rule *r;

	if (!cookie)
		return;
	wf_list_for_each(r, cookie_node, &cookie->rules) {
		if (!rule_is_visible(r, version) || !of_criteria_has(c, r))
			continue;
		if (c->strict ? r->priority == c->priority && of_match_equal(r->match, c->match)
			      : of_match_is_subset(r->match, c->match))
			of_rules_put(rules, r);
	}
}

void
of_rules_collect(struct of_switch *sw, const struct of_criteria *c, uint64_t version,
		 struct of_rules *rules)
{
	unsigned first = c->table == OF_TABLE_ALL ? 0 : c->table;
	unsigned last = c->table == OF_TABLE_ALL ? TABLE_INTERNAL - 1 : c->table;
	struct collect_visit v = { c, rules };

	if (c->cookie_mask == UINT64_MAX) {
		collect_by_cookie(sw, c, version, rules);
		return;
	}
	for (unsigned t = first; t <= last && t < N_TABLES; t++) {
		struct table *table = &sw->bridge->tables[t];
		struct rule *r;

		if (!c->strict) {
			table_for_each(table, c->match, version, collect_one, &v);
			continue;
		}
		r = table_find(table, c->match, c->priority, version);
		if (r)
			collect_one(r, &v);
	}
}

/* --- Walks -------------------------------------------------------------------------------------- */

/* So many are looked at in one go: they cost less than a millisecond or two. */
#define AT_ONCE 4096

/* Counts no further than is asked for. */
static unsigned
n_of_cookie(const struct bridge *b, uint64_t value)
{
	struct cookie *cookie = cookie_find(b, value);
	unsigned n = 0;

	if (cookie)
		for (struct wf_list *i = cookie->rules.next; i != &cookie->rules; i = i->next)
			if (++n > AT_ONCE)
				break;
	return n;
}

static unsigned
n_candidates(const struct of_switch *sw, const struct of_criteria *c)
{
	const struct table *t = &sw->bridge->tables[c->table];

	if (!t->n_rules)
		return 0;
	if (t->n_rules <= AT_ONCE)
		return t->n_rules;
	return c->cookie_mask == UINT64_MAX ? n_of_cookie(sw->bridge, c->cookie)
					    : table_n_candidates(t, c->match);
}

bool
of_rules_are_many(const struct of_switch *sw, const struct of_criteria *c)
{
	struct of_criteria one = *c;
	unsigned first = c->table == OF_TABLE_ALL ? 0 : c->table;
	unsigned last = c->table == OF_TABLE_ALL ? TABLE_INTERNAL - 1 : c->table, n = 0;

	for (unsigned t = first; t <= last && t < N_TABLES; t++) {
		one.table = (uint8_t)t;
		n += n_candidates(sw, &one);
		if (n > AT_ONCE)
			return true;
	}
	return false;
}

static int
by_age(const void *a_, const void *b_)
{
	struct rule *const *a = a_, *const *b = b_;
	int64_t later = (int64_t)((*a)->seq - (*b)->seq);

	return later < 0 ? -1 : later > 0;
}

static struct rule *
mark_new(struct wf_list *before)
{
	struct rule *mark = wf_xzalloc(sizeof(*mark));

	atomic_init(&mark->add_version, VERSION_NEVER);
	atomic_init(&mark->remove_version, VERSION_NEVER);
	wf_list_insert(before, &mark->table_node);
	return mark;
}

static void
mark_free(struct rule *mark)
{
	if (mark)
		wf_list_remove(&mark->table_node);
	free(mark);
}

void
of_rules_walk_begin(struct of_rules_walk *w, struct of_switch *sw, const struct of_criteria *c)
{
	*w = (struct of_rules_walk){
		.sw = sw, .criteria = *c,
		.table = c->table == OF_TABLE_ALL ? 0 : c->table,
		.last_table = c->table == OF_TABLE_ALL ? TABLE_INTERNAL - 1 : c->table,
	};
}

static void
end_table(struct of_rules_walk *w)
{
	of_rules_done(&w->few);
	w->next = 0;
	mark_free(w->here);
	mark_free(w->end);
	w->here = w->end = NULL;
}

void
of_rules_walk_done(struct of_rules_walk *w)
{
	end_table(w);
}

/* False: there is none. */
static bool
begin_table(struct of_rules_walk *w, uint64_t version)
{
	for (; w->table <= w->last_table; w->table++) {
		struct of_criteria one = w->criteria;
		struct wf_list *rules = &w->sw->tables[w->table].rules;
		unsigned n;

		one.table = (uint8_t)w->table;
		n = n_candidates(w->sw, &one);
		if (!n)
			continue;
		w->table++;
		if (n > AT_ONCE) {
			w->here = mark_new(rules->next);
			w->end = mark_new(rules);
			return true;
		}
		of_rules_collect(w->sw, &one, version, &w->few);
		if (w->few.n > 1)
			qsort(w->few.rules, w->few.n, sizeof(*w->few.rules), by_age);
		return true;
	}
	return false;
}

static bool
run_few(struct of_rules_walk *w, uint64_t version, bool (*fn)(struct rule *, void *), void *aux)
{
	while (w->next < w->few.n) {
		struct rule *r = w->few.rules[w->next++];

		if (w->next + 8 < w->few.n)
			rule_prefetch(w->few.rules[w->next + 8]);
		/* Replaced since it was put on the list: by the one that is there now. */
		if (!rule_is_visible(r, version))
			r = table_find(r->table, r->match, r->priority, version);
		if (r && of_criteria_has(&w->criteria, r) && !fn(r, aux))
			return false;
	}
	return true;
}

static bool
is_wanted(const struct of_criteria *c, const struct rule *r, uint64_t version)
{
	return rule_is_visible(r, version) && of_criteria_has(c, r) &&
	       of_match_is_subset(r->match, c->match);
}

/* False: 'fn' has had enough, or as many as '*budget' were looked at. */
static bool
run_list(struct of_rules_walk *w, uint64_t version, unsigned *budget,
	 bool (*fn)(struct rule *, void *), void *aux)
{
	struct wf_list *node = w->here->table_node.next;
	bool go_on = true;

	wf_list_remove(&w->here->table_node);
	while (go_on && *budget && node != &w->end->table_node) {
		struct rule *r = wf_container(node, struct rule, table_node);

		node = node->next;
		rule_prefetch(wf_container(node, struct rule, table_node));
		--*budget;
		if (is_wanted(&w->criteria, r, version))
			go_on = fn(r, aux);
	}
	wf_list_insert(node, &w->here->table_node);
	return go_on && node == &w->end->table_node;
}

bool
of_rules_walk_run(struct of_rules_walk *w, unsigned budget, bool (*fn)(struct rule *, void *),
		  void *aux)
{
	uint64_t version = view_get()->version;

	for (;;) {
		if (w->here) {
			if (!run_list(w, version, &budget, fn, aux))
				return false;
		} else {
			unsigned n = w->few.n - w->next;

			if (!run_few(w, version, fn, aux))
				return false;
			budget = budget > n ? budget - n : 0;
		}
		end_table(w);
		if (!begin_table(w, version))
			return true;
		if (!budget)
			return false;
	}
}
