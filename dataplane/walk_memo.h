/* SPDX-License-Identifier: Apache-2.0 */
/* What walks through the tables led to, so that a packet that was never seen before needs the
 * look-ups and no more.
 *
 * The plan of a walk follows from the shape of the packet (xlate_shape_mask()), the port, and
 * the lists of actions that the look-ups found, as long as no action looks at another bit of the
 * packet.  The translator says so while it walks (struct walk_record), and the memo keeps
 *
 *   root (port, shape) -> look-up -> by list of actions -> look-up -> ... -> plan
 *
 * A look-up is a table and what the key's words are there: the packet's bits, or constants that
 * actions before it wrote.  Rules of equal actions share an edge (rule_actions are interned), so a
 * thousand routes through four next hops are four plans.  Rules and tables are credited for
 * what each packet found.
 *
 * Cost of a packet: the look-ups, and one probe of a hash for each.
 * A walk that does not qualify ends in a leaf that says so, and is walked for each packet.
 *
 * All of it goes when anything but rules changes (view->config_version), when it is full, and
 * a minute after rules changed, since it keeps those alive that it came by; main frees it.  No answer is older than the
 * packet's view, since look-ups are made anew.
 *
 * Threads: a worker's own.
 */
#ifndef WEFT_DATAPLANE_WALK_MEMO_H
#define WEFT_DATAPLANE_WALK_MEMO_H

#include "dataplane/rule.h"
#include "dataplane/translate.h"

#define WALK_MAX_LOOKUPS 96
#define WALK_MAX_DELTAS 512

struct walk_delta { /* the word is (packet's & keep) | value from here on */
	uint64_t keep, value;
	uint32_t word, pad;
};

/* Filled by the translator, for xlate_in.record. */
struct walk_record {
	enum walk_state {
		WALK_RECORDING,
		WALK_NEVER,   /* an action looks at more: so it is for each packet that comes this way */
		WALK_NOT_NOW, /* something about this very packet */
	} state;
	unsigned n_lookups, n_found, n_credited, n_deltas;
	bool moved_ttl, moved_vlans; /* the key has packet bits where the packet had others */
	struct of_key key, known;    /* as of the last look-up */
	struct walk_lookup {
		const struct table *table;
		struct rule *rule;   /* NULL: miss */
		unsigned n_deltas;   /* the next ones of 'deltas' */
	} lookups[WALK_MAX_LOOKUPS];
	struct walk_delta deltas[WALK_MAX_DELTAS];
};
static inline void
walk_record_end(struct walk_record *r, enum walk_state why)
{
	if (r && r->state == WALK_RECORDING)
		r->state = why;
}
/* The bits that are the same for all packets of a root: for the translator to start with. */
void walk_record_known(struct of_key *known);
/* Before a look-up ('known': bits that do not depend on the packet but by its shape), and its outcome. */
void walk_record_lookup(struct walk_record *, const struct xlate_in *, const struct table *,
			const struct of_key *key, const struct of_key *known);
void walk_record_found(struct walk_record *, struct rule *);

struct walk_memo;
struct walk_memo *walk_memo_new(void);
void walk_memo_free(struct walk_memo *); /* NULL is fine */
/* Between bursts: drops what cannot be used any more. */
void walk_memo_sync(struct walk_memo *, const struct view *, int64_t now_ms);
void walk_memo_purge(struct walk_memo *);

/* What a walk found. */
struct walk_found {
	struct plan *body;   /* the memo's; credits what does not depend on rules */
	uint32_t leaf;
	unsigned n_rules, n_steps;
	/* With steps: the spare bits (rule.h) that decided.  Packets that agree in these,
	 * and in all else, are found the same as long as the steps hold. */
	uint64_t needed;
	struct rule *rules[WALK_MAX_LOOKUPS];
	struct plan_step steps[WALK_MAX_LOOKUPS * TABLE_STEPS];
};
enum walk_answer { WALK_UNKNOWN, WALK_TRANSLATE, WALK_FOUND };
/* 'steps': the caller will keep the plan. */
enum walk_answer walk_memo_find(struct walk_memo *, const struct xlate_in *, bool steps,
				struct walk_found *);
/* After WALK_UNKNOWN: what the translator is to fill, or NULL: translate without. */
struct walk_record *walk_memo_record(struct walk_memo *, const struct xlate_in *);
/* The plan of that walk.  WALK_FOUND, or WALK_TRANSLATE, and then '*plan' is still the caller's and
 * does for this packet, or it is NULL. */
enum walk_answer walk_memo_add(struct walk_memo *, const struct xlate_in *, struct plan **plan,
			       struct walk_found *);
/* For a packet that was run by 'body': credits it, by the end of the burst. */
void walk_memo_credit(struct walk_memo *, const struct walk_found *, uint64_t bytes, int64_t now_ms);
void walk_memo_end_burst(struct walk_memo *, int64_t now_ms);

#endif
