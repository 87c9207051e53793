// SPDX-License-Identifier: Apache-2.0
/* The push and subscribe side of the health feed: whoever connects may subscribe, publish, or both.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "policy/health_internal.h"

WF_LOG_MODULE(feed);

#define MAX_SOURCES 1024

static void
peer_free(struct pol_peer *p)
{
	p->health->stats.n_subscribers -= p->subscribed;
	if (p->stream)
		wf_stream_close(p->stream);
	wf_list_remove(&p->node);
	/* What it published stays, and is frozen when its time is up. */
	free(p);
}

static char *
make_line(struct pol_health *h, json_t *members, bool full)
{
	json_t *line = json_pack("{s:i, s:s, s:I, s:I}", "weft-health", 1, "source", h->source,
				 "seq", (json_int_t)++h->seq, "time-ms", (json_int_t)wf_wall_ms());

	if (full)
		json_object_set_new(line, "full", json_true());
	json_object_set_new(line, "members", members);
	char *text = json_dumps(line, JSON_COMPACT), *out = wf_xasprintf("%s\n", text);

	json_decref(line);
	free(text);
	return out;
}

static void
send_full(struct pol_peer *p)
{
	json_t *members = json_array();
	const struct pol_target *t;

	wf_hmap_for_each (t, node, &p->health->targets)
		json_array_append_new(members, pol_target_line(t));
	char *line = make_line(p->health, members, true);

	wf_stream_write(p->stream, line, strlen(line));
	free(line);
}

void
pol_serve_publish(struct pol_health *h)
{
	json_t *members = json_array();
	struct pol_peer *p, *next;
	const char *key;
	json_t *m;

	json_object_foreach(h->changed, key, m) json_array_append(members, m);
	json_decref(h->changed);
	h->changed = NULL;
	char *line = make_line(h, members, false);

	wf_list_for_each_safe (p, next, node, &h->peers) {
		if (!p->subscribed)
			continue;
		if (wf_stream_backlog(p->stream) > POL_MAX_BACKLOG) {
			wf_warn_rl("subscriber %s reads too slowly: dropped",
				   wf_stream_name(p->stream));
			h->stats.n_subscribers_dropped++;
			peer_free(p);
			continue;
		}
		wf_stream_write(p->stream, line, strlen(line));
	}
	free(line);
}

static struct pol_feed *
source_feed(struct pol_health *h, const char *source)
{
	struct pol_feed *f;
	unsigned n = 0;

	wf_list_for_each (f, node, &h->feeds) {
		if (f->kind != POL_FEED_PEER)
			continue;
		if (!strcmp(f->name, source))
			return f;
		n++;
	}
	if (n >= MAX_SOURCES)
		return NULL;
	f = pol_feed_new(h, POL_FEED_PEER, source, "", POL_LISTEN_STALE_MS);
	pol_feed_start(f);
	return f;
}

static int
take_line(void *arg, const json_t *line, struct wf_err *err)
{
	struct pol_peer *p = arg;
	const char *source = json_string_value(json_object_get(line, "source"));

	if (!source || !source[0] || strlen(source) > 100)
		return wf_err(err, -EINVAL, "no \"source\" (a name of 1 to 100 bytes)");
	if (json_is_true(json_object_get(line, "subscribe"))) {
		if (json_integer_value(json_object_get(line, "weft-health")) != 1)
			return wf_err(err, -EINVAL, "\"weft-health\" is not 1");
		if (!p->subscribed)
			p->health->stats.n_subscribers++;
		p->subscribed = true;
		send_full(p);
		return 0;
	}
	struct pol_feed *f = source_feed(p->health, source);

	return f ? pol_feed_take(f, line, err)
		 : wf_err(err, -ENOSPC, "more than %d sources", MAX_SOURCES);
}

static size_t
on_input(void *arg, const uint8_t *data, size_t size)
{
	struct pol_peer *p = arg;
	struct wf_err err;
	int rc;
	size_t taken = pol_lines_take(&p->scan, data, size, take_line, p, &rc, &err);

	if (!rc)
		return taken;
	wf_warn_rl("health peer %s: %s; closed", wf_stream_name(p->stream), err.text);
	p->health->stats.n_peers_closed++;
	peer_free(p);
	return size;
}

static void
on_closed(void *arg, int why, const char *text)
{
	peer_free(arg);
}

static const struct wf_stream_ops peer_ops = {
	.input = on_input,
	.closed = on_closed,
};

static void
on_accept(void *arg, struct wf_stream *stream)
{
	struct pol_health *h = arg;
	struct pol_peer *p = wf_xzalloc(sizeof *p);
	unsigned n = 0;

	for (struct wf_list *l = h->peers.next; l != &h->peers; l = l->next)
		n++;
	p->health = h;
	p->stream = stream;
	wf_list_push_back(&h->peers, &p->node);
	wf_stream_set_owner(stream, &peer_ops, p);
	if (n >= POL_MAX_PEERS) {
		wf_warn_rl("health peer %s: there are %u already; closed", wf_stream_name(stream),
			   n);
		h->stats.n_subscribers_dropped++;
		peer_free(p);
	}
}

int
pol_serve_open(struct pol_health *h, const char *listen, struct wf_err *err)
{
	h->listener = wf_listener_open(listen, 0, 0660, on_accept, h, err);
	if (!h->listener)
		return -EINVAL;
	h->listen = wf_xstrdup(listen);
	return 0;
}

void
pol_serve_close(struct pol_health *h)
{
	struct pol_peer *p, *next;

	wf_list_for_each_safe (p, next, node, &h->peers)
		peer_free(p);
	if (h->listener)
		wf_listener_close(h->listener);
	h->listener = NULL;
	free(h->listen);
	h->listen = NULL;
}
