/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/dummy_wire.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/stream.h"

WF_LOG_MODULE(dummy);

#define RETRY_MS 1000
#define QUEUE_MAX (1 << 20) /* bytes towards one peer, or towards main; what is above is lost */

struct peer {
	struct wf_list node;
	struct dummy_wire *wire;
	struct wf_stream *stream;
	bool connected;
};

struct dummy_wire {
	char *name;
	bool passive;
	struct wf_listener *listener;
	struct wf_list peers;
	struct wf_timer retry;
	struct wf_idle idle;
	void (*deliver)(void *arg, const void *packet, size_t size);
	void *arg;
	pthread_mutex_t lock;  /* of 'queue' */
	struct wf_buf queue;   /* framed packets on their way to main */
};

static void
peer_free(struct peer *p)
{
	wf_list_remove(&p->node);
	wf_stream_close(p->stream);
	free(p);
}

static size_t
on_input(void *p_, const uint8_t *data, size_t size)
{
	struct peer *p = p_;
	size_t taken = 0;

	while (size - taken >= 2) {
		size_t n = (size_t)data[taken] << 8 | data[taken + 1];

		if (size - taken < 2 + n)
			break;
		p->wire->deliver(p->wire->arg, data + taken + 2, n);
		taken += 2 + n;
	}
	return taken;
}

static void connect_again(struct wf_timer *);

static void
on_closed(void *p_, int why, const char *text)
{
	struct peer *p = p_;
	struct dummy_wire *w = p->wire;

	peer_free(p);
	if (!w->passive)
		wf_timer_set(&w->retry, RETRY_MS, connect_again, w);
}

static void
on_connected(void *p_)
{
	((struct peer *)p_)->connected = true;
}

static const struct wf_stream_ops ops = {
	.connected = on_connected,
	.input = on_input,
	.closed = on_closed,
};

static struct peer *
peer_new(struct dummy_wire *w, bool connected)
{
	struct peer *p = wf_xzalloc(sizeof *p);

	p->wire = w;
	p->connected = connected;
	wf_list_push_back(&w->peers, &p->node);
	return p;
}

static void
on_accept(void *w_, struct wf_stream *stream)
{
	struct peer *p = peer_new(w_, true);

	p->stream = stream;
	wf_stream_set_owner(stream, &ops, p);
}

static bool
wire_connect(struct dummy_wire *w)
{
	struct peer *p = peer_new(w, false);
	struct wf_err err = { "" };

	p->stream = wf_stream_open(w->name, 0, &ops, p, &err);
	if (p->stream)
		return true;
	wf_warn("%s", err.text);
	wf_list_remove(&p->node);
	free(p);
	return false;
}

static void
connect_again(struct wf_timer *t)
{
	wire_connect(t->arg);
}

/* Main's turn: what was queued goes out. */
static int64_t
flush(struct wf_idle *idle)
{
	struct dummy_wire *w = idle->arg;
	struct wf_buf out;
	struct peer *p;

	pthread_mutex_lock(&w->lock);
	out = w->queue;
	w->queue = (struct wf_buf)WF_BUF_INIT;
	pthread_mutex_unlock(&w->lock);
	if (out.size)
		wf_list_for_each (p, node, &w->peers)
			if (p->connected && wf_stream_backlog(p->stream) < QUEUE_MAX)
				wf_stream_write(p->stream, out.data, out.size);
	wf_buf_done(&out);
	return -1;
}

void
dummy_wire_send(struct dummy_wire *w, const void *packet, size_t size)
{
	uint8_t length[2] = { (uint8_t)(size >> 8), (uint8_t)size };

	if (size > UINT16_MAX)
		return;
	pthread_mutex_lock(&w->lock);
	if (w->queue.size < QUEUE_MAX) {
		wf_buf_put(&w->queue, length, 2);
		wf_buf_put(&w->queue, packet, size);
	}
	pthread_mutex_unlock(&w->lock);
	wf_loop_wake();
}

struct dummy_wire *
dummy_wire_open(const char *name, bool passive,
		void (*deliver)(void *arg, const void *packet, size_t size), void *arg)
{
	struct dummy_wire *w = wf_xzalloc(sizeof *w);
	struct wf_err err = { "" };
	bool ok;

	w->name = wf_xstrdup(name);
	w->passive = passive;
	w->deliver = deliver;
	w->arg = arg;
	wf_list_init(&w->peers);
	w->queue = (struct wf_buf)WF_BUF_INIT;
	pthread_mutex_init(&w->lock, NULL);
	w->idle = (struct wf_idle){ .fn = flush, .arg = w };
	wf_idle_add(&w->idle);
	if (passive) {
		w->listener = wf_listener_open(name, 0, 0, on_accept, w, &err);
		ok = w->listener != NULL;
		if (!ok)
			wf_warn("%s", err.text);
	} else {
		ok = wire_connect(w);
	}
	if (ok)
		return w;
	dummy_wire_close(w);
	return NULL;
}

const char *
dummy_wire_name(const struct dummy_wire *w)
{
	return w->name;
}

const char *
dummy_wire_state(const struct dummy_wire *w)
{
	struct peer *p;

	if (w->passive)
		return "unknown";
	wf_list_for_each (p, node, &w->peers)
		if (p->connected)
			return "connected";
	return "disconnected";
}

void
dummy_wire_close(struct dummy_wire *w)
{
	if (!w)
		return;
	wf_timer_cancel(&w->retry);
	wf_idle_del(&w->idle);
	while (!wf_list_is_empty(&w->peers))
		peer_free(wf_container(w->peers.next, struct peer, node));
	if (w->listener)
		wf_listener_close(w->listener);
	wf_buf_done(&w->queue);
	pthread_mutex_destroy(&w->lock);
	free(w->name);
	free(w);
}
