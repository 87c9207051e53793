/* SPDX-License-Identifier: Apache-2.0 */
/* Flow monitors: sessions that are told of every change of the flows they watch.
 *
 * A session that does not read its updates is paused: it is told so, then only of flows that it
 * knew and that go; when its output is empty it is told of all that changed meanwhile, and that
 * updates go on.  So what waits for it is bounded.
 */
#include "switchd/of_internal.h"

#include <stdlib.h>

#include "base/coverage.h"
#include "base/hash.h"

WF_COVERAGE(ofmonitor_pause);
WF_COVERAGE(ofmonitor_resume);

/* As many bytes as OVS lets wait. */
#define PAUSE_BYTES (128 * 1024)

struct of_monitor {
	struct wf_hmap_node node;
	uint32_t id;
	uint16_t flags;
	uint8_t table;
	of_port_t out_port;
	uint32_t out_group;
	struct of_match *match;
};

static struct of_monitor *
monitor_find(struct of_conn *c, uint32_t id)
{
	struct of_monitor *m;

	wf_hmap_for_each_with_hash(m, node, wf_hash_u64(id, 0), &c->monitors)
		if (m->id == id)
			return m;
	return NULL;
}

static void
monitor_free(struct of_conn *c, struct of_monitor *m)
{
	wf_hmap_remove(&c->monitors, &m->node);
	free(m->match);
	free(m);
}

void
of_monitors_done(struct of_conn *c)
{
	struct wf_hmap_node *n;

	while ((n = wf_hmap_first(&c->monitors)))
		monitor_free(c, wf_container(n, struct of_monitor, node));
	wf_buf_clear(&c->updates);
	c->updates_open = c->abbrev_sent = c->monitor_paused = false;
	c->monitor_pending = 0;
}

static bool
has_output(const struct rule_actions *a, const struct of_monitor *m)
{
	return m->out_port == OF_PORT_ANY || of_actions_output_to_port(a->data, a->size,
			m->out_port);
}

static bool
watches(const struct of_monitor *m, const struct rule *r, const struct rule_actions *old)
{
	return (m->table == OF_TABLE_ALL || m->table == r->table_id) &&
	       (has_output(r->actions, m) || (old && has_output(old, m))) &&
	       (m->out_group == OF_GROUP_ANY ||
		of_actions_output_to_group(r->actions->data, r->actions->size, m->out_group)) &&
	       of_match_is_subset(r->match, m->match);
}

/* --- Updates --------------------------------------------------------------------------------- */

static void
open_updates(struct of_conn *c)
{
	if (c->updates_open)
		return;
	of_flow_updates_begin(&c->updates_mp, &c->codec, &c->updates);
	c->updates_open = true;
	c->abbrev_sent = false;
}

static void
put_rule(struct of_conn *c, struct of_multipart *mp, const struct rule *r, uint8_t event,
	 uint8_t reason, bool with_actions)
{
	const struct of_tlv_map *before = of_tlv_map_enter(&c->sw->tlv_map);
	struct of_flow_update u = {
		.event = event, .reason = event == OF_FME_REMOVED ? reason : 0,
		.table = r->table_id, .idle_timeout = r->idle_timeout,
		.hard_timeout = r->hard_timeout, .priority = r->priority, .cookie = r->cookie,
		.match = r->match, .actions = with_actions ? r->actions->data : NULL,
		.actions_size = with_actions ? r->actions->size : 0,
	};

	of_flow_update_append(mp, &c->codec, &u);
	of_tlv_map_enter(before);
}

/* Did the session know of the flow when it was paused?  A flow that was replaced since keeps the
 * time of
 * its making; within that very millisecond it is taken as known, which costs at most a REMOVED
 * for a flow never told of. */
static bool
known_before_pause(const struct of_conn *c, const struct rule *r)
{
	return atomic_load_explicit(&((struct rule *)r)->add_version, memory_order_relaxed) <=
		       c->paused_version ||
	       r->created_ms < c->paused_ms;
}

