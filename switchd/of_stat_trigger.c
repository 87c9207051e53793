/* SPDX-License-Identifier: Apache-2.0 */
/* Instruction stat_trigger (OpenFlow 1.5.1 section 5.5): the switch tells of a flow's statistics when
 * they pass thresholds, so that nobody has to ask for those of all flows.
 *
 * Each second the statistics of the workers are folded in and the flows with a trigger are looked
 * at, however many others there are.  Sessions of 1.5 that ask for it (SET_ASYNC, flow stats) are
 * sent an OFPMP_FLOW_STATS reply with the transaction id 0. */
#include "switchd/of_internal.h"

#include <stdlib.h>

#include "base/hash.h"
#include "dataplane/worker.h"
#include "openflow/msg_flow_wire.h"

enum { OFPSTF_PERIODIC = 1 << 0, OFPSTF_ONLY_FIRST = 1 << 1 };

/* What is measured, in the order of 'values' and 'limits'. */
enum { DURATION, IDLE, PACKETS, BYTES, N_MEASURES };

struct stat_trigger {
	struct wf_hmap_node node;  /* in sw->stat_triggers, by the rule's address */
	struct rule *rule;         /* in a table */
	uint32_t flags;
	uint64_t limits[N_MEASURES]; /* 0: none */
	uint64_t last[N_MEASURES];
	bool fired;
};

static uint64_t
limit_of(uint64_t value, uint64_t none)
{
	return value == none ? 0 : value;
}

static void
read_limits(struct stat_trigger *t)
{
	const struct rule_actions *ra = t->rule->actions;
	struct of_oxs oxs = of_oxs_none;
	size_t used;

	of_action_for_each(a, ra->data, ra->size) {
		const struct of_act_stat_trigger *st = (const struct of_act_stat_trigger *)a;

		if (a->type != OF_A_STAT_TRIGGER)
			continue;
		t->flags = st->flags;
		/* The record is padded as the wire is. */
		if (of_oxs_decode(st->thresholds, (st->len + 7u) & ~7u, &oxs, &used))
			oxs = of_oxs_none;
	}
	t->limits[DURATION] = limit_of(oxs.duration_s, UINT32_MAX);
	t->limits[IDLE] = limit_of(oxs.idle_s, UINT32_MAX);
	t->limits[PACKETS] = limit_of(oxs.n_packets, UINT64_MAX);
	t->limits[BYTES] = limit_of(oxs.n_bytes, UINT64_MAX);
}

void
of_stat_trigger_book(struct of_switch *sw, struct rule *r, bool in)
{
	uint32_t hash = wf_hash_u64((uintptr_t)r, 0);
	struct stat_trigger *t;

	if (in) {
		if (!sw->stat_triggers.buckets)
			wf_hmap_init(&sw->stat_triggers);
		t = wf_xzalloc(sizeof(*t));
		t->rule = r;
		read_limits(t);
		wf_hmap_insert(&sw->stat_triggers, &t->node, hash);
		return;
	}
	wf_hmap_for_each_with_hash(t, node, hash, &sw->stat_triggers)
		if (t->rule == r)
			break;
	if (t) {
		wf_hmap_remove(&sw->stat_triggers, &t->node);
		free(t);
	}
}

void
of_stat_triggers_done(struct of_switch *sw)
{
	struct stat_trigger *t;

	if (!sw->stat_triggers.buckets)
		return;
	wf_hmap_for_each_safe(t, node, &sw->stat_triggers)
		free(t);
	wf_hmap_done(&sw->stat_triggers);
}

/* Does one of the values pass its limit, or a multiple of it? */
static bool
fires(struct stat_trigger *t, const struct of_flow_stats *fs)
{
	const uint64_t now[N_MEASURES] = {
		[DURATION] = fs->duration_s, [IDLE] = (uint64_t)fs->idle_age,
		[PACKETS] = fs->n_packets, [BYTES] = fs->n_bytes,
	};
	bool any = false;

	for (unsigned i = 0; i < N_MEASURES; i++) {
		uint64_t limit = t->limits[i], last = t->last[i];

		/* Idle time begins anew with each packet. */
		if (now[i] < last)
			last = 0;
		if (limit && t->flags & OFPSTF_PERIODIC)
			any |= now[i] / limit > last / limit;
		else if (limit)
			any |= last < limit && now[i] >= limit;
		t->last[i] = now[i];
	}
	if (t->fired && t->flags & OFPSTF_ONLY_FIRST)
		return false;
	t->fired |= any;
	return any;
}

static void
tell(struct of_switch *sw, const struct of_flow_stats *fs)
{
	const struct of_tlv_map *before = of_tlv_map_enter(&sw->tlv_map);
	struct of_multipart mp;
	struct of_conn *c;

	wf_list_for_each(c, node, &sw->conns) {
		if (c->codec.version < OF15_VERSION ||
		    !of_conn_wants(c, OF_ASYNC_FLOW_STATS, OF_FSR_STAT_TRIGGER))
			continue;
		of_flow_trigger_begin(&mp, &c->codec, &c->out);
		of_flow_trigger_append(&mp, &c->codec, OF_FSR_STAT_TRIGGER, fs);
		of_multipart_end(&mp);
		of_conn_async(c);
	}
	of_tlv_map_enter(before);
}

void
of_stat_triggers_run(struct of_switch *sw)
{
	int64_t now = wf_now_ms();
	struct stat_trigger *t;
	struct of_flow_stats fs;

	if (!sw->stat_triggers.n)
		return;
	workers_fold_stats();
	of_publish();
	wf_hmap_for_each(t, node, &sw->stat_triggers) {
		of_flow_stats_fill(t->rule, now, &fs);
		if (fires(t, &fs))
			tell(sw, &fs);
	}
}
