// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
wf_file_read(const char *path, size_t max_size, struct wf_str *ret, struct wf_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	size_t start = ret->len;
	char block[65536];
	ssize_t n;

	if (fd < 0)
		return wf_err(err, -errno, "%s: %s", path, strerror(errno));
	while ((n = read(fd, block, sizeof block)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = wf_err(err, -errno, "%s: can't be read: %s", path, strerror(errno));
			break;
		}
		if (ret->len - start + n > max_size) {
			rc = wf_err(err, -EFBIG, "%s: more than %zu bytes", path, max_size);
			break;
		}
		wf_str_putn(ret, block, n);
	}
	close(fd);
	return rc;
}

int
wf_file_read_text(const char *path, size_t max_size, struct wf_str *ret, struct wf_err *err)
{
	size_t start = ret->len;
	int rc = wf_file_read(path, max_size, ret, err);

	if (!rc && ret->len > start && memchr(ret->s + start, '\0', ret->len - start))
		rc = wf_err(err, -EINVAL, "%s: there is a NUL byte in it; it must be text", path);
	return rc;
}

int
wf_write_all(int fd, const void *data, size_t size)
{
	const uint8_t *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

int
wf_file_replace(const char *path, const void *data, size_t size, struct wf_err *err)
{
	char *aside = wf_xasprintf("%s.new", path);
	int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int rc = fd < 0 ? -errno : wf_write_all(fd, data, size);

	if (!rc && fsync(fd))
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (!rc && rename(aside, path))
		rc = -errno;
	if (rc) {
		if (fd >= 0)
			unlink(aside);
		wf_err(err, rc, "%s: can't be written: %s", path, strerror(-rc));
	}
	free(aside);
	return rc;
}
