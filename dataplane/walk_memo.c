/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/walk_memo.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/rcu.h"
#include "dataplane/run.h"
#include "dataplane/translate_internal.h"

#define MAX_NODES 65536u
#define MAX_LEAVES 8192u
#define MAX_BYTES (32u << 20)     /* of plans */
#define MAX_ROOTS 16384u
#define MAX_ROOTS_OF_A_PORT 64    /* shapes of packets: a sender makes them up */
#define MAX_AGE_MS 60000
/* Recording takes longer than a walk: it has to pay. */
#define CREDIT_START 4096
#define CREDIT_MAX 16384
#define CREDIT_RECORD 4
#define UNPAID_ONE_IN 16

/* After so many packets that were looked up in vain, one in 16 is tried. */
#define MANY_IN_VAIN 64

#define MAX_SHAPE_WORDS 16

struct node { /* a look-up */
	const struct table *table;
	uint32_t delta, n_deltas;
};

#define TO_LEAF 0x80000000u
struct edge {
	const struct rule_actions *actions; /* NULL: no rule */
	uint32_t node;                      /* where it starts; 0: free */
	uint32_t to;                        /* a node, or TO_LEAF | leaf */
};

struct leaf {
	struct plan *plan; /* also keeps the rules of the walk that led here, and so their lists */
	bool never;
	uint64_t packets, bytes; /* of this burst */
};

struct root {
	uint32_t hash, node; /* node 0: free */
	uint32_t in_slot;
	uint32_t n_in_vain;  /* packets since one was found a plan for */
	const struct bridge *bridge;
	uint64_t shape[MAX_SHAPE_WORDS];
};

struct walk_memo {
	uint64_t config_version, version;
	uint32_t layout_generation;
	int64_t changed_ms; /* when rules were first seen to have changed, 0: not yet */
	bool full;
	size_t bytes;
	int32_t credit;
	uint32_t unpaid;
	/* Nodes count from 1. */
	struct node *nodes;
	uint32_t n_nodes, max_nodes;
	struct walk_delta *deltas;
	uint32_t n_deltas, max_deltas;
	struct leaf *leaves;
	uint32_t n_leaves, max_leaves;
	struct edge *edges;
	uint32_t n_edges, edge_mask;
	struct root *roots;
	uint32_t n_roots;
	uint8_t n_roots_of[256]; /* by the low bits of the slot */
	uint32_t *touched;
	uint32_t n_touched, max_touched;
	/* Which bits of which words are the shape. */
	unsigned n_shape;
	uint8_t shape_words[MAX_SHAPE_WORDS];
	uint64_t shape_masks[MAX_SHAPE_WORDS];
	/* Of a walk that is not kept, but done again now, which finds the same continuations. */
	struct plan *spent;
	/* Scratch. */
	struct of_key key;
	struct walk_record record;
};

/* --- Recording -------------------------------------------------------------------------- */

void
walk_record_known(struct of_key *known)
{
	memset(known, 0, sizeof *known);
	/* Pipeline metadata starts as 0: only such packets are recorded. */
	memset(known, 0xff, offsetof(struct of_key, dl_dst));
	xlate_shape_mask(known);
}

void
walk_record_lookup(struct walk_record *r, const struct xlate_in *in, const struct table *table,
		   const struct of_key *key_, const struct of_key *known_)
{
	const struct key_layout *layout = in->view->layout;
	const uint64_t *key = of_key_words_c(key_), *known = of_key_words_c(known_);
	const uint64_t *orig = of_key_words_c(&in->key);
	uint64_t *last_key = of_key_words(&r->key), *last_known = of_key_words(&r->known);
	const struct of_key *m = &layout->mask;
	struct walk_lookup *l;

	if (r->state != WALK_RECORDING)
		return;
	if (r->n_lookups == WALK_MAX_LOOKUPS || r->n_deltas + layout->n_words > WALK_MAX_DELTAS) {
		r->state = WALK_NEVER;
		return;
	}
	if (r->moved_ttl && m->nw_ttl & ~known_->nw_ttl)
		r->state = WALK_NEVER;
	for (unsigned i = 0; r->moved_vlans && i < OF_MAX_VLANS; i++)
		if ((m->vlans[i].tci & ~known_->vlans[i].tci) |
		    (m->vlans[i].tpid & ~known_->vlans[i].tpid))
			r->state = WALK_NEVER;
	l = &r->lookups[r->n_lookups];
	l->table = table;
	l->rule = NULL;
	l->n_deltas = 0;
	for (unsigned i = 0; i < layout->n_words; i++) {
		unsigned w = layout->words[i];
		uint64_t value = key[w] & known[w];

		/* What is not known is the packet's own, at its place. */
		if ((key[w] ^ orig[w]) & ~known[w] & of_key_words_c(m)[w])
			r->state = WALK_NEVER;
		if (known[w] == last_known[w] && value == (last_key[w] & last_known[w]))
			continue;
		r->deltas[r->n_deltas++] =
			(struct walk_delta){ .keep = ~known[w], .value = value, .word = w };
		l->n_deltas++;
		last_known[w] = known[w];
		last_key[w] = key[w];
	}
	if (r->state == WALK_RECORDING)
		r->n_lookups++;
}

