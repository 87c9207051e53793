// SPDX-License-Identifier: Apache-2.0
/* Feeds: JSON lines from files and peers (the schema stands in docs/policy.md). */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "policy/health_internal.h"

WF_LOG_MODULE(feed);

#define FILE_CHECK_MS 250
#define RECONNECT_MS  1000

void
pol_said_free(struct pol_said *s)
{
	wf_list_remove(&s->in_feed);
	wf_list_remove(&s->in_target);
	free(s);
}

struct pol_said_sum
pol_said_sum(const struct pol_target *t)
{
	struct pol_said_sum sum = { .load = -1, .stale = true };
	int64_t newest = INT64_MIN;
	const struct pol_said *s;

	/* Fresh ones count before stale ones; one that says down is enough. */
	for (int stale = 0; stale < 2; stale++) {
		wf_list_for_each (s, in_target, &t->said) {
			if (s->feed->stale != stale)
				continue;
			if (s->has_up && (!sum.has_up || (sum.stale == stale && !s->up))) {
				sum.up = s->up;
				sum.has_up = true;
				sum.stale = stale;
				sum.feed = s->feed->name;
			}
			/* Of one that fell silent a drain would never end; where a probe looks it has no say. */
			sum.drain |= s->drain && !(stale && t->probe_conf);
			if (s->load >= 0 && s->at_ms > newest) {
				newest = s->at_ms;
				sum.load = s->load;
			}
		}
	}
	return sum;
}

/* ---- Lines ---- */

static int
check_member(const json_t *m, struct wf_err *err)
{
	const json_t *up = json_object_get(m, "up"), *drain = json_object_get(m, "drain"),
		     *load = json_object_get(m, "load");

	if (!json_is_string(json_object_get(m, "pool")) ||
	    !json_is_string(json_object_get(m, "member")))
		return wf_err(err, -EINVAL, "a member needs \"pool\" and \"member\", two strings");
	if ((up && !json_is_boolean(up)) || (drain && !json_is_boolean(drain)))
		return wf_err(err, -EINVAL, "member %.60s: \"up\" and \"drain\" are true or false",
			      json_string_value(json_object_get(m, "member")));
	if (load && (!json_is_number(load) || !(json_number_value(load) >= 0) ||
		     json_number_value(load) > 1e12))
		return wf_err(err, -EINVAL,
			      "member %.60s: \"load\" is a number of 0 or more, in the unit of its "
			      "capacity",
			      json_string_value(json_object_get(m, "member")));
	return 0;
}

static struct pol_said *
said_get(struct pol_feed *f, struct pol_target *t)
{
	struct pol_said *s;

	wf_list_for_each (s, in_target, &t->said)
		if (s->feed == f)
			return s;
	s = wf_xzalloc(sizeof *s);
	s->feed = f;
	s->target = t;
	s->load = -1;
	wf_list_push_back(&f->said, &s->in_feed);
	wf_list_push_back(&t->said, &s->in_target);
	return s;
}

static void
evaluate_all(struct pol_feed *f)
{
	struct pol_said *s, *next;

	wf_list_for_each_safe (s, next, in_feed, &f->said)
		pol_target_evaluate(f->health, s->target);
}

/* Somebody who once published at our listener and does not any more takes none of the places for sources, but
 * where nobody else knows of a target, its last word stays. */
static void
on_forgotten(struct wf_timer *timer)
{
	struct pol_feed *f = timer->arg;
	struct pol_said *s, *next;

	wf_list_for_each_safe (s, next, in_feed, &f->said) {
		struct pol_target *t = s->target;

		if (!t->probe_conf)
			continue;
		pol_said_free(s);
		pol_target_evaluate(f->health, t);
	}
	if (wf_list_is_empty(&f->said))
		pol_feed_free(f);
	else
		wf_timer_set(&f->stale_timer, f->health->forget_ms, on_forgotten, f);
}

static void
on_silence(struct wf_timer *timer)
{
	struct pol_feed *f = timer->arg;

	f->stale = true;
	f->health->stats.n_stale_feeds++;
	wf_warn("feed %s: nothing heard for %u ms: what it said last is frozen", f->name,
		f->stale_ms);
	evaluate_all(f);
	if (f->kind == POL_FEED_PEER)
		wf_timer_set(&f->stale_timer, f->health->forget_ms, on_forgotten, f);
}

static void
heard(struct pol_feed *f)
{
	f->heard_ms = wf_now_ms();
	if (f->stale) {
		f->stale = false;
		f->health->stats.n_stale_feeds--;
		wf_info("feed %s: it speaks again", f->name);
		evaluate_all(f);
	}
	if (f->stale_ms)
		wf_timer_set(&f->stale_timer, f->stale_ms, on_silence, f);
}

