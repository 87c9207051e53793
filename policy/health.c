// SPDX-License-Identifier: Apache-2.0
/* Life of the health object: configuration in, state file, what operators ask. */
#include "policy/health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/yang_config.h"
#include "policy/health_internal.h"

WF_LOG_MODULE(health);

#define STATE_WRITE_MS 1000

/* ---- State file ---- */

json_t *
pol_health_state(const struct pol_health *h)
{
	static const char *const forced[] = { "none", "up", "down" };
	const struct pol_target *t;
	json_t *members = json_object();

	wf_hmap_for_each (t, node, &h->targets) {
		json_t *m = json_pack("{s:b, s:f}", "drain", t->op_drain, "load", (double)t->load);

		if (t->known)
			json_object_set_new(m, "up", json_boolean(t->up));
		if (t->force)
			json_object_set_new(m, "forced", json_string(forced[t->force]));
		if (t->op_load >= 0)
			json_object_set_new(m, "said-load", json_real((double)t->op_load));
		if (t->known || t->force || t->op_drain || t->op_load >= 0)
			json_object_set_new(members, t->name, m);
		else
			json_decref(m);
	}
	return members;
}

void
pol_health_restore(struct pol_health *h, const json_t *state)
{
	json_decref(h->restored);
	h->restored = json_is_object(state) ? json_deep_copy(state) : json_object();
}

static void
state_write(struct pol_health *h)
{
	const struct pol_target *t;

	if (!h->state_file || !h->state_dirty)
		return;
	h->state_dirty = false;
	json_t *members = json_object(),
	       *top = json_pack("{s:i, s:o}", "weft-health-state", 1, "members", members);

	wf_hmap_for_each (t, node, &h->targets)
		if (t->known)
			json_object_set_new(members, t->name,
					    json_pack("{s:b, s:b, s:f}", "up", t->up, "drain",
						      t->op_drain, "load", (double)t->load));
	char *text = json_dumps(top, JSON_INDENT(1) | JSON_SORT_KEYS);
	struct wf_err err;

	if (wf_file_replace(h->state_file, text, strlen(text), &err)) {
		h->state_dirty = true;
		wf_warn_rl("%s", err.text);
	}
	free(text);
	json_decref(top);
}

static void
on_state_due(struct wf_timer *timer)
{
	state_write(timer->arg);
	wf_timer_set(timer, STATE_WRITE_MS * 5, on_state_due, timer->arg);
}

/* A file that makes no sense is a warning: its loss costs the first probes, nothing more. */
static void
state_read(struct pol_health *h)
{
	json_error_t e;
	json_t *top = json_load_file(h->state_file, 0, &e);

	if (!top) {
		if (access(h->state_file, F_OK) == 0)
			wf_warn("%s:%d: %s; members start as unknown", h->state_file, e.line,
				e.text);
		return;
	}
	h->restored = json_incref(json_object_get(top, "members"));
	if (!json_is_object(h->restored)) {
		wf_warn("%s: no state file of ours; members start as unknown", h->state_file);
		json_decref(h->restored);
		h->restored = NULL;
	}
	json_decref(top);
}

static void
restore(struct pol_health *h, struct pol_target *t)
{
	const json_t *m = json_object_get(h->restored, t->name), *up = json_object_get(m, "up"),
		     *load = json_object_get(m, "load"), *said = json_object_get(m, "said-load");
	const char *forced = wf_json_str(m, "forced", "");

	/* Of a process that went on, not of the state file. */
	t->force = !strcmp(forced, "up")     ? POL_FORCE_UP
		   : !strcmp(forced, "down") ? POL_FORCE_DOWN
					     : POL_FORCE_NONE;
	if (json_is_number(said))
		t->op_load = (float)json_number_value(said);
	if (!json_is_boolean(up)) {
		t->op_drain = json_is_true(json_object_get(m, "drain"));
		return;
	}
	t->known = true;
	t->up = json_is_true(up);
	t->op_drain = json_is_true(json_object_get(m, "drain"));
	t->load = json_is_number(load) ? json_number_value(load) : -1;
}