void
walk_record_found(struct walk_record *r, struct rule *rule)
{
	if (r->state != WALK_RECORDING)
		return;
	r->lookups[r->n_lookups - 1].rule = rule;
	r->n_found += rule != NULL;
}

/* --- Life --------------------------------------------------------------------------------- */

struct walk_memo *
walk_memo_new(void)
{
	struct walk_memo *m = wf_xzalloc(sizeof *m);
	struct of_key mask = { 0 };
	const uint64_t *words = of_key_words_c(&mask);

	xlate_shape_mask(&mask);
	for (unsigned i = 0; i < OF_KEY_WORDS; i++) {
		if (!words[i])
			continue;
		if (m->n_shape == MAX_SHAPE_WORDS)
			abort();
		m->shape_words[m->n_shape] = (uint8_t)i;
		m->shape_masks[m->n_shape++] = words[i];
	}
	return m;
}

/* Of walks that are not kept only the rules are needed. */
static void
release_spent(struct walk_memo *m)
{
	struct plan *p = m->spent;

	if (!p)
		return;
	plan_ops_release(p->ops, p->ops_size);
	p->ops_size = 0;
	m->spent = NULL;
}

/* What is thrown away, for main to free. */
struct garbage {
	uint32_t n_leaves;
	struct leaf *leaves;
	void *arrays[5];
};

static void
garbage_free(void *g_)
{
	struct garbage *g = g_;

	for (uint32_t i = 0; i < g->n_leaves; i++)
		plan_unref(g->leaves[i].plan);
	free(g->leaves);
	for (unsigned i = 0; i < sizeof g->arrays / sizeof g->arrays[0]; i++)
		free(g->arrays[i]);
	free(g);
}

static struct garbage *
empty(struct walk_memo *m)
{
	struct garbage *g = wf_xmalloc(sizeof *g);

	release_spent(m);
	*g = (struct garbage){ m->n_leaves, m->leaves,
			       { m->nodes, m->deltas, m->edges, m->roots, m->touched } };
	m->nodes = NULL;
	m->deltas = NULL;
	m->leaves = NULL;
	m->edges = NULL;
	m->roots = NULL;
	m->touched = NULL;
	m->n_nodes = m->max_nodes = m->n_deltas = m->max_deltas = 0;
	m->n_leaves = m->max_leaves = m->n_edges = m->edge_mask = m->n_roots = 0;
	m->n_touched = m->max_touched = 0;
	memset(m->n_roots_of, 0, sizeof m->n_roots_of);
	m->bytes = 0;
	m->full = false;
	m->changed_ms = 0;
	return g;
}

void
walk_memo_purge(struct walk_memo *m)
{
	if (m->roots)
		wf_rcu_call(garbage_free, empty(m));
}

void
walk_memo_free(struct walk_memo *m)
{
	if (!m)
		return;
	garbage_free(empty(m));
	free(m);
}

void
walk_memo_sync(struct walk_memo *m, const struct view *v, int64_t now_ms)
{
	uint32_t generation = v->layout ? v->layout->generation : 0;
	bool other = m->config_version != v->config_version || m->layout_generation != generation;

	if (likely(!other && !m->full && m->version == v->version))
		return;
	if (!other && !m->full) {
		/* Rules that are gone are kept alive for a while. */
		if (!m->changed_ms)
			m->changed_ms = now_ms;
		if (now_ms - m->changed_ms < MAX_AGE_MS)
			return;
	}
	/* Whoever fills it gets no new credit by that. */
	if (other)
		m->credit = CREDIT_START;
	walk_memo_purge(m);
	m->full = false;
	m->changed_ms = 0;
	m->layout_generation = generation;
	m->config_version = v->config_version;
	m->version = v->version;
}

