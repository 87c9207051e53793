// SPDX-License-Identifier: Apache-2.0
/* The protocol of Open vSwitch's pid files, so that either side's tools and daemons see
 * each other: a file is in use while its process holds a POSIX write lock on all of it.
 * Such locks go away with the process, and also when the process closes any descriptor of
 * the file: ours is never opened a second time. */
#include "base/daemon_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static char *made_path;
static pid_t made_by;

static int
lock_file(int fd, int command, struct flock *lock)
{
	int rc;

	*lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
	do
		rc = fcntl(fd, command, lock);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

static bool
is_same_file(const char *path, int fd)
{
	struct stat a, b;

	return !stat(path, &a) && !fstat(fd, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Removes the file nobody holds a lock on.  Only who has it locked may, else two starting
 * daemons could each remove the other's new file. */
static int
remove_stale(const char *path, int fd)
{
	struct flock lock;
	int rc = lock_file(fd, F_SETLK, &lock);

	if (rc)
		return rc;
	if (!is_same_file(path, fd))
		return -EALREADY;
	return unlink(path) < 0 ? -errno : 0;
}

/* Returns the pid of the process that holds 'path', 0 if there is none (a stale file is
 * removed), or a negative errno. */
static pid_t
holder(const char *path)
{
	struct flock lock;
	char line[32];
	ssize_t n;
	int rc;

	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	rc = lock_file(fd, F_GETLK, &lock);
	if (!rc && lock.l_type == F_UNLCK) {
		rc = remove_stale(path, fd);
	} else if (!rc) {
		n = read(fd, line, sizeof(line) - 1);
		line[n > 0 ? n : 0] = '\0';
		/* Another process may hold it just to remove it; then it is no daemon's. */
		rc = strtol(line, NULL, 10) == lock.l_pid ? lock.l_pid : -ESRCH;
	}
	close(fd);
	return rc;
}

static int
write_pid(int fd)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) < 0)
		return -errno;
	return write(fd, text, n) == n ? 0 : errno ? -errno : -EIO;
}

static int
make_at(const char *path, const char *tmp, bool overwrite, struct wf_err *err)
{
	struct flock lock;
	int rc;

	int fd = open(tmp, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return wf_err(err, -errno, "%s: create failed (%s)", tmp, wf_strerror(-errno));
	rc = lock_file(fd, F_SETLK, &lock);
	if (rc) {
		close(fd);
		return wf_err(err, rc, "%s: fcntl(F_SETLK) failed (%s)", tmp, wf_strerror(rc));
	}
	if (!overwrite) {
		pid_t pid = holder(path);

		if (pid > 0)
			rc = wf_err(err, -EEXIST, "%s: already running as pid %ld, aborting", path,
				    (long)pid);
		else if (pid < 0)
			rc = wf_err(err, pid, "%s: pidfile check failed (%s), aborting", path,
				    wf_strerror(pid));
	}
	if (!rc && (rc = write_pid(fd)) != 0)
		wf_err(err, rc, "%s: write failed (%s)", tmp, wf_strerror(rc));
	if (!rc && rename(tmp, path) < 0)
		rc = wf_err(err, -errno, "failed to rename \"%s\" to \"%s\" (%s)", tmp, path,
			    wf_strerror(-errno));
	if (rc) {
		unlink(tmp);
		close(fd);
	}
	return rc; /* else 'fd' stays open for good: it holds the lock */
}

int
wf_pidfile_make(const char *path, bool overwrite, struct wf_err *err)
{
	/* Without overwriting, all share one temporary name, which serialises them. */
	char *tmp = overwrite ? wf_xasprintf("%s.tmp%ld", path, (long)getpid())
			      : wf_xasprintf("%s.tmp", path);
	int rc = make_at(path, tmp, overwrite, err);

	free(tmp);
	if (!rc) {
		made_path = wf_xstrdup(path);
		made_by = getpid();
		atexit(wf_pidfile_remove);
	}
	return rc;
}

void
wf_pidfile_remove(void)
{
	if (made_path && made_by == getpid()) {
		unlink(made_path);
		free(made_path);
		made_path = NULL;
	}
}
