// SPDX-License-Identifier: Apache-2.0
#include "base/unixctl.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/coverage.h"
#include "base/daemon.h"
#include "base/hash.h"
#include "base/hmap.h"
#include "base/jsonmsg.h"
#include "base/log.h"
#include "base/stream.h"

WF_LOG_MODULE(unixctl);

WF_COVERAGE(unixctl_received);
WF_COVERAGE(unixctl_replied);

/* A request; ovs-appctl's are a few hundred bytes, but ofproto/trace takes packets. */
#define MAX_REQUEST (4u << 20)
/* Replies that a client may leave unread before its next request is looked at. */
#define MAX_BACKLOG (1u << 20)

struct command {
	struct wf_hmap_node node;
	char *name;
	const char *usage; /* NULL: not in list-commands */
	int min_args, max_args;
	unixctl_fn *fn;
	void *aux;
};

/* A client.  One request at a time: while 'id' is set, input is paused, and the struct
 * outlives the client until the handler has replied.  Input is paused, too, while the client
 * does not read its replies, so that what it costs is bounded. */
struct unixctl_conn {
	struct wf_list node;
	struct wf_stream *stream; /* NULL: the client is gone */
	struct wf_jsonmsg scan;
	json_t *id;
	bool in_input;
};

static struct wf_hmap commands;
static struct wf_list conns = { &conns, &conns };
static struct wf_listener *listener;
static const char *refusal;
static char *version_text;

__attribute__((constructor)) static void
init_commands(void)
{
	wf_hmap_init(&commands);
}

