/* SPDX-License-Identifier: Apache-2.0 */
/* Flow and aggregate statistics.
 *
 * Both walk the tables in pieces, and the messages of a dump are made as the peer reads them: ten
 * million flows cost no memory, and others are served meanwhile. */
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

/* Flows put into a reply in one step of a dump, and rules looked at. */
#define STEP_FLOWS 1000
#define STEP_LOOKED_AT 4096

struct flow_dump {
	struct of_dump dump;
	struct of_match *match;
	struct of_rules_walk walk;
	bool stats_only; /* OFPMP_FLOW_STATS: no instructions */
	/* Of the step. */
	struct of_conn *conn;
	int64_t now_ms;
	unsigned n;
};

static int
age_s(int64_t now_ms, int64_t since_ms)
{
	int64_t age = (now_ms - since_ms) / 1000;

	return age < 0 ? 0 : age > UINT16_MAX ? UINT16_MAX : (int)age;
}

int64_t
of_rule_used_ms(const struct rule *r)
{
	int64_t used = atomic_load_explicit(&((struct rule *)r)->counter.used_ms,
					    memory_order_relaxed);

	return used ? used : r->created_ms;
}

void
of_flow_stats_fill(struct rule *r, int64_t now, struct of_flow_stats *fs)
{
	int64_t modified = atomic_load_explicit(&r->modified_ms, memory_order_relaxed);

	*fs = (struct of_flow_stats){
		.match = r->match, .cookie = r->cookie, .table = r->table_id,
		.priority = (uint16_t)r->priority, .idle_timeout = r->idle_timeout,
		.hard_timeout = r->hard_timeout, .importance = r->importance, .flags = r->flags,
		.idle_age = age_s(now, of_rule_used_ms(r)), .hard_age = age_s(now, modified),
		.n_packets = atomic_load_explicit(&r->counter.packets, memory_order_relaxed),
		.n_bytes = atomic_load_explicit(&r->counter.bytes, memory_order_relaxed),
		.actions = r->actions->data, .actions_size = r->actions->size,
	};
	of_duration_at(now, r->created_ms, &fs->duration_s, &fs->duration_ns);
}

static bool
put_rule(struct rule *r, void *d_)
{
	struct flow_dump *d = d_;
	struct of_flow_stats fs;

	of_flow_stats_fill(r, d->now_ms, &fs);
	if (d->stats_only)
		of_flow_trigger_append(&d->dump.mp, &d->conn->codec, OF_FSR_STATS_REQUEST, &fs);
	else if (!of_flow_stats_append(&d->dump.mp, &d->conn->codec, &fs))
		wf_warn_rl("Flow exceeded the maximum flow statistics reply size and was excluded "
			   "from the response set");
	return ++d->n < STEP_FLOWS;
}

static bool
flow_dump_step(struct of_conn *c, struct of_dump *dump)
{
	struct flow_dump *d = wf_container(dump, struct flow_dump, dump);
	const struct of_tlv_map *before = of_tlv_map_enter(&c->sw->tlv_map);
	bool end;

	d->conn = c;
	d->now_ms = wf_now_ms();
	d->n = 0;
	end = of_rules_walk_run(&d->walk, STEP_LOOKED_AT, put_rule, d);
	of_tlv_map_enter(before);
	return end;
}

static void
flow_dump_free(struct of_dump *dump)
{
	struct flow_dump *d = wf_container(dump, struct flow_dump, dump);

	of_rules_walk_done(&d->walk);
	free(d->match);
	free(d);
}

static of_err_t
dump_flows(struct of_conn *c, const struct of_msg *m, bool stats_only)
{
	static struct of_flow_query q;
	of_err_t err = of_flow_query_decode(&c->codec, m, &q);
	struct of_criteria criteria;
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
	query_criteria(&q, d->match, &criteria);
	of_rules_walk_begin(&d->walk, c->sw, &criteria);
	of_multipart_begin(&d->dump.mp, &c->dump_out, m);
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
	struct of_dump dump;
	struct of_match *match;
	struct of_rules_walk walk;
	struct of_aggregate_stats stats;
	struct of_msg request; /* its header only */
};

static bool
aggregate_one(struct rule *r, void *a_)
{
	struct aggregate *a = a_;

	a->stats.n_flows++;
	a->stats.n_packets += atomic_load_explicit(&r->counter.packets, memory_order_relaxed);
	a->stats.n_bytes += atomic_load_explicit(&r->counter.bytes, memory_order_relaxed);
	return true;
}

static bool
aggregate_step(struct of_conn *c, struct of_dump *dump)
{
	struct aggregate *a = wf_container(dump, struct aggregate, dump);

	if (!of_rules_walk_run(&a->walk, STEP_LOOKED_AT, aggregate_one, a))
		return false;
	of_aggregate_reply_encode(&a->request, &a->stats, &c->dump_out);
	return true;
}

static void
aggregate_free(struct of_dump *dump)
{
	struct aggregate *a = wf_container(dump, struct aggregate, dump);

	of_rules_walk_done(&a->walk);
	free(a->match);
	free(a);
}

of_err_t
of_handle_aggregate_request(struct of_conn *c, const struct of_msg *m)
{
	static struct of_flow_query q;
	of_err_t err = of_flow_query_decode(&c->codec, m, &q);
	struct of_criteria criteria;
	struct aggregate *a;

	if (err)
		return err;
	if (q.table != OF_TABLE_ALL && q.table >= N_TABLES)
		return OF_ERR_OFPBRC_BAD_TABLE_ID;
	workers_fold_stats();
	of_publish();
	a = wf_xzalloc(sizeof(*a));
	a->dump = (struct of_dump){
		.step = aggregate_step, .free = aggregate_free, .is_single = true,
	};
	a->request = *m;
	a->request.data = NULL; /* the message goes away */
	a->match = of_match_pack(&q.match);
	query_criteria(&q, a->match, &criteria);
	of_rules_walk_begin(&a->walk, c->sw, &criteria);
	of_conn_dump(c, &a->dump);
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
