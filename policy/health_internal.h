/* SPDX-License-Identifier: Apache-2.0 */
/* Inside a struct pol_health. */
#ifndef WEFT_POLICY_HEALTH_INTERNAL_H
#define WEFT_POLICY_HEALTH_INTERNAL_H

#include "base/hmap.h"
#include "base/jsonmsg.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/stream.h"
#include "policy/health.h"
#include "policy/probe.h"

#define POL_MAX_PROBES	512 /* at work at once; more wait for their turn */
#define POL_MAX_PEERS	256
#define POL_MAX_LINE	(8u << 20)  /* of a feed */
#define POL_MAX_BACKLOG (16u << 20) /* of a subscriber, which is dropped then */
/* Load that rises counts at once; load that falls by less than this share of the capacity does not,
 * so that a flicker around a watermark does not move clients to and fro. */
#define POL_LOAD_HYSTERESIS 0.02f
#define POL_HEARTBEAT_MS    5000
#define POL_LISTEN_STALE_MS 15000 /* of peers that publish at our listener */
#define POL_FORGET_MS	    300000 /* after that: their feed goes */

/* What a feed last said of a target. */
struct pol_said {
	struct wf_list in_feed, in_target;
	struct pol_feed *feed;
	struct pol_target *target;
	bool has_up, up, drain;
	float load; /* negative: nothing */
	int64_t at_ms;
};

struct pol_target {
	struct wf_hmap_node node; /* by name */
	char *name;		  /* "POOL/MEMBER" */
	const char *member;	  /* behind the slash */
	char *pool;
	uint32_t index; /* in the pol in force */
	uint32_t capacity, slow_start_ms;
	bool gone; /* not in the configuration that is being applied */
	/* Probe */
	const struct pol_probe_conf *probe_conf; /* NULL: none */
	struct pol_addr probe_addr;
	struct wf_timer timer;
	struct pol_probe *probe;
	struct wf_list waiting; /* for its turn; empty: not in the queue */
	bool probe_known, probe_up;
	unsigned in_row; /* results in a row that speak against probe_up */
	uint64_t n_ok, n_failed;
	char last[120];
	struct pol_told told; /* by the last probe that passed */
	/* Others */
	struct wf_list said;
	enum pol_force force;
	bool conf_drain, op_drain;
	float op_load; /* negative: none; for tests and operators */
	/* Outcome */
	bool known, up, drain;
	float load;
	int64_t since_ms, up_since_ms;
	float slow; /* share of slow start */
	struct wf_timer slow_timer;
};

enum pol_feed_kind { POL_FEED_FILE, POL_FEED_CONNECT, POL_FEED_PEER, POL_FEED_LOCAL };

struct pol_feed {
	struct wf_list node;
	struct pol_health *health;
	char *name, *where;
	enum pol_feed_kind kind;
	bool keep, stale;
	uint32_t stale_ms;
	int64_t heard_ms;
	struct wf_list said;
	struct wf_timer timer, stale_timer;
	struct wf_stream *stream;
	struct wf_jsonmsg scan;
	struct timespec file_mtime;
	uint64_t file_size, file_inode;
	uint64_t n_lines, n_bad;
	char last_error[200];
};

/* A connection at our listener: subscriber, publisher, or both. */
struct pol_peer {
	struct wf_list node;
	struct pol_health *health;
	struct wf_stream *stream;
	struct wf_jsonmsg scan;
	bool subscribed;
};

struct pol_health {
	char *source;
	struct pol *pol;
	struct wf_hmap targets;
	struct pol_probe_conf *probes;
	unsigned n_probes_conf, n_running;
	struct wf_list waiting, feeds, peers;
	struct wf_listener *listener;
	char *listen, *state_file;
	bool state_dirty;
	uint32_t forget_ms; /* POL_FORGET_MS, but in tests */
	struct wf_timer commit_timer, heartbeat_timer, state_timer;
	uint64_t seq;
	json_t *changed; /* for subscribers, since the last commit */
	void (*on_change)(void *arg);
	void *on_change_arg;
	void (*on_state)(void *arg);
	void *on_state_arg;
	struct pol_health_stats stats;
	json_t *restored; /* of the state file, until the targets have it */
};

/* target.c */
struct pol_target *pol_target_find(const struct pol_health *, const char *name);
void pol_target_evaluate(struct pol_health *, struct pol_target *);
/* What was evaluated is in force when this returns; else within some milliseconds. */
void pol_targets_commit(struct pol_health *);
void pol_target_free(struct pol_health *, struct pol_target *);
void pol_target_result(struct pol_health *, struct pol_target *, bool ok, const char *text);
void pol_target_schedule(struct pol_health *, struct pol_target *, bool first);
json_t *pol_target_line(const struct pol_target *);

/* feed.c */
struct pol_feed *pol_feed_new(struct pol_health *, enum pol_feed_kind, const char *name,
			      const char *where, uint32_t stale_ms);
void pol_feed_start(struct pol_feed *);
void pol_feed_free(struct pol_feed *);
/* Takes one line.  -EINVAL with 'err': it is not one; nothing of it counts. */
int pol_feed_take(struct pol_feed *, const json_t *line, struct wf_err *);
/* Gives each whole JSON text in 'data' to fn, up to the first that it refuses ('*rc', 'err');
 * returns the bytes that are dealt with. */
size_t pol_lines_take(struct wf_jsonmsg *, const uint8_t *data, size_t size,
		      int (*fn)(void *arg, const json_t *line, struct wf_err *), void *arg, int *rc,
		      struct wf_err *err);
/* What the target's feeds say, all in one. */
struct pol_said_sum {
	bool has_up, up, drain, stale;
	float load;
	const char *feed;
};
struct pol_said_sum pol_said_sum(const struct pol_target *);
void pol_said_free(struct pol_said *);

/* serve.c */
int pol_serve_open(struct pol_health *, const char *listen, struct wf_err *);
void pol_serve_close(struct pol_health *);
void pol_serve_publish(struct pol_health *); /* what 'changed' holds, or a heartbeat */

#endif
