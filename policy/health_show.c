// SPDX-License-Identifier: Apache-2.0
/* What is known, for people and programs: JSON, a table, unixctl commands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/unixctl.h"
#include "policy/health_internal.h"

static json_t *
target_json(const struct pol_target *t)
{
	static const char *const forced[] = { "none", "up", "down" };
	struct pol_said_sum said = pol_said_sum(t);
	json_t *o = pol_target_line(t);

	json_object_set_new(o, "known", json_boolean(t->known));
	json_object_set_new(o, "since-ms", json_integer(wf_now_ms() - t->since_ms));
	if (t->load >= 0)
		json_object_set_new(o, "load-share", json_real(t->load));
	if (t->probe_conf) {
		json_object_set_new(o, "probe", json_string(t->probe_conf->name));
		json_object_set_new(o, "last-result", json_string(t->last));
		json_object_set_new(o, "successes", json_integer(t->n_ok));
		json_object_set_new(o, "failures", json_integer(t->n_failed));
	}
	json_object_set_new(o, "forced", json_string(forced[t->force]));
	if (!wf_list_is_empty(&t->said)) {
		json_object_set_new(o, "stale", json_boolean(said.stale));
		if (said.feed)
			json_object_set_new(o, "feed", json_string(said.feed));
	}
	return o;
}

static int
name_cmp(const void *a_, const void *b_)
{
	const struct pol_target *const *a = a_, *const *b = b_;

	return strcmp((*a)->name, (*b)->name);
}

/* All targets by name; the caller frees. */
static const struct pol_target **
sorted(const struct pol_health *h)
{
	const struct pol_target **list = wf_xmalloc((h->targets.n + 1) *
						    sizeof(struct pol_target *)),
				*t;
	size_t n = 0;

	wf_hmap_for_each (t, node, &h->targets)
		list[n++] = t;
	qsort(list, n, sizeof(struct pol_target *), name_cmp);
	return list;
}

json_t *
pol_health_json(const struct pol_health *h)
{
	const struct pol_target **list = sorted(h);
	json_t *a = json_array();

	for (size_t i = 0; i < h->targets.n; i++)
		json_array_append_new(a, target_json(list[i]));
	free(list);
	return a;
}

char *
pol_health_text(const struct pol_health *h)
{
	const struct pol_target **list = sorted(h);
	struct wf_str s = WF_STR_INIT;

	wf_str_fmt(&s, "%-32s %-6s %-6s %8s %9s  %s\n", "MEMBER", "STATE", "DRAIN", "LOAD", "SINCE",
		   "BECAUSE");
	for (size_t i = 0; i < h->targets.n; i++) {
		const struct pol_target *t = list[i];
		struct pol_said_sum said = pol_said_sum(t);
		char load[16] = "-";

		if (t->load >= 0)
			snprintf(load, sizeof load, "%.0f %%", t->load * 100);
		wf_str_fmt(&s, "%-32s %-6s %-6s %8s %7.1f s  ", t->name, t->up ? "up" : "down",
			   t->drain ? "yes" : "no", load, (wf_now_ms() - t->since_ms) / 1000.0);
		if (t->force != POL_FORCE_NONE)
			wf_str_put(&s, "forced; ");
		if (t->probe_conf)
			wf_str_fmt(&s, "probe %s: %s; ", t->probe_conf->name,
				   t->last[0] ? t->last : "no result yet");
		if (said.feed)
			wf_str_fmt(&s, "feed %s%s; ", said.feed,
				   said.stale ? " (stale, frozen)" : "");
		if (!t->known)
			wf_str_put(&s, "nothing known, taken as up; ");
		wf_str_chomp(&s, ' ');
		wf_str_chomp(&s, ';');
		wf_str_putc(&s, '\n');
	}
	free(list);
	return wf_str_steal(&s);
}

static void
show(struct unixctl_conn *c, int argc, const char *argv[], void *h)
{
	char *text;

	if (argc > 1 && !strcmp(argv[1], "json")) {
		json_t *a = pol_health_json(h);

		text = json_dumps(a, JSON_INDENT(1));
		json_decref(a);
	} else if (argc > 1) {
		unixctl_reply_error(c, "policy/health takes nothing, or json");
		return;
	} else {
		text = pol_health_text(h);
	}
	unixctl_reply(c, text);
	free(text);
}

