// SPDX-License-Identifier: Apache-2.0
/* Names of streams, and addresses behind them. */
#include "base/stream_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/daemon.h"

static const struct {
	const char *prefix;
	enum stream_kind kind;
	bool passive;
} kinds[] = {
	{ "unix:", STREAM_UNIX, false }, { "tcp:", STREAM_TCP, false },
	{ "ssl:", STREAM_SSL, false },   { "punix:", STREAM_UNIX, true },
	{ "ptcp:", STREAM_TCP, true },   { "pssl:", STREAM_SSL, true },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* A decimal port that is all of 'text'.  Returns -1 if it is none. */
static int
parse_port(const char *text)
{
	int port = 0;

	if (!*text || strlen(text) > 5)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		port = port * 10 + (*text - '0');
	}
	return port <= 65535 ? port : -1;
}

/* Splits "[HOST]REST" or "HOST:REST" at the host's end; 'rest' is what follows it. */
static int
cut_host(const char *text, char *host, size_t size, const char **rest)
{
	bool brackets = *text == '[';
	size_t n = strcspn(text + brackets, brackets ? "]" : ":");

	if (n == 0 || n >= size)
		return -1;
	memcpy(host, text + brackets, n);
	host[n] = '\0';
	text += brackets + n;
	if (brackets && *text++ != ']')
		return -1;
	*rest = text;
	return brackets ? AF_INET6 : AF_INET;
}

static int
set_host(struct stream_addr *a, int family, char *host, const char *name, struct wf_err *err)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->ss;
	struct sockaddr_in *in = (struct sockaddr_in *)&a->ss;
	char *scope;

	if (family == AF_INET) {
		in->sin_family = AF_INET;
		a->ss_size = sizeof(*in);
		if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
			return wf_err(err, -EINVAL,
				      "%s: \"%s\" is not an IPv4 address (an IPv6 address is "
				      "written in brackets; host names are not looked up)",
				      name, host);
		return 0;
	}

	in6->sin6_family = AF_INET6;
	a->ss_size = sizeof(*in6);
	scope = strchr(host, '%');
	if (scope) {
		*scope++ = '\0';
		in6->sin6_scope_id = if_nametoindex(scope);
		if (!in6->sin6_scope_id)
			return wf_err(err, -EINVAL, "%s: no interface \"%s\" for the scope", name,
				      scope);
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		return wf_err(err, -EINVAL, "%s: \"%s\" is not an IPv6 address", name, host);
	return 0;
}

static void
set_port(struct stream_addr *a, uint16_t port)
{
	/* sin_port and sin6_port lie at the same place. */
	_Static_assert(offsetof(struct sockaddr_in, sin_port) ==
			       offsetof(struct sockaddr_in6, sin6_port), "ports");
	((struct sockaddr_in *)&a->ss)->sin_port = htons(port);
}

/* IP[:PORT] */
static int
parse_active(struct stream_addr *a, const char *text, uint16_t default_port, const char *name,
	     struct wf_err *err)
{
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
	const char *rest;
	int port = default_port;
	int rc;

	int family = cut_host(text, host, sizeof(host), &rest);
	if (family < 0)
		return wf_err(err, -EINVAL, "%s: expected an IP address after the colon", name);
	rc = set_host(a, family, host, name, err);
	if (rc)
		return rc;
	if (*rest == ':') {
		port = parse_port(rest + 1);
		if (port <= 0)
			return wf_err(err, -EINVAL, "%s: \"%s\" is not a port from 1 to 65535",
				      name, rest + 1);
	} else if (*rest) {
		return wf_err(err, -EINVAL, "%s: unexpected \"%s\" after the IP address", name,
			      rest);
	} else if (!port) {
		return wf_err(err, -EINVAL, "%s: a port is required, as in IP:PORT", name);
	}
	set_port(a, port);
	return 0;
}

