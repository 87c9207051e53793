/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of members: state machines, own probes, feeds, operators.
 *
 *   probe results --rise/fall--> probe_up \
 *   feeds (files, peers)  ---------------> > target --> pol_member_set(), pol_commit()
 *   operator (drain, force) -------------/         \--> subscribers, state file, log
 *
 * Who decides (glb-rules 13):
 *   up    = what an operator forced; else own probe says up (if the pool has one) and no fresh feed
 * says down; without a probe what the feeds say, a stale one frozen; else up drain = configuration,
 * operator, or feed load  = the newest of the feeds, frozen when stale Before the first result a
 * target is as it was last (state file, or the predecessor by name); a first result of a target
 * that nothing was known of counts at once, without rise or fall.
 *
 * One object a daemon, which outlives each struct pol: pol_health_apply() moves it to the next one.
 * Threads: main.  It needs the loop (base/loop.h).
 */
#ifndef WEFT_POLICY_HEALTH_H
#define WEFT_POLICY_HEALTH_H

#include <jansson.h>

#include "base/err.h"
#include "policy/policy.h"

struct pol_health;

/* 'source' is how we call ourselves in lines that we send. */
struct pol_health *pol_health_new(const char *source);
/* Writes the state file, closes all. */
void pol_health_free(struct pol_health *);

struct wf_listener;

/* For the next process (docs/dns.md, "An upgrade"): what is known of the targets, what operators said of them
 * included.  The caller owns it. */
json_t *pol_health_state(const struct pol_health *);
/* In that process, before the first pol_health_apply(): instead of the state file. */
void pol_health_restore(struct pol_health *, const json_t *state);
/* Its socket; NULL: none. */
const struct wf_listener *pol_health_listener(const struct pol_health *);
/* The next process has state file and socket: as pol_health_free(), but for those. */
void pol_health_leave(struct pol_health *);

/* Takes the configuration (the same object as pol_build()) and the pol in force: targets that stay
 * keep their state, and 'pol' gets it at once (call it before 'pol' is published).  Returns 0, or a
 * negative errno with 'err' and everything as it was. */
int pol_health_apply(struct pol_health *, const json_t *conf, const char *folder, struct pol *,
		     struct wf_err *err);
/* Called when at least one policy changed its answers (after the commit). */
void pol_health_on_change(struct pol_health *, void (*fn)(void *arg), void *arg);

/* Called when the state of a member changed (after the commit), for who uses members without policies. */
void pol_health_on_state(struct pol_health *, void (*fn)(void *arg), void *arg);

/* Operator; "" for the member means all of the pool.  -ENOENT with 'err' if there is none. */
enum pol_force { POL_FORCE_NONE, POL_FORCE_UP, POL_FORCE_DOWN };
int pol_health_force(struct pol_health *, const char *pool, const char *member, enum pol_force,
		     struct wf_err *);
int pol_health_drain(struct pol_health *, const char *pool, const char *member, bool drain,
		     struct wf_err *);
/* True while a member has a probe and nothing is known of it yet, from whomever. */
bool pol_health_is_awaited(const struct pol_health *, const char *pool, const char *member);
/* A line as a feed would send it, from the daemon itself or a test. */
int pol_health_report(struct pol_health *, const char *source, const json_t *line, struct wf_err *);

/* [{"pool", "member", "up", "drain", "load", "since-ms", "probe", "last-result", "successes",
 * "failures", "forced", "feed", "stale"}]; the caller owns it. */
json_t *pol_health_json(const struct pol_health *);
/* The same as a table; the caller frees. */
char *pol_health_text(const struct pol_health *);
/* Counters: name and value, for metrics. */
struct pol_health_stats {
	uint64_t n_targets, n_up, n_probes, n_probe_failures, n_probes_not_run, n_transitions,
		n_feed_lines, n_feed_bad_lines, n_feed_unknown, n_stale_feeds, n_subscribers,
		n_subscribers_dropped, n_peers_closed, n_waiting;
};
void pol_health_stats(const struct pol_health *, struct pol_health_stats *);
/* "policy/health [json]", "policy/force POOL[/MEMBER] up|down|none", "policy/drain POOL[/MEMBER]
 * on|off", "policy/load POOL/MEMBER VALUE", "policy/feeds". */
void pol_health_unixctl_init(struct pol_health *);

#endif
