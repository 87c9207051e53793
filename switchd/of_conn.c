/* SPDX-License-Identifier: Apache-2.0 */
/* One session.
 *
 * Input is taken message by message until something has to be waited for: a barrier, a long
 * reply, a peer that does not read.  Then the stream is paused, so that what such a session costs
 * is bounded by the backlog limit and what the kernel's socket holds.
 */
#include "switchd/of_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/coverage.h"
#include "base/log.h"
#include "base/rcu.h"
#include "dataplane/slow_path.h"
#include "dataplane/worker.h"

WF_LOG_MODULE(rconn);
WF_COVERAGE(of_async_dropped_backlog);
WF_COVERAGE(of_dump_put_aside); /* others got their turn before it went on */

/* Steps of a dump in one turn of the loop; one takes some hundred microseconds at most.  Others are
 * served in between, so more of them would be more of a wait. */
#define DUMP_STEPS 8

static struct wf_list of_barriers = { &of_barriers, &of_barriers };
static struct wf_list of_dumps = { &of_dumps, &of_dumps };

static void input_go_on(struct of_conn *);

/* --- Output -------------------------------------------------------------------------------- */

static void
send_bytes(struct of_conn *c, const void *data, size_t size)
{
	of_log_sent(c, data, size);
	wf_stream_write(c->stream, data, size);
	if (c->is_controller && of_has_snoopers(c->sw))
		of_snoop(c->sw, data, size);
}

/* Sends what is in the scratch buffer and empties it. */
static void
send_buf(struct of_conn *c, struct wf_buf *out)
{
	if (!out->size)
		return;
	if (c->stream && !c->is_closing)
		send_bytes(c, out->data, out->size);
	/* A long dump is over: give its buffer back. */
	if (out->allocated > 4 * OF_SLICE_BYTES)
		wf_buf_done(out);
	else
		wf_buf_clear(out);
}

void
of_conn_flush(struct of_conn *c)
{
	send_buf(c, &c->out);
}

void
of_conn_reply(struct of_conn *c)
{
	of_publish();
	of_monitor_flush_conn(c);
	of_conn_flush(c);
}

bool
of_conn_async(struct of_conn *c)
{
	if (!of_conn_is_up(c) || wf_stream_backlog(c->stream) > c->sw->max_pending) {
		c->n_dropped++;
		wf_coverage_inc(of_async_dropped_backlog);
		wf_buf_clear(&c->out);
		return false;
	}
	of_conn_flush(c);
	return true;
}

void
of_conn_error(struct of_conn *c, of_err_t err, const struct of_msg *m)
{
	wf_buf_clear(&c->out);
	wf_info_rl("%s: sending %s error reply to %s message", c->name, of_err_name(err),
		   m->id < OF_N_MSG_IDS ? of_msg_id_name(m->id) : "unknown");
	/* In the version of the message, which may be another one than agreed. */
	of_error_encode(err, m->version ? m->version : c->codec.version, m->xid, m->data, m->size,
			&c->out);
	of_conn_flush(c);
}

void
of_conn_error_quoting(struct of_conn *c, of_err_t err, const void *quote, size_t size)
{
	uint32_t xid;

	memcpy(&xid, (const char *)quote + 4, sizeof(xid));
	of_error_encode(err, c->codec.version, __builtin_bswap32(xid), quote, size, &c->out);
	of_conn_flush(c);
}

/* --- Asynchronous messages ----------------------------------------------------------------- */

bool
of_conn_wants(const struct of_conn *c, enum of_async_type type, unsigned reason)
{
	struct of_async_config def;
	const struct of_async_config *cfg = &c->async;

	if (!of_conn_is_up(c) || !wf_reconnect_is_connected(&c->rc))
		return false;
	/* Tools get such messages only if they asked by a miss_send_len. */
	if (!c->is_controller && !c->miss_send_len)
		return false;
	if (!c->has_async) {
		if (c->is_controller && !c->service->config.enable_async)
			return false;
		of_async_config_default(&def, c->codec.version);
		if (c->invalid_ttl)
			def.primary[OF_ASYNC_PACKET_IN] |= 1u << OF_PIR_INVALID_TTL;
		cfg = &def;
	}
	return (c->role == OF_ROLE_SECONDARY ? cfg->secondary : cfg->primary)[type] >> reason & 1;
}