/* --- Finding ------------------------------------------------------------------------------ */

static inline uint32_t
edge_hash(uint32_t node, const struct rule_actions *actions)
{
	return (uint32_t)wf_hash_mix64((uintptr_t)actions, wf_hash_seed + node);
}

static inline struct edge *
edge_find(const struct walk_memo *m, uint32_t node, const struct rule_actions *actions)
{
	for (uint32_t i = edge_hash(node, actions);; i++) {
		struct edge *e = &m->edges[i & m->edge_mask];

		if (likely(e->node == node && e->actions == actions))
			return e;
		if (!e->node)
			return NULL;
	}
}

static uint32_t
shape_of(const struct walk_memo *m, const struct xlate_in *in, uint64_t *shape)
{
	const uint64_t *key = of_key_words_c(&in->key);
	uint64_t h = wf_hash_seed + in->in_slot;

	for (unsigned i = 0; i < m->n_shape; i++) {
		shape[i] = key[m->shape_words[i]] & m->shape_masks[i];
		h = wf_hash_mix64(h, shape[i]);
	}
	return (uint32_t)(h ^ h >> 32);
}

static struct root *
root_find(const struct walk_memo *m, const struct xlate_in *in, uint32_t hash,
	  const uint64_t *shape)
{
	for (uint32_t i = hash;; i++) {
		struct root *r = &m->roots[i & (2 * MAX_ROOTS - 1)];

		if (!r->node)
			return r;
		if (r->hash == hash && r->in_slot == in->in_slot && r->bridge == in->bridge &&
		    !memcmp(r->shape, shape, m->n_shape * sizeof *shape))
			return r;
	}
}

enum walk_answer
walk_memo_find(struct walk_memo *m, const struct xlate_in *in, bool steps, struct walk_found *found)
{
	const struct of_key *key = &in->key;
	uint64_t shape[MAX_SHAPE_WORDS];
	struct root *root;
	uint32_t node;

	found->n_rules = found->n_steps = 0;
	found->needed = 0;
	if (!m->n_roots)
		return WALK_UNKNOWN;
	root = root_find(m, in, shape_of(m, in, shape), shape);
	if (!root->node)
		return WALK_UNKNOWN;
	if (root->n_in_vain > MANY_IN_VAIN && root->n_in_vain++ % 16)
		return WALK_TRANSLATE;
	node = root->node;
	while (node) {
		const struct node *n = &m->nodes[node];
		uint32_t conj_id = 0;
		struct rule *rule;
		struct edge *e;

		if (n->n_deltas) {
			const uint64_t *orig = of_key_words_c(&in->key);
			uint64_t *words = of_key_words(&m->key);

			if (key == &in->key) {
				m->key = in->key;
				key = &m->key;
			}
			for (uint32_t i = 0; i < n->n_deltas; i++) {
				const struct walk_delta *d = &m->deltas[n->delta + i];

				words[d->word] = (orig[d->word] & d->keep) | d->value;
			}
		}
		if (steps)
			found->n_steps += table_lookup_spare(n->table, key, in->view->version, &rule,
							     &found->steps[found->n_steps],
							     &found->needed);
		else
			rule = table_lookup(n->table, key, in->view->version, &conj_id, NULL, NULL);
		if (rule)
			found->rules[found->n_rules++] = rule;
		e = edge_find(m, node, rule ? rule->actions : NULL);
		if (unlikely(!e))
			break;
		if (e->to & TO_LEAF) {
			found->leaf = e->to & ~TO_LEAF;
			found->body = m->leaves[found->leaf].plan;
			if (m->leaves[found->leaf].never) {
				root->n_in_vain++;
				return WALK_TRANSLATE;
			}
			root->n_in_vain = 0;
			if (m->credit < CREDIT_MAX)
				m->credit++;
			return WALK_FOUND;
		}
		node = e->to;
	}
	root->n_in_vain += m->credit <= 0;
	return WALK_UNKNOWN;
}

/* --- Adding --------------------------------------------------------------------------------- */

