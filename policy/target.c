// SPDX-License-Identifier: Apache-2.0
/* The state machine of one member, and when it is probed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "policy/health_internal.h"

WF_LOG_MODULE(health);

static void on_due(struct wf_timer *);

struct pol_target *
pol_target_find(const struct pol_health *h, const char *name)
{
	struct pol_target *t;

	wf_hmap_for_each_with_hash (t, node, wf_hash_str(name, 0), &h->targets)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

/* ---- Outcome ---- */

static void
on_commit(struct wf_timer *timer)
{
	struct pol_health *h = timer->arg;

	if (h->pol && pol_commit(h->pol) && h->on_change)
		h->on_change(h->on_change_arg);
	if (h->on_state)
		h->on_state(h->on_state_arg);
	pol_serve_publish(h);
}

static float
slow_start(const struct pol_target *t)
{
	int64_t up_for = wf_now_ms() - t->up_since_ms;

	if (!t->slow_start_ms || !t->up_since_ms || up_for >= t->slow_start_ms)
		return 1;
	/* In steps of 1/16: a row is compiled for each. */
	return (1 + up_for * 15 / t->slow_start_ms) / 16.0f;
}

static void
on_slow(struct wf_timer *timer)
{
	pol_target_evaluate(timer->arg, wf_container(timer, struct pol_target, slow_timer));
}

void
pol_target_evaluate(struct pol_health *h, struct pol_target *t)
{
	struct pol_said_sum said = pol_said_sum(t);
	bool was_known = t->known, was_up = t->up, was_drain = t->drain, up;
	float was_load = t->load;

	if (t->force != POL_FORCE_NONE)
		up = t->force == POL_FORCE_UP;
	else if (t->probe_conf)
		up = (t->probe_known ? t->probe_up : !t->known || t->up) &&
		     !(said.has_up && !said.stale && !said.up);
	else
		up = said.has_up ? said.up : true;
	t->known |= t->force != POL_FORCE_NONE || t->probe_known || said.has_up;
	t->up = up;
	/* An agent's 0 % is what an operator would call a drain. */
	t->drain = t->conf_drain || t->op_drain || said.drain || t->told.drain || !t->told.percent;
	/* Of two who tell, the larger one. */
	float told = t->told.load > said.load ? t->told.load : said.load;
	float load = t->op_load >= 0 ? t->op_load : told < 0 ? -1 : told / t->capacity;

	if (load < 0 || load > was_load || load < was_load - POL_LOAD_HYSTERESIS)
		t->load = load;

	if (up != was_up) {
		t->since_ms = wf_now_ms();
		/* At start all come up at once: nothing to be slow about. */
		t->up_since_ms = up && was_known ? t->since_ms : 0;
		h->stats.n_transitions++;
		wf_info("%s is %s (%s)", t->name, up ? "up" : "down",
			t->force != POL_FORCE_NONE    ? "forced"
			: t->probe_conf && t->last[0] ? t->last
			: said.feed		      ? said.feed
						      : "no source");
	}
	float old_slow = t->slow;

	t->slow = slow_start(t);
	if (t->slow < 1)
		wf_timer_set(&t->slow_timer, t->slow_start_ms / 16 + 1, on_slow, h);
	/* In steps of 1/16, too. */
	if (t->told.percent > 0)
		t->slow *= (t->told.percent * 16 + 99) / 100 / 16.0f;
	if (h->pol)
		pol_member_set(h->pol, t->index, t->up, t->drain, t->load, t->slow);
	if (up != was_up || t->drain != was_drain || t->load != was_load || was_known != t->known) {
		h->state_dirty = true;
		if (!h->changed)
			h->changed = json_object();
		json_object_set_new(h->changed, t->name, pol_target_line(t));
	} else if (t->slow == old_slow) {
		return;
	}
	/* All that happens in a turn or two of the loop is one commit. */
	if (!h->commit_timer.heap_index)
		wf_timer_set(&h->commit_timer, 2, on_commit, h);
}

void
pol_targets_commit(struct pol_health *h)
{
	if (!h->commit_timer.heap_index)
		return;
	wf_timer_cancel(&h->commit_timer);
	on_commit(&h->commit_timer);
}

