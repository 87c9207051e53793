/* SPDX-License-Identifier: Apache-2.0 */
#include "ovsdb/rpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/jsonmsg.h"
#include "base/list.h"
#include "base/stream.h"

#define OVSDB_PORT 6640 /* IANA "ovsdb" */
/* base/stream.h keeps no more input.  The whole content of 10,000 ports is about 10 MB. */
#define MAX_MESSAGE (16u << 20)
#define MAX_BACKLOG (64u << 20) /* of ours that the server does not read */

struct request {
	struct wf_list node;
	json_int_t id;
	ovsdb_reply_fn *fn;
	void *arg;
};

struct ovsdb_rpc {
	const struct ovsdb_rpc_ops *ops;
	void *arg;
	struct wf_stream *stream; /* NULL once closed */
	struct wf_jsonmsg scan;
	json_int_t next_id;
	struct wf_list requests; /* oldest first, which is how replies come */
	unsigned n_callers;      /* functions of ours that are on the stack and use this */
};

static void
release(struct ovsdb_rpc *rpc)
{
	if (!--rpc->n_callers && !rpc->stream)
		free(rpc);
}

static void
send_json(struct ovsdb_rpc *rpc, const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	if (text && rpc->stream)
		wf_stream_write(rpc->stream, text, strlen(text));
	free(text);
}

void
ovsdb_rpc_request(struct ovsdb_rpc *rpc, const char *method, json_t *params, ovsdb_reply_fn *fn,
		  void *arg)
{
	struct request *rq = wf_xzalloc(sizeof(*rq));
	json_t *json;

	rq->id = rpc->next_id++;
	rq->fn = fn;
	rq->arg = arg;
	wf_list_push_back(&rpc->requests, &rq->node);
	json = json_pack("{sssosI}", "method", method, "params", params, "id", rq->id);
	send_json(rpc, json);
	json_decref(json);
}

static void
on_reply(struct ovsdb_rpc *rpc, const json_t *message)
{
	json_t *id = json_object_get(message, "id");
	const json_t *error = json_object_get(message, "error");
	const json_t *result = json_object_get(message, "result");
	struct request *rq, *next;

	if (!json_is_integer(id))
		return;
	wf_list_for_each_safe(rq, next, node, &rpc->requests) {
		if (rq->id != json_integer_value(id))
			continue;
		wf_list_remove(&rq->node);
		if (error && !json_is_null(error))
			rq->fn(rq->arg, NULL, error);
		else
			rq->fn(rq->arg, result ? result : json_null(), NULL);
		free(rq);
		return;
	}
}

static void
on_request(struct ovsdb_rpc *rpc, const char *method, json_t *params, json_t *id)
{
	json_t *reply;

	if (!strcmp(method, "echo"))
		reply = json_pack("{sOsnsO}", "result", params, "error", "id", id);
	else
		reply = json_pack("{sns{ss}sO}", "result", "error", "error", "unknown method",
				  "id", id);
	send_json(rpc, reply);
	json_decref(reply);
}

/* Returns NULL, or what is wrong with 'message'. */
static const char *
on_message(struct ovsdb_rpc *rpc, json_t *message)
{
	json_t *method, *id, *params;

	if (!json_is_object(message))
		return "a JSON-RPC message is not an object";
	method = json_object_get(message, "method");
	id = json_object_get(message, "id");
	params = json_object_get(message, "params");
	if (!method || json_is_null(method)) {
		on_reply(rpc, message);
		return NULL;
	}
	if (!json_is_string(method) || !json_is_array(params))
		return "a JSON-RPC request without method name or parameters";
	if (!id || json_is_null(id))
		rpc->ops->notification(rpc->arg, json_string_value(method), params);
	else
		on_request(rpc, json_string_value(method), params, id);
	return NULL;
}

static void
fail(struct ovsdb_rpc *rpc, int why, const char *text)
{
	/* No further bytes of this peer are looked at. */
	wf_stream_pause_input(rpc->stream, true);
	rpc->ops->closed(rpc->arg, why, text);
}

static size_t
on_input(void *rpc_, const uint8_t *data, size_t size)
{
	struct ovsdb_rpc *rpc = rpc_;
	size_t used = 0;

	rpc->n_callers++;
	rpc->ops->activity(rpc->arg);
	while (rpc->stream && used < size) {
		ssize_t n = wf_jsonmsg_scan(&rpc->scan, data + used, size - used, MAX_MESSAGE);
		json_error_t error;
		const char *complaint;
		json_t *message;

		if (!n)
			break;
		if (n < 0) {
			fail(rpc, n,
			     n == -EMSGSIZE ? "a message is too long or nested too deep"
					    : "the bytes are not JSON");
			break;
		}
		message = json_loadb((const char *)data + used, n, JSON_DECODE_ANY, &error);
		used += n;
		if (!message) {
			fail(rpc, -EBADMSG, error.text);
			break;
		}
		complaint = on_message(rpc, message);
		json_decref(message);
		if (!rpc->stream)
			break;
		if (complaint) {
			fail(rpc, -EBADMSG, complaint);
			break;
		}
		if (wf_stream_backlog(rpc->stream) > MAX_BACKLOG) {
			fail(rpc, -ENOBUFS, "the peer asks but does not read");
			break;
		}
	}
	if (rpc->stream)
		rpc->ops->batch_end(rpc->arg);
	release(rpc);
	return used;
}

static void
on_connected(void *rpc_)
{
	struct ovsdb_rpc *rpc = rpc_;

	rpc->ops->connected(rpc->arg);
}

static void
on_closed(void *rpc_, int why, const char *text)
{
	struct ovsdb_rpc *rpc = rpc_;

	rpc->ops->closed(rpc->arg, why, text);
}

static const struct wf_stream_ops stream_ops = {
	.connected = on_connected,
	.input = on_input,
	.closed = on_closed,
};

struct ovsdb_rpc *
ovsdb_rpc_open(const char *remote, const struct ovsdb_rpc_ops *ops, void *arg, struct wf_err *err)
{
	struct ovsdb_rpc *rpc = wf_xzalloc(sizeof(*rpc));

	rpc->ops = ops;
	rpc->arg = arg;
	rpc->next_id = 1;
	wf_list_init(&rpc->requests);
	rpc->stream = wf_stream_open(remote, OVSDB_PORT, &stream_ops, rpc, err);
	if (!rpc->stream) {
		free(rpc);
		return NULL;
	}
	return rpc;
}

void
ovsdb_rpc_close(struct ovsdb_rpc *rpc)
{
	if (!rpc || !rpc->stream)
		return;
	rpc->n_callers++;
	wf_stream_close(rpc->stream);
	rpc->stream = NULL;
	while (!wf_list_is_empty(&rpc->requests)) {
		struct wf_list *node = wf_list_pop_front(&rpc->requests);
		struct request *rq = wf_container(node, struct request, node);

		rq->fn(rq->arg, NULL, NULL);
		free(rq);
	}
	release(rpc);
}

void
ovsdb_rpc_error_text(const json_t *error, char *text, size_t size)
{
	const char *name = json_string_value(json_object_get(error, "error"));
	const char *details = json_string_value(json_object_get(error, "details"));
	char *dump;

	if (name) {
		snprintf(text, size, "%s%s%s", name, details ? ": " : "", details ? details : "");
	} else if (json_is_string(error)) {
		snprintf(text, size, "%s", json_string_value(error));
	} else {
		dump = error ? json_dumps(error, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
		snprintf(text, size, "%s", dump ? dump : "null");
		free(dump);
	}
}