struct walk_record *
walk_memo_record(struct walk_memo *m, const struct xlate_in *in)
{
	struct walk_record *r = &m->record;

	if (m->full || !in->view->layout || m->n_roots >= MAX_ROOTS ||
	    m->n_roots_of[in->in_slot & 255] >= MAX_ROOTS_OF_A_PORT)
		return NULL;
	if (m->credit <= 0 && ++m->unpaid % UNPAID_ONE_IN)
		return NULL;
	release_spent(m);
	m->credit -= CREDIT_RECORD;
	r->state = WALK_RECORDING;
	r->n_lookups = r->n_found = r->n_credited = r->n_deltas = 0;
	r->moved_ttl = r->moved_vlans = false;
	r->key = in->key;
	walk_record_known(&r->known);
	return r;
}

static void
edges_grow(struct walk_memo *m)
{
	uint32_t mask = m->edge_mask ? m->edge_mask * 2 + 1 : 63;
	struct edge *new = wf_xzalloc((mask + 1ull) * sizeof *new);

	for (uint32_t i = 0; m->edges && i <= m->edge_mask; i++) {
		uint32_t at;

		if (!m->edges[i].node)
			continue;
		at = edge_hash(m->edges[i].node, m->edges[i].actions);
		while (new[at & mask].node)
			at++;
		new[at & mask] = m->edges[i];
	}
	free(m->edges);
	m->edges = new;
	m->edge_mask = mask;
}

static void
edge_add(struct walk_memo *m, uint32_t node, const struct rule_actions *actions, uint32_t to)
{
	uint32_t i = edge_hash(node, actions);

	while (m->edges[i & m->edge_mask].node)
		i++;
	m->edges[i & m->edge_mask] = (struct edge){ actions, node, to };
	m->n_edges++;
}

static void *
grow(void *array, uint32_t n, uint32_t *max, size_t size)
{
	if (n < *max)
		return array;
	*max = *max ? *max * 2 : 64;
	while (*max <= n)
		*max *= 2;
	return wf_xrealloc(array, *max * size);
}

static uint32_t
node_add(struct walk_memo *m, const struct walk_lookup *l, const struct walk_delta *deltas)
{
	uint32_t id = ++m->n_nodes;

	m->nodes = grow(m->nodes, id, &m->max_nodes, sizeof *m->nodes);
	m->deltas = grow(m->deltas, m->n_deltas + l->n_deltas, &m->max_deltas, sizeof *m->deltas);
	m->nodes[id] = (struct node){ l->table, m->n_deltas, l->n_deltas };
	memcpy(&m->deltas[m->n_deltas], deltas, l->n_deltas * sizeof *deltas);
	m->n_deltas += l->n_deltas;
	return id;
}

static bool
node_is(const struct walk_memo *m, uint32_t node, const struct walk_lookup *l,
	const struct walk_delta *deltas)
{
	const struct node *n = &m->nodes[node];

	return n->table == l->table && n->n_deltas == l->n_deltas &&
	       !memcmp(&m->deltas[n->delta], deltas, l->n_deltas * sizeof *deltas);
}

/* The way to the last look-up, made as far as it is not there; 0: there is something else. */
static uint32_t
way_add(struct walk_memo *m, const struct xlate_in *in)
{
	const struct walk_record *r = &m->record;
	uint64_t shape[MAX_SHAPE_WORDS];
	uint32_t hash = shape_of(m, in, shape), node;
	unsigned delta = 0;
	struct root *root;

	if (!m->roots)
		m->roots = wf_xzalloc(2 * MAX_ROOTS * sizeof *m->roots);
	while ((m->n_edges + r->n_lookups) * 4ull >= (m->edge_mask + 1ull) * 3 || !m->edges)
		edges_grow(m);
	root = root_find(m, in, hash, shape);
	if (!root->node) {
		root->node = node_add(m, &r->lookups[0], r->deltas);
		root->hash = hash;
		root->in_slot = in->in_slot;
		root->n_in_vain = 0;
		root->bridge = in->bridge;
		memcpy(root->shape, shape, sizeof shape);
		m->n_roots++;
		m->n_roots_of[in->in_slot & 255]++;
	}
	node = root->node;
	for (unsigned i = 0;; i++) {
		const struct walk_lookup *l = &r->lookups[i];
		const struct rule_actions *actions = l->rule ? l->rule->actions : NULL;
		struct edge *e;
		uint32_t to;

		if (!node_is(m, node, l, &r->deltas[delta]))
			return 0;
		delta += l->n_deltas;
		if (i + 1 == r->n_lookups)
			return node;
		e = edge_find(m, node, actions);
		if (e && e->to & TO_LEAF)
			return 0;
		to = e ? e->to : node_add(m, l + 1, &r->deltas[delta]);
		if (!e)
			edge_add(m, node, actions, to);
		node = to;
	}
}