static void
show_feeds(struct unixctl_conn *c, int argc, const char *argv[], void *aux)
{
	static const char *const kinds[] = { "file", "connect", "peer", "local" };
	const struct pol_health *h = aux;
	struct wf_str s = WF_STR_INIT;
	const struct pol_feed *f;

	wf_list_for_each (f, node, &h->feeds) {
		char heard[40] = "never heard";

		if (f->heard_ms)
			snprintf(heard, sizeof heard, "%s, heard %.1f s ago", f->stale ? "stale (frozen)" : "fresh",
				 (wf_now_ms() - f->heard_ms) / 1000.0);
		wf_str_fmt(&s, "%s: %s %s, %s, %llu lines, %llu bad%s%s\n", f->name, kinds[f->kind], f->where, heard,
			   (unsigned long long)f->n_lines, (unsigned long long)f->n_bad, f->last_error[0] ? ", " : "",
			   f->last_error);
	}
	wf_str_fmt(&s, "subscribers: %llu\n", (unsigned long long)h->stats.n_subscribers);
	unixctl_reply(c, wf_str_cstr(&s));
	wf_str_done(&s);
}

/* "POOL/MEMBER" -> both; "POOL" -> "". */
static void
split(const char *text, char pool[128], char member[128])
{
	const char *slash = strchr(text, '/');

	snprintf(pool, 128, "%.*s", slash ? (int)(slash - text) : 127, text);
	snprintf(member, 128, "%s", slash ? slash + 1 : "");
}

static void
reply(struct unixctl_conn *c, int rc, const struct wf_err *err)
{
	if (rc)
		unixctl_reply_error(c, err->text);
	else
		unixctl_reply(c, NULL);
}

static void
force(struct unixctl_conn *c, int argc, const char *argv[], void *h)
{
	static const char *const words[] = { "none", "up", "down" };
	char pool[128], member[128];
	struct wf_err err;

	split(argv[1], pool, member);
	for (int i = 0; i < 3; i++)
		if (!strcmp(argv[2], words[i])) {
			reply(c, pol_health_force(h, pool, member, i, &err), &err);
			return;
		}
	unixctl_reply_error(c, "a member is forced up, down or none");
}

static void
drain(struct unixctl_conn *c, int argc, const char *argv[], void *h)
{
	char pool[128], member[128];
	struct wf_err err;
	bool on = !strcmp(argv[2], "on");

	split(argv[1], pool, member);
	if (!on && strcmp(argv[2], "off"))
		unixctl_reply_error(c, "drain is on or off");
	else
		reply(c, pol_health_drain(h, pool, member, on, &err), &err);
}

static void
load(struct unixctl_conn *c, int argc, const char *argv[], void *aux)
{
	struct pol_health *h = aux;
	struct pol_target *t = pol_target_find(h, argv[1]);
	char *end;
	double value = strtod(argv[2], &end);

	if (!t) {
		unixctl_reply_error(c, "there is no such POOL/MEMBER; policy/health lists them");
	} else if (strcmp(argv[2], "none") &&
		   (end == argv[2] || *end || !(value >= 0) || value > 1e9)) {
		unixctl_reply_error(
			c, "a load is a number of 0 or more, in the unit of the capacity, or none");
	} else {
		t->op_load = strcmp(argv[2], "none") ? value / t->capacity : -1;
		pol_target_evaluate(h, t);
		unixctl_reply(c, NULL);
	}
}

void
pol_health_unixctl_init(struct pol_health *h)
{
	unixctl_command("policy/health", "[json]", 0, 1, show, h);
	unixctl_command("policy/feeds", "", 0, 0, show_feeds, h);
	unixctl_command("policy/force", "POOL[/MEMBER] up|down|none", 2, 2, force, h);
	unixctl_command("policy/drain", "POOL[/MEMBER] on|off", 2, 2, drain, h);
	unixctl_command("policy/load", "POOL/MEMBER VALUE|none", 2, 2, load, h);
}
