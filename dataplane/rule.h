/* SPDX-License-Identifier: Apache-2.0 */
/* Rules, and the tables that hold them.
 *
 * Versions.  A change makes rules with add_version = next and marks others with
 * remove_version = next; nothing is seen until the view with that version is published
 * (view.h).  A lookup names the version of the view that its burst has pinned and sees
 * exactly the rules with add_version <= v < remove_version.  So one flow-mod or a bundle of
 * a million becomes visible at once, by one store, and an undone one never was.
 *
 * Threads: one writer (main); any worker looks up between two quiescent reports.
 * Memory:  a rule is counted: 1 for being in the table, 1 for each plan that credits it, 1 for
 *          each of the writer's uses.  It is freed a grace period after the last unref.
 *
 * Staleness (rule 3): each table keeps version stamps per partition.  A plan's step holds
 * the addresses of two stamps; while both are <= the version at which the plan was last valid,
 * the lookup would give the same answer.
 */
#ifndef WEFT_DATAPLANE_RULE_H
#define WEFT_DATAPLANE_RULE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hmap.h"
#include "base/list.h"
#include "dataplane/classifier_narrow.h"
#include "dataplane/plan.h"
#include "openflow/match.h"

#define VERSION_NEVER UINT64_MAX

struct rule_actions { /* immutable; shared by rules with equal lists */
	_Atomic uint32_t refs;
	uint32_t size;      /* bytes */
	uint32_t hash;
	uint32_t meter_id;  /* of its meter instruction, 0: none */
	bool is_conjunction;/* a list of conjunction actions (and notes) only */
	bool has_group, has_learn; /* somewhere in it, nested lists too */
	bool has_trigger;          /* instruction stat_trigger */
	uint8_t stored_form; /* how the state file writes the list; 0: not decided yet */
	struct of_match *reads; /* fields that its actions read, NULL: none */
	struct wf_hmap_node node; /* in the writer's table of lists */
	uint64_t data[];    /* struct of_action records */
};

struct rule {
	/* The writer's (OpenFlow agent's). */
	uint16_t importance;
	uint16_t idle_timeout, hard_timeout; /* seconds, 0: none */
	uint8_t removed_reason; /* OFPRR_*, once removed */
	bool awaits_counts;     /* it replaced a rule whose last uses are not counted here yet */
	int64_t created_ms;
	_Atomic int64_t modified_ms; /* hard_timeout counts from here; learn refreshes it */
	uint64_t seq;           /* order of insertion, also within one version; names it in the state file */
	union {
		struct wf_list cookie_node; /* among the rules of its cookie */
		struct rule *successor;     /* removed and replaced: who takes the counters over */
	};
	struct wf_list expirable_node;   /* in bridge->expirable if it has a timeout */
	struct wf_list table_node;       /* in the agent's list of the table's rules */
	struct table *table;
	struct of_match *match; /* rule_match() */
	uint16_t flags;         /* OFPFF_*, as sent */
	uint8_t table_id;
	bool hidden;            /* not shown to controllers (in-band, fail-open) */
	/* Counted by plans and folded. */
	_Atomic uint32_t refs;
	struct counter counter; /* counter.used_ms: for idle timeouts */
	/* What walks read. */
	uint64_t cookie;
	struct rule_actions *actions;
	/* What look-ups read; the values of the match follow. */
	uint32_t cls_hash;      /* the classifier's, as cls_next: rules of equal match, highest priority first */
	bool is_conjunction;    /* as its actions */
	struct rule *_Atomic cls_next;
	_Atomic uint64_t add_version, remove_version;
	uint32_t priority;      /* of controllers' 0 to 0xffff; the switch's own may be above that */
};

/* It lies behind the rule in the same block of memory. */
static inline const struct of_match *
rule_match(const struct rule *r)
{
	return (const struct of_match *)(r + 1);
}

/* Main thread.  Equal lists share one block. */
struct rule_actions *rule_actions_new(const void *list, size_t size);
void rule_actions_unref(struct rule_actions *);

/* Brings what most uses of a rule touch into the cache. */
static inline void
rule_prefetch(const struct rule *r)
{
	__builtin_prefetch(r);
	__builtin_prefetch((const char *)r + 64);
	__builtin_prefetch((const char *)r + 128);
	__builtin_prefetch((const char *)r + 192);
}

/* The same of a look-up.  'r' may be NULL (a bucket that another thread is emptying): the addresses are numbers. */
static inline void
rule_prefetch_lookup(const struct rule *r)
{
	__builtin_prefetch((const void *)((uintptr_t)r + offsetof(struct rule, cls_next)));
	__builtin_prefetch((const void *)((uintptr_t)r + sizeof(struct rule) + offsetof(struct of_match, data) +
					  sizeof(r->match->data[0])));
}

void rule_ref(struct rule *);
void rule_unref(struct rule *); /* any thread */
static inline bool
rule_is_visible(const struct rule *r, uint64_t version)
{
	return atomic_load_explicit(&((struct rule *)r)->add_version, memory_order_relaxed) <= version &&
	       version < atomic_load_explicit(&((struct rule *)r)->remove_version, memory_order_acquire);
}

/* A new rule that owns copies of 'match' and (shared) of the actions; refs 1, add_version
 * and remove_version VERSION_NEVER. */