json_t *
pol_target_line(const struct pol_target *t)
{
	json_t *o = json_pack("{s:s, s:s, s:b, s:b}", "pool", t->pool, "member", t->member, "up",
			      t->up, "drain", t->drain);

	if (t->load >= 0)
		json_object_set_new(o, "load", json_real(t->load * t->capacity));
	return o;
}

/* ---- Probes ---- */

static void run_waiting(struct pol_health *h);

static void
on_done(void *arg, enum pol_probe_result result, const char *text, const struct pol_told *told)
{
	struct pol_target *t = wf_container(arg, struct pol_target, timer);
	struct pol_health *h = t->timer.arg;

	t->probe = NULL;
	h->n_running--;
	if (result == POL_PROBE_NOT_RUN) {
		h->stats.n_probes_not_run++;
		wf_warn_rl("%s can't be probed: %s; its state stays", t->name, text);
		snprintf(t->last, sizeof t->last, "not probed: %s", text);
	} else {
		if (result == POL_PROBE_PASSED)
			t->told = *told;
		pol_target_result(h, t, result == POL_PROBE_PASSED, text);
	}
	pol_target_schedule(h, t, false);
	run_waiting(h);
}

static void
run_waiting(struct pol_health *h)
{
	while (h->n_running < POL_MAX_PROBES && !wf_list_is_empty(&h->waiting)) {
		struct pol_target *t =
			wf_container(wf_list_pop_front(&h->waiting), struct pol_target, waiting);

		h->stats.n_waiting--;
		h->n_running++;
		h->stats.n_probes++;
		t->probe = pol_probe_start(t->probe_conf, &t->probe_addr, t->pool, t->member,
					   on_done, &t->timer);
	}
}

static void
on_due(struct wf_timer *timer)
{
	struct pol_target *t = wf_container(timer, struct pol_target, timer);
	struct pol_health *h = timer->arg;

	wf_list_push_back(&h->waiting, &t->waiting);
	h->stats.n_waiting++;
	run_waiting(h);
}

void
pol_target_schedule(struct pol_health *h, struct pol_target *t, bool first)
{
	uint32_t interval = t->probe_conf->interval_ms;
	/* The first ones are spread over an interval, but not over more than a second; then each is
	 * moved by up to an eighth, so that thousands of targets do not fall into step. */
	uint32_t spread = first ? (interval < 1000 ? interval : 1000) : interval / 4 + 1;
	uint32_t jitter = wf_hash_u64(++h->seq, 7) % spread;

	wf_timer_set(&t->timer, first ? jitter : interval - interval / 8 + jitter, on_due, h);
}

void
pol_target_result(struct pol_health *h, struct pol_target *t, bool ok, const char *text)
{
	unsigned needed = ok ? t->probe_conf->rise : t->probe_conf->fall;

	if (ok)
		t->n_ok++;
	else
		t->n_failed++;
	h->stats.n_probe_failures += !ok;
	snprintf(t->last, sizeof t->last, "%s", text);
	if (!t->probe_known) {
		t->probe_known = true;
		/* Nothing was known: this counts at once.  Else it is the first word against a
		 * state that was kept. */
		t->probe_up = t->known ? t->up : ok;
		t->in_row = 0;
	}
	t->in_row = ok == t->probe_up ? 0 : t->in_row + 1;
	if (t->in_row >= needed) {
		t->probe_up = ok;
		t->in_row = 0;
	}
	pol_target_evaluate(h, t);
}

void
pol_target_free(struct pol_health *h, struct pol_target *t)
{
	struct pol_said *s, *next;

	if (t->probe) {
		pol_probe_cancel(t->probe);
		h->n_running--;
	}
	if (!wf_list_is_empty(&t->waiting)) {
		wf_list_remove(&t->waiting);
		h->stats.n_waiting--;
	}
	wf_timer_cancel(&t->timer);
	wf_timer_cancel(&t->slow_timer);
	wf_list_for_each_safe (s, next, in_target, &t->said)
		pol_said_free(s);
	wf_hmap_remove(&h->targets, &t->node);
	free(t->name);
	free(t->pool);
	free(t);
}
