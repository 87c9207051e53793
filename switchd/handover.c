/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between two daemons: packets of a sequenced unix socket, each with at most one descriptor. */
#include "switchd/handover.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/daemon.h"

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

bool
handover_path(char *path, size_t size)
{
	int n = snprintf(path, size, "%s/weft.handover", wf_rundir());

	return n > 0 && (size_t)n < size && (size_t)n < sizeof(((struct sockaddr_un *)0)->sun_path);
}

int
handover_send(int sock, enum handover_type type, uint32_t value, const char *text, int fd)
{
	struct head head = { MAGIC, type, value };
	size_t len = text ? strnlen(text, HANDOVER_TEXT_MAX - 1) : 0;
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

static int
descriptor_of(struct msghdr *msg)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int
handover_receive(int sock, int timeout_ms, struct handover_msg *m)
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
