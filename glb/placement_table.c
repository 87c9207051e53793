// SPDX-License-Identifier: Apache-2.0
/* Edits of one slot table with as few moves as its shares allow.
 *
 *   1. the dead and the forgotten leave the lists
 *   2. entitlements: slots * weight / sum of weights, as reals
 *   3. who gives: slots without a current owner that may serve are free; then, while somebody is off by
 *      a slot, the one most above its entitlement gives one to the one most below
 *   4. which slots: those with the shortest history first; a former owner gets its own slot back
 *
 * A removed member's slots are free, so as long as these suffice nobody else's move. */
#include "glb/placement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct share {
	uint32_t node;
	double due;	/* entitlement in slots */
	uint32_t has;	/* now */
	uint32_t gives; /* slots to give, while has counts them as gone */
	uint32_t takes;
};

struct heap { /* largest key first; keys are computed from the share each time */
	struct share *shares;
	uint32_t *at;	/* place -> share */
	uint32_t *place; /* share -> place */
	size_t n;
	double sign; /* 1: most below its entitlement first; -1: most above */
};

static double
key(const struct heap *h, size_t i)
{
	const struct share *s = &h->shares[h->at[i]];

	return h->sign * (s->due - s->has);
}

static void
swap(struct heap *h, size_t i, size_t k)
{
	uint32_t t = h->at[i];

	h->at[i] = h->at[k];
	h->at[k] = t;
	h->place[h->at[i]] = (uint32_t)i;
	h->place[h->at[k]] = (uint32_t)k;
}

/* The key of the share at place 'i' changed. */
static void
sift(struct heap *h, size_t i)
{
	for (; i && key(h, i) > key(h, (i - 1) / 2); i = (i - 1) / 2)
		swap(h, i, (i - 1) / 2);
	for (;;) {
		size_t largest = i;

		for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < h->n; c++)
			if (key(h, c) > key(h, largest))
				largest = c;
		if (largest == i)
			return;
		swap(h, i, largest);
		i = largest;
	}
}

static void
heap_init(struct heap *h, struct share *shares, size_t n, double sign)
{
	h->shares = shares;
	h->at = wf_xmalloc((n + 1) * sizeof *h->at);
	h->place = wf_xmalloc((n + 1) * sizeof *h->place);
	h->n = 0;
	h->sign = sign;
	while (h->n < n) {
		h->at[h->n] = h->place[h->n] = (uint32_t)h->n;
		h->n++;
		sift(h, h->n - 1);
	}
}

static struct share *
heap_top(struct heap *h)
{
	return &h->shares[h->at[0]];
}

static bool
is_dead(const struct plc_rules *r, uint32_t node)
{
	for (size_t i = 0; i < r->n_dead; i++)
		if (r->dead[i] == node)
			return true;
	return false;
}

static int
by_node(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b; /* first member of both structs */

	return (x > y) - (x < y);
}

static struct share *
share_of(struct share *shares, size_t n, uint32_t node)
{
	return node ? bsearch(&node, shares, n, sizeof *shares, by_node) : NULL;
}

static bool
is_member(const struct plc_member *m, size_t n, uint32_t node)
{
	return bsearch(&node, m, n, sizeof *m, by_node) != NULL;
}

static unsigned
list_len(const struct plc_slot *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PLC_OWNERS; i++)
		n += s->owner[i] != 0;
	return n;
}

/* Drops list entry i. */
static void
forget(struct plc_slot *s, unsigned i)
{
	for (; i + 1 < PLC_OWNERS; i++)
		s->owner[i] = s->owner[i + 1];
	s->owner[PLC_OWNERS - 1] = 0;
}

/* Makes 'node' (0: nobody) the current owner; false if a former owner fell off the end. */
static bool
move_to(struct plc_slot *s, uint32_t node, uint32_t number)
{
	uint32_t list[PLC_OWNERS + 1], lost;
	unsigned n = 0;

	list[n++] = node;
	for (unsigned i = 0; i < PLC_OWNERS; i++)
		if (s->owner[i] && s->owner[i] != node)
			list[n++] = s->owner[i];
	while (n < PLC_OWNERS + 1)
		list[n++] = 0;
	lost = list[PLC_OWNERS];
	memcpy(s->owner, list, sizeof s->owner);
	s->moved = number;
	return !lost;
}