struct rule *rule_new(const struct of_match_full *match, uint32_t priority, const void *actions, size_t actions_size);
/* A new rule with the match and priority of another one; takes its own reference to 'actions'. */
struct rule *rule_clone(const struct rule *, struct rule_actions *actions);

enum table_miss { MISS_CONTROLLER_1_0, MISS_CONTINUE, MISS_DROP, MISS_CONTROLLER };

struct table {
	uint8_t id;
	char name[32];           /* may be empty */
	uint32_t max_flows;      /* UINT32_MAX: no limit */
	_Atomic int miss;        /* enum table_miss; MISS_CONTROLLER_1_0: by connection default */
	struct counter matched, missed; /* packets looked up = matched + missed */
	struct narrow_fields prefixes; /* Flow_Table:prefixes, main's; table_init(): nw_dst, nw_src */
	uint32_t n_rules;        /* visible or about to be, writer's */
	struct classifier *_Atomic cls; /* NULL until the first rule */
	bool changed, was_filled; /* writer's: since the last publication; ever */
};

void table_init(struct table *, uint8_t id);
void table_done(struct table *); /* after a grace period; rules are unreffed */

/* --- Writer ------------------------------------------------------------------ */

/* Puts 'rule' in, visible from 'version' on.  Takes a reference. */
void table_add(struct table *, struct rule *, uint64_t version);
/* Main, before it looks up a version that is not published yet. */
void rules_settle(void);
/* Makes it invisible from 'version' on.  A grace period after that version was published the
 * rule is unlinked, handed to the function of rules_on_reaped(), and unreffed. */
void table_remove(struct table *, struct rule *, uint64_t version);
/* The same for very many, which all plans of their tables are told of. */
void rules_remove(struct rule *const *rules, unsigned n, uint64_t version);
/* Undo of table_add before publication: unlinks at once; of table_remove: visible again. */
void table_undo_add(struct table *, struct rule *);
void table_undo_remove(struct table *, struct rule *);
/* The rule with exactly this match and priority that is visible at 'version', or NULL. */
struct rule *table_find(const struct table *, const struct of_match *, uint32_t priority, uint64_t version);
/* The same for workers, too. */
struct rule *table_find_shared(const struct table *, const struct of_match *, uint32_t priority,
			       uint64_t version);
/* A visible rule of this priority that overlaps, other than 'except', or NULL. */
struct rule *table_find_overlap(const struct table *, const struct of_match *, uint32_t priority, uint64_t version);
/* Calls 'fn' for each rule visible at 'version' that is a subset of 'pattern' (NULL: all);
 * stops when it returns false.  'fn' may add and remove. */
void table_for_each(const struct table *, const struct of_match *pattern, uint64_t version,
		    bool (*fn)(struct rule *, void *aux), void *aux);
/* At least so many as table_for_each() would call 'fn' for, and not many more to look at. */
unsigned table_n_candidates(const struct table *, const struct of_match *pattern);
/* Number of distinct masks (subtables), for memory/show and coverage. */
unsigned table_n_masks(const struct table *);
/* Bytes of the search structure, without the rules. */
size_t table_memory(const struct table *);

/* 'fn' gets the rules that no worker can see any more, in the order of their removal, so
 * that FLOW_REMOVED can be sent with exact totals (fold first).  Main thread. */
void rules_on_reaped(void (*fn)(struct rule **, unsigned n));
/* How many publications removed rules; were the rules of the first 'n_removals' handed to it?  Many are
 * handed over in several turns of the loop. */
uint64_t rules_n_removals(void);
bool rules_are_reaped(uint64_t n_removals);

/* What a lookup in a table without any rule depends on. */
extern _Atomic uint64_t tables_made;

/* --- Readers ----------------------------------------------------------------- */

/* Best rule for 'key' at 'version', conjunctions resolved (then *conj_id is set, else
 * unchanged); NULL: miss.  If 'step' is not NULL it is filled in.  If 'wc' is not NULL, ors in
 * what the lookup had to look at (for trace and dumps; slower). */
struct rule *table_lookup(const struct table *, const struct of_key *key, uint64_t version,
			  uint32_t *conj_id, struct plan_step *step, struct of_key *wc);
/* Bits of a key that whoever keeps an answer may leave out if they did not decide it: L4 ports (source << 16 |
 * destination), and, all together, those of the destination address behind the first 24 (IPv4, also what ARP asks for)
 * or 64 (IPv6), where most routes end. */
#define SPARE_PORTS 0xffffffffull
#define SPARE_DST (1ull << 32)
#define SPARE_ALL (SPARE_DST | SPARE_PORTS)
/* Takes those bits of the destination out of a mask. */
static inline void
spare_cut_dst(struct of_key *mask)
{
	mask->nw_dst &= htonl(0xffffff00);
	memset(mask->ipv6_dst.s6_addr + 8, 0, 8);
}
/* The same for who keeps the answer for other keys as well: ORs into 'needed' those of the spare bits
 * that decided.  Keys that agree in these, and in all else, get the same answer, as long as the steps are
 * what they were, of which up to TABLE_STEPS are filled in; returns how many. */
#define TABLE_STEPS 2
unsigned table_lookup_spare(const struct table *, const struct of_key *key, uint64_t version,
			    struct rule **rule, struct plan_step *steps, uint64_t *needed);

#endif
