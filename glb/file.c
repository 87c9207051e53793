// SPDX-License-Identifier: Apache-2.0
#include "glb/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

char *
glb_file_read(const char *path, size_t *ret_len, struct wf_err *err)
{
	struct stat st;
	size_t len = 0;
	char *bytes;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		wf_err(err, -errno, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > 1 << 30) {
		wf_err(err, -EINVAL, "%s: is not a file of at most 1 GiB", path);
		close(fd);
		return NULL;
	}
	bytes = wf_xmalloc((size_t)st.st_size + 1);
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, bytes + len, (size_t)st.st_size - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	bytes[len] = '\0';
	*ret_len = len;
	return bytes;
}

int
glb_file_replace(const char *path, const char *bytes, size_t len, struct wf_err *err)
{
	char *tmp = wf_xasprintf("%s.new", path);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640), e;
	bool ok = fd >= 0;

	while (ok && len) {
		ssize_t n = write(fd, bytes, len);

		ok = n > 0;
		if (ok) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	ok = ok && !fsync(fd);
	e = errno;
	if (fd >= 0)
		close(fd);
	if (ok && rename(tmp, path)) {
		e = errno;
		ok = false;
	}
	if (!ok) {
		unlink(tmp);
		wf_err(err, -e, "%s: %s", tmp, strerror(e));
	}
	free(tmp);
	return ok ? 0 : -e;
}