/* Step 3.  Counts in 'gives' and 'takes' only; 'n_free' slots have no owner that may serve. */
static void
plan(struct share *shares, size_t n, uint32_t n_free)
{
	struct heap need, over;

	heap_init(&need, shares, n, 1);
	for (; n_free; n_free--) {
		heap_top(&need)->takes++;
		heap_top(&need)->has++;
		sift(&need, 0);
	}
	heap_init(&over, shares, n, -1);
	for (;;) {
		struct share *to = heap_top(&need), *from = heap_top(&over);
		double lacks = to->due - to->has, spare = from->has - from->due;

		/* Moving one slot must mend more than it breaks, and one of the two be off by a slot. */
		if (to == from || lacks + spare <= 1 || (lacks < 1 && spare < 1))
			break;
		to->takes++;
		from->gives++;
		/* One key at a time: a heap can mend one misplaced entry. */
		to->has++;
		sift(&need, need.place[to - shares]);
		sift(&over, over.place[to - shares]);
		from->has--;
		sift(&need, need.place[from - shares]);
		sift(&over, over.place[from - shares]);
	}
	free(need.at);
	free(need.place);
	free(over.at);
	free(over.place);
}

/* Step 4. */
static uint32_t
assign(struct plc_slot *slots, uint32_t n_slots, struct share *shares, size_t n, uint32_t number,
       uint32_t *cut)
{
	uint8_t *loose = wf_xzalloc(n_slots);
	uint32_t moved = 0;

	for (uint32_t i = 0; i < n_slots; i++)
		loose[i] = !share_of(shares, n, slots[i].owner[0]);
	/* Of a giver's slots, first those that a taker had before, then those with the shortest list. */
	for (uint32_t i = 0; i < n_slots; i++) {
		struct share *from = share_of(shares, n, slots[i].owner[0]);

		if (!from || !from->gives)
			continue;
		for (unsigned k = 1; k < PLC_OWNERS; k++) {
			struct share *to = share_of(shares, n, slots[i].owner[k]);

			if (to && to->takes) {
				from->gives--;
				to->takes--;
				move_to(&slots[i], to->node, number);
				moved++;
				break;
			}
		}
	}
	for (unsigned len = 1; len <= PLC_OWNERS; len++)
		for (uint32_t i = 0; i < n_slots; i++) {
			struct share *from;

			if (loose[i] || list_len(&slots[i]) != len)
				continue;
			from = share_of(shares, n, slots[i].owner[0]);
			if (from && from->gives) {
				from->gives--;
				loose[i] = 1;
			}
		}
	for (uint32_t i = 0; i < n_slots; i++)
		for (unsigned k = 1; loose[i] && k < PLC_OWNERS; k++) {
			struct share *to = share_of(shares, n, slots[i].owner[k]);

			if (to && to->takes) {
				to->takes--;
				move_to(&slots[i], to->node, number);
				moved++;
				loose[i] = 0;
			}
		}
	/* The rest in turn, so that neighbours of one owner go to different ones. */
	size_t turn = 0;

	for (uint32_t i = 0; i < n_slots; i++) {
		if (!loose[i])
			continue;
		while (!shares[turn % n].takes)
			turn++;
		shares[turn % n].takes--;
		if (!move_to(&slots[i], shares[turn % n].node, number))
			++*cut;
		moved++;
		turn++;
	}
	free(loose);
	return moved;
}

static uint32_t
slots_for(size_t n_serving, uint32_t a_member)
{
	uint32_t n = PLC_MIN_SLOTS;

	while (n < PLC_MAX_SLOTS && n < n_serving * (uint64_t)a_member)
		n *= 2;
	return n;
}

/* Where flows of the key before are: nothing is added, the dead and the forgotten leave.  Returns how many slots lose somebody else. */
static uint32_t
edit_before(const struct plc_table *t, const struct plc_member *want, size_t n_want, const struct plc_rules *rules,
	    struct plc_slot **ret)
{
	struct plc_slot *slots = t->n_before ? wf_xmemdup(t->before, t->n_before * sizeof *slots) : NULL;
	uint32_t cut = 0;