/* --- Waiting ------------------------------------------------------------------------------- */

static void
wait_for(struct of_conn *c, enum of_wait wait)
{
	c->wait = wait;
	if (c->stream)
		wf_stream_pause_input(c->stream, wait != OF_WAIT_NONE);
}

static void
dump_done(struct of_conn *c)
{
	if (c->dump)
		c->dump->free(c->dump);
	c->dump = NULL;
}

/* Produces the reply until the socket has enough or the turn is over. */
static void
dump_run(struct of_conn *c)
{
	wf_list_remove(&c->waiting);
	/* The peer's echo replies wait behind the dump: that it goes on shows that the peer lives. */
	wf_reconnect_activity(&c->rc);
	for (unsigned n = 0; c->dump && wf_stream_backlog(c->stream) < OF_SLICE_BYTES; n++) {
		bool end;
		size_t ready;

		if (n == DUMP_STEPS) {
			wf_coverage_inc(of_dump_put_aside);
			wf_list_push_back(&of_dumps, &c->waiting);
			return;
		}
		end = c->dump->step(c, c->dump);
		if (end && !c->dump->is_single)
			of_multipart_end(&c->dump->mp);
		if (end) {
			dump_done(c);
			send_buf(c, &c->dump_out);
			break;
		}
		ready = c->dump->is_single ? 0 : of_multipart_ready(&c->dump->mp);
		if (ready) {
			send_bytes(c, c->dump_out.data, ready);
			wf_buf_pull(&c->dump_out, ready);
			of_multipart_pulled(&c->dump->mp, ready);
		}
	}
}

void
of_conn_dump(struct of_conn *c, struct of_dump *dump)
{
	of_publish();
	of_monitor_flush_conn(c);
	c->dump = dump;
	dump_run(c);
	if (c->dump)
		wait_for(c, OF_WAIT_DUMP);
}

bool
of_dumps_run(void)
{
	struct wf_list turn;

	if (wf_list_is_empty(&of_dumps))
		return false;
	of_publish();
	wf_list_init(&turn);
	while (!wf_list_is_empty(&of_dumps))
		wf_list_push_back(&turn, wf_list_pop_front(&of_dumps));
	while (!wf_list_is_empty(&turn)) {
		struct of_conn *c = wf_container(turn.next, struct of_conn, waiting);

		dump_run(c);
		if (!c->dump)
			wait_for(c, OF_WAIT_NONE);
	}
	return !wf_list_is_empty(&of_dumps);
}

static bool
barrier_try(struct of_conn *c)
{
	if (!wf_rcu_check(c->barrier_token))
		return false;

	/* Rules that went are reaped, so that their FLOW_REMOVED is before the reply; and packets
	 * that workers handed over before are dealt with. */
	wf_rcu_run();
	if (!rules_are_reaped(c->barrier_removals))
		return false;
	if (slow_path_pending())
		slow_path_run(8192);
	of_publish();
	of_monitor_flush_conn(c);
	send_buf(c, &c->barrier_reply);
	return true;
}

void
of_conn_reply_barrier(struct of_conn *c)
{
	of_publish();
	wf_buf_put(&c->barrier_reply, c->out.data, c->out.size);
	wf_buf_clear(&c->out);
	c->barrier_removals = rules_n_removals();
	c->barrier_token = wf_rcu_start();
	if (barrier_try(c))
		return;
	wf_list_push_back(&of_barriers, &c->waiting);
	wait_for(c, OF_WAIT_BARRIER);
}