/* Takes the rules' counters out of what the plan credits. */
static void
leave_tables_credits(struct plan *p, const struct walk_record *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n_credits; i++) {
		bool is_rule = false;

		for (unsigned j = 0; j < r->n_lookups && !is_rule; j++)
			is_rule = r->lookups[j].rule &&
				  p->credits[i] == &r->lookups[j].rule->counter;
		if (!is_rule)
			p->credits[n++] = p->credits[i];
	}
	p->n_credits = n;
}

enum walk_answer
walk_memo_add(struct walk_memo *m, const struct xlate_in *in, struct plan **plan,
	      struct walk_found *found)
{
	struct walk_record *r = &m->record;
	struct plan *p = *plan;
	const struct walk_lookup *last;
	uint32_t node;

	if (r->state == WALK_RECORDING &&
	    (p->has_learn || p->lacks || p->n_steps != r->n_lookups || r->n_credited != r->n_found))
		r->state = WALK_NEVER;
	if (r->state == WALK_RECORDING && !p->cacheable)
		r->state = WALK_NOT_NOW;
	if (r->state == WALK_NOT_NOW || !r->n_lookups)
		return WALK_TRANSLATE;
	m->full |= m->n_nodes + r->n_lookups >= MAX_NODES || m->n_leaves >= MAX_LEAVES ||
		   m->bytes >= MAX_BYTES;
	node = m->full ? 0 : way_add(m, in);
	last = &r->lookups[r->n_lookups - 1];
	if (!node || edge_find(m, node, last->rule ? last->rule->actions : NULL)) {
		/* No room, or what is kept is of rules that are gone: it all goes before the next burst. */
		m->full = true;
		return WALK_TRANSLATE;
	}
	*plan = NULL;
	m->leaves = grow(m->leaves, m->n_leaves, &m->max_leaves, sizeof *m->leaves);
	m->leaves[m->n_leaves] = (struct leaf){ .plan = p, .never = r->state == WALK_NEVER };
	edge_add(m, node, last->rule ? last->rule->actions : NULL, TO_LEAF | m->n_leaves);
	found->leaf = m->n_leaves++;
	m->bytes += sizeof *p + p->n_steps * sizeof *p->steps + p->n_rules * sizeof *p->rules;
	if (r->state == WALK_NEVER) {
		m->spent = p;
		return WALK_TRANSLATE;
	}
	m->bytes += p->ops_size + p->n_credits * sizeof *p->credits;

	leave_tables_credits(p, r);
	found->body = p;
	found->n_rules = 0;
	for (unsigned i = 0; i < r->n_lookups; i++)
		if (r->lookups[i].rule)
			found->rules[found->n_rules++] = r->lookups[i].rule;
	found->n_steps = p->n_steps;
	found->needed = SPARE_ALL; /* the translator does not ask */
	memcpy(found->steps, p->steps, p->n_steps * sizeof *p->steps);
	return WALK_FOUND;
}

/* --- Use -------------------------------------------------------------------------------------- */

void
walk_memo_credit(struct walk_memo *m, const struct walk_found *f, uint64_t bytes, int64_t now_ms)
{
	struct leaf *l = &m->leaves[f->leaf];

	for (unsigned i = 0; i < f->n_rules; i++)
		counter_add(&f->rules[i]->counter, 1, bytes, now_ms);
	if (!l->packets++) {
		m->touched = grow(m->touched, m->n_touched, &m->max_touched, sizeof *m->touched);
		m->touched[m->n_touched++] = f->leaf;
	}
	l->bytes += bytes;
}

void
walk_memo_end_burst(struct walk_memo *m, int64_t now_ms)
{
	release_spent(m);
	for (uint32_t i = 0; i < m->n_touched; i++) {
		struct leaf *l = &m->leaves[m->touched[i]];

		plan_credit(l->plan, l->packets, l->bytes, now_ms);
		l->packets = l->bytes = 0;
	}
	m->n_touched = 0;
}