static struct command *
find_command(const char *name)
{
	struct command *c;

	wf_hmap_for_each_with_hash(c, node, wf_hash_str(name, 0), &commands)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

void
unixctl_command(const char *name, const char *usage, int min_args, int max_args, unixctl_fn *fn,
		void *aux)
{
	struct command *c = find_command(name);

	if (!c) {
		c = wf_xzalloc(sizeof(*c));
		c->name = wf_xstrdup(name);
		wf_hmap_insert(&commands, &c->node, wf_hash_str(name, 0));
	}
	c->usage = usage;
	c->min_args = min_args;
	c->max_args = max_args;
	c->fn = fn;
	c->aux = aux;
}

void
unixctl_set_version(const char *text)
{
	free(version_text);
	version_text = wf_xstrdup(text);
}

static void
free_conn(struct unixctl_conn *conn)
{
	wf_list_remove(&conn->node);
	wf_stream_close(conn->stream);
	json_decref(conn->id);
	free(conn);
}

/* The client went away, or sent what is no request. */
static void
drop_client(struct unixctl_conn *conn)
{
	wf_stream_close(conn->stream);
	conn->stream = NULL;
	if (!conn->id && !conn->in_input)
		free_conn(conn);
}

/* JSON is UTF-8 (RFC 8259 section 8.1); a name that came from elsewhere may not be. */
static json_t *
json_text(const char *text)
{
	json_t *json = json_string(text);

	if (json)
		return json;

	char *copy = wf_xstrdup(text);
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	json = json_string(copy);
	free(copy);
	return json;
}

static bool
takes_requests(const struct unixctl_conn *conn)
{
	return !conn->id && wf_stream_backlog(conn->stream) < MAX_BACKLOG;
}

static void
send_reply(struct unixctl_conn *conn, json_t *body, bool success)
{
	json_t *msg = json_pack("{s:O,s:o,s:o}", "id", conn->id, "result",
				success ? body : json_null(), "error",
				success ? json_null() : body);
	char *text = json_dumps(msg, JSON_COMPACT);

	wf_stream_write(conn->stream, text, strlen(text));
	free(text);
	json_decref(msg);
}

static void
reply(struct unixctl_conn *conn, bool success, const char *body)
{
	assert(conn->id);
	wf_coverage_inc(unixctl_replied);
	if (wf_log_enabled(WF_DBG)) {
		char *id = json_dumps(conn->id, JSON_ENCODE_ANY | JSON_COMPACT);

		wf_dbg("replying with %s, id=%s: \"%.4096s\"", success ? "success" : "error", id,
		       body);
		free(id);
	}
	if (!conn->stream) {
		json_decref(conn->id);
		conn->id = NULL;
		if (!conn->in_input)
			free_conn(conn);
		return;
	}

	size_t len = strlen(body);
	if (len && body[len - 1] != '\n') {
		char *line = wf_xasprintf("%s\n", body);

		send_reply(conn, json_text(line), success);
		free(line);
	} else {
		send_reply(conn, json_text(body), success);
	}
	json_decref(conn->id);
	conn->id = NULL;
	if (!conn->in_input)
		wf_stream_pause_input(conn->stream, !takes_requests(conn));
}

void
unixctl_reply(struct unixctl_conn *conn, const char *body_or_null)
{
	reply(conn, true, body_or_null ? body_or_null : "");
}

void
unixctl_reply_error(struct unixctl_conn *conn, const char *text)
{
	reply(conn, false, text ? text : "");
}

static void
reply_errorf(struct unixctl_conn *conn, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void
reply_errorf(struct unixctl_conn *conn, const char *fmt, ...)
{
	struct wf_str s = WF_STR_INIT;
	va_list args;

	va_start(args, fmt);
	wf_str_vfmt(&s, fmt, args);
	va_end(args);
	unixctl_reply_error(conn, s.s);
	wf_str_done(&s);
}

static void
run_command(struct unixctl_conn *conn, const char *method, json_t *params)
{
	struct command *c = find_command(method);
	int n = json_array_size(params);
	const char **argv;

	if (refusal) {
		unixctl_reply_error(conn, refusal);
		return;
	}
	if (!c) {
		reply_errorf(conn, "\"%s\" is not a valid command (use \"list-commands\" to see "
			     "a list of valid commands)", method);
		return;
	}
	if (n < c->min_args) {
		reply_errorf(conn, "\"%s\" command requires at least %d arguments", method,
			     c->min_args);
		return;
	}
	if (n > c->max_args) {
		reply_errorf(conn, "\"%s\" command takes at most %d arguments", method,
			     c->max_args);
		return;
	}
	argv = wf_xmalloc((n + 2) * sizeof(*argv));
	argv[0] = method;
	for (int i = 0; i < n; i++) {
		argv[i + 1] = json_string_value(json_array_get(params, i));
		if (!argv[i + 1]) {
			free(argv);
			reply_errorf(conn, "\"%s\" command has non-string argument", method);
			return;
		}
	}
	argv[n + 1] = NULL;
	c->fn(conn, n + 1, argv, c->aux);
	free(argv);
}

/* Returns false if 'msg' is no JSON-RPC 1.0 request. */
static bool
handle_message(struct unixctl_conn *conn, json_t *msg)
{
	const char *method = json_string_value(json_object_get(msg, "method"));
	json_t *params = json_object_get(msg, "params");
	json_t *id = json_object_get(msg, "id");

	if (!method || !json_is_array(params) || !id || json_is_null(id)) {
		wf_warn_rl("%s: received unexpected message", wf_stream_name(conn->stream));
		return false;
	}
	conn->id = json_incref(id);
	wf_coverage_inc(unixctl_received);
	if (wf_log_enabled(WF_DBG)) {
		char *params_text = json_dumps(params, 0);
		char *id_text = json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT);

		wf_dbg("received request %s%s, id=%s", method, params_text, id_text);
		free(params_text);
		free(id_text);
	}
	run_command(conn, method, params);
	return true;
}

/* Handles one text.  Returns its size, 0 if there is none yet, -1 if the client must go. */
static ssize_t
take_message(struct unixctl_conn *conn, const uint8_t *data, size_t size)
{
	ssize_t n = wf_jsonmsg_scan(&conn->scan, data, size, MAX_REQUEST);
	json_error_t error;
	json_t *msg;
	bool ok;

	if (n == 0)
		return 0;
	if (n < 0) {
		wf_warn_rl("%s: not JSON, or longer than %u bytes", wf_stream_name(conn->stream),
			   MAX_REQUEST);
		return -1;
	}
	msg = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, &error);
	if (!msg) {
		wf_warn_rl("%s: not JSON: %s", wf_stream_name(conn->stream), error.text);
		return -1;
	}
	ok = handle_message(conn, msg);
	json_decref(msg);
	return ok ? n : -1;
}