bool
of_barriers_run(void)
{
	struct of_conn *c, *next;

	wf_list_for_each_safe(c, next, waiting, &of_barriers) {
		if (!barrier_try(c))
			continue;
		wf_list_remove(&c->waiting);
		input_go_on(c);
	}
	return !wf_list_is_empty(&of_barriers);
}

static void
input_go_on(struct of_conn *c)
{
	wait_for(c, OF_WAIT_NONE);
}

/* --- The stream ------------------------------------------------------------------------------ */

static void
on_connected(void *c_)
{
	of_hello_send(c_);
}

static size_t
on_input(void *c_, const uint8_t *data, size_t size)
{
	struct of_conn *c = c_;
	size_t used = 0;

	wf_reconnect_activity(&c->rc);
	while (size - used >= OF_HEADER_SIZE && !c->is_closing && c->stream &&
	       c->wait == OF_WAIT_NONE) {
		size_t n;

		if (!c->codec.version) {
			n = of_hello_input(c, data + used, size - used);
			if (!n)
				break;
			if (n == SIZE_MAX) {
				of_conn_close(c, "no common version");
				return size;
			}
			used += n;
			if (c->is_active)
				wf_reconnect_connected(&c->rc);
			of_miss_update(c->sw);
			continue;
		}
		n = of_frame_size(data + used);
		if (!n) {
			of_conn_close(c, "message shorter than its header");
			return size;
		}
		if (size - used < n)
			break;
		if (c->is_controller && of_has_snoopers(c->sw))
			of_snoop(c->sw, data + used, n);
		of_log_received(c, data + used, n);
		of_dispatch(c, data + used, n);
		used += n;
		if (c->wait == OF_WAIT_NONE && c->stream && !c->is_closing &&
		    wf_stream_backlog(c->stream) > c->sw->max_pending)
			wait_for(c, OF_WAIT_BACKLOG);
	}
	of_publish();
	return used;
}

static void
on_drained(void *c_)
{
	struct of_conn *c = c_;

	of_monitor_drained(c);
	if (c->wait == OF_WAIT_DUMP) {
		dump_run(c);
		if (c->dump)
			return;
		wait_for(c, OF_WAIT_NONE);
	} else if (c->wait == OF_WAIT_BACKLOG) {
		wait_for(c, OF_WAIT_NONE);
	}
}

static void
stream_end(struct of_conn *c)
{
	if (c->stream)
		wf_stream_close(c->stream);
	c->stream = NULL;
	of_conn_reset(c);
	of_miss_update(c->sw);
}

static void
on_closed(void *c_, int why, const char *text)
{
	struct of_conn *c = c_;

	wf_reconnect_disconnected(&c->rc, why);
	if (!c->is_active)
		c->is_closing = true;
	stream_end(c);
}

static const struct wf_stream_ops stream_ops = { on_connected, on_input, on_drained, on_closed };

/* --- Reconnection ----------------------------------------------------------------------------- */

static void
rc_connect(void *c_)
{
	struct of_conn *c = c_;
	struct wf_err err;

	c->stream = wf_stream_open_dscp(c->service->target, 6653, c->service->config.dscp,
					&stream_ops, c, &err);
	if (!c->stream) {
		wf_warn_rl("%s: %s", c->name, err.text);
		wf_reconnect_disconnected(&c->rc, -EINVAL);
	}
}

static void
rc_disconnect(void *c_)
{
	struct of_conn *c = c_;

	if (!c->is_active)
		c->is_closing = true;
	stream_end(c);
}

static void
rc_probe(void *c_)
{
	struct of_conn *c = c_;

	if (!c->stream || !c->codec.version)
		return;
	of_echo_request_encode(c->codec.version, 0, &c->out);
	of_conn_flush(c);
}

static const struct wf_reconnect_ops rc_ops = { rc_connect, rc_disconnect, rc_probe };

/* --- Life ------------------------------------------------------------------------------------- */

