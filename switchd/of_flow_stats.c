/* SPDX-License-Identifier: Apache-2.0 */
/* Flow and aggregate statistics.
 *
 * A dump takes the flows of one table after the other: eight bytes a flow of the table at hand,
 * and the messages are made as the peer reads them, so that ten million flows cost what one
 * table's list costs. */
#include "switchd/of_internal.h"

#include <stdlib.h>

#include "base/log.h"
#include "dataplane/worker.h"

WF_LOG_MODULE(ofp_flow); /* whose line about a flow too large people know */

static void
query_criteria(const struct of_flow_query *q, const struct of_match *match, struct of_criteria *c)
{
	*c = (struct of_criteria){
		.table = q->table, .match = match, .cookie = q->cookie,
		.cookie_mask = q->cookie_mask, .out_port = q->out_port, .out_group = q->out_group,
	};
}

struct flow_dump {
	struct of_dump dump;
	struct of_match *match;
	struct of_criteria criteria;
	unsigned table, last_table;
	struct of_rules rules;
	unsigned next;
	bool stats_only; /* OFPMP_FLOW_STATS: no instructions */
};

static int
age_s(int64_t now_ms, int64_t since_ms)
{
	int64_t age = (now_ms - since_ms) / 1000;

	return age < 0 ? 0 : age > UINT16_MAX ? UINT16_MAX : (int)age;
}

static int64_t
rule_used_ms(const struct rule *r)
{
	int64_t used = atomic_load_explicit(&((struct rule *)r)->counter.used_ms,
					    memory_order_relaxed);

	return used > r->created_ms ? used : r->created_ms;
}

/* Few enough to be put in order: oldest first.  More than that come in the order of memory. */
#define SORT_MAX 4096

static int
by_age(const void *a_, const void *b_)
{
	struct rule *const *a = a_, *const *b = b_;
	int64_t later = (int64_t)((*a)->seq - (*b)->seq);

	return later < 0 ? -1 : later > 0;
}

void
of_flow_stats_fill(struct rule *r, int64_t now, struct of_flow_stats *fs)
{
	int64_t modified = atomic_load_explicit(&r->modified_ms, memory_order_relaxed);

	*fs = (struct of_flow_stats){
		.match = r->match, .cookie = r->cookie, .table = r->table_id,
		.priority = (uint16_t)r->priority, .idle_timeout = r->idle_timeout,
		.hard_timeout = r->hard_timeout, .importance = r->importance, .flags = r->flags,
		.idle_age = age_s(now, rule_used_ms(r)), .hard_age = age_s(now, modified),
		.n_packets = atomic_load_explicit(&r->counter.packets, memory_order_relaxed),
		.n_bytes = atomic_load_explicit(&r->counter.bytes, memory_order_relaxed),
		.actions = r->actions->data, .actions_size = r->actions->size,
	};
	of_duration_at(now, r->created_ms, &fs->duration_s, &fs->duration_ns);
}

static void
put_rule(struct of_conn *c, struct flow_dump *d, struct rule *r, int64_t now)
{
	struct of_flow_stats fs;

	of_flow_stats_fill(r, now, &fs);
	if (d->stats_only)
		of_flow_trigger_append(&d->dump.mp, &c->codec, OF_FSR_STATS_REQUEST, &fs);
	else if (!of_flow_stats_append(&d->dump.mp, &c->codec, &fs))
		wf_warn_rl("Flow exceeded the maximum flow statistics reply size and was excluded "
			   "from the response set");
}

static bool
flow_dump_step(struct of_conn *c, struct of_dump *dump)
{
	struct flow_dump *d = wf_container(dump, struct flow_dump, dump);
	const struct of_tlv_map *before = of_tlv_map_enter(&c->sw->tlv_map);
	uint64_t version = view_get()->version;
	int64_t now = wf_now_ms();

	for (unsigned n = 0; n < 1000; n++) {
		while (d->next == d->rules.n && d->table <= d->last_table) {
			struct of_criteria one = d->criteria;

			of_rules_done(&d->rules);
			d->next = 0;
			one.table = (uint8_t)d->table++;
			if (c->sw->bridge->tables[one.table].n_rules)
				of_rules_collect(c->sw, &one, version, &d->rules);
			if (d->rules.n > SORT_MAX)
				of_rules_sort_by_address(&d->rules);
			else if (d->rules.n > 1)
				qsort(d->rules.rules, d->rules.n, sizeof(*d->rules.rules), by_age);
		}
		if (d->next == d->rules.n) {
			of_tlv_map_enter(before);
			return true;
		}
		struct rule *r = d->rules.rules[d->next++];
		if (d->next + 8 < d->rules.n)
			rule_prefetch(d->rules.rules[d->next + 8]);
		if (rule_is_visible(r, version))
			put_rule(c, d, r, now);
	}
	of_tlv_map_enter(before);
	return false;
}

