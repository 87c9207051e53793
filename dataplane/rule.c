/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/rule.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/rcu.h"
#include "dataplane/classifier.h"
#include "dataplane/view.h"
#include "openflow/action.h"

/* --- Action lists, shared by equal rules (main thread) -------------------------------- */

static struct wf_hmap action_lists;

static bool
list_is_conjunction(const void *list, size_t size)
{
	bool conj = false;

	of_action_for_each(a, list, size) {
		if (a->type == OF_A_CONJUNCTION)
			conj = true;
		else if (a->type != OF_A_NOTE)
			return false;
	}
	return conj;
}

static struct of_match *
list_reads(const void *list, size_t size)
{
	static struct of_match_full full; /* key part stays zero */
	const uint64_t *w = of_key_words_c(&full.mask);
	uint64_t any = 0;

	memset(&full.mask, 0, sizeof full.mask);
	of_actions_mark_reads(list, size, &full.mask);
	for (unsigned i = 0; i < OF_KEY_WORDS; i++)
		any |= w[i];
	return any ? of_match_pack(&full) : NULL;
}

static void
note_uses(struct rule_actions *ra, const void *list, size_t size)
{
	of_action_for_each(a, list, size) {
		const struct of_action *nested;
		size_t nested_size = 0;

		ra->has_group |= a->type == OF_A_GROUP;
		ra->has_learn |= a->type == OF_A_LEARN;
		ra->has_trigger |= a->type == OF_A_STAT_TRIGGER;
		if (a->type == OF_A_CLONE || a->type == OF_A_WRITE_ACTIONS)
			nested = of_act_nested(a, sizeof(struct of_act_nest), &nested_size);
		else if (a->type == OF_A_CT)
			nested = of_act_nested(a, sizeof(struct of_act_ct), &nested_size);
		if (nested_size)
			note_uses(ra, nested, nested_size);
	}
}

static struct rule_actions *
actions_intern(const void *list, size_t size)
{
	uint32_t hash = wf_hash_bytes(list, size, 0);
	struct rule_actions *ra;

	wf_hmap_for_each_with_hash(ra, node, hash, &action_lists)
		if (ra->size == size && (!size || memcmp(ra->data, list, size) == 0)) {
			atomic_fetch_add_explicit(&ra->refs, 1, memory_order_relaxed);
			return ra;
		}
	ra = wf_xzalloc(sizeof *ra + size);
	atomic_init(&ra->refs, 1);
	ra->size = (uint32_t)size;
	ra->hash = hash;
	if (size)
		memcpy(ra->data, list, size);
	ra->meter_id = of_actions_meter(list, size);
	ra->is_conjunction = list_is_conjunction(list, size);
	note_uses(ra, list, size);
	ra->reads = list_reads(list, size);
	wf_hmap_insert(&action_lists, &ra->node, hash);
	return ra;
}

struct rule_actions *
rule_actions_new(const void *list, size_t size)
{
	if (!action_lists.buckets)
		wf_hmap_init(&action_lists);
	return actions_intern(list, size);
}

/* Main thread. */
void
rule_actions_unref(struct rule_actions *ra)
{
	if (!ra || atomic_fetch_sub_explicit(&ra->refs, 1, memory_order_acq_rel) != 1)
		return;
	wf_hmap_remove(&action_lists, &ra->node);
	free(ra->reads);
	free(ra);
}

/* --- Rules ----------------------------------------------------------------------------- */

/* Takes the reference to 'actions' over.  Rule and match are one block: a change of a hundred
 * thousand rules is bound by the cache lines that it touches. */
static struct rule *
rule_make(const struct of_match *match, size_t match_size, uint32_t priority,
	  struct rule_actions *actions)
{
	struct rule *r = wf_xmalloc(sizeof *r + match_size);

	memset(r, 0, sizeof *r);
	r->match = (struct of_match *)(r + 1);
	memcpy(r->match, match, match_size);
	r->actions = actions;
	r->priority = priority;
	atomic_init(&r->add_version, VERSION_NEVER);
	atomic_init(&r->remove_version, VERSION_NEVER);
	atomic_init(&r->refs, 1);
	r->created_ms = wf_now_ms();
	atomic_init(&r->modified_ms, r->created_ms);
	wf_list_init(&r->cookie_node);
	wf_list_init(&r->expirable_node);
	wf_list_init(&r->table_node);
	return r;
}