void
of_conn_reset(struct of_conn *c)
{
	of_flow_log_flush(c);
	dump_done(c);
	wf_list_remove(&c->waiting);
	c->wait = OF_WAIT_NONE;
	of_dispatch_reset(c);
	of_packet_in_conn_done(c);
	of_monitors_done(c);
	of_bundles_done(c);
	wf_buf_clear(&c->out);
	wf_buf_clear(&c->dump_out);
	wf_buf_clear(&c->barrier_reply);
	c->codec = (struct of_codec){ .tlv_map = &c->sw->tlv_map };
	of_role_forget(c);
	c->packet_in_format = OF_PIF_STANDARD;
	c->controller_id = 0;
	/* OFP_DEFAULT_MISS_SEND_LEN; tools are not sent packets unless they ask. */
	c->miss_send_len = c->is_controller ? 128 : 0;
	c->has_async = false;
	c->invalid_ttl = false;
}

void
of_conn_configure(struct of_conn *c)
{
	const struct of_controller_config *cfg = &c->service->config;

	if (c->stream)
		wf_stream_set_dscp(c->stream, cfg->dscp);
	wf_reconnect_set_backoff(&c->rc, 1000, cfg->max_backoff_ms);
	wf_reconnect_set_probe_interval(&c->rc, !cfg->inactivity_probe_ms ? 0 :
					cfg->inactivity_probe_ms < 5000 ? 5000 :
					cfg->inactivity_probe_ms);
}

struct of_conn *
of_conn_new(struct of_service *service, struct wf_stream *stream)
{
	struct of_conn *c = wf_xzalloc(sizeof(*c));

	c->sw = service->sw;
	c->service = service;
	c->is_controller = service->type == OF_SERVICE_CONTROLLER && !service->config.is_service;
	c->is_active = !stream;
	c->allowed = c->sw->versions;
	c->name = wf_xasprintf("%s<->%s", c->sw->bridge->name,
			       stream ? wf_stream_name(stream) : service->target);
	c->peer = strstr(c->name, "<->") + 3;
	wf_list_init(&c->waiting);
	wf_list_init(&c->bundles);
	wf_hmap_init(&c->monitors);
	of_conn_reset(c);
	wf_list_push_back(&c->sw->conns, &c->node);

	wf_reconnect_init(&c->rc, c->name, &rc_ops, c, &wf_this_module);
	c->rc.openflow_texts = true;
	of_conn_configure(c);
	if (!stream) {
		wf_reconnect_enable(&c->rc);
		return c;
	}
	wf_reconnect_set_quiet(&c->rc, true);
	c->stream = stream;
	wf_stream_set_dscp(stream, service->config.dscp);
	wf_stream_set_owner(stream, &stream_ops, c);
	wf_reconnect_accepted(&c->rc);
	of_hello_send(c);
	return c;
}

void
of_conn_close(struct of_conn *c, const char *why)
{
	if (why)
		wf_info_rl("%s: closing: %s", c->name, why);
	if (c->is_active) {
		/* Not inside the stream's callback: the machine attempts again after the
		 * back-off. */
		wf_reconnect_disconnected(&c->rc, -EPROTO);
		stream_end(c);
		return;
	}
	/* What was written last (the reason) still goes out: the stream is closed at the end of
	 * the turn. */
	c->is_closing = true;
}

void
of_conn_free(struct of_conn *c)
{
	wf_list_remove(&c->node);
	of_conn_reset(c);
	wf_reconnect_disable(&c->rc);
	if (c->stream)
		wf_stream_close(c->stream);
	wf_reconnect_done(&c->rc);
	wf_buf_done(&c->out);
	wf_buf_done(&c->dump_out);
	wf_buf_done(&c->barrier_reply);
	wf_buf_done(&c->updates);
	wf_hmap_done(&c->monitors);
	of_miss_update(c->sw);
	free(c->name);
	free(c);
}