static size_t
on_input(void *arg, const uint8_t *data, size_t size)
{
	struct unixctl_conn *conn = arg;
	size_t taken = 0;

	conn->in_input = true;
	while (conn->stream && takes_requests(conn)) {
		ssize_t n = take_message(conn, data + taken, size - taken);

		if (n < 0)
			drop_client(conn);
		if (n <= 0)
			break;
		taken += n;
	}
	conn->in_input = false;
	/* The handler may have closed the server. */
	if (conn->stream)
		wf_stream_pause_input(conn->stream, !takes_requests(conn));
	else if (!conn->id)
		free_conn(conn);
	return taken;
}

static void
on_drained(void *arg)
{
	struct unixctl_conn *conn = arg;

	wf_stream_pause_input(conn->stream, !takes_requests(conn));
}

static void
on_closed(void *arg, int why, const char *text)
{
	drop_client(arg);
}

static void
on_accept(void *arg, struct wf_stream *stream)
{
	static const struct wf_stream_ops ops = {
		.input = on_input, .drained = on_drained, .closed = on_closed,
	};
	struct unixctl_conn *conn = wf_xzalloc(sizeof(*conn));

	conn->stream = stream;
	wf_list_push_back(&conns, &conn->node);
	wf_stream_set_owner(stream, &ops, conn);
}

static int
compare_commands(const void *a, const void *b)
{
	const struct command *const *ca = a, *const *cb = b;

	return strcmp((*ca)->name, (*cb)->name);
}

static void
list_commands(struct unixctl_conn *conn, int argc, const char *argv[], void *prefix_)
{
	const char *prefix = prefix_;
	size_t len = strlen(prefix);
	struct command **all = wf_xmalloc(commands.n * sizeof(*all));
	struct wf_str s = WF_STR_INIT;
	struct command *c;
	size_t n = 0;

	wf_hmap_for_each(c, node, &commands)
		all[n++] = c;
	qsort(all, n, sizeof(*all), compare_commands);
	wf_str_put(&s, "The available commands are:\n");
	for (size_t i = 0; i < n; i++)
		if (all[i]->usage && !strncmp(all[i]->name, prefix, len))
			wf_str_fmt(&s, "  %s%-23s %s\n", prefix, all[i]->name + len, all[i]->usage);
	unixctl_reply(conn, s.s);
	wf_str_done(&s);
	free(all);
}

void
unixctl_command_list(const char *name, const char *prefix)
{
	unixctl_command(name, "", 0, INT_MAX, list_commands, (void *)prefix);
}

static void
show_version(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
	char *text = version_text ? wf_xstrdup(version_text)
				  : wf_xasprintf("%s (weft) %s", wf_program_name, WEFT_VERSION);

	unixctl_reply(conn, text);
	free(text);
}

int
unixctl_server_open(const char *path, struct wf_err *err)
{
	struct wf_err inner;
	char *file, *name;

	if (path && !strcmp(path, "none"))
		return 0;
	file = !path ? wf_xasprintf("%s/%s.%ld.ctl", wf_rundir(), wf_program_name, (long)getpid())
	       : path[0] == '/' ? wf_xstrdup(path)
				: wf_xasprintf("%s/%s", wf_rundir(), path);
	name = wf_xasprintf("punix:%s", file);
	listener = wf_listener_open(name, 0, 0, on_accept, NULL, &inner);
	free(name);
	if (!listener) {
		int rc = wf_err(err, -EIO, "%s: could not initialize control socket (%s)", file,
				inner.text);

		free(file);
		return rc;
	}
	free(file);
	unixctl_command("list-commands", "", 0, 0, list_commands, (void *)"");
	unixctl_command("version", "", 0, 0, show_version, NULL);
	wf_log_unixctl_init();
	return 0;
}

void
unixctl_server_refuse(const char *why)
{
	refusal = why;
}

void
unixctl_server_close(void)
{
	struct unixctl_conn *conn, *next;

	wf_listener_close(listener);
	listener = NULL;
	wf_list_for_each_safe(conn, next, node, &conns)
		drop_client(conn);
}
