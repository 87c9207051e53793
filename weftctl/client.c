// SPDX-License-Identifier: Apache-2.0
#include "weftctl/client.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/daemon.h"
#include "base/jsonmsg.h"

#define MAX_REPLY ((size_t)256 << 20)
#define PATIENCE_S 120 /* a reload of many zones takes its time */

/* RUNDIR/PROGRAM.PID.ctl, or 'target' if that is a path. */
static int
find_socket(const char *program, const char *target,
	    char path[sizeof(((struct sockaddr_un *)0)->sun_path)], struct wf_err *err)
{
	size_t room = sizeof(((struct sockaddr_un *)0)->sun_path);
	const char *name = target ? target : program;
	char *pidfile;
	long pid = 0;
	FILE *f;

	if (strchr(name, '/')) {
		if ((size_t)snprintf(path, room, "%s", name) >= room)
			return wf_err(err, -ENAMETOOLONG, "%s: longer than the name of a socket may be", name);
		return 0;
	}
	pidfile = wf_xasprintf("%s/%s.pid", wf_rundir(), name);
	f = fopen(pidfile, "re");
	if (!f) {
		wf_err(err, -errno, "%s: %s; is %s running with --pidfile?  Or name its control socket with --target=PATH",
		       pidfile, strerror(errno), name);
		free(pidfile);
		return -ENOENT;
	}
	if (fscanf(f, "%ld", &pid) != 1 || pid < 1 || kill(pid, 0) < 0) {
		wf_err(err, -ESRCH, "%s: no process runs with the number in it; %s is not running", pidfile, name);
		pid = 0;
	}
	fclose(f);
	free(pidfile);
	if (!pid)
		return -ESRCH;
	if ((size_t)snprintf(path, room, "%s/%s.%ld.ctl", wf_rundir(), name, pid) >= room)
		return wf_err(err, -ENAMETOOLONG, "%s: longer than the name of a socket may be", wf_rundir());
	return 0;
}

static int
connect_to(const char *path, struct wf_err *err)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return wf_err(err, -errno, "%s: %s", path, strerror(errno));
	strcpy(a.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
		int rc = -errno;

		wf_err(err, rc, "%s: %s", path, strerror(errno));
		close(fd);
		return rc;
	}
	return fd;
}

static int
send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return -errno;
		if (sent > 0) {
			p += sent;
			n -= sent;
		}
	}
	return 0;
}

/* Reads one JSON text. */
static json_t *
receive(int fd, struct wf_err *err)
{
	struct wf_buf b = WF_BUF_INIT;
	struct wf_jsonmsg scan = { 0 };
	json_t *json = NULL;
	ssize_t whole = 0;

	while (!whole) {
		ssize_t n;

		wf_buf_reserve_tail(&b, 65536);
		n = recv(fd, wf_buf_at(&b, b.size), 65536, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		wf_buf_put_uninit(&b, n);
		whole = wf_jsonmsg_scan(&scan, b.data, b.size, MAX_REPLY);
	}
	if (whole > 0)
		json = json_loadb((char *)b.data, whole, JSON_ALLOW_NUL, NULL);
	if (!json)
		wf_err(err, -EPROTO, "the daemon closed the connection or did not answer within %d s", PATIENCE_S);
	wf_buf_done(&b);
	return json;
}

int
ctl_ask(const char *program, const char *target, const char *command, int argc, char *argv[],
	char **reply, struct wf_err *err)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	json_t *params = json_array(), *request, *answer, *result, *error;
	char *text;
	int fd, rc;

	for (int i = 0; i < argc; i++)
		if (json_array_append_new(params, json_string(argv[i]))) {
			json_decref(params);
			return wf_err(err, -EINVAL, "argument %d is not UTF-8", i + 1);
		}
	request = json_pack("{s:i, s:s, s:o}", "id", 0, "method", command, "params", params);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	rc = find_socket(program, target, path, err);
	fd = rc ? rc : connect_to(path, err);
	if (fd < 0) {
		free(text);
		return fd;
	}
	rc = send_all(fd, text, strlen(text));
	free(text);
	answer = rc ? NULL : receive(fd, err);
	close(fd);
	if (!answer)
		return rc ? wf_err(err, rc, "%s: %s", path, wf_strerror(rc)) : -EPROTO;
	result = json_object_get(answer, "result");
	error = json_object_get(answer, "error");
	if (json_is_string(result)) {
		*reply = wf_xstrdup(json_string_value(result));
		rc = 0;
	} else if (json_is_string(error)) {
		*reply = wf_xstrdup(json_string_value(error));
		rc = 1;
	} else {
		rc = wf_err(err, -EPROTO, "%s: the reply is neither result nor error", path);
	}
	json_decref(answer);
	return rc;
}