	for (uint32_t i = 0; i < t->n_before; i++) {
		bool lost = false;

		for (unsigned k = PLC_OWNERS; k-- > 0;) {
			uint32_t node = slots[i].owner[k];

			if (!node)
				continue;
			if (is_dead(rules, node) || (k && slots[i].moved < rules->forget_before)) {
				forget(&slots[i], k);
			} else if (!is_member(want, n_want, node)) {
				forget(&slots[i], k);
				lost = true;
			}
		}
		cut += lost;
	}
	*ret = slots;
	return cut;
}

int
plc_table_edit(struct plc_table *t, const struct plc_member *want, size_t n_want, uint32_t number,
	       const struct plc_rules *rules, struct plc_moves *ret, struct wf_err *err)
{
	struct plc_moves m = { 0 };
	struct share *shares = wf_xzalloc((n_want + 1) * sizeof *shares);
	struct plc_slot *slots, *before;
	uint32_t n_slots = t->n_slots, n_free = 0, stays = 0;
	uint64_t sum = 0;
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < n_want; i++) {
		sum += want[i].weight;
		if (want[i].weight && !is_dead(rules, want[i].node))
			shares[n++].node = want[i].node;
		else if (want[i].weight)
			sum -= want[i].weight;
	}
	/* A table doubles in place: slot i + n says what slot i said, and since a flow's slot is the low
	 * bits of its hash, no flow sees a difference. */
	if (!n_slots)
		n_slots = slots_for(n, PLC_SLOTS_A_MEMBER);
	else if (slots_for(n, PLC_MIN_SLOTS_A_MEMBER) > n_slots)
		n_slots = slots_for(n, PLC_SLOTS_A_MEMBER);
	slots = wf_xzalloc(n_slots * sizeof *slots);
	if (t->n_slots)
		for (uint32_t i = 0; i < n_slots; i++)
			slots[i] = t->slots[i & (t->n_slots - 1)];
	m.doubled = t->n_slots && n_slots != t->n_slots;

	for (size_t i = 0, k = 0; i < n_want; i++)
		if (want[i].weight && !is_dead(rules, want[i].node))
			shares[k++].due = (double)n_slots * want[i].weight / (double)sum;
	for (uint32_t i = 0; i < n_slots; i++) {
		struct plc_slot *s = &slots[i];
		bool lost = false;

		for (unsigned k = PLC_OWNERS; k-- > 1;)
			if (s->owner[k] && (s->moved < rules->forget_before || is_dead(rules, s->owner[k])))
				forget(s, k);
			else if (s->owner[k] && !is_member(want, n_want, s->owner[k])) {
				forget(s, k);
				lost = true;
			}
		struct share *now = share_of(shares, n, s->owner[0]);

		if (now) {
			now->has++;
		} else {
			n_free++;
			stays += s->owner[0] && !n && is_member(want, n_want, s->owner[0]) &&
				 !is_dead(rules, s->owner[0]);
			if (s->owner[0] && !is_member(want, n_want, s->owner[0]) &&
			    !is_dead(rules, s->owner[0]))
				lost = true;
			if (s->owner[0] && (is_dead(rules, s->owner[0]) ||
					    !is_member(want, n_want, s->owner[0])))
				s->owner[0] = 0;
		}
		m.cut += lost;
	}
	if (n) {
		plan(shares, n, n_free);
		m.moved = assign(slots, n_slots, shares, n, number, &m.cut);
	} else {
		/* Nobody may serve: owners that drain keep what they have, the rest is nobody's. */
		m.moved = n_free - stays;
		for (uint32_t i = 0; i < n_slots; i++)
			while (!slots[i].owner[0] && slots[i].owner[1]) {
				slots[i].owner[0] = slots[i].owner[1];
				forget(&slots[i], 1);
			}
	}
	m.cut += edit_before(t, want, n_want, rules, &before);
	if (m.cut && !rules->cut) {
		rc = wf_err(err, -EBUSY,
			    "would cut %u slots: connections there have an owner that the list has no "
			    "room for or that is to leave it; wait until these have ended, then forget "
			    "the moves before this document, or name the node as dead",
			    m.cut);
		free(slots);
		free(before);
	} else {
		free(t->slots);
		free(t->before);
		t->before = before;
		t->slots = slots;
		t->n_slots = n_slots;
		free(t->members);
		t->members = wf_xmemdup(want, n_want * sizeof *want);
		t->n_members = n_want;
	}
	free(shares);
	if (ret)
		*ret = m;
	return rc;
}