void
of_monitor_report(struct of_switch *sw, const struct rule *r, enum of_update_event event,
		  uint8_t reason, const struct of_conn *requester, uint32_t xid,
		  const struct rule_actions *old_actions)
{
	static const uint16_t wanted[] = {
		[OF_FME_ADDED] = OF_FMF_ADD, [OF_FME_REMOVED] = OF_FMF_REMOVED,
		[OF_FME_MODIFIED] = OF_FMF_MODIFY,
	};
	struct of_monitor *m;
	struct of_conn *c;

	if (r->hidden)
		return;
	wf_list_for_each(c, node, &sw->conns) {
		unsigned flags = 0;

		if (!c->monitors.n ||
		    (c->monitor_paused &&
		     (event != OF_FME_REMOVED || !known_before_pause(c, r))))
			continue;
		wf_hmap_for_each(m, node, &c->monitors)
			if (m->flags & wanted[event] && watches(m, r, old_actions))
				flags |= m->flags;
		if (!flags)
			continue;
		open_updates(c);
		if (flags & OF_FMF_ONLY_OWN || c != requester || c->monitor_paused) {
			put_rule(c, &c->updates_mp, r, event, reason, flags & OF_FMF_INSTRUCTIONS);
		} else if (!c->abbrev_sent) {
			struct of_flow_update u = { .event = OF_FME_ABBREV, .xid = xid };

			of_flow_update_append(&c->updates_mp, &c->codec, &u);
			c->abbrev_sent = true;
		}
	}
}

void
of_monitor_flush_conn(struct of_conn *c)
{
	if (!c->updates_open || !c->stream)
		return;
	of_publish();
	of_multipart_end(&c->updates_mp);
	c->updates_open = false;
	c->monitor_pending += c->updates.size;
	wf_stream_write(c->stream, c->updates.data, c->updates.size);
	wf_buf_clear(&c->updates);
	if (c->monitor_paused || c->monitor_pending <= PAUSE_BYTES)
		return;
	wf_coverage_inc(ofmonitor_pause);
	c->monitor_paused = true;
	c->paused_version = view_get()->version;
	c->paused_ms = wf_now_ms();
	of_monitor_pause_encode(&c->codec, false, &c->updates);
	wf_stream_write(c->stream, c->updates.data, c->updates.size);
	wf_buf_clear(&c->updates);
}

void
of_monitor_flush(struct of_switch *sw)
{
	struct of_conn *c;

	wf_list_for_each(c, node, &sw->conns)
		of_monitor_flush_conn(c);
}

/* --- After a pause ---------------------------------------------------------------------------- */

struct refresh {
	struct of_conn *c;
	struct of_multipart *mp;
	const struct of_monitor *m;
	bool initial;
	struct wf_hmap *seen; /* rules that an earlier monitor of the session told of */
};

struct seen_rule {
	struct wf_hmap_node node;
	const struct rule *rule;
	unsigned flags;
	struct seen_rule *next;
};

static bool
refresh_one(struct rule *r, void *f_)
{
	struct refresh *f = f_;
	unsigned update = OF_FMF_INITIAL;
	struct seen_rule *s;
	uint32_t hash;

	if (r->hidden || !watches(f->m, r, NULL))
		return true;
	if (!f->initial) {
		if (r->add_version <= f->c->paused_version)
			return true;
		update = known_before_pause(f->c, r) ? OF_FMF_MODIFY : OF_FMF_ADD | OF_FMF_MODIFY;
		if (!(f->m->flags & update))
			return true;
	}
	hash = wf_hash_u64((uintptr_t)r, 0);
	wf_hmap_for_each_with_hash(s, node, hash, f->seen)
		if (s->rule == r)
			break;
	if (!s) {
		s = wf_xzalloc(sizeof(*s));
		s->rule = r;
		wf_hmap_insert(f->seen, &s->node, hash);
	}
	s->flags |= update | (f->m->flags & OF_FMF_INSTRUCTIONS);
	return true;
}

static void
refresh_put(struct of_conn *c, struct of_multipart *mp, struct wf_hmap *seen)
{
	struct seen_rule *s;

	wf_hmap_for_each_safe(s, node, seen) {
		uint8_t event = s->flags & OF_FMF_INITIAL ? OF_FME_INITIAL
				: s->flags & OF_FMF_ADD ? OF_FME_ADDED : OF_FME_MODIFIED;

		put_rule(c, mp, s->rule, event, 0, s->flags & OF_FMF_INSTRUCTIONS);
		free(s);
	}
	wf_hmap_done(seen);
}