/* [PORT][:IP] */
static int
parse_passive(struct stream_addr *a, const char *text, uint16_t default_port, const char *name,
	      struct wf_err *err)
{
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1] = "0.0.0.0";
	const char *rest = "";
	char digits[8] = "";
	int family = AF_INET;
	int port = default_port;
	size_t n = strcspn(text, ":");
	int rc;

	if (n >= sizeof(digits))
		return wf_err(err, -EINVAL, "%s: expected [PORT][:IP] after the colon", name);
	memcpy(digits, text, n);
	if (n && (port = parse_port(digits)) < 0)
		return wf_err(err, -EINVAL, "%s: \"%s\" is not a port from 0 to 65535", name,
			      digits);
	text += n;
	if (*text == ':') {
		family = cut_host(text + 1, host, sizeof(host), &rest);
		if (family < 0 || *rest)
			return wf_err(err, -EINVAL, "%s: expected an IP address after the port",
				      name);
	}
	rc = set_host(a, family, host, name, err);
	if (rc)
		return rc;
	set_port(a, port);
	return 0;
}

int
stream_addr_parse(const char *name, uint16_t default_port, struct stream_addr *a,
		  struct wf_err *err)
{
	size_t i;

	memset(a, 0, sizeof(*a));
	for (i = 0; i < N_KINDS; i++)
		if (!strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)))
			break;
	if (i == N_KINDS)
		return wf_err(err, -EINVAL,
			      "%s: unknown connection method; use unix:, tcp:, ssl:, punix:, "
			      "ptcp: or pssl:",
			      name);

	const char *rest = name + strlen(kinds[i].prefix);
	a->kind = kinds[i].kind;
	a->passive = kinds[i].passive;
	if (a->kind != STREAM_UNIX)
		return (a->passive ? parse_passive : parse_active)(a, rest, default_port, name,
								   err);
	if (!*rest)
		return wf_err(err, -EINVAL, "%s: a path is required", name);
	a->path = *rest == '/' ? wf_xstrdup(rest) : wf_xasprintf("%s/%s", wf_rundir(), rest);
	return 0;
}

char *
stream_addr_name(enum stream_kind kind, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	const char *prefix = kind == STREAM_SSL ? "ssl" : "tcp";
	char host[INET6_ADDRSTRLEN] = "?";

	if (ss->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		return wf_xasprintf("%s:[%s]:%u", prefix, host, ntohs(in6->sin6_port));
	}
	inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
	return wf_xasprintf("%s:%s:%u", prefix, host, ntohs(in->sin_port));
}

static bool
is_valid(const char *name, bool passive)
{
	struct stream_addr a;
	bool ok = !stream_addr_parse(name, 1, &a, NULL) && a.passive == passive;

	free(a.path);
	return ok;
}

bool
wf_stream_name_is_passive(const char *name)
{
	return is_valid(name, true);
}

bool
wf_stream_name_is_valid(const char *name)
{
	return is_valid(name, false);
}

/* Fills 'un' for 'path'.  A path that is too long for it goes through an open directory
 * in '*dir_fd' (-1: none), which must stay open until the address was used. */
static int
unix_addr(const char *path, struct sockaddr_un *un, int *dir_fd)
{
	const char *slash = strrchr(path, '/');
	size_t len = strlen(path);

	*dir_fd = -1;
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	if (len < sizeof(un->sun_path)) {
		memcpy(un->sun_path, path, len);
		return 0;
	}
	if (!slash || slash == path)
		return -ENAMETOOLONG;

	char *dir = wf_xmemdup(path, slash - path + 1);
	dir[slash - path] = '\0';
	*dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (*dir_fd < 0)
		return -errno;
	len = snprintf(un->sun_path, sizeof(un->sun_path), "/proc/self/fd/%d%s", *dir_fd, slash);
	if (len >= sizeof(un->sun_path)) {
		close(*dir_fd);
		return -ENAMETOOLONG;
	}
	return 0;
}

int
stream_unix_connect(int fd, const char *path)
{
	struct sockaddr_un un;
	int dir_fd;
	int rc = unix_addr(path, &un, &dir_fd);

	if (rc)
		return rc;
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		rc = -errno;
	if (dir_fd >= 0)
		close(dir_fd);
	return rc;
}

int
stream_unix_bind(int fd, const char *path, unsigned mode)
{
	struct sockaddr_un un;
	struct stat st;
	int dir_fd;
	int rc = unix_addr(path, &un, &dir_fd);

	if (rc)
		return rc;
	/* A socket that an earlier process left; never a file of another kind. */
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);
	/* On Linux the mode of the unbound socket becomes the file's, so that it is never
	 * open to more than 'mode', not for a moment. */
	if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		rc = -errno;
	if (dir_fd >= 0)
		close(dir_fd);
	return rc;
}