/* "full": members that the line does not have are no longer told of. */
static void
forget_before(struct pol_feed *f, uint64_t round)
{
	struct pol_said *s, *next;

	wf_list_for_each_safe (s, next, in_feed, &f->said)
		if ((uint64_t)s->at_ms != round) {
			struct pol_target *t = s->target;

			pol_said_free(s);
			pol_target_evaluate(f->health, t);
		}
}

int
pol_feed_take(struct pol_feed *f, const json_t *line, struct wf_err *err)
{
	const json_t *version = json_object_get(line, "weft-health"),
		     *members = json_object_get(line, "members"), *m;
	size_t i;
	int rc;

	f->n_lines++;
	f->health->stats.n_feed_lines++;
	if (!json_is_integer(version))
		rc = wf_err(err, -EINVAL,
			    "no \"weft-health\": 1; this is no line of a health feed");
	else if (json_integer_value(version) != 1)
		rc = wf_err(err, -EINVAL, "\"weft-health\" is %lld; this program knows version 1",
			    (long long)json_integer_value(version));
	else if (members && !json_is_array(members))
		rc = wf_err(err, -EINVAL, "\"members\" is a list of objects");
	else
		rc = 0;
	json_array_foreach(members, i, m)
	{
		if (!rc)
			rc = check_member(m, err);
	}
	if (rc) {
		f->n_bad++;
		f->health->stats.n_feed_bad_lines++;
		return rc;
	}
	/* at_ms also marks this line's members, so it must differ from the last one's. */
	int64_t now = wf_now_ms() > f->heard_ms ? wf_now_ms() : f->heard_ms + 1;

	heard(f);
	f->heard_ms = now;
	json_array_foreach(members, i, m)
	{
		char name[200];

		if (snprintf(name, sizeof name, "%s/%s",
			     json_string_value(json_object_get(m, "pool")),
			     json_string_value(json_object_get(m, "member"))) >= (int)sizeof name)
			continue;
		struct pol_target *t = pol_target_find(f->health, name);

		if (!t) {
			f->health->stats.n_feed_unknown++;
			continue;
		}
		struct pol_said *s = said_get(f, t);
		const json_t *up = json_object_get(m, "up"), *load = json_object_get(m, "load");

		s->at_ms = now;
		s->has_up |= up != NULL;
		s->up = up ? json_is_true(up) : s->up;
		s->drain = json_object_get(m, "drain") ? json_is_true(json_object_get(m, "drain"))
						       : s->drain;
		s->load = load ? json_number_value(load) : s->load;
		pol_target_evaluate(f->health, t);
	}
	if (json_is_true(json_object_get(line, "full")))
		forget_before(f, now);
	return 0;
}

/* ---- Files ---- */

static int
take_text(struct pol_feed *f, const char *text, struct wf_err *err)
{
	unsigned line_number = 0;
	bool any = false;

	while (*text) {
		size_t n = strcspn(text, "\n");
		json_error_t e;
		struct wf_err why;

		line_number++;
		if (strspn(text, " \t\r") < n && text[0] != '#') {
			json_t *line = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);

			if (!line) {
				f->health->stats.n_feed_bad_lines++;
				return wf_err(err, -EINVAL, "%s:%u: not valid JSON: %s", f->where,
					      line_number, e.text);
			}
			int rc = pol_feed_take(f, line, &why);

			json_decref(line);
			if (rc)
				return wf_err(err, rc, "%s:%u: %s", f->where, line_number,
					      why.text);
			any = true;
		}
		text += n + (text[n] == '\n');
	}
	return any ? 0 : wf_err(err, -EINVAL, "%s: no line in it", f->where);
}

static void
read_file(struct pol_feed *f)
{
	struct wf_str text = WF_STR_INIT;
	struct wf_err err = { "" };
	int rc = wf_file_read_text(f->where, POL_MAX_LINE, &text, &err);

	if (!rc)
		rc = take_text(f, wf_str_cstr(&text), &err);
	wf_str_done(&text);
	if (rc) {
		wf_warn("feed %s: %s; what it said before stays in force", f->name, err.text);
		snprintf(f->last_error, sizeof f->last_error, "%s", err.text);
	} else {
		f->last_error[0] = '\0';
	}
}

static void
check_file(struct wf_timer *timer)
{
	struct pol_feed *f = timer->arg;
	struct stat st;

	if (stat(f->where, &st)) {
		/* Gone, maybe between two versions: frozen after stale_ms. */
		if (!f->last_error[0]) {
			snprintf(f->last_error, sizeof f->last_error, "%s: %s", f->where,
				 strerror(errno));
			wf_warn("feed %s: %s", f->name, f->last_error);
		}
		f->file_inode = 0;
	} else if ((uint64_t)st.st_ino != f->file_inode || (uint64_t)st.st_size != f->file_size ||
		   st.st_mtim.tv_sec != f->file_mtime.tv_sec ||
		   st.st_mtim.tv_nsec != f->file_mtime.tv_nsec) {
		f->file_inode = st.st_ino;
		f->file_size = st.st_size;
		f->file_mtime = st.st_mtim;
		read_file(f);
	} else if (!f->last_error[0]) {
		/* A file that stays as it is still holds: it may be an operator's. */
		heard(f);
	}
	wf_timer_set(&f->timer, FILE_CHECK_MS, check_file, f);
}