static void
refresh(struct of_conn *c, const struct of_monitor *m, bool initial, struct wf_hmap *seen)
{
	struct refresh f = { c, NULL, m, initial, seen };

	for (unsigned t = 0; t < TABLE_INTERNAL; t++)
		if (m->table == OF_TABLE_ALL || m->table == t)
			table_for_each(&c->sw->bridge->tables[t], m->match, view_get()->version,
				       refresh_one, &f);
}

void
of_monitor_drained(struct of_conn *c)
{
	struct of_monitor *m;
	struct wf_hmap seen;

	c->monitor_pending = 0;
	if (!c->monitor_paused)
		return;
	wf_coverage_inc(ofmonitor_resume);
	of_publish();
	wf_hmap_init(&seen);
	wf_hmap_for_each(m, node, &c->monitors)
		refresh(c, m, false, &seen);
	if (seen.n) {
		open_updates(c);
		refresh_put(c, &c->updates_mp, &seen);
	} else {
		wf_hmap_done(&seen);
	}
	if (c->updates_open)
		of_multipart_end(&c->updates_mp);
	c->updates_open = false;
	c->monitor_paused = false;
	of_monitor_pause_encode(&c->codec, true, &c->updates);
	wf_stream_write(c->stream, c->updates.data, c->updates.size);
	wf_buf_clear(&c->updates);
}

/* --- Requests --------------------------------------------------------------------------------- */

static of_err_t
monitor_add(struct of_conn *c, const struct of_monitor_request *q, struct of_monitor **ret)
{
	struct of_monitor *m;

	if (monitor_find(c, q->id))
		return OF_ERR_OFPMOFC_MONITOR_EXISTS;
	m = wf_xzalloc(sizeof(*m));
	m->id = q->id;
	m->flags = q->flags;
	m->table = q->table;
	m->out_port = q->out_port;
	m->out_group = q->out_group;
	m->match = of_match_pack(&q->match);
	wf_hmap_insert(&c->monitors, &m->node, wf_hash_u64(q->id, 0));
	*ret = m;
	return 0;
}

static of_err_t
apply_request(struct of_conn *c, const struct of_monitor_request *q, struct of_monitor **ret)
{
	struct of_monitor *m = monitor_find(c, q->id);

	*ret = NULL;
	if (q->table != OF_TABLE_ALL && q->table >= N_TABLES)
		return OF_ERR_OFPBRC_BAD_TABLE_ID;
	if (q->command == OF_FMC_ADD)
		return monitor_add(c, q, ret);
	if (!m)
		return OF_ERR_OFPMOFC_UNKNOWN_MONITOR;
	monitor_free(c, m);
	return q->command == OF_FMC_MODIFY ? monitor_add(c, q, ret) : 0;
}

of_err_t
of_handle_monitor_request(struct of_conn *c, const struct of_msg *msg)
{
	static struct of_monitor_request q;
	struct of_monitor **added = NULL, *m;
	struct of_multipart mp;
	struct wf_hmap seen;
	unsigned n = 0;
	size_t pos = 0;
	of_err_t err;

	of_publish();
	while (!(err = of_monitor_request_next(&c->codec, msg, &pos, &q))) {
		err = apply_request(c, &q, &m);
		if (err)
			break;
		if (m) {
			added = wf_xrealloc(added, (n + 1) * sizeof(*added));
			added[n++] = m;
		}
	}
	if (err != OF_EOF) {
		for (unsigned i = 0; i < n; i++)
			monitor_free(c, added[i]);
		free(added);
		return err;
	}
	wf_hmap_init(&seen);
	for (unsigned i = 0; i < n; i++)
		if (added[i]->flags & OF_FMF_INITIAL)
			refresh(c, added[i], true, &seen);
	free(added);
	of_monitor_flush_conn(c);
	of_multipart_begin(&mp, &c->out, msg);
	refresh_put(c, &mp, &seen);
	of_multipart_end(&mp);
	of_conn_reply(c);
	return 0;
}

of_err_t
of_handle_monitor_cancel(struct of_conn *c, const struct of_msg *msg)
{
	uint32_t id;
	of_err_t err = of_monitor_cancel_decode(msg, &id);
	struct of_monitor *m;

	if (err)
		return err;
	m = monitor_find(c, id);
	if (!m)
		return OF_ERR_OFPMOFC_UNKNOWN_MONITOR;
	monitor_free(c, m);
	return 0;
}
