/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between two daemons: packets of a sequenced unix socket, each with at most one descriptor. */
#include "base/handover.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/daemon.h"
#include "base/log.h"

WF_LOG_MODULE(handover);

#define MAGIC 0x77656674 /* "weft" */
/* The ports of a large switch are more than a socket holds: whoever sends waits so long for the other end to read. */
#define SEND_MS 2000

/* Both ends run on one machine, so numbers need no order of bytes. */
struct head {
	uint32_t magic, type, value;
};

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* --- The socket ---------------------------------------------------------------------------------- */

static int
set_address(const char *name, struct sockaddr_un *a, struct wf_err *err)
{
	int n = snprintf(a->sun_path, sizeof(a->sun_path), "%s/%s.handover", wf_rundir(), name);

	a->sun_family = AF_UNIX;
	if (n < 0 || (size_t)n >= sizeof(a->sun_path))
		return wf_err(err, -ENAMETOOLONG, "%s/%s.handover is too long for a socket", wf_rundir(), name);
	return 0;
}

int
wf_handover_listen(const char *name, struct wf_err *err)
{
	struct sockaddr_un a;
	mode_t mask;
	int fd, rc = set_address(name, &a, err);

	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(a.sun_path);
	mask = umask(0177);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4) < 0) {
		rc = wf_err(err, -errno, "%s: %s", a.sun_path, wf_strerror(-errno));
		if (fd >= 0)
			close(fd);
	}
	umask(mask);
	return rc ? rc : fd;
}

void
wf_handover_unlink(const char *name)
{
	struct sockaddr_un a;
	struct wf_err err;

	if (!set_address(name, &a, &err))
		unlink(a.sun_path);
}

int
wf_handover_accept(int listen_fd, long *pid)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (fd < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) ||
	    (peer.uid && peer.uid != geteuid())) {
		wf_warn("user %ld may not take over", (long)peer.uid);
		close(fd);
		return -1;
	}
	*pid = peer.pid;
	return fd;
}

int
wf_handover_connect(const char *name, struct wf_err *err)
{
	struct sockaddr_un a;
	int fd, rc = set_address(name, &a, err);

	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		rc = wf_err(err, -errno, "%s: %s", a.sun_path, wf_strerror(-errno));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	return fd;
}

/* --- Messages ------------------------------------------------------------------------------------ */

int
wf_handover_send(int sock, uint32_t type, uint32_t value, const char *text, int fd)
{
	struct head head = { MAGIC, type, value };
	size_t len = text ? strnlen(text, WF_HANDOVER_TEXT_MAX - 1) : 0;
	struct iovec iov[2] = { { &head, sizeof(head) }, { (void *)text, len } };
	union control control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	for (;;) {
		struct pollfd p = { .fd = sock, .events = POLLOUT };
		int rc;

		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
		if (n >= 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		rc = errno == EAGAIN ? poll(&p, 1, SEND_MS) : 1;
		if (!rc)
			return -ETIMEDOUT;
	}
}

/* The last one, as nobody sends two: the room that alignment leaves would take them. */
static int
descriptor_of(struct msghdr *msg)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			if (fd >= 0)
				close(fd);
			memcpy(&fd, (const char *)c + at, sizeof(fd));
		}
	}
	return fd;
}

int
wf_handover_receive(int sock, int timeout_ms, struct wf_handover_msg *m)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct head head;
	struct iovec iov[2] = { { &head, sizeof(head) }, { m->text, sizeof(m->text) - 1 } };
	union control control;
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = 2, .msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;
	int rc;

	do
		rc = poll(&p, 1, timeout_ms);
	while (rc < 0 && errno == EINTR);
	if (rc <= 0)
		return rc ? -errno : -ETIMEDOUT;
	n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n <= 0)
		return n && errno != ECONNRESET ? -errno : -ECONNRESET;
	m->fd = descriptor_of(&msg);
	if ((size_t)n < sizeof(head) || head.magic != MAGIC || msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		if (m->fd >= 0)
			close(m->fd);
		return -EPROTO;
	}
	m->type = head.type;
	m->value = head.value;
	m->text[(size_t)n - sizeof(head)] = '\0';
	return 0;
}
