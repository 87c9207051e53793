/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "dataplane/ports/kernel_dev.h"

static int
own_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return fd;
}

static ino_t
inode_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static int
open_sockets(void *ns_)
{
	struct kernel_ns *ns = ns_;

	ns->ioctl_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ns->netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return ns->ioctl_fd >= 0 && ns->netlink_fd >= 0 ? 0 : -errno;
}

static int
open_foreign(void *ns_)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	struct kernel_ns *ns = ns_;
	int rc = open_sockets(ns);

	ns->event_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (ns->event_fd < 0 || bind(ns->event_fd, (struct sockaddr *)&nl, sizeof nl) < 0)
		return -errno;
	return rc;
}

struct kernel_ns *
kernel_ns_own(void)
{
	static struct kernel_ns ns = { -1, -1, -1, 0 };

	if (ns.ioctl_fd < 0) {
		open_sockets(&ns);
		ns.inode = inode_of(own_fd());
	}
	return &ns;
}

int
kernel_ns_run(int fd, int (*fn)(void *), void *arg)
{
	int rc;

	if (own_fd() < 0)
		return -errno;
	if (setns(fd, CLONE_NEWNET) < 0)
		return -errno;
	rc = fn(arg);
	/* This thread belongs to our namespace: going on elsewhere would do damage. */
	if (setns(own_fd(), CLONE_NEWNET) < 0)
		abort();
	return rc;
}

struct kernel_ns *
kernel_ns_open(int fd)
{
	struct kernel_ns *ns;

	if (inode_of(fd) == kernel_ns_own()->inode)
		return kernel_ns_own();
	ns = wf_xzalloc(sizeof *ns);
	ns->ioctl_fd = ns->netlink_fd = ns->event_fd = -1;
	ns->inode = inode_of(fd);
	if (kernel_ns_run(fd, open_foreign, ns)) {
		kernel_ns_free(ns);
		return NULL;
	}
	return ns;
}

void
kernel_ns_free(struct kernel_ns *ns)
{
	if (!ns || ns == kernel_ns_own())
		return;
	if (ns->ioctl_fd >= 0)
		close(ns->ioctl_fd);
	if (ns->netlink_fd >= 0)
		close(ns->netlink_fd);
	if (ns->event_fd >= 0)
		close(ns->event_fd);
	free(ns);
}

/* Opens DIR/ENTRY/REST if it is the namespace looked for. */
static int
try_open(const char *dir, const char *entry, const char *rest, ino_t inode)
{
	char path[400];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s%s", dir, entry, rest);
	if (stat(path, &st) < 0 || st.st_ino != inode)
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC);
}

int
kernel_ns_find(ino_t inode)
{
	static const char *const places[][2] = {
		{ "/run/netns", "" }, { "/var/run/docker/netns", "" }, { "/proc", "/ns/net" },
	};
	int fd = -1;

	for (unsigned i = 0; fd < 0 && i < sizeof places / sizeof places[0]; i++) {
		DIR *d = opendir(places[i][0]);
		struct dirent *e;

		while (d && fd < 0 && (e = readdir(d)))
			if (e->d_name[0] != '.' && (!*places[i][1] || (e->d_name[0] >= '1' &&
								      e->d_name[0] <= '9')))
				fd = try_open(places[i][0], e->d_name, places[i][1], inode);
		if (d)
			closedir(d);
	}
	return fd;
}