/* ---- Life ---- */

static void
on_heartbeat(struct wf_timer *timer)
{
	pol_serve_publish(timer->arg);
	wf_timer_set(timer, POL_HEARTBEAT_MS, on_heartbeat, timer->arg);
}

struct pol_health *
pol_health_new(const char *source)
{
	struct pol_health *h = wf_xzalloc(sizeof *h);

	h->source = wf_xstrdup(source);
	h->forget_ms = POL_FORGET_MS;
	wf_hmap_init(&h->targets);
	wf_list_init(&h->waiting);
	wf_list_init(&h->feeds);
	wf_list_init(&h->peers);
	wf_timer_set(&h->heartbeat_timer, POL_HEARTBEAT_MS, on_heartbeat, h);
	return h;
}

static void
probes_free(struct pol_probe_conf *probes, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		free(probes[i].name);
		free(probes[i].path);
		free(probes[i].host);
		free(probes[i].expect);
		free(probes[i].script);
		free(probes[i].device);
		free(probes[i].service);
		free(probes[i].load_header);
		free(probes[i].send);
	}
	free(probes);
}

void
pol_health_free(struct pol_health *h)
{
	struct pol_feed *f, *next_feed;
	struct pol_target *t;

	if (!h)
		return;
	/* Before feeds go and take back what they said. */
	state_write(h);
	h->pol = NULL;
	pol_serve_close(h);
	wf_hmap_for_each_safe (t, node, &h->targets)
		pol_target_free(h, t);
	wf_list_for_each_safe (f, next_feed, node, &h->feeds)
		pol_feed_free(f);
	wf_hmap_done(&h->targets);
	wf_timer_cancel(&h->commit_timer);
	wf_timer_cancel(&h->heartbeat_timer);
	wf_timer_cancel(&h->state_timer);
	probes_free(h->probes, h->n_probes_conf);
	json_decref(h->changed);
	json_decref(h->restored);
	free(h->state_file);
	free(h->source);
	free(h);
}

const struct wf_listener *
pol_health_listener(const struct pol_health *h)
{
	return h->listener;
}

void
pol_health_leave(struct pol_health *h)
{
	if (!h)
		return;
	free(h->state_file);
	h->state_file = NULL;
	if (h->listener)
		wf_listener_give(h->listener);
	pol_health_free(h);
}

void
pol_health_on_change(struct pol_health *h, void (*fn)(void *arg), void *arg)
{
	h->on_change = fn;
	h->on_change_arg = arg;
}

void
pol_health_on_state(struct pol_health *h, void (*fn)(void *arg), void *arg)
{
	h->on_state = fn;
	h->on_state_arg = arg;
}

/* ---- Configuration ---- */

static char *
dup_or_null(const char *s)
{
	return s ? wf_xstrdup(s) : NULL;
}

