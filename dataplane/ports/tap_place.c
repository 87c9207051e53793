/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/tap_place.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/loop.h"
#include "dataplane/ports/classes.h"

WF_LOG_MODULE(ports_tap);

/* --- The record ------------------------------------------------------------------------------ */

static void
record_path(const char *name, char path[400])
{
	snprintf(path, 400, "%s/weft-taps/%s", wf_rundir(), name);
}

static void
record_write(const char *name, const struct tap_place *t)
{
	char path[400], dir[300], temp[420];
	FILE *f;

	record_path(name, path);
	if (t->ns == kernel_ns_own() && !strcmp(name, t->dev)) {
		unlink(path);
		return;
	}
	snprintf(dir, sizeof dir, "%s/weft-taps", wf_rundir());
	mkdir(dir, 0750);
	snprintf(temp, sizeof temp, "%s.new", path);
	f = fopen(temp, "we");
	if (f)
		fprintf(f, "%" PRIu64 " %s\n", (uint64_t)t->ns->inode, t->dev);
	if (!f || fclose(f) || rename(temp, path) < 0)
		wf_warn("%s: cannot remember in %s where the tap is (%s): a restarted switch will "
			"not find it", name, path, wf_strerror(-errno));
}

static bool
record_read(const char *name, ino_t *inode, char dev[IFNAMSIZ])
{
	char path[400];
	uint64_t number;
	bool ok;
	FILE *f;

	record_path(name, path);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fscanf(f, "%" SCNu64 " %15s", &number, dev) == 2;
	fclose(f);
	*inode = (ino_t)number;
	return ok;
}

/* --- Events of a foreign namespace ----------------------------------------------------------- */

static void
on_event(void *t_)
{
	struct tap_place *t = t_;
	char buf[8192];

	/* What it says does not matter: the tap is looked at. */
	while (recv(t->ns->event_fd, buf, sizeof buf, 0) > 0 || errno == ENOBUFS)
		;
	ports_changed(t->port);
}

static void
follow_events(struct tap_place *t)
{
	t->watch = t->ns->event_fd >= 0 ? wf_fd_watch(t->ns->event_fd, on_event, t) : NULL;
	/* It may have changed between the move and this. */
	if (t->watch)
		ports_changed(t->port);
}

static void
forget_events(struct tap_place *t)
{
	if (t->watch)
		wf_fd_unwatch(t->watch);
	t->watch = NULL;
}

/* --- Opening --------------------------------------------------------------------------------- */

struct attaching {
	const char *dev;
	int (*attach)(const char *dev, struct wf_err *);
	struct wf_err *err;
};

static int
attach_there(void *a_)
{
	struct attaching *a = a_;

	return a->attach(a->dev, a->err);
}

/* The tap of a record, if it is still there: TUNSETIFF would make another one if not. */
static int
open_recorded(const char *name, struct attaching *a, struct tap_place *t)
{
	ino_t inode;
	int ns_fd, fd = -1;

	if (!record_read(name, &inode, t->dev))
		return -ENOENT;
	ns_fd = inode == kernel_ns_own()->inode ? -1 : kernel_ns_find(inode);
	t->ns = ns_fd >= 0 ? kernel_ns_open(ns_fd) : kernel_ns_own();
	if (t->ns && t->ns->inode == inode && kernel_dev_ifindex(t->ns, t->dev)) {
		a->dev = t->dev;
		fd = ns_fd >= 0 ? kernel_ns_run(ns_fd, attach_there, a) : attach_there(a);
	}
	if (ns_fd >= 0)
		close(ns_fd);
	if (fd < 0)
		kernel_ns_free(t->ns);
	return fd;
}

int
tap_place_open(const char *name, int (*attach)(const char *dev, struct wf_err *),
	       struct tap_place *t, struct wf_err *err)
{
	struct attaching a = { .dev = name, .attach = attach, .err = err };
	int fd = open_recorded(name, &a, t);

	if (fd < 0) {
		t->ns = kernel_ns_own();
		snprintf(t->dev, sizeof t->dev, "%s", name);
		fd = attach(name, err);
		if (fd < 0)
			return fd;
		record_write(name, t);
	}
	t->port = wf_xstrdup(name);
	follow_events(t);
	return fd;
}

/* --- Following ------------------------------------------------------------------------------- */

int
tap_place_update(const char *name, int fd, struct tap_place *t)
{
	struct ifreq ifr = { 0 };
	struct stat st;
	bool moved = false;
	int ns_fd;

	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return -ENODEV;
	/* Without TUNGETDEVNETNS (Linux 5.2) it is taken to be where it was. */
	ns_fd = ioctl(fd, TUNGETDEVNETNS);
	if (ns_fd >= 0 && fstat(ns_fd, &st) == 0 && st.st_ino != t->ns->inode) {
		struct kernel_ns *ns = kernel_ns_open(ns_fd);

		if (ns) {
			forget_events(t);
			kernel_ns_free(t->ns);
			t->ns = ns;
			moved = true;
			follow_events(t);
		}
	}
	if (ns_fd >= 0)
		close(ns_fd);
	if (moved || strcmp(t->dev, ifr.ifr_name)) {
		snprintf(t->dev, sizeof t->dev, "%s", ifr.ifr_name);
		record_write(name, t);
	}
	return 0;
}

void
tap_place_done(const char *name, struct tap_place *t, bool destroy)
{
	char path[400];

	if (destroy) {
		record_path(name, path);
		unlink(path);
	}
	forget_events(t);
	kernel_ns_free(t->ns);
	t->ns = NULL;
	free(t->port);
}
