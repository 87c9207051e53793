/* SPDX-License-Identifier: Apache-2.0 */
/* The first row of a new database, by a client that blocks: it runs before the event loop. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <string.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/jsonmsg.h"
#include "ovsdb/rpc.h"
#include "ovsdb/schema.h"
#include "ovsdb/server_private.h"

#define REPLY_MS    5000
#define MAX_REPLY   (1u << 20)

/* Reads one reply into 'buf'; returns its size or a negative errno. */
static ssize_t
read_reply(int fd, struct wf_buf *buf)
{
	struct wf_jsonmsg scan = { 0 };

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&p, 1, REPLY_MS);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ETIMEDOUT;
		wf_buf_reserve_tail(buf, 4096);
		n = recv(fd, buf->data + buf->size, 4096, 0);
		if (n <= 0)
			return n ? -errno : -ECONNRESET;
		buf->size += n;
		n = wf_jsonmsg_scan(&scan, buf->data, buf->size, MAX_REPLY);
		if (n)
			return n;
	}
}

/* Sends 'operations' (taken); '*results' is the array of results. */
static int
transact(int fd, json_t *operations, json_t **results, struct wf_err *err)
{
	json_t *request = json_pack("{sssosi}", "method", "transact", "params", operations, "id",
				    1);
	char *text = json_dumps(request, JSON_COMPACT);
	struct wf_buf buf = WF_BUF_INIT;
	json_t *reply = NULL;
	const json_t *error;
	ssize_t n = -EPIPE;
	int rc = 0;

	if (send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text))
		n = read_reply(fd, &buf);
	if (n > 0)
		reply = json_loadb((const char *)buf.data, n, 0, NULL);
	error = json_object_get(reply, "error");
	if (n <= 0) {
		rc = wf_err(err, n, "%s", wf_strerror(n));
	} else if (!reply || (error && !json_is_null(error))) {
		char why[256];

		ovsdb_rpc_error_text(error, why, sizeof(why));
		rc = wf_err(err, -EPROTO, "%s", why);
	} else {
		*results = json_incref(json_object_get(reply, "result"));
	}
	json_decref(reply);
	json_decref(request);
	wf_buf_done(&buf);
	free(text);
	return rc;
}

static int
init_root(int fd, struct wf_err *err)
{
	json_t *results = NULL;
	const json_t *rows, *error;
	int rc;

	rc = transact(fd,
		      json_pack("[s{ssss s[]s[s]}]", OVSDB_DATABASE, "op", "select", "table",
				OVSDB_DATABASE, "where", "columns", "_uuid"),
		      &results, err);
	if (rc)
		return rc;
	rows = json_object_get(json_array_get(results, 0), "rows");
	if (json_array_size(rows)) {
		json_decref(results);
		return 0;
	}
	json_decref(results);
	rc = transact(fd,
		      json_pack("[s{ssss s{}}]", OVSDB_DATABASE, "op", "insert", "table",
				OVSDB_DATABASE, "row"),
		      &results, err);
	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < json_array_size(results); i++) {
		error = json_array_get(results, i);
		if (json_object_get(error, "error")) {
			char why[256];

			ovsdb_rpc_error_text(error, why, sizeof(why));
			rc = wf_err(err, -EPROTO, "%s", why);
		}
	}
	json_decref(results);
	return rc;
}

int
ovsdb_server_init_root(const char *path, struct wf_err *err)
{
	struct wf_err why;
	int fd = ovsdb_server_connect(path);
	int rc;

	if (fd < 0)
		return wf_err(err, fd, "%s: cannot connect to the new server (%s)", path,
			      wf_strerror(fd));
	rc = init_root(fd, &why);
	close(fd);
	if (rc)
		return wf_err(err, rc, "%s: cannot initialise table " OVSDB_DATABASE ": %s", path,
			      why.text);
	return 0;
}