static int
read_probe(struct pol_probe_conf *p, const json_t *conf, struct wf_err *err)
{
	const char *send = wf_json_str(conf, "send", "");
	struct wf_err why;

	p->type = pol_probe_type_of(wf_json_str(conf, "type", "tcp"));
	p->name = wf_xstrdup(wf_json_str(conf, "name", ""));
	p->port = wf_json_u64(conf, "port", pol_probe_default_port(p->type));
	p->interval_ms = wf_json_u64(conf, "interval-ms", 5000);
	p->timeout_ms = wf_json_u64(conf, "timeout-ms", 2000);
	p->rise = wf_json_u64(conf, "rise", 2);
	p->fall = wf_json_u64(conf, "fall", 3);
	p->path = wf_xstrdup(wf_json_str(conf, "path", "/"));
	p->host = dup_or_null(wf_json_str(conf, "host", NULL));
	p->expect = dup_or_null(wf_json_str(conf, "expect", NULL));
	p->script = dup_or_null(wf_json_str(conf, "script", NULL));
	p->device = dup_or_null(wf_json_str(conf, "device", NULL));
	p->service = dup_or_null(wf_json_str(conf, "service", NULL));
	p->load_header = dup_or_null(wf_json_str(conf, "load-header", NULL));
	p->verify = wf_json_bool(conf, "verify", false);

	unsigned min = 200, max = 399;
	int n = sscanf(wf_json_str(conf, "status", "200-399"), "%u-%u", &min, &max);

	p->status_min = min;
	p->status_max = n < 2 ? min : max;
	if (p->status_max < p->status_min)
		return wf_err(err, -EINVAL, "probe[name='%s']/status: %u-%u is upside down",
			      p->name, min, max);
	if (pol_payload_parse(send, &p->send, &p->send_size, &why))
		return wf_err(err, -EINVAL, "probe[name='%s']/send: %s", p->name, why.text);
	/* An empty datagram is sent if there is no payload: send() of nothing must not be skipped.
	 */
	if (p->type == POL_PROBE_UDP && !p->send_size)
		return wf_err(err, -EINVAL,
			      "probe[name='%s']/send: a udp probe needs a payload that is answered",
			      p->name);
	if (p->type == POL_PROBE_SCRIPT && access(p->script, X_OK))
		return wf_err(err, -EINVAL, "probe[name='%s']/script: %s: %s", p->name, p->script,
			      strerror(errno));
	return 0;
}

static int
read_probes(const json_t *list, struct pol_probe_conf **probes, unsigned *n, struct wf_err *err)
{
	const json_t *item;
	size_t i;

	*probes = wf_xzalloc((json_array_size(list) + 1) * sizeof **probes);
	*n = 0;
	json_array_foreach(list, i, item)
	{
		int rc = read_probe(&(*probes)[(*n)++], item, err);

		if (rc) {
			probes_free(*probes, *n);
			return rc;
		}
	}
	return 0;
}

static const struct pol_probe_conf *
find_probe(const struct pol_probe_conf *probes, unsigned n, const char *name)
{
	for (unsigned i = 0; name && i < n; i++)
		if (!strcmp(probes[i].name, name))
			return &probes[i];
	return NULL;
}

static struct pol_target *
target_get(struct pol_health *h, const char *pool, const char *member)
{
	char *name = wf_xasprintf("%s/%s", pool, member);
	struct pol_target *t = pol_target_find(h, name);

	if (t) {
		free(name);
		return t;
	}
	t = wf_xzalloc(sizeof *t);
	t->name = name;
	t->pool = wf_xstrdup(pool);
	t->member = name + strlen(pool) + 1;
	t->up = true;
	t->load = t->op_load = -1;
	t->told = POL_TOLD_NOTHING;
	t->slow = 1;
	t->since_ms = wf_now_ms();
	wf_list_init(&t->said);
	wf_list_init(&t->waiting);
	wf_hmap_insert(&h->targets, &t->node, wf_hash_str(name, 0));
	restore(h, t);
	return t;
}

static void
target_configure(struct pol_health *h, struct pol_target *t, uint32_t index, const json_t *pool,
		 const json_t *member, const struct pol_probe_conf *probe)
{
	const struct pol_member *m = pol_member_at(h->pol, index);
	const char *address = wf_json_str(member, "probe-address", NULL);
	bool had_probe = t->probe_conf;

	t->index = index;
	t->gone = false;
	t->capacity = wf_json_u64(member, "capacity", 100);
	t->slow_start_ms = wf_json_u64(pool, "slow-start-ms", 0);
	t->conf_drain = wf_json_bool(member, "drain", false);
	if (t->probe) {
		pol_probe_cancel(t->probe);
		t->probe = NULL;
		h->n_running--;
	}
	if (!wf_list_is_empty(&t->waiting)) {
		wf_list_remove(&t->waiting);
		h->stats.n_waiting--;
	}
	/* A member that is only a name can't be probed. */
	bool has_address = address ? pol_addr_parse(address, &t->probe_addr) : m->n_addrs > 0;

	if (!address && has_address)
		t->probe_addr = m->addrs[0];
	t->probe_conf = has_address ? probe : NULL;
	/* What a probe of another kind was told is nobody's word any more. */
	if (!t->probe_conf || (t->probe_conf->type != POL_PROBE_AGENT && !t->probe_conf->load_header))
		t->told = POL_TOLD_NOTHING;
	if (!t->probe_conf) {
		t->probe_known = false;
		wf_timer_cancel(&t->timer);
	} else {
		pol_target_schedule(h, t, !had_probe || !t->probe_known);
	}
}