struct rule *
rule_new(const struct of_match_full *match, uint32_t priority, const void *actions,
	 size_t actions_size)
{
	uint64_t packed[sizeof(struct of_match) / 8 + 2 * OF_KEY_WORDS];
	size_t size = of_match_pack_into(match, packed, sizeof packed);

	return rule_make((const struct of_match *)packed, size, priority,
			 rule_actions_new(actions, actions_size));
}

struct rule *
rule_clone(const struct rule *r, struct rule_actions *actions)
{
	atomic_fetch_add_explicit(&actions->refs, 1, memory_order_relaxed);
	return rule_make(r->match, of_match_size(r->match), r->priority, actions);
}

void
rule_ref(struct rule *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

/* On main, after a grace period: a lookup may still hold the bare pointer before. */
static void
rule_free(void *r_)
{
	struct rule *r = r_;

	rule_actions_unref(r->actions);
	free(r);
}

void
rule_unref(struct rule *r)
{
	if (r && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
		wf_rcu_call(rule_free, r);
}

/* --- Tables ------------------------------------------------------------------------------ */

static void reap_all(void);

/* Tables that changed since the last publication, and rules removed since then. */
static struct table **changed;
static unsigned n_changed, changed_room;

struct removed {
	unsigned n, room;
	struct rule **rules;
};
static struct removed removed;
static void (*reaped_fn)(struct rule **, unsigned);

static void
note_changed(struct table *t)
{
	if (t->changed)
		return;
	t->changed = true;
	if (n_changed == changed_room) {
		changed_room = changed_room ? changed_room * 2 : 64;
		changed = wf_xrealloc(changed, changed_room * sizeof *changed);
	}
	changed[n_changed++] = t;
}

static void
note_change(struct table *t, const struct rule *r)
{
	classifier_touch(t->cls, r);
	note_changed(t);
}

void
table_init(struct table *t, uint8_t id)
{
	memset(t, 0, sizeof *t);
	t->id = id;
	t->max_flows = UINT32_MAX;
	t->prefixes = NARROW_DEFAULT_FIELDS;
	atomic_init(&t->miss, MISS_CONTROLLER_1_0);
}

static struct classifier *
table_cls(struct table *t)
{
	/* Most of 255 tables stay empty, so the structure is made with the first rule. */
	struct classifier *cls = atomic_load_explicit(&t->cls, memory_order_relaxed);

	if (!cls) {
		cls = classifier_new();
		atomic_store_explicit(&t->cls, cls, memory_order_release);
	}
	return cls;
}

static bool
forget_rule(struct rule *r, void *aux)
{
	view_fields_used(r->match, r->actions, -1);
	rule_unref(r);
	return true;
}

void
table_done(struct table *t)
{
	struct classifier *cls = atomic_load_explicit(&t->cls, memory_order_relaxed);

	if (t->changed)
		for (unsigned i = 0; i < n_changed; i++)
			if (changed[i] == t)
				changed[i--] = changed[--n_changed];
	if (!cls)
		return;
	/* Some of the rules may be this table's. */
	reap_all();
	classifier_for_each(cls, NULL, VERSION_NEVER - 1, forget_rule, NULL);
	classifier_free(cls);
}

void
table_add(struct table *t, struct rule *r, uint64_t version)
{
	rule_ref(r);
	r->table = t;
	r->table_id = t->id;
	table_cls(t);
	atomic_store_explicit(&r->add_version, version, memory_order_release);
	classifier_insert(t->cls, r);
	note_change(t, r);
	t->n_rules += !r->hidden;
	view_fields_used(r->match, r->actions, 1);
}

void
table_remove(struct table *t, struct rule *r, uint64_t version)
{
	atomic_store_explicit(&r->remove_version, version, memory_order_release);
	note_change(t, r);
	t->n_rules -= !r->hidden;
	if (removed.n == removed.room) {
		removed.room = removed.room ? removed.room * 2 : 64;
		removed.rules = wf_xrealloc(removed.rules, removed.room * sizeof *removed.rules);
	}
	removed.rules[removed.n++] = r;
}

void
rules_remove(struct rule *const *rules, unsigned n, uint64_t version)
{
	struct table *last = NULL;

	if (removed.n + n > removed.room) {
		removed.room = removed.n + n;
		removed.rules = wf_xrealloc(removed.rules, removed.room * sizeof *removed.rules);
	}
	for (unsigned i = 0; i < n; i++) {
		struct rule *r = rules[i];
		struct table *t = r->table;

		if (i + 8 < n)
			__builtin_prefetch(rules[i + 8], 1);
		atomic_store_explicit(&r->remove_version, version, memory_order_release);
		t->n_rules -= !r->hidden;
		if (t != last) {
			classifier_touch_all(t->cls);
			note_changed(t);
			last = t;
		}
		removed.rules[removed.n++] = r;
	}
}

void
table_undo_add(struct table *t, struct rule *r)
{
	atomic_store_explicit(&r->remove_version, 0, memory_order_release);
	classifier_unlink(t->cls, r);
	t->n_rules -= !r->hidden;
	view_fields_used(r->match, r->actions, -1);
	rule_unref(r);
}

void
table_undo_remove(struct table *t, struct rule *r)
{
	/* Undone in reverse, so it is near the end. */
	unsigned i = removed.n;

	while (i > 0 && removed.rules[i - 1] != r)
		i--;
	if (i > 0)
		removed.rules[i - 1] = removed.rules[--removed.n];
	atomic_store_explicit(&r->remove_version, VERSION_NEVER, memory_order_release);
	t->n_rules += !r->hidden;
}

struct rule *
table_find(const struct table *t, const struct of_match *m, uint32_t priority, uint64_t version)
{
	return t->cls ? classifier_find(t->cls, m, priority, version) : NULL;
}

struct rule *
table_find_shared(const struct table *t, const struct of_match *m, uint32_t priority,
		  uint64_t version)
{
	const struct classifier *cls = atomic_load_explicit(&t->cls, memory_order_acquire);

	return cls ? classifier_find_shared(cls, m, priority, version) : NULL;
}

struct rule *
table_find_overlap(const struct table *t, const struct of_match *m, uint32_t priority,
		   uint64_t version)
{
	return t->cls ? classifier_find_overlap(t->cls, m, priority, version) : NULL;
}

void
table_for_each(const struct table *t, const struct of_match *pattern, uint64_t version,
	       bool (*fn)(struct rule *, void *aux), void *aux)
{
	if (t->cls)
		classifier_for_each(t->cls, pattern, version, fn, aux);
}

unsigned
table_n_candidates(const struct table *t, const struct of_match *pattern)
{
	return t->cls ? classifier_n_candidates(t->cls, pattern) : 0;
}

unsigned
table_n_masks(const struct table *t)
{
	return t->cls ? classifier_n_masks(t->cls) : 0;
}

size_t
table_memory(const struct table *t)
{
	return t->cls ? classifier_memory(t->cls) : 0;
}

struct rule *
table_lookup(const struct table *t, const struct of_key *key, uint64_t version, uint32_t *conj_id,
	     struct plan_step *step, struct of_key *wc)
{
	struct classifier *cls =
		atomic_load_explicit(&((struct table *)t)->cls, memory_order_acquire);

	if (!cls) {
		/* An empty table: the first rule makes the classifier, with stamps above this
		 * version; until then the version of tables' making is what can change. */
		if (step)
			step->stamp = step->stamp2 = &tables_made;
		return NULL;
	}
	if (wc)
		return classifier_lookup_wc(cls, key, version, conj_id, step, &t->prefixes, wc);
	return classifier_lookup(cls, key, version, conj_id, step);
}

unsigned
table_lookup_spare(const struct table *t, const struct of_key *key, uint64_t version,
		   struct rule **rule, struct plan_step *steps, uint64_t *needed)
{
	struct classifier *cls =
		atomic_load_explicit(&((struct table *)t)->cls, memory_order_acquire);

	if (cls)
		return classifier_lookup_spare(cls, key, version, rule, steps, needed);
	*rule = table_lookup(t, key, version, NULL, steps, NULL);
	return 1;
}

bool
table_is_large(const struct table *t)
{
	const struct classifier *cls =
		atomic_load_explicit(&((struct table *)t)->cls, memory_order_acquire);

	return cls && classifier_is_large(cls);
}

void
table_fetch_buckets(const struct table *t, const struct of_key *key, struct table_ahead *ahead)
{
	struct classifier *cls =
		atomic_load_explicit(&((struct table *)t)->cls, memory_order_acquire);

	ahead->n = 0;
	if (cls)
		classifier_fetch_buckets(cls, key, ahead);
}

void
table_fetch_rules(const struct table_ahead *ahead)
{
	classifier_fetch_rules(ahead);
}

/* --- Publication -------------------------------------------------------------------------- */

_Atomic uint64_t tables_made; /* version at which some table last got its first rule */

void
rules_settle(void)
{
	for (unsigned i = 0; i < n_changed; i++)
		classifier_settle(changed[i]->cls);
}

void
rules_before_publish(uint64_t version)
{
	for (unsigned i = 0; i < n_changed; i++) {
		struct table *t = changed[i];

		classifier_stamp(t->cls, version);
		t->changed = false;
		if (!t->was_filled) {
			t->was_filled = true;
			atomic_store_explicit(&tables_made, version, memory_order_release);
		}
	}
	n_changed = 0;
}

void
rules_on_reaped(void (*fn)(struct rule **, unsigned n))
{
	reaped_fn = fn;
}

/* Rules let go of in one turn of the loop. */
#define RELEASE_SLICE 8192

/* No reader stands on an unlinked rule any more.  Memory goes back bit by bit, so that who waits
 * for the end of a large deletion does not wait for that. */
static void
release(void *batch_)
{
	struct removed *batch = batch_;

	for (unsigned n = 0; batch->n && n < RELEASE_SLICE; n++) {
		struct rule *r = batch->rules[--batch->n];

		if (batch->n >= 8)
			__builtin_prefetch(batch->rules[batch->n - 8], 1);
		if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
			rule_free(r);
	}
	if (batch->n) {
		wf_rcu_call(release, batch);
		return;
	}
	free(batch->rules);
	free(batch);
}

/* Removed rules whose grace period is over, taken out of the tables bit by bit as well. */
struct reaping {
	struct reaping *next;
	struct removed batch;
	unsigned done;
};
static struct reaping *reaping, **reaping_tail = &reaping;
static uint64_t n_batches, n_reaped; /* published; done with, in this order */

static void
reap_some(unsigned budget)
{
	struct reaping *q = reaping;
	struct removed *batch = &q->batch;
	unsigned n = batch->n - q->done < budget ? batch->n - q->done : budget;
	struct rule **rules = batch->rules + q->done;

	q->done += n;
	if (reaped_fn)
		reaped_fn(rules, n);
	for (unsigned i = 0; i < n; i++) {
		struct rule *r = rules[i];
		struct classifier *cls = r->table->cls;

		if (i + 16 < n)
			rule_prefetch(rules[i + 16]);
		if (i + 8 < n)
			classifier_prefetch_unlink(cls, rules[i + 8]);
		classifier_unlink(cls, r);
		if (i + 1 == n || rules[i + 1]->table->cls != cls)
			classifier_settle(cls);
		view_fields_used(r->match, r->actions, -1);
	}
	if (q->done < batch->n)
		return;
	n_reaped++;
	wf_rcu_call(release, wf_xmemdup(batch, sizeof *batch));
	reaping = q->next;
	if (!reaping)
		reaping_tail = &reaping;
	free(q);
}

static void
reap_next(void *unused)
{
	if (!reaping)
		return;
	reap_some(RELEASE_SLICE);
	if (reaping)
		wf_rcu_call(reap_next, NULL);
}

static void
reap(void *q_)
{
	struct reaping *q = q_;
	bool first = !reaping;

	*reaping_tail = q;
	reaping_tail = &q->next;
	if (first)
		reap_next(NULL);
}

static void
reap_all(void)
{
	while (reaping)
		reap_some(UINT32_MAX);
}

uint64_t
rules_n_removals(void)
{
	return n_batches;
}

bool
rules_are_reaped(uint64_t n_removals)
{
	return n_reaped >= n_removals;
}

void
rules_after_publish(void)
{
	if (!removed.n)
		return;
	struct reaping *q = wf_xzalloc(sizeof *q);
	q->batch = removed;
	n_batches++;
	wf_rcu_call(reap, q);
	memset(&removed, 0, sizeof removed);
}
