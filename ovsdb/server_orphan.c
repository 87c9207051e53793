/* SPDX-License-Identifier: Apache-2.0 */
/* The server of a daemon that was killed: the kernel has sent it SIGTERM, but it may still answer when the next daemon
 * looks whether one is there, which would then be left without. */
#include "ovsdb/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "ovsdb/server_private.h"

WF_LOG_MODULE(ovsdb_server);

#define MARK "WEFT_OVSDB_SERVER_OF="
#define POLL_MS 20
#define PATIENCE_MS 10000

char **
ovsdb_server_environment(void)
{
	extern char **environ;
	size_t n = 0, k = 0;
	char **env;

	while (environ[n])
		n++;
	env = wf_xmalloc((n + 2) * sizeof(*env));
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], MARK, strlen(MARK)))
			env[k++] = environ[i];
	env[k] = wf_xasprintf(MARK "%ld", (long)getpid());
	env[k + 1] = NULL;
	return env;
}

void
ovsdb_server_environment_free(char **env)
{
	size_t n = 0;

	while (env[n])
		n++;
	free(env[n - 1]);
	free(env);
}

/* Who listens at 'path', 0: nobody, or nobody knows. */
static pid_t
listener(const char *path)
{
	int fd = ovsdb_server_connect(path);
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		peer.pid = 0;
	close(fd);
	return peer.pid;
}

/* The daemon that started the server 'pid', 0: none of ours, or the server has ended. */
static pid_t
daemon_of(pid_t pid)
{
	struct wf_str s = WF_STR_INIT;
	char path[64], buf[4096];
	pid_t found = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/environ", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		wf_str_putn(&s, buf, (size_t)n);
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < s.len; i += strlen(s.s + i) + 1)
		if (!strncmp(s.s + i, MARK, strlen(MARK)))
			found = (pid_t)atol(s.s + i + strlen(MARK));
	wf_str_done(&s);
	return found;
}

static bool
is_orphan(pid_t pid)
{
	pid_t parent = daemon_of(pid);
	char path[64], exe[8];

	/* What only waits to be reaped has no program any more. */
	snprintf(path, sizeof(path), "/proc/%ld/exe", (long)parent);
	return parent > 0 && readlink(path, exe, sizeof(exe)) < 0 && errno == ENOENT;
}

void
ovsdb_server_wait_for_orphan(const char *remote)
{
	char *path = ovsdb_server_socket_path(remote);
	pid_t pid = path ? listener(path) : 0;

	if (pid > 0 && is_orphan(pid)) {
		wf_info("%s: the server (pid %ld) is one of a daemon that has gone, and ends", remote, (long)pid);
		for (unsigned ms = 0; ms < PATIENCE_MS && is_orphan(pid); ms += POLL_MS)
			usleep(POLL_MS * 1000);
	}
	free(path);
}