static void
configure_targets(struct pol_health *h, const json_t *conf)
{
	const json_t *pool, *member;
	uint32_t index = 0;
	struct pol_target *t;
	size_t i, j;

	wf_hmap_for_each (t, node, &h->targets)
		t->gone = true;
	/* Members are numbered in the order of the configuration (config.c). */
	json_array_foreach(json_object_get(conf, "pool"), i, pool)
	{
		const struct pol_probe_conf *probe =
			find_probe(h->probes, h->n_probes_conf, wf_json_str(pool, "probe", NULL));

		json_array_foreach(json_object_get(pool, "member"), j, member)
		{
			t = target_get(h, wf_json_str(pool, "name", ""),
				       wf_json_str(member, "name", ""));
			target_configure(h, t, index++, pool, member, probe);
		}
	}
	wf_hmap_for_each_safe (t, node, &h->targets)
		if (t->gone)
			pol_target_free(h, t);
}

static void
configure_feeds(struct pol_health *h, const json_t *list, const char *folder)
{
	struct pol_feed *f, *next;
	const json_t *item;
	size_t i;

	wf_list_for_each (f, node, &h->feeds)
		f->keep = f->kind == POL_FEED_PEER || f->kind == POL_FEED_LOCAL;
	json_array_foreach(list, i, item)
	{
		const char *name = wf_json_str(item, "name", ""),
			   *file = wf_json_str(item, "file", NULL);
		enum pol_feed_kind kind = file ? POL_FEED_FILE : POL_FEED_CONNECT;
		char *where = file && folder && file[0] != '/'
				      ? wf_xasprintf("%s/%s", folder, file)
				      : wf_xstrdup(file ? file : wf_json_str(item, "connect", ""));
		uint32_t stale_ms = wf_json_u64(item, "stale-ms", 15000);
		bool found = false;

		wf_list_for_each (f, node, &h->feeds)
			if (f->kind == kind && !strcmp(f->name, name) && !strcmp(f->where, where) &&
			    f->stale_ms == stale_ms)
				found = f->keep = true;
		if (!found)
			pol_feed_start(pol_feed_new(h, kind, name, where, stale_ms));
		free(where);
	}
	wf_list_for_each_safe (f, next, node, &h->feeds)
		if (!f->keep)
			pol_feed_free(f);
}

static int
configure_listener(struct pol_health *h, const char *listen, struct wf_err *err)
{
	struct wf_listener *old = h->listener;
	char *old_name = h->listen;
	struct wf_err why;

	if ((!listen && !old) || (listen && old && !strcmp(listen, old_name)))
		return 0;
	if (!listen) {
		pol_serve_close(h);
		return 0;
	}
	/* The new one first: if it can't be had, the old one stays.  Peers of the old one stay
	 * anyway. */
	if (pol_serve_open(h, listen, &why)) {
		h->listener = old;
		h->listen = old_name;
		return wf_err(err, -EINVAL,
			      "health/listen: \"%s\": %s; write punix:PATH, ptcp:PORT:IP or pssl:PORT:IP", listen,
			      why.text);
	}
	if (old)
		wf_listener_close(old);
	free(old_name);
	return 0;
}