/* ---- Connections ---- */

static void reconnect(struct wf_timer *);

static void
feed_failed(struct pol_feed *f, const char *text)
{
	if (strcmp(f->last_error, text)) {
		snprintf(f->last_error, sizeof f->last_error, "%s", text);
		wf_warn_rl("feed %s (%s): %s; trying again", f->name, f->where, text);
	}
	if (f->stream)
		wf_stream_close(f->stream);
	f->stream = NULL;
	wf_timer_set(&f->timer, RECONNECT_MS, reconnect, f);
}

static void
on_connected(void *arg)
{
	struct pol_feed *f = arg;
	char *hello = wf_xasprintf("{\"weft-health\":1,\"source\":\"%s\",\"subscribe\":true}\n",
				   f->health->source);

	f->scan = (struct wf_jsonmsg){ 0 };
	f->last_error[0] = '\0';
	wf_stream_write(f->stream, hello, strlen(hello));
	free(hello);
}

size_t
pol_lines_take(struct wf_jsonmsg *scan, const uint8_t *data, size_t size,
	       int (*fn)(void *, const json_t *, struct wf_err *), void *arg, int *rc,
	       struct wf_err *err)
{
	size_t taken = 0;

	*rc = 0;
	while (taken < size && !*rc) {
		ssize_t n = wf_jsonmsg_scan(scan, data + taken, size - taken, POL_MAX_LINE);

		if (!n)
			break;
		if (n < 0) {
			*rc = wf_err(err, n, "not JSON, or a line of more than %u bytes",
				     POL_MAX_LINE);
			break;
		}
		json_t *line =
			json_loadb((const char *)data + taken, n, JSON_REJECT_DUPLICATES, NULL);

		taken += n;
		*rc = line ? fn(arg, line, err) : wf_err(err, -EINVAL, "not valid JSON");
		json_decref(line);
	}
	return taken;
}

static int
take_one(void *f, const json_t *line, struct wf_err *err)
{
	return pol_feed_take(f, line, err);
}

static size_t
on_input(void *arg, const uint8_t *data, size_t size)
{
	struct pol_feed *f = arg;
	struct wf_err err;
	int rc;
	size_t taken = pol_lines_take(&f->scan, data, size, take_one, f, &rc, &err);

	if (rc)
		feed_failed(f, err.text);
	return rc ? size : taken;
}

static void
on_stream_closed(void *arg, int why, const char *text)
{
	feed_failed(arg, text);
}

static const struct wf_stream_ops stream_ops = {
	.connected = on_connected,
	.input = on_input,
	.closed = on_stream_closed,
};

static void
reconnect(struct wf_timer *timer)
{
	struct pol_feed *f = timer->arg;
	struct wf_err err;

	f->stream = wf_stream_open(f->where, 0, &stream_ops, f, &err);
	if (!f->stream)
		feed_failed(f, err.text);
}

/* ---- Life ---- */

struct pol_feed *
pol_feed_new(struct pol_health *h, enum pol_feed_kind kind, const char *name, const char *where,
	     uint32_t stale_ms)
{
	struct pol_feed *f = wf_xzalloc(sizeof *f);

	f->health = h;
	f->kind = kind;
	f->name = wf_xstrdup(name);
	f->where = wf_xstrdup(where ? where : "");
	f->stale_ms = stale_ms;
	f->keep = true;
	wf_list_init(&f->said);
	wf_list_push_back(&h->feeds, &f->node);
	return f;
}

void
pol_feed_start(struct pol_feed *f)
{
	if (f->stale_ms)
		wf_timer_set(&f->stale_timer, f->stale_ms, on_silence, f);
	if (f->kind == POL_FEED_FILE) {
		f->timer.arg = f;
		check_file(&f->timer);
	} else if (f->kind == POL_FEED_CONNECT) {
		f->timer.arg = f;
		reconnect(&f->timer);
	}
}

void
pol_feed_free(struct pol_feed *f)
{
	struct pol_said *s, *next;

	if (f->stream)
		wf_stream_close(f->stream);
	wf_timer_cancel(&f->timer);
	wf_timer_cancel(&f->stale_timer);
	if (f->stale)
		f->health->stats.n_stale_feeds--;
	wf_list_for_each_safe (s, next, in_feed, &f->said) {
		struct pol_target *t = s->target;

		pol_said_free(s);
		pol_target_evaluate(f->health, t);
	}
	wf_list_remove(&f->node);
	free(f->name);
	free(f->where);
	free(f);
}
