// SPDX-License-Identifier: Apache-2.0
/* Syslog over sockets of our own, never blocking: libc's syslog() holds one lock for all
 * threads while it waits for a daemon that may be slow, and then a worker would wait for
 * the main thread. */
#include "base/log_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/daemon.h"

enum method {
	METHOD_UNSET,
	METHOD_NULL,
	METHOD_LIBC,  /* /dev/log in RFC 3164's local form, as syslog(3) writes it */
	METHOD_DIRECT /* an address given by the user */
};

/* A datagram socket made on first use and made again after an error, so that a restart
 * of the syslog daemon costs one message. */
struct sink {
	struct sockaddr_storage addr;
	socklen_t addr_size; /* 0: not configured */
	_Atomic int fd;      /* -1: not open */
};

static _Atomic int method;
static struct sink main_sink = { .fd = -1 };
static struct sink target_sink = { .fd = -1 };
static _Atomic int facility_value;
static pthread_once_t default_once = PTHREAD_ONCE_INIT;

static const struct {
	const char *name;
	int value;
} facilities[] = {
	{ "kern", LOG_KERN },     { "user", LOG_USER },     { "mail", LOG_MAIL },
	{ "daemon", LOG_DAEMON }, { "auth", LOG_AUTH },     { "syslog", LOG_SYSLOG },
	{ "lpr", LOG_LPR },       { "news", LOG_NEWS },     { "uucp", LOG_UUCP },
	{ "clock", LOG_CRON },    { "ftp", LOG_FTP },       { "ntp", 12 << 3 },
	{ "audit", 13 << 3 },     { "alert", 14 << 3 },     { "clock2", 15 << 3 },
	{ "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 },
	{ "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 },
	{ "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

int
wf_syslog_severity(enum wf_log_level level)
{
	static const int severities[] = { LOG_ALERT, LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_DEBUG };

	return severities[level];
}

int
wf_syslog_facility(void)
{
	return atomic_load_explicit(&facility_value, memory_order_relaxed);
}

int
wf_syslog_set_facility(const char *name)
{
	for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++) {
		if (!strcasecmp(facilities[i].name, name)) {
			atomic_store_explicit(&facility_value, facilities[i].value,
					      memory_order_relaxed);
			return 0;
		}
	}
	return -EINVAL;
}

static int
sink_set_unix(struct sink *sink, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&sink->addr;

	if (!path[0] || strlen(path) >= sizeof(un->sun_path))
		return -EINVAL;
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	sink->addr_size = sizeof(*un);
	return 0;
}

/* "IP[:PORT]", IPv6 in brackets. */
static int
sink_set_udp(struct sink *sink, const char *target)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&sink->addr;
	struct sockaddr_in *in = (struct sockaddr_in *)&sink->addr;
	unsigned long port = 514;
	char host[64];
	bool v6 = target[0] == '[';
	size_t n = strcspn(target + v6, v6 ? "]" : ":");
	const char *rest = target + v6 + n;

	if (n >= sizeof(host) || (v6 && *rest++ != ']'))
		return -EINVAL;
	memcpy(host, target + v6, n);
	host[n] = '\0';
	if (*rest == ':') {
		char *end;

		port = strtoul(rest + 1, &end, 10);
		if (end == rest + 1 || *end || !port || port > 65535)
			return -EINVAL;
	} else if (*rest) {
		return -EINVAL;
	}

	memset(&sink->addr, 0, sizeof(sink->addr));
	if (v6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		sink->addr_size = sizeof(*in6);
		return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	sink->addr_size = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

static int
sink_open(struct sink *sink)
{
	int fd = socket(sink->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sink->addr, sink->addr_size) < 0) {
		close(fd);
		return -1;
	}

	int none = -1;
	if (!atomic_compare_exchange_strong(&sink->fd, &none, fd)) {
		close(fd);
		return none;
	}
	return fd;
}

static void
sink_send(struct sink *sink, const char *text, size_t size)
{
	/* A thread may send on a socket that another one has just replaced: dup2() keeps
	 * the number valid, so that a line can go astray at worst to the same daemon. */
	for (int attempt = 0; attempt < 2; attempt++) {
		int fd = atomic_load(&sink->fd);

		if (fd < 0 && (fd = sink_open(sink)) < 0)
			return;
		if (send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno == EAGAIN ||
		    errno == EWOULDBLOCK)
			return;
		if (errno == EMSGSIZE) {
			size -= size / 20 + 1;
			attempt--;
			if (!size)
				return;
			continue;
		}
		/* Connect the same socket again: a restarted daemon has a new inode. */
		if (connect(fd, (struct sockaddr *)&sink->addr, sink->addr_size) < 0)
			return;
	}
}

static int
set_method(const char *name)
{
	const char *colon = strchr(name, ':');
	int m = METHOD_DIRECT;
	int rc = 0;

	if (!strcmp(name, "null"))
		m = METHOD_NULL;
	else if (!strcmp(name, "libc"))
		m = sink_set_unix(&main_sink, "/dev/log") ? METHOD_NULL : METHOD_LIBC;
	else if (colon && !strncmp(name, "unix:", 5))
		rc = sink_set_unix(&main_sink, colon + 1);
	else if (colon && !strncmp(name, "udp:", 4))
		rc = sink_set_udp(&main_sink, colon + 1);
	else
		rc = -EINVAL;
	if (rc)
		return rc;
	atomic_store(&method, m);
	return 0;
}

static void
set_default_method(void)
{
	const char *env = getenv("OVS_SYSLOG_METHOD");

	if (atomic_load(&method) == METHOD_UNSET && (!env || !env[0] || set_method(env)))
		set_method("libc");
}

int
wf_log_syslog_method(const char *name, struct wf_err *err)
{
	if (atomic_load(&method) != METHOD_UNSET)
		return 0;
	if (set_method(name))
		return wf_err(err, -EINVAL, "unsupported syslog method '%s'", name);
	return 0;
}

int
wf_log_syslog_target(const char *target, struct wf_err *err)
{
	if (sink_set_udp(&target_sink, target)) {
		target_sink.addr_size = 0;
		return wf_err(err, -EINVAL, "syslog target \"%s\" is not IP[:PORT]", target);
	}
	return 0;
}

const char *
wf_syslog_prefix(void)
{
	pthread_once(&default_once, set_default_method);
	switch (atomic_load(&method)) {
	case METHOD_NULL:
		return "";
	case METHOD_DIRECT:
		return "<%B>";
	default:
		return "<%B> %D{%h %e %T} %E %A:";
	}
}

void
wf_syslog_send(const struct wf_log_msg *msg, const char *text)
{
	struct wf_str s = WF_STR_INIT;
	int facility = wf_syslog_facility();
	int m;

	pthread_once(&default_once, set_default_method);
	m = atomic_load(&method);
	if (m != METHOD_NULL) {
		const char *line = text;

		/* A datagram a line, as the daemons expect. */
		while (*line) {
			size_t n = strcspn(line, "\n");

			wf_str_truncate(&s, 0);
			wf_str_fmt(&s, "<%d>",
				   (facility ? facility : LOG_DAEMON) +
					   wf_syslog_severity(msg->level));
			if (m == METHOD_LIBC) {
				wf_log_format_time(&s, "%h %e %T ", msg->wall_ms, false);
				wf_str_fmt(&s, "%s: ", wf_program_name);
			}
			wf_str_putn(&s, line, n);
			if (n)
				sink_send(&main_sink, s.s, s.len);
			line += n + (line[n] == '\n');
		}
	}
	if (target_sink.addr_size) {
		wf_str_truncate(&s, 0);
		/* RFC 5424 section 6; the mark before the text says UTF-8 (6.4). */
		wf_log_format(&s, "<%B>1 %D{%Y-%m-%dT%H:%M:%S.###Z} %E %A %P %c - \xef\xbb\xbf%m",
			      msg);
		sink_send(&target_sink, s.s, s.len);
	}
	wf_str_done(&s);
}