int
pol_health_apply(struct pol_health *h, const json_t *conf, const char *folder, struct pol *pol,
		 struct wf_err *err)
{
	const json_t *health = json_object_get(conf, "health");
	const char *state_file = wf_json_str(health, "state-file", NULL);
	struct pol_probe_conf *probes, *old_probes = h->probes;
	unsigned n, n_old = h->n_probes_conf;
	struct pol_target *t;
	int rc = read_probes(json_object_get(conf, "probe"), &probes, &n, err);

	if (rc)
		return rc;
	rc = configure_listener(h, wf_json_str(health, "listen", NULL), err);
	if (rc) {
		probes_free(probes, n);
		return rc;
	}
	char *path = state_file && folder && state_file[0] != '/'
			     ? wf_xasprintf("%s/%s", folder, state_file)
			     : dup_or_null(state_file);
	bool new_file = path && (!h->state_file || strcmp(path, h->state_file));

	free(h->state_file);
	h->state_file = path;
	h->state_dirty |= new_file;
	if (new_file && !h->targets.n && !h->restored)
		state_read(h);
	if (path)
		wf_timer_set(&h->state_timer, STATE_WRITE_MS, on_state_due, h);
	else
		wf_timer_cancel(&h->state_timer);

	h->pol = pol;
	h->probes = probes;
	h->n_probes_conf = n;
	configure_targets(h, conf);
	probes_free(old_probes, n_old);
	json_decref(h->restored);
	h->restored = NULL;
	configure_feeds(h, json_object_get(health, "feed"), folder);
	wf_hmap_for_each (t, node, &h->targets)
		pol_target_evaluate(h, t);
	pol_commit(pol);
	return 0;
}

/* ---- Operators ---- */

static int
for_members(struct pol_health *h, const char *pool, const char *member,
	    void (*fn)(struct pol_target *, int), int arg, struct wf_err *err)
{
	struct pol_target *t;
	unsigned n = 0;

	wf_hmap_for_each (t, node, &h->targets) {
		if (strcmp(t->pool, pool) || (member[0] && strcmp(t->member, member)))
			continue;
		fn(t, arg);
		pol_target_evaluate(h, t);
		n++;
	}
	/* An operator who was told that it is done finds it done. */
	pol_targets_commit(h);
	return n ? 0
		 : wf_err(err, -ENOENT, "there is no member %s%s%s; policy/health lists them", pool,
			  member[0] ? "/" : "", member);
}

static void
set_force(struct pol_target *t, int force)
{
	t->force = force;
}

static void
set_drain(struct pol_target *t, int drain)
{
	t->op_drain = drain;
}

int
pol_health_force(struct pol_health *h, const char *pool, const char *member, enum pol_force force,
		 struct wf_err *err)
{
	return for_members(h, pool, member, set_force, force, err);
}

int
pol_health_drain(struct pol_health *h, const char *pool, const char *member, bool drain,
		 struct wf_err *err)
{
	return for_members(h, pool, member, set_drain, drain, err);
}

bool
pol_health_is_awaited(const struct pol_health *h, const char *pool, const char *member)
{
	char *name = wf_xasprintf("%s/%s", pool, member);
	const struct pol_target *t = pol_target_find(h, name);

	free(name);
	return t && t->probe_conf && !t->known;
}

int
pol_health_report(struct pol_health *h, const char *source, const json_t *line, struct wf_err *err)
{
	struct pol_feed *f;

	wf_list_for_each (f, node, &h->feeds)
		if (f->kind == POL_FEED_LOCAL && !strcmp(f->name, source))
			return pol_feed_take(f, line, err);
	return pol_feed_take(pol_feed_new(h, POL_FEED_LOCAL, source, NULL, 0), line, err);
}

void
pol_health_stats(const struct pol_health *h, struct pol_health_stats *ret)
{
	const struct pol_target *t;

	*ret = h->stats;
	ret->n_targets = h->targets.n;
	ret->n_up = 0;
	wf_hmap_for_each (t, node, &h->targets)
		ret->n_up += t->up;
}