static void
flow_dump_free(struct of_dump *dump)
{
	struct flow_dump *d = wf_container(dump, struct flow_dump, dump);

	of_rules_done(&d->rules);
	free(d->match);
	free(d);
}

static of_err_t
dump_flows(struct of_conn *c, const struct of_msg *m, bool stats_only)
{
	static struct of_flow_query q;
	of_err_t err = of_flow_query_decode(&c->codec, m, &q);
	struct flow_dump *d;

	if (err)
		return err;
	if (q.table != OF_TABLE_ALL && q.table >= N_TABLES)
		return OF_ERR_OFPBRC_BAD_TABLE_ID;
	workers_fold_stats();
	of_publish();
	d = wf_xzalloc(sizeof(*d));
	d->stats_only = stats_only;
	d->dump.step = flow_dump_step;
	d->dump.free = flow_dump_free;
	d->match = of_match_pack(&q.match);
	query_criteria(&q, d->match, &d->criteria);
	d->table = q.table == OF_TABLE_ALL ? 0 : q.table;
	d->last_table = q.table == OF_TABLE_ALL ? TABLE_INTERNAL - 1 : q.table;
	of_multipart_begin(&d->dump.mp, &c->out, m);
	of_conn_dump(c, &d->dump);
	return 0;
}

of_err_t
of_handle_flow_request(struct of_conn *c, const struct of_msg *m)
{
	return dump_flows(c, m, false);
}

of_err_t
of_handle_flow_stats_request(struct of_conn *c, const struct of_msg *m)
{
	return dump_flows(c, m, true);
}

struct aggregate {
	const struct of_criteria *criteria;
	struct of_aggregate_stats stats;
};

static bool
aggregate_one(struct rule *r, void *a_)
{
	struct aggregate *a = a_;

	if (of_criteria_has(a->criteria, r)) {
		a->stats.n_flows++;
		a->stats.n_packets += atomic_load_explicit(&r->counter.packets,
							   memory_order_relaxed);
		a->stats.n_bytes += atomic_load_explicit(&r->counter.bytes, memory_order_relaxed);
	}
	return true;
}

of_err_t
of_handle_aggregate_request(struct of_conn *c, const struct of_msg *m)
{
	static struct of_flow_query q;
	of_err_t err = of_flow_query_decode(&c->codec, m, &q);
	struct of_criteria criteria;
	struct aggregate a = { &criteria };
	struct of_match *match;

	if (err)
		return err;
	if (q.table != OF_TABLE_ALL && q.table >= N_TABLES)
		return OF_ERR_OFPBRC_BAD_TABLE_ID;
	workers_fold_stats();
	of_publish();
	match = of_match_pack(&q.match);
	query_criteria(&q, match, &criteria);
	for (unsigned t = 0; t < TABLE_INTERNAL; t++)
		if (q.table == OF_TABLE_ALL || q.table == t)
			table_for_each(&c->sw->bridge->tables[t], match, view_get()->version,
				       aggregate_one, &a);
	free(match);
	of_aggregate_reply_encode(m, &a.stats, &c->out);
	of_conn_reply(c);
	return 0;
}

/* bridge/dump-flows: hidden flows too. */
struct text_dump {
	struct of_switch *sw;
	struct wf_str *out;
};

static bool
text_one(struct rule *r, void *d_)
{
	struct text_dump *d = d_;
	uint32_t s, ns;
	static struct of_match_full full;

	of_match_unpack(r->match, &full);
	if (r->table_id)
		wf_str_fmt(d->out, "table_id=%u, ", r->table_id);
	of_duration(r->created_ms, &s, &ns);
	wf_str_fmt(d->out, "duration=%us, n_packets=%llu, n_bytes=%llu, ", s,
		   (unsigned long long)atomic_load(&r->counter.packets),
		   (unsigned long long)atomic_load(&r->counter.bytes));
	of_match_format(&full, r->priority, NULL, NULL, d->out);
	wf_str_put(d->out, ",actions=");
	of_actions_format(r->actions->data, r->actions->size, NULL, NULL, d->out);
	wf_str_putc(d->out, '\n');
	return true;
}

void
of_switch_dump_flows(struct of_switch *sw, struct wf_str *out, bool offload_stats)
{
	struct text_dump d = { sw, out };
	const struct of_tlv_map *before = of_tlv_map_enter(&sw->tlv_map);

	of_publish();
	workers_fold_stats();
	for (unsigned t = 0; t < N_TABLES; t++)
		table_for_each(&sw->bridge->tables[t], NULL, view_get()->version, text_one, &d);
	of_tlv_map_enter(before);
}
